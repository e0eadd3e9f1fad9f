"""planner audit from files alone: what passes, what fails, what is refused and in which words.

Purpose: the command line on a real plan; every way in which a plan's folder may be broken.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planner.case.case import Case, load_case
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from tests.cli.command import Run, run
from tests.conftest import write_catalog
from tests.own import BATTERY, ENGINE

Make = Callable[..., Case]
CHEAP = ENGINE | {"price_usd": 2e5}
LOAD: dict[str, Any] = {
    "horizon": {"build_months": 1, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"], "generation": ["own_engine"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}]}},
}
MODEL = ("pyomo", "highspy", *(f"planner.{part}" for part in ("sizing", "operation", "solve", "families", "ledger")))


@pytest.fixture(scope="module")
def case(make_case: Make) -> Case:
    return make_case({"horizon": {"operating_years": 1}})


@pytest.fixture(scope="module")
def solved(case: Case) -> Plan:
    return plan_of(solve(case, gap=0.01, threads=1, time_limit=120.0))


@pytest.fixture
def folder(solved: Plan, tmp_path: Path) -> Path:
    write_plan(solved, tmp_path / "plan")
    return tmp_path / "plan"


def audit(folder: Path, *more: str) -> Run:
    return run("audit", str(folder), *more)


def edit(folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> None:
    frame = pd.read_csv(folder / f"{table}.csv")
    changed = change(frame)
    (frame if changed is None else changed).to_csv(folder / f"{table}.csv", index=False)


def summary(folder: Path, **changes: Any) -> None:
    told = json.loads((folder / "plan.json").read_text()) | changes
    (folder / "plan.json").write_text(json.dumps({k: v for k, v in told.items() if v is not None}))


# -- good plans ----------------------------------------------------------------------------------------------


def test_a_good_plan_passes_with_nothing_but_its_folder(folder: Path, tmp_path: Path) -> None:
    done = audit(folder, "--csv", str(tmp_path / "checks.csv"), "--json", str(tmp_path / "checks.json"))
    assert done.code == 0, done.err
    assert "all pass" in done.out
    table = pd.read_csv(tmp_path / "checks.csv")
    assert list(table.columns) == ["check", "count", "worst_margin", "unit", "verdict", "message"]
    assert set(table.verdict) == {"pass"}
    assert {"power balance", "ledger purchases", "present value", "milestones", "stage capacity"} <= set(table["check"])
    told = json.loads((tmp_path / "checks.json").read_text())
    assert told["passed"] is True
    assert len(told["checks"]) == len(table)


def test_the_summary_tells_where_the_inputs_are(solved: Plan, case: Case) -> None:
    """As given, and in full; the changes of the command line with them."""
    made = solved.summary["inputs"]
    assert made["case"] == str(case.path)
    assert Path(made["case_absolute"]) == case.path.absolute()
    assert made["set"] == list(case.changes)
    assert "catalog.fit_out_generic.lead_time_weeks=4" in made["set"]
    assert made["catalogs"] == made["catalogs_absolute"] == []


def test_neither_solver_nor_model_is_loaded(folder: Path) -> None:
    code = (
        "import sys\nfrom planner.cli.main import main\n"
        f"sys.argv = ['planner', 'audit', {str(folder)!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('LOADED', sorted(m for m in sys.modules if m.split('.')[0] in {MODEL!r} or m in {MODEL!r}"
        f" or m.startswith({tuple(f'{m}.' for m in MODEL)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_case_that_has_moved_is_told(folder: Path, case: Case, tmp_path: Path) -> None:
    shutil.copytree(case.path.parent, tmp_path / "moved")
    gone = {"case": "nowhere/case.yaml", "case_absolute": str(tmp_path / "nowhere" / "case.yaml")}
    summary(folder, inputs=read_plan(folder).summary["inputs"] | gone)
    done = audit(folder)
    assert done.code == 2
    assert "the case is not there: say where it is: --case PATH" in done.err
    assert audit(folder, "--case", str(tmp_path / "moved")).code == 0


def test_a_case_given_as_a_relative_path_is_found_from_elsewhere(
    folder: Path, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = read_plan(folder).summary["inputs"]
    summary(folder, inputs=made | {"case": os.path.relpath(case.path, case.path.parents[1])})
    monkeypatch.chdir(tmp_path)
    assert audit(folder).code == 0


def test_catalogs_on_top_are_found_again_and_may_move(make_case: Make, tmp_path: Path) -> None:
    """An engine of one's own by --catalog; then the folder moves, and then a figure in it."""
    (tmp_path / "mine").mkdir()
    write_catalog(tmp_path / "mine" / "items.yaml", [CHEAP])
    given = make_case(LOAD, series=8.0, items=[BATTERY, ENGINE])
    case = load_case(given.path, given.changes, [tmp_path / "mine"])
    plan = plan_of(solve(case, gap=0.01, threads=1, time_limit=60.0))
    assert plan.summary["inputs"]["catalogs"] == [str(tmp_path / "mine")]
    write_plan(plan, tmp_path / "plan")
    assert audit(tmp_path / "plan").code == 0
    (tmp_path / "mine").rename(tmp_path / "away")
    assert audit(tmp_path / "plan").code == 2
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "away").rename(tmp_path / "elsewhere" / "mine")
    assert audit(tmp_path / "plan", "--catalog", str(tmp_path / "elsewhere" / "mine")).code == 0
    write_catalog(tmp_path / "elsewhere" / "mine" / "items.yaml", [CHEAP | {"price_usd": 5e6}])
    done = audit(tmp_path / "plan", "--catalog", str(tmp_path / "elsewhere" / "mine"))
    assert done.code == 2
    assert "mine/items.yaml has changed" in done.err


