"""Every start of an event tried on a site, without a solver: what the blocks of sampled starts leave out.

The need of an hour is the load that must be carried less all that can carry it. Batteries begin with their reserves,
give to a need in the order of the hours they have left, most first, and take from what is left over, least first.
With equal efficiencies no other order serves more (Evans, Tindemans, Angeli, IEEE Trans. Power Syst. 34(4), 2019);
with unequal ones a start may fail here that a solver can save, so a failing start is tried again as a block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.families import cooling, power
from planner.operation.blocks import Plant
from planner.operation.called import UNCALLED
from planner.operation.events import Event, ahead
from planner.operation.gas import RATE, most_mw
from planner.units import HOURS_PER_YEAR

Array = NDArray[np.float64]
_HALVINGS = 50


def need_mw(plant: Plant, event: Event, x: Array, *, called: bool = True) -> Array:
    """Load that must be carried less what may carry it, by step of the year; negative: what is left over.

    called: in the hours the event takes, or in those of rest between two calls.
    """
    carried, left = (event.load_fraction, event.grid_fraction_left) if called else (1.0, 1.0)
    case, link = plant.case, dict(zip(plant.links, x.tolist(), strict=True))
    need = np.zeros(HOURS_PER_YEAR * event.steps_per_hour)
    if case.load_series_mw is not None:
        need += link["load_mw"] * carried * event.load_series(case.load_series_mw) / (plant.load_peak_mw or 1.0)
    if plant.racks:
        shape = carried * event.load_shape(case.load_shape, plant.racks)
        need += link["standing_mw"] + shape * (link["it_mw"] + _losses_mw(plant, link, shape))
        need += _rejection_mw(plant, link, shape)
    if case.tariff is not None:
        imported = left * link["grid_mw"]
        if event.uncalled:
            imported = min(link["grid_mw"], imported + (1.0 - left) * link[UNCALLED])
        need -= (1.0 - plant.import_loss_fraction) * imported
    if plant.standby and event.standby:
        need -= link["standby_mw"]
    able = {}
    for machine in plant.generators:
        lost = link[event.lost] if event.lost == f"lost:{machine.item.id}" else 0.0
        standing = 0.0 if machine.item.id in event.late else max(link[machine.key] - lost, 0.0)
        able[machine.key] = np.repeat(machine.capacity_fraction, event.steps_per_hour) * standing
    if plant.gas is not None:
        need -= most_mw(plant.gas, {g.key: able.pop(g.key) for g in plant.gas.burners}, link[RATE])
    for output in able.values():
        need -= output
    for source in plant.renewables:
        need -= np.repeat(source.output_fraction, event.steps_per_hour) * link[source.key]
    return need


def unserved_mwh(plant: Plant, event: Event, x: Array, starts: NDArray[np.int64]) -> Array:
    """Energy not served in an event that begins at each of some steps of the year. Shape (starts,). [MWh]"""
    need_mwh = {called: need_mw(plant, event, x, called=called) * event.step_h for called in set(event.called.tolist())}
    link = dict(zip(plant.links, x.tolist(), strict=True))
    stores = [store for store in plant.batteries if link[store.key] > 0]
    power_mw = np.array([link[store.key] for store in stores])
    most = np.array([mwh * link[name] for mwh, name in (store.holds for store in stores)])
    eta = np.array([store.efficiency for store in stores])
    soc = np.tile([link[store.reserve] for store in stores], (len(starts), 1))
    unserved = np.zeros(len(starts))
    through = ahead(starts, event.length_h * event.steps_per_hour, event.steps_per_hour)
    for at, called in zip(through.T, event.called.tolist(), strict=True):
        ask = need_mwh[called][at]
        if not stores:
            unserved += np.maximum(ask, 0.0)
            continue
        left = soc * eta / power_mw  # hours at full power
        give = _level(np.maximum(ask, 0.0), left, np.minimum(event.step_h, left), power_mw, falling=True)
        room = np.minimum(event.step_h, (most - soc) / (eta * power_mw))
        take = _level(np.maximum(-ask, 0.0), left, room, power_mw, falling=False)
        soc = np.clip(soc - give / eta + take * eta, 0.0, most)
        unserved += np.maximum(ask - give.sum(axis=1), 0.0)
    return unserved


def _level(ask: Array, left: Array, most: Array, power_mw: Array, *, falling: bool) -> Array:
    """Energy each battery moves: down to one level of hours left, or up to one, each for at most so long. [MWh]"""
    sign = 1.0 if falling else -1.0
    low = np.where(falling, -1.0, left.min(axis=1) - 1.0)
    high = left.max(axis=1) + 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        moved = (np.clip(sign * (left - middle[:, None]), 0.0, most) * power_mw).sum(axis=1)
        enough = moved >= ask
        raise_level = enough == falling
        low, high = np.where(raise_level, middle, low), np.where(raise_level, high, middle)
    level = low if falling else high
    flows: Array = np.clip(sign * (left - level[:, None]), 0.0, most) * power_mw
    total = flows.sum(axis=1, keepdims=True)
    served: Array = flows * np.minimum(1.0, ask[:, None] / np.maximum(total, 1e-12))
    return served


def _losses_mw(plant: Plant, link: dict[str, float], shape: Array) -> Array:
    """Losses that follow the IT draw, over the shape, as the blocks have them. [MW by step]"""
    total = np.zeros(len(shape))
    for stage in plant.stages:
        total += stage.proportional * _through_mw(stage, link)
    for stage, phi in _squares(plant, link):
        total += stage.square * shape * phi
    return total


def _through_mw(stage: power.Stage, link: dict[str, float]) -> float:
    """Mean throughput of a stage."""
    return stage.throughput_per_it * link["pdu_mw" if stage.name == "rack_pdu" else "it_mw"]


def _squares(plant: Plant, link: dict[str, float]) -> list[tuple[power.Stage, float]]:
    """Stages that lose with the square of what goes through, each with phi of its block. [MW]"""
    return [
        (stage, power.square_throughput_mw(_through_mw(stage, link), link[f"rated:{stage.name}"]))
        for stage in plant.stages
        if stage.square > 0
    ]


def _rejection_mw(plant: Plant, link: dict[str, float], shape: Array) -> Array:
    """Power of heat rejection, the best items first in every step. [MW by step]"""
    total = np.zeros(len(shape))
    hour = np.arange(len(shape)) * HOURS_PER_YEAR // len(shape)
    for loop in cooling.LOOPS:
        options = [o for o in plant.rejections if o.loop == loop]
        if not options:
            continue
        heat = shape * link[f"heat:{loop}"] + link[cooling.standing_heat(loop)]
        if loop == "air":
            heat = heat + shape**2 * sum(
                stage.square * phi for stage, phi in _squares(plant, link) if stage.name in power.IN_THE_ROOM
            )
        if len(options) == 1:
            total += options[0].power_fraction[hour] * heat
            continue
        power_fraction = np.array([o.power_fraction for o in options])
        able = np.array([o.capacity_fraction * link[o.key] for o in options])
        for place in np.argsort(power_fraction, axis=0, kind="stable"):
            taken = np.minimum(heat, able[place[hour], hour])
            total += power_fraction[place[hour], hour] * taken
            heat = heat - taken
    return total
