"""Water that a site may take: its permit by day and by year, its price, and which items take any."""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from planner.case.base import Day, NonNegative, Positive, Rule, Strict
from planner.case.item import Item


class Water(Strict):
    """Make-up water: what evaporates, what is bled so that salts do not gather, and drift. A day has 24 h."""

    m3_per_day: Positive | None = None  # on every day, the design day included
    m3_per_year: Positive | None = None  # in every calendar year
    from_: Day | None = Field(alias="from", default=None)  # nothing that takes water serves before
    usd_per_m3: NonNegative = 0.0  # bought and discharged, at the prices of the base year; it does not escalate

    @model_validator(mode="after")
    def _some(self) -> Water:
        if not self.model_fields_set:
            raise Rule("limits nothing", "write m3_per_day, m3_per_year, from or usd_per_m3, or remove it")
        return self


def takes_water(item: Item) -> bool:
    """Whether an item of heat rejection evaporates water: towers, chillers with one, and coolers with pads."""
    wet = "tower" in item.item_class or "water_cooled" in item.item_class
    return wet or (item.adiabatic_effectiveness_fraction is not None and item.carnot_efficiency_fraction is None)


def gate_water(gates: dict[str, date], items: tuple[Item, ...], given: Water | None) -> None:
    """Hold back what takes water until there is any: the date of the permit, or of an activity that gates water."""
    days = [day for day in (gates.get("water"), given.from_ if given is not None else None) if day is not None]
    for item in items if days else ():
        if "heat_rejection" in item.brings and takes_water(item):
            gates[item.id] = max(*days, gates.get(item.id, date.min))
