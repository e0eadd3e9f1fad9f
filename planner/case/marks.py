"""YAML into plain values with the line of every field, and without YAML's traps.

Only this file imports yaml. Nodes are read with the safe composer and resolved here by stricter rules than
YAML 1.1: `NO` and `yes` stay text, `12:30` stays text, `1e6` is a number, `012` is a fault, equal keys are a
fault, tags and merge keys are refused. Dates are ISO dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from planner.errors import Fault

Path_ = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_NOT_FINITE = re.compile(r"[-+]?\.?(inf|nan)\Z", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
_NULL = {"", "~", "null", "Null", "NULL"}
# The C composer reads the catalogs ten times faster; both build the same nodes.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_NODES = 500_000  # aliases are expanded; a few nested ones could otherwise fill the memory


@dataclass
class Document:
    """A YAML file as plain values, with the line of every path in it."""

    file: str
    data: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path_) -> int:
        """Line of the nearest written ancestor of a path (1-based)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path_, value: Any, rule: str, remedy: str) -> Fault:
        """A fault at a path of this document."""
        return Fault(self.file, self.line(path), dotted(path), show(value), rule, remedy)


def dotted(path: Iterable[str | int]) -> str:
    """Path as people write it.

    >>> dotted(("site", "grid", 0, "mw"))
    'site.grid[0].mw'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(file)"


def show(value: Any) -> str:
    """Value in an error message, short."""
    text = f'"{value}"' if isinstance(value, str) else "nothing" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_yaml(path: Path) -> Document:
    """Read one YAML file. Faults of the text itself are collected in the document, never raised."""
    name = str(path)
    document = Document(name, None)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or "cannot be read"
        document.faults.append(Fault(name, 1, "(file)", name, f"cannot be read ({reason})", "check the path"))
        return document
    except UnicodeDecodeError as error:
        document.faults.append(
            Fault(name, 1, "(file)", f"byte {error.start}", "must be UTF-8 text", "save the file as UTF-8")
        )
        return document
    return read_text(text, name)


def read_text(text: str, name: str) -> Document:
    """Read YAML text; `name` stands for the file in messages."""
    document = Document(name, None)
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        document.faults.append(
            Fault(name, line, "(file)", problem, "must be valid YAML", "check indentation, quotes and brackets")
        )
        return document
    if node is None:
        document.faults.append(Fault(name, 1, "(file)", "empty", "must hold a mapping", "write the fields"))
        return document
    document.data = _Reader(document).value(node, ())
    return document


def parse_scalar(text: str) -> Any:
    """Value of a plain YAML scalar by the rules of this module; raises ValueError with (rule, remedy)."""
    if text in _NULL:
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _NOT_FINITE.match(text):
        raise ValueError("must be a finite number", "write a number, or leave the field out for no limit")
    if _LEADING_ZERO.match(text):
        plain = text.lstrip("+-0") or "0"
        raise ValueError("a number may not start with 0", f"write {plain}, or '{text}' if it is text")
    match = _DATE.match(text)
    if match:
        try:
            return date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError as error:
            raise ValueError(f"no such date ({error})", "write a date that exists, as YYYY-MM-DD") from None
    return text


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if self.nodes > _MAX_NODES:
            if self.nodes == _MAX_NODES + 1:
                self._fault(node, path, "too large", f"at most {_MAX_NODES:,} values", "split it or drop aliases")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "(complex key)"
            here = (*path, key)
            if key == "<<" or not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, here, key, "keys must be plain names", "write the fields out")
                continue
            if key in result:
                first = self.document.lines[here]
                self._fault(key_node, here, key, f"written twice (first on line {first})", "keep one of the two")
                continue
            self.document.lines[here] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        text = str(node.value)
        if node.tag.startswith("!") or node.tag.startswith("tag:yaml.org,2002:python"):
            self._fault(node, path, node.tag, "tags are not allowed", "write a plain value")
            return None
        if getattr(node, "style", None):  # quoted or block text is text, whatever it looks like
            return text
        try:
            return parse_scalar(text)
        except ValueError as error:
            self._fault(node, path, text, *error.args)
            return None

    def _fault(self, node: yaml.Node, path: Path_, value: str, rule: str, remedy: str) -> None:
        self.document.faults.append(
            Fault(self.document.file, node.start_mark.line + 1, dotted(path), value, rule, remedy)
        )
