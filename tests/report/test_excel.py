"""The workbook read back with openpyxl, another library than the one that wrote it.

Purpose: equivalence (what the cells say is what the plan's tables say) and safety (text stays text). The plan
is made by hand below; the expected numbers are its own, added up here by hand.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pandas as pd
import pytest

from planner.case.case import Case, load_case
from planner.plan.plan import Plan
from planner.report.excel import SHEETS, workbook

EVIL = ('=cmd()|"/c calc"!A1', "+1+1", "-2+3", "@SUM(A1)", "https://example.org", "12")
RACK, BATTERY = "nvidia_gb300_nvl72", "tesla_megapack_2xl_4h"


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case(Path(__file__).parents[2] / "examples" / "carolina")


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Two months of build and one of operation; two days of 1 h in each, standing for 10 h."""
    months = [date(2027, 1, 1), date(2027, 2, 1), date(2027, 3, 1)]
    summary: dict[str, Any] = {
        "schema": "plan/1",
        "name": EVIL[0],
        "status": "feasible",
        "stopped_by": "the time limit",
        "objectives": [
            {"name": "GPUs", "value": 144.0, "bound": 150.0},
            {"name": "cost", "value": 9.0e6, "bound": 8.9e6},
        ],
        "objective_usd": 9.0e6,
        "lower_bound_usd": 8.9e6,
        "gap_usd": 1.0e5,
        "gap_fraction": 0.02,
        "gap_fraction_total": 0.011,
        "cost_not_open_to_decision_usd": 4.0e6,
        "rounds": 1,
        "block_solves": 1,
        "seconds": 1.0,
        "units": {RACK: 2.0, BATTERY: 3.0, EVIL[1]: 1.0},
        "milestones": [
            {"target": 144, "unit": "GPUs", "by": "2027-03-31", "reached": "2027-03-01"},
            {"target": 288, "unit": "GPUs", "by": "2027-12-31", "reached": None},
        ],
        "key_results": {"annual_pue": 1.1, "usd_per_gpu_hour": None, "an_unknown_mwh": 5.0},
        "firm": [],
        "gpus_energised": 144,
        "design_load_mw": 0.3,
        "trust": {"dollars_fraction_on_weak_figures": 0.25, "critical_weeks_fraction_on_weak_figures": 0.5},
        "weather": {"name": EVIL[2], "synthetic": False, "design_ambient": "the case"},
        "defaults_used": [EVIL[3]],
        "warnings": [EVIL[4], EVIL[5]],
        "activities": {"permit": "2027-02-01"},
        "inputs_sha256": {"case.yaml": "ab"},
        "versions": {"python": "3.11"},
    }
    day = date(2027, 1, 20)
    return Plan(
        summary,
        orders=pd.DataFrame(
            {
                "item": [RACK, EVIL[1]],
                "position": ["compute", "ups"],
                "family": ["compute", "power"],
                "units": [2, 1],
                "order_date": [day, day],
                "delivery_date": [day, day],
                "ready_date": [day, day],
                "commissioning_date": [months[2], months[2]],
                "capital_usd": [7.0e6, 5.0e5],
            }
        ),
        installed=pd.DataFrame(),
        stages=pd.DataFrame(),
        capacity=pd.DataFrame(
            {
                "period": months,
                "grid_step_mw": 1.0,
                "grid_mw": 1.0,
                "firm_generation_mw": 0.0,
                "design_load_mw": [0.0, 0.0, 0.3],
                "it_design_mw": [0.0, 0.0, 0.28],
                "gpus_energised": [0, 0, 144],
                "racks_delivered": [0, 2, 2],
                "racks_ready": [0, 0, 2],
                "racks_energised": [0, 0, 2],
                "racks_stranded": [0, 0, 0],
                "binding_stage": ["racks on site", "racks on site", "target met"],
            }
        ),
        dispatch=pd.DataFrame(
            {
                "period": [months[0]] * 2 + [months[1]] * 2 + [months[2]] * 2,
                "phase": ["build"] * 4 + ["operating year"] * 2,
                "hour_of_year": range(6),
                "weight_h": 10.0,
                "it_mw": [0.0, 0.0, 0.0, 0.0, 0.2, 0.25],
                "site_load_mw": [0.0, 0.0, 0.0, 0.0, 0.3, 0.4],
                "grid_import_mw": [0.0, 0.0, 0.0, 0.0, 0.31, 0.41],
                f"charge:{BATTERY}_mw": 0.0,
                f"soc:{BATTERY}_mwh": 1.0,
            }
        ),
        ledger=pd.DataFrame(
            [
                (day, "IT equipment", RACK, 7.0e6),
                (day, "equipment", EVIL[1], 5.0e5),
                (date(2027, 3, 15), "energy", "operation", 300.0),
                (date(2028, 3, 15), "energy", "operation", 300.0),
                (date(2028, 4, 1), "residual value", RACK, -1.0e6),
            ],
            columns=["date", "line", "item", "usd"],
        ),
    )


@pytest.fixture(scope="module")
def book(plan: Plan, case: Case) -> Any:
    return openpyxl.load_workbook(io.BytesIO(workbook(plan, case)))


def column(sheet: Any, header: str) -> list[Any]:
    """Values under a header, down to the first blank."""
    j = next(cell.column for cell in sheet[1] if cell.value == header)
    values = []
    for i in range(2, sheet.max_row + 1):
        if sheet.cell(i, 1).value is None:
            break
        values.append(sheet.cell(i, j).value)
    return values


