"""What stands already: it serves from the first day, leaves, moves; a hall goes from air to liquid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InputError
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from tests.own import BATTERY, ENGINE

Make = Callable[..., Case]
GAP = 1e-6
SWAP = "2028-03-01"


def stands(item: str, units: int, **more: Any) -> dict[str, Any]:
    return {"item": item, "units": units, "since": "2020-05-01", **more}


# 100 nodes of 10.2 kW in air, of 8 GPUs, with the chain they need; racks of 142 kW in liquid take their place.
HALL: dict[str, Any] = {
    "existing": [
        stands("nvidia_dgx_h100", 100, retire=SWAP, resale_usd=4e6, decommissioning_usd=2e5, book_value_usd=9e6),
        stands("server_rack_generic", 20, retire=SWAP),
        stands("rack_pdu_generic", 80, retire=SWAP),
        stands("fabric_unit_576", 2, retire=SWAP),
        stands("busway_generic", 10),
        stands("ups_generic", 4),
        stands("lv_switchboard_generic", 3),
        stands("mv_padmount_transformer", 3),
        stands("mv_switchgear_generic", 1),
        stands("fit_out_generic", 4),
        stands("air_unit_generic", 6, retire=SWAP, decommissioning_usd=3e4),
        stands("air_unit_generic", 6),
        stands(
            "chiller_air_cooled",
            4,
            stage="heat_rejection:air",
            move={"to": "heat_rejection:liquid", "from": SWAP, "weeks": 0, "cost_usd": 5e4},
        ),
        stands("chiller_air_cooled", 2, stage="heat_rejection:air"),
    ],
    "site": {
        "hall": {"existing_m2": 800, "ready": "2020-01-01", "yard_m2": 1000},
        "grid": {"interconnection": [{"from": "2026-01-01", "mw": 8, "via": "existing_feeders"}]},
    },
    "target": {"milestones": [{"gpus": 800, "by": "2027-01-01"}, {"gpus": 1440, "by": SWAP}]},
    "commissioning": {"block_mw": 10, "weeks": 2, "blocks_in_parallel": 2, "rack_burn_in_weeks": 1},
    "cooling": {"coolant_supply_c": 40},
    "redundancy": {"heat_rejection": {"scheme": "N+1", "group_mw": 10}},
}


@pytest.fixture(scope="module")
def retrofit(make_case: Make) -> tuple[Case, Plan]:
    case = make_case(HALL)
    plan = plan_of(solve(case, gap=1e-4, threads=1, time_limit=200.0))
    require(plan, case)
    return case, plan


def units(plan: Plan, item: str, position: str = "") -> dict[date, float]:
    rows = plan.installed[(plan.installed["item"] == item) & plan.installed.position.str.contains(position)]
    return dict(zip(rows.period, rows.units, strict=True))


def test_a_hall_goes_from_air_to_liquid(retrofit: tuple[Case, Plan]) -> None:
    """The chain of 5 MW carries 20 racks of 142 kW as it did 100 nodes: nothing of it is ordered, only what is new."""
    _, plan = retrofit
    bought = set(plan.orders["item"])
    assert {"nvidia_gb300_nvl72", "cdu_generic"} <= bought
    chain = {"busway_generic", "ups_generic", "lv_switchboard_generic", "mv_padmount_transformer", "fit_out_generic"}
    assert not bought & {*chain, "mv_switchgear_generic", "air_unit_generic", "nvidia_dgx_h100", "server_rack_generic"}
    before, after = date(2028, 2, 1), date(2028, 3, 1)
    nodes, fans = units(plan, "nvidia_dgx_h100"), units(plan, "air_unit_generic")
    assert (nodes[before], nodes.get(after, 0.0)) == (100.0, 0.0)
    assert (fans[before], fans[after]) == (12.0, 6.0)
    assert units(plan, "chiller_air_cooled", "air")[after] == 2.0
    assert units(plan, "chiller_air_cooled", "liquid")[after] == 4.0
    shown = plan.capacity.set_index("period")
    assert (shown.gpus_energised[before], shown.gpus_energised[after]) == (800, 1440)
    assert shown.racks_stranded[before] == 0
    assert shown.gpus_energised[date(2027, 1, 1)] == 800  # without crews, from the first day


def test_what_leaves_is_paid_for_and_sold(retrofit: tuple[Case, Plan]) -> None:
    """0.2 + 0.03 M$ to take it down, 0.05 M$ to move chillers, 4 M$ for the nodes; the book value is nobody's cash."""
    _, plan = retrofit
    paid = plan.ledger[plan.ledger.date == date(2028, 3, 1)].groupby("line").usd.sum()
    assert paid["decommissioning"] == pytest.approx(2.3e5)
    assert paid["relocation"] == pytest.approx(5e4)
    assert paid["resale"] == pytest.approx(-4e6)
    assert "book" not in " ".join(plan.ledger.line)
    table = plan.details["existing"].set_index("item")
    assert table.book_value_usd["nvidia_dgx_h100"] == 9e6
    assert table.age_years["nvidia_dgx_h100"] == pytest.approx(6.67, abs=0.01)


