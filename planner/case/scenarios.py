"""Scenarios of a case: the same site in other weather, at other prices, under another load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from planner.case.hours import weather_of
from planner.case.reader import Reader
from planner.case.tariff import Tariff, Tier
from planner.case.uncertain import ScenarioInput

if TYPE_CHECKING:
    from planner.case.case import Case


@dataclass(frozen=True)
class Scenario:
    """A path of operation, and the case as it is on it."""

    name: str
    probability: float
    case: Case


def with_scenarios(reader: Reader, case: Case) -> Case:
    """The case with its scenarios worked out; faults go to the reader."""
    found = []
    for i, given in enumerate(case.input.scenarios):
        variant = _variant(reader, case, i, given)
        if variant is not None:
            found.append(Scenario(given.name, given.probability, variant))
    return replace(case, scenarios=tuple(found))


def _variant(reader: Reader, case: Case, i: int, given: ScenarioInput) -> Case | None:
    weather = case.weather
    if given.weather is not None:
        read = weather_of(reader, case.input, given.weather, ("scenarios", i, "weather"))
        if read is None:
            return None
        weather, hottest = read, float(read.dry_bulb_c.max())
        if hottest > case.ambient.extreme_dry_bulb_c:
            rule = f"has an hour of {hottest:.1f} C, above the extreme_dry_bulb_c equipment is sized at"
            remedy = f"write an extreme_dry_bulb_c of at least {hottest:.1f}"
            reader.fault(("scenarios", i, "weather"), given.name, rule, remedy)
    for item_id in case.candidates.get("compute", ()):
        most = given.load_factor * float(case.load_shape.max()) * case.average_fraction(case.catalog[item_id])
        if most > 1.0 + 1e-9:
            rule = f"lets {item_id} draw {most:.2f} of its design power"
            remedy = f"at most {given.load_factor / most:.4f}: equipment is sized at design power"
            reader.fault(("scenarios", i, "load_factor"), given.load_factor, rule, remedy)
    fuel = case.input.site.fuel
    prices = {name: usd * given.fuel_price_factor for name, usd in fuel.model_dump().items() if usd is not None}
    site = case.input.site.model_copy(update={"fuel": fuel.model_copy(update=prices)})
    series, export = case.load_series_mw, case.export_usd_per_mwh
    return replace(
        case,
        input=case.input.model_copy(update={"site": site}),
        weather=weather,
        tariff=None if case.tariff is None else _scaled(case.tariff, given.energy_price_factor),
        export_usd_per_mwh=None if export is None else np.asarray(export * given.energy_price_factor),
        load_shape=case.load_shape * given.load_factor,
        load_series_mw=None if series is None else np.asarray(series * given.load_factor),
    )


def _scaled(tariff: Tariff, factor: float) -> Tariff:
    """The tariff with its energy prices times a factor."""
    tiers = tuple(
        tuple(Tier(tier.usd_per_mwh * factor, tier.up_to_mwh_per_month) for tier in period)
        for period in tariff.energy_tiers
    )
    hourly = tariff.energy_usd_per_mwh
    return replace(tariff, energy_tiers=tiers, energy_usd_per_mwh=None if hourly is None else hourly * factor)
