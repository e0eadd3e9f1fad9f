"""What stands where: halls, pods, tanks and whole boxes, by cooling method, kW per rack and weight on the floor.

Purpose: analytic (bills of material and limits by hand) and property (faults, mutations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planner.audit.audit import audit, require
from planner.case import enclosures
from planner.case.case import Case
from planner.case.node_racks import nodes_per_rack
from planner.errors import InfeasibleError, InputError
from planner.operation.blocks import plant_of
from planner.plan.plan import Plan
from planner.sizing.dates import Dates
from planner.sizing.model import build_sizing
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.master import Master

Make = Callable[..., Case]
NO_HALL: dict[str, Any] = {"site": {"hall": {"existing_m2": 0, "ready": None}}}
BOX: dict[str, Any] = {
    "target": {"milestones": [{"gpus": 1152, "by": "2028-05-01"}]},
    "candidates": {"compute": ["turnkey_pod_hypothetical"], "heat_rejection": None},
}
DRAWING = ("submer_megapod", "immersion_tank_generic", "air_unit_generic")
SOON = ["catalog.turnkey_pod_hypothetical.lead_time_weeks=30", "catalog.submer_megapod.lead_time_weeks=20"]
TANKS: dict[str, Any] = {
    "cooling": {"coolant_supply_c": 50},
    "target": {"milestones": [{"gpus": 320, "by": "2028-05-01"}]},
    "candidates": {
        "compute": ["immersion_server_hypothetical"],
        "enclosure": ["submer_megapod", "immersion_tank_generic"],
    },
}


@pytest.fixture(scope="module")
def box(make_case: Make) -> tuple[Case, Plan]:
    case = make_case(NO_HALL, BOX, set=SOON)
    return case, plan_of(solve(case))


# -- a whole box -------------------------------------------------------------------------------------------


def test_a_box_needs_nothing_but_medium_voltage(box: tuple[Case, Plan]) -> None:
    case, plan = box
    require(plan, case)
    assert dict(zip(plan.orders["item"], plan.orders.units, strict=True)) == {
        "turnkey_pod_hypothetical": 2,  # 1,152 GPUs of 576
        "mv_switchgear_generic": 1,
    }


def test_losses_of_a_box_by_hand(box: tuple[Case, Plan]) -> None:
    """Two boxes of 1.211 MW lose 2.422 x (.001 + .0352) + 2 x 1.7 x .0087 MW in their first stage; pumps 24 kW each."""
    _, plan = box
    budget = plan.details["power_budget"]
    rows = budget[budget.period == budget.period.max()].set_index("stage")
    it = 2 * 1.211
    busway = it * (1 + 0.001 + 0.0352) + 0.0087 * 2 * 1.7
    assert rows.loc["busway", "it_mw"] == pytest.approx(it)
    assert rows.loc["busway", "drawn_mw"] == pytest.approx(busway)
    assert rows.loc["ups", "drawn_mw"] == pytest.approx(busway + 2 * 0.024)
    assert rows.loc["mv_lv_transformer", "rated_mw"] == pytest.approx(3.4)
    assert rows.loc["ups", "redundancy"] == "built in"
    assert rows.loc["mv_switchgear", "redundancy"] == "N"


def test_a_box_rejects_its_own_heat_by_hand(box: tuple[Case, Plan]) -> None:
    """Chillers: 1 / COP + fans, COP = .55 T / (T_condensing - T) at 39.5 + 12 degC, evaporating 4 K below the water."""
    case, plan = box
    budget = plan.details["power_budget"]
    rows = budget[budget.period == budget.period.max()].set_index("stage")
    it = 2 * 1.211
    power = 0.0
    air = 0.16 * it + (0.0352 + 0.001) * it + 0.0087 * 3.4  # the losses of busway and UPS stay in the room
    for heat, supply in ((0.84 * it + 2 * 0.024, case.input.cooling.coolant_supply_c - 4.0), (air, 22.0)):
        evaporating = supply - 4.0 + 273.15
        cop = 0.55 * evaporating / (39.5 + 12.0 + 273.15 - evaporating)
        free = min(max((supply + 10.0 - (39.5 + 9.0)) / 10.0, 0.0), 1.0)
        power += heat * ((1.0 - free) / cop + 0.03)
    assert rows.loc["mv_lv_transformer", "cooling_mw"] == pytest.approx(power, rel=1e-6)


def test_a_box_too_weak_for_itself_is_no_plan(make_case: Make) -> None:
    case = make_case(NO_HALL, BOX, set=[*SOON, "catalog.turnkey_pod_hypothetical.rating_kw=1300"])
    with pytest.raises(InfeasibleError):
        solve(case)


# -- tanks and containers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def immersed(make_case: Make) -> tuple[Case, Plan]:
    case = make_case(NO_HALL, TANKS, set=SOON)
    return case, plan_of(solve(case))


def test_an_immersion_site_by_hand(immersed: tuple[Case, Plan]) -> None:
    """40 servers of 8 GPUs: 2 to a tank of 21 U (8 U each), 20 tanks; by heat 0.98 x 0.504 MW, N+1 in groups of 16."""
    case, plan = immersed
    require(plan, case)
    units = dict(zip(plan.orders["item"], plan.orders.units, strict=True))
    server, tank = case.catalog["immersion_server_hypothetical"], case.catalog["immersion_tank_generic"]
    assert nodes_per_rack(server, tank) == 2  # 21 / 8 by height, 50 / 12.6 = 3.97 by power
    assert units["immersion_server_hypothetical"] == 40
    assert units["immersion_tank_generic"] >= 20
    # floor: 20 tanks of 4 m2 are 80 m2, two containers of 55.8; fit-out: 0.504 + 0.075 MW of 0.6 each is one
    assert units["submer_megapod"] == 2
    assert not {"hall_stick_built", "fit_out_generic"} & set(units)


def test_pumps_of_pods_and_tanks_draw(immersed: tuple[Case, Plan]) -> None:
    case, plan = immersed
    budget = plan.details["power_budget"]
    rows = budget[budget.period == budget.period.max()].set_index("stage")
    on = plan.installed[plan.installed.period == plan.installed.period.max()].set_index("item").running
    kw = {name: case.catalog[name].get("auxiliary_power_kw") for name in on.index if name in DRAWING}
    assert len(kw) == 3
    assert rows.loc["ups", "cooling_mw"] == pytest.approx(sum(kw[n] * on[n] for n in kw) / 1000.0)


# -- what fits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compute", "place", "words"),
    [
        ("nvidia_gb300_nvl72", "fit_out_generic", ""),  # 142 of 250 kW
        ("nvidia_gb300_nvl72", "modular_pod_generic", ""),  # 142 of 150
        ("nvidia_gb300_nvl72", "vertiv_megamod", "142 kW per rack is above the 132 kW"),
        ("nvidia_gb200_nvl72", "vertiv_megamod", ""),  # 132 of 132
        ("nvidia_gb300_nvl72", "submer_megapod", "direct_liquid is not what submer_megapod accepts"),
        ("nvidia_dgx_b300", "server_rack_generic", ""),
        ("nvidia_dgx_b300", "immersion_tank_generic", "air is not what"),
        ("immersion_server_hypothetical", "immersion_tank_generic", ""),
        ("immersion_server_hypothetical", "server_rack_generic", "immersion is not what"),
        ("nvidia_gb300_nvl72", "turnkey_pod_hypothetical", "a box of its own"),
        ("turnkey_pod_hypothetical", "turnkey_pod_hypothetical", ""),
    ],
)
def test_what_takes_what(make_case: Make, compute: str, place: str, words: str) -> None:
    catalog = make_case().catalog
    reason = enclosures.misfit(catalog[compute], None, catalog[place])
    assert (words in reason) if words else not reason


def test_four_nodes_of_a_rack_count_together(make_case: Make) -> None:
    """Four DGX B300 of 15.4 kW are 61.6 kW a rack: a pod of 60 kW per rack does not take them, one of 62 does."""
    for most, fits in ((60, False), (62, True)):
        catalog = make_case(set=[f"catalog.modular_pod_generic.rack_power_max_kw={most}"]).catalog
        node, rack = catalog["nvidia_dgx_b300"], catalog["server_rack_generic"]
        assert enclosures.rack_of(node, (rack,)) is rack
        assert nodes_per_rack(node, rack) == 4
        assert (not enclosures.misfit(node, rack, catalog["modular_pod_generic"])) == fits


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"candidates": {"enclosure": ["vertiv_megamod"]}} | NO_HALL,
            "nvidia_gb300_nvl72.*fits in no white_space: 142 kW per rack is above the 132 kW of vertiv_megamod",
        ),
        (
            {"candidates": {"compute": ["immersion_server_hypothetical"]}},
            "immersion_server_hypothetical.*fits in no rack_space",
        ),
        (
            {
                "site": {"hall": {"floor_load_kg_per_m2": 1500}},
                "candidates": {"compute": ["nvidia_hgx_rubin_nvl8"]},
            },
            "floor_load_kg_per_m2.*nvidia_hgx_rubin_nvl8 has no weight_kg",
        ),
    ],
)
def test_what_fits_nowhere_is_a_fault(make_case: Make, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_case(changes)


def test_a_weak_floor_needs_another_hall(make_case: Make) -> None:
    """GB300 NVL72: 1,500 kg on 0.64 m2 are 2,344 kg/m2; under that limit the hall that stands carries none of them."""
    weak, strong = ({"site": {"hall": {"floor_load_kg_per_m2": x}}} for x in (2300, 2400))
    quick = ["catalog.hall_stick_built.lead_time_weeks=4", "catalog.hall_stick_built.installation_weeks=20"]
    plans = {}
    for name, changes in (("weak", weak), ("strong", strong)):
        case = make_case(changes, set=quick)
        plans[name] = plan_of(solve(case))
        require(plans[name], case)
        assert ("hall_stick_built" in set(plans[name].orders["item"])) == (name == "weak")
    cost = {name: plan.summary["objectives"][-1]["value"] for name, plan in plans.items()}
    assert cost["weak"] > cost["strong"]
    failed = {c.name for c in audit(plans["strong"], make_case(weak, set=quick)) if not c.ok}
    assert "what stands where" in failed
    assert "what stands where" not in {c.name for c in audit(plans["weak"], make_case(strong, set=quick)) if not c.ok}


def test_liquid_racks_do_not_stand_in_tanks_containers(make_case: Make) -> None:
    """A hall of 150 m2 holds 12 racks of 12 m2; more needs another hall, however many containers there are."""
    container: dict[str, Any] = {
        "id": "own_container",
        "family": "enclosure",
        "class": "own_container",
        "vendor": "own",
        "model": "own",
        "status": "available",
        "brings": ["white_space"],
        "accepts": ["immersion"],
        "white_space_m2": 60,
        "rack_power_max_kw": 200,
        **dict.fromkeys(("price_usd", "lead_time_weeks", "installation_weeks", "economic_life_years"), 1),
        **dict.fromkeys(("footprint_m2", "installation_fraction"), 0),
        **dict.fromkeys(("payment_order_fraction", "payment_delivery_fraction"), 0.5),
    }
    changes: dict[str, Any] = {
        "site": {"hall": {"existing_m2": 150}},
        "candidates": {"enclosure": ["own_container", "fit_out_generic"]},
    }
    changes["target"] = {"milestones": [{"gpus": 72 * 20, "by": "2028-05-01"}]}
    assert most_racks(make_case(changes, items=[container])) == 12
    anywhere = make_case(changes, items=[{**container, "accepts": ["immersion", "direct_liquid"]}])
    assert most_racks(anywhere) >= 20  # all that are asked for


def most_racks(case: Case) -> float:
    """Most racks the sizing model lets run, milestones left out."""
    sizing = build_sizing(plant_of(case), milestones=False, dates=Dates.all_of(case))
    master = Master(sizing)
    gradient, constant = master.gradient(sizing.model.energised["nvidia_gb300_nvl72", sizing.periods[-1]])
    master.minimise(-gradient)
    result = master.solve(relaxed=False, gap=0.0, time_limit=30)
    assert result.point is not None
    return float(gradient @ result.point) + constant
