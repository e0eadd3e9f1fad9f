"""Power of a training job second by second, and what GPUs, racks and UPS make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.swing.signal import lag, moving_mean

Array = NDArray[np.float64]
UPS_S = 0.02  # of the rectifier's control: a double-conversion UPS passes the swing on  [engineering judgement]
QUIET_S = 300.0  # before the first failure, so that there is something to compare it with


@dataclass(frozen=True)
class Job:
    """One synchronous job: fractions are of its design power, at the crest of its wave."""

    design_mw: float
    swing_fraction: float
    period_s: float = 2.0
    duty_fraction: float = 0.5
    step_fraction: float | None = None  # that goes when it fails; absent: as much as it swings
    power_floor_fraction: float = 0.0
    rack_storage_fraction: float = 0.0
    checkpoint_every_s: float = 900.0
    checkpoint_s: float = 30.0  # in the trough  [engineering judgement]
    restart_s: float = 240.0  # after a failure  [engineering judgement]
    edge_s: float = 0.1  # in which all GPUs have changed over, as a time constant  [engineering judgement]

    def unsmoothed_mw(self, minutes: float, step_s: float, failures: int, seed: int) -> tuple[Array, list[float]]:
        """Power as the programme asks for it, and the seconds at which it fails: evenly random, fixed by the seed."""
        t = np.arange(round(minutes * 60.0 / step_s)) * step_s
        near = t + 1e-6 * step_s  # every period as many steps, however the numbers round
        at_crest = (near / self.period_s) % 1.0 < self.duty_fraction
        at_crest &= (near % self.checkpoint_every_s) < self.checkpoint_every_s - self.checkpoint_s
        power = np.where(at_crest, 1.0, 1.0 - self.swing_fraction)
        last = max(QUIET_S, t[-1] - self.restart_s - QUIET_S)
        fails = sorted(np.random.default_rng(seed).uniform(QUIET_S, last, failures).round(3).tolist())
        drop = self.swing_fraction if self.step_fraction is None else self.step_fraction
        for begin in fails:
            power[(t >= begin) & (t < begin + self.restart_s)] = 1.0 - drop
        return self.design_mw * lag(power, self.edge_s, step_s), fails

    def behind_the_racks(self, power_mw: Array, step_s: float) -> Array:
        """After the GPUs' power floor, storage in the racks and the UPS.

        Storage takes its share of all that is faster than a period. A job that stops falls through the floor where a
        step_fraction says so.
        """
        floor = self.power_floor_fraction * self.design_mw
        stopped = power_mw < (1.0 - self.swing_fraction) * self.design_mw - 1e-9
        held = np.where(stopped, power_mw, np.maximum(power_mw, floor))
        mean = moving_mean(held, self.period_s, step_s)
        return lag(held - self.rack_storage_fraction * (held - mean), UPS_S, step_s)

    def rack_storage_mwh(self, power_mw: Array, step_s: float) -> float:
        """Energy that storage in the racks must hold for that: the reach of its charge. [MWh]"""
        floor = np.maximum(power_mw, self.power_floor_fraction * self.design_mw)
        given = self.rack_storage_fraction * (floor - moving_mean(floor, self.period_s, step_s))
        charge = -np.cumsum(given) * step_s / 3600.0
        n = max(1, round(self.period_s / step_s))
        return float(max(np.ptp(charge[k : k + n]) for k in range(0, len(charge), n)))
