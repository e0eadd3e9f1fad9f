"""Limits of a year shared out among its months anew, for counts that are given.

A plan in whole units comes with shares that suit the sizing model's fractions, and may fail a month by a little where
another has more than it needs. With the counts fixed the sizing model is a small linear program: its rounds with the
blocks find shares every month can live with, or that there are none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from planner.solve.coupling import Coupling
from planner.solve.master import Master, MasterResult
from planner.solve.operating import Operation

Array = NDArray[np.float64]
_ROUNDS = 40


def shared_out(
    master: Master,
    coupling: Coupling,
    operation: Operation,
    whole: Array,
    solve: Callable[[], MasterResult],
    most: float,
) -> Array | None:
    """A point with the counts of a plan at which every block can be run; None where there is none below a cost.

    solve: the sizing model with continuous variables, with the pool's cuts. most: cost of the best plan so far. [kUSD]
    What the rounds learn stays in the pool and in the sizing model either way.
    """
    counts = np.flatnonzero(master.integer)
    master.fix(counts, whole[counts].round())
    try:
        for _ in range(_ROUNDS):
            result = solve()
            if result.point is None or result.objective >= most:
                return None
            links = coupling.links(result.point)
            values = operation.exact(links)
            if all(value.feasible for value in values.values()):
                return result.point
            if not coupling.learn(values, links):
                return None
        return None
    finally:
        master.free(counts)
