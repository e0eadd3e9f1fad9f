"""Operating blocks: what is true of V(x) and F(x) whatever the plant, and bills small enough for paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.algebra import Block
from planner.case.case import Case
from planner.operation.blocks import Plant, build_block, hours_of, plant_of
from planner.operation.evaluate import BlockSolver, Value

Array = NDArray[np.float64]
Make = Callable[..., Case]
JANUARY, JULY = "m01", "m07"
EVERYTHING: dict[str, Any] = {
    "horizon": {"sample_days_per_month": 2},
    "site": {
        "grid": {
            "tariff": {
                "energy_usd_per_mwh": None,
                "demand_usd_per_kw_month": 6,
                "minimum_take_fraction": 0.5,
                "tiers": [{"usd_per_mwh": 40, "up_to_mwh_per_month": 2000}, {"usd_per_mwh": 70}],
                "tou_demand": [
                    {
                        "name": "peak",
                        "usd_per_kw_month": 9,
                        "weekday_hours": [14, 15, 16, 17],
                        "weekend_hours": [],
                    }
                ],
            }
        }
    },
    "workload": {
        "kind": "inference",
        "average_load_fraction": 0.7,
        "shed": {"fraction": 0.2, "usd_per_gpu_hour": 0.5},
    },
    "cooling": {"coolant_supply_c": 40},
    "candidates": {
        "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
        "generation": ["jenbacher_j620"],
        "renewable": ["solar_single_axis_1mw"],
        "battery": ["tesla_megablock_4h"],
    },
    "redundancy": {"onsite_generation": {"scheme": "N+1", "spinning_reserve": "largest_unit"}},
}


@pytest.fixture(scope="module")
def plant(make_case: Make) -> Plant:
    """Every family at once: racks, losses, two rejections, tiers, shedding, engines, sun, battery."""
    return plant_of(make_case(EVERYTHING))


@pytest.fixture(scope="module", params=[JANUARY, JULY], ids=["january", "july"])
def solver(request: pytest.FixtureRequest, plant: Plant) -> BlockSolver:
    return BlockSolver(build_block(plant, request.param))


def random_x(plant: Plant, rng: np.random.Generator) -> Array:
    """A linking vector of a site that can run, each part drawn on its own."""
    it = rng.uniform(3, 8)
    store = plant.batteries[0]
    battery = rng.uniform(0, 10)
    soc = battery * store.hours * rng.uniform(0, 0.5)
    special = {
        "one": 1.0,
        "grid_mw": rng.uniform(16, 40),
        "contract_mw": 40.0,
        "it_mw": it,
        "standing_mw": rng.uniform(0, 0.5),
        "heat:liquid": 0.8 * it,
        "heat:air": 0.25 * it,
        "standing_heat:liquid": rng.uniform(0, 0.1),
        "standing_heat:air": rng.uniform(0, 0.4),
        "reserve_mw": rng.uniform(0, 3),
        store.key: battery,
        store.energy: battery * store.hours,
        f"soc_start:{store.item.id}": soc,
        f"soc_end:{store.item.id}": soc * rng.uniform(0, 1),
    }
    special |= {r.key: it for r in plant.racks}
    special |= {name: it * rng.uniform(1.3, 3) for name in plant.links if name.startswith("rated:")}
    special |= {r.key: it * rng.uniform(1.5, 2) for r in plant.rejections}
    special |= {name: rng.uniform(0, 12) for name in plant.links if name.startswith(("generation:", "renewable:"))}
    return np.array([special[name] for name in plant.links])


@pytest.fixture(scope="module")
def solved(solver: BlockSolver, plant: Plant) -> list[tuple[Array, Value]]:
    rng = np.random.default_rng(11)
    points = [random_x(plant, rng) for _ in range(12)]
    return [(x, solver.solve(x)) for x in points]


# --- what holds for every block ---------------------------------------------------------------------------


def test_sites_drawn_can_run(solved: list[tuple[Array, Value]]) -> None:
    assert all(value.feasible and np.isfinite(value.cost_usd) for _, value in solved)


def test_cost_scales_with_the_site(solver: BlockSolver, solved: list[tuple[Array, Value]]) -> None:
    for factor, (x, value) in zip((0.3, 2.0, 7.0), solved, strict=False):
        assert solver.solve(factor * x).cost_usd == pytest.approx(factor * value.cost_usd, rel=1e-7)


def test_slope_times_x_is_the_cost(solved: list[tuple[Array, Value]]) -> None:
    """Nothing stands on a right-hand side, so a cut passes through the origin."""
    for x, value in solved:
        assert value.slope @ x == pytest.approx(value.cost_usd, rel=1e-7)


def test_cost_is_convex(solver: BlockSolver, solved: list[tuple[Array, Value]]) -> None:
    for (x, a), (y, b) in zip(solved[:4], solved[4:8], strict=True):
        middle = solver.solve(0.25 * x + 0.75 * y).cost_usd
        chord = 0.25 * a.cost_usd + 0.75 * b.cost_usd
        assert middle <= chord + 1e-7 * abs(chord)


def test_every_cut_holds_at_every_point(solved: list[tuple[Array, Value]]) -> None:
    for _, value in solved:
        for y, other in solved:
            assert value.slope @ y <= other.cost_usd + 1e-7 * abs(other.cost_usd)


def test_feasibility_cuts_cut_off_their_point_and_no_other(
    solver: BlockSolver, plant: Plant, solved: list[tuple[Array, Value]]
) -> None:
    """Too little power, too little cooling, too little reserve; and nothing at all under a load."""
    names = plant.links
    for starved in (
        ("grid_mw", "generation:", "renewable:"),
        ("rejection:",),
        ("grid_mw", "battery:", "soc_"),
        ("",),
    ):
        x = solved[0][0].copy()
        for j, name in enumerate(names):
            if name.startswith(starved) and (starved != ("",) or name not in ("one", "it_mw", "contract_mw")):
                x[j] = 0.0
        if starved[1:2] == ("battery:",):
            x[names.index("generation:jenbacher_j620")] = 6.0  # carries the load, and leaves no reserve of 9 MW
            x[names.index("it_mw")], x[names.index("reserve_mw")] = 0.1, 9.0
        value = solver.solve(x)
        assert not value.feasible
        assert value.slope @ x == pytest.approx(value.shortage_mwh, rel=1e-7)
        for y, _ in solved:
            assert value.slope @ y <= 1e-6 * value.shortage_mwh


def test_every_x_has_a_least_shortage(solver: BlockSolver, plant: Plant) -> None:
    """F is finite wherever the sizing model may go: parts of a site set to zero at random, load included."""
    rng = np.random.default_rng(5)
    edges = [j for j, name in enumerate(plant.links) if name.startswith("soc_")]
    for _ in range(15):
        x = random_x(plant, rng) * rng.integers(0, 2, len(plant.links))
        x[edges] = 0.0  # the sizing model keeps edges within the energy of the battery
        assert np.isfinite(solver.solve(x).shortage_mwh)


def test_power_is_conserved_in_every_hour(solver: BlockSolver, plant: Plant, solved: list[tuple[Array, Value]]) -> None:
    """Sources less storage = IT + standing + cooling + losses, added up here from the families' data."""
    block, case = solver.block, plant.case
    hours = hours_of(case, block.name)
    at, shape = hours.hour_of_year, case.load_shape[hours.hour_of_year]
    x, value = solved[1]
    link = dict(zip(plant.links, x, strict=True))

    def column(name: str) -> Array:
        columns = block.columns[name]
        full = np.zeros(block.hours)
        np.add.at(full, columns.hours, value.primal[columns.index])
        return full

    sources = column("grid_import") * (1 - plant.import_loss_fraction) + column("generation:jenbacher_j620")
    sources += column("renewable:solar_single_axis_1mw") + column("compute_shed:nvidia_gb300_nvl72")
    sources += column("discharge:tesla_megablock_4h") - column("charge:tesla_megablock_4h")
    load = link["it_mw"] * shape + link["standing_mw"]
    for option in plant.rejections:
        name = f"heat_rejected:{option.loop}:{option.item.id}"
        if name in block.columns:
            load = load + option.power_fraction[at] * column(name)
        else:  # alone on its loop; square losses in the room heat its air
            heat = shape * link[f"heat:{option.loop}"] + link[f"standing_heat:{option.loop}"]
            for stage in plant.stages if option.loop == "air" else ():
                if stage.name in ("rack_pdu", "busway", "ups") and stage.square > 0:
                    phi = value.primal[block.columns[f"square_throughput:{stage.name}"].index]
                    heat = heat + stage.square * shape**2 * phi
            load = load + option.power_fraction[at] * heat
    for stage in plant.stages:
        load = load + stage.proportional * stage.throughput_per_it * link["it_mw"] * shape
        if stage.square > 0:
            load = load + stage.square * shape**2 * value.primal[block.columns[f"square_throughput:{stage.name}"].index]
    assert sources == pytest.approx(load, abs=1e-6)


