"""Generalised Benders decomposition: the sizing model with cuts from operating blocks, bounds on both sides.

Each round solves the sizing model (first its relaxation, then the integers), evaluates the operating blocks at
its point, and adds the cuts they give. A cut of a calendar month holds in every period of that month. The lower
bound is the sizing model's own proven bound, the best over all rounds; the upper bound is a whole integer plan
evaluated on every hour, with nothing forbidden violated and every budget kept at its true cost. The gap is taken
on the cost open to decision: the proven least cost of compute that every plan must buy is left out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pyomo.common.errors import InfeasibleConstraintException

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import NoPlanError
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.evaluate import Value
from planner.operation.solver import Stopped
from planner.sizing.model import Sizing, build_sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.infeasible import explain
from planner.solve.master import Master, MasterResult
from planner.solve.pool import Pool
from planner.solve.states import State, cost_variable, link_variables, states_of
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
_Found = TypeVar("_Found")
_CUTS_PER_STATE = 2  # violated pool cuts added at a time for one month
_COARSE_STEPS_H = (4, 2)
_LEAST_COARSE_H = 96  # a block this short is solved on its own steps at once
_MIXED_SHARE = 0.5  # of a sizing solve's gap: what blocks not solved at a point may add to its cost
_RELAXED_ROUNDS = 40
_HOURLY_ROUNDS = 8
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
    stopped: str = ""  # why it ended before the gap was reached, where something from outside ended it

    @property
    def gap_kusd(self) -> float:
        """Upper less lower bound."""
        return max(0.0, self.upper_kusd - self.lower_kusd)

    @property
    def gap_fraction(self) -> float:
        """Gap over the cost open to decision."""
        return self.gap_kusd / max(abs(self.upper_kusd - self.forced_kusd), 1e-9)

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
    pool: Pool | None = None,
) -> Solution:
    """Find a plan within `gap` of the best possible, on every hour.

    stop: replaces the time limit by limits of its own, and can be asked to stop from elsewhere.
    pool: what earlier solves have learnt, shared and added to.
    Raises InfeasibleError with the limits in the way, or NoPlanError when it must stop before there is a plan.
    """
    return _Engine(case, gap, threads, report, stop or Stop(time_limit), trace or Trace(), pool or Pool()).run()


class _Engine:
    def __init__(
        self,
        case: Case,
        gap: float,
        threads: int,
        report: Callable[[Progress], None] | None,
        stop: Stop,
        trace: Trace,
        pool: Pool,
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
        self.blocks = {key: build_block(self.plant, key) for key in sorted({s.block for s in self.states})}
        self.pool = {key: pool.of(block) for key, block in self.blocks.items()}
        for known in self.pool.values():
            known.watch(stop.run, trace.line if trace.kept else None)
        self.present: set[tuple[State, bytes]] = set()
        self.lower, self.best, self.rounds = -np.inf, _Best(), 0
        self._prepare()

    def _prepare(self) -> None:
        """Columns of every month's links and cost, and the level objectives."""
        self.link_vars = {s: link_variables(self.sizing, s) for s in self.states}
        self.link_columns = {s: [self.master.index(v) for v in row] for s, row in self.link_vars.items()}
        self.cost_columns = {s: self.master.index(cost_variable(self.sizing, s)) for s in self.states}
        self.edges: dict[str, list[tuple[int, float, int]]] = {}
        for soc, edge, hours, power in self.sizing.edges:
            column, of = self.master.index(soc), self.master.index(power)
            if column is not None and of is not None:
                self.edges.setdefault(edge, []).append((column, hours, of))
        self.fill = dict.fromkeys(self.edges, 0.5)
        self.settling = True
        self.cost_gradient, constant = self.master.gradient(self.sizing.levels["cost"])
        self.weights = {s: 0.0 if j is None else float(self.cost_gradient[j]) for s, j in self.cost_columns.items()}
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
            sum(p.solves for p in self.pool.values()),
            time.perf_counter() - self.begin,
            False,
        )
        solution.gap_reached = solution.gap_fraction <= self.gap
        solution.stopped = "" if solution.gap_reached else self.stop.reason
        return solution

    # -- phases --------------------------------------------------------------------------------------------

    def _relaxation(self) -> None:
        """Continuous sizing: first with prices of coarse blocks, then with the blocks themselves."""
        centre: Array | None = None
        if min(block.hours for block in self.blocks.values()) >= _LEAST_COARSE_H:
            for step_h in _COARSE_STEPS_H:
                centre = self._descend(partial(self._coarse, step_h), _RELAXED_ROUNDS, "coarse", centre)
        self.settling = False
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
            if stalled >= _STALLED_ROUNDS or self.stop.due():
                break
            near = best == np.inf or best - result.bound <= 0.5 * abs(best)
            trial = self._settle(0.5 * (result.point + centre) if near and centre is not None else result.point)
            values = evaluate(self._links(trial))
            upper = self._cost(trial, values) if all(v.feasible for v in values.values()) else np.inf
            if upper < best:
                best, centre = upper, trial
            self._round(phase, np.inf)
            added = self._learn(values, self._links(result.point))
            if not added and trial is not result.point:
                added = self._learn(evaluate(self._links(result.point)), self._links(result.point))
            if not added or best - self.lower <= self._absolute_gap():
                break
        return centre

    def _settle(self, point: Array) -> Array:
        """The point with states of charge between states at shares of their limits that are the same in every year.

        The sizing model sends edges to their limits on small differences in price; the middle of those and of the
        edges tried before settles them. Equal shares let what one year teaches serve the others.
        """
        result = point.copy()
        for edge, entries in self.edges.items():
            shares = [min(1.0, point[soc] / (hours * point[of])) for soc, hours, of in entries if point[of] > 0]
            if shares and self.settling:
                self.fill[edge] = 0.5 * (self.fill[edge] + sum(shares) / len(shares))
            for soc, hours, of in entries:
                result[soc] = self.fill[edge] * hours * point[of]
        return result

    def _coarse(self, step_h: int, links: dict[State, Array]) -> dict[State, Value]:
        """Values of blocks on coarse steps, with slopes repaired to hold for the blocks themselves."""
        found = self._side_by_side(lambda s: self.pool[s.block].coarse(links[s], step_h), self.states)
        return {s: value for s, value in found.items() if value is not None}

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
                if self.settling:
                    return
                self.settling = True  # the edges of months are what is left

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
            pool = self.pool[s.block]
            if len(pool.slopes) and column is not None:
                heights = pool.slopes @ links[s] / USD_PER_KUSD
                for i in np.argsort(heights)[::-1][:_CUTS_PER_STATE]:
                    if heights[i] > point[column] + 1e-6 * max(1.0, abs(heights[i])):
                        added += self._add_cut(s, pool.slopes[i] / USD_PER_KUSD, column)
            for slope in pool.forbidden:
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
        """Put new slopes into the pool, and the cuts highest at the links into the sizing model."""
        for s, value in values.items():
            self.pool[s.block].learn(value)
        added = 0
        for s in self.states:
            column, pool = self.cost_columns[s], self.pool[s.block]
            if len(pool.slopes) and column is not None:
                best = int(np.argmax(pool.slopes @ links[s]))
                added += self._add_cut(s, pool.slopes[best] / USD_PER_KUSD, column)
            for slope in pool.forbidden:
                if float(slope @ links[s]) > 1e-7:
                    added += self._add_cut(s, slope, None)
        return added

    def _evaluate(self, links: dict[State, Array]) -> dict[State, Value]:
        """Every state's value at its linking vector, within a part of the gap asked.

        Blocks are solved where what is known from above and from below differ most, until the rest is small.
        """
        values: dict[State, Value] = {s: v for s in self.states if (v := self.pool[s.block].known(links[s]))}
        while True:
            open_states = [s for s in self.states if s not in values]
            mixed = self._side_by_side(lambda s: self.pool[s.block].above(links[s]), open_states)
            worst = self._doubtful(mixed, links)
            if not worst:
                return values | {s: value for s, value in mixed.items() if value is not None}
            values |= self._side_by_side(lambda s: self.pool[s.block].solve(links[s], s.label(self.case)), worst)
            for s in worst:
                self.pool[s.block].learn(values[s])

    def _doubtful(self, mixed: dict[State, Value | None], links: dict[State, Array]) -> list[State]:
        """The states to solve next: of those nothing reaches from above, a few in every block, then the widest."""
        unknown: dict[str, list[State]] = {}
        width: dict[State, float] = {}
        for s, value in mixed.items():
            if value is None:
                unknown.setdefault(s.block, []).append(s)
            else:
                width[s] = self.weights[s] * (value.cost_usd - self.pool[s.block].below(links[s])) / USD_PER_KUSD
        chosen = [of[i] for of in unknown.values() for i in sorted({0, len(of) // 2, len(of) - 1})]
        left = sum(width.values()) - _MIXED_SHARE * self._absolute_gap()
        for s in sorted(width, key=lambda s: -width[s]):
            if left <= 0.0:
                break
            chosen.append(s)
            left -= width[s]
        return chosen

    def _side_by_side(self, work: Callable[[State], _Found], states: Iterable[State]) -> dict[State, _Found]:
        """Work on states, the blocks side by side, each block's states in a fixed order."""
        by_block: dict[str, list[State]] = {}
        for s in states:
            by_block.setdefault(s.block, []).append(s)
        with ThreadPoolExecutor(max_workers=max(1, self.threads)) as workers:
            done = workers.map(lambda block: [(s, work(s)) for s in block], by_block.values())
            return {s: found for block in done for s, found in block}

    def _evaluate_plan(self, point: Array) -> tuple[dict[State, Value], dict[State, Array]]:
        """Evaluate an integer plan; keep it when it can be run, keeps its budgets and is the best so far."""
        rounded = self._settle(np.where(self.master.integer, np.round(point), point))
        links = self._links(rounded)
        with self.stop.held(self.best.point is None):  # what may be the only plan is evaluated to its end
            values = self._evaluate(links)
        if all(v.feasible for v in values.values()):
            checked = values
            if self._cost(rounded, values) < self.best.cost:  # the check is for plans that may become the best
                pool, case = self.pool, self.case
                with self.stop.held(self.best.point is None):
                    checked = self._side_by_side(
                        lambda s: pool[s.block].one_way(links[s], values[s], s.label(case)), self.states
                    )
            cost = self._cost(rounded, checked)
            if cost < self.best.cost and self._within_budget(rounded, checked):
                self.best = _Best(cost, self._with_costs(rounded, checked), checked, links)
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
        forced = self.sizing.forced_compute_kusd
        scale = abs(self.best.cost - forced) if np.isfinite(self.best.cost) else self.lower - forced
        return max(1e-6, 0.3 * self.gap * max(scale, 1.0))

    def _closed(self) -> bool:
        if self.best.point is None:
            return False
        open_cost = max(abs(self.best.cost + self.constant - self.sizing.forced_compute_kusd), 1e-9)
        return bool(self.best.cost - self.lower <= self.gap * open_cost)

    def _infeasible(self) -> None:
        hours = {key: pool.solver for key, pool in self.pool.items() if pool.forbidden}
        raise explain(self.plant, {key: pool.solver for key, pool in self.pool.items()} if hours else None)

    def _round(self, phase: str, upper: float) -> None:
        self.rounds += 1
        open_cost = max(abs(upper + self.constant - self.sizing.forced_compute_kusd), 1e-9)
        fraction = (upper - self.lower) / open_cost if np.isfinite(upper) else np.inf
        seconds = time.perf_counter() - self.begin
        progress = Progress(phase, self.rounds, self.lower + self.constant, upper + self.constant, fraction, seconds)
        self.trace.line(str(progress))
        if self.report is not None:
            self.report(progress)
