"""planner explain: what stands in the way of a case, and the ways out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import CaseArgument, CatalogOption, ObjectiveOption, SetOption, load, refuse, settings

if TYPE_CHECKING:
    from planner.solve.pool import Pool
    from planner.whatif.explained import Explained

JsonOption = Annotated[Path | None, typer.Option("--json", help="File for the same answer as plain values.")]


def explain(
    case: CaseArgument,
    time_limit: Annotated[
        float, typer.Option(min=1.0, help="Seconds; what was not verified by then is left out and said so.")
    ] = 300.0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Operating blocks solved side by side.")] = 2,
    json_file: JsonOption = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Tell why a case has no plan: the limits in conflict, and the least moves that let one exist.

    Every way out was verified: the case so changed was solved, and its plan passed the audit. What is named in
    target.firm is never offered. Ways that keep every promise come first, the cheapest plan before the others, then
    those that give up a standard of design, those that move a date, and those that shrink the target. Exit code 3.

    \b
    planner explain examples/carolina --set site.grid.interconnection[0].mw=30
    planner explain site/case.yaml --json why.json --time-limit 600
    """
    load(case, objective, overrides, catalog)
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise refuse("--json", str(json_file), "is no file in a folder that exists", "choose another place")
    changes = settings(objective, overrides)
    found = ways_out(case, changes, catalog or [], threads=threads, time_limit_s=time_limit)
    if found is None:  # a case with a plan
        typer.echo("the case has a plan; nothing stands in the way")
        return
    tell(found, json_file)
    raise typer.Exit(3)


def ways_out(
    case: Path,
    changes: Sequence[str],
    catalogs: Sequence[Path],
    *,
    threads: int,
    time_limit_s: float,
    ways: bool = True,
    pool: Pool | None = None,
) -> Explained | None:
    """Why a case has no plan, and what would have to give, with a line on stderr for every solve; None: it has one."""
    from planner.whatif.engine import WhatIfs
    from planner.whatif.explained import explained

    what = WhatIfs(case, changes, catalogs, threads=threads)
    what.pool = pool or what.pool
    return explained(what, lambda text: typer.echo(text, err=True), time_limit_s, ways=ways)


def tell(found: Explained, json_file: Path | None = None, *, to_stderr: bool = False) -> None:
    """Print the answer, and write it where a file is named."""
    from planner.report.terminal import print_no_plan
    from planner.whatif.explained import options_text

    print_no_plan(
        found.name,
        found.reasons,
        found.members(),
        [(way.words, way.promise.words, way.cost_usd, options_text(way)) for way in found.ways],
        found.firm,
        found.left_out,
        f"{found.solves} solves, {found.seconds:.1f} s",
        to_stderr=to_stderr,
    )
    if json_file is not None:
        json_file.write_text(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
