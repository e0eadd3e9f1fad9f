"""The states to operate, and the sizing model's variables that belong to each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.case.case import Case
from planner.operation.blocks import PATH, YEAR, Plant, hours_of, shared_paths
from planner.operation.events import is_event
from planner.sizing.model import Sizing
from planner.sizing.shared import on_path


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

    def label(self, case: Case) -> str:
        """Name in models and logs: 2027_03, or operating_03 where years repeat; with its part, event or scenario."""
        timeline = case.timeline
        month, part = timeline.part_at(self.period, self.place)
        day, repeats = timeline.first_day(month), self.period == timeline.last_period and timeline.repeats_year
        whole = f"operating_{day.month:02d}" if repeats else f"{day:%Y_%m}"
        if self.is_event:
            return f"{whole}_{self.block}"
        whole = whole if timeline.block == "month" else f"{whole}_{part + 1:02d}"
        return f"{whole}_{case.scenarios[self.path].name}" if case.scenarios else whole


def states_of(case: Case) -> tuple[State, ...]:
    """Every state to operate, in order of time, path by path."""
    timeline = case.timeline
    return tuple(
        State(p, k, _block_key(case, p, k, alike), path)
        for path, alike in enumerate(shared_paths(case))
        for p in range(timeline.last_period + 1)
        for k in timeline.places(p)
    )


def _block_key(case: Case, period: int, place: int, path: int | None) -> str:
    timeline = case.timeline
    month, part = timeline.part_at(period, place)
    key = timeline.block_key(month, part)
    key = key if path is None else f"{key}{PATH}{path}"
    escalates = case.input.finance.escalation_fraction_per_year.of_operation
    return f"{key}{YEAR}{timeline.first_day(month).year}" if escalates else key


def steps_operated(case: Case) -> dict[int, dict[int, int]]:
    """By period, the steps of the year it operates, each with the first place that does."""
    found: dict[int, dict[int, int]] = {}
    known: dict[str, list[int]] = {}
    for s in states_of(case):
        steps = known.setdefault(s.block, hours_of(case, s.block).step_of_year.tolist()) if not s.path else ()
        for step in steps:
            found.setdefault(s.period, {}).setdefault(step, s.place)
    return found


def event_states(plant: Plant, keys: Iterable[str] | None = None) -> tuple[State, ...]:
    """States of events in every period in which they may begin; keys: of their blocks, by default the first ones."""
    if keys is None:
        keys = [
            event.key(int(step)) + path for path, own in plant.riders for event in own.events for step in event.first
        ]
    operated = steps_operated(plant.case) if keys else {}
    return tuple(
        State(period, steps[begin], key)
        for key in keys
        for period, steps in operated.items()
        if (begin := plant.event(key)[1]) in steps
    )


def link_variables(sizing: Sizing, s: State) -> list[Any]:
    """The Pyomo variables of a state's linking vector, in the order of the plant's links."""
    m, plant = sizing.model, sizing.plant
    month, _ = sizing.case.timeline.part_at(s.period, s.place)
    own = {name: m.edge[s.period, s.place, on_path(name, s.path)] for name in plant.edges}
    own |= {name: m.peak[s.period, month, on_path(name, s.path)] for name in plant.peaks}
    year = sizing.case.timeline.year_at(s.period, s.place)
    own |= {name: m.energy[s.period, year, name] for name in plant.energies}
    return [own[name] if name in own else m.link[s.period, name] for name in plant.links]


def cost_variable(sizing: Sizing, s: State) -> Any:
    """The Pyomo variable that stands for a state's operating cost; an event has none. [kUSD]"""
    if s.is_event:
        return None
    if sizing.case.scenarios:
        return sizing.model.path_cost[s.period, s.place, s.path]
    return sizing.model.cost[s.period, s.place]
