"""Batteries that fade: what is left of every purchase, when more is bought, and that the audit sees through it.

Purpose: analytic, each expected number derived beside its test; equivalence with the whole model; property.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.families.battery import Battery
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic
from planner.solve.pool import BlockPool
from planner.solve.states import states_of
from planner.timeline import Timeline

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


# Ten MW, and 14 MW in the four hours from 16:00, on 10.8 MW of grid: 4 x 3.2 = 12.8 MWh are needed every day.
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


PRICES: dict[str, Any] = {
    "tariff": {
        "energy_usd_per_mwh": None,
        "demand_usd_per_kw_month": 9,
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 30},
            {"name": "peak", "usd_per_mwh": 130, "weekday_hours": [16, 17, 18, 19], "weekend_hours": [18]},
        ],
    }
}
# A twentieth of the energy is lost every year.
FALLING = {0: 1.0, 10: 0.5, 19: 0.05}


def bought(plan: Plan) -> dict[date, float]:
    """Units by the day they are ordered."""
    return dict(zip(plan.orders.order_date, plan.orders.units, strict=True))


# --- on paper ---------------------------------------------------------------------------------------------


def test_augmented_in_the_year_that_falls_short(make_case: Make) -> None:
    """12.8 MWh in every year, 4 MWh a unit, a twentieth of it lost by the end of every year.

    year               2027  28    29    30    31
    left of a unit      3.8  3.6   3.4   3.2   3.0 MWh
    units of 2027       4: 3.8 x 3 is too little
    they hold          15.2 14.4  13.6  12.8  12.0
    2030 and 2031 are one period: what 2031 lacks is bought in January 2030, one unit, of 3.6 MWh by the end of 2031.
    """
    case = make_case(FLAT, series=LOAD, items=[store(FALLING)])
    solution = solve(case, gap=1e-7, threads=1)
    plan = plan_of(solution)
    require(plan, case)
    assert bought(plan) == {date(2027, 1, 1): 4, date(2030, 1, 1): 1}
    assert plan.capacity.battery_nameplate_mwh.tolist() == pytest.approx([16, 16, 16, 20])
    assert plan.capacity.battery_available_mwh.tolist() == pytest.approx([15.2, 14.4, 13.6, 15.6])
    left = {row["from"]: row["available_mwh"] for row in plan.summary["battery_energy"]}
    assert left == pytest.approx({f"{2027 + y}-01-01": mwh for y, mwh in enumerate([15.2, 14.4, 13.6, 16.6, 15.6])})

    start, end = date(2027, 1, 1), date(2032, 1, 1)

    def worth(day: date) -> float:
        return float(1.1 ** (-(day - start).days / 365))

    total = 0.0
    for served, units in bought(plan).items():
        rest = (1 - 1.1 ** ((end - served).days / 365 - 20)) / (1 - 1.1**-20)
        total += units * 1.28e6 * (worth(served) - rest * worth(end))
    days = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    for y in range(5):
        for m in range(12):
            total += 50 * (10 * 24 + 4 * 4) * days[m] * worth(date(2027 + y, m + 1, 15))
    assert solution.upper_kusd * 1000 == pytest.approx(total, rel=1e-9)
    assert solution.lower_kusd * 1000 == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "orders"),
    [
        ({"horizon": {"expansion_years": 4, "operating_years": 1}}, {2027: 4, 2031: 1}),  # later costs less today
        (  # a vendor that delivers in the first quarter alone: one more from the start
            {"horizon": {"expansion_years": 4, "operating_years": 1}, "supply": {"own_store": {"2027Q1": 100}}},
            {2027: 5},
        ),
        ({"horizon": {"expansion_years": 0, "operating_years": 5}}, {2027: 5}),  # nothing is ordered inside a period
        ({"horizon": {"expansion_years": 0, "operating_years": 4}}, {2027: 4}),
    ],
)
def test_overbuilt_or_augmented(make_case: Make, change: dict[str, Any], orders: dict[int, int]) -> None:
    """The site above over the same years: four units hold 12.8 MWh to the end of 2030, and 12.0 at that of 2031."""
    case = make_case(FLAT, change, series=LOAD, items=[store(FALLING)])
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    require(plan, case)
    assert bought(plan) == {date(year, 1, 1): units for year, units in orders.items()}


def test_what_stands_is_as_old_as_it_is(make_case: Make) -> None:
    """Four units on site since 20 January 2025, counted from the first of the month, to which one is added.

    year              2027         28         29                30         31
    the four     .85 x 16   .8 x 16   .75 x 16 = 12.0    .7 x 16   .65 x 16 = 10.4
    one more                                    + 3.8      + 3.6     + 3.4 MWh
    """
    change = {"committed": [{"item": "own_store", "units": 4, "on_site": "2025-01-20"}]}
    case = make_case(FLAT, change, series=LOAD, items=[store(FALLING)])
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    require(plan, case)
    assert bought(plan) == {date(2029, 1, 1): 1}
    assert plan.capacity.battery_available_mwh.tolist() == pytest.approx([13.6, 12.8, 15.8, 13.8])


def test_a_build_month_counts_from_the_day_a_unit_is_ready(make_case: Make) -> None:
    """Ordered on 1 November 2026, ready three weeks later, in service in December: a month old when 2027 is none.

    At the end of December it is two months old, at that of 2027 fourteen, of 2028 twenty-six.
    """
    horizon = {"build_months": 2, "expansion_years": 1, "operating_years": 1}
    quiet = np.where(HOUR < 304 * 24, LOAD, 10.0)  # until the end of October
    slow = store(FALLING, lead_time_weeks=3)
    supply = {"own_store": {"2026Q4": 5}}
    case = make_case(FLAT, {"start": "2026-11-01", "horizon": horizon, "supply": supply}, series=quiet, items=[slow])
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    require(plan, case)
    # Orders of 1 November and of 1 December are both in service by 2027; of these the later is the younger.
    assert bought(plan) == {date(2026, 12, 1): 4}
    left = [16 * (1 - 0.05 * months / 12) for months in (13, 25)]
    assert plan.capacity.battery_available_mwh.tolist() == pytest.approx([0, 0, *left])


def test_none_bought_gives_no_flows(make_case: Make) -> None:
    grid = {"interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}]}
    case = make_case(FLAT, {"site": {"grid": grid}}, series=LOAD, items=[store(FALLING)])
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    require(plan, case)
    flows = [name for name in plan.dispatch if name.split(":")[0] in ("charge", "discharge", "soc")]
    assert len(flows) == 3
    assert not plan.dispatch[flows].to_numpy().any()
    assert not plan.capacity.battery_available_mwh.any()


@pytest.mark.parametrize(("curve", "years"), [(None, 1), (FALLING, 1), (FALLING, 2)])
def test_cycles_of_the_warranty(make_case: Make, curve: dict[float, float] | None, years: int) -> None:
    """A battery of 4 MWh, 100 full cycles a year: 400 MWh bought at 30 and used at 130 $/MWh save 40,000 $ a year.

    Its energy would allow nearly 4 MWh on some 260 working days.
    """
    change: dict[str, Any] = {
        "horizon": {"expansion_years": 0, "operating_years": years, "sample_days_per_month": 2},
        "site": {"grid": {"tariff": PRICES["tariff"] | {"demand_usd_per_kw_month": 0}}},
        "finance": {"discount_rate": 0.0},
        "candidates": {"battery": []},
    }
    change["site"]["grid"]["interconnection"] = [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]
    there = {"committed": [{"item": "own_store", "units": 1, "on_site": "2027-01-01"}]}
    cost = []
    for more in ({}, there):
        case = make_case(FLAT, change, more, series=LOAD, items=[store(curve, warranty_cycles_per_year=100)])
        solution = solve(case, gap=1e-9, threads=1)
        plan = plan_of(solution)
        require(plan, case)
        cost.append(solution.upper_kusd)
    assert cost[0] - cost[1] == pytest.approx(40.0 * years, rel=1e-6)
    given = plan.dispatch["discharge:own_store_mw"] * plan.dispatch["weight_h"]
    assert given.sum() == pytest.approx(400 * years)
    plan.dispatch["discharge:own_store_mw"] *= 1.01
    assert "warranty cycles" in {check.name for check in audit(plan, case) if not check.ok}


# --- against the same site without fade -------------------------------------------------------------------

LOSSY = {"round_trip_efficiency_fraction": 0.81, "wear_cost_usd_per_mwh": 2, "price_usd": 3e5}
PRICES["interconnection"] = [{"from": "2026-01-01", "mw": 12, "via": "existing_feeders"}]
PLAIN = STORE | LOSSY | {"id": "own_plain", "class": "own_plain", "nameplate_energy_mwh": 2, "price_usd": 2e5}
TRADING: dict[str, Any] = {"site": {"grid": PRICES}, "horizon": {"expansion_years": 1}}


def test_a_curve_that_never_falls_changes_nothing(make_case: Make) -> None:
    """Years stand apart and energy is a link of its own, and the cost is that of the item without a curve."""
    cost = {}
    for curve in (None, {0: 1.0, 30: 1.0}):
        case = make_case(FLAT, TRADING, series=LOAD, items=[store(curve, **LOSSY)])
        assert case.timeline.repeats_year == (curve is None)
        solution = solve(case, gap=1e-9, threads=1)
        require(plan_of(solution), case)
        cost[curve is None] = solution.upper_kusd
        assert len({s.block for s in states_of(case)}) == 12
    assert cost[True] == pytest.approx(cost[False], rel=1e-9)


def test_an_item_without_a_curve_makes_the_rows_it_made(make_case: Make) -> None:
    plain, fading = (
        build_block(plant_of(make_case(FLAT, TRADING, series=LOAD, items=[store(curve, **LOSSY)])), "m01")
        for curve in (None, FALLING)
    )
    assert "energy:own_store" not in plain.links
    assert fading.links == (*plain.links[:5], "energy:own_store", *plain.links[5:])
    assert (plain.size, plain.constraints) == (fading.size, fading.constraints)
    row = plain.constraints.index("battery_energy:own_store")
    for block, link, mwh in ((plain, "battery:own_store", 4.0), (fading, "energy:own_store", 1.0)):
        rows = block.matrix[np.flatnonzero(block.row_group == row), block.size :].tocoo()
        assert {block.links[j] for j in rows.col} == {link}
        assert set(rows.data) == {-mwh}


def test_less_retention_never_costs_less(make_case: Make) -> None:
    costs = []
    for last in (1.0, 0.9, 0.7, 0.4):
        case = make_case(FLAT, TRADING, series=LOAD, items=[store({0: 1.0, 8: last}, **LOSSY)])
        solution = solve(case, gap=1e-6, threads=1)
        costs.append((solution.lower_kusd, solution.upper_kusd))
    for (_, more), (less, _) in zip(costs[1:], costs[:-1], strict=True):
        assert more >= less
    assert costs[-1][0] > costs[0][1]


def test_a_cut_of_one_year_holds_in_another(make_case: Make) -> None:
    """V is a function of the links alone: the slope at what is left in one year bounds the cost at any other."""
    plant = plant_of(make_case(FLAT, TRADING, series=LOAD, items=[store(FALLING, **LOSSY)]))
    block = build_block(plant, "m07")
    solver = BlockSolver(block)
    at = {"one": 1.0, "grid_mw": 12.0, "contract_mw": 12.0, "load_mw": 14.0, "battery:own_store": 5.0}
    values = {}
    for mwh in (20.0, 19.0, 14.0, 9.0):
        x = np.array([(at | {"energy:own_store": mwh}).get(name, 0.0) for name in block.links])
        values[mwh] = x, solver.solve(x)
    for x, value in values.values():
        assert float(value.slope @ x) == pytest.approx(value.cost_usd, rel=1e-9)
        assert solver.solve(3.0 * x).cost_usd == pytest.approx(3.0 * value.cost_usd, rel=1e-9)
        for other, known in values.values():
            assert float(value.slope @ other) <= known.cost_usd * (1 + 1e-9)
    assert values[9.0][1].cost_usd > values[20.0][1].cost_usd


def test_coarse_prices_and_mixed_dispatches_know_what_is_left(make_case: Make) -> None:
    """A month of hours with one battery that fades and one that does not, moved as one on steps of two hours.

    The repaired cut lies below the cost at every energy left, and not far; a mix of two dispatches serves what lies
    between them at no more than the mean of their costs, and none serves less energy than both have.
    """
    both = {"candidates": {"battery": ["own_store", "own_plain"]}, "horizon": {"sample_days_per_month": None}}
    items = [store(FALLING, **LOSSY), PLAIN]
    block = build_block(plant_of(make_case(FLAT, TRADING, both, series=LOAD, items=items)), "m07")
    pool = BlockPool(block)
    at = {"one": 1.0, "grid_mw": 12.0, "contract_mw": 12.0, "load_mw": 14.0}
    at |= {"battery:own_store": 5.0, "battery:own_plain": 2.0}

    def point(mwh: float) -> np.ndarray:
        return np.array([(at | {"energy:own_store": mwh}).get(name, 0.0) for name in block.links])

    coarse = pool.coarse(point(16.0), 2)
    assert coarse is not None
    full, little, half = (pool.solve(point(mwh)).cost_usd for mwh in (20.0, 10.0, 15.0))
    for mwh, cost in ((20.0, full), (10.0, little), (15.0, half)):
        assert 0.9 * cost <= float(coarse.slope @ point(mwh)) <= cost * (1 + 1e-9)
    fresh = BlockPool(block)
    for mwh in (20.0, 10.0):
        fresh.solve(point(mwh))
    between = fresh.above(point(15.0))
    assert between is not None
    assert half * (1 - 1e-9) <= between.cost_usd <= 0.5 * (full + little) * (1 + 1e-9)
    assert fresh.above(point(9.0)) is None


# --- two routes, one answer -------------------------------------------------------------------------------

SITES: dict[str, dict[str, Any]] = {
    "build months and days": {
        "start": "2026-11-01",
        "horizon": {"build_months": 2, "expansion_years": 1, "sample_days_per_month": 2, "block": "day"},
    },
    "beside one that does not fade": {"candidates": {"battery": ["own_store", "own_plain"]}},
    "a warranty": {"horizon": {"operating_years": 3}},
    "actual calendar": {"horizon": {"calendar": "actual"}},
    "scenarios": {
        "scenarios": [
            {"name": "low", "probability": 0.5, "energy_price_factor": 0.8},
            {"name": "high", "probability": 0.5, "energy_price_factor": 1.6},
        ],
    },
    "annual limits and a ratchet": {
        "site": {
            "grid": {
                "tariff": PRICES["tariff"] | {"ratchet": {"fraction": 0.8}},
                "interconnection": [{"from": "2026-01-01", "mw": 11, "via": "existing_feeders"}],
            },
            "caps": {"run_hours_per_year": {"jenbacher_j620": 300}, "co2_t_per_year": 1000},
        },
        "committed": [{"item": "jenbacher_j620", "units": 2, "on_site": "2026-01-01"}],
    },
    "outages": {"events": [{"kind": "grid_outage", "duration_h": 2, "load_fraction": 0.5}]},
}


@pytest.mark.parametrize("name", SITES)
def test_both_ways_find_the_same_optimum(make_case: Make, name: str) -> None:
    few = {"warranty_cycles_per_year": 200} if name == "a warranty" else {}
    case = make_case(FLAT, TRADING, SITES[name], series=LOAD, items=[store(FALLING, **LOSSY, **few), PLAIN])
    solution = solve(case, gap=1e-6, threads=1)
    plan = plan_of(solution)
    require(plan, case)
    whole = solve_monolithic(case, gap=1e-6)
    room = 3e-6 * whole.upper_kusd
    assert solution.upper_kusd == pytest.approx(whole.upper_kusd, abs=room)
    assert solution.lower_kusd <= whole.upper_kusd + room
    assert whole.lower_kusd <= solution.upper_kusd + room
    assert plan.capacity.battery_available_mwh.iloc[-1] < plan.capacity.battery_nameplate_mwh.iloc[-1]


def test_whole_years_of_hours(make_case: Make) -> None:
    """Charge runs from month to month and year to year, and fits what is left in each."""
    horizon = {"build_months": 1, "expansion_years": 1, "operating_years": 3, "sample_days_per_month": None}
    start = {"start": "2026-12-01", "horizon": horizon}
    case = make_case(FLAT, TRADING, start, series=LOAD, items=[store(FALLING, **LOSSY)])
    solution = solve(case, gap=1e-3, threads=1)
    assert solution.gap_fraction <= 1e-3
    plan = plan_of(solution)
    require(plan, case)
    soc = plan.dispatch[plan.dispatch.phase == "operating year"].groupby("period")["soc:own_store_mwh"].max()
    assert len(soc) == 36
    assert soc.iloc[-12:].max() < soc.iloc[:12].max()


# --- the audit's eye --------------------------------------------------------------------------------------


def _a_year_younger(self: Timeline, day: date, period: int, year: int) -> float:
    return max(0.0, OLD_AGE(self, day, period, year) - 1.0)


OLD_AGE = Timeline.age_years


def test_a_reserve_that_counts_on_too_much_is_caught(make_case: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours without a grid at 7 MW: 14 / .9 MWh are kept, by four units when they are new, and never in 2031."""
    item = store(FALLING, **(LOSSY | {"nameplate_power_mw": 4, "price_usd": 3e6}))
    grid = {"interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]}
    case = make_case(FLAT, TRADING, SITES["outages"], {"site": {"grid": grid}}, series=LOAD, items=[item])
    monkeypatch.setattr(Battery, "left", lambda self, age: 1.0)
    plan = plan_of(solve(case, gap=1e-5, threads=1))
    assert bought(plan) == {date(2027, 1, 1): 4}
    failed = {check.name for check in audit(plan, case) if not check.ok}
    assert {"battery energy left", "battery energy", "reserves"} <= failed


@pytest.mark.parametrize("wrong", ["a year too young", "no fade", "the table alone"])
def test_a_plan_that_counts_on_too_much_is_caught(make_case: Make, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Of four units 12.0 MWh are left in 2031, and 12.8 are needed: both mistakes hide that."""
    case = make_case(FLAT, series=LOAD, items=[store(FALLING)])
    if wrong == "a year too young":
        monkeypatch.setattr(Timeline, "age_years", _a_year_younger)
    elif wrong == "no fade":
        monkeypatch.setattr(Battery, "left", lambda self, age: 1.0)
    plan = plan_of(solve(case, gap=1e-7, threads=1))
    assert bought(plan) == ({date(2027, 1, 1): 4} if wrong != "the table alone" else {**bought(plan)})
    if wrong == "the table alone":
        plan.summary["battery_energy"][0]["available_mwh"] += 0.1
        plan.capacity.loc[1, "battery_available_mwh"] += 0.1
    failed = {check.name for check in audit(plan, case) if not check.ok}
    expected = {"battery energy left"} if wrong == "the table alone" else {"battery energy left", "battery energy"}
    assert failed == expected


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_year", "rule"),
    [
        ({1: 1.0, 20: 0.5}, "must start at year 0"),
        ({0: 1.0, 10: 0.5, 5: 0.7}, "years must rise"),
        ({0: 0.9, 10: 0.95}, "never rise"),
        ({0: 1.1, 10: 0.95}, "at most at 1"),
        ({0: 1.0, 20: 0.0}, "above 0"),
        ({0: 1.0, "soon": 0.5}, "must be an age in years"),
        ({0: 1.0, 4: 0.8}, "ends at 4"),
    ],
)
def test_curves_that_are_refused(make_case: Make, by_year: dict[Any, float], rule: str) -> None:
    with pytest.raises(InputError) as caught:
        make_case(FLAT, series=LOAD, items=[store(by_year)])
    assert any(rule in fault.rule for fault in caught.value.faults), str(caught.value)


def test_only_batteries_have_a_curve(make_case: Make) -> None:
    engine = store({0: 1.0, 20: 0.5}) | {"family": "renewable", "brings": ["renewable"]}
    with pytest.raises(InputError, match="is for batteries"):
        make_case(FLAT, series=LOAD, items=[engine])
