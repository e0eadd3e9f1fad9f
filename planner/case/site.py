"""The fields of a case's site: where it is, its hall, its grid connection, fuel and yearly limits."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from planner.case.base import Day, Finite, NonNegative, Positive, Rule, Series, Strict, require
from planner.case.permits import AirPermit, Curtailment, GasSupply, StandbyTests
from planner.case.site_limits import Land, Noise, OnSiteFuel
from planner.case.swing import LoadRules
from planner.case.tariff import TariffInput
from planner.case.uncertain import WeatherFile
from planner.case.water import Water


class Location(Strict):
    latitude: Annotated[Finite, Field(ge=-90, le=90)]
    longitude: Annotated[Finite, Field(ge=-180, le=180)]
    elevation_m: Annotated[Finite, Field(ge=-450, le=6000)]
    time_zone: str


class DesignAmbient(Strict):
    """What equipment is sized at: ASHRAE 0.4 % values and the 20-year extreme, never from a typical year."""

    dry_bulb_c: Annotated[Finite, Field(ge=-30, le=60)]
    wet_bulb_c: Annotated[Finite, Field(ge=-30, le=45)]
    extreme_dry_bulb_c: Annotated[Finite, Field(ge=-30, le=65)] | None = None

    @model_validator(mode="after")
    def _order(self) -> DesignAmbient:
        found = []
        if self.wet_bulb_c > self.dry_bulb_c:
            found.append(Rule("wet bulb must not exceed dry bulb", "check the two values", ("wet_bulb_c",)))
        if self.extreme_dry_bulb_c is not None and self.extreme_dry_bulb_c < self.dry_bulb_c:
            rule = f"the extreme must not be below dry_bulb_c ({self.dry_bulb_c:g})"
            found.append(Rule(rule, "write the 20-year extreme", ("extreme_dry_bulb_c",)))
        require(found)
        return self


class Hall(Strict):
    existing_m2: NonNegative = 0.0
    ready: Day | None = None
    yard_m2: NonNegative | None = None
    floor_load_kg_per_m2: Positive | None = None  # of the existing hall, as weight over footprint of what stands there


class GridStep(Strict):
    """MW at the meter from a date on, and what they come through."""

    from_: Day = Field(alias="from")
    mw: NonNegative
    via: Literal["existing_feeders", "substation"]
    firm: bool = True  # false: what the step adds to the firm MW may be called (`curtailment`)
    utility_contribution_usd: NonNegative = 0.0  # paid on the date


class Export(Strict):
    """What the utility takes back through the same connection, and pays for it."""

    mw: Positive
    usd_per_mwh: Finite | None = None
    series: Series | None = None  # USD/MWh by hour, in place of one price

    @model_validator(mode="after")
    def _one(self) -> Export:
        if (self.usd_per_mwh is None) == (self.series is None):
            raise Rule("needs exactly one of usd_per_mwh, series", "write one of the two", ("usd_per_mwh",))
        return self


class Outages(Strict):
    """What is known of the connection's sustained interruptions. For uptime alone: it sizes nothing (see events)."""

    failures_per_year: NonNegative
    mean_hours: Positive


class Grid(Strict):
    interconnection: Annotated[list[GridStep], Field(min_length=0)]
    power_factor: Annotated[Finite, Field(gt=0.5, le=1)] = 0.95
    tariff: TariffInput | None = None
    export: Export | None = None
    curtailment: Curtailment | None = None
    outages: Outages | None = None
    load_rules: LoadRules = []  # how the load may swing at the meter

    @model_validator(mode="after")
    def _order(self) -> Grid:
        found, reads = [], ("interconnection",)
        for i, (a, b) in enumerate(pairwise(self.interconnection), 1):
            if b.from_ <= a.from_:
                rule = f"grid steps must be in order of date (the one before is {a.from_})"
                found.append(Rule(rule, "sort them", ("interconnection", i, "from"), reads))
            if b.via == "existing_feeders" and a.via == "substation":
                rule = "a step via existing_feeders may not follow one via substation"
                remedy = "write the substation steps last"
                found.append(Rule(rule, remedy, ("interconnection", i, "via"), reads))
        for i, step in enumerate(self.interconnection):
            if not step.firm and self.curtailment is None:
                rule, at = "a step that is not firm needs to say when it may be called", ("interconnection", i, "firm")
                found.append(Rule(rule, "write curtailment:, or remove it", at, ("interconnection", "curtailment")))
        if self.curtailment is not None and not self.interconnection:
            found.append(Rule("there is no connection to call", "remove it", ("curtailment",)))
        require(found)
        return self


class Fuel(Strict):
    natural_gas_usd_per_mmbtu_hhv: NonNegative | None = None
    diesel_usd_per_mmbtu_hhv: NonNegative | None = None


class Gate(Strict):
    from_: Day = Field(alias="from")


class Caps(Strict):
    """What the site may burn, emit and evaporate in a calendar year. Not power bought, not tests of standby sets."""

    co2_t_per_year: NonNegative | None = None
    nox_t_per_year: NonNegative | None = None
    fuel_mmbtu_hhv_per_year: NonNegative | None = None
    evaporation_m3_per_year: NonNegative | None = None  # without blow-down
    run_hours_per_year: dict[str, NonNegative] = {}  # by generation item: MWh over the rating of what stands

    @model_validator(mode="after")
    def _some(self) -> Caps:
        if not self.model_fields_set:
            raise Rule("limits nothing", "write one of " + ", ".join(type(self).model_fields) + ", or remove it")
        return self


class Site(Strict):
    location: Location
    weather: WeatherFile
    design_ambient: DesignAmbient | None = None
    hall: Hall = Hall()
    land_m2: NonNegative | None = None  # halls, pods and renewables together; see land for each kind of area
    land: Land | None = None
    height_limit_m: Positive | None = None  # of all that stands in the open, and of halls and pods
    noise: Noise | None = None
    on_site_fuel: OnSiteFuel | None = None
    grid: Grid
    fuel: Fuel = Fuel()
    caps: Caps | None = None
    fibre: Gate | None = None
    gas: GasSupply | None = None
    air_permit: AirPermit | None = None
    standby_tests: StandbyTests | None = None
    water: Water | None = None

    @model_validator(mode="after")
    def _gas_price(self) -> Site:
        """One price of gas: that of its supply, where it has one."""
        if self.gas is None or self.gas.usd_per_mmbtu_hhv is None:
            return self
        if self.fuel.natural_gas_usd_per_mmbtu_hhv is not None:
            rule = "fuel.natural_gas_usd_per_mmbtu_hhv is a price of the same gas"
            raise Rule(rule, "keep one of the two", ("gas", "usd_per_mmbtu_hhv"), ("gas", "fuel"))
        priced = self.fuel.model_copy(update={"natural_gas_usd_per_mmbtu_hhv": self.gas.usd_per_mmbtu_hhv})
        object.__setattr__(self, "fuel", priced)
        return self
