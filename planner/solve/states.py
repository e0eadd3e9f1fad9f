"""The states to operate, and the sizing model's variables that belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.case.case import Case
from planner.operation.blocks import block_key
from planner.sizing.model import Sizing


@dataclass(frozen=True)
class State:
    """One operating block to run with the site of a period."""

    period: int
    place: int  # counts the blocks inside the period in order of time
    block: str  # key of the operating block

    def label(self, case: Case) -> str:
        """Name in models and logs: 2027_03, or operating_03 where years repeat."""
        timeline = case.timeline
        day = timeline.first_day(timeline.months_at(self.period, self.place)[0])
        repeats = self.period == timeline.last_period
        return f"operating_{day.month:02d}" if repeats else f"{day:%Y_%m}"


def states_of(case: Case) -> tuple[State, ...]:
    """Every state to operate, in order of time."""
    timeline = case.timeline
    return tuple(
        State(p, k, block_key(timeline.first_day(timeline.months_at(p, k)[0])))
        for p in range(timeline.last_period + 1)
        for k in timeline.places(p)
    )


def link_variables(sizing: Sizing, s: State) -> list[Any]:
    """The Pyomo variables of a state's linking vector, in the order of the plant's links."""
    m, edges = sizing.model, set(sizing.plant.edges)
    return [m.edge[s.period, s.place, name] if name in edges else m.link[s.period, name] for name in sizing.plant.links]


def cost_variable(sizing: Sizing, s: State) -> Any:
    """The Pyomo variable that stands for a state's operating cost. [kUSD]"""
    return sizing.model.cost[s.period, s.place]
