"""Hardware catalogs: one YAML file per product group, every number with its source.

A number is one value or low/typical/high. A missing price, lead time, footprint, auxiliary power or other
planning value is inherited from the generic item of the class and marked so; an item without a rating, or
without a class to inherit a needed value from, is not sizeable and says what is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from planner.case.base import Strict, suggest, validate
from planner.case.figure import Figure
from planner.case.item import INHERITED_AS_IS, INHERITED_PER_RATING, Item
from planner.case.marks import Document, dotted, read_yaml, written
from planner.errors import Fault, InputError


@dataclass(frozen=True)
class Entry:
    """An item, the file and line it came from, and the source texts of that file."""

    item: Item
    file: str
    line: int
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """All items by id, already inherited."""

    entries: dict[str, Entry]
    files: tuple[str, ...]
    broken: frozenset[str] = frozenset()  # ids of items that have faults of their own

    def __getitem__(self, item_id: str) -> Item:
        return self.entries[item_id].item

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.entries

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Every item, in order of id."""
        return tuple(self.entries[key].item for key in sorted(self.entries))


class _Source(Strict):
    name: str
    url: str = ""
    note: str = ""


class _File(Strict):
    schema_: Literal["catalog/1"] = Field(alias="schema")
    sources: dict[str, _Source] = {}
    items: list[Any]


