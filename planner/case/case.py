"""A case file read, validated against its catalogs and series, and frozen. Every fault is reported at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.case.base import nearest, validate
from planner.case.catalog import (
    STAGES,
    Catalog,
    Figure,
    Item,
    default_catalog_folder,
    is_orderable,
    read_catalog,
    refusal,
)
from planner.case.marks import Document, Path_, parse_scalar, read_yaml
from planner.case.schema import QUARTER, CaseInput, Redundancy, Series
from planner.case.tariff import Tariff, tariff_from_input
from planner.case.weather import Weather, read_weather
from planner.errors import Fault, InputError
from planner.timeline import Timeline, add_weeks
from planner.units import HOURS_PER_YEAR

# The item a stage takes when the case names none and says other_stages: class_defaults.
CLASS_DEFAULTS: dict[str, str] = {
    "white_space": "hall_stick_built", "fit_out": "fit_out_generic", "rack_space": "server_rack_generic",
    "network": "fabric_unit_576", "rack_pdu": "rack_pdu_generic", "busway": "busway_generic",
    "ups": "ups_generic", "lv_switchboard": "lv_switchboard_generic",
    "mv_lv_transformer": "mv_padmount_transformer", "mv_switchgear": "mv_switchgear_generic",
    "main_transformer": "power_transformer_161kv_100mva", "hv_substation": "hv_substation_bay_161kv",
    "cdu": "cdu_generic", "air_unit": "air_unit_generic", "heat_rejection": "chiller_air_cooled",
    "standby_generation": "diesel_genset_3mw", "battery_transformer": "mv_padmount_transformer",
}  # fmt: skip

# Redundancy where the case is silent [engineering judgement]; printed in the plan.
DEFAULT_REDUNDANCY: dict[str, Redundancy | None] = {
    "busway": Redundancy(scheme="2N"),  # A + B feeds
    "rack_pdu": Redundancy(scheme="2N"),
    "main_transformer": Redundancy(scheme="N+1", group="substation"),
    "hv_substation": Redundancy(scheme="N+1", group="substation"),
    "cdu": Redundancy(scheme="N+1", group_racks=16),
    "heat_rejection": Redundancy(scheme="N+1", group_mw=25),
    "onsite_generation": Redundancy(scheme="N+1"),
    "standby_generation": None,
}
LINEUP_STAGES = ("ups", "lv_switchboard", "mv_lv_transformer")
# Roles of `candidates` and the families (or stages) their items must have.
ROLES: dict[str, tuple[str, ...]] = {
    "compute": ("compute",), "network": ("network",), "enclosure": ("enclosure",), "power": ("power",),
    "cooling": ("cooling",), "heat_rejection": ("cooling",), "generation": ("generation",),
    "bridge_power": ("generation",), "standby_generation": ("generation",), "renewable": ("renewable",),
    "battery": ("battery",),
}  # fmt: skip
# Daily shape of inference, local time: a cosine with its peak at 15:00. Engineering judgement.
_INFERENCE_SWING = 0.2


@dataclass(frozen=True)
class Ambient:
    """Design temperatures: the 0.4 % values, and the hottest hour the site must carry. [degC]"""

    dry_bulb_c: float
    wet_bulb_c: float
    extreme_dry_bulb_c: float
    source: str


@dataclass(frozen=True)
class Case:
    """Everything a plan rests on. Arrays are hourly over the reference year, shape (8760,)."""

    input: CaseInput
    path: Path
    timeline: Timeline
    catalog: Catalog
    weather: Weather
    ambient: Ambient
    tariff: Tariff | None
    load_shape: NDArray[np.float64]  # IT draw over its mean
    load_series_mw: NDArray[np.float64] | None  # facility MW, when there are no racks
    candidates: dict[str, tuple[str, ...]]  # stage or role -> items that may be bought
    redundancy: dict[str, Redundancy | None]  # by stage; None: the stage is not built
    activity_dates: dict[str, date]
    gates: dict[str, date]  # stage, family, item, "energisation" or "grid" -> first day it may serve
    defaults_used: tuple[str, ...]
    series_mean: float = 1.0  # of a workload series, as a fraction of design power
    hashes: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def average_fraction(self, item: Item) -> float:
        """Mean power of a compute item over its design power."""
        workload = self.input.workload
        if workload is not None and workload.average_load_fraction is not None:
            return workload.average_load_fraction
        if workload is not None and workload.series is not None:
            return self.series_mean
        return min(1.0, item.get("average_power_kw") / item.design_kw)

    def stage_redundancy(self, stage: str) -> Redundancy | None:
        """Scheme of a stage; N where nothing is said."""
        return self.redundancy.get(stage, Redundancy(scheme="N"))

    def economic_life_years(self, item: Item) -> float:
        """Life of an item: the case's for its family, or the catalog's."""
        return self.input.finance.economic_life_years.get(item.family, item.get("economic_life_years"))


def load_case(path: str | Path, overrides: Sequence[str] = (), catalogs: Sequence[str | Path] = ()) -> Case:
    """Read a case file. `overrides` are `path=value` texts; `catalogs` are folders on top of the case's own.

    Raises InputError with every fault found.
    """
    reader = _CaseReader(Path(path))
    return reader.case(overrides, [Path(c) for c in catalogs])


class _CaseReader:
    def __init__(self, path: Path) -> None:
        self.path = path / "case.yaml" if path.is_dir() else path
        self.folder = self.path.parent
        self.document = read_yaml(self.path)
        self.faults: list[Fault] = list(self.document.faults)
        self.files: list[Path] = [self.path]
        self.warnings: list[str] = []

    def case(self, overrides: Sequence[str], catalogs: list[Path]) -> Case:
        if not isinstance(self.document.data, dict):
            if not self.faults:
                self.fault((), self.document.data, "must be a mapping of fields", "see planner new")
            raise InputError(self.faults)
        catalog_overrides = self._override(overrides)
        given, faults = validate(CaseInput, self.document, (), self.document.data)
        self.faults += faults
        raw = self.document.data
        own = [str(c) for c in raw.get("catalogs") or [] if isinstance(c, str)]
        catalog, faults = read_catalog(
            default_catalog_folder(), *[self.folder / folder for folder in own], *catalogs
        )
        self.faults += faults
        catalog = self._override_catalog(catalog, catalog_overrides)
        if given is None:
            self._check_names_in(raw, catalog)
            raise InputError(self.faults)
        return self._assemble(given, catalog)

    def _assemble(self, given: CaseInput, catalog: Catalog) -> Case:
        timeline = Timeline(given.start, given.horizon.build_months, given.horizon.operating_years)
        self._check_dates(given, timeline)
        candidates, defaults = self._candidates(given, catalog, timeline)
        redundancy = self._redundancy(given, defaults)
        activity_dates = self._activities(given)
        gates = self._gates(given, activity_dates, catalog)
        tariff = self._tariff(given)
        weather = self._weather(given)
        ambient = self._ambient(given, weather)
        shape, mean = self._load_shape(given)
        series = None
        if given.target.load_series is not None:
            series = self._series(given.target.load_series, ("target", "load_series"), "MW")
        if self.faults or weather is None or ambient is None:
            raise InputError(self.faults)
        self.files += [Path(f) for f in catalog.files]
        return Case(
            input=given, path=self.path, timeline=timeline, catalog=catalog, weather=weather, ambient=ambient,
            tariff=tariff, load_shape=shape, load_series_mw=series, candidates=candidates,
            redundancy=redundancy, activity_dates=activity_dates, gates=gates,
            defaults_used=tuple(defaults), hashes={_label(f, self.folder): _sha256(f) for f in self.files},
            warnings=tuple(self.warnings), series_mean=mean,
        )  # fmt: skip

    def fault(self, path: Path_, value: Any, rule: str, remedy: str) -> None:
        self.faults.append(self.document.fault(path, value, rule, remedy))

    # -- overrides -----------------------------------------------------------------------------------------

    def _override(self, overrides: Sequence[str]) -> list[tuple[str, str, float]]:
        """Apply path=value texts to the raw data; returns those that name the catalog."""
        catalog: list[tuple[str, str, float]] = []
        for text in overrides:
            path_text, separator, value_text = text.partition("=")
            where = Fault("--set", 1, path_text, value_text, "", "")
            if not separator:
                self.faults.append(_with(where, "must be path=value", "write --set site.grid.power_factor=0.9"))
                continue
            try:
                value = _parse_value(value_text.strip())
                path = parse_path(path_text.strip())
            except ValueError as error:
                rule, remedy = error.args if len(error.args) == 2 else (str(error), "correct it")
                self.faults.append(_with(where, rule, remedy))
                continue
            if path[0] == "catalog":
                if len(path) != 3 or not isinstance(value, int | float) or isinstance(value, bool):
                    self.faults.append(_with(where, "must be catalog.ITEM.field=number", "name item and field"))
                else:
                    catalog.append((str(path[1]), str(path[2]), float(value)))
                continue
            try:
                _set_path(self.document.data, path, value)
            except (KeyError, IndexError, TypeError) as error:
                self.faults.append(_with(where, f"no such path ({error})", "see the case file for its fields"))
        return catalog

    def _override_catalog(self, catalog: Catalog, changes: list[tuple[str, str, float]]) -> Catalog:
        entries = dict(catalog.entries)
        for item_id, name, value in changes:
            where = Fault("--set", 1, f"catalog.{item_id}.{name}", f"{value:g}", "", "")
            if item_id not in entries:
                close = nearest(item_id, entries)
                self.faults.append(_with(where, "unknown item", f"did you mean {close}?" if close else "see list"))
                continue
            item = entries[item_id].item
            if name not in Item.model_fields or "Figure" not in str(Item.model_fields[name].annotation):
                close = nearest(name, Item.model_fields)
                self.faults.append(_with(where, "unknown field", f"did you mean {close}?" if close else "see show"))
                continue
            figure = Figure(value=value, source="given with --set", date=f"{date.today()}", confidence="estimate")
            data = {n: getattr(item, n) for n in type(item).model_fields} | {name: figure}
            data["class"] = data.pop("item_class")
            checked, faults = validate(Item, Document("--set", None), ("catalog", item_id), data)
            self.faults += faults
            if checked is not None:
                old = entries[item_id]
                entries[item_id] = type(old)(checked, "--set", 1, old.sources)
        return Catalog(entries, catalog.files)

    # -- names and dates -----------------------------------------------------------------------------------

    def _item(self, item_id: str, path: Path_, catalog: Catalog) -> Item | None:
        if item_id not in catalog:
            close = nearest(item_id, catalog.entries)
            remedy = f"did you mean {close}?" if close else "see planner catalog list"
            self.fault(path, item_id, "unknown item", remedy)
            return None
        refused = refusal(catalog.entries[item_id])
        if refused:
            self.fault(path, item_id, *refused)
            return None
        return catalog[item_id]

    def _check_names_in(self, raw: dict[str, Any], catalog: Catalog) -> None:
        """Unknown items are reported even when the case has other faults."""
        chosen = raw.get("candidates")
        if not isinstance(chosen, dict):
            return
        for role, names in chosen.items():
            if role in ROLES and isinstance(names, list):
                for i, name in enumerate(names):
                    if isinstance(name, str) and name != "all":
                        self._item(name, ("candidates", role, i), catalog)

    def _check_dates(self, given: CaseInput, timeline: Timeline) -> None:
        first, last = timeline.start, timeline.end
        dated = [(("target", "milestones", i, "by"), m.by) for i, m in enumerate(given.target.milestones)]
        if given.objective.by is not None:
            dated.append((("objective", "max_gpus"), given.objective.by))
        for path, day in dated:
            if timeline.period_of(day) < 0 or day > timeline.starts[-1]:
                rule = f"must lie in the build calendar ({first} to {timeline.starts[-1]})"
                self.fault(path, day, rule, "move the date or lengthen horizon.build_months")
        for i, row in enumerate(given.budget):
            if row.by < first:
                self.fault(("budget", i, "by"), row.by, f"must not be before the start {first}", "remove the row")
        for i, step in enumerate(given.site.grid.interconnection):
            if step.from_ >= last:
                rule = f"must be before the horizon ends on {last}"
                self.fault(("site", "grid", "interconnection", i, "from"), step.from_, rule, "remove the step")
        base = given.finance.base_year
        if abs(base - first.year) > 10:
            self.fault(("finance", "base_year"), base, f"must be within 10 years of the start {first}", "check it")

    # -- candidates ----------------------------------------------------------------------------------------

    def _candidates(
        self, given: CaseInput, catalog: Catalog, timeline: Timeline
    ) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        by_stage: dict[str, list[str]] = {}
        for role, families in ROLES.items():
            for i, name in enumerate(getattr(given.candidates, role)):
                path: Path_ = ("candidates", role, i)
                if name == "all":
                    found = [
                        item.id for item in catalog.items
                        if item.family in families and is_orderable(item, timeline.starts[-1])
                        and item.tenure == "owned" and (role != "heat_rejection" or "heat_rejection" in item.brings)
                        and (role not in ("generation", "bridge_power") or item.permit_class != "emergency")
                        and (role != "standby_generation" or item.permit_class == "emergency")
                    ]  # fmt: skip
                    for item_id in found:
                        self._add_candidate(by_stage, role, catalog[item_id])
                    continue
                item = self._item(name, path, catalog)
                if item is None:
                    continue
                if item.family not in families or (role == "heat_rejection" and role not in item.brings):
                    self.fault(path, name, f"is in family {item.family}, not a candidate for {role}",
                               "move it to the right list")  # fmt: skip
                    continue
                if item.tenure == "rented":
                    self.fault(path, name, "renting is not supported yet", "use an owned item, or remove it")
                    continue
                if item.permit_class == "emergency" and role in ("generation", "bridge_power"):
                    self.fault(path, name, "has an emergency permit: it may not bridge or shave peaks",
                               "move it to standby_generation")  # fmt: skip
                    continue
                if item.orderable_from is not None and item.orderable_from >= timeline.starts[-1]:
                    self.fault(path, name, f"cannot be ordered before {item.orderable_from}, after the build",
                               "remove it or lengthen the build")  # fmt: skip
                    continue
                self._add_candidate(by_stage, role, item)
        for i, row in enumerate(given.committed):
            item = self._item(row.item, ("committed", i, "item"), catalog)
            if item is None:
                continue
            if item.orderable_from is not None and row.on_site < item.orderable_from:
                self.fault(("committed", i, "on_site"), row.on_site,
                           f"{row.item} cannot be ordered before {item.orderable_from}", "correct the date")  # fmt: skip
            for stage in [item.family] if item.family == "compute" else item.brings:
                by_stage.setdefault(stage, [])
        self._check_supply(given, catalog)
        defaults = self._fill_defaults(given, catalog, by_stage)
        if given.target.milestones and not by_stage.get("compute"):
            self.fault(("candidates", "compute"), None, "milestones need compute", "name at least one compute item")
        return {stage: tuple(dict.fromkeys(names)) for stage, names in by_stage.items()}, defaults

    @staticmethod
    def _add_candidate(by_stage: dict[str, list[str]], role: str, item: Item) -> None:
        stages: Iterable[str] = item.brings
        if role in ("compute", "standby_generation", "battery", "renewable"):
            stages = [role, *(s for s in item.brings if s in STAGES and role == "compute")]
        elif role in ("generation", "bridge_power"):
            stages = ["generation"]
        for stage in stages:
            by_stage.setdefault(stage, []).append(item.id)

    def _check_supply(self, given: CaseInput, catalog: Catalog) -> None:
        for name in {*given.supply, *given.order_multiples}:
            field_name = "supply" if name in given.supply else "order_multiples"
            self._item(name, (field_name, name), catalog)
        for family in given.finance.economic_life_years:
            families = ("compute", "network", "enclosure", "power", "cooling", "generation", "renewable", "battery")
            if family not in families:
                close = nearest(family, families)
                remedy = f"did you mean {close}?" if close else "write one of " + ", ".join(families)
                self.fault(("finance", "economic_life_years", family), family, "unknown family", remedy)

    def _fill_defaults(self, given: CaseInput, catalog: Catalog, by_stage: dict[str, list[str]]) -> list[str]:
        """Items for stages the case names none for; a fault when it wants no defaults."""
        used: list[str] = []
        committed_stages = {
            stage for row in given.committed if row.item in catalog for stage in catalog[row.item].brings
        }
        for stage in self._needed_stages(given, catalog, by_stage):
            if by_stage.get(stage) or given.redundancy.get(stage, "") is None:
                continue
            if given.candidates.other_stages == "class_defaults":
                item_id = CLASS_DEFAULTS[stage]
                if item_id in catalog:
                    by_stage.setdefault(stage, []).append(item_id)
                    used.append(f"{stage}: {item_id}")
                    continue
            if stage not in committed_stages:
                self.fault(("candidates",), None, f"stage {stage} has no candidate",
                           f"name one, write other_stages: class_defaults, or redundancy: {{{stage}: none}}")  # fmt: skip
        return used

    @staticmethod
    def _needed_stages(given: CaseInput, catalog: Catalog, by_stage: dict[str, list[str]]) -> list[str]:
        needed: list[str] = []
        via_substation = any(s.via == "substation" for s in given.site.grid.interconnection)
        for item_id in by_stage.get("compute", []):
            needed += [stage for stage in catalog[item_id].consumes if stage not in catalog[item_id].brings]
        if needed:
            needed += ["busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear", "heat_rejection"]
        if any("mv_lv_transformer" in catalog[b].consumes for b in by_stage.get("battery", [])):
            needed.append("battery_transformer")
        if via_substation and (given.target.milestones or given.candidates.other_stages == "class_defaults"):
            needed += ["main_transformer", "hv_substation"]
        if given.redundancy.get("standby_generation") is not None:
            needed.append("standby_generation")
        return list(dict.fromkeys(needed))

    @staticmethod
    def _redundancy(given: CaseInput, defaults: list[str]) -> dict[str, Redundancy | None]:
        result = dict(DEFAULT_REDUNDANCY)
        for stage, scheme in DEFAULT_REDUNDANCY.items():
            if stage not in given.redundancy and scheme is not None and given.target.milestones:
                defaults.append(f"redundancy of {stage}: {scheme.scheme}")
        lineup = given.redundancy.get("power_lineup")
        if "power_lineup" in given.redundancy:
            result |= {stage: lineup for stage in LINEUP_STAGES}
        result |= {k: v for k, v in given.redundancy.items() if k != "power_lineup"}
        return result

    # -- activities ----------------------------------------------------------------------------------------

    def _activities(self, given: CaseInput) -> dict[str, date]:
        dates: dict[str, date] = {}
        names = [a.name for a in given.activities]
        for i, activity in enumerate(given.activities):
            if activity.name in names[:i]:
                self.fault(("activities", i, "name"), activity.name, "is used twice", "rename one")
            if activity.after is not None and activity.after not in names[:i]:
                self.fault(("activities", i, "after"), activity.after, "names no earlier activity",
                           "write the name of one above it")  # fmt: skip
                continue
            if activity.on is not None:
                dates[activity.name] = activity.on
            elif activity.weeks is not None:
                begin = dates.get(activity.after, given.start) if activity.after else given.start
                dates[activity.name] = add_weeks(begin, activity.weeks)
        return dates

    def _gates(self, given: CaseInput, dates: dict[str, date], catalog: Catalog) -> dict[str, date]:
        gates: dict[str, date] = {}
        families = ("compute", "network", "enclosure", "power", "cooling", "generation", "renewable", "battery")
        known = {*STAGES, *families, "energisation", "grid"}

        def gate(what: str, day: date) -> None:
            gates[what] = max(day, gates.get(what, day))

        for i, activity in enumerate(given.activities):
            for j, what in enumerate(activity.gates):
                if what not in known and what not in catalog:
                    close = nearest(what, [*known, *catalog.entries])
                    remedy = f"did you mean {close}?" if close else "a stage, family, item, energisation or grid"
                    self.fault(("activities", i, "gates", j), what, "names nothing to gate", remedy)
                elif activity.name in dates:
                    gate(what, dates[activity.name])
        if given.site.fibre is not None:
            gate("energisation", given.site.fibre.from_)
        return gates

    # -- series --------------------------------------------------------------------------------------------

    def _tariff(self, given: CaseInput) -> Tariff | None:
        if given.site.grid.tariff is None:
            return None
        if given.site.grid.tariff.urdb:
            self.files.append(self.folder / given.site.grid.tariff.urdb)
        try:
            return tariff_from_input(given.site.grid.tariff, folder=self.folder)
        except InputError as error:
            self.faults += error.faults
            return None

    def _weather(self, given: CaseInput) -> Weather | None:
        kind, name = given.site.weather.given[0]
        path = self._weather_path(name)
        location = given.site.location
        try:
            from zoneinfo import ZoneInfo

            ZoneInfo(location.time_zone)
        except (KeyError, ValueError, OSError):
            self.fault(("site", "location", "time_zone"), location.time_zone, "unknown time zone",
                       "write an IANA name such as America/Chicago")  # fmt: skip
            return None
        if not path.is_file():
            self.fault(("site", "weather", kind), name, "no such file", f"check the path (looked in {path.parent})")
            return None
        self.files.append(path)
        try:
            return read_weather(
                path, kind, latitude=location.latitude, longitude=location.longitude,  # type: ignore[arg-type]
                elevation_m=location.elevation_m, time_zone=location.time_zone,
            )  # fmt: skip
        except InputError as error:
            self.faults += error.faults
            return None

    def _weather_path(self, name: str) -> Path:
        if name.startswith("pvlib:"):
            from importlib.util import find_spec

            spec = find_spec("pvlib")
            assert spec is not None and spec.origin is not None
            return Path(spec.origin).parent / "data" / name.removeprefix("pvlib:")
        return self.folder / name

    def _ambient(self, given: CaseInput, weather: Weather | None) -> Ambient | None:
        if weather is None:
            return None
        hottest = float(weather.dry_bulb_c.max())
        design, path = given.site.design_ambient, ("site", "design_ambient")
        if design is not None:
            extreme = design.extreme_dry_bulb_c if design.extreme_dry_bulb_c is not None else design.dry_bulb_c
            ambient = Ambient(design.dry_bulb_c, design.wet_bulb_c, extreme, "the case")
        elif weather.design_dry_bulb_c is not None and weather.design_wet_bulb_c is not None:
            extreme_c = weather.extreme_dry_bulb_c
            ambient = Ambient(
                weather.design_dry_bulb_c, weather.design_wet_bulb_c,
                extreme_c if extreme_c is not None else weather.design_dry_bulb_c, f"header of {weather.name}",
            )  # fmt: skip
        else:
            self.fault(path, None, "is required: this weather file has no design conditions",
                       "write the ASHRAE 0.4 % dry_bulb_c and wet_bulb_c, and extreme_dry_bulb_c")  # fmt: skip
            return None
        if hottest > ambient.extreme_dry_bulb_c:
            self.fault((*path, "extreme_dry_bulb_c"), ambient.extreme_dry_bulb_c,
                       f"is below the hottest hour of the weather file ({hottest:.1f} C)",
                       "write the 20-year extreme of the site")  # fmt: skip
        return ambient

    def _load_shape(self, given: CaseInput) -> tuple[NDArray[np.float64], float]:
        flat = np.ones(HOURS_PER_YEAR)
        workload = given.workload
        if workload is None or workload.kind in ("constant", "training"):
            return flat, 1.0
        if workload.kind == "inference":
            hour = np.arange(HOURS_PER_YEAR) % 24
            shape = 1.0 + _INFERENCE_SWING * np.cos(2 * np.pi * (hour - 15) / 24)
            peak = (workload.average_load_fraction or 0.0) * shape.max()
            if peak > 1:
                self.fault(("workload", "average_load_fraction"), workload.average_load_fraction,
                           f"peaks at {peak:.2f} of design power with the inference shape",
                           f"write at most {1 / shape.max():.2f}")  # fmt: skip
            return shape, 1.0
        assert workload.series is not None
        values = self._series(workload.series, ("workload", "series"), "fraction of design power")
        if values is None:
            return flat, 1.0
        if values.max() > 1 or values.mean() <= 0:
            self.fault(("workload", "series", "file"), workload.series.file,
                       f"must hold fractions of design power (mean {values.mean():g}, highest {values.max():g})",
                       "divide the series by the design power")  # fmt: skip
            return flat, 1.0
        mean = float(values.mean())
        return values / mean, mean

    def _series(self, series: Series, path: Path_, unit: str) -> NDArray[np.float64] | None:
        import csv

        file = self.folder / series.file
        try:
            with file.open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, UnicodeDecodeError) as error:
            self.fault((*path, "file"), series.file, f"cannot be read ({error})", "check the path")
            return None
        self.files.append(file)
        if rows and series.column not in rows[0]:
            close = nearest(series.column, rows[0])
            remedy = f"did you mean {close}?" if close else "columns: " + ", ".join(rows[0])
            self.fault((*path, "column"), series.column, "no such column", remedy)
            return None
        if len(rows) != HOURS_PER_YEAR:
            rule = f"must have {HOURS_PER_YEAR} rows (got {len(rows)})"
            self.fault((*path, "file"), series.file, rule, "give one row an hour of a 365-day year")
            return None
        values = np.empty(HOURS_PER_YEAR)
        for i, row in enumerate(rows):
            text = row[series.column] or ""
            try:
                values[i] = float(text)
            except ValueError:
                values[i] = np.nan
            if not np.isfinite(values[i]) or values[i] < 0:
                self.faults.append(Fault(str(file), i + 2, series.column, text or "nothing",
                                         f"must be a number of {unit}, at least 0", "correct the row"))  # fmt: skip
                return None
        return values


def quarter_bounds(quarter: str) -> tuple[date, date]:
    """First day of a quarter and of the next one.

    >>> quarter_bounds("2027Q4")
    (datetime.date(2027, 10, 1), datetime.date(2028, 1, 1))
    """
    match = QUARTER.match(quarter)
    assert match is not None
    year, q = int(match[1]), int(match[2])
    return date(year, 3 * q - 2, 1), date(year + q // 4, (3 * q) % 12 + 1, 1)


def parse_path(text: str) -> tuple[str | int, ...]:
    """Path of an override.

    >>> parse_path("site.grid.interconnection[0].mw")
    ('site', 'grid', 'interconnection', 0, 'mw')
    """
    import re

    parts: list[str | int] = []
    for piece in text.split("."):
        match = re.fullmatch(r"([A-Za-z0-9_+/() -]+)((?:\[[0-9]+\])*)", piece)
        if not match:
            raise ValueError(f"cannot read the path part {piece!r}", "write it like site.grid.interconnection[0].mw")
        parts.append(match[1])
        parts += [int(i) for i in re.findall(r"\[([0-9]+)\]", match[2])]
    return tuple(parts)


def _parse_value(text: str) -> Any:
    if text[:1] in "[{\"'" and text:
        from planner.case.marks import read_text

        document = read_text(text, "--set")
        if document.faults:
            raise ValueError(document.faults[0].rule, document.faults[0].remedy)
        return document.data
    return parse_scalar(text)


def _set_path(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    for part, following in zip(path[:-1], path[1:], strict=True):
        if isinstance(data, dict) and part not in data and isinstance(following, str):
            data[part] = {}
        data = data[part]
        if isinstance(data, str | int | float | date) or data is None:
            raise TypeError(f"{part} holds a single value")
    if isinstance(path[-1], int) and not (isinstance(data, list) and path[-1] < len(data)):
        raise IndexError(f"no entry [{path[-1]}]")
    data[path[-1]] = value


def _with(fault: Fault, rule: str, remedy: str) -> Fault:
    return Fault(fault.file, fault.line, fault.field, fault.value, rule, remedy)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _label(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return f"{path.parent.name}/{path.name}"
