"""What the terminal shows. Formatting only; every number has its unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.case.catalog import Entry
from planner.case.figure import describe
from planner.case.item import STAGES, Item
from planner.plan.plan import TABLES, Plan
from planner.units import unit_of


def _console(least_width: int = 300, *, to_stderr: bool = False) -> Console:
    """A console that cuts no name and folds no line; a narrow terminal folds them itself. [characters]"""
    return Console(highlight=False, soft_wrap=True, width=max(Console().width, least_width), stderr=to_stderr)


def print_line(text: str, style: str = "") -> None:
    """One line, as it is."""
    _console().print(Text(text, style=style))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> None:
    """A table without lines. numbers: columns that stand to the right. A row with a FAIL in it is red."""
    table = Table(box=None, pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i in numbers else "left")
    for row in rows:
        style = "red" if "FAIL" in row else ""
        table.add_row(*(Text(cell, style=style) for cell in row))
    _console().print(table)


def print_swing(name: str, text: str, heads: Sequence[str], rows: Sequence[Sequence[str]], page: Path) -> None:
    """What was simulated, every rule's verdict, and where the load is drawn. rows: numbers from the third column on."""
    console = _console()
    console.print(Text(name, style="bold"))
    console.print(Text(text))
    table = Table(box=None, pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if 2 <= i < len(heads) - 1 else "left")
    for row in rows:
        table.add_row(*(Text(cell, style="red" if cell.startswith("FAIL") else "") for cell in row))
    console.print(table)
    console.print(Text(f"drawn in {page}"))


def print_no_plan(
    name: str,
    reasons: Sequence[object],
    members: Sequence[tuple[str, str, str, str]],
    ways: Sequence[tuple[str, str, float, str]],
    firm: Sequence[str],
    left_out: Sequence[str],
    effort: str,
    *,
    to_stderr: bool,
) -> None:
    """Why a case has no plan, and what would have to give.

    members: (conflict, limit, how much is missing, file:line). ways: (move, what it gives up, USD, options to set).
    """
    console = _console(to_stderr=to_stderr)
    console.print(Text(f"{name}: no plan satisfies the case", style="bold red"))
    for reason in reasons:
        console.print(Text(f"  {reason}"))
    table = Table("", "limit", "what would have to give", "written at", box=None, pad_edge=False)
    for number, limit, short, place in members:
        table.add_row(number, Text(limit), Text(short, style="bold"), Text(place, style="dim"))
    if members:
        console.print(Text("limits in conflict: those of one number cannot hold together", style="bold"))
        console.print(table)
    if ways:
        console.print(Text("ways out, each solved and its plan audited", style="bold"))
        table = Table("", "move", "", "plan, M$", "apply with", box=None, pad_edge=False)
        table.columns[3].justify = "right"
        for i, (move, gives_up, usd, options) in enumerate(ways, 1):
            table.add_row(str(i), Text(move, style="bold"), Text(gives_up), f"{usd / 1e6:,.0f}", Text(options))
        console.print(table)
    if firm:
        console.print(Text(f"firm, and so not offered: {', '.join(firm)}"))
    for line in left_out:
        console.print(Text(f"left out: {line}", style="yellow"))
    console.print(effort)


