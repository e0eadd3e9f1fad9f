"""Which compute stands in which enclosure: rows that keep each in what takes it, where not everything takes all.

What stands on floors, fit-outs and racks is one sum against one capacity. Where some enclosures take only some of it,
the share of any few kinds must also fit into the enclosures that take those kinds:

    fitting[position, period, set]:  load of all that fits into this set alone <= capacity of the set

for every union of the sets that something fits into (Hall's condition: it can be shared out just when all hold).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pyomo.environ as pyo

from planner.case import enclosures
from planner.case.item import Item
from planner.case.node_racks import nodes_per_rack

if TYPE_CHECKING:
    from planner.sizing.loads import Loads

HALL = "existing hall"
SLACK = {"white_space": "hall", "fit_out": "equipment"}


def fit(loads: Loads) -> None:
    """Add the rows to the model."""
    m = loads.m
    m.fitting = pyo.Constraint(pyo.Any)
    for position in enclosures.FLOORS if loads.plant.racks else ():
        places = {o.key: o for o in loads.options if position in o.supplies}
        if position == "rack_space" and len([o for o in places.values() if o.item.family != "compute"]) > 1:
            continue  # which node stands in which kind of rack is a decision of its own (`rack_space`)
        every = frozenset([*places, *([HALL] if position == "white_space" and loads.has_hall else [])])
        for p in loads.periods if places else ():
            terms = list(_terms(loads, position, p, every))
            fits = {into for into, _ in terms} - {every}
            unions = {frozenset().union(*some) for n in range(1, len(fits) + 1) for some in combinations(fits, n)}
            for union in sorted(unions - {every}, key=sorted):
                load = sum(mw for into, mw in terms if into <= union)
                room = sum(places[key].supplies[position] * loads.sets_of(places[key], p) for key in union - {HALL})
                room = room + (loads.existing_hall(p) if HALL in union else 0.0)
                if position in SLACK:
                    room = room + m.slack[SLACK[position], p]
                m.fitting[position, p, "+".join(sorted(union))] = load <= room


def _terms(loads: Loads, position: str, p: int, every: frozenset[str]) -> Iterator[tuple[frozenset[str], Any]]:
    """(enclosures it fits into, what it takes of the position) of everything that stands there."""
    catalog = loads.case.catalog
    for r in loads.plant.racks:
        rack = enclosures.rack_of(r.item, loads.rack_items)
        takes = _of_one(position, r.item, rack)
        if takes:
            into = {key for key in every - {HALL} if not enclosures.misfit(r.item, rack, catalog[key])}
            if HALL in every and not enclosures.too_heavy(r.item, rack, loads.case.input.site.hall):
                into.add(HALL)
            yield frozenset(into), takes * loads.m.energised[r.item.id, p]
    if position == "fit_out":
        yield every, loads.network_mw(p)
    for o in loads.options if position == "white_space" else ():  # racks and tanks, whatever is in them
        if "rack_space" in o.supplies and "white_space" not in o.supplies:
            inside = [r.item for r in loads.plant.racks if enclosures.rack_of(r.item, loads.rack_items) == o.item]
            heavy = any(enclosures.too_heavy(i, o.item, loads.case.input.site.hall) for i in inside)
            floors = every - {HALL} if heavy else every
            out = {k for k in floors - {HALL} if any(enclosures.misfit(i, o.item, catalog[k]) for i in inside)}
            yield floors - out, enclosures.floor_m2(o.item) * loads.units(o, p)


def _of_one(position: str, item: Item, rack: Item | None) -> float:
    """What one unit of compute takes of a position: m2, MW or racks. Racks and tanks take their floor themselves."""
    if position == "white_space":
        return enclosures.floor_m2(item) if position in item.consumes else 0.0
    if position == "fit_out":
        return item.design_kw / 1000.0
    return 1.0 / nodes_per_rack(item, rack) if rack is not None else 0.0
