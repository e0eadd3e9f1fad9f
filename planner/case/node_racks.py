"""Which racks hold which nodes: whole nodes, within the height and the power of a rack."""

from __future__ import annotations

from planner.case.item import Item


def cooling_method(compute: Item) -> str:
    """How a compute item is cooled: as it says, or by where its heat goes."""
    if compute.cooling_method is not None:
        return compute.cooling_method
    return "air" if compute.get("heat_to_liquid_fraction", 0.0) == 0 else "direct_liquid"


def nodes_per_rack(node: Item, rack: Item) -> int:
    """Nodes one rack takes by height and by power; 0 when it takes none.

    A rack without a height of its own has 48 units, one without a power limit takes any power; a rack or tank that
    says which cooling it accepts takes no other.
    """
    if "rack_space" in node.brings or (rack.accepts and cooling_method(node) not in rack.accepts):
        return 0
    by_height = rack.get("rack_units", 48.0) / max(node.get("rack_units", 1.0), 1.0)
    by_power = rack.get("rack_power_max_kw", 1e9) / node.design_kw
    return int(min(by_height, by_power) + 1e-9)
