"""The audit: good plans pass, solved or read back; every edit of one is caught by the check meant for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import AuditError
from planner.plan.plan import TABLES, Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

# Every kind of row an audit reads: feeders and substation, two coolers on a loop, engines, sun, batteries,
# supply, budget, gates, a demand window.
SITE: dict[str, Any] = {
    "horizon": {"build_months": 20, "operating_years": 2, "sample_days_per_month": 1},
    "site": {
        "hall": {"existing_m2": 3000, "ready": "2027-06-01", "yard_m2": 20000},
        "land_m2": 1000000,
        "grid": {
            "interconnection": [
                {
                    "from": "2027-06-01",
                    "mw": 3,
                    "via": "existing_feeders",
                    "utility_contribution_usd": 1000000,
                },
                {"from": "2028-04-01", "mw": 20, "via": "substation"},
            ],
            "tariff": {
                "energy_usd_per_mwh": None,
                "energy_periods": [
                    {"name": "night", "usd_per_mwh": 20},
                    {
                        "name": "evening",
                        "usd_per_mwh": 400,
                        "weekday_hours": [16, 17, 18, 19, 20],
                        "weekend_hours": [16, 17, 18, 19, 20],
                    },
                ],
                "tou_demand": [
                    {
                        "name": "summer",
                        "usd_per_kw_month": 1,
                        "months": [5, 6, 7, 8, 9],
                        "weekday_hours": list(range(6, 22)),
                        "weekend_hours": list(range(6, 22)),
                    },
                ],
                "fixed_usd_per_month": 5000,
                "minimum_take_fraction": 0.3,
            },
        },
        "fibre": {"from": "2027-09-01"},
    },
    "cooling": {"coolant_supply_c": 40, "chilled_water_supply_c": 22},
    "workload": {"kind": "inference", "average_load_fraction": 0.8, "swing_fraction": 0.3},
    "target": {"milestones": [{"gpus": 720, "by": "2028-05-01"}, {"gpus": 1440, "by": "2028-08-01"}]},
    "candidates": {"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
    "order_multiples": {"nvidia_gb300_nvl72": 4},
    "supply": {"nvidia_gb300_nvl72": {"2028Q1": 40, "2028Q2": 40}},
    "committed": [
        {"item": "power_transformer_161kv_100mva", "units": 2, "on_site": "2027-09-01", "due_usd": 6000000},
        {"item": "hv_substation_bay_161kv", "units": 2, "on_site": "2027-09-01", "due_usd": 16000000},
        {"item": "jenbacher_j620", "units": 2, "on_site": "2027-08-01", "due_usd": 1000000},
        {"item": "tesla_megablock_4h", "units": 1, "on_site": "2028-03-01"},
        {"item": "solar_single_axis_1mw", "units": 4, "on_site": "2027-08-01"},
    ],
    "activities": [{"name": "substation energised", "on": "2028-03-15", "gates": ["main_transformer", "grid"]}],
    "redundancy": {
        "ups": {"scheme": "4N/3", "group_mw": 10},
        "heat_rejection": {"scheme": "N+1", "group_mw": 3},
    },
    "spares": {"racks_fraction": 0.02},
    "budget": [{"by": "2028-06-30", "usd": 300000000}, {"by": "2029-12-31", "usd": 900000000}],
}
RACK, BATTERY, SUN, ENGINE = (
    "nvidia_gb300_nvl72",
    "tesla_megablock_4h",
    "solar_single_axis_1mw",
    "jenbacher_j620",
)


@pytest.fixture(scope="module")
def case(make_case: Callable[..., Case]) -> Case:
    return make_case(SITE)


@pytest.fixture(scope="module")
def plan(case: Case) -> Plan:
    return plan_of(solve(case))


def test_a_good_plan_passes(plan: Plan, case: Case) -> None:
    checks = require(plan, case)
    assert all(check.ok and check.worst_margin >= 0 for check in checks)
    assert len(checks) == len({check.name for check in checks}) > 40
    assert sum(check.count for check in checks) > 10_000


def test_a_plan_read_back_passes(plan: Plan, case: Case, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    again = read_plan(tmp_path / "plan")
    assert [c.name for c in require(again, case)] == [c.name for c in audit(plan, case)]


def test_the_case_is_worth_auditing(plan: Plan) -> None:
    """Batteries, sun and engines work, and both heat paths stand: otherwise mutations below prove nothing."""
    for name in (f"discharge:{BATTERY}_mw", f"renewable:{SUN}_mw", "grid_import_mw"):
        assert plan.dispatch[name].max() > 0.1, name
    assert plan.orders.commissioning_date.nunique() >= 2


def test_the_summary_holds_plain_values(plan: Plan) -> None:
    """No NumPy number slips into plan.json's mapping: readers compare and print what they find."""

    def kinds(value: Any) -> set[type]:
        if isinstance(value, dict):
            return set().union(*map(kinds, value.values()))
        return set().union(*map(kinds, value)) if isinstance(value, list) else {type(value)}

    assert kinds(plan.summary) <= {str, int, float, bool, type(None)}


