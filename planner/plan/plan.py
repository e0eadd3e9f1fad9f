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
the period where they have one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

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
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "plan.json").exists())):
        raise FileExistsError(f"{folder} exists and is not a plan: choose another --out, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (fresh / "plan.json").write_text(json.dumps(plan.summary, indent=1, default=str) + "\n", encoding="utf-8")
        for name in (*TABLES, *plan.details):
            plan.table(name).to_csv(fresh / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        for name, content in (extra or {}).items():
            (fresh / name).write_bytes(content)
        fresh.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old / "plan")
            os.replace(fresh, folder)
            shutil.rmtree(old)
        else:
            os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def read_plan(folder: Path) -> Plan:
    """Read a plan back from its folder."""
    summary = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
    details = {name: pd.read_csv(path) for name in DETAILS if (path := folder / f"{name}.csv").exists()}
    return Plan(summary, **tables, details=details)
