"""Blocks of a month, a week or a day: the same optimum, by both solvers, and the same bills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic
from planner.timeline import Timeline

Make = Callable[..., Case]
BATTERY, ENGINE, SUN = "tesla_megablock_4h", "own_engine", "solar_single_axis_1mw"
GAP = 1e-6
TARIFF: dict[str, Any] = {
    "energy_usd_per_mwh": None,
    "demand_usd_per_kw_month": 9,
    "minimum_take_fraction": 0.6,
    "tou_demand": [
        {"name": "peak", "usd_per_kw_month": 12, "weekday_hours": [15, 16, 17, 18], "weekend_hours": []},
    ],
    "tiers": [
        {"usd_per_mwh": 35, "up_to_mwh_per_month": 9000},
        {"usd_per_mwh": 44, "up_to_mwh_per_month": 12000},
        {"usd_per_mwh": 60},
    ],
}
# An engine that may run 40 % of a month, at 46 $/MWh: dearer than the first two tiers, cheaper than the third.
OWN_ENGINE: dict[str, Any] = {
    "id": ENGINE,
    "family": "generation",
    "class": ENGINE,
    "vendor": "own",
    "model": "own",
    "status": "available",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 4,
    "availability_fraction": 0.4,
    "heat_rate_btu_per_kwh_hhv": 8200,
    "variable_om_usd_per_mwh": 5,
    "fixed_om_fraction_per_year": 0.024,
    "footprint_m2": 1,
    "economic_life_years": 20,
    "price_usd": 1e6,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.1,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}
_START = (date(2027, 1, 1), 2, 2)
NOW = [f"catalog.{SUN}.{what}_weeks=0" for what in ("lead_time", "installation")]


def case_of(make: Make, block: str, days: int, step: int = 60) -> Case:
    """A load of 16 to 24 MW that changes from day to day; two build months, then one year twice."""
    hour = np.arange(8760)
    noise = np.random.default_rng(8).uniform(-1.5, 1.5, 8760)
    load = 19 + 3 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 2 * np.sin(2 * np.pi * hour / 54) + noise
    changes: dict[str, Any] = {
        "horizon": {
            "build_months": 2,
            "operating_years": 2,
            "sample_days_per_month": days,
            "block": block,
            "step_minutes": step,
        },
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {"interconnection": [{"from": "2026-01-01", "mw": 26, "via": "existing_feeders"}], "tariff": TARIFF}
        },
        "candidates": {"compute": None, "heat_rejection": None, "generation": [ENGINE], "renewable": [SUN]},
        "committed": [{"item": BATTERY, "units": 2, "on_site": "2026-01-01"}],
        "budget": [{"by": "2027-06-30", "usd": 9e6}],
    }
    return make(changes, series=load, items=[OWN_ENGINE], set=[*NOW, f"catalog.{SUN}.price_usd=4e5"])


def test_parts_of_a_month() -> None:
    """A week is 7 or 8 days, so that a month is four of them; a day is a day; a sample has as many as it has."""
    january = {b: Timeline(*_START, block=b).day_parts(0) for b in ("month", "week", "day")}
    assert january["month"] == (range(31),)
    assert [len(part) for part in january["week"]] == [7, 8, 8, 8]
    assert [list(part) for part in january["day"]] == [[d] for d in range(31)]
    assert [len(p) for p in Timeline(*_START, block="week", sample_days=3).day_parts(0)] == [3]
    t = Timeline(*_START, block="day", sample_days=3)
    assert [len(t.places(p)) for p in range(3)] == [3, 3, 36]
    assert [t.part_at(2, k) for k in (0, 2, 3, 35)] == [(2, 0), (2, 2), (3, 0), (13, 2)]
    assert list(t.months_at(2, 4)) == [3, 15]


def test_months_days_and_the_monolith_agree(make_case: Make) -> None:
    """Three days a month as one block or as three, with a budget that binds: four proofs of one optimum."""
    bounds = {}
    for block in ("month", "day"):
        case = case_of(make_case, block, 3)
        one, other = solve(case, gap=GAP, threads=1, time_limit=120), solve_monolithic(case, gap=GAP)
        bounds[block] = one.lower_kusd, one.upper_kusd
        bounds[f"{block}, monolithic"] = other.lower_kusd, other.upper_kusd
        plan = plan_of(one)
        require(plan, case)
        paid = plan.ledger.groupby("line").usd.sum()
        assert all(paid[line] > 1e4 for line in ("demand charge", "time-of-use demand charge", "fuel", "battery wear"))
        assert spent(plan, 2027, 6) == pytest.approx(9e6, rel=1e-6)
        assert availability_used(plan) == pytest.approx(1.0, abs=1e-6)
    assert_same(bounds)


def test_weeks_agree_with_months(make_case: Make) -> None:
    """Fourteen days a month as one block or as two weeks; the bills are the tariff's in every month."""
    bounds, bills = {}, {}
    for block in ("month", "week"):
        case = case_of(make_case, block, 14)
        solution = solve(case, gap=GAP, threads=1, time_limit=120)
        assert len(solution.blocks) == 12 * (2 if block == "week" else 1)
        bounds[block] = solution.lower_kusd, solution.upper_kusd
        plan = plan_of(solution)
        require(plan, case)
        bills[block] = plan.ledger[plan.ledger.line == "demand charge"].groupby("date").usd.sum()
    assert_same(bounds)
    assert bills["week"].index.tolist() == bills["month"].index.tolist()


