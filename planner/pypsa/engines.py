"""The engines of a year's network, and the annual limits on what they burn, emit and run."""

from __future__ import annotations

import numpy as np

from planner.families.generation import Generator
from planner.operation.caps import Cap
from planner.pypsa.folder import Network
from planner.pypsa.grid import SITE
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import Year


def add_engine(net: Network, year: Year, machine: Generator, sizes: Sizes) -> None:
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


def add_limit(net: Network, year: Year, cap: Cap, sizes: Sizes) -> None:
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
