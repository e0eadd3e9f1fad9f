"""What a solved sizing model says, in plain numbers, and the rows of the plan's tables."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import pyomo.environ as pyo

from planner.case.item import Item
from planner.families.battery import Battery
from planner.sizing.options import Option
from planner.solve.solution import Solution


class OrderRow(NamedTuple):
    """Units of an item ordered on a day for a position."""

    item: str
    position: str
    family: str
    units: float
    order_date: date
    delivery_date: date
    ready_date: date
    commissioning_date: date
    capital_usd: float


class InstalledRow(NamedTuple):
    """Units in service and switched on in a period."""

    period: date
    item: str
    position: str
    units: float
    running: float


class StageRow(NamedTuple):
    """Design load and firm capacity of a position in a period."""

    period: date
    position: str
    unit: str
    design_load: float
    firm_capacity: float


class CapacityRow(NamedTuple):
    """What stands, runs and waits in a period."""

    period: date
    grid_step_mw: float
    grid_mw: float
    firm_generation_mw: float
    design_load_mw: float
    it_design_mw: float
    gpus_energised: int
    racks_delivered: float
    racks_ready: float
    racks_energised: int
    racks_stranded: float
    battery_nameplate_mwh: float
    battery_available_mwh: float  # what is left of it at the end of the period
    binding_stage: str


class Payment(NamedTuple):
    """One entry of the ledger; receipts are negative."""

    date: date
    line: str
    item: str
    usd: float


def value(expression: Any) -> float:
    """Value of a Pyomo expression at the solution."""
    return float(pyo.value(expression))


def position_of(o: Option) -> str:
    """Where an option stands: its positions, or its family."""
    return "+".join(o.supplies) or o.item.family


class Reading:
    """A solution's point, put into the Pyomo model once, so that expressions are evaluated as they are written."""

    def __init__(self, solution: Solution) -> None:
        self.solution, self.sizing = solution, solution.sizing
        self.case, self.model = solution.sizing.case, solution.sizing.model
        self.starts, self.last = self.case.timeline.starts, self.case.timeline.last_period
        master = solution.master
        for var, integer, number in zip(master.columns, master.integer, solution.point.tolist(), strict=True):
            var.set_value(round(number) if integer else number, skip_validation=True)

    def new_units(self, o: Option, k: int) -> float:
        """Units ordered at an order day."""
        units = value(self.model.bought[o.key, k]) - (value(self.model.bought[o.key, k - 1]) if k else 0.0)
        return float(units if o.item.divisible else round(units))

    def units(self, o: Option, p: int) -> float:
        """Units of an option in service."""
        if o.reuses:
            return round(value(self.model.standing_by[o.key, p]))
        k = o.order_index(p)
        bought = value(self.model.bought[o.key, k]) if k >= 0 else 0.0
        units = o.committed[p] + bought - self.returned_units(o, p)
        return float(units if o.item.divisible else round(units))

    def returned_units(self, o: Option, p: int) -> float:
        """Units of what is rented that have gone back by a period; 0 of what is owned."""
        return value(self.model.returned[o.key, p]) if o.item.tenure == "rented" else 0.0

    def running(self, o: Option, p: int) -> float:
        """Units of an option switched on, spares of their groups included; racks or nodes that run, for compute."""
        if o.item.family == "compute":
            return value(self.model.energised[o.key, p])
        return value(self.sizing.energised_units(o, p))

    def energy_mwh(self, store: Battery, p: int, year: int) -> float:
        """Energy that a battery holds at the end of a year of a period."""
        if not store.fades:
            return store.energy_mwh * self.units(self.sizing.option(store.item.id), p)
        held = self.held_mwh(store, p) + (value(self.model.held_down_mwh[store.item.id, p]) if store.holding else 0.0)
        return value(self.model.energy[p, year, store.energy]) + held

    def held_mwh(self, store: Battery, p: int) -> float:
        """Energy that a battery keeps stored in every hour of a period."""
        return value(self.model.held_up_mwh[store.item.id, p]) if store.holding else 0.0

    def network_mw(self, p: int) -> float:
        """Draw of the network units switched on in a period."""
        network = [o for o in self.sizing.options if o.item.family == "network"]
        return sum(o.item.design_kw / 1000.0 * self.running(o, p) for o in network)

    def standing_at(self, stage: str, p: int, *, loaded: bool = False) -> list[tuple[Item, float]]:
        """(item, units switched on) of everything in a stage of the chain; loaded: without catchers."""
        there = [o for o in self.sizing.options if stage in o.supplies]
        carry = self.sizing.loaded_units if loaded else self.sizing.energised_units
        return [(o.item, on) for o in there if (on := value(carry(o, p))) > 0]
