"""Tables on a worksheet: typed columns with number formats, frozen headers, filters and widths.

Text is always written as text: a name that starts with = + - or @ never becomes a formula, link or number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

NUMBER_FORMATS = {
    "text": "@",
    "figure": "General",
    "count": "#,##0_)",
    "units": "#,##0.##_)",
    "number": "#,##0.0##_)",
    "mw": "#,##0.00_)",
    "mwh": "#,##0_)",
    "usd": "#,##0_)",
    "musd": "#,##0.00_)",
    "percent": "0.000%_)",
    "date": "yyyy-mm-dd",
    "month": "mmm yyyy",
}
HEADER_HEIGHT = 48  # points: three lines
LONGEST_TEXT = 32767  # characters a cell holds


@dataclass(frozen=True)
class Column:
    """One column: its header with the unit, how it is shown, and how it is added up below (if it is)."""

    header: str
    kind: str = "text"
    width: float = 12.0
    total: str = ""  # "sum" or "max" over the visible rows


@dataclass(frozen=True)
class Formats:
    """The cell formats of one workbook."""

    title: Any
    header: Any
    section: Any
    cells: dict[str, Any]
    totals: dict[str, Any]


def formats(book: Any) -> Formats:
    """Make the formats of a workbook."""
    line = {"bold": True, "top": 1}
    left = ("text", "date", "month")
    header = {"bold": True, "bg_color": "#DCE6F1", "bottom": 1, "text_wrap": True, "valign": "top"}
    return Formats(
        title=book.add_format({"bold": True, "font_size": 14}),
        header=book.add_format(header),
        section=book.add_format({"bold": True, "bottom": 1}),
        cells={
            kind: book.add_format(
                {
                    "num_format": text,
                    "align": "left" if kind in left else "right",
                    "valign": "top",
                }
            )
            for kind, text in NUMBER_FORMATS.items()
        },
        totals={k: book.add_format({"num_format": f, **line}) for k, f in NUMBER_FORMATS.items()},
    )


def write_cell(sheet: Any, row: int, column: int, value: Any, kind: str, style: Any) -> None:
    """One value by its kind; what is missing or not a number stays blank."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        sheet.write_blank(row, column, None, style)
    elif kind == "text":
        sheet.write_string(row, column, str(value)[:LONGEST_TEXT], style)
    elif kind in ("date", "month"):
        sheet.write_datetime(row, column, datetime.combine(as_date(value), datetime.min.time()), style)
    else:
        sheet.write_number(row, column, float(value), style)


def as_date(value: Any) -> date:
    """Day of a date, a timestamp or an ISO text."""
    return date.fromisoformat(str(value)[:10])


def write_table(
    sheet: Any,
    style: Formats,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    frozen_columns: int = 1,
) -> None:
    """A table from the first row of a sheet on: header frozen and filtered, totals one row below the data."""
    for j, column in enumerate(columns):
        sheet.set_column(j, j, column.width)
        sheet.write_string(0, j, column.header, style.header)
        for i, row in enumerate(rows, 1):
            write_cell(sheet, i, j, row[j], column.kind, style.cells[column.kind])
    sheet.set_row(0, HEADER_HEIGHT)
    sheet.freeze_panes(1, frozen_columns)
    if not rows:
        return
    sheet.autofilter(0, 0, len(rows), len(columns) - 1)
    foot = len(rows) + 2
    if any(column.total for column in columns):
        sheet.write_string(foot, 0, "rows shown", style.totals["text"])
    for j, column in enumerate(columns):
        values = [float(row[j]) for row in rows if row[j] is not None] if column.total else []
        if values:
            letter = column_letters(j)
            code, shown = (109, sum(values)) if column.total == "sum" else (104, max(values))
            formula = f"=SUBTOTAL({code},{letter}2:{letter}{len(rows) + 1})"
            sheet.write_formula(foot, j, formula, style.totals[column.kind], shown)


def column_letters(index: int) -> str:
    """Letters of a column counted from zero.

    >>> column_letters(0), column_letters(25), column_letters(26)
    ('A', 'Z', 'AA')
    """
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
