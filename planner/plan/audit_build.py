"""Audit of the build: orders and their dates, installed units, stages, firm source, milestones, areas."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date

import numpy as np

from planner.case.case import Case, quarter_bounds
from planner.case.item import STAGES, Item
from planner.case.schema import Milestone
from planner.plan.audit_base import Array, Checks, Tables, as_date, first_start, says, says_when
from planner.plan.audit_loads import Site
from planner.plan.audit_site import FUELLED, LOOPS
from planner.timeline import add_weeks

OUTDOORS = (
    "heat_rejection",
    "generation",
    "battery",
    "mv_lv_transformer",
    "main_transformer",
    "hv_substation",
    "mv_switchgear",
    "battery_transformer",
    "standby_generation",
)
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
    wanted = list(case.timeline.starts)
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
            checks.at_most("supply", "units", delivered, most, 1e-6, says(f"{item} in {quarter}"))
        checks.at_most(
            "supply",
            "units",
            float(rows.units.sum()) - allocated,
            0.0,
            1e-6,
            says(f"{item} outside its quarters"),
        )


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
            "installed units",
            "units",
            site.units.get(key, nothing),
            want.get(key, nothing),
            1e-5,
            says_when(f"{key[0]} ({key[1]})", site.starts),
        )


def _running(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Racks run after they are ready and energisation is open, whole, and never stop. What is on stands."""
    for (item_id, position), on in site.on.items():
        family = case.catalog[item_id].family
        name = "racks run once ready" if family == "compute" else "units on"
        standing = site.units[item_id, position]

        there = says_when(f"{item_id} switched on", site.starts)
        least = standing if family in FUELLED else 0.0
        checks.at_most(name, "units", on, standing, 1e-5, there)
        checks.at_most(name, "units", -on, -least, 1e-5, there)
        if not case.catalog[item_id].divisible:
            checks.equal(name, "units", on, np.round(on), 1e-5, there)
    gate = case.gates.get("energisation", date.min)
    closed = np.array([start < gate for start in site.starts])
    for rack in site.racks:
        runs = site.runs(rack)

        where = says_when(f"{rack.item.id} running", site.starts)
        checks.at_most("racks keep running", "racks", runs[:-1], runs[1:], 1e-6, where)
        checks.at_most("energisation gate", "racks", np.where(closed, runs, 0.0), 0.0, 1e-6, where)


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
                checks.at_most(
                    "stage capacity",
                    "MW, m2, ports or racks",
                    least,
                    firm,
                    _MW * max(1.0, firm),
                    says(f"{text}: design load"),
                )
            row = shown.pop((start, position), None)
            if row is None:
                checks.true("stage table", least <= 1e-9, f"stages lacks {text}")
                continue
            got, table_firm = float(row.design_load), float(row.firm_capacity)  # type: ignore[arg-type]
            slack = _MW * max(1.0, most)
            checks.between(
                "stage table", "MW, m2, ports or racks", got, least, most, slack, says(f"{text}: design load")
            )
            if not site.built(position):
                continue
            # The plan may count fewer units as carrying than the groups could; never more, never too few.
            checks.between(
                "stage table",
                "MW, m2, ports or racks",
                table_firm,
                least,
                firm,
                slack,
                says(f"{text}: firm capacity"),
            )
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
    delivered = np.array(
        [
            sum(n for d, n in zip(bought.delivery_date, bought.units, strict=True) if d <= start)
            + sum(c.units for c in case.input.committed if c.item in compute and c.on_site <= start)
            for start in site.starts
        ]
    )
    ready = sum((site.of_item(i) for i in compute), np.zeros(len(site.starts)))
    energised = site.sum_racks(dict.fromkeys(compute, 1.0))
    exact = {
        "grid_step_mw": np.array([site.grid_step(p)[1] for p in site.periods]),
        "it_design_mw": np.array([loads.get("it", (0.0, 0.0))[0] for loads in site.design]),
        "gpus_energised": site.sum_racks({r.item.id: r.gpus for r in site.racks}),
        "racks_delivered": delivered,
        "racks_ready": ready,
        "racks_energised": energised,
        "racks_stranded": ready - energised,
    }
    for column, want in exact.items():
        checks.equal(
            "capacity table",
            "",
            frame[column].to_numpy(),
            want,
            _MW * np.maximum(1.0, np.abs(want)),
            says_when(column, site.starts),
        )
    low = np.array([loads["mv_bus"][0] for loads in site.design])
    high = np.array([loads["mv_bus"][1] for loads in site.design])
    slack = _MW * np.maximum(1.0, high)
    checks.between(
        "capacity table",
        "MW",
        frame.design_load_mw.to_numpy(),
        low,
        high,
        slack,
        says_when("design_load_mw", site.starts),
    )
    firm = np.array([site.firm_generation_mw(p) for p in site.periods])
    grid = site.grid_possible_mw
    for column, least, most in (("firm_generation_mw", 0.0 * firm, firm), ("grid_mw", grid, grid)):
        checks.between(
            "capacity table",
            "MW",
            frame[column].to_numpy(),
            least,
            most,
            _MW * np.maximum(1.0, most),
            says_when(column, site.starts),
        )
    if not served_by_hour(case):
        shown = frame.grid_mw.to_numpy() * (1.0 - site.import_loss) + frame.firm_generation_mw.to_numpy()
        shown = shown - np.array([site.no_load_mw("main_transformer", p) for p in site.periods])
        checks.at_most(
            "capacity table",
            "MW",
            low,
            np.where(low > 0, shown, 0.0),
            _MW * np.maximum(1.0, low),
            says_when("design load over the firm source shown", site.starts),
        )


