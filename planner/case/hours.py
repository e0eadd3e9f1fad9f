"""What a case needs by the hour: tariff, weather, design temperatures, load shape, series of your own.

On steps shorter than an hour, what is given by the hour (weather and all that follows from it, the shape of
inference, an hourly series, prices by hour of day) is held within it: means and energies stay as they were given,
and nothing is invented inside an hour. Swings inside an hour come in by a series with one row a step.
"""

from __future__ import annotations

import calendar
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.case.base import Series, nearest, suggest
from planner.case.marks import Path_
from planner.case.reader import Reader
from planner.case.schema import CaseInput
from planner.case.tariff import Tariff, first_energy_price, tariff_from_input
from planner.case.uncertain import WeatherFile
from planner.case.weather import Weather, read_weather
from planner.errors import Fault, InputError
from planner.finance import escalation_factor
from planner.timeline import DAYS_IN_MONTH, Hours, Timeline
from planner.units import HOURS_PER_YEAR, MINUTES_PER_HOUR

# Daily shape of inference, local time: a cosine with its peak at 15:00. Engineering judgement.
_INFERENCE_SWING = 0.2
MONTHS = tuple(calendar.month_name)[1:]
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
    energy = None
    if grid.tariff.energy_series is not None:
        energy = _prices(reader, grid.tariff.energy_series, (*path, "energy_series"))
        if energy is None:
            return None
    try:
        return tariff_from_input(grid.tariff, reader.folder, energy)
    except InputError as error:
        reader.faults += error.faults
        return None


def _prices(reader: Reader, series: Series, path: Path_) -> NDArray[np.float64] | None:
    """Prices of the hours of a year, negative ones too. [USD/MWh]"""
    return _column(reader, series, path, "USD/MWh", [HOURS_PER_YEAR], -np.inf)


def _months(given: CaseInput, timeline: Timeline) -> list[Hours]:
    """Steps of every month that is not like another."""
    keys = sorted({timeline.block_key(month) for month in timeline.months})
    return [timeline.block_hours(key, given.horizon.step_minutes) for key in keys]


