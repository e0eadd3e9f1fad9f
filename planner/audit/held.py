"""The auditor's reading of what batteries keep back in every hour, and what smoothing the load's swings costs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from planner.audit.base import Tables
from planner.case.case import Case
from planner.case.item import Item

HELD = "battery_held"
HOURS_OF_A_YEAR = 8760.0


@dataclass(frozen=True)
class Held:
    """What one battery item keeps back in a period."""

    swing_mw: float = 0.0
    spinning_mw: float = 0.0
    power_mw: float = 0.0
    up_mwh: float = 0.0
    down_mwh: float = 0.0


class Kept:
    """What is kept back by item and period, as the plan's table says."""

    def __init__(self, case: Case, tables: Tables) -> None:
        self.case = case
        self.rows: dict[tuple[str, date], Held] = {}
        self.twice: list[str] = []
        frame = tables.details.get(HELD)
        for row in () if frame is None else frame.to_dict("records"):
            key = str(row["item"]), row["period"]
            if key in self.rows:
                self.twice.append(f"{key[0]} {key[1]}")
            self.rows[key] = Held(
                float(row["swing_mw"]),
                float(row["spinning_mw"]),
                float(row["held_mw"]),
                float(row["held_up_mwh"]),
                float(row["held_down_mwh"]),
            )

    def of(self, item_id: str, p: int) -> Held:
        """What an item keeps back; nothing where the plan has no row."""
        return self.rows.get((item_id, self.case.timeline.starts[p]), Held())

    def _items(self, p: int) -> list[tuple[Item, Held]]:
        """Batteries with what they keep back; rows of anything else are found elsewhere."""
        start, catalog = self.case.timeline.starts[p], self.case.catalog
        named = [(catalog[i], held) for (i, day), held in self.rows.items() if day == start and i in catalog]
        return [(item, held) for item, held in named if item.family == "battery"]

    def loss_mw(self, p: int) -> float:
        """Mean loss of smoothing: what is charged on average less what is given. [MW]"""
        return sum(h.swing_mw * sum(self._flows(item)) for item, h in self._items(p))

    def wear_usd_per_h(self, p: int) -> float:
        """Wear of smoothing in an hour. [USD/h]"""
        return sum(
            item.get("wear_cost_usd_per_mwh", 0.0) * self._shallow() * self._flows(item)[1] * -1.0 * h.swing_mw
            for item, h in self._items(p)
        )

    def cycled_mwh(self, item: Item, p: int) -> float:
        """Energy given in smoothing that counts against the warranty in a year. [MWh]"""
        return HOURS_OF_A_YEAR * self._shallow() * -self._flows(item)[1] * self.of(item.id, p).swing_mw

    def _shallow(self) -> float:
        workload = self.case.input.workload
        return workload.smoothing.shallow_cycle_fraction if workload is not None else 0.0

    def _flows(self, item: Item) -> tuple[float, float]:
        """(charged, minus discharged) on average per MW of wave taken, at the one level that keeps the charge.

        The wave stands at 1 for a share d of the time and at 0 for the rest; the level v above which the battery
        gives and below which it takes solves  (1 - d) v r = d (1 - v).
        """
        workload = self.case.input.workload
        if workload is None:
            return 0.0, 0.0
        d, r = workload.smoothing.duty_fraction, item.get("round_trip_efficiency_fraction")
        level = d / (d + (1.0 - d) * r)
        wave = self.wave_share()
        return wave * (1.0 - d) * level, -wave * d * (1.0 - level)

    def wave_share(self) -> float:
        """Of the largest change at once, what comes back with every period."""
        wave, stop = residual_fractions(self.case)
        return wave / max(wave, stop) if wave > 0 else 0.0


def residual_fractions(case: Case) -> tuple[float, float]:
    """(swing of every period, change of a job that stops) behind the racks, of the job's design power."""
    workload = case.input.workload
    if workload is None or workload.swing_fraction is None:
        return 0.0, 0.0
    given = workload.smoothing
    trough = max(1.0 - workload.swing_fraction, given.power_floor_fraction)
    wave = (1.0 - trough) * (1.0 - given.rack_storage_fraction)
    return wave, given.step_fraction if given.step_fraction is not None else wave
