"""What many cases share: the latest blocks of a shape are kept, and what older ones taught goes on in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from planner.case.case import Case
from planner.solve.decomposition import solve
from planner.solve.pool import Pool

Make = Callable[..., Case]


def test_only_the_latest_blocks_of_a_shape_are_kept(make_case: Make) -> None:
    """Seven prices of one site: each month is kept at four of them, and no solve goes uncounted."""
    pool, alone, solved = Pool(), 0, [0]
    for price in (50, 55, 60, 65, 70, 75, 80):
        case = make_case({"site": {"grid": {"tariff": {"energy_usd_per_mwh": price}}}})
        assert solve(case, gap=1e-3, threads=1, pool=pool).gap_reached
        alone += solve(case, gap=1e-3, threads=1).block_solves
        solved.append(pool.solves)
    assert Counter(held.block.name for held in pool) == {f"m{month:02d}": 4 for month in range(1, 13)}
    assert solved == sorted(solved)
    assert 0 < solved[-1] <= alone
