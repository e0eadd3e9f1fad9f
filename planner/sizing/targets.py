"""What targets and the utility ask for and allow, as plain numbers."""

from __future__ import annotations

from datetime import date

from planner.case.case import Case
from planner.case.schema import Milestone
from planner.families import compute


def grid_steps(case: Case, period: int) -> tuple[float, float]:
    """(MW through existing feeders, MW in all) of the grid in a period.

    A step inside a month counts from the next month, one inside an expansion year from the next year.
    """
    start = case.timeline.starts[period]
    feeders = total = 0.0
    gate, feeder_gate = case.gates.get("grid", date.min), case.gates.get("existing_feeders", date.min)
    for step in case.input.site.grid.interconnection:
        if step.from_ > start:
            continue
        if step.via == "existing_feeders":
            feeders = total = step.mw if feeder_gate <= start else 0.0
        elif gate <= start:
            total = max(step.mw, feeders)
    return feeders, total


def load_scale(case: Case, period: int) -> float:
    """What multiplies the load series in a period. [fraction]

    A step inside a month counts from the next month, one inside an expansion year from the next year.
    """
    begun = [step.fraction for step in case.input.target.load_scale if step.from_ <= case.timeline.starts[period]]
    return begun[-1] if begun else 1.0


def target_of(milestone: Milestone) -> float:
    """What a milestone asks for, in its own measure."""
    value = milestone.gpus or milestone.pflops or milestone.it_mw
    assert value is not None
    return float(value)


def contribution(rack: compute.Compute, milestone: Milestone) -> float:
    """What one unit adds to a milestone's measure."""
    if milestone.gpus is not None:
        return float(rack.gpus)
    if milestone.pflops is not None:
        assert milestone.precision is not None
        return compute.performance(rack.item, milestone.precision)
    return rack.design_mw
