"""A case that has no plan yet as a network whose sizes PyPSA decides: a given load, and what is there from the start.

Sizes cost what the ledger says a unit costs, as present value over the horizon; energy and demand are weighted by the
same present value. Whole units are `p_nom_mod`. Batteries are StorageUnits, power and energy in proportion.
"""

from __future__ import annotations

import numpy as np

from planner.case.case import Case
from planner.families.generation import generators
from planner.pypsa.folder import Network
from planner.pypsa.grid import SITE, add_grid
from planner.pypsa.operation import bare, sun
from planner.pypsa.year import Year
from planner.sizing.options import USD_PER_KUSD, Option, options_of
from planner.sizing.targets import grid_steps, load_scale


def not_simple(case: Case) -> list[str]:
    """Why a case cannot be sized by a network alone; nothing where it can."""
    given = case.input
    fields = {
        "target.milestones": bool(given.target.milestones),
        "horizon.build_months": given.horizon.build_months > 0,
        "horizon.expansion_years": given.horizon.expansion_years > 0,
        "committed or existing": bool(given.owned),
        "events": bool(given.events),
        "budget": bool(given.budget),
        "site.caps": given.site.caps is not None,
        "site.gas": given.site.gas is not None,
        "site.air_permit": given.site.air_permit is not None,
        "site.grid.tariff.ratchet": case.tariff is not None and case.tariff.ratchet_fraction > 0,
        "prices or batteries that change over the years": not case.timeline.repeats_year,
    }
    found = [name for name, there in fields.items() if there]
    for machine in generators(case):
        rented = machine.item.tenure == "rented"
        found += [f"{machine.item.id}, which is rented"] if rented else []
        found += [f"the commitment of {machine.item.id}"] if machine.committed else []
    return found


def extendable_network(year: Year) -> Network:
    """The network of a case that `not_simple` has nothing against."""
    case, plant = year.case, year.plant
    assert case.load_series_mw is not None
    net = bare(year, year.worth)
    net.add("loads", "load", bus=SITE, p_set=load_scale(case, year.period) * case.load_series_mw[year.step_of_year])
    if case.tariff is not None:
        worth = np.array([year.worth[year.month == m][0] for m in range(len(year.months))])
        add_grid(net, year, grid_steps(case, year.period)[1], worth)
    options = {o.item.id: o for o in options_of(plant)}
    for machine in plant.generators:
        size = _size(net, options[machine.item.id], machine.nameplate_mw)
        price, most = year.usd_per_mwh(machine.key), year.at(machine.capacity_fraction)
        net.add("generators", machine.item.id, bus=SITE, **size, marginal_cost=price, p_max_pu=most)
    for source in plant.renewables:
        size = _size(net, options[source.item.id], source.nameplate_mw)
        net.add("generators", source.item.id, bus=SITE, **size, p_max_pu=sun(year, source))
    for store in plant.batteries:
        size = _size(net, options[store.item.id], store.power_mw)
        unit = {"bus": SITE, "max_hours": store.energy_mwh / store.power_mw, "state_of_charge_initial": 0.0}
        unit |= {"efficiency_store": store.efficiency, "efficiency_dispatch": store.efficiency}
        emptied = np.where(year.last_of_month, 0.0, np.nan) if year.sampled else None  # a sampled month is a circle
        wear = year.usd_per_mwh(f"discharge:{store.item.id}")
        net.add("storage_units", store.item.id, **size, **unit, marginal_cost=wear, state_of_charge_set=emptied)
    return net


def _size(net: Network, option: Option, unit_mw: float) -> dict[str, object]:
    """What a size costs and how it comes; 0 MW of what cannot be there from the start."""
    net.add("carriers", option.item.id)
    order = next((order for order in option.orders if order.in_service == 0), None)
    if order is None:
        return {"carrier": option.item.id, "p_nom": 0.0}
    usd_per_mw = order.cost_kusd * USD_PER_KUSD / unit_mw
    size = {"carrier": option.item.id, "p_nom_extendable": True, "capital_cost": usd_per_mw}
    return size if option.item.divisible else size | {"p_nom_mod": unit_mw * option.multiple}
