"""The grid connection and its bill.

    grid_limit[t]:               import(t) <= grid MW of the date
    billed_demand[t]:            billed >= import(t)              in every hour of the demand window
    minimum_take:                billed >= fraction x contracted MW
    energy_tier_*:               import of a period = sum of its tiers, each up to its MWh a month
Demand is billed on the mean of a step of the model (`horizon.step_minutes`): write the meter's 15 or 30 minutes and
a load on that step where peaks inside the hour matter. Losses of the main transformers
are taken on all import. Where a month is several blocks, its billed peaks and the MWh of its tiers are links.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from planner.algebra import BlockBuilder, Shared
from planner.case.tariff import Tariff, hourly_demand_period, hourly_energy_period
from planner.timeline import Hours

KW_PER_MW = 1000.0


def operate(builder: BlockBuilder, hours: Hours, tariff: Tariff | None, import_loss_fraction: float) -> None:
    """Import in a block. Links: grid_mw (limit), contract_mw, one (for tier sizes)."""
    if tariff is None:
        return
    imported = builder.add("grid_import")
    builder.supply(imported, 1.0 - import_loss_fraction)
    builder.rows("grid_limit", [(1.0, imported.index)], [(-1.0, "grid_mw")])
    _energy(builder, hours, tariff, imported.index)
    flat = float(tariff.flat_demand_usd_per_kw[hours.month])
    if flat > 0:
        billed = builder.add_single("billed_demand")
        builder.price("demand charge", billed, flat * KW_PER_MW)
        builder.rows(
            "billed_demand",
            [(1.0, imported.index), (-1.0, np.repeat(billed.index, len(imported.index)))],
            _share(builder, "billed_demand"),
        )
        if tariff.minimum_take_fraction > 0 and not builder.shares("billed_demand"):
            builder.total("minimum_take", [(-1.0, billed.index)], [(tariff.minimum_take_fraction, "contract_mw")])
    period = hourly_demand_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, usd_per_kw in enumerate(tariff.tou_demand_usd_per_kw):
        window = imported.index[period == p]
        if usd_per_kw > 0 and len(window):
            name = f"billed_demand:window_{p}"
            peak = builder.add_single(name)
            builder.price("time-of-use demand charge", peak, usd_per_kw * KW_PER_MW)
            terms = [(1.0, window), (-1.0, np.repeat(peak.index, len(window)))]
            builder.rows(name, terms, _share(builder, name))


def shared(hours: Hours, tariff: Tariff | None) -> tuple[Shared, ...]:
    """What the blocks of a month share: billed peaks, and the MWh of energy tiers."""
    if tariff is None:
        return ()
    found = []
    flat = float(tariff.flat_demand_usd_per_kw[hours.month]) * KW_PER_MW
    if flat > 0:
        least = ((tariff.minimum_take_fraction, "contract_mw"),)
        found.append(Shared("billed_demand", least, flat, "demand charge", "billed_demand"))
    window = hourly_demand_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, usd_per_kw in enumerate(tariff.tou_demand_usd_per_kw):
        name = f"billed_demand:window_{p}"
        if usd_per_kw > 0 and (window == p).any():
            found.append(Shared(name, (), usd_per_kw * KW_PER_MW, "time-of-use demand charge", name))
    period = hourly_energy_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, tiers in enumerate(tariff.energy_tiers):
        if (period == p).any():
            for k, tier in enumerate(tiers[:-1], 1):
                whole = ((tier.up_to_mwh_per_month, "one"),)
                found.append(Shared(f"energy_tier:{p}:{k}", whole, excess=f"energy_above_tier:{p}:{k}"))
    return tuple(found)


def _share(builder: BlockBuilder, name: str, otherwise: float = 0.0) -> list[tuple[float, str]]:
    """Link of a quantity that blocks of a month share; one block of a whole month has `otherwise` of it."""
    if builder.shares(name):
        return [(-1.0, name)]
    return [(-otherwise, "one")] if otherwise else []


def _energy(builder: BlockBuilder, hours: Hours, tariff: Tariff, imported: np.ndarray) -> None:
    period = hourly_energy_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    price = np.zeros(len(imported))
    for p, tiers in enumerate(tariff.energy_tiers):
        inside = period == p
        if not inside.any():
            continue
        price[inside] = tiers[0].usd_per_mwh
        if len(tiers) == 1:
            continue
        # The first tier's price is on the import itself; each higher tier costs its step more.
        below = 0.0
        for k, (tier, above) in enumerate(pairwise(tiers), 1):
            below = tier.up_to_mwh_per_month
            extra = builder.add_single(f"energy_above_tier:{p}:{k}")
            builder.price("energy", extra, above.usd_per_mwh - tier.usd_per_mwh)
            assert math.isfinite(below)
            name = f"energy_tier:{p}:{k}"
            terms = [(hours.weight, imported[inside]), (-1.0, extra.index)]
            builder.total(name, terms, _share(builder, name, below))
    builder.price("energy", builder.columns("grid_import"), price * hours.weight)
