"""The hours of every billing month of a plan, as its dispatch table has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from planner.audit.base import Array, Checks, Tables
from planner.audit.calendar import Steps, steps_of
from planner.audit.loads import Site
from planner.audit.stock import periods_of
from planner.case.case import Case
from planner.units import HOURS_PER_YEAR


@dataclass(frozen=True)
class Month:
    """One month of the dispatch: its hours as they must be, and its rows."""

    p: int  # period whose units stand
    place: int  # of the month in its period, from 0; -1 in the build
    start: date
    days: tuple[date, ...]  # first days of every month it stands for: itself, or one a year where years repeat
    hours: Steps
    rows: pd.DataFrame

    @property
    def year(self) -> int:
        """Which of its period's years it is in."""
        return max(self.place, 0) // 12

    def flow(self, name: str) -> Array:
        """A column by hour; zero where the plan has none."""
        if name not in self.rows:
            return np.zeros(len(self.rows))
        values: Array = self.rows[name].fillna(0.0).to_numpy(np.float64)
        return values

    def where(self, what: str) -> Callable[[int], str]:
        """Tells an hour of this month."""
        at, minute = self.hours.shown_hour, self.hours.minute
        return lambda t: f"{what} {self.start} hour of year {at[t]}" + (f" minute {minute[t]}" if minute[t] else "")


def months_of(checks: Checks, case: Case, tables: Tables, site: Site) -> list[Month]:
    """The months of the dispatch with all their hours; months with wrong hours are reported and left out."""
    found, rows_used = [], 0
    groups = {
        key: rows.reset_index(drop=True) for key, rows in tables.dispatch.groupby(["phase", "period"], sort=False)
    }
    for p, place, days in _month_places(case):
        start = days[0]
        phase = "build" if place < 0 else "operating year" if p == site.last else "expansion year"
        hours = steps_of(case, start)
        rows = groups.get((phase, start))
        complete = (
            rows is not None
            and len(rows) == len(hours)
            and bool(
                (rows.hour_of_year.to_numpy() == hours.shown_hour).all()
                and (rows.minute.to_numpy() == hours.minute).all()
                and np.allclose(rows.weight_h.to_numpy(), hours.weight, rtol=1e-9)
            )
        )
        checks.true("hours complete", complete, f"{phase} {start}: must hold its {len(hours)} steps once, in order")
        if rows is not None and complete:
            rows_used += len(rows)
            found.append(Month(p, place, start, days, hours, rows))
    if all(check.ok for check in checks.results() if check.name == "hours complete"):
        checks.true("hours complete", rows_used == len(tables.dispatch), "dispatch has rows of no month")
    if not case.input.horizon.sample_days_per_month:
        for p in sorted({m.p for m in found if m.place >= 0} | {site.last}):
            total = round(sum(m.hours.step_h * len(m.rows) for m in found if m.p == p))
            once = p < site.last or case.timeline.repeats_year
            want = HOURS_PER_YEAR * (1 if once else case.input.horizon.operating_years)
            if case.input.horizon.calendar == "actual":
                want = 24 * ([*site.starts, case.timeline.end][p + 1] - site.starts[p]).days
            checks.true("hours complete", total == want, f"the year {site.starts[p]} has {total} hours")
    return found


def _month_places(case: Case) -> Iterator[tuple[int, int, tuple[date, ...]]]:
    """(period, place in its year or -1, first days of the months operated alike) of all that is operated."""
    for p, days in enumerate(periods_of(case)):
        if len(days) == 1:
            yield p, -1, tuple(days)
        elif case.timeline.repeats_year:
            yield from ((p, k, tuple(days[k::12])) for k in range(12))
        else:
            yield from ((p, k, (day,)) for k, day in enumerate(days))
