"""The worst pattern of calls for a plan: the utility as an adversary that knows every hour ahead.

A plan that lives through every pattern has batteries that never run empty in one. Without foresight the site does
best to give all that is asked and to take all that is left over, so what a battery holds after a pattern follows
hour by hour; and holding less before an hour never leaves more after it. So of all patterns that end in the same
state (how long the call has lasted, or the rest; hours called so far) the one that leaves least is the worst, and one
pass over the hours finds the worst pattern of all from every start at once. Energy below zero is kept as debt: the
first time it occurs is the first hour that is not served, so a debt anywhere is a pattern not survived, and none a
proof that every pattern is. Power that is short shows in the first call, which is replayed on its own (`replay`).

    E(t+1) = E(t) - need / eta                      where the site needs more than it has
    E(t+1) = min(E most, E(t) + eta x min(P, left over))                 where less

Exact with batteries of one type. Several are taken as one, with the sum of their power and energy and the worst of
their efficiencies: what is found is then tried as a block like any other, but another pattern might be worse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.operation.blocks import Plant
from planner.operation.events import Event
from planner.operation.replay import need_mw

Array = NDArray[np.float64]
Bits = NDArray[np.int64]


def worst_patterns(
    plant: Plant, event: Event, x: Array, starts: NDArray[np.int64]
) -> list[tuple[float, tuple[int, ...]]]:
    """By start, the energy that the worst pattern of calls leaves unserved, and its calls and rests. [MWh, h]"""
    calls = event.calls
    assert calls is not None
    link = dict(zip(plant.links, x.tolist(), strict=True))
    stores = [store for store in plant.batteries if link[store.key] > 0]
    eta = min((store.efficiency for store in stores), default=1.0)
    most = sum(mwh * link[name] for mwh, name in (store.holds for store in stores))
    power_mw = sum(link[store.key] for store in stores)
    need = {called: need_mw(plant, event, x, called=called) * event.step_h for called in (True, False)}
    steps = len(need[True])
    may_begin = np.zeros(steps, bool)
    may_begin[event.begins] = True

    def after(energy: Array, hour: int, called: bool) -> tuple[Array, Array]:
        """Energy after an hour, and the least in it. Shape (states, hours called, starts)."""
        low = energy
        for step in range(hour * event.steps_per_hour, (hour + 1) * event.steps_per_hour):
            ask = need[called][(starts + step) % steps]
            taken = eta * np.minimum(np.maximum(-ask, 0.0), power_mw * event.step_h)
            filled = np.maximum(np.minimum(energy + taken, most), energy)
            energy = np.where(ask > 0, energy - ask / eta, filled)
            low = np.minimum(low, energy)
        return energy, low

    longest, gap = calls.first_h, calls.least_gap_h
    counted = 1 if calls.limit_h is None else calls.limit_h + 1
    shape = (longest, counted, len(starts))
    call, rest = np.full(shape, np.inf), np.full((gap, counted, len(starts)), np.inf)
    call_bits, rest_bits = np.zeros(call.shape, np.int64), np.zeros(rest.shape, np.int64)
    rest[-1, 0] = sum(link[store.reserve] for store in stores)
    worst, worst_bits = np.full(len(starts), np.inf), np.zeros(len(starts), np.int64)
    for hour in range(calls.horizon_h):
        begins = may_begin[(starts + hour * event.steps_per_hour) % steps]
        from_call = np.concatenate([np.where(begins, rest[-1:], np.inf), call[:-1]])
        from_bits = np.concatenate([rest_bits[-1:], call_bits[:-1]])
        if counted > 1:  # one more hour is called
            from_call = np.concatenate([np.full_like(from_call[:, :1], np.inf), from_call[:, :-1]], axis=1)
            from_bits = np.concatenate([from_bits[:, :1], from_bits[:, :-1]], axis=1)
        ended, ended_bits = _least(call, call_bits)
        resting, resting_bits = np.concatenate([ended[None], rest]), np.concatenate([ended_bits[None], rest_bits])
        if hour == 0:  # a pattern begins with a call
            resting = np.full_like(resting, np.inf)
        resting[-2], resting_bits[-2] = _least(resting[-2:], resting_bits[-2:])
        (call, call_low), call_bits = after(from_call, hour, True), 2 * from_bits + 1
        (rest, rest_low), rest_bits = after(resting[:-1], hour, False), 2 * resting_bits[:-1]
        for low, bits in ((call_low, call_bits), (rest_low, rest_bits)):
            least, least_bits = _least(low.reshape(-1, len(starts)), bits.reshape(-1, len(starts)))
            worst_bits = np.where(least < worst - 1e-9, least_bits, worst_bits)
            worst = np.minimum(worst, least)
    return [(max(0.0, -eta * e), _runs(bits)) for e, bits in zip(worst.tolist(), worst_bits.tolist(), strict=True)]


def _least(energy: Array, bits: Bits) -> tuple[Array, Bits]:
    """The least along the first axis, and the pattern that leaves it."""
    at = energy.argmin(axis=0)[None]
    return np.take_along_axis(energy, at, 0)[0], np.take_along_axis(bits, at, 0)[0]


def _runs(bits: int) -> tuple[int, ...]:
    """Lengths of the calls and rests of a pattern whose first hour is the highest bit.

    >>> _runs(0b110011)
    (2, 2, 2)
    """
    text = f"{bits:b}".replace("01", "0 1").replace("10", "1 0")
    return tuple(len(run) for run in text.split())
