"""The auditor's own picture of a site: what stands where, and what it can carry. From catalog and tables.

Nothing here comes from the model. Every rule is written a second time on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from planner.case.case import Case
from planner.case.item import POWER_STAGES, Item
from planner.case.schema import Redundancy
from planner.plan.audit_base import Array, Tables, first_start
from planner.plan.audit_physics import active_units, rejection_performance
from planner.timeline import add_weeks

FLOW = ("rack_pdu", "busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear")
PLAIN = ("white_space", "network", "fit_out", "rack_space")  # counted without spares
FUELLED = ("generation", "renewable", "battery")
LOOPS = ("liquid", "air")
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


class Standing:
    """What stands on a site and what it can carry. Index p is the period."""

    def __init__(self, case: Case, tables: Tables) -> None:
        self.case = case
        self.starts = case.timeline.starts
        self.periods = range(len(self.starts))
        self.last = len(self.starts) - 1
        self.power_factor = case.input.site.grid.power_factor
        self.units: dict[tuple[str, str], Array] = {}
        self.on: dict[tuple[str, str], Array] = {}  # switched on, spares of their groups included
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
        bought = [c.item for c in self.case.input.committed if stage in self.case.catalog[c.item].brings]
        ids = dict.fromkeys([*self.case.candidates.get(stage, ()), *bought])
        return tuple(self.case.catalog[i] for i in ids)

    def family_items(self, family: str) -> tuple[Item, ...]:
        """Candidates and committed items of a family, emergency generators left out."""
        bought = [c.item for c in self.case.input.committed if self.case.catalog[c.item].family == family]
        items = [self.case.catalog[i] for i in dict.fromkeys([*self.case.candidates.get(family, ()), *bought])]
        offered = self.case.candidates.get(family, ())
        return tuple(i for i in items if i.id in offered or i.permit_class != "emergency")

    def built(self, position: str) -> bool:
        """Whether the case builds a position at all."""
        stage = position.split(":")[0]
        if stage in ("heat_rejection", "white_space"):
            return True
        if self.case.redundancy.get(stage, "") is None:
            return False
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
        """Everything but compute in a part of the chain: item, its parts, units switched on (or standing)."""
        counts = self.units if standing else self.on
        found = [(self.case.catalog[i], tuple(pos.split("+")), on) for (i, pos), on in counts.items()]
        return [row for row in found if part in row[1] and row[0].family != "compute"]

    def of_item(self, item_id: str, part: str | None = None) -> Array:
        """Units of an item by period, in one part or in all."""
        total = np.zeros(len(self.starts))
        for (i, position), counts in self.units.items():
            if i == item_id and (part is None or part in position.split("+")):
                total = total + counts
        return total

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

    # -- capacity ------------------------------------------------------------------------------------------

    def power_rating_mw(self, item: Item) -> float:
        """Power rating of a unit; kVA count at the site's power factor."""
        if item.rating_kva is not None:
            return item.get("rating_kva") * self.power_factor / 1000.0
        return (item.get("rating_kw") if item.rating_kw is not None else item.get("it_power_kw")) / 1000.0

    def unit_capacity(self, item: Item, part: str) -> float:
        """What one unit carries in a part of the chain: MW, m2, racks or GPU ports."""
        if part in POWER_STAGES or part == "battery_transformer":
            return self.power_rating_mw(item)
        if part.startswith("heat_rejection:"):
            rejector = self.rejector(item.id, part.split(":")[1])
            return rejector.rated_mw * rejector.capacity_at_extreme if rejector else 0.0
        if part in ("cdu", "air_unit", "heat_rejection"):
            cooling = item.cooling_capacity_kw is not None
            return item.get("cooling_capacity_kw" if cooling else "it_power_kw") / 1000.0
        if part == "standby_generation":
            return item.get("nameplate_power_mw")
        name = {"white_space": "white_space_m2", "fit_out": "it_power_kw", "network": "gpu_ports"}.get(part)
        value = item.get(name) if name else 1.0
        return value / 1000.0 if part == "fit_out" else value

    def active(self, item: Item, parts: tuple[str, ...], n: float) -> int:
        """Units that carry load out of n switched on, after the spares of their groups."""
        n = math.floor(n + 1e-6)
        if "white_space" in item.brings or set(parts) & {*PLAIN, "battery_transformer"}:
            return n
        lead = next((s for s in FLOW if s in item.brings and s in parts), min(parts))
        stage = lead.split(":")[0]
        scheme = self.case.stage_redundancy(stage)
        return active_units(scheme, n, self.unit_capacity(item, lead), self._racks_per_group_mw(scheme, lead))

    def _carries(self, item: Item, parts: tuple[str, ...], part: str) -> float:
        """Load one active unit may carry: its rating, or its share of a group that is limited to so many racks."""
        rating = self.unit_capacity(item, part)
        lead = next((s for s in FLOW if s in item.brings and s in parts), min(parts))
        scheme = self.case.stage_redundancy(lead.split(":")[0])
        block = None if "white_space" in item.brings else self._racks_per_group_mw(scheme, lead)
        if block is None or scheme is None or not (scheme.spares or scheme.scheme == "2(N+1)"):
            return rating
        unit = self.unit_capacity(item, lead)
        return rating * block / (unit * math.ceil(block / unit - 1e-9))

    def _racks_per_group_mw(self, scheme: Redundancy | None, lead: str) -> float | None:
        """Load of a group of group_racks racks in a stage; None for groups of another kind."""
        if scheme is None or scheme.group_racks is None or not self.racks or lead == "standby_generation":
            return None
        if lead in ("cdu", "heat_rejection:liquid"):
            worst = max(r.design_mw * r.liquid for r in self.racks)
        elif lead in ("air_unit", "heat_rejection:air"):
            worst = max(r.design_mw * (1.0 - r.liquid) for r in self.racks)
        else:
            worst = max(r.design_mw for r in self.racks)
        return scheme.group_racks * worst if worst > 0 else None

    def firm(self, part: str, p: int, *, standing: bool = False) -> float:
        """Firm capacity of what is switched on (or stands) in a part of the chain, and the hall there before."""
        total = self.existing_hall_m2(p) if part == "white_space" else 0.0
        for item, parts, on in self.at(part, standing=standing):
            total += self.active(item, parts, on[p]) * self._carries(item, parts, part)
        for rack in self.racks:
            if part in rack.item.brings:
                total += float(self.runs(rack)[p]) * self.unit_capacity(rack.item, part)
        return total

    def existing_hall_m2(self, p: int) -> float:
        """White space of the hall that stands already, once ready and commissioned."""
        hall, rules = self.case.input.site.hall, self.case.input.commissioning
        ready = max(hall.ready or self.case.timeline.start, self.case.gates.get("white_space", date.min))
        usable = first_start(self.starts, ready + timedelta(weeks=rules.weeks + rules.rack_burn_in_weeks))
        return hall.existing_m2 if usable is not None and usable <= p else 0.0

    def no_load_mw(self, part: str, p: int) -> float:
        """Losses without load of what is on in a power stage; one of several stages loses in its first."""
        total = 0.0
        for item, _, counts in self.at(part):
            if part == next((s for s in FLOW if s in item.brings), part):
                total += item.get("loss_no_load_fraction", 0.0) * self.power_rating_mw(item) * counts[p]
        return float(total)

    def auxiliary_mw(self, part: str, p: int) -> float:
        """Constant draw of cooling units in a part."""
        return float(
            sum(i.get("auxiliary_power_kw", 0.0) / 1000.0 * n[p] for i, _, n in self.at(part) if i.family == "cooling")
        )

    def rated_mw(self, part: str, p: int) -> float:
        """Rating of what is on in a power stage, spares and second paths included."""
        return float(sum(self.power_rating_mw(i) * n[p] for i, _, n in self.at(part)))

    # -- cooling -------------------------------------------------------------------------------------------

    @cached_property
    def rejectors(self) -> dict[str, tuple[Rejector, ...]]:
        """By loop, every rejection item that can deliver the loop's water on the hottest day."""
        water = self.case.input.cooling
        approaches = [self.case.catalog[i].get("approach_k", 4.0) for i in self.case.candidates.get("cdu", ())]
        supply = {
            "liquid": water.coolant_supply_c - max(approaches, default=4.0),
            "air": water.chilled_water_supply_c,
        }
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
                rated = item.cooling_capacity_kw.planning if item.cooling_capacity_kw else (item.rating or (0, ""))[0]
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

    def ready(self, item: Item, parts: tuple[str, ...], on_site: date) -> date:
        """Day a unit on site may serve, after installation, gates and commissioning."""
        names = {item.id, item.family, *parts, *(part.split(":")[0] for part in parts)}
        gate = max([self.case.gates[n] for n in names if n in self.case.gates], default=date.min)
        installed = max(add_weeks(on_site, item.get("installation_weeks")), gate)
        return add_weeks(installed, self.wait_weeks(item, parts))

    def home(self, item: Item) -> str | None:
        """Position of something already bought; None when the case has no use for it."""
        if item.family in ("compute", *FUELLED):
            if item.permit_class == "emergency" and item.id not in self.case.candidates.get("generation", ()):
                standby = self.case.redundancy.get("standby_generation") is not None
                offered = item.id in self.case.candidates.get("standby_generation", ())
                return "standby_generation" if standby and offered else None
            parts = [s for s in item.brings if s not in FUELLED] if item.family == "compute" else []
            return "+".join(parts) or item.family
        if "heat_rejection" in item.brings and "white_space" not in item.brings:
            loop = next((loop for loop in reversed(LOOPS) if self.rejector(item.id, loop)), None)  # the colder first
            return f"heat_rejection:{loop}" if loop else None
        plain = "white_space" in item.brings or set(item.brings) & set(PLAIN)
        return "+".join(
            s for s in item.brings if s not in FUELLED and (plain or self.case.redundancy.get(s, "") is not None)
        )
