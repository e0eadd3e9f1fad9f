"""The planner's side of the sweeps: what-ifs of `year`, one after the other in one process.

Each what-if is the same case with other numbers, and all share one pool of what is learnt. Its time runs from the
changed case to the proven plan. The arrays of the sampled ones are written for the peer once all is measured.

    python -m benchmarks.sweep sizes|prices COUNT SAMPLE,... CASE_FOLDER RESULT.json
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import what_ifs
from benchmarks.export import arrays_of
from planner.case.case import Case, load_case
from planner.solve.decomposition import solve
from planner.solve.pool import Pool

GAP, THREADS = 1e-3, 2


def changed(case: Case, factors: dict[str, float]) -> Case:
    """The case with factors on equipment prices by family, grid limit, load, energy prices, demand charge and gas."""
    entries = {}
    for item_id, entry in case.catalog.entries.items():
        price = entry.item.price_usd
        if price is not None and price.value is not None and entry.item.family in factors:
            dearer = price.model_copy(update={"value": price.value * factors[entry.item.family]})
            entry = replace(entry, item=entry.item.model_copy(update={"price_usd": dearer}))
        entries[item_id] = entry
    site, tariff = case.input.site, case.tariff
    assert case.load_series_mw is not None
    assert tariff is not None
    steps = [s.model_copy(update={"mw": s.mw * factors.get("grid", 1.0)}) for s in site.grid.interconnection]
    gas = site.fuel.natural_gas_usd_per_mmbtu_hhv or 0.0
    fuel = site.fuel.model_copy(update={"natural_gas_usd_per_mmbtu_hhv": gas * factors.get("gas", 1.0)})
    grid = site.grid.model_copy(update={"interconnection": steps})
    scale = [factors.get("energy", 1.0), factors.get("energy", 1.0) * factors.get("on_peak", 1.0)]
    tiers = [
        tuple(replace(tier, usd_per_mwh=tier.usd_per_mwh * factor) for tier in period)
        for period, factor in zip(tariff.energy_tiers, scale, strict=True)
    ]
    return replace(
        case,
        input=case.input.model_copy(update={"site": site.model_copy(update={"grid": grid, "fuel": fuel})}),
        catalog=replace(case.catalog, entries=entries),
        load_series_mw=case.load_series_mw * factors.get("load", 1.0),
        tariff=replace(
            tariff,
            energy_tiers=tuple(tiers),
            flat_demand_usd_per_kw=tariff.flat_demand_usd_per_kw * factors.get("demand", 1.0),
        ),
    )


def main() -> None:
    kind, count, sample, folder, result = sys.argv[1:]
    base, rows = load_case(folder), []
    cases, pool, before = what_ifs(kind, int(count)), Pool(), 0
    for factors in cases:
        begin = time.perf_counter()
        solution = solve(changed(base, factors), gap=GAP, threads=THREADS, pool=pool, dispatch=False)
        row: dict[str, Any] = {"solve_seconds": time.perf_counter() - begin}
        solves = pool.solves
        row["block_solves"], before = solves - before, solves
        row |= {"objective_usd": solution.upper_kusd * 1e3, "lower_bound_usd": solution.lower_kusd * 1e3}
        rows.append(row | {"gap_fraction": solution.gap_fraction})
    Path(result).write_text(json.dumps(rows))
    for k in map(int, sample.split(",")):
        np.savez(Path(folder).with_name(f"what_if_{kind}_{k}.npz"), **arrays_of(changed(base, cases[k])))


if __name__ == "__main__":
    main()
