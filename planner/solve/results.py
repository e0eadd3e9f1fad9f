"""The summary of a plan: status and proof, milestones, key results, trust. All numbers are plain Python ones."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from planner.case.case import Case
from planner.families.cooling import LOOPS
from planner.finance import discount_factor
from planner.ledger import CAPITAL_LINES, IT_FAMILIES, operating_weights
from planner.operation.events import AT, Event
from planner.plan.plan import SCHEMA
from planner.solve.cooling_table import water_results
from planner.solve.it_tables import goodput_of
from planner.solve.reading import CapacityRow, Reading, value
from planner.timeline import MONTHS_PER_YEAR

# Bands a practitioner expects; a plan outside them explains itself.
_USUAL_COST_USD_PER_MW = (8e6, 18e6)  # without IT
_USUAL_PEAK_PUE = (1.15, 1.30)  # liquid-cooled, at design ambient
_USUAL_GPUS_PER_MW = (400.0, 460.0)  # rack-scale systems of 72 GPUs
_PACKAGES = ("site-planner", "highspy", "pyomo", "pvlib", "numpy", "pandas")
_WEAK = ("inherited", "estimate", "memory")  # bases nobody has quoted
_KUSD = 1000.0


def summary_of(
    read: Reading, orders: pd.DataFrame, capacity: list[CapacityRow], dispatch: pd.DataFrame, ledger: pd.DataFrame
) -> dict[str, Any]:
    """What plan.json holds."""
    solution, case, end = read.solution, read.case, capacity[-1]
    units: dict[str, float] = {}
    for o in (o for o in read.sizing.options if not o.reuses):
        units[o.item.id] = units.get(o.item.id, 0.0) + read.units(o, read.last)
    key = _key_results(read, capacity, dispatch, ledger)
    growth = case.input.finance.escalation_fraction_per_year
    return {
        "schema": SCHEMA,
        "name": case.input.name,
        "status": "optimal" if solution.gap_reached else "feasible",
        "stopped_by": solution.stopped,
        "objectives": [{"name": lv.name, "value": float(lv.value), "bound": float(lv.bound)} for lv in solution.levels],
        "earliest_date": next((str(read.starts[round(v.value)]) for v in solution.levels if v.name == "date"), None),
        "objective_usd": float(solution.upper_kusd * _KUSD),
        "lower_bound_usd": float(solution.lower_kusd * _KUSD),
        "gap_usd": float(solution.gap_kusd * _KUSD),
        "gap_fraction": float(solution.gap_fraction),
        "gap_fraction_total": float(solution.gap_fraction_total),
        "cost_not_open_to_decision_usd": float(solution.forced_kusd * _KUSD),
        "rounds": solution.rounds,
        "block_solves": solution.block_solves,
        "seconds": round(solution.seconds, 3),
        "units": {k: round(v, 6) for k, v in sorted(units.items()) if v > 1e-9},
        "milestones": _milestones(read),
        "key_results": key,
        "firm": list(case.input.target.firm),
        "gpus_energised": end.gpus_energised,
        "design_load_mw": end.design_load_mw,
        "first_stranded": [
            {"period": str(row.period), "racks": float(row.racks_stranded), "held_by": row.binding_stage}
            for row in capacity
            if row.racks_stranded > 0
        ][:60],
        "events": _events(read),
        "reserves": _reserves(read),
        "battery_energy": _battery_energy(read),
        **_scenarios(read),
        **goodput_of(read),
        "trust": _trust(read, orders),
        "sampled_days_per_month": case.input.horizon.sample_days_per_month,
        "step_minutes": case.input.horizon.step_minutes,
        "calendar": case.input.horizon.calendar,
        "start": str(case.timeline.start),
        "discount_rate": float(case.input.finance.discount_rate),
        "base_year": case.input.finance.base_year,
        "escalation_fraction_per_year": {good: rate for good, rate in growth.model_dump().items() if rate},
        "weather": {
            "name": case.weather.name,
            "synthetic": case.weather.synthetic,
            "design_ambient": case.ambient.source,
        },
        "defaults_used": list(case.defaults_used),
        "warnings": [*case.warnings, *_warnings(read, key)],
        "activities": {k: str(v) for k, v in case.activity_dates.items()},
        "item_files": {i: _short(case.catalog.entries[i].file) for i in sorted(units) if i in case.catalog},
        "inputs": _inputs(case),
        "inputs_sha256": case.hashes,
        "versions": {p: version(p) for p in _PACKAGES} | {"python": platform.python_version()},
    }


def _inputs(case: Case) -> dict[str, Any]:
    """Where the inputs are, as they were given and in full, so that a plan can be audited from its files alone."""
    folders = case.catalog_folders
    return {
        "case": str(case.path),
        "case_absolute": str(case.path.absolute()),
        "set": list(case.changes),
        "catalogs": list(folders),
        "catalogs_absolute": [str(Path(folder).absolute()) for folder in folders],
    }


def _milestones(read: Reading) -> list[dict[str, Any]]:
    rows = []
    for milestone in read.case.input.target.milestones:
        needed = milestone.gpus or milestone.pflops or milestone.it_mw or 0.0
        enough = needed * (1 - 1e-9)
        met = (p for p in range(read.last + 1) if value(read.sizing.running(milestone, p)) >= enough)
        first = next(met, None)
        unit = "GPUs" if milestone.gpus else f"PFLOPS {milestone.precision}" if milestone.pflops else "IT MW"
        reached = None if first is None else str(read.starts[first])
        rows.append({"target": needed, "unit": unit, "by": str(milestone.by), "reached": reached})
    return rows


def _events(read: Reading) -> list[dict[str, Any]]:
    """What the plan lives through: how many starts were blocks of the model, and how many were replayed."""
    riders = [own.events for _, own in read.sizing.plant.riders]  # the same events, each path with its own starts
    return [
        {
            "name": same[0].name,
            "hours": same[0].length_h,
            "load_fraction": same[0].load_fraction,
            "grid_fraction_left": same[0].grid_fraction_left,
            "starts_in_the_model": sum(key.startswith(same[0].name + AT) for key in read.solution.blocks),
            "starts_possible": sum(len(event.begins) for event in same),
            **_patterns(read, same[0]),
        }
        for same in zip(*riders, strict=True)
    ]


def _patterns(read: Reading, event: Event) -> dict[str, Any]:
    """Of calls that the utility chooses: how many patterns became blocks, and how far worse ones were sought."""
    if event.calls is None:
        return {}
    found = {key for key in read.solution.blocks if key.startswith(event.name + AT)}
    standing = [store for store in read.sizing.plant.batteries if value(read.model.link[read.last, store.key]) > 0]
    how = "no pattern is worse" if len(standing) < 2 else "batteries searched as one: another pattern might be worse"
    return {"calls": event.calls.model_dump(), "patterns": f"worst of {len(found)} patterns found; {how}"}


def _scenarios(read: Reading) -> dict[str, Any]:
    """Present value of operation on every path, by ledger line, and the risk the objective has taken in."""
    case, solution = read.case, read.solution
    if not case.scenarios:
        return {}
    weights = operating_weights(case)
    lines: list[dict[str, float]] = [{} for _ in case.scenarios]
    for s in solution.states:
        for line, cost in solution.blocks[s.block].cost_lines.items():
            usd = weights[s.period, s.place] * float(cost @ solution.values[s].primal)
            lines[s.path][line] = lines[s.path].get(line, 0.0) + usd
    for shared in read.sizing.shared_costs:
        usd = weights[shared.period, shared.place] * shared.kusd_per_mw * value(shared.peak) * _KUSD
        lines[shared.path][shared.line] = lines[shared.path].get(shared.line, 0.0) + usd
    rows = [
        {
            "name": path.name,
            "probability": path.probability,
            "operation_usd": sum(found.values()),
            "lines_usd": {line: usd for line, usd in sorted(found.items()) if usd},
        }
        for path, found in zip(case.scenarios, lines, strict=True)
    ]
    expected = sum(path.probability * sum(found.values()) for path, found in zip(case.scenarios, lines, strict=True))
    shown: dict[str, Any] = {"scenarios": rows, "operation_expected_usd": expected}
    if case.input.risk is not None:
        held = case.input.risk
        added = value(read.sizing.risk_kusd) * _KUSD
        cvar = expected + added / held.weight if held.weight else None
        shown["risk"] = {
            "cvar_alpha": held.cvar_alpha,
            "weight": held.weight,
            "operation_cvar_usd": cvar,
            "added_to_objective_usd": added,
        }
    return shown


def _reserves(read: Reading) -> list[dict[str, Any]]:
    """Energy every battery holds for events, where any."""
    plant = read.sizing.plant
    return [
        {"period": str(read.starts[p]), "item": store.item.id, "reserve_mwh": mwh}
        for p in range(read.last + 1)
        for store in (plant.batteries if plant.events else ())
        if (mwh := value(read.model.link[p, store.reserve])) > 1e-6
    ]


def _battery_energy(read: Reading) -> list[dict[str, Any]]:
    """Of batteries that fade, what they hold when new and what is left at the end of each year."""
    timeline = read.case.timeline
    return [
        {
            "item": store.item.id,
            "from": str(timeline.first_day(timeline.months_of(p)[0] + MONTHS_PER_YEAR * year)),
            "nameplate_mwh": store.energy_mwh * read.units(read.sizing.option(store.item.id), p),
            "available_mwh": left,
        }
        for store in read.sizing.plant.batteries
        for p in range(read.last + 1)
        for year in (timeline.years_in(p) if store.fades else ())
        if (left := read.energy_mwh(store, p, year)) > 1e-6
    ]


def _key_results(
    read: Reading, capacity: list[CapacityRow], dispatch: pd.DataFrame, ledger: pd.DataFrame
) -> dict[str, float | None]:
    case, end = read.case, capacity[-1]
    year = dispatch[dispatch["phase"] == "operating year"]
    years = len(case.timeline.operated_months(read.last)) / MONTHS_PER_YEAR
    hours = year["weight_h"].to_numpy(float)
    if case.scenarios:  # the expectation
        hours = hours * year["scenario"].map({path.name: path.probability for path in case.scenarios}).to_numpy(float)
    energy = float((hours * year["site_load_mw"]).sum()) / years
    it_items = [i.id for i in case.catalog.items if i.family in IT_FAMILIES]
    line, is_it = ledger["line"], ledger["item"].isin(it_items)
    without_it = float(ledger.loc[line.isin(CAPITAL_LINES) & ~is_it, "usd"].sum())
    of_it = (line == "IT equipment") | (is_it & (line == "installation"))
    result: dict[str, float | None] = {
        "peak_site_load_mw": float(year["site_load_mw"].max()),
        "peak_import_mw": float(year["grid_import_mw"].max()) if "grid_import_mw" in year else 0.0,
        "site_energy_mwh_per_year": energy,
        "capital_without_it_usd": without_it,
        "capital_it_usd": float(ledger.loc[of_it, "usd"].sum()),
        "undiscounted_cost_usd": float(ledger.loc[line != "residual value", "usd"].sum()),
    }
    if not read.sizing.plant.racks or end.it_design_mw <= 0:
        return result
    result["annual_pue"] = energy * years / float((hours * year["it_mw"]).sum())
    result |= water_results(read, year, hours)
    meter = end.design_load_mw / (1.0 - read.sizing.plant.import_loss_fraction)
    it = end.it_design_mw + read.network_mw(read.last)
    result["peak_pue"] = meter / it
    result["it_design_mw"] = end.it_design_mw
    result["project_cost_usd_per_mw"] = without_it / end.it_design_mw
    result["gpus_per_facility_mw"] = end.gpus_energised / meter
    gpu_hours = _discounted_gpu_hours(read, capacity)
    result["usd_per_gpu_hour"] = float(read.solution.upper_kusd * _KUSD / gpu_hours) if gpu_hours else None
    workload = case.input.workload
    if workload is not None and workload.swing_fraction is not None:
        result["unsmoothed_swing_mw"] = workload.swing_fraction * workload.largest_job_fraction * end.it_design_mw
        if case.input.site.grid.load_rules:
            result["swing_battery_mw"] = value(read.model.swing_mw[read.last])
            result["smoothing_loss_mw"] = value(read.sizing.smoothing_loss_mw(read.last))
    return result


def _rejection_mw(read: Reading) -> float:
    """Power of heat rejection at design load and design ambient, at the end. [MW]"""
    total, m = 0.0, read.sizing.model
    for loop in LOOPS:
        options = [r for r in read.sizing.plant.rejections if r.loop == loop]
        for r in options:
            heat = read.sizing.design[f"heat_rejection:{loop}", read.last]
            total += r.design_power_fraction * value(heat if len(options) == 1 else m.heat_assigned[r.key, read.last])
    return total


def _discounted_gpu_hours(read: Reading, capacity: list[CapacityRow]) -> float:
    """Hours of energised GPUs, each discounted from the middle of its month."""
    timeline, rate = read.case.timeline, read.case.input.finance.discount_rate
    hours = 0.0
    for p, row in enumerate(capacity):
        length = 730.0 if timeline.is_yearly(p) else 24 * (read.starts[p + 1] - read.starts[p]).days
        for month in timeline.months_of(p):
            hours += length * row.gpus_energised * discount_factor(rate, timeline.middle(month), timeline.start)
    return hours


def _warnings(read: Reading, key: dict[str, float | None]) -> list[str]:
    found = []
    low, high = _USUAL_COST_USD_PER_MW
    cost = key.get("project_cost_usd_per_mw")
    if cost is not None and not low <= cost <= high:
        found.append(f"project cost without IT is {cost / 1e6:.1f} M$/MW, outside the usual 8-18 M$/MW")
    found += _out_of_band(read, key)
    if read.case.input.horizon.sample_days_per_month:
        found.append("hours are sampled: costs are estimates, not a full year")
    if read.case.weather.synthetic:
        found.append("weather is a synthetic year from monthly normals: it has no extremes")
    return found


def _out_of_band(read: Reading, key: dict[str, float | None]) -> list[str]:
    """Why PUE and GPUs per MW lie outside what is usual, where they do."""
    racks = read.sizing.plant.racks
    pue, density, it = key.get("peak_pue"), key.get("gpus_per_facility_mw"), key.get("it_design_mw")
    if pue is None or density is None or it is None or any(r.gpus != 72 for r in racks):
        return []
    found = []
    rejection = _rejection_mw(read) / (it + read.network_mw(read.last))
    parts = f"heat rejection adds {rejection:.3f}, losses, fans and pumps {pue - 1 - rejection:.3f}"
    if not _USUAL_PEAK_PUE[0] <= pue <= _USUAL_PEAK_PUE[1]:
        coolant = read.case.input.cooling.coolant_supply_c
        found.append(
            f"PUE at design ambient is {pue:.3f}, outside the usual 1.15-1.30: {parts}, with coolant at {coolant:g} C"
        )
    if not _USUAL_GPUS_PER_MW[0] <= density <= _USUAL_GPUS_PER_MW[1]:
        kw = max(1000.0 * r.design_mw / r.gpus for r in racks)
        found.append(
            f"{density:.0f} GPUs per facility MW, outside the usual 400-460: {kw:.2f} kW a GPU in racks, {parts}"
        )
    return found


def _trust(read: Reading, orders: pd.DataFrame) -> dict[str, float]:
    """Share of capital, and of the longest lead times, that rests on figures nobody has quoted."""
    dollars = weak_dollars = weeks = weak_weeks = 0.0
    names: list[str] = orders["item"].tolist()
    capital: list[float] = orders["capital_usd"].tolist()
    for name, usd in zip(names, capital, strict=True):
        price = read.case.catalog[name].price_usd
        dollars += usd
        if price is not None and price.basis in _WEAK:
            weak_dollars += usd
    first_ordered = orders.sort_values("commissioning_date").groupby("commissioning_date")["order_date"].idxmin()
    for i in first_ordered.tolist():
        item = read.case.catalog[names[i]]
        lead = item.get("lead_time_weeks")
        weeks += lead
        if item.lead_time_weeks is not None and item.lead_time_weeks.basis in _WEAK:
            weak_weeks += lead
    return {
        "dollars_fraction_on_weak_figures": weak_dollars / dollars if dollars else 0.0,
        "critical_weeks_fraction_on_weak_figures": weak_weeks / weeks if weeks else 0.0,
    }


def _short(path: str) -> str:
    """File and its folder, enough to find it."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(parts[-2:])
