"""Fields of committed generators: which values no machine can have, and what the message says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.case.case import Case
from planner.errors import InputError

Make = Callable[..., Case]
ENGINE = "jenbacher_j620"  # 7,633 Btu/kWh LHV at full load
HALF = "heat_rate_half_load_btu_per_kwh"

# name -> item, field, value, words of the rule and of the remedy
REFUSED: dict[str, tuple[str, str, float, str]] = {
    "minimum load in percent": (ENGINE, "minimum_load_fraction", 50, "at most 1|write 0.5"),
    "minimum load below nothing": (ENGINE, "minimum_load_fraction", -0.1, "must not be negative"),
    "less fuel at half load": (ENGINE, f"{HALF}_lhv", 7000, "1 to 2 times|7000 of 7633|burns more a kWh at half load"),
    "more fuel an hour at half load": (ENGINE, f"{HALF}_lhv", 15300, "1 to 2 times"),
    "half load on another heating value": (ENGINE, f"{HALF}_hhv", 9000, "no heat rate at full load|btu_per_kwh_hhv"),
    "no ramp at all": (ENGINE, "ramp_fraction_per_minute", 0, "must be above 0|leave it out"),
    "a start that pays": (ENGINE, "start_cost_usd", -1, "must not be negative"),
    "a battery that starts": ("tesla_megablock_4h", "start_cost_usd", 10, "only generation items"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_mean_nothing_are_refused(make_case: Make, name: str) -> None:
    item, field, value, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        make_case({"candidates": {"generation": [ENGINE]}}, set=[f"catalog.{item}.{field}={value}"])
    text = str(caught.value)
    for word in (field, *words.split("|")):
        assert word in text


def test_a_generator_bought_in_fractions_has_no_units(make_case: Make) -> None:
    item = {
        "id": "own_engine",
        "family": "generation",
        "class": "gas_engine",
        "vendor": "own",
        "model": "by the MW",
        "status": "available",
        "divisible": True,
        "fuel": "natural_gas",
        "permit_class": "non_emergency",
        "brings": ["generation"],
        "nameplate_power_mw": 1.0,
        "heat_rate_btu_per_kwh_lhv": 8000.0,
        "minimum_load_fraction": 0.5,
    }
    with pytest.raises(InputError, match="bought in fractions"):
        make_case({"candidates": {"generation": ["own_engine"]}}, items=[item])


def test_units_of_the_fields_are_told() -> None:
    from planner.units import unit_of

    names = ("ramp_fraction_per_minute", "start_fuel_mmbtu_hhv", f"{HALF}_lhv", "minimum_load_fraction")
    assert [unit_of(name) for name in names] == ["1/min", "MMBtu HHV", "Btu/kWh LHV", "fraction"]
