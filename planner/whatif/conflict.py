"""The limits in conflict: irreducible sets by a deletion filter over the limits of a case.

First the rows of the sizing model, all other input as it is: a limit that may go without a plan becoming possible is
not needed, and stays gone. What is left is needed to the last one. Where rows are only half of the reason, or none of
it, the rest is looked for among the limits that are input (QuickXplain: Junker, AAAI 2004): dates beside rows of MW,
m2 or money; every kind where no row but the milestones' is left. A first conflict is taken away whole, and what is
left searched again, until a plan is possible: so causes that hold independently are all named. What comes too late for
a milestone by itself is named at once: it is seldom alone.

The sizing model alone answers where it can: what it refuses has no plan. Only where it allows what the hours do not
are they looked at too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from planner.case.case import Case
from planner.errors import InfeasibleError, InputError, NoPlanError, Shortfall
from planner.operation.blocks import plant_of
from planner.operation.evaluate import BlockSolver
from planner.sizing.counts import LIMITS
from planner.sizing.dates import dates_of
from planner.sizing.precheck import precheck, too_late
from planner.solve.infeasible import Least, Relaxed, sizing_allows
from planner.solve.operating import Operation
from planner.solve.states import event_states, states_of
from planner.solve.stopping import Stop
from planner.whatif.engine import Answer, Changes, WhatIfs
from planner.whatif.limits import Limit, limits_of
from planner.whatif.written import Written

_LOOSE = 0.05  # gap where only the existence of a plan is asked
_MOST_CONFLICTS = 30
Say = Callable[[str], None]


class OutOfTimeError(Exception):
    """The time for an explanation is up."""


class Asked:
    """Questions of one case: each is asked once, and told."""

    def __init__(self, what: WhatIfs, say: Say, time_limit_s: float) -> None:
        self.what, self.say = what, say
        what.dispatch = True  # plans are audited
        self._deadline = time.perf_counter() + time_limit_s
        self._sizing: dict[Changes, bool] = {}
        self.solves = 0

    @property
    def left_s(self) -> float:
        """Seconds that are left; raises OutOfTimeError where there are none."""
        left = self._deadline - time.perf_counter()
        if left <= 0:
            raise OutOfTimeError
        return left

    def valid(self, changes: Changes) -> bool:
        """Whether a changed case is one that can be."""
        try:
            self.what.case(changes)
        except InputError:
            return False
        return True

    def may_work(self, changes: Changes) -> bool:
        """Whether the sizing model has a point; False where the change makes no case."""
        _ = self.left_s
        if changes not in self._sizing:
            self._sizing[changes] = self.valid(changes) and self._allowed(self.what.case(changes))
        return self._sizing[changes]

    def works(self, changes: Changes, gap: float = _LOOSE) -> Answer | None:
        """A plan of a changed case; None where it has none."""
        if not self.may_work(changes):
            return None
        self.what.time_limit_s = self.left_s
        self.solves += 1
        try:
            answer = self.what.answer(changes, gap)
        except NoPlanError:
            raise OutOfTimeError from None
        return answer if answer.solution is not None else None

    @staticmethod
    def _allowed(case: Case) -> bool:
        try:
            precheck(case)
        except InfeasibleError:
            return False
        return sizing_allows(case)


@dataclass(frozen=True)
class Conflict:
    """Limits that together leave no plan; without any one of them, its changes before it granted, there may be one."""

    limits: tuple[Limit, ...]
    least: dict[str, Least]  # by name of LIMITS: how much is missing where that limit alone gives
    short: dict[str, Shortfall]  # the same, in words
    by_hours: bool  # whether hours that cannot be served are part of it
    before: Changes  # takes away the conflicts found before

    @property
    def freed(self) -> Changes:
        """Takes this conflict away whole, its milestones left."""
        limits = [limit for limit in self.limits if limit.name != "milestones"] or self.limits
        return tuple(text for limit in limits for text in limit.free)


class Filter:
    """The search for conflicts."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        what = asked.what
        self.case = what.case()
        self.written = Written(what.path, what.changes)
        self.conflicts: list[Conflict] = []

    @cached_property
    def limits(self) -> list[Limit]:
        """The limits that can be taken away: all together, or else those that can be one by one."""
        rows_and_inputs = limits_of(self.case, self.written)
        inputs = [limit for limit in rows_and_inputs if not limit.slack]
        if self.asked.valid(tuple(text for limit in inputs for text in limit.free)):
            return rows_and_inputs
        return [limit for limit in rows_and_inputs if limit.slack or self.asked.valid(limit.free)]

    def run(self, *, by_hours: bool) -> bool:
        """Find conflicts until a plan is possible without them; whether it came so far.

        by_hours: solve the case without them to see whether hours are left that cannot be served; without a conflict
        of the sizing model that is done anyway.
        """
        solved = by_hours
        gone = [limit for c in self.conflicts for limit in c.limits if limit.name != "milestones"]
        while len(self.conflicts) < _MOST_CONFLICTS:
            before = tuple(text for limit in gone for text in limit.free)
            served = self.asked.may_work(before)
            if served and ((gone and not solved) or self.asked.works(before) is not None):
                return True
            found = self._find(before, [limit for limit in self.limits if limit not in gone], served)
            taken = [limit for conflict in found for limit in conflict.limits if limit.name != "milestones"]
            for conflict in found:
                self.conflicts.append(conflict)
                self.asked.say("in conflict: " + " | ".join(limit.words for limit in conflict.limits))
            if not taken:
                return False
            gone += taken
        return False

    def _find(self, before: Changes, limits: list[Limit], by_hours: bool) -> list[Conflict]:
        """A conflict, or several that need one input each."""
        relaxed = self._relaxed(before, by_hours)
        rows = [limit for limit in limits if limit.slack]
        inputs = [limit for limit in limits if not limit.slack]
        needed = self._rows(relaxed, rows)
        others = {row.slack for row in rows if row not in needed}
        if any(row.name != "milestones" for row in needed):
            inputs = [limit for limit in inputs if limit.is_date]
        sets = [[*needed, *part] for part in self._inputs(before, others, inputs, by_hours)]
        found = []
        for part in sets:
            least, short = {}, {}
            for name in dict.fromkeys(limit.slack or limit.name for limit in part):
                slacks = relaxed.least([name]) if name in LIMITS else None
                if slacks is not None and name in slacks.slacks:
                    least[name], short[name] = slacks, relaxed.shortfall(slacks, name)
            if part:
                found.append(Conflict(tuple(sorted(part, key=limits.index)), least, short, by_hours, before))
        return found

    def _relaxed(self, changes: Changes, by_hours: bool, *, quick: bool = False) -> Relaxed:
        """The sizing model of a changed case with slacks, and its hours where they are asked.

        quick: with choices in the periods that matter alone, for no more than yes or no.
        """
        what, plant = self.asked.what, plant_of(self.asked.what.case(changes))
        hours: dict[str, BlockSolver] = {}
        if by_hours:
            operation = Operation(plant, what.pool, Stop(), what.trace, what.threads)
            operation.add((*states_of(plant.case), *event_states(plant)))
            hours = {key: pool.solver for key, pool in operation.pool.items()}
        return Relaxed(plant, hours, dates_of(plant) if quick else None)

    def _rows(self, relaxed: Relaxed, rows: Sequence[Limit]) -> list[Limit]:
        """Rows that are needed: none where no plan exists without all of them."""
        gone: set[str] = set()
        for row in reversed(rows):
            _ = self.asked.left_s
            if not relaxed.allows({*gone, row.slack}):
                gone.add(row.slack)
        return [row for row in rows if row.slack not in gone]

    def _inputs(self, before: Changes, others: set[str], inputs: Sequence[Limit], by_hours: bool) -> list[list[Limit]]:
        """Sets of inputs needed beside the rows: one that is empty where the rows are enough without any."""

        def fails(held: Sequence[Limit]) -> bool:
            return late(held) or not self._relaxed(changed(held), by_hours, quick=True).allows(others)

        def late(held: Sequence[Limit]) -> bool:
            _ = self.asked.left_s
            return not self.asked.valid(changed(held)) or bool(too_late(self.asked.what.case(changed(held))))

        def changed(held: Sequence[Limit]) -> Changes:
            freed = [limit for limit in inputs if limit not in held]
            return *before, *(text for limit in freed for text in limit.free)

        if not inputs or not fails(inputs):
            return [[]]
        if late(inputs) and not late(()) and (alone := [[limit] for limit in inputs if late([limit])]):
            return alone
        if fails(()):
            return [[]]
        return [_smallest(fails, [], list(inputs), False)]


def _smallest(
    fails: Callable[[Sequence[Limit]], bool], background: list[Limit], among: list[Limit], grown: bool
) -> list[Limit]:
    """QuickXplain: a smallest part of `among` that fails with the background, which grew since it was last asked."""
    if grown and fails(background):
        return []
    if len(among) == 1:
        return among
    half = len(among) // 2
    first, second = among[:half], among[half:]
    of_second = _smallest(fails, [*background, *first], second, True)
    of_first = _smallest(fails, [*background, *of_second], first, bool(of_second))
    return [*of_first, *of_second]
