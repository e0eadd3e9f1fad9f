"""On-site generation from fuel: engines, turbines, fuel cells.

Symbols, per item j (R nameplate MW standing, kappa_j(t) site rating by temperature and altitude):
    generation_capacity[t]:      y_j(t) <= kappa_j(t) R_j
    generation_availability:     sum_t y_j(t) <= a_j sum_t kappa_j(t) R_j          maintenance and outages, by month
    in an event, without the latter:  y_j(t) <= kappa_j(t) (R_j - lost_j)          lost_j: MW of the unit that fails
Fuel is paid on HHV. Firm capacity is rated at the site's extreme dry bulb and counts less its spares.
Not modelled yet: minimum load, starts, ramps, part-load heat rate, emissions limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Shared
from planner.case.case import Case
from planner.case.catalog import Item
from planner.timeline import Hours
from planner.units import BTU_PER_MMBTU, HHV_OVER_LHV_GAS

Array = NDArray[np.float64]
_FEET_STEP_M = 300.0


@dataclass(frozen=True)
class Generator:
    """One generation item at this site."""

    key: str  # linking component, MW of nameplate standing
    item: Item
    nameplate_mw: float
    firm_mw: float  # per unit, at the extreme dry bulb
    capacity_fraction: Array  # (8760,) of nameplate
    availability: float
    fuel_usd_per_mwh: float
    variable_om_usd_per_mwh: float
    fuel_growth_per_year: float  # of the prices, which are those of the base year
    variable_om_growth_per_year: float


def site_rating_fraction(item: Item, dry_bulb_c: Array | float, elevation_m: float) -> Array:
    """Output at the site over nameplate: linear derating above a temperature and with altitude.

    A simple-cycle turbine at -0.8 %/K above 15 C gives 0.83 at 36 C.
    """
    hot = np.maximum(0.0, np.asarray(dry_bulb_c, float) - item.get("derate_from_c", 40.0))
    by_heat = 1.0 - item.get("derate_fraction_per_k", 0.0) * hot
    by_height = 1.0 - item.get("derate_fraction_per_300m", 0.0) * max(0.0, elevation_m) / _FEET_STEP_M
    rating: Array = np.clip(by_heat * by_height, 0.0, 1.0)
    return rating


def heat_rate_mmbtu_hhv_per_mwh(item: Item) -> float:
    """Fuel burnt per MWh at full load, as it is sold. [MMBtu HHV/MWh]"""
    if item.heat_rate_btu_per_kwh_hhv is not None:
        btu = item.heat_rate_btu_per_kwh_hhv.planning
    else:
        btu = item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_GAS
    return btu * 1000.0 / BTU_PER_MMBTU


def generators(case: Case) -> tuple[Generator, ...]:
    """Every generation item that may run in normal hours."""
    ids = [*case.candidates.get("generation", ())]
    ids += [
        c.item
        for c in case.input.committed
        if case.catalog[c.item].family == "generation" and case.catalog[c.item].permit_class != "emergency"
    ]
    result = []
    elevation = case.weather.elevation_m
    for item_id in dict.fromkeys(ids):
        item = case.catalog[item_id]
        fuel, growth = case.input.site.fuel, case.input.finance.escalation_fraction_per_year
        usd = fuel.diesel_usd_per_mmbtu_hhv if item.fuel == "diesel" else fuel.natural_gas_usd_per_mmbtu_hhv
        nameplate = item.get("nameplate_power_mw")
        at_extreme = float(site_rating_fraction(item, case.ambient.extreme_dry_bulb_c, elevation))
        by_hour = np.maximum(site_rating_fraction(item, case.weather.dry_bulb_c, elevation), at_extreme)
        result.append(
            Generator(
                f"generation:{item_id}",
                item,
                nameplate,
                nameplate * at_extreme,
                by_hour,
                item.get("availability_fraction", 1.0),
                heat_rate_mmbtu_hhv_per_mwh(item) * (usd or 0.0),
                item.get("variable_om_usd_per_mwh"),
                growth.diesel if item.fuel == "diesel" else growth.natural_gas,
                growth.variable_om,
            )
        )
    return tuple(result)


def operate(builder: BlockBuilder, hours: Hours, machines: tuple[Generator, ...]) -> None:
    """Generation in a block. Links: generation:<item> in MW of nameplate."""
    for machine in machines:
        output = builder.add(machine.key)
        builder.supply(output)
        fuel, om = machine.fuel_usd_per_mwh * hours.weight, machine.variable_om_usd_per_mwh * hours.weight
        builder.price("fuel", output, fuel, machine.fuel_growth_per_year)
        builder.price("variable O&M", output, om, machine.variable_om_growth_per_year)
        kappa = machine.capacity_fraction[hours.hour_of_year]
        builder.rows(f"generation_capacity:{machine.item.id}", [(1.0, output.index)], [(-kappa, machine.key)])
        if machine.availability < 1.0:
            name = f"generation_availability:{machine.item.id}"
            limit, key = machine.availability * float(kappa.sum()) * hours.weight, machine.key
            if builder.shares(name):
                limit, key = 1.0, name
            builder.total(name, [(hours.weight, output.index)], [(-limit, key)])


def ride(builder: BlockBuilder, hours: Hours, machines: tuple[Generator, ...], lost: str | None) -> None:
    """Generation through an event: all that stands, less a lost unit. Links: generation:<item>, `lost`, in MW."""
    for machine in machines:
        output = builder.add(machine.key)
        builder.supply(output)
        kappa = machine.capacity_fraction[hours.hour_of_year]
        links: list[tuple[Array | float, str]] = [(-kappa, machine.key)]
        if lost == f"lost:{machine.item.id}":
            links.append((kappa, lost))
        builder.rows(f"generation_capacity:{machine.item.id}", [(1.0, output.index)], links)


def shared(hours: Hours, machines: tuple[Generator, ...]) -> tuple[Shared, ...]:
    """What the blocks of a month share: MWh a machine may give in it."""
    return tuple(
        Shared(
            f"generation_availability:{g.item.id}",
            ((g.availability * float(g.capacity_fraction[hours.hour_of_year].sum()) * hours.weight, g.key),),
        )
        for g in machines
        if g.availability < 1.0
    )
