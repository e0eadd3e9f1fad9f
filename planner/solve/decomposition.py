"""Generalised Benders decomposition: the sizing model with cuts from operating blocks, bounds on both sides.

Each round solves the sizing model (first its relaxation, then the integers), evaluates the operating blocks at
its point, and adds the cuts they give. A cut of a calendar month holds in every period of that month. The lower
bound is the sizing model's own proven bound, the best over all rounds; the upper bound is a whole integer plan
evaluated on every hour, with nothing forbidden violated and every budget kept at its true cost. The gap is taken
on the cost open to decision: the proven least cost of compute that every plan must buy is left out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyomo.common.errors import InfeasibleConstraintException

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import NoPlanError
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.solver import Stopped
from planner.sizing.model import Sizing, build_sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.infeasible import explain
from planner.solve.master import Master, MasterResult
from planner.solve.states import OPERATING, State, cost_variable, link_variables, states_of
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
_CUTS_PER_STATE = 2  # violated pool cuts added at a time for one month
_RELAXED_ROUNDS = 25
_STALLED_ROUNDS = 2
_ROUNDS = 200


@dataclass(frozen=True)
class Level:
    """One objective of a lexicographic solve, in its own unit, with its proven bound."""

    name: str
    value: float
    bound: float


@dataclass(frozen=True)
class Progress:
    """What a round achieved, for people who wait."""

    phase: str
    round: int
    lower_kusd: float
    upper_kusd: float
    gap_fraction: float
    seconds: float

    def __str__(self) -> str:
        gap = f"{self.gap_fraction:.3%}" if self.gap_fraction < 10 else "no plan yet"
        lower = f"{self.lower_kusd / 1e3:,.1f}" if self.lower_kusd > -1e15 else "-"
        upper = f"{self.upper_kusd / 1e3:,.1f}" if self.upper_kusd < 1e15 else "-"
        return (
            f"{self.seconds:6.1f} s  {self.phase:<10}  round {self.round:<3}  "
            f"at least {lower} M$  found {upper} M$  gap {gap}"
        )


@dataclass
class Solution:
    """A proven plan: the sizing point, every month's dispatch, and the bounds."""

    sizing: Sizing
    master: Master
    blocks: dict[int, Block]
    states: tuple[State, ...]
    point: Array
    values: dict[State, Value]
    links: dict[State, Array]
    levels: tuple[Level, ...]
    upper_kusd: float
    lower_kusd: float
    forced_kusd: float
    rounds: int
    block_solves: int
    seconds: float
    gap_reached: bool
    stopped: str = ""  # why it ended before the gap was reached, where something from outside ended it

    @property
    def gap_kusd(self) -> float:
        """Upper less lower bound."""
        return max(0.0, self.upper_kusd - self.lower_kusd)

    @property
    def gap_fraction(self) -> float:
        """Gap over the cost open to decision."""
        return self.gap_kusd / max(self.upper_kusd - self.forced_kusd, 1e-9)

    @property
    def gap_fraction_total(self) -> float:
        """Gap over the whole cost."""
        return self.gap_kusd / max(abs(self.upper_kusd), 1e-9)


@dataclass
class _Best:
    cost: float = np.inf
    point: Array | None = None
    values: dict[State, Value] = field(default_factory=dict)
    links: dict[State, Array] = field(default_factory=dict)


def solve(
    case: Case,
    *,
    gap: float = 1e-3,
    time_limit: float = 600.0,
    threads: int = 2,
    report: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    trace: Trace | None = None,
) -> Solution:
    """Find a plan within `gap` of the best possible, on every hour.

    stop: replaces the time limit by limits of its own, and can be asked to stop from elsewhere.
    Raises InfeasibleError with the limits in the way, or NoPlanError when it must stop before there is a plan.
    """
    return _Engine(case, gap, threads, report, stop or Stop(time_limit), trace or Trace()).run()


