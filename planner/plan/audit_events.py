"""Audit of events: each one replayed from every hour at which it may begin, with the plan's units and charge.

The auditor's own need of every hour, and its own way to share it out: batteries give in the order of the hours they
have left, most first, and take what is left over, least first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.case.case import Case
from planner.case.catalog import Item
from planner.case.event import EventInput, modelled_hours
from planner.case.resource import solar_output_fraction, wind_output_fraction
from planner.plan.audit_base import Array, Checks, Tables, as_date, says
from planner.plan.audit_fade import left_mwh
from planner.plan.audit_loads import Site
from planner.plan.audit_money import first_charges
from planner.plan.audit_physics import site_rating
from planner.plan.audit_power import LOSS_TOLERANCE, Month, it_mean_mw, loop_heat_mw, losses_mw
from planner.units import HOURS_PER_YEAR

Index = NDArray[np.int64]


def audit_events(checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month]) -> None:
    """Reserves are held, and every event of the case is lived through in every period."""
    if not case.input.events:
        return
    stores = list(site.family_items("battery"))
    charge = {item.id: _before(case, tables, site, months, item) for item in stores}
    begins = [_begins(case, event) for event in case.input.events]
    struck = np.unique(np.concatenate(begins))
    ends = {(m.p, m.year): max(m.days) for m in months}
    left = {at: {i.id: left_mwh(case, tables, site, i, at[0], end) for i in stores} for at, end in ends.items()}
    _reserves(checks, tables, site, charge, struck, left)
    operated = {
        at: np.concatenate([m.hours.hour_of_year for m in months if (m.p, m.year) == at]) for at in sorted(ends)
    }
    for event, hours in zip(case.input.events, begins, strict=True):
        for (p, year), known in operated.items():
            starts = np.intersect1d(hours, known)
            lost: list[Item | None] = [None]
            if event.kind == "loss_of_largest_unit":
                machines = site.family_items("generation")
                lost = [m for m in machines if site.of_item(m.id, "generation")[p] > 0.5]
            for unit in lost if len(starts) else ():
                need, load = _need(case, site, event, p, unit)
                before = {item: by_year[p, year] for item, by_year in charge.items()}
                short = _unserved(event, p, site, need, starts, stores, before, left[p, year])
                ahead = (starts[:, None] + np.arange(event.length_h)) % HOURS_PER_YEAR
                allowed = LOSS_TOLERANCE * load[ahead].sum(axis=1) + 1e-3
                name = f"{event.kind} in year {year + 1} from {site.starts[p]}" + (f" of {unit.id}" if unit else "")
                checks.at_most(
                    f"event {event.kind}",
                    "MWh",
                    short,
                    0.0,
                    allowed,
                    lambda i, name=name, starts=starts: f"{name} from hour of year {starts[i]}: not served",  # type: ignore[misc]
                )


def _begins(case: Case, event: EventInput) -> Index:
    """Hours of the year at whose start an event may begin, of those that are operated."""
    operated = modelled_hours(case.input.horizon.sample_days_per_month)
    wanted = np.flatnonzero(event.may_begin(case.weather.dry_bulb_c))
    found = wanted[operated[wanted]]
    if event.kind == "hottest_still_day" and not len(found):
        sampled = np.flatnonzero(operated)
        peak = np.argmax(case.weather.dry_bulb_c)
        found = sampled[np.argsort(np.abs(sampled - peak), kind="stable")[:1]]
    return found


def _before(case: Case, tables: Tables, site: Site, months: list[Month], item: Item) -> dict[tuple[int, int], Array]:
    """State of charge at the start of every hour, by period and its year; empty hours are NaN. [MWh]"""
    result = {(m.p, m.year): np.full(HOURS_PER_YEAR, np.nan) for m in months}
    brought = first_charges(case, tables, item)
    last = {m.p: float(m.flow(f"soc:{item.id}_mwh")[-1]) for m in months}
    before = 0.0
    for month in months:
        if month.place == 0:
            before = last[month.p]
        elif month.place < 0:
            before += brought[month.p]
        soc = month.flow(f"soc:{item.id}_mwh")
        result[month.p, month.year][month.hours.hour_of_year] = np.concatenate([[before], soc[:-1]])
        before = float(soc[-1])
    return result


def _reserves(
    checks: Checks,
    tables: Tables,
    site: Site,
    charge: dict[str, dict[tuple[int, int], Array]],
    struck: Index,
    left: dict[tuple[int, int], dict[str, float]],
) -> None:
    """What the plan says it holds is there at every hour an event may begin, and fits what stands."""
    for row in tables.summary.get("reserves", ()):
        item, held, day = str(row["item"]), float(row["reserve_mwh"]), as_date(row["period"])
        known = item in charge and day in site.starts
        checks.true("reserves", known, f"reserve of {item} in {day}: no such battery or period")
        if not known:
            continue
        p = site.starts.index(day)
        years = [at for at in left if at[0] == p]
        most = min((left[at][item] for at in years), default=0.0)
        checks.at_most("reserves", "MWh", held, most, 1e-5 * (1.0 + most), says(f"reserve of {item} in {day}"))
        soc = np.concatenate([charge[item][at][struck] for at in years])
        short = held - soc[~np.isnan(soc)]
        checks.at_most("reserves", "MWh", short, 0.0, 1e-4 + 1e-6 * most, says(f"{item} in {day} below its reserve"))


def _need(case: Case, site: Site, event: EventInput, p: int, lost: Item | None) -> tuple[Array, Array]:
    """(load that must be carried less all that can carry it, that load) by hour of the year. [MW]"""
    still = event.kind == "hottest_still_day"
    like = np.arange(HOURS_PER_YEAR)
    if still:
        like = np.full(HOURS_PER_YEAR, int(np.argmax(case.weather.dry_bulb_c)))
    load = np.zeros(HOURS_PER_YEAR)
    if case.load_series_mw is not None:
        series = site.load_by_step(p)
        load = load + event.load_fraction * (np.full(HOURS_PER_YEAR, series.max()) if still else series)
    if site.racks:
        shape = event.load_fraction * case.load_shape
        if still:
            shape = np.full(HOURS_PER_YEAR, event.load_fraction * max(r.design_mw / r.mean_mw for r in site.racks))
        load = load + shape * it_mean_mw(site, p) + float(site.network_mw[p]) + losses_mw(site, p, shape)
        load = load + _cooling(site, p, shape, like)
    left = {"grid_outage": 0.0, "called_curtailment": event.grid_fraction_left}.get(event.kind, 1.0)
    able = np.zeros(HOURS_PER_YEAR)
    if case.tariff is not None:
        able += left * float(site.grid_mw[p]) * (1.0 - site.import_loss)
    if event.kind == "grid_outage":
        able += _standby_mw(case, site, p)
    for item in site.family_items("generation"):
        units = float(site.of_item(item.id, "generation")[p]) - (1.0 if item is lost else 0.0)
        able += max(units, 0.0) * item.get("nameplate_power_mw") * site.hourly_rating(item)[like]
    for item in () if still else site.family_items("renewable"):
        if item.dc_ac_ratio is None:
            output = wind_output_fraction(case.weather)
        else:
            output = solar_output_fraction(case.weather, dc_ac_ratio=item.dc_ac_ratio.planning)
        able += float(site.of_item(item.id)[p]) * item.get("nameplate_power_mw") * output
    return load - able, load


def _standby_mw(case: Case, site: Site, p: int) -> float:
    """Standby generation switched on, less its spares, on the hottest day. [MW]"""
    part, total = "standby_generation", 0.0
    for item, parts, on in site.at(part):
        hottest = np.array([case.ambient.extreme_dry_bulb_c])
        rating = float(site_rating(item, hottest, case.weather.elevation_m)[0])
        total += site.active(item, parts, on[p]) * item.get("nameplate_power_mw") * rating
    return total


def _cooling(site: Site, p: int, shape: Array, like: Index) -> Array:
    """Least power that rejects the heat of every hour. [MW]"""
    total = np.zeros(HOURS_PER_YEAR)
    for loop, mean in loop_heat_mw(site, p).items():
        choices, part = site.rejectors[loop], f"heat_rejection:{loop}"
        if not choices:
            continue
        power = np.array([r.power[like] for r in choices])
        if len(choices) == 1:
            total += power[0] * shape * mean
            continue
        able = np.array([r.capacity[like] * r.rated_mw * float(site.switched_on(r.item.id, part)[p]) for r in choices])
        order = np.argsort(power, axis=0, kind="stable")
        power, able = np.take_along_axis(power, order, 0), np.take_along_axis(able, order, 0)
        carried = np.minimum(np.cumsum(able, axis=0), shape * mean)
        total += (np.diff(carried, axis=0, prepend=0.0) * power).sum(axis=0)
    return total


def _unserved(
    event: EventInput,
    p: int,
    site: Site,
    need: Array,
    starts: Index,
    stores: list[Item],
    charge: dict[str, Array],
    left: dict[str, float],
) -> Array:
    """Energy missing in the event from each start. [MWh]  charge: before every hour; left: the most it may be."""
    there = [i for i in stores if site.of_item(i.id)[p] > 0]
    units = np.array([float(site.of_item(i.id)[p]) for i in there])
    power = units * np.array([i.get("nameplate_power_mw") for i in there])
    energy = np.array([left[i.id] for i in there])
    one_way = np.sqrt(np.array([i.get("round_trip_efficiency_fraction") for i in there]))
    soc = np.array([charge[i.id][starts] for i in there]).T.reshape(len(starts), len(there))
    missing = np.zeros(len(starts))
    for step in range(event.length_h):
        ask = need[(starts + step) % HOURS_PER_YEAR]
        if not there:
            missing += np.maximum(ask, 0.0)
            continue
        hours = soc * one_way / power
        given = power * _shares(np.maximum(ask, 0.0), hours, np.minimum(hours, 1.0), power)
        room = np.clip((energy - soc) / (power * one_way), 0.0, 1.0)
        taken = power * _shares(np.maximum(-ask, 0.0), -hours, room, power)
        missing += np.maximum(ask - given.sum(axis=1), 0.0)
        soc = np.maximum(soc - given / one_way + taken * one_way, 0.0)
    return missing


def _shares(ask: Array, rank: Array, most: Array, power: Array) -> Array:
    """Share of its power each battery moves: all down to one level of the rank, each at most its most."""
    most = np.maximum(most, 0.0)
    levels = -np.sort(-np.concatenate([rank, rank - most], axis=1), axis=1)  # highest first
    moved = (np.clip(rank[:, None, :] - levels[:, :, None], 0.0, most[:, None, :]) * power).sum(axis=2)
    row = np.arange(len(ask))
    after = np.minimum((moved < ask[:, None]).sum(axis=1), levels.shape[1] - 1)
    before = np.maximum(after - 1, 0)
    rise = moved[row, after] - moved[row, before]
    part = np.clip((ask - moved[row, before]) / np.where(rise > 0, rise, 1.0), 0.0, 1.0)
    level = levels[row, before] + part * (levels[row, after] - levels[row, before])
    shares: Array = np.clip(rank - level[:, None], 0.0, most)
    return shares
