"""A case file read, validated against its catalogs and series, and frozen; every fault at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.case.base import suggest
from planner.case.catalog import Catalog, default_catalog_folder, holds_catalog, read_catalog
from planner.case.chain_rules import check_chain
from planner.case.choice import FAMILIES, Chooser
from planner.case.coolant import check_coolant
from planner.case.enclosures import check_enclosures
from planner.case.event import modelled_hours
from planner.case.existing import check_existing
from planner.case.fabric import Fabric, declared, with_fabric
from planner.case.goodput import spares_fraction
from planner.case.hours import (
    Ambient,
    ambient_of,
    by_step,
    export_price,
    known_zone,
    load_shape,
    peaks_in_the_model,
    prices_that_pay_for_waste,
    tariff_of,
    weather_of,
)
from planner.case.item import STAGES, Item
from planner.case.marks import Path_
from planner.case.overrides import override, override_catalog
from planner.case.permitted import check_permits
from planner.case.reader import Reader
from planner.case.scenarios import Scenario, with_scenarios
from planner.case.schema import GATES, QUARTER, CaseInput, Redundancy
from planner.case.site_limits import check_noise
from planner.case.standby import check_standby
from planner.case.swing import DEFAULT_START_MINUTES
from planner.case.tariff import Tariff
from planner.case.water import gate_water, takes_water
from planner.case.weather import Weather
from planner.case.whole import whole_case_rules
from planner.errors import InputError
from planner.finance import escalation_factor
from planner.timeline import Timeline, add_weeks


@dataclass(frozen=True)
class Case:
    """Everything a plan rests on. Arrays run over a year of 365 days: load by step, weather by hour, (8760,)."""

    input: CaseInput
    path: Path
    timeline: Timeline
    catalog: Catalog
    weather: Weather
    ambient: Ambient
    tariff: Tariff | None
    load_shape: NDArray[np.float64]  # IT draw over its mean, by step
    load_series_mw: NDArray[np.float64] | None  # facility MW by step, when there are no racks
    candidates: dict[str, tuple[str, ...]]  # stage or role -> items that may be bought
    redundancy: dict[str, Redundancy | None]  # by stage; None: the stage is not built
    activity_dates: dict[str, date]
    gates: dict[str, date]  # stage, family, item or one of GATES -> first day it may serve
    defaults_used: tuple[str, ...]
    export_usd_per_mwh: NDArray[np.float64] | None = None  # None: nothing may be exported
    series_mean: float = 1.0  # of a workload series, as a fraction of design power
    hashes: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    fabric: Fabric | None = None
    changes: tuple[str, ...] = ()  # path=value texts of the command line, in their order
    catalog_folders: tuple[str, ...] = ()  # given on top of the case's own

    @property
    def paths(self) -> tuple[Scenario, ...]:
        """What operation may turn out to be: the scenarios, or the case itself for certain."""
        return self.scenarios or (Scenario("", 1.0, self),)

    def average_fraction(self, item: Item) -> float:
        """Mean power of a compute item over its design power, with what holds a floor under the largest job."""
        workload = self.input.workload
        if workload is None:
            return min(1.0, item.get("average_power_kw") / item.design_kw)
        if workload.average_load_fraction is not None:
            mean = workload.average_load_fraction
        elif workload.series is not None:
            mean = self.series_mean
        else:
            mean = min(1.0, item.get("average_power_kw") / item.design_kw)
        waste = workload.largest_job_fraction * workload.smoothing.floor_waste_fraction(workload.swing_fraction or 0.0)
        return min(1.0, mean + waste) if waste else mean

    @cached_property
    def spares_fraction(self) -> float:
        """Spare racks over racks that must run."""
        return _spares(self.input)

    def stage_redundancy(self, stage: str) -> Redundancy | None:
        """Scheme of a stage; N where nothing is said."""
        return self.redundancy.get(stage, Redundancy(scheme="N"))

    def power_factor(self, stage: str) -> float:
        """Power factor of what a power stage delivers."""
        return self.input.power_chain.power_factor.get(stage, self.input.site.grid.power_factor)

    def escalation(self, good: str, year: int) -> float:
        """Price of a good (a field of finance.escalation_fraction_per_year) in a year, over the base year's."""
        finance = self.input.finance
        return escalation_factor(getattr(finance.escalation_fraction_per_year, good), year, finance.base_year)

    def economic_life_years(self, item: Item) -> float:
        """Life of an item: the case's for its family, or the catalog's."""
        return self.input.finance.economic_life_years.get(item.family, item.get("economic_life_years"))


