"""One case solved as one model and decomposed: what must agree, for the tests of random cases."""

from __future__ import annotations

import pytest

from planner.case.case import Case
from planner.errors import InfeasibleError
from planner.plan.audit import require
from planner.solve.decomposition import Solution, solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic

GAP = 1e-6


def agree(case: Case) -> Solution | None:
    """The decomposed plan, audited: the same optimum as the whole model's, and the same cost of the same plan.

    None where neither finds a plan.
    """
    whole = Monolithic(case)
    try:
        best = whole.solve(gap=GAP)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve(case, gap=GAP, threads=1)
        return None
    found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    room = 3 * GAP * abs(best.upper_kusd)
    assert found.lower_kusd <= best.upper_kusd + room
    assert best.lower_kusd <= found.upper_kusd + room
    assert found.upper_kusd == pytest.approx(best.upper_kusd, abs=room)
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
