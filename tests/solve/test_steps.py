"""Steps shorter than an hour: the same as hours where nothing changes inside them, more where something does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver, Value
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic

Array = NDArray[np.float64]
Make = Callable[..., Case]
BATTERY = "tesla_megablock_4h"
# One year on a grid of 30 MW, one day a month.
PLAIN: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8},
        }
    },
}
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
                    {"name": "peak", "usd_per_kw_month": 9, "weekday_hours": [14, 15, 16, 17], "weekend_hours": []}
                ],
            }
        }
    },
    "workload": {"kind": "inference", "average_load_fraction": 0.7},
    "cooling": {"coolant_supply_c": 40},
    "candidates": {
        "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
        "generation": ["jenbacher_j620"],
        "renewable": ["solar_single_axis_1mw"],
        "battery": [BATTERY],
    },
    "redundancy": {"onsite_generation": {"scheme": "N+1", "spinning_reserve": "largest_unit"}},
}


def on_steps(minutes: int) -> dict[str, Any]:
    return {"horizon": {"step_minutes": minutes}}


def january(case: Case, **links: float) -> Value:
    """January's block with the given linking components."""
    plant = plant_of(case)
    block = build_block(plant, "m01")
    peak = 0.0 if case.load_series_mw is None else float(case.load_series_mw.max())
    full = {"one": 1.0, "load_mw": peak, "contract_mw": 30.0, "grid_mw": 30.0, **links}
    full |= {store.energy: links.get("battery", 0.0) * store.hours for store in plant.batteries}
    x = [next((v for key, v in full.items() if name == key or name.startswith(key + ":")), 0.0) for name in block.links]
    return BlockSolver(block).solve(np.array(x))


@pytest.mark.parametrize("minutes", [30, 15, 5])
def test_inputs_constant_within_hours_cost_what_hours_cost(make_case: Make, minutes: int) -> None:
    """Every family at once: the mean of a dispatch over each hour costs no more, so steps gain nothing."""
    site = {
        "grid_mw": 20.0,
        "it_mw": 5.0,
        "it": 5.0,
        "standing_mw": 0.3,
        "heat:liquid": 4.0,
        "heat:air": 1.2,
        "rejection": 9.0,
        "rated": 11.0,
        "generation": 4.0,
        "renewable": 5.0,
        "battery": 6.0,
        "soc_start": 8.0,
        "soc_end": 5.0,
        "reserve_mw": 2.0,
    }
    shed = {"workload": {"shed": {"fraction": 0.2, "usd_per_gpu_hour": 0.5}}}
    hourly, fine = (january(make_case(EVERYTHING, on_steps(m), shed), **site) for m in (60, minutes))
    assert hourly.feasible
    assert fine.cost_usd == pytest.approx(hourly.cost_usd, rel=1e-7)


def test_shortage_is_energy_on_every_step(make_case: Make) -> None:
    """10 MW of load on 6 MW: 4 MW short for 744 h, whatever the step."""
    for minutes in (60, 30, 15, 5):
        value = january(make_case(PLAIN, on_steps(minutes), series=10.0), grid_mw=6.0)
        assert value.shortage_mwh == pytest.approx(4 * 744)


def test_a_quarter_hour_above_its_hour_is_billed(make_case: Make) -> None:
    """10 MW, but from noon to one 16, 10, 8 and 6: a mean of 10. 6 MW more are billed at 8 $/kW, no energy more.

    744 h x 10 MW x 50 $ = 372,000 $ and 10,000 kW x 8 $ = 80,000 $ by the hour; 128,000 $ by the quarter hour.
    """
    load = np.full(8760 * 4, 10.0).reshape(365, 24, 4)
    load[:, 12] = (16, 10, 8, 6)
    hourly = january(make_case(PLAIN, series=load.mean(axis=2).ravel()))
    fine = january(make_case(PLAIN, on_steps(15), series=load.ravel()))
    assert hourly.cost_usd == pytest.approx(372_000 + 80_000, rel=1e-9)
    assert fine.cost_usd == pytest.approx(372_000 + 128_000, rel=1e-9)


