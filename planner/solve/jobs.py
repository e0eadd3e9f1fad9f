"""What the batteries of a plan are for: the swings they smooth, what they keep back, and the five jobs by period.

Jobs: (a) swings of AI load, (b) curtailment events, (c) the largest generating unit, (d) arbitrage and demand charge,
(e) riding through outages, the loss of a unit as an event and the hottest still day. Power of (a) and (c) is shared:
the larger of the two is kept back; their energy is stacked. Events begin with a reserve on top of that energy, (b) and
(e) do not come together and share it. (d) has what is left: its figures are what the dispatch uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.operation.blocks import Plant
from planner.operation.events import Event, ahead
from planner.operation.replay import need_mw
from planner.solve.reading import Reading, value

Array = NDArray[np.float64]
SWINGS, CURTAILMENT, UNIT, ARBITRAGE, OUTAGE = (
    "swings of AI load",
    "curtailment event",
    "largest generating unit",
    "arbitrage and demand charge",
    "outage ride-through",
)
_STACKING = {
    SWINGS: "power shared with the largest unit; energy on top",
    CURTAILMENT: "shares its reserve with outages; on top of swings",
    UNIT: "power shared with swings; energy on top",
    ARBITRAGE: "what is left",
    OUTAGE: "shares its reserve with curtailment; on top of swings",
}
_SOME = 1e-6


def load_swings(read: Reading, _: pd.DataFrame) -> pd.DataFrame:
    """By period, the swing of the load, what rules let pass, and what batteries take of it."""
    rows, workload = [], read.case.input.workload
    if workload is None or workload.swing_fraction is None or not read.case.input.site.grid.load_rules:
        return pd.DataFrame()
    for p, start in enumerate(read.starts):
        limits = read.sizing.swing_limits(p)
        it_mw = value(read.sizing.design["it", p])
        if limits.allowed_mw is None or it_mw <= _SOME:
            continue
        job_mw = workload.largest_job_fraction * it_mw
        rows.append(
            {
                "period": start,
                "rules": ", ".join(limits.names),
                "ramp_mw_per_min": limits.ramp_mw_per_min,
                "step_mw_per_5s": limits.step_mw_per_5s,
                "oscillation_mw": limits.oscillation_mw,
                "unsmoothed_mw": workload.swing_fraction * job_mw,
                "leaves_racks_mw": workload.smoothing.step_left_fraction(workload.swing_fraction) * job_mw,
                "allowed_mw": limits.allowed_mw,
                "battery_mw": value(read.model.swing_mw[p]),
                "battery_each_way_mwh": value(read.model.swing_mwh[p]),
                "battery_loss_mw": value(read.sizing.smoothing_loss_mw(p)),
            }
        )
    return pd.DataFrame(rows)


def battery_held(read: Reading, _: pd.DataFrame) -> pd.DataFrame:
    """By period and item, what batteries keep back in every hour."""
    m = read.model
    rows = [
        {
            "period": start,
            "item": store.item.id,
            "units": units,
            "nameplate_mw": store.power_mw * units,
            "nameplate_mwh": store.energy_mwh * units,
            "swing_mw": value(m.swing_of_mw[store.item.id, p]),
            "spinning_mw": max(0.0, value(m.spinning_of_mw[store.item.id, p])),
            "held_mw": value(m.held_mw[store.item.id, p]),
            "held_up_mwh": value(m.held_up_mwh[store.item.id, p]),
            "held_down_mwh": value(m.held_down_mwh[store.item.id, p]),
        }
        for p, start in enumerate(read.starts)
        for store in read.sizing.plant.batteries
        if store.holding and (units := read.units(read.sizing.option(store.item.id), p)) > _SOME
    ]
    return pd.DataFrame(rows)


def battery_jobs(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """By period, what each job takes, the units of every battery, and which job sets their count."""
    stores, rows = read.sizing.plant.batteries, []
    months = {day: read.case.timeline.period_of(day) for day in set(dispatch["period"])}
    by_period = dict(list(dispatch.groupby(dispatch["period"].map(months)))) if stores else {}
    for p, start in enumerate(read.starts):
        units = {store.item.id: read.units(read.sizing.option(store.item.id), p) for store in stores}
        if sum(units.values()) <= _SOME:
            continue
        taken = _held(read, p) | _events(read, p) | {ARBITRAGE: _dispatched(read, by_period[p])}
        setter = _setter(read, p, units, taken)
        for job, (mw, mwh) in taken.items():
            if max(mw, mwh) > _SOME:
                row: dict[str, Any] = {"period": start, "job": job, "takes_mw": mw, "takes_mwh": mwh}
                row |= {"stacking": _STACKING[job], "sets_the_count": "yes" if job == setter else ""}
                rows.append(row | {f"{name}_units": n for name, n in units.items()})
    return pd.DataFrame(rows)


def _held(read: Reading, p: int) -> dict[str, tuple[float, float]]:
    """MW, and MWh both ways, kept for swings and for the largest unit."""
    m, swing, unit = read.model, np.zeros(2), np.zeros(2)
    for store in (b for b in read.sizing.plant.batteries if b.holding):
        key = store.item.id, p
        spinning = value(m.spinning_of_mw[key])
        stored = read.sizing.start_h * spinning / store.efficiency
        both = value(m.held_up_mwh[key]) + value(m.held_down_mwh[key])
        swing += [value(m.swing_of_mw[key]), both - stored]
        unit += [spinning, stored]
    return {SWINGS: (float(swing[0]), float(swing[1])), UNIT: (float(unit[0]), float(unit[1]))}


def _events(read: Reading, p: int) -> dict[str, tuple[float, float]]:
    """MW and MWh at the terminals that the worst start of an event asks of batteries."""
    found = {CURTAILMENT: (0.0, 0.0), OUTAGE: (0.0, 0.0)}
    m = read.model
    for _, plant in read.sizing.plant.riders:
        x = np.array([value(m.link[p, name]) if (p, name) in m.link else 0.0 for name in plant.links])
        for event in plant.events:
            job = CURTAILMENT if event.kind == "called_curtailment" else OUTAGE
            mw, mwh = _asked(plant, event, x)
            found[job] = max(found[job][0], mw), max(found[job][1], mwh)
    return found


def _asked(plant: Plant, event: Event, x: Array) -> tuple[float, float]:
    need = {called: need_mw(plant, event, x, called=called) for called in set(event.called.tolist())}
    through = ahead(event.begins, event.length_h * event.steps_per_hour, event.steps_per_hour)
    most, left = 0.0, np.zeros(len(event.begins))
    worst = left
    for at, called in zip(through.T, event.called.tolist(), strict=True):
        ask = need[called][at]
        most = max(most, float(ask.max(initial=0.0)))
        left = np.maximum(left + ask * event.step_h, 0.0)
        worst = np.maximum(worst, left)
    return most, float(worst.max(initial=0.0))


def _dispatched(read: Reading, hours: pd.DataFrame) -> tuple[float, float]:
    """Highest discharge of all batteries, and the stretch of their charge, over the normal hours of a period."""
    names = [store.item.id for store in read.sizing.plant.batteries]
    given = hours[[c for i in names if (c := f"discharge:{i}_mw") in hours]].sum(axis=1)
    charge = hours[[c for i in names if (c := f"soc:{i}_mwh") in hours]].sum(axis=1)
    if not len(charge):
        return 0.0, 0.0
    return float(given.max()), float(charge.max() - charge.min())


def _setter(read: Reading, p: int, units: dict[str, float], taken: dict[str, tuple[float, float]]) -> str:
    """The job that sets the count: the largest of (a), (b), (c), (e) where one unit less would not do for them.

    Units are taken as alike: with their mean power and energy.
    """
    stores, year = read.sizing.plant.batteries, read.case.timeline.years_in(p)[-1]
    power = sum(store.availability * store.power_mw * units[store.item.id] for store in stores)
    energy = sum(read.energy_mwh(store, p, year) for store in stores)
    filled = {job: max(mw / power, mwh / energy) for job, (mw, mwh) in taken.items() if job != ARBITRAGE}
    event = [max(taken[CURTAILMENT][k], taken[OUTAGE][k]) for k in (0, 1)]
    together = max(
        (max(taken[SWINGS][0], taken[UNIT][0]) + event[0]) / power,
        (taken[SWINGS][1] + taken[UNIT][1] + event[1]) / energy,
    )
    count = sum(units.values())
    return max(filled, key=lambda job: filled[job]) if together * count > count - 1.0 + _SOME else ARBITRAGE
