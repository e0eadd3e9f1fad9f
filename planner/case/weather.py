"""One year of hourly weather at a site: from an EPW, TMY3 or NSRDB file, or made up from monthly normals.

Every reader ends in the same arrays of 8760 hours, hour-beginning, in local standard time (no daylight
saving), 29 February dropped. EPW and TMY3 rows are hour-ending (row "1" is 00:00-01:00), so the row of hour h
becomes entry h - 1; NSRDB rows are stamped at the half hour. In all of them irradiance is the mean of the
hour, so solar angles are computed at mid-hour (`mid_hours_utc`). Temperature, humidity and wind of EPW and
TMY3 are readings at the end of the hour and stand for the whole hour: a lag of half an hour, not corrected.

Not modelled: the year as it really was. Typical years join months of different years and hold no extremes;
the design temperatures come from an EPW's header or stay None, they are never taken from the year's hours.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from planner.case.marks import written
from planner.errors import Fault, InputError
from planner.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
WeatherKind = Literal["epw", "tmy3", "psm3", "monthly_normals"]
WEATHER_KINDS: tuple[WeatherKind, ...] = get_args(WeatherKind)

NOMINAL_YEAR = 2001  # any year of 365 days; only sun angles are computed from it
DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PA_PER_MBAR = 100.0
_LARGEST_OFFSET_ERROR_HOURS = 3.5  # western China keeps +8 h at 74 E, 3.1 h off the sun


@dataclass(frozen=True, eq=False)
class Weather:
    """A year of weather. Arrays have shape (8760,): hour-beginning, local standard time, no 29 February."""

    name: str  # label to print
    synthetic: bool  # made from monthly normals: no extremes, no cloudy or windy days
    latitude: float  # degrees, north positive
    longitude: float  # degrees, east positive
    elevation_m: float
    utc_offset_hours: float  # of local standard time
    dry_bulb_c: Floats
    relative_humidity_fraction: Floats
    pressure_pa: Floats
    ghi_w_per_m2: Floats  # global horizontal irradiance, mean of the hour
    dni_w_per_m2: Floats  # direct normal irradiance
    dhi_w_per_m2: Floats  # diffuse horizontal irradiance
    wind_speed_m_per_s: Floats  # at 10 m
    design_dry_bulb_c: float | None = None  # cooling 0.4 % dry bulb (ASHRAE), from an EPW header
    design_wet_bulb_c: float | None = None  # evaporation 0.4 % wet bulb, from an EPW header
    extreme_dry_bulb_c: float | None = None  # 20-year maximum dry bulb, from an EPW header

    @cached_property
    def wet_bulb_c(self) -> Floats:
        """Thermodynamic wet bulb, (8760,), degC, +-0.001 K. PsychroLib (ASHRAE Fundamentals 2017 ch. 1)."""
        import psychrolib  # type: ignore[import-untyped]

        psychrolib.SetUnitSystem(psychrolib.SI)
        rows = zip(
            self.dry_bulb_c.tolist(),
            self.relative_humidity_fraction.tolist(),
            self.pressure_pa.tolist(),
            strict=True,
        )
        solved = np.array([psychrolib.GetTWetBulbFromRelHum(*row) for row in rows], dtype=np.float64)
        return read_only(np.minimum(solved, self.dry_bulb_c))  # the bisection may end its tolerance above


def mid_hours_utc(utc_offset_hours: float) -> pd.DatetimeIndex:
    """Middle of each of the 8760 hours of the nominal year, in UTC, for sun angles."""
    import pandas as pd

    first = datetime(NOMINAL_YEAR, 1, 1, 0, 30) - timedelta(hours=utc_offset_hours)
    return pd.date_range(first, periods=HOURS_PER_YEAR, freq="h", tz="UTC")


def day_of_year() -> NDArray[np.int64]:
    """Local day of each hour, 1..365, shape (8760,)."""
    return np.arange(HOURS_PER_YEAR, dtype=np.int64) // 24 + 1


def month_of_hour() -> NDArray[np.int64]:
    """Month of each hour, 0..11, shape (8760,)."""
    return np.repeat(np.arange(12, dtype=np.int64), np.array(DAYS_OF_MONTH) * 24)


def read_weather(
    path: Path,
    kind: WeatherKind,
    *,
    latitude: float,
    longitude: float,
    elevation_m: float,
    time_zone: str | float,
) -> Weather:
    """Read a year of weather; raises InputError with every fault found.

    EPW, TMY3 and NSRDB (PSM3/PSM4, SAM CSV) files hold their own location and it is used; the location
    given here serves monthly normals alone. `time_zone` is an IANA name or the offset of standard time in h.
    A file is read once as long as it is not written again.
    """
    return _read(path, kind, latitude, longitude, elevation_m, time_zone, written(path))


@lru_cache(maxsize=8)
def _read(
    path: Path,
    kind: WeatherKind,
    latitude: float,
    longitude: float,
    elevation_m: float,
    time_zone: str | float,
    written: tuple[int, int] | None,
) -> Weather:
    if kind == "monthly_normals":
        offset = _standard_offset_hours(path, time_zone)
        from planner.case.synthetic_weather import synthetic_year

        return synthetic_year(path, latitude, longitude, elevation_m, offset)
    readers: dict[str, Callable[[str], _Rows]] = {"epw": _epw_rows, "tmy3": _tmy3_rows, "psm3": _psm3_rows}
    text = file_text(path)
    try:
        rows = readers[kind](text)
    except KeyError as error:
        raise refuse(path, 1, str(error.args[0]), "nothing", "column or header is missing", _whole(kind)) from None
    except (ValueError, IndexError, TypeError, AttributeError, OverflowError, StopIteration) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise refuse(path, 1, "(file)", reason[:80], f"must be a whole {kind} file", _whole(kind)) from None
    return _from_rows(path, rows)


# --- files of hours -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """A file as parsed: columns in file order, and the hour of the nominal year each row belongs to."""

    name: str
    latitude: float
    longitude: float
    elevation_m: float
    utc_offset_hours: float
    first_line: int  # line of the first data row
    columns: dict[str, Floats]  # by Weather's field names
    hour_of_year: NDArray[np.int64]  # -1 on 29 February
    design: dict[str, float] = field(default_factory=dict)


# Least and greatest sensible value; outside are also the formats' codes for "missing" (999, 9999, -9900).
_RANGES = {
    "dry_bulb_c": (-60.0, 60.0),
    "relative_humidity_fraction": (0.0, 1.1),  # EPW allows 110 % for supersaturation; capped at 1 below
    "pressure_pa": (31_000.0, 120_000.0),  # the limits of the EPW data dictionary
    "ghi_w_per_m2": (0.0, 1500.0),
    "dni_w_per_m2": (0.0, 1500.0),
    "dhi_w_per_m2": (0.0, 1500.0),
    "wind_speed_m_per_s": (0.0, 100.0),
}


def _epw_rows(text: str) -> _Rows:
    from pvlib.iotools import read_epw  # type: ignore[import-untyped]

    data, meta = read_epw(io.StringIO(text))
    place = ", ".join(meta[key].strip() for key in ("city", "state-prov", "country"))
    names = ("temp_air", "relative_humidity", "atmospheric_pressure", "ghi", "dni", "dhi", "wind_speed")
    return _Rows(
        name=f"{place} ({meta['data_type'].strip()}, EPW)",
        latitude=meta["latitude"],
        longitude=meta["longitude"],
        elevation_m=meta["altitude"],
        utc_offset_hours=meta["TZ"],
        first_line=9,
        columns=_columns(data, names, pressure_factor=1.0),
        hour_of_year=_hour_of_year(_ints(data["month"]), _ints(data["day"]), _ints(data["hour"]) - 1),
        design=_epw_design(text),
    )


def _tmy3_rows(text: str) -> _Rows:
    from pvlib.iotools import read_tmy3

    data, meta = read_tmy3(io.StringIO(text))
    # The date and hour columns, not pvlib's index: that moves a leap February's last hour to 1 March.
    date = data["Date (MM/DD/YYYY)"].str.split("/")
    clock = data["Time (HH:MM)"].str.split(":")
    if (_ints(clock.str[1]) != 0).any():
        raise ValueError("rows are not whole hours")
    names = ("temp_air", "relative_humidity", "pressure", "ghi", "dni", "dhi", "wind_speed")
    label = meta["Name"].replace('"', "").strip()
    return _Rows(
        name=f"{label}, {meta['State'].strip()} (TMY3 {meta['USAF']})",
        latitude=meta["latitude"],
        longitude=meta["longitude"],
        elevation_m=meta["altitude"],
        utc_offset_hours=meta["TZ"],
        first_line=3,
        columns=_columns(data, names, pressure_factor=_PA_PER_MBAR),
        hour_of_year=_hour_of_year(_ints(date.str[0]), _ints(date.str[1]), _ints(clock.str[0]) - 1),
    )


def _psm3_rows(text: str) -> _Rows:
    from pvlib.iotools import read_nsrdb_psm4

    data, meta = read_nsrdb_psm4(io.StringIO(text))  # PSM3 and PSM4 share the SAM CSV layout
    if (_ints(data["Minute"]) != 30).any():
        raise ValueError("rows must be hourly and stamped at the half hour (Minute = 30)")
    if "relative_humidity" not in data:  # NSRDB typical years often come with the dew point alone
        dew, dry = _floats(data["temp_dew"]), _floats(data["temp_air"])
        wet = saturation_pressure_pa(dew) / saturation_pressure_pa(dry)
        data["relative_humidity"] = 100.0 * np.minimum(1.0, wet)
    names = ("temp_air", "relative_humidity", "pressure", "ghi", "dni", "dhi", "wind_speed")
    offset = meta["Local Time Zone"]
    hour = _hour_of_year(_ints(data["Month"]), _ints(data["Day"]), _ints(data["Hour"]), offset - meta["Time Zone"])
    return _Rows(
        name=f"{meta.get('Source', 'NSRDB')} {meta.get('Location ID', '')}".strip() + " (PSM)",
        latitude=meta["latitude"],
        longitude=meta["longitude"],
        elevation_m=float(meta["altitude"]),
        utc_offset_hours=float(offset),
        first_line=4,
        columns=_columns(data, names, pressure_factor=_PA_PER_MBAR),
        hour_of_year=hour,
    )


def _columns(data: pd.DataFrame, names: tuple[str, ...], pressure_factor: float) -> dict[str, Floats]:
    """Columns under Weather's names and units; names in the order of `_RANGES`."""
    columns = {ours: _floats(data[theirs]) for ours, theirs in zip(_RANGES, names, strict=True)}
    columns["relative_humidity_fraction"] = columns["relative_humidity_fraction"] / 100.0
    columns["pressure_pa"] = columns["pressure_pa"] * pressure_factor
    return columns


