"""planner check: every fault of a case, and what can never work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from planner.cli.options import (
    CaseArgument,
    CatalogOption,
    ObjectiveOption,
    SetOption,
    load,
)

if TYPE_CHECKING:
    pass


def check(
    case: CaseArgument,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Read a case and its catalogs, report every fault, and see without solving what can never work.

    \b
    planner check examples/carolina
    """
    loaded = load(case, objective, overrides, catalog)
    from planner.sizing.precheck import precheck

    precheck(loaded)
    typer.echo(f"{loaded.path}: no faults; nothing known without solving stands in the way")
    for label, lines in (("taken by default", loaded.defaults_used), ("warning", loaded.warnings)):
        for line in lines:
            typer.echo(f"  {label}: {line}")
