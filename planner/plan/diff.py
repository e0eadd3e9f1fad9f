"""The difference of two plans, from their tables and, where they can be read as they were, their cases.

Everything is b less a. Present values are each at its own plan's rate and start; with the risk of scenarios they add up
to the objectives. What is proven of the difference of two least costs is an interval: each plan is known to its gap,

    least b - least a  lies in  [lower bound of b - objective of a, objective of b - lower bound of a].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from planner.case.case import Case
from planner.case.figure import Figure, Sourced
from planner.case.marks import dotted
from planner.finance import discount_factor
from planner.plan.plan import Plan
from planner.units import unit_of

TOTAL, RISK = "total", "risk of scenarios"
COLUMNS = ("part", "name", "measure", "unit", "a", "b", "difference")
_ABOUT = set(Sourced.model_fields)  # where a figure comes from: not what it is
_ENDS = ("low", "high")
_SAME = 1e-9  # of a number: two plans of one optimum differ by rounding


class Change(NamedTuple):
    """One value that differs. a and b: as people read them, None where there is nothing."""

    part: str  # inputs, orders, cost, results
    name: str
    measure: str
    unit: str
    a: Any
    b: Any

    @property
    def difference(self) -> float | None:
        """b less a of numbers."""
        numbers = [v for v in (self.a, self.b) if isinstance(v, int | float) and not isinstance(v, bool)]
        return float(numbers[1]) - float(numbers[0]) if len(numbers) == 2 else None


@dataclass(frozen=True)
class Money:
    """A plan's cost, and how its cash is discounted. [USD]"""

    objective_usd: float
    least_usd: float
    rate: float
    start: date
    lines: Mapping[str, tuple[float, float]]  # ledger line -> (as paid, present value)

    @property
    def total(self) -> tuple[float, float]:
        """All lines, as paid and at present value."""
        return sum(usd for usd, _ in self.lines.values()), sum(usd for _, usd in self.lines.values())


@dataclass(frozen=True)
class Diff:
    """What changed from plan a to plan b."""

    a: Money
    b: Money
    inputs: tuple[Change, ...]
    orders: tuple[Change, ...]
    cost: tuple[Change, ...]
    results: tuple[Change, ...]
    field_by_field: bool  # whether the inputs were compared so, or file by file

    @property
    def difference_usd(self) -> float:
        """Of the two objectives."""
        return self.b.objective_usd - self.a.objective_usd

    @property
    def interval_usd(self) -> tuple[float, float]:
        """What is proven of the difference of the two least costs."""
        return self.b.least_usd - self.a.objective_usd, self.b.objective_usd - self.a.least_usd

    def table(self) -> pd.DataFrame:
        """Every change, one a row."""
        changes = (*self.inputs, *self.orders, *self.cost, *self.results)
        low, high = self.interval_usd
        proven = Change("cost", "least cost", "proven interval of b - a", "USD", low, high)
        rows = [(*change, change.difference) for change in changes] + [(*proven, None)]
        return pd.DataFrame(rows, columns=COLUMNS)


def diff(a: Plan, b: Plan, cases: tuple[Case, Case] | None = None) -> Diff:
    """Compare two plans. cases: theirs, as they were when the plans were made; None where one cannot be had."""
    money = _money(a), _money(b)
    return Diff(
        *money,
        inputs=tuple(_fields(*cases) if cases is not None else ()) + tuple(_files(a, b, data_only=cases is not None)),
        orders=tuple(_orders(a, b)),
        cost=tuple(_cost(*money)),
        results=tuple(_results(a, b)),
        field_by_field=cases is not None,
    )


# -- inputs --------------------------------------------------------------------------------------------------


def _fields(a: Case, b: Case) -> Iterator[Change]:
    """Fields of the cases, defaults included, and figures of the items that either may use."""
    yield from _changed("inputs", dict(_flat(a.input, ())), dict(_flat(b.input, ())))
    for name in sorted(_used(a) | _used(b)):
        one, two = (dict(_flat(case.catalog[name], ())) if name in case.catalog else {} for case in (a, b))
        yield from _changed("inputs", one, two, prefix=f"catalog.{name}.")


def _used(case: Case) -> set[str]:
    return {*(name for names in case.candidates.values() for name in names), *case.input.owned}


def _flat(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, Any]]:
    """(path, value) of every field below a value; a list of plain values is one, and a figure is its numbers."""
    if isinstance(value, Figure):
        yield dotted(path), value.planning
        yield from ((f"{dotted(path)}.{end}", v) for end in _ENDS if (v := getattr(value, end)) is not None)
    elif isinstance(value, BaseModel):
        skip = _ABOUT if isinstance(value, Sourced) else set()
        for name, field in type(value).model_fields.items():
            if name not in skip:
                yield from _flat(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, (*path, str(name)))
    elif isinstance(value, list | tuple) and any(isinstance(v, BaseModel | Mapping | list | tuple) for v in value):
        for i, inner in enumerate(value):
            yield from _flat(inner, (*path, i))
    elif isinstance(value, list | tuple | set | frozenset):
        one = next(iter(value)) if len(value) > 1 and len(set(value)) == 1 else None  # one price all year
        yield dotted(path), one if one is not None else ", ".join(map(str, value))
    elif value is not None:
        yield dotted(path), value if isinstance(value, int | float) else str(value)


