"""The ratchet of a plan, set to what its dispatch shows.

The sizing model's ratchet may lie above the peaks of the dispatch, by as much as the gap allows. Lowering it to them
keeps every hour as it is and only lowers bills, so the plan stays feasible and its cost an upper bound.
"""

from __future__ import annotations

from dataclasses import replace

from planner.ledger import operating_weights
from planner.operation.blocks import hours_of
from planner.sizing.linking import RATCHET_MONTHS
from planner.sizing.options import USD_PER_KUSD
from planner.solve.solution import Solution
from planner.solve.states import State, cost_variable, link_variables


def tightened(solution: Solution) -> Solution:
    """The same plan with every bill at the peaks of its own dispatch; the solution itself without a ratchet."""
    sizing = solution.sizing
    case, tariff = sizing.case, sizing.case.tariff
    if tariff is None or not sizing.plant.has_ratchet:
        return solution
    weights = operating_weights(case)
    month = {s: hours_of(case, s.block).month for s in solution.states}
    peak = {s: _peak(solution, s) for s in solution.states}
    counted = {(s.period, s.place): peak[s] for s in solution.states if month[s] in tariff.ratchet_months}
    before = case.timeline.before(RATCHET_MONTHS)
    point, values, links, saved = solution.point.copy(), dict(solution.values), dict(solution.links), 0.0
    for s, value in solution.values.items():
        block, x = solution.blocks[s.block], solution.links[s].copy()
        highest = max((counted.get(other, 0.0) for other in before[s.period, s.place]), default=0.0)
        x[block.links.index("ratchet_mw")] = highest
        x[block.links.index("peak_mw")] = counted.get((s.period, s.place), 0.0)
        links[s] = x
        for name, number, variable in zip(block.links, x, link_variables(sizing, s), strict=True):
            column = solution.master.index(variable)
            if name in ("peak_mw", "ratchet_mw") and column is not None:
                point[column] = number
        if tariff.flat_demand_usd_per_kw[month[s]] == 0:
            continue
        primal, billed = value.primal.copy(), block.columns["billed_demand"].index[0]
        per_mw = float(block.cost_lines["demand charge"][billed])
        least = max(
            peak[s],
            tariff.ratchet_fraction * highest,
            tariff.minimum_take_fraction * float(x[block.links.index("contract_mw")]),
        )
        less = per_mw * (float(primal[billed]) - least)
        primal[billed] = least
        values[s] = replace(value, cost_usd=value.cost_usd - less, primal=primal)
        cost = solution.master.index(cost_variable(sizing, s))
        if cost is not None:
            point[cost] = values[s].cost_usd / USD_PER_KUSD
        saved += less / USD_PER_KUSD * weights[s.period, s.place]
    upper = solution.upper_kusd - saved
    lower = min(solution.lower_kusd, upper)
    last = replace(solution.levels[-1], value=upper * USD_PER_KUSD)
    levels = (*solution.levels[:-1], last)
    return replace(solution, point=point, values=values, links=links, levels=levels, upper_kusd=upper, lower_kusd=lower)


def _peak(solution: Solution, s: State) -> float:
    """Highest import of a state. [MW]"""
    imported = solution.blocks[s.block].columns["grid_import"].index
    return float(solution.values[s].primal[imported].max())
