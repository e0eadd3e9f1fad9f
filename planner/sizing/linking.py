"""The linking vector of the sizing model: what each operating block sees of the counts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pyomo.environ as pyo

from planner.families import power
from planner.families.battery import Battery
from planner.families.cooling import standing_heat
from planner.operation import water
from planner.operation.blocks import hours_of
from planner.operation.called import UNCALLED
from planner.operation.caps import WATER, Cap
from planner.operation.events import lost_of
from planner.operation.gas import RATE
from planner.sizing.held import Held
from planner.sizing.options import rejection_key
from planner.sizing.shared import on_path, share
from planner.sizing.targets import grid_steps
from planner.sizing.water import allowed_m3_per_day

RATCHET_MONTHS = 11  # before the month that is billed


class Linking(Held):
    """Linking components of every period, and what ties states together: charge, promised peaks, annual limits."""

    def linking(self) -> None:
        self.hold()
        m, edges = self.m, self.plant.edges
        own = {*edges, *self.plant.peaks, *self.plant.energies}
        m.link = pyo.Var(self.periods, [n for n in self.plant.links if n not in own], within=pyo.NonNegativeReals)
        m.linking = pyo.Constraint(pyo.Any)
        paths = range(len(self.case.paths))
        index = [(p, k, on_path(name, path)) for path in paths for p, k in self.states for name in edges]
        m.edge = pyo.Var(index, within=pyo.NonNegativeReals)
        self._energies()
        self._reserves()
        self._edges()
        self._caps()
        self.shared_costs = share(m, self.plant)
        if self.plant.has_ratchet:
            self._ratchet()
        for p in self.periods:
            for name, value in self._components(p).items():
                m.linking[p, name] = m.link[p, name] == value

    def _energies(self) -> None:
        """Energy left of batteries that fade or keep some back, at the end of every year of a period."""
        m, timeline = self.m, self.case.timeline
        years = [(p, year) for p in self.periods for year in timeline.years_in(p)]
        m.energy = pyo.Var([(*at, name) for at in years for name in self.plant.energies], within=pyo.NonNegativeReals)
        for store in (b for b in self.plant.batteries if b.own_energy):
            for p, year in years:
                free = self._left(store, p, year) - self.held_energy(store, p) - self.held_room(store, p)
                m.linking[p, year, store.energy] = m.energy[p, year, store.energy] == free

    def _left(self, store: Battery, p: int, year: int, since: int = 0) -> Any:
        """Energy left, at the end of a year of a period, of purchases in service since a period. [MWh]"""
        o, timeline = self.option(store.item.id), self.case.timeline
        purchases = [(ready, timeline.first_period(ready), units) for ready, units in o.owned]
        purchases += [(order.dates.ready, order.in_service, self.newly(o, k)) for k, order in enumerate(o.orders)]
        return store.energy_mwh * sum(
            store.left(timeline.age_years(ready, p, year)) * units
            for ready, served, units in purchases
            if since <= served <= p
        )

    def energy(self, store: Battery, p: int, year: int) -> Any:
        """Energy that a battery may hold in a year of a period. [MWh]"""
        return self.m.energy[p, year, store.energy] if store.own_energy else store.hours * self.m.link[p, store.key]

    def _reserves(self) -> None:
        """Energy held for events, by battery and period, and what new units bring of it and of what is kept stored."""
        m = self.m
        self.held = self.plant.batteries if self.plant.events else self.fast
        m.first_charge = pyo.Var([(b.item.id, p) for b in self.held for p in self.periods], within=pyo.NonNegativeReals)
        m.reserves = pyo.ConstraintList()
        for store in self.held:
            for p in self.periods:
                reserve = m.link[p, store.reserve] if self.plant.events else 0.0
                if self.plant.events:
                    m.reserves.add(reserve <= self.energy(store, p, self.case.timeline.years_in(p)[-1]))
                brought = m.first_charge[store.item.id, p]
                m.reserves.add(brought <= reserve + self.held_energy(store, p))
                before = self.units(self.option(store.item.id), p - 1) if p else 0.0  # only what is new brings energy
                new = store.energy_mwh * (self.units(self.option(store.item.id), p) - before)
                m.reserves.add(brought <= (self._left(store, p, 0, p) if store.fades else new))

    def first_charge(self, store: Battery, p: int) -> Any:
        """Energy that units bring with them at the start of a period. [MWh]"""
        return self.m.first_charge[store.item.id, p] if store in self.held else 0.0

    def _edges(self) -> None:
        """State of charge between states: from empty at the start, build months in a row, each year in a circle."""
        m, timeline = self.m, self.case.timeline
        sampled = self.case.input.horizon.sample_days_per_month is not None
        m.edges = pyo.ConstraintList()
        month = {(p, k): timeline.part_at(p, k)[0] for p, k in self.states}
        keys = {timeline.block_key(*timeline.part_at(*state)) for state in self.states if self.plant.events}
        strikes = [plant.strikes for plant in self.plant.paths]
        first_step = {key: int(hours_of(self.case, key).step_of_year[0]) for key in keys}
        self.edges: list[tuple[Any, str, float, tuple[Any, ...], Any]] = []
        for store, path in product(self.plant.batteries, range(len(self.case.paths))):
            start, end = on_path(store.soc_start, path), on_path(store.soc_end, path)
            if store in self.held:
                m.edges.add(m.edge[0, 0, start] + self.held_energy(store, 0) == self.first_charge(store, 0))
            else:
                m.edge[0, 0, start].fix(0.0)
            for p, k in self.states:
                year = timeline.year_at(p, k)
                m.edges.add(m.edge[p, k, end] <= self.energy(store, p, year))
                if self.plant.events and strikes[path][first_step[timeline.block_key(*timeline.part_at(p, k))]]:
                    m.edges.add(m.edge[p, k, start] >= m.link[p, store.reserve])  # a row of its block, known ahead
                begins = k == 0 or timeline.year_at(p, k - 1) != year
                if store.own_energy and begins:  # less is left than in the year before
                    m.edges.add(m.edge[p, k, start] <= self.energy(store, p, year))
                last = k == timeline.places(p)[-1]
                if sampled and (last or month[p, k + 1] != month[p, k]):
                    # a sample may not hoard energy for days it leaves out
                    first = next(j for j in timeline.places(p) if month[p, j] == month[p, k])
                    m.edges.add(m.edge[p, k, end] == m.edge[p, first, start])
                if not last or timeline.is_yearly(p):
                    m.edges.add(m.edge[p, k, end] == m.edge[p, 0 if last else k + 1, start])
            for p in self.periods[1:]:
                before = m.edge[p - 1, timeline.places(p - 1)[-1], end] + self.first_charge(store, p)
                before = before + self.held_energy(store, p - 1)
                now = m.edge[p, 0, start] + self.held_energy(store, p)  # edges count from what is kept stored
                # A year starts, whenever it repeats, from no more than was charged before it.
                m.edges.add(now <= before if timeline.is_yearly(p) else now == before)
            if not sampled:
                self._edge_columns(store, path)

    def _edge_columns(self, store: Battery, path: int) -> None:
        """Every state of charge between states: its edge in the year, what bounds it, and its reserve.

        With reserves, those alone that lie inside a year: the others move with what new units bring.
        """
        m, timeline = self.m, self.case.timeline
        for p, k in self.states:
            yearly, last = timeline.is_yearly(p), k == timeline.places(p)[-1]
            after = (p, k + 1) if not last else (p, 0) if yearly else (p + 1, 0)
            # A year ends as it starts, and so no later year starts with more than the build months leave.
            before = (timeline.build_months if yearly else p) - 1
            for name, first, at in ((store.soc_start, k == 0, (p, k)), (store.soc_end, yearly and last, after)):
                inside = yearly and not (last if name == store.soc_end else k == 0)
                if inside if store in self.held else not first or before >= 0:  # the horizon starts empty
                    month, part = timeline.part_at(*at)
                    edge = on_path(f"{store.key} {timeline.first_day(month).month}.{part or 0}", path)
                    held = m.link[p, store.reserve] if self.plant.events else None
                    limits: tuple[Any, ...] = (m.link[before if first else p, store.key],)
                    if store.own_energy:  # it fits both states, and where it is passed on all years from its first
                        fits = {(q, timeline.year_at(q, j)) for q, j in ((p, k), at)}
                        passed = range(before, p + 1) if first else range(0)
                        fits |= {(q, year) for q in passed for year in timeline.years_in(q)}
                        limits = tuple(m.energy[q, year, store.energy] for q, year in sorted(fits))
                    self.edges.append((m.edge[p, k, on_path(name, path)], edge, store.holds[0], limits, held))

    def _ratchet(self) -> None:
        """Every month's highest counted peak of the eleven before, on its path; where years repeat, before any of them.

        So it is exact in every month that comes once, and no month of the operating year is billed too little in any.
        """
        m, tariff, timeline = self.m, self.case.tariff, self.case.timeline
        assert tariff is not None
        m.ratchet = pyo.ConstraintList()
        before = timeline.before(RATCHET_MONTHS)
        for path in range(len(self.case.paths)):
            peak, ratchet = on_path("peak_mw", path), on_path("ratchet_mw", path)
            for p, t in before:
                if timeline.first_day(t).month - 1 in tariff.ratchet_months:
                    m.ratchet.add(m.peak[p, t, peak] <= m.grid[p])
                else:
                    m.peak[p, t, peak].fix(0.0)
            for month, earlier in before.items():
                for other in sorted(earlier):
                    if not m.peak[*other, peak].fixed:
                        m.ratchet.add(m.peak[*month, ratchet] >= m.peak[*other, peak])

    def _caps(self) -> None:
        """Allowances of the blocks of a calendar year within its limit, path by path; a year that repeats is one.

        What comes before it may end inside a calendar year: its months and the first operating ones share that
        year's limit. Run-hours go with what stands: a unit that comes in June has run no hours by May.
        """
        m, timeline = self.m, self.case.timeline
        m.caps = pyo.ConstraintList()
        years: dict[int, list[tuple[int, int]]] = {}
        for state in self.states:
            for month in timeline.months_at(*state):
                years.setdefault(timeline.first_day(month).year, []).append(state)
        limited = list(years.values())
        if timeline.repeats_year:
            limited = [of for of in limited if of[0][0] < self.last]
            limited.append([(self.last, k) for k in timeline.places(self.last)])
        months: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for p, k in self.states:
            months.setdefault((p, timeline.part_at(p, k)[0]), []).append((p, k))
        in_turn = list(months.values())  # a year that repeats is there once: each 12 months of its repetitions are it
        for cap, path in product(self.plant.caps, range(len(self.case.paths))):
            if cap.permitted:
                self.permitted_rows(cap, [[(m.edge[p, k, on_path(cap.key, path)], p) for p, k in of] for of in in_turn])
                continue
            for states in limited:
                self._cap_rows(cap, [(m.edge[p, k, on_path(cap.key, path)], p) for p, k in states])

    def _cap_rows(self, cap: Cap, shares: list[tuple[Any, int]]) -> None:
        """Allowances and their periods in order of time: their sum; every sum where the limit goes with what stands."""
        m = self.m
        for i, (_, p) in enumerate(shares, 1):
            if i == len(shares) or (cap.rating is not None and shares[i][1] != p):
                most = cap.per_year * (1.0 if cap.rating is None else self._rated(cap.rating, shares[0][1], p))
                store = next((b for b in self.fast if cap.rating == b.key), None)
                if store is not None:  # what it keeps back is not in its link, and smoothing cycles too
                    most += cap.per_year * self.held_power(store, p) - self.smoothing_cycled_mwh(store, p)
                if cap.key == WATER:
                    most += m.slack["water_year", shares[i - 1][1]]
                m.caps.add(sum(allowance for allowance, _ in shares[:i]) <= most)

    def _rated(self, key: str, first: int, p: int) -> Any:
        """What has stood of a link's rating at some time from one period to another, in its unit."""
        for g in self.plant.generators:
            o = self.option(g.item.id)
            if g.key == key and (g.item.tenure == "rented" or any(o.left)):
                come = self.mobilised(o, p) - self.mobilised(o, first) + o.left[p] - o.left[first]
                return g.nameplate_mw * (self.units(o, first) + come)
        return self.m.link[p, key]

    def _components(self, p: int) -> dict[str, Any]:
        """Linking component -> expression in the counts of a period."""
        m, case, plant = self.m, self.case, self.plant
        values: dict[str, Any] = {"one": 1.0, "grid_mw": m.grid[p], "contract_mw": grid_steps(case, p)[1]}
        if case.load_series_mw is not None:
            values["load_mw"] = self.series_peak_mw(p)
        if case.input.site.grid.export is not None:
            values["export_mw"] = case.input.site.grid.export.mw
        if plant.racks:
            values |= self._load_components(p)
        for loop in ("liquid", "air"):
            options = [r for r in plant.rejections if r.loop == loop]
            if len(options) > 1:
                for r in options:
                    o = self.option(rejection_key(r.item, loop))
                    values[r.key] = r.capacity_mw * self.energised_units(o, p)
        if water.DAY in plant.links:
            values[water.DAY] = allowed_m3_per_day(self, p)
        for g in plant.generators:
            values[g.key] = g.nameplate_mw * self.fires(g, p)
        for source in plant.renewables:
            values[source.key] = source.nameplate_mw * self.units(self.option(source.item.id), p)
        for b in plant.batteries:
            values[b.key] = b.power_mw * self.units(self.option(b.item.id), p) - self.held_power(b, p)
        for g in plant.generators:
            if lost_of(g) in plant.links:
                values[lost_of(g)] = g.nameplate_mw * m.present[g.item.id, p] if self.may_fire(p) else 0.0
        if plant.standby:
            values["standby_mw"] = self.capacity("standby_generation", p, reused=False)
        if plant.spinning_reserve:
            values["reserve_mw"] = self.uncovered_mw(p)
        if plant.gas is not None:
            values[RATE] = self.gas_mmbtu_per_h(p)
        if case.input.site.grid.curtailment is not None:
            values[UNCALLED] = self.uncalled_mw(p)
        if plant.smooths:
            values["smoothing_usd_per_h"] = self.smoothing_wear_usd_per_h(p)
        return values

    def _load_components(self, p: int) -> dict[str, Any]:
        m, plant = self.m, self.plant
        run = {r.item.id: m.energised[r.item.id, p] for r in plant.racks}
        network = self.network_mw(p)
        mean = sum(r.average_mw * run[r.item.id] for r in plant.racks)
        liquid = sum(r.liquid_fraction * r.average_mw * run[r.item.id] for r in plant.racks)
        on_pdu = sum(r.average_mw * run[r.item.id] for r in plant.racks if "rack_pdu" in r.item.consumes)
        values: dict[str, Any] = {"it_mw": mean}
        values |= {r.key: r.average_mw * run[r.item.id] for r in plant.racks}
        standing = network
        for position in ("cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air"):
            standing = standing + self.auxiliaries(position, p)
        for name in (*power.CHAIN, "main_transformer"):
            standing = standing + self.standing(name, p)
        values["standing_mw"] = standing + self.smoothing_loss_mw(p)
        if plant.has_pdu:
            values["pdu_mw"] = on_pdu
        for stage in plant.stages:
            if stage.square > 0:
                values[f"rated:{stage.name}"] = sum(
                    power.rating_mw(self.case, o.item, stage.name) * self.loaded_units(o, p)
                    for o in self.options
                    if stage.name in o.supplies
                )
        if any(r.loop == "liquid" for r in plant.rejections):
            values["heat:liquid"] = liquid
            values[standing_heat("liquid")] = self.auxiliaries("cdu", p)
        if any(r.loop == "air" for r in plant.rejections):
            room = [stage for stage in plant.stages if stage.name in power.IN_THE_ROOM]
            following = sum(
                stage.proportional * stage.throughput_per_it * (on_pdu if stage.name == "rack_pdu" else mean)
                for stage in room
            )
            values["heat:air"] = mean - liquid + following
            lost = sum(self.standing(stage, p) for stage in power.IN_THE_ROOM)
            values[standing_heat("air")] = network + lost + self.auxiliaries("air_unit", p)
        return values
