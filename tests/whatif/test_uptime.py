"""Uptime against every state of a group counted out, the lognormal by quadrature, and plans by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy import stats

from planner.case.case import Case
from planner.case.schema import Redundancy
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.whatif.uptime import (
    COMMON_CAUSE_FRACTION,
    OUTAGE_SIGMA,
    Group,
    groups_of,
    longer_than,
    loss_of,
    uptime,
)

Make = Callable[..., Case]
ALONE = 1.0 - COMMON_CAUSE_FRACTION
SMALL = {"redundancy": {"ups": {"scheme": "4N/3"}, "cdu": {"scheme": "N+1", "group_racks": 4}}}


@pytest.fixture(scope="module")
def site(make_case: Make) -> tuple[Plan, Case]:
    case = make_case(SMALL)
    return plan_of(solve(case)), case


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 2), (3, 4), (2, 4), (5, 6)])
def test_a_group_counted_out_state_by_state(k: int, n: int) -> None:
    often, repair = 12.0, 300.0
    share, interruptions = loss_of(Group(k, n, 1), often, repair)
    lam, mu = ALONE * often, 8760.0 / repair
    q = lam / (lam + mu)
    lost = entered = 0.0
    for up in itertools.product((True, False), repeat=n):
        likely = math.prod(1.0 - q if state else q for state in up)
        running = sum(up)
        lost += likely * max(k - running, 0) / k
        entered += likely * running * lam if running == k else 0.0  # the next failure is felt
    together = often / (often + mu)
    assert share == pytest.approx(lost + COMMON_CAUSE_FRACTION * together, rel=1e-12)
    assert interruptions == pytest.approx(entered + COMMON_CAUSE_FRACTION * often, rel=1e-12)


def test_two_paths_fail_together_alone() -> None:
    once, often = loss_of(Group(1, 1, 1), 2.0, 100.0)
    share, interruptions = loss_of(Group(1, 1, 1, paths=2), 2.0, 100.0)
    q = ALONE * 200.0 / (8760.0 + ALONE * 200.0)
    common = COMMON_CAUSE_FRACTION * 200.0 / 8960.0
    assert once == pytest.approx(q + common)
    assert often == pytest.approx((1.0 - q) * 2.0 * ALONE + 2.0 * 0.02)
    assert share == pytest.approx(q**2 + common)
    # Either path fails while the other is out: twice q (1 - q) lambda.
    assert interruptions == pytest.approx(2.0 * q * (1.0 - q) * 2.0 * ALONE + 2.0 * COMMON_CAUSE_FRACTION)


def test_spares_never_cost_uptime() -> None:
    hours = [loss_of(Group(8, 8 + spares, 1), 0.5, 24.0)[0] for spares in range(4)]
    assert hours == sorted(hours, reverse=True)
    assert hours[-1] == pytest.approx(COMMON_CAUSE_FRACTION * 12.0 / 8772.0, rel=1e-3)  # what they have in common stays


@pytest.mark.parametrize(
    ("scheme", "on", "carrying", "groups"),
    [
        ({"scheme": "2N"}, 8, 4, [Group(1, 2, 4)]),
        ({"scheme": "3N/2"}, 6, 4, [Group(2, 3, 2)]),
        ({"scheme": "block_redundant", "blocks_per_catcher": 6}, 14, 12, [Group(6, 7, 2)]),
        ({"scheme": "N+2", "group_mw": 5}, 14, 10, [Group(5, 7, 2)]),
        ({"scheme": "N+1", "group": "site"}, 8, 7, [Group(7, 8, 1)]),
    ],
)
def test_groups_of_every_scheme(scheme: dict[str, object], on: int, carrying: int, groups: list[Group]) -> None:
    assert groups_of(Redundancy.model_validate(scheme), on, carrying) == groups


@pytest.mark.parametrize(("hours", "mean"), [(0.1, 1.3), (2.0, 0.5), (8.0, 4.0)])
def test_outages_against_the_distribution_itself(hours: float, mean: float) -> None:
    length = stats.lognorm(OUTAGE_SIGMA, scale=mean / math.exp(OUTAGE_SIGMA**2 / 2.0))
    share, beyond = longer_than(hours, mean)
    assert share == pytest.approx(length.sf(hours), rel=1e-9)
    assert beyond == pytest.approx(length.expect(lambda x: x - hours, lb=hours), rel=1e-6)


def test_a_plan_row_by_row(site: tuple[Plan, Case]) -> None:
    plan, case = site
    rows, unknown = uptime(plan, case)
    assert not unknown
    by = {row.stage: row for row in rows}
    assert {"ups", "cdu", "busway", "mv_lv_transformer", "heat_rejection:air", "grid"} <= set(by)
    # A generic UPS: 0.035 failures a year of 16 h, three of four. Two of four out is half a load: (2 - 1) / 3.
    lam, q = ALONE * 0.035, ALONE * 0.56 / (8760.0 + ALONE * 0.56)
    lost = 6 * q**2 * (1 - q) ** 2 / 3 + 4 * q**3 * (1 - q) * 2 / 3 + q**4
    hours = 8760.0 * (lost + COMMON_CAUSE_FRACTION * 0.56 / 8760.56)
    assert by["ups"].hours_per_year == pytest.approx(hours, rel=1e-9)
    groups = by["ups"].units / 4
    each = 4 * q * (1 - q) ** 3 * 3 * lam + COMMON_CAUSE_FRACTION * 0.035
    assert by["ups"].interruptions_per_year == pytest.approx(groups * each, rel=1e-9)
    # With one unit less three of three carry: every failure takes a third of what they carry.
    assert by["ups"].hours_with_one_spare_less == pytest.approx(8760.0 * (q + 0.02 * 0.56 / 8760.56), rel=1e-9)
    assert by["mv_lv_transformer"].hours_with_one_spare_less is None  # N: there is none to take
    assert by["mv_lv_transformer"].hours_per_year == pytest.approx(0.006 * 300.0, rel=1e-3)


def test_the_grid_behind_ups_events_and_sets(make_case: Make, site: tuple[Plan, Case]) -> None:
    plan, case = site
    grid = next(row for row in uptime(plan, case)[0] if row.stage == "grid")
    assert (grid.failures_per_year, grid.repair_time_hours) == (1.956, 1.3)  # feeders
    share, beyond = longer_than(5.0 / 60.0, 1.3)
    assert grid.hours_per_year == pytest.approx(1.956 * beyond)
    assert grid.interruptions_per_year == pytest.approx(1.956 * share)
    told = make_case(SMALL, {"site": {"grid": {"outages": {"failures_per_year": 3, "mean_hours": 2}}}})
    other = next(row for row in uptime(plan, told)[0] if row.stage == "grid")
    assert other.hours_per_year == pytest.approx(3 * longer_than(5.0 / 60.0, 2.0)[1])


def test_standby_sets_must_start(make_case: Make) -> None:
    policy = {"redundancy": {"standby_generation": {"scheme": "N+1"}}}
    case = make_case(SMALL, policy, set=["catalog.diesel_genset_3mw.lead_time_weeks=20"])
    rows, unknown = uptime(plan_of(solve(case)), case)
    grid = next(row for row in rows if row.stage == "grid")
    assert not unknown
    assert "diesel_genset_3mw start" in grid.scheme
    carrying, of = (int(grid.scheme.split("then ")[1].split()[i]) for i in (0, 2))
    assert of == carrying + 1
    q, n = 0.0075, of
    failed = 1.0 - (1 - q) ** n - n * q * (1 - q) ** (n - 1)  # two or more of them
    assert grid.hours_per_year == pytest.approx(1.956 * longer_than(5.0 / 60.0, 1.3)[1] * failed, rel=1e-9)


def test_what_has_no_rates_is_said(site: tuple[Plan, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    plan, case = site
    entry = case.catalog.entries["ups_generic"]
    blank = replace(entry, item=entry.item.model_copy(update={"failures_per_year": None}))
    monkeypatch.setitem(case.catalog.entries, "ups_generic", blank)
    rows, unknown = uptime(plan, case)
    assert unknown == ["ups: ups_generic has no failures_per_year and repair_time_hours"]
    assert "ups" not in {row.stage for row in rows}
