"""Risk at a plan: the value at risk and the excesses that its true operating costs give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.ledger import operating_weights
from planner.sizing.model import Sizing
from planner.solve.master import Master

Array = NDArray[np.float64]


def path_costs_kusd(sizing: Sizing, master: Master, point: Array) -> Array:
    """Present value of operation over the horizon on every path of a case with scenarios. [kUSD]"""
    weights, cost = operating_weights(sizing.case), sizing.model.path_cost
    found = np.array(
        [
            sum(weight * master.value(cost[p, k, w], point) for (p, k), weight in weights.items())
            for w in range(len(sizing.case.scenarios))
        ]
    )
    for s in sizing.shared_costs:
        found[s.path] += weights[s.period, s.place] * s.kusd_per_mw * master.value(s.peak, point)
    return found


def value_at_risk(costs: Array, probabilities: Array, alpha: float) -> float:
    """Least cost that is not exceeded with probability alpha.

    >>> value_at_risk(np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3]), 0.5)
    1.0
    """
    order = np.argsort(costs, kind="stable")
    reached = np.cumsum(probabilities[order]) >= alpha - 1e-12
    return float(costs[order][int(np.argmax(reached))])


def settle_risk(sizing: Sizing, master: Master, point: Array) -> None:
    """Put value at risk and excesses of a point's path costs into it."""
    given, paths = sizing.case.input.risk, sizing.case.scenarios
    if given is None:
        return
    costs = path_costs_kusd(sizing, master, point)
    if not np.isfinite(costs).all():  # of some path nothing is known yet
        return
    var = value_at_risk(costs, np.array([path.probability for path in paths]), given.cvar_alpha)
    columns = [sizing.model.value_at_risk, *(sizing.model.excess[w] for w in range(len(paths)))]
    for variable, number in zip(columns, [var, *np.maximum(costs - var, 0.0)], strict=True):
        column = master.index(variable)
        if column is not None:
            point[column] = number


def risk_weights(sizing: Sizing) -> dict[tuple[int, int, int], float]:
    """By period, place and path, the most that CVaR adds to the objective for one more of the cost there.

    The dearest paths count with at most probability / (1 - alpha) of their cost, and never more than all of it.
    """
    given = sizing.case.input.risk
    if given is None:
        return {}
    return {
        (p, k, w): given.weight * weight * min(1.0, path.probability / (1.0 - given.cvar_alpha))
        for (p, k), weight in operating_weights(sizing.case).items()
        for w, path in enumerate(sizing.case.scenarios)
    }
