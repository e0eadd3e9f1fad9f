"""The auditor's own picture of a site: what stands, what it can carry, what it loses. From catalog and tables.

Nothing here comes from the model. Every rule is written a second time on purpose: group arithmetic by counting
the units a group needs, the chain from the rack to the medium-voltage bus, losses with the square as it is,
cooling and generation from the weather of the hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from planner.case.case import Case
from planner.case.catalog import POWER_STAGES, Item
from planner.case.schema import Redundancy
from planner.plan.audit_base import Array, Tables, first_start
from planner.timeline import add_weeks
from planner.units import HHV_OVER_LHV_GAS

FLOW = ("rack_pdu", "busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear")
IN_THE_ROOM = ("rack_pdu", "busway", "ups")  # their losses heat the air of the hall
PLAIN = ("white_space", "network", "fit_out", "rack_space")  # counted without spares
FUELLED = ("generation", "renewable", "battery")
LOOPS = ("liquid", "air")
COMMISSIONED = (*PLAIN, *POWER_STAGES, "cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air",
                "standby_generation")  # fmt: skip


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


@dataclass(frozen=True)
class Loss:
    """Losses of a stage: proportional and square part, and what flows through it per MW of IT."""

    stage: str
    proportional: float
    square: float
    multiple: float


class Site:
    """Installed units of a plan with what follows from them. Index p is the period."""

    def __init__(self, case: Case, tables: Tables) -> None:
        self.case = case
        self.starts = case.timeline.starts
        self.periods = range(len(self.starts))
        self.last = len(self.starts) - 1
        self.power_factor = case.input.site.grid.power_factor
        self.units: dict[tuple[str, str], Array] = {}
        self.running: dict[str, Array] = {}
        place = {start: p for p, start in enumerate(self.starts)}
        for row in tables.installed.itertuples():
            item, p = str(row.item), place.get(row.period)  # type: ignore[call-overload]
            if p is None or item not in case.catalog:
                continue
            counts = self.units.setdefault((item, str(row.position)), np.zeros(len(self.starts)))
            counts[p] += float(row.units)  # type: ignore[arg-type]
            if case.catalog[item].family == "compute":
                runs = self.running.setdefault(item, np.zeros(len(self.starts)))
                runs[p] += float(row.running)  # type: ignore[arg-type]

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

    def standing(self) -> Iterable[tuple[Item, str, tuple[str, ...], Array]]:
        """(item, position as written, its parts, units by period) of everything installed."""
        for (item_id, position), counts in self.units.items():
            yield self.case.catalog[item_id], position, tuple(position.split("+")), counts

    def at(self, part: str) -> list[tuple[Item, str, Array]]:
        """Everything but compute in a part of the chain."""
        return [
            (i, written, n) for i, written, parts, n in self.standing() if part in parts and i.family != "compute"
        ]

    def of_item(self, item_id: str, part: str | None = None) -> Array:
        """Units of an item by period, in one part or in all."""
        total = np.zeros(len(self.starts))
        for (i, position), counts in self.units.items():
            if i == item_id and (part is None or part in position.split("+")):
                total = total + counts
        return total

    def runs(self, rack: Rack) -> Array:
        """Racks or nodes that run, by period."""
        return self.running.get(rack.item.id, np.zeros(len(self.starts)))

    def sum_racks(self, each: dict[str, float]) -> Array:
        """Sum over running racks of a value per rack."""
        total = np.zeros(len(self.starts))
        for rack in self.racks:
            total = total + each.get(rack.item.id, 0.0) * self.runs(rack)
        return total

    @cached_property
    def network_mw(self) -> Array:
        """Draw of network units by period."""
        total = np.zeros(len(self.starts))
        for item, _, _, counts in self.standing():
            if item.family == "network":
                total = total + item.design_kw / 1000.0 * counts
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
        """Units that carry load out of n installed, after the spares of their groups."""
        n = math.floor(n + 1e-6)
        if "white_space" in item.brings or set(parts) & {*PLAIN, "battery_transformer"}:
            return n
        lead = next((s for s in FLOW if s in item.brings and s in parts), min(parts))
        stage = lead.split(":")[0]
        scheme = self.case.stage_redundancy(stage)
        return active_units(scheme, n, self.unit_capacity(item, lead), self._racks_per_group_mw(scheme, lead))

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

    def firm(self, part: str, p: int) -> float:
        """Firm capacity in a part of the chain, with the hall that was there before."""
        total = self.existing_hall_m2(p) if part == "white_space" else 0.0
        for item, written, counts in self.at(part):
            total += self.active(item, tuple(written.split("+")), counts[p]) * self.unit_capacity(item, part)
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
        """Losses without load of everything in a power stage; an item of several stages loses in its first."""
        total = 0.0
        for item, _, counts in self.at(part):
            if part == next((s for s in FLOW if s in item.brings), part):
                total += item.get("loss_no_load_fraction", 0.0) * self.power_rating_mw(item) * counts[p]
        return float(total)

    def auxiliary_mw(self, part: str, p: int) -> float:
        """Constant draw of cooling units in a part."""
        return float(sum(
            i.get("auxiliary_power_kw", 0.0) / 1000.0 * n[p] for i, _, n in self.at(part) if i.family == "cooling"
        ))  # fmt: skip

    def rated_mw(self, part: str, p: int) -> float:
        """Installed rating of a power stage, every unit counted."""
        return float(sum(self.power_rating_mw(i) * n[p] for i, _, n in self.at(part)))

    # -- cooling -------------------------------------------------------------------------------------------

    @cached_property
    def rejectors(self) -> dict[str, tuple[Rejector, ...]]:
        """By loop, every rejection item that can deliver the loop's water on the hottest day."""
        water = self.case.input.cooling
        approaches = [self.case.catalog[i].get("approach_k", 4.0) for i in self.case.candidates.get("cdu", ())]
        supply = {"liquid": water.coolant_supply_c - max(approaches, default=4.0),
                  "air": water.chilled_water_supply_c}  # fmt: skip
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
                fit.append(Rejector(
                    item, rated / 1000.0, float(capacity0[0]), float(power0[0]),
                    np.maximum(capacity, capacity0), np.minimum(power, power0),
                ))  # fmt: skip
            found[loop] = tuple(fit)
        return found

    def rejector(self, item_id: str, loop: str) -> Rejector | None:
        """A rejection item on a loop."""
        return next((r for r in self.rejectors[loop] if r.item.id == item_id), None)

    # -- losses --------------------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        """Stages the case builds, rack to medium-voltage bus, each as bad as the worst item that may stand in it."""
        if not self.racks:
            return ()
        liquid = float(np.mean([r.liquid for r in self.racks]))
        share = {"liquid": liquid, "air": 1.0 - liquid}
        fans = self._draw_per_heat("cdu") * liquid + self._draw_per_heat("air_unit") * (1.0 - liquid)
        outside = sum(
            share[loop] * max((r.power_at_extreme for r in self.rejectors[loop]), default=0.0) for loop in LOOPS
        )
        found, flow = [], 1.0
        for stage in FLOW:
            flow += {"ups": fans, "mv_lv_transformer": outside}.get(stage, 0.0)
            items = self.items_for(stage)
            if not items or self.case.redundancy.get(stage, "") is None:
                continue
            own = [i for i in items if next(s for s in FLOW if s in i.brings) == stage]
            linear = max((i.get("loss_proportional_fraction", 0.0) for i in own), default=0.0)
            square = max((i.get("loss_square_fraction", 0.0) for i in own), default=0.0)
            found.append(Loss(stage, linear, square, flow))
            flow *= 1.0 + linear + square
        return tuple(found)

    def _draw_per_heat(self, stage: str) -> float:
        """Electrical draw of a cooling stage over the heat it moves, the worst of its items."""
        worst = 0.0
        for item in self.items_for(stage):
            rated = item.cooling_capacity_kw.planning if item.cooling_capacity_kw else (item.rating or (1.0, ""))[0]
            worst = max(worst, item.get("auxiliary_power_kw", 0.0) / rated)
        return worst

    @cached_property
    def import_loss(self) -> float:
        """Share of the import lost in the main transformers."""
        if all(step.via != "substation" for step in self.case.input.site.grid.interconnection):
            return 0.0
        return max(
            (i.get("loss_proportional_fraction", 0.0) + i.get("loss_square_fraction", 0.0)
             for i in self.items_for("main_transformer")), default=0.0,
        )  # fmt: skip

    # -- design loads --------------------------------------------------------------------------------------

    @cached_property
    def design(self) -> list[dict[str, tuple[float, float]]]:
        """By period: position -> (least, most) design load. They differ where two items may share a loop's heat."""
        return [self._design(p) for p in self.periods]

    def _design(self, p: int) -> dict[str, tuple[float, float]]:
        loads: dict[str, tuple[float, float]] = {}
        batteries = sum(
            float(self.of_item(i.id)[p]) * i.get("nameplate_power_mw")
            for i in self.family_items("battery") if "mv_lv_transformer" in i.consumes
        )  # fmt: skip
        loads["battery_transformer"] = (batteries, batteries)
        if not self.racks:
            peak = float(self.case.load_series_mw.max()) if self.case.load_series_mw is not None else 0.0
            return loads | {"mv_bus": (peak, peak)}
        loads |= {name: (value, value) for name, value in self._space(p).items()}
        loss = {s.stage: s.proportional + s.square for s in self.losses}

        def upstream(stage: str, load: float) -> float:
            return load * (1.0 + loss[stage]) + self.no_load_mw(stage, p) if stage in loss else load

        it, network = loads["it"][0], float(self.network_mw[p])
        on_pdu = float(self.sum_racks({r.item.id: r.design_mw for r in self.racks if r.uses("rack_pdu")})[p])
        busway = upstream("rack_pdu", on_pdu) + it - on_pdu + network
        liquid = float(self.sum_racks({r.item.id: r.design_mw * r.liquid for r in self.racks})[p])
        air = it - liquid + network + it * sum(loss.get(s, 0.0) for s in IN_THE_ROOM)
        ups = upstream("busway", busway) + self.auxiliary_mw("cdu", p) + self.auxiliary_mw("air_unit", p)
        board = upstream("ups", ups)
        exact = {"rack_pdu": on_pdu, "busway": busway, "cdu": liquid, "air_unit": air, "ups": ups,
                 "lv_switchboard": board, "heat_rejection:liquid": liquid, "heat_rejection:air": air}  # fmt: skip
        loads |= {name: (value, value) for name, value in exact.items()}
        below = upstream("lv_switchboard", board)
        cooling = [self.rejection_power(loop, heat, p) for loop, heat in (("liquid", liquid), ("air", air))]
        for place in (0, 1):
            at_mv = below + sum(pair[place] for pair in cooling)
            gear = upstream("mv_lv_transformer", at_mv)
            bus = upstream("mv_switchgear", gear)
            for name, value in (("mv_lv_transformer", at_mv), ("mv_switchgear", gear), ("mv_bus", bus)):
                loads[name] = (value, value) if not place else (loads[name][0], value)
        scheme = self.case.redundancy.get("standby_generation")
        if scheme is not None:
            low, high = loads["mv_bus"]
            loads["standby_generation"] = (scheme.covers * low, scheme.covers * high)
        return loads

    def _space(self, p: int) -> dict[str, float]:
        """IT design power, ports, racks, floor and fit-out the running racks need."""
        rack_item = next((self.case.catalog[i] for i in self.case.candidates.get("rack_space", ())), None)
        racks = floor = 0.0
        for rack in self.racks:
            runs = float(self.runs(rack)[p])
            if rack.uses("rack_space") and rack_item is not None:
                fit = int(min(
                    rack_item.get("rack_units", 48.0) / max(rack.item.get("rack_units", 1.0), 1.0),
                    rack_item.get("rack_power_max_kw", 1e9) / rack.item.design_kw,
                ))  # fmt: skip
                racks += runs / fit if fit else 0.0
            if rack.uses("white_space"):
                floor += runs * floor_m2(rack.item)
        floor += float(sum(floor_m2(i) * n[p] for i, _, n in self.at("rack_space")))
        it = float(self.sum_racks({r.item.id: r.design_mw for r in self.racks})[p])
        ports = float(self.sum_racks({r.item.id: r.gpus for r in self.racks if r.uses("network")})[p])
        return {"it": it, "network": ports, "rack_space": racks, "white_space": floor,
                "fit_out": it + float(self.network_mw[p])}  # fmt: skip

    def rejection_power(self, loop: str, heat: float, p: int) -> tuple[float, float]:
        """(least, most) power of heat rejection at design for a heat. [MW]"""
        part = f"heat_rejection:{loop}"
        extra, choices = self.auxiliary_mw(part, p), self.rejectors[loop]
        if len(choices) <= 1:
            power = heat * (choices[0].power_at_extreme if choices else 0.0) + extra
            return power, power
        room = []
        for r in choices:
            n = self.active(r.item, (part,), float(self.of_item(r.item.id, part)[p]))
            room.append((r.power_at_extreme, n * self.unit_capacity(r.item, part)))
        least, left = 0.0, heat
        for power, capacity in sorted(room):
            taken = min(left, capacity)
            least, left = least + power * taken, left - taken
        least += left * max(r.power_at_extreme for r in choices)
        return least + extra, max(least, sum(power * capacity for power, capacity in room)) + extra

    # -- sources -------------------------------------------------------------------------------------------

    def grid_step(self, p: int) -> tuple[float, float]:
        """(MW of existing feeders, MW in all) the utility allows in a period."""
        feeders = total = 0.0
        open_ = self.case.gates.get("grid", date.min) <= self.starts[p]
        for step in self.case.input.site.grid.interconnection:
            if step.from_ > self.starts[p]:
                continue
            if step.via == "existing_feeders":
                feeders = total = step.mw
            elif open_:
                total = max(feeders, step.mw)
        return feeders, total

    @cached_property
    def grid_mw(self) -> Array:
        """Import each period allows: the feeders, or the substation as far as transformers and bays are firm."""
        limits = []
        for p in self.periods:
            feeders, total = self.grid_step(p)
            behind = [self.firm(s, p) for s in ("main_transformer", "hv_substation") if self.built(s)]
            limits.append(max(feeders, min([total, *behind])))
        return np.array(limits)

    @cached_property
    def firm_unit_mw(self) -> dict[str, float]:
        """Generation items and the output of one unit on the hottest day."""
        hottest, height = self.case.ambient.extreme_dry_bulb_c, self.case.weather.elevation_m
        return {
            i.id: i.get("nameplate_power_mw") * float(site_rating(i, np.array([hottest]), height)[0])
            for i in self.family_items("generation")
        }

    def hourly_rating(self, item: Item) -> Array:
        """Output of a generation item over nameplate, (8760,); never below the hottest day's."""
        weather = self.case.weather
        worst = site_rating(item, np.array([self.case.ambient.extreme_dry_bulb_c]), weather.elevation_m)
        return np.maximum(site_rating(item, weather.dry_bulb_c, weather.elevation_m), worst)

    def firm_generation_mw(self, p: int) -> float:
        """Generation on the hottest day with the k largest units out."""
        scheme = self.case.stage_redundancy("onsite_generation")
        spares = scheme.spares if scheme is not None else 0
        units: list[float] = []
        for item_id, each in self.firm_unit_mw.items():
            units += [each] * math.floor(float(self.of_item(item_id, "generation")[p]) + 1e-6)
        return float(sum(sorted(units, reverse=True)[spares:]))

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
            loop = next((loop for loop in LOOPS if self.rejector(item.id, loop)), None)
            return f"heat_rejection:{loop}" if loop else None
        plain = "white_space" in item.brings or set(item.brings) & set(PLAIN)
        return "+".join(
            s for s in item.brings if s not in FUELLED and (plain or self.case.redundancy.get(s, "") is not None)
        )


