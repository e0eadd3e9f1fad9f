"""Rules that look at more than one part of a case, and what stands in for a part that has a fault."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

from planner.case.base import Rule
from planner.case.schema import QUARTER, CaseInput


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
    if given.site.grid.interconnection and given.site.grid.tariff is None:
        rule(("site", "grid", "tariff"), "a grid needs a tariff", "write tariff:", "site")
    if given.site.grid.export is not None and not given.site.grid.interconnection:
        rule(("site", "grid", "export"), "needs a connection", "write interconnection:, or remove it", "site")
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
    for i, (a, b) in enumerate(pairwise(given.budget), 1):
        if b.by <= a.by:
            text = f"budget rows must be in order of date (the one before is {a.by})"
            rule(("budget", i, "by"), text, "sort them", "budget")
        if b.usd < a.usd:
            text = f"is cumulative and may not fall (the row before has {a.usd:,.0f})"
            rule(("budget", i, "usd"), text, "write the total up to that date", "budget")
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
