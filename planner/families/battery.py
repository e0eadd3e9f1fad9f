"""Batteries: whole units with a power and an energy. They shift energy and never count as a firm source.

Symbols, per item k (P MW and E MWh of one MW installed, eta the one-way efficiency sqrt(round trip)):
    battery_energy_balance[t]:   soc(t) = soc(t-1) + (eta ch(t) - dis(t) / eta) x hours of a step
    battery_power[t]:            ch(t) + dis(t) <= P n         also halves simultaneous charge and discharge
    battery_energy[t]:           soc(t) <= E n, or what is left of it: the linking component energy:<item>
    edges:                       soc before the block and after it are linking components; over a year
                                 they close a circle, so there is no free energy
    battery_reserve[t]:          soc(t-1) >= reserve             in every step t at whose start an event may begin
    in an event:                 soc before it = reserve, and free after it
An item with a curve h of retention by age fades: energy alone, by purchase, in a year of a period

    energy:<item> = E x sum over purchases q of h(age of q at the end of the year) n_q

so that no hour counts on more than is left, and buying later is augmentation. Blocks see the sum alone, and so cuts
hold in every year. Wear is a cost per MWh discharged and a ledger line. Not modelled yet: fade by the cycles that are
run (the curve holds what the maker promises at the warranty's cycles), fade of power and efficiency, self-discharge,
the minutes an engine takes to start in an event.

An item that answers fast may keep power and energy back, for the swings of AI load and for the loss of the largest
unit: what it keeps back in every hour is taken from the linking components, so that P n is the power and E n the
energy that is left, and soc counts from what is kept stored (`sizing.held`). An island counts grid-forming items alone.

    smoothing_wear:              worn >= smoothing_usd_per_h      a link: wear of smoothing in every hour
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Columns
from planner.case.case import Case
from planner.case.item import Item
from planner.timeline import Hours


@dataclass(frozen=True)
class Battery:
    """One battery item."""

    key: str  # linking component, MW installed; soc_start: and soc_end: precede the item for the edges
    item: Item
    power_mw: float  # per unit
    energy_mwh: float  # per unit
    efficiency: float  # one way
    wear_usd_per_mwh: float
    retention: tuple[tuple[float, float], ...] = ()  # (age in years, share of the energy left); none: no fade
    holding: bool = False  # whether it may keep power and energy back, for swings or for the largest unit
    covers_unit: bool = False  # whether what it keeps back may cover a generating unit that is lost

    @property
    def availability(self) -> float:
        """Share of its power that reserves may count on."""
        return self.item.get("availability_fraction", 1.0)

    @property
    def own_energy(self) -> bool:
        """Whether its energy is a linking component of its own, not in proportion to its power."""
        return self.fades or self.holding

    @property
    def fades(self) -> bool:
        """Whether what is left of its energy depends on its age."""
        return bool(self.retention)

    @property
    def energy(self) -> str:
        """Linking component of a battery that fades or keeps some back: energy that is left. [MWh]"""
        return f"energy:{self.item.id}"

    @property
    def soc_start(self) -> str:
        """Linking component: energy held before the block. [MWh]"""
        return f"soc_start:{self.item.id}"

    @property
    def soc_end(self) -> str:
        """Linking component: energy held after the block. [MWh]"""
        return f"soc_end:{self.item.id}"

    @property
    def reserve(self) -> str:
        """Linking component: energy held for events. [MWh]"""
        return f"reserve_mwh:{self.item.id}"

    @property
    def hours(self) -> float:
        """Energy over power. [h]"""
        return self.energy_mwh / self.power_mw

    @property
    def holds(self) -> tuple[float, str]:
        """Most energy it may hold: MWh per unit of a linking component, and that component."""
        return (1.0, self.energy) if self.own_energy else (self.hours, self.key)

    def left(self, age_years: float) -> float:
        """Share of its energy that is left at an age, straight between the years of the curve."""
        if not self.fades:
            return 1.0
        ages, shares = zip(*self.retention, strict=True)
        return float(np.interp(age_years, ages, shares))


def batteries(case: Case) -> tuple[Battery, ...]:
    """Every battery candidate or committed battery."""
    ids = [*case.candidates.get("battery", ())]
    ids += [name for name in case.input.owned if case.catalog[name].family == "battery"]
    scheme = case.stage_redundancy("onsite_generation")
    reserve = scheme is not None and scheme.spinning_reserve == "largest_unit"
    asked = reserve or bool(case.input.site.grid.load_rules)
    island = not case.input.site.grid.interconnection
    return tuple(
        Battery(
            f"battery:{i}",
            item := case.catalog[i],
            item.get("nameplate_power_mw"),
            item.get("nameplate_energy_mwh"),
            item.get("round_trip_efficiency_fraction") ** 0.5,
            item.get("wear_cost_usd_per_mwh", 0.0),
            item.energy_retention_fraction.points if item.energy_retention_fraction is not None else (),
            asked and item.fast,
            reserve and item.fast and (item.grid_forming or not island),
        )
        for i in dict.fromkeys(ids)
    )


def operate(
    builder: BlockBuilder, hours: Hours, stores: tuple[Battery, ...], held: NDArray[np.bool_] | None = None
) -> None:
    """Charge and discharge in a block.

    Links: battery:<item> in MW; energy:<item> of what fades or holds, soc_start:<item> and soc_end:<item> in MWh.
    held: steps at whose start reserve_mwh:<item> is held; None where the case has no events.
    """
    for store in stores:
        discharge, soc = _flows(builder, hours, store, store.soc_start)
        builder.price("battery wear", discharge, store.wear_usd_per_mwh * hours.weight)
        builder.total(f"battery_edge:{store.item.id}", [(1.0, soc.index[-1:])], [(-1.0, store.soc_end)], equal=True)
        if held is None or not held.any():
            continue
        name = f"battery_reserve:{store.item.id}"
        short = builder.add(f"shortage_reserve:{store.item.id}", hours=np.array([0]), shortage=True)
        before = soc.index[:-1][held[1:]]
        if len(before):
            builder.rows(name, [(-1.0, before), (-1.0, np.repeat(short.index, len(before)))], [(1.0, store.reserve)])
        if held[0]:
            builder.total(name, [(-1.0, short.index)], [(1.0, store.reserve), (-1.0, store.soc_start)])


def smooth(builder: BlockBuilder, hours: Hours) -> None:
    """Wear of smoothing the load's swings, the same in every hour. Link: smoothing_usd_per_h."""
    worn = builder.add_single("smoothing_wear")
    builder.price("battery wear", worn, hours.weight * len(hours))
    builder.total("smoothing_wear", [(-1.0, worn.index)], [(1.0, "smoothing_usd_per_h")])


