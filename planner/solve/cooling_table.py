"""Cooling and water by period: heat of both loops and what takes it, PUE, WUE, and how loaded the CDUs are.

One row a build month, and one a year that is operated in its own right; with scenarios one of each a path.
"""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pandas as pd

from planner.case.coolant import cdu_capacity_mw, cdu_flow_lpm
from planner.solve.reading import Reading, value
from planner.timeline import MONTHS_PER_YEAR
from planner.units import MINUTES_PER_HOUR

MAKEUP = "makeup_m3_per_h"  # column of the dispatch, where something takes water


def cooling_table(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """Rows of every month or year in which racks run."""
    plant, timeline = read.sizing.plant, read.case.timeline
    if not plant.racks:
        return pd.DataFrame()
    first = {day: _first_day(read, day) for day in dispatch["period"].unique()}
    by = ["scenario"] if read.case.scenarios else []
    grouped = dispatch.assign(first=dispatch["period"].map(first)).groupby(["first", *by], sort=True)
    rows = []
    for key, hours in grouped:
        day, *path = cast(tuple[date, ...], key)
        p, weight = timeline.period_of(day), hours["weight_h"]
        it_mwh = float((weight * hours["it_mw"]).sum())
        if it_mwh <= 0:
            continue
        row: dict[str, Any] = {"period": day, **dict(zip(by, path, strict=True)), "phase": timeline.phase(p)}
        site_mwh = float((weight * hours["site_load_mw"]).sum())
        row |= {"it_mwh": it_mwh, "site_mwh": site_mwh}
        for loop in dict.fromkeys(r.loop for r in plant.rejections):
            row[f"{loop}_heat_mwh"] = float((weight * hours[f"{loop}_heat_mw"]).sum())
        for r in plant.rejections:
            taken = f"heat_rejected:{r.loop}:{r.item.id}_mw"
            column = taken if taken in hours else f"{r.loop}_heat_mw"
            row[f"{r.loop}_heat_to_{r.item.id}_mwh"] = float((weight * hours[column]).sum())
        row["heat_rejection_mwh"] = float((weight * hours["heat_rejection_mw"]).sum())
        row |= {"mean_pue": site_mwh / it_mwh, "peak_pue": peak_pue(read, p)}
        if MAKEUP in hours:
            m3 = float((weight * hours[MAKEUP]).sum())
            row |= {"makeup_m3": m3, "peak_day_m3": peak_day_m3(read, hours), "wue_l_per_kwh": m3 / it_mwh}
        rows.append(row | _cdu_loading(read, p))
    return pd.DataFrame(rows)


def _cdu_loading(read: Reading, p: int) -> dict[str, float]:
    """Design heat and flow over what the CDUs that carry load are rated for, spares of their groups left out."""
    able = {"heat": 0.0, "flow": 0.0}
    approach = read.case.input.cooling.cdu_approach_k
    for o in read.sizing.options:
        if "cdu" not in o.supplies:
            continue
        if o.item.family == "compute":
            each, sets = {"heat": o.supplies["cdu"], "flow": o.flow_lpm}, read.running(o, p)
        else:  # a set of a group of racks is a unit that may not be filled
            unit = cdu_capacity_mw(o.item, approach)
            each = {"heat": max(unit, o.supplies["cdu"]), "flow": max(cdu_flow_lpm(o.item), o.flow_lpm)}
            sets = value(read.model.sets[o.key, p])
        able = {name: most + sets * each[name] for name, most in able.items()}
    asked = {"heat": "cdu", "flow": "cdu_flow"}
    return {
        f"cdu_{name}_loading_fraction": value(read.sizing.design[asked[name], p]) / most if most else 0.0
        for name, most in able.items()
    }


def water_results(read: Reading, year: pd.DataFrame, weight: Any) -> dict[str, float | None]:
    """Key results of the operating year. weight: hours that every row stands for, by its probability."""
    if MAKEUP not in year:
        return {}
    years = len(read.case.timeline.operated_months(read.last)) / MONTHS_PER_YEAR
    m3 = float((weight * year[MAKEUP]).sum())
    return {
        "water_m3_per_year": m3 / years,
        "peak_day_m3": peak_day_m3(read, year),
        "annual_wue_l_per_kwh": m3 / float((weight * year["it_mw"]).sum()),
    }


def peak_day_m3(read: Reading, hours: pd.DataFrame) -> float:
    """Most water a day takes. [m3]"""
    by = [hours["period"], hours["hour_of_year"] // 24] + ([hours["scenario"]] if read.case.scenarios else [])
    return float(hours[MAKEUP].groupby(by).sum().max()) * read.case.input.horizon.step_minutes / MINUTES_PER_HOUR


def peak_pue(read: Reading, p: int) -> float:
    """Load at the meter over that of IT, at design in a period."""
    meter = value(read.sizing.design["mv_bus", p]) / (1.0 - read.sizing.plant.import_loss_fraction)
    it = value(read.sizing.design["it", p]) + read.network_mw(p)
    return meter / it if it > 0 else 0.0


def _first_day(read: Reading, month: date) -> date:
    """First day of the month or year of its own that a month of the dispatch belongs to."""
    timeline = read.case.timeline
    p = timeline.period_of(month)
    if not timeline.is_yearly(p):
        return month
    start = timeline.starts[p]
    return start.replace(year=start.year + (12 * (month.year - start.year) + month.month - start.month) // 12)
