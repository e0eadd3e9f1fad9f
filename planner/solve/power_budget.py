"""The power budget: from the chip to the meter, stage by stage, what is carried, lost and tapped in every period.

One row for each stage that stands, in the order of the flow; then the medium-voltage bus, what is behind it, and the
meter. At design, in MW:

    delivered = below + IT + network + cooling - generation           what leaves a stage towards the load
    drawn     = delivered + no-load + proportional + square loss      `below` of the row that follows
    meter     = all IT, network and cooling - generation + all losses

The square part is that of full load, as the sizing model counts it. The grid is used first; what it cannot carry at
design comes from generation at the medium-voltage bus. CDU pumps and air-unit fans tap the UPS, heat rejection the LV
side of the MV/LV transformers. Averages are over the period's dispatch, with the square of the load as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.case.item import Item
from planner.families import power
from planner.sizing.targets import grid_steps
from planner.solve.reading import Reading, value
from planner.units import KW_PER_MW

Array = NDArray[np.float64]
BUS, METER = "mv_bus", "meter"


@dataclass
class BudgetRow:
    """One stage in one period. Powers at design; averages over the dispatch."""

    period: date
    stage: str
    below_mw: float = 0.0
    it_mw: float = 0.0
    network_mw: float = 0.0
    cooling_mw: float = 0.0
    generation_mw: float = 0.0
    delivered_mw: float = 0.0
    no_load_loss_mw: float = 0.0
    proportional_loss_mw: float = 0.0
    square_loss_mw: float = 0.0
    drawn_mw: float = 0.0
    delivered_mva: float = 0.0
    units: float = 0.0
    rated_mw: float = 0.0
    rated_mva: float = 0.0
    firm_mw: float = 0.0
    loading_fraction: float = 0.0
    redundancy: str = ""
    average_delivered_mw: float = 0.0
    average_loss_mw: float = 0.0


def power_budget(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """The budget of every period in which racks run; no rows for a plain load series."""
    rows: list[BudgetRow] = []
    if read.sizing.plant.racks:
        hours = _Hours(read, dispatch)
        for p in range(read.last + 1):
            if value(read.sizing.design["it", p]) > 0:
                rows += _period(read, hours, p)
    return pd.DataFrame([asdict(row) for row in rows])


def _period(read: Reading, hours: _Hours, p: int) -> Iterator[BudgetRow]:
    plant, start = read.sizing.plant, read.starts[p]
    stages = {stage.name: stage for stage in plant.stages}
    it, network = value(read.sizing.design["it", p]), read.network_mw(p)
    below, direct = 0.0, it
    for name in power.CHAIN:
        row = BudgetRow(start, name, below_mw=below, delivered_mw=value(read.sizing.design[name, p]))
        if name == "rack_pdu":
            row.it_mw, direct = row.delivered_mw, it - row.delivered_mw
        elif name == "busway":
            row.it_mw, row.network_mw = direct, network
        elif name in ("ups", "mv_lv_transformer"):  # what the stage delivers beyond the stages below it
            row.cooling_mw = row.delivered_mw - below
        if name in stages:
            row.no_load_loss_mw = _no_load_mw(read, name, p)
            row.proportional_loss_mw = stages[name].proportional * row.delivered_mw
            row.square_loss_mw = stages[name].square * row.delivered_mw
            hours.fill(row, stages[name], p)
            _rating(read, row, p)
        row.drawn_mw = row.delivered_mw + row.no_load_loss_mw + row.proportional_loss_mw + row.square_loss_mw
        below = row.drawn_mw
        if name in stages or row.it_mw + row.network_mw + row.cooling_mw > 0:
            yield row
    yield from _behind_the_bus(read, hours, p, below)


def _behind_the_bus(read: Reading, hours: _Hours, p: int, load: float) -> Iterator[BudgetRow]:
    """The medium-voltage bus, main transformers, substation and meter; the grid first, then generation."""
    start, loss = read.starts[p], read.sizing.plant.import_loss_fraction
    standing = _no_load_mw(read, "main_transformer", p)
    imported = min((load + standing) / (1.0 - loss), _grid_mw(read, p))
    from_grid = imported * (1.0 - loss) - standing  # below zero where generation keeps the transformers energised
    mean = hours.mean("grid_import_mw", p), hours.mean("grid_export_mw", p)
    bus = BudgetRow(start, BUS, below_mw=load, generation_mw=load - from_grid, delivered_mw=from_grid)
    bus.drawn_mw = from_grid
    bus.average_delivered_mw = mean[0] * (1.0 - loss) - standing - mean[1] / (1.0 - loss)
    yield bus
    if loss or standing or read.standing_at("main_transformer", p):
        row = BudgetRow(start, "main_transformer", below_mw=from_grid, delivered_mw=from_grid)
        row.no_load_loss_mw, row.drawn_mw = standing, imported
        items = power.stage_items(read.case, "main_transformer")
        worst = max(items, key=_load_loss, default=None)  # the item whose losses the import carries
        square = worst.get("loss_square_fraction", 0.0) if worst else 0.0
        row.square_loss_mw = square * imported
        row.proportional_loss_mw = (loss - square) * imported
        row.average_delivered_mw = bus.average_delivered_mw
        row.average_loss_mw = standing + loss * mean[0] + (1.0 / (1.0 - loss) - 1.0) * mean[1]
        _rating(read, row, p)
        yield row
    for name in ("hv_substation", METER):
        if name == METER or read.standing_at(name, p):
            row = BudgetRow(start, name, below_mw=imported, delivered_mw=imported, drawn_mw=imported)
            row.average_delivered_mw = mean[0] - mean[1]
            _rating(read, row, p)
            yield row


def _grid_mw(read: Reading, p: int) -> float:
    """Import that the connection and the transformers and bays switched on allow."""
    feeders, total = grid_steps(read.case, p)
    behind = [
        value(read.sizing.capacity_of(stage, p))
        for stage in ("main_transformer", "hv_substation")
        if any(stage in o.supplies for o in read.sizing.options)
    ]
    return max(feeders, min([total, *behind]))


def _load_loss(item: Item) -> float:
    return item.get("loss_proportional_fraction", 0.0) + item.get("loss_square_fraction", 0.0)


def _no_load_mw(read: Reading, stage: str, p: int) -> float:
    return sum(
        power.no_load_fraction(item, stage) * power.rating_mw(read.case, item, stage) * on
        for item, on in read.standing_at(stage, p)
    )


def _rating(read: Reading, row: BudgetRow, p: int) -> None:
    """Units, ratings, firm capacity, loading and redundancy of the stage of a row."""
    pf = read.case.power_factor(row.stage)
    row.delivered_mva = row.delivered_mw / pf
    for item, on in read.standing_at(row.stage, p):
        rating = power.rating_mw(read.case, item, row.stage)
        row.units += on
        row.rated_mw += rating * on
        row.rated_mva += (item.get("rating_kva") / KW_PER_MW if item.rating_kva else rating / pf) * on
    if row.stage == METER:
        row.firm_mw = _grid_mw(read, p)
    else:
        row.firm_mw = value(read.sizing.capacity_of(row.stage, p))
        scheme = read.case.stage_redundancy(row.stage)
        boxed = [item.family in ("compute", "enclosure") for item, _ in read.standing_at(row.stage, p)]
        row.redundancy = "built in" if boxed and all(boxed) else scheme.scheme if scheme is not None else "none"
    row.loading_fraction = row.delivered_mw / row.firm_mw if row.firm_mw > 0 else 0.0


class _Hours:
    """Means over the dispatch of a period, all its paths by their probabilities."""

    def __init__(self, read: Reading, dispatch: pd.DataFrame) -> None:
        self.read, self.dispatch = read, dispatch
        self.weight: Array = dispatch.weight_h.to_numpy(float)
        if "scenario" in dispatch:
            likely = {path.name: path.probability for path in read.case.paths}
            self.weight = self.weight * dispatch.scenario.map(likely).to_numpy(float)
        place = {day: bisect_right(read.starts, day) - 1 for day in set(dispatch.period)}
        period = dispatch.period.map(place).to_numpy()
        self.rows = [np.flatnonzero(period == p) for p in range(read.last + 1)]

    def _flow(self, name: str, p: int) -> Array:
        rows = self.rows[p]
        if name not in self.dispatch:
            return np.zeros(len(rows))
        flow: Array = np.nan_to_num(self.dispatch[name].to_numpy(float)[rows])
        return flow

    def _mean(self, series: Array, p: int) -> float:
        return float(np.average(series, weights=self.weight[self.rows[p]]))

    def mean(self, name: str, p: int) -> float:
        """Mean of a column of the dispatch. [MW]"""
        return self._mean(self._flow(name, p), p)

    def fill(self, row: BudgetRow, stage: power.Stage, p: int) -> None:
        """Mean throughput and loss of a stage of the chain; the square part with the load of every hour."""
        read, draw = self.read, self._flow("it_mw", p) - self.read.network_mw(p)
        if stage.name == "rack_pdu":
            draw = self._through_pdus(draw, p)
        through = stage.throughput_per_it * draw
        there = read.standing_at(stage.name, p, loaded=True)
        rated = sum(power.rating_mw(read.case, i, stage.name) * on for i, on in there)
        square = stage.square * through**2 / rated if rated > 0 else 0.0 * through
        row.average_delivered_mw = self._mean(through, p)
        row.average_loss_mw = row.no_load_loss_mw + self._mean(stage.proportional * through + square, p)

    def _through_pdus(self, draw: Array, p: int) -> Array:
        """What of the IT draw goes through rack PDUs; shifted compute keeps to its own path."""
        racks = self.read.sizing.plant.racks
        moved = {
            r.key: self._flow(f"compute_shift_up:{r.item.id}_mw", p)
            - self._flow(f"compute_shift_down:{r.item.id}_mw", p)
            for r in racks
        }
        mean = {r.key: r.average_mw * value(self.read.model.energised[r.item.id, p]) for r in racks}
        on_pdu = [r.key for r in racks if "rack_pdu" in r.item.consumes]
        none = np.zeros(len(draw))
        base = draw - sum(moved.values(), none)
        share = sum(mean[key] for key in on_pdu) / sum(mean.values())
        through: Array = share * base
        for key in on_pdu:
            through = through + moved[key]
        return through
