"""Audit of the key results: each figure of the summary a second time, from the tables."""

from __future__ import annotations

from calendar import monthrange
from typing import Any

import numpy as np

from planner.audit.base import Checks, Tables, says
from planner.audit.loads import Site
from planner.audit.money import CAPITAL_LINES, IT, middle, present_worth
from planner.audit.stock import periods_of
from planner.case.case import Case


def audit_results(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Key results of plan.json from the tables."""
    want = _key_results(case, tables, site)
    got = tables.summary["key_results"]
    for name in sorted({*want, *got}):
        claimed, derived = got.get(name), want.get(name)
        if claimed is None and derived is None:
            continue
        a = np.nan if claimed is None else float(claimed)
        b = np.nan if derived is None else float(derived)
        checks.equal("key results", "", a, b, 1e-7 * abs(b) + 1e-6, says(name))
    s, end = tables.summary, site.last
    units: dict[str, float] = {}
    for item, _, counts in site.standing():
        units[item.id] = units.get(item.id, 0.0) + float(counts[end])
    shown = {k: float(v) for k, v in s["units"].items()}
    for name in sorted({k for k, v in units.items() if v > 1e-6} | set(shown)):
        checks.equal("units at the end", "units", shown.get(name, 0.0), units.get(name, 0.0), 2e-6, says(name))
    gpus = float(site.sum_racks({r.item.id: r.gpus for r in site.racks})[end])
    checks.equal("key results", "", float(s["gpus_energised"]), gpus, 0.5, says("gpus_energised"))
    if len(tables.capacity):
        load = float(tables.capacity.design_load_mw.iloc[-1])
        checks.equal("key results", "", float(s["design_load_mw"]), load, 1e-6 * load + 1e-6, says("design_load_mw"))


def _key_results(case: Case, tables: Tables, site: Site) -> dict[str, float | None]:
    year = tables.dispatch[tables.dispatch.phase == "operating year"]
    years, hours = year.period.nunique() / 12, year.weight_h
    if case.scenarios and "scenario" in year:
        hours = hours * year.scenario.map({path.name: path.probability for path in case.scenarios}).astype(float)
    ledger, energy = tables.ledger, float((hours * year.site_load_mw).sum()) / years
    imports = year.grid_import_mw.fillna(0.0).max() if "grid_import_mw" in year else 0.0
    it_items = {i.id for i in case.catalog.items if i.family in IT}
    is_it = ledger.item.isin(it_items)
    without = float(ledger[ledger.line.isin(CAPITAL_LINES) & ~is_it].usd.sum())
    result: dict[str, float | None] = {
        "peak_site_load_mw": float(year.site_load_mw.max()),
        "peak_import_mw": float(imports),
        "site_energy_mwh_per_year": energy,
        "capital_without_it_usd": without,
        "capital_it_usd": float(ledger[is_it & ledger.line.isin(["IT equipment", "installation"])].usd.sum()),
        "undiscounted_cost_usd": float(ledger[ledger.line != "residual value"].usd.sum()),
    }
    design = site.sum_racks({r.item.id: r.design_mw for r in site.racks})[site.last]
    if not site.racks or design <= 0 or not len(tables.capacity):
        return result
    load = float(tables.capacity.design_load_mw.iloc[-1])
    result["annual_pue"] = energy * years / float((hours * year.it_mw).sum())
    result |= _water(case, year, hours, years)
    result["peak_pue"] = load / (1.0 - site.import_loss) / float(design + site.network_mw[site.last])
    result["it_design_mw"] = float(design)
    result["project_cost_usd_per_mw"] = without / float(design)
    gpus = site.sum_racks({r.item.id: r.gpus for r in site.racks})
    result["gpus_per_facility_mw"] = float(gpus[site.last]) * (1.0 - site.import_loss) / load
    result["usd_per_gpu_hour"] = _usd_per_gpu_hour(case, tables, gpus.tolist())
    workload = case.input.workload
    if workload is not None and workload.swing_fraction is not None:
        result["unsmoothed_swing_mw"] = workload.swing_fraction * workload.largest_job_fraction * float(design)
        if case.input.site.grid.load_rules:
            stores = site.family_items("battery")
            result["swing_battery_mw"] = sum(site.kept.of(i.id, site.last).swing_mw for i in stores)
            result["smoothing_loss_mw"] = site.kept.loss_mw(site.last)
    return result


def _water(case: Case, year: Any, hours: Any, years: float) -> dict[str, float | None]:
    """Water of the operating year, from the dispatch's make-up, which is audited by hour."""
    if "makeup_m3_per_h" not in year:
        return {}
    by = [year.period, year.hour_of_year // 24, *([year.scenario] if "scenario" in year else [])]
    m3 = float((hours * year.makeup_m3_per_h).sum())
    return {
        "water_m3_per_year": m3 / years,
        "peak_day_m3": float(year.makeup_m3_per_h.groupby(by).sum().max()) * case.input.horizon.step_minutes / 60.0,
        "annual_wue_l_per_kwh": m3 / float((hours * year.it_mw).sum()),
    }


def _usd_per_gpu_hour(case: Case, tables: Tables, gpus: list[float]) -> float | None:
    """Cost over discounted hours of energised GPUs."""
    hours = 0.0
    for days, running in zip(periods_of(case), gpus, strict=True):
        length = 24.0 * monthrange(days[0].year, days[0].month)[1] if len(days) == 1 else 730.0
        hours += length * running * sum(present_worth(case, middle(day)) for day in days)
    return float(tables.summary["objective_usd"]) / hours if hours else None
