"""What-ifs of one case on one pool of what is known: each question is answered by solving it, and only once.

A change is the text of `--set`: `site.grid.interconnection[0].mw=60`. So every answer can be had again by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.case.case import Case, load_case
from planner.errors import InfeasibleError
from planner.sizing.options import USD_PER_KUSD
from planner.sizing.precheck import precheck
from planner.solve.decomposition import solve
from planner.solve.pool import Pool
from planner.solve.solution import Solution
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Changes = tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What a changed case gives: a proven plan, or none."""

    changes: Changes
    case: Case
    solution: Solution | None  # None: no plan satisfies the changed case

    @property
    def least_usd(self) -> float:
        """Proven lower bound of the present value; infinite where there is no plan."""
        return self.solution.lower_kusd * USD_PER_KUSD if self.solution is not None else float("inf")

    @property
    def cost_usd(self) -> float:
        """Present value of the plan found; infinite where there is none."""
        return self.solution.upper_kusd * USD_PER_KUSD if self.solution is not None else float("inf")


class WhatIfs:
    """A case and everything asked of it so far."""

    def __init__(
        self,
        path: Path,
        changes: Sequence[str] = (),
        catalogs: Sequence[Path] = (),
        *,
        gap: float = 1e-3,
        threads: int = 2,
        time_limit_s: float = 600.0,
        trace: Trace | None = None,
    ) -> None:
        """changes, catalogs: of the base case. gap, time_limit_s: of every answer."""
        self.path, self.changes, self.catalogs = path, tuple(changes), tuple(catalogs)
        self.gap, self.threads, self.time_limit_s = gap, threads, time_limit_s
        self.trace, self.pool = trace or Trace(), Pool()
        self.dispatch = False  # whether every state of a plan is run: what an audit needs, and a cost does not
        self._cases: dict[Changes, Case] = {}
        self._answers: dict[Changes, Answer] = {}

    def case(self, changes: Changes = ()) -> Case:
        """The case with changes. Raises InputError where they make it one that cannot be."""
        if changes not in self._cases:
            self._cases[changes] = load_case(self.path, [*self.changes, *changes], self.catalogs)
        return self._cases[changes]

    def answer(self, changes: Changes = (), gap: float | None = None) -> Answer:
        """The best plan of a changed case within a gap, or that it has none.

        Raises InputError, and NoPlanError where the time was up before there was a plan.
        """
        known, wanted = self._answers.get(changes), self.gap if gap is None else gap
        if known is None or (known.solution is not None and known.solution.gap_fraction > wanted):
            known = self._answers[changes] = self._solve(changes, wanted)
        return known

    def _solve(self, changes: Changes, gap: float) -> Answer:
        case = self.case(changes)
        try:
            precheck(case)
            found = solve(
                case,
                gap=gap,
                threads=self.threads,
                stop=Stop(self.time_limit_s),
                trace=self.trace,
                pool=self.pool,
                dispatch=self.dispatch,
                reasons=False,
            )
        except InfeasibleError:
            return Answer(changes, case, None)
        return Answer(changes, case, found)
