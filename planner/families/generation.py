"""On-site generation from fuel: engines, turbines, fuel cells.

Symbols, per item j (R nameplate MW standing, kappa_j(t) site rating by temperature and altitude):
    generation_capacity[t]:      y_j(t) <= kappa_j(t) R_j
    generation_availability:     sum_t y_j(t) <= a_j sum_t kappa_j(t) R_j          maintenance and outages, by month
    in an event, without the latter:  y_j(t) <= kappa_j(t) (R_j - lost_j)          lost_j: MW of the unit that fails
    generation_late[t]:          y_j(t) <= 0      in a call, of an item that does not start within its notice
Fuel is paid on HHV. Firm capacity is rated at the site's extreme dry bulb and counts less its spares.

An item with a minimum load, a cost of starts, a heat rate at half load or a ramp that can bind within a step is
committed. Of it o_j(t) MW of nameplate are online and s_j(t) MW start, linear in a block and whole units in the check
of a plan (m_j minimum load, rho_j nameplate a step, d_j(t) = o_j(t-1) - o_j(t) + s_j(t) MW that stop):
    generation_capacity[t]:      y_j(t) <= kappa_j(t) o_j(t)
    generation_minimum_load[t]:  m_j kappa_j(t) o_j(t) <= y_j(t)
    generation_online[t]:        o_j(t) <= R_j
    generation_start[t]:         o_j(t) - o_j(t-1) <= s_j(t)       before the first step comes the last: a block is
                                                                   a circle, as a sampled day that repeats itself is
    generation_idle[t]:          o_j(t-1) + s_j(t) <= R_j          with ramps: only what stands still starts
    generation_ramp_up[t]:       y_j(t) - y_j(t-1) <= rho_j (o_j(t) - s_j(t)) + kappa_j(t) s_j(t)
    generation_ramp_down[t]:     y_j(t-1) - y_j(t) <= rho_j (o_j(t) - s_j(t)) + kappa_j(t-1) d_j(t)
A rented item runs like any other while it is held (`sizing.rent`). Units that stand by once they are no bridge
(`standby_generation: {from_bridge: true}`) are in R all the same: in a normal hour they may run, in an event they run.
Ramps hold within a block, not from one to the next. Fuel is a no-load part of what is online, in proportion to
nameplate, and an incremental part of output: through the heat rates at full and at half load. A unit that starts may
carry any load from its first step on; in an event every unit that stands may, at any load.
Not modelled: least times on and off, emissions of a start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Shared
from planner.case.case import Case
from planner.case.item import Item
from planner.timeline import Hours
from planner.units import BTU_PER_MMBTU, HHV_OVER_LHV_GAS

Array = NDArray[np.float64]
Index = NDArray[np.int64]
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
    fuel_usd_per_mmbtu_hhv: float
    variable_om_usd_per_mwh: float
    fuel_growth_per_year: float  # of the prices, which are those of the base year
    variable_om_growth_per_year: float
    ramp_fraction_per_step: float  # of nameplate; infinite where the item has no limit

    @property
    def fuel_usd_per_mwh(self) -> float:
        """Fuel of a MWh at full load."""
        return heat_rate_mmbtu_hhv_per_mwh(self.item) * self.fuel_usd_per_mmbtu_hhv

    @property
    def minimum_load_fraction(self) -> float:
        """Least output of a unit that runs, over its rating of the hour."""
        return self.item.get("minimum_load_fraction", 0.0)

    @property
    def ramps(self) -> bool:
        """Whether a unit cannot go from minimum load to full load, or back, within a step."""
        least = self.minimum_load_fraction * float(self.capacity_fraction.min())
        return self.ramp_fraction_per_step < 1.0 - least

    @property
    def starts(self) -> bool:
        """Whether it matters when a unit starts."""
        return self.ramps or self.item.get("start_cost_usd", 0.0) > 0 or self.start_mmbtu_hhv_per_mw > 0

    @property
    def committed(self) -> bool:
        """Whether it matters how much of it is online."""
        return self.starts or self.minimum_load_fraction > 0 or no_load_mmbtu_hhv_per_mwh(self.item) > 0

    @property
    def start_mmbtu_hhv_per_mw(self) -> float:
        """Fuel of a start, per MW of nameplate."""
        return self.item.get("start_fuel_mmbtu_hhv", 0.0) / self.nameplate_mw

    @property
    def online(self) -> str:
        """Columns of what is online. [MW of nameplate]"""
        return f"online:{self.item.id}"

    @property
    def started(self) -> str:
        """Columns of what starts. [MW of nameplate]"""
        return f"started:{self.item.id}"


def site_rating_fraction(item: Item, dry_bulb_c: Array | float, elevation_m: float) -> Array:
    """Output at the site over nameplate: linear derating above a temperature and with altitude.

    A simple-cycle turbine at -0.8 %/K above 15 C gives 0.83 at 36 C.
    """
    hot = np.maximum(0.0, np.asarray(dry_bulb_c, float) - item.get("derate_from_c", 40.0))
    by_heat = 1.0 - item.get("derate_fraction_per_k", 0.0) * hot
    by_height = 1.0 - item.get("derate_fraction_per_300m", 0.0) * max(0.0, elevation_m) / _FEET_STEP_M
    rating: Array = np.clip(by_heat * by_height, 0.0, 1.0)
    return rating


def nox_kg_per_mwh_of_ppm(ppm: float, heat_rate_btu_per_kwh_hhv: float) -> float:
    """NOx as NO2 of a turbine on gas, from ppm at 15 % oxygen, dry. [kg/MWh of electricity]

    EPA Method 19: 1.194e-7 lb/scf a ppm, 8,710 dscf/MMBtu HHV, 20.9 / (20.9 - 15) of excess air. 9 ppm at 10,670
    Btu/kWh HHV are .16.
    """
    return ppm * 1.671e-6 * heat_rate_btu_per_kwh_hhv


def nox_kg_per_mwh_of_mg(mg_per_nm3: float, heat_rate_btu_per_kwh_lhv: float) -> float:
    """NOx of a gas engine, from mg/Nm3 at 5 % oxygen, dry. [kg/MWh of electricity]

    About 9.8e-4 Nm3 of such flue gas a kJ LHV. 500 mg/Nm3 at 7,633 Btu/kWh LHV are 1.28.
    """
    return mg_per_nm3 * 3.35e-7 * heat_rate_btu_per_kwh_lhv


def nox_kg_per_mwh_of_bhp_hours(g_per_bhp_hour: float, generator_efficiency_fraction: float = 0.97) -> float:
    """NOx of an engine, from g a brake horsepower-hour at the shaft. [kg/MWh of electricity]  x 1.38 at .97."""
    return g_per_bhp_hour / 0.745700 / generator_efficiency_fraction


def firm_of(total_mw: float, largest_mw: float, spares: int, island_mw: float | None) -> float:
    """What machines carry with the largest of every island out. [MW]  island_mw: most load of one; None: one island.

    >>> firm_of(30.0, 3.0, 1, None), firm_of(30.0, 3.0, 1, 12.0), firm_of(27.0, 3.0, 1, 12.0)
    (27.0, 24.0, 21.0)
    """
    if island_mw is None or not spares:
        return max(0.0, total_mw - spares * largest_mw)
    islands = range(1, math.ceil(total_mw / island_mw) + 2)
    return max(0.0, *(min(total_mw - spares * largest_mw * n, island_mw * n) for n in islands))


def heat_rate_mmbtu_hhv_per_mwh(item: Item) -> float:
    """Fuel burnt per MWh at full load, as it is sold. [MMBtu HHV/MWh]"""
    if item.heat_rate_btu_per_kwh_hhv is not None:
        btu = item.heat_rate_btu_per_kwh_hhv.planning
    else:
        btu = item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_GAS
    return btu * 1000.0 / BTU_PER_MMBTU


def no_load_mmbtu_hhv_per_mwh(item: Item) -> float:
    """Fuel per hour of a MW of nameplate online, over its load: 2 (half-load fuel) - full-load fuel. [MMBtu HHV/MWh]

    2.24 kWh/kWh at full and 2.42 at half load give .18, and 2.06 for every kWh on top.
    """
    if item.heat_rate_half_load_btu_per_kwh_hhv is not None:
        half = item.heat_rate_half_load_btu_per_kwh_hhv.planning
    elif item.heat_rate_half_load_btu_per_kwh_lhv is not None:
        half = item.heat_rate_half_load_btu_per_kwh_lhv.planning * HHV_OVER_LHV_GAS
    else:
        return 0.0
    return max(0.0, half * 1000.0 / BTU_PER_MMBTU - heat_rate_mmbtu_hhv_per_mwh(item))


def incremental_mmbtu_hhv_per_mwh(item: Item) -> float:
    """Fuel of one more MWh from what is online. [MMBtu HHV/MWh]"""
    return heat_rate_mmbtu_hhv_per_mwh(item) - no_load_mmbtu_hhv_per_mwh(item)


def burnt_mmbtu_hhv_per_mwh(machine: Generator, step_h: float) -> dict[str, float]:
    """Fuel of a machine by its columns in a block. [MMBtu HHV per MWh of each]"""
    burnt = {machine.key: incremental_mmbtu_hhv_per_mwh(machine.item)}
    if machine.committed:
        burnt[machine.online] = no_load_mmbtu_hhv_per_mwh(machine.item)
    if machine.starts:
        burnt[machine.started] = machine.start_mmbtu_hhv_per_mw / step_h
    return burnt


def generators(case: Case) -> tuple[Generator, ...]:
    """Every generation item that may run in normal hours."""
    ids = [*case.candidates.get("generation", ())]
    owned = [(name, case.catalog[name]) for name in case.input.owned]
    ids += [name for name, item in owned if item.family == "generation" and item.permit_class != "emergency"]
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
                usd or 0.0,
                item.get("variable_om_usd_per_mwh"),
                growth.diesel if item.fuel == "diesel" else growth.natural_gas,
                growth.variable_om,
                item.get("ramp_fraction_per_minute", math.inf) * case.input.horizon.step_minutes,
            )
        )
    return tuple(result)


def operate(builder: BlockBuilder, hours: Hours, machines: tuple[Generator, ...]) -> None:
    """Generation in a block. Links: generation:<item> in MW of nameplate."""
    for machine in machines:
        output = builder.add(machine.key)
        builder.supply(output)
        fuel = incremental_mmbtu_hhv_per_mwh(machine.item) * machine.fuel_usd_per_mmbtu_hhv * hours.weight
        builder.price("fuel", output, fuel, machine.fuel_growth_per_year)
        om = machine.variable_om_usd_per_mwh * hours.weight
        builder.price("variable O&M", output, om, machine.variable_om_growth_per_year)
        kappa = machine.capacity_fraction[hours.hour_of_year]
        if machine.committed:
            _commit(builder, hours, machine, output.index, kappa)
        else:
            builder.rows(f"generation_capacity:{machine.item.id}", [(1.0, output.index)], [(-kappa, machine.key)])
        if machine.availability < 1.0:
            name = f"generation_availability:{machine.item.id}"
            limit, key = machine.availability * float(kappa.sum()) * hours.weight, machine.key
            if builder.shares(name):
                limit, key = 1.0, name
            builder.total(name, [(hours.weight, output.index)], [(-limit, key)])


def _commit(builder: BlockBuilder, hours: Hours, machine: Generator, output: Index, kappa: Array) -> None:
    """What is online and starts, linear in a block, and what it costs beside output."""
    name, usd = machine.item.id, machine.fuel_usd_per_mmbtu_hhv
    online = builder.add(machine.online, unit=machine.nameplate_mw)
    idle = no_load_mmbtu_hhv_per_mwh(machine.item) * usd * hours.weight
    builder.price("fuel", online, idle, machine.fuel_growth_per_year)
    builder.rows(f"generation_capacity:{name}", [(1.0, output), (-kappa, online.index)])
    builder.rows(f"generation_online:{name}", [(1.0, online.index)], [(-1.0, machine.key)])
    if machine.minimum_load_fraction > 0:
        least = machine.minimum_load_fraction * kappa
        builder.rows(f"generation_minimum_load:{name}", [(-1.0, output), (least, online.index)])
    if not machine.starts:
        return
    started = builder.add(machine.started, unit=machine.nameplate_mw if machine.ramps else None)  # whole by itself
    often = hours.weight / hours.step_h  # a sampled day stands for others that start alike
    wear = machine.item.get("start_cost_usd", 0.0) / machine.nameplate_mw * often
    builder.price("starts", started, wear, machine.variable_om_growth_per_year)
    builder.price("fuel", started, machine.start_mmbtu_hhv_per_mw * usd * often, machine.fuel_growth_per_year)
    before = np.roll(online.index, 1)
    builder.rows(f"generation_start:{name}", [(1.0, online.index), (-1.0, before), (-1.0, started.index)])
    if machine.ramps:
        builder.rows(f"generation_idle:{name}", [(1.0, before), (1.0, started.index)], [(-1.0, machine.key)])
        _ramp(builder, machine, output, online.index, started.index, kappa)


def _ramp(
    builder: BlockBuilder, machine: Generator, output: Index, online: Index, started: Index, kappa: Array
) -> None:
    """How fast what stays online may change its output."""
    name, rate = machine.item.id, machine.ramp_fraction_per_step
    now, then = slice(1, None), slice(None, -1)
    up, down = np.minimum(rate, kappa[now]), np.minimum(rate, kappa[then])
    builder.rows(
        f"generation_ramp_up:{name}",
        [(1.0, output[now]), (-1.0, output[then]), (-up, online[now]), (up - kappa[now], started[now])],
    )
    builder.rows(
        f"generation_ramp_down:{name}",
        [
            (1.0, output[then]),
            (-1.0, output[now]),
            (kappa[then] - down, online[now]),
            (-kappa[then], online[then]),
            (down - kappa[then], started[now]),
        ],
    )


def ride(
    builder: BlockBuilder, hours: Hours, machines: tuple[Generator, ...], lost: str | None, late: frozenset[str]
) -> None:
    """Generation through an event: all that stands, less a lost unit. Links: generation:<item>, `lost`, in MW.

    late: items that do not start in time.
    """
    for machine in machines:
        output = builder.add(machine.key)
        if machine.item.id in late:
            builder.rows(f"generation_late:{machine.item.id}", [(1.0, output.index)])
            continue
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