def test_sheets_are_there_with_frozen_and_filtered_headers(book: Any) -> None:
    assert tuple(book.sheetnames) == (*SHEETS, "Sources")
    for name in (*SHEETS[1:], "Sources"):
        assert book[name].freeze_panes in ("B2", "C2")
        assert book[name].auto_filter.ref.startswith("A1:")


def test_text_is_never_a_formula_a_link_or_a_number(book: Any) -> None:
    """The only formulas of the workbook are the planner's own totals."""
    seen = set()
    for sheet in book:
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            assert cell.hyperlink is None
            if cell.data_type == "f":
                assert cell.value.startswith("=SUBTOTAL(10")
            if cell.value in EVIL:
                assert cell.data_type == "s"
                seen.add(cell.value)
    assert seen == set(EVIL)


def test_orders_are_those_of_the_plan(book: Any) -> None:
    sheet = book["Orders"]
    assert column(sheet, "units") == [2, 1]
    assert column(sheet, "capital [USD]") == [7.0e6, 5.0e5]
    assert column(sheet, "order date") == [datetime(2027, 1, 20)] * 2
    assert sheet["E2"].is_date


def test_totals_shown_before_any_recalculation(plan: Plan, case: Case) -> None:
    """Cached values of the totals: 7.0 + 0.5 M$ of orders, and all payments less the residual value."""
    book = openpyxl.load_workbook(io.BytesIO(workbook(plan, case)), data_only=True)
    assert book["Orders"]["I5"].value == 7.5e6
    assert book["Ledger entries"]["D8"].value == 7.5e6 + 600.0 - 1.0e6


def test_capacity_holds_two_charts(book: Any) -> None:
    sheet = book["Capacity"]
    assert column(sheet, "GPUs energised") == [0, 0, 144]
    assert column(sheet, "period") == [datetime(2027, m, 1) for m in (1, 2, 3)]
    assert len(sheet._charts) == 2


def test_monthly_energy_by_hand(book: Any) -> None:
    """(0.3 + 0.4) MW x 10 h = 7 MWh; the month's bill is that of the first operating year."""
    sheet = book["Energy by month"]
    assert column(sheet, "site load [MWh]") == pytest.approx([0, 0, 7.0])
    assert column(sheet, "grid import [MWh]") == pytest.approx([0, 0, 7.2])
    assert column(sheet, "peak grid import [MW]") == pytest.approx([0, 0, 0.41])
    assert column(sheet, "energy [USD]") == pytest.approx([0, 0, 300.0])
    headers = [cell.value for cell in sheet[1]]
    assert not any("charge" in h or "soc" in h for h in headers)  # nothing flows, and a state is no energy flow
    assert not any("equipment" in h for h in headers)


def test_ledger_quarters_by_hand(book: Any) -> None:
    """Every quarter from the first payment to the last, also empty ones; residual value stands apart."""
    sheet = book["Ledger"]
    assert column(sheet, "quarter") == [f"2027 Q{q}" for q in (1, 2, 3, 4)] + ["2028 Q1", "2028 Q2"]
    assert column(sheet, "all payments [M$]") == pytest.approx([7.5003, 0, 0, 0, 0.0003, 0])
    assert column(sheet, "cumulative payments [M$]") == pytest.approx([7.5003] * 4 + [7.5006] * 2)
    assert column(sheet, "residual value, not in the totals [M$]") == pytest.approx([0, 0, 0, 0, 0, -1.0])
    assert len(sheet._charts) == 1


def test_sources_hold_every_figure_of_the_items(book: Any, case: Case) -> None:
    sheet = book["Sources"]
    expected = [(name, field) for name in (RACK, BATTERY) for field, _ in case.catalog[name].sourced()]
    assert list(zip(column(sheet, "item"), column(sheet, "field"), strict=True)) == expected
    assert set(column(sheet, "basis")) <= {"datasheet", "press", "estimate", "memory", "inherited"}
    assert all(column(sheet, "source"))
    row = expected.index((BATTERY, "nameplate_power_mw"))
    figure = case.catalog[BATTERY].nameplate_power_mw
    assert figure is not None
    assert column(sheet, "value")[row] == figure.value
    assert column(sheet, "unit")[row] == "MW"
    assert column(sheet, "file")[row].startswith("catalogs/batteries.yaml:")


def test_same_plan_same_bytes_and_dated_by_the_case(plan: Plan, case: Case, book: Any) -> None:
    assert workbook(plan, case) == workbook(plan, case)
    assert book.properties.created == datetime(2027, 1, 1)


def test_a_plan_read_back_from_csv_gives_the_same_workbook(plan: Plan, case: Case) -> None:
    """Dates as ISO texts and whole numbers as floats make no difference."""
    tables: dict[str, Any] = {
        name: pd.read_csv(io.StringIO(plan.table(name).to_csv(index=False)))
        for name in ("orders", "capacity", "dispatch", "ledger")
    }
    assert workbook(replace(plan, **tables), case) == workbook(plan, case)


def test_an_empty_plan_is_a_workbook_too(plan: Plan, case: Case) -> None:
    empty = replace(plan, orders=plan.orders.iloc[:0], ledger=plan.ledger.iloc[:0])
    assert openpyxl.load_workbook(io.BytesIO(workbook(empty, case))).sheetnames == [*SHEETS, "Sources"]
