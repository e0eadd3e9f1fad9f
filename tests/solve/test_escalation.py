"""Prices that grow from year to year: on paper, decomposed against the whole model, and under the audit's eye.

Purpose: analytic, each expected value derived in its test; properties of cuts shared between years; equivalence.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import own
import pytest
from numpy.typing import NDArray
from openpyxl import load_workbook

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import Plant, build_blocks, plant_of
from planner.operation.evaluate import BlockSolver
from planner.plan.plan import TABLES, Plan
from planner.report.excel import workbook
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic
from planner.solve.pool import Pool

Make = Callable[..., Case]
Array = NDArray[np.float64]
TEN_YEARS = {"economic_life_years": 10, "installation_fraction": 0.0}
# An engine of 2 MW with 8 MMBtu a MWh and 5 $/MWh of O&M.
ENGINE = (
    own.ENGINE
    | TEN_YEARS
    | {
        "nameplate_power_mw": 2,
        "derate_from_c": 60,
        "fixed_om_fraction_per_year": 0.02,
        "price_usd": 1e6,
    }
)
BATTERY = (
    own.BATTERY
    | TEN_YEARS
    | {
        "nameplate_power_mw": 1,
        "nameplate_energy_mwh": 4,
        "wear_cost_usd_per_mwh": 3,
        "price_usd": 3e5,
    }
)
SUN = (
    own.PLAIN
    | TEN_YEARS
    | {
        "id": "own_sun",
        "family": "renewable",
        "class": "own_sun",
        "brings": ["renewable"],
        "nameplate_power_mw": 1,
        "dc_ac_ratio": 1.2,
        "price_usd": 8e5,
    }
)
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
    assert plan.summary["escalation_fraction_per_year"] == rates
    sheet = load_workbook(BytesIO(workbook(plan, case))).worksheets[0]
    shown = {row[0]: row[1:] for row in sheet.iter_rows(values_only=True)}
    assert shown["price of natural gas grows a year"][0] == 0.03
    assert "from 2026" in shown["price of natural gas grows a year"][2]
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


# --- the same answer another way --------------------------------------------------------------------------

HOUR = np.arange(8760)
LOAD = 9.0 + 2.5 * np.sin(2 * np.pi * (HOUR % 24 - 9) / 24) + np.cos(2 * np.pi * HOUR / 50)
# Cheap nights, dear evenings, and a demand charge: a battery, an engine and sun all have something to do.
PERIODS = [
    {"name": "base", "usd_per_mwh": 30},
    {"name": "peak", "usd_per_mwh": 95, "weekday_hours": [15, 16, 17, 18], "weekend_hours": [16, 17]},
]
MIXED: dict[str, Any] = {
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 11, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": None, "energy_periods": PERIODS, "demand_usd_per_kw_month": 9},
        },
        "fuel": {"natural_gas_usd_per_mmbtu_hhv": 4.0},
    },
    "candidates": {"generation": ["own_engine"], "battery": ["own_battery"], "renewable": ["own_sun"]},
    "finance": {"discount_rate": 0.07},
}
SHORT = {"horizon": {"operating_years": 2}}
TWO = {"energy": 0.03, "natural_gas": -0.04}
ALL_ALIKE = dict.fromkeys(("energy", "demand", "natural_gas", "variable_om"), 0.05)
OWN_ALL = {
    "candidates": {"generation": None, "battery": None, "renewable": None},
    "committed": [
        {"item": "own_engine", "units": 2, "on_site": "2025-01-01"},
        {"item": "own_battery", "units": 2, "on_site": "2025-01-01"},
        {"item": "own_sun", "units": 3, "on_site": "2025-01-01"},
    ],
}


def test_rates_all_alike_scale_one_year(make_case: Make) -> None:
    """What stands is given and nothing wears: every year is the first one, dearer; only the years' lengths differ."""
    changes = (MIXED, OWN_ALL, {"finance": {"discount_rate": 0.0}})
    more: dict[str, Any] = {"set": ["catalog.own_battery.wear_cost_usd_per_mwh=0"]}
    grown = make_case(
        SITE,
        *changes,
        {"finance": {"escalation_fraction_per_year": ALL_ALIKE}},
        series=LOAD,
        items=[ENGINE, BATTERY, SUN],
        **more,
    )
    plain = make_case(SITE, *changes, series=LOAD, items=[ENGINE, BATTERY, SUN], **more)
    lines = ("energy", "demand charge", "fuel", "variable O&M")
    totals = []
    for case in (grown, plain):
        plan = plan_of(solve(case, gap=1e-7, threads=1))
        require(plan, case)
        paid = plan.ledger[plan.ledger.line.isin(lines)]
        totals.append(paid.groupby(paid.date.map(lambda day: day.year)).usd.sum().tolist())
    dearer, same = totals
    assert same == pytest.approx([same[0]] * 5, rel=1e-9)
    assert dearer == pytest.approx([same[0] * 1.05**n for n in range(5)], rel=1e-6)


