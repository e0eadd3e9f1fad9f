"""Audit of generators by hour: rating, availability, and of items whose units are committed their count, minimum load,
starts and ramps; and the fuel all of it burns.

Where units are committed the dispatch tells how many are online and how many start. A block of the horizon is a circle:
before its first step comes its last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planner.audit.base import Array, Checks, says
from planner.audit.gates import may_fire
from planner.audit.loads import Site
from planner.audit.physics import dearer, fuel_usd_per_mmbtu, mmbtu_per_mwh, no_load_mmbtu_per_mwh
from planner.case.case import Case
from planner.case.item import Item

if TYPE_CHECKING:
    from planner.audit.months import Month

_MW = 1e-6
_UNITS = 1e-5


def committed(case: Case, site: Site, item: Item) -> bool:
    """Whether it matters which units of an item are online."""
    costs = item.get("start_cost_usd", 0.0) + item.get("start_fuel_mmbtu_hhv", 0.0) + no_load_mmbtu_per_mwh(item)
    return costs > 0 or item.get("minimum_load_fraction", 0.0) > 0 or _rate_mw(case, site, item) is not None


def _rate_mw(case: Case, site: Site, item: Item) -> float | None:
    """How far a unit's output can move within a step; None where that is from least to most. [MW]"""
    if item.ramp_fraction_per_minute is None:
        return None
    rate = item.get("ramp_fraction_per_minute") * case.input.horizon.step_minutes
    widest = 1.0 - item.get("minimum_load_fraction", 0.0) * float(site.hourly_rating(item).min())
    return rate * item.get("nameplate_power_mw") if rate < widest else None


def audit_generation(checks: Checks, case: Case, site: Site, month: Month, item: Item) -> Array:
    """Check one item in a month; returns the rating by hour that stands ready beyond its output. [MW]"""
    name = f"generation:{item.id}_mw"
    unit = site.hourly_rating(item)[month.hours.hour_of_year] * item.get("nameplate_power_mw")
    standing = float(site.of_item(item.id, "generation")[month.p]) * may_fire(case, site.starts[month.p])
    output, able = month.flow(name), unit * standing
    monthly = item.get("availability_fraction", 1.0) * float(able.sum()) * month.hours.step_h
    checks.at_most(
        "generation availability",
        "MWh",
        float(output.sum()) * month.hours.step_h,
        monthly,
        1e-6 * (1.0 + monthly),
        says(f"{name} in {month.start}"),
    )
    if committed(case, site, item):
        able = unit * month.flow(f"online:{item.id}_units")
        _units(checks, case, site, month, item, standing)
        least = item.get("minimum_load_fraction", 0.0) * able
        checks.at_most("minimum load", "MW", least, output, _MW * (1.0 + able), month.where(f"{name}: least"))
        _ramps(checks, case, site, month, item, unit)
    checks.at_most("generation rating", "MW", output, able, _MW * (1.0 + able), month.where(name))
    return able - output


def _units(checks: Checks, case: Case, site: Site, month: Month, item: Item, standing: float) -> None:
    """Whole units, no more than stand, and as many starts as it takes."""
    online, started = (month.flow(f"{kind}:{item.id}_units") for kind in ("online", "started"))
    where = month.where(f"{item.id} online")
    checks.equal("whole units online", "units", online, online.round(), _UNITS, where)
    checks.at_most("units online", "units", online, standing, _UNITS, where)
    if started.any() or _starts_matter(case, site, item):
        rise = online - online[_before(case, month)]
        checks.at_most("starts", "units", rise, started, _UNITS, month.where(f"{item.id}: more online than started"))


def _starts_matter(case: Case, site: Site, item: Item) -> bool:
    costs = item.get("start_cost_usd", 0.0) + item.get("start_fuel_mmbtu_hhv", 0.0)
    return costs > 0 or _rate_mw(case, site, item) is not None


def _ramps(checks: Checks, case: Case, site: Site, month: Month, item: Item, unit: Array) -> None:
    """What stays online moves no faster than it can; what starts or stops may do so at any load."""
    rate = _rate_mw(case, site, item)
    if rate is None:
        return
    before = _before(case, month)
    online, started = (month.flow(f"{kind}:{item.id}_units") for kind in ("online", "started"))
    standing = float(site.of_item(item.id, "generation")[month.p])
    where, output = month.where(f"{item.id} ramp"), month.flow(f"generation:{item.id}_mw")
    checks.equal("whole units online", "units", started, started.round(), _UNITS, where)
    checks.at_most("units online", "units", online[before] + started, standing, _UNITS, where)
    stopped, stayed = online[before] - online + started, online - started
    inside = before == np.arange(len(before)) - 1  # no ramp from one block to the next
    change, tolerance = output - output[before], (_MW * (1.0 + unit * standing))[inside]
    up, down = np.minimum(rate, unit) * stayed + unit * started, np.minimum(rate, unit[before]) * stayed
    down = down + unit[before] * stopped
    checks.at_most("ramps", "MW", change[inside], up[inside], tolerance, where)
    checks.at_most("ramps", "MW", -change[inside], down[inside], tolerance, where)


def _before(case: Case, month: Month) -> NDArray[np.int64]:
    """The step before each: in every block of the month, the last before the first."""
    per_day = round(24 / month.hours.step_h)
    days = len(month.rows) // per_day
    count = {"month": 1, "week": max(1, days // 7), "day": days}[case.input.horizon.block]
    edges = [days * i // count * per_day for i in range(count + 1)]
    before = np.arange(len(month.rows)) - 1
    before[edges[:-1]] = np.array(edges[1:]) - 1
    return before


def burnt_mmbtu(item: Item, month: Month) -> float:
    """Fuel of a month: for output, for being online, for starts. [MMBtu HHV]"""
    weight, idle = month.hours.weight, no_load_mmbtu_per_mwh(item)
    mwh = float(month.flow(f"generation:{item.id}_mw").sum()) * weight
    online_mwh = float(month.flow(f"online:{item.id}_units").sum()) * item.get("nameplate_power_mw") * weight
    starts = item.get("start_fuel_mmbtu_hhv", 0.0) * starts_in(item, month)
    return (mmbtu_per_mwh(item) - idle) * mwh + idle * online_mwh + starts


def starts_in(item: Item, month: Month) -> float:
    """Starts of a month, those of the days that sampled ones stand for included."""
    return float(month.flow(f"started:{item.id}_units").sum()) * month.hours.weight / month.hours.step_h


def generation_lines(case: Case, site: Site, month: Month) -> dict[str, float]:
    """Ledger lines of every generator of a month. [USD]"""
    lines, year = {"fuel": 0.0, "variable O&M": 0.0, "starts": 0.0}, month.start.year
    upkeep = dearer(case, "variable_om", year)
    for item in site.family_items("generation"):
        mwh = float(month.flow(f"generation:{item.id}_mw").sum()) * month.hours.weight
        lines["fuel"] += fuel_usd_per_mmbtu(case, item, year) * burnt_mmbtu(item, month)
        lines["variable O&M"] += item.get("variable_om_usd_per_mwh") * mwh * upkeep
        lines["starts"] += item.get("start_cost_usd", 0.0) * starts_in(item, month) * upkeep
    return lines
