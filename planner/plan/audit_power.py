"""Audit of operation: every hour of the dispatch, batteries over the year, and the bill of every month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

from planner.case.case import Case
from planner.case.item import Item
from planner.case.resource import solar_output_fraction, wind_output_fraction
from planner.case.tariff import monthly_bill
from planner.case.weather import Weather
from planner.plan.audit_base import Array, Checks, Tables, says
from planner.plan.audit_calendar import Steps, steps_of
from planner.plan.audit_fade import left_mwh
from planner.plan.audit_gates import may_fire
from planner.plan.audit_generation import audit_generation, committed, generation_lines
from planner.plan.audit_grid import audit_export, ratchets_mw
from planner.plan.audit_heat import audit_heat, rejection_mw
from planner.plan.audit_loads import IN_THE_ROOM, Site
from planner.plan.audit_money import Key, middle
from planner.plan.audit_permits import permit_lines
from planner.plan.audit_physics import dearer
from planner.plan.audit_shift import audit_shift, moved_mw, overstated_loss_mw
from planner.plan.audit_site import FLOW, LOOPS, Rack, periods_of
from planner.plan.audit_water import water_usd
from planner.units import HOURS_PER_YEAR

LOSS_TOLERANCE = 2e-4  # of the load: the model's losses lie on tangents of the square
# Of the full-load square loss, times the square of the hour's draw over its mean: tangents of the mean throughput, 0.05
# of the rating apart, lie at most (0.05 / 2)^2 of it below its square.
SQUARE_TOLERANCE = 6.25e-4
BOTH_WAYS = 1e-4  # of battery throughput that may charge and discharge in one hour
_MW = 1e-6
PLAIN_COLUMNS = {
    "period",
    "phase",
    "hour_of_year",
    "minute",
    "weight_h",
    "facility_load_mw",
    "it_mw",
    "room_losses_mw",
    "liquid_heat_mw",
    "air_heat_mw",
    "makeup_m3_per_h",
    "heat_rejection_mw",
    "losses_and_fans_mw",
    "site_load_mw",
    "grid_import_mw",
    "grid_export_mw",
}


@dataclass(frozen=True)
class Month:
    """One month of the dispatch: its hours as they must be, and its rows."""

    p: int  # period whose units stand
    place: int  # of the month in its period, from 0; -1 in the build
    start: date
    days: tuple[date, ...]  # first days of every month it stands for: itself, or one a year where years repeat
    hours: Steps
    rows: pd.DataFrame

    @property
    def year(self) -> int:
        """Which of its period's years it is in."""
        return max(self.place, 0) // 12

    def flow(self, name: str) -> Array:
        """A column by hour; zero where the plan has none."""
        if name not in self.rows:
            return np.zeros(len(self.rows))
        values: Array = self.rows[name].fillna(0.0).to_numpy(np.float64)
        return values

    def where(self, what: str) -> Callable[[int], str]:
        """Tells an hour of this month."""
        at, minute = self.hours.shown_hour, self.hours.minute
        return lambda t: f"{what} {self.start} hour of year {at[t]}" + (f" minute {minute[t]}" if minute[t] else "")


def audit_power(
    checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month], brought: dict[str, list[float]]
) -> dict[Key, float]:
    """Check the dispatch; returns the operating ledger lines it gives.

    brought: by battery and period, energy that new units arrive with. [MWh]
    """
    _columns(checks, case, tables, site)
    sources = _Sources(case, site)
    bills: defaultdict[Key, float] = defaultdict(float)
    peaks = [(m.days, float(m.flow("grid_import_mw").max())) for m in months]
    for month, ratchet_mw in zip(months, ratchets_mw(case, peaks), strict=True):
        _balance(checks, case, site, month)
        sources.check(checks, month)
        audit_heat(checks, site, month, _room_losses_mw(site, month))
        _shed(checks, case, site, month)
        audit_shift(checks, case, site, month)
        _bill(case, site, month, ratchet_mw, bills)
    for battery in site.family_items("battery"):
        left = [left_mwh(case, tables, site, battery, m.p, max(m.days)) for m in months]
        _battery(checks, site, months, battery, brought[battery.id], left)
    return dict(bills)


