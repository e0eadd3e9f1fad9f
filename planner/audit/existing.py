"""Audit of what stands already: the table says what the case does, with its position and age."""

from __future__ import annotations

from planner.audit.base import Checks, Tables, as_date, says
from planner.audit.site import Standing
from planner.case.case import Case


def audit_existing(checks: Checks, case: Case, tables: Tables, site: Standing) -> None:
    """Every row of the case is a row of the table, in order."""
    shown = tables.details.get("existing")
    got = shown.to_dict("records") if shown is not None else []
    rows = case.input.existing
    checks.true("existing", len(got) == len(rows), f"existing has {len(got)} rows, the case {len(rows)}")
    for row, table in zip(rows, got, strict=False):
        place = site.place(case.catalog[row.item], row.stage) or "unused"
        same = (str(table["item"]), str(table["position"]), as_date(table["since"])) == (row.item, place, row.since)
        checks.true("existing", same, f"existing says {table}, the case {row.item} as {place} since {row.since}")
        years = (case.timeline.start - row.since).days / 365.0
        numbers = {"units": float(row.units), "age_years": years, "book_value_usd": row.book_value_usd}
        for name, want in numbers.items():
            checks.equal("existing", "", float(table[name]), want, 1e-6 + 1e-9 * want, says(f"{name} of {row.item}"))
