"""What is rented: how much of it is held, returned and billed.

Symbols, per rented option o and period p, month t (T minimum term in months, rho rent of a unit and month):
    returned[o,p]         units returned by the start of a period, cumulative          integer (or divisible)
    billed[o,t]           units whose rent is due in a month

    returned_in_order     returns never fall; at the start of the horizon there are none
    returned_stood        what is returned was there:   mobilised(p) - returned(p) >= 0     units in service
    rent_held             billed(t) >= mobilised(p) - returned(p)                           p: the period of the month
    rent_term             billed(t) >= mobilised(t) - mobilised(t - T)                      the minimum term
Units are alike, and the first to come are the first to go: with m_i and r_i the months a unit comes and goes it is
billed to max(r_i, m_i + T), which is as many units by t as have both gone and served their term, min(returned(t),
mobilised(t - T)): the two rows say the same. So a unit may leave before its term ends, and its rent goes on.
Months without an arrival in the T before them need no column: what is held is what is billed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyomo.environ as pyo

from planner.case.case import Case
from planner.ledger import demobilisation_usd, rent_usd_per_month
from planner.sizing.options import Option
from planner.timeline import MONTHS_PER_YEAR

Units = Callable[[Option, int], Any]  # of an option, in service in a period


@dataclass(frozen=True)
class Hire:
    """A payment of so much for each of some units."""

    on: date
    line: str
    item: str
    usd: float
    units: Any  # expression of the sizing model


@dataclass(frozen=True)
class Billed:
    """A column of units billed, and what it is the highest of."""

    column: Any
    least: tuple[Any, ...]


def rented(options: Iterable[Option]) -> list[Option]:
    """The options that are rented."""
    return [o for o in options if o.item.tenure == "rented"]


def term_months(o: Option) -> int:
    """Months for which rent is due at least."""
    return math.ceil(o.item.get("minimum_term_months"))


def add_returns(m: pyo.ConcreteModel, options: Iterable[Option], periods: range, mobilised: Units) -> None:
    """Columns and rows of what goes back. mobilised: units that have come by a period."""
    held = rented(options)
    m.returned = pyo.Var([(o.key, p) for o in held for p in periods], within=pyo.NonNegativeReals)
    m.returned_in_order, m.returned_stood = pyo.ConstraintList(), pyo.ConstraintList()
    for o in held:
        m.returned[o.key, 0].fix(0)
        for p in periods[1:]:
            if not o.item.divisible:
                m.returned[o.key, p].domain = pyo.NonNegativeIntegers
            if o.order_index(p) < 0 and not o.committed[p]:
                m.returned[o.key, p].fix(0)
                continue
            m.returned_in_order.add(m.returned[o.key, p] >= m.returned[o.key, p - 1])
            m.returned_stood.add(mobilised(o, p) - m.returned[o.key, p] >= 0)


def rents(
    m: pyo.ConcreteModel, case: Case, options: Iterable[Option], mobilised: Units, units: Units
) -> tuple[list[Hire], list[Billed]]:
    """Rent of every month and what returns cost, with the columns and rows they need."""
    timeline = case.timeline
    hires: list[Hire] = []
    billed: list[Billed] = []
    m.billed = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
    m.rent_held, m.rent_term = pyo.ConstraintList(), pyo.ConstraintList()
    for o in rented(options):
        rent, demobilisation = rent_usd_per_month(o.item), demobilisation_usd(o.item)
        arrivals = _arrivals(m, case, o)
        before: Any = 0.0
        for p in range(timeline.last_period + 1):
            held = units(o, p)
            if isinstance(held, float | int) and held == 0:
                continue
            for t in timeline.months_of(p):
                recent = [come for month, come in arrivals if t - term_months(o) < month <= t]
                due: Any = held
                if recent:
                    due = m.billed[o.key, t]
                    billed.append(Billed(due, (held, sum(recent))))
                    m.rent_held.add(due >= held)
                    m.rent_term.add(due >= sum(recent))
                hires.append(Hire(timeline.middle(t), "rent", o.item.id, rent, due))
            gone = m.returned[o.key, p]
            hires.append(Hire(timeline.starts[p], "demobilisation", o.item.id, demobilisation, gone - before))
            before = gone
        last = units(o, timeline.last_period)
        hires.append(Hire(timeline.end, "demobilisation", o.item.id, demobilisation, last))
    return [hire for hire in hires if hire.usd], billed


def _arrivals(m: pyo.ConcreteModel, case: Case, o: Option) -> list[tuple[int, Any]]:
    """(month, units) of everything that comes; what came before the start has served part of its term."""
    timeline = case.timeline
    found: list[tuple[int, Any]] = []
    for ready, units in o.owned:
        p = timeline.first_period(ready)
        if p <= timeline.last_period:
            ago = (ready.year - timeline.start.year) * MONTHS_PER_YEAR + ready.month - timeline.start.month
            begun = ago if ready.day == 1 else ago + 1
            found.append((timeline.months_of(p)[0] if ready > timeline.start else begun, units))
    for k, order in enumerate(o.orders):
        new = m.bought[o.key, k] - (m.bought[o.key, k - 1] if k else 0.0)
        found.append((timeline.months_of(order.in_service)[0], new))
    return found
