"""Audit of permits and promises: firing dates, potential to emit, permitted energy, gas, called hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from planner.audit.base import Array, Checks, Tables, says
from planner.audit.gates import gas_mmbtu_per_day, may_fire, with_gas
from planner.audit.loads import Site
from planner.audit.physics import dearer, fuel_usd_per_mmbtu, mmbtu_per_mwh, no_load_mmbtu_per_mwh
from planner.case.case import Case
from planner.case.item import Item

if TYPE_CHECKING:
    from planner.audit.months import Month

_MMBTU = 1e-4
_KG_PER_SHORT_TON = 2000 * 0.45359237


def audit_permits(checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month]) -> None:
    """Every rule of the air permit and of the gas supply."""
    permit = case.input.site.air_permit
    if permit is not None:
        for month in months:
            for item in site.family_items("generation"):
                most = float(month.flow(f"generation:{item.id}_mw").max(initial=0.0))
                early = 0.0 if may_fire(case, site.starts[month.p]) else most
                checks.at_most("air permit date", "MW", early, 0.0, 1e-6, says(f"{item.id} fires in {month.start}"))
        _potential(checks, case, tables, site, months)
    if case.input.site.gas is not None:
        for month in months:
            _gas(checks, case, site, month)


# -- air permit ----------------------------------------------------------------------------------------------


def _potential(checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month]) -> None:
    """Short tons a year of all that stands, in every period; permitted energy kept in every 12 months."""
    permit = case.input.site.air_permit
    assert permit is not None
    said = _permitted_mwh(checks, tables, site)
    for p in site.periods:
        if not may_fire(case, site.starts[p]):
            continue
        energy: list[tuple[Item, float]] = []
        for item in site.family_items("generation"):
            units = float(site.of_item(item.id, "generation")[p])
            could = 8760.0 * item.get("nameplate_power_mw") * units
            if permit.enforceable_cap != "none":  # over 12 months, in which what has gone by now may have run
                could = 8760.0 * item.get("nameplate_power_mw") * site.ever_there(item.id, "generation", 0, p)
                taken = said.get((item.id, "normal"), np.zeros(len(site.starts)))[p]
                words = says(f"permitted energy of {item.id} from {site.starts[p]}")
                checks.at_most("permitted energy", "MWh", taken, could, 1e-6 * (1.0 + could), words)
                could = min(could, float(taken))
            energy.append((item, could))
        for item, _, units_of in site.at("standby_generation", standing=True):
            hours = permit.emergency_hours_per_year if item.permit_class == "emergency" else 8760.0
            energy.append((item, hours * item.get("nameplate_power_mw") * float(units_of[p])))
        for pollutant, tons in permit.limits.items():
            kg = sum(item.get(f"{pollutant}_kg_per_mwh") * mwh for item, mwh in energy)
            words = says(f"{pollutant} from {site.starts[p]}")
            checks.at_most("potential to emit", "short tons", kg / _KG_PER_SHORT_TON, tons, 1e-6 * (1 + tons), words)
            shown = _shown(tables, site.starts[p], pollutant)
            checks.equal("air permit table", "short tons", shown, kg / _KG_PER_SHORT_TON, 1e-5 * (1 + tons), words)
    if permit.enforceable_cap == "none":
        return
    for item in site.family_items("generation"):
        limit = said.get((item.id, "normal"), np.zeros(len(site.starts)))
        run = [_running_mwh(case, site, item, month, permit.enforceable_cap == "hours") for month in months]
        for i, month in enumerate(months):
            same_year = [j for j in range(i + 1) if _months_apart(months[j], month) < 12]
            total, most = sum(run[j] for j in same_year), float(limit[month.p])
            words = says(f"{item.id} in the 12 months to {month.start}")
            checks.at_most("permitted energy", "MWh", total, most, 1e-3 + 1e-6 * most, words)


def _permitted_mwh(checks: Checks, tables: Tables, site: Site) -> dict[tuple[str, str], Array]:
    """By item and use, the permitted energy the plan says it takes, by period."""
    found: dict[tuple[str, str], Array] = {}
    frame = tables.details.get("air_permit")
    for row in frame.itertuples() if frame is not None else ():
        known = row.period in site.starts
        checks.true("air permit table", known, f"no period begins on {row.period}")
        if known:
            of = found.setdefault((str(row.item), str(row.use)), np.zeros(len(site.starts)))
            of[site.starts.index(row.period)] = float(row.permitted_mwh_per_year)  # type: ignore[arg-type]
    return found


def _shown(tables: Tables, day: Any, pollutant: str) -> float:
    """Short tons of a pollutant the plan's own table adds up to."""
    frame = tables.details.get("air_permit")
    if frame is None or not len(frame):
        return 0.0
    rows = frame[(frame.period == day) & (frame.pollutant == pollutant)]
    return float(rows.potential_short_tons_per_year.sum())


def _running_mwh(case: Case, site: Site, item: Item, month: Month, by_hours: bool) -> float:
    """What counts towards the permitted energy: MWh given, or nameplate x hours of the units that run."""
    weight, output = month.hours.weight, month.flow(f"generation:{item.id}_mw")
    if not by_hours:
        return float(output.sum()) * weight
    online = month.flow(f"online:{item.id}_units")
    if online.any():
        return float(online.sum()) * item.get("nameplate_power_mw") * weight
    return float((output / site.hourly_rating(item)[month.hours.hour_of_year]).sum()) * weight


