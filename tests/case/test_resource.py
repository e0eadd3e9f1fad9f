"""Solar and wind output: timing by the sun, bounds by energy, the wind curve by hand."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from planner.case.resource import Tracking, solar_output_fraction, wind_output_fraction
from planner.case.weather import Weather, read_weather

GREENSBORO = Path(str(files("pvlib") / "data" / "723170TYA.CSV"))
JUNE = slice(151 * 24, 181 * 24)


@pytest.fixture(scope="module")
def weather() -> Weather:
    return read_weather(
        GREENSBORO, "tmy3", latitude=36.1, longitude=-79.95, elevation_m=273.0, time_zone="America/New_York"
    )


@pytest.fixture(scope="module")
def tracked(weather: Weather) -> np.ndarray:
    return solar_output_fraction(weather)


def test_solar_bounds(weather: Weather, tracked: np.ndarray) -> None:
    assert tracked.shape == (8760,)
    assert tracked.min() == 0.0
    assert tracked.max() == pytest.approx(1.0)
    assert (tracked[(weather.ghi_w_per_m2 == 0)] == 0.0).all()
    assert (tracked.reshape(365, 24)[:, [0, 1, 2, 3, 22, 23]] == 0.0).all()
    assert not ((tracked > 0) & (tracked < 1e-6)).any()


def test_capacity_factor(weather: Weather, tracked: np.ndarray) -> None:
    """Energy: GHI x gain of tracking over level (1.1-1.4) x performance ratio (0.72-0.88) x DC/AC."""
    level = weather.ghi_w_per_m2.mean() / 1000 * 1.3
    assert level * 1.1 * 0.72 < tracked.mean() < level * 1.4 * 0.88
    assert 0.18 < tracked.mean() < 0.28
    assert 0.15 < solar_output_fraction(weather, tracking="fixed").mean() < tracked.mean()


def test_june_output_is_centred_on_solar_noon(tracked: np.ndarray) -> None:
    """Solar noon at 79.95 W in UTC-5 is 12:20 (4.95 degrees x 4 min); an hour's slip would be 60 min off."""
    day = tracked[JUNE].reshape(30, 24).sum(axis=0)
    centre = (day * (np.arange(24) + 0.5)).sum() / day.sum()
    assert centre == pytest.approx(12 + 20 / 60, abs=20 / 60)


def test_clear_days_are_even_about_solar_noon(weather: Weather) -> None:
    """Same sky on both sides of noon: at 75 W the hours before and after 12:00 mirror each other."""
    from pvlib.solarposition import get_solarposition  # type: ignore[import-untyped]

    from planner.case.weather import mid_hours_utc

    sun = get_solarposition(mid_hours_utc(-5.0), 36.1, -75.0)
    height = np.maximum(0, np.cos(np.radians(sun["zenith"].to_numpy())))
    beam = np.where(height > 0.05, 800.0, 0.0)
    clear = replace(
        weather,
        longitude=-75.0,
        dni_w_per_m2=beam,
        dhi_w_per_m2=100 * height,
        ghi_w_per_m2=beam * height + 100 * height,
        dry_bulb_c=np.full(8760, 20.0),
        wind_speed_m_per_s=np.full(8760, 2.0),
    )
    trackings: tuple[Tracking, ...] = ("single_axis", "fixed")
    for tracking in trackings:
        output = solar_output_fraction(clear, tracking=tracking)
        day = output[JUNE].reshape(30, 24).mean(axis=0)
        assert day == pytest.approx(day[::-1], abs=0.02)


def test_more_modules_give_more_until_clipped(weather: Weather) -> None:
    small, large = (solar_output_fraction(weather, dc_ac_ratio=ratio) for ratio in (1.0, 1.5))
    assert small.max() < 1.0
    assert small.mean() < large.mean() < 1.5 * small.mean()
    with pytest.raises(ValueError, match="dc_ac_ratio"):
        solar_output_fraction(weather, dc_ac_ratio=0.0)


def test_wind_curve_by_hand(weather: Weather) -> None:
    """At 10 m, without losses, at sea level: 0 at 3 m/s, (8^3 - 27) / (12^3 - 27) at 8, 1 at 12, 0 at 25."""
    speeds = np.zeros(8760)
    speeds[:6] = (2.9, 3.0, 8.0, 12.0, 24.9, 25.0)
    plain = replace(
        weather,
        wind_speed_m_per_s=speeds,
        dry_bulb_c=np.full(8760, 15.0),
        pressure_pa=np.full(8760, 1.225 * 287.05 * 288.15),
    )
    output = wind_output_fraction(plain, hub_height_m=10.0, losses_fraction=0.0)
    assert output[:6] == pytest.approx([0, 0, 485 / 1701, 1, 1, 0])
    assert (output[6:] == 0.0).all()


def test_wind_height_density_and_losses(weather: Weather) -> None:
    output = wind_output_fraction(weather)
    assert output.shape == (8760,)
    assert output.min() == 0.0
    assert output.max() == pytest.approx(0.85)
    assert wind_output_fraction(weather, hub_height_m=140.0).mean() > output.mean()
    thin = replace(weather, pressure_pa=weather.pressure_pa * 0.8)
    assert wind_output_fraction(thin).mean() < output.mean()
    # 10 m/s at 10 m is 10 x 10^(1/7) = 13.9 m/s at 100 m: full output
    steady = replace(weather, wind_speed_m_per_s=np.full(8760, 10.0))
    assert wind_output_fraction(steady, losses_fraction=0.0) == pytest.approx(1.0)
