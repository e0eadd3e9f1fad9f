"""Values given on the command line in place of the case's or the catalog's: `path=value`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from planner.case.base import suggest, validate
from planner.case.catalog import Catalog, Entry
from planner.case.figure import Figure
from planner.case.item import Item
from planner.case.marks import Document, Path_, dotted, parse_scalar, read_text, show
from planner.case.reader import Reader
from planner.errors import Fault

Change = tuple[int, str, str, float | date]  # which text, item, field, value


def override(reader: Reader, overrides: Sequence[str]) -> list[Change]:
    """Apply path=value texts to the raw data; returns those for the catalog: (which, item, field, value)."""
    catalog: list[Change] = []
    for number, text in enumerate(overrides, 1):
        path_text, separator, value_text = (part.strip() for part in text.partition("="))
        where = Fault("--set", number, dotted((path_text,)), show(value_text), "", "")
        if not separator:
            remedy = "write --set site.grid.power_factor=0.9"
            reader.faults.append(replace(where, rule="must be path=value", remedy=remedy))
            continue
        try:
            path = parse_path(path_text)
            value = _parse_value(value_text)
            if path[0] == "catalog":
                catalog.append((number, *_catalog_change(path, value)))
            else:
                _set(reader.document.data, path, value)
                reader.document.replaced[path] = ("--set", number)
                reader.document.broken -= {b for b in reader.document.broken if b[: len(path)] == path}
        except ValueError as error:
            rule, remedy = error.args if len(error.args) == 2 else (str(error), "correct it")
            reader.faults.append(replace(where, rule=rule, remedy=remedy))
    return catalog


def _catalog_change(path: Path_, value: Any) -> tuple[str, str, float | date]:
    if len(path) != 3:
        raise ValueError("must be catalog.ITEM.field=number", "name the item and the field")
    if path[2] == "orderable_from":
        if not isinstance(value, date):
            raise ValueError("must be a date", "write it as YYYY-MM-DD")
        return str(path[1]), str(path[2]), value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number", "write the number alone")
    return str(path[1]), str(path[2]), float(value)


def override_catalog(reader: Reader, catalog: Catalog, changes: list[Change]) -> Catalog:
    """The catalog with single numbers replaced, or the date an item may be ordered from."""
    entries = dict(catalog.entries)
    for number, item_id, name, value in changes:
        shown = f"{value:g}" if isinstance(value, float) else f"{value}"
        where = Fault("--set", number, dotted(("catalog", item_id, name)), shown, "", "")
        if item_id not in entries:
            if item_id not in catalog.broken:
                remedy = suggest(item_id, entries, "see planner catalog list")
                reader.faults.append(replace(where, rule="unknown item", remedy=remedy))
            continue
        item = entries[item_id].item
        numbers = [n for n, f in Item.model_fields.items() if "Figure" in str(f.annotation)]
        given: Any = value
        if isinstance(value, float) and name in numbers:
            given = Figure(value=value, source="given with --set", date=f"{date.today()}", confidence="estimate")
        elif name != "orderable_from":
            remedy = suggest(name, numbers, f"see planner catalog show {item_id}")
            reader.faults.append(replace(where, rule="unknown field", remedy=remedy))
            continue
        data = {n: getattr(item, n) for n in type(item).model_fields} | {name: given}
        data["class"] = data.pop("item_class")
        path = ("catalog", item_id)
        checked, faults = validate(Item, Document("--set", None, {path: number}), path, data)
        reader.faults += faults
        if checked is not None:
            entries[item_id] = Entry(checked, "--set", number, entries[item_id].sources)
    return replace(catalog, entries=entries)


def parse_path(text: str) -> Path_:
    """Path of an override; raises ValueError with (rule, remedy).

    >>> parse_path("site.grid.interconnection[0].mw")
    ('site', 'grid', 'interconnection', 0, 'mw')
    """
    parts: list[str | int] = []
    for piece in text.split("."):
        match = re.fullmatch(r"([A-Za-z0-9_+/() -]+)((?:\[[0-9]{1,6}\])*)", piece)
        if not match:
            rule = f"cannot read the path part {show(piece)}"
            raise ValueError(rule, "write it like site.grid.interconnection[0].mw")
        parts.append(match[1])
        parts += [int(i) for i in re.findall(r"\[([0-9]+)\]", match[2])]
    return tuple(parts)


def _parse_value(text: str) -> Any:
    if text[:1] in ("[", "{", '"', "'"):
        document = read_text(text, "--set")
        if document.faults:
            raise ValueError(document.faults[0].rule, document.faults[0].remedy)
        return document.data
    if not text.isprintable():
        raise ValueError("control characters are not allowed", "remove them")
    return parse_scalar(text)


def _set(data: Any, path: Path_, value: Any) -> None:
    """Write a value at a path, making mappings on the way; raises ValueError with (rule, remedy)."""
    for i, part in enumerate(path):
        here = dotted(path[:i]) if i else "the case"
        if isinstance(part, int):
            if not isinstance(data, list):
                raise ValueError(f"no such path: {here} is no list", "see the case file for its fields")
            if part >= len(data):
                rule = f"no such path: {here} has {len(data)} entries, counted from 0"
                raise ValueError(rule, f"write at most [{len(data) - 1}]" if data else "write the entry in the file")
        elif not isinstance(data, dict):
            hint = f"write {here}[0].{part}" if isinstance(data, list) else "see the case file for its fields"
            raise ValueError(f"no such path: {here} is no mapping", hint)
        if i == len(path) - 1:
            data[part] = value
            return
        if isinstance(part, str) and data.get(part) is None and isinstance(path[i + 1], str):
            data[part] = {}
        if isinstance(part, str) and part not in data:
            raise ValueError(f"no such path: {here} has no {part}", suggest(part, data, "write it in the file"))
        data = data[part]
