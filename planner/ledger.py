"""The ledger: dated cash. Every cost line exists once, here, and feeds the objective, the budget and the reports.

One unit of an item ordered on a day causes these lines (USD, payments positive):

    IT equipment | equipment | shell and civil    price, in shares at order, delivery and commissioning
    installation                                   share of the price, at commissioning
    indirects, contingency                         share of the direct lines, on their dates; not on IT
    fixed O&M                                      share of the price a year, paid monthly while in service
                                                   (it and all that operation costs grow with the case's escalation)
    first fill of diesel                           of a standby set's tank, where the site has on_site_fuel
    standby tests                                  fuel of an emergency set's tests, monthly, where the case says so
    residual value                                 one receipt at the horizon; in the objective, in no budget

A rented unit has lines of its own, at the prices of its contract, without indirects, escalation or residual value:

    mobilisation                                   at delivery
    rent                                           every month it is held, and to the end of its minimum term, run or
                                                   not; no month after the horizon
    demobilisation                                 on its return; at the horizon of what is still held then

What stands already has cost what it has cost. A case may say what its leaving costs and brings:

    relocation                                     on the day it leaves for another stage
    decommissioning, resale                        on the day it is retired; the latter a receipt

A new battery that arrives with energy in its reserve pays for it: first charge, on the first day of the period.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from planner.case.case import Case
from planner.case.item import Item
from planner.families.generation import generators, heat_rate_mmbtu_hhv_per_mwh
from planner.finance import DAYS_PER_YEAR, discount_factor, residual_value_fraction
from planner.timeline import MONTHS_PER_YEAR, add_weeks
from planner.units import DIESEL_MMBTU_HHV_PER_M3

IT_FAMILIES = ("compute", "network")
CAPITAL_LINES = (
    "IT equipment",
    "equipment",
    "shell and civil",
    "installation",
    "indirects",
    "contingency",
    "committed equipment",
    "utility contribution",
    "relocation",
    "decommissioning",
)


@dataclass(frozen=True)
class Cash:
    """One dated payment (positive) or receipt (negative)."""

    on: date
    line: str
    usd: float


@dataclass(frozen=True)
class UnitDates:
    """When one unit is ordered, delivered, ready, and first counted in service."""

    ordered: date
    delivered: date
    ready: date  # installed, its block commissioned, racks burned in
    in_service: date  # first day of the period that counts it


def unit_dates(case: Case, item: Item, ordered: date, wait_weeks: float, not_before: date) -> UnitDates | None:
    """Dates of a unit ordered on a day; None when it comes too late for the horizon's last period.

    wait_weeks: commissioning and burn-in after installation. not_before: gate on the end of installation.
    """
    delivered = add_weeks(ordered, item.get("lead_time_weeks"))
    ready = on_site_ready(item, delivered, wait_weeks, not_before)
    period = case.timeline.first_period(ready)
    if period > case.timeline.last_period:
        return None
    return UnitDates(ordered, delivered, ready, case.timeline.starts[period])


def on_site_ready(item: Item, delivered: date, wait_weeks: float, not_before: date) -> date:
    """Day a delivered unit may serve."""
    installed = max(add_weeks(delivered, item.get("installation_weeks")), not_before)
    return add_weeks(installed, wait_weeks)


def purchase(case: Case, item: Item, dates: UnitDates) -> list[Cash]:
    """Payments and residual value of one unit, without its O&M."""
    if item.tenure == "rented":
        mobilisation = item.get("mobilisation_usd_per_mw") * item.get("nameplate_power_mw")
        return [Cash(dates.delivered, "mobilisation", mobilisation)] if mobilisation else []
    price = item.get("price_usd")
    if item.family in IT_FAMILIES:
        line = "IT equipment"
    else:
        line = "shell and civil" if item.family == "enclosure" else "equipment"
    at_order, at_delivery = item.get("payment_order_fraction"), item.get("payment_delivery_fraction")
    direct = [
        Cash(dates.ordered, line, price * at_order),
        Cash(dates.delivered, line, price * at_delivery),
        Cash(dates.in_service, line, price * (1.0 - at_order - at_delivery)),
        Cash(dates.in_service, "installation", price * item.get("installation_fraction")),
    ]
    flows = [cash for cash in direct if cash.usd]
    if item.family not in IT_FAMILIES:
        finance = case.input.finance
        for name, share in (("indirects", finance.indirects_fraction), ("contingency", finance.contingency_fraction)):
            flows += [Cash(cash.on, name, cash.usd * share) for cash in direct if cash.usd and share]
    cost = sum(cash.usd for cash in flows)
    left = residual(case, item, cost, dates.in_service)
    return [*flows, Cash(case.timeline.end, "residual value", -left)] if left else flows


def rent_usd_per_month(item: Item) -> float:
    """Rent of one unit, without fuel. [USD/month]"""
    return item.get("rental_usd_per_mw_month") * item.get("nameplate_power_mw")


def demobilisation_usd(item: Item) -> float:
    """What the return of one rented unit costs. [USD]"""
    return item.get("demobilisation_usd_per_mw") * item.get("nameplate_power_mw")


def residual(case: Case, item: Item, cost_usd: float, in_service: date) -> float:
    """Value left at the horizon of something that cost so much. [USD]"""
    age = (case.timeline.end - in_service).days / DAYS_PER_YEAR
    return cost_usd * residual_value_fraction(case.input.finance.discount_rate, case.economic_life_years(item), age)


def fixed_om_usd_per_year(item: Item) -> float:
    """Fixed operation and maintenance of one unit. [USD/year]"""
    by_price = item.get("fixed_om_fraction_per_year", 0.0) * item.get("price_usd", 0.0)
    by_power = item.get("fixed_om_usd_per_kw_year", 0.0) * item.get("nameplate_power_mw", 0.0) * 1000.0
    return by_price + by_power


def fixed_om(case: Case, item: Item, in_service: date) -> list[Cash]:
    """Monthly O&M of one unit from its service date to the horizon."""
    monthly = fixed_om_usd_per_year(item) / MONTHS_PER_YEAR
    if not monthly:
        return []
    timeline = case.timeline
    months = timeline.months[timeline.months_of(timeline.first_period(in_service))[0] :]
    days = [timeline.middle(m) for m in months]
    return [Cash(day, "fixed O&M", monthly * case.escalation("fixed_om", day.year)) for day in days]


def standby_tests(case: Case, item: Item, in_service: date) -> list[Cash]:
    """Monthly fuel of one emergency set's tests, at full load, from its service date to the horizon."""
    tests = case.input.site.standby_tests
    if tests is None or item.permit_class != "emergency":
        return []
    good = "diesel" if item.fuel == "diesel" else "natural_gas"
    usd = getattr(case.input.site.fuel, f"{good}_usd_per_mmbtu_hhv") or 0.0
    mwh = tests.hours_per_year * item.get("nameplate_power_mw") / MONTHS_PER_YEAR
    timeline = case.timeline
    months = timeline.months[timeline.months_of(timeline.first_period(in_service))[0] :]
    days = [timeline.middle(m) for m in months]
    monthly = mwh * heat_rate_mmbtu_hhv_per_mwh(item) * usd
    return [Cash(day, "standby tests", monthly * case.escalation(good, day.year)) for day in days if monthly]


