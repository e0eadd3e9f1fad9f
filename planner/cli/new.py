"""planner new: a commented case to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import (
    refuse,
)

if TYPE_CHECKING:
    pass


def new(folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")]) -> None:
    """Write a commented case to start from.

    \b
    planner new my-site && planner check my-site
    """
    import json

    if folder.is_symlink() or folder.exists():
        raise refuse("DIR", str(folder), "exists already", "choose another folder")
    if not folder.name.isprintable():
        raise refuse("DIR", folder.name, "must be printable UTF-8 text", "choose another name")
    text = (Path(__file__).parents[1] / "template.yaml").read_text(encoding="utf-8")
    text = text.replace("\nname: NAME\n", f"\nname: {json.dumps(folder.name, ensure_ascii=False)}\n")
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text(text, encoding="utf-8")
    typer.echo(f"{folder / 'case.yaml'} written; edit it, then: planner check {folder}")
