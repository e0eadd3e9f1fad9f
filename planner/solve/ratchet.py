"""The ratchet of a plan, set to what its dispatch shows.

The sizing model's ratchet may lie above the peaks of the dispatch, by as much as the gap allows. Lowering it to them
keeps every hour as it is and only lowers bills, so the plan stays feasible and its cost an upper bound.
"""

from __future__ import annotations

from dataclasses import replace

from planner.families.grid import KW_PER_MW
from planner.ledger import month_weights
from planner.sizing.linking import RATCHET_MONTHS
from planner.sizing.options import USD_PER_KUSD
from planner.solve.decomposition import Solution
from planner.solve.states import OPERATING, State, cost_variable, link_variables


def tightened(solution: Solution) -> Solution:
    """The same plan with every bill at the peaks of its own dispatch; the solution itself without a ratchet."""
    sizing = solution.sizing
    tariff = sizing.case.tariff
    if tariff is None or not sizing.plant.has_ratchet:
        return solution
    build, operating = month_weights(sizing.case)
    highest = _ratchets(solution, tariff.ratchet_months)
    point, values, links, saved = solution.point.copy(), dict(solution.values), dict(solution.links), 0.0
    for s, value in solution.values.items():
        block, x = solution.blocks[s.month], solution.links[s].copy()
        x[block.links.index("ratchet_mw")] = highest[s]
        x[block.links.index("peak_mw")] = highest[s] if s.period == OPERATING else _peak(solution, s)
        links[s] = x
        for name, variable in zip(block.links, link_variables(sizing, s), strict=True):
            column = solution.master.index(variable)
            if name in ("peak_mw", "ratchet_mw") and column is not None:
                point[column] = x[block.links.index(name)]
        per_mw = float(tariff.flat_demand_usd_per_kw[s.month]) * KW_PER_MW
        if per_mw == 0:
            continue
        primal, billed = value.primal.copy(), block.columns["billed_demand"].index[0]
        least = (
            _peak(solution, s),
            tariff.ratchet_fraction * highest[s],
            tariff.minimum_take_fraction * float(x[block.links.index("contract_mw")]),
        )
        less = per_mw * (float(primal[billed]) - max(least))
        primal[billed] = max(least)
        values[s] = replace(value, cost_usd=value.cost_usd - less, primal=primal)
        cost = solution.master.index(cost_variable(sizing, s))
        if cost is not None:
            point[cost] = values[s].cost_usd / USD_PER_KUSD
        saved += less / USD_PER_KUSD * (operating[s.place] if s.period == OPERATING else build[s.period])
    upper = solution.upper_kusd - saved
    lower = min(solution.lower_kusd, upper)
    last = replace(solution.levels[-1], value=upper * USD_PER_KUSD)
    levels = (*solution.levels[:-1], last)
    return replace(solution, point=point, values=values, links=links, levels=levels, upper_kusd=upper, lower_kusd=lower)


def _peak(solution: Solution, s: State) -> float:
    """Highest import of a month. [MW]"""
    imported = solution.blocks[s.month].columns["grid_import"].index
    return float(solution.values[s].primal[imported].max())


def _ratchets(solution: Solution, months: tuple[int, ...]) -> dict[State, float]:
    """Highest counted peak of the eleven months before; the operating year looks back on itself and the build."""
    last = solution.sizing.case.timeline.last_period
    counted = {s: _peak(solution, s) for s in solution.states if s.month in months}

    def before(period: int) -> list[float]:
        first = period - RATCHET_MONTHS
        return [mw for s, mw in counted.items() if s.period != OPERATING and first <= s.period < period]

    steady = max([0.0, *before(last), *(mw for s, mw in counted.items() if s.period == OPERATING)])
    return {s: steady if s.period == OPERATING else max([0.0, *before(s.period)]) for s in solution.states}
