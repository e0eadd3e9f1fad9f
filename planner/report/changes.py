"""The difference of two plans in words. Formatting only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from planner.plan.diff import TOTAL, Change, Diff
from planner.report.terminal import print_line, print_table

_FEW = 40  # changes of the inputs shown; the file has them all


def print_diff(found: Diff, a: tuple[str, str], b: tuple[str, str]) -> None:
    """a, b: folder and name of each plan."""
    for label, (folder, name), money in (("a", a, found.a), ("b", b, found.b)):
        words = f"{_musd(money.objective_usd)}, at least {_musd(money.least_usd)}"
        print_line(f"{label}: {name} ({folder}): {words}", "bold")
    print_line(interval_words(found))
    how = "field by field" if found.field_by_field else "file by file: a case is not what it was, or not there"
    _section(f"inputs, {how}", found.inputs[:_FEW], len(found.inputs))
    print_line("orders", "bold")
    for item, changes in groupby(found.orders, key=lambda change: change.name):
        print_line(f"  {item}: " + "; ".join(_in_words(change) for change in changes))
    if not found.orders:
        print_line("  none changed")
    _cost(found)
    _section("results", found.results, len(found.results))


def interval_words(found: Diff) -> str:
    """The difference in cost and what is proven of it."""
    usd, (low, high) = found.difference_usd, found.interval_usd
    more = "more" if usd >= 0 else "less"
    text = f"b costs {_musd(abs(usd))} {more} than a; of the least costs of the two the difference is proven to lie "
    text += f"between {_musd(low)} and {_musd(high)}"
    return text + (": below resolution, solve both to a smaller gap to tell them apart" if low < 0 < high else "")


def _cost(found: Diff) -> None:
    print_line("cost by ledger line, M$", "bold")
    rows = []
    for name, pair in groupby(found.cost, key=lambda change: change.name):
        paid, present = pair
        numbers = [v / 1e6 for v in (paid.a, paid.b, paid.b - paid.a, present.b - present.a)]
        rows.append((f"  {name}", *(f"{v:,.3f}" for v in numbers)))
    print_table(("  line", "a, as paid", "b, as paid", "b - a", "b - a, present value"), rows, (1, 2, 3, 4))
    rates = [f"{money.rate:.2%} a year to {money.start}" for money in (found.a, found.b)]
    how = rates[0] if rates[0] == rates[1] else f"{rates[0]} in a, {rates[1]} in b"
    print_line(f"  discounted at {how}; the present value of the {TOTAL} is the difference of the objectives")


def _section(title: str, changes: Sequence[Change], count: int) -> None:
    print_line(title, "bold")
    for change in changes:
        print_line(f"  {change.name}: {_value(change.a, change.unit)} -> {_value(change.b, change.unit)}")
    if count > len(changes):
        print_line(f"  and {count - len(changes)} more: see --csv")
    if not count:
        print_line("  none changed")


def _in_words(change: Change) -> str:
    if change.unit == "USD":
        return f"{change.measure} {_musd(change.a)} -> {_musd(change.b)}"
    return f"{change.measure} {_value(change.a, '')} -> {_value(change.b, '')}"


def _value(value: Any, unit: str) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if unit == "USD" and abs(value) >= 1e5:
        return _musd(value)
    shown = f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{shown} {unit}".rstrip()


def _musd(usd: float) -> str:
    return f"{usd / 1e6:,.3f} M$"