def default_catalog_folder() -> Path:
    """The catalogs that come with the planner: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).resolve().parent.parent / "catalogs"
    return inside if inside.is_dir() else Path(__file__).resolve().parent.parent.parent / "catalogs"


def load_catalog(*folders: Path) -> Catalog:
    """Read the default catalog and then each folder given, whose items add to or replace earlier ones.

    Raises InputError with every fault of every file.
    """
    catalog, faults = read_catalog(default_catalog_folder(), *folders)
    if faults:
        raise InputError(faults)
    return catalog


def read_catalog(*folders: Path) -> tuple[Catalog, list[Fault]]:
    """Like load_catalog for exactly these folders, returning the faults instead of raising."""
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    files: list[str] = []
    broken: set[str] = set()
    for folder in folders:
        paths = sorted(folder.glob("*.yaml")) if holds_catalog(folder) else []
        if not paths:
            faults.append(Fault(str(folder), 1, "(folder)", str(folder), "holds no catalog (*.yaml)", "check the path"))
        seen: dict[str, Entry] = {}
        for path in paths:
            files.append(str(path))
            read, found, lost = _parsed(path, written(path))
            faults += found
            broken |= lost
            for entry in read:
                first = seen.get(entry.item.id)
                if first:
                    rule, remedy = f"already in {first.file}:{first.line}", "give it another id or remove one"
                    faults.append(Fault(entry.file, entry.line, entry.item.id, "twice", rule, remedy))
                seen[entry.item.id] = entry
        entries |= seen
    return Catalog(_inherit(entries, faults), tuple(files), frozenset(broken)), faults


@lru_cache(maxsize=64)
def _parsed(path: Path, written: tuple[int, int] | None) -> tuple[tuple[Entry, ...], tuple[Fault, ...], frozenset[str]]:
    """Entries, faults and broken items of a file, read once as long as it is not written again."""
    faults: list[Fault] = []
    broken: set[str] = set()
    entries = _read_file(read_yaml(path), faults, broken)
    return tuple(entries), tuple(faults), frozenset(broken)


def holds_catalog(folder: Path) -> bool:
    """Whether a folder is there and has catalog files."""
    try:
        return folder.is_dir() and any(folder.glob("*.yaml"))
    except (OSError, ValueError):  # a path no folder can have
        return False


def _read_file(document: Document, faults: list[Fault], broken: set[str]) -> list[Entry]:
    faults += document.faults
    if document.data is None:
        return []
    file, found = validate(_File, document, (), document.data)
    faults += found
    # With a fault in its head, the items of a file are still checked; their sources cannot be.
    rows = document.data.get("items") if isinstance(document.data, dict) else None
    sources = {key: f"{s.name}{f' ({s.url})' if s.url else ''}" for key, s in file.sources.items()} if file else {}
    entries = []
    for i, data in enumerate(rows if isinstance(rows, list) else ()):
        item, found = validate(Item, document, ("items", i), data)
        faults += [f for f in found if not _lost(document, f)]
        if item is None:
            broken |= {str(data["id"])} if isinstance(data, dict) and "id" in data else set()
            continue
        for name, given in item.sourced() if file else ():
            if given.source not in sources and " " not in given.source:
                remedy = suggest(given.source, sources, "add it under sources, or write the source out")
                path = ("items", i, name, "source")
                faults.append(document.fault(path, given.source, "unknown source", remedy))
        entries.append(Entry(item, document.file, document.line(("items", i)), sources))
    return entries


def _lost(document: Document, fault: Fault) -> bool:
    """Whether a fault comes from a value that could not be read, which has its own fault."""
    return fault.field in {dotted(path) for path in document.broken}


def _inherit(entries: dict[str, Entry], faults: list[Fault]) -> dict[str, Entry]:
    generics: dict[str, Item] = {}
    for entry in entries.values():
        item = entry.item
        if not item.generic:
            continue
        other = generics.get(item.item_class)
        if other and entries[other.id].file == entry.file:
            rule = f"class {item.item_class} has {other.id} already"
            faults.append(Fault(entry.file, entry.line, item.id, "generic", rule, "one generic item a class"))
        generics[item.item_class] = item
    generics = {name: _priced(item) for name, item in generics.items()}
    return {
        key: Entry(_filled(_priced(e.item), generics.get(e.item.item_class)), e.file, e.line, e.sources)
        for key, e in entries.items()
    }


def _priced(item: Item) -> Item:
    """Price per kW of rating turned into a price per unit."""
    per_kw, rating = item.price_usd_per_kw, item.rating
    if per_kw is None or rating is None:
        return item
    factor = rating[0]
    return item.model_copy(update={"price_usd": _scaled(per_kw, factor), "price_usd_per_kw": None})


def _scaled(figure: Figure, factor: float, **update: Any) -> Figure:
    values = {n: v * factor for n in ("value", "low", "typical", "high") if (v := getattr(figure, n)) is not None}
    return figure.model_copy(update={**values, **update})


def _louder(figure: Figure, factor: float, **update: Any) -> Figure:
    more = 10.0 * math.log10(factor)
    values = {n: v + more for n in ("value", "low", "typical", "high") if (v := getattr(figure, n)) is not None}
    return figure.model_copy(update={**values, **update})


def _filled(item: Item, generic: Item | None) -> Item:
    if generic is None or generic.id == item.id:
        return item
    update: dict[str, Figure] = {}
    for name in INHERITED_AS_IS:
        figure = getattr(generic, name)
        if getattr(item, name) is None and figure is not None:
            update[name] = figure.model_copy(update={"inherited_from": generic.id})
    ratings = item.rating, generic.rating
    boxes = item.it_power_kw, generic.it_power_kw
    if boxes[0] and boxes[1] and generic.rating_kw and item.rating_kw is None and item.rating_kva is None:
        factor = boxes[0].planning / boxes[1].planning  # the power train of a pod goes with the IT it feeds
        update["rating_kw"] = _scaled(generic.rating_kw, factor, inherited_from=generic.id)
        ratings = (boxes[0].planning, "it_power_kw"), (boxes[1].planning, "it_power_kw")
    if ratings[0] and ratings[1] and ratings[0][1].rsplit("_", 1)[0] == ratings[1][1].rsplit("_", 1)[0]:
        factor = ratings[0][0] / ratings[1][0]
        for name in INHERITED_PER_RATING:
            figure = getattr(generic, name)
            if getattr(item, name) is None and figure is not None:
                update[name] = _scaled(figure, factor, inherited_from=generic.id)
        if item.sound_power_dba is None and generic.sound_power_dba is not None:  # sound power goes with the rating
            update["sound_power_dba"] = _louder(generic.sound_power_dba, factor, inherited_from=generic.id)
    return item.model_copy(update=update)
