"""Sizing small enough for paper. Expected numbers are worked out in the comments, from round figures."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.case.schema import Redundancy
from planner.ledger import present_value, unit_dates, unit_flows
from planner.operation.blocks import plant_of
from planner.sizing.dates import Dates
from planner.sizing.model import build_sizing
from planner.sizing.options import Group, group_of, possible_sets
from planner.solve.decomposition import solve
from planner.solve.master import Master

Make = Callable[..., Case]
COMMON = {
    "vendor": "own",
    "model": "own",
    "status": "available",
    "footprint_m2": 1,
    "economic_life_years": 5,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.1,
}
# 10 MW and 1000 GPUs a rack, 80 % of it drawn on average, all heat to water; nothing has losses.
RACK = COMMON | {
    "id": "own_rack",
    "family": "compute",
    "class": "own_rack",
    "consumes": ["ups"],
    "price_usd": 1e6,
    "gpus": 1000,
    "design_power_kw": 10_000,
    "average_power_kw": 8_000,
    "heat_to_liquid_fraction": 1.0,
    "lead_time_weeks": 10,
    "installation_weeks": 2,
}
UPS = COMMON | {
    "id": "own_ups",
    "family": "power",
    "class": "own_ups",
    "brings": ["ups"],
    "rating_kw": 1250,
    "price_usd": 1e5,
    "lead_time_weeks": 8,
    "installation_weeks": 1,
    "fixed_om_fraction_per_year": 0.024,
}
# Water at 46 degC against 39.5 degC of air, approach 0.5 K: full capacity in every hour; fans draw nothing.
COOLER = COMMON | {
    "id": "own_cooler",
    "family": "cooling",
    "class": "own_cooler",
    "brings": ["heat_rejection"],
    "price_usd": 2e5,
    "cooling_capacity_kw": 50_000,
    "approach_k": 0.5,
    "fan_power_fraction": 0.0,
    "lead_time_weeks": 4,
    "installation_weeks": 2,
}
ITEMS = [RACK, UPS, COOLER]
SITE: dict[str, Any] = {
    "horizon": {"build_months": 6, "operating_years": 1},
    "site": {
        "hall": {"existing_m2": 100_000, "ready": None},
        "grid": {"interconnection": [{"from": "2026-01-01", "mw": 200, "via": "existing_feeders"}]},
    },
    "cooling": {"coolant_supply_c": 50, "chilled_water_supply_c": 40},
    "workload": {"kind": "training", "average_load_fraction": None},
    "target": {"milestones": [{"gpus": 10_000, "by": "2027-06-15"}]},
    "candidates": {
        "compute": ["own_rack"],
        "power": ["own_ups"],
        "heat_rejection": ["own_cooler"],
        "other_stages": None,
    },
    "redundancy": {
        "busway": "none",
        "lv_switchboard": "none",
        "mv_lv_transformer": "none",
        "mv_switchgear": "none",
        "heat_rejection": {"scheme": "N"},
    },
    "commissioning": {"weeks": 0, "rack_burn_in_weeks": 0},
}


def most(case: Case, expression: Callable[[Any], Any]) -> float:
    """Largest value of an expression of the sizing model, milestones left out and every period of use."""
    sizing = build_sizing(plant_of(case), milestones=False, dates=Dates.all_of(case))
    master = Master(sizing)
    gradient, constant = master.gradient(expression(sizing.model))
    master.minimise(-gradient)
    result = master.solve(relaxed=False, gap=0.0, time_limit=30)
    assert result.point is not None
    return float(gradient @ result.point) + constant


# --- redundancy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "units"),
    [
        ({"scheme": "N"}, 80),  # 100 / 1.25
        ({"scheme": "N+1", "group_mw": 5}, 100),  # 20 groups of 4 + 1
        ({"scheme": "N+1", "group_mw": 6}, 100),  # 4 whole units fit in 6 MW, as in 5 MW
        ({"scheme": "N+1", "group_mw": 15}, 87),  # 12 to a group: 80 / 12 -> 7 groups, the last of 8; 80 + 7
        ({"scheme": "N+1", "group": "site"}, 81),
        ({"scheme": "N+2", "group": "site"}, 82),
        ({"scheme": "N+1", "group_racks": 2}, 85),  # 2 racks are 20 MW, 16 units; 5 groups of 16 + 1
        ({"scheme": "2N"}, 160),
        ({"scheme": "2(N+1)", "group": "site"}, 162),  # 81 on each path
        ({"scheme": "4N/3"}, 108),  # 4 units carry 3.75 MW: 26.7 -> 27 sets
        ({"scheme": "3N/2"}, 120),  # 3 units carry 2.5 MW: 40 sets
        ({"scheme": "block_redundant", "blocks_per_catcher": 6}, 94),  # 80 blocks, a catcher for 6 of them: 14
    ],
    ids=lambda value: "_".join(str(v) for v in value.values()) if isinstance(value, dict) else str(value),
)
def test_units_of_1250_kw_under_100_mw(make_case: Make, scheme: dict[str, Any], units: int) -> None:
    case = make_case(SITE, {"redundancy": {"ups": scheme}}, items=ITEMS)
    plan = solve(case, gap=1e-6, threads=1)
    bought = plan.sizing.model.bought
    last = {key: max(k for name, k in bought if name == key) for key in ("own_ups", "own_rack")}
    assert plan.master.value(bought["own_rack", last["own_rack"]], plan.point) == pytest.approx(10)
    assert plan.master.value(bought["own_ups", last["own_ups"]], plan.point) == pytest.approx(units)


@pytest.mark.parametrize(("units", "firm_mw"), [(1, 0.0), (2, 95.0), (3, 190.0), (4, 285.0)])
def test_firm_capacity_of_main_transformers(make_case: Make, units: int, firm_mw: float) -> None:
    """100 MVA at 0.95 is 95 MW; one of the substation's units is spare. Ten bays are never the limit."""
    steps = [{"from": "2026-01-01", "mw": 400, "via": "substation"}]
    committed = [
        {"item": "power_transformer_161kv_100mva", "units": units, "on_site": "2026-01-01"},
        {"item": "hv_substation_bay_161kv", "units": 10, "on_site": "2026-01-01"},
    ]
    case = make_case(
        SITE,
        {"site": {"grid": {"interconnection": steps, "power_factor": 0.95}}, "committed": committed},
        items=ITEMS,
    )
    assert most(case, lambda m: m.grid[case.timeline.last_period]) == pytest.approx(firm_mw)


