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
from planner.families.battery import Battery
from planner.families.renewable import Renewable
from planner.pypsa.engines import add_engine, add_limit, expressible
from planner.pypsa.folder import Network
from planner.pypsa.grid import GRID, SITE, add_grid
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import Year

Array = NDArray[np.float64]


def operating_network(year: Year, sizes: Sizes) -> Network:
    """The network of a year at the sizes of a plan, with the plan's dispatch in it."""
    net = bare(year, np.ones(len(year.month)))
    net.add("loads", "load", bus=SITE, p_set=sizes.load_mw())
    if year.case.tariff is not None:
        add_grid(net, year, sizes.grid_mw, np.ones(len(year.months)), sizes)
    for machine in year.plant.generators:
        add_engine(net, year, machine, sizes)
    for cap in year.plant.caps:
        if expressible(year, cap):
            add_limit(net, year, cap, sizes)
    for source in year.plant.renewables:
        item, mw = source.item.id, source.nameplate_mw * sizes.units(source.item.id)
        if mw > 0:
            net.add("carriers", item)
            output = {"p": sizes.flow_mw(source.key), "p_max_pu": sun(year, source)}
            net.add("generators", item, bus=SITE, carrier=item, p_nom=mw, **output)
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
