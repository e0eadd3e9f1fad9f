"""From a proven solution to a plan: tables, ledger and key results."""

from __future__ import annotations

import platform
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from planner.case.case import Case
from planner.families import cooling
from planner.ledger import Cash, discount_factor, fixed_flows
from planner.plan.plan import SCHEMA, Plan
from planner.sizing.targets import grid_steps
from planner.sizing.options import Option, possible_sets
from planner.solve.decomposition import Solution
from planner.solve.states import OPERATING, State
from planner.timeline import add_months, block_hours

_INDEPENDENT_BANDS = {"project_cost_usd_per_mw": (8e6, 18e6)}


def plan_of(solution: Solution) -> Plan:
    """The plan of a solution. Values are read once into the Pyomo model, so rows are evaluated as written."""
    return _Extract(solution).plan()


class _Extract:
    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        self.sizing = solution.sizing
        self.case: Case = solution.sizing.case
        self.m = solution.sizing.model
        self.starts = self.case.timeline.starts
        self.last = self.case.timeline.last_period
        master, point = solution.master, solution.point
        for j, var in enumerate(master.columns):
            value = float(point[j])
            var.set_value(round(value) if master.integer[j] else value, skip_validation=True)

    def plan(self) -> Plan:
        orders, installed, stages = self.orders(), self.installed(), self.stages()
        capacity = self.capacity(stages)
        dispatch, ledger = self.dispatch(), self.ledger()
        return Plan(
            self.summary(orders, capacity, dispatch, ledger, stages),
            orders,
            installed,
            stages,
            capacity,
            dispatch,
            ledger,
        )

    # -- tables --------------------------------------------------------------------------------------------

    def new_units(self, o: Option, k: int) -> float:
        """Units ordered at an order day."""
        units = pyo.value(self.m.bought[o.key, k]) - (pyo.value(self.m.bought[o.key, k - 1]) if k else 0.0)
        return float(units if o.item.divisible else round(units))

    def orders(self) -> pd.DataFrame:
        rows = []
        for o in self.sizing.options:
            for k, order in enumerate(o.orders):
                units = self.new_units(o, k)
                if units > 1e-6:
                    capital = sum(c.usd for c in order.flows if c.line not in ("fixed O&M", "residual value"))
                    rows.append(
                        (
                            o.item.id,
                            _position(o),
                            o.item.family,
                            units,
                            order.dates.ordered,
                            order.dates.delivered,
                            order.dates.ready,
                            order.dates.in_service,
                            capital * units,
                        )
                    )
        names = [
            "item",
            "position",
            "family",
            "units",
            "order_date",
            "delivery_date",
            "ready_date",
            "commissioning_date",
            "capital_usd",
        ]
        return pd.DataFrame(rows, columns=names).sort_values(["order_date", "item", "position"], ignore_index=True)

    def units(self, o: Option, p: int) -> float:
        """Units of an option in service."""
        k = o.order_index(p)
        bought = pyo.value(self.m.bought[o.key, k]) if k >= 0 else 0.0
        return float(o.committed[p] + (bought if o.item.divisible else round(bought)))

    def installed(self) -> pd.DataFrame:
        rows = []
        for o in self.sizing.options:
            for p in range(self.last + 1):
                units = self.units(o, p)
                if units <= 1e-9:
                    continue
                if o.item.family == "compute":
                    running = pyo.value(self.m.energised[o.key, p])
                else:
                    running = pyo.value(self.sizing.energised_units(o, p))
                rows.append((self.starts[p], o.item.id, _position(o), units, running))
        return pd.DataFrame(rows, columns=["period", "item", "position", "units", "running"])

    def stages(self) -> pd.DataFrame:
        rows = []
        for (position, p), expression in self.sizing.design.items():
            load = float(pyo.value(expression))
            firm = float(pyo.value(self.sizing.capacity_of(position, p)))
            unit = {"white_space": "m2", "network": "GPU ports", "rack_space": "racks"}.get(position, "MW")
            if position not in ("it", "mv_bus"):
                rows.append((self.starts[p], position, unit, load, firm))
        frame = pd.DataFrame(rows, columns=["period", "position", "unit", "design_load", "firm_capacity"])
        return frame[(frame.design_load > 0) | (frame.firm_capacity > 0)].sort_values(
            ["period", "position"], ignore_index=True
        )

    def capacity(self, stages: pd.DataFrame) -> pd.DataFrame:
        rows = []
        compute = [o for o in self.sizing.options if o.item.family == "compute"]
        for p in range(self.last + 1):
            start = self.starts[p]
            design = float(pyo.value(self.sizing.design["mv_bus", p]))
            it = float(pyo.value(self.sizing.design.get(("it", p), 0.0)))
            grid, firm = self.grid_available(p), float(pyo.value(self.m.firm_generation[p]))
            delivered = sum(
                sum(self.new_units(o, k) for k, order in enumerate(o.orders) if order.dates.delivered <= start)
                + sum(c.units for c in self.case.input.committed if c.item == o.item.id and c.on_site <= start)
                for o in compute
            )
            ready = sum(self.units(o, p) for o in compute)
            runs = {o.key: round(pyo.value(self.m.energised[o.key, p])) for o in compute}
            gpus = sum(r.gpus * runs[r.item.id] for r in self.sizing.plant.racks)
            energised = sum(runs.values())
            rows.append(
                (
                    start,
                    grid_steps(self.case, p)[1],
                    grid,
                    firm,
                    design,
                    it,
                    gpus,
                    delivered,
                    ready,
                    energised,
                    ready - energised,
                    self.binding(p, stages, grid, firm, design, runs),
                )
            )
        return pd.DataFrame(
            rows,
            columns=[
                "period",
                "grid_step_mw",
                "grid_mw",
                "firm_generation_mw",
                "design_load_mw",
                "it_design_mw",
                "gpus_energised",
                "racks_delivered",
                "racks_ready",
                "racks_energised",
                "racks_stranded",
                "binding_stage",
            ],
        )

    def grid_available(self, p: int) -> float:
        """Import the connection and the units behind it allow, switched on or not. [MW]"""
        feeders, total = grid_steps(self.case, p)
        behind = total
        for stage in ("main_transformer", "hv_substation"):
            standing = [o for o in self.sizing.options if stage in o.supplies]
            if standing:
                firm = sum(o.supplies[stage] * possible_sets(o.group, self.units(o, p)) for o in standing)
                behind = min(behind, firm)
        return max(feeders, min(total, behind))

    def binding(
        self, p: int, stages: pd.DataFrame, grid: float, firm: float, design: float, runs: dict[str, int]
    ) -> str:
        """The stage that would stop the next rack, judged by the room it leaves in racks."""
        running = sum(runs.values())
        if not self.sizing.plant.racks:
            return ""
        rack = max(self.sizing.plant.racks, key=lambda r: r.design_mw)
        room = {"racks on site": sum(self.units(self.sizing.option(k), p) for k in runs) - running}
        for row in stages[stages.period == self.starts[p]].itertuples():
            if row.design_load > 0 and running:
                room[str(row.position)] = (row.firm_capacity - row.design_load) / (row.design_load / running)
        overhead = design / (rack.design_mw * running) if running else 1.3
        loss = self.sizing.plant.import_loss_fraction
        room["firm source"] = (grid * (1 - loss) + firm - design) / (rack.design_mw * overhead)
        if hasattr(self.m, "blocks"):
            blocks = pyo.value(self.m.blocks[p]) * self.case.input.commissioning.block_mw
            room["commissioning"] = (blocks - rack.design_mw * running) / rack.design_mw
        wanted = [t for t in self.case.input.target.milestones if self.case.timeline.period_of(t.by) <= p]
        if (
            self.case.input.objective.kind != "max_gpus"
            and wanted
            and all(pyo.value(self.sizing.running(t, p)) >= (t.gpus or t.pflops or t.it_mw or 0) for t in wanted)
        ):
            return "target met"
        if not running and not room["racks on site"]:
            return "racks on site"
        return min(room, key=lambda name: (room[name], name))

    def state_start(self, s: State) -> date:
        """First day of the month of a state."""
        months = self.last + s.place if s.period == OPERATING else s.period
        return add_months(self.case.timeline.start, months)

    def dispatch(self) -> pd.DataFrame:
        frames = []
        for s in self.solution.states:
            block, value, x = self.solution.blocks[s.month], self.solution.values[s], self.solution.links[s]
            link = dict(zip(block.links, x, strict=True))
            hours = block_hours(s.month, self.starts[-1].year, self.case.input.horizon.sample_days_per_month)
            at = hours.hour_of_year
            flows: dict[str, Any] = {}
            supply = np.zeros(len(hours))
            for name, columns in block.columns.items():
                if len(columns.index) == 1 or name.startswith(("shortage", "square_throughput")):
                    continue
                series = np.zeros(len(hours))
                series[columns.hours] = value.primal[columns.index]
                flows[name] = np.where(np.abs(series) < 1e-9, 0.0, series)
                kind = name.split(":")[0]
                if kind in ("grid_import", "generation", "renewable", "discharge", "compute_shed"):
                    supply += series
                elif kind == "charge":
                    supply -= series
            columns_out: dict[str, Any] = {
                "period": self.state_start(s),
                "phase": "operating year" if s.period == OPERATING else "build",
                "hour_of_year": at,
                "weight_h": hours.weight,
            }
            if self.case.load_series_mw is not None:
                columns_out["facility_load_mw"] = self.case.load_series_mw[at]
            if self.sizing.plant.racks:
                shape = self.case.load_shape[at]
                columns_out["it_mw"] = link["it_mw"] * shape + self.network_mw(s)
                heat = np.zeros(len(hours))
                for loop in cooling.LOOPS:
                    options = [r for r in self.sizing.plant.rejections if r.loop == loop]
                    if len(options) == 1:
                        heat += options[0].power_fraction[at] * shape * link[f"heat:{loop}"]
                    for r in options if len(options) > 1 else ():
                        heat += r.power_fraction[at] * flows[f"heat_rejected:{loop}:{r.item.id}"]
                columns_out["heat_rejection_mw"] = heat
                columns_out["losses_and_fans_mw"] = supply - columns_out["it_mw"] - heat
            columns_out["site_load_mw"] = supply
            for name, series in flows.items():
                columns_out[f"{name}_{'mwh' if name.startswith('soc') else 'mw'}"] = series
            frames.append(pd.DataFrame(columns_out))
        return pd.concat(frames, ignore_index=True)

    def network_mw(self, s: State) -> float:
        """Draw of the network units standing in a state."""
        p = self.last if s.period == OPERATING else s.period
        return sum(
            o.item.design_kw / 1000.0 * float(pyo.value(self.sizing.energised_units(o, p)))
            for o in self.sizing.options
            if o.item.family == "network"
        )

    def ledger(self) -> pd.DataFrame:
        rows: list[tuple[date, str, str, float]] = []

        def put(cash: Cash, item: str, units: float = 1.0) -> None:
            rows.append((cash.on, cash.line, item, cash.usd * units))

        for o in self.sizing.options:
            for k, order in enumerate(o.orders):
                units = self.new_units(o, k)
                if units > 1e-6:
                    for cash in order.flows:
                        put(cash, o.item.id, units)
        for name, cash in fixed_flows(self.case):
            put(cash, name)
        for name, cash in self.sizing.committed_om:
            put(cash, name)
        timeline = self.case.timeline
        for s in self.solution.states:
            block, value = self.solution.blocks[s.month], self.solution.values[s]
            for line, cost in block.cost_lines.items():
                usd = float(cost @ value.primal)
                if abs(usd) < 1e-6:
                    continue
                if s.period != OPERATING:
                    rows.append((timeline.middle(s.period), line, "operation", usd))
                    continue
                for year in range(timeline.operating_years):
                    on = timeline.middle(self.last + 12 * year + s.place)
                    rows.append((on, line, "operation", usd))
        frame = pd.DataFrame(rows, columns=["date", "line", "item", "usd"])
        return frame.groupby(["date", "line", "item"], as_index=False, sort=True)["usd"].sum()

    # -- summary -------------------------------------------------------------------------------------------

    def summary(
        self,
        orders: pd.DataFrame,
        capacity: pd.DataFrame,
        dispatch: pd.DataFrame,
        ledger: pd.DataFrame,
        stages: pd.DataFrame,
    ) -> dict[str, Any]:
        solution, case = self.solution, self.case
        end = capacity.iloc[-1]
        units: dict[str, float] = {}
        for o in self.sizing.options:
            units[o.item.id] = units.get(o.item.id, 0.0) + self.units(o, self.last)
        key = self.key_results(capacity, dispatch, ledger)
        kusd = 1000.0
        return {
            "schema": SCHEMA,
            "name": case.input.name,
            "status": "optimal within the gap" if solution.gap_reached else "time limit: best plan so far",
            "objectives": [{"name": lv.name, "value": lv.value, "bound": lv.bound} for lv in solution.levels],
            "objective_usd": solution.upper_kusd * kusd,
            "lower_bound_usd": solution.lower_kusd * kusd,
            "gap_usd": solution.gap_kusd * kusd,
            "gap_fraction": solution.gap_fraction,
            "gap_fraction_total": solution.gap_fraction_total,
            "cost_not_open_to_decision_usd": solution.forced_kusd * kusd,
            "rounds": solution.rounds,
            "block_solves": solution.block_solves,
            "seconds": round(solution.seconds, 3),
            "units": {k: round(v, 6) for k, v in sorted(units.items()) if v > 1e-9},
            "milestones": self.milestones(capacity),
            "key_results": key,
            "firm": list(case.input.target.firm),
            "gpus_energised": int(end.gpus_energised),
            "design_load_mw": float(end.design_load_mw),
            "first_stranded": [
                {"period": str(r.period), "racks": float(r.racks_stranded), "held_by": r.binding_stage}
                for r in capacity[capacity.racks_stranded > 0].itertuples()
            ][:60],
            "trust": self.trust(orders),
            "sampled_days_per_month": case.input.horizon.sample_days_per_month,
            "weather": {
                "name": case.weather.name,
                "synthetic": case.weather.synthetic,
                "design_ambient": case.ambient.source,
            },
            "defaults_used": list(case.defaults_used),
            "warnings": [*case.warnings, *self.warnings(key)],
            "activities": {k: str(v) for k, v in case.activity_dates.items()},
            "item_files": {i: _short(case.catalog.entries[i].file) for i in sorted(units) if i in case.catalog},
            "inputs_sha256": case.hashes,
            "versions": {p: version(p) for p in ("site-planner", "highspy", "pyomo", "pvlib", "numpy", "pandas")}
            | {"python": platform.python_version()},
        }

    def milestones(self, capacity: pd.DataFrame) -> list[dict[str, Any]]:
        rows = []
        for milestone in self.case.input.target.milestones:
            needed = milestone.gpus or milestone.pflops or milestone.it_mw or 0.0
            reached = None
            for p in range(self.last + 1):
                if float(pyo.value(self.sizing.running(milestone, p))) >= needed * (1 - 1e-9):
                    reached = self.starts[p]
                    break
            unit = "GPUs" if milestone.gpus else f"PFLOPS {milestone.precision}" if milestone.pflops else "IT MW"
            rows.append(
                {"target": needed, "unit": unit, "by": str(milestone.by), "reached": str(reached) if reached else None}
            )
        return rows

    def key_results(self, capacity: pd.DataFrame, dispatch: pd.DataFrame, ledger: pd.DataFrame) -> dict[str, Any]:
        case, end = self.case, capacity.iloc[-1]
        year = dispatch[dispatch.phase == "operating year"]
        result: dict[str, Any] = {
            "peak_site_load_mw": float(year.site_load_mw.max()),
            "peak_import_mw": float(year.grid_import_mw.max()) if "grid_import_mw" in year else 0.0,
        }
        energy = year.weight_h * year.site_load_mw
        result["site_energy_mwh_per_year"] = float(energy.sum())
        spent = ledger[ledger.line != "residual value"]
        capital = ledger[
            ledger.line.isin(
                [
                    "equipment",
                    "installation",
                    "shell and civil",
                    "indirects",
                    "contingency",
                    "committed equipment",
                    "utility contribution",
                ]
            )
        ]
        it_items = {i.id for i in case.catalog.items if i.family in ("compute", "network")}
        without_it = capital[~capital.item.isin(it_items)].usd.sum()
        result["capital_without_it_usd"] = float(without_it)
        result["capital_it_usd"] = float(
            ledger[
                (ledger.line == "IT equipment") | (ledger.item.isin(it_items) & (ledger.line == "installation"))
            ].usd.sum()
        )
        result["undiscounted_cost_usd"] = float(spent.usd.sum())
        if not self.sizing.plant.racks or end.it_design_mw <= 0:
            return result
        it = year.weight_h * year.it_mw
        result["annual_pue"] = float(energy.sum() / it.sum())
        network = self.network_mw(State(OPERATING, 0, 0))
        result["peak_pue"] = float(end.design_load_mw / (end.it_design_mw + network))
        result["it_design_mw"] = float(end.it_design_mw)
        result["project_cost_usd_per_mw"] = float(without_it / end.it_design_mw)
        meter = end.design_load_mw / (1.0 - self.sizing.plant.import_loss_fraction)
        result["gpus_per_facility_mw"] = float(end.gpus_energised / meter)
        rate, start = case.input.finance.discount_rate, case.timeline.start
        hours = 0.0
        for p in range(self.last):
            days = (self.starts[p + 1] - self.starts[p]).days
            hours += 24 * days * capacity.gpus_energised[p] * discount_factor(rate, case.timeline.middle(p), start)
        for y in range(case.timeline.operating_years):
            for k in range(12):
                at = case.timeline.middle(self.last + 12 * y + k)
                hours += 730.0 * end.gpus_energised * discount_factor(rate, at, start)
        result["usd_per_gpu_hour"] = float(self.solution.upper_kusd * 1000.0 / hours) if hours else None
        workload = case.input.workload
        if workload is not None and workload.swing_fraction is not None:
            result["unsmoothed_swing_mw"] = workload.swing_fraction * workload.largest_job_fraction * end.it_design_mw
        return result

    def warnings(self, key: dict[str, Any]) -> list[str]:
        found = []
        low, high = _INDEPENDENT_BANDS["project_cost_usd_per_mw"]
        value = key.get("project_cost_usd_per_mw")
        if value is not None and not low <= value <= high:
            found.append(f"project cost without IT is {value / 1e6:.1f} M$/MW, outside the usual 8-18 M$/MW")
        if self.case.input.horizon.sample_days_per_month:
            found.append("hours are sampled: costs are estimates, not a full year")
        if self.case.weather.synthetic:
            found.append("weather is a synthetic year from monthly normals: it has no extremes")
        return found

    def trust(self, orders: pd.DataFrame) -> dict[str, float]:
        """Share of capital, and of the longest lead times, that rests on figures nobody has quoted."""
        weak = {"inherited", "estimate", "memory"}
        dollars = weak_dollars = weeks = weak_weeks = 0.0
        for row in orders.itertuples():
            item = self.case.catalog[str(row.item)]
            dollars += row.capital_usd
            if item.price_usd is not None and item.price_usd.basis in weak:
                weak_dollars += row.capital_usd
        critical = orders.sort_values("commissioning_date").groupby("commissioning_date").order_date.idxmin()
        for i in critical:
            item = self.case.catalog[str(orders.item[i])]
            lead = item.get("lead_time_weeks")
            weeks += lead
            if item.lead_time_weeks is not None and item.lead_time_weeks.basis in weak:
                weak_weeks += lead
        return {
            "dollars_fraction_on_weak_figures": weak_dollars / dollars if dollars else 0.0,
            "critical_weeks_fraction_on_weak_figures": weak_weeks / weeks if weeks else 0.0,
        }


def _position(o: Option) -> str:
    """Where an option stands: its positions, or its family."""
    return "+".join(o.supplies) or o.item.family


def _short(path: str) -> str:
    """File and its folder, enough to find it."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(parts[-2:])
