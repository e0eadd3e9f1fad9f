"""Audit of water: make-up of every day and year within the permit, the design day too, and its bill.

Make-up is what evaporates times n / (n - 1) for n cycles of concentration, and drift where water evaporates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planner.audit.base import Array, Checks, says
from planner.audit.heat import taken_mw
from planner.audit.loads import Site
from planner.audit.physics import evaporation_m3_per_mwh
from planner.audit.stock import LOOPS
from planner.case.case import Case
from planner.case.item import Item

if TYPE_CHECKING:
    from planner.audit.months import Month

_M3 = 1e-4


def makeup_m3_per_mwh(case: Case, item: Item, supply_c: float, dry_c: Array, wet_c: Array) -> Array:
    """Water an item takes for a MWh of heat."""
    evaporated = evaporation_m3_per_mwh(item, supply_c, dry_c, wet_c)
    cycles = case.input.cooling.cycles_of_concentration
    drift = item.get("drift_l_per_kwh", 0.0) * (evaporated > 0)
    return np.asarray(evaporated * (cycles / (cycles - 1.0)) + drift, dtype=np.float64)


def makeup_m3_per_h(case: Case, site: Site, month: Month) -> Array:
    """Water the site takes in every hour of a month."""
    at, weather, total = month.hours.hour_of_year, case.weather, np.zeros(len(month.rows))
    for loop in LOOPS:
        for r in site.rejectors[loop]:
            supply = site.water_supply_c[loop]
            each = makeup_m3_per_mwh(case, r.item, supply, weather.dry_bulb_c, weather.wet_bulb_c)
            total += each[at] * taken_mw(site, month, loop, r.item.id)
    return total


def water_usd(case: Case, site: Site, month: Month) -> float:
    """What a month's water costs."""
    given = case.input.site.water
    if given is None or not given.usd_per_m3 or not site.racks:
        return 0.0
    return given.usd_per_m3 * float(makeup_m3_per_h(case, site, month).sum()) * month.hours.weight


def audit_water(checks: Checks, case: Case, site: Site, months: list[Month]) -> None:
    """No day of any month, and no design day, takes more than the permit allows."""
    given = case.input.site.water
    if given is None or given.m3_per_day is None or not site.racks:
        return
    slack = _M3 + 1e-7 * given.m3_per_day
    for month in months:
        day = month.hours.shown_hour // 24
        hourly = makeup_m3_per_h(case, site, month) * month.hours.step_h
        days = np.array([hourly[day == d].sum() for d in np.unique(day)])
        checks.at_most("water a day", "m3", days, given.m3_per_day, slack, says(f"a day of {month.start}"))
    for p in site.periods:
        least = 24.0 * sum(_least_m3_per_h(case, site, p, loop) for loop in LOOPS)
        checks.at_most("water of the design day", "m3", least, given.m3_per_day, slack, says(f"{site.starts[p]}"))


def _least_m3_per_h(case: Case, site: Site, p: int, loop: str) -> float:
    """Least water that rejects a loop's design heat in design weather: items that take least of it first."""
    part = f"heat_rejection:{loop}"
    left = site.design[p].get(part, (0.0, 0.0))[0]
    dry, wet = np.array([case.ambient.extreme_dry_bulb_c]), np.array([case.ambient.wet_bulb_c])
    choices = []
    for r in site.rejectors[loop]:
        each = float(makeup_m3_per_mwh(case, r.item, site.water_supply_c[loop], dry, wet)[0])
        units = sum(site.active(i, parts, on[p]) for i, parts, on in site.at(part) if i.id == r.item.id)
        choices.append((each, units * site.unit_capacity(r.item, part)))
    total = 0.0
    for each, room in sorted(choices):
        taken = min(left, room)
        total, left = total + each * taken, left - taken
    return total
