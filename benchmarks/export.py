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
from planner.case.tariff import hourly_energy_period
from planner.finance import discount_factor
from planner.operation.blocks import Plant, plant_of
from planner.sizing.options import USD_PER_KUSD, options_of
from planner.units import KW_PER_MW

Array = NDArray[np.float64]
# Units no sensible plan exceeds, as load they could carry over the highest load: the peers' solver gains by bounds.
_MOST_LOAD, _MOST_LOAD_HOURS = 1.8, 30.0


def arrays_of(case: Case) -> dict[str, Any]:
    """The case as arrays. Items come first in every shape, then years, then hours of the reference year."""
    plant, load = plant_of(case), case.load_series_mw
    assert load is not None
    starts, rate, timeline = case.timeline.starts, case.input.finance.discount_rate, case.timeline
    fractions = [_fraction(case, day) for day in starts]
    highest = float(load.max()) * max(fractions)
    energy, demand = _bill(case)
    usd = _unit_usd(plant, starts)
    batteries, engines, suns = plant.batteries, plant.generators, plant.renewables
    return {
        "load_mw": load,
        "load_fraction": np.array(fractions),
        "grid_mw": np.array([_grid_mw(case, day) for day in starts]),
        "month_weight": np.array(
            [discount_factor(rate, timeline.middle(m), timeline.start) for m in range(12 * len(starts))]
        ),
        "energy_usd_per_mwh": energy,
        "demand_usd_per_mw": demand,
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


def _bill(case: Case) -> tuple[Array, Array]:
    """Energy price by hour of the reference year, USD/MWh, and demand charge by month, USD/MW."""
    tariff = case.tariff
    assert tariff is not None
    months = [case.timeline.block_hours(f"m{month:02d}") for month in range(1, 13)]  # tariffs go by the local clock
    period = np.concatenate([hourly_energy_period(tariff, h.month, h.hour_of_day, h.is_weekend) for h in months])
    price = np.array([tiers[0].usd_per_mwh for tiers in tariff.energy_tiers])
    assert all(len(tiers) == 1 for tiers in tariff.energy_tiers)
    assert not tariff.tou_demand_usd_per_kw
    return price[period], tariff.flat_demand_usd_per_kw * KW_PER_MW


def _grid_mw(case: Case, day: date) -> float:
    return [step.mw for step in case.input.site.grid.interconnection if step.from_ <= day][-1]


def _fraction(case: Case, day: date) -> float:
    return [1.0, *(step.fraction for step in case.input.target.load_scale if step.from_ <= day)][-1]


if __name__ == "__main__":
    folder = write_case(sys.argv[1], Path(sys.argv[2]))
    np.savez(Path(sys.argv[3]), **arrays_of(load_case(folder)))
