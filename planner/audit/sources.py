"""Audit of what feeds the site by hour: grid, solar and wind, generators, batteries over the year."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from planner.audit.base import Array, Checks, says
from planner.audit.gates import may_fire
from planner.audit.generation import audit_generation
from planner.audit.grid import audit_export
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.case.case import Case
from planner.case.item import Item
from planner.case.resource import solar_output_fraction, wind_output_fraction
from planner.case.weather import Weather

BOTH_WAYS = 1e-4  # of battery throughput that may charge and discharge in one hour
_MW = 1e-6


class Sources:
    """Hourly limits of what feeds the site; weather is worked out once."""

    def __init__(self, case: Case, site: Site) -> None:
        self.case, self.site = case, site
        self.machines = site.family_items("generation")
        ratios = {i.id: i.dc_ac_ratio.planning if i.dc_ac_ratio else None for i in site.family_items("renewable")}
        self.renewables = [(case.catalog[i], _output(case.weather, ratio)) for i, ratio in ratios.items()]
        scheme = case.stage_redundancy("onsite_generation")
        self.reserve = scheme is not None and scheme.spinning_reserve == "largest_unit" and bool(self.machines)

    def check(self, checks: Checks, month: Month) -> None:
        """Import, generation, renewables and reserve of a month."""
        site, p, at = self.site, month.p, month.hours.hour_of_year
        imported = month.flow("grid_import_mw")
        grid = float(site.grid_mw[p]) if self.case.tariff is not None else 0.0
        checks.at_most("import limit", "MW", imported, grid, _MW * (1.0 + grid), month.where("import"))
        audit_export(checks, self.case, imported, month.flow("grid_export_mw"), grid, month.where)
        room = grid - imported
        for item in self.machines:
            room = room + audit_generation(checks, self.case, site, month, item)
        for item, fraction in self.renewables:
            name = f"renewable:{item.id}_mw"
            able = fraction[at] * item.get("nameplate_power_mw") * float(site.of_item(item.id)[p])
            checks.at_most("renewable output", "MW", month.flow(name), able, _MW * (1.0 + able), month.where(name))
        if self.reserve:
            standing = [mw for i, mw in site.firm_unit_mw.items() if site.of_item(i, "generation")[p] > 0.5]
            covered = sum(site.kept.of(i.id, p).spinning_mw for i in site.family_items("battery"))
            largest = max(max(standing, default=0.0) * may_fire(self.case, site.starts[p]) - covered, 0.0)
            checks.at_most("spinning reserve", "MW", -room, -largest, _MW * (1.0 + largest), month.where("room"))


@lru_cache(maxsize=16)
def _output(weather: Weather, dc_ac_ratio: float | None) -> Array:
    """Hourly output over nameplate of solar, or of wind where there is no DC/AC ratio."""
    if dc_ac_ratio is None:
        return wind_output_fraction(weather)
    return solar_output_fraction(weather, dc_ac_ratio=dc_ac_ratio)


def audit_battery(
    checks: Checks, site: Site, months: list[Month], item: Item, brought: list[float], left: list[float]
) -> None:
    """Power, energy and state of charge: build months from empty, then a circle over every year.

    brought: energy that new units arrive with, by period. left: what the units may hold, by month. [MWh]
    """
    one_way = item.get("round_trip_efficiency_fraction") ** 0.5
    power = item.get("nameplate_power_mw")
    year_end = {m.p: float(m.flow(f"soc:{item.id}_mwh")[-1]) for m in months}  # the last month of each period
    before, built, throughput, both = 0.0, 0.0, 0.0, 0.0
    for month, energy in zip(months, left, strict=True):
        charge, discharge, soc = (
            month.flow(f"{k}:{item.id}_{u}") for k, u in (("charge", "mw"), ("discharge", "mw"), ("soc", "mwh"))
        )
        n, kept = float(site.of_item(item.id)[month.p]), site.kept.of(item.id, month.p)
        text = f"{item.id} {month.start}"
        able = power * n - kept.power_mw
        checks.at_most("battery power", "MW", charge + discharge, able, _MW * (1.0 + power * n), month.where(item.id))
        energy -= kept.down_mwh
        short = kept.up_mwh - soc
        checks.at_most("battery keeps energy", "MWh", short, 0.0, _MW * (1.0 + energy), month.where(item.id))
        checks.at_most("battery energy", "MWh", soc, energy, _MW * (1.0 + energy), month.where(item.id))
        if month.place == 0:
            built = before + brought[month.p]
            before = year_end[month.p]
            checks.at_most(
                "battery starts from what was charged",
                "MWh",
                before,
                built,
                1e-4 * (1.0 + energy),
                says(f"{text}: charge at the start of the year"),
            )
        elif month.place < 0:
            before += brought[month.p]
        checks.at_most(
            "battery energy", "MWh", before, energy, 1e-4 * (1.0 + energy), says(f"{text}: charge before it")
        )
        previous = np.concatenate([[before], soc[:-1]])
        want = previous + (one_way * charge - discharge / one_way) * month.hours.step_h
        checks.equal("battery state of charge", "MWh", soc, want, 1e-6 * (10.0 + energy), month.where(item.id))
        before = float(soc[-1])
        throughput += float((charge + discharge).sum()) * month.hours.step_h
        both += float(np.minimum(charge, discharge).sum()) * month.hours.step_h
    checks.at_most(
        "battery one way at a time",
        "MWh",
        both,
        BOTH_WAYS * throughput,
        1e-3,
        lambda _: f"{item.id}: charged and discharged in one hour",
    )