# --- dates and money --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installation_days", "period"),
    [
        (6, 3),  # 1 January + 84 d + 6 d = 1 April: that month counts
        (7, 4),  # 2 April: a day too late, May is the first
    ],
)
def test_a_month_counts_from_its_first_day(make_case: Make, installation_days: int, period: int) -> None:
    rack = RACK | {"lead_time_weeks": 12, "installation_weeks": installation_days / 7}
    case = make_case(SITE, items=[rack, UPS, COOLER])
    dates = unit_dates(case, case.catalog["own_rack"], date(2027, 1, 1), 0.0, date.min)
    assert dates is not None
    assert dates.delivered == date(2027, 3, 26)
    assert dates.ready == date(2027, 1, 1) + timedelta(days=84 + installation_days)
    assert dates.in_service == case.timeline.starts[period]


def test_an_order_too_late_for_the_horizon_is_none(make_case: Make) -> None:
    """Ordered 1 May, ready 12 weeks later on 24 July; the last period starts on 1 July."""
    case = make_case(SITE, items=ITEMS)
    assert unit_dates(case, case.catalog["own_rack"], date(2027, 5, 1), 0.0, date.min) is None


def discount(day: date) -> float:
    """10 % a year from 1 January 2027."""
    return float(1.1 ** (-(day - date(2027, 1, 1)).days / 365))


