"""The power budget from chip to meter: adds up, follows from the catalog by hand, and no edit of it goes unseen.

Purpose: analytic (a chain by hand) and property (mutations). The case has racks on busway taps and nodes on rack PDUs,
a substation, two coolers on a loop, engines and compute that shifts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.audit.audit import audit, require
from planner.audit.base import Checks, tables_of
from planner.audit.budget import audit_budget
from planner.audit.loads import Site
from planner.audit.months import months_of
from planner.case.case import Case
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

SITE: dict[str, Any] = {
    "horizon": {"build_months": 17, "operating_years": 2, "sample_days_per_month": 1},
    "site": {
        "grid": {
            "interconnection": [
                {"from": "2027-06-01", "mw": 2, "via": "existing_feeders"},
                {"from": "2028-01-01", "mw": 20, "via": "substation"},
            ]
        }
    },
    "cooling": {"coolant_supply_c": 40, "chilled_water_supply_c": 22},
    "workload": {"kind": "training", "average_load_fraction": 0.8, "shift": {"fraction": 0.1}},
    "candidates": {
        "compute": ["nvidia_gb300_nvl72", "nvidia_dgx_b300"],
        "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
    },
    "committed": [
        {"item": "nvidia_dgx_b300", "units": 20, "on_site": "2027-09-01"},
        {"item": "jenbacher_j620", "units": 2, "on_site": "2027-08-01"},
        {"item": "power_transformer_161kv_100mva", "units": 2, "on_site": "2027-03-01"},
        {"item": "hv_substation_bay_161kv", "units": 2, "on_site": "2027-03-01"},
    ],
}
TAPS = ["it_mw", "network_mw", "cooling_mw"]
LOSSES = ["no_load_loss_mw", "proportional_loss_mw", "square_loss_mw"]


@pytest.fixture(scope="module")
def case(make_case: Callable[..., Case]) -> Case:
    return make_case(SITE)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    return plan_of(solve(case))


@pytest.fixture(scope="module")
def budget(plan: Plan) -> pd.DataFrame:
    return plan.details["power_budget"]


def test_the_plan_passes_solved_and_read_back(plan: Plan, case: Case, tmp_path: Path) -> None:
    checks = {check.name: check for check in require(plan, case)}
    assert checks["power budget"].count > 300
    assert checks["power budget adds up"].count > 50
    write_plan(plan, tmp_path / "plan")
    assert "power_budget" in read_plan(tmp_path / "plan").details
    require(read_plan(tmp_path / "plan"), case)


def test_every_period_adds_up_to_the_meter(plan: Plan, budget: pd.DataFrame) -> None:
    """Loads less generation plus losses are the meter's, to 1e-9; what comes of it covers the design load."""
    for start, rows in budget.groupby("period"):
        total = rows[TAPS].to_numpy().sum() - rows.generation_mw.sum() + rows[LOSSES].to_numpy().sum()
        assert rows.stage.iloc[-1] == "meter"
        assert total == pytest.approx(rows.drawn_mw.iloc[-1], rel=1e-9, abs=1e-9)
        assert (rows.below_mw.iloc[1:].to_numpy() == rows.drawn_mw.iloc[:-1].to_numpy()).all()
        there = plan.capacity[plan.capacity.period == start].iloc[0]
        assert rows.it_mw.sum() == pytest.approx(there.it_design_mw, rel=1e-9)
        bus = rows[rows.stage == "mv_bus"].iloc[0]
        assert bus.below_mw == pytest.approx(there.design_load_mw, rel=1e-9)
        assert bus.generation_mw <= there.firm_generation_mw + 1e-9


def test_the_chain_by_hand(plan: Plan, budget: pd.DataFrame) -> None:
    """From counts and catalog figures (power.yaml, compute.yaml, network.yaml), stage by stage as one does on paper."""
    start = budget.period.max()
    rows = budget[budget.period == start].set_index("stage")
    units = plan.installed[plan.installed.period == start].set_index("item").running
    racks, nodes = units["nvidia_gb300_nvl72"], units["nvidia_dgx_b300"]
    assert min(nodes, racks) > 0
    pdu = 0.0154 * nodes  # high end of 15.0 to 15.4 kW
    pdu_in = pdu * (1 + 0.002 + 0.003)
    assert rows.loc["rack_pdu", ["delivered_mw", "drawn_mw"]].tolist() == pytest.approx([pdu, pdu_in])
    busway = pdu_in + 0.142 * racks + rows.loc["busway", "network_mw"]
    assert rows.loc["busway", ["delivered_mw", "drawn_mw"]].tolist() == pytest.approx([busway, busway * 1.004])
    ups = busway * 1.004 + rows.loc["ups", "cooling_mw"]
    ups_in = ups * 1.0232 + 0.0075 * 1.25 * units["ups_generic"]
    assert rows.loc["ups", ["delivered_mw", "drawn_mw"]].tolist() == pytest.approx([ups, ups_in])
    assert rows.loc["lv_switchboard", "drawn_mw"] == pytest.approx(ups_in * 1.001)
    at_mv = ups_in * 1.001 + rows.loc["mv_lv_transformer", "cooling_mw"]
    mv_in = at_mv * 1.008 + 0.0012 * 2.5 * 0.95 * units["mv_padmount_transformer"]
    assert rows.loc["mv_lv_transformer", "drawn_mw"] == pytest.approx(mv_in)
    assert rows.loc["mv_switchgear", "drawn_mw"] == pytest.approx(mv_in * 1.001)
    assert rows.loc["ups", "delivered_mva"] == pytest.approx(ups / 0.95)
    assert rows.loc["mv_lv_transformer", "rated_mva"] == pytest.approx(2.5 * units["mv_padmount_transformer"])


