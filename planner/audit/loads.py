"""The auditor's loads and sources: losses, design loads up to the medium-voltage bus, firm source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from planner.audit.base import Array
from planner.audit.gates import fed_mw, gas_mmbtu_per_day, may_fire
from planner.audit.network import Recount, joins_on_floor, recounted
from planner.audit.node_racks import racks_filled
from planner.audit.physics import floor_m2, mmbtu_per_mwh, site_rating
from planner.audit.site import Standing
from planner.audit.stock import FLOW, LOOPS, Rack
from planner.case.item import Item
from planner.units import HOURS_PER_YEAR

IN_THE_ROOM = ("rack_pdu", "busway", "ups")  # their losses heat the air of the hall


def method(compute: Item) -> str:
    """Cooling method of compute; by its heat where the catalog does not say."""
    by_heat = "direct_liquid" if compute.get("heat_to_liquid_fraction", 0.0) > 0 else "air"
    return compute.cooling_method or by_heat


def in_one(node: Item, holder: Item) -> int:
    """Whole nodes in one rack or tank, by height and by power."""
    high = holder.get("rack_units", 48.0) / max(node.get("rack_units", 1.0), 1.0)
    strong = holder.get("rack_power_max_kw") / node.design_kw if holder.rack_power_max_kw is not None else high
    return math.floor(min(high, strong))


@dataclass(frozen=True)
class Loss:
    """Losses of a stage: proportional and square part, and what flows through it per MW of IT."""

    stage: str
    proportional: float
    square: float
    multiple: float


class Site(Standing):
    """What stands, with the loads and sources that follow. Index p is the period."""

    # -- losses --------------------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> tuple[Loss, ...]:
        """Stages the case builds, rack to medium-voltage bus, each as bad as its worst item."""
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
            (
                i.get("loss_proportional_fraction", 0.0) + i.get("loss_square_fraction", 0.0)
                for i in self.items_for("main_transformer")
            ),
            default=0.0,
        )

    # -- design loads --------------------------------------------------------------------------------------

    def load_by_step(self, p: int) -> Array:
        """The load series as it has grown by the start of a period, by step; zero where there is none. [MW]"""
        series, scale = self.case.load_series_mw, 1.0
        for step in self.case.input.target.load_scale:
            if step.from_ <= self.starts[p]:
                scale = step.fraction
        return series * scale if series is not None else np.zeros(HOURS_PER_YEAR)

    @cached_property
    def design(self) -> list[dict[str, tuple[float, float]]]:
        """By period: position -> (least, most) design load. They differ where two items share a loop."""
        return [self._design(p) for p in self.periods]

    def _design(self, p: int) -> dict[str, tuple[float, float]]:
        loads: dict[str, tuple[float, float]] = {}
        batteries = sum(
            float(self.of_item(i.id)[p]) * i.get("nameplate_power_mw")
            for i in self.family_items("battery")
            if "mv_lv_transformer" in i.consumes
        )
        loads["battery_transformer"] = (batteries, batteries)
        if not self.racks:
            factors = [s.load_factor for s in self.case.input.scenarios]
            peak = float(self.load_by_step(p).max()) * max(factors, default=1.0)
            return self._with_standby(loads | {"mv_bus": (peak, peak)})
        loads |= {name: (value, value) for name, value in self._space(p).items()}
        loads["rack_space"] = racks_filled(self, p)
        loss = {s.stage: s.proportional + s.square for s in self.losses}

        def upstream(stage: str, load: float) -> float:
            return load * (1.0 + loss[stage]) + self.no_load_mw(stage, p) if stage in loss else load

        it, network = loads["it"][0], float(self.network_mw[p])
        on_pdu = float(self.sum_racks({r.item.id: r.design_mw for r in self.racks if r.uses("rack_pdu")})[p])
        busway = upstream("rack_pdu", on_pdu) + it - on_pdu + network
        liquid = float(self.sum_racks({r.item.id: r.design_mw * r.liquid for r in self.racks})[p])
        pumps, fans = self.auxiliary_mw("cdu", p), self.auxiliary_mw("air_unit", p)
        ups = upstream("busway", busway) + pumps + fans
        board = upstream("ups", ups)
        air = board - liquid - pumps - fans  # what enters the room and leaves it through the air units
        exact = {
            "rack_pdu": on_pdu,
            "busway": busway,
            "cdu": liquid,
            "cdu_flow": float(self.sum_racks({r.item.id: self.flow_lpm(r) for r in self.racks})[p]),
            "air_unit": air,
            "ups": ups,
            "lv_switchboard": board,
            "heat_rejection:liquid": liquid + pumps,
            "heat_rejection:air": air + fans,
        }
        loads |= {name: (value, value) for name, value in exact.items()}
        below = upstream("lv_switchboard", board)
        cooling = [self.rejection_power(loop, exact[f"heat_rejection:{loop}"], p) for loop in LOOPS]
        for place in (0, 1):
            at_mv = below + sum(pair[place] for pair in cooling)
            gear = upstream("mv_lv_transformer", at_mv)
            bus = upstream("mv_switchgear", gear)
            for name, value in (("mv_lv_transformer", at_mv), ("mv_switchgear", gear), ("mv_bus", bus)):
                loads[name] = (value, value) if not place else (loads[name][0], value)
        return self._with_standby(loads)

    def _with_standby(self, loads: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """Loads with what standby generation must cover of them."""
        policy = self.case.redundancy.get("standby_generation")
        if policy is None:
            return loads
        low, high = loads["mv_bus"]
        return loads | {"standby_generation": (policy.covers * low, policy.covers * high)}

    def _space(self, p: int) -> dict[str, float]:
        """IT design power, ports, floor and fit-out the running racks need."""
        floor = 0.0
        for rack in self.racks:
            if rack.uses("white_space"):
                floor += float(self.runs(rack)[p]) * floor_m2(rack.item)
        floor += float(sum(floor_m2(i) * n[p] for i, parts, n in self.standing() if "rack_space" in parts))
        racked = [(self.case.catalog[i], on) for (i, _), on in self.on.items() if joins_on_floor(self.case.catalog[i])]
        floor += float(sum(floor_m2(i) * on[p] for i, on in racked))
        it = float(self.sum_racks({r.item.id: r.design_mw for r in self.racks})[p])
        ports = float(self.sum_racks({r.item.id: r.gpus for r in self.racks if r.uses("network")})[p])
        return {
            "it": it,
            "network": ports,
            **({"network_top_layer": self._top_layer(p)} if self.case.input.network is not None else {}),
            "white_space": floor,
            "fit_out": it + float(self.network_mw[p]),
        }

    def _top_layer(self, p: int) -> float:
        """Switches that join the fabric's units switched on."""
        units = sum(on[p] for (i, _), on in self.on.items() if self.case.catalog[i].fabric is not None)
        return float(self.fabric.top(round(float(units))))

    @cached_property
    def fabric(self) -> Recount:
        """The counted fabric of the case."""
        return recounted(self.case)

    def rack_item(self, rack: Rack) -> Item | None:
        """First rack or tank whose cooling, height and power take a node; None where it stands by itself."""
        if not rack.uses("rack_space") or "rack_space" in rack.item.brings:
            return None
        takes = (i for i in self.items_for("rack_space") if not i.accepts or method(rack.item) in i.accepts)
        return next((i for i in takes if in_one(rack.item, i)), None)

    def racks_taken(self, rack: Rack) -> float:
        """Racks or tanks one node takes; 0 for what stands by itself."""
        holder = self.rack_item(rack)
        return 1.0 / in_one(rack.item, holder) if holder is not None else 0.0

    def rejection_power(self, loop: str, heat: float, p: int) -> tuple[float, float]:
        """(least, most) power of heat rejection at design for a heat. [MW]"""
        part = f"heat_rejection:{loop}"
        extra, choices = self.auxiliary_mw(part, p), self.rejectors[loop]
        if len(choices) <= 1:
            power = heat * (choices[0].power_at_extreme if choices else 0.0) + extra
            return power, power
        room = []
        for r in choices:
            n = sum(self.active(i, parts, on[p]) for i, parts, on in self.at(part) if i.id == r.item.id)
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
                shut = self.case.gates.get("existing_feeders", date.min) > self.starts[p]
                feeders = total = 0.0 if shut else step.mw
            elif open_:
                total = max(feeders, step.mw)
        return feeders, total

    @cached_property
    def grid_mw(self) -> Array:
        """Import each period allows: the feeders, or what firm transformers and bays switched on carry."""
        return self._grid_mw(standing=False)

    @cached_property
    def grid_possible_mw(self) -> Array:
        """The same with every transformer and bay that stands switched on."""
        return self._grid_mw(standing=True)

    def _grid_mw(self, *, standing: bool) -> Array:
        limits = []
        for p in self.periods:
            feeders, total = self.grid_step(p)
            stages = [s for s in ("main_transformer", "hv_substation") if self.built(s)]
            behind = [self.firm(s, p, standing=standing) for s in stages]
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
        """Generation that does not stand by, on the hottest day, the k largest out, within permit and firm gas."""
        scheme = self.case.stage_redundancy("onsite_generation")
        spares = scheme.spares if scheme is not None else 0
        units: list[tuple[float, str]] = []
        for item_id, each in self.firm_unit_mw.items() if may_fire(self.case, self.starts[p]) else ():
            on_duty = float(self.of_item(item_id, "generation")[p] - self.standing_by(item_id)[p])
            units += [(each, item_id)] * math.floor(on_duty + 1e-6)
        able: dict[str, float] = {}
        for each, item_id in sorted(units, reverse=True)[spares:]:
            able[item_id] = able.get(item_id, 0.0) + each
        gas, total = [], 0.0
        for item_id, mw in able.items():
            item = self.case.catalog[item_id]
            if item.fuel == "natural_gas" and self.case.input.site.gas is not None:
                gas.append((mmbtu_per_mwh(item), np.array([mw])))
            else:
                total += mw
        supply = self.case.input.site.gas
        if supply is not None and supply.firm and gas:
            total += float(fed_mw(gas, gas_mmbtu_per_day(self.case, self.starts[p]) / 24.0)[0])
        return min(total, self._of_islands(sorted(each for each, _ in units)))

    def _of_islands(self, units: list[float]) -> float:
        """Firm power of machines in islands, each with its largest out; machines in rising order. [MW]"""
        scheme = self.case.stage_redundancy("onsite_generation")
        if scheme is None or scheme.group_mw is None or not scheme.spares or not units:
            return math.inf
        firm, islands, out = 0.0, 1, scheme.spares * units[-1]
        while islands * out < sum(units):  # one island more carries more load and leaves more machines out
            firm = max(firm, min(islands * scheme.group_mw, sum(units) - islands * out))
            islands += 1
        return firm