def test_cuts_of_a_part_of_a_month_hold_everywhere(make_case: Make) -> None:
    """Cost scales with the site, slope x site is the cost, and no cut is above the cost of another site."""
    case = case_of(make_case, "day", 3)
    plant = plant_of(case)
    solver, rng = BlockSolver(build_block(plant, "m07.02")), np.random.default_rng(4)
    assert {"billed_demand", "billed_demand:window_0", "energy_tier:0:1", "energy_tier:0:2"} < set(plant.links)
    most = {
        "billed_demand": 25,
        "billed_demand:window_0": 25,
        "energy_tier:0:1": 5000,
        "energy_tier:0:2": 6000,
        f"generation_availability:{ENGINE}": 900,
        f"generation:{ENGINE}": 12,
        f"renewable:{SUN}": 5,
        f"battery:{BATTERY}": 8,
    }
    peak = float(case.load_series_mw.max())  # type: ignore[union-attr]
    fixed = {"one": 1.0, "grid_mw": 26.0, "contract_mw": 26.0, "load_mw": peak}
    sites = [np.array([fixed.get(n, rng.uniform(0, most.get(n, 4.0))) for n in plant.links]) for _ in range(10)]
    store = plant.batteries[0]
    for x in sites:  # what is held fits in what stands
        held = 0.4 * store.hours * x[plant.links.index(store.key)]
        x[[plant.links.index(store.soc_start), plant.links.index(store.soc_end)]] = held
    values = [solver.solve(x) for x in sites]
    for x, value in zip(sites, values, strict=True):
        assert value.slope @ x == pytest.approx(value.cost_usd, rel=1e-7)
        assert solver.solve(3 * x).cost_usd == pytest.approx(3 * value.cost_usd, rel=1e-7)
        for y, other in zip(sites, values, strict=True):
            assert value.slope @ y <= other.cost_usd + 1e-7 * abs(other.cost_usd)


def test_an_excess_costs_what_the_peak_would(make_case: Make) -> None:
    """A day above its month's billed peak pays 9 $ for each kW above, and above its part of a tier 9 $/MWh more."""
    case = case_of(make_case, "day", 3)
    plant = plant_of(case)
    solver = BlockSolver(build_block(plant, "m07.02"))
    highest = float(case.load_series_mw.max())  # type: ignore[union-attr]
    wide = {"one": 1.0, "grid_mw": 26.0, "load_mw": highest, "billed_demand:window_0": 26.0, "energy_tier:0:2": 1e5}
    peak = float(plant.case.load_series_mw[case.timeline.block_hours("m07.02").step_of_year].max())  # type: ignore[index]

    def cost(billed_mw: float, tier_mwh: float) -> float:
        full = wide | {"billed_demand": billed_mw, "energy_tier:0:1": tier_mwh}
        return solver.solve(np.array([full.get(name, 0.0) for name in plant.links])).cost_usd

    assert cost(peak - 2.0, 1e5) - cost(26.0, 1e5) == pytest.approx(2.0 * 9000)
    assert cost(26.0, 1000.0) - cost(26.0, 1500.0) == pytest.approx(500 * 9)


@pytest.mark.parametrize(("field", "value"), [("block", "fortnight"), ("calendar", "julian"), ("step_minutes", 10)])
def test_other_words_are_refused(make_case: Make, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"horizon.{field}"):
        make_case({"horizon": {field: value}})


def assert_same(bounds: dict[str, tuple[float, float]]) -> None:
    """Every lower bound is below every upper one, and all are within the gap."""
    least = min(upper for _, upper in bounds.values())
    for name, (lower, upper) in bounds.items():
        assert lower <= least * (1 + GAP), name
        assert upper <= least * (1 + 2 * GAP), name
        assert upper - lower <= GAP * upper, name


def spent(plan: Plan, year: int, month: int) -> float:
    """Cash paid by the end of a month, the residual value left out. [USD]"""
    early = plan.ledger.date.map(lambda day: (day.year, day.month) <= (year, month))
    return float(plan.ledger.usd[early].sum())


def availability_used(plan: Plan) -> float:
    """The most any month takes of what the engines' availability gives it."""
    rows = plan.dispatch
    units = plan.installed[plan.installed["item"] == ENGINE].set_index("period").units
    output = rows.groupby("period")[f"generation:{ENGINE}_mw"].sum() / rows.groupby("period").size()
    last = units.index.max()
    return float(max(mw / (4 * units[min(day, last)] * 0.4) for day, mw in output.items() if min(day, last) in units))


def test_racks_by_month_and_by_day(make_case: Make) -> None:
    """Racks with engines N+1 on spinning reserve, inference by the hour, losses, tiers and a minimum take."""
    steps = [{"from": "2027-06-01", "mw": 2, "via": "existing_feeders"}]
    tariff = {
        "energy_usd_per_mwh": None,
        "minimum_take_fraction": 0.7,
        "tiers": [{"usd_per_mwh": 35, "up_to_mwh_per_month": 500}, {"usd_per_mwh": 90}],
    }
    bounds = {}
    for block in ("month", "day"):
        case = make_case(
            {
                "horizon": {"sample_days_per_month": 3, "block": block},
                "candidates": {"generation": ["jenbacher_j620"]},
                "site": {"grid": {"interconnection": steps, "tariff": tariff}},
                "workload": {"kind": "inference", "average_load_fraction": 0.7},
                "target": {"milestones": [{"gpus": 2160, "by": "2028-05-01"}]},
                "redundancy": {"onsite_generation": {"scheme": "N+1", "spinning_reserve": "largest_unit"}},
            }
        )
        solution = solve(case, gap=GAP, threads=1, time_limit=120)
        bounds[block] = solution.lower_kusd, solution.upper_kusd
        plan = plan_of(solution)
        require(plan, case)
        assert plan.ledger.usd[plan.ledger.line == "fuel"].sum() > 1e5
    assert_same(bounds)
