"""planner agenda: what to order, sign or file by when, how far each may slip, and the money at risk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.plans import (
    PlanArgument,
    PlanCaseOption,
    PlanCatalogOption,
    PlanSetOption,
    case_of,
    require_same_inputs,
)


def agenda(
    folder: PlanArgument,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day shown; without it the first year.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="File for every task of the plan, as CSV.")] = None,
    case: PlanCaseOption = None,
    overrides: PlanSetOption = None,
    catalog: PlanCatalogOption = None,
) -> None:
    """Say what to order, sign or file by when, how many days each may slip, and what stopping costs by quarter.

    Float 0: a day later, and what waits for it serves a month later at least.

    \b
    planner agenda out/carolina --until 2027-12-31
    planner agenda out/carolina --csv tasks.csv
    """
    from planner.cli.options import refuse
    from planner.plan.plan import read_plan
    from planner.report.agenda import print_agenda, write_tasks
    from planner.whatif.agenda import agenda as agenda_of
    from planner.whatif.agenda import exposure

    if csv is not None and (csv.is_dir() or not csv.absolute().parent.is_dir()):
        raise refuse("--csv", str(csv), "is no file in a folder that exists", "choose another place")
    plan = read_plan(folder)
    loaded = case_of(plan, folder, case, overrides, catalog)
    if not overrides:
        require_same_inputs(plan, folder, loaded, "restore it, or solve the case again")
    tasks = agenda_of(plan, loaded)
    start = loaded.input.start
    last = until.date() if until is not None else start.replace(year=start.year + 1, day=1)
    if csv is not None:
        write_tasks(csv, tasks)
    print_agenda(str(plan.summary["name"]), tasks, exposure(plan, loaded), last)
