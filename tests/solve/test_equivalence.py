"""Decomposed and monolithic solves of the same case: the same optimum, proven from two sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.solve.decomposition import solve
from planner.solve.monolithic import Monolithic, MonolithicSolution
from planner.solve.solution import Solution
from planner.solve.stopping import Stop

GAP = 1e-6
TOU = {
    "energy_periods": [
        {"name": "base", "usd_per_mwh": 40},
        {"name": "peak", "usd_per_mwh": 95, "weekday_hours": [14, 15, 16, 17, 18, 19], "weekend_hours": []},
    ],
    "energy_usd_per_mwh": None,
    "demand_usd_per_kw_month": 6,
    "tou_demand": [
        {
            "name": "peak",
            "usd_per_kw_month": 16,
            "weekday_hours": [14, 15, 16, 17, 18, 19],
            "weekend_hours": [],
        },
    ],
}
DEAR = {"demand_usd_per_kw_month": 20}
ENGINES = {"candidates": {"generation": ["jenbacher_j620"]}}
MANY = {"milestones": [{"gpus": 2160, "by": "2028-05-01"}]}
Make = Callable[..., Case]


def plain_load(make: Make) -> Case:
    """A 100 MW class load whose grid falls to 70 MW: sun, batteries and engines serve what is left."""
    hour = np.arange(8760)
    load = 88.0 + 10.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 4.0 * np.sin(2 * np.pi * hour / 8760)
    steps = [
        {"from": "2026-01-01", "mw": 110, "via": "existing_feeders"},
        {"from": "2028-02-01", "mw": 70, "via": "existing_feeders"},
    ]
    changes: dict[str, Any] = {
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {"grid": {"interconnection": steps, "tariff": TOU}},
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": ["jenbacher_j620"],
            "renewable": ["solar_single_axis_1mw"],
            "battery": ["tesla_megablock_4h"],
        },
    }
    cheap = ["catalog.solar_single_axis_1mw.price_usd=4e5", "catalog.tesla_megablock_4h.price_usd=1.2e6"]
    return make(changes, series=load, set=cheap)


def grid_only(make: Make) -> Case:
    """Racks fed by the grid alone, two milestones, vendor's lots, spares."""
    return make(
        {
            "target": {"milestones": [{"gpus": 576, "by": "2027-12-01"}, {"gpus": 1440, "by": "2028-05-01"}]},
            "order_multiples": {"nvidia_gb300_nvl72": 4},
            "spares": {"racks_fraction": 0.02},
        },
    )


def engines(make: Make) -> Case:
    """A 2 MW grid under a 5 MW site: engines N+1 carry the rest."""
    steps = [{"from": "2027-06-01", "mw": 2, "via": "existing_feeders"}]
    return make(ENGINES, {"site": {"grid": {"interconnection": steps}}, "target": MANY})


def two_computes(make: Make) -> Case:
    """Two racks of different power and price for one milestone; supply of the better one is short."""
    return make(
        {
            "candidates": {"compute": ["nvidia_gb300_nvl72", "nvidia_dgx_b200"]},
            "supply": {"nvidia_gb300_nvl72": {"2027Q4": 6}},
        },
        set=["catalog.nvidia_dgx_b200.price_usd=6.5e5"],
    )


def two_rejections(make: Make) -> Case:
    """Dry coolers with pads beside chillers on the warm loop; heat goes where power is least."""
    return make(
        {
            "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
            "committed": [{"item": "chiller_air_cooled", "units": 2, "on_site": "2027-05-01"}],
            "cooling": {"coolant_supply_c": 40},
            "target": MANY,
            "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 3}},
        },
    )


def battery_tou(make: Make) -> Case:
    """A cheap battery against time-of-use demand charges, with transformers of its own."""
    return make(
        {"candidates": {"battery": ["tesla_megapack_2xl_4h"]}, "site": {"grid": {"tariff": {**TOU, **DEAR}}}},
        set=["catalog.tesla_megapack_2xl_4h.price_usd=5e4"],
    )


def tiers_and_minimum_take(make: Make) -> Case:
    """Rising energy tiers and a minimum take push load onto engines that fuel alone would not run."""
    tariff = {
        "energy_usd_per_mwh": None,
        "minimum_take_fraction": 0.3,
        "tiers": [
            {"usd_per_mwh": 35, "up_to_mwh_per_month": 1500},
            {"usd_per_mwh": 60, "up_to_mwh_per_month": 2600},
            {"usd_per_mwh": 120},
        ],
    }
    cheap = ["catalog.jenbacher_j620.price_usd=6e5", "site.fuel.natural_gas_usd_per_mmbtu_hhv=2.5"]
    return make(ENGINES, {"site": {"grid": {"tariff": tariff}}, "target": MANY}, set=cheap)


