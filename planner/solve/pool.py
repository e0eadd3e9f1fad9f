"""What is known of the operating blocks, from below and from above, kept between rounds, cases and runs.

A block's least cost V is convex and linear through the origin, so
    from below   V(x) >= max over cuts g of  g . x
    from above   V(x) <= min over weights w >= 0 of  sum w_k V(x_k)   where  sum w_k x_k  gives no more equipment
                 than x and the same of everything else; the dispatch sum w_k y_k is feasible and has that cost
and a block need be solved only where the two differ. The bound from above is a linear program of one row a link.

Cuts are stored by the prices that made them. A case with other energy prices, weather, load shape or efficiency
repairs those prices against its own block, so what is taken over can be weak but never wrong; points are taken
over where the block's rows are the same, at the cost they have now.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import highspy
import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.coarse import Coarse, coarsen
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.integer_check import checked, passes, unit_sizes
from planner.operation.netting import netted
from planner.operation.repair import Repair
from planner.operation.solver import Note, Run

Array = NDArray[np.float64]
# A price on what is forbidden, in coarse blocks alone: their prices are repaired to cuts of the true block, and a
# low one finds the right size soonest.
_FORBIDDEN_USD_PER_MWH = 5e3
_MOST_TAKEN = 60  # cuts and points a block takes over from one of another case
_ROW_TOLERANCE = 1e-6  # of a stored dispatch, relative to the largest link
_SAME = 9  # decimals to which linking vectors are told apart


class BlockPool:
    """Cuts, points and solvers of one block."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.repair = Repair(block)
        self.forbidden: list[Array] = []  # slopes of the least shortage
        self.prices: list[NDArray[np.float32]] = []
        self.points: dict[bytes, tuple[Array, Value]] = {}
        self.solves = 0
        self._checked: dict[bytes, Value] = {}
        self._slopes = np.zeros((0, len(block.links)))
        self._known: set[bytes] = set()
        self._solver: BlockSolver | None = None
        self._above: _Above | None = None
        self._coarse: dict[int, tuple[Coarse, BlockSolver]] = {}
        self._run: Run = highspy.Highs.run
        self._note: Note | None = None

    def watch(self, run: Run, note: Note | None) -> None:
        """How HiGHS is run from now on, and what is told of every solve."""
        self._run, self._note = run, note
        for solver in (self._solver, *(solver for _, solver in self._coarse.values())):
            if solver is not None:
                solver.run, solver.note = run, note

    @property
    def slopes(self) -> Array:
        """Cuts, one a row. [USD per unit of each link]"""
        return self._slopes

    @property
    def solver(self) -> BlockSolver:
        """The block's solver, made when first needed."""
        if self._solver is None:
            self._solver = BlockSolver(self.block, self.repair, run=self._run, note=self._note)
        return self._solver

    def learn(self, value: Value) -> None:
        """Keep the cut of a solved block."""
        if not value.feasible:
            if not any(np.array_equal(value.slope, old) for old in self.forbidden):
                self.forbidden.append(value.slope)
            return
        if len(value.prices):  # a mix of dispatches has none of its own
            self._add(value.slope, value.prices.astype(np.float32))

    def _add(self, slope: Array, prices: NDArray[np.float32]) -> None:
        key = slope.tobytes()
        if key not in self._known:
            self._known.add(key)
            self._slopes = np.vstack([self._slopes, slope])
            self.prices.append(prices)

    def solve(self, x: Array, label: str = "") -> Value:
        """The block's value at x, solved once. label: the state, for the log."""
        x = np.maximum(np.round(x, _SAME), 0.0)
        key = x.tobytes()
        if key not in self.points or not len(self.points[key][1].prices):  # taken over: it may not be the least cost
            before = self.solver.solves
            self.points[key] = x, self.solver.solve(x, label)
            self.solves += self.solver.solves - before
        return self.points[key][1]

    def known(self, x: Array) -> Value | None:
        """The value at x if it was solved before."""
        held = self.points.get(np.maximum(np.round(x, _SAME), 0.0).tobytes())
        return None if held is None or not len(held[1].prices) else held[1]

    def below(self, x: Array) -> float:
        """Greatest cut at x. [USD]"""
        return float((self._slopes @ x).max()) if len(self._slopes) else -np.inf

    def above(self, x: Array) -> Value | None:
        """A feasible dispatch at x made of stored ones; None where they do not reach."""
        if self._above is None:
            self._above = _Above(self.block)
        weights = self._above.weights(np.maximum(np.round(x, _SAME), 0.0), self.points)
        if not weights:
            return None
        cost = sum(w * value.cost_usd for w, value in weights)
        primal = np.sum([w * value.primal for w, value in weights], axis=0)
        return replace(weights[0][1], cost_usd=float(cost), primal=primal, prices=np.empty(0))

    def coarse(self, x: Array, step_h: int) -> Value | None:
        """Value on steps of several hours, its slope repaired to a cut of the block; None where it cannot be."""
        if step_h not in self._coarse:
            made = coarsen(self.block, round(step_h / self.block.step_h), _FORBIDDEN_USD_PER_MWH)
            self._coarse[step_h] = made, BlockSolver(made.block, run=self._run, note=self._note)
        coarse, solver = self._coarse[step_h]
        value = solver.solve(np.maximum(np.round(x, _SAME), 0.0))
        prices = coarse.prices(solver.duals)[self.repair.core]
        slope = self.repair.cut(prices)
        return None if slope is None else replace(value, slope=slope, prices=prices)

    def checked(self, x: Array, value: Value, label: str = "") -> Value:
        """A value whose dispatch passes the integer check: a mix netted or else solved, then in whole units, once."""
        if passes(self.block, value.primal):
            return self._check(x, value, label)
        mix = self._netted(x, value)
        if mix is not None:
            return self._check(x, mix, label)
        key = np.maximum(np.round(x, _SAME), 0.0).tobytes()
        if key not in self._checked:
            self._checked[key] = self._check(x, self.solve(x, label), label)
        return self._checked[key]

    def _check(self, x: Array, value: Value, label: str) -> Value:
        name = f"block {self.block.name} {label}".rstrip()
        return checked(self.block, x, value, name, run=self._run, note=self._note)

    def _netted(self, x: Array, value: Value) -> Value | None:
        """A mix of dispatches whose batteries run one way."""
        if len(value.prices):  # it was solved: nothing cheaper can come of it
            return None
        primal = netted(self.block, value.primal)
        if primal is None or not passes(self.block, primal) or not self._runs(x, primal):
            return None
        return replace(value, primal=primal, cost_usd=float(self.block.cost @ primal))

    def take(self, prices: Iterable[NDArray[np.float32]], points: Iterable[tuple[Array, Array]]) -> None:
        """Take over prices, and points with their dispatches, of a block of the same shape, as far as they hold here.

        Prices are repaired against this block, dispatches checked against its rows and costed anew.
        """
        for guess in prices:
            if len(guess) == len(self.repair.core):
                slope = self.repair.cut(guess.astype(float))
                if slope is not None:
                    self._add(slope, guess)
        for x, primal in points:
            key = x.tobytes()
            if key not in self.points and self._runs(x, primal):
                cost = float(self.block.cost @ primal)
                self.points[key] = x, Value(cost, np.zeros(len(x)), primal, 0.0, np.empty(0))

    def _runs(self, x: Array, primal: Array) -> bool:
        """Whether a dispatch serves a linking vector in this block."""
        block = self.block
        if len(x) != len(block.links) or len(primal) != block.size:
            return False
        if not (np.isfinite(x).all() and np.isfinite(primal).all()):
            return False
        at = block.matrix @ np.concatenate([primal, x])
        beyond = np.maximum(at, np.where(np.isinf(block.row_lower), 0.0, -at)).max(initial=0.0)
        worst = max(beyond, -primal.min(initial=0.0), primal[block.shortage].max(initial=0.0))
        return bool(worst <= _ROW_TOLERANCE * max(1.0, float(np.abs(x).max())))

    def told(self) -> tuple[list[NDArray[np.float32]], list[tuple[Array, Array]]]:
        """The latest prices and points, for `take`."""
        points = [(x, value.primal) for x, value in self.points.values() if value.feasible]
        return self.prices[-_MOST_TAKEN:], points[-_MOST_TAKEN:]


