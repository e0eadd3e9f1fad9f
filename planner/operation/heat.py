"""Heat that the water loops carry in a block, by hour: where electricity ends, heat begins.

    liquid    cold plates of the racks, and the CDUs' pumps
    air       the rest of the racks, network, losses of the power stages in the room, and the air units' fans

Losses are those of the block itself: a stage's no-load part stands, its proportional part follows the IT draw, its
square part is the block's own column. What is shifted takes its heat along, and its losses as they are charged. So
all that is drawn in the room leaves it by a loop in every hour. Switchboards, transformers and heat rejection stand
outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Columns
from planner.families import power
from planner.families.compute import Compute
from planner.families.cooling import Heat, Rejection, standing_heat
from planner.timeline import Hours

Array = NDArray[np.float64]


def heat_of(
    hours: Hours,
    shape: Array,
    rejections: Sequence[Rejection],
    stages: Sequence[power.Stage],
    columns: Callable[[str], Columns],
    shifted: Sequence[Compute] = (),
) -> dict[str, Heat]:
    """Heat of every loop with heat rejection. columns: those of the block, by name. shifted: racks that may shift."""
    s, every = shape[hours.step_of_year], np.arange(len(hours))
    room = [stage for stage in stages if stage.name in power.IN_THE_ROOM]
    found = {}
    for loop in dict.fromkeys(r.loop for r in rejections):
        links = ((s, f"heat:{loop}"), (np.ones(len(every)), standing_heat(loop)))
        terms: list[tuple[Array, Columns]] = []
        for stage in room if loop == "air" else ():
            if stage.square > 0:
                phi = columns(f"square_throughput:{stage.name}")
                terms.append((stage.square * s**2, Columns(phi.name, np.repeat(phi.index, len(every)), every)))
        for rack in shifted:
            for way, sign in (("up", 1.0), ("down", -1.0)):
                share = heat_of_shift(rack, loop, room, more=way == "up")
                name = f"compute_shift_{way}:{rack.item.id}"
                terms.append((np.full(len(every), sign * share), columns(name)))
        found[loop] = Heat(links, tuple(terms))
    return found


def heat_of_shift(rack: Compute, loop: str, room: Sequence[power.Stage], *, more: bool) -> float:
    """Heat a loop takes of a MW drawn more (or less) by a rack, its losses in the room as charged. [MW/MW]"""
    if loop == "liquid":
        return rack.liquid_fraction
    through = [stage for stage in room if stage.name != "rack_pdu" or "rack_pdu" in rack.item.consumes]
    return 1.0 - rack.liquid_fraction + sum(power.shift_loss(stage, more=more) for stage in through)
