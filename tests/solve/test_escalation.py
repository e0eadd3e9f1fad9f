"""Prices that grow from year to year: on paper, decomposed against the whole model, and under the audit's eye.

Purpose: analytic, each expected value derived in its test; properties of cuts shared between years; equivalence.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.errors import InputError
from planner.plan.audit import require
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
COMMON: dict[str, Any] = {
    "vendor": "own",
    "model": "own",
    "status": "available",
    "footprint_m2": 1,
    "economic_life_years": 10,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.0,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}
# An engine of 2 MW with 8 MMBtu a MWh and 5 $/MWh of O&M.
ENGINE = COMMON | {
    "id": "own_engine",
    "family": "generation",
    "class": "own_engine",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 2,
    "derate_from_c": 60,
    "heat_rate_btu_per_kwh_hhv": 8000,
    "variable_om_usd_per_mwh": 5,
    "fixed_om_fraction_per_year": 0.02,
    "price_usd": 1e6,
}
BATTERY = COMMON | {
    "id": "own_battery",
    "family": "battery",
    "class": "own_battery",
    "brings": ["battery"],
    "nameplate_power_mw": 1,
    "nameplate_energy_mwh": 4,
    "round_trip_efficiency_fraction": 0.81,
    "wear_cost_usd_per_mwh": 3,
    "price_usd": 3e5,
}
SUN = COMMON | {
    "id": "own_sun",
    "family": "renewable",
    "class": "own_sun",
    "brings": ["renewable"],
    "nameplate_power_mw": 1,
    "dc_ac_ratio": 1.2,
    "price_usd": 8e5,
}
SITE: dict[str, Any] = {
    "start": "2026-01-01",
    "horizon": {"build_months": 0, "operating_years": 5, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "finance": {"discount_rate": 0.0, "indirects_fraction": 0, "contingency_fraction": 0},
}
OWNED = {"committed": [{"item": "own_engine", "units": 1, "on_site": "2025-01-01"}]}


def site(make: Make, *changes: dict[str, Any], load: Any = 10.0, **rates: float) -> Case:
    """A load under a grid, with the rates its prices grow at."""
    return make(
        SITE,
        {"finance": {"escalation_fraction_per_year": rates}} if rates else {},
        *changes,
        series=load,
        items=[ENGINE, BATTERY, SUN],
    )


def test_every_price_grows_at_its_own_rate(make_case: Make) -> None:
    """10 MW for five years, 2 MW of them from an engine at 8 MMBtu x 3 $ + 5 $ = 29 $/MWh, 8,760 hours a year.

    Energy 8 MW x 50 $, demand 8 MW x 9 $/kW a month, fuel 2 MW x 24 $, O&M 2 MW x 5 $ and 1,667 $ a month; each of
    the years 2026 to 2030 at (1 + rate) ^ (year - 2026).
    """
    rates = {"energy": 0.02, "demand": -0.01, "natural_gas": 0.03, "variable_om": 0.005, "fixed_om": 0.04}
    site_changes = {
        "site": {
            "grid": {"tariff": {"demand_usd_per_kw_month": 9, "fixed_usd_per_month": 1000}},
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": 3.0},
        }
    }
    case = site(make_case, OWNED, site_changes, **rates)
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    first_year = {
        "energy": (8 * 50.0 * 8760, 0.02),
        "demand charge": (12 * 8 * 9e3, -0.01),
        "fixed charge": (12 * 1000.0, -0.01),
        "fuel": (2 * 24.0 * 8760, 0.03),
        "variable O&M": (2 * 5.0 * 8760, 0.005),
        "fixed O&M": (2e4, 0.04),
    }
    paid = plan.ledger.groupby(["line", plan.ledger.date.map(lambda day: day.year)]).usd.sum()
    for line, (usd, rate) in first_year.items():
        want = [usd * (1 + rate) ** n for n in range(5)]
        assert [paid[line, 2026 + n] for n in range(5)] == pytest.approx(want, rel=1e-9), line
    total = sum(usd * (1 + rate) ** n for usd, rate in first_year.values() for n in range(5))
    assert plan.summary["objective_usd"] == pytest.approx(total, rel=1e-9)


def test_growth_and_discount_go_with_the_date(make_case: Make) -> None:
    """From July 2027, prices of 2025: January 2028 is dearer than December 2027, and is paid on its 15th at 8 %."""
    late = {
        "start": "2027-07-01",
        "horizon": {"operating_years": 2},
        "finance": {"base_year": 2025, "discount_rate": 0.08},
    }
    case = site(make_case, late, energy=0.1)
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    days = [31, 31, 30, 31, 30, 31, 31, 28, 31, 30, 31, 30] * 2
    month = [date(2027 + (6 + i) // 12, (6 + i) % 12 + 1, 15) for i in range(24)]
    bills = [10 * 24 * n * 50.0 * 1.1 ** (day.year - 2025) for n, day in zip(days, month, strict=True)]
    worth = [usd * 1.08 ** (-(day - date(2027, 7, 1)).days / 365) for usd, day in zip(bills, month, strict=True)]
    assert plan.ledger[plan.ledger.line == "energy"].usd.tolist() == pytest.approx(bills, rel=1e-9)
    assert plan.summary["objective_usd"] == pytest.approx(sum(worth), rel=1e-9)
