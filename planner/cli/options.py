"""What the commands share: their common options, reading a case, progress, and faults of the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from planner.case.case import Case
    from planner.case.catalog import Catalog
    from planner.errors import InputError
    from planner.solve.solution import Progress

CaseArgument = Annotated[Path, typer.Argument(help="A case file, or a folder that holds case.yaml.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any input: site.grid.interconnection[0].mw=60, catalog.ITEM.price_usd=1e6."),
]
CatalogOption = Annotated[
    list[Path] | None, typer.Option("--catalog", help="Catalog folder on top of the others, item by item.")
]
ObjectiveOption = Annotated[
    str | None, typer.Option("--objective", help="min_cost, earliest, max_gpus, or max_gpus=2028-12-31.")
]


def load(case: Path, objective: str | None, overrides: list[str] | None, catalogs: list[Path] | None) -> Case:
    """Read a case with the changes of the command line. Raises InputError with every fault."""
    from planner.case.case import load_case

    return load_case(case, settings(objective, overrides), list(catalogs or []))


def settings(objective: str | None, overrides: list[str] | None) -> list[str]:
    """The changes of the command line, the objective among them."""
    changes = list(overrides or [])
    if objective is not None:
        name, separator, by = objective.partition("=")
        changes.append(f"objective={{{name}: {by or 'null'}}}" if separator else f"objective={name}")
    return changes


def catalogs(folders: list[Path] | None) -> Catalog:
    """The shipped catalogs under these folders."""
    from planner.case.catalog import load_catalog

    return load_catalog(*(folders or []))


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else before the work, not after it."""
    from planner.plan.folder import holds_another_thing

    if holds_another_thing(out, "plan.json"):
        raise refuse("--out", str(out), "exists and is not a plan", "choose another folder, or remove it")


def unknown(name: str, known: Any, what: str) -> InputError:
    """A name that is not known, with the nearest that is."""
    from planner.case.base import suggest

    return refuse(what, name, f"unknown {what}", suggest(name, known, "see planner catalog list"))


def refuse(field: str, value: str, rule: str, remedy: str) -> InputError:
    """A fault of the command line itself."""
    from planner.case.marks import show
    from planner.errors import Fault, InputError

    return InputError([Fault("command line", 1, field, show(value), rule, remedy)])


class Show:
    """Progress on stderr: with -v every round; else one line rewritten in place or, off a terminal, a line for
    every phase and one every 10 seconds."""

    def __init__(self, verbose: bool) -> None:
        self.verbose, self.live = verbose, sys.stderr.isatty() and not verbose
        self.phase, self.seconds, self.open = "", 0.0, False

    def progress(self, now: Progress) -> None:
        if self.live:
            typer.echo(f"\r{now}\x1b[K", err=True, nl=False)
            self.open = True
        elif self.verbose or now.phase != self.phase or now.seconds >= self.seconds + 10.0:
            typer.echo(str(now), err=True)
            self.phase, self.seconds = now.phase, now.seconds

    def say(self, text: str) -> None:
        self.end()
        typer.echo(text, err=True)

    def end(self) -> None:
        """Close the line that is being rewritten."""
        if self.open:
            typer.echo(err=True)
            self.open = False
