"""The auditor's nodes in racks: least and most racks that the nodes that run may fill."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linprog

from planner.audit.site import Standing
from planner.case.item import Item


def whole_nodes(node: Item, rack: Item) -> int:
    """Nodes that fit into a rack: counted up while the next one still does."""
    tall, strong = rack.get("rack_units", 48.0), rack.get("rack_power_max_kw", math.inf)
    height, power = max(node.get("rack_units", 1.0), 1.0), node.design_kw
    by_heat = "direct_liquid" if node.get("heat_to_liquid_fraction", 0.0) > 0 else "air"
    if "rack_space" in node.brings or (rack.accepts and (node.cooling_method or by_heat) not in rack.accepts):
        return 0
    n = 0
    while (n + 1) * height <= tall * (1 + 1e-9) and (n + 1) * power <= strong * (1 + 1e-9):
        n += 1
    return n


def racks_filled(site: Standing, p: int) -> tuple[float, float]:
    """(least, most) racks filled in a period; infinite where what is on cannot hold the nodes that run."""
    kinds = site.items_for("rack_space")
    nodes = [(rack.item, float(site.runs(rack)[p])) for rack in site.racks if rack.uses("rack_space")]
    fits = [
        (i, r, n) for i, (node, _) in enumerate(nodes) for r, kind in enumerate(kinds) if (n := whole_nodes(node, kind))
    ]
    if not nodes or not kinds:
        return 0.0, 0.0
    if len(kinds) == 1:
        one = sum(nodes[i][1] / n for i, _, n in fits)
        return one, one
    there = [float(site.switched_on(kind.id, "rack_space")[p]) for kind in kinds]
    room, all_placed = np.zeros((len(kinds), len(fits))), np.zeros((len(nodes), len(fits)))
    for column, (i, r, n) in enumerate(fits):
        room[r, column], all_placed[i, column] = 1.0 / n, 1.0
    found = linprog(
        [1.0 / n for _, _, n in fits],
        A_ub=room,
        b_ub=np.array(there) + 1e-9,
        A_eq=all_placed,
        b_eq=[run for _, run in nodes],
        method="highs",
    )
    return (float(found.fun), sum(there)) if found.status == 0 and found.fun is not None else (math.inf, math.inf)