def _floats(column: Any) -> Floats:
    """A column as numbers; what is no number becomes nan and is reported by its line."""
    import pandas as pd

    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)


def _ints(column: Any) -> NDArray[np.int64]:
    return np.asarray(column, dtype=np.int64)


def _hour_of_year(
    month: NDArray[np.int64], day: NDArray[np.int64], hour: NDArray[np.int64], shift_hours: int = 0
) -> NDArray[np.int64]:
    """Hour-beginning index 0..8759 of each row, -1 on 29 February; wraps at the year's end."""
    if ((month < 1) | (month > 12) | (day < 1) | (day > 31) | (hour < -1) | (hour > 23)).any():
        raise ValueError("a row's month, day or hour does not exist")
    leap = bool(((month == 2) & (day == 29)).any())
    days = np.array(DAYS_OF_MONTH) + np.array([0, leap, *[0] * 10])
    if (day > days[month - 1]).any():
        raise ValueError("a row's day does not exist")
    first_day = np.concatenate([[0], np.cumsum(days)[:-1]])
    index = ((first_day[month - 1] + day - 1) * 24 + hour + shift_hours) % (int(days.sum()) * 24)
    if leap:
        february_29 = (31 + 28) * 24
        inside = (index >= february_29) & (index < february_29 + 24)
        index = np.where(inside, -1, np.where(index >= february_29 + 24, index - 24, index))
    return np.asarray(index, dtype=np.int64)