def active_units(scheme: Redundancy | None, n: int, unit_mw: float, racks_mw: float | None) -> int:
    """Units that carry load out of n, the rest being spares of their groups or second paths.

    racks_mw: load of a group of racks, which one group must carry whole; None for groups by MW or the whole site.

    >>> active_units(Redundancy(scheme="N+1", group_mw=5), 12, 1.25, None)  # 4 + 1, 4 + 1, 1 + 1
    9
    >>> active_units(Redundancy(scheme="4N/3"), 11, 2.0, None), active_units(Redundancy(scheme="2N"), 11, 2.0, None)
    (6, 5)
    """
    name = scheme.scheme if scheme is not None else "N"
    for text, (whole, made) in {"3N/2": (3, 2), "4N/3": (4, 3)}.items():
        if name == text:
            return n // whole * made
    paths = 2 if name in ("2N", "2(N+1)") else 1
    spares = 2 if name == "2(N+1)" else int(name[2:]) if name.startswith("N+") else 0
    if scheme is None or not spares:
        return n // paths
    size = n + 1  # one group for the whole site
    if racks_mw is not None:
        size = max(1, math.ceil(racks_mw / unit_mw - 1e-9))
    elif scheme.group_mw is not None:
        size = max(1, math.floor(scheme.group_mw / unit_mw + 1e-9))
    return next(a for a in range(n, -1, -1) if paths * a + spares * math.ceil(a / size) <= n or a == 0)


