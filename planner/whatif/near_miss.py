"""Items that all but made it into a plan, and items that all but fell out of it.

The least cost z(price) of a case is concave in the price of an item, and flat from the price on at which it is not
bought any more, where it is W, the least cost without the item. A plan that buys it costs C + D (price - its price),
so it breaks even with W at its price + (W - C) / D; there the case is solved again, until no plan buys the item.
Who is not bought at a quarter of its price, or not replaced at twice of it, is not near. What the sizing model with the
cuts already known does not buy or replace at such a price is not solved there: its bound is proven.
An item that must come sooner or be better is tried at its best first, and the change is halved from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from planner.case.item import Item
from planner.errors import InputError, NoPlanError
from planner.solve.design import ordered_units, spent_kusd
from planner.units import unit_of
from planner.whatif.engine import Answer, WhatIfs

_CLOSE = 0.05  # a break-even price is told within this
_CHEAPER = (0.5, 0.25)  # of the price
_DEARER = 2.0
_SEEN_SHARE = 0.1  # of the gap of the answers: what a change must save in the sizing model to be solved
_TRIES = 8
_SHARED = ("generation", "renewable", "battery")  # families that stand in for each other at no position of the chain
_BEST_HEAT_RATE, _BTU_PER_KWH = 0.5, 3412.14  # the best tried: of its own, and no less than a kWh is


@dataclass(frozen=True)
class NearMiss:
    """What would change whether an item is bought."""

    item: str
    units: float  # in the plan
    figure: str  # of the catalog
    unit: str
    now: float
    bought_at: float | None  # nearest value tried at which a plan buys it; None: at none
    not_at: float | None  # nearest value tried at which none does; None: nothing can take its place
    words: str
    change: str  # text of --set that shows it

    @property
    def nearness(self) -> float:
        """Change of the figure that turns the decision, as a share of it; infinite where none does."""
        turned = self.bought_at if not self.units else self.not_at
        return abs(turned / self.now - 1.0) if turned is not None and self.now else float("inf")


def near_misses(
    whatifs: WhatIfs, *, items: int = 8, seconds: float = 60.0
) -> tuple[tuple[NearMiss, ...], tuple[str, ...]]:
    """(items by how little turns the decision on them, the nearest first; items left out for want of time).

    seconds: for all of them together. Only where cost is the objective: where GPUs or a date come first, a price
    decides among plans of the same goal alone.
    """
    base, end = whatifs.answer(), time.perf_counter() + seconds
    solution = base.solution
    assert solution is not None
    if whatifs.unit != "USD":
        return (), ()
    seen = _SEEN_SHARE * whatifs.gap * (solution.upper_kusd - solution.forced_kusd)
    found: list[NearMiss] = []
    left_out: list[str] = []
    buyable = _buyable(base)
    whatifs.until = end
    for item in (*buyable, *_too_late(base, buyable)):
        try:
            if time.perf_counter() > end:
                left_out.append(item.id)
            elif item not in buyable:
                found += _otherwise(whatifs, item, seen, ("lead_time_weeks",))
            elif ordered_units(solution, item.id) > 1e-6:
                found += _dearer(whatifs, base, item, seen)
            else:
                found += _cheaper(whatifs, base, item, seen)
                found += _otherwise(whatifs, item, seen)
        except NoPlanError:  # the time was up in the middle of it
            left_out.append(item.id)
    whatifs.until = float("inf")
    return tuple(sorted(found, key=lambda miss: miss.nearness)[:items]), tuple(left_out)


def _buyable(base: Answer) -> list[Item]:
    """Items that a plan could order: those that it does not, then those that something else could replace."""
    solution = base.solution
    assert solution is not None
    items = list({o.item.id: o.item for o in solution.sizing.options if o.buyable}.values())
    bought = [item for item in items if ordered_units(solution, item.id) > 1e-6]
    replaced = [item for item in bought if _rivals(base, item)]
    return [item for item in items if item not in bought] + replaced


def _too_late(base: Answer, buyable: list[Item]) -> list[Item]:
    """Candidates that no order brings in time."""
    assert base.solution is not None
    named = {name for of in base.case.candidates.values() for name in of}
    late = {o.item.id: o.item for o in base.solution.sizing.options if o.item.id in named and not o.buyable}
    return [item for item in late.values() if item not in buyable and ordered_units(base.solution, item.id) <= 1e-6]


def price_field(item: Item) -> str:
    """The catalog's figure that an item is paid by."""
    return "rental_usd_per_mw_month" if item.tenure == "rented" else "price_usd"


def _dearer(whatifs: WhatIfs, base: Answer, item: Item, seen: float) -> list[NearMiss]:
    """The price at which an item falls out of the plan."""
    assert base.solution is not None
    field, units = price_field(item), ordered_units(base.solution, item.id)
    none, now = f"supply.{item.id}={{}}", item.get(field)
    miss = partial(NearMiss, item.id, units, field, unit_of(field), now)
    try:
        if whatifs.bound((none,)) is None:
            return [miss(None, None, "nothing can take its place", none)]
        dear = _DEARER * now
        dearer = whatifs.estimate((_price(item, dear),))
    except InputError:
        return []
    more = (_DEARER - 1.0) * spent_kusd(base.solution, item.id)
    if dearer >= more - seen and units >= 1:
        return [miss(dear, None, f"stays at {_DEARER:g} times its price", _price(item, dear))]
    without = whatifs.answer((none,))
    if without.solution is None:
        return [miss(None, None, "nothing can take its place", none)]
    bought, out = _break_even(whatifs, item, base, without)
    instead = _replaced_by(base, without, item)
    return [miss(bought, out, f"falls out{f', replaced by {instead}' if instead else ''}", _price(item, out))]


