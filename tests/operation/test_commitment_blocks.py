"""Generators whose units are committed: hand calculations, properties of the linear block, and the integer check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from planner.algebra import Block
from planner.case.case import Case
from planner.families.generation import incremental_mmbtu_hhv_per_mwh, no_load_mmbtu_hhv_per_mwh
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.coarse import coarsen
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.integer_check import checked, fractional, passes, unit_sizes
from planner.operation.repair import Repair
from planner.units import HHV_OVER_LHV_GAS

Make = Callable[..., Case]
Array = np.ndarray[Any, np.dtype[np.float64]]
JANUARY = "m01"
ENGINE, OTHER = "jenbacher_j620", "wartsila_34sg"
# 10 MW that burn 8 MMBtu HHV a MWh at 5 $: 40 $, with variable O&M 50 $ a MWh.
PLAIN = {
    "nameplate_power_mw": 10,
    "heat_rate_btu_per_kwh_lhv": 8000 / HHV_OVER_LHV_GAS,
    "variable_om_usd_per_mwh": 10,
    "availability_fraction": 1,
}
FUEL = {"natural_gas_usd_per_mmbtu_hhv": 5.0}


def site(
    make: Make,
    load: Any,
    usd_per_mwh: float = 30.0,
    *,
    days: int | None = 1,
    battery: bool = False,
    export: bool = False,
    changes: dict[str, Any] | None = None,
    **fields: float,
) -> Plant:
    """A plain load with one engine type; fields of it beside PLAIN."""
    grid: dict[str, Any] = {
        "interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}],
        "tariff": {"energy_usd_per_mwh": usd_per_mwh, "demand_usd_per_kw_month": 0},
    }
    if export:
        grid["export"] = {"mw": 5, "usd_per_mwh": 25}
    base = {
        "workload": None,
        "horizon": {"sample_days_per_month": days},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": [ENGINE],
            "battery": ["tesla_megablock_4h"] if battery else [],
        },
        "site": {"grid": grid, "fuel": FUEL},
    }
    sets = [f"catalog.{ENGINE}.{name}={value}" for name, value in (PLAIN | fields).items()]
    return plant_of(make(base, changes or {}, series=load, set=sets))


def links(block: Block, **values: float) -> Array:
    """Linking vector with the given parts; keys of items by their prefix."""
    full = {"one": 1.0, "contract_mw": 30.0, **values}
    return np.array([next((v for k, v in full.items() if n == k or n.startswith(k + ":")), 0.0) for n in block.links])


def both(plant: Plant, **values: float) -> tuple[Block, Value, Value]:
    """The block of January, its linear value, and the value after the check."""
    block = build_block(plant, JANUARY)
    x = links(block, load_mw=plant.load_peak_mw, **values)
    linear = BlockSolver(block).solve(x)
    return block, linear, checked(block, x, linear, "January")


def column(block: Block, value: Value, name: str) -> Array:
    return np.asarray(value.primal[block.columns[name].index])


def by_hour(**mw: float) -> Array:
    """5 MW, and other loads in the hours named h10=15.0."""
    day = np.full(24, 5.0)
    for hour, value in mw.items():
        day[int(hour[1:])] = value
    return np.tile(day, 365)


# --- on paper ---------------------------------------------------------------------------------------------


def test_a_load_below_minimum_load_needs_somewhere_to_go(make_case: Make) -> None:
    """4 MW under a 10 MW engine at 50 % or more: half an engine can, a whole one cannot; there is no free sink."""
    block, linear, whole = both(site(make_case, 4.0, minimum_load_fraction=0.5), generation=10.0)
    assert linear.cost_usd == pytest.approx(744 * 4 * 50)
    assert fractional(block, linear.primal)
    assert whole.cost_usd == np.inf
    assert not whole.feasible


def test_it_may_be_sold(make_case: Make) -> None:
    """The engine runs at 5 MW and 1 MW is sold at 25 $."""
    plant = site(make_case, 4.0, 100.0, export=True, minimum_load_fraction=0.5)
    block, _, whole = both(plant, generation=10.0, export_mw=5.0, grid_mw=5.0)
    assert whole.cost_usd == pytest.approx(744 * (5 * 50 - 25))
    assert column(block, whole, f"online:{ENGINE}") == pytest.approx(np.full(24, 10.0))


def test_or_stored(make_case: Make) -> None:
    """With a battery the engine runs in some hours, at 5 MW or more, and never in part."""
    block, linear, whole = both(site(make_case, 4.0, battery=True, minimum_load_fraction=0.5), generation=10, battery=8)
    online, output = column(block, whole, f"online:{ENGINE}"), column(block, whole, f"generation:{ENGINE}")
    assert set(online.round(6)) == {0.0, 10.0}
    assert (output[online > 0] >= 5 - 1e-6).all()
    assert output[online == 0] == pytest.approx(0.0)
    assert linear.cost_usd < whole.cost_usd < np.inf
    assert passes(block, whole.primal)


@pytest.mark.parametrize(
    ("start_usd", "starts", "usd_a_day"),
    [
        (200.0, 2, 24 * 5 * 30 + 20 * 50 + 2 * 200),  # stop for three hours: 5,000, against 5,100
        (400.0, 1, 21 * 5 * 30 + 35 * 50 + 400),  # run through at half load: 5,300, against 5,400
    ],
)
def test_two_hours_four_apart(make_case: Make, start_usd: float, starts: int, usd_a_day: float) -> None:
    """10 MW above the grid at 10 and 14 o'clock: a second start, or three hours at 5 MW in place of grid at 30 $."""
    plant = site(make_case, by_hour(h10=15.0, h14=15.0), minimum_load_fraction=0.5, start_cost_usd=start_usd)
    block, linear, whole = both(plant, generation=10.0, grid_mw=5.0)
    assert linear.cost_usd == pytest.approx(31 * usd_a_day)  # with one unit, nothing is gained by half of it
    assert whole.cost_usd == pytest.approx(31 * usd_a_day)
    assert column(block, whole, f"started:{ENGINE}").sum() == pytest.approx(10.0 * starts)
    lines = {line: float(usd @ whole.primal) for line, usd in block.cost_lines.items()}
    assert lines["starts"] == pytest.approx(31 * starts * start_usd)


