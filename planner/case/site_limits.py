"""What the ground and the neighbours allow: land by kind of area, height, noise at the fence, fuel on site."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from planner.case.base import Finite, NonNegative, Positive, Rule, Strict, require
from planner.case.item import Item
from planner.units import (
    BTU_PER_MMBTU,
    DIESEL_MMBTU_HHV_PER_M3,
    HHV_OVER_LHV_DIESEL,
    KW_PER_MW,
)

if TYPE_CHECKING:
    from planner.case.catalog import Catalog
    from planner.case.reader import Reader
    from planner.case.schema import CaseInput

# Stages of the chain whose equipment stands in the open.
_IN_THE_OPEN = ("heat_rejection", "mv_lv_transformer", "main_transformer", "hv_substation", "mv_switchgear")
# Of what stands in the open, what makes no noise worth counting at a fence: bays and switchgear.
_QUIET = ("hv_substation", "mv_switchgear")


class Land(Strict):
    """Areas that may be built on, for what the plan adds and what is committed; an existing hall is beside them."""

    buildings_m2: NonNegative | None = None  # halls and pods, by their footprint
    yard_m2: NonNegative | None = None  # equipment in the open: the same as hall.yard_m2
    solar_m2: NonNegative | None = None  # solar fields and wind turbines
    parcel_m2: NonNegative | None = None  # all of these together
    parcel_coverage_fraction: Annotated[Finite, Field(gt=0, le=1)] = 1.0  # of the parcel; the rest: roads, setbacks

    @model_validator(mode="after")
    def _some(self) -> Land:
        found = []
        if not self.model_fields_set - {"parcel_coverage_fraction"}:
            names = "buildings_m2, yard_m2, solar_m2, parcel_m2"
            found.append(Rule("limits nothing", f"write one of {names}, or remove it"))
        elif "parcel_coverage_fraction" in self.model_fields_set and self.parcel_m2 is None:
            rule = "goes with parcel_m2"
            found.append(Rule(rule, "write parcel_m2, or remove it", ("parcel_coverage_fraction",)))
        require(found)
        return self


class Noise(Strict):
    """Sound pressure level at the fence, or at the nearest neighbour, from all that stands in the open together.

    Sound powers of independent sources add in watts; each spreads over a half sphere above hard ground:

        level = 10 lg sum_i n_i 10^(Lw_i / 10) - 20 lg(distance / 1 m) - 11 + 3          [dB(A)]

    ISO 9613-2:1996, eq. 3, 4 and 7 (A_div = 20 lg d + 11, D_c = 3 dB on the ground): geometric divergence alone. Not
    modelled: absorption by air and ground, barriers and buildings in between, direction, tones, where on the site each
    unit stands. All but barriers make the true level lower or are the maker's business; distance_m is that of the
    nearest units, so the level is not understated. Units make the noise of full load.
    """

    limit_dba: Annotated[Finite, Field(ge=20, le=120)]  # at night, of the site and the background together
    distance_m: Annotated[Finite, Field(ge=1, le=10000)]
    background_dba: Annotated[Finite, Field(ge=0, le=120)] | None = None  # what is heard without the site
    standby_sets: bool = False  # whether standby generators count; noise rules mostly exempt emergencies

    @model_validator(mode="after")
    def _below(self) -> Noise:
        if self.background_dba is not None and self.background_dba >= self.limit_dba:
            rule = f"must be below the limit ({self.limit_dba:g})"
            raise Rule(rule, "correct one of the two: nothing may be added to it", ("background_dba",))
        return self

    @property
    def allowed_mw(self) -> float:
        """Sound power that the site may make in all. [milliwatt]

        >>> round(Noise(limit_dba=55, distance_m=200).allowed_mw, 1)   # eight sources of 100 dB(A), 10 mW each
        79.8
        """
        over = _intensity(self.limit_dba) - (_intensity(self.background_dba) if self.background_dba is not None else 0)
        return over * math.pow(10.0, _spreading_db(self.distance_m) / 10.0) * 1e-9

    def level_dba(self, sound_mw: float) -> float:
        """Level at the fence of so much sound power and the background. [dB(A)]

        >>> round(Noise(limit_dba=55, distance_m=100).level_dba(sound_power_mw(100.0)), 1)   # 100 - 40 - 8
        52.0
        """
        heard = sound_mw * 1e9 / math.pow(10.0, _spreading_db(self.distance_m) / 10.0)
        heard += _intensity(self.background_dba) if self.background_dba is not None else 0.0
        return 10.0 * math.log10(heard) if heard > 0 else -math.inf


def _spreading_db(distance_m: float) -> float:
    return 20.0 * math.log10(distance_m) + 11.0 - 3.0


def _intensity(level_dba: float) -> float:
    """Of a level, in units of 1e-12 W/m2."""
    return math.pow(10.0, level_dba / 10.0)


def sound_power_mw(level_dba: float) -> float:
    """Sound power of a sound power level re 1 pW. [milliwatt]

    >>> round(sound_power_mw(100.0), 9)
    10.0
    """
    return math.pow(10.0, level_dba / 10.0) * 1e-9


class OnSiteFuel(Strict):
    """Diesel in the tanks of standby sets: each holds the hours at its rating; what it is filled with is paid."""

    hours: Positive
    diesel_m3: NonNegative | None = None  # the most that may be kept on the site

    def m3_per_unit(self, item: Item) -> float:
        """Diesel that a standby set holds. [m3]

        3 MW for 24 h at 8,749 Btu/kWh LHV take 18.5 m3: 257 L/MWh (its maker: 790 L/h, 263 L/MWh).
        """
        if item.heat_rate_btu_per_kwh_hhv is not None:
            btu = item.heat_rate_btu_per_kwh_hhv.planning
        else:
            btu = item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_DIESEL
        per_mwh = btu * KW_PER_MW / BTU_PER_MMBTU / DIESEL_MMBTU_HHV_PER_M3
        return self.hours * item.get("nameplate_power_mw") * per_mwh


def is_in_the_open(item: Item) -> bool:
    """Whether an item stands in the open, or is a building: what height and noise limits are for."""
    if item.family in ("generation", "battery", "renewable"):
        return True
    if "white_space" in item.brings:
        return True
    return "ups" not in item.brings and any(stage in item.brings for stage in _IN_THE_OPEN)


def height_fault(item: Item, limit_m: float | None) -> tuple[str, str] | None:
    """(rule, remedy) when an item may not stand under a height limit, None when it may."""
    if limit_m is None or not is_in_the_open(item):
        return None
    if item.height_m is None:
        remedy = "give the item its height in a catalog of your own, or remove the limit"
        return "has no height_m, and the site has a height limit", remedy
    height = item.height_m.planning
    if height <= limit_m:
        return None
    remedy = "choose a lower item (not stacked, with a shorter stack), or raise the limit"
    return f"is {height:g} m high, and site.height_limit_m is {limit_m:g}", remedy


def site_limit_rules(given: CaseInput) -> list[Rule]:
    """Broken rules across the parts of a case that its site limits touch."""
    found, site = [], given.site
    if site.land is not None and site.land.yard_m2 is not None and site.hall.yard_m2 is not None:
        found.append(
            Rule("is written twice, as hall.yard_m2 too", "remove one", ("site", "land", "yard_m2"), ("site",))
        )
    if site.on_site_fuel is not None:
        at, reads = ("site", "on_site_fuel"), ("site", "redundancy")
        if given.redundancy.get("standby_generation") is None:
            remedy = "write redundancy: {standby_generation: {scheme: N+1}}, or remove it"
            found.append(Rule("there are no standby sets to fill", remedy, at, reads))
        elif site.fuel.diesel_usd_per_mmbtu_hhv is None:
            remedy = "write site.fuel.diesel_usd_per_mmbtu_hhv"
            found.append(Rule("the first fill of diesel has no price", remedy, at, reads))
    return found


def check_noise(reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]) -> None:
    """A noise limit needs the sound power of all that stands in the open."""
    noise, path = given.site.noise, ("site", "noise")
    if noise is None or not reader.sound(path, ("candidates",), ("committed",), ("existing",)):
        return
    ids: Iterable[str] = (i for role, of in candidates.items() if role != "standby_generation" for i in of)
    standby = candidates.get("standby_generation", ()) if noise.standby_sets else ()
    bought = [name for name in given.owned if name in catalog]
    exempt = () if noise.standby_sets else ("emergency",)
    for item in (catalog[i] for i in dict.fromkeys([*ids, *standby, *bought])):
        quiet = item.family == "renewable" or all(stage in _QUIET for stage in item.brings)
        heard = is_in_the_open(item) and item.family not in ("enclosure", "compute") and not quiet
        if heard and item.sound_power_dba is None and item.permit_class not in exempt:
            remedy = "give the item its figure in a catalog of your own, or remove the limit"
            reader.fault((*path, "limit_dba"), noise.limit_dba, f"{item.id} has no sound_power_dba", remedy)