def load_case(path: str | Path, overrides: Sequence[str] = (), catalogs: Sequence[str | Path] = ()) -> Case:
    """Read a case file. `overrides` are `path=value` texts; `catalogs` are folders on top of the case's own.

    Raises InputError with every fault found.
    """
    reader = Reader(Path(path))
    folders = [Path(c) for c in catalogs]
    if not isinstance(reader.document.data, dict):
        reader.faults += read_catalog(*folders)[1] if folders else []
        if not reader.document.faults:
            reader.fault((), reader.document.data, "must be a mapping of fields", "see planner new")
        raise InputError(reader.faults)
    changes = override(reader, overrides)
    given = reader.validate()
    own = []
    for i, name in enumerate(given.catalogs if given else ()):
        folder = reader.folder / name
        if holds_catalog(folder):
            own.append(folder)
        else:
            reader.fault(("catalogs", i), name, "holds no catalog (*.yaml)", f"check the path (looked in {folder})")
    catalog, faults = read_catalog(default_catalog_folder(), *own, *folders)
    reader.faults += faults
    catalog = override_catalog(reader, catalog, changes)
    if given is None:
        raise InputError(reader.faults)
    case = _assemble(reader, given, catalog)
    return replace(case, changes=tuple(overrides), catalog_folders=tuple(map(str, catalogs)))


def _assemble(reader: Reader, given: CaseInput, catalog: Catalog) -> Case:
    """Everything the fields refer to; raises InputError with every fault found up to here or here."""
    for rule in whole_case_rules(given):
        if reader.sound(*((name,) for name in rule.reads)):
            value = _at(reader.document.data, rule.at)
            reader.fault(rule.at, value, rule.rule, rule.remedy)
    horizon, zone = given.horizon, given.site.location.time_zone
    timeline = Timeline(
        given.start,
        horizon.build_months,
        horizon.operating_years,
        horizon.expansion_years,
        horizon.block,
        horizon.sample_days_per_month,
        horizon.calendar,
        zone if reader.sound(("site", "location")) and known_zone(zone) else None,
        years_apart=given.finance.escalation_fraction_per_year.of_operation,
    )
    _check_dates(reader, given, timeline)
    catalog = declared(given.network, catalog)
    chooser = Chooser(reader, given, catalog, timeline)
    candidates, redundancy = chooser.candidates(), chooser.redundancy()
    compute = [catalog[name] for name in _compute(given, candidates, catalog)]
    catalog, fabric = with_fabric(reader, given.network, catalog, compute, _gpus_asked(given, compute))
    # What a battery that fades can hold changes from year to year, and so no year repeats another.
    if _check_batteries(reader, given, catalog, candidates, timeline):
        timeline = replace(timeline, years_apart=True)
    activity_dates = _activities(reader, given)
    gates = _gates(reader, given, activity_dates, catalog)
    _check_events(reader, given, candidates, catalog)
    check_existing(reader, given, catalog, timeline)
    owned = [i for i in given.owned if i in catalog and catalog[i].family == "generation"]
    bridges = [i for i in owned if catalog[i].permit_class != "emergency"]
    check_standby(reader, given, catalog, [*candidates.get("generation", ()), *bridges])
    tariff = tariff_of(reader, given)
    peaks_in_the_model(reader, given, tariff, timeline)
    prices_that_pay_for_waste(reader, given, tariff, timeline)
    export = export_price(reader, given, tariff, timeline)
    _check_caps(reader, given, catalog, candidates)
    check_noise(reader, given, catalog, candidates)
    chooser.defaults += check_permits(reader, given, catalog, candidates)
    chooser.defaults += check_coolant(reader, given, catalog, candidates)
    chooser.defaults += _check_water(reader, given, catalog, candidates)
    weather = weather_of(reader, given)
    ambient = ambient_of(reader, given, weather)
    shape, mean = load_shape(reader, given)
    series = None
    if given.target.load_series is not None:
        series = by_step(reader, given, given.target.load_series, ("target", "load_series"), "MW")
    check_chain(reader, given, catalog, candidates, redundancy)
    check_enclosures(reader, given, catalog, candidates, redundancy)
    if reader.faults or weather is None or ambient is None:
        raise InputError(reader.faults)
    case = Case(
        input=given,
        path=reader.path,
        timeline=timeline,
        catalog=catalog,
        weather=weather,
        ambient=ambient,
        tariff=tariff,
        load_shape=shape,
        load_series_mw=series,
        candidates=candidates,
        redundancy=redundancy,
        activity_dates=activity_dates,
        gates=gates,
        defaults_used=(
            *chooser.defaults,
            *_swing_defaults(given, catalog, candidates),
            *_ageless(given, catalog, candidates),
        ),
        warnings=tuple(reader.warnings),
        export_usd_per_mwh=export,
        series_mean=mean,
        fabric=fabric,
    )
    case = with_scenarios(reader, case)
    if reader.faults:
        raise InputError(reader.faults)
    files = [*reader.files, *(Path(f) for f in catalog.files)]
    return replace(case, hashes={_label(f, reader.folder): _sha256(f) for f in files})


