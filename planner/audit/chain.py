"""Audit of what a case asks of its power chain beyond capacity: minutes that the UPS batteries last."""

from __future__ import annotations

from planner.audit.base import Checks, says
from planner.audit.loads import Site
from planner.case.case import Case


def audit_chain(checks: Checks, case: Case, site: Site) -> None:
    """UPS batteries hold the load on the UPS for as long as the case asks, without their spares and second paths."""
    minutes = case.input.power_chain.ride_through_minutes
    if minutes is None or not site.racks:
        return
    for p in site.periods:
        held = sum(
            site.carries_mw(item, parts, "ups", on[p]) * item.get("ride_through_minutes")
            for item, parts, on in site.at("ups")
        )
        load = site.design[p]["ups"][0]
        text = says(f"{site.starts[p]}: {load:g} MW on the UPS")
        checks.at_most("ride-through", "MW min", minutes * load, held, 1e-6 * (1.0 + held), text)
