"""What a plan says of a year: units that stand, what batteries can give, and the dispatch of every step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.errors import PlannerError
from planner.families.battery import Battery
from planner.plan.plan import Plan
from planner.pypsa.year import Year
from planner.sizing.linking import RATCHET_MONTHS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sizes:
    """A plan, seen from one of its years."""

    plan: Plan
    year: Year

    @cached_property
    def dispatch(self) -> pd.DataFrame:
        """Its rows of the year, one a step. Raises PlannerError where they are not those of the case."""
        frame, days = self.plan.dispatch, {str(day) for day in self.year.months}
        if "scenario" in frame and self.year.scenario:
            frame = frame[frame["scenario"].astype(str) == self.year.scenario]
        rows = frame[frame["period"].astype(str).isin(days)].reset_index(drop=True)
        steps = self.year.hour_of_year
        if len(rows) != len(steps) or (rows["hour_of_year"].to_numpy() != steps).any():
            raise PlannerError("the plan's dispatch has other steps than the case: it is no plan of this case")
        return rows

    def flow_mw(self, name: str) -> Array:
        """Flow of columns of the blocks; zero where the plan has none. [MW]"""
        column = f"{name}_mw"
        if column not in self.dispatch:
            return np.zeros(len(self.dispatch))
        return np.asarray(self.dispatch[column].fillna(0.0).to_numpy(float))

    def units_online(self, item: str, what: str = "online") -> Array:
        """Units of a committed item that are online, or have started, in every step."""
        column = f"{what}:{item}_units"
        if column not in self.dispatch:
            return np.zeros(len(self.dispatch))
        return np.asarray(self.dispatch[column].fillna(0.0).to_numpy(float))

    def soc_mwh(self, item: str) -> Array:
        """Energy stored at the end of every step, what is kept stored included. [MWh]"""
        return np.asarray(self.dispatch[f"soc:{item}_mwh"].to_numpy(float))

    def units(self, item: str, column: str = "units") -> float:
        """Units of an item in service; column running: switched on."""
        rows = self.plan.installed
        here = (rows["period"].astype(str) == str(self.year.start)) & (rows["item"] == item)
        return float(rows.loc[here, column].sum())

    @property
    def grid_mw(self) -> float:
        """Import the connection allows. [MW]"""
        rows = self.plan.capacity
        return float(rows.loc[rows["period"].astype(str) == str(self.year.start), "grid_mw"].iloc[0])

    def held(self, item: str) -> dict[str, float]:
        """What a battery keeps back in every hour: held_mw, held_up_mwh, held_down_mwh."""
        columns = ("held_mw", "held_up_mwh", "held_down_mwh")
        rows = self.plan.details.get("battery_held")
        if rows is not None:
            own = rows[(rows["period"].astype(str) == str(self.year.start)) & (rows["item"] == item)]
            if len(own):
                return {name: float(own[name].iloc[0]) for name in columns}
        return dict.fromkeys(columns, 0.0)

    def energy_mwh(self, store: Battery) -> float:
        """Energy of a battery that is left in the year, what is kept back included. [MWh]"""
        if not store.fades:
            return store.energy_mwh * self.units(store.item.id)
        first = str(self.year.months[0])
        rows = self.plan.summary.get("battery_energy", ())
        return sum(float(r["available_mwh"]) for r in rows if (r["item"], str(r["from"])) == (store.item.id, first))

    def reserve_mwh(self, item: str) -> float:
        """Energy a battery holds for events. [MWh]"""
        rows, start = self.plan.summary.get("reserves", ()), str(self.year.start)
        return sum(float(r["reserve_mwh"]) for r in rows if (r["item"], str(r["period"])) == (item, start))

    def load_mw(self) -> Array:
        """What the site's bus has to deliver, batteries left out: cooling, losses and what is shifted as planned."""
        loss = self.year.plant.import_loss_fraction
        load = (1.0 - loss) * self.flow_mw("grid_import") - self.flow_mw("grid_export") / (1.0 - loss)
        for column in self.dispatch.columns:
            kind, sign = str(column).partition(":")[0], 0.0
            if kind in ("generation", "renewable", "discharge", "compute_shed"):
                sign = 1.0
            elif kind == "charge":
                sign = -1.0
            if sign:
                load = load + sign * self.flow_mw(str(column).removesuffix("_mw"))
        return load

    def peaks_mw(self) -> Array:
        """Highest import of every month of the year. [MW]"""
        imported = self.flow_mw("grid_import")
        return np.array([imported[self.year.month == m].max() for m in range(len(self.year.months))])

    def ratchet_mw(self, month: int) -> float:
        """Highest peak that counts of the eleven months before a month of the year, as the plan has them. [MW]"""
        case, timeline = self.year.case, self.year.case.timeline
        assert case.tariff is not None
        frame = self.plan.dispatch
        if "scenario" in frame and self.year.scenario:
            frame = frame[frame["scenario"].astype(str) == self.year.scenario]
        peaks = frame["grid_import_mw"].groupby(frame["period"].astype(str)).max()
        own = {part.month for part in self.year.parts if timeline.first_day(part.month) == self.year.months[month]}
        before = timeline.before(RATCHET_MONTHS)[self.year.period, own.pop()]
        days = [timeline.first_day(other) for _, other in before]
        return max((float(peaks[str(d)]) for d in days if d.month - 1 in case.tariff.ratchet_months), default=0.0)

    def operating_usd(self) -> dict[str, float]:
        """What the ledger pays for operation in the year, by line. [USD]"""
        rows, days = self.plan.ledger, {str(day)[:7] for day in self.year.months}
        here = (rows["item"] == "operation") & rows["date"].astype(str).str[:7].isin(days)
        return {str(line): float(usd) for line, usd in rows[here].groupby("line")["usd"].sum().items()}