def test_files_keep_it(retrofit: tuple[Case, Plan], tmp_path: Path) -> None:
    case, plan = retrofit
    write_plan(plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), case)


@pytest.mark.parametrize(
    ("table", "where", "column", "change", "check"),
    [
        ("ledger", ("line", "resale"), "usd", 1.1, "ledger purchases"),
        ("ledger", ("line", "decommissioning"), "usd", 0.0, "ledger purchases"),
        ("ledger", ("line", "relocation"), "usd", 0.0, "ledger purchases"),
        ("installed", ("item", "air_unit_generic"), "units", 2.0, "installed units"),
        ("installed", ("item", "nvidia_dgx_h100"), "units", 0.9, "installed units"),
        ("capacity", ("racks_energised", 100), "racks_delivered", 0.5, "capacity table"),
        ("existing", ("item", "ups_generic"), "units", 2.0, "existing"),
        ("existing", ("item", "ups_generic"), "book_value_usd", 2.0, "existing"),
    ],
)
def test_audit_finds_a_wrong_figure(
    retrofit: tuple[Case, Plan], table: str, where: tuple[str, Any], column: str, change: float, check: str
) -> None:
    case, plan = retrofit
    frame = plan.table(table).copy()
    rows = frame[where[0]] == where[1]
    assert rows.any()
    frame[column] = frame[column].astype(float)
    frame.loc[rows, column] = frame.loc[rows, column] * change + (1.0 if column == "book_value_usd" else 0.0)
    details = {**plan.details, table: frame}
    wrong = replace(plan, details=details) if table in plan.details else replace(plan, **{table: frame})
    assert check in {c.name for c in audit(wrong, case) if not c.ok}


# --- by hand, on a plain load ---------------------------------------------------------------------------------


def plain(make: Make, *changes: dict[str, Any], items: Any = (ENGINE, BATTERY)) -> Case:
    """A load of 10 MW on a grid of 2, six build months."""
    base: dict[str, Any] = {
        "workload": None,
        "horizon": {"build_months": 6, "operating_years": 1},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_engine"]},
        "redundancy": {"onsite_generation": {"scheme": "N"}},
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 2, "via": "existing_feeders"}],
                "tariff": {"demand_usd_per_kw_month": 0},
            }
        },
    }
    return make(base, *changes, series=10.0, items=list(items))


def test_engines_that_stand_are_not_bought_until_they_go(make_case: Make) -> None:
    """Two of 5 MW carry the 8 that are missing; one goes in April, and one is bought to serve from then."""
    rows = [stands("own_engine", 1), stands("own_engine", 1, retire="2027-04-01")]
    case = plain(make_case, {"existing": rows})
    plan = plan_of(solve(case, gap=GAP, threads=1))
    require(plan, case)
    assert plan.orders[["units", "commissioning_date"]].to_numpy().tolist() == [[1.0, date(2027, 4, 1)]]
    assert set(units(plan, "own_engine").values()) == {2.0}


def test_what_moves_is_away_between_two_stages(make_case: Make) -> None:
    """An engine leaves the bridge in March and stands by five weeks later, which is from May on."""
    move = {"to": "standby_generation", "from": "2027-03-01", "weeks": 5, "cost_usd": 1e5}
    changes = {
        "existing": [stands("own_engine", 2), stands("own_engine", 1, move=move)],
        "redundancy": {"standby_generation": {"scheme": "N", "covers": 0.0}},  # it may stand by, and need not
    }
    case = plain(make_case, changes)
    plan = plan_of(solve(case, gap=GAP, threads=1))
    require(plan, case)
    assert list(units(plan, "own_engine", "^generation").values()) == [3.0] * 2 + [2.0] * 5
    assert list(units(plan, "own_engine", "standby")) == [date(2027, m, 1) for m in (5, 6, 7)]
    assert float(plan.ledger.loc[plan.ledger.line == "relocation", "usd"].sum()) == 1e5