def served_by_hour(case: Case) -> bool:
    """Whether the load is a plain series, which needs no firm source but every hour served."""
    return case.load_series_mw is not None and not case.input.target.milestones


def _firm_source(checks: Checks, case: Case, site: Site) -> None:
    """Grid and firm generation carry the design load; solar, wind and batteries count nothing."""
    if served_by_hour(case):
        return
    for p in site.periods:
        supply = site.grid_mw[p] * (1.0 - site.import_loss) - site.no_load_mw("main_transformer", p)
        supply += site.firm_generation_mw(p)
        load = site.design[p]["mv_bus"][0]
        if load > 0:
            checks.at_most("firm source", "MW", load, supply, _MW * load, says(f"design load {site.starts[p]}"))


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
        for part in ("fit_out", "ups", "mv_lv_transformer"):  # a block is tested on what carries it
            if site.built(part):
                most = min(most, math.floor(site.firm(part, q) / rules.block_mw + 0.999 + 1e-9))
        for p in range(q):
            most = min(most, done[p] + rules.blocks_in_parallel * math.ceil((days[q] - days[p]) / one - 1e-9))
        done.append(most)
    it = np.array([loads["it"][0] for loads in site.design])
    checks.at_most(
        "commissioning",
        "MW",
        it,
        rules.block_mw * np.array(done),
        _MW,
        says_when("design IT power", site.starts),
    )


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
            checks.at_most(
                "milestones",
                "GPUs, PFLOPS or MW",
                target - runs[first:],
                0.0,
                1e-6 * target,
                says_when(f"short of {target:g}", site.starts[first:]),
            )
        reached = next((str(site.starts[p]) for p in site.periods if runs[p] >= target * (1 - 1e-9)), None)
        if i < len(shown):
            row = shown[i]
            same = (row["reached"], float(row["target"]), str(row["by"])) == (
                reached,
                target,
                str(milestone.by),
            )
            checks.true("milestone report", same, f"milestone of {milestone.by}: plan {row}, audit reached {reached}")


def _areas(checks: Checks, case: Case, site: Site) -> None:
    """Yard and land."""
    yard = land = np.zeros(len(site.starts))
    for item, parts, counts in site.standing():
        room = item.get("footprint_m2") * counts
        outside = item.family in ("generation", "battery") or any(s.split(":")[0] in OUTDOORS for s in parts)
        if item.family != "compute" and "white_space" not in parts and "ups" not in parts and outside:
            yard = yard + room
        if item.family in ("renewable", "enclosure") or (item.family == "compute" and item.brings):
            land = land + room
    limits = (("yard", yard, case.input.site.hall.yard_m2), ("land", land, case.input.site.land_m2))
    for name, used, most in limits:
        if most is not None:
            checks.at_most(f"{name} area", "m2", used, most, 1e-6 * max(1.0, most), says_when(name, site.starts))