def _months_apart(a: Month, b: Month) -> int:
    """Months from the first time one is operated to the first time the other is."""
    first, last = a.days[0], b.days[0]
    return 12 * (last.year - first.year) + last.month - first.month


# -- gas -----------------------------------------------------------------------------------------------------


def burnt_by_step(case: Case, site: Site, month: Month) -> Array:
    """Gas burnt in every step. [MMBtu HHV/h]"""
    total = np.zeros(len(month.rows))
    for item in site.family_items("generation"):
        if item.fuel != "natural_gas":
            continue
        idle = no_load_mmbtu_per_mwh(item)
        total += (mmbtu_per_mwh(item) - idle) * month.flow(f"generation:{item.id}_mw")
        total += idle * item.get("nameplate_power_mw") * month.flow(f"online:{item.id}_units")
        total += item.get("start_fuel_mmbtu_hhv", 0.0) / month.hours.step_h * month.flow(f"started:{item.id}_units")
    return total


def _days(month: Month, values: Array) -> Array:
    """Sum over each day of the month."""
    return np.asarray(values.reshape(-1, round(24 / month.hours.step_h)).sum(axis=1), float)


def _gas(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """What is burnt within the hour's and the day's gas."""
    supply = case.input.site.gas
    assert supply is not None
    burnt, flows = burnt_by_step(case, site, month), with_gas(case)[month.hours.hour_of_year]
    day = gas_mmbtu_per_day(case, site.starts[month.p])
    hourly = (1.0 + supply.hourly_swing_fraction) * day / 24.0 * flows
    checks.at_most("gas of an hour", "MMBtu/h", burnt, hourly, _MMBTU * (1.0 + day / 24.0), month.where("gas"))
    per_day = round(24 / month.hours.step_h)
    most = day * flows[::per_day]
    used = _days(month, burnt) * month.hours.step_h
    where = month.where("gas of the day from")
    checks.at_most("gas of a day", "MMBtu", used, most, _MMBTU * (1.0 + day), lambda d: where(d * per_day))


# -- money ---------------------------------------------------------------------------------------------------


def permit_lines(case: Case, site: Site, month: Month, year: int) -> dict[str, float]:
    """Ledger lines of a month: gas owed and not burnt, and what called hours are expected to cost. [USD]"""
    lines: dict[str, float] = {}
    supply, weight = case.input.site.gas, month.hours.weight
    burners = [item for item in site.family_items("generation") if item.fuel == "natural_gas"]
    if supply is not None and supply.take_or_pay_fraction > 0 and burners:
        owed = gas_mmbtu_per_day(case, site.starts[month.p]) * with_gas(case)[month.hours.hour_of_year]
        owed_by_day = owed[:: round(24 / month.hours.step_h)] * supply.take_or_pay_fraction
        burnt_by_day = _days(month, burnt_by_step(case, site, month)) * month.hours.step_h
        untaken = float(np.maximum(owed_by_day - burnt_by_day, 0.0).sum()) * weight / month.hours.step_h
        lines["gas take-or-pay"] = untaken * fuel_usd_per_mmbtu(case, burners[0], year)
    promise = case.input.site.grid.curtailment
    if promise is None or case.tariff is None:
        return lines
    expected = promise.hours_per_year / 8760.0
    hours = weight * len(month.rows)
    gpus = float(site.sum_racks({r.item.id: r.gpus for r in site.racks})[month.p])
    worth = promise.usd_per_gpu_hour or 0.0
    lines["curtailed compute (value, not paid)"] = worth * promise.compute_may_shed * gpus * expected * hours
    share = expected * (1.0 - promise.grid_fraction_left) * (1.0 - promise.compute_may_shed)
    instead = month.flow("grid_import_mw") @ _instead_usd_per_mwh(case, site, month, year)
    lines["called hours (estimate)"] = share * weight * float(instead)
    return lines


def _instead_usd_per_mwh(case: Case, site: Site, month: Month, year: int) -> Array:
    """What a MWh made on site in a called hour costs more than one bought. [USD/MWh by step]"""
    assert case.tariff is not None
    tariff, hours = case.tariff, month.hours
    base = case.input.finance.base_year
    if tariff.energy_usd_per_mwh is not None:
        bought = tariff.energy_usd_per_mwh[hours.hour_of_year]
    else:
        by_period = np.array([tiers[0].usd_per_mwh for tiers in tariff.energy_tiers])
        weekend, weekday = tariff.energy_weekend[hours.month], tariff.energy_weekday[hours.month]
        schedule = np.where(hours.is_weekend[:, None], weekend, weekday)
        bought = by_period[schedule[np.arange(len(hours.hour_of_day)), hours.hour_of_day]]
    made = [
        (fuel_usd_per_mmbtu(case, i, base) * mmbtu_per_mwh(i) + i.get("variable_om_usd_per_mwh"), i)
        for i in site.family_items("generation")
    ]
    if made:
        usd, dearest = max(made, key=lambda of: of[0])
        grown = dearer(case, "diesel" if dearest.fuel == "diesel" else "natural_gas", year)
        return np.asarray(np.maximum(usd - bought, 0.0) * grown)
    stores = [i.get("round_trip_efficiency_fraction") for i in site.family_items("battery")]
    lost = 1.0 / min(stores) - 1.0 if stores else 0.0
    return np.asarray(np.maximum(lost * bought, 0.0) * dearer(case, "energy", year))