@pytest.mark.parametrize("load_fraction", [0.03, 0.21, 0.5, 0.777, 0.999])
def test_tangents_of_square_losses_stay_below_and_near(plant: Plant, load_fraction: float) -> None:
    """20 tangents 0.05 apart: below y^2/R, short of it by at most (0.05/2)^2 R, from 0.025 on."""
    block = build_block(plant, JANUARY)
    it = 5.0
    x = random_x(plant, np.random.default_rng(2))
    place = {name: j for j, name in enumerate(plant.links)}
    x[place["it_mw"]] = it
    for stage in plant.stages:
        if stage.square > 0:
            x[place[f"rated:{stage.name}"]] = stage.throughput_per_it * it / load_fraction
    value = BlockSolver(block).solve(x)
    assert value.feasible
    for stage in plant.stages:
        if stage.square > 0:
            rating = stage.throughput_per_it * it / load_fraction
            exact = (stage.throughput_per_it * it) ** 2 / rating
            phi = float(value.primal[block.columns[f"square_throughput:{stage.name}"].index[0]])
            assert exact - 0.025**2 * rating - 1e-9 <= phi <= exact + 1e-9


# --- on paper ---------------------------------------------------------------------------------------------


def load_case_of(
    make: Make,
    series: Any,
    tariff: dict[str, Any],
    *,
    days: int | None = None,
    battery: bool = False,
    overrides: tuple[str, ...] = (),
) -> Case:
    """A plain load on a grid of 30 MW."""
    steps = [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]
    changes: dict[str, Any] = {
        "workload": None,
        "horizon": {"sample_days_per_month": days},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "battery": ["tesla_megablock_4h"] if battery else None,
        },
        "site": {"grid": {"interconnection": steps, "tariff": tariff}},
    }
    return make(changes, series=series, set=overrides)


