"""GPU racks and nodes, and the network units that go with them: load, heat and what each consumes.

Three powers: design sizes the chain, average is energy, peak is for breakers and swings. All IT power becomes
heat, split into liquid and air by the item; network and electrical-room losses go to air.

    compute_shed[t]:   shed_i(t) <= fraction x shape(t) x average MW_i       only where the case allows it
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder
from planner.case.case import Case
from planner.case.catalog import Item
from planner.timeline import Hours

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Compute:
    """One compute item of the case. Powers in MW per unit."""

    key: str  # linking component it:<item>, MW of mean draw energised
    item: Item
    gpus: int
    design_mw: float
    average_mw: float
    liquid_fraction: float

    @property
    def average_fraction(self) -> float:
        """Mean draw over design power."""
        return self.average_mw / self.design_mw


def computes(case: Case) -> tuple[Compute, ...]:
    """Every compute candidate or committed compute item."""
    ids = [*case.candidates.get("compute", ())]
    ids += [c.item for c in case.input.committed if case.catalog[c.item].family == "compute"]
    result = []
    for item_id in dict.fromkeys(ids):
        item = case.catalog[item_id]
        design = item.design_kw / 1000.0
        result.append(
            Compute(
                f"it:{item_id}",
                item,
                round(item.get("gpus")),
                design,
                design * case.average_fraction(item),
                item.get("heat_to_liquid_fraction"),
            )
        )
    return tuple(result)


def nodes_per_rack(node: Item, rack: Item) -> int:
    """Nodes one rack takes by height and by power; 0 when it takes none."""
    by_height = rack.get("rack_units", 48.0) / max(node.get("rack_units", 1.0), 1.0)
    by_power = rack.get("rack_power_max_kw", 1e9) / node.design_kw
    return int(min(by_height, by_power))


def performance(item: Item, precision: str) -> float:
    """Dense PFLOPS of one unit at a precision; 0 where the catalog has none."""
    return item.get(f"pflops_{precision}", 0.0)


def operate(builder: BlockBuilder, hours: Hours, shape: Array, racks: tuple[Compute, ...], case: Case) -> None:
    """IT draw in a block. Links: it_mw (all compute and network, mean MW), it:<item>."""
    s = shape[hours.step_of_year]
    builder.draw_link("it_mw", s)
    workload = case.input.workload
    if workload is None or workload.shed is None or workload.shed.fraction == 0:
        return
    for rack in racks:
        shed = builder.add(f"compute_shed:{rack.item.id}")
        builder.supply(shed)  # cooling and losses are left as they are: the relief is not overstated
        usd_per_mwh = workload.shed.usd_per_gpu_hour * rack.gpus / rack.average_mw
        builder.price("shed compute", shed, usd_per_mwh * hours.weight)
        builder.rows(f"compute_shed:{rack.item.id}", [(1.0, shed.index)], [(-workload.shed.fraction * s, rack.key)])
