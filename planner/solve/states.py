"""The states to operate, and the sizing model's variables that belong to each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.case.case import Case
from planner.operation.blocks import Plant, block_key, hours_of, shared_paths
from planner.operation.events import is_event
from planner.sizing.linking import on_path
from planner.sizing.model import Sizing


@dataclass(frozen=True)
class State:
    """One operating block to run with the site of a period."""

    period: int
    place: int  # counts the blocks inside the period in order of time
    block: str  # key of the operating block
    path: int = 0  # scenario, by its number in the case

    @property
    def is_event(self) -> bool:
        """Whether it is an event, at no cost, in the place where it begins."""
        return is_event(self.block)


def states_of(case: Case) -> tuple[State, ...]:
    """Every state to operate, in order of time, path by path."""
    timeline = case.timeline
    return tuple(
        State(p, k, block_key(timeline.first_day(timeline.months_at(p, k)[0]), alike), path)
        for path, alike in enumerate(shared_paths(case))
        for p in range(timeline.last_period + 1)
        for k in timeline.places(p)
    )


def event_states(plant: Plant, keys: Iterable[str] | None = None) -> tuple[State, ...]:
    """States of events in every period in which they may begin; keys: of their blocks, by default the first ones."""
    if keys is None:
        keys = [event.key(int(hour)) for event in plant.events for hour in event.first]
    places = [(s, hours_of(plant.case, s.block).hour_of_year) for s in states_of(plant.case)] if keys else []
    return tuple(
        State(s.period, s.place, key)
        for key in keys
        for s, hours in places
        if hours[0] <= plant.event(key)[1] <= hours[-1]
    )


def link_variables(sizing: Sizing, s: State) -> list[Any]:
    """The Pyomo variables of a state's linking vector, in the order of the plant's links."""
    m, edges = sizing.model, set(sizing.plant.edges)
    return [
        m.edge[s.period, s.place, on_path(name, s.path)] if name in edges else m.link[s.period, name]
        for name in sizing.plant.links
    ]


def cost_variable(sizing: Sizing, s: State) -> Any:
    """The Pyomo variable that stands for a state's operating cost; an event has none. [kUSD]"""
    if s.is_event:
        return None
    if sizing.case.scenarios:
        return sizing.model.path_cost[s.period, s.place, s.path]
    return sizing.model.cost[s.period, s.place]
