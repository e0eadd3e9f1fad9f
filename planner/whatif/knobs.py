"""What may be turned to let a plan exist: a limit of the case, moved by whole notches, as the texts of `--set`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from planner.case.case import Case
from planner.case.marks import Path_
from planner.solve.infeasible import Least
from planner.whatif.engine import Changes
from planner.whatif.limits import Limit
from planner.whatif.written import Written, put


class Promise(IntEnum):
    """What a way out gives up, the least first."""

    kept = 0
    standard = 1  # a spare, an event, a promise to the utility
    date = 2  # of a milestone
    target = 3

    @property
    def words(self) -> str:
        """What is told of it."""
        return ("keeps every promise", "gives up a standard", "moves a date", "shrinks the target")[self]


@dataclass(frozen=True)
class Knob:
    """One way to move a case, by 1 to `most` notches; more of them never make a plan impossible."""

    name: str  # of FIRM_NAMES
    promise: Promise
    most: int
    changes: Callable[[int], Changes]
    words: Callable[[int], str]
    guess: int | None = None  # notches that the sizing model's least slack asks for
    limit: Path_ = ()  # the field it moves


@dataclass(frozen=True)
class View:
    """What knobs are read from."""

    case: Case
    written: Written
    least: dict[str, Least]  # by name of LIMITS: that limit freed alone

    def slack(self, name: str) -> dict[int, float]:
        """By period; empty where it is not known to help."""
        return self.least[name].slacks.get(name, {}) if name in self.least else {}


# -- kinds of knobs ------------------------------------------------------------------------------------------


def more_of(
    limit: Limit,
    path: Path_,
    now: float,
    unit: str,
    short: float,
    *,
    notch: float | None = None,
    also: Changes = (),
    of: str = "",
) -> Knob:
    """More of an amount, to whole notches. short: what is known to be missing, 0 where nothing is."""
    each = notch if notch is not None else notch_of(max(now, short))
    base = math.floor(now / each + 1e-9)

    def amount(n: int) -> float:
        return (base + n) * each

    guess = max(1, math.ceil((now + short) / each - 1e-6) - base) if short > 0 else None
    most = max(20 * (guess or 0), math.ceil(9 * now / each), 100)
    words = of or limit.words.split(":")[0]
    return Knob(
        limit.name,
        Promise.kept,
        most,
        lambda n: (put(path, amount(n)), *also),
        lambda n: f"+{amount(n) - now:,.6g} {unit} of {words}",
        guess,
        path,
    )


def notch_of(value: float) -> float:
    """What people round such an amount to: a hundredth of its order of magnitude.

    >>> notch_of(60_000.0), notch_of(420.0), notch_of(8.0)
    (100.0, 1.0, 1.0)
    """
    return float(10 ** max(0, math.floor(math.log10(max(value, 1.0))) - 2))


def sooner(limit: Limit, path: Path_, day: date, first: date, words: str) -> Knob:
    """A date some whole weeks sooner, not before the start."""
    return Knob(
        limit.name,
        Promise.kept,
        math.ceil((day - first).days / 7),
        lambda n: (put(path, max(first, day - timedelta(weeks=n))),),
        lambda n: f"{words} {n} week{'s' if n > 1 else ''} sooner ({max(first, day - timedelta(weeks=n))})",
        None,
        path,
    )


def once(limit: Limit, promise: Promise, words: str, *texts: str, name: str = "", path: Path_ = ()) -> Knob:
    """A change that is made or not."""
    return Knob(name or limit.name, promise, 1, lambda n: texts, lambda n: words, None, path or limit.path)


def worst_of(view: View, name: str) -> float:
    """The most that is missing of a limit freed alone; 0 where it is not known to help."""
    return max(view.slack(name).values(), default=0.0)
