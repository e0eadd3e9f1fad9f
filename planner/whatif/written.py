"""The case file as it is written: its values, the line each stands on, and values as the text of `--set`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from planner.case.marks import Path_, dotted, parse_scalar
from planner.case.overrides import override
from planner.case.reader import Reader

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ ()+./-]*\Z")


class Written:
    """A case file with the changes of the command line."""

    def __init__(self, path: Path, changes: Sequence[str] = ()) -> None:
        reader = Reader(path)
        override(reader, changes)
        self._document = reader.document

    def at(self, *path: str | int) -> Any:
        """The value at a path; None where nothing is written."""
        value = self._document.data
        for part in path:
            inside = isinstance(value, dict) if isinstance(part, str) else isinstance(value, list)
            if not inside or (isinstance(part, int) and part >= len(value)):
                return None
            value = value.get(part) if isinstance(part, str) else value[part]
        return value

    def place(self, path: Path_) -> str:
        """file:line of a path, or of what is written nearest above it."""
        file, line = self._document.place(path)
        return f"{file}:{line}"


def put(path: Path_, value: Any) -> str:
    """The text of `--set` that gives a path a value.

    >>> put(("site", "grid", "interconnection", 1, "mw"), 74.0)
    'site.grid.interconnection[1].mw=74'
    """
    return f"{dotted(path)}={flow(value)}"


def flow(value: Any) -> str:
    """A value in one line, as `--set` and case files read it.

    >>> flow([{"from": date(2027, 3, 1), "mw": 60.5, "via": "existing_feeders"}, {"scheme": "4N/3"}, None])
    '[{from: 2027-03-01, mw: 60.5, via: existing_feeders}, {scheme: 4N/3}, null]'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.12g}" if abs(value) < 1e12 else f"{value:.6e}"
    plain = _PLAIN.match(value) and parse_scalar(value) == value and value == value.strip()
    return str(value) if plain else json.dumps(value)
