"""Make-up water of heat rejection: how much each day of a block takes, against the permit, and what it costs.

    water_makeup[d]    sum over the hours of a day of make-up per MWh x heat = make-up of the day, m3
    water_day[d]       make-up of the day <= m3 that the permit allows, a linking component

Make-up per kWh of heat comes with the hour's weather (`families.cooling`). Where a loop has one item, its water follows
the heat: too little is then a shortage, never a cost. The year's limit is one of the annual ones (`caps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder
from planner.case.water import Water, takes_water
from planner.families.cooling import Heat, Rejection
from planner.timeline import Hours

Array = NDArray[np.float64]
DAY = "water_m3_per_day"  # linking component
_HOURS_PER_DAY = 24


def limited_by_day(given: Water | None, rejections: Iterable[Rejection]) -> bool:
    """Whether some day may have too little water: by items, not by weather, for the same vector on every path."""
    return given is not None and given.m3_per_day is not None and any(takes_water(r.item) for r in rejections)


def operate(
    builder: BlockBuilder,
    hours: Hours,
    given: Water | None,
    rejections: tuple[Rejection, ...],
    heat: Mapping[str, Heat],
) -> None:
    """Water of a block. Links: water_m3_per_day, and those of the heat."""
    limited = limited_by_day(given, rejections)
    if given is None or not (limited or given.usd_per_m3) or not any(takes_water(r.item) for r in rejections):
        return
    terms: list[tuple[Array, NDArray[np.int64], NDArray[np.int64]]] = []  # m3 per MW, columns, hours
    links: list[tuple[Array, str]] = []
    for r in rejections:
        each = r.makeup_l_per_kwh[hours.hour_of_year] * hours.step_h  # 1 L per kWh is 1 m3 per MWh
        if sum(other.loop == r.loop for other in rejections) > 1:
            q = builder.columns(f"heat_rejected:{r.loop}:{r.item.id}")
            terms.append((each[q.hours], q.index, q.hours))
            continue
        links += [(each * share, link) for share, link in heat[r.loop].links]
        terms += [(each[c.hours] * share, c.index, c.hours) for share, c in heat[r.loop].columns]
    day = hours.hour_of_month // _HOURS_PER_DAY
    for d in np.unique(day).tolist():
        makeup = builder.add_single(f"water_makeup:{d + 1:02d}")
        taken = [(m3[day[at] == d], index[day[at] == d]) for m3, index, at in terms]
        of_links = [(float(m3[day == d].sum()), link) for m3, link in links]
        builder.total(f"water_makeup:{d + 1:02d}", [*taken, (-1.0, makeup.index)], of_links, equal=True)
        builder.price("water", makeup, given.usd_per_m3 * hours.weight / hours.step_h)
        if limited:
            short = builder.add(f"shortage_water:{d + 1:02d}", hours=np.array([0]), shortage=True)
            builder.total(f"water_day:{d + 1:02d}", [(1.0, makeup.index), (-1.0, short.index)], [(-1.0, DAY)])
