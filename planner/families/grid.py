"""The grid connection and its bill.

    grid_limit[t]:               import(t) + export(t) <= grid MW of the date
    export_limit[t]:             export(t) <= MW the utility takes back       0 in hours where export has to be paid for
    billed_demand[t]:            billed >= import(t)              in every hour of the demand window
    minimum_take:                billed >= fraction x contracted MW
    peak[t], ratchet_peak:       import(t) <= peak <= peak MW of the month, and billed >= peak
                                                                        in months whose peaks the ratchet counts
    ratchet:                     billed >= fraction x ratchet MW
    energy_tier_*:               import of a period = sum of its tiers, each up to its MWh a month
Demand is billed on the mean of a step of the model (`horizon.step_minutes`): write the meter's 15 or 30 minutes and
a load on that step where peaks inside the hour matter. Losses of the main transformers
are taken on all import and on all export. Export earns less than import costs in every hour (a rule of the case),
so no plan does both at once: what the connection carries is the sum of the two. Coincident peaks are a price on the
import of their hours. The ratchet ties months together: the sizing model sets each month's peak, and the highest of
the eleven months before, as linking components of all its blocks. Where a month is several blocks, its billed peaks
and the MWh of its tiers are links too, and minimum take and ratchet hold the month's billed peak in the sizing model.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Shared
from planner.case.money import Escalation
from planner.case.tariff import Tariff, first_energy_price, hourly_demand_period, hourly_energy_period
from planner.timeline import Hours

Array = NDArray[np.float64]
KW_PER_MW = 1000.0


def operate(
    builder: BlockBuilder,
    hours: Hours,
    tariff: Tariff | None,
    import_loss_fraction: float,
    export_usd_per_mwh: Array | None = None,
    growth: Escalation = Escalation(),  # noqa: B008 - frozen
) -> None:
    """Import and export in a block. Links: grid_mw (limit), contract_mw, one (tier sizes), export_mw, and with a
    ratchet peak_mw (no import above it in a month that counts) and ratchet_mw (highest peak of the months before).
    """
    if tariff is None:
        return
    imported = builder.add("grid_import")
    builder.supply(imported, 1.0 - import_loss_fraction)
    both: list[tuple[Array | float, NDArray[np.int64]]] = [(1.0, imported.index)]
    if export_usd_per_mwh is not None:
        exported = builder.add("grid_export")
        builder.draw(exported, 1.0 / (1.0 - import_loss_fraction))
        earned = -export_usd_per_mwh[hours.hour_of_year] * hours.weight
        builder.price("export receipts", exported, earned, growth.export)
        # What would have to be paid for is not exported: nothing has to be produced. Through losses it would pay to
        # buy what is paid for even more and to give it back.
        sold = (export_usd_per_mwh[hours.hour_of_year] > 0).astype(float)
        builder.rows("export_limit", [(1.0, exported.index)], [(-sold, "export_mw")])
        both.append((1.0, exported.index))
    builder.rows("grid_limit", both, [(-1.0, "grid_mw")])
    _energy(builder, hours, tariff, imported.index, growth.energy)
    flat = float(tariff.flat_demand_usd_per_kw[hours.month])
    counts = hours.month in tariff.ratchet_months
    if flat > 0 or counts:
        billed = builder.add_single("billed_demand")
        builder.price("demand charge", billed, flat * KW_PER_MW, growth.demand)
        peak = builder.add_single("peak") if counts else billed
        of_month = _share(builder, "billed_demand")
        above = [(1.0, imported.index), (-1.0, np.repeat(peak.index, len(imported.index)))]
        builder.rows("peak" if counts else "billed_demand", above, [] if counts else of_month)
        if counts:
            builder.total("ratchet_peak", [(1.0, peak.index)], [(-1.0, "peak_mw")])
            builder.total("billed_demand", [(1.0, peak.index), (-1.0, billed.index)], of_month)
        if tariff.ratchet_fraction > 0 and not of_month:
            builder.total("ratchet", [(-1.0, billed.index)], [(tariff.ratchet_fraction, "ratchet_mw")])
        if tariff.minimum_take_fraction > 0 and not of_month:
            builder.total("minimum_take", [(-1.0, billed.index)], [(tariff.minimum_take_fraction, "contract_mw")])
    if tariff.coincident_hours is not None:
        struck = np.isin(hours.hour_of_year, tariff.coincident_hours)
        each = tariff.coincident_usd_per_kw_year * KW_PER_MW * hours.step_h / len(tariff.coincident_hours)
        builder.price("coincident peak charge", imported, np.where(struck, each, 0.0), growth.demand)
    period = hourly_demand_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, usd_per_kw in enumerate(tariff.tou_demand_usd_per_kw):
        window = imported.index[period == p]
        if usd_per_kw > 0 and len(window):
            name = f"billed_demand:window_{p}"
            peak = builder.add_single(name)
            builder.price("time-of-use demand charge", peak, usd_per_kw * KW_PER_MW, growth.demand)
            terms = [(1.0, window), (-1.0, np.repeat(peak.index, len(window)))]
            builder.rows(name, terms, _share(builder, name))


def shared(hours: Hours, tariff: Tariff | None, growth: Escalation) -> tuple[Shared, ...]:
    """What the blocks of a month share: billed peaks, and the MWh of energy tiers."""
    if tariff is None:
        return ()
    found = []
    flat = float(tariff.flat_demand_usd_per_kw[hours.month]) * KW_PER_MW
    if flat > 0:
        least = [(tariff.minimum_take_fraction, "contract_mw"), (tariff.ratchet_fraction, "ratchet_mw")]
        held = tuple((fraction, link) for fraction, link in least if fraction > 0)
        found.append(Shared("billed_demand", held, flat, "demand charge", growth.demand, "billed_demand"))
    window = hourly_demand_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, usd_per_kw in enumerate(tariff.tou_demand_usd_per_kw):
        name = f"billed_demand:window_{p}"
        if usd_per_kw > 0 and (window == p).any():
            found.append(Shared(name, (), usd_per_kw * KW_PER_MW, "time-of-use demand charge", growth.demand, name))
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


def _energy(builder: BlockBuilder, hours: Hours, tariff: Tariff, imported: np.ndarray, growth: float) -> None:
    builder.price("energy", builder.columns("grid_import"), first_energy_price(tariff, hours) * hours.weight, growth)
    period = hourly_energy_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)
    for p, tiers in enumerate(tariff.energy_tiers):
        inside = period == p
        if not inside.any() or len(tiers) == 1:
            continue
        # The first tier's price is on the import itself; each higher tier costs its step more.
        below = 0.0
        for k, (tier, above) in enumerate(pairwise(tiers), 1):
            below = tier.up_to_mwh_per_month
            extra = builder.add_single(f"energy_above_tier:{p}:{k}")
            builder.price("energy", extra, above.usd_per_mwh - tier.usd_per_mwh, growth)
            assert math.isfinite(below)
            name = f"energy_tier:{p}:{k}"
            terms = [(hours.weight, imported[inside]), (-1.0, extra.index)]
            builder.total(name, terms, _share(builder, name, below))
