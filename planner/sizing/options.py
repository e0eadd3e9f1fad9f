"""What may be bought: every item of a case in every position it can fill, with its dates, costs and group.

A position is a place in the chain with a capacity row of its own; most are the catalog's stages, but heat
rejection is one position per water loop, and an MV/LV transformer may also serve batteries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from planner.case.case import Case, quarter_bounds
from planner.case.item import COOLING_STAGES, POWER_STAGES, Item
from planner.case.schema import Redundancy
from planner.families import power
from planner.families.generation import site_rating_fraction
from planner.ledger import Cash, UnitDates, on_site_ready, present_value, unit_dates, unit_flows
from planner.operation.blocks import Plant
from planner.sizing.dates import Dates, only_for_load
from planner.timeline import NEVER

USD_PER_KUSD = 1000.0
# Positions that must stand before a block is commissioned; the others serve once installed.
WAITS_FOR_COMMISSIONING = (
    "white_space",
    "fit_out",
    "rack_space",
    "network",
    *power.CHAIN,  # the substation has erection and tests of its own in its installation weeks
    "cdu",
    "air_unit",
    "heat_rejection:liquid",
    "heat_rejection:air",
    "standby_generation",
)
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


def group_of(scheme: Redundancy | None, unit: float, block: float | None) -> Group:
    """The group a redundancy scheme makes of units of a capacity.

    block: capacity of a group of group_racks racks, which one group must carry whole; None otherwise. A group
    of group_mw holds as many active units as fit in it. The last group may be smaller than the others.

    >>> group_of(Redundancy(scheme="N+1", group_mw=5), 1.25, None)      # 4 active + 1 spare carry 5 MW
    Group(units_per_set=1, firm_per_set=1.25, spares_per_group=1, sets_per_group=4)
    >>> group_of(Redundancy(scheme="4N/3", group_mw=10), 2.0, None)     # 4 to make 3
    Group(units_per_set=4, firm_per_set=6.0, spares_per_group=0, sets_per_group=None)
    >>> group_of(Redundancy(scheme="N+1", group_racks=16), 1.0, 2.25)   # 3 carry 16 racks of .14 MW, no more
    Group(units_per_set=1, firm_per_set=0.75, spares_per_group=1, sets_per_group=3)
    """
    name = scheme.scheme if scheme is not None else "N"
    if name in ("3N/2", "4N/3"):
        made = 2 if name == "3N/2" else 3
        return Group(made + 1, made * unit)
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
        supplies = {s: _capacity(case, rack.item, s) for s in rack.item.brings if s not in SERVED_ONCE}
        result.append(_option(case, dates, rack.item.id, rack.item, supplies, Group(1, 1.0), buyable="compute"))
    for stage, ids in sorted(_stage_items(case).items()):
        for item_id in ids:
            if any(o.key == item_id for o in result):
                continue
            item = case.catalog[item_id]
            supplies, group = _grouped(case, plant, item, stage)
            result.append(_option(case, dates, item_id, item, supplies, group, buyable=stage))
    home = {rejection.item.id: rejection.loop for rejection in plant.rejections}  # the last: the colder water
    for rejection in plant.rejections:
        scheme = case.stage_redundancy("heat_rejection")
        capacity = rejection.capacity_mw * rejection.design_capacity_fraction
        group = group_of(scheme, capacity, _rack_block(plant, scheme, f"heat:{rejection.loop}"))
        key = f"{rejection.item.id}@{rejection.loop}"
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
    for item_id in case.candidates.get("battery_transformer", ()):
        item = case.catalog[item_id]
        capacity = power.rating_mw(item, "mv_lv_transformer", case.input.site.grid.power_factor)
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
        for item_id in case.candidates.get("standby_generation", ()):
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
                )
            )
    for stage, machines in (
        ("generation", plant.generators),
        ("renewable", plant.renewables),
        ("battery", plant.batteries),
    ):
        for machine in machines:
            result.append(_option(case, dates, machine.item.id, machine.item, {}, Group(1, 1.0), buyable=stage))
    return tuple(result)


def _stage_items(case: Case) -> dict[str, list[str]]:
    """Items by stage: candidates, and committed ones that may not be bought."""
    skip = {"compute", "heat_rejection", "battery_transformer", "standby_generation", *SERVED_ONCE}
    stages = {
        stage: list(ids)
        for stage, ids in case.candidates.items()
        if stage not in skip and case.redundancy.get(stage, "") is not None
    }
    for row in case.input.committed:
        item = case.catalog[row.item]
        if item.family in ("compute", *SERVED_ONCE) or "heat_rejection" in item.brings:
            continue
        for stage in item.brings:
            if row.item not in stages.setdefault(stage, []):
                stages[stage].append(row.item)
    return stages


def _grouped(case: Case, plant: Plant, item: Item, stage: str) -> tuple[dict[str, float], Group]:
    """Capacities of one set in every position an item fills, and its group."""
    if "white_space" in item.brings or stage in ("network", "fit_out", "rack_space"):
        return {s: _capacity(case, item, s) for s in item.brings if s not in SERVED_ONCE}, Group(1, 1.0)
    lead = next((s for s in power.CHAIN if s in item.brings), stage)
    scheme = case.stage_redundancy(lead)
    unit = _capacity(case, item, lead)
    group = group_of(scheme, unit, _rack_block(plant, scheme, lead))
    supplies = {
        s: group.firm_per_set * _capacity(case, item, s) / unit
        for s in item.brings
        if s not in SERVED_ONCE and s != "heat_rejection" and case.redundancy.get(s, "") is not None
    }
    return supplies, group


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


def _capacity(case: Case, item: Item, stage: str) -> float:
    """Capacity one unit brings to a stage: MW, m2, racks or GPU ports."""
    if stage in POWER_STAGES:
        return power.rating_mw(item, stage, case.input.site.grid.power_factor)
    if stage in COOLING_STAGES:
        name = "cooling_capacity_kw" if item.cooling_capacity_kw is not None else "it_power_kw"
        return item.get(name) / 1000.0
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
    names = {item.id, item.family, *positions, *(p.split(":")[0] for p in positions)}
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
    committed = [0] * (case.timeline.last_period + 1)
    rows = [row for row in case.input.committed if own and row.item == item.id]
    owned = tuple((on_site_ready(item, row.on_site, wait, gate), row.units) for row in rows)
    for ready, units in owned:
        for p in range(min(case.timeline.first_period(ready), NEVER), case.timeline.last_period + 1):
            committed[p] += units
    multiple = case.input.order_multiples.get(item.id, 1)
    return Option(key, item, supplies, group, multiple, orders, tuple(committed), owned)


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
