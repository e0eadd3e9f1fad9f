"""What stands on a site and what it can carry. From catalog and tables, never from the model."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np

from planner.audit.base import first_start
from planner.audit.physics import active_units, site_rating
from planner.audit.stock import FLOW, LPM_PER_KW, PLAIN, Rack, Stock
from planner.case.item import POWER_STAGES, Item
from planner.case.schema import Redundancy


class Standing(Stock):
    """What stands on a site, and what it can carry. Index p is the period."""

    def power_factor(self, part: str) -> float:
        """Of what a power stage delivers: the case's for the stage, or the grid's."""
        given = self.case.input.power_chain.power_factor
        return given.get(part, self.case.input.site.grid.power_factor)

    def power_rating_mw(self, item: Item, part: str) -> float:
        """Nameplate power of a unit; where it has kW and kVA, the lesser of the two."""
        kva = item.get("rating_kva") * self.power_factor(part) if item.rating_kva is not None else math.inf
        real = item.rating_kw if item.rating_kw is not None else item.it_power_kw
        return min(kva, real.planning if real is not None else math.inf) / 1000.0

    def carried_mw(self, item: Item, part: str) -> float:
        """What a unit may carry for hours: its rating in this site's heat, height and harmonics."""
        share, chain = 1.0, self.case.input.power_chain
        if item.continuous_load_fraction is not None:
            share = item.get("continuous_load_fraction")
        if part == "mv_lv_transformer" and item.eddy_current_loss_fraction is not None:
            eddy = item.get("eddy_current_loss_fraction")
            share *= math.sqrt((1.0 + eddy) / (1.0 + chain.harmonic_loss_factor * eddy))
        indoors = part in ("rack_pdu", "busway", "ups", "lv_switchboard")
        warm = (chain.electrical_room_c if indoors else self.case.ambient.extreme_dry_bulb_c) - item.get(
            "derate_from_c", 40.0
        )
        high = self.case.weather.elevation_m - item.get("derate_from_m", 0.0)
        share *= max(1.0 - max(warm, 0.0) * item.get("derate_fraction_per_k", 0.0), 0.0)
        share *= max(1.0 - max(high, 0.0) / 300.0 * item.get("derate_fraction_per_300m", 0.0), 0.0)
        return self.power_rating_mw(item, part) * share

    def unit_capacity(self, item: Item, part: str) -> float:
        """What one unit carries in a part of the chain: MW, m2, racks or GPU ports."""
        if part in POWER_STAGES or part == "battery_transformer":
            return self.carried_mw(item, "mv_lv_transformer" if part == "battery_transformer" else part)
        if part.startswith("heat_rejection:"):
            rejector = self.rejector(item.id, part.split(":")[1])
            return rejector.rated_mw * rejector.capacity_at_extreme if rejector else 0.0
        if part in ("cdu", "air_unit", "heat_rejection"):
            cooling = item.cooling_capacity_kw is not None
            rated = item.get("cooling_capacity_kw" if cooling else "it_power_kw") / 1000.0
            approach = self.case.input.cooling.cdu_approach_k
            own = item.cdu_approach_k or (None if "heat_rejection" in item.brings else item.approach_k)
            if part == "cdu" and approach is not None and own is not None:
                rated *= approach / own.planning
            return rated
        if part == "cdu_flow":
            rated = (item.cooling_capacity_kw or item.it_power_kw).planning  # type: ignore[union-attr]
            return item.flow_lpm.planning if item.flow_lpm is not None else LPM_PER_KW * rated
        if part == "standby_generation":
            hottest = np.array([self.case.ambient.extreme_dry_bulb_c])
            rating = site_rating(item, hottest, self.case.weather.elevation_m)
            return item.get("nameplate_power_mw") * float(rating[0])
        name = {"white_space": "white_space_m2", "fit_out": "it_power_kw", "network": "gpu_ports"}.get(part)
        value = item.get(name) if name else 1.0
        return value / 1000.0 if part == "fit_out" else value

    def active(self, item: Item, parts: tuple[str, ...], n: float) -> int:
        """Units that carry load out of n switched on, after the spares of their groups."""
        n = math.floor(n + 1e-6)
        if item.family == "compute" or "white_space" in item.brings or set(parts) & {*PLAIN, "battery_transformer"}:
            return n
        lead = next((s for s in FLOW if s in item.brings and s in parts), min(parts))
        stage = lead.split(":")[0]
        scheme = self.case.stage_redundancy(stage)
        unit, racks_mw = self.unit_capacity(item, lead), self._racks_per_group_mw(scheme, lead)
        if racks_mw is not None and lead == "cdu":  # as many units as the group's heat takes, or its flow
            racks_mw = max(racks_mw, unit * self._racks_per_group_lpm(scheme) / self.unit_capacity(item, "cdu_flow"))
        return active_units(scheme, n, unit, racks_mw)

    def carries_mw(self, item: Item, parts: tuple[str, ...], part: str, n: float) -> float:
        """Load that n units switched on may carry in a part of the chain, in its unit."""
        return self.active(item, parts, n) * self._carries(item, parts, part)

    def _carries(self, item: Item, parts: tuple[str, ...], part: str) -> float:
        """Load one active unit may carry: its rating, or its share of a group that is limited to so many racks."""
        rating = self.unit_capacity(item, part)
        if item.family == "compute":
            return rating
        lead = next((s for s in FLOW if s in item.brings and s in parts), min(parts))
        scheme = self.case.stage_redundancy(lead.split(":")[0])
        block = None if "white_space" in item.brings else self._racks_per_group_mw(scheme, lead)
        if block is None or scheme is None or not (scheme.spares or scheme.scheme == "2(N+1)"):
            return rating
        unit = self.unit_capacity(item, lead)
        units = math.ceil(block / unit - 1e-9)
        if lead != "cdu":
            return rating * block / (unit * units)
        units = max(units, math.ceil(self._racks_per_group_lpm(scheme) / self.unit_capacity(item, "cdu_flow") - 1e-9))
        return (self._racks_per_group_lpm(scheme) if part == "cdu_flow" else rating * block / unit) / units

    def _racks_per_group_lpm(self, scheme: Redundancy | None) -> float:
        """Coolant of a group of group_racks racks."""
        return (scheme.group_racks or 0 if scheme is not None else 0) * max(map(self.flow_lpm, self.racks), default=0.0)

    def flow_lpm(self, rack: Rack) -> float:
        """Coolant of a rack at the case's supply temperature, to the next whole litre a minute where it has a table."""
        if rack.liquid <= 0 or rack.item.coolant_flow_lpm is None:
            return LPM_PER_KW * 1000.0 * rack.design_mw * rack.liquid
        table = rack.item.coolant_flow_lpm.points
        flow = np.interp(self.case.input.cooling.coolant_supply_c, [c for c, _ in table], [lpm for _, lpm in table])
        return float(np.ceil(flow - 1e-9))

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
        brought = "cdu" if part == "cdu_flow" else part
        flows = {rack.item.id: self.flow_lpm(rack) for rack in self.racks} if part == "cdu_flow" else {}
        for item, parts, on in self.at(brought, standing=standing):
            own = flows.get(item.id)  # of a box, that of its own coolant
            total += self.carries_mw(item, parts, part, on[p]) if own is None else own * float(on[p])
        for item in self.family_items("generation") if part == "standby_generation" else ():
            by = float(self.standing_by(item.id)[p])
            total += self.active(item, (part,), by) * self.unit_capacity(item, part)
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
                total += item.get("loss_no_load_fraction", 0.0) * self.power_rating_mw(item, part) * counts[p]
        return float(total)

    def auxiliary_mw(self, part: str, p: int) -> float:
        """Constant draw of cooling units in a part; pods draw once, where their CDUs or else their air units do."""
        total = 0.0
        for item, _, n in self.at(part):
            pod = item.family in ("enclosure", "compute")
            if item.family == "cooling" or (pod and part == ("cdu" if "cdu" in item.brings else "air_unit")):
                total += item.get("auxiliary_power_kw", 0.0) / 1000.0 * float(n[p])
        return total

    def rated_mw(self, part: str, p: int, *, loaded: bool = False) -> float:
        """Rating of what is on in a power stage, spares and second paths included; loaded: without idle catchers."""
        total = 0.0
        for item, parts, on in self.at(part):
            lead = next((s for s in FLOW if s in item.brings and s in parts), part)
            scheme = self.case.stage_redundancy(lead)
            idle = loaded and scheme is not None and scheme.blocks_per_catcher is not None
            total += self.power_rating_mw(item, part) * (self.active(item, parts, on[p]) if idle else float(on[p]))
        return total
