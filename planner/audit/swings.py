"""Audit of what batteries keep back for the swings of AI load and for the largest unit, and of the table of their jobs.

The limits of every rule are read anew, each of the three time scales on its own; energy is held against the quadratic
itself, of which the model has secants.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from planner.audit.base import Array, Checks, Tables, says
from planner.audit.events import begins_of, need_mw, steps_ahead
from planner.audit.fade import left_mwh
from planner.audit.held import HELD, residual_fractions
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.audit.power import LOSS_TOLERANCE
from planner.audit.stock import periods_of
from planner.case.case import Case
from planner.case.item import Item
from planner.case.swing import DEFAULT_START_MINUTES, KNOWN_RULES, LoadRule
from planner.units import HOURS_PER_YEAR

_MW = 1e-6
_CLOSE = 1e-3  # of a unit
SWINGS, CURTAILMENT, UNIT, ARBITRAGE, OUTAGE = (
    "swings of AI load",
    "curtailment event",
    "largest generating unit",
    "arbitrage and demand charge",
    "outage ride-through",
)
Taken = dict[tuple[str, int], Array]  # (job, period) -> MW, MWh


def audit_swings(
    checks: Checks, case: Case, tables: Tables, site: Site, paths: Sequence[tuple[Case, Site, list[Month]]]
) -> None:
    """Reserves of every period and the table of jobs. paths: what operation may turn out to be."""
    _rows(checks, case, tables, site)
    for p in site.periods:
        _swings(checks, case, tables, site, p)
    _jobs(checks, case, tables, site, paths)


def _rows(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every row is of a fast battery that stands, and keeps back no more than it has."""
    checks.true("battery reserves", not site.kept.twice, f"{HELD} has a row twice: {site.kept.twice[:1]}")
    scheme = case.stage_redundancy("onsite_generation")
    covers = scheme is not None and scheme.spinning_reserve == "largest_unit"
    fast = {item.id: item for item in site.family_items("battery") if item.fast}
    ends = periods_of(case)
    for (name, day), held in site.kept.rows.items():
        item, text = fast.get(name), f"{name} {day}"
        known = item is not None and day in site.starts
        checks.true("battery reserves", known, f"{text}: keeps power back and is no fast battery of a period")
        if item is None or not known:
            continue
        p = site.starts.index(day)
        power = float(site.of_item(name)[p]) * item.get("nameplate_power_mw") * item.get("availability_fraction", 1.0)
        checks.at_most("battery reserves", "MW", held.power_mw, power, _MW * (1.0 + power), says(f"{text}: kept back"))
        need = max(held.swing_mw, held.spinning_mw)
        checks.at_most("battery reserves", "MW", need, held.power_mw, _MW * (1.0 + power), says(f"{text}: promised"))
        left = min(left_mwh(case, tables, site, item, p, end) for end in ends[p])
        both = held.up_mwh + held.down_mwh
        checks.at_most("battery reserves", "MWh", both, left, _MW * (1.0 + left), says(f"{text}: energy kept back"))
        forms = item.grid_forming or bool(case.input.site.grid.interconnection)
        allowed = held.spinning_mw <= _MW or (covers and forms)
        checks.true("battery reserves", allowed, f"{text}: may not cover a generating unit")


def start_h(site: Site) -> float:
    """Hours until the generator that starts slowest carries load."""
    minutes = [i.get("start_time_minutes", DEFAULT_START_MINUTES) for i in site.family_items("generation")]
    return max(minutes, default=0.0) / 60.0


def limits_of(case: Case, site: Site, p: int) -> dict[str, float]:
    """Limit by time scale in force at any time of a period. [MW/min for the ramp, MW]"""
    day, end = site.starts[p], [*site.starts, case.timeline.end][p + 1]
    connection = site.grid_step(p)[1]
    rules = case.input.site.grid.load_rules
    found: dict[str, float] = {}
    for rule in rules:
        since = rule.from_ or date.min
        later = [r.from_ or date.min for r in rules if r.title == rule.title and (r.from_ or date.min) > since]
        if since >= end or min(later, default=date.max) <= day:
            continue
        if connection < _of(rule, "applies_above_mw", 0.0):
            continue
        scales = {
            "minute": _of(rule, "ramp_mw_per_min"),
            "five seconds": _of(rule, "step_mw_per_5s"),
            "0.1-55 Hz": min(_of(rule, "oscillation_mw"), _of(rule, "oscillation_fraction") * connection),
        }
        for scale, limit in scales.items():
            if limit < np.inf:
                found[scale] = min(limit, found.get(scale, np.inf))
    return found


