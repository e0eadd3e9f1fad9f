"""The examples through the real command line, from another folder, against what each expects and why.

Purpose: acceptance. examples/<name>/expected.yaml gives a reason for every figure; the cost alone is a regression.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from planner.plan.plan import DETAILS

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLES = ("orders", "installed", "stages", "capacity", "dispatch", "ledger")
ALWAYS = {"plan.json", "plan.xlsx", *(f"{table}.csv" for table in (*TABLES, "compute", "cooling", "power_budget"))}
SOME = {f"{name}.csv" for name in DETAILS}
QUICK = ("--set", "horizon.sample_days_per_month=1")


def planner(folder: Path, *arguments: str, seconds: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder that knows nothing of the checkout."""
    command = [sys.executable, "-W", "error::DeprecationWarning:planner", "-m", "planner.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)


def solve(folder: Path, example: str, *arguments: str, seconds: float = 600.0) -> subprocess.CompletedProcess[str]:
    return planner(folder, "solve", str(EXAMPLES / example), "--out", "plan", *arguments, seconds=seconds)


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def faults(plan: Path, expected: dict[str, Any]) -> list[str]:
    """Every line of expected.yaml that the plan does not meet."""
    summary = json.loads((plan / "plan.json").read_text(encoding="utf-8"))
    capacity = {row["period"]: row for row in table(plan, "capacity")}
    found = []

    def compare(what: str, value: float, low: float, high: float, reason: str) -> None:
        if not low <= value <= high:
            found.append(f"{what} is {value:g}, expected {low:g} to {high:g}: {reason}")

    cost = expected["objective_usd"]
    low, high = cost["value"] - cost["tolerance"], cost["value"] + cost["tolerance"]
    compare("objective_usd", summary["objective_usd"], low, high, cost["reason"])
    gap = expected["gap_fraction"]
    compare("gap_fraction", summary["gap_fraction"], 0.0, gap["at_most"], gap["reason"])
    compare("gap_usd", summary["gap_usd"], 0.0, cost["tolerance"], "the gap is the regression's tolerance")
    for item, band in expected["units"].items():
        compare(item, summary["units"].get(item, 0), band["low"], band["high"], band["reason"])
    for name, band in expected["bands"].items():
        compare(name, summary["key_results"].get(name, summary.get(name)), band["low"], band["high"], band["reason"])
    reached = [(milestone["target"], milestone["reached"]) for milestone in summary["milestones"]]
    wanted = [(milestone["target"], str(milestone["reached"])) for milestone in expected["milestones"]]
    if reached != wanted:
        found.append(f"milestones are {reached}, expected {wanted}")
    for row in expected["capacity"]:
        period, reason = str(row["period"]), row["reason"]
        for name in row.keys() - {"period", "reason"}:
            compare(f"{name} in {period}", float(capacity[period][name]), row[name] - 1e-6, row[name] + 1e-6, reason)
    for row in expected["binding"]:
        for period, line in capacity.items():
            if str(row["first"]) <= period <= str(row["last"]) and line["binding_stage"] not in row["stages"]:
                found.append(f"{line['binding_stage']} holds in {period}, expected {row['stages']}: {row['reason']}")
    return found


RUNS = {  # case, and what it is compared with
    "carolina/case.yaml": "expected.yaml",
    "memphis/case.yaml": "expected.yaml",
    "charging_edge/case.yaml": "expected.yaml",
    "desert_campus/case.yaml": "expected.yaml",
    "gigawatt_campus/case.yaml": "expected.yaml",
    "hall_retrofit/case.yaml": "expected.yaml",
    "immersion_pods/case.yaml": "expected.yaml",
    "immersion_pods/stick_built.yaml": "expected_stick_built.yaml",
    "immersion_pods/turnkey.yaml": "expected_turnkey.yaml",
}
SLOW = ("memphis/case.yaml", "desert_campus/case.yaml", "gigawatt_campus/case.yaml")


def test_every_example_is_run() -> None:
    paths = [EXAMPLES / case for case in RUNS]
    compared = {path.parent / name for path, name in zip(paths, RUNS.values(), strict=True)}
    assert compared == set(EXAMPLES.glob("*/expected*.yaml"))
    folders = {path.parent for path in paths}
    assert folders == {path for path in EXAMPLES.iterdir() if path.is_dir()}
    assert all((folder / "README.md").is_file() for folder in folders)


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in RUNS])
def test_the_plan_is_what_its_expectations_say(case: str, tmp_path: Path) -> None:
    path = EXAMPLES / case
    expected = yaml.safe_load((path.parent / RUNS[case]).read_text(encoding="utf-8"))
    given = case.removesuffix("/case.yaml")  # a folder, as people write it
    run = solve(tmp_path, given, *expected.get("run", []))
    assert run.returncode == 0, run.stderr
    plan = tmp_path / "plan"
    assert {file.name for file in plan.iterdir()} - SOME == ALWAYS - SOME
    assert {file.name for file in plan.iterdir()} >= ALWAYS
    assert all(table(plan, name) for name in TABLES)
    assert faults(plan, expected) == []

    book = openpyxl.load_workbook(plan / "plan.xlsx", read_only=True)
    assert "Summary" in book.sheetnames
    book.close()

    summary = json.loads((plan / "plan.json").read_text(encoding="utf-8"))
    assert path.name in summary["inputs_sha256"]
    assert f"{summary['gpus_energised']:,.0f}" in run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "name", "low", "high", "reason"),
    [
        ("earliest", "date", 32, 32, "the 300 MW step comes in 2029-09, 32 months after 2027-01"),
        ("max_gpus=2028-12-31", "gpus", 55296, 69120, "the vendor delivers 192 + 3 x 256 racks that can run by then"),
    ],
)
def test_the_other_objectives_of_memphis(
    objective: str, name: str, low: float, high: float, reason: str, tmp_path: Path
) -> None:
    run = solve(tmp_path, "memphis", "--objective", objective)
    assert run.returncode == 0, run.stderr
    first = json.loads((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))["objectives"][0]
    assert first["name"] == name
    assert low <= first["value"] <= high, reason
    assert first["value"] == pytest.approx(first["bound"])


