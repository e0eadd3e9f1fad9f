"""YAML into plain values with the line of every field, and without YAML's traps.

Only this file imports yaml. Its events are read one by one, so that depth and size stay bounded, and
resolved here by stricter rules than YAML 1.1: `NO` and `yes` stay text, `12:30` stays text, `1e6` is a
number, `012` is a fault, equal keys are a fault, tags and merge keys are refused. Dates are ISO dates.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Iterator
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
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# The C parser reads the catalogs ten times faster; both give the same events.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 10_000_000
_MAX_NODES = 500_000  # aliases are expanded; a few nested ones could otherwise fill the memory
_MAX_DEPTH = 50
_MAX_DIGITS = 15  # of a whole number: all of them survive in a float


@dataclass
class Document:
    """A YAML file as plain values, with the line of every path in it."""

    file: str
    data: Any
    lines: dict[Path_, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: set[Path_] = field(default_factory=set)  # paths whose value is lost: the fault is in `faults`
    replaced: dict[Path_, tuple[str, int]] = field(default_factory=dict)  # by the command line: (option, which)

    def line(self, path: Path_) -> int:
        """Line of the nearest written ancestor of a path (1-based)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: Path_) -> tuple[str, int]:
        """(file, line) of a path, or the option of the command line that gave its value."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.replaced:
                return self.replaced[path[:end]]
        return self.file, self.line(path)

    def fault(self, path: Path_, value: Any, rule: str, remedy: str) -> Fault:
        """A fault at a path of this document."""
        return Fault(*self.place(path), dotted(path), show(value), rule, remedy)


def dotted(path: Iterable[str | int]) -> str:
    """Path as people write it.

    >>> dotted(("site", "grid", 0, "mw"))
    'site.grid[0].mw'
    """
    text = ""
    for part in path:
        name = f"[{part}]" if isinstance(part, int) else _one_line(part) or '""'
        text += f".{name}" if text and not isinstance(part, int) else name
    return text or "(file)"


def show(value: Any) -> str:
    """Value in an error message: short, on one line, nothing a terminal would act on."""
    text = f'"{value}"' if isinstance(value, str) else "nothing" if value is None else str(value)
    return _one_line(text)


def _one_line(text: str) -> str:
    text = text if len(text) <= 80 else text[:77] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def read_yaml(path: Path) -> Document:
    """Read one YAML file. Faults of the text itself are collected in the document, never raised."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "cannot be read"
        return _unread(name, 1, name, f"cannot be read ({reason})", "check the path")
    if len(data) > _MAX_BYTES:
        remedy = "write hourly series as CSV files, split catalogs"
        return _unread(name, 1, "(file)", f"must be at most {_MAX_BYTES / 1e6:g} MB", remedy)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _unread(name, line, f"byte {error.start}", "must be UTF-8 text", "save the file as UTF-8")
    return read_text(text, name)


