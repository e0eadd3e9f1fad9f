"""Rules between limits and items: every limit of a case needs the figures of the items it counts."""

from __future__ import annotations

from datetime import date

from planner.case.base import suggest
from planner.case.catalog import Catalog
from planner.case.event import modelled_hours
from planner.case.marks import Path_
from planner.case.reader import Reader
from planner.case.schema import CaseInput
from planner.case.water import takes_water
from planner.timeline import Timeline


def check_batteries(
    reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]], timeline: Timeline
) -> bool:
    """Whether some battery fades. Curves must reach the horizon."""
    places: list[tuple[Path_, str, date]] = [
        (("candidates", "battery"), name, timeline.start) for name in candidates.get("battery", ())
    ]
    places += [(("committed", i, "item"), row.item, row.on_site) for i, row in enumerate(given.committed)]
    places += [(("existing", i, "item"), row.item, row.since) for i, row in enumerate(given.existing)]
    known = [(path, catalog[name], since) for path, name, since in places if name in catalog]
    last = timeline.last_period
    for path, item, since in known if reader.sound(("start",), ("horizon",)) else ():
        age, curve = timeline.age_years(since, last, timeline.years_in(last)[-1]), item.energy_retention_fraction
        if curve is not None and age > curve.points[-1][0]:
            reach = f"its energy_retention_fraction ends at {curve.points[-1][0]:g}"
            remedy = "give the item a longer curve in a catalog of your own, or shorten the years"
            reader.fault(path, item.id, f"may be {age:g} years old at the horizon, and {reach}", remedy)
    return any(item.energy_retention_fraction is not None for _, item, _ in known)


def check_caps(reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> None:
    """Annual limits need the figures they count by, and items that may run."""
    caps, path = given.site.caps, ("site", "caps")
    if caps is None or not reader.sound(path, ("candidates",), ("committed",), ("existing",)):
        return
    bought = [name for name in given.owned if name in catalog]
    run = [i for i in bought if catalog[i].family == "generation" and catalog[i].permit_class != "emergency"]
    machines = dict.fromkeys([*candidates.get("generation", ()), *run])
    for name in caps.run_hours_per_year:
        if name not in machines:
            remedy = suggest(name, machines, "write a generation item of this case, or remove it")
            reader.fault((*path, "run_hours_per_year", name), name, "names no generator of this case", remedy)
    for name in machines if caps.nox_t_per_year is not None else ():
        if catalog[name].nox_kg_per_mwh is None:
            remedy = "give the item its figure in a catalog of your own, or remove the limit"
            reader.fault((*path, "nox_t_per_year"), caps.nox_t_per_year, f"{name} has no nox_kg_per_mwh", remedy)


def check_water(
    reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]
) -> list[str]:
    """Limits and prices of water need what items evaporate; returns the default that make-up rests on."""
    caps, water = given.site.caps, given.site.water
    if not reader.sound(("candidates",), ("committed",), ("site", "caps"), ("site", "water"), ("cooling",)):
        return []
    bought = [name for name in given.owned if name in catalog]
    cooled = [*candidates.get("heat_rejection", ()), *(i for i in bought if "heat_rejection" in catalog[i].brings)]
    wet = [item for item in (catalog[name] for name in dict.fromkeys(cooled)) if takes_water(item)]
    for item in (i for i in wet if i.evaporation_l_per_kwh is None):
        rule, remedy = f"{item.id} has no evaporation_l_per_kwh", "give the item its figure in a catalog of your own"
        if caps is not None and caps.evaporation_m3_per_year is not None:
            path: Path_ = ("site", "caps", "evaporation_m3_per_year")
            reader.fault(path, caps.evaporation_m3_per_year, rule, f"{remedy}, or remove the limit")
        if water is not None:
            reader.fault(("site", "water"), None, rule, f"{remedy}, or remove the water")
    if not wet or "cycles_of_concentration" in given.cooling.model_fields_set:
        return []
    return [f"cycles of concentration: {given.cooling.cycles_of_concentration:g}"]


def check_events(reader: Reader, given: CaseInput, candidates: dict[str, tuple[str, ...]], catalog: Catalog) -> None:
    """Listed hours must be operated, and a loss of the largest unit needs units."""
    modelled = modelled_hours(given.horizon.sample_days_per_month, actual=given.horizon.calendar == "actual")
    for i, event in enumerate(given.events):
        left_out = [hour for hour in event.hours or () if not modelled[hour]]
        if left_out:
            rule = f"hour {left_out[0]} is on a day that is not sampled"
            remedy = "write months or hours_of_day, or remove horizon.sample_days_per_month"
            reader.fault(("events", i, "hours"), left_out[0], rule, remedy)
    owned = any(name in catalog and catalog[name].family == "generation" for name in given.owned)
    if candidates.get("generation") or owned or not reader.sound(("candidates",), ("committed",), ("existing",)):
        return
    for i, event in enumerate(given.events):
        if event.kind == "loss_of_largest_unit":
            rule = "no generation is among the candidates, so there is nothing to lose"
            reader.fault(("events", i, "kind"), event.kind, rule, "remove the event, or name candidates.generation")
