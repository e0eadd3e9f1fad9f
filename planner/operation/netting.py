"""A mix of dispatches without charging and discharging at once, in closed form.

Of dispatches that each run one way in an hour a mix may run both. With eta the efficiency of each direction, the
same stored energy moves by one of the two alone:

    eta c' - d' / eta = eta c - d / eta,   c' d' = 0

That loses less, so more power is left than before. As much less is bought or produced in that hour, in the order
grid, fuel, sun and wind: the mix then costs no more where energy has a price above zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block

Array = NDArray[np.float64]
_SOURCES = ("grid_import", "generation:", "renewable:")


def netted(block: Block, primal: Array) -> Array | None:
    """The dispatch with every battery running one way; None where what is left over cannot be left out."""
    result = primal.copy()
    balance = block.matrix[block.row_group == block.constraints.index("power_balance")]
    over = np.zeros(block.hours)
    for name, charge in block.columns.items():
        kind, _, item = name.partition(":")
        if kind != "charge":
            continue
        discharge = block.columns[f"discharge:{item}"]
        energy = block.matrix[block.row_group == block.constraints.index(f"battery_energy_balance:{item}")]
        inward = -_coefficients(energy, charge.index)  # MWh stored of a MW charged
        outward = _coefficients(energy, discharge.index)  # MWh taken of a MW given
        c, d = primal[charge.index], primal[discharge.index]
        stored = inward * c - outward * d
        both = (c > 0) & (d > 0)
        result[charge.index] = np.where(both, np.maximum(stored, 0.0) / inward, c)
        result[discharge.index] = np.where(both, np.maximum(-stored, 0.0) / outward, d)
        gained = result[discharge.index] - d - result[charge.index] + c
        over += np.where(both, gained, 0.0)
    for name, source in block.columns.items():
        if name.startswith(_SOURCES):
            factor = _coefficients(balance, source.index)
            less = np.minimum(over[source.hours], factor * result[source.index])
            result[source.index] -= less / factor
            over[source.hours] -= less
    return result if over.max(initial=0.0) <= 1e-9 else None


def _coefficients(rows: object, columns: NDArray[np.int64]) -> Array:
    """The one entry of each column in some rows."""
    part = rows[:, columns].tocsc()  # type: ignore[index]
    return np.asarray(part.data)
