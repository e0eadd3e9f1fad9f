"""Uptime of a plan on the terminal. Formatting only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.report.terminal import print_line, print_table
from planner.units import HOURS_PER_YEAR

HEADS = (
    *("stage", "item", "units", "k of n in groups", "failures 1/year", "repair h", "h/year without"),
    *("interruptions 1/year", "h/year with one spare less"),
)


def print_uptime(title: str, rows: Sequence[Any], unknown: Sequence[str]) -> None:
    """A line for every stage, the sum, and what is not in it."""
    print_line(title, "bold")
    cells = []
    for row in rows:
        less = row.hours_with_one_spare_less
        cells.append(
            (
                *(row.stage, row.item, f"{row.units:,.0f}", row.scheme, f"{row.failures_per_year:.3g}"),
                *(f"{row.repair_time_hours:.3g}", f"{row.hours_per_year:.3f}", f"{row.interruptions_per_year:.2f}"),
                "" if less is None else f"{less:.3f}",
            )
        )
    print_table(HEADS, cells, (2, 4, 5, 6, 7, 8))
    hours, often = sum(row.hours_per_year for row in rows), sum(row.interruptions_per_year for row in rows)
    print_line(
        f"an average GPU is without power or cooling {hours:.2f} h a year ({1.0 - hours / HOURS_PER_YEAR:.4%} up);"
        f" a job over the whole site is interrupted {often:.1f} times a year by them"
    )
    print_line("not in it: failures of the compute itself, planned maintenance, one repair crew for many failures")
    for text in unknown:
        print_line(f"not counted: {text}")
