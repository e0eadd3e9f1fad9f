"""Audit of money: every ledger line a second time, present value and bounds, budgets, key results."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np

from planner.audit.base import Checks, Tables, first_start, says
from planner.audit.fade import left_mwh
from planner.audit.limits import tank_mmbtu_hhv
from planner.audit.loads import Site
from planner.audit.physics import dearer, fuel_usd_per_mwh
from planner.audit.rent import audit_rent
from planner.audit.stock import periods_of
from planner.case.case import Case
from planner.case.item import Item
from planner.timeline import add_weeks

Key = tuple[date, str, str]
IT = ("compute", "network")
OPERATING_LINES = (
    "energy",
    "demand charge",
    "time-of-use demand charge",
    "fuel",
    "variable O&M",
    "starts",
    "battery wear",
    "water",
    "shed compute (value, not paid)",
    "export receipts",
    "coincident peak charge",
    "gas take-or-pay",
    "curtailed compute (value, not paid)",
    "called hours (estimate)",
)
CAPITAL_LINES = (
    "equipment",
    "installation",
    "shell and civil",
    "indirects",
    "contingency",
    "committed equipment",
    "utility contribution",
    "relocation",
    "decommissioning",
)
_FRACTIONS = 2.0  # USD a ledger row may differ by: fractions of a unit too small for the orders table


def audit_money(
    checks: Checks, case: Case, tables: Tables, site: Site, bills: dict[Key, float], risk_usd: float
) -> None:
    """bills: operating lines derived from the dispatch, expected. risk_usd: what risk adds to the expected cost."""
    expected = purchases(case, tables)
    _capital(checks, case, tables)
    brought = _first_charge_lines(checks, case, tables, site)
    hired = audit_rent(checks, case, tables, site)
    for key, usd in [*fixed_lines(case).items(), *committed_om(case, site).items(), *brought.items(), *hired.items()]:
        expected[key] += usd
    _ledger(checks, tables, expected, bills)
    _value(checks, case, tables, risk_usd)
    _bounds(checks, case, tables, site)
    _budget(checks, case, tables)


def annuity_left(rate: float, life: float, age: float) -> float:
    """Share of a cost still in an asset: annuities left over all annuities, both discounted.

    >>> round(annuity_left(0.1, 10.0, 5.0), 6), annuity_left(0.0, 10.0, 4.0)
    (0.616933, 0.6)
    """
    left = min(life, life - age)
    if left <= 0:
        return 0.0
    if rate == 0:
        return left / life
    return float((1.0 - (1.0 + rate) ** -left) / (1.0 - (1.0 + rate) ** -life))


def present_worth(case: Case, day: date) -> float:
    """Value at the start of one dollar on a day."""
    years = (day - case.timeline.start).days / 365.0
    return float((1.0 + case.input.finance.discount_rate) ** -years)


def unit_payments(
    case: Case, item: Item, ordered: date, delivered: date, served: date
) -> list[tuple[date, str, float]]:
    """Payments for one unit, without O&M and residual value; of a rented one its mobilisation alone."""
    if item.tenure == "rented":
        return [(delivered, "mobilisation", item.get("mobilisation_usd_per_mw") * item.get("nameplate_power_mw"))]
    price = item.get("price_usd")
    line = "IT equipment" if item.family in IT else "shell and civil" if item.family == "enclosure" else "equipment"
    first, second = item.get("payment_order_fraction"), item.get("payment_delivery_fraction")
    rows = [
        (ordered, line, price * first),
        (delivered, line, price * second),
        (served, line, price * (1.0 - first - second)),
        (served, "installation", price * item.get("installation_fraction")),
    ]
    if item.family not in IT:
        finance = case.input.finance
        direct = list(rows)
        rows += [(day, "indirects", usd * finance.indirects_fraction) for day, _, usd in direct]
        rows += [(day, "contingency", usd * finance.contingency_fraction) for day, _, usd in direct]
    return rows


def yearly_om_usd(item: Item) -> float:
    """Fixed O&M of one unit a year, by price and by power."""
    by_price = item.get("fixed_om_fraction_per_year", 0.0) * item.get("price_usd", 0.0)
    return by_price + item.get("fixed_om_usd_per_kw_year", 0.0) * 1000.0 * item.get("nameplate_power_mw", 0.0)


def months_from(case: Case, served: date) -> list[date]:
    """Middle of every month from the first period that starts on or after a service date to the horizon."""
    periods = periods_of(case)
    first = first_start([days[0] for days in periods], served)
    return [middle(day) for days in periods[first:] for day in days] if first is not None else []


def middle(first_day: date) -> date:
    """Day a month's bills are paid."""
    return first_day.replace(day=15)


