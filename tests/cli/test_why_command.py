"""planner why: what an item is for, by stage, job and milestone, and what one unit less breaks.

Purpose: analytic (spares by their scheme, needs by hand), and that what is said to break does break.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planner.audit.audit import audit
from planner.case.case import Case
from planner.plan.plan import Plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.whatif.why import Why, fewer, items_of, overview, stranded, why
from tests.audit.sites import SERIES, SITES, SUN
from tests.cli.command import run

Make = Callable[..., Case]
RACK = "nvidia_gb300_nvl72"


def planned(case: Case) -> Plan:
    return plan_of(solve(case, gap=0.005, threads=1, time_limit=120.0))


@pytest.fixture(scope="module")
def racks(make_case: Make) -> Case:
    """Ten racks of 0.142 MW, a UPS in N+1, a gate of the UPS."""
    changes: dict[str, Any] = {
        "horizon": {"operating_years": 1},
        "redundancy": {"ups": {"scheme": "N+1", "group_mw": 10}},
        "activities": [{"name": "switchroom ready", "on": "2027-09-01", "gates": ["ups"]}],
    }
    return make_case(changes)


@pytest.fixture(scope="module")
def plan(racks: Case) -> Plan:
    return planned(racks)


@pytest.fixture(scope="module")
def ups(plan: Plan, racks: Case) -> Why:
    return why(plan, racks, "ups_generic")


def said(found: Why, words: str) -> str:
    """The one line that holds some words."""
    (line,) = (line for line in found.lines if words in line)
    return line


def test_a_stage_is_named_with_what_it_carries_and_its_spares(ups: Why, plan: Plan) -> None:
    """One group: of n units of 1.25 MW one is the spare, and n - 1 carry."""
    units = float(plan.installed[plan.installed["item"] == "ups_generic"].units.max())
    row = plan.stages[plan.stages.position == "ups"].iloc[-1]
    line = said(ups, "carries ups")
    assert f"{1.25 * (units - 1):,.4g} of {1.25 * (units - 1):,.4g} MW that stand firm" in line
    assert f"{row.design_load:,.4g} MW needed" in line
    assert f"1 unit of {units:.0f} units on are spares or second paths: N+1, groups of 10 MW" in said(ups, "spares")
    last = ups.growth.iloc[-1]
    assert (last.units, last.carrying) == (units, units - 1)


def test_the_milestone_and_the_gate_are_named(ups: Why) -> None:
    assert said(ups, "needed first").endswith("needed first from 2028-05-01, asked by 720 GPUs by 2028-05-01")
    assert "waits for switchroom ready (2027-09-01), which gates ups" in said(ups, "waits for")


def test_cost_is_the_ledgers(ups: Why, plan: Plan) -> None:
    usd = float(plan.ledger[plan.ledger["item"] == "ups_generic"].usd.sum())
    assert said(ups, "as paid").startswith(f"costs {usd / 1e6:,.3f} M$ as paid (")


def test_what_is_said_to_break_breaks(ups: Why, plan: Plan, racks: Case) -> None:
    """A unit less leaves too little firm; and the plan with one less is the plan in all else."""
    assert "1 fewer as ups would break stage capacity: ups 2028-05-01" in said(ups, "1 fewer")
    less = fewer(plan, "ups_generic", "ups", 1)
    failed = {check.name for check in audit(less, racks) if not check.ok}
    assert "stage capacity" in failed
    for frame in ("orders", "installed"):
        own, other = getattr(plan, frame), getattr(less, frame)
        same = own["item"] != "ups_generic"
        assert own[same].reset_index(drop=True).equals(other[same].astype(own.dtypes.to_dict()).reset_index(drop=True))
    assert less.orders.units.sum() == plan.orders.units.sum() - 1


def test_racks_are_there_for_their_milestone(plan: Plan, racks: Case) -> None:
    assert "milestones: short of 720" in said(why(plan, racks, RACK), "1 fewer")


def test_a_unit_too_many_is_told(plan: Plan, racks: Case) -> None:
    """A UPS more than needed, put in by hand: without it nothing breaks."""
    orders, installed = plan.orders.copy(), plan.installed.copy()
    orders.loc[orders["item"] == "ups_generic", "units"] += 1
    installed.loc[installed["item"] == "ups_generic", ["units"]] += 1
    more = replace(plan, orders=orders, installed=installed)
    found = why(more, racks, "ups_generic")
    assert "would break nothing" in said(found, "1 fewer")
    assert said(found, "stand switched off").strip().startswith("1 unit stand")


def test_every_item_that_stands_has_a_line(plan: Plan, racks: Case) -> None:
    table = overview(plan, racks)
    assert table["item"].tolist() == items_of(plan)
    assert set(table["item"]) == set(plan.installed["item"])
    row = table.set_index("item").loc["ups_generic"]
    stage = plan.stages[plan.stages.position == "ups"]
    fullest = (stage.design_load / stage.firm_capacity).max()
    assert (row.serves, row.asked_by) == ("ups", "720 GPUs by 2028-05-01")
    assert row.fullest_fraction == pytest.approx(fullest)
    assert float(table.capital_usd.sum()) == pytest.approx(float(plan.orders.capital_usd.sum()))


def test_stranded_racks_by_what_holds_them(plan: Plan, racks: Case) -> None:
    """Five racks wait for the UPS in three periods; four more are in boxes in one: 288 GPUs."""
    capacity = plan.capacity.copy()
    for row, held, boxed, cause in ((3, 5, 0, "ups"), (4, 5, 0, "ups"), (5, 2, 4, "ups"), (6, 1, 0, "target met")):
        capacity.loc[row, ["racks_stranded", "racks_ready", "racks_delivered"]] = [held, 9, 9 + boxed]
        capacity.loc[row, "binding_stage"] = cause
    rest = ~capacity.index.isin([3, 4, 5, 6])
    capacity.loc[rest, "racks_delivered"] = capacity.loc[rest, "racks_ready"]
    capacity.loc[rest, "racks_stranded"] = 0
    lines = stranded(replace(plan, capacity=capacity), racks)
    days = [str(day) for day in capacity.period]
    assert lines[0] == f"ready, held back by ups: up to 5 racks (360 GPUs), 12 rack-periods from {days[3]} to {days[5]}"
    assert lines[1].startswith("not installed yet, or waiting for a gate")
    assert f"up to 4 racks (288 GPUs), 4 rack-periods from {days[5]} to {days[5]}" in lines[1]
    assert lines[2].startswith("ready, beyond what the milestones due by then ask for")
    assert len(lines) == 3


# -- batteries and machines ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swings(make_case: Make) -> Case:
    changes, more = SITES["swings"]
    return make_case(*changes, **more)


@pytest.fixture(scope="module")
def jobs(swings: Case) -> Plan:
    return planned(swings)


def test_a_battery_has_its_jobs(jobs: Plan, swings: Case) -> None:
    """Every job of the table at the end, and the one that sets the count; one less breaks what it promised."""
    found = why(jobs, swings, "own_fast")
    table = jobs.details["battery_jobs"]
    last = table[table.period == table.period.max()]
    assert len(last) > 1
    for row in last.to_dict("records"):
        line = said(found, f": {row['job']}, ")
        assert f"{row['takes_mw']:,.4g} MW" in line
        assert ("sets the count" in line) == (row["sets_the_count"] == "yes")
    assert "would break " in said(found, "1 fewer")
    served = overview(jobs, swings).set_index("item").loc["own_fast"].serves
    assert served.split(", ")[0] == last[last.sets_the_count == "yes"].job.iloc[0]


def test_a_machine_is_a_firm_source(jobs: Plan, swings: Case) -> None:
    line = said(why(jobs, swings, "own_engine"), "on duty at")
    units = float(jobs.installed[jobs.installed["item"] == "own_engine"].groupby("period").units.sum().iloc[-1])
    assert line.startswith("firm source from ")
    assert f": {units:.0f} unit" in line


def test_the_sun_saves_what_is_not_bought(make_case: Make) -> None:
    """At one price all year, each MWh saves that price; a sum over both operating years would be double."""
    change = {
        "candidates": {"renewable": ["own_sun"]},
        "horizon": {"operating_years": 2},
        "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 14, "via": "existing_feeders"}]}},
    }
    case = make_case(SERIES, change, series=8.0, items=[SUN])
    plan = planned(case)
    year = plan.dispatch[plan.dispatch.phase == "operating year"]
    mwh = float((year.weight_h * year["renewable:own_sun_mw"]).sum())
    found = why(plan, case, "own_sun")
    assert f"gives {mwh:,.0f} MWh in an operating year" in said(found, "gives ")
    expected = f"{mwh * 50 / 1e6:,.3f} M$ a year at the mean of 50.00 $/MWh"
    assert expected in said(found, "saves energy bought")


# -- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(plan: Plan, tmp_path: Path) -> str:
    write_plan(plan, tmp_path / "plan")
    return str(tmp_path / "plan")


def test_the_command_says_it(folder: str) -> None:
    done = run("why", folder, "ups_generic")
    assert done.code == 0, done.err
    assert done.out.startswith("ups_generic: ")
    assert "1 fewer as ups would break stage capacity" in done.out
    every = run("why", folder)
    assert every.code == 0, every.err
    assert "ups_generic" in every.out
    assert RACK in every.out


def test_an_item_that_is_not_there_is_told_with_the_nearest(folder: str) -> None:
    done = run("why", folder, "ups_generik")
    assert done.code == 2
    assert "is no item of the catalogs: did you mean ups_generic?" in done.err
    done = run("why", folder, "jenbacher_j620")
    assert done.code == 2
    assert "is not in this plan: in the plan: " in done.err


def test_a_changed_case_is_refused(plan: Plan, tmp_path: Path) -> None:
    told = copy.deepcopy(plan.summary)
    told["inputs_sha256"]["case.yaml"] = "0" * 64
    write_plan(replace(plan, summary=told), tmp_path / "plan")
    done = run("why", str(tmp_path / "plan"))
    assert done.code == 2
    assert "case.yaml has changed" in done.err
