"""Rented generators: rent by hand, the minimum term, what is cheaper when, both methods alike, files that say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InfeasibleError, InputError
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from tests.own import ENGINE, PLAIN

Make = Callable[..., Case]
GAP = 1e-6
OWNERS = ("price_usd", "installation_fraction", "economic_life_years")
PAYMENTS = ("payment_order_fraction", "payment_delivery_fraction")
# A turbine of 5 MW at 40 k$ a MW and month: 0.2 M$ a month, 0.2 M$ to come and 0.1 M$ to go.
TURBINE: dict[str, Any] = {k: v for k, v in PLAIN.items() if k not in (*OWNERS, *PAYMENTS)} | {
    "id": "own_turbine",
    "family": "generation",
    "class": "own_turbine",
    "tenure": "rented",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 5,
    "heat_rate_btu_per_kwh_hhv": 10000,
    "variable_om_usd_per_mwh": 0,
    "rental_usd_per_mw_month": 40000,
    "mobilisation_usd_per_mw": 40000,
    "demobilisation_usd_per_mw": 20000,
    "minimum_term_months": 1,
}
FREE = {"mobilisation_usd_per_mw": 0, "demobilisation_usd_per_mw": 0}


def site(
    make: Make, *changes: dict[str, Any], items: list[dict[str, Any]] | None = None, grid: str, **own: Any
) -> Case:
    """A load of 10 MW on a grid of 2 until a date: two turbines of 5 MW carry the 8 that are missing."""
    steps = [{"from": "2026-01-01", "mw": 2, "via": "existing_feeders"}]
    steps += [{"from": grid, "mw": 20, "via": "existing_feeders"}] if grid else []
    base: dict[str, Any] = {
        "workload": None,
        "horizon": {"build_months": 24, "operating_years": 1},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_turbine"]},
        "redundancy": {"onsite_generation": {"scheme": "N"}},
        "site": {"grid": {"interconnection": steps, "tariff": {"demand_usd_per_kw_month": 0}}},
    }
    return make(base, *changes, series=10.0, items=items or [TURBINE | own])


def planned(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=GAP, threads=1, time_limit=120.0))
    require(plan, case)
    return plan


def paid(plan: Plan, line: str) -> float:
    """What a line of the ledger adds up to. [USD]"""
    return float(plan.ledger.loc[plan.ledger.line == line, "usd"].sum())


def test_rent_by_hand(make_case: Make) -> None:
    """Two turbines from January to September 2027: 9 months at 0.2 M$ each, 0.2 to come and 0.1 to go."""
    plan = planned(site(make_case, grid="2027-10-01"))
    assert paid(plan, "rent") == pytest.approx(2 * 9 * 0.2e6)
    assert paid(plan, "mobilisation") == pytest.approx(2 * 0.2e6)
    assert paid(plan, "demobilisation") == pytest.approx(2 * 0.1e6)
    assert paid(plan, "residual value") == 0.0
    gone = plan.ledger[plan.ledger.line == "demobilisation"]
    assert gone.date.tolist() == [date(2027, 10, 1)]
    standing = plan.installed[plan.installed["item"] == "own_turbine"]
    assert standing.units.tolist() == [2.0] * 9
    assert plan.orders.capital_usd.tolist() == [0.0]


def test_half_a_year_of_grid_delay_is_half_a_year_of_rent(make_case: Make) -> None:
    early, late = (paid(planned(site(make_case, grid=day)), "rent") for day in ("2027-10-01", "2028-04-01"))
    assert late - early == pytest.approx(6 * 2 * 0.2e6)


@pytest.mark.parametrize(("term", "months"), [(1, 9), (9, 9), (12, 12), (40, 36)])
def test_rent_is_due_for_the_minimum_term(make_case: Make, term: int, months: int) -> None:
    """Nine months of need, and no rent after the horizon of 36."""
    plan = planned(site(make_case, grid="2027-10-01", minimum_term_months=term))
    assert paid(plan, "rent") == pytest.approx(2 * months * 0.2e6)


def test_a_short_term_without_mobilisation_is_pay_per_month(make_case: Make) -> None:
    """10, 15, 4 and 20 MW of load on a grid of 2: 2, 3, 1 and 4 turbines, month by month, whatever came before."""
    months = {0: 10, 3: 15, 5: 4, 8: 20, 10: 1}  # months from which a load holds
    days = {m: f"{2027 + m // 12}-{m % 12 + 1:02d}-01" for m in months}
    scale = [{"from": days[m], "fraction": mw / 10} for m, mw in months.items()]
    case = site(make_case, {"target": {"load_scale": scale}}, grid="", **FREE)
    want = 3 * 2 + 2 * 3 + 3 * 1 + 2 * 4
    assert paid(planned(case), "rent") == pytest.approx(want * 0.2e6)


def test_a_term_that_spans_two_peaks_keeps_what_came_for_the_first(make_case: Make) -> None:
    """One turbine in January, none in February and March, one in April: a term of 6 months from January, no second."""
    scale = [{"from": f"2027-{m:02d}-01", "fraction": f} for m, f in ((1, 0.6), (2, 0.1), (4, 0.6), (5, 0.1))]
    plan = planned(site(make_case, {"target": {"load_scale": scale}}, grid="", minimum_term_months=6))
    assert paid(plan, "rent") == pytest.approx(6 * 0.2e6)
    assert paid(plan, "mobilisation") == pytest.approx(0.2e6)


def test_fleet_slots_by_date(make_case: Make) -> None:
    """One slot in each of the first two quarters: the load of 15 MW in the second needs both, and waits for no more."""
    scale = [{"from": "2027-01-01", "fraction": 0.7}, {"from": "2027-04-01", "fraction": 1.2}]
    supply = {"own_turbine": {"2027Q1": 1, "2027Q2": 1}}
    plan = planned(site(make_case, {"supply": supply, "target": {"load_scale": scale}}, grid="2027-12-01"))
    assert plan.orders.delivery_date.tolist() == [date(2027, 1, 1), date(2027, 4, 1)]
    assert paid(plan, "rent") == pytest.approx((11 + 8) * 0.2e6)


BOUGHT = ENGINE | {
    "nameplate_power_mw": 5,
    "heat_rate_btu_per_kwh_hhv": 10000,
    "variable_om_usd_per_mwh": 0,
    "price_usd": 7.5e6,  # 1.5 M$ a MW, installed
    "installation_fraction": 0,
}


def rent_or_buy(make: Make, years: int, life: float) -> tuple[float, float, Plan]:
    """Present value of what is rented alone and of what is bought alone, and the plan that may do either. [USD]"""
    plans = []
    for names in (["own_turbine"], ["own_engine"], ["own_turbine", "own_engine"]):
        changes = {
            "horizon": {"build_months": 0, "operating_years": years},
            "candidates": {"generation": names},
            "finance": {"indirects_fraction": 0, "contingency_fraction": 0},
        }
        own = [TURBINE | FREE, BOUGHT | {"economic_life_years": life}]
        plans.append(planned(site(make, changes, grid="", items=own)))
    fuel = 50.0 * 8760  # $ a MW-year at 10 MMBtu and 5 $, the same of both, and so left in
    assert fuel > 0
    return plans[0].summary["objective_usd"], plans[1].summary["objective_usd"], plans[2]


def test_rent_or_buy_breaks_even_at_24_months_with_half_the_value_left(make_case: Make) -> None:
    """40 k$/MW-month against 1.5 M$/MW at 10 %: 24 months where half the value is left then.

    A life n leaves (1.1^2 x^-1 ...) half of the cost after 2 years where (1 - 1.21 x) / (1 - x) = 0.5 with x = 1.1^-n:
    x = 0.5 / 0.71, n = 3.68 years. Of both the 10 MW cost 8.8 M$, to 1 %.
    """
    rented, bought, _ = rent_or_buy(make_case, 2, 3.679)
    assert bought - rented == pytest.approx(0.0, abs=0.01 * 8.8e6)


@pytest.mark.parametrize(("years", "tenure"), [(3, "own_turbine"), (4, "own_engine")])
def test_rent_or_buy_breaks_even_at_44_months_with_nothing_left(make_case: Make, years: int, tenure: str) -> None:
    """44 months lie between 3 and 4 years."""
    rented, bought, plan = rent_or_buy(make_case, years, 3.0)
    assert (rented < bought) == (tenure == "own_turbine")
    assert set(plan.orders["item"]) == {tenure}


# --- both methods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", [1, 7])
def test_both_ways_agree(make_case: Make, term: int) -> None:
    """Build months, an expansion year, a spare, a bought engine beside, one already on hire."""
    changes = {
        "horizon": {"build_months": 4, "expansion_years": 1, "operating_years": 2},
        "target": {"load_scale": [{"from": "2027-01-01", "fraction": 0.6}, {"from": "2027-04-01", "fraction": 1.3}]},
        "candidates": {"generation": ["own_turbine", "own_engine"]},
        "committed": [{"item": "own_turbine", "units": 1, "on_site": "2026-11-01"}],
        "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
        "budget": [{"by": "2027-06-30", "usd": 9e6}],
    }
    items = [TURBINE | {"minimum_term_months": term}, ENGINE | {"lead_time_weeks": 30}]
    case = site(make_case, changes, grid="2028-05-01", items=items)
    found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    whole = Monolithic(case)
    best = whole.solve(gap=GAP)
    assert found.upper_kusd == pytest.approx(best.upper_kusd, rel=3 * GAP)
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if var.name.startswith(("bought", "returned", "present"))
    }
    fixed = whole.solve(fixed=decided, gap=1e-9)
    assert fixed.upper_kusd == pytest.approx(found.upper_kusd, rel=1e-7)
    plan = plan_of(found)
    require(plan, case)
    assert paid(plan, "rent") > 0
    require(plan_of(whole.solution(gap=1e-4)), case)


def test_a_shorter_term_never_costs_more(make_case: Make) -> None:
    costs = [
        planned(site(make_case, grid="2027-08-01", minimum_term_months=term)).summary["objective_usd"]
        for term in (1, 6, 12, 24)
    ]
    assert all(a <= b * (1 + GAP) for a, b in pairwise(costs))


# --- what limits runs, and what the audit sees ----------------------------------------------------------------


def test_hours_of_a_returned_unit_are_not_held_against_what_stays(make_case: Make) -> None:
    """Two turbines run 8 of 10 MW for 3 months, 1,728 h each at rating of 2,000 h a year; then they go."""
    caps = {"run_hours_per_year": {"own_turbine": 2000}}
    plan = planned(site(make_case, {"site": {"caps": caps}}, grid="2027-04-01"))
    assert paid(plan, "rent") == pytest.approx(2 * 3 * 0.2e6)


@pytest.fixture(scope="module")
def bridge(make_case: Make) -> tuple[Case, Plan]:
    case = site(make_case, grid="2027-10-01", minimum_term_months=12)
    return case, planned(case)


def test_files_keep_it(bridge: tuple[Case, Plan], tmp_path: Path) -> None:
    case, plan = bridge
    write_plan(plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), case)


@pytest.mark.parametrize(
    ("table", "where", "column", "change", "check"),
    [
        ("ledger", ("line", "rent"), "usd", 0.9, "ledger purchases"),
        ("ledger", ("line", "demobilisation"), "usd", 0.5, "ledger purchases"),
        ("ledger", ("line", "mobilisation"), "usd", 0.5, "ledger purchases"),
        ("rentals", ("item", "own_turbine"), "returned_units", 0.5, "rentals returned"),
        ("rentals", ("item", "own_turbine"), "returned_units", 2.0, "rentals returned"),
        ("rentals", ("item", "own_turbine"), "mobilised_units", 2.0, "rentals"),
        ("rentals", ("item", "own_turbine"), "held_units", 2.0, "rentals"),
        ("rentals", ("item", "own_turbine"), "rent_usd", 1.1, "rentals"),
        ("installed", ("item", "own_turbine"), "units", 2.0, "installed units"),
    ],
)
def test_audit_finds_a_wrong_figure(
    bridge: tuple[Case, Plan], table: str, where: tuple[str, str], column: str, change: float, check: str
) -> None:
    case, plan = bridge
    frame = plan.table(table).copy()
    rows = frame[where[0]] == where[1]
    scale = change + 0.25 if column == "returned_units" and change < 1 else change  # 2 x .75: no whole units
    frame.loc[rows, column] = frame.loc[rows, column] * scale
    wrong = (
        replace(plan, details={**plan.details, table: frame})
        if table in plan.details
        else replace(plan, **{table: frame})
    )
    assert check in {c.name for c in audit(wrong, case) if not c.ok}


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price_usd": 1e6}, "in the rent"),
        ({"minimum_term_months": 1.5}, "whole months"),
        ({"permit_class": "emergency"}, "emergency"),
        ({"tenure": "owned"}, "for rented items"),
        ({"family": "battery", "brings": ["battery"]}, "only generators are rented"),
    ],
)
def test_faults_of_rented_items(make_case: Make, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        site(make_case, grid="2027-10-01", **change)


def test_terms_are_asked_for(make_case: Make) -> None:
    bare = {k: v for k, v in TURBINE.items() if k not in ("mobilisation_usd_per_mw", "minimum_term_months")}
    with pytest.raises(InputError, match="mobilisation_usd_per_mw, minimum_term_months"):
        site(make_case, grid="2027-10-01", items=[bare])


def test_too_few_slots_are_named(make_case: Make) -> None:
    """One slot of 5 MW where 8 are missing: the vendor's allocation is in the way."""
    with pytest.raises(InfeasibleError, match="supply"):
        solve(site(make_case, {"supply": {"own_turbine": {"2027Q1": 1}}}, grid="2027-10-01"), threads=1)


