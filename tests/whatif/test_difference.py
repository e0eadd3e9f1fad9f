"""Differences of two answers: by hand, and against the whole model solved. Purpose: analytic, equivalence."""

from __future__ import annotations

import pytest

from planner.solve.monolithic import Monolithic
from planner.whatif.difference import Difference, Span, difference
from tests.whatif.made import ENGINE_USD, Make, engine_usd, site, whatifs_of, worth_of_power_usd

GRID = "site.grid.interconnection[0].mw"


def test_the_interval_holds_every_pair_of_optima() -> None:
    """z1 in [90, 100], z2 in [107, 110]: what is added lies between 107 - 100 and 110 - 90."""
    found = difference(Span(100, 90, 100), Span(110, 107, 110), "USD")
    assert found == Difference(10, 7, 20, "USD")
    assert not found.sharp
    assert not found.below_resolution
    assert found.less() == Difference(-10, -20, -7, "USD")
    assert difference(Span(100, 99, 100), Span(100.5, 99, 100.5), "USD").below_resolution


def test_a_price_that_grows_by_so_much_adds_units_times_so_much(make_case: Make) -> None:
    """One engine is bought at either price: 0.4 M$ more for it cost what its annuity does."""
    whatifs = whatifs_of(site(make_case))
    found = whatifs.difference((f"catalog.own_engine.price_usd={ENGINE_USD + 0.4e6:.0f}",))
    assert found.sharp
    assert found.least - 1.0 <= engine_usd(0.4e6) <= found.most + 1.0
    assert found.found == pytest.approx(engine_usd(0.4e6), rel=0.1)


def test_a_megawatt_of_grid_replaces_a_megawatt_of_the_engine(make_case: Make) -> None:
    """85 $/MWh of fuel and O&M for 50 $/MWh of the grid in every hour; the engine stays, for the other megawatt."""
    whatifs = whatifs_of(site(make_case))
    saved = whatifs.difference((f"{GRID}=9",)).less()
    assert saved.sharp
    assert saved.width <= 0.2 * saved.found
    assert saved.least * 0.998 <= worth_of_power_usd(35.0) <= saved.most * 1.002


def test_enough_grid_saves_the_engine_too(make_case: Make) -> None:
    whatifs = whatifs_of(site(make_case))
    saved = whatifs.difference((f"{GRID}=10",)).less()
    expected = 2 * worth_of_power_usd(35.0) + engine_usd(ENGINE_USD)
    assert saved.least * 0.998 <= expected <= saved.most * 1.002


@pytest.mark.parametrize("change", [f"{GRID}=8.3", "site.fuel.natural_gas_usd_per_mmbtu_hhv=9.5"])
def test_the_whole_model_lies_inside(make_case: Make, change: str) -> None:
    """Both cases as one model, solved to 1e-8: what they differ by lies in the interval."""
    whatifs = whatifs_of(site(make_case), gap=1e-2)
    found = whatifs.difference((change,))
    optima = [Monolithic(whatifs.case(changes)).solve(gap=1e-8).upper_kusd * 1e3 for changes in ((), (change,))]
    exact = optima[1] - optima[0]
    room = 1e-7 * abs(optima[0])
    assert found.sharp
    assert found.least - room <= exact <= found.most + room
    assert found.found * exact > 0


def test_what_changes_nothing_is_below_resolution(make_case: Make) -> None:
    """Room for more diesel where no set burns any changes no plan: the interval shrinks around 0."""
    whatifs = whatifs_of(site(make_case), gap=1e-2)
    found = whatifs.difference(("site.land_m2=1e9",))
    assert found.least <= 0.0 <= found.most
    assert found.sharp or found.below_resolution


def test_a_case_without_a_plan_is_no_difference(make_case: Make) -> None:
    whatifs = whatifs_of(site(make_case, {"candidates": {"generation": None}}), f"{GRID}=12")
    found = whatifs.difference((f"{GRID}=9",))
    assert not found.settled
    assert str(found) == "no plan"
