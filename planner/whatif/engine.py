"""What-ifs of one case on one pool of what is known: each question is answered by solving it, and only once.

A change is the text of `--set`: `site.grid.interconnection[0].mw=60`. So every answer can be had again by hand.
Every plan found is offered to the questions that follow: where it is still possible, their answers cost no more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.case.case import Case, load_case
from planner.errors import InfeasibleError, NoPlanError
from planner.sizing.options import USD_PER_KUSD
from planner.solve.decomposition import solve
from planner.solve.design import Design, design_of
from planner.solve.plans import Bound, sizing_bound
from planner.solve.pool import Pool
from planner.solve.solution import Solution
from planner.solve.stopping import Stop
from planner.solve.trace import Trace
from planner.whatif.difference import Difference, Span, difference

Changes = tuple[str, ...]
_FINEST_GAP = 1e-6
_LEAST_S = 5.0  # for anything that is solved
_BOUND_SHARE = 0.2  # of the time the base case took, for one bound
_STEP = (0.1, 0.5)  # a gap is made smaller by no more and no less than this


@dataclass(frozen=True)
class Answer:
    """What a changed case gives: a proven plan, or none."""

    changes: Changes
    case: Case
    solution: Solution | None  # None: no plan satisfies the changed case
    lower_kusd: float = float("-inf")  # the best bound of every solve of the case

    @property
    def least_usd(self) -> float:
        """Proven lower bound of the present value; infinite where there is no plan."""
        return max(self.solution.lower_kusd, self.lower_kusd) * USD_PER_KUSD if self.solution else float("inf")

    @property
    def cost_usd(self) -> float:
        """Present value of the plan found; infinite where there is none."""
        return self.solution.upper_kusd * USD_PER_KUSD if self.solution is not None else float("inf")

    @property
    def gap_fraction(self) -> float:
        """Gap over the cost open to decision; 0 where it is proven that there is no plan."""
        if self.solution is None:
            return 0.0
        open_usd = abs(self.cost_usd - self.solution.forced_kusd * USD_PER_KUSD)
        return max(0.0, self.cost_usd - self.least_usd) / max(open_usd, 1e-6)

    @property
    def seconds(self) -> float:
        """Time that the solve of the plan took; infinite where it is not known."""
        return self.solution.seconds if self.solution is not None else float("inf")

    @property
    def span(self) -> Span:
        """What was found of the first objective, and what is proven of its optimum, in USD, GPUs or months."""
        if self.solution is None:
            return Span(float("inf"), float("inf"), float("inf"))
        first = self.solution.levels[0]
        if first.name == "cost":
            return Span(self.cost_usd, self.least_usd, self.cost_usd)
        return Span(first.value, min(first.value, first.bound), max(first.value, first.bound))


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
        """changes, catalogs: of the base case. gap, time_limit_s: of every answer.

        A solve ends at `until` too, but is given a few seconds at least.
        """
        self.path, self.changes, self.catalogs = path, tuple(changes), tuple(catalogs)
        self.gap, self.threads, self.time_limit_s = gap, threads, time_limit_s
        self.trace, self.pool = trace or Trace(), Pool()
        self.dispatch = False  # whether every state of a plan is run: what an audit needs, and a cost does not
        self.solves, self.until = 0, float("inf")  # until: by the clock of time.perf_counter()
        self._cases: dict[Changes, Case] = {}
        self._answers: dict[Changes, Answer] = {}
        self._bounds: dict[Changes, Bound | None] = {}
        self._designs: list[Design] = []

    def case(self, changes: Changes = ()) -> Case:
        """The case with changes. Raises InputError where they make it one that cannot be."""
        if changes not in self._cases:
            self._cases[changes] = load_case(self.path, [*self.changes, *changes], self.catalogs)
        return self._cases[changes]

    def answer(self, changes: Changes = (), gap: float | None = None, seconds: float | None = None) -> Answer:
        """The best plan of a changed case within a gap, or that it has none.

        seconds: for a solve, where one is needed.
        Raises InputError, and NoPlanError where the time was up before there was a plan.
        """
        known, wanted = self._answers.get(changes), self.gap if gap is None else gap
        if known is None or known.gap_fraction > wanted:
            limit_s = self.time_limit_s if seconds is None else min(seconds, self.time_limit_s)
            known = self._answers[changes] = self._better(known, self._solve(changes, wanted, limit_s))
        return known

    def bound(self, changes: Changes = ()) -> Bound | None:
        """What no plan of a changed case can do better than, without solving a block; None where it has no plan.

        In kUSD, GPUs or periods, by the first objective. Raises InputError.
        """
        case = self.case(changes)
        if changes not in self._bounds:
            try:
                limit_s = min(self.time_limit_s, max(_LEAST_S, _BOUND_SHARE * self.answer().seconds))
                self._bounds[changes] = sizing_bound(case, self.pool, self.gap, Stop(limit_s), self.trace)
            except InfeasibleError:
                self._bounds[changes] = None
        return self._bounds[changes]

    def estimate(self, changes: Changes) -> float:
        """About what a change adds to the first objective, by bounds of the same kind; infinite where it has no plan.

        In whole units where both were solved in time, else by the relaxation.
        """
        before, after = self.bound(), self.bound(changes)
        if before is None or after is None:
            return float("inf")
        if before.whole is None or after.whole is None:
            return after.relaxed - before.relaxed
        return after.whole - before.whole

    def difference(self, changes: Changes, before: Changes = (), *, seconds: float = 60.0) -> Difference:
        """What changed of the first objective: both answers solved more finely until it is sharp, or the time is up."""
        end = time.perf_counter() + seconds
        while True:
            left = max(0.0, end - time.perf_counter())
            pair = (self.answer(before, seconds=left), self.answer(changes, seconds=left))
            found = difference(pair[0].span, pair[1].span, self.unit)
            wide = max(pair, key=lambda answer: answer.cost_usd - answer.least_usd if answer.solution else 0.0)
            left = end - time.perf_counter()
            if found.sharp or wide.gap_fraction <= _FINEST_GAP or self.unit != "USD" or left <= 0:
                return found
            step = min(max(found.missing_share, _STEP[0]), _STEP[1])
            gap = max(_FINEST_GAP, step * wide.gap_fraction)
            better = self._better(wide, self._solve(wide.changes, gap, min(left, self.time_limit_s)))
            self._answers[wide.changes] = better
            if better.gap_fraction > 0.99 * wide.gap_fraction:  # no progress is to be had
                return difference(self.answer(before).span, self.answer(changes).span, self.unit)

    @property
    def unit(self) -> str:
        """Of the first objective."""
        return {"min_cost": "USD", "max_gpus": "GPUs", "earliest": "months"}[self.case().input.objective.kind]

    @staticmethod
    def _better(known: Answer | None, new: Answer | None) -> Answer:
        """What two solves of the same case prove together."""
        if known is None or new is None or known.solution is None or new.solution is None:
            chosen = new or known
            assert chosen is not None
            return chosen
        best = new.solution if new.cost_usd <= known.cost_usd else known.solution
        lower = max(new.least_usd, known.least_usd) / USD_PER_KUSD
        return Answer(new.changes, new.case, best, min(lower, best.upper_kusd))

    def _solve(self, changes: Changes, gap: float, seconds: float) -> Answer | None:
        """One solve; None where the time was up before it had a plan and the case has one already."""
        case = self.case(changes)
        self.solves += 1
        seconds = min(seconds, max(_LEAST_S, self.until - time.perf_counter()))
        try:
            found = solve(
                case,
                gap=gap,
                threads=self.threads,
                stop=Stop(seconds),
                trace=self.trace,
                pool=self.pool,
                dispatch=self.dispatch,
                reasons=False,
                offered=self._designs,
            )
        except InfeasibleError:
            return Answer(changes, case, None)
        except NoPlanError:
            if changes in self._answers:
                return None
            raise
        design = design_of(found)
        if design not in self._designs:
            self._designs.insert(0, design)
        return Answer(changes, case, found)
