"""One operated year of a case, step by step, with its operating blocks: what a network of PyPSA is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.algebra import Block
from planner.case.case import Case
from planner.ledger import operating_weights
from planner.operation.blocks import Plant, build_blocks, hours_of, plant_of
from planner.solve.states import State, states_of
from planner.timeline import Hours

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Part:
    """One operating block of the year."""

    month: int  # of the horizon
    hours: Hours
    block: Block
    worth: float  # present value of a dollar paid in it, in every year it stands for

    def of_steps(self, name: str, values: Array) -> Array:
        """Values of columns of the block, spread over its steps; zero where there is no column."""
        series = np.zeros(len(self.hours))
        columns = self.block.columns.get(name)
        if columns is not None:
            series[columns.hours] = values[columns.index]
        return series

    def usd(self, name: str) -> float:
        """Price of the one column of the block with a name; 0 where there is none. [USD]"""
        columns = self.block.columns.get(name)
        return float(self.block.cost[columns.index[0]]) if columns is not None else 0.0


@dataclass(frozen=True)
class Year:
    """A year of a period, on one path. Arrays run over its steps."""

    case: Case  # of the path
    plant: Plant
    period: int
    index: int  # among the years of its period that are operated each in its own right
    scenario: str  # name of the path; empty where there is one alone
    parts: tuple[Part, ...]

    @property
    def number(self) -> int:
        """Calendar year it begins in."""
        return self.months[0].year

    @cached_property
    def months(self) -> tuple[date, ...]:
        """First days of its months."""
        return tuple(dict.fromkeys(self.case.timeline.first_day(part.month) for part in self.parts))

    @property
    def start(self) -> date:
        """First day of its period."""
        return self.case.timeline.starts[self.period]

    @property
    def sampled(self) -> bool:
        """Whether only some days of a month are in it."""
        return self.case.input.horizon.sample_days_per_month is not None

    def over(self, of_part: Callable[[Part], NDArray[Scalar]]) -> NDArray[Scalar]:
        """Values of every part, one after the other."""
        return np.concatenate([of_part(part) for part in self.parts])

    def at(self, by_hour: Array) -> Array:
        """Values by hour of the input year, at the steps."""
        return by_hour[self.over(lambda part: part.hours.hour_of_year)]

    @cached_property
    def step_of_year(self) -> Index:
        """Of every step, the step of the input year whose load holds."""
        return self.over(lambda part: part.hours.step_of_year)

    @cached_property
    def month(self) -> Index:
        """Of every step, its month as an index of `months`."""
        place = {day: i for i, day in enumerate(self.months)}
        first = self.case.timeline.first_day
        return self.over(lambda part: np.full(len(part.hours), place[first(part.month)], dtype=np.int64))

    @cached_property
    def last_of_month(self) -> NDArray[np.bool_]:
        """Whether a step is the last of its month."""
        return np.append(self.month[1:] != self.month[:-1], True)

    @cached_property
    def weight_h(self) -> Array:
        """Real hours that every step stands for."""
        return self.over(lambda part: np.full(len(part.hours), part.hours.weight))

    @cached_property
    def step_h(self) -> Array:
        """Length of every step."""
        return self.over(lambda part: np.full(len(part.hours), part.hours.step_h))

    @cached_property
    def worth(self) -> Array:
        """Present value of a dollar paid in a step, in every year it stands for."""
        return self.over(lambda part: np.full(len(part.hours), part.worth))

    @cached_property
    def snapshots(self) -> pd.DatetimeIndex:
        """When every step begins. On the reference calendar a leap year has no 29 February."""
        first = self.case.timeline.first_day
        days = self.over(lambda part: np.full(len(part.hours), np.datetime64(first(part.month), "m")))
        into = self.over(lambda part: part.hours.hour_of_month * 60 + part.hours.minute)
        return pd.DatetimeIndex(days + into.astype("timedelta64[m]"))

    @cached_property
    def hour_of_year(self) -> Index:
        """Hour of the year of every step, as in the plan's dispatch."""
        first = self.case.timeline.first_hour_of_year
        return self.over(lambda part: first(part.month) + part.hours.hour_of_month)

    def usd_per_mwh(self, name: str) -> Array:
        """Price of columns of the blocks by step, all ledger lines together."""
        return self.over(lambda part: part.of_steps(name, part.block.cost) / part.hours.weight)

    def usd_of_month(self, name: str, month: int) -> float:
        """Price of the one column of a month with a name; 0 where there is none. [USD]"""
        day = self.months[month]
        return next(p.usd(name) for p in self.parts if self.case.timeline.first_day(p.month) == day)

    def has(self, name: str) -> bool:
        """Whether some block has columns of a name."""
        return any(name in part.block.columns for part in self.parts)


def years_of(case: Case) -> dict[int, tuple[int, int]]:
    """Calendar year a year begins in -> (period, index in it), of all years operated each in its own right."""
    timeline = case.timeline
    return {
        timeline.first_day(timeline.months_of(p)[12 * i]).year: (p, i)
        for p in range(timeline.last_period + 1)
        if timeline.is_yearly(p)
        for i in timeline.years_in(p)
    }


def year_of(case: Case, number: int, path: int = 0) -> Year:
    """A year by the calendar year it begins in, on a path by its number."""
    period, index = years_of(case)[number]
    timeline, plant = case.timeline, plant_of(case)
    states = [
        s
        for s in states_of(case)
        if (s.period, s.path) == (period, path) and timeline.year_at(period, s.place) == index
    ]
    blocks, worth = build_blocks(plant, {s.block for s in states}), operating_weights(case)
    return Year(
        case.paths[path].case,
        plant.paths[path],
        period,
        index,
        case.paths[path].name,
        tuple(_part(case, s, blocks[s.block], worth[s.period, s.place]) for s in states),
    )


def _part(case: Case, s: State, block: Block, worth: float) -> Part:
    return Part(case.timeline.part_at(s.period, s.place)[0], hours_of(case, s.block), block, worth)
