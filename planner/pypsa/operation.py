"""The operating side of a year as a network of PyPSA: one bus for the site, what feeds it, stores and is billed.

    site                     bus at medium voltage; Load: what the plan's hours draw there
    grid                     bus at the meter; Generators sell energy at the hour's price, one a tier
    connection <month>       Link grid -> site, open in its month alone, less the transformers' loss; extendable at the
                             month's demand charge, so that its capacity is the demand billed; at least the minimum take
    window <n> <month>       a second Link in a row, where demand has windows of its own
    export                   Link site -> sold, and a Generator of sign -1 that is paid
    <engine>                 Generator at fuel and O&M; one a month where availability limits the month's energy
    <solar, wind>            Generator at no cost, what the weather gives
    <battery>                Store with two Links, `charge` and `discharge`; its wear on what it gives
    shed <racks>             Generator at the value of the compute that is lost
    limit <name>             GlobalConstraint on what carriers burn and emit in the year

Prices are those of the operating blocks, per MWh. What the blocks hold and a network cannot is told by `notes`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.algebra import TINY
from planner.case.tariff import hourly_demand_period, hourly_energy_period
from planner.families.battery import Battery
from planner.families.generation import Generator
from planner.families.renewable import Renewable
from planner.operation.caps import Cap
from planner.pypsa.folder import Network
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import Year
from planner.sizing.targets import grid_steps
from planner.timeline import Hours

Array = NDArray[np.float64]
SITE, GRID, SOLD = "site", "grid", "sold"


def operating_network(year: Year, sizes: Sizes) -> Network:
    """The network of a year at the sizes of a plan, with the plan's dispatch in it."""
    net = bare(year, np.ones(len(year.month)))
    net.add("loads", "load", bus=SITE, p_set=sizes.load_mw())
    if year.case.tariff is not None:
        add_grid(net, year, sizes.grid_mw, np.ones(len(year.months)), sizes)
    for machine in year.plant.generators:
        _engine(net, year, machine, sizes)
    for cap in year.plant.caps:
        if expressible(year, cap):
            _limit(net, year, cap, sizes)
    for source in year.plant.renewables:
        mw = source.nameplate_mw * sizes.units(source.item.id)
        if mw > 0:
            net.add("carriers", source.item.id)
            output = {"p_nom": mw, "p": sizes.flow_mw(source.key)}
            net.add(
                "generators", source.item.id, bus=SITE, carrier=source.item.id, **output, p_max_pu=sun(year, source)
            )
    for store in year.plant.batteries:
        _battery(net, year, store, sizes)
    _shed(net, year, sizes)
    return net


def bare(year: Year, factor: Array) -> Network:
    """A network with its buses. factor: on the cost of energy, by step."""
    net = Network(f"{year.case.input.name}, {year.number}", year.snapshots, year.weight_h, year.step_h, factor)
    for carrier in ("AC", GRID):
        net.add("carriers", carrier)
    net.add("buses", SITE, carrier="AC")
    return net


def sun(year: Year, source: Renewable) -> Array:
    """What the weather gives of a renewable's nameplate, by step."""
    output = year.at(source.output_fraction)
    return np.where(output > TINY, output, 0.0)


# -- the grid ----------------------------------------------------------------------------------------------


def add_grid(net: Network, year: Year, grid_mw: float, factor: Array, sizes: Sizes | None = None) -> None:
    """Energy, demand charges and export. factor: on demand charges, by month; sizes: of the plan it is to show."""
    case, loss = year.case, year.plant.import_loss_fraction
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
    if case.export_usd_per_mwh is not None and case.input.site.grid.export is not None:
        most = min(grid_mw, case.input.site.grid.export.mw)
        sold = (year.at(case.export_usd_per_mwh) > 0).astype(float)
        out = sizes.flow_mw("grid_export") if sizes is not None else None
        net.add("buses", SOLD, carrier="AC")
        before = None if out is None else out / (1.0 - loss)
        ends = {"bus0": SITE, "bus1": SOLD, "carrier": GRID}
        net.add("links", "export", **ends, efficiency=1.0 - loss, p_nom=most / (1.0 - loss), p0=before)
        price = year.usd_per_mwh("grid_export")
        net.add(
            "generators",
            "export",
            bus=SOLD,
            carrier=GRID,
            sign=-1.0,
            p_nom=most,
            p_max_pu=sold,
            marginal_cost=price,
            p=out,
        )


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


# -- engines -----------------------------------------------------------------------------------------------


def _engine(net: Network, year: Year, machine: Generator, sizes: Sizes) -> None:
    """A generation item: all its units as one, what is online as in the plan."""
    item, units = machine.item.id, sizes.units(machine.item.id)
    permit = year.case.input.site.air_permit
    if units <= 0 or (permit is not None and permit.from_ > year.start):
        return
    net.add("carriers", item)
    most, mw = year.at(machine.capacity_fraction), machine.nameplate_mw * units
    least = np.zeros(len(most))
    if machine.committed:
        online = sizes.units_online(item) / units
        most, least = most * online, most * online * machine.minimum_load_fraction
    price, output = year.usd_per_mwh(machine.key), sizes.flow_mw(machine.key)
    engine = {"bus": SITE, "carrier": item, "p_nom": mw}
    if machine.availability >= 1.0:
        net.add("generators", item, **engine, marginal_cost=price, p_max_pu=most, p_min_pu=least, p=output)
        return
    rated = year.at(machine.capacity_fraction) * mw * year.weight_h
    for m, day in enumerate(year.months):
        inside = (year.month == m).astype(float)
        net.add(
            "generators",
            f"{item} {day:%Y-%m}",
            **engine,
            marginal_cost=price * inside,
            p_max_pu=most * inside,
            p_min_pu=least * inside,
            e_sum_max=machine.availability * float(rated @ inside),
            p=output * inside,
        )


