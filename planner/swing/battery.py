"""A battery behind the meter that follows the load: a controller with feedback of its charge, and its limits.

The target at the meter is the mean of the load over a window, less what brings the charge back to where it began. A
ramp limiter alone would drift to the crest of a wave that is not half and half, and charge or discharge without end.
Losses are made good as they come. What steps leave is brought back while the load swings: while it rests, the meter
stays at the load, or the step that ends the rest would find less power than was sized for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf

import numpy as np
from numpy.typing import NDArray

from planner.swing.signal import moving_mean, range_within

Array = NDArray[np.float64]
FEEDBACK_H = 1.0  # in which the charge would come back  [engineering judgement]
FEEDBACK_PACE = 0.01  # of the pace rules allow, that feedback may add to it  [engineering judgement]
REST_S = 10.0  # without half the usual wave: the load rests
SETTLED = 3.0  # time constants to full power


@dataclass(frozen=True)
class Storage:
    """Batteries as one: power and energy they may use, and where their charge begins."""

    power_mw: float
    energy_mwh: float
    stored_mwh: float
    efficiency: float = 1.0  # one way
    response_s: float = 0.05  # to full power


@dataclass(frozen=True)
class Smoothed:
    """What the meter sees, and what the battery does."""

    meter_mw: Array
    battery_mw: Array  # given; negative: taken
    charge_mwh: Array

    @property
    def given_mw(self) -> float:
        """Mean of what it gives."""
        return float(np.maximum(self.battery_mw, 0.0).mean())

    @property
    def lost_mw(self) -> float:
        """Mean of what it takes less what it gives."""
        return float(-self.battery_mw.mean())


def smooth(
    load_mw: Array,
    step_s: float,
    window_s: float,
    storage: Storage,
    *,
    pace_mw_per_min: float = inf,
    feedback_h: float = FEEDBACK_H,
    lead_s: float = 0.0,
) -> Smoothed:
    """The load through a battery, step by step.

    window_s: of the mean at the meter, A / R for a step A at a ramp R. pace_mw_per_min: what the meter may do, of which
    feedback takes little. feedback_h: infinite for none. lead_s: how long before the controller knows.
    """
    target = moving_mean(load_mw, window_s, step_s, lead_s)
    step_h, keep = step_s / 3600.0, exp(-SETTLED * step_s / storage.response_s)
    power, energy, eta = storage.power_mw, storage.energy_mwh, storage.efficiency
    most_change = FEEDBACK_PACE * pace_mw_per_min * step_s / 60.0
    asked = load_mw - target
    first = asked[: max(1, round(window_s / step_s))]
    losses = float(np.where(first > 0, first * (1.0 / eta - 1.0), first * (eta - 1.0)).mean())  # known, and made good
    slow = step_s / max(window_s, step_s)
    recent = range_within(load_mw, 2.0 * REST_S, step_s)
    swings = recent >= 0.5 * np.median(recent)
    charge, given, begun, correction = storage.stored_mwh, 0.0, storage.stored_mwh, -losses
    flows, charges = np.empty(len(load_mw)), np.empty(len(load_mw))
    for k, (ask, moves) in enumerate(zip(asked.tolist(), swings.tolist(), strict=True)):
        restored = (charge - begun) / feedback_h if moves else 0.0
        change = restored - losses - correction
        correction += min(max(change, -most_change), most_change)
        wanted = min(max(ask + correction, -power), power)
        given = wanted + (given - wanted) * keep
        most, least = charge * eta / step_h, -(energy - charge) / (eta * step_h)
        given = min(max(given, least), most)
        lost = given * (1.0 / eta - 1.0) if given > 0 else given * (eta - 1.0)
        charge -= (given + lost) * step_h
        losses += slow * (lost - losses)
        flows[k], charges[k] = given, charge
    return Smoothed(load_mw - flows, flows, charges)
