"""The sizing model: what to buy, how many, ordered when. A Pyomo MIP without any hours.

Index order: option, period. Period 0 .. P-1 are build months, P the operating years. Money in thousand USD.

Variables
    bought[o,k]      units of option o ordered by its k-th order day, cumulative     integer (or divisible)
    sets[o,p]        smallest firm additions of o that carry load (one unit, a pair, 4 to make 3) integer
    groups[o,p]      groups those sets are in, each with its spares                   integer
    energised[i,p]   racks or nodes of compute option i that run                      integer
    blocks[p]        commissioning blocks completed                                   integer
    present[j,p]     whether generator type j stands                                  binary
    substation[p]    whether import goes through the substation                       binary
    grid[p], firm_generation[p], heat_assigned[...]                                   MW
    link[p,c]        linking vector of the operating blocks
    cost[p], operating_cost[m]   cost of a build month and of a month of the operating year, above the cuts

Constraints (each under this name in the model and the LP file)
    bought_in_order          cumulative orders never fall
    bought_multiple          orders come in the vendor's multiples
    sets_in_service          units in service cover the sets that carry load and the spares of their groups
    sets_in_groups           no group holds more sets than it may
    energised_on_site        racks run after delivery, installation and burn-in
    energised_stay           racks that run keep running
    stage_capacity           firm capacity of a position covers the design load there
    commissioned_blocks      design IT power fits the completed blocks
    commissioned_equipment   a block is tested on equipment that stands
    commissioning_crews      no more blocks in any stretch of time than crews can do
    grid_step                import limit of the date
    grid_through_substation  import limited by firm transformers and bays
    firm_source              grid and firm generation cover the design load, solar, wind and batteries zero
    firm_generation_*        generation less its largest units
    supply_quarter           deliveries within the vendor's allocation
    budget                   cumulative cash, operation included
    yard_area, land_area     outdoor space
    milestone                compute running by a date, net of spares
    linking                  the linking vector from the counts
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pyomo.environ as pyo

from planner.case.case import Case, quarter_bounds
from planner.case.schema import Milestone
from planner.families import compute, power
from planner.finance import discount_factor
from planner.ledger import Cash, cash_by, fixed_flows, fixed_om, month_weights, on_site_ready, present_value
from planner.operation.blocks import Plant
from planner.sizing.options import USD_PER_KUSD, Option, options_of

OUTDOOR_STAGES = (
    "heat_rejection",
    "generation",
    "battery",
    "mv_lv_transformer",
    "main_transformer",
    "hv_substation",
    "mv_switchgear",
)
# Limits that may be relaxed to see what stands in the way, with the unit of their shortfall.
LIMITS = {
    "milestones": "GPUs",
    "grid": "MW",
    "budget": "million USD",
    "supply": "units",
    "hall": "m2",
    "yard": "m2",
    "land": "m2",
    "commissioning": "MW",
    "equipment": "MW",
}


@dataclass
class Sizing:
    """The Pyomo model with what is needed to read it."""

    case: Case
    plant: Plant
    options: tuple[Option, ...]
    model: pyo.ConcreteModel
    periods: range
    constant_kusd: float  # present value of the flows no decision changes
    forced_compute_kusd: float  # proven least cost of the compute every plan must buy
    design: dict[tuple[str, int], Any]  # (position, period) -> design load expression
    capacity_of: Callable[[str, int], Any]  # firm capacity expression of a position in a period
    running: Callable[[Milestone, int], Any]  # what runs in a milestone's measure, net of spares
    energised_units: Callable[[Option, int], Any]  # units switched on, with the spares of their groups
    committed_om: list[tuple[str, Cash]]  # fixed O&M of what is already bought
    levels: dict[str, Any] = field(default_factory=dict)  # objective name -> expression

    def option(self, key: str) -> Option:
        """Option by key."""
        return next(o for o in self.options if o.key == key)


def build_sizing(plant: Plant, *, relax: Iterable[str] = (), milestones: bool = True) -> Sizing:
    """Build the sizing model of a case.

    relax: names of LIMITS that get a slack, for explaining an infeasible case; the objective is then the
    slacks. milestones=False leaves the milestones out (max_gpus by a date).
    """
    case = plant.case
    m = pyo.ConcreteModel(name="sizing")
    options = options_of(plant)
    s = _Build(case, plant, options, m, set(relax))
    s.counts()
    s.compute_rows()
    s.stages()
    s.commissioning()
    s.sources()
    s.supply()
    s.areas()
    if milestones:
        s.milestones()
    s.linking()
    s.money()
    sizing = Sizing(
        case,
        plant,
        options,
        m,
        s.periods,
        s.constant_kusd,
        s.forced_compute_kusd(),
        s.design,
        s.firm_capacity,
        s.running,
        s.energised_units,
        s.committed_om(),
    )
    s.objectives(sizing)
    return sizing


class _Build:
    def __init__(
        self, case: Case, plant: Plant, options: tuple[Option, ...], m: pyo.ConcreteModel, relax: set[str]
    ) -> None:
        self.case, self.plant, self.options, self.m, self.relax = case, plant, options, m, relax
        self.last = case.timeline.last_period
        self.periods = range(self.last + 1)
        self.racks = {r.item.id: r for r in plant.racks}
        self.constant_kusd = 0.0
        m.slack = pyo.Var(list(LIMITS), range(self.last + 2), within=pyo.NonNegativeReals)
        for name in LIMITS:
            if name not in self.relax:
                for p in range(self.last + 2):
                    m.slack[name, p].fix(0.0)

    # -- counts --------------------------------------------------------------------------------------------

    def counts(self) -> None:
        m, case = self.m, self.case
        orders = [(o.key, k) for o in self.options for k in range(len(o.orders))]
        m.bought = pyo.Var(orders, within=pyo.NonNegativeReals)
        m.lots = pyo.Var(
            [(o.key, k) for o in self.options if o.multiple > 1 for k in range(len(o.orders))],
            within=pyo.NonNegativeIntegers,
        )
        most_sets = {o.key: self.most_sets(o) for o in self.options if o.supplies and o.item.family != "compute"}
        m.bought_in_order = pyo.ConstraintList()
        m.bought_multiple = pyo.ConstraintList()
        for o in self.options:
            for k in range(len(o.orders)):
                if o.multiple > 1:
                    m.lots[o.key, k].setub(self.most_units(o) // o.multiple)
                    m.bought_multiple.add(m.bought[o.key, k] == o.multiple * m.lots[o.key, k])
                elif not o.item.divisible:
                    m.bought[o.key, k].domain = pyo.NonNegativeIntegers
                if not o.item.divisible:
                    m.bought[o.key, k].setub(self.most_units(o))
                if k:
                    m.bought_in_order.add(m.bought[o.key, k] >= m.bought[o.key, k - 1])
        grouped = [o for o in self.options if o.supplies and o.item.family != "compute"]
        m.sets = pyo.Var([(o.key, p) for o in grouped for p in self.periods], within=pyo.NonNegativeIntegers)
        spared = [o for o in grouped if o.group.spares_per_group]
        m.groups = pyo.Var([(o.key, p) for o in spared for p in self.periods], within=pyo.NonNegativeIntegers)
        m.sets_in_service = pyo.ConstraintList()
        m.sets_in_groups = pyo.ConstraintList()
        for o in grouped:
            for p in self.periods:
                needed = o.group.units_per_set * m.sets[o.key, p]
                if o.group.spares_per_group:
                    needed = needed + o.group.spares_per_group * m.groups[o.key, p]
                    most = o.group.sets_per_group or most_sets[o.key]
                    m.sets_in_groups.add(m.sets[o.key, p] <= most * m.groups[o.key, p])
                    m.groups[o.key, p].setub(math.ceil(most_sets[o.key] / most))
                m.sets[o.key, p].setub(most_sets[o.key])
                m.sets_in_service.add(self.units(o, p) >= needed)
                if o.order_index(p) < 0 and not o.committed[p]:
                    m.sets[o.key, p].fix(0)

    def units(self, o: Option, p: int) -> Any:
        """Units of an option in service in a period."""
        k = o.order_index(p)
        return o.committed[p] + (self.m.bought[o.key, k] if k >= 0 else 0.0)

    def energised_units(self, o: Option, p: int) -> Any:
        """Units of a grouped option that are switched on; the rest in service stand idle and lose nothing."""
        if (o.key, p) not in self.m.sets:
            return self.units(o, p)
        spares = o.group.spares_per_group * self.m.groups[o.key, p] if o.group.spares_per_group else 0.0
        return o.group.units_per_set * self.m.sets[o.key, p] + spares

    # Upper bounds keep the integers' ranges short: the solver's work on a column grows with its range.

    def most_sets(self, o: Option) -> int:
        """Upper bound of the sets of an option any sensible plan holds."""
        need = max(self.most_load(position) / per_set for position, per_set in o.supplies.items() if per_set > 0)
        return math.ceil(need) + 1 + max(o.committed)

    def most_units(self, o: Option) -> int:
        """Upper bound of the units of an option any sensible plan buys."""
        if o.item.family == "compute":
            return o.multiple * math.ceil(self.most_racks(o.item.id) / o.multiple)
        if o.supplies:
            sets = self.most_sets(o)
            groups = math.ceil(sets / o.group.sets_per_group) if o.group.sets_per_group else 1
            most = sets * o.group.units_per_set + groups * o.group.spares_per_group
        elif o.item.family == "battery":  # a day of the whole load
            most = math.ceil(24.0 * self.most_mw() / o.item.get("nameplate_energy_mwh")) + 1
        else:
            scheme = self.case.stage_redundancy("onsite_generation")
            firm = [g.firm_mw for g in self.plant.generators if g.item.id == o.item.id]
            most = math.ceil(self.most_mw() / max(min(firm, default=1.0), 1e-3)) + 1 + (scheme.spares if scheme else 0)
        return o.multiple * math.ceil(most / o.multiple)

    def most_racks(self, item_id: str) -> int:
        """Upper bound of the racks of an item: what targets ask for, or what is supplied."""
        rack = self.racks[item_id]
        option = next(o for o in self.options if o.key == item_id)
        committed = max(option.committed)
        supply = self.case.input.supply.get(item_id)
        if supply is not None:
            return sum(supply.values()) + committed
        spares = 1.0 + self.case.input.spares.racks_fraction
        needed = [
            target_of(milestone) * spares / per_rack
            for milestone in self.case.input.target.milestones
            if (per_rack := contribution(rack, milestone)) > 0
        ]
        most = math.ceil(max(needed, default=0.0)) + option.multiple
        if self.case.input.objective.kind == "max_gpus":
            money = max((b.usd for b in self.case.input.budget), default=0.0)
            most = max(most, math.ceil(money / max(rack.item.get("price_usd"), 1.0)))
        return most + committed

    def most_load(self, position: str) -> float:
        """Upper bound of the design load at a position, in its unit."""
        racks = [(r, self.most_racks(i)) for i, r in self.racks.items()]
        if position == "network":
            return float(sum(r.gpus * n for r, n in racks))
        if position == "rack_space":
            return float(sum(n for _, n in racks))
        if position == "white_space":
            area = sum(r.item.get("planning_area_m2", r.item.get("footprint_m2")) * n for r, n in racks)
            return area + 5.0 * sum(n for _, n in racks)
        if position == "battery_transformer":
            return 6.0 * self.most_mw()
        return self.most_mw()

    def most_mw(self) -> float:
        """Upper bound of the site's design load. [MW]"""
        series = self.case.load_series_mw
        racks = sum(self.most_racks(i) * r.design_mw for i, r in self.racks.items())
        return max(1.8 * racks, float(series.max()) * 1.2 if series is not None else 0.0, 1.0)

    # -- compute -------------------------------------------------------------------------------------------

    def compute_rows(self) -> None:
        m, case = self.m, self.case
        index = [(o.key, p) for o in self.options if o.item.family == "compute" for p in self.periods]
        m.energised = pyo.Var(index, within=pyo.NonNegativeIntegers)
        m.energised_on_site = pyo.ConstraintList()
        m.energised_stay = pyo.ConstraintList()
        gate = case.timeline.first_period(case.gates.get("energisation", date.min))
        for key, p in index:
            m.energised[key, p].setub(self.most_racks(key))
            units = self.units(self._option(key), p)
            if p < gate or (isinstance(units, float | int) and units == 0):
                m.energised[key, p].fix(0)
                continue
            m.energised_on_site.add(m.energised[key, p] <= units)
            if p:
                m.energised_stay.add(m.energised[key, p] >= m.energised[key, p - 1])

    def _option(self, key: str) -> Option:
        return next(o for o in self.options if o.key == key)

    # -- stages --------------------------------------------------------------------------------------------

    def stages(self) -> None:
        """Design load of every position, from the rack to the medium-voltage bus, and its capacity row."""
        m = self.m
        self.design: dict[tuple[str, int], Any] = {}
        m.stage_capacity = pyo.Constraint(pyo.Any)
        loops = {loop: [r for r in self.plant.rejections if r.loop == loop] for loop in ("liquid", "air")}
        m.heat_assigned = pyo.Var(
            [(r.key, p) for rs in loops.values() if len(rs) > 1 for r in rs for p in self.periods],
            within=pyo.NonNegativeReals,
        )
        m.heat_assignment = pyo.ConstraintList()
        for p in self.periods:
            self._loads(p, loops)
        for (position, p), load in self.design.items():
            if isinstance(load, float | int) and load == 0:
                continue
            capacity = self.firm_capacity(position, p)
            if position == "white_space":
                capacity = capacity + m.slack["hall", p]
            elif position in power.CHAIN or position in ("cdu", "air_unit", "fit_out"):
                capacity = capacity + m.slack["equipment", p]
            if not self._position_exists(position):
                if position.startswith("heat_rejection"):
                    m.stage_capacity[position, p] = load <= m.slack["equipment", p]
                continue
            m.stage_capacity[position, p] = load <= capacity

    def _position_exists(self, position: str) -> bool:
        return any(position in o.supplies for o in self.options) or position == "white_space"

    def capacity(self, position: str, p: int) -> Any:
        """Firm capacity standing at a position."""
        terms = []
        for o in self.options:
            per_set = o.supplies.get(position)
            if not per_set:
                continue
            count = self.m.energised[o.key, p] if o.item.family == "compute" else self.m.sets[o.key, p]
            terms.append(per_set * count)
        return sum(terms)

    def firm_capacity(self, position: str, p: int) -> Any:
        """Capacity of a position with what the site already has."""
        return self.capacity(position, p) + (self.existing_hall(p) if position == "white_space" else 0.0)

    def existing_hall(self, p: int) -> float:
        """White space of the existing hall, once it is ready and its first block commissioned. [m2]"""
        hall, commissioning = self.case.input.site.hall, self.case.input.commissioning
        if not hall.existing_m2:
            return 0.0
        ready = max(hall.ready or self.case.timeline.start, self.case.gates.get("white_space", date.min))
        wait = commissioning.weeks + commissioning.rack_burn_in_weeks
        return hall.existing_m2 if self.case.timeline.first_period(ready + timedelta(weeks=wait)) <= p else 0.0

    def standing(self, stage: str, p: int) -> Any:
        """No-load losses of a power stage's units that are switched on. [MW]"""
        pf = self.case.input.site.grid.power_factor
        return sum(
            rate * power.rating_mw(o.item, stage, pf) * self.energised_units(o, p)
            for o in self.options
            if stage in o.supplies and o.item.family != "compute" and (rate := power.no_load_fraction(o.item, stage))
        )

    def auxiliaries(self, position: str, p: int) -> Any:
        """Constant draw of the units at a position. [MW]"""
        return sum(
            o.item.get("auxiliary_power_kw", 0.0) / 1000.0 * self.energised_units(o, p)
            for o in self.options
            if position in o.supplies and o.item.family == "cooling"
        )

    def network_mw(self, p: int) -> Any:
        """Draw of the network units that are switched on. [MW]"""
        return sum(
            o.item.design_kw / 1000.0 * self.energised_units(o, p) for o in self.options if o.item.family == "network"
        )

    def _loads(self, p: int, loops: dict[str, list[Any]]) -> None:
        m, design, racks = self.m, self.design, self.plant.racks
        if not racks:
            design["mv_bus", p] = float(self.case.load_series_mw.max()) if self.case.load_series_mw is not None else 0.0
            self._battery_transformers(p)
            return
        run = {r.item.id: m.energised[r.item.id, p] for r in racks}
        network = self.network_mw(p)
        it = sum(r.design_mw * run[r.item.id] for r in racks)
        design["it", p] = it
        design["network", p] = sum(r.gpus * run[r.item.id] for r in racks if "network" in r.item.consumes)
        rack_item = next((self.case.catalog[i] for i in self.case.candidates.get("rack_space", ())), None)
        in_racks = {
            r.item.id: compute.nodes_per_rack(r.item, rack_item)
            for r in racks
            if rack_item is not None and "rack_space" in r.item.consumes
        }
        design["rack_space", p] = sum(run[i] / n for i, n in in_racks.items() if n)
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
        liquid = sum(r.liquid_fraction * r.design_mw * run[r.item.id] for r in racks)
        indoor = sum(s.design_loss for s in self.plant.stages if s.name in ("rack_pdu", "busway", "ups"))
        air = it - liquid + network + indoor * it
        design["cdu", p], design["air_unit", p] = liquid, air
        load = through("ups", load + self.auxiliaries("cdu", p) + self.auxiliaries("air_unit", p))
        load = through("lv_switchboard", load)
        for loop, heat in (("liquid", liquid), ("air", air)):
            load = load + self._rejection_power(p, loop, heat, loops[loop])
        load = through("mv_lv_transformer", load)
        design["mv_bus", p] = through("mv_switchgear", load)
        scheme = self.case.redundancy.get("standby_generation")
        if scheme is not None:
            design["standby_generation", p] = scheme.covers * design["mv_bus", p]
        self._battery_transformers(p)

    def _battery_transformers(self, p: int) -> None:
        self.design["battery_transformer", p] = sum(
            b.power_mw * self.units(self._option(b.item.id), p)
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
            o = self._option(f"{r.item.id}@{loop}")
            m.heat_assignment.add(m.heat_assigned[r.key, p] <= o.supplies[position] * m.sets[o.key, p])
        m.heat_assignment.add(sum(m.heat_assigned[r.key, p] for r in options) >= heat)
        return sum(r.design_power_fraction * m.heat_assigned[r.key, p] for r in options) + extra

    # -- commissioning -------------------------------------------------------------------------------------

    def commissioning(self) -> None:
        m, case = self.m, self.case
        rules = case.input.commissioning
        if not self.plant.racks or rules.weeks == 0:
            return
        most_blocks = math.ceil(self.most_mw() / rules.block_mw)
        m.blocks = pyo.Var(self.periods, within=pyo.NonNegativeIntegers, bounds=(0, most_blocks))
        m.commissioned_blocks = pyo.Constraint(
            self.periods,
            rule=lambda m, p: self.design["it", p] <= rules.block_mw * m.blocks[p] + m.slack["commissioning", p],
        )
        m.commissioned_equipment = pyo.ConstraintList()
        for p in self.periods:
            for position in ("fit_out", "ups", "mv_lv_transformer"):
                if self._position_exists(position):  # a begun block counts as one
                    m.commissioned_equipment.add(
                        rules.block_mw * (m.blocks[p] - 0.999) <= self.capacity(position, p) + m.slack["equipment", p]
                    )
        m.commissioning_crews = pyo.ConstraintList()
        starts = case.timeline.starts
        days = rules.weeks * 7.0
        most = {}
        for q in self.periods:
            done = rules.blocks_in_parallel * math.floor((starts[q] - case.timeline.start).days / days + 1e-9)
            m.commissioning_crews.add(m.blocks[q] <= done)
            for p in range(q - 1, -1, -1):
                most[p, q] = rules.blocks_in_parallel * math.ceil((starts[q] - starts[p]).days / days - 1e-9)
                # A window that two shorter ones imply says nothing new.
                if all(most[p, r] + most[r, q] > most[p, q] for r in range(p + 1, q)):
                    m.commissioning_crews.add(m.blocks[q] - m.blocks[p] <= most[p, q])

    # -- sources -------------------------------------------------------------------------------------------

    def sources(self) -> None:
        """Grid steps, substation, firm generation, and the firm-source row."""
        m, case, last = self.m, self.case, self.last
        m.grid = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.substation = pyo.Var(self.periods, within=pyo.Binary)
        m.firm_generation = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.grid_step = pyo.ConstraintList()
        m.grid_through_substation = pyo.ConstraintList()
        chain = [s for s in ("main_transformer", "hv_substation") if self._position_exists(s)]
        for p in self.periods:
            feeders, total = grid_steps(case, p)
            m.grid_step.add(m.grid[p] <= feeders + (total - feeders) * m.substation[p] + m.slack["grid", p])
            if total <= feeders:
                m.substation[p].fix(0)
            for stage in chain:
                m.grid_through_substation.add(
                    m.grid[p] <= feeders * (1 - m.substation[p]) + self.capacity(stage, p) + m.slack["grid", p]
                )
        machines = self.plant.generators
        scheme = case.stage_redundancy("onsite_generation")
        spares = scheme.spares if scheme is not None else 0
        m.present = pyo.Var(
            [(g.item.id, p) for g in machines for p in self.periods if spares or self.plant.spinning_reserve],
            within=pyo.Binary,
        )
        m.firm_generation_total = pyo.ConstraintList()
        m.firm_generation_spare = pyo.ConstraintList()
        m.firm_source = pyo.ConstraintList()
        adequate_by_hour = case.load_series_mw is not None and not case.input.target.milestones
        for p in self.periods:
            total = sum(g.firm_mw * self.units(self._option(g.item.id), p) for g in machines)
            m.firm_generation_total.add(m.firm_generation[p] <= total)
            for g in machines:
                if (g.item.id, p) not in m.present:
                    continue
                o = self._option(g.item.id)
                most = self.most_units(o) + max(o.committed)
                m.firm_generation_spare.add(self.units(self._option(g.item.id), p) <= most * m.present[g.item.id, p])
                if spares:
                    m.firm_generation_spare.add(
                        m.firm_generation[p] <= total - spares * g.firm_mw * m.present[g.item.id, p]
                    )
            if adequate_by_hour:
                continue  # a plain load series is served hour by hour in the blocks
            loss = self.plant.import_loss_fraction
            m.firm_source.add(
                m.grid[p] * (1.0 - loss) - self.standing("main_transformer", p) + m.firm_generation[p]
                >= self.design["mv_bus", p]
            )
        assert last in self.periods

    # -- limits --------------------------------------------------------------------------------------------

    def supply(self) -> None:
        m = self.m
        m.supply_quarter = pyo.ConstraintList()
        for item_id, quarters in self.case.input.supply.items():
            sharing = [o for o in self.options if o.item.id == item_id and o.orders]
            for quarter, units in quarters.items():
                first, after = quarter_bounds(quarter)
                delivered = []
                for o in sharing:
                    inside = [k for k, order in enumerate(o.orders) if first <= order.dates.delivered < after]
                    if inside:
                        before = m.bought[o.key, inside[0] - 1] if inside[0] else 0.0
                        delivered.append(m.bought[o.key, inside[-1]] - before)
                if delivered:
                    p = max(self.case.timeline.period_of(first), 0)
                    m.supply_quarter.add(sum(delivered) <= units + m.slack["supply", p])

    def areas(self) -> None:
        m, site = self.m, self.case.input.site
        m.yard_area, m.land_area = pyo.ConstraintList(), pyo.ConstraintList()
        for p in self.periods:
            outdoor = sum(
                o.item.get("footprint_m2") * self.units(o, p)
                for o in self.options
                if o.item.family != "compute"
                and "white_space" not in o.supplies
                and "ups" not in o.supplies
                and (
                    o.item.family in ("generation", "battery")
                    or any(
                        pos.split(":")[0] in (*OUTDOOR_STAGES, "battery_transformer", "standby_generation")
                        for pos in o.supplies
                    )
                )
            )
            land = sum(
                o.item.get("footprint_m2") * self.units(o, p)
                for o in self.options
                if o.item.family in ("renewable", "enclosure")
            )
            if site.hall.yard_m2 is not None:
                m.yard_area.add(outdoor <= site.hall.yard_m2 + m.slack["yard", p])
            if site.land_m2 is not None:
                m.land_area.add(land <= site.land_m2 + m.slack["land", p])

    def milestones(self) -> None:
        m, case = self.m, self.case
        m.milestone = pyo.ConstraintList()
        targets = case.input.target.milestones
        earliest = case.input.objective.kind == "earliest" and not self.relax
        if earliest:
            m.reached = pyo.Var(self.periods, within=pyo.Binary)
            m.reached_stays = pyo.ConstraintList()
            for p in self.periods:
                if p:
                    m.reached_stays.add(m.reached[p] >= m.reached[p - 1])
        for i, milestone in enumerate(targets):
            free = earliest and i == len(targets) - 1
            first = 0 if free else case.timeline.period_of(milestone.by)
            for p in range(first, self.last + 1):
                running = self.running(milestone, p)
                needed = target_of(milestone)
                if free:
                    m.milestone.add(running >= needed * m.reached[p])
                else:
                    m.milestone.add(running + m.slack["milestones", p] >= needed)

    def running(self, milestone: Milestone, p: int) -> Any:
        """What runs in a period in the milestone's measure, net of spares."""
        spares = 1.0 + self.case.input.spares.racks_fraction
        return sum(contribution(r, milestone) / spares * self.m.energised[r.item.id, p] for r in self.plant.racks)

    # -- linking and money ---------------------------------------------------------------------------------

    def linking(self) -> None:
        m = self.m
        m.link = pyo.Var(self.periods, self.plant.links, within=pyo.NonNegativeReals)
        m.linking = pyo.Constraint(pyo.Any)
        for store in self.plant.batteries:
            name = store.item.id
            m.link[0, f"soc_start:{name}"].fix(0.0)
        edges = [f"soc_{side}:{b.item.id}" for b in self.plant.batteries for side in ("start", "end")]
        m.edge_link = pyo.Var(range(12), edges, within=pyo.NonNegativeReals)
        self._edges()
        for p in self.periods:
            for name, value in self._components(p).items():
                m.linking[p, name] = m.link[p, name] == value

    def _edges(self) -> None:
        """State of charge between months: build months in a row from empty, the operating year in a circle."""
        m, last = self.m, self.last
        m.edges = pyo.ConstraintList()
        for store in self.plant.batteries:
            start, end = f"soc_start:{store.item.id}", f"soc_end:{store.item.id}"
            for p in range(last):
                m.edges.add(m.link[p, end] <= store.hours * m.link[p, store.key])
                if p:
                    m.edges.add(m.link[p, start] == m.link[p - 1, end])
            # What the operating year starts from was charged during the build.
            if last:
                m.edges.add(m.edge_link[0, start] <= m.link[last - 1, end])
            sampled = self.case.input.horizon.sample_days_per_month is not None
            for p in range(last) if sampled else ():  # a sample may not hoard energy for days it leaves out
                m.edges.add(m.link[p, end] == m.link[p, start])
            for k in range(12):
                if sampled:
                    m.edges.add(m.edge_link[k, end] == m.edge_link[k, start])
                m.edges.add(m.edge_link[k, end] == m.edge_link[(k + 1) % 12, start])
                m.edges.add(m.edge_link[k, end] <= store.hours * m.link[last, store.key])
            m.link[last, start].fix(0.0)
            m.link[last, end].fix(0.0)

    def _components(self, p: int) -> dict[str, Any]:
        """Linking component -> expression in the counts of a period."""
        m, case, plant = self.m, self.case, self.plant
        values: dict[str, Any] = {"one": 1.0, "grid_mw": m.grid[p], "contract_mw": grid_steps(case, p)[1]}
        if plant.racks:
            values |= self._load_components(p)
        for loop in ("liquid", "air"):
            options = [r for r in plant.rejections if r.loop == loop]
            if len(options) > 1:
                for r in options:
                    o = self._option(f"{r.item.id}@{loop}")
                    values[r.key] = r.capacity_mw * self.energised_units(o, p)
        for g in plant.generators:
            values[g.key] = g.nameplate_mw * self.units(self._option(g.item.id), p)
        for r in plant.renewables:
            values[r.key] = r.nameplate_mw * self.units(self._option(r.item.id), p)
        for b in plant.batteries:
            values[b.key] = b.power_mw * self.units(self._option(b.item.id), p)
        if plant.spinning_reserve:
            largest = self.reserve(p)
            values["reserve_mw"] = largest
        return values

    def reserve(self, p: int) -> Any:
        """MW of the largest generating unit standing."""
        m = self.m
        if not hasattr(m, "largest"):
            m.largest = pyo.Var(self.periods, within=pyo.NonNegativeReals)
            m.largest_unit = pyo.ConstraintList()
        for g in self.plant.generators:
            m.largest_unit.add(m.largest[p] >= g.firm_mw * m.present[g.item.id, p])
        return m.largest[p]

    def _load_components(self, p: int) -> dict[str, Any]:
        m, plant = self.m, self.plant
        run = {r.item.id: m.energised[r.item.id, p] for r in plant.racks}
        network = self.network_mw(p)
        mean = sum(r.average_mw * run[r.item.id] for r in plant.racks)
        liquid = sum(r.liquid_fraction * r.average_mw * run[r.item.id] for r in plant.racks)
        indoor = sum(s.design_loss for s in plant.stages if s.name in ("rack_pdu", "busway", "ups"))
        values: dict[str, Any] = {"it_mw": mean}
        values |= {r.key: r.average_mw * run[r.item.id] for r in plant.racks}
        standing = network
        for position in ("cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air"):
            standing = standing + self.auxiliaries(position, p)
        for stage in (*power.CHAIN, "main_transformer"):
            standing = standing + self.standing(stage, p)
        values["standing_mw"] = standing
        if plant.has_pdu:
            values["pdu_mw"] = sum(r.average_mw * run[r.item.id] for r in plant.racks if "rack_pdu" in r.item.consumes)
        pf = self.case.input.site.grid.power_factor
        for stage in plant.stages:
            if stage.square > 0:
                values[f"rated:{stage.name}"] = sum(
                    power.rating_mw(o.item, stage.name, pf) * self.energised_units(o, p)
                    for o in self.options
                    if stage.name in o.supplies and o.item.family != "compute"
                )
        if any(r.loop == "liquid" for r in plant.rejections):
            values["heat:liquid"] = liquid
        if any(r.loop == "air" for r in plant.rejections):
            values["heat:air"] = mean - liquid + indoor * mean + network
        return values

    def money(self) -> None:
        """Cost columns, the budget rows, and the present value of every purchase."""
        m, case = self.m, self.case
        # Without negative prices no month earns money; with them the floor only keeps the first rounds bounded.
        tiers = [tier for period in case.tariff.energy_tiers for tier in period] if case.tariff else []
        floor = -1e7 if any(tier.usd_per_mwh < 0 for tier in tiers) else 0.0
        m.cost = pyo.Var(range(self.last), within=pyo.Reals, bounds=(floor, None))
        m.operating_cost = pyo.Var(range(12), within=pyo.Reals, bounds=(floor, None))
        fixed = [cash for _, cash in fixed_flows(case)] + [cash for _, cash in self.committed_om()]
        self.constant_kusd = present_value(case, fixed) / USD_PER_KUSD
        m.budget = pyo.ConstraintList()
        timeline = case.timeline
        for row in case.input.budget:
            spent = sum(
                cash_by(order.flows, row.by) / USD_PER_KUSD * self.newly(o, k)
                for o in self.options
                for k, order in enumerate(o.orders)
            )
            spent = spent + cash_by(fixed, row.by) / USD_PER_KUSD
            spent = spent + sum(m.cost[p] for p in range(self.last) if timeline.middle(p) <= row.by)
            spent = spent + sum(
                m.operating_cost[k]
                for k in range(12)
                for year in range(timeline.operating_years)
                if timeline.middle(self.last + 12 * year + k) <= row.by
            )
            p = min(max(timeline.period_of(row.by), 0), self.last)
            m.budget.add(spent <= row.usd / USD_PER_KUSD + 1000.0 * m.slack["budget", p])

    def committed_om(self) -> list[tuple[str, Cash]]:
        """Fixed O&M of what is already bought, once it is installed."""
        flows = []
        for row in self.case.input.committed:
            item = self.case.catalog[row.item]
            period = self.case.timeline.first_period(on_site_ready(item, row.on_site, 0.0, date.min))
            if period <= self.last:
                for cash in fixed_om(self.case, item, self.case.timeline.starts[period]):
                    flows.append((row.item, Cash(cash.on, cash.line, cash.usd * row.units)))
        return flows

    def newly(self, o: Option, k: int) -> Any:
        """Units ordered at the k-th order day."""
        return self.m.bought[o.key, k] - (self.m.bought[o.key, k - 1] if k else 0.0)

    def forced_compute_kusd(self) -> float:
        """Least present value of the compute the milestones need, a bound for every feasible plan."""
        case = self.case
        if case.input.objective.kind != "min_cost" or not case.input.target.milestones:
            return 0.0
        total, served = 0.0, 0.0
        spares = 1.0 + case.input.spares.racks_fraction
        kinds = {("gpus" if t.gpus else "pflops" if t.pflops else "it_mw") for t in case.input.target.milestones}
        if len(kinds) > 1 or len({t.precision for t in case.input.target.milestones}) > 1:
            return 0.0
        for milestone in case.input.target.milestones:
            more = max(0.0, target_of(milestone) - served)
            period = case.timeline.period_of(milestone.by)
            served = max(served, target_of(milestone))
            unit_costs = []
            for rack in self.plant.racks:
                o, each = self._option(rack.item.id), contribution(rack, milestone) / spares
                if each <= 0:
                    continue
                if max(o.committed) > 0:
                    return 0.0
                unit_costs += [order.cost_kusd / each for order in o.orders if order.in_service <= period]
            if not unit_costs:
                return 0.0
            total += more * max(0.0, min(unit_costs))
        return total

    def objectives(self, sizing: Sizing) -> None:
        """Level expressions: `cost` always; `gpus` or `date` first where the case asks for them."""
        m, case = self.m, self.case
        build, operating = month_weights(case)
        cost = sum(order.cost_kusd * self.newly(o, k) for o in self.options for k, order in enumerate(o.orders))
        cost = cost + sum(build[p] * m.cost[p] for p in range(self.last))
        cost = cost + sum(operating[k] * m.operating_cost[k] for k in range(12))
        objective = case.input.objective
        if self.relax:
            sizing.levels["slack"] = sum(m.slack[name, p] for name in self.relax for p in range(self.last + 2))
        elif objective.kind == "max_gpus":
            assert objective.by is not None
            p = case.timeline.period_of(objective.by)
            sizing.levels["gpus"] = sum(r.gpus * m.energised[r.item.id, p] for r in self.plant.racks)
        elif objective.kind == "earliest":
            sizing.levels["date"] = sum(1 - m.reached[p] for p in self.periods)
        sizing.levels["cost"] = cost
        m.objective = pyo.Objective(expr=cost)


def grid_steps(case: Case, period: int) -> tuple[float, float]:
    """(MW through existing feeders, MW in all) of the grid in a period. A step inside a month counts from the next."""
    start = case.timeline.starts[period]
    feeders = total = 0.0
    gate = case.gates.get("grid", date.min)
    for step in case.input.site.grid.interconnection:
        if step.from_ > start:
            continue
        if step.via == "existing_feeders":
            feeders = total = step.mw
        elif gate <= start:
            total = max(step.mw, feeders)
    return feeders, total


def discount_of(case: Case, day: date) -> float:
    """Discount factor of a day."""
    return discount_factor(case.input.finance.discount_rate, day, case.timeline.start)


def target_of(milestone: Milestone) -> float:
    """What a milestone asks for, in its own measure."""
    value = milestone.gpus or milestone.pflops or milestone.it_mw
    assert value is not None
    return float(value)


def contribution(rack: compute.Compute, milestone: Milestone) -> float:
    """What one unit adds to a milestone's measure."""
    if milestone.gpus is not None:
        return float(rack.gpus)
    if milestone.pflops is not None:
        assert milestone.precision is not None
        return compute.performance(rack.item, milestone.precision)
    return rack.design_mw
