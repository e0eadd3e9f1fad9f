"""Fields of a generator whose units are committed: heat rate by load, minimum load, starts, ramps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.case.base import Rule

if TYPE_CHECKING:
    from planner.case.item import Item

# What makes it matter which units of a generator are online.
COMMITMENT = (
    "heat_rate_half_load_btu_per_kwh_lhv",
    "heat_rate_half_load_btu_per_kwh_hhv",
    "minimum_load_fraction",
    "start_cost_usd",
    "start_fuel_mmbtu_hhv",
    "ramp_fraction_per_minute",
)


def commitment_faults(item: Item) -> list[Rule]:
    """Values that no machine can have, and fields where they mean nothing."""
    found = []
    for basis in ("lhv", "hhv"):
        name = f"heat_rate_half_load_btu_per_kwh_{basis}"
        half, full = getattr(item, name), getattr(item, f"heat_rate_btu_per_kwh_{basis}")
        if half is None:
            continue
        if full is None:
            remedy = f"give heat_rate_btu_per_kwh_{basis} too: both on one heating value"
            found.append(Rule("has no heat rate at full load beside it", remedy, (name,)))
        elif not full.planning <= half.planning <= 2.0 * full.planning:
            rule = f"must be 1 to 2 times the heat rate at full load (got {half.planning:g} of {full.planning:g})"
            found.append(Rule(rule, "a unit burns more a kWh at half load, and no more an hour", (name,)))
    if item.ramp_fraction_per_minute is not None and item.ramp_fraction_per_minute.planning == 0:
        remedy = "leave it out where ramps do not matter"
        found.append(Rule("must be above 0", remedy, ("ramp_fraction_per_minute",)))
    given = [name for name in COMMITMENT if getattr(item, name) is not None]
    if given and item.family != "generation":
        found.append(Rule("only generation items have it", "leave it out", (given[0],)))
    elif given and item.divisible:
        remedy = "leave it out, or make the item one of whole units"
        found.append(Rule("has no meaning for an item that is bought in fractions", remedy, (given[0],)))
    return found
