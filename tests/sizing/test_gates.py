"""Activities that gate: agreement, substation, gas lateral, air permit, fibre, hall, water permit; each its own thing.

Purpose: analytic. A gated thing serves in the first period that starts on or after its gate and what follows it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pyomo.environ as pyo
import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import InputError
from planner.operation.blocks import plant_of
from planner.sizing.model import build_sizing
from planner.sizing.options import Option, options_of
from planner.sizing.targets import grid_steps
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

Make = Callable[..., Case]
SITE: dict[str, Any] = {
    "site": {
        "grid": {
            "interconnection": [
                {"from": "2027-03-01", "mw": 10, "via": "existing_feeders"},
                {"from": "2027-06-01", "mw": 60, "via": "substation"},
            ]
        },
        "fuel": {"diesel_usd_per_mmbtu_hhv": 20},
    },
    "candidates": {
        "heat_rejection": ["chiller_air_cooled", "cooling_tower"],
        "generation": ["jenbacher_j620"],
        "standby_generation": ["diesel_genset_3mw"],
    },
    "redundancy": {"standby_generation": {"scheme": "N"}},
}
SOON = [
    f"catalog.{item}.lead_time_weeks=4"
    for item in (
        "diesel_genset_3mw",
        "cooling_tower",
        "hall_stick_built",
        "power_transformer_161kv_100mva",
        "hv_substation_bay_161kv",
    )
] + ["catalog.hall_stick_built.installation_weeks=4"]
GATE = date(2027, 12, 10)


def gated(make: Make, *names: str) -> Case:
    activities = [{"name": "it", "on": str(GATE), "gates": list(names)}] if names else []
    return make(SITE, {"activities": activities}, set=SOON)


def first_ready(case: Case) -> dict[str, date]:
    """Earliest day that an item may serve, by option."""
    options: tuple[Option, ...] = options_of(plant_of(case))
    return {o.key: o.orders[0].dates.ready for o in options if o.orders}


@pytest.mark.parametrize(
    ("gate", "held"),
    [
        ("natural_gas", {"jenbacher_j620"}),  # gas lateral
        ("diesel", {"diesel_genset_3mw@standby"}),
        ("generation", {"jenbacher_j620", "diesel_genset_3mw@standby"}),  # air permit: whatever burns
        ("standby_generation", {"diesel_genset_3mw@standby"}),
        ("water", {"cooling_tower@air", "cooling_tower@liquid"}),  # water permit
        ("main_transformer", {"power_transformer_161kv_100mva"}),  # substation
        ("hv_substation", {"hv_substation_bay_161kv"}),
        ("white_space", {"hall_stick_built"}),  # hall ready
        ("cooling_tower", {"cooling_tower@air", "cooling_tower@liquid"}),
    ],
)
def test_a_gate_holds_what_it_names_and_nothing_else(make_case: Make, gate: str, held: set[str]) -> None:
    free, late = first_ready(gated(make_case)), first_ready(gated(make_case, gate))
    moved = {key for key in free if late.get(key) != free[key]}
    assert moved == held & set(free)
    assert moved
    assert all(late[key] >= GATE for key in moved if key in late)


def test_agreement_and_substation_gate_their_own_steps(make_case: Make) -> None:
    """Feeders of 10 MW from March, 60 MW through the substation from June; a gate in December counts from January."""
    june, december, january = 5, 11, 12
    assert [grid_steps(gated(make_case), p) for p in (1, 2, june)] == [(0, 0), (10, 10), (10, 60)]
    by_agreement = gated(make_case, "existing_feeders")
    assert [grid_steps(by_agreement, p) for p in (june, december, january)] == [(0, 60), (0, 60), (10, 60)]
    by_substation = gated(make_case, "grid")
    assert [grid_steps(by_substation, p) for p in (june, december, january)] == [(10, 10), (10, 10), (10, 60)]


def test_existing_hall_waits_for_its_gate(make_case: Make) -> None:
    """20,000 m2, ready in June: 3 weeks of commissioning and burn-in, so in July; by the gate in January."""
    for case, first in ((gated(make_case), 6), (gated(make_case, "white_space"), 12)):
        sizing = build_sizing(plant_of(case))
        for var in sizing.model.component_data_objects(pyo.Var):
            var.set_value(0, skip_validation=True)  # nothing is bought
        area = [float(pyo.value(sizing.capacity_of("white_space", p))) for p in (first - 1, first)]
        assert area == [0.0, 20_000.0]


def test_fibre_and_a_shut_feeder_hold_a_plan(make_case: Make) -> None:
    """Energisation waits for fibre; without feeders nothing is bought before the agreement. The audit agrees."""
    activities = [
        {"name": "fibre lit", "on": "2028-02-10", "gates": ["energisation"]},
        {"name": "utility agreement", "on": "2027-11-20", "gates": ["existing_feeders"]},
    ]
    case = make_case({"activities": activities})
    plan = plan_of(solve(case, threads=1))
    require(plan, case)
    runs = plan.capacity[plan.capacity.racks_energised > 0].period
    assert runs.iloc[0] >= date(2028, 3, 1)
    shut = plan.capacity[[day < date(2027, 12, 1) for day in plan.capacity.period]]
    assert (shut.grid_mw == 0).all()


def test_unknown_gates_are_refused_with_what_there_is(make_case: Make) -> None:
    with pytest.raises(InputError, match="names nothing to gate"):
        gated(make_case, "electricity_agreement")
