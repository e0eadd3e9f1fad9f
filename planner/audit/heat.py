"""Audit of heat: all that is drawn in the room leaves it by a water loop in every hour, and units that stand reject it.

    liquid heat    share of the racks' draw that is theirs to the cold plates, and the CDUs' pumps
    air heat       the rest of the racks, network, losses of PDUs, busway and UPS, and the air units' fans

It closes when IT, room losses, pumps and fans add up to the heat of the two loops, to 1e-6. The losses in it are those
that the plan is charged for; they must be the auditor's own, save that the square part lies on tangents below the
square, and that what shifted compute loses may be overstated. Losses of switchboards and transformers, and what
heat rejection draws, go to the outside air and to no loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planner.audit.base import Array, Checks
from planner.audit.loads import IN_THE_ROOM, Site
from planner.audit.shift import moved_mw
from planner.audit.stock import LOOPS

if TYPE_CHECKING:
    from planner.audit.months import Month

_MW = 1e-6


def constant_heat_mw(site: Site, p: int) -> dict[str, float]:
    """Heat by loop that does not follow the load: pumps; fans, network and no-load losses in the room."""
    lost = sum(site.no_load_mw(stage, p) for stage in IN_THE_ROOM)
    air = float(site.network_mw[p]) + lost + site.auxiliary_mw("air_unit", p)
    return {"liquid": site.auxiliary_mw("cdu", p), "air": air}


def following_heat_mw(site: Site, p: int, shape: Array) -> dict[str, Array]:
    """Heat by loop that follows the load of the racks, with losses as they are. [MW]"""
    mean = {r.item.id: r.mean_mw for r in site.racks}
    it = float(site.sum_racks(mean)[p])
    on_pdu = float(site.sum_racks({r.item.id: r.mean_mw for r in site.racks if r.uses("rack_pdu")})[p])
    liquid = float(site.sum_racks({r.item.id: r.mean_mw * r.liquid for r in site.racks})[p])
    lost = np.zeros(len(shape))
    for stage in (s for s in site.losses if s.stage in IN_THE_ROOM):
        through = stage.multiple * shape * (on_pdu if stage.stage == "rack_pdu" else it)
        rated = site.rated_mw(stage.stage, p)
        lost += stage.proportional * through + (stage.square * through**2 / rated if rated > 0 else 0.0)
    return {"liquid": shape * liquid, "air": shape * (it - liquid) + lost}


def taken_mw(site: Site, month: Month, loop: str, item: str) -> Array:
    """Heat that an item takes from a loop; all of it where it is alone. [MW by hour]"""
    alone = len(site.rejectors[loop]) == 1
    return month.flow(f"{loop}_heat_mw" if alone else f"heat_rejected:{loop}:{item}_mw")


def rejection_mw(site: Site, month: Month) -> Array:
    """Power of heat rejection from the heat each item takes. [MW by hour]"""
    total = np.zeros(len(month.rows))
    for loop in LOOPS:
        for r in site.rejectors[loop]:
            total += r.power[month.hours.hour_of_year] * taken_mw(site, month, loop, r.item.id)
    return total


def audit_heat(checks: Checks, site: Site, month: Month, room_losses_mw: tuple[Array, Array]) -> None:
    """Heat arises as it must and is removed, by units that stand, within what the hour's weather lets them.

    room_losses_mw: least and most that the stages in the room may lose.
    """
    if not site.racks:
        return
    _closes(checks, site, month, room_losses_mw)
    at = month.hours.hour_of_year
    for loop in LOOPS:
        heat, choices = month.flow(f"{loop}_heat_mw"), site.rejectors[loop]
        removed = np.zeros(len(at))
        for r in choices:
            taken = taken_mw(site, month, loop, r.item.id)
            units = float(site.switched_on(r.item.id, f"heat_rejection:{loop}")[month.p])
            limit = r.capacity[at] * r.rated_mw * units
            where = month.where(f"{loop} heat to {r.item.id}")
            checks.at_most("heat rejection capacity", "MW", taken, limit, _MW * (1.0 + limit), where)
            removed = removed + taken
        checks.equal("heat removed", "MW", removed, heat, _MW * (1.0 + heat), month.where(f"{loop} heat"))


def _closes(checks: Checks, site: Site, month: Month, room_losses_mw: tuple[Array, Array]) -> None:
    """Cold plates and pumps heat the liquid loop, everything else in the room the air loop."""
    p, it, losses = month.p, month.flow("it_mw"), month.flow("room_losses_mw")
    pumps, fans = site.auxiliary_mw("cdu", p), site.auxiliary_mw("air_unit", p)
    shape = site.case.load_shape[month.hours.step_of_year]
    liquid = pumps + shape * float(site.sum_racks({r.item.id: r.mean_mw * r.liquid for r in site.racks})[p])
    for rack in site.racks:
        liquid = liquid + rack.liquid * moved_mw(site, month, only=rack)
    heat = {"liquid": liquid, "air": it + losses + pumps + fans - liquid}
    for loop in LOOPS:
        if site.rejectors[loop]:
            got, want = month.flow(f"{loop}_heat_mw"), heat[loop]
            checks.equal("heat balance", "MW", got, want, _MW * (1.0 + it), month.where(f"{loop} heat"))
    least, most = room_losses_mw
    checks.between("room losses", "MW", losses, least, most, _MW * (1.0 + it), month.where("losses in the room"))
