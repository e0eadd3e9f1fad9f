"""What a network does not hold of a case, by name: read off the rows of its operating blocks, so none is forgotten.

Three kinds: rows that the network has in its own way; decisions that are held as the plan has them, inside the load or
the limits; and what is left out. A row that no list knows is left out, under its own name.
"""

from __future__ import annotations

from planner.pypsa.engines import expressible
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import Year

_EXPRESSED = (
    "power_balance",
    "grid_limit",
    "export_limit",
    "billed_demand",
    "minimum_take",
    "energy_tier",
    "generation_capacity",
    "renewable_output",
    "battery_power",
    "battery_energy",  # and its balance
    "battery_edge",
    "compute_shed",
    "loss_",  # the load has them
)
_HELD = {
    "rejection_": "which unit rejects the heat, and the power it draws: part of the load",
    "compute_shift": "compute moved between hours: part of the load",
    "generation_online": "what engines have online; fuel at no load is outside the network",
    "generation_minimum_load": "what engines have online; fuel at no load is outside the network",
    "generation_start": "when engines start; what starts cost is outside the network",
    "generation_idle": "when engines start; what starts cost is outside the network",
    "smoothing_wear": "power and energy that batteries keep for load swings; their wear is outside the network",
    "curtailed_compute": "compute expected to be curtailed: its value is outside the network",
    "water_makeup": "make-up water follows the heat: its cost is outside the network",
    "battery_reserve": "energy that batteries hold for events: least energy of the stores",
    "ratchet": "demand ratchet: the month's peaks and the least demand billed",
    "peak": "demand ratchet: the month's peaks and the least demand billed",
}
_LEFT_OUT = {
    "generation_ramp": "ramps of engines",
    "gas_take": "take-or-pay gas",
    "gas_": "limits of the gas supply by hour and day",
    "spinning_reserve": "spinning reserve for the largest unit, in hours",
    "water_day": "water permitted a day",
    "grid_called": "calls of the utility",
    "cap:": "a limit over the year: ",
}


def held(year: Year) -> list[str]:
    """Decisions of the plan that the network does not take again."""
    found = [text for row in _rows(year) for name, text in _HELD.items() if row.startswith(name)]
    if year.plant.smooths or any(store.holding for store in year.plant.batteries):
        found.append("what batteries keep back in every hour is taken off their power and energy")
    return list(dict.fromkeys(found))


def left_out(year: Year, sizes: Sizes | None) -> list[str]:
    """Limits that the network does not have."""
    caps = {cap.key: expressible(year, cap) and sizes is not None for cap in year.plant.caps}
    found = []
    for row in _rows(year):
        if row.startswith((*_EXPRESSED, *_HELD)) or caps.get(row):
            continue
        if row.startswith("generation_availability"):
            found += [] if sizes is not None else [f"availability of {row.partition(':')[2]} in a month"]
            continue
        text = next((text for name, text in _LEFT_OUT.items() if row.startswith(name)), row)
        found.append(text + row.removeprefix("cap:") if row.startswith("cap:") else text)
    found += [f"event {event.name}" for event in year.plant.events]
    given = year.case.input
    sizing = {"redundancy": given.redundancy, "supply": given.supply, "land": given.site.land_m2 or given.site.land}
    found += [f"limits on sizes: {name}" for name, there in sizing.items() if there and sizes is None]
    stored = any(store for store in year.plant.batteries)
    cheap = year.case.tariff is not None and bool((year.usd_per_mwh("grid_import") < 0).any())
    forced = any(machine.minimum_load_fraction > 0 for machine in year.plant.generators)
    if stored and (cheap or forced):
        found.append("that a battery does not charge and discharge at once, where energy has no value")
    return list(dict.fromkeys(found))


def _rows(year: Year) -> list[str]:
    """Names of all rows of the year's blocks."""
    return list(dict.fromkeys(row for part in year.parts for row in part.block.constraints))


def readme(year: Year, lines: list[str]) -> str:
    """README.txt of the folder."""
    return "\n".join(
        [
            f"{year.case.input.name}: the year {year.number} for PyPSA",
            "",
            *lines,
            "",
            "Units: MW, MWh, USD. Times are the site's standard time. Bus `site` is the site at medium voltage,",
            "`grid` the meter; the links between them are open in one month each, and their capacity is the",
            "demand that is billed in it.",
            "",
            "    import pypsa",
            '    n = pypsa.Network("this folder")',
            '    n.optimize(solver_name="highs", include_objective_constant=False)',
            "    print(n.objective)",
            "",
        ]
    )
