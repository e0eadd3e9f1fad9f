"""A case's training job run through its batteries, and every rule's verdict before and after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.case.case import Case
from planner.case.swing import KNOWN_RULES, LoadRule, limits_in_force
from planner.swing.battery import Smoothed, Storage, smooth
from planner.swing.job import Job
from planner.swing.signal import band_rms_mw, measures
from planner.units import KW_PER_MW

Array = NDArray[np.float64]
TOLERANCE = 0.02  # of a limit: what feedback of the charge and the step of time leave
BANDS_HZ = ((0.1, 0.2), (0.2, 3.0), (3.0, 5.0), (5.0, 55.0))
PLAIN_WINDOW_S = 60.0  # of the mean at the meter where no rule sets a pace


@dataclass(frozen=True)
class Verdict:
    """One limit of one rule, and what the meter shows without and with the batteries. [MW]"""

    rule: str
    field: str
    limit: float
    before: float
    after: float
    asked: bool  # whether the case has the rule; else one of those known, for comparison

    @property
    def passes(self) -> bool:
        """Whether it holds with the batteries."""
        return self.after <= self.limit * (1.0 + TOLERANCE)


@dataclass(frozen=True)
class Run:
    """One simulated stretch of time."""

    name: str
    job: Job
    step_s: float
    window_s: float
    unsmoothed_mw: Array
    load_mw: Array  # behind the racks
    smoothed: Smoothed
    storage: Storage
    failures_s: list[float]
    verdicts: list[Verdict]

    @property
    def table(self) -> dict[str, tuple[float, float]]:
        """What is measured at the meter, (without, with) the batteries."""
        pairs = zip(
            measures(self.load_mw, self.step_s).items(),
            measures(self.smoothed.meter_mw, self.step_s).values(),
            strict=True,
        )
        found = {name: (before, after) for (name, before), after in pairs}
        top = 0.5 / self.step_s
        for low, high in BANDS_HZ:
            if low < top:
                both = (
                    band_rms_mw(x, low, min(high, top), self.step_s) for x in (self.load_mw, self.smoothed.meter_mw)
                )
                found[f"{low:g}-{min(high, top):g} Hz, RMS"] = (next(both), next(both))
        return found


def job_of(case: Case, it_mw: float) -> Job:
    """The largest job of a case at an IT design power. The case must have a swing_fraction."""
    workload = case.input.workload
    assert workload is not None
    assert workload.swing_fraction is not None
    given = workload.smoothing
    return Job(
        workload.largest_job_fraction * it_mw,
        workload.swing_fraction,
        given.period_s,
        given.duty_fraction,
        given.step_fraction,
        given.power_floor_fraction,
        given.rack_storage_fraction,
    )


def planned_it_mw(case: Case) -> float:
    """IT design power of the last milestone, on the first compute item. [MW]"""
    last = case.input.target.milestones[-1]
    if last.it_mw is not None:
        return last.it_mw
    item = case.catalog[case.candidates["compute"][0]]
    each = item.get("gpus") if last.gpus is not None else item.get(f"pflops_{last.precision}")
    return float(np.ceil((last.gpus or last.pflops or 0.0) / each)) * item.design_kw / KW_PER_MW


def storage_of(case: Case, details: Mapping[str, pd.DataFrame]) -> Storage:
    """The batteries of a plan's last period as one, with the power and energy they keep back; none where none do."""
    frame = details.get("battery_held", pd.DataFrame())
    held = frame[frame["period"] == frame["period"].max()].to_dict("records") if len(frame) else []
    items = [case.catalog[str(row["item"])] for row in held]
    power = [float(row["held_mw"]) for row in held]
    stored = sum(float(row["held_up_mwh"]) for row in held)
    room = sum(float(row["held_down_mwh"]) for row in held)
    if not sum(power):
        return Storage(0.0, 0.0, 0.0)
    one_way = [item.get("round_trip_efficiency_fraction") ** 0.5 for item in items]
    slowest = max(item.get("response_s") for item in items)
    return Storage(sum(power), stored + room, stored, float(np.average(one_way, weights=power)), slowest)


def run(
    case: Case, job: Job, storage: Storage, *, minutes: float, step_s: float, failures: int, seed: int, day: date
) -> Run:
    """Simulate a job behind the batteries under the rules of a day."""
    rules = _rules(case, day)
    limits = limits_in_force([rule for rule, _ in rules if rule is not None], day, day, _connection_mw(case, day))
    asked, fails = job.unsmoothed_mw(minutes, step_s, failures, seed)
    load = job.behind_the_racks(asked, step_s)
    swing = job.design_mw * _largest_step(case)
    pace = limits.pace_mw_per_min
    window = max(swing / pace * 60.0, job.period_s) if pace else PLAIN_WINDOW_S
    window = job.period_s * np.ceil(window / job.period_s)  # whole periods: the mean of a wave stands still
    smoothed = smooth(load, step_s, float(window), storage, pace_mw_per_min=pace or np.inf)
    before, after = measures(load, step_s), measures(smoothed.meter_mw, step_s)
    verdicts = []
    for rule, own in rules:
        one = limits_in_force([rule], day, day, _connection_mw(case, day))
        for field in ("ramp_mw_per_min", "step_mw_per_5s", "oscillation_mw"):
            limit = getattr(one, field)
            if limit is not None:
                verdicts.append(Verdict(rule.title, field, limit, before[field], after[field], own))
    return Run(case.input.name, job, step_s, float(window), asked, load, smoothed, storage, fails, verdicts)


def _rules(case: Case, day: date) -> list[tuple[LoadRule, bool]]:
    """The rules of a case that hold on a day; where it has none, those that are known."""
    held: dict[str, LoadRule] = {}
    for rule in sorted(case.input.site.grid.load_rules, key=lambda r: r.from_ or date.min):
        if (rule.from_ or date.min) <= day:
            held[rule.title] = rule
    if held:
        return [(rule, True) for rule in held.values()]
    return [(LoadRule.model_validate({"rule": name}), False) for name in KNOWN_RULES]


def _connection_mw(case: Case, day: date) -> float:
    """MW of the connection on a day."""
    return max((step.mw for step in case.input.site.grid.interconnection if step.from_ <= day), default=0.0)


def _largest_step(case: Case) -> float:
    """The largest change at once behind the racks, of the job's design power."""
    workload = case.input.workload
    assert workload is not None
    return workload.smoothing.step_left_fraction(workload.swing_fraction or 0.0)
