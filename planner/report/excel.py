"""The plan as an Excel workbook. Formatting only: every number comes from the plan or the catalog.

Sheets: Summary, Orders, Capacity, Energy by month, Ledger (by quarter), Ledger entries, the plan's details, Sources.
Totals below a table count the rows the filter shows. The same plan and case give the same bytes.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from planner.case.case import Case
from planner.case.figure import Figure, describe
from planner.plan.plan import DETAILS, Plan
from planner.report.excel_sheets import (
    capacity_sheet,
    detail_sheet,
    energy_sheet,
    entries_sheet,
    orders_sheet,
    quarters_sheet,
)
from planner.report.excel_table import Column, Formats, formats, write_cell, write_table
from planner.units import stem_of, unit_of

SHEETS = ("Summary", "Orders", "Capacity", "Energy by month", "Ledger", "Ledger entries")
_LABELS = {
    "gpus_energised": ("GPUs energised at the end", "GPUs"),
    "design_load_mw": ("design load of the site", "MW"),
    "it_design_mw": ("IT design power", "MW"),
    "peak_site_load_mw": ("peak site load of the year", "MW"),
    "peak_import_mw": ("peak import of the year", "MW"),
    "site_energy_mwh_per_year": ("energy used by the site", "MWh/year"),
    "annual_pue": ("PUE over the year", ""),
    "peak_pue": ("PUE at design ambient", ""),
    "annual_wue_l_per_kwh": ("WUE over the year", "L/kWh"),
    "water_m3_per_year": ("make-up water", "m3/year"),
    "peak_day_m3": ("make-up water on the day that takes most", "m3"),
    "gpus_per_facility_mw": ("GPUs per facility MW", "GPUs/MW"),
    "capital_without_it_usd": ("capital without IT", "USD"),
    "capital_it_usd": ("capital of IT", "USD"),
    "project_cost_usd_per_mw": ("project cost without IT, per IT MW", "USD/MW"),
    "undiscounted_cost_usd": ("all payments, not discounted", "USD"),
    "usd_per_gpu_hour": ("cost of an energised GPU-hour", "USD/GPU-h"),
    "unsmoothed_swing_mw": ("load swing of the largest job, unsmoothed", "MW"),
    "swing_battery_mw": ("battery power kept for it", "MW"),
    "smoothing_loss_mw": ("loss of smoothing it", "MW"),
}


def workbook(plan: Plan, case: Case) -> bytes:
    """Bytes of the .xlsx file of a plan."""
    import xlsxwriter

    buffer = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(buffer, options) as book:
        created = datetime.combine(case.input.start, datetime.min.time())
        book.set_properties({"title": "Site plan", "created": created})
        style = formats(book)
        sheet = {name: book.add_worksheet(name) for name in (*SHEETS, *(DETAILS[n] for n in plan.details), "Sources")}
        _summary(sheet["Summary"], style, plan, case)
        orders_sheet(sheet["Orders"], style, plan)
        capacity_sheet(book, sheet["Capacity"], style, plan)
        energy_sheet(sheet["Energy by month"], style, plan)
        quarters_sheet(book, sheet["Ledger"], style, plan)
        entries_sheet(sheet["Ledger entries"], style, plan)
        for name, frame in plan.details.items():
            detail_sheet(sheet[DETAILS[name]], style, frame)
        _sources(sheet["Sources"], style, plan, case)
        for page in sheet.values():
            page.set_landscape()
            page.fit_to_pages(1, 0)
            page.repeat_rows(0)
    return buffer.getvalue()


# --- summary --------------------------------------------------------------------------------------


class _Lines:
    """Rows of label, value, unit and remark under section headings."""

    def __init__(self, sheet: Any, style: Formats) -> None:
        self.sheet, self.style, self.row = sheet, style, 0

    def section(self, *headings: str) -> None:
        self.row += 2
        for j in range(4):
            self.sheet.write_string(self.row, j, headings[j] if j < len(headings) else "", self.style.section)

    def line(self, label: Any, value: Any = None, kind: str = "text", unit: str = "", remark: Any = None) -> None:
        self.row += 1
        for j, (part, how) in enumerate(((label, "text"), (value, kind), (unit, "text"), (remark, "text"))):
            write_cell(self.sheet, self.row, j, part, how, self.style.cells[how])


def _summary(sheet: Any, style: Formats, plan: Plan, case: Case) -> None:
    s = plan.summary
    for j, width in enumerate((52, 22, 16, 60)):
        sheet.set_column(j, j, width)
    sheet.write_string(0, 0, str(s["name"]), style.title)
    sheet.freeze_panes(1, 0)
    lines = _Lines(sheet, style)
    lines.section("Status and proof")
    lines.line("status", plan.status)
    for level in s["objectives"][:-1]:  # the last is the cost
        lines.line(f"first {level['name']}", level["value"], "number", "", f"bound {level['bound']:,.6g}")
    lines.line("present value of all cost", s["objective_usd"], "usd", "USD", f"at {case.input.start}")
    lines.line("least possible (proven lower bound)", s["lower_bound_usd"], "usd", "USD")
    lines.line("gap", s["gap_usd"], "usd", "USD")
    lines.line("gap of the cost open to decision", s["gap_fraction"], "percent")
    lines.line("gap of the whole cost", s["gap_fraction_total"], "percent")
    lines.line("cost that no decision changes", s["cost_not_open_to_decision_usd"], "usd", "USD")

    lines.section("Key results", "", "unit")
    values = {
        "gpus_energised": s["gpus_energised"],
        "design_load_mw": s["design_load_mw"],
        **s["key_results"],
    }
    for name in (*_LABELS, *sorted(set(values) - set(_LABELS))):
        if values.get(name) is not None:
            label, unit = _LABELS.get(name, (name.replace("_", " "), unit_of(name)))
            value = values[name]
            kind = "text" if isinstance(value, str) else "count" if abs(value) >= 1000 else "number"
            lines.line(label, value, kind, unit)

    if s.get("goodput"):
        lines.section("Goodput of the largest job")
        for name, value in s["goodput"].items():
            lines.line(name.replace("_", " "), value, "count" if abs(value) >= 1000 else "number")

    lines.section("Milestones", "reached", "", "promised by")
    for m in s["milestones"]:
        label = f"{m['target']:,.6g} {m['unit']}"
        if m["reached"]:
            lines.line(label, m["reached"], "date", "", f"by {m['by']}")
        else:
            lines.line(label, "not reached", "text", "", f"by {m['by']}")

    lines.section("Units in service at the end", "units", "", "product")
    for name, units in s["units"].items():
        entry = case.catalog.entries.get(name)
        product = f"{entry.item.vendor} {entry.item.model}" if entry else None
        lines.line(name, units, "units", "", product)

    if s.get("events"):
        lines.section("Events lived through", "hours", "", "replayed from every start")
        for event in s["events"]:
            share = f"load carried {event['load_fraction']:.0%}, {event['starts_possible']} starts"
            share += f", {event['patterns']}" if "patterns" in event else ""
            lines.line(event["name"], event["hours"], "number", "h", share)
        for row in s["reserves"]:
            lines.line(f"reserve of {row['item']} from {row['period']}", row["reserve_mwh"], "number", "MWh")
    if s.get("scenarios"):
        lines.section("Operation by scenario, present value", "USD", "", "probability")
        for row in s["scenarios"]:
            lines.line(row["name"], row["operation_usd"], "count", "USD", f"{row['probability']:.1%}")
        lines.line("expectation", s["operation_expected_usd"], "count", "USD")
        if (s.get("risk") or {}).get("operation_cvar_usd") is not None:
            risk = s["risk"]
            label = f"mean of the dearest {1 - risk['cvar_alpha']:.1%} (alpha {risk['cvar_alpha']:g})"
            lines.line(label, risk["operation_cvar_usd"], "count", "USD", f"weight {risk['weight']:g}")

    if s.get("look_ahead"):
        seen = s["look_ahead"]
        lines.section(f"Year from {seen['year_from']}, seen {seen['hours']:g} h ahead", "USD", "", "perfect foresight")
        for name in ("energy_usd", "demand_usd", "other_usd", "cost_usd", "battery_savings_usd"):
            best = f"{seen['perfect'][name]:,.0f}"
            lines.line(stem_of(name).replace("_", " "), seen["look_ahead"][name], "count", "USD", best)
        lines.line("unserved", seen["unserved_mwh"], "number", "MWh")

    lines.section("Trust", "", "", "inherited, estimated or remembered figures")
    trust = s["trust"]
    lines.line("share of capital on weak figures", trust["dollars_fraction_on_weak_figures"], "percent")
    lines.line("share of critical weeks on weak figures", trust["critical_weeks_fraction_on_weak_figures"], "percent")
    for heading, texts in (("Warnings", s["warnings"]), ("Defaults used", s["defaults_used"])):
        lines.section(heading)
        for text in texts or ["none"]:
            lines.line(text)
    lines.section("What the plan rests on")
    lines.line("weather", s["weather"]["name"])
    lines.line("design ambient from", s["weather"]["design_ambient"])
    for good, rate in s.get("escalation_fraction_per_year", {}).items():
        label = f"price of {good.replace('_', ' ')} grows a year"
        lines.line(label, rate, "percent", "", f"over inflation, from {s['base_year']}")
    for name, day in s["activities"].items():
        lines.line(f"activity: {name}", day, "date")
    for file, digest in s["inputs_sha256"].items():
        lines.line(file, None, "text", "", f"SHA-256 {digest}")
    for package, version in s["versions"].items():
        lines.line(f"version of {package}", version)


# --- tables ---------------------------------------------------------------------------------------


def _sources(sheet: Any, style: Formats, plan: Plan, case: Case) -> None:
    """Every figure of every item in the plan, and where it comes from."""
    columns = [
        Column("item", width=32),
        Column("field", width=32),
        Column("value", "figure"),
        Column("low", "figure"),
        Column("typical", "figure"),
        Column("high", "figure"),
        Column("unit", width=14),
        Column("basis", width=11),
        Column("inherited from", width=26),
        Column("source", width=70),
        Column("date", width=11),
        Column("note", width=70),
        Column("file", width=28),
    ]
    rows = []
    entries = case.catalog.entries
    parts = plan.details["network"]["item"] if "network" in plan.details else ()  # of a bill of materials
    for name in sorted({*plan.summary["units"], *plan.orders["item"], *parts}):
        if name not in entries:
            continue
        for field, figure in entries[name].item.sourced():
            entry = entries.get(figure.inherited_from, entries[name])
            source = entry.sources.get(figure.source, figure.source)
            values: tuple[float | None, ...] = (None,) * 4
            note = figure.note
            if isinstance(figure, Figure):
                values = figure.value, figure.low, figure.typical, figure.high
            else:
                note = f"{describe(figure)}. {note}".rstrip(". ")
            file = "/".join(entry.file.replace("\\", "/").split("/")[-2:])
            rows.append(
                (
                    name,
                    field,
                    *values,
                    unit_of(field),
                    figure.basis,
                    figure.inherited_from,
                    source,
                    figure.date,
                    note,
                    f"{file}:{entry.line}",
                )
            )
    write_table(sheet, style, columns, rows, frozen_columns=2)
