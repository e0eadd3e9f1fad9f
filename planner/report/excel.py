"""The plan as an Excel workbook. Formatting only: every number comes from the plan or the catalog.

Sheets: Summary, Orders, Capacity, Energy by month, Ledger (by quarter), Ledger entries, the plan's details, Sources.
Totals below a table count the rows the filter shows. The same plan and case give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from planner.case.case import Case
from planner.case.figure import Figure, describe
from planner.ledger import CAPITAL_LINES
from planner.plan.plan import DETAILS, Plan
from planner.report.excel_table import Column, Formats, as_date, formats, write_cell, write_table
from planner.units import stem_of, unit_of

SHEETS = ("Summary", "Orders", "Capacity", "Energy by month", "Ledger", "Ledger entries")
RESIDUAL = "residual value"
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
        _orders(sheet["Orders"], style, plan)
        _capacity(book, sheet["Capacity"], style, plan)
        _energy(sheet["Energy by month"], style, plan)
        _quarters(book, sheet["Ledger"], style, plan)
        _entries(sheet["Ledger entries"], style, plan)
        for name, frame in plan.details.items():
            _detail(sheet[DETAILS[name]], style, frame)
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


def _orders(sheet: Any, style: Formats, plan: Plan) -> None:
    columns = [
        Column("item", width=34),
        Column("position", width=22),
        Column("family", width=14),
        Column("units", "units", 10),
        Column("order date", "date"),
        Column("delivery date", "date"),
        Column("ready date", "date"),
        Column("commissioning date", "date", 15),
        Column("capital [USD]", "usd", 18, "sum"),
    ]
    names = [
        "item",
        "position",
        "family",
        "units",
        "order_date",
        "delivery_date",
        "ready_date",
        "commissioning_date",
        "capital_usd",
    ]
    write_table(sheet, style, columns, _rows(plan.orders, names))


def _capacity(book: Any, sheet: Any, style: Formats, plan: Plan) -> None:
    shown = {
        "period": Column("period", "month", 10),
        "gpus_energised": Column("GPUs energised", "count", 11),
        "racks_delivered": Column("racks delivered", "units", 10),
        "racks_ready": Column("racks ready", "units", 10),
        "racks_energised": Column("racks energised", "units", 10),
        "racks_stranded": Column("racks ready, not energised", "units", 11),
        "grid_step_mw": Column("grid step [MW]", "mw", 9),
        "grid_mw": Column("grid firm [MW]", "mw", 9),
        "firm_generation_mw": Column("firm generation [MW]", "mw", 11),
        "design_load_mw": Column("design load [MW]", "mw", 10),
        "it_design_mw": Column("IT design [MW]", "mw", 10),
        "battery_nameplate_mwh": Column("battery energy, new [MWh]", "mw", 10),
        "battery_available_mwh": Column("battery energy, left [MWh]", "mw", 10),
        "binding_stage": Column("next rack is held by", "text", 22),
    }
    names = [n for n in shown if n in plan.capacity and (not n.startswith("battery_") or plan.capacity[n].any())]
    write_table(sheet, style, [shown[name] for name in names], _rows(plan.capacity, names))
    last, beside = len(plan.capacity), len(names) + 1

    def chart(title: str, lines: Sequence[tuple[str, str, bool]], axis: str, second: str, row: int) -> None:
        drawn = book.add_chart({"type": "line"})
        for name, colour, on_second in lines:
            j = names.index(name)
            drawn.add_series(
                {
                    "name": ["Capacity", 0, j],
                    "categories": ["Capacity", 1, 0, last, 0],
                    "values": ["Capacity", 1, j, last, j],
                    "line": {"color": colour, "width": 2},
                    "y2_axis": on_second,
                }
            )
        drawn.set_title({"name": title, "name_font": {"size": 12}})
        drawn.set_x_axis(
            {
                "num_format": "mmm yyyy",
                "interval_unit": max(1, last // 12),
                "text_axis": True,
                "num_font": {"rotation": -45},
            }
        )
        drawn.set_y_axis({"name": axis, "num_format": "#,##0", "major_gridlines": {"visible": True}})
        if second:
            drawn.set_y2_axis({"name": second, "num_format": "#,##0"})
        drawn.set_legend({"position": "bottom"})
        drawn.set_size({"width": 760, "height": 380})
        sheet.insert_chart(row, beside, drawn)

    chart(
        "Racks delivered and energised, GPUs energised",
        [
            ("racks_delivered", "#A6A6A6", False),
            ("racks_energised", "#1F6FB4", False),
            ("gpus_energised", "#E08A1E", True),
        ],
        "racks",
        "GPUs",
        1,
    )
    chart(
        "Design load and what carries it",
        [("grid_mw", "#1F6FB4", False), ("firm_generation_mw", "#E08A1E", False), ("design_load_mw", "#333333", False)],
        "MW",
        "",
        21,
    )


def _energy(sheet: Any, style: Formats, plan: Plan) -> None:
    """Monthly energy and peaks from the dispatch, cost from the ledger; of the operation, its first year."""
    dispatch = plan.dispatch
    known = ("scenario", "period", "phase", "hour_of_year", "minute", "weight_h")
    flows = [
        name
        for name in map(str, dispatch)
        if name not in known and name.endswith("_mw") and (":" not in name or dispatch[name].abs().max() > 0)
    ]
    flows.sort(key=lambda name: name.startswith("heat_rejected"))
    hours = dispatch.weight_h
    if "scenario" in dispatch:  # energy is expected, peaks are the highest of all
        hours = hours * dispatch.scenario.map({row["name"]: row["probability"] for row in plan.summary["scenarios"]})
    energy = dispatch[flows].multiply(hours, axis=0)
    months = [dispatch.period.map(as_date), dispatch.phase]
    sums = energy.groupby(months, sort=True).sum()
    peaks = dispatch[flows].groupby(months, sort=True).max()
    ledger = plan.ledger[~plan.ledger.line.isin([*CAPITAL_LINES, RESIDUAL])]
    lines = sorted(ledger.line.unique())
    cost = ledger.usd.groupby([ledger.date.map(lambda d: as_date(d).replace(day=1)), ledger.line]).sum().to_dict()
    peak_of = [name for name in ("site_load_mw", "grid_import_mw") if name in flows]
    columns = [Column("month", "month", 10), Column("phase", width=15)]
    columns += [Column(f"{_flow(name)} [{_unit(name)}]", "mwh", 14, "sum") for name in flows]
    columns += [Column(f"peak {_flow(name)} [MW]", "mw", 12, "max") for name in peak_of]
    columns += [Column(f"{line} [USD]", "usd", 14, "sum") for line in lines]
    rows = [
        (
            month,
            phase,
            *(sums.at[(month, phase), name] for name in flows),
            *(peaks.at[(month, phase), name] for name in peak_of),
            *(cost.get((month, line), 0.0) for line in lines),
        )
        for month, phase in sums.index
    ]
    write_table(sheet, style, columns, rows, frozen_columns=2)


def _flow(name: str) -> str:
    """Flow of a dispatch column in words."""
    return "IT" if name == "it_mw" else name.removesuffix("_mw").replace(":", ": ").replace("_", " ")


def _unit(name: str) -> str:
    return "MWh of heat" if name.startswith("heat_rejected") else "MWh"


def _quarters(book: Any, sheet: Any, style: Formats, plan: Plan) -> None:
    """Payments by quarter and line in M$; the residual value stands apart: it funds nothing."""
    days = plan.ledger.date.map(as_date)
    quarter = days.map(lambda d: d.year * 4 + (d.month - 1) // 3)
    usd = plan.ledger.usd.groupby([quarter, plan.ledger.line]).sum().to_dict()
    present = set(plan.ledger.line)
    build = [line for line in CAPITAL_LINES if line in present]
    lines = [*build, *sorted(present - set(build) - {RESIDUAL})]
    rows: list[list[Any]] = []
    spent = 0.0
    for q in range(int(quarter.min()), int(quarter.max()) + 1) if len(quarter) else ():
        paid = [usd.get((q, line), 0.0) / 1e6 for line in lines]
        spent += sum(paid)
        left = usd.get((q, RESIDUAL), 0.0) / 1e6
        rows.append([f"{q // 4} Q{q % 4 + 1}", *paid, sum(paid), spent, left])
    columns = [Column("quarter", width=10), *(Column(f"{line} [M$]", "musd", 13, "sum") for line in lines)]
    columns += [
        Column("all payments [M$]", "musd", 13, "sum"),
        Column("cumulative payments [M$]", "musd", 13),
        Column("residual value, not in the totals [M$]", "musd", 15, "sum"),
    ]
    write_table(sheet, style, columns, rows)
    total, cumulative, last = len(lines) + 1, len(lines) + 2, len(rows)
    bars = book.add_chart({"type": "column"})
    curve = book.add_chart({"type": "line"})
    for chart, j, colour in ((bars, total, "#9DC3E6"), (curve, cumulative, "#1F3864")):
        chart.add_series(
            {
                "name": ["Ledger", 0, j],
                "categories": ["Ledger", 1, 0, last, 0],
                "values": ["Ledger", 1, j, last, j],
                "line" if chart is curve else "fill": {"color": colour},
            }
        )
    bars.combine(curve)
    bars.set_title({"name": "Funding by quarter and cumulative", "name_font": {"size": 12}})
    bars.set_x_axis({"num_font": {"rotation": -45}, "interval_unit": max(1, last // 16)})
    bars.set_y_axis({"name": "M$", "num_format": "#,##0"})
    bars.set_legend({"position": "bottom"})
    bars.set_size({"width": 900, "height": 400})
    sheet.insert_chart(last + 4, 0, bars)


def _entries(sheet: Any, style: Formats, plan: Plan) -> None:
    columns = [
        Column("date", "date"),
        Column("line", width=24),
        Column("item", width=34),
        Column("payment [USD] (receipts negative)", "usd", 20, "sum"),
    ]
    write_table(sheet, style, columns, _rows(plan.ledger, ["date", "line", "item", "usd"]))


def _detail(sheet: Any, style: Formats, frame: pd.DataFrame) -> None:
    """A detail as it is: words, the periods as dates, and numbers with the unit at the end of their name."""
    columns = []
    for name in map(str, frame.columns):
        kind = "number" if pd.api.types.is_numeric_dtype(frame[name].dtype) else "text"
        kind = "date" if name == "period" else kind
        label, unit = stem_of(name).replace("_", " "), unit_of(name)
        header = f"{label} [{unit}]" if unit else label
        columns.append(Column(header, kind, 30 if kind == "text" else 14))
    write_table(sheet, style, columns, _rows(frame, map(str, frame.columns)))


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


def _rows(frame: pd.DataFrame, names: Iterable[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[name].tolist() for name in names), strict=True))
