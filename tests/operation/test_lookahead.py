"""Operation seen only hours ahead: never cheaper than perfect foresight, and cases small enough for paper.

Purpose: analytic (the bills below by hand), property (less foresight costs no less; the rows of the block are kept).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.algebra import Block
from planner.case.case import Case
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.operation.lookahead import Run, look_ahead
from tests.operation.test_blocks import EVERYTHING, random_x
from tests.own import BATTERY

Array = NDArray[np.float64]
Make = Callable[..., Case]
# 1 MW and 4 MWh, of a load series and the grid alone.
SITE: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 1, "sample_days_per_month": 2},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"], "other_stages": None},
}
STORE = BATTERY | {
    "nameplate_power_mw": 1,
    "nameplate_energy_mwh": 4,
    "round_trip_efficiency_fraction": 1,
    "wear_cost_usd_per_mwh": 0,
}
SURPRISE = 39  # hour of the two days that nobody foresees, the first of a plan of three


def january(make: Make, load: Array, tariff: dict[str, Any], **change: Any) -> tuple[Plant, Block]:
    """The two middle days of January under a load of 48 hours."""
    series = np.full(8760, load.min())
    series[14 * 24 : 16 * 24] = load  # of 31 days the two from the 15th on
    grid = {"interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}], "tariff": tariff}
    case = make(SITE, {"site": {"grid": grid}}, series=series, items=[STORE | change])
    plant = plant_of(case)
    return plant, build_block(plant, "m01")


def at(plant: Plant, block: Block, grid_mw: float) -> Array:
    """Linking vector of one battery, empty at both ends of the block."""
    values = {"one": 1.0, "grid_mw": grid_mw, "load_mw": plant.load_peak_mw, "battery:own_battery": 1.0}
    return np.array([values.get(name, 0.0) for name in block.links])


def run(block: Block, x: Array, hours: float) -> tuple[float, Run]:
    best = BlockSolver(block).solve(x)
    return best.cost_usd, look_ahead(block, x, hours, best.primal)


def test_a_peak_that_nobody_foresees_is_billed_whole(make_case: Make) -> None:
    """10 MW, and 14 MW in hour 39 of 48, at 10 $/kW and energy for nothing: the day before has no such peak.

    With perfect foresight the battery's 1 MW is there: 13 MW. An operator who expects the day before again has nothing
    stored, as any charge would be a peak of its own: 14 MW are billed.
    """
    load = np.full(48, 10.0)
    load[SURPRISE] = 14.0
    plant, block = january(make_case, load, {"energy_usd_per_mwh": 0, "demand_usd_per_kw_month": 10})
    best, ahead = run(block, at(plant, block, 40.0), 24)
    assert best == pytest.approx(130_000)
    assert ahead.cost_usd == pytest.approx(140_000)
    assert (ahead.unserved_mwh, ahead.missed) == (0.0, 0.0)


def test_what_the_day_before_shows_is_prepared_for(make_case: Make) -> None:
    """The same peak in hour 15 of both days: known on the first, foreseen on the second. Perfect foresight: 13 MW."""
    load = np.full(48, 10.0)
    load[[15, 39]] = 14.0
    plant, block = january(make_case, load, {"energy_usd_per_mwh": 0, "demand_usd_per_kw_month": 10})
    best, ahead = run(block, at(plant, block, 40.0), 24)
    assert (best, ahead.cost_usd) == (pytest.approx(130_000), pytest.approx(130_000))


def test_price_steps_of_every_day_need_no_more_than_a_day(make_case: Make) -> None:
    """100 $/MWh in four hours of a day and 20 in the others, 10 MW: 4 MWh a day move, over 15.5 days a modelled one.

    Bill: 31 days x (4 h x 9 MW x 100 + 20 h x 10 MW x 20 + 4 MWh x 20).
    """
    periods = [
        {"name": "low", "usd_per_mwh": 20},
        {"name": "high", "usd_per_mwh": 100, "weekday_hours": [17, 18, 19, 20], "weekend_hours": [17, 18, 19, 20]},
    ]
    tariff = {"energy_usd_per_mwh": None, "energy_periods": periods, "demand_usd_per_kw_month": 0}
    plant, block = january(make_case, np.full(48, 10.0), tariff)
    best, ahead = run(block, at(plant, block, 40.0), 24)
    bill = 31 * (4 * 9 * 100 + 20 * 10 * 20 + 4 * 20)
    assert best == pytest.approx(bill)
    assert ahead.cost_usd == pytest.approx(bill)
    blind = run(block, at(plant, block, 40.0), 1)[1]  # who sees nothing but now moves nothing
    assert blind.cost_usd == pytest.approx(31 * (4 * 10 * 100 + 20 * 10 * 20))


def test_load_that_was_not_foreseen_and_cannot_be_served_is_told(make_case: Make) -> None:
    """14 MW in hour 39 on 13 MW of grid: a battery that loses a fifth is not charged for nothing. 1 MWh x 15.5 days."""
    load = np.full(48, 10.0)
    load[SURPRISE] = 14.0
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0}
    plant, block = january(make_case, load, tariff, round_trip_efficiency_fraction=0.8)
    best, ahead = run(block, at(plant, block, 13.0), 24)
    assert np.isfinite(best)
    assert ahead.unserved_mwh == pytest.approx(15.5)


@pytest.mark.parametrize("month", ["m01", "m07"])
def test_less_foresight_never_costs_less_and_all_of_it_nothing(make_case: Make, month: str) -> None:
    """Racks, shedding, tiers, windows, engines with a reserve, sun and a battery, three days, at random sizes."""
    plant = plant_of(make_case(EVERYTHING, {"horizon": {"sample_days_per_month": 3}}))
    block = build_block(plant, month)
    rng, tried = np.random.default_rng(7), 0
    for _ in range(6):
        x = random_x(plant, rng)
        best = BlockSolver(block).solve(x)
        if not best.feasible:
            continue
        tried += 1
        whole = look_ahead(block, x, block.hours, best.primal)
        assert whole.cost_usd == pytest.approx(best.cost_usd, rel=1e-6)
        for hours in (3, 24, 36):
            ahead = look_ahead(block, x, hours, best.primal)
            if ahead.unserved_mwh < 1e-6 and ahead.missed == 0.0:
                assert ahead.cost_usd >= best.cost_usd * (1 - 1e-7)
            over = block.matrix @ np.concatenate([ahead.primal, x])
            broken = np.where(np.isfinite(block.row_lower), np.abs(over), over)
            assert broken.max() <= max(1e-5, ahead.missed)
    assert tried >= 3
