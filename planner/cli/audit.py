"""planner audit: a plan held against its case and the catalogs, from files alone."""

from __future__ import annotations

from pathlib import Path
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


def audit(
    folder: PlanArgument,
    case: PlanCaseOption = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for the checks as a table.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="File for the checks as JSON.")] = None,
    changed_inputs: Annotated[
        bool, typer.Option("--changed-inputs", help="Hold the plan against inputs that have changed since.")
    ] = False,
    overrides: PlanSetOption = None,
    catalog: PlanCatalogOption = None,
) -> None:
    """Derive everything in a plan a second time from its tables, its case and the catalogs, and compare.

    No solver and nothing of the model takes part. plan.json knows the case, the changes and the catalogs the plan was
    made with; what has changed since is refused. Exit code 0 when every check passes, 1 when one fails.

    \b
    planner audit out/carolina
    planner audit out/carolina --case moved/carolina --csv checks.csv
    planner audit out/carolina --set site.grid.interconnection[1].mw=90     # would this plan do?
    """
    for option, file in (("--csv", csv), ("--json", json)):
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise refuse(option, str(file), "is no file in a folder that exists", "choose another place")
    from json import dumps

    from planner.audit.audit import audit as run
    from planner.audit.audit import table_of
    from planner.plan.plan import read_plan
    from planner.report.checks import print_checks

    plan = read_plan(folder)
    loaded = case_of(plan, folder, case, overrides, catalog)
    if not changed_inputs:
        require_same_inputs(plan, folder, loaded, "restore it, or hold the plan against it as it is: --changed-inputs")
    table = table_of(run(plan, loaded, changed_inputs=changed_inputs))
    passed = bool((table.verdict == "pass").all())
    if csv is not None:
        table.to_csv(csv, index=False, float_format="%.10g", lineterminator="\n")
    if json is not None:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        text = dumps({"plan": str(plan.summary["name"]), "passed": passed, "checks": rows}, indent=1)
        json.write_text(text + "\n", encoding="utf-8")
    print_checks(f"{plan.summary['name']}, against {loaded.path}", table)
    if not passed:
        raise typer.Exit(1)
