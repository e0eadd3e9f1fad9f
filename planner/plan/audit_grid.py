"""Audit of what passes the meter besides import: export, and what the bill and the permits add up over months."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

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


def ratchets_mw(case: Case, peaks: Sequence[tuple[date, bool, float]]) -> list[float]:
    """What the months before hold each month's bill up to, from (first day, operating year or build, highest import).

    A build month looks back eleven months. The operating year stands for all years: each of its months looks back on
    the eleven others, and on the build as the first of them does.
    """
    counts = [case.tariff is not None and start.month - 1 in case.tariff.ratchet_months for start, _, _ in peaks]
    begins = case.timeline.starts[-1]
    found = []
    for start, operating, _ in peaks:
        until = begins if operating else start
        highest = 0.0
        for (other, steady, peak), counted in zip(peaks, counts, strict=True):
            ago = (until.year - other.year) * 12 + until.month - other.month
            if counted and ((operating and steady) or (not steady and 1 <= ago <= 11)):
                highest = max(highest, peak)
        found.append(highest)
    return found
