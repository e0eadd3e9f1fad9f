"""Gas, air permit, curtailment and tests of standby sets on paper.

Purpose: analytic, each expected value derived in its test; equivalence with the whole model; the audit's eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from own import BATTERY, ENGINE

from planner.case.case import Case
from planner.plan.audit import require
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
# 10 MW of load on an island with engines of 5 MW that burn 8 MMBtu a MWh: 1,920 MMBtu a day.
ISLAND: dict[str, Any] = {
    "horizon": {"build_months": 2, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 90, "demand_usd_per_kw_month": 0},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
}
FLAT = ["catalog.own_engine.derate_from_c=60"]


def site(make: Make, *changes: dict[str, Any], load: Any = 10.0, items: list[Any] | None = None, **more: Any) -> Case:
    """A load, a grid of 40 MW at 90 $/MWh, and engines at 45 $/MWh."""
    more["set"] = [*FLAT, *more.get("set", [])]
    return make(ISLAND, *changes, series=load, items=items or [BATTERY, ENGINE], **more)


def gas(**fields: Any) -> dict[str, Any]:
    """A gas supply from the start on."""
    supply = {"from": "2027-01-01", "mmbtu_hhv_per_day": 960} | fields
    return {"site": {"gas": supply}}


def bought(plan: Solution, item: str) -> float:
    """Units of an item in the end."""
    variables = plan.sizing.model.bought
    last = max(k for name, k in variables if name == item)
    return plan.master.value(variables[item, last], plan.point)


def flow(plan: Solution, name: str) -> np.ndarray:
    """A column of the dispatch."""
    frame = plan_of(plan).dispatch
    return frame[name].to_numpy() if name in frame else np.zeros(len(frame))


def test_gas_of_half_the_day_runs_half_the_load(make_case: Make) -> None:
    """960 MMBtu a day are 120 MWh of 8 MMBtu: 5 MW all day, of one engine and no more."""
    plan = solve(site(make_case, gas()), gap=1e-6, threads=1)
    made = flow(plan, "generation:own_engine_mw").reshape(-1, 24)
    assert bought(plan, "own_engine") == pytest.approx(1)
    assert made.sum(axis=1) == pytest.approx(np.full(len(made), 120.0))
    require(plan_of(plan), plan.sizing.case)
