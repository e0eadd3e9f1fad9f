"""The chosen plan run again by an operator who sees only hours ahead, and what its batteries earn then.

The first year of the operating period is run step by step (`operation.lookahead`) with what the plan has built: with
its batteries and, to tell their savings, without them. Beside it stands the same year with perfect foresight, which is
what the plan rests on. The state of charge at the edges of a month is the plan's, and so is the reserve for events.

    battery_savings = cost without batteries - cost with them        by perfect foresight, and by look-ahead

Both costs are those of the linear blocks, before whole units of generators are checked. A month that cannot be served
without batteries has no savings: there they are needed, whatever they earn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.algebra import Block
from planner.case.case import Case
from planner.errors import Fault, InputError
from planner.operation.blocks import Plant
from planner.operation.evaluate import BlockSolver
from planner.operation.lookahead import look_ahead
from planner.plan.plan import Plan
from planner.solve.solution import Solution
from planner.solve.states import State

Array = NDArray[np.float64]
_DEMAND = ("demand charge", "time-of-use demand charge", "coincident peak charge")
_WAYS = ("perfect", "look_ahead")
_PARTS = ("energy_usd", "demand_usd", "other_usd", "cost_usd", "without_batteries_usd", "battery_savings_usd")
_SHORT_MWH = 1e-3  # over a month: what the tolerances of thousands of programs may add up to


def refuse_look_ahead(case: Case) -> None:
    """Raise InputError where a look-ahead would leave something of the case out."""
    faults = []
    if case.tariff is not None and case.tariff.ratchet_fraction > 0:
        rule = "does not know the peaks of earlier months that a ratchet bills"
        faults.append(Fault("command line", 1, "--look-ahead", "", rule, "remove the ratchet, or the option"))
    if case.timeline.block != "month":
        rule = f"runs whole months, and horizon.block is {case.timeline.block}"
        faults.append(Fault("command line", 1, "--look-ahead", "", rule, "write block: month, or remove the option"))
    if faults:
        raise InputError(faults)


def with_look_ahead(plan: Plan, solution: Solution, hours: float, threads: int = 2) -> Plan:
    """The plan with its first operating year run under so many hours of look-ahead."""
    case, states = solution.sizing.case, _first_year(solution)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as workers:
        rows = list(workers.map(_Month(solution, hours).row, states))
    frame = pd.DataFrame(rows)
    if not case.scenarios:
        frame = frame.drop(columns="scenario")
    likely = np.array([case.paths[s.path].probability for s in states])
    return replace(
        plan,
        summary=plan.summary | {"look_ahead": _summary(frame, likely, hours)},
        details=plan.details | {"look_ahead": frame},
    )


def _first_year(solution: Solution) -> list[State]:
    timeline = solution.sizing.case.timeline
    last = timeline.last_period
    return [s for s in solution.states if s.period == last and timeline.year_at(last, s.place) == 0]


class _Month:
    """One state run in every way."""

    def __init__(self, solution: Solution, hours: float) -> None:
        self.solution, self.hours = solution, hours

    def row(self, s: State) -> dict[str, Any]:
        """A month's row of the table."""
        case, block, x = self.solution.sizing.case, self.solution.blocks[s.block], self.solution.links[s]
        month, _ = case.timeline.part_at(s.period, s.place)
        without = _without_batteries(self.solution.sizing.plant, block, x)
        best = BlockSolver(block).solve(x)
        ahead = look_ahead(block, x, self.hours, best.primal)
        costs = {"perfect": _parts(block, best.primal), "look_ahead": _parts(block, ahead.primal)}
        if np.array_equal(without, x):
            costs = {way: of | {"without_batteries_usd": of["cost_usd"]} for way, of in costs.items()}
        elif (alone := BlockSolver(block).solve(without)).feasible:
            run = look_ahead(block, without, self.hours, alone.primal)
            costs["perfect"]["without_batteries_usd"] = alone.cost_usd
            if run.unserved_mwh <= _SHORT_MWH:
                costs["look_ahead"]["without_batteries_usd"] = run.cost_usd
        row: dict[str, Any] = {"period": case.timeline.first_day(month), "scenario": case.paths[s.path].name}
        for way, of in costs.items():
            none = of.get("without_batteries_usd", np.nan)
            of |= {"without_batteries_usd": none, "battery_savings_usd": none - of["cost_usd"]}
            row |= {f"{way}_{part}": of[part] for part in _PARTS}
        return row | {
            "unserved_mwh": ahead.unserved_mwh if ahead.unserved_mwh > _SHORT_MWH else 0.0,
            "missed_mwh": ahead.missed if ahead.missed > _SHORT_MWH else 0.0,
        }


def _without_batteries(plant: Plant, block: Block, x: Array) -> Array:
    """A linking vector with every battery taken away; what else stands, its transformers with it, stays."""
    gone = {name for b in plant.batteries for name in (b.key, b.energy, b.soc_start, b.soc_end, b.reserve)}
    return np.where([name in gone for name in block.links], 0.0, x)


def _parts(block: Block, primal: Array) -> dict[str, float]:
    """Cost of a dispatch: energy bought, demand, all else (fuel, wear, receipts), and their sum."""
    lines = {line: float(cost @ primal) for line, cost in block.cost_lines.items()}
    demand = sum(usd for line, usd in lines.items() if line in _DEMAND)
    energy, total = lines.get("energy", 0.0), sum(lines.values())
    return {"energy_usd": energy, "demand_usd": demand, "other_usd": total - energy - demand, "cost_usd": total}


def _summary(frame: pd.DataFrame, likely: Array, hours: float) -> dict[str, Any]:
    """Totals of the year, expected over scenarios. Savings are those of the months that both ways have some in."""
    both = frame[[f"{way}_battery_savings_usd" for way in _WAYS]].notna().all(axis=1).to_numpy()
    total: Callable[[str], float] = lambda name: float((likely * frame[name].to_numpy(float)).sum())  # noqa: E731
    ways: dict[str, Any] = {}
    for way in _WAYS:
        ways[way] = {part: total(f"{way}_{part}") for part in ("energy_usd", "demand_usd", "other_usd", "cost_usd")}
        savings = frame[f"{way}_battery_savings_usd"].to_numpy(float)
        ways[way]["battery_savings_usd"] = float((likely * savings)[both].sum())
    most = ways["perfect"]["battery_savings_usd"]
    kept = ways["look_ahead"]["battery_savings_usd"] / most if most > 1.0 else None
    return {
        "hours": hours,
        "forecast": "load, sun and ratings as a day before (longer windows: as many days), prices known",
        "year_from": str(frame["period"].iloc[0]),
        **ways,
        "battery_savings_kept_fraction": kept,
        "months_batteries_are_needed": int((~both).sum()),
        "unserved_mwh": total("unserved_mwh"),
        "missed_mwh": total("missed_mwh"),
    }
