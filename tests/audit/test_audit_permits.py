"""The audit of gas, air permit, curtailment and tests of standby sets: a good plan passes, every edit is caught.

Purpose: mutations; equivalence of the decomposed and the whole model on the same case.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from own import BATTERY, ENGINE

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import TABLES, Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from tests.audit.sites import SITES

Make = Callable[..., Case]
Edit = Callable[[dict[str, pd.DataFrame]], None]
ENGINES = [
    ENGINE | {"nox_kg_per_mwh": 0.2, "start_time_minutes": 5, "derate_from_c": 60, "price_usd": 5e5},
    ENGINE
    | {
        "id": "lean_engine",
        "class": "lean_engine",
        "heat_rate_btu_per_kwh_hhv": 7000,
        "heat_rate_half_load_btu_per_kwh_hhv": 7600,
        "start_cost_usd": 200,
        "nox_kg_per_mwh": 0.5,
        "derate_from_c": 60,
        "price_usd": 9e5,
    },
]


def everything(make: Make, *changes: dict[str, Any]) -> Case:
    """20 MW with an evening peak: gas, a permit from February with hours, and calls no engine starts for in time."""
    steps = [
        {"from": "2026-01-01", "mw": 18, "via": "existing_feeders"},
        {"from": "2027-02-01", "mw": 26, "via": "existing_feeders", "firm": "false"},
    ]
    hour = np.arange(8760)
    return make(
        {
            "horizon": {"build_months": 2, "operating_years": 1, "sample_days_per_month": 1},
            "workload": None,
            "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
            "site": {
                "fuel": {"natural_gas_usd_per_mmbtu_hhv": None},
                "grid": {
                    "interconnection": steps,
                    "tariff": {"energy_usd_per_mwh": 42, "demand_usd_per_kw_month": 8},
                    "curtailment": {
                        "hours_per_year": 80,
                        "event_h": 3,
                        "notice_min": 3,
                        "grid_fraction_left": 0.25,
                        "compute_may_shed": 0.1,
                    },
                },
                "gas": {
                    "from": "2027-01-10",
                    "mmbtu_hhv_per_day": 2400,
                    "usd_per_mmbtu_hhv": 5,
                    "take_or_pay_fraction": 0.8,
                },
                "air_permit": {"from": "2027-02-01", "nox_tons_per_year": 12, "enforceable_cap": "hours"},
            },
            "candidates": {
                "compute": None,
                "heat_rejection": None,
                "generation": ["own_engine", "lean_engine"],
                "battery": ["own_battery"],
            },
            "redundancy": {"onsite_generation": {"scheme": "N"}},
        },
        *changes,
        series=16.0 + 4.0 * np.sin(2 * np.pi * (hour % 24 - 12) / 24) * (1 + (hour > 4000)),
        items=[BATTERY, *ENGINES],
    )


@pytest.fixture(scope="module")
def case(make_case: Make) -> Case:
    return everything(make_case)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    made = plan_of(solve(case, gap=1e-6, threads=1))
    require(made, case)
    return made


def failed(plan: Plan, case: Case, edit: Edit) -> set[str]:
    """Names of the checks an edited plan fails."""
    tables: dict[str, Any] = {name: plan.table(name).copy() for name in TABLES}
    details = {name: frame.copy() for name, frame in plan.details.items()}
    edit(tables | details)
    edited = Plan(copy.deepcopy(plan.summary), **tables, details=details)
    return {check.name for check in audit(edited, case) if not check.ok}


def change(table: str, column: str, by: float, pick: Callable[[pd.DataFrame], Any]) -> Edit:
    """An edit of the first row of a table that is picked."""

    def edit(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables[table]
        row = frame.index[pick(frame)][0]
        frame.loc[row, column] = frame.loc[row, column] + by

    return edit


def test_a_plan_with_every_permit_passes_read_back_too(plan: Plan, case: Case, tmp_path: Any) -> None:
    assert {"air_permit", "gas"} <= set(plan.details)
    assert {"gas take-or-pay", "called hours (estimate)"} <= set(plan.ledger.line)
    assert plan.details["gas"].highest_day_mmbtu_hhv.max() > 0
    write_plan(plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), case)


def test_decomposed_and_whole_agree(case: Case) -> None:
    """One optimum to 1e-6, and one operating cost at the same design to 1e-7."""
    parts, whole = solve(case, gap=1e-6, threads=1), Monolithic(case)
    other = whole.solve(gap=1e-6)
    slack = (parts.upper_kusd - parts.lower_kusd) + (other.upper_kusd - other.lower_kusd)
    assert abs(parts.upper_kusd - other.upper_kusd) <= slack + 1e-6 * other.upper_kusd
    held = {v.name: float(parts.point[j]) for j, v in enumerate(parts.master.columns) if not v.name.startswith("cost[")}
    fixed = whole.solve(fixed=held, gap=0.0)
    blocks = sum(value.cost_usd / 1000.0 for value in parts.values.values())
    assert sum(fixed.operating_kusd.values()) == pytest.approx(blocks, rel=1e-7)


def no_batteries(tables: dict[str, pd.DataFrame]) -> None:
    """An edit that takes the batteries of the operating year away."""
    frame = tables["installed"]
    frame.loc[(frame["item"] == "own_battery") & (frame.period == frame.period.max()), "units"] = 0.0


RUNS = "generation:own_engine_mw"


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("air permit date", change("dispatch", RUNS, 1.0, lambda f: f.phase == "build")),
        ("generation rating", change("dispatch", RUNS, 1.0, lambda f: f.phase == "build")),
        ("gas of an hour", change("dispatch", RUNS, 90.0, lambda f: f.phase == "operating year")),
        ("gas of a day", change("dispatch", RUNS, 400.0, lambda f: f.phase == "operating year")),
        ("potential to emit", change("air_permit", "permitted_mwh_per_year", 1e5, lambda f: f.units > 0)),
        (
            "permitted energy",
            change("air_permit", "permitted_mwh_per_year", -3e3, lambda f: f.permitted_mwh_per_year > 9e3),
        ),
        ("air permit table", change("air_permit", "potential_short_tons_per_year", 1.0, lambda f: f.units > 0)),
        ("gas table", change("gas", "burnt_mmbtu_hhv", 1.0, lambda f: f.burnt_mmbtu_hhv > 0)),
        ("gas table", change("gas", "highest_day_mmbtu_hhv", 1.0, lambda f: f.burnt_mmbtu_hhv > 0)),
        ("gas table", change("gas", "highest_hour_mmbtu_hhv", -1.0, lambda f: f.burnt_mmbtu_hhv > 0)),
        ("gas table", change("gas", "supply_mmbtu_hhv_per_day", 1.0, lambda f: f.phase == "operating year")),
        ("ledger operation", change("ledger", "usd", 50.0, lambda f: f.line == "gas take-or-pay")),
        ("ledger operation", change("ledger", "usd", 50.0, lambda f: f.line == "called hours (estimate)")),
        ("event called_curtailment", no_batteries),
    ],
)
def test_edits_are_caught(plan: Plan, case: Case, check: str, edit: Edit) -> None:
    assert check in failed(plan, case, edit)


def test_blocks_of_days_make_the_same_plan(make_case: Make) -> None:
    """Permitted energy is shared out over days instead of months: the same cost, where no units are committed."""
    plain = {"candidates": {"generation": ["own_engine"]}}
    days = [{"horizon": {"sample_days_per_month": 2, "block": block}} for block in ("month", "day")]
    one, other = (solve(everything(make_case, plain, of), gap=1e-5, threads=1) for of in days)
    assert one.upper_kusd == pytest.approx(other.upper_kusd, rel=3e-5)
    require(plan_of(other), other.sizing.case)


def test_racks_on_call_and_engines_on_a_lateral(make_case: Make) -> None:
    """1,440 GPUs on 2 MW of feeders and engines N+1: what may be shed is worth 60 h x .2 x 3 $ a GPU and year."""
    steps = [{"from": "2027-06-01", "mw": 2, "via": "existing_feeders"}]
    promise = {
        "hours_per_year": 60,
        "event_h": 2,
        "notice_min": 30,
        "compute_may_shed": 0.2,
        "usd_per_gpu_hour": 3,
    }
    changes: dict[str, Any] = {
        "target": {"milestones": [{"gpus": 1440, "by": "2028-05-01"}]},
        "candidates": {"generation": ["jenbacher_j620"], "battery": ["tesla_megapack_2xl_4h"]},
        "site": {
            "grid": {"interconnection": steps, "curtailment": promise},
            "gas": {"from": "2027-09-01", "mmbtu_hhv_per_day": 900},
            "air_permit": {"from": "2027-09-01", "nox_tons_per_year": 250},
        },
    }
    case = make_case(changes)
    plan = plan_of(solve(case, gap=1e-4, threads=1))
    require(plan, case)
    year = plan.ledger[plan.ledger.date >= plan.capacity.period.iloc[-1]]
    lost = year[year.line == "curtailed compute (value, not paid)"].usd.sum()
    gpus = int(plan.capacity.gpus_energised.iloc[-1])
    assert lost == pytest.approx(2 * 60 * 0.2 * 3 * gpus, rel=1e-6)  # two operating years
    firm = plan.capacity.firm_generation_mw.iloc[-1]
    rate = 7633 * 1.108 / 1000
    assert firm <= 900 / 24 / rate + 1e-6


def test_what_has_gone_back_keeps_its_permitted_energy(make_case: Make) -> None:
    """Turbines rented until April have run in the 12 months to July: the cap they ran under is still told, and held."""
    changes, more = SITES["bridge"]
    case = make_case(*changes, **more)
    plan = plan_of(solve(case, gap=0.02, threads=1))
    require(plan, case)
    told = plan.details["air_permit"]
    gone = told[told.units == 0]
    assert len(gone)
    assert (gone.permitted_mwh_per_year > 1000).all()
    lost = change("air_permit", "permitted_mwh_per_year", -1e4, lambda f: f.units == 0)
    assert "permitted energy" in failed(plan, case, lost)