def _compute(given: CaseInput, candidates: dict[str, tuple[str, ...]], catalog: Catalog) -> list[str]:
    """Compute items that may stand: candidates and what is already bought."""
    bought = [row.item for row in given.committed if row.item in catalog and catalog[row.item].family == "compute"]
    return list(dict.fromkeys([*candidates.get("compute", ()), *bought]))


def _gpus_asked(given: CaseInput, compute: list[Item]) -> float | None:
    """Most GPUs that milestones ask for, spares included; None where no milestone says it."""
    if given.objective.kind == "max_gpus":
        return None
    asked = 0.0
    for milestone in given.target.milestones:
        measure = f"pflops_{milestone.precision}" if milestone.pflops else "design_power_kw"
        for item in compute:
            each = item.design_kw if milestone.it_mw else item.get(measure, 0.0)
            wanted = milestone.pflops or 1000.0 * (milestone.it_mw or 0.0)
            gpus = milestone.gpus or (wanted * item.get("gpus") / each if each else 0.0)
            asked = max(asked, gpus * (1.0 + _spares(given)))
    return asked or None


def _spares(given: CaseInput) -> float:
    """Spare racks over racks that must run; 0 where their rule has a fault."""
    written, workload = given.spares.racks_fraction, given.workload
    if isinstance(written, float | int):
        return written
    gpus = [m.gpus for m in given.target.milestones if m.gpus]
    return spares_fraction(workload.goodput, gpus) if workload is not None and workload.goodput and gpus else 0.0


def _at(data: Any, path: Path_) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _ageless(given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> list[str]:
    """Batteries that keep their energy for ever, for want of a curve."""
    names = dict.fromkeys([*candidates.get("battery", ()), *given.owned])
    known = [catalog[n] for n in names if catalog[n].family == "battery"]
    return [f"{i.id} does not fade: no energy_retention_fraction" for i in known if i.energy_retention_fraction is None]


def _swing_defaults(given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> list[str]:
    """Defaults that decide how much batteries keep for swings and for the largest unit."""
    lines = []
    if given.site.grid.load_rules and given.workload is not None:
        smoothing = given.workload.smoothing
        shaped = ("period_s", "duty_fraction", "shallow_cycle_fraction")
        left = [name for name in shaped if name not in smoothing.model_fields_set]
        lines += [f"workload.smoothing.{name}: {getattr(smoothing, name):g} (engineering judgement)" for name in left]
        if smoothing.step_fraction is None:
            lines.append("workload.smoothing.step_fraction: no more than the swing (GPUs ramp a job that stops)")
    scheme = given.redundancy.get("onsite_generation")
    if scheme is not None and scheme.spinning_reserve == "largest_unit":
        fast = any(catalog[i].fast for i in candidates.get("battery", ()))
        unsaid = [i for i in candidates.get("generation", ()) if fast and catalog[i].start_time_minutes is None]
        lines += [f"{i}.start_time_minutes: {DEFAULT_START_MINUTES:g} (engineering judgement)" for i in unsaid]
    return lines


def _check_dates(reader: Reader, given: CaseInput, timeline: Timeline) -> None:
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


def _check_batteries(
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


def _check_caps(reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> None:
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


def _check_water(
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


def _check_events(reader: Reader, given: CaseInput, candidates: dict[str, tuple[str, ...]], catalog: Catalog) -> None:
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


def _activities(reader: Reader, given: CaseInput) -> dict[str, date]:
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


def _gates(reader: Reader, given: CaseInput, dates: dict[str, date], catalog: Catalog) -> dict[str, date]:
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


def quarter_bounds(quarter: str) -> tuple[date, date]:
    """First day of a quarter and of the next one.

    >>> quarter_bounds("2027Q4")
    (datetime.date(2027, 10, 1), datetime.date(2028, 1, 1))
    """
    match = QUARTER.match(quarter)
    assert match is not None
    year, q = int(match[1]), int(match[2])
    return date(year, 3 * q - 2, 1), date(year + q // 4, (3 * q) % 12 + 1, 1)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _label(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return f"{path.parent.name}/{path.name}"
