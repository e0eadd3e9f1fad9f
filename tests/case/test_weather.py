"""Readers against files parsed by hand here; the synthetic year against its own normals."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np
import psychrolib  # type: ignore[import-untyped]
import pytest

from planner.case.weather import Floats, Weather, WeatherKind, month_of_hour, read_weather
from planner.errors import Fault, InputError

GREENSBORO = Path(str(files("pvlib") / "data" / "723170TYA.CSV"))  # a TMY3 file that pvlib ships
DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def read(path: Path, kind: WeatherKind) -> Weather:
    return read_weather(path, kind, latitude=36.1, longitude=-79.95, elevation_m=273.0, time_zone="America/New_York")


def faults_of(path: Path, kind: WeatherKind) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        read(path, kind)
    return caught.value.faults


@pytest.fixture(scope="module")
def greensboro() -> Weather:
    return read(GREENSBORO, "tmy3")


@pytest.fixture(scope="module")
def greensboro_rows() -> list[dict[str, str]]:
    with GREENSBORO.open() as file:
        next(file)
        return list(csv.DictReader(file))


# --- TMY3 -----------------------------------------------------------------------------------------


def test_tmy3_columns_are_those_of_the_file(greensboro: Weather, greensboro_rows: list[dict[str, str]]) -> None:
    """Independent route: csv rows in file order (the file runs from 1 January 01:00 to 31 December 24:00)."""
    pairs = {
        "Dry-bulb (C)": greensboro.dry_bulb_c,
        "RHum (%)": greensboro.relative_humidity_fraction * 100,
        "Pressure (mbar)": greensboro.pressure_pa / 100,
        "GHI (W/m^2)": greensboro.ghi_w_per_m2,
        "DNI (W/m^2)": greensboro.dni_w_per_m2,
        "DHI (W/m^2)": greensboro.dhi_w_per_m2,
        "Wspd (m/s)": greensboro.wind_speed_m_per_s,
    }
    for column, values in pairs.items():
        assert values.shape == (8760,)
        assert values == pytest.approx(np.array([float(row[column]) for row in greensboro_rows])), column


def test_tmy3_january_mean(greensboro: Weather, greensboro_rows: list[dict[str, str]]) -> None:
    january = [float(row["Dry-bulb (C)"]) for row in greensboro_rows if row["Date (MM/DD/YYYY)"].startswith("01/")]
    mean = greensboro.dry_bulb_c[month_of_hour() == 0].mean()
    assert mean == pytest.approx(sum(january) / 744)
    assert mean == pytest.approx(0.332, abs=1e-3)  # awk over column 32 of the rows that open with 01/
    assert -2.0 < mean < 7.0  # the file's January is that of 1988, colder than the normal of about 4 degC


def test_tmy3_location_is_the_files_own(greensboro: Weather) -> None:
    assert (greensboro.latitude, greensboro.longitude) == (36.1, -79.95)
    assert (greensboro.elevation_m, greensboro.utc_offset_hours) == (273.0, -5.0)
    assert greensboro.name == "GREENSBORO PIEDMONT TRIAD INT, NC (TMY3 723170)"
    assert not greensboro.synthetic
    assert greensboro.design_dry_bulb_c is None  # never from the year's own hours


def test_sun_at_mid_hour_agrees_with_the_files_extraterrestrial_column(
    greensboro_rows: list[dict[str, str]],
) -> None:
    """Hour convention: the file's own ETR (mean of the hour, W/m2) against the sun from `mid_hours_utc`."""
    from pvlib.solarposition import get_solarposition  # type: ignore[import-untyped]

    from planner.case.weather import mid_hours_utc

    etr = np.array([float(row["ETR (W/m^2)"]) for row in greensboro_rows])
    sun = get_solarposition(mid_hours_utc(-5.0), 36.1, -79.95)
    distance = 1 + 0.0334 * np.cos(2 * np.pi * (np.arange(8760) // 24 - 2) / 365.25)
    expected = 1367 * distance * np.maximum(0, np.cos(np.radians(sun["zenith"].to_numpy())))
    high = etr > 100
    assert np.abs(expected - etr)[high].max() < 40
    assert np.abs(np.roll(expected, 1) - etr)[high].mean() > 100  # an hour off would show


def test_arrays_are_read_only(greensboro: Weather) -> None:
    with pytest.raises(ValueError, match="read-only"):
        greensboro.dry_bulb_c[0] = 0.0


def test_wet_bulb(greensboro: Weather) -> None:
    wet = greensboro.wet_bulb_c
    assert (wet <= greensboro.dry_bulb_c).all()
    psychrolib.SetUnitSystem(psychrolib.SI)
    for hour in (0, 4000, 5000, 8759):
        humidity, pressure = greensboro.relative_humidity_fraction[hour], greensboro.pressure_pa[hour]
        # back: the humidity of that wet bulb is the one we started from
        assert psychrolib.GetRelHumFromTWetBulb(greensboro.dry_bulb_c[hour], wet[hour], pressure) == pytest.approx(
            humidity, abs=2e-3
        )


def broken_tmy3(tmp_path: Path, row: int, column: str, value: str) -> Path:
    """Greensboro with one value of one data row (0-based) replaced."""
    lines = GREENSBORO.read_text().splitlines()
    place = lines[1].split(",").index(column)
    cells = lines[2 + row].split(",")
    cells[place] = value
    lines[2 + row] = ",".join(cells)
    path = tmp_path / "broken.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("Dry-bulb (C)", "-9900", "dry_bulb_c"),
        ("Dry-bulb (C)", "60.5", "dry_bulb_c"),
        ("Dry-bulb (C)", "", "dry_bulb_c"),
        ("GHI (W/m^2)", "-1", "ghi_w_per_m2"),
        ("DNI (W/m^2)", "9999", "dni_w_per_m2"),
        ("RHum (%)", "999", "relative_humidity_fraction"),
        ("Pressure (mbar)", "99", "pressure_pa"),
        ("Wspd (m/s)", "nan", "wind_speed_m_per_s"),
    ],
)
def test_bad_values_name_their_line(tmp_path: Path, column: str, value: str, field: str) -> None:
    faults = faults_of(broken_tmy3(tmp_path, 100, column, value), "tmy3")
    assert [(fault.line, fault.field) for fault in faults] == [(103, field)]


