"""The sheets of a plan's tables: orders, capacity, energy by month, ledger by quarter and entry by entry, details."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from planner.ledger import CAPITAL_LINES
from planner.plan.plan import Plan
from planner.report.excel_table import Column, Formats, as_date, write_table
from planner.units import stem_of, unit_of

RESIDUAL = "residual value"


def orders_sheet(sheet: Any, style: Formats, plan: Plan) -> None:
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


def capacity_sheet(book: Any, sheet: Any, style: Formats, plan: Plan) -> None:
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


def energy_sheet(sheet: Any, style: Formats, plan: Plan) -> None:
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


def quarters_sheet(book: Any, sheet: Any, style: Formats, plan: Plan) -> None:
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


def entries_sheet(sheet: Any, style: Formats, plan: Plan) -> None:
    columns = [
        Column("date", "date"),
        Column("line", width=24),
        Column("item", width=34),
        Column("payment [USD] (receipts negative)", "usd", 20, "sum"),
    ]
    write_table(sheet, style, columns, _rows(plan.ledger, ["date", "line", "item", "usd"]))


def detail_sheet(sheet: Any, style: Formats, frame: pd.DataFrame) -> None:
    """A detail as it is: words, the periods as dates, and numbers with the unit at the end of their name."""
    columns = []
    for name in map(str, frame.columns):
        kind = "number" if pd.api.types.is_numeric_dtype(frame[name].dtype) else "text"
        kind = "date" if name == "period" else kind
        label, unit = stem_of(name).replace("_", " "), unit_of(name)
        header = f"{label} [{unit}]" if unit else label
        columns.append(Column(header, kind, 30 if kind == "text" else 14))
    write_table(sheet, style, columns, _rows(frame, map(str, frame.columns)))


def _rows(frame: pd.DataFrame, names: Iterable[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[name].tolist() for name in names), strict=True))
