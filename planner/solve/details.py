"""The details of a plan: tables that one family or one limit has something to say in, by name (`plan.plan.DETAILS`)."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from planner.solve.power_budget import power_budget
from planner.solve.reading import Reading

# Detail -> its table, of the plan read and its dispatch; no rows where the case has nothing to say.
_TABLES: dict[str, Callable[[Reading, pd.DataFrame], pd.DataFrame]] = {
    "power_budget": power_budget,
}


def details_of(read: Reading, dispatch: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every detail of a plan that has rows."""
    made = {name: table(read, dispatch) for name, table in _TABLES.items()}
    return {name: frame for name, frame in made.items() if len(frame)}
