"""Hourly output of solar and wind plants per unit of nameplate, from a year of weather. Both are coarse.

Pure functions of `Weather`: arrays of 8760 hours in, fractions 0..1 out, hour-beginning like the weather.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from planner.case.weather import Floats, Weather, day_of_year, mid_hours_utc

Tracking = Literal["single_axis", "fixed"]

GROUND_COVERAGE_RATIO = 0.4  # module width over row pitch, usual for single-axis plants
TRACKER_LIMIT_DEGREES = 60.0
FIXED_TILT_LIMIT_DEGREES = 35.0
ALBEDO = 0.2
POWER_TEMPERATURE_FRACTION_PER_K = -0.0035  # crystalline silicon, PVWatts "premium" module
INVERTER_EFFICIENCY_FRACTION = 0.96  # PVWatts default
CUT_IN_M_PER_S, RATED_M_PER_S, CUT_OUT_M_PER_S = 3.0, 12.0, 25.0
SHEAR_EXPONENT = 1.0 / 7.0  # open flat land, neutral air
SEA_LEVEL_DENSITY_KG_PER_M3 = 1.225
DRY_AIR_GAS_CONSTANT_J_PER_KG_K = 287.05
_NOTHING = 1e-6


@lru_cache(maxsize=16)
def solar_output_fraction(weather: Weather, *, dc_ac_ratio: float = 1.3, tracking: Tracking = "single_axis") -> Floats:
    """AC output over AC nameplate, shape (8760,), 0..1; exactly 0 at night and below 1e-6.

    Chain: sun at mid-hour (NREL SPA), plane of array by Hay-Davies (1980), reflection of the beam off plain
    glass (De Soto 2006), cell temperature by the Sandia model (King 2004, open rack glass-polymer), DC and
    inverter by PVWatts version 5 (NREL/TP-6A20-62641) with its 14 % of system losses; clipped at nameplate.
    Trackers turn about a level north-south axis, to +-60 degrees, with backtracking at ground coverage 0.4.
    Fixed arrays face the equator at a tilt equal to the latitude, at most 35 degrees.

    Not modelled: shading of fixed rows, snow, soiling by season, ageing, curtailment, gain of bifacial
    modules, outages beyond the 3 % inside the losses. In the hours of sunrise and sunset the sun at mid-hour
    may stand below the horizon; beam light of that half hour is then lost.
    """
    import pandas as pd
    from pvlib import (  # type: ignore[import-untyped]
        iam,
        inverter,
        irradiance,
        pvsystem,
        solarposition,
        temperature,
    )

    if not dc_ac_ratio > 0:
        raise ValueError(f"dc_ac_ratio must be positive, got {dc_ac_ratio}")
    sun = solarposition.get_solarposition(
        mid_hours_utc(weather.utc_offset_hours),
        weather.latitude,
        weather.longitude,
        altitude=weather.elevation_m,
        temperature=float(weather.dry_bulb_c.mean()),
    )
    zenith, azimuth = sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
    tilt, facing = _surface(zenith, azimuth, weather.latitude, tracking)
    plane = irradiance.get_total_irradiance(
        tilt,
        facing,
        zenith,
        azimuth,
        dni=weather.dni_w_per_m2,
        ghi=weather.ghi_w_per_m2,
        dhi=weather.dhi_w_per_m2,
        dni_extra=irradiance.get_extra_radiation(day_of_year()),
        albedo=ALBEDO,
        model="haydavies",
    )
    plane = pd.DataFrame(plane).fillna(0.0)  # a tracker has no position at night
    passed = np.nan_to_num(iam.physical(irradiance.aoi(tilt, facing, zenith, azimuth)))
    absorbed = plane["poa_direct"].to_numpy() * passed + plane["poa_diffuse"].to_numpy()
    cell_c = temperature.sapm_cell(
        plane["poa_global"].to_numpy(),
        weather.dry_bulb_c,
        weather.wind_speed_m_per_s,
        **temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_polymer"],
    )
    dc = pvsystem.pvwatts_dc(absorbed, cell_c, dc_ac_ratio, POWER_TEMPERATURE_FRACTION_PER_K)
    dc = dc * (1.0 - pvsystem.pvwatts_losses() / 100.0)
    ac = inverter.pvwatts(dc, 1.0 / INVERTER_EFFICIENCY_FRACTION, INVERTER_EFFICIENCY_FRACTION)
    output = np.clip(np.nan_to_num(np.asarray(ac, dtype=np.float64)), 0.0, 1.0)
    return np.where(output < _NOTHING, 0.0, output)


@lru_cache(maxsize=16)
def wind_output_fraction(weather: Weather, *, hub_height_m: float = 100.0, losses_fraction: float = 0.15) -> Floats:
    """Output over nameplate, shape (8760,), 0..1, of a generic turbine. Coarse: for screening alone.

    Wind at 10 m is raised to the hub by the 1/7 power law and scaled by the cube root of the air density (as
    in IEC 61400-12-1), then output is cubic from cut-in (3 m/s) to rated (12 m/s), full up to cut-out
    (25 m/s, judged on the wind itself) and zero beyond. `losses_fraction` stands for wakes, outages and
    cables: an assumption, not a measured value.

    Not modelled: a real machine's curve, terrain, turbulence, shear by hour or season, icing. Airport masts
    seldom tell the wind of a ridge. A synthetic year has steady wind and gives far too little output.
    """
    if not hub_height_m > 0 or not 0 <= losses_fraction <= 1:
        raise ValueError("hub_height_m must be positive and losses_fraction from 0 to 1")
    speed = weather.wind_speed_m_per_s * (hub_height_m / 10.0) ** SHEAR_EXPONENT
    density = weather.pressure_pa / (DRY_AIR_GAS_CONSTANT_J_PER_KG_K * (weather.dry_bulb_c + 273.15))
    felt = speed * np.cbrt(density / SEA_LEVEL_DENSITY_KG_PER_M3)
    rise = (felt**3 - CUT_IN_M_PER_S**3) / (RATED_M_PER_S**3 - CUT_IN_M_PER_S**3)
    output = np.where(speed >= CUT_OUT_M_PER_S, 0.0, np.clip(rise, 0.0, 1.0)) * (1.0 - losses_fraction)
    return np.asarray(np.where(output < _NOTHING, 0.0, output), dtype=np.float64)


def _surface(zenith: Floats, azimuth: Floats, latitude: float, tracking: Tracking) -> tuple[Floats, Floats]:
    """Tilt and azimuth of the modules by hour, degrees; nan at night for trackers."""
    from pvlib.tracking import singleaxis  # type: ignore[import-untyped]

    if tracking == "fixed":
        tilt = min(abs(latitude), FIXED_TILT_LIMIT_DEGREES)
        return np.full(zenith.shape, tilt), np.full(zenith.shape, 180.0 if latitude >= 0 else 0.0)
    if tracking != "single_axis":
        raise ValueError(f"tracking must be single_axis or fixed, got {tracking}")
    turn = singleaxis(
        zenith,
        azimuth,
        axis_tilt=0,
        axis_azimuth=180,
        max_angle=TRACKER_LIMIT_DEGREES,
        backtrack=True,
        gcr=GROUND_COVERAGE_RATIO,
    )
    return np.asarray(turn["surface_tilt"]), np.asarray(turn["surface_azimuth"])
