"""A plan run again with limited foresight: its table, its totals, what the batteries earn, and what is refused.

Purpose: end to end on small cases; the savings of the plan are checked against a second solve without batteries.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.cli.solve import window_h
from planner.errors import InputError
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.lookahead import refuse_look_ahead, with_look_ahead
from tests.own import BATTERY

Make = Callable[..., Case]
PRICES = {
    "energy_usd_per_mwh": None,
    "energy_periods": [
        {"name": "low", "usd_per_mwh": 20},
        {"name": "high", "usd_per_mwh": 220, "weekday_hours": [17, 18, 19, 20], "weekend_hours": [17, 18, 19, 20]},
    ],
    "demand_usd_per_kw_month": 6,
}
SITE: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 2, "sample_days_per_month": 3},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": PRICES,
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"], "other_stages": None},
}


def case_of(make: Make, *changes: Any) -> Case:
    hour = np.arange(8760)
    load = 20.0 + 4.0 * np.sin(2 * np.pi * hour / 24) + 3.0 * np.sin(2 * np.pi * hour / 100)
    return make(SITE, *changes, series=load, items=[BATTERY | {"price_usd": 4e5}])


@pytest.fixture(scope="module")
def case(make_case: Make) -> Case:
    return case_of(make_case)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    solution = solve(case, gap=1e-6, threads=1)
    found = with_look_ahead(plan_of(solution), solution, 24, threads=1)
    require(found, case)
    return found


def test_less_foresight_costs_more_in_every_month(plan: Plan) -> None:
    table = plan.details["look_ahead"]
    assert len(table) == 12
    assert plan.summary["units"]["own_battery"] >= 1
    assert (table.look_ahead_cost_usd >= table.perfect_cost_usd * (1 - 1e-7)).all()
    seen = plan.summary["look_ahead"]
    assert seen["look_ahead"]["battery_savings_usd"] < seen["perfect"]["battery_savings_usd"]
    assert 0.0 < seen["battery_savings_kept_fraction"] < 1.0
    assert (seen["unserved_mwh"], seen["missed_mwh"], seen["months_batteries_are_needed"]) == (0.0, 0.0, 0)


def test_perfect_foresight_is_the_plan_itself(plan: Plan) -> None:
    """Second route: the ledger's bills of the first operating year."""
    bills = plan.ledger[(plan.ledger["item"] == "operation")]
    year = bills[[day.year == 2027 for day in bills["date"]]].usd.sum()
    assert plan.summary["look_ahead"]["perfect"]["cost_usd"] == pytest.approx(year, rel=1e-6)


def test_savings_by_perfect_foresight_are_those_of_a_case_without_batteries(make_case: Make, plan: Plan) -> None:
    """Second route: the same case solved with no battery to buy; a month of which costs what the table says."""
    bare = plan_of(solve(case_of(make_case, {"candidates": {"battery": None}}), gap=1e-6, threads=1))
    bills = bare.ledger[bare.ledger["item"] == "operation"]
    year = bills[[day.year == 2027 for day in bills["date"]]].usd.sum()
    table = plan.details["look_ahead"]
    assert table.perfect_without_batteries_usd.sum() == pytest.approx(year, rel=1e-6)
    # Nothing to decide without batteries, and so nothing to foresee.
    assert table.look_ahead_without_batteries_usd.to_numpy() == pytest.approx(
        table.perfect_without_batteries_usd.to_numpy(), rel=1e-6
    )


def test_a_window_of_the_whole_month_is_perfect_foresight(case: Case) -> None:
    solution = solve(case, gap=1e-6, threads=1)
    table = with_look_ahead(plan_of(solution), solution, 31 * 24, threads=1).details["look_ahead"]
    assert table.look_ahead_cost_usd.to_numpy() == pytest.approx(table.perfect_cost_usd.to_numpy(), rel=1e-6)


def test_it_is_written_and_read_back(plan: Plan, case: Case, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    back = read_plan(tmp_path / "plan")
    assert back.summary["look_ahead"]["hours"] == 24
    assert back.details["look_ahead"].look_ahead_cost_usd.sum() == pytest.approx(
        plan.details["look_ahead"].look_ahead_cost_usd.sum()
    )
    require(back, case)


def scaled(column: str, by: float) -> Callable[[Plan], None]:
    def edit(plan: Plan) -> None:
        frame = plan.details["look_ahead"]
        frame.loc[3, column] *= by

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        scaled("look_ahead_cost_usd", 0.5),
        scaled("perfect_cost_usd", 0.99),
        scaled("perfect_cost_usd", 1.01),
        scaled("look_ahead_demand_usd", 1.1),
        scaled("look_ahead_battery_savings_usd", 1.1),
        lambda plan: plan.summary["look_ahead"]["look_ahead"].update(battery_savings_usd=1e9),
        lambda plan: plan.summary["look_ahead"].update(battery_savings_kept_fraction=0.99),
        lambda plan: plan.summary["look_ahead"].update(unserved_mwh=5.0),
    ],
)
def test_the_audit_sees_through_it(plan: Plan, case: Case, edit: Callable[[Plan], None]) -> None:
    frames = {name: frame.copy() for name, frame in plan.details.items()}
    changed = replace(plan, summary=copy.deepcopy(plan.summary), details=frames)
    edit(changed)
    assert "look-ahead" in {check.name for check in audit(changed, case) if not check.ok}


def test_what_it_cannot_see_is_refused(make_case: Make) -> None:
    ratchet = {"ratchet": {"fraction": 0.8, "months": [6, 7, 8]}}
    with pytest.raises(InputError, match="ratchet"):
        refuse_look_ahead(case_of(make_case, {"site": {"grid": {"tariff": ratchet}}}))
    with pytest.raises(InputError, match="block: month"):
        refuse_look_ahead(case_of(make_case, {"horizon": {"block": "day"}}))


def test_windows_are_hours_or_days() -> None:
    assert (window_h(None), window_h("24h"), window_h("7d")) == (0.0, 24.0, 168.0)
    for text in ("", "0h", "24", "1.5h", "9999d", "month"):
        with pytest.raises(InputError, match="look-ahead"):
            window_h(text)


def test_every_scenario_is_run_and_the_totals_are_expected(make_case: Make) -> None:
    """Two paths of load; totals weigh them by their probability."""
    paths = [
        {"name": "low", "probability": 0.25, "load_factor": 0.9},
        {"name": "high", "probability": 0.75, "load_factor": 1.1},
    ]
    case = case_of(make_case, {"scenarios": paths, "horizon": {"sample_days_per_month": 1}})
    solution = solve(case, gap=1e-4, threads=1)
    plan = with_look_ahead(plan_of(solution), solution, 24, threads=1)
    require(plan, case)
    table = plan.details["look_ahead"]
    by_path = table.groupby("scenario").look_ahead_cost_usd.sum()
    expected = 0.25 * by_path["low"] + 0.75 * by_path["high"]
    assert plan.summary["look_ahead"]["look_ahead"]["cost_usd"] == pytest.approx(expected)
    assert by_path["high"] > by_path["low"]
