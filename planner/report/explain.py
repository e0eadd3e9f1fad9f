"""Tables of an explanation, on the terminal and as CSV or JSON. Formatting only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.report.terminal import print_line, print_table

Rows = Sequence[Sequence[str]]


def print_titled(title: str, heads: Sequence[str], rows: Rows, nothing: str) -> None:
    """A titled table; a sentence where it has no rows."""
    print_line(title, "bold")
    if rows:
        print_table(heads, rows)
    else:
        print_line(nothing)


def write_data(path: Path, data: Mapping[str, Any], heads: Sequence[str], rows: Rows) -> None:
    """The data as JSON, or where the file's name ends with .csv the rows under their heads."""
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([heads, *rows])
        path.write_text(text.getvalue(), encoding="utf-8")
    else:
        path.write_text(json.dumps(data, indent=1, default=str) + "\n", encoding="utf-8")
