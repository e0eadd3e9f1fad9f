"""The site as operating blocks: every family's terms put into one linear program per calendar month, or part of one.

A block is known by its key: "m01" to "m12", "m01-2028" on the actual calendar, "m01.03" for the third part of a month.
The same key is the same block in every period and year. Events have blocks of their own (`events`). Blocks of a
scenario end in "#" and its number, "m01.03#2"; scenarios alike share theirs. Where prices change from year to year,
"m01$2031" is the block at the prices of 2031: its rows are those of every other year, its costs are not.

The reading order of `build_block` is the order of the flow: load, losses, cooling, sources, storage, bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block, BlockBuilder, Shared
from planner.case.case import Case
from planner.families import battery, compute, cooling, generation, grid, power, renewable
from planner.operation import called, caps, gas, water
from planner.operation.caps import Cap, caps_of
from planner.operation.events import AT, Event, events_of, is_event, lost_of, strikes
from planner.operation.heat import heat_of
from planner.timeline import Hours
from planner.units import MINUTES_PER_HOUR

Array = NDArray[np.float64]
PATH = "#"  # between a block's key and the number of its path
YEAR = "$"  # between a block's key and the year of its prices


@dataclass(frozen=True)
class Plant:
    """What every family brings to the operating blocks of a case, worked out once."""

    case: Case
    racks: tuple[compute.Compute, ...]
    rejections: tuple[cooling.Rejection, ...]
    generators: tuple[generation.Generator, ...]
    renewables: tuple[renewable.Renewable, ...]
    batteries: tuple[battery.Battery, ...]
    stages: tuple[power.Stage, ...]
    import_loss_fraction: float
    fan_and_pump_fraction: float  # CDU and air-unit power over IT power
    caps: tuple[Cap, ...]
    events: tuple[Event, ...]
    gas: gas.Gas | None  # the supply that limits what is burnt, where the case names one
    load_peak_mw: float  # highest step of the load series on any path, before it grows; 0 where there is none

    @cached_property
    def has_pdu(self) -> bool:
        """Whether some compute goes through rack PDUs."""
        return any(stage.name == "rack_pdu" for stage in self.stages)

    @cached_property
    def spinning_reserve(self) -> bool:
        """Whether the largest generating unit is covered in every hour."""
        scheme = self.case.stage_redundancy("onsite_generation")
        return bool(self.generators) and scheme is not None and scheme.spinning_reserve == "largest_unit"

    @cached_property
    def smooths(self) -> bool:
        """Whether batteries smooth the load's swings."""
        return bool(self.racks and self.case.input.site.grid.load_rules) and any(b.holding for b in self.batteries)

    @property
    def has_ratchet(self) -> bool:
        """Whether peaks of one month are billed in others."""
        return self.case.tariff is not None and self.case.tariff.ratchet_fraction > 0

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Components of the linking vector, in order."""
        names = ["one", "grid_mw", "contract_mw"]
        names += ["load_mw"] if self.case.load_series_mw is not None else []
        names += ["export_mw"] if self.case.export_usd_per_mwh is not None else []
        if self.racks:
            names += ["it_mw", "standing_mw", *[r.key for r in self.racks]]
            names += ["pdu_mw"] if self.has_pdu else []
            names += [f"rated:{s.name}" for s in self.stages if s.square > 0]
        for loop in cooling.LOOPS:
            options = [r for r in self.rejections if r.loop == loop]
            names += [f"heat:{loop}", cooling.standing_heat(loop)] if options and self.racks else []
            names += [r.key for r in options] if len(options) > 1 else []
        names += [water.DAY] if self.racks and water.limited_by_day(self.case.input.site.water, self.rejections) else []
        names += [g.key for g in self.generators] + [r.key for r in self.renewables]
        for store in self.batteries:
            names += [store.key, *([store.energy] if store.own_energy else [])]
            names += [store.reserve] if self.events else []
        names += [lost_of(g) for g in self.generators if any(e.lost == lost_of(g) for e in self.events)]
        names += ["standby_mw"] if self.standby else []
        names += ["reserve_mw"] if self.spinning_reserve else []
        names += [gas.RATE] if self.gas is not None else []
        names += [called.UNCALLED] if self.case.input.site.grid.curtailment is not None else []
        names += ["smoothing_usd_per_h"] if self.smooths else []
        return (*names, *self.peaks, *self.edges)

    @cached_property
    def paths(self) -> tuple[Plant, ...]:
        """The plant on every path of the case."""
        return tuple(replace(plant_of(p.case), load_peak_mw=self.load_peak_mw) for p in self.case.scenarios) or (self,)

    @cached_property
    def standby(self) -> bool:
        """Whether standby generators run in some event."""
        built = self.case.redundancy.get("standby_generation") is not None
        return built and any(event.standby for event in self.events)

    @cached_property
    def strikes(self) -> NDArray[np.bool_]:
        """Steps of the year at which an event may begin, so that batteries hold their reserves."""
        return strikes(self.events, MINUTES_PER_HOUR // self.case.input.horizon.step_minutes)

    @cached_property
    def riders(self) -> tuple[tuple[str, Plant], ...]:
        """The plants whose events differ, each with the end of its blocks' keys: one a path of other weather or load.

        Prices are of no account in an event.
        """
        given = self.case.input.scenarios
        alike = [(s.weather, s.load_factor) for s in given]
        found = sorted({alike.index(what) for what in alike})
        return tuple((f"{PATH}{i}", self.paths[i]) for i in found) or (("", self),)

    def event(self, key: str) -> tuple[Event, int]:
        """The event of a block's key, and the step of the year it begins."""
        key = key.partition(PATH)[0]
        return next(event for event in self.events if event.name == key.rpartition(AT)[0]).of(key)

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """Links that belong to a state alone, not to its whole period.

        Charge before and after its block, its shares of annual limits and of what its month has.
        """
        names = [name for store in self.batteries for name in (store.soc_start, store.soc_end)]
        return (*names, *(cap.key for cap in self.caps), *self.allowances)

    @cached_property
    def energies(self) -> tuple[str, ...]:
        """Links that belong to a year of a period: the energy left of batteries that fade or keep some back."""
        return tuple(store.energy for store in self.batteries if store.own_energy)

    @cached_property
    def shared(self) -> dict[int, tuple[Shared, ...]]:
        """By operated month, what its blocks share; nothing where a month is one block."""
        timeline = self.case.timeline
        if timeline.block == "month":
            return {}
        months = [m for p in range(timeline.last_period + 1) for m in timeline.operated_months(p)]
        keys = {m: timeline.block_key(m) for m in months}
        hours = {key: hours_of(self.case, key) for key in set(keys.values())}
        growth = self.case.input.finance.escalation_fraction_per_year
        found = {
            key: (*grid.shared(own, self.case.tariff, growth), *generation.shared(own, self.generators))
            for key, own in hours.items()
        }
        return {m: found[key] for m, key in keys.items()}

    @cached_property
    def shared_peaks(self) -> tuple[str, ...]:
        """Billed peaks that the blocks of a month share as one number."""
        return tuple(dict.fromkeys(s.name for found in self.shared.values() for s in found if s.peak_usd))

    @cached_property
    def peaks(self) -> tuple[str, ...]:
        """Links that belong to a month: its billed peaks, the peak it promises and the highest promised before it."""
        return (*self.shared_peaks, *(("peak_mw", "ratchet_mw") if self.has_ratchet else ()))

    @cached_property
    def allowances(self) -> tuple[str, ...]:
        """Links that the blocks of a month divide among them."""
        return tuple(dict.fromkeys(s.name for found in self.shared.values() for s in found if not s.peak_usd))


