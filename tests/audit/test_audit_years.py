"""The audit over expansion years: good plans pass, and an edit inside such a year is caught by its check."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import TABLES, Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

Make = Callable[..., Case]
BATTERY, ENGINE, RACK = "tesla_megablock_4h", "jenbacher_j620", "nvidia_gb300_nvl72"
GRID: dict[str, Any] = {
    "tariff": {
        "energy_usd_per_mwh": None,
        "demand_usd_per_kw_month": 12,
        "fixed_usd_per_month": 5000,
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 30},
            {"name": "peak", "usd_per_mwh": 120, "weekday_hours": [15, 16, 17, 18], "weekend_hours": [15, 16, 17, 18]},
        ],
    }
}
# Two build months from November 2026, then 2027 and 2028 with additions, then 2029 twice.
GROWING: dict[str, Any] = {
    "start": "2026-11-01",
    "horizon": {"build_months": 2, "expansion_years": 2, "operating_years": 2},
    "workload": None,
    "target": {
        "milestones": None,
        "load_series": {"file": "load.csv", "column": "mw"},
        "load_scale": [{"from": "2027-01-01", "fraction": 0.8}, {"from": "2028-07-01", "fraction": 1.1}],
    },
    "site": {
        "grid": GRID
        | {
            "interconnection": [
                {"from": "2026-01-01", "mw": 30, "via": "existing_feeders"},
                {"from": "2028-03-01", "mw": 25, "via": "existing_feeders", "utility_contribution_usd": 1e6},
            ]
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "generation": [ENGINE], "battery": [BATTERY]},
    "committed": [
        {"item": BATTERY, "units": 1, "on_site": "2026-08-01"},
        {"item": ENGINE, "units": 1, "on_site": "2027-03-01", "due_usd": 2e6},
    ],
    "budget": [{"by": "2028-06-30", "usd": 2e8}],
}
# Racks: one milestone in each of two expansion years, more grid inside the first of them.
RACKS: dict[str, Any] = {
    "horizon": {"build_months": 6, "expansion_years": 2, "operating_years": 2},
    "target": {"milestones": [{"gpus": 720, "by": "2028-08-01"}, {"gpus": 1800, "by": "2029-07-01"}]},
    "site": {
        "grid": GRID
        | {
            "interconnection": [
                {"from": "2027-06-01", "mw": 3, "via": "existing_feeders"},
                {"from": "2028-05-01", "mw": 6, "via": "existing_feeders"},
            ]
        }
    },
    "candidates": {"generation": [ENGINE]},
    "committed": [{"item": RACK, "units": 2, "on_site": "2028-02-01"}],
    "budget": [{"by": "2028-12-31", "usd": 3e8}],
}


@pytest.fixture(scope="module")
def case(make_case: Make) -> Case:
    load = 24.0 + 4.0 * np.sin(2 * np.pi * (np.arange(8760) % 24 - 9) / 24)
    return make_case(GROWING, series=load, set=[f"catalog.{BATTERY}.price_usd=8e5"])


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    return plan_of(solve(case, threads=1))


def test_plans_over_years_pass(plan: Plan, case: Case, make_case: Make) -> None:
    require(plan, case)
    racks = make_case(RACKS)
    require(plan_of(solve(racks, threads=1)), racks)


def test_rows_of_every_year(plan: Plan) -> None:
    """2 + 3 x 12 months of 24 hours; the load of 2027 is 0.8 of the series, and 1.1 from 2029, not from July 2028."""
    months = plan.dispatch.groupby("phase").period.nunique().to_dict()
    assert months == {"build": 2, "expansion year": 24, "operating year": 12}
    assert len(plan.dispatch) == 24 * 38
    peak = plan.dispatch.groupby(plan.dispatch.period.map(lambda day: day.year)).facility_load_mw.max().to_dict()
    assert peak == pytest.approx({2026: 28.0, 2027: 22.4, 2028: 22.4, 2029: 30.8})
    assert plan.capacity.design_load_mw.tolist() == pytest.approx([28.0, 28.0, 22.4, 22.4, 30.8])
    assert plan.capacity.grid_step_mw.tolist() == [30, 30, 30, 30, 25]
    assert plan.dispatch[f"discharge:{BATTERY}_mw"][plan.dispatch.phase == "expansion year"].max() > 0.1


Tables = dict[str, Any]


def first(table: str, column: str, change: Callable[[Any], Any], pick: Callable[[pd.DataFrame], Any]) -> Any:
    """An edit of one cell: of the first row picked."""

    def edit(t: Tables) -> None:
        rows = t[table].index[pick(t[table])]
        assert len(rows), f"nothing to edit in {table}"
        t[table].loc[rows[0], column] = change(t[table].loc[rows[0], column])

    return edit


def lost(table: str, pick: Callable[[pd.DataFrame], Any]) -> Any:
    """An edit that loses the first row picked."""

    def edit(t: Tables) -> None:
        t[table] = t[table].drop(t[table].index[pick(t[table])][0]).reset_index(drop=True)

    return edit


def in_2028(column: str = "period") -> Callable[[pd.DataFrame], Any]:
    return lambda f: f[column].map(lambda day: day.year == 2028)


def paid_in_2028(line: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: in_2028("date")(f) & (f["line"] == line)


def last_hour_of_2028(f: pd.DataFrame) -> Any:
    return f.index == f.index[in_2028()(f)][-1]


EDITS: list[tuple[str, str, Any]] = [
    ("power balance", "import", first("dispatch", "grid_import_mw", lambda v: v + 1, in_2028())),
    ("import limit", "import", first("dispatch", "grid_import_mw", lambda v: v + 30, in_2028())),
    ("load by hour", "load", first("dispatch", "facility_load_mw", lambda v: v * 1.1, in_2028())),
    ("hours complete", "an hour lost", lost("dispatch", in_2028())),
    ("hours complete", "another phase", first("dispatch", "phase", lambda _: "build", in_2028())),
    (
        "battery state of charge",
        "charge",
        first("dispatch", f"soc:{BATTERY}_mwh", lambda v: v + 0.5, in_2028()),
    ),
    (
        "battery starts from what was charged",
        "charge at the end of the year",
        first("dispatch", f"soc:{BATTERY}_mwh", lambda v: v + 0.5, last_hour_of_2028),
    ),
    ("ledger operation", "energy", first("ledger", "usd", lambda v: v * 1.001, paid_in_2028("energy"))),
    ("ledger operation", "a bill lost", lost("ledger", paid_in_2028("demand charge"))),
    ("ledger purchases", "a month of O&M lost", lost("ledger", paid_in_2028("fixed O&M"))),
    ("ledger purchases", "a fixed charge lost", lost("ledger", paid_in_2028("fixed charge"))),
    ("ledger purchases", "a contribution lost", lost("ledger", paid_in_2028("utility contribution"))),
    ("installed units", "a unit more", first("installed", "units", lambda v: v + 1, in_2028())),
    ("capacity table", "load", first("capacity", "design_load_mw", lambda v: v + 1, in_2028())),
    ("capacity table", "grid", first("capacity", "grid_step_mw", lambda v: v - 5, in_2028())),
    ("periods", "a year lost", lost("capacity", in_2028())),
    (
        "commissioning date",
        "in service inside a year",
        first(
            "orders",
            "commissioning_date",
            lambda day: day.replace(month=7),
            lambda f: f.commissioning_date >= date(2028, 1, 1),
        ),
    ),
]


@pytest.mark.parametrize(("check", "what", "edit"), EDITS, ids=[f"{check}: {what}" for check, what, _ in EDITS])
def test_an_edit_in_an_expansion_year_is_caught(plan: Plan, case: Case, check: str, what: str, edit: Any) -> None:
    tables = {name: plan.table(name).copy() for name in TABLES}
    edit(tables)
    failed = {c.name for c in audit(Plan(copy.deepcopy(plan.summary), **tables), case) if not c.ok}
    assert check in failed, f"{what}: caught by {sorted(failed)}"


def test_a_load_that_grew_more_is_caught(plan: Plan, case: Case) -> None:
    """The same plan under a step of 2028 that comes a year earlier, and under a smaller budget."""
    target = case.input.target
    early = [step.model_copy(update={"from_": date(2027, 7, 1)}) for step in target.load_scale[1:]]
    scaled = target.model_copy(update={"load_scale": [target.load_scale[0], *early]})
    budget = [row.model_copy(update={"usd": row.usd / 100}) for row in case.input.budget]
    changed = replace(case, input=case.input.model_copy(update={"target": scaled, "budget": budget}))
    failed = {c.name for c in audit(plan, changed) if not c.ok}
    assert {"load by hour", "power balance", "capacity table", "budget"} <= failed
