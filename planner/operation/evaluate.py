"""Value, dispatch and cut of an operating block at a linking vector, with the solver kept alive and warm.

Rows that hold one column below equipment are column bounds here, set anew for every linking vector: that leaves
half the rows. Their duals, and so the cut's slopes, come from `repair`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block
from planner.errors import SolverError
from planner.operation.repair import Repair
from planner.operation.solver import CUT_SHORT, Note, Run, Stopped, run_checked

Array = NDArray[np.float64]
_MANY_COLUMNS_PER_HOUR = 12
_STORED_BASES = 24
_SMALL_STEP = 0.3  # a larger one is slower from another basis than from scratch, with many batteries alike
_FEW_ROWS = 2
# What counts as no violation at all: MWh over a block.
SHORTAGE_TOLERANCE_MWH = 1e-4
_SLACK_MW = 1e-9  # beside a shortage, for what rounding takes


@dataclass(frozen=True)
class Value:
    """A block solved at x. A feasibility cut has `shortage_mwh` > 0 and slope the gradient of the shortage."""

    cost_usd: float
    slope: Array  # over the links; V(x') >= slope . x' for every x'
    primal: Array  # columns
    shortage_mwh: float
    prices: Array  # row duals that a cut can be made from again (of the rows `Repair.core`)
    parts: Array = field(default_factory=lambda: np.zeros((0, 0)))  # their parts by the growth rates of the prices

    @property
    def feasible(self) -> bool:
        """Whether nothing forbidden is violated."""
        return self.shortage_mwh <= SHORTAGE_TOLERANCE_MWH


class BlockSolver:
    """One block in HiGHS, dual simplex, warm from the nearest point solved before, at the prices of any year."""

    def __init__(
        self,
        block: Block,
        repair: Repair | None = None,
        *,
        run: Run = highspy.Highs.run,
        note: Note | None = None,
    ) -> None:
        """run: how HiGHS is run. note: told of every solve."""
        self.block = block
        self.repair = repair or Repair(block)
        self.run, self.note = run, note
        self.solves = 0
        n = block.size
        self._bounded, bounding, self._ceilings = _bounds(block)
        kept = np.ones(block.matrix.shape[0], bool)
        kept[bounding] = False
        self._keep = np.flatnonzero(kept)
        matrix = sp.csc_matrix(block.matrix[self._keep])
        csc, self._links = matrix[:, :n], sp.csr_matrix(matrix[:, n:])
        self._rows = np.arange(len(self._keep), dtype=np.int32)
        self._below = np.isinf(block.row_lower[self._keep])
        self._columns = np.arange(n, dtype=np.int32)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, len(self._keep)
        lp.col_cost_ = block.cost
        upper = np.full(n, highspy.kHighsInf)
        upper[block.shortage] = 0.0
        lp.col_lower_, lp.col_upper_ = np.zeros(n), upper
        lp.row_lower_ = np.where(self._below, -highspy.kHighsInf, 0.0)
        lp.row_upper_ = np.zeros(len(self._keep))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = csc.indptr, csc.indices, csc.data
        self._h = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("solver", "simplex"), ("presolve", "off")):
            self._h.setOptionValue(name, value)
        self._h.passModel(lp)
        # Presolve pays where batteries are many and alike: six types 148 -> 109 ms a month, one type 28 -> 45 ms.
        self._many = n > _MANY_COLUMNS_PER_HOUR * block.hours
        # What moves few rows (charge at an edge, a peak, an annual limit) does not tell near from far.
        self._sized = np.diff(sp.csc_matrix(block.matrix[:, n:]).indptr) > _FEW_ROWS
        self.duals = np.zeros(block.matrix.shape[0])  # of the last solve; rows kept as column bounds stay 0
        self.parts = self.duals[None, :]  # of the duals, by the growth rates of prices, in money of the base year
        self._shortage_mode = False
        self._bases: list[tuple[Array, int, highspy.HighsBasis]] = []

    def at_prices_of(self, block: Block) -> BlockSolver:
        """The solver, from now on at the prices of a block of the same rows and columns."""
        if block.years != self.block.years:
            self.block, self.repair = block, self.repair.priced(block)
            if not self._shortage_mode:
                self._h.changeColsCost(block.size, self._columns, block.cost)
        return self

    def solve(self, x: Array, label: str = "") -> Value:
        """Least cost at x, or the least shortage where x cannot be run without one. label: the state, for the log.

        Raises Stopped when cut short, SolverError when HiGHS has no answer.
        """
        name = f"block {self.block.name} {label}".rstrip()
        warm = self._warm(x)
        self._h.setOptionValue("presolve", "off" if warm or not self._many else "on")
        right = -(self._links @ x)
        left = np.where(self._below, -highspy.kHighsInf, right)
        self._h.changeRowsBounds(len(right), self._rows, left, right)  # type: ignore[attr-defined]
        ceiling = np.maximum(self._ceilings @ x, 0.0)
        self._h.changeColsBounds(len(ceiling), self._bounded, np.zeros(len(ceiling)), ceiling)
        self._mode(False)
        if self._run(name):
            self._keep_basis(x)
            return self._value(shortage=False)
        self._mode(True)
        if not self._run(f"{name}, least shortage"):
            raise SolverError(f"{name}, {self.block.hours} hours: infeasible with every shortage open")
        short = self._value(shortage=True)
        return self._with_shortage(short, name) if short.feasible else short

    def _with_shortage(self, short: Value, name: str) -> Value:
        """What falls short by no more than a solver errs has a cost at that shortage; its cut holds without any."""
        closed = self.block.shortage.astype(np.int32)
        self._mode(False)
        self._h.changeColsBounds(len(closed), closed, np.zeros(len(closed)), short.primal[closed] + _SLACK_MW)
        try:
            return self._value(shortage=False) if self._run(f"{name}, with its shortage") else short
        finally:
            self._h.changeColsBounds(len(closed), closed, np.zeros(len(closed)), np.zeros(len(closed)))

    def _value(self, *, shortage: bool) -> Value:
        solution = self._h.getSolution()
        primal, duals = np.array(solution.col_value), np.zeros(self.block.matrix.shape[0])
        duals[self._keep] = solution.row_dual
        self.duals, prices = duals, duals[self.repair.core]
        self.parts = self._parts()
        objective = float(self._h.getInfo().objective_function_value)
        slope = self.repair.cut(prices, shortage=shortage)
        if slope is None:  # the solver's own duals, exact to its tolerance
            reduced = np.array(solution.col_dual)[self._bounded]
            slope = -(self._links.T @ duals[self._keep]) + self._ceilings.T @ np.minimum(reduced, 0.0)
        if shortage:
            return Value(np.inf, slope, primal, objective, prices)
        return Value(objective, slope, primal, 0.0, prices, self.parts[:, self.repair.core])

    def _parts(self) -> Array:
        """Duals of the last solve in parts, one for each growth rate of the prices: those of the same basis."""
        costs = self.block.cost_by_growth
        factors = (1.0 + np.array(list(costs))) ** self.block.years
        parts = np.zeros((len(costs), len(self.duals)))
        parts[0] = self.duals / factors[0]
        if len(costs) > 1 and not self._shortage_mode:
            _, basic = self._h.getBasicVariables()  # type: ignore[attr-defined]
            for k, usd in enumerate(costs.values()):
                of_basis = np.where(basic < 0, 0.0, usd[np.maximum(basic, 0)])  # below zero: a row, which costs nothing
                status, duals = self._h.getBasisTransposeSolve(of_basis)  # type: ignore[attr-defined]
                if status != highspy.HighsStatus.kOk:  # a guess all the same
                    break
                parts[k, self._keep] = duals
        return parts

    def _warm(self, x: Array) -> bool:
        """Start from the basis of the nearest point solved where the same equipment stands; else from scratch."""
        sized = x[self._sized]
        near = [of for of in self._bases if np.array_equal(of[0] > 0, sized > 0)]
        if not near:
            self._h.clearSolver()
            return False
        most = [np.maximum(np.maximum(sized, point), 1e-12) for point, *_ in near]
        # An event of one hour has few rows for any link.
        steps = [np.max(np.abs(sized - of[0]) / top, initial=0.0) for of, top in zip(near, most, strict=True)]
        if self._many and min(steps) > _SMALL_STEP:
            self._h.clearSolver()
            return False
        other_prices = [abs(years - self.block.years) for _, years, _ in near]
        basis = near[int(np.lexsort((other_prices, steps))[0])][2]
        if basis is not self._bases[-1][2]:
            self._h.setBasis(basis)
        return True

    def _keep_basis(self, x: Array) -> None:
        self._bases.append((x[self._sized].copy(), self.block.years, self._h.getBasis()))
        del self._bases[:-_STORED_BASES]

    def _run(self, name: str) -> bool:
        """Whether there is an optimum; without one the block is infeasible as it stands."""
        self.solves += 1
        begin = time.perf_counter()
        status = run_checked(self._h, name, self.block.hours, run=self.run, note=self.note)
        if self.note is not None:
            iterations, seconds = self._h.getInfo().simplex_iteration_count, time.perf_counter() - begin
            self.note(f"{name}: {iterations} iterations, {seconds:.3f} s, {self._h.modelStatusToString(status)}")
        if status in CUT_SHORT:
            raise Stopped
        return bool(status == highspy.HighsModelStatus.kOptimal)

    def _mode(self, shortage: bool) -> None:
        """Switch between cost and least shortage."""
        if shortage == self._shortage_mode:
            return
        self._shortage_mode = shortage
        block = self.block
        cost = np.zeros(block.size)
        if shortage:
            cost[block.shortage] = block.weight
        else:
            cost = block.cost
        self._h.changeColsCost(block.size, self._columns, cost)
        closed = block.shortage.astype(np.int32)
        ceiling = np.full(len(closed), highspy.kHighsInf if shortage else 0.0)
        self._h.changeColsBounds(len(closed), closed, np.zeros(len(closed)), ceiling)


def _bounds(block: Block) -> tuple[NDArray[np.int32], NDArray[np.int64], sp.csr_matrix]:
    """Columns bounded by one row alone, those rows, and their ceilings as a matrix over the links."""
    n, m = block.size, block.matrix.shape[0]
    entries = block.matrix.tocoo()
    row, column, value = entries.row, entries.col, entries.data
    shortage = np.zeros(n + len(block.links), bool)
    shortage[block.shortage] = True
    single = np.isinf(block.row_lower) & (np.bincount(row[column < n], minlength=m) == 1)
    found = np.flatnonzero((column < n) & single[row] & (value > 0) & ~shortage[column])
    found = found[np.argsort(column[found], kind="stable")]
    found = found[np.diff(column[found], prepend=-1) > 0]
    rows = row[found].astype(np.int64)
    ceilings = sp.csr_matrix(block.matrix[rows, n:])
    ceilings.data = -ceilings.data / np.repeat(value[found], np.diff(ceilings.indptr))
    return column[found].astype(np.int32), rows, ceilings
