"""Fields of a case file for what is not known ahead: weather files, scenarios, and how much their risk counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from planner.case.base import Finite, Fraction, NonNegative, Positive, Rule, Strict
from planner.case.weather import WEATHER_KINDS, WeatherKind


class WeatherFile(Strict):
    """Exactly one file. `pvlib:NAME` means a file of pvlib's own data folder."""

    epw: str | None = None
    tmy3: str | None = None
    psm3: str | None = None
    monthly_normals: str | None = None

    @model_validator(mode="after")
    def _one(self) -> WeatherFile:
        if len(self.given) != 1:
            raise Rule("needs exactly one weather file", "write one of epw, tmy3, psm3, monthly_normals")
        return self

    @property
    def given(self) -> list[tuple[WeatherKind, str]]:
        """(kind, path) of the files named."""
        return [(k, v) for k in WEATHER_KINDS if (v := getattr(self, k))]


class ScenarioInput(Strict):
    """One path the years of operation may take; sizes are decided before it is known."""

    name: str
    probability: Annotated[Finite, Field(gt=0, le=1)]
    weather: WeatherFile | None = None  # None: that of the site
    energy_price_factor: NonNegative = 1.0  # on the tariff's energy prices and on what export earns
    fuel_price_factor: NonNegative = 1.0
    load_factor: Positive = 1.0  # on the draw of the compute, or on the load series


class Risk(Strict):
    """Cost minimised: (1 - weight) x expectation + weight x mean of the dearest 1 - cvar_alpha of the scenarios."""

    cvar_alpha: Annotated[Finite, Field(gt=0, lt=1)]
    weight: Fraction
