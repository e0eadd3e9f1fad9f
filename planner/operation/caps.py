"""Annual limits on what the site burns, emits and evaporates, shared out over the months or what blocks they have.

    cap:<name>       sum over hours of factor x flow <= allowance of the block, a linking component

The sizing model hands out the allowances: over every calendar year they add up to no more than the limit. Factors:
carbon dioxide by fuel burnt (on site alone, not of power bought), nitrogen oxides by the item's figure for output, fuel
on HHV, with what is burnt at no load and in starts where units are committed, evaporation by the item's figure
(blow-down comes on top), run-hours as MWh over the rating of what stands, and the cycles of a battery's warranty as MWh
discharged over the nameplate energy of what stands. Standby generators do not run in a plan's hours, so their tests are
in no cap, nor is what events burn. With scenarios the limit holds on every path.
An air permit's enforceable cap is kept the same way, in any 12 months, by item (`sizing.permits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Columns
from planner.case.case import Case
from planner.families.battery import Battery
from planner.families.cooling import LOOPS, Rejection
from planner.families.generation import Generator, burnt_mmbtu_hhv_per_mwh
from planner.timeline import Hours
from planner.units import CO2_KG_PER_MMBTU_HHV, HOURS_PER_YEAR, KG_PER_T, MINUTES_PER_HOUR

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cap:
    """One annual limit. Factors are amounts per MWh of a flow, constant or hourly (8760,)."""

    key: str  # linking component: the block's allowance
    per_year: float  # per MW of `rating` where there is one
    rating: str | None = None  # linking component that the limit is in proportion to
    of_columns: dict[str, Array | float] = field(default_factory=dict)
    of_links: dict[str, Array] = field(default_factory=dict)  # flow = component x load shape
    permitted: str = ""  # item whose permitted energy is the limit, in any 12 months (`sizing.permits`)


def caps_of(
    case: Case, machines: tuple[Generator, ...], rejections: tuple[Rejection, ...], stores: tuple[Battery, ...]
) -> tuple[Cap, ...]:
    """Every annual limit of a case with what counts towards it."""
    site, warranties = _of_site(case, machines, rejections), (cap for store in stores for cap in _of_warranty(store))
    return (*site, *_of_permit(case, machines), *warranties)


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
        found.append(_evaporation(given.evaporation_m3_per_year, rejections))
    for machine in machines:
        hours = given.run_hours_per_year.get(machine.item.id)
        if hours is not None:
            found.append(Cap(f"cap:run_mwh:{machine.item.id}", hours, machine.key, {machine.key: 1.0}))
    return found


def _evaporation(m3_per_year: float, rejections: tuple[Rejection, ...]) -> Cap:
    columns: dict[str, Array | float] = {}
    links: dict[str, Array] = {}
    for loop in LOOPS:
        options = [r for r in rejections if r.loop == loop]
        for r in options:  # 1 L per kWh is 1 m3 per MWh
            if len(options) == 1:
                links[f"heat:{loop}"] = r.water_l_per_kwh
            else:
                columns[f"heat_rejected:{loop}:{r.item.id}"] = r.water_l_per_kwh
    return Cap("cap:evaporation_m3", m3_per_year, of_columns=columns, of_links=links)


def operate(
    builder: BlockBuilder,
    hours: Hours,
    shape: Array,
    caps: tuple[Cap, ...],
    shifts: Mapping[str, Sequence[tuple[Columns, Columns, float]]],
) -> None:
    """Rows of the annual limits in a block. Links: every cap's allowance.

    shifts: by loop, IT draw moved between hours, as (MW more, MW less, MW of heat per MW).
    """
    at, shape = hours.hour_of_year, shape[hours.step_of_year]
    for cap in caps:
        terms = []
        for name, factor in cap.of_columns.items():
            columns = builder.columns(name)
            amount = np.broadcast_to(np.asarray(factor, float), (HOURS_PER_YEAR,))[at]
            terms.append((amount * hours.weight, columns.index))
        links = [(-1.0, cap.key)]
        if cap.of_links:  # heat that must be removed leaves no choice: too little water is a shortage, never a cost
            short = builder.add(f"shortage_{cap.key}", hours=np.array([0]), shortage=True)
            terms.append((np.array([-1.0]), short.index))
            links += [(float(f[at] @ shape) * hours.weight, name) for name, f in cap.of_links.items()]
        for name, factor in cap.of_links.items():
            for more, less, share in shifts.get(name.removeprefix("heat:"), ()):
                each = factor[at] * share * hours.weight
                terms += [(each, more.index), (-each, less.index)]
        builder.total(cap.key, terms, links)
