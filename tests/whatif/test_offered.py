"""A plan found earlier is offered to what comes later: relaxing a limit never costs more. Purpose: property."""

from __future__ import annotations

from typing import Any

import pytest

from planner.solve.decomposition import solve
from planner.solve.design import design_of, spent_kusd
from planner.solve.pool import Pool
from planner.solve.solution import Solution
from tests.solve.test_properties import RELAXED, TIGHT
from tests.whatif.made import ENGINE_USD, Make, engine_usd, site

LOOSE = 0.3  # a gap at which a solve ends with nearly any plan


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool()


@pytest.fixture(scope="module")
def tight(make_case: Make, pool: Pool) -> Solution:
    return solve(make_case(TIGHT), gap=1e-5, threads=1, pool=pool)


@pytest.mark.parametrize("limit", [None, *RELAXED])
def test_a_plan_that_is_still_possible_is_never_lost(
    make_case: Make, tight: Solution, pool: Pool, limit: str | None
) -> None:
    change: dict[str, Any] = RELAXED[limit] if limit else {}
    found = solve(make_case(TIGHT, change), gap=LOOSE, threads=1, pool=pool, offered=[design_of(tight)])
    assert found.upper_kusd <= tight.upper_kusd * (1 + 2e-6)


def test_a_plan_that_is_not_possible_any_more_is_no_plan(make_case: Make) -> None:
    """A plan without an engine, where the grid has shrunk below the load, is offered in vain."""
    grid = {"site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 12, "via": "existing_feeders"}]}}}
    without = solve(site(make_case, grid), gap=1e-6, threads=1)
    design = design_of(without)
    assert max(design.come["own_engine"]) == 0
    found = solve(site(make_case), gap=1e-6, threads=1, offered=[design])
    assert max(design_of(found).come["own_engine"]) == 1
    assert found.lower_kusd > without.upper_kusd


def test_what_a_plan_spends_on_an_item(make_case: Make) -> None:
    """One engine, for two of its twenty years."""
    found = solve(site(make_case), gap=1e-6, threads=1)
    assert spent_kusd(found, "own_engine") * 1e3 == pytest.approx(engine_usd(ENGINE_USD), rel=2e-3)
