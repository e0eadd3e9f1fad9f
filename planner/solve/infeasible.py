"""Why a case has no plan: which limits are in the way, and by how much in their own unit.

Every limit of the sizing model gets a slack, and limits are freed and held by the bounds of their slacks: the model
is built once. A limit is freed alone; the least slack that makes the model feasible is its shortfall. Limits named in
the target's `firm` are never offered. Where no limit alone is enough, all that are not firm are freed together. Where
hours failed, the freed model must also serve them: its point is run month by month, and what falls short comes back
as a feasibility cut until nothing does: first with counts that need not be whole, which learns most of the cuts
quickly, then in whole units. Where those take too long, what the first shows is a bound: the limit is short by at
least so much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from pyomo.common.errors import InfeasibleConstraintException

from planner.case.case import Case
from planner.errors import InfeasibleError, Shortfall
from planner.operation.blocks import Plant, plant_of
from planner.operation.evaluate import BlockSolver
from planner.operation.events import is_event
from planner.sizing.counts import LIMITS
from planner.sizing.dates import Dates
from planner.sizing.model import build_sizing
from planner.solve.master import Master, MasterResult
from planner.solve.states import event_states, link_variables, states_of

_ROUNDS = 50
_WHOLE_S = 20.0  # for one sizing model in whole units
_LOOK_S = 5.0  # for one whose answer is only yes or no
_LEAST = 1e-6  # of a slack that counts

WORDS = {
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
    relaxed = Relaxed(plant, hours)
    firm = set(plant.case.input.target.firm)
    names = [name for name in LIMITS if name not in firm]
    alone = [shortfall for name in names for shortfall in relaxed.shortfalls(relaxed.least([name]))]
    if alone:
        return InfeasibleError(alone, alternatives=True)
    together = relaxed.shortfalls(relaxed.least(names))
    if together:
        return InfeasibleError(together)
    events = [event.name for event in plant.events]
    through = f" and live through {', '.join(events)}" if events else ""
    words = f"operation: no plan can serve every hour{through} even with every limit freed"
    return InfeasibleError([Shortfall(words, float("nan"), "MW", "always")])


def sizing_allows(case: Case) -> bool:
    """Whether the sizing model has a point in whole units; also where it is not known in a few seconds.

    It knows nothing of hours, so a case that it allows may still have no plan; one that it refuses has none.
    """
    try:
        master = Master(build_sizing(plant_of(case), milestones=case.input.objective.kind != "max_gpus"))
    except InfeasibleConstraintException:
        return False
    return not any(master.solve(relaxed=relaxed, time_limit=_LOOK_S).infeasible for relaxed in (True, False))


@dataclass(frozen=True)
class Least:
    """The least slacks that let a plan exist: of each limit by period, in its unit."""

    slacks: dict[str, dict[int, float]]
    at_least: bool  # a bound: what is enough was not found in time


class Relaxed:
    """The sizing model of a case with a slack on every limit, and the hours it must serve."""

    def __init__(
        self, plant: Plant, hours: Mapping[str, BlockSolver] | None = None, dates: Dates | None = None
    ) -> None:
        """hours: solvers by block; none where the sizing model alone is asked. dates: periods that matter, else all."""
        self.plant, self._hours = plant, hours or {}
        wanted = plant.case.input.objective.kind != "max_gpus"
        self._sizing = build_sizing(plant, relax=LIMITS, milestones=wanted, dates=dates)
        self._master: Master | None = None
        try:
            self._master = Master(self._sizing)
        except InfeasibleConstraintException:  # broken by what is committed, where there is no slack
            return
        self._columns: dict[str, list[int]] = {name: [] for name in LIMITS}
        for (name, _), slack in self._sizing.model.slack.items():
            if (j := self._master.index(slack)) is not None:
                self._columns[name].append(j)

    def allows(self, names: Iterable[str]) -> bool:
        """Whether a plan exists with these limits freed; also where it is not known in time."""
        master = self._freed(names)
        if master is None:
            return False
        master.minimise(np.zeros(len(master.columns)))
        return not any(self._served(master, relaxed=r, seconds=_LOOK_S).infeasible for r in (True, False))

    def least(self, names: Iterable[str]) -> Least | None:
        """The least slacks of these limits with all others held; None where that does not help."""
        names = list(names)
        master = self._freed(names)
        if master is None:
            return None
        gradient = np.zeros(len(master.columns))
        gradient[[j for name in names for j in self._columns[name]]] = 1.0
        master.minimise(gradient)
        floor = self._served(master, relaxed=True)
        if floor.point is None:
            return None
        result = self._served(master, relaxed=False)
        if result.infeasible:
            return None
        point = floor.point if result.point is None else result.point
        found: dict[str, dict[int, float]] = {}
        for name in names:
            for period in range(self.plant.case.timeline.last_period + 2):
                slack = master.value(self._sizing.model.slack[name, period], point)
                if slack > _LEAST:
                    found.setdefault(name, {})[period] = slack
        return Least(found, result.point is None)

    def shortfalls(self, least: Least | None) -> list[Shortfall]:
        """The worst of each limit's slacks, in words."""
        return [] if least is None else [self.shortfall(least, name) for name in least.slacks]

    def shortfall(self, least: Least, name: str) -> Shortfall:
        """The worst of a limit's slacks, in words."""
        case, slacks = self.plant.case, least.slacks[name]
        period = max(slacks, key=lambda p: (slacks[p], -p))
        amount, unit, timeline = slacks[period], LIMITS[name], case.timeline
        if name == "milestones":
            unit = _milestone_unit(case)
        if name == "noise" and (noise := case.input.site.noise) is not None:  # as neighbours measure it
            amount, unit = noise.level_dba(noise.allowed_mw + amount) - noise.limit_dba, "dB(A)"
        when = f"{timeline.starts[period]:%Y-%m}" if period <= timeline.last_period else "any time"
        return Shortfall(WORDS[name], amount, unit, when, least.at_least)

    def _freed(self, names: Iterable[str]) -> Master | None:
        """The model with the slacks of these limits free and all others at zero."""
        if self._master is None:
            return None
        free = set(names)
        for name, columns in self._columns.items():
            if name in free:
                self._master.free(np.array(columns, dtype=int))
            else:
                self._master.fix(np.array(columns, dtype=int), np.zeros(len(columns)))
        return self._master

    def _served(self, master: Master, *, relaxed: bool, seconds: float = _WHOLE_S) -> MasterResult:
        """The best point at which every hour is served, as far as the rounds go."""
        for _ in range(_ROUNDS):
            result = master.solve(relaxed=relaxed, gap=1e-3, absolute_gap=1e-3, time_limit=seconds)
            if result.point is None or not self._cut(master, result):
                break
        return result

    def _cut(self, master: Master, result: MasterResult) -> int:
        """Run every month at a point and cut it off where hours fall short; returns how many cuts were added."""
        assert result.point is not None
        if not self._hours:
            return 0
        added = 0
        events = [key for key in self._hours if is_event(key)]
        for s in (*states_of(self.plant.case), *event_states(self.plant, events)):
            variables = link_variables(self._sizing, s)
            x = np.array([max(0.0, master.value(v, result.point)) for v in variables])
            value = self._hours[s.block].solve(x)
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


def _milestone_unit(case: Case) -> str:
    """Unit of what the milestones ask for; the first one's where they differ."""
    first = case.input.target.milestones[0]
    return "GPUs" if first.gpus is not None else "PFLOPS" if first.pflops is not None else "MW of IT"
