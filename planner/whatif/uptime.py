"""What failures of equipment and outages of the grid cost in uptime.

Two figures: the hours a year that an average GPU is without power or cooling, and how often a job over the whole site
is interrupted. A unit fails lambda times a year and is repaired in m hours: it is down for q = lambda m / (8760 +
lambda m) of the time. A group of n units of which k carry its load and s = n - k are spares loses (i - s) / k of it
while i > s are down:

    share lost      sum over i > s of C(n, i) q^i (1 - q)^(n - i) min((i - s) / k, 1) + beta q
    interruptions   C(n, s) q^s (1 - q)^(n - s) k lambda + beta lambda        a year

where beta of a unit's failures take its whole group along (IEC 61508-6: 0.01 to 0.1), and q and lambda in the first
terms are those of the others. Two paths with a spare each lose load only where both have: the share is the product of
two, and the interruptions are 2 (time one is out) (interruptions of one). Stages are in series. An outage of the grid
longer than what the UPS carry, and than the plan's own outage event, takes the whole load unless standby sets start;
its length is lognormal with sigma 1.4 about the mean given. Independent repair crews: large fleets with few crews do
worse. Planned maintenance is not in it, nor failures of the compute itself (`goodput`). Reference: Billinton & Allan,
Reliability Evaluation of Engineering Systems.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from planner.audit.base import tables_of
from planner.audit.loads import Site
from planner.audit.stock import FLOW
from planner.case.case import Case
from planner.case.item import Item
from planner.case.schema import Redundancy
from planner.plan.plan import Plan
from planner.units import HOURS_PER_YEAR, MINUTES_PER_HOUR

COMMON_CAUSE_FRACTION = 0.02  # engineering judgement, in the range of IEC 61508-6
# Sustained interruptions of a circuit a year and their mean hours, and of two circuits at once: planning values after
# the surveys in IEEE 493, from memory. The second is taken where the grid's last step comes through a substation.
ONE_CIRCUIT, TWO_CIRCUITS = (1.956, 1.3), (0.312, 0.5)
OUTAGE_SIGMA = 1.4
UPS_MINUTES = 5.0  # where neither the case nor its UPS say
_STAGES = (*FLOW, "main_transformer", "hv_substation", "cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air")
_TIERS = {"3N/2": (2, 3), "4N/3": (3, 4), "2N": (1, 2)}


@dataclass(frozen=True)
class Group:
    """Groups of one make: k of n units carry the load of one; paths: 2 where a second set stands beside them."""

    k: int
    n: int
    count: int
    paths: int = 1


class Row(NamedTuple):
    """One stage or source. Hours are those an average GPU is without it in a year."""

    stage: str
    item: str
    units: float
    scheme: str
    failures_per_year: float  # of one unit; of the grid
    repair_time_hours: float
    hours_per_year: float
    interruptions_per_year: float
    hours_with_one_spare_less: float | None = None  # in every group


def uptime(plan: Plan, case: Case) -> tuple[list[Row], list[str]]:
    """Every stage of the last period and the source, most hours first; and what could not be counted, in words."""
    site = Site(case, tables_of(plan))
    rows, unknown = [], []
    for stage in _STAGES:
        for item, parts, on in site.at(stage):
            units = float(on[site.last])
            if units < 0.5 or stage != next((s for s in _STAGES if s in parts), stage):
                continue  # what is in several stages fails in its first
            if item.failures_per_year is None or item.repair_time_hours is None:
                unknown.append(f"{stage}: {item.id} has no failures_per_year and repair_time_hours")
                continue
            rows.append(_stage(site, stage, item, parts, units))
    rows += _source(site, unknown)
    return sorted(rows, key=lambda row: -row.hours_per_year), unknown


def groups_of(scheme: Redundancy | None, on: int, carrying: int) -> list[Group]:
    """The groups that units switched on form, of which so many carry load.

    >>> groups_of(Redundancy(scheme="N+1", group_mw=5), 12, 9)  # 3 + 1 three times
    [Group(k=3, n=4, count=3, paths=1)]
    >>> groups_of(Redundancy(scheme="4N/3"), 8, 6), groups_of(None, 3, 3)
    ([Group(k=3, n=4, count=2, paths=1)], [Group(k=1, n=1, count=3, paths=1)])
    >>> groups_of(Redundancy(scheme="2(N+1)"), 10, 3)  # two paths of 3 + 2 spares, in groups of 2 + 1 and 1 + 1
    [Group(k=1, n=2, count=1, paths=2), Group(k=2, n=3, count=1, paths=2)]
    """
    name = scheme.scheme if scheme is not None else "N"
    if name in _TIERS:
        k, n = _TIERS[name]
        return [Group(k, n, on // n)]
    if scheme is not None and scheme.blocks_per_catcher is not None:
        return _shared(carrying, max(on - carrying, 1), 1, 1)
    if scheme is None or not (scheme.spares or name == "2(N+1)"):
        return [Group(1, 1, on)]
    paths, each = (2, 1) if name == "2(N+1)" else (1, scheme.spares)
    return _shared(carrying, max((on // paths - carrying) // each, 1), each, paths)


def _shared(carrying: int, groups: int, spares: int, paths: int) -> list[Group]:
    """Units that carry load, shared out among groups as evenly as they go."""
    small, larger = divmod(carrying, groups)
    found = [(small, groups - larger), (small + 1, larger)]
    return [Group(k, k + spares, count, paths) for k, count in found if k and count]


def loss_of(group: Group, failures_per_year: float, repair_time_hours: float) -> tuple[float, float]:
    """(share of its load that a group is without, interruptions of it in a year).

    >>> share, often = loss_of(Group(1, 1, 1), 0.5, 24.0)  # one unit: 12 h a year
    >>> round(share * 8760, 2), round(often, 2)
    (11.98, 0.5)
    """
    alone = (1.0 - COMMON_CAUSE_FRACTION) * failures_per_year
    down, down_together = _down(alone, repair_time_hours), _down(failures_per_year, repair_time_hours)
    k, n, spares = group.k, group.n, group.n - group.k

    def exactly(i: int) -> float:
        return math.comb(n, i) * down**i * (1.0 - down) ** (n - i)

    share = sum(exactly(i) * min((i - spares) / k, 1.0) for i in range(spares + 1, n + 1))
    often = exactly(spares) * k * alone
    if group.paths == 2:
        out = sum(exactly(i) for i in range(spares + 1, n + 1))
        share, often = share * out, 2.0 * out * often
    return share + COMMON_CAUSE_FRACTION * down_together, often + COMMON_CAUSE_FRACTION * failures_per_year


def _down(failures_per_year: float, repair_time_hours: float) -> float:
    """Share of the time a unit is down."""
    return failures_per_year * repair_time_hours / (HOURS_PER_YEAR + failures_per_year * repair_time_hours)


def _stage(site: Site, stage: str, item: Item, parts: tuple[str, ...], units: float) -> Row:
    scheme = site.case.stage_redundancy(stage.split(":")[0])
    on, carrying = math.floor(units + 1e-6), site.active(item, parts, units)
    lost = (item.get("failures_per_year"), item.get("repair_time_hours"))
    groups = groups_of(scheme, on, carrying)
    hours, often = _together(groups, *lost)
    shared = sum(u for i, p, n in site.at(stage) if (u := site.active(i, p, float(n[site.last]))))
    weight = carrying / shared if shared else 1.0
    less = [replace(g, n=g.n - 1) for g in groups if g.n > g.k]
    fewer = _together(less, *lost)[0] * weight if less else None
    name = scheme.scheme if scheme is not None else "N"
    told = ", ".join(f"{g.count} x {g.k} of {g.n}" + (" on two paths" if g.paths == 2 else "") for g in groups)
    return Row(stage, item.id, units, f"{name}: {told}", *lost, hours * weight, often, fewer)


def _together(groups: list[Group], failures_per_year: float, repair_time_hours: float) -> tuple[float, float]:
    """(hours a year an average load behind these groups is without them, interruptions of any of them)."""
    carried = sum(g.k * g.count for g in groups)
    hours = often = 0.0
    for group in groups:
        share, each = loss_of(group, failures_per_year, repair_time_hours)
        hours += HOURS_PER_YEAR * share * group.k * group.count / max(carried, 1)
        often += each * group.count
    return hours, often


def longer_than(hours: float, mean_hours: float) -> tuple[float, float]:
    """(share of outages longer than that, hours by which an outage is longer, on average over all of them).

    >>> longer_than(0.0, 1.3)
    (1.0, 1.3)
    >>> share, beyond = longer_than(2.0, math.exp(1.4**2 / 2) / 3)  # median 20 minutes: one in ten
    >>> round(share, 2)
    0.1
    """
    if hours <= 0:
        return 1.0, mean_hours
    middle = math.log(mean_hours) - OUTAGE_SIGMA**2 / 2.0
    z = (middle - math.log(hours)) / OUTAGE_SIGMA

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2.0))

    return normal(z), mean_hours * normal(z + OUTAGE_SIGMA) - hours * normal(z)


def _source(site: Site, unknown: list[str]) -> Iterator[Row]:
    """The grid behind UPS, outage events and standby sets; own generation where the load needs it."""
    case, p = site.case, site.last
    steps = [s for s in case.input.site.grid.interconnection if s.from_ <= site.starts[p]]
    if steps and steps[-1].mw > 0:
        given = case.input.site.grid.outages
        usual = TWO_CIRCUITS if steps[-1].via == "substation" else ONE_CIRCUIT
        often, mean = (given.failures_per_year, given.mean_hours) if given is not None else usual
        ridden = max(_ups_hours(site), *(_lived_through(case)), 0.0)
        share, beyond = longer_than(ridden, mean)
        words, fails = f"{ridden * MINUTES_PER_HOUR:g} min ridden through", 1.0
        for item, parts, on in site.at("standby_generation"):
            n = math.floor(float(on[p]) + 1e-6)
            if n and item.start_failure_fraction is not None:
                k, q = site.active(item, parts, float(n)), item.get("start_failure_fraction")
                groups = groups_of(case.stage_redundancy("standby_generation"), n, k)
                started = 1.0
                for g in groups:
                    short = sum(math.comb(g.n, i) * q**i * (1 - q) ** (g.n - i) for i in range(g.n - g.k + 1, g.n + 1))
                    started *= (1.0 - short) ** g.count
                fails, words = 1.0 - started, f"{words}, then {k} of {n} {item.id} start"
            elif n:
                unknown.append(f"standby: {item.id} has no start_failure_fraction")
        yield Row("grid", "utility", 1, words, often, mean, often * beyond * fails, often * share * fails)
    need = site.design[p]["mv_bus"][1]
    own = max(need - (steps[-1].mw if steps else 0.0), 0.0) / need if need else 0.0
    for item in site.family_items("generation") if own > 1e-6 else ():
        units = float(site.of_item(item.id, "generation")[p] - site.standing_by(item.id)[p])
        if units < 0.5:
            continue
        if item.failures_per_year is None or item.repair_time_hours is None:
            unknown.append(f"own generation: {item.id} has no failures_per_year and repair_time_hours")
            continue
        scheme = case.stage_redundancy("onsite_generation")
        n, spares = math.floor(units + 1e-6), scheme.spares if scheme is not None else 0
        group = Group(max(n - spares, 1), n, 1)
        lost = (item.get("failures_per_year"), item.get("repair_time_hours"))
        hours, often = _together([group], *lost)
        words = f"{scheme.scheme if scheme is not None else 'N'}: {group.k} of {n}, for {own:.0%} of the load"
        yield Row("own generation", item.id, units, words, *lost, hours * own, often)


def _ups_hours(site: Site) -> float:
    """What the UPS carry alone. [h]"""
    asked = site.case.input.power_chain.ride_through_minutes
    if asked is not None:
        return asked / MINUTES_PER_HOUR
    ups = [item for item, _, on in site.at("ups") if on[site.last] > 0.5]
    minutes = [item.get("ride_through_minutes", UPS_MINUTES) for item in ups]
    return min(minutes, default=0.0) / MINUTES_PER_HOUR


def _lived_through(case: Case) -> list[float]:
    """Lengths of the grid outages that the plan was asked to live through. [h]"""
    return [event.duration_h or 0.0 for event in case.input.events if event.kind == "grid_outage"]
