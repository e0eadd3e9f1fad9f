"""What holds a plan back, moved by one unit: every limit of a case with the text of `--set` that moves it.

A limit is moved by one of its own unit; areas, water, gas and emissions by a hundredth of the limit, where that is
more. Dates count by whole months, so they are moved by a month; a lead time by as many weeks as bring a unit ordered at
the start a month sooner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from planner.case.case import Case
from planner.case.permits import POLLUTANTS
from planner.case.schema import Redundancy
from planner.case.swing import LIMIT_FIELDS
from planner.timeline import add_months
from planner.units import DAYS_PER_WEEK

_SHARE = 0.01  # of a limit counted in small units
_MONTH_WEEKS = 4.5  # no less than any month
_ONE_LESS = {"2N": "N+1", "2(N+1)": "2N", "3N/2": "N", "4N/3": "N"}


@dataclass(frozen=True)
class Move:
    """One limit moved by an amount of its unit."""

    limit: str
    when: str
    words: str  # of the move
    amount: float  # of its unit, positive
    unit: str
    changes: tuple[str, ...]


def moves_of(case: Case, critical: tuple[tuple[str, date], ...] = ()) -> tuple[Move, ...]:
    """Every limit of a case, moved. critical: items that a plan orders as early as it can, with the day they serve."""
    return (  # what most often holds a plan back first, as time may end before the last is looked at
        *_grid(case),
        *_milestones(case),
        *_money(case),
        *_supply(case),
        *_redundancy(case),
        *_cooling(case),
        *_crews(case),
        *_permits(case),
        *_swings(case),
        *_water(case),
        *_ground(case),
        *(move for item, ready in critical if (move := _lead_time(case, item, ready))),
        *_dates(case),
    )


def _more(limit: str, when: str, amount: float, unit: str, change: str) -> Move:
    return Move(limit, when, f"+{amount:,.10g} {unit}", amount, unit, (change,))


def _sooner(limit: str, when: str, amount: float, unit: str, change: str, words: str = "sooner") -> Move:
    return Move(limit, when, f"{amount:g} {unit}{'s' if amount != 1 else ''} {words}", amount, unit, (change,))


def _set(path: str, value: Any) -> str:
    return f"{path}={value}" if isinstance(value, date | str | int) else f"{path}={value:.12g}"


def _step(most: float) -> float:
    """A hundredth of a limit as a round number, one at least.

    >>> _step(60000.0), _step(37.0)
    (600, 1)
    """
    return max(1, round(most * _SHARE))


def _grid(case: Case) -> Iterator[Move]:
    for i, step in enumerate(case.input.site.grid.interconnection):
        path, when = f"site.grid.interconnection[{i}]", f"from {step.from_}"
        yield _more("grid connection", when, 1, "MW", _set(f"{path}.mw", step.mw + 1))
        sooner, steps = _month_before(step.from_), case.input.site.grid.interconnection
        if sooner > case.timeline.start and (i == 0 or sooner > steps[i - 1].from_):
            yield _sooner(f"grid step of {step.mw:g} MW", when, 1, "month", _set(f"{path}.from", sooner))
    called = case.input.site.grid.curtailment
    if called is not None and called.event_h > 1:
        change = _set("site.grid.curtailment.event_h", called.event_h - 1)
        yield _sooner("called curtailment", "every call", 1, "h", change, "shorter")


def _milestones(case: Case) -> Iterator[Move]:
    for i, milestone in enumerate(case.input.target.milestones):
        asked, unit = next((v, u) for v, u in _asked(milestone) if v is not None)
        name, when = f"milestone {asked:,g} {unit}", f"by {milestone.by}"
        for months, words in ((1, "later"), (-1, "sooner")):
            day = _moved(milestone.by, months)
            if case.timeline.period_of(day) > 0 and day <= case.timeline.starts[-1]:
                yield _sooner(name, when, 1, "month", _set(f"target.milestones[{i}].by", day), words)


def _asked(milestone: Any) -> tuple[tuple[float | None, str], ...]:
    return (milestone.gpus, "GPUs"), (milestone.pflops, "PFLOPS"), (milestone.it_mw, "MW of IT")


def _money(case: Case) -> Iterator[Move]:
    for i, row in enumerate(case.input.budget):
        yield _more("budget", f"by {row.by}", 1, "M$", _set(f"budget[{i}].usd", row.usd + 1e6))


def _supply(case: Case) -> Iterator[Move]:
    for item, quarters in case.input.supply.items():
        for quarter, units in quarters.items():
            more = case.input.order_multiples.get(item, 1)
            yield _more(f"supply of {item}", quarter, more, "units", _set(f"supply.{item}.{quarter}", units + more))


def _dates(case: Case) -> Iterator[Move]:
    """What must be done first, and what is already on its way, a month sooner."""
    for i, activity in enumerate(case.input.activities):
        name, when = f"activity {activity.name}", f"{case.activity_dates[activity.name]}"
        if activity.on is not None:
            yield _sooner(name, when, 1, "month", _set(f"activities[{i}].on", _month_before(activity.on)))
        elif activity.weeks:
            fewer = min(_MONTH_WEEKS, activity.weeks)
            yield _sooner(name, when, fewer, "week", _set(f"activities[{i}].weeks", activity.weeks - fewer))
    for i, row in enumerate(case.input.committed):
        change = _set(f"committed[{i}].on_site", _month_before(row.on_site))
        yield _sooner(f"delivery of committed {row.item}", f"{row.on_site}", 1, "month", change)
    gas, permit = case.input.site.gas, case.input.site.air_permit
    for name, gate in (("gas", gas), ("air_permit", permit)):
        if gate is not None and gate.from_ > case.timeline.start:
            change = _set(f"site.{name}.from", _month_before(gate.from_))
            yield _sooner(f"date of {name.replace('_', ' ')}", f"{gate.from_}", 1, "month", change)


def _lead_time(case: Case, item: str, ready: date) -> Move | None:
    """Enough weeks off a lead time that a unit ordered at the start serves a period sooner."""
    weeks, period = case.catalog[item].get("lead_time_weeks"), case.timeline.first_period(ready)
    before = case.timeline.starts[max(0, period - 1)]
    fewer = math.ceil((ready - before).days / DAYS_PER_WEEK)
    if not 0 < fewer <= weeks:
        return None
    change = _set(f"catalog.{item}.lead_time_weeks", weeks - fewer)
    return _sooner(f"lead time of {item}", f"ordered {case.timeline.start}", fewer, "week", change)


def _ground(case: Case) -> Iterator[Move]:
    site = case.input.site
    areas = [("land", "site.land_m2", site.land_m2), ("yard", "site.hall.yard_m2", site.hall.yard_m2)]
    if site.hall.existing_m2 > 0:
        areas.append(("hall floor", "site.hall.existing_m2", site.hall.existing_m2))
    if site.land is not None:
        names = {"buildings": "land for buildings", "yard": "yard", "solar": "land for solar", "parcel": "parcel"}
        areas += [(words, f"site.land.{n}_m2", getattr(site.land, f"{n}_m2")) for n, words in names.items()]
    for words, path, most in areas:
        if most is not None:
            yield _more(words, "always", _step(most), "m2", _set(path, most + _step(most)))
    if site.noise is not None:
        change = _set("site.noise.limit_dba", site.noise.limit_dba + 1)
        yield _more("noise at the fence", "always", 1, "dB(A)", change)
    if site.on_site_fuel is not None and site.on_site_fuel.diesel_m3 is not None:
        most = site.on_site_fuel.diesel_m3
        change = _set("site.on_site_fuel.diesel_m3", most + _step(most))
        yield _more("diesel kept on site", "always", _step(most), "m3", change)
    if site.height_limit_m is not None:
        yield _more("height limit", "always", 1, "m", _set("site.height_limit_m", site.height_limit_m + 1))


def _permits(case: Case) -> Iterator[Move]:
    gas, permit, caps = case.input.site.gas, case.input.site.air_permit, case.input.site.caps
    if gas is not None:
        more = _step(gas.mmbtu_hhv_per_day)
        change = _set("site.gas.mmbtu_hhv_per_day", gas.mmbtu_hhv_per_day + more)
        yield _more("gas supply", f"from {gas.from_}", more, "MMBtu HHV/day", change)
    for name in POLLUTANTS if permit is not None else ():
        tons = getattr(permit, f"{name}_tons_per_year")
        if tons is not None:
            change = _set(f"site.air_permit.{name}_tons_per_year", tons + _step(tons))
            yield _more(f"{name} of the air permit", "every year", _step(tons), "short tons/year", change)
    if caps is None:
        return
    for name, unit in (
        ("co2_t_per_year", "t/year"),
        ("nox_t_per_year", "t/year"),
        ("fuel_mmbtu_hhv_per_year", "MMBtu HHV/year"),
        ("evaporation_m3_per_year", "m3/year"),
    ):
        most = getattr(caps, name)
        if most is not None:
            change = _set(f"site.caps.{name}", most + _step(most))
            yield _more(f"cap on {name.split('_')[0]}", "every year", _step(most), unit, change)
    for item, hours in caps.run_hours_per_year.items():
        change = _set(f"site.caps.run_hours_per_year.{item}", hours + _step(hours))
        yield _more(f"run hours of {item}", "every year", _step(hours), "h/year", change)


def _water(case: Case) -> Iterator[Move]:
    water = case.input.site.water
    for name, unit in (("m3_per_day", "m3/day"), ("m3_per_year", "m3/year")) if water is not None else ():
        most = getattr(water, name)
        if most is not None:
            change = _set(f"site.water.{name}", most + _step(most))
            yield _more("water permit", "every " + unit[3:], _step(most), unit, change)


def _cooling(case: Case) -> Iterator[Move]:
    given, racks = case.input.cooling, bool(case.input.target.milestones)
    for name in ("coolant_supply_c", "chilled_water_supply_c") if racks else ():
        change = _set(f"cooling.{name}", getattr(given, name) + 1)
        yield _more(name[:-2].replace("_", " "), "always", 1, "degC", change)


def _swings(case: Case) -> Iterator[Move]:
    units = dict(zip(LIMIT_FIELDS, ("MW/min", "MW in 5 s", "MW peak to peak"), strict=False))
    for i, rule in enumerate(case.input.site.grid.load_rules):
        for name, unit in units.items():
            most = rule.limit(name)
            if most is not None:
                change = _set(f"site.grid.load_rules[{i}].{name}", most + 1)
                when = f"from {rule.from_}" if rule.from_ else "always"
                yield _more(f"load rule {rule.title}", when, 1, unit, change)


def _redundancy(case: Case) -> Iterator[Move]:
    for stage, policy in case.input.redundancy.items():
        less = None if policy is None else _one_less(policy)
        if less is not None and policy is not None:
            change = _set(f"redundancy.{stage}.scheme", less)
            yield Move(f"redundancy of {stage}", "always", f"{policy.scheme} to {less}", 1, "step", (change,))
    for i, event in enumerate(case.input.events):
        if event.duration_h is not None and event.duration_h > 1:
            change = _set(f"events[{i}].duration_h", event.duration_h - 1)
            yield _sooner(event.kind.replace("_", " "), "any time", 1, "h", change, "shorter")
    spares = case.input.spares.racks_fraction
    if isinstance(spares, float | int) and spares >= 0.01:
        change = _set("spares.racks_fraction", round(spares - 0.01, 6))
        yield Move("spare racks", "always", "-1 % of racks", 1, "% of racks", (change,))


def _one_less(policy: Redundancy) -> str | None:
    if policy.spares:
        return f"N+{policy.spares - 1}" if policy.spares > 1 else "N"
    return _ONE_LESS.get(policy.scheme)


def _crews(case: Case) -> Iterator[Move]:
    rules = case.input.commissioning
    if case.input.target.milestones and rules.weeks > 0:
        change = _set("commissioning.blocks_in_parallel", rules.blocks_in_parallel + 1)
        yield _more("commissioning crews", "always", 1, "block in parallel", change)
        if rules.weeks > 1:
            change = _set("commissioning.weeks", rules.weeks - 1.0)
            yield _sooner("commissioning of a block", "always", 1, "week", change, "shorter")


def _month_before(day: date) -> date:
    return _moved(day, -1)


def _moved(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month where it is the last of its own.

    >>> _moved(date(2028, 9, 30), 1), _moved(date(2027, 1, 15), -1)
    (datetime.date(2028, 10, 31), datetime.date(2026, 12, 15))
    """
    first, after = add_months(day, months), add_months(day, months + 1)
    last = (after - timedelta(days=1)).day
    if (day + timedelta(days=1)).day == 1:
        return first.replace(day=last)
    return first.replace(day=min(day.day, last))
