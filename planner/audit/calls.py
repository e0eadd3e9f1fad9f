"""Audit of calls that come whenever a contract lets them: what a battery must hold to live through every pattern.

The auditor goes backwards from the end of the horizon. needed(hours left, what has been called) is the least energy
that outlasts the worst of what may still come; before a called hour it is that of the hour after and what the hour
takes, before an hour of rest it is less by what the hour can charge. Batteries of several types are taken as one, with
the worst of their efficiencies, and so tell no more than that one would hold; the longest single call is replayed with
each of them on its own (`audit_events`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from planner.audit.base import Array
from planner.audit.loads import Site
from planner.case.event import Calls
from planner.case.item import Item
from planner.units import HOURS_PER_YEAR

_SLACK = 1e-3  # of power and energy: how far a need is told as a number before it is told as out of reach


def needed_mwh(
    calls: Calls,
    p: int,
    site: Site,
    stores: list[Item],
    need: dict[bool, Array],
    may_begin: NDArray[np.bool_],
    most: float,
) -> Array:
    """Energy batteries must hold where a call begins, by step of the year; infinite where none is enough. [MWh]

    need: in called hours and in others, load less all that can carry it, by step. [MW]  most: they can hold. [MWh]
    """
    steps = len(may_begin)
    in_hour = steps // HOURS_PER_YEAR
    there = [(item, float(site.of_item(item.id)[p])) for item in stores if site.of_item(item.id)[p] > 0]
    power = sum(units * item.get("nameplate_power_mw") - site.kept.of(item.id, p).power_mw for item, units in there)
    one_way = min((item.get("round_trip_efficiency_fraction") for item, _ in there), default=1.0) ** 0.5

    def before(called: bool, energy: Array) -> Array:
        """Energy at the start of an hour for so much at its end."""
        for part in reversed(range(in_hour)):
            ask = np.roll(need[called], -part)
            energy = np.where(energy > most * (1.0 + _SLACK) + _SLACK, np.inf, energy)
            given = np.where(ask > power * (1.0 + _SLACK) + _SLACK, np.inf, ask / one_way)
            charged = one_way * np.minimum(-ask, power)
            energy = np.where(ask > 0, energy + given / in_hour, np.maximum(energy - charged / in_hour, 0.0))
        return energy

    longest, gap, bounded = calls.longest_h, calls.least_gap_h, calls.limit_h is not None
    sums = 1 + (calls.limit_h or 0)  # by hours that may still be called, where they are counted
    going = np.zeros((sums, longest, steps))  # by hours the call may still go on for
    waiting = np.zeros((sums, gap, steps))  # by hours of rest still owed
    needed = np.zeros(steps)
    for _ in range(calls.horizon_h):
        rested = before(False, np.roll(waiting, -in_hour, axis=2))
        called = before(True, np.roll(going, -in_hour, axis=2))
        if bounded:  # one hour less after it, and none where none is left
            called = np.concatenate([np.zeros_like(called[:1]), called[:-1]])
        needed = called[-1, -1]
        begun = np.where(may_begin, called[:, -1:], 0.0)
        going = np.maximum(rested[:, -1:], np.concatenate([np.zeros_like(begun), called[:, :-1]], axis=1))
        waiting = np.concatenate([np.maximum(rested[:, :1], begun), rested[:, :-1]], axis=1)
    return needed


def patterns_of(calls: Calls) -> int:
    """How many patterns of calls begin with one, by hour of the horizon.

    >>> patterns_of(Calls(longest_h=1, least_gap_h=1, horizon_h=4))  # 1000, 1010, 1001
    3
    """

    @cache
    def rest(hours: int, owed: int, left: int) -> int:
        if not hours:
            return 1
        return rest(hours - 1, max(owed - 1, 0), left) + (call(hours, calls.longest_h, left) if not owed else 0)

    @cache
    def call(hours: int, may_go_on: int, left: int) -> int:
        """With this hour called."""
        if not left or not may_go_on:
            return 0
        if hours == 1:
            return 1
        return call(hours - 1, may_go_on - 1, left - 1) + rest(hours - 2, calls.least_gap_h - 1, left - 1)

    return call(calls.horizon_h, calls.longest_h, calls.hours_per_year or calls.horizon_h)