def plant_of(case: Case) -> Plant:
    """Work out every family's operating data for a case."""
    racks = compute.computes(case)
    rejections = cooling.rejections(case)
    mix = float(np.mean([r.liquid_fraction for r in racks])) if racks else 0.0
    fans = _aux_fraction(case, "cdu") * mix + _aux_fraction(case, "air_unit") * (1.0 - mix)
    worst = {
        loop: max((r.design_power_fraction for r in rejections if r.loop == loop), default=0.0)
        for loop in cooling.LOOPS
    }
    stages = power.chain(case, fans, worst["liquid"] * mix + worst["air"] * (1.0 - mix)) if racks else ()
    machines, sources, stores = generation.generators(case), renewable.renewables(case), battery.batteries(case)
    return Plant(
        case,
        racks,
        rejections,
        machines,
        sources,
        stores,
        stages,
        main_transformer_loss(case),
        fans,
        caps_of(case, machines, rejections, stores),
        events_of(case, machines, [source.output_fraction for source in sources]),
        gas.gas_of(case, machines),
        max((float(s.max()) for path in case.paths if (s := path.case.load_series_mw) is not None), default=0.0),
    )


def main_transformer_loss(case: Case) -> float:
    """Load loss of the main transformers over the import, at full load; 0 without a substation."""
    if not any(step.via == "substation" for step in case.input.site.grid.interconnection):
        return 0.0
    items = power.stage_items(case, "main_transformer")
    return max(
        (i.get("loss_proportional_fraction", 0.0) + i.get("loss_square_fraction", 0.0) for i in items), default=0.0
    )


