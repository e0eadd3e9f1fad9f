"""Audit of compute that runs in another hour of its day: how much, within what, and what of losses goes with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from planner.audit.base import Array, Checks
from planner.audit.loads import Site
from planner.audit.stock import FLOW, Rack
from planner.case.case import Case

if TYPE_CHECKING:
    from planner.audit.months import Month

_MW = 1e-6
_BOTH_WAYS = 1e-4  # of what is moved that may move both ways in one hour


def _flows(month: Month, rack: Rack) -> tuple[Array, Array]:
    """(MW more, MW less) of a rack item by hour."""
    return month.flow(f"compute_shift_up:{rack.item.id}_mw"), month.flow(f"compute_shift_down:{rack.item.id}_mw")


def moved_mw(site: Site, month: Month, *, pdu_only: bool = False, only: Rack | None = None) -> Array:
    """IT draw more (or less, negative) than the load's shape says; only: of one rack item. [MW by hour]"""
    total = np.zeros(len(month.rows))
    for rack in site.racks if only is None else (only,):
        if rack.uses("rack_pdu") or not pdu_only:
            more, less = _flows(month, rack)
            total = total + more - less
    return total


def overstated_loss_mw(site: Site, month: Month, of: Collection[str] = FLOW) -> Array:
    """Most by which a plan may overstate the square losses of what it moves: their slope at full rating. [MW]"""
    total = np.zeros(len(month.rows))
    for stage in (s for s in site.losses if s.stage in of):
        for rack in site.racks:
            if rack.uses("rack_pdu") or stage.stage != "rack_pdu":
                more, less = _flows(month, rack)
                total = total + 2.0 * stage.square * stage.multiple * (more + less)
    return total


def audit_shift(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """Within the fraction and below design power in every hour, as much energy in every day, one way at a time."""
    shift = case.input.workload.shift if case.input.workload is not None else None
    fraction, at = shift.fraction if shift is not None else 0.0, month.hours.step_of_year
    day, step_h = month.hours.shown_hour // 24, month.hours.step_h
    for rack in site.racks:
        more, less = _flows(month, rack)
        runs = float(site.runs(rack)[month.p])
        load = case.load_shape[at] * rack.mean_mw * runs
        most, where = fraction * load, month.where(f"shift of {rack.item.id}")
        checks.at_most("compute shifted", "MW", np.maximum(more, less), most, _MW * (1.0 + most), where)
        design = rack.design_mw * runs
        checks.at_most("shift below design power", "MW", load + more, max(design, 0.0), _MW * (1.0 + design), where)
        both = float(np.minimum(more, less).sum()) * step_h
        checks.at_most(
            "shift one way at a time", "MWh", both, _BOTH_WAYS * float((more + less).sum()) * step_h, 1e-3, where
        )
        net = np.array([float((more - less)[day == d].sum()) * step_h for d in np.unique(day)])
        checks.equal("energy of the day", "MWh", net, 0.0 * net, 1e-5 * (1.0 + design), where)
