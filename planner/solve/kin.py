"""Blocks whose prices alone differ, and what they share: solvers, dispatches, and duals that follow the prices.

Their rows and columns are the same, so a dispatch of one is a dispatch of all, at the cost it has at the prices of
each. A basis B that is optimal at one cost c = sum over growth rates k of f_k c_k has the duals

    B'y = c_B     and so     y = sum of f_k y_k     with     B'y_k = the part of c_B that grows at the rate k

whose parts y_k are those of the same basis at the prices of any other year. There it may not be optimal any more:
the duals are then a guess, and `repair` makes a valid cut of it, the same as the exact one where the basis still is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.coarse import Coarse, coarsen
from planner.operation.evaluate import BlockSolver
from planner.operation.repair import Repair
from planner.operation.solver import Note, Run

Array = NDArray[np.float64]
Point = tuple[Array, Array]  # linking vector and dispatch
# A price on what is forbidden, in coarse blocks alone: their prices are repaired to cuts of the true block, and a
# low one finds the right size soonest.
_FORBIDDEN_USD_PER_MWH = 5e3
_ROW_TOLERANCE = 1e-6  # of a stored dispatch, relative to the largest link


@dataclass(frozen=True)
class Duals:
    """Duals of the rows that cuts are made from, one row of `parts` for each growth rate of their block's prices."""

    parts: Array
    growths: tuple[float, ...]
    years: int  # since the base year, of the prices they are of

    def at(self, block: Block) -> Array:
        """What they are at the prices of a block; as they were where its prices grow at other rates."""
        years = block.years if self.growths == block.growths else self.years
        factors: Array = (1.0 + np.array(self.growths)) ** years
        duals: Array = factors @ self.parts
        return duals


class Kin:
    """What is known of the rows that blocks of several years have in common."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.repair = Repair(block)
        self.forbidden: list[Array] = []  # slopes of the least shortage
        self.duals: list[Duals] = []
        self.points: list[Point] = []
        self.above = Above(block)
        self._known: set[bytes] = set()
        self._solver: BlockSolver | None = None
        self._coarse: dict[int, tuple[Coarse, BlockSolver]] = {}
        self.run: Run = highspy.Highs.run
        self.note: Note | None = None

    def watch(self, run: Run, note: Note | None) -> None:
        """How HiGHS is run from now on, and what is told of every solve."""
        self.run, self.note = run, note
        for solver in (self._solver, *(solver for _, solver in self._coarse.values())):
            if solver is not None:
                solver.run, solver.note = run, note

    def solver(self, block: Block) -> BlockSolver:
        """The solver of the rows, at the prices of a block; made when first needed."""
        if self._solver is None:
            self._solver = BlockSolver(block, self.repair.priced(block), run=self.run, note=self.note)
        return self._solver.at_prices_of(block)

    def coarse(self, block: Block, step_h: int) -> tuple[Coarse, BlockSolver]:
        """The rows on steps of several hours, at the prices of a block."""
        if step_h not in self._coarse:
            made = coarsen(block, round(step_h / block.step_h), _FORBIDDEN_USD_PER_MWH)
            self._coarse[step_h] = made, BlockSolver(made.block, run=self.run, note=self.note)
        coarse, solver = self._coarse[step_h]
        return coarse, solver.at_prices_of(coarse.block.in_year(block.name, block.years))

    def add_duals(self, duals: Duals) -> bool:
        """Keep duals; whether they are new and those of this block's rows."""
        key = duals.parts.tobytes()
        if key in self._known or duals.parts.shape[1] != len(self.repair.core):
            return False
        self._known.add(key)
        self.duals.append(duals)
        return True

    def take(self, duals: Iterable[Duals], points: Iterable[Point]) -> None:
        """Take over duals, and points with their dispatches, of blocks of the same shape, as far as they hold here."""
        for one in duals:
            self.add_duals(one)
        self.points += [point for point in points if self.runs(*point)]

    def runs(self, x: Array, primal: Array) -> bool:
        """Whether a dispatch serves a linking vector in these rows."""
        block = self.block
        if len(x) != len(block.links) or len(primal) != block.size:
            return False
        if not (np.isfinite(x).all() and np.isfinite(primal).all()):
            return False
        at = block.matrix @ np.concatenate([primal, x])
        beyond = np.maximum(at, np.where(np.isinf(block.row_lower), 0.0, -at)).max(initial=0.0)
        worst = max(beyond, -primal.min(initial=0.0), primal[block.shortage].max(initial=0.0))
        return bool(worst <= _ROW_TOLERANCE * max(1.0, float(np.abs(x).max())))


class Above:
    """The least cost of a mix of stored points that serves a linking vector."""

    def __init__(self, block: Block) -> None:
        entries = block.matrix[:, block.size :].tocsc()
        loose = np.isinf(block.row_lower)
        more, less = np.zeros(len(block.links), bool), np.zeros(len(block.links), bool)  # is no harm
        for k in range(len(block.links)):
            inside = slice(entries.indptr[k], entries.indptr[k + 1])
            rows, values = entries.indices[inside], entries.data[inside]
            more[k] = loose[rows].all() and (values <= 0).all()
            less[k] = loose[rows].all() and (values >= 0).all()
        self._more, self._less = more, less
        self._h = highspy.Highs()
        for name, option in (("output_flag", False), ("threads", 1), ("solver", "simplex"), ("presolve", "off")):
            self._h.setOptionValue(name, option)
        self._rows = np.arange(len(block.links), dtype=np.int32)
        for _ in self._rows:
            self._h.addRow(0.0, 0.0, 0, np.array([], np.int32), np.array([]))
        self._costs = np.zeros(0)

    def weights(self, x: Array, points: list[Point], costs: Array) -> Array:
        """Weight of every stored point, all zero where no mix serves x. costs: of the points' dispatches. [USD]"""
        for (point, _), usd in zip(points[len(self._costs) :], costs[len(self._costs) :].tolist(), strict=True):
            at = np.flatnonzero(point).astype(np.int32)
            self._h.addCol(usd, 0.0, highspy.kHighsInf, len(at), at, point[at])
        changed = np.flatnonzero(costs[: len(self._costs)] != self._costs).astype(np.int32)
        if len(changed):
            self._h.changeColsCost(len(changed), changed, costs[changed])
        self._costs = costs
        if not len(costs):
            return costs
        slack = 1e-9 * np.maximum(1.0, np.abs(x))
        lower = np.where(self._more, -highspy.kHighsInf, x)
        upper = np.where(self._less, highspy.kHighsInf, np.where(self._more, x + slack, x))
        self._h.changeRowsBounds(len(x), self._rows, lower, upper)  # type: ignore[attr-defined]
        self._h.run()
        if self._h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return np.zeros(len(costs))
        weights = np.array(self._h.getSolution().col_value)
        return np.where(weights > 1e-12, weights, 0.0)
