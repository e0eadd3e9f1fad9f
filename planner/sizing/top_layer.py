"""The top layer of a counted fabric: spines or cores that join the scalable units, so many by how many units there are.

The number rises in steps (`case.fabric`), few enough for a binary each. With steps (u_k, n_k), n_k switches for up to
u_k units and u_0 = n_0 = 0, and y_k in a period whether there are more than u_{k-1} units:

    top_layer_units:  units <= sum over k of (u_k - u_{k-1}) y_k,   units >= (u_{k-1} + 1) y_k,   y_k <= y_{k-1}

    switches needed = sum over k of (n_k - n_{k-1}) y_k             the load of position network_top_layer
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyomo.environ as pyo

from planner.case.fabric import Fabric
from planner.sizing.counts import Counts


class TopLayer(Counts):
    """Switches that join the units of the fabric."""

    def top_layer_steps(self) -> None:
        """Binaries of the steps, tied to the units switched on."""
        m, fabric = self.m, self.case.fabric
        if fabric is None:
            return
        steps = [(0, 0), *fabric.steps(self.most_sets(self.option(fabric.unit)))]
        self._rises = [b[1] - a[1] for a, b in pairwise(steps)]
        places = range(len(self._rises))
        m.more_units = pyo.Var([(str(k), p) for k in places for p in self.periods], within=pyo.Binary)
        m.top_layer_units = pyo.ConstraintList()
        for p in self.periods:
            held = [self.stays([m.more_units], str(k), p, self.dates.standing, m.top_layer_units) for k in places]
            if any(held):
                continue
            units, more = m.sets[fabric.unit, p], [m.more_units[str(k), p] for k in places]
            m.top_layer_units.add(units <= sum((steps[k + 1][0] - steps[k][0]) * more[k] for k in places))
            for k in places:
                m.top_layer_units.add(units >= (steps[k][0] + 1) * more[k])
                if k:
                    m.top_layer_units.add(more[k] <= more[k - 1])

    def network_floor_m2(self, p: int) -> Any:
        """Floor of the network's own racks, of units switched on: what waits for its hall stands elsewhere."""
        return sum(
            o.item.get("planning_area_m2") * self.energised_units(o, p)
            for o in self.options
            if o.item.family == "network" and "white_space" in o.item.consumes
        )

    def top_layer(self, fabric: Fabric, p: int) -> Any:
        """Switches of the top layer that the units switched on in a period need."""
        return sum(rise * self.m.more_units[str(k), p] for k, rise in enumerate(self._rises))
