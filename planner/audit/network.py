"""The auditor's count of a fabric: layers, top layer by units, and the bill of materials of a unit.

Counted from the ports: every switch of a layer is alike and spreads its links evenly, so the number of switches above
is tried one by one among those its uplinks can be spread over.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from planner.audit.goodput import spares_fraction
from planner.case.case import Case
from planner.case.fabric_design import FabricDesign
from planner.case.item import Item

Bill = dict[tuple[str, str], int]  # (item, rule) -> count


def joins_on_floor(item: Item) -> bool:
    """Whether an item is network that stands in racks of its own on the floor of the hall."""
    return item.family == "network" and "white_space" in item.consumes


@dataclass(frozen=True)
class Recount:
    """A fabric counted again. Switches and cables of one unit; several units share a top layer."""

    design: FabricDesign
    case: Case
    radix: int
    leaves: int  # of a plane
    up: int  # links of a leaf
    spines: int  # of a plane, in three tiers
    spine_up: int
    tiers: int
    together: int  # most units under one top layer

    def joined(self, units: int, tiers: int) -> int | None:
        """Switches of the top layer for so many units under it, all planes; None where ports do not suffice."""
        below, up, groups = (self.leaves, self.up, 1) if tiers == 2 else (self.spines, self.spine_up, self.spines)
        for each in range(1, up + 1):
            links_down = below * units * up / (groups * each)
            if up % each == 0 and links_down <= self.radix:
                return each * groups * self.design.planes
        return None

    def reach(self, tiers: int) -> int:
        """Most units under one top layer."""
        return next(n for n in range(1, 10**6) if self.joined(n + 1, tiers) is None) if self.joined(1, tiers) else 0

    def top(self, units: int) -> int:
        """Switches of the top layer of so many units."""
        total = 0
        while units > 0:
            total += self.joined(min(units, self.together), self.tiers) or 0
            units -= self.together
        return total

    def bill(self) -> Bill:
        """Lines of one unit."""
        d, chosen, catalog = self.design, self.case.input.network, self.case.catalog
        assert chosen is not None
        gpus, found = d.gpus_per_unit, defaultdict[tuple[str, str], int](int)
        to_spine = self.leaves * self.up
        to_core = self.spines * self.spine_up if self.tiers == 3 else 0
        found[d.switch, "leaf"] = self.leaves * d.planes
        found[d.switch, "spine"] = self.spines * d.planes if self.tiers == 3 else 0
        ends = gpus + 2 * (to_spine + to_core)
        found[d.transceiver, "switch ports"] = math.ceil(ends / d.ports_per_transceiver)
        found[d.cable, "node to leaf"] = gpus
        found[d.cable, "leaf to spine"] = to_spine
        found[d.cable, "spine to core"] = to_core
        held = {part for item in compute_of(self.case) for part in item.includes}
        found[d.node_transceiver, "node ports"] = 0 if "transceivers" in held else gpus
        found[d.nic, "not in the rack or node"] = 0 if "nics" in held else gpus
        found[d.scale_up, "not in the rack or node"] = 0 if "scale_up" in held else gpus
        for name in ("front_end", "storage", "management"):
            self._beside(found, name)
        switch, share = catalog[d.switch], math.ceil(max(self.top(n) / n for n in range(1, self.together + 1)) - 1e-9)
        tall = share * switch.get("rack_units", 0.0)
        drawn = share * switch.design_kw + self.drawn_kw(found)
        tall += sum(n * catalog[item].get("rack_units", 0.0) for (item, _), n in found.items())
        rack = catalog[d.network_rack]
        room = max(tall / rack.get("rack_units", 48.0), drawn / rack.get("rack_power_max_kw", 30.0))
        found[d.network_rack, "height and power of its switches"] = math.ceil(room - 1e-9)
        found[d.management_rack, "management"] = d.management_racks_per_unit
        return {key: n for key, n in found.items() if n}

    def _beside(self, found: Bill, name: str) -> None:
        chosen, catalog = self.case.input.network, self.case.catalog
        assert chosen is not None
        which = getattr(chosen, name) or getattr(self.design, name)
        given = catalog[which].side_network if which != "none" else None
        if given is None:
            return
        label, ports_each = name.replace("_", " "), catalog[given.switch].get("switch_ports", 48.0) * given.port_split
        ports = math.ceil(self.design.gpus_per_unit * given.ports_per_gpu * (1 + given.other_ports_fraction) - 1e-9)
        share_down = 1.0 if given.oversubscription is None else given.oversubscription / (1 + given.oversubscription)
        edge = max(given.least_switches, math.ceil(ports / math.floor(ports_each * share_down + 1e-9)))
        upward = 0
        if given.oversubscription is not None:
            upward = edge * math.ceil(ports / edge / given.oversubscription - 1e-9)
        found[given.switch, f"{label} switches"] = edge + math.ceil(upward / ports_each)
        found[given.cable, f"{label} cables"] = ports + upward
        if given.transceiver is not None:
            both = ports + 2 * upward
            found[given.transceiver, f"{label} transceivers"] = math.ceil(both / given.ports_per_transceiver)
        if given.node_transceiver is not None:
            found[given.node_transceiver, f"{label} far ends"] = ports

    def drawn_kw(self, bill: Bill, *, mean: bool = False) -> float:
        """Design (or mean) power of what the network feeds itself: a transceiver in a node is fed by the node."""
        total = 0.0
        for (name, rule), n in bill.items():
            item = self.case.catalog[name]
            each = item.get("average_power_kw", item.get("design_power_kw")) if mean else item.design_kw
            total += 0.0 if _at_node(rule) else n * each
        return total


def _at_node(rule: str) -> bool:
    return rule == "node ports" or rule.endswith("far ends")


def compute_of(case: Case) -> list[Item]:
    """Compute that may stand in a case."""
    names = [*case.candidates.get("compute", ()), *case.input.owned]
    return [case.catalog[n] for n in dict.fromkeys(names) if case.catalog[n].family == "compute"]


def recounted(case: Case) -> Recount:
    """The fabric of a case, counted from the catalog and the case's fields."""
    chosen = case.input.network
    assert chosen is not None
    design = case.catalog[chosen.fabric].fabric
    assert design is not None
    over = chosen.oversubscription or design.oversubscription
    radix = round(case.catalog[design.switch].get("switch_ports")) * design.planes
    on_rail = design.gpus_per_unit // design.rails
    most_down = math.floor(radix * over / (1 + over) + 1e-9)
    per_rail = next(n for n in range(1, on_rail + 1) if on_rail % n == 0 and on_rail // n <= most_down)
    leaves, up = design.rails * per_rail, math.ceil(on_rail // per_rail / over - 1e-9)
    half = radix // 2
    spines = next(n for n in range(1, up + 1) if up % n == 0 and leaves * (up // n) <= half)
    count = Recount(design, case, radix, leaves, up, spines, leaves * (up // spines), 2, 1)
    asked = float(chosen.gpus or 0)
    for milestone in case.input.target.milestones if not asked else ():
        for item in compute_of(case):
            if milestone.gpus:
                gpus = float(milestone.gpus)
            elif milestone.it_mw:
                gpus = 1000.0 * milestone.it_mw / item.design_kw * item.get("gpus")
            else:
                speed = item.get(f"pflops_{milestone.precision}", 0.0)
                gpus = (milestone.pflops or 0.0) / speed * item.get("gpus") if speed else 0.0
            asked = max(asked, gpus * (1.0 + spares_fraction(case)))
    units = math.ceil(asked / design.gpus_per_unit - 1e-9)
    if chosen.cluster_gpus is not None:
        units = min(units, max(1, chosen.cluster_gpus // design.gpus_per_unit))
    tiers = 2 if units <= count.reach(2) else 3
    together = count.reach(tiers) if chosen.cluster_gpus is None else min(units, count.reach(tiers))
    return Recount(design, case, radix, leaves, up, spines, leaves * (up // spines), tiers, together)
