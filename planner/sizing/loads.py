"""Design loads of the sizing model, from the rack to the medium-voltage bus, and the capacity row of each stage."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property
from typing import Any

import pyomo.environ as pyo

from planner.case.coolant import FLOW_LPM_PER_KW, rack_flow_lpm
from planner.case.item import Item
from planner.families import power
from planner.sizing.fitting import fit
from planner.sizing.options import Option, rejection_key
from planner.sizing.rack_space import RackSpace
from planner.units import KW_PER_MW


def own_tap(item: Item) -> str:
    """Position at which the pumps and fans of an enclosure or a box draw: on the UPS, as those of CDUs are."""
    if item.family not in ("enclosure", "compute"):
        return ""
    return next((s for s in ("cdu", "air_unit") if s in item.brings), "")


class Loads(RackSpace):
    """The chain at design load."""

    def stages(self) -> None:
        """Design load of every position, from the rack to the medium-voltage bus, and its capacity row."""
        m = self.m
        self.design: dict[tuple[str, int], Any] = {}
        self.top_layer_steps()
        self.node_racks()
        m.stage_capacity = pyo.Constraint(pyo.Any)
        loops = {loop: [r for r in self.plant.rejections if r.loop == loop] for loop in ("liquid", "air")}
        m.heat_assigned = pyo.Var(
            [(r.key, p) for rs in loops.values() if len(rs) > 1 for r in rs for p in self.periods],
            within=pyo.NonNegativeReals,
        )
        m.heat_assignment = pyo.ConstraintList()
        for p in self.periods:
            self._loads(p, loops)
        self._ride_through()
        fit(self)
        for (position, p), load in self.design.items():
            if isinstance(load, float | int) and load == 0:
                continue
            capacity = self.firm_capacity(position, p)
            if position == "white_space":
                capacity = capacity + m.slack["hall", p]
            elif position in power.CHAIN or position in ("cdu", "air_unit", "fit_out"):
                capacity = capacity + m.slack["equipment", p]
            elif position == "cdu_flow":
                capacity = capacity + FLOW_LPM_PER_KW * KW_PER_MW * m.slack["equipment", p]
            if not self.position_exists(position):
                if position.startswith("heat_rejection"):
                    m.stage_capacity[position, p] = load <= m.slack["equipment", p]
                continue
            m.stage_capacity[position, p] = load <= capacity

    def _ride_through(self) -> None:
        """Batteries of the UPS that carry load, at the minutes of their full rating, hold it for the time asked."""
        m, minutes = self.m, self.case.input.power_chain.ride_through_minutes
        m.ride_through = pyo.ConstraintList()
        if minutes is None or not self.plant.racks:
            return
        for p in self.periods:
            held = sum(
                o.item.get("ride_through_minutes") * o.supplies["ups"] * self.sets_of(o, p)
                for o in self.options
                if "ups" in o.supplies
            )
            m.ride_through.add(minutes * (self.design["ups", p] - m.slack["equipment", p]) <= held)

    def sets_of(self, o: Option, p: int) -> Any:
        """Sets of an option that carry load; boxes that run, for compute that brings its own."""
        return self.m.energised[o.key, p] if o.item.family == "compute" else self.m.sets[o.key, p]

    @property
    def has_hall(self) -> bool:
        """Whether a hall stands already."""
        return self.case.input.site.hall.existing_m2 > 0

    @cached_property
    def rack_items(self) -> tuple[Item, ...]:
        """Racks and tanks that nodes may stand in."""
        return tuple(power.stage_items(self.case, "rack_space"))

    def position_exists(self, position: str) -> bool:
        if position == "cdu_flow":
            return self.position_exists("cdu")
        return any(position in o.supplies for o in self.options) or position == "white_space"

    def capacity(self, position: str, p: int, *, reused: bool = True) -> Any:
        """Firm capacity standing at a position. reused: units that have another role beside included."""
        terms = []
        for o in self.options:
            per_set = o.flow_lpm if position == "cdu_flow" else o.supplies.get(position)
            if not per_set or (o.reuses and not reused):
                continue
            terms.append(per_set * self.sets_of(o, p))
        return sum(terms)

    def firm_capacity(self, position: str, p: int) -> Any:
        """Capacity of a position with what the site already has."""
        return self.capacity(position, p) + (self.existing_hall(p) if position == "white_space" else 0.0)

    def existing_hall(self, p: int) -> float:
        """White space of the existing hall, once it is ready and its first block commissioned. [m2]"""
        hall, commissioning = self.case.input.site.hall, self.case.input.commissioning
        if not self.has_hall:
            return 0.0
        ready = max(hall.ready or self.case.timeline.start, self.case.gates.get("white_space", date.min))
        wait = commissioning.weeks + commissioning.rack_burn_in_weeks
        return hall.existing_m2 if self.case.timeline.first_period(ready + timedelta(weeks=wait)) <= p else 0.0

    def standing(self, stage: str, p: int) -> Any:
        """No-load losses of a power stage's units that are switched on. [MW]"""
        return sum(
            rate * power.rating_mw(self.case, o.item, stage) * self.energised_units(o, p)
            for o in self.options
            if stage in o.supplies and (rate := power.no_load_fraction(o.item, stage))
        )

    def auxiliaries(self, position: str, p: int) -> Any:
        """Constant draw of the units at a position. [MW]"""
        return sum(
            o.item.get("auxiliary_power_kw", 0.0) / 1000.0 * self.energised_units(o, p)
            for o in self.options
            if position in o.supplies and (o.item.family == "cooling" or position == own_tap(o.item))
        )

    def network_mw(self, p: int) -> Any:
        """Draw of the network units that are switched on. [MW]"""
        return sum(
            o.item.design_kw / 1000.0 * self.energised_units(o, p) for o in self.options if o.item.family == "network"
        )

    def _loads(self, p: int, loops: dict[str, list[Any]]) -> None:
        m, design, racks = self.m, self.design, self.plant.racks
        if not racks:
            design["mv_bus", p] = self.series_peak_mw(p)
            self._standby(p)
            self._battery_transformers(p)
            return
        run = {r.item.id: m.energised[r.item.id, p] for r in racks}
        network = self.network_mw(p)
        it = sum(r.design_mw * run[r.item.id] for r in racks)
        design["it", p] = it
        design["network", p] = sum(r.gpus * run[r.item.id] for r in racks if "network" in r.item.consumes)
        if self.case.fabric is not None:
            design["network_top_layer", p] = self.top_layer(self.case.fabric, p)
        design["rack_space", p] = self.racks_needed(p)
        area = sum(
            r.item.get("planning_area_m2", r.item.get("footprint_m2")) * run[r.item.id]
            for r in racks
            if "white_space" in r.item.consumes
        )
        area = area + sum(
            o.item.get("planning_area_m2", o.item.get("footprint_m2")) * self.units(o, p)
            for o in self.options
            if "rack_space" in o.supplies
        )
        area = area + self.network_floor_m2(p)
        design["white_space", p] = area
        design["fit_out", p] = it + network
        stages = {stage.name: stage for stage in self.plant.stages}

        def through(name: str, load: Any) -> Any:
            """Load upstream of a stage; records the design load at it."""
            design[name, p] = load
            if name not in stages:
                return load
            return load * (1.0 + stages[name].design_loss) + self.standing(name, p)

        on_pdu = sum(r.design_mw * run[r.item.id] for r in racks if "rack_pdu" in r.item.consumes)
        load = through("rack_pdu", on_pdu) + it - on_pdu + network
        load = through("busway", load)
        pumps, fans = self.auxiliaries("cdu", p), self.auxiliaries("air_unit", p)
        load = through("ups", load + pumps + fans)
        liquid = sum(r.liquid_fraction * r.design_mw * run[r.item.id] for r in racks)
        air = load - liquid - pumps - fans  # all that enters the room; air units are rated net of their own fans
        design["cdu", p], design["air_unit", p] = liquid, air
        supply_c = self.case.input.cooling.coolant_supply_c
        design["cdu_flow", p] = sum(rack_flow_lpm(r.item, supply_c) * run[r.item.id] for r in racks)
        load = through("lv_switchboard", load)
        for loop, heat in (("liquid", liquid + pumps), ("air", air + fans)):
            load = load + self._rejection_power(p, loop, heat, loops[loop])
        load = through("mv_lv_transformer", load)
        design["mv_bus", p] = through("mv_switchgear", load)
        self._standby(p)
        self._battery_transformers(p)

    def _standby(self, p: int) -> None:
        policy = self.case.redundancy.get("standby_generation")
        if policy is not None:
            self.design["standby_generation", p] = policy.covers * self.design["mv_bus", p]

    def _battery_transformers(self, p: int) -> None:
        self.design["battery_transformer", p] = sum(
            b.power_mw * self.units(self.option(b.item.id), p)
            for b in self.plant.batteries
            if "mv_lv_transformer" in b.item.consumes
        )

    def _rejection_power(self, p: int, loop: str, heat: Any, options: list[Any]) -> Any:
        """Records the heat each rejection item must carry; returns the power drawn at design. [MW]"""
        position = f"heat_rejection:{loop}"
        self.design[position, p] = heat
        extra = self.auxiliaries(position, p)
        if len(options) <= 1:
            return heat * (options[0].design_power_fraction if options else 0.0) + extra
        m = self.m
        for r in options:
            o = self.option(rejection_key(r.item, loop))
            m.heat_assignment.add(m.heat_assigned[r.key, p] <= o.supplies[position] * self.sets_of(o, p))
        m.heat_assignment.add(sum(m.heat_assigned[r.key, p] for r in options) >= heat)
        return sum(r.design_power_fraction * m.heat_assigned[r.key, p] for r in options) + extra
