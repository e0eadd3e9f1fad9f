"""planner export --pypsa: the operating side of a case as a network that PyPSA reads, solves and compares."""

from __future__ import annotations

from dataclasses import dataclass

from planner.case.case import Case
from planner.plan.plan import Plan
from planner.pypsa.extendable import extendable_network
from planner.pypsa.folder import Network
from planner.pypsa.notes import held, left_out, readme
from planner.pypsa.operation import operating_network
from planner.pypsa.sizes import Sizes
from planner.pypsa.year import year_of


@dataclass(frozen=True)
class Exported:
    """A network and what must be said of it."""

    network: Network
    lines: tuple[str, ...]
    readme: str


def operating_side(case: Case, plan: Plan | None, number: int, path: int = 0) -> Exported:
    """The network of a year (the calendar year it begins in), at a plan's sizes; without a plan, sizes are open."""
    year = year_of(case, number, path)
    sizes = None if plan is None else Sizes(plan, year)
    network = extendable_network(year) if sizes is None else operating_network(year, sizes)
    lines = _told(network, sizes)
    notes = (("held as in the plan", held(year)), ("left out", left_out(year, sizes)))
    lines += [f"{label}: {text}" for label, texts in notes for text in texts]
    if notes[1][1]:
        lines.append("PyPSA's cost may therefore differ: what is left out can only make it lower.")
    return Exported(network, tuple(lines), readme(year, lines))


def _told(network: Network, sizes: Sizes | None) -> list[str]:
    """What to compare PyPSA's objective with."""
    if sizes is None:
        return [
            "Sizes are open. The objective is the present value of what is bought and of operation, over the horizon;",
            "fixed charges that no decision changes are not in it.",
        ]
    cost = network.cost_usd()
    lines = [f"Sizes are those of the plan. Its dispatch of the year costs {cost:,.2f} USD at the network's prices:"]
    lines.append("that is what PyPSA's objective compares with. It may be lower by as much as the plan's gap allows.")
    if sizes.year.scenario:
        return [*lines, f"scenario {sizes.year.scenario}: the ledger holds the mean of all, so it is not compared."]
    paid = sizes.operating_usd()
    lines += [f"ledger, {line}: {usd:,.2f} USD" for line, usd in paid.items()]
    outside = sum(paid.values()) - cost
    if abs(outside) > 1e-7 * max(1.0, abs(cost)):
        lines.append(f"of it outside the network: {outside:,.2f} USD")
    return lines
