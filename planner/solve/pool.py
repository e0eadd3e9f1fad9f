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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.blocks import rows_key
from planner.operation.evaluate import BlockSolver, Value
from planner.operation.integer_check import checked, passes, unit_sizes
from planner.operation.netting import netted
from planner.operation.solver import Note, Run
from planner.solve.kin import Duals, Kin, Point

Array = NDArray[np.float64]
_MOST_TAKEN = 60  # cuts and points a block takes over from one of another case
_MOST_LIKES = 4  # blocks of one shape that are kept: each has solvers of its own
_SAME = 9  # decimals to which linking vectors are told apart


class BlockPool:
    """Cuts and points of one block, and of its kin as far as they hold at its prices."""

    def __init__(self, block: Block, kin: Kin | None = None) -> None:
        self.block = block
        self.kin = kin or Kin(block)
        self.repair = self.kin.repair.priced(block)
        self.points: dict[bytes, tuple[Array, Value]] = {}  # solved here
        self.solves = 0
        self._checked: dict[bytes, Value] = {}
        self._slopes = np.zeros((0, len(block.links)))
        self._known: set[bytes] = set()
        self._own: set[int] = set()  # duals that came from here, by their place among those of the kin
        self._seen = 0  # duals of the kin
        self._costs = np.zeros(0)  # of the dispatches of the kin, here

    def watch(self, run: Run, note: Note | None) -> None:
        """How HiGHS is run from now on, and what is told of every solve."""
        self.kin.watch(run, note)

    @property
    def forbidden(self) -> list[Array]:
        """Slopes of the least shortage, whatever the prices."""
        return self.kin.forbidden

    @property
    def slopes(self) -> Array:
        """Cuts, one a row. [USD per unit of each link]"""
        for i in range(self._seen, len(self.kin.duals)):
            slope = None if i in self._own else self.repair.cut(self.kin.duals[i].at(self.block))
            if slope is not None:
                self._add(slope)
        self._seen = len(self.kin.duals)
        return self._slopes

    @property
    def solver(self) -> BlockSolver:
        """The block's solver."""
        return self.kin.solver(self.block)

    def learn(self, value: Value) -> None:
        """Keep the cut of a solved block."""
        if not value.feasible:
            if not any(np.array_equal(value.slope, old) for old in self.forbidden):
                self.forbidden.append(value.slope)
            return
        if len(value.prices):  # a mix of dispatches has none of its own
            self._add(value.slope)
            if self.kin.add_duals(Duals(value.parts, self.block.growths, self.block.years)):
                self._own.add(len(self.kin.duals) - 1)

    def _add(self, slope: Array) -> None:
        key = slope.tobytes()
        if key not in self._known:
            self._known.add(key)
            self._slopes = np.vstack([self._slopes, slope])

    def solve(self, x: Array, label: str = "") -> Value:
        """The block's value at x, solved once. label: the state, for the log."""
        x = np.maximum(np.round(x, _SAME), 0.0)
        key = x.tobytes()
        if key not in self.points:
            solver = self.solver
            before = solver.solves
            value = solver.solve(x, label)
            self.points[key] = x, value
            self.solves += solver.solves - before
            if value.feasible:
                self.kin.points.append((x, value.primal))
        return self.points[key][1]

    def known(self, x: Array) -> Value | None:
        """The value at x if it was solved before."""
        held = self.points.get(np.maximum(np.round(x, _SAME), 0.0).tobytes())
        return None if held is None else held[1]

    def below(self, x: Array) -> float:
        """Greatest cut at x. [USD]"""
        slopes = self.slopes
        return float((slopes @ x).max()) if len(slopes) else -np.inf

    def above(self, x: Array) -> Value | None:
        """A feasible dispatch at x made of stored ones; None where they do not reach."""
        points = self.kin.points
        more = [float(self.block.cost @ primal) for _, primal in points[len(self._costs) :]]
        self._costs = np.concatenate([self._costs, more])
        weights = self.kin.above.weights(np.maximum(np.round(x, _SAME), 0.0), points, self._costs)
        used = np.flatnonzero(weights)
        if not len(used):
            return None
        primal = np.sum([weights[i] * points[i][1] for i in used], axis=0)
        return Value(float(self._costs @ weights), np.zeros(len(x)), primal, 0.0, np.empty(0))

    def coarse(self, x: Array, step_h: int) -> Value | None:
        """Value on steps of several hours, its slope repaired to a cut of the block; None where it cannot be."""
        coarse, solver = self.kin.coarse(self.block, step_h)
        value = solver.solve(np.maximum(np.round(x, _SAME), 0.0))
        prices = coarse.prices(solver.duals)[self.repair.core]
        slope = self.repair.cut(prices)
        if slope is None:
            return None
        parts = np.array([coarse.prices(part)[self.repair.core] for part in solver.parts])
        return replace(value, slope=slope, prices=prices, parts=parts)

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
        return checked(self.block, x, value, name, run=self.kin.run, note=self.kin.note)

    def _netted(self, x: Array, value: Value) -> Value | None:
        """A mix of dispatches whose batteries run one way."""
        if len(value.prices):  # it was solved: nothing cheaper can come of it
            return None
        primal = netted(self.block, value.primal)
        if primal is None or not passes(self.block, primal) or not self.kin.runs(x, primal):
            return None
        return replace(value, primal=primal, cost_usd=float(self.block.cost @ primal))