def purchases(case: Case, tables: Tables) -> defaultdict[Key, float]:
    """Ledger lines of every order: payments, O&M, residual value."""
    rows: defaultdict[Key, float] = defaultdict(float)
    for order in tables.orders.itertuples():
        item_id, units = str(order.item), float(order.units)  # type: ignore[arg-type]
        if item_id not in case.catalog:
            continue
        item, served = case.catalog[item_id], order.commissioning_date
        assert isinstance(served, date)
        assert isinstance(order.order_date, date)
        assert isinstance(order.delivery_date, date)
        cost = 0.0
        for day, line, usd in unit_payments(case, item, order.order_date, order.delivery_date, served):
            rows[day, line, item_id] += usd * units
            cost += usd
        stored = case.input.site.on_site_fuel
        if stored is not None and item.permit_class == "emergency" and item.fuel == "diesel":
            mmbtu, usd = tank_mmbtu_hhv(item, stored.hours), case.input.site.fuel.diesel_usd_per_mmbtu_hhv or 0.0
            rows[served, "first fill of diesel", item_id] += mmbtu * usd * units * dearer(case, "diesel", served.year)
        monthly = yearly_om_usd(item) / 12.0
        for day in months_from(case, served) if monthly else []:
            rows[day, "fixed O&M", item_id] += monthly * units * dearer(case, "fixed_om", day.year)
        for day, usd in _tests(case, item, served):
            rows[day, "standby tests", item_id] += usd * units
        if item.tenure == "rented":
            continue
        age = (case.timeline.end - served).days / 365.0
        left = annuity_left(case.input.finance.discount_rate, case.economic_life_years(item), age)
        rows[case.timeline.end, "residual value", item_id] -= cost * left * units
    return rows


def fixed_lines(case: Case) -> dict[Key, float]:
    """Committed dues, what leaves, contributions to the utility's works, and the tariff's fixed charge."""
    rows: defaultdict[Key, float] = defaultdict(float)
    timeline = case.timeline
    for bought in case.input.committed:
        rows[max(bought.on_site, timeline.start), "committed equipment", bought.item] += bought.due_usd
    for row in case.input.existing:
        if row.leaves is not None:
            moving = row.move.cost_usd if row.move is not None else 0.0
            rows[row.leaves, "relocation", row.item] += moving
            rows[row.leaves, "decommissioning", row.item] += row.decommissioning_usd
            rows[row.leaves, "resale", row.item] -= row.resale_usd
    steps = case.input.site.grid.interconnection
    for step in steps:
        rows[max(step.from_, timeline.start), "utility contribution", "grid"] += step.utility_contribution_usd
    if case.tariff is not None and steps:
        for day in (middle(day) for days in periods_of(case) for day in days):
            if day >= steps[0].from_:
                rows[day, "fixed charge", "grid"] += case.tariff.fixed_usd_per_month * dearer(case, "demand", day.year)
    return rows


def committed_om(case: Case, site: Site) -> dict[Key, float]:
    """Fixed O&M of what is already bought, from the month after its installation."""
    rows: defaultdict[Key, float] = defaultdict(float)
    for bought in case.input.committed:
        item = case.catalog[bought.item]
        monthly = yearly_om_usd(item) / 12.0
        installed = add_weeks(bought.on_site, item.get("installation_weeks"))
        for day in months_from(case, installed) if monthly else []:
            rows[day, "fixed O&M", bought.item] += monthly * bought.units * dearer(case, "fixed_om", day.year)
        for day, usd in _tests(case, item, installed):
            rows[day, "standby tests", bought.item] += usd * bought.units
    for old in case.input.existing:
        monthly = yearly_om_usd(case.catalog[old.item]) / 12.0
        for day in months_from(case, case.timeline.start) if monthly else []:
            if old.retire is None or day < old.retire:
                rows[day, "fixed O&M", old.item] += monthly * old.units * dearer(case, "fixed_om", day.year)
        for day, usd in _tests(case, case.catalog[old.item], case.timeline.start):
            if old.retire is None or day < old.retire:
                rows[day, "standby tests", old.item] += usd * old.units
    return rows


