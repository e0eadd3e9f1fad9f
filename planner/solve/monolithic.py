"""The oracle: sizing and every hour of every month as one Pyomo model, for tests and small cases.

It shares the sizing rows and the blocks with the decomposition, but neither cuts, rounds nor bounds: HiGHS
sees all variables at once. Where both agree, the decomposition is exact.

    block_rows[s]     lower <= A y + B x <= upper    y: columns of month s, x: its linking variables
    block_cost[s]     cost[s] = cost . y / 1000      shortage columns fixed at 0: forbidden stays forbidden
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.expr.numeric_expr import LinearExpression

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import InfeasibleError, NoPlanError, Shortfall
from planner.operation.blocks import build_block, plant_of
from planner.sizing.model import Sizing, build_sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.decomposition import Level
from planner.solve.master import Master
from planner.solve.states import State, cost_variable, event_states, link_variables, states_of

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
    return Monolithic(case, threads=threads).solve(gap=gap, time_limit=time_limit)


class Monolithic:
    """The whole model, built once; `solve` may be called again with sizing decisions fixed."""

    def __init__(self, case: Case, *, threads: int = 1) -> None:
        self.case = case
        plant = plant_of(case)
        self.sizing: Sizing = build_sizing(plant, milestones=case.input.objective.kind != "max_gpus")
        self.states = (*states_of(case), *event_states(plant))
        m = self.sizing.model
        self.blocks = {month: build_block(plant, month) for month in sorted({s.block for s in self.states})}
        m.hours = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
        m.block_rows, m.block_cost = pyo.ConstraintList(), pyo.ConstraintList()
        for number, s in enumerate(self.states):
            self._add_block(number, s, self.blocks[s.block])
        self.master = Master(self.sizing, threads)
        self._by_name = {var.name: j for j, var in enumerate(self.master.columns)}

    def solve(
        self, *, gap: float = 1e-6, time_limit: float = 600.0, fixed: Mapping[str, float] | None = None
    ) -> MonolithicSolution:
        """Solve every level in order. fixed: sizing variables by name; cost is then the only level."""
        begin = time.perf_counter()
        held = {name: value for name, value in (fixed or {}).items() if name in self._by_name}
        index = np.array([self._by_name[name] for name in held], dtype=np.int32)
        values = np.array(list(held.values()))
        self.master.fix(index, values)
        levels: list[Level] = []
        for name in sorted(self.sizing.levels, key=lambda n: n == "cost") if fixed is None else ["cost"]:
            gradient, constant = self.master.gradient(self.sizing.levels[name])
            constant += self.sizing.constant_kusd if name == "cost" else 0.0
            sense = -1.0 if name == "gpus" else 1.0
            self.master.minimise(sense * gradient)
            result = self.master.solve(
                relaxed=False,
                gap=gap,
                absolute_gap=1e-6 if name == "cost" else 0.5,
                time_limit=time_limit - (time.perf_counter() - begin),
            )
            if result.infeasible:
                raise InfeasibleError([Shortfall("the whole model", float("nan"), "", "no point fits every row")])
            if result.point is None:
                raise NoPlanError("the whole model found no point within its time limit")
            value, bound = sense * result.objective, sense * result.bound
            if name != "cost":  # integer goals: hold what was reached and go on
                columns = np.flatnonzero(gradient)
                low, high = (value - 1e-6, np.inf) if name == "gpus" else (-np.inf, value + 1e-6)
                self.master.add_row(low, high, columns, gradient[columns])
            levels.append(Level(name, value + constant, bound + constant))
        self.master.free(index)
        point = result.point
        assert point is not None
        operating = {s: self.master.value(cost_variable(self.sizing, s), point) for s in self.states if not s.is_event}
        return MonolithicSolution(
            point, tuple(levels), levels[-1].value, levels[-1].bound, operating, time.perf_counter() - begin
        )

    def _add_block(self, number: int, s: State, block: Block) -> None:
        """One month's columns, rows and cost."""
        m = self.sizing.model
        columns = [m.hours[number, name] for name in block.column_names]
        for j in block.shortage:
            columns[j].fix(0.0)
        variables = [*columns, *link_variables(self.sizing, s)]
        matrix = block.matrix
        for i in range(matrix.shape[0]):
            inside = slice(matrix.indptr[i], matrix.indptr[i + 1])
            body = LinearExpression(
                constant=0.0,
                linear_coefs=matrix.data[inside].tolist(),
                linear_vars=[variables[j] for j in matrix.indices[inside]],
            )
            m.block_rows.add((block.row_lower[i], body, block.row_upper[i]))
        if s.is_event:
            return
        cost, used = block.cost / USD_PER_KUSD, np.flatnonzero(block.cost)
        total = LinearExpression(constant=0.0, linear_coefs=cost[used].tolist(), linear_vars=[columns[j] for j in used])
        m.block_cost.add(cost_variable(self.sizing, s) == total)
