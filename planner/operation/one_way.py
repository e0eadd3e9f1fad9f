"""The integer check of a dispatch: nothing runs both ways in one hour, and no losses are invented.

Blocks are linear, so a dispatch may charge and discharge at once where energy has to be got rid of, or because it
is a mix of others. Hours that do get a binary z, with C the capacity both share at the linking vector:

    forward(t) <= C z(t)        back(t) <= C (1 - z(t))

and square losses are held at their tangents. The cost after the check is the upper bound; the lower bound stays the
linear block's.
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


def both_ways(block: Block, primal: Array) -> Index:
    """Pairs of columns (forward, back) that run in the same hour; shape (pairs, 2)."""
    found = [np.zeros((0, 2), np.int64)]
    for name, forward in block.columns.items():
        kind, colon, item = name.partition(":")
        back = block.columns.get(f"{_BACK.get(kind)}{colon}{item}")
        if back is not None:
            pairs = np.column_stack([forward.index, back.index])
            found.append(pairs[primal[pairs].min(axis=1) > _MW])
    return np.concatenate(found)


def one_way(
    block: Block, x: Array, value: Value, name: str, *, run: Run = highspy.Highs.run, note: Note | None = None
) -> Value:
    """The cheapest dispatch at x that passes the check, `value` where it does. Raises Stopped when cut short."""
    n, matrix = block.size, sp.csc_matrix(block.matrix)
    right = -(matrix[:, n:] @ x)
    lifted = _least_losses(block, right)
    pairs = both_ways(block, value.primal)
    if not len(pairs) and all(value.primal[j] <= least + _MW for j, least in lifted.items()):
        return value
    own = matrix[:, :n]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, own.shape[0]
    lp.col_cost_, lp.col_lower_ = block.cost, np.zeros(n)
    ceiling = np.full(n, highspy.kHighsInf)
    ceiling[block.shortage] = 0.0
    for j, least in lifted.items():
        ceiling[j] = least
    lp.col_upper_ = ceiling
    lp.row_lower_, lp.row_upper_ = np.where(np.isinf(block.row_lower), -highspy.kHighsInf, right), right
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = own.indptr, own.indices, own.data
    h = highspy.Highs()
    for option, setting in (("output_flag", False), ("threads", 1), ("mip_rel_gap", _GAP)):
        h.setOptionValue(option, setting)
    h.passModel(lp)
    while True:
        for forward, back in pairs.tolist():
            capacity = _shared(block, own, right, forward, back)
            z = h.getNumCol()
            h.addCol(0.0, 0.0, 1.0, 0, np.array([], np.int32), np.array([]))
            h.changeColIntegrality(z, highspy.HighsVarType.kInteger)
            h.addRow(-highspy.kHighsInf, 0.0, 2, np.array([forward, z], np.int32), np.array([1.0, -capacity]))
            h.addRow(-highspy.kHighsInf, capacity, 2, np.array([back, z], np.int32), np.array([1.0, capacity]))
        status = run_checked(h, f"{name}, one way", block.hours, run=run, note=note)
        if status in CUT_SHORT:
            raise Stopped
        if status != highspy.HighsModelStatus.kOptimal:  # forbidden: no dispatch at this sizing passes
            return replace(value, cost_usd=np.inf, shortage_mwh=np.inf)
        primal = np.array(h.getSolution().col_value)[:n]
        pairs = both_ways(block, primal)
        if not len(pairs):
            return replace(value, cost_usd=float(block.cost @ primal), primal=primal)


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
