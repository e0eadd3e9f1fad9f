"""The site as operating blocks: every family's terms put into one linear program per calendar month.

A block is known by its key, "m01" to "m12"; the same key is the same block in every period. Events have blocks
of their own (`events`). Blocks of a scenario end in "#" and its number, "m01#2"; scenarios alike share theirs.

The reading order of `build_block` is the order of the flow: load, losses, cooling, sources, storage, bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from planner.algebra import Block, BlockBuilder
from planner.case.case import Case
from planner.families import battery, compute, cooling, generation, grid, power, renewable
from planner.operation.events import AT, Event, events_of, is_event, lost_of, strikes
from planner.timeline import Hours, block_hours

Array = NDArray[np.float64]
PATH = "#"  # between a block's key and the number of its path


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
    events: tuple[Event, ...]

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
    def links(self) -> tuple[str, ...]:
        """Components of the linking vector, in order."""
        names = ["one", "grid_mw", "contract_mw"]
        names += ["load_scale"] if self.case.load_series_mw is not None else []
        if self.racks:
            names += ["it_mw", "standing_mw", *[r.key for r in self.racks]]
            names += ["pdu_mw"] if self.has_pdu else []
            names += [f"rated:{s.name}" for s in self.stages if s.square > 0]
        for loop in cooling.LOOPS:
            options = [r for r in self.rejections if r.loop == loop]
            names += [f"heat:{loop}"] if options else []
            names += [r.key for r in options] if len(options) > 1 else []
        names += [g.key for g in self.generators] + [r.key for r in self.renewables]
        for store in self.batteries:
            names += [store.key, store.soc_start, store.soc_end]
            names += [store.reserve] if self.events else []
        names += [lost_of(g) for g in self.generators if any(e.lost == lost_of(g) for e in self.events)]
        names += ["standby_mw"] if self.standby else []
        return tuple(names + (["reserve_mw"] if self.spinning_reserve else []))

    @cached_property
    def paths(self) -> tuple[Plant, ...]:
        """The plant on every path of the case."""
        return tuple(plant_of(path.case) for path in self.case.scenarios) or (self,)

    @cached_property
    def standby(self) -> bool:
        """Whether standby generators run in some event."""
        built = self.case.redundancy.get("standby_generation") is not None
        return built and any(event.standby for event in self.events)

    @cached_property
    def strikes(self) -> NDArray[np.bool_]:
        """Hours of the year at whose start an event may begin, so that batteries hold their reserves."""
        return strikes(self.events)

    def event(self, key: str) -> tuple[Event, int]:
        """The event of a block's key, and the hour of the year it begins."""
        name, _, hour = key.rpartition(AT)
        return next(event for event in self.events if event.name == name), int(hour)

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """Links that belong to a state alone, not to its whole period: charge at the edges of its block."""
        return tuple(name for store in self.batteries for name in (store.soc_start, store.soc_end))


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
    machines, sources = generation.generators(case), renewable.renewables(case)
    return Plant(
        case,
        racks,
        rejections,
        machines,
        sources,
        battery.batteries(case),
        stages,
        main_transformer_loss(case),
        fans,
        events_of(case, machines, [source.output_fraction for source in sources]),
    )


def main_transformer_loss(case: Case) -> float:
    """Load loss of the main transformers over the import, at full load; 0 without a substation."""
    if not any(step.via == "substation" for step in case.input.site.grid.interconnection):
        return 0.0
    items = power.stage_items(case, "main_transformer")
    return max(
        (i.get("loss_proportional_fraction", 0.0) + i.get("loss_square_fraction", 0.0) for i in items), default=0.0
    )


def block_key(day: date, path: int | None = None) -> str:
    """Key of the block that operates the month of a day, on a path where the case has several.

    >>> block_key(date(2027, 7, 1)), block_key(date(2027, 7, 1), 2)
    ('m07', 'm07#2')
    """
    return f"m{day.month:02d}" if path is None else f"m{day.month:02d}{PATH}{path}"


def shared_paths(case: Case) -> list[int | None]:
    """For every path of a case, the first path that operates alike; None where there are no scenarios."""
    given = case.input.scenarios
    alike = [(s.weather, s.energy_price_factor, s.fuel_price_factor, s.load_factor) for s in given]
    return [alike.index(what) for what in alike] or [None]


