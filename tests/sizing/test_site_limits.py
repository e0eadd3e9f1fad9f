"""Land by kind of area, height, noise at the fence, diesel in tanks: rows, refusals, shortfalls, audit.

Purpose: analytic (each number by hand beside its test), equivalence with the whole model, property, mutation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.case.catalog import load_catalog
from planner.case.site_limits import Noise, OnSiteFuel, is_in_the_open, sound_power_mw
from planner.errors import InfeasibleError, InputError
from planner.plan.plan import Plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import solve_monolithic
from tests.own import BATTERY, ENGINE, PLAIN

Make = Callable[..., Case]
LOUD = ENGINE | {"id": "loud_engine", "footprint_m2": 100, "height_m": 6, "sound_power_dba": 100}
QUIET = ENGINE | {
    "id": "quiet_engine",
    "footprint_m2": 150,
    "height_m": 3,
    "sound_power_dba": 90,
    "price_usd": 6e6,
}
FIELD = PLAIN | {
    "id": "own_field",
    "family": "renewable",
    "class": "own_field",
    "brings": ["renewable"],
    "nameplate_power_mw": 1,
    "dc_ac_ratio": 1.3,
    "footprint_m2": 20_000,
    "height_m": 3,
    "price_usd": 2e5,
}
# 20 MW on 12 MW of grid: two engines of 5 MW. Solar at a fifth of its price pays wherever there is land for it.
SITE: dict[str, Any] = {
    "horizon": {"build_months": 1, "operating_years": 2, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 12, "via": "existing_feeders"}]}},
    "candidates": {
        "compute": None,
        "heat_rejection": None,
        "generation": ["loud_engine", "quiet_engine"],
        "renewable": ["own_field"],
        "other_stages": None,
    },
}


def engines(make: Make, **limits: Any) -> Case:
    return make(SITE, {"site": limits}, series=20.0, items=[LOUD, QUIET, FIELD, BATTERY])


def solved(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    require(plan, case)
    return plan


def used(plan: Plan, name: str) -> float:
    """What the last period uses of a limit."""
    frame = plan.details["site_limits"]
    return float(frame[frame["limit"] == name].used.iloc[-1])


# -- formulas ----------------------------------------------------------------------------------------------


def test_level_of_one_source_and_of_two() -> None:
    """A point source of 100 dB(A) at 10 m over hard ground: 100 - 20 - 8 = 72; two alike are 10 lg 2 = 3.01 louder.

    The sum of 60 and 60 dB is 63 dB, of 60 and 50 dB 60.4 dB: the tables of every acoustics handbook.
    """
    noise = Noise(limit_dba=80, distance_m=10)
    assert noise.level_dba(sound_power_mw(100)) == pytest.approx(72.0)
    assert noise.level_dba(2 * sound_power_mw(100)) == pytest.approx(75.01, abs=0.005)
    with_background = Noise(limit_dba=80, distance_m=10, background_dba=60)
    assert with_background.level_dba(sound_power_mw(88)) == pytest.approx(63.01, abs=0.005)
    assert with_background.level_dba(sound_power_mw(78)) == pytest.approx(60.41, abs=0.005)


def test_the_power_allowed_meets_the_limit() -> None:
    for noise in (Noise(limit_dba=55, distance_m=200), Noise(limit_dba=50, distance_m=40, background_dba=45)):
        assert noise.level_dba(noise.allowed_mw) == pytest.approx(noise.limit_dba)


def test_distance_twice_as_far_is_six_decibels() -> None:
    near, far = (Noise(limit_dba=55, distance_m=d).level_dba(50.0) for d in (100, 200))
    assert near - far == pytest.approx(20 * math.log10(2))


def test_diesel_of_a_set_for_a_day() -> None:
    """C175-16: 790 L/h at 3 MW by its maker, 18.96 m3 a day; the catalog's mean heat rate burns 2 % less."""
    item = load_catalog()["cat_c175_16"]
    assert OnSiteFuel(hours=24).m3_per_unit(item) == pytest.approx(24 * 0.790, rel=0.03)


