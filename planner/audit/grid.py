"""Audit of what passes the meter besides import: export, and what the bill and the permits add up over months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from planner.audit.base import Array, Checks
from planner.case.case import Case

_MW = 1e-6


def audit_export(
    checks: Checks,
    case: Case,
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


def ratchets_mw(case: Case, peaks: Sequence[tuple[Sequence[date], float]]) -> list[float]:
    """What the eleven months before hold each month's bill up to, from (first days it stands for, highest import).

    What stands for a month of every year looks back from each of them.
    """
    if case.tariff is None:
        return [0.0] * len(peaks)
    counted = {
        12 * day.year + day.month: peak
        for days, peak in peaks
        for day in days
        if day.month - 1 in case.tariff.ratchet_months
    }
    return [
        max((counted.get(12 * day.year + day.month - ago, 0.0) for day in days for ago in range(1, 12)), default=0.0)
        for days, _ in peaks
    ]
