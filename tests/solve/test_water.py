"""Water: make-up from latent heat, a permit by day and by year, and its bill.

Published figures: latent heat of water at 30 degC 2,430 kJ/kg (IAPWS steam tables); make-up at 3, 5 and 8 cycles of
concentration, E n / (n - 1) (ASHRAE Handbook, HVAC Systems and Equipment, Cooling Towers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InfeasibleError, InputError
from planner.families.cooling import makeup_l_per_kwh
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.plan.plan import Plan
from planner.sizing.options import options_of
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.stopping import Stop

Make = Callable[..., Case]
TOWER: dict[str, Any] = {
    "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 32},
    "candidates": {"heat_rejection": ["cooling_tower"]},
}
# Pads save the power of chillers that stand anyway, while there is water.
PADS: dict[str, Any] = {
    "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
    "committed": [
        {"item": "chiller_air_cooled", "units": 8, "on_site": "2027-05-01"},
        {"item": "dry_cooler_adiabatic", "units": 4, "on_site": "2027-05-01"},
    ],
    "target": {"milestones": [{"gpus": 2160, "by": "2028-05-01"}]},
    "cooling": {"coolant_supply_c": 40},
    "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 3}},
}


def water(**given: Any) -> dict[str, Any]:
    return {"site": {"water": given}}


@pytest.mark.parametrize(("cycles", "litres"), [(3, 2.22), (4, 1.97), (5, 1.85), (8, 1.69)])
def test_makeup_from_latent_heat(make_case: Make, cycles: float, litres: float) -> None:
    tower = make_case().catalog["cooling_tower"]
    evaporation = tower.get("evaporation_l_per_kwh")
    assert evaporation == pytest.approx(3600 / 2430, abs=0.005)
    assert makeup_l_per_kwh(tower, np.array([evaporation, 0.0]), cycles) == pytest.approx([litres, 0.0], abs=0.006)


def test_a_hundred_megawatts_evaporated_for_a_day(make_case: Make) -> None:
    # 100 MW x 24 h x 1.48 x 4/3 = 4,736; 4,730 with the rounded 1.97 L/kWh
    case = make_case(TOWER, water(m3_per_day=5000))
    tower = next(r for r in plant_of(case).rejections if r.loop == "liquid")
    assert tower.makeup_l_per_kwh == pytest.approx(np.full(8760, 1.48 * 4 / 3))
    assert 100 * 24 * tower.design_makeup_l_per_kwh == pytest.approx(4730, rel=2e-3)


def test_days_of_a_block_by_hand(make_case: Make) -> None:
    """3 MW of cold plates and pumps, 1 MW of air, towers at 1.5 L/kWh: 4 x 24 x 1.5 x 2 = 288 m3 a day at two cycles.

    A permit of 250 leaves 38 m3 a day short; at 3 $/m3 a month of 31 days costs 26,784 $.
    """
    settings = [f"catalog.{name}.loss_square_fraction=0" for name in ("busway_generic", "ups_generic")]
    settings += ["catalog.cooling_tower.evaporation_l_per_kwh=1.5", "cooling.cycles_of_concentration=2"]
    found = {}
    for month in (None, 1):
        horizon = {"horizon": {"sample_days_per_month": month}}
        case = make_case(TOWER, horizon, water(m3_per_day=300, usd_per_m3=3), set=settings)
        block = build_block(plant_of(case), "m01")
        values = {"one": 1.0, "grid_mw": 30.0, "contract_mw": 30.0, "it_mw": 4.0, "rated": 20.0}
        values |= {"heat:liquid": 2.9, "standing_heat:liquid": 0.1, "heat:air": 0.7, "standing_heat:air": 0.3}
        x = np.array([values.get(n, values.get(n.split(":")[0], 0.0)) for n in block.links])
        at = block.links.index("water_m3_per_day")
        x[at] = 250.0
        found[month] = BlockSolver(block).solve(x).shortage_mwh
        x[at] = 288.001
        value = BlockSolver(block).solve(x)
        assert value.feasible
        assert float(block.cost_lines["water"] @ value.primal) == pytest.approx(3 * 31 * 288)
    assert found == {None: pytest.approx(31 * 38), 1: pytest.approx(31 * 38)}  # a sampled day stands for all


def planned(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=1e-4, stop=Stop(time_limit_s=120)))
    require(plan, case)
    return plan


def by_day(plan: Plan, case: Case) -> np.ndarray[Any, Any]:
    """Make-up of every day of the operating year, from the dispatch and the items' figures alone. [m3]"""
    year = plan.dispatch[plan.dispatch.phase == "operating year"]
    item, dry = case.catalog["dry_cooler_adiabatic"], case.weather.dry_bulb_c[year.hour_of_year.to_numpy()]
    pads = 36.0 - dry < item.get("approach_k")  # water of 40 less 4 K; the pads run where dry air falls short
    taken = year["heat_rejected:liquid:dry_cooler_adiabatic_mw"].to_numpy()
    makeup = np.where(pads, item.get("evaporation_l_per_kwh") * 4 / 3, 0.0) * taken
    return makeup.reshape(-1, 24).sum(axis=1)


