"""A plan: frozen tidy tables and the key results, as they are written to disk.

Tables (index order item, period, hour; units in the column names)
    orders     item, position, family, units, order_date, delivery_date, commissioning_date, capital_usd
    installed  period, item, position, units (in service), running (units switched on, spares of
               their groups included; racks or nodes that run, for compute)
    stages     period, position, unit, design_load, firm_capacity
    capacity   period, grid_mw, firm_generation_mw, design_load_mw, it_design_mw, gpus_energised,
               racks_delivered, racks_ready, racks_energised, racks_stranded, battery_nameplate_mwh,
               battery_available_mwh (left at the end of the period), binding_stage
    dispatch   period, hour_of_year, minute (at which the step begins), weight_h (hours the row stands for),
               flows in MW, state of charge in MWh at the end of the step
    ledger     date, line, item, usd              payments positive; present value at the start is the objective
`period` is the first day of the period; in dispatch, the first day of the month, in every year too.

Details are further tables by name, those that the case has something to say in: see DETAILS. Their first column is
the period where they have one. plan.json says under `tables` what was written: rows and columns of every table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from planner.errors import Fault, InputError
from planner.plan.folder import replaced_whole

SCHEMA = "plan/1"
TABLES = ("orders", "installed", "stages", "capacity", "dispatch", "ledger")
# Detail -> its title. Each is a file, a sheet of the workbook and a part of the audit where the case has it.
DETAILS: dict[str, str] = {
    "cooling": "Cooling and water",
    "look_ahead": "Look-ahead",
    "site_limits": "Site limits",
    "air_permit": "Potential to emit",
    "gas": "Gas burnt",
    "load_swings": "Load swings",
    "battery_held": "Battery reserves",
    "battery_jobs": "Battery jobs",
    "compute": "Compute",
    "network": "Network",
    "rentals": "Rentals",
    "existing": "Standing already",
    "generator_roles": "Generator roles",
    "power_budget": "Power budget",
}
_TEXT, _NUMBER = "text", "number"
# Columns that every plan has. The dispatch has flows beside these, and what depends on the case.
COLUMNS: dict[str, dict[str, str]] = {
    "orders": {
        **dict.fromkeys(("item", "position", "family"), _TEXT),
        "units": _NUMBER,
        **dict.fromkeys(("order_date", "delivery_date", "ready_date", "commissioning_date"), _TEXT),
        "capital_usd": _NUMBER,
    },
    "installed": {**dict.fromkeys(("period", "item", "position"), _TEXT), "units": _NUMBER, "running": _NUMBER},
    "stages": {
        **dict.fromkeys(("period", "position", "unit"), _TEXT),
        **dict.fromkeys(("design_load", "firm_capacity"), _NUMBER),
    },
    "capacity": {
        "period": _TEXT,
        **dict.fromkeys(("grid_step_mw", "grid_mw", "firm_generation_mw", "design_load_mw", "it_design_mw"), _NUMBER),
        **dict.fromkeys(("gpus_energised", "racks_delivered", "racks_ready"), _NUMBER),
        **dict.fromkeys(("racks_energised", "racks_stranded"), _NUMBER),
        **dict.fromkeys(("battery_nameplate_mwh", "battery_available_mwh"), _NUMBER),
        "binding_stage": _TEXT,
    },
    "dispatch": {
        **dict.fromkeys(("period", "phase"), _TEXT),
        **dict.fromkeys(("hour_of_year", "minute", "weight_h", "site_load_mw"), _NUMBER),
    },
    "ledger": {**dict.fromkeys(("date", "line", "item"), _TEXT), "usd": _NUMBER},
}
# What every plan.json has and others read, by type.
SUMMARY: dict[str, Any] = {
    **dict.fromkeys(("name", "status"), str),
    **dict.fromkeys(("objective_usd", "lower_bound_usd", "gap_usd", "gap_fraction", "gap_fraction_total"), int | float),
    **dict.fromkeys(("cost_not_open_to_decision_usd", "gpus_energised", "design_load_mw"), int | float),
    **dict.fromkeys(("units", "key_results", "inputs_sha256"), dict),
    **dict.fromkeys(("objectives", "milestones"), list),
}


@dataclass(frozen=True)
class Plan:
    """A whole plan. `summary` is what plan.json holds."""

    summary: dict[str, Any]
    orders: pd.DataFrame
    installed: pd.DataFrame
    stages: pd.DataFrame
    capacity: pd.DataFrame
    dispatch: pd.DataFrame
    ledger: pd.DataFrame
    details: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What is proven of the plan, in words."""
        if self.summary["status"] == "optimal":
            return "optimal within the gap asked"
        by = self.summary["stopped_by"]
        return f"feasible, stopped by {by}" if by else "feasible, no further progress"

    def table(self, name: str) -> pd.DataFrame:
        """Table or detail by name."""
        frame: pd.DataFrame = self.details[name] if name in self.details else getattr(self, name)
        return frame


