"""Audit of the plan's own integrity: every table is whole, as it was written, and holds each row once."""

from __future__ import annotations

import pandas as pd

from planner.audit.base import Checks, Tables
from planner.plan.plan import COLUMNS, DETAILS

# What tells the rows of a table apart, of the columns it has. Rows of the dispatch and of the tables of periods are
# counted where they are read.
KEYS = {
    "orders": ("item", "position", "order_date", "commissioning_date"),
    "installed": ("period", "item", "position"),
    "stages": ("period", "position"),
    "capacity": ("period",),
    "dispatch": ("scenario", "phase", "period", "hour_of_year", "minute"),
    "ledger": ("date", "line", "item"),
    "cooling": ("scenario", "period"),
    "look_ahead": ("scenario", "period"),
    "site_limits": ("period", "limit"),
    "air_permit": ("period", "item", "use", "pollutant"),
    "gas": ("scenario", "period", "phase"),
    "load_swings": ("period",),
    "battery_held": ("period", "item"),
    "battery_jobs": ("period", "job"),
    "compute": ("period", "item"),
    "network": ("period", "item", "rule"),
    "rentals": ("period", "item"),
    "generator_roles": ("period", "item"),
    "power_budget": ("period", "stage"),
}


def audit_integrity(checks: Checks, tables: Tables) -> None:
    """Every table on its own, and all against what plan.json says was written."""
    own = {name: getattr(tables, name) for name in COLUMNS}
    frames: dict[str, pd.DataFrame] = own | tables.details
    for name, frame in frames.items():
        _once(checks, name, frame)
    for name, frame in own.items():
        strange = sorted(set(map(str, frame.columns)) ^ set(COLUMNS[name])) if name != "dispatch" else []
        checks.true("table columns", not strange, f"{name} has columns too many or too few: {strange[:3]}")
        told = [column for column in COLUMNS[name] if column in frame and column != "binding_stage"]
        lost = [column for column in told if frame[column].isna().any() or (frame[column] == "").any()]
        checks.true("table columns", not lost, f"{name} has rows without {lost[:3]}")
    written = tables.summary.get("tables")
    checks.true("tables as written", isinstance(written, dict | None), "plan.json does not say what was written")
    if written is None:  # solved now, not read back
        return
    for name in sorted({*written, *frames}):
        if name not in written or name not in frames:
            known = "a file that plan.json does not tell of" if name in frames else "not in the plan"
            checks.true("tables as written", name not in DETAILS, f"{name} is {known}")
            continue
        frame, shape = frames[name], written[name]
        text = f"{name} has {len(frame)} rows, {shape['rows']} were written"
        checks.true("tables as written", len(frame) == shape["rows"], text)
        strange = sorted(set(map(str, frame.columns)) ^ set(shape["columns"]))
        checks.true("tables as written", not strange, f"{name} has columns too many or too few: {strange[:3]}")


def _once(checks: Checks, name: str, frame: pd.DataFrame) -> None:
    """No row stands twice."""
    keys = [column for column in KEYS.get(name, ()) if column in frame]
    if not keys:
        return
    twice = frame[frame.duplicated(subset=keys)]
    row = " ".join(str(twice[key].iloc[0]) for key in keys) if len(twice) else ""
    checks.true("rows once", not len(twice), f"{name} holds {row} twice")
