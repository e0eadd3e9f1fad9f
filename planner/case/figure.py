"""Numbers and curves of a catalog with their source, date and confidence, and how people read them."""

from __future__ import annotations

import math
import re
from datetime import date
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, model_validator

from planner.case.base import Finite, Rule, Strict
from planner.case.marks import show

Confidence = Literal["datasheet", "press", "estimate", "memory"]


class Sourced(Strict):
    """Where something a catalog says comes from."""

    source: str
    date: str
    confidence: Confidence
    note: str = ""
    inherited_from: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _date_as_text(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("date"), int | date):
            data = {**data, "date": str(data["date"])}
        return data

    @model_validator(mode="after")
    def _dated(self) -> Sourced:
        year = self.date[:4]
        if not (year.isdigit() and 1990 <= int(year) <= 2100):
            raise Rule("date must start with a year", "write YYYY, YYYY-MM or YYYY-MM-DD", ("date",))
        return self

    @property
    def basis(self) -> str:
        """How far it can be trusted: datasheet, press, estimate, memory or inherited."""
        return "inherited" if self.inherited_from else self.confidence


class Figure(Sourced):
    """One number of a catalog: a value or low/typical/high."""

    value: Finite | None = None
    low: Finite | None = None
    typical: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Figure:
        spread = (self.low, self.typical, self.high)
        if (self.value is None) == (self.typical is None):
            raise Rule("needs value, or low/typical/high", "write one of the two forms")
        if self.value is not None and any(v is not None for v in spread):
            raise Rule("has value and low/typical/high", "keep one of the two forms")
        if self.value is None:
            if self.low is None or self.high is None or self.typical is None:
                raise Rule("needs low, typical and high together", "write all three, or value alone")
            if not self.low <= self.typical <= self.high:
                raise Rule("must have low <= typical <= high", "put the three in order")
        return self

    @property
    def planning(self) -> float:
        """The value plans use."""
        chosen = self.value if self.value is not None else self.typical
        assert chosen is not None
        return chosen

    @property
    def upper(self) -> float:
        """The high end, for what is sized before its configuration is known."""
        return self.high if self.high is not None else self.planning


class Curve(Sourced):
    """What is left of something by its age: a fraction of what was new, straight between the years given."""

    by_year: dict[str, Finite]

    @model_validator(mode="after")
    def _falls(self) -> Curve:
        for year in self.by_year:
            if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", year):
                raise Rule("must be an age in years", "write a number from 0 up", ("by_year", year))
        ages, left = [age for age, _ in self.points], [share for _, share in self.points]
        if not ages or ages[0] != 0:
            raise Rule("must start at year 0", "write what a new unit has", ("by_year",))
        if any(b <= a for a, b in pairwise(ages)):
            raise Rule("years must rise", "put them in order", ("by_year",))
        if any(b > a for a, b in pairwise(left)) or not (left[0] <= 1 and left[-1] > 0):
            raise Rule("fractions must lie above 0, at most at 1, and never rise", "correct them", ("by_year",))
        return self

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """(age in years, what is left) in order."""
        return tuple((float(year), share) for year, share in self.by_year.items())


class BySupply(Sourced):
    """What a rack needs of its coolant by the temperature it is supplied at, straight between those given."""

    by_supply_c: dict[str, Finite]

    @model_validator(mode="after")
    def _rises(self) -> BySupply:
        for supply in self.by_supply_c:
            if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,6})?", supply):
                raise Rule("must be a temperature in degC", "write a number from 0 to 99", ("by_supply_c", supply))
        at = [supply for supply, _ in self.points]
        if not at or any(b <= a for a, b in pairwise(at)):
            raise Rule("temperatures must rise", "write at least one, in order", ("by_supply_c",))
        if any(value <= 0 for _, value in self.points):
            raise Rule("must be above 0", "correct the values", ("by_supply_c",))
        return self

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """(coolant supply in degC, value) in order."""
        return tuple((float(supply), value) for supply, value in self.by_supply_c.items())

    def at(self, supply_c: float) -> float:
        """Value at a supply temperature; that of the coolest given below it. Nothing is known above the warmest."""
        points = self.points
        for (x, a), (y, b) in pairwise(points):
            if supply_c < y:
                return a + (b - a) * max(supply_c - x, 0.0) / (y - x)
        return points[-1][1]


def describe(value: Sourced) -> str:
    """Figure or curve for people: the value, or typical with its range; what is left by year."""
    if isinstance(value, BySupply):
        return ", ".join(f"{plain(amount)} at {plain(supply)} degC" for supply, amount in value.points)
    if isinstance(value, Curve):
        return ", ".join(f"{plain(share)} in year {plain(age)}" for age, share in value.points)
    assert isinstance(value, Figure)
    if value.value is not None:
        return plain(value.value)
    if value.typical is None or value.low is None or value.high is None:
        return show(None)
    return f"{plain(value.typical)} ({plain(value.low)} to {plain(value.high)})"


def plain(number: float) -> str:
    """A number in full, to six significant digits below the point, never with an exponent.

    >>> plain(5.6e6), plain(0.000025), plain(0.97), plain(1234.5)
    ('5,600,000', '0.000025', '0.97', '1,234.5')
    """
    if number == int(number):
        return f"{number:,.0f}"
    digits = max(0, 5 - math.floor(math.log10(abs(number))))
    return f"{number:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{number:,.0f}"
