"""What a plan counts, in the words of the case instead of columns, so that another case can try the same.

Counts that belong to periods are told by variable and index. Orders are told by what has come by each period: where
lead times, gates or supply differ, another day of order brings the same in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.finance import discount_factor
from planner.ledger import present_value, unit_flows
from planner.sizing.model import Sizing
from planner.sizing.options import USD_PER_KUSD, Option
from planner.solve.master import Master
from planner.solve.solution import Solution

Array = NDArray[np.float64]
_BY_ORDER = ("bought", "lots")  # indexed by option and order; lots follow from what is bought


@dataclass(frozen=True)
class Design:
    """Whole counts of a plan, and what of each option has come by every period."""

    counts: Mapping[tuple[str, Any], float]
    come: Mapping[str, tuple[float, ...]]  # by option; without what is committed

    def held(self, sizing: Sizing, master: Master) -> tuple[NDArray[np.int32], Array]:
        """Columns of a sizing model that the design decides, and their values. What it does not know stays free."""
        options = {o.key: o for o in sizing.options}
        columns, values = [], []
        for j, var in enumerate(master.columns):
            name, index = var.parent_component().local_name, var.index()
            if name == "bought":
                value = self._ordered(options[index[0]], index[1])
            else:
                value = self.counts.get((name, index)) if master.integer[j] else None
            if value is not None:
                columns.append(j)
                values.append(value)
        return np.array(columns, dtype=np.int32), np.array(values)

    def _ordered(self, o: Option, k: int) -> float | None:
        """Units ordered by an order day so that no less has come in any period before the next ones come."""
        come = self.come.get(o.key)
        if come is None:
            return None
        later = [order.in_service for order in o.orders[k + 1 :] if order.in_service > o.orders[k].in_service]
        until = min(later, default=len(come)) - 1
        return come[min(until, len(come) - 1)]


def design_of(solution: Solution) -> Design:
    """The design of a plan that was found."""
    sizing, master, point = solution.sizing, solution.master, solution.point
    counts = {
        (name, var.index()): float(round(number))
        for var, whole, number in zip(master.columns, master.integer, point.tolist(), strict=True)
        if whole and (name := var.parent_component().local_name) not in _BY_ORDER
    }
    come = {o.key: tuple(_come(solution, o, p) for p in sizing.periods) for o in sizing.options}
    return Design(counts, come)


def _come(solution: Solution, o: Option, p: int) -> float:
    """Units ordered that are in service by a period."""
    k = o.order_index(p)
    number = solution.master.value(solution.sizing.model.bought[o.key, k], solution.point) if k >= 0 else 0.0
    return number if o.item.divisible else float(round(number))


def ordered_units(solution: Solution, item: str) -> float:
    """Units of an item that a plan orders, in all its places."""
    orders = [o for o in solution.sizing.options if o.item.id == item and not o.reuses]
    last = solution.sizing.periods[-1]
    return sum(_come(solution, o, last) for o in orders)


def spent_kusd(solution: Solution, item: str) -> float:
    """Present value of what a plan pays in proportion to an item's price or rent, with residual value and O&M."""
    sizing, case = solution.sizing, solution.sizing.case
    product = case.catalog[item]
    if product.tenure == "rented":
        rate, base = case.input.finance.discount_rate, case.timeline.start
        due = [h for h in sizing.hires if h.item == item and h.line == "rent"]
        return sum(discount_factor(rate, h.on, base) * h.usd * _number(solution, h.units) for h in due) / USD_PER_KUSD
    price = product.price_usd
    if price is None:
        return 0.0
    nothing = price.model_copy(update={"value": 0.0, "low": None, "typical": None, "high": None})
    free = product.model_copy(update={"price_usd": nothing})
    total = 0.0
    for o in (o for o in sizing.options if o.item.id == item):
        before = 0.0
        for k, order in enumerate(o.orders):
            units = solution.master.value(sizing.model.bought[o.key, k], solution.point)
            unpriced = present_value(case, unit_flows(case, free, order.dates)) / USD_PER_KUSD
            total += (units - before) * (order.cost_kusd - unpriced)
            before = units
    return total


def _number(solution: Solution, expression: Any) -> float:
    gradient, constant = solution.master.gradient(expression)
    return float(gradient @ solution.point) + constant