def test_fuel_of_a_start_is_bought(make_case: Make) -> None:
    """40 MMBtu a start at 5 $ are 200 $: as dear as a start of 200 $, on the line of fuel."""
    plant = site(make_case, by_hour(h10=15.0, h14=15.0), minimum_load_fraction=0.5, start_fuel_mmbtu_hhv=40.0)
    block, linear, _ = both(plant, generation=10.0, grid_mw=5.0)
    lines = {line: float(usd @ linear.primal) for line, usd in block.cost_lines.items()}
    assert lines["fuel"] == pytest.approx(31 * (20 * 40 + 2 * 200))


def test_limits_count_every_fuel(make_case: Make) -> None:
    """10 MW for an hour a day from a unit that idles at 1 MMBtu a MW, takes 7 a MWh and burns 4 to start: 84 a day."""
    half = 9000 / HHV_OVER_LHV_GAS
    caps = {"site": {"caps": {"fuel_mmbtu_hhv_per_year": 1e6, "co2_t_per_year": 1e6}}}
    fields = {"heat_rate_half_load_btu_per_kwh_lhv": half, "start_fuel_mmbtu_hhv": 4.0}
    plant = site(make_case, by_hour(h10=15.0), changes=caps, minimum_load_fraction=0.5, **fields)
    block, _, whole = both(plant, generation=10.0, grid_mw=5.0, cap=1e6)
    row = np.flatnonzero(block.row_group == block.constraints.index("cap:fuel_mmbtu_hhv"))
    burnt = float((block.matrix[row, : block.size] @ whole.primal)[0])
    assert burnt == pytest.approx(31 * (10 + 70 + 4))  # one hour a day at full load, started for it
    row = np.flatnonzero(block.row_group == block.constraints.index("cap:co2_t"))
    assert float((block.matrix[row, : block.size] @ whole.primal)[0]) == pytest.approx(burnt * 0.05306)


