"""The bill of every month, from the hours of the dispatch."""

from __future__ import annotations

from collections import defaultdict

from planner.audit.generation import generation_lines
from planner.audit.loads import Site
from planner.audit.money import Key, middle
from planner.audit.months import Month
from planner.audit.permits import permit_lines
from planner.audit.physics import dearer
from planner.audit.stock import Rack
from planner.audit.water import water_usd
from planner.case.case import Case
from planner.case.tariff import monthly_bill


def charge_bill(case: Case, site: Site, month: Month, ratchet_mw: float, bills: defaultdict[Key, float]) -> None:
    """Operating lines of a month, put on the day each of its bills is paid, at the prices of that year."""
    for day in month.days:
        for line, usd in _month_lines(case, site, month, ratchet_mw, day.year).items():
            bills[middle(day), line, "operation"] += usd


def _month_lines(case: Case, site: Site, month: Month, ratchet_mw: float, year: int) -> dict[str, float]:
    lines: defaultdict[str, float] = defaultdict(float)
    hours, weight = month.hours, month.hours.weight
    if case.tariff is not None:
        bill = monthly_bill(
            case.tariff,
            hours.month,
            hours.hour_of_day,
            hours.is_weekend,
            month.flow("grid_import_mw"),
            hours_per_step=weight,
            contract_mw=site.grid_step(month.p)[1],
            hour_of_year=hours.hour_of_year,
            ratchet_mw=ratchet_mw,
        )
        if case.export_usd_per_mwh is not None:
            earned = case.export_usd_per_mwh[hours.hour_of_year] @ month.flow("grid_export_mw")
            lines["export receipts"] -= float(earned) * weight * dearer(case, "export", year)
        capacity = dearer(case, "demand", year)
        lines["energy"] = bill["energy"] * dearer(case, "energy", year)
        lines["demand charge"] = (bill["demand"] + bill["minimum_take"] + bill["ratchet"]) * capacity
        lines["coincident peak charge"] = bill["coincident"] * capacity
        lines["time-of-use demand charge"] = bill["tou_demand"] * capacity
    for line, usd in (*generation_lines(case, site, month).items(), *permit_lines(case, site, month, year).items()):
        lines[line] += usd
    lines["water"] = water_usd(case, site, month)
    for item in site.family_items("battery"):
        mwh = float(month.flow(f"discharge:{item.id}_mw").sum()) * weight
        lines["battery wear"] += item.get("wear_cost_usd_per_mwh", 0.0) * mwh
    lines["battery wear"] += site.kept.wear_usd_per_h(month.p) * weight * len(hours)
    for rack in site.racks:
        lines["shed compute (value, not paid)"] += (
            _shed_usd_per_mwh(case, rack) * weight * float(month.flow(f"compute_shed:{rack.item.id}_mw").sum())
        )
    return dict(lines)


def _shed_usd_per_mwh(case: Case, rack: Rack) -> float:
    shed = case.input.workload.shed if case.input.workload is not None else None
    return shed.usd_per_gpu_hour * rack.gpus / rack.mean_mw if shed is not None else 0.0
