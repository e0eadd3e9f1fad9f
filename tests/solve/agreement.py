"""One case solved as one model and decomposed: what must agree, for the tests of random cases."""

from __future__ import annotations

import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import InfeasibleError
from planner.operation.events import is_event
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic

GAP = 1e-6


def same_optimum(case: Case) -> tuple[Solution, Monolithic, float] | None:
    """The decomposed solution, the whole model and the room between their costs [kUSD], where both find one optimum.

    None where neither finds a plan. Of an event the whole model has the starts that the decomposition came to need;
    with the first ones alone it asks less, and may have a plan where no plan lives through every start.
    """
    try:
        found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    except InfeasibleError:
        if not case.input.events:
            with pytest.raises(InfeasibleError):
                Monolithic(case).solve(gap=GAP)
        return None
    whole = Monolithic(case, events=[key for key in found.blocks if is_event(key)])
    best = whole.solve(gap=GAP)
    room = 3 * GAP * abs(best.upper_kusd)
    assert found.lower_kusd <= best.upper_kusd + room
    assert best.lower_kusd <= found.upper_kusd + room
    assert found.upper_kusd == pytest.approx(best.upper_kusd, abs=room)
    return found, whole, room


def agree(case: Case) -> Solution | None:
    """The decomposed plan, audited: the same optimum as the whole model's, and the same cost of the same plan."""
    both = same_optimum(case)
    if both is None:
        return None
    found, whole, _ = both
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if not var.name.startswith("cost[")
    }
    fixed = whole.solve(fixed=decided, gap=0.0)
    blocks = sum(value.cost_usd / 1000.0 for value in found.values.values())
    assert sum(fixed.operating_kusd.values()) == pytest.approx(blocks, rel=1e-7, abs=1e-6)
    require(plan_of(found), case)
    return found