def by_hand(price: float, factor: float, ordered: date, delivered: date, served: date, end: date) -> float:
    """Present value of a purchase: 30 % at order, 50 % at delivery, 20 % and 10 % installation in service.

    factor: 1.28 with indirects and contingency, 1 without. What is left of a life of 5 years at the end is
    the present value then of the level payments still due, (1 - 1.1^-left) / (1 - 1.1^-5) of the cost of 1.1.
    """
    left = 5 - (end - served).days / 365
    rest = (1 - 1.1**-left) / (1 - 1.1**-5)
    paid = 0.3 * discount(ordered) + 0.5 * discount(delivered) + 0.3 * discount(served)
    return price * factor * (paid - 1.1 * rest * discount(end))


@pytest.mark.parametrize(("item", "factor"), [("own_rack", 1.0), ("own_cooler", 1.28)])
def test_present_value_of_one_purchase(make_case: Make, item: str, factor: float) -> None:
    """Neither has O&M, so all flows are the purchase. The horizon ends 1 July 2028, 547 days on."""
    case = make_case(SITE, items=ITEMS)
    dates = unit_dates(case, case.catalog[item], date(2027, 1, 1), 0.0, date.min)
    assert dates is not None
    # 10 + 2 weeks: 26 March -> 1 April; 4 + 2 weeks: 12 February -> 1 March
    served, delivered = (
        (date(2027, 4, 1), date(2027, 3, 12)) if item == "own_rack" else (date(2027, 3, 1), date(2027, 1, 29))
    )
    assert (dates.in_service, dates.delivered) == (served, delivered)
    price = 1e6 if item == "own_rack" else 2e5
    expected = by_hand(price, factor, date(2027, 1, 1), delivered, served, date(2028, 7, 1))
    assert present_value(case, unit_flows(case, case.catalog[item], dates)) == pytest.approx(expected, rel=1e-12)


