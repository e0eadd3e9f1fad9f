"""planner diff: inputs, orders and cost of two plans, and what is proven of their difference.

Purpose: analytic (what was changed is what is told, and sums add up to the objectives), and bad input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case.case import Case, load_case
from planner.plan.diff import RISK, TOTAL, Diff, diff
from planner.plan.plan import Plan, read_plan, write_plan
from planner.report.changes import interval_words
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from tests.cli.command import run
from tests.own import BATTERY

Make = Callable[..., Case]
HOUR = np.arange(8760)
LOAD: dict[str, Any] = {
    "horizon": {"build_months": 6, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"]},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 12, "via": "existing_feeders"}]}},
    "finance": {"discount_rate": 0.1},
}
# A battery that pays for itself by the demand charge of 8 $/kW-month once it is cheap.
DEAR = BATTERY | {"price_usd": 6e6, "lead_time_weeks": 4}


def planned(case: Case) -> Plan:
    return plan_of(solve(case, gap=0.001, threads=1, time_limit=120.0))


@pytest.fixture(scope="module")
def cases(make_case: Make) -> tuple[Case, Case]:
    """One case file; the second with a dearer demand charge, a cheaper battery, and a smaller connection."""
    series = 8.0 + 2.0 * (HOUR % 24 == 18) + 0.5 * np.sin(HOUR)
    a = make_case(LOAD, series=series, items=[DEAR])
    changes = [
        *a.changes,
        "catalog.own_battery.price_usd=200000",
        "site.grid.tariff.demand_usd_per_kw_month=20",
        "site.grid.interconnection[0].mw=11.5",
    ]
    return a, load_case(a.path, changes)


@pytest.fixture(scope="module")
def plans(cases: tuple[Case, Case]) -> tuple[Plan, Plan]:
    return planned(cases[0]), planned(cases[1])


@pytest.fixture(scope="module")
def found(plans: tuple[Plan, Plan], cases: tuple[Case, Case]) -> Diff:
    return diff(*plans, cases)


def test_inputs_are_told_field_by_field(found: Diff) -> None:
    """What was changed and nothing else; the smaller contract is not a field of its own."""
    told = {change.name: (change.unit, change.a, change.b) for change in found.inputs}
    assert told == {
        "site.grid.interconnection[0].mw": ("MW", 12, 11.5),
        "site.grid.tariff.demand_usd_per_kw_month": ("USD/kW-month", 8, 20),
        "catalog.own_battery.price_usd": ("USD", 6e6, 2e5),
    }
    assert found.field_by_field


def test_orders_are_told_by_item(found: Diff, plans: tuple[Plan, Plan]) -> None:
    units = [float(plan.orders[plan.orders["item"] == "own_battery"].units.sum()) for plan in plans]
    assert units[1] > units[0] == 0
    (told,) = (c for c in found.orders if c.name == "own_battery" and c.measure == "ordered")
    assert (told.a, told.b, told.difference) == (units[0], units[1], units[1] - units[0])
    by_day = [c for c in found.orders if c.measure.startswith("ordered on ")]
    assert sum(c.difference or 0.0 for c in by_day) == pytest.approx(units[1] - units[0])


def test_cost_lines_add_up_to_the_difference_of_the_objectives(found: Diff, plans: tuple[Plan, Plan]) -> None:
    """Of what differs, less its total, nothing is left; and the present values are the objectives'."""
    usd = plans[1].summary["objective_usd"] - plans[0].summary["objective_usd"]
    for measure in ("as paid", "present value"):
        lines = [c for c in found.cost if c.measure == measure]
        total = next(c for c in lines if c.name == TOTAL)
        each = sum(c.difference or 0.0 for c in lines if c.name != TOTAL)
        assert each == pytest.approx(total.difference, abs=0.01 * len(lines))
        if measure == "present value":
            assert total.difference == pytest.approx(usd, abs=0.02)
            assert total.a == pytest.approx(plans[0].summary["objective_usd"], abs=0.01)
        else:
            paid = [float(plan.ledger.usd.sum()) for plan in plans]
            assert (total.a, total.b) == (pytest.approx(paid[0]), pytest.approx(paid[1]))
    demand = {c.measure: c.difference for c in found.cost if c.name == "demand charge"}
    assert demand["as paid"] is not None
    assert demand["as paid"] > 0


def test_risk_is_a_line_of_the_present_value(plans: tuple[Plan, Plan]) -> None:
    """What the objective takes in of the dearest paths is paid by nobody."""
    risky = replace(plans[1], summary=plans[1].summary | {"risk": {"added_to_objective_usd": 1e6}})
    (paid, present) = (c for c in diff(plans[0], risky).cost if c.name == RISK)
    assert (paid.difference, present.difference) == (0.0, 1e6)


