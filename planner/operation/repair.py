"""Cuts of a block from any prices at all, without solving it.

For row duals y that leave no column a negative reduced cost, weak duality gives V(x) >= -(B'y) . x for every x.
Any guess becomes such a y: a capacity row (every column entry >= 0, the equipment, if any, on the link side) may take
whatever dual its columns need, so those duals follow in closed form from the others:

    y_r = min over the columns j it holds of  min(0, (c_j - sum over other rows of a_ij y_i) / a_rj)

A gate is a capacity row with another column in the place of equipment (output below what is online, itself below
what stands), a floor is the same row the other way round. Between them they take what their column has left, and
charge it to the other, which so has its profit in every step. What a start is worth then follows backwards in time,
    sigma(t) = min(cost of a start, max(0, profit(t) + sigma(t+1)))
the best there is for one item alone. The duals of all three are in closed form and no part of a guess.
A capacity row that also bears on columns other rows hold (a connection that carries import and export, each with
a limit of its own) keeps the dual it is given as far as those columns have a use for it. Rows that charge one
column for many (a billed peak, a tier) are scaled down until the column they charge can bear it. The result is
checked, so a guess that cannot be repaired gives no cut, never a wrong one. It holds for whatever prices, weather,
load shape and efficiency the block has now, wherever the guess came from.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block

Array = NDArray[np.float64]
Index = NDArray[np.integer[Any]]
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
        # One without equipment holds its columns at nothing (what may not be sold in an hour), and for nothing.
        gate, floor = _gates(row, column, value, own, below & ~linked, capacity)
        self._circles = _circles(block)
        start = np.zeros(m, bool)
        start[[r for rows, _, _ in self._circles for r in rows]] = True
        # A row over several columns of gates and starts (a fuel limit) keeps its dual: they take what it leaves them.
        length = np.bincount(row[own], minlength=m)
        inside = np.zeros(n + len(block.links), bool)
        inside[column[own & (gate | start)[row]]] = True
        capacity[row[own & inside[column] & (length > 1)[row]]] = False
        # A column in several capacity rows is held by the shortest: the others keep the dual they are given.
        held = np.flatnonzero(own & (capacity | gate)[row] & (value > 0))
        held = held[np.lexsort((length[row[held]], column[held]))]
        held = held[np.diff(column[held], prepend=-1) > 0]
        holder = np.full(n + len(block.links), -1)
        holder[column[held]] = row[held]
        holding = np.zeros(m, bool)
        holding[row[held]] = True
        shared = np.zeros(m, bool)
        shared[row[own & (holding & ~gate)[row] & (holder[column] != row)]] = True
        gate &= holding
        gated = np.zeros(n + len(block.links), bool)
        gated[column[held[gate[row[held]]]]] = True
        floor[row[own & (value < 0) & ~gated[column]]] = False
        closed = gate | floor | start
        plain = held[~gate[row[held]]]
        self._gates, self._alone, self._first, self._every = (
            (column[of], row[of], value[of])
            for of in (
                held[gate[row[held]]],
                plain[~shared[row[plain]]],
                plain[shared[row[plain]]],
                np.flatnonzero(own & shared[row]),
            )
        )
        free = np.ones(n, bool)
        free[column[held]] = False

        def part(keep: Mask) -> sp.csr_matrix:
            """Transpose of the matrix with only some entries."""
            return sp.csr_matrix((value[keep], (column[keep], row[keep])), shape=(n, m))

        self._other, self._shared = part(own & ~(holding | closed)[row]), part(own & shared[row])
        self._capacity = part(own & (holding & ~shared & ~gate)[row])
        self._gate, self._start = part(own & (gate | floor)[row]), part(own & start[row])
        of = np.flatnonzero(own & floor[row] & (value < 0))
        self._floors = column[of], row[of], value[of]
        self._free = np.flatnonzero(free)
        self._charged = part(own & (below & ~holding & ~closed)[row])[self._free]
        self._links = sp.csr_matrix((value[~own], (column[~own] - n, row[~own])), shape=(len(block.links), m))
        self._rows, self._below = m, below
        self._sharing = np.flatnonzero(shared)
        self.core = np.flatnonzero(~(holding | closed) | shared)  # rows whose duals make a guess
        self._cost = block.cost
        self._open = np.ones(n, bool)
        self._open[block.shortage] = False
        self._weight = np.where(self._open, 0.0, block.weight)

    def priced(self, block: Block) -> Repair:
        """The same for a block of the same rows and columns at other prices."""
        other = copy.copy(self)
        other._cost = block.cost
        return other

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
        least = -_TOLERANCE * max(1.0, float(np.abs(cost).max(initial=0.0)))
        if left[must].min(initial=0.0) < least:
            self._scale(y, left, shortage)
            left = cost - self._other @ y
        if len(self._gates[0]):
            y += self._need(self._gates, left)
            column, row, value = self._floors
            y[row] = np.minimum(0.0, np.maximum(left[column], 0.0) / value)
            left = left - self._gate @ y
            for rows, online, started in self._circles:
                y[rows] = -_worth(-left[online], left[started])
            left = left - self._start @ y
        if len(self._sharing):
            given = np.maximum(y, self._need(self._every, left))
            y[self._sharing] = np.minimum(given, self._need(self._first, left))[self._sharing]
            left = left - self._shared @ y
        y += self._need(self._alone, left)
        reduced = left - self._capacity @ y
        if not shortage:
            reduced = reduced[self._open]
        if reduced.min(initial=0.0) < least:
            return None
        slope: Array = -(self._links @ y)
        return slope

    def _need(self, entries: tuple[Index, Index, Array], left: Array) -> Array:
        """Dual of every row that leaves none of these (columns, rows, values) a negative reduced cost."""
        column, row, value = entries
        need = np.zeros(self._rows)
        np.minimum.at(need, row, left[column] / value)
        return need

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


def _gates(row: Index, column: Index, value: Array, own: Mask, open_rows: Mask, capacity: Mask) -> tuple[Mask, Mask]:
    """Rows of two columns that hold one below the other, which a capacity row holds; and those that hold it above."""
    m = len(capacity)
    plus, minus = own & (value > 0), own & (value < 0)
    pairs = open_rows & (np.bincount(row[plus], minlength=m) == 1) & (np.bincount(row[minus], minlength=m) == 1)
    held = np.zeros(int(column.max(initial=-1)) + 1, bool)
    held[column[own & capacity[row]]] = True
    gate, floor = pairs.copy(), pairs.copy()
    gate[row[minus & ~held[column]]] = False
    floor[row[plus & ~held[column]]] = False
    return gate, floor


def _circles(block: Block) -> list[tuple[Index, Index, Index]]:
    """(rows, online, started) of every item's starts, one entry a step; none of a block that averages steps."""
    found: list[tuple[Index, Index, Index]] = []
    for group, name in enumerate(block.constraints):
        kind, _, item = name.partition(":")
        if kind == "generation_start":
            rows = np.flatnonzero(block.row_group == group)
            online, started = (block.columns[f"{of}:{item}"].index for of in ("online", "started"))
            if len(rows) == len(online):
                found.append((rows, online, started))
    return found


def _worth(profit: Array, start: Array) -> Array:
    """What it is worth to be online before each step rather than not, in a circle, from the profit of every step."""
    worth, after = [0.0] * len(profit), 0.0
    backwards = list(enumerate(zip(profit.tolist(), start.tolist(), strict=True)))[::-1]
    for _ in range(2):  # the second time round, the last step knows the first
        for t, (gain, most) in backwards:
            after = worth[t] = min(max(most, 0.0), max(0.0, gain + after))
    return np.array(worth)
