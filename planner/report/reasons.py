"""Why items are in a plan, on the terminal. Formatting only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from planner.report.terminal import print_line, print_table


def print_why(lines: Sequence[str], growth: pd.DataFrame) -> None:
    """The reasons of one item, the first as a title, and how it grows."""
    print_line(lines[0], "bold")
    for line in lines[1:]:
        print_line(f"  {line}")
    rows = [[_cell(value) for value in row] for row in growth.itertuples(index=False)]
    print_table([str(name) for name in growth.columns], rows, range(2, 7))


def print_overview(title: str, table: pd.DataFrame, stranded: Sequence[str]) -> None:
    """A line for every item, and racks that wait."""
    print_line(title, "bold")
    rows = []
    for row in table.to_dict("records"):
        full = float(row["fullest_fraction"])
        rows.append(
            (
                *(
                    _cell(row[name])
                    for name in ("item", "units", "most_units", "in_service_from", "asked_by", "serves")
                ),
                "" if math.isnan(full) else f"{full:.0%} of {row['fullest']}",
                f"{row['capital_usd'] / 1e6:,.1f}",
            )
        )
    print_table(("item", "units", "most", "from", "asked by", "serves", "fullest", "M$"), rows, (1, 2, 7))
    for line in stranded:
        print_line(f"racks that wait: {line}")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
    return str(value)
