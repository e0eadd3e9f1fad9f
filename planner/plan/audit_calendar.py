"""The auditor's own calendar: the steps of a month, day by day, from the dates alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

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
    return _steps(start.month, case.timeline.starts[-1].year, horizon.sample_days_per_month, horizon.step_minutes)


@lru_cache(maxsize=256)
def _steps(month: int, year: int, sample_days: int | None, minutes: int) -> Steps:
    days = _days(month, year)
    kept = days[(len(days) - min(sample_days or 31, len(days))) // 2 :][: sample_days or 31]
    shown, source, clock, weekend = [], [], [], []
    for place, weekday in kept:
        for hour in range(24):
            shown.append(24 * place + hour)
            source.append(24 * place + hour)
            clock.append(hour)
            weekend.append(weekday in (5, 6))
    per_hour = 60 // minutes
    minute = np.tile(np.arange(0, 60, minutes), len(shown))
    hours = np.repeat(source, per_hour)
    return Steps(
        month - 1,
        np.repeat(shown, per_hour),
        minute,
        hours,
        hours * per_hour + minute // minutes,
        np.repeat(clock, per_hour),
        np.repeat(weekend, per_hour),
        minutes / 60 * len(days) / len(kept),
        minutes / 60,
    )


def _days(month: int, year: int) -> list[tuple[int, int]]:
    """(day of a year of 365 days, weekday with Monday 0) of every day of a month; 1 January as in the given year."""
    first = datetime(2001, 1, 1)  # a year without 29 February
    days = [first + timedelta(days=d) for d in range(365)]
    return [(d, (d + date(year, 1, 1).weekday()) % 7) for d, day in enumerate(days) if day.month == month]
