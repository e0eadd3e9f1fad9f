"""Nodes in racks. Nodes of several kinds share racks of one kind; with several kinds of racks a plan decides which.

    racks needed = sum over nodes i of run_i / n_i                              n_i whole nodes of i that a rack takes

and, with several kinds r of racks, with whole nodes x_ir of i in racks of r:

    nodes_racked:  sum over r of x_ir = run_i,   sum over i of x_ir / n_ir <= racks of r in use
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from planner.case.node_racks import nodes_per_rack
from planner.sizing.options import Option
from planner.sizing.top_layer import TopLayer


class RackSpace(TopLayer):
    """Racks that nodes stand in."""

    def node_racks(self) -> None:
        """Variables and rows where there are several kinds of racks."""
        m = self.m
        self._holders = [o for o in self.options if "rack_space" in o.supplies and o.item.family != "compute"]
        self._fits = {
            (r.item.id, o.key): n
            for r in self.plant.racks
            if "rack_space" in r.item.consumes
            for o in self._holders
            if (n := nodes_per_rack(r.item, o.item))
        }
        if len(self._holders) < 2:
            return
        index = [(*pair, p) for pair in self._fits for p in self.periods]
        m.nodes_in_racks = pyo.Var(index, within=pyo.NonNegativeIntegers)
        m.nodes_racked = pyo.ConstraintList()
        for p in self.periods:
            for node in dict.fromkeys(i for i, _ in self._fits):
                placed = sum(m.nodes_in_racks[i, r, p] for i, r in self._fits if i == node)
                m.nodes_racked.add(placed == m.energised[node, p])
            for o in self._holders:
                m.nodes_racked.add(self._filled(o, p) <= o.supplies["rack_space"] * m.sets[o.key, p])

    def _filled(self, o: Option, p: int) -> Any:
        """Racks of one kind that nodes fill."""
        return sum(self.m.nodes_in_racks[i, r, p] / n for (i, r), n in self._fits.items() if r == o.key)

    def racks_needed(self, p: int) -> Any:
        """Racks that nodes fill in a period."""
        if len(self._holders) < 2:
            return sum(self.m.energised[i, p] / n for (i, _), n in self._fits.items())
        return sum(self._filled(o, p) for o in self._holders)
