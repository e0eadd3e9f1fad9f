"""Which racks hold which nodes: whole nodes, within the height and the power of a rack."""

from __future__ import annotations

from planner.case.catalog import Catalog
from planner.case.item import Item
from planner.case.reader import Reader


def nodes_per_rack(node: Item, rack: Item) -> int:
    """Nodes one rack takes by height and by power; 0 when it takes none.

    A rack without a height of its own has 48 units, one without a power limit takes any power.
    """
    by_height = rack.get("rack_units", 48.0) / max(node.get("rack_units", 1.0), 1.0)
    by_power = rack.get("rack_power_max_kw", 1e9) / node.design_kw
    return int(min(by_height, by_power) + 1e-9)


def check_racks(reader: Reader, compute: list[Item], racks: list[str], catalog: Catalog) -> None:
    """Every node fits some rack of the case."""
    for node in compute:
        if "rack_space" not in node.consumes or not racks or any(nodes_per_rack(node, catalog[r]) for r in racks):
            continue
        limits = ", ".join(f"{r} ({catalog[r].get('rack_power_max_kw', 0.0):g} kW)" for r in racks)
        rule = f"{node.id} ({node.get('rack_units', 1.0):g} U, {node.design_kw:g} kW) fits no rack: {limits}"
        remedy = "name an enclosure that takes it, or another node"
        reader.fault(("candidates", "compute"), node.id, rule, remedy)
