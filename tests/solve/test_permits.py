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

from planner.audit.audit import require
from planner.case.case import Case
from planner.case.catalog import default_catalog_folder, read_catalog
from planner.errors import InfeasibleError, InputError
from planner.families.generation import (
    heat_rate_mmbtu_hhv_per_mwh,
    nox_kg_per_mwh_of_bhp_hours,
    nox_kg_per_mwh_of_mg,
    nox_kg_per_mwh_of_ppm,
)
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.master import Master, MasterResult
from planner.units import KG_PER_SHORT_TON

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


def test_nothing_fires_on_gas_before_its_date(make_case: Make) -> None:
    """Gas from 2027-01-02 counts from February: January imports all of its 10 MW."""
    plan = solve(site(make_case, gas(**{"from": "2027-01-02"})), gap=1e-6, threads=1)
    made = plan_of(plan).dispatch.groupby(["phase", "period"])["generation:own_engine_mw"].sum()
    assert made["build"].tolist() == pytest.approx([0.0, 120.0])


def test_an_hour_takes_a_tenth_more_than_a_24th(make_case: Make) -> None:
    """A day of 960 MMBtu: 40 an hour and 44 at most, 5.5 MW of 8 MMBtu a MWh, where power is dear in the evening."""
    series = {"file": "price.csv", "column": "usd"}
    dear = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": None, "energy_series": series}}}}
    stands = {"committed": [{"item": "own_engine", "units": 2, "on_site": "2027-01-01"}]}
    prices = {"price": np.where(np.arange(8760) % 24 == 20, 200.0, 50.0)}
    plan = solve(site(make_case, gas(hourly_swing_fraction=0.10), dear, stands, prices=prices), gap=1e-6, threads=1)
    assert flow(plan, "generation:own_engine_mw").max() == pytest.approx(44 / 8)


def test_take_or_pay_is_owed_for_what_is_not_burnt(make_case: Make) -> None:
    """No engine pays at a grid of 20 $/MWh: .6 of 960 MMBtu at 5 $ are 2,880 $ a day, 89,280 in January."""
    cheap = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": 20}}}}
    plan = solve(site(make_case, gas(take_or_pay_fraction=0.6), cheap), gap=1e-6, threads=1)
    ledger = plan_of(plan).ledger
    owed = ledger[ledger.line == "gas take-or-pay"]
    assert owed.usd.iloc[0] == pytest.approx(0.6 * 960 * 5 * 31, rel=1e-6)
    assert owed.usd.sum() == pytest.approx(0.6 * 960 * 5 * (31 + 28 + 365), rel=1e-6)
    require(plan_of(plan), plan.sizing.case)


def test_gas_that_must_be_paid_for_is_burnt(make_case: Make) -> None:
    """Owed in any case, gas costs nothing more: at 20 $/MWh of grid an engine that stands runs for 5 $ of O&M."""
    cheap = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": 20}}}}
    stands = {"committed": [{"item": "own_engine", "units": 1, "on_site": "2027-01-01"}]}
    plan = solve(site(make_case, gas(take_or_pay_fraction=1.0), cheap, stands), gap=1e-6, threads=1)
    assert flow(plan, "generation:own_engine_mw") == pytest.approx(5.0)
    assert "gas take-or-pay" not in set(plan_of(plan).ledger.line)