def test_prices_of_an_earlier_year_grow_to_those_of_the_start(make_case: Make) -> None:
    """One year in the money of 2023: energy 3 % three times is its price times 1.03 ^ 3, gas 0.96 ^ 3."""
    one = {"horizon": {"operating_years": 1}}
    given = site(make_case, MIXED, one, {"finance": {"base_year": 2023}}, load=LOAD, **TWO)
    dearer, cheaper = 1.03**3, 0.96**3
    periods = [p | {"usd_per_mwh": p["usd_per_mwh"] * dearer} for p in PERIODS]
    by_hand = {
        "site": {
            "grid": {"tariff": {"energy_periods": periods}},
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": 4.0 * cheaper},
        }
    }
    grown, plain = (solve(c, gap=1e-7, threads=1) for c in (given, site(make_case, MIXED, one, by_hand, load=LOAD)))
    assert grown.upper_kusd == pytest.approx(plain.upper_kusd, rel=3e-7)


# Sun that stands leaves engines and batteries to decide: the whole model is quicker.
SUNNY: dict[str, Any] = {
    "candidates": {"renewable": None},
    "committed": [{"item": "own_sun", "units": 4, "on_site": "2025-01-01"}],
}
CASES: dict[str, list[dict[str, Any]]] = {
    "plain": [{"horizon": {"operating_years": 3}}],
    "build and expansion": [
        {
            "horizon": {"build_months": 2, "expansion_years": 1},
            "target": {"load_scale": [{"from": "2027-01-01", "fraction": 1.15}]},
        }
    ],
    "days": [{"horizon": {"block": "day", "sample_days_per_month": 2}}],
    "half hours": [{"horizon": {"step_minutes": 30}}],
    "actual calendar": [{"horizon": {"calendar": "actual"}}],
    "ratchet": [{"site": {"grid": {"tariff": {"ratchet": {"fraction": 0.7}}}}}],
    "cap": [{"site": {"caps": {"fuel_mmbtu_hhv_per_year": 60_000}}, "start": "2026-07-01"}],
    "export": [
        {
            "site": {"grid": {"export": {"mw": 3, "usd_per_mwh": 25}}},
            "committed": [{"item": "own_sun", "units": 24, "on_site": "2025-01-01"}],
        }
    ],
    "scenarios": [
        {
            "scenarios": [
                {"name": "low", "probability": 0.6, "fuel_price_factor": 0.8},
                {"name": "high", "probability": 0.4, "energy_price_factor": 1.3, "load_factor": 1.05},
            ],
            "risk": {"cvar_alpha": 0.8, "weight": 0.3},
        }
    ],
    "event": [
        {
            "events": [{"kind": "called_curtailment", "duration_h": 2, "grid_fraction_left": 0.6, "starts": 4}],
        }
    ],
}


@pytest.mark.parametrize("what", CASES)
def test_as_the_whole_model(make_case: Make, what: str) -> None:
    """Two escalators on a site with engine, battery and sun: the same optimum both ways, and the audit agrees."""
    rates = TWO | ({"demand": 0.02, "fixed_om": 0.01, "variable_om": 0.03} if what != "plain" else {})
    rates |= {"export": -0.02} if what == "export" else {}
    stands = {} if what == "plain" else SUNNY
    case = site(make_case, MIXED, SHORT, stands, *CASES[what], load=LOAD, **rates)
    found, whole = solve(case, gap=1e-6, threads=2), solve_monolithic(case, gap=1e-6)
    if what == "event":  # the whole model tries some starts alone
        assert whole.lower_kusd <= found.upper_kusd * (1 + 1e-6)
    else:
        assert found.upper_kusd == pytest.approx(whole.upper_kusd, rel=2e-6)
        assert found.lower_kusd <= whole.upper_kusd * (1 + 1e-6)
    plan = plan_of(found)
    require(plan, case)
    assert what != "export" or plan.dispatch.grid_export_mw.max() > 1.0


