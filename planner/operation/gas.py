"""Gas by the hour and the day: what generators on natural gas may burn, and what is paid for unburnt.

The link gas_mmbtu_per_h is a 24th of what the lateral carries in a day, nothing before its date (F, MMBtu HHV/h; s the
hourly swing; a(t) 1, and 0 on the days a supply that is not firm is cut; tau the take):
    gas_hour[t]:     burnt(t) <= (1 + s) a(t) F
    gas_day[d]:      sum over the day of burnt(t) x step <= 24 a(d) F
    gas_take[d]:     untaken(d) >= 24 tau a(d) F - sum over the day of burnt(t) x step       paid at the price of gas
Burnt is on HHV, with what is burnt at no load and in starts where units are committed. The days cut are the coldest of
the weather year by mean dry bulb, all of each. The take is owed day by day: a contract that settles by the month or
the year is milder.

In an event, gas flows at no more than F in any hour, so that no day's quantity is passed whatever its other hours take,
and a supply that is not firm gives nothing. It is burnt at the rate of full load there.
Not modelled: line pack, pressure, imbalance charges, heat rates that rise with temperature, gas of a spinning reserve
that steps in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder
from planner.case.case import Case
from planner.case.permits import GasSupply
from planner.case.weather import Weather
from planner.families.generation import (
    Generator,
    burnt_mmbtu_hhv_per_mwh,
    heat_rate_mmbtu_hhv_per_mwh,
)
from planner.timeline import Hours

Array = NDArray[np.float64]
RATE = "gas_mmbtu_per_h"  # linking component
HOURS_PER_DAY = 24


@dataclass(frozen=True)
class Gas:
    """The gas supply of a case and who burns it."""

    supply: GasSupply
    burners: tuple[Generator, ...]
    flows: Array  # (8760,) 1, and 0 in hours without gas
    usd_per_mmbtu_hhv: float
    growth_per_year: float


def gas_of(case: Case, machines: tuple[Generator, ...]) -> Gas | None:
    """The gas supply of a case; None where it names none."""
    supply = case.input.site.gas
    burners = tuple(g for g in machines if g.item.fuel == "natural_gas")
    if supply is None or not burners:
        return None
    usd = case.input.site.fuel.natural_gas_usd_per_mmbtu_hhv or 0.0
    growth = case.input.finance.escalation_fraction_per_year.natural_gas
    return Gas(supply, burners, 1.0 - cut_hours(case.weather, supply.cut_days or 0), usd, growth)


def cut_hours(weather: Weather, days: int) -> Array:
    """1 in every hour of the coldest days of the year by mean dry bulb, the earlier of two alike. Shape (8760,)."""
    daily = weather.dry_bulb_c.reshape(-1, HOURS_PER_DAY).mean(axis=1)
    cut = np.zeros(len(daily))
    cut[np.argsort(daily, kind="stable")[:days]] = 1.0
    return np.repeat(cut, HOURS_PER_DAY)


def operate(builder: BlockBuilder, hours: Hours, gas: Gas) -> None:
    """Hourly and daily gas in a block. Links: gas_mmbtu_per_h."""
    flows = gas.flows[hours.hour_of_year]
    burnt = [
        (rate, builder.columns(name).index)
        for machine in gas.burners
        for name, rate in burnt_mmbtu_hhv_per_mwh(machine, hours.step_h).items()
    ]
    most = 1.0 + gas.supply.hourly_swing_fraction
    builder.rows("gas_hour", [(rate, index) for rate, index in burnt], [(-most * flows, RATE)])
    per_day = round(HOURS_PER_DAY / hours.step_h)
    days = range(len(hours) // per_day)
    for d in days:
        inside = slice(d * per_day, (d + 1) * per_day)
        quantity = HOURS_PER_DAY * float(flows[inside][0])
        builder.total("gas_day", [(rate * hours.step_h, index[inside]) for rate, index in burnt], [(-quantity, RATE)])
    take = gas.supply.take_or_pay_fraction
    if take == 0:
        return
    untaken = builder.add("gas_untaken", hours=np.array([d * per_day for d in days]))
    alike = hours.weight / hours.step_h  # days that a day of a sample stands for
    builder.price("gas take-or-pay", untaken, gas.usd_per_mmbtu_hhv * alike, gas.growth_per_year)
    for d in days:
        inside = slice(d * per_day, (d + 1) * per_day)
        owed = take * HOURS_PER_DAY * float(flows[inside][0])
        terms = [(-rate * hours.step_h, index[inside]) for rate, index in burnt]
        builder.total("gas_take", [*terms, (-1.0, untaken.index[[d]])], [(owed, RATE)])


def ride(builder: BlockBuilder, gas: Gas) -> None:
    """Gas through an event. Links: gas_mmbtu_per_h."""
    burnt = [(heat_rate_mmbtu_hhv_per_mwh(g.item), builder.columns(g.key).index) for g in gas.burners]
    builder.rows("gas_hour", burnt, [(-float(gas.supply.firm), RATE)])


def most_mw(gas: Gas, able_mw: Mapping[str, Array], mmbtu_per_h: float) -> Array:
    """What burners give together of what each is able to, the ones that burn least first, in an event. [MW]"""
    left = mmbtu_per_h * float(gas.supply.firm)
    total = np.zeros(len(next(iter(able_mw.values()))))
    burning = np.full(len(total), left)
    for machine in sorted(gas.burners, key=lambda g: heat_rate_mmbtu_hhv_per_mwh(g.item)):
        rate = heat_rate_mmbtu_hhv_per_mwh(machine.item)
        given = np.minimum(able_mw[machine.key], burning / rate)
        burning = burning - rate * given
        total += given
    return total
