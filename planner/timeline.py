"""Periods of the horizon and the reference calendar of operating blocks.

    period 0 .. B - 1        build months                 B = build_months, may be 0
    period B .. B + E - 1    expansion years              E = expansion_years, each a year in its own right
    period B + E             the operating period         one year, repeated operating_years times

A period is operated in places, in order of time: one in a build month, twelve in a year, one a calendar month.
A thing dated d exists from the first period that starts on or after d: rounding is never optimistic. So what
comes inside a month counts from the next month, and what comes inside a year from the next year.
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
MONTHS_PER_YEAR = 12
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
    """Build months, expansion years, and the operating period after them. Months are counted from the start."""

    start: date  # first of a month
    build_months: int
    operating_years: int
    expansion_years: int = 0

    @property
    def last_period(self) -> int:
        """Index of the operating period."""
        return self.build_months + self.expansion_years

    def months_of(self, period: int) -> range:
        """Months of a period; the operating period has those of all its years.

        >>> t = Timeline(date(2027, 1, 1), build_months=2, operating_years=3, expansion_years=1)
        >>> [t.months_of(p) for p in range(t.last_period + 1)]
        [range(0, 1), range(1, 2), range(2, 14), range(14, 50)]
        """
        if period < self.build_months:
            return range(period, period + 1)
        first = self.build_months + MONTHS_PER_YEAR * (period - self.build_months)
        years = self.operating_years if period == self.last_period else 1
        return range(first, first + MONTHS_PER_YEAR * years)

    def places(self, period: int) -> range:
        """Places of a period, in order of time: one in a build month, twelve in a year."""
        return range(min(MONTHS_PER_YEAR, len(self.months_of(period))))

    def months_at(self, period: int, place: int) -> range:
        """Months a place stands for: one, or in the operating period one a year."""
        return self.months_of(period)[place::MONTHS_PER_YEAR]

    @cached_property
    def place_of(self) -> dict[int, tuple[int, int]]:
        """Month -> (period, place) that stands for it."""
        places = ((p, k) for p in range(self.last_period + 1) for k in self.places(p))
        return {month: place for place in places for month in self.months_at(*place)}

    def before(self, count: int) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """(period, place) -> those of so many months before any month it stands for.

        >>> t = Timeline(date(2027, 1, 1), build_months=2, operating_years=1)
        >>> sorted(t.before(2)[2, 0]), sorted(t.before(2)[2, 1])
        ([(0, 0), (1, 0)], [(1, 0), (2, 0)])
        """
        found: dict[tuple[int, int], set[tuple[int, int]]] = {place: set() for place in self.place_of.values()}
        for month, place in self.place_of.items():
            found[place] |= {self.place_of[ago] for ago in range(max(0, month - count), month)}
        return found

    @property
    def months(self) -> range:
        """All months of the horizon."""
        return range(self.months_of(self.last_period).stop)

    def is_yearly(self, period: int) -> bool:
        """Whether a period is a year, that closes on itself; else it is a build month."""
        return period >= self.build_months

    def phase(self, period: int) -> str:
        """What a period is called in tables."""
        if not self.is_yearly(period):
            return "build"
        return "operating year" if period == self.last_period else "expansion year"

    @cached_property
    def starts(self) -> tuple[date, ...]:
        """First day of every period, the operating one included. Length last_period + 1."""
        return tuple(add_months(self.start, self.months_of(p)[0]) for p in range(self.last_period + 1))

    @cached_property
    def end(self) -> date:
        """First day after the horizon."""
        return add_months(self.start, len(self.months))

    def first_period(self, day: date) -> int:
        """First period that starts on or after a day; NEVER when none does."""
        p = bisect_left(self.starts, day)
        return p if p <= self.last_period else NEVER

    def period_of(self, day: date) -> int:
        """Last period that has started by a day; -1 before the start."""
        return bisect_right(self.starts, day) - 1

    def first_day(self, month: int) -> date:
        """First day of a month."""
        return add_months(self.start, month)

    def middle(self, month: int) -> date:
        """Middle of a month, when its bills are taken as paid."""
        return self.first_day(month) + timedelta(days=14)


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
