"""Solar and wind: energy when the weather gives it, never firm capacity.

renewable_output[t]:  used_j(t) <= availability_j(t) x MW_j          the rest is spilled
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import TINY, BlockBuilder
from planner.case.case import Case
from planner.case.item import Item
from planner.case.resource import solar_output_fraction, wind_output_fraction
from planner.timeline import Hours

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Renewable:
    """One solar or wind item at this site."""

    key: str  # linking component, MW AC installed
    item: Item
    nameplate_mw: float
    output_fraction: Array  # (8760,) of nameplate


def renewables(case: Case) -> tuple[Renewable, ...]:
    """Every renewable candidate with its hourly output at the site."""
    ids = [*case.candidates.get("renewable", ())]
    ids += [name for name in case.input.owned if case.catalog[name].family == "renewable"]
    result = []
    for item_id in dict.fromkeys(ids):
        item = case.catalog[item_id]
        if item.dc_ac_ratio is not None:
            output = solar_output_fraction(case.weather, dc_ac_ratio=item.get("dc_ac_ratio"))
        else:
            output = wind_output_fraction(case.weather)
        output = np.where(output > TINY, output, 0.0)
        result.append(Renewable(f"renewable:{item_id}", item, item.get("nameplate_power_mw"), output))
    return tuple(result)


def operate(builder: BlockBuilder, hours: Hours, sources: tuple[Renewable, ...]) -> None:
    """Renewable energy used in a block. Links: renewable:<item> in MW."""
    for source in sources:
        available = source.output_fraction[hours.hour_of_year]
        lit = np.flatnonzero(available > TINY)
        if not len(lit):
            continue
        used = builder.add(source.key, hours=lit)
        builder.supply(used)
        builder.rows(f"renewable_output:{source.item.id}", [(1.0, used.index)], [(-available[lit], source.key)])
