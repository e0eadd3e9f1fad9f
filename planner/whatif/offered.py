"""What a case might offer beside its candidates: items of the catalog that would do, the quickest or largest first."""

from __future__ import annotations

from collections.abc import Iterator

from planner.case.item import Item
from planner.case.marks import Path_
from planner.case.offers import is_orderable
from planner.whatif.knobs import Knob, Promise, View, once
from planner.whatif.limits import Limit, options_of_case
from planner.whatif.written import put

_MOST_ITEMS = 2  # of a stage that are tried in place of one that comes late


def offer(view: View, limit: Limit, role: str, item: str, words: str) -> Knob:
    """One more candidate."""
    path: Path_ = ("candidates", role)
    now = list(getattr(view.case.input.candidates, role))
    return once(limit, Promise.kept, words, put(path, [*now, item]), name="candidates", path=(*path, item))


def generators(view: View, limit: Limit) -> Iterator[Knob]:
    """A generator to rent and one to own, where none is offered yet."""
    case = view.case
    offered = case.candidates.get("generation", ())
    for role, tenure in (("bridge_power", "rented"), ("generation", "owned")):
        known = [
            i for i in case.catalog.items
            if i.family == "generation" and i.tenure == tenure and i.fuel == "natural_gas" and i.id not in offered
            and i.permit_class != "emergency" and is_orderable(i, case.timeline.start)
        ]  # fmt: skip
        for item in sorted(known, key=lambda i: (weeks_of(i), i.id))[:1]:
            yield offer(view, limit, role, item.id, f"{item.id} offered as {role.replace('_', ' ')}")


def carriers(view: View, limit: Limit) -> Iterator[Knob]:
    """What carries load where the grid is gone: batteries, and generators to stand by."""
    case = view.case
    offered = case.candidates.get("battery", ())
    known = [i for i in case.catalog.items if i.family == "battery" and is_orderable(i, case.timeline.start)]
    known = [i for i in known if i.id not in offered and i.tenure == "owned"]
    for item in sorted(known, key=lambda i: (-i.get("nameplate_energy_mwh"), i.id))[:1]:
        yield offer(view, limit, "battery", item.id, f"{item.id} offered")
    if case.redundancy.get("standby_generation") is None and limit.name == "events":
        path: Path_ = ("redundancy", "standby_generation")
        yield once(
            limit, Promise.kept, "standby generation, N", put(path, {"scheme": "N"}), name="redundancy", path=path
        )
    if not offered or limit.name == "events":
        yield from generators(view, limit)


def coolers(view: View, limit: Limit) -> Iterator[Knob]:
    """A chiller that takes no water and reaches any temperature."""
    if "chiller_air_cooled" in view.case.catalog and "chiller_air_cooled" not in view.case.candidates["heat_rejection"]:
        yield offer(view, limit, "heat_rejection", "chiller_air_cooled", "chiller_air_cooled offered")


def in_its_place(view: View, limit: Limit, item_id: str) -> Iterator[Knob]:
    """Items of the catalog that serve the same stages, and come sooner."""
    case, item = view.case, view.case.catalog[item_id]
    stages = {s for o in options_of_case(case) if o.item.id == item_id for s in o.supplies} | set(item.brings)
    offered = {name for stage in stages for name in case.candidates.get(stage.split(":")[0], ())}
    role: str = "bridge_power" if item.tenure == "rented" else item.family
    if "heat_rejection" in item.brings and item.family == "cooling":
        role = "heat_rejection"
    if item.family in ("compute", "network", "renewable"):
        return
    known = [
        i
        for i in case.catalog.items
        if i.family == item.family
        and i.tenure == item.tenure
        and set(item.brings) <= set(i.brings)
        and i.fuel == item.fuel
        and i.permit_class == item.permit_class
        and i.id not in offered
        and is_orderable(i, case.timeline.start)
        and weeks_of(i) < weeks_of(item)
    ]
    now = list(getattr(case.input.candidates, role))
    keep = [item_id] if item_id not in now and "all" not in now else []  # a default gives way to what is named
    for other in sorted(known, key=lambda i: (weeks_of(i), i.id))[:_MOST_ITEMS]:
        texts = put(("candidates", role), [*now, *keep, other.id])
        words = f"{other.id} offered beside {item_id} ({weeks_of(other):g} weeks, not {weeks_of(item):g})"
        yield once(limit, Promise.kept, words, texts, name="candidates", path=("candidates", role, other.id))


def weeks_of(item: Item) -> float:
    return float(item.get("lead_time_weeks") + item.get("installation_weeks"))