# -- plans that fail -----------------------------------------------------------------------------------------


def test_a_plan_that_fails_says_where_first(folder: Path, tmp_path: Path) -> None:
    def dearer(frame: pd.DataFrame) -> None:
        frame.loc[frame.line == "contingency", "usd"] *= 1.01

    edit(folder, "ledger", dearer)
    done = audit(folder, "--csv", str(tmp_path / "checks.csv"))
    assert done.code == 1
    assert done.out.splitlines()[1].startswith("FAIL ")
    assert "FAIL ledger purchases: " in done.out
    table = pd.read_csv(tmp_path / "checks.csv")
    assert table.verdict[0] == "FAIL"
    assert table.verdict.tolist() == sorted(table.verdict.tolist())  # failed ones first
    assert (table.worst_margin[table.verdict == "FAIL"] < 0).all()


@pytest.mark.parametrize(
    ("table", "change", "check"),
    [
        ("orders", lambda f: pd.concat([f, f.tail(1)]), "rows once"),
        ("installed", lambda f: pd.concat([f, f.tail(1)]), "rows once"),
        ("compute", lambda f: pd.concat([f, f.tail(1)]), "rows once"),
        ("ledger", lambda f: pd.concat([f, f.tail(1)]), "rows once"),
        ("dispatch", lambda f: pd.concat([f, f.tail(1)]), "rows once"),
        ("dispatch", lambda f: f.drop(f.index[5]), "hours complete"),
        ("dispatch", lambda f: f.drop(f.index[5]), "tables as written"),
        ("stages", lambda f: f.drop(f.index[5]), "tables as written"),
        ("capacity", lambda f: f.assign(luck=1.0), "table columns"),
        ("dispatch", lambda f: f.assign(luck_mw=1.0), "dispatch columns"),
        ("power_budget", lambda f: f.assign(luck=1.0), "tables as written"),
        ("orders", lambda f: f.assign(position=f.position.where(f.index > 0)), "table columns"),
    ],
)
def test_rows_and_columns_that_are_not_the_plans_are_caught(
    folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame], check: str
) -> None:
    edit(folder, table, change)
    done = audit(folder)
    assert done.code == 1
    assert f"FAIL {check}: " in done.out, done.out[:2000]


def test_other_inputs_than_the_plans_may_be_tried(folder: Path) -> None:
    """A small part of the connection: the same plan has no firm source any more."""
    done = audit(folder, "--set", "site.grid.interconnection[0].mw=1")
    assert done.code == 1
    assert "FAIL firm source: " in done.out


# -- what is refused -----------------------------------------------------------------------------------------


