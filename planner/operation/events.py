"""Events as operating blocks: what is lost, for how long, and from which hours of the year.

An event's block has the key "<name>@<hour it begins>". It costs nothing: it is there to be lived through, and
where it cannot be, its least shortage gives a cut. Its batteries begin with the period's reserves, which are linking
components that normal blocks keep; a unit that is lost is one too, so the same block serves every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.case.case import Case
from planner.case.event import HOURS_PER_DAY, EventInput, modelled_hours
from planner.families.compute import Compute
from planner.families.generation import Generator
from planner.timeline import DAYS_IN_MONTH, Hours
from planner.units import HOURS_PER_YEAR

Array = NDArray[np.float64]
Index = NDArray[np.int64]
AT = "@"  # between an event's name and the hour it begins


@dataclass(frozen=True)
class Event:
    """One event: of a loss of the largest unit, one for each type of generator."""

    name: str
    kind: str
    length_h: int
    begins: Index  # hours of the year at whose start it may begin
    first: Index  # those the solve starts with
    load_fraction: float
    grid_fraction_left: float
    standby: bool  # whether standby generators run
    still: Index | None  # hour of the year that every hour of a still day is like
    lost: str | None  # linking component of the type that loses a unit

    def key(self, hour: int) -> str:
        """Block of the event that begins at an hour of the year."""
        return f"{self.name}{AT}{hour}"

    def hours(self, begin: int) -> Hours:
        """Hours of the event, at no cost: the year begins again after its last hour."""
        at = (begin + np.arange(self.length_h)) % HOURS_PER_YEAR
        weather = at if self.still is None else np.repeat(self.still, self.length_h)
        month = int(np.searchsorted(np.cumsum(DAYS_IN_MONTH) * HOURS_PER_DAY, begin, side="right"))
        clock, minute = at % HOURS_PER_DAY, np.zeros(self.length_h, np.int64)  # no tariff looks at the clock here
        in_month = at - HOURS_PER_DAY * sum(DAYS_IN_MONTH[:month])
        return Hours(month, in_month, weather, weather, minute, clock, np.zeros(self.length_h, bool), 0.0, 1.0)

    def load_shape(self, shape: Array, racks: Sequence[Compute]) -> Array:
        """IT draw that must be carried over mean draw, by hour of the year; full design load on a still day."""
        if self.still is not None and racks:
            shape = np.full(HOURS_PER_YEAR, max(1.0 / rack.average_fraction for rack in racks))
        return self.load_fraction * shape

    def load_series(self, series_mw: Array) -> Array:
        """Load series that must be carried, by hour of the year; its highest hour on a still day. [MW]"""
        return self.load_fraction * (series_mw if self.still is None else np.full(HOURS_PER_YEAR, series_mw.max()))


def is_event(key: str) -> bool:
    """Whether a block's key is that of an event."""
    return AT in key


def lost_of(generator: Generator) -> str:
    """Linking component: MW of the unit lost of a type, where any stands."""
    return f"lost:{generator.item.id}"


def events_of(case: Case, generators: Sequence[Generator], renewable_output: Sequence[Array]) -> tuple[Event, ...]:
    """Every event of a case. renewable_output: of each source, over nameplate, by hour of the year."""
    if not case.input.events:
        return ()
    found = []
    modelled = modelled_hours(case.input.horizon.sample_days_per_month)
    net = _net_load(case, renewable_output)
    for number, given in enumerate(case.input.events, 1):
        name = f"{given.kind}_{number}"
        begins = np.flatnonzero(given.may_begin(case.weather.dry_bulb_c))
        begins = begins[modelled[begins]]
        hottest = np.array([int(np.argmax(case.weather.dry_bulb_c))])
        if given.kind == "hottest_still_day" and not len(begins):  # not among the sampled days: the nearest of them
            begins = np.flatnonzero(modelled)
            begins = begins[[int(np.argmin(np.abs(begins - hottest)))]]
        lost = generators if given.kind == "loss_of_largest_unit" else (None,)
        for machine in lost:
            found.append(
                Event(
                    name if machine is None else f"{name}:{machine.item.id}",
                    given.kind,
                    given.length_h,
                    begins,
                    _first_starts(given, begins, net),
                    given.load_fraction,
                    given.grid_fraction_left if given.kind in ("grid_outage", "called_curtailment") else 1.0,
                    given.kind == "grid_outage",
                    hottest if given.kind == "hottest_still_day" else None,
                    None if machine is None else lost_of(machine),
                )
            )
    return tuple(found)


def strikes(events: Sequence[Event]) -> NDArray[np.bool_]:
    """Hours of the year at whose start some event may begin. Shape (8760,)."""
    result = np.zeros(HOURS_PER_YEAR, bool)
    for event in events:
        result[event.begins] = True
    return result


def _net_load(case: Case, renewable_output: Sequence[Array]) -> Array:
    """Load over its mean less the mean output of renewables over nameplate: ranks hours before any size is known."""
    load = (
        case.load_shape if case.load_series_mw is None else case.load_series_mw / max(case.load_series_mw.mean(), 1e-9)
    )
    return load - np.mean(renewable_output, axis=0) if len(renewable_output) else np.asarray(load, float)


def _first_starts(given: EventInput, begins: Index, net: Array) -> Index:
    """Starts the solve begins with: all that are listed, or half the worst by net load and half evenly spread."""
    if given.hours is not None or len(begins) <= given.starts:
        return begins
    ahead = (begins[:, None] + np.arange(given.length_h)) % HOURS_PER_YEAR
    worst = begins[np.argsort(-net[ahead].sum(axis=1), kind="stable")[: (given.starts + 1) // 2]]
    spread = begins[np.linspace(0, len(begins) - 1, max(given.starts // 2, 1)).astype(int)]
    return np.unique(np.concatenate([worst, spread]))