class _Engine:
    def __init__(
        self,
        case: Case,
        gap: float,
        threads: int,
        report: Callable[[Progress], None] | None,
        stop: Stop,
        trace: Trace,
    ) -> None:
        self.case, self.gap, self.threads, self.report = case, gap, threads, report
        self.stop, self.trace = stop, trace
        self.begin = time.perf_counter()
        self.plant: Plant = plant_of(case)
        self.sizing = build_sizing(self.plant, milestones=case.input.objective.kind != "max_gpus")
        try:
            self.master = Master(self.sizing, stop=stop, trace=trace)
        except InfeasibleConstraintException:  # a limit already broken by what is committed
            raise explain(self.plant) from None
        self.states = states_of(case)
        months = sorted({s.month for s in self.states})
        self.blocks = {month: build_block(self.plant, month) for month in months}
        note = trace.line if trace.kept else None
        self.solvers = {month: BlockSolver(b, run=stop.run, note=note) for month, b in self.blocks.items()}
        self.pool: dict[int, list[Array]] = {month: [] for month in months}
        self.forbidden: dict[int, list[Array]] = {month: [] for month in months}
        self.cache: dict[int, dict[bytes, Value]] = {month: {} for month in months}
        self.present: set[tuple[State, bytes]] = set()
        self.lower, self.best, self.rounds = -np.inf, _Best(), 0
        self._prepare()

    def _prepare(self) -> None:
        """Columns of every month's links and cost, and the level objectives."""
        self.link_vars = {s: link_variables(self.sizing, s) for s in self.states}
        self.link_columns = {s: [self.master.index(v) for v in row] for s, row in self.link_vars.items()}
        self.cost_columns = {s: self.master.index(cost_variable(self.sizing, s)) for s in self.states}
        self.cost_gradient, constant = self.master.gradient(self.sizing.levels["cost"])
        self.constant = constant + self.sizing.constant_kusd

    def run(self) -> Solution:
        levels: list[Level] = []
        kind = self.case.input.objective.kind
        if kind != "min_cost":
            levels.append(self._first_level("gpus" if kind == "max_gpus" else "date"))
        # A plan that reached the first goal is already a plan: it is what a time limit leaves.
        self.lower = -np.inf
        self.master.minimise(self.cost_gradient)
        with suppress(Stopped):
            if kind == "min_cost":
                self._relaxation()
            else:
                with self.stop.held():  # the plan at hand needs a bound, however little time is left
                    self.lower = self._master(relaxed=True).bound
            self._integers()
        best = self.best
        if best.point is None:
            raise self.stop.no_plan()
        cost = (best.cost + self.constant, self.lower + self.constant)
        levels.append(Level("cost", cost[0] * USD_PER_KUSD, cost[1] * USD_PER_KUSD))
        forced = self.sizing.forced_compute_kusd
        solution = Solution(
            self.sizing,
            self.master,
            self.blocks,
            self.states,
            best.point,
            best.values,
            best.links,
            tuple(levels),
            cost[0],
            min(cost),
            forced,
            self.rounds,
            sum(s.solves for s in self.solvers.values()),
            time.perf_counter() - self.begin,
            False,
        )
        solution.gap_reached = solution.gap_fraction <= self.gap
        solution.stopped = "" if solution.gap_reached else self.stop.reason
        return solution

    # -- phases --------------------------------------------------------------------------------------------

    def _relaxation(self) -> None:
        """Continuous sizing, cuts halfway between the new point and the best so far.

        First only the operating year's months, whose cuts also serve the build months; then every month once.
        """
        operating = tuple(s for s in self.states if s.period == OPERATING)
        for states, rounds in ((operating, _RELAXED_ROUNDS), (self.states, 1)):
            centre: dict[State, Array] | None = None
            best, stalled = np.inf, 0
            for _ in range(rounds):
                result = self._master(relaxed=True)
                if result.point is None:
                    return
                # A bound that has stopped moving is left to the integer rounds, whose cuts are at real plans.
                stalled = stalled + 1 if result.bound <= self.lower + 0.1 * self._absolute_gap() else 0
                self.lower = max(self.lower, result.bound)
                if self.stop.due():
                    return
                if stalled >= _STALLED_ROUNDS:
                    break
                links = self._links(result.point)
                trial = links if centre is None else {s: 0.5 * links[s] + 0.5 * centre[s] for s in self.states}
                values = self._evaluate(trial, states)
                feasible = all(v.feasible for v in values.values())
                upper = self._cost(result.point, values) if feasible else np.inf
                if upper < best:
                    best, centre = upper, trial
                self._round("relaxation", np.inf)
                added = self._learn(values, links)
                if trial is not links and not added:
                    added = self._learn(self._evaluate(links, states), links)
                if not added or best - result.bound <= self._absolute_gap():
                    break

    def _integers(self) -> None:
        """Integer sizing until the gap closes, no cut is left, or the time is up."""
        for _ in range(_ROUNDS):
            if self.stop.due():
                return
            result = self._master(relaxed=False, gap=0.0, absolute_gap=self._absolute_gap())
            if result.infeasible:
                self._infeasible()
            self.lower = max(self.lower, result.bound)
            if result.point is None:
                return
            values, links = self._evaluate_plan(result.point)
            self._round("integers", self.best.cost)
            if self._closed():
                return
            added = self._learn(values, links)
            if not added and result.bound >= result.objective - self._absolute_gap():
                return

    def _first_level(self, name: str) -> Level:
        """The integer goal that comes before cost; only plans that can be run count."""
        gradient, constant = self.master.gradient(self.sizing.levels[name])
        sense = -1.0 if name == "gpus" else 1.0
        self.master.minimise(sense * gradient)
        columns = np.flatnonzero(gradient)
        for _ in range(_ROUNDS):
            if self.stop.due():
                raise self.stop.no_plan()
            result = self._master(relaxed=False, gap=0.0, absolute_gap=0.5)
            if result.infeasible:
                self._infeasible()
            if result.point is None:
                continue
            values, links = self._evaluate_plan(result.point)
            self._round(name, self.best.cost)
            if self.best.point is not None:
                value = float(gradient @ self.best.point) + constant
                bound = sense * result.bound + constant
                bound = np.floor(bound + 1e-6) if name == "gpus" else np.ceil(bound - 1e-6)
                goal = float(gradient @ self.best.point)
                low, high = (goal - 1e-6, np.inf) if name == "gpus" else (-np.inf, goal + 1e-6)
                self.master.add_row(low, high, columns, gradient[columns])
                return Level(name, round(value, 6), float(bound))
            if not self._learn(values, links):
                raise NoPlanError(f"no plan that can be run was found for {name}")
        raise NoPlanError("no plan was found within the round limit")

    # -- steps ---------------------------------------------------------------------------------------------

    def _master(self, *, relaxed: bool, gap: float = 1e-4, absolute_gap: float = 1e-6) -> MasterResult:
        """Solve the sizing model, adding pool cuts until its point violates none."""
        while True:
            result = self.master.solve(relaxed=relaxed, gap=gap, absolute_gap=absolute_gap, start=self.best.point)
            if result.point is None or not relaxed:
                return result
            if not self._separate(result.point, self._links(result.point)):
                return result

    def _separate(self, point: Array, links: dict[State, Array]) -> int:
        """Add the pool's most violated cuts at a point; returns how many."""
        added = 0
        for s in self.states:
            column = self.cost_columns[s]
            pool = self.pool[s.month]
            if pool and column is not None:
                slopes = np.array(pool)
                heights = slopes @ links[s]
                for i in np.argsort(heights)[::-1][:_CUTS_PER_STATE]:
                    if heights[i] > point[column] + 1e-6 * max(1.0, abs(heights[i])):
                        added += self._add_cut(s, pool[i], column)
            for slope in self.forbidden[s.month]:
                if float(slope @ links[s]) > 1e-6:
                    added += self._add_cut(s, slope, None)
        return added

    def _add_cut(self, s: State, slope: Array, column: int | None) -> int:
        """cost >= slope . links, or slope . links <= 0 when no column is given."""
        key = (s, slope.tobytes())
        if key in self.present:
            return 0
        self.present.add(key)
        columns, values, constant = [], [], 0.0
        for j, var, g in zip(self.link_columns[s], self.link_vars[s], slope, strict=True):
            if j is None:
                constant += float(g) * float(var.value or 0.0)
            elif abs(g) > 1e-9:
                columns.append(j)
                values.append(-float(g))
        if column is not None:
            columns.append(column)
            values.append(1.0)
        if columns:
            self.master.add_row(constant, np.inf, np.array(columns), np.array(values))
        return 1

    def _learn(self, values: dict[State, Value], links: dict[State, Array]) -> int:
        """Put new slopes into the pool, and their violated cuts into the sizing model."""
        for s, value in values.items():
            slope = value.slope.copy()
            if value.feasible:
                slope /= USD_PER_KUSD
            target = self.pool[s.month] if value.feasible else self.forbidden[s.month]
            if not any(np.array_equal(slope, old) for old in target):
                target.append(slope)
        added = 0
        for s in self.states:
            column = self.cost_columns[s]
            pool = self.pool[s.month]
            if pool and column is not None:
                best = max(pool, key=lambda g: float(g @ links[s]))
                added += self._add_cut(s, best, column)
            for slope in self.forbidden[s.month]:
                if float(slope @ links[s]) > 1e-7:
                    added += self._add_cut(s, slope, None)
        return added

    def _evaluate(self, links: dict[State, Array], states: tuple[State, ...] | None = None) -> dict[State, Value]:
        """Every month's value at its linking vector; months run side by side, each in a fixed order."""
        by_month: dict[int, list[State]] = {}
        for s in states or self.states:
            by_month.setdefault(s.month, []).append(s)
        values: dict[State, Value] = {}

        def month(number: int) -> dict[State, Value]:
            return {s: self._value(s, links[s]) for s in by_month[number]}

        with ThreadPoolExecutor(max_workers=max(1, self.threads)) as workers:
            for found in workers.map(month, sorted(by_month)):
                values |= found
        return values

    def _value(self, s: State, x: Array) -> Value:
        key = np.round(x, 9).tobytes()
        held = self.cache[s.month].get(key)
        if held is None:
            held = self.solvers[s.month].solve(np.maximum(np.round(x, 9), 0.0), s.label(self.case))
            self.cache[s.month][key] = held
        return held

    def _evaluate_plan(self, point: Array) -> tuple[dict[State, Value], dict[State, Array]]:
        """Evaluate an integer plan; keep it when it can be run, keeps its budgets and is the best so far."""
        rounded = np.where(self.master.integer, np.round(point), point)
        links = self._links(rounded)
        with self.stop.held(self.best.point is None):  # what may be the only plan is evaluated to its end
            values = self._evaluate(links)
        if all(v.feasible for v in values.values()):
            cost = self._cost(rounded, values)
            if cost < self.best.cost and self._within_budget(rounded, values):
                self.best = _Best(cost, self._with_costs(rounded, values), values, links)
        return values, links

    def _links(self, point: Array) -> dict[State, Array]:
        return {
            s: np.array(
                [
                    point[j] if j is not None else float(v.value or 0.0)
                    for j, v in zip(self.link_columns[s], self.link_vars[s], strict=True)
                ]
            )
            for s in self.states
        }

    def _with_costs(self, point: Array, values: dict[State, Value]) -> Array:
        """The point with every month's true cost in its cost column."""
        result = point.copy()
        for s, value in values.items():
            column = self.cost_columns[s]
            if column is not None:
                result[column] = value.cost_usd / USD_PER_KUSD
        return result

    def _cost(self, point: Array, values: dict[State, Value]) -> float:
        """Present value of a point with true operating costs, without the constant. [kUSD]"""
        return float(self.cost_gradient @ self._with_costs(point, values))

    def _within_budget(self, point: Array, values: dict[State, Value]) -> bool:
        return self.master.rows_hold(self.sizing.model.budget, self._with_costs(point, values))

    def _absolute_gap(self) -> float:
        """Gap of one sizing solve: well inside what the whole solve must prove. [kUSD]"""
        scale = self.best.cost if np.isfinite(self.best.cost) else max(self.lower, 1.0)
        return max(1e-6, 0.3 * self.gap * max(scale - self.sizing.forced_compute_kusd, 1.0))

    def _closed(self) -> bool:
        if self.best.point is None:
            return False
        open_cost = max(self.best.cost + self.constant - self.sizing.forced_compute_kusd, 1e-9)
        return bool(self.best.cost - self.lower <= self.gap * open_cost)

    def _infeasible(self) -> None:
        raise explain(self.plant, self.solvers if any(self.forbidden.values()) else None)

    def _round(self, phase: str, upper: float) -> None:
        self.rounds += 1
        open_cost = max(upper + self.constant - self.sizing.forced_compute_kusd, 1e-9)
        fraction = (upper - self.lower) / open_cost if np.isfinite(upper) else np.inf
        seconds = time.perf_counter() - self.begin
        progress = Progress(phase, self.rounds, self.lower + self.constant, upper + self.constant, fraction, seconds)
        self.trace.line(str(progress))
        if self.report is not None:
            self.report(progress)
