"""The peer that most people would use: the first year of the case of export.py in PyPSA, solved by HiGHS.

Whole units by `p_nom_mod`; demand charges, the joint power limit of a battery and the monthly availability of
engines by custom constraints. HiGHS runs with its defaults. Nothing of the planner is imported.

    python -m benchmarks.pypsa_year DATA.npz RESULT.json GAP TIME_LIMIT_S
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import xarray as xr


def network(d: dict[str, Any]) -> pypsa.Network:
    """One bus with the grid, engines, PV, batteries and the load. MW, USD."""
    n = pypsa.Network()
    hours = pd.date_range("2027-01-01", periods=len(d["load_mw"]), freq="h", name="snapshot")  # 365 days
    n.set_snapshots(hours)
    n.snapshot_weightings["objective"] = d["month_weight"][hours.month - 1]
    n.add("Bus", "site")
    n.add("Load", "load", bus="site", p_set=pd.Series(d["load_fraction"][0] * d["load_mw"], hours))
    price = pd.Series(d["energy_usd_per_mwh"], hours)
    n.add("Generator", "grid", bus="site", p_nom=float(d["grid_mw"][0]), marginal_cost=price)
    for i, mw in enumerate(d["engine_mw"]):
        n.add(
            "Generator",
            f"engine_{i}",
            bus="site",
            p_nom_extendable=True,
            p_nom_mod=mw,
            p_nom_max=mw * d["engine_most"][i],
            capital_cost=d["engine_usd"][i, 0] / mw,
            marginal_cost=d["engine_usd_per_mwh"][i],
            p_max_pu=pd.Series(d["engine_fraction"][i], hours),
        )
    for i, mw in enumerate(d["pv_mw"]):
        n.add(
            "Generator",
            f"pv_{i}",
            bus="site",
            p_nom_extendable=True,
            capital_cost=d["pv_usd"][i, 0] / mw,
            p_max_pu=pd.Series(d["pv_fraction"][i], hours),
        )
    for i, mw in enumerate(d["battery_mw"]):
        n.add(
            "StorageUnit",
            f"battery_{i}",
            bus="site",
            p_nom_extendable=True,
            p_nom_mod=mw,
            p_nom_max=mw * d["battery_most"][i],
            capital_cost=d["battery_usd"][i, 0] / mw,
            marginal_cost=d["battery_wear_usd_per_mwh"][i],
            max_hours=d["battery_mwh"][i] / mw,
            efficiency_store=d["battery_one_way_efficiency"][i],
            efficiency_dispatch=d["battery_one_way_efficiency"][i],
            state_of_charge_initial=0.0,
        )
    return n


def customise(n: pypsa.Network, d: dict[str, Any]) -> None:
    """Demand charges, joint power limit of batteries and availability of engines by month."""
    m = n.model
    month = xr.DataArray(n.snapshots.month - 1, coords={"snapshot": n.snapshots}, name="month")
    peak = m.add_variables(lower=0, coords=[pd.RangeIndex(12, name="month")], name="peak")
    power = m["Generator-p"]
    m.add_constraints(power.sel(name="grid") - peak.sel(month=month) <= 0, name="billed_demand")
    for i in range(len(d["engine_mw"])):
        share = d["engine_availability"][i] * pd.Series(d["engine_fraction"][i]).groupby(month.values).sum()
        limit = xr.DataArray(share.to_numpy(), coords={"month": range(12)})
        produced = power.sel(name=f"engine_{i}").groupby(month).sum()
        m.add_constraints(produced - limit * m["Generator-p_nom"].sel(name=f"engine_{i}") <= 0, name=f"available_{i}")
    joint = m["StorageUnit-p_store"] + m["StorageUnit-p_dispatch"] - m["StorageUnit-p_nom"]
    m.add_constraints(joint <= 0, name="joint_power")
    demand = xr.DataArray(d["month_weight"][:12] * d["demand_usd_per_mw"], coords={"month": range(12)})
    m.objective = m.objective + (demand * peak).sum()


def _finite(usd: float) -> float | None:
    return float(usd) if np.isfinite(usd) else None


def main() -> None:
    data, result, gap, time_limit = sys.argv[1:]
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    with np.load(data) as file:
        d = dict(file)
    begin = time.perf_counter()
    n = network(d)
    n.optimize.create_model(include_objective_constant=False)
    customise(n, d)
    built = time.perf_counter() - begin
    begin = time.perf_counter()
    options = {"mip_rel_gap": float(gap), "time_limit": float(time_limit)}
    _, condition = n.optimize.solve_model(solver_name="highs", solver_options=options, log_to_console=False)
    seconds = time.perf_counter() - begin
    highs = n.model.solver_model.getInfo()
    answer = {
        "status": "optimal" if condition == "optimal" else "time limit",
        "objective_usd": _finite(highs.objective_function_value),  # none where time ended before the first plan
        "lower_bound_usd": _finite(highs.mip_dual_bound),
        "units": {
            name: round(float(p), 3)
            for c in ("generators", "storage_units")
            for name, p in getattr(n, c)["p_nom_opt"].items()
        },
        "build_seconds": built,
        "solve_seconds": seconds,
        "highs_seconds": n.model.solver_model.getRunTime(),
    }
    with open(result, "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
