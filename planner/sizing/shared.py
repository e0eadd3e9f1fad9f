"""Quantities of a month that its blocks share, where a month is several blocks. With blocks of a month there are none.

A peak is a variable of the month with its price in the objective and the budgets; an allowance is one variable for
each block, and their sum is what the month has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from planner.finance import escalation_factor
from planner.operation.blocks import Plant
from planner.sizing.options import USD_PER_KUSD


@dataclass(frozen=True)
class SharedCost:
    """Cost of a peak in a month, paid in every month that its place stands for."""

    period: int
    place: int  # the first of its month
    line: str
    kusd: Any  # expression


def share(m: pyo.ConcreteModel, plant: Plant) -> list[SharedCost]:
    """Add what blocks share to the model; returns what it costs."""
    timeline = plant.case.timeline
    m.shared_peak, m.shared_allowance = pyo.ConstraintList(), pyo.ConstraintList()
    places: dict[tuple[int, int], list[int]] = {}
    for p in range(timeline.last_period + 1) if plant.shared else ():
        for k in timeline.places(p):
            places.setdefault((p, timeline.part_at(p, k)[0]), []).append(k)
    m.peak = pyo.Var([(p, t, name) for p, t in places for name in plant.peaks], within=pyo.NonNegativeReals)
    costs = []
    for (p, t), parts in places.items():
        shared = {s.name: s for s in plant.shared[t]}
        for name in plant.peaks:
            if name not in shared:
                m.peak[p, t, name].fix(0.0)
                continue
            least, peak = shared[name].of, m.peak[p, t, name]
            if least:
                m.shared_peak.add(peak >= sum(factor * m.link[p, link] for factor, link in least))
            year, base = timeline.first_day(t).year, plant.case.input.finance.base_year
            usd = shared[name].peak_usd * escalation_factor(shared[name].growth_per_year, year, base)
            costs.append(SharedCost(p, parts[0], shared[name].line, usd / USD_PER_KUSD * peak))
        for name in plant.allowances:
            if name not in shared:
                for k in parts:
                    m.edge[p, k, name].fix(0.0)
                continue
            whole = sum(factor * m.link[p, link] for factor, link in shared[name].of)
            m.shared_allowance.add(sum(m.edge[p, k, name] for k in parts) <= whole)
    return costs
