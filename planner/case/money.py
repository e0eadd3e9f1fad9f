"""Fields of a case file about money: its base year, discounting, what prices grow by, and budgets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from planner.case.base import Day, Finite, Fraction, NonNegative, Positive, Strict

Rate = Annotated[Finite, Field(ge=-0.25, le=0.25)]


class BudgetStep(Strict):
    by: Day
    usd: NonNegative


class Escalation(Strict):
    """What prices grow by a year on top of inflation, in whole calendar years since finance.base_year."""

    energy: Rate = 0.0  # of the tariff
    demand: Rate = 0.0  # all else in the tariff: demand, coincident peaks, fixed charge
    export: Rate = 0.0
    natural_gas: Rate = 0.0
    diesel: Rate = 0.0
    variable_om: Rate = 0.0  # of generation; wear of batteries and the value of compute stay as they are
    fixed_om: Rate = 0.0

    @property
    def of_operation(self) -> bool:
        """Whether operation costs something else every year."""
        return any(rate for name, rate in self.model_dump().items() if name != "fixed_om")


class Finance(Strict):
    """Money of base_year: prices, and rates over inflation."""

    base_year: Annotated[int, Field(ge=2000, le=2100)]
    discount_rate: Annotated[Finite, Field(ge=0, lt=1)] = 0.10
    indirects_fraction: Fraction = 0.18
    contingency_fraction: Fraction = 0.10
    economic_life_years: dict[str, Positive] = {}  # by family, in place of the catalog's
    escalation_fraction_per_year: Escalation = Escalation()