def test_every_fault_is_reported(tmp_path: Path) -> None:
    path = broken_tmy3(tmp_path, 5, "Dry-bulb (C)", "99")
    path.write_text(path.read_text().replace("-5.0,36.100", "5.0,36.100", 1))
    assert {fault.field for fault in faults_of(path, "tmy3")} == {"dry_bulb_c", "utc_offset_hours"}


def test_missing_file_rows_and_columns(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path / "none.csv", "tmy3")
    assert "cannot be read" in fault.rule
    lines = GREENSBORO.read_text().splitlines(keepends=True)
    short = tmp_path / "short.csv"
    short.write_text("".join(lines[:1000]))
    (fault,) = faults_of(short, "tmy3")
    assert fault.value == "998 rows"
    twice = tmp_path / "twice.csv"
    twice.write_text("".join([*lines[:-1], lines[2]]))
    (fault,) = faults_of(twice, "tmy3")
    assert "every hour of the year once" in fault.rule
    unnamed = tmp_path / "unnamed.csv"
    unnamed.write_text("".join(lines).replace("RHum (%)", "RHum", 1))
    (fault,) = faults_of(unnamed, "tmy3")
    assert (fault.field, fault.rule) == ("relative_humidity", "column or header is missing")
    other = tmp_path / "other.csv"
    other.write_text("nothing\n")
    for kind in ("epw", "tmy3", "psm3"):
        assert len(faults_of(other, kind)) == 1


# --- EPW ------------------------------------------------------------------------------------------

