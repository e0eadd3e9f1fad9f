"""Draw of IT, what of the losses heats the room, the heat of every loop and what rejects it, by step.

Where something takes water, its make-up too. [m3/h]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.case.water import takes_water
from planner.families import power
from planner.operation.heat import heat_of
from planner.solve.cooling_table import MAKEUP
from planner.solve.reading import Reading, value
from planner.solve.states import State
from planner.timeline import Hours

Array = NDArray[np.float64]


def load_and_heat(read: Reading, s: State, hours: Hours, flows: dict[str, Array]) -> dict[str, Array]:
    """Columns of the dispatch of a site with racks. [MW]"""
    block, primal = read.solution.blocks[s.block], read.solution.values[s].primal
    link = dict(zip(block.links, read.solution.links[s].tolist(), strict=True))
    plant = read.sizing.plant.paths[s.path]
    shape, none = plant.case.load_shape[hours.step_of_year], np.zeros(len(hours))
    room = [stage for stage in plant.stages if stage.name in power.IN_THE_ROOM]
    moved = [rack for rack in plant.racks if f"compute_shift_up:{rack.item.id}" in block.columns]
    it = link["it_mw"] * shape + read.network_mw(s.period)
    losses = none + sum(value(read.sizing.standing(stage, s.period)) for stage in power.IN_THE_ROOM)
    for stage in room:
        losses += stage.proportional * stage.throughput_per_it * shape * link[_drawn(stage.name)]
        if stage.square > 0:
            losses += stage.square * shape**2 * primal[block.columns[f"square_throughput:{stage.name}"].index]
    for rack in moved:
        more, less = (flows[f"compute_shift_{way}:{rack.item.id}"] for way in ("up", "down"))
        it += more - less
        for stage in room:
            if stage.name != "rack_pdu" or "rack_pdu" in rack.item.consumes:
                losses += power.shift_loss(stage, more=True) * more - power.shift_loss(stage, more=False) * less
    shown = {"it_mw": it, "room_losses_mw": losses, "heat_rejection_mw": none.copy()}
    if any(takes_water(r.item) for r in plant.rejections):
        shown[MAKEUP] = none.copy()
    given = heat_of(hours, plant.case.load_shape, plant.rejections, plant.stages, block.columns.__getitem__, moved)
    for loop, of in given.items():
        heat = sum((share * link[name] for share, name in of.links), none)
        for share, columns in of.columns:
            heat = heat + share * primal[columns.index]
        shown[f"{loop}_heat_mw"] = heat
        options = [r for r in plant.rejections if r.loop == loop]
        for r in options:
            taken = heat if len(options) == 1 else flows[f"heat_rejected:{loop}:{r.item.id}"]
            shown["heat_rejection_mw"] += r.power_fraction[hours.hour_of_year] * taken
            if takes_water(r.item):
                shown[MAKEUP] += r.makeup_l_per_kwh[hours.hour_of_year] * taken  # 1 L per kWh is 1 m3 per MWh
    return shown


def _drawn(stage: str) -> str:
    """Linking component of the mean draw that goes through a stage."""
    return "pdu_mw" if stage == "rack_pdu" else "it_mw"