def links(block: Block, **values: float) -> Array:
    """Linking vector with the given parts; keys of batteries by their prefix."""
    full = {"one": 1.0, "load_mw": 10.0, "contract_mw": 30.0, **values}
    return np.array(
        [next((v for key, v in full.items() if name == key or name.startswith(key + ":")), 0.0) for name in block.links]
    )


@pytest.mark.parametrize("days", [None, 1, 3])
def test_constant_load_for_a_month(make_case: Make, days: int | None) -> None:
    """10 MW in January: 744 h x 10 x 50 = 372,000 $; demand 10,000 kW x 8 = 80,000 $; sampled days alike."""
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    block = build_block(plant_of(load_case_of(make_case, 10.0, tariff, days=days)), JANUARY)
    value = BlockSolver(block).solve(links(block, grid_mw=30.0))
    assert value.cost_usd == pytest.approx(372_000 + 80_000, rel=1e-9)
    lines = {line: float(usd @ value.primal) for line, usd in block.cost_lines.items()}
    assert lines == pytest.approx({"energy": 372_000, "demand charge": 80_000}, rel=1e-9)


def test_minimum_take_and_tiers(make_case: Make) -> None:
    """Contract 30 MW x 0.6 = 18 MW billed for 10 MW used: 18,000 kW x 8 = 144,000 $.
    7440 MWh: 5000 at 40 and 2440 at 90 = 419,600 $."""
    tariff = {
        "energy_usd_per_mwh": None,
        "tiers": [{"usd_per_mwh": 40, "up_to_mwh_per_month": 5000}, {"usd_per_mwh": 90}],
        "demand_usd_per_kw_month": 8,
        "minimum_take_fraction": 0.6,
    }
    block = build_block(plant_of(load_case_of(make_case, 10.0, tariff)), JANUARY)
    value = BlockSolver(block).solve(links(block, grid_mw=30.0))
    assert value.cost_usd == pytest.approx(419_600 + 144_000, rel=1e-9)


