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
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyomo.common.errors import InfeasibleConstraintException

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import NoPlanError
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.coarse import Coarse, coarsen
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.events import is_event
from planner.sizing.model import Sizing, build_sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.infeasible import explain
from planner.solve.master import Master, MasterResult
from planner.solve.replays import failing_starts
from planner.solve.risk import settle_risk
from planner.solve.states import State, cost_variable, event_states, link_variables, states_of

Array = NDArray[np.float64]
_Found = TypeVar("_Found")
_CUTS_PER_STATE = 2  # violated pool cuts added at a time for one month
_COARSE_STEPS_H = (4, 2)
_LEAST_COARSE_H = 96  # a block this short is solved on its own steps at once
_FORBIDDEN_USD_PER_MWH = 5e3  # in the coarse model alone, whose prices are repaired to cuts of the true block
_RELAXED_ROUNDS = 40
_HOURLY_ROUNDS = 0
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


@dataclass
class Solution:
    """A proven plan: the sizing point, every month's dispatch, and the bounds."""

    sizing: Sizing
    master: Master
    blocks: dict[str, Block]
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
) -> Solution:
    """Find a plan within `gap` of the best possible, on every hour.

    Raises InfeasibleError with the limits in the way, or NoPlanError when the time passes first.
    """
    return _Engine(case, gap, time_limit, threads, report).run()


