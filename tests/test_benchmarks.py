"""The benchmark measures what it says: the same case every time, the same problem for everyone, honest ratios.

Purpose: property and second route. The peers' model is written apart from the planner's and reads arrays alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import monolithic
from benchmarks.cases import PEAK_MW, case_of, load_mw, what_ifs, write_case
from benchmarks.export import arrays_of
from benchmarks.run import CALENDAR, Bench, _per_case, exponent, summary
from benchmarks.sweep import changed
from benchmarks.table import markdown
from planner.case.case import load_case
from planner.solve.monolithic import Monolithic


@pytest.mark.parametrize("name", ["year", "decade", "wide6", CALENDAR[0]])
def test_a_case_is_the_same_every_time_and_has_no_faults(name: str, tmp_path: Path) -> None:
    first, again = write_case(name, tmp_path / "a"), write_case(name, tmp_path / "b")
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files
    assert all((first / file).read_bytes() == (again / file).read_bytes() for file in files)
    load_case(first)


def test_the_cases_are_what_was_asked_for() -> None:
    load = load_mw()
    assert load.shape == (8760,)
    assert load.max() == PEAK_MW
    growth = [step["fraction"] for step in case_of("decade")["target"]["load_scale"]]
    assert growth == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3], abs=1e-12)
    wide = case_of("wide6")["candidates"]
    assert (len(wide["battery"]), len(wide["generation"])) == (6, 3)
    campus = case_of("campus_50_48_min_cost")["candidates"]
    assert sum(len(names) for key, names in campus.items() if key != "other_stages") == 25
    assert len(CALENDAR) == 12
    assert len({tuple(draw.values()) for draw in what_ifs("sizes")}) == 200


def test_a_what_if_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    case = load_case(write_case("year", tmp_path))
    base = arrays_of(case)
    factors = {"battery": 1.1, "generation": 0.9, "renewable": 1.2, "grid": 0.95, "load": 1.05}
    dearer = arrays_of(changed(case, factors))
    expected = {"battery_usd": 1.1, "engine_usd": 0.9, "pv_usd": 1.2, "grid_mw": 0.95, "load_mw": 1.05}
    for name, values in base.items():
        if not name.endswith("_most"):
            assert dearer[name] == pytest.approx(values * expected.get(name, 1.0), rel=1e-12), name
    prices = arrays_of(changed(case, {"energy": 1.1, "on_peak": 1.2, "demand": 0.5, "gas": 1.0}))
    assert set(np.round(prices["energy_usd_per_mwh"], 6)) == {61.6, 73.92}  # 56 x 1.1, and x 1.2 from 13 to 21 h
    dear = prices["energy_usd_per_mwh"].reshape(365, 24) > 70
    january, july = (set(np.flatnonzero(dear[first : first + 31].any(axis=0)).tolist()) for first in (0, 181))
    assert january == set(range(13, 21))
    assert july == set(range(12, 20))  # hours of the year are standard time, an hour behind the clock in summer
    assert prices["demand_usd_per_mw"] == pytest.approx(base["demand_usd_per_mw"] / 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "years"), [("wide3", 1), ("scale_years_2", 2)])
def test_the_peers_solve_the_planners_problem(name: str, years: int, tmp_path: Path) -> None:
    """One design, priced by the planner's whole model and by the peer's: the same dollars."""
    case = load_case(write_case(name, tmp_path))
    arrays = arrays_of(case)
    design = {"battery_2h": 4, "battery_4h": 1, "battery_1h": 2, "engine_4mw": 18, "engine_10mw": 2, "pv_1mw": 61.5}
    ours = Monolithic(case)
    bought = {f"bought[{item},{k}]": units + k for item, units in design.items() for k in range(years)}
    total = ours.solve(fixed=bought).upper_kusd * 1e3
    model = monolithic.build(arrays)
    items = list(design)
    for units, names in ((model.battery, items[:3]), (model.engine, items[3:5]), (model.pv, items[5:])):
        for (i, year), count in units.items():
            count.fix(design[names[i]] + year)
    theirs = monolithic.solve(model, 1e-6, 600.0)
    assert theirs["objective_usd"] == pytest.approx(total, rel=1e-9)


def run(objective: float, bound: float, seconds: float = 1.0, **more: Any) -> dict[str, Any]:
    times = {"solve_seconds": seconds, "wall_seconds": 2 * seconds, "cpu_seconds": seconds, "memory_mb": 100.0}
    return {
        "objective_usd": objective,
        "lower_bound_usd": bound,
        "gap_fraction": 0.0,
        "status": "optimal",
        **times,
        **more,
    }


def test_answers_disagree_when_their_proven_intervals_are_apart(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 3, False, False)
    bench._compare("overlap", [run(100.0, 99.0), run(100.5, 99.9)])
    assert not bench.disagreements
    bench._compare("apart", [run(100.0, 99.0), run(102.0, 101.0)])
    assert len(bench.disagreements) == 1


def test_ratios_are_of_medians_and_a_time_limit_is_shown_as_one() -> None:
    ours = [run(1e6, 1e6, s) for s in (1.0, 2.0, 30.0)]
    theirs = [run(1e6, 9e5, 20.0, status="time limit", gap_fraction=0.1)]
    told = summary({"planner": ours, "monolithic": theirs})
    assert told["ratios"]["monolithic"] == {"solve_seconds": 10.0, "wall_seconds": 10.0, "memory_mb": 1.0}
    machine = {"cpu": "c", "cores": 2, "memory_gb": 4, "python": "3", "versions": {}}
    text = markdown({"gap": 0.001, "threads": 2, "machine": machine, "cases": {"decade": told}})
    assert "| > 20.0 | > 40.0 | 100 | 1.000 | 10.00% | > 10.0 x | > 10.0 x | 1.0 x |" in text


def test_tables_of_sweeps_campuses_and_growth() -> None:
    rows = [{"solve_seconds": t, "block_solves": 4, "gap_fraction": 0.0005} for t in (3.0, 1.0)]
    whole, last = _per_case(rows, 10.0, 20.0), _per_case(rows[1:], 10.0, 20.0)
    sweep = {"per_case": whole, "last_half": last, "pypsa": {"solve_seconds": 10.0}}
    refused = {"status": "refused", "note": "exit 2: unknown key"}
    exponents = dict.fromkeys(("solve_seconds", "wall_seconds", "memory_mb"), 1.1)
    cases = {
        "sweep_sizes": sweep,
        "calendar": {"measured": "2026-11-21", "runs": {CALENDAR[0]: run(1.0, 1.0, first_plan_seconds=0.5)}},
        "scale": {"measured": "2026-11-21", "minutes": {"runs": {30: refused}, "exponents": exponents}},
    }
    machine = {"cpu": "c", "cores": 2, "memory_gb": 4, "python": "3", "versions": {}}
    text = markdown({"gap": 0.001, "threads": 2, "machine": machine, "cases": cases})
    assert "| sweep_sizes | all (2) | 2.000 | 4.0 | 0.05% | 10.0 | 5.0 x | 10.0 x |" in text
    assert "| sweep_sizes | last half (1) | 1.000 | 4.0 | 0.05% | 10.0 | 10.0 x | 20.0 x |" in text
    assert "| 50 MW | 48 | min_cost | 2.0 | 1.0 | 0.5 | 0.000% | 100 |" in text
    assert "| minutes | 30 |  |  | exit 2: unknown key |" in text
    assert "| minutes | exponent | 1.10 | 1.10 | near linear |" in text


def test_the_exponent_of_a_square_is_two() -> None:
    assert exponent([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2.0)
    assert exponent([1], [3.0]) is None
