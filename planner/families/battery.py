"""Batteries: whole units with a power and an energy. They shift energy and never count as a firm source.

Symbols, per item k (P MW and E MWh of one MW installed, eta the one-way efficiency sqrt(round trip)):
    battery_energy_balance[t]:   soc(t) = soc(t-1) + (eta ch(t) - dis(t) / eta) x hours of a step
    battery_power[t]:            ch(t) + dis(t) <= P n         also halves simultaneous charge and discharge
    battery_energy[t]:           soc(t) <= E n
    edges:                       soc before the block and after it are linking components; over a year
                                 they close a circle, so there is no free energy
Wear is a cost per MWh discharged and a ledger line. Not modelled yet: fade, self-discharge, reserves.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.algebra import BlockBuilder
from planner.case.case import Case
from planner.case.catalog import Item
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

    @property
    def soc_start(self) -> str:
        """Linking component: energy held before the block. [MWh]"""
        return f"soc_start:{self.item.id}"

    @property
    def soc_end(self) -> str:
        """Linking component: energy held after the block. [MWh]"""
        return f"soc_end:{self.item.id}"

    @property
    def hours(self) -> float:
        """Energy over power. [h]"""
        return self.energy_mwh / self.power_mw


def batteries(case: Case) -> tuple[Battery, ...]:
    """Every battery candidate or committed battery."""
    ids = [*case.candidates.get("battery", ())]
    ids += [c.item for c in case.input.committed if case.catalog[c.item].family == "battery"]
    return tuple(
        Battery(
            f"battery:{i}",
            item := case.catalog[i],
            item.get("nameplate_power_mw"),
            item.get("nameplate_energy_mwh"),
            item.get("round_trip_efficiency_fraction") ** 0.5,
            item.get("wear_cost_usd_per_mwh", 0.0),
        )
        for i in dict.fromkeys(ids)
    )


def operate(builder: BlockBuilder, hours: Hours, stores: tuple[Battery, ...]) -> None:
    """Charge and discharge in a block. Links: battery:<item> in MW, soc_start:<item>, soc_end:<item> in MWh."""
    for store in stores:
        name = store.item.id
        charge, discharge = builder.add(f"charge:{name}"), builder.add(f"discharge:{name}")
        soc = builder.add(f"soc:{name}", start=store.soc_start)
        builder.draw(charge)
        builder.supply(discharge)
        builder.price("battery wear", discharge, store.wear_usd_per_mwh * hours.weight)
        inward, outward = -store.efficiency * hours.step_h, hours.step_h / store.efficiency
        first, rest = slice(0, 1), slice(1, None)
        builder.rows(
            f"battery_energy_balance:{name}",
            [(1.0, soc.index[first]), (inward, charge.index[first]), (outward, discharge.index[first])],
            [(-1.0, store.soc_start)],
            equal=True,
        )
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
        builder.total(f"battery_edge:{name}", [(1.0, soc.index[-1:])], [(-1.0, store.soc_end)], equal=True)
        builder.rows(f"battery_power:{name}", [(1.0, charge.index), (1.0, discharge.index)], [(-1.0, store.key)])
        builder.rows(f"battery_energy:{name}", [(1.0, soc.index)], [(-store.hours, store.key)])