HEATING = "Heating,1,-9,-7,-15,1,-8,-12,2,-5,10,5,9,4,3,340"
COOLING = "Cooling,7,11,34.5,23,33,23,32,22,25.5,31,25,30,24,29,4,220" + ",1" * 16
EXTREMES = {
    2009: "Extremes,9,8,7,29,-12,36,3,2,-14,37,-16,38,-18,39.5,-20,41",
    2021: "Extremes,9,8,7,-12,36,3,2,-14,37,-16,38,-18,39.5,-20,41",
}


def epw_text(design: str, *, leap: bool = False) -> str:
    """Dry bulb is month + hour-ending / 100, so that each row tells where it stood."""
    rows = []
    for month, days in enumerate(DAYS, start=1):
        for day in range(1, days + 1 + (leap and month == 2)):
            for hour in range(1, 25):
                dry = 55 if (month, day) == (2, 29) else month + hour / 100
                light = 300 if hour == 13 else 0  # 12:00-13:00
                rows.append(
                    f"2004,{month},{day},{hour},60,A7,{dry},0,50,98000,0,0,300,{light},{light},{light},0,0,0,0,"
                    "180,3.5,0,0,9,77777,9,999999999,10,0.1,0,88,0.2,0,0"
                )
    header = [
        "LOCATION,Somewhere,NC,USA,Test,000000,36.1,-79.9,-5.0,250.0",
        design,
        "TYPICAL/EXTREME PERIODS,0",
        "GROUND TEMPERATURES,0",
        "HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0",
        "COMMENTS 1,",
        "COMMENTS 2,",
        "DATA PERIODS,1,1,Data,Sunday,1/1,12/31",
    ]
    return "\n".join(header + rows) + "\n"


@pytest.mark.parametrize("leap", [False, True])
def test_epw_rows_become_hour_beginning(tmp_path: Path, leap: bool) -> None:
    path = tmp_path / "a.epw"
    path.write_text(epw_text("DESIGN CONDITIONS,0", leap=leap))
    weather = read(path, "epw")
    expected = month_of_hour() + 1 + (np.arange(8760) % 24 + 1) / 100
    assert weather.dry_bulb_c == pytest.approx(expected)
    assert set(np.flatnonzero(weather.ghi_w_per_m2) % 24) == {12}
    assert weather.name == "Somewhere, NC, USA (Test, EPW)"
    assert (weather.design_dry_bulb_c, weather.extreme_dry_bulb_c) == (None, None)


@pytest.mark.parametrize("edition", [2009, 2021])
def test_epw_design_conditions(tmp_path: Path, edition: int) -> None:
    path = tmp_path / "a.epw"
    path.write_text(epw_text(f"DESIGN CONDITIONS,1,Book {edition},,{HEATING},{COOLING},{EXTREMES[edition]}"))
    weather = read(path, "epw")
    assert (weather.design_dry_bulb_c, weather.design_wet_bulb_c) == (34.5, 25.5)
    assert weather.extreme_dry_bulb_c == 39.5


def test_epw_text_among_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.epw"
    path.write_text(epw_text("DESIGN CONDITIONS,0").replace("A7,1.05,", "A7,warm,", 1))
    assert [(fault.line, fault.field) for fault in faults_of(path, "epw")] == [(13, "dry_bulb_c")]


# --- NSRDB ----------------------------------------------------------------------------------------


def psm_text(*, time_zone: int = -5, humidity: bool = True, minute: int = 30, leap: bool = False) -> str:
    """Rows in `time_zone`; GHI marks the hour that begins at 12:00 local standard time (UTC-5)."""
    columns = "Year,Month,Day,Hour,Minute,Temperature,Dew Point,GHI,DNI,DHI,Pressure,Wind Speed"
    rows = []
    for month, days in enumerate(DAYS, start=1):
        for day in range(1, days + 1 + (leap and month == 2)):
            for hour in range(24):
                light = 500 if (hour - time_zone - 5) % 24 == 12 else 0
                row = f"2020,{month},{day},{hour},{minute},{month},{month},{light},{light},0,985,2"
                rows.append(row + (",70" if humidity else ""))
    head = "Source,Location ID,City,State,Country,Latitude,Longitude,Time Zone,Elevation,Local Time Zone"
    values = f"NSRDB,12345,-,-,-,36.1,-79.9,{time_zone},270,-5"
    return "\n".join([head, values, columns + (",Relative Humidity" if humidity else ""), *rows]) + "\n"


