"""Calls that come whenever a contract lets them: the worst pattern, by hand and by trying every one.

Purpose: analytic, each expected value derived in its test; enumeration against the search; the audit's eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from test_events import BATTERY, ENGINE, SITE, bought, reserve

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import build_block
from planner.operation.evaluate import BlockSolver
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

Make = Callable[..., Case]
ETA = 0.9
MIDDAYS = [24 * day + 12 for day in (15, 44, 74, 104, 135, 165, 196, 227, 257, 288, 318, 349)]


def site(make: Make, calls: dict[str, int], *changes: dict[str, Any], load: Any = 10.0, grid_mw: float = 14.0) -> Case:
    """A load behind a grid that the utility may take away, and batteries of 2 MW and 8 MWh."""
    events = [{"kind": "called_curtailment", "calls": calls, "hours": MIDDAYS}]
    grid = {"interconnection": [{"from": "2026-01-01", "mw": grid_mw, "via": "existing_feeders"}]}
    return make(SITE, {"events": events, "site": {"grid": grid}}, *changes, series=load, items=[BATTERY, ENGINE])


def window(
    make: Make, calls: dict[str, int], *changes: dict[str, Any], load: Any = 10.0, grid_mw: float = 14.0
) -> Case:
    """The same with calls that may begin in any hour."""
    events = {"events": [{"kind": "called_curtailment", "calls": calls}]}
    return site(make, calls, events, *changes, load=load, grid_mw=grid_mw)


@pytest.mark.parametrize(
    ("calls", "held", "units"),
    [
        # One call of 2 h: 20 MWh to the site. Power asks for five units.
        ({"longest_h": 2, "least_gap_h": 1, "horizon_h": 2}, 20 / ETA, 5),
        # Two calls an hour apart, in which 4 MW of headroom bring 3.6 MWh: 40.84 MWh are six units.
        ({"longest_h": 2, "least_gap_h": 1, "horizon_h": 5}, 40 / ETA - 4 * ETA, 6),
        # Three of them.
        ({"longest_h": 2, "least_gap_h": 1, "horizon_h": 8}, 60 / ETA - 8 * ETA, 8),
        # No more than 3 h in all: the second call lasts one hour.
        ({"longest_h": 2, "least_gap_h": 1, "horizon_h": 8, "hours_per_year": 3}, 30 / ETA - 4 * ETA, 5),
        # A rest of 8 h brings back more than the call took: what one call takes is enough.
        ({"longest_h": 2, "least_gap_h": 8, "horizon_h": 24}, 20 / ETA, 5),
    ],
)
def test_the_reserve_for_the_worst_calls(make_case: Make, calls: dict[str, int], held: float, units: int) -> None:
    """Flat 10 MW behind 14 MW: calls take all of the grid, a rest leaves 4 MW to charge with."""
    case = window(make_case, calls)
    found = solve(case, gap=1e-6, threads=1)
    assert reserve(found) == pytest.approx(held, rel=1e-6)
    assert bought(found, "own_battery") == units
    plan = plan_of(found)
    assert "no pattern is worse" in plan.summary["events"][0]["patterns"]
    require(plan, case)


def patterns(calls: dict[str, int]) -> Iterator[tuple[bool, ...]]:
    """Every pattern of a contract that begins with a call, by hour."""
    horizon, most = calls["horizon_h"], calls.get("hours_per_year", 99)
    for tail in product((True, False), repeat=horizon - 1):
        hours = (True, *tail)
        runs = "".join("c" if h else " " for h in hours)
        lengths = [len(part) for part in runs.split()]
        rests = [len(part) for part in runs.strip().split("c") if part]
        if max(lengths) <= calls["longest_h"] and all(r >= calls["least_gap_h"] for r in rests) and sum(hours) <= most:
            yield hours


def energy_needed(need: np.ndarray, start: int, hours: tuple[bool, ...], grid_mw: float) -> float:
    """Energy a battery must hold to live through a pattern, going backwards from its end. [MWh]"""
    energy = 0.0
    for hour, called in reversed(list(enumerate(hours))):
        ask = need[(start + hour) % 8760] - (0.0 if called else grid_mw)
        energy = energy + ask / ETA if ask > 0 else max(0.0, energy + ask * ETA)
    return energy


@pytest.mark.parametrize("most", [5, 99])
def test_the_search_finds_the_worst_of_all_patterns(make_case: Make, most: int) -> None:
    """Seven hours, calls of up to two with rests of at least one: every pattern from every start, enumerated.

    Charging power never binds: the headroom is at most 6 MW, and the load of 12 MW asks for 12 MW of batteries.
    """
    calls = {"longest_h": 2, "least_gap_h": 1, "horizon_h": 7, "hours_per_year": most}
    load = np.round(9.0 + 3.0 * np.random.default_rng(3).random(8760), 6)
    case = window(make_case, calls, load=load, grid_mw=13.0)
    found = solve(case, gap=1e-6, threads=1)
    starts = found.sizing.plant.events[0].begins.tolist()
    tried = list(patterns(calls))
    worst = max(energy_needed(load, start, hours, 13.0) for start in starts for hours in tried)
    assert len(tried) > 20
    assert reserve(found) == pytest.approx(worst, rel=1e-6)
    assert bought(found, "own_battery") == max(math.ceil(worst / 8), math.ceil(load[starts].max() / 2))
    # The blocks that were added are few of many, and each is lived through; the worst is not with less in reserve.
    keys = [key for key in found.blocks if "@" in key]
    assert 12 < len(keys) < 0.2 * len(starts) * len(tried)
    plant, last = found.sizing.plant, next(s for s in found.states if s.period == found.sizing.periods[-1])
    point = found.links[last].copy()
    solvers = [BlockSolver(build_block(plant, key)) for key in keys]
    assert max(solver.solve(point).shortage_mwh for solver in solvers) < 1e-4
    point[plant.links.index("reserve_mwh:own_battery")] -= 0.1
    assert max(solver.solve(point).shortage_mwh for solver in solvers) > 0.05


def two_paths(make: Make) -> Case:
    """A tenth more load on one path, in half hours."""
    scenarios = [{"name": "base", "probability": 0.5}, {"name": "more", "probability": 0.5, "load_factor": 1.1}]
    calls = {"longest_h": 2, "least_gap_h": 1, "horizon_h": 5}
    return window(make, calls, {"scenarios": scenarios, "horizon": {"step_minutes": 30}})


def test_calls_on_two_paths_in_half_hours(make_case: Make) -> None:
    """11 MW behind 14 MW: two calls of 22 MWh each, 3 MW of headroom between them."""
    case = two_paths(make_case)
    found = solve(case, gap=1e-6, threads=1)
    assert reserve(found) == pytest.approx(44 / ETA - 3 * ETA, rel=1e-6)
    require(plan_of(found), case)


def test_a_later_call_begins_in_the_window_too(make_case: Make) -> None:
    """Where calls begin at midday alone, no second one comes within five hours."""
    found = solve(site(make_case, {"longest_h": 2, "least_gap_h": 1, "horizon_h": 5}), gap=1e-6, threads=1)
    assert reserve(found) == pytest.approx(20 / ETA, rel=1e-6)


def failed(plan: Plan, case: Case) -> set[str]:
    """Names of the checks that fail."""
    return {check.name for check in audit(plan, case) if not check.ok}


def test_the_audit_tries_every_pattern(make_case: Make) -> None:
    """A plan for one call fails two; and 5 patterns begin in five hours with calls of up to two."""
    calls = {"longest_h": 2, "least_gap_h": 2, "horizon_h": 5}
    plan = plan_of(solve(window(make_case, calls | {"horizon_h": 2}), gap=1e-6, threads=1))
    case = window(make_case, calls, {"site": {"grid": {"export": None}}})
    count = len(list(patterns(calls)))
    assert f"event called_curtailment, {count} patterns of calls from every start" in failed(plan, case)
    sound = plan_of(solve(case, gap=1e-6, threads=1))
    require(sound, case)
    fewer = replace(sound, installed=sound.installed.assign(units=sound.installed.units - 1))
    assert any("patterns of calls" in name for name in failed(fewer, case))


@pytest.mark.parametrize(
    ("event", "field", "words"),
    [
        ({"duration_h": 2, "calls": {"longest_h": 2, "least_gap_h": 1, "horizon_h": 4}}, "calls", "both"),
        ({"calls": {"longest_h": 5, "least_gap_h": 1, "horizon_h": 4}}, "horizon_h", "less than longest_h"),
        ({"kind": "grid_outage", "calls": {"longest_h": 1, "least_gap_h": 1, "horizon_h": 4}}, "calls", "belong"),
    ],
)
def test_faults_of_calls(make_case: Make, event: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        make_case(SITE, {"events": [{"kind": "called_curtailment"} | event]}, series=10.0, items=[BATTERY, ENGINE])
    assert any(words in fault.rule and field in fault.field for fault in error.value.faults)