def _epw_design(text: str) -> dict[str, float]:
    """Cooling 0.4 % dry bulb, evaporation 0.4 % wet bulb and 20-year maximum dry bulb of an EPW header.

    The second line holds lists opened by the words Heating, Cooling and Extremes (EnergyPlus, Auxiliary
    Programs, EPW data dictionary). After Cooling: hottest month, daily range, 0.4 % dry bulb, its wet bulb,
    1 %, 2 % likewise, then at place 8 the 0.4 % wet bulb. Extremes close, in the editions of 2009 (16 values)
    and 2021 (15), with pairs of minimum and maximum for 5, 10, 20 and 50 years. Other lengths are left alone.
    """
    parts = [part.strip() for part in text.split("\n", 2)[1].split(",")]
    design: dict[str, float] = {}
    if not parts or parts[0].upper() != "DESIGN CONDITIONS" or parts[1:2] != ["1"]:
        return design
    if "Cooling" not in parts:
        return design
    end = parts.index("Extremes") if "Extremes" in parts else len(parts)
    cooling, extremes = parts[parts.index("Cooling") + 1 : end], parts[end + 1 :]
    while extremes and not extremes[-1]:
        extremes.pop()
    if len(cooling) >= 32:
        design["design_dry_bulb_c"] = number_or_nan(cooling[2])
        design["design_wet_bulb_c"] = number_or_nan(cooling[8])
    if len(extremes) in (15, 16):
        design["extreme_dry_bulb_c"] = number_or_nan(extremes[-3])
    return {name: value for name, value in design.items() if math.isfinite(value)}