def ride(builder: BlockBuilder, hours: Hours, stores: tuple[Battery, ...]) -> None:
    """Charge and discharge through an event. Links: battery:<item> in MW; energy:<item>, reserve_mwh:<item> in MWh."""
    for store in stores:
        _flows(builder, hours, store, store.reserve)


def _flows(builder: BlockBuilder, hours: Hours, store: Battery, start: str) -> tuple[Columns, Columns]:
    """Discharge and state of charge of a battery that begins with the energy of the link `start`."""
    name = store.item.id
    charge, discharge = builder.add(f"charge:{name}"), builder.add(f"discharge:{name}")
    soc = builder.add(f"soc:{name}", start=start)
    builder.draw(charge)
    builder.supply(discharge)
    inward, outward = -store.efficiency * hours.step_h, hours.step_h / store.efficiency
    first, rest = slice(0, 1), slice(1, None)
    builder.rows(
        f"battery_energy_balance:{name}",
        [(1.0, soc.index[first]), (inward, charge.index[first]), (outward, discharge.index[first])],
        [(-1.0, start)],
        equal=True,
    )
    if len(soc.index) > 1:
        builder.rows(
            f"battery_energy_balance:{name}",
            [
                (1.0, soc.index[rest]),
                (-1.0, soc.index[:-1]),
                (inward, charge.index[rest]),
                (outward, discharge.index[rest]),
            ],
            equal=True,
        )
    builder.rows(f"battery_power:{name}", [(1.0, charge.index), (1.0, discharge.index)], [(-1.0, store.key)])
    mwh, link = store.holds
    builder.rows(f"battery_energy:{name}", [(1.0, soc.index)], [(-mwh, link)])
    return discharge, soc