def shared_paths(case: Case) -> list[int | None]:
    """For every path of a case, the first path that operates alike; None where there are no scenarios."""
    given = case.input.scenarios
    alike = [(s.weather, s.energy_price_factor, s.fuel_price_factor, s.load_factor) for s in given]
    return [alike.index(what) for what in alike] or [None]


def hours_of(case: Case, key: str) -> Hours:
    """Steps of a block, whatever its path and prices."""
    return case.timeline.block_hours(rows_key(key).partition(PATH)[0], case.input.horizon.step_minutes)


def rows_key(key: str) -> str:
    """The part of a key that is the same in all years whose prices alone differ.

    >>> rows_key("m07.02#1$2031")
    'm07.02#1'
    """
    return key.partition(YEAR)[0]


def build_blocks(plant: Plant, keys: Iterable[str]) -> dict[str, Block]:
    """The blocks of some keys, in order; those of years whose prices alone differ have their rows in common."""
    keys = sorted(keys)
    rows = {key: build_block(plant, key) for key in dict.fromkeys(map(rows_key, keys))}
    base = plant.case.input.finance.base_year
    return {
        key: rows[key] if key in rows else rows[rows_key(key)].in_year(key, int(key.partition(YEAR)[2]) - base)
        for key in keys
    }


def build_block(plant: Plant, key: str) -> Block:
    """The block of a key without a year, at the prices of the base year."""
    if PATH in key:
        plant = plant.paths[int(key.partition(PATH)[2])]
    if is_event(key):
        return _event_block(plant, key)
    case = plant.case
    hours = hours_of(case, key)
    heat: dict[str, cooling.Heat] = {}
    builder = BlockBuilder(key, len(hours), hours.weight, plant.links, hours.step_h)
    if case.load_series_mw is not None:
        # Over its peak: sites whose loads differ in size alone have the same block, to the last digit.
        shape = case.load_series_mw[hours.step_of_year] / (plant.load_peak_mw or 1.0)
        builder.draw_link("load_mw", shape.round(12))
    if plant.racks:
        shifts = compute.operate(builder, hours, case.load_shape, plant.racks, case)
        at_power = [(s.more, s.less, "rack_pdu" in s.rack.item.consumes) for s in shifts]
        power.operate(builder, hours, case.load_shape, plant.stages, "pdu_mw", at_power)
        moved = [s.rack for s in shifts]
        heat = heat_of(hours, case.load_shape, plant.rejections, plant.stages, builder.columns, moved)
        cooling.operate(builder, hours, plant.rejections, heat)
    growth = case.input.finance.escalation_fraction_per_year
    grid.operate(builder, hours, case.tariff, plant.import_loss_fraction, case.export_usd_per_mwh, growth)
    called.operate(builder, hours, case, plant.racks, plant.generators, plant.batteries)
    generation.operate(builder, hours, plant.generators)
    if plant.gas is not None:
        gas.operate(builder, hours, plant.gas)
    renewable.operate(builder, hours, plant.renewables)
    held = plant.strikes[hours.step_of_year] if plant.events else None
    battery.operate(builder, hours, plant.batteries, held)
    if plant.smooths:
        battery.smooth(builder, hours)
    caps.operate(builder, hours, plant.caps, heat)
    water.operate(builder, hours, case.input.site.water, plant.rejections, heat)
    if plant.spinning_reserve:
        _spinning_reserve(builder, hours, plant)
    return builder.build()


