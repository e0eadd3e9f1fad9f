"""Build periods, operating years and the reference calendar of operating blocks.

Period p = 0 .. build_months - 1 is a build month; period build_months stands for the operating years. A thing
dated d exists from the first period that starts on or after d: rounding is never optimistic.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.units import DAYS_PER_WEEK

DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NEVER = 10**6  # a period beyond every horizon


def add_months(day: date, months: int) -> date:
    """First of the month so many months after the month of `day`.

    >>> add_months(date(2027, 11, 1), 3)
    datetime.date(2028, 2, 1)
    """
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def add_weeks(day: date, weeks: float) -> date:
    """Date so many weeks later, a broken day counted as a whole one.

    >>> add_weeks(date(2027, 1, 1), 0.1)
    datetime.date(2027, 1, 2)
    """
    return day + timedelta(days=-int(-weeks * DAYS_PER_WEEK // 1))


@dataclass(frozen=True)
class Timeline:
    """The build calendar and the operating years after it."""

    start: date  # first of a month
    build_months: int
    operating_years: int

    @property
    def last_period(self) -> int:
        """Index of the period that stands for the operating years."""
        return self.build_months

    @cached_property
    def starts(self) -> tuple[date, ...]:
        """First day of every period, the operating one included. Length build_months + 1."""
        return tuple(add_months(self.start, p) for p in range(self.build_months + 1))

    @cached_property
    def end(self) -> date:
        """First day after the horizon."""
        return add_months(self.start, self.build_months + 12 * self.operating_years)

    def first_period(self, day: date) -> int:
        """First period that starts on or after a day; NEVER when none does."""
        p = bisect_left(self.starts, day)
        return p if p <= self.build_months else NEVER

    def period_of(self, day: date) -> int:
        """Last period that has started by a day; -1 before the start."""
        return bisect_right(self.starts, day) - 1

    def calendar_month(self, period: int) -> int:
        """Calendar month 0-11 of a build period (or of the first operating month)."""
        return (self.start.month - 1 + period) % 12

    @cached_property
    def operating_months(self) -> tuple[int, ...]:
        """The twelve calendar months of an operating year in their order."""
        return tuple(self.calendar_month(self.build_months + k) for k in range(12))

    def middle(self, months_from_start: int) -> date:
        """Middle of a month counted from the start, when its bills are taken as paid."""
        return add_months(self.start, months_from_start) + timedelta(days=14)


@dataclass(frozen=True)
class Hours:
    """The hours of one operating block on the reference calendar.

    Reference calendar: 365 days, weekdays of the first operating year. With `sample_days` only so many days
    in the middle of the month are modelled, each standing for days / sample_days of its kind.
    """

    month: int  # calendar month, 0-11
    hour_of_year: NDArray[np.int64]  # (hours,)
    hour_of_day: NDArray[np.int64]  # (hours,)
    is_weekend: NDArray[np.bool_]  # (hours,)
    weight: float  # real hours one modelled hour stands for

    def __len__(self) -> int:
        return len(self.hour_of_year)


def block_hours(month: int, reference_year: int, sample_days: int | None = None) -> Hours:
    """Hours of a calendar month (0-11) on the reference calendar of a year."""
    days = DAYS_IN_MONTH[month]
    count = min(sample_days or days, days)
    first_day = sum(DAYS_IN_MONTH[:month]) + (days - count) // 2
    hour = np.arange(first_day * 24, (first_day + count) * 24)
    weekday_of_january_1 = calendar.weekday(reference_year, 1, 1)
    weekday = (hour // 24 + weekday_of_january_1) % 7
    return Hours(month, hour, hour % 24, weekday >= 5, days / count)
