"""Cooling: what rejects the heat, at what power, in every hour.

Two water loops. The liquid loop serves the cold plates: facility water at the coolant supply temperature less
the CDU's approach. The air loop serves the air units with chilled water; some heat always goes to air.

Symbols, per loop l and rejection item j:
    heat_l(t)                                                         MW of heat, closed in operation/heat.py
    rejection_capacity[t]:   Q_j(t) <= kappa_j(t) x installed_j
    rejection_balance[t]:    sum_j Q_j(t) = heat_l(t)                 (only where a loop has two items or more)
    power drawn              e_j(t) x Q_j(t)
kappa and e come from the weather of the hour and are data. Sources: chillers, Carnot COP times an efficiency; dry
coolers and towers, capacity in proportion to the approach (ASHRAE HVAC Systems and Equipment, ch. 40). Pads run at full
effect in every hour in which dry air falls short, whatever the load.

Not modelled: thermal storage; fan laws (fans draw their full share, while power falls with the cube of speed); part
load of chillers. The last errs little where machines are staged: with the part-load curve .2466 + .4494 r + .3037 r^2
of a 1.7 MW centrifugal machine (Carrier 19XR in LBNL's Modelica Buildings library) power at .9 of load is .3 % below
proportional, at .7 1.4 % above, at .5 9 % above. The temperature curves of that library are fitted to water of 4 to 10
degC; facility water here is 20 to 40, so they would be used outside their range and are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Columns
from planner.case.case import Case
from planner.case.coolant import site_approach_k
from planner.case.hours import Ambient
from planner.case.item import Item
from planner.timeline import Hours

Array = NDArray[np.float64]

LOOPS = ("liquid", "air")
_WATER_RISE_K = 10.0  # return above supply [engineering judgement]
_EVAPORATOR_APPROACH_K = 4.0  # evaporating below leaving water
_RATED_AMBIENT_C = 35.0
_COP_LIMITS = (2.0, 12.0)
_LEAST_CAPACITY = 0.05  # of the rating: with less, an item cannot deliver its loop's water on the hottest day


@dataclass(frozen=True)
class Rejection:
    """One rejection item on one loop."""

    key: str  # linking component
    item: Item
    loop: str
    supply_c: float
    capacity_mw: float  # rated, per unit
    design_capacity_fraction: float  # at the extreme ambient
    design_power_fraction: float  # MW per MW of heat, at the extreme ambient
    capacity_fraction: Array  # (8760,)
    power_fraction: Array  # (8760,)
    water_l_per_kwh: Array  # (8760,) evaporated per kWh of heat
    makeup_l_per_kwh: Array  # (8760,) with what is bled and drifts away
    design_makeup_l_per_kwh: float  # at the extreme ambient


@dataclass(frozen=True)
class Heat:
    """Heat of a loop by hour: MW for each MW of a linking component, or of columns that are spread over the hours."""

    links: tuple[tuple[Array, str], ...]
    columns: tuple[tuple[Array, Columns], ...]


def standing_heat(loop: str) -> str:
    """Linking component: heat of a loop that does not follow the IT draw. [MW]"""
    return f"standing_heat:{loop}"


def chiller_cop(supply_c: float, condensing_c: Array | float, carnot_efficiency_fraction: float) -> Array:
    """Cooling per unit of compressor power, kept within 2 to 12. [MW/MW]

    >>> round(float(chiller_cop(20.0, 47.0, 0.55)), 2)
    5.13
    """
    evaporating_k = supply_c - _EVAPORATOR_APPROACH_K + 273.15
    lift = np.maximum(np.asarray(condensing_c) + 273.15 - evaporating_k, 1e-9)
    cop: Array = np.clip(carnot_efficiency_fraction * evaporating_k / lift, *_COP_LIMITS)
    return cop


def performance(item: Item, supply_c: float, dry_bulb_c: Array, wet_bulb_c: Array) -> tuple[Array, Array, Array]:
    """(capacity fraction of rating, MW per MW of heat, litres per kWh of heat) of a rejection item.

    supply_c: water it must deliver. Arrays broadcast over hours.
    """
    fans = item.get("fan_power_fraction", 0.0)
    evaporation = item.get("evaporation_l_per_kwh", 0.0)
    wet = "water_cooled" in item.item_class or "tower" in item.item_class
    sink = wet_bulb_c if wet else dry_bulb_c
    if item.carnot_efficiency_fraction is not None:
        cop = chiller_cop(supply_c, sink + item.get("condenser_approach_k"), item.get("carnot_efficiency_fraction"))
        free = np.zeros_like(sink)
        if item.free_cooling_approach_k is not None:
            cold = sink + item.get("free_cooling_approach_k")
            free = np.clip((supply_c + _WATER_RISE_K - cold) / _WATER_RISE_K, 0.0, 1.0)
        capacity = 1.0 - item.get("capacity_derate_fraction_per_k", 0.0) * np.maximum(0.0, sink - _RATED_AMBIENT_C)
        power = (1.0 - free) / cop + fans
        return np.maximum(capacity, 0.0), power, np.full_like(sink, evaporation if wet else 0.0)
    approach = item.get("approach_k")
    dry = np.clip((supply_c - sink) / approach, 0.0, 1.0)
    if item.adiabatic_effectiveness_fraction is None:
        return dry, np.full_like(sink, fans), np.full_like(sink, evaporation if wet else 0.0)
    entering = dry_bulb_c - item.get("adiabatic_effectiveness_fraction") * (dry_bulb_c - wet_bulb_c)
    assisted = np.clip((supply_c - entering) / approach, 0.0, 1.0)
    water = np.where(dry < 1.0, evaporation, 0.0)  # the pads run only when dry operation falls short
    return assisted, np.full_like(sink, fans), water


def makeup_l_per_kwh(item: Item, evaporated_l_per_kwh: Array, cycles_of_concentration: float) -> Array:
    """Water an item takes: what evaporates, the blow-down that keeps salts at so many times the make-up's, and drift.

    Drift carries salts away too; counted on top of the blow-down it is a little too much. Litres per kWh of heat.
    """
    bled = evaporated_l_per_kwh * cycles_of_concentration / (cycles_of_concentration - 1.0)
    made_up: Array = np.where(evaporated_l_per_kwh > 0, bled + item.get("drift_l_per_kwh", 0.0), 0.0)
    return made_up


def loop_supply_c(case: Case, loop: str) -> float:
    """Water the rejection equipment must deliver to a loop. [degC]"""
    if loop == "air":
        return case.input.cooling.chilled_water_supply_c
    cdus = [case.catalog[i] for i in case.candidates.get("cdu", ())]
    return case.input.cooling.coolant_supply_c - site_approach_k(case.input, cdus)


def coldest_supply_c(item: Item, ambient: Ambient) -> float:
    """Coldest water an item delivers on the hottest day, at the least capacity worth counting. [degC]

    To a tenth of a degree, from 0 to 80; 0 of what compresses.
    """
    dry, wet = np.array([ambient.extreme_dry_bulb_c]), np.array([ambient.wet_bulb_c])
    for supply_c in np.arange(0.0, 80.0, 0.1):
        if performance(item, float(supply_c), dry, wet)[0][0] > _LEAST_CAPACITY:
            return float(supply_c)
    return float("inf")


def rejections(case: Case) -> tuple[Rejection, ...]:
    """Every rejection item on every loop it can serve at the site's extreme."""
    result = []
    needs_wet_bulb = np.array([case.ambient.wet_bulb_c])
    extreme = np.array([case.ambient.extreme_dry_bulb_c])
    ids = set(case.candidates.get("heat_rejection", ()))
    ids |= {name for name in case.input.owned if "heat_rejection" in case.catalog[name].brings}
    for loop in LOOPS:
        supply = loop_supply_c(case, loop)
        for item_id in sorted(ids):
            item = case.catalog[item_id]
            kappa0, e0, water0 = performance(item, supply, extreme, needs_wet_bulb)
            if kappa0[0] <= _LEAST_CAPACITY:  # cannot deliver the water on the hottest day
                continue
            kappa, e, water = performance(item, supply, case.weather.dry_bulb_c, case.weather.wet_bulb_c)
            capacity = item.rating[0] / 1000.0 if item.rating else 0.0
            if item.family != "cooling":  # a pod is rated by what it feeds; its coolers are for its IT power
                capacity = item.get("it_power_kw") / 1000.0
            if item.cooling_capacity_kw is not None:
                capacity = item.get("cooling_capacity_kw") / 1000.0
            # An hour is never worse than the design point equipment was sized at.
            kappa, e = np.maximum(kappa, kappa0[0]), np.minimum(e, e0[0])
            result.append(
                Rejection(
                    f"rejection:{loop}:{item_id}",
                    item,
                    loop,
                    supply,
                    capacity,
                    float(kappa0[0]),
                    float(e0[0]),
                    kappa,
                    e,
                    water,
                    makeup_l_per_kwh(item, water, case.input.cooling.cycles_of_concentration),
                    float(makeup_l_per_kwh(item, water0, case.input.cooling.cycles_of_concentration)[0]),
                )
            )
    return tuple(result)