# -- mutations ---------------------------------------------------------------------------------------------

Edit = Callable[[dict[str, Any]], None]


def cell(table: str, column: str, change: Callable[[Any], Any], pick: Callable[[pd.DataFrame], Any]) -> Edit:
    """An edit of one cell: of the first row picked."""

    def edit(t: dict[str, Any]) -> None:
        frame = t[table]
        rows = frame.index[pick(frame)]
        assert len(rows), f"nothing to edit in {table}"
        frame.loc[rows[0], column] = change(frame.loc[rows[0], column])

    return edit


def drop(table: str, pick: Callable[[pd.DataFrame], Any]) -> Edit:
    """An edit that loses the first row picked."""

    def edit(t: dict[str, Any]) -> None:
        rows = t[table].index[pick(t[table])]
        assert len(rows), f"nothing to lose in {table}"
        t[table] = t[table].drop(rows[0]).reset_index(drop=True)

    return edit


def new_flow(name: str) -> Edit:
    """An edit that adds a flow of 1 MW in the last hour."""

    def edit(t: dict[str, Any]) -> None:
        t["dispatch"][name] = (t["dispatch"].index == t["dispatch"].index[-1]).astype(float)

    return edit


def summary(*path: Any, change: Callable[[Any], Any]) -> Edit:
    """An edit of one value of plan.json."""

    def edit(t: dict[str, Any]) -> None:
        place = t["summary"]
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = change(place[path[-1]])

    return edit


def month_early(day: date) -> date:
    return date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, min(day.day, 28))


