"""The limits of a case in its user's words: what each is, where it is written, and the change that takes it away.

Some are rows of the sizing model, freed there by a slack (`solve.infeasible`); the others are input: dates, lead times,
standards of design, what is offered. Those are freed by a change of the input, and the case is built anew. Names are
those of `target.firm`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from planner.case.case import Case
from planner.case.item import Item
from planner.case.marks import Path_
from planner.case.schema import Milestone, Redundancy
from planner.operation.blocks import plant_of
from planner.sizing.options import Option, options_of
from planner.whatif.engine import Changes
from planner.whatif.written import Written, put

_ALL_MW, _ALL_M2, _ALL_USD, _ALL = 5_000.0, 1e8, 1e13, 1e9  # more than any plan takes
_NOTHING_LOST = {  # an event that takes nothing away
    "kind": "called_curtailment",
    "duration_h": 1,
    "load_fraction": 0.0,
    "grid_fraction_left": 1.0,
    "starts": 1,
}
# What a reader looks for first. What is special to a site, before what every site has; needs last.
ORDER = (
    *("gas", "air_permit", "noise", "fuel_storage", "yard", "buildings", "solar", "parcel", "land", "hall"),
    *("water", "water_year", "curtailment", "load_rules", "caps", "events", "supply", "budget", "activities"),
    *("redundancy", "cooling", "grid", "lead_times", "committed", "candidates", "milestones", "commissioning"),
)


@dataclass(frozen=True)
class Limit:
    """One limit of a case."""

    name: str  # as `target.firm` calls it
    words: str
    path: Path_  # of its field; ("catalog", item) of a lead time
    place: str  # file:line
    free: Changes  # takes it away
    slack: str = ""  # of LIMITS, where the sizing model has it as rows

    @property
    def is_date(self) -> bool:
        """Whether it says when something may serve: with a limit of MW, m2 or money, it may be half of the reason."""
        return self.name in ("activities", "committed") or self.path[-1] in ("ready", "from")


def limits_of(case: Case, written: Written) -> list[Limit]:
    """Every limit of a case, in the order they are told."""
    found = [*_rows(case, written), *_inputs(case, written)]
    return sorted(found, key=lambda limit: ORDER.index(limit.name))


def milestone_words(milestone: Milestone) -> str:
    """What a milestone asks for.

    >>> milestone_words(Milestone(gpus=41472, by=date(2029, 9, 30)))
    '41,472 GPUs by 2029-09-30'
    """
    amount, unit = (
        (milestone.gpus, "GPUs")
        if milestone.gpus
        else (milestone.pflops, f"PFLOPS {milestone.precision}")
        if milestone.pflops
        else (milestone.it_mw, "MW of IT")
    )
    return f"{amount:,.10g} {unit} by {milestone.by}"


def measure_of(milestone: Milestone) -> str:
    """The field of a milestone that says how much."""
    return "gpus" if milestone.gpus else "pflops" if milestone.pflops else "it_mw"


# -- rows of the sizing model --------------------------------------------------------------------------------


def _rows(case: Case, written: Written) -> Iterator[Limit]:
    site, given, start = case.input.site, case.input, case.timeline.start

    def row(name: str, words: str, path: Path_, *free: tuple[Path_, Any], slack: str = "") -> Limit:
        return Limit(name, words, path, written.place(path), tuple(put(*change) for change in free), slack or name)

    targets = given.target.milestones
    if targets and given.objective.kind != "max_gpus":
        words = "milestone: " + ", ".join(milestone_words(m) for m in targets)
        path: Path_ = ("target", "milestones")
        little = {"gpus": 1, "pflops": 1e-6, "it_mw": 1e-6}
        yield row(
            "milestones",
            words,
            path,
            *(((*path, i, measure_of(m)), little[measure_of(m)]) for i, m in enumerate(targets)),
        )
    if steps := site.grid.interconnection:
        words = "grid connection: " + ", ".join(f"{s.mw:g} MW from {s.from_:%Y-%m}" for s in steps)
        path = ("site", "grid", "interconnection")
        first: list[tuple[Path_, Any]] = [((*path, 0, "from"), start)] if steps[0].from_ > start else []
        yield row("grid", words, path, *(((*path, i, "mw"), s.mw + _ALL_MW) for i, s in enumerate(steps)), *first)
    if given.budget:
        words = "budget: " + ", ".join(f"{b.usd / 1e6:,.10g} M$ by {b.by}" for b in given.budget)
        yield row("budget", words, ("budget",), *((("budget", i, "usd"), _ALL_USD) for i in range(len(given.budget))))
    if site.hall.existing_m2:
        path = ("site", "hall", "existing_m2")
        yield row("hall", f"hall floor: {site.hall.existing_m2:,.6g} m2", path, (path, _ALL_M2))
    for name, path, most in areas_of(case):
        words = {"solar": "land for solar and wind", "land": "land", "yard": "yard", "parcel": "parcel"}.get(
            name, "land for buildings"
        )
        yield row(name, f"{words}: {most:,.6g} m2", path, (path, _ALL_M2))
    if (noise := site.noise) is not None:
        path = ("site", "noise", "limit_dba")
        words = f"noise: {noise.limit_dba:g} dB(A) at {noise.distance_m:g} m"
        yield row("noise", words, path, (path, 120.0))
    if (fuel := site.on_site_fuel) is not None and fuel.diesel_m3 is not None:
        path = ("site", "on_site_fuel", "diesel_m3")
        yield row("fuel_storage", f"diesel kept on site: {fuel.diesel_m3:,.6g} m3", path, (path, _ALL))
    if (gas := site.gas) is not None:
        path = ("site", "gas")
        words = f"gas supply: {gas.mmbtu_hhv_per_day:,.6g} MMBtu HHV a day from {gas.from_}"
        dated = [((*path, "from"), start)] if gas.from_ > start else []
        yield row("gas", words, path, ((*path, "mmbtu_hhv_per_day"), _ALL), *dated)
    if (permit := site.air_permit) is not None and permit.limits:
        path = ("site", "air_permit")
        tons = ", ".join(f"{t:g} short tons/year of {q}" for q, t in permit.limits.items())
        dated = [((*path, "from"), start)] if permit.from_ > start else []
        free = [((*path, f"{q}_tons_per_year"), _ALL) for q in permit.limits]
        yield row("air_permit", f"air permit: {tons}, from {permit.from_}", path, *free, *dated)
    if (call := site.grid.curtailment) is not None:
        path = ("site", "grid", "curtailment")
        firm = [(("site", "grid", "interconnection", i, "firm"), True) for i, s in enumerate(steps) if not s.firm]
        words = f"curtailment: calls of {call.event_h} h on {call.notice_min:g} min notice"
        yield row("curtailment", words, path, (path, None), *firm)
    if site.grid.load_rules:
        path = ("site", "grid", "load_rules")
        yield row("load_rules", "limits of the load's swing at the meter", path, (path, []))
    if (water := site.water) is not None:
        for field, name, unit in (("m3_per_day", "water", "m3 a day"), ("m3_per_year", "water_year", "m3 a year")):
            if (most := getattr(water, field)) is not None:
                path = ("site", "water", field)
                yield row(name, f"water: {most:,.6g} {unit}", path, (path, _ALL))


def areas_of(case: Case) -> Iterator[tuple[str, Path_, float]]:
    """(name, field, m2) of every area that may be used up."""
    site, land = case.input.site, case.input.site.land
    if site.hall.yard_m2 is not None:
        yield "yard", ("site", "hall", "yard_m2"), site.hall.yard_m2
    if site.land_m2 is not None:
        yield "land", ("site", "land_m2"), site.land_m2
    for name in ("yard", "buildings", "solar", "parcel"):
        most = getattr(land, f"{name}_m2") if land is not None else None
        if most is not None:
            yield name, ("site", "land", f"{name}_m2"), most


# -- input ---------------------------------------------------------------------------------------------------


def _inputs(case: Case, written: Written) -> Iterator[Limit]:
    def limit(name: str, words: str, path: Path_, *free: tuple[Path_, Any]) -> Limit:
        return Limit(name, words, path, written.place(path), tuple(put(*change) for change in free))

    given, site, start = case.input, case.input.site, case.timeline.start
    for i, activity in enumerate(given.activities):
        path: Path_ = ("activities", i)
        words = f"{activity.name}: {case.activity_dates[activity.name]} (gates {', '.join(activity.gates)})"
        sooner = ((*path, "on"), start) if activity.on is not None else ((*path, "weeks"), 0)
        yield limit("activities", words, path, sooner)
    for name, words, path, day in dates_of_the_site(case):
        yield limit(name, f"{words}: {day}", path, (path, start))
    for i, row in enumerate(given.committed):
        if row.on_site > start:
            path = ("committed", i, "on_site")
            yield limit("committed", f"{row.units} {row.item} on site {row.on_site}", path, (path, start))
    for item, quarters in given.supply.items():
        path = ("supply", item)
        words = f"supply of {item}: " + ", ".join(f"{n} in {q}" for q, n in quarters.items())
        yield limit("supply", words, path, (path, dict.fromkeys(_quarters(case), 100_000)))
    caps = site.caps.model_dump(exclude_none=True) if site.caps is not None else {}
    for field, most in caps.items():
        if isinstance(most, float):
            path = ("site", "caps", field)
            yield limit("caps", f"annual limit {field}: {most:,.6g}", path, (path, _ALL))
    for i, event in enumerate(given.events):
        if not event.of_curtailment:
            path = ("events", i)
            yield limit("events", f"to live through: {event.kind} of {event.length_h} h", path, (path, _NOTHING_LOST))
    yield from _standards(case, limit)
    rules = given.commissioning
    words = (
        f"commissioning: {rules.blocks_in_parallel} blocks of {rules.block_mw:g} MW at a time, {rules.weeks:g} weeks"
    )
    words += f" each, and {rules.rack_burn_in_weeks:g} weeks of burn-in"
    path = ("commissioning",)
    at_once = {"weeks": 0, "rack_burn_in_weeks": 0, "blocks_in_parallel": 1000}
    if case.load_series_mw is None:
        yield limit("commissioning", words, path, *(((*path, field), v) for field, v in at_once.items()))
    for product in _buyable(case):
        entry = case.catalog.entries[product.id]
        weeks, installation = product.get("lead_time_weeks"), product.get("installation_weeks")
        late = product.orderable_from is not None and product.orderable_from > start
        if weeks or installation or late:
            words = f"lead time of {product.id}: {weeks:g} weeks, then {installation:g} of installation"
            words += f", ordered from {product.orderable_from} on" if late else ""
            path = ("catalog", product.id)
            fields: dict[str, Any] = {"lead_time_weeks": 0.0, "installation_weeks": 0.0}
            fields |= {"orderable_from": start} if late else {}
            free = tuple(put((*path, field), value) for field, value in fields.items())
            yield Limit("lead_times", words, path, f"{entry.file}:{entry.line}", free)


def _standards(case: Case, limit: Any) -> Iterator[Limit]:
    """What the design must have: spares, minutes of ride-through, water temperatures, what rejects the heat."""
    given = case.input
    stands = {position for o in options_of_case(case) for position in o.supplies}
    for stage, scheme in redundancies(case).items():
        if scheme is None or (scheme.scheme == "N" and stage != "standby_generation"):
            continue
        if stage in ("onsite_generation", "power_lineup") or any(s.split(":")[0] == stage for s in stands):
            path: Path_ = ("redundancy", stage)
            size = f" in groups of {scheme.group_mw:g} MW" if scheme.group_mw else ""
            size = f" in groups of {scheme.group_racks} racks" if scheme.group_racks else size
            by = "" if stage in given.redundancy else ", by default"
            free = None if stage == "standby_generation" else {"scheme": "N"}
            yield limit("redundancy", f"redundancy of {stage}: {scheme.scheme}{size}{by}", path, (path, free))
    minutes = given.power_chain.ride_through_minutes
    if minutes is not None:
        path = ("power_chain", "ride_through_minutes")
        yield limit("redundancy", f"ride-through of the UPS: {minutes:g} min", path, (path, None))
    if given.target.milestones:
        for field, words, most in warmest(case):
            path, now = ("cooling", field), getattr(given.cooling, field)
            if most > now:
                yield limit("cooling", f"{words}: {now:g} degC", path, (path, most))
        offered = list(case.candidates.get("heat_rejection", ()))
        if "chiller_air_cooled" in case.catalog and "chiller_air_cooled" not in offered and offered:
            path = ("candidates", "heat_rejection")
            yield limit(
                "cooling", f"heat rejection: {', '.join(offered)}", path, (path, [*offered, "chiller_air_cooled"])
            )


def redundancies(case: Case) -> dict[str, Redundancy | None]:
    """Schemes as the case names them: a lineup as one, and stages that nothing is said of by their default."""
    lineup = ("ups", "lv_switchboard", "mv_lv_transformer") if "power_lineup" in case.input.redundancy else ()
    written = {"power_lineup": case.input.redundancy["power_lineup"]} if lineup else {}
    return written | {stage: s for stage, s in case.redundancy.items() if stage not in lineup}


def warmest(case: Case) -> list[tuple[str, str, float]]:
    """(field, words, degC): how warm the water may be for the racks and the units of this case."""
    names = {name for stage in ("compute", "cdu") for name in case.candidates.get(stage, ())}
    tops = [i.coolant_supply_max_c.planning for n in names if (i := case.catalog[n]).coolant_supply_max_c is not None]
    most_air = case.input.cooling.supply_air_max_c
    approach = max((case.catalog[n].get("approach_k", 0.0) for n in case.candidates.get("air_unit", ())), default=0.0)
    air = 40.0 if most_air is None else most_air - approach
    return [
        ("coolant_supply_c", "coolant to the racks", min([50.0, *tops])),
        ("chilled_water_supply_c", "water to the air units", min(40.0, air)),
    ]


def dates_of_the_site(case: Case) -> Iterator[tuple[str, str, Path_, date]]:
    """(name, words, field, day) of what opens on a date, other than activities and what is bought."""
    site = case.input.site
    if site.fibre is not None:
        yield "activities", "fibre", ("site", "fibre", "from"), site.fibre.from_
    if site.air_permit is not None and not site.air_permit.limits:  # else a row of the sizing model, date and all
        yield "air_permit", "air permit", ("site", "air_permit", "from"), site.air_permit.from_
    if site.hall.ready is not None and site.hall.ready > case.timeline.start:
        yield "hall", "hall ready", ("site", "hall", "ready"), site.hall.ready
    if site.water is not None and site.water.from_ is not None:
        yield "water", "water", ("site", "water", "from"), site.water.from_


def options_of_case(case: Case) -> tuple[Option, ...]:
    """What may be bought in a case, and what stands."""
    return options_of(plant_of(case))


def _buyable(case: Case) -> list[Item]:
    """Every item that may be ordered, in time or not, in order of id."""
    offered = {name for names in case.candidates.values() for name in names}
    items = {o.item.id: o.item for o in options_of_case(case) if not o.reuses and o.item.id in offered}
    return [items[name] for name in sorted(items)]


def _quarters(case: Case) -> list[str]:
    first, last = case.timeline.start, case.timeline.starts[-1]
    every = range(4 * first.year + (first.month - 1) // 3, 4 * last.year + (last.month - 1) // 3 + 1)
    return [f"{q // 4}Q{q % 4 + 1}" for q in every]