def test_sound_is_inherited_by_the_rating() -> None:
    """4 MW of the class of a 3 MW set of 100 dB(A): 10 lg (4/3) = 1.25 dB more; its height is the class's."""
    catalog = load_catalog()
    generic, bigger = catalog["diesel_genset_3mw"], catalog["cat_c175_20"]
    more = bigger.get("sound_power_dba") - generic.get("sound_power_dba")
    assert more == pytest.approx(10 * math.log10(4 / 3))
    assert bigger.get("height_m") == generic.get("height_m")


# -- rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit_dba", "loud", "quiet"),
    # Sound power allowed at 200 m: 10^(L/10) x 10^((46.02 + 8)/10) pW = 25.2, 14.2 and 8.0 mW; 10 and 1 mW a unit.
    [(50.0, 2, 0), (47.5, 1, 1), (45.0, 0, 2)],
)
def test_quiet_engines_where_the_fence_asks_for_them(make_case: Make, limit_dba: float, loud: int, quiet: int) -> None:
    noise = {"limit_dba": limit_dba, "distance_m": 200}
    plan = solved(engines(make_case, noise=noise, land={"solar_m2": 0}))
    units = plan.summary["units"]
    assert (units.get("loud_engine", 0), units.get("quiet_engine", 0)) == (loud, quiet)
    level = 10 * math.log10(loud * 1e10 + quiet * 1e9) - 20 * math.log10(200) - 8
    assert used(plan, "noise") == pytest.approx(level)


def test_land_for_solar_is_filled_and_no_more(make_case: Make) -> None:
    """20,000 m2 a MW: 100,000 m2 hold five."""
    plan = solved(engines(make_case, land={"solar_m2": 100_000}))
    assert plan.summary["units"]["own_field"] == pytest.approx(5)
    assert used(plan, "solar") == pytest.approx(100_000)


def test_a_parcel_holds_everything_once_and_its_coverage(make_case: Make) -> None:
    """Of 105,000 m2 at 80 % 84,000 are built on: two engines of 100 m2, and four fields of 20,000 m2."""
    land = {"parcel_m2": 105_000, "parcel_coverage_fraction": 0.8, "yard_m2": 250}
    plan = solved(engines(make_case, land=land))
    assert plan.summary["units"] == {"loud_engine": 2, "own_field": 4}
    assert used(plan, "parcel") == pytest.approx(80_200)
    assert used(plan, "yard") == pytest.approx(200)


def test_yard_in_land_is_that_of_the_hall(make_case: Make) -> None:
    """250 m2 take two loud engines, not two quiet ones: the same plan by either field."""
    plans = [solved(engines(make_case, **given)) for given in ({"land": {"yard_m2": 250}}, {"hall": {"yard_m2": 250}})]
    assert plans[0].summary["objective_usd"] == pytest.approx(plans[1].summary["objective_usd"], rel=1e-6)
    with pytest.raises(InputError, match="written twice"):
        engines(make_case, land={"yard_m2": 250}, hall={"yard_m2": 250})


def test_whole_model_agrees_and_wider_limits_cost_no_more(make_case: Make) -> None:
    costs = []
    for limit, land in ((46.0, 60_000), (48.0, 60_000), (48.0, 140_000)):
        case = engines(make_case, noise={"limit_dba": limit, "distance_m": 200}, land={"parcel_m2": land})
        costs.append(solve(case, gap=1e-6, threads=1).upper_kusd)
        assert costs[-1] == pytest.approx(solve_monolithic(case).upper_kusd, rel=1e-6)
    assert costs[0] >= costs[1] >= costs[2]
    assert costs[0] > costs[2]


# -- refusals and shortfalls -------------------------------------------------------------------------------


