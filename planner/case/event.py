"""Events a site must live through: the fields of a case file, and the hours at which each may begin.

An event begins at the start of an hour of the year with exactly the energy the plan holds in reserve, and is over
after its hours: what the batteries hold then is free. All load must be carried but the share the case lets go.

    grid_outage             no import; standby generators run
    called_curtailment      the utility leaves a share of the import; standby generators may not run
                            once for duration_h, or as often as `calls` lets it, in the way that is worst for the site
    hottest_still_day       24 hours, all at the hottest of the weather file, no wind or sun, full design load
    loss_of_largest_unit    one unit of one type fails, each type in turn; the grid is there
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from planner.case.base import Fraction, NonNegative, PositiveCount, Rule, Strict, require
from planner.case.item import Item
from planner.case.permits import Curtailment
from planner.timeline import DAYS_IN_MONTH
from planner.units import HOURS_PER_YEAR

HOURS_PER_DAY = 24
_FIELDS = {
    "grid_outage": ("duration_h", "load_fraction", "hours", "months", "hours_of_day", "starts"),
    "called_curtailment": (
        "duration_h",
        "load_fraction",
        "hours",
        "months",
        "hours_of_day",
        "starts",
        "grid_fraction_left",
        "notice_min",
        "calls",
    ),
    "hottest_still_day": ("load_fraction",),
    "loss_of_largest_unit": ("duration_h", "load_fraction", "hours", "months", "hours_of_day", "starts"),
}


class Calls(Strict):
    """Calls of a utility that may come whenever its contract lets them: the plan lives through every pattern of them.

    A pattern begins with a call, on the reserve, and lasts for horizon_h; later calls find the batteries as the
    earlier ones and the rests between left them. Beyond the horizon the reserve is taken to be back. Calls and rests
    last whole hours, and a call begins in an hour of the event's window.
    """

    longest_h: PositiveCount  # of one call
    least_gap_h: PositiveCount  # from the end of a call to the start of the next
    horizon_h: Annotated[int, Field(ge=1, le=62)]
    hours_per_year: PositiveCount | None = None  # called in all: a limit where fewer than the horizon could hold

    @model_validator(mode="after")
    def _fits(self) -> Calls:
        if self.longest_h > self.horizon_h:
            rule = f"is less than longest_h ({self.longest_h})"
            raise Rule(rule, "lengthen the horizon", ("horizon_h",))
        return self

    @property
    def limit_h(self) -> int | None:
        """Hours called in all, where a horizon could hold more.

        >>> Calls(longest_h=2, least_gap_h=1, horizon_h=8, hours_per_year=6).limit_h  # two, one, two, one, two
        >>> Calls(longest_h=2, least_gap_h=1, horizon_h=8, hours_per_year=5).limit_h
        5
        """
        cycles, left = divmod(self.horizon_h, self.longest_h + self.least_gap_h)
        most = cycles * self.longest_h + min(left, self.longest_h)
        return self.hours_per_year if self.hours_per_year is not None and self.hours_per_year < most else None

    @property
    def first_h(self) -> int:
        """Hours of the longest call there can be."""
        return min(self.longest_h, self.hours_per_year or self.longest_h)


class EventInput(Strict):
    """One kind of event, that may begin at any hour of its window, in every period."""

    kind: Literal["grid_outage", "called_curtailment", "hottest_still_day", "loss_of_largest_unit"]
    duration_h: Annotated[int, Field(ge=1, le=168)] | None = None
    load_fraction: Fraction = 1.0  # of the IT draw, or of the load series, that must be carried
    grid_fraction_left: Fraction = 0.0  # of the import limit, during a called curtailment
    notice_min: NonNegative | None = None  # of a called curtailment: what starts within it serves; absent: all
    calls: Calls | None = None  # of a called curtailment, in place of duration_h
    hours: list[Annotated[int, Field(ge=0, lt=HOURS_PER_YEAR)]] | None = None  # of the year; instead of a window
    months: list[Annotated[int, Field(ge=1, le=12)]] | None = None  # window: all where nothing is said
    hours_of_day: list[Annotated[int, Field(ge=0, lt=HOURS_PER_DAY)]] | None = None
    starts: PositiveCount = 12  # how many the solve begins with; the rest are replayed, and added where they fail
    _of_curtailment: bool = False  # of site.grid.curtailment: firm MW of the connection are not called

    @property
    def of_curtailment(self) -> bool:
        """Whether it stands for site.grid.curtailment, whose calls leave the firm MW of the connection."""
        return self._of_curtailment

    @model_validator(mode="after")
    def _kind(self) -> EventInput:
        known = _FIELDS[self.kind]
        found = [
            Rule(f"does not belong to {self.kind}", "remove it", (name,), ("kind", name))
            for name in sorted(self.model_fields_set - {"kind"})
            if name not in known
        ]
        if self.calls is not None and self.duration_h is not None:
            found.append(Rule("has both duration_h and calls", "keep one", ("calls",), ("calls", "duration_h")))
        elif "duration_h" in known and self.duration_h is None and self.calls is None:
            reads = ("kind", "duration_h", "calls")
            found.append(Rule("is required", "write duration_h in h", ("duration_h",), reads))
        if self.hours is not None and (self.months is not None or self.hours_of_day is not None):
            rule = "has both hours and a window"
            found.append(Rule(rule, "keep hours, or months and hours_of_day", ("hours",), ("hours",)))
        for name in ("hours", "months", "hours_of_day"):
            if getattr(self, name) == []:
                found.append(Rule("must not be empty", "write at least one, or remove it", (name,), (name,)))
        require(found)
        return self

    @property
    def length_h(self) -> int:
        """Hours it lasts; of calls the first."""
        if self.calls is not None:
            return self.calls.first_h
        return HOURS_PER_DAY if self.duration_h is None else self.duration_h

    def may_begin(self, dry_bulb_c: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Hours of the year at whose start it may begin. Shape (8760,)."""
        hour = np.arange(HOURS_PER_YEAR)
        if self.kind == "hottest_still_day":  # the day that holds the hottest hour
            return np.asarray(hour == int(np.argmax(dry_bulb_c)) // HOURS_PER_DAY * HOURS_PER_DAY)
        if self.hours is not None:
            return np.isin(hour, self.hours)
        month = np.repeat(np.arange(1, 13), np.array(DAYS_IN_MONTH) * HOURS_PER_DAY)
        inside = np.ones(HOURS_PER_YEAR, bool) if self.months is None else np.isin(month, self.months)
        return inside if self.hours_of_day is None else inside & np.isin(hour % HOURS_PER_DAY, self.hours_of_day)


def promised(called: Curtailment) -> EventInput:
    """The event of a promise to be curtailed."""
    event = EventInput(
        kind="called_curtailment",
        duration_h=called.event_h,
        load_fraction=1.0 - called.compute_may_shed,
        grid_fraction_left=called.grid_fraction_left,
        notice_min=called.notice_min,
        starts=called.starts,
    )
    event._of_curtailment = True
    return event


def in_time(item: Item, notice_min: float | None) -> bool:
    """Whether a generator serves in a call: it starts within the notice. One whose start is not known does not."""
    if notice_min is None:
        return True
    return item.start_time_minutes is not None and item.start_time_minutes.upper <= notice_min


def modelled_hours(sample_days_per_month: int | None, *, actual: bool = False) -> NDArray[np.bool_]:
    """Hours of the input year that are operated: all, or those of the sampled days in the middle of every month.

    actual: those of the actual calendar, where the middle of February is another day in leap years.
    """
    parts = []
    for days in DAYS_IN_MONTH:
        day, found = np.arange(days), np.zeros(days, bool)
        for length in (days, 29) if actual and days == 28 else (days,):
            some = min(sample_days_per_month or length, length)
            skip = (length - some) // 2
            found |= (day >= skip) & (day < skip + some)
        parts.append(np.repeat(found, HOURS_PER_DAY))
    return np.concatenate(parts)
