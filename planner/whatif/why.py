"""Why an item is in a plan: what it carries, for which milestone, what it waits for, costs, and what one less breaks.

From the plan's tables, the case and the auditor's picture of the site. The last question is answered by the audit: of
the same plan with one unit less (or one order multiple), the checks that then fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from planner.audit.audit import audit
from planner.audit.base import Tables, as_date, tables_of
from planner.audit.loads import Site
from planner.audit.stages import STAGE_UNITS
from planner.audit.stock import FUELLED
from planner.case.case import Case
from planner.case.item import STAGES, Item
from planner.case.schema import Milestone, Redundancy
from planner.finance import discount_factor
from planner.plan.plan import Plan

# Checks that one unit less fails because the plan promised more: limits, not the plan's own sums.
LIMITS = (
    *("stage capacity", "firm source", "milestones", "racks keep running", "commissioning", "ride-through"),
    *("spinning reserve", "load swing", "battery reserves", "reserves", "event ", "water of the design day"),
)
# Checks that fail because the hours of this plan use the unit: another dispatch might do without it.
HOURS = (
    *("import limit", "generation rating", "units online", "renewable output", "heat rejection capacity"),
    *("battery power", "battery energy", "battery keeps energy", "warranty cycles", "run-hours", "permitted energy"),
)
COLUMNS = ("period", "part", "units", "on", "carrying", "carries", "needed", "unit", "asked by")
_SOME = 1e-6
# Binding stages that are no stage: nothing is in the way.
_NOT_HELD = {
    "target met": "ready, beyond what the milestones due by then ask for",
    "least cost": "ready, and cheaper to run later: no milestone asks for them yet",
    "racks on site": "ready in the course of the period",
}


@dataclass(frozen=True)
class Why:
    """One item of a plan. growth: a row for every period in which units or roles change, and part of the chain."""

    item: str
    lines: tuple[str, ...]
    growth: pd.DataFrame


def items_of(plan: Plan) -> list[str]:
    """Items that stand in a plan at some time, in the order of their first service."""
    first = plan.installed.groupby("item", sort=False)["period"].min()
    return [str(item) for item in sorted(first.index, key=lambda item: (str(first[item]), str(item)))]


def why(plan: Plan, case: Case, item_id: str) -> Why:
    """Everything there is to say of one item that stands in the plan."""
    tables = tables_of(plan)
    site, item = Site(case, tables), case.catalog[item_id]
    lines = [
        f"{item_id}: {item.vendor} {item.model}, {item.family}",
        *_service(case, tables, site, item),
        *_positions(case, site, item),
        *_jobs(plan, tables, site, item),
        *_gates(case, site, item),
        *_orders(case, tables, item),
        *_cost(plan, case, tables, item),
        *_one_less(plan, case, site, item),
    ]
    return Why(item_id, tuple(lines), pd.DataFrame(_growth(case, site, item), columns=COLUMNS))


def overview(plan: Plan, case: Case) -> pd.DataFrame:
    """A row for every item: units at the end, first service, what it is for, and how full its fullest part is."""
    tables = tables_of(plan)
    site, rows = Site(case, tables), []
    for item_id in items_of(plan):
        item, counts = case.catalog[item_id], site.of_item(item_id)
        first = int(np.argmax(counts > _SOME))
        milestone = _asked_by(case, first)
        fullest = max(_loadings(site, item), default=None)
        rows.append(
            {
                "item": item_id,
                "units": float(counts[site.last]),
                "most_units": float(counts.max()),
                "in_service_from": str(site.starts[first]),
                "asked_by": milestone,
                "serves": _serves(tables, site, item),
                "fullest_fraction": fullest[0] if fullest else np.nan,
                "fullest": f"{fullest[2]} {fullest[1]}" if fullest else "",
                "capital_usd": float(tables.orders[tables.orders["item"] == item_id].capital_usd.sum()),
            }
        )
    return pd.DataFrame(rows)


def stranded(plan: Plan, case: Case) -> list[str]:
    """GPUs that are delivered and do not run, by what holds them back, worst first."""
    frame = tables_of(plan).capacity
    gpus = {item.id: item.get("gpus") for item in case.catalog.items if item.id in plan.summary["units"] and item.gpus}
    each = max(gpus.values(), default=0.0)
    causes: dict[str, list[tuple[date, float]]] = {}
    for day, delivered, ready, held, cause in zip(
        frame.period, frame.racks_delivered, frame.racks_ready, frame.racks_stranded, frame.binding_stage, strict=True
    ):
        if delivered - ready > _SOME:
            name = "not installed yet, or waiting for a gate, commissioning or burn-in"
            causes.setdefault(name, []).append((day, float(delivered - ready)))
        if held > _SOME:
            words = _NOT_HELD.get(str(cause), f"ready, held back by {cause}")
            causes.setdefault(words, []).append((day, float(held)))
    lines = []
    for name, rows in sorted(causes.items(), key=lambda of: -sum(n for _, n in of[1])):
        most, total = max(n for _, n in rows), sum(n for _, n in rows)
        text = f"{name}: up to {most:,.0f} racks"
        text += f" ({most * each:,.0f} GPUs)" if len(gpus) == 1 else ""
        lines.append(f"{text}, {total:,.0f} rack-periods from {rows[0][0]} to {rows[-1][0]}")
    return lines


# -- what it is for ------------------------------------------------------------------------------------------


def _asked_by(case: Case, p: int) -> str:
    """The first milestone due in a period or after it."""
    due = [m for m in case.input.target.milestones if case.timeline.period_of(m.by) >= p]
    return _milestone(min(due, key=lambda m: m.by)) if due else ""


def _milestone(milestone: Milestone) -> str:
    if milestone.gpus is not None:
        return f"{milestone.gpus:,} GPUs by {milestone.by}"
    if milestone.pflops is not None:
        return f"{milestone.pflops:,g} PFLOPS {milestone.precision} by {milestone.by}"
    return f"{milestone.it_mw:,g} MW of IT by {milestone.by}"


def _service(case: Case, tables: Tables, site: Site, item: Item) -> Iterator[str]:
    counts = site.of_item(item.id)
    first = int(np.argmax(counts > _SOME))
    asked = _asked_by(case, first)
    most = f" ({_units(counts.max())} at most)" if counts.max() > counts[site.last] + _SOME else ""
    text = f"{_units(counts[site.last])} at the end{most}; needed first from {site.starts[first]}"
    yield text + (f", asked by {asked}" if asked else ", after the last milestone" if site.racks else "")
    bought = [row for row in case.input.committed if row.item == item.id]
    stood = [row for row in case.input.existing if row.item == item.id]
    if bought or stood:
        own = [*(f"{row.units} committed, on site {row.on_site}" for row in bought)]
        own += [f"{row.units} standing since {row.since}" for row in stood]
        yield "of these " + ", ".join(own)


def _parts(site: Site, item: Item) -> list[tuple[tuple[str, ...], str]]:
    """(positions it fills at once, one of them) of an item."""
    keys = [tuple(position.split("+")) for name, position in site.units if name == item.id]
    return [(parts, part) for parts in keys for part in parts]


def _in_chain(part: str) -> bool:
    """Whether a position is a stage with a capacity, not a family that stands by itself."""
    return part not in FUELLED and part != "compute"


def _needed(site: Site, part: str, p: int) -> float:
    """Design load of a part of the chain; behind the meter, the import that machines leave, as far as it is allowed."""
    if part in ("main_transformer", "hv_substation"):
        rest = max(0.0, site.design[p]["mv_bus"][1] - site.firm_generation_mw(p)) / (1.0 - site.import_loss)
        feeders, allowed = site.grid_step(p)
        return min(rest, allowed) if rest > feeders else 0.0
    return site.design[p].get(part, (0.0, 0.0))[1]


def _positions(case: Case, site: Site, item: Item) -> Iterator[str]:
    """By part of the chain: what it carries of what is needed at the end, and the spares among its units."""
    p = site.last
    for parts, part in _parts(site, item):
        if not _in_chain(part):
            continue
        on, firm = float(site.on[item.id, "+".join(parts)][p]), site.firm(part, p)
        needed = _needed(site, part, p)
        carries, unit = site.carries_mw(item, parts, part, on), STAGE_UNITS.get(part, "MW")
        label = STAGES.get(part.split(":")[0], part)
        yield (
            f"carries {part} ({label}): {carries:,.4g} of {firm:,.4g} {unit} that stand firm, "
            f"{needed:,.4g} {unit} needed from {site.starts[p]}"
        )
        carrying = site.active(item, parts, on)
        scheme = case.stage_redundancy(part.split(":")[0])
        if on - carrying > 0.5 and scheme is not None:
            yield f"  {_units(on - carrying)} of {_units(on)} on are spares or second paths: {_scheme(scheme)}"
        idle = float(site.units[item.id, "+".join(parts)][p]) - on
        if idle > 0.5:
            yield f"  {_units(idle)} stand switched off: nothing needs them yet"


def _scheme(scheme: Redundancy) -> str:
    groups = [
        f"groups of {scheme.group_mw:g} MW" if scheme.group_mw is not None else "",
        f"groups of {scheme.group_racks} racks" if scheme.group_racks is not None else "",
        f"one for {scheme.blocks_per_catcher} blocks" if scheme.blocks_per_catcher is not None else "",
    ]
    return ", ".join([scheme.scheme, *(g for g in groups if g)])


def _jobs(plan: Plan, tables: Tables, site: Site, item: Item) -> Iterator[str]:
    """What batteries, machines, sun and racks do beside standing in the chain."""
    p = int(np.argmax(site.of_item(item.id)))  # in which most stand
    last = site.starts[site.last]
    if item.family == "battery" and (frame := tables.details.get("battery_jobs")) is not None:
        for row in frame[frame.period == last].to_dict("records"):
            sets = "; sets the count" if str(row["sets_the_count"]) == "yes" else ""
            yield f"job from {last}: {row['job']}, {row['takes_mw']:,.4g} MW and {row['takes_mwh']:,.4g} MWh{sets}"
    if item.family == "generation":
        scheme, duty = site.case.stage_redundancy("onsite_generation"), float(site.of_item(item.id, "generation")[p])
        by = float(site.standing_by(item.id)[p])
        each = site.firm_unit_mw.get(item.id)
        if each is not None and duty > _SOME:
            out = f", {scheme.spares} of all machines out ({scheme.scheme})" if scheme and scheme.spares else ""
            stood = f"; {_units(by)} standing by" if by > _SOME else ""
            at = f"{each:,.4g} MW on the hottest day"
            yield f"firm source from {site.starts[p]}: {_units(duty - by)} on duty at {at}{out}{stood}"
        if (frame := tables.details.get("air_permit")) is not None:
            for row in frame[(frame["item"] == item.id) & (frame.period == site.starts[p])].to_dict("records"):
                own, most = row["potential_short_tons_per_year"], row["permit_short_tons_per_year"]
                yield f"air permit: potential {own:,.4g} of {most:,.4g} short tons of {row['pollutant']} a year"
        if (frame := tables.details.get("rentals")) is not None and item.tenure == "rented":
            for row in frame[frame["item"] == item.id].to_dict("records"):
                if row["mobilised_units"] > _SOME or row["returned_units"] > _SOME:
                    yield f"rented: {row['mobilised_units']:g} come, {row['returned_units']:g} go on {row['period']}"
    names = {"battery": "discharge", "generation": "generation", "renewable": "renewable"}
    column = f"{names.get(item.family, '')}:{item.id}_mw"
    if column in tables.dispatch:
        yield from _energy(plan, site, tables, column)


def _energy(plan: Plan, site: Site, tables: Tables, column: str) -> Iterator[str]:
    year = tables.dispatch[tables.dispatch.phase == "operating year"]
    likely = pd.Series(1.0, index=year.index)
    if site.case.scenarios and "scenario" in year:
        likely = year.scenario.map({path.name: path.probability for path in site.case.scenarios}).astype(float)
    mwh = float((likely * year.weight_h * year[column].fillna(0.0)).sum()) / max(year.period.nunique() / 12, 1)
    if mwh < 0.5:
        return
    whole = float(plan.summary["key_results"]["site_energy_mwh_per_year"])
    share = f", {mwh / whole:.1%} of what the site draws" if whole > 0 else ""
    yield f"gives {mwh:,.0f} MWh in an operating year{share}; highest hour {year[column].max():,.4g} MW"
    imported = float((likely * year.weight_h * year.get("grid_import_mw", 0.0 * likely)).sum())
    bill = tables.ledger[(tables.ledger.line == "energy") & (tables.ledger.date >= site.starts[site.last])]
    repeats = site.case.input.horizon.operating_years / max(year.period.nunique() / 12, 1)
    if imported > 0.5 and not column.startswith("discharge"):
        mean = float(bill.usd.sum()) / (imported * repeats)
        own = ", its own fuel not counted" if column.startswith("generation") else ""
        worth = f"{mwh * mean / 1e6:,.3f} M$ a year at the mean of {mean:,.2f} $/MWh"
        yield f"saves energy bought: {worth} that imports of these years cost{own}"
    seen = plan.summary.get("look_ahead")
    if seen is not None and column.startswith("discharge"):
        saved = [f"{seen[way]['battery_savings_usd'] / 1e6:,.3f} M$" for way in ("perfect", "look_ahead")]
        yield f"all batteries save {saved[0]} in a year that is known, {saved[1]} seeing {seen['hours']:g} h ahead"


def _gates(case: Case, site: Site, item: Item) -> Iterator[str]:
    """Activities and permits it waits for."""
    parts = {part for _, part in _parts(site, item)}
    names = {item.id, item.family, item.fuel or "", *parts, *(part.split(":")[0] for part in parts)}
    names |= {"energisation"} if item.family == "compute" else set()
    for activity in case.input.activities:
        held = sorted(names & set(activity.gates))
        if held:
            yield f"waits for {activity.name} ({case.activity_dates[activity.name]}), which gates {', '.join(held)}"
    given = case.input.site
    if item.family == "compute" and given.fibre is not None:
        yield f"waits for fibre ({given.fibre.from_})"
    if item.family == "generation":
        if given.air_permit is not None:
            yield f"may fire from the air permit on ({given.air_permit.from_})"
        if given.gas is not None and item.fuel == "natural_gas":
            yield f"burns gas from {given.gas.from_}, {given.gas.mmbtu_hhv_per_day:,g} MMBtu HHV a day"


def _orders(case: Case, tables: Tables, item: Item) -> Iterator[str]:
    for row in tables.orders[tables.orders["item"] == item.id].to_dict("records"):
        ordered, delivered, ready, served = (
            as_date(row[name]) for name in ("order_date", "delivery_date", "ready_date", "commissioning_date")
        )
        weeks = item.get("lead_time_weeks")
        yield (
            f"ordered {_units(row['units'])} on {ordered} as {row['position']}: {weeks:g} weeks of lead time to "
            f"{delivered}, ready {ready}, in service {served} ({(served - ready).days} days to spare)"
        )


def _cost(plan: Plan, case: Case, tables: Tables, item: Item) -> Iterator[str]:
    rows = tables.ledger[tables.ledger["item"] == item.id]
    if not len(rows):
        return
    rate, start = case.input.finance.discount_rate, case.timeline.start
    now = sum(u * discount_factor(rate, as_date(d), start) for d, u in zip(rows.date, rows.usd, strict=True))
    lines = rows.groupby("line").usd.sum().sort_values(ascending=False)
    parts = ", ".join(f"{line} {usd / 1e6:,.3f}" for line, usd in lines.items())
    whole = float(plan.summary["objective_usd"])
    share = f", {now / whole:.2%} of the plan" if whole > 0 else ""
    yield f"costs {rows.usd.sum() / 1e6:,.3f} M$ as paid ({parts}); {now / 1e6:,.3f} M$ present value{share}"


# -- one less ------------------------------------------------------------------------------------------------


def _one_less(plan: Plan, case: Case, site: Site, item: Item) -> Iterator[str]:
    """What breaks with one order less, by position."""
    step = case.input.order_multiples.get(item.id, 1)
    for position in sorted({pos for name, pos in site.units if name == item.id}):
        if site.units[item.id, position].max() < step - _SOME:
            continue
        found = [check for check in audit(fewer(plan, item.id, position, step), case) if not check.ok]
        said = {c.name: f"{c.name}: {c.message.rpartition(' (')[0]}" for c in found}
        limits = [text for name, text in said.items() if name.startswith(LIMITS)]
        hours = [text for name, text in said.items() if name.startswith(HOURS)]
        name = f"{step:g} fewer" + (f" as {position}" if position != item.family else "")
        if limits:
            yield f"{name} would break " + "; ".join(limits)
        elif hours:
            yield f"{name} would break no limit, but hours of this plan use it: {hours[0]}"
        else:
            yield f"{name} would break nothing that the audit knows: it stands for its cost alone, or as a whole order"


def fewer(plan: Plan, item: str, position: str, units: float) -> Plan:
    """The plan with the last units of an item in a position never bought; nothing else is changed."""
    orders, installed = plan.orders.copy(), plan.installed.copy()
    mine = orders[(orders["item"] == item) & (orders["position"] == position)]
    served = mine["commissioning_date"].map(as_date)
    left, steps = units, []  # (first day without, units)
    for row in served.sort_values(ascending=False, kind="stable").index:
        taken = min(left, float(orders.loc[row, "units"]))
        orders.loc[row, "units"] = float(orders.loc[row, "units"]) - taken
        steps.append((served[row], taken))
        left -= taken
        if left <= _SOME:
            break
    if left > _SOME:  # of what was committed or stood already
        steps.append((date.min, left))
    here = (installed["item"] == item) & (installed["position"] == position)
    days = installed["period"].map(as_date)
    for column in ("units", "running"):
        installed[column] = installed[column].astype(float)
    for day, taken in steps:
        installed.loc[here & (days >= day), "units"] -= taken
    installed["units"] = installed["units"].clip(lower=0.0)
    installed["running"] = installed[["running", "units"]].min(axis=1)
    return replace(plan, orders=orders, installed=installed)


# -- tables --------------------------------------------------------------------------------------------------


def _growth(case: Case, site: Site, item: Item) -> Iterator[tuple[object, ...]]:
    """A row for every period in which units, units on or those that carry change."""
    for parts, part in _parts(site, item):
        key, before = (item.id, "+".join(parts)), (0.0, 0.0)
        chain = _in_chain(part)
        for p in site.periods:
            units, on = float(site.units[key][p]), float(site.on[key][p])
            if (units, on) == before:
                continue
            before = units, on
            carrying = float(site.active(item, parts, on)) if chain else on
            carries = site.carries_mw(item, parts, part, on) if chain else np.nan
            needed = _needed(site, part, p) if chain else np.nan
            unit = STAGE_UNITS.get(part, "MW") if chain else ""
            yield str(site.starts[p]), part, units, on, carrying, carries, needed, unit, _asked_by(case, p)


def _loadings(site: Site, item: Item) -> Iterator[tuple[float, str, str]]:
    """(design load over firm capacity, period, part) of the chain where the item stands."""
    for _, part in _parts(site, item):
        if not _in_chain(part):
            continue
        for p in site.periods:
            firm, load = site.firm(part, p), _needed(site, part, p)
            if firm > _SOME and load > _SOME:
                yield load / firm, str(site.starts[p]), part


def _serves(tables: Tables, site: Site, item: Item) -> str:
    """In a few words."""
    if item.family == "battery" and (frame := tables.details.get("battery_jobs")) is not None:
        rows = frame[frame.period == site.starts[site.last]]
        sets = rows[rows.sets_the_count == "yes"].job.tolist()
        return ", ".join([*sets, *(job for job in rows.job if job not in sets)]) or "storage"
    if item.family == "compute":
        return "GPUs of the milestones"
    if item.family == "generation":
        by = float(site.standing_by(item.id)[site.last])
        return f"firm source{f', {by:g} stand by' if by > _SOME else ''}"
    if item.family == "renewable":
        return "energy"
    return ", ".join(dict.fromkeys(part for _, part in _parts(site, item)))


def _units(units: float) -> str:
    shown = f"{units:,.0f}" if abs(units - round(units)) < _SOME else f"{units:,.4g}"
    return f"{shown} unit{'s' if shown != '1' else ''}"