def _event_block(plant: Plant, key: str) -> Block:
    """The block of an event: load that must be carried, what is left to carry it, and the reserves."""
    case, (event, begin) = plant.case, plant.event(key)
    hours, carried = event.hours(begin), np.where(event.called, event.load_fraction, 1.0)
    builder = BlockBuilder(key, len(hours), hours.weight, plant.links, hours.step_h)
    if case.load_series_mw is not None:
        series = event.load_series(case.load_series_mw)[hours.step_of_year] / (plant.load_peak_mw or 1.0)
        builder.draw_link("load_mw", (carried * series).round(12))
    if plant.racks:
        shape = event.load_shape(case.load_shape, plant.racks).copy()
        shape[hours.step_of_year] *= carried
        builder.draw_link("it_mw", shape[hours.step_of_year])
        power.operate(builder, hours, shape, plant.stages, "pdu_mw")
        heat = heat_of(hours, shape, plant.rejections, plant.stages, builder.columns)
        cooling.operate(builder, hours, plant.rejections, heat)
    left = np.where(event.called, event.grid_fraction_left, 1.0)
    if case.tariff is not None and (event.uncalled or left.any()):
        imported = builder.add("grid_import")
        builder.supply(imported, 1.0 - plant.import_loss_fraction)
        if event.uncalled:
            builder.rows("grid_limit", [(1.0, imported.index)], [(-1.0, "grid_mw")])
            builder.rows("grid_called", [(1.0, imported.index)], [(-left, "grid_mw"), (left - 1.0, called.UNCALLED)])
        else:
            builder.rows("grid_limit", [(1.0, imported.index)], [(-left, "grid_mw")])
    if plant.standby and event.standby:
        standby = builder.add("standby_generation")
        builder.supply(standby)
        builder.rows("standby_capacity", [(1.0, standby.index)], [(-1.0, "standby_mw")])
    generation.ride(builder, hours, plant.generators, event.lost, event.late)
    if plant.gas is not None:
        gas.ride(builder, plant.gas)
    if event.still is None:
        renewable.operate(builder, hours, plant.renewables)
    battery.ride(builder, hours, plant.batteries)
    return builder.build()


def _spinning_reserve(builder: BlockBuilder, hours: Hours, plant: Plant) -> None:
    """spinning_reserve[t]: unused grid + unused site rating >= largest unit, less what batteries cover.

    Of a committed item, only the rating of what is online can step in.
    """
    at = hours.hour_of_year
    short = builder.add("shortage_reserve", shortage=True)
    terms: list[tuple[Array | float, NDArray[np.int64]]] = [(-1.0, short.index)]
    links: list[tuple[Array | float, str]] = [(1.0, "reserve_mw")]
    if plant.case.tariff is not None:
        terms.append((1.0, builder.columns("grid_import").index))
        links.append((-1.0, "grid_mw"))
    for machine in plant.generators:
        terms.append((1.0, builder.columns(machine.key).index))
        if machine.committed:
            terms.append((-machine.capacity_fraction[at], builder.columns(machine.online).index))
        else:
            links.append((-machine.capacity_fraction[at], machine.key))
    builder.rows("spinning_reserve", terms, links)


def _aux_fraction(case: Case, stage: str) -> float:
    """Electrical draw of a cooling stage over the heat it moves, worst of its items."""
    fractions = [
        i.get("auxiliary_power_kw", 0.0) / i.get("cooling_capacity_kw", i.rating[0] if i.rating else 1.0)
        for i in power.stage_items(case, stage)
    ]
    return max(fractions, default=0.0)
