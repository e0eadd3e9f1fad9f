"""Fields of what is rented: rent, mobilisation and demobilisation, and the least term."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.case.base import Rule

if TYPE_CHECKING:
    from planner.case.item import Item

RENTAL = (
    "rental_usd_per_mw_month",
    "mobilisation_usd_per_mw",
    "demobilisation_usd_per_mw",
    "minimum_term_months",
)
# What only an owner pays, or gets back.
_OWNERS = ("price_usd", "price_usd_per_kw", "installation_fraction", "fixed_om_fraction_per_year")


def rental_faults(item: Item) -> list[Rule]:
    """Rent of what is owned, prices of what is rented, and terms that are no whole months."""
    found = []
    given = [name for name in RENTAL if getattr(item, name) is not None]
    if item.tenure == "owned":
        if given:
            found.append(Rule("is for rented items", "write tenure: rented, or remove it", (given[0],)))
        return found
    if item.family != "generation":
        found.append(Rule("only generators are rented", "write tenure: owned", ("tenure",)))
    if item.permit_class == "emergency":
        rule = "an emergency set may not bridge, and is not rented"
        found.append(Rule(rule, "write permit_class: non_emergency, or tenure: owned", ("tenure",)))
    for name in _OWNERS:
        figure = getattr(item, name)
        if figure is not None and not figure.inherited_from:
            found.append(Rule("has no meaning for a rented item: it is in the rent", "remove it", (name,)))
    term = item.minimum_term_months
    if term is not None and term.planning != round(term.planning):
        found.append(Rule(f"must be whole months (got {term.planning:g})", "round it up", ("minimum_term_months",)))
    return found
