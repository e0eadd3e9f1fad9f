"""Roles of generators that may stand by once they are not needed as a bridge."""

from __future__ import annotations

import pandas as pd

from planner.solve.reading import Reading

COLUMNS = ("period", "item", "tenure", "on_duty_units", "standby_units")


def standby_units(read: Reading, item_id: str, p: int) -> float:
    """Units of a generator that stand by in a period."""
    return sum(read.units(o, p) for o in read.sizing.options if o.reuses == item_id)


def on_duty(read: Reading, item_id: str, p: int) -> float:
    """Units of a generator that bridge, or carry load for good."""
    return read.units(read.sizing.option(item_id), p) - standby_units(read, item_id, p)


def roles(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """Units on duty and standing by of every generator that may do either."""
    rows = []
    for o in (o for o in read.sizing.options if o.reuses):
        for p in range(read.last + 1):
            duty, by = on_duty(read, o.reuses, p), standby_units(read, o.reuses, p)
            if duty + by > 0:
                rows.append((read.starts[p], o.item.id, o.item.tenure, duty, by))
    return pd.DataFrame(rows, columns=COLUMNS)
