"""A block run hour by hour by an operator who sees only so far ahead.

Every three hours the operator plans the next hours of the window, at least cost, and keeps the first three of them:

    what is known      prices, the three hours, and what has been kept before: charge, peaks, energy of tiers
    what is forecast   load, sun and ratings of the hours to come: those of the same hour some days before, as few as
                       the window reaches (one for 24 h); the first of these days of a block is known
    what binds         the rows of the block itself; of what a whole block may use (fuel, cycles, availability) a
                       part that grows with the hours the window has reached
    what is not seen   anything after the window; the charge at the end of the block is asked for once it is in it

Of two ways that cost the same the operator takes the one with more in store. Power that cannot be served is left
unserved at a price above all others, and is told. With a window of the whole block
everything is known, and the dispatch is the optimum; else it costs no less, as it keeps every row of the block.
Losses with the square of the load and cooling power per heat are known; they are not forecast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block
from planner.errors import SolverError
from planner.operation.solver import run_checked

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_UNSERVED_USD_PER_MWH = 1.0e6  # above what any peak of an hour can cost
_FULLER_USD_PER_MWH = 1.0e-5  # of two ways that cost the same, the one with more in store: it may be needed
_KEPT_HOURS = 3  # of every plan: planning each hour anew takes 2.5 times as long
_HOURS_PER_DAY = 24
_ROW = 1e-5  # tolerance of a row of the block
_INF = highspy.kHighsInf


@dataclass(frozen=True)
class Run:
    """A dispatch decided hour by hour."""

    cost_usd: float
    primal: Array
    unserved_mwh: float
    missed: float  # by how much rows of the block are violated, in all: charge at its end, what it may use


def look_ahead(block: Block, x: Array, hours: float, known: Array) -> Run:
    """Run a block at its linking vector, seeing so many hours. known: a dispatch with perfect foresight at x."""
    return _Operator(block, x, max(1, round(hours / block.step_h)), known).run()


class _Operator:
    """One block at one linking vector; `primal` fills up as hours are kept."""

    def __init__(self, block: Block, x: Array, window: int, known: Array) -> None:
        self.block, self.window = block, min(window, block.hours)
        self.kept_at_once = min(self.window, max(1, round(_KEPT_HOURS / block.step_h)))
        n = block.size
        self.plain = sp.csr_matrix(block.matrix[:, :n])
        self.right = -(block.matrix[:, n:] @ x)
        self.equal = np.isfinite(block.row_lower)
        self.primal, self.floor = np.zeros(n), np.zeros(n)
        self.cost = block.cost.copy()
        self.cost[block.shortage] = _UNSERVED_USD_PER_MWH * block.weight
        stored = [columns.index for columns in block.columns.values() if columns.start is not None]
        self.cost[np.concatenate([*stored, np.array([], np.int64)])] -= _FULLER_USD_PER_MWH
        # What is fixed by the linking vector alone and acts in every hour: losses with the square of the load.
        local = np.zeros(len(self.equal), bool)
        local[self.local] = True
        acts = self.plain[local & self.equal][:, self.whole]
        self.given = self.whole[np.asarray(abs(acts).sum(axis=0)).ravel() > 0]
        self.primal[self.given] = known[self.given]
        self.ceiling, self.foreseen = self.ceilings(self.right), self.ceilings(self.forecast)

    # -- what belongs when ---------------------------------------------------------------------------------

    @cached_property
    def step(self) -> Index:
        """Step of every column; -1 for those of the whole block."""
        found = np.full(self.block.size, -1)
        for columns in self.block.columns.values():
            if len(columns.index) > 1 or columns.hours[0] > 0 or self.block.hours == 1:
                found[columns.index] = columns.hours
        return found

    @cached_property
    def whole(self) -> Index:
        """Columns of the whole block: peaks, what is above a tier."""
        return np.flatnonzero(self.step < 0)

    @cached_property
    def idle(self) -> NDArray[np.bool_]:
        """Columns that can be nothing but zero, as nothing stands that they belong to."""
        positive = np.asarray(self.plain.min(axis=1).toarray()).ravel() >= 0
        shut = positive & ~self.equal & (np.maximum(self.right, self.forecast) <= 0)
        return np.asarray(abs(self.plain[shut]).sum(axis=0)).ravel() > 0

    @cached_property
    def touched(self) -> tuple[Index, Index]:
        """(row, step) pairs of all rows with columns of that step, in order."""
        entries = self.plain.tocoo()
        pairs = np.unique(np.column_stack([entries.row, self.step[entries.col]]), axis=0)
        pairs = pairs[pairs[:, 1] >= 0]
        return pairs[:, 0], pairs[:, 1]

    @cached_property
    def count(self) -> Index:
        """Steps that every row touches."""
        return np.bincount(self.touched[0], minlength=self.plain.shape[0])

    @cached_property
    def last(self) -> Index:
        """Last step of every row; -1 for rows of the whole block alone."""
        found = np.full(self.plain.shape[0], -1)
        np.maximum.at(found, self.touched[0], self.touched[1])
        return found

    @cached_property
    def bounds(self) -> tuple[Index, Index, Array]:
        """(row, column, coefficient) of rows that do no more than bound one column of a step from above."""
        entries = self.plain.tocoo()
        alone = np.bincount(entries.row, minlength=self.plain.shape[0]) == 1
        keep = alone[entries.row] & ~self.equal[entries.row] & (entries.data > 0) & (self.step[entries.col] >= 0)
        return entries.row[keep].astype(np.int64), entries.col[keep].astype(np.int64), entries.data[keep]

    def ceilings(self, right: Array) -> Array:
        """Upper bounds of all columns at some right-hand sides."""
        rows, columns, factor = self.bounds
        found = np.full(self.block.size, _INF)
        np.minimum.at(found, columns, np.maximum(right[rows] / factor, 0.0))
        return found

    @cached_property
    def local(self) -> Index:
        """Rows of one step, or of one and the step before it, in order of time; without mere bounds."""
        rows = np.flatnonzero((self.count > 0) & (self.count <= 2))
        rows = rows[np.isin(rows, self.bounds[0], invert=True)]
        return rows[np.argsort(self.last[rows], kind="stable")]

    @cached_property
    def sums(self) -> Index:
        """Rows over many steps."""
        return np.flatnonzero(self.count > 2)

    @cached_property
    def bought(self) -> NDArray[np.bool_]:
        """Whether what a row of many steps lacks may be bought: its limit holds at once, not in parts."""
        priced = self.whole[np.isin(self.whole, self.block.shortage, invert=True)]
        return np.asarray(abs(self.plain[:, priced]).sum(axis=1)).ravel() > 0

    @cached_property
    def forecast(self) -> Array:
        """Right-hand sides as they are foreseen: those of the same constraint some whole days before."""
        day = round(_HOURS_PER_DAY / self.block.step_h)
        lag = day * math.ceil(self.window / day)
        rows = np.flatnonzero(self.count == 1)
        place = {(g, t): r for r, g, t in zip(rows, self.block.row_group[rows], self.last[rows], strict=True)}
        found = self.right.copy()
        for (group, t), row in place.items():
            found[row] = self.right[place.get((group, t - lag), row)]
        return found

    @cached_property
    def floors(self) -> tuple[Index, Index, Array]:
        """(row, column, coefficient) of rows that hold a column of the whole block above something of one step."""
        entries = self.plain[self.local][:, self.whole].tocoo()
        keep = (entries.data < 0) & np.isin(self.whole[entries.col], self.given, invert=True)
        return self.local[entries.row[keep]], self.whole[entries.col[keep]], entries.data[keep]

    # -- running -------------------------------------------------------------------------------------------

    def run(self) -> Run:
        """Stretch by stretch; each is one program whose bounds move from hour to hour."""
        for first in range(0, self.block.hours, self.window):
            self._stretch(first, min(first + self.window, self.block.hours))
        unserved = float(self.primal[self.block.shortage].sum()) * self.block.weight
        over = self.plain @ self.primal - self.right
        missed = np.where(self.equal, np.abs(over), np.maximum(over, 0.0))
        return Run(float(self.block.cost @ self.primal), self.primal, unserved, float(missed[missed > _ROW].sum()))

    def _stretch(self, first: int, stop: int) -> None:
        """Keep the hours from `first` to `stop`."""
        end = min(stop + self.window, self.block.hours)
        inside = np.flatnonzero((self.step >= first) & (self.step < end) & ~self.idle)
        inside = inside[np.argsort(self.step[inside], kind="stable")]
        own = np.setdiff1d(self.whole, self.given)
        columns = np.concatenate([inside, own])
        rows_of = self.local[(self.last[self.local] >= first) & (self.last[self.local] < end)]
        with_own = self.bought[self.sums]
        near = np.isin(self.sums, self.touched[0][(self.touched[1] >= first) & (self.touched[1] < end)])
        lasting = np.concatenate([self.sums[with_own | near], np.flatnonzero(self.count == 0)])
        rows = np.concatenate([rows_of, lasting])
        matrix = self.plain[rows]
        before = matrix @ self.primal  # what is kept and given; the rest is still zero
        program = _Program(self, matrix[:, columns], columns, rows, len(inside), len(rows_of), before)
        edge = first
        for now in range(first, stop, self.kept_at_once):
            kept, reach = min(now + self.kept_at_once, stop), min(now + self.window, self.block.hours)
            program.open(edge, now, kept, reach)
            edge = now
            values = program.solve(f"block {self.block.name}, look-ahead from step {now}")
            take = (self.step[inside] >= now) & (self.step[inside] < kept)
            self.primal[inside[take]] = np.maximum(values[: len(inside)][take], 0.0)
        self.primal[own] = np.maximum(values[len(inside) : len(columns)], 0.0)
        rows, column, factor = self.floors
        done = self.last[rows] < stop
        least = (self.plain[rows[done]] @ self.primal - factor[done] * self.primal[column[done]]) - self.right[
            rows[done]
        ]
        np.maximum.at(self.floor, column[done], least / -factor[done])
        if stop < self.block.hours:
            self.primal[own] = 0.0


class _Program:
    """The program of a stretch in HiGHS: its rows and columns are there from the start, and open as time goes on."""

    def __init__(
        self, of: _Operator, matrix: sp.csr_matrix, columns: Index, rows: Index, inside: int, local: int, before: Array
    ) -> None:
        self.of, self.columns, self.rows, self.inside, self.local, self.before = (
            of,
            columns,
            rows,
            inside,
            local,
            before,
        )
        self.col_step, self.row_last = of.step[columns[:inside]], of.last[rows[:local]]
        # A row of many steps, or one that asks for charge at the end, may be missed at a price: it may be too late.
        single = np.asarray((abs(matrix[:, :inside]) > 0).sum(axis=1)).ravel() == 1
        elastic = np.flatnonzero((np.arange(len(rows)) >= local) | (single & of.equal[rows]))
        slack = sp.csr_matrix(
            (np.tile([1.0, -1.0], len(elastic)), (np.repeat(elastic, 2), np.arange(2 * len(elastic)))),
            shape=(len(rows), 2 * len(elastic)),
        )
        full = sp.csc_matrix(sp.hstack([matrix, slack]))
        lp, count = highspy.HighsLp(), full.shape[1]
        lp.num_col_, lp.num_row_ = count, len(rows)
        lp.col_cost_ = np.concatenate([of.cost[columns], np.full(2 * len(elastic), _UNSERVED_USD_PER_MWH)])
        upper = np.full(count, _INF)
        upper[:inside] = 0.0
        lp.col_lower_ = np.concatenate([np.zeros(inside), of.floor[columns[inside:]], np.zeros(2 * len(elastic))])
        lp.col_upper_ = upper
        lp.row_lower_, lp.row_upper_ = np.full(len(rows), -_INF), np.full(len(rows), _INF)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = full.indptr, full.indices, full.data
        self.h = highspy.Highs()
        # Unscaled, and with no look at the condition: 2.2 instead of 3.0 ms a program of carolina's July.
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("solver", "simplex"),
            ("presolve", "off"),
            ("simplex_initial_condition_check", False),
            ("simplex_scale_strategy", 0),
        ):
            self.h.setOptionValue(name, value)
        self.h.passModel(lp)
        self.reach = -1

    def open(self, edge: int, now: int, kept: int, reach: int) -> None:
        """Move on: hours from `edge` to `now` are kept, those before `kept` known, those before `reach` foreseen."""
        of, new = self.of, self.reach < 0
        a, b = np.searchsorted(self.col_step, [edge, now])
        if b > a:
            values = of.primal[self.columns[a:b]]
            self._columns(a, b, values, values)
        for c, d, ceiling in (
            (*np.searchsorted(self.col_step, [kept if new else max(kept, self.reach), reach]), of.foreseen),
            (*np.searchsorted(self.col_step, [now, kept]), of.ceiling),
        ):
            if d > c:
                self._columns(c, d, np.zeros(d - c), ceiling[self.columns[c:d]])
        # A row that holds a peak above a kept hour stays; the others have done their work.
        i, j = np.searchsorted(self.row_last, [edge, now])
        done = np.arange(i, j)
        self._rows(done[~self._holds_peak[i:j]], free=True)
        i, j = np.searchsorted(self.row_last, [kept if new else max(kept, self.reach), reach])
        self._rows(np.arange(i, j), foreseen=True)
        i, j = np.searchsorted(self.row_last, [now, kept])
        self._rows(np.arange(i, j))
        lasting = np.arange(self.local, len(self.rows))
        moving = lasting if new else lasting[~self._at_once] if reach > self.reach else lasting[:0]
        if len(moving):
            self._rows(moving, part=self._part(self.rows[moving], reach))
        self.reach = reach

    @cached_property
    def _holds_peak(self) -> NDArray[np.bool_]:
        return np.isin(self.rows[: self.local], self.of.floors[0])

    @cached_property
    def _at_once(self) -> NDArray[np.bool_]:
        """Whether a row of many steps holds as a whole from the start."""
        rows = self.rows[self.local :]
        return np.asarray(self.of.bought[rows] | (self.of.count[rows] == 0))

    def _part(self, rows: Index, reach: int) -> Array:
        """Share of what a whole block may use that the steps in reach may."""
        of = self.of
        row, step = of.touched
        seen = np.bincount(row[step < reach], minlength=len(of.count))[rows]
        part: Array = np.where(of.bought[rows] | (of.count[rows] == 0), 1.0, seen / np.maximum(of.count[rows], 1))
        return part

    def _columns(self, first: int, stop: int, low: Array, high: Array) -> None:
        self.h.changeColsBounds(stop - first, np.arange(first, stop, dtype=np.int32), low, high)

    def _rows(self, at: Index, *, free: bool = False, foreseen: bool = False, part: Array | float = 1.0) -> None:
        if not len(at):
            return
        rows = self.rows[at]
        high = (self.of.forecast if foreseen else self.of.right)[rows] * part - self.before[at]
        low = np.where(self.of.equal[rows], high, -_INF)
        if free:
            low, high = np.full(len(at), -_INF), np.full(len(at), _INF)
        self.h.changeRowsBounds(len(at), at.astype(np.int32), low, high)  # type: ignore[attr-defined]

    def solve(self, name: str) -> Array:
        """Values of all columns, what is missed at the end."""
        status = run_checked(self.h, name, self.of.block.hours)
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"{name}: {self.h.modelStatusToString(status)} after what was decided before")
        return np.array(self.h.getSolution().col_value)