def hours_of(case: Case, key: str) -> Hours:
    """Hours of a block, on the calendar of the first operating year."""
    return block_hours(
        int(key.partition(PATH)[0][1:]) - 1, case.timeline.starts[-1].year, case.input.horizon.sample_days_per_month
    )


def build_block(plant: Plant, key: str) -> Block:
    """The block of a key."""
    if is_event(key):
        return _event_block(plant, key)
    if PATH in key:
        plant = plant.paths[int(key.partition(PATH)[2])]
    case = plant.case
    hours = hours_of(case, key)
    builder = BlockBuilder(key, len(hours), hours.weight, plant.links)
    if case.load_series_mw is not None:
        builder.draw_link("load_scale", case.load_series_mw[hours.hour_of_year])
    if plant.racks:
        compute.operate(builder, hours, case.load_shape, plant.racks, case)
        power.operate(builder, hours, case.load_shape, plant.stages, "pdu_mw")
        cooling.operate(builder, hours, case.load_shape, plant.rejections)
    grid.operate(builder, hours, case.tariff, plant.import_loss_fraction)
    generation.operate(builder, hours, plant.generators)
    renewable.operate(builder, hours, plant.renewables)
    held = plant.strikes[hours.hour_of_year] if plant.events else None
    battery.operate(builder, hours, plant.batteries, held)
    if plant.spinning_reserve:
        _spinning_reserve(builder, hours, plant)
    return builder.build()


def _event_block(plant: Plant, key: str) -> Block:
    """The block of an event: load that must be carried, what is left to carry it, and the reserves."""
    case, (event, begin) = plant.case, plant.event(key)
    hours = event.hours(begin)
    builder = BlockBuilder(key, len(hours), 1.0, plant.links)
    if case.load_series_mw is not None:
        builder.draw_link("load_scale", event.load_series(case.load_series_mw)[hours.hour_of_year])
    if plant.racks:
        shape = event.load_shape(case.load_shape, plant.racks)
        builder.draw_link("it_mw", shape[hours.hour_of_year])
        power.operate(builder, hours, shape, plant.stages, "pdu_mw")
        cooling.operate(builder, hours, shape, plant.rejections)
    if case.tariff is not None and event.grid_fraction_left > 0:
        imported = builder.add("grid_import")
        builder.supply(imported, 1.0 - plant.import_loss_fraction)
        builder.rows("grid_limit", [(1.0, imported.index)], [(-event.grid_fraction_left, "grid_mw")])
    if plant.standby and event.standby:
        standby = builder.add("standby_generation")
        builder.supply(standby)
        builder.rows("standby_capacity", [(1.0, standby.index)], [(-1.0, "standby_mw")])
    generation.ride(builder, hours, plant.generators, event.lost)
    if event.still is None:
        renewable.operate(builder, hours, plant.renewables)
    battery.ride(builder, plant.batteries)
    return builder.build()


def _spinning_reserve(builder: BlockBuilder, hours: Hours, plant: Plant) -> None:
    """spinning_reserve[t]: unused grid + unused site rating >= largest unit. Batteries are not counted yet."""
    at = hours.hour_of_year
    short = builder.add("shortage_reserve", shortage=True)
    terms: list[tuple[Array | float, NDArray[np.int64]]] = [(-1.0, short.index)]
    links: list[tuple[Array | float, str]] = [(1.0, "reserve_mw")]
    if plant.case.tariff is not None:
        terms.append((1.0, builder.columns("grid_import").index))
        links.append((-1.0, "grid_mw"))
    for machine in plant.generators:
        terms.append((1.0, builder.columns(machine.key).index))
        links.append((-machine.capacity_fraction[at], machine.key))
    builder.rows("spinning_reserve", terms, links)


def _aux_fraction(case: Case, stage: str) -> float:
    """Electrical draw of a cooling stage over the heat it moves, worst of its items."""
    fractions = [
        i.get("auxiliary_power_kw", 0.0) / i.get("cooling_capacity_kw", i.rating[0] if i.rating else 1.0)
        for i in power.stage_items(case, stage)
    ]
    return max(fractions, default=0.0)
