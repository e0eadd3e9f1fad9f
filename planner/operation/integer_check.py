"""The integer check of a dispatch: whole units run, nothing runs both ways in one hour, and no losses are invented.

Blocks are linear, so in a dispatch half a unit may be online, and it may charge and discharge at once where energy has
to be got rid of, or because it is a mix of others. Where it does, with C the capacity both share at the linking vector,

    whole units                n(t) = online(t) / unit is a whole number, and so is what starts
    hours that run both ways   forward(t) <= C z(t)    back(t) <= C (1 - z(t))    z binary

and square losses are held at their tangents. The cost after the check is the upper bound; the lower bound stays the
linear block's.

A short block is one program. Of a longer one, every unit that is online in part is first made a whole one, where that
can be run. Then whole units are sought in windows of time, one after the other, with everything outside as it is, and
at last held while all the rest is solved once more. So what is told is the true cost of a dispatch, though perhaps not
of the very cheapest.
"""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.evaluate import Value
from planner.operation.solver import CUT_SHORT, Note, Run, Stopped, run_checked

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_BACK = {"charge": "discharge", "grid_import": "grid_export", "compute_shift_up": "compute_shift_down"}
_MW = 1e-6
_GAP = 1e-6  # of a month's cost
_SHORT = 96  # steps of a block that is one program
_WINDOW = 24  # steps of the first windows
_WINDOW_GAP = 1e-4  # of what a window costs
_NODES = 2000  # of a search, so that it ends
_NO_PAIRS = np.zeros((0, 2), np.int64)


def both_ways(block: Block, primal: Array) -> Index:
    """Pairs of columns (forward, back) that run in the same hour; shape (pairs, 2)."""
    found = [_NO_PAIRS]
    for name, forward in block.columns.items():
        kind, colon, item = name.partition(":")
        back = block.columns.get(f"{_BACK.get(kind)}{colon}{item}")
        if back is not None:
            pairs = np.column_stack([forward.index, back.index])
            found.append(pairs[primal[pairs].min(axis=1) > _MW])
    return np.concatenate(found)


def unit_sizes(block: Block) -> Array:
    """Of every column, what it comes in whole multiples of; 0 where it may be any amount."""
    sizes = np.zeros(block.size)
    for columns in block.columns.values():
        if columns.unit is not None:
            sizes[columns.index] = columns.unit
    return sizes


def fractional(block: Block, primal: Array) -> bool:
    """Whether some unit runs in part."""
    sizes = unit_sizes(block)
    whole = np.flatnonzero(sizes)
    units = primal[whole] / sizes[whole]
    return bool(np.abs(units - units.round()).max(initial=0.0) > _MW)


def passes(block: Block, primal: Array) -> bool:
    """Whether a dispatch could be run as it is, its losses aside."""
    return not len(both_ways(block, primal)) and not fractional(block, primal)


def checked(
    block: Block, x: Array, value: Value, name: str, *, run: Run = highspy.Highs.run, note: Note | None = None
) -> Value:
    """The cheapest dispatch at x that passes the check, `value` where it does. Raises Stopped when cut short."""
    right = -(sp.csc_matrix(block.matrix)[:, block.size :] @ x)
    lifted = _least_losses(block, right)
    if passes(block, value.primal) and all(value.primal[j] <= least + _MW for j, least in lifted.items()):
        return value
    search = _Search(block, x, lifted, f"{name}, in whole units", run, note)
    primal = search.dispatch(value.primal)
    if primal is None:  # forbidden: no dispatch at this sizing passes
        return replace(value, cost_usd=np.inf, shortage_mwh=np.inf)
    return replace(value, cost_usd=float(block.cost @ primal), primal=primal)