def expressible(year: Year, cap: Cap) -> bool:
    """Whether a network can hold an annual limit: on what engines burn or give, by one factor, in one circle."""
    timeline = year.case.timeline
    known = {name for g in year.plant.generators for name in (g.key, g.online, g.started)}
    alone = timeline.repeats_year and year.period == timeline.last_period
    constant = all(name in known and not isinstance(factor, np.ndarray) for name, factor in cap.of_columns.items())
    return (
        bool(cap.of_columns)
        and constant
        and not (cap.permitted or cap.of_heat)
        and (alone or year.months[0].month == 1)
    )


def _limit(net: Network, year: Year, cap: Cap, sizes: Sizes) -> None:
    """An annual limit, less what the plan's commitment uses of it."""
    name, most, some = cap.key.removeprefix("cap:").replace(":", "_"), cap.per_year, False
    for machine in year.plant.generators:
        mw = machine.nameplate_mw * sizes.units(machine.item.id)
        if cap.rating == machine.key:
            most *= mw
        factor = float(cap.of_columns.get(machine.key, 0.0))
        if factor and machine.item.id in net.static["carriers"]:
            net.static["carriers"][machine.item.id][name], some = factor, True
        if machine.online in cap.of_columns:
            online = machine.nameplate_mw * sizes.units_online(machine.item.id)
            most -= float(cap.of_columns[machine.online]) * float(year.weight_h @ online)
        if machine.started in cap.of_columns:
            started = machine.nameplate_mw * sizes.units_online(machine.item.id, "started")
            most -= float(cap.of_columns[machine.started]) * float(year.weight_h @ started)
    if some:
        kind = {"type": "primary_energy", "carrier_attribute": name, "sense": "<="}
        net.add("global_constraints", f"limit {name}", **kind, constant=most)


# -- storage and compute -----------------------------------------------------------------------------------


def _battery(net: Network, year: Year, store: Battery, sizes: Sizes) -> None:
    """A battery less what it keeps back, from the charge the plan begins its year with to the same at the end."""
    item, held = store.item.id, sizes.held(store.item.id)
    power = store.power_mw * sizes.units(item) - held["held_mw"]
    energy = sizes.energy_mwh(store) - held["held_up_mwh"] - held["held_down_mwh"]
    if power <= TINY or energy <= TINY:
        return
    stored = np.clip(sizes.soc_mwh(item) - held["held_up_mwh"], 0.0, energy)
    begins = float(stored[-1])
    least, most = np.zeros(len(stored)), np.ones(len(stored))
    if year.plant.events:
        strikes = year.plant.strikes[year.step_of_year]
        least[np.roll(strikes, -1)] = min(sizes.reserve_mwh(item), energy) / energy
    fixed = year.last_of_month if year.sampled else np.arange(len(stored)) == len(stored) - 1
    least[fixed] = most[fixed] = begins / energy  # a sampled month is a circle; so is the year
    charge, discharge = sizes.flow_mw(f"charge:{item}"), sizes.flow_mw(f"discharge:{item}")
    net.add("carriers", item)
    net.add("buses", item, carrier=item)
    net.add(
        "stores", item, bus=item, carrier=item, e_nom=energy, e_initial=begins, e_min_pu=least, e_max_pu=most, e=stored
    )
    into = {"bus0": SITE, "bus1": item, "carrier": item, "efficiency": store.efficiency}
    net.add("links", f"{item} charge", **into, p_nom=power, p0=charge)
    wear = year.usd_per_mwh(f"discharge:{item}") * store.efficiency
    out = {"bus0": item, "bus1": SITE, "carrier": item, "efficiency": store.efficiency}
    given = discharge / store.efficiency
    net.add("links", f"{item} discharge", **out, p_nom=power / store.efficiency, marginal_cost=wear, p0=given)


def _shed(net: Network, year: Year, sizes: Sizes) -> None:
    """Compute that may be shed, at its value."""
    workload = year.case.input.workload
    if workload is None or workload.shed is None or workload.shed.fraction <= 0:
        return
    shape = year.case.load_shape[year.step_of_year]
    for rack in year.plant.racks:
        mw = workload.shed.fraction * rack.average_mw * sizes.units(rack.item.id, "running")
        name = f"compute_shed:{rack.item.id}"
        if mw > 0:
            net.add("carriers", f"shed {rack.item.id}")
            shed = {"bus": SITE, "carrier": f"shed {rack.item.id}", "p_nom": mw, "p_max_pu": shape}
            price = year.usd_per_mwh(name)
            net.add("generators", f"shed {rack.item.id}", **shed, marginal_cost=price, p=sizes.flow_mw(name))
