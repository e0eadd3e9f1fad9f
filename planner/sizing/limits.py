"""Limits of the sizing model: crews, grid and firm sources, supply, areas and milestones."""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

from planner.case.case import quarter_bounds
from planner.case.existing import standing_units
from planner.case.schema import Milestone
from planner.operation.events import lost_of
from planner.sizing.dates import TESTED_ON, most_completed
from planner.sizing.permits import Permits
from planner.sizing.site_limits import site_limits
from planner.sizing.targets import contribution, grid_steps, target_of

_MORE_MW = 1e4  # of grid than any site asks for


class Limits(Permits):
    """What holds a plan back."""

    def commissioning(self) -> None:
        m, case = self.m, self.case
        rules = case.input.commissioning
        if not self.plant.racks or rules.weeks == 0:
            return
        most_blocks = math.ceil(self.most_mw() / rules.block_mw)
        m.blocks = pyo.Var(self.periods, within=pyo.NonNegativeIntegers, bounds=(0, most_blocks))
        m.commissioned_blocks = pyo.Constraint(
            self.periods,
            rule=lambda m, p: (
                self.design["it", p] - self.settled_mw(p) <= rules.block_mw * m.blocks[p] + m.slack["commissioning", p]
            ),
        )
        m.commissioned_equipment = pyo.ConstraintList()
        m.blocks_stay = pyo.ConstraintList()
        for p in self.periods:
            if self.stays([m.blocks], None, p, self.dates.standing, m.blocks_stay):
                continue
            for position in TESTED_ON:
                if self.position_exists(position):  # a begun block counts as one
                    m.commissioned_equipment.add(
                        rules.block_mw * (m.blocks[p] - 0.999) <= self.capacity(position, p) + m.slack["equipment", p]
                    )
        m.commissioning_crews = pyo.ConstraintList()
        starts = case.timeline.starts
        days = rules.weeks * 7.0
        most = {}
        for q in self.periods:
            done = rules.blocks_in_parallel * math.floor((starts[q] - case.timeline.start).days / days + 1e-9)
            m.commissioning_crews.add(m.blocks[q] <= done)
            for p in range(q - 1, -1, -1):
                most[p, q] = most_completed(case, p, q)
                # A window that two shorter ones imply says nothing new.
                if all(most[p, r] + most[r, q] > most[p, q] for r in range(p + 1, q)):
                    m.commissioning_crews.add(m.blocks[q] - m.blocks[p] <= most[p, q])

    def settled_mw(self, p: int) -> Any:
        """IT design power that runs since before the start, and needs no crew. [MW]"""
        m, start, rows = self.m, self.case.timeline.starts[p], self.case.input.existing
        racks = [r for r in self.plant.racks if standing_units(rows, r.item.id, start)]
        if not racks:
            return 0.0
        if not hasattr(m, "settled"):
            m.settled = pyo.Var([(r.item.id, q) for r in self.plant.racks for q in self.periods], bounds=(0, None))
            m.settled_racks = pyo.ConstraintList()
        for r in racks:
            m.settled[r.item.id, p].setub(standing_units(rows, r.item.id, start))
            m.settled_racks.add(m.settled[r.item.id, p] <= m.energised[r.item.id, p])
        return sum(r.design_mw * m.settled[r.item.id, p] for r in racks)

    # -- sources -------------------------------------------------------------------------------------------

    def sources(self) -> None:
        """Grid steps, substation, firm generation, and the firm-source row."""
        m, case = self.m, self.case
        m.grid = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.substation = pyo.Var(self.periods, within=pyo.Binary)
        m.firm_generation = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.grid_step = pyo.ConstraintList()
        m.grid_through_substation = pyo.ConstraintList()
        chain = [s for s in ("main_transformer", "hv_substation") if self.position_exists(s)]
        for p in self.periods:
            feeders, total = grid_steps(case, p)
            m.grid_step.add(m.grid[p] <= feeders + (total - feeders) * m.substation[p] + m.slack["grid", p])
            if total <= feeders:
                m.substation[p].fix(0)
            for stage in chain:
                m.grid_through_substation.add(
                    m.grid[p] <= feeders * (1 - m.substation[p]) + self.capacity(stage, p) + self._more_feeders(p)
                )
        self.fired()
        machines = self.plant.generators
        scheme = case.stage_redundancy("onsite_generation")
        spares = scheme.spares if scheme is not None else 0
        m.present = pyo.Var(
            [
                (g.item.id, p)
                for g in machines
                for p in self.periods
                if spares or self.plant.spinning_reserve or lost_of(g) in self.plant.links
            ],
            within=pyo.Binary,
        )
        # Of a type whose units may stand by, whether any is on duty.
        m.duty = pyo.Var([(o.reuses, p) for o in self.options if o.reuses for p in self.periods], within=pyo.Binary)
        island_mw = scheme.group_mw if scheme is not None and spares else None
        most_islands = math.ceil(self.most_mw() / island_mw) if island_mw else 1
        islands = list(self.periods) if island_mw else []
        m.islands = pyo.Var(islands, within=pyo.NonNegativeIntegers, bounds=(0, most_islands))
        m.firm_generation_total = pyo.ConstraintList()
        m.firm_generation_spare = pyo.ConstraintList()
        m.firm_source = pyo.ConstraintList()
        adequate_by_hour = case.load_series_mw is not None and not case.input.target.milestones
        for p in self.periods:
            total = sum(g.firm_mw * self.fires_on_duty(g, p) for g in machines)
            m.firm_generation_total.add(m.firm_generation[p] <= total)
            if island_mw:
                m.firm_generation_total.add(m.firm_generation[p] <= island_mw * m.islands[p])
            for g in machines:
                if (g.item.id, p) not in m.present or not self.may_fire(p):
                    continue
                o = self.option(g.item.id)
                most = self.most_units(o) + max(o.committed)
                standing, present = self.units(self.option(g.item.id), p), m.present[g.item.id, p]
                m.firm_generation_spare.add(standing <= most * present)
                m.firm_generation_spare.add(present <= standing)  # nothing is lost of what does not stand
                if (g.item.id, p) in m.duty:  # of a type that only stands by no spare is asked
                    present = m.duty[g.item.id, p]
                    m.firm_generation_spare.add(self.on_duty(o, p) <= most * present)
                if spares:  # of every island, where the case says how large one is
                    groups = m.islands[p] - most_islands * (1 - present) if island_mw else present
                    m.firm_generation_spare.add(m.firm_generation[p] <= total - spares * g.firm_mw * groups)
            if adequate_by_hour:
                continue  # a plain load series is served hour by hour in the blocks
            loss = self.plant.import_loss_fraction
            m.firm_source.add(
                m.grid[p] * (1.0 - loss) - self.standing("main_transformer", p) + m.firm_generation[p]
                >= self.design["mv_bus", p]
            )

        self.firm_gas(spares)
        self.potential()

    def _more_feeders(self, p: int) -> Any:
        """What a slack of the grid adds to the feeders: all of it where they carry the import, else none.

        More MW through a substation come through the transformers there are.
        """
        m, (feeders, total) = self.m, grid_steps(self.case, p)
        if total <= feeders or "grid" not in self.relax:
            return m.slack["grid", p]
        if feeders == 0:
            return 0.0
        if not hasattr(m, "more_feeders"):
            m.more_feeders = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.grid_through_substation.add(m.more_feeders[p] <= m.slack["grid", p])
        m.grid_through_substation.add(m.more_feeders[p] <= _MORE_MW * (1 - m.substation[p]))
        return m.more_feeders[p]

    # -- limits --------------------------------------------------------------------------------------------

    def supply(self) -> None:
        m = self.m
        m.supply_quarter = pyo.ConstraintList()
        for item_id, quarters in self.case.input.supply.items():
            sharing = [o for o in self.options if o.item.id == item_id and o.orders]
            for quarter, units in quarters.items():
                first, after = quarter_bounds(quarter)
                delivered = []
                for o in sharing:
                    inside = [k for k, order in enumerate(o.orders) if first <= order.dates.delivered < after]
                    if inside:
                        before = m.bought[o.key, inside[0] - 1] if inside[0] else 0.0
                        delivered.append(m.bought[o.key, inside[-1]] - before)
                if delivered:
                    p = max(self.case.timeline.period_of(first), 0)
                    m.supply_quarter.add(sum(delivered) <= units + m.slack["supply", p])

    def site_limits(self) -> None:
        m, limits = self.m, site_limits(self.case)
        m.site_limit = pyo.Constraint([limit.name for limit in limits], self.periods)
        for limit in limits:
            users = [(each, o) for o in self.options if not o.reuses and (each := limit.each(o)) > 0]
            for p in self.periods:
                used = sum(each * self.units(o, p) for each, o in users)
                if not isinstance(used, float | int) or used > limit.most:  # of committed units alone too
                    m.site_limit[limit.name, p] = used <= limit.most + m.slack[limit.name, p]

    def milestones(self) -> None:
        m, case = self.m, self.case
        m.milestone = pyo.ConstraintList()
        targets = case.input.target.milestones
        sought = case.input.objective.kind == "earliest"  # so the last one is late at worst, never in the way
        earliest = sought and not self.relax
        if earliest:
            m.reached = pyo.Var(self.periods, within=pyo.Binary)
            m.reached_stays = pyo.ConstraintList()
            for p in self.periods:
                if p:
                    m.reached_stays.add(m.reached[p] >= m.reached[p - 1])
        for i, milestone in enumerate(targets):
            free = earliest and i == len(targets) - 1
            if sought and not free and i == len(targets) - 1:
                continue
            first = 0 if free else case.timeline.period_of(milestone.by)
            for p in range(first, self.last + 1):
                running = self.running(milestone, p)
                needed = target_of(milestone)
                if free:
                    m.milestone.add(running >= needed * m.reached[p])
                else:
                    m.milestone.add(running + m.slack["milestones", p] >= needed)

    def running(self, milestone: Milestone, p: int) -> Any:
        """What runs in a period in the milestone's measure, net of spares."""
        spares = 1.0 + self.case.spares_fraction
        return sum(contribution(r, milestone) / spares * self.m.energised[r.item.id, p] for r in self.plant.racks)
