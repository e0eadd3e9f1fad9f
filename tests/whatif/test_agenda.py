"""The agenda against the model's own dates and dates by hand; the exposure against the ledger."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from planner.audit.base import tables_of
from planner.audit.loads import Site
from planner.case.case import Case
from planner.cli.main import app
from planner.plan.plan import Plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.whatif.agenda import CONTRACTS, Task, agenda, exposure

Make = Callable[..., Case]
DATED = {
    "activities": [
        {"name": "design", "weeks": 10, "gates": ["lv_switchboard"]},
        {"name": "permit", "weeks": 20, "after": "design", "gates": ["white_space"]},
        {"name": "agreement", "on": "2027-05-01", "gates": ["existing_feeders"]},
    ],
    "site": {"fibre": {"from": "2027-10-10"}, "hall": {"existing_m2": 0}},
    "candidates": {"enclosure": ["hall_stick_built"]},
}
COMMITTED = {"committed": [{"item": "ups_generic", "units": 2, "on_site": "2027-10-05", "due_usd": 9e5}]}


@pytest.fixture(scope="module")
def dated(make_case: Make) -> tuple[Plan, Case]:
    case = make_case(DATED, COMMITTED, set=["catalog.hall_stick_built.installation_weeks=10"])
    return plan_of(solve(case)), case


def named(tasks: list[Task], what: str) -> dict[str, Task]:
    return {task.name: task for task in tasks if task.what == what}


def test_float_of_orders_is_what_the_model_has_left(dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    orders = [task for task in agenda(plan, case) if task.what == "order"]
    left = {
        (row.item, row.order_date): (row.commissioning_date - row.ready_date).days for row in plan.orders.itertuples()
    }
    gated = {"lv_switchboard_generic", "hall_stick_built"}  # their gates may leave them more
    assert len(orders) == len(plan.orders) >= 10
    for task in orders:
        assert task.float_days is not None
        if task.name in gated:
            assert task.float_days >= left[task.name, task.day]
        else:
            assert task.float_days == left[task.name, task.day]
    assert sum(task.capital_usd or 0.0 for task in orders) == pytest.approx(float(plan.orders.capital_usd.sum()))


def test_float_of_activities_by_hand(dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    found = named(agenda(plan, case), "activity")
    tables = tables_of(plan)
    serves = dict(zip(tables.orders["item"], tables.orders.commissioning_date, strict=True))
    # Two weeks of commissioning and one of burn-in follow the opening of a gate: 21 days.
    hall = (serves["hall_stick_built"] - found["permit"].day).days - 21
    assert found["permit"].day == date(2027, 7, 30)  # 30 weeks after New Year
    assert found["permit"].float_days == hall
    assert found["permit"].serves_from == serves["hall_stick_built"]
    # The design is followed by the permit, which is the tighter of its two.
    board = (serves["lv_switchboard_generic"] - found["design"].day).days - 21
    assert found["design"].day == date(2027, 3, 12)
    assert found["design"].float_days == min(board, hall)
    assert found["agreement"].float_days == (date(2027, 6, 1) - date(2027, 5, 1)).days  # the step counts from June
    runs = tables.capacity[tables.capacity.gpus_energised > 0].period.iloc[0]
    fibre = named(agenda(plan, case), "permit")["fibre"]
    assert fibre.float_days == (runs - date(2027, 10, 10)).days


def test_a_day_more_than_the_float_is_a_month_later(make_case: Make, dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    permit = named(agenda(plan, case), "activity")["permit"]
    assert permit.float_days is not None
    assert permit.serves_from is not None
    weeks = permit.float_days // 7
    for more, moved in ((weeks, False), (weeks + 1, True)):  # to the last whole week within it, and the next
        later = {"activities": [{"name": "permit", "weeks": 30 + more, "gates": ["white_space"]}]}
        slipped = make_case(DATED, later, set=["catalog.hall_stick_built.installation_weeks=10"])
        hall = next(row for row in plan.orders.itertuples() if row.item == "hall_stick_built")
        parts = tuple(str(hall.position).split("+"))
        site = Site(slipped, tables_of(plan))
        ready = site.ready(slipped.catalog["hall_stick_built"], parts, hall.delivery_date)
        assert (ready > permit.serves_from) is moved


def test_exposure_adds_up(dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    tables, quarters = tables_of(plan), exposure(plan, case)
    cash = tables.ledger[tables.ledger.line != "residual value"]
    last_order = max(tables.orders.order_date)
    ends = {f"{y}Q{q}": date(y + q // 4, q % 4 * 3 + 1, 1) for y in (2027, 2028, 2029) for q in (1, 2, 3, 4)}
    for quarter in quarters:
        after = ends[quarter.quarter]
        assert quarter.paid_so_far_usd == pytest.approx(float(cash[cash.date < after].usd.sum()))
        committed = 900000.0 if after <= date(2027, 10, 5) else 0.0
        if after > last_order:  # everything is ordered: what is left of contracts is what the ledger still pays
            left = cash[cash.line.isin(CONTRACTS) & (cash.date >= after)]
            assert quarter.owed_usd == pytest.approx(float(left.usd.sum()) + committed, abs=1.0)
        assert quarter.owed_usd >= committed
    assert quarters[0].owed_usd >= 900000.0
    assert quarters[-1].owed_usd == 0.0
    assert sum(q.paid_usd for q in quarters) == pytest.approx(quarters[-1].paid_so_far_usd)


def test_what_is_ordered_is_owed_less_its_first_payment(dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    orders = plan.orders[plan.orders["item"] == "busway_generic"]
    assert len(orders) == 1
    only = replace(plan, orders=orders, ledger=plan.ledger[plan.ledger["item"] == "busway_generic"])
    ordered, item = orders.order_date.iloc[0], case.catalog["busway_generic"]
    price = float(only.ledger[only.ledger.line == "equipment"].usd.sum())
    after_order = next(q for q in exposure(only, case) if q.owed_usd > 0)
    assert after_order.quarter == f"{ordered.year}Q{(ordered.month + 2) // 3}"
    paid = item.get("payment_order_fraction")
    delivered = orders.delivery_date.iloc[0]
    assert delivered.year * 4 + (delivered.month - 1) // 3 > ordered.year * 4 + (ordered.month - 1) // 3
    assert after_order.owed_usd == pytest.approx(price * (1.0 - paid), rel=1e-6)


def test_rentals_owe_their_least_term(dated: tuple[Plan, Case]) -> None:
    plan, case = dated
    rented = pd.DataFrame(
        {
            "period": ["2028-02-01"],
            "item": ["mobile_turbine_rental"],
            "mobilised_units": [2.0],
            "returned_units": [0.0],
            "held_units": [2.0],
            "rent_usd": [3.0e6],
        }
    )
    months = case.catalog["mobile_turbine_rental"].get("minimum_term_months")
    before, after = exposure(plan, case), exposure(replace(plan, details={**plan.details, "rentals": rented}), case)
    more = {b.quarter: a.owed_usd - b.owed_usd for a, b in zip(after, before, strict=True)}
    assert more["2027Q4"] == 0.0
    assert more["2028Q1"] == pytest.approx((months - 2) * 3.0e6)  # February and March are over


def test_the_command(dated: tuple[Plan, Case], tmp_path: Path) -> None:
    plan, case = dated
    write_plan(plan, tmp_path / "plan")
    words = ["agenda", str(tmp_path / "plan"), "--case", str(case.path), "--csv", str(tmp_path / "tasks.csv")]
    done = CliRunner().invoke(app, [*words, "--set", "objective=min_cost"])
    assert done.exit_code == 0, done.output
    assert "if all work stopped" in done.output
    assert "float days" in done.output
    with (tmp_path / "tasks.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(agenda(plan, case))
