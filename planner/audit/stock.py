"""The auditor's own picture of a site: what stands where and since when, from catalog and tables.

Nothing here comes from the model. Every rule is written a second time on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from planner.audit.base import Array, Tables
from planner.audit.held import Kept
from planner.audit.physics import rejection_performance
from planner.case.case import Case
from planner.case.existing import Existing
from planner.case.item import Item
from planner.timeline import add_weeks

FLOW = ("rack_pdu", "busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear")
PLAIN = ("white_space", "network", "network_top_layer", "fit_out", "rack_space")  # counted without spares
FUELLED = ("generation", "renewable", "battery")
LOOPS = ("liquid", "air")
LPM_PER_KW = 1.5  # where neither rack nor CDU says what it takes or moves
COMMISSIONED = (
    *PLAIN,
    *FLOW,
    "cdu",
    "air_unit",
    "heat_rejection:liquid",
    "heat_rejection:air",
    "standby_generation",
)


@dataclass(frozen=True)
class Rack:
    """A compute item. MW per unit."""

    item: Item
    gpus: int
    design_mw: float
    mean_mw: float
    liquid: float

    def uses(self, stage: str) -> bool:
        """Whether it needs a stage from elsewhere."""
        return stage in self.item.consumes


@dataclass(frozen=True)
class Rejector:
    """A heat-rejection item on a loop. Arrays are hourly, (8760,)."""

    item: Item
    rated_mw: float
    capacity_at_extreme: float  # fraction of rated
    power_at_extreme: float  # MW per MW of heat
    capacity: Array
    power: Array


def periods_of(case: Case) -> list[list[date]]:
    """First days of the months of every period; the operating period, last, has those of all its years."""
    horizon = case.input.horizon
    count = horizon.build_months + 12 * (horizon.expansion_years + horizon.operating_years)
    first = case.input.start.year * 12 + case.input.start.month - 1
    days = [date(m // 12, m % 12 + 1, 1) for m in range(first, first + count)]
    years = [days[horizon.build_months + 12 * y :][:12] for y in range(horizon.expansion_years)]
    return [*([day] for day in days[: horizon.build_months]), *years, days[-12 * horizon.operating_years :]]


class Stock:
    """What stands on a site and what it can carry. Index p is the period."""

    def __init__(self, case: Case, tables: Tables) -> None:
        self.case = case
        self.starts = case.timeline.starts
        self.periods = range(len(self.starts))
        self.last = len(self.starts) - 1
        self.kept = Kept(case, tables)
        self.units: dict[tuple[str, str], Array] = {}
        self.on: dict[tuple[str, str], Array] = {}  # switched on, spares of their groups included
        self._rentals = tables.details.get("rentals")
        self._roles = tables.details.get("generator_roles")
        place = {start: p for p, start in enumerate(self.starts)}
        for row in tables.installed.itertuples():
            item, p = str(row.item), place.get(row.period)  # type: ignore[arg-type]
            if p is None or item not in case.catalog:
                continue
            key = (item, str(row.position))
            self.units.setdefault(key, np.zeros(len(self.starts)))[p] += float(row.units)  # type: ignore[arg-type]
            self.on.setdefault(key, np.zeros(len(self.starts)))[p] += float(row.running)  # type: ignore[arg-type]

    # -- what may stand ------------------------------------------------------------------------------------

    def items_for(self, stage: str) -> tuple[Item, ...]:
        """Items that may stand in a stage: candidates and what is already bought."""
        bought = [i for i in self.case.input.owned if stage in self.case.catalog[i].brings]
        ids = dict.fromkeys([*self.case.candidates.get(stage, ()), *bought])
        return tuple(self.case.catalog[i] for i in ids)

    def family_items(self, family: str) -> tuple[Item, ...]:
        """Candidates of a family and its items that are owned already, emergency generators left out."""
        bought = [i for i in self.case.input.owned if self.case.catalog[i].family == family]
        items = [self.case.catalog[i] for i in dict.fromkeys([*self.case.candidates.get(family, ()), *bought])]
        offered = self.case.candidates.get(family, ())
        return tuple(i for i in items if i.id in offered or i.permit_class != "emergency")

    def built(self, position: str) -> bool:
        """Whether the case builds a position at all."""
        stage = "cdu" if position == "cdu_flow" else position.split(":")[0]
        if stage in ("heat_rejection", "white_space"):
            return True
        if self.case.redundancy.get(stage, "") is None:
            return False
        if stage == "standby_generation":
            policy = self.case.redundancy.get(stage)
            stood = any(stage in (place, row.move.to if row.move else "") for row, place in self.existing())
            return bool(self.items_for(stage)) or stood or (policy is not None and policy.from_bridge)
        return bool(self.items_for(stage)) or any(stage in r.item.brings for r in self.racks)

    @cached_property
    def racks(self) -> tuple[Rack, ...]:
        """Every compute item of the case."""
        found = []
        for item in self.family_items("compute"):
            design = item.design_kw / 1000.0
            mean = design * self.case.average_fraction(item)
            found.append(Rack(item, round(item.get("gpus")), design, mean, item.get("heat_to_liquid_fraction")))
        return tuple(found)

    # -- counts --------------------------------------------------------------------------------------------

    def standing(self) -> Iterable[tuple[Item, tuple[str, ...], Array]]:
        """(item, parts of the chain it is in, units by period) of everything installed."""
        for (item_id, position), counts in self.units.items():
            yield self.case.catalog[item_id], tuple(position.split("+")), counts

    def at(self, part: str, *, standing: bool = False) -> list[tuple[Item, tuple[str, ...], Array]]:
        """Everything in a part of the chain, boxes of compute too: item, its parts, units on (or standing)."""
        counts = self.units if standing else self.on
        found = [(self.case.catalog[i], tuple(pos.split("+")), on) for (i, pos), on in counts.items()]
        return [row for row in found if part in row[1]]

    def of_item(self, item_id: str, part: str | None = None) -> Array:
        """Units of an item by period, in one part or in all."""
        total = np.zeros(len(self.starts))
        for (i, position), counts in self.units.items():
            if i == item_id and (part is None or part in position.split("+")):
                total = total + counts
        return total

    def returned(self, item_id: str) -> Array:
        """Units of a rented item given back at the start of each period, as the plan tells it."""
        return self._told(self._rentals, item_id, "returned_units")

    def standing_by(self, item_id: str) -> Array:
        """Units of a non-emergency generator that stand by in each period, as the plan tells it."""
        return self._told(self._roles, item_id, "standby_units")

    def _told(self, table: pd.DataFrame | None, item_id: str, column: str) -> Array:
        told = np.zeros(len(self.starts))
        if table is not None:
            rows = table[table["item"] == item_id]
            for day, units in zip(rows.period, rows[column], strict=True):
                told[[start == day for start in self.starts]] += units
        return told

    def ever_there(self, item_id: str, part: str, since: int, p: int) -> float:
        """Units of an item that stood in a part at some time from one period to another."""
        counts, left = self.of_item(item_id, part), self.returned(item_id)
        for row, place in self.existing():
            if row.item == item_id and part in place.split("+") and row.leaves is not None:
                left[self.starts.index(row.leaves)] += row.units
        come = np.diff(counts, prepend=0.0) + left
        return float(counts[since] + come[since + 1 : p + 1].sum())

    def switched_on(self, item_id: str, part: str) -> Array:
        """Units of an item switched on in a part, by period."""
        return sum((on for i, _, on in self._named(part) if i == item_id), np.zeros(len(self.starts)))

    def _named(self, part: str) -> list[tuple[str, str, Array]]:
        return [(i, pos, on) for (i, pos), on in self.on.items() if part in pos.split("+")]

    def runs(self, rack: Rack) -> Array:
        """Racks or nodes that run, by period."""
        return sum((on for (i, _), on in self.on.items() if i == rack.item.id), np.zeros(len(self.starts)))

    def sum_racks(self, each: dict[str, float]) -> Array:
        """Sum over running racks of a value per rack."""
        total = np.zeros(len(self.starts))
        for rack in self.racks:
            total = total + each.get(rack.item.id, 0.0) * self.runs(rack)
        return total

    @cached_property
    def network_mw(self) -> Array:
        """Draw of network units switched on, by period."""
        total = np.zeros(len(self.starts))
        for (item_id, _), on in self.on.items():
            if self.case.catalog[item_id].family == "network":
                total = total + self.case.catalog[item_id].design_kw / 1000.0 * on
        return total

    # -- cooling -------------------------------------------------------------------------------------------

    @cached_property
    def water_supply_c(self) -> dict[str, float]:
        """Water that heat rejection must deliver to each loop: for cold plates, colder by the CDUs' approach."""
        water = self.case.input.cooling
        approaches = []
        for name in self.case.candidates.get("cdu", ()):
            item = self.case.catalog[name]
            own = item.cdu_approach_k or (None if "heat_rejection" in item.brings else item.approach_k)
            approaches.append(own.planning if own is not None else 4.0)
        approach = water.cdu_approach_k if water.cdu_approach_k is not None else max(approaches, default=4.0)
        return {"liquid": water.coolant_supply_c - approach, "air": water.chilled_water_supply_c}

    @cached_property
    def rejectors(self) -> dict[str, tuple[Rejector, ...]]:
        """By loop, every rejection item that can deliver the loop's water on the hottest day."""
        supply = self.water_supply_c
        ambient, weather = self.case.ambient, self.case.weather
        found: dict[str, tuple[Rejector, ...]] = {}
        items = sorted(self.items_for("heat_rejection"), key=lambda i: i.id)
        for loop in LOOPS:
            fit = []
            for item in items:
                dry, wet = np.array([ambient.extreme_dry_bulb_c]), np.array([ambient.wet_bulb_c])
                capacity0, power0 = rejection_performance(item, supply[loop], dry, wet)
                if capacity0[0] <= 0.05:
                    continue
                capacity, power = rejection_performance(item, supply[loop], weather.dry_bulb_c, weather.wet_bulb_c)
                given = item.cooling_capacity_kw or (item.it_power_kw if item.family != "cooling" else None)
                rated = given.planning if given is not None else (item.rating or (0, ""))[0]
                fit.append(
                    Rejector(
                        item,
                        rated / 1000.0,
                        float(capacity0[0]),
                        float(power0[0]),
                        np.maximum(capacity, capacity0),
                        np.minimum(power, power0),
                    )
                )
            found[loop] = tuple(fit)
        return found

    def rejector(self, item_id: str, loop: str) -> Rejector | None:
        """A rejection item on a loop."""
        return next((r for r in self.rejectors[loop] if r.item.id == item_id), None)

    # -- dates ---------------------------------------------------------------------------------------------

    def wait_weeks(self, item: Item, parts: tuple[str, ...]) -> float:
        """Weeks between installation and service: commissioning of the block, burn-in of racks."""
        rules = self.case.input.commissioning
        if item.family == "compute":
            return (rules.weeks if item.brings else 0.0) + rules.rack_burn_in_weeks
        tested = self.case.load_series_mw is None and any(part in COMMISSIONED for part in parts)
        return rules.weeks + rules.rack_burn_in_weeks if tested else 0.0

    def gates_on(self, item: Item, parts: tuple[str, ...]) -> set[str]:
        """What a unit may wait for: names of gates."""
        names = {item.id, item.family, *parts, *(part.split(":")[0] for part in parts)}
        names |= {item.fuel} if item.fuel is not None else set()
        if item.evaporation_l_per_kwh is not None or item.adiabatic_effectiveness_fraction is not None:
            names |= {"water"}
        return names

    def ready(self, item: Item, parts: tuple[str, ...], on_site: date) -> date:
        """Day a unit on site may serve, after installation, gates and commissioning."""
        opened = [day for name, day in self.case.gates.items() if name in self.gates_on(item, parts)]
        gate = max(opened, default=date.min)
        installed = max(add_weeks(on_site, item.get("installation_weeks")), gate)
        return add_weeks(installed, self.wait_weeks(item, parts))

    def retired(self, item_id: str) -> Array:
        """Units of an item that have stood since before the start and still do, by period; none of it moves."""
        counts = np.zeros(len(self.starts))
        for row in self.case.input.existing:
            if row.item == item_id:
                counts += row.units * np.array([row.leaves is None or start < row.leaves for start in self.starts])
        return counts

    def existing(self) -> Iterable[tuple[Existing, str]]:
        """(row, its position) of everything that stands at the start and has a place in the case."""
        for row in self.case.input.existing:
            place = self.place(self.case.catalog[row.item], row.stage)
            if place is not None:
                yield row, place

    def place(self, item: Item, stage: str | None) -> str | None:
        """Position of a unit in a stage, or where such items stand by themselves."""
        if stage is None and item.permit_class == "emergency":
            return "standby_generation"
        home = self.home(item)
        return home if stage is None or (home is not None and stage in home.split("+")) else stage

    def home(self, item: Item) -> str | None:
        """Position of something already bought; None when the case has no use for it."""
        if item.family in ("compute", *FUELLED):
            if item.permit_class == "emergency" and item.id not in self.case.candidates.get("generation", ()):
                standby = self.case.redundancy.get("standby_generation") is not None
                offered = item.id in self.case.candidates.get("standby_generation", ())
                return "standby_generation" if standby and offered else None
            parts = self._with_loops(item) if item.family == "compute" else []
            return "+".join(parts) or item.family
        if "heat_rejection" in item.brings and item.family == "cooling":
            loop = next((loop for loop in reversed(LOOPS) if self.rejector(item.id, loop)), None)  # the colder first
            return f"heat_rejection:{loop}" if loop else None
        if all(self.case.redundancy.get(stage, "") is None for stage in item.brings):
            return None
        plain = "white_space" in item.brings or set(item.brings) & set(PLAIN)
        if plain:
            return "+".join(self._with_loops(item))
        return "+".join(s for s in item.brings if s not in FUELLED and self.case.redundancy.get(s, "") is not None)

    def _with_loops(self, item: Item) -> list[str]:
        """Parts a pod or a box fills: what it brings, its heat rejection in every loop it can serve."""
        stages = [s for s in item.brings if s not in (*FUELLED, "heat_rejection")]
        return stages + [f"heat_rejection:{loop}" for loop in LOOPS if self.rejector(item.id, loop)]
