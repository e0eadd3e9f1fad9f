"""Reading on after a fault: what is broken is taken out, so that the rest is checked in the same run.

Pydantic checks the rules of a mapping only when all of its fields are sound, and items, weather and series
can only be looked up in a case that is sound. `Mended` removes every faulty value, or puts a neutral one in
the place of a required field, until the model builds. A fault is reported unless something taken out could
have caused it. The mended model serves to find more faults; it never becomes a plan.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Generic

from planner.case.base import Model, Problem, examine
from planner.case.marks import Document, Path_
from planner.errors import Fault

_ROUNDS = 60


class Mended(Generic[Model]):
    """A model built from what is sound in a document. `touched` are the places taken out or filled in."""

    def __init__(self, model: type[Model], document: Document, neutral: dict[str, Any]) -> None:
        self.document, self._model, self._neutral = document, model, neutral
        self.faults: list[Fault] = []
        self.touched: set[Path_] = set(document.broken)
        self._kept: dict[Path_, list[int]] = {}  # list -> which of its written entries are left
        self._data = copy.deepcopy(document.data)
        for path in sorted(document.broken, key=_by_position, reverse=True):
            self._take_out(path)
        self.built: Model | None = self._build()

    def written(self, loc: Path_) -> Path_:
        """Path in the file of a place in the mended data: entries taken out shift the later ones."""
        path: Path_ = ()
        for part in loc:
            kept = self._kept.get(path, [])
            path = (*path, kept[part] if isinstance(part, int) and part < len(kept) else part)
        return path

    def sound(self, *locs: Path_) -> bool:
        """Whether nothing at, above or below these places (of the mended data) was touched."""
        return not any(_related(self.written(loc), self.touched) for loc in locs)

    def _build(self) -> Model | None:
        for _ in range(_ROUNDS):
            built, problems = examine(self._model, self.document, (), self._data, self.written)
            if built is not None:
                return built
            renamed = {(*p.loc[:-1], p.meant) for p in problems if p.meant is not None}
            self.faults += [p.fault for p in problems if p.loc not in renamed and not self._caused(p)]
            if not self._mend(problems):
                return None
        return None

    def _caused(self, problem: Problem) -> bool:
        """Whether a fault may come from an earlier one."""
        if problem.reads:
            return not self.sound(*problem.reads)
        return not self.sound(problem.loc)

    def _mend(self, problems: list[Problem]) -> bool:
        """Take out or fill in what has a fault; False when nothing more can be done."""
        gone: set[Path_] = set()
        # From the back, so that taking out an entry leaves the places of the others as they were found.
        for problem in sorted(problems, key=lambda p: _by_position(p.loc), reverse=True):
            loc = problem.loc
            if any(loc[:n] in gone for n in range(1, len(loc) + 1)):
                continue
            if not problem.unknown:
                self.touched.add(self.written(loc))
            elif problem.meant is not None:
                self.touched.add(self.written((*loc[:-1], problem.meant)))
            value, holder = _lookup(self._neutral, loc), _lookup(self._data, loc[:-1])
            if isinstance(holder, dict) and value is not None and holder.get(loc[-1]) != value:
                holder[loc[-1]] = copy.deepcopy(value)
                self._kept.pop(self.written(loc), None)
                continue
            loc = loc[:-1] if problem.missing else loc
            path = self.written(loc)
            while loc and not self._take_out(loc):
                loc = loc[:-1]
            if not loc:
                return False
            gone.add(loc)
            if not problem.unknown:
                self.touched.add(path[: len(loc)])
        return True

    def _take_out(self, loc: Path_) -> bool:
        holder = _lookup(self._data, loc[:-1]) if loc else None
        if isinstance(holder, dict) and loc[-1] in holder:
            del holder[loc[-1]]
            return True
        if isinstance(holder, list) and isinstance(loc[-1], int) and loc[-1] < len(holder):
            self._kept.setdefault(self.written(loc[:-1]), list(range(len(holder)))).pop(loc[-1])
            del holder[loc[-1]]
            return True
        return False


def _lookup(data: Any, loc: Iterable[str | int]) -> Any:
    """Value at a place; in neutral values "*" stands for every entry of a list."""
    for part in loc:
        if isinstance(data, dict):
            data = data.get("*" if isinstance(part, int) else part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _related(path: Path_, touched: Iterable[Path_]) -> bool:
    return any(path[: len(t)] == t[: len(path)] for t in touched)


def _by_position(path: Path_) -> list[tuple[bool, int, str]]:
    return [(isinstance(p, str), p if isinstance(p, int) else 0, str(p)) for p in path]
