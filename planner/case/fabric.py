"""The network of a case: the fabric chosen, counted, and put into the catalog as two items that plans can buy.

The unit carries everything that comes with a scalable unit: leaf switches (with three tiers its spines), every
transceiver and cable up to the top, the networks beside it, its network and management racks. The top-layer item is one
switch of the layer that joins the units: its number follows from how many units there are, in steps. What a rack's or
node's price holds (`includes` of the item) is left out of the bill.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from planner.case.base import Rule, suggest
from planner.case.catalog import Catalog
from planner.case.fabric_design import TOP, FabricDesign, Layers, Network, layers_of, side_counts
from planner.case.figure import Figure
from planner.case.item import Item
from planner.case.reader import Reader

SIDES = ("front_end", "storage", "management")
NEEDED = ("price_usd", "design_power_kw", "lead_time_weeks")


@dataclass(frozen=True)
class Line:
    """A line of the bill of materials: so many of an item for a scalable unit, or for a switch of the top layer."""

    item: Item
    count: int
    rule: str
    powered: bool = True  # False: fed by the rack or node, in whose power it is


@dataclass(frozen=True)
class Fabric:
    """What the case's fabric is made of."""

    unit: str  # item ids
    top: str
    layers: Layers
    tiers: int
    cluster_units: int  # most units under one top layer
    unit_bill: tuple[Line, ...]
    top_bill: tuple[Line, ...]

    def top_switches(self, units: int) -> int:
        """Switches of the top layer that so many units need: whole fabrics first, the last with the rest."""
        whole, rest = divmod(units, self.cluster_units)
        full = self.layers.top_switches(self.cluster_units, self.tiers) if whole else 0
        last = self.layers.top_switches(rest, self.tiers) if rest else 0
        assert full is not None
        assert last is not None  # no cluster has more units than its tiers join
        return whole * full + last

    def steps(self, most_units: int) -> list[tuple[int, int]]:
        """(most units, switches of the top layer) of every step up to a number of units."""
        found: list[tuple[int, int]] = []
        for units in range(1, most_units + 1):
            switches = self.top_switches(units)
            if found and found[-1][1] == switches:
                found.pop()
            found.append((units, switches))
        return found


def declared(chosen: Network | None, catalog: Catalog) -> Catalog:
    """The catalog with the top layer's item by name, so that rows of a case may speak of it before it is counted."""
    if chosen is None or chosen.fabric not in catalog:
        return catalog
    entry = catalog.entries[chosen.fabric]
    model = f"top layer of {entry.item.id}"
    changed = {"id": entry.item.id + TOP, "model": model, "brings": ("network_top_layer",), "fabric": None, "notes": ()}
    top = replace(entry, item=entry.item.model_copy(update=changed))
    return replace(catalog, entries=catalog.entries | {top.item.id: top})


