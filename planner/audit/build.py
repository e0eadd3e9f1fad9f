"""Audit of the build: orders and their dates, installed units, stages, firm source, milestones."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np

from planner.audit.base import Array, Checks, Tables, as_date, first_start, says, says_when
from planner.audit.goodput import spares_fraction
from planner.audit.loads import Site
from planner.audit.rent import rented_items
from planner.audit.stock import FUELLED, LOOPS
from planner.case.case import Case, quarter_bounds
from planner.case.item import STAGES, Item
from planner.case.schema import Milestone
from planner.timeline import add_weeks


def audit_build(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Everything about units, months and positions."""
    _known(checks, case, tables)
    _orders(checks, case, tables, site)
    _supply(checks, case, tables)
    _installed(checks, case, tables, site)
    _running(checks, case, tables, site)
    _milestones(checks, case, tables, site)


def _known(checks: Checks, case: Case, tables: Tables) -> None:
    """Items are in the catalog, may be bought, and stand where such an item can."""
    offered = {i for ids in case.candidates.values() for i in ids}
    bought = set(case.input.owned)
    margins, names = [], []
    for table, allowed in ((tables.orders, offered), (tables.installed, offered | bought)):
        for item, position in sorted(set(zip(table["item"], table.position, strict=True))):
            fits = item in case.catalog and item in allowed and _fits(case.catalog[item], position)
            margins.append(0.0 if fits else -1.0)
            names.append(f"{item} may not be ordered or may not stand as {position}")
    checks.add("items and positions", "", margins, lambda i: names[i])
    wanted = list(case.timeline.starts)
    checks.true("periods", list(tables.capacity.period) == wanted, "capacity must hold every period once, in order")
    for name, frame in (("installed", tables.installed), ("stages", tables.stages)):
        strange = sorted(set(frame.period) - set(wanted))
        checks.true("periods", not strange, f"{name} has months outside the calendar: {strange[:3]}")


def _fits(item: Item, position: str) -> bool:
    if position == item.family and item.family in ("compute", *FUELLED):
        return item.family != "compute" or not set(item.brings) - set(FUELLED)
    for part in position.split("+"):
        stage, _, loop = part.partition(":")
        if part == "battery_transformer":
            stage = "mv_lv_transformer"
        elif part == "standby_generation":
            stage = "generation"
        if stage not in item.brings or stage not in STAGES or (loop and loop not in LOOPS):
            return False
    return True


# -- dates -------------------------------------------------------------------------------------------------


