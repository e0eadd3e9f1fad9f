"""What stands on the site already: where, since when, and whether it stays, goes or moves.

It serves from the first day, without lead time, installation or commissioning, and what it has cost is sunk: its book
value is shown, and is in no budget and no objective. What is retired leaves its stage and frees its footprint; what is
moved serves again, in another stage, the weeks of its move later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from planner.case.base import Day, NonNegative, PositiveCount, Rule, Strict, Weeks, require, suggest
from planner.timeline import Timeline, add_weeks

if TYPE_CHECKING:
    from planner.case.catalog import Catalog
    from planner.case.item import Item
    from planner.case.reader import Reader
    from planner.case.schema import CaseInput

# Stages that are one of several homes of an item, by what it brings.
HOMES = {
    "heat_rejection": ("heat_rejection:liquid", "heat_rejection:air"),
    "mv_lv_transformer": ("mv_lv_transformer", "battery_transformer"),
    "generation": ("generation", "standby_generation"),
}


class Move(Strict):
    """To another stage: it leaves on a date, and serves there once the weeks of the move are over."""

    to: str
    from_: Day = Field(alias="from")
    weeks: Weeks  # to take it down, bring it there, connect and test it
    cost_usd: NonNegative = 0.0  # of all its units, on the date

    @property
    def ready(self) -> date:
        """Day it may serve again."""
        return add_weeks(self.from_, self.weeks)


class Existing(Strict):
    """Units of an item that stand at the start. Amounts are those of all its units."""

    item: str
    units: PositiveCount
    since: Day
    stage: str | None = None  # where an item may stand in several: see HOMES
    book_value_usd: NonNegative = 0.0  # at the start; sunk
    retire: Day | None = None  # neither this nor move: it is kept
    move: Move | None = None
    decommissioning_usd: NonNegative = 0.0  # on the day it is retired
    resale_usd: NonNegative = 0.0  # the same

    @model_validator(mode="after")
    def _one(self) -> Existing:
        found = []
        if self.retire is not None and self.move is not None:
            found.append(Rule("is retired and moved", "keep one of the two", ("move",), ("retire", "move")))
        for name in ("decommissioning_usd", "resale_usd"):
            if getattr(self, name) and self.retire is None:
                found.append(Rule("goes with retire", "write retire, or remove it", (name,), ("retire", name)))
        require(found)
        return self

    @property
    def leaves(self) -> date | None:
        """First day on which it is no longer in its stage; None where it is kept."""
        return self.move.from_ if self.move is not None else self.retire


def homes(item: Item) -> tuple[str, ...]:
    """Stages that an item may stand in, where there is a choice; nothing else can be moved."""
    return next((HOMES[stage] for stage in HOMES if stage in item.brings and item.family != "compute"), ())


def check_existing(reader: Reader, given: CaseInput, catalog: Catalog, timeline: Timeline) -> None:
    """Rules of every row with its item and the calendar."""
    for i, row in enumerate(given.existing):
        if row.item in catalog:
            _check_item(reader, given, catalog[row.item], i)
        if reader.sound(("start",), ("horizon",)):
            _check_dates(reader, given, timeline, i)


def _check_item(reader: Reader, given: CaseInput, item: Item, i: int) -> None:
    row, known = given.existing[i], homes(item)
    if item.tenure == "rented":
        reader.fault(("existing", i, "item"), item.id, "is rented", "write what is on hire under committed")
    if item.family == "battery" and row.leaves is not None:
        rule = "a battery that leaves, with the charge in it, is not modelled"
        reader.fault(("existing", i, "item"), item.id, rule, "keep it, or leave it out")
    places = [("stage", row.stage)] + ([("move", row.move.to)] if row.move is not None else [])
    for name, place in places:
        if place is not None and place not in known:
            remedy = suggest(place, known, "write one of " + ", ".join(known)) if known else "remove it"
            at = ("existing", i, "move", "to") if name == "move" else ("existing", i, name)
            reader.fault(at, place, f"{item.id} cannot stand there", remedy)
    if row.move is not None and row.move.to == (row.stage or (known[0] if known else "")):
        reader.fault(("existing", i, "move", "to"), row.move.to, "is where it stands", "name another stage")
    standby = "standby_generation" in [place for _, place in places] or item.permit_class == "emergency"
    if standby and given.redundancy.get("standby_generation") is None:
        remedy = "write redundancy: {standby_generation: {scheme: N}}, or remove the row"
        reader.fault(("existing", i, "item"), item.id, "stands by, and the case has no standby policy", remedy)
    if item.permit_class == "emergency" and "generation" in [place for _, place in places]:
        rule = "has an emergency permit: it may not bridge or shave peaks"
        reader.fault(("existing", i, "item"), item.id, rule, "write standby_generation")


def _check_dates(reader: Reader, given: CaseInput, timeline: Timeline, i: int) -> None:
    row = given.existing[i]
    if row.since > timeline.start:
        rule = f"is after the start {timeline.start}: it does not stand yet"
        reader.fault(("existing", i, "since"), row.since, rule, "write it under committed")
    leaves = row.leaves
    if leaves is None:
        return
    at = ("existing", i, "move", "from") if row.move is not None else ("existing", i, "retire")
    if leaves not in timeline.starts[1:]:
        later = [start for start in timeline.starts[1:] if start >= leaves]
        remedy = f"write {later[0]}" if later else f"write {timeline.starts[-1]} or before"
        reader.fault(at, leaves, "is not the first day of a later period (months in the build, then years)", remedy)
    elif row.move is not None and timeline.first_period(row.move.ready) > timeline.last_period:
        rule = f"would serve from {row.move.ready}, after the build"
        reader.fault(("existing", i, "move", "weeks"), row.move.weeks, rule, "move it earlier, or retire it")


def standing_units(rows: Iterable[Existing], item_id: str, day: date) -> int:
    """Units of an item that stand, in whatever stage, on a day."""
    return sum(
        row.units
        for row in rows
        if row.item == item_id
        and (row.leaves is None or day < row.leaves or (row.move is not None and day >= row.move.ready))
    )