def unit_flows(case: Case, item: Item, dates: UnitDates) -> list[Cash]:
    """Everything one unit costs and leaves."""
    running = fixed_om(case, item, dates.in_service) + standby_tests(case, item, dates.in_service)
    return purchase(case, item, dates) + fuel_fill(case, item, dates) + running


def fuel_fill(case: Case, item: Item, dates: UnitDates) -> list[Cash]:
    """What the tank of a standby set is first filled with; the set's installed price holds the tank."""
    stored, usd = case.input.site.on_site_fuel, case.input.site.fuel.diesel_usd_per_mmbtu_hhv
    if stored is None or usd is None or item.permit_class != "emergency" or item.fuel != "diesel":
        return []
    mmbtu = stored.m3_per_unit(item) * DIESEL_MMBTU_HHV_PER_M3
    day = dates.in_service
    return [Cash(day, "first fill of diesel", mmbtu * usd * case.escalation("diesel", day.year))]


def fixed_flows(case: Case) -> list[tuple[str, Cash]]:
    """(item or name, cash) of what no decision changes: dues, what leaves, utility works, standing charges."""
    flows: list[tuple[str, Cash]] = []
    timeline = case.timeline
    for row in case.input.committed:
        flows.append((row.item, Cash(max(row.on_site, timeline.start), "committed equipment", row.due_usd)))
    for old in case.input.existing:
        if old.move is not None:
            flows.append((old.item, Cash(old.move.from_, "relocation", old.move.cost_usd)))
        elif old.retire is not None:
            flows.append((old.item, Cash(old.retire, "decommissioning", old.decommissioning_usd)))
            flows.append((old.item, Cash(old.retire, "resale", -old.resale_usd)))
    for step in case.input.site.grid.interconnection:
        day = max(step.from_, timeline.start)
        flows.append(("grid", Cash(day, "utility contribution", step.utility_contribution_usd)))
    if case.tariff is not None and case.tariff.fixed_usd_per_month:
        connected = case.input.site.grid.interconnection[0].from_
        for day in (timeline.middle(m) for m in timeline.months):
            if day >= connected:
                usd = case.tariff.fixed_usd_per_month * case.escalation("demand", day.year)
                flows.append(("grid", Cash(day, "fixed charge", usd)))
    return [(name, cash) for name, cash in flows if cash.usd]


