"""Details of compute and of a counted network: what stands by period, and the network's bill of materials."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from planner.case.goodput import GPUS_PER_NODE, Job, job_of, spare_nodes
from planner.case.item import Item
from planner.solve.reading import Reading, value
from planner.units import GB_PER_TB, KW_PER_MW, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

PRECISIONS = ("fp4", "fp8", "bf16")


def compute_table(read: Reading, _: pd.DataFrame) -> pd.DataFrame:
    """What runs of every compute item, by period. Empty where the catalog has no figure: it is not zero."""
    spares, rows = 1.0 + read.case.spares_fraction, []
    for p in range(read.last + 1):
        job = largest_job(read, p)
        for rack in read.sizing.plant.racks:
            item, units = rack.item, round(value(read.model.energised[rack.item.id, p]))
            if not units:
                continue
            gpus = units * rack.gpus
            row: dict[str, Any] = {"period": read.starts[p], "item": item.id, "units": units, "gpus": gpus}
            row["cpus"] = _times(item, "cpus", units)
            row |= {f"pflops_{name}": _times(item, f"pflops_{name}", units) for name in PRECISIONS}
            row["hbm_tb"] = _times(item, "hbm_gb", units / GB_PER_TB)
            row["design_mw"], row["average_mw"] = units * rack.design_mw, units * rack.average_mw
            row["peak_mw"] = _times(item, "peak_power_kw", units / KW_PER_MW)
            row["idle_mw"] = _times(item, "idle_power_kw", units / KW_PER_MW)
            row["net_gpus"] = gpus / spares
            if job is not None:
                row["effective_gpus"] = gpus / spares * job.effective_time_fraction
            rows.append(row)
    return pd.DataFrame(rows)


def largest_job(read: Reading, p: int) -> Job | None:
    """The largest job of a period, on the GPUs that run net of spares; None where nothing is said of failures."""
    workload = read.case.input.workload
    gpus = sum(r.gpus * value(read.model.energised[r.item.id, p]) for r in read.sizing.plant.racks)
    if workload is None or workload.goodput is None or gpus < 1 or not workload.largest_job_fraction:
        return None
    net = gpus / (1.0 + read.case.spares_fraction)
    return job_of(workload.goodput, workload.largest_job_fraction * net / GPUS_PER_NODE)


def goodput_of(read: Reading) -> dict[str, Any]:
    """GPUs beside what they are worth at the end: spares out, failures and checkpoints out."""
    job = largest_job(read, read.last)
    if job is None:
        return {}
    assert read.case.input.workload is not None
    given = read.case.input.workload.goodput
    assert given is not None
    gpus = sum(r.gpus * value(read.model.energised[r.item.id, read.last]) for r in read.sizing.plant.racks)
    net = gpus / (1.0 + read.case.spares_fraction)
    return {
        "goodput": {
            "gpus_gross": round(gpus),
            "spares_fraction": read.case.spares_fraction,
            "gpus_net": net,
            "job_nodes": job.nodes,
            "hours_between_failures": job.between_failures_s / SECONDS_PER_HOUR,
            "checkpoint_interval_minutes": job.checkpoint_interval_s / SECONDS_PER_MINUTE,
            "effective_time_fraction": job.effective_time_fraction,
            "gpus_effective": net * job.effective_time_fraction,
            "spare_nodes_by_quantile": spare_nodes(given, net / GPUS_PER_NODE),
        }
    }


def _times(item: Item, name: str, units: float) -> float:
    """A figure of an item times units; NaN where it has none."""
    return item.get(name) * units if getattr(item, name) is not None else math.nan


def network_table(read: Reading, _: pd.DataFrame) -> pd.DataFrame:
    """Bill of materials of the fabric that stands, in every period in which it grows."""
    fabric, rows = read.case.fabric, []
    before = [0, 0]
    for p in range(read.last + 1) if fabric is not None else ():
        assert fabric is not None
        now = [round(read.units(read.sizing.option(key), p)) for key in (fabric.unit, fabric.top)]
        if now == before:
            continue
        before = now
        bill = [(line, line.count * now[0]) for line in fabric.unit_bill]
        bill += [(line, line.count * now[1]) for line in fabric.top_bill]
        total = sum(count * line.item.get("price_usd") for line, count in bill)
        for line, count in bill:
            kw = line.item.design_kw if line.powered else 0.0
            usd = line.item.get("price_usd")
            rows.append(
                {
                    "period": read.starts[p],
                    "item": line.item.id,
                    "rule": line.rule,
                    "count": count,
                    "unit_power_kw": kw,
                    "power_mw": count * kw / KW_PER_MW,
                    "unit_price_usd": usd,
                    "price_usd": count * usd,
                    "price_fraction": count * usd / total,
                }
            )
    return pd.DataFrame(rows)
