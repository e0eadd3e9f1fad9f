"""Random small sites, solved as one model and decomposed: the same optimum, and the same cost of the same plan.

Every draw has at least three blocks of one to three days and its own mix of families, tariffs, limits, steps, block
lengths, calendars, events and scenarios. A draw that fails is printed as YAML. PLANNER_DRAWS sets how many are tried
(10 unless told).
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

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import InfeasibleError, NoPlanError
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from tests.solve.agreement import GAP, same_optimum

Make = Callable[..., Case]
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
    for item in (*BATTERIES, "jenbacher_j620", "solar_single_axis_1mw", "mobile_turbine_rental")
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
    if tariff["demand_usd_per_kw_month"] and draw(st.booleans()):
        tariff["ratchet"] = {"fraction": 0.9, "months": [6, 7, 8]}
    return tariff


# Noon of the day in the middle of each month, which every sample holds.
NOONS = [24 * day + 12 for day in (15, 44, 74, 104, 135, 165, 196, 227, 257, 288, 318, 349)]


@st.composite
def uncertain(draw: st.DrawFn) -> dict[str, Any]:
    """Events at given hours, scenarios, both or neither."""
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        hours = NOONS[draw(st.integers(0, 2)) :: draw(st.sampled_from([4, 6]))]
        kinds: list[dict[str, Any]] = [
            {"kind": "grid_outage", "duration_h": draw(st.integers(1, 5)), "load_fraction": 0.5, "hours": hours},
            {"kind": "called_curtailment", "duration_h": 3, "grid_fraction_left": 0.3, "hours": hours},
            {"kind": "loss_of_largest_unit", "duration_h": 2, "hours": hours},
        ]
        found["events"] = draw(st.lists(st.sampled_from(kinds), unique_by=lambda e: e["kind"], min_size=1, max_size=2))
    if draw(st.booleans()):
        other = {
            "energy_price_factor": draw(st.sampled_from([0.6, 1.5])),
            "load_factor": draw(st.sampled_from([0.9, 1.0, 1.05])),
        }
        found["scenarios"] = [{"name": "base", "probability": 0.75}, {"name": "other", "probability": 0.25, **other}]
        if draw(st.booleans()):
            found["risk"] = {"cvar_alpha": draw(st.sampled_from([0.5, 0.8])), "weight": 0.4}
    return found


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
        "calendar": draw(st.sampled_from(["reference", "reference", "actual"])),
    }
    if horizon["calendar"] == "actual":  # every year is operated in its own right
        horizon |= {"operating_years": 1, "sample_days_per_month": min(2, horizon["sample_days_per_month"])}
    export = draw(st.sampled_from([None, None, {"mw": 3, "usd_per_mwh": 12}]))
    caps = draw(st.sampled_from([None, None, {"co2_t_per_year": 2500, "run_hours_per_year": {"jenbacher_j620": 900}}]))
    old = {"item": "jenbacher_j620", "units": 2, "since": "2020-01-01"}
    stood = [[], [], [old], [old | {"resale_usd": 1e6, "retire": "2027-02-01"}] if build else [old]]
    target: dict[str, Any] = {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}}
    if expansion:
        target["load_scale"] = [{"from": "2027-01-01", "fraction": draw(st.sampled_from([0.5, 1.2]))}]
    rates = st.sampled_from([{}, {}, {"energy": 0.03, "natural_gas": -0.02}, {"energy": -0.01, "demand": 0.04}])
    return {
        **draw(uncertain()),
        "existing": draw(st.sampled_from(stood)),
        "workload": None,
        "finance": {"escalation_fraction_per_year": draw(rates)},
        "horizon": horizon,
        "target": target,
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": grid, "via": "existing_feeders"}],
                "tariff": draw(tariffs()),
                **({"export": export} if export else {}),
            },
            **({"caps": caps} if caps else {}),
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": draw(st.sampled_from([2.0, 6.0]))},
        },
        "candidates": {
            "compute": None,
            "heat_rejection": None,
            "generation": draw(st.sampled_from([["jenbacher_j620"], ["jenbacher_j620", "mobile_turbine_rental"]])),
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
    both = same_optimum(case)
    if both is None:
        return
    found, whole, room = both
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if var.name.startswith(("bought", "returned", "sets", "groups", "present"))
    }
    fixed = whole.solve(fixed=decided, gap=0.0)
    # All of the cost: where months are several blocks, a peak is paid in the sizing model or in a block.
    assert fixed.upper_kusd <= found.upper_kusd + max(1e-7 * abs(found.upper_kusd), room)
    assert found.upper_kusd <= fixed.upper_kusd + room
    require(plan_of(found), case)


@st.composite
def commitments(draw: st.DrawFn) -> dict[str, float]:
    """What makes it matter which engines run; a heat rate at half load, or a minimum load, is always there."""
    fields: dict[str, float] = {"minimum_load_fraction": draw(st.sampled_from([0.0, 0.3, 0.5]))}
    if fields["minimum_load_fraction"] == 0 or draw(st.booleans()):
        fields["heat_rate_half_load_btu_per_kwh_lhv"] = 8257
    fields["start_cost_usd"] = draw(st.sampled_from([0, 200, 900]))
    if draw(st.booleans()):
        fields["start_fuel_mmbtu_hhv"] = 6
    if draw(st.booleans()):
        fields["ramp_fraction_per_minute"] = draw(st.sampled_from([0.003, 0.008, 0.5]))
    return fields


@settings(
    max_examples=max(2, DRAWS // 5),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
@given(site=sites(), fields=commitments(), seed=st.integers(0, 999))
def test_both_ways_agree_on_whole_engines(
    make_case: Make, site: dict[str, Any], fields: dict[str, float], seed: int
) -> None:
    """The whole model counts engines: its optimum lies between the bounds, and of one plan both cost the same.

    One day a month and no annual limits: allowances divided for the linear blocks may be too tight for whole engines.
    """
    site = site | {"horizon": site["horizon"] | {"sample_days_per_month": 1, "step_minutes": 60, "block": "month"}}
    note(yaml.safe_dump({"site": site, "fields": fields, "seed": seed}, sort_keys=False))
    load = 8.0 + 2.5 * np.sin(2 * np.pi * (np.arange(8760) - 9) / 24)
    load = np.minimum(load + np.random.default_rng(seed).normal(0.0, 0.5, 8760), 11.5)
    chosen = [f"catalog.jenbacher_j620.{name}={value}" for name, value in fields.items()]
    case = make_case(site, series=load, set=[*AT_ONCE, *chosen])
    whole = Monolithic(case)
    try:
        best = whole.solve(gap=1e-5)
    except InfeasibleError:  # of the linear blocks or of whole engines alone
        with pytest.raises((InfeasibleError, NoPlanError)):
            solve(case, gap=GAP, threads=1)
        return
    found = solve(case, gap=GAP, threads=1, time_limit=120.0)
    room = 1e-5 * abs(best.upper_kusd)
    assert found.lower_kusd <= best.upper_kusd + room
    assert best.lower_kusd <= found.upper_kusd + room
    require(plan_of(found), case)
    decided = {
        var.name: round(value) if integer else value
        for var, integer, value in zip(found.master.columns, found.master.integer, found.point.tolist(), strict=True)
        if var.name.startswith(("bought", "returned", "sets", "groups", "present", "edge"))
    }
    fixed = whole.solve(fixed=decided, gap=1e-7)
    assert fixed.upper_kusd == pytest.approx(found.upper_kusd, rel=2e-6)
