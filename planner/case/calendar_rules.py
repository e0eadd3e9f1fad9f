"""Rules on dates: what must lie in the build calendar, when activities end, and what waits for them."""

from __future__ import annotations

from datetime import date

from planner.case.base import suggest
from planner.case.catalog import Catalog
from planner.case.choice import FAMILIES
from planner.case.item import STAGES
from planner.case.marks import Path_
from planner.case.reader import Reader
from planner.case.schema import GATES, CaseInput
from planner.case.water import gate_water
from planner.timeline import Timeline, add_weeks


def check_dates(reader: Reader, given: CaseInput, timeline: Timeline) -> None:
    """Every date lies where it can count: in the build, or before it."""
    first = timeline.start
    if not reader.sound(("start",), ("horizon",)):
        return
    dated: list[tuple[Path_, date]] = [
        (("target", "milestones", i, "by"), m.by) for i, m in enumerate(given.target.milestones)
    ]
    if given.objective.by is not None and (not dated or given.objective.by != dated[-1][1]):
        dated.append((("objective", "max_gpus"), given.objective.by))
    for path, day in dated:
        if timeline.period_of(day) < 0 or day > timeline.starts[-1]:
            rule = f"must lie in the build calendar ({first} to {timeline.starts[-1]})"
            remedy = "move the date, or lengthen horizon.build_months or expansion_years"
            reader.fault(path, day, rule, remedy)
    for i, row in enumerate(given.budget):
        if row.by < first:
            rule = f"must not be before the start {first}"
            reader.fault(("budget", i, "by"), row.by, rule, "remove the row")
    # The operating years repeat one year with the site as it is at their start: what comes later would be ignored.
    final = timeline.starts[-1]
    longer = "lengthen horizon.build_months or expansion_years to reach it"
    remedy = f"{longer} (the operating years start on {final}), or remove it"
    late: list[tuple[Path_, date]] = []
    for i, step in enumerate(given.site.grid.interconnection):
        late.append((("site", "grid", "interconnection", i, "from"), step.from_))
    for i, scale in enumerate(given.target.load_scale):
        late.append((("target", "load_scale", i, "from"), scale.from_))
    for name, gate in (("gas", given.site.gas), ("air_permit", given.site.air_permit)):
        if gate is not None:
            late.append((("site", name, "from"), gate.from_))
    for i, bought in enumerate(given.committed):
        late.append((("committed", i, "on_site"), bought.on_site))
    if given.site.water is not None and given.site.water.from_ is not None:
        late.append((("site", "water", "from"), given.site.water.from_))
    for place, day in late:
        if day > final:
            reader.fault(place, day, "comes after the build, in the operating years", remedy)
    base = given.finance.base_year
    if abs(base - first.year) > 10:
        rule = f"must be within 10 years of the start {first}"
        reader.fault(("finance", "base_year"), base, rule, "correct the year")


def activity_dates(reader: Reader, given: CaseInput) -> dict[str, date]:
    """Day on which every activity of a case is done."""
    dates: dict[str, date] = {}
    names = [a.name for a in given.activities]
    for i, activity in enumerate(given.activities):
        if activity.name in names[:i]:
            reader.fault(("activities", i, "name"), activity.name, "is used twice", "rename one")
        if activity.after is not None and activity.after not in names[:i]:
            if reader.sound(("activities",)):
                remedy = suggest(activity.after, names[:i], "write the name of one above it")
                reader.fault(("activities", i, "after"), activity.after, "names no earlier activity", remedy)
            continue
        if activity.on is not None:
            dates[activity.name] = activity.on
        elif activity.weeks is not None:
            begin = dates.get(activity.after, given.start) if activity.after else given.start
            dates[activity.name] = add_weeks(begin, activity.weeks)
    return dates


def gates_of(reader: Reader, given: CaseInput, dates: dict[str, date], catalog: Catalog) -> dict[str, date]:
    """Day before which nothing of a stage, family, item or gate may serve."""
    gates: dict[str, date] = {}
    known = {*STAGES, *FAMILIES, *GATES}

    def gate(what: str, day: date) -> None:
        gates[what] = max(day, gates.get(what, day))

    for i, activity in enumerate(given.activities):
        for j, what in enumerate(activity.gates):
            if what not in known and what not in catalog:
                if what not in catalog.broken:
                    remedy = suggest(
                        what, [*known, *catalog.entries], "write a stage, family, item, or " + ", ".join(GATES)
                    )
                    path = ("activities", i, "gates", j)
                    reader.fault(path, what, "names nothing to gate", remedy)
            elif activity.name in dates:
                gate(what, dates[activity.name])
    if given.site.fibre is not None:
        gate("energisation", given.site.fibre.from_)
    gate_water(gates, catalog.items, given.site.water)
    return gates
