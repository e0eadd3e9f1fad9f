"""GPU racks and nodes, and the network units that go with them: load, heat and what each consumes.

Three powers: design sizes the chain, average is energy, peak is for breakers and swings. All IT power becomes
heat, split into liquid and air by the item; network and electrical-room losses go to air.

    compute_shed[t]:        shed_i(t) <= fraction x shape(t) x average MW_i      only where the case allows it
    compute_shift[t]:       more_i(t) + less_i(t) <= fraction x shape(t) x average MW_i
    compute_shift_up[t]:    shape(t) x average MW_i + more_i(t) <= design MW_i
    compute_shift_day[d]:   sum over a day of more_i = sum of less_i
Shed compute is an opportunity cost: lost GPU-hours at their value, a line of the ledger that nobody is paid. Budget
rows count it like any operating cost, so they are kept with room to spare. What is shed relieves the IT draw alone.
What is shifted takes its heat and losses along (power and cooling). In an event neither is counted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Columns
from planner.case.case import Case
from planner.case.item import Item
from planner.case.schema import Shed
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


@dataclass(frozen=True)
class Shift:
    """Draw of one item moved between hours: columns of MW more and of MW less."""

    rack: Compute
    more: Columns
    less: Columns


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


def performance(item: Item, precision: str) -> float:
    """Dense PFLOPS of one unit at a precision; 0 where the catalog has none."""
    return item.get(f"pflops_{precision}", 0.0)


def operate(
    builder: BlockBuilder, hours: Hours, shape: Array, racks: tuple[Compute, ...], case: Case
) -> tuple[Shift, ...]:
    """IT draw in a block, and what of it is shifted. Links: it_mw (all compute and network, mean MW), it:<item>."""
    s = shape[hours.step_of_year]
    builder.draw_link("it_mw", s)
    workload = case.input.workload
    if workload is None:
        return ()
    if workload.shed is not None and workload.shed.fraction > 0:
        _shed(builder, hours, s, racks, workload.shed)
    return _shift(builder, hours, s, racks, workload.shift.fraction) if workload.shift is not None else ()


def _shed(builder: BlockBuilder, hours: Hours, s: Array, racks: tuple[Compute, ...], given: Shed) -> None:
    for rack in racks:
        shed = builder.add(f"compute_shed:{rack.item.id}")
        builder.supply(shed)  # cooling and losses are left as they are: the relief is not overstated
        usd_per_mwh = given.usd_per_gpu_hour * rack.gpus / rack.average_mw
        builder.price("shed compute (value, not paid)", shed, usd_per_mwh * hours.weight)
        builder.rows(f"compute_shed:{rack.item.id}", [(1.0, shed.index)], [(-given.fraction * s, rack.key)])


def _shift(
    builder: BlockBuilder, hours: Hours, s: Array, racks: tuple[Compute, ...], fraction: float
) -> tuple[Shift, ...]:
    found, day = [], hours.hour_of_month // 24
    for rack in racks:
        name = rack.item.id
        more, less = builder.add(f"compute_shift_up:{name}"), builder.add(f"compute_shift_down:{name}")
        builder.draw(more)
        builder.supply(less)
        room = np.clip(1.0 / rack.average_fraction - s, 0.0, fraction * s)  # below design power
        builder.rows(f"compute_shift_up:{name}", [(1.0, more.index)], [(-room, rack.key)])
        builder.rows(f"compute_shift:{name}", [(1.0, more.index), (1.0, less.index)], [(-fraction * s, rack.key)])
        for d in np.unique(day):
            moved = [(1.0, more.index[day == d]), (-1.0, less.index[day == d])]
            builder.total(f"compute_shift_day:{name}:{d}", moved, equal=True)
        found.append(Shift(rack, more, less))
    return tuple(found)