def test_shortage_of_a_small_grid(make_case: Make) -> None:
    """10 MW of load on 6 MW: 4 MW short for 744 h. One more MW saves 744 MWh."""
    block = build_block(plant_of(load_case_of(make_case, 10.0, {"energy_usd_per_mwh": 50})), JANUARY)
    value = BlockSolver(block).solve(links(block, grid_mw=6.0))
    assert value.shortage_mwh == pytest.approx(4 * 744)
    assert value.slope[block.links.index("grid_mw")] == pytest.approx(-744)


def test_battery_moves_energy_and_loses_nine_percent(make_case: Make) -> None:
    """A 10 MW, 40 MWh battery at 91 % each way and back, energy alone, 40 $ against 95 $ for six hours a day.

    It fills once a day: 40 / sqrt(.91) MWh bought at 40, 40 sqrt(.91) MWh given at 95, wear 1 $ a MWh given.
    100 MWh charged give 91 back.
    """
    tariff = {
        "energy_usd_per_mwh": None,
        "demand_usd_per_kw_month": 0,
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 40},
            {
                "name": "peak",
                "usd_per_mwh": 95,
                "weekday_hours": [14, 15, 16, 17, 18, 19],
                "weekend_hours": [14, 15, 16, 17, 18, 19],
            },
        ],
    }
    figures = {
        "round_trip_efficiency_fraction": 0.91,
        "wear_cost_usd_per_mwh": 1,
        "nameplate_power_mw": 10,
        "nameplate_energy_mwh": 40,
    }
    overrides = tuple(f"catalog.tesla_megablock_4h.{name}={v}" for name, v in figures.items())
    case = load_case_of(make_case, 15.0, tariff, days=1, battery=True, overrides=overrides)
    block = build_block(plant_of(case), JULY)
    solver = BlockSolver(block)
    without = solver.solve(links(block, load_mw=15.0, grid_mw=30.0)).cost_usd
    value = solver.solve(links(block, load_mw=15.0, grid_mw=30.0, battery=10.0))
    one_way = 0.91**0.5
    assert without == pytest.approx(31 * 15 * (18 * 40 + 6 * 95))
    assert without - value.cost_usd == pytest.approx(31 * (40 * one_way * (95 - 1) - 40 / one_way * 40), rel=1e-9)
    charged, given = (
        float(value.primal[block.columns[f"{name}:tesla_megablock_4h"].index].sum()) for name in ("charge", "discharge")
    )
    assert 100 * given / charged == pytest.approx(91)


def test_energy_kept_for_the_next_month_must_be_bought(make_case: Make) -> None:
    """Ending with 19 MWh at 95 % one way (.9025 both) costs 20 MWh at 50 $, each day of a sampled month."""
    overrides = ("catalog.tesla_megablock_4h.round_trip_efficiency_fraction=0.9025",)
    case = load_case_of(
        make_case,
        15.0,
        {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0},
        days=1,
        battery=True,
        overrides=overrides,
    )
    block = build_block(plant_of(case), JULY)
    solver = BlockSolver(block)
    empty, full = (
        solver.solve(links(block, load_mw=15.0, grid_mw=30.0, battery=10.0, soc_end=soc)).cost_usd
        for soc in (0.0, 19.0)
    )
    assert full - empty == pytest.approx(31 * 20 * 50, rel=1e-9)