def months_of(checks: Checks, case: Case, tables: Tables, site: Site) -> list[Month]:
    """The months of the dispatch with all their hours; months with wrong hours are reported and left out."""
    found, rows_used = [], 0
    groups = {
        key: rows.reset_index(drop=True) for key, rows in tables.dispatch.groupby(["phase", "period"], sort=False)
    }
    for p, place, days in _month_places(case):
        start = days[0]
        phase = "build" if place < 0 else "operating year" if p == site.last else "expansion year"
        hours = steps_of(case, start)
        rows = groups.get((phase, start))
        complete = (
            rows is not None
            and len(rows) == len(hours)
            and bool(
                (rows.hour_of_year.to_numpy() == hours.shown_hour).all()
                and (rows.minute.to_numpy() == hours.minute).all()
                and np.allclose(rows.weight_h.to_numpy(), hours.weight, rtol=1e-9)
            )
        )
        checks.true("hours complete", complete, f"{phase} {start}: must hold its {len(hours)} steps once, in order")
        if rows is not None and complete:
            rows_used += len(rows)
            found.append(Month(p, place, start, days, hours, rows))
    if all(check.ok for check in checks.results() if check.name == "hours complete"):
        checks.true("hours complete", rows_used == len(tables.dispatch), "dispatch has rows of no month")
    if not case.input.horizon.sample_days_per_month:
        for p in sorted({m.p for m in found if m.place >= 0} | {site.last}):
            total = round(sum(m.hours.step_h * len(m.rows) for m in found if m.p == p))
            once = p < site.last or case.timeline.repeats_year
            want = HOURS_PER_YEAR * (1 if once else case.input.horizon.operating_years)
            if case.input.horizon.calendar == "actual":
                want = 24 * ([*site.starts, case.timeline.end][p + 1] - site.starts[p]).days
            checks.true("hours complete", total == want, f"the year {site.starts[p]} has {total} hours")
    return found


def _month_places(case: Case) -> Iterator[tuple[int, int, tuple[date, ...]]]:
    """(period, place in its year or -1, first days of the months operated alike) of all that is operated."""
    for p, days in enumerate(periods_of(case)):
        if len(days) == 1:
            yield p, -1, tuple(days)
        elif case.timeline.repeats_year:
            yield from ((p, k, tuple(days[k::12])) for k in range(12))
        else:
            yield from ((p, k, (day,)) for k, day in enumerate(days))


