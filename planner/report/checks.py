"""The checks of an audit on the terminal. Formatting only."""

from __future__ import annotations

import math

import pandas as pd

from planner.report.terminal import print_line, print_table


def print_checks(title: str, table: pd.DataFrame) -> None:
    """table: check, count, worst_margin, unit, verdict, message; failed checks first."""
    rows = [
        (
            str(check),
            f"{count:,}",
            "-" if math.isnan(margin) else f"{margin + 0.0:.3g}",
            str(unit),
            str(verdict),
        )
        for check, count, margin, unit, verdict in zip(
            table["check"], table["count"], table.worst_margin, table.unit, table.verdict, strict=True
        )
    ]
    print_line(title, "bold")
    failed = table[table.verdict != "pass"]
    for check, message in zip(failed["check"], failed.message, strict=True):
        print_line(f"FAIL {check}: {message}", "red")
    print_table(("check", "values", "worst margin", "unit", "verdict"), rows, numbers=(1, 2))
    words = "all pass" if not len(failed) else f"{len(failed)} fail"
    print_line(f"{len(table)} checks over {int(table['count'].sum()):,} values: {words}")