def _cheaper(whatifs: WhatIfs, base: Answer, item: Item, seen: float) -> list[NearMiss]:
    """The price at which an item comes into the plan."""
    field = price_field(item)
    now = item.get(field)
    miss = partial(NearMiss, item.id, 0.0, field, unit_of(field), now)
    for share in _CHEAPER:
        low = _price(item, share * now)
        if whatifs.estimate((low,)) >= -seen:
            continue
        start = whatifs.answer((low,))
        if start.solution is not None and ordered_units(start.solution, item.id) > 1e-6:
            bought, out = _break_even(whatifs, item, start, base)
            return [miss(bought, out, "comes in", _price(item, bought))]
    return [miss(None, share * now, f"not bought at {share:.0%} of its price either", low)]


def _break_even(whatifs: WhatIfs, item: Item, bought: Answer, without: Answer) -> tuple[float, float]:
    """(price at which a plan that buys an item costs no more than without it, price at which none buys it)."""
    for _ in range(_TRIES):
        assert bought.solution is not None
        price = bought.case.catalog[item.id].get(price_field(item))
        per_usd = spent_kusd(bought.solution, item.id) * 1e3 / price
        even = price + max(0.0, without.cost_usd - bought.cost_usd) / per_usd
        above = even * (1.0 + _CLOSE)
        beyond = whatifs.answer((_price(item, above),))
        if beyond.solution is None or ordered_units(beyond.solution, item.id) <= 1e-6:
            return even, above
        bought = beyond
    return even, float("inf")


def _otherwise(whatifs: WhatIfs, item: Item, seen: float, only: tuple[str, ...] = ()) -> list[NearMiss]:
    """How much sooner or better an item that is not bought would have to be. only: these figures; without, all."""
    found = []
    for field, best, words in (figure for figure in _figures(item) if not only or figure[0] in only):
        now = item.get(field)
        at_best = (f"catalog.{item.id}.{field}={best:.12g}",)
        try:
            if whatifs.estimate(at_best) >= -seen or not _bought(whatifs, item, at_best):
                continue
        except InputError:
            continue
        near, far = now, best  # not bought, bought
        while abs(near - far) > _CLOSE * abs(now):
            middle = 0.5 * (near + far)
            if _bought(whatifs, item, (f"catalog.{item.id}.{field}={middle:.12g}",)):
                far = middle
            else:
                near = middle
        change = f"catalog.{item.id}.{field}={far:.6g}"
        found.append(NearMiss(item.id, 0.0, field, unit_of(field), now, far, near, words, change))
    return found


def _figures(item: Item) -> list[tuple[str, float, str]]:
    """(field, the best it could be, words) of what makes an item come in other than its price."""
    found = [("lead_time_weeks", 0.0, "comes in, sooner")] if item.get("lead_time_weeks", 0.0) > 0 else []
    if item.family == "battery":
        found.append(("round_trip_efficiency_fraction", 1.0, "comes in, better"))
    for field in ("heat_rate_btu_per_kwh_hhv", "heat_rate_btu_per_kwh_lhv"):
        if getattr(item, field) is not None:
            best = max(_BTU_PER_KWH, _BEST_HEAT_RATE * item.get(field))
            found.append((field, best, "comes in, better"))
    return found


def _bought(whatifs: WhatIfs, item: Item, changes: tuple[str, ...]) -> bool:
    solution = whatifs.answer(changes).solution
    return solution is not None and ordered_units(solution, item.id) > 1e-6


def _rivals(base: Answer, item: Item) -> bool:
    """Whether something else could stand in an item's place."""
    assert base.solution is not None
    options = base.solution.sizing.options
    own = {position for o in options if o.item.id == item.id for position in o.supplies}
    others = [o for o in options if o.item.id != item.id and (o.buyable or any(o.committed))]
    if item.family in _SHARED:
        return True  # it may be done without
    return any(own & set(o.supplies) for o in others)


def _replaced_by(base: Answer, without: Answer, item: Item) -> str:
    """What a plan without an item has more of, the most money first."""
    assert base.solution is not None
    assert without.solution is not None
    more = []
    for o in {o.item.id: o for o in without.solution.sizing.options}.values():
        added = ordered_units(without.solution, o.item.id) - ordered_units(base.solution, o.item.id)
        if o.item.id != item.id and added > 1e-6:
            usd = spent_kusd(without.solution, o.item.id) - spent_kusd(base.solution, o.item.id)
            more.append((usd, f"{added:g} {o.item.id}"))
    return " and ".join(words for _, words in sorted(more, reverse=True)[:2])


def _price(item: Item, price: float) -> str:
    return f"catalog.{item.id}.{price_field(item)}={price:.6g}"
