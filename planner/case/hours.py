"""What a case needs by the hour: tariff, weather, design temperatures, load shape, series of your own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.case.base import nearest, suggest
from planner.case.marks import Path_
from planner.case.reader import Reader
from planner.case.schema import CaseInput, Series, WeatherFile
from planner.case.tariff import Tariff, tariff_from_input
from planner.case.weather import Weather, read_weather
from planner.errors import Fault, InputError
from planner.units import HOURS_PER_YEAR

# Daily shape of inference, local time: a cosine with its peak at 15:00. Engineering judgement.
_INFERENCE_SWING = 0.2
_MAX_SERIES_BYTES = 50_000_000


@dataclass(frozen=True)
class Ambient:
    """Design temperatures: the 0.4 % values, and the hottest hour the site must carry. [degC]"""

    dry_bulb_c: float
    wet_bulb_c: float
    extreme_dry_bulb_c: float
    source: str


def tariff_of(reader: Reader, given: CaseInput) -> Tariff | None:
    """The grid's tariff, None where there is none or it has faults."""
    grid = given.site.grid
    path = ("site", "grid", "tariff")
    if grid.tariff is None or not reader.sound(path):
        return None
    if grid.tariff.urdb and reader.file((*path, "urdb"), grid.tariff.urdb) is None:
        return None
    try:
        return tariff_from_input(grid.tariff, folder=reader.folder)
    except InputError as error:
        reader.faults += error.faults
        return None


def weather_of(
    reader: Reader, given: CaseInput, source: WeatherFile | None = None, at: Path_ = ("site", "weather")
) -> Weather | None:
    """The year of weather, None where it has faults. source: another file than the site's, written at a place."""
    location, place = given.site.location, ("site", "location")
    zone: str | float = location.time_zone
    if not _known_zone(location.time_zone):
        remedy = "write an IANA name such as America/Chicago"
        if close := _nearest_zone(location.time_zone):
            remedy = f"did you mean {close}?"
        reader.fault((*place, "time_zone"), location.time_zone, "unknown time zone", remedy)
        zone = float(round(location.longitude / 15.0))  # only to find the faults of the file
    if not reader.sound(at):
        return None
    kind, name = (source or given.site.weather).given[0]
    path = _weather_file(reader, (*at, kind), name)
    if path is None or (kind == "monthly_normals" and not reader.sound(place)):
        return None
    try:
        return read_weather(
            path,
            kind,
            latitude=location.latitude,
            longitude=location.longitude,
            elevation_m=location.elevation_m,
            time_zone=zone,
        )
    except InputError as error:
        reader.faults += error.faults
        return None


def _known_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _nearest_zone(name: str) -> str | None:
    from zoneinfo import available_timezones

    zones = sorted(available_timezones())
    cities = {zone.rsplit("/")[-1]: zone for zone in zones}
    close = nearest(name, zones) or nearest(name, cities)
    return cities.get(close, close) if close else None


def _weather_file(reader: Reader, path: Path_, name: str) -> Path | None:
    if not name.startswith("pvlib:"):
        return reader.file(path, name)
    from importlib.util import find_spec

    spec = find_spec("pvlib")
    assert spec is not None
    assert spec.origin is not None
    return reader.file(path, name.removeprefix("pvlib:"), Path(spec.origin).parent / "data")


