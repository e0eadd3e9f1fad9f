"""What a promise to be curtailed costs in the hours that are called, and what a call leaves of the connection.

In a call import is held below what is left, with phi the share left of what is called, and U the megawatts that are not
called, a linking component: the firm MW of the date where steps of the connection are not firm, else none.
    grid_limit[t]:      import(t) <= grid MW
    grid_called[t]:     import(t) <= phi x grid MW + (1 - phi) x U

Any hour of the year may be called, and no hour is known to be. So the H hours a year are an expectation, spread evenly
over the hours of the year and linear in what runs:
    curtailed compute (value, not paid)
        H x share that may be shed x GPUs that run x worth of a GPU-hour: as though all that may be shed were shed in
        every called hour
    called hours (estimate)
        H / 8,760 of all that is imported, times the share called and not shed, made by the dearest generator of the
        case instead, at its full-load fuel and O&M, less the first price of the tariff in that hour; without
        generators, what a battery of the worst efficiency loses of it. Never below zero; it grows as that fuel, or as
        energy, does.
Both are estimates from above: some calls need less. The first tier's price stands for the energy not bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from planner.algebra import BlockBuilder
from planner.case.case import Case
from planner.case.permits import Curtailment
from planner.case.tariff import first_energy_price
from planner.families.battery import Battery
from planner.families.compute import Compute
from planner.families.generation import Generator
from planner.timeline import Hours
from planner.units import HOURS_PER_YEAR

UNCALLED = "uncalled_mw"  # linking component


def operate(
    builder: BlockBuilder,
    hours: Hours,
    case: Case,
    racks: Sequence[Compute],
    machines: Sequence[Generator],
    stores: Sequence[Battery],
) -> None:
    """Expected cost of called hours in a block. Links: the mean draw of every compute item."""
    promise = case.input.site.grid.curtailment
    if promise is None or case.tariff is None:
        return
    expected = promise.hours_per_year / HOURS_PER_YEAR
    worth = (promise.usd_per_gpu_hour or 0.0) * promise.compute_may_shed
    for rack in racks if worth else ():
        shed = builder.add_single(f"curtailed:{rack.item.id}")
        builder.total(f"curtailed_compute:{rack.item.id}", [(-1.0, shed.index)], [(1.0, rack.key)])
        usd_per_mw = worth * rack.gpus / rack.average_mw * expected * hours.weight * len(hours)
        builder.price("curtailed compute (value, not paid)", shed, usd_per_mw)
    share = expected * (1.0 - promise.grid_fraction_left) * (1.0 - promise.compute_may_shed)
    price = first_energy_price(case.tariff, hours)
    growth = case.input.finance.escalation_fraction_per_year
    imported = builder.columns("grid_import")
    if machines:
        dearest = max(machines, key=lambda g: g.fuel_usd_per_mwh + g.variable_om_usd_per_mwh)
        usd = np.maximum(0.0, dearest.fuel_usd_per_mwh + dearest.variable_om_usd_per_mwh - price)
        builder.price("called hours (estimate)", imported, share * usd * hours.weight, dearest.fuel_growth_per_year)
    elif stores:
        lost = 1.0 / min(store.efficiency for store in stores) ** 2 - 1.0
        usd = np.maximum(0.0, lost * price)
        builder.price("called hours (estimate)", imported, share * usd * hours.weight, growth.energy)


def firm_mw(case: Case, promise: Curtailment, period: int) -> float:
    """Import that is not called in a period: of the last firm step begun, where some step is not firm. [MW]"""
    steps, start = case.input.site.grid.interconnection, case.timeline.starts[period]
    if all(step.firm for step in steps):
        return 0.0
    closed = case.gates.get("grid", date.min) > start
    begun = [s.mw for s in steps if s.firm and s.from_ <= start and not (closed and s.via == "substation")]
    return begun[-1] if begun else 0.0
