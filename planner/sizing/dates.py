"""The periods in which something about the load may change, so that the sizing model has no choices beside them.

A rack that runs before a milestone asks for it draws power and earns nothing, and what only serves racks is needed
no sooner than they are or the blocks that are commissioned on it. So, where no price pays for drawing power:

    starts     racks begin to run in the first period of a milestone, and in no other
    standing   what serves load alone comes in a start, or in a period before one where crews may be at work

Between these periods load, and what is switched on for it, stay as they are. Of several order days that bring a
unit in time for the same one of them only the cheapest is kept. Crews work as late as they can: with B(q) blocks
due at start q, and c(p, q) the most that crews complete from p to q, B(q) - c(p, q) must be complete by p, and so
p matters where c(p, q) may fall short of B(q).

What is rented may be returned in any period: it serves no rack by itself, so none of the above is said of it. Of its
order days in time for one use the latest still wins: rent begins later, is due for no more months, and ends no dearer.
Where what serves load may leave, as what stands already does or a bridge that stands by, every period matters.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from planner.case.case import Case
from planner.case.schema import Milestone
from planner.families import power
from planner.operation.blocks import Plant
from planner.sizing.targets import contribution, target_of
from planner.timeline import NEVER

TESTED_ON = ("fit_out", "ups", "mv_lv_transformer")  # positions a block is commissioned on
# Positions that serve racks alone, at design load: what stands there has no use of its own.
FOR_LOAD = (
    "white_space",
    "fit_out",
    "rack_space",
    "network",
    "network_top_layer",
    *power.CHAIN,
    "cdu",
    "air_unit",
    "standby_generation",
)


def only_for_load(positions: Collection[str]) -> bool:
    """Whether what stands in these positions serves racks alone."""
    return bool(positions) and all(position in FOR_LOAD for position in positions)


@dataclass(frozen=True)
class Dates:
    """Periods that matter, each in order of time."""

    starts: tuple[int, ...]
    standing: tuple[int, ...]
    first_use: int = 0  # of what may serve anything but load

    @staticmethod
    def all_of(case: Case) -> Dates:
        """Every period."""
        every = tuple(range(case.timeline.last_period + 1))
        return Dates(every, every)

    def needed(self, in_service: int, *, load: bool, racks: bool) -> int:
        """First period in which a unit that is in service from a period may be of use; NEVER where there is none.

        load: whether it only serves load. racks: whether it is compute.
        """
        if not load:
            return max(in_service, self.first_use)
        among = self.starts if racks else self.standing
        place = bisect_left(among, in_service)
        return among[place] if place < len(among) else NEVER


def dates_of(plant: Plant, reached: int | None = None) -> Dates:
    """The periods that matter in a case: all, where load may pay, a date is sought, or what serves load may leave.

    reached: period of the last milestone, once the earliest is known.
    """
    case = plant.case
    sought = case.input.objective.kind == "earliest" and reached is None
    leaves = any(row.leaves is not None for row in case.input.existing)  # and so what serves load may not stay
    policy = case.redundancy.get("standby_generation")
    reuse = policy is not None and policy.from_bridge  # so what stands by may change when bridges are free
    if not plant.racks or sought or leaves or reuse or _load_may_pay(case):
        return Dates.all_of(case)
    due = _due(case, reached)
    starts = tuple(sorted({period for _, period in due}))
    if not starts or starts[0] < 0:
        return Dates.all_of(case)
    standing = set(starts)
    for q in starts:
        most = _most_blocks(plant, [milestone for milestone, period in due if milestone and period <= q])
        standing |= {p for p in range(q) if most_completed(case, p, q) < most}
    in_order = tuple(sorted(standing))
    ramps = any(position in rack.item.brings for rack in plant.racks for position in TESTED_ON)
    first = in_order if ramps else starts
    # What is switched on for the crews draws power, and gives off heat, before any rack does.
    return Dates(first, in_order, in_order[0] if case.export_usd_per_mwh is None else 0)  # power that cannot be sold


def _due(case: Case, reached: int | None) -> list[tuple[Milestone | None, int]]:
    """What is due, and the period in which it is: every milestone, or as much as can be."""
    objective, period_of = case.input.objective, case.timeline.period_of
    if objective.kind == "max_gpus":
        assert objective.by is not None
        return [(None, period_of(objective.by))]
    due: list[tuple[Milestone | None, int]] = [(m, period_of(m.by)) for m in case.input.target.milestones]
    return due if reached is None else [*due[:-1], (due[-1][0], reached)]


def most_completed(case: Case, p: int, q: int) -> int:
    """Blocks that crews complete at most from period p to period q."""
    rules, starts = case.input.commissioning, case.timeline.starts
    if rules.weeks == 0:
        return NEVER
    return rules.blocks_in_parallel * math.ceil((starts[q] - starts[p]).days / (rules.weeks * 7.0) - 1e-9)


def most_it_mw(plant: Plant, milestones: Sequence[Milestone]) -> float:
    """Most IT design power that milestones can make a plan run; infinite where none limits it. [MW]

    No rack of a plan can go without missing a milestone, so each measure is exceeded by less than one order of racks.
    """
    case = plant.case
    if case.input.objective.kind == "max_gpus":
        return math.inf
    by_measure: dict[tuple[bool, bool, str | None], float] = {}
    for milestone in milestones:
        serving = [(contribution(r, milestone), r) for r in plant.racks if contribution(r, milestone) > 0]
        over = max((each * case.input.order_multiples.get(r.item.id, 1) for each, r in serving), default=0.0)
        needed = target_of(milestone) * (1.0 + case.spares_fraction) + over
        mw = needed * max((r.design_mw / each for each, r in serving), default=0.0)
        measure = (milestone.gpus is None, milestone.pflops is None, milestone.precision)
        by_measure[measure] = max(by_measure.get(measure, 0.0), mw)
    total = sum(by_measure.values())
    return total if total > 0 else math.inf


def _most_blocks(plant: Plant, milestones: Sequence[Milestone]) -> float:
    """Blocks that milestones may make due; without any, those that what is supplied may need."""
    supply, it_mw = plant.case.input.supply, most_it_mw(plant, milestones)
    if not math.isfinite(it_mw):
        if plant.case.input.owned or any(rack.item.id not in supply for rack in plant.racks):
            return math.inf
        it_mw = sum(sum(supply[rack.item.id].values()) * rack.design_mw for rack in plant.racks)
    return math.ceil(it_mw / plant.case.input.commissioning.block_mw)


def _load_may_pay(case: Case) -> bool:
    """Whether drawing power may earn money: some price of import is below zero."""
    tariffs = [path.case.tariff for path in case.paths]
    return any(tariff is not None and tariff.lowest_energy_usd_per_mwh < 0.0 for tariff in tariffs)
