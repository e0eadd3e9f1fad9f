"""What may be turned about dates, lead times, standards of design, events and promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from planner.case.marks import Path_
from planner.case.offers import is_orderable
from planner.case.permits import Curtailment
from planner.case.schema import Redundancy
from planner.whatif.engine import Changes
from planner.whatif.knobs import Knob, Promise, View, once, sooner
from planner.whatif.limits import Limit, redundancies, warmest
from planner.whatif.offered import carriers, coolers, in_its_place, offer
from planner.whatif.written import put


def curtailment(view: View, limit: Limit) -> Iterator[Knob]:
    call = view.case.input.site.grid.curtailment
    assert call is not None
    yield Knob(
        limit.name,
        Promise.standard,
        call.event_h - 1,
        lambda n: (put((*limit.path, "event_h"), call.event_h - n),),
        lambda n: f"calls {n} h shorter ({call.event_h - n} h)",
        None,
        (*limit.path, "event_h"),
    )
    if call.usd_per_gpu_hour is not None or view.case.load_series_mw is not None:
        yield from _more_shed(limit, call)
    yield once(limit, Promise.standard, "no promise to be curtailed", *limit.free)
    yield from carriers(view, limit)


def _more_shed(limit: Limit, call: Curtailment) -> Iterator[Knob]:
    base = math.floor(100 * call.compute_may_shed + 1e-9)
    yield Knob(
        limit.name,
        Promise.standard,
        100 - base,
        lambda n: (put((*limit.path, "compute_may_shed"), (base + n) / 100),),
        lambda n: f"{base + n} % of the load shed in a call",
        None,
        (*limit.path, "compute_may_shed"),
    )


def load_rules(view: View, limit: Limit) -> Iterator[Knob]:
    yield once(limit, Promise.standard, "no limit of the load's swing at the meter", *limit.free)
    smoothing = ("workload", "smoothing", "rack_storage_fraction")
    workload = view.case.input.workload
    if workload is not None and workload.smoothing.rack_storage_fraction < 1:
        base = math.floor(20 * workload.smoothing.rack_storage_fraction + 1e-9)
        yield Knob(
            limit.name,
            Promise.kept,
            20 - base,
            lambda n: (put(smoothing, (base + n) / 20),),
            lambda n: f"{5 * (base + n)} % of the swing smoothed by storage in the racks",
            None,
            smoothing,
        )
    known = [i for i in view.case.catalog.items if i.family == "battery" and i.fast and i.tenure == "owned"]
    known = [i for i in known if is_orderable(i, view.case.timeline.start)]
    for item in sorted(known, key=lambda i: (-i.get("nameplate_power_mw"), i.id))[:1]:
        if item.id not in view.case.candidates.get("battery", ()):
            yield offer(view, limit, "battery", item.id, f"{item.id} offered")


def events(view: View, limit: Limit) -> Iterator[Knob]:
    i = int(limit.path[1])
    event, rows = view.case.input.events[i], view.written.at("events") or []
    if event.duration_h is not None and event.duration_h > 1:
        hours = event.duration_h
        yield Knob(
            "events",
            Promise.standard,
            hours - 1,
            lambda n: (put((*limit.path, "duration_h"), hours - n),),
            lambda n: f"{event.kind} {n} h shorter ({hours - n} h)",
            None,
            (*limit.path, "duration_h"),
        )
    base = math.floor(20 * event.load_fraction + 1e-9)
    yield Knob(
        "events",
        Promise.standard,
        base,
        lambda n: (put((*limit.path, "load_fraction"), (base - n) / 20),),
        lambda n: f"{5 * (base - n)} % of the load carried through the {event.kind}",
        None,
        (*limit.path, "load_fraction"),
    )
    others = [row for j, row in enumerate(rows) if j != i]
    yield once(limit, Promise.standard, f"no {event.kind} to live through", put(("events",), others))
    yield from carriers(view, limit)


def activities(view: View, limit: Limit) -> Iterator[Knob]:
    case, start = view.case, view.case.timeline.start
    if limit.path[0] == "activities":
        i = int(limit.path[1])
        activity = case.input.activities[i]
        if activity.on is not None:
            yield sooner(limit, (*limit.path, "on"), activity.on, start, activity.name)
            return
        assert activity.weeks is not None
        weeks = math.ceil(activity.weeks)
        yield Knob(
            "activities",
            Promise.kept,
            weeks,
            lambda n: (put((*limit.path, "weeks"), weeks - n),),
            lambda n: f"{activity.name} {n} week{'s' if n > 1 else ''} sooner ({weeks - n} weeks)",
            None,
            (*limit.path, "weeks"),
        )
    elif case.input.site.fibre is not None:
        yield sooner(limit, limit.path, case.input.site.fibre.from_, start, "fibre")


def committed(view: View, limit: Limit) -> Iterator[Knob]:
    row = view.case.input.committed[int(limit.path[1])]
    yield sooner(limit, limit.path, row.on_site, view.case.timeline.start, f"{row.units} {row.item} on site")
    path = (*limit.path[:2], "units")
    yield Knob(
        "committed",
        Promise.kept,
        20,
        lambda n: (put(path, row.units + n),),
        lambda n: f"{n} more {row.item} on site {row.on_site}",
        None,
        path,
    )


def redundancy(view: View, limit: Limit) -> Iterator[Knob]:
    """Down the ladder of schemes, a step at a time."""
    if limit.path[0] == "power_chain":
        yield once(limit, Promise.standard, "no minutes of ride-through asked of the UPS", *limit.free)
        return
    stage = str(limit.path[1])
    scheme = redundancies(view.case)[stage]
    assert scheme is not None
    below = _below(scheme.scheme)
    if stage == "standby_generation":
        below = (*below, "none")
    if below:
        yield Knob(
            "redundancy",
            Promise.standard,
            len(below),
            lambda n: (put(limit.path, _with_scheme(scheme, below[n - 1])),),
            lambda n: f"{below[n - 1]} instead of {scheme.scheme} at {stage}",
            None,
            limit.path,
        )
    for row, bought in enumerate(view.case.input.committed):
        if stage in view.case.catalog[bought.item].brings and bought.on_site <= view.case.timeline.starts[-1]:
            path: Path_ = ("committed", row, "on_site")
            yield from (k for k in committed(view, Limit("committed", "", path, "", ())) if k.limit[-1] == "units")


def _below(scheme: str) -> tuple[str, ...]:
    """Schemes with fewer spares, from the next one down.

    >>> _below("2N"), _below("4N/3"), _below("N+3")
    (('N+1', 'N'), ('N+1', 'N'), ('N+2', 'N+1', 'N'))
    """
    if scheme.startswith("N+"):
        spares = int(scheme[2:])
        return (*(f"N+{k}" for k in range(spares - 1, 0, -1)), "N")
    if scheme == "2(N+1)":
        return ("2N", "N+1", "N")
    return () if scheme == "N" else ("N+1", "N")


def _with_scheme(scheme: Redundancy, name: str) -> Any:
    if name == "none":
        return None
    kept = scheme.model_dump(exclude_defaults=True, exclude={"scheme", "blocks_per_catcher"})
    return {"scheme": name, **kept}


def cooling(view: View, limit: Limit) -> Iterator[Knob]:
    if limit.path[0] == "cooling":
        field = str(limit.path[1])
        words, most = next((words, most) for name, words, most in warmest(view.case) if name == field)
        now = float(getattr(view.case.input.cooling, field))
        yield Knob(
            "cooling",
            Promise.kept,
            max(0, math.floor(most - math.floor(now))),
            lambda n: (put(limit.path, math.floor(now) + n),),
            lambda n: f"{words} {math.floor(now) + n - now:g} K warmer ({math.floor(now) + n} degC)",
            None,
            limit.path,
        )
    yield from coolers(view, limit)


def lead_times(view: View, limit: Limit) -> Iterator[Knob]:
    """An item in fewer weeks, of its lead time first; or one that comes sooner in its place."""
    case, item_id = view.case, str(limit.path[1])
    item = case.catalog[item_id]
    lead, installation = math.ceil(item.get("lead_time_weeks")), math.ceil(item.get("installation_weeks"))

    def fewer(n: int) -> Changes:
        path: Path_ = ("catalog", item_id)
        texts = [put((*path, "lead_time_weeks"), lead - min(n, lead))]
        if n > lead:
            texts.append(put((*path, "installation_weeks"), installation - (n - lead)))
        return tuple(texts)

    def words(n: int) -> str:
        left = lead + installation - n
        return f"{item_id} {n} week{'s' if n > 1 else ''} sooner ({left} weeks to the end of installation)"

    yield Knob("lead_times", Promise.kept, lead + installation, fewer, words, None, limit.path)
    if item.orderable_from is not None and item.orderable_from > case.timeline.start:
        path = (*limit.path, "orderable_from")
        yield sooner(limit, path, item.orderable_from, case.timeline.start, f"orders of {item_id}")
    yield from in_its_place(view, limit, item_id)


def commissioning(view: View, limit: Limit) -> Iterator[Knob]:
    rules = view.case.input.commissioning
    yield Knob(
        "commissioning",
        Promise.kept,
        50,
        lambda n: (put((*limit.path, "blocks_in_parallel"), rules.blocks_in_parallel + n),),
        lambda n: f"{rules.blocks_in_parallel + n} blocks commissioned at a time, not {rules.blocks_in_parallel}",
        None,
        (*limit.path, "blocks_in_parallel"),
    )
    for field, words in (("weeks", "commissioning of a block"), ("rack_burn_in_weeks", "burn-in of racks")):
        weeks = math.ceil(getattr(rules, field))

        def fewer(n: int, field: str = field, weeks: int = weeks) -> Changes:
            return (put((*limit.path, field), weeks - n),)

        def told(n: int, words: str = words, weeks: int = weeks) -> str:
            return f"{words} {n} week{'s' if n > 1 else ''} shorter ({weeks - n} weeks)"

        yield Knob("commissioning", Promise.kept, weeks, fewer, told, None, (*limit.path, field))