def test_state_of_charge_by_hand(make_case: Make) -> None:
    """Half an hour of 16 MW on 12 MW of grid, else 10 MW: a battery gives 4 MW, 2 MWh, and holds 2 / .95 before.

    It comes back as 2 / .9025 MWh bought; a day costs (10 x 24 + 3 - 2 + 2 / .9025) x 50 $, 31 times.
    """
    load = np.full((365, 48), 10.0)
    load[:, 30] = 16.0
    figures = {"round_trip_efficiency_fraction": 0.9025, "wear_cost_usd_per_mwh": 0}
    tariff = {"site": {"grid": {"tariff": {"demand_usd_per_kw_month": 0}}}}
    case = make_case(
        PLAIN,
        tariff,
        on_steps(30),
        {"candidates": {"battery": [BATTERY]}},
        series=load.ravel(),
        set=[f"catalog.{BATTERY}.{name}={value}" for name, value in figures.items()],
    )
    value = january(case, grid_mw=12.0, battery=10.0)
    assert value.cost_usd == pytest.approx(31 * 50 * (240 + 3 - 2 + 2 / 0.9025), rel=1e-9)
    soc = value.primal[build_block(plant_of(case), "m01").columns[f"soc:{BATTERY}"].index]
    assert soc.max() == pytest.approx(2 / 0.95)
    assert soc[29] - soc[30] == pytest.approx(2 / 0.95)
    assert soc[-1] == pytest.approx(0.0, abs=1e-9)
    assert not january(case, grid_mw=12.0, battery=3.9).feasible  # 4 MW are asked


def swinging(make: Make, minutes: int) -> Case:
    """A load that swings inside the hour against demand charges; engines, batteries and sun."""
    steps = 24 * 60 // minutes
    time = np.arange(365 * steps) * 24 / steps
    swing = np.random.default_rng(3).uniform(-4, 4, len(time))
    load = 24 + 4 * np.sin(2 * np.pi * (time % 24 - 9) / 24) + swing
    more = {
        "candidates": {"generation": ["jenbacher_j620"], "renewable": ["solar_single_axis_1mw"], "battery": [BATTERY]},
        "site": {"grid": {"tariff": {"demand_usd_per_kw_month": 20}}},
        "committed": [{"item": "jenbacher_j620", "units": 1, "on_site": "2026-01-01"}],
    }
    cheap = [f"catalog.{BATTERY}.price_usd=5e5", "catalog.solar_single_axis_1mw.price_usd=4e5"]
    cheap += [f"catalog.{i}.lead_time_weeks=0" for i in (BATTERY, "solar_single_axis_1mw")]
    cheap += [f"catalog.{i}.installation_weeks=0" for i in (BATTERY, "solar_single_axis_1mw")]
    return make(PLAIN, on_steps(minutes), more, series=load, set=cheap)


@pytest.mark.parametrize("minutes", [30, 15])
def test_decomposed_and_monolithic_agree(make_case: Make, minutes: int) -> None:
    case = swinging(make_case, minutes)
    one, other = solve(case, gap=1e-6, threads=1), solve_monolithic(case, gap=1e-6)
    slack = (one.upper_kusd - one.lower_kusd) + (other.upper_kusd - other.lower_kusd)
    assert one.gap_reached
    assert abs(one.upper_kusd - other.upper_kusd) <= slack + 1e-6 * abs(other.upper_kusd)
    plan = plan_of(one)
    require(plan, case)
    assert plan.dispatch[f"discharge:{BATTERY}_mw"].max() > 0.1
    assert len(plan.dispatch) == 12 * 24 * 60 // minutes
    assert plan.dispatch.minute.tolist() == list(range(0, 60, minutes)) * 24 * 12
    assert plan.dispatch.weight_h.sum() == pytest.approx(8760)


def test_the_audit_sees_inside_the_hour(make_case: Make) -> None:
    """A quarter hour in the wrong order, and charge counted as if a step were an hour, are caught."""
    case = swinging(make_case, 15)
    plan = plan_of(solve(case, threads=1))
    for column, check in (("minute", "hours complete"), (f"soc:{BATTERY}_mwh", "battery state of charge")):
        saved = plan.dispatch[column].copy()
        row = int(plan.dispatch[f"charge:{BATTERY}_mw"].to_numpy().argmax())
        plan.dispatch.loc[row, column] = saved[row] + (15 if column == "minute" else 0.5)
        assert check in {c.name for c in audit(plan, case) if not c.ok}
        plan.dispatch[column] = saved
    require(plan, case)


def test_series_by_hour_or_by_step(make_case: Make) -> None:
    hourly = 10.0 + np.arange(8760) % 24
    case = make_case(PLAIN, on_steps(30), series=hourly)
    assert case.load_series_mw is not None
    assert case.load_series_mw.tolist() == np.repeat(hourly, 2).tolist()
    fine = make_case(PLAIN, on_steps(30), series=np.arange(17520) % 20 + 1.0)
    assert fine.load_series_mw is not None
    assert fine.load_series_mw.tolist() == (np.arange(17520) % 20 + 1.0).tolist()


@pytest.mark.parametrize(("minutes", "rows", "rule"), [(60, 17520, "8760 rows"), (15, 17520, "8760 or 35040 rows")])
def test_series_of_another_step_are_refused(make_case: Make, minutes: int, rows: int, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        make_case(PLAIN, on_steps(minutes), series=np.full(rows, 10.0))


def test_other_steps_are_refused(make_case: Make) -> None:
    with pytest.raises(InputError, match="60, 30, 15 or 5"):
        make_case(PLAIN, on_steps(20), series=10.0)