def test_a_second_run_replaces_the_plan_whole(tmp_path: Path) -> None:
    loose = (*QUICK, "--gap", "0.02")
    assert solve(tmp_path, "carolina", *loose).returncode == 0
    plan = tmp_path / "plan"
    (plan / "stale.csv").write_text("left by an older run\n", encoding="utf-8")
    first = json.loads((plan / "plan.json").read_text(encoding="utf-8"))

    refused = solve(tmp_path, "carolina", "--no-ways-out", "--set", "target.milestones[0].by=2027-06-30")
    assert refused.returncode == 3
    assert json.loads((plan / "plan.json").read_text(encoding="utf-8")) == first  # a failed run leaves it alone

    assert solve(tmp_path, "carolina", *loose, "--set", "finance.discount_rate=0.08").returncode == 0
    assert {path.name for path in plan.iterdir()} - SOME == ALWAYS - SOME
    assert {path.name for path in plan.iterdir()} >= ALWAYS
    assert json.loads((plan / "plan.json").read_text(encoding="utf-8"))["objective_usd"] != first["objective_usd"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]  # nothing half-written beside it


def test_a_folder_that_is_no_plan_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "thesis.txt").write_text("mine", encoding="utf-8")
    run = solve(tmp_path, "carolina", *QUICK)
    assert run.returncode == 2
    assert [path.name for path in (tmp_path / "plan").iterdir()] == ["thesis.txt"]


def test_a_time_limit_gives_a_plan_with_its_gap_or_says_that_there_is_none(tmp_path: Path) -> None:
    run = solve(tmp_path, "carolina", "--time-limit", "3", seconds=60.0)
    assert run.returncode in (0, 4), run.stderr
    if run.returncode == 0:
        summary = json.loads((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))
        assert summary["gap_usd"] >= 0
        assert summary["lower_bound_usd"] <= summary["objective_usd"]
    else:
        assert "time limit" in run.stderr
        assert not (tmp_path / "plan").exists()


INFEASIBLE = {
    # Transformers take 56 weeks, so one ordered on day one (2027-01-01) misses 2027-06-30 by 30 and what it takes
    # to set it up; with no more than 20 weeks for that, 51.
    "deadline before any transformer": (
        ["target.milestones[0].by=2027-06-30"],
        r"lead time of mv_lv_transformer \(mv_padmount_transformer\): short by ([\d,.]+) weeks",
        (30.0, 51.0),
    ),
    # 14400 x 1.02 / 72 = 204 racks at 4.0 M$ are 816 M$, up to 5 % more with delivery and installation.
    "budget too small": (
        ["budget=[{by: 2028-09-30, usd: 1.0e+8}]"],
        r"budget \(.*\): short by ([\d,.]+) million USD \(cumulative by 2028-09-30\)",
        (716.0, 757.0),
    ),
    # 14400 x 1.02 / 72 x 142 kW = 28.97 MW of racks against 5 MW of grid.
    "grid too small and no firm source": (
        ["candidates.generation=[]", "site.grid.interconnection[0].mw=5"],
        r"grid connection .*: short by ([\d,.]+) MW",
        (23.9, 35.0),
    ),
}


@pytest.mark.parametrize("name", INFEASIBLE)
def test_a_case_without_a_plan_names_the_limit_and_its_shortfall(name: str, tmp_path: Path) -> None:
    changes, pattern, (low, high) = INFEASIBLE[name]
    run = solve(tmp_path, "carolina", "--no-ways-out", *settings(changes), seconds=15.0)
    assert run.returncode == 3, run.stdout + run.stderr
    found = re.search(pattern, run.stderr)
    assert found, run.stderr
    assert low <= float(found[1].replace(",", "")) <= high
    assert not (tmp_path / "plan").exists()


def settings(changes: Sequence[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]
