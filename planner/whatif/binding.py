"""What holds a plan back, and what moving each limit by one unit is worth.

Every limit of the case is moved in the sizing model in whole units with the cuts already known, which ranks them in
about a second each: its relaxation would take a spare engine for a few thousand dollars. Those that move it most are
then solved anew, and their worth is an honest difference of two proven plans.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date

from planner.errors import InputError, NoPlanError
from planner.sizing.options import USD_PER_KUSD
from planner.solve.solution import Solution
from planner.whatif.difference import Difference
from planner.whatif.engine import WhatIfs
from planner.whatif.moves import Move, moves_of

_RANKING_SHARE = 0.7  # of the time
_LEAST_S, _LEAST_SHARE = 5.0, 0.5  # for one answer: seconds, or of the time the base case took, if that is more
_NOTHING = 1e-7  # of the objective: what moves the sizing less does not hold the plan back


@dataclass(frozen=True)
class Binding:
    """A limit and what moving it is worth: money saved, GPUs more, or months sooner."""

    move: Move
    worth: Difference

    @property
    def per_unit(self) -> Difference:
        """Worth of one unit of the limit."""
        return self.worth.per(self.move.amount)


def binding_limits(
    whatifs: WhatIfs, *, limits: int = 8, seconds: float = 60.0
) -> tuple[tuple[Binding, ...], tuple[str, ...]]:
    """(the limits whose move is worth most, the dearest first; limits left out for want of time).

    limits: how many are solved anew. seconds: for all of them together; what is not sharp by then is an interval.
    """
    base, begin = whatifs.answer(), time.perf_counter()
    assert base.solution is not None
    ranked: list[tuple[float, Move]] = []
    left_out: list[str] = []
    for move in moves_of(whatifs.case(), ordered_at_once(base.solution)):
        if time.perf_counter() - begin > _RANKING_SHARE * seconds:
            left_out.append(f"{move.limit} {move.when}")
            continue
        try:
            gain = abs(whatifs.estimate(move.changes))
        except InputError:  # nothing of the kind can be written, such as a coolant no rack takes
            continue
        if gain > _NOTHING * max(1.0, base.span.found / USD_PER_KUSD if whatifs.unit == "USD" else 1.0):
            ranked.append((gain, move))
    chosen = [move for _, move in sorted(ranked, key=lambda one: -one[0])[:limits]]
    found = []
    for i, move in enumerate(chosen):
        own = max(0.0, begin + seconds - time.perf_counter()) / (len(chosen) - i)
        try:
            found.append(Binding(move, gain_of(whatifs, move.changes, max(own, _LEAST_S, _LEAST_SHARE * base.seconds))))
        except NoPlanError:
            left_out.append(f"{move.limit} {move.when}")
    return tuple(sorted(found, key=lambda one: -abs(one.worth.found))), tuple(left_out)


def gain_of(whatifs: WhatIfs, changes: tuple[str, ...], seconds: float) -> Difference:
    """What a change is worth: money saved, GPUs more, or months sooner."""
    changed = whatifs.difference(changes, seconds=seconds)
    return changed if whatifs.unit == "GPUs" else changed.less()


def ordered_at_once(solution: Solution) -> tuple[tuple[str, date], ...]:
    """Items that a plan orders on the first day they can be, with the day those units serve."""
    master, m, found = solution.master, solution.sizing.model, {}
    for o in solution.sizing.options:
        if not o.orders or o.orders[0].period > 0:
            continue
        if master.value(m.bought[o.key, 0], solution.point) > 1e-6:
            found[o.item.id] = o.orders[0].dates.ready
    return tuple(found.items())