def print_plan(plan: Plan, folder: Path, checked: int, checks: int) -> None:
    """The plan in one screen, and where its files are."""
    s, key, console = plan.summary, plan.summary["key_results"], _console()
    console.print(Text(s["name"], style="bold"))
    console.print(
        f"{plan.status}: {s['objective_usd'] / 1e6:,.1f} M$ present value, "
        f"at least {s['lower_bound_usd'] / 1e6:,.1f} M$ possible; "
        f"gap {s['gap_fraction']:.3%} of the cost open to "
        f"decision ({s['gap_usd'] / 1e6:,.2f} M$)"
    )
    for level in s["objectives"][:-1]:
        if level["name"] == "date":
            proven = "no earlier one is possible" if level["value"] <= level["bound"] else "not proven"
            console.print(f"first the date: {s['earliest_date']} ({proven})")
        else:
            console.print(f"first the GPUs: {level['value']:,.0f} (at most {level['bound']:,.0f} are possible)")
    rows = [
        (
            f"{m['target']:,.0f} {m['unit']} by {m['by']}",
            _reached(m["reached"], m["by"]),
        )
        for m in s["milestones"]
    ]
    formats = {
        "gpus_energised": ("GPUs running at the end, spares included", "{:,.0f}", 1.0),
        "gpus_effective": ("GPUs without spares, failures, checkpoints", "{:,.0f}", 1.0),
        "it_design_mw": ("IT design power", "{:,.1f} MW", 1.0),
        "peak_site_load_mw": ("peak site load", "{:,.1f} MW", 1.0),
        "peak_import_mw": ("peak import", "{:,.1f} MW", 1.0),
        "annual_pue": ("PUE, year", "{:.3f}", 1.0),
        "peak_pue": ("PUE at design ambient", "{:.3f}", 1.0),
        "annual_wue_l_per_kwh": ("WUE, year", "{:.2f} L/kWh", 1.0),
        "peak_day_m3": ("water on the day that takes most", "{:,.0f} m3", 1.0),
        "gpus_per_facility_mw": ("GPUs per facility MW", "{:,.0f}", 1.0),
        "project_cost_usd_per_mw": ("project cost without IT", "{:,.2f} M$/MW", 1e-6),
        "usd_per_gpu_hour": ("cost of compute", "{:,.2f} $/GPU-h (energised)", 1.0),
        "unsmoothed_swing_mw": ("load swing of the largest job, unsmoothed", "{:,.1f} MW", 1.0),
        "swing_battery_mw": ("battery power kept for it", "{:,.1f} MW", 1.0),
        "smoothing_loss_mw": ("loss of smoothing it", "{:,.2f} MW", 1.0),
    }
    values = {**key, **s.get("goodput", {}), "gpus_energised": s["gpus_energised"]}
    rows += [
        (label, text.format(values[name] * factor))
        for name, (label, text, factor) in formats.items()
        if values.get(name)
    ]
    table = Table(show_header=False, box=None, pad_edge=False)
    for left, right in rows:
        table.add_row(Text(left), Text(right, style="bold"))
    console.print(table)
    _print_orders(plan, console)
    _print_stranded(plan, console)
    _print_paths(plan, console)
    _print_look_ahead(plan, console)
    trust = s["trust"]
    console.print(
        f"{trust['dollars_fraction_on_weak_figures']:.0%} of capital and "
        f"{trust['critical_weeks_fraction_on_weak_figures']:.0%} of critical lead-time weeks rest on inherited, "
        "estimated or remembered figures"
    )
    for line in s["warnings"]:
        console.print(Text(f"warning: {line}", style="yellow"))
    for line in s["defaults_used"]:
        console.print(Text(f"default: {line}", style="dim"))
    console.print(f"audit: {checks} checks over {checked:,} values passed; {s['rounds']} rounds, {s['seconds']:.1f} s")
    names = (*TABLES, *plan.details)
    console.print(Text(f"files: {folder}/plan.json, plan.xlsx, " + ", ".join(f"{name}.csv" for name in names)))


def _print_paths(plan: Plan, console: Console) -> None:
    """Events the plan lives through with its reserves, and what operation costs on every scenario."""
    s = plan.summary
    if s.get("events"):
        names = ", ".join(f"{event['name']} ({event['hours']} h)" for event in s["events"])
        console.print(f"lives through {names}, from every start")
        for event in s["events"]:
            if "patterns" in event:
                console.print(f"{event['name']}: {event['patterns']}")
        held = {row["item"]: row["reserve_mwh"] for row in s["reserves"]}  # the last period's stays
        for item, mwh in held.items():
            console.print(f"reserve held in the end: {mwh:,.1f} MWh in {item}")
    for row in s.get("scenarios", ()):
        usd = row["operation_usd"] / 1e6
        console.print(f"scenario {row['name']} ({row['probability']:.1%}): operation {usd:,.1f} M$ present value")
    risk = s.get("risk")
    if risk and risk["operation_cvar_usd"] is not None:
        mean, dear = s["operation_expected_usd"] / 1e6, risk["operation_cvar_usd"] / 1e6
        console.print(
            f"operation expected {mean:,.1f} M$, mean of the dearest {1 - risk['cvar_alpha']:.1%} {dear:,.1f} M$ "
            f"(CVaR, alpha {risk['cvar_alpha']:g}, weight {risk['weight']:g} in the objective)"
        )


