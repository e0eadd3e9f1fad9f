"""Mixes of dispatches netted: on paper, and never dearer than the mix nor cheaper than the least cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.operation.blocks import build_block, plant_of
from planner.operation.integer_check import both_ways
from planner.operation.netting import netted
from planner.solve.pool import BlockPool

Make = Callable[..., Case]
ITEM = "tesla_megablock_4h"


def site(make: Make, changes: dict[str, Any] | None = None, *, items: tuple[str, ...] = ()) -> Case:
    """A load of 15 MW on a grid of 30 MW, with a battery of 95 % each way."""
    base: dict[str, Any] = {
        "workload": None,
        "horizon": {"sample_days_per_month": 1},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {"compute": None, "heat_rejection": None, "battery": [ITEM]},
        "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]}},
    }
    return make(base, changes or {}, series=15.0, set=(f"catalog.{ITEM}.round_trip_efficiency_fraction=0.9025", *items))


def test_one_hour_on_paper(make_case: Make) -> None:
    """4 MW charged and 2 MW given at once: .95 x 4 - 2 / .95 = 1.694737 MWh stored, which 1.783934 MW would store.

    2 MW were drawn in all, so .216066 MW less are bought.
    """
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0}
    block = build_block(plant_of(site(make_case, {"site": {"grid": {"tariff": tariff}}})), "m01")
    primal = np.zeros(block.size)
    imported = block.columns["grid_import"].index
    loss = 1.0 / block.matrix[block.row_group == block.constraints.index("power_balance")][:, imported].toarray().max()
    stored = 0.95 * 4 - 2 / 0.95
    primal[imported] = 15.0 * loss
    primal[block.columns[f"charge:{ITEM}"].index[5]] = 4.0
    primal[block.columns[f"discharge:{ITEM}"].index[5]] = 2.0
    primal[imported[5]] = 17.0 * loss
    primal[block.columns[f"soc:{ITEM}"].index[5:20]] = stored
    primal[block.columns[f"discharge:{ITEM}"].index[20]] = stored * 0.95
    primal[imported[20]] = (15.0 - stored * 0.95) * loss
    assert len(both_ways(block, primal)) == 1

    found = netted(block, primal)
    assert found is not None
    assert not len(both_ways(block, found))
    assert found[block.columns[f"charge:{ITEM}"].index[5]] == pytest.approx(1.783934, abs=1e-6)
    assert (primal - found)[imported[5]] == pytest.approx(0.216066 * loss, abs=1e-6)
    assert found[block.columns[f"soc:{ITEM}"].index] == pytest.approx(primal[block.columns[f"soc:{ITEM}"].index])
    assert float(block.cost @ (primal - found)) >= 0.216066 * loss * 50 * 31 * (1 - 1e-6)


def test_what_cannot_be_left_out_is_not_netted(make_case: Make) -> None:
    """Nothing is bought in the hour: the power that netting saves has nowhere to go."""
    block = build_block(plant_of(site(make_case)), "m01")
    primal = np.zeros(block.size)
    primal[block.columns[f"charge:{ITEM}"].index[5]] = 1.0
    primal[block.columns[f"discharge:{ITEM}"].index[5]] = 16.0
    assert netted(block, primal) is None


def test_between_the_least_cost_and_the_mix(make_case: Make) -> None:
    hours = np.arange(8760)
    price = 60.0 + 50.0 * np.cos(2 * np.pi * (hours % 24 - 18) / 24)
    tariff = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
    changes = {
        "site": {"grid": {"tariff": tariff}},
        "candidates": {"renewable": ["solar_single_axis_1mw"], "generation": ["jenbacher_j620"]},
        "target": {"load_series": {"file": "load.csv", "column": "mw"}},
    }
    merged = {
        **changes,
        "candidates": {"compute": None, "heat_rejection": None, "battery": [ITEM], **changes["candidates"]},
    }
    case = make_case(
        {
            "workload": None,
            "horizon": {"sample_days_per_month": 4},
            "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 30, "via": "existing_feeders"}]}},
            "target": {"milestones": None},
        },
        merged,
        series=15.0 + 5.0 * np.sin(hours),
        prices={"buy": price},
    )
    plant = plant_of(case)
    pool, rng = BlockPool(build_block(plant, "m07")), np.random.default_rng(5)
    names, sized = plant.links, ("grid_mw", "renewable:", "battery:", "generation:")
    low = {"grid_mw": 12.0, "renewable:": 0.0, "battery:": 0.0, "generation:": 9.0}
    high = {"grid_mw": 28.0, "renewable:": 40.0, "battery:": 20.0, "generation:": 18.0}

    def draw() -> np.ndarray:
        x = np.array([{"one": 1.0, "contract_mw": 30.0, "load_mw": 20.0}.get(name, 0.0) for name in names])
        for i, name in enumerate(names):
            kind = next((k for k in sized if name.startswith(k)), None)
            if kind is not None:
                x[i] = rng.uniform(low[kind], high[kind])
        return x

    points = [draw() for _ in range(6)]
    for x in points:
        assert pool.solve(x).feasible
    mixes = 0
    for _ in range(20):
        x = rng.dirichlet(np.ones(len(points))) @ np.array(points)
        mix = pool.above(x)
        assert mix is not None
        one_way = pool.checked(x, mix)
        assert not len(both_ways(pool.block, one_way.primal))
        mixes += bool(len(both_ways(pool.block, mix.primal)) and pool.known(x) is None)
        assert pool.kin.runs(x, one_way.primal)
        assert one_way.cost_usd <= mix.cost_usd + 1e-6 * abs(mix.cost_usd)
        assert one_way.cost_usd >= BlockPool(pool.block).solve(x).cost_usd * (1 - 1e-9)
    assert mixes >= 10