# --- what years share -------------------------------------------------------------------------------------

YEARS = (2026, 2031, 2036, 2046)


@pytest.fixture(scope="module")
def plant(make_case: Make) -> Plant:
    horizon = {"horizon": {"operating_years": 21, "sample_days_per_month": 4}}
    return plant_of(site(make_case, MIXED, horizon, load=LOAD, **TWO, demand=0.01))


def random_x(plant: Plant, rng: np.random.Generator) -> Array:
    values = {
        "one": 1.0,
        "grid_mw": rng.uniform(9, 16),
        "contract_mw": 11.0,
        "load_mw": rng.uniform(6, 12),
        "generation:own_engine": rng.uniform(0, 8),
        "renewable:own_sun": rng.uniform(0, 8),
        "battery:own_battery": rng.uniform(0, 4),
    }
    soc = values["battery:own_battery"]
    values |= {"soc_start:own_battery": 2 * soc, "soc_end:own_battery": 2 * soc}
    return np.array([values[name] for name in plant.links])


@pytest.mark.parametrize("month", ["m01", "m07"])
def test_bounds_shared_between_years_hold_in_all_of_them(plant: Plant, month: str) -> None:
    """Each point is solved in one year; cuts and mixes of all of them bound the value in every year, found anew."""
    blocks = build_blocks(plant, [f"{month}${year}" for year in YEARS])
    pool, rng = Pool(), np.random.default_rng(11)
    known = {year: pool.of(blocks[f"{month}${year}"]) for year in YEARS}
    assert len({id(one.kin) for one in known.values()}) == 1
    fresh = {year: BlockSolver(blocks[f"{month}${year}"]) for year in YEARS}
    for number in range(8):
        year, x = YEARS[number % len(YEARS)], random_x(plant, rng)
        known[year].learn(known[year].solve(x))
        if number % 3 == 0 and (coarse := known[year].coarse(x, 2)) is not None:
            known[year].learn(coarse)
    tried = [random_x(plant, rng) for _ in range(6)] + [x for x, _ in known[2026].kin.points]
    served = 0
    for x in tried:
        for year in YEARS:
            value = fresh[year].solve(x)
            if not value.feasible:
                continue
            served += 1
            assert known[year].below(x) <= value.cost_usd * (1 + 1e-9)
            mixed = known[year].above(x)
            assert mixed is None or mixed.cost_usd >= value.cost_usd * (1 - 1e-9)
    assert served > 30


def test_the_years_at_the_ends_tell_of_those_between(plant: Plant) -> None:
    """Solved in 2026 and 2036 alone, 2031 is known within half a percent; prices alone leave a tenth open."""
    blocks = build_blocks(plant, [f"m07${year}" for year in YEARS])
    pool, x = Pool(), random_x(plant, np.random.default_rng(5))
    known = {year: pool.of(blocks[f"m07${year}"]) for year in YEARS}
    for year in (2026, 2036):
        known[year].learn(known[year].solve(x))
    least = BlockSolver(blocks["m07$2031"]).solve(x).cost_usd
    mixed = known[2031].above(x)
    assert mixed is not None
    assert least * 0.995 <= known[2031].below(x) <= least * (1 + 1e-9) <= mixed.cost_usd * (1 + 2e-9)
    assert mixed.cost_usd <= least * 1.005
    own = known[2026].repair
    plain = known[2031].repair.cut(known[2026].kin.duals[0].at(blocks["m07$2026"]))
    assert own is not known[2031].repair
    assert plain is not None
    assert plain @ x < 0.95 * least


def test_duals_of_a_year_are_those_of_its_basis(make_case: Make) -> None:
    """All prices at one rate: the basis stays optimal, so its duals in another year give that year's value."""
    case = make_case(
        SITE,
        MIXED,
        {"finance": {"escalation_fraction_per_year": ALL_ALIKE}},
        series=LOAD,
        items=[ENGINE, BATTERY, SUN],
        set=["catalog.own_battery.wear_cost_usd_per_mwh=0"],
    )
    plant = plant_of(case)
    blocks = build_blocks(plant, ["m01$2026", "m01$2030"])
    pool, x = Pool(), random_x(plant, np.random.default_rng(2))
    first, last = (pool.of(blocks[key]) for key in blocks)
    value = first.solve(x)
    first.learn(value)
    assert blocks["m01$2030"].growths == (0.0, 0.05)  # wear, at a price of 0, and the rest
    assert last.below(x) == pytest.approx(value.cost_usd * 1.05**4, rel=1e-9)
    assert last.solve(x).cost_usd == pytest.approx(value.cost_usd * 1.05**4, rel=1e-9)