class _Engine:
    def __init__(
        self, case: Case, gap: float, time_limit: float, threads: int, report: Callable[[Progress], None] | None
    ) -> None:
        self.case, self.gap, self.threads, self.report = case, gap, threads, report
        self.begin = time.perf_counter()
        self.deadline = self.begin + time_limit
        self.plant: Plant = plant_of(case)
        self.sizing = build_sizing(self.plant, milestones=case.input.objective.kind != "max_gpus")
        try:
            self.master = Master(self.sizing)
        except InfeasibleConstraintException:  # a limit already broken by what is committed
            raise explain(self.plant) from None
        self.states: tuple[State, ...] = ()
        self.blocks: dict[str, Block] = {}
        self.solvers: dict[str, BlockSolver] = {}
        self.coarse: dict[str, tuple[Coarse, BlockSolver]] = {}
        self.pool: dict[str, list[Array]] = {}
        self.forbidden: dict[str, list[Array]] = {}
        self.cache: dict[str, dict[bytes, Value]] = {}
        self.link_vars: dict[State, list[Any]] = {}
        self.link_columns: dict[State, list[int | None]] = {}
        self.cost_columns: dict[State, int | None] = {}
        self._add_states((*states_of(case), *event_states(self.plant)))
        self.present: set[tuple[State, bytes]] = set()
        self.lower, self.best, self.rounds = -np.inf, _Best(), 0
        self._prepare()

    def _add_states(self, states: tuple[State, ...]) -> None:
        """States to operate, with their blocks and the columns of their links and cost."""
        self.states += states
        for key in sorted({s.block for s in states} - set(self.blocks)):
            self.blocks[key] = build_block(self.plant, key)
            self.solvers[key] = BlockSolver(self.blocks[key])
            self.pool[key], self.forbidden[key], self.cache[key] = [], [], {}
        for s in states:
            self.link_vars[s] = link_variables(self.sizing, s)
            self.link_columns[s] = [self.master.index(v) for v in self.link_vars[s]]
            self.cost_columns[s] = self.master.index(cost_variable(self.sizing, s))

    def _prepare(self) -> None:
        """Columns of the states of charge between blocks, and the level objectives."""
        self.edges = [
            (column, hours, of, None if held is None else self.master.index(held))
            for soc, hours, power, held in self.sizing.edges
            if (column := self.master.index(soc)) is not None and (of := self.master.index(power)) is not None
        ]
        self.fill = np.full(len(self.edges), 0.5)
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
        if kind == "min_cost":
            self._relaxation()
        else:
            self.lower = self._master(relaxed=True).bound
        self._integers()
        best = self.best
        if best.point is None:
            raise NoPlanError("no plan was found within the time limit: raise --time-limit, or relax the case")
        cost = (best.cost + self.constant, self.lower + self.constant)
        levels.append(Level("cost", cost[0] * USD_PER_KUSD, cost[1] * USD_PER_KUSD))
        forced = self.sizing.forced_compute_kusd
        solution = Solution(
            self.sizing,
            self.master,
            self.blocks,
            tuple(s for s in self.states if not s.is_event),
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
        return solution

    # -- phases --------------------------------------------------------------------------------------------

    def _relaxation(self) -> None:
        """Continuous sizing: first with prices of coarse blocks, then with the blocks themselves."""
        centre: Array | None = None
        if min(self.blocks[s.block].hours for s in self.states if not s.is_event) >= _LEAST_COARSE_H:
            for step_h in _COARSE_STEPS_H:
                self._coarsen(step_h)
                centre = self._descend(self._coarse_values, _RELAXED_ROUNDS, "coarse", centre)
        self._descend(self._evaluate, _HOURLY_ROUNDS, "relaxation", centre)

    def _descend(
        self,
        evaluate: Callable[[dict[State, Array]], dict[State, Value]],
        rounds: int,
        phase: str,
        centre: Array | None,
    ) -> Array | None:
        """Rounds of the continuous sizing, tried halfway between its point and the best so far, which is returned."""
        best, stalled = np.inf, 0
        for _ in range(rounds):
            result = self._master(relaxed=True)
            if result.point is None:
                break
            # A bound that has stopped moving is left to what comes next.
            stalled = stalled + 1 if result.bound <= self.lower + self._absolute_gap() else 0
            self.lower = max(self.lower, result.bound)
            if stalled >= _STALLED_ROUNDS or time.perf_counter() > self.deadline:
                break
            near = centre is not None and (best == np.inf or best - result.bound <= 0.5 * abs(best))
            trial = self._settle(0.5 * result.point + 0.5 * centre if near else result.point)
            values = evaluate(self._links(trial))
            upper = self._cost(trial, values) if all(v.feasible for v in values.values()) else np.inf
            if upper < best:
                best, centre = upper, trial
            self._round(phase, np.inf)
            added = self._learn(values, self._links(result.point))
            if not added and near:
                added = self._learn(evaluate(self._links(result.point)), self._links(result.point))
            if not added or best - self.lower <= self._absolute_gap():
                break
        return centre

    def _coarsen(self, step_h: int) -> None:
        """Blocks on steps of several hours."""
        for month, block in self.blocks.items():
            if is_event(month):
                continue
            coarse = coarsen(block, step_h, _FORBIDDEN_USD_PER_MWH)
            self.coarse[month] = coarse, BlockSolver(coarse.block, np.inf)

    def _settle(self, point: Array) -> Array:
        """The point with states of charge at month edges halfway between it and the edges tried before.

        The sizing model sends edges to their limits on small differences in price; the middle settles them.
        """
        result = point.copy()
        for i, (soc, hours, power, held) in enumerate(self.edges):
            if point[power] > 0:
                self.fill[i] = 0.5 * (self.fill[i] + min(1.0, point[soc] / (hours * point[power])))
            result[soc] = max(self.fill[i] * hours * point[power], 0.0 if held is None else point[held])
        return result

    def _coarse_values(self, links: dict[State, Array]) -> dict[State, Value]:
        """Values of the coarse blocks, with slopes repaired to hold for the blocks themselves."""
        found = self._by_month(links, self._coarse_value, self.states)
        return {s: value for s, value in found.items() if value is not None}

    def _coarse_value(self, month: str, x: Array) -> Value | None:
        if is_event(month):
            return self._value(month, x)
        coarse, solver = self.coarse[month]
        value = solver.solve(np.maximum(np.round(x, 9), 0.0))
        repair = self.solvers[month].repair
        prices = coarse.prices(value.duals)[repair.core]
        slope = repair.cut(prices)
        return None if slope is None else replace(value, slope=slope, prices=prices)

    def _integers(self) -> None:
        """Integer sizing until the gap closes, no cut is left, or the time is up."""
        for _ in range(_ROUNDS):
            left = self.deadline - time.perf_counter()
            if left <= 0:
                return
            result = self._master(relaxed=False, time_limit=left, gap=0.0, absolute_gap=self._absolute_gap())
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
            left = self.deadline - time.perf_counter()
            if left <= 0:
                raise NoPlanError("no plan was found within the time limit: raise --time-limit, or relax the case")
            result = self._master(relaxed=False, time_limit=left, gap=0.0, absolute_gap=0.5)
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

    def _master(
        self, *, relaxed: bool, time_limit: float = 1e30, gap: float = 1e-4, absolute_gap: float = 1e-6
    ) -> MasterResult:
        """Solve the sizing model, adding pool cuts until its point violates none."""
        while True:
            result = self.master.solve(
                relaxed=relaxed, time_limit=time_limit, gap=gap, absolute_gap=absolute_gap, start=self.best.point
            )
            if result.point is None or not relaxed:
                return result
            if not self._separate(result.point, self._links(result.point)):
                return result

    def _separate(self, point: Array, links: dict[State, Array]) -> int:
        """Add the pool's most violated cuts at a point; returns how many."""
        added = 0
        for s in self.states:
            column = self.cost_columns[s]
            pool = self.pool[s.block]
            if pool and column is not None:
                slopes = np.array(pool)
                heights = slopes @ links[s]
                for i in np.argsort(heights)[::-1][:_CUTS_PER_STATE]:
                    if heights[i] > point[column] + 1e-6 * max(1.0, abs(heights[i])):
                        added += self._add_cut(s, pool[i], column)
            for slope in self.forbidden[s.block]:
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
            if not value.feasible:
                self._remember(self.forbidden[s.block], value.slope)
                continue
            self._remember(self.pool[s.block], value.slope / USD_PER_KUSD)
        added = 0
        for s in self.states:
            column = self.cost_columns[s]
            pool = self.pool[s.block]
            if pool and column is not None:
                best = max(pool, key=lambda g: float(g @ links[s]))
                added += self._add_cut(s, best, column)
            for slope in self.forbidden[s.block]:
                if float(slope @ links[s]) > 1e-7:
                    added += self._add_cut(s, slope, None)
        return added

    @staticmethod
    def _remember(slopes: list[Array], slope: Array) -> None:
        if not any(np.array_equal(slope, old) for old in slopes):
            slopes.append(slope)

    def _evaluate(self, links: dict[State, Array], states: tuple[State, ...] | None = None) -> dict[State, Value]:
        """Every month's value at its linking vector; months run side by side, each in a fixed order."""
        return self._by_month(links, self._value, states or self.states)

    def _by_month(
        self, links: dict[State, Array], value: Callable[[str, Array], _Found], states: tuple[State, ...]
    ) -> dict[State, _Found]:
        by_month: dict[str, list[State]] = {}
        for s in states:
            by_month.setdefault(s.block, []).append(s)
        values: dict[State, _Found] = {}

        def month(number: str) -> dict[State, _Found]:
            return {s: value(number, links[s]) for s in by_month[number]}

        with ThreadPoolExecutor(max_workers=max(1, self.threads)) as workers:
            for found in workers.map(month, sorted(by_month)):
                values |= found
        return values

    def _value(self, month: str, x: Array) -> Value:
        key = np.round(x, 9).tobytes()
        held = self.cache[month].get(key)
        if held is None:
            held = self.solvers[month].solve(np.maximum(np.round(x, 9), 0.0))
            self.cache[month][key] = held
        return held

    def _evaluate_plan(self, point: Array) -> tuple[dict[State, Value], dict[State, Array]]:
        """Evaluate an integer plan; keep it when it can be run, keeps its budgets and is the best so far."""
        rounded = self._settle(np.where(self.master.integer, np.round(point), point))
        links = self._links(rounded)
        values = self._evaluate(links)
        while all(v.feasible for v in values.values()):
            failing = failing_starts(self.plant, links) if self._cost(rounded, values) < self.best.cost else []
            if not failing:
                break
            self._add_states(event_states(self.plant, failing))
            links = self._links(rounded)
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
        settle_risk(self.sizing, self.master, result)
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
        if self.report is None:
            return
        open_cost = max(upper + self.constant - self.sizing.forced_compute_kusd, 1e-9)
        fraction = (upper - self.lower) / open_cost if np.isfinite(upper) else np.inf
        self.report(
            Progress(
                phase,
                self.rounds,
                self.lower + self.constant,
                upper + self.constant,
                fraction,
                time.perf_counter() - self.begin,
            )
        )
