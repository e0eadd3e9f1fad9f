"""What a solve gives: a proven plan, its bounds, and what it tells on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block
from planner.operation.evaluate import Value
from planner.sizing.model import Sizing
from planner.solve.master import Master
from planner.solve.states import State

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """One objective of a lexicographic solve, in its own unit, with its proven bound."""

    name: str
    value: float
    bound: float


@dataclass(frozen=True)
class Progress:
    """What a round achieved, for people who wait."""

    phase: str
    round: int
    lower_kusd: float
    upper_kusd: float
    gap_fraction: float
    seconds: float

    def __str__(self) -> str:
        gap = f"{max(self.gap_fraction, 0.0):.3%}" if self.gap_fraction < 10 else "no plan yet"
        lower = f"{self.lower_kusd / 1e3:,.1f}" if self.lower_kusd > -1e15 else "-"
        upper = f"{self.upper_kusd / 1e3:,.1f}" if self.upper_kusd < 1e15 else "-"
        return (
            f"{self.seconds:6.1f} s  {self.phase:<10}  round {self.round:<3}  "
            f"at least {lower} M$  found {upper} M$  gap {gap}"
        )


@dataclass
class Solution:
    """A proven plan: the sizing point, every month's dispatch, and the bounds."""

    sizing: Sizing
    master: Master
    blocks: dict[str, Block]
    states: tuple[State, ...]
    point: Array
    values: dict[State, Value]
    links: dict[State, Array]
    levels: tuple[Level, ...]
    upper_kusd: float
    lower_kusd: float
    forced_kusd: float
    rounds: int
    block_solves: int
    seconds: float
    gap_reached: bool
    stopped: str = ""  # why it ended before the gap was reached, where something from outside ended it

    @property
    def gap_kusd(self) -> float:
        """Upper less lower bound."""
        return max(0.0, self.upper_kusd - self.lower_kusd)

    @property
    def gap_fraction(self) -> float:
        """Gap over the cost open to decision."""
        return self.gap_kusd / max(abs(self.upper_kusd - self.forced_kusd), 1e-9)

    @property
    def gap_fraction_total(self) -> float:
        """Gap over the whole cost."""
        return self.gap_kusd / max(abs(self.upper_kusd), 1e-9)
