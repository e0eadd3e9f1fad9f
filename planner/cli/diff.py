"""planner diff: what changed between two plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import refuse
from planner.cli.plans import case_of

if TYPE_CHECKING:
    from planner.case.case import Case
    from planner.plan.plan import Plan


def diff(
    plan_a: Annotated[Path, typer.Argument(help="Folder of a plan.")],
    plan_b: Annotated[Path, typer.Argument(help="Folder of the plan to hold against it.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="File for every change as a table.")] = None,
) -> None:
    """Compare two plans: inputs field by field, orders, cost by ledger line, key results.

    Inputs are compared field by field where both cases are still what they were, else file by file. The difference in
    cost comes with what is proven of it: two plans with gaps give an interval.

    \b
    planner diff out/base out/late_grid
    planner diff out/base out/late_grid --csv changes.csv
    """
    if csv is not None and (csv.is_dir() or not csv.absolute().parent.is_dir()):
        raise refuse("--csv", str(csv), "is no file in a folder that exists", "choose another place")
    from planner.plan.diff import diff as compare
    from planner.plan.plan import read_plan
    from planner.report.changes import print_diff

    a, b = read_plan(plan_a), read_plan(plan_b)
    for plan, folder in ((a, plan_a), (b, plan_b)):
        if "discount_rate" not in plan.summary or "start" not in plan.summary:
            raise refuse("plan", str(folder), "says not how its cash is discounted", "solve it again")
    cases = _as_made(a, plan_a), _as_made(b, plan_b)
    found = compare(a, b, (cases[0], cases[1]) if cases[0] is not None and cases[1] is not None else None)
    if csv is not None:
        found.table().to_csv(csv, index=False, float_format="%.10g", lineterminator="\n")
    print_diff(found, (str(plan_a), str(a.summary["name"])), (str(plan_b), str(b.summary["name"])))


def _as_made(plan: Plan, folder: Path) -> Case | None:
    """The case a plan was made of, where it is still what it was."""
    from planner.audit.inputs import changed_files
    from planner.errors import InputError

    try:
        case = case_of(plan, folder, None, None, None)
    except InputError:
        return None
    return case if not changed_files(plan.summary, case) else None
