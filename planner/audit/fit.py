"""Audit of what stands where: every few kinds of compute must fit into the enclosures that take one of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from planner.audit.base import Checks, says
from planner.audit.loads import Site, in_one, method
from planner.audit.physics import floor_m2
from planner.audit.stock import Rack
from planner.case.item import COOLING_METHODS, Item

HALL = "existing hall"


def audit_fit(checks: Checks, site: Site) -> None:
    """Floor, fit-out and racks: cooling method, kW per rack and weight on the floor."""
    several = len([i for i in site.items_for("rack_space") if i.family != "compute"]) > 1  # audited by `racks_filled`
    for part in ("white_space", "fit_out", *(() if several else ("rack_space",))) if site.racks else ():
        for p in site.periods:
            places = {item.id: site.carries_mw(item, parts, part, on[p]) for item, parts, on in site.at(part)}
            if part == "white_space":
                places[HALL] = site.existing_hall_m2(p)
            loads = [(need, into) for need, into in _standing(site, part, p, set(places)) if need > 0]
            for n in range(1, len(loads) + 1):
                for some in combinations(loads, n):
                    into = set().union(*(names for _, names in some))
                    room = sum(places[name] for name in into)
                    text = says(f"{part} {site.starts[p]} in {', '.join(sorted(into)) or 'nothing'}")
                    need = sum(need for need, _ in some)
                    checks.at_most("what stands where", "m2, MW or racks", need, room, 1e-6 * (1 + room), text)


def _standing(site: Site, part: str, p: int, places: set[str]) -> Iterator[tuple[float, set[str]]]:
    """(what it needs of a part, places that take it) of compute, and of racks and tanks on the floor."""
    if not site.built(part):
        return
    for rack in site.racks:
        runs, holder = float(site.runs(rack)[p]), site.rack_item(rack)
        if part == "white_space":
            need = runs * floor_m2(rack.item) if rack.uses(part) else 0.0
        elif part == "fit_out":
            need = runs * rack.design_mw
        else:
            need = runs * site.racks_taken(rack)
        yield need, {name for name in places if _takes(site, name, rack, holder)}
    for item, parts, n in site.standing():
        if part == "white_space" and "rack_space" in parts and part not in parts:
            inside = [r for r in site.racks if site.rack_item(r) == item]
            names = {name for name in places if all(_takes(site, name, r, item) for r in inside)}
            yield floor_m2(item) * float(n[p]), names


def _takes(site: Site, name: str, rack: Rack, holder: Item | None) -> bool:
    """Whether a place takes compute, by itself or in the rack or tank it stands in."""
    area = holder.get("footprint_m2") if holder is not None else rack.item.get("footprint_m2")
    nodes = in_one(rack.item, holder) if holder is not None else 1
    weight = nodes * rack.item.get("weight_kg", 0.0) + (holder.get("weight_kg", 0.0) if holder is not None else 0.0)
    known = rack.item.weight_kg is not None
    if name == HALL:
        most = site.case.input.site.hall.floor_load_kg_per_m2
        return most is None or not known or weight <= most * area
    place = site.case.catalog[name]
    if place.family == "compute":
        return place.id == rack.item.id
    ways = {method(rack.item)} if holder is None else set(holder.accepts or COOLING_METHODS)
    if place.accepts and not ways & set(place.accepts):
        return False
    if "rack_space" in place.brings:
        return in_one(rack.item, place) > 0
    limits = (
        (place.rack_power_max_kw, nodes * rack.item.design_kw),
        (place.floor_load_kg_per_m2, weight / area if known else 0.0),
    )
    return all(most is None or got <= most.planning * (1 + 1e-9) for most, got in limits)