def with_fabric(
    reader: Reader, chosen: Network | None, catalog: Catalog, compute: list[Item], gpus: float | None
) -> tuple[Catalog, Fabric | None]:
    """The catalog with the items of the chosen fabric, and what it is made of; faults go to the reader.

    compute: items of the case. gpus: what its targets ask for; None where that is not known beforehand.
    """
    if chosen is None or not reader.sound(("network",), ("candidates",)):
        return catalog, None
    item = _known(reader, catalog, chosen.fabric, ("network", "fabric"), "fabric")
    if item is None or item.fabric is None:
        return catalog, None
    design, maker = item.fabric, _Bill(reader, chosen, catalog, item.fabric, compute)
    try:
        over = chosen.oversubscription or design.oversubscription
        layers = layers_of(design, round(maker.part(design.switch).get("switch_ports", 0)), over)
    except Rule as rule:
        reader.fault(("network", "fabric"), item.id, rule.rule, rule.remedy)
        return catalog, None
    wanted = chosen.gpus or gpus
    if wanted is None:
        remedy = "write network.gpus: how many GPUs it is laid out for"
        reader.fault(("network",), item.id, "the targets do not say how large the fabric gets", remedy)
        return catalog, None
    units = math.ceil(wanted / layers.gpus - 1e-9)
    if chosen.cluster_gpus is not None:
        units = min(units, max(1, chosen.cluster_gpus // layers.gpus))
    tiers = 2 if units <= layers.most_units(2) else 3
    fabric = Fabric(item.id, item.id + TOP, layers, tiers, min(units, layers.most_units(tiers)), (), ())
    if chosen.cluster_gpus is None:  # as far as it reaches: rounding may ask for a unit more than the targets do
        fabric = replace(fabric, cluster_units=layers.most_units(tiers))
    bill = maker.unit(layers, tiers, max(fabric.top_switches(n) / n for n in range(1, fabric.cluster_units + 1)))
    top = (maker.line(design.switch, 1, "top layer"),)
    if reader.faults:
        return catalog, None
    fabric = replace(fabric, unit_bill=tuple(bill), top_bill=top)
    entries = dict(catalog.entries)
    racks = [line for line in bill if line.item.id in (design.network_rack, design.management_rack)]
    whole = _sums(fabric.unit_bill) | {
        name: _figure(sum(line.count * line.item.get(name) for line in racks), racks)
        for name in ("footprint_m2", "planning_area_m2")
    }
    unit = item.model_copy(update={**whole, "gpu_ports": _figure(layers.gpus, bill)})
    alone = _sums(top) | {name: _figure(0.0, top) for name in ("footprint_m2", "planning_area_m2", "gpu_ports")}
    for name, made in ((item.id, unit), (fabric.top, catalog[fabric.top].model_copy(update=alone))):
        entries[name] = replace(catalog.entries[name], item=made)
    reader.warnings += [
        f"{i.id} has NICs of {i.get('nic_gbps'):g} Gb/s, {item.id} ports of {design.port_gbps:g}: its bandwidth is less"
        for i in compute
        if i.nic_gbps is not None and i.get("nic_gbps") > design.port_gbps
    ]
    return replace(catalog, entries=entries), fabric


class _Bill:
    """Makes the lines of a unit's bill of materials."""

    def __init__(
        self, reader: Reader, chosen: Network, catalog: Catalog, design: FabricDesign, compute: list[Item]
    ) -> None:
        self.reader, self.chosen, self.catalog, self.design = reader, chosen, catalog, design
        held = {item.includes for item in compute}
        self.held: set[str] = set(next(iter(held), ()))
        if len({frozenset(names) for names in held}) > 1:
            which = "; ".join(f"{i.id}: {', '.join(i.includes) or 'nothing'}" for i in compute)
            remedy = "give the items the same `includes` in a catalog of your own, or plan them apart"
            reader.fault(("network",), which, "one fabric cannot serve items that include different parts", remedy)

    def part(self, name: str) -> Item:
        """A component; a neutral one and a fault where the catalog lacks it or what a bill needs of it."""
        entry = self.catalog.entries.get(name)
        item = entry.item if entry else None
        gone = ["the item"] if item is None else [field for field in NEEDED if getattr(item, field) is None]
        if item is not None and not gone and item.get("heat_to_liquid_fraction", 0.0) > 0:
            gone = ["air cooling: liquid-cooled switches are not supported yet"]
        if item is None or gone:
            rule = f"its component {name} lacks {', '.join(gone)}"
            remedy = "choose another fabric, or complete the item in a catalog of your own"
            self.reader.fault(("network", "fabric"), self.chosen.fabric, rule, remedy)
            zero = Figure(value=0.0, source="none", date="2000", confidence="estimate")
            item = Item.model_validate(
                {"id": "none", "family": "network", "class": "none", "vendor": "", "model": "", "status": "available"}
            ).model_copy(update=dict.fromkeys(NEEDED, zero))
        return item

    def line(self, name: str, count: float, rule: str, *, powered: bool = True) -> Line:
        return Line(self.part(name), math.ceil(count - 1e-9), rule, powered)

    def unit(self, layers: Layers, tiers: int, most_top: float) -> list[Line]:
        """Everything of one scalable unit. most_top: most switches of the top layer for one unit of any number."""
        d, gpus = self.design, layers.gpus
        above = layers.leaf_cables + (layers.core_cables if tiers == 3 else 0)
        lines = [
            self.line(d.switch, layers.leaves, "leaf"),
            self.line(d.switch, layers.spines if tiers == 3 else 0, "spine"),
            self.line(d.transceiver, (gpus + 2 * above) / d.ports_per_transceiver, "switch ports"),
            self.line(d.cable, gpus, "node to leaf"),
            self.line(d.cable, layers.leaf_cables, "leaf to spine"),
            self.line(d.cable, above - layers.leaf_cables, "spine to core"),
        ]
        if "transceivers" not in self.held:
            lines.append(self.line(d.node_transceiver, gpus, "node ports", powered=False))
        if "nics" not in self.held:
            lines.append(self.line(d.nic, gpus, "not in the rack or node"))
        if "scale_up" not in self.held:
            lines.append(self.line(d.scale_up, gpus, "not in the rack or node"))
        for side in SIDES:
            lines += self._side(side, gpus)
        rack = self.part(d.network_rack)
        upper = self.part(d.switch)
        tall = sum(line.count * line.item.get("rack_units", 0.0) for line in lines)
        tall += math.ceil(most_top - 1e-9) * upper.get("rack_units", 0.0)
        drawn = sum(line.count * line.item.design_kw for line in lines if line.powered)
        drawn += math.ceil(most_top - 1e-9) * upper.design_kw
        room = tall / rack.get("rack_units", 48.0), drawn / rack.get("rack_power_max_kw", 30.0)
        lines.append(self.line(d.network_rack, max(room), "height and power of its switches"))
        lines.append(self.line(d.management_rack, d.management_racks_per_unit, "management"))
        return [line for line in lines if line.count]

    def _side(self, side: str, gpus: int) -> list[Line]:
        """Lines of a network beside the fabric."""
        name = getattr(self.chosen, side) or getattr(self.design, side)
        if name == "none":
            return []
        path = ("network", side if getattr(self.chosen, side) else "fabric")
        item = _known(self.reader, self.catalog, name, path, "side_network")
        if item is None or item.side_network is None:
            return []
        given = item.side_network
        counts = side_counts(given, gpus, round(self.part(given.switch).get("switch_ports", 48.0)))
        rule = side.replace("_", " ")
        lines = [
            self.line(given.switch, counts.switches, f"{rule} switches"),
            self.line(given.cable, counts.ports + counts.uplinks, f"{rule} cables"),
        ]
        if given.transceiver is not None:
            lines.append(self.line(given.transceiver, counts.transceivers, f"{rule} transceivers"))
        if given.node_transceiver is not None:
            lines.append(self.line(given.node_transceiver, counts.ports, f"{rule} far ends", powered=False))
        return lines


def _known(reader: Reader, catalog: Catalog, name: str, path: tuple[str, ...], field: str) -> Item | None:
    """An item that has a design of the kind; None and a fault otherwise."""
    if name not in catalog or getattr(catalog[name], field) is None:
        kind = "fabric" if field == "fabric" else "side network"
        designs = [item.id for item in catalog.items if getattr(item, field) is not None]
        rule = f"is no {kind}" if name in catalog else "unknown item"
        reader.fault(path, name, rule, suggest(name, designs, "write one of " + ", ".join(designs)))
        return None
    return catalog[name]


def _sums(bill: tuple[Line, ...]) -> dict[str, Figure]:
    """Price, powers and lead time of a bill. Chains are sized with the high end of each design power."""

    def total(of: Callable[[Line], float]) -> Figure:
        return _figure(sum(line.count * of(line) for line in bill), bill)

    mean = total(lambda line: line.powered * line.item.get("average_power_kw", line.item.get("design_power_kw")))
    return {
        "price_usd": total(lambda line: line.item.get("price_usd")),
        "design_power_kw": total(lambda line: line.powered * line.item.design_kw),
        "average_power_kw": mean,
        "lead_time_weeks": _figure(max(line.item.get("lead_time_weeks") for line in bill), bill),
    }


def _figure(value: float, bill: Any) -> Figure:
    newest = max(figure.date for line in bill for _, figure in line.item.figures())
    return Figure(value=value, source="bill of materials", date=newest, confidence="estimate")