def write_plan(plan: Plan, folder: Path, extra: dict[str, bytes] | None = None) -> None:
    """Write every file of a plan, all or nothing: an old plan in the folder is replaced in one move.

    extra: further files by name, such as plan.xlsx. Raises OSError when the folder cannot be written, and
    FileExistsError when it holds something that is no plan.
    """
    with replaced_whole(folder, "plan.json") as fresh:
        summary = plan.summary | {"tables": {name: _shape(plan.table(name)) for name in (*TABLES, *plan.details)}}
        (fresh / "plan.json").write_text(json.dumps(summary, indent=1, default=str) + "\n", encoding="utf-8")
        for name in (*TABLES, *plan.details):
            plan.table(name).to_csv(fresh / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        for name, content in (extra or {}).items():
            (fresh / name).write_bytes(content)


def _shape(frame: pd.DataFrame) -> dict[str, Any]:
    """Rows of a table, and its columns in order: number or text."""
    kinds = {str(name): _NUMBER if is_numeric_dtype(frame[name].dtype) else _TEXT for name in frame.columns}
    return {"rows": len(frame), "columns": kinds}


def read_plan(folder: Path) -> Plan:
    """Read a plan back from its folder. Raises InputError with every fault: no plan, tables missing or unreadable."""
    if not (folder / "plan.json").is_file():
        what = "holds no plan.json" if folder.is_dir() else "is no folder"
        raise InputError([Fault(str(folder), 1, "(file)", folder.name, what, "give the folder of a plan")])
    faults: list[Fault] = []
    summary = _read_summary(folder / "plan.json", faults)
    if faults:
        raise InputError(faults)
    written = summary.get("tables", {})
    kinds = COLUMNS | {name: dict(shape["columns"]) for name, shape in written.items() if name in DETAILS}
    there = [name for name in DETAILS if name in written or (folder / f"{name}.csv").exists()]
    frames = {name: _read_table(folder / f"{name}.csv", kinds.get(name, {}), faults) for name in (*TABLES, *there)}
    if faults:
        raise InputError(faults)
    return Plan(summary, **{name: frames[name] for name in TABLES}, details={name: frames[name] for name in there})


def _read_summary(path: Path, faults: list[Fault]) -> dict[str, Any]:
    def fault(field: str, value: str, rule: str, line: int = 1) -> None:
        faults.append(Fault(str(path), line, field, value[:80], rule, "solve the case again, or restore the file"))

    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        fault("(file)", error.msg, "must be JSON", error.lineno)
        return {}
    except UnicodeDecodeError:
        fault("(file)", "bytes", "must be UTF-8 text")
        return {}
    if not isinstance(summary, dict) or summary.get("schema") != SCHEMA:
        shown = str(summary.get("schema")) if isinstance(summary, dict) else type(summary).__name__
        fault("schema", shown, f"must be {SCHEMA}: another version wrote it")
        return {}
    for name, kind in SUMMARY.items():
        value = summary.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            words = {dict: "a mapping", list: "a list", str: "a text"}.get(kind, "a number")
            fault(name, "nothing" if value is None else str(value), f"must be {words}")
    shapes = summary.get("tables", {})
    good = isinstance(shapes, dict) and all(
        isinstance(shape, dict) and isinstance(shape.get("columns"), dict) and isinstance(shape.get("rows"), int)
        for shape in shapes.values()
    )
    if not good:
        fault("tables", "(mapping)", "must hold rows and columns of every table")
    return summary


def _read_table(path: Path, kinds: dict[str, str], faults: list[Fault]) -> pd.DataFrame:
    """A table whose columns are there and hold what they must; else faults are noted and the frame is empty."""

    def fault(field: str, value: str, rule: str, line: int = 1) -> None:
        faults.append(Fault(str(path), line, field, value[:80], rule, "solve the case again, or restore the file"))

    try:
        frame = pd.read_csv(path)
    except FileNotFoundError:
        fault("(file)", path.name, "is missing from the plan")
        return pd.DataFrame()
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        fault("(file)", " ".join(str(error).split()), "cannot be read as CSV")
        return pd.DataFrame()
    for name, kind in kinds.items():
        if name not in frame:
            fault(name, "nothing", "is a column that is missing")
            continue
        column, first = frame[name], None
        if kind == _NUMBER and not is_numeric_dtype(column.dtype):
            first = next((i for i, value in enumerate(column) if not _is_number(value)), None)
        elif kind == _NUMBER and path.stem in COLUMNS and column.isna().any():
            first = int(column.isna().to_numpy().argmax())
        elif name in ("period", "date") or name.endswith("_date"):
            first = next((i for i, value in enumerate(column) if not _is_date(value)), None)
        if first is not None:
            must = "a number" if kind == _NUMBER else "a date, as YYYY-MM-DD"
            fault(name, str(column.iloc[first]), f"must be {must}", first + 2)
    return frame


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(str(value))
    except ValueError:
        return False
    return True