def operate(builder: BlockBuilder, hours: Hours, options: tuple[Rejection, ...], heat: Mapping[str, Heat]) -> None:
    """Power of heat rejection in a block. Links: rejection:<loop>:<item> in MW installed, and those of the heat."""
    at = hours.hour_of_year
    for loop, given in heat.items():
        choices = [o for o in options if o.loop == loop]
        if len(choices) == 1:
            each = choices[0].power_fraction[at]
            for share, link in given.links:
                builder.draw_link(link, each * share)
            for share, columns in given.columns:
                builder.draw(columns, each[columns.hours] * share)
            continue
        removed = []
        for option in choices:
            q = builder.add(f"heat_rejected:{loop}:{option.item.id}")
            builder.draw(q, option.power_fraction[at])
            builder.rows(
                f"rejection_capacity:{loop}:{option.item.id}",
                [(1.0, q.index)],
                [(-option.capacity_fraction[at], option.key)],
            )
            removed.append((1.0, q.index))
        short = builder.add(f"shortage_heat:{loop}", shortage=True)
        terms: list[tuple[Array | float, NDArray[np.int64]]] = [*removed, (1.0, short.index)]
        terms += [(-share, columns.index) for share, columns in given.columns]
        builder.rows(f"rejection_balance:{loop}", terms, [(-share, link) for share, link in given.links], equal=True)
