"""Load at the meter as a signal: what smooths it and what operators measure of it. Pure functions of arrays.

All traces are MW at a constant step of time. Not modelled: voltage, frequency and reactive power.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Array = NDArray[np.float64]
SETTLE_S = 10.0  # six time constants of the filter, which knows nothing of the time before the trace
BAND_HZ = (0.1, 55.0)  # of the filter in the rules


def moving_mean(load_mw: Array, window_s: float, step_s: float, lead_s: float = 0.0) -> Array:
    """Mean over a window that ends `lead_s` after each step. Before the trace its first window repeats itself.

    The answer to a step A is a ramp of A / window_s. With a lead of half the window the ramp begins half of it
    before the step, as a scheduler that knows it can.
    """
    n, ahead = max(1, round(window_s / step_s)), round(lead_s / step_s)
    known = np.concatenate([np.resize(load_mw[:n], n)[1:], load_mw, np.full(ahead, load_mw[-1])])
    total = np.concatenate([[0.0], np.cumsum(known)])
    mean: Array = (total[n:] - total[:-n]) / n
    return mean[ahead:]


def lag(load_mw: Array, time_constant_s: float, step_s: float) -> Array:
    """First-order lag that begins at rest: a step A comes to A (1 - exp(-t / tau)), and A tau is the area between."""
    if time_constant_s <= 0:
        return load_mw
    keep = float(np.exp(-step_s / time_constant_s))
    out, _ = signal.lfilter([1.0 - keep], [1.0, -keep], load_mw, zi=[keep * load_mw[0]])
    result: Array = np.asarray(out, float)
    return result


def filtered(load_mw: Array, step_s: float) -> Array:
    """What lies in 0.1-55 Hz: first-order high pass, and low pass where the step shows so high a frequency."""
    low, high = BAND_HZ
    kept = load_mw - lag(load_mw, 1.0 / (2.0 * np.pi * low), step_s)
    return lag(kept, 1.0 / (2.0 * np.pi * high), step_s) if high < 0.5 / step_s else kept


def range_within(load_mw: Array, window_s: float, step_s: float) -> Array:
    """Highest less lowest value within a window around each step. [MW]"""
    n = max(2, round(window_s / step_s) + 1)
    highest = ndimage.maximum_filter1d(load_mw, n, mode="nearest")
    lowest = ndimage.minimum_filter1d(load_mw, n, mode="nearest")
    found: Array = highest - lowest
    return found


def band_rms_mw(load_mw: Array, low_hz: float, high_hz: float, step_s: float) -> float:
    """Root mean square of what lies between two frequencies: a sine of peak to peak A has A / (2 sqrt 2). [MW]"""
    part = np.fft.rfft(load_mw - load_mw.mean()) / len(load_mw)
    at = np.fft.rfftfreq(len(load_mw), step_s)
    inside = (at >= low_hz) & (at < high_hz)
    return float(np.sqrt(2.0 * (np.abs(part[inside]) ** 2).sum()))


def measures(load_mw: Array, step_s: float) -> dict[str, float]:
    """Worst change in a minute, in 5 s, and of what is in 0.1-55 Hz in 5 s, by the fields of load rules. [MW]"""
    settled = round(SETTLE_S / step_s)
    return {
        "ramp_mw_per_min": float(range_within(load_mw, 60.0, step_s).max()),
        "step_mw_per_5s": float(range_within(load_mw, 5.0, step_s).max()),
        "oscillation_mw": float(range_within(filtered(load_mw, step_s)[settled:], 5.0, step_s).max()),
    }