def test_gas_that_is_not_firm_stops_on_the_coldest_days(make_case: Make) -> None:
    """Of 24 sampled days those among the 60 coldest of the year burn nothing; all others do."""
    case = site(make_case, gas(firm=False, cut_days=60))
    daily = case.weather.dry_bulb_c.reshape(-1, 24).mean(axis=1)
    coldest = set(np.argsort(daily)[:60].tolist())
    frame = plan_of(solve(case, gap=1e-6, threads=1)).dispatch
    made = frame.groupby(["phase", frame.hour_of_year // 24])["generation:own_engine_mw"].sum()
    assert made.groupby(level=1).max().to_dict() == pytest.approx(
        {day: 0.0 if day in coldest else 120.0 for day in set(frame.hour_of_year // 24)}
    )
    assert any(day in coldest for day in set(frame.hour_of_year // 24))


def test_a_hundred_megawatts_of_titan_350_take_22600_mmbtu_a_day() -> None:
    """100 MW x 24 h x 8,495 Btu/kWh LHV x 1.108 (generation.md section 3: 22,600)."""
    catalog, _ = read_catalog(default_catalog_folder())
    each = heat_rate_mmbtu_hhv_per_mwh(catalog["solar_titan_350"])
    assert 100 * 24 * each == pytest.approx(22_600, rel=1e-3)


# -- air permit ----------------------------------------------------------------------------------------------

# 16.4667 MW: fifteen of them are the 247 MW of fifteen SMT-130; rates of 9 and 2 ppm at 9,630 Btu/kWh LHV.
TURBINE = ENGINE | {"id": "own_turbine", "class": "own_turbine", "nameplate_power_mw": 247 / 15, "price_usd": 1e6}


def permit(**fields: Any) -> dict[str, Any]:
    """An air permit from the start on."""
    return {"site": {"air_permit": {"from": "2027-01-01"} | fields}, "candidates": {"generation": ["own_turbine"]}}


def campus(make: Make, rate: float, *changes: dict[str, Any], **more: Any) -> Case:
    """400 MW of load, turbines of 45 $/MWh and a grid of 90 $/MWh."""
    wide = {"interconnection": [{"from": "2026-01-01", "mw": 500, "via": "existing_feeders"}]}
    turbine = TURBINE | {"nox_kg_per_mwh": rate, "derate_from_c": 60}
    more["set"] = more.get("set", [])
    return make(ISLAND, {"site": {"grid": wide}}, *changes, series=400.0, items=[turbine], **more)


@pytest.mark.parametrize(("ppm", "tons"), [(2, 85), (9, 383)])
def test_potential_of_247_mw(ppm: float, tons: float) -> None:
    """247 MW, 8,760 h, ppm x 1.671e-6 x 9,630 x 1.108 kg/MWh: 85 and 383 short tons (generation.md section 4)."""
    rate = nox_kg_per_mwh_of_ppm(ppm, 9630 * 1.108)
    assert rate * 247 * 8760 / KG_PER_SHORT_TON == pytest.approx(tons, abs=0.5)


def test_rates_of_engines_as_makers_state_them() -> None:
    """500 mg/Nm3 of a J620 are about 1.3 kg/MWh; 0.267 g/bhp-h of a G3520K are .37 (x 1.38)."""
    assert nox_kg_per_mwh_of_mg(500, 7633) == pytest.approx(1.3, abs=0.03)
    assert nox_kg_per_mwh_of_bhp_hours(0.267) == pytest.approx(0.37, abs=0.003)


@pytest.mark.parametrize(("rate", "units"), [(0.0357, 15), (0.1605, 3)])
def test_the_permit_counts_all_that_stands_all_year(make_case: Make, rate: float, units: int) -> None:
    """87 short tons are 78,925 kg: a turbine at 2 ppm could emit 5,150 a year, at 9 ppm 23,152: 15 and 3 fit."""
    assert 87 * 907.18474 // (rate * 8760 * 247 / 15) == units
    plan = solve(campus(make_case, rate, permit(nox_tons_per_year=87)), gap=1e-6, threads=1)
    assert bought(plan, "own_turbine") == pytest.approx(units)
    require(plan_of(plan), plan.sizing.case)


@pytest.mark.parametrize("kind", ["energy", "hours"])
def test_an_enforceable_cap_moves_permit_and_operation_together(make_case: Make, kind: str) -> None:
    """At 9 ppm 87 short tons are 491,745 MWh a year: 1,990 h of 247 MW. That is what is made, by whatever stands."""
    case = campus(make_case, 0.1605, permit(nox_tons_per_year=87, enforceable_cap=kind))
    plan = solve(case, gap=1e-6, threads=1)
    frame = plan_of(plan).dispatch
    year = frame[frame.phase == "operating year"]
    made = float((year["generation:own_turbine_mw"] * year.weight_h).sum())
    assert made == pytest.approx(87 * 907.18474 / 0.1605, rel=1e-6)
    assert made / 247 == pytest.approx(1_990, abs=1)
    table = plan_of(plan).details["air_permit"]
    assert table.potential_short_tons_per_year.max() == pytest.approx(87)
    require(plan_of(plan), case)


def test_nothing_fires_before_the_permit(make_case: Make) -> None:
    """Turbines that stand on 2027-01-01 wait for a permit of 2027-01-15: January makes nothing, February all it can."""
    stands = {"committed": [{"item": "own_turbine", "units": 2, "on_site": "2027-01-01"}]}
    plan = solve(campus(make_case, 0.1, permit(**{"from": "2027-01-15"}), stands), gap=1e-6, threads=1)
    made = plan_of(plan).dispatch.groupby(["phase", "period"])["generation:own_turbine_mw"].sum()
    assert made["build"].iloc[0] == 0.0
    assert made["build"].iloc[1] >= 24 * 2 * 247 / 15 - 1e-6
    require(plan_of(plan), plan.sizing.case)


# -- curtailment ---------------------------------------------------------------------------------------------

CALLED = {"hours_per_year": 60, "event_h": 4, "notice_min": 30}
QUICK_ENGINE = ENGINE | {"start_time_minutes": 5, "derate_from_c": 60}


def curtailed(make: Make, *changes: dict[str, Any], items: list[Any] | None = None, **promise: Any) -> Case:
    """10 MW on a grid of 40 MW that may be called; batteries of 2 MW and 8 MWh, engines of 5 MW."""
    called = {"site": {"grid": {"curtailment": CALLED | promise}}}
    choice = {"candidates": {"generation": ["own_engine"], "battery": ["own_battery"]}}
    return make(ISLAND, choice, called, *changes, series=10.0, items=items or [BATTERY, QUICK_ENGINE])


def test_a_call_of_four_hours_is_lived_through_on_batteries(make_case: Make) -> None:
    """40 MWh at .9 one way are 44.4 held: six batteries. At a grid of 20 $/MWh engines of 4 M$ do not pay."""
    cheap = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": 20}}}}
    dear_engine = [BATTERY, QUICK_ENGINE | {"price_usd": 4e7}]
    plan = solve(curtailed(make_case, cheap, items=dear_engine), gap=1e-6, threads=1)
    assert bought(plan, "own_battery") == pytest.approx(math.ceil(40 / 0.9 / 8))
    require(plan_of(plan), plan.sizing.case)


@pytest.mark.parametrize(("minutes", "batteries"), [(30, 0), (31, 6)])
def test_the_notice_decides_whether_engines_serve(make_case: Make, minutes: int, batteries: int) -> None:
    """Two engines carry 10 MW where they start in 30 minutes; in 31, six batteries do, engines or not."""
    items = [BATTERY, QUICK_ENGINE | {"start_time_minutes": minutes}]
    plan = solve(curtailed(make_case, items=items), gap=1e-6, threads=1)
    assert bought(plan, "own_engine") == pytest.approx(2)  # 45 $/MWh against 90
    assert bought(plan, "own_battery") == pytest.approx(batteries)
    require(plan_of(plan), plan.sizing.case)


def test_what_is_left_and_what_may_go(make_case: Make) -> None:
    """A tenth of 40 MW is left and 30 % of the load may go: 3 MW for 4 h are 12 MWh, 13.3 held: two batteries."""
    dear_engine = [BATTERY, QUICK_ENGINE | {"price_usd": 4e7}]
    case = curtailed(make_case, items=dear_engine, grid_fraction_left=0.1, compute_may_shed=0.3)
    assert bought(solve(case, gap=1e-6, threads=1), "own_battery") == pytest.approx(2)


def test_called_hours_cost_what_the_dearest_generator_costs_more(make_case: Make) -> None:
    """60 h a year of 10 MW at 45 $/MWh of an engine less 20 of the grid: 15,000 $ a year."""
    cheap = {"site": {"grid": {"tariff": {"energy_usd_per_mwh": 20}}}}
    plan = plan_of(solve(curtailed(make_case, cheap, items=[BATTERY, QUICK_ENGINE | {"price_usd": 4e7}]), gap=1e-6))
    frame = plan.dispatch[plan.dispatch.phase == "operating year"]
    mwh = float((frame.grid_import_mw * frame.weight_h).sum())
    ledger = plan.ledger[
        (plan.ledger.line == "called hours (estimate)") & (plan.ledger.date >= plan.capacity.period.iloc[-1])
    ]
    assert mwh >= 87_600 - 1e-3
    assert ledger.usd.sum() == pytest.approx(60 / 8760 * mwh * (8 * 5 + 5 - 20), rel=1e-6)


def test_curtailment_for_an_earlier_date(make_case: Make) -> None:
    """10 MW firm from March, or on call from January: run twice, what the two months of 5 MW of engines cost is seen.

    Without a grid two engines stand from the first day and run 59 days; with calls six batteries do.
    """
    steps = [
        {"from": "2027-01-01", "mw": 0, "via": "existing_feeders"},
        {"from": "2027-03-01", "mw": 40, "via": "existing_feeders"},
    ]
    firm = {"site": {"grid": {"interconnection": steps, "tariff": {"energy_usd_per_mwh": 20}}}}
    items = [BATTERY, QUICK_ENGINE]
    late = make_case(ISLAND, firm, series=10.0, items=items)
    early = [
        {"from": "2027-01-01", "mw": 40, "via": "existing_feeders", "firm": "false"},
        {"from": "2027-03-01", "mw": 40, "via": "existing_feeders"},
    ]
    called = {"site": {"grid": {"interconnection": early, "curtailment": CALLED | {"event_h": 1, "notice_min": 0}}}}
    on_call = make_case(
        ISLAND, firm, called, {"candidates": {"generation": [], "battery": ["own_battery"]}}, series=10.0, items=items
    )
    waits, accepts = solve(late, gap=1e-6, threads=1), solve(on_call, gap=1e-6, threads=1)
    assert bought(waits, "own_engine") == pytest.approx(2)
    assert bought(accepts, "own_battery") == pytest.approx(5)  # power: 5 x 2 MW for an hour
    held = {p: accepts.master.value(accepts.sizing.model.link[p, "uncalled_mw"], accepts.point) for p in range(3)}
    assert held == {0: 0.0, 1: 0.0, 2: 40.0}
    assert waits.upper_kusd - accepts.upper_kusd > 0
    for plan in (waits, accepts):
        require(plan_of(plan), plan.sizing.case)


# -- standby sets --------------------------------------------------------------------------------------------

DIESEL = ENGINE | {
    "id": "own_diesel",
    "class": "own_diesel",
    "fuel": "diesel",
    "permit_class": "emergency",
    "nameplate_power_mw": 3,
    "nox_kg_per_mwh": 6,
    "price_usd": 1e6,
    "derate_from_c": 60,
}


def with_standby(make: Make, *changes: dict[str, Any], **more: Any) -> Case:
    """Ten GB300 racks with standby diesels behind them."""
    return make(
        {
            "candidates": {"standby_generation": ["own_diesel"]},
            "redundancy": {"standby_generation": {"scheme": "N"}},
            "site": {"fuel": {"diesel_usd_per_mmbtu_hhv": 20}},
        },
        *changes,
        items=[DIESEL],
        **more,
    )


def test_tests_of_standby_sets_burn_fuel(make_case: Make) -> None:
    """Each 3 MW set: 100 h x 3 MW x 8 MMBtu x 20 $ are 48,000 $ a year, 4,000 a month."""
    plan = plan_of(solve(with_standby(make_case, {"site": {"standby_tests": {"hours_per_year": 100}}}), gap=1e-4))
    sets = plan.installed[plan.installed.position == "standby_generation"].groupby("period").units.sum()
    paid = plan.ledger[plan.ledger.line == "standby tests"]
    assert sets.iloc[-1] >= 1
    assert paid.usd.iloc[-1] == pytest.approx(4_000 * sets.iloc[-1])


@pytest.mark.parametrize("hours", [500.0, 100.0])
def test_an_emergency_set_counts_for_its_hours(make_case: Make, hours: float) -> None:
    """EPA's 500 h of 3 MW at 6 kg are 9.92 short tons a set, 100 h are 1.98; none runs in a normal hour."""
    permit: dict[str, Any] = {"from": "2027-01-01", "nox_tons_per_year": 40, "emergency_hours_per_year": hours}
    if hours == 500.0:
        del permit["emergency_hours_per_year"]  # the default
    case = with_standby(make_case, {"site": {"air_permit": permit}})
    plan = plan_of(solve(case, gap=1e-4))
    table = plan.details["air_permit"]
    each = hours * 3 * 6 / 907.18474
    assert set(table.use) == {"standby"}
    assert table.potential_short_tons_per_year.to_numpy() == pytest.approx(each * table.units.to_numpy())
    assert not any("own_diesel" in column for column in plan.dispatch.columns)
    assert any("500 h" in text for text in case.defaults_used) == (hours == 500.0)
    require(plan, case)


# -- what stands in the way ----------------------------------------------------------------------------------


def island(make: Make, *changes: dict[str, Any], **more: Any) -> Case:
    """10 MW without a grid."""
    off = {"site": {"grid": {"interconnection": [], "tariff": None}}, "horizon": {"build_months": 0}}
    return site(make, off, *changes, **more)


def shortfalls(case: Case) -> dict[str, tuple[float, str]]:
    """What is blamed, with its amount and unit."""
    with pytest.raises(InfeasibleError) as raised:
        solve(case, gap=1e-4, threads=1)
    return {s.limit: (s.amount, s.unit) for s in raised.value.shortfalls}


def test_too_little_gas_is_blamed_in_mmbtu_a_day(make_case: Make) -> None:
    """10 MW take 1,920 MMBtu a day: 960 more than there are."""
    found = shortfalls(island(make_case, gas()))
    assert found["gas supply"] == (pytest.approx(960, rel=1e-3), "MMBtu HHV/day")


def test_a_permit_is_blamed_in_short_tons(make_case: Make) -> None:
    """Two engines of 5 MW at .5 kg/MWh could emit 48.28 short tons a year, 20 are permitted."""
    permit = {"site": {"air_permit": {"from": "2027-01-01", "nox_tons_per_year": 20}}}
    case = island(make_case, permit, items=[ENGINE | {"nox_kg_per_mwh": 0.5}])
    amount, unit = shortfalls(case)["air permit"]
    assert amount == pytest.approx(2 * 5 * 8760 * 0.5 / 907.18474 - 20, rel=1e-3)
    assert unit == "short tons/year"


def old_engines(make: Make, rate: dict[str, float], tons: float) -> Case:
    """Two engines of 5 MW that have stood for years, and nothing else that fires."""
    stands = {
        "existing": [{"item": "own_engine", "units": 2, "since": "2020-01-01"}],
        "candidates": {"generation": []},
        "site": {"air_permit": {"from": "2027-01-01", "nox_tons_per_year": tons}},
    }
    return site(make, stands, items=[ENGINE | rate])


def test_engines_that_stand_already_count_in_the_permit(make_case: Make) -> None:
    """Two engines of 5 MW at .5 kg/MWh could emit 48.28 short tons: 50 are enough, of 40 the rest is missing."""
    case = old_engines(make_case, {"nox_kg_per_mwh": 0.5}, 50)
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    each = 2 * 5 * 8760 * 0.5 / 907.18474
    assert plan.details["air_permit"].potential_short_tons_per_year.to_numpy() == pytest.approx(each)
    amount, _ = shortfalls(old_engines(make_case, {"nox_kg_per_mwh": 0.5}, 40))["air permit"]
    assert amount == pytest.approx(each - 40, rel=1e-3)


def test_a_rate_is_asked_of_engines_that_stand_already(make_case: Make) -> None:
    with pytest.raises(InputError, match="own_engine has no nox_kg_per_mwh"):
        old_engines(make_case, {}, 50)


def test_a_permit_that_comes_late_is_blamed(make_case: Make) -> None:
    """The load is there in January, the permit in February: the date is what stands in the way."""
    permit = {
        "site": {"air_permit": {"from": "2027-02-01", "nox_tons_per_year": 90}},
        "horizon": {"build_months": 2},
    }
    assert "air permit" in shortfalls(island(make_case, permit, items=[ENGINE | {"nox_kg_per_mwh": 0.5}]))


def test_a_promise_is_blamed_in_megawatts(make_case: Make) -> None:
    """Nothing carries a call of 10 MW: 10 MW must be kept in it."""
    nothing = {"candidates": {"generation": [], "battery": []}, "redundancy": None}
    found = shortfalls(curtailed(make_case, nothing))
    assert found["curtailment"] == (pytest.approx(10, rel=1e-3), "MW kept in a call")


def test_a_bound_is_told_where_whole_units_take_too_long(make_case: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same 10 MW from counts that need not be whole, as where no whole sizing is found in its seconds."""
    solve_sizing = Master.solve

    def slow(master: Master, *, relaxed: bool, **options: Any) -> MasterResult:
        late = not relaxed and "time_limit" in options
        return MasterResult(None, np.inf, -np.inf, False) if late else solve_sizing(master, relaxed=relaxed, **options)

    monkeypatch.setattr(Master, "solve", slow)
    nothing = {"candidates": {"generation": [], "battery": []}, "redundancy": None}
    with pytest.raises(InfeasibleError) as raised:
        solve(curtailed(make_case, nothing), gap=1e-4, threads=1)
    [found] = [s for s in raised.value.shortfalls if s.limit == "curtailment"]
    assert str(found).startswith("curtailment: short by at least 10 MW kept in a call")


# -- a better promise, permit or supply never costs more -------------------------------------------------------


@pytest.mark.parametrize(
    ("tight", "loose"),
    [
        (gas(), gas(mmbtu_hhv_per_day=1920)),
        (gas(firm=False, cut_days=30), gas()),
        (gas(take_or_pay_fraction=0.5), gas()),
        (gas(**{"from": "2027-02-01"}), gas()),
    ],
)
def test_more_gas_never_costs_more(make_case: Make, tight: dict[str, Any], loose: dict[str, Any]) -> None:
    one, other = (solve(site(make_case, change), gap=1e-6, threads=1) for change in (tight, loose))
    assert other.lower_kusd <= one.upper_kusd * (1 + 1e-9)


@pytest.mark.parametrize(
    ("rare", "often"), [({}, {"event_h": 6}), ({"grid_fraction_left": 0.2}, {}), ({}, {"notice_min": 0})]
)
def test_a_milder_promise_never_costs_more(make_case: Make, rare: dict[str, Any], often: dict[str, Any]) -> None:
    mild, hard = (solve(curtailed(make_case, **promise), gap=1e-6, threads=1) for promise in (rare, often))
    assert mild.lower_kusd <= hard.upper_kusd * (1 + 1e-9)


def test_firm_generation_is_what_gas_feeds(make_case: Make) -> None:
    """Two engines of 5 MW stand, 960 MMBtu a day feed 5 MW: so says capacity, and 0 where not firm."""
    stands = {"committed": [{"item": "own_engine", "units": 2, "on_site": "2027-01-01"}]}
    for supply, mw in ((gas(), 5.0), (gas(firm=False, cut_days=5), 0.0), (gas(mmbtu_hhv_per_day=9000), 10.0)):
        plan = plan_of(solve(site(make_case, supply, stands), gap=1e-4, threads=1))
        assert plan.capacity.firm_generation_mw.iloc[-1] == pytest.approx(mw)