def test_too_high_is_refused_by_name(make_case: Make) -> None:
    with pytest.raises(InputError, match=r"loud_engine.*is 6 m high, and site.height_limit_m is 5"):
        engines(make_case, height_limit_m=5)
    with pytest.raises(InputError, match=r"own_battery.*has no height_m"):
        make_case(
            SITE,
            {"site": {"height_limit_m": 8}, "candidates": {"battery": ["own_battery"]}},
            series=20.0,
            items=[LOUD, QUIET, FIELD, BATTERY],
        )
    plan = solved(engines(make_case, height_limit_m=6))
    assert used(plan, "height") == 6


def test_all_leaves_out_what_is_too_high(make_case: Make) -> None:
    case = make_case(
        SITE,
        {"site": {"height_limit_m": 5}, "candidates": {"generation": ["all"], "renewable": ["all"]}},
        series=20.0,
        items=[LOUD, QUIET, FIELD],
    )
    assert "quiet_engine" in case.candidates["generation"]
    assert not {"loud_engine", "jenbacher_j620"} & set(case.candidates["generation"])
    assert "wind_onshore_1mw" not in case.candidates["renewable"]


def test_a_fence_needs_every_sound_power(make_case: Make) -> None:
    silent = {k: v for k, v in QUIET.items() if k != "sound_power_dba"}
    with pytest.raises(InputError, match="quiet_engine has no sound_power_dba"):
        make_case(
            SITE,
            {"site": {"noise": {"limit_dba": 50, "distance_m": 100}}},
            series=20.0,
            items=[LOUD, silent, FIELD],
        )


def test_fields_that_contradict_each_other(make_case: Make) -> None:
    for limits, text in (
        ({"noise": {"limit_dba": 50, "distance_m": 100, "background_dba": 52}}, "must be below the limit"),
        ({"land": {}}, "limits nothing"),
        ({"land": {"yard_m2": 1e6, "parcel_coverage_fraction": 0.5}}, "goes with parcel_m2"),
        ({"on_site_fuel": {"hours": 24}}, "no standby sets"),
    ):
        with pytest.raises(InputError, match=text):
            engines(make_case, **limits)


def test_the_fence_that_is_in_the_way_is_named_in_decibels(make_case: Make) -> None:
    """Two quiet engines are 2 mW, at 200 m 93.01 - 54.02 = 38.99 dB(A): 8.99 over 30."""
    case = engines(make_case, noise={"limit_dba": 30, "distance_m": 200}, land={"solar_m2": 0})
    with pytest.raises(InfeasibleError) as caught:
        solve(case, threads=1)
    found = {shortfall.limit: shortfall for shortfall in caught.value.shortfalls}
    noise = found["noise at the fence"]
    assert (noise.amount, noise.unit) == (pytest.approx(8.99, abs=0.01), "dB(A)")


# -- diesel ------------------------------------------------------------------------------------------------

STANDBY: dict[str, Any] = {
    "redundancy": {"standby_generation": {"scheme": "N+1"}},
    "candidates": {"standby_generation": ["diesel_genset_3mw"]},
    "site": {"fuel": {"diesel_usd_per_mmbtu_hhv": 20}},
}
SOON = ["catalog.diesel_genset_3mw.lead_time_weeks=20"]


def test_tanks_are_filled_once_and_fit_the_site(make_case: Make) -> None:
    """A set of 3 MW holds 48 h x 3 MW x 8,749 x 1.07 Btu/kWh = 1,348 MMBtu at 20 $ = 26,961 $."""
    fuel = {"on_site_fuel": {"hours": 48, "diesel_m3": 1000}}
    plan = solved(make_case(STANDBY, {"site": fuel}, set=SOON))
    sets = plan.summary["units"]["diesel_genset_3mw"]
    fill = plan.ledger[plan.ledger["line"] == "first fill of diesel"].usd.sum()
    assert sets >= 2
    assert fill == pytest.approx(sets * 48 * 3 * 8.749 * 1.07 * 20)
    assert used(plan, "fuel_storage") == pytest.approx(sets * 48 * 3 * 8.749 * 1.07 / 36.456, rel=1e-4)


