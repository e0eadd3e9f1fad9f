"""Whole plans of a case: tried on every hour, and the best of them kept.

A plan is kept when every hour and every event is served, its budgets hold at its true cost, and its dispatch has passed
the integer check. Plans of other cases may be offered: what they count is held in this case's sizing model, and what
is left of it chosen anew, so that a plan that is still possible is never lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyomo.common.errors import InfeasibleConstraintException

from planner.case.case import Case
from planner.errors import InfeasibleError
from planner.operation.blocks import Plant, plant_of
from planner.operation.evaluate import Value
from planner.sizing.dates import dates_of
from planner.sizing.model import build_sizing
from planner.solve.coupling import Coupling
from planner.solve.design import Design
from planner.solve.infeasible import explain
from planner.solve.master import Master, MasterResult
from planner.solve.operating import Operation
from planner.solve.pool import Pool
from planner.solve.rentals import settle_rent
from planner.solve.replays import failing_starts
from planner.solve.settle import settle
from planner.solve.solution import Progress
from planner.solve.states import State, event_states, states_of
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
_MIXED_SHARE = 0.5  # of a sizing solve's gap: what blocks not solved at a point may add to its cost
_FINEST_GAP = 1e-8  # what is asked below it lies within the solver's tolerances, and counts as it


@dataclass
class Best:
    """A whole plan, and what it costs. [kUSD]"""

    cost: float  # after the integer check
    point: Array | None
    values: dict[State, Value] = field(default_factory=dict)
    links: dict[State, Array] = field(default_factory=dict)


class Plans:
    """The sizing model and the blocks of a case, the bounds so far, and the best plan with its cost."""

    def __init__(
        self,
        case: Case,
        gap: float,
        threads: int,
        report: Callable[[Progress], None] | None,
        stop: Stop,
        trace: Trace,
        pool: Pool,
        reasons: bool,
    ) -> None:
        self.case, self.gap, self.threads, self.report = case, max(gap, _FINEST_GAP), threads, report
        self.stop, self.trace, self.reasons = stop, trace, reasons
        self.begin = time.perf_counter()
        self.plant: Plant = plant_of(case)
        self.known = pool
        self.operation = Operation(self.plant, pool, stop, trace, threads)
        self._size()
        self._add_states((*states_of(case), *event_states(self.plant)))
        self.lower, self.best, self.rounds = -np.inf, Best(np.inf, None), 0
        self.linear = np.inf  # least cost of a plan before the integer check

    def _size(self, reached: int | None = None) -> None:
        """The sizing model with choices in the periods that matter. reached: period of the last milestone, if known."""
        wanted = self.case.input.objective.kind != "max_gpus"
        self.sizing = build_sizing(self.plant, milestones=wanted, dates=dates_of(self.plant, reached))
        try:
            self.master = Master(self.sizing, stop=self.stop, trace=self.trace)
        except InfeasibleConstraintException:  # a limit already broken by what is committed
            raise (explain(self.plant) if self.reasons else InfeasibleError()) from None
        self.coupling = Coupling(self.sizing, self.master, self.operation.pool, self.known.fill)
        self.coupling.add(self.operation.states)

    def _add_states(self, states: tuple[State, ...]) -> None:
        self.operation.add(states)
        self.coupling.add(states)

    # -- whole plans ---------------------------------------------------------------------------------------

    def size(self, *, relaxed: bool, gap: float = 1e-4, absolute_gap: float = 1e-6) -> MasterResult:
        """Solve the sizing model, adding pool cuts until its point violates none."""
        while True:
            result = self.master.solve(relaxed=relaxed, gap=gap, absolute_gap=absolute_gap, start=self.best.point)
            if result.point is None or not relaxed:
                return result
            if not self.coupling.separate(result.point, self.coupling.links(result.point)):
                return result

    def _offer(self, designs: Iterable[Design]) -> None:
        """Try plans of other cases as far as this one allows them, those first that may be the best."""
        able: list[tuple[float, Design]] = []
        for design in designs:
            columns, values = design.held(self.sizing, self.master)
            self.master.fix(columns, values)
            least = self.master.solve(relaxed=True)
            self.master.free(columns)
            if least.point is not None:
                able.append((least.bound, design))
        for bound, design in sorted(able, key=lambda one: one[0]):
            if bound >= self.best.cost or self.stop.due():
                return
            columns, values = design.held(self.sizing, self.master)
            self.master.fix(columns, values)
            result = self.master.solve(relaxed=False, gap=0.0, absolute_gap=self._absolute_gap())
            self.master.free(columns)
            if result.point is not None:
                self.coupling.learn(*self._evaluate_plan(result.point))
                self._round("offered", self.best.cost)

    def _evaluate_plan(self, point: Array, *, settled: bool = True) -> tuple[dict[State, Value], dict[State, Array]]:
        """Evaluate an integer plan; keep it when it can be run, keeps its budgets and is the best so far."""
        rounded = np.where(self.master.integer, np.round(point), point)
        rounded = (self.coupling.with_settled_charge if settled else self.coupling.with_all_allowed)(rounded)
        while True:
            links = self.coupling.links(rounded)
            with self.stop.held(self.best.point is None):  # what may be the only plan is evaluated to its end
                values = self.operation.near(links, self.coupling.weights, self._allowed(rounded, links))
            if not all(value.feasible for value in values.values()):
                return values, links
            found = self._plan(rounded, values, links)
            if not self._within_budget(found):  # perhaps by what the mix of dispatches adds alone
                values |= self.operation.exact(self.operation.unsolved(links))
                found = self._plan(rounded, values, links)
            if found.cost >= self.best.cost or not self._within_budget(found):
                return values, links
            failing = failing_starts(self.plant, links)
            if not failing:
                self._keep(found, rounded, values, links)
                return values, links
            self._add_states(event_states(self.plant, failing))

    def _keep(self, found: Best, point: Array, values: dict[State, Value], links: dict[State, Array]) -> None:
        """Put a plan that may become the best through the integer check, and keep it if it does."""
        self.linear = min(self.linear, found.cost)
        with self.stop.held(self.best.point is None):
            found = self._plan(point, self.operation.checked(values, links), links)
        if found.cost < self.best.cost and self._within_budget(found):
            self.best = found

    def _plan(self, point: Array, values: dict[State, Value], links: dict[State, Array]) -> Best:
        """A plan with its true costs."""
        point = settle_rent(self.sizing, self.master, point)
        point, values, links = settle(self.sizing, self.master, self.operation.blocks, point, values, links)
        point = self.coupling.with_costs(point, {s: value.cost_usd for s, value in values.items()})
        return Best(float(self.coupling.gradient @ point), point, values, links)

    def _allowed(self, point: Array, links: dict[State, Array]) -> float:
        """What blocks not solved at a plan may add to its cost: most of what is left of the gap. [kUSD]"""
        least = self.coupling.cost(point, self.operation.below(links))
        goal = self.lower + self.gap * max(self.lower + self.coupling.constant - self.sizing.forced_compute_kusd, 0.0)
        return max(_MIXED_SHARE * self._absolute_gap(), 0.9 * (goal - least) if np.isfinite(least) else 0.0)

    def _within_budget(self, plan: Best) -> bool:
        return plan.point is not None and self.master.rows_hold(self.sizing.model.budget, plan.point)

    # -- bounds --------------------------------------------------------------------------------------------

    def _absolute_gap(self) -> float:
        """Gap of one sizing solve: well inside what the whole solve must prove. [kUSD]"""
        forced = self.sizing.forced_compute_kusd
        scale = abs(self.best.cost - forced) if np.isfinite(self.best.cost) else self.lower - forced
        return max(1e-6, 0.3 * self.gap * max(scale, 1.0))

    def _closed(self) -> bool:
        return self.best.point is not None and self._within_gap(self.best.cost)

    def _within_gap(self, cost: float) -> bool:
        """Whether a cost is proven to lie within the gap of the least. [kUSD]"""
        open_cost = max(abs(cost + self.coupling.constant - self.sizing.forced_compute_kusd), 1e-9)
        return bool(cost - self.lower <= self.gap * open_cost)

    def _round(self, phase: str, upper: float) -> None:
        self.rounds += 1
        open_cost = max(abs(upper + self.coupling.constant - self.sizing.forced_compute_kusd), 1e-9)
        fraction = (upper - self.lower) / open_cost if np.isfinite(upper) else np.inf
        bounds = (self.lower + self.coupling.constant, upper + self.coupling.constant)
        progress = Progress(phase, self.rounds, *bounds, fraction, time.perf_counter() - self.begin)
        self.trace.line(str(progress))
        if self.report is not None:
            self.report(progress)


@dataclass(frozen=True)
class Bound:
    """What no plan can do better than, by the sizing model with the cuts of a pool."""

    relaxed: float  # by counts that need not be whole
    whole: float | None  # in whole units; None where that was not solved in time

    @property
    def best(self) -> float:
        """The sharper of the two."""
        return self.relaxed if self.whole is None else self.whole


def sizing_bound(case: Case, pool: Pool, gap: float, stop: Stop, trace: Trace | None = None) -> Bound | None:
    """What no plan of a case can do better than, without solving a block; None where the case has no plan.

    Of the first objective: least cost in kUSD, most GPUs, or number of the first period. The less the pool knows of the
    case the weaker it is. gap: of the cost open to decision, to which the sizing is solved in whole units.
    """
    plans = Plans(case, gap, 1, None, stop, trace or Trace(), pool, reasons=False)
    name = next(iter(plans.sizing.levels))  # what comes before cost comes first
    gradient, constant = plans.master.gradient(plans.sizing.levels[name])
    constant += plans.sizing.constant_kusd if name == "cost" else 0.0
    sense = -1.0 if name == "gpus" else 1.0
    plans.master.minimise(sense * gradient)
    relaxed = plans.size(relaxed=True)
    if relaxed.infeasible:
        return None
    plans.lower = relaxed.bound
    asked = plans._absolute_gap() if name == "cost" else 0.5
    whole = plans.size(relaxed=False, gap=0.0, absolute_gap=asked)
    if whole.infeasible:
        return None
    solved = whole.objective - whole.bound <= 1.01 * asked
    return Bound(sense * relaxed.bound + constant, sense * whole.bound + constant if solved else None)
