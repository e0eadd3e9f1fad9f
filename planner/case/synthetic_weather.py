"""A year of hourly weather made up from 12 monthly normals, for a site that has no weather file.

A CSV file with one row a month: month, dry_bulb_mean_c, dry_bulb_daily_min_c, dry_bulb_daily_max_c,
relative_humidity_fraction, ghi_kwh_per_m2_day, wind_speed_m_per_s.

Not modelled: extremes, cloudy days and windy days. Every day of a month is nearly alike.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from planner.case.weather import (
    DAYS_OF_MONTH,
    Floats,
    Weather,
    day_of_year,
    file_text,
    location_faults,
    mid_hours_utc,
    month_of_hour,
    number_or_nan,
    read_only,
    refuse,
    saturation_pressure_pa,
)
from planner.errors import Fault, InputError
from planner.units import HOURS_PER_YEAR

_PEAK_HOUR = 15  # warmest hour of a day, 15:00-16:00


def synthetic_year(
    path: Path, latitude: float, longitude: float, elevation_m: float, utc_offset_hours: float
) -> Weather:
    """A year from 12 monthly normals. It has no extremes: peaks of load and of heat are understated.

    - Temperature: every day swings between its minimum (03:00) and maximum (15:00) as a power of a sinusoid,
      the power chosen so that the daily mean is met. Daily mean, minimum and maximum run linearly between
      mid-month values that keep the monthly means (the scheme of Taylor et al. 2000, PCMDI Report 60).
    - Humidity: one vapour pressure a day, such that the day's mean relative humidity is the normal.
    - GHI: clear sky (Ineichen, Linke turbidity climatology shipped with pvlib) times one factor a month, so
      that the monthly mean is the normal. Every day is alike, so the split into beam and diffuse light (Erbs
      1982, doi 10.1016/0038-092X(82)90302-4) understates the beam.
    - Wind: the month's mean in every hour; wind power computed from it is too low.
    """
    normals, lines = _read_normals(path)
    faults = location_faults(path, latitude, longitude, elevation_m, utc_offset_hours)
    if faults:
        raise InputError(faults)
    from pvlib.atmosphere import alt2pres  # type: ignore[import-untyped]

    mean, low, high = (_daily(normals[f"dry_bulb_{name}_c"]) for name in ("mean", "daily_min", "daily_max"))
    temperature = _daily_swing(mean, np.minimum(low, mean), np.maximum(high, mean))
    month = month_of_hour()
    error = np.bincount(month, temperature) / np.bincount(month) - normals["dry_bulb_mean_c"]
    worst = int(np.argmax(np.abs(error)))
    if abs(error[worst]) > 0.5:
        rule = "minimum, mean and maximum cannot be joined with the neighbouring months within 0.5 K"
        shown = f"{error[worst]:+.2f} K"
        raise refuse(path, lines[worst], "dry_bulb_mean_c", shown, rule, "check this month and its neighbours")
    ghi, dni, dhi = _synthetic_sun(path, lines, normals, latitude, longitude, elevation_m, utc_offset_hours)
    return Weather(
        name=f"{path.name} (synthetic year from monthly normals)",
        synthetic=True,
        latitude=latitude,
        longitude=longitude,
        elevation_m=elevation_m,
        utc_offset_hours=utc_offset_hours,
        dry_bulb_c=read_only(temperature),
        relative_humidity_fraction=read_only(
            _daily_humidity(temperature, normals["relative_humidity_fraction"][month])
        ),
        pressure_pa=read_only(np.full(HOURS_PER_YEAR, float(alt2pres(elevation_m)))),
        ghi_w_per_m2=read_only(ghi),
        dni_w_per_m2=read_only(dni),
        dhi_w_per_m2=read_only(dhi),
        wind_speed_m_per_s=read_only(normals["wind_speed_m_per_s"][month]),
    )


def _daily(monthly: Floats) -> Floats:
    """Daily values (365,), linear between mid-month knots, whose monthly means are the 12 given ones."""
    days = np.array(DAYS_OF_MONTH, dtype=np.float64)
    middle = np.cumsum(days) - days / 2
    knots = np.concatenate([[middle[-1] - 365.0], middle, [middle[0] + 365.0]])
    around = np.arange(365) + 0.5
    weights = np.empty((365, 12))
    for month in range(12):
        unit = np.eye(12)[month]
        weights[:, month] = np.interp(around, knots, np.concatenate([unit[-1:], unit, unit[:1]]))
    month_of_day = np.repeat(np.arange(12), DAYS_OF_MONTH)
    averages = np.stack([weights[month_of_day == month].mean(axis=0) for month in range(12)])
    return np.asarray(weights @ np.linalg.solve(averages, monthly), dtype=np.float64)


def _daily_swing(mean: Floats, low: Floats, high: Floats) -> Floats:
    """Hourly values (8760,) with the given daily mean, minimum and maximum, each (365,)."""
    shape = (1.0 + np.cos(2.0 * np.pi * (np.arange(24) - _PEAK_HOUR) / 24.0)) / 2.0
    target = np.clip((mean - low) / np.maximum(high - low, 1e-9), 0.03, 0.97)
    log_power = _bisect(lambda x: -np.power(shape, np.exp(x)[:, None]).mean(axis=1), -target, -8.0, 8.0)
    day = low[:, None] + (high - low)[:, None] * np.power(shape, np.exp(log_power)[:, None])
    return np.asarray(day.ravel(), dtype=np.float64)


def _daily_humidity(temperature_c: Floats, mean_fraction: Floats) -> Floats:
    """Relative humidity (8760,) at one vapour pressure a day, with the given daily mean (8760,)."""
    saturation = saturation_pressure_pa(temperature_c).reshape(365, 24)
    target = mean_fraction.reshape(365, 24)[:, 0]
    vapour = _bisect(
        lambda x: np.minimum(1.0, x[:, None] / saturation).mean(axis=1), target, 0.0, float(saturation.max())
    )
    return np.asarray(np.minimum(1.0, vapour[:, None] / saturation).ravel(), dtype=np.float64)


def _bisect(rising: Callable[[Floats], Floats], target: Floats, low: float, high: float) -> Floats:
    """Where a rising function meets each target; the nearer end when it does not."""
    below, above = np.full(target.shape, low), np.full(target.shape, high)
    for _ in range(60):
        middle = (below + above) / 2.0
        short = rising(middle) < target
        below, above = np.where(short, middle, below), np.where(short, above, middle)
    return np.asarray((below + above) / 2.0, dtype=np.float64)


def _synthetic_sun(
    path: Path,
    lines: list[int],
    normals: dict[str, Floats],
    latitude: float,
    longitude: float,
    elevation_m: float,
    utc_offset_hours: float,
) -> tuple[Floats, Floats, Floats]:
    """GHI, DNI and DHI of a synthetic year, each (8760,), W/m2."""
    from pvlib import atmosphere, clearsky, irradiance, solarposition  # type: ignore[import-untyped]

    times, month, day = mid_hours_utc(utc_offset_hours), month_of_hour(), day_of_year()
    sun = solarposition.get_solarposition(times, latitude, longitude, altitude=elevation_m)
    zenith = sun["apparent_zenith"].to_numpy()
    pressure = atmosphere.alt2pres(elevation_m)
    airmass = atmosphere.get_absolute_airmass(atmosphere.get_relative_airmass(zenith), pressure)
    # Monthly steps: pvlib's own interpolation between months uses an attribute pandas has deprecated.
    turbidity = clearsky.lookup_linke_turbidity(times, latitude, longitude, interp_turbidity=False).to_numpy()
    extra = irradiance.get_extra_radiation(day)
    up = zenith < 90.0  # the formula divides by the sun's height
    clear = np.zeros(HOURS_PER_YEAR)
    clear[up] = clearsky.ineichen(zenith[up], airmass[up], turbidity[up], altitude=elevation_m, dni_extra=extra[up])[
        "ghi"
    ]
    clear_kwh = np.bincount(month, clear) / 1000.0 / np.array(DAYS_OF_MONTH)
    wanted = normals["ghi_kwh_per_m2_day"]
    faults = [
        Fault(
            str(path),
            lines[m],
            "ghi_kwh_per_m2_day",
            f"{wanted[m]:g}",
            f"must be at most 1.2 times the clear sky of the site, {clear_kwh[m]:.2f}",
            "check the unit (kWh/m2 per day) and the site's latitude",
        )
        for m in range(12)
        if wanted[m] > 1.2 * clear_kwh[m]
    ]
    if faults:
        raise InputError(faults)
    factor = np.divide(wanted, clear_kwh, out=np.zeros(12), where=clear_kwh > 0)
    ghi = clear * factor[month]
    split = irradiance.erbs(ghi, sun["zenith"].to_numpy(), day)
    return ghi, np.asarray(split["dni"], dtype=np.float64), np.asarray(split["dhi"], dtype=np.float64)


_NORMAL_RANGES = {
    "dry_bulb_mean_c": (-60.0, 60.0),
    "dry_bulb_daily_min_c": (-60.0, 60.0),
    "dry_bulb_daily_max_c": (-60.0, 60.0),
    "relative_humidity_fraction": (0.0, 1.0),
    "ghi_kwh_per_m2_day": (0.0, 12.0),
    "wind_speed_m_per_s": (0.0, 100.0),
}


def _read_normals(path: Path) -> tuple[dict[str, Floats], list[int]]:
    """The 12 monthly rows in order, by column, and their line numbers."""
    reader = csv.DictReader(io.StringIO(file_text(path)))
    wanted = ("month", *_NORMAL_RANGES)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    missing = [name for name in wanted if name not in header]
    if missing:
        rule, remedy = "column is missing", "columns: " + ", ".join(wanted)
        raise InputError(Fault(str(path), 1, name, "nothing", rule, remedy) for name in missing)
    faults: list[Fault] = []
    rows: dict[int, dict[str, float]] = {}
    lines = [1] * 12
    for row in reader:
        line = reader.line_num
        values = {name: number_or_nan(row[name] or "") for name in wanted}
        month = int(values["month"]) if values["month"] in range(1, 13) else 0
        if not month or month in rows:
            faults.append(
                Fault(str(path), line, "month", str(row["month"]), "must be 1 to 12, each once", "correct it")
            )
            continue
        rows[month], lines[month - 1] = values, line
        for name, (least, most) in _NORMAL_RANGES.items():
            if not least <= values[name] <= most:
                rule = f"must be a number from {least:g} to {most:g}"
                faults.append(Fault(str(path), line, name, str(row[name]), rule, "correct the value"))
        low, mean, high = (values[f"dry_bulb_{name}_c"] for name in ("daily_min", "mean", "daily_max"))
        if low > mean or mean > high or (low < high and mean in (low, high)):
            rule = "must lie between the daily minimum and maximum"
            faults.append(Fault(str(path), line, "dry_bulb_mean_c", f"{mean:g}", rule, "check the three values"))
    if len(rows) != 12:
        faults.append(Fault(str(path), 1, "(file)", f"{len(rows)} months", "must have 12 months", "add the others"))
    if faults:
        raise InputError(faults)
    return {n: np.array([rows[m][n] for m in range(1, 13)]) for n in _NORMAL_RANGES}, lines
