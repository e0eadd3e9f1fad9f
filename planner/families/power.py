"""The power chain from the rack feed to the medium-voltage bus, and its losses.

    loss(t) = a n R + b y(t) + c y(t)^2 / (n R)          no-load, proportional and square part of a stage

n R is the installed rating. The throughput of a stage follows the IT draw, y(t) = shape(t) m L, with L the mean
IT draw and m a fixed multiple for the losses and cooling fans downstream, so the square part is
c shape(t)^2 phi with phi = (m L)^2 / (n R). One column per block holds phi, above its tangents

    loss_tangent[k]:  phi >= 2 theta_k m L - theta_k^2 n R

    loss_ceiling:     phi <= m L             (holds while the rating covers the load; no invented losses)

which are exact to c (spacing / 2)^2 of the rating and need no binaries (Schneider Electric white papers 108 and
154 for the split). Sizing rows use the upper bound phi <= m L, which holds because the rating covers the load.
Ratings in kW and kVA are both limits; capacities count after the continuous-load factor, harmonics, heat and height,
losses over the nameplate. Not modelled: reactive flows, losses of harmonics, temperature by the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.algebra import BlockBuilder, Columns
from planner.case.case import Case
from planner.case.item import Item
from planner.timeline import Hours
from planner.units import KW_PER_MW

Array = NDArray[np.float64]

# In the order of the flow, rack to medium-voltage bus. An item may bring several at once.
CHAIN = ("rack_pdu", "busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear")
IN_THE_ROOM = ("rack_pdu", "busway", "ups")  # their losses heat the air of the hall
_TANGENTS = np.linspace(0.05, 1.0, 20)


@dataclass(frozen=True)
class Stage:
    """Losses of one stage, worst of its candidate items, as fractions of rating."""

    name: str
    proportional: float
    square: float
    throughput_per_it: float  # m: stage throughput over IT draw

    @property
    def design_loss(self) -> float:
        """Proportional and square part at full load, over the throughput."""
        return self.proportional + self.square


def rating_mw(case: Case, item: Item, stage: str) -> float:
    """Power one unit delivers in a power stage by its nameplate. [MW]  S = P / pf: kW and kVA are both limits."""
    limits = [item.get(name) for name in ("rating_kw", "it_power_kw") if getattr(item, name) is not None][:1]
    if item.rating_kva is not None:
        limits.append(item.get("rating_kva") * case.power_factor(stage))
    if not limits:
        raise KeyError(f"{item.id} has no rating for {stage}")
    return min(limits) / KW_PER_MW


def capacity_mw(case: Case, item: Item, stage: str) -> float:
    """Power one unit may carry in a stage of this site, continuously: its rating, derated. [MW]"""
    by_harmonics = 1.0
    if stage == "mv_lv_transformer":
        by_harmonics = harmonic_derate(
            item.get("eddy_current_loss_fraction", 0.0), case.input.power_chain.harmonic_loss_factor
        )
    outdoors = stage in ("mv_lv_transformer", "mv_switchgear", "main_transformer", "hv_substation")
    around_c = case.ambient.extreme_dry_bulb_c if outdoors else case.input.power_chain.electrical_room_c
    at_site = site_fraction(item, around_c, case.weather.elevation_m)
    return rating_mw(case, item, stage) * item.get("continuous_load_fraction", 1.0) * by_harmonics * at_site


def harmonic_derate(eddy_current_loss_fraction: float, harmonic_loss_factor: float) -> float:
    """Highest load current of a transformer over its rated one, by IEEE C57.110.

    eddy_current_loss_fraction: P_EC-R over the ohmic losses, rated. harmonic_loss_factor: F_HL of the load, 1 or more.

    >>> round(harmonic_derate(0.15, 2.72), 3), harmonic_derate(0.15, 1.0)
    (0.904, 1.0)
    """
    eddy = eddy_current_loss_fraction
    return float(((1.0 + eddy) / (1.0 + harmonic_loss_factor * eddy)) ** 0.5)


def site_fraction(item: Item, ambient_c: float, elevation_m: float) -> float:
    """Rating at the site over nameplate: linear in heat above derate_from_c and in height above derate_from_m."""
    heat = item.get("derate_fraction_per_k", 0.0) * max(0.0, ambient_c - item.get("derate_from_c", 40.0))
    above_m = max(0.0, elevation_m - item.get("derate_from_m", 0.0))
    height = item.get("derate_fraction_per_300m", 0.0) * above_m / 300.0
    return max(0.0, 1.0 - heat) * max(0.0, 1.0 - height)


def stage_items(case: Case, stage: str) -> tuple[Item, ...]:
    """Items that may stand in a stage: candidates and those owned already."""
    owned = [name for name in case.input.owned if stage in case.catalog[name].brings]
    return tuple(case.catalog[i] for i in dict.fromkeys([*case.candidates.get(stage, ()), *owned]))


def no_load_fraction(item: Item, stage: str) -> float:
    """No-load loss of an item over its rating, counted in the first stage it brings."""
    first = next((s for s in CHAIN if s in item.brings), stage)
    return item.get("loss_no_load_fraction", 0.0) if stage == first else 0.0


def chain(case: Case, fan_and_pump_fraction: float, rejection_fraction: float) -> tuple[Stage, ...]:
    """The stages the case builds, with losses and throughput multiples.

    fan_and_pump_fraction: CDU and air-unit power over IT power, on the UPS.
    rejection_fraction: heat-rejection power over IT power at design, on the MV/LV transformers.
    """
    stages, multiple = [], 1.0
    for name in CHAIN:
        if name == "ups":
            multiple += fan_and_pump_fraction
        if name == "mv_lv_transformer":
            multiple += rejection_fraction
        items = stage_items(case, name)
        if not items or case.redundancy.get(name, "") is None:
            continue
        lead = [i for i in items if name == next(s for s in CHAIN if s in i.brings)]
        proportional = max((i.get("loss_proportional_fraction", 0.0) for i in lead), default=0.0)
        square = max((i.get("loss_square_fraction", 0.0) for i in lead), default=0.0)
        stages.append(Stage(name, proportional, square, multiple))
        multiple *= 1.0 + proportional + square
    return tuple(stages)


def square_throughput_mw(through_mw: float, rated_mw: float) -> float:
    """phi of a block: the highest of its tangents. through_mw: mean throughput m L."""
    if rated_mw <= 0:
        return through_mw
    return max(0.0, float(np.max(2 * _TANGENTS * through_mw - _TANGENTS**2 * rated_mw)))


def shift_loss(stage: Stage, *, more: bool) -> float:
    """Loss charged for a MW of IT draw moved into an hour, or taken back for one moved out of it. [MW/MW]"""
    return (stage.proportional + (2.0 * stage.square if more else 0.0)) * stage.throughput_per_it


def operate(
    builder: BlockBuilder,
    hours: Hours,
    shape: Array,
    stages: tuple[Stage, ...],
    pdu: str,
    shifts: Sequence[tuple[Columns, Columns, bool]] = (),
) -> None:
    """Losses in a block. Links: it_mw, pdu_mw (mean draw), standing_mw, rated:<stage> in MW.

    shifts: IT draw moved between hours, as (MW more, MW less, whether through rack PDUs). The square part grows by at
    most 2 c and shrinks by at least nothing per MW of throughput: losses are never understated.
    """
    s = shape[hours.step_of_year]
    builder.draw_link("standing_mw", 1.0)
    for stage in stages:
        source = pdu if stage.name == "rack_pdu" else "it_mw"
        for more, less, through_pdu in shifts:
            if through_pdu or stage.name != "rack_pdu":
                builder.draw(more, shift_loss(stage, more=True))
                builder.supply(less, shift_loss(stage, more=False))
        if stage.proportional > 0:
            builder.draw_link(source, stage.proportional * stage.throughput_per_it * s)
        if stage.square > 0:
            phi = builder.add_single(f"square_throughput:{stage.name}")
            builder.draw_everywhere(phi, stage.square * s**2)
            overload = builder.add(f"shortage_rating:{stage.name}", hours=np.array([0]), shortage=True)
            builder.total(
                f"loss_ceiling:{stage.name}",
                [(1.0, phi.index), (-1.0, overload.index)],
                [(-stage.throughput_per_it, source)],
            )
            for theta in _TANGENTS:
                builder.total(
                    f"loss_tangent:{stage.name}:{theta:.2f}",
                    [(-1.0, phi.index)],
                    [(2 * theta * stage.throughput_per_it, source), (-(theta**2), f"rated:{stage.name}")],
                )