def test_the_difference_is_an_interval(plans: tuple[Plan, Plan]) -> None:
    """[LB2 - UB1, UB2 - LB1]: 10 at least 8 against 13 at least 12 is 2 to 5 more; 9 and up may be less."""

    def bounds(plan: Plan, value: float, least: float) -> Plan:
        return replace(plan, summary=plan.summary | {"objective_usd": value, "lower_bound_usd": least})

    sharp = diff(bounds(plans[0], 10e6, 8e6), bounds(plans[1], 13e6, 12e6))
    assert sharp.interval_usd == (2e6, 5e6)
    assert "between 2.000 M$ and 5.000 M$" in interval_words(sharp)
    assert "below resolution" not in interval_words(sharp)
    blunt = diff(bounds(plans[0], 10e6, 8e6), bounds(plans[1], 13e6, 9e6))
    assert blunt.interval_usd == (-1e6, 5e6)
    assert "b costs 3.000 M$ more than a" in interval_words(blunt)
    assert "below resolution" in interval_words(blunt)


def test_a_plan_does_not_differ_from_itself(plans: tuple[Plan, Plan], cases: tuple[Case, Case]) -> None:
    none = diff(plans[0], plans[0], (cases[0], cases[0]))
    assert (none.inputs, none.orders, none.results) == ((), (), ())
    assert {c.name for c in none.cost} == {TOTAL}
    assert none.difference_usd == 0.0


def test_order_is_a_matter_of_sign(found: Diff, plans: tuple[Plan, Plan], cases: tuple[Case, Case]) -> None:
    back = diff(plans[1], plans[0], (cases[1], cases[0]))
    assert back.difference_usd == -found.difference_usd
    low, high = found.interval_usd
    assert back.interval_usd == (-high, -low)
    assert {c.name: c.difference for c in back.cost if c.measure == "as paid"} == {
        c.name: -(c.difference or 0.0) for c in found.cost if c.measure == "as paid"
    }


# -- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def folders(plans: tuple[Plan, Plan], tmp_path: Path) -> tuple[str, str]:
    for name, plan in zip("ab", plans, strict=True):
        write_plan(plan, tmp_path / name)
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_words_and_file_say_the_same(folders: tuple[str, str], found: Diff, tmp_path: Path) -> None:
    done = run("diff", *folders, "--csv", str(tmp_path / "d.csv"))
    assert done.code == 0, done.err
    assert "site.grid.interconnection[0].mw: 12 MW -> 11.5 MW" in done.out
    assert "discounted at 10.00% a year to 2027-01-01" in done.out
    table = pd.read_csv(tmp_path / "d.csv")
    assert list(table.columns) == ["part", "name", "measure", "unit", "a", "b", "difference"]
    total = table[(table.name == TOTAL) & (table.measure == "present value")].iloc[0]
    assert float(total.difference) == pytest.approx(found.difference_usd, abs=0.1)
    interval = table[table.name == "least cost"].iloc[0]
    assert (float(interval.a), float(interval.b)) == tuple(pytest.approx(v, rel=1e-8) for v in found.interval_usd)


def test_without_their_cases_plans_are_compared_file_by_file(folders: tuple[str, str]) -> None:
    """The case of b is gone: its changes are still told, from plan.json."""
    file = Path(folders[1]) / "plan.json"
    told = json.loads(file.read_text())
    told["inputs"] |= {"case": "gone.yaml", "case_absolute": "/gone/case.yaml"}
    told["inputs_sha256"]["case.yaml"] = "0" * 64
    file.write_text(json.dumps(told))
    done = run("diff", *folders)
    assert done.code == 0, done.err
    assert "file by file" in done.out
    assert "site.grid.interconnection[0].mw: nothing -> 11.5" in done.out
    assert "case.yaml: " in done.out


def test_what_is_no_plan_is_refused(folders: tuple[str, str], tmp_path: Path) -> None:
    done = run("diff", folders[0], str(tmp_path))
    assert done.code == 2
    assert "holds no plan.json" in done.err
    done = run("diff", *folders, "--csv", str(tmp_path))
    assert done.code == 2
    assert "is no file in a folder that exists" in done.err


def test_plans_read_back_differ_alike(folders: tuple[str, str], found: Diff, cases: tuple[Case, Case]) -> None:
    back = diff(read_plan(Path(folders[0])), read_plan(Path(folders[1])), cases)
    assert [c[:4] for c in back.cost] == [c[:4] for c in found.cost]
    assert [c.difference for c in back.cost] == [pytest.approx(c.difference, abs=1.0) for c in found.cost]
    assert back.orders == found.orders
