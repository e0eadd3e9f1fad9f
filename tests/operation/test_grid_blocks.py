"""What the grid buys and sells in a block, on paper: hourly prices, export, ratchets, coincident peaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.integer_check import both_ways, checked

Array = NDArray[np.float64]
Make = Callable[..., Case]
JANUARY, FEBRUARY, JULY = "m01", "m02", "m07"
FLAT = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}


def plain(make: Make, load: Any, grid: dict[str, Any], **more: Any) -> Case:
    """A plain load on a grid of 30 MW, with a candidate solar plant."""
    steps = [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]
    changes: dict[str, Any] = {
        "workload": None,
        "horizon": {"sample_days_per_month": None},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "renewable": ["solar_single_axis_1mw"],
            "generation": ["jenbacher_j620"],
        },
        "site": {"grid": {"interconnection": steps, **grid}},
    }
    return make(changes, more.pop("changes", {}), series=load, **more)


def links(block: Block, **values: float) -> Array:
    """Linking vector with the given parts, keys with a colon by their prefix."""
    full = {"one": 1.0, "load_mw": 10.0, "contract_mw": 30.0, "grid_mw": 30.0, **values}
    return np.array([full.get(name, full.get(name.split(":")[0], 0.0)) for name in block.links])


def lines(block: Block, value: Value) -> dict[str, float]:
    """Cost by ledger line, zero lines left out. [USD]"""
    found = {line: float(usd @ value.primal) for line, usd in block.cost_lines.items()}
    return {line: usd for line, usd in found.items() if abs(usd) > 1e-6}


def column(block: Block, value: Value, name: str) -> Array:
    columns = block.columns[name]
    full = np.zeros(block.hours)
    full[columns.hours] = value.primal[columns.index]
    return full


# --- prices by the hour -----------------------------------------------------------------------------------


def test_energy_by_the_hour(make_case: Make) -> None:
    """2 MW in January at 10 $ but for hours 5 (-500) and 6 (10,000): 742 x 2 x 10 + 2 x (10,000 - 500) = 33,840."""
    price = np.full(8760, 10.0)
    price[5:7] = -500.0, 10_000.0
    tariff: dict[str, Any] = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
    tariff["demand_usd_per_kw_month"] = 0
    block = build_block(plant_of(plain(make_case, 2.0, {"tariff": tariff}, prices={"buy": price})), JANUARY)
    value = BlockSolver(block).solve(links(block, load_mw=2.0))
    assert lines(block, value) == pytest.approx({"energy": 33_840.0})


def test_sun_is_left_when_import_is_paid_for(make_case: Make) -> None:
    """At -20 $ in every hour nobody uses own sun: all 10 MW are bought, 744 x 10 x -20 = -148,800."""
    tariff = {"energy_usd_per_mwh": -20, "demand_usd_per_kw_month": 0}
    block = build_block(plant_of(plain(make_case, 10.0, {"tariff": tariff})), JANUARY)
    value = BlockSolver(block).solve(links(block, renewable=40.0))
    assert value.cost_usd == pytest.approx(-148_800)
    assert column(block, value, "renewable:solar_single_axis_1mw").max() == pytest.approx(0.0, abs=1e-9)


# --- export -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("export_mw", "grid_mw"), [(6.0, 30.0), (50.0, 8.0)])
def test_surplus_is_sold_within_both_limits(make_case: Make, export_mw: float, grid_mw: float) -> None:
    """Sun above the load earns 25 $ up to the lesser of the two limits; the load buys the rest at 50 $."""
    grid = {"tariff": {**FLAT, "demand_usd_per_kw_month": 0}, "export": {"mw": export_mw, "usd_per_mwh": 25}}
    plant = plant_of(plain(make_case, 3.0, grid))
    block = build_block(plant, JULY)
    value = BlockSolver(block).solve(links(block, load_mw=3.0, renewable=20.0, grid_mw=grid_mw, export_mw=export_mw))
    sun = 20.0 * plant.renewables[0].output_fraction[181 * 24 : 212 * 24]
    sold = np.clip(sun - 3.0, 0.0, min(export_mw, grid_mw))
    assert sold.max() == min(export_mw, grid_mw)
    assert column(block, value, "grid_export") == pytest.approx(sold, abs=1e-7)
    bought = np.clip(3.0 - sun, 0.0, None).sum()
    assert lines(block, value) == pytest.approx({"energy": 50 * bought, "export receipts": -25 * sold.sum()}, rel=1e-6)


def test_nothing_is_sold_at_a_loss(make_case: Make) -> None:
    """Engines at 5 $/MMBtu cost more than 25 $/MWh; sold at 45 $ beside import at 50 they run, at 25 they do not."""
    sold = {}
    for usd in (25.0, 45.0):
        cheap = ["catalog.jenbacher_j620.variable_om_usd_per_mwh=1", "site.fuel.natural_gas_usd_per_mmbtu_hhv=4"]
        case = plain(make_case, 3.0, {"tariff": FLAT, "export": {"mw": 5, "usd_per_mwh": usd}}, set=cheap)
        plant = plant_of(case)
        each = plant.generators[0].fuel_usd_per_mwh + 1.0
        assert 25.0 < each < 45.0
        block = build_block(plant, JANUARY)
        value = BlockSolver(block).solve(links(block, load_mw=3.0, generation=20.0, export_mw=5.0))
        sold[usd] = column(block, value, "grid_export").sum()
    assert sold == pytest.approx({25.0: 0.0, 45.0: 5.0 * 744})


# --- one way at a time ------------------------------------------------------------------------------------


def test_a_battery_that_is_paid_to_waste_runs_one_way_in_an_hour(make_case: Make) -> None:
    """Energy at -100 $/MWh all day: a MWh lost in the battery earns 100 $. Power P, round trip r, empty at both ends.

    At once, c + r c <= 24 P: c = 24 P / (1 + r). One way an hour, with k hours of charging c = min(k, (24 - k) / r) P.
    Each MWh charged loses 1 - r. A day stands for the 31 of January.
    """
    changes = {"horizon": {"sample_days_per_month": 1}, "candidates": {"battery": ["tesla_megablock_4h"]}}
    tariff = {"energy_usd_per_mwh": -100, "demand_usd_per_kw_month": 0}
    free = ["catalog.tesla_megablock_4h.wear_cost_usd_per_mwh=0"]
    plant = plant_of(plain(make_case, 10.0, {"tariff": tariff}, changes=changes, set=free))
    block, power = build_block(plant, JANUARY), 3.0
    x, r = links(block, battery=power), plant.batteries[0].efficiency ** 2
    linear = BlockSolver(block).solve(x)
    assert linear.cost_usd == pytest.approx(-3100 * (240 + (1 - r) * 24 * power / (1 + r)))
    assert len(both_ways(block, linear.primal)) > 0
    whole = checked(block, x, linear, "January")
    charged = max(min(k, (24 - k) / r) for k in range(25)) * power
    assert charged < 24 * power / (1 + r) - 0.1
    assert len(both_ways(block, whole.primal)) == 0
    assert whole.cost_usd == pytest.approx(-3100 * (240 + (1 - r) * charged), rel=1e-6)
    assert whole.cost_usd == pytest.approx(float(block.cost @ whole.primal))


# --- demand across months ---------------------------------------------------------------------------------


def test_a_ratchet_holds_the_bill_up(make_case: Make) -> None:
    """10 MW on 8 $/kW: 80,000 alone; 0.8 x 20 MW = 16 MW billed after a peak of 20, 128,000; 0.8 x 11 is below 10."""
    tariff = {**FLAT, "energy_usd_per_mwh": 0, "ratchet": {"fraction": 0.8, "months": [7]}}
    plant = plant_of(plain(make_case, 10.0, {"tariff": tariff}))
    solver = BlockSolver(build_block(plant, JANUARY))
    bills = {mw: solver.solve(links(solver.block, ratchet_mw=mw)).cost_usd for mw in (0.0, 11.0, 20.0)}
    assert bills == pytest.approx({0.0: 80_000, 11.0: 80_000, 20.0: 128_000})
    assert solver.solve(links(solver.block, ratchet_mw=20.0)).slope[
        solver.block.links.index("ratchet_mw")
    ] == pytest.approx(6400)


def test_a_month_that_counts_keeps_its_promised_peak(make_case: Make) -> None:
    """10 MW of load promised to stay below 7 MW: 3 MW short for 744 h; in a month that does not count, none."""
    tariff = {**FLAT, "ratchet": {"fraction": 0.8, "months": [7]}}
    plant = plant_of(plain(make_case, 10.0, {"tariff": tariff}))
    july, january = (BlockSolver(build_block(plant, month)) for month in (JULY, JANUARY))
    short = july.solve(links(july.block, peak_mw=7.0))
    assert short.shortage_mwh == pytest.approx(3 * 744)
    assert short.slope[july.block.links.index("peak_mw")] == pytest.approx(-744)
    assert july.solve(links(july.block, peak_mw=10.0)).feasible
    assert january.solve(links(january.block, peak_mw=0.0)).feasible


@pytest.mark.parametrize("minutes", [60, 30])
def test_coincident_peaks_are_a_price_on_their_hours(make_case: Make, minutes: int) -> None:
    """60 $/kW-year on three hours, two in January, where load is 12 MW instead of 10.

    Each hour weighs 20 $/kW: 2 x 12,000 kW x 20 = 480,000 $; February has the third hour, 10 MW: 200,000 $.
    """
    load = np.full(8760, 10.0)
    load[[100, 500]] = 12.0
    peaks = {"hours": [500, 800, 100], "usd_per_kw_year": 60}
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0, "coincident_peaks": peaks}
    horizon = {"horizon": {"step_minutes": minutes}}
    plant = plant_of(plain(make_case, load, {"tariff": tariff}, changes=horizon))
    for month, usd in ((JANUARY, 480_000.0), (FEBRUARY, 200_000.0), (JULY, 0.0)):
        block = build_block(plant, month)
        charged = lines(block, BlockSolver(block).solve(links(block, load_mw=12.0)))
        assert charged.get("coincident peak charge", 0.0) == pytest.approx(usd)


# --- annual limits ----------------------------------------------------------------------------------------

# 8000 Btu/kWh LHV x 1.108 = 8.864 MMBtu HHV/MWh; x 4 $ = 35.456, and 4.544 of O&M: 40 $/MWh against 100 from the grid.
ENGINE = [
    "catalog.jenbacher_j620.heat_rate_btu_per_kwh_lhv=8000",
    "catalog.jenbacher_j620.variable_om_usd_per_mwh=4.544",
    "catalog.jenbacher_j620.nox_kg_per_mwh=0.5",
    "catalog.jenbacher_j620.availability_fraction=1",
    "site.fuel.natural_gas_usd_per_mmbtu_hhv=4",
]


@pytest.mark.parametrize(
    ("caps", "link", "per_mwh"),
    [
        ({"fuel_mmbtu_hhv_per_year": 1}, "cap:fuel_mmbtu_hhv", 8.864),
        ({"co2_t_per_year": 1}, "cap:co2_t", 8.864 * 0.05306),
        ({"nox_t_per_year": 1}, "cap:nox_kg", 0.5),
        ({"run_hours_per_year": {"jenbacher_j620": 1}}, "cap:run_mwh:jenbacher_j620", 1.0),
    ],
)
@pytest.mark.parametrize("days", [None, 2])
def test_an_allowance_runs_the_engine_so_long(
    make_case: Make, caps: dict[str, Any], link: str, per_mwh: float, days: int | None
) -> None:
    """10 MW for 744 h; an allowance for 1000 MWh saves 1000 x 60 $ of 744,000 $, each unit 60 $ over its rate."""
    case = plain(
        make_case,
        10.0,
        {"tariff": {"energy_usd_per_mwh": 100, "demand_usd_per_kw_month": 0}},
        changes={"site": {"caps": caps}, "horizon": {"sample_days_per_month": days}},
        set=ENGINE,
    )
    block = build_block(plant_of(case), JANUARY)
    value = BlockSolver(block).solve(links(block, generation=20.0, **{link: 1000.0 * per_mwh}))
    assert value.cost_usd == pytest.approx(744_000 - 60_000)
    assert value.slope[block.links.index(link)] == pytest.approx(-60 / per_mwh)


def test_diesel_burns_to_more_carbon(make_case: Make) -> None:
    """9000 Btu/kWh HHV: 9 MMBtu/MWh x 73.96 kg (40 CFR 98, table C-1) = 665.64 kg/MWh, and its own NOx."""
    own: dict[str, Any] = {
        "id": "my_diesel",
        "family": "generation",
        "class": "diesel_engine",
        "vendor": "me",
        "model": "one",
        "status": "hypothetical",
        "fuel": "diesel",
        "permit_class": "non_emergency",
        "brings": ["generation"],
        "nameplate_power_mw": 2,
        "heat_rate_btu_per_kwh_hhv": 9000,
        "variable_om_usd_per_mwh": 10,
        "nox_kg_per_mwh": 6,
    }
    shared = "price_usd lead_time_weeks footprint_m2 installation_weeks installation_fraction economic_life_years"
    own |= dict.fromkeys(shared.split(), 1) | {"payment_order_fraction": 0, "payment_delivery_fraction": 1}
    changes = {
        "site": {"caps": {"co2_t_per_year": 1, "nox_t_per_year": 1}, "fuel": {"diesel_usd_per_mmbtu_hhv": 20}},
        "candidates": {"generation": ["my_diesel"]},
    }
    carbon, nitrogen = plant_of(plain(make_case, 10.0, {"tariff": FLAT}, changes=changes, items=[own])).caps
    assert carbon.of_columns == pytest.approx({"generation:my_diesel": 0.66564})
    assert nitrogen.of_columns == pytest.approx({"generation:my_diesel": 6.0})
    del own["nox_kg_per_mwh"]
    with pytest.raises(InputError, match="my_diesel has no nox_kg_per_mwh"):
        plain(make_case, 10.0, {"tariff": FLAT}, changes=changes, items=[own])


def test_water_that_is_not_there_is_a_shortage(make_case: Make) -> None:
    """4 MW of cold-plate heat in a tower at 1.5 L/kWh: 4 x 744 x 1.5 = 4464 m3 in January; 4000 leave 464 short."""
    tower = next(i.id for i in make_case().catalog.items if "tower" in i.item_class and "heat_rejection" in i.brings)
    changes = {
        "horizon": {"sample_days_per_month": None},
        "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 32},
        "candidates": {"heat_rejection": [tower]},
        "site": {"caps": {"evaporation_m3_per_year": 1}},
    }
    no_losses = [f"catalog.{name}.loss_square_fraction=0" for name in ("busway_generic", "ups_generic")]
    case = make_case(changes, set=[f"catalog.{tower}.evaporation_l_per_kwh=1.5", *no_losses])
    block = build_block(plant_of(case), JANUARY)
    solver = BlockSolver(block)
    heat = {"it_mw": 5.0, "heat:liquid": 4.0, "it": 5.0, "rated": 20.0}
    x = links(block, **heat, **{"cap:evaporation_m3": 4000.0})
    assert solver.solve(x).shortage_mwh == pytest.approx(464.0)
    x[block.links.index("cap:evaporation_m3")] = 4464.1
    assert solver.solve(x).feasible


# --- what holds for every block ---------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "horizon": {"sample_days_per_month": 2},
    "site": {
        "grid": {
            "tariff": {
                "energy_usd_per_mwh": None,
                "energy_series": {"file": "buy.csv", "column": "usd"},
                "ratchet": {"fraction": 0.8, "months": [7]},
                "coincident_peaks": {"hours": [196 * 24 + 17], "usd_per_kw_year": 50},
            },
            "export": {"mw": 5, "usd_per_mwh": -300},
        },
        "caps": {
            "co2_t_per_year": 1,
            "nox_t_per_year": 1,
            "fuel_mmbtu_hhv_per_year": 1,
            "evaporation_m3_per_year": 1,
            "run_hours_per_year": {"jenbacher_j620": 1},
        },
    },
    "workload": {
        "kind": "inference",
        "average_load_fraction": 0.7,
        "shed": {"fraction": 0.2, "usd_per_gpu_hour": 0.5},
        "shift": {"fraction": 0.3},
    },
    "cooling": {"coolant_supply_c": 40},
    "candidates": {
        "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
        "generation": ["jenbacher_j620"],
        "renewable": ["solar_single_axis_1mw"],
    },
}


@pytest.mark.parametrize("month", [JANUARY, JULY])
def test_blocks_scale_and_their_cuts_hold(make_case: Make, month: str) -> None:
    """V(k x) = k V(x), slope . x = V(x), and every cut holds at every point, with every new term at once."""
    price = 60.0 + 50.0 * np.cos(2 * np.pi * (np.arange(8760) % 24 - 18) / 24)
    price[np.arange(8760) % 24 == 12] = -200.0
    price[np.arange(8760) % 24 == 17] = 5_000.0
    sell = {"series": {"file": "sell.csv", "column": "usd"}, "usd_per_mwh": None}
    case = make_case(EVERYTHING, {"site": {"grid": {"export": sell}}}, prices={"buy": price, "sell": price - 5})
    plant = plant_of(case)
    solver, rng, found = BlockSolver(build_block(plant, month)), np.random.default_rng(3), []
    for _ in range(8):
        it = rng.uniform(3, 8)
        values = {
            "it_mw": it,
            "it": it,
            "standing_mw": 0.3,
            "heat:liquid": 0.8 * it,
            "heat:air": 0.25 * it,
            "standing_heat": 0.02 * it,
            "rated": it * rng.uniform(1.5, 3),
            "rejection": it * rng.uniform(1.5, 2),
            "pdu_mw": 0.0,
            "grid_mw": rng.uniform(16, 40),
            "peak_mw": rng.uniform(14, 20),
            "ratchet_mw": rng.uniform(0, 30),
            "export_mw": 5.0,
            "generation": rng.uniform(0, 10),
            "renewable": rng.uniform(0, 30),
            **{cap.key: rng.uniform(0, 3000) for cap in plant.caps},
        }
        x = links(solver.block, **values)
        x[solver.block.links.index("cap:evaporation_m3")] = rng.uniform(5000, 20000)
        value = solver.solve(x)
        assert value.feasible
        assert value.slope @ x == pytest.approx(value.cost_usd, rel=1e-7, abs=1e-3)
        found.append((x, value))
    assert any(column(solver.block, value, "grid_export").max() > 0 for _, value in found)
    assert any(column(solver.block, value, "compute_shift_up:nvidia_gb300_nvl72").max() > 0 for _, value in found)
    for x, value in found:
        assert solver.solve(3.0 * x).cost_usd == pytest.approx(3.0 * value.cost_usd, rel=1e-7, abs=1e-3)
        for y, other in found:
            assert value.slope @ y <= other.cost_usd + 1e-7 * abs(other.cost_usd) + 1e-3


def test_shifted_compute_by_hand(make_case: Make) -> None:
    """5 MW of mean draw at 85 % of design, one sampled day of January.

    Energy costs 10 $ but 110 $ at 17:00. There 20 % of 5 MW = 1 MW leaves; elsewhere at most 5/0.85 - 5 = 0.882 MW
    comes back, in two hours or more. A MW at 17:00 saves 100 $ of IT energy, and what fans, heat and losses save.
    """
    price = np.where(np.arange(8760) % 24 == 17, 110.0, 10.0)
    tariff: dict[str, Any] = {"energy_usd_per_mwh": None, "demand_usd_per_kw_month": 0}
    tariff |= {"energy_series": {"file": "buy.csv", "column": "usd"}}
    plain_case, shifted = (
        make_case({"workload": workload, "site": {"grid": {"tariff": tariff}}}, prices={"buy": price})
        for workload in ({}, {"shift": {"fraction": 0.2}})
    )
    x: dict[str, float] = {"it_mw": 5.0, "it": 5.0, "heat:liquid": 4.0, "heat:air": 1.2, "rated": 12.0}
    costs = []
    for case in (plain_case, shifted):
        block = build_block(plant_of(case), JANUARY)
        value = BlockSolver(block).solve(links(block, **x))
        costs.append(value.cost_usd)
    less, more = (column(block, value, f"compute_shift_{way}:nvidia_gb300_nvl72") for way in ("down", "up"))
    assert less == pytest.approx(np.where(np.arange(24) == 17, 1.0, 0.0), abs=1e-9)
    assert more.sum() == pytest.approx(1.0)
    assert more.max() <= 5 / 0.85 - 5 + 1e-9
    assert 31 * 100 < costs[0] - costs[1] < 1.6 * 31 * 100
