"""Why a case has no plan: which limits are in the way, and by how much in their own unit.

Each limit gets one slack and is freed alone; the least slack that makes the sizing model feasible is its
shortfall. Limits named in the target's `firm` are never offered. Where no limit alone is enough, all that are
not firm are freed together.
"""

from __future__ import annotations


from planner.errors import InfeasibleError, Shortfall
from planner.operation.blocks import Plant
from planner.sizing.model import LIMITS, build_sizing
from planner.solve.master import Master

_WORDS = {
    "milestones": "milestone", "grid": "grid connection", "budget": "budget", "supply": "supply allocation",
    "hall": "hall floor", "yard": "yard area", "land": "land", "commissioning": "commissioning capacity",
    "equipment": "equipment that can arrive in time",
}  # fmt: skip


def explain(plant: Plant, forbidden: object = None) -> InfeasibleError:
    """The error that names the limits in the way of a case, the smallest set first."""
    firm = set(plant.case.input.target.firm)
    names = [name for name in LIMITS if name not in firm]
    alone = [found for name in names if (found := _shortfalls(plant, (name,)))]
    if alone:
        return InfeasibleError(shortfall for group in alone for shortfall in group)
    together = _shortfalls(plant, tuple(names))
    if together:
        return InfeasibleError(together)
    return InfeasibleError(
        [Shortfall("operation: no plan can serve every hour even with every limit freed", float("nan"), "MW", "always")]
    )


def _shortfalls(plant: Plant, names: tuple[str, ...]) -> list[Shortfall]:
    """Least slacks with these limits freed; empty when that does not help."""
    sizing = build_sizing(plant, relax=names, milestones=bool(plant.case.input.target.milestones))
    master = Master(sizing)
    gradient, _ = master.gradient(sizing.levels["slack"])
    master.minimise(gradient)
    result = master.solve(relaxed=False, gap=1e-3, absolute_gap=1e-3, time_limit=20.0)
    if result.point is None:
        return []
    timeline = plant.case.timeline
    found = []
    for name in names:
        worst, when = 0.0, ""
        for p in range(timeline.last_period + 2):
            slack = master.value(sizing.model.slack[name, p], result.point)
            if slack > worst + 1e-6:
                worst = slack
                when = f"{timeline.starts[p]:%Y-%m}" if p <= timeline.last_period else "any time"
        if worst > 1e-6:
            found.append(Shortfall(_WORDS[name], worst, LIMITS[name], when))
    return found
