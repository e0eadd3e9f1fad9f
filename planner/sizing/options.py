"""What may be bought: every item of a case in every position it can fill, with its dates, costs and group.

A position is a place in the chain with a capacity row of its own; most are the catalog's stages, but heat
rejection is one position per water loop, and an MV/LV transformer may also serve batteries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from planner.case.case import Case, quarter_bounds
from planner.case.coolant import cdu_capacity_mw, cdu_flow_lpm, rack_flow_lpm
from planner.case.existing import Existing
from planner.case.item import COOLING_STAGES, POWER_STAGES, Item
from planner.case.schema import Redundancy
from planner.case.standby import may_stand_by
from planner.families import power
from planner.families.generation import site_rating_fraction
from planner.ledger import Cash, UnitDates, on_site_ready, present_value, unit_dates, unit_flows
from planner.operation.blocks import Plant
from planner.sizing.dates import FOR_LOAD, Dates, only_for_load
from planner.timeline import NEVER

USD_PER_KUSD = 1000.0
# Positions that must stand before a block is commissioned; the others serve once installed.
# The substation is none of them: erection and tests of its own are in its installation weeks.
WAITS_FOR_COMMISSIONING = (*FOR_LOAD, "heat_rejection:liquid", "heat_rejection:air")
SERVED_ONCE = ("generation", "renewable", "battery")


@dataclass(frozen=True)
class Order:
    """A day worth ordering on: one unit's dates, cash and present value."""

    period: int
    dates: UnitDates
    in_service: int  # period
    flows: tuple[Cash, ...]
    cost_kusd: float  # present value of the flows


@dataclass(frozen=True)
class Option:
    """One item in its positions. Capacities of a set count after the group's spares are taken out."""

    key: str
    item: Item
    supplies: dict[str, float]  # position -> firm capacity of one set (MW, m2, racks or GPU ports)
    group: Group
    multiple: int  # units are ordered in multiples of this
    orders: tuple[Order, ...]
    committed: tuple[int, ...]  # units in service by period, without buying any
    owned: tuple[tuple[date, int], ...] = ()  # the same by the day they are ready
    left: tuple[int, ...] = ()  # units that have stood already and left, by period and cumulative
    stood: tuple[Existing, ...] = ()  # what stands here at the start
    reuses: str = ""  # option whose units these are, in another role
    flow_lpm: float = 0.0  # coolant that one set moves, of what brings CDUs

    @property
    def for_load(self) -> bool:
        """Whether it is of use to racks alone, so that it may stand as it is while they do."""
        return only_for_load(self.supplies)

    @property
    def buyable(self) -> bool:
        """Whether more of it can be ordered in time to serve."""
        return bool(self.orders)

    def order_index(self, period: int) -> int:
        """Index of the last order in service by a period; -1 when none is."""
        found = [k for k, order in enumerate(self.orders) if order.in_service <= period]
        return max(found, default=-1)


@dataclass(frozen=True)
class Group:
    """How a redundancy scheme counts units. A set is the smallest firm addition; spares belong to groups."""

    units_per_set: int
    firm_per_set: float
    spares_per_group: int = 0
    sets_per_group: int | None = None  # None: one group for the whole site
    catchers: bool = field(default=False, repr=False)  # whether spares stand by without load, as in block redundancy


