"""planner export: the whole case as one model for any solver."""

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
    pass


def export(
    case: CaseArgument,
    lp: Annotated[Path | None, typer.Option(help="File to write in LP format.")] = None,
    mps: Annotated[Path | None, typer.Option(help="File to write in MPS format.")] = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Write the whole case, sizing and every hour, as one model that any solver reads.

    The objective is what the case asks for: its cost in thousand USD or, for max_gpus and earliest, the first
    goal alone; the cost comes after it and is not in the file. The file says so at its top.

    \b
    planner export examples/carolina --set horizon.sample_days_per_month=1 --lp carolina.lp
    """
    files = [(kind, path) for kind, path in (("lp", lp), ("mps", mps)) if path is not None]
    if not files:
        raise refuse("--lp, --mps", "", "no file to write", "name a file with --lp, --mps or both")
    for kind, path in files:
        if path.exists() and not path.is_file():
            raise refuse(f"--{kind}", str(path), "exists and is not a file", "choose another name")
    loaded = load(case, objective, overrides, catalog)
    from planner.solve.export import export as write

    columns, rows = write(loaded, files)
    for _, path in files:
        typer.echo(f"{path} written: {columns:,} columns, {rows:,} rows")
