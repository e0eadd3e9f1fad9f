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

from planner.case.calendar_rules import activity_dates, check_dates, gates_of
from planner.case.catalog import Catalog, default_catalog_folder, holds_catalog, read_catalog
from planner.case.chain_rules import check_chain
from planner.case.choice import Chooser
from planner.case.coolant import check_coolant
from planner.case.enclosures import check_enclosures
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
from planner.case.item import Item
from planner.case.item_rules import check_batteries, check_caps, check_events, check_water
from planner.case.marks import Path_
from planner.case.overrides import override, override_catalog
from planner.case.permitted import check_permits
from planner.case.reader import Reader
from planner.case.scenarios import Scenario, with_scenarios
from planner.case.schema import QUARTER, CaseInput, Redundancy
from planner.case.site_limits import check_noise
from planner.case.standby import check_standby
from planner.case.swing import DEFAULT_START_MINUTES
from planner.case.tariff import Tariff
from planner.case.weather import Weather
from planner.case.whole import whole_case_rules
from planner.errors import InputError
from planner.finance import escalation_factor
from planner.timeline import Timeline


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
    check_dates(reader, given, timeline)
    catalog = declared(given.network, catalog)
    chooser = Chooser(reader, given, catalog, timeline)
    candidates, redundancy = chooser.candidates(), chooser.redundancy()
    compute = [catalog[name] for name in _compute(given, candidates, catalog)]
    catalog, fabric = with_fabric(reader, given.network, catalog, compute, _gpus_asked(given, compute))
    # What a battery that fades can hold changes from year to year, and so no year repeats another.
    if check_batteries(reader, given, catalog, candidates, timeline):
        timeline = replace(timeline, years_apart=True)
    dates = activity_dates(reader, given)
    gates = gates_of(reader, given, dates, catalog)
    check_events(reader, given, candidates, catalog)
    check_existing(reader, given, catalog, timeline)
    owned = [i for i in given.owned if i in catalog and catalog[i].family == "generation"]
    bridges = [i for i in owned if catalog[i].permit_class != "emergency"]
    check_standby(reader, given, catalog, [*candidates.get("generation", ()), *bridges])
    tariff = tariff_of(reader, given)
    peaks_in_the_model(reader, given, tariff, timeline)
    prices_that_pay_for_waste(reader, given, tariff, timeline)
    export = export_price(reader, given, tariff, timeline)
    check_caps(reader, given, catalog, candidates)
    check_noise(reader, given, catalog, candidates)
    chooser.defaults += check_permits(reader, given, catalog, candidates)
    chooser.defaults += check_coolant(reader, given, catalog, candidates)
    chooser.defaults += check_water(reader, given, catalog, candidates)
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
        activity_dates=dates,
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
