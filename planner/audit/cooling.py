"""Audit of the cooling table and of the dispatch's water: every row re-added from the hours and the units."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.audit.base import Checks, Tables, says
from planner.audit.heat import taken_mw
from planner.audit.loads import Site
from planner.audit.months import Month
from planner.audit.stock import LOOPS
from planner.audit.water import makeup_m3_per_h
from planner.case.case import Case


def audit_cooling(checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month], scenario: str) -> None:
    """Rows of one path. scenario: its name, empty where there is one alone."""
    table = tables.details.get("cooling")
    if not site.racks or table is None:
        checks.true("cooling table", not site.racks, "the plan has racks and no cooling table")
        return
    _water(checks, case, site, months)
    if scenario:
        table = table[table.scenario == scenario]
    shown = {row["period"]: row for row in table.to_dict("records")}
    years: dict[Any, list[Month]] = {}
    for month in months:
        start = site.starts[month.p]
        first = month.start if month.place < 0 else start.replace(year=start.year + month.year)
        years.setdefault(first, []).append(month)
    for first, of in years.items():
        want = _row(case, site, of)
        if want["it_mwh"] <= 0:
            continue
        row = shown.pop(first, None)
        if row is None:
            checks.true("cooling table", False, f"no row for {first}")
            continue
        p = of[0].p
        for name, part in (("heat", "cdu"), ("flow", "cdu_flow")):  # the plan may count fewer units than could carry
            got, able = float(row[f"cdu_{name}_loading_fraction"]), _able(site, part, p)
            least = site.design[p][part][0] / able if able > 0 else 0.0
            checks.between("cooling table", "", got, least, 1.0 if able > 0 else 0.0, 1e-6, says(f"{part} of {first}"))
        it = site.design[p]["it"][0] + float(site.network_mw[p])
        least, most = (load / (1.0 - site.import_loss) / it for load in site.design[p]["mv_bus"])
        checks.between("cooling table", "", float(row["peak_pue"]), least, most, 1e-6, says(f"peak_pue of {first}"))
        for name, value in want.items():
            got = float(row.get(name, np.nan))
            checks.equal("cooling table", "", got, value, 1e-6 * (1.0 + abs(value)), says(f"{name} of {first}"))
    checks.true("cooling table", not shown, f"rows of no period: {list(shown)[:3]}")


def _water(checks: Checks, case: Case, site: Site, months: list[Month]) -> None:
    """Make-up of every hour in the dispatch is the auditor's own."""
    for month in months:
        got, want = month.flow("makeup_m3_per_h"), makeup_m3_per_h(case, site, month)
        checks.equal("make-up water", "m3/h", got, want, 1e-6 * (1.0 + want), month.where("make-up"))


def _able(site: Site, part: str, p: int) -> float:
    """What CDUs that carry load are rated for, heat or flow; those of a rack for that rack."""
    own = [r for r in site.racks if "cdu" in r.item.brings]
    each = {r.item.id: site.flow_lpm(r) if part == "cdu_flow" else site.unit_capacity(r.item, part) for r in own}
    units = [(item, site.active(item, parts, on[p])) for item, parts, on in site.at("cdu")]
    return float(site.sum_racks(each)[p]) + sum(site.unit_capacity(item, part) * n for item, n in units)


def _row(case: Case, site: Site, of: list[Month]) -> dict[str, float]:
    def total(amounts: list[Any]) -> float:
        return sum(float(a.sum()) * m.hours.weight for a, m in zip(amounts, of, strict=True))

    it = total([m.flow("it_mw") for m in of])
    site_mwh = total([m.flow("site_load_mw") for m in of])
    want = {"it_mwh": it, "site_mwh": site_mwh}
    if it <= 0:
        return want
    for loop in LOOPS:
        if site.rejectors[loop]:
            want[f"{loop}_heat_mwh"] = total([m.flow(f"{loop}_heat_mw") for m in of])
        for r in site.rejectors[loop]:
            want[f"{loop}_heat_to_{r.item.id}_mwh"] = total([taken_mw(site, m, loop, r.item.id) for m in of])
    want |= {"heat_rejection_mwh": total([m.flow("heat_rejection_mw") for m in of]), "mean_pue": site_mwh / it}
    makeup = [makeup_m3_per_h(case, site, m) for m in of]
    if any("makeup_m3_per_h" in m.rows for m in of):
        m3 = total(makeup)
        days = [
            float(water[m.hours.shown_hour // 24 == d].sum()) * m.hours.step_h
            for water, m in zip(makeup, of, strict=True)
            for d in np.unique(m.hours.shown_hour // 24)
        ]
        want |= {"makeup_m3": m3, "peak_day_m3": max(days), "wue_l_per_kwh": m3 / it}
    return want
