"""The grid of a year's network: energy at the meter, demand charges as links that are open in their hours, export."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.case.tariff import hourly_demand_period, hourly_energy_period
from planner.pypsa.folder import Network
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import Year
from planner.sizing.targets import grid_steps
from planner.timeline import Hours

Array = NDArray[np.float64]
SITE, GRID, SOLD = "site", "grid", "sold"


def add_grid(net: Network, year: Year, grid_mw: float, factor: Array, sizes: Sizes | None = None) -> None:
    """Energy, demand charges and export. factor: on demand charges, by month; sizes: of the plan it is to show."""
    loss = year.plant.import_loss_fraction
    imported = sizes.flow_mw("grid_import") if sizes is not None else None
    net.add("buses", GRID, carrier="AC")
    _energy(net, year, grid_mw, _import_fraction(year, grid_mw, sizes), imported)
    windows = _windows(year)
    first = "windows" if windows else SITE
    if windows:
        net.add("buses", first, carrier="AC")
    for m, day in enumerate(year.months):
        usd = year.usd_of_month("billed_demand", m) * factor[m]
        least = _least_billed_mw(year, m, sizes) if usd > 0 else 0.0
        open_ = (year.month == m).astype(float)
        efficiency = 1.0 if windows else 1.0 - loss
        _billed(net, f"connection {day:%Y-%m}", (GRID, first, efficiency), grid_mw, usd, open_, imported, least)
    if windows:
        free = np.ones(len(year.month))
        for (m, p), open_ in windows.items():
            usd, free = year.usd_of_month(f"billed_demand:window_{p}", m) * factor[m], free - open_
            name = f"window {p} {year.months[m]:%Y-%m}"
            _billed(net, name, (first, SITE, 1.0 - loss), grid_mw, usd, open_, imported)
        _billed(net, "outside windows", (first, SITE, 1.0 - loss), grid_mw, 0.0, free, imported)
    _export(net, year, grid_mw, sizes)


def _export(net: Network, year: Year, grid_mw: float, sizes: Sizes | None) -> None:
    """What the utility takes back and pays for, where it does."""
    case, loss = year.case, year.plant.import_loss_fraction
    if case.export_usd_per_mwh is None or case.input.site.grid.export is None:
        return
    most = min(grid_mw, case.input.site.grid.export.mw)
    out = sizes.flow_mw("grid_export") if sizes is not None else None
    net.add("buses", SOLD, carrier="AC")
    link = {"bus0": SITE, "bus1": SOLD, "carrier": GRID, "efficiency": 1.0 - loss, "p_nom": most / (1.0 - loss)}
    net.add("links", "export", **link, p0=None if out is None else out / (1.0 - loss))
    sold = {"bus": SOLD, "carrier": GRID, "sign": -1.0, "p_nom": most, "p": out}
    pays = (year.at(case.export_usd_per_mwh) > 0).astype(float)
    net.add("generators", "export", **sold, p_max_pu=pays, marginal_cost=year.usd_per_mwh("grid_export"))


def _import_fraction(year: Year, grid_mw: float, sizes: Sizes | None) -> Array:
    """Most import over the connection, by step: in months a ratchet counts, the peak the plan has promised."""
    tariff, most = year.case.tariff, np.ones(len(year.month))
    if tariff is None or sizes is None or tariff.ratchet_fraction <= 0 or grid_mw <= 0:
        return most
    counts = np.array([day.month - 1 in tariff.ratchet_months for day in year.months])
    return np.where(counts, sizes.peaks_mw() / grid_mw, 1.0)[year.month]


def _energy(net: Network, year: Year, grid_mw: float, most: Array, imported: Array | None) -> None:
    """Generators that sell energy at the meter."""
    tariff, price = year.case.tariff, year.usd_per_mwh("grid_import")
    assert tariff is not None
    if all(len(tiers) == 1 for tiers in tariff.energy_tiers):
        sold = {"bus": GRID, "carrier": GRID, "p_nom": grid_mw, "p_max_pu": most}
        net.add("generators", GRID, **sold, marginal_cost=price, p=imported)
        return
    period = year.over(lambda part: hourly_energy_period(tariff, *_clock(part.hours)))
    growth = year.case.escalation
    for m, day in enumerate(year.months):
        for p, tiers in enumerate(tariff.energy_tiers):
            inside = (year.month == m) & (period == p)
            if not inside.any():
                continue
            taken = None if imported is None else np.cumsum(np.where(inside, imported, 0.0) * year.weight_h)
            below = 0.0
            for k, tier in enumerate(tiers, 1):
                more = (tier.usd_per_mwh - tiers[0].usd_per_mwh) * growth("energy", day.year)
                width, shown = tier.up_to_mwh_per_month - below, None
                if taken is not None:
                    filled = np.clip(taken - below, 0.0, width)
                    shown = np.diff(filled, prepend=0.0) / year.weight_h
                net.add(
                    "generators",
                    f"{GRID} {day:%Y-%m} period {p} tier {k}",
                    bus=GRID,
                    carrier=GRID,
                    p_nom=grid_mw,
                    p_max_pu=inside * most,
                    marginal_cost=np.where(inside, price + more, 0.0),
                    e_sum_max=width if np.isfinite(width) else None,
                    p=shown,
                )
                below = tier.up_to_mwh_per_month


def _billed(
    net: Network,
    name: str,
    way: tuple[str, str, float],
    grid_mw: float,
    usd_per_mw: float,
    open_: Array,
    imported: Array | None,
    least_mw: float = 0.0,
) -> None:
    """A link whose highest flow is billed in the steps it is open. way: from, to, efficiency."""
    shown = None if imported is None else imported * open_
    link = {"bus0": way[0], "bus1": way[1], "carrier": GRID, "efficiency": way[2], "p_max_pu": open_, "p0": shown}
    if usd_per_mw <= 0:
        net.add("links", name, **link, p_nom=grid_mw)
        return
    link |= {"p_nom_extendable": True, "p_nom_min": least_mw, "p_nom_max": max(grid_mw, least_mw)}
    billed = None if shown is None else max(least_mw, float(shown.max()))
    net.add("links", name, **link, capital_cost=usd_per_mw, p_nom_opt=billed)


def _least_billed_mw(year: Year, month: int, sizes: Sizes | None) -> float:
    """Demand of a month that is billed whatever its peak: the minimum take, and the ratchet as the plan has it. [MW]"""
    tariff = year.case.tariff
    assert tariff is not None
    least = tariff.minimum_take_fraction * grid_steps(year.case, year.period)[1]
    if tariff.ratchet_fraction > 0 and sizes is not None:
        least = max(least, tariff.ratchet_fraction * sizes.ratchet_mw(month))
    return least


def _windows(year: Year) -> dict[tuple[int, int], Array]:
    """(month, demand period) that is billed -> 1 in its steps, 0 in others."""
    tariff = year.case.tariff
    assert tariff is not None
    period = year.over(lambda part: hourly_demand_period(tariff, *_clock(part.hours)))
    found = {}
    for m in range(len(year.months)):
        for p in range(len(tariff.tou_demand_usd_per_kw)):
            inside = (year.month == m) & (period == p)
            if inside.any() and year.usd_of_month(f"billed_demand:window_{p}", m) > 0:
                found[m, p] = inside.astype(float)
    return found


def _clock(hours: Hours) -> tuple[int, NDArray[np.int64], NDArray[np.bool_]]:
    """What a tariff goes by."""
    return hours.month, hours.hour_of_day, hours.is_weekend
