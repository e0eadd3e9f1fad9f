"""What a catalog offers: what may be ordered, what is refused and why, and figures that have grown old."""

from __future__ import annotations

from datetime import date

from planner.case.catalog import Catalog, Entry
from planner.case.figure import Sourced
from planner.case.item import Item


def is_orderable(item: Item, on: date) -> bool:
    """Whether `family: all` offers the item on a date: sizeable, available, and orderable by then."""
    started = item.orderable_from is None or item.orderable_from <= on
    to_the_room = "cdu" in item.brings and "air_unit" in item.consumes  # refused below
    return item.sizeable and item.status in ("available", "announced") and started and not to_the_room


def refusal(entry: Entry) -> tuple[str, str] | None:
    """(rule, remedy) when sizing with an item is refused, None when it may be used."""
    item = entry.item
    if item.status == "discontinued":
        return "is discontinued and cannot be ordered", "choose an available item"
    if item.fabric is not None:
        return "is a fabric design, counted and bought by its units", f"write network: {{fabric: {item.id}}}"
    if "cdu" in item.brings and "air_unit" in item.consumes:
        rule = "rejects coolant heat to the room air, which is not modelled yet"
        return rule, "choose a CDU that rejects to facility water"
    if item.missing:
        names = ", ".join(item.missing)
        return f"is not sizeable: the catalog has no {names}", (
            "choose another item, or give a hypothetical specification in a catalog folder of your own"
        )
    return None


def stale(catalog: Catalog, before: date) -> list[tuple[Item, str, Sourced]]:
    """What is dated before a day, oldest first. A date without month or day counts as its last day."""
    rows = [
        (item, name, figure)
        for item in catalog.items
        for name, figure in item.sourced()
        if not figure.inherited_from and (figure.date + "-12-31"[len(figure.date) - 4 :])[:10] < before.isoformat()
    ]
    return sorted(rows, key=lambda row: (row[2].date, row[0].id, row[1]))
