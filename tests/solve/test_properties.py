"""What must hold between solves: relaxing a limit, scaling money, threads, and cases without an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.errors import InfeasibleError, Shortfall
from planner.solve.decomposition import solve
from planner.solve.solution import Solution

Make = Callable[..., Case]
GAP = 1e-6
RACK = "nvidia_gb300_nvl72"
# 1440 GPUs (20 racks, 2.84 MW of IT) by February on a 2 MW grid with engines; racks late, cash short.
TIGHT: dict[str, Any] = {
    "site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 2, "via": "existing_feeders"}]}},
    "candidates": {"generation": ["jenbacher_j620"]},
    "target": {"milestones": [{"gpus": 1440, "by": "2028-02-01"}]},
    "supply": {RACK: {"2027Q3": 12, "2027Q4": 8}},
    "budget": [{"by": "2027-08-31", "usd": 4.2e7}],
}
RELAXED: dict[str, dict[str, Any]] = {
    "grid": {"site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 6, "via": "existing_feeders"}]}}},
    "milestone": {"target": {"milestones": [{"gpus": 1440, "by": "2028-05-01"}]}},
    "supply": {"supply": {RACK: {"2027Q3": 12, "2027Q4": 20}}},
    "budget": {"budget": [{"by": "2027-08-31", "usd": 9.0e7}]},
}


@pytest.fixture(scope="module")
def tight(make_case: Make) -> Solution:
    return solve(make_case(TIGHT), gap=GAP, threads=1)


@pytest.mark.parametrize("limit", list(RELAXED))
def test_relaxing_a_limit_never_costs_more(make_case: Make, tight: Solution, limit: str) -> None:
    """The plan under the tighter limit still stands: the new best is proven no dearer than it."""
    change = RELAXED[limit]
    relaxed = solve(make_case(TIGHT, change), gap=GAP, threads=1)
    assert relaxed.lower_kusd <= relaxed.upper_kusd
    assert relaxed.upper_kusd <= tight.upper_kusd + relaxed.gap_kusd + 1e-6
    if limit in ("grid", "milestone", "supply"):  # these do bind
        assert relaxed.upper_kusd < tight.lower_kusd


def test_bounds_of_a_solve(tight: Solution) -> None:
    assert 0 < tight.forced_kusd < tight.lower_kusd <= tight.upper_kusd
    assert tight.gap_reached
    assert tight.gap_fraction <= GAP


# --- money ------------------------------------------------------------------------------------------------

ENERGY: dict[str, Any] = {
    "site": {
        "grid": {
            "tariff": {
                "energy_usd_per_mwh": None,
                "demand_usd_per_kw_month": 12,
                "fixed_usd_per_month": 900,
                "energy_periods": [
                    {"name": "base", "usd_per_mwh": 40},
                    {"name": "peak", "usd_per_mwh": 95, "weekday_hours": [15, 16, 17], "weekend_hours": []},
                ],
            }
        },
    },
    "target": {"milestones": [{"gpus": 2160, "by": "2028-05-01"}]},
    "candidates": {"generation": ["jenbacher_j620"], "battery": ["tesla_megapack_2xl_4h"]},
}
CHEAP = ["catalog.tesla_megapack_2xl_4h.price_usd=3e5"]


@pytest.fixture(scope="module")
def energy(make_case: Make) -> Solution:
    return solve(make_case(ENERGY, set=CHEAP), gap=GAP, threads=1)


def doubled(case: Case) -> list[str]:
    """Overrides that double every price of a case: items, tariff, fuel."""
    items = sorted({name for names in case.candidates.values() for name in names})
    fields = ("price_usd", "variable_om_usd_per_mwh", "wear_cost_usd_per_mwh", "fixed_om_usd_per_kw_year")
    prices = [
        f"catalog.{item}.{field}={2 * case.catalog[item].get(field)!r}"
        for item in items
        for field in fields
        if getattr(case.catalog[item], field) is not None
    ]
    return [
        *prices,
        "site.grid.tariff.demand_usd_per_kw_month=24",
        "site.grid.tariff.fixed_usd_per_month=1800",
        "site.grid.tariff.energy_periods[0].usd_per_mwh=80",
        "site.grid.tariff.energy_periods[1].usd_per_mwh=190",
        "site.fuel.natural_gas_usd_per_mmbtu_hhv=10",
    ]


def test_twice_the_prices_are_twice_the_cost(make_case: Make, energy: Solution) -> None:
    twice = solve(make_case(ENERGY, set=[*CHEAP, *doubled(energy.sizing.case)]), gap=GAP, threads=1)
    assert abs(twice.upper_kusd - 2 * energy.upper_kusd) <= twice.gap_kusd + 2 * energy.gap_kusd + 1e-6
    assert twice.forced_kusd == pytest.approx(2 * energy.forced_kusd)


def test_threads_change_nothing(make_case: Make, energy: Solution) -> None:
    again = solve(make_case(ENERGY, set=CHEAP), gap=GAP, threads=2)
    assert np.array_equal(again.point, energy.point)
    assert (again.upper_kusd, again.lower_kusd, again.rounds) == (
        energy.upper_kusd,
        energy.lower_kusd,
        energy.rounds,
    )
    for s, value in energy.values.items():
        assert np.array_equal(again.values[s].primal, value.primal)


# --- no answer --------------------------------------------------------------------------------------------


def shortfalls(case: Case) -> dict[str, Shortfall]:
    with pytest.raises(InfeasibleError) as caught:
        solve(case, threads=1, time_limit=60)
    assert str(caught.value)
    return {shortfall.limit: shortfall for shortfall in caught.value.shortfalls}


def test_a_deadline_before_any_transformer(make_case: Make) -> None:
    """Racks can run in August (26 + 2 + 1 weeks), transformers not before October (30 + 2 + 3).

    10 racks of 142 kW need 1.42 MW of IT, and more at the transformer for network, losses and cooling.
    """
    found = shortfalls(make_case({"target": {"milestones": [{"gpus": 720, "by": "2027-09-01"}]}}))
    assert found["milestone"].amount == pytest.approx(720)
    assert found["milestone"].unit == "GPUs"
    assert 1.42 < found["equipment that can arrive in time"].amount < 3.0
    assert "budget" not in found


def test_a_budget_too_small(make_case: Make) -> None:
    """10 racks at 4 M$ are 40 M$, all paid when they run; the rest of the site costs some more.

    The shortfall counts hardware alone. With less than that no plan is possible; with 2 M$ on top for two
    months of energy (1.42 MW x 1.5 of overheads x 1460 h at 50 $ is 0.2 M$) one is.
    """
    budget = [{"by": "2028-06-30", "usd": 1e7}]
    short = shortfalls(make_case({"budget": budget}))["budget"]
    assert 30 < short.amount < 80
    assert short.unit == "million USD"
    less = [{"by": "2028-06-30", "usd": 1e7 + 0.99e6 * short.amount}]
    assert "budget" in shortfalls(make_case({"budget": less}))
    enough = [{"by": "2028-06-30", "usd": 1.2e7 + 1e6 * short.amount}]
    assert solve(make_case({"budget": enough}), threads=1).gap_reached


def test_a_grid_too_small_without_engines(make_case: Make) -> None:
    """1.42 MW of IT and all that serves it on 1 MW of grid; only fewer racks or more grid help."""
    steps = [{"from": "2027-06-01", "mw": 1, "via": "existing_feeders"}]
    found = shortfalls(make_case({"site": {"grid": {"interconnection": steps}}}))
    assert set(found) == {"milestone", "grid connection"}
    assert 0.42 < found["grid connection"].amount < 2.0
    assert found["grid connection"].unit == "MW"


def test_a_load_above_the_grid(make_case: Make) -> None:
    """A plain load of 10 MW with a peak of 14 on 8 MW of grid and nothing else: 6 MW are missing."""
    load = 10 + 4 * np.sin(2 * np.pi * np.arange(8760) / 24)
    steps = [{"from": "2026-01-01", "mw": 8, "via": "existing_feeders"}]
    changes: dict[str, Any] = {
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {"compute": None, "heat_rejection": None},
        "site": {"grid": {"interconnection": steps}},
    }
    found = shortfalls(make_case(changes, series=load))
    assert set(found) == {"grid connection"}
    assert found["grid connection"].amount == pytest.approx(6.0, rel=1e-3)


def test_a_milestone_in_mw_is_short_in_mw(make_case: Make) -> None:
    """3 MW of IT by September 2027, when nothing can run: all 3 MW are missing, not 3 GPUs."""
    found = shortfalls(make_case({"target": {"milestones": [{"it_mw": 3, "by": "2027-09-01"}]}}))
    assert found["milestone"].amount == pytest.approx(3)
    assert found["milestone"].unit == "MW of IT"
