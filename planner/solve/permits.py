"""What a plan's permits come to, as tables: potential to emit by item, and gas by month."""

from __future__ import annotations

import pandas as pd

from planner.families.generation import firm_of, heat_rate_mmbtu_hhv_per_mwh, incremental_mmbtu_hhv_per_mwh
from planner.families.generation import no_load_mmbtu_hhv_per_mwh as no_load
from planner.operation.gas import HOURS_PER_DAY, gas_of
from planner.solve.reading import Reading, value
from planner.solve.roles import on_duty
from planner.units import HOURS_PER_YEAR, KG_PER_SHORT_TON

MWH_PER_GWH = 1000.0


def air_permit_table(read: Reading, _: pd.DataFrame) -> pd.DataFrame:
    """By period, item and pollutant: the energy it could make in a year, and what that would emit.

    permitted_mwh_per_year is the enforceable cap of the plan, or nameplate x hours where it takes none.
    """
    permit = read.case.input.site.air_permit
    rows = []
    for p, start in enumerate(read.starts[: read.last + 1]) if permit is not None else ():
        assert permit is not None
        if permit.from_ > start:
            continue
        for o in (o for o in read.sizing.options if not o.reuses):
            standby = "standby_generation" in o.supplies
            if not (standby or o.item.family == "generation"):
                continue
            units = read.units(o, p)
            emergency = standby and o.item.permit_class == "emergency"
            hours = permit.emergency_hours_per_year if emergency else float(HOURS_PER_YEAR)
            mwh = hours * units * o.item.get("nameplate_power_mw")
            if permit.enforceable_cap != "none" and not standby:
                mwh = MWH_PER_GWH * value(read.model.permitted[o.item.id, p])
            if not units and mwh < 1e-6:  # what has gone back still counts in the 12 months it ran in
                continue
            for pollutant, tons in permit.limits.items():
                emitted = o.item.get(f"{pollutant}_kg_per_mwh") * mwh / KG_PER_SHORT_TON
                rows.append(
                    (start, o.item.id, "standby" if standby else "normal", pollutant, units, mwh, emitted, tons)
                )
    columns = ["period", "item", "use", "pollutant", "units", "permitted_mwh_per_year"]
    return pd.DataFrame(rows, columns=[*columns, "potential_short_tons_per_year", "permit_short_tons_per_year"])


def gas_table(read: Reading, dispatch: pd.DataFrame) -> pd.DataFrame:
    """By month of the dispatch: gas burnt, its highest day and hour, and what the take leaves unburnt."""
    case = read.case
    gas = gas_of(case, read.sizing.plant.generators)
    if gas is None:
        return pd.DataFrame()
    step_h = case.input.horizon.step_minutes / 60.0
    burnt = sum(
        dispatch[name].fillna(0.0) * each
        for g in gas.burners
        for name, each in {
            f"{g.key}_mw": incremental_mmbtu_hhv_per_mwh(g.item),
            f"{g.online}_units": no_load(g.item) * g.nameplate_mw,
            f"{g.started}_units": g.item.get("start_fuel_mmbtu_hhv", 0.0) / step_h,
        }.items()
        if name in dispatch
    )
    day = dispatch.hour_of_year // HOURS_PER_DAY
    frame = dispatch[[c for c in ("scenario", "period", "phase", "weight_h") if c in dispatch]].assign(
        day=day, mmbtu_per_h=burnt
    )
    frame["mmbtu"] = frame.mmbtu_per_h * step_h
    frame["all"] = frame.mmbtu_per_h * frame.weight_h
    keys = [c for c in ("scenario", "period", "phase") if c in frame]
    days = frame.groupby([*keys, "day"], sort=False).mmbtu.sum().groupby(keys, sort=False).max()
    months = frame.groupby(keys, sort=False)
    table = pd.DataFrame(
        {
            "burnt_mmbtu_hhv": months["all"].sum(),
            "highest_day_mmbtu_hhv": days,
            "highest_hour_mmbtu_hhv": months.mmbtu_per_h.max(),
        }
    ).reset_index()
    table["supply_mmbtu_hhv_per_day"] = [
        gas.supply.mmbtu_hhv_per_day if gas.supply.from_ <= start else 0.0 for start in table.period
    ]
    return table[["period", *[c for c in table.columns if c != "period"]]]


def firm_generation_mw(read: Reading, p: int) -> float:
    """Generation that may fire and be fed, at the hottest hour and with its largest units out. [MW]"""
    scheme = read.case.stage_redundancy("onsite_generation")
    spares = scheme.spares if scheme is not None else 0
    plant = read.sizing.plant
    permit = read.case.input.site.air_permit
    if permit is not None and permit.from_ > read.starts[p]:
        return 0.0
    gas = plant.gas
    fuel = 0.0
    if gas is not None and gas.supply.firm and gas.supply.from_ <= read.starts[p]:
        fuel = gas.supply.mmbtu_hhv_per_day / HOURS_PER_DAY
    fed = gas.burners if gas is not None else ()
    standing = {g.item.id: g.firm_mw * on_duty(read, g.item.id, p) for g in plant.generators}
    least = sum(standing.values())
    for lost in [g for g in plant.generators if standing[g.item.id] > 0]:
        left, burning = 0.0, fuel
        for g in sorted(plant.generators, key=lambda g: heat_rate_mmbtu_hhv_per_mwh(g.item)):
            able = standing[g.item.id] - (spares * g.firm_mw if g is lost else 0.0)
            if g in fed and able > 0:
                rate = heat_rate_mmbtu_hhv_per_mwh(g.item)
                able = min(able, burning / rate)
                burning -= rate * able
            left += able
        least = min(least, left)
    largest = max((g.firm_mw for g in plant.generators if standing[g.item.id] > 0), default=0.0)
    island_mw = scheme.group_mw if scheme is not None else None
    return min(max(0.0, least), firm_of(sum(standing.values()), largest, spares, island_mw))
