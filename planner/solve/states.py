"""The months to operate, and the sizing model's variables that belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.case.case import Case
from planner.sizing.model import Sizing

OPERATING = -1  # stands for the operating year where a build month is expected


@dataclass(frozen=True)
class State:
    """A month to operate: build period and calendar month, or OPERATING and its place in the year."""

    period: int
    place: int  # build: the period again; operating: 0-11
    month: int


def states_of(case: Case) -> tuple[State, ...]:
    """Every month to operate: the build months, then the twelve of the operating year."""
    timeline = case.timeline
    build = [State(p, p, timeline.calendar_month(p)) for p in range(timeline.build_months)]
    operating = [State(OPERATING, k, month) for k, month in enumerate(timeline.operating_months)]
    return tuple(build + operating)


def link_variables(sizing: Sizing, s: State) -> list[Any]:
    """The Pyomo variables of a month's linking vector, in the order of the plant's links."""
    m, last = sizing.model, sizing.case.timeline.last_period
    period = last if s.period == OPERATING else s.period
    own = ("soc_", "cap:")  # components with a value for every month of the operating year
    return [
        m.edge_link[s.place, name] if s.period == OPERATING and name.startswith(own) else m.link[period, name]
        for name in sizing.plant.links
    ]


def cost_variable(sizing: Sizing, s: State) -> Any:
    """The Pyomo variable that stands for a month's operating cost. [kUSD]"""
    m = sizing.model
    return m.operating_cost[s.place] if s.period == OPERATING else m.cost[s.period]
