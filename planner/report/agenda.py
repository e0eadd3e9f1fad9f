"""A plan's agenda and exposure, on the terminal and as CSV. Formatting only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from planner.report.terminal import print_line, print_table

HEADS = ("by", "what", "name", "units", "M$", "float days", "serves from")
MONEY = ("quarter", "paid M$", "paid so far M$", "still owed M$", "exposure M$")


def print_agenda(title: str, tasks: Sequence[Any], quarters: Sequence[Any], until: date) -> None:
    """Tasks until a day, and the money at risk by quarter."""
    print_line(title, "bold")
    shown = [task for task in tasks if task.day <= until]
    rows = [
        (
            *(str(task.day), task.what, task.name),
            "" if task.units is None else f"{task.units:,.4g}",
            "" if task.capital_usd is None else f"{task.capital_usd / 1e6:,.1f}",
            "" if task.float_days is None else str(task.float_days),
            "" if task.serves_from is None else str(task.serves_from),
        )
        for task in shown
    ]
    print_table(HEADS, rows, (3, 4, 5))
    if len(shown) < len(tasks):
        print_line(f"{len(tasks) - len(shown)} more after {until}: --until, or --csv for all")
    print_line("")
    print_line("if all work stopped at the end of a quarter", "bold")
    money = [(q.quarter, q.paid_usd, q.paid_so_far_usd, q.owed_usd, q.exposure_usd) for q in quarters]
    print_table(MONEY, [(name, *(f"{usd / 1e6:,.1f}" for usd in sums)) for name, *sums in money], (1, 2, 3, 4))
    print_line(
        "owed: equipment ordered (contracts without a way out), committed, least terms of rentals; resale not counted"
    )


def write_tasks(path: Path, tasks: Sequence[Any]) -> None:
    """Every task as a row."""
    pd.DataFrame([task._asdict() for task in tasks]).to_csv(path, index=False, lineterminator="\n")
