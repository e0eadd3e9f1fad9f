"""The linking vector of the sizing model: what each operating block sees of the counts."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from planner.families import power
from planner.operation.caps import Cap
from planner.sizing.limits import Limits
from planner.sizing.targets import grid_steps

RATCHET_MONTHS = 11  # before the month that is billed


class Linking(Limits):
    """Linking components and the state of charge between months."""

    def linking(self) -> None:
        m = self.m
        m.link = pyo.Var(self.periods, self.plant.links, within=pyo.NonNegativeReals)
        m.linking = pyo.Constraint(pyo.Any)
        for store in self.plant.batteries:
            name = store.item.id
            m.link[0, f"soc_start:{name}"].fix(0.0)
        edges = [f"soc_{side}:{b.item.id}" for b in self.plant.batteries for side in ("start", "end")]
        edges += [cap.key for cap in self.plant.caps]
        m.edge_link = pyo.Var(range(12), edges, within=pyo.NonNegativeReals)
        self._edges()
        if self.plant.has_ratchet:
            self._ratchet()
        self._caps()
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

    def _ratchet(self) -> None:
        """The highest peak of the eleven months before; the operating year looks back on itself and on the build.

        So no bill is below what the utility asks in any year. It is above in the first operating year alone, where
        peaks that are still to come already count.
        """
        m, last, tariff = self.m, self.last, self.case.tariff
        assert tariff is not None
        m.ratchet = pyo.ConstraintList()
        for p in self.periods:
            for before in range(max(0, p - RATCHET_MONTHS), p):
                if self.case.timeline.calendar_month(before) in tariff.ratchet_months:
                    m.ratchet.add(m.link[p, "ratchet_mw"] >= m.link[before, "peak_mw"])
            if p < last:
                m.ratchet.add(m.link[p, "peak_mw"] <= m.grid[p])
        m.ratchet.add(m.link[last, "ratchet_mw"] == m.link[last, "peak_mw"])

    def _caps(self) -> None:
        """Allowances of the months of a calendar year within its limit; the operating year is a year of its own.

        The build may end inside a calendar year: its months and the first operating ones share that year's limit.
        Run-hours go with what stands: a unit that comes in June has run no hours by May.
        """
        m, last, start = self.m, self.last, self.case.timeline.start
        m.caps = pyo.ConstraintList()

        def year(month: int) -> int:
            return (start.month - 1 + month) // 12

        for cap in self.plant.caps:
            m.link[last, cap.key].fix(0.0)
            first = [(m.edge_link[k, cap.key], last, year(last + k)) for k in range(12)]
            months = [(m.link[p, cap.key], p, year(p)) for p in range(last)] + first
            for y in range(year(last - 1) + 1) if last else ():
                self._cap_rows(cap, [(allowance, p) for allowance, p, its_year in months if its_year == y])
            self._cap_rows(cap, [(allowance, p) for allowance, p, _ in first])

    def _cap_rows(self, cap: Cap, months: list[tuple[Any, int]]) -> None:
        """Allowances of (month, period) in order: their sum, and where the limit goes with what stands, every sum."""
        m = self.m
        for i, (_, p) in enumerate(months, 1):
            if i == len(months) or (cap.rating is not None and months[i][1] != p):
                rated = 1.0 if cap.rating is None else m.link[p, cap.rating]
                m.caps.add(sum(allowance for allowance, _ in months[:i]) <= cap.per_year * rated)

    def _components(self, p: int) -> dict[str, Any]:
        """Linking component -> expression in the counts of a period."""
        m, case, plant = self.m, self.case, self.plant
        values: dict[str, Any] = {"one": 1.0, "grid_mw": m.grid[p], "contract_mw": grid_steps(case, p)[1]}
        if case.input.site.grid.export is not None:
            values["export_mw"] = case.input.site.grid.export.mw
        if plant.racks:
            values |= self._load_components(p)
        for loop in ("liquid", "air"):
            options = [r for r in plant.rejections if r.loop == loop]
            if len(options) > 1:
                for r in options:
                    o = self.option(f"{r.item.id}@{loop}")
                    values[r.key] = r.capacity_mw * self.energised_units(o, p)
        for g in plant.generators:
            values[g.key] = g.nameplate_mw * self.units(self.option(g.item.id), p)
        for source in plant.renewables:
            values[source.key] = source.nameplate_mw * self.units(self.option(source.item.id), p)
        for b in plant.batteries:
            values[b.key] = b.power_mw * self.units(self.option(b.item.id), p)
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
        for name in (*power.CHAIN, "main_transformer"):
            standing = standing + self.standing(name, p)
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
