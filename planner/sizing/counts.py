"""Counts of the sizing model: orders, sets, groups, racks, and the bounds that keep their ranges short."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pyomo.environ as pyo

from planner.case.case import Case
from planner.case.coolant import rack_flow_lpm
from planner.operation.blocks import Plant
from planner.sizing.dates import Dates, most_it_mw
from planner.sizing.options import Option
from planner.sizing.rent import add_returns, term_months
from planner.sizing.targets import contribution, load_scale, target_of

# Limits that may be relaxed to see what stands in the way, with the unit of their shortfall.
LIMITS = {
    "milestones": "GPUs",
    "grid": "MW",
    "budget": "million USD",
    "supply": "units",
    "hall": "m2",
    "yard": "m2",
    "land": "m2",
    "buildings": "m2",
    "solar": "m2",
    "parcel": "m2",
    "noise": "mW of sound power",
    "fuel_storage": "m3",
    "commissioning": "MW",
    "equipment": "MW",
    "gas": "MMBtu HHV/day",
    "air_permit": "short tons/year",
    "curtailment": "MW kept in a call",
    "load_rules": "MW",
    "water": "m3/day",
    "water_year": "m3/year",
}


class Counts:
    """What is bought, what stands and what is switched on."""

    def __init__(
        self,
        case: Case,
        plant: Plant,
        options: tuple[Option, ...],
        m: pyo.ConcreteModel,
        relax: set[str],
        dates: Dates,
    ) -> None:
        self.case, self.plant, self.options, self.m, self.relax, self.dates = case, plant, options, m, relax, dates
        self.last = case.timeline.last_period
        self.periods = range(self.last + 1)
        self.states = [(p, k) for p in self.periods for k in case.timeline.places(p)]  # period, place
        self.racks = {r.item.id: r for r in plant.racks}
        self.constant_kusd = 0.0
        m.slack = pyo.Var(list(LIMITS), range(self.last + 2), within=pyo.NonNegativeReals)
        for name in LIMITS:
            if name not in self.relax:
                for p in range(self.last + 2):
                    m.slack[name, p].fix(0.0)

    # -- counts --------------------------------------------------------------------------------------------

    def counts(self) -> None:
        m = self.m
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
                    m.lots[o.key, k].setub(self.most_ordered(o) // o.multiple)
                    m.bought_multiple.add(m.bought[o.key, k] == o.multiple * m.lots[o.key, k])
                elif not o.item.divisible:
                    m.bought[o.key, k].domain = pyo.NonNegativeIntegers
                if not o.item.divisible:
                    m.bought[o.key, k].setub(self.most_ordered(o))
                if k:
                    m.bought_in_order.add(m.bought[o.key, k] >= m.bought[o.key, k - 1])
        add_returns(m, self.options, self.periods, self.mobilised)
        reused = [(o.key, p) for o in self.options if o.reuses for p in self.periods]
        m.standing_by = pyo.Var(reused, within=pyo.NonNegativeIntegers)
        m.standing_by_stands = pyo.ConstraintList()
        for o in (o for o in self.options if o.reuses):
            for p in self.periods:
                m.standing_by_stands.add(self.units(self.option(o.reuses), p) - m.standing_by[o.key, p] >= 0)
        grouped = [o for o in self.options if o.supplies and o.item.family != "compute"]
        m.sets = pyo.Var([(o.key, p) for o in grouped for p in self.periods], within=pyo.NonNegativeIntegers)
        spared = [o for o in grouped if o.group.spares_per_group]
        m.groups = pyo.Var([(o.key, p) for o in spared for p in self.periods], within=pyo.NonNegativeIntegers)
        m.sets_in_service = pyo.ConstraintList()
        m.sets_in_groups = pyo.ConstraintList()
        m.sets_stay = pyo.ConstraintList()
        for o in grouped:
            for p in self.periods:
                if (
                    o.for_load
                    and not o.reuses
                    and self.stays([m.sets, m.groups], o.key, p, self.dates.standing, m.sets_stay)
                ):
                    continue
                needed = o.group.units_per_set * m.sets[o.key, p]
                if o.group.spares_per_group:
                    needed = needed + o.group.spares_per_group * m.groups[o.key, p]
                    most = o.group.sets_per_group or most_sets[o.key]
                    m.sets_in_groups.add(m.sets[o.key, p] <= most * m.groups[o.key, p])
                    m.groups[o.key, p].setub(math.ceil(most_sets[o.key] / most))
                m.sets[o.key, p].setub(most_sets[o.key])
                m.sets_in_service.add(self.units(o, p) >= needed)
                if o.order_index(p) < 0 and not o.committed[p] and not o.reuses:
                    m.sets[o.key, p].fix(0)

    def units(self, o: Option, p: int) -> Any:
        """Units of an option in service in a period."""
        if o.reuses:
            return self.m.standing_by[o.key, p]
        return self.mobilised(o, p) - self.m.returned[o.key, p] if o.item.tenure == "rented" else self.mobilised(o, p)

    def on_duty(self, o: Option, p: int) -> Any:
        """Units of a generator that do not stand by: they bridge, or carry load for good."""
        role = f"{o.key}@reuse", p
        if role in self.m.standing_by:
            return self.units(o, p) - self.m.standing_by[role]
        return self.units(o, p)

    def mobilised(self, o: Option, p: int) -> Any:
        """Units of an option that have come into service by a period, those returned since included."""
        k = o.order_index(p)
        return o.committed[p] + (self.m.bought[o.key, k] if k >= 0 else 0.0)

    def newly(self, o: Option, k: int) -> Any:
        """Units ordered at the k-th order day."""
        return self.m.bought[o.key, k] - (self.m.bought[o.key, k - 1] if k else 0.0)

    def energised_units(self, o: Option, p: int) -> Any:
        """Units of a grouped option that are switched on; the rest in service stand idle and lose nothing."""
        if o.item.family == "compute":  # boxes that bring their own are on where their compute runs
            return self.m.energised[o.key, p]
        if (o.key, p) not in self.m.sets:
            return self.units(o, p)
        spares = o.group.spares_per_group * self.m.groups[o.key, p] if o.group.spares_per_group else 0.0
        return o.group.units_per_set * self.m.sets[o.key, p] + spares

    def loaded_units(self, o: Option, p: int) -> Any:
        """Units of an option that share the load: all that are switched on, but for catchers standing by."""
        if (o.key, p) in self.m.sets and o.group.catchers:
            return o.group.units_per_set * self.m.sets[o.key, p]
        return self.energised_units(o, p)

    def stays(self, of: list[Any], key: str | None, p: int, among: tuple[int, ...], rows: Any) -> bool:
        """Whether a period is not among those in which variables may move; if so, they are held as before it."""
        if p in among:
            return False
        for variables in of:
            now, before = (p, p - 1) if key is None else ((key, p), (key, p - 1))
            if now not in variables:
                continue
            if p < among[0]:
                variables[now].fix(0)
            else:
                rows.add(variables[now] == variables[before])
        return True

    # Upper bounds keep the integers' ranges short: the solver's work on a column grows with its range.

    def most_sets(self, o: Option) -> int:
        """Upper bound of the sets of an option any sensible plan holds."""
        need = max(self.most_load(position) / per_set for position, per_set in o.supplies.items() if per_set > 0)
        if o.flow_lpm:
            need = max(need, self.most_load("cdu_flow") / o.flow_lpm)
        ride = self.case.input.power_chain.ride_through_minutes
        if ride is not None and "ups" in o.supplies:
            need *= max(1.0, ride / o.item.get("ride_through_minutes"))
        return math.ceil(need) + 1 + max(o.committed)

    def most_units(self, o: Option) -> int:
        """Upper bound of the units of an option any sensible plan buys."""
        if o.item.family == "compute":
            return o.multiple * math.ceil(self.most_racks(o.item.id) / o.multiple)
        if o.supplies:
            sets = self.most_sets(o)
            groups = math.ceil(sets / o.group.sets_per_group) if o.group.sets_per_group else 1
            most = sets * o.group.units_per_set + groups * o.group.spares_per_group
        elif o.item.family == "battery":  # a day of the whole load, at the end of the fade
            left = min((s.retention[-1][1] for s in self.plant.batteries if s.item.id == o.key and s.fades), default=1)
            most = math.ceil(24.0 * self.most_mw() / (left * o.item.get("nameplate_energy_mwh"))) + 1
        else:
            scheme = self.case.stage_redundancy("onsite_generation")
            firm = [g.firm_mw for g in self.plant.generators if g.item.id == o.item.id]
            spares = scheme.spares if scheme else 0
            if scheme is not None and scheme.group_mw:
                spares *= math.ceil(self.most_mw() / scheme.group_mw)
            most = math.ceil(self.most_mw() / max(min(firm, default=1.0), 1e-3)) + 1 + spares
        return o.multiple * math.ceil(most / o.multiple)

    def most_ordered(self, o: Option) -> int:
        """Upper bound of the units of an option that are ordered in all: what is returned may come again."""
        turns = 1
        if o.item.tenure == "rented":
            turns += self.case.timeline.months_of(self.last)[0] // max(1, term_months(o))
        return turns * self.most_units(o)

    def most_racks(self, item_id: str) -> int:
        """Upper bound of the racks of an item: what targets ask for, or what is supplied."""
        rack = self.racks[item_id]
        option = next(o for o in self.options if o.key == item_id)
        committed = max(option.committed)
        supply = self.case.input.supply.get(item_id)
        supplied = math.inf if supply is None else sum(supply.values())
        if self.case.input.objective.kind == "max_gpus" and supply is not None:
            return int(supplied) + committed
        spares = 1.0 + self.case.spares_fraction
        needed = [
            target_of(milestone) * spares / per_rack
            for milestone in self.case.input.target.milestones
            if (per_rack := contribution(rack, milestone)) > 0
        ]
        most = math.ceil(max(needed, default=0.0)) + option.multiple
        if self.case.input.objective.kind == "max_gpus":
            money = max((b.usd for b in self.case.input.budget), default=0.0)
            most = max(most, math.ceil(money / max(rack.item.get("price_usd"), 1.0)))
        return int(min(most, supplied)) + committed

    def most_load(self, position: str) -> float:
        """Upper bound of the design load at a position, in its unit."""
        racks = [(r, self.most_racks(i)) for i, r in self.racks.items()]
        if position == "network":
            return float(sum(r.gpus * n for r, n in racks))
        if position == "network_top_layer":
            assert self.case.fabric is not None
            unit = next(o for o in self.options if o.key == self.case.fabric.unit)
            return float(self.case.fabric.top_switches(self.most_sets(unit)))
        if position == "rack_space":
            return float(sum(n for _, n in racks))
        if position == "cdu_flow":
            return sum(rack_flow_lpm(r.item, self.case.input.cooling.coolant_supply_c) * n for r, n in racks)
        if position == "white_space":
            area = sum(r.item.get("planning_area_m2", r.item.get("footprint_m2")) * n for r, n in racks)
            holders = [o.item for o in self.options if "rack_space" in o.supplies]
            per_rack = max((i.get("planning_area_m2", i.get("footprint_m2")) for i in holders), default=0.0)
            area += sum(
                o.item.get("planning_area_m2") * self.most_sets(o)
                for o in self.options
                if o.item.family == "network" and "white_space" in o.item.consumes
            )
            return area + per_rack * sum(n for _, n in racks)
        if position == "battery_transformer":
            return 6.0 * self.most_mw()
        return self.most_mw()

    def most_mw(self) -> float:
        """Upper bound of the site's design load. [MW]"""
        racks = sum(self.most_racks(i) * r.design_mw for i, r in self.racks.items())
        racks = min(racks, most_it_mw(self.plant, self.case.input.target.milestones))
        return max(1.8 * racks, 1.2 * max(self.series_peak_mw(p) for p in self.periods), 1.0)

    def series_peak_mw(self, p: int) -> float:
        """Highest step of the load series in a period, on any path; 0 where there is none. [MW]"""
        return load_scale(self.case, p) * self.plant.load_peak_mw

    # -- compute -------------------------------------------------------------------------------------------

    def compute_rows(self) -> None:
        m, case = self.m, self.case
        index = [(o.key, p) for o in self.options if o.item.family == "compute" for p in self.periods]
        m.energised = pyo.Var(index, within=pyo.NonNegativeIntegers)
        m.energised_on_site = pyo.ConstraintList()
        m.energised_stay = pyo.ConstraintList()
        starts = self.dates.starts
        gate = case.timeline.first_period(case.gates.get("energisation", date.min))
        for key, p in index:
            m.energised[key, p].setub(self.most_racks(key))
            units = self.units(self.option(key), p)
            if p < gate or (isinstance(units, float | int) and units == 0):
                m.energised[key, p].fix(0)
                continue
            if self.stays([m.energised], key, p, starts, m.energised_stay):
                continue
            m.energised_on_site.add(m.energised[key, p] <= units)
            if p:
                left = self.option(key).left
                m.energised_stay.add(m.energised[key, p] >= m.energised[key, p - 1] - (left[p] - left[p - 1]))

    def option(self, key: str) -> Option:
        return next(o for o in self.options if o.key == key)