def _columns(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every column is a flow of an item of the case; none is negative."""
    known = set(PLAIN_COLUMNS)
    machines = site.family_items("generation")
    known |= {f"generation:{i.id}_mw" for i in machines}
    known |= {f"{kind}:{i.id}_units" for i in machines if committed(case, site, i) for kind in ("online", "started")}
    known |= {f"renewable:{i.id}_mw" for i in site.family_items("renewable")}
    for item in site.family_items("battery"):
        known |= {f"charge:{item.id}_mw", f"discharge:{item.id}_mw", f"soc:{item.id}_mwh"}
    for kind in ("shed", "shift_up", "shift_down"):
        known |= {f"compute_{kind}:{r.item.id}_mw" for r in site.racks}
    known |= {f"heat_rejected:{loop}:{r.item.id}_mw" for loop in LOOPS for r in site.rejectors[loop]}
    strange = sorted(set(tables.dispatch.columns) - known)
    checks.true("dispatch columns", not strange, f"no item of the case has the flows {strange[:3]}")
    for name in sorted(set(tables.dispatch.columns) - {"period", "phase", "losses_and_fans_mw"}):
        values = tables.dispatch[name].to_numpy(np.float64)
        low = float(np.nan_to_num(values).min(initial=0.0))
        checks.add("flows not negative", "MW, MWh or units", [low + _MW], says(f"{name} falls to {low:.6g}"))


# -- load and losses ---------------------------------------------------------------------------------------


def it_mean_mw(site: Site, p: int) -> float:
    """Mean draw of the racks that run."""
    return float(site.sum_racks({r.item.id: r.mean_mw for r in site.racks})[p])


def losses_mw(site: Site, p: int, shape: Array, month: Month | None = None, *, room: bool = False) -> Array:
    """Constant draws, and proportional and square losses of every stage as they are. [MW by hour]

    room: losses of the stages in the room alone, without what fans and pumps draw.
    """
    constant = sum(site.no_load_mw(s, p) for s in (IN_THE_ROOM if room else (*FLOW, "main_transformer")))
    constant += (
        0.0
        if room
        else sum(site.auxiliary_mw(s, p) for s in ("cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air"))
    )
    constant += 0.0 if room else site.kept.loss_mw(p)
    total = np.full(len(shape), float(constant))
    on_pdu = float(site.sum_racks({r.item.id: r.mean_mw for r in site.racks if r.uses("rack_pdu")})[p])
    for stage in site.losses:
        if room and stage.stage not in IN_THE_ROOM:
            continue
        pdu = stage.stage == "rack_pdu"
        drawn = shape * (on_pdu if pdu else it_mean_mw(site, p))
        if month is not None:
            drawn = drawn + moved_mw(site, month, pdu_only=pdu)
        through = stage.multiple * drawn
        rated = site.rated_mw(stage.stage, p, loaded=True)
        total += stage.proportional * through
        if rated > 0:
            total += stage.square * through**2 / rated
    return total


def _room_losses_mw(site: Site, month: Month) -> tuple[Array, Array]:
    """(least, most) losses of the stages in the room: as they are, less what tangents may miss, and as charged."""
    at = month.hours.step_of_year
    shape = site.case.load_shape[at]
    exact = losses_mw(site, month.p, shape, month, room=True)
    below = sum(s.square * site.rated_mw(s.stage, month.p) for s in site.losses if s.stage in IN_THE_ROOM)
    return exact - SQUARE_TOLERANCE * shape**2 * below, exact + overstated_loss_mw(site, month, IN_THE_ROOM)


def _balance(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """Sources less charging equal IT, losses and cooling in every hour; derived columns say the same."""
    at = month.hours.hour_of_year
    imported_loss = month.flow("grid_import_mw") * site.import_loss
    exported = month.flow("grid_export_mw")
    exported_loss = exported / (1.0 - site.import_loss) - exported
    supply = month.flow("grid_import_mw") - imported_loss - exported - exported_loss
    for name in month.rows.columns:
        kind = name.split(":")[0]
        if kind in ("generation", "renewable", "discharge", "compute_shed"):
            supply = supply + month.flow(name)
        elif kind == "charge":
            supply = supply - month.flow(name)
    load = np.zeros(len(at))
    if case.load_series_mw is not None:
        series = site.load_by_step(month.p)[month.hours.step_of_year]
        load = load + series
        checks.equal(
            "load by hour",
            "MW",
            month.flow("facility_load_mw"),
            series,
            _MW * (1.0 + series),
            month.where("facility_load_mw"),
        )
    if site.racks:
        shape = case.load_shape[month.hours.step_of_year]
        it = shape * it_mean_mw(site, month.p) + float(site.network_mw[month.p]) + moved_mw(site, month)
        cooling = rejection_mw(site, month)
        load = load + it + losses_mw(site, month.p, shape, month) + cooling
        checks.equal("load by hour", "MW", month.flow("it_mw"), it, _MW * (1.0 + it), month.where("it_mw"))
        checks.equal(
            "cooling power",
            "MW",
            month.flow("heat_rejection_mw"),
            cooling,
            _MW * (1.0 + cooling),
            month.where("heat_rejection_mw"),
        )
        rest = supply + imported_loss + exported_loss - it - cooling
        checks.equal(
            "load by hour",
            "MW",
            month.flow("losses_and_fans_mw"),
            rest,
            5e-6 * (1.0 + it),
            month.where("losses_and_fans_mw"),
        )
    # Equipment far above its load, as in a plan stopped before its cost was looked at, lies low on the square.
    square = SQUARE_TOLERANCE * sum(stage.square * site.rated_mw(stage.stage, month.p) for stage in site.losses)
    square = square * site.case.load_shape[month.hours.step_of_year] ** 2 if site.losses else 0.0
    most, tolerance = load + overstated_loss_mw(site, month), LOSS_TOLERANCE * load + square + 1e-5
    checks.between("power balance", "MW", supply, load, most, tolerance, month.where("sources"))
    checks.equal(
        "load by hour",
        "MW",
        month.flow("site_load_mw"),
        supply + imported_loss + exported_loss,
        _MW * (1.0 + np.abs(supply)),
        month.where("site_load_mw"),
    )


def _shed(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """Compute shed within the fraction the case allows, none where it allows none."""
    shed = case.input.workload.shed if case.input.workload is not None else None
    shape = case.load_shape[month.hours.step_of_year]
    for rack in site.racks:
        most = (shed.fraction if shed is not None else 0.0) * shape * rack.mean_mw * float(site.runs(rack)[month.p])
        checks.at_most(
            "compute shed",
            "MW",
            month.flow(f"compute_shed:{rack.item.id}_mw"),
            most,
            _MW * (1.0 + most),
            month.where(f"shed {rack.item.id}"),
        )


# -- sources -----------------------------------------------------------------------------------------------


class _Sources:
    """Hourly limits of what feeds the site; weather is worked out once."""

    def __init__(self, case: Case, site: Site) -> None:
        self.case, self.site = case, site
        self.machines = site.family_items("generation")
        ratios = {i.id: i.dc_ac_ratio.planning if i.dc_ac_ratio else None for i in site.family_items("renewable")}
        self.renewables = [(case.catalog[i], _output(case.weather, ratio)) for i, ratio in ratios.items()]
        scheme = case.stage_redundancy("onsite_generation")
        self.reserve = scheme is not None and scheme.spinning_reserve == "largest_unit" and bool(self.machines)

    def check(self, checks: Checks, month: Month) -> None:
        """Import, generation, renewables and reserve of a month."""
        site, p, at = self.site, month.p, month.hours.hour_of_year
        imported = month.flow("grid_import_mw")
        grid = float(site.grid_mw[p]) if self.case.tariff is not None else 0.0
        checks.at_most("import limit", "MW", imported, grid, _MW * (1.0 + grid), month.where("import"))
        audit_export(checks, self.case, imported, month.flow("grid_export_mw"), grid, month.where)
        room = grid - imported
        for item in self.machines:
            room = room + audit_generation(checks, self.case, site, month, item)
        for item, fraction in self.renewables:
            name = f"renewable:{item.id}_mw"
            able = fraction[at] * item.get("nameplate_power_mw") * float(site.of_item(item.id)[p])
            checks.at_most("renewable output", "MW", month.flow(name), able, _MW * (1.0 + able), month.where(name))
        if self.reserve:
            standing = [mw for i, mw in site.firm_unit_mw.items() if site.of_item(i, "generation")[p] > 0.5]
            covered = sum(site.kept.of(i.id, p).spinning_mw for i in site.family_items("battery"))
            largest = max(max(standing, default=0.0) * may_fire(self.case, site.starts[p]) - covered, 0.0)
            checks.at_most("spinning reserve", "MW", -room, -largest, _MW * (1.0 + largest), month.where("room"))


@lru_cache(maxsize=16)
def _output(weather: Weather, dc_ac_ratio: float | None) -> Array:
    """Hourly output over nameplate of solar, or of wind where there is no DC/AC ratio."""
    if dc_ac_ratio is None:
        return wind_output_fraction(weather)
    return solar_output_fraction(weather, dc_ac_ratio=dc_ac_ratio)


def _battery(
    checks: Checks, site: Site, months: list[Month], item: Item, brought: list[float], left: list[float]
) -> None:
    """Power, energy and state of charge: build months from empty, then a circle over every year.

    brought: energy that new units arrive with, by period. left: what the units may hold, by month. [MWh]
    """
    one_way = item.get("round_trip_efficiency_fraction") ** 0.5
    power = item.get("nameplate_power_mw")
    year_end = {m.p: float(m.flow(f"soc:{item.id}_mwh")[-1]) for m in months}  # the last month of each period
    before, built, throughput, both = 0.0, 0.0, 0.0, 0.0
    for month, energy in zip(months, left, strict=True):
        charge, discharge, soc = (
            month.flow(f"{k}:{item.id}_{u}") for k, u in (("charge", "mw"), ("discharge", "mw"), ("soc", "mwh"))
        )
        n, kept = float(site.of_item(item.id)[month.p]), site.kept.of(item.id, month.p)
        text = f"{item.id} {month.start}"
        able = power * n - kept.power_mw
        checks.at_most("battery power", "MW", charge + discharge, able, _MW * (1.0 + power * n), month.where(item.id))
        energy -= kept.down_mwh
        short = kept.up_mwh - soc
        checks.at_most("battery keeps energy", "MWh", short, 0.0, _MW * (1.0 + energy), month.where(item.id))
        checks.at_most("battery energy", "MWh", soc, energy, _MW * (1.0 + energy), month.where(item.id))
        if month.place == 0:
            built = before + brought[month.p]
            before = year_end[month.p]
            checks.at_most(
                "battery starts from what was charged",
                "MWh",
                before,
                built,
                1e-4 * (1.0 + energy),
                says(f"{text}: charge at the start of the year"),
            )
        elif month.place < 0:
            before += brought[month.p]
        checks.at_most(
            "battery energy", "MWh", before, energy, 1e-4 * (1.0 + energy), says(f"{text}: charge before it")
        )
        previous = np.concatenate([[before], soc[:-1]])
        want = previous + (one_way * charge - discharge / one_way) * month.hours.step_h
        checks.equal("battery state of charge", "MWh", soc, want, 1e-6 * (10.0 + energy), month.where(item.id))
        before = float(soc[-1])
        throughput += float((charge + discharge).sum()) * month.hours.step_h
        both += float(np.minimum(charge, discharge).sum()) * month.hours.step_h
    checks.at_most(
        "battery one way at a time",
        "MWh",
        both,
        BOTH_WAYS * throughput,
        1e-3,
        lambda _: f"{item.id}: charged and discharged in one hour",
    )


# -- bill --------------------------------------------------------------------------------------------------


def _bill(case: Case, site: Site, month: Month, ratchet_mw: float, bills: defaultdict[Key, float]) -> None:
    """Operating lines of a month, put on the day each of its bills is paid, at the prices of that year."""
    for day in month.days:
        for line, usd in _month_lines(case, site, month, ratchet_mw, day.year).items():
            bills[middle(day), line, "operation"] += usd


def _month_lines(case: Case, site: Site, month: Month, ratchet_mw: float, year: int) -> dict[str, float]:
    lines: defaultdict[str, float] = defaultdict(float)
    hours, weight = month.hours, month.hours.weight
    if case.tariff is not None:
        bill = monthly_bill(
            case.tariff,
            hours.month,
            hours.hour_of_day,
            hours.is_weekend,
            month.flow("grid_import_mw"),
            hours_per_step=weight,
            contract_mw=site.grid_step(month.p)[1],
            hour_of_year=hours.hour_of_year,
            ratchet_mw=ratchet_mw,
        )
        if case.export_usd_per_mwh is not None:
            earned = case.export_usd_per_mwh[hours.hour_of_year] @ month.flow("grid_export_mw")
            lines["export receipts"] -= float(earned) * weight * dearer(case, "export", year)
        capacity = dearer(case, "demand", year)
        lines["energy"] = bill["energy"] * dearer(case, "energy", year)
        lines["demand charge"] = (bill["demand"] + bill["minimum_take"] + bill["ratchet"]) * capacity
        lines["coincident peak charge"] = bill["coincident"] * capacity
        lines["time-of-use demand charge"] = bill["tou_demand"] * capacity
    for line, usd in (*generation_lines(case, site, month).items(), *permit_lines(case, site, month, year).items()):
        lines[line] += usd
    lines["water"] = water_usd(case, site, month)
    for item in site.family_items("battery"):
        mwh = float(month.flow(f"discharge:{item.id}_mw").sum()) * weight
        lines["battery wear"] += item.get("wear_cost_usd_per_mwh", 0.0) * mwh
    lines["battery wear"] += site.kept.wear_usd_per_h(month.p) * weight * len(hours)
    for rack in site.racks:
        lines["shed compute (value, not paid)"] += (
            _shed_usd_per_mwh(case, rack) * weight * float(month.flow(f"compute_shed:{rack.item.id}_mw").sum())
        )
    return dict(lines)


def _shed_usd_per_mwh(case: Case, rack: Rack) -> float:
    shed = case.input.workload.shed if case.input.workload is not None else None
    return shed.usd_per_gpu_hour * rack.gpus / rack.mean_mw if shed is not None else 0.0