def _orders(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Dates of every order from its order date on, and its units."""
    starts, multiples = case.timeline.starts, case.input.order_multiples
    names: list[str] = []
    days: dict[str, list[float]] = defaultdict(list)
    units: list[float] = []
    for row in tables.orders.itertuples():
        if str(row.item) not in case.catalog:
            continue
        item, parts = case.catalog[str(row.item)], tuple(str(row.position).split("+"))
        ordered, delivered, ready, served = (
            as_date(d) for d in (row.order_date, row.delivery_date, row.ready_date, row.commissioning_date)
        )
        names.append(f"{item.id} ordered {ordered}, delivered {delivered}, ready {ready}, in service {served}")
        days["delivery date"].append(_apart(delivered, add_weeks(ordered, item.get("lead_time_weeks"))))
        positions = parts if item.family != "compute" or item.brings else ()
        days["ready date"].append(_apart(ready, site.ready(item, positions, delivered)))
        first = first_start(starts, ready)
        days["commissioning date"].append(-1.0 if first is None else _apart(served, starts[first]))
        days["order date"].append(0.0 if ordered in starts else -1.0)
        earliest = item.orderable_from or date.min
        days["orderable from"].append(float((ordered - earliest).days))
        n = float(row.units)  # type: ignore[arg-type]
        whole = 0.0 if item.divisible else abs(n - round(n))
        multiple = multiples.get(item.id, 1)
        odd = 0.0 if multiple == 1 else abs(n / multiple - round(n / multiple))
        units.append(1e-6 - max(whole, odd) if n > 0 else -1.0)
    for name in ("delivery date", "ready date", "commissioning date", "order date", "orderable from"):
        checks.add(name, "days", days[name], lambda i: names[i])
    checks.add("whole units and multiples", "units", units, lambda i: f"{names[i]}: not whole, or no multiple")


def _apart(a: date, b: date) -> float:
    return -float(abs((a - b).days))


def _supply(checks: Checks, case: Case, tables: Tables) -> None:
    """Deliveries by quarter within the vendor's allocation, none outside it."""
    for item, quarters in case.input.supply.items():
        rows = tables.orders[tables.orders["item"] == item]
        allocated = 0.0
        for quarter, most in quarters.items():
            first, after = quarter_bounds(quarter)
            inside = [first <= d < after for d in rows.delivery_date]
            delivered = float(rows.units[inside].sum()) if len(rows) else 0.0
            allocated += delivered
            checks.at_most("supply", "units", delivered, most, 1e-6, says(f"{item} in {quarter}"))
        checks.at_most(
            "supply",
            "units",
            float(rows.units.sum()) - allocated,
            0.0,
            1e-6,
            says(f"{item} outside its quarters"),
        )


# -- units -------------------------------------------------------------------------------------------------


def _installed(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Units in service are what was committed and what orders have brought."""
    want: dict[tuple[str, str], Array] = {}

    def put(item: str, position: str, served: date, units: float) -> None:
        counts = want.setdefault((item, position), np.zeros(len(site.starts)))
        counts += units * np.array([start >= served for start in site.starts])

    for row in tables.orders.itertuples():
        put(str(row.item), str(row.position), as_date(row.commissioning_date), float(row.units))  # type: ignore[arg-type]
    for bought in case.input.committed:
        item = case.catalog[bought.item]
        home = site.home(item)
        if home is not None:
            parts = tuple(home.split("+")) if item.family != "compute" or item.brings else ()
            put(item.id, home, site.ready(item, parts, bought.on_site), bought.units)
    for old, place in site.existing():
        counts = want.setdefault((old.item, place), np.zeros(len(site.starts)))
        counts += old.units * np.array([old.leaves is None or start < old.leaves for start in site.starts])
        if old.move is not None:
            to = site.place(case.catalog[old.item], old.move.to)
            again = add_weeks(old.move.from_, old.move.weeks)
            put(old.item, str(to), again, old.units)
    for item in rented_items(case, site):
        counts = want.setdefault((item.id, "generation"), np.zeros(len(site.starts)))
        counts -= np.cumsum(site.returned(item.id))
    nothing = np.zeros(len(site.starts))
    for key in sorted({*want, *site.units}):
        checks.equal(
            "installed units",
            "units",
            site.units.get(key, nothing),
            want.get(key, nothing),
            1e-5,
            says_when(f"{key[0]} ({key[1]})", site.starts),
        )


def _running(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Racks run after they are ready and energisation is open, whole, and never stop. What is on stands."""
    for (item_id, position), on in site.on.items():
        family = case.catalog[item_id].family
        name = "racks run once ready" if family == "compute" else "units on"
        standing = site.units[item_id, position]

        there = says_when(f"{item_id} switched on", site.starts)
        least = standing if position in FUELLED else 0.0
        checks.at_most(name, "units", on, standing, 1e-5, there)
        checks.at_most(name, "units", -on, -least, 1e-5, there)
        if not case.catalog[item_id].divisible:
            checks.equal(name, "units", on, np.round(on), 1e-5, there)
    gate = case.gates.get("energisation", date.min)
    closed = np.array([start < gate for start in site.starts])
    for rack in site.racks:
        runs = site.runs(rack)

        where = says_when(f"{rack.item.id} running", site.starts)
        gone = -np.minimum(np.diff(site.retired(rack.item.id)), 0.0)
        checks.at_most("racks keep running", "racks", runs[:-1], runs[1:] + gone, 1e-6, where)
        checks.at_most("energisation gate", "racks", np.where(closed, runs, 0.0), 0.0, 1e-6, where)


# -- targets -----------------------------------------------------------------------------------------------


def _measure(site: Site, milestone: Milestone) -> tuple[float, Array]:
    """(target, what runs net of spares by period) in a milestone's measure."""
    each: dict[str, float] = {}
    for rack in site.racks:
        if milestone.gpus is not None:
            each[rack.item.id] = rack.gpus
        elif milestone.pflops is not None:
            each[rack.item.id] = rack.item.get(f"pflops_{milestone.precision}", 0.0)
        else:
            each[rack.item.id] = rack.design_mw
    target = float(milestone.gpus or milestone.pflops or milestone.it_mw or 0.0)
    return target, site.sum_racks(each) / (1.0 + spares_fraction(site.case))


def _milestones(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Compute by date net of spares, and what plan.json says of it."""
    milestones, kind = case.input.target.milestones, case.input.objective.kind
    shown = tables.summary["milestones"]
    checks.true("milestone report", len(shown) == len(milestones), "plan.json must list every milestone")
    for i, milestone in enumerate(milestones):
        target, runs = _measure(site, milestone)
        free = kind == "max_gpus" or (kind == "earliest" and i == len(milestones) - 1)
        first = case.timeline.period_of(milestone.by)
        if not free:
            checks.at_most(
                "milestones",
                "GPUs, PFLOPS or MW",
                target - runs[first:],
                0.0,
                1e-6 * target,
                says_when(f"short of {target:g}", site.starts[first:]),
            )
        reached = next((str(site.starts[p]) for p in site.periods if runs[p] >= target * (1 - 1e-9)), None)
        if i < len(shown):
            row = shown[i]
            same = (row["reached"], float(row["target"]), str(row["by"])) == (
                reached,
                target,
                str(milestone.by),
            )
            checks.true("milestone report", same, f"milestone of {milestone.by}: plan {row}, audit reached {reached}")
