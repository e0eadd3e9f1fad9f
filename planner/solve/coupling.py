"""What ties the states to the columns of the sizing model: linking vectors, costs, charge between states, and cuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.operation.evaluate import Value
from planner.sizing.model import Sizing
from planner.sizing.options import USD_PER_KUSD
from planner.solve.master import Master
from planner.solve.pool import BlockPool
from planner.solve.risk import risk_weights, settle_risk
from planner.solve.states import State, cost_variable, link_variables

Array = NDArray[np.float64]
_CUTS_PER_STATE = 2  # violated pool cuts added at a time for one month


class Coupling:
    """The states' columns in the sizing model, and the cuts that have been added to it."""

    def __init__(
        self,
        sizing: Sizing,
        master: Master,
        pool: Mapping[str, BlockPool],
        fill: dict[str, float],
    ) -> None:
        """pool: by block key. fill: by edge, the share of its limit that charge is settled at; kept up to date."""
        self._sizing, self._master, self._pool, self._fill = sizing, master, pool, fill
        self._present: set[tuple[State, bytes]] = set()
        self._states: tuple[State, ...] = ()
        self._link_variables: dict[State, list[Any]] = {}
        self._link_columns: dict[State, list[int | None]] = {}
        self._cost_columns: dict[State, int | None] = {}
        self._edges: dict[str, list[tuple[int, float, list[int], int | None]]] = {}
        for soc, edge, mwh, limits, held in sizing.edges:
            column, of = master.index(soc), [j for limit in limits if (j := master.index(limit)) is not None]
            if column is not None and len(of) == len(limits):
                self._edges.setdefault(edge, []).append((column, mwh, of, master.index(held)))
        self._allowances = _allowances(sizing, master)
        self.storage = _counts_of_storage(sizing, master)
        self.cuts = 0  # added so far
        self.settling = True  # whether with_settled_charge() moves the shares on
        self.gradient, constant = master.gradient(sizing.levels["cost"])
        self.constant = constant + sizing.constant_kusd
        self.weights: dict[State, float] = {}  # the most a state's cost may add to the whole, for one more of it

    def add(self, states: tuple[State, ...]) -> None:
        """States to operate: find their columns."""
        beyond = risk_weights(self._sizing)
        self._states += states
        for s in states:
            self._link_variables[s] = link_variables(self._sizing, s)
            self._link_columns[s] = [self._master.index(v) for v in self._link_variables[s]]
            j = self._cost_columns[s] = self._master.index(cost_variable(self._sizing, s))
            more = 0.0 if s.is_event else beyond.get((s.period, s.place, s.path), 0.0)
            self.weights[s] = more + (0.0 if j is None else float(self.gradient[j]))

    def links(self, point: Array) -> dict[State, Array]:
        """The linking vector of every state at a point."""
        return {
            s: np.array(
                [
                    point[j] if j is not None else float(v.value or 0.0)
                    for j, v in zip(self._link_columns[s], self._link_variables[s], strict=True)
                ]
            )
            for s in self._states
        }

    def with_settled_charge(self, point: Array) -> Array:
        """The point with states of charge between states at shares of their limits that are the same in every year.

        The sizing model sends edges to their limits on small differences in price; the middle of those and of the
        edges tried before settles them. Equal shares let what one year teaches serve the others.
        """
        result = point.copy()
        for edge, entries in self._edges.items():
            most = [mwh * point[of].min() for _, mwh, of, _ in entries]
            shares = [min(1.0, point[soc] / mwh) for (soc, *_), mwh in zip(entries, most, strict=True) if mwh > 0]
            if shares and self.settling:
                self._fill[edge] = 0.5 * (self._fill.get(edge, 0.5) + sum(shares) / len(shares))
            for (soc, _, _, held), mwh in zip(entries, most, strict=True):  # what is held for events stays
                floor = 0.0 if held is None else point[held]
                result[soc] = max(self._fill.get(edge, 0.5) * mwh, floor)
        return self.with_all_allowed(result)

    def with_all_allowed(self, point: Array) -> Array:
        """The point with what it leaves of limits that states divide handed out to them, as whole units may need it."""
        more: dict[int, float] = {}
        for columns, gradient, most in self._allowances:
            each = max(0.0, most - float(gradient @ point)) / len(columns)
            for j in columns:
                more[j] = min(more.get(j, each), each)
        for j, extra in more.items():
            point[j] += extra
        return point

    def with_costs(self, point: Array, costs: dict[State, float]) -> Array:
        """The point with every state's cost in its cost column. [costs: USD]"""
        result = point.copy()
        for s, usd in costs.items():
            column = self._cost_columns[s]
            if column is not None:
                result[column] = usd / USD_PER_KUSD
        settle_risk(self._sizing, self._master, result)
        return result

    def cost(self, point: Array, costs: dict[State, float]) -> float:
        """Present value of a point with operating costs in USD, without the constant. [kUSD]"""
        return float(self.gradient @ self.with_costs(point, costs))

    def separate(self, point: Array, links: dict[State, Array]) -> int:
        """Add the pool's most violated cuts at a point; returns how many."""
        added = 0
        for s in self._states:
            column = self._cost_columns[s]
            pool = self._pool[s.block]
            if len(pool.slopes) and column is not None:
                heights = pool.slopes @ links[s] / USD_PER_KUSD
                for i in np.argsort(heights)[::-1][:_CUTS_PER_STATE]:
                    if heights[i] > point[column] + 1e-6 * max(1.0, abs(heights[i])):
                        added += self._add(s, pool.slopes[i] / USD_PER_KUSD, column)
            for slope in pool.forbidden:
                if float(slope @ links[s]) > 1e-6:
                    added += self._add(s, slope, None)
        return added

    def learn(self, values: dict[State, Value], links: dict[State, Array]) -> int:
        """Put new slopes into the pool, and the cuts highest at the links into the sizing model."""
        for s, value in values.items():
            self._pool[s.block].learn(value)
        added = 0
        for s in self._states:
            column, pool = self._cost_columns[s], self._pool[s.block]
            if len(pool.slopes) and column is not None:
                best = int(np.argmax(pool.slopes @ links[s]))
                added += self._add(s, pool.slopes[best] / USD_PER_KUSD, column)
            for slope in pool.forbidden:
                if float(slope @ links[s]) > 1e-7:
                    added += self._add(s, slope, None)
        return added

    def _add(self, s: State, slope: Array, column: int | None) -> int:
        """cost >= slope . links, or slope . links <= 0 when no column is given."""
        key = (s, slope.tobytes())
        if key in self._present:
            return 0
        self._present.add(key)
        self.cuts += 1
        columns, values, constant = [], [], 0.0
        for j, var, g in zip(self._link_columns[s], self._link_variables[s], slope, strict=True):
            if j is None:
                constant += float(g) * float(var.value or 0.0)
            elif abs(g) > 1e-9:
                columns.append(j)
                values.append(-float(g))
        if column is not None:
            columns.append(column)
            values.append(1.0)
        if columns:
            self._master.add_row(constant, np.inf, np.array(columns), np.array(values))
        return 1


def _allowances(sizing: Sizing, master: Master) -> list[tuple[list[int], Array, float]]:
    """(allowances, gradient, upper bound) of every limit divided among states, where units are committed."""
    if not any(machine.committed for machine in sizing.plant.generators):
        return []
    found = []
    for row in (*sizing.model.caps.values(), *sizing.model.shared_allowance.values()):
        gradient, constant = master.gradient(row.body)
        columns = np.flatnonzero(gradient > 0).tolist()
        if columns and row.has_ub():
            found.append((columns, gradient, float(row.ub) - constant))
    return found


def _counts_of_storage(sizing: Sizing, master: Master) -> NDArray[np.bool_]:
    """Columns that count batteries and their transformers."""
    m, found = sizing.model, np.zeros(len(master.integer), bool)
    keys = {o.key for o in sizing.options if o.item.family == "battery" or "battery_transformer" in o.supplies}
    for variables in (m.bought, m.lots, m.sets, m.groups):
        columns = [master.index(variables[index]) for index in variables if index[0] in keys]
        found[[j for j in columns if j is not None]] = True
    return found
