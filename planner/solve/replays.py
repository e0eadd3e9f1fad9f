"""Events replayed from every start on a plan that might be the best; starts that fail become blocks.

So do the worst patterns of calls: column and constraint generation over starts and patterns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.operation.blocks import Plant
from planner.operation.calls import worst_patterns
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
                keys = [event.key(int(start)) + path for start in starts]
                failing = _worst(keys, unserved_mwh(own, event, at[period], starts), known, period)
                if event.calls is not None and not failing:
                    tried = worst_patterns(own, event, at[period], starts)
                    keys = [event.key(int(s), runs) + path for s, (_, runs) in zip(starts, tried, strict=True)]
                    failing = _worst(keys, np.array([short for short, _ in tried]), known, period)
                found |= dict.fromkeys(failing)
    return list(found)


def _worst(keys: list[str], short_mwh: Array, known: set[tuple[int, str]], period: int) -> list[str]:
    """Keys with most energy not served, of those that are no blocks of a period yet."""
    new = [i for i in np.argsort(-short_mwh, kind="stable").tolist() if (period, keys[i]) not in known]
    return [keys[i] for i in new[:_AT_ONCE] if short_mwh[i] > TOLERANCE_MWH]
