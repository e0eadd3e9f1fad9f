"""Audit of events: each one replayed from every step at which it may begin, with the plan's units and charge.

The auditor's own need of every step, and its own way to share it out: batteries give in the order of the hours they
have left, most first, and take what is left over, least first. The charge is that of the dispatch at that step, on
the path at hand. The year that follows is the input year: nothing of an event is billed, exported, shed or shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from planner.audit.base import Array, Checks, Tables, as_date, says
from planner.audit.calls import needed_mwh, patterns_of
from planner.audit.fade import left_mwh
from planner.audit.gates import fed_mw, gas_mmbtu_per_day, may_fire, uncalled_mw
from planner.audit.heat import constant_heat_mw, following_heat_mw
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.audit.physics import mmbtu_per_mwh, site_rating
from planner.audit.power import LOSS_TOLERANCE, it_mean_mw, losses_mw
from planner.case.case import Case
from planner.case.event import EventInput, modelled_hours
from planner.case.item import Item
from planner.case.resource import solar_output_fraction, wind_output_fraction
from planner.units import HOURS_PER_YEAR

Index = NDArray[np.int64]


def audit_events(
    checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month], brought: dict[str, list[float]]
) -> None:
    """Reserves are held, and every event of the case is lived through in every period.

    brought: by battery and period, energy that new units arrive with. [MWh]
    """
    if not case.input.events:
        return
    stores = list(site.family_items("battery"))
    ends = {(m.p, m.year): max(m.days) for m in months}
    steps = {at: np.concatenate([m.hours.step_of_year for m in months if (m.p, m.year) == at]) for at in sorted(ends)}
    charge = {item.id: _before(months, item, brought[item.id]) for item in stores}
    charge = {i: {at: soc - site.kept.of(i, at[0]).up_mwh for at, soc in of.items()} for i, of in charge.items()}
    left = {at: {i.id: _free_mwh(case, tables, site, i, at[0], end) for i in stores} for at, end in ends.items()}
    begins = [begins_of(case, event) for event in case.input.events]
    struck = {at: np.isin(known, np.concatenate(begins)) for at, known in steps.items()}
    _reserves(checks, tables, site, charge, struck, left)
    for event, wanted in zip(case.input.events, begins, strict=True):
        for (p, year), known in steps.items():
            at = np.flatnonzero(np.isin(known, wanted))
            lost: list[Item | None] = [None]
            if event.kind == "loss_of_largest_unit":
                machines = site.family_items("generation")
                lost = [m for m in machines if site.of_item(m.id, "generation")[p] > 0.5]
            for unit in lost if len(at) else ():
                need, load = need_mw(case, site, event, p, unit)
                ahead = steps_ahead(known[at], event.length_h, len(need))
                step_h = HOURS_PER_YEAR / len(need)
                held = {item: of[p, year][at] for item, of in charge.items()}
                short = _unserved(p, site, need[ahead] * step_h, step_h, stores, held, left[p, year])
                allowed = LOSS_TOLERANCE * step_h * load[ahead].sum(axis=1) + 1e-3
                name = f"{event.kind} in year {year + 1} from {site.starts[p]}" + (f" of {unit.id}" if unit else "")
                where = _from_hour(name, known[at] * step_h)
                checks.at_most(f"event {event.kind}", "MWh", short, 0.0, allowed, where)
                if event.calls is not None:
                    rest, _ = need_mw(case, site, event, p, unit, called=False)
                    may_begin = np.isin(np.arange(len(need)), wanted)
                    of = {True: need, False: rest}
                    wants = needed_mwh(event.calls, p, site, stores, of, may_begin, sum(left[p, year].values()))
                    through = load[steps_ahead(known[at], event.calls.horizon_h, len(need))]
                    tried = f"event {event.kind}, {patterns_of(event.calls):,} patterns of calls from every start"
                    allowed = LOSS_TOLERANCE * step_h * through.sum(axis=1) + 1e-3
                    checks.at_most(tried, "MWh", wants[known[at]], sum(held.values(), 0.0 * short), allowed, where)


def _free_mwh(case: Case, tables: Tables, site: Site, item: Item, p: int, end: date) -> float:
    """Energy a battery may hold beyond what it keeps back for swings and the largest unit. [MWh]"""
    kept = site.kept.of(item.id, p)
    return left_mwh(case, tables, site, item, p, end) - kept.up_mwh - kept.down_mwh


def _from_hour(name: str, hours: Array) -> Callable[[int], str]:
    return lambda i: f"{name} from hour of year {hours[i]:g}: not served"


def steps_ahead(starts: Index, length_h: int, steps: int) -> Index:
    """Steps of the year an event goes through, from each start; the year begins again after its last."""
    return (starts[:, None] + np.arange(length_h * steps // HOURS_PER_YEAR)) % steps


def begins_of(case: Case, event: EventInput) -> Index:
    """Steps of the year at which an event may begin, of those that are operated."""
    horizon = case.input.horizon
    in_hour = 60 // horizon.step_minutes
    operated = modelled_hours(horizon.sample_days_per_month, actual=horizon.calendar == "actual")
    found = np.flatnonzero(event.may_begin(case.weather.dry_bulb_c) & operated)
    if event.kind == "hottest_still_day" and not len(found):
        sampled = np.flatnonzero(operated)
        peak = np.argmax(case.weather.dry_bulb_c)
        found = sampled[np.argsort(np.abs(sampled - peak), kind="stable")[:1]]
    if event.kind == "hottest_still_day":
        return found * in_hour  # every hour of it is alike: it begins once
    return np.concatenate([found * in_hour + part for part in range(in_hour)])


def _before(months: list[Month], item: Item, brought: list[float]) -> dict[tuple[int, int], Array]:
    """By period and its year, state of charge before every step of it, in order of time. [MWh]"""
    result: dict[tuple[int, int], list[Array]] = {}
    last = {m.p: float(m.flow(f"soc:{item.id}_mwh")[-1]) for m in months}
    before = 0.0
    for month in months:
        if month.place == 0:
            before = last[month.p]
        elif month.place < 0:
            before += brought[month.p]
        soc = month.flow(f"soc:{item.id}_mwh")
        result.setdefault((month.p, month.year), []).append(np.concatenate([[before], soc[:-1]]))
        before = float(soc[-1])
    return {at: np.concatenate(parts) for at, parts in result.items()}


def _reserves(
    checks: Checks,
    tables: Tables,
    site: Site,
    charge: dict[str, dict[tuple[int, int], Array]],
    struck: dict[tuple[int, int], NDArray[np.bool_]],
    left: dict[tuple[int, int], dict[str, float]],
) -> None:
    """What the plan says it holds is there at every step an event may begin, and fits what stands."""
    for row in tables.summary.get("reserves", ()):
        item, held, day = str(row["item"]), float(row["reserve_mwh"]), as_date(row["period"])
        known = item in charge and day in site.starts
        checks.true("reserves", known, f"reserve of {item} in {day}: no such battery or period")
        if not known:
            continue
        p = site.starts.index(day)
        years = [at for at in left if at[0] == p]  # none where its hours are missing, which is reported as such
        most = min((left[at][item] for at in years), default=np.inf)
        checks.at_most("reserves", "MWh", held, most, 1e-5 * (1.0 + most), says(f"reserve of {item} in {day}"))
        for at in years:
            short = held - charge[item][at][struck[at]]
            checks.at_most(
                "reserves", "MWh", short, 0.0, 1e-4 + 1e-6 * most, says(f"{item} in {day} below its reserve")
            )


def need_mw(
    case: Case, site: Site, event: EventInput, p: int, lost: Item | None, *, called: bool = True
) -> tuple[Array, Array]:
    """(load that must be carried less all that can carry it, that load) by step of the year. [MW]

    called: in the hours of the event, or in those of rest between two calls.
    """
    still, steps = event.kind == "hottest_still_day", len(case.load_shape)
    hour = np.arange(steps) * HOURS_PER_YEAR // steps
    like = np.full(steps, int(np.argmax(case.weather.dry_bulb_c))) if still else hour
    load, carried = np.zeros(steps), event.load_fraction if called else 1.0
    if case.load_series_mw is not None:
        series = site.load_by_step(p)
        load = load + carried * (np.full(steps, series.max()) if still else series)
    if site.racks:
        shape = carried * case.load_shape
        if still:
            shape = np.full(steps, carried * max(r.design_mw / r.mean_mw for r in site.racks))
        load = load + shape * it_mean_mw(site, p) + float(site.network_mw[p]) + losses_mw(site, p, shape)
        load = load + _cooling(site, p, shape, like)
    left = {"grid_outage": 0.0, "called_curtailment": event.grid_fraction_left if called else 1.0}.get(event.kind, 1.0)
    able = np.zeros(steps)
    if case.tariff is not None:
        grid = float(site.grid_mw[p])
        kept = (
            min(grid, left * grid + (1.0 - left) * uncalled_mw(case, site.starts[p])) if event.of_curtailment else 0.0
        )
        able += max(left * grid, kept) * (1.0 - site.import_loss)
    if event.kind == "grid_outage":
        able += _standby_mw(case, site, p)
    supply, gas = case.input.site.gas, []
    for item in site.family_items("generation") if may_fire(case, site.starts[p]) else ():
        if event.notice_min is not None:  # of what is not running, what starts in time serves
            start = item.start_time_minutes
            if start is None or max(start.planning, start.high or 0.0) > event.notice_min:
                continue
        units = float(site.of_item(item.id, "generation")[p]) - (1.0 if item is lost else 0.0)
        mw = max(units, 0.0) * item.get("nameplate_power_mw") * site.hourly_rating(item)[like]
        if supply is not None and item.fuel == "natural_gas":
            gas.append((mmbtu_per_mwh(item), mw))
        else:
            able += mw
    if supply is not None and supply.firm and gas:
        able += fed_mw(gas, gas_mmbtu_per_day(case, site.starts[p]) / 24.0)
    for item in () if still else site.family_items("renewable"):
        if item.dc_ac_ratio is None:
            output = wind_output_fraction(case.weather)
        else:
            output = solar_output_fraction(case.weather, dc_ac_ratio=item.dc_ac_ratio.planning)
        able += float(site.of_item(item.id)[p]) * item.get("nameplate_power_mw") * output[hour]
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
    """Least power that rejects the heat of every step. [MW]"""
    total, constant = np.zeros(len(shape)), constant_heat_mw(site, p)
    for loop, following in following_heat_mw(site, p, shape).items():
        heat = constant[loop] + following
        choices, part = site.rejectors[loop], f"heat_rejection:{loop}"
        if not choices:
            continue
        power = np.array([r.power[like] for r in choices])
        if len(choices) == 1:
            total += power[0] * heat
            continue
        able = np.array([r.capacity[like] * r.rated_mw * float(site.switched_on(r.item.id, part)[p]) for r in choices])
        order = np.argsort(power, axis=0, kind="stable")
        power, able = np.take_along_axis(power, order, 0), np.take_along_axis(able, order, 0)
        carried = np.minimum(np.cumsum(able, axis=0), heat)
        total += (np.diff(carried, axis=0, prepend=0.0) * power).sum(axis=0)
    return total


def _unserved(
    p: int,
    site: Site,
    need_mwh: Array,
    step_h: float,
    stores: list[Item],
    held: dict[str, Array],
    left: dict[str, float],
) -> Array:
    """Energy missing in an event from each start. [MWh]

    need_mwh: (starts, steps). held: in each battery, by start. left: the most each may hold.
    """
    there = [i for i in stores if site.of_item(i.id)[p] > 0]
    units = np.array([float(site.of_item(i.id)[p]) for i in there])
    power = units * np.array([i.get("nameplate_power_mw") for i in there])
    power = np.maximum(power - np.array([site.kept.of(i.id, p).power_mw for i in there]), 1e-9)
    energy = np.array([left[i.id] for i in there])
    one_way = np.sqrt(np.array([i.get("round_trip_efficiency_fraction") for i in there]))
    soc = np.array([held[i.id] for i in there]).T.reshape(len(need_mwh), len(there))
    missing = np.zeros(len(need_mwh))
    for ask in need_mwh.T:
        if not there:
            missing += np.maximum(ask, 0.0)
            continue
        hours = soc * one_way / power
        given = power * _shares(np.maximum(ask, 0.0), hours, np.minimum(hours, step_h), power)
        room = np.clip((energy - soc) / (power * one_way), 0.0, step_h)
        taken = power * _shares(np.maximum(-ask, 0.0), -hours, room, power)
        missing += np.maximum(ask - given.sum(axis=1), 0.0)
        soc = np.maximum(soc - given / one_way + taken * one_way, 0.0)
    return missing


def _shares(ask: Array, rank: Array, most: Array, power: Array) -> Array:
    """Hours at full power each battery moves: all down to one level of the rank, each for at most its most."""
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
