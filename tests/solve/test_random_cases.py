"""Random small sites, solved as one model and decomposed: the same optimum, and the same cost of the same plan.

Every draw has at least three blocks of one to three days and its own mix of families, tariffs, limits, steps and
block lengths. A draw that fails is printed as YAML. PLANNER_DRAWS sets how many are tried (10 unless told).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from planner.case.case import Case
from planner.errors import InfeasibleError
from planner.solve.decomposition import solve
from planner.solve.monolithic import Monolithic

Make = Callable[..., Case]
GAP = 1e-6
DRAWS = int(os.environ.get("PLANNER_DRAWS", "10"))
BATTERIES = ["tesla_megapack_2xl_4h", "tesla_megapack_2xl_2h", "tesla_megablock_4h"]
# One that loses a tenth of its energy in the first year and a twentieth in every later one.
FADING: dict[str, Any] = {
    "id": "own_fading",
    "family": "battery",
    "class": "own_fading",
    "vendor": "own",
    "model": "own",
    "status": "available",
    "brings": ["battery"],
    "nameplate_power_mw": 1.2,
    "nameplate_energy_mwh": 4.8,
    "round_trip_efficiency_fraction": 0.88,
    "energy_retention_fraction": {
        "by_year": {0: 1.0, 1: 0.9, 9: 0.5},
        "source": "made for a test",
        "date": "2026-01",
        "confidence": "estimate",
    },
    "wear_cost_usd_per_mwh": 1,
    "footprint_m2": 1,
    "economic_life_years": 12,
    "price_usd": 1.5e6,
    "payment_order_fraction": 0.2,
    "payment_delivery_fraction": 0.7,
    "installation_fraction": 0.2,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}
AT_ONCE = [
    f"catalog.{item}.{name}_weeks=0"
    for item in (*BATTERIES, "jenbacher_j620", "solar_single_axis_1mw")
    for name in ("lead_time", "installation")
]


@st.composite
def tariffs(draw: st.DrawFn) -> dict[str, Any]:
    """Energy by one price, windows or tiers; demand charges and a minimum take, or none."""
    price = draw(st.sampled_from([18, 45, 90]))
    kind = draw(st.sampled_from(["flat", "windows", "tiers"]))
    tariff: dict[str, Any] = {"demand_usd_per_kw_month": draw(st.sampled_from([0, 7, 22]))}
    if kind == "flat":
        tariff["energy_usd_per_mwh"] = price
    elif kind == "windows":
        peak = {"name": "peak", "weekday_hours": [15, 16, 17, 18], "weekend_hours": [18]}
        base = {"name": "base", "usd_per_mwh": price}
        tariff |= {"energy_usd_per_mwh": None, "energy_periods": [base, peak | {"usd_per_mwh": price + 80}]}
        tariff["tou_demand"] = [peak | {"usd_per_kw_month": draw(st.sampled_from([0, 11]))}]
    else:
        steps = [{"usd_per_mwh": price, "up_to_mwh_per_month": 4000}, {"usd_per_mwh": price + 35}]
        tariff |= {"energy_usd_per_mwh": None, "tiers": steps}
    if tariff["demand_usd_per_kw_month"] and draw(st.booleans()):
        tariff["minimum_take_fraction"] = 0.5
    return tariff


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """A plain load behind a grid that may be too small, with what may be built beside it."""
    build, expansion = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    grid = draw(st.sampled_from([9, 12, 20]))
    horizon = {
        "build_months": build,
        "expansion_years": expansion,
        "operating_years": draw(st.integers(1, 3)),
        "sample_days_per_month": draw(st.integers(1, 3)),
        "step_minutes": draw(st.sampled_from([60, 60, 60, 30])),
        "block": draw(st.sampled_from(["month", "month", "day"])),
    }
    target: dict[str, Any] = {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}}
    if expansion:
        target["load_scale"] = [{"from": "2027-01-01", "fraction": draw(st.sampled_from([0.5, 1.2]))}]
    return {
        "workload": None,
        "horizon": horizon,
        "target": target,
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": grid, "via": "existing_feeders"}],
                "tariff": draw(tariffs()),
            },
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": draw(st.sampled_from([2.0, 6.0]))},
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": ["jenbacher_j620"],
            "renewable": draw(st.sampled_from([[], ["solar_single_axis_1mw"]])),
            "battery": draw(st.lists(st.sampled_from([*BATTERIES, FADING["id"]]), unique=True, max_size=2)),
        },
        "redundancy": draw(
            st.sampled_from(
                [
                    {"onsite_generation": {"scheme": "N"}},
                    {"onsite_generation": {"scheme": "N+1"}},
                    {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
                ]
            )
        ),
    }


@settings(
    max_examples=DRAWS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
@given(site=sites(), seed=st.integers(0, 999), price=st.sampled_from([0.1, 0.4, 1.0]))
def test_both_ways_find_the_same_optimum(make_case: Make, site: dict[str, Any], seed: int, price: float) -> None:
    note(yaml.safe_dump({"site": site, "seed": seed, "price": price}, sort_keys=False))
    random = np.random.default_rng(seed)
    hour = np.arange(8760)
    load = 9.0 + 2.5 * np.sin(2 * np.pi * (hour - 9) / 24) + random.normal(0.0, 0.5, 8760)
    cheap = [
        f"catalog.{item}.price_usd={price * usd:g}" for item, usd in zip(BATTERIES, (1.6e6, 1.4e6, 4e6), strict=True)
    ]
    cheap += [f"catalog.solar_single_axis_1mw.price_usd={price * 1.1e6:g}"]
    cheap += [f"catalog.own_fading.price_usd={price * FADING['price_usd']:g}"]
    cheap += ["catalog.own_fading.warranty_cycles_per_year=120"] if seed % 2 else []
    case = make_case(site, series=load, items=[FADING], set=[*AT_ONCE, *cheap])
    whole = Monolithic(case)
    try:
        best = whole.solve(gap=GAP)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve(case, gap=GAP, threads=1)
        return
    found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    room = 3 * GAP * abs(best.upper_kusd)
    assert found.lower_kusd <= best.upper_kusd + room
    assert best.lower_kusd <= found.upper_kusd + room
    assert found.upper_kusd == pytest.approx(best.upper_kusd, abs=room)
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if var.name.startswith(("bought", "sets", "groups", "present"))
    }
    fixed = whole.solve(fixed=decided, gap=0.0)
    # All of the cost: where months are several blocks, a peak is paid in the sizing model or in a block.
    assert fixed.upper_kusd <= found.upper_kusd + max(1e-7 * abs(found.upper_kusd), room)
    assert found.upper_kusd <= fixed.upper_kusd + room
