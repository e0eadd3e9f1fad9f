"""Rules that look at more than one part of a case, and what stands in for a part that has a fault."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

from planner.case.base import Rule
from planner.case.schema import QUARTER, CaseInput
from planner.case.site_limits import site_limit_rules


def whole_case_rules(given: CaseInput) -> list[Rule]:
    """Broken rules across the parts; `reads` of each are the top-level fields it looks at."""
    found: list[Rule] = []

    def rule(at: tuple[str | int, ...], text: str, remedy: str, *reads: str) -> None:
        found.append(Rule(text, remedy, at, reads))

    target, objective = given.target, given.objective
    if given.start.day != 1:
        rule(("start",), "must be the first of a month", f"write {given.start.replace(day=1)}", "start")
    if target.milestones and given.workload is None:
        rule(
            ("workload",),
            "milestones need a workload",
            "write workload: {kind: training}",
            "target",
            "workload",
        )
    if target.load_series and given.workload is not None:
        rule(("workload",), "a load_series is the whole load", "remove workload", "target", "workload")
    if target.load_series and objective.kind != "min_cost":
        rule(("objective",), "needs milestones", "use min_cost with a load_series", "target", "objective")
    if objective.kind == "max_gpus" and not given.supply and not given.budget:
        text, remedy = (
            "max_gpus needs supply or budget rows",
            "write supply: or budget: (without, there is no most)",
        )
        rule(("objective",), text, remedy, "objective", "supply", "budget")
    if given.spares.racks_fraction == "auto":
        spares = ("spares", "racks_fraction")
        if given.workload is None or given.workload.goodput is None:
            rule(spares, "auto needs workload.goodput", "write its failure rate and times", "spares", "workload")
        if any(m.gpus is None for m in target.milestones) or not target.milestones:
            rule(spares, "auto needs milestones in GPUs", "write the fraction", "spares", "target")
    if given.network is not None:
        if not target.milestones:
            rule(("network",), "there is no compute to join", "remove it", "network", "target")
        if given.candidates.network:
            remedy = "remove one of the two"
            rule(("network",), "candidates.network names a network already", remedy, "network", "candidates")
        if given.redundancy.get("network", "") is None:
            rule(
                ("network",),
                "redundancy says that no network is built",
                "remove one of the two",
                "network",
                "redundancy",
            )
    if given.site.grid.interconnection and given.site.grid.tariff is None:
        rule(("site", "grid", "tariff"), "a grid needs a tariff", "write tariff:", "site")
    if given.site.grid.export is not None and not given.site.grid.interconnection:
        rule(("site", "grid", "export"), "needs a connection", "write interconnection:, or remove it", "site")
    found += site_limit_rules(given)
    if given.scenarios:
        total = sum(s.probability for s in given.scenarios)
        if abs(total - 1.0) > 1e-9:
            text, remedy = f"probabilities must add up to 1 (they make {total:g})", "correct them"
            rule(("scenarios",), text, remedy, "scenarios")
        names = [s.name for s in given.scenarios]
        for i, name in enumerate(names):
            if name in names[:i]:
                rule(("scenarios", i, "name"), "is used twice", "rename one", "scenarios")
    elif given.risk is not None:
        rule(("risk",), "needs scenarios", "write scenarios, or remove risk", "risk", "scenarios")
    for good, what, bought in _goods(given):
        if getattr(given.finance.escalation_fraction_per_year, good) and not bought:
            at = ("finance", "escalation_fraction_per_year", good)
            rule(at, f"there is no {what} whose price could grow", "remove it", "finance", "site")
    for item, quarters in given.supply.items():
        for quarter in quarters:
            if not QUARTER.match(quarter):
                remedy = "write it like 2027Q3, the quarter from 1 to 4"
                rule(("supply", item, quarter), "must be a quarter", remedy, "supply")
    found += _swing_rules(given)
    for i, (a, b) in enumerate(pairwise(given.budget), 1):
        if b.by <= a.by:
            text = f"budget rows must be in order of date (the one before is {a.by})"
            rule(("budget", i, "by"), text, "sort them", "budget")
        if b.usd < a.usd:
            text = f"is cumulative and may not fall (the row before has {a.usd:,.0f})"
            rule(("budget", i, "usd"), text, "write the total up to that date", "budget")
    return found


def _swing_rules(given: CaseInput) -> list[Rule]:
    """Load rules need a swing to limit, and a floor under it a swing to cut."""
    found, workload = [], given.workload
    swing = None if workload is None else workload.swing_fraction
    if given.site.grid.load_rules and swing is None:
        field = ("workload", "swing_fraction")
        at = field if workload is not None else ("site", "grid", "load_rules")
        remedy = "write swing_fraction: 0.5 where nothing smooths it, 0.3 behind shelf storage, or remove load_rules"
        text = "load_rules limit the swing of a workload, and none is given"
        found.append(Rule(text, remedy, at, ("site", "workload")))
    if workload is None or not workload.smoothing.power_floor_fraction:
        return found
    floor = ("workload", "smoothing", "power_floor_fraction")
    if swing is None:
        remedy = "write swing_fraction, or remove the floor"
        found.append(Rule("a power floor cuts a swing, and none is given", remedy, floor, ("workload",)))
    if workload.series is not None:
        remedy = "put the floor into the series, or remove one of the two"
        found.append(Rule("a floor under a series of loads is not modelled", remedy, floor, ("workload",)))
    return found


def _goods(given: CaseInput) -> list[tuple[str, str, bool]]:
    """Goods whose prices may grow: their field, what stands for them in the site, and whether that is there."""
    grid, fuel = given.site.grid, given.site.fuel
    return [
        ("energy", "tariff", grid.tariff is not None),
        ("demand", "tariff", grid.tariff is not None),
        ("export", "export", grid.export is not None),
        ("natural_gas", "natural_gas_usd_per_mmbtu_hhv", fuel.natural_gas_usd_per_mmbtu_hhv is not None),
        ("diesel", "diesel_usd_per_mmbtu_hhv", fuel.diesel_usd_per_mmbtu_hhv is not None),
    ]


_A_DAY = date(2030, 1, 1)
# What stands in for a required field that has a fault, so that the rest can be checked; never planned with.
NEUTRAL: dict[str, Any] = {
    "name": "unnamed",
    "start": date(2027, 1, 1),
    "horizon": {"build_months": 36, "operating_years": 5},
    "site": {
        "location": {"latitude": 0.0, "longitude": 0.0, "elevation_m": 0.0, "time_zone": "UTC"},
        "weather": {"epw": "none"},
        "design_ambient": {"dry_bulb_c": 45.0, "wet_bulb_c": -30.0},
        "grid": {"interconnection": [], "tariff": {"energy_usd_per_mwh": 0.0}},
    },
    "workload": {"kind": "constant"},
    "target": {"milestones": [{"gpus": 1, "by": _A_DAY}]},
    "objective": "min_cost",
    "candidates": {},
    "activities": {"*": {"weeks": 0.0}},
    "existing": {"*": {"units": 1, "since": date(2020, 1, 1)}},
    "committed": {"*": {"units": 1, "on_site": _A_DAY}},
    "finance": {"base_year": 2027},
}
