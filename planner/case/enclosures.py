"""What fits where: which enclosure takes which compute, by cooling method, kW per rack and floor load; and the faults.

Nodes stand in racks or tanks, racks and tanks on a floor: a hall, a pod or what stands already. Several enclosures of
a kind are interchangeable. A box that brings its own fit-out takes only what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from planner.case.catalog import Catalog
from planner.case.chain_rules import Candidates, items_of
from planner.case.item import COOLING_METHODS, Item
from planner.case.marks import Path_
from planner.case.node_racks import cooling_method, nodes_per_rack
from planner.case.reader import Reader
from planner.case.schema import CaseInput, Redundancy
from planner.case.site import Hall

FLOORS = ("white_space", "fit_out", "rack_space")  # positions in which it matters what stands there


def rack_of(node: Item, racks: tuple[Item, ...]) -> Item | None:
    """The first rack or tank that takes a node; None where it needs none or none takes it."""
    if "rack_space" not in node.consumes or "rack_space" in node.brings:
        return None
    return next((rack for rack in racks if not misfit(node, None, rack)), None)


def floor_load_kg_per_m2(compute: Item, rack: Item | None) -> float | None:
    """Weight over the area it stands on; of a full rack or tank, for nodes. None where no weight is given."""
    if compute.weight_kg is None:
        return None
    if rack is None:
        return compute.get("weight_kg") / compute.get("footprint_m2")
    full = rack.get("weight_kg", 0.0) + nodes_per_rack(compute, rack) * compute.get("weight_kg")
    return full / rack.get("footprint_m2")


def misfit(compute: Item, rack: Item | None, place: Item) -> str:
    """Why compute, alone or in racks of an item, may not stand in an enclosure; empty when it may."""
    if place.family == "compute":
        return "" if place.id == compute.id else "it is a box of its own"
    own = rack is None
    methods = (cooling_method(compute),) if own else rack.accepts or COOLING_METHODS  # type: ignore[union-attr]
    if place.accepts and not set(methods) & set(place.accepts):
        return f"{' or '.join(methods)} is not what {place.id} accepts ({', '.join(place.accepts)})"
    most = place.get("rack_power_max_kw", float("inf"))
    if "rack_space" in place.brings:
        return "" if nodes_per_rack(compute, place) else f"{place.id} takes no node of its height and {most:g} kW"
    power = compute.design_kw * (1 if own else nodes_per_rack(compute, rack))  # type: ignore[arg-type]
    if power > most * (1 + 1e-9):
        return f"{power:g} kW per rack is above the {most:g} kW of {place.id}"
    load = floor_load_kg_per_m2(compute, rack)
    limit = place.floor_load_kg_per_m2.planning if place.floor_load_kg_per_m2 is not None else None
    if limit is not None and load is not None and load > limit:
        return f"{load:,.0f} kg/m2 is above the {limit:,.0f} kg/m2 of {place.id}"
    return ""


def too_heavy(compute: Item, rack: Item | None, hall: Hall) -> str:
    """Why compute may not stand in the hall that is there; empty when it may."""
    load, limit = floor_load_kg_per_m2(compute, rack), hall.floor_load_kg_per_m2
    if limit is None or load is None or load <= limit:
        return ""
    return f"{load:,.0f} kg/m2 is above the {limit:,.0f} kg/m2 of the existing hall"


def floor_m2(item: Item) -> float:
    """Hall floor of a unit, with aisles and service space where the catalog says."""
    return item.get("planning_area_m2", item.get("footprint_m2"))


def needs(compute: Item, position: str) -> bool:
    """Whether a compute item, or the rack it stands in, takes something of a position."""
    if position == "white_space":
        return position in compute.consumes or "rack_space" in compute.consumes
    return position == "fit_out" or (position in compute.consumes and position not in compute.brings)


def check_enclosures(
    reader: Reader,
    given: CaseInput,
    catalog: Catalog,
    candidates: Candidates,
    redundancy: Mapping[str, Redundancy | None],
) -> None:
    """Every compute item must fit somewhere in every position it needs; what weighs on a limited floor has a weight."""
    if not reader.sound(("candidates",), ("committed",), ("site", "hall"), ("redundancy",)):
        return
    hall = given.site.hall
    racks = tuple(items_of("rack_space", given, catalog, candidates))
    names = given.candidates.compute
    found: dict[str, Path_] = {
        name: ("candidates", "compute", names.index(name) if name in names else 0)
        for name in candidates.get("compute", ())
    }
    for i, row in enumerate(given.committed):
        if row.item in catalog and catalog[row.item].family == "compute":
            found.setdefault(row.item, ("committed", i, "item"))
    for compute, path in ((catalog[name], path) for name, path in found.items()):
        rack = rack_of(compute, racks)
        for position in FLOORS:
            places = list(items_of(position, given, catalog, candidates))
            stands_already = position == "white_space" and hall.existing_m2 > 0
            if not needs(compute, position) or redundancy.get(position, "") is None or not (places or stands_already):
                continue
            reasons = [misfit(compute, rack, place) for place in places]
            reasons += [too_heavy(compute, rack, hall)] if stands_already else []
            if all(reasons):
                remedy = "name an enclosure that takes it, or other compute"
                reader.fault(path, compute.id, f"fits in no {position}: " + "; ".join(reasons), remedy)
        if hall.floor_load_kg_per_m2 is not None and hall.existing_m2 and compute.weight_kg is None:
            remedy = "give the item its weight in a catalog of your own, or remove the limit"
            limit = ("site", "hall", "floor_load_kg_per_m2")
            if needs(compute, "white_space"):
                reader.fault(limit, hall.floor_load_kg_per_m2, f"{compute.id} has no weight_kg", remedy)
