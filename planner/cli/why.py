"""planner why: what an item of a plan is for, and what one unit less would break."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.cli.options import refuse
from planner.cli.plans import (
    PlanArgument,
    PlanCaseOption,
    PlanCatalogOption,
    PlanSetOption,
    case_of,
    require_same_inputs,
)


def why(
    folder: PlanArgument,
    item: Annotated[str | None, typer.Argument(help="Item of the plan; without it a line for every one.")] = None,
    case: PlanCaseOption = None,
    overrides: PlanSetOption = None,
    catalog: PlanCatalogOption = None,
) -> None:
    """Say why an item is in a plan: stage, job, milestone, spares, gates, cost, and what one unit less would break.

    Without an item, a line for every one, and the GPUs that wait, by what holds them back.

    \b
    planner why out/carolina
    planner why out/carolina ups_generic
    """
    from planner.case.base import suggest
    from planner.plan.plan import read_plan
    from planner.report.reasons import print_overview, print_why
    from planner.whatif.why import items_of, overview, stranded
    from planner.whatif.why import why as why_of

    plan = read_plan(folder)
    loaded = case_of(plan, folder, case, overrides, catalog)
    require_same_inputs(plan, folder, loaded, "restore it, or solve the case again")
    if item is None:
        print_overview(str(plan.summary["name"]), overview(plan, loaded), stranded(plan, loaded))
        return
    known = items_of(plan)
    if item not in known:
        rule = "is not in this plan" if item in loaded.catalog else "is no item of the catalogs"
        raise refuse("ITEM", item, rule, suggest(item, known, f"in the plan: {', '.join(known)}"))
    found = why_of(plan, loaded, item)
    print_why(found.lines, found.growth)
