"""Periods of the horizon and the reference calendar of operating blocks.

    period 0 .. B - 1        build months                 B = build_months, may be 0
    period B .. B + E - 1    expansion years              E = expansion_years, each a year in its own right
    period B + E             the operating period         one year, repeated operating_years times

A period is operated in places, in order of time: the operating blocks of its months. A block is a month, or where
`block` says so a part of one (about a week, or a day). The operating period repeats the places of one year.
A thing dated d exists from the first period that starts on or after d: rounding is never optimistic. So what
comes inside a month counts from the next month, and what comes inside a year from the next year.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from planner.units import DAYS_PER_WEEK, MINUTES_PER_HOUR

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
    block: str = "month"  # or week, day: the length of an operating block, never over the end of a month
    sample_days: int | None = None  # days of a month that are modelled, all by default

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

    def operated_months(self, period: int) -> range:
        """Months of a period that are operated, each in its own right; later years repeat them."""
        return self.months_of(period)[:MONTHS_PER_YEAR]

    def day_parts(self, month: int) -> tuple[range, ...]:
        """Days of each block of a month, counted from its first modelled day.

        >>> Timeline(date(2027, 1, 1), 0, 1, block="week").day_parts(1)
        (range(0, 7), range(7, 14), range(14, 21), range(21, 28))
        """
        days = DAYS_IN_MONTH[(self.start.month - 1 + month) % MONTHS_PER_YEAR]
        days = min(self.sample_days or days, days)
        count = {"month": 1, "week": max(1, days // DAYS_PER_WEEK), "day": days}[self.block]
        edges = [days * i // count for i in range(count + 1)]
        return tuple(range(a, b) for a, b in pairwise(edges))

    @cached_property
    def _places(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """By period, the month and the part of it that every place is."""
        return tuple(
            tuple((m, i) for m in self.operated_months(p) for i in range(len(self.day_parts(m))))
            for p in range(self.last_period + 1)
        )

    def places(self, period: int) -> range:
        """Places of a period, in order of time: with blocks of a month, one in a build month and twelve in a year."""
        return range(len(self._places[period]))

    def part_at(self, period: int, place: int) -> tuple[int, int]:
        """Month of a place (the first, where it stands for several), and which part of the month it is."""
        return self._places[period][place]

    def months_at(self, period: int, place: int) -> range:
        """Months a place stands for: one, or in the operating period one a year."""
        return range(self.part_at(period, place)[0], self.months_of(period).stop, MONTHS_PER_YEAR)

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
    """The steps of one operating block, in order.

    Reference calendar: 365 days, weekdays of the first operating year. With `sample_days` only so many days
    in the middle of the month are modelled, each standing for days / sample_days of its kind.

    Weather, sun and series run on the site's standard time, and so do blocks. `hour_of_day` and `is_weekend` are
    for tariffs: local clock time, an hour ahead in summer where the time zone has daylight saving.
    """

    month: int  # calendar month, 0-11
    hour_of_year: NDArray[np.int64]  # (steps,) hour of an input year of 365 days whose values hold
    step_of_year: NDArray[np.int64]  # (steps,) the same for inputs given on the step
    minute: NDArray[np.int64]  # (steps,) at which the step begins in its hour
    hour_of_day: NDArray[np.int64]  # (steps,) local clock
    is_weekend: NDArray[np.bool_]  # (steps,) local clock
    weight: float  # real hours one modelled step stands for
    step_h: float  # length of a step

    def __len__(self) -> int:
        return len(self.hour_of_year)

    def of_days(self, days: range) -> Hours:
        """The steps of some days in a row, counted from the first."""
        per_day = round(24 / self.step_h)
        at = slice(days.start * per_day, days.stop * per_day)
        arrays = ("hour_of_year", "step_of_year", "minute", "hour_of_day", "is_weekend")
        return replace(self, **{name: getattr(self, name)[at] for name in arrays})


def block_hours(
    month: int,
    reference_year: int,
    sample_days: int | None = None,
    *,
    step_minutes: int = 60,
    time_zone: str | None = None,
) -> Hours:
    """Steps of a calendar month (0-11) on the reference calendar of a year. Without a time zone, no daylight saving."""
    days = DAYS_IN_MONTH[month]
    count = min(sample_days or days, days)
    first_day = sum(DAYS_IN_MONTH[:month]) + (days - count) // 2
    per_hour = MINUTES_PER_HOUR // step_minutes
    step = np.arange(first_day * 24 * per_hour, (first_day + count) * 24 * per_hour)
    hour = step // per_hour
    weekday_of_january_1 = calendar.weekday(reference_year, 1, 1)
    clock = hour
    return Hours(
        month,
        hour,
        step,
        step % per_hour * step_minutes,
        clock % 24,
        (clock // 24 + weekday_of_january_1) % DAYS_PER_WEEK >= 5,
        days / count * step_minutes / MINUTES_PER_HOUR,
        step_minutes / MINUTES_PER_HOUR,
    )
