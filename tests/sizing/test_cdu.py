"""CDUs have two rows in every group: heat at the site's approach, and flow at the supply temperature.

Racks a Vertiv XDU1350 serves (1,350 kW at 4 K, 1,200 L/min with two pumps: data sheet SL-71309) follow from the
racks' own figures: GB200 115 kW (HPE) and 130 L/min (OCP), GB300 .9 x 142 kW and its table (Lenovo LP2357).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.case.coolant import cdu_capacity_mw, cdu_flow_lpm, own_approach_k, rack_flow_lpm
from planner.errors import InputError
from planner.operation.blocks import plant_of
from planner.plan.plan import Plan
from planner.sizing.options import options_of
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.stopping import Stop

Make = Callable[..., Case]
XDU: dict[str, Any] = {"candidates": {"cooling": ["vertiv_xdu1350"]}}
WARM = {"cooling": {"coolant_supply_c": 45}}
GB200 = {"candidates": {"compute": ["nvidia_gb200_nvl72"]}}


def racks_per_unit(case: Case) -> tuple[float, float]:
    """(by heat, by flow) of one XDU1350 for the case's first rack."""
    cdu, rack = case.catalog["vertiv_xdu1350"], plant_of(case).racks[0]
    heat = cdu.get("cooling_capacity_kw") / 1000.0 / (rack.design_mw * rack.liquid_fraction)
    return heat, cdu_flow_lpm(cdu) / rack_flow_lpm(rack.item, case.input.cooling.coolant_supply_c)


def test_published_racks_per_cdu(make_case: Make) -> None:
    assert racks_per_unit(make_case(XDU, GB200)) == pytest.approx((11.75, 9.23), abs=0.01)  # 1350/114.84, 1200/130
    assert racks_per_unit(make_case(XDU)) == pytest.approx((10.56, 13.48), abs=0.01)  # 1350/127.8, 1200/89
    assert racks_per_unit(make_case(XDU, WARM)) == pytest.approx((10.56, 6.78), abs=0.01)  # 1200/177


@pytest.mark.parametrize(("supply", "lpm"), [(25, 59), (30, 71), (35, 89), (40, 119), (45, 177), (20, 59), (37, 101)])
def test_flow_of_a_rack_is_read_between_the_tables_rows_and_rounded_up(make_case: Make, supply: int, lpm: int) -> None:
    # 37 degC: 89 + 2/5 x 30 = 101; 33 degC: 71 + 3/5 x 18 = 81.8 -> 82
    rack = make_case().catalog["nvidia_gb300_nvl72"]
    assert rack_flow_lpm(rack, supply) == lpm
    assert rack_flow_lpm(rack, 33.0) == 82


def cdu_option(case: Case) -> Any:
    return next(o for o in options_of(plant_of(case)) if "cdu" in o.supplies and o.item.family == "cooling")


@pytest.mark.parametrize(
    ("changes", "units"),
    [
        (XDU, 2),  # 16 racks: 16 / 10.56 = 1.5 by heat, 16 / 13.48 = 1.2 by flow
        (XDU | WARM, 3),  # 16 / 6.78 = 2.4 by flow
    ],
    ids=["35 degC: heat", "45 degC: flow"],
)
def test_a_group_of_racks_carries_both_rows(make_case: Make, changes: dict[str, Any], units: int) -> None:
    case = make_case(changes)
    o, rack = cdu_option(case), case.catalog["nvidia_gb300_nvl72"]
    assert o.group.sets_per_group == units
    assert o.supplies["cdu"] * units == pytest.approx(16 * 0.9 * 0.142)  # no more than 16 racks on a group
    assert o.flow_lpm * units == pytest.approx(16 * rack_flow_lpm(rack, case.input.cooling.coolant_supply_c))


def test_capacity_goes_with_the_sites_approach(make_case: Make) -> None:
    # 1,350 kW at 4 K: 3 K leave three quarters of it, 6 K give half as much again; flow is what it was.
    site = {"redundancy": {"cdu": {"scheme": "N"}}}
    for approach, mw in ((3.0, 1.0125), (4.0, 1.35), (6.0, 2.025)):
        o = cdu_option(make_case(XDU, site, {"cooling": {"cdu_approach_k": approach}}))
        assert o.supplies["cdu"] == pytest.approx(mw)
        assert o.flow_lpm == pytest.approx(1200)
    assert cdu_option(make_case(XDU, site)).supplies["cdu"] == pytest.approx(1.35)


