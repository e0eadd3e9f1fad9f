"""Events replayed from every start on a plan that might be the best; starts that fail become blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.operation.blocks import Plant
from planner.operation.replay import unserved_mwh
from planner.solve.states import State, steps_operated

Array = NDArray[np.float64]
_AT_ONCE = 4  # failing starts of an event and period that become blocks in one pass
TOLERANCE_MWH = 1e-4


def failing_starts(plant: Plant, links: dict[State, Array]) -> list[str]:
    """Keys of the blocks of the worst starts that fail and are no blocks yet, in a fixed order."""
    if not plant.events:
        return []
    known = {(s.period, s.block) for s in links if s.is_event}
    operated = {period: np.array(sorted(steps)) for period, steps in steps_operated(plant.case).items()}
    at = {s.period: links[s] for s in links if not s.is_event}
    found: dict[str, None] = {}
    for path, own in plant.riders:
        for event in own.events:
            for period, steps in operated.items():
                starts = np.intersect1d(event.begins, steps)
                if event.still is not None or not len(starts):  # a still day has one start, and it is a block
                    continue
                short = unserved_mwh(own, event, at[period], starts)
                tried = np.array([(period, event.key(int(start)) + path) in known for start in starts])
                short[tried] = 0.0
                worst = np.argsort(-short, kind="stable")[:_AT_ONCE]
                found |= {event.key(int(starts[i])) + path: None for i in worst if short[i] > TOLERANCE_MWH}
    return list(found)
