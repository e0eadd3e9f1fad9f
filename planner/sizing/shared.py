"""Quantities of a month that its blocks share: billed peaks and parts of what it has, and the peaks of a ratchet.

A peak is a variable of the month on every path, with its price in the objective, the risk and the budgets; an
allowance is one variable for each block, and their sum is what the month has. With blocks of a month there are
neither, and the peaks of a ratchet alone are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from planner.finance import escalation_factor
from planner.operation.blocks import PATH, Plant
from planner.sizing.options import USD_PER_KUSD


@dataclass(frozen=True)
class SharedCost:
    """Cost of a peak in a month of a path, paid in every month that its place stands for."""

    period: int
    place: int  # the first of its month
    path: int
    probability: float
    line: str
    kusd_per_mw: float
    peak: Any  # variable

    @property
    def kusd(self) -> Any:
        """Expected cost."""
        return self.probability * self.kusd_per_mw * self.peak


def on_path(name: str, path: int) -> str:
    """Name of a component on a path; plain on the first.

    >>> on_path("soc_end:own_battery", 0), on_path("soc_end:own_battery", 2)
    ('soc_end:own_battery', 'soc_end:own_battery#2')
    """
    return f"{name}{PATH}{path}" if path else name


def share(m: pyo.ConcreteModel, plant: Plant) -> list[SharedCost]:
    """Add what blocks share to the model; returns what it costs."""
    timeline = plant.case.timeline
    m.shared_peak, m.shared_allowance = pyo.ConstraintList(), pyo.ConstraintList()
    places: dict[tuple[int, int], list[int]] = {}
    for p in range(timeline.last_period + 1) if plant.peaks or plant.allowances else ():
        for k in timeline.places(p):
            places.setdefault((p, timeline.part_at(p, k)[0]), []).append(k)
    names = [on_path(name, w) for w in range(len(plant.paths)) for name in plant.peaks]
    m.peak = pyo.Var([(p, t, name) for p, t in places for name in names], within=pyo.NonNegativeReals)
    costs = []
    for w, (path, own) in enumerate(zip(plant.case.paths, plant.paths, strict=True)):
        for (p, t), parts in places.items():
            shared = {s.name: s for s in own.shared.get(t, ())}
            for name in plant.shared_peaks:
                peak = m.peak[p, t, on_path(name, w)]
                if name not in shared:
                    peak.fix(0.0)
                    continue
                for factor, link in shared[name].of:
                    month = link in plant.peaks
                    m.shared_peak.add(peak >= factor * (m.peak[p, t, on_path(link, w)] if month else m.link[p, link]))
                year, base = timeline.first_day(t).year, plant.case.input.finance.base_year
                grown = escalation_factor(shared[name].growth_per_year, year, base)
                kusd_per_mw = shared[name].peak_usd * grown / USD_PER_KUSD
                costs.append(SharedCost(p, parts[0], w, path.probability, shared[name].line, kusd_per_mw, peak))
            for name in plant.allowances:
                each = [m.edge[p, k, on_path(name, w)] for k in parts]
                if name not in shared:
                    for part in each:
                        part.fix(0.0)
                    continue
                whole = sum(factor * m.link[p, link] for factor, link in shared[name].of)
                m.shared_allowance.add(sum(each) <= whole)
    return costs
