"""Audit of the stages: what each carries in every period, the firm source, commissioning by blocks."""

from __future__ import annotations

import math

import numpy as np

from planner.audit.base import Checks, Tables, says, says_when
from planner.audit.loads import Site
from planner.case.case import Case

# Of positions not in MW.
STAGE_UNITS = {
    "white_space": "m2",
    "network": "GPU ports",
    "network_top_layer": "switches",
    "rack_space": "racks",
    "cdu_flow": "L/min",
}
_MW = 1e-6


def audit_stages(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every stage of the chain in every period, and what feeds and commissions them."""
    _stages(checks, tables, site)
    _capacity_table(checks, case, tables, site)
    _firm_source(checks, case, site)
    _commissioning(checks, case, site)


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
    ) + sum((site.retired(i) for i in compute), np.zeros(len(site.starts)))
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
    for rack in site.racks:  # what runs since before the start needs no crew
        it = it - rack.design_mw * np.minimum(site.runs(rack), site.retired(rack.item.id))
    checks.at_most(
        "commissioning",
        "MW",
        it,
        rules.block_mw * np.array(done),
        _MW,
        says_when("design IT power", site.starts),
    )
