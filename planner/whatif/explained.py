"""Why a case has no plan, and what would have to give: reasons, conflicts and ways out, for people and for files."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import Any

from planner.errors import InfeasibleError
from planner.sizing.precheck import precheck
from planner.whatif.conflict import Asked, Conflict, Filter, OutOfTimeError, Say
from planner.whatif.engine import WhatIfs
from planner.whatif.ways import Search, Way


@dataclass(frozen=True)
class Explained:
    """The answer to a case without a plan."""

    name: str
    reasons: tuple[str, ...]  # known without solving
    conflicts: tuple[Conflict, ...]
    ways: tuple[Way, ...]
    left_out: tuple[str, ...]  # ways not verified, and why
    complete: bool  # whether the time was enough
    firm: tuple[str, ...]
    seconds: float
    solves: int

    def members(self) -> list[tuple[int, str, str, str]]:
        """(conflict, limit in words, by how much it would have to give, file:line), as they are told."""
        return [
            (number, limit.words, self._short(conflict, limit.name, limit.path, limit.slack), limit.place)
            for number, conflict in enumerate(self.conflicts, 1)
            for limit in conflict.limits
        ]

    def _short(self, conflict: Conflict, name: str, path: tuple[str | int, ...], slack: str) -> str:
        """How much of a limit is missing: by its slack, or by the least move that is a way out by itself."""
        if name in self.firm:
            return "firm"
        if (found := conflict.short.get(slack or name)) is not None:
            bound = "at least " if found.at_least else ""
            return f"{bound}{found.amount:,.4g} {found.unit} ({found.when})"
        alone = [way for way in self.ways if len(way.moves) == 1 and way.moves[0][0].limit[: len(path)] == path]
        return alone[0].words if alone else ""

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "case": self.name,
            "feasible": False,
            "reasons": list(self.reasons),
            "conflicts": [
                {
                    "irreducible": conflict.smallest,
                    "limits": [
                        {"name": limit.name, "limit": words, "missing": short, "at": place}
                        for limit, (_, words, short, place) in zip(
                            conflict.limits, [row for row in self.members() if row[0] == number], strict=True
                        )
                    ],
                }
                for number, conflict in enumerate(self.conflicts, 1)
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
    """Why the case has no plan, with the ways out where they are asked for; None where it has one."""
    begin = time.perf_counter()
    reasons: tuple[str, ...] = ()
    case = what.case()
    try:
        precheck(case)
    except InfeasibleError as error:
        reasons = tuple(str(shortfall) for shortfall in error.shortfalls)
    asked = Asked(what, say, time_limit_s)
    search = Filter(asked)
    looked: Search | None = None
    left_out: list[str] = []
    try:
        if search.run(by_hours=not ways) and not search.conflicts:
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
