"""Events as operating blocks: what is lost, for how long, and from which steps of the year.

An event's block has the key "<name>@<step of the year it begins>", with scenarios followed by "#" and the number of
its path; paths alike in weather and load share theirs. It costs nothing: it is there to be lived through, and where
it cannot be, its least shortage gives a cut. Its batteries begin with the period's reserves, which are linking
components that the normal blocks of every path keep; a unit that is lost is one too, so one block serves every plan.

Where the utility may call as its contract lets it, the key goes on with the hours of each call and rest in turn,
"<name>@<step>.4.1.4": the solve begins with one longest call, and patterns a plan does not survive are added (`calls`).

An event lasts whole hours and may begin at every step of the hours named. It goes by the input year of 365 days, on
the actual calendar too: on 29 February it begins as on the 28th, and after the 28th comes 1 March. It is no part of
any bill or year: what is imported, burnt or emitted in it counts towards no peak, ratchet, tier or annual limit.
Nothing is exported in it, and the load is carried as it is without shifting or shedding. In a call with a notice,
generators whose start is longer, or not known, give nothing, whether they run before it or not; in those of a promise
(`called`) the firm megawatts of the connection stay. Gas is what `gas.ride` lets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.case.case import Case
from planner.case.event import HOURS_PER_DAY, Calls, EventInput, in_time, modelled_hours
from planner.families.compute import Compute
from planner.families.generation import Generator
from planner.timeline import DAYS_IN_MONTH, Hours
from planner.units import HOURS_PER_YEAR, MINUTES_PER_HOUR

Array = NDArray[np.float64]
Index = NDArray[np.int64]
AT = "@"  # between an event's name and the hour it begins


@dataclass(frozen=True)
class Event:
    """One event: of a loss of the largest unit, one for each type of generator."""

    name: str
    kind: str
    pattern: tuple[int, ...]  # hours that are called (or lost) and hours of rest between them, in turn
    steps_per_hour: int
    begins: Index  # steps of the year at which it may begin
    first: Index  # those the solve starts with
    load_fraction: float
    grid_fraction_left: float
    standby: bool  # whether standby generators run
    still: Index | None  # hour of the year that every hour of a still day is like
    lost: str | None  # linking component of the type that loses a unit
    calls: Calls | None = None  # what patterns the utility may choose; the one above is the longest single call
    late: frozenset[str] = frozenset()  # generators that do not start within the notice
    uncalled: bool = False  # whether the firm MW of the connection are not called

    @property
    def length_h(self) -> int:
        """Hours from its beginning to its end."""
        return sum(self.pattern)

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether each of its steps is lost, or one of rest, in which grid and load are as ever."""
        turn = np.arange(len(self.pattern)) % 2 == 0
        return np.repeat(turn, np.array(self.pattern) * self.steps_per_hour)

    @property
    def step_h(self) -> float:
        """Length of a step."""
        return 1.0 / self.steps_per_hour

    def key(self, step: int, pattern: Sequence[int] = ()) -> str:
        """Block of the event that begins at a step of the year, on a certain path; pattern: another than its own."""
        return ".".join([f"{self.name}{AT}{step}", *map(str, pattern)])

    def of(self, key: str) -> tuple[Event, int]:
        """The event in the pattern of a block's key, and the step it begins at."""
        begin, *hours = (int(part) for part in key.rpartition(AT)[2].split("."))
        return replace(self, pattern=tuple(hours) or self.pattern), begin

    def hours(self, begin: int) -> Hours:
        """Steps of the event, at no cost: the year begins again after its last."""
        at = ahead(np.array([begin]), self.length_h * self.steps_per_hour, self.steps_per_hour)[0]
        source = at // self.steps_per_hour
        weather = source if self.still is None else np.repeat(self.still, len(at))
        first_hours = np.cumsum([0, *DAYS_IN_MONTH]) * HOURS_PER_DAY
        month = int(np.searchsorted(first_hours, begin // self.steps_per_hour, side="right")) - 1
        no_clock = np.zeros(len(at), np.int64)  # no tariff looks at the clock here
        in_month, weekend = source - first_hours[month], np.zeros(len(at), bool)
        return Hours(month, in_month, weather, at, no_clock, no_clock, weekend, self.step_h, self.step_h)

    def load_shape(self, shape: Array, racks: Sequence[Compute]) -> Array:
        """IT draw over mean draw, by step of the year; full design load on a still day."""
        if self.still is not None and racks:
            shape = np.full(len(shape), max(1.0 / rack.average_fraction for rack in racks))
        return shape

    def load_series(self, series_mw: Array) -> Array:
        """Load series by step of the year; its highest step on a still day. [MW]"""
        return series_mw if self.still is None else np.full(len(series_mw), series_mw.max())


def ahead(begins: Index, length: int, steps_per_hour: int) -> Index:
    """Steps of the year from each beginning on; after the last comes the first. Shape (begins, length)."""
    return (begins[:, None] + np.arange(length)) % (HOURS_PER_YEAR * steps_per_hour)


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
    horizon = case.input.horizon
    steps_per_hour = MINUTES_PER_HOUR // horizon.step_minutes
    modelled = modelled_hours(horizon.sample_days_per_month, actual=horizon.calendar == "actual")
    net = _net_load(case, [np.repeat(output, steps_per_hour) for output in renewable_output])
    for number, given in enumerate(case.input.events, 1):
        name = f"{given.kind}_{number}"
        hours = np.flatnonzero(given.may_begin(case.weather.dry_bulb_c) & modelled)
        begins = (hours[:, None] * steps_per_hour + np.arange(steps_per_hour)).ravel()
        hottest = np.array([int(np.argmax(case.weather.dry_bulb_c))])
        if given.kind == "hottest_still_day":  # every step is alike; the nearest where it is not among sampled days
            sampled = np.flatnonzero(modelled)
            begins = steps_per_hour * (hours if len(hours) else sampled[[int(np.argmin(np.abs(sampled - hottest)))]])
        lost = generators if given.kind == "loss_of_largest_unit" else (None,)
        for machine in lost:
            found.append(
                Event(
                    name if machine is None else f"{name}:{machine.item.id}",
                    given.kind,
                    (given.length_h,),
                    steps_per_hour,
                    begins,
                    _first_starts(given, begins, net, steps_per_hour),
                    given.load_fraction,
                    given.grid_fraction_left if given.kind in ("grid_outage", "called_curtailment") else 1.0,
                    given.kind == "grid_outage",
                    hottest if given.kind == "hottest_still_day" else None,
                    None if machine is None else lost_of(machine),
                    given.calls,
                    frozenset(g.item.id for g in generators if not in_time(g.item, given.notice_min)),
                    given.of_curtailment,
                )
            )
    return tuple(found)


def strikes(events: Sequence[Event], steps_per_hour: int) -> NDArray[np.bool_]:
    """Steps of the year at which some event may begin."""
    result = np.zeros(HOURS_PER_YEAR * steps_per_hour, bool)
    for event in events:
        result[event.begins] = True
    return result


def _net_load(case: Case, renewable_output: Sequence[Array]) -> Array:
    """Load over its mean less the mean output of renewables over nameplate: ranks steps before any size is known."""
    load = (
        case.load_shape if case.load_series_mw is None else case.load_series_mw / max(case.load_series_mw.mean(), 1e-9)
    )
    return load - np.mean(renewable_output, axis=0) if len(renewable_output) else np.asarray(load, float)


def _first_starts(given: EventInput, begins: Index, net: Array, steps_per_hour: int) -> Index:
    """Starts the solve begins with: all that are listed, or half the worst by net load and half evenly spread."""
    if given.hours is not None or len(begins) <= given.starts:
        return begins
    net_ahead = net[ahead(begins, given.length_h * steps_per_hour, steps_per_hour)].sum(axis=1)
    worst = begins[np.argsort(-net_ahead, kind="stable")[: (given.starts + 1) // 2]]
    spread = begins[np.linspace(0, len(begins) - 1, max(given.starts // 2, 1)).astype(int)]
    return np.unique(np.concatenate([worst, spread]))