class _Search:
    """A block at one linking vector as a mixed-integer program, in which a column of units counts them."""

    def __init__(
        self, block: Block, x: Array, lifted: dict[int, float], name: str, run: Run, note: Note | None
    ) -> None:
        self._block, self._name, self._run, self._note = block, name, run, note
        n, matrix = block.size, sp.csc_matrix(block.matrix)
        sizes = unit_sizes(block)
        self._whole = sizes > 0
        self._scale = np.where(self._whole, sizes, 1.0)
        self._plain = matrix[:, :n]
        self._matrix = sp.csc_matrix(self._plain @ sp.diags(self._scale))
        self._cost = block.cost * self._scale
        self._upper = -(matrix[:, n:] @ x)
        self._lower = np.where(np.isinf(block.row_lower), -highspy.kHighsInf, self._upper)
        self._ceiling = np.full(n, highspy.kHighsInf)
        self._ceiling[block.shortage] = 0.0
        for j, least in lifted.items():
            self._ceiling[j] = least
        self._step = np.full(n, -1)  # of a column; -1: of the whole block
        for columns in block.columns.values():
            if len(columns.index) > 1:
                self._step[columns.index] = columns.hours

    def dispatch(self, relaxed: Array) -> Array | None:
        """The cheapest dispatch found that passes, near a relaxed one; None where there is none."""
        at = relaxed / self._scale
        pairs = both_ways(self._block, relaxed)
        held = not self._whole.any()
        if not held and self._block.hours > _SHORT:
            rounded = self._solve(np.arange(len(at)), at, _NO_PAIRS, _GAP, held=True)
            found = self._by_windows(at if rounded is None else rounded)
            held, at = found is not None, at if found is None else found
        while True:
            found = self._solve(np.arange(len(at)), at, pairs, _GAP, held=held)
            if found is None:
                return None
            at, new = found, both_ways(self._block, found * self._scale)
            if not len(new):
                break
            pairs = np.concatenate([pairs, new])
        if not held:  # what is whole to the solver's tolerance is made so, and the rest right with it
            at[self._whole] = at[self._whole].round()
            settled = self._solve(np.arange(len(at)), at, pairs, _GAP, held=True)
            at = at if settled is None else settled
        result: Array = at * self._scale
        return result

    def _by_windows(self, start: Array) -> Array | None:
        """Whole units window by window; wider windows where one has no answer, None where none has."""
        width = _WINDOW
        while width < self._block.hours:
            at = start.copy()
            for first in range(0, self._block.hours, width * 2 // 3):
                free = (self._step < 0) | ((self._step >= first) & (self._step < first + width))
                found = self._solve(np.flatnonzero(free), at, _NO_PAIRS, _WINDOW_GAP, held=False)
                if found is None:
                    break
                at = found
                at[self._whole & free] = at[self._whole & free].round()
            else:
                return at
            width *= 2
        return None

    def _solve(self, free: Index, at: Array, pairs: Index, gap: float, *, held: bool) -> Array | None:
        """The best values of some columns with the others as they are; None where there are none.

        held: units stay as they are too.
        """
        own = self._matrix[:, free]
        rows = np.unique(own.indices)
        own = sp.csc_matrix(own[rows])
        rest = at.copy()
        rest[free] = 0.0
        outside = (self._matrix @ rest)[rows]
        whole = np.flatnonzero(self._whole[free]).astype(np.int32)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(free), len(rows)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self._cost[free], np.zeros(len(free)), self._ceiling[free]
        lp.row_lower_, lp.row_upper_ = self._lower[rows] - outside, self._upper[rows] - outside
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = own.indptr, own.indices, own.data
        h = highspy.Highs()
        for option, setting in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_rel_gap", gap),
            ("mip_max_nodes", _NODES),
        ):
            h.setOptionValue(option, setting)
        h.passModel(lp)
        units = np.ceil(at[free][whole] - _MW)  # every unit that is online in part as a whole one
        if held:
            h.changeColsBounds(len(whole), whole, units, units)
        elif len(whole):
            kind = np.full(len(whole), int(highspy.HighsVarType.kInteger.value), np.uint8)
            h.changeColsIntegrality(len(whole), whole, kind)
            h.setSolution(len(whole), whole, units)
        for forward, back in pairs.tolist():
            self._choose(h, forward, back)
        status = run_checked(h, self._name, self._block.hours, run=self._run, note=self._note)
        if status in CUT_SHORT:
            raise Stopped
        if status == highspy.HighsModelStatus.kInfeasible or h.getInfo().primal_solution_status != 2:
            return None
        result = at.copy()
        result[free] = np.array(h.getSolution().col_value)[: len(free)]
        return result

    def _choose(self, h: highspy.Highs, forward: int, back: int) -> None:
        """One of two columns of the whole program."""
        capacity = _shared(self._block, self._plain, self._upper, forward, back)
        z = h.getNumCol()
        h.addCol(0.0, 0.0, 1.0, 0, np.array([], np.int32), np.array([]))
        h.changeColIntegrality(z, highspy.HighsVarType.kInteger)
        h.addRow(-highspy.kHighsInf, 0.0, 2, np.array([forward, z], np.int32), np.array([1.0, -capacity]))
        h.addRow(-highspy.kHighsInf, capacity, 2, np.array([back, z], np.int32), np.array([1.0, capacity]))


def _least_losses(block: Block, right: Array) -> dict[int, float]:
    """Column of each square throughput -> the highest of its tangents at the linking vector."""
    found: dict[int, float] = {}
    tangent = np.array([name.startswith("loss_tangent:") for name in block.constraints])[block.row_group]
    for name, columns in block.columns.items():
        if name.startswith("square_throughput:"):
            j = int(columns.index[0])
            rows = sp.csc_matrix(block.matrix[:, [j]]).indices
            found[j] = max(0.0, float((-right[rows[tangent[rows]]]).max(initial=0.0)))
    return found


def _shared(block: Block, own: sp.csc_matrix, right: Array, forward: int, back: int) -> float:
    """Capacity that two columns share at the linking vector. [MW]"""
    one, other = (own[:, [j]].tocoo() for j in (forward, back))
    rows = np.intersect1d(one.row[one.data > 0], other.row[other.data > 0])
    return float(right[rows[np.isinf(block.row_lower[rows])]].min())
