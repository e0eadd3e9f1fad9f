"""The integer check of a dispatch: whole units run, nothing runs both ways in one hour, and no losses are invented.

Blocks are linear, so in a dispatch half a unit may be online, and it may charge and discharge at once where energy has
to be got rid of, or because it is a mix of others. Where it does,

    what comes in units        is a whole number of them
    hours that run both ways   get a binary z, with C the capacity both share at the linking vector:
                               forward(t) <= C z(t)        back(t) <= C (1 - z(t))

and square losses are held at their tangents. The cost after the check is the upper bound; the lower bound stays the
linear block's. Whole units are sought to a share of the block's cost (_UNITS_GAP) or for so many nodes, then held while
the rest is solved once more: what is told is the true cost of a dispatch, that may not be the very cheapest.
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
_UNITS_GAP = 1e-4  # of it, where units are committed
_UNITS_NODES = 200


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
    n, matrix = block.size, sp.csc_matrix(block.matrix)
    right = -(matrix[:, n:] @ x)
    lifted = _least_losses(block, right)
    if passes(block, value.primal) and all(value.primal[j] <= least + _MW for j, least in lifted.items()):
        return value
    search = _Search(block, x, right, lifted, f"{name}, in whole units", run, note)
    primal = search.dispatch(value.primal)
    if primal is None:  # forbidden: no dispatch at this sizing passes
        return replace(value, cost_usd=np.inf, shortage_mwh=np.inf)
    return replace(value, cost_usd=float(block.cost @ primal), primal=primal)


class _Search:
    """A block at one linking vector as a mixed-integer program."""

    def __init__(
        self, block: Block, x: Array, right: Array, lifted: dict[int, float], name: str, run: Run, note: Note | None
    ) -> None:
        self._block, self._right, self._name, self._run, self._note = block, right, name, run, note
        n = self._n = block.size
        self._own = sp.csc_matrix(block.matrix[:, :n])
        sizes = unit_sizes(block)
        self._whole = np.flatnonzero(sizes).astype(np.int32)
        self._scale = np.where(sizes > 0, sizes, 1.0)  # a column of units counts them
        own = sp.csc_matrix(self._own @ sp.diags(self._scale))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, own.shape[0]
        lp.col_cost_, lp.col_lower_ = block.cost * self._scale, np.zeros(n)
        ceiling = np.full(n, highspy.kHighsInf)
        ceiling[block.shortage] = 0.0
        for j, least in lifted.items():
            ceiling[j] = least
        lp.col_upper_ = ceiling
        lp.row_lower_, lp.row_upper_ = np.where(np.isinf(block.row_lower), -highspy.kHighsInf, right), right
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = own.indptr, own.indices, own.data
        self._h = highspy.Highs()
        gap = _UNITS_GAP if len(self._whole) else _GAP
        for option, setting in (("output_flag", False), ("threads", 1), ("mip_rel_gap", gap)):
            self._h.setOptionValue(option, setting)
        self._h.passModel(lp)