def _tests(case: Case, item: Item, served: date) -> list[tuple[date, float]]:
    """Fuel of the tests of one emergency set, a twelfth of its year each month. [USD]"""
    tests = case.input.site.standby_tests
    if tests is None or item.permit_class != "emergency" or item.family != "generation":
        return []
    mwh = item.get("nameplate_power_mw") * tests.hours_per_year / 12.0
    return [(day, mwh * fuel_usd_per_mwh(case, item, day.year)) for day in months_from(case, served)]


def first_charge_usd_per_mwh(case: Case, year: int) -> float:
    """What the energy that new batteries bring in a year costs: the dearest of tariff and fuels; 1 at least."""
    tiers = [tier.usd_per_mwh for period in case.tariff.energy_tiers for tier in period] if case.tariff else []
    if case.tariff is not None and case.tariff.energy_usd_per_mwh is not None:
        tiers = [float(case.tariff.energy_usd_per_mwh.max())]
    offered = [case.catalog[i] for i in case.candidates.get("generation", ())]
    bought = [case.catalog[name] for name in case.input.owned]
    burn = [
        i for i in (*offered, *bought) if i.family == "generation" and (i in offered or i.permit_class != "emergency")
    ]
    upkeep = dearer(case, "variable_om", year)
    burnt = [fuel_usd_per_mwh(case, i, year) + i.get("variable_om_usd_per_mwh") * upkeep for i in burn]
    return max([1.0, *(usd * dearer(case, "energy", year) for usd in tiers), *burnt])


def first_charges(case: Case, tables: Tables, item: Item) -> list[float]:
    """Energy that new units of a battery bring, by period, as it is paid for. [MWh]"""
    found = [0.0] * len(case.timeline.starts)
    rows = tables.ledger[(tables.ledger.line == "first charge") & (tables.ledger["item"] == item.id)]
    for day, usd in zip(rows.date, rows.usd, strict=True):
        if day in case.timeline.starts:
            found[case.timeline.starts.index(day)] += usd / first_charge_usd_per_mwh(case, day.year)
    return found


def _first_charge_lines(checks: Checks, case: Case, tables: Tables, site: Site) -> dict[Key, float]:
    """Lines of energy that new batteries bring: only to what is held in reserve, no more than new units hold."""
    rows: dict[Key, float] = {}
    held = {(str(r["item"]), str(r["period"])): float(r["reserve_mwh"]) for r in tables.summary.get("reserves", ())}
    for item in site.family_items("battery"):
        energy = [left_mwh(case, tables, site, item, p, day, new=True) for p, day in enumerate(case.timeline.starts)]
        brought = first_charges(case, tables, item)
        for start, mwh, new in zip(case.timeline.starts, brought, energy, strict=True):
            kept = site.kept.of(item.id, case.timeline.starts.index(start)).up_mwh
            most = min(held.get((item.id, str(start)), 0.0) + kept, max(new, 0.0))
            text = f"first charge of {item.id} on {start}"
            checks.between("first charge", "MWh", mwh, 0.0, most, 1e-5 * (1.0 + most), says(text))
            rows[start, "first charge", item.id] = mwh * first_charge_usd_per_mwh(case, start.year)
    return rows


def _capital(checks: Checks, case: Case, tables: Tables) -> None:
    """orders.capital_usd is what the orders pay."""
    got, want, names = [], [], []
    for order in tables.orders.itertuples():
        if str(order.item) not in case.catalog:
            continue
        item = case.catalog[str(order.item)]
        day = case.timeline.start
        each = sum(usd for _, line, usd in unit_payments(case, item, day, day, day) if line != "mobilisation")
        got.append(float(order.capital_usd))  # type: ignore[arg-type]
        units = float(order.units)  # type: ignore[arg-type]
        want.append(each * units)
        names.append(f"{order.item} ordered {order.order_date}")
    limits = 1e-8 * np.abs(np.array(want)) + 0.01
    checks.equal("order capital", "USD", got, want, limits, names.__getitem__)