def planned(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=1e-3, stop=Stop(time_limit_s=60)))
    require(plan, case)
    return plan


def cdus(plan: Plan) -> float:
    return float(plan.summary["units"]["vertiv_xdu1350"])


@pytest.mark.parametrize("scheme", [{"scheme": "N+1", "group_racks": 8}, {"scheme": "N"}, {"scheme": "2N"}])
def test_cdu_count_rises_from_the_heat_row_to_the_flow_row(make_case: Make, scheme: dict[str, Any]) -> None:
    """24 racks of GB300: 24 / 10.56 = 2.3 -> 3 by heat at 35 degC, 24 / 6.78 = 3.5 -> 4 by flow at 45."""
    site = {"target": {"milestones": [{"gpus": 1728, "by": "2028-05-01"}]}, "redundancy": {"cdu": scheme}}
    cool, warm = planned(make_case(XDU, site)), planned(make_case(XDU, WARM, site))
    want = {"N": (3, 4), "2N": (6, 8), "N+1": (6, 9)}[scheme["scheme"]]  # three groups of 8: 1 + 1 each, then 2 + 1
    assert (cdus(cool), cdus(warm)) == want
    assert math.ceil(8 / 10.56) == 1
    assert math.ceil(8 / 6.78) == 2
    rows = warm.stages[warm.stages.position == "cdu_flow"]
    assert float(rows.design_load.iloc[-1]) == pytest.approx(24 * 177)
    assert set(rows.unit) == {"L/min"}


def test_racks_without_a_table_take_a_litre_and_a_half_and_the_plan_says_so(make_case: Make) -> None:
    case = make_case({"candidates": {"compute": ["nvidia_vera_rubin_nvl72"]}})
    rack = case.catalog["nvidia_vera_rubin_nvl72"]
    assert rack_flow_lpm(rack, 35.0) == pytest.approx(1.5 * 250)  # the high end of its design power sizes
    assert "coolant flow of nvidia_vera_rubin_nvl72: 1.5 L/min per kW" in case.defaults_used


def test_temperatures_and_head_that_do_not_fit_are_faults(make_case: Make) -> None:
    for changes, settings, rule in (
        ({"cooling": {"coolant_supply_c": 46}}, [], "nvidia_gb300_nvl72 takes at most 45"),
        (GB200 | {"cooling": {"coolant_supply_c": 18}}, [], "nvidia_gb200_nvl72 takes at least 20"),
        (XDU | WARM, ["catalog.vertiv_xdu1350.external_head_kpa=120"], "drops 127 kPa, and vertiv_xdu1350 has 120"),
        ({"cooling": {"supply_air_max_c": 27}}, [], "delivers air at 28 with this water"),
        ({"candidates": {"cooling": ["vertiv_xdu070"]}}, [], "rejects coolant heat to the room air"),
    ):
        with pytest.raises(InputError) as caught:
            make_case(changes, set=settings)
        assert any(rule in fault.rule for fault in caught.value.faults), (rule, caught.value.faults)


def test_a_pods_own_coolers_say_nothing_of_its_cdus(make_case: Make) -> None:
    """approach_k of a pod that rejects heat is above dry bulb; without cdu_approach_k its CDUs have the default 4 K."""
    case = make_case()
    pod = case.catalog["modular_pod_generic"]
    assert pod.get("approach_k") == pytest.approx(8.3)
    assert own_approach_k(pod) == 4.0
    silent = pod.model_copy(update={"cdu_approach_k": None})
    assert own_approach_k(silent) == 4.0
    assert cdu_capacity_mw(silent, 8.0) == pytest.approx(1.0)  # its rating: it states no approach to go by
    assert cdu_capacity_mw(pod, 8.0) == pytest.approx(2.0)
    tank = case.catalog["immersion_tank_generic"]  # rejects no heat outdoors: its approach is the fluid's
    assert own_approach_k(tank) == 5.0
    # Every pod the catalog can size says what it is.
    pods = [i for i in case.catalog.items if {"cdu", "heat_rejection"} <= set(i.brings) and i.sizeable]
    assert pods
    assert all(i.cdu_approach_k is not None for i in pods)
