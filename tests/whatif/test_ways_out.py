"""Cases without a plan, each with a true cause of its own: named first, and answered with ways out that work.

Purpose: end to end. Every way is applied as its texts say, solved anew and audited; of the least moves one notch less
is shown to fail. Expected values are derived by hand in each case's comment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICK
from own import BATTERY
from typer.testing import CliRunner

from planner.audit.audit import require
from planner.case.case import Case, load_case
from planner.case.marks import read_text
from planner.cli.main import app
from planner.errors import InfeasibleError, InputError
from planner.sizing.precheck import precheck
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.whatif.engine import WhatIfs
from planner.whatif.explained import Explained, explained
from planner.whatif.written import flow

Make = Callable[..., Case]


@dataclass(frozen=True)
class Given:
    """An infeasible case and what is expected of its answer."""

    changes: dict[str, Any]
    cause: str  # start of the first limit told
    way: str  # part of a way out that must be there
    set: Sequence[str] = ()
    series: Any = None
    items: list[dict[str, Any]] | None = None
    beside: str = ""  # part of the words of another limit in conflict


def steps(*rows: tuple[str, float]) -> dict[str, Any]:
    given = [{"from": day, "mw": mw, "via": "existing_feeders"} for day, mw in rows]
    return {"site": {"grid": {"interconnection": given}}}


TOWER = {
    "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 32},
    "candidates": {"heat_rejection": ["cooling_tower"]},
}
PLAIN_LOAD: dict[str, Any] = {
    "horizon": {"build_months": 0, "operating_years": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"]},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}]}},
}
GIVEN = {
    # 10 racks of 142 kW are 1.42 MW of IT; all that serves them takes more than 1 MW of grid.
    "grid": Given(steps(("2027-06-01", 1)), "grid connection", "MW of grid from 2027-06"),
    # 30 racks are 4.26 MW and need five blocks of 1 MW; with one at a time and 12 weeks each, four stand by 2028-05.
    "deadline": Given(
        {
            "target": {"milestones": [{"gpus": 2160, "by": "2028-02-01"}]},
            "commissioning": {"block_mw": 1, "weeks": 12, "blocks_in_parallel": 1},
        },
        "milestone: 2,160 GPUs by 2028-02-01",
        "later",
    ),
    # 10 racks at 4 M$ are 40 M$ alone.
    "budget": Given({"budget": [{"by": "2028-06-30", "usd": 1e7}]}, "budget", "M$ of budget by 2028-06-30"),
    "land": Given({"site": {"hall": {"yard_m2": 50}}}, "yard", "m2 of yard"),
    "water": Given({**TOWER, "site": {"water": {"m3_per_day": 8}}}, "water: 8 m3 a day", "m3 a day of water"),
    # 10 racks are asked for and 6 delivered.
    "supply": Given(
        {"supply": {"nvidia_gb300_nvl72": {"2027Q4": 6}}}, "supply of nvidia_gb300_nvl72", "+4 nvidia_gb300_nvl72"
    ),
    # One transformer of two, so that none is firm; another takes 150 weeks and the build 69.
    "redundancy": Given(
        {
            "site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 40, "via": "substation"}]}},
            "committed": [
                {"item": "power_transformer_161kv_100mva", "units": 1, "on_site": "2027-02-01"},
                {"item": "hv_substation_bay_161kv", "units": 2, "on_site": "2027-02-01"},
            ],
        },
        "redundancy of main_transformer: N+1",
        "N instead of N+1 at main_transformer",
        beside="lead time of power_transformer_161kv_100mva",
    ),
    # Two engines of 3.4 MW, one of them spare, could emit 85 short tons a year at 1.3 kg/MWh.
    "permits": Given(
        {
            "site": {
                "grid": {"interconnection": [{"from": "2027-06-01", "mw": 1, "via": "existing_feeders"}]},
                "air_permit": {"from": "2027-03-01", "nox_tons_per_year": 1},
            },
            "candidates": {"generation": ["jenbacher_j620"]},
        },
        "air permit",
        "short tons/year of nox in the air permit",
        beside="grid connection",
    ),
    # 10 MW for 4 h, and one unit of 2 MW.
    "outage survival": Given(
        {
            **PLAIN_LOAD,
            "candidates": {"compute": None, "heat_rejection": None},
            "committed": [{"item": "own_battery", "units": 1, "on_site": "2026-06-01"}],
            "events": [{"kind": "grid_outage", "duration_h": 4}],
        },
        "to live through: grid_outage of 4 h",
        "% of the load carried through the grid_outage",
        series=10.0,
        items=[BATTERY],
    ),
    # 26 degC water from dry coolers of 8.3 K at 39.5 degC.
    "incompatible cooling": Given(
        {"cooling": {"coolant_supply_c": 30}, "candidates": {"heat_rejection": ["dry_cooler"]}},
        "coolant to the racks: 30 degC",
        "chiller_air_cooled offered",
        set=["catalog.dry_cooler.approach_k=8.3"],
        beside="heat rejection: dry_cooler",
    ),
    "two limits together": Given(
        {"site": {"hall": {"yard_m2": 50}}, "budget": [{"by": "2028-06-30", "usd": 1e7}]},
        "yard",
        "M$ of budget",
        beside="budget",
    ),
    # Racks alone take 26 + 2 + 1 weeks.
    "milestone before any lead time": Given(
        {"target": {"milestones": [{"gpus": 720, "by": "2027-03-01"}]}},
        "lead time of",
        "later",
        beside="lead time of nvidia_gb300_nvl72",
    ),
}


def answer(make: Make, given: Given, *more: dict[str, Any]) -> tuple[WhatIfs, Explained]:
    case = make(given.changes, *more, series=given.series, items=given.items, set=given.set)
    what = WhatIfs(case.path, [*QUICK, *given.set], threads=1)
    found = explained(what, lambda text: None, 300.0)
    assert found is not None
    assert found.complete
    return what, found


def works(what: WhatIfs, changes: Sequence[str]) -> bool:
    """Whether a changed case has a plan that passes the audit; nothing is known from before."""
    case = load_case(what.path, [*what.changes, *changes])
    try:
        precheck(case)
        plan = plan_of(solve(case, gap=0.05, threads=1, time_limit=120, reasons=False))
    except InfeasibleError:
        return False
    require(plan, case)
    return True


LONG = ("redundancy", "deadline", "permits")  # more than 10 s of CPU time, as most of their ways are dates to be found


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in GIVEN])
def test_the_true_cause_comes_first_and_ways_out_work(name: str, make_case: Make) -> None:
    given = GIVEN[name]
    what, found = answer(make_case, given)
    words = [limit.words for conflict in found.conflicts for limit in conflict.limits]
    assert words[0].startswith(given.cause), words
    assert any(given.beside in text for text in words), words
    assert any(given.way in way.words for way in found.ways), [way.words for way in found.ways]
    for way in found.ways:
        assert works(what, way.changes), way.words
        (knob, notch), *others = way.moves
        if not others and notch > 1:
            assert not works(what, knob.changes(notch - 1)), f"less than {way.words}"


def test_what_is_firm_is_never_offered(make_case: Make) -> None:
    """Neither more grid nor another candidate: what is left are fewer GPUs; with the target firm too, nothing."""
    some = {"target": {"firm": ["grid", "candidates"]}}
    _, found = answer(make_case, GIVEN["grid"], some)
    assert {knob.name for way in found.ways for knob, _ in way.moves} == {"milestones"}
    assert [limit.name for limit in found.conflicts[0].limits] == ["grid", "milestones"]  # what is firm is still told
    _, found = answer(make_case, GIVEN["grid"], {"target": {"firm": ["grid", "candidates", "milestones"]}})
    assert not found.ways
    assert found.complete


def test_two_moves_of_which_neither_is_enough_are_told_together(make_case: Make) -> None:
    """1 MW on feeders, 1.5 through one transformer of two: more MW there need it to count without its spare."""
    rows = [
        {"from": "2027-06-01", "mw": 1, "via": "existing_feeders"},
        {"from": "2027-09-01", "mw": 1.5, "via": "substation"},
    ]
    given = Given(
        {"site": {"grid": {"interconnection": rows}}, "committed": GIVEN["redundancy"].changes["committed"]}, "", ""
    )
    what, found = answer(make_case, given, {"target": {"firm": ["candidates", "milestones", "committed"]}})
    words = {way.words for way in found.ways}
    assert "+2 MW of grid from 2027-06 on" in words
    [both] = [way for way in found.ways if "N instead of N+1 at main_transformer" in way.words and "grid" in way.words]
    assert "MW of grid from 2027-09 on" in both.words
    assert works(what, both.changes)
    for text in both.changes:
        assert not works(what, [text])


def test_what_was_not_verified_in_time_is_left_out_and_said_so(make_case: Make) -> None:
    case = make_case(GIVEN["grid"].changes)
    found = explained(WhatIfs(case.path, QUICK, threads=1), lambda text: None, 1e-3)
    assert found is not None
    assert not found.complete
    assert found.left_out


def test_a_case_with_a_plan_has_nothing_to_explain(make_case: Make) -> None:
    assert explained(WhatIfs(make_case().path, QUICK, threads=1), lambda text: None) is None


def test_the_command_tells_conflict_and_ways_and_ends_with_three(make_case: Make, tmp_path: Path) -> None:
    """2.006 MW are needed and 1 is there; the file holds what the terminal shows, and each way can be pasted."""
    case = make_case(GIVEN["grid"].changes, {"target": {"firm": ["candidates", "milestones"]}})
    sets = [word for change in QUICK for word in ("--set", change)]
    file = tmp_path / "why.json"
    run = CliRunner().invoke(app, ["explain", str(case.path), "--json", str(file), *sets])
    assert run.exit_code == 3, run.output
    assert "grid connection: 1 MW from 2027-06" in run.output
    assert "--set 'site.grid.interconnection[0].mw=3'" in run.output
    assert "firm, and so not offered: candidates, milestones" in run.output
    told = json.loads(file.read_text(encoding="utf-8"))
    [conflict] = told["conflicts"]
    line = case.path.read_text(encoding="utf-8").splitlines().index("    interconnection:") + 1
    assert conflict["limits"][0]["at"] == f"{case.path}:{line}"
    [way] = told["ways_out"]
    assert way["set"] == ["site.grid.interconnection[0].mw=3"]
    assert way["gives_up"] == "kept"

    solved = CliRunner().invoke(app, ["solve", str(case.path), "--out", str(tmp_path / "plan"), *sets])
    assert solved.exit_code == 3
    assert "+2 MW of grid from 2027-06 on" in solved.output
    short = CliRunner().invoke(app, ["solve", str(case.path), "--no-ways-out", "--out", str(tmp_path / "plan"), *sets])
    assert short.exit_code == 3
    assert "grid connection (no firm generation among the candidates): short by" in short.output
    assert "ways out" not in short.output
    assert not (tmp_path / "plan").exists()


def test_an_air_permit_without_tons_is_a_date_in_the_way(make_case: Make) -> None:
    """An island whose racks run from March on and whose engine may fire from 15 April: 45 days are 7 weeks."""
    permit = {"grid": {"interconnection": [], "tariff": None}, "air_permit": {"from": "2028-04-15"}}
    milestone = {"milestones": [{"gpus": 720, "by": "2028-03-01"}]}
    given = Given({"site": permit, "target": milestone, "candidates": {"generation": ["jenbacher_j620"]}}, "", "")
    what, found = answer(make_case, given)
    assert found.conflicts[0].limits[0].words == "air permit: 2028-04-15"
    [way] = [way for way in found.ways if way.words.startswith("air permit") and len(way.moves) == 1]
    assert way.words == "air permit 7 weeks sooner (2028-02-26)"
    assert works(what, way.changes)


def test_the_day_an_item_may_be_ordered_from_can_be_set(make_case: Make) -> None:
    case = make_case(set=["catalog.nvidia_gb300_nvl72.orderable_from=2027-03-01"])
    assert case.catalog["nvidia_gb300_nvl72"].orderable_from == date(2027, 3, 1)
    with pytest.raises(InputError, match="must be a date"):
        make_case(set=["catalog.nvidia_gb300_nvl72.orderable_from=3"])


def test_a_file_that_has_changed_is_read_again(make_case: Make) -> None:
    """Catalogs and weather are kept while their files are as they were."""
    first = make_case(items=[BATTERY])
    own = first.path.parent / "own" / "items.yaml"
    text = own.read_text(encoding="utf-8")
    own.write_text(text.replace("value: 1000000.0", "value: 2000000.0"), encoding="utf-8")
    again = load_case(first.path, QUICK)
    assert (first.catalog["own_battery"].get("price_usd"), again.catalog["own_battery"].get("price_usd")) == (1e6, 2e6)
    assert again.weather is first.weather
    assert again.catalog["nvidia_gb300_nvl72"] == first.catalog["nvidia_gb300_nvl72"]


def test_values_as_the_text_of_an_option() -> None:
    """What `flow` writes is read back as it was, whatever it is."""
    for value in (
        {"a": [1, 2.5, None, True]},
        "N+1",
        "2027",
        "a: b",
        date(2027, 3, 1),
        "yes",
        "",
        5e15,
        [{"scheme": "2(N+1)"}],
    ):
        text = f"[{flow(value)}]"
        assert read_text(text, "x").data == [value], text
