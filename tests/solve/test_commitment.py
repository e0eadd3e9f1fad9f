"""Whole units of generators from end to end: both methods agree, the gap holds what whole units cost, files say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.export import export
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from planner.solve.stopping import Stop

Make = Callable[..., Case]
GAP = 1e-6
ENGINE = "jenbacher_j620"
BATTERY = "tesla_megablock_4h"
FIELDS = {
    "minimum_load_fraction": 0.5,
    "start_cost_usd": 500,
    "start_fuel_mmbtu_hhv": 5,
    "heat_rate_half_load_btu_per_kwh_lhv": 8257,
}
TOU = {
    "energy_usd_per_mwh": None,
    "demand_usd_per_kw_month": 0,
    "energy_periods": [
        {"name": "base", "usd_per_mwh": 20},
        {"name": "peak", "usd_per_mwh": 140, "weekday_hours": [7, 8, 9, 16, 17, 18, 19], "weekend_hours": [18, 19]},
    ],
}


def engines(make: Make, *changes: dict[str, Any], days: int = 1, battery: bool = False, **fields: float) -> Case:
    """A load of about 9 MW on a grid of 8, dear for seven hours of a weekday: engines run then and stand at night."""
    hour = np.arange(8760)
    noise = np.random.default_rng(11).normal(0.0, 0.5, 8760)
    load = 9.0 + 2.5 * np.sin(2 * np.pi * (hour - 9) / 24) + noise
    base: dict[str, Any] = {
        "workload": None,
        "horizon": {"build_months": 0, "operating_years": 1, "sample_days_per_month": days},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": [ENGINE],
            "battery": [BATTERY] if battery else [],
        },
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 8, "via": "existing_feeders"}],
                "tariff": TOU,
            },
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": 3.0},
        },
    }
    sets = [f"catalog.{ENGINE}.{name}={value}" for name, value in (FIELDS | fields).items()]
    sets += [f"catalog.{item}.{name}_weeks=0" for item in (ENGINE, BATTERY) for name in ("lead_time", "installation")]
    return make(base, *changes, series=load, set=sets)


@pytest.mark.parametrize(
    "options",
    [{}, {"battery": True}, {"ramp_fraction_per_minute": 0.005}],
    ids=["engines", "with a battery", "with ramps"],
)
def test_both_ways_agree_on_whole_units(make_case: Make, options: dict[str, Any]) -> None:
    """The whole model counts units, so its optimum lies between the bounds; of one plan the costs are the same.

    Three blocks and more of one or two days; states of charge between them are part of the plan.
    """
    case = engines(make_case, **options)
    found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    whole = Monolithic(case)
    best = whole.solve(gap=GAP)
    room = 3 * GAP * abs(best.upper_kusd)
    assert found.lower_kusd <= best.upper_kusd + room
    assert best.lower_kusd <= found.upper_kusd + room
    assert found.upper_kusd <= best.upper_kusd * 1.002
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if var.name.startswith(("bought", "sets", "groups", "present", "edge"))
    }
    fixed = whole.solve(fixed=decided, gap=1e-8)
    assert fixed.upper_kusd == pytest.approx(found.upper_kusd, rel=1e-6)


def test_a_gap_of_whole_units_is_told_and_ends_the_search(make_case: Make) -> None:
    """The linear blocks take 2.6 engines online where three must be: their bound stays below, and no cut helps."""
    case = engines(make_case, battery=True)
    stop = Stop(300.0)
    found = solve(case, gap=1e-7, threads=1, stop=stop)
    assert found.upper_kusd > found.lower_kusd * (1 + 1e-5)
    assert not found.gap_reached
    assert found.rounds < 60
    assert not stop.reason
    plan = plan_of(found)
    require(plan, case)
    assert plan.summary["status"] == "feasible"
    assert plan.summary["gap_fraction"] == pytest.approx(found.gap_fraction)


def test_whole_model_gives_the_plan_too(make_case: Make) -> None:
    case = engines(make_case)
    found = Monolithic(case).solution(gap=1e-4)
    assert found.gap_reached
    require(plan_of(found), case)


def test_parts_of_a_month_are_circles_of_their_own(make_case: Make, tmp_path: Path) -> None:
    """Days as blocks: the audit, too, looks for the first start of a day at its own end."""
    case = engines(make_case, {"horizon": {"block": "day"}}, days=2, ramp_fraction_per_minute=0.005)
    plan = plan_of(solve(case, gap=1e-3, threads=1, time_limit=120.0))
    require(plan, case)
    write_plan(plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), case)


def test_the_file_holds_whole_units(make_case: Make, tmp_path: Path) -> None:
    """Twelve days of 24 hours: 288 integer columns of units online, of starts none, as they are whole by themselves."""
    path = tmp_path / "case.lp"
    export(engines(make_case), [("lp", path)])
    text = path.read_text()
    integers = text[text.index("\ngen") :]
    assert integers.count("units_online(") == 12 * 24


# --- audit ------------------------------------------------------------------------------------------------


WIDER = {"site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 10.5, "via": "existing_feeders"}]}}}


@pytest.fixture(scope="module")
def case(make_case: Make) -> Case:
    return engines(make_case, WIDER, ramp_fraction_per_minute=0.005)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    return plan_of(solve(case, gap=1e-3, threads=1, time_limit=120.0))


def failed(plan: Plan, case: Case) -> set[str]:
    """Names of the checks that fail."""
    return {check.name for check in audit(plan, case) if not check.ok}


def edited(plan: Plan, table: str, edit: Callable[[Any], None]) -> Plan:
    """The plan with one table changed."""
    changed = plan.table(table).copy()
    edit(changed)
    return replace(plan, **{table: changed})


ONLINE, STARTED, OUTPUT = f"online:{ENGINE}_units", f"started:{ENGINE}_units", f"generation:{ENGINE}_mw"


def test_the_plan_is_worth_auditing(plan: Plan, case: Case) -> None:
    require(plan, case)
    online = plan.dispatch[ONLINE]
    assert set(online) >= {0.0, 1.0}
    assert plan.dispatch[STARTED].sum() > 3
    assert float(plan.ledger.usd[plan.ledger.line == "starts"].sum()) > 0


@pytest.mark.parametrize(
    ("check", "column", "pick", "by"),
    [
        ("generation rating", ONLINE, lambda f: f[OUTPUT] > 3.4 * (f[ONLINE] - 1.0) + 1.0, -1.0),
        ("whole units online", ONLINE, lambda f: f[ONLINE] > 0.5, 0.3),
        ("units online", ONLINE, lambda f: f[ONLINE] > 0.5, 9.0),
        ("minimum load", ONLINE, lambda f: f[ONLINE] > 0.5, 2.0),
        ("starts", STARTED, lambda f: f[STARTED] > 0.5, -1.0),
        ("ledger operation", STARTED, lambda f: f[STARTED] > 0.5, -1.0),
        ("ledger operation", ONLINE, lambda f: f[ONLINE] > 0.5, 1.0),
        ("flows not negative", STARTED, lambda f: f[STARTED] < 0.5, -1.0),
    ],
)
def test_edits_of_units_are_caught(
    plan: Plan, case: Case, check: str, column: str, pick: Callable[[Any], Any], by: float
) -> None:
    def edit(frame: Any) -> None:
        rows = np.flatnonzero(pick(frame))
        frame.iloc[rows[len(rows) // 2], frame.columns.get_loc(column)] += by

    assert check in failed(edited(plan, "dispatch", edit), case)


@pytest.mark.parametrize("line", ["starts", "fuel"])
def test_edits_of_what_units_cost_are_caught(plan: Plan, case: Case, line: str) -> None:
    def edit(frame: Any) -> None:
        frame.loc[frame.line == line, "usd"] *= 0.995

    assert "ledger operation" in failed(edited(plan, "ledger", edit), case)


def test_a_plan_for_other_machines_is_caught(plan: Plan, make_case: Make) -> None:
    """The same tables with engines that are slower, or may not run so low: the rule that is broken is named."""
    slow = engines(make_case, WIDER, ramp_fraction_per_minute=0.001)
    assert "ramps" in failed(plan, slow)
    stiff = engines(make_case, WIDER, ramp_fraction_per_minute=0.005, minimum_load_fraction=0.95)
    assert "minimum load" in failed(plan, stiff)


def test_a_limit_on_fuel_counts_idling_and_starts(plan: Plan, make_case: Make) -> None:
    """Fuel at 3 $/MMBtu, one year: the ledger's fuel line tells what was burnt, and the audit's own sum is the same."""
    burnt = float(plan.ledger.usd[plan.ledger.line == "fuel"].sum()) / 3.0
    for share, broken in ((0.999, True), (1.001, False)):
        caps = {"site": {"caps": {"fuel_mmbtu_hhv_per_year": share * burnt}}}
        case = engines(make_case, WIDER, caps, ramp_fraction_per_minute=0.005)
        assert ("fuel a year" in failed(plan, case)) is broken