def _print_look_ahead(plan: Plan, console: Console) -> None:
    """What the first operating year costs, and batteries save in it, with perfect foresight and without."""
    seen = plan.summary.get("look_ahead")
    if not seen:
        return
    table = Table("year from " + seen["year_from"], "perfect foresight", f"{seen['hours']:g} h ahead")
    table.box, table.pad_edge = None, False
    labels = {
        "energy_usd": "energy bought",
        "demand_usd": "demand charges",
        "other_usd": "fuel, wear, receipts",
        "cost_usd": "operation",
        "battery_savings_usd": "saved by batteries",
    }
    for name, label in labels.items():
        values = [f"{seen[way][name] / 1e6:,.3f} M$" for way in ("perfect", "look_ahead")]
        table.add_row(Text(label), *values)
    console.print(table)
    if seen["months_batteries_are_needed"]:
        console.print(
            f"in {seen['months_batteries_are_needed']} months load is not served without batteries: not saved"
        )
    for name, words in (("unserved_mwh", "unserved"), ("missed_mwh", "missed by what a month may use or must keep")):
        if seen[name]:
            console.print(Text(f"warning: {seen[name]:,.2f} MWh {words} with this look-ahead", style="yellow"))


def _reached(month: str | None, by: str) -> str:
    """When a milestone runs, marked where that is after its date."""
    if month is None:
        return "not reached"
    return f"running from {month}" + (" (late)" if month > by else "")


def _print_orders(plan: Plan, console: Console) -> None:
    table = Table("item", "units", "first order", "last order", "in service", "M$", box=None, pad_edge=False)
    for column in (1, 5):
        table.columns[column].justify = "right"
    for item, rows in plan.orders.groupby("item", sort=False):
        table.add_row(
            Text(str(item)),
            f"{rows.units.sum():,.4g}" if rows.units.sum() % 1 else f"{rows.units.sum():,.0f}",
            str(rows.order_date.min()),
            str(rows.order_date.max()),
            f"{rows.commissioning_date.min()} .. {rows.commissioning_date.max()}",
            f"{rows.capital_usd.sum() / 1e6:,.1f}",
        )
    console.print(table)


def _print_stranded(plan: Plan, console: Console) -> None:
    held = plan.capacity[plan.capacity.racks_stranded > 0]
    for stage, rows in held.groupby("binding_stage", sort=False):
        console.print(
            Text(
                f"racks ready but not running: up to {rows.racks_stranded.max():,.0f} over {len(rows)} periods from "
                f"{rows.period.iloc[0]} ({stage})"
            )
        )


def print_catalog(items: Sequence[Item]) -> None:
    """Items, one a line."""
    table = Table("item", "family", "status", "rating", "price", "lead weeks", "sizeable", box=None, pad_edge=False)
    for item in items:
        rating = item.rating
        table.add_row(
            item.id,
            item.family,
            item.status,
            f"{rating[0] / (1000 if rating[1].endswith('_mw') else 1):,g} {unit_of(rating[1])}" if rating else "-",
            f"{item.price_usd.planning:,.0f} USD{'*' if item.price_usd.inherited_from else ''}"
            if item.price_usd
            else "-",
            f"{item.lead_time_weeks.planning:g}{'*' if item.lead_time_weeks.inherited_from else ''}"
            if item.lead_time_weeks
            else "-",
            "yes" if item.sizeable else "no: " + (", ".join(item.missing) or item.status),
        )
    console = _console(least_width=150)
    console.print(table, soft_wrap=False)  # the reasons at the end of a line may be long
    console.print(f"{len(items)} items, {sum(item.sizeable for item in items)} sizeable; * inherited from the class")


def print_item(entry: Entry) -> None:
    """One item with every source."""
    item, console = entry.item, _console()
    console.print(Text(f"{item.id}: {item.vendor} {item.model}", style="bold"))
    console.print(Text(f"{item.family}, class {item.item_class}, {item.status}; from {entry.file}:{entry.line}"))
    for label, stages in (("brings", item.brings), ("consumes", item.consumes), ("accepts", item.accepts)):
        if stages:
            console.print(Text(f"{label} " + ", ".join(f"{s} ({STAGES[s]})" for s in stages)))
    design = item.fabric or item.side_network
    if design is not None:
        console.print(Text("counted where a case says network:", style="bold"))
        console.print(Text(", ".join(f"{name} {v}" for name, v in design.model_dump(exclude_none=True).items())))
    elif item.missing:
        console.print(Text(f"not sizeable: no {', '.join(item.missing)}", style="yellow"))
    for name, figure in item.sourced():
        source = entry.sources.get(figure.source, figure.source)
        origin = f"inherited from {figure.inherited_from}" if figure.inherited_from else source
        note = f"; {figure.note}" if figure.note and not figure.inherited_from else ""
        console.print(
            Text(
                f"  {name}: {describe(figure)} {unit_of(name)}".rstrip()
                + f"  [{figure.basis}, {figure.date}] {origin}{note}"
            )
        )
    for note in item.notes:
        console.print(Text(f"note: {note}"))
