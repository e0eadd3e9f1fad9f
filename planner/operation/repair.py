"""Cuts of a block from any prices at all, without solving it.

For row duals y that leave no column a negative reduced cost, weak duality gives V(x) >= -(B'y) . x for every x.
Any guess becomes such a y: a capacity row (every column entry >= 0, the equipment on the link side) may take
whatever dual its columns need, so those duals follow in closed form from the others:

    y_r = min over the columns j it holds of  min(0, (c_j - sum over other rows of a_ij y_i) / a_rj)

Rows that charge one column for many (a billed peak, a tier) are scaled down until the column they charge can
bear it. The result is checked, so a guess that cannot be repaired gives no cut, never a wrong one. It holds for
whatever prices, weather, load shape and efficiency the block has now, wherever the guess came from.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_TOLERANCE = 1e-9  # of a reduced cost, relative to the largest cost


class Repair:
    """Turns row duals into valid cuts of one block."""

    def __init__(self, block: Block) -> None:
        n, m = block.size, block.matrix.shape[0]
        entries = block.matrix.tocoo()
        row, column, value = entries.row, entries.col, entries.data
        own = column < n
        below = np.isinf(block.row_lower)
        capacity = below.copy()
        capacity[row[own & (value < 0)]] = False
        linked = np.zeros(m, bool)
        linked[row[~own]] = True
        # A column in several capacity rows is held by the shortest: the others keep the dual they are given.
        held = np.flatnonzero(own & (capacity & linked)[row])
        length = np.bincount(row[own], minlength=m)
        held = held[np.lexsort((length[row[held]], column[held]))]
        held = held[np.diff(column[held], prepend=-1) > 0]
        self._column, self._row, self._entry = column[held], row[held], value[held]
        holding = np.zeros(m, bool)
        holding[self._row] = True
        free = np.ones(n, bool)
        free[self._column] = False

        def part(keep: Mask) -> sp.csr_matrix:
            """Transpose of the matrix with only some entries."""
            return sp.csr_matrix((value[keep], (column[keep], row[keep])), shape=(n, m))

        self._other, self._capacity = part(own & ~holding[row]), part(own & holding[row])
        self._free = np.flatnonzero(free)
        self._charged = part(own & (below & ~holding)[row])[self._free]
        self._links = sp.csr_matrix((value[~own], (column[~own] - n, row[~own])), shape=(len(block.links), m))
        self._rows, self._below = m, below
        self.core = np.flatnonzero(~holding)  # rows whose duals make a guess
        self._cost = block.cost
        self._open = np.ones(n, bool)
        self._open[block.shortage] = False
        self._weight = np.where(self._open, 0.0, block.weight)

    def cut(self, guess: Array, *, shortage: bool = False) -> Array | None:
        """Slopes over the links from duals of the core rows; None where the guess cannot be repaired.

        shortage: for a cut of the least shortage instead of the cost.
        """
        cost = self._weight if shortage else self._cost
        y = np.zeros(self._rows)
        y[self.core] = guess
        y[self._below] = np.minimum(y[self._below], 0.0)
        left = cost - self._other @ y
        must = self._free if shortage else self._free[self._open[self._free]]
        if left[must].min(initial=0.0) < 0.0:
            self._scale(y, left, shortage)
            left = cost - self._other @ y
        np.minimum.at(y, self._row, np.minimum(0.0, left[self._column] / self._entry))
        reduced = left - self._capacity @ y
        if not shortage:
            reduced = reduced[self._open]
        if reduced.min(initial=0.0) < -_TOLERANCE * max(1.0, float(np.abs(cost).max(initial=0.0))):
            return None
        slope: Array = -(self._links @ y)
        return slope

    def _scale(self, y: Array, left: Array, shortage: bool) -> None:
        """Scale down duals of rows that charge a column more than it can bear."""
        bad = left[self._free] < 0
        if not shortage:
            bad &= self._open[self._free]
        charged = sp.coo_matrix(self._charged[bad])
        weight = np.maximum(charged.data * y[charged.col], 0.0)
        total = np.bincount(charged.row, weight, minlength=int(bad.sum()))
        factor = np.ones(len(total))
        np.divide(left[self._free][bad] + total, total, out=factor, where=total > 0)
        scale = np.ones(self._rows)
        inside = weight > 0
        np.minimum.at(scale, charged.col[inside], np.clip(factor, 0.0, 1.0)[charged.row[inside]])
        y *= scale
