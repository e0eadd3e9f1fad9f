"""Annual limits on what the site burns, emits and evaporates, shared out over the months or what blocks they have.

    cap:<name>       sum over hours of factor x flow <= allowance of the block, a linking component

The sizing model hands out the allowances: over every calendar year they add up to no more than the limit. Factors:
carbon dioxide by fuel burnt (on site alone, not of power bought), nitrogen oxides by the item's figure for output, fuel
on HHV, with what is burnt at no load and in starts where units are committed, evaporation by the item's figure (without
blow-down, which make-up water has), run-hours as MWh over the rating of what stands, and the cycles of a battery's
warranty as MWh discharged over the nameplate energy of what stands. Standby generators do not run in a plan's hours, so
their tests are in no cap, nor is what events burn. With scenarios the limit holds on every path.
An air permit's enforceable cap is kept the same way, in any 12 months, by item (`sizing.permits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder
from planner.case.case import Case
from planner.case.water import takes_water
from planner.families.battery import Battery
from planner.families.cooling import LOOPS, Heat, Rejection
from planner.families.generation import Generator, burnt_mmbtu_hhv_per_mwh
from planner.timeline import Hours
from planner.units import CO2_KG_PER_MMBTU_HHV, HOURS_PER_YEAR, KG_PER_T, MINUTES_PER_HOUR

Array = NDArray[np.float64]
WATER = "cap:water_m3"  # make-up, blow-down and drift included


@dataclass(frozen=True)
class Cap:
    """One annual limit. Factors are amounts per MWh of a flow, constant or hourly (8760,)."""

    key: str  # linking component: the block's allowance
    per_year: float  # per MW of `rating` where there is one
    rating: str | None = None  # linking component that the limit is in proportion to
    of_columns: dict[str, Array | float] = field(default_factory=dict)
    permitted: str = ""  # item whose permitted energy is the limit, in any 12 months (`sizing.permits`)
    of_heat: dict[str, Array] = field(default_factory=dict)  # of the whole heat of a loop


def caps_of(
    case: Case, machines: tuple[Generator, ...], rejections: tuple[Rejection, ...], stores: tuple[Battery, ...]
) -> tuple[Cap, ...]:
    """Every annual limit of a case with what counts towards it."""
    warranties = (cap for store in stores for cap in _of_warranty(store))
    site, permit = _of_site(case, machines, rejections), _of_permit(case, machines)
    return (*site, *_of_water(case, rejections), *permit, *warranties)


def _of_permit(case: Case, machines: tuple[Generator, ...]) -> list[Cap]:
    """Energy the air permit allows of each item: MWh given, or hours its units are online times their nameplate.

    Of an item whose units are not committed, what runs is as few of them as carry the output.
    """
    permit = case.input.site.air_permit
    if permit is None or permit.enforceable_cap == "none":
        return []
    found = []
    for machine in machines:
        running: dict[str, Array | float] = {machine.key: 1.0}
        if permit.enforceable_cap == "hours":
            running = {machine.online: 1.0} if machine.committed else {machine.key: 1.0 / machine.capacity_fraction}
        name = machine.item.id
        found.append(Cap(f"cap:permitted_mwh:{name}", 0.0, of_columns=running, permitted=name))
    return found


def _of_water(case: Case, rejections: tuple[Rejection, ...]) -> list[Cap]:
    given = case.input.site.water
    if given is None or given.m3_per_year is None or not any(takes_water(r.item) for r in rejections):
        return []
    return [_of_heat(WATER, given.m3_per_year, [(r, r.makeup_l_per_kwh) for r in rejections])]


def _of_warranty(store: Battery) -> list[Cap]:
    if store.item.warranty_cycles_per_year is None:
        return []
    name, cycles = store.item.id, store.item.warranty_cycles_per_year.planning
    return [Cap(f"cap:cycled_mwh:{name}", cycles * store.hours, store.key, {f"discharge:{name}": 1.0})]


def _of_site(case: Case, machines: tuple[Generator, ...], rejections: tuple[Rejection, ...]) -> list[Cap]:
    given = case.input.site.caps
    if given is None:
        return []
    burnt: dict[str, float] = {}
    carbon: dict[str, float] = {}
    for m in machines:
        of = burnt_mmbtu_hhv_per_mwh(m, case.input.horizon.step_minutes / MINUTES_PER_HOUR)
        burnt |= of
        each = CO2_KG_PER_MMBTU_HHV[m.item.fuel or "natural_gas"] / KG_PER_T
        carbon |= {name: mmbtu * each for name, mmbtu in of.items()}
    found = []
    if given.fuel_mmbtu_hhv_per_year is not None:
        found.append(Cap("cap:fuel_mmbtu_hhv", given.fuel_mmbtu_hhv_per_year, of_columns={**burnt}))
    if given.co2_t_per_year is not None:
        found.append(Cap("cap:co2_t", given.co2_t_per_year, of_columns={**carbon}))
    if given.nox_t_per_year is not None:
        nitrogen: dict[str, Array | float] = {m.key: m.item.get("nox_kg_per_mwh") for m in machines}
        found.append(Cap("cap:nox_kg", given.nox_t_per_year * KG_PER_T, of_columns=nitrogen))
    if given.evaporation_m3_per_year is not None:
        evaporated = [(r, r.water_l_per_kwh) for r in rejections]
        found.append(_of_heat("cap:evaporation_m3", given.evaporation_m3_per_year, evaporated))
    for machine in machines:
        hours = given.run_hours_per_year.get(machine.item.id)
        if hours is not None:
            found.append(Cap(f"cap:run_mwh:{machine.item.id}", hours, machine.key, {machine.key: 1.0}))
    return found


def _of_heat(key: str, m3_per_year: float, water: Sequence[tuple[Rejection, Array]]) -> Cap:
    """Limit on water. water: litres for a kWh of heat, by item; 1 L per kWh is 1 m3 per MWh."""
    columns: dict[str, Array | float] = {}
    whole: dict[str, Array] = {}
    for loop in LOOPS:
        options = [(r, each) for r, each in water if r.loop == loop]
        for r, each in options:
            if len(options) == 1:
                whole[loop] = each
            else:
                columns[f"heat_rejected:{loop}:{r.item.id}"] = each
    return Cap(key, m3_per_year, of_columns=columns, of_heat=whole)


def operate(builder: BlockBuilder, hours: Hours, caps: tuple[Cap, ...], heat: Mapping[str, Heat]) -> None:
    """Rows of the annual limits in a block. Links: every cap's allowance, and those of the heat."""
    at = hours.hour_of_year
    for cap in caps:
        terms = []
        for name, factor in cap.of_columns.items():
            columns = builder.columns(name)
            amount = np.broadcast_to(np.asarray(factor, float), (HOURS_PER_YEAR,))[at]
            terms.append((amount * hours.weight, columns.index))
        links = [(-1.0, cap.key)]
        if cap.of_heat:  # heat that must be removed leaves no choice: too little water is a shortage, never a cost
            short = builder.add(f"shortage_{cap.key}", hours=np.array([0]), shortage=True)
            terms.append((np.array([-1.0]), short.index))
        for loop, factor in cap.of_heat.items():
            each = factor[at] * hours.weight
            links += [(float(each @ share), link) for share, link in heat[loop].links]
            terms += [(each[columns.hours] * share, columns.index) for share, columns in heat[loop].columns]
        builder.total(cap.key, terms, links)
