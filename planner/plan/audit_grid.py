"""Audit of what passes the meter besides import: export, and what the bill and the permits add up over months."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.case.case import Case
from planner.plan.audit_base import Array, Checks
from planner.timeline import Hours

_MW = 1e-6


def audit_export(
    checks: Checks,
    case: Case,
    hours: Hours,
    imported: Array,
    exported: Array,
    grid_mw: float,
    where: Callable[[str], Callable[[int], str]],
) -> None:
    """Export within what the utility takes back and what the connection carries; never beside import."""
    export = case.input.site.grid.export
    most = min(export.mw, grid_mw) if export is not None else 0.0
    checks.at_most("export limit", "MW", exported, most, _MW * (1.0 + most), where("export"))
    both = np.minimum(imported, exported)
    checks.at_most("import or export", "MW", both, 0.0, _MW * (1.0 + grid_mw), where("import beside export"))
