"""The audit of what the grid, permits and flexible compute add: good plans pass, every edit is caught."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case.case import Case
from planner.plan.audit import audit, require
from planner.plan.plan import TABLES, Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

Make = Callable[..., Case]
Edit = Callable[[dict[str, pd.DataFrame]], None]
SUN, RACK, ENGINE = "solar_single_axis_1mw", "nvidia_gb300_nvl72", "jenbacher_j620"


def failed(plan: Plan, case: Case, edit: Edit) -> set[str]:
    """Names of the checks an edited plan fails."""
    tables: dict[str, Any] = {name: plan.table(name).copy() for name in TABLES}
    edit(tables)
    return {check.name for check in audit(Plan(copy.deepcopy(plan.summary), **tables), case) if not check.ok}


def change(column: str, by: float, pick: Callable[[pd.DataFrame], Any]) -> Edit:
    """An edit of the first row of the dispatch that is picked."""

    def edit(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables["dispatch"]
        row = frame.index[pick(frame)][0]
        frame.loc[row, column] += by

    return edit


def scale(line: str, by: float) -> Edit:
    """An edit of the first ledger row of a line."""

    def edit(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables["ledger"]
        frame.loc[frame.index[frame["line"] == line][0], "usd"] *= by

    return edit


def solved(case: Case) -> Plan:
    plan = plan_of(solve(case, threads=1, time_limit=120))
    require(plan, case)
    return plan


# --- export and hourly prices -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def export_case(make_case: Make) -> Case:
    hour = np.arange(8760)
    price = 45.0 + 25.0 * np.cos(2 * np.pi * (hour % 24 - 19) / 24)
    price[(hour // 24 % 2 == 0) & (hour % 24 == 12)] = -500.0
    price[(hour // 24 % 5 == 0) & (hour % 24 == 15)] = 10_000.0
    grid = {
        "tariff": {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}},
        "export": {"mw": 6, "series": {"file": "sell.csv", "column": "usd"}},
    }
    changes = {"site": {"grid": grid}, "candidates": {"renewable": [SUN]}}
    cheap = [f"catalog.{SUN}.price_usd=1e5"]
    return make_case(changes, prices={"buy": price, "sell": price - 4.0}, set=cheap)


@pytest.fixture(scope="module")
def export_plan(export_case: Case) -> Plan:
    return solved(export_case)


def test_a_plan_that_sells_passes_read_back_too(export_plan: Plan, export_case: Case, tmp_path: Any) -> None:
    assert export_plan.dispatch.grid_export_mw.max() == pytest.approx(6.0)
    assert export_plan.ledger.usd[export_plan.ledger.line == "export receipts"].max() < 0
    assert export_plan.dispatch.grid_import_mw.max() > 1.0
    write_plan(export_plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), export_case)


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("export limit", change("grid_export_mw", 3.0, lambda f: f.grid_export_mw > 5.0)),
        ("import or export", change("grid_import_mw", 1.0, lambda f: f.grid_export_mw > 5.0)),
        ("power balance", change("grid_export_mw", -0.5, lambda f: f.grid_export_mw > 5.0)),
        ("ledger operation", scale("export receipts", 1.001)),
        ("ledger operation", scale("energy", 0.999)),
    ],
)
def test_edits_of_export_are_caught(export_plan: Plan, export_case: Case, check: str, edit: Edit) -> None:
    assert check in failed(export_plan, export_case, edit)
