"""The auditor's formulas: groups and spares, machines in heat and height, fuel, heat rejection in weather."""

from __future__ import annotations

import math

import numpy as np

from planner.audit.base import Array
from planner.case.case import Case
from planner.case.item import Item
from planner.case.schema import Redundancy
from planner.units import HHV_OVER_LHV_GAS


def active_units(scheme: Redundancy | None, n: int, unit_mw: float, racks_mw: float | None) -> int:
    """Units that carry load out of n, the rest being spares of their groups or second paths.

    racks_mw: load of a group of racks, which one group must carry whole; None for other groups.

    >>> active_units(Redundancy(scheme="N+1", group_mw=5), 12, 1.25, None)  # 4 + 1, 4 + 1, 1 + 1
    9
    >>> [active_units(Redundancy(scheme=name), 11, 2.0, None) for name in ("4N/3", "2N", "N+2")]
    [6, 5, 9]
    >>> [active_units(Redundancy(scheme="block_redundant", blocks_per_catcher=6), n, 2.0, None) for n in (7, 8, 9, 14)]
    [6, 6, 7, 12]
    """
    name = scheme.scheme if scheme is not None else "N"
    if scheme is not None and scheme.blocks_per_catcher is not None:
        k = scheme.blocks_per_catcher  # of k + 1 units one stands by; of what is left over too
        return n // (k + 1) * k + max(n % (k + 1) - 1, 0)
    for text, (whole, made) in {"3N/2": (3, 2), "4N/3": (4, 3)}.items():
        if name == text:
            return n // whole * made
    paths = 2 if name in ("2N", "2(N+1)") else 1
    spares = 2 if name == "2(N+1)" else int(name[2:]) if name.startswith("N+") else 0
    if scheme is None or not spares:
        return n // paths
    size = n + 1  # one group for the whole site
    if racks_mw is not None:
        size = max(1, math.ceil(racks_mw / unit_mw - 1e-9))
    elif scheme.group_mw is not None:
        size = max(1, math.floor(scheme.group_mw / unit_mw + 1e-9))
    return next(a for a in range(n, -1, -1) if paths * a + spares * math.ceil(a / size) <= n or a == 0)


def floor_m2(item: Item) -> float:
    """Hall floor of a unit with its aisles."""
    return item.get("planning_area_m2") if item.planning_area_m2 is not None else item.get("footprint_m2")


def site_rating(item: Item, dry_bulb_c: Array, elevation_m: float) -> Array:
    """Output of a machine over nameplate in heat and height."""
    over = np.maximum(dry_bulb_c - item.get("derate_from_c", 40.0), 0.0)
    heat = 1.0 - over * item.get("derate_fraction_per_k", 0.0)
    height = 1.0 - item.get("derate_fraction_per_300m", 0.0) * max(elevation_m, 0.0) / 300.0
    return np.minimum(np.maximum(heat * height, 0.0), 1.0)


def mmbtu_per_mwh(item: Item) -> float:
    """Fuel of one MWh at full load, on HHV."""
    if item.heat_rate_btu_per_kwh_hhv is not None:
        return item.get("heat_rate_btu_per_kwh_hhv") / 1000.0  # Btu/kWh = 1e-3 MMBtu/MWh
    return item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_GAS / 1000.0


def no_load_mmbtu_per_mwh(item: Item) -> float:
    """Fuel a MW of nameplate online burns in an hour beside what its output takes, on HHV: from full and half load."""
    half = 0.0
    if item.heat_rate_half_load_btu_per_kwh_hhv is not None:
        half = item.get("heat_rate_half_load_btu_per_kwh_hhv")
    elif item.heat_rate_half_load_btu_per_kwh_lhv is not None:
        half = item.get("heat_rate_half_load_btu_per_kwh_lhv") * HHV_OVER_LHV_GAS
    return max(half / 1000.0 - mmbtu_per_mwh(item), 0.0)


def evaporation_m3_per_mwh(item: Item, supply_c: float, dry_c: Array, wet_c: Array) -> Array:
    """Water evaporated for a MWh of heat: always by towers, by pads only where dry air is too warm."""
    each = np.full(dry_c.shape, item.get("evaporation_l_per_kwh", 0.0))
    if "tower" in item.item_class or "water_cooled" in item.item_class:
        return each
    if item.adiabatic_effectiveness_fraction is None or item.carnot_efficiency_fraction is not None:
        return np.zeros(dry_c.shape)
    return np.where(supply_c - dry_c < item.get("approach_k"), each, 0.0)


def dearer(case: Case, good: str, year: int) -> float:
    """What a price of the base year has become: once more its rate, year by year."""
    finance = case.input.finance
    rate = float(finance.escalation_fraction_per_year.model_dump()[good])
    factor = 1.0
    for _ in range(abs(year - finance.base_year)):
        factor *= 1.0 + rate
    return factor if year >= finance.base_year else 1.0 / factor


def fuel_usd_per_mmbtu(case: Case, item: Item, year: int) -> float:
    """Price of a machine's fuel on HHV, in a year."""
    fuel = case.input.site.fuel
    price = fuel.diesel_usd_per_mmbtu_hhv if item.fuel == "diesel" else fuel.natural_gas_usd_per_mmbtu_hhv
    return (price or 0.0) * dearer(case, "diesel" if item.fuel == "diesel" else "natural_gas", year)


def fuel_usd_per_mwh(case: Case, item: Item, year: int) -> float:
    """Fuel of one MWh at full load, at the prices of a year."""
    return mmbtu_per_mwh(item) * fuel_usd_per_mmbtu(case, item, year)


def rejection_performance(item: Item, supply_c: float, dry_c: Array, wet_c: Array) -> tuple[Array, Array]:
    """(capacity over rated, MW per MW of heat) of a rejection item that must deliver water at supply_c."""
    fans = item.get("fan_power_fraction", 0.0)
    evaporative = "tower" in item.item_class or "water_cooled" in item.item_class
    air = wet_c if evaporative else dry_c
    if item.carnot_efficiency_fraction is None:
        if item.adiabatic_effectiveness_fraction is not None:
            air = dry_c - (dry_c - wet_c) * item.get("adiabatic_effectiveness_fraction")
        capacity = np.minimum(np.maximum((supply_c - air) / item.get("approach_k"), 0.0), 1.0)
        return capacity, np.full(capacity.shape, fans)
    cold = supply_c - 4.0 + 273.15  # evaporator 4 K below the water
    hot = air + item.get("condenser_approach_k") + 273.15
    cop = item.get("carnot_efficiency_fraction") * cold / np.maximum(hot - cold, 1e-9)
    cop = np.minimum(np.maximum(cop, 2.0), 12.0)
    mechanical = np.ones(air.shape)
    if item.free_cooling_approach_k is not None:  # of a water rise of 10 K, what outdoor air cannot take
        mechanical = np.clip((air + item.get("free_cooling_approach_k") - supply_c) / 10.0, 0.0, 1.0)
    derate = item.get("capacity_derate_fraction_per_k", 0.0) * np.maximum(air - 35.0, 0.0)
    return np.maximum(1.0 - derate, 0.0), mechanical / cop + fans
