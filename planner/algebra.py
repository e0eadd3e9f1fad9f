"""A linear program over consecutive hours, linear through the origin in its linking vector.

    V(x) = min  cost . y      subject to   lower <= A y + B x <= upper,   0 <= y <= ceiling

Every right-hand side is zero and every ceiling is zero or infinite, so V(k x) = k V(x) and one dual solution
gives a cut V(x) >= g . x that holds for every x. Anything absolute (an existing plant, a tariff tier) enters
through the linking component `one`, fixed at 1.

Forbidden violation has columns of its own (`shortage_*`), closed in V and open in F(x), the least violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Coefficients below this carry no information about a plant and only disturb the solver.
TINY = 1e-6


@dataclass(frozen=True)
class Columns:
    """A group of columns: their indices, and the hours of the block they belong to."""

    name: str
    index: Index
    hours: Index


@dataclass(frozen=True)
class Block:
    """One operating block, ready for a solver."""

    name: str
    links: tuple[str, ...]
    columns: dict[str, Columns]
    column_names: tuple[str, ...]
    cost_lines: dict[str, Array]  # ledger line -> USD per unit of each column
    shortage: Index  # columns of forbidden violation
    matrix: sp.csr_matrix  # rows x (columns + links)
    row_lower: Array
    row_upper: Array
    row_names: tuple[str, ...]
    hours: int
    weight: float  # real hours one modelled hour stands for

    @property
    def cost(self) -> Array:
        """USD per unit of every column."""
        return np.sum(list(self.cost_lines.values()), axis=0) if self.cost_lines else np.zeros(self.size)

    @property
    def size(self) -> int:
        """Columns without the links."""
        return len(self.column_names)


class BlockBuilder:
    """Collects columns and rows; families add terms to the shared power balance, which `build` closes once."""

    def __init__(self, name: str, hours: int, weight: float, links: Sequence[str]) -> None:
        self.name, self.hours, self.weight = name, hours, weight
        self.links = tuple(links)
        self._link_index = {link: i for i, link in enumerate(self.links)}
        self._columns: dict[str, Columns] = {}
        self._names: list[str] = []
        self._costs: list[tuple[str, Index, Array]] = []
        self._shortage: list[Index] = []
        self._rows: list[Index] = []
        self._cols: list[Index] = []
        self._values: list[Array] = []
        self._link_rows: list[Index] = []
        self._link_cols: list[Index] = []
        self._link_values: list[Array] = []
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._row_names: list[str] = []
        self._balance: list[tuple[Array, Columns]] = []
        self._balance_links: list[tuple[Array, str]] = []

    @property
    def every_hour(self) -> Index:
        """Indices of all hours."""
        return np.arange(self.hours)

    def add(self, name: str, *, hours: Index | None = None, shortage: bool = False) -> Columns:
        """New columns, one for each hour given (all by default), non-negative."""
        hours = self.every_hour if hours is None else hours
        start = len(self._names)
        columns = Columns(name, np.arange(start, start + len(hours)), hours)
        self._names += [f"{name}[{t}]" for t in hours] if len(hours) != 1 else [name]
        self._columns[name] = columns
        if shortage:
            self._shortage.append(columns.index)
        return columns

    def add_single(self, name: str) -> Columns:
        """One new column for the whole block."""
        return self.add(name, hours=np.array([0]))

    def columns(self, name: str) -> Columns:
        """Columns added before, by name."""
        return self._columns[name]

    def price(self, line: str, columns: Columns, usd_per_unit: Array | float) -> None:
        """Cost of columns under a ledger line. Energy prices must be multiplied by the block's weight."""
        self._costs.append((line, columns.index, np.broadcast_to(np.asarray(usd_per_unit, float), columns.index.shape)))

    def supply(self, columns: Columns, factor: Array | float = 1.0) -> None:
        """Columns that put MW into the power balance of their hours."""
        self._balance.append((np.broadcast_to(np.asarray(factor, float), columns.index.shape), columns))

    def draw(self, columns: Columns, factor: Array | float = 1.0) -> None:
        """Columns that take MW out of the power balance."""
        self.supply(columns, -np.asarray(factor, float))

    def draw_everywhere(self, single: Columns, mw_per_unit: Array) -> None:
        """One column of the whole block that draws MW in every hour; shape (hours,)."""
        spread = Columns(single.name, np.repeat(single.index, self.hours), self.every_hour)
        self._balance.append((-np.broadcast_to(mw_per_unit, (self.hours,)), spread))

    def draw_link(self, link: str, mw_per_unit: Array | float) -> None:
        """MW drawn in every hour per unit of a linking component; shape (hours,)."""
        self._balance_links.append((np.broadcast_to(np.asarray(mw_per_unit, float), (self.hours,)), link))

    def rows(
        self,
        name: str,
        terms: Sequence[tuple[Array | float, Index]],
        links: Sequence[tuple[Array | float, str]] = (),
        *,
        equal: bool = False,
    ) -> None:
        """Rows  sum(terms) + sum(links) <= 0  (or = 0), one for each entry of the index arrays."""
        count = max([len(index) for _, index in terms], default=1)
        start = len(self._row_names)
        here = np.arange(start, start + count)
        for factor, index in terms:
            values = np.broadcast_to(np.asarray(factor, float), index.shape)
            self._put(np.broadcast_to(here, index.shape) if len(index) == count else here, index, values)
        for factor, link in links:
            values = np.broadcast_to(np.asarray(factor, float), (count,))
            self._put_link(here, link, values)
        self._row_names += [f"{name}[{t}]" for t in range(count)] if count > 1 else [name]
        self._lower.append(np.full(count, 0.0 if equal else -np.inf))
        self._upper.append(np.zeros(count))

    def total(
        self,
        name: str,
        terms: Sequence[tuple[Array | float, Index]],
        links: Sequence[tuple[float, str]] = (),
        *,
        equal: bool = False,
    ) -> None:
        """One row over all entries:  sum of every term + sum(links) <= 0  (or = 0)."""
        row = len(self._row_names)
        for factor, index in terms:
            values = np.broadcast_to(np.asarray(factor, float), index.shape)
            self._put(np.full(len(index), row), index, values)
        for value, link in links:
            self._put_link(np.array([row]), link, np.array([float(value)]))
        self._row_names.append(name)
        self._lower.append(np.array([0.0 if equal else -np.inf]))
        self._upper.append(np.zeros(1))

    def build(self) -> Block:
        """Close the power balance and return the block."""
        short = self.add("shortage_power", shortage=True)
        excess = self.add("shortage_excess_power", shortage=True)
        self.supply(short)
        self.draw(excess)
        start = len(self._row_names)
        for factor, columns in self._balance:
            self._put(start + columns.hours, columns.index, factor)
        for factor, link in self._balance_links:
            self._put_link(start + self.every_hour, link, -factor)
        self._row_names += [f"power_balance[{t}]" for t in range(self.hours)]
        self._lower.append(np.zeros(self.hours))
        self._upper.append(np.zeros(self.hours))
        n, k, m = len(self._names), len(self.links), len(self._row_names)
        rows = np.concatenate([*self._rows, *self._link_rows])
        cols = np.concatenate([*self._cols, *[c + n for c in self._link_cols]])
        values = np.concatenate([*self._values, *self._link_values])
        keep = np.abs(values) > TINY
        matrix = sp.csr_matrix((values[keep], (rows[keep], cols[keep])), shape=(m, n + k))
        lines: dict[str, Array] = {}
        for line, index, cost in self._costs:
            np.add.at(lines.setdefault(line, np.zeros(n)), index, cost)
        return Block(
            name=self.name,
            links=self.links,
            columns=self._columns,
            column_names=tuple(self._names),
            cost_lines=lines,
            shortage=np.concatenate(self._shortage),
            matrix=matrix,
            row_lower=np.concatenate(self._lower),
            row_upper=np.concatenate(self._upper),
            row_names=tuple(self._row_names),
            hours=self.hours,
            weight=self.weight,
        )

    def _put(self, rows: Index, cols: Index, values: Array) -> None:
        self._rows.append(np.broadcast_to(rows, values.shape))
        self._cols.append(np.broadcast_to(cols, values.shape))
        self._values.append(values)

    def _put_link(self, rows: Index, link: str, values: Array) -> None:
        self._link_rows.append(rows)
        self._link_cols.append(np.full(len(rows), self._link_index[link]))
        self._link_values.append(values)
