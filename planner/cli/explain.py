"""planner explain: what holds a plan back, what that is worth, and what all but made it into the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli.options import CaseArgument, CatalogOption, ObjectiveOption, SetOption, changes_of, load, refuse


def explain(
    case: CaseArgument,
    limits: Annotated[int, typer.Option(min=0, max=100, help="Binding limits to solve anew.")] = 8,
    items: Annotated[int, typer.Option(min=0, max=100, help="Items on the edge of the plan to show.")] = 8,
    gap: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Gap that differences start from.")] = 0.001,
    time_limit: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds for all of it; by default nine times the plan's own.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Operating blocks solved side by side.")] = 2,
    json: Annotated[Path | None, typer.Option(help="File for all numbers.")] = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Explain a plan: the limits that hold it back and what one unit of each is worth, and its near misses.

    Every number is the difference of two proven plans, with the interval in which the true one lies.

    \b
    planner explain examples/carolina
    planner explain site/case.yaml --objective max_gpus=2028-12-31 --limits 12 --json why.json
    """
    loaded = load(case, objective, overrides, catalog)
    if json is not None and (json.is_dir() or not json.absolute().parent.is_dir()):
        raise refuse("--json", str(json), "is no file in a folder that exists", "choose another place")
    from planner.report.explain import print_table, write_data
    from planner.sizing.precheck import precheck
    from planner.solve.decomposition import solve
    from planner.whatif.engine import WhatIfs
    from planner.whatif.explain import ITEM_HEADS, LIMIT_HEADS, explain_feasible

    whatifs = WhatIfs(case, changes_of(objective, overrides), list(catalog or []), gap=gap, threads=threads)
    precheck(loaded)
    if whatifs.answer().solution is None:
        solve(loaded, threads=threads)  # raises InfeasibleError with the limits in the way
    found = explain_feasible(whatifs, limits=limits, items=items, seconds=time_limit)
    nothing = "no limit holds the plan back"
    print_table(f"Binding limits: {found.gain}", LIMIT_HEADS, found.limit_rows, nothing)
    print_table("Items on the edge", ITEM_HEADS, found.item_rows, "no item is near a change of price")
    if found.left_out:
        typer.echo(f"not looked at for want of time (--time-limit): {', '.join(found.left_out)}")
    typer.echo(f"{found.solves} plans solved in {found.seconds:.0f} s")
    if json is not None:
        write_data(json, found.data, LIMIT_HEADS, found.limit_rows)