def group_of(scheme: Redundancy | None, unit: float, block: float | None) -> Group:
    """The group a redundancy scheme makes of units of a capacity.

    block: capacity of a group of group_racks racks, which one group must carry whole; None otherwise. A group
    of group_mw holds as many active units as fit in it. The last group may be smaller than the others.

    >>> group_of(Redundancy(scheme="N+1", group_mw=5), 1.25, None)      # 4 active + 1 spare carry 5 MW
    Group(units_per_set=1, firm_per_set=1.25, spares_per_group=1, sets_per_group=4)
    >>> group_of(Redundancy(scheme="block_redundant", blocks_per_catcher=6), 2.0, None)  # one catcher for 6 blocks
    Group(units_per_set=1, firm_per_set=2.0, spares_per_group=1, sets_per_group=6)
    >>> group_of(Redundancy(scheme="4N/3", group_mw=10), 2.0, None)     # 4 to make 3
    Group(units_per_set=4, firm_per_set=6.0, spares_per_group=0, sets_per_group=None)
    >>> group_of(Redundancy(scheme="N+1", group_racks=16), 1.0, 2.25)   # 3 carry 16 racks of .14 MW, no more
    Group(units_per_set=1, firm_per_set=0.75, spares_per_group=1, sets_per_group=3)
    """
    name = scheme.scheme if scheme is not None else "N"
    if name in ("3N/2", "4N/3"):
        made = 2 if name == "3N/2" else 3
        return Group(made + 1, made * unit)
    if name == "block_redundant" and scheme is not None:
        return Group(1, unit, 1, scheme.blocks_per_catcher, catchers=True)
    paths = 2 if name.startswith("2") else 1
    spares = paths if name == "2(N+1)" else scheme.spares if scheme is not None else 0
    if not spares:
        return Group(paths, unit)
    size = block if block is not None else scheme.group_mw if scheme is not None else None
    if size is None:
        return Group(paths, unit, spares)
    if block is not None:  # as many units as carry the block, and no more than the block on them
        fit = max(1, math.ceil(size / unit - 1e-9))
        return Group(paths, size / fit, spares, fit)
    return Group(paths, unit, spares, max(1, math.floor(size / unit + 1e-9)))


