"""Rules between a case's power chain and the items it may choose: harmonics, ride-through, start of standby sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.case.catalog import Catalog
from planner.case.item import Item
from planner.case.reader import Reader
from planner.case.schema import CaseInput, Redundancy

Candidates = Mapping[str, tuple[str, ...]]


def check_chain(
    reader: Reader,
    given: CaseInput,
    catalog: Catalog,
    candidates: Candidates,
    redundancy: Mapping[str, Redundancy | None],
) -> None:
    """Faults of what the case asks of its power chain and the items cannot answer."""
    if not reader.sound(("candidates",), ("committed",), ("power_chain",), ("redundancy",)):
        return
    chain, path = given.power_chain, ("power_chain",)
    if chain.harmonic_loss_factor > 1:
        for item in items_of("mv_lv_transformer", given, catalog, candidates):
            if item.eddy_current_loss_fraction is None:
                rule = f"{item.id} has no eddy_current_loss_fraction"
                remedy = "give the item its figure in a catalog of your own, or remove the factor"
                reader.fault((*path, "harmonic_loss_factor"), chain.harmonic_loss_factor, rule, remedy)
    _ride_through(reader, given, catalog, candidates, redundancy)


def items_of(stage: str, given: CaseInput, catalog: Catalog, candidates: Candidates) -> Iterator[Item]:
    """Items that may stand in a stage: candidates and what is bought."""
    bought = [name for name in given.owned if name in catalog and stage in catalog[name].brings]
    return (catalog[name] for name in dict.fromkeys([*candidates.get(stage, ()), *bought]))


def _ride_through(
    reader: Reader,
    given: CaseInput,
    catalog: Catalog,
    candidates: Candidates,
    redundancy: Mapping[str, Redundancy | None],
) -> None:
    minutes, path = given.power_chain.ride_through_minutes, ("power_chain", "ride_through_minutes")
    on_ups = list(items_of("ups", given, catalog, candidates)) if redundancy.get("ups", "") is not None else []
    if minutes is not None:
        if given.target.load_series is not None or not on_ups:
            what = "a load_series has no UPS" if given.target.load_series is not None else "the case builds no UPS"
            remedy = "remove it, or hold batteries for it with events: [{kind: grid_outage, ...}]"
            reader.fault(path, minutes, what, remedy)
        for item in on_ups:
            if item.ride_through_minutes is None or item.get("ride_through_minutes") <= 0:
                remedy = "give the item its battery's minutes in a catalog of your own"
                reader.fault(path, minutes, f"{item.id} has no ride_through_minutes", remedy)
    if redundancy.get("standby_generation") is None:
        return
    sets = [catalog[name] for name in candidates.get("standby_generation", ())]
    slowest = max((item.start_time_minutes.upper for item in sets if item.start_time_minutes is not None), default=0.0)
    batteries = [item.get("ride_through_minutes") for item in on_ups if item.ride_through_minutes is not None]
    bridged = minutes if minutes is not None else min(batteries, default=None)
    if bridged is not None and slowest > bridged:
        rule = f"its sets take {slowest:g} min to start, and the UPS batteries last {bridged:g} min"
        remedy = "name a faster set, or ask for a longer power_chain.ride_through_minutes"
        reader.fault(("redundancy", "standby_generation"), "standby_generation", rule, remedy)
