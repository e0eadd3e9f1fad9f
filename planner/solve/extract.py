"""From a proven solution to a plan: its tables. The summary and the key results are made in `results`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from numpy.typing import NDArray

from planner.families import cooling, generation
from planner.ledger import CAPITAL_LINES, first_charge_usd_per_mwh, fixed_flows
from planner.operation.blocks import hours_of
from planner.plan.plan import Plan
from planner.sizing.options import USD_PER_KUSD, possible_sets
from planner.sizing.targets import grid_steps, load_scale, target_of
from planner.solve.details import details_of
from planner.solve.ratchet import tightened
from planner.solve.reading import (
    CapacityRow,
    InstalledRow,
    OrderRow,
    Payment,
    Reading,
    StageRow,
    position_of,
    value,
)
from planner.solve.results import summary_of
from planner.solve.solution import Solution
from planner.solve.states import State
from planner.timeline import Hours

Array = NDArray[np.float64]
_UNITS = {"white_space": "m2", "network": "GPU ports", "rack_space": "racks"}  # of positions not in MW
_SINKS = ("charge", "grid_export")
_SOURCES = ("grid_import", "generation", "renewable", "discharge", "compute_shed")


def plan_of(solution: Solution) -> Plan:
    """The plan of a solution."""
    solution = tightened(solution)
    read = Reading(solution)
    bought = sorted(_orders(read), key=lambda row: (row.order_date, row.item, row.position))
    orders = pd.DataFrame(bought, columns=OrderRow._fields)
    stages = sorted(_stages(read), key=lambda row: (row.period, row.position))
    capacity = _capacity(read, stages)
    dispatch = pd.concat([_dispatch(read, s) for s in solution.states], ignore_index=True)
    payments = pd.DataFrame(_payments(read), columns=Payment._fields)
    ledger = payments.groupby(["date", "line", "item"], as_index=False, sort=True).sum()
    return Plan(
        summary_of(read, orders, capacity, dispatch, ledger),
        orders,
        pd.DataFrame(_installed(read), columns=InstalledRow._fields),
        pd.DataFrame(stages, columns=StageRow._fields),
        pd.DataFrame(capacity, columns=CapacityRow._fields),
        dispatch,
        ledger,
        details_of(read, dispatch),
    )


# -- counts ------------------------------------------------------------------------------------------------


def _orders(read: Reading) -> Iterator[OrderRow]:
    for o in read.sizing.options:
        for k, order in enumerate(o.orders):
            units = read.new_units(o, k)
            if units > 1e-6:
                yield OrderRow(
                    o.item.id,
                    position_of(o),
                    o.item.family,
                    units,
                    order.dates.ordered,
                    order.dates.delivered,
                    order.dates.ready,
                    order.dates.in_service,
                    units * sum(cash.usd for cash in order.flows if cash.line in CAPITAL_LINES),
                )


def _installed(read: Reading) -> Iterator[InstalledRow]:
    for o in read.sizing.options:
        for p in range(read.last + 1):
            units = read.units(o, p)
            if units > 1e-9:
                yield InstalledRow(read.starts[p], o.item.id, position_of(o), units, read.running(o, p))


def _stages(read: Reading) -> Iterator[StageRow]:
    for (position, p), expression in read.sizing.design.items():
        load, firm = value(expression), value(read.sizing.capacity_of(position, p))
        if position not in ("it", "mv_bus") and (load > 0 or firm > 0):
            yield StageRow(read.starts[p], position, _UNITS.get(position, "MW"), load, firm)


# -- capacity ----------------------------------------------------------------------------------------------


def _capacity(read: Reading, stages: list[StageRow]) -> list[CapacityRow]:
    compute = [o for o in read.sizing.options if o.item.family == "compute"]
    by_period = {start: list(rows) for start, rows in groupby(stages, key=lambda row: row.period)}
    result = []
    for p, start in enumerate(read.starts[: read.last + 1]):
        delivered = sum(
            sum(read.new_units(o, k) for k, order in enumerate(o.orders) if order.dates.delivered <= start)
            + sum(c.units for c in read.case.input.committed if c.item == o.item.id and c.on_site <= start)
            for o in compute
        )
        ready = sum(read.units(o, p) for o in compute)
        runs = {o.key: round(read.running(o, p)) for o in compute}
        energised = sum(runs.values())
        row = CapacityRow(
            start,
            grid_steps(read.case, p)[1],
            _grid_available(read, p),
            _firm_generation(read, p),
            value(read.sizing.design["mv_bus", p]),
            value(read.sizing.design.get(("it", p), 0.0)),
            sum(r.gpus * runs[r.item.id] for r in read.sizing.plant.racks),
            delivered,
            ready,
            energised,
            ready - energised,
            sum(b.energy_mwh * read.units(read.sizing.option(b.item.id), p) for b in read.sizing.plant.batteries),
            sum(read.energy_mwh(b, p, read.case.timeline.years_in(p)[-1]) for b in read.sizing.plant.batteries),
            "",
        )
        result.append(row._replace(binding_stage=_binding(read, p, row, by_period.get(start, []))))
    return result


def _grid_available(read: Reading, p: int) -> float:
    """Import the connection and the units behind it allow, switched on or not. [MW]"""
    feeders, total = grid_steps(read.case, p)
    behind = total
    for stage in ("main_transformer", "hv_substation"):
        standing = [o for o in read.sizing.options if stage in o.supplies]
        if standing:
            firm = sum(o.supplies[stage] * possible_sets(o.group, read.units(o, p)) for o in standing)
            behind = min(behind, firm)
    return max(feeders, min(total, behind))


def _firm_generation(read: Reading, p: int) -> float:
    """Generation that stands, at the hottest hour and with its largest units out. [MW]"""
    scheme = read.case.stage_redundancy("onsite_generation")
    spares = scheme.spares if scheme is not None else 0
    standing = [(g.firm_mw, read.units(read.sizing.option(g.item.id), p)) for g in read.sizing.plant.generators]
    largest = max((mw for mw, units in standing if units > 0), default=0.0)
    island_mw = scheme.group_mw if scheme is not None else None
    return generation.firm_of(sum(mw * units for mw, units in standing), largest, spares, island_mw)


def _binding(read: Reading, p: int, now: CapacityRow, stages: list[StageRow]) -> str:
    """What would stop the next rack: the limit that leaves the least room, counted in racks.

    Limits no order can lift come before equipment. Where every limit leaves room, waiting is what costs least.
    """
    case, running = read.case, now.racks_energised
    if not read.sizing.plant.racks:
        return ""
    kind = case.input.objective.kind
    wanted = [t for t in case.input.target.milestones if case.timeline.period_of(t.by) <= p]
    if kind == "earliest":
        wanted = case.input.target.milestones  # the last one is wanted as soon as it can be had
    met = all(value(read.sizing.running(t, p)) >= target_of(t) for t in wanted)
    if kind != "max_gpus" and wanted and met:
        return "target met"
    if not now.racks_ready:
        return "racks on site"
    rack_mw = max(r.design_mw for r in read.sizing.plant.racks)
    room: dict[str, float] = {"racks on site": now.racks_stranded}
    overhead = now.design_load_mw / (rack_mw * running) if running else 1.3
    supply = now.grid_mw * (1 - read.sizing.plant.import_loss_fraction) + now.firm_generation_mw
    room["firm source"] = (supply - now.design_load_mw) / (rack_mw * overhead)
    if hasattr(read.model, "blocks"):
        commissioned = value(read.model.blocks[p]) * case.input.commissioning.block_mw
        room["commissioning"] = (commissioned - rack_mw * running) / rack_mw
    if kind == "max_gpus" and case.input.budget:
        left = min(pyo.value(row.upper) - value(row.body) for row in read.model.budget.values())
        room["budget"] = left * USD_PER_KUSD / max(r.item.get("price_usd") for r in read.sizing.plant.racks)
    outside = set(room)
    for row in stages:
        if row.design_load > 0 and running:
            room[row.position] = (row.firm_capacity - row.design_load) / (row.design_load / running)
    name = min(room, key=lambda name: (round(room[name], 2) >= 1.0, name not in outside, round(room[name], 2), name))
    if round(room[name], 2) >= 1.0:
        return "least cost"
    buyable = any(o.buyable and name in o.supplies for o in read.sizing.options)
    return f"{name} (not built yet)" if buyable and kind != "min_cost" and now.racks_stranded > 0 else name


# -- operation ---------------------------------------------------------------------------------------------


def _dispatch(read: Reading, s: State) -> pd.DataFrame:
    """Dispatch of a state, step by step."""
    path = read.case.paths[s.path]
    case, block, primal = path.case, read.solution.blocks[s.block], read.solution.values[s].primal
    timeline, hours = case.timeline, hours_of(case, s.block)
    month, _ = timeline.part_at(s.period, s.place)
    flows: dict[str, Array] = {}
    supply = np.zeros(len(hours))
    for name, columns in block.columns.items():
        whole = len(columns.index) == 1 and columns.hours[0] == 0  # of the block; sun may shine in one hour alone
        if whole or name.startswith(("shortage", "square_throughput")):
            continue
        series = np.zeros(len(hours))
        series[columns.hours] = primal[columns.index]
        flows[name] = np.where(np.abs(series) < 1e-9, 0.0, series)
        kind = name.split(":")[0]
        if kind in _SOURCES:
            supply += series
        elif kind in _SINKS:
            supply -= series
    shown: dict[str, Any] = {
        **({"scenario": path.name} if read.case.scenarios else {}),
        "period": timeline.first_day(month),
        "phase": timeline.phase(s.period),
        "hour_of_year": timeline.first_hour_of_year(month) + hours.hour_of_month,
        "minute": hours.minute,
        "weight_h": hours.weight,
    }
    if case.load_series_mw is not None:
        shown["facility_load_mw"] = load_scale(case, s.period) * case.load_series_mw[hours.step_of_year]
    if read.sizing.plant.racks:
        it, heat = _it_and_heat(read, s, hours, flows)
        shown |= {"it_mw": it, "heat_rejection_mw": heat, "losses_and_fans_mw": supply - it - heat}
    shown["site_load_mw"] = supply
    for name, series in flows.items():
        kind, _, item = name.partition(":")
        if kind in ("online", "started"):
            shown[f"{name}_units"] = (series / case.catalog[item].get("nameplate_power_mw")).round(6)
        else:
            shown[f"{name}_{'mwh' if kind == 'soc' else 'mw'}"] = series
    return pd.DataFrame(shown)


def _it_and_heat(read: Reading, s: State, hours: Hours, flows: dict[str, Array]) -> tuple[Array, Array]:
    """Draw of IT, and of heat rejection, by hour. [MW]"""
    link = dict(zip(read.solution.blocks[s.block].links, read.solution.links[s].tolist(), strict=True))
    at = hours.hour_of_year
    plant = read.sizing.plant.paths[s.path]
    shape = plant.case.load_shape[hours.step_of_year]
    it = link["it_mw"] * shape + read.network_mw(s.period)
    none = np.zeros(len(hours))
    moved = []
    for rack in read.sizing.plant.racks:
        more, less = (flows.get(f"compute_shift_{way}:{rack.item.id}", none) for way in ("up", "down"))
        moved.append((rack, more - less))
    it += sum((mw for _, mw in moved), none)
    heat = np.zeros(len(hours))
    for loop in cooling.LOOPS:
        options = [r for r in plant.rejections if r.loop == loop]
        if len(options) == 1:
            shifted = sum((read.sizing.plant.heat_per_it(rack, loop) * mw for rack, mw in moved), none)
            heat += options[0].power_fraction[at] * (shape * link[f"heat:{loop}"] + shifted)
        for r in options if len(options) > 1 else ():
            heat += r.power_fraction[at] * flows[f"heat_rejected:{loop}:{r.item.id}"]
    return it, heat


# -- money -------------------------------------------------------------------------------------------------


def _payments(read: Reading) -> Iterator[Payment]:
    for o in read.sizing.options:
        for k, order in enumerate(o.orders):
            units = read.new_units(o, k)
            if units > 1e-6:
                yield from (Payment(cash.on, cash.line, o.item.id, cash.usd * units) for cash in order.flows)
    for name, cash in (*fixed_flows(read.case), *read.sizing.committed_om):
        yield Payment(cash.on, cash.line, name, cash.usd)
    for store in read.sizing.plant.batteries if read.sizing.plant.events else ():
        for p in range(read.last + 1):
            mwh = value(read.model.first_charge[store.item.id, p])
            if mwh > 1e-6:
                usd = mwh * first_charge_usd_per_mwh(read.case, read.starts[p].year)
                yield Payment(read.starts[p], "first charge", store.item.id, usd)
    timeline = read.case.timeline
    for s in read.solution.states:
        months = timeline.months_at(s.period, s.place)
        likely = read.case.paths[s.path].probability
        for line, cost in read.solution.blocks[s.block].cost_lines.items():
            usd = likely * float(cost @ read.solution.values[s].primal)
            if abs(usd) >= 1e-6:
                yield from (Payment(timeline.middle(month), line, "operation", usd) for month in months)
    for shared in read.sizing.shared_costs:
        usd = value(shared.kusd) * USD_PER_KUSD
        if abs(usd) >= 1e-6:
            months = timeline.months_at(shared.period, shared.place)
            yield from (Payment(timeline.middle(month), shared.line, "operation", usd) for month in months)
