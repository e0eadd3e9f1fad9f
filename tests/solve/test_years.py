"""Periods of different lengths: the calendar, a decade on paper, and what passes from one year to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import InputError
from planner.ledger import operating_weights
from planner.operation.blocks import plant_of
from planner.sizing.model import build_sizing
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.master import Master
from planner.solve.states import states_of
from planner.timeline import NEVER, Timeline

Make = Callable[..., Case]
# An engine of 10 MW that is there 90 % of the time, with 8 MMBtu a MWh at 5 $ and 5 $ of O&M: 45 $/MWh.
ENGINE: dict[str, Any] = {
    "id": "own_engine",
    "family": "generation",
    "class": "own_engine",
    "vendor": "own",
    "model": "own",
    "status": "available",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 10,
    "availability_fraction": 0.9,
    "heat_rate_btu_per_kwh_hhv": 8000,
    "variable_om_usd_per_mwh": 5,
    "fixed_om_fraction_per_year": 0.024,
    "footprint_m2": 1,
    "economic_life_years": 20,
    "price_usd": 5e6,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.1,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}
# A tenth more of the load every year; one step in the middle of 2030, that counts from 2031.
GROWTH = [{"from": f"{2027 + y}-01-01", "fraction": round(0.4 + 0.1 * y, 1)} for y in range(10)]
GROWTH[4]["from"] = "2030-07-01"
DECADE: dict[str, Any] = {
    "horizon": {"build_months": 0, "expansion_years": 9, "operating_years": 1},
    "workload": None,
    "target": {
        "milestones": None,
        "load_series": {"file": "load.csv", "column": "mw"},
        "load_scale": GROWTH,
    },
    "site": {
        "grid": {
            "interconnection": [
                {"from": "2026-01-01", "mw": 70, "via": "existing_feeders"},
                {"from": "2032-06-15", "mw": 100, "via": "existing_feeders"},
            ],
            "tariff": {"energy_usd_per_mwh": 20, "demand_usd_per_kw_month": 0, "fixed_usd_per_month": 1000},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"]},
}


# --- the calendar -----------------------------------------------------------------------------------------


def test_periods_of_three_kinds() -> None:
    """Two months, two years, and three times the same year: 2 + 24 + 36 months from 1 November 2026."""
    t = Timeline(date(2026, 11, 1), build_months=2, operating_years=3, expansion_years=2)
    assert t.starts == (*(date(y, m, 1) for y, m in ((2026, 11), (2026, 12), (2027, 1), (2028, 1), (2029, 1))),)
    assert [t.phase(p) for p in range(5)] == ["build", "build", "expansion year", "expansion year", "operating year"]
    assert [len(t.places(p)) for p in range(5)] == [1, 1, 12, 12, 12]
    assert (t.last_period, len(t.months), t.end) == (4, 62, date(2032, 1, 1))
    assert list(t.months_at(3, 4)) == [18]  # May 2028
    assert [t.middle(m) for m in t.months_at(4, 4)] == [date(y, 5, 15) for y in (2029, 2030, 2031)]
    assert [m for p in range(5) for m in t.months_of(p)] == list(t.months)


@pytest.mark.parametrize(
    ("day", "first", "last_begun"),
    [
        (date(2026, 10, 31), 0, -1),
        (date(2026, 11, 2), 1, 0),
        (date(2027, 1, 1), 2, 2),
        (date(2027, 1, 2), 3, 2),  # inside a year: from the next
        (date(2029, 1, 1), 4, 4),
        (date(2029, 1, 2), NEVER, 4),
    ],
)
def test_a_thing_counts_from_the_next_period(day: date, first: int, last_begun: int) -> None:
    t = Timeline(date(2026, 11, 1), build_months=2, operating_years=3, expansion_years=2)
    assert (t.first_period(day), t.period_of(day)) == (first, last_begun)


def test_states_and_weights(make_case: Make) -> None:
    """From September: three build months, a year from December, and two like it; a dollar a month in all."""
    horizon = {"build_months": 3, "expansion_years": 1, "operating_years": 2}
    case = make_case(
        {"start": "2027-09-01", "horizon": horizon, "target": {"milestones": [{"gpus": 72, "by": "2028-12-01"}]}}
    )
    states = states_of(case)
    assert [s.block for s in states[:5]] == ["m09", "m10", "m11", "m12", "m01"]
    assert [(s.period, s.place) for s in states] == [(0, 0), (1, 0), (2, 0)] + [
        (p, k) for p in (3, 4) for k in range(12)
    ]
    weights = operating_weights(case)
    assert list(weights) == [(s.period, s.place) for s in states]
    paid = [date(2027 + (8 + m) // 12, (8 + m) % 12 + 1, 15) for m in range(39)]
    worth = [1.1 ** (-(day - date(2027, 9, 1)).days / 365) for day in paid]
    assert sum(weights.values()) == pytest.approx(sum(worth), rel=1e-12)
    assert weights[3, 2] == pytest.approx(worth[5], rel=1e-12)
    assert weights[4, 2] == pytest.approx(worth[17] + worth[29], rel=1e-12)


# --- a decade on paper ------------------------------------------------------------------------------------


def test_a_decade_on_paper(make_case: Make) -> None:
    """100 MW in every hour, times 0.4 in 2027 to 1.3 in 2036; 70 MW of grid, 100 MW from 2033.

    The step of June 2032 counts from January 2033, that of the load of July 2030 from January 2031.
    year      2027 28 29 30 | 31  32  33   34   35   36
    load MW     40 50 60 70 | 80  90 100  110  120  130
    grid MW     70 70 70 70 | 70  70 100  100  100  100
    engines MW   0  0  0  0 | 10  20   0   10   20   30     9 MW a unit on average
    units        0  0  0  0 |  2   3   3    3    3    4
    Grid power is the cheapest (20 against 45 $/MWh) and a unit bought later costs less today, so none is early.
    """
    case = make_case(DECADE, series=100.0, items=[ENGINE])
    solution = solve(case, gap=1e-7, threads=1)
    plan = plan_of(solution)
    require(plan, case)
    standing = plan.installed[plan.installed["item"] == "own_engine"].set_index("period").units.to_dict()
    assert standing == {date(2031 + y, 1, 1): n for y, n in enumerate([2, 3, 3, 3, 3, 4])}

    start, end = date(2027, 1, 1), date(2037, 1, 1)

    def worth(day: date) -> float:
        return float(1.1 ** (-(day - start).days / 365))

    total = 0.0
    for year, units in ((2031, 2), (2032, 1), (2036, 1)):
        served, cost = date(year, 1, 1), 5e6 * 1.1 * 1.28
        left = 20 - (end - served).days / 365
        rest = (1 - 1.1**-left) / (1 - 1.1**-20)
        om = sum(5e6 * 0.024 / 12 * worth(date(y, m, 15)) for y in range(year, 2037) for m in range(1, 13))
        total += units * (cost * worth(served) - cost * rest * worth(end) + om)
    days = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    for y in range(10):
        load, grid = 40 + 10 * y, 70 if y < 6 else 100
        per_hour = 20 * min(load, grid) + 45 * max(0, load - grid)
        for m in range(12):
            total += (per_hour * 24 * days[m] + 1000) * worth(date(2027 + y, m + 1, 15))
    assert solution.upper_kusd * 1000 == pytest.approx(total, rel=1e-9)
    assert solution.lower_kusd * 1000 == pytest.approx(total, rel=1e-6)


def test_a_year_that_stands_at_the_start(make_case: Make) -> None:
    """No build and no expansion: 90 MW on 70 MW of grid; 20 MW need three units of 9, ordered on the first day."""
    horizon = {"build_months": 0, "expansion_years": 0, "operating_years": 3}
    target = {"load_scale": None}
    grid = {"interconnection": DECADE["site"]["grid"]["interconnection"][:1]}
    case = make_case(
        DECADE, {"horizon": horizon, "target": target, "site": {"grid": grid}}, series=90.0, items=[ENGINE]
    )
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    require(plan, case)
    assert plan.orders.units.tolist() == [3]
    assert plan.orders.order_date.tolist() == plan.orders.commissioning_date.tolist() == [date(2027, 1, 1)]
    assert set(plan.dispatch.phase) == {"operating year"}


# --- charge from year to year -----------------------------------------------------------------------------


# Two months, a year, and a year that repeats; four batteries stand from the start, more may be bought.
FOUR: dict[str, Any] = {
    "horizon": {"build_months": 2, "expansion_years": 1, "operating_years": 2, "sample_days_per_month": None},
    "target": {"load_scale": None},
    "site": {"grid": {"interconnection": DECADE["site"]["grid"]["interconnection"][:1]}},
    "candidates": {"generation": None},
    "committed": [{"item": "tesla_megablock_4h", "units": 4, "on_site": "2026-01-01"}],
}


def most_charge(case: Case, at: tuple[int, int, str], held: dict[tuple[int, int, str], float]) -> float:
    """Most charge the sizing rows allow at an edge, with others held. [MWh]"""
    sizing = build_sizing(plant_of(case))
    m = sizing.model
    for (p, k, side), mwh in held.items():
        m.edge[p, k, f"soc_{side}:tesla_megablock_4h"].fix(mwh)
    asked = m.edge[at[0], at[1], f"soc_{at[2]}:tesla_megablock_4h"]
    if asked.fixed:
        return float(asked.value)
    master = Master(sizing)
    gradient, _ = master.gradient(asked)
    master.minimise(-gradient)
    result = master.solve(relaxed=True)
    assert result.point is not None
    return float(gradient @ result.point)


@pytest.mark.parametrize(
    ("at", "held", "mwh"),
    [
        ((0, 0, "start"), {}, 0.0),  # empty at the start
        ((1, 0, "start"), {(0, 0, "end"): 7.0}, 7.0),  # month to month
        ((2, 0, "start"), {(1, 0, "end"): 5.0}, 5.0),  # month to year
        ((2, 11, "end"), {(1, 0, "end"): 5.0}, 5.0),  # the year closes its circle
        ((2, 6, "start"), {(2, 5, "end"): 9.0}, 9.0),  # inside the year
        ((3, 0, "start"), {(1, 0, "end"): 5.0}, 5.0),  # year to year: no more than the build left
        ((3, 0, "start"), {(2, 11, "end"): 3.0}, 3.0),
    ],
)
def test_charge_is_carried_and_never_made(
    make_case: Make, at: tuple[int, int, str], held: dict[tuple[int, int, str], float], mwh: float
) -> None:
    case = make_case(DECADE, FOUR, series=50.0)
    assert most_charge(case, at, held) == pytest.approx(mwh, abs=1e-7)


def test_charge_is_within_the_units_that_stand(make_case: Make) -> None:
    case = make_case(DECADE, FOUR, series=50.0)
    energy = 4 * case.catalog["tesla_megablock_4h"].get("nameplate_energy_mwh")
    for at in ((0, 0, "end"), (2, 5, "end"), (3, 7, "start")):
        assert most_charge(case, at, {}) == pytest.approx(energy)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"target": {"load_scale": [{"from": "2036-01-02", "fraction": 2}]}}, "comes after the build"),
        (
            {"target": {"load_scale": [{"from": "2030-01-01", "fraction": 1}, {"from": "2029-01-01", "fraction": 2}]}},
            "in order of date",
        ),
        ({"target": {"load_scale": [{"from": "2030-01-01", "fraction": -1}]}}, "at least 0"),
        ({"target": {"load_series": None, "milestones": [{"gpus": 72, "by": "2030-01-01"}]}}, "scales a load_series"),
        ({"committed": [{"item": "ups_generic", "units": 1, "on_site": "2036-01-02"}]}, "comes after the build"),
        ({"horizon": {"expansion_years": -1}}, "at least 0"),
    ],
)
def test_what_a_decade_refuses(make_case: Make, change: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError) as caught:
        make_case(DECADE, change, series=np.full(8760, 100.0), items=[ENGINE])
    assert any(rule in fault.rule for fault in caught.value.faults), str(caught.value)


def test_dates_in_expansion_years_are_allowed(make_case: Make) -> None:
    """The last of them is the first day of the operating period."""
    change = {
        "target": {"load_scale": [{"from": "2036-01-01", "fraction": 2}]},
        "committed": [{"item": "ups_generic", "units": 1, "on_site": "2036-01-01"}],
    }
    case = make_case(DECADE, change, series=100.0, items=[ENGINE])
    assert case.timeline.starts[-1] == date(2036, 1, 1)
