"""A site whose what-ifs can be had by hand: a flat load on a short grid, the rest from engines that run dearer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from planner.case.case import Case
from planner.timeline import add_months
from planner.whatif.engine import WhatIfs
from tests.conftest import QUICK
from tests.own import ENGINE

Make = Callable[..., Case]
# 10 MW on a grid of 8: one engine of 5 MW makes 2 MW at 8 MMBtu x 10 $ + 5 = 85 $/MWh, and the grid sells at 50.
SITE: dict[str, Any] = {
    "workload": None,
    "horizon": {"build_months": 12, "operating_years": 1},
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 8, "via": "existing_feeders"}],
            "tariff": {"demand_usd_per_kw_month": 0},
        },
        "fuel": {"natural_gas_usd_per_mmbtu_hhv": 10.0},
    },
}
ENGINE_USD = float(ENGINE["price_usd"])


def whatifs_of(case: Case, *changes: str, gap: float = 1e-3) -> WhatIfs:
    """What-ifs of a case that `make_case` has written."""
    return WhatIfs(case.path, [*QUICK, *changes], gap=gap, threads=1)


def site(make: Make, *changes: dict[str, Any], items: list[dict[str, Any]] | None = None) -> Case:
    """The site with changes."""
    return make(SITE, *changes, series=10.0, items=items or [ENGINE])


def worth_of_power_usd(usd_per_mwh: float) -> float:
    """Present value of a MW in every hour of 2027 and 2028 at 10 % a year, each month paid in its middle."""
    total = 0.0
    for month in range(24):
        first, after = add_months(date(2027, 1, 1), month), add_months(date(2027, 1, 1), month + 1)
        days = 28 if first.month == 2 else (after - first).days  # years of 365 days
        middle = (first - date(2027, 1, 1)).days + 0.5 * days
        total += usd_per_mwh * 24.0 * days * 1.1 ** (-middle / 365.0)
    return total


def engine_usd(price_usd: float) -> float:
    """Present value of an engine for 731 days of its twenty years: installed and with indirects, as an annuity.

    What is left of it is worth the annuities left, so it costs those of the years it serves.
    """
    years = 731 / 365.0
    installed = price_usd * 1.1 * (1.0 + 0.18 + 0.10)
    return installed * (1.0 - (1.0 - 1.1 ** -(20 - years)) / (1.0 - 1.1**-20) * 1.1**-years)