def test_the_days_limit_binds_on_the_hottest_day_with_the_years_slack(make_case: Make) -> None:
    free = make_case(PADS, water(m3_per_year=1e6))
    before = planned(free)
    unlimited = by_day(before, free)
    limit = 0.6 * float(unlimited.max())
    case = make_case(PADS, water(m3_per_day=limit, m3_per_year=20000, usd_per_m3=2))
    plan = planned(case)
    taken = by_day(plan, case)
    weight = plan.dispatch[plan.dispatch.phase == "operating year"].weight_h.to_numpy()[::24]
    assert float(taken.max()) == pytest.approx(limit, rel=1e-6)
    assert taken[int(np.argmax(unlimited))] == pytest.approx(limit, rel=1e-6)
    assert int((taken > limit * (1 - 1e-6)).sum()) < 12
    assert float(taken @ weight) < 0.5 * 20000
    bought = plan.ledger[plan.ledger.line == "water"]
    years = case.input.horizon.operating_years
    assert float(bought[bought.date >= case.timeline.starts[-1]].usd.sum()) == pytest.approx(
        2 * years * float(taken @ weight)
    )
    assert plan.summary["objective_usd"] > before.summary["objective_usd"]  # less water never makes a plan cheaper


def test_too_little_water_is_named(make_case: Make) -> None:
    """24 h of the design heat in towers, and the permit is a tenth of that."""
    with pytest.raises(InfeasibleError) as caught:
        solve(make_case(TOWER, water(m3_per_day=8)), gap=1e-3)
    short = [s for s in caught.value.shortfalls if s.limit == "water of a day"]
    assert short
    assert short[0].unit == "m3/day"
    case = make_case(TOWER, water(m3_per_day=8 + short[0].amount * 1.01))
    require(plan_of(solve(case, gap=1e-3)), case)


def test_a_year_too_dry_is_named(make_case: Make) -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve(make_case(TOWER, water(m3_per_year=1000)), gap=1e-3)
    assert "water of a year" in {s.limit for s in caught.value.shortfalls}


def test_nothing_that_takes_water_serves_before_there_is_any(make_case: Make) -> None:
    dated = make_case(PADS, water(**{"from": "2028-02-15"}))
    assert dated.gates["dry_cooler_adiabatic"].isoformat() == "2028-02-15"
    assert "chiller_air_cooled" not in dated.gates
    option = next(o for o in options_of(plant_of(dated)) if o.item.id == "dry_cooler_adiabatic")
    assert min(order.dates.ready.isoformat() for order in option.orders) >= "2028-02-15"
    permit = {"activities": [{"name": "water permit", "on": "2028-03-01", "gates": ["water"]}]}
    assert make_case(PADS, permit).gates["dry_cooler_adiabatic"].isoformat() == "2028-03-01"
    with pytest.raises(InputError, match="in the operating years"):
        make_case(PADS, water(**{"from": "2029-01-01"}))


def test_the_audit_finds_water_above_the_permit(make_case: Make) -> None:
    case = make_case(TOWER, water(m3_per_day=200, m3_per_year=60000, usd_per_m3=1))
    plan = planned(case)
    for changed, name in (
        (water(m3_per_day=50), "water a day"),
        (water(m3_per_day=50), "water of the design day"),
        (water(m3_per_year=10000), "water a year"),
    ):
        other = make_case(TOWER, changed)
        failed = {check.name for check in audit(plan, other) if not check.ok}
        assert name in failed
    ledger = plan.ledger.assign(usd=np.where(plan.ledger.line == "water", 0.99, 1.0) * plan.ledger.usd)
    assert any(not check.ok for check in audit(replace(plan, ledger=ledger), case))


def test_every_scenario_has_its_water(make_case: Make) -> None:
    """Two price paths of one site: a cooling table each, both re-added by the audit."""
    paths = [{"name": name, "probability": 0.5, "energy_price_factor": f} for name, f in (("low", 0.8), ("high", 1.2))]
    plan = planned(make_case(TOWER, water(m3_per_day=200, usd_per_m3=2), {"scenarios": paths}))
    assert set(plan.details["cooling"].scenario) == {"low", "high"}
    assert plan.summary["key_results"]["peak_day_m3"] <= 200
