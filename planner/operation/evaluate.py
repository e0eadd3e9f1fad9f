"""Value, dispatch and cut of an operating block at a linking vector, with the solver kept alive and warm."""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.errors import SolverError
from planner.operation.solver import CUT_SHORT, Note, Run, Stopped, run_checked

Array = NDArray[np.float64]
# A warm start pays only after a small step with the same equipment standing; after a larger one the dual simplex
# takes 5 to 20 times as long from the old basis as from scratch with presolve.
_SMALL_STEP = 0.02
# What counts as no violation at all: MWh over a block.
SHORTAGE_TOLERANCE_MWH = 1e-4


@dataclass(frozen=True)
class Value:
    """A block solved at x. A feasibility cut has `shortage_mwh` > 0 and slope the gradient of the shortage."""

    cost_usd: float
    slope: Array  # over the links; V(x') >= slope . x' for every x'
    primal: Array  # columns
    shortage_mwh: float

    @property
    def feasible(self) -> bool:
        """Whether nothing forbidden is violated."""
        return self.shortage_mwh <= SHORTAGE_TOLERANCE_MWH


class BlockSolver:
    """One block in HiGHS: linking columns fixed by their bounds, dual simplex, warm after the first solve."""

    def __init__(self, block: Block, *, run: Run = highspy.Highs.run, note: Note | None = None) -> None:
        """run: how HiGHS is run. note: takes one line for every solve."""
        self.block, self._how, self._note = block, run, note
        self.solves = 0
        self._h = highspy.Highs()
        self._h.setOptionValue("output_flag", False)
        self._h.setOptionValue("threads", 1)
        self._h.setOptionValue("solver", "simplex")
        n, k = block.size, len(block.links)
        csc = block.matrix.tocsc()
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n + k, block.matrix.shape[0]
        lp.col_cost_ = np.concatenate([block.cost, np.zeros(k)])
        upper = np.full(n + k, highspy.kHighsInf)
        upper[block.shortage] = 0.0
        upper[n:] = 0.0
        lp.col_lower_, lp.col_upper_ = np.zeros(n + k), upper
        lp.row_lower_ = np.where(np.isinf(block.row_lower), -highspy.kHighsInf, block.row_lower)
        lp.row_upper_ = block.row_upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = csc.indptr, csc.indices, csc.data
        self._h.passModel(lp)
        self._link_columns = np.arange(n, n + k, dtype=np.int32)
        self._shortage_mode = False
        self._last: Array | None = None

    def solve(self, x: Array, label: str = "") -> Value:
        """Least cost at x, or the least shortage where x cannot be run without one. label: the month, for the log.

        Raises Stopped when cut short, SolverError when HiGHS has no answer.
        """
        n, name = self.block.size, f"block {self.block.name} {label}".rstrip()
        if not self._near(x):
            self._h.clearSolver()
        self._last = x.copy()
        self._h.changeColsBounds(len(x), self._link_columns, x, x)
        self._mode(False)
        if self._run(name):
            solution = self._h.getSolution()
            primal, dual = np.array(solution.col_value), np.array(solution.col_dual)
            return Value(self._h.getInfo().objective_function_value, dual[n:], primal[:n], 0.0)
        self._mode(True)
        if not self._run(f"{name}, least shortage"):
            raise SolverError(f"{name}, {self.block.hours} hours: infeasible with every shortage open")
        solution = self._h.getSolution()
        primal, dual = np.array(solution.col_value), np.array(solution.col_dual)
        shortage = float(self._h.getInfo().objective_function_value)
        return Value(np.inf, dual[n:], primal[:n], shortage)

    def _near(self, x: Array) -> bool:
        """Whether x is a small step from the last one, with the same components at zero."""
        last = self._last
        if last is None or not np.array_equal(last > 0, x > 0):
            return False
        return bool(np.all(np.abs(x - last) <= _SMALL_STEP * np.maximum(last, x)))

    def _run(self, name: str) -> bool:
        """Whether there is an optimum; without one the block is infeasible as it stands."""
        self.solves += 1
        begin = time.perf_counter()
        self._h.setOptionValue("presolve", "off" if self._h.getBasis().valid else "on")
        status = run_checked(self._h, name, self.block.hours, run=self._how, note=self._note)
        if self._note is not None:
            iterations, seconds = self._h.getInfo().simplex_iteration_count, time.perf_counter() - begin
            self._note(f"{name}: {iterations} iterations, {seconds:.3f} s, {self._h.modelStatusToString(status)}")
        if status in CUT_SHORT:
            raise Stopped
        return bool(status == highspy.HighsModelStatus.kOptimal)

    def _mode(self, shortage: bool) -> None:
        """Switch between cost and least shortage."""
        if shortage == self._shortage_mode:
            return
        self._shortage_mode = shortage
        block, n = self.block, self.block.size
        columns = np.arange(n, dtype=np.int32)
        cost = np.zeros(n)
        if shortage:
            cost[block.shortage] = block.weight
        else:
            cost = block.cost
        self._h.changeColsCost(n, columns, cost)
        closed = block.shortage.astype(np.int32)
        ceiling = np.full(len(closed), highspy.kHighsInf if shortage else 0.0)
        self._h.changeColsBounds(len(closed), closed, np.zeros(len(closed)), ceiling)
