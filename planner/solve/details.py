"""The details of a plan: tables that one family or one limit has something to say in, by name (`plan.plan.DETAILS`)."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from planner.solve.cooling_table import cooling_table
from planner.solve.it_tables import compute_table, network_table
from planner.solve.jobs import battery_held, battery_jobs, load_swings
from planner.solve.permits import air_permit_table, gas_table
from planner.solve.power_budget import power_budget
from planner.solve.reading import Reading
from planner.solve.rentals import rentals
from planner.solve.roles import roles
from planner.solve.site_limits import site_limits_table
from planner.solve.standing import standing

# Detail -> its table, of the plan read and its dispatch; no rows where the case has nothing to say.
_TABLES: dict[str, Callable[[Reading, pd.DataFrame], pd.DataFrame]] = {
    "cooling": cooling_table,
    "site_limits": site_limits_table,
    "air_permit": air_permit_table,
    "gas": gas_table,
    "load_swings": load_swings,
    "battery_held": battery_held,
    "battery_jobs": battery_jobs,
    "compute": compute_table,
    "network": network_table,
    "rentals": rentals,
    "existing": standing,
    "generator_roles": roles,
    "power_budget": power_budget,
}


def details_of(read: Reading, dispatch: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every detail of a plan that has rows."""
    made = {name: table(read, dispatch) for name, table in _TABLES.items()}
    return {name: frame for name, frame in made.items() if len(frame)}