def possible_sets(group: Group, units: float) -> int:
    """Most sets that so many units allow, the spares of their groups left in place.

    >>> possible_sets(Group(1, 95.0, spares_per_group=1), 3), possible_sets(Group(4, 8.55), 36)
    (2, 9)
    """
    sets = int(units // group.units_per_set)
    while sets and sets * group.units_per_set + group.spares_per_group * _groups_of(group, sets) > units:
        sets -= 1
    return sets


def _groups_of(group: Group, sets: int) -> int:
    return 0 if not sets else 1 if group.sets_per_group is None else math.ceil(sets / group.sets_per_group)


def options_of(plant: Plant, dates: Dates | None = None) -> tuple[Option, ...]:
    """Every option of a case, in a fixed order. dates: those that matter; without, an order day for every period."""
    case = plant.case
    dates = dates or Dates.all_of(case)
    result: list[Option] = []
    for rack in plant.racks:
        supplies = _boxed(case, plant, rack.item)
        node = _option(case, dates, rack.item.id, rack.item, supplies, Group(1, 1.0), buyable="compute")
        flow = rack_flow_lpm(rack.item, case.input.cooling.coolant_supply_c) if "cdu" in supplies else 0.0
        result.append(replace(node, flow_lpm=flow))
    for stage, ids in sorted(_stage_items(case).items()):
        for item_id in ids:
            if any(o.key == item_id for o in result):
                continue
            item = case.catalog[item_id]
            supplies, group = _grouped(case, plant, item, stage)
            option = _option(case, dates, item_id, item, supplies, group, buyable=stage)
            result.append(replace(option, flow_lpm=_flow_per_set(case, plant, option)))
    home = {rejection.item.id: rejection.loop for rejection in plant.rejections}  # the last: the colder water
    for rejection in plant.rejections:
        if rejection.item.family != "cooling":
            continue  # part of a pod
        scheme = case.stage_redundancy("heat_rejection")
        capacity = rejection.capacity_mw * rejection.design_capacity_fraction
        group = group_of(scheme, capacity, _rack_block(plant, scheme, f"heat:{rejection.loop}"))
        key = rejection_key(rejection.item, rejection.loop)
        position = f"heat_rejection:{rejection.loop}"
        own = rejection.loop == home[rejection.item.id]  # committed units serve the loop fewer items can serve
        result.append(
            _option(
                case,
                dates,
                key,
                rejection.item,
                {position: group.firm_per_set},
                group,
                buyable="heat_rejection",
                own=own,
            )
        )
    for item_id in _in_place(case, "battery_transformer"):
        item = case.catalog[item_id]
        capacity = power.capacity_mw(case, item, "mv_lv_transformer")
        result.append(
            _option(
                case,
                dates,
                f"{item_id}@battery",
                item,
                {"battery_transformer": capacity},
                Group(1, capacity),
                buyable="battery_transformer",
                own=False,
            )
        )
    if case.redundancy.get("standby_generation") is not None:
        bridging = {machine.item.id for machine in plant.generators}
        for item_id in _in_place(case, "standby_generation"):
            item = case.catalog[item_id]
            extreme, height = case.ambient.extreme_dry_bulb_c, case.weather.elevation_m
            unit = item.get("nameplate_power_mw") * float(site_rating_fraction(item, extreme, height))
            group = group_of(case.redundancy["standby_generation"], unit, None)
            result.append(
                _option(
                    case,
                    dates,
                    f"{item_id}@standby",
                    item,
                    {"standby_generation": group.firm_per_set},
                    group,
                    buyable="standby_generation",
                    own=item_id not in bridging,
                )
            )
    policy = case.redundancy.get("standby_generation")
    for generator in plant.generators:
        if policy is not None and may_stand_by(policy, generator.item):
            group, none = group_of(policy, generator.firm_mw, None), (0,) * len(case.timeline.starts)
            key, supplies = f"{generator.item.id}@reuse", {"standby_generation": group.firm_per_set}
            result.append(
                Option(key, generator.item, supplies, group, 1, (), none, left=none, reuses=generator.item.id)
            )
    for stage, machines in (
        ("generation", plant.generators),
        ("renewable", plant.renewables),
        ("battery", plant.batteries),
    ):
        for machine in machines:
            result.append(_option(case, dates, machine.item.id, machine.item, {}, Group(1, 1.0), buyable=stage))
    return tuple(result)


def _in_place(case: Case, stage: str) -> list[str]:
    """Items for a stage that is one of several homes: candidates, and what stands there or comes there."""
    found = list(case.candidates.get(stage, ()))
    for row in case.input.existing:
        by_permit = stage == "standby_generation" and case.catalog[row.item].permit_class == "emergency"
        if row.stage == stage or (row.move is not None and row.move.to == stage) or by_permit:
            found.append(row.item)
    return list(dict.fromkeys(found))


def _stage_items(case: Case) -> dict[str, list[str]]:
    """Items by stage: candidates, and committed ones that may not be bought."""
    skip = {"compute", "heat_rejection", "battery_transformer", "standby_generation", *SERVED_ONCE}
    stages = {
        stage: list(ids)
        for stage, ids in case.candidates.items()
        if stage not in skip and case.redundancy.get(stage, "") is not None
    }
    for name in case.input.owned:
        item = case.catalog[name]
        if item.family in ("compute", *SERVED_ONCE) or (item.family == "cooling" and "heat_rejection" in item.brings):
            continue
        for stage in (s for s in item.brings if s != "heat_rejection"):
            if case.redundancy.get(stage, "") is not None and name not in stages.setdefault(stage, []):
                stages[stage].append(name)
    return stages


def _grouped(case: Case, plant: Plant, item: Item, stage: str) -> tuple[dict[str, float], Group]:
    """Capacities of one set in every position an item fills, and its group."""
    if "white_space" in item.brings or stage in ("network", "network_top_layer", "fit_out", "rack_space"):
        return _boxed(case, plant, item), Group(1, 1.0)
    lead = next((s for s in power.CHAIN if s in item.brings), stage)
    scheme = case.stage_redundancy(lead)
    unit = _capacity(case, item, lead)
    heat = _rack_block(plant, scheme, lead)
    block = heat if heat is None or lead != "cdu" else max(heat, unit * _racks_flow(plant, scheme) / cdu_flow_lpm(item))
    group = group_of(scheme, unit, block)
    if heat is not None and block is not None and group.spares_per_group:
        # As many units as carry heat and flow, and no more racks on them.
        group = replace(group, firm_per_set=group.firm_per_set * heat / block)
    supplies = {
        s: group.firm_per_set * _capacity(case, item, s) / unit
        for s in item.brings
        if s not in SERVED_ONCE and s != "heat_rejection" and case.redundancy.get(s, "") is not None
    }
    return supplies, group


def _boxed(case: Case, plant: Plant, item: Item) -> dict[str, float]:
    """Capacities one unit brings, counted without spares; heat rejection of a pod in every loop it can serve."""
    supplies = {s: _capacity(case, item, s) for s in item.brings if s not in (*SERVED_ONCE, "heat_rejection")}
    own = [r for r in plant.rejections if r.item.id == item.id]
    return supplies | {f"heat_rejection:{r.loop}": r.capacity_mw * r.design_capacity_fraction for r in own}


def rejection_key(item: Item, loop: str) -> str:
    """Key of the option that rejects a loop's heat: a cooler has one for each loop, a pod is one with all it brings."""
    return f"{item.id}@{loop}" if item.family == "cooling" else item.id


def _rack_block(plant: Plant, scheme: Redundancy | None, stage: str) -> float | None:
    """Capacity a group of group_racks racks needs in a stage; None when groups are not in racks."""
    if scheme is None or scheme.group_racks is None or not plant.racks:
        return None
    liquid = stage in ("cdu", "heat:liquid")
    air = stage in ("air_unit", "heat:air")
    per_rack = max(
        r.design_mw * (r.liquid_fraction if liquid else 1 - r.liquid_fraction if air else 1.0) for r in plant.racks
    )
    return scheme.group_racks * per_rack if per_rack > 0 else None


def _racks_flow(plant: Plant, scheme: Redundancy | None) -> float:
    """Coolant of a group of group_racks racks. [L/min]"""
    supply = plant.case.input.cooling.coolant_supply_c
    most = max((rack_flow_lpm(r.item, supply) for r in plant.racks), default=0.0)
    return most * (scheme.group_racks or 0) if scheme is not None else 0.0


def _flow_per_set(case: Case, plant: Plant, option: Option) -> float:
    """Coolant that one set of a CDU moves: of a group of racks, its share of what they take. [L/min]"""
    if "cdu" not in option.supplies:
        return 0.0
    unit, scheme = _capacity(case, option.item, "cdu"), case.stage_redundancy("cdu")
    if option.group.spares_per_group and _rack_block(plant, scheme, "cdu") is not None:
        return _racks_flow(plant, scheme) / (option.group.sets_per_group or 1)
    return cdu_flow_lpm(option.item) * option.supplies["cdu"] / unit


def _capacity(case: Case, item: Item, stage: str) -> float:
    """Capacity one unit brings to a stage: MW, m2, racks or GPU ports."""
    if stage in POWER_STAGES:
        return power.capacity_mw(case, item, stage)
    if stage in COOLING_STAGES:
        return cdu_capacity_mw(item, case.input.cooling.cdu_approach_k if stage == "cdu" else None)
    if stage == "white_space":
        return item.get("white_space_m2")
    if stage == "fit_out":
        return item.get("it_power_kw") / 1000.0
    return item.get("gpu_ports") if stage == "network" else 1.0


def wait_weeks(case: Case, item: Item, positions: tuple[str, ...]) -> float:
    """Commissioning and burn-in between the end of installation and service."""
    commissioning = case.input.commissioning
    if item.family == "compute":
        own = commissioning.weeks if item.brings else 0.0  # a pod is commissioned as a block
        return own + commissioning.rack_burn_in_weeks
    if case.load_series_mw is None and any(p in WAITS_FOR_COMMISSIONING for p in positions):
        return commissioning.weeks + commissioning.rack_burn_in_weeks
    return 0.0


def gate_of(case: Case, item: Item, positions: tuple[str, ...]) -> date:
    """First day the installation of an item may be complete, by the activities that gate it."""
    names = {item.id, item.family, *positions, *(p.split(":")[0] for p in positions), item.fuel or ""}
    names |= {"water"} if item.evaporates else set()
    return max([case.gates[n] for n in names if n in case.gates], default=date.min)


def _option(
    case: Case,
    dates: Dates,
    key: str,
    item: Item,
    supplies: dict[str, float],
    group: Group,
    *,
    buyable: str,
    own: bool = True,
) -> Option:
    positions = tuple(supplies) or ((buyable,) if buyable in SERVED_ONCE else ())
    wait, gate = wait_weeks(case, item, positions), gate_of(case, item, positions)
    may_buy = item.id in case.candidates.get(buyable, ()) or any(
        item.id in case.candidates.get(p, ()) for p in supplies
    )
    compute = item.family == "compute"
    load = compute or only_for_load(supplies)
    orders = _orders(case, item, wait, gate, partial(dates.needed, load=load, racks=compute)) if may_buy else ()
    starts = case.timeline.starts
    periods = range(len(starts))
    rows = [row for row in case.input.committed if own and row.item == item.id]
    owned = [(on_site_ready(item, row.on_site, wait, gate), row.units) for row in rows]
    committed = [sum(units for ready, units in owned if case.timeline.first_period(ready) <= p) for p in periods]
    places = (buyable, *supplies)
    here = [row for row in case.input.existing if row.item == item.id]
    stood = tuple(row for row in here if (own if row.stage is None else row.stage in places))
    left = [sum(row.units for row in stood if row.leaves is not None and row.leaves <= day) for day in starts]
    for row in stood:
        owned.append((row.since, row.units))
    moved = [(row.move.ready, row.units) for row in here if row.move is not None and row.move.to in places]
    for p in periods:
        committed[p] += sum(row.units for row in stood) - left[p]
        committed[p] += sum(units for ready, units in moved if case.timeline.first_period(ready) <= p)
    multiple = case.input.order_multiples.get(item.id, 1)
    return Option(key, item, supplies, group, multiple, orders, tuple(committed), tuple(owned), tuple(left), stood)


def _orders(case: Case, item: Item, wait: float, gate: date, needed: Callable[[int], int]) -> tuple[Order, ...]:
    """Order days that can matter, among those in time for the same period and in one supply quarter.

    needed: the first period that what is in service from a period may be of use in.
    """
    found: dict[tuple[int, str], list[Order]] = {}
    supply = case.input.supply.get(item.id, {})
    for period in range(case.timeline.last_period + 1):
        ordered = case.timeline.starts[period]
        if item.orderable_from is not None and ordered < item.orderable_from:
            continue
        dates = unit_dates(case, item, ordered, wait, gate)
        if dates is None:
            continue
        quarter = ""
        if item.id in case.input.supply:
            quarter = next((q for q in supply if _in_quarter(dates.delivered, q)), "none")
            if quarter == "none":
                continue
        in_service = case.timeline.first_period(dates.in_service)
        use = needed(in_service)
        if use == NEVER:
            continue
        flows = tuple(unit_flows(case, item, dates))
        order = Order(period, dates, in_service, flows, present_value(case, flows) / USD_PER_KUSD)
        held = found.setdefault((use, quarter), [])
        # Later is never worse for a budget; where the present value is also no higher, the earlier day is dominated.
        while held and order.cost_kusd <= held[-1].cost_kusd + 1e-9:
            held.pop()
        held.append(order)
    return tuple(sorted((order for held in found.values() for order in held), key=lambda order: order.period))


def _in_quarter(day: date, quarter: str) -> bool:
    first, after = quarter_bounds(quarter)
    return first <= day < after
