"""Events on paper: outages carried by a battery or an engine, the loss of a unit, and the replay of every start.

Purpose: analytic, each expected value derived in its test; equivalence with the whole model; the audit's eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from own import BATTERY, ENGINE

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InfeasibleError, InputError
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.operation.replay import unserved_mwh
from planner.plan.plan import Plan
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic, solve_monolithic

Make = Callable[..., Case]
SITE: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
}
OUTAGE = {"kind": "grid_outage", "duration_h": 4}


def site(make: Make, events: list[dict[str, Any]], *changes: dict[str, Any], load: Any = 10.0, **more: Any) -> Case:
    """A load, a grid of 40 MW, and batteries that may be bought."""
    return make(SITE, {"events": events}, *changes, series=load, items=[BATTERY, ENGINE], **more)


def bought(plan: Solution, item: str) -> float:
    """Units of an item in the end."""
    variables = plan.sizing.model.bought
    last = max(k for name, k in variables if name == item)
    return plan.master.value(variables[item, last], plan.point)


def reserve(plan: Solution, item: str = "own_battery") -> float:
    """Energy held in the last period. [MWh]"""
    return plan.master.value(plan.sizing.model.link[plan.sizing.periods[-1], f"reserve_mwh:{item}"], plan.point)


def test_four_hours_of_ten_mw_on_batteries(make_case: Make) -> None:
    """10 MW for 4 h are 40 MWh, 44.44 MWh held at 0.9: six units of 8 MWh and 2 MW carry it, five do not."""
    plan = solve(site(make_case, [OUTAGE]), gap=1e-6, threads=1)
    assert bought(plan, "own_battery") == pytest.approx(math.ceil(40 / 0.9 / 8))
    assert reserve(plan) == pytest.approx(40 / 0.9, rel=1e-6)


def test_six_hours_need_energy_and_one_hour_needs_power(make_case: Make) -> None:
    """6 h: 66.67 MWh, nine units. 1 h: 11.11 MWh would be two units, but 10 MW are five."""
    for hours, units in ((6, 9), (1, 5)):
        plan = solve(site(make_case, [OUTAGE | {"duration_h": hours}]), gap=1e-6, threads=1)
        assert bought(plan, "own_battery") == pytest.approx(units)


def test_an_engine_carries_the_outage_where_it_is_cheaper(make_case: Make) -> None:
    """24 h of 10 MW are 33.3 batteries, 34 M$; two engines of 5 MW are 8 M$ and need no reserve."""
    case = site(
        make_case,
        [OUTAGE | {"duration_h": 24}],
        {"candidates": {"generation": ["own_engine"]}},
        set=["catalog.own_engine.derate_from_c=60"],
    )
    plan = solve(case, gap=1e-6, threads=1)
    assert bought(plan, "own_engine") == pytest.approx(2)
    assert bought(plan, "own_battery") == pytest.approx(0)


@pytest.mark.parametrize("event", [None, {"kind": "loss_of_largest_unit", "duration_h": 2}])
def test_one_engine_more_than_the_load_needs(make_case: Make, event: dict[str, Any] | None) -> None:
    """An island of 10 MW: two engines of 5 MW run it, and three are there where one may fail."""
    island: dict[str, Any] = {
        "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 0, "via": "existing_feeders"}]}},
        "candidates": {"generation": ["own_engine"], "battery": []},
    }
    case = site(make_case, [event] if event else [], island, set=["catalog.own_engine.derate_from_c=60"])
    plan = solve(case, gap=1e-6, threads=1)
    assert bought(plan, "own_engine") == pytest.approx(3 if event else 2)


def test_nothing_is_lost_of_what_does_not_stand(make_case: Make) -> None:
    """A grid of 40 MW carries 10 MW without engines: none is bought, none can fail, and the whole model agrees."""
    engines = {"candidates": {"generation": ["own_engine"], "battery": []}}
    event = {"kind": "loss_of_largest_unit", "duration_h": 2, "hours_of_day": [12]}
    case = site(make_case, [event], engines)
    plan = solve(case, gap=1e-6, threads=1)
    m = plan.sizing.model
    assert bought(plan, "own_engine") == pytest.approx(0)
    assert all(plan.master.value(var, plan.point) == pytest.approx(0) for var in m.present.values())
    claimed = {next(iter(m.present.values())).name: 1, "bought[own_engine,0]": 0}
    with pytest.raises(InfeasibleError):  # nor may it be said to stand
        Monolithic(case).solve(fixed=claimed, gap=0.0)


def test_a_curtailment_leaves_a_share_of_the_grid(make_case: Make) -> None:
    """Of 40 MW a tenth is left: 6 of 10 MW for 3 h are 18 MWh, 20 held, three units in MWh and in MW."""
    event = {"kind": "called_curtailment", "duration_h": 3, "grid_fraction_left": 0.1}
    plan = solve(site(make_case, [event]), gap=1e-6, threads=1)
    assert bought(plan, "own_battery") == pytest.approx(3)
    assert reserve(plan) == pytest.approx(20, rel=1e-6)


def test_half_the_load_may_go(make_case: Make) -> None:
    """5 MW for 4 h are 20 MWh, 22.2 held: three units."""
    plan = solve(site(make_case, [OUTAGE | {"load_fraction": 0.5}]), gap=1e-6, threads=1)
    assert bought(plan, "own_battery") == pytest.approx(3)
    assert reserve(plan) == pytest.approx(20 / 0.9, rel=1e-6)


@pytest.mark.parametrize(("events", "units"), [([{"kind": "hottest_still_day"}], 4), ([], 0)])
def test_the_hottest_still_day_is_at_the_highest_load(make_case: Make, events: list[Any], units: int) -> None:
    """A grid of 12 MW under 10 MW, and 13 MW in an hour the sampled days leave out: 24 h of 13 MW ask a battery for
    24 MWh, 26.7 held, four units. Without the event none is bought."""
    load = np.full(8760, 10.0)
    load[0] = 13.0
    grid = {"site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 12, "via": "existing_feeders"}]}}}
    plan = solve(site(make_case, events, grid, load=load), gap=1e-6, threads=1)
    assert bought(plan, "own_battery") == pytest.approx(units)


def test_starts_that_fail_in_the_replay_become_blocks(make_case: Make) -> None:
    """One start is sampled, at the worst hour of 12 MW; a hidden evening of 11 MW for 4 h asks for more energy.

    12 + 3 x 5 = 27 MWh from the sampled start; 44 MWh from the hidden one: 44 / 0.9 / 8 is 6.1, seven units.
    """
    load = np.full(8760, 5.0)
    first = plant_of(site(make_case, [OUTAGE], load=load)).events[0].begins
    load[first[10]] = 12.0
    load[first[30] : first[30] + 4] = 11.0
    for hours, units in ([int(first[10])], 6), (None, 7):
        event = OUTAGE | {"starts": 1} | ({"hours": hours} if hours else {})
        plan = solve(site(make_case, [event], load=load), gap=1e-6, threads=1)
        assert bought(plan, "own_battery") == pytest.approx(units)
        blocks = [key for key in plan.blocks if "@" in key]
        assert len(blocks) == 1 if hours else f"grid_outage_1@{first[30]}" in blocks


def test_a_reserve_is_not_sold_to_the_peak(make_case: Make) -> None:
    """A demand charge makes the battery work, yet before every hour it holds its reserve."""
    load = 10.0 + 4.0 * (np.arange(8760) % 24 == 18)
    tariff = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 60}}}}
    plan = solve(site(make_case, [OUTAGE], tariff, load=load), gap=1e-4, threads=1)
    held = reserve(plan)
    assert held >= 44 / 0.9 - 1e-6  # 14 + 3 x 10 MWh
    worked = 0.0
    for s in plan.states:
        block, primal = plan.blocks[s.block], plan.values[s].primal
        soc = primal[block.columns["soc:own_battery"].index]
        assert soc[:-1].min() >= held - 1e-5
        worked += primal[block.columns["discharge:own_battery"].index].sum()
    assert worked > 10.0


def everything(make: Make) -> Case:
    """Sun, engines, batteries, two build months, an expansion year, and four kinds of event at given hours."""
    hour = np.arange(8760)
    load = 10.0 + 2.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 0.5 * np.sin(2 * np.pi * hour / 8760)
    noons = [day * 24 + 12 for day in (15, 44, 74, 104, 135, 165, 196, 227, 257, 288, 318, 349)]
    events = [
        OUTAGE | {"hours": sorted(noons + [day * 24 + 2 for day in (15, 44, 196, 349)])},
        {"kind": "called_curtailment", "duration_h": 3, "grid_fraction_left": 0.2, "hours": noons},
        {"kind": "hottest_still_day", "load_fraction": 0.9},
        {"kind": "loss_of_largest_unit", "duration_h": 2, "hours": noons},
    ]
    return site(
        make,
        events,
        {
            "horizon": {"build_months": 2, "expansion_years": 1, "operating_years": 2},
            "candidates": {"generation": ["own_engine"], "renewable": ["solar_single_axis_1mw"]},
            "site": {
                "grid": {
                    "interconnection": [{"from": "2026-01-01", "mw": 11, "via": "existing_feeders"}],
                    "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 12},
                }
            },
        },
        load=load,
        set=["catalog.solar_single_axis_1mw.price_usd=4e5", "catalog.own_engine.price_usd=7e6"],
    )


def racks(make: Make) -> Case:
    """Racks whose cooling and losses ride through too, on standby engines and batteries."""
    return make(
        {
            "events": [{"kind": "grid_outage", "duration_h": 2, "starts": 4}, {"kind": "hottest_still_day"}],
            "candidates": {"battery": ["tesla_megapack_2xl_4h"], "standby_generation": ["diesel_genset_3mw"]},
            "redundancy": {"standby_generation": {"scheme": "N", "covers": 0.5}},
        },
        set=[
            "catalog.tesla_megapack_2xl_4h.price_usd=5e5",
            "catalog.diesel_genset_3mw.lead_time_weeks=20",
            "catalog.diesel_genset_3mw.nameplate_power_mw=0.6",
            "catalog.diesel_genset_3mw.price_usd=3e6",
        ],
    )


@pytest.mark.parametrize("build", [everything, racks], ids=lambda f: f.__name__)
def test_the_whole_model_finds_the_same_optimum(make_case: Make, build: Callable[[Make], Case]) -> None:
    case = build(make_case)
    plan = solve(case, gap=1e-6, threads=1, time_limit=200)
    whole = solve_monolithic(case, gap=1e-6, time_limit=200)
    scale = 1e-6 * abs(whole.upper_kusd) * 2
    assert plan.lower_kusd <= whole.upper_kusd + scale
    assert whole.lower_kusd <= plan.upper_kusd + scale
    assert plan.upper_kusd == pytest.approx(whole.upper_kusd, rel=4e-6)
    assert reserve(plan, case.candidates["battery"][0]) > 0


@pytest.mark.parametrize("build", [everything, racks], ids=lambda f: f.__name__)
def test_the_replay_says_what_the_block_says(make_case: Make, build: Callable[[Make], Case]) -> None:
    """One kind of battery: unserved energy of the replay is the least shortage of the event's block."""
    plant = plant_of(build(make_case))
    generator = np.random.default_rng(0)
    tried = 0
    for event in plant.events:
        for start in event.begins[:: max(1, len(event.begins) // 3)]:
            if event.still is not None:
                continue
            solver = BlockSolver(build_block(plant, event.key(int(start))))
            for size in (0.5, 1.0, 2.0):
                x = dict.fromkeys(plant.links, 0.0) | {"one": 1.0, "load_mw": plant.load_peak_mw, "grid_mw": 5.0}
                x |= {"it_mw": 1.4, "standing_mw": 0.1, "heat:liquid": 1.2, "heat:air": 0.3, "standby_mw": 0.4 * size}
                x |= {r.key: 1.4 for r in plant.racks} | {n: 3.0 for n in plant.links if n.startswith("rated:")}
                x |= {g.key: 5.0 * size for g in plant.generators} | {r.key: 4.0 for r in plant.renewables}
                x |= {f"lost:{g.item.id}": 5.0 for g in plant.generators if size >= 1}
                for store in plant.batteries:
                    x |= {store.key: size, store.reserve: size * store.hours * generator.uniform(0.2, 0.9)}
                point = np.array([x[name] for name in plant.links])
                value = solver.solve(point)
                short = unserved_mwh(plant, event, point, np.array([start]))[0]
                assert short == pytest.approx(value.shortage_mwh, abs=2e-4)
                tried += short > 0.1
    assert tried > 3


def test_an_event_nothing_can_carry_is_named(make_case: Make) -> None:
    """One unit of 2 MW stands for an outage of 10 MW, and none may be bought."""
    case = site(
        make_case,
        [OUTAGE],
        {"candidates": {"battery": []}, "committed": [{"item": "own_battery", "units": 1, "on_site": "2026-06-01"}]},
    )
    with pytest.raises(InfeasibleError, match="live through grid_outage_1"):
        solve(case, gap=1e-3, threads=1, time_limit=60)


def test_the_replay_with_several_batteries(make_case: Make) -> None:
    """Three kinds with unequal hours: the order of hours left serves what the solver serves, at equal efficiency.

    The sun recharges them in the middle of the event. At unequal efficiency the replay may only serve less.
    """
    kinds = [BATTERY | {"id": f"own_{i}", "nameplate_energy_mwh": e} for i, e in enumerate((2.0, 8.0, 16.0))]
    unequal = [kind | {"round_trip_efficiency_fraction": r} for kind, r in zip(kinds, (0.95, 0.7, 0.8), strict=True)]
    generator = np.random.default_rng(1)
    load = 2.0 + 6.0 * generator.random(8760)
    change = {
        "candidates": {"battery": [kind["id"] for kind in kinds], "renewable": ["solar_single_axis_1mw"]},
        "events": [OUTAGE | {"duration_h": 12}],
    }
    for items, same in ((kinds, True), (unequal, False)):
        plant = plant_of(make_case(SITE, change, series=load, items=[*items, ENGINE]))
        event, shorts = plant.events[0], 0
        for start in event.begins[5::19]:
            solver = BlockSolver(build_block(plant, event.key(int(start))))
            x = dict.fromkeys(plant.links, 0.0) | {
                "one": 1.0,
                "load_mw": plant.load_peak_mw,
                "renewable:solar_single_axis_1mw": 9.0,
            }
            for store in plant.batteries:
                x[store.key] = 1.0 + 2.0 * generator.random()
                x[store.reserve] = x[store.key] * store.hours * generator.random()
            point = np.array([x[name] for name in plant.links])
            least = solver.solve(point).shortage_mwh
            short = unserved_mwh(plant, event, point, np.array([start]))[0]
            assert short >= least - 2e-4
            assert not same or short == pytest.approx(least, abs=2e-4)
            shorts += least > 0.1
        assert shorts > 5


@pytest.mark.parametrize(
    ("event", "field", "words"),
    [
        ({"kind": "grid_outage"}, "events.0.duration_h", "is required"),
        ({"kind": "hottest_still_day", "duration_h": 4}, "events.0.duration_h", "does not belong"),
        (OUTAGE | {"grid_fraction_left": 0.5}, "events.0.grid_fraction_left", "does not belong"),
        (OUTAGE | {"hours": [1], "months": [2]}, "events.0.hours", "both hours and a window"),
        (OUTAGE | {"months": []}, "events.0.months", "must not be empty"),
        ({"kind": "loss_of_largest_unit", "duration_h": 1}, "events.0.kind", "nothing to lose"),
        (OUTAGE | {"hours": [0]}, "events.0.hours", "not sampled"),
    ],
)
def test_faults_of_events(make_case: Make, event: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        site(make_case, [event])
    text = str(error.value)
    assert words in text
    assert field.split(".")[-1] in text


# --- the plan and its audit -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planned(make_case: Make) -> tuple[Case, Plan]:
    """The case of everything, and its plan."""
    case = everything(make_case)
    return case, plan_of(solve(case, gap=1e-3, threads=1))


def test_the_audit_agrees_with_a_plan_that_lives_through_its_events(planned: tuple[Case, Plan]) -> None:
    case, plan = planned
    names = {check.name for check in require(plan, case)}
    assert {"event grid_outage", "event called_curtailment", "event hottest_still_day"} <= names
    assert {"event loss_of_largest_unit", "reserves", "first charge"} <= names
    assert plan.summary["reserves"]


def test_the_audit_agrees_with_racks_that_ride_through(make_case: Make) -> None:
    """Every start of the sampled days, cooling and losses by the auditor's own formulas."""
    case = racks(make_case)
    plan = plan_of(solve(case, gap=1e-3, threads=1))
    checks = {check.name: check for check in require(plan, case)}
    assert checks["event grid_outage"].count == 12 * 24 * 1 + 16 * 24


def test_a_first_charge_is_paid(make_case: Make) -> None:
    """Without build months the reserve of 44.4 MWh is there on the first day, at 50 $/MWh."""
    case = site(make_case, [OUTAGE])
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    rows = plan.ledger[plan.ledger["line"] == "first charge"]
    assert rows.usd.tolist() == pytest.approx([40 / 0.9 * 50], rel=1e-4)


def failed(plan: Plan, case: Case) -> set[str]:
    """Names of the checks that fail."""
    return {check.name for check in audit(plan, case) if not check.ok}


def test_the_audit_sees_a_reserve_that_is_too_small(make_case: Make) -> None:
    """A plan made for 3 h fails 4 h; one unit taken away fails; one made without events fails; so does a lie."""
    plan = plan_of(solve(site(make_case, [OUTAGE | {"duration_h": 3}]), gap=1e-6, threads=1))
    assert "event grid_outage" in failed(plan, site(make_case, [OUTAGE]))
    bare = plan_of(solve(site(make_case, []), gap=1e-6, threads=1))
    assert "event grid_outage" in failed(bare, site(make_case, [OUTAGE | {"duration_h": 1}]))
    case = site(make_case, [OUTAGE | {"duration_h": 3}])
    fewer = replace(plan, installed=plan.installed.assign(units=plan.installed.units - 1))
    assert "event grid_outage" in failed(fewer, case)
    empty = plan.dispatch.copy()
    soc = empty.columns.get_loc("soc:own_battery_mwh")
    empty.iloc[100, soc] = 20.0
    assert {"event grid_outage", "reserves"} <= failed(replace(plan, dispatch=empty), case)
    rows = [row | {"reserve_mwh": row["reserve_mwh"] + 2.0} for row in plan.summary["reserves"]]
    assert "reserves" in failed(replace(plan, summary=plan.summary | {"reserves": rows}), case)
    unpaid = plan.ledger[plan.ledger["line"] != "first charge"]
    assert "battery starts from what was charged" in failed(replace(plan, ledger=unpaid), case)
