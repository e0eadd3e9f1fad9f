"""The limits in conflict: irreducible sets by a deletion filter over the limits of a case.

First the rows of the sizing model, all other input as it is: a limit that may go without a plan becoming possible is
not needed, and stays gone. What is left is needed to the last one. Where rows are only half of the reason, or none of
it, the rest is looked for among the limits that are input (QuickXplain: Junker, AAAI 2004): dates beside rows of MW,
m2 or money; every kind where no row but the milestones' is left. A first conflict is taken away whole, and what is
left searched again, until a plan is possible: so causes that hold independently are all named.

The sizing model alone answers where it can: what it refuses has no plan. Only where it allows what the hours do not,
whole solves decide, on the one pool.
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
from planner.sizing.precheck import precheck
from planner.solve.infeasible import Least, Relaxed, sizing_allows
from planner.solve.operating import Operation
from planner.solve.states import event_states, states_of
from planner.solve.stopping import Stop
from planner.whatif.engine import Answer, Changes, WhatIfs
from planner.whatif.limits import Limit, limits_of
from planner.whatif.written import Written

_LOOSE = 0.05  # gap where only the existence of a plan is asked
_MOST_CONFLICTS = 6
Say = Callable[[str], None]


class OutOfTimeError(Exception):
    """The time for an explanation is up."""


class Asked:
    """Questions of one case: each is asked once, and told."""

    def __init__(self, what: WhatIfs, say: Say, time_limit_s: float) -> None:
        self.what, self.say = what, say
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
    smallest: bool  # whether every limit was shown to be needed, in time
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

    def run(self) -> bool:
        """Find conflicts until a plan is possible without them; whether it came so far."""
        gone: list[Limit] = []
        while len(self.conflicts) < _MOST_CONFLICTS:
            before = tuple(text for limit in gone for text in limit.free)
            by_hours = self.asked.may_work(before)
            if by_hours and self.asked.works(before) is not None:
                return True
            found = self._find(before, [limit for limit in self.limits if limit not in gone], by_hours)
            if found is None:
                return False
            self.conflicts.append(found)
            for limit in found.limits:
                words = limit.words if len(limit.words) < 110 else limit.words[:107] + "..."
                self.asked.say(f"in conflict: {words}")
            taken = [limit for limit in found.limits if limit.name != "milestones"]
            if not taken:
                return False
            gone += taken
        return False

    def _find(self, before: Changes, limits: list[Limit], by_hours: bool) -> Conflict | None:
        plant = plant_of(self.asked.what.case(before))
        hours: dict[str, BlockSolver] = {}
        if by_hours:
            operation = Operation(plant, self.asked.what.pool, Stop(), self.asked.what.trace, self.asked.what.threads)
            operation.add((*states_of(plant.case), *event_states(plant)))
            hours = {key: pool.solver for key, pool in operation.pool.items()}
        relaxed = Relaxed(plant, hours)
        rows = [limit for limit in limits if limit.slack]
        inputs = [limit for limit in limits if not limit.slack]
        smallest = True
        try:
            needed = self._rows(relaxed, rows)
            others = [row for row in rows if row not in needed]
            if any(row.name != "milestones" for row in needed):
                inputs = [limit for limit in inputs if limit.is_date]
            needed = [*needed, *self._inputs(before, others, inputs, by_hours)]
        except OutOfTimeError:
            needed, smallest = [*rows, *inputs], False
        if not needed:
            return None
        needed.sort(key=limits.index)
        least, short = {}, {}
        for name in dict.fromkeys(limit.slack or limit.name for limit in needed):
            found = relaxed.least([name]) if name in LIMITS and smallest else None
            if found is not None and name in found.slacks:
                least[name], short[name] = found, relaxed.shortfall(found, name)
        return Conflict(tuple(needed), least, short, by_hours, smallest, before)

    def _rows(self, relaxed: Relaxed, rows: Sequence[Limit]) -> list[Limit]:
        """Rows that are needed: none where no plan exists without all of them."""
        gone: set[str] = set()
        for row in reversed(rows):
            _ = self.asked.left_s
            if not relaxed.allows({*gone, row.slack}):
                gone.add(row.slack)
        return [row for row in rows if row.slack not in gone]

    def _inputs(self, before: Changes, others: Sequence[Limit], inputs: Sequence[Limit], by_hours: bool) -> list[Limit]:
        """Inputs that are needed beside the rows: none where the rows are enough without them."""

        def fails(held: Sequence[Limit]) -> bool:
            freed = [*others, *(limit for limit in inputs if limit not in held)]
            changes = (*before, *(text for limit in freed for text in limit.free))
            return not self.asked.may_work(changes) or (by_hours and self.asked.works(changes) is None)

        if not inputs or fails(()):
            return []
        return _smallest(fails, [], list(inputs), False)


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
