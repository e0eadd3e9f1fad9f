"""The states of a case in operation: their blocks, solved side by side, and what is known of each without solving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.blocks import Plant, build_blocks, rows_key
from planner.operation.evaluate import Value
from planner.sizing.options import USD_PER_KUSD
from planner.solve.pool import BlockPool, Pool
from planner.solve.states import State
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
_Found = TypeVar("_Found")
_LEAST_COARSE_H = 96  # a block this short is solved on its own steps at once


class Operation:
    """States with their blocks; several blocks are worked on at once, each of them in a fixed order."""

    def __init__(self, plant: Plant, known: Pool, stop: Stop, trace: Trace, threads: int) -> None:
        self._plant, self._known, self._stop, self._trace = plant, known, stop, trace
        self._workers = ThreadPoolExecutor(max_workers=max(1, threads))
        self._by_rows: dict[str, list[State]] = {}
        self.states: tuple[State, ...] = ()
        self.blocks: dict[str, Block] = {}
        self.pool: dict[str, BlockPool] = {}

    def add(self, states: tuple[State, ...]) -> None:
        """States to operate, with their blocks and what is known of them."""
        for key, block in build_blocks(self._plant, {s.block for s in states} - set(self.blocks)).items():
            self.blocks[key] = block
            self.pool[key] = self._known.of(block)
            self.pool[key].watch(self._stop.run, self._trace.line if self._trace.kept else None)
        for state in states:
            if not state.is_event:
                self._by_rows.setdefault(rows_key(state.block), []).append(state)
        self.states += states

    @property
    def solves(self) -> int:
        """Blocks solved so far."""
        return sum(pool.solves for pool in self.pool.values())

    @property
    def warm(self) -> bool:
        """Whether other cases have taught something about every block but those of events, short and rare."""
        return all(len(pool.kin.points) >= len(pool.block.links) for pool in self._normal())

    @property
    def told(self) -> bool:
        """Whether there is a cut of every block but those of events, its own or one that other cases have taught."""
        return all(len(pool.slopes) for pool in self._normal())

    @property
    def long(self) -> bool:
        """Whether blocks are so long that coarse steps pay first."""
        return min(pool.block.hours * pool.block.step_h for pool in self._normal()) >= _LEAST_COARSE_H

    def sample(self, number: int) -> list[State]:
        """The first and the last state of all the rows of blocks, and one between that changes from round to round."""
        chosen: list[State] = []
        for of in self._by_rows.values():
            between = of[1:-1]
            middle = [between[number * 3 % len(between)]] if between else []
            chosen += dict.fromkeys([of[0], *middle, of[-1]])
        return chosen

    # -- values --------------------------------------------------------------------------------------------

    def exact(self, links: dict[State, Array]) -> dict[State, Value]:
        """Values of the blocks themselves."""
        return self._side_by_side(lambda s: self._solve(s, links[s]), links)

    def coarse(self, step_h: int, links: dict[State, Array]) -> dict[State, Value]:
        """Values of blocks on coarse steps, with slopes repaired to hold for the blocks themselves; events exactly."""
        found = self._side_by_side(
            lambda s: self._solve(s, links[s]) if s.is_event else self.pool[s.block].coarse(links[s], step_h), links
        )
        return {s: value for s, value in found.items() if value is not None}

    def below(self, links: dict[State, Array]) -> dict[State, float]:
        """The greatest cut of every state. [USD]"""
        return {s: self.pool[s.block].below(links[s]) for s in self.states}

    def above(self, links: dict[State, Array]) -> dict[State, Value | None]:
        """A mix of stored dispatches for every state, None where they do not reach."""
        return {s: self.pool[s.block].above(links[s]) for s in self.states}

    def near(self, links: dict[State, Array], weights: Mapping[State, float], allowed: float) -> dict[State, Value]:
        """Every state's value, all together within so much of the true cost. [kUSD]

        Blocks are solved where what is known from above and from below differ most, until the rest is small.
        weights: what a USD of each state adds to the cost.
        """
        values: dict[State, Value] = {s: v for s in self.states if (v := self.pool[s.block].known(links[s]))}
        while True:
            mixed = {s: self.pool[s.block].above(links[s]) for s in self.states if s not in values}
            worst = self.doubtful(mixed, links, weights, allowed)
            if not worst:
                return values | {s: value for s, value in mixed.items() if value is not None}
            values |= (solved := self.exact({s: links[s] for s in worst}))
            for s, value in solved.items():
                self.pool[s.block].learn(value)

    def doubtful(
        self,
        mixed: Mapping[State, Value | None],
        links: dict[State, Array],
        weights: Mapping[State, float],
        allowed: float,
    ) -> list[State]:
        """The states to solve next: of those nothing reaches from above, a few in every block, then the widest."""
        unknown: dict[str, list[State]] = {}
        width: dict[State, float] = {}
        for s, value in mixed.items():
            if value is None:
                unknown.setdefault(rows_key(s.block), []).append(s)
            elif not s.is_event:  # what an event costs is nothing
                width[s] = weights[s] * (value.cost_usd - self.pool[s.block].below(links[s])) / USD_PER_KUSD
        chosen = [of[i] for of in unknown.values() for i in sorted({0, len(of) // 2, len(of) - 1})]
        left = sum(width.values()) - allowed
        for s in sorted(width, key=lambda s: -width[s]):
            if left <= 0.0:
                break
            chosen.append(s)
            left -= width[s]
        return chosen

    def unsolved(self, links: dict[State, Array]) -> dict[State, Array]:
        """The states that have not been run at their links; events need no dispatch of their own."""
        return {s: x for s, x in links.items() if not s.is_event and self.pool[s.block].known(x) is None}

    def checked(self, values: dict[State, Value], links: dict[State, Array]) -> dict[State, Value]:
        """The values with whole units and nothing running both ways; what that costs is true, but in no cut."""
        return self._side_by_side(
            lambda s: values[s] if s.is_event else self.pool[s.block].checked(links[s], values[s], self._label(s)),
            values,
        )

    def _solve(self, s: State, x: Array) -> Value:
        return self.pool[s.block].solve(x, self._label(s))

    def _label(self, s: State) -> str:
        return s.label(self._plant.case)

    def _normal(self) -> list[BlockPool]:
        return [self.pool[of[0].block] for of in self._by_rows.values()]

    def _side_by_side(self, work: Callable[[State], _Found], states: Iterable[State]) -> dict[State, _Found]:
        """Work on states, the rows of blocks side by side, the states of each in a fixed order."""
        by_rows: dict[str, list[State]] = {}
        for s in states:
            by_rows.setdefault(rows_key(s.block), []).append(s)
        done = self._workers.map(lambda of: [(s, work(s)) for s in of], by_rows.values())
        return {s: found for of in done for s, found in of}
