"""A product of a catalog: its fields, what sizing needs of them, and what it may take from the generic of its class."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from planner.case.base import Rule, Strict, require, suggest
from planner.case.commitment import commitment_faults
from planner.case.fabric_design import FabricDesign, SideNetwork
from planner.case.figure import BySupply, Curve, Figure, Sourced
from planner.case.rental import RENTAL, rental_faults
from planner.units import KW_PER_MW

Family = Literal["compute", "network", "enclosure", "power", "cooling", "generation", "renewable", "battery"]
# Parts of the network that a rack or node may come with: NVLink or its like, NICs, their transceivers.
Included = Literal["scale_up", "nics", "transceivers"]
CoolingMethod = Literal["air", "direct_liquid", "immersion"]
COOLING_METHODS: tuple[CoolingMethod, ...] = ("air", "direct_liquid", "immersion")
Status = Literal["available", "announced", "discontinued", "hypothetical"]

# Stages of the power and cooling chain an item may bring or consume, with the unit of their capacity.
STAGES: dict[str, str] = {
    "white_space": "m2",
    "fit_out": "kW",
    "rack_space": "racks",
    "network": "GPU ports",
    "network_top_layer": "switches",
    "rack_pdu": "kW",
    "busway": "kW",
    "ups": "kW",
    "lv_switchboard": "kW",
    "mv_lv_transformer": "kW",
    "mv_switchgear": "kW",
    "main_transformer": "kW",
    "hv_substation": "kW",
    "cdu": "kW",
    "air_unit": "kW",
    "heat_rejection": "kW",
    "generation": "kW",
    "renewable": "kW",
    "battery": "kW",
}
POWER_STAGES = (
    "rack_pdu",
    "busway",
    "ups",
    "lv_switchboard",
    "mv_lv_transformer",
    "mv_switchgear",
    "main_transformer",
    "hv_substation",
)
COOLING_STAGES = ("cdu", "air_unit", "heat_rejection")

FAST_S = 0.1  # a third of the period of 3 Hz: slower storage arrives when the swing has turned

# Values an item may take from the generic item of its class. Those per unit of rating scale with it.
INHERITED_PER_RATING = ("price_usd", "footprint_m2", "auxiliary_power_kw", "flow_lpm")
INHERITED_AS_IS = (
    "lead_time_weeks",
    "installation_weeks",
    "installation_fraction",
    "economic_life_years",
    "fixed_om_fraction_per_year",
    "payment_order_fraction",
    "payment_delivery_fraction",
    "planning_area_m2",
    "failures_per_year",
    "repair_time_hours",
    "start_failure_fraction",
    "height_m",
    "loss_no_load_fraction",
    "loss_proportional_fraction",
    "loss_square_fraction",
    "approach_k",
    "fan_power_fraction",
    "carnot_efficiency_fraction",
    "condenser_approach_k",
    "free_cooling_approach_k",
    "capacity_derate_fraction_per_k",
    "adiabatic_effectiveness_fraction",
    "derate_fraction_per_k",
    "derate_from_c",
    "derate_fraction_per_300m",
    "derate_from_m",
    "continuous_load_fraction",
    "eddy_current_loss_fraction",
    "ride_through_minutes",
    "variable_om_usd_per_mwh",
    "availability_fraction",
    "start_time_minutes",
    "wear_cost_usd_per_mwh",
    "dc_ac_ratio",
    "fixed_om_usd_per_kw_year",
    "heat_to_liquid_fraction",
    "rack_power_max_kw",
    "floor_load_kg_per_m2",
    "cdu_approach_k",
    "evaporation_l_per_kwh",
    "mobilisation_usd_per_mw",
    "demobilisation_usd_per_mw",
    "minimum_term_months",
    "start_time_minutes",
)
# What sizing needs of every item besides a rating.
NEEDED = (
    "price_usd",
    "lead_time_weeks",
    "footprint_m2",
    "installation_weeks",
    "installation_fraction",
    "economic_life_years",
    "payment_order_fraction",
    "payment_delivery_fraction",
)
# What of it is of no account for what is rented.
BOUGHT = (
    "price_usd",
    "installation_fraction",
    "economic_life_years",
    "payment_order_fraction",
    "payment_delivery_fraction",
)
NEEDED_BY_FAMILY: dict[str, tuple[str, ...]] = {
    "compute": ("gpus", "design_power_kw", "average_power_kw", "heat_to_liquid_fraction"),
    "network": ("gpu_ports", "design_power_kw"),
    "cooling": ("cooling_capacity_kw",),
    "generation": ("nameplate_power_mw", "heat_rate_btu_per_kwh", "variable_om_usd_per_mwh"),
    "renewable": ("nameplate_power_mw",),
    "battery": ("nameplate_power_mw", "nameplate_energy_mwh", "round_trip_efficiency_fraction"),
}


class Item(Strict):
    """A product. Field names end in their unit; see `planner catalog show ITEM` for one with sources."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    family: Family
    item_class: str = Field(alias="class")
    vendor: str
    model: str
    status: Status
    generic: bool = False
    divisible: bool = False  # may be bought in fractions of a unit (solar by MW)
    orderable_from: date | None = None
    brings: tuple[str, ...] = Field(default=(), strict=False)
    consumes: tuple[str, ...] = Field(default=(), strict=False)
    fuel: Literal["natural_gas", "diesel"] | None = None
    permit_class: Literal["emergency", "non_emergency"] | None = None
    tenure: Literal["owned", "rented"] = "owned"
    cooling_method: CoolingMethod | None = None  # of compute; absent: air, or direct_liquid where heat goes to liquid
    accepts: tuple[CoolingMethod, ...] = Field(default=(), strict=False)  # of an enclosure; absent: all
    notes: tuple[str, ...] = Field(default=(), strict=False)

    # every family
    price_usd: Figure | None = None
    price_usd_per_kw: Figure | None = None  # of the rating; becomes price_usd
    lead_time_weeks: Figure | None = None
    installation_weeks: Figure | None = None
    installation_fraction: Figure | None = None  # of the price
    economic_life_years: Figure | None = None
    fixed_om_fraction_per_year: Figure | None = None  # of the price
    payment_order_fraction: Figure | None = None
    payment_delivery_fraction: Figure | None = None  # the rest is paid at commissioning
    footprint_m2: Figure | None = None
    failures_per_year: Figure | None = None  # of a unit that runs; of a machine, forced outages
    repair_time_hours: Figure | None = None  # until it runs again, waiting for parts included
    start_failure_fraction: Figure | None = None  # of a standby set: of the times it is called
    auxiliary_power_kw: Figure | None = None
    weight_kg: Figure | None = None
    height_m: Figure | None = None  # as installed, with stack, bushings or a second storey
    sound_power_dba: Figure | None = None  # level re 1 pW of a unit at full load, in its enclosure
    # compute and network
    gpus: Figure | None = None
    cpus: Figure | None = None
    gpu_ports: Figure | None = None
    design_power_kw: Figure | None = None
    average_power_kw: Figure | None = None
    peak_power_kw: Figure | None = None
    idle_power_kw: Figure | None = None  # switched on, without a job
    pflops_fp4: Figure | None = None  # dense
    pflops_fp8: Figure | None = None
    pflops_bf16: Figure | None = None
    hbm_gb: Figure | None = None
    heat_to_liquid_fraction: Figure | None = None
    coolant_supply_min_c: Figure | None = None  # of the water to the cold plates, as a CDU can deliver it too
    coolant_supply_max_c: Figure | None = None
    coolant_flow_lpm: BySupply | None = None  # of one rack
    coolant_pressure_drop_kpa: BySupply | None = None  # across one rack at that flow
    planning_area_m2: Figure | None = None  # of hall floor, with aisles and service space
    rack_units: Figure | None = None
    includes: tuple[Included, ...] = Field(default=("scale_up", "nics"), strict=False)  # of compute: in its price
    nic_gbps: Figure | None = None  # of compute: to the scale-out fabric, for one GPU
    switch_ports: Figure | None = None  # of the rate its fabric counts in
    fabric: FabricDesign | None = None
    side_network: SideNetwork | None = None
    # enclosures
    white_space_m2: Figure | None = None
    it_power_kw: Figure | None = None
    rack_power_max_kw: Figure | None = None
    floor_load_kg_per_m2: Figure | None = None  # most that its floor carries, as weight over footprint
    cdu_approach_k: Figure | None = None  # coolant over facility water of a pod's CDUs; approach_k is its rejection's
    # power chain; losses as fractions of the rating: no-load, proportional, square
    rating_kw: Figure | None = None
    rating_kva: Figure | None = None  # with rating_kw: both are limits
    continuous_load_fraction: Figure | None = None  # of the rating, for 3 h or more; NEC: 0.8 unless 100 %-rated
    eddy_current_loss_fraction: Figure | None = None  # transformers: P_EC-R of IEEE C57.110, over the ohmic losses
    derate_from_m: Figure | None = None  # height above sea from which derate_fraction_per_300m counts
    loss_no_load_fraction: Figure | None = None
    loss_proportional_fraction: Figure | None = None
    loss_square_fraction: Figure | None = None
    ride_through_minutes: Figure | None = None  # a UPS battery, at the full rating
    # cooling
    cooling_capacity_kw: Figure | None = None
    flow_lpm: Figure | None = None  # of a CDU, at its external head
    external_head_kpa: Figure | None = None  # of a CDU's pumps at that flow, for racks and pipes
    approach_k: Figure | None = None  # at rated capacity: to dry bulb, wet bulb or, for a CDU, the facility water
    fan_power_fraction: Figure | None = None  # kW per kW of heat, fans and pumps
    carnot_efficiency_fraction: Figure | None = None  # chillers: COP over Carnot COP
    condenser_approach_k: Figure | None = None  # chillers: condensing above ambient dry or wet bulb
    free_cooling_approach_k: Figure | None = None  # chillers with a free-cooling coil
    capacity_derate_fraction_per_k: Figure | None = None  # above 35 degC
    adiabatic_effectiveness_fraction: Figure | None = None
    evaporation_l_per_kwh: Figure | None = None
    drift_l_per_kwh: Figure | None = None  # carried away as drops while it evaporates
    # generation
    nameplate_power_mw: Figure | None = None
    heat_rate_btu_per_kwh_lhv: Figure | None = None
    heat_rate_btu_per_kwh_hhv: Figure | None = None
    heat_rate_half_load_btu_per_kwh_lhv: Figure | None = None  # of a unit at half its nameplate; on the same basis
    heat_rate_half_load_btu_per_kwh_hhv: Figure | None = None
    minimum_load_fraction: Figure | None = None  # of the rating of the hour; absent: no such limit
    start_cost_usd: Figure | None = None  # of one unit, without fuel
    start_fuel_mmbtu_hhv: Figure | None = None
    ramp_fraction_per_minute: Figure | None = None  # of nameplate, of a unit that runs
    variable_om_usd_per_mwh: Figure | None = None
    nox_kg_per_mwh: Figure | None = None
    co_kg_per_mwh: Figure | None = None
    voc_kg_per_mwh: Figure | None = None
    pm25_kg_per_mwh: Figure | None = None
    start_time_minutes: Figure | None = None  # from standstill to full load; `high` is what a notice is held against
    derate_fraction_per_k: Figure | None = None
    derate_from_c: Figure | None = None
    derate_fraction_per_300m: Figure | None = None
    availability_fraction: Figure | None = None
    # of a rented generator: all per MW of nameplate, without fuel
    rental_usd_per_mw_month: Figure | None = None  # due whether it runs or not
    mobilisation_usd_per_mw: Figure | None = None  # transport, erection, tie-in
    demobilisation_usd_per_mw: Figure | None = None
    minimum_term_months: Figure | None = None  # rent is due for as long, however soon a unit is returned
    # renewables
    dc_ac_ratio: Figure | None = None
    fixed_om_usd_per_kw_year: Figure | None = None
    # batteries
    nameplate_energy_mwh: Figure | None = None
    round_trip_efficiency_fraction: Figure | None = None
    wear_cost_usd_per_mwh: Figure | None = None  # of energy discharged
    energy_retention_fraction: Curve | None = None  # of the nameplate energy, by years since commissioning
    warranty_cycles_per_year: Figure | None = None  # full ones, of the nameplate energy
    response_s: Figure | None = None  # to full power; see `fast`
    grid_forming: bool = False  # can hold voltage and frequency of an island by itself

    @model_validator(mode="after")
    def _consistent(self) -> Item:
        found = []
        for name in ("brings", "consumes"):
            for i, stage in enumerate(getattr(self, name)):
                if stage not in STAGES:
                    remedy = suggest(stage, STAGES, "write one of " + ", ".join(STAGES))
                    found.append(Rule("unknown stage", remedy, (name, i)))
        for name, figure in self.figures():
            got = figure.planning
            may = ("derate_from_c", "coolant_supply_min_c", "coolant_supply_max_c")
            if name not in may and min(figure.low or 0, got) < 0:
                found.append(Rule("must not be negative", "correct the value", (name,)))
            elif name.endswith(("_fraction", "_fraction_per_year")) and got > 1:
                remedy = "fractions run 0-1" + (f"; write {got / 100:g}" if got <= 100 else "")
                found.append(Rule(f"must be at most 1 (got {got:g})", remedy, (name,)))
        for a, b in (("price_usd", "price_usd_per_kw"),):
            if getattr(self, a) and getattr(self, b):
                found.append(Rule(f"has both {a} and {b}", "keep one of the two", (b,)))
        if "heat_rejection" in self.brings and self.family not in ("cooling", "enclosure", "compute"):
            remedy = "leave it out: it is bought beside it"
            at = ("brings", self.brings.index("heat_rejection"))
            found.append(Rule("only cooling items, pods and boxes may bring heat_rejection", remedy, at))
        for name, family in (("cooling_method", "compute"), ("accepts", "enclosure")):
            if getattr(self, name) and self.family != family:
                found.append(Rule(f"is for family {family}", "remove it", (name,)))
        for name in ("energy_retention_fraction", "warranty_cycles_per_year", "response_s"):
            if getattr(self, name) is not None and self.family != "battery":
                found.append(Rule("is for batteries", "remove it", (name,)))
        for name in ("fabric", "side_network"):
            if getattr(self, name) is not None and self.family != "network":
                found.append(Rule("is for networks", "remove it", (name,)))
        for name in ("price_usd", "price_usd_per_kw", "design_power_kw", "gpu_ports"):
            if self.fabric is not None and getattr(self, name) is not None:
                found.append(Rule("follows from the fabric design", "remove it", (name,), (name, "fabric")))
        if self.heat_rate_btu_per_kwh_lhv and self.heat_rate_btu_per_kwh_hhv:
            found.append(Rule("has an LHV and an HHV heat rate", "keep one", ("heat_rate_btu_per_kwh_hhv",)))
        found += commitment_faults(self) + rental_faults(self)
        require(found)
        return self

    def sourced(self) -> list[tuple[str, Sourced]]:
        """(field, figure or curve) of everything the item has a source for."""
        pairs = ((name, getattr(self, name)) for name in type(self).model_fields)
        return [(name, value) for name, value in pairs if isinstance(value, Sourced)]

    def figures(self) -> list[tuple[str, Figure]]:
        """(field, figure) of every number the item has."""
        return [(name, value) for name, value in self.sourced() if isinstance(value, Figure)]

    def get(self, name: str, default: float | None = None) -> float:
        """Planning value of a field; KeyError when it has none and no default is given."""
        figure: Figure | None = getattr(self, name)
        if figure is not None:
            return figure.planning
        if default is None:
            raise KeyError(f"{self.id} has no {name}")
        return default

    @property
    def design_kw(self) -> float:
        """Power that sizes the chain: the high end of design_power_kw. [kW]"""
        return self.design_power_kw.upper if self.design_power_kw else 0.0

    @property
    def rating(self) -> tuple[float, str] | None:
        """(rating, field name) that scales price and footprint: kW, kVA, MW x 1000, GPU ports or m2."""
        for name in (
            "rating_kw",
            "rating_kva",
            "cooling_capacity_kw",
            "it_power_kw",
            "white_space_m2",
            "gpu_ports",
            "design_power_kw",
        ):
            figure = getattr(self, name)
            if figure is not None and figure.planning > 0:
                return figure.planning, name
        if self.nameplate_power_mw is not None and self.nameplate_power_mw.planning > 0:
            return self.nameplate_power_mw.planning * KW_PER_MW, "nameplate_power_mw"
        return None

    @property
    def evaporates(self) -> bool:
        """Whether it takes water to reject heat: towers, their machines, and coolers with pads."""
        return self.evaporation_l_per_kwh is not None or self.adiabatic_effectiveness_fraction is not None

    @property
    def fast(self) -> bool:
        """Whether it follows the swings of AI load, of which most lie below 3 Hz: full power within FAST_S."""
        return self.response_s is not None and self.response_s.planning <= FAST_S

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps the item from being sized, empty when nothing does."""
        names = list(NEEDED_BY_FAMILY.get(self.family, ())) + list(NEEDED)
        if self.tenure == "rented":
            names = [n for n in names if n not in BOUGHT] + list(RENTAL)
        gone = [n for n in names if n != "heat_rate_btu_per_kwh" and getattr(self, n) is None]
        if "heat_rate_btu_per_kwh" in names and not (self.heat_rate_btu_per_kwh_lhv or self.heat_rate_btu_per_kwh_hhv):
            gone.append("heat_rate_btu_per_kwh_lhv")
        if self.rating is None:
            gone.insert(0, "a rating")
        if not self.brings and self.family != "compute":
            gone.append("brings")
        return tuple(gone)

    @property
    def sizeable(self) -> bool:
        """Whether plans can use it: orderable in principle, with a rating and everything sizing needs."""
        return not self.missing and self.status not in ("discontinued",)
