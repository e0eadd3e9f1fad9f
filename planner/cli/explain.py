"""planner explain: of a plan, what holds it back and what that is worth; of a case without one, the ways out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import CaseArgument, CatalogOption, ObjectiveOption, SetOption, load, refuse, settings

if TYPE_CHECKING:
    from planner.solve.pool import Pool
    from planner.whatif.engine import WhatIfs
    from planner.whatif.explained import Explained

JsonOption = Annotated[Path | None, typer.Option("--json", help="File for the same answer as plain values.")]
_WAYS_S = 300.0


def explain(
    case: CaseArgument,
    limits: Annotated[int, typer.Option(min=0, max=100, help="Of a plan: binding limits to solve anew.")] = 8,
    items: Annotated[int, typer.Option(min=0, max=100, help="Of a plan: items on its edge to show.")] = 8,
    gap: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Gap that differences start from.")] = 0.001,
    time_limit: Annotated[
        float | None,
        typer.Option(min=1.0, help="Seconds for all of it; by default nine times the plan's own, or 300 without one."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Operating blocks solved side by side.")] = 2,
    json_file: JsonOption = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Explain a case: what holds its plan back, or why it has none and what would have to give.

    Of a plan: the limits that hold it back and what one unit of each is worth, and its near misses. Every number is the
    difference of two proven plans, with the interval in which the true one lies.
    Without a plan (exit code 3): the limits in conflict, and the least moves that let a plan exist, each verified by
    solving the case so changed and auditing its plan. What is named in target.firm is never offered. Ways that keep
    every promise come first, the cheapest plan before the others.

    \b
    planner explain examples/carolina
    planner explain examples/carolina --objective max_gpus=2028-12-31 --limits 12 --json why.json
    planner explain examples/carolina --set site.grid.interconnection[0].mw=30
    """
    load(case, objective, overrides, catalog)
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise refuse("--json", str(json_file), "is no file in a folder that exists", "choose another place")
    from planner.whatif.engine import WhatIfs

    changes = settings(objective, overrides)
    whatifs = WhatIfs(case, changes, list(catalog or []), gap=gap, threads=threads)
    if whatifs.answer().solution is not None:
        _tell_plan(whatifs, limits, items, time_limit, json_file)
        return
    within = time_limit if time_limit is not None else _WAYS_S
    found = ways_out(case, changes, catalog or [], threads=threads, time_limit_s=within, pool=whatifs.pool)
    if found is None:
        typer.echo("no plan was found, and no limit that stands in the way")
        raise typer.Exit(4)
    tell(found, json_file)
    raise typer.Exit(3)


def _tell_plan(whatifs: WhatIfs, limits: int, items: int, time_limit: float | None, json_file: Path | None) -> None:
    """What holds the plan back, and what is on its edge."""
    from planner.report.explain import print_titled, write_data
    from planner.whatif.explain import ITEM_HEADS, LIMIT_HEADS, explain_feasible

    found = explain_feasible(whatifs, limits=limits, items=items, seconds=time_limit)
    print_titled(f"Binding limits: {found.gain}", LIMIT_HEADS, found.limit_rows, "no limit holds the plan back")
    print_titled("Items on the edge", ITEM_HEADS, found.item_rows, "no item is near a change of price")
    if found.left_out:
        typer.echo(f"not looked at for want of time (--time-limit): {', '.join(found.left_out)}")
    typer.echo(f"{found.solves} plans solved in {found.seconds:.0f} s")
    if json_file is not None:
        write_data(json_file, found.data, LIMIT_HEADS, found.limit_rows)


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
