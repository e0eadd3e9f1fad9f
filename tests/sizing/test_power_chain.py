"""Ratings in kW and kVA, derating, block redundancy and ride-through, by hand.

Purpose: analytic and property. Expected numbers are worked out beside each test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.audit.base import tables_of
from planner.audit.loads import Site
from planner.case.case import Case
from planner.errors import InputError
from planner.families import power
from planner.families.generation import site_rating_fraction
from planner.operation.blocks import plant_of
from planner.plan.plan import Plan
from planner.sizing.dates import Dates
from planner.sizing.model import build_sizing
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.master import Master

Make = Callable[..., Case]
SMALL: dict[str, Any] = {
    "horizon": {"build_months": 15, "operating_years": 1, "sample_days_per_month": 1},
    "target": {"milestones": [{"gpus": 1440, "by": "2028-03-01"}]},
}


def units(plan: Plan, item: str) -> float:
    return float(plan.orders.units[plan.orders["item"] == item].sum())


@pytest.fixture(scope="module")
def plain(make_case: Make) -> Plan:
    return plan_of(solve(make_case(SMALL)))


# -- ratings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "chain", "mw"),
    [
        ({"rating_kw": 1000, "rating_kva": 1000}, {}, 0.95),  # the site's power factor: kVA binds before kW
        ({"rating_kw": 1000, "rating_kva": 1000}, {"power_factor": {"ups": 1.0}}, 1.0),
        ({"rating_kw": 1000, "rating_kva": 1250}, {"power_factor": {"ups": 0.75}}, 0.9375),
        ({"rating_kw": 1000, "rating_kva": 1250}, {"power_factor": {"busway": 0.75}}, 1.0),  # of another stage
        ({"rating_kw": 1000, "continuous_load_fraction": 0.8}, {}, 0.8),  # NEC: 80 % of a breaker for 3 h and more
        # 40 degC in the room, 1 % per K above 35: 5 % less
        (
            {"rating_kw": 1000, "derate_fraction_per_k": 0.01, "derate_from_c": 35},
            {"electrical_room_c": 40},
            0.95,
        ),
    ],
)
def test_capacity_of_a_unit_by_hand(make_case: Make, figures: dict[str, Any], chain: dict[str, Any], mw: float) -> None:
    case = make_case({"power_chain": chain})
    assert capacity(case, "ups_generic", "ups", figures) == pytest.approx(mw)


def capacity(case: Case, name: str, stage: str, figures: dict[str, Any], height_m: float = 0.0) -> float:
    """Capacity of an item with some figures in place of all its ratings, by the model and, the same, by the audit."""
    item = case.catalog[name]
    assert item.lead_time_weeks is not None
    plain = item.lead_time_weeks.model_copy(update={"typical": None, "low": None, "high": None})
    made = {field: plain.model_copy(update={"value": value}) for field, value in figures.items()}
    changed = item.model_copy(update={"rating_kw": None, "rating_kva": None, **made})
    case = replace(case, weather=replace(case.weather, elevation_m=height_m))
    model = power.capacity_mw(case, changed, stage)
    site = Site.__new__(Site)
    site.case = case
    assert site.carried_mw(changed, stage) == pytest.approx(model, rel=1e-12)
    return model


@pytest.mark.parametrize(
    ("name", "stage", "mw"),
    [
        ("ups_generic", "ups", 1.25 * 0.9),  # 1 % per 100 m above 1,000 m
        ("mv_padmount_transformer", "mv_lv_transformer", 2.5 * 0.95 * 0.96),  # 0.4 %
        ("mv_switchgear_generic", "mv_switchgear", 10.0),  # no figure, no derating
    ],
)
def test_capacity_at_2000_m(make_case: Make, name: str, stage: str, mw: float) -> None:
    case = make_case()
    own = {"rating_kw": 1250} if stage == "ups" else {"rating_kw": 10000} if "gear" in stage else {"rating_kva": 2500}
    assert capacity(case, name, stage, own, 2000.0) == pytest.approx(mw)
    assert capacity(case, name, stage, own, 900.0) == pytest.approx(power.rating_mw(case, case.catalog[name], stage))


def test_harmonics_leave_a_transformer_less(make_case: Make) -> None:
    """IEEE C57.110: sqrt((1 + P) / (1 + F P)) with P = 0.15, F = 2.72 is sqrt(1.15 / 1.408) = 0.904."""
    case = make_case({"power_chain": {"harmonic_loss_factor": 2.72}})
    figures = {"rating_kva": 1000, "eddy_current_loss_fraction": 0.15}
    least = capacity(case, "mv_padmount_transformer", "mv_lv_transformer", figures)
    assert least == pytest.approx(0.95 * 0.904, rel=1e-3)
    with pytest.raises(InputError, match="has no eddy_current_loss_fraction"):
        make_case(
            {"power_chain": {"harmonic_loss_factor": 1.2}, "candidates": {"power": ["own_transformer"]}},
            items=[
                {
                    "id": "own_transformer",
                    "family": "power",
                    "class": "own",
                    "vendor": "own",
                    "model": "own",
                    "status": "available",
                    "brings": ["mv_lv_transformer"],
                    "rating_kw": 2000,
                    "loss_square_fraction": 0.01,
                    **dict.fromkeys(("price_usd", "lead_time_weeks", "installation_weeks", "economic_life_years"), 1),
                    **dict.fromkeys(("footprint_m2", "installation_fraction"), 0),
                    **dict.fromkeys(("payment_order_fraction", "payment_delivery_fraction"), 0.5),
                }
            ],
        )


def test_tangents_never_exceed_the_square_and_are_close() -> None:
    """Tangents 0.05 of the rating apart lie at most (0.05 / 2)^2 of it below the square."""
    for load in np.linspace(0.0, 1.0, 401):
        gap = load**2 - power.square_throughput_mw(float(load), 1.0)
        assert -1e-12 <= gap <= 0.025**2 + 1e-12 or load < 0.05


# -- plans -------------------------------------------------------------------------------------------------


def test_a_poorer_power_factor_buys_transformers(make_case: Make, plain: Plan) -> None:
    """20 racks draw 2.84 MW and 3.3 at the transformers: 2 of 2.5 MVA x 0.95 = 4.75 MW, 3 at 0.6: 4.5 against 3.0."""
    case = make_case(SMALL, {"power_chain": {"power_factor": {"mv_lv_transformer": 0.6}}})
    plan = plan_of(solve(case))
    require(plan, case)
    assert units(plain, "mv_padmount_transformer") == 2
    assert units(plan, "mv_padmount_transformer") == 3


def budget_row(plan: Plan, stage: str) -> Any:
    frame = plan.details["power_budget"]
    return frame[(frame.period == frame.period.max()) & (frame.stage == stage)].iloc[0]


@pytest.fixture(scope="module")
def doubled(make_case: Make) -> Plan:
    return plan_of(solve(make_case(SMALL, {"redundancy": {"ups": {"scheme": "2N"}}})))


def test_two_paths_are_less_efficient_than_one(plain: Plan, doubled: Plan) -> None:
    one, two = budget_row(plain, "ups"), budget_row(doubled, "ups")
    assert two.units == 2 * one.units
    efficiency = [1 - row.average_loss_mw / row.average_delivered_mw for row in (one, two)]
    assert 0.9 < efficiency[1] < efficiency[0] < 0.98


def test_catchers_stand_by_and_only_lose_at_no_load(make_case: Make, plain: Plan) -> None:
    """Block redundant with 2 blocks a catcher: 3 blocks need 2; N+1 of the same group shares the load."""
    scheme = {"scheme": "block_redundant", "blocks_per_catcher": 2}
    case = make_case(SMALL, {"redundancy": {"ups": scheme}})
    plan = plan_of(solve(case))
    require(plan, case)
    shared = make_case(SMALL, {"redundancy": {"ups": {"scheme": "N+1", "group_mw": 2.5}}})
    caught, sharing = budget_row(plan, "ups"), budget_row(plan_of(solve(shared)), "ups")
    n = budget_row(plain, "ups").units
    assert caught.units == sharing.units == n + np.ceil(n / 2)
    assert caught.redundancy == "block_redundant"
    assert caught.no_load_loss_mw == pytest.approx(0.0075 * 1.25 * caught.units)
    # the square part lies on the n blocks alone: c y^2 / (n R), and y is 0.85 of what it is at design
    loss = {name: row.average_loss_mw - row.no_load_loss_mw for name, row in (("c", caught), ("s", sharing))}
    assert loss["c"] == pytest.approx(loss["s"] * caught.units / n, rel=1e-9)
    hidden = tables_of(plan).installed
    hidden.loc[hidden["item"] == "ups_generic", "running"] -= 1
    assert "stage capacity" in {c.name for c in audit(replace(plan, installed=hidden), case) if not c.ok}


@pytest.mark.parametrize(
    ("redundancy", "words"),
    [
        ({"ups": {"scheme": "block_redundant"}}, "go together"),
        ({"ups": {"scheme": "N+1", "blocks_per_catcher": 6}}, "go together"),
        ({"cdu": {"scheme": "block_redundant", "blocks_per_catcher": 6}}, "power chain alone"),
        ({"ups": {"scheme": "block_redundant", "blocks_per_catcher": 6, "group_mw": 5}}, "more than one group"),
    ],
)
def test_block_redundancy_is_written_whole(make_case: Make, redundancy: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_case({"redundancy": redundancy})


# -- ride-through ------------------------------------------------------------------------------------------


def test_minutes_beyond_the_battery_buy_ups(make_case: Make, plain: Plan) -> None:
    """Batteries of 5 minutes at full rating: for 10 minutes the UPS must be loaded to half, n >= 2 load / 1.25."""
    asked = {"power_chain": {"ride_through_minutes": 10}}
    case = make_case(SMALL, asked)
    plan = plan_of(solve(case))
    checks = {c.name: c for c in require(plan, case)}
    load = budget_row(plan, "ups").delivered_mw
    assert units(plan, "ups_generic") == np.ceil(2 * load / 1.25) > units(plain, "ups_generic")
    assert checks["ride-through"].count == len(case.timeline.starts)
    fewer = tables_of(plan).installed
    fewer.loc[fewer["item"] == "ups_generic", "running"] -= 1
    assert "ride-through" in {c.name for c in audit(replace(plan, installed=fewer), case) if not c.ok}
    five = plan_of(solve(make_case(SMALL, {"power_chain": {"ride_through_minutes": 5}})))
    assert five.summary["objectives"][-1]["value"] == pytest.approx(plain.summary["objectives"][-1]["value"], rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "overrides", "words"),
    [
        (
            {"power_chain": {"ride_through_minutes": 2}, "redundancy": {"ups": "none"}},
            [],
            "ride_through_minutes.*the case builds no UPS",
        ),
        (
            {"power_chain": {"ride_through_minutes": 2}, "redundancy": {"standby_generation": {"scheme": "N+1"}}},
            ["catalog.diesel_genset_3mw.start_time_minutes=3"],
            "take 3 min to start, and the UPS batteries last 2 min",
        ),
        ({"power_chain": {"power_factor": {"upss": 0.9}}}, [], "unknown stage.*ups"),
    ],
)
def test_what_cannot_ride_through_is_a_fault(
    make_case: Make, changes: dict[str, Any], overrides: list[str], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        make_case(changes, set=overrides)


# -- islands of generators ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "carried"),
    [
        ({"scheme": "N"}, 10),
        ({"scheme": "N+1"}, 9),
        ({"scheme": "N+1", "group_mw": 4.0}, 8),  # two islands of 4 and a spare each
        ({"scheme": "N+1", "group_mw": 3.0}, 7),  # three islands: 10 less 3 spares, within 9
        ({"scheme": "N+1", "group_mw": 2.0}, 6),  # three islands of 2: a fourth would leave 6 as well
        ({"scheme": "N+2", "group_mw": 4.0}, 6),  # two islands: 10 less 4 spares
    ],
)
def test_every_island_has_its_own_spares(make_case: Make, scheme: dict[str, Any], carried: int) -> None:
    """What ten machines carry; group_mw in machines. By the sizing model, and the same by the audit."""
    bought = {"committed": [{"item": "jenbacher_j620", "units": 10, "on_site": "2027-03-01"}]}
    unit = 3.356 * site_rating_fraction(make_case().catalog["jenbacher_j620"], 39.5, 273.0)
    if "group_mw" in scheme:
        scheme = scheme | {"group_mw": float(scheme["group_mw"] * unit) + 1e-6}
    racks = {"target": {"milestones": [{"gpus": 20000, "by": "2028-05-01"}]}}
    case = make_case(bought, racks, {"redundancy": {"onsite_generation": scheme}})
    sizing = build_sizing(plant_of(case), milestones=False, dates=Dates.all_of(case))
    master = Master(sizing)
    gradient, _ = master.gradient(sizing.model.firm_generation[sizing.periods[-1]])
    master.minimise(-gradient)
    result = master.solve(relaxed=False, gap=0.0, time_limit=60)
    assert result.point is not None
    assert float(gradient @ result.point) == pytest.approx(carried * unit, rel=1e-5)
    site = Site.__new__(Site)
    site.case, site.starts, site._roles = case, case.timeline.starts[:1], None
    site.units = {("jenbacher_j620", "generation"): np.array([10.0])}
    assert site.firm_generation_mw(0) == pytest.approx(carried * unit, rel=1e-5)


# -- boxes and what stands idle ----------------------------------------------------------------------------


def test_a_pod_holds_its_own_it_with_losses_pumps_and_coolers(make_case: Make) -> None:
    """Six racks and their network are .93 MW: 1 MW of IT takes 1.2 MW of power train, so one pod is enough.

    At 1 MW of IT: busway 1.0 x (1 + .001 + .0352) + .0087 x 1.2 = 1.047, pumps and fans .020, dry coolers .018 x 1.07.
    """
    pods = {
        "site": {"hall": {"existing_m2": 0, "ready": None}},
        "target": {"milestones": [{"gpus": 432, "by": "2028-05-01"}]},
        "candidates": {"enclosure": ["modular_pod_generic"]},
        "cooling": {"coolant_supply_c": 45},
    }
    case = make_case(pods, set=["catalog.modular_pod_generic.lead_time_weeks=20"])
    pod = case.catalog["modular_pod_generic"]
    need = 1.0 * (1 + 0.001 + 0.0352) + 0.0087 * 1.2 + 0.020
    for stage, mw in (("busway", 1.0), ("ups", need), ("mv_lv_transformer", need + 0.018 * 1.07)):
        assert power.capacity_mw(case, pod, stage) == pytest.approx(1.2)
        assert mw < 1.2
    plan = plan_of(solve(case))
    require(plan, case)
    assert units(plan, "modular_pod_generic") == 1
    assert case.catalog["vertiv_onecore"].get("rating_kw") == pytest.approx(12.5 * 1200)  # 12.5 MW of IT
    # Price and floor go with the IT power, as before: 7 M$ and 636 m2 a MW.
    assert case.catalog["bladeroom_30mw"].get("footprint_m2") == pytest.approx(30 * 636)


def test_what_is_bought_for_stages_nobody_builds_stands_idle(make_case: Make) -> None:
    """Its dues are paid, it carries nothing and is no part of the plan; the audit says the same."""
    bought = {"item": "power_lineup_3mva", "units": 2, "on_site": "2027-03-01", "due_usd": 3e6}
    case = make_case(SMALL, {"committed": [bought], "redundancy": {"power_lineup": "none"}})
    plan = plan_of(solve(case))
    require(plan, case)
    assert "power_lineup_3mva" not in set(plan.installed["item"])
    assert plan.ledger.usd[plan.ledger.line == "committed equipment"].sum() == pytest.approx(3e6)
    assert any("power_lineup_3mva: stands idle" in text for text in case.defaults_used)
    assert not any("ups" in text or "lv_switchboard" in text for text in case.defaults_used)
