"""Bills of months that are several blocks, set to what the dispatch of the whole month shows.

Within the gap the sizing model's peaks may lie beside those of the dispatch, and a block may have bought an excess
that another had to spare. Setting both right keeps every hour as it is and never costs more: the plan stays
feasible and its cost an upper bound.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block, Shared
from planner.ledger import operating_weights
from planner.sizing.options import USD_PER_KUSD
from planner.solve.decomposition import Solution
from planner.solve.states import State, cost_variable, link_variables

Array = NDArray[np.float64]


def settled(solution: Solution) -> Solution:
    """The same plan with the bills of its own dispatch; the solution itself where blocks are months."""
    sizing, plant = solution.sizing, solution.sizing.plant
    timeline = sizing.case.timeline
    if not plant.shared:
        return solution
    months: dict[tuple[int, int], list[State]] = {}
    for s in solution.states:
        months.setdefault((s.period, timeline.part_at(s.period, s.place)[0]), []).append(s)
    links = {s: x.copy() for s, x in solution.links.items()}
    primal = {s: value.primal.copy() for s, value in solution.values.items()}
    weights, saved = operating_weights(sizing.case), 0.0
    for (_, month), states in months.items():
        blocks = [solution.blocks[s.block] for s in states]
        for shared in plant.shared[month]:
            if shared.excess:
                parts = [(b, links[s], primal[s]) for b, s in zip(blocks, states, strict=True)]
                first = states[0]
                saved += weights[first.period, first.place] * _settle(shared, parts) / USD_PER_KUSD
    values = {
        s: replace(value, primal=primal[s], cost_usd=float(solution.blocks[s.block].cost @ primal[s]))
        for s, value in solution.values.items()
    }
    point = solution.point.copy()
    for s in solution.states:
        wanted = [*zip(link_variables(sizing, s), links[s].tolist(), strict=True)]
        for variable, number in [*wanted, (cost_variable(sizing, s), values[s].cost_usd / USD_PER_KUSD)]:
            column = solution.master.index(variable)
            if column is not None:
                point[column] = number
    upper = solution.upper_kusd - saved
    levels = (*solution.levels[:-1], replace(solution.levels[-1], value=upper * USD_PER_KUSD))
    return replace(
        solution,
        point=point,
        values=values,
        links=links,
        levels=levels,
        upper_kusd=upper,
        lower_kusd=min(solution.lower_kusd, upper),
    )


def _settle(shared: Shared, parts: list[tuple[Block, Array, Array]]) -> float:
    """Set a quantity right in the links and columns of a month's blocks; returns what that saves. [USD]"""
    block, x, _ = parts[0]
    link = block.links.index(shared.name)
    limit = sum(factor * float(x[block.links.index(name)]) for factor, name in shared.of)
    needs, columns, prices = [], [], []
    for own, _, y in parts:
        group = own.columns.get(shared.excess)
        column = int(group.index[0]) if group is not None else -1
        columns.append(column)
        needs.append(_need(own, shared.name, y, column))
        prices.append(float(own.cost[column]) if column >= 0 else 0.0)
    old = sum(price * float(part[2][j]) for price, part, j in zip(prices, parts, columns, strict=True) if j >= 0)
    if shared.peak_usd:
        peak = max([limit, *needs])
        before, after = old + shared.peak_usd * float(x[link]), shared.peak_usd * peak
        excess, shares = [0.0] * len(parts), [peak] * len(parts)
    else:
        beyond = max(0.0, sum(needs) - limit)
        excess = [beyond * need / sum(needs) if beyond else 0.0 for need in needs]
        before, after = old, sum(price * mwh for price, mwh in zip(prices, excess, strict=True))
        shares = [need - mwh for need, mwh in zip(needs, excess, strict=True)]
    for (_, own_x, y), j, mwh, part in zip(parts, columns, excess, shares, strict=True):
        own_x[link] = part
        if j >= 0:
            y[j] = mwh
    return before - after


def _need(block: Block, constraint: str, y: Array, column: int) -> float:
    """What a block needs of a shared quantity: the highest of its rows, its excess included."""
    if column < 0:
        return 0.0
    rows = np.flatnonzero(block.row_group == block.constraints.index(constraint))
    used: Array = block.matrix[rows, : block.size] @ y
    return float(used.max() + y[column])
