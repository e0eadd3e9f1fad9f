"""What can be known without a solver: a target above every source, a lead time past its date, a budget too small."""

from __future__ import annotations

from datetime import date

from planner.case.case import Case
from planner.case.schema import Milestone
from planner.errors import InfeasibleError, Shortfall
from planner.families import compute, cooling
from planner.ledger import cash_by
from planner.operation.blocks import plant_of
from planner.sizing.options import Option, options_of
from planner.sizing.targets import contribution, grid_steps, target_of
from planner.units import DAYS_PER_WEEK


def precheck(case: Case) -> None:
    """Raise InfeasibleError when a milestone cannot be met whatever is bought. Says nothing about the rest."""
    if case.input.objective.kind != "min_cost" or not case.input.target.milestones:
        return
    plant = plant_of(case)
    options = options_of(plant)
    found: list[Shortfall] = []
    for milestone in case.input.target.milestones:
        found += _unserved(case, plant.racks, options, milestone)
        least = _least_design_mw(case, plant.racks, milestone)
        grid = grid_steps(case, case.timeline.period_of(milestone.by))[1]
        if not plant.generators and least > grid:
            found.append(
                Shortfall(
                    "grid connection (no firm generation among the candidates)", least - grid, "MW", f"{milestone.by}"
                )
            )
        found += _budget(case, plant.racks, options, milestone)
    if found:
        raise InfeasibleError(sorted(found, key=lambda shortfall: (shortfall.unit, -shortfall.amount)))


def too_late(case: Case) -> list[Shortfall]:
    """What comes too late for a milestone, or delivers no water cold enough, whatever power and money there is."""
    if case.input.objective.kind != "min_cost" or not case.input.target.milestones:
        return []
    plant = plant_of(case)
    options = options_of(plant)
    return [s for m in case.input.target.milestones for s in _unserved(case, plant.racks, options, m)]


def _unserved(
    case: Case, racks: tuple[compute.Compute, ...], options: tuple[Option, ...], milestone: Milestone
) -> list[Shortfall]:
    """Positions and loops that nothing serves when a milestone is due."""
    due = case.timeline.starts[case.timeline.period_of(milestone.by)]
    return [*_lead_times(case, options, milestone), *_warm_loops(case, racks, options, due)]


def _least_design_mw(case: Case, racks: tuple[compute.Compute, ...], milestone: Milestone) -> float:
    """IT design power of the leanest compute that meets a milestone; the site needs more. [MW]"""
    spares = 1.0 + case.spares_fraction
    each = [r.design_mw / contribution(r, milestone) for r in racks if contribution(r, milestone) > 0]
    return min(each, default=0.0) * target_of(milestone) * spares


def _lead_times(case: Case, options: tuple[Option, ...], milestone: Milestone) -> list[Shortfall]:
    """Positions whose earliest equipment serves after the milestone."""
    period = case.timeline.period_of(milestone.by)
    deadline = case.timeline.starts[period]
    needed: dict[str, list[Option]] = {}
    for option in options:
        for position in option.supplies if option.item.family != "compute" else ("compute",):
            if position not in ("main_transformer", "hv_substation", "battery_transformer"):
                needed.setdefault(position, []).append(option)
    found = []
    for position, choices in needed.items():
        if position == "white_space" and case.input.site.hall.existing_m2:
            continue
        if any(o.reuses or o.committed[period] or o.order_index(period) >= 0 for o in choices):
            continue
        first = min((o.orders[0].dates.ready for o in choices if o.orders), default=None)
        if not any(o.orders for o in choices) and (gap := _too_warm(case, position, deadline)) is not None:
            found.append(gap)
            continue
        items = ", ".join(o.item.id for o in choices)
        late = (first - deadline).days / DAYS_PER_WEEK if first is not None else float("inf")
        when = f"earliest {first}, needed {deadline} for {milestone.by}" if first else f"never, needed {deadline}"
        found.append(Shortfall(f"lead time of {position} ({items})", late, "weeks", when))
    return found


def _warm_loops(
    case: Case, racks: tuple[compute.Compute, ...], options: tuple[Option, ...], deadline: date
) -> list[Shortfall]:
    """Loops that every rack heats and no equipment serves."""
    served = {position for option in options for position in option.supplies}
    heated = ["air", *(["liquid"] if all(rack.liquid_fraction > 0 for rack in racks) else [])]
    unserved = [f"heat_rejection:{loop}" for loop in heated if f"heat_rejection:{loop}" not in served]
    return [gap for position in unserved if (gap := _too_warm(case, position, deadline)) is not None]


def _too_warm(case: Case, position: str, deadline: date) -> Shortfall | None:
    """Candidates for heat rejection of which none delivers a loop's water on the hottest day, and by how much."""
    loop = position.partition(":")[2]
    offered = [case.catalog[name] for name in case.candidates.get("heat_rejection", ())]
    if not loop or not offered:
        return None
    supply_c = cooling.loop_supply_c(case, loop)
    coldest = {item.id: cooling.coldest_supply_c(item, case.ambient) for item in offered}
    if min(coldest.values()) <= supply_c:
        return None
    reach = ", ".join(f"{name} {c:.1f}" for name, c in coldest.items())
    words = f"heat rejection of the {loop} loop: no candidate delivers {supply_c:g} degC at "
    words += f"{case.ambient.extreme_dry_bulb_c:g} degC outside (coldest water: {reach})"
    return Shortfall(words, min(coldest.values()) - supply_c, "K", f"needed {deadline}")


def _budget(
    case: Case, racks: tuple[compute.Compute, ...], options: tuple[Option, ...], milestone: Milestone
) -> list[Shortfall]:
    """Budget rows below the compute alone that must be paid by then."""
    period = case.timeline.period_of(milestone.by)
    spares = 1.0 + case.spares_fraction
    found = []
    for row in case.input.budget:
        least = []
        for rack in racks:
            option = next(o for o in options if o.key == rack.item.id)
            each = contribution(rack, milestone)
            if max(option.committed):
                return []
            least += [
                cash_by(order.flows, row.by) / each
                for order in option.orders
                if order.in_service <= period and each > 0
            ]
        must = min(least, default=0.0) * target_of(milestone) * spares
        if must > row.usd:
            found.append(
                Shortfall("budget (compute alone)", (must - row.usd) / 1e6, "million USD", f"cumulative by {row.by}")
            )
    return found
