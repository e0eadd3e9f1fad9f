"""What permits and promises allow on a day, as the auditor reads them from the case: firing, gas, calls."""

from __future__ import annotations

from datetime import date

import numpy as np

from planner.audit.base import Array
from planner.case.case import Case


def may_fire(case: Case, day: date) -> bool:
    """Whether the air permit is there on a day."""
    permit = case.input.site.air_permit
    return permit is None or day >= permit.from_


def gas_mmbtu_per_day(case: Case, day: date) -> float:
    """Gas the lateral brings on a day; without a supply named, as much as is wanted."""
    supply = case.input.site.gas
    if supply is None:
        return float("inf")
    return supply.mmbtu_hhv_per_day if day >= supply.from_ else 0.0


def with_gas(case: Case) -> Array:
    """1 in every hour of the year with gas, 0 on the days cut: the coldest by their mean. Shape (8760,)."""
    supply = case.input.site.gas
    result = np.ones(8760)
    if supply is None or not supply.cut_days:
        return result
    means = [float(case.weather.dry_bulb_c[24 * d : 24 * d + 24].mean()) for d in range(365)]
    for d in sorted(range(365), key=lambda d: (means[d], d))[: supply.cut_days]:
        result[24 * d : 24 * d + 24] = 0.0
    return result


def fed_mw(able: list[tuple[float, Array]], mmbtu_per_h: float) -> Array:
    """Output that so much gas feeds of machines, (MMBtu a MWh, MW each is able to): the leanest first."""
    total, left = np.zeros(len(able[0][1]) if able else 1), mmbtu_per_h
    burning = np.full(len(total), left)
    for rate, mw in sorted(able, key=lambda of: of[0]):
        given = np.minimum(mw, burning / rate)
        total, burning = total + given, burning - given * rate
    return total


def uncalled_mw(case: Case, day: date) -> float:
    """MW of the connection that are firm beside others that are not; none where all may be called."""
    steps = case.input.site.grid.interconnection
    if not any(not step.firm for step in steps):
        return 0.0
    shut = case.gates.get("grid", date.min) > day
    firm = 0.0
    for step in steps:
        if step.firm and step.from_ <= day and (step.via == "existing_feeders" or not shut):
            firm = step.mw
    return firm
