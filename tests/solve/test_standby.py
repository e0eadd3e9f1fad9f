"""Standby generation as a policy: none, a scheme in groups and what it covers; bridges that stand by later."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.families.generation import heat_rate_mmbtu_hhv_per_mwh
from planner.operation.blocks import plant_of
from planner.plan.plan import Plan, read_plan, write_plan
from planner.sizing.options import options_of
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from tests.own import ENGINE
from tests.solve.test_rent import TURBINE

Make = Callable[..., Case]
GAP = 1e-6
DIESEL = ENGINE | {
    "id": "own_diesel",
    "class": "own_diesel",
    "fuel": "diesel",
    "permit_class": "emergency",
    "nameplate_power_mw": 1,
    "price_usd": 6e5,
}
QUICK_ENGINE = ENGINE | {"nameplate_power_mw": 2, "price_usd": 2e6, "start_time_minutes": 3}
REUSE = {"from_bridge": True, "ride_through_minutes": 5, "firm_gas": True}


def site(make: Make, *changes: dict[str, Any], items: list[dict[str, Any]] | None = None, **policy: Any) -> Case:
    """Ten racks, 1.9 MW at the bus; the grid comes in May 2028, after the racks of December 2027."""
    base: dict[str, Any] = {
        "target": {"milestones": [{"gpus": 720, "by": "2027-12-01"}]},
        "candidates": {"generation": ["own_engine"], "standby_generation": ["own_diesel"]},
        "redundancy": {"standby_generation": {"scheme": "N"} | policy, "onsite_generation": {"scheme": "N"}},
        "site": {"grid": {"interconnection": [{"from": "2028-05-01", "mw": 10, "via": "existing_feeders"}]}},
    }
    return make(base, *changes, items=items or [QUICK_ENGINE, DIESEL, TURBINE | {"start_time_minutes": 8}])


def planned(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=1e-5, threads=1, time_limit=200.0))
    require(plan, case)
    return plan


def standby(plan: Plan) -> Any:
    """The stage by period."""
    rows = plan.stages[plan.stages.position == "standby_generation"]
    return rows.set_index("period")[["design_load", "firm_capacity"]]


def diesels(plan: Plan) -> float:
    return float(plan.orders.loc[plan.orders["item"] == "own_diesel", "units"].sum())


@pytest.mark.parametrize(
    ("policy", "covers", "spares_in"),
    [
        ({}, 1.0, None),
        ({"covers": 0.4}, 0.4, None),
        ({"scheme": "N+1", "group_mw": 1}, 1.0, 1),
        ({"scheme": "2N"}, 1.0, 0),
    ],
    ids=["N", "a part", "N+1 in groups of one", "2N"],
)
def test_a_scheme_covers_its_share_in_groups(
    make_case: Make, policy: dict[str, Any], covers: float, spares_in: int | None
) -> None:
    """Sets of 1 MW: as many as cover the share; with N+1 in groups of 1 MW, or 2N, twice as many."""
    plan = planned(
        site(
            make_case,
            {"site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 10, "via": "existing_feeders"}]}}},
            **policy,
        )
    )
    load = standby(plan).iloc[-1]
    bus = float(plan.capacity.design_load_mw.iloc[-1])
    assert load.design_load == pytest.approx(covers * bus)
    needed = math.ceil(covers * bus)
    assert diesels(plan) == (needed if spares_in is None else 2 * needed)
    assert load.firm_capacity == pytest.approx(needed)


def test_no_policy_buys_none(make_case: Make) -> None:
    case = site(make_case, {"redundancy": {"standby_generation": "none"}, "candidates": {"standby_generation": []}})
    plan = planned(case)
    assert diesels(plan) == 0
    assert not len(standby(plan))


def test_a_plain_load_has_its_standby_too(make_case: Make) -> None:
    changes = {
        "workload": None,
        "horizon": {"build_months": 2, "operating_years": 1},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {"compute": None, "heat_rejection": None, "generation": [], "standby_generation": ["own_diesel"]},
        "redundancy": {"standby_generation": {"scheme": "N+1", "covers": 0.5}},
        "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 10, "via": "existing_feeders"}]}},
    }
    case = make_case(changes, series=7.0, items=[DIESEL])
    assert diesels(planned(case)) == 5  # 3.5 MW of 1 MW sets, and a spare


@pytest.fixture(scope="module")
def reused(make_case: Make) -> tuple[Case, Plan]:
    """What covers half stands by from May, when the grid has come; to then half is covered by sets beside it."""
    grid = {
        "interconnection": [
            {"from": "2027-12-01", "mw": 1, "via": "existing_feeders"},
            {"from": "2028-03-01", "mw": 10, "via": "existing_feeders"},
        ]
    }
    milestones = [
        {"gpus": 72, "by": "2027-12-01"},
        {"gpus": 720, "by": "2028-01-01"},
        {"gpus": 1440, "by": "2028-04-01"},
    ]
    case = site(make_case, {"site": {"grid": grid}, "target": {"milestones": milestones}}, **REUSE)
    return case, planned(case)


def test_bridges_stand_by_when_the_grid_is_there(reused: tuple[Case, Plan], make_case: Make) -> None:
    """Engines bought for the months before March 2028 carry no firm load after, and save as many diesels."""
    case, plan = reused
    roles = plan.details["generator_roles"].set_index("period")
    assert roles.on_duty_units[date(2028, 2, 1)] >= 1
    assert roles.on_duty_units[date(2028, 4, 1)] == 0
    assert roles.standby_units[date(2028, 4, 1)] >= 1
    table = standby(plan)
    assert (table.firm_capacity >= table.design_load - 1e-6).all()
    last = table.iloc[-1]
    engines, sets = float(roles.standby_units.iloc[-1]), diesels(plan)
    assert last.firm_capacity == pytest.approx(2 * engines + sets, abs=1.0)
    grid, milestones = case.input.site.grid.interconnection, case.input.target.milestones
    same = {
        "site": {"grid": {"interconnection": [{"from": s.from_, "mw": s.mw, "via": s.via} for s in grid]}},
        "target": {"milestones": [{"gpus": m.gpus, "by": m.by} for m in milestones]},
    }
    alone = planned(site(make_case, same))
    assert diesels(alone) > sets
    assert plan.summary["objective_usd"] < alone.summary["objective_usd"]


def test_files_keep_it(reused: tuple[Case, Plan], tmp_path: Path) -> None:
    case, plan = reused
    write_plan(plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), case)


@pytest.mark.parametrize(
    ("column", "change", "check"),
    [
        ("standby_units", 0.0, "stage capacity"),
        ("standby_units", 0.5, "generator roles"),
        ("standby_units", 3.0, "generator roles"),
        ("on_duty_units", 2.0, "generator roles"),
    ],
)
def test_audit_finds_a_wrong_role(reused: tuple[Case, Plan], column: str, change: float, check: str) -> None:
    case, plan = reused
    frame = plan.details["generator_roles"].copy()
    frame[column] = frame[column] * change + (0.3 if change == 0.5 else 0.0)
    wrong = replace(plan, details={**plan.details, "generator_roles": frame})
    assert check in {c.name for c in audit(wrong, case) if not c.ok}


def test_one_unit_is_no_bridge_and_standby_at_once(reused: tuple[Case, Plan]) -> None:
    """Told that units on duty stand by too, the audit finds the firm source short."""
    case, plan = reused
    frame = plan.details["generator_roles"].copy()
    frame["standby_units"] = frame.standby_units + frame.on_duty_units
    frame["on_duty_units"] = 0.0
    wrong = replace(plan, details={**plan.details, "generator_roles": frame})
    assert "firm source" in {c.name for c in audit(wrong, case) if not c.ok}


def test_both_ways_agree(make_case: Make) -> None:
    """Rented and bought bridges that may stand by, diesels beside them, an outage to live through."""
    grid = {
        "interconnection": [
            {"from": "2027-11-01", "mw": 1, "via": "existing_feeders"},
            {"from": "2028-03-01", "mw": 10, "via": "existing_feeders"},
        ]
    }
    changes = {
        "horizon": {"build_months": 15, "operating_years": 1},
        "site": {"grid": grid},
        "target": {"milestones": [{"gpus": 720, "by": "2028-01-01"}]},
        "candidates": {"generation": ["own_engine", "own_turbine"]},
        "redundancy": {"onsite_generation": {"scheme": "N+1"}},
        "events": [{"kind": "grid_outage", "duration_h": 2, "load_fraction": 0.5, "hours": [1068]}],
    }
    case = site(make_case, changes, **REUSE | {"ride_through_minutes": 10})
    found, whole = solve(case, gap=GAP, threads=1, time_limit=200.0), Monolithic(case)
    best = whole.solve(gap=GAP)
    assert found.upper_kusd == pytest.approx(best.upper_kusd, rel=3 * GAP)
    require(plan_of(found), case)


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"from_bridge": True, "firm_gas": True}, "is required with from_bridge"),
        ({"ride_through_minutes": 5}, "goes with from_bridge"),
        ({"firm_gas": True}, "goes with from_bridge"),
        (REUSE | {"firm_gas": False}, "within 5 min on firm fuel"),
        (REUSE | {"ride_through_minutes": 2}, r"within 2 min on firm fuel \(min: own_engine 3\)"),
    ],
)
def test_faults(make_case: Make, policy: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        site(make_case, **policy)


def test_minutes_of_the_power_chain_hold_for_the_standby_policy(make_case: Make) -> None:
    chain = {"power_chain": {"ride_through_minutes": 5}}
    said = site(make_case, chain, **REUSE)
    left = site(make_case, chain, from_bridge=True, firm_gas=True)
    assert left.redundancy["standby_generation"] == said.redundancy["standby_generation"]
    assert [o.key for o in options_of(plant_of(left))] == [o.key for o in options_of(plant_of(said))]
    with pytest.raises(InputError, match="longer than the UPS batteries are asked to last"):
        site(make_case, {"power_chain": {"ride_through_minutes": 3}}, **REUSE)


def test_gas_that_is_cut_is_not_firm(make_case: Make) -> None:
    cut = {"site": {"gas": {"from": "2027-01-01", "mmbtu_hhv_per_day": 9000, "firm": False, "cut_days": 10}}}
    with pytest.raises(InputError, match=r"firm_gas: .*site.gas is not firm"):
        site(make_case, cut, **REUSE)


def test_standby_sets_that_stand_already_burn_test_fuel(make_case: Make) -> None:
    """Two sets of 1 MW, 50 h a year at 8 MMBtu/MWh and 20 $/MMBtu: 1,333 $ a month, from the first month on."""
    case = site(
        make_case,
        {
            "existing": [{"item": "own_diesel", "units": 2, "since": "2020-01-01"}],
            "candidates": {"standby_generation": ["own_diesel"]},
            "site": {"fuel": {"diesel_usd_per_mmbtu_hhv": 20}, "standby_tests": {"hours_per_year": 50}},
        },
    )
    plan = planned(case)
    paid = plan.ledger[plan.ledger.line == "standby tests"].sort_values("date")
    rate = heat_rate_mmbtu_hhv_per_mwh(case.catalog["own_diesel"])
    assert paid.usd.iloc[0] == pytest.approx(2 * 1.0 * 50 / 12 * rate * 20)
    assert paid.date.iloc[0].month == 1
    whole = Monolithic(case).solve(gap=GAP)
    assert plan.summary["objective_usd"] == pytest.approx(whole.upper_kusd * 1000, rel=1e-4)