def floor_m2(item: Item) -> float:
    """Hall floor of a unit with its aisles."""
    return item.get("planning_area_m2") if item.planning_area_m2 is not None else item.get("footprint_m2")


def site_rating(item: Item, dry_bulb_c: Array, elevation_m: float) -> Array:
    """Output of a machine over nameplate in heat and height."""
    over = np.maximum(dry_bulb_c - item.get("derate_from_c", 40.0), 0.0)
    heat = 1.0 - over * item.get("derate_fraction_per_k", 0.0)
    height = 1.0 - item.get("derate_fraction_per_300m", 0.0) * max(elevation_m, 0.0) / 300.0
    return np.minimum(np.maximum(heat * height, 0.0), 1.0)


def fuel_usd_per_mwh(case: Case, item: Item) -> float:
    """Fuel of one MWh on HHV."""
    fuel = case.input.site.fuel
    price = fuel.diesel_usd_per_mmbtu_hhv if item.fuel == "diesel" else fuel.natural_gas_usd_per_mmbtu_hhv
    if item.heat_rate_btu_per_kwh_hhv is not None:
        rate = item.get("heat_rate_btu_per_kwh_hhv")
    else:
        rate = item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_GAS
    return rate / 1000.0 * (price or 0.0)  # Btu/kWh = 1e-3 MMBtu/MWh


