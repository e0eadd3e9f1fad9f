"""Swings of AI load: what batteries keep back for them and for the largest unit, against hand calculations.

The closed forms are those of a causal ramp limiter (a step A at R takes A^2 / (2 R)) and of a rectangular wave held at
its mean (energy d (1 - d) A T); sources of the rules stand in planner/case/swing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from own import BATTERY, ENGINE

from planner.audit.audit import require
from planner.case.case import Case
from planner.case.swing import LoadRule, Smoothing, limits_in_force
from planner.errors import InfeasibleError, InputError
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic, solve_monolithic

Make = Callable[..., Case]
GAP = 1e-6
# 0.2 MW, 0.4 MWh, 0.9 one way, full power in 50 ms; 10 racks of 142 kW draw 1.42 MW at most.
FAST: dict[str, Any] = BATTERY | {
    "id": "own_fast",
    "class": "own_fast",
    "response_s": 0.05,
    "nameplate_power_mw": 0.2,
    "nameplate_energy_mwh": 0.4,
    "price_usd": 1e5,
}
SLOW: dict[str, Any] = FAST | {"id": "own_slow", "class": "own_slow", "response_s": 1.0, "price_usd": 1e3}
RULE = {"ramp_mw_per_min": 0.5, "step_mw_per_5s": 0.1}
LENGTH_MW = (0.5 * 11 * 0.142 - 0.1) / 16  # of a secant: no plan runs more than a rack beyond the ten
SITE: dict[str, Any] = {
    "site": {"grid": {"load_rules": RULE}},
    "workload": {"swing_fraction": 0.5},
    "candidates": {"battery": ["own_fast"]},
}


def solved(make: Make, *changes: dict[str, Any], items: list[dict[str, Any]] | None = None, **more: Any) -> Plan:
    """A plan that has passed its audit."""
    case = make(SITE, *changes, items=items or [FAST], **more)
    plan = plan_of(solve(case, gap=GAP))
    require(plan, case)
    return plan


@pytest.fixture(scope="module")
def plan(make_case: Make) -> Plan:
    return solved(make_case)


# -- rules -------------------------------------------------------------------------------------------------


def rule(**fields: Any) -> LoadRule:
    return LoadRule.model_validate(fields)


def test_a_rule_holds_until_a_later_one_of_its_name() -> None:
    rules = [
        rule(ramp_mw_per_min=20, step_mw_per_5s=10),
        rule(**{"from": date(2028, 1, 1)}, ramp_mw_per_min=10),
        rule(name="pool", oscillation_mw=4),
    ]
    before = limits_in_force(rules, date(2027, 2, 1), date(2027, 1, 1), 100.0)
    assert (before.ramp_mw_per_min, before.step_mw_per_5s, before.oscillation_mw) == (20, 10, 4)
    assert before.allowed_mw == 4  # the strictest of what may pass at once
    after = limits_in_force(rules, date(2028, 2, 1), date(2028, 1, 1), 100.0)
    assert (after.ramp_mw_per_min, after.step_mw_per_5s) == (10, None)  # the later one says nothing of steps
    # One that begins inside a stretch holds in all of it, beside the one before: rounding is never optimistic.
    across = limits_in_force(rules, date(2029, 1, 1), date(2027, 6, 1), 100.0)
    assert (across.ramp_mw_per_min, across.step_mw_per_5s) == (10, 10)


def test_known_rules_have_thresholds_and_shares_of_the_connection() -> None:
    """IESO: 2.5 MW or 0.25 %, from 10 MW; ERCOT: 10 MW filtered, from 75 MW."""
    both = [rule(rule="ieso"), rule(rule="ercot")]
    at = {mw: limits_in_force(both, date(2027, 2, 1), date(2027, 1, 1), mw) for mw in (5.0, 50.0, 400.0, 4000.0)}
    assert [at[mw].names for mw in at] == [(), ("ieso",), ("ieso", "ercot"), ("ieso", "ercot")]
    assert [at[mw].oscillation_mw for mw in at] == [None, pytest.approx(0.125), pytest.approx(1.0), 2.5]
    assert [at[mw].ramp_mw_per_min for mw in at] == [None, 20, 20, 20]
    assert at[5.0].allowed_mw is None
    own = limits_in_force([rule(rule="caiso", ramp_mw_per_min=5)], date(2027, 2, 1), date(2027, 1, 1), 1.0)
    assert own.ramp_mw_per_min == 5  # what is written goes before what is known


def test_the_floor_and_storage_in_racks_cut_the_swing() -> None:
    """Floor .8 under a swing of .4: trough .6 rises by .2 for half the time; half of what is left goes to shelves."""
    given = Smoothing(power_floor_fraction=0.8, rack_storage_fraction=0.5)
    assert given.left_fraction(0.4) == pytest.approx(0.1)
    assert given.floor_waste_fraction(0.4) == pytest.approx(0.1)
    assert Smoothing(power_floor_fraction=0.5).floor_waste_fraction(0.4) == 0.0  # the trough is higher


# -- sizing ------------------------------------------------------------------------------------------------


def test_batteries_by_hand(plan: Plan) -> None:
    """10 racks of .142 MW swing by .71; .1 passes at once: .61 MW, four units of .2, and the energy of the ramp."""
    swings, held = plan.details["load_swings"].iloc[-1], plan.details["battery_held"].iloc[-1]
    assert swings["leaves_racks_mw"] == pytest.approx(0.71)
    assert swings["battery_mw"] == pytest.approx(0.61) == held["held_mw"]
    assert plan.summary["units"]["own_fast"] == 4  # 3.05 of them
    ramp_mwh = (0.71**2 - 0.1**2) / (2 * 0.5 * 60)  # .1 at once, the rest at .5 MW/min
    wave_mwh = 0.5 * 0.5 * 0.61 * 2 / 3600  # a period of 2 s
    each_way = swings["battery_each_way_mwh"]  # on a secant, not far above
    assert ramp_mwh + wave_mwh <= each_way <= ramp_mwh + wave_mwh + LENGTH_MW**2 / (8 * 0.5 * 60)
    assert held["held_up_mwh"] == pytest.approx(each_way / 0.9)
    assert held["held_down_mwh"] == pytest.approx(each_way * 0.9)
    # Half the time at the crest: charge .81 (.305 + l) = discharge .305 - l.
    assert swings["battery_loss_mw"] == pytest.approx(0.305 * 0.19 / 1.81)


def test_the_hours_keep_it(plan: Plan) -> None:
    free = 0.8 - 0.61
    soc = plan.dispatch["soc:own_fast_mwh"][plan.dispatch["period"] >= date(2028, 6, 1)]
    held = plan.details["battery_held"].iloc[-1]
    assert soc.min() >= held["held_up_mwh"] - 1e-9
    assert soc.max() <= 1.6 - held["held_down_mwh"] + 1e-9
    assert (plan.dispatch["charge:own_fast_mw"] + plan.dispatch["discharge:own_fast_mw"]).max() <= free + 1e-9


def test_the_plan_says_which_job_sets_the_count(plan: Plan) -> None:
    jobs = plan.details["battery_jobs"].set_index("job")
    assert jobs.loc["swings of AI load", "sets_the_count"] == "yes"
    assert jobs.loc["swings of AI load", "takes_mw"] == pytest.approx(0.61)
    assert plan.summary["key_results"]["swing_battery_mw"] == pytest.approx(0.61)


def both_ways(case: Case) -> None:
    found, whole = solve(case, gap=GAP), Monolithic(case)
    same = whole.solution(gap=GAP)
    assert found.upper_kusd == pytest.approx(same.upper_kusd, rel=1e-6)
    assert found.lower_kusd <= same.upper_kusd * (1 + 1e-9)


def test_one_model_finds_the_same_optimum(make_case: Make) -> None:
    other = FAST | {"id": "own_other", "class": "own_other", "nameplate_energy_mwh": 0.8, "price_usd": 1.2e5}
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 25}
    later = {
        "site": {"grid": {"load_rules": [RULE, {"from": date(2028, 9, 1), "step_mw_per_5s": 0.05}], "tariff": tariff}}
    }
    changes = {"candidates": {"battery": ["own_fast", "own_other"]}, "horizon": {"expansion_years": 1}}
    both_ways(make_case(SITE, later, changes, items=[FAST | {"warranty_cycles_per_year": 800}, other]))


def test_energy_lies_above_the_quadratic_by_no_more_than_a_secant_can(make_case: Make) -> None:
    """16 secants: above (A^2 - s^2) / (2 R) by at most their length squared over 8 R."""
    milestones = [{"gpus": 288, "by": "2028-01-01"}, {"gpus": 720, "by": "2028-05-01"}]
    found = solved(make_case, {"target": {"milestones": milestones}}).details["load_swings"]
    swing, ramp = found["leaves_racks_mw"].to_numpy(), 0.5 * 60
    true = (swing**2 - 0.01) / (2 * ramp) + 0.25 * (swing - 0.1) * 2 / 3600
    over = found["battery_each_way_mwh"].to_numpy() - true
    assert swing[0] == pytest.approx(0.4 * swing[-1])  # 4 racks, then 10
    assert over.min() >= -1e-9
    # What a battery that is there anyway keeps beyond its need costs nothing that a proven gap could see.
    assert np.median(over) <= LENGTH_MW**2 / (8 * ramp) + 1e-9


def test_batteries_that_answer_late_are_no_help(make_case: Make) -> None:
    with pytest.raises(InfeasibleError) as caught:
        solve(make_case(SITE, {"candidates": {"battery": ["own_slow"]}}, items=[SLOW]), gap=GAP)
    ways_out = {s.limit: s.amount for s in caught.value.shortfalls}
    assert ways_out["limit of the load's swing at the meter"] == pytest.approx(0.61, abs=1e-4)
    both = solved(make_case, {"candidates": {"battery": ["own_fast", "own_slow"]}}, items=[FAST, SLOW])
    assert both.summary["units"]["own_fast"] == 4  # however cheap the slow one is


def test_a_looser_rule_and_storage_in_racks_never_cost_more(make_case: Make, plan: Plan) -> None:
    cost = plan.summary["objective_usd"]
    loose = solved(make_case, {"site": {"grid": {"load_rules": {"step_mw_per_5s": 0.2, "ramp_mw_per_min": 0.5}}}})
    shelves = solved(make_case, {"workload": {"smoothing": {"rack_storage_fraction": 0.5}}})
    none = solved(make_case, {"site": {"grid": {"load_rules": {"rule": "ercot"}}}})  # 40 MW: below its threshold
    assert cost > loose.summary["objective_usd"] > none.summary["objective_usd"]
    assert cost > shelves.summary["objective_usd"] > none.summary["objective_usd"]
    assert [p.summary["units"].get("own_fast", 0) for p in (loose, shelves, none)] == [3, 2, 0]
    assert "load_swings" not in none.details


def test_a_floor_is_paid_as_energy(make_case: Make, plan: Plan) -> None:
    """Floor .7 over a trough of .5, half the time: .1 of design more on average; the swing is .3 and two units do."""
    floor = solved(make_case, {"workload": {"smoothing": {"power_floor_fraction": 0.7}}})
    assert floor.summary["units"]["own_fast"] == 2  # (.3 x 1.42 - .1) / .2 = 1.63
    year = [p.dispatch[p.dispatch["phase"] == "operating year"]["it_mw"].mean() for p in (floor, plan)]
    assert year[0] - year[1] == pytest.approx(0.1 * 1.42)


def test_smoothing_wears_the_warranty(make_case: Make) -> None:
    """.61 MW of wave gives .305 - .032 MW half the time, .3 of it counts: 359 MWh a year, 224 cycles of 1.6 MWh."""
    given_mwh = 8760 * 0.3 * 0.5 * (0.305 - 0.305 * 0.19 / 1.81)
    cycles = given_mwh / 1.6
    tight = FAST | {"warranty_cycles_per_year": round(cycles * 0.9)}
    more = solved(make_case, items=[tight])
    assert more.summary["units"]["own_fast"] == 5  # the fifth is there for its cycles
    wide = solved(make_case, items=[FAST | {"warranty_cycles_per_year": round(cycles * 1.1)}])
    assert wide.summary["units"]["own_fast"] == 4


def test_swings_come_on_top_of_what_a_curtailment_asks(make_case: Make, plan: Plan) -> None:
    """Half the load is carried through one hour without the grid: its MW and MWh beside those of swings."""
    event = {
        "kind": "called_curtailment",
        "duration_h": 1,
        "grid_fraction_left": 0.0,
        "load_fraction": 0.5,
        "starts": 2,
    }
    both = solved(make_case, {"events": [event]})
    jobs = both.details["battery_jobs"].groupby("job").last()
    asked, swings = jobs.loc["curtailment event"], jobs.loc["swings of AI load"]
    assert swings["takes_mw"] == pytest.approx(0.61)
    assert both.summary["units"]["own_fast"] >= (asked["takes_mw"] + 0.61) / 0.2 - 1e-6
    assert jobs.loc["curtailment event", "sets_the_count"] == "yes"
    case = make_case(SITE, {"events": [event | {"hours": [24 * 15 + 12, 24 * 196 + 12]}]}, items=[FAST])
    assert solve(case, gap=GAP).upper_kusd == pytest.approx(solve_monolithic(case, gap=GAP).upper_kusd, rel=4e-6)


# -- the largest unit --------------------------------------------------------------------------------------

ISLAND: dict[str, Any] = {
    "workload": None,
    "horizon": {"build_months": 1},
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {"grid": {"interconnection": [], "tariff": None, "load_rules": None}},
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"], "battery": ["own_forming"]},
    "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
}
FORMING = BATTERY | {
    "id": "own_forming",
    "class": "own_forming",
    "response_s": 0.02,
    "grid_forming": True,
    "nameplate_power_mw": 1,
    "nameplate_energy_mwh": 2,
    "price_usd": 1e5,
}
SET = {"fuel": "natural_gas", "start_time_minutes": 6}


@pytest.mark.parametrize(
    ("forming", "engines", "batteries"),
    [(True, 2, 3), (False, 3, 0)],  # 2 engines leave 2 MW of 10, 3 more cover one of 5; three leave 7 of 15
)
def test_fast_batteries_cover_the_largest_unit_of_an_island(
    make_case: Make, forming: bool, engines: int, batteries: int
) -> None:
    items = [ENGINE | SET, FORMING if forming else FORMING | {"grid_forming": False}]
    case = make_case(ISLAND, items=items, series=8.0)
    found = solve(case, gap=GAP)
    plan = plan_of(found)
    require(plan, case)
    assert plan.summary["units"].get("own_engine", 0) == engines
    assert plan.summary["units"].get("own_forming", 0) == batteries
    assert Monolithic(case).solution(gap=GAP).upper_kusd == pytest.approx(found.upper_kusd, rel=1e-6)
    if forming:
        held = plan.details["battery_held"].iloc[-1]
        assert held["spinning_mw"] == pytest.approx(3.0)
        assert held["held_up_mwh"] == pytest.approx(3.0 * 6 / 60 / 0.9)  # six minutes until the next engine
        assert held["held_down_mwh"] == pytest.approx(0.0, abs=1e-9)
        jobs = plan.details["battery_jobs"].groupby("job").last()
        assert jobs.loc["largest generating unit", "sets_the_count"] == "yes"


def test_a_job_that_stops_outright_needs_power_and_energy_but_no_cycles(make_case: Make, plan: Plan) -> None:
    """A stop of .9 of 1.42 MW: 1.178 MW above what passes, six units; the wave of .71 loses its .71/1.278 of that."""
    stops = solved(make_case, {"workload": {"smoothing": {"step_fraction": 0.9}}})
    found = stops.details["load_swings"].iloc[-1]
    assert found["battery_mw"] == pytest.approx(0.9 * 1.42 - 0.1)
    assert found["battery_each_way_mwh"] >= (1.278**2 - 0.01) / 60
    assert stops.summary["units"]["own_fast"] == 6
    wave_mw = 1.178 * 0.71 / 1.278
    assert found["battery_loss_mw"] == pytest.approx(0.25 * wave_mw * 0.19 / 0.905)


def test_rules_on_seconds_alone_ask_for_energy_too(make_case: Make) -> None:
    """.1 MW in 5 s is 1.2 MW/min for a change that lasts."""
    found = solved(make_case, {"site": {"grid": {"load_rules": [{"oscillation_mw": 0.1}]}}}).details["load_swings"]
    true = (0.71**2 - 0.1**2) / (2 * 1.2 * 60) + 0.25 * 0.61 * 2 / 3600
    assert true - 1e-9 <= found["battery_each_way_mwh"].iloc[-1] <= true * 1.02


# -- what is refused ---------------------------------------------------------------------------------------


def test_what_is_not_given_is_asked_for(make_case: Make) -> None:
    with pytest.raises(InputError, match="load_rules limit the swing of a workload"):
        make_case({"site": {"grid": {"load_rules": RULE}}})
    with pytest.raises(InputError, match="limits nothing"):
        make_case(SITE, {"site": {"grid": {"load_rules": [{"name": "none"}]}}}, items=[FAST])
    with pytest.raises(InputError, match="a power floor cuts a swing"):
        make_case({"workload": {"smoothing": {"power_floor_fraction": 0.7}}})