def ambient_of(reader: Reader, given: CaseInput, weather: Weather | None) -> Ambient | None:
    """Design temperatures of the case or of the weather file's header."""
    design, path = given.site.design_ambient, ("site", "design_ambient")
    in_header = reader.sound(("site", "weather")) and given.site.weather.given[0][0] == "epw"
    if design is not None:
        extreme = design.extreme_dry_bulb_c if design.extreme_dry_bulb_c is not None else design.dry_bulb_c
        ambient = Ambient(design.dry_bulb_c, design.wet_bulb_c, extreme, "the case")
    elif weather is None and (in_header or not reader.sound(("site", "weather"))):
        return None  # an EPW header may hold them
    elif weather is not None and weather.design_dry_bulb_c is not None and weather.design_wet_bulb_c is not None:
        extreme_c = weather.extreme_dry_bulb_c
        ambient = Ambient(
            weather.design_dry_bulb_c,
            weather.design_wet_bulb_c,
            extreme_c if extreme_c is not None else weather.design_dry_bulb_c,
            f"header of {weather.name}",
        )
    else:
        remedy = "write the ASHRAE 0.4 % dry_bulb_c and wet_bulb_c, and extreme_dry_bulb_c"
        reader.fault(path, None, "is required: this weather file has no design conditions", remedy)
        return None
    if weather is None:
        return ambient
    hottest = float(weather.dry_bulb_c.max())
    if hottest > ambient.extreme_dry_bulb_c:
        rule = f"is below the hottest hour of the weather file ({hottest:.1f} C)"
        remedy = f"write the 20-year extreme of the site, at least {hottest:.1f}"
        reader.fault((*path, "extreme_dry_bulb_c"), ambient.extreme_dry_bulb_c, rule, remedy)
    return ambient


def load_shape(reader: Reader, given: CaseInput) -> tuple[NDArray[np.float64], float]:
    """(IT draw over its mean by hour, mean as a fraction of design power)."""
    flat = np.ones(HOURS_PER_YEAR)
    workload = given.workload
    if workload is None or workload.kind in ("constant", "training"):
        return flat, 1.0
    if workload.kind == "inference":
        hour = np.arange(HOURS_PER_YEAR) % 24
        shape = 1.0 + _INFERENCE_SWING * np.cos(2 * np.pi * (hour - 15) / 24)
        peak = (workload.average_load_fraction or 0.0) * shape.max()
        if peak > 1:
            rule = f"peaks at {peak:.2f} of design power with the inference shape"
            path = ("workload", "average_load_fraction")
            remedy = f"write at most {np.floor(100 / shape.max()) / 100:.2f}"
            reader.fault(path, workload.average_load_fraction, rule, remedy)
        return shape, 1.0
    if workload.series is None:
        return flat, 1.0
    values = hourly(reader, workload.series, ("workload", "series"), "fraction of design power")
    if values is None:
        return flat, 1.0
    if values.max() > 1 or values.mean() <= 0:
        rule = f"must hold fractions of design power (mean {values.mean():g}, highest {values.max():g})"
        reader.fault(
            ("workload", "series", "file"),
            workload.series.file,
            rule,
            "divide the series by the design power",
        )
        return flat, 1.0
    mean = float(values.mean())
    return values / mean, mean


def hourly(reader: Reader, series: Series, path: Path_, unit: str) -> NDArray[np.float64] | None:
    """A column of a CSV file, one row an hour of the year; None where it has faults."""
    file = reader.file((*path, "file"), series.file)
    if file is None:
        return None
    try:
        if file.stat().st_size > _MAX_SERIES_BYTES:
            raise ValueError(f"larger than {_MAX_SERIES_BYTES / 1e6:g} MB")
        with file.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            rows: list[tuple[int, Any]] = [(table.line_num, row.get(series.column)) for row in table]
            names = list(table.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
        remedy = "write a CSV file with a header row"
        reader.fault((*path, "file"), series.file, f"cannot be read ({reason})", remedy)
        return None
    if series.column not in names:
        remedy = suggest(series.column, names, "columns: " + ", ".join(names[:20]) if names else "write a header row")
        reader.fault((*path, "column"), series.column, "no such column", remedy)
    if len(rows) != HOURS_PER_YEAR:
        rule = f"must have {HOURS_PER_YEAR} rows (got {len(rows)})"
        reader.fault((*path, "file"), series.file, rule, "give one row an hour of a 365-day year")
    if series.column not in names:
        return None
    values = np.array([_number(text) for _, text in rows])
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        line, text = rows[int(bad[0])]
        rule = f"must be a number of {unit}, at least 0 ({bad.size} rows are not)"
        shown = reader.document.fault((), text, "", "").value
        reader.faults.append(Fault(str(file), line, series.column, shown, rule, "correct the row"))
    return values if not bad.size and len(rows) == HOURS_PER_YEAR else None


def _number(text: Any) -> float:
    try:
        return float(text) if isinstance(text, str) and "_" not in text else np.nan
    except ValueError:
        return np.nan
