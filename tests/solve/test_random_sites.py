"""Random sites of a few racks, solved as one model and decomposed: one optimum, and the same cost of the same plan.

Every draw has its own compute, network, enclosures, power chain, cooling, water, batteries, swings, generators, standby
policy, limits of ground and neighbours, and what stands already. A draw that fails is printed as YAML. PLANNER_DRAWS
sets how many are tried (10 unless told).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from planner.case.case import Case
from tests.own import BATTERY, ENGINE
from tests.solve.agreement import agree
from tests.solve.test_rent import TURBINE

Make = Callable[..., Case]
DRAWS = int(os.environ.get("PLANNER_DRAWS", "10"))
GB300, GB200, NODE, DIPPED, BOX = (
    "nvidia_gb300_nvl72",
    "nvidia_gb200_nvl72",
    "nvidia_dgx_b300",
    "immersion_server_hypothetical",
    "turnkey_pod_hypothetical",
)
FABRIC = "xdr_rail_optimised"
HEARD = {"sound_power_dba": 90, "height_m": 3, "footprint_m2": 20}
FAST = BATTERY | HEARD | {"id": "own_fast", "class": "own_fast", "response_s": 0.05, "grid_forming": "true"}
FAST |= {"nameplate_power_mw": 0.2, "nameplate_energy_mwh": 0.4, "price_usd": 1e5}
LONG = FAST | {"id": "own_long", "class": "own_long", "nameplate_energy_mwh": 0.8, "price_usd": 1.6e5}
SMALL = ENGINE | HEARD | {"nameplate_power_mw": 0.4, "price_usd": 4e5, "start_time_minutes": 3, "nox_kg_per_mwh": 0.5}
DIESEL = SMALL | {
    "id": "own_diesel",
    "class": "own_diesel",
    "fuel": "diesel",
    "permit_class": "emergency",
    "nameplate_power_mw": 0.25,
    "nox_kg_per_mwh": 6,
    "price_usd": 1e5,
}
HIRED = TURBINE | HEARD | {"nameplate_power_mw": 0.3, "start_time_minutes": 8, "nox_kg_per_mwh": 0.3}
OWN = [FAST, LONG, SMALL, DIESEL, HIRED]
COOLERS = ["chiller_air_cooled", "chiller_air_cooled_free_cooling", "dry_cooler", "dry_cooler_adiabatic"]
WET = ["cooling_tower", "chiller_water_cooled"]
STANDING = [
    *(GB300, GB200, NODE, DIPPED, BOX, FABRIC, *COOLERS, *WET, "fabric_unit_576"),
    *("hall_stick_built", "fit_out_generic", "server_rack_generic", "modular_pod_generic", "submer_megapod"),
    *("immersion_tank_generic", "rack_pdu_generic", "busway_generic", "ups_generic", "lv_switchboard_generic"),
    *("mv_padmount_transformer", "mv_switchgear_generic", "power_lineup_3mva", "cdu_generic", "air_unit_generic"),
    *("vertiv_cdu121", "solar_single_axis_1mw", "nvidia_q3400_ra_switch", "nvidia_sn5600_switch", "network_rack"),
    *("management_switch_48_port", "transceiver_1600g_twin_port", "transceiver_800g", "transceiver_400g"),
    *("transceiver_800g_twin_port", "cable_fibre", "cable_copper", "nic_scale_out", "scale_up_per_gpu"),
    "management_rack",
]
AT_ONCE = [f"catalog.{item}.{name}_weeks=0" for item in STANDING for name in ("lead_time", "installation")]
AT_ONCE += [f"catalog.{pod}.eddy_current_loss_fraction=0.1" for pod in (BOX, "modular_pod_generic")]
START, SECOND = "2027-01-01", "2027-02-01"
Some = dict[str, Any]


@st.composite
def compute(draw: st.DrawFn, build: int) -> Some:
    """Racks, nodes in racks, both, servers in tanks or whole boxes; their network; failures and spares."""
    kinds = [[GB300], [GB300, GB200], [GB300, NODE], [NODE], [DIPPED], [BOX]]
    chosen = draw(st.sampled_from(kinds))
    most = 576 if chosen == [BOX] else 144
    first = draw(st.integers(1, most))
    milestones = [{"gpus": first, "by": START}]
    if build and draw(st.booleans()):
        milestones.append({"gpus": first + draw(st.integers(1, 80)), "by": SECOND})
    found: Some = {"target": {"milestones": milestones}, "candidates": {"compute": chosen}}
    found["cooling"] = {"coolant_supply_c": draw(st.sampled_from([25, 32, 40, 45]))}
    if chosen == [DIPPED]:
        found["candidates"]["enclosure"] = ["submer_megapod", "immersion_tank_generic"]
        found["cooling"]["coolant_supply_c"] = 45
    elif chosen in ([GB300], [GB300, GB200]):
        found["candidates"]["enclosure"] = draw(
            st.sampled_from([[], ["modular_pod_generic"], ["modular_pod_generic", "fit_out_generic"]])
        )
    if chosen != [BOX] and draw(st.booleans()):
        found["network"] = {"fabric": FABRIC}
    if draw(st.booleans()):
        found["workload"] = {
            "goodput": {"failures_per_1000_node_days": "llama3_405b", "checkpoint_s": 10, "restart_s": 300}
        }
        found["spares"] = {"racks_fraction": draw(st.sampled_from([0.02, "auto"]))}
    return found


@st.composite
def power_chain(draw: st.DrawFn) -> Some:
    """Schemes and groups of the stages, kVA by power factor, harmonics, warm rooms, minutes of the UPS."""
    schemes: list[Some] = [
        {"scheme": "N"},
        {"scheme": "N+1", "group_mw": 0.5},
        *({"scheme": s} for s in ("2N", "2(N+1)", "3N/2", "4N/3")),
        {"scheme": "block_redundant", "blocks_per_catcher": 2},
    ]
    found: Some = {"redundancy": {}, "power_chain": {}}
    if draw(st.integers(0, 3)) == 0:
        found["redundancy"]["power_lineup"] = draw(st.sampled_from(schemes))
        found["candidates"] = {"power": ["power_lineup_3mva"]}
    else:
        for stage in draw(st.lists(st.sampled_from(["ups", "lv_switchboard", "mv_lv_transformer"]), unique=True)):
            found["redundancy"][stage] = draw(st.sampled_from(schemes))
    if draw(st.booleans()):
        found["redundancy"]["cdu"] = draw(st.sampled_from([{"scheme": "N"}, {"scheme": "N+1", "group_racks": 1}]))
    if draw(st.booleans()):
        found["redundancy"]["heat_rejection"] = draw(st.sampled_from([{"scheme": "N"}, {"scheme": "2N"}]))
    if draw(st.booleans()):
        found["power_chain"] |= {"power_factor": {"ups": 0.8, "mv_lv_transformer": 0.9}, "electrical_room_c": 40}
    if draw(st.booleans()):
        found["power_chain"] |= {"ride_through_minutes": draw(st.sampled_from([3, 10])), "harmonic_loss_factor": 1.3}
    return found


@st.composite
def cooling(draw: st.DrawFn) -> Some:
    """What rejects the heat, by itself or mixed; the approach of the CDUs; water by day and by year."""
    others = draw(st.lists(st.sampled_from([*COOLERS[1:], *WET]), unique=True, max_size=2))
    found: Some = {"candidates": {"heat_rejection": [COOLERS[0], *others]}}
    if draw(st.booleans()):
        found["candidates"]["cooling"] = ["cdu_generic", "vertiv_cdu121"]
        found["cooling"] = {"cdu_approach_k": draw(st.sampled_from([3, 6]))}
    if draw(st.booleans()):
        water: Some = {"m3_per_day": draw(st.sampled_from([2, 6, 40])), "usd_per_m3": draw(st.sampled_from([0, 3]))}
        if draw(st.booleans()):
            water["m3_per_year"] = draw(st.sampled_from([100, 900]))
        found["site"] = {"water": water}
    return found


@st.composite
def supply(draw: st.DrawFn, build: int, least_mw: float) -> Some:
    """Grid or island, batteries for swings and reserves, engines bought or hired, sun; gas, permits and promises."""
    island = draw(st.integers(0, 4)) == 0
    steps: list[Some] = [{"from": "2026-01-01", "mw": draw(st.sampled_from([least_mw, 5])), "via": "existing_feeders"}]
    if build and draw(st.booleans()):
        steps.append({"from": SECOND, "mw": 6, "via": "existing_feeders"})
    grid: Some = {"interconnection": [] if island else steps}
    grid["tariff"] = {"energy_usd_per_mwh": draw(st.sampled_from([30, 70])), "demand_usd_per_kw_month": 8}
    fired = island or draw(st.booleans())
    hired = fired and draw(st.booleans())
    candidates: Some = {
        "battery": ["own_fast"] if island else draw(st.sampled_from([[], ["own_fast"], ["own_fast", "own_long"]])),
        "generation": ["own_engine"] if fired else [],
        "bridge_power": ["own_turbine"] if hired else [],
        "renewable": draw(st.sampled_from([[], ["solar_single_axis_1mw"]])),
    }
    site: Some = {"grid": grid}
    found: Some = {"site": site, "candidates": candidates, "redundancy": {}, "workload": {}}
    if fired:
        found["redundancy"]["onsite_generation"] = draw(
            st.sampled_from([{"scheme": "N"}, {"scheme": "N+1"}, {"scheme": "N", "spinning_reserve": "largest_unit"}])
        )
        if draw(st.booleans()):
            site["gas"] = draw(gas_supplies())
        if draw(st.booleans()):
            site["air_permit"] = draw(air_permits())
    carried = bool(candidates["battery"]) or fired
    if not island and draw(st.booleans()):
        shed = draw(st.sampled_from([0.0, 0.3]))
        grid["curtailment"] = {
            "hours_per_year": 40,
            "event_h": draw(st.integers(1, 3)),
            "notice_min": draw(st.sampled_from([0, 5, 30])),
            "grid_fraction_left": draw(st.sampled_from([0.0, 0.5])) if carried else 0.5,
            "compute_may_shed": shed,
            **({"usd_per_gpu_hour": 2} if shed else {}),
        }
        if draw(st.booleans()):
            steps[-1]["firm"] = "false"
    if candidates["battery"] and draw(st.booleans()):
        found["workload"] |= {"swing_fraction": draw(st.sampled_from([0.3, 0.5]))}
        if draw(st.booleans()):
            found["workload"]["smoothing"] = draw(
                st.sampled_from([{"power_floor_fraction": 0.7}, {"rack_storage_fraction": 0.4, "step_fraction": 0.6}])
            )
        if not island:
            grid["load_rules"] = [{"ramp_mw_per_min": draw(st.sampled_from([0.05, 0.5])), "step_mw_per_5s": 0.04}]
            if draw(st.booleans()):
                grid["load_rules"].append({"name": "pool", "from": SECOND, "oscillation_mw": 0.02})
    return found


@st.composite
def gas_supplies(draw: st.DrawFn) -> Some:
    """A quantity by day and hour, from a date, with take-or-pay or days without."""
    gas: Some = {"from": START, "mmbtu_hhv_per_day": draw(st.sampled_from([150, 600]))}
    gas["hourly_swing_fraction"] = draw(st.sampled_from([0.0, 0.1, 1.0]))
    gas["take_or_pay_fraction"] = draw(st.sampled_from([0.0, 0.5]))
    if draw(st.integers(0, 2)) == 0:
        gas |= {"firm": "false", "cut_days": draw(st.sampled_from([10, 60]))}
    return gas


@st.composite
def air_permits(draw: st.DrawFn) -> Some:
    """Short tons of NOx by what could be emitted, or by an energy or hours that operation keeps."""
    cap = draw(st.sampled_from(["none", "energy", "hours"]))
    return {"from": START, "nox_tons_per_year": draw(st.sampled_from([9, 40])), "enforceable_cap": cap}


@st.composite
def standby(draw: st.DrawFn, fired: bool) -> Some:
    """Sets that stand by, tests of them, diesel in their tanks, and bridges that stand by afterwards."""
    policy: Some = draw(st.sampled_from([{"scheme": "N"}, {"scheme": "N+1", "group_mw": 0.5}, {"scheme": "2N"}]))
    policy = policy | {"covers": draw(st.sampled_from([0.4, 1.0]))}
    if fired and draw(st.booleans()):
        policy |= {"from_bridge": "true", "ride_through_minutes": 3, "firm_gas": "true"}
    site: Some = {"fuel": {"diesel_usd_per_mmbtu_hhv": 20}}
    if draw(st.booleans()):
        site["standby_tests"] = {"hours_per_year": draw(st.sampled_from([20, 100]))}
    if draw(st.booleans()):
        site["on_site_fuel"] = {"hours": draw(st.sampled_from([8, 24])), "diesel_m3": 12}
    return {
        "site": site,
        "redundancy": {"standby_generation": policy},
        "candidates": {"standby_generation": ["own_diesel"]},
    }


@st.composite
def ground(draw: st.DrawFn) -> Some:
    """Land of each kind and the noise at the fence."""
    site: Some = {}
    if draw(st.booleans()):
        site["land"] = {"yard_m2": draw(st.sampled_from([500, 1500])), "buildings_m2": 1500, "solar_m2": 12000}
        if draw(st.booleans()):
            site["land"] |= {"parcel_m2": 16000, "parcel_coverage_fraction": 0.8}
    if draw(st.booleans()):
        site["noise"] = {"limit_dba": draw(st.sampled_from([58, 66])), "distance_m": 120, "background_dba": 40}
    return {"site": site}


@st.composite
def stands(draw: st.DrawFn, build: int, fired: bool, sets: bool) -> Some:
    """What is there already: kept, retired, or moved to another stage."""
    old: Some = {"since": "2019-01-01", "units": draw(st.integers(1, 2))}
    leaves = {"retire": SECOND, "resale_usd": 20000, "decommissioning_usd": 5000}
    air, liquid = "heat_rejection:air", "heat_rejection:liquid"
    rows: list[Some] = [
        old | {"item": "ups_generic"},
        old | {"item": COOLERS[0], "stage": air},
        *([old | {"item": "own_engine"}] if fired else []),
    ]
    if build:
        rows.append(old | leaves | {"item": "lv_switchboard_generic"})
    if build > 1:  # what moves serves again before the build is over
        rows.append(old | {"item": COOLERS[0], "stage": air, "move": {"to": liquid, "from": SECOND, "weeks": 1}})
        if fired and sets:
            move = {"to": "standby_generation", "from": SECOND, "weeks": 2, "cost_usd": 9000}
            rows.append(old | {"item": "own_engine", "move": move})
    return {"existing": draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row["item"], max_size=2))}


@st.composite
def sites(draw: st.DrawFn) -> list[Some]:
    """Changes of the plain site, part by part."""
    build = draw(st.integers(0, 3))
    base: Some = {
        "horizon": {"build_months": build, "operating_years": draw(st.integers(1, 2))},
        "site": {"hall": {"ready": None}},
        "commissioning": {"weeks": 0, "rack_burn_in_weeks": 0},
        "workload": {"kind": draw(st.sampled_from(["training", "inference"])), "average_load_fraction": 0.7},
    }
    parts = [base, draw(compute(build)), draw(power_chain()), draw(cooling())]
    whole = parts[1]["candidates"]["compute"] == [BOX]
    parts.append(draw(supply(build, 2.5 if whole else 0.8)))
    fired = bool(parts[-1]["candidates"]["generation"])
    sets = draw(st.booleans())
    if sets:
        parts.append(draw(standby(fired)))
    parts.append(draw(ground()))
    parts.append(draw(stands(build, fired, sets)))
    if whole:
        parts.append({"candidates": {"heat_rejection": None, "cooling": None, "power": None}, "existing": []})
    return parts


@pytest.mark.slow  # some draws take the whole model minutes
@settings(
    max_examples=DRAWS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
@given(parts=sites())
def test_both_ways_find_the_same_site(make_case: Make, parts: list[Some]) -> None:
    note(yaml.safe_dump(parts, sort_keys=False))
    found = agree(make_case(*parts, items=OWN, set=AT_ONCE))
    event("a plan" if found is not None else "no plan")
