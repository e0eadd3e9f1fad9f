"""Scenarios on paper: sizes here and now, operation on every path, and the cost of the dearest of them.

Purpose: analytic, each expected value derived in its test; equivalence with the whole model; the audit's eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import own
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
TEN_YEARS = {"economic_life_years": 10, "installation_fraction": 0.0}
# An engine of 10 MW with 8 MMBtu a MWh at 5 $ and 5 $ of O&M: 45 $/MWh.
ENGINE = own.ENGINE | TEN_YEARS | {"nameplate_power_mw": 10, "derate_from_c": 60, "price_usd": 1.6e6}
BATTERY = own.BATTERY | TEN_YEARS
# 10 MW for one year at zero interest from a grid at 40 $/MWh; the engine's year costs a tenth of its price.
SITE: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 40, "demand_usd_per_kw_month": 0},
        }
    },
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "finance": {"discount_rate": 0.0, "indirects_fraction": 0, "contingency_fraction": 0},
}
# At 40 $ the engine stays off; at 80 $ it saves 35 $/MWh, and 10 MW are 87,600 MWh a year.
CHEAP, DEAR = 87_600 * 40.0, 87_600 * 80.0
ON_ENGINE = 87_600 * 45.0
OWNED = 1.6e5


def site(make: Make, *changes: dict[str, Any], load: Any = 10.0, **more: Any) -> Case:
    """A load under a grid whose price is not known, and an engine that may be bought against it."""
    return make(SITE, *changes, series=load, items=[ENGINE, BATTERY], **more)


def two(likely: float, **risk: float) -> dict[str, Any]:
    """Prices as they are, or twice as high with a probability."""
    return {
        "scenarios": [
            {"name": "as_now", "probability": 1 - likely},
            {"name": "twice", "probability": likely, "energy_price_factor": 2.0},
        ],
        **({"risk": risk} if risk else {}),
    }


@pytest.mark.parametrize(("likely", "units"), [(0.02, 0), (0.25, 1)])
def test_an_engine_is_bought_where_the_expected_saving_pays(make_case: Make, likely: float, units: int) -> None:
    """The engine saves 35 x 87,600 = 3.066 M$ on the dear path and costs 0.16 M$: worth it from 5.2 % on."""
    plan = plan_of(solve(site(make_case, two(likely)), gap=1e-6, threads=1))
    assert plan.summary["units"].get("own_engine", 0) == units
    dear = ON_ENGINE if units else DEAR
    expected = (1 - likely) * CHEAP + likely * dear + OWNED * units
    assert plan.summary["objective_usd"] == pytest.approx(expected, rel=1e-3)  # a year of residual value has 365 days
    assert plan.summary["operation_expected_usd"] == pytest.approx((1 - likely) * CHEAP + likely * dear, rel=1e-6)
    assert [row["operation_usd"] for row in plan.summary["scenarios"]] == pytest.approx([CHEAP, dear], rel=1e-6)


def test_who_fears_the_dear_path_buys_what_the_mean_does_not(make_case: Make) -> None:
    """At 2 % the mean alone buys nothing. The dearest tenth holds all of it: CVaR = (.02 x 7.008 + .08 x 3.504) / .1;
    an engine lowers it by .2 x 3.066 M$, half of which is more than 0.16 M$."""
    case = site(make_case, two(0.02, cvar_alpha=0.9, weight=0.5))
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    assert plan.summary["units"]["own_engine"] == 1
    cvar = (0.02 * ON_ENGINE + 0.08 * CHEAP) / 0.1
    expected = 0.02 * ON_ENGINE + 0.98 * CHEAP
    assert plan.summary["risk"]["operation_cvar_usd"] == pytest.approx(cvar, rel=1e-6)
    assert plan.summary["risk"]["added_to_objective_usd"] == pytest.approx(0.5 * (cvar - expected), rel=1e-4)
    assert plan.summary["objective_usd"] == pytest.approx(OWNED + 0.5 * (cvar + expected), rel=1e-3)


def test_paths_that_operate_alike_share_their_blocks(make_case: Make) -> None:
    scenarios = [
        {"name": "a", "probability": 0.5},
        {"name": "b", "probability": 0.25, "load_factor": 1.1},
        {"name": "c", "probability": 0.25, "load_factor": 1.1},
    ]
    plan = solve(site(make_case, {"scenarios": scenarios}), gap=1e-6, threads=1)
    assert len(plan.blocks) == 24
    assert len(plan.states) == 36


def weathers(make: Make) -> Case:
    """Sun and a battery in two weathers, an engine at two prices, one path with more load; risk at 70 %."""
    hour = np.arange(8760)
    load = 10.0 + 2.0 * np.sin(2 * np.pi * (hour % 24 - 9) / 24)
    scenarios = [
        {"name": "base", "probability": 0.5},
        {"name": "elsewhere", "probability": 0.2, "weather": {"tmy3": "pvlib:703165TY.csv"}},
        {"name": "dear_gas", "probability": 0.2, "fuel_price_factor": 1.6, "energy_price_factor": 1.2},
        {"name": "more", "probability": 0.1, "load_factor": 1.2, "energy_price_factor": 1.5},
    ]
    tariff = {"energy_usd_per_mwh": 60, "demand_usd_per_kw_month": 25}
    grid = {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}], "tariff": tariff}
    return site(
        make,
        {
            "scenarios": scenarios,
            "risk": {"cvar_alpha": 0.7, "weight": 0.4},
            "horizon": {"build_months": 1, "operating_years": 2},
            "candidates": {"renewable": ["solar_single_axis_1mw"], "battery": ["own_battery"]},
            "site": {"grid": grid},
            "finance": {"discount_rate": 0.08},
        },
        load=load,
        set=[
            "catalog.solar_single_axis_1mw.price_usd=3e5",
            "catalog.solar_single_axis_1mw.lead_time_weeks=0",
            "catalog.solar_single_axis_1mw.installation_weeks=0",
            "catalog.own_battery.price_usd=3e5",
            "site.fuel.natural_gas_usd_per_mmbtu_hhv=16",
        ],
    )


def racks(make: Make) -> Case:
    """Racks at two loads and two prices, without risk."""
    scenarios = [
        {"name": "base", "probability": 0.6},
        {"name": "busy", "probability": 0.4, "load_factor": 1.1, "energy_price_factor": 1.3},
    ]
    return make(
        {
            "scenarios": scenarios,
            "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
            "committed": [{"item": "chiller_air_cooled", "units": 2, "on_site": "2027-05-01"}],
            "cooling": {"coolant_supply_c": 40},
            "target": {"milestones": [{"gpus": 2160, "by": "2028-05-01"}]},
        }
    )


@pytest.mark.parametrize("build", [weathers, racks], ids=lambda f: f.__name__)
def test_the_whole_model_finds_the_same_optimum_and_the_audit_agrees(
    make_case: Make, build: Callable[[Make], Case]
) -> None:
    case = build(make_case)
    found = solve(case, gap=1e-6, threads=1, time_limit=200)
    whole = solve_monolithic(case, gap=1e-6, time_limit=200)
    slack = 2e-6 * abs(whole.upper_kusd)
    assert found.lower_kusd <= whole.upper_kusd + slack
    assert whole.lower_kusd <= found.upper_kusd + slack
    assert found.upper_kusd == pytest.approx(whole.upper_kusd, rel=4e-6)
    plan = plan_of(found)
    require(plan, case)
    used = {weathers: ("own_engine", "own_battery", "solar_single_axis_1mw"), racks: ("dry_cooler_adiabatic",)}
    assert all(plan.summary["units"].get(item, 0) > 0 for item in used[build])


def failed(plan: Plan, case: Case) -> set[str]:
    """Names of the checks that fail."""
    return {check.name for check in audit(plan, case) if not check.ok}


def test_the_audit_sees_what_is_wrong_with_scenarios(make_case: Make) -> None:
    case = site(make_case, two(0.25, cvar_alpha=0.9, weight=0.5))
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    assert not failed(plan, case)
    rows = plan.summary["scenarios"]
    cheaper = [rows[0], rows[1] | {"operation_usd": rows[1]["operation_usd"] - 1e5}]
    assert "scenario cost" in failed(replace(plan, summary=plan.summary | {"scenarios": cheaper}), case)
    risk = plan.summary["risk"] | {"added_to_objective_usd": plan.summary["risk"]["added_to_objective_usd"] * 0.9}
    assert "risk" in failed(replace(plan, summary=plan.summary | {"risk": risk}), case)
    calm = plan.summary | {"objective_usd": plan.summary["objective_usd"] - 1e5}
    assert "present value" in failed(replace(plan, summary=calm), case)
    half = plan.dispatch[plan.dispatch["scenario"] == "as_now"]
    assert "hours complete" in failed(replace(plan, dispatch=half), case)
    assert "inputs" not in failed(plan, case)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenarios": [{"name": "a", "probability": 0.5}]}, "must add up to 1"),
        ({"scenarios": [{"name": "a", "probability": 0.5}, {"name": "a", "probability": 0.5}]}, "used twice"),
        ({"risk": {"cvar_alpha": 0.9, "weight": 0.5}}, "needs scenarios"),
        ({"scenarios": [{"name": "a", "probability": 1.0, "weather": {"epw": "nowhere.epw"}}]}, "nowhere.epw"),
    ],
)
def test_faults_of_scenarios(make_case: Make, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        site(make_case, changes)
    assert words in str(error.value)


def test_compute_may_not_draw_more_than_its_design(make_case: Make) -> None:
    with pytest.raises(InputError) as error:
        make_case({"scenarios": [{"name": "a", "probability": 1.0, "load_factor": 1.3}]})
    assert "of its design power" in str(error.value)
