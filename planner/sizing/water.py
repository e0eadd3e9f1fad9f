"""The design day's water in the sizing model: a permit by the day is met at design load in design weather too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyomo.environ as pyo

from planner.operation.water import limited_by_day

if TYPE_CHECKING:
    from planner.sizing.loads import Loads

_HOURS_PER_DAY = 24.0


def water_rows(s: Loads) -> None:
    """water_design_day: 24 h of the heat each item is assigned at design, at its make-up, within the permit."""
    m, plant = s.m, s.plant
    m.water_design_day = pyo.ConstraintList()
    if not plant.racks or not limited_by_day(s.case.input.site.water, plant.rejections):
        return
    for p in s.periods:
        m.water_design_day.add(_design_day_m3(s, p) <= allowed_m3_per_day(s, p))


def allowed_m3_per_day(s: Loads, p: int) -> Any:
    """Water a day may take in a period."""
    given = s.case.input.site.water
    assert given is not None
    return given.m3_per_day + s.m.slack["water", p]


def _design_day_m3(s: Loads, p: int) -> Any:
    total: Any = 0.0
    for r in s.plant.rejections:
        alone = sum(other.loop == r.loop for other in s.plant.rejections) == 1
        heat = s.design[f"heat_rejection:{r.loop}", p] if alone else s.m.heat_assigned[r.key, p]
        total = total + _HOURS_PER_DAY * r.design_makeup_l_per_kwh * heat
    return total
