"""Audit of the build: orders and their dates, installed units, stages, firm source, milestones, areas."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date

import numpy as np

from planner.case.case import Case, quarter_bounds
from planner.case.catalog import STAGES, Item
from planner.case.schema import Milestone
from planner.plan.audit_base import Array, Checks, Tables, as_date, first_start
from planner.plan.audit_site import FUELLED, LOOPS, Site
from planner.timeline import add_weeks

OUTDOORS = ("heat_rejection", "generation", "battery", "mv_lv_transformer", "main_transformer", "hv_substation",
            "mv_switchgear", "battery_transformer", "standby_generation")  # fmt: skip
STAGE_UNITS = {"white_space": "m2", "network": "GPU ports", "rack_space": "racks"}
_MW = 1e-6


def audit_build(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Everything about units, months and positions."""
    _known(checks, case, tables)
    _orders(checks, case, tables, site)
    _supply(checks, case, tables)
    _installed(checks, case, tables, site)
    _running(checks, case, tables, site)
    _stages(checks, tables, site)
    _capacity_table(checks, case, tables, site)
    _firm_source(checks, case, site)
    _commissioning(checks, case, site)
    _milestones(checks, case, tables, site)
    _areas(checks, case, site)


def _known(checks: Checks, case: Case, tables: Tables) -> None:
    """Items are in the catalog, may be bought, and stand where such an item can."""
    offered = {i for ids in case.candidates.values() for i in ids}
    bought = {c.item for c in case.input.committed}
    margins, names = [], []
    for table, allowed in ((tables.orders, offered), (tables.installed, offered | bought)):
        for item, position in sorted(set(zip(table["item"], table.position, strict=True))):
            fits = item in case.catalog and item in allowed and _fits(case.catalog[item], position)
            margins.append(0.0 if fits else -1.0)
            names.append(f"{item} may not be ordered or may not stand as {position}")
    checks.add("items and positions", "", margins, lambda i: names[i])
    wanted = [start for start in case.timeline.starts]
    checks.true("periods", list(tables.capacity.period) == wanted, "capacity must hold every period once, in order")
    for name, frame in (("installed", tables.installed), ("stages", tables.stages)):
        strange = sorted(set(frame.period) - set(wanted))
        checks.true("periods", not strange, f"{name} has months outside the calendar: {strange[:3]}")


def _fits(item: Item, position: str) -> bool:
    if position == item.family and item.family in ("compute", *FUELLED):
        return item.family != "compute" or not set(item.brings) - set(FUELLED)
    for part in position.split("+"):
        stage, _, loop = part.partition(":")
        if part == "battery_transformer":
            stage = "mv_lv_transformer"
        elif part == "standby_generation":
            stage = "generation"
        if stage not in item.brings or stage not in STAGES or (loop and loop not in LOOPS):
            return False
    return True


# -- dates -------------------------------------------------------------------------------------------------


