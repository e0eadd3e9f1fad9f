"""Bills of months that are several blocks, set to what the dispatch of the whole month shows.

Until the gap is closed the sizing model's peaks lie beside those of the dispatch, and a block has bought an excess
that another had to spare. Setting both right keeps every hour as it is and never costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block, Shared
from planner.operation.evaluate import Value
from planner.sizing.model import Sizing
from planner.solve.master import Master
from planner.solve.states import State, link_variables

Array = NDArray[np.float64]
Links = dict[State, Array]
Values = dict[State, Value]


def settle(
    sizing: Sizing, master: Master, blocks: Mapping[str, Block], point: Array, values: Values, links: Links
) -> tuple[Array, Values, Links]:
    """The same dispatch with peaks and parts of every month set right; all as given where blocks are months."""
    plant, timeline = sizing.plant, sizing.case.timeline
    if not plant.shared:
        return point, values, links
    months: dict[tuple[int, int, int], list[State]] = {}
    for s in values:
        if not s.is_event:
            months.setdefault((s.period, timeline.part_at(s.period, s.place)[0], s.path), []).append(s)
    links = {s: x.copy() for s, x in links.items()}
    primal = {s: value.primal.copy() for s, value in values.items()}
    for (_, month, path), states in months.items():
        parts = [(blocks[s.block], links[s], primal[s]) for s in states]
        for shared in plant.paths[path].shared[month]:
            if shared.excess:
                _settle(shared, parts)
    values = {
        s: replace(value, primal=primal[s], cost_usd=float(blocks[s.block].cost @ primal[s]))
        for s, value in values.items()
    }
    point = point.copy()
    for s in (s for states in months.values() for s in states):
        for variable, number in zip(link_variables(sizing, s), links[s].tolist(), strict=True):
            column = master.index(variable)
            if column is not None:
                point[column] = number
    return point, values, links


def _settle(shared: Shared, parts: list[tuple[Block, Array, Array]]) -> None:
    """Set one quantity right in the links and the excess columns of a month's blocks."""
    block, x, _ = parts[0]
    limits = [factor * float(x[block.links.index(name)]) for factor, name in shared.of]
    columns = [own.columns[shared.excess].index[0] if shared.excess in own.columns else -1 for own, _, _ in parts]
    needs = [_need(own, shared.name, y, j) for (own, _, y), j in zip(parts, columns, strict=True)]
    if shared.peak_usd:
        excess, right = [0.0] * len(parts), [max([0.0, *limits, *needs])] * len(parts)
    else:
        beyond = max(0.0, sum(needs) - sum(limits)) / max(sum(needs), 1e-9)
        excess = [beyond * need for need in needs]
        right = [(1.0 - beyond) * need for need in needs]
    for (own, own_x, y), j, above, part in zip(parts, columns, excess, right, strict=True):
        own_x[own.links.index(shared.name)] = part
        if j >= 0:
            y[j] = above


def _need(block: Block, constraint: str, y: Array, column: int) -> float:
    """What a block needs of a shared quantity: the highest of its rows, its excess included."""
    if column < 0:
        return 0.0
    rows = np.flatnonzero(block.row_group == block.constraints.index(constraint))
    used: Array = block.matrix[rows, : block.size] @ y
    return float(used.max() + y[column])