def first_charge_usd_per_mwh(case: Case, year: int) -> float:
    """Price of the energy that new batteries bring to their reserve: the dearest the site knows in a year. [USD/MWh]

    The dearest tier of the tariff, or fuel and variable O&M of its dearest generator; 1 at least.
    """
    tiers = [tier.usd_per_mwh for period in case.tariff.energy_tiers for tier in period] if case.tariff else []
    if case.tariff is not None and case.tariff.energy_usd_per_mwh is not None:
        tiers = [float(case.tariff.energy_usd_per_mwh.max())]
    bought = [usd * case.escalation("energy", year) for usd in tiers]
    made = [
        g.fuel_usd_per_mwh * case.escalation("diesel" if g.item.fuel == "diesel" else "natural_gas", year)
        + g.variable_om_usd_per_mwh * case.escalation("variable_om", year)
        for g in generators(case)
    ]
    return max([1.0, *bought, *made])


def present_value(case: Case, flows: Iterable[Cash]) -> float:
    """Present value at the start of the case. [USD]"""
    rate, base = case.input.finance.discount_rate, case.timeline.start
    return sum(cash.usd * discount_factor(rate, cash.on, base) for cash in flows)


def cash_by(flows: Iterable[Cash], day: date) -> float:
    """Cash paid up to and on a day, the residual value left out. [USD]"""
    return sum(cash.usd for cash in flows if cash.on <= day and cash.line != "residual value")


def operating_weights(case: Case) -> dict[tuple[int, int], float]:
    """Discount weight of the operating cost of every (period, place). [fraction; over 1 where years repeat]

    A place's weight adds up the months it stands for, each bill discounted from the middle of its month.
    """
    rate, timeline = case.input.finance.discount_rate, case.timeline
    return {
        (p, k): sum(discount_factor(rate, timeline.middle(month), timeline.start) for month in timeline.months_at(p, k))
        for p in range(timeline.last_period + 1)
        for k in timeline.places(p)
    }