def test_a_block_is_a_circle(make_case: Make) -> None:
    """A unit that runs through midnight has not started there: one start a day, at ten in the evening.

    Kept on until then, it would give 5 MW in place of grid power that costs 20 $ less, for twenty hours: 2,000 $.
    """
    load = by_hour(**{f"h{h}": 15.0 for h in (22, 23, 0, 1)})
    block, linear, _ = both(
        site(make_case, load, minimum_load_fraction=0.5, start_cost_usd=100.0), generation=10.0, grid_mw=5.0
    )
    started = column(block, linear, f"started:{ENGINE}")
    assert started[22] == pytest.approx(10.0)
    assert started.sum() == pytest.approx(10.0)


def test_fuel_by_load(make_case: Make) -> None:
    """8 MMBtu a MWh at full and 9 at half load: 1 x what is online + 7 x output. 15 MW take two 10 MW units.

    In the linear block 15 MW are online: 120 MMBtu an hour. Whole units: 20 + 105 = 125.
    """
    half = 9000 / HHV_OVER_LHV_GAS
    plant = site(make_case, 15.0, days=None, heat_rate_half_load_btu_per_kwh_lhv=half)
    _, linear, whole = both(plant, generation=20.0)
    assert linear.cost_usd == pytest.approx(744 * (120 * 5 + 15 * 10))
    assert whole.cost_usd == pytest.approx(744 * (125 * 5 + 15 * 10))


def test_heat_rate_by_load_of_a_jenbacher(make_case: Make) -> None:
    """2.24, 2.30 and 2.42 kWh/kWh at 100, 75 and 50 % load: .18 + 2.06 x load, in the maker's own table."""
    kwh = 3412.14
    fields = {"heat_rate_btu_per_kwh_lhv": 2.24 * kwh, "heat_rate_half_load_btu_per_kwh_lhv": 2.42 * kwh}
    item = site(make_case, 5.0, **fields).generators[0].item
    scale = HHV_OVER_LHV_GAS * kwh / 1000
    idle, more = no_load_mmbtu_hhv_per_mwh(item), incremental_mmbtu_hhv_per_mwh(item)
    assert (idle / scale, more / scale) == pytest.approx((0.18, 2.06))
    assert (idle / 0.75 + more) / scale == pytest.approx(2.30)


def test_a_slow_engine_leaves_the_step_to_the_grid(make_case: Make) -> None:
    """Load 5, from 10 to 20 o'clock 10 MW, under an engine of 50 $ a MWh and a grid of 200 $.

    At .5 % a minute an hour moves 3 MW: at 10 o'clock it gives 8 MW, and at 19 no more than 3 above what 20 needs.
    """
    load = by_hour(**{f"h{h}": 10.0 for h in range(10, 20)})
    plant = site(make_case, load, 200.0, minimum_load_fraction=0.3, ramp_fraction_per_minute=0.005)
    block, linear, whole = both(plant, generation=10.0, grid_mw=5.0)
    output = column(block, whole, f"generation:{ENGINE}")
    assert output[[9, 10, 11, 18, 19, 20]] == pytest.approx([5, 8, 10, 10, 8, 5])
    assert whole.cost_usd == pytest.approx(31 * (14 * 5 * 50 + (100 - 4) * 50 + 4 * 200))
    assert linear.cost_usd <= whole.cost_usd + 1e-6


