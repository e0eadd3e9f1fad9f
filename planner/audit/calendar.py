"""The auditor's own calendar: the steps of a month, day by day, from the dates alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from planner.case.case import Case

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """What the steps of a month must be. Arrays are in order of time, one entry a step."""

    month: int  # 0-11
    shown_hour: Index  # hour of the year, as the dispatch tells it
    minute: Index
    hour_of_year: Index  # hour of the input year, for weather
    step_of_year: Index  # step of the input year, for load
    hour_of_day: Index
    is_weekend: NDArray[np.bool_]
    weight: float  # hours a step stands for
    step_h: float

    def __len__(self) -> int:
        return len(self.minute)


def steps_of(case: Case, start: date) -> Steps:
    """Steps of the month that starts on a day."""
    horizon = case.input.horizon
    actual = horizon.calendar == "actual"
    year = start.year if actual else case.timeline.starts[-1].year
    zone = case.input.site.location.time_zone
    return _steps(start.month, year, actual, horizon.sample_days_per_month, horizon.step_minutes, zone)


@lru_cache(maxsize=1024)
def _steps(month: int, year: int, actual: bool, sample_days: int | None, minutes: int, zone: str) -> Steps:
    days = _days(month, year, actual)
    left_out = len(days) - min(sample_days or 31, len(days))
    kept = days[left_out // 2 : len(days) - (left_out - left_out // 2)]
    shown, source, hour_of_day, weekend = [], [], [], []
    for day in kept:
        for hour in range(24):
            standard = datetime(day.real.year, day.real.month, day.real.day, hour)
            begin = _local(standard, zone)
            for minute in range(0, 60, minutes):
                clock = begin + timedelta(minutes=minute)
                shown.append((24 * day.shown + hour, minute))
                source.append(24 * day.source + hour)
                hour_of_day.append(clock.hour)
                weekend.append((day.weekday + (clock.date() - standard.date()).days) % 7 in (5, 6))
    hours, begins = np.array(source), np.array([minute for _, minute in shown])
    return Steps(
        month - 1,
        np.array([hour for hour, _ in shown]),
        begins,
        hours,
        hours * (60 // minutes) + begins // minutes,
        np.array(hour_of_day),
        np.array(weekend),
        minutes / 60 * len(days) / len(kept),
        minutes / 60,
    )


class _Day(NamedTuple):
    real: date  # for the clock
    shown: int  # day of the year in tables
    source: int  # day of the input year of 365 days
    weekday: int  # Monday is 0


def _days(month: int, year: int, actual: bool) -> list[_Day]:
    """Days of a month: of a year as it is, or of one of 365 days that begins on the weekday that year begins on."""
    found, first = [], date(year, 1, 1)
    plain = [date(2001, 1, 1) + timedelta(days=d) for d in range(365)]  # a year without 29 February
    place = {(day.month, day.day): d for d, day in enumerate(plain)}
    real = [first + timedelta(days=d) for d in range(366) if (first + timedelta(days=d)).year == year]
    for day in (d for d in real if d.month == month):
        leap = (day.month, day.day) == (2, 29)
        source = place[2, 28] if leap else place[day.month, day.day]
        if actual:
            found.append(_Day(day, (day - first).days, source, day.weekday()))
        elif not leap:
            found.append(_Day(day, source, source, (first.weekday() + source) % 7))
    return found


def _local(standard: datetime, zone: str) -> datetime:
    """What the clock on the wall shows at a standard time."""
    here = ZoneInfo(zone)
    winter, summer = (datetime(standard.year, month, 1, tzinfo=here).utcoffset() for month in (1, 7))
    assert winter is not None
    assert summer is not None
    return (standard.replace(tzinfo=UTC) - min(winter, summer)).astimezone(here).replace(tzinfo=None)
