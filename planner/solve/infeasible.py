"""Why a case has no plan: which limits are in the way, and by how much in their own unit.

Each limit gets one slack and is freed alone; the least slack that makes the sizing model feasible is its
shortfall. Limits named in the target's `firm` are never offered. Where no limit alone is enough, all that are
not firm are freed together. Where hours failed, the freed model must also serve them: its point is run month
by month, and what falls short comes back as a feasibility cut until nothing does: first with counts that need not be
whole, which learns most of the cuts quickly, then in whole units. Where those take too long, what the first shows is
a bound: the limit is short by at least so much.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyomo.common.errors import InfeasibleConstraintException

from planner.errors import InfeasibleError, Shortfall
from planner.operation.blocks import Plant
from planner.operation.evaluate import BlockSolver
from planner.operation.events import is_event
from planner.sizing.counts import LIMITS
from planner.sizing.model import build_sizing
from planner.solve.master import Master, MasterResult
from planner.solve.states import event_states, link_variables, states_of

_ROUNDS = 50
_WHOLE_S = 20.0  # for one sizing model in whole units

_WORDS = {
    "milestones": "milestone",
    "grid": "grid connection",
    "budget": "budget",
    "supply": "supply allocation",
    "hall": "hall floor",
    "yard": "yard area",
    "land": "land",
    "buildings": "land for buildings",
    "solar": "land for solar and wind",
    "parcel": "parcel",
    "noise": "noise at the fence",
    "fuel_storage": "diesel kept on site",
    "commissioning": "commissioning capacity",
    "equipment": "equipment that can arrive in time",
    "gas": "gas supply",
    "air_permit": "air permit",
    "curtailment": "curtailment",
    "load_rules": "limit of the load's swing at the meter",
    "water": "water of a day",
    "water_year": "water of a year",
}


def explain(plant: Plant, hours: Mapping[str, BlockSolver] | None = None) -> InfeasibleError:
    """The error that names the limits in the way of a case, the smallest set first.

    hours: solvers by block, where some hour could not be served.
    """
    firm = set(plant.case.input.target.firm)
    names = [name for name in LIMITS if name not in firm]
    alone = [found for name in names if (found := _shortfalls(plant, (name,), hours))]
    if alone:
        return InfeasibleError((shortfall for group in alone for shortfall in group), alternatives=True)
    together = _shortfalls(plant, tuple(names), hours)
    if together:
        return InfeasibleError(together)
    names = [event.name for event in plant.events]
    through = f" and live through {', '.join(names)}" if names else ""
    words = f"operation: no plan can serve every hour{through} even with every limit freed"
    return InfeasibleError([Shortfall(words, float("nan"), "MW", "always")])


def _shortfalls(plant: Plant, names: tuple[str, ...], hours: Mapping[str, BlockSolver] | None) -> list[Shortfall]:
    """Least slacks with these limits freed; empty when that does not help."""
    wanted = plant.case.input.objective.kind != "max_gpus"
    sizing = build_sizing(plant, relax=names, milestones=wanted)
    try:
        master = Master(sizing)
    except InfeasibleConstraintException:  # a limit already broken by what is committed
        return []
    gradient, _ = master.gradient(sizing.levels["slack"])
    master.minimise(gradient)
    floor = _served(master, hours or {}, relaxed=True)
    if floor.point is None:
        return []
    result = _served(master, hours or {}, relaxed=False)
    if result.infeasible:
        return []
    point, at_least = (floor.point, True) if result.point is None else (result.point, False)
    timeline = plant.case.timeline
    found = []
    for name in names:
        worst, when = 0.0, ""
        for p in range(timeline.last_period + 2):
            slack = master.value(sizing.model.slack[name, p], point)
            if slack > worst + 1e-6:
                worst = slack
                when = f"{timeline.starts[p]:%Y-%m}" if p <= timeline.last_period else "any time"
        if worst > 1e-6:
            unit = _milestone_unit(plant) if name == "milestones" else LIMITS[name]
            if name == "noise" and (noise := plant.case.input.site.noise) is not None:  # as neighbours measure it
                worst, unit = noise.level_dba(noise.allowed_mw + worst) - noise.limit_dba, "dB(A)"
            found.append(Shortfall(_WORDS[name], worst, unit, when, at_least))
    return found


def _served(master: Master, hours: Mapping[str, BlockSolver], *, relaxed: bool) -> MasterResult:
    """The least slacks at which every hour is served, as far as the rounds go."""
    for _ in range(_ROUNDS):
        result = master.solve(relaxed=relaxed, gap=1e-3, absolute_gap=1e-3, time_limit=_WHOLE_S)
        if result.point is None or not _cut(master, hours, result):
            break
    return result


def _milestone_unit(plant: Plant) -> str:
    """Unit of what the milestones ask for; the first one's where they differ."""
    first = plant.case.input.target.milestones[0]
    return "GPUs" if first.gpus is not None else "PFLOPS" if first.pflops is not None else "MW of IT"


def _cut(master: Master, hours: Mapping[str, BlockSolver], result: MasterResult) -> int:
    """Run every month at a point and cut it off where hours fall short; returns how many cuts were added."""
    assert result.point is not None
    if not hours:
        return 0
    added = 0
    states = (*states_of(master.sizing.case), *event_states(master.sizing.plant, [k for k in hours if is_event(k)]))
    for s in states:
        variables = link_variables(master.sizing, s)
        x = np.array([max(0.0, master.value(v, result.point)) for v in variables])
        value = hours[s.block].solve(x)
        if value.feasible:
            continue
        index = [master.index(v) for v in variables]
        fixed = sum(g * y for g, y, j in zip(value.slope, x, index, strict=True) if j is None)
        inside = [(j, g) for j, g in zip(index, value.slope, strict=True) if j is not None and abs(g) > 1e-9]
        if inside:
            columns, slopes = (np.array(part) for part in zip(*inside, strict=True))
            master.add_row(-np.inf, -float(fixed), columns, slopes)
        added += 1
    return added
