"""Heat: all that is drawn in the room leaves it by a water loop, in every hour and at design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.stopping import Stop

Make = Callable[..., Case]
SHIFTED = {"workload": {"kind": "inference", "average_load_fraction": 0.7, "shift": {"fraction": 0.2}}}


@pytest.fixture(scope="module", params=[{}, SHIFTED], ids=["flat", "shifted"])
def planned(request: pytest.FixtureRequest, make_case: Make) -> tuple[Plan, Case]:
    case = make_case(request.param, {"site": {"grid": {"tariff": {"tou_demand": None}}}})
    plan = plan_of(solve(case, gap=1e-3, stop=Stop(time_limit_s=60)))
    require(plan, case)
    return plan, case


def running(plan: Plan, item: str) -> float:
    rows = plan.installed[(plan.installed.item == item) & (plan.installed.period == plan.installed.period.max())]
    return float(rows.running.iloc[0])


def test_heat_of_every_hour_is_what_is_drawn_in_the_room(planned: tuple[Plan, Case]) -> None:
    """11 racks: pumps of the CDUs heat the liquid loop, fans of the air units and losses in the room the air."""
    plan, case = planned
    year = plan.dispatch[plan.dispatch.phase == "operating year"]
    pumps = running(plan, "cdu_generic") * case.catalog["cdu_generic"].get("auxiliary_power_kw") / 1000.0
    fans = running(plan, "air_unit_generic") * case.catalog["air_unit_generic"].get("auxiliary_power_kw") / 1000.0
    network = running(plan, "fabric_unit_576") * case.catalog["fabric_unit_576"].design_kw / 1000.0
    racks = year.it_mw - network
    assert year.liquid_heat_mw.to_numpy() == pytest.approx((0.9 * racks + pumps).to_numpy(), abs=1e-7)
    air = 0.1 * racks + network + year.room_losses_mw + fans
    assert year.air_heat_mw.to_numpy() == pytest.approx(air.to_numpy(), abs=1e-7)
    # The UPS alone loses .0075 of its rating and .0232 y^2 / R: more than 2 % of what goes through, less than 4 %.
    assert (year.room_losses_mw > 0.02 * year.it_mw).all()
    assert (year.room_losses_mw < 0.04 * year.it_mw).all()


def test_heat_at_design_holds_every_loss_and_fan(planned: tuple[Plan, Case]) -> None:
    """Busway: a square loss of .01 at full load. UPS: .0075 of rating and .0232 of the load, all of it air heat."""
    plan, case = planned
    last = plan.stages[plan.stages.period == plan.stages.period.max()].set_index("position").design_load
    pumps = running(plan, "cdu_generic") * case.catalog["cdu_generic"].get("auxiliary_power_kw") / 1000.0
    fans = running(plan, "air_unit_generic") * case.catalog["air_unit_generic"].get("auxiliary_power_kw") / 1000.0
    busway = case.catalog["busway_generic"].get("loss_square_fraction")
    through_busway, through_ups = last["busway"], last["busway"] * (1.0 + busway) + pumps + fans
    assert last["ups"] == pytest.approx(through_ups)
    out_of_ups = last["lv_switchboard"]
    racks_mw = last["cdu"] / 0.9
    network = through_busway - racks_mw
    losses = busway * through_busway + out_of_ups - through_ups
    assert last["air_unit"] == pytest.approx(0.1 * racks_mw + network + losses)
    assert last["heat_rejection:air"] == pytest.approx(last["air_unit"] + fans)
    assert last["heat_rejection:liquid"] == pytest.approx(last["cdu"] + pumps)


@pytest.mark.parametrize("column", ["liquid_heat_mw", "air_heat_mw", "room_losses_mw"])
def test_the_audit_finds_heat_that_is_lost(planned: tuple[Plan, Case], column: str) -> None:
    plan, case = planned
    dispatch = plan.dispatch.copy()
    dispatch[column] = np.where(np.arange(len(dispatch)) == len(dispatch) - 20, 0.999, 1.0) * dispatch[column]
    failed = {check.name for check in audit(replace(plan, dispatch=dispatch), case) if not check.ok}
    assert "heat balance" in failed
