"""Periods of the horizon, and the calendar of operating blocks.

    period 0 .. B - 1        build months                 B = build_months, may be 0
    period B .. B + E - 1    expansion years              E = expansion_years, each a year in its own right
    period B + E             the operating period         one year, repeated operating_years times

A period is operated in places, in order of time: the operating blocks of its months. A block is a month, or where
`block` says so a part of one (about a week, or a day).

On the reference calendar every year has 365 days and the weekdays and clock of the first operating year, and the
operating period repeats the places of one year, unless what a year costs or has changes from one to the next. On the
actual calendar every year has its own weekdays, leap day and clock; a leap day has the inputs of 28 February. Where
years do not repeat, the operating period has the places of all of them. Charge runs in a circle over a period: over
one year that repeats, or over all the operating years.
A thing dated d exists from the first period that starts on or after d: rounding is never optimistic. So what
comes inside a month counts from the next month, and what comes inside a year from the next year.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

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
    calendar: str = "reference"  # or actual
    time_zone: str | None = None  # whose clock tariffs go by; without one, standard time all year
    years_apart: bool = False  # whether no operating year repeats another: prices or equipment change with age

    @property
    def last_period(self) -> int:
        """Index of the operating period."""
        return self.build_months + self.expansion_years

    @property
    def repeats_year(self) -> bool:
        """Whether the operating period is one year again and again."""
        return self.calendar != "actual" and not self.years_apart

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
        """Months of a period that are operated, each in its own right; those of one year where years repeat."""
        months = self.months_of(period)
        return months[:MONTHS_PER_YEAR] if self.repeats_year else months

    def years_in(self, period: int) -> range:
        """Years of a period that are operated each in its own right: one, or those that do not repeat."""
        return range(max(1, len(self.operated_months(period)) // MONTHS_PER_YEAR))

    def year_at(self, period: int, place: int) -> int:
        """Which of its period's years a place is in."""
        return (self.part_at(period, place)[0] - self.months_of(period)[0]) // MONTHS_PER_YEAR

    def age_years(self, day: date, period: int, year: int) -> float:
        """Age, at the end of a year of a period, of what was ready on a day. Whole months, and never too few.

        >>> t = Timeline(date(2027, 1, 1), build_months=2, operating_years=3, years_apart=True)
        >>> t.age_years(date(2027, 2, 20), 1, 0) == 1 / 12, t.age_years(date(2026, 3, 1), 2, 1)
        (True, 3.0)
        """
        months = self.months_of(period)
        last = year == self.years_in(period)[-1]
        stop = months.stop if last else months.start + MONTHS_PER_YEAR * (year + 1)
        return (stop - (day.year - self.start.year) * MONTHS_PER_YEAR - day.month + self.start.month) / MONTHS_PER_YEAR

    def days_in(self, month: int) -> int:
        """Days of a month."""
        first = self.first_day(month)
        if self.calendar == "actual":
            return calendar.monthrange(first.year, first.month)[1]
        return DAYS_IN_MONTH[first.month - 1]

    def first_hour_of_year(self, month: int) -> int:
        """Hours of its year that have passed before a month."""
        first = self.first_day(month)
        if self.calendar == "actual":
            return 24 * (first - date(first.year, 1, 1)).days
        return 24 * sum(DAYS_IN_MONTH[: first.month - 1])

    def day_parts(self, month: int) -> tuple[range, ...]:
        """Days of each block of a month, counted from its first modelled day.

        >>> Timeline(date(2027, 1, 1), 0, 1, block="week").day_parts(1)
        (range(0, 7), range(7, 14), range(14, 21), range(21, 28))
        """
        days = min(self.sample_days or 31, self.days_in(month))
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
        """Months a place stands for: one, or in an operating period that repeats a year one a year."""
        month = self.part_at(period, place)[0]
        stop = self.months_of(period).stop if self.repeats_year else month + 1
        return range(month, stop, MONTHS_PER_YEAR)

    @cached_property
    def _alike(self) -> dict[int, int]:
        first: dict[tuple[int, int, int, bytes], int] = {}
        result = {}
        for m in self.months:
            day = self.first_day(m)
            key = day.month, self.days_in(m), day.weekday(), clock_shift_minutes(day, self.time_zone).tobytes()
            result[m] = first.setdefault(key, m)
        return result

    def block_key(self, month: int, part: int | None = None) -> str:
        """Key of the block of a part of a month, or of the whole month; months with the same steps share it.

        >>> Timeline(date(2027, 1, 1), 0, 1, block="week").block_key(6, 2)
        'm07.03'
        >>> t = Timeline(date(2027, 1, 1), 0, 8, calendar="actual")
        >>> t.block_key(6), t.block_key(6 + 12), t.block_key(6 + 60)  # July 2032 has the weekdays of July 2027
        ('m07-2027', 'm07-2028', 'm07-2027')
        """
        key = f"m{self.first_day(month).month:02d}"
        if self.calendar == "actual":
            key += f"-{self.first_day(self._alike[month]).year}"
        return key if part is None or self.block == "month" else f"{key}.{part + 1:02d}"

    def block_hours(self, key: str, step_minutes: int = 60) -> Hours:
        """Steps of the block of a key."""
        whole, _, part = key.partition(".")
        name, _, year = whole.partition("-")
        month = int(name[1:])
        first = date(int(year) if year else self.starts[-1].year, month, 1)
        hours = month_hours(
            first,
            self.sample_days,
            step_minutes=step_minutes,
            time_zone=self.time_zone,
            actual=self.calendar == "actual",
        )
        if not part:
            return hours
        index = MONTHS_PER_YEAR * (first.year - self.start.year) + month - self.start.month
        return hours.of_days(self.day_parts(index if year else index % MONTHS_PER_YEAR)[int(part) - 1])

    def before(self, count: int) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """(period, operated month) -> those of so many months before any month it stands for.

        >>> t = Timeline(date(2027, 1, 1), build_months=2, operating_years=1)
        >>> sorted(t.before(2)[2, 2]), sorted(t.before(2)[2, 3])
        ([(0, 0), (1, 1)], [(1, 1), (2, 2)])
        """
        places = ((p, k) for p in range(self.last_period + 1) for k in self.places(p))
        stands = {month: (p, self.part_at(p, k)[0]) for p, k in places for month in self.months_at(p, k)}
        found: dict[tuple[int, int], set[tuple[int, int]]] = {month: set() for month in stands.values()}
        for month, here in stands.items():
            found[here] |= {stands[ago] for ago in range(max(0, month - count), month)}
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
        return self._middles[month]

    @cached_property
    def _middles(self) -> tuple[date, ...]:
        return tuple(self.first_day(month) + timedelta(days=14) for month in self.months)


