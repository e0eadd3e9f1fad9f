"""The command line in this process: what a command prints, and its exit code."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import NamedTuple
from unittest.mock import patch

from planner.cli.main import main


class Run(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str


def run(*words: str) -> Run:
    """Run `planner WORDS`; wide enough that no line is folded."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.dict("os.environ", COLUMNS="400"),
        patch.object(sys, "argv", ["planner", *words]),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    return Run(code, out.getvalue(), err.getvalue())
