"""Rent of a plan: what is billed at a point of the sizing model, and the table of what comes, goes and is held."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.sizing.model import Sizing
from planner.sizing.rent import rented
from planner.solve.master import Master
from planner.solve.reading import Reading, value

Array = NDArray[np.float64]
COLUMNS = ("period", "item", "mobilised_units", "returned_units", "held_units", "rent_usd")


def settle_rent(sizing: Sizing, master: Master, point: Array) -> Array:
    """The point with no more units billed than are held or in their minimum term."""
    if not sizing.billed:
        return point
    point = point.copy()
    for billed in sizing.billed:
        column = master.index(billed.column)
        if column is not None:
            least = (master.gradient(expression) for expression in billed.least)
            point[column] = max(float(gradient @ point) + constant for gradient, constant in least)
    return point


def rentals(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """Units of every rented item that come, go and are held in each period, and the rent of its months."""
    rows = []
    for o in rented(read.sizing.options):
        before = gone = 0.0
        for p in range(read.last + 1):
            held, returned = read.units(o, p), read.returned_units(o, p) - gone
            come, gone = held - before + returned, gone + returned
            days = {read.case.timeline.middle(month) for month in read.case.timeline.months_of(p)}
            hires = [h for h in read.sizing.hires if h.line == "rent" and h.item == o.item.id and h.on in days]
            usd = sum(h.usd * value(h.units) for h in hires)
            before = held
            if max(come, returned, held, usd) > 1e-6:
                rows.append((read.starts[p], o.item.id, come, returned, held, usd))
    return pd.DataFrame(rows, columns=COLUMNS)
