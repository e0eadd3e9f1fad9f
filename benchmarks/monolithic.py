"""The peer that builds one model: the case of export.py in Pyomo, all hours and all counts, solved by HiGHS.

The model is written as a modeller would write it; it goes to HiGHS by Pyomo's own standard form, the fastest way
there is, and HiGHS runs with its defaults. Nothing of the planner is imported.

    python -m benchmarks.monolithic DATA.npz RESULT.json GAP TIME_LIMIT_S
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

MONTH_ENDS = np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) * 24
HOURS = 8760


def build(d: dict[str, Any]) -> pyo.ConcreteModel:
    """The whole problem. Index: item, year, hour of the year. MW, MWh, USD."""
    m = pyo.ConcreteModel()
    years, hours = range(len(d["load_fraction"])), range(HOURS)
    month = np.searchsorted(MONTH_ENDS, np.arange(HOURS), side="right")
    batteries, engines, suns = (range(len(d[f"{kind}_mw"])) for kind in ("battery", "engine", "pv"))
    lit = [[t for t in hours if d["pv_fraction"][i, t] > 0] for i in suns]
    weight = d["month_weight"].reshape(len(years), 12)

    def most(kind: str) -> Any:
        return lambda m, i, y: (0, float(d[f"{kind}_most"][i]))

    m.battery = pyo.Var(batteries, years, within=pyo.NonNegativeIntegers, bounds=most("battery"))  # standing units
    m.engine = pyo.Var(engines, years, within=pyo.NonNegativeIntegers, bounds=most("engine"))
    m.pv = pyo.Var(suns, years, within=pyo.NonNegativeReals)
    m.grid = pyo.Var(years, hours, bounds=lambda m, y, t: (0, float(d["grid_mw"][y])))
    m.peak = pyo.Var(years, range(12), within=pyo.NonNegativeReals)
    m.output = pyo.Var(engines, years, hours, within=pyo.NonNegativeReals)
    m.sun = pyo.Var([(i, y, t) for i in suns for y in years for t in lit[i]], within=pyo.NonNegativeReals)
    m.charge = pyo.Var(batteries, years, hours, within=pyo.NonNegativeReals)
    m.discharge = pyo.Var(batteries, years, hours, within=pyo.NonNegativeReals)
    m.stored = pyo.Var(batteries, years, hours, within=pyo.NonNegativeReals)

    def balance(m: Any, y: int, t: int) -> Any:
        supply = m.grid[y, t] + sum(m.output[i, y, t] for i in engines)
        supply += sum(m.sun[i, y, t] for i in suns if d["pv_fraction"][i, t] > 0)
        supply += sum(m.discharge[i, y, t] - m.charge[i, y, t] for i in batteries)
        return supply == float(d["load_fraction"][y] * d["load_mw"][t])

    def stored(m: Any, i: int, y: int, t: int) -> Any:
        eta = float(d["battery_one_way_efficiency"][i])
        before = m.stored[i, y, t - 1] if t else 0.0
        return m.stored[i, y, t] == before + eta * m.charge[i, y, t] - m.discharge[i, y, t] / eta

    m.balance = pyo.Constraint(years, hours, rule=balance)
    m.billed = pyo.Constraint(years, hours, rule=lambda m, y, t: m.grid[y, t] <= m.peak[y, int(month[t])])
    m.rating = pyo.Constraint(
        engines,
        years,
        hours,
        rule=lambda m, i, y, t: (
            m.output[i, y, t] <= float(d["engine_mw"][i] * d["engine_fraction"][i, t]) * m.engine[i, y]
        ),
    )
    m.available = pyo.Constraint(
        engines,
        years,
        range(12),
        rule=lambda m, i, y, k: (
            sum(m.output[i, y, t] for t in _hours(k))
            <= float(d["engine_availability"][i] * d["engine_mw"][i] * d["engine_fraction"][i, _hours(k)].sum())
            * m.engine[i, y]
        ),
    )
    m.sky = pyo.Constraint(
        m.sun.index_set(),
        rule=lambda m, i, y, t: m.sun[i, y, t] <= float(d["pv_mw"][i] * d["pv_fraction"][i, t]) * m.pv[i, y],
    )
    m.energy = pyo.Constraint(batteries, years, hours, rule=stored)
    m.full = pyo.Constraint(
        batteries,
        years,
        hours,
        rule=lambda m, i, y, t: m.stored[i, y, t] <= float(d["battery_mwh"][i]) * m.battery[i, y],
    )
    m.power = pyo.Constraint(
        batteries,
        years,
        hours,
        rule=lambda m, i, y, t: m.charge[i, y, t] + m.discharge[i, y, t] <= float(d["battery_mw"][i]) * m.battery[i, y],
    )
    m.stays = pyo.ConstraintList()
    cost: list[Any] = []
    for kind, units, items in (("battery", m.battery, batteries), ("engine", m.engine, engines), ("pv", m.pv, suns)):
        for i in items:
            for y in years:
                before = units[i, y - 1] if y else 0.0
                cost.append(float(d[f"{kind}_usd"][i, y]) * (units[i, y] - before))
                if y:
                    m.stays.add(units[i, y] >= before)
    for y in years:
        cost += [float(weight[y, k] * d["demand_usd_per_mw"][k]) * m.peak[y, k] for k in range(12)]
        for t in hours:
            w = weight[y, month[t]]
            cost.append(float(w * d["energy_usd_per_mwh"][t]) * m.grid[y, t])
            cost += [float(w * d["engine_usd_per_mwh"][i]) * m.output[i, y, t] for i in engines]
            cost += [float(w * d["battery_wear_usd_per_mwh"][i]) * m.discharge[i, y, t] for i in batteries]
    m.cost = pyo.Objective(expr=pyo.quicksum(cost))
    return m


def solve(m: pyo.ConcreteModel, gap: float, time_limit: float) -> dict[str, Any]:
    """Objective, bound and the solver's own seconds. [USD, s]"""
    form = LinearStandardFormCompiler().write(m, mixed_form=True)
    matrix = form.A.tocsc()
    kind = np.array([row.bound_type for row in form.rows])  # 1 is <=, -1 is >=, 0 is equality
    rhs = np.asarray(form.rhs, float)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(form.columns), matrix.shape[0]
    lp.col_cost_ = form.c.toarray().ravel()
    lp.offset_ = float(np.ravel(form.c_offset)[0])  # what fixed variables cost
    lp.col_lower_ = np.array([-np.inf if v.lb is None else v.lb for v in form.columns])
    lp.col_upper_ = np.array([np.inf if v.ub is None else v.ub for v in form.columns])
    lp.row_lower_, lp.row_upper_ = np.where(kind == 1, -np.inf, rhs), np.where(kind == -1, np.inf, rhs)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    integer, continuous = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [continuous if v.is_continuous() else integer for v in form.columns]
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("mip_rel_gap", gap)
    h.setOptionValue("time_limit", time_limit)
    h.passModel(lp)
    begin = time.perf_counter()
    h.run()
    seconds = time.perf_counter() - begin
    info = h.getInfo()
    found = info.primal_solution_status == 2
    counts = {id(v): v.name for units in (m.battery, m.engine, m.pv) for v in units.values()}
    point = h.getSolution().col_value if found else []
    units = {counts[id(v)]: x for v, x in zip(form.columns, point, strict=False) if id(v) in counts}
    return {
        "status": "optimal" if h.getModelStatus() == highspy.HighsModelStatus.kOptimal else "time limit",
        "objective_usd": info.objective_function_value if found else None,
        "lower_bound_usd": info.mip_dual_bound if np.isfinite(info.mip_dual_bound) else None,
        "solve_seconds": seconds,
        "units": {name: round(x, 3) for name, x in units.items()},
        "columns": lp.num_col_,
        "rows": lp.num_row_,
    }


def _hours(month: int) -> range:
    return range(int(MONTH_ENDS[month - 1]) if month else 0, int(MONTH_ENDS[month]))


def main() -> None:
    data, result, gap, time_limit = sys.argv[1:]
    with np.load(data) as file:
        arrays = dict(file)
    begin = time.perf_counter()
    model = build(arrays)
    built = time.perf_counter() - begin
    answer = solve(model, float(gap), float(time_limit))
    with open(result, "w") as out:
        json.dump({**answer, "build_seconds": built}, out)


if __name__ == "__main__":
    main()
