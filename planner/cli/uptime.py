"""planner uptime: what failures and outages cost a plan in hours and interruptions a year."""

from __future__ import annotations

from planner.cli.plans import (
    PlanArgument,
    PlanCaseOption,
    PlanCatalogOption,
    PlanSetOption,
    case_of,
    require_same_inputs,
)


def uptime(
    folder: PlanArgument,
    case: PlanCaseOption = None,
    overrides: PlanSetOption = None,
    catalog: PlanCatalogOption = None,
) -> None:
    """Say what failures and outages cost in uptime: hours without power or cooling, interruptions.

    By stage of the last period, with what one spare less in every group would cost. An analytic estimate from failure
    and repair rates of the catalog (planning values unless your own replace them), apart from what sizes the plan.

    \b
    planner uptime out/carolina
    planner uptime out/carolina --set 'site.grid.outages={failures_per_year: 0.5, mean_hours: 2}'
    """
    from planner.plan.plan import read_plan
    from planner.report.uptime import print_uptime
    from planner.whatif.uptime import uptime as uptime_of

    plan = read_plan(folder)
    loaded = case_of(plan, folder, case, overrides, catalog)
    if not overrides:
        require_same_inputs(plan, folder, loaded, "restore it, or solve the case again")
    print_uptime(str(plan.summary["name"]), *uptime_of(plan, loaded))
