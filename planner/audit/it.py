"""Audit of compute and network: the details of both, goodput, and a counted fabric against its bill of materials."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from planner.audit.base import Checks, Tables, says
from planner.audit.goodput import NODE_GPUS, job, quantile, spares_fraction
from planner.audit.loads import Site
from planner.case.case import Case

# Column of the compute detail, field of the item, factor.
_PER_UNIT = (
    ("cpus", "cpus", 1.0),
    ("pflops_fp4", "pflops_fp4", 1.0),
    ("pflops_fp8", "pflops_fp8", 1.0),
    ("pflops_bf16", "pflops_bf16", 1.0),
    ("hbm_tb", "hbm_gb", 1e-3),
    ("peak_mw", "peak_power_kw", 1e-3),
    ("idle_mw", "idle_power_kw", 1e-3),
)


def audit_compute(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every row of the compute detail from the units that run, and goodput at the end."""
    name, shown = "compute table", tables.details.get("compute")
    spares = 1.0 + spares_fraction(case)
    want: dict[tuple[Any, str], dict[str, float]] = {}
    gross = site.sum_racks({r.item.id: r.gpus for r in site.racks})
    for p in site.periods:
        effective = _job_at(case, float(gross[p]) / spares)
        for rack in site.racks:
            units = float(site.runs(rack)[p])
            if units < 0.5:
                continue
            figures = {col: getattr(rack.item, field) for col, field, _ in _PER_UNIT}
            row = {col: figures[col].planning * units * by if figures[col] else math.nan for col, _, by in _PER_UNIT}
            row |= {"units": units, "gpus": rack.gpus * units, "net_gpus": rack.gpus * units / spares}
            row |= {"design_mw": rack.design_mw * units, "average_mw": rack.mean_mw * units}
            if effective:
                row["effective_gpus"] = row["net_gpus"] * effective["effective_time_fraction"]
            want[site.starts[p], rack.item.id] = row
    rows = {} if shown is None else {(row["period"], row["item"]): row for row in shown.to_dict("records")}
    checks.true(name, set(rows) == set(want), "the compute detail must have every item that runs, by period, once")
    for key in sorted(set(rows) & set(want)):
        columns = sorted(want[key])
        got = [float(rows[key].get(column, math.nan)) for column in columns]
        both = np.array([want[key][column] for column in columns])
        absent = np.isnan(both) & np.isnan(got)  # the catalog has no figure, and the plan shows none
        slack = 1e-8 * np.abs(both) + 1e-9

        def where(i: int, key: Any = key, columns: Any = columns) -> str:
            return f"{columns[i]} of {key[1]} {key[0]}"

        checks.equal(
            name, "", np.where(absent, 0.0, got), np.where(absent, 0.0, both), np.where(absent, 1, slack), where
        )
    _goodput(checks, case, tables, float(gross[site.last]), spares)


def _job_at(case: Case, net: float) -> dict[str, float]:
    """The largest job on GPUs net of spares; empty where nothing is said of failures."""
    workload = case.input.workload
    if workload is None or workload.goodput is None or net < 0.5 or workload.largest_job_fraction == 0:
        return {}
    return job(workload.goodput, net * workload.largest_job_fraction / NODE_GPUS)


def _goodput(checks: Checks, case: Case, tables: Tables, gross: float, spares: float) -> None:
    """Goodput of plan.json."""
    want, got = _job_at(case, gross / spares), tables.summary.get("goodput", {})
    if want:
        assert case.input.workload is not None
        assert case.input.workload.goodput is not None
        net = gross / spares
        want |= {"gpus_gross": gross, "gpus_net": net, "spares_fraction": spares - 1.0}
        want["gpus_effective"] = net * want["effective_time_fraction"]
        want["spare_nodes_by_quantile"] = quantile(case.input.workload.goodput, net / NODE_GPUS)
    checks.true("goodput", set(want) == set(got), "plan.json must say of goodput what the case asks for")
    for key in sorted(set(want) & set(got)):
        checks.equal("goodput", "", float(got[key]), want[key], 1e-9 + 1e-8 * abs(want[key]), says(key))


