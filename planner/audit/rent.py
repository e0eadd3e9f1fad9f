"""Audit of what is rented: every unit from the day it serves to its return, with its rent, month by month.

The auditor keeps a queue: the first unit to come is the first to go. Rent is due while a unit is there and until its
minimum term is over; mobilisation at delivery; demobilisation on its return, or at the horizon of what is left.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np

from planner.audit.base import Array, Checks, Tables, first_start
from planner.audit.site import Standing
from planner.audit.stock import periods_of
from planner.case.case import Case
from planner.case.item import Item

Key = tuple[date, str, str]


def rented_items(case: Case, site: Standing) -> list[Item]:
    """Items of the case that are rented."""
    return [item for item in site.family_items("generation") if item.tenure == "rented"]


def audit_rent(checks: Checks, case: Case, tables: Tables, site: Standing) -> dict[Key, float]:
    """Check the table of rentals; returns the lines of rent and demobilisation."""
    lines: defaultdict[Key, float] = defaultdict(float)
    shown = tables.details.get("rentals")
    known = {item.id for item in rented_items(case, site)}
    strange = set() if shown is None else set(shown["item"]) - known
    checks.true("rentals", not strange, f"rentals holds what is not rented: {sorted(strange)[:3]}")
    for item in rented_items(case, site):
        come = _arrivals(case, tables, site, item)
        back = site.returned(item.id)
        counts = np.array([sum(n for p, _, n in come if p == at) for at in site.periods])
        held = np.cumsum(counts) - np.cumsum(back)

        def where(p: int, name: str = item.id) -> str:
            return f"{name} in {site.starts[p]}"

        checks.at_most("rentals returned", "units", -held, 0.0, 1e-5, where)
        checks.at_most("rentals returned", "units", -back, 0.0, 1e-5, where)
        if not item.divisible:
            checks.equal("rentals returned", "units", back, np.round(back), 1e-5, where)
        of_item = _lines(case, item, come, back)
        rent = {day: usd for (day, line, _), usd in of_item.items() if line == "rent"}
        want = [sum(rent.get(day.replace(day=15), 0.0) for day in days) for days in periods_of(case)]
        for column, numbers in (("mobilised_units", counts), ("held_units", held), ("rent_usd", np.array(want))):
            got = np.zeros(len(site.starts))
            for row in shown[shown["item"] == item.id].to_dict("records") if shown is not None else ():
                if row["period"] in site.starts:
                    got[site.starts.index(row["period"])] += float(row[column])
            tolerance = 1e-5 + 1e-8 * np.abs(numbers) + (2.0 if column == "rent_usd" else 0.0)
            checks.equal("rentals", "units or USD", got, numbers, tolerance, where)
        for key, usd in of_item.items():
            lines[key] += usd
    return dict(lines)


def _arrivals(case: Case, tables: Tables, site: Standing, item: Item) -> list[tuple[int, int, float]]:
    """(period, month since the year 0 from which rent is due, units) of everything that comes, in order of time."""
    found = []
    orders = tables.orders[tables.orders["item"] == item.id]
    for served, units in zip(orders.commissioning_date, orders.units, strict=True):
        p = first_start(site.starts, served)
        if p is not None:
            found.append((p, _month(site.starts[p]), float(units)))
    for row in case.input.committed:
        if row.item == item.id:
            ready = site.ready(item, ("generation",), row.on_site)
            p = first_start(site.starts, ready)
            if p is not None:
                since = _month(ready) + (ready.day > 1) if ready <= site.starts[0] else _month(site.starts[p])
                found.append((p, since, float(row.units)))
    return sorted(found)


def _lines(case: Case, item: Item, come: list[tuple[int, int, float]], back: Array) -> dict[Key, float]:
    """Rent and demobilisation, each unit (or part of one) followed on its own."""
    rows: defaultdict[Key, float] = defaultdict(float)
    size, starts = item.get("nameplate_power_mw"), case.timeline.starts
    rent = size * item.get("rental_usd_per_mw_month")
    leave = size * item.get("demobilisation_usd_per_mw")
    days = [day for whole in periods_of(case) for day in whole]
    gone = [(p, float(n)) for p, n in enumerate(back) if n > 0]
    queue = [list(row) for row in come]
    stays: list[tuple[int, int, int, float]] = []  # from, term from, to the month, units
    for p, units in gone:
        while units > 1e-9 and queue:
            first, since, there = queue[0]
            part = min(units, there)
            stays.append((_month(starts[int(first)]), int(since), _month(starts[p]), part))
            rows[starts[p], "demobilisation", item.id] += leave * part
            units -= part
            queue[0][2] -= part
            if queue[0][2] <= 1e-9:
                queue.pop(0)
    end = _month(case.timeline.end)
    for first, since, there in queue:
        stays.append((_month(starts[int(first)]), int(since), end, there))
        rows[case.timeline.end, "demobilisation", item.id] += leave * there
    for begun, since, left, units in stays:
        until = max(left, since + int(np.ceil(item.get("minimum_term_months"))))
        for day in days:
            if begun <= _month(day) < until:
                rows[day.replace(day=15), "rent", item.id] += rent * units
    return rows


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1
