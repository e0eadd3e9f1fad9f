"""Batteries that fade: what is left of every purchase, and when more is bought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.plan.audit import require
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic

Make = Callable[..., Case]
HOUR = np.arange(8760)
# 1 MW and 4 MWh without losses or wear, ordered and standing on the same day.
STORE: dict[str, Any] = {
    "id": "own_store",
    "family": "battery",
    "class": "own_store",
    "vendor": "own",
    "model": "own",
    "status": "available",
    "brings": ["battery"],
    "nameplate_power_mw": 1,
    "nameplate_energy_mwh": 4,
    "round_trip_efficiency_fraction": 1.0,
    "wear_cost_usd_per_mwh": 0,
    "footprint_m2": 1,
    "economic_life_years": 20,
    "price_usd": 1e6,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.0,
    "fixed_om_fraction_per_year": 0.0,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}


def store(by_year: dict[float, float] | None, **change: Any) -> dict[str, Any]:
    """The battery, with what is left of its energy by year."""
    curve = {"by_year": by_year, "source": "made for a test", "date": "2026-01", "confidence": "estimate"}
    return STORE | change | ({"energy_retention_fraction": curve} if by_year else {})


# Ten MW all day and 14 MW in the four hours from 16:00, on 10.8 MW of grid: 16 x .8 = 12.8 MWh may be charged at
# most, and 4 x 3.2 = 12.8 MWh are needed every day.
FLAT: dict[str, Any] = {
    "horizon": {"build_months": 0, "expansion_years": 3, "operating_years": 2, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 10.8, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_store"]},
}
LOAD = 10.0 + np.where((HOUR % 24 >= 16) & (HOUR % 24 < 20), 4.0, 0.0)


def test_try(make_case: Make) -> None:
    case = make_case(FLAT, series=LOAD, items=[store({0: 1.0, 5: 0.75, 10: 0.5})])
    solution = solve(case, gap=1e-7, threads=1)
    whole = Monolithic(case).solve(gap=1e-7)
    plan = plan_of(solution)
    print(plan.orders[["order_date", "units"]])
    print(plan.capacity)
    print(solution.upper_kusd, solution.lower_kusd, whole.upper_kusd, whole.lower_kusd, solution.block_solves)
    assert solution.upper_kusd == pytest.approx(whole.upper_kusd, rel=3e-7)
    require(plan, case)