def audit_fabric(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """The counted fabric: its items cost and draw what its bill does, and its detail and orders say the same."""
    shown = tables.details.get("network")
    if case.input.network is None:
        checks.true("network table", shown is None, "there is a network detail, and no fabric was counted")
        return
    count, catalog = site.fabric, case.catalog
    unit = catalog[case.input.network.fabric]
    tops = [i for i in {*case.candidates["network_top_layer"]} if "network_top_layer" in catalog[i].brings]
    top = catalog[tops[0]]
    bill = count.bill()
    switch = catalog[count.design.switch]
    racks = (count.design.network_rack, count.design.management_rack)
    area = sum(n * catalog[i].get("planning_area_m2") for (i, _), n in bill.items() if i in racks)
    for item, values in (
        (
            unit,
            {
                "price_usd": sum(n * catalog[i].get("price_usd") for (i, _), n in bill.items()),
                "design_power_kw": count.drawn_kw(bill),
                "average_power_kw": count.drawn_kw(bill, mean=True),
                "planning_area_m2": area,
                "gpu_ports": count.design.gpus_per_unit,
                "lead_time_weeks": max(catalog[i].get("lead_time_weeks") for i, _ in bill),
            },
        ),
        (top, {"price_usd": switch.get("price_usd"), "design_power_kw": switch.design_kw}),
    ):
        for name, value in values.items():
            text = f"{name} of {item.id}"
            checks.equal("network items", "", item.get(name), value, 1e-9 * max(1.0, abs(value)), says(text))
    _bill(checks, case, tables, site, bill, (unit.id, top.id))
    paid = tables.orders[tables.orders["item"].isin([unit.id, top.id])]
    parts = 0.0
    for order in paid.itertuples():
        lines = bill if order.item == unit.id else {(count.design.switch, "top layer"): 1}
        parts += float(order.units) * sum(n * catalog[i].get("price_usd") for (i, _), n in lines.items())  # type: ignore[arg-type]
    ledger = tables.ledger[tables.ledger["item"].isin([unit.id, top.id]) & (tables.ledger.line == "IT equipment")]
    checks.equal("network bill paid", "USD", float(ledger.usd.sum()), parts, 1.0 + 1e-8 * parts, says("IT equipment"))
    share = unit.get("installation_fraction")
    capital = float(paid.capital_usd.sum())
    checks.equal("network bill paid", "USD", capital, parts * (1.0 + share), 1.0 + 1e-8 * parts, says("orders"))


def _bill(
    checks: Checks, case: Case, tables: Tables, site: Site, bill: dict[tuple[str, str], int], ids: tuple[str, str]
) -> None:
    """The network detail: in every period in which the fabric grows, every line of what stands."""
    name, shown = "network table", tables.details.get("network")
    rows: dict[Any, Any] = (
        {} if shown is None else {(row["period"], row["item"], row["rule"]): row for row in shown.to_dict("records")}
    )
    want: dict[Any, dict[str, float]] = {}
    units, tops = (site.of_item(item) for item in ids)
    before = (0, 0)
    for p in site.periods:
        now = (round(float(units[p])), round(float(tops[p])))
        if now == before:
            continue
        before, lines = now, defaultdict[tuple[str, str], int](int)
        for key, n in bill.items():
            lines[key] += n * now[0]
        lines[site.fabric.design.switch, "top layer"] += now[1]
        total = sum(n * case.catalog[i].get("price_usd") for (i, _), n in lines.items())
        for (item, rule), n in lines.items():
            usd, kw = case.catalog[item].get("price_usd"), site.fabric.drawn_kw({(item, rule): 1})
            want[site.starts[p], item, rule] = {
                "count": n,
                "unit_power_kw": kw,
                "power_mw": n * kw / 1000.0,
                "unit_price_usd": usd,
                "price_usd": n * usd,
                "price_fraction": n * usd / total,
            }
    checks.true(name, set(rows) == set(want), f"lines differ: {sorted(map(str, set(rows) ^ set(want)))[:2]}")
    for key in sorted(set(rows) & set(want)):
        for column, value in want[key].items():
            text = f"{column} of {key[1]} ({key[2]}) {key[0]}"
            checks.equal(name, "", float(rows[key][column]), value, 1e-9 + 1e-8 * abs(value), says(text))
