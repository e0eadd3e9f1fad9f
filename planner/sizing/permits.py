"""Permits and promises in the sizing model: what may fire, what gas feeds, what could be emitted, what stays in a call.

permits              fires[j,p]: nothing before the air permit's date; only where that date is freed to see what
                     stands in the way, some may fire, and counts as potential
firm_gas             firm generation on gas within a day of gas at full load, whichever largest units are lost:
                     fed[j,lost,p] <= firm MW that fire, less the lost ones (where more are lost than stand, unfed
                     is what the others make up for);   sum of rate x fed <= gas of an hour
potential_to_emit    sum over items of rate x potential energy <= short tons a year, for every pollutant limited
                     potential energy: nameplate x 8,760 h of all that stand, spares included; with an enforceable
                     cap permitted[j,p], no more than that; of an emergency set, its hours x nameplate
caps                 what runs in any 12 months within the permitted energy of the last of them
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyomo.environ as pyo

from planner.case.item import Item
from planner.families.generation import Generator, heat_rate_mmbtu_hhv_per_mwh
from planner.operation.called import firm_mw
from planner.operation.caps import Cap
from planner.operation.gas import HOURS_PER_DAY
from planner.sizing.loads import Loads
from planner.timeline import MONTHS_PER_YEAR
from planner.units import HOURS_PER_YEAR, KG_PER_SHORT_TON

MWH_PER_GWH = 1000.0


class Permits(Loads):
    """What permits and promises allow."""

    def may_fire(self, p: int) -> bool:
        """Whether the air permit is there."""
        permit = self.case.input.site.air_permit
        return permit is None or permit.from_ <= self.case.timeline.starts[p]

    def fires(self, g: Generator, p: int) -> Any:
        """Units of a generator that may fire."""
        if self.may_fire(p):
            return self.units(self.option(g.item.id), p)
        free = (g.item.id, p) in self.m.fires
        return self.m.fires[g.item.id, p] if free else 0.0

    def fires_on_duty(self, g: Generator, p: int) -> Any:
        """Those of them that do not stand by."""
        return self.on_duty(self.option(g.item.id), p) if self.may_fire(p) else self.fires(g, p)

    def gas_mmbtu_per_h(self, p: int) -> Any:
        """A 24th of the gas of a day; none before its date."""
        supply = self.case.input.site.gas
        assert supply is not None
        flows = supply.from_ <= self.case.timeline.starts[p]
        return (supply.mmbtu_hhv_per_day * flows + self.m.slack["gas", p]) / HOURS_PER_DAY

    def uncalled_mw(self, p: int) -> Any:
        """MW of the connection that no call takes."""
        promise = self.case.input.site.grid.curtailment
        assert promise is not None
        return firm_mw(self.case, promise, p) + self.m.slack["curtailment", p]

    def fired(self) -> None:
        """Units that fire before the permit, where its date is freed."""
        m = self.m
        m.permits = pyo.ConstraintList()
        m.fires = pyo.Var(
            [
                (g.item.id, p)
                for g in self.plant.generators
                for p in self.periods
                if "air_permit" in self.relax and not self.may_fire(p) and self._is_limited(g)
            ],
            within=pyo.NonNegativeReals,
        )
        for item_id, p in m.fires:
            m.permits.add(m.fires[item_id, p] <= self.units(self.option(item_id), p))

    def _is_limited(self, g: Generator) -> bool:
        """Whether its emissions are limited, so that what fires before the permit takes of the permit's slack."""
        permit = self.case.input.site.air_permit
        return permit is not None and any(g.item.get(f"{q}_kg_per_mwh") > 0 for q in permit.limits)

    def firm_gas(self, spares: int) -> None:
        """Firm generation on gas within what the supply can feed; none where it is not firm."""
        m, gas = self.m, self.plant.gas
        m.firm_gas = pyo.ConstraintList()
        m.fed = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
        m.unfed = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
        if gas is None:
            return
        rates = {g.item.id: heat_rate_mmbtu_hhv_per_mwh(g.item) for g in gas.burners}
        for p in self.periods:
            lost: list[Generator | None] = [None]
            if spares and self.may_fire(p):
                lost = list(self.plant.generators)
            for out in lost:
                name = out.item.id if out is not None else ""
                total: Any = 0.0
                for g in self.plant.generators:
                    able = g.firm_mw * self.fires_on_duty(g, p)
                    if g is out:
                        there = m.duty if (name, p) in m.duty else m.present
                        able = able - spares * g.firm_mw * there[name, p]
                    if g.item.id in rates:
                        fed = m.fed[g.item.id, name, p] - (m.unfed[name, p] if g is out else 0.0)
                        m.firm_gas.add(fed <= able)
                        able = fed
                    total = total + able
                burnt = sum(rate * m.fed[i, name, p] for i, rate in rates.items())
                m.firm_gas.add(burnt <= (self.gas_mmbtu_per_h(p) if gas.supply.firm else 0.0))
                m.firm_gas.add(m.firm_generation[p] <= total)

    def potential(self) -> None:
        """Potential to emit within the permit, and the energy it allows of each generator."""
        m, permit = self.m, self.case.input.site.air_permit
        m.permitted = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)  # GWh a year
        m.potential_to_emit = pyo.ConstraintList()
        if permit is None:
            return
        capped = permit.enforceable_cap != "none"
        for p in self.periods:
            energy = list(self._standby_gwh(p))
            for g in self.plant.generators:
                stands, o = self.fires(g, p), self.option(g.item.id)
                if capped and self.may_fire(p) and (g.item.tenure == "rented" or any(o.left)):
                    stands = self.mobilised(o, p)  # what has gone counts in the 12 months it ran in
                most = HOURS_PER_YEAR * g.nameplate_mw / MWH_PER_GWH * stands
                if capped:
                    m.potential_to_emit.add(m.permitted[g.item.id, p] <= most)
                    most = m.permitted[g.item.id, p]
                energy.append((g.item, most))
            for pollutant, tons in permit.limits.items():
                total = sum(
                    item.get(f"{pollutant}_kg_per_mwh") * MWH_PER_GWH / KG_PER_SHORT_TON * gwh for item, gwh in energy
                )
                permitted = tons * self.may_fire(p)
                if not isinstance(total, float | int) or total > permitted:  # of what stands already alone too
                    m.potential_to_emit.add(total <= permitted + m.slack["air_permit", p])

    def _standby_gwh(self, p: int) -> Iterator[tuple[Item, Any]]:
        """(item, energy it could make in a year) of standby sets, once the permit is there. [GWh]"""
        permit = self.case.input.site.air_permit
        assert permit is not None
        for o in self.options if self.may_fire(p) else ():
            if "standby_generation" in o.supplies and not o.reuses:  # those count as generators already
                emergency = o.item.permit_class == "emergency"
                hours = permit.emergency_hours_per_year if emergency else float(HOURS_PER_YEAR)
                yield o.item, hours * o.item.get("nameplate_power_mw") / MWH_PER_GWH * self.units(o, p)

    def permitted_rows(self, cap: Cap, places: list[list[tuple[Any, int]]]) -> None:
        """What runs in the 12 months that end with each, within what is permitted then.

        places: by month in order of time, (allowance of a block, period).
        """
        for i, month in enumerate(places):
            inside = [allowance for of in places[max(0, i - MONTHS_PER_YEAR + 1) : i + 1] for allowance, _ in of]
            self.m.caps.add(sum(inside) <= MWH_PER_GWH * self.m.permitted[cap.permitted, month[0][1]])
