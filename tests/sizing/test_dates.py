"""Periods that matter: what they are, by hand, and that leaving out the others changes no optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.operation.blocks import plant_of
from planner.sizing.dates import Dates, dates_of
from planner.sizing.options import options_of
from planner.solve import plans
from planner.solve.decomposition import solve

Make = Callable[..., Case]

SITE: dict[str, Any] = {
    "horizon": {"build_months": 20, "operating_years": 2},
    "target": {"milestones": [{"gpus": 1440, "by": "2028-04-15"}, {"gpus": 4320, "by": "2028-08-20"}]},
    "candidates": {
        "compute": ["nvidia_gb300_nvl72"],
        "power": ["ups_generic", "schneider_galaxy_vxl"],
        "heat_rejection": ["chiller_air_cooled", "dry_cooler_adiabatic"],
        "other_stages": "class_defaults",
    },
    "cooling": {"coolant_supply_c": 45},
    "redundancy": {"ups": {"scheme": "N+1", "group_mw": 5}},
    "commissioning": {"block_mw": 2, "weeks": 6, "blocks_in_parallel": 1, "rack_burn_in_weeks": 1},
}


def test_periods_by_hand(make_case: Make) -> None:
    """Milestones in the months 15 (April 2028) and 19 (August).

    60 racks of 132 kW and 2 % spares: 8.2 MW, 5 blocks with the last rack; one every 6 weeks takes 30 weeks. From 1
    January to 1 August 2028 there are 213 days, so 6 rounds of 42 begin; from 1 February 182, 5 rounds, enough for the
    5 blocks: months before February 2028 do not matter to August. April's 20 racks, 2.8 MW, are 2 blocks: 84 days
    before 1 April lies 8 January, so that February (60 days, 2 rounds begun) is early enough.
    """
    case = make_case(SITE)
    rack = plant_of(case).racks[0]
    assert (rack.gpus, rack.design_mw) == (72, pytest.approx(0.132, abs=0.01))
    found = dates_of(plant_of(case))
    assert found.starts == (15, 19)
    assert found.standing == (14, 15, 16, 17, 18, 19)


def test_all_periods_where_load_may_pay(make_case: Make) -> None:
    tariff = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
    price = np.full(8760, 40.0)
    price[5000] = -1.0
    cheap = make_case(SITE, {"site": {"grid": {"tariff": tariff}}}, prices={"buy": price})
    early = make_case(SITE, {"objective": "earliest"})
    assert dates_of(plant_of(cheap)) == Dates.all_of(cheap)
    assert dates_of(plant_of(early)) == Dates.all_of(early)


def test_order_days_kept(make_case: Make) -> None:
    """One for each period of use, the latest: money paid later is worth less."""
    case = make_case(SITE)
    plant = plant_of(case)
    kept = {o.key: o for o in options_of(plant, dates_of(plant))}
    every = {o.key: o for o in options_of(plant)}
    racks = kept["nvidia_gb300_nvl72"].orders
    assert [order.in_service for order in racks] == [15, 19]
    assert [order.in_service for order in kept["ups_generic"].orders] == [14, 15, 16, 17, 18, 19]
    assert set(racks) < set(every["nvidia_gb300_nvl72"].orders)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {
            "objective": {"max_gpus": "2028-08-20"},
            "supply": {"nvidia_gb300_nvl72": {"2027Q3": 9, "2027Q4": 30, "2028Q1": 12}},
        },
        {
            "site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 3, "via": "existing_feeders"}]}},
            "candidates": {
                "generation": ["jenbacher_j620"],
                "battery": ["tesla_megapack_2xl_4h"],
                "renewable": ["solar_single_axis_1mw"],
            },
            "redundancy": {"onsite_generation": {"scheme": "N+1"}},
        },
        {
            "site": {
                "grid": {
                    "interconnection": [
                        {"from": "2027-06-01", "mw": 2, "via": "existing_feeders"},
                        {"from": "2028-06-01", "mw": 5, "via": "existing_feeders"},
                    ]
                }
            },
            "candidates": {"generation": ["mobile_turbine_rental", "jenbacher_j620"]},
        },
        {"objective": "earliest"},
        {"budget": [{"by": "2027-12-31", "usd": 60e6}, {"by": "2028-12-31", "usd": 400e6}]},
    ],
    ids=["plain", "max_gpus", "own power", "rented power", "earliest", "budget"],
)
def test_no_optimum_changes(make_case: Make, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    case = make_case(SITE, change)
    few = solve(case, gap=1e-6, threads=1)
    monkeypatch.setattr(plans, "dates_of", lambda plant, reached=None: Dates.all_of(plant.case))
    every = solve(case, gap=1e-6, threads=1)
    assert few.master.integer.sum() < 0.75 * every.master.integer.sum()
    assert few.levels[0].value == pytest.approx(every.levels[0].value, rel=3e-6)
    assert few.upper_kusd == pytest.approx(every.upper_kusd, rel=3e-6)