def item(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: f["item"] == name


def line(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: f["line"] == name


def last(f: pd.DataFrame) -> Any:
    return f.index == f.index[-1]


def at(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: (f.position == name) & (f.period == f.period.max())


def working(column: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: (f.phase == "operating year") & (f[column] > 1e-3)


def grow(f: float) -> Callable[[Any], Any]:
    return lambda v: v * f


def add(x: float) -> Callable[[Any], Any]:
    return lambda v: v + x


def end_of(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda f: (f["item"] == name) & (f.period == f.period.max())


MUTATIONS: list[tuple[str, str, Edit]] = [
    # orders and dates
    ("installed units", "a UPS fewer ordered", cell("orders", "units", add(-1), item("ups_generic"))),
    (
        "whole units and multiples",
        "half a CDU ordered",
        cell("orders", "units", add(0.5), item("cdu_generic")),
    ),
    ("whole units and multiples", "racks not in fours", cell("orders", "units", add(1), item(RACK))),
    ("order capital", "capital off by 1 %", cell("orders", "capital_usd", grow(1.01), item("ups_generic"))),
    (
        "delivery date",
        "delivered a month early",
        cell("orders", "delivery_date", month_early, item("ups_generic")),
    ),
    ("ready date", "ready a month early", cell("orders", "ready_date", month_early, item(RACK))),
    (
        "commissioning date",
        "in service a month early",
        cell("orders", "commissioning_date", month_early, item(RACK)),
    ),
    (
        "order date",
        "ordered on the 2nd",
        cell("orders", "order_date", lambda d: d.replace(day=2), item(RACK)),
    ),
    (
        "delivery date",
        "ordered a month early",
        cell("orders", "order_date", month_early, item("cdu_generic")),
    ),
    ("supply", "more racks than supplied", cell("orders", "units", add(200), item(RACK))),
    ("installed units", "an order lost", drop("orders", item("busway_generic"))),
    (
        "items and positions",
        "an unknown item",
        cell("orders", "item", lambda _: "no_such_ups", item("ups_generic")),
    ),
    (
        "items and positions",
        "a UPS as a CDU",
        cell("orders", "position", lambda _: "cdu", item("ups_generic")),
    ),
    # installed
    ("installed units", "a CDU more installed", cell("installed", "units", add(1), item("cdu_generic"))),
    ("stage capacity", "two UPS off", cell("installed", "running", add(-4), end_of("ups_generic"))),
    ("units on", "more UPS on than stand", cell("installed", "running", add(40), end_of("ups_generic"))),
    (
        "racks run once ready",
        "racks run that are not there",
        cell("installed", "running", add(80), end_of(RACK)),
    ),
    ("racks keep running", "racks stop", cell("installed", "running", add(-3), end_of(RACK))),
    ("milestones", "too few racks run at the end", cell("installed", "running", add(-3), end_of(RACK))),
    ("load by hour", "an extra rack running", cell("installed", "running", add(1), end_of(RACK))),
    ("stage capacity", "a switchboard row lost", drop("installed", end_of("lv_switchboard_generic"))),
    # stages and capacity
    ("stage table", "design load understated", cell("stages", "design_load", grow(0.99), at("ups"))),
    ("stage table", "firm capacity overstated", cell("stages", "firm_capacity", grow(1.05), at("cdu"))),
    ("stage table", "firm capacity below the load", cell("stages", "firm_capacity", grow(0.5), at("busway"))),
    ("stage table", "a stage lost", drop("stages", at("mv_switchgear"))),
    ("stage table", "wrong unit", cell("stages", "unit", lambda _: "MW", at("network"))),
    ("capacity table", "GPUs overstated", cell("capacity", "gpus_energised", add(72), last)),
    ("capacity table", "design load understated", cell("capacity", "design_load_mw", grow(0.98), last)),
    ("capacity table", "grid step overstated", cell("capacity", "grid_step_mw", add(5), last)),
    ("capacity table", "grid overstated", cell("capacity", "grid_mw", add(5), last)),
    ("capacity table", "generation firm without spare", cell("capacity", "firm_generation_mw", add(4), last)),
    ("capacity table", "stranded racks hidden", cell("capacity", "racks_stranded", add(-1), last)),
    ("capacity table", "racks delivered early", cell("capacity", "racks_delivered", add(4), last)),
    ("periods", "a month lost", drop("capacity", last)),
    # dispatch
    ("import limit", "an hour of import over the limit", cell("dispatch", "grid_import_mw", add(50), last)),
    ("power balance", "an hour of import missing", cell("dispatch", "grid_import_mw", grow(0.9), last)),
    ("power balance", "losses half a per cent short", cell("dispatch", "grid_import_mw", grow(0.995), last)),
    ("hours complete", "an hour lost", drop("dispatch", last)),
    ("hours complete", "an hour twice", cell("dispatch", "hour_of_year", add(-1), last)),
    ("hours complete", "wrong weight", cell("dispatch", "weight_h", grow(1.01), last)),
    (
        "battery state of charge",
        "a wrong state of charge",
        cell("dispatch", f"soc:{BATTERY}_mwh", add(0.5), working(f"soc:{BATTERY}_mwh")),
    ),
    ("battery energy", "fuller than full", cell("dispatch", f"soc:{BATTERY}_mwh", add(1000), last)),
    ("battery power", "charging beyond its power", cell("dispatch", f"charge:{BATTERY}_mw", add(100), last)),
    (
        "battery one way at a time",
        "charging and discharging",
        cell("dispatch", f"charge:{BATTERY}_mw", add(1), working(f"discharge:{BATTERY}_mw")),
    ),
    (
        "renewable output",
        "sun at night",
        cell("dispatch", f"renewable:{SUN}_mw", add(1), lambda f: f.hour_of_year % 24 == 2),
    ),
    (
        "generation rating",
        "an engine beyond its rating",
        cell("dispatch", f"generation:{ENGINE}_mw", add(9), last),
    ),
    (
        "heat removed",
        "heat not removed",
        cell("dispatch", "heat_rejected:liquid:dry_cooler_adiabatic_mw", grow(0.9), last),
    ),
    (
        "heat rejection capacity",
        "heat to chillers that do not stand",
        cell("dispatch", "heat_rejected:liquid:chiller_air_cooled_mw", add(9), last),
    ),
    ("cooling power", "cooling power understated", cell("dispatch", "heat_rejection_mw", grow(0.95), last)),
    ("compute shed", "compute shed where none may be", new_flow(f"compute_shed:{RACK}_mw")),
    ("dispatch columns", "power out of nothing", new_flow("generation:no_such_engine_mw")),
    ("load by hour", "IT load understated", cell("dispatch", "it_mw", grow(0.99), last)),
    ("load by hour", "site load understated", cell("dispatch", "site_load_mw", grow(0.99), last)),
    ("flows not negative", "export", cell("dispatch", "grid_import_mw", lambda _: -1.0, last)),
    # ledger
    ("ledger purchases", "a cost off by 1 %", cell("ledger", "usd", grow(1.01), line("equipment"))),
    ("ledger purchases", "a lost ledger line", drop("ledger", line("contingency"))),
    (
        "ledger purchases",
        "a payment a month early",
        cell("ledger", "date", month_early, line("installation")),
    ),
    (
        "ledger purchases",
        "residual value off by 1 %",
        cell("ledger", "usd", grow(1.01), line("residual value")),
    ),
    ("ledger purchases", "committed dues lost", drop("ledger", line("committed equipment"))),
    ("ledger purchases", "contribution lost", drop("ledger", line("utility contribution"))),
    ("ledger purchases", "a fixed charge lost", drop("ledger", line("fixed charge"))),
    ("ledger purchases", "O&M off by 1 %", cell("ledger", "usd", grow(1.01), line("fixed O&M"))),
    ("ledger purchases", "a line of its own", cell("ledger", "line", lambda _: "luck", line("indirects"))),
    ("ledger operation", "energy off by 0.1 %", cell("ledger", "usd", grow(1.001), line("energy"))),
    ("ledger operation", "a demand charge lost", drop("ledger", line("demand charge"))),
    ("ledger operation", "summer demand lost", drop("ledger", line("time-of-use demand charge"))),
    ("present value", "a dollar in a million", cell("ledger", "usd", grow(1 + 1e-6), line("IT equipment"))),
    # plan.json
    ("present value", "objective off by 0.1 %", summary("objective_usd", change=grow(0.999))),
    ("bounds", "a bound above the objective", summary("lower_bound_usd", change=grow(1.01))),
    ("gap figures", "a wrong bound", summary("lower_bound_usd", change=grow(0.9999))),
    ("gap figures", "a gap left out", summary("gap_fraction", change=lambda _: 0.0005)),
    ("bounds", "all cost left out of the gap", summary("cost_not_open_to_decision_usd", change=grow(3))),
    ("objectives", "another objective value", summary("objectives", 0, "value", change=grow(0.999))),
    ("key results", "a better PUE", summary("key_results", "annual_pue", change=add(-0.01))),
    ("key results", "a lower peak", summary("key_results", "peak_site_load_mw", change=grow(0.99))),
    ("key results", "cheaper per MW", summary("key_results", "project_cost_usd_per_mw", change=grow(0.99))),
    ("key results", "cheaper per GPU-hour", summary("key_results", "usd_per_gpu_hour", change=grow(0.99))),
    ("key results", "more GPUs per MW", summary("key_results", "gpus_per_facility_mw", change=grow(1.01))),
    ("units at the end", "a unit more", summary("units", "ups_generic", change=add(1))),
    (
        "milestone report",
        "reached earlier",
        summary("milestones", 0, "reached", change=lambda _: "2027-01-01"),
    ),
    ("trust", "better figures", summary("trust", "dollars_fraction_on_weak_figures", change=grow(0.9))),
    ("trust", "better dates", summary("trust", "critical_weeks_fraction_on_weak_figures", change=lambda _: 1.5)),
    (
        "racks that wait",
        "racks that wait not told",
        summary("first_stranded", change=lambda _: [{"period": "2028-01-01", "racks": 1, "held_by": "ups"}]),
    ),
    ("told as in the case", "another rate", summary("discount_rate", change=grow(0.9))),
    ("told as in the case", "an earliest date", summary("earliest_date", change=lambda _: "2027-01-01")),
    ("rows once", "an order twice", lambda t: t.update(orders=pd.concat([t["orders"], t["orders"].tail(1)]))),
    ("rows once", "a payment twice", lambda t: t.update(ledger=pd.concat([t["ledger"], t["ledger"].tail(1)]))),
    ("table columns", "a column of its own", lambda t: t["stages"].insert(0, "luck", 1.0)),
    ("inputs", "other inputs", summary("inputs_sha256", "case.yaml", change=lambda _: "0" * 64)),
]


def apply(plan: Plan, edit: Edit) -> Plan:
    tables: dict[str, Any] = {name: plan.table(name).copy() for name in TABLES}
    tables["summary"] = copy.deepcopy(plan.summary)
    edit(tables)
    return Plan(**tables)


@pytest.mark.parametrize(("check", "what", "edit"), MUTATIONS, ids=[f"{c}: {w}" for c, w, _ in MUTATIONS])
def test_every_edit_is_caught(plan: Plan, case: Case, check: str, what: str, edit: Edit) -> None:
    bad = apply(plan, edit)
    with pytest.raises(AuditError) as error:
        require(bad, case)
    caught = {text.split(":")[0] for text in error.value.failures}
    assert check in caught, f"{what}: caught by {sorted(caught)}"


def test_a_broken_limit_of_the_case_is_caught(plan: Plan, case: Case) -> None:
    """The same plan under a tighter case: limits no edit of one cell can break."""
    given = case.input
    hall = given.site.hall.model_copy(update={"yard_m2": 10.0})
    budget = [row.model_copy(update={"usd": row.usd / 100}) for row in given.budget]
    slow = given.commissioning.model_copy(update={"block_mw": 0.5, "blocks_in_parallel": 1})
    site = given.site.model_copy(update={"hall": hall, "land_m2": 10.0})
    tight = given.model_copy(update={"site": site, "budget": budget, "commissioning": slow})
    failed = {c.name for c in audit(plan, replace(case, input=tight)) if not c.ok}
    assert {"yard area", "land area", "budget", "commissioning"} <= failed
    steps = [step.model_copy(update={"mw": 0.1}) for step in given.site.grid.interconnection]
    weak = given.site.model_copy(update={"grid": given.site.grid.model_copy(update={"interconnection": steps})})
    late = replace(
        case,
        gates={**case.gates, "energisation": date(2028, 8, 1)},
        input=given.model_copy(update={"site": weak}),
    )
    failed = {c.name for c in audit(plan, late) if not c.ok}
    assert {"energisation gate", "import limit", "firm source"} <= failed
