"""Calendars: weekdays, leap days and the clock of every year, in blocks, bills and the audit's own count."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.audit.calendar import steps_of
from planner.case.case import Case
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic
from planner.solve.states import states_of
from planner.timeline import Timeline, clock_shift_minutes, month_hours

Make = Callable[..., Case]
BATTERY = "tesla_megablock_4h"
NEW_YORK = "America/New_York"
# 2027, and 2028, which is a leap year; a tariff with a window from 14 to 18 on weekdays.
PLAIN: dict[str, Any] = {
    "start": "2027-01-01",
    "horizon": {"build_months": 0, "operating_years": 2, "sample_days_per_month": None, "calendar": "actual"},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}],
            "tariff": {
                "energy_usd_per_mwh": None,
                "demand_usd_per_kw_month": 0,
                "energy_periods": [
                    {"name": "base", "usd_per_mwh": 40},
                    {"name": "peak", "usd_per_mwh": 90, "weekday_hours": [14, 15, 16, 17], "weekend_hours": []},
                ],
            },
        }
    },
}


# --- the clock --------------------------------------------------------------------------------------------


def test_daylight_saving_of_new_york_in_2027() -> None:
    """From 14 March 2027, 2:00, to 7 November, 2:00 of daylight time, that is 1:00 of standard time."""
    march, november = (clock_shift_minutes(date(2027, m, 1), NEW_YORK) for m in (3, 11))
    assert np.flatnonzero(np.diff(march)) + 1 == 13 * 24 + 2
    assert (march[0], march[-1]) == (0, 60)
    assert np.flatnonzero(np.diff(november)) + 1 == 6 * 24 + 1
    assert (november[0], november[-1]) == (60, 0)
    assert set(clock_shift_minutes(date(2027, 7, 1), NEW_YORK)) == {60}
    assert not clock_shift_minutes(date(2027, 7, 1), "America/Phoenix").any()
    assert not clock_shift_minutes(date(2027, 7, 1), None).any()
    assert set(clock_shift_minutes(date(2027, 1, 1), "Australia/Sydney")) == {60}
    assert set(clock_shift_minutes(date(2027, 1, 1), "Australia/Lord_Howe")) == {30}


def test_tariff_windows_follow_the_clock(make_case: Make) -> None:
    """One MW more in the hours 14 to 18 of the clock, which are 13 to 17 of standard time in July.

    July 2027 begins on a Thursday: 22 weekdays. 22 x 4 h x 50 $ more than a flat price of 40 $, for each MW.
    """
    hour = np.arange(8760) % 24
    costs = {}
    for name, first in (("clock", 13), ("standard", 14)):
        load = np.where((hour >= first) & (hour < first + 4), 11.0, 10.0)
        block = build_block(plant_of(case := make_case(PLAIN, series=load)), case.timeline.block_key(6))
        x = [{"one": 1.0, "load_mw": 11.0, "grid_mw": 30.0}.get(link, 0.0) for link in block.links]
        costs[name] = BlockSolver(block).solve(np.array(x)).cost_usd
    flat = 40 * (744 * 10 + 31 * 4)
    assert costs["clock"] == pytest.approx(flat + 50 * 22 * 4 * 11)
    assert costs["standard"] == pytest.approx(flat + 50 * 22 * (3 * 11 + 10))


def test_midnight_of_the_clock_decides_the_weekend() -> None:
    """In July the last standard hour of a Friday is Saturday by the clock: 2 July 2027 is a Friday."""
    july = month_hours(date(2027, 7, 1), time_zone=NEW_YORK, actual=True)
    assert july.hour_of_day[[0, 22, 23]].tolist() == [1, 23, 0]
    assert july.is_weekend[[24 + 22, 24 + 23, 3 * 24 + 22, 3 * 24 + 23]].tolist() == [False, True, True, False]


# --- years ------------------------------------------------------------------------------------------------


def test_a_leap_day_has_the_inputs_of_the_day_before() -> None:
    february = month_hours(date(2028, 2, 1), actual=True)
    assert len(february) == 29 * 24
    assert february.hour_of_year[-24:].tolist() == february.hour_of_year[-48:-24].tolist() == list(range(1392, 1416))
    march = month_hours(date(2028, 3, 1), step_minutes=30, actual=True)
    assert march.hour_of_year[0] == 1416
    assert march.step_of_year[:3].tolist() == [2832, 2833, 2834]
    assert len(month_hours(date(2028, 2, 1))) == 28 * 24


def test_the_reference_calendar_repeats_the_first_operating_year() -> None:
    t = Timeline(date(2026, 11, 1), 2, 3, expansion_years=1, time_zone=NEW_YORK)
    assert len(t.places(t.last_period)) == 12
    assert t.block_key(4) == t.block_key(16) == "m03"
    assert t.block_hours("m01").is_weekend.reshape(31, 24)[:, 0].nonzero()[0].tolist()[:2] == [0, 1]  # 2028: a Saturday


def test_years_of_the_actual_calendar() -> None:
    """2027 to 2033: 84 months of their own. July begins on a Thursday in 2027 and 2032, on a Saturday in 2028."""
    t = Timeline(date(2027, 1, 1), 0, 7, calendar="actual", time_zone=NEW_YORK)
    assert len(t.places(0)) == 84
    assert [list(t.months_at(0, k)) for k in (0, 12, 83)] == [[0], [12], [83]]
    assert [t.days_in(m) for m in (1, 13, 25)] == [28, 29, 28]
    assert [t.first_hour_of_year(m) for m in (2, 14)] == [59 * 24, 60 * 24]
    assert [t.block_key(12 * y + 6) for y in (0, 1, 5)] == ["m07-2027", "m07-2028", "m07-2027"]
    # The clock of New York changes on Sundays by rule, so weekdays and length tell months apart.
    months = {(m, monthrange(y, m)) for y in range(2027, 2034) for m in range(1, 13)}
    assert len({t.block_key(m) for m in range(84)}) == len(months) == 73
    assert len(t.block_hours(t.block_key(13))) == 29 * 24


def test_years_apart_on_the_reference_calendar() -> None:
    """Every operating month has a place of its own, with the steps of the same month of the first year."""
    t = Timeline(date(2026, 11, 1), 2, 3, time_zone=NEW_YORK, years_apart=True)
    assert len(t.places(t.last_period)) == 36
    assert [list(t.months_at(2, k)) for k in (0, 12, 35)] == [[2], [14], [37]]
    assert t.days_in(15) == 28  # February 2028
    assert {t.block_key(m) for m in t.months_of(2)} == {f"m{m:02d}" for m in range(1, 13)}


@pytest.mark.parametrize("calendar", ["reference", "actual"])
@pytest.mark.parametrize(("days", "minutes"), [(None, 60), (3, 15)])
@pytest.mark.parametrize("zone", [NEW_YORK, "Australia/Sydney", "Europe/Dublin", "America/Phoenix"])
def test_the_audit_counts_the_same_steps(
    make_case: Make, calendar: str, days: int | None, minutes: int, zone: str
) -> None:
    """Arrays by arithmetic against dates one by one, over two build months, a year and a leap year."""
    horizon = {
        "build_months": 2,
        "operating_years": 2,
        "sample_days_per_month": days,
        "calendar": calendar,
        "step_minutes": minutes,
    }
    case = make_case(PLAIN, {"start": "2026-11-01", "horizon": horizon}, series=10.0)
    timeline = case.timeline
    object.__setattr__(timeline, "time_zone", zone)
    object.__setattr__(case.input.site.location, "time_zone", zone)
    for m in timeline.months:
        ours, theirs = timeline.block_hours(timeline.block_key(m), minutes), steps_of(case, timeline.first_day(m))
        assert ours.month == theirs.month
        assert (timeline.first_hour_of_year(m) + ours.hour_of_month).tolist() == theirs.shown_hour.tolist()
        for name in ("hour_of_year", "step_of_year", "minute", "hour_of_day", "is_weekend"):
            assert getattr(ours, name).tolist() == getattr(theirs, name).tolist(), (m, name)
        assert ours.weight == pytest.approx(theirs.weight)


# --- plans ------------------------------------------------------------------------------------------------


def sampled(make: Make, calendar: str, block: str = "month") -> Case:
    """Two days a month, a battery against the window."""
    hour = np.arange(8760)
    load = 14 + 3 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + 2 * np.sin(2 * np.pi * hour / 50)
    horizon = {"sample_days_per_month": 2, "calendar": calendar, "block": block, "expansion_years": 1}
    more = {"horizon": horizon, "committed": [{"item": BATTERY, "units": 2, "on_site": "2026-01-01"}]}
    return make(PLAIN, more, {"site": {"grid": {"tariff": {"demand_usd_per_kw_month": 9}}}}, series=load)


def test_a_plan_of_actual_years(make_case: Make) -> None:
    """2027 to 2029: every month once, 29 days in February 2028; decomposed, monolithic and by days alike."""
    case = sampled(make_case, "actual")
    assert len(states_of(case)) == 36
    one, other = solve(case, gap=1e-6, threads=1), solve_monolithic(case, gap=1e-6)
    by_day = solve(sampled(make_case, "actual", "day"), gap=1e-6, threads=1)
    assert one.upper_kusd == pytest.approx(other.upper_kusd, rel=2e-6)
    assert by_day.upper_kusd == pytest.approx(one.upper_kusd, rel=2e-6)
    plan = plan_of(one)
    require(plan, case)
    require(plan_of(by_day), sampled(make_case, "actual", "day"))
    assert plan.dispatch.groupby("phase").weight_h.sum().to_dict() == pytest.approx(
        {"expansion year": 8760, "operating year": 8784 + 8760}
    )
    leap = plan.dispatch[plan.dispatch.period == date(2028, 2, 1)]
    assert leap.weight_h.sum() == pytest.approx(29 * 24)
    assert leap.hour_of_year.min() == (31 + 13) * 24
    year = plan.dispatch[plan.dispatch.phase == "operating year"]
    energy = float((year.weight_h * year.site_load_mw).sum()) / 2
    assert plan.summary["key_results"]["site_energy_mwh_per_year"] == pytest.approx(energy)


def test_years_apart_that_do_not_differ_cost_what_a_repeated_year_does(make_case: Make) -> None:
    """Nothing changes from year to year, and samples carry no charge between months: the same cost, 24 months shown."""
    case = sampled(make_case, "reference")
    apart = replace(case, timeline=replace(case.timeline, years_apart=True))
    assert (len(states_of(case)), len(states_of(apart))) == (24, 36)
    one, other, whole = solve(case, gap=1e-6), solve(apart, gap=1e-6), solve_monolithic(apart, gap=1e-6)
    assert other.upper_kusd == pytest.approx(one.upper_kusd, rel=2e-6)
    assert other.upper_kusd == pytest.approx(whole.upper_kusd, rel=2e-6)
    plan = plan_of(other)
    require(plan, apart)
    assert plan.dispatch.groupby("phase").period.nunique().to_dict() == {"expansion year": 12, "operating year": 24}
    assert plan.summary["key_results"]["site_energy_mwh_per_year"] == pytest.approx(
        plan_of(one).summary["key_results"]["site_energy_mwh_per_year"]
    )


def test_the_audit_sees_a_bill_on_standard_time(make_case: Make) -> None:
    """A ledger made on standard time all year fails: its windows are an hour late in summer."""
    case = sampled(make_case, "actual")
    plan = plan_of(solve(case, threads=1))
    row = plan.ledger.index[(plan.ledger.line == "energy") & (plan.ledger.date == date(2027, 7, 15))][0]
    hours = month_hours(date(2027, 7, 1), 2, actual=True)
    july = plan.dispatch[plan.dispatch.period == date(2027, 7, 1)].grid_import_mw.to_numpy()
    window = (hours.hour_of_day >= 14) & (hours.hour_of_day < 18) & ~hours.is_weekend
    late = float((np.where(window, 90, 40) * july).sum()) * hours.weight
    assert abs(late - plan.ledger.usd[row]) > 100
    plan.ledger.loc[row, "usd"] = late
    assert "ledger operation" in {check.name for check in audit(plan, case) if not check.ok}
