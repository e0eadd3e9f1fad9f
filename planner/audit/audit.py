"""The independent audit: a plan against its case, from the catalog and the tables alone.

Shares no code with the model that made the plan, so that an error there cannot hide here. Every check is
tried whatever the others find. stock, site and loads are the auditor's picture of the site, months that of its
operation; every other module holds the rules of one subject.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from planner.audit.base import Check, Checks, tables_of
from planner.audit.budget import audit_budget
from planner.audit.build import audit_build
from planner.audit.caps import audit_caps
from planner.audit.chain import audit_chain
from planner.audit.cooling import audit_cooling
from planner.audit.events import audit_events
from planner.audit.existing import audit_existing
from planner.audit.fade import audit_left
from planner.audit.fit import audit_fit
from planner.audit.inputs import changed_files
from planner.audit.integrity import audit_integrity
from planner.audit.it import audit_compute, audit_fabric
from planner.audit.limits import audit_limits
from planner.audit.loads import Site
from planner.audit.lookahead import audit_look_ahead
from planner.audit.money import Key, audit_money, first_charges
from planner.audit.months import Month, months_of
from planner.audit.permits import audit_permits
from planner.audit.power import audit_power
from planner.audit.results import audit_results
from planner.audit.roles import audit_roles
from planner.audit.scenarios import audit_scenarios, on_paths
from planner.audit.stages import audit_stages
from planner.audit.swings import audit_swings
from planner.audit.told import audit_told
from planner.audit.water import audit_water
from planner.case.case import Case
from planner.case.scenarios import Scenario
from planner.errors import AuditError
from planner.plan.plan import Plan

__all__ = ["Check", "audit", "require", "table_of"]


def audit(plan: Plan, case: Case, *, changed_inputs: bool = False) -> list[Check]:
    """Try every rule on a plan, solved now or read back. Nothing is raised for a bad plan.

    changed_inputs: whether the plan may have been made from other input files than this case.
    """
    tables = tables_of(plan)
    checks = Checks()
    changed = changed_files(tables.summary, case) if not changed_inputs else []
    checks.true("inputs", not changed, f"the plan was made from other inputs: {', '.join(changed)}")
    audit_integrity(checks, tables)
    site = Site(case, tables)
    audit_build(checks, case, tables, site)
    audit_stages(checks, case, tables, site)
    audit_limits(checks, case, tables, site)
    audit_compute(checks, case, tables, site)
    audit_fabric(checks, case, tables, site)
    audit_existing(checks, case, tables, site)
    audit_roles(checks, case, tables, site)
    audit_chain(checks, case, site)
    audit_fit(checks, site)
    audit_left(checks, case, tables, site)
    bills: defaultdict[Key, float] = defaultdict(float)
    paths: list[dict[Key, float]] = []
    operated: list[tuple[Scenario, Site, list[Month]]] = []
    brought = {item.id: first_charges(case, tables, item) for item in site.family_items("battery")}
    for path, of_path in zip(case.paths, on_paths(checks, case, tables), strict=True):
        there = Site(path.case, of_path)
        months = months_of(checks, path.case, of_path, there)
        operated.append((path, there, months))
        paths.append(audit_power(checks, path.case, of_path, there, months, brought))
        audit_caps(checks, path.case, there, months)
        audit_permits(checks, path.case, of_path, there, months)
        audit_water(checks, path.case, there, months)
        audit_cooling(checks, path.case, of_path, there, months, path.name)
        audit_events(checks, path.case, of_path, there, months, brought)
        for key, usd in paths[-1].items():
            bills[key] += path.probability * usd
    audit_swings(checks, case, tables, site, [(path.case, at, months) for path, at, months in operated])
    audit_budget(checks, case, tables, site, [(path.probability, at, months) for path, at, months in operated])
    audit_money(checks, case, tables, site, bills, audit_scenarios(checks, case, tables, paths))
    audit_results(checks, case, tables, site)
    audit_told(checks, case, tables, [(path.name, at, months) for path, at, months in operated])
    audit_look_ahead(checks, case, tables)
    return checks.results()


def table_of(checks: Sequence[Check]) -> pd.DataFrame:
    """Checks as a table, failed ones first. worst_margin: empty where a check looked at nothing."""
    rows = [
        (
            check.name,
            check.count,
            check.worst_margin if math.isfinite(check.worst_margin) else math.nan,
            check.unit,
            "pass" if check.ok else "FAIL",
            check.message,
        )
        for check in sorted(checks, key=lambda check: check.ok)
    ]
    return pd.DataFrame(rows, columns=["check", "count", "worst_margin", "unit", "verdict", "message"])


def require(plan: Plan, case: Case) -> list[Check]:
    """Audit a plan; raises AuditError with one line for each failed check."""
    checks = audit(plan, case)
    failures = [f"{check.name}: {check.message}" for check in checks if not check.ok]
    if failures:
        raise AuditError(failures)
    return checks
