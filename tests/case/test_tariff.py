"""Bills by hand, schedules by cell, and a refusal for everything a tariff may hold that cannot be billed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.case.base import validate
from planner.case.marks import Document
from planner.case.tariff import (
    Tariff,
    TariffInput,
    Tier,
    hourly_demand_period,
    hourly_energy_period,
    monthly_bill,
    tariff_from_input,
    tiered_cost,
)
from planner.case.urdb import tariff_from_urdb
from planner.errors import Fault, InputError

JANUARY, JULY = 0, 6
HOUR = np.tile(np.arange(24), 31)  # a month of 31 days that opens on a Monday
WEEKEND = np.repeat([day % 7 >= 5 for day in range(31)], 24)  # 8 weekend days


def inline(**fields: Any) -> Tariff:
    model, faults = validate(TariffInput, Document("case.yaml", fields), ("tariff",), fields)
    assert model is not None, faults
    return tariff_from_input(model, folder=Path())


def refused(**fields: Any) -> list[Fault]:
    model, faults = validate(TariffInput, Document("case.yaml", fields), ("tariff",), fields)
    assert model is None
    return faults


# --- bills ----------------------------------------------------------------------------------------


def test_flat_month_by_hand() -> None:
    """10 MW for 744 h: 7440 MWh x 50 = 372,000; 10,000 kW x 15 = 150,000; fixed 1,000."""
    tariff = inline(energy_usd_per_mwh=50, demand_usd_per_kw_month=15, fixed_usd_per_month=1000)
    bill = monthly_bill(tariff, JANUARY, HOUR, WEEKEND, np.full(744, 10.0))
    assert bill == {
        "energy": pytest.approx(372_000),
        "demand": pytest.approx(150_000),
        "tou_demand": 0,
        "minimum_take": 0,
        "ratchet": 0,
        "coincident": 0,
        "fixed": 1000,
    }


def test_minimum_take_fills_up_to_its_share_of_the_contract() -> None:
    """85 % of 100 MW at 15 USD/kW is 1,275,000; a peak of 10 MW is 150,000 of it. Above 85 MW: nothing."""
    tariff = inline(energy_usd_per_mwh=0, demand_usd_per_kw_month=15, minimum_take_fraction=0.85)
    low = monthly_bill(tariff, JANUARY, HOUR, WEEKEND, np.full(744, 10.0), contract_mw=100)
    assert low["demand"] == pytest.approx(150_000)
    assert low["minimum_take"] == pytest.approx(1_125_000)
    high = monthly_bill(tariff, JANUARY, HOUR, WEEKEND, np.full(744, 90.0), contract_mw=100)
    assert high["minimum_take"] == 0.0


def test_demand_by_month_takes_the_peak() -> None:
    tariff = inline(energy_usd_per_mwh=0, demand_usd_per_kw_month=[0.0] * 6 + [20.0] + [0.0] * 5)
    load = np.zeros(744)
    load[100] = 7.0
    assert monthly_bill(tariff, JULY, HOUR, WEEKEND, load)["demand"] == pytest.approx(140_000)
    assert monthly_bill(tariff, JANUARY, HOUR, WEEKEND, load)["demand"] == 0.0


SUMMER_PEAK: dict[str, Any] = {
    "name": "on peak",
    "months": [6, 7, 8, 9],
    "weekday_hours": [14, 15, 16, 17, 18, 19],
    "weekend_hours": [],
}


def test_time_of_use_by_hand() -> None:
    """July: 23 weekdays x 6 h = 138 on-peak hours at 120, the other 606 at 40; 1 MW throughout."""
    tariff = inline(
        energy_periods=[{"name": "base", "usd_per_mwh": 40}, {**SUMMER_PEAK, "usd_per_mwh": 120}],
        tou_demand=[{**SUMMER_PEAK, "usd_per_kw_month": 9}],
    )
    load = np.full(744, 1.0)
    load[12] = 5.0  # Monday noon, outside the window
    load[15] = 2.0  # Monday 15:00, inside
    bill = monthly_bill(tariff, JULY, HOUR, WEEKEND, load)
    assert bill["energy"] == pytest.approx((138 + 1) * 120 + (606 + 4) * 40)
    assert bill["tou_demand"] == pytest.approx(9 * 2000)
    winter = monthly_bill(tariff, JANUARY, HOUR, WEEKEND, load)
    assert winter["energy"] == pytest.approx(749 * 40)
    assert winter["tou_demand"] == 0.0


def test_later_periods_override_earlier_ones() -> None:
    tariff = inline(
        energy_periods=[
            {"name": "base", "usd_per_mwh": 40},
            {"name": "summer", "usd_per_mwh": 60, "months": [7]},
            {"name": "evening", "usd_per_mwh": 90, "weekday_hours": [18], "weekend_hours": [18]},
        ]
    )
    assert hourly_energy_period(tariff, JULY, HOUR, WEEKEND)[[0, 17, 18, 19]].tolist() == [1, 1, 2, 1]
    assert hourly_energy_period(tariff, JANUARY, HOUR, WEEKEND)[[0, 18]].tolist() == [0, 2]
    months = np.array([0, 6])
    across = hourly_energy_period(tariff, months, np.array([0, 0]), np.array([False, True]))
    assert across.tolist() == [0, 1]
    assert (hourly_demand_period(tariff, JULY, HOUR, WEEKEND) == -1).all()


def test_tiers_by_hand() -> None:
    """1,000 MWh: 500 x 40 + 300 x 50 + 200 x 70 = 49,000."""
    tariff = inline(
        tiers=[
            {"up_to_mwh_per_month": 500, "usd_per_mwh": 40},
            {"up_to_mwh_per_month": 800, "usd_per_mwh": 50},
            {"usd_per_mwh": 70},
        ]
    )
    load = np.full(744, 1000 / 744)
    assert monthly_bill(tariff, JANUARY, HOUR, WEEKEND, load)["energy"] == pytest.approx(49_000)
    assert tiered_cost(tariff.energy_tiers[0], 500.0) == pytest.approx(20_000)
    assert tiered_cost(tariff.energy_tiers[0], 0.0) == 0.0
    assert tariff.energy_tiers[0][-1] == Tier(70, math.inf)


def test_quarter_hours() -> None:
    tariff = inline(energy_usd_per_mwh=50, demand_usd_per_kw_month=1)
    hour, weekend = np.repeat(HOUR, 4), np.repeat(WEEKEND, 4)
    bill = monthly_bill(tariff, 0, hour, weekend, np.full(2976, 10.0), hours_per_step=0.25)
    assert bill["energy"] == pytest.approx(372_000)
    assert bill["demand"] == pytest.approx(10_000)


# --- refusals of the inline form ------------------------------------------------------------------

BASE: dict[str, Any] = {"name": "base", "usd_per_mwh": 40}


@pytest.mark.parametrize(
    ("fields", "where", "rule"),
    [
        ({}, "tariff", "exactly one of"),
        ({"energy_usd_per_mwh": 1, "tiers": [{"usd_per_mwh": 1}]}, "tariff", "exactly one of"),
        ({"urdb": "a.json", "fixed_usd_per_month": 5}, "tariff.fixed_usd_per_month", "beside urdb"),
        ({"energy_usd_per_mwh": math.nan}, "tariff.energy_usd_per_mwh", "finite"),
        ({"energy_usd_per_mwh": 1, "minimum_take_fraction": 85}, "tariff.minimum_take_fraction", "at most 1"),
        ({"energy_usd_per_mwh": 1, "demand_usd_per_kw_month": -1}, "tariff.demand_usd_per_kw_month", "at least 0"),
        ({"energy_usd_per_mwh": 1, "demand_usd_per_kw_month": [1.0] * 11}, "tariff.demand_usd_per_kw_month", "12"),
        ({"energy_usd_per_mwh": 1, "ratchet_fraction": 0.8}, "tariff.ratchet_fraction", "unknown key"),
        ({"energy_periods": [{**BASE, "months": [1]}]}, "tariff.energy_periods[0]", "must cover every"),
        ({"energy_periods": [BASE, BASE]}, "tariff.energy_periods[1].name", "twice"),
        (
            {"energy_periods": [{**BASE, "weekday_hours": [24], "weekend_hours": []}]},
            "tariff.energy_periods[0].weekday_hours[0]",
            "at most 23",
        ),
        (
            {"energy_periods": [BASE, {**BASE, "name": "b", "weekday_hours": [1]}]},
            "tariff.energy_periods[1]",
            "weekend_hours is required",
        ),
        (
            {"energy_periods": [BASE, {**BASE, "name": "b", "weekday_hours": [], "weekend_hours": []}]},
            "tariff.energy_periods[1]",
            "covers no hour",
        ),
        (
            {"energy_periods": [BASE, {**BASE, "name": "b", "months": [1, 1]}]},
            "tariff.energy_periods[1].months",
            "repeat",
        ),
        (
            {
                "energy_usd_per_mwh": 1,
                "tou_demand": [
                    {**SUMMER_PEAK, "usd_per_kw_month": 1},
                    {**SUMMER_PEAK, "name": "b", "usd_per_kw_month": 2},
                ],
            },
            "tariff.tou_demand[1]",
            "overlaps",
        ),
        (
            {"tiers": [{"up_to_mwh_per_month": 5, "usd_per_mwh": 9}, {"usd_per_mwh": 8}]},
            "tariff.tiers[1].usd_per_mwh",
            "not be convex",
        ),
        ({"tiers": [{"usd_per_mwh": 9}, {"usd_per_mwh": 10}]}, "tariff.tiers[0]", "needs its upper end"),
        ({"tiers": [{"up_to_mwh_per_month": 5, "usd_per_mwh": 9}]}, "tariff.tiers[0]", "no upper end"),
        (
            {
                "tiers": [
                    {"up_to_mwh_per_month": 5, "usd_per_mwh": 7},
                    {"up_to_mwh_per_month": 4, "usd_per_mwh": 8},
                    {"usd_per_mwh": 9},
                ]
            },
            "tariff.tiers[1].up_to_mwh_per_month",
            "above the tier before",
        ),
    ],
)
def test_inline_refusals(fields: dict[str, Any], where: str, rule: str) -> None:
    (fault,) = refused(**fields)
    assert fault.field == where
    assert rule in fault.rule


# --- URDB -----------------------------------------------------------------------------------------


def schedule(inside: int = 0) -> list[list[int]]:
    """Period `inside` from 14:00 to 20:00 in June to September, else 0."""
    rows = [[0] * 24 for _ in range(12)]
    for month in (5, 6, 7, 8):
        rows[month][14:20] = [inside] * 6
    return rows


def rate(**changes: Any) -> dict[str, Any]:
    """A rate with a summer peak, tiers in its base period, flat and time-of-use demand; per kWh and kW."""
    rate = {
        "utility": "Some Power Co",
        "name": "Large Service",
        "sector": "Industrial",
        "servicetype": "Bundled",
        "energyratestructure": [
            [{"rate": 0.04, "adj": 0.005, "max": 2_000_000, "unit": "kWh"}, {"rate": 0.06, "unit": "kWh"}],
            [{"rate": 0.12, "adj": -0.01, "unit": "kWh", "sell": 0}],
        ],
        "energyweekdayschedule": schedule(1),
        "energyweekendschedule": schedule(),
        "flatdemandunit": "kW",
        "flatdemandstructure": [[{"rate": 8.0}], [{"rate": 10.0, "adj": 0.5}]],
        "flatdemandmonths": [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
        "demandrateunit": "kW",
        "demandratestructure": [[{"rate": 0}], [{"rate": 6.0, "max": 1e38}]],
        "demandweekdayschedule": schedule(1),
        "demandweekendschedule": schedule(),
        "demandratchetpercentage": [0] * 12,
        "fixedchargefirstmeter": 750.0,
        "fixedchargeunits": "$/month",
        "mincharge": 0,
    }
    rate.update(changes)
    return {key: value for key, value in rate.items() if value is not ...}


def write(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "rate.json"
    path.write_text(json.dumps(data, indent=1))
    return path


def test_urdb_is_read_into_mwh(tmp_path: Path) -> None:
    tariff = tariff_from_urdb(write(tmp_path, {"items": [rate()]}))
    assert tariff.name == "Some Power Co - Large Service"
    prices = [[tier.usd_per_mwh for tier in tiers] for tiers in tariff.energy_tiers]
    assert prices[0] == pytest.approx([45.0, 60.0])
    assert prices[1] == pytest.approx([110.0])
    assert [tier.up_to_mwh_per_month for tier in tariff.energy_tiers[0]] == [2000.0, math.inf]
    assert tariff.energy_weekday[6, 13:21].tolist() == [0, 1, 1, 1, 1, 1, 1, 0]
    assert not tariff.energy_weekend.any()
    assert tariff.flat_demand_usd_per_kw.tolist() == [8, 8, 8, 8, 8, 10.5, 10.5, 10.5, 10.5, 8, 8, 8]
    assert tariff.tou_demand_usd_per_kw == (6.0,)  # the period without a price is none
    assert tariff.demand_weekday[6, 13:15].tolist() == [-1, 0]
    assert (tariff.demand_weekend == -1).all()
    assert (tariff.fixed_usd_per_month, tariff.minimum_take_fraction) == (750.0, 0.0)


def test_urdb_bill_by_hand(tmp_path: Path) -> None:
    """July, 10 MW: on peak 138 h; base 6,060 MWh of which 2,000 in the first tier."""
    tariff = tariff_from_urdb(write(tmp_path, rate()))
    bill = monthly_bill(tariff, JULY, HOUR, WEEKEND, np.full(744, 10.0))
    assert bill["energy"] == pytest.approx(1380 * 110 + 2000 * 45 + 4060 * 60)
    assert bill["demand"] == pytest.approx(10_000 * 10.5)
    assert bill["tou_demand"] == pytest.approx(10_000 * 6)


def test_urdb_without_demand(tmp_path: Path) -> None:
    bare = rate(
        flatdemandstructure=...,
        flatdemandmonths=...,
        demandratestructure=...,
        demandweekdayschedule=...,
        demandweekendschedule=...,
        fixedchargefirstmeter=...,
        fixedmonthlycharge=20,
    )
    tariff = tariff_from_urdb(write(tmp_path, bare))
    assert not tariff.flat_demand_usd_per_kw.any()
    assert tariff.tou_demand_usd_per_kw == ()
    assert (tariff.demand_weekday == -1).all()
    assert tariff.fixed_usd_per_month == 20.0


def test_urdb_through_the_case_file(tmp_path: Path) -> None:
    path = write(tmp_path, rate())
    model, _ = validate(TariffInput, Document("c", None), (), {"urdb": path.name})
    assert model is not None
    assert tariff_from_input(model, folder=tmp_path).name == "Some Power Co - Large Service"


FLAT = schedule()


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"energyratestructure": ...}, "energyratestructure", "is required"),
        ({"energyratestructure": [[]]}, "energyratestructure", "list of periods"),
        (
            {"energyratestructure": [[{"rate": 0.1, "sell": 0.05}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].sell",
            "sell rates",
        ),
        (
            {"energyratestructure": [[{"rate": 0.1, "unit": "kWh/kW"}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].unit",
            "counted in kWh",
        ),
        (
            {"energyratestructure": [[{"rate": 0.1, "max": 9}, {"rate": 0.09}], [{"rate": 0.1}]]},
            "energyratestructure[0]",
            "not be convex",
        ),
        (
            {
                "energyratestructure": [
                    [{"rate": 0.1, "max": 9}, {"rate": 0.2, "max": 9}, {"rate": 0.3}],
                    [{"rate": 0.1}],
                ]
            },
            "energyratestructure[0]",
            "max must rise",
        ),
        (
            {"energyratestructure": [[{"rate": 0.1}, {"rate": 0.2}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].max",
            "before the last tier",
        ),
        (
            {"energyratestructure": [[{"rate": 0.1, "max": 9}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].max",
            "absent in the last",
        ),
        (
            {"energyratestructure": [[{"rate": "0.1"}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].rate",
            "finite number",
        ),
        (
            {"energyratestructure": [[{"unit": "kWh"}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].rate",
            "is required",
        ),
        (
            {"energyratestructure": [[{"rate": 0.1, "loss": 2}], [{"rate": 0.1}]]},
            "energyratestructure[0][0].loss",
            "unknown key",
        ),
        ({"energyweekdayschedule": FLAT[:11]}, "energyweekdayschedule", "12 lists of 24"),
        ({"energyweekendschedule": ...}, "energyweekendschedule", "12 lists of 24"),
        ({"energyweekdayschedule": schedule(2)}, "energyweekdayschedule", "from 0 to 1"),
        ({"demandweekdayschedule": schedule(2)}, "demandweekdayschedule", "from 0 to 1"),
        ({"demandweekendschedule": ...}, "demandweekendschedule", "12 lists of 24"),
        (
            {"demandratestructure": [[{"rate": 0}], [{"rate": 1, "max": 9}, {"rate": 2}]]},
            "demandratestructure[1]",
            "demand tiers",
        ),
        (
            {"flatdemandstructure": [[{"rate": 1, "max": 9}, {"rate": 2}], [{"rate": 1}]]},
            "flatdemandstructure[0]",
            "demand tiers",
        ),
        ({"flatdemandstructure": [[{"rate": -1}], [{"rate": 1}]]}, "flatdemandstructure[0][0].rate", "at least 0"),
        ({"flatdemandmonths": ...}, "flatdemandmonths", "12 period numbers"),
        ({"flatdemandmonths": [0] * 11 + [2]}, "flatdemandmonths", "from 0 to 1"),
        ({"flatdemandunit": "kVA"}, "flatdemandunit", "must be kW"),
        ({"demandrateunit": "kW daily"}, "demandrateunit", "must be kW"),
        ({"demandratchetpercentage": [0] * 11 + [0.8]}, "demandratchetpercentage", "ratchets"),
        ({"lookbackPercent": 0.5}, "lookbackpercent", "ratchets"),
        ({"coincidentratestructure": [[{"rate": 3.0}]]}, "coincidentratestructure", "coincident"),
        ({"demandreactivepowercharge": 0.3}, "demandreactivepowercharge", "reactive"),
        ({"mincharge": 100}, "mincharge", "minimum bills"),
        ({"minmonthlycharge": 100}, "minmonthlycharge", "minimum bills"),
        ({"annualmincharge": 100}, "annualmincharge", "minimum bills"),
        ({"fueladjustmentsmonthly": [0.01] * 12}, "fueladjustmentsmonthly", "fuel"),
        ({"energyattrs": [{"Fuel rider": "$0.002/kWh"}]}, "energyattrs", "riders"),
        ({"servicetype": "Delivery"}, "servicetype", "part of the bill"),
        ({"fixedchargeunits": "$/day"}, "fixedchargeunits", "must be $/month"),
        ({"fixedmonthlycharge": 5}, "fixedmonthlycharge", "stands beside"),
        ({"fixedchargefirstmeter": -5}, "fixedchargefirstmeter", "at least 0"),
        ({"fixedchargefirstmeter": 10**400}, "fixedchargefirstmeter", "finite number"),
        ({"flatdemandmonths": [[0]] * 12}, "flatdemandmonths", "12 period numbers"),
    ],
)
def test_urdb_refusals(tmp_path: Path, changes: dict[str, Any], field: str, rule: str) -> None:
    path = write(tmp_path, rate(**changes))
    with pytest.raises(InputError) as caught:
        tariff_from_urdb(path)
    (fault,) = caught.value.faults
    assert (fault.file, fault.field) == (str(path), field)
    assert rule in fault.rule


def test_urdb_faults_come_together_with_lines(tmp_path: Path) -> None:
    path = write(tmp_path, rate(mincharge=5, fixedchargeunits="$/year"))
    with pytest.raises(InputError) as caught:
        tariff_from_urdb(path)
    lines = path.read_text().splitlines()
    for fault in caught.value.faults:
        assert f'"{fault.field}"' in lines[fault.line - 1]
    assert {fault.field for fault in caught.value.faults} == {"mincharge", "fixedchargeunits"}


@pytest.mark.parametrize("text", ["", "[1]", '{"items": []}', '{"items": [{}, {}]}', "{", '{"items": 3}'])
def test_urdb_files_that_hold_no_single_rate(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rate.json"
    path.write_text(text)
    with pytest.raises(InputError):
        tariff_from_urdb(path)


def test_urdb_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        tariff_from_urdb(tmp_path / "none.json")
