"""A block on steps of several hours: a small model whose prices, repaired, give cuts of the hourly block.

Columns are held constant within a step, stored quantities run straight from the end of one step to the end of
the next, batteries of all types move as one, rows are averaged:  A' = R A P.  The result bounds nothing by itself;
it is asked for prices alone. Several battery types nearly alike make a block slow, and its prices hardly differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from planner.algebra import Block, Columns, Price

Array = NDArray[np.float64]
Index = NDArray[np.int64]


_BATTERY_COLUMNS = ("charge", "discharge", "soc")
_BATTERY_ROWS = ("battery_energy_balance", "battery_edge", "battery_power", "battery_energy")


@dataclass(frozen=True)
class Coarse:
    """The small block, and the average that made its rows."""

    block: Block
    average: sp.csr_matrix  # coarse rows x rows

    def prices(self, duals: Array) -> Array:
        """Row duals of the hourly block from those of the small one."""
        result: Array = self.average.T @ duals
        return result


def coarsen(block: Block, factor: int, forbidden_usd_per_mwh: float) -> Coarse:
    """The block on steps so many times as long, where what is forbidden is bought at a price: it can always be run."""
    step_of = np.arange(block.hours) // factor
    columns, spread = _columns(block, step_of)
    average, first = _rows(block, step_of)
    n, size = block.size, spread.shape[1] - len(block.links)
    usd = np.zeros(n)
    usd[block.shortage] = forbidden_usd_per_mwh * block.weight
    cost = sp.csr_matrix(spread[:n, :size].T)
    return Coarse(
        replace(
            block,
            columns=columns,
            prices=tuple(replace(p, usd=cost @ p.usd) for p in (*block.prices, Price("forbidden", usd, 0.0))),
            shortage=np.array([], dtype=np.int64),
            matrix=sp.csr_matrix(average @ block.matrix @ spread),
            row_lower=block.row_lower[first],
            row_upper=block.row_upper[first],
            row_group=block.row_group[first],
            hours=int(step_of[-1]) + 1,
            step_h=block.step_h * factor,
        ),
        average,
    )


def _columns(block: Block, step_of: Index) -> tuple[dict[str, Columns], sp.csr_matrix]:
    """Coarse columns, and the matrix P that spreads them and the links over the block's own."""
    n, k = block.size, len(block.links)
    likes: dict[str, list[Columns]] = {}
    for name, own in block.columns.items():
        likes.setdefault(_like(name, _BATTERY_COLUMNS), []).append(own)
    columns: dict[str, Columns] = {}
    entries: list[tuple[Index, Index, Array]] = []
    from_links: list[tuple[Index, str, Array]] = []
    size = 0
    for name, group in likes.items():
        single = len(group[0].index) == 1
        steps, place = np.unique(step_of[group[0].hours], return_inverse=True)
        columns[name] = Columns(name, np.arange(size, size + len(steps)), group[0].hours if single else steps)
        counts = np.bincount(place)
        done = (np.arange(len(place)) - np.concatenate([[0], np.cumsum(counts)])[place] + 1) / counts[place]
        later = place > 0
        for own in group:
            share = np.full(len(place), 1.0 / len(group))
            if own.start is not None:
                entries.append((own.index[later], size + place[later] - 1, share[later] * (1.0 - done[later])))
                from_links.append((own.index[~later], own.start, 1.0 - done[~later]))
                share = share * done
            entries.append((own.index, size + place, share))
        size += len(steps)
    for index, link, share in from_links:
        entries.append((index, np.full(len(index), size + block.links.index(link)), share))
    entries.append((np.arange(n, n + k), np.arange(size, size + k), np.ones(k)))
    rows, cols, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    return columns, sp.csr_matrix((values, (rows, cols)), shape=(n + k, size + k))


def _like(name: str, kinds: tuple[str, ...]) -> str:
    """The name, without its item where batteries of all types move as one."""
    kind = name.split(":")[0]
    return kind if kind in kinds else name


def _rows(block: Block, step_of: Index) -> tuple[sp.csr_matrix, Index]:
    """The averaging matrix R, and one row of the block for each of its own.

    A row that spans more than two hours, or none, stays as it is.
    """
    hour = np.full(block.size + len(block.links), -1)
    for own in block.columns.values():
        if len(own.index) > 1:
            hour[own.index] = own.hours
    entries = block.matrix.tocoo()
    m = block.matrix.shape[0]
    at = hour[entries.col]
    row, at = entries.row[at >= 0], at[at >= 0]
    last, first = np.full(m, -1), np.full(m, block.hours)
    np.maximum.at(last, row, at)
    np.minimum.at(first, row, at)
    hourly = (last >= 0) & (last - first <= 1)
    key = np.where(hourly, step_of[np.maximum(last, 0)], np.arange(m) + block.hours)
    likes = [_like(name, _BATTERY_ROWS) for name in block.constraints]
    group = np.array([likes.index(like) for like in likes])[block.row_group]
    _, one, place = np.unique(group * (m + block.hours + 1) + key, return_index=True, return_inverse=True)
    counts = np.bincount(place)
    return sp.csr_matrix((1.0 / counts[place], (place, np.arange(m))), shape=(len(counts), m)), one
