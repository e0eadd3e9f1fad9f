"""Faults of gas, air permit, curtailment and tests of standby sets: each names its field and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from own import ENGINE

from planner.case.case import Case
from planner.case.schema import CaseInput
from planner.errors import InputError

Make = Callable[..., Case]
GAS = {"from": "2027-01-01", "mmbtu_hhv_per_day": 900}
PERMIT = {"from": "2027-01-01", "nox_tons_per_year": 50}
CALLED = {"hours_per_year": 60, "event_h": 4, "notice_min": 30}
DIESEL = ENGINE | {"id": "own_diesel", "class": "own_diesel", "fuel": "diesel", "permit_class": "emergency"}
ENGINES = {"candidates": {"generation": ["own_engine"]}}
STANDBY = {
    "candidates": {"standby_generation": ["own_diesel"]},
    "redundancy": {"standby_generation": {"scheme": "N"}},
}

# What is written -> (field at fault, words of the rule)
BROKEN: dict[str, tuple[dict[str, Any], str, str]] = {
    "two prices of gas": ({"site": {"gas": GAS | {"usd_per_mmbtu_hhv": 5}}}, "site.gas.usd_per_mmbtu_hhv", "same gas"),
    "firm gas is cut": ({"site": {"gas": GAS | {"cut_days": 5}}}, "site.gas.cut_days", "not cut"),
    "gas not firm": ({"site": {"gas": GAS | {"firm": "false"}}}, "site.gas.cut_days", "required"),
    "gas after the build": ({"site": {"gas": GAS | {"from": "2029-01-01"}}}, "site.gas.from", "after the build"),
    "permit after the build": (
        {"site": {"air_permit": PERMIT | {"from": "2029-01-01"}}},
        "site.air_permit.from",
        "after the build",
    ),
    "an item without a rate": (
        {"site": {"air_permit": PERMIT}},
        "site.air_permit.nox_tons_per_year",
        "own_engine has no nox_kg_per_mwh",
    ),
    "a cap of nothing": (
        {"site": {"air_permit": {"from": "2027-01-01", "enforceable_cap": "energy"}}},
        "site.air_permit.enforceable_cap",
        "caps nothing",
    ),
    "more tests than 100 h": (
        STANDBY | {"site": {"standby_tests": {"hours_per_year": 101}}},
        "site.standby_tests.hours_per_year",
        "100",
    ),
    "tests without a price": (
        STANDBY | {"site": {"standby_tests": {"hours_per_year": 50}}},
        "site.fuel.diesel_usd_per_mmbtu_hhv",
        "burn fuel",
    ),
    "tests of nothing": ({"site": {"standby_tests": {"hours_per_year": 50}}}, "site.standby_tests", "no emergency set"),
    "a worth of nothing shed": (
        {"site": {"grid": {"curtailment": CALLED | {"usd_per_gpu_hour": 3}}}},
        "site.grid.curtailment.usd_per_gpu_hour",
        "nothing may be shed",
    ),
    "shed at no worth": (
        {"site": {"grid": {"curtailment": CALLED | {"compute_may_shed": 0.2}}}},
        "site.grid.curtailment.usd_per_gpu_hour",
        "required",
    ),
    "an event longer than its hours": (
        {"site": {"grid": {"curtailment": CALLED | {"hours_per_year": 3}}}},
        "site.grid.curtailment.hours_per_year",
        "one event of 4 h",
    ),
    "a step on call without a promise": (
        {
            "site": {
                "grid": {
                    "interconnection": [{"from": "2027-06-01", "mw": 40, "via": "existing_feeders", "firm": "false"}]
                }
            }
        },
        "site.grid.interconnection[0].firm",
        "when it may be called",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_thing(make_case: Make, name: str) -> None:
    changes, field, words = BROKEN[name]
    with pytest.raises(InputError) as raised:
        make_case(ENGINES, changes, items=[ENGINE, DIESEL])
    found = [(fault.field, fault.rule) for fault in raised.value.faults]
    assert [rule for at, rule in found if at == field and words in rule], found


def test_gas_without_anyone_to_burn_it(make_case: Make) -> None:
    with pytest.raises(InputError, match="no generator of this case burns natural gas"):
        make_case({"site": {"gas": GAS}})


def test_one_price_of_gas_serves_all(make_case: Make) -> None:
    """The price of the supply is that of the fuel, and grows as it does."""
    priced = {"site": {"gas": GAS | {"usd_per_mmbtu_hhv": 7}, "fuel": {"natural_gas_usd_per_mmbtu_hhv": None}}}
    grows = {"finance": {"escalation_fraction_per_year": {"natural_gas": 0.02}}}
    case = make_case(ENGINES, priced, grows, items=[ENGINE])
    assert case.input.site.fuel.natural_gas_usd_per_mmbtu_hhv == 7
    assert any("1.1 times a 24th" in text for text in case.defaults_used)


def test_a_promise_is_an_event(make_case: Make) -> None:
    """Once, however often the input is read again; with the items that are too slow told."""
    case = make_case(ENGINES, {"site": {"grid": {"curtailment": CALLED | {"grid_fraction_left": 0.2}}}}, items=[ENGINE])
    (event,) = case.input.events
    assert (event.kind, event.duration_h, event.load_fraction, event.grid_fraction_left) == (
        "called_curtailment",
        4,
        1.0,
        0.2,
    )
    assert event.of_curtailment
    again = CaseInput.model_validate(case.input)
    assert len(again.events) == 1
    assert any("own_engine: serve no call" in text for text in case.defaults_used)
