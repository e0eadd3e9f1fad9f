"""The states to operate, and the sizing model's variables that belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.case.case import Case
from planner.sizing.model import Sizing


@dataclass(frozen=True)
class State:
    """One operating block to run with the site of a period."""

    period: int
    place: int  # counts the blocks inside the period in order of time
    block: str  # key of the operating block

    def label(self, case: Case) -> str:
        """Name in models and logs: 2027_03, or operating_03 where years repeat; with its part of the month, if any."""
        timeline = case.timeline
        month, part = timeline.part_at(self.period, self.place)
        day, repeats = timeline.first_day(month), self.period == timeline.last_period and timeline.calendar != "actual"
        whole = f"operating_{day.month:02d}" if repeats else f"{day:%Y_%m}"
        return whole if timeline.block == "month" else f"{whole}_{part + 1:02d}"


def states_of(case: Case) -> tuple[State, ...]:
    """Every state to operate, in order of time."""
    timeline = case.timeline
    return tuple(
        State(p, k, timeline.block_key(*timeline.part_at(p, k)))
        for p in range(timeline.last_period + 1)
        for k in timeline.places(p)
    )


def link_variables(sizing: Sizing, s: State) -> list[Any]:
    """The Pyomo variables of a state's linking vector, in the order of the plant's links."""
    m, plant = sizing.model, sizing.plant
    month, _ = sizing.case.timeline.part_at(s.period, s.place)
    own = {name: m.edge[s.period, s.place, name] for name in plant.edges}
    own |= {name: m.peak[s.period, month, name] for name in plant.peaks}
    return [own[name] if name in own else m.link[s.period, name] for name in plant.links]


def cost_variable(sizing: Sizing, s: State) -> Any:
    """The Pyomo variable that stands for a state's operating cost. [kUSD]"""
    return sizing.model.cost[s.period, s.place]