def test_reserve_spins_on_what_is_online(make_case: Make) -> None:
    """8 MW on an island of 10 MW units: the loss of one is covered by a second that runs, each at 4 MW or more."""
    scheme = {"redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}}}
    plant = site(make_case, 8.0, changes=scheme, minimum_load_fraction=0.4)
    block, linear, whole = both(plant, generation=30.0, reserve_mw=10.0)
    assert column(block, linear, f"online:{ENGINE}").min() == pytest.approx(18.0)
    assert column(block, whole, f"online:{ENGINE}") == pytest.approx(np.full(24, 20.0))


# --- properties -------------------------------------------------------------------------------------------


def test_items_without_the_fields_make_the_same_block(make_case: Make) -> None:
    """A ramp too fast to bind within an hour is no field either."""
    plain, fast = (build_block(site(make_case, 9.0, battery=True, **more), JANUARY) for more in ({}, {RAMP: 0.1}))
    assert plain.columns.keys() == fast.columns.keys()
    assert not [name for name in plain.columns if name.startswith(("online", "started"))]
    assert plain.constraints == fast.constraints
    assert (plain.matrix != fast.matrix).nnz == 0
    assert np.array_equal(plain.cost, fast.cost)
    assert not unit_sizes(plain).any()


RAMP = "ramp_fraction_per_minute"
EVERYTHING = {
    "minimum_load_fraction": 0.4,
    "start_cost_usd": 300,
    "start_fuel_mmbtu_hhv": 4,
    "heat_rate_half_load_btu_per_kwh_lhv": 8300,
}


def many(make: Make, *, ramp: float | None) -> Plant:
    """Two engine types with every field, a battery, dear afternoons and hours in which energy costs nothing."""
    hour = np.arange(8760)
    load = 9.0 + 4.0 * np.sin(2 * np.pi * (hour - 9) / 24) + np.random.default_rng(3).normal(0.0, 0.6, 8760)
    fields = EVERYTHING | ({RAMP: ramp} if ramp is not None else {})
    sets = [f"catalog.{item}.{name}={value}" for item in (ENGINE, OTHER) for name, value in fields.items()]
    periods = [
        {"name": "base", "usd_per_mwh": 15},
        {"name": "peak", "usd_per_mwh": 130, "weekday_hours": [9, 10, 15, 16, 17, 18], "weekend_hours": [18]},
    ]
    changes: dict[str, Any] = {
        "workload": None,
        "horizon": {"sample_days_per_month": 2},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": [ENGINE, OTHER],
            "battery": ["tesla_megablock_4h"],
        },
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}],
                "tariff": {"energy_usd_per_mwh": None, "energy_periods": periods, "demand_usd_per_kw_month": 6},
            },
            "fuel": FUEL,
        },
    }
    return plant_of(make(changes, series=load, set=sets))


@pytest.fixture(scope="module", params=[None, 0.006], ids=["without ramps", "with ramps"])
def block(request: pytest.FixtureRequest, make_case: Make) -> Block:
    return build_block(many(make_case, ramp=request.param), JANUARY)


def points(block: Block, count: int = 8) -> list[Array]:
    """Sites that can be run: a grid above the load, and whole engines of both types."""
    random = np.random.default_rng(7)
    found = []
    for _ in range(count):
        x = links(block, load_mw=random.uniform(5, 20), grid_mw=21.0, battery=random.uniform(0, 6))
        x[block.links.index(f"generation:{ENGINE}")] = 3.356 * random.integers(0, 6)
        x[block.links.index(f"generation:{OTHER}")] = 9.8 * random.integers(0, 2)
        found.append(x)
    return found


def test_cost_scales_and_every_cut_holds_everywhere(block: Block) -> None:
    solver = BlockSolver(block)
    solved = [(x, solver.solve(x)) for x in points(block)]
    for x, value in solved:
        assert value.feasible
        assert value.slope @ x == pytest.approx(value.cost_usd, rel=1e-7)
        assert solver.solve(2.5 * x).cost_usd == pytest.approx(2.5 * value.cost_usd, rel=1e-7)
        for _, other in solved:
            assert other.slope @ x <= value.cost_usd + 1e-6 * abs(value.cost_usd)


