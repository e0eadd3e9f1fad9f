"""Why a case has no plan, and what would have to give: reasons, conflicts and ways out, for people and for files."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planner.errors import InfeasibleError, Shortfall
from planner.sizing.precheck import precheck
from planner.whatif.conflict import Asked, Conflict, Filter, OutOfTimeError, Say
from planner.whatif.engine import WhatIfs
from planner.whatif.limits import Limit
from planner.whatif.ways import Search, Way


@dataclass(frozen=True)
class Explained:
    """The answer to a case without a plan."""

    name: str
    reasons: tuple[Shortfall, ...]  # known without solving
    conflicts: tuple[Conflict, ...]
    ways: tuple[Way, ...]
    left_out: tuple[str, ...]  # ways not verified, and why
    complete: bool  # whether the time was enough
    firm: tuple[str, ...]
    seconds: float
    solves: int

    def members(self) -> list[tuple[str, str, str, str]]:
        """(conflicts, limit in words, by how much it would have to give, file:line), as they are told.

        Limits that stand each by itself against the same ones share the rows of those.
        """
        rows: list[tuple[str, str, str, str]] = []
        for first, last in _alike(self.conflicts):
            for number in range(first, last + 1):
                own = self.conflicts[number].limits[:1]
                rows += [self._row(str(number + 1), self.conflicts[number], limit) for limit in own]
            name = f"{first + 1}" if first == last else f"{first + 1}-{last + 1}"
            rows += [self._row(name, self.conflicts[first], limit) for limit in self.conflicts[first].limits[1:]]
        return rows

    def _row(self, number: str, conflict: Conflict, limit: Limit) -> tuple[str, str, str, str]:
        return number, limit.words, self._short(conflict, limit.name, limit.path, limit.slack), limit.place

    def _short(self, conflict: Conflict, name: str, path: tuple[str | int, ...], slack: str) -> str:
        """How much of a limit is missing: by its slack, or by the least move that is a way out by itself."""
        if name in self.firm:
            return "firm"
        if (found := conflict.short.get(slack or name)) is not None:
            return f"{found.missing} ({found.when})"
        alone = [way for way in self.ways if len(way.moves) == 1 and way.moves[0][0].limit[: len(path)] == path]
        if alone:
            return alone[0].words
        late = [r.amount for r in self.reasons if name == "lead_times" and str(path[1]) in _items_of(r)]
        weeks = math.ceil(max(late, default=0.0)) if all(map(math.isfinite, late)) else 0
        return f"{weeks} weeks sooner" if weeks else ""

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "case": self.name,
            "feasible": False,
            "reasons": [str(reason) for reason in self.reasons],
            "conflicts": [
                {
                    "limits": [
                        {"name": limit.name, "limit": words, "missing": short, "at": place}
                        for limit in conflict.limits
                        for _, words, short, place in [self._row("", conflict, limit)]
                    ],
                }
                for conflict in self.conflicts
            ],
            "ways_out": [
                {
                    "way": way.words,
                    "gives_up": way.promise.name,
                    "plan_usd": way.cost_usd,
                    "set": list(way.changes),
                }
                for way in self.ways
            ],
            "left_out": list(self.left_out),
            "complete": self.complete,
            "seconds": round(self.seconds, 3),
            "solves": self.solves,
        }


def explained(what: WhatIfs, say: Say, time_limit_s: float = 300.0, *, ways: bool = True) -> Explained | None:
    """Why the case has no plan, with the ways out where they are asked for; None where it has one.

    Without the ways, what is known without solving is enough; where it is nothing, the limits in conflict are found.
    """
    begin = time.perf_counter()
    reasons: tuple[Shortfall, ...] = ()
    case = what.case()
    try:
        precheck(case)
    except InfeasibleError as error:
        reasons = error.shortfalls
    asked = Asked(what, say, time_limit_s)
    search = Filter(asked)
    looked: Search | None = None
    left_out: list[str] = []
    try:
        if (ways or not reasons) and search.run(by_hours=not ways) and not search.conflicts:
            return None
        looked = _ways(asked, search) if ways else None
        if looked is not None and looked.complete and not looked.ways:  # perhaps hours stand in the way beside
            known = len(search.conflicts)
            search.run(by_hours=True)
            looked = _ways(asked, search) if len(search.conflicts) > known else looked
    except OutOfTimeError:
        left_out.append("not all conflicts were found in time")
    complete = not left_out and (looked is None or looked.complete)
    return Explained(
        case.input.name,
        reasons,
        tuple(search.conflicts),
        tuple(looked.ways) if looked is not None else (),
        (*left_out, *(looked.left_out if looked is not None else ())),
        complete,
        tuple(case.input.target.firm),
        time.perf_counter() - begin,
        asked.solves,
    )


def _items_of(reason: Shortfall) -> list[str]:
    """Items in the brackets of what comes too late.

    >>> _items_of(Shortfall("lead time of ups (ups_generic, own_ups)", 3.0, "weeks", ""))
    ['ups_generic', 'own_ups']
    """
    return reason.limit.rpartition("(")[2].rstrip(")").split(", ")


def _alike(conflicts: Sequence[Conflict]) -> list[tuple[int, int]]:
    """(first, last) of conflicts in a row that differ in their first limit alone."""
    found: list[tuple[int, int]] = []
    for i, conflict in enumerate(conflicts):
        if found and conflict.limits[1:] == conflicts[found[-1][0]].limits[1:]:
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found


def _ways(asked: Asked, search: Filter) -> Search:
    looked = Search(asked, search)
    looked.run()
    return looked


def options_text(way: Way) -> str:
    """A way's changes as options of the command line, quoted for a shell.

    >>> from planner.whatif.knobs import Promise
    >>> options_text(Way("", ("site.grid.interconnection[1].mw=74",), Promise.kept, 0.0, ()))
    "--set 'site.grid.interconnection[1].mw=74'"
    """
    return " ".join(f"--set {shlex.quote(change)}" for change in way.changes)
