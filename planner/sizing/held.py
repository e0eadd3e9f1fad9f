"""What batteries keep back, in every hour, for the swings of AI load and for the largest generating unit.

What is kept back is no part of the operating blocks: they see the power and the energy that are left, and their state
of charge counts from what is kept stored. So a block needs no rows for it and cuts hold in every case.

Symbols, by period (A MW that come or go at once, s MW that rules let pass at once, R MW/h at which they let the meter
follow, T h and d the period of compute and communication and its share at the crest, eta one way, a availability):
    swing                B + slack >= A - s          A = step fraction left x largest job fraction x IT design MW
    swing_power          sum over fast items of swing_i = B
    swing_energy         Q >= secant_k(B) + d (1 - d) T B       of (B^2 + 2 s B) / (2 R): a step of A of which s passes
                         at once and the rest at R takes ((A^2 - s^2) / (2 R)). Secants lie above it between their
                         points, by at most their length squared over 8 R.
    spinning             uncovered = largest unit - sum over fast items of spinning_i
    held_power           held_i >= swing_i, spinning_i       the wave and the lost unit share the power
                         held_i <= a_i P_i n_i
    held_energy          eta_i up_i = swing_energy_i + spinning_i x hours to start the next unit
                         down_i / eta_i = swing_energy_i;  sum of swing_energy_i = Q
                         swing_energy_i <= most energy a MW of swing can need x swing_i
Smoothing takes a wave's crests and fills its troughs: a battery with round trip r that keeps its charge gives
    d ((1 - d) w - l)  on average and loses  l = (1 - r) d (1 - d) w / (d + r (1 - d))
where w is the wave's part of B: what rules let pass is left to pass. The racks' design power stands for the swing at
the meter: losses of the power chain, which would add their few per cent to it, are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from planner.case.swing import DEFAULT_START_MINUTES, SwingLimits, limits_in_force
from planner.families.battery import Battery
from planner.sizing.dates import most_it_mw
from planner.sizing.limits import Limits
from planner.sizing.targets import grid_steps
from planner.units import HOURS_PER_YEAR, MINUTES_PER_HOUR, SECONDS_PER_HOUR

_SECANTS = 16


class Held(Limits):
    """Power and energy of batteries that no hour may use."""

    def hold(self) -> None:
        """Variables and rows of what is held; nothing where no battery is fast or nothing asks for it."""
        m, plant = self.m, self.plant
        self.fast = tuple(store for store in plant.batteries if store.holding)
        index = [(store.item.id, p) for store in self.fast for p in self.periods]
        for name in ("held_mw", "held_up_mwh", "held_down_mwh", "swing_of_mw", "swing_of_mwh", "spinning_of_mw"):
            setattr(m, name, pyo.Var(index, within=pyo.NonNegativeReals))
        m.swing_mw = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.swing_mwh = pyo.Var(self.periods, within=pyo.NonNegativeReals)
        m.held = pyo.ConstraintList()
        for p in self.periods:
            self._swing(p)
            self._spread(p)

    def swing_limits(self, p: int) -> SwingLimits:
        """Limits of the load's swing in a period."""
        timeline = self.case.timeline
        ends = [*timeline.starts, timeline.end]
        rules, connection = self.case.input.site.grid.load_rules, grid_steps(self.case, p)[1]
        return limits_in_force(rules, ends[p + 1], ends[p], connection)

    def swing_per_it(self) -> float:
        """Most that comes or goes at once behind the racks, per MW of IT design power."""
        workload = self.case.input.workload
        if workload is None or workload.swing_fraction is None:
            return 0.0
        return workload.largest_job_fraction * workload.smoothing.step_left_fraction(workload.swing_fraction)

    def _swing(self, p: int) -> None:
        """Power and energy that smoothing takes in a period."""
        m, limits = self.m, self.swing_limits(p)
        allowed, workload = limits.allowed_mw, self.case.input.workload
        if allowed is None or workload is None or not self.plant.racks:
            m.swing_mw[p].fix(0.0)
            m.swing_mwh[p].fix(0.0)
            return
        m.held.add(m.swing_mw[p] + m.slack["load_rules", p] >= self.swing_per_it() * self.design["it", p] - allowed)
        smoothing = workload.smoothing
        duty, wave_h = smoothing.duty_fraction, smoothing.period_s / SECONDS_PER_HOUR
        wave = duty * (1.0 - duty) * wave_h * m.swing_mw[p]
        most = self._most_swing_mw(allowed)
        points = np.linspace(0.0, most, _SECANTS + 1) if limits.pace_mw_per_min and most > 0 else np.zeros(0)
        for a, b in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
            low, high = (_ramp_mwh(x, allowed, limits) for x in (a, b))
            slope = (high - low) / (b - a)
            m.held.add(m.swing_mwh[p] >= low + slope * (m.swing_mw[p] - a) + wave)
        m.held.add(m.swing_mwh[p] >= wave)
        m.swing_mw[p].setub(most)
        mwh_per_mw = (_ramp_mwh(most, allowed, limits) / most if most > 0 else 0.0) + duty * (1.0 - duty) * wave_h
        for store in self.fast:
            key = store.item.id, p
            m.held.add(m.swing_of_mwh[key] <= mwh_per_mw * m.swing_of_mw[key])

    def _most_swing_mw(self, allowed: float) -> float:
        """The last point of the secants: no plan swings more."""
        racks = sum(self.most_racks(i) * r.design_mw for i, r in self.racks.items())
        it = min(racks, most_it_mw(self.plant, self.case.input.target.milestones))
        return max(0.0, self.swing_per_it() * it - allowed)

    def _spread(self, p: int) -> None:
        """What every fast battery keeps of it."""
        m = self.m
        if not self.fast:
            m.held.add(m.swing_mw[p] <= 0.0)
            return
        start_h = self.start_h()
        for store in self.fast:
            key, eta = (store.item.id, p), store.efficiency
            standing = store.power_mw * self.units(self.option(store.item.id), p)
            m.held.add(m.held_mw[key] >= m.swing_of_mw[key])
            m.held.add(m.held_mw[key] >= m.spinning_of_mw[key])
            m.held.add(m.held_mw[key] <= m.swing_of_mw[key] + m.spinning_of_mw[key])  # and nothing for nothing
            m.held.add(m.held_mw[key] <= store.availability * standing)
            m.held.add(eta * m.held_up_mwh[key] == m.swing_of_mwh[key] + start_h * m.spinning_of_mw[key])
            m.held.add(m.held_down_mwh[key] == eta * m.swing_of_mwh[key])
            if not (self.plant.spinning_reserve and store.covers_unit):
                m.spinning_of_mw[key].fix(0.0)
        m.held.add(sum(m.swing_of_mw[store.item.id, p] for store in self.fast) == m.swing_mw[p])
        m.held.add(sum(m.swing_of_mwh[store.item.id, p] for store in self.fast) == m.swing_mwh[p])

    def start_h(self) -> float:
        """Hours until the unit that starts slowest carries load."""
        minutes = [g.item.get("start_time_minutes", DEFAULT_START_MINUTES) for g in self.plant.generators]
        return max(minutes, default=0.0) / MINUTES_PER_HOUR

    def uncovered_mw(self, p: int) -> Any:
        """MW of the largest unit that no battery covers."""
        m = self.m
        if not hasattr(m, "uncovered"):
            m.uncovered = pyo.Var(self.periods, within=pyo.NonNegativeReals)
            m.largest = pyo.Var(self.periods, within=pyo.NonNegativeReals)
            m.largest_unit = pyo.ConstraintList()
        for g in self.plant.generators if self.may_fire(p) else ():
            m.largest_unit.add(m.largest[p] >= g.firm_mw * m.present[g.item.id, p])
        covered = sum(m.spinning_of_mw[store.item.id, p] for store in self.fast)
        m.largest_unit.add(m.uncovered[p] == m.largest[p] - covered)
        return m.uncovered[p]

    def held_power(self, store: Battery, p: int) -> Any:
        """Power a battery keeps back. [MW]"""
        return self.m.held_mw[store.item.id, p] if store.holding else 0.0

    def held_energy(self, store: Battery, p: int) -> Any:
        """Energy a battery keeps stored. [MWh]"""
        return self.m.held_up_mwh[store.item.id, p] if store.holding else 0.0

    def held_room(self, store: Battery, p: int) -> Any:
        """Room a battery keeps empty. [MWh]"""
        return self.m.held_down_mwh[store.item.id, p] if store.holding else 0.0

    def smoothing_loss_mw(self, p: int) -> Any:
        """Mean loss of the batteries that smooth the swing. [MW]"""
        return sum(self._loss_per_mw(store) * self.m.swing_of_mw[store.item.id, p] for store in self.fast)

    def smoothing_wear_usd_per_h(self, p: int) -> Any:
        """Wear of the batteries that smooth the swing, every hour. [USD/h]"""
        return sum(
            store.wear_usd_per_mwh * self.shallow_mw_per_mw(store) * self.m.swing_of_mw[store.item.id, p]
            for store in self.fast
        )

    def smoothing_cycled_mwh(self, store: Battery, p: int) -> Any:
        """Energy that smoothing counts against a battery's warranty in a year. [MWh]"""
        if not store.holding:
            return 0.0
        return HOURS_PER_YEAR * self.shallow_mw_per_mw(store) * self.m.swing_of_mw[store.item.id, p]

    def shallow_mw_per_mw(self, store: Battery) -> float:
        """Mean discharge of smoothing, as far as it wears, per MW of swing taken."""
        workload = self.case.input.workload
        if workload is None:
            return 0.0
        duty = workload.smoothing.duty_fraction
        given = duty * (self._wave_share() * (1.0 - duty) - self._loss_per_mw(store))
        return workload.smoothing.shallow_cycle_fraction * given

    def _loss_per_mw(self, store: Battery) -> float:
        """Mean loss per MW of swing taken."""
        workload = self.case.input.workload
        if workload is None:
            return 0.0
        duty, back = workload.smoothing.duty_fraction, store.efficiency**2
        return self._wave_share() * (1.0 - back) * duty * (1.0 - duty) / (duty + back * (1.0 - duty))

    def _wave_share(self) -> float:
        """Part of what batteries take that comes with every period; the rest with a job that stops."""
        workload = self.case.input.workload
        if workload is None or not workload.swing_fraction:
            return 0.0
        given, swing = workload.smoothing, workload.swing_fraction
        step = given.step_left_fraction(swing)
        return given.left_fraction(swing) / step if step > 0 else 0.0


def _ramp_mwh(battery_mw: float, allowed_mw: float, limits: SwingLimits) -> float:
    """Energy of one step of battery_mw + allowed_mw whose first allowed_mw pass at once, the rest at the ramp. [MWh]

    100 MW at 20 MW/min with nothing passing at once take 100^2 / (2 x 20 x 60) = 4.17 MWh.
    """
    pace = limits.pace_mw_per_min
    return battery_mw * (battery_mw + 2.0 * allowed_mw) / (2.0 * pace * MINUTES_PER_HOUR) if pace else 0.0
