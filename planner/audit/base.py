"""What every audit module shares: the result of a check, and the plan's tables in one form.

A margin is a limit less its value, or a tolerance less an error; negative means violated.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.plan.plan import Plan

Array = NDArray[np.float64]
DATE_COLUMNS = {
    "orders": ("order_date", "delivery_date", "ready_date", "commissioning_date"),
    "installed": ("period",),
    "stages": ("period",),
    "capacity": ("period",),
    "dispatch": ("period",),
    "ledger": ("date",),
}
TEXT_COLUMNS = ("scenario", "item", "position", "family", "line", "unit", "phase", "binding_stage")


@dataclass(frozen=True)
class Check:
    """One rule tried on a plan. worst_margin has the tolerance in it, so negative means violated."""

    name: str
    count: int  # rows or hours looked at
    worst_margin: float
    unit: str
    message: str  # empty when the rule holds

    @property
    def ok(self) -> bool:
        """Whether the rule holds everywhere."""
        return not self.message


class Checks:
    """Collects checks; calls with one name add up to one check."""

    def __init__(self) -> None:
        self._found: dict[str, Check] = {}

    def add(self, name: str, unit: str, margins: Sequence[float] | Array, where: Callable[[int], str]) -> None:
        """Try a rule on rows. where(i) tells row i: item, date or hour, and values."""
        values = np.atleast_1d(np.asarray(margins, dtype=np.float64))
        worst, message = math.inf, ""
        if len(values):
            clean = np.where(np.isnan(values), -math.inf, values)
            i = int(np.argmin(clean))
            worst = float(clean[i])
            if worst < 0:
                message = f"{where(i)} ({int((clean < 0).sum())} of {len(clean)} violated)"
        old = self._found.get(name)
        if old is None:
            self._found[name] = Check(name, len(values), worst, unit, message)
            return
        if old.worst_margin <= worst:
            worst, message = old.worst_margin, old.message
        self._found[name] = Check(name, old.count + len(values), worst, unit, message)

    def equal(self, name: str, unit: str, got: Any, want: Any, tolerance: Any, where: Callable[[int], str]) -> None:
        """Rows must equal what was derived, within a tolerance."""
        g, w = np.atleast_1d(np.asarray(got, float)), np.atleast_1d(np.asarray(want, float))
        with np.errstate(invalid="ignore"):
            margins = np.asarray(tolerance) - np.abs(g - w)
        self.add(name, unit, margins, lambda i: f"{where(i)}: plan {g[i]:.9g}, audit {w[i]:.9g} {unit}")

    def at_most(self, name: str, unit: str, got: Any, limit: Any, tolerance: Any, where: Callable[[int], str]) -> None:
        """Rows must not exceed a limit by more than a tolerance."""
        g = np.atleast_1d(np.asarray(got, float))
        w = np.broadcast_to(np.asarray(limit, float), g.shape)
        margins = w + tolerance - g
        self.add(name, unit, margins, lambda i: f"{where(i)}: {g[i]:.9g} exceeds {w[i]:.9g} {unit}")

    def between(
        self,
        name: str,
        unit: str,
        got: Any,
        least: Any,
        most: Any,
        tolerance: Any,
        where: Callable[[int], str],
    ) -> None:
        """Rows must lie between two values, each within a tolerance."""
        g = np.atleast_1d(np.asarray(got, float))
        low, high = (np.broadcast_to(np.asarray(v, float), g.shape) for v in (least, most))
        margins = np.minimum(g - low, high - g) + tolerance
        self.add(
            name,
            unit,
            margins,
            lambda i: f"{where(i)}: plan {g[i]:.9g}, audit {low[i]:.9g} to {high[i]:.9g} {unit}",
        )

    def true(self, name: str, holds: bool, text: str) -> None:
        """One fact that must hold."""
        self.add(name, "", [0.0 if holds else -1.0], says(text))

    def results(self) -> list[Check]:
        """Every check in the order first tried."""
        return list(self._found.values())


@dataclass(frozen=True)
class Tables:
    """A plan's tables with dates as dates and texts as texts, whether solved now or read back."""

    summary: dict[str, Any]
    orders: pd.DataFrame
    installed: pd.DataFrame
    stages: pd.DataFrame
    capacity: pd.DataFrame
    dispatch: pd.DataFrame
    ledger: pd.DataFrame
    details: dict[str, pd.DataFrame]  # by name


def tables_of(plan: Plan) -> Tables:
    """Bring a plan's tables into one form; the plan itself is left alone."""
    details = {name: _normal(frame, ("period",), _texts(frame)) for name, frame in plan.details.items()}
    named = {name: _normal(plan.table(name), dates, TEXT_COLUMNS) for name, dates in DATE_COLUMNS.items()}
    return Tables(plan.summary, **named, details=details)


def _texts(frame: pd.DataFrame) -> Sequence[str]:
    """Columns of a detail that hold words."""
    return [str(name) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]


def _normal(frame: pd.DataFrame, dates: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    fresh = frame.reset_index(drop=True)
    columns: dict[str, Any] = {}
    for column in fresh.columns:
        values = fresh[column].tolist()
        if column in dates:
            unique = {v: as_date(v) for v in set(values)}
            columns[column] = pd.Series([unique[v] for v in values], dtype=object)
        elif column in texts:
            columns[column] = pd.Series(["" if v != v or v is None else str(v) for v in values], dtype=object)
        else:
            columns[column] = pd.Series(pd.to_numeric(fresh[column], errors="coerce").to_numpy(float))
    return pd.DataFrame(columns)


def says(text: str) -> Callable[[int], str]:
    """The same text for every row."""
    return lambda _: text


def says_when(text: str, starts: Sequence[date]) -> Callable[[int], str]:
    """Text with the first day of the row's period."""
    return lambda p: f"{text} {starts[p]}"


def as_date(value: Any) -> date:
    """A date given as date, timestamp or ISO text; date.min for what is no date."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return date.min


def first_start(starts: Sequence[date], day: date) -> int | None:
    """First period that starts on or after a day; None when none does."""
    p = bisect_left(starts, day)
    return p if p < len(starts) else None
