"""Coolant of racks and CDUs: flows, and what of temperatures and pressure does not fit together.

A rack's flow is read from its table at the case's supply temperature and rounded up to a whole litre a minute; what
has no table takes 1.5 L/min per kW of heat (Open Compute Project liquid cooling guidelines: 1.25 to 2.0, typical 1.5),
and so does a CDU without a flow of its own, per kW of its rating. Both are named among the plan's defaults.
"""

from __future__ import annotations

import math

from planner.case.catalog import Catalog
from planner.case.item import Item
from planner.case.marks import Path_
from planner.case.reader import Reader
from planner.case.schema import CaseInput
from planner.units import KW_PER_MW

FLOW_LPM_PER_KW = 1.5


def rack_flow_lpm(rack: Item, supply_c: float) -> float:
    """Coolant that one rack or node takes at a supply temperature. [L/min]"""
    liquid_kw = rack.design_kw * rack.get("heat_to_liquid_fraction")
    if liquid_kw <= 0:
        return 0.0
    if rack.coolant_flow_lpm is None:
        return FLOW_LPM_PER_KW * liquid_kw
    return float(math.ceil(rack.coolant_flow_lpm.at(supply_c) - 1e-9))


def cdu_flow_lpm(item: Item) -> float:
    """Coolant that one unit bringing the stage cdu moves at its external head. [L/min]"""
    rating = item.cooling_capacity_kw or item.it_power_kw
    return item.get("flow_lpm", FLOW_LPM_PER_KW * rating.planning if rating is not None else 0.0)


def cdu_capacity_mw(item: Item, site_approach_k: float | None) -> float:
    """Heat that one unit bringing the stage cdu carries at the site's approach. [MW]

    In proportion to the approach, as its exchanger's heat is; at its rating where the site has none of its own.
    """
    rating = item.get("cooling_capacity_kw" if item.cooling_capacity_kw is not None else "it_power_kw") / KW_PER_MW
    own_k = _stated_approach_k(item)
    return rating if site_approach_k is None or own_k is None else rating * site_approach_k / own_k


def site_approach_k(given: CaseInput, cdus: list[Item]) -> float:
    """Coolant above facility water. [K]  The case's, or the widest of its CDUs; 4 where none says any."""
    if given.cooling.cdu_approach_k is not None:
        return given.cooling.cdu_approach_k
    return max((own_approach_k(item) for item in cdus), default=4.0)


def own_approach_k(item: Item) -> float:
    """Coolant above facility water of a CDU, or of the CDUs inside a pod. [K]"""
    own_k = _stated_approach_k(item)
    return own_k if own_k is not None else 4.0


def _stated_approach_k(item: Item) -> float | None:
    """What the catalog says of it; approach_k of a pod that rejects heat is its coolers', above dry bulb. [K]"""
    coolers = "heat_rejection" in item.brings
    figure = item.cdu_approach_k if item.cdu_approach_k is not None or coolers else item.approach_k
    return None if figure is None else figure.planning


def check_coolant(
    reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]
) -> list[str]:
    """Faults of coolant temperature and pressure; returns the defaults that stand in for flows nobody has stated."""
    if not reader.sound(("cooling",), ("candidates",), ("committed",)):
        return []
    bought = [name for name in given.owned if name in catalog]
    racks = [catalog[i] for i in dict.fromkeys([*candidates.get("compute", ()), *bought]) if i in catalog]
    racks = [r for r in racks if r.family == "compute" and r.get("heat_to_liquid_fraction", 0.0) > 0]
    names = dict.fromkeys([*candidates.get("cdu", ()), *(i for i in bought if "cdu" in catalog[i].brings)])
    cdus = [catalog[i] for i in names if i in catalog and catalog[i].family != "compute"]
    if not racks:
        return []
    supply, path = given.cooling.coolant_supply_c, ("cooling", "coolant_supply_c")
    for item in (*racks, *cdus):
        low, high = item.coolant_supply_min_c, item.coolant_supply_max_c
        if high is not None and supply > high.planning:
            reader.fault(path, supply, f"{item.id} takes at most {high.planning:g}", "lower it, or remove the item")
        if low is not None and supply < low.planning:
            reader.fault(path, supply, f"{item.id} takes at least {low.planning:g}", "raise it, or remove the item")
    for rack in racks:
        for name in ("coolant_flow_lpm", "coolant_pressure_drop_kpa"):
            table = getattr(rack, name)
            if table is not None and len(table.points) > 1 and supply > table.points[-1][0]:
                rule = f"{rack.id} has no {name} above {table.points[-1][0]:g}"
                reader.fault(path, supply, rule, "lower it, or extend the table in a catalog of your own")
        _check_head(reader, path, supply, rack, cdus)
    _check_air(reader, given, catalog, candidates)
    per_kw = f"{FLOW_LPM_PER_KW:g} L/min per kW"
    if not cdus:
        return []
    without = [r.id for r in racks if r.coolant_flow_lpm is None] + [c.id for c in cdus if c.flow_lpm is None]
    return [f"coolant flow of {name}: {per_kw}" for name in without]


def _check_head(reader: Reader, path: Path_, supply_c: float, rack: Item, cdus: list[Item]) -> None:
    """A CDU's pumps must lift the rack's flow through it, where both say what that takes."""
    if rack.coolant_pressure_drop_kpa is None:
        return
    drop = rack.coolant_pressure_drop_kpa.at(supply_c)
    for cdu in cdus:
        if cdu.external_head_kpa is not None and drop > cdu.external_head_kpa.planning:
            rule = f"{rack.id} drops {drop:.0f} kPa, and {cdu.id} has {cdu.external_head_kpa.planning:g}"
            reader.fault(path, supply_c, rule, "lower the supply temperature, or remove one of the two")


def _check_air(reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> None:
    """Air leaves an air unit warmer than its water by the unit's approach."""
    most = given.cooling.supply_air_max_c
    for item in (catalog[i] for i in candidates.get("air_unit", ()) if i in catalog):
        leaves = given.cooling.chilled_water_supply_c + item.get("approach_k", 0.0)
        if most is not None and leaves > most:
            rule = f"{item.id} delivers air at {leaves:g} with this water, above supply_air_max_c ({most:g})"
            remedy = f"write at most {most - item.get('approach_k', 0.0):g}"
            path = ("cooling", "chilled_water_supply_c")
            reader.fault(path, given.cooling.chilled_water_supply_c, rule, remedy)
