"""Sizing and every hour of every month as one Pyomo model: the oracle of the tests, and a method for small cases.

It shares the sizing rows and the blocks with the decomposition, but neither cuts, rounds nor bounds: HiGHS
sees all variables at once. Where both agree, the decomposition is exact.

    hours[s,column]     columns y of the block of month s, such as hours[2027_03,grid_import[17]]
    block_rows[s,row]   A y + B x <= 0 or = 0   x: its linking variables; every right-hand side of a block is zero
    block_cost[s]       cost[s] = cost . y / 1000      shortage columns fixed at 0: forbidden stays forbidden
    whole_units[s,column]   y = unit x units_online[s,column], an integer, of columns that come in units
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.common.errors import InfeasibleConstraintException
from pyomo.core.expr.numeric_expr import LinearExpression

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import InfeasibleError, NoPlanError
from planner.operation.blocks import build_blocks, plant_of
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.integer_check import checked, unit_sizes
from planner.sizing.dates import Dates
from planner.sizing.model import Sizing, build_sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.infeasible import explain
from planner.solve.master import Master
from planner.solve.rentals import settle_rent
from planner.solve.risk import settle_risk
from planner.solve.solution import Level, Progress, Solution
from planner.solve.states import State, cost_variable, event_states, link_variables, states_of
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MonolithicSolution:
    """Optimum of the whole model. Costs are present values in kUSD, constants included."""

    point: Array
    levels: tuple[Level, ...]
    upper_kusd: float
    lower_kusd: float
    operating_kusd: dict[State, float]  # cost of every month, undiscounted
    seconds: float


def solve_monolithic(
    case: Case, *, gap: float = 1e-6, time_limit: float = 600.0, threads: int = 1
) -> MonolithicSolution:
    """Solve a case as one model, to a relative gap of the whole cost."""
    return Monolithic(case, threads=threads, stop=Stop(time_limit)).solve(gap=gap)


class Monolithic:
    """The whole model, built once; `solve` may be called again with sizing decisions fixed."""

    def __init__(
        self,
        case: Case,
        *,
        threads: int = 1,
        stop: Stop | None = None,
        trace: Trace | None = None,
        dates: Dates | None = None,
        events: Iterable[str] | None = None,
    ) -> None:
        """dates: periods that matter, by default those of the case. events: keys of their blocks, by default the first
        of each event, which ask less than all of its starts do."""
        self.case, self.stop, self.trace = case, stop or Stop(), trace or Trace()
        self.begin = time.perf_counter()
        plant = plant_of(case)
        self.sizing: Sizing = build_sizing(plant, milestones=case.input.objective.kind != "max_gpus", dates=dates)
        self.states = (*states_of(case), *event_states(plant, events))
        m = self.sizing.model
        try:
            self.alone = Master(self.sizing, threads, trace=self.trace)  # without hours: bounds, and its plain cuts
        except InfeasibleConstraintException:  # a limit already broken by what is committed
            raise explain(plant) from None
        self.blocks = build_blocks(plant, {s.block for s in self.states})
        m.hours = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
        m.block_rows, m.block_cost = pyo.Constraint(pyo.Any), pyo.Constraint(pyo.Any)
        m.units_online = pyo.Var(pyo.Any, within=pyo.NonNegativeIntegers, dense=False)
        m.whole_units = pyo.Constraint(pyo.Any)
        for s in self.states:
            if self.stop.due():
                raise self.stop.no_plan()
            self._add_block(s, self.blocks[s.block])
        self.master = Master(self.sizing, threads, stop=self.stop, trace=self.trace)
        self._level, self._constant = "cost", 0.0  # what is being minimised, for those who wait
        self._by_name = {var.name: j for j, var in enumerate(self.master.columns)}

    def solve(
        self, *, gap: float = 1e-6, fixed: Mapping[str, float] | None = None, of_open_cost: bool = False
    ) -> MonolithicSolution:
        """Solve every level in order. fixed: sizing variables by name; cost is then the only level.

        of_open_cost: the gap is taken on the cost open to decision, not on the whole.
        """
        begin = time.perf_counter()
        held = {name: value for name, value in (fixed or {}).items() if name in self._by_name}
        index = np.array([self._by_name[name] for name in held], dtype=np.int32)
        values = np.array(list(held.values()))
        self.master.fix(index, values)
        levels: list[Level] = []
        point: Array | None = None
        for name in sorted(self.sizing.levels, key=lambda n: n == "cost") if fixed is None else ["cost"]:
            gradient, constant = self.master.gradient(self.sizing.levels[name])
            constant += self.sizing.constant_kusd if name == "cost" else 0.0
            sense = -1.0 if name == "gpus" else 1.0
            self._level, self._constant = name, constant
            self.master.minimise(sense * gradient)
            least = self._least(name, sense) if of_open_cost else -np.inf
            share = gap * (least + constant - self.sizing.forced_compute_kusd)
            result = self.master.solve(
                relaxed=False,
                gap=0.0 if of_open_cost else gap,
                absolute_gap=max(1e-6, share) if name == "cost" else 0.5,
                start=point,
            )
            if result.infeasible:
                raise self._infeasible()
            point = point if result.point is None else result.point
            if point is None:
                raise self.stop.no_plan()
            value, bound = float(gradient @ point), sense * max(result.bound, least)
            if name != "cost":  # integer goals: hold what was reached and go on
                bound = float(np.floor(bound + 1e-6) if name == "gpus" else np.ceil(bound - 1e-6))
                self._hold(name, value)
            levels.append(Level(name, value + constant, bound + constant))
        self.master.free(index)
        assert point is not None
        operating = {s: self.master.value(cost_variable(self.sizing, s), point) for s in self.states if not s.is_event}
        return MonolithicSolution(
            point, tuple(levels), levels[-1].value, levels[-1].bound, operating, time.perf_counter() - begin
        )

    def solution(self, *, gap: float, report: Callable[[Progress], None] | None = None) -> Solution:
        """The plan of the whole model, as the decomposition gives it; gap: of the cost open to decision.

        Every month is run once more on its own at the sizing found: a search that was stopped, or that ended
        within a gap, may leave hours that are possible but not the cheapest, with losses above the physical ones.
        """
        if self.sizing.plant.events:
            raise NoPlanError("the whole model tries some starts of events alone: plan them without it")
        if report is not None:
            self.master.watch(lambda objective, bound: report(self._progress(objective, bound)))
        whole = self.solve(gap=gap, of_open_cost=True)
        point = np.where(self.master.integer, np.round(whole.point), whole.point)
        solvers = {month: BlockSolver(block, note=self.trace.line) for month, block in self.blocks.items()}
        values, links = {}, {}
        for s in self.states:
            links[s] = np.array([max(0.0, self.master.value(v, point)) for v in link_variables(self.sizing, s)])
            values[s] = self._dispatch(s, links[s], solvers[s.block].solve(links[s], s.label(self.case)), point)
            column = self.master.index(cost_variable(self.sizing, s))
            if column is not None:
                point[column] = values[s].cost_usd / USD_PER_KUSD
        point = settle_rent(self.sizing, self.master, point)
        settle_risk(self.sizing, self.master, point)
        gradient, constant = self.master.gradient(self.sizing.levels["cost"])
        upper = float(gradient @ point) + constant + self.sizing.constant_kusd
        lower = min(upper, whole.levels[-1].bound)
        solution = Solution(
            sizing=self.sizing,
            master=self.master,
            blocks=self.blocks,
            states=self.states,
            point=point,
            values=values,
            links=links,
            levels=(*whole.levels[:-1], Level("cost", upper * USD_PER_KUSD, lower * USD_PER_KUSD)),
            upper_kusd=upper,
            lower_kusd=lower,
            forced_kusd=self.sizing.forced_compute_kusd,
            rounds=1,
            block_solves=sum(solver.solves for solver in solvers.values()),
            seconds=time.perf_counter() - self.begin,
            gap_reached=False,
        )
        solution.gap_reached = solution.gap_fraction <= gap
        solution.stopped = "" if solution.gap_reached else self.stop.reason
        return solution

    def _dispatch(self, s: State, x: Array, alone: Value, point: Array) -> Value:
        """A month run alone; or its hours of the whole model, where only the solver's tolerance makes it short."""
        label, block = s.label(self.case), self.blocks[s.block]
        if np.isfinite(alone.cost_usd):
            found = checked(block, x, alone, label, run=self.stop.run)
            if np.isfinite(found.cost_usd):
                return found
        primal = np.array([self.master.value(self.sizing.model.hours[label, n], point) for n in block.column_names])
        return Value(float(block.cost @ primal), alone.slope, primal, 0.0, alone.prices)

    def _progress(self, objective: float, bound: float) -> Progress:
        """Where HiGHS stands. While a goal before cost is sought, its numbers are not money and are not shown."""
        upper, lower = (
            value + self._constant if self._level == "cost" and abs(value) < 1e20 else sign * np.inf
            for value, sign in ((objective, 1.0), (bound, -1.0))
        )
        known = np.isfinite(upper) and np.isfinite(lower)
        gap = (upper - lower) / max(abs(upper - self.sizing.forced_compute_kusd), 1e-9) if known else np.inf
        return Progress(f"whole model, {self._level}", 1, lower, upper, gap, time.perf_counter() - self.begin)

    def _least(self, name: str, sense: float) -> float:
        """Bound of a level from the sizing model alone, relaxed, with the goals before it held."""
        gradient, _ = self.alone.gradient(self.sizing.levels[name])
        self.alone.minimise(sense * gradient)
        return self.alone.solve(relaxed=True).bound

    def _hold(self, name: str, value: float) -> None:
        """Keep an integer goal at what was reached, in the whole model and in the sizing model alone."""
        low, high = (value - 1e-6, np.inf) if name == "gpus" else (-np.inf, value + 1e-6)
        for master in (self.master, self.alone):
            gradient, _ = master.gradient(self.sizing.levels[name])
            columns = np.flatnonzero(gradient)
            master.add_row(low, high, columns, gradient[columns])

    def _infeasible(self) -> InfeasibleError:
        """The limits in the way, as the decomposition names them."""
        return explain(self.sizing.plant, {month: BlockSolver(block) for month, block in self.blocks.items()})

    def _add_block(self, s: State, block: Block) -> None:
        """One month's columns, rows and cost."""
        m, label = self.sizing.model, s.label(self.case)
        column_names, row_names = block.column_names, block.row_names
        columns = [m.hours[label, name] for name in column_names]
        for j in block.shortage:
            columns[j].fix(0.0)
        variables = [*columns, *link_variables(self.sizing, s)]
        matrix, equal = block.matrix, np.isfinite(block.row_lower)
        for i in range(matrix.shape[0]):
            inside = slice(matrix.indptr[i], matrix.indptr[i + 1])
            body = LinearExpression(
                constant=0.0,
                linear_coefs=matrix.data[inside].tolist(),
                linear_vars=[variables[j] for j in matrix.indices[inside]],
            )
            m.block_rows[label, row_names[i]] = body == 0.0 if equal[i] else body <= 0.0
        sizes = unit_sizes(block)
        for j in np.flatnonzero(sizes).tolist():
            units = m.units_online[label, column_names[j]]
            m.whole_units[label, column_names[j]] = columns[j] == float(sizes[j]) * units
        if s.is_event:
            return
        cost, used = block.cost / USD_PER_KUSD, np.flatnonzero(block.cost)
        total = LinearExpression(constant=0.0, linear_coefs=cost[used].tolist(), linear_vars=[columns[j] for j in used])
        m.block_cost[label] = cost_variable(self.sizing, s) == total
