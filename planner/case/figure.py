"""One number of a catalog with its source, date and confidence, and how people read it."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, Literal

from pydantic import Field, model_validator

from planner.case.base import Finite, Rule, Strict
from planner.case.marks import show

Confidence = Literal["datasheet", "press", "estimate", "memory"]


class Figure(Strict):
    """One number of a catalog: a value or low/typical/high, with source, date and confidence."""

    value: Finite | None = None
    low: Finite | None = None
    typical: Finite | None = None
    high: Finite | None = None
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
        year = self.date[:4]
        if not (year.isdigit() and 1990 <= int(year) <= 2100):
            raise Rule("date must start with a year", "write YYYY, YYYY-MM or YYYY-MM-DD", ("date",))
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

    @property
    def basis(self) -> str:
        """How far it can be trusted: datasheet, press, estimate, memory or inherited."""
        return "inherited" if self.inherited_from else self.confidence


def describe(value: Figure) -> str:
    """Figure for people: the value, or typical with its range."""
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