@dataclass(frozen=True)
class Hours:
    """The steps of one operating block, in order.

    With `sample_days` only so many days in the middle of the month are modelled, each standing for
    days / sample_days of its kind.

    Weather, sun and series run on the site's standard time, and so do blocks. `hour_of_day` and `is_weekend` are
    for tariffs: local clock time, an hour ahead in summer where the time zone has daylight saving. The month of a
    bill begins and ends at midnight of standard time.
    """

    month: int  # calendar month, 0-11
    hour_of_month: NDArray[np.int64]  # (steps,) hours since the month began
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
        arrays = ("hour_of_month", "hour_of_year", "step_of_year", "minute", "hour_of_day", "is_weekend")
        return replace(self, **{name: getattr(self, name)[at] for name in arrays})


def month_hours(
    first: date,
    sample_days: int | None = None,
    *,
    step_minutes: int = 60,
    time_zone: str | None = None,
    actual: bool = False,
) -> Hours:
    """Steps of the month that begins on a day: of that year (`actual`), or of a year of 365 days that begins like it.

    Without a time zone there is no daylight saving.
    """
    plain = DAYS_IN_MONTH[first.month - 1]
    days = calendar.monthrange(first.year, first.month)[1] if actual else plain
    before = sum(DAYS_IN_MONTH[: first.month - 1])
    weekday = first.weekday() if actual else before + date(first.year, 1, 1).weekday()
    count = min(sample_days or days, days)
    per_hour = MINUTES_PER_HOUR // step_minutes
    step = np.arange(count * 24 * per_hour) + (days - count) // 2 * 24 * per_hour
    hour, minute = step // per_hour, step % per_hour * step_minutes
    source = np.minimum(hour // 24, plain - 1) * 24 + hour % 24 + before * 24
    clock = (hour * MINUTES_PER_HOUR + minute + clock_shift_minutes(first, time_zone)[hour]) // MINUTES_PER_HOUR
    return Hours(
        first.month - 1,
        hour,
        source,
        source * per_hour + step % per_hour,
        minute,
        clock % 24,
        (clock // 24 + weekday) % DAYS_PER_WEEK >= 5,
        days / count * step_minutes / MINUTES_PER_HOUR,
        step_minutes / MINUTES_PER_HOUR,
    )


@lru_cache(maxsize=1024)
def clock_shift_minutes(first: date, time_zone: str | None) -> NDArray[np.int64]:
    """Minutes the local clock is ahead of standard time in every hour of a month; zero without a time zone.

    Standard time is the lesser of the offsets in January and July, as clocks are set ahead in summer.
    """
    hours = 24 * calendar.monthrange(first.year, first.month)[1]
    if time_zone is None:
        return np.zeros(hours, dtype=np.int64)
    zone = ZoneInfo(time_zone)
    ends = [datetime(first.year, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)]
    standard = min(offset for offset in ends if offset is not None)
    start = datetime(first.year, first.month, 1, tzinfo=UTC) - standard
    ahead = [(start + timedelta(hours=h)).astimezone(zone).utcoffset() for h in range(hours)]
    shift = np.array([round((offset - standard).total_seconds() / 60) for offset in ahead if offset is not None])
    shift.flags.writeable = False
    return shift