def rejection_performance(item: Item, supply_c: float, dry_c: Array, wet_c: Array) -> tuple[Array, Array]:
    """(capacity over rated, MW per MW of heat) of a rejection item that must deliver water at supply_c."""
    fans = item.get("fan_power_fraction", 0.0)
    evaporative = "tower" in item.item_class or "water_cooled" in item.item_class
    air = wet_c if evaporative else dry_c
    if item.carnot_efficiency_fraction is None:
        if item.adiabatic_effectiveness_fraction is not None:
            air = dry_c - (dry_c - wet_c) * item.get("adiabatic_effectiveness_fraction")
        capacity = np.minimum(np.maximum((supply_c - air) / item.get("approach_k"), 0.0), 1.0)
        return capacity, np.full(capacity.shape, fans)
    cold = supply_c - 4.0 + 273.15  # evaporator 4 K below the water
    hot = air + item.get("condenser_approach_k") + 273.15
    cop = item.get("carnot_efficiency_fraction") * cold / np.maximum(hot - cold, 1e-9)
    cop = np.minimum(np.maximum(cop, 2.0), 12.0)
    mechanical = np.ones(air.shape)
    if item.free_cooling_approach_k is not None:  # of a water rise of 10 K, what outdoor air cannot take
        mechanical = np.clip((air + item.get("free_cooling_approach_k") - supply_c) / 10.0, 0.0, 1.0)
    derate = item.get("capacity_derate_fraction_per_k", 0.0) * np.maximum(air - 35.0, 0.0)
    return np.maximum(1.0 - derate, 0.0), mechanical / cop + fans
