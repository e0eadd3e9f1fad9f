"""Cuts from prices: the solver's own give its value back, and those of coarse steps never exceed it, term by term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from planner.case.case import Case
from planner.operation.blocks import Plant, build_block, plant_of
from planner.operation.coarse import coarsen
from planner.solve.pool import BlockPool

Array = NDArray[np.float64]
Make = Callable[..., Case]
HOUR = np.arange(8760)
# Sun at noon, dear evenings; every second day two hours that are paid for, every fifth one at 5,000 $/MWh.
PRICE = 60.0 + 50.0 * np.cos(2 * np.pi * (HOUR % 24 - 18) / 24)
PRICE[(HOUR // 24 % 2 == 0) & np.isin(HOUR % 24, (12, 13))] = -200.0
PRICE[(HOUR // 24 % 5 == 0) & (HOUR % 24 == 17)] = 5_000.0
BY_THE_HOUR = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
SELL = {"mw": 5, "series": {"file": "sell.csv", "column": "usd"}}
FLEXIBLE = {"kind": "inference", "average_load_fraction": 0.7}
# One new term each, on a site with racks, two coolers on a loop, engines, sun and a battery.
TERMS: dict[str, dict[str, Any]] = {
    "prices by the hour": {"site": {"grid": {"tariff": BY_THE_HOUR}}},
    "export": {"site": {"grid": {"tariff": BY_THE_HOUR, "export": SELL}}},
    "ratchet": {"site": {"grid": {"tariff": {"ratchet": {"fraction": 0.8, "months": [1, 7]}}}}},
    "coincident peaks": {
        "site": {
            "grid": {"tariff": {"coincident_peaks": {"hours": [13 * 24 + 7, 14 * 24 + 18], "usd_per_kw_year": 50}}}
        }
    },
    "fuel": {"site": {"caps": {"fuel_mmbtu_hhv_per_year": 1}}},
    "carbon": {"site": {"caps": {"co2_t_per_year": 1}}},
    "nitrogen": {"site": {"caps": {"nox_t_per_year": 1}}},
    "water": {"site": {"caps": {"evaporation_m3_per_year": 1}}},
    "run-hours": {"site": {"caps": {"run_hours_per_year": {"jenbacher_j620": 1}}}},
    "shed": {
        "workload": {**FLEXIBLE, "shed": {"fraction": 0.2, "usd_per_gpu_hour": 0.4}},
        "site": {"grid": {"tariff": BY_THE_HOUR}},
    },
    "shift": {"workload": {**FLEXIBLE, "shift": {"fraction": 0.3}}, "site": {"grid": {"tariff": BY_THE_HOUR}}},
}
TERMS["all at once"] = {
    "workload": {**TERMS["shed"]["workload"], **TERMS["shift"]["workload"]},
    "site": {
        "grid": {
            "tariff": {
                **BY_THE_HOUR,
                **TERMS["ratchet"]["site"]["grid"]["tariff"],
                **TERMS["coincident peaks"]["site"]["grid"]["tariff"],
            },
            "export": SELL,
        },
        "caps": {
            field: limit
            for term in ("fuel", "carbon", "nitrogen", "water", "run-hours")
            for field, limit in TERMS[term]["site"]["caps"].items()
        },
    },
}
SITE: dict[str, Any] = {
    "horizon": {"sample_days_per_month": 6},
    "cooling": {"coolant_supply_c": 40},
    "candidates": {
        "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
        "generation": ["jenbacher_j620"],
        "renewable": ["solar_single_axis_1mw"],
        "battery": ["tesla_megablock_4h"],
    },
}


def random_x(plant: Plant, rng: np.random.Generator) -> Array:
    """A linking vector of a site that can run, each part drawn on its own."""
    it = rng.uniform(3, 8)
    values: dict[str, float] = {
        "one": 1.0,
        "contract_mw": 40.0,
        "grid_mw": rng.uniform(16, 40),
        "export_mw": rng.uniform(0, 8),
        "it_mw": it,
        "it": it,
        "pdu_mw": 0.0,
        "standing_mw": 0.3,
        "heat:liquid": 0.8 * it,
        "heat:air": 0.25 * it,
        "standing_heat": 0.02 * it,
        "rated": it * rng.uniform(1.5, 3),
        "rejection": it * rng.uniform(1.5, 2),
        "generation": rng.uniform(0, 12),
        "renewable": rng.uniform(0, 30),
        "battery": rng.uniform(0, 8),
        "peak_mw": rng.uniform(14, 20),
        "ratchet_mw": rng.uniform(0, 30),
        **{cap.key: rng.uniform(0, 3000) for cap in plant.caps},
    }
    values["soc_start"] = 4 * values["battery"] * rng.uniform(0, 0.5)
    values["soc_end"] = values["soc_start"] * rng.uniform(0, 1)
    if "cap:evaporation_m3" in values:
        values["cap:evaporation_m3"] = rng.uniform(5_000, 20_000)
    return np.array([values[n] if n in values else values[n.split(":")[0]] for n in plant.links])


@pytest.mark.parametrize("month", ["m01", "m07"])
@pytest.mark.parametrize("term", TERMS)
def test_cuts_from_prices(make_case: Make, term: str, month: str) -> None:
    """At sites drawn at random, whole ones and ones with parts missing; those that cannot run by their shortage."""
    plant = plant_of(make_case(SITE, TERMS[term], prices={"buy": PRICE, "sell": PRICE - 5.0}))
    pool, rng = BlockPool(build_block(plant, month)), np.random.default_rng(7)
    points = [random_x(plant, rng) for _ in range(6)]
    empty = np.array([name != "one" for name in plant.links])
    points += [np.where(empty & (rng.random(len(x)) < 0.3), 0.0, x) for x in points]
    for x in points[6:]:
        x[[name.startswith("soc_") for name in plant.links]] = 0.0
    values = [pool.solver.solve(x) for x in points]
    assert {value.feasible for value in values} == {True, False}
    tolerance = 1e-6 * max(abs(value.cost_usd) for value in values if value.feasible)
    cuts, forbidden = [], []
    for x, value in zip(points, values, strict=True):
        own = pool.repair.cut(value.prices, shortage=not value.feasible)
        assert own is not None
        if value.feasible:
            assert own @ x == pytest.approx(value.cost_usd, abs=tolerance)
            cuts.append(own)
        else:
            assert own @ x == pytest.approx(value.shortage_mwh, rel=1e-6)
            forbidden.append(own)
    for step_h in (1, 2, 4):
        for x, value in zip(points[:3], values[:3], strict=True):
            coarse = pool.coarse(x, step_h)
            assert coarse is not None
            cuts.append(coarse.slope)
            if step_h == 1:  # a step of one hour leaves everything as it is
                assert coarse.slope @ x == pytest.approx(value.cost_usd, abs=tolerance)
    for x, value in zip(points, values, strict=True):
        if value.feasible:
            assert max(cut @ x for cut in cuts) <= value.cost_usd + tolerance
            assert max(slope @ x for slope in forbidden) <= 1e-4


def test_a_daily_balance_stays_one_row_on_coarse_steps(make_case: Make) -> None:
    """Six days, one row each, of 24 hours up and 24 down: on steps of four hours the same rows of 6 and 6 steps."""
    case = make_case(SITE, TERMS["shift"], prices={"buy": PRICE})
    block = build_block(plant_of(case), "m07")
    small = coarsen(block, 4, 5e3).block
    for b, entries in ((block, 24), (small, 6)):
        rows = [i for i, name in enumerate(b.row_names) if name.startswith("compute_shift_day")]
        assert len(rows) == 6
        assert np.diff(b.matrix.indptr)[rows].tolist() == [2 * entries] * 6
        assert abs(b.matrix[rows].data).sum() == pytest.approx(6 * 48)  # hours up and down, however they are cut
