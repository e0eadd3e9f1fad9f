"""Why a plan is as it is: the limits that hold it back with what they are worth, and the items on the edge of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from planner.whatif.binding import Binding, binding_limits
from planner.whatif.difference import Difference
from planner.whatif.engine import Answer, WhatIfs
from planner.whatif.near_miss import NearMiss, near_misses

GAIN = {"USD": "saves", "GPUs": "more GPUs", "months": "months sooner"}
LIMIT_HEADS = ("limit", "when", "moved by", "worth", "worth of one unit", "--set")
ITEM_HEADS = ("item", "in the plan", "figure", "now", "turns between", "change", "then", "--set")
_LIMITS_SHARE, _ITEMS_SHARE = 0.55, 0.35  # of the time for all; the rest is for what ends late


@dataclass(frozen=True)
class Explanation:
    """A feasible case explained."""

    base: Answer
    gain: str  # what worth is: money saved, GPUs more or months sooner
    limits: tuple[Binding, ...]
    items: tuple[NearMiss, ...]
    left_out: tuple[str, ...]  # limits and items not looked at for want of time
    solves: int
    seconds: float

    @property
    def limit_rows(self) -> list[tuple[str, ...]]:
        """A row a limit, under LIMIT_HEADS."""
        return [
            (b.move.limit, b.move.when, b.move.words, str(b.worth), _per(b), " ".join(b.move.changes))
            for b in self.limits
        ]

    @property
    def item_rows(self) -> list[tuple[str, ...]]:
        """A row an item, under ITEM_HEADS."""
        return [
            (
                m.item,
                f"{m.units:,.4g}",
                f"{m.figure} [{m.unit}]",
                f"{m.now:,.6g}",
                _ends(m),
                f"{(_turned(m) or m.now) / m.now - 1:+.0%}" if _turned(m) is not None and m.now else "-",
                m.words,
                m.change,
            )
            for m in self.items
        ]

    @property
    def data(self) -> dict[str, Any]:
        """Everything in plain numbers, for a file."""
        return {
            "cost_usd": self.base.cost_usd,
            "least_usd": self.base.least_usd,
            "worth": self.gain,
            "binding_limits": [
                {
                    "limit": b.move.limit,
                    "when": b.move.when,
                    "moved_by": b.move.amount,
                    "unit": b.move.unit,
                    "set": list(b.move.changes),
                    "worth": _numbers(b.worth),
                    "worth_of_one_unit": _numbers(b.per_unit),
                }
                for b in self.limits
            ],
            "near_misses": [asdict(m) for m in self.items],
            "not_looked_at": list(self.left_out),
            "solves": self.solves,
            "seconds": round(self.seconds, 3),
        }


def explain_feasible(whatifs: WhatIfs, *, limits: int = 8, items: int = 8, seconds: float | None = None) -> Explanation:
    """Explain a case that has a plan. seconds: for all of it; by default nine times what the plan itself took."""
    begin = time.perf_counter()
    base = whatifs.answer()
    assert base.solution is not None
    left = 9.0 * base.solution.seconds if seconds is None else seconds
    bound, unseen = binding_limits(whatifs, limits=limits, seconds=_LIMITS_SHARE * left) if limits else ((), ())
    missed, left_out = near_misses(whatifs, items=items, seconds=_ITEMS_SHARE * left) if items else ((), ())
    took = time.perf_counter() - begin
    return Explanation(whatifs.answer(), GAIN[whatifs.unit], bound, missed, (*unseen, *left_out), whatifs.solves, took)


def _per(binding: Binding) -> str:
    if binding.move.amount == 1 or not binding.worth.settled:
        return "" if binding.worth.settled else "-"
    return f"{binding.per_unit} per {binding.move.unit}"


def _turned(miss: NearMiss) -> float | None:
    return miss.not_at if miss.units else miss.bought_at


def _ends(miss: NearMiss) -> str:
    ends = [value for value in (miss.bought_at, miss.not_at) if value is not None]
    if not ends:
        return "-"
    if miss.bought_at is None:
        return "never"
    return " and ".join(f"{value:,.6g}" for value in sorted(ends))


def _numbers(value: Difference) -> dict[str, float | str | bool | None]:
    """Plain numbers; null where one of the two cases has no plan."""
    known = value.settled
    return {
        "found": value.found if known else None,
        "least": value.least if known else None,
        "most": value.most if known else None,
        "unit": value.unit,
        "sharp": value.sharp and known,
        "text": str(value),
    }
