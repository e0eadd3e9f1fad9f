"""The audit of swings and reserves: every edit of a good plan is caught by the check meant for it.

Purpose: mutation. One case with every kind of row: dated rules, two kinds of batteries, an engine to cover, an event.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from own import BATTERY, ENGINE

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import TABLES, Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

FAST: dict[str, Any] = BATTERY | {
    "id": "own_fast",
    "class": "own_fast",
    "response_s": 0.05,
    "grid_forming": True,
    "nameplate_power_mw": 0.4,
    "nameplate_energy_mwh": 0.8,
    "price_usd": 1e5,
}
SITE: dict[str, Any] = {
    "site": {
        "grid": {
            "interconnection": [{"from": "2027-06-01", "mw": 1.2, "via": "existing_feeders"}],
            "load_rules": [{"ramp_mw_per_min": 0.5, "step_mw_per_5s": 0.1}, {"name": "band", "oscillation_mw": 0.2}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 30},
        }
    },
    "workload": {"swing_fraction": 0.5, "smoothing": {"rack_storage_fraction": 0.2}},
    "candidates": {"battery": ["own_fast"], "generation": ["own_engine"]},
    "events": [
        {"kind": "called_curtailment", "duration_h": 2, "grid_fraction_left": 0.1, "load_fraction": 0.75, "starts": 2}
    ],
    "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
}
ITEMS = [FAST, ENGINE | {"nameplate_power_mw": 1, "price_usd": 4e6}]


@pytest.fixture(scope="module")
def case(make_case: Callable[..., Case]) -> Case:
    return make_case(SITE, items=ITEMS)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    return plan_of(solve(case))


def test_a_good_plan_passes_solved_and_read_back(plan: Plan, case: Case, tmp_path: Path) -> None:
    names = [check.name for check in require(plan, case)]
    assert {"load swing, minute", "load swing, five seconds", "load swing, 0.1-55 Hz"} <= set(names)
    held = plan.details["battery_held"].iloc[-1]
    assert held["swing_mw"] > 0
    assert held["spinning_mw"] > 0
    write_plan(plan, tmp_path / "plan")
    assert [check.name for check in require(read_plan(tmp_path / "plan"), case)] == names


def edited(plan: Plan, table: str, column: str, change: Callable[[Any], Any], row: int = -1) -> Plan:
    """A plan with one cell of a detail changed."""
    frame = plan.details[table].copy()
    frame.loc[frame.index[row], column] = change(frame[column].iloc[row])
    tables = {name: plan.table(name) for name in TABLES}
    return Plan(copy.deepcopy(plan.summary), **tables, details=plan.details | {table: frame})


EDITS: list[tuple[str, str, str, Callable[[Any], Any]]] = [
    ("load swing, five seconds", "battery_held", "swing_mw", lambda mw: mw - 0.01),
    ("load swing energy", "battery_held", "held_down_mwh", lambda mwh: 0.9 * mwh),
    ("load swing energy", "battery_held", "held_up_mwh", lambda mwh: 0.9 * mwh),
    ("battery reserves", "battery_held", "held_mw", lambda mw: 0.5 * mw),
    ("battery reserves", "battery_held", "held_mw", lambda mw: mw + 100),
    ("battery reserves", "battery_held", "held_down_mwh", lambda mwh: mwh + 100),
    ("battery reserves", "battery_held", "item", lambda _: "jenbacher_j620"),
    ("battery power", "battery_held", "held_mw", lambda mw: mw + 0.35),
    ("battery keeps energy", "battery_held", "held_up_mwh", lambda mwh: mwh + 0.5),
    ("spinning reserve", "battery_held", "spinning_mw", lambda mw: mw - 0.3),
    ("power balance", "battery_held", "swing_mw", lambda mw: mw + 0.3),
    ("load swings", "load_swings", "battery_mw", lambda mw: mw + 0.01),
    ("load swings", "load_swings", "allowed_mw", lambda mw: mw + 0.01),
    ("battery jobs", "battery_jobs", "takes_mw", lambda mw: mw + 0.1),
    ("battery jobs", "battery_jobs", "own_fast_units", lambda n: n + 1),
    ("battery jobs", "battery_jobs", "sets_the_count", lambda text: "" if text == "yes" else "yes"),
    ("key results", "battery_held", "swing_mw", lambda mw: mw + 0.01),
]


@pytest.mark.parametrize(("check", "table", "column", "change"), EDITS, ids=[f"{c}: {t}.{n}" for c, t, n, _ in EDITS])
def test_every_edit_is_caught(
    plan: Plan, case: Case, check: str, table: str, column: str, change: Callable[[Any], Any]
) -> None:
    caught = {c.name for c in audit(edited(plan, table, column, change), case) if not c.ok}
    assert check in caught, f"caught by {sorted(caught)}"


def test_a_reserve_that_hours_use_is_caught(plan: Plan, case: Case) -> None:
    """An hour that discharges with all the power, and one that runs the battery empty."""
    for column, value, check in (
        ("discharge:own_fast_mw", 0.4 * plan.summary["units"]["own_fast"], "battery power"),
        ("soc:own_fast_mwh", 0.0, "battery keeps energy"),
    ):
        dispatch: pd.DataFrame = plan.dispatch.copy()
        dispatch.loc[dispatch.index[-5], column] = value
        tables = {name: plan.table(name) for name in TABLES if name != "dispatch"}
        bad = Plan(copy.deepcopy(plan.summary), **tables, dispatch=dispatch, details=plan.details)
        assert check in {c.name for c in audit(bad, case) if not c.ok}


def test_too_few_batteries_are_caught(plan: Plan, case: Case) -> None:
    installed = plan.installed.copy()
    installed.loc[installed["item"] == "own_fast", ["units", "running"]] -= 2
    tables = {name: plan.table(name) for name in TABLES if name != "installed"}
    bad = Plan(copy.deepcopy(plan.summary), **tables, installed=installed, details=plan.details)
    assert "battery reserves" in {c.name for c in audit(bad, case) if not c.ok}


def test_stricter_rules_than_the_plan_was_made_for_are_caught(plan: Plan, case: Case) -> None:
    """Each time scale alone, by the case it is audited with."""
    from dataclasses import replace

    from planner.case.swing import LoadRule

    for field, check in (
        ("ramp_mw_per_min", "load swing, minute"),
        ("step_mw_per_5s", "load swing, five seconds"),
        ("oscillation_mw", "load swing, 0.1-55 Hz"),
    ):
        grid = case.input.site.grid.model_copy(update={"load_rules": [LoadRule.model_validate({field: 0.05})]})
        given = case.input.model_copy(update={"site": case.input.site.model_copy(update={"grid": grid})})
        assert check in {c.name for c in audit(plan, replace(case, input=given)) if not c.ok}
