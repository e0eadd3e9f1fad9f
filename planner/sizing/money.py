"""Money in the sizing model: cost columns, budget rows, and the cost no plan escapes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyomo.environ as pyo

from planner.case.case import Case
from planner.ledger import (
    Cash,
    cash_by,
    first_charge_usd_per_mwh,
    fixed_flows,
    fixed_om,
    on_site_ready,
    present_value,
    standby_tests,
)
from planner.sizing.linking import Linking
from planner.sizing.options import USD_PER_KUSD
from planner.sizing.rent import rents
from planner.sizing.targets import contribution, target_of
from planner.timeline import DAYS_IN_MONTH


class Money(Linking):
    """Dated cash of every decision."""

    def money(self) -> None:
        """Cost columns, the budget rows, and the present value of every purchase."""
        m, case = self.m, self.case
        self._operating_cost()
        fixed = [cash for _, cash in fixed_flows(case)] + [cash for _, cash in self.committed_om()]
        self.constant_kusd = present_value(case, fixed) / USD_PER_KUSD
        self.hires, self.billed = rents(m, case, self.options, self.mobilised, self.units)
        m.budget = pyo.ConstraintList()
        timeline = case.timeline
        for row in case.input.budget:
            spent = sum(
                cash_by(order.flows, row.by) / USD_PER_KUSD * self.newly(o, k)
                for o in self.options
                for k, order in enumerate(o.orders)
            )
            spent = spent + cash_by(fixed, row.by) / USD_PER_KUSD
            spent = spent + sum(h.usd / USD_PER_KUSD * h.units for h in self.hires if h.on <= row.by)
            spent = spent + sum(kusd * mwh for day, kusd, mwh in self.first_charges() if day <= row.by)
            spent = spent + sum(
                m.cost[p, k]
                for p, k in self.states
                for month in timeline.months_at(p, k)
                if timeline.middle(month) <= row.by
            )
            spent = spent + sum(
                shared.kusd
                for shared in self.shared_costs
                for month in timeline.months_at(shared.period, shared.place)
                if timeline.middle(month) <= row.by
            )
            p = min(max(timeline.period_of(row.by), 0), self.last)
            m.budget.add(spent <= row.usd / USD_PER_KUSD + 1000.0 * m.slack["budget", p])

    def _operating_cost(self) -> None:
        """Cost of a place: a variable of its own, or the expectation of those of every path."""
        m, paths = self.m, self.case.scenarios
        if not paths:
            m.cost = pyo.Var(self.states, within=pyo.Reals, bounds=(_least_month_kusd(self.case), None))
            return
        least = [_least_month_kusd(path.case) for path in paths]
        index = [(p, k, w) for w in range(len(paths)) for p, k in self.states]
        m.path_cost = pyo.Var(index, within=pyo.Reals, bounds=lambda m, p, k, w: (least[w], None))
        m.cost = pyo.Expression(
            self.states,
            rule=lambda m, p, k: sum(path.probability * m.path_cost[p, k, w] for w, path in enumerate(paths)),
        )

    def risk(self, weights: dict[tuple[int, int], float]) -> Any:
        """What risk adds to the expected cost: weight x (CVaR - expectation) of operation. [kUSD]

        CVaR = least over eta of eta + expectation(excess) / (1 - alpha), excess >= cost of a path - eta, its cost
        the present value over the whole horizon (Rockafellar and Uryasev, Journal of Risk 2(3), 2000).
        """
        m, given, paths = self.m, self.case.input.risk, self.case.scenarios
        if given is None:
            return 0.0
        m.value_at_risk = pyo.Var(within=pyo.Reals)
        m.excess = pyo.Var(range(len(paths)), within=pyo.NonNegativeReals)
        m.path_excess = pyo.ConstraintList()
        for w in range(len(paths)):
            cost = sum(weights[p, k] * m.path_cost[p, k, w] for p, k in self.states)
            cost += sum(weights[s.period, s.place] * s.kusd_per_mw * s.peak for s in self.shared_costs if s.path == w)
            m.path_excess.add(m.excess[w] >= cost - m.value_at_risk)
        beyond = sum(path.probability * m.excess[w] for w, path in enumerate(paths))
        expected = sum(weights[state] * m.cost[state] for state in self.states)
        expected += sum(weights[s.period, s.place] * s.kusd for s in self.shared_costs)
        return given.weight * (m.value_at_risk + beyond / (1.0 - given.cvar_alpha) - expected)

    def committed_om(self) -> list[tuple[str, Cash]]:
        """Fixed O&M and test fuel of what is bought, once it is installed, and of what stands, until it is retired."""
        flows = []
        for row in self.case.input.committed:
            item = self.case.catalog[row.item]
            period = self.case.timeline.first_period(on_site_ready(item, row.on_site, 0.0, date.min))
            if period <= self.last:
                since = self.case.timeline.starts[period]
                for cash in (*fixed_om(self.case, item, since), *standby_tests(self.case, item, since)):
                    flows.append((row.item, Cash(cash.on, cash.line, cash.usd * row.units)))
        for old in self.case.input.existing:
            item, since = self.case.catalog[old.item], self.case.timeline.start
            for cash in (*fixed_om(self.case, item, since), *standby_tests(self.case, item, since)):
                if old.retire is None or cash.on < old.retire:
                    flows.append((old.item, Cash(cash.on, cash.line, cash.usd * old.units)))
        return flows

    def first_charges(self) -> list[tuple[date, float, Any]]:
        """(day, thousand USD per MWh, MWh) of the energy that new batteries bring."""
        starts = self.case.timeline.starts
        return [
            (starts[p], first_charge_usd_per_mwh(self.case, starts[p].year) / USD_PER_KUSD, self.first_charge(store, p))
            for store in self.held
            for p in self.periods
        ]

    def forced_compute_kusd(self) -> float:
        """Least present value of the compute the milestones need, a bound for every feasible plan."""
        case = self.case
        if case.input.objective.kind != "min_cost" or not case.input.target.milestones:
            return 0.0
        total, served = 0.0, 0.0
        spares = 1.0 + case.spares_fraction
        kinds = {("gpus" if t.gpus else "pflops" if t.pflops else "it_mw") for t in case.input.target.milestones}
        if len(kinds) > 1 or len({t.precision for t in case.input.target.milestones}) > 1:
            return 0.0
        for milestone in case.input.target.milestones:
            more = max(0.0, target_of(milestone) - served)
            period = case.timeline.period_of(milestone.by)
            served = max(served, target_of(milestone))
            unit_costs = []
            for rack in self.plant.racks:
                o, each = self.option(rack.item.id), contribution(rack, milestone) / spares
                if each <= 0:
                    continue
                if max(o.committed) > 0:
                    return 0.0
                unit_costs += [order.cost_kusd / each for order in o.orders if order.in_service <= period]
            if not unit_costs:
                return 0.0
            total += more * max(0.0, min(unit_costs))
        return total


def _least_month_kusd(case: Case) -> float:
    """What no month costs less than: the whole connection at the lowest price of import or best of export."""
    if case.tariff is None:
        return 0.0
    ends = [case.timeline.first_day(month).year for month in (case.timeline.months[0], case.timeline.months[-1])]
    best = max(0.0, *(-case.tariff.lowest_energy_usd_per_mwh * case.escalation("energy", year) for year in ends))
    if case.export_usd_per_mwh is not None:
        highest = float(case.export_usd_per_mwh.max())
        best = max(best, *(highest * case.escalation("export", year) for year in ends))
    largest = max((step.mw for step in case.input.site.grid.interconnection), default=0.0)
    return -best * largest * max(DAYS_IN_MONTH) * 24.0 / USD_PER_KUSD
