"""Audit of a look-ahead: what it says of the plan's own year is what the plan pays, and its sums are right."""

from __future__ import annotations

import numpy as np

from planner.audit.base import Checks, Tables, says, says_when
from planner.case.case import Case

_NAME = "look-ahead"
_WAYS = ("perfect", "look_ahead")
_PARTS = ("energy_usd", "demand_usd", "other_usd")


def audit_look_ahead(checks: Checks, case: Case, tables: Tables) -> None:
    """The year with perfect foresight is the ledger's; less foresight costs no less; parts and totals add up."""
    seen, frame = tables.summary.get("look_ahead"), tables.details.get("look_ahead")
    if seen is None and frame is None:
        return
    checks.true(_NAME, seen is not None and frame is not None, "plan.json and the table go together")
    if seen is None or frame is None:
        return
    months = frame.period.tolist()
    chance = {path.name: path.probability for path in case.paths}
    scenarios = frame.scenario.tolist() if "scenario" in frame else [case.paths[0].name] * len(frame)
    likely = np.array([chance.get(name, np.nan) for name in scenarios])
    there = says_when("month", months)
    column = {name: frame[name].to_numpy(float) for name in frame.columns if name not in ("period", "scenario")}
    costs = {way: column[f"{way}_cost_usd"] for way in _WAYS}
    near = 1e-6 * np.maximum(1.0, np.abs(costs["perfect"]))
    for way, cost in costs.items():
        parts = np.sum([column[f"{way}_{part}"] for part in _PARTS], axis=0)
        checks.equal(_NAME, "USD", cost, parts, near, there)
        none, saved = column[f"{way}_without_batteries_usd"], column[f"{way}_battery_savings_usd"]
        known = ~np.isnan(none)
        checks.equal(_NAME, "USD", np.where(known, saved, 0.0), np.where(known, none - cost, 0.0), near, there)
    whole = (column["unserved_mwh"] == 0.0) & (column["missed_mwh"] == 0.0)
    least = np.where(whole, costs["perfect"], -np.inf)
    checks.at_most(_NAME, "USD", least, costs["look_ahead"], near, there)
    # Whole units of generators cost more than the linear blocks know; else the ledger's bill is the very same.
    ledger = tables.ledger[tables.ledger["item"] == "operation"]
    paid = {day: float(usd) for day, usd in ledger.groupby("date").usd.sum().items()}
    for month in dict.fromkeys(months):
        here = [month == other for other in months]
        best, bill = float((likely * costs["perfect"])[here].sum()), paid.get(_middle(month), 0.0)
        slack = 1e-6 * max(1.0, abs(bill)) + 1.0
        checks.at_most(_NAME, "USD", best, bill, slack, says(f"perfect foresight {month}"))
        if not _whole_units(case):
            checks.at_most(_NAME, "USD", bill, best, 1e-3 * abs(bill) + 1.0, says(f"bill of {month}"))
    both = ~np.isnan(column["perfect_battery_savings_usd"]) & ~np.isnan(column["look_ahead_battery_savings_usd"])
    saved_of = {}
    for way in _WAYS:
        for part in (*_PARTS, "cost_usd"):
            want = float((likely * column[f"{way}_{part}"]).sum())
            checks.equal(_NAME, "USD", seen[way][part], want, 1e-6 * max(1.0, abs(want)), says(f"{way} {part}"))
        want = float((likely * column[f"{way}_battery_savings_usd"])[both].sum())
        saved_of[way] = want
        where = says(f"{way} battery savings")
        checks.equal(_NAME, "USD", seen[way]["battery_savings_usd"], want, 1e-6 * max(1.0, abs(want)), where)
    if seen["battery_savings_kept_fraction"] is not None:
        want = saved_of["look_ahead"] / saved_of["perfect"]
        where = says("savings kept")
        checks.equal(_NAME, "fraction", seen["battery_savings_kept_fraction"], want, 1e-6, where)
    for name in ("unserved_mwh", "missed_mwh"):
        checks.equal(_NAME, "MWh", seen[name], float((likely * column[name]).sum()), 1e-3, says(name))


def _middle(month: object) -> object:
    """Day on which the bill of a month is taken as paid."""
    return month.replace(day=15)  # type: ignore[attr-defined]


def _whole_units(case: Case) -> bool:
    """Whether some generator may have a least load, a ramp, starts or fuel at no load."""
    ids = {*case.candidates.get("generation", ()), *case.input.owned}
    fields = (
        "minimum_load_fraction",
        "start_cost_usd",
        "start_fuel_mmbtu_hhv",
        "ramp_fraction_per_minute",
        "heat_rate_half_load_btu_per_kwh_lhv",
        "heat_rate_half_load_btu_per_kwh_hhv",
    )
    return any(getattr(case.catalog[i], name) is not None for i in ids for name in fields)