def test_a_pool_on_disk_serves_years_apart(make_case: Make, tmp_path: Any) -> None:
    """What a file brings may be weak, never wrong: the same optimum, in fewer solves of blocks."""
    case = site(make_case, MIXED, {"horizon": {"operating_years": 3}}, load=LOAD, **TWO)
    first, pool = Pool(), Pool()
    alone = solve(case, gap=1e-6, threads=1, pool=first)
    first.save(tmp_path / "pool.npz")
    assert pool.load(tmp_path / "pool.npz")
    again = solve(case, gap=1e-6, threads=1, pool=pool)
    assert again.upper_kusd == pytest.approx(alone.upper_kusd, rel=2e-6)
    assert again.block_solves <= alone.block_solves


# --- the audit --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(make_case: Make) -> tuple[Case, Plan]:
    rates = {"energy": 0.03, "demand": 0.02, "natural_gas": -0.04, "variable_om": 0.01, "fixed_om": 0.02}
    fixed = {"site": {"grid": {"tariff": {"fixed_usd_per_month": 3000}}}, "horizon": {"operating_years": 3}}
    case = site(make_case, MIXED, OWN_ALL, fixed, load=LOAD, **rates)
    plan = plan_of(solve(case, threads=1))
    require(plan, case)
    return case, plan


@pytest.mark.parametrize(
    ("line", "check", "rate"),
    [
        ("energy", "ledger operation", 0.03),
        ("demand charge", "ledger operation", 0.02),
        ("fuel", "ledger operation", -0.04),
        ("variable O&M", "ledger operation", 0.01),
        ("fixed O&M", "ledger purchases", 0.02),
        ("fixed charge", "ledger purchases", 0.02),
    ],
)
def test_a_year_at_the_prices_of_another_is_caught(
    grown: tuple[Case, Plan], line: str, check: str, rate: float
) -> None:
    """2028 two steps above the base year of 2026 in all its bills, then one of them left at the prices of 2026."""
    case, plan = grown
    tables = {name: plan.table(name).copy() for name in TABLES}
    ledger = tables["ledger"]
    rows = ledger.index[(ledger.line == line) & (ledger.date == date(2028, 7, 15))]
    assert len(rows)
    ledger.loc[rows, "usd"] /= (1 + rate) ** 2
    failed = {c.name for c in audit(Plan(plan.summary, **tables), case) if not c.ok}
    assert {check, "present value"} <= failed


# --- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "changes", "words"),
    [
        ({"energy": 2}, {}, "must be at most 0.25"),
        ({"electricity": 0.02}, {}, "unknown key"),
        ({"export": 0.02}, {}, "there is no export"),
        ({"diesel": 0.02}, {}, "there is no diesel_usd_per_mmbtu_hhv"),
        ({"natural_gas": 0.02}, {}, "there is no natural_gas_usd_per_mmbtu_hhv"),
    ],
)
def test_rates_that_make_no_sense(make_case: Make, rates: dict[str, float], changes: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make_case(
            SITE,
            {"site": {"fuel": None}},
            {"finance": {"escalation_fraction_per_year": rates}},
            changes,
            series=10.0,
            items=[ENGINE],
        )
    assert words in str(caught.value)
    assert "finance.escalation_fraction_per_year" in str(caught.value)


def test_export_that_grows_past_import_is_a_fault(make_case: Make) -> None:
    """49 of 50 USD/MWh in 2026: at 1 % a year above import's it overtakes it in 2029 (49 x 1.01 ^ 3 = 50.48)."""
    sold = {"site": {"grid": {"export": {"mw": 3, "usd_per_mwh": 49}}}}
    assert site(make_case, sold, {"horizon": {"operating_years": 3}}, export=0.01).timeline.years_apart
    with pytest.raises(InputError, match=r"50\.48.* against 50.*of 2029"):
        site(make_case, sold, {"horizon": {"operating_years": 4}}, export=0.01)


def test_nothing_grows_and_years_repeat(make_case: Make) -> None:
    """Rates of zero, or of fixed O&M alone, leave one year that repeats."""
    for rates in ({}, {"energy": 0.0}, {"fixed_om": 0.03}):
        assert site(make_case, **rates).timeline.repeats_year
