"""What rejects heat and stands already: analytic, from temperatures alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.case.case import load_case
from planner.operation.blocks import plant_of
from planner.sizing.options import options_of

RETROFIT = Path(__file__).parents[2] / "examples" / "hall_retrofit"


@pytest.mark.parametrize(
    ("item", "on_air", "on_liquid"),
    [
        ("chiller_air_cooled", 16, 0),  # makes the 22 degC that the air units ask for: nothing else here does
        ("dry_cooler_adiabatic", None, 5),  # air off its pads is 29.9 degC: too warm for 22, cold enough for 36
    ],
)
def test_committed_units_serve_the_loop_that_fewer_items_can(item: str, on_air: int | None, on_liquid: int) -> None:
    bought = f"{{item: {item}, units: {on_air or on_liquid}, on_site: 2027-01-01}}"
    case = load_case(RETROFIT, overrides=["existing=[]", f"committed=[{bought}]"])
    committed = {option.key: max(option.committed) for option in options_of(plant_of(case))}
    assert committed.get(f"{item}@air") == on_air
    assert committed[f"{item}@liquid"] == on_liquid
