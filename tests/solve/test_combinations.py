"""Events and scenarios together with each other and with every other option of a case.

Purpose: equivalence (decomposed and whole model, one optimum), analytic where a test says so, and the audit's eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import own
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.plan.plan import Plan
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
BATTERY = own.BATTERY | {"price_usd": 6e5}
ENGINE = own.ENGINE | {
    "nameplate_power_mw": 4,
    "derate_from_c": 60,
    "availability_fraction": 0.8,
    "price_usd": 5e6,
}
SUN = "solar_single_axis_1mw"
# 18:00 of the day in the middle of each month, the one day of it that every sample holds.
EVENINGS = [24 * day + 18 for day in (15, 44, 74, 104, 135, 165, 196, 227, 257, 288, 318, 349)]
EVENTS: dict[str, Any] = {
    "events": [
        {"kind": "grid_outage", "duration_h": 3, "hours": EVENINGS[::3]},
        {"kind": "called_curtailment", "duration_h": 2, "grid_fraction_left": 0.2, "hours": EVENINGS[::4]},
        {"kind": "hottest_still_day", "load_fraction": 0.8},
        {"kind": "loss_of_largest_unit", "duration_h": 1, "hours": EVENINGS[6:8]},
    ]
}
SCENARIOS: dict[str, Any] = {
    "scenarios": [
        {"name": "base", "probability": 0.7},
        {
            "name": "other",
            "probability": 0.3,
            "energy_price_factor": 1.4,
            "load_factor": 1.1,
            "weather": {"tmy3": "pvlib:703165TY.csv"},
        },
    ],
    "risk": {"cvar_alpha": 0.7, "weight": 0.3},
}
# In the months after, 95 % of summer's peaks are billed.
RATCHET = {"ratchet": {"fraction": 0.95, "months": [6, 7, 8]}}
DAYS = {"block": "day", "sample_days_per_month": 2}
LEAP = {"start": "2027-12-01", "horizon": {"calendar": "actual"}}  # operated in 2028
OPTIONS: dict[str, dict[str, Any]] = {
    "steps": {"horizon": {"step_minutes": 30}},
    "days, ratchet": {"horizon": DAYS, "site": {"grid": {"tariff": RATCHET}}},
    "actual": LEAP,
    "export": {"site": {"grid": {"export": {"mw": 3, "usd_per_mwh": 35}}}},
    "caps": {"site": {"caps": {"co2_t_per_year": 700, "run_hours_per_year": {"own_engine": 400}}}},
    "all": LEAP
    | {
        "horizon": DAYS | {"calendar": "actual"},
        "site": {
            "grid": {"tariff": RATCHET, "export": {"mw": 3, "usd_per_mwh": 35}},
            "caps": {"co2_t_per_year": 700},
        },
    },
}
GRID = [(EVENTS | SCENARIOS, name) for name in OPTIONS if name != "all"] + [(EVENTS, "all")]


def site(make: Make, *changes: dict[str, Any], load: Any = None, battery: dict[str, Any] | None = None) -> Case:
    """A load of 8 to 12 MW behind 11 MW of grid, with batteries, engines and sun that may be bought."""
    hour = np.arange(8760)
    usual = 10.0 + 2.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 0.5 * np.sin(2 * np.pi * (hour - 5000) / 8760)
    base: dict[str, Any] = {
        "horizon": {"build_months": 1, "operating_years": 1, "sample_days_per_month": 1},
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 11, "via": "existing_feeders"}],
                "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 12},
            }
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": ["own_engine"],
            "battery": ["own_battery"],
            "renewable": [SUN],
        },
        "redundancy": {"onsite_generation": {"scheme": "N"}},
        "finance": {"discount_rate": 0.07},
    }
    quick = [f"catalog.{SUN}.{what}_weeks=0" for what in ("lead_time", "installation")]
    series = usual if load is None else load
    return make(
        base,
        *changes,
        series=series,
        items=[BATTERY | (battery or {}), ENGINE],
        set=[*quick, f"catalog.{SUN}.price_usd=3e5"],
    )


def agreed(case: Case) -> Solution:
    """The decomposed plan, whose optimum the whole model shares."""
    plan = solve(case, gap=1e-6, threads=1, time_limit=200)
    whole = solve_monolithic(case, gap=1e-6, time_limit=200)
    scale = 2e-6 * abs(whole.upper_kusd)
    assert plan.lower_kusd <= whole.upper_kusd + scale
    assert whole.lower_kusd <= plan.upper_kusd + scale
    assert plan.upper_kusd == pytest.approx(whole.upper_kusd, rel=4e-6)
    return plan


@pytest.mark.parametrize(
    ("given", "option"), GRID, ids=[f"{' and '.join(g)}: {o}".replace(" and risk", "") for g, o in GRID]
)
def test_one_optimum_both_ways_and_the_audit_agrees(make_case: Make, given: dict[str, Any], option: str) -> None:
    case = site(make_case, given, OPTIONS[option])
    plan = plan_of(agreed(case))
    checks = {check.name for check in require(plan, case)}
    if "events" in given:
        assert {"event grid_outage", "event called_curtailment", "event hottest_still_day", "reserves"} <= checks
        assert plan.summary["reserves"]
    if "scenarios" in given:
        assert {"scenario cost", "expected cost", "risk"} <= checks


@pytest.mark.parametrize("given", [EVENTS, SCENARIOS, EVENTS | SCENARIOS], ids=["events", "scenarios", "both"])
def test_years_that_differ(make_case: Make, given: dict[str, Any]) -> None:
    """Two years of dearer power and of batteries that fade, kept to the cycles of their warranty."""
    case = site(
        make_case,
        given,
        {
            "horizon": {"operating_years": 2},
            "finance": {"base_year": 2026, "escalation_fraction_per_year": {"energy": 0.05, "natural_gas": -0.02}},
        },
        battery={
            "energy_retention_fraction": {
                "by_year": {0: 1.0, 20: 0.4},
                "source": "made for a test",
                "date": "2026-01",
                "confidence": "estimate",
            },
            "warranty_cycles_per_year": 120,
        },
    )
    plan = plan_of(agreed(case))
    checks = {check.name for check in require(plan, case)}
    assert {"battery energy left", "warranty cycles"} <= checks


def test_the_audit_agrees_with_everything_at_once(make_case: Make) -> None:
    """Too large for the whole model in a test: each option has been proven above, and here they meet."""
    steps = {"horizon": OPTIONS["all"]["horizon"] | {"step_minutes": 30}}
    case = site(make_case, EVENTS | SCENARIOS, OPTIONS["all"], steps)
    found = solve(case, gap=2e-3, threads=1)
    assert found.gap_reached
    require(plan_of(found), case)


@pytest.mark.parametrize("block", ["month", "day"])
def test_a_ratchet_bills_a_month_by_the_peaks_of_others(make_case: Make, block: str) -> None:
    """10 MW, in July 15 MW, at 10 $/kW: July pays 150,000 $, the months after 0.8 x 15 MW, those before 100,000 $.

    The operating year comes after a July, so eleven of its months pay 120,000 $; the build months before it 100,000 $.
    On a path with a tenth more load, at a quarter, all of it is a tenth more.
    """
    hour = np.arange(8760)
    changes: dict[str, Any] = {
        "horizon": {"build_months": 2, "operating_years": 1, "block": block, "sample_days_per_month": 2},
        "candidates": {"generation": [], "battery": [], "renewable": []},
        "scenarios": [{"name": "a", "probability": 0.75}, {"name": "b", "probability": 0.25, "load_factor": 1.1}],
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}],
                "tariff": {"demand_usd_per_kw_month": 10, "ratchet": {"fraction": 0.8, "months": [7]}},
            }
        },
    }
    load = np.where((hour >= 181 * 24) & (hour < 212 * 24), 15.0, 10.0)
    case = site(make_case, changes, load=load)
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    paid = plan.ledger[plan.ledger["line"] == "demand charge"].sort_values("date").usd.to_numpy() / 1.025
    # January 2027 to February 2028: the first July comes in the operating year, and holds the months that follow it.
    assert paid == pytest.approx([1e5] * 6 + [1.5e5] + [1.2e5] * 7, rel=1e-6)


def racks(make: Make) -> Case:
    """Racks of an inference load that may be moved within a day, at two prices, through an outage of two hours."""
    scenarios = [
        {"name": "base", "probability": 0.6},
        {"name": "busy", "probability": 0.4, "load_factor": 1.05, "energy_price_factor": 1.3},
    ]
    return make(
        {
            "scenarios": scenarios,
            "events": [{"kind": "grid_outage", "duration_h": 2, "hours": EVENINGS[1::4]}],
            "workload": {"kind": "inference", "average_load_fraction": 0.6, "shift": {"fraction": 0.2}},
            "candidates": {"battery": ["tesla_megapack_2xl_4h"]},
            "site": {"grid": {"tariff": {"demand_usd_per_kw_month": 30}}},
        },
        set=["catalog.tesla_megapack_2xl_4h.price_usd=5e5"],
    )


def test_a_shift_is_not_counted_on_in_an_event(make_case: Make) -> None:
    """Work moves to other hours on both paths; the outage is carried at the load as it is, with its cooling."""
    case = racks(make_case)
    found = agreed(case)
    plan = plan_of(found)
    checks = {check.name for check in require(plan, case)}
    assert {"event grid_outage", "energy of the day", "scenario cost"} <= checks
    moved = plan.dispatch.groupby("scenario")["compute_shift_up:nvidia_gb300_nvl72_mw"].sum()
    assert (moved > 0.1).all()
    # In the evening hours of the busier path the racks and the network alone draw so much that must be held.
    busy = plan.dispatch[plan.dispatch.scenario == "busy"]
    least = busy[busy.hour_of_year.isin([EVENINGS[1] + h for h in (0, 1)])].it_mw.sum()
    assert plan.summary["reserves"][-1]["reserve_mwh"] > least


def failed(plan: Plan, case: Case) -> set[str]:
    """Names of the checks that fail."""
    return {check.name for check in audit(plan, case) if not check.ok}


def test_the_audit_sees_each_path_and_each_step(make_case: Make) -> None:
    """Charge missing at one half hour of one path, a reserve too large for it, and a shared peak that is not paid."""
    options = {"horizon": {"step_minutes": 30, "block": "day", "sample_days_per_month": 2}}
    case = site(make_case, EVENTS | SCENARIOS, options)
    plan = plan_of(solve(case, gap=1e-3, threads=1))
    assert not failed(plan, case)
    struck = (plan.dispatch.scenario == "other") & (plan.dispatch.hour_of_year == EVENINGS[9])
    row = plan.dispatch.index[struck & (plan.dispatch.minute == 0)][-1]  # charge before the second half of the hour
    empty = plan.dispatch.copy()
    empty.loc[row, "soc:own_battery_mwh"] = 0.0
    assert {"event grid_outage", "reserves", "battery state of charge"} <= failed(replace(plan, dispatch=empty), case)
    half = plan.dispatch[~(struck & (plan.dispatch.minute == 30))]
    assert "hours complete" in failed(replace(plan, dispatch=half), case)
    rows = [row | {"operation_usd": row["operation_usd"] + 1e5} for row in plan.summary["scenarios"]]
    assert "scenario cost" in failed(replace(plan, summary=plan.summary | {"scenarios": rows}), case)
    unpaid = plan.ledger.copy()
    unpaid.loc[unpaid["line"] == "demand charge", "usd"] *= 0.99
    assert "ledger operation" in failed(replace(plan, ledger=unpaid), case)
