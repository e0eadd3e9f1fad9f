"""The ratchet of a plan, set to what its dispatch shows.

The sizing model's ratchet may lie above the peaks of the dispatch, by as much as the gap allows. Lowering it to them
keeps every hour as it is and only lowers bills, so the plan stays feasible and its cost an upper bound.
"""

from __future__ import annotations

from dataclasses import replace

from planner.operation.blocks import hours_of
from planner.sizing.linking import RATCHET_MONTHS
from planner.sizing.options import USD_PER_KUSD
from planner.solve.risk import settle_risk
from planner.solve.solution import Solution
from planner.solve.states import State, cost_variable, link_variables

_MONTHLY = ("peak_mw", "ratchet_mw", "billed_demand")  # links; the last where a month is several blocks


def tightened(solution: Solution) -> Solution:
    """The same plan with every bill at the peaks of its own dispatch; the solution itself without a ratchet."""
    sizing, master = solution.sizing, solution.master
    case, tariff = sizing.case, sizing.case.tariff
    if tariff is None or not sizing.plant.has_ratchet:
        return solution
    months: dict[tuple[int, int, int], list[State]] = {}
    for s in solution.states:
        months.setdefault((s.path, s.period, case.timeline.part_at(s.period, s.place)[0]), []).append(s)
    peak = {month: max(_peak(solution, s) for s in states) for month, states in months.items()}
    in_year = {month: hours_of(case, states[0].block).month for month, states in months.items()}
    counted = {month: peak[month] if in_year[month] in tariff.ratchet_months else 0.0 for month in months}
    before = case.timeline.before(RATCHET_MONTHS)
    point, values, links = solution.point.copy(), dict(solution.values), dict(solution.links)
    for month, states in months.items():
        path, *when = month
        highest = max((counted[path, *other] for other in before[when[0], when[1]]), default=0.0)
        charged = tariff.flat_demand_usd_per_kw[in_year[month]] > 0
        for s in states:
            block, x, value = solution.blocks[s.block], solution.links[s].copy(), solution.values[s]
            contract_mw = float(x[block.links.index("contract_mw")])
            least = max(peak[month], tariff.ratchet_fraction * highest, tariff.minimum_take_fraction * contract_mw)
            set_to = {"peak_mw": counted[month], "ratchet_mw": highest, "billed_demand": least}
            for name, variable in zip(block.links, link_variables(sizing, s), strict=True):
                if name not in _MONTHLY or (name == "billed_demand" and not charged):
                    continue
                x[block.links.index(name)] = set_to[name]
                column = master.index(variable)
                if column is not None:
                    point[column] = set_to[name]
            links[s] = x
            if charged:
                primal, billed = value.primal.copy(), block.columns["billed_demand"].index[0]
                alone = 0.0 if "billed_demand" in block.links else least
                usd_per_mw = float(block.cost_lines["demand charge"][billed])
                less = usd_per_mw * (float(primal[billed]) - alone)
                primal[billed] = alone
                values[s] = replace(value, cost_usd=value.cost_usd - less, primal=primal)
                cost = master.index(cost_variable(sizing, s))
                if cost is not None:
                    point[cost] = values[s].cost_usd / USD_PER_KUSD
    settle_risk(sizing, master, point)
    gradient, constant = master.gradient(sizing.levels["cost"])
    upper = min(solution.upper_kusd, float(gradient @ point) + constant + sizing.constant_kusd)
    lower = min(solution.lower_kusd, upper)
    last = replace(solution.levels[-1], value=upper * USD_PER_KUSD)
    levels = (*solution.levels[:-1], last)
    return replace(solution, point=point, values=values, links=links, levels=levels, upper_kusd=upper, lower_kusd=lower)


def _peak(solution: Solution, s: State) -> float:
    """Highest import of a state. [MW]"""
    imported = solution.blocks[s.block].columns["grid_import"].index
    return float(solution.values[s].primal[imported].max())
