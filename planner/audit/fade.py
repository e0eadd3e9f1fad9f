"""The auditor's own account of what batteries can hold: every purchase at its age, from catalog and orders alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from planner.audit.base import Checks, Tables, as_date, first_start, says
from planner.audit.loads import Site
from planner.audit.stock import periods_of
from planner.case.case import Case
from planner.case.item import Item


def left_mwh(case: Case, tables: Tables, site: Site, item: Item, p: int, day: date, *, new: bool = False) -> float:
    """Energy a battery item holds at the end of the year of period p that a day is in; of a build month, at its end.

    new: of the units alone that come into service in the period. An item without a curve holds its nameplate.
    """
    each, curve = item.get("nameplate_energy_mwh"), item.energy_retention_fraction
    if curve is None:
        standing = site.of_item(item.id)
        return each * float(standing[p] - (standing[p - 1] if new and p else 0.0))
    days = periods_of(case)[p]
    first, length = _count(days[0]), min(12, len(days))
    end = first + length * ((_count(day) - first) // length + 1)
    total = 0.0
    for ready, served, units in _purchases(case, tables, site, item):
        if served == p or (served < p and not new):
            total += each * units * _share(curve.points, (end - _count(ready)) / 12)
    return total


def audit_left(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """What plan.json and capacity.csv say is left, by battery and year."""
    want = {
        (item.id, str(days[0])): left_mwh(case, tables, site, item, p, days[0])
        for item in site.family_items("battery")
        if item.energy_retention_fraction is not None
        for p, whole in enumerate(periods_of(case))
        for days in (whole[at : at + 12] for at in range(0, len(whole), 12))
    }
    want = {key: mwh for key, mwh in want.items() if mwh > 1e-6}
    rows = tables.summary.get("battery_energy", ())
    got = {(str(row["item"]), str(row["from"])): float(row["available_mwh"]) for row in rows}
    for key in sorted(want.keys() | got.keys()):
        text = f"available energy of {key[0]} from {key[1]}"
        mwh = want.get(key, 0.0)
        checks.equal("battery energy left", "MWh", got.get(key, 0.0), mwh, 1e-6 * (1.0 + mwh), says(text))
    if list(tables.capacity.period) != list(site.starts):
        return
    stores = site.family_items("battery")
    for p, days in enumerate(periods_of(case)):
        named = sum(i.get("nameplate_energy_mwh") * float(site.of_item(i.id)[p]) for i in stores)
        least = sum(left_mwh(case, tables, site, i, p, days[-1]) for i in stores)
        for column, mwh in (("battery_nameplate_mwh", named), ("battery_available_mwh", least)):
            text = f"{column} {site.starts[p]}"
            shown = float(tables.capacity[column].iloc[p])
            checks.equal("battery energy left", "MWh", shown, mwh, 1e-6 * (1.0 + mwh), says(text))


def _purchases(case: Case, tables: Tables, site: Site, item: Item) -> Iterator[tuple[date, int, float]]:
    """(day ready, period from which it serves, units) of what is ordered and what was bought before."""
    orders = tables.orders[tables.orders["item"] == item.id]
    for ready, served, units in zip(orders.ready_date, orders.commissioning_date, orders.units, strict=True):
        p = first_start(site.starts, as_date(served))
        if p is not None:
            yield as_date(ready), p, float(units)
    for old in case.input.existing:
        if old.item == item.id:
            yield old.since, 0, float(old.units)
    for row in case.input.committed:
        if row.item == item.id:
            ready = site.ready(item, ("battery",), row.on_site)
            p = first_start(site.starts, ready)
            if p is not None:
                yield ready, p, float(row.units)


def _count(day: date) -> int:
    """Months since the year 0 by the end of which a day's month has begun."""
    return 12 * day.year + day.month


def _share(points: tuple[tuple[float, float], ...], age: float) -> float:
    """What is left at an age, straight between the points.

    >>> [_share(((0.0, 1.0), (2.0, 0.8), (12.0, 0.6)), age) for age in (0.0, 1.0, 2.0, 12.0)]
    [1.0, 0.9, 0.8, 0.6]
    """
    (before, share), rest = points[0], points[1:]
    for year, next_share in rest:
        if age <= year:
            return share + (next_share - share) * (age - before) / (year - before)
        before, share = year, next_share
    return share
