"""What may be turned about limits in conflict: every knob of each, but of those that are firm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


def knobs_of(view: View, limits: list[Limit]) -> list[Knob]:
    """What may be turned about these limits, in the order limits are told in; nothing that is firm."""
    found = [knob for limit in limits for knob in _BY_NAME[limit.name](view, limit)]
    firm = view.case.input.target.firm
    unique = {(knob.limit, knob.words(1)): knob for knob in found if knob.most >= 1 and knob.name not in firm}
    return sorted(unique.values(), key=lambda knob: ORDER.index(knob.name))