def test_any_prices_give_a_bound(block: Block) -> None:
    """Of longer steps, and prices with noise: never above the cost, and near it without noise."""
    solver, repair, random = BlockSolver(block), Repair(block), np.random.default_rng(5)
    coarse = coarsen(block, 2, 5e3)
    for x in points(block, 4):
        cost = solver.solve(x).cost_usd
        small = BlockSolver(coarse.block)
        least = min(cost, small.solve(x).cost_usd)
        prices = coarse.prices(small.duals)[repair.core]
        cut = repair.cut(prices)
        assert cut is not None
        assert 0.7 * least <= cut @ x <= cost + 1e-6 * abs(cost)
        for _ in range(5):
            guess = repair.cut(prices * random.uniform(0.5, 1.5, len(prices)))
            assert guess is None or guess @ x <= cost + 1e-6 * abs(cost)


def test_a_limit_on_fuel_has_its_price_in_the_cut(make_case: Make) -> None:
    """A cut is exact where it was made, with the limit loose, binding, and in the way."""
    caps = {"site": {"caps": {"fuel_mmbtu_hhv_per_year": 1e6}}}
    plant = site(make_case, 12.0, 70.0, changes=caps, **(EVERYTHING | {"heat_rate_half_load_btu_per_kwh_lhv": 8000}))
    block = build_block(plant, JANUARY)
    solver, burnt = BlockSolver(block), {}
    for cap in (1e6, 50_000.0, 20_000.0, 0.0):
        x = links(block, load_mw=plant.load_peak_mw, generation=10.0, grid_mw=30.0, cap=cap)
        value = solver.solve(x)
        assert value.slope @ x == pytest.approx(value.cost_usd, rel=1e-7)
        row = np.flatnonzero(block.row_group == block.constraints.index("cap:fuel_mmbtu_hhv"))
        burnt[cap] = float((block.matrix[row, : block.size] @ value.primal)[0])
    assert burnt[1e6] > 50_000.0
    assert [burnt[cap] for cap in (50_000.0, 20_000.0, 0.0)] == pytest.approx([50_000.0, 20_000.0, 0.0])


def test_the_check_costs_and_its_dispatch_is_real(block: Block) -> None:
    """Never below the linear block; every row and every unit of the dispatch holds; its cost is the block's own."""
    solver = BlockSolver(block)
    dearer = 0
    for x in points(block, 5):
        linear = solver.solve(x)
        whole = checked(block, x, linear, "January")
        assert passes(block, whole.primal)
        assert whole.cost_usd >= linear.cost_usd - 1e-6 * abs(linear.cost_usd)
        dearer += whole.cost_usd > linear.cost_usd * (1 + 1e-6)
        assert whole.cost_usd == pytest.approx(float(block.cost @ whole.primal))
        at = sp.csr_matrix(block.matrix) @ np.concatenate([whole.primal, x])
        assert at.max() <= 1e-5
        assert np.abs(at[np.isfinite(block.row_lower)]).max() <= 1e-5
    assert dearer  # the points are worth checking


def test_windows_find_what_the_whole_finds(make_case: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days as one program and in windows: the same cost within .2 %, and never below the whole's."""
    import planner.operation.integer_check as module

    plant = many(make_case, ramp=None)
    case = plant.case
    assert case.input.horizon.sample_days_per_month == 2
    block = build_block(plant, JANUARY)
    x = points(block, 3)[-1]
    x[block.links.index(f"generation:{ENGINE}")] = 3.356 * 4
    linear = BlockSolver(block).solve(x)
    whole = checked(block, x, linear, "January")
    monkeypatch.setattr(module, "_SHORT", 12)
    windows = checked(block, x, linear, "January")
    assert passes(block, windows.primal)
    assert whole.cost_usd * (1 - 1e-6) <= windows.cost_usd <= whole.cost_usd * 1.002
