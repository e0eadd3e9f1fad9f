"""Audit of annual limits: what every calendar year burns, emits and evaporates, from the dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from planner.audit.base import Array, Checks, says
from planner.audit.generation import burnt_mmbtu
from planner.audit.heat import taken_mw
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.audit.physics import evaporation_m3_per_mwh
from planner.audit.stock import LOOPS
from planner.audit.water import makeup_m3_per_h
from planner.case.case import Case
from planner.case.item import Item
from planner.units import CO2_KG_PER_MMBTU_HHV

_TOLERANCE = 1e-3  # t, m3, MMBtu or MWh of a year


def audit_caps(checks: Checks, case: Case, site: Site, months: list[Month]) -> None:
    """Every limit in every calendar year that build or expansion touch, and in the operating year."""
    for item in site.family_items("battery"):
        if item.warranty_cycles_per_year is not None:
            held = item.get("nameplate_energy_mwh") * site.of_item(item.id)
            given = [float(month.flow(f"discharge:{item.id}_mw").sum()) * month.hours.weight for month in months]
            smoothed = np.array([site.kept.cycled_mwh(item, p) for p in site.periods])
            yearly = item.get("warranty_cycles_per_year") * held - smoothed

            def most_discharged(_: int, p: int, most: Array = yearly) -> float:
                return float(most[p])

            _as_it_stands(checks, site, months, "warranty cycles", item, given, most_discharged)
    water = case.input.site.water
    if water is not None and water.m3_per_year is not None and site.racks:
        taken = np.array([float(makeup_m3_per_h(case, site, m).sum()) * m.hours.weight for m in months])
        for text, places in _years(site, months):
            slack = _TOLERANCE + 1e-7 * water.m3_per_year
            most = float(taken[places].sum())
            checks.at_most("water a year", "m3", most, water.m3_per_year, slack, says(f"water in {text}"))
    caps = case.input.site.caps
    if caps is None:
        return
    machines = site.family_items("generation")

    def total(amount: Callable[[Item, Month], float]) -> Array:
        return np.array([sum(amount(item, month) for item in machines) for month in months])

    def carbon_t(item: Item, month: Month) -> float:
        return burnt_mmbtu(item, month) * CO2_KG_PER_MMBTU_HHV[item.fuel or "natural_gas"] / 1000.0

    def nitrogen_t(item: Item, month: Month) -> float:
        return item.get("nox_kg_per_mwh", 0.0) / 1000.0 * _mwh(month, item)

    totals: list[tuple[str, str, float | None, Array]] = [
        ("fuel a year", "MMBtu HHV", caps.fuel_mmbtu_hhv_per_year, total(burnt_mmbtu)),
        ("CO2 a year", "t", caps.co2_t_per_year, total(carbon_t)),
        ("NOx a year", "t", caps.nox_t_per_year, total(nitrogen_t)),
        ("evaporation a year", "m3", caps.evaporation_m3_per_year, _evaporated(case, site, months)),
    ]
    for name, unit, limit, amounts in totals:
        if limit is None:
            continue
        for text, places in _years(site, months):
            checks.at_most(
                name, unit, float(amounts[places].sum()), limit, _TOLERANCE + 1e-7 * limit, says(f"{name} in {text}")
            )
    for item_id, hours in caps.run_hours_per_year.items():
        item = case.catalog[item_id]
        rated = hours * item.get("nameplate_power_mw")

        def most_mwh(since: int, p: int, name: str = item_id, each: float = rated) -> float:
            return each * site.ever_there(name, "generation", since, p)

        run = [_mwh(month, item) for month in months]
        _as_it_stands(checks, site, months, "run-hours", item, run, most_mwh)


def _years(site: Site, months: list[Month]) -> Iterator[tuple[str, list[int]]]:
    """(words, places in `months`) of each calendar year before the operating year begins, and of the operating year.

    Where years do not repeat, every year is operated in its own right.
    """
    repeats = site.case.timeline.repeats_year
    for year in sorted({m.start.year for m in months if not repeats or m.p < site.last}):
        yield f"{year}", [i for i, m in enumerate(months) if m.start.year == year]
    if not repeats:
        return
    yield "the operating year", [i for i, m in enumerate(months) if m.p == site.last]


def _mwh(month: Month, item: Item) -> float:
    return float(month.flow(f"generation:{item.id}_mw").sum()) * month.hours.weight


def _evaporated(case: Case, site: Site, months: list[Month]) -> Array:
    """Water each month evaporates. [m3]"""
    supply = site.water_supply_c
    weather, amounts = case.weather, np.zeros(len(months))
    for loop in LOOPS:
        for r in site.rejectors[loop]:
            each = evaporation_m3_per_mwh(r.item, supply[loop], weather.dry_bulb_c, weather.wet_bulb_c)
            for i, month in enumerate(months):
                at = month.hours.hour_of_year
                heat = taken_mw(site, month, loop, r.item.id)
                amounts[i] += float(each[at] @ heat) * month.hours.weight
    return amounts


def _as_it_stands(
    checks: Checks,
    site: Site,
    months: list[Month],
    name: str,
    item: Item,
    mwh: list[float],
    yearly: Callable[[int, int], float],
) -> None:
    """By the end of every month of a year, no more than what has stood in it may do in one.

    yearly: what that is, from the first period of the year to that of a month. [MWh]
    """
    for text, places in _years(site, months):
        run = np.cumsum([mwh[i] for i in places])
        most = np.array([yearly(months[places[0]].p, months[i].p) for i in places])
        checks.at_most(name, "MWh", run, most, _TOLERANCE + 1e-7 * most, says(f"{item.id} in {text}"))
