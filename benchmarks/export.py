"""A site case as plain arrays: what the planner itself works with, for solvers that do not know the planner.

The peers read this file and nothing else, so all solve the same mathematical problem:

    present value of  units bought (price, O&M and residual of one unit, by the ledger)
                    + energy import, demand charge on the month's highest import, fuel and O&M of engines, wear
    s.t. every hour:  import + engines + PV used + discharge = load + charge
         import <= grid;  engine <= rating of the hour x standing;  PV used <= what the sky gives
         engine energy of a month <= availability x its rating of the month
         stored energy follows charge and discharge, starts every year empty, stays below its MWh
         charge + discharge <= MW of the batteries;  batteries and engines in whole units, PV by the MW

A period is a year with additions at its start; a year is twelve months, each with its discount weight.

    python -m benchmarks.export NAME FOLDER OUT.npz     writes the case, then its arrays
"""

from __future__ import annotations

import math
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import write_case
from planner.case.case import Case, load_case
from planner.finance import discount_factor
from planner.operation.blocks import Plant
from planner.pypsa.year import year_of, years_of
from planner.sizing.options import USD_PER_KUSD, options_of
from planner.sizing.targets import grid_steps, load_scale

Array = NDArray[np.float64]
# Units no sensible plan exceeds, as load they could carry over the highest load: the peers' solver gains by bounds.
_MOST_LOAD, _MOST_LOAD_HOURS = 1.8, 30.0


def arrays_of(case: Case) -> dict[str, Any]:
    """The case as arrays. Items come first in every shape, then years, then hours of the reference year."""
    year = year_of(case, min(years_of(case)))
    plant, load = year.plant, case.load_series_mw
    assert load is not None
    starts, rate, timeline = case.timeline.starts, case.input.finance.discount_rate, case.timeline
    fractions = [load_scale(case, p) for p in range(len(starts))]
    highest = float(load.max()) * max(fractions)
    usd = _unit_usd(plant, starts)
    batteries, engines, suns = plant.batteries, plant.generators, plant.renewables
    return {
        "load_mw": load,
        "load_fraction": np.array(fractions),
        "grid_mw": np.array([grid_steps(case, p)[1] for p in range(len(starts))]),
        "month_weight": np.array(
            [discount_factor(rate, timeline.middle(m), timeline.start) for m in range(12 * len(starts))]
        ),
        "energy_usd_per_mwh": year.usd_per_mwh("grid_import"),
        "demand_usd_per_mw": np.array([year.usd_of_month("billed_demand", m) for m in range(12)]),
        "battery_usd": np.array([usd[b.item.id] for b in batteries]),
        "battery_most": np.array([math.ceil(_MOST_LOAD_HOURS * highest / b.energy_mwh) for b in batteries]),
        "battery_mw": np.array([b.power_mw for b in batteries]),
        "battery_mwh": np.array([b.energy_mwh for b in batteries]),
        "battery_one_way_efficiency": np.array([b.efficiency for b in batteries]),
        "battery_wear_usd_per_mwh": np.array([b.wear_usd_per_mwh for b in batteries]),
        "engine_usd": np.array([usd[g.item.id] for g in engines]),
        "engine_most": np.array([math.ceil(_MOST_LOAD * highest / g.firm_mw) for g in engines]),
        "engine_mw": np.array([g.nameplate_mw for g in engines]),
        "engine_fraction": np.array([g.capacity_fraction for g in engines]),
        "engine_availability": np.array([g.availability for g in engines]),
        "engine_usd_per_mwh": np.array([g.fuel_usd_per_mwh + g.variable_om_usd_per_mwh for g in engines]),
        "pv_usd": np.array([usd[r.item.id] for r in suns]),
        "pv_mw": np.array([r.nameplate_mw for r in suns]),
        "pv_fraction": np.array([r.output_fraction for r in suns]),
    }


def _unit_usd(plant: Plant, starts: tuple[date, ...]) -> dict[str, list[float]]:
    """Present value of one unit of an item bought to serve from the start of each year."""
    result = {}
    for option in options_of(plant):
        usd = {order.dates.in_service: order.cost_kusd * USD_PER_KUSD for order in option.orders}
        result[option.key] = [usd[day] for day in starts]
    return result


if __name__ == "__main__":
    folder = write_case(sys.argv[1], Path(sys.argv[2]))
    np.savez(Path(sys.argv[3]), **arrays_of(load_case(folder)))