def test_run_hours_of_what_has_left_stay_its_own(make_case: Make) -> None:
    """Two engines run 4,000 h in half a year of 5,000 h each; that one of them then goes is no reason to stop."""
    caps = {"run_hours_per_year": {"own_engine": 5000}}
    grid = {
        "interconnection": [
            {"from": "2026-01-01", "mw": 2, "via": "existing_feeders"},
            {"from": "2027-06-01", "mw": 12, "via": "existing_feeders"},
        ]
    }
    changes = {"existing": [stands("own_engine", 2, retire="2027-06-01")], "site": {"grid": grid, "caps": caps}}
    case = plain(make_case, changes, {"candidates": {"generation": []}})
    require(plan_of(solve(case, gap=GAP, threads=1)), case)


def test_a_battery_that_stands_is_as_old_as_it_is(make_case: Make) -> None:
    """8 MWh of January 2025 lose a twentieth a year: at the end of 2027 it is three years old, and holds 6.8."""
    curve = {"by_year": {0: 1.0, 10: 0.5}, "source": "made for a test", "date": "2026-01", "confidence": "estimate"}
    changes = {
        "existing": [stands("own_engine", 2), stands("own_battery", 1) | {"since": "2025-01-01"}],
        "horizon": {"build_months": 0},
    }
    case = plain(make_case, changes, items=[ENGINE, BATTERY | {"energy_retention_fraction": curve}])
    plan = plan_of(solve(case, gap=GAP, threads=1))
    require(plan, case)
    assert plan.capacity.battery_available_mwh.tolist() == pytest.approx([8 * 0.85])


def test_both_ways_agree(make_case: Make) -> None:
    """Engines that stand, one that goes, one that moves, beside what may be bought, in build and years."""
    move = {"to": "standby_generation", "from": "2027-03-01", "weeks": 5, "cost_usd": 1e5}
    changes = {
        "horizon": {"build_months": 4, "expansion_years": 1, "operating_years": 2},
        "existing": [
            stands("own_engine", 1, retire="2027-02-01", resale_usd=5e5),
            stands("own_engine", 1, move=move),
            stands("own_battery", 1),
        ],
        "redundancy": {"standby_generation": {"scheme": "N", "covers": 0.0}},  # it may stand by, and need not
        "candidates": {"battery": ["own_battery"]},
        "budget": [{"by": "2027-12-31", "usd": 4e7}],
    }
    case = plain(make_case, changes)
    found, whole = solve(case, gap=GAP, threads=1, time_limit=120.0), Monolithic(case)
    best = whole.solve(gap=GAP)
    assert found.upper_kusd == pytest.approx(best.upper_kusd, rel=3 * GAP)
    require(plan_of(found), case)


# --- input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"since": "2027-02-01"}, "existing[0].since", "does not stand yet"),
        ({"retire": "2027-02-10"}, "existing[0].retire", "first day of a later period|2027-03-01"),
        ({"retire": "2027-01-01"}, "existing[0].retire", "2027-02-01"),
        ({"retire": "2030-01-01"}, "existing[0].retire", "2027-07-01 or before"),
        ({"resale_usd": 5.0}, "existing[0].resale_usd", "goes with retire"),
        ({"stage": "ups"}, "existing[0].stage", "cannot stand there"),
        ({"stage": "standby_generation"}, "existing[0].item", "no standby policy"),
        ({"move": {"to": "generation", "from": "2027-02-01", "weeks": 1}}, "existing[0].move.to", "is where it stands"),
        (
            {"retire": "2027-02-01", "move": {"to": "standby_generation", "from": "2027-02-01", "weeks": 1}},
            "existing[0].move",
            "retired and moved",
        ),
        ({"item": "own_battery", "retire": "2027-02-01"}, "existing[0].item", "with the charge in it"),
        ({"item": "mobile_turbine_rental"}, "existing[0].item", "under committed"),
        ({"item": "no_such_engine"}, "existing[0].item", "unknown item"),
    ],
)
def test_faults(make_case: Make, row: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        plain(make_case, {"existing": [stands("own_engine", 1) | row]})
    text = str(caught.value)
    assert field in text
    assert all(word in text for word in words.split("|"))
