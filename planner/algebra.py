"""A linear program over consecutive steps of time, linear through the origin in its linking vector.

    V(x) = min  cost . y      subject to   lower <= A y + B x <= upper,   0 <= y <= ceiling

Every right-hand side is zero and every ceiling is zero or infinite, so V(k x) = k V(x) and one dual solution
gives a cut V(x) >= g . x that holds for every x. Anything absolute (an existing plant, a tariff tier) enters
through the linking component `one`, fixed at 1.

A step is an hour, or a part of one: "hour" and `hours` stand for it in what follows, flows are in MW, and energy is
MW x `step_h` (or x `weight`, where bills count the days a sample stands for).

Forbidden violation has columns of its own (`shortage_*`), closed in V and open in F(x), the least violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
    start: str | None = None  # of a stored quantity: the linking component it begins from
    unit: float | None = None  # a whole multiple of it in a real dispatch; any amount in the linear block


@dataclass(frozen=True)
class Price:
    """What columns cost under a ledger line, in the base year, and what that grows by."""

    line: str
    usd: Array  # per unit of each column
    growth_per_year: float


@dataclass(frozen=True)
class Block:
    """One operating block, ready for a solver.

    Years whose prices alone differ have the same rows and columns: `in_year` makes one block from another.
    """

    name: str
    links: tuple[str, ...]
    columns: dict[str, Columns]
    prices: tuple[Price, ...]
    shortage: Index  # columns of forbidden violation
    matrix: sp.csr_matrix  # rows x (columns + links)
    row_lower: Array
    row_upper: Array
    row_group: Index  # of each row: its constraint, as a number in `constraints`
    constraints: tuple[str, ...]
    hours: int  # steps of the block; each is an hour where step_h is 1
    weight: float  # real hours one modelled step stands for
    step_h: float = 1.0  # length of a step
    years: int = 0  # since the base year

    def in_year(self, name: str, years: int) -> Block:
        """The block under another name, so many years after the base year."""
        return replace(self, name=name, years=years)

    @cached_property
    def cost_lines(self) -> dict[str, Array]:
        """USD per unit of every column, by ledger line."""
        lines: dict[str, Array] = {}
        for price in self.prices:
            usd = (1.0 + price.growth_per_year) ** self.years * price.usd
            lines[price.line] = lines[price.line] + usd if price.line in lines else usd
        return lines

    @cached_property
    def cost_by_growth(self) -> dict[float, Array]:
        """USD of the base year per unit of every column, by the rate its price grows at, in order."""
        parts = {growth: np.zeros(self.size) for growth in sorted({p.growth_per_year for p in self.prices} or {0.0})}
        for price in self.prices:
            parts[price.growth_per_year] = parts[price.growth_per_year] + price.usd
        return parts

    @property
    def growths(self) -> tuple[float, ...]:
        """Rates that prices grow at, in order."""
        return tuple(self.cost_by_growth)

    @cached_property
    def cost(self) -> Array:
        """USD per unit of every column."""
        return np.sum(list(self.cost_lines.values()), axis=0) if self.cost_lines else np.zeros(self.size)

    @property
    def size(self) -> int:
        """Columns without the links."""
        return int(self.matrix.shape[1]) - len(self.links)

    @property
    def column_names(self) -> list[str]:
        """A name for every column: its group and hour."""
        names = [""] * self.size
        for group in self.columns.values():
            for i, t in zip(group.index.tolist(), group.hours.tolist(), strict=True):
                names[i] = f"{group.name}[{t}]" if len(group.index) > 1 else group.name
        return names

    @property
    def row_names(self) -> list[str]:
        """A name for every row: its constraint, and its place where there are several."""
        place, names = [0] * len(self.constraints), []
        several = np.bincount(self.row_group, minlength=len(self.constraints)) > 1
        for g in self.row_group.tolist():
            names.append(f"{self.constraints[g]}[{place[g]}]" if several[g] else self.constraints[g])
            place[g] += 1
        return names


@dataclass(frozen=True)
class Shared:
    """What the blocks of one month have in common, where a month is several blocks: a linking component of each.

    A peak is one number for all of them, paid once. An allowance is divided: its parts add up to no more than the
    month's. A block that needs more than its peak or part buys the excess at the same price, and so together they
    pay at least what one block of the whole month would, and no more once peak and parts are right.
    """

    name: str  # linking component, and the constraint that holds a block to it
    of: tuple[tuple[float, str], ...]  # factor x link: each is a least of a peak; their sum the whole of an allowance
    peak_usd: float = 0.0  # price of a peak; an allowance has none
    line: str = ""  # ledger line of a peak
    growth_per_year: float = 0.0  # of its price
    excess: str = ""  # column of a block that covers what it needs above; none where nothing may


class BlockBuilder:
    """Collects columns and rows; families add terms to the shared power balance, which `build` closes once."""

    def __init__(self, name: str, hours: int, weight: float, links: Sequence[str], step_h: float = 1.0) -> None:
        self.name, self.hours, self.weight, self.step_h = name, hours, weight, step_h
        self.links = tuple(links)
        self._link_index = {link: i for i, link in enumerate(self.links)}
        self._columns: dict[str, Columns] = {}
        self._size = self._height = 0
        self._costs: list[tuple[tuple[str, float], Index, Array]] = []
        self._shortage: list[Index] = []
        self._rows: list[Index] = []
        self._cols: list[Index] = []
        self._values: list[Array] = []
        self._link_rows: list[Index] = []
        self._link_cols: list[Index] = []
        self._link_values: list[Array] = []
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._row_groups: list[Index] = []
        self._groups: dict[str, int] = {}
        self._balance: list[tuple[Array, Columns]] = []
        self._balance_links: list[tuple[Array, str]] = []

    def shares(self, name: str) -> bool:
        """Whether a quantity of the month is shared with other blocks, and so a link of this one."""
        return name in self._link_index

    @property
    def every_hour(self) -> Index:
        """Indices of all hours."""
        return np.arange(self.hours)

    def add(
        self,
        name: str,
        *,
        hours: Index | None = None,
        shortage: bool = False,
        start: str | None = None,
        unit: float | None = None,
    ) -> Columns:
        """New columns, one for each hour given (all by default), non-negative.

        start: link a stored quantity has. unit: of what comes in whole multiples of it.
        """
        hours = self.every_hour if hours is None else hours
        first = self._size
        columns = Columns(name, np.arange(first, first + len(hours)), hours, start, unit)
        self._size += len(hours)
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

    def price(self, line: str, columns: Columns, usd_per_unit: Array | float, growth_per_year: float = 0.0) -> None:
        """Cost of columns under a ledger line. Energy prices must be multiplied by the block's weight."""
        usd = _spread(usd_per_unit, len(columns.index))
        self._costs.append(((line, growth_per_year), columns.index, usd))

    def supply(self, columns: Columns, factor: Array | float = 1.0) -> None:
        """Columns that put MW into the power balance of their hours."""
        self._balance.append((_spread(factor, len(columns.index)), columns))

    def draw(self, columns: Columns, factor: Array | float = 1.0) -> None:
        """Columns that take MW out of the power balance."""
        self.supply(columns, -np.asarray(factor, float))

    def draw_everywhere(self, single: Columns, mw_per_unit: Array) -> None:
        """One column of the whole block that draws MW in every hour; shape (hours,)."""
        spread = Columns(single.name, np.repeat(single.index, self.hours), self.every_hour)
        self._balance.append((-_spread(mw_per_unit, self.hours), spread))

    def draw_link(self, link: str, mw_per_unit: Array | float) -> None:
        """MW drawn in every hour per unit of a linking component; shape (hours,)."""
        self._balance_links.append((_spread(mw_per_unit, self.hours), link))

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
        start = self._height
        here = np.arange(start, start + count)
        for factor, index in terms:
            self._put(here, index, _spread(factor, len(index)))
        for factor, link in links:
            self._put_link(here, link, _spread(factor, count))
        self._group(name, count)
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
        row = self._height
        for factor, index in terms:
            self._put(np.full(len(index), row), index, _spread(factor, len(index)))
        for value, link in links:
            self._put_link(np.array([row]), link, np.array([float(value)]))
        self._group(name, 1)
        self._lower.append(np.array([0.0 if equal else -np.inf]))
        self._upper.append(np.zeros(1))

    def build(self) -> Block:
        """Close the power balance and return the block."""
        short = self.add("shortage_power", shortage=True)
        excess = self.add("shortage_excess_power", shortage=True)
        self.supply(short)
        self.draw(excess)
        start = self._height
        for factor, columns in self._balance:
            self._put(start + columns.hours, columns.index, factor)
        for factor, link in self._balance_links:
            self._put_link(start + self.every_hour, link, -factor)
        self._group("power_balance", self.hours)
        self._lower.append(np.zeros(self.hours))
        self._upper.append(np.zeros(self.hours))
        n, k, m = self._size, len(self.links), self._height
        rows = np.concatenate([*self._rows, *self._link_rows])
        cols = np.concatenate([*self._cols, *[c + n for c in self._link_cols]])
        values = np.concatenate([*self._values, *self._link_values])
        keep = np.abs(values) > TINY
        matrix = sp.csr_matrix((values[keep], (rows[keep], cols[keep])), shape=(m, n + k))
        priced: dict[tuple[str, float], Array] = {}
        for what, index, cost in self._costs:
            np.add.at(priced.setdefault(what, np.zeros(n)), index, cost)
        return Block(
            name=self.name,
            links=self.links,
            columns=self._columns,
            prices=tuple(Price(line, usd, growth) for (line, growth), usd in priced.items()),
            shortage=np.concatenate(self._shortage),
            matrix=matrix,
            row_lower=np.concatenate(self._lower),
            row_upper=np.concatenate(self._upper),
            row_group=np.concatenate(self._row_groups),
            constraints=tuple(self._groups),
            hours=self.hours,
            weight=self.weight,
            step_h=self.step_h,
        )

    def _group(self, name: str, count: int) -> None:
        self._height += count
        self._row_groups.append(np.full(count, self._groups.setdefault(name, len(self._groups))))

    def _put(self, rows: Index, cols: Index, values: Array) -> None:
        self._rows.append(rows)
        self._cols.append(np.broadcast_to(cols, values.shape))
        self._values.append(values)

    def _put_link(self, rows: Index, link: str, values: Array) -> None:
        self._link_rows.append(rows)
        self._link_cols.append(np.full(len(rows), self._link_index[link]))
        self._link_values.append(values)


def _spread(factor: Array | float, count: int) -> Array:
    """One coefficient for each of so many entries."""
    if isinstance(factor, np.ndarray) and factor.shape == (count,):
        return factor
    return np.full(count, factor, float)