def written(path: Path) -> tuple[int, int] | None:
    """When a file was written and its size: what was read of it holds while these stay. None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def _unread(name: str, line: int, value: str, rule: str, remedy: str) -> Document:
    document = Document(name, None)
    document.faults.append(Fault(name, line, "(file)", _one_line(value), rule, remedy))
    return document


def read_text(text: str, name: str) -> Document:
    """Read YAML text; `name` stands for the file in messages."""
    strange = _UNPRINTABLE.search(text)
    if strange:
        line = text.count("\n", 0, strange.start()) + 1
        shown = f"character U+{ord(strange[0]):04X}"
        return _unread(name, line, shown, "control characters are not allowed", "remove it")
    document = Document(name, None)
    reader = _Reader(document, text)
    try:
        document.data = reader.read()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        at = text.splitlines()[mark.line : mark.line + 1] if mark else []
        tab = any(line.lstrip(" ").startswith("\t") for line in at)
        remedy = "indent with spaces, not tabs" if tab else "check indentation, quotes and brackets"
        document.faults.append(
            Fault(name, mark.line + 1 if mark else 1, "(file)", _one_line(problem), "must be valid YAML", remedy)
        )
        document.data = None
    except _StopReadingError:
        document.data = None
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
        if len(text.lstrip("+-")) > _MAX_DIGITS:
            raise ValueError(f"may not have more than {_MAX_DIGITS} digits", "check the value and its unit")
        return int(text)
    if _FLOAT.match(text):
        if not math.isfinite(float(text)):
            raise ValueError("must be a finite number", "check the exponent")
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


class _StopReadingError(Exception):
    """The rest of the file cannot be read; the fault is noted."""


class _Reader:
    """Builds plain values from YAML's events, one call a nested value, so the depth is counted."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self.nodes = 0
        # Anchors: the value and its number of nodes, None while its own value is being read.
        self.anchors: dict[str, tuple[Any, int] | None] = {}

    def read(self) -> Any:
        """The one document of the text."""
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            self._fault(event, (), "empty", "must hold a mapping", "write the fields")
            return None
        value = self.value(self._next(), ())
        self._next()  # document end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._fault(event, (), "---", "must hold one document", "remove the line and what follows")
        return value

    def _next(self) -> Any:
        event = next(self.events)
        return next(self.events) if isinstance(event, yaml.StreamStartEvent) else event

    def value(self, event: Any, path: Path_) -> Any:
        """Value that starts with an event, the events after it consumed."""
        self.document.lines.setdefault(path, event.start_mark.line + 1)
        self._count(event, path, 1)
        if len(path) > _MAX_DEPTH:
            self._fault(event, path[:1], "too deep", f"at most {_MAX_DEPTH} levels", "check the brackets and indents")
            raise _StopReadingError
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        before = self.nodes
        result: Any
        if isinstance(event, yaml.MappingStartEvent):
            result = self._mapping(path)
        elif isinstance(event, yaml.SequenceStartEvent):
            result = []
            while not isinstance(child := self._next(), yaml.SequenceEndEvent):
                result.append(self.value(child, (*path, len(result))))
        else:
            result = self._scalar(event, path)
        if event.tag is not None:
            self._lost(event, path, event.tag, "tags are not allowed", "write a plain value")
            result = None
        if event.anchor is not None:
            self.anchors[event.anchor] = (result, self.nodes - before + 1)
        return result

    def _count(self, event: Any, path: Path_, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > _MAX_NODES:
            self._fault(event, path, "too large", f"at most {_MAX_NODES:,} values", "split it or drop aliases")
            raise _StopReadingError

    def _alias(self, event: Any, path: Path_) -> Any:
        known = self.anchors.get(event.anchor)
        if known is None:
            inside = event.anchor in self.anchors
            rule = "an alias may not stand inside its own anchor" if inside else "names no anchor above it"
            self._lost(event, path, f"*{event.anchor}", rule, "write the value out")
            return None
        self._count(event, path, known[1])
        return copy.deepcopy(known[0])

    def _mapping(self, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(key_event := self._next(), yaml.MappingEndEvent):
            plain = isinstance(key_event, yaml.ScalarEvent) and key_event.tag is None
            key = str(key_event.value) if plain else "(complex key)"
            here = (*path, key)
            if not plain or (key == "<<" and not key_event.style):
                if not plain:
                    self.value(key_event, here)
                self._fault(key_event, here, key, "keys must be plain names", "write the fields out")
                self.value(self._next(), here)
                continue
            if key in result:
                first = self.document.lines[here]
                self._fault(key_event, here, key, f"written twice (first on line {first})", "keep one of the two")
                self.value(self._next(), here)
                continue
            self.document.lines[here] = key_event.start_mark.line + 1
            result[key] = self.value(self._next(), here)
        return result

    def _scalar(self, event: Any, path: Path_) -> Any:
        text = str(event.value)
        strange = _UNPRINTABLE.search(text)  # an escape such as "\\0"
        if strange:
            shown = f"character U+{ord(strange[0]):04X}"
            self._lost(event, path, shown, "control characters are not allowed", "remove it")
            return None
        if event.style or event.tag is not None:  # quoted or block text is text, whatever it looks like
            return text
        try:
            return parse_scalar(text)
        except ValueError as error:
            self._lost(event, path, text, *error.args)
            return None

    def _lost(self, event: Any, path: Path_, value: str, rule: str, remedy: str) -> None:
        self.document.broken.add(path)
        self._fault(event, path, value, rule, remedy)

    def _fault(self, event: Any, path: Path_, value: str, rule: str, remedy: str) -> None:
        line = event.start_mark.line + 1
        self.document.faults.append(Fault(self.document.file, line, dotted(path), _one_line(value), rule, remedy))