def _ledger(checks: Checks, tables: Tables, expected: dict[Key, float], bills: dict[Key, float]) -> None:
    """Every ledger row against the derived one, both ways: nothing missing, nothing extra."""
    found: defaultdict[Key, float] = defaultdict(float)
    for row in tables.ledger.itertuples():
        assert isinstance(row.date, date)
        found[row.date, str(row.line), str(row.item)] += float(row.usd)  # type: ignore[arg-type]
    for name, part, (relative, usd) in (
        ("ledger purchases", expected, (1e-8, _FRACTIONS)),
        ("ledger operation", bills, (1e-6, 0.01)),
    ):
        operating = part is bills
        keys = sorted({k for k in found if (k[1] in OPERATING_LINES) == operating} | set(part))
        got, want = np.array([found.get(k, 0.0) for k in keys]), np.array([part.get(k, 0.0) for k in keys])
        tolerance = relative * np.maximum(np.abs(want), np.abs(got)) + usd
        texts = [f"{day} {line} of {item}" for day, line, item in keys]
        checks.equal(name, "USD", got, want, tolerance, texts.__getitem__)


def _value(checks: Checks, case: Case, tables: Tables, risk_usd: float) -> None:
    """The objective is the ledger's present value and what risk adds to it."""
    value = risk_usd + sum(
        usd * present_worth(case, day) for day, usd in zip(tables.ledger.date, tables.ledger.usd, strict=True)
    )
    claimed = float(tables.summary["objective_usd"])
    slack = 1e-9 * abs(value) + 1e-2 + (1e-6 * abs(value) if risk_usd else 0.0)
    checks.equal("present value", "USD", claimed, value, slack, says("objective_usd"))


def _bounds(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Bounds in order, gaps what they say, and no more left out of the gap than compute costs."""
    s = tables.summary
    value, bound = float(s["objective_usd"]), float(s["lower_bound_usd"])
    forced = float(s["cost_not_open_to_decision_usd"])
    gap = value - bound
    checks.at_most("bounds", "USD", bound, value, 1e-9 * abs(value), says("lower_bound_usd over objective_usd"))
    compute = sum(
        usd * present_worth(case, day)
        for day, usd, item in zip(tables.ledger.date, tables.ledger.usd, tables.ledger.item, strict=True)
        if item in case.catalog and case.catalog[item].family == "compute"
    )
    checks.at_most(
        "bounds",
        "USD",
        [forced, -forced],
        [max(compute, 0.0), 0.0],
        1e-6 * abs(value),
        says("cost_not_open_to_decision_usd over the compute bought"),
    )
    open_cost = max(abs(value - forced), 1e-6)
    total = gap / max(abs(value), 1e-6)
    claims = (
        ("gap_usd", gap, 1e-2),
        ("gap_fraction", gap / open_cost, 1e-9),
        ("gap_fraction_total", total, 1e-9),
    )
    for name, want, slack in claims:
        checks.equal("gap figures", "", float(s[name]), want, 1e-6 * abs(want) + slack, says(name))
    for level in s["objectives"]:
        got, low = float(level["value"]), float(level["bound"])
        if level["name"] == "cost":
            checks.equal("objectives", "USD", got, value, 1e-9 * abs(value), says("value of cost"))
            checks.equal("objectives", "USD", min(low, got), bound, 1e-9 * abs(value), says("bound of cost"))
        elif level["name"] == "gpus":
            by = case.input.objective.by
            p = case.timeline.period_of(by) if by is not None else site.last
            gpus = float(site.sum_racks({r.item.id: r.gpus for r in site.racks})[p])
            checks.equal("objectives", "GPUs", got, gpus, 0.5, says("value of gpus"))
            checks.at_most("objectives", "GPUs", got, low, 0.5, says("gpus over their bound"))
        else:
            checks.at_most("objectives", "periods", low, got, 1e-6, says("bound of date over its value"))


def _budget(checks: Checks, case: Case, tables: Tables) -> None:
    """Cash paid up to each date, operation included, residual value left out."""
    ledger = tables.ledger[tables.ledger.line != "residual value"]
    for row in case.input.budget:
        spent = float(sum(usd for day, usd in zip(ledger.date, ledger.usd, strict=True) if day <= row.by))
        checks.at_most("budget", "USD", spent, row.usd, 1e-6 * row.usd + _FRACTIONS, says(f"cash paid by {row.by}"))
