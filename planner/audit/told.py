"""Audit of what plan.json tells besides costs and results: dates, events, racks that wait, trust, and the gas burnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from planner.audit.base import Checks, Tables, says
from planner.audit.gates import gas_mmbtu_per_day
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.audit.permits import burnt_by_step
from planner.case.case import Case

WEAK = ("inherited", "estimate", "memory")  # bases that nobody has quoted
SHOWN = 60  # periods with racks that wait
_MMBTU = 1e-4

Path = tuple[str, Site, Sequence[Month]]  # name of a scenario, what stands on it, its months


def audit_told(checks: Checks, case: Case, tables: Tables, paths: Sequence[Path]) -> None:
    """Every part on its own."""
    _as_the_case(checks, case, tables)
    _stranded(checks, tables)
    _trust(checks, case, tables)
    _gas(checks, case, tables, paths)


def _as_the_case(checks: Checks, case: Case, tables: Tables) -> None:
    """What is taken over from the case is what the case says."""
    horizon, told = case.input.horizon, tables.summary
    events = {f"{event.kind}_{number}": event for number, event in enumerate(case.input.events, 1)}
    rows = [(str(row["name"]).partition(":")[0], row) for row in told.get("events", ())]
    lost = {name for name, event in events.items() if event.kind != "loss_of_largest_unit"} - {name for name, _ in rows}
    checks.true("told as in the case", not lost, f"plan.json does not tell of the events {sorted(lost)}")
    for name, row in rows:
        event = events.get(name)
        same = event is not None and (row["hours"], row["load_fraction"]) == (event.length_h, event.load_fraction)
        checks.true("told as in the case", same, f"{row['name']} is not as the case has it")
    want = {
        "start": str(case.timeline.start),
        "discount_rate": case.input.finance.discount_rate,
        "base_year": case.input.finance.base_year,
        "sampled_days_per_month": horizon.sample_days_per_month,
        "step_minutes": horizon.step_minutes,
        "calendar": horizon.calendar,
        "activities": {name: str(day) for name, day in case.activity_dates.items()},
    }
    for name, value in want.items():
        checks.true("told as in the case", name in told and told[name] == value, f"{name} is {value} in the case")
    reached = [row["reached"] for row in told["milestones"]]
    first = reached[-1] if case.input.objective.kind == "earliest" and reached else None
    checks.true("told as in the case", told.get("earliest_date") == first, f"the earliest date is {first}")


def _stranded(checks: Checks, tables: Tables) -> None:
    """Periods with racks that wait are those of the capacity table."""
    frame = tables.capacity[tables.capacity.racks_stranded > 0]
    want = list(
        zip(map(str, frame.period), map(float, frame.racks_stranded), map(str, frame.binding_stage), strict=True)
    )[:SHOWN]
    told = [(str(row["period"]), float(row["racks"]), str(row["held_by"])) for row in tables.summary["first_stranded"]]
    checks.true("racks that wait", told == want, f"plan.json tells of {len(told)} periods, capacity of {len(want)}")


def _trust(checks: Checks, case: Case, tables: Tables) -> None:
    """Shares of capital, and of the weeks of what is ordered first for each date, that nobody has quoted."""
    orders = tables.orders[np.array([item in case.catalog for item in tables.orders["item"]], bool)]
    told, whole = tables.summary["trust"], float(orders.capital_usd.sum())
    weak = [(f := case.catalog[item].price_usd) is not None and f.basis in WEAK for item in orders["item"]]
    share = float(orders.capital_usd.to_numpy()[np.array(weak, bool)].sum()) / whole if whole else 0.0
    checks.equal("trust", "", told["dollars_fraction_on_weak_figures"], share, 1e-8, says("capital"))
    low, high = np.zeros(2), np.zeros(2)  # weeks, weak weeks; orders of one day may be taken in any order
    for _, rows in orders.groupby("commissioning_date"):
        first = [case.catalog[item] for item in rows["item"][rows.order_date == rows.order_date.min()]]
        weeks = [item.get("lead_time_weeks") for item in first]
        quoted = [item.lead_time_weeks is None or item.lead_time_weeks.basis not in WEAK for item in first]
        both = np.array([[w, 0.0 if sure else w] for w, sure in zip(weeks, quoted, strict=True)])
        low, high = low + both.min(axis=0), high + both.max(axis=0)
    least = low[1] / high[0] if high[0] > 0 else 0.0
    most = min(1.0, high[1] / low[0]) if low[0] > 0 else float(high[1] > 0)
    got = told["critical_weeks_fraction_on_weak_figures"]
    checks.between("trust", "", got, least, most, 1e-8, says("critical weeks"))


def _gas(checks: Checks, case: Case, tables: Tables, paths: Sequence[Path]) -> None:
    """The table of gas: what every month burns, its highest day and hour, and what is supplied."""
    shown = tables.details.get("gas")
    burns = any(item.fuel == "natural_gas" for _, site, _ in paths[:1] for item in site.family_items("generation"))
    wanted = case.input.site.gas is not None and burns
    checks.true("gas table", (shown is not None) == wanted, "a table of gas goes with a supply of gas")
    if shown is None or not wanted:
        return
    rows: dict[Any, Any] = {
        (str(row.get("scenario", "")), row["period"], str(row["phase"])): row for row in shown.to_dict("records")
    }
    for name, site, months in paths:
        for month in months:
            phase = "build" if month.place < 0 else "operating year" if month.p == site.last else "expansion year"
            row = rows.pop((name, month.start, phase), None)
            text = f"gas of {month.start} {name}".rstrip()
            if row is None:
                checks.true("gas table", False, f"no row for the {text}")
                continue
            burnt, step_h = burnt_by_step(site.case, site, month), month.hours.step_h
            days = pd.Series(burnt * step_h).groupby(month.hours.shown_hour // 24).sum()
            want = {
                "burnt_mmbtu_hhv": float(burnt.sum()) * month.hours.weight,
                "highest_day_mmbtu_hhv": float(days.max()),
                "highest_hour_mmbtu_hhv": float(burnt.max()),
                "supply_mmbtu_hhv_per_day": gas_mmbtu_per_day(case, month.start),
            }
            for column, value in want.items():
                where = says(f"{column}, {text}")
                checks.equal("gas table", "MMBtu HHV", float(row[column]), value, _MMBTU + 1e-6 * value, where)
    checks.true("gas table", not rows, f"rows of no month: {list(rows)[:2]}")