def test_average_losses_are_those_of_the_dispatch(plan: Plan, budget: pd.DataFrame) -> None:
    """Losses and fans of the dispatch are the losses of all stages and what the cooling units draw by themselves."""
    start = budget.period.max()
    rows, hours = budget[budget.period == start], plan.dispatch[plan.dispatch.phase == "operating year"]
    seen = np.average(hours.losses_and_fans_mw, weights=hours.weight_h)
    cooling = rows.set_index("stage").loc["ups", "cooling_mw"]  # constant, as the units that are switched on
    rest = plan.installed[plan.installed.period == start]
    aux = {"dry_cooler_adiabatic": "heat_rejection:liquid", "chiller_air_cooled": "heat_rejection:air"}
    assert set(rest[rest["item"].isin(aux)].position) <= {"heat_rejection:liquid", "heat_rejection:air"}
    assert seen == pytest.approx(rows.average_loss_mw.sum() + cooling, rel=0.02)
    assert (rows.average_loss_mw <= rows[LOSSES].sum(axis=1) + 1e-9).all()  # a mean is no more than design


def test_a_load_series_has_no_budget(make_case: Callable[..., Case]) -> None:
    served = {"file": "load.csv", "column": "mw"}
    case = make_case(
        {"workload": None, "target": {"milestones": None, "load_series": served}},
        {"candidates": {"compute": None, "other_stages": None, "heat_rejection": None}},
        {"site": {"grid": {"interconnection": [{"from": "2027-01-01", "mw": 40, "via": "existing_feeders"}]}}},
        series=5.0,
    )
    assert "power_budget" not in plan_of(solve(case)).details


def mutated(plan: Plan, stage: str, column: str, change: Callable[[Any], Any]) -> Plan:
    frame = plan.details["power_budget"].copy()
    row = frame.index[frame.stage == stage][-1]
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = change(frame.loc[row, column])
    return replace(plan, details={**plan.details, "power_budget": frame})


def test_no_number_may_be_changed(plan: Plan, case: Case, budget: pd.DataFrame) -> None:
    numbers = [n for n in budget.columns if pd.api.types.is_numeric_dtype(budget[n].dtype)]
    edits = [(("rack_pdu", "busway", "ups", "mv_lv_transformer")[i % 4], n) for i, n in enumerate(numbers)]
    edits += [("mv_bus", "generation_mw"), ("mv_bus", "average_delivered_mw"), ("main_transformer", "average_loss_mw")]
    edits += [("meter", name) for name in ("below_mw", "delivered_mw", "drawn_mw", "firm_mw", "average_delivered_mw")]
    tables = tables_of(plan)
    site = Site(case, tables)
    paths = [(1.0, site, months_of(Checks(), case, tables, site))]
    for stage, column in [("none", ""), *edits]:
        edited = mutated(plan, stage, column, lambda v: v * 1.01 + 0.01) if column else plan
        checks = Checks()
        audit_budget(checks, case, replace(tables, details=tables_of(edited).details), site, paths)
        assert all(check.ok for check in checks.results()) == (not column), f"{stage} {column}"


def test_rows_and_words_may_not_be_changed(plan: Plan, case: Case, budget: pd.DataFrame) -> None:
    for frame in (budget.iloc[1:], pd.concat([budget, budget.iloc[:1]]), budget.iloc[:0]):
        edited = replace(plan, details={**plan.details, "power_budget": frame.reset_index(drop=True)})
        assert "power budget" in {check.name for check in audit(edited, case) if not check.ok}
    assert not all(check.ok for check in audit(mutated(plan, "ups", "redundancy", lambda _: "2N"), case))
    assert not all(check.ok for check in audit(mutated(plan, "ups", "stage", lambda _: "upsi"), case))
