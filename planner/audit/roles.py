"""Audit of generators that stand by: whole units that stand, that may, and that nothing else counts."""

from __future__ import annotations

import numpy as np

from planner.audit.base import Checks, Tables, says_when
from planner.audit.site import Standing
from planner.case.case import Case
from planner.case.item import Item


def audit_roles(checks: Checks, case: Case, tables: Tables, site: Standing) -> None:
    """The table of roles: units on duty and standing by are those that stand."""
    shown = tables.details.get("generator_roles")
    if shown is None:
        return
    machines = {item.id: item for item in site.family_items("generation")}
    strange = sorted(set(shown["item"]) - set(machines))
    checks.true("generator roles", not strange, f"roles of what is no generator of the case: {strange[:3]}")
    for name, item in machines.items():
        by, stands = site.standing_by(name), site.of_item(name, "generation")
        where = says_when(f"{name} standing by", site.starts)
        checks.equal("generator roles", "units", by, np.round(by), 1e-6, where)
        checks.at_most("generator roles", "units", -by, 0.0, 1e-6, where)
        checks.at_most("generator roles", "units", by, stands if _may(case, item) else 0.0, 1e-5, where)
        duty = np.zeros(len(site.starts))
        for row in shown[shown["item"] == name].to_dict("records"):
            duty[site.starts.index(row["period"])] += float(row["on_duty_units"])
        if name in set(shown["item"]):
            where = says_when(f"{name} on duty", site.starts)
            checks.equal("generator roles", "units", duty, stands - by, 1e-5, where)


def _may(case: Case, item: Item) -> bool:
    """It must start before the ride-through is over, on oil or on gas that stays when the grid goes."""
    policy = case.redundancy.get("standby_generation")
    if policy is None or not policy.from_bridge or item.start_time_minutes is None:
        return False
    slowest = (
        item.start_time_minutes.high if item.start_time_minutes.high is not None else item.start_time_minutes.planning
    )
    minutes = policy.ride_through_minutes or case.input.power_chain.ride_through_minutes or 0.0
    return (item.fuel == "diesel" or policy.firm_gas) and slowest <= minutes
