"""Limits of the ground and the neighbours, each a sum over what stands: areas, sound power, fuel in tanks.

    site_limit[name, p]:   sum over options of (amount a unit uses) x (units in service)  <=  limit

    yard          equipment in the open [m2]                     hall.yard_m2 or land.yard_m2
    land          halls, pods and renewables [m2]                land_m2
    buildings     halls and pods [m2]                            land.buildings_m2
    solar         renewables [m2]                                land.solar_m2
    parcel        each of these once [m2]                        land.parcel_m2 x parcel_coverage_fraction
    noise         sound power of what is in the open [mW]        noise: decibels add as watts (`case.site_limits.Noise`)
    fuel_storage  diesel in the tanks of standby sets [m3]       on_site_fuel.diesel_m3

Spares count like any other unit: they stand there too, and N+1 coolers all run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.case.case import Case
from planner.case.site_limits import sound_power_mw
from planner.sizing.options import Option

_OUTDOOR_POSITIONS = (
    "heat_rejection",
    "generation",
    "battery",
    "mv_lv_transformer",
    "main_transformer",
    "hv_substation",
    "mv_switchgear",
    "battery_transformer",
    "standby_generation",
)


@dataclass(frozen=True)
class SiteLimit:
    """One limit and what a unit of an option uses of it."""

    name: str  # of LIMITS
    most: float
    unit: str
    each: Callable[[Option], float]


def site_limits(case: Case) -> tuple[SiteLimit, ...]:
    """The limits a case has."""
    site, found = case.input.site, []
    land = site.land
    yard = site.hall.yard_m2 if land is None or land.yard_m2 is None else land.yard_m2
    areas: list[tuple[str, float | None, Callable[[Option], bool]]] = [
        ("yard", yard, in_the_yard),
        ("land", site.land_m2, lambda o: o.item.family in ("renewable", "enclosure")),
    ]
    if land is not None:
        parcel = None if land.parcel_m2 is None else land.parcel_m2 * land.parcel_coverage_fraction
        areas += [
            ("buildings", land.buildings_m2, _is_building),
            ("solar", land.solar_m2, lambda o: o.item.family == "renewable"),
            ("parcel", parcel, lambda o: in_the_yard(o) or _is_building(o) or o.item.family == "renewable"),
        ]
    for name, most, counts in areas:
        if most is not None:
            found.append(SiteLimit(name, most, "m2", _footprint_of(counts)))
    if (noise := site.noise) is not None:
        found.append(SiteLimit("noise", noise.allowed_mw, "mW", _sound_of(noise.standby_sets)))
    if (fuel := site.on_site_fuel) is not None and fuel.diesel_m3 is not None:
        found.append(
            SiteLimit(
                "fuel_storage",
                fuel.diesel_m3,
                "m3",
                lambda o: fuel.m3_per_unit(o.item) if _is_standby(o) and o.item.fuel == "diesel" else 0.0,
            )
        )
    return tuple(found)


def in_the_yard(o: Option) -> bool:
    """Whether an option is equipment that stands in the open."""
    if o.item.family == "compute" or "white_space" in o.supplies or "ups" in o.supplies:
        return False
    outdoor = any(position.split(":")[0] in _OUTDOOR_POSITIONS for position in o.supplies)
    return outdoor or o.item.family in ("generation", "battery")


def _is_building(o: Option) -> bool:
    return "white_space" in o.item.brings


def _is_standby(o: Option) -> bool:
    return "standby_generation" in o.supplies


def _footprint_of(counts: Callable[[Option], bool]) -> Callable[[Option], float]:
    return lambda o: o.item.get("footprint_m2") if counts(o) else 0.0


def _sound_of(standby_sets: bool) -> Callable[[Option], float]:
    def each(o: Option) -> float:
        if o.item.sound_power_dba is None or not (in_the_yard(o) or _is_building(o) or o.item.family == "renewable"):
            return 0.0
        return 0.0 if _is_standby(o) and not standby_sets else sound_power_mw(o.item.sound_power_dba.planning)

    return each
