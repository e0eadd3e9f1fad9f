"""Whether a plan was made from a case: the files of both, by their SHA-256, and the changes of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.case.case import Case


def changed_files(summary: Mapping[str, Any], case: Case) -> list[str]:
    """What is not as it was when the plan was made, a line a file; empty where every file is the same."""
    then, now = dict(summary["inputs_sha256"]), dict(case.hashes)
    found = []
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            found.append(f"{name} is not read any more")
        elif name not in then:
            found.append(f"{name} was not read then")
        elif then[name] != now[name]:
            found.append(f"{name} has changed")
    return found


def other_changes(summary: Mapping[str, Any], case: Case) -> list[str]:
    """Changes of the command line that the plan was made with and the case was not, or the other way round."""
    then, now = [str(text) for text in dict(summary.get("inputs", {})).get("set", ())], list(case.changes)
    return [
        *(f"made with --set {text}" for text in then if text not in now),
        *(f"made without --set {text}" for text in now if text not in then),
    ]