def peaks_in_the_model(reader: Reader, given: CaseInput, tariff: Tariff | None, timeline: Timeline) -> None:
    """Every hour of a coincident peak must be modelled, and once a year."""
    if tariff is None or tariff.coincident_hours is None:
        return
    path = ("site", "grid", "tariff", "coincident_peaks", "hours")
    for hours in _months(given, timeline):
        first = 24 * sum(DAYS_IN_MONTH[: hours.month])
        inside = np.arange(first, first + 24 * DAYS_IN_MONTH[hours.month])
        own = np.intersect1d(tariff.coincident_hours, inside)
        for hour in np.setdiff1d(own, hours.hour_of_year)[:1]:
            rule = f"hour {hour} of the year is in no sampled day: its import would not be billed"
            remedy = "remove horizon.sample_days_per_month, or write hours of the sampled days"
            reader.fault(path, int(hour), rule, remedy)
            return
        at, steps = np.unique(hours.hour_of_year, return_counts=True)
        for hour in np.intersect1d(own, at[steps > MINUTES_PER_HOUR // given.horizon.step_minutes])[:1]:
            rule = f"hour {hour} of the year comes twice where a leap day has the inputs of 28 February"
            reader.fault(path, int(hour), rule, "write horizon.calendar: reference, or another hour")
            return


def prices_that_pay_for_waste(reader: Reader, given: CaseInput, tariff: Tariff | None, timeline: Timeline) -> None:
    """A block whose energy costs less than nothing on the whole is a fault where there are racks.

    Square losses are one figure a block that lies between tangents; paid for by the MWh, a plan would invent losses.
    Single hours below zero are sound: nothing but renewable output may be left unused.
    """
    if tariff is None or given.workload is None:
        return
    parts = (timeline.part_at(p, k) for p in range(timeline.last_period + 1) for k in timeline.places(p))
    for key in sorted({timeline.block_key(*part) for part in parts}):
        hours = timeline.block_hours(key, given.horizon.step_minutes)
        mean = float(first_energy_price(tariff, hours).mean())
        if mean < 0:
            block = f"a {given.horizon.block} ({MONTHS[hours.month]}: {mean:.4g} USD/MWh on average)"
            remedy = "correct the prices: electrical losses are not modelled at a mean price below 0"
            reader.fault(
                ("site", "grid", "tariff"), f"{mean:.4g}", f"pays for energy over the whole of {block}", remedy
            )
            return


def export_price(
    reader: Reader, given: CaseInput, tariff: Tariff | None, timeline: Timeline
) -> NDArray[np.float64] | None:
    """What export earns by hour of the year; below the price of import in every hour, or it is a fault. [USD/MWh]

    Import bought to be exported again would be a money machine; with the dearer import no plan does both at once.
    """
    export, path = given.site.grid.export, ("site", "grid", "export")
    if export is None or not reader.sound(path):
        return None
    field = (*path, "usd_per_mwh") if export.series is None else (*path, "series", "file")
    if export.series is None:
        price: NDArray[np.float64] | None = np.full(HOURS_PER_YEAR, export.usd_per_mwh)
    else:
        price = _prices(reader, export.series, (*path, "series"))
    if price is None or tariff is None:
        return price
    finance, ends = given.finance, (timeline.first_day(timeline.months[i]).year for i in (0, -1))
    growth = finance.escalation_fraction_per_year
    for hours, year in product(_months(given, timeline), sorted(set(ends))):
        bought = first_energy_price(tariff, hours) * escalation_factor(growth.energy, year, finance.base_year)
        sold = price[hours.hour_of_year] * escalation_factor(growth.export, year, finance.base_year)
        if (sold >= bought).any():
            t = int(np.argmax(sold >= bought))
            at = f" of {year}" if growth.of_operation else ""
            rule = (
                f"must be below the price of import in every hour ({sold[t]:g} against {bought[t]:g} USD/MWh in hour "
                f"{hours.hour_of_year[t]} of the year, {MONTHS[hours.month]}{at} at "
                f"{hours.hour_of_day[t]}:00 by the clock)"
            )
            shown = export.usd_per_mwh if export.series is None else export.series.file
            reader.fault(field, shown, rule, "write the export price by hour (series), less than the import's")
            return None
    return price


def weather_of(
    reader: Reader, given: CaseInput, source: WeatherFile | None = None, at: Path_ = ("site", "weather")
) -> Weather | None:
    """The year of weather, None where it has faults. source: another file than the site's, written at a place."""
    location, place = given.site.location, ("site", "location")
    zone: str | float = location.time_zone
    if not known_zone(location.time_zone):
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


def known_zone(name: str) -> bool:
    """Whether the time-zone database has it."""
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
    """(IT draw over its mean by step, mean as a fraction of design power)."""
    steps_per_hour = MINUTES_PER_HOUR // given.horizon.step_minutes
    flat = np.ones(HOURS_PER_YEAR * steps_per_hour)
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
        return np.repeat(shape, steps_per_hour), 1.0
    if workload.series is None:
        return flat, 1.0
    values = by_step(reader, given, workload.series, ("workload", "series"), "fraction of design power")
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


def by_step(reader: Reader, given: CaseInput, series: Series, path: Path_, unit: str) -> NDArray[np.float64] | None:
    """A column of a CSV file, one row an hour or a step of the year, by step; None where it has faults."""
    steps_per_hour = MINUTES_PER_HOUR // given.horizon.step_minutes
    lengths = sorted({HOURS_PER_YEAR, HOURS_PER_YEAR * steps_per_hour})
    values = _column(reader, series, path, unit, lengths, 0.0)
    return np.repeat(values, steps_per_hour) if values is not None and len(values) == HOURS_PER_YEAR else values


def _column(
    reader: Reader, series: Series, path: Path_, unit: str, lengths: Sequence[int], lowest: float
) -> NDArray[np.float64] | None:
    """A column of a CSV file with one of the lengths and no value below the lowest; None where it has faults."""
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
    if len(rows) not in lengths:
        rule = f"must have {' or '.join(map(str, lengths))} rows (got {len(rows)})"
        remedy = f"give one row an hour{' or a step' if len(lengths) > 1 else ''} of a 365-day year"
        reader.fault((*path, "file"), series.file, rule, remedy)
    if series.column not in names:
        return None
    values = np.array([_number(text) for _, text in rows])
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= lowest)))
    if bad.size:
        line, text = rows[int(bad[0])]
        least = f", at least {lowest:g}" if np.isfinite(lowest) else ""
        rule = f"must be a number of {unit}{least} ({bad.size} rows are not)"
        shown = reader.document.fault((), text, "", "").value
        reader.faults.append(Fault(str(file), line, series.column, shown, rule, "correct the row"))
    return values if not bad.size and len(rows) in lengths else None


def _number(text: Any) -> float:
    try:
        return float(text) if isinstance(text, str) and "_" not in text else np.nan
    except ValueError:
        return np.nan
