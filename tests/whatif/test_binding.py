"""Binding limits and near misses of sites whose values are known by hand. Purpose: analytic."""

from __future__ import annotations

from datetime import date

import pytest

from planner.whatif.binding import binding_limits
from planner.whatif.difference import Difference
from planner.whatif.moves import moves_of
from planner.whatif.near_miss import near_misses
from tests.own import ENGINE
from tests.whatif.made import ENGINE_USD, Make, site, whatifs_of, worth_of_power_usd

TWIN = ENGINE | {"id": "own_twin", "class": "own_twin", "price_usd": 1.25 * ENGINE_USD}
CHEAP = {"price_usd": 1e5}  # saves more in a year than it costs


def test_the_grid_binds_and_the_land_does_not(make_case: Make) -> None:
    whatifs = whatifs_of(site(make_case, {"site": {"land_m2": 1e6, "hall": {"yard_m2": 1e4}}}))
    found, left_out = binding_limits(whatifs)
    assert not left_out
    assert [b.move.limit for b in found] == ["grid connection"]
    assert found[0].move.changes == ("site.grid.interconnection[0].mw=9",)
    worth = found[0].worth
    assert worth.sharp
    assert worth.least * 0.998 <= worth_of_power_usd(35.0) <= worth.most * 1.002


def test_a_yard_without_room_for_the_engine_binds(make_case: Make) -> None:
    """An engine takes 1 m2: without it the load is not served, so its worth is that there is a plan at all."""
    whatifs = whatifs_of(site(make_case, {"site": {"hall": {"yard_m2": 1}}}))
    assert "yard" not in [b.move.limit for b in binding_limits(whatifs)[0]]
    assert whatifs.answer(("site.hall.yard_m2=0.5",)).solution is None


def test_an_item_dearer_than_its_twin_misses_by_what_it_is_dearer(make_case: Make) -> None:
    """Two engines alike but for their price: each is bought up to the price of the other, to 5 %."""
    case = site(make_case, {"candidates": {"generation": ["own_engine", "own_twin"]}}, items=[ENGINE, TWIN])
    found = {miss.item: miss for miss in near_misses(whatifs_of(case, gap=1e-5))[0]}
    twin, own = found["own_twin"], found["own_engine"]
    assert twin.units == 0
    assert twin.bought_at == pytest.approx(ENGINE_USD, rel=1e-3)
    assert twin.not_at == pytest.approx(1.05 * ENGINE_USD, rel=1e-3)
    assert own.units == 1
    assert own.bought_at == pytest.approx(TWIN["price_usd"], rel=1e-3)
    assert own.words == "falls out, replaced by 1 own_twin"


def test_an_item_that_comes_too_late_misses_by_its_lead_time(make_case: Make) -> None:
    """A new engine serves from 2028-01-01 at the latest, 52.1 weeks after the start: at 60 weeks it never does."""
    late = ENGINE | {"id": "own_late", "class": "own_late", "heat_rate_btu_per_kwh_hhv": 4000, "lead_time_weeks": 60}
    case = site(make_case, {"candidates": {"generation": ["own_engine", "own_late"]}}, items=[ENGINE, late | CHEAP])
    found = {(miss.item, miss.figure): miss for miss in near_misses(whatifs_of(case, gap=1e-5))[0]}
    miss = found["own_late", "lead_time_weeks"]
    assert miss.bought_at is not None
    assert miss.not_at is not None
    assert miss.bought_at <= 365 / 7 < miss.not_at
    assert miss.not_at - miss.bought_at <= 0.05 * 60 + 1e-9


def test_one_rack_more_is_72_gpus_more(make_case: Make) -> None:
    """Most GPUs with 10 racks supplied: a rack more is 72 GPUs more, and a megawatt of grid none."""
    case = make_case(
        {
            "target": {"milestones": [{"gpus": 7200, "by": "2028-05-01"}]},
            "objective": {"max_gpus": "2028-05-01"},
            "supply": {"nvidia_gb300_nvl72": {"2027Q4": 10}},
            "budget": [{"by": "2028-05-01", "usd": 9.0e8}],
        }
    )
    whatifs = whatifs_of(case)
    found, _ = binding_limits(whatifs)
    assert whatifs.answer().span.found == 720
    worth = {b.move.limit: b.worth for b in found}
    assert worth["supply of nvidia_gb300_nvl72"] == Difference(72, 72, 72, "GPUs")
    assert "grid connection" not in worth
    assert near_misses(whatifs) == ((), ())


def test_the_estimate_that_ranks_is_close(make_case: Make) -> None:
    """The sizing model with the cuts of one solve knows what a megawatt is worth before it is solved."""
    whatifs = whatifs_of(site(make_case), gap=1e-5)
    estimate = whatifs.estimate(("site.grid.interconnection[0].mw=9",))
    assert -1e3 * estimate == pytest.approx(worth_of_power_usd(35.0), rel=5e-3)


def test_moves_by_hand(make_case: Make) -> None:
    """Every move names the text that makes it, and can be read."""
    case = make_case(
        {
            "site": {"land_m2": 60000, "grid": {"load_rules": [{"rule": "caiso"}]}},
            "workload": {"swing_fraction": 0.3},
            "budget": [{"by": "2027-08-31", "usd": 9.0e8}],
            "supply": {"nvidia_gb300_nvl72": {"2027Q4": 12}},
            "activities": [{"name": "road", "weeks": 10, "gates": ["network"]}],
            "redundancy": {"ups": {"scheme": "N+1", "group_mw": 5}},
        }
    )
    moves = {(m.limit, m.words): m.changes for m in moves_of(case, (("fit_out_generic", date(2027, 6, 9)),))}
    assert moves["grid connection", "+1 MW"] == ("site.grid.interconnection[0].mw=41",)
    assert ("milestone 720 GPUs", "1 month later") not in moves  # the build ends in that month
    assert moves["milestone 720 GPUs", "1 month sooner"] == ("target.milestones[0].by=2028-04-01",)
    assert moves["land", "+600 m2"] == ("site.land_m2=60600",)
    assert moves["load rule caiso", "+1 MW/min"] == ("site.grid.load_rules[0].ramp_mw_per_min=21",)
    assert moves["redundancy of ups", "N+1 to N"] == ("redundancy.ups.scheme=N",)
    assert moves["supply of nvidia_gb300_nvl72", "+1 units"] == ("supply.nvidia_gb300_nvl72.2027Q4=13",)
    assert moves["activity road", "4.5 weeks sooner"] == ("activities[0].weeks=5.5",)
    # 2027-06-09 serves from July; 9 days, or 2 weeks, sooner it serves from June... which starts on the first
    assert moves["lead time of fit_out_generic", "2 weeks sooner"] == ("catalog.fit_out_generic.lead_time_weeks=2",)
    whatifs = whatifs_of(case)
    for changes in moves.values():
        whatifs.case(changes)  # is read without a fault