def test_too_little_diesel_allowed_is_named(make_case: Make) -> None:
    """Two sets, one of them spare, hold 73.9 m3 for 48 h: 33.9 more than 40."""
    with pytest.raises(InfeasibleError) as caught:
        solve(make_case(STANDBY, {"site": {"on_site_fuel": {"hours": 48, "diesel_m3": 40}}}, set=SOON), threads=1)
    found = {shortfall.limit: shortfall for shortfall in caught.value.shortfalls}
    assert found["diesel kept on site"].unit == "m3"
    assert found["diesel kept on site"].amount == pytest.approx(2 * 48 * 3 * 8.749 * 1.07 / 36.456 - 40, rel=1e-3)


# -- audit -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limited(make_case: Make) -> tuple[Plan, Case]:
    land = {"parcel_m2": 105_000, "parcel_coverage_fraction": 0.8, "yard_m2": 250}
    case = engines(make_case, noise={"limit_dba": 50, "distance_m": 200}, land=land, height_limit_m=6)
    return solved(case), case


def edited(plan: Plan, edit: Callable[[Plan], None]) -> Plan:
    fresh = replace(
        plan,
        summary=copy.deepcopy(plan.summary),
        installed=plan.installed.copy(),
        details={name: frame.copy() for name, frame in plan.details.items()},
    )
    edit(fresh)
    return fresh


def more_units(item: str, factor: float) -> Callable[[Plan], None]:
    def edit(plan: Plan) -> None:
        rows = plan.installed["item"] == item
        for column in ("units", "running"):
            plan.installed.loc[rows, column] *= factor

    return edit


def other_use(limit: str, by: float) -> Callable[[Plan], None]:
    def edit(plan: Plan) -> None:
        frame = plan.details["site_limits"]
        frame.loc[frame["limit"] == limit, "used"] += by

    return edit


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (more_units("loud_engine", 2), "noise"),
        (more_units("loud_engine", 2), "yard area"),
        (more_units("own_field", 2), "parcel area"),
        (other_use("noise", 0.1), "site limits table"),
        (other_use("parcel", -5.0), "site limits table"),
        (other_use("height", -1.0), "site limits table"),
        (lambda plan: plan.details.pop("site_limits"), "site limits table"),
    ],
)
def test_the_audit_derives_every_limit_anew(
    limited: tuple[Plan, Case], edit: Callable[[Plan], None], check: str
) -> None:
    plan, case = limited
    assert check in {found.name for found in audit(edited(plan, edit), case) if not found.ok}


def test_a_case_without_limits_has_no_table(make_case: Make) -> None:
    assert "site_limits" not in solved(engines(make_case)).details


def test_outdoor_items_of_the_catalog_have_height_and_sound() -> None:
    """Whoever writes a limit need not look up classes: every sizeable item that stands in the open has both."""
    outside = [item for item in load_catalog().items if item.sizeable and is_in_the_open(item)]
    assert len(outside) > 40
    assert not [item.id for item in outside if item.height_m is None]
    soundless = {"renewable", "enclosure"}
    quiet = {"hv_substation", "mv_switchgear"}
    heard = [item for item in outside if item.family not in soundless and not set(item.brings) & quiet]
    assert not [item.id for item in heard if item.sound_power_dba is None]
    levels = np.array([item.get("sound_power_dba") for item in heard])
    assert levels.min() > 60  # a transformer
    assert levels.max() < 115  # a large turbine


def test_what_stands_already_is_heard(make_case: Make) -> None:
    stands = {"existing": [{"item": "own_engine", "units": 1, "since": "2020-01-01"}]}
    with pytest.raises(InputError, match="own_engine has no sound_power_dba"):
        make_case(
            SITE,
            {"site": {"noise": {"limit_dba": 60, "distance_m": 100}}} | stands,
            series=20.0,
            items=[LOUD, QUIET, FIELD, ENGINE],
        )
