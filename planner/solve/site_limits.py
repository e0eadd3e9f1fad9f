"""How much of the ground, the quiet and the tanks a plan uses: one row for every site limit and period."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from planner.case.site_limits import is_in_the_open
from planner.sizing.site_limits import SiteLimit, site_limits
from planner.solve.reading import Reading


class _Row(NamedTuple):
    period: object
    limit: str
    used: float
    most: float
    unit: str


def site_limits_table(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """Use and limit in every period; noise as the level at the fence, background included."""
    del dispatch
    rows = [_row(read, limit, p) for limit in site_limits(read.case) for p in range(read.last + 1)]
    if (height := read.case.input.site.height_limit_m) is not None:
        rows += [_Row(read.starts[p], "height", _highest_m(read, p), height, "m") for p in range(read.last + 1)]
    return pd.DataFrame(rows, columns=_Row._fields)


def _row(read: Reading, limit: SiteLimit, p: int) -> _Row:
    used = sum(limit.each(o) * read.units(o, p) for o in read.sizing.options if not o.reuses)
    noise = read.case.input.site.noise
    if limit.name == "noise" and noise is not None:
        return _Row(read.starts[p], "noise", max(0.0, noise.level_dba(used)), noise.limit_dba, "dB(A)")
    return _Row(read.starts[p], limit.name, used, limit.most, limit.unit)


def _highest_m(read: Reading, p: int) -> float:
    there = (o.item for o in read.sizing.options if read.units(o, p) > 0 and is_in_the_open(o.item))
    return max((item.get("height_m") for item in there), default=0.0)