def _of(rule: LoadRule, name: str, otherwise: float = np.inf) -> float:
    """A limit of a rule: its own, the known rule's, or none."""
    known = KNOWN_RULES[rule.rule] if rule.rule is not None else None
    for holder in (rule, known):
        value: float | None = getattr(holder, name, None)
        if value is not None:
            return value
    return otherwise


def _swings(checks: Checks, case: Case, tables: Tables, site: Site, p: int) -> None:
    """On each time scale, what batteries take and what rules let pass make up the swing; energy for the ramp."""
    workload, limits = case.input.workload, limits_of(case, site, p)
    shown = tables.details.get("load_swings")
    row = None if shown is None or "period" not in shown else shown[shown.period == site.starts[p]]
    it_mw = float(site.sum_racks({r.item.id: r.design_mw for r in site.racks})[p])
    if workload is None or workload.swing_fraction is None or not limits or it_mw <= _MW:
        checks.true(
            "load swings", row is None or not len(row), f"a swing is shown where no rule holds, {site.starts[p]}"
        )
        return
    given, job_mw = workload.smoothing, workload.largest_job_fraction * it_mw
    swing = max(residual_fractions(case)) * job_mw
    stores = [(item, site.kept.of(item.id, p)) for item in site.family_items("battery")]
    taken = sum(held.swing_mw for _, held in stores)
    tolerance = _MW * (1.0 + swing)
    for scale, limit in limits.items():
        text = f"swing left at the meter from {site.starts[p]}, {scale}"
        checks.at_most(f"load swing, {scale}", "MW", swing - taken, limit, tolerance, says(text))
    passes = min(limits.values())
    beyond, duty = max(0.0, swing - passes), given.duty_fraction
    mwh = duty * (1.0 - duty) * given.period_s / 3600.0 * beyond
    # A lasting change may go on as fast as a minute and as five seconds, of which there are twelve, each let it.
    paces = [limit * (1.0 if scale == "minute" else 12.0) for scale, limit in limits.items() if limit > 0]
    if paces and beyond > 0:
        mwh += (swing**2 - passes**2) / (2.0 * 60.0 * min(paces))
    one_way = {item.id: item.get("round_trip_efficiency_fraction") ** 0.5 for item, _ in stores}
    ups = sum(one_way[i.id] * held.up_mwh - start_h(site) * held.spinning_mw for i, held in stores)
    downs = sum(held.down_mwh / one_way[i.id] for i, held in stores)
    for way, has in (("stored", ups), ("free", downs)):
        text = f"energy {way} for swings from {site.starts[p]}"
        checks.at_most("load swing energy", "MWh", mwh, has, 1e-6 * (1.0 + mwh), says(text))
    if row is None or len(row) != 1:
        checks.true("load swings", False, f"no row, or several, from {site.starts[p]}")
        return
    want = {
        "unsmoothed_mw": workload.swing_fraction * job_mw,
        "leaves_racks_mw": swing,
        "allowed_mw": passes,
        "battery_mw": taken,
        "battery_loss_mw": site.kept.loss_mw(p),
        **{
            name: limits[scale]
            for name, scale in (
                ("ramp_mw_per_min", "minute"),
                ("step_mw_per_5s", "five seconds"),
                ("oscillation_mw", "0.1-55 Hz"),
            )
            if scale in limits
        },
    }
    for name, value in want.items():
        got = pd.to_numeric(row[name]).iloc[0] if name in row else np.nan
        checks.equal("load swings", "MW", got, value, tolerance, says(f"{name} {site.starts[p]}"))


# -- jobs --------------------------------------------------------------------------------------------------


def _jobs(
    checks: Checks, case: Case, tables: Tables, site: Site, paths: Sequence[tuple[Case, Site, list[Month]]]
) -> None:
    """MW and MWh of every job, and the one that sets the count, against the table."""
    stores = site.family_items("battery")
    standing = {p for p in site.periods if sum(float(site.of_item(i.id)[p]) for i in stores) > _MW}
    want: Taken = {}
    for p in standing:
        for job, value in _kept_jobs(site, p).items():
            want[job, p] = value
    for path, there, months in paths:
        for p in standing:
            for job, value in (_asked(path, there, p) | {ARBITRAGE: _dispatched(stores, months, p)}).items():
                want[job, p] = np.maximum(want.get((job, p), np.zeros(2)), value)
    setter = {p: _setter(case, tables, site, p, {j: v for (j, q), v in want.items() if q == p}) for p in standing}
    frame = tables.details.get("battery_jobs", pd.DataFrame())
    got: Taken = {}
    for row in frame.to_dict("records"):
        day, job = row["period"], str(row["job"])
        if day not in site.starts:
            checks.true("battery jobs", False, f"{job} in {day}: no such period")
            continue
        p = site.starts.index(day)
        got[job, p] = np.array([float(row["takes_mw"]), float(row["takes_mwh"])])
        says_so = str(row["sets_the_count"]) == "yes"
        may = setter.get(p, set())
        same = job in may if says_so else may != {job}
        checks.true(
            "battery jobs", same, f"{job} {day}: the audit finds that {' or '.join(sorted(may))} sets the count"
        )
        for item in stores:
            n = float(site.of_item(item.id)[p])
            shown = float(row.get(f"{item.id}_units", np.nan))
            checks.equal("battery jobs", "units", shown, n, 1e-5, says(f"{item.id} {day}"))
    for job, p in sorted(want.keys() | got.keys()):
        a, b = got.get((job, p), np.zeros(2)), want.get((job, p), np.zeros(2))
        loose = LOSS_TOLERANCE * float(site.design[p]["mv_bus"][1]) if job in (CURTAILMENT, OUTAGE) else 0.0
        tolerance = 2e-6 + 1e-6 * np.abs(b) + loose * np.array([1.0, 24.0])
        where = f"{job} {site.starts[p]}"
        checks.equal("battery jobs", "MW, MWh", a, b, tolerance, says(where))


