"""What stood on the site before the plan: where, how old, what becomes of it, and its book value, which is sunk."""

from __future__ import annotations

import pandas as pd

from planner.case.existing import Existing
from planner.finance import DAYS_PER_YEAR
from planner.solve.reading import Reading, position_of

COLUMNS = ("item", "position", "units", "since", "age_years", "then", "book_value_usd")


def standing(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """A row for each row of the case. age_years: at the start."""
    rows = []
    for old in read.case.input.existing:
        place = next((position_of(o) for o in read.sizing.options if old in o.stood), "unused")
        age = (read.case.timeline.start - old.since).days / DAYS_PER_YEAR
        rows.append((old.item, place, old.units, str(old.since), age, _then(old), old.book_value_usd))
    return pd.DataFrame(rows, columns=COLUMNS)


def _then(old: Existing) -> str:
    if old.move is not None:
        return f"leaves {old.move.from_}, serves as {old.move.to} from {old.move.ready}"
    return "stays" if old.retire is None else f"retired {old.retire}"
