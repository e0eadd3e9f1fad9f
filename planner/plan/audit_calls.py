"""Audit of calls that come whenever a contract lets them: what a battery must hold to live through every pattern.

The auditor goes backwards from the end of the horizon. needed(hours left, what has been called) is the least energy
that outlasts the worst of what may still come; before a called hour it is that of the hour after and what the hour
takes, before an hour of rest it is less by what the hour can charge. Batteries of several types are taken as one, with
the worst of their efficiencies, and so tell no more than that one would hold; the longest single call is replayed with
each of them on its own (`audit_events`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from planner.case.catalog import Item
from planner.case.event import Calls
from planner.plan.audit_base import Array
from planner.plan.audit_loads import Site


def needed_mwh(
    calls: Calls, p: int, site: Site, stores: list[Item], need: dict[bool, Array], may_begin: Array
) -> Array:
    """Energy batteries must hold where a call begins, by step of the year; infinite where none is enough. [MWh]

    need: in called hours and in others, load less all that can carry it, by step. [MW]
    """
    steps = len(may_begin)
    in_hour = steps // 8760
    units = {i.id: float(site.of_item(i.id)[p]) for i in stores}
    power = sum(units[i.id] * i.get("nameplate_power_mw") for i in stores)
    most = sum(units[i.id] * i.get("nameplate_energy_mwh") for i in stores)
    one_way = min((i.get("round_trip_efficiency_fraction") for i in stores if units[i.id] > 0), default=1.0) ** 0.5

    def before(called: bool, energy: Array) -> Array:
        """Energy at the start of an hour for so much at its end."""
        for part in reversed(range(in_hour)):
            ask = np.roll(need[called], -part) / in_hour
            energy = np.where(energy > most * (1 + 1e-6) + 1e-3, np.inf, energy)
            charged = one_way * np.minimum(np.maximum(-ask, 0.0), power / in_hour)
            given = np.where(ask > power / in_hour * (1 + 1e-6) + 1e-6, np.inf, ask / one_way)
            energy = np.where(ask > 0, energy + given, np.maximum(energy - charged, 0.0))
        return energy

    longest, gap = calls.longest_h, calls.least_gap_h
    budget = min(calls.hours_per_year or calls.horizon_h, calls.horizon_h)
    # By hours that may still be called: hours a call may go on for, or hours it has to rest.
    going = np.zeros((budget + 1, longest, steps))
    waiting = np.zeros((budget + 1, gap, steps))
    result = np.zeros(steps)
    for _ in range(calls.horizon_h):
        going, waiting = np.roll(going, -in_hour, axis=2), np.roll(waiting, -in_hour, axis=2)
        rest = {wait: before(False, waiting[:, wait]) for wait in range(gap)}  # hours still to wait after this one
        call = np.zeros_like(going)  # by hours the call may go on for after this one
        call[1:] = before(True, going[:-1])
        new_going, new_waiting = going.copy(), waiting.copy()
        for left in range(longest):
            stops = rest[gap - 1]
            new_going[:, left] = np.maximum(stops, call[:, left - 1]) if left else stops
        for wait in range(gap):
            new_waiting[:, wait] = rest[wait - 1] if wait else np.maximum(rest[0], may_begin * _finite(call[:, -1]))
        result = call[budget, -1]
        going, waiting = new_going, new_waiting
    return result