def _changed(part: str, a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> Iterator[Change]:
    for path in dict.fromkeys([*a, *b]):
        figure, _, end = path.rpartition(".")
        ends = end in _ENDS and figure in a and figure in b  # of a figure: told where both have them
        if a.get(path) != b.get(path) and not (ends and (path not in a or path not in b)):
            unit = unit_of(figure.rpartition(".")[2] if ends else end)
            yield Change(part, f"{prefix}{path}", "field", unit, a.get(path), b.get(path))


def _files(a: Plan, b: Plan, *, data_only: bool) -> Iterator[Change]:
    """Files that differ, by their SHA-256, and changes of the command line. data_only: what no field has told."""
    then, now = (dict(plan.summary["inputs_sha256"]) for plan in (a, b))
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name) and not (data_only and name.endswith((".yaml", ".yml"))):
            short = [str(side[name])[:12] if name in side else None for side in (then, now)]
            yield Change("inputs", name, "SHA-256", "", *short)
    if data_only:
        return
    sets = [list(plan.summary.get("inputs", {}).get("set", ())) for plan in (a, b)]
    for text in dict.fromkeys([*sets[0], *sets[1]]):
        if (text in sets[0]) != (text in sets[1]):
            path, _, value = text.partition("=")
            yield Change("inputs", path, "--set", "", *(value if text in side else None for side in sets))


# -- orders --------------------------------------------------------------------------------------------------


def _orders(a: Plan, b: Plan) -> Iterator[Change]:
    """By item: units, first and last dates, capital; and the units of every order day that differs."""
    for item in sorted({*a.orders["item"], *b.orders["item"]}):
        sides = [plan.orders[plan.orders["item"] == item] for plan in (a, b)]
        measures: dict[tuple[str, str], list[Any]] = {("ordered", "units"): [_number(f.units.sum()) for f in sides]}
        for column, words in (("order_date", "order"), ("commissioning_date", "in service")):
            for name, pick in (("first", min), ("last", max)):
                days = [pick(map(_day, f[column]), default=None) for f in sides]
                measures[f"{name} {words}", "date"] = days
        measures["capital", "USD"] = [float(f.capital_usd.sum()) for f in sides]
        by_day = [f.groupby(f["order_date"].map(_day)).units.sum().to_dict() for f in sides]
        for day in sorted({*by_day[0], *by_day[1]}):
            measures[f"ordered on {day}", "units"] = [_number(of.get(day, 0)) for of in by_day]
        for (measure, unit), (one, two) in measures.items():
            if not _alike(one, two):
                yield Change("orders", item, measure, unit, one, two)


def _day(value: Any) -> str:
    return str(value)[:10]


def _number(value: Any) -> float | int:
    number = round(float(value), 6)
    return int(number) if number == int(number) else number


# -- cost ----------------------------------------------------------------------------------------------------


def _money(plan: Plan) -> Money:
    s = plan.summary
    rate, start = float(s["discount_rate"]), date.fromisoformat(str(s["start"]))
    lines: dict[str, tuple[float, float]] = {}
    for day, line, usd in zip(plan.ledger["date"], plan.ledger["line"], plan.ledger["usd"], strict=True):
        paid, present = lines.get(str(line), (0.0, 0.0))
        factor = discount_factor(rate, date.fromisoformat(_day(day)), start)
        lines[str(line)] = (paid + float(usd), present + float(usd) * factor)
    risk = float(dict(s.get("risk", {})).get("added_to_objective_usd", 0.0))
    if risk:
        lines[RISK] = (0.0, risk)  # nobody is paid: what the objective takes in of the dearest scenarios
    return Money(float(s["objective_usd"]), float(s["lower_bound_usd"]), rate, start, lines)


def _cost(a: Money, b: Money) -> Iterator[Change]:
    """Every ledger line that differs, and the total, as paid and at present value."""
    none = (0.0, 0.0)
    for line in sorted({*a.lines, *b.lines}):
        one, two = a.lines.get(line, none), b.lines.get(line, none)
        if max(abs(one[0] - two[0]), abs(one[1] - two[1])) >= 0.005:
            yield from _two(line, one, two)
    yield from _two(TOTAL, a.total, b.total)


def _two(name: str, a: tuple[float, float], b: tuple[float, float]) -> Iterator[Change]:
    for place, measure in enumerate(("as paid", "present value")):
        yield Change("cost", name, measure, "USD", a[place], b[place])


# -- results -------------------------------------------------------------------------------------------------


def _results(a: Plan, b: Plan) -> Iterator[Change]:
    """Key results, units at the end, and when each milestone is reached."""
    sides = [_summed(plan) for plan in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        one, two = (side.get(name) for side in sides)
        if not _alike(one, two):
            yield Change("results", *name, one, two)


def _summed(plan: Plan) -> dict[tuple[str, str, str], Any]:
    s = plan.summary
    found: dict[tuple[str, str, str], Any] = {
        ("objective_usd", "present value", "USD"): float(s["objective_usd"]),
        ("lower_bound_usd", "present value", "USD"): float(s["lower_bound_usd"]),
        ("gpus_energised", "at the end", "GPUs"): _number(s["gpus_energised"]),
        ("design_load_mw", "at the end", "MW"): float(s["design_load_mw"]),
    }
    found |= {(name, "key result", unit_of(name)): value for name, value in s["key_results"].items()}
    found |= {(name, "units at the end", "units"): _number(n) for name, n in s["units"].items()}
    for row in s["milestones"]:
        found[f"{row['target']:,g} {row['unit']} by {row['by']}", "reached", "date"] = row["reached"] or "not reached"
    return found


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= _SAME * max(1.0, abs(a), abs(b))
    return bool(a == b)
