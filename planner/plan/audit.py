"""The independent audit: a plan against its case, from the catalog and the tables alone.

Shares no code with the model that made the plan, so that an error there cannot hide here. Every check is
tried whatever the others find. audit_site and audit_loads are the auditor's picture of the site; audit_build,
audit_power and audit_money hold the rules.
"""

from __future__ import annotations

from planner.case.case import Case
from planner.errors import AuditError
from planner.plan.audit_base import Check, Checks, tables_of
from planner.plan.audit_build import audit_build
from planner.plan.audit_events import audit_events
from planner.plan.audit_loads import Site
from planner.plan.audit_money import audit_money, audit_results
from planner.plan.audit_power import audit_power, months_of
from planner.plan.plan import Plan

__all__ = ["Check", "audit", "require"]


def audit(plan: Plan, case: Case) -> list[Check]:
    """Try every rule on a plan, solved now or read back. Nothing is raised for a bad plan."""
    tables = tables_of(plan)
    checks = Checks()
    same = dict(tables.summary["inputs_sha256"]) == dict(case.hashes)
    checks.true("inputs", same, "the plan was made from other input files than this case")
    site = Site(case, tables)
    audit_build(checks, case, tables, site)
    months = months_of(checks, case, tables, site)
    bills = audit_power(checks, case, tables, site, months)
    audit_events(checks, case, tables, site, months)
    audit_money(checks, case, tables, site, bills)
    audit_results(checks, case, tables, site)
    return checks.results()


def require(plan: Plan, case: Case) -> list[Check]:
    """Audit a plan; raises AuditError with one line for each failed check."""
    checks = audit(plan, case)
    failures = [f"{check.name}: {check.message}" for check in checks if not check.ok]
    if failures:
        raise AuditError(failures)
    return checks
