"""The command line: a file a command, which parses, calls and prints.

Heavy imports stand inside the commands: --help answers at once.
"""

from __future__ import annotations

import sys

import typer

from planner.cli.catalog import catalog_app
from planner.cli.check import check
from planner.cli.explain import explain
from planner.cli.export import export
from planner.cli.new import new
from planner.cli.solve import solve
from planner.cli.swing import swing

app = typer.Typer(
    name="planner",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Plan AI data centres from the GPU to the grid connection: what to buy, how many, ordered when.",
)
for command in (solve, check, explain, swing, export, new):
    app.command()(command)
app.add_typer(catalog_app, name="catalog")


def main() -> None:
    """Entry point of the `planner` command; turns errors into exit codes."""
    from planner.errors import InfeasibleError, InputError, PlannerError

    try:
        app()
    except InputError as error:
        count = len(error.faults)
        typer.echo(f"{error}\n{count} fault{'s' if count != 1 else ''} in the input", err=True)
        sys.exit(error.exit_code)
    except InfeasibleError as error:
        words = (
            "any one of these limits, freed by its shortfall, would allow one" if error.alternatives else "in the way"
        )
        typer.echo(f"no plan satisfies the case; {words}:", err=True)
        for shortfall in error.shortfalls:
            typer.echo(f"  {shortfall}", err=True)
        sys.exit(error.exit_code)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        place = error.filename or "command line"
        typer.echo(f"{place}:1: (file): {error.strerror or error}: cannot be used: check the path", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