def test_a_whole_plan_on_paper(make_case: Make) -> None:
    """One rack by mid-June: everything runs from 1 June, ordered on the last first-of-month that allows it.

    rack    10 + 2 weeks = 84 d   1 March + 84 d = 24 May    (1 April + 84 d = 24 June: too late)
    UPS      8 + 1 weeks = 63 d   1 March + 63 d = 3 May     (1 April + 63 d = 3 June: too late)
    cooler   4 + 2 weeks = 42 d   1 April + 42 d = 13 May    (1 May + 42 d = 12 June: too late)
    Later is cheaper: payments, O&M and energy start later, and the residual value is that of a younger unit.
    10 MW need 8 units of 1.25 MW and one cooler of 50 MW; 8 MW are drawn in every hour.
    A month's bill: 8 MW x 24 h x days x 50 + 8000 kW x 8; 5000 fixed from January on.
    """
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8, "fixed_usd_per_month": 5000}
    case = make_case(
        SITE,
        {
            "target": {"milestones": [{"gpus": 1000, "by": "2027-06-15"}]},
            "site": {"grid": {"tariff": tariff}},
        },
        items=ITEMS,
    )
    plan = solve(case, gap=1e-7, threads=1)

    served, end = date(2027, 6, 1), date(2028, 7, 1)
    march = date(2027, 3, 1)
    total = by_hand(1e6, 1.0, march, march + timedelta(weeks=10), served, end)
    total += 8 * by_hand(1e5, 1.28, march, march + timedelta(weeks=8), served, end)
    total += by_hand(2e5, 1.28, date(2027, 4, 1), date(2027, 4, 29), served, end)
    months = [date(2027 + k // 12, k % 12 + 1, 15) for k in range(18)]  # when bills are paid
    days = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    for k, middle in enumerate(months):
        total += 5000 * discount(middle)
        if k >= 5:
            total += (8 * 24 * days[k % 12] * 50 + 8000 * 8) * discount(middle)
            total += 8 * 1e5 * 0.024 / 12 * discount(middle)  # O&M of the UPS
    assert plan.upper_kusd * 1000 == pytest.approx(total, rel=1e-9)
    assert plan.lower_kusd * 1000 == pytest.approx(total, rel=1e-6)


# --- limits -----------------------------------------------------------------------------------------------


def test_commissioning_crews(make_case: Make) -> None:
    """Blocks of 10 MW in 4 weeks, two at a time. Whole rounds of 28 days by the first of a month:
    1 February 31 d -> 1, 1 March 59 d -> 2, 1 April 90 d -> 3; two racks of 10 MW each."""
    quick = [item | {"lead_time_weeks": 0, "installation_weeks": 0} for item in ITEMS]
    rules = {"block_mw": 10, "weeks": 4, "blocks_in_parallel": 2, "rack_burn_in_weeks": 0}
    case = make_case(SITE, {"commissioning": rules}, items=quick)
    running = [most(case, lambda m, p=p: m.energised["own_rack", p]) for p in range(1, 4)]
    assert running == pytest.approx([2, 4, 6])


def test_supply_by_quarter(make_case: Make) -> None:
    """Three racks may be delivered in Q1 and four in Q2, none later; they serve on the day they come."""
    quick = [item | {"lead_time_weeks": 0, "installation_weeks": 0} for item in ITEMS]
    case = make_case(SITE, {"supply": {"own_rack": {"2027Q1": 3, "2027Q2": 4}}}, items=quick)
    running = [most(case, lambda m, p=p: m.energised["own_rack", p]) for p in (2, 3, 6)]
    assert running == pytest.approx([3, 7, 7])


def test_grid_limits_what_runs(make_case: Make) -> None:
    """45 MW of firm grid and no engines carry four racks of 10 MW."""
    steps = [{"from": "2026-01-01", "mw": 45, "via": "existing_feeders"}]
    quick = [item | {"lead_time_weeks": 0, "installation_weeks": 0} for item in ITEMS]
    case = make_case(SITE, {"site": {"grid": {"interconnection": steps}}}, items=quick)
    assert most(case, lambda m: m.energised["own_rack", 5]) == pytest.approx(4)


def test_a_grid_step_inside_a_month_counts_from_the_next(make_case: Make) -> None:
    steps = [
        {"from": "2026-01-01", "mw": 20, "via": "existing_feeders"},
        {"from": "2027-03-02", "mw": 50, "via": "existing_feeders"},
    ]
    case = make_case(SITE, {"site": {"grid": {"interconnection": steps}}}, items=ITEMS)
    limits = [most(case, lambda m, p=p: m.grid[p]) for p in (0, 2, 3)]
    assert limits == pytest.approx([20, 20, 50])
    assert np.isclose(most(case, lambda m: m.grid[6]), 50)


def test_a_group_of_racks_carries_its_racks_and_no_more() -> None:
    """1,567 racks in groups of 16 are 98 groups; 16 x .9 x 142 kW = 2.04 MW takes 3 units of 1 MW: 98 x (3 + 1) = 392.

    Were the three units loaded to their 3 MW, 67 groups of 23 racks would do, which is not the group asked for.
    """
    block = 16 * 0.9 * 0.142
    group = group_of(Redundancy(scheme="N+1", group_racks=16), 1.0, block)
    assert (group.sets_per_group, group.spares_per_group) == (3, 1)
    assert group.firm_per_set * 3 == pytest.approx(block, rel=1e-12)
    sets = math.ceil(1567 * 0.9 * 0.142 / group.firm_per_set - 1e-9)
    assert sets + math.ceil(sets / 3) == 392


def test_units_that_may_carry_load() -> None:
    """Of three transformers two carry; 36 lineups in 4-to-make-3 are nine sets; of five units in 4 + 1, four."""
    assert possible_sets(Group(1, 95.0, spares_per_group=1), 3) == 2
    assert possible_sets(Group(4, 8.55), 36) == 9
    assert possible_sets(Group(1, 1.25, spares_per_group=1, sets_per_group=4), 5) == 4
    assert possible_sets(Group(1, 1.25, spares_per_group=1, sets_per_group=4), 6) == 4  # the sixth is a group's spare
    assert possible_sets(Group(1, 1.25, spares_per_group=1, sets_per_group=4), 7) == 5