def shed(make: Make) -> Case:
    """Inference whose compute is shed wherever an hour costs more than its GPU-hours are worth."""
    shed = {"fraction": 0.3, "usd_per_gpu_hour": 0.08}
    workload = {"kind": "inference", "average_load_fraction": 0.7, "shed": shed}
    return make({"workload": workload, "site": {"grid": {"tariff": TOU}}})


def shift(make: Make) -> Case:
    """Inference moved away from dear and peak hours within its day, with two coolers on a loop and little water."""
    workload = {"kind": "inference", "average_load_fraction": 0.7, "shift": {"fraction": 0.25}}
    return make(
        {
            "workload": workload,
            "site": {"grid": {"tariff": TOU}, "caps": {"evaporation_m3_per_year": 60}},
            "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
            "committed": [{"item": "chiller_air_cooled", "units": 4, "on_site": "2027-05-01"}],
            "cooling": {"coolant_supply_c": 40},
            "target": MANY,
            "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 3}},
        }
    )


def shift_and_shed(make: Make) -> Case:
    """Both kinds of flexible compute under prices by the hour, negative ones too, with one cooler on each loop."""
    hour = np.arange(8760)
    price = 60.0 + 50.0 * np.cos(2 * np.pi * (hour % 24 - 18) / 24)
    price[(hour // 24 % 2 == 0) & (hour % 24 == 12)] = -200.0
    price[(hour // 24 % 3 == 0) & (hour % 24 == 18)] = 5_000.0
    flexible = {"shed": {"fraction": 0.3, "usd_per_gpu_hour": 0.4}, "shift": {"fraction": 0.2}}
    tariff = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
    workload = {"kind": "inference", "average_load_fraction": 0.7, **flexible}
    return make({"workload": workload, "site": {"grid": {"tariff": tariff}}}, prices={"buy": price})


def spinning(make: Make) -> Case:
    """The largest engine is covered in every hour by grid and engines."""
    steps = [{"from": "2027-06-01", "mw": 1, "via": "existing_feeders"}]
    return make(
        ENGINES,
        {
            "site": {"grid": {"interconnection": steps}},
            "target": MANY,
            "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
        },
    )


def swings(make: Make) -> Case:
    """A battery that shaves the peaks keeps back what smooths the load and covers the largest engine."""
    steps = [{"from": "2027-06-01", "mw": 1, "via": "existing_feeders"}]
    rules = [{"ramp_mw_per_min": 1}, {"rule": "lipa", "oscillation_mw": 0.5}]
    return make(
        {
            "site": {"grid": {"interconnection": steps, "load_rules": rules, "tariff": {**TOU, **DEAR}}},
            "workload": {"swing_fraction": 0.5, "smoothing": {"duty_fraction": 0.7}},
            "target": MANY,
            "candidates": {"generation": ["jenbacher_j620"], "battery": ["tesla_megapack_2xl_4h"]},
            "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
        },
        set=["catalog.tesla_megapack_2xl_4h.price_usd=2e5"],
    )


def export_of_sun(make: Make) -> Case:
    """An index tariff from -500 to 10,000 $/MWh; sun is used, sold within the limit, or left."""
    hour = np.arange(8760)
    price = 45.0 + 25.0 * np.cos(2 * np.pi * (hour % 24 - 19) / 24)
    day = hour // 24
    price[(day % 2 == 0) & (hour % 24 == 12)] = -500.0
    price[(day % 5 == 0) & (hour % 24 == 15)] = 10_000.0
    grid = {
        "tariff": {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}},
        "export": {"mw": 6, "series": {"file": "sell.csv", "column": "usd"}},
    }
    return make(
        {"site": {"grid": grid}, "candidates": {"renewable": ["solar_single_axis_1mw"]}},
        prices={"buy": price, "sell": price - 4.0},
        set=["catalog.solar_single_axis_1mw.price_usd=1e5"],
    )


def ratchet(make: Make) -> Case:
    """Summer peaks hold the bill of every month up; batteries shave what is worth shaving."""
    hour = np.arange(8760)
    load = 8.0 + 2.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 4.0 * np.sin(2 * np.pi * (hour - 2900) / 8760)
    tariff = {
        "demand_usd_per_kw_month": 14,
        "minimum_take_fraction": 0.2,
        "ratchet": {"fraction": 0.9, "months": [6, 7, 8, 9, 12]},
        "coincident_peaks": {"hours": [4719, 4720, 5464], "usd_per_kw_year": 60},
    }
    changes: dict[str, Any] = {
        "workload": None,
        "horizon": {"build_months": 14},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {"interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}], "tariff": tariff}
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "battery": ["tesla_megapack_2xl_4h"],
        },
    }
    return make(changes, series=load, set=["catalog.tesla_megapack_2xl_4h.price_usd=1e5"])


def capped(make: Make) -> Case:
    """Engines cheaper than the grid at its peak may burn, emit and run only so much a calendar year."""
    caps = {
        "co2_t_per_year": 900,
        "nox_t_per_year": 3,
        "fuel_mmbtu_hhv_per_year": 17_500,
        "run_hours_per_year": {"jenbacher_j620": 700},
    }
    return make(
        ENGINES,
        {"site": {"grid": {"tariff": {**TOU, **DEAR}}, "caps": caps}, "target": MANY},
        set=["catalog.jenbacher_j620.price_usd=1e5", "site.fuel.natural_gas_usd_per_mmbtu_hhv=3"],
    )


def little_water(make: Make) -> Case:
    """Pads save chiller power while water lasts; the chillers of the same loop take the rest of the heat."""
    return make(
        {
            "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
            "committed": [{"item": "chiller_air_cooled", "units": 4, "on_site": "2027-05-01"}],
            "cooling": {"coolant_supply_c": 40},
            "site": {"caps": {"evaporation_m3_per_year": 60}},
            "target": MANY,
            "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 3}},
        },
    )


def daily_water(make: Make) -> Case:
    """As before, with a permit by the day and by the year, and water to pay for."""
    water = {"m3_per_day": 36, "m3_per_year": 1500, "usd_per_m3": 3}
    return make(
        {
            "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
            "committed": [{"item": "chiller_air_cooled", "units": 4, "on_site": "2027-05-01"}],
            "cooling": {"coolant_supply_c": 40},
            "site": {"water": water},
            "target": MANY,
            "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 3}},
        },
    )


LIMITED: dict[str, Any] = {
    "supply": {"nvidia_gb300_nvl72": {"2027Q3": 6, "2027Q4": 10, "2028Q1": 12}},
    "budget": [{"by": "2027-12-31", "usd": 8.0e7}, {"by": "2028-06-30", "usd": 1.6e8}],
}


def most_gpus(make: Make) -> Case:
    """The most GPUs that supply and budget allow, then the least cost of having them."""
    return make(LIMITED, {"objective": {"max_gpus": "2028-05-01"}})


def earliest(make: Make) -> Case:
    """The first month the milestone can be met in, then the least cost of that."""
    return make(LIMITED, {"objective": "earliest"})


def redundant(make: Make) -> Case:
    """Four to make three, two paths, and two paths each with a spare."""
    schemes = {
        "ups": {"scheme": "4N/3", "group_mw": 5},
        "mv_lv_transformer": {"scheme": "2N"},
        "lv_switchboard": {"scheme": "2(N+1)"},
        "cdu": {"scheme": "N+2", "group_racks": 4},
    }
    return make({"redundancy": schemes})


def islands(make: Make) -> Case:
    """The engines of that site in islands of 3.5 MW, each with its spare."""
    steps = [{"from": "2027-06-01", "mw": 1, "via": "existing_feeders"}]
    scheme = {"onsite_generation": {"scheme": "N+1", "group_mw": 3.5}}
    return make(ENGINES, {"site": {"grid": {"interconnection": steps}}, "target": MANY, "redundancy": scheme})


def derated(make: Make) -> Case:
    """Catchers behind UPS and transformers; poor power factors, harmonics, and batteries that must last longer."""
    chain = {
        "power_factor": {"mv_lv_transformer": 0.8, "ups": 0.97},
        "harmonic_loss_factor": 1.3,
        "ride_through_minutes": 7,
    }
    schemes = {
        "ups": {"scheme": "block_redundant", "blocks_per_catcher": 2},
        "mv_lv_transformer": {"scheme": "block_redundant", "blocks_per_catcher": 3},
    }
    return make({"power_chain": chain, "redundancy": schemes})


def boxes(make: Make) -> Case:
    """A turnkey pod beside what is bought part by part; both reject the heat of the same loops."""
    return make(
        {
            "candidates": {"compute": ["turnkey_pod_hypothetical", "nvidia_gb300_nvl72"]},
            "committed": [{"item": "turnkey_pod_hypothetical", "units": 1, "on_site": "2027-10-01"}],
            "target": {"milestones": [{"gpus": 1152, "by": "2028-05-01"}]},
        },
    )


def tanks(make: Make) -> Case:
    """Immersion containers and a hall: each takes only its own kind of compute."""
    return make(
        {
            "site": {"hall": {"existing_m2": 150}},
            "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 22},
            "candidates": {
                "compute": ["nvidia_gb300_nvl72", "immersion_server_hypothetical"],
                "enclosure": ["submer_megapod", "immersion_tank_generic", "hall_stick_built", "fit_out_generic"],
            },
            "committed": [{"item": "immersion_server_hypothetical", "units": 40, "on_site": "2027-08-01"}],
            "target": {"milestones": [{"gpus": 1040, "by": "2028-05-01"}]},
        },
        set=["catalog.submer_megapod.lead_time_weeks=20", "catalog.immersion_tank_generic.lead_time_weeks=12"],
    )


def growing_load(make: Make) -> Case:
    """No build: a load that grows over three expansion years, engines and batteries added as it does."""
    hour = np.arange(8760)
    load = 80.0 + 14.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 4.0 * np.sin(2 * np.pi * hour / 8760)
    growth = [{"from": f"{2027 + y}-01-01", "fraction": f} for y, f in enumerate((0.6, 0.8, 1.0, 1.1))]
    growth[2]["from"] = "2028-06-15"  # counts from 2029
    changes: dict[str, Any] = {
        "horizon": {"build_months": 0, "expansion_years": 3, "operating_years": 2},
        "workload": None,
        "target": {
            "milestones": None,
            "load_series": {"file": "load.csv", "column": "mw"},
            "load_scale": growth,
        },
        "site": {
            "grid": {
                "interconnection": [
                    {"from": "2026-01-01", "mw": 66, "via": "existing_feeders"},
                    {"from": "2029-09-01", "mw": 74, "via": "existing_feeders"},
                ],
                "tariff": {**TOU, **DEAR},
            }
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": ["jenbacher_j620"],
            "battery": ["tesla_megablock_4h"],
        },
        "committed": [{"item": "tesla_megablock_4h", "units": 2, "on_site": "2028-03-01", "due_usd": 1e6}],
        "budget": [{"by": "2028-12-31", "usd": 2.5e8}],
    }
    return make(changes, series=load, set=["catalog.tesla_megablock_4h.price_usd=1.0e6"])


def racks_over_years(make: Make) -> Case:
    """Six build months and two expansion years; milestones and a grid step in the years."""
    steps = [
        {"from": "2027-06-01", "mw": 3, "via": "existing_feeders"},
        {"from": "2028-05-01", "mw": 6, "via": "existing_feeders"},  # counts from July 2028
    ]
    milestones = [{"gpus": 720, "by": "2028-08-01"}, {"gpus": 1800, "by": "2029-07-01"}]
    return make(
        ENGINES,
        {
            "start": "2027-01-01",
            "horizon": {"build_months": 6, "expansion_years": 2, "operating_years": 2},
            "target": {"milestones": milestones},
            "site": {"grid": {"interconnection": steps}},
        },
    )


# Every case, with what its plan must use to test what it says: items bought, ledger lines that are not zero.
CASES: dict[Callable[[Make], Case], tuple[str, ...]] = {
    plain_load: (
        "jenbacher_j620",
        "solar_single_axis_1mw",
        "tesla_megablock_4h",
        "time-of-use demand charge",
    ),
    grid_only: ("nvidia_gb300_nvl72", "demand charge"),
    engines: ("jenbacher_j620", "fuel"),
    two_computes: ("nvidia_gb300_nvl72", "nvidia_dgx_b200", "rack_pdu_generic"),
    two_rejections: ("dry_cooler_adiabatic@liquid",),
    battery_tou: ("tesla_megapack_2xl_4h", "mv_padmount_transformer@battery", "battery wear"),
    tiers_and_minimum_take: ("jenbacher_j620", "fuel", "energy", "demand charge"),
    shed: ("shed compute (value, not paid)",),
    export_of_sun: ("solar_single_axis_1mw", "export receipts"),
    ratchet: ("tesla_megapack_2xl_4h", "demand charge", "coincident peak charge"),
    capped: ("jenbacher_j620", "fuel"),
    little_water: ("dry_cooler_adiabatic@liquid",),
    daily_water: ("dry_cooler_adiabatic@liquid", "water"),
    shift: ("nvidia_gb300_nvl72", "dry_cooler_adiabatic@liquid"),
    shift_and_shed: ("shed compute (value, not paid)",),
    spinning: ("jenbacher_j620", "fuel"),
    swings: ("jenbacher_j620", "tesla_megapack_2xl_4h", "battery wear"),
    most_gpus: ("nvidia_gb300_nvl72",),
    earliest: ("nvidia_gb300_nvl72",),
    redundant: ("ups_generic", "lv_switchboard_generic"),
    islands: ("jenbacher_j620", "fuel"),
    boxes: ("nvidia_gb300_nvl72", "ups_generic"),
    tanks: ("nvidia_gb300_nvl72", "submer_megapod", "immersion_tank_generic"),
    derated: ("ups_generic", "mv_padmount_transformer"),
    growing_load: ("jenbacher_j620", "tesla_megablock_4h", "battery wear", "time-of-use demand charge"),
    racks_over_years: ("nvidia_gb300_nvl72", "demand charge"),
}


@dataclass(frozen=True)
class Both:
    """One case solved both ways."""

    decomposed: Solution
    whole: Monolithic
    monolithic: MonolithicSolution
    needs: tuple[str, ...]

    def decisions(self) -> dict[str, float]:
        """Every sizing decision of the decomposed plan by name, without the cost columns."""
        point, master = self.decomposed.point, self.decomposed.master
        return {
            var.name: round(point[j]) if master.integer[j] else float(point[j])
            for j, var in enumerate(master.columns)
            if not var.name.startswith("cost[")
        }


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.__name__)
def both(request: pytest.FixtureRequest, make_case: Make) -> Both:
    case = request.param(make_case)
    whole = Monolithic(case, stop=Stop(300.0))
    return Both(
        solve(case, gap=GAP, threads=1, time_limit=60),
        whole,
        whole.solve(gap=GAP),
        CASES[request.param],
    )


def test_the_case_uses_what_it_is_about(both: Both) -> None:
    plan, used = both.decomposed, set()
    for o in plan.sizing.options:
        if o.orders and plan.master.value(plan.sizing.model.bought[o.key, len(o.orders) - 1], plan.point) > 1e-3:
            used.add(o.key)
    for s, value in plan.values.items():
        used |= {line for line, usd in plan.blocks[s.block].cost_lines.items() if abs(usd @ value.primal) > 1.0}
    assert set(both.needs) <= used


def test_same_optimum(both: Both) -> None:
    one, other = both.decomposed, both.monolithic
    slack = (one.upper_kusd - one.lower_kusd) + (other.upper_kusd - other.lower_kusd)
    assert one.gap_reached
    assert abs(one.upper_kusd - other.upper_kusd) <= slack + 1e-6 * abs(other.upper_kusd)


def test_bounds_do_not_cross(both: Both) -> None:
    one, other = both.decomposed, both.monolithic
    tolerance = 1e-6 * abs(other.upper_kusd)
    assert one.lower_kusd <= one.upper_kusd
    assert one.lower_kusd <= other.upper_kusd + tolerance
    assert other.lower_kusd <= one.upper_kusd + tolerance


def test_same_goals_before_cost(both: Both) -> None:
    ours = [(level.name, level.value) for level in both.decomposed.levels[:-1]]
    assert ours == [(level.name, pytest.approx(level.value, abs=1e-6)) for level in both.monolithic.levels[:-1]]
    assert all(level.value == level.bound for level in both.decomposed.levels[:-1])


def test_same_operating_cost_of_the_same_design(both: Both) -> None:
    """With every sizing decision fixed, HiGHS finds month by month what the blocks found."""
    whole, dates = both.whole, both.decomposed.sizing.dates
    if dates != whole.sizing.dates:  # since the earliest date is known, fewer matter
        whole = Monolithic(whole.case, dates=dates)
    fixed = whole.solve(fixed=both.decisions(), gap=0.0)
    blocks = {s: value.cost_usd / 1000.0 for s, value in both.decomposed.values.items()}
    total = sum(blocks.values())
    assert sum(fixed.operating_kusd.values()) == pytest.approx(total, rel=1e-7)
    assert fixed.operating_kusd == pytest.approx(blocks, rel=1e-6, abs=1e-6 * abs(total))
