"""planner export: the whole case as one model for any solver, or its operating side for PyPSA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import (
    CaseArgument,
    CatalogOption,
    ObjectiveOption,
    SetOption,
    load,
    refuse,
)

if TYPE_CHECKING:
    from planner.case.case import Case
    from planner.plan.plan import Plan


def export(
    case: CaseArgument,
    lp: Annotated[Path | None, typer.Option(help="File to write in LP format.")] = None,
    mps: Annotated[Path | None, typer.Option(help="File to write in MPS format.")] = None,
    pypsa: Annotated[Path | None, typer.Option(help="Folder to write a network of PyPSA to, of one year.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Plan whose sizes the network has; without, they are open.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of the network; default: the first operating year.")] = None,
    scenario: Annotated[str | None, typer.Option(help="Scenario of the network, where the case has some.")] = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Write the whole case, sizing and every hour, as one model that any solver reads; or a year of it for PyPSA.

    The objective is what the case asks for: its cost in thousand USD or, for max_gpus and earliest, the first
    goal alone; the cost comes after it and is not in the file. The file says so at its top.

    A network of PyPSA is the operating side: the year's hours at the sizes of a plan, or with open sizes where the
    case is a given load without a build. What it cannot hold is named, here and in its README.txt.

    \b
    planner export examples/carolina --set horizon.sample_days_per_month=1 --lp carolina.lp
    planner export examples/carolina --plan out/carolina --pypsa out/carolina-pypsa
    """
    for option, given in (("--plan", plan), ("--year", year), ("--scenario", scenario)):
        if given is not None and pypsa is None:
            raise refuse(option, str(given), "goes with --pypsa", "name a folder with --pypsa, or leave it out")
    files = [(kind, path) for kind, path in (("lp", lp), ("mps", mps)) if path is not None]
    if not files and pypsa is None:
        raise refuse("--lp, --mps", "", "no file to write", "name a file with --lp, --mps or both, or a --pypsa folder")
    for kind, path in files:
        if path.exists() and not path.is_file():
            raise refuse(f"--{kind}", str(path), "exists and is not a file", "choose another name")
    loaded = load(case, objective, overrides, catalog)
    if files:
        from planner.solve.export import export as write

        columns, rows = write(loaded, files)
        for _, path in files:
            typer.echo(f"{path} written: {columns:,} columns, {rows:,} rows")
    if pypsa is not None:
        _network(loaded, pypsa, plan, year, scenario)


def _network(case: Case, folder: Path, plan: Path | None, year: int | None, scenario: str | None) -> None:
    from planner.plan.folder import holds_another_thing
    from planner.pypsa.export import operating_side
    from planner.pypsa.extendable import not_simple
    from planner.pypsa.folder import MARK, README
    from planner.pypsa.year import years_of

    if holds_another_thing(folder, MARK):
        raise refuse("--pypsa", str(folder), "exists and is no network", "choose another folder, or remove it")
    years = years_of(case)
    number = year if year is not None else max(years, key=lambda n: (years[n][0], -years[n][1]))
    if number not in years:
        remedy = "write one of " + ", ".join(map(str, years))
        raise refuse("--year", str(number), "begins no year that is operated in its own right", remedy)
    names = [path.name for path in case.scenarios]
    if (scenario or "") not in (names or [""]):
        remedy = "write one of " + ", ".join(names) if names else "leave it out"
        raise refuse("--scenario", scenario or "", "is no scenario of this case", remedy)
    reasons = not_simple(case) if plan is None else []
    if reasons:
        raise refuse(
            "--pypsa", str(folder), "open sizes cannot hold " + ", ".join(reasons), "solve it, and give --plan"
        )
    path = names.index(scenario) if scenario is not None else 0
    exported = operating_side(case, _plan(case, plan) if plan is not None else None, number, path)
    exported.network.write(folder, exported.readme)
    for line in exported.lines:
        typer.echo(line)
    typer.echo(f"{folder} written: {len(exported.network.snapshots):,} snapshots of {number}; see {README}")


def _plan(case: Case, folder: Path) -> Plan:
    """A plan that is one of this case, by its audit."""
    from planner.audit.audit import audit
    from planner.plan.plan import read_plan

    found = read_plan(folder)
    failed = [check.name for check in audit(found, case) if not check.ok]
    if failed:
        rule = "is no plan of this case: its audit fails " + ", ".join(failed)
        raise refuse("--plan", str(folder), rule, "give the case, --set and --catalog it was solved with")
    return found