class _Above:
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
        self._values: list[Value] = []
        self._seen = 0

    def weights(self, x: Array, points: dict[bytes, tuple[Array, Value]]) -> list[tuple[float, Value]]:
        """Weights of stored points, none where no mix serves x."""
        for point, value in list(points.values())[self._seen :]:
            if value.feasible:
                at = np.flatnonzero(point).astype(np.int32)
                self._h.addCol(value.cost_usd, 0.0, highspy.kHighsInf, len(at), at, point[at])
                self._values.append(value)
        self._seen = len(points)
        if not self._values:
            return []
        slack = 1e-9 * np.maximum(1.0, np.abs(x))
        lower = np.where(self._more, -highspy.kHighsInf, x)
        upper = np.where(self._less, highspy.kHighsInf, np.where(self._more, x + slack, x))
        self._h.changeRowsBounds(len(x), self._rows, lower, upper)  # type: ignore[attr-defined]
        self._h.run()
        if self._h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return []
        solution = self._h.getSolution().col_value
        return [(w, value) for w, value in zip(solution, self._values, strict=True) if w > 1e-12]


class Pool:
    """Blocks of every case solved with it. Cases with the same block share all that is known of it."""

    def __init__(self) -> None:
        self.fill: dict[str, float] = {}  # state of charge between states, as a share of its limit
        self._blocks: dict[str, BlockPool] = {}
        self._shapes: dict[str, list[BlockPool]] = {}
        self._stored: dict[str, tuple[list[NDArray[np.float32]], list[tuple[Array, Array]]]] = {}

    def __iter__(self) -> Iterator[BlockPool]:
        return iter(self._blocks.values())

    def of(self, block: Block) -> BlockPool:
        """What is known of a block; of one not seen before, what its likes of other cases say about it."""
        shape, data = _digests(block)
        held = self._blocks.get(data)
        if held is None:
            held = self._blocks[data] = BlockPool(block)
            likes = self._shapes.setdefault(shape, [])
            for told in [like.told() for like in likes[-2:]] or [self._stored.get(shape, ([], []))]:
                held.take(*told)
            likes.append(held)
        return held

    def save(self, path: Path) -> None:
        """Keep the latest of every block in a file, replaced in one step."""
        arrays: dict[str, NDArray[np.generic]] = {"fill": np.array(list(self.fill.items()), dtype=str)}
        for number, (shape, likes) in enumerate(self._shapes.items()):
            prices, points = likes[-1].told()
            arrays |= {f"{number}.shape": np.array(shape), f"{number}.prices": np.array(prices)}
            arrays[f"{number}.x"] = np.array([x for x, _ in points])
            arrays[f"{number}.primal"] = np.array([primal for _, primal in points])
        beside = path.with_name(path.name + ".part")
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        beside.replace(path)

    def load(self, path: Path) -> bool:
        """Take what a file holds into account; whether it could be read. What it says is checked when it is used."""
        try:
            with np.load(path, allow_pickle=False) as held:
                self.fill |= {str(edge): min(1.0, max(0.0, float(share))) for edge, share in held["fill"]}
                for number in range(len(held.files) // 4):
                    prices, x, primal = (held[f"{number}.{name}"] for name in ("prices", "x", "primal"))
                    points = list(zip(x.astype(float), primal.astype(float), strict=True))
                    self._stored[str(held[f"{number}.shape"])] = list(prices.astype(np.float32)), points
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return False
        return True


def _digests(block: Block) -> tuple[str, str]:
    """Hash of what a block's rows and columns are, and of that with every number."""
    shape = hashlib.blake2b(repr((block.name, block.links, block.hours, block.constraints)).encode())
    for name, columns in block.columns.items():
        shape.update(f"{name}:{len(columns.index)};".encode())
    shape.update(block.row_group.tobytes())
    data = shape.copy()
    for part in (block.matrix.data, block.matrix.indices, block.matrix.indptr, block.cost):
        data.update(np.ascontiguousarray(part).tobytes())
    data.update(unit_sizes(block).tobytes())
    data.update(repr(block.weight).encode())
    return shape.hexdigest(), data.hexdigest()
