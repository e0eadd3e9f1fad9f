"""Which generators may stand by beside those bought for it: bridge power that is no longer needed as such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.case.catalog import Catalog
    from planner.case.item import Item
    from planner.case.reader import Reader
    from planner.case.schema import CaseInput, Redundancy


def may_stand_by(policy: Redundancy | None, item: Item) -> bool:
    """Whether a non-emergency generator may stand by: it starts within the ride-through, on fuel that is there.

    Oil is in the site's own tanks; gas counts where the case says that it does not fail with the grid.
    """
    if (
        policy is None
        or not policy.from_bridge
        or policy.ride_through_minutes is None
        or item.start_time_minutes is None
    ):
        return False
    fuelled = item.fuel == "diesel" or policy.firm_gas
    return fuelled and item.start_time_minutes.upper <= policy.ride_through_minutes


def standby_policy(given: CaseInput) -> Redundancy | None:
    """The standby policy; its ride-through is the power chain's where it names none of its own."""
    policy, minutes = given.redundancy.get("standby_generation"), given.power_chain.ride_through_minutes
    if policy is None or not policy.from_bridge or policy.ride_through_minutes is not None:
        return policy
    return policy.model_copy(update={"ride_through_minutes": minutes})


def check_standby(reader: Reader, given: CaseInput, catalog: Catalog, machines: Iterable[str]) -> None:
    """Reuse needs milestones, for what bridges is known from their firm power, and a generator that may stand by."""
    policy = standby_policy(given)
    if policy is None or not policy.from_bridge or not reader.sound(("redundancy",), ("power_chain",), ("site",)):
        return
    minutes, chain = policy.ride_through_minutes, given.power_chain.ride_through_minutes
    at = ("redundancy", "standby_generation", "ride_through_minutes")
    if minutes is None:
        remedy = "write the minutes the UPS batteries last, here or as power_chain.ride_through_minutes"
        reader.fault(at, None, "is required with from_bridge", remedy)
        return
    if chain is not None and minutes > chain:
        remedy = "remove it: power_chain.ride_through_minutes holds for both"
        reader.fault(at, minutes, f"is longer than the UPS batteries are asked to last ({chain:g} min)", remedy)
    if policy.firm_gas and given.site.gas is not None and not given.site.gas.firm:
        at = ("redundancy", "standby_generation", "firm_gas")
        reader.fault(at, True, "site.gas is not firm", "remove it, or correct site.gas.firm")
    at = ("redundancy", "standby_generation", "from_bridge")
    if not given.target.milestones:
        rule = "needs milestones: under a load series the hours, not firm power, say what is spare"
        reader.fault(at, True, rule, "remove it")
        return
    known = [catalog[name] for name in machines if name in catalog]
    if reader.sound(("candidates",), ("committed",), ("existing",)) and not any(may_stand_by(policy, i) for i in known):
        times = (
            ", ".join(f"{i.id} {i.start_time_minutes.upper:g}" for i in known if i.start_time_minutes is not None)
            or "none"
        )
        rule = f"no generator of the case starts within {minutes:g} min on firm fuel (min: {times})"
        reader.fault(at, True, rule, "give ride_through_minutes, start_time_minutes, or firm_gas: true, or remove it")