def test_scenarios_rent_once(make_case: Make) -> None:
    """Two paths share what is held; the dearer needs a third turbine, and both pay it."""
    paths = [{"name": "base", "probability": 0.5}, {"name": "more", "probability": 0.5, "load_factor": 1.3}]
    plan = planned(site(make_case, {"scenarios": paths}, grid="2027-04-01"))
    assert paid(plan, "rent") == pytest.approx(3 * 3 * 0.2e6)


@pytest.mark.parametrize("objective", ["earliest", {"max_gpus": "2027-12-01"}])
def test_other_goals_rent_too(make_case: Make, objective: Any) -> None:
    """Racks before the grid of March 2028 run on what is rented, for a date or a number."""
    changes = {
        "objective": objective,
        "supply": {"nvidia_gb300_nvl72": {"2027Q3": 6, "2027Q4": 4}},
        "target": {"milestones": [{"gpus": 360, "by": "2027-12-01"}]},
        "horizon": {"build_months": 16, "operating_years": 1},
        "candidates": {"generation": ["own_turbine"]},
        "site": {"grid": {"interconnection": [{"from": "2028-03-01", "mw": 10, "via": "existing_feeders"}]}},
        "redundancy": {"onsite_generation": {"scheme": "N"}},
    }
    plan = planned(make_case(changes, items=[TURBINE]))
    held = plan.details["rentals"]
    assert held.held_units.max() == 1
    assert held.held_units.iloc[-1] == 0
    assert held.period.iloc[-1] == date(2028, 3, 1)


def test_what_is_on_hire_has_served_part_of_its_term(make_case: Make) -> None:
    """A turbine on hire since November 2026 for six months, not needed: four are left, and it goes when they end."""
    on_hire = [{"item": "own_turbine", "units": 1, "on_site": "2026-11-01", "paid_usd": 2e5}]
    plan = planned(site(make_case, {"committed": on_hire}, grid="2026-12-01", minimum_term_months=6))
    assert paid(plan, "rent") == pytest.approx(4 * 0.2e6)
    assert paid(plan, "mobilisation") == 0.0
    assert paid(plan, "demobilisation") == pytest.approx(0.1e6)