class Pool:
    """Blocks of every case solved with it. Cases with the same block share all that is known of it."""

    def __init__(self) -> None:
        self.fill: dict[str, float] = {}  # state of charge between states, as a share of its limit
        self._blocks: dict[str, BlockPool] = {}
        self._kin: dict[str, Kin] = {}
        self._shapes: dict[str, list[Kin]] = {}
        self._stored: dict[str, tuple[list[Duals], list[Point]]] = {}
        self._solves_forgotten = 0

    def __iter__(self) -> Iterator[BlockPool]:
        return iter(self._blocks.values())

    @property
    def solves(self) -> int:
        """Blocks solved so far, those no longer kept included."""
        return self._solves_forgotten + sum(held.solves for held in self)

    def of(self, block: Block) -> BlockPool:
        """What is known of a block; of one not seen before, what its likes of other cases say about it."""
        shape, data = _digests(block)
        kin = self._kin.get(data)
        if kin is None:
            kin = self._kin[data] = Kin(block)
            likes = self._shapes.setdefault(shape, [])
            for told in [_told(like) for like in likes[-2:]] or [self._stored.get(shape, ([], []))]:
                kin.take(*told)
            likes.append(kin)
            self._forget(likes[:-_MOST_LIKES])
            del likes[:-_MOST_LIKES]
        key = f"{data}:{block.years}"
        if key not in self._blocks:
            self._blocks[key] = BlockPool(block, kin)
        return self._blocks[key]

    def _forget(self, kin: list[Kin]) -> None:
        """Keep no longer what later blocks of the same shape have taken over."""
        for one in kin:
            self._kin = {key: other for key, other in self._kin.items() if other is not one}
            self._solves_forgotten += sum(held.solves for held in self if held.kin is one)
            self._blocks = {key: held for key, held in self._blocks.items() if held.kin is not one}

    def save(self, path: Path) -> None:
        """Keep the latest of every block in a file, replaced in one step."""
        arrays: dict[str, NDArray[np.generic]] = {"fill": np.array(list(self.fill.items()), dtype=str)}
        for number, (shape, likes) in enumerate(self._shapes.items()):
            duals, points = _told(likes[-1])
            prices = [one.at(likes[-1].block) for one in duals]
            arrays |= {f"{number}.shape": np.array(shape), f"{number}.prices": np.array(prices, np.float32)}
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
                    duals = [Duals(row[None, :], (0.0,), 0) for row in prices.astype(float)]
                    self._stored[str(held[f"{number}.shape"])] = duals, points
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return False
        return True


def _told(kin: Kin) -> tuple[list[Duals], list[Point]]:
    """The latest duals and points, for others to take."""
    return kin.duals[-_MOST_TAKEN:], kin.points[-_MOST_TAKEN:]


def _digests(block: Block) -> tuple[str, str]:
    """Hash of what a block's rows and columns are, and of that with every number but the year of its prices."""
    named = (rows_key(block.name), block.links, block.hours, block.constraints)
    shape = hashlib.blake2b(repr(named).encode())
    for name, columns in block.columns.items():
        shape.update(f"{name}:{len(columns.index)};".encode())
    shape.update(block.row_group.tobytes())
    data = shape.copy()
    for part in (block.matrix.data, block.matrix.indices, block.matrix.indptr, *block.cost_by_growth.values()):
        data.update(np.ascontiguousarray(part).tobytes())
    data.update(unit_sizes(block).tobytes())
    data.update(repr((block.weight, block.growths)).encode())
    return shape.hexdigest(), data.hexdigest()