def test_inputs_that_have_changed_are_refused(folder: Path, case: Case, tmp_path: Path) -> None:
    shutil.copytree(case.path.parent, tmp_path / "changed")
    file = tmp_path / "changed" / "case.yaml"
    file.write_text(file.read_text().replace("energy_usd_per_mwh: 50", "energy_usd_per_mwh: 55"))
    done = audit(folder, "--case", str(file))
    assert done.code == 2
    assert "case.yaml has changed" in done.err
    assert "--changed-inputs" in done.err
    done = audit(folder, "--case", str(file), "--changed-inputs")
    assert done.code == 1
    assert "FAIL ledger operation: " in done.out
    assert "FAIL inputs" not in done.out
    file.write_text(file.read_text().replace("energy_usd_per_mwh: 55", "energy_usd_per_mwh: 50") + "# a remark\n")
    assert audit(folder, "--case", str(file)).code == 2
    assert audit(folder, "--case", str(file), "--changed-inputs").code == 0


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda f: shutil.rmtree(f), "is no folder: give the folder of a plan"),
        (lambda f: (f / "plan.json").unlink(), "holds no plan.json: give the folder of a plan"),
        (lambda f: (f / "plan.json").write_text("{"), "plan.json:1: (file): "),
        (lambda f: (f / "plan.json").write_bytes(b"\xff\xfe{"), "must be UTF-8 text"),
        (lambda f: (f / "plan.json").write_text("[1]"), "schema: list: must be plan/1: another version wrote it"),
        (lambda f: summary(f, schema="plan/9"), "schema: plan/9: must be plan/1: another version wrote it"),
        (lambda f: summary(f, objective_usd="dear"), "objective_usd: dear: must be a number"),
        (lambda f: summary(f, milestones=None), "milestones: nothing: must be a list"),
        (lambda f: summary(f, tables={"orders": 3}), "must hold rows and columns of every table"),
        (lambda f: (f / "orders.csv").unlink(), "orders.csv:1: (file): orders.csv: is missing from the plan"),
        (lambda f: (f / "power_budget.csv").unlink(), "power_budget.csv: is missing from the plan"),
        (lambda f: (f / "ledger.csv").write_text(""), "ledger.csv:1: (file): "),
        (lambda f: (f / "ledger.csv").write_text('date,line\n"'), "cannot be read as CSV"),
        (lambda f: edit(f, "stages", lambda t: t.drop(columns="unit")), "unit: nothing: is a column that is missing"),
        (lambda f: edit(f, "compute", lambda t: t.drop(columns="gpus")), "gpus: nothing: is a column that is missing"),
        (lambda f: edit(f, "ledger", lambda t: t.assign(usd="x")), "ledger.csv:2: usd: x: must be a number"),
        (
            lambda f: edit(f, "capacity", lambda t: t.assign(period="soon")),
            "capacity.csv:2: period: soon: must be a date, as YYYY-MM-DD",
        ),
        (
            lambda f: edit(f, "installed", lambda t: t.assign(units=t.units.where(t.index != 3))),
            "installed.csv:5: units: nan: must be a number",
        ),
    ],
)
def test_what_is_no_plan_is_told_kindly(folder: Path, broken: Callable[[Path], object], words: str) -> None:
    broken(folder)
    done = audit(folder)
    assert done.code == 2, done.err
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_file_that_cannot_be_written_is_refused_before_the_work(folder: Path, tmp_path: Path) -> None:
    done = audit(folder, "--csv", str(tmp_path / "no" / "checks.csv"))
    assert done.code == 2
    assert "is no file in a folder that exists" in done.err


def test_swing_with_the_plan_of_another_case_says_so_once(folder: Path, make_case: Make, tmp_path: Path) -> None:
    other = make_case({"name": "other", "workload": {"swing_fraction": 0.3}})
    sets = [word for change in other.changes for word in ("--set", change)]
    page = str(tmp_path / "swing.html")
    done = run("swing", str(other.path), "--plan", str(folder), "--html", page, *sets)
    assert done.code == 2
    assert done.err.count("\n") == 2  # the fault and their number
    assert "was made from other inputs: case.yaml has changed" in done.err


def test_swing_with_other_changes_than_the_plans_says_which(folder: Path, case: Case, tmp_path: Path) -> None:
    sets = [word for change in case.changes[:-1] for word in ("--set", change)]
    given = (*sets, "--set", "workload.swing_fraction=0.3", "--html", str(tmp_path / "swing.html"))
    done = run("swing", str(case.path), "--plan", str(folder), *given)
    assert done.code == 2
    assert f"made with --set {case.changes[-1]}" in done.err
    assert "made without --set workload.swing_fraction=0.3" in done.err
