"""What a plan asks of its owner by date, how far each thing may slip, and the money at risk.

Float is the number of days by which a thing may slip and still serve from the day the plan counts on: later than that,
what waits for it serves a month later at least. Orders are placed as late as pays, so most have little. The exposure on
a day is what has been paid by then and what would still be owed if all work stopped: the rest of every equipment order
placed (contracts are taken to have no way out), what is committed, and the least terms of rentals begun. Installation,
civil works, indirects and contingency end with the work; what machines would fetch is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from planner.audit.base import Tables, as_date, tables_of
from planner.audit.loads import Site
from planner.case.case import Case
from planner.case.item import Item
from planner.case.schema import Activity
from planner.plan.plan import Plan
from planner.timeline import add_weeks

CONTRACTS = ("equipment", "IT equipment")  # lines owed once ordered
OF_ORDERS = (*CONTRACTS, "installation", "shell and civil", "indirects", "contingency")
COMMITTED, RESIDUAL = "committed equipment", "residual value"
_MOST_DAYS = 3650


class Task(NamedTuple):
    """One thing to be done by a day. units and capital_usd of orders."""

    day: date
    what: str  # order, activity, permit, milestone
    name: str
    units: float | None
    capital_usd: float | None
    float_days: int | None  # None: nothing in the plan waits for it
    serves_from: date | None  # what waits for it


class Quarter(NamedTuple):
    """Money at the end of a quarter. [USD, as paid]"""

    quarter: str
    paid_usd: float  # in the quarter
    paid_so_far_usd: float
    owed_usd: float  # on orders placed, what is committed, and rentals begun

    @property
    def exposure_usd(self) -> float:
        """What it costs to stop on the last day of the quarter."""
        return self.paid_so_far_usd + self.owed_usd


# -- what to do ----------------------------------------------------------------------------------------------


def agenda(plan: Plan, case: Case) -> list[Task]:
    """Everything there is to do, in order of date."""
    tables = tables_of(plan)
    site = Site(case, tables)
    found = [*_orders(site, tables), *_activities(site, tables), *_permits(site, tables), *_milestones(plan)]
    return sorted(found, key=lambda task: (task.day, task.what, task.name))


def _orders(site: Site, tables: Tables) -> Iterator[Task]:
    for row in tables.orders.to_dict("records"):
        item, parts = site.case.catalog[row["item"]], tuple(row["position"].split("+"))
        slip = _most_days(site, item, parts, row["delivery_date"], row["commissioning_date"])
        yield Task(
            row["order_date"], "order", item.id, row["units"], row["capital_usd"], slip, row["commissioning_date"]
        )


def _most_days(site: Site, item: Item, parts: tuple[str, ...], delivered: date, serves: date) -> int:
    """The most days by which a delivery may slip before the unit serves later. Readiness never falls with delay."""
    low, high = 0, _MOST_DAYS
    while low < high:
        middle = (low + high + 1) // 2
        in_time = site.ready(item, parts, delivered + timedelta(days=middle)) <= serves
        low, high = (middle, high) if in_time else (low, middle - 1)
    return low


def _activities(site: Site, tables: Tables) -> Iterator[Task]:
    case = site.case
    latest: dict[str, tuple[date, date]] = {}  # activity -> (last day it may end, what then serves)
    for activity in reversed(case.input.activities):
        ends = [end for name in activity.gates for end in _waiting(site, tables, name)]
        for after in case.input.activities:
            if after.after == activity.name and after.name in latest:
                last, serves = latest[after.name]
                ends.append((last - _length(case, after), serves))
        if ends:
            latest[activity.name] = min(ends)
    for activity in case.input.activities:
        day, bound = case.activity_dates[activity.name], latest.get(activity.name)
        slip = (bound[0] - day).days if bound is not None else None
        yield Task(day, "activity", activity.name, None, None, slip, bound[1] if bound is not None else None)


def _length(case: Case, activity: Activity) -> timedelta:
    begin = case.activity_dates[activity.after] if activity.after else case.input.start
    return case.activity_dates[activity.name] - begin


def _waiting(site: Site, tables: Tables, gate: str) -> Iterator[tuple[date, date]]:
    """(last day on which a gate may open, day from which what waits serves) for everything that waits for it."""
    case, starts = site.case, site.starts
    if gate in ("grid", "existing_feeders"):
        via = "substation" if gate == "grid" else "existing_feeders"
        for step in case.input.site.grid.interconnection:
            if step.via == via and (used := next((s for s in starts if s >= max(step.from_, case.gates[gate])), None)):
                yield used, used
                return
        return
    if gate == "energisation":
        runs = [day for day, gpus in zip(starts, tables.capacity.gpus_energised, strict=False) if gpus > 0]
        yield from ((day, day) for day in runs[:1])
        return
    for row in tables.orders.to_dict("records"):
        item, parts = case.catalog[row["item"]], tuple(row["position"].split("+"))
        if gate in site.gates_on(item, parts):
            serves = row["commissioning_date"]
            wait = add_weeks(serves, site.wait_weeks(item, parts)) - serves
            yield serves - wait, serves


def _permits(site: Site, tables: Tables) -> Iterator[Task]:
    """Permits and supplies that the case dates, against the first period that uses them."""
    given = site.case.input.site
    fired = [s for p, s in enumerate(site.starts) if any(site.of_item(i.id)[p] > 0 for i in _fired(site))]
    gas = [s for p, s in enumerate(site.starts) if any(site.of_item(i.id)[p] > 0 for i in _fired(site, "natural_gas"))]
    dated = [("gas supply", given.gas.from_, gas)] if given.gas is not None else []
    if given.air_permit is not None:
        dated.append(("air permit", given.air_permit.from_, fired))
    for name, day, used in dated:
        first = next((start for start in used if start >= day), None)
        yield Task(day, "permit", name, None, None, (first - day).days if first else None, first)
    if given.water is not None and given.water.from_ is not None:
        ends = min(_waiting(site, tables, "water"), default=None)
        slip = (ends[0] - given.water.from_).days if ends else None
        yield Task(given.water.from_, "permit", "water", None, None, slip, ends[1] if ends else None)
    if given.fibre is not None:
        ends = min(_waiting(site, tables, "energisation"), default=None)
        slip = (ends[0] - given.fibre.from_).days if ends else None
        yield Task(given.fibre.from_, "permit", "fibre", None, None, slip, ends[1] if ends else None)


def _fired(site: Site, fuel: str | None = None) -> list[Item]:
    """Generators of a fuel, or of any."""
    return [item for item in site.family_items("generation") if fuel is None or item.fuel == fuel]


def _milestones(plan: Plan) -> Iterator[Task]:
    for row in plan.summary["milestones"]:
        by, reached = as_date(row["by"]), as_date(row["reached"])
        slip = (by - reached).days if reached != date.min else None
        name = f"{row['target']:,} {row['unit']}" if isinstance(row["target"], int | float) else str(row["target"])
        yield Task(by, "milestone", name, None, None, slip, reached if reached != date.min else None)


# -- what is at risk -----------------------------------------------------------------------------------------


def exposure(plan: Plan, case: Case) -> list[Quarter]:
    """By quarter, until nothing more is ordered, committed or rented: paid, still owed, and both."""
    tables = tables_of(plan)
    cash = tables.ledger[tables.ledger.line != RESIDUAL]
    last = max([*tables.orders.commissioning_date, *cash[cash.line.isin([*OF_ORDERS, COMMITTED])].date], default=None)
    found: list[Quarter] = []
    day, before = case.input.start, 0.0
    while last is not None and (not found or _first_of_quarter(day) <= last):
        after = _next_quarter(day)
        paid = float(cash[cash.date < after].usd.sum())
        owed = _on_orders(tables, after) + _committed(tables, after) + _on_rentals(tables, case, after)
        found.append(Quarter(f"{day.year}Q{(day.month + 2) // 3}", paid - before, paid, owed))
        day, before = after, paid
    return found


def _first_of_quarter(day: date) -> date:
    return date(day.year, day.month - (day.month - 1) % 3, 1)


def _next_quarter(day: date) -> date:
    first = _first_of_quarter(day)
    return date(first.year + first.month // 10, (first.month + 2) % 12 + 1, 1)


def _on_orders(tables: Tables, after: date) -> float:
    """What is left to pay of equipment ordered before a day. [USD]

    An order's share of equipment in its capital is its item's in the whole ledger.
    """
    owed = 0.0
    for name, orders in tables.orders.groupby("item"):
        ledger = tables.ledger[tables.ledger["item"] == name]
        whole = float(ledger[ledger.line.isin(OF_ORDERS)].usd.sum())
        contracts = ledger[ledger.line.isin(CONTRACTS)]
        share = float(contracts.usd.sum()) / whole if whole else 0.0
        ordered = float(orders[orders.order_date < after].capital_usd.sum()) * share
        owed += max(ordered - float(contracts[contracts.date < after].usd.sum()), 0.0)
    return owed


def _committed(tables: Tables, after: date) -> float:
    rows = tables.ledger[tables.ledger.line == COMMITTED]
    return float(rows[rows.date >= after].usd.sum())


def _on_rentals(tables: Tables, case: Case, after: date) -> float:
    """Rent until the end of the least terms of what has come before a day. [USD]"""
    frame = tables.details.get("rentals")
    owed = 0.0
    for row in frame.to_dict("records") if frame is not None else ():
        begun = as_date(row["period"])
        if row["mobilised_units"] > 0 and begun < after:
            months = case.catalog[row["item"]].get("minimum_term_months", 0.0)
            gone = (after.year - begun.year) * 12 + after.month - begun.month
            owed += max(months - gone, 0.0) * row["mobilised_units"] * row["rent_usd"] / row["held_units"]
    return owed