def number_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _from_rows(path: Path, rows: _Rows) -> Weather:
    count = len(rows.hour_of_year)
    faults = location_faults(path, rows.latitude, rows.longitude, rows.elevation_m, rows.utc_offset_hours)
    if count not in (HOURS_PER_YEAR, HOURS_PER_YEAR + 24):
        rule = "must have 8760 hourly rows (8784 in a leap year)"
        raise InputError([*faults, Fault(str(path), 1, "(file)", f"{count} rows", rule, "give one whole year")])
    for name, values in rows.columns.items():
        faults += _range_fault(path, rows.first_line, name, values)
    kept = np.flatnonzero(rows.hour_of_year >= 0)
    order = kept[np.argsort(rows.hour_of_year[kept], kind="stable")]
    if not np.array_equal(rows.hour_of_year[order], np.arange(HOURS_PER_YEAR)):
        rule = "must hold every hour of the year once"
        faults.append(Fault(str(path), rows.first_line, "(rows)", "repeated or missing hours", rule, "repair it"))
    if faults:
        raise InputError(faults)
    columns: dict[str, Any] = {name: read_only(values[order]) for name, values in rows.columns.items()}
    columns["relative_humidity_fraction"] = read_only(np.minimum(columns["relative_humidity_fraction"], 1.0))
    design: dict[str, Any] = dict(rows.design)
    return Weather(
        name=rows.name,
        synthetic=False,
        latitude=rows.latitude,
        longitude=rows.longitude,
        elevation_m=rows.elevation_m,
        utc_offset_hours=rows.utc_offset_hours,
        **columns,
        **design,
    )


# --- shared ---------------------------------------------------------------------------------------


def file_text(path: Path) -> str:
    try:
        # Station names in old files are Latin-1; only names are affected by the replacement.
        return path.read_bytes().decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise refuse(path, 1, "(file)", str(path), f"cannot be read ({reason})", "check the path") from None


def _standard_offset_hours(path: Path, time_zone: str | float) -> float:
    """UTC offset of standard time; the lesser of January's and July's, as clocks are set ahead in summer."""
    if not isinstance(time_zone, str):
        return float(time_zone)
    from zoneinfo import ZoneInfo

    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        raise refuse(path, 1, "time_zone", time_zone, "must be an IANA time zone", "e.g. America/Chicago") from None
    offsets = (zone.utcoffset(datetime(NOMINAL_YEAR, month, 1)) for month in (1, 7))
    return min(offset.total_seconds() for offset in offsets if offset is not None) / 3600.0


def location_faults(
    path: Path, latitude: float, longitude: float, elevation_m: float, utc_offset_hours: float
) -> list[Fault]:
    limits = (
        ("latitude", latitude, -90.0, 90.0),
        ("longitude", longitude, -180.0, 180.0),
        ("elevation_m", elevation_m, -450.0, 6000.0),
        ("utc_offset_hours", utc_offset_hours, -12.0, 14.0),
    )
    faults = [
        Fault(str(path), 1, name, f"{value:g}", f"must be from {least:g} to {most:g}", "correct the location")
        for name, value, least, most in limits
        if not least <= value <= most
    ]
    away = abs((utc_offset_hours - longitude / 15.0 + 12.0) % 24.0 - 12.0)
    if not faults and away > _LARGEST_OFFSET_ERROR_HOURS:
        rule = f"is {away:.1f} h away from the sun at longitude {longitude:g}"
        remedy = "west is negative in both; correct one of them"
        faults.append(Fault(str(path), 1, "utc_offset_hours", f"{utc_offset_hours:g}", rule, remedy))
    return faults


def _range_fault(path: Path, first_line: int, name: str, values: Floats) -> list[Fault]:
    """At most one fault a column: its first bad row, and how many there are."""
    least, most = _RANGES[name]
    bad = np.flatnonzero(~((values >= least) & (values <= most)))  # nan is bad too
    if not bad.size:
        return []
    rule = f"must be a number from {least:g} to {most:g} in every hour ({bad.size} rows are not)"
    remedy = "fill the gaps or take another file"
    return [Fault(str(path), first_line + int(bad[0]), name, f"{values[bad[0]]:g}", rule, remedy)]


def refuse(path: Path, line: int, name: str, value: str, rule: str, remedy: str) -> InputError:
    return InputError([Fault(str(path), line, name, value, rule, remedy)])


def _whole(kind: str) -> str:
    return f"check that kind {kind} fits the file and download it again"


def read_only(values: Floats) -> Floats:
    """The array, read-only: one Weather is shared by everything that is computed from it."""
    copy = np.array(values, dtype=np.float64)
    copy.flags.writeable = False
    return copy


def saturation_pressure_pa(temperature_c: Floats) -> Floats:
    """Saturation vapour pressure over water, Pa; Alduchov and Eskridge 1996, +-0.4 % from -40 to 50 degC."""
    return np.asarray(610.94 * np.exp(17.625 * temperature_c / (temperature_c + 243.04)), dtype=np.float64)