@pytest.mark.parametrize("time_zone", [-5, 0])
@pytest.mark.parametrize("leap", [False, True])
def test_nsrdb_in_local_time_or_utc(tmp_path: Path, time_zone: int, leap: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_text(psm_text(time_zone=time_zone, leap=leap))
    weather = read(path, "psm3")
    assert np.array_equal(np.flatnonzero(weather.ghi_w_per_m2), np.arange(12, 8760, 24))
    assert weather.pressure_pa[0] == pytest.approx(98_500)
    assert weather.relative_humidity_fraction[0] == pytest.approx(0.7)
    assert weather.utc_offset_hours == -5.0
    assert weather.name == "NSRDB 12345 (PSM)"


def test_nsrdb_humidity_from_dew_point(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(psm_text(humidity=False).replace("\n2020,1,1,0,30,1,1,", "\n2020,1,1,0,30,20,10,", 1))
    weather = read(path, "psm3")
    psychrolib.SetUnitSystem(psychrolib.SI)
    assert weather.relative_humidity_fraction[0] == pytest.approx(
        psychrolib.GetRelHumFromTDewPoint(20.0, 10.0), abs=2e-3
    )
    assert weather.relative_humidity_fraction[1] == 1.0


def test_nsrdb_must_be_stamped_at_the_half_hour(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(psm_text(minute=0))
    assert "half hour" in faults_of(path, "psm3")[0].value


# --- monthly normals ------------------------------------------------------------------------------

NORMALS = {
    "dry_bulb_mean_c": [4.1, 5.8, 10.2, 15.4, 19.7, 24.0, 25.9, 25.0, 21.5, 15.4, 9.9, 5.7],
    "dry_bulb_daily_min_c": [-0.7, 0.5, 4.2, 9.0, 13.9, 18.5, 20.6, 19.9, 16.3, 9.7, 4.0, 0.9],
    "dry_bulb_daily_max_c": [9.1, 11.2, 16.0, 21.6, 25.7, 29.6, 31.5, 30.4, 27.0, 21.5, 15.9, 10.6],
    "relative_humidity_fraction": [0.65, 0.62, 0.6, 0.6, 0.68, 0.7, 0.73, 0.76, 0.75, 0.7, 0.66, 0.67],
    "ghi_kwh_per_m2_day": [2.5, 3.3, 4.4, 5.5, 6.0, 6.3, 6.0, 5.4, 4.6, 3.8, 2.7, 2.3],
    "wind_speed_m_per_s": [3.6, 3.8, 4.0, 3.9, 3.3, 3.0, 2.8, 2.6, 2.9, 3.0, 3.2, 3.3],
}


def normals_csv(tmp_path: Path, **replaced: list[float]) -> Path:
    table = {"month": list(range(1, 13)), **NORMALS, **replaced}
    path = tmp_path / "normals.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Weather:
    return read(normals_csv(tmp_path_factory.mktemp("normals")), "monthly_normals")


def by_month(values: Floats) -> Floats:
    return np.asarray(np.bincount(month_of_hour(), values) / (DAYS * 24))


def test_synthetic_temperature_keeps_the_normals(synthetic: Weather) -> None:
    days = synthetic.dry_bulb_c.reshape(365, 24)
    month = month_of_hour()[::24]
    assert by_month(synthetic.dry_bulb_c) == pytest.approx(NORMALS["dry_bulb_mean_c"], abs=0.01)
    for ends, name in ((days.min(axis=1), "daily_min"), (days.max(axis=1), "daily_max")):
        means = np.bincount(month, ends) / DAYS
        assert means == pytest.approx(NORMALS[f"dry_bulb_{name}_c"], abs=0.05)
    assert set(days.argmax(axis=1)) == {15}
    assert np.abs(np.diff(synthetic.dry_bulb_c)).max() < 4.0  # no step where months or days meet
    assert synthetic.synthetic
    assert synthetic.design_wet_bulb_c is None


def test_synthetic_sun_and_air_keep_the_normals(synthetic: Weather) -> None:
    daily_kwh = by_month(synthetic.ghi_w_per_m2) * 24 / 1000
    assert daily_kwh == pytest.approx(NORMALS["ghi_kwh_per_m2_day"])
    assert by_month(synthetic.relative_humidity_fraction) == pytest.approx(
        NORMALS["relative_humidity_fraction"], abs=1e-6
    )
    assert by_month(synthetic.wind_speed_m_per_s) == pytest.approx(NORMALS["wind_speed_m_per_s"])
    assert synthetic.pressure_pa[0] == pytest.approx(98_090, rel=1e-3)  # 101325 (1 - 2.25577e-5 z)^5.25588
    assert (synthetic.dni_w_per_m2 >= 0).all()
    assert (synthetic.dhi_w_per_m2 <= synthetic.ghi_w_per_m2 + 1e-9).all()
    assert synthetic.utc_offset_hours == -5.0  # America/New_York without daylight saving


def test_synthetic_sun_is_centred_on_solar_noon(synthetic: Weather) -> None:
    """Solar noon at 79.95 W in UTC-5 is 12:20; the equation of time adds -0.5 to +3 minutes in June."""
    june = synthetic.ghi_w_per_m2.reshape(365, 24)[151:181].sum(axis=0)
    centre = (june * (np.arange(24) + 0.5)).sum() / june.sum()
    assert centre == pytest.approx(12 + 20 / 60, abs=5 / 60)


def test_southern_hemisphere(tmp_path: Path) -> None:
    turned = {name: values[6:] + values[:6] for name, values in NORMALS.items()}
    weather = read_weather(
        normals_csv(tmp_path, **turned),
        "monthly_normals",
        latitude=-33.9,
        longitude=151.2,
        elevation_m=20,
        time_zone="Australia/Sydney",
    )
    assert weather.utc_offset_hours == 10.0
    assert weather.dry_bulb_c[:744].mean() == pytest.approx(25.9, abs=0.01)


def test_faults_of_normals(tmp_path: Path) -> None:
    mean = [40.0, *NORMALS["dry_bulb_mean_c"][1:]]
    (fault,) = faults_of(normals_csv(tmp_path, dry_bulb_mean_c=mean), "monthly_normals")
    assert (fault.line, fault.field) == (2, "dry_bulb_mean_c")
    percent = [70.0] * 12
    faults = faults_of(normals_csv(tmp_path, relative_humidity_fraction=percent), "monthly_normals")
    assert [fault.line for fault in faults] == list(range(2, 14))
    too_bright = [11.0] * 12  # more than a clear sky gives
    faults = faults_of(normals_csv(tmp_path, ghi_kwh_per_m2_day=too_bright), "monthly_normals")
    assert len(faults) == 12
    assert "clear sky" in faults[0].rule
    assert "month" in {f.field for f in faults_of(normals_csv(tmp_path, month=[1.0] * 12), "monthly_normals")}
    path = normals_csv(tmp_path)
    path.write_text(path.read_text().replace("wind_speed_m_per_s", "wind"))
    assert faults_of(path, "monthly_normals")[0].field == "wind_speed_m_per_s"
    with pytest.raises(InputError, match="IANA"):
        read_weather(
            normals_csv(tmp_path),
            "monthly_normals",
            latitude=0,
            longitude=0,
            elevation_m=0,
            time_zone="Nowhere/Else",
        )
    with pytest.raises(InputError, match="away from the sun"):
        read_weather(
            normals_csv(tmp_path),
            "monthly_normals",
            latitude=36,
            longitude=80,
            elevation_m=0,
            time_zone=-5.0,
        )
