"""What may be turned about limits in conflict: every knob of each, but of those that are firm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from planner.case.case import Case
from planner.whatif import design_knobs, site_knobs
from planner.whatif.knobs import Knob, View
from planner.whatif.limits import ORDER, Limit

_BY_NAME: dict[str, Callable[[View, Limit], Iterator[Knob]]] = {
    "milestones": site_knobs.milestones,
    "grid": site_knobs.grid,
    "budget": site_knobs.budget,
    "supply": site_knobs.supply,
    **dict.fromkeys(("yard", "land", "buildings", "solar", "parcel"), site_knobs.area),
    "hall": site_knobs.hall,
    "noise": site_knobs.noise,
    "fuel_storage": site_knobs.fuel_storage,
    "gas": site_knobs.gas,
    "air_permit": site_knobs.air_permit,
    "curtailment": design_knobs.curtailment,
    "load_rules": design_knobs.load_rules,
    "water": site_knobs.water,
    "water_year": site_knobs.water,
    "caps": site_knobs.caps,
    "events": design_knobs.events,
    "activities": design_knobs.activities,
    "committed": design_knobs.committed,
    "redundancy": design_knobs.redundancy,
    "cooling": design_knobs.cooling,
    "lead_times": design_knobs.lead_times,
    "commissioning": design_knobs.commissioning,
}


# What else carries power to the site, or is needed for it.
_OF_POWER = ("main_transformer", "hv_substation", "generation", "onsite_generation", "natural_gas")


def knobs_of(view: View, limits: Sequence[Limit], every: Sequence[Limit]) -> list[Knob]:
    """What may be turned about limits in conflict, then about what stands in for them; nothing that is firm.

    every: the limits of the case.
    """
    found = [knob for limit in limits for knob in _BY_NAME[limit.name](view, limit)]
    found.sort(key=lambda knob: ORDER.index(knob.name))
    if any(limit.name == "grid" for limit in limits):
        others = [limit for limit in every if limit not in limits and _is_of_power(view.case, limit)]
        found += [knob for limit in others for knob in _BY_NAME[limit.name](view, limit)]
    firm = view.case.input.target.firm
    unique = {(knob.limit, knob.words(1)): knob for knob in found if knob.most >= 1 and knob.name not in firm}
    return list(unique.values())


def _is_of_power(case: Case, limit: Limit) -> bool:
    """Whether a limit holds back transformers, bays or generators, or what gates them."""
    place = limit.path[1] if len(limit.path) > 1 else ""
    if limit.path[0] == "activities":
        gates = case.input.activities[int(place)].gates
        return any(gate in (*_OF_POWER, "grid", "existing_feeders") for gate in gates)
    if limit.name == "redundancy":
        return place in _OF_POWER
    if limit.name in ("lead_times", "committed"):
        item = case.catalog[str(place) if limit.name == "lead_times" else case.input.committed[int(place)].item]
        return item.family == "generation" or any(stage in _OF_POWER for stage in item.brings)
    return False
