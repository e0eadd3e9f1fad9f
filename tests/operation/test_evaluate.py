"""Duals of a block in parts, one for each rate its prices grow at.

Purpose: analytic, and a regression: a block with more rows than columns once ended in an IndexError.
"""

from __future__ import annotations

import numpy as np
import pytest

from planner.algebra import BlockBuilder
from planner.operation.evaluate import BlockSolver


@pytest.mark.parametrize("rows", [1, 20])
def test_parts_of_the_duals_add_up_at_the_prices_of_the_year(rows: int) -> None:
    """Two sources of 3 and 5 $/MWh, the second dearer by 10 % a year; the first gives 1 MW of the 4 drawn.

    In year 2 the second costs 6.05, of which the part in money of the base year is 5; many rows hold it from above.
    """
    builder = BlockBuilder("x", 2, 1.0, ("one",))
    first, second = builder.add("first"), builder.add("second")
    builder.price("a", first, 3.0)
    builder.price("b", second, 5.0, 0.1)
    builder.supply(first)
    builder.supply(second)
    builder.draw_link("one", 4.0)
    builder.rows("least", [(1.0, first.index)], [(-1.0, "one")])
    for k in range(rows):
        builder.rows(f"most_{k}", [(1.0, second.index), (0.1, first.index)], [(-(9.0 + k), "one")])
    block = builder.build().in_year("x$2", 2)
    assert (block.matrix.shape[0] > block.size) == (rows > 1)
    solver = BlockSolver(block)
    solver.solve(np.ones(1))
    growth = (1.0 + np.array(block.growths)) ** 2
    assert growth @ solver.parts == pytest.approx(solver.duals, abs=1e-9)
    balance = block.row_group == block.constraints.index("power_balance")
    assert np.abs(solver.parts[:, balance]).max(axis=1) == pytest.approx([0.0, 5.0])
    assert np.abs(solver.duals[balance]) == pytest.approx([6.05, 6.05])
