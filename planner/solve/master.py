"""The sizing model in HiGHS: compiled once from Pyomo, then changed and re-solved by index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from planner.operation.solver import run_checked
from planner.sizing.model import Sizing
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class MasterResult:
    """A solved sizing model: its point (None when there is none), its proven bound, and whether there is none."""

    point: Array | None
    objective: float
    bound: float
    infeasible: bool


class Master:
    """The compiled sizing model. Columns are found by Pyomo variable; cuts are added by index."""

    def __init__(
        self, sizing: Sizing, threads: int = 1, *, stop: Stop | None = None, trace: Trace | None = None
    ) -> None:
        self.sizing, self._stop, self._trace = sizing, stop or Stop(), trace or Trace()
        form = LinearStandardFormCompiler().write(sizing.model, mixed_form=True)
        self._column = {id(var): j for j, var in enumerate(form.columns)}
        self.columns, self.rows = form.columns, form.rows
        n = len(form.columns)
        matrix = form.A.tocsc()
        lower, upper = _row_bounds(form)
        self.integer = np.array([not v.is_continuous() for v in form.columns])
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, matrix.shape[0]
        lp.col_cost_ = np.zeros(n)
        lp.col_lower_ = np.array([-highspy.kHighsInf if v.lb is None else v.lb for v in form.columns])
        lp.col_upper_ = np.array([highspy.kHighsInf if v.ub is None else v.ub for v in form.columns])
        lp.row_lower_, lp.row_upper_ = lower, upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        self._h = highspy.Highs()
        self._h.setOptionValue("output_flag", False)
        self._trace.keep(self._h)
        self._h.setOptionValue("threads", threads)
        self._h.setOptionValue("random_seed", 0)
        self._h.passModel(lp)
        self._size = n
        self._relaxed = True
        self._all = np.arange(n, dtype=np.int32)
        self._base_lower, self._base_upper = np.array(lp.col_lower_), np.array(lp.col_upper_)

    def index(self, var: Any) -> int | None:
        """Column of a Pyomo variable; None when it is fixed or not in the model."""
        return self._column.get(id(var))

    def value(self, var: Any, point: Array) -> float:
        """Value of a Pyomo variable at a point; fixed variables keep theirs."""
        j = self._column.get(id(var))
        if j is not None:
            return float(point[j])
        return float(var.value) if var.fixed and var.value is not None else 0.0

    def gradient(self, expression: Any) -> tuple[Array, float]:
        """Coefficients of a linear Pyomo expression over the columns, and its constant."""
        from pyomo.repn import generate_standard_repn

        repn = generate_standard_repn(expression, compute_values=True)
        cost = np.zeros(self._size)
        for coefficient, var in zip(repn.linear_coefs, repn.linear_vars, strict=True):
            j = self._column.get(id(var))
            if j is not None:
                cost[j] += coefficient
        return cost, float(repn.constant)

    def minimise(self, cost: Array) -> None:
        """Set the objective, to be minimised."""
        self._h.changeColsCost(self._size, self._all, cost)

    def add_row(self, lower: float, upper: float, columns: Index, values: Array) -> None:
        """A row over columns by index."""
        self._h.addRow(lower, upper, len(columns), np.asarray(columns, np.int32), np.asarray(values, float))

    def fix(self, columns: Index, values: Array) -> None:
        """Fix columns at values until `free`."""
        self._h.changeColsBounds(len(columns), np.asarray(columns, np.int32), values, values)

    def free(self, columns: Index) -> None:
        """Give columns their own bounds back."""
        index = np.asarray(columns, np.int32)
        self._h.changeColsBounds(len(index), index, self._base_lower[index], self._base_upper[index])

    def rows_hold(self, constraints: Any, point: Array, tolerance: float = 1e-6) -> bool:
        """Whether a Pyomo constraint list holds at a point."""
        for constraint in constraints.values():
            gradient, constant = self.gradient(constraint.body)
            value = float(gradient @ point) + constant
            upper, lower = pyo.value(constraint.upper), pyo.value(constraint.lower)
            scale = tolerance * max(1.0, abs(value))
            if (upper is not None and value > upper + scale) or (lower is not None and value < lower - scale):
                return False
        return True

    def watch(self, call: Callable[[float, float], None]) -> None:
        """Call with (best objective, bound) every few seconds of a solve in whole units."""
        self._h.cbMipLogging += lambda e: call(e.data_out.mip_primal_bound, e.data_out.mip_dual_bound)

    def model(self, objective: Any, constant: float, *, maximise: bool) -> highspy.HighsLp:
        """The compiled model with whole columns marked and an objective of its own, for writing it out."""
        gradient, offset = self.gradient(objective)
        lp = self._h.getLp()
        lp.col_cost_, lp.offset_ = gradient, offset + constant
        lp.sense_ = highspy.ObjSense.kMaximize if maximise else highspy.ObjSense.kMinimize
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(whole)] for whole in self.integer]
        return lp

    def solve(
        self,
        *,
        relaxed: bool,
        gap: float = 1e-4,
        absolute_gap: float = 1e-6,
        time_limit: float = np.inf,
        start: Array | None = None,
    ) -> MasterResult:
        """Solve the model or its continuous relaxation. The bound is proven either way."""
        h = self._h
        if relaxed != self._relaxed or (not relaxed and self.integer.any()):
            kinds = np.where(
                self.integer & (not relaxed),
                int(highspy.HighsVarType.kInteger.value),
                int(highspy.HighsVarType.kContinuous.value),
            )
            h.changeColsIntegrality(self._size, self._all, kinds.astype(np.uint8))
            self._relaxed = relaxed
        h.setOptionValue("mip_rel_gap", gap)
        h.setOptionValue("mip_abs_gap", absolute_gap)
        h.setOptionValue("presolve", "choose")
        if start is not None and not relaxed:
            solution = highspy.HighsSolution()
            solution.col_value = list(start)
            h.setSolution(solution)
        kind = "relaxed" if relaxed else "in whole units"
        status = run_checked(
            h,
            f"the sizing model {kind}, {h.getNumCol()} columns and {h.getNumRow()} rows",
            run=lambda highs: self._stop.run(highs, time_limit),
            note=self._trace.line,
        )
        if status == highspy.HighsModelStatus.kInfeasible:
            return MasterResult(None, np.inf, np.inf, True)
        info = h.getInfo()
        optimal = status == highspy.HighsModelStatus.kOptimal
        has_point = optimal or info.primal_solution_status == 2
        point = np.array(h.getSolution().col_value) if has_point else None
        bound = info.mip_dual_bound
        if relaxed:
            bound = info.objective_function_value if optimal else -np.inf
        objective = info.objective_function_value if has_point else np.inf
        return MasterResult(point, objective, bound, False)


def _row_bounds(form: Any) -> tuple[Array, Array]:
    """Row bounds of a compiled form with one entry per row: bound_type 1 is <=, -1 is >=, 0 is equality."""
    rhs = np.asarray(form.rhs, float)
    kind = np.array([row.bound_type for row in form.rows])
    lower = np.where(kind == 1, -highspy.kHighsInf, rhs)
    upper = np.where(kind == -1, highspy.kHighsInf, rhs)
    return lower, upper