def _orders(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Dates of every order from its order date on, and its units."""
    starts, multiples = case.timeline.starts, case.input.order_multiples
    names: list[str] = []
    days: dict[str, list[float]] = defaultdict(list)
    units: list[float] = []
    for row in tables.orders.itertuples():
        if str(row.item) not in case.catalog:
            continue
        item, parts = case.catalog[str(row.item)], tuple(str(row.position).split("+"))
        ordered, delivered, ready, served = (
            as_date(d) for d in (row.order_date, row.delivery_date, row.ready_date, row.commissioning_date)
        )
        names.append(f"{item.id} ordered {ordered}, delivered {delivered}, ready {ready}, in service {served}")
        days["delivery date"].append(_apart(delivered, add_weeks(ordered, item.get("lead_time_weeks"))))
        positions = parts if item.family != "compute" or item.brings else ()
        days["ready date"].append(_apart(ready, site.ready(item, positions, delivered)))
        first = first_start(starts, ready)
        days["commissioning date"].append(-1.0 if first is None else _apart(served, starts[first]))
        days["order date"].append(0.0 if ordered in starts else -1.0)
        earliest = item.orderable_from or date.min
        days["orderable from"].append(float((ordered - earliest).days))
        n = float(row.units)  # type: ignore[arg-type]
        whole = 0.0 if item.divisible else abs(n - round(n))
        multiple = multiples.get(item.id, 1)
        odd = 0.0 if multiple == 1 else abs(n / multiple - round(n / multiple))
        units.append(1e-6 - max(whole, odd) if n > 0 else -1.0)
    for name in ("delivery date", "ready date", "commissioning date", "order date", "orderable from"):
        checks.add(name, "days", days[name], lambda i: names[i])
    checks.add("whole units and multiples", "units", units, lambda i: f"{names[i]}: not whole, or no multiple")


def _apart(a: date, b: date) -> float:
    return -float(abs((a - b).days))


def _supply(checks: Checks, case: Case, tables: Tables) -> None:
    """Deliveries by quarter within the vendor's allocation, none outside it."""
    for item, quarters in case.input.supply.items():
        rows = tables.orders[tables.orders["item"] == item]
        allocated = 0.0
        for quarter, most in quarters.items():
            first, after = quarter_bounds(quarter)
            inside = [first <= d < after for d in rows.delivery_date]
            delivered = float(rows.units[inside].sum()) if len(rows) else 0.0
            allocated += delivered
            checks.at_most("supply", "units", delivered, most, 1e-6,
                           lambda _, t=f"{item} in {quarter}": t)  # type: ignore[misc]  # fmt: skip
        checks.at_most("supply", "units", float(rows.units.sum()) - allocated, 0.0, 1e-6,
                       lambda _, t=f"{item} outside its quarters": t)  # type: ignore[misc]  # fmt: skip


# -- units -------------------------------------------------------------------------------------------------


def _installed(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Units in service are what was committed and what orders have brought."""
    want: dict[tuple[str, str], Array] = {}

    def put(item: str, position: str, served: date, units: float) -> None:
        counts = want.setdefault((item, position), np.zeros(len(site.starts)))
        counts += units * np.array([start >= served for start in site.starts])

    for row in tables.orders.itertuples():
        put(str(row.item), str(row.position), as_date(row.commissioning_date), float(row.units))  # type: ignore[arg-type]
    for bought in case.input.committed:
        item = case.catalog[bought.item]
        home = site.home(item)
        if home is not None:
            parts = tuple(home.split("+")) if item.family != "compute" or item.brings else ()
            put(item.id, home, site.ready(item, parts, bought.on_site), bought.units)
    nothing = np.zeros(len(site.starts))
    for key in sorted({*want, *site.units}):
        checks.equal(
            "installed units", "units", site.units.get(key, nothing), want.get(key, nothing), 1e-5,
            lambda p, key=key: f"{key[0]} ({key[1]}) {site.starts[p]}",  # type: ignore[misc]
        )  # fmt: skip


def _running(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Racks run after they are ready and energisation is open, whole, and never stop."""
    gate = case.gates.get("energisation", date.min)
    closed = np.array([start < gate for start in site.starts])
    for rack in site.racks:
        runs, ready = site.runs(rack), site.of_item(rack.item.id)

        def where(p: int, name: str = rack.item.id) -> str:
            return f"{name} running {site.starts[p]}"

        checks.at_most("racks run once ready", "racks", runs, ready, 1e-6, where)
        checks.at_most("racks keep running", "racks", runs[:-1], runs[1:], 1e-6, where)
        checks.at_most("energisation gate", "racks", np.where(closed, runs, 0.0), 0.0, 1e-6, where)
        checks.equal("racks run once ready", "racks", runs, np.maximum(np.round(runs), 0.0), 1e-6, where)


# -- stages ------------------------------------------------------------------------------------------------


def _stages(checks: Checks, tables: Tables, site: Site) -> None:
    """Firm capacity from the units covers the design load in every position; the table says the same."""
    shown = {(row.period, str(row.position)): row for row in tables.stages.itertuples()}
    checks.true("stage table", len(shown) == len(tables.stages), "stages holds a month and position twice")
    for p in site.periods:
        start, loads = site.starts[p], site.design[p]
        for position, (least, most) in loads.items():
            if position in ("it", "mv_bus"):
                continue
            text = f"{position} {start}"
            firm = site.firm(position, p)
            if site.built(position):
                checks.at_most("stage capacity", "MW, m2, ports or racks", least, firm, _MW * max(1.0, firm),
                               lambda _, t=text: f"{t}: design load")  # type: ignore[misc]  # fmt: skip
            row = shown.pop((start, position), None)
            if row is None:
                checks.true("stage table", least <= 1e-9, f"stages lacks {text}")
                continue
            got, table_firm = float(row.design_load), float(row.firm_capacity)  # type: ignore[arg-type]
            slack = _MW * max(1.0, most)
            checks.add(
                "stage table", "MW, m2, ports or racks", [got - least + slack, most - got + slack],
                lambda _, t=text, g=got, a=least, b=most: f"{t}: design load {g:.9g}, audit {a:.9g} to {b:.9g}",  # type: ignore[misc]
            )  # fmt: skip
            checks.equal("stage table", "MW, m2, ports or racks", table_firm, firm, _MW * max(1.0, firm),
                         lambda _, t=text: f"{t}: firm capacity")  # type: ignore[misc]  # fmt: skip
            unit = STAGE_UNITS.get(position, "MW")
            checks.true("stage table", str(row.unit) == unit, f"{text}: unit {row.unit}, not {unit}")
    checks.true("stage table", not shown, f"stages has unknown rows: {list(shown)[:3]}")


def _capacity_table(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """capacity.csv, column by column."""
    frame = tables.capacity
    if list(frame.period) != list(site.starts):
        return
    compute = [r.item.id for r in site.racks]
    bought = tables.orders[tables.orders["item"].isin(compute)]
    delivered = np.array([
        sum(n for d, n in zip(bought.delivery_date, bought.units, strict=True) if d <= start)
        + sum(c.units for c in case.input.committed if c.item in compute and c.on_site <= start)
        for start in site.starts
    ])  # fmt: skip
    ready = sum((site.of_item(i) for i in compute), np.zeros(len(site.starts)))
    energised = site.sum_racks(dict.fromkeys(compute, 1.0))
    exact = {
        "grid_step_mw": np.array([site.grid_step(p)[1] for p in site.periods]), "grid_mw": site.grid_mw,
        "it_design_mw": np.array([loads.get("it", (0.0, 0.0))[0] for loads in site.design]),
        "gpus_energised": site.sum_racks({r.item.id: r.gpus for r in site.racks}),
        "racks_delivered": delivered, "racks_ready": ready, "racks_energised": energised,
        "racks_stranded": ready - energised,
    }  # fmt: skip
    for column, want in exact.items():
        checks.equal("capacity table", "", frame[column].to_numpy(), want, _MW * np.maximum(1.0, np.abs(want)),
                     lambda p, c=column: f"{c} {site.starts[p]}")  # type: ignore[misc]  # fmt: skip
    low = np.array([loads["mv_bus"][0] for loads in site.design])
    high = np.array([loads["mv_bus"][1] for loads in site.design])
    got = frame.design_load_mw.to_numpy()
    checks.add("capacity table", "MW", np.minimum(got - low, high - got) + _MW * np.maximum(1.0, high),
               lambda p: f"design_load_mw {site.starts[p]}: plan {got[p]:.9g}, audit {low[p]:.9g} to {high[p]:.9g}")  # fmt: skip
    firm = np.array([site.firm_generation_mw(p) for p in site.periods])
    shown = frame.firm_generation_mw.to_numpy()
    checks.add("capacity table", "MW", np.minimum(firm - shown, shown) + _MW * np.maximum(1.0, firm),
               lambda p: f"firm_generation_mw {site.starts[p]}: plan {shown[p]:.9g}, audit at most {firm[p]:.9g}")  # fmt: skip


def _firm_source(checks: Checks, case: Case, site: Site) -> None:
    """Grid and firm generation carry the design load; solar, wind and batteries count nothing."""
    if case.load_series_mw is not None and not case.input.target.milestones:
        return  # a plain load series is served hour by hour
    for p in site.periods:
        supply = site.grid_mw[p] * (1.0 - site.import_loss) - site.no_load_mw("main_transformer", p)
        supply += site.firm_generation_mw(p)
        load = site.design[p]["mv_bus"][0]
        if load > 0:
            checks.at_most("firm source", "MW", load, supply, _MW * load,
                           lambda _, p=p: f"design load {site.starts[p]}")  # type: ignore[misc]  # fmt: skip


def _commissioning(checks: Checks, case: Case, site: Site) -> None:
    """Blocks of design IT power: crews finish so many in any stretch of time."""
    rules = case.input.commissioning
    if not site.racks or rules.weeks == 0:
        return
    days = [(start - site.starts[0]).days for start in site.starts]
    one = rules.weeks * 7.0
    done: list[int] = []  # the most blocks there can be at each start
    for q in site.periods:
        most = rules.blocks_in_parallel * math.floor(days[q] / one + 1e-9)
        for p in range(q):
            most = min(most, done[p] + rules.blocks_in_parallel * math.ceil((days[q] - days[p]) / one - 1e-9))
        done.append(most)
    it = np.array([loads["it"][0] for loads in site.design])
    checks.at_most("commissioning", "MW", it, rules.block_mw * np.array(done), _MW,
                   lambda p: f"design IT power {site.starts[p]}")  # fmt: skip


# -- targets -----------------------------------------------------------------------------------------------


def _measure(site: Site, milestone: Milestone) -> tuple[float, Array]:
    """(target, what runs net of spares by period) in a milestone's measure."""
    each: dict[str, float] = {}
    for rack in site.racks:
        if milestone.gpus is not None:
            each[rack.item.id] = rack.gpus
        elif milestone.pflops is not None:
            each[rack.item.id] = rack.item.get(f"pflops_{milestone.precision}", 0.0)
        else:
            each[rack.item.id] = rack.design_mw
    target = float(milestone.gpus or milestone.pflops or milestone.it_mw or 0.0)
    return target, site.sum_racks(each) / (1.0 + site.case.input.spares.racks_fraction)


def _milestones(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Compute by date net of spares, and what plan.json says of it."""
    milestones, kind = case.input.target.milestones, case.input.objective.kind
    shown = tables.summary["milestones"]
    checks.true("milestone report", len(shown) == len(milestones), "plan.json must list every milestone")
    for i, milestone in enumerate(milestones):
        target, runs = _measure(site, milestone)
        free = kind == "max_gpus" or (kind == "earliest" and i == len(milestones) - 1)
        first = case.timeline.period_of(milestone.by)
        if not free:
            checks.at_most("milestones", "GPUs, PFLOPS or MW", -runs[first:], -target, 1e-6 * target,
                           lambda p, t=target, r=runs, f=first: f"{r[f + p]:.9g} of {t:g} on {site.starts[f + p]}")  # type: ignore[misc]  # fmt: skip
        reached = next((str(site.starts[p]) for p in site.periods if runs[p] >= target * (1 - 1e-9)), None)
        if i < len(shown):
            row = shown[i]
            same = (row["reached"], float(row["target"]), str(row["by"])) == (reached, target, str(milestone.by))
            checks.true("milestone report", same, f"milestone of {milestone.by}: plan {row}, audit reached {reached}")


def _areas(checks: Checks, case: Case, site: Site) -> None:
    """Yard and land."""
    yard = land = np.zeros(len(site.starts))
    for item, _, parts, counts in site.standing():
        room = item.get("footprint_m2") * counts
        outside = item.family in ("generation", "battery") or any(s.split(":")[0] in OUTDOORS for s in parts)
        if item.family != "compute" and "white_space" not in parts and "ups" not in parts and outside:
            yard = yard + room
        if item.family in ("renewable", "enclosure"):
            land = land + room
    limits = (("yard", yard, case.input.site.hall.yard_m2), ("land", land, case.input.site.land_m2))
    for name, used, most in limits:
        if most is not None:
            checks.at_most(f"{name} area", "m2", used, most, 1e-6 * max(1.0, most),
                           lambda p, n=name: f"{n} {site.starts[p]}")  # type: ignore[misc]  # fmt: skip
