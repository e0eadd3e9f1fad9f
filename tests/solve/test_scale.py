"""Sites of some kW and of 5 GW, and prices from -500 to 10,000 $/MWh: the same optimum both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.solve.decomposition import solve
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
GAP = 1e-6
NOW = [
    f"catalog.{item}.{name}_weeks=0"
    for item in ("tesla_megablock_4h", "jenbacher_j620", "solar_single_axis_1mw")
    for name in ("lead_time", "installation")
]


def site(make: Make, peak_mw: float, prices: Any = None) -> Case:
    """A load on a grid of four fifths of it; sun by the MW, batteries and engines in whole units."""
    hour = np.arange(8760)
    load = peak_mw * (0.8 + 0.2 * np.sin(2 * np.pi * (hour - 9) / 24))
    tariff: dict[str, Any] = {"demand_usd_per_kw_month": 9}
    if prices is not None:
        tariff |= {"energy_usd_per_mwh": None, "energy_series": {"file": "prices.csv", "column": "usd"}}
    changes = {
        "workload": None,
        "horizon": {"build_months": 0, "operating_years": 2, "sample_days_per_month": 2},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 0.8 * peak_mw, "via": "existing_feeders"}],
                "tariff": tariff,
            }
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": ["jenbacher_j620"],
            "renewable": ["solar_single_axis_1mw"],
            "battery": ["tesla_megablock_4h"],
        },
    }
    return make(changes, series=load, set=NOW, prices=None if prices is None else {"prices": prices})


def assert_same(case: Case) -> None:
    found, whole = solve(case, gap=GAP, threads=1, time_limit=120.0), solve_monolithic(case, gap=GAP)
    room = 3 * GAP * abs(whole.upper_kusd)
    assert found.upper_kusd == pytest.approx(whole.upper_kusd, abs=room)
    assert found.lower_kusd <= whole.upper_kusd + room
    assert whole.lower_kusd <= found.upper_kusd + room


@pytest.mark.parametrize("peak_mw", [0.02, 5000.0])
def test_small_and_large_sites(make_case: Make, peak_mw: float) -> None:
    assert_same(site(make_case, peak_mw))


def test_wild_prices(make_case: Make) -> None:
    """Scarcity and surplus in single hours: the battery earns from both, the meter never runs both ways."""
    prices = np.full(8760, 45.0)
    prices[11 :: 24 * 5] = -500.0
    prices[18 :: 24 * 3] = 10_000.0
    assert_same(site(make_case, 40.0, prices))