def _kept_jobs(site: Site, p: int) -> dict[str, Array]:
    """What is kept back in every hour: MW, and MWh stored and free."""
    swing, unit = np.zeros(2), np.zeros(2)
    for item in site.family_items("battery"):
        held, one_way = site.kept.of(item.id, p), item.get("round_trip_efficiency_fraction") ** 0.5
        stored = start_h(site) * held.spinning_mw / one_way
        swing += [held.swing_mw, held.up_mwh + held.down_mwh - stored]
        unit += [held.spinning_mw, stored]
    return {SWINGS: swing, UNIT: unit}


def _asked(case: Case, site: Site, p: int) -> dict[str, Array]:
    """MW and MWh that the worst start of each kind of event asks of batteries."""
    found = {CURTAILMENT: np.zeros(2), OUTAGE: np.zeros(2)}
    for event in case.input.events:
        lost: list[Item | None] = [None]
        if event.kind == "loss_of_largest_unit":
            lost = list(site.family_items("generation"))
        for unit in lost:
            if unit is not None and site.of_item(unit.id, "generation")[p] < 0.5:
                unit = None  # nothing of it to lose
            need, _ = need_mw(case, site, event, p, unit)
            ahead = steps_ahead(begins_of(case, event), event.length_h, len(need))
            missing, worst = np.zeros(len(ahead)), 0.0
            for ask in need[ahead].T:
                missing = np.maximum(missing + ask * HOURS_PER_YEAR / len(need), 0.0)
                worst = max(worst, float(missing.max(initial=0.0)))
            job = CURTAILMENT if event.kind == "called_curtailment" else OUTAGE
            found[job] = np.maximum(found[job], [max(0.0, float(need[ahead].max(initial=0.0))), worst])
    return found


def _dispatched(stores: Sequence[Item], months: list[Month], p: int) -> Array:
    """Highest discharge of all, and how far their charge together goes up and down, in a period."""
    own = [month for month in months if month.p == p]
    if not own:
        return np.zeros(2)
    given, charge = (
        np.concatenate([sum((m.flow(f"{kind}:{i.id}_{unit}") for i in stores), np.zeros(len(m.rows))) for m in own])
        for kind, unit in (("discharge", "mw"), ("soc", "mwh"))
    )
    return np.array([given.max(), charge.max() - charge.min()])


def _setter(case: Case, tables: Tables, site: Site, p: int, taken: dict[str, Array]) -> set[str]:
    """The job for which one unit less would not do, the largest first; arbitrage where one less would.

    Both where they are that close that rounding decides.
    """
    end = periods_of(case)[p][-1]
    stores = [(item, float(site.of_item(item.id)[p])) for item in site.family_items("battery")]
    power = sum(n * i.get("nameplate_power_mw") * i.get("availability_fraction", 1.0) for i, n in stores)
    has = np.array([power, sum(left_mwh(case, tables, site, item, p, end) for item, _ in stores)])
    none = np.zeros(2)
    swing, unit = taken.get(SWINGS, none), taken.get(UNIT, none)
    event = np.maximum(taken.get(CURTAILMENT, none), taken.get(OUTAGE, none))
    together = np.array([max(swing[0], unit[0]), swing[1] + unit[1]]) + event
    count = sum(n for _, n in stores)
    beyond = float((together / has).max()) * count - (count - 1.0)  # units
    if beyond < -_CLOSE:
        return {ARBITRAGE}
    firm = {job: float((value / has).max()) for job, value in taken.items() if job != ARBITRAGE}
    largest = {job for job, share in firm.items() if share > max(firm.values()) - _CLOSE}
    return largest | ({ARBITRAGE} if beyond < _CLOSE else set())
