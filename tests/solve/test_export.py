"""Exported models: HiGHS reads the file back and finds the optimum the whole model has in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import pytest

from planner.case.case import Case
from planner.solve.export import export
from planner.solve.monolithic import solve_monolithic

Make = Callable[..., Case]
EXAMPLE = Path(__file__).parents[2] / "examples" / "carolina"

BATTERY: dict[str, Any] = {
    "candidates": {"battery": ["tesla_megapack_2xl_4h"]},
    "site": {"grid": {"tariff": {"demand_usd_per_kw_month": 20}}},
}
CASES: dict[str, dict[str, Any]] = {
    "cost": BATTERY,
    "gpus": {"objective": {"max_gpus": "2028-05-01"}, "supply": {"nvidia_gb300_nvl72": {"2027Q3": 6, "2027Q4": 5}}},
    "date": {"objective": "earliest", "supply": {"nvidia_gb300_nvl72": {"2027Q3": 6, "2027Q4": 5}}},
}


@pytest.mark.parametrize("goal", CASES)
@pytest.mark.parametrize("kind", ["lp", "mps"])
def test_the_file_has_the_optimum_of_the_whole_model(goal: str, kind: str, make_case: Make, tmp_path: Path) -> None:
    case = make_case(CASES[goal], set=["catalog.tesla_megapack_2xl_4h.price_usd=5e4"])
    target = tmp_path / f"model.{kind}"
    columns, rows = export(case, [(kind, target)])
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("mip_rel_gap", 1e-7)
    assert h.readModel(str(target)) == highspy.HighsStatus.kOk
    assert (h.getNumCol(), h.getNumRow()) == (columns, rows)
    h.run()
    assert h.getModelStatus() == highspy.HighsModelStatus.kOptimal
    first = solve_monolithic(case, gap=1e-7).levels[0]
    assert first.name == goal
    assert h.getObjectiveValue() == pytest.approx(first.value, rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_names_are_those_of_the_models_and_the_head_says_what_is_asked(make_case: Make, tmp_path: Path) -> None:
    target = tmp_path / "model.lp"
    export(make_case(CASES["gpus"]), [("lp", target)])
    text = target.read_text(encoding="utf-8")
    head = text[: text.index("max\n")]
    assert all(line.startswith("\\") for line in head.splitlines())
    assert "GPUs energised at the date asked for" in head
    assert "first of 2 goals" in head
    for name in ("bought(nvidia_gb300_nvl72,0)", "energised(nvidia_gb300_nvl72,16)", "hours(2027_07,grid_import(17))"):
        assert name in text
    for row in ("energised_on_site(", "grid_step(", "block_rows(operating_01,power_balance(23)):"):
        assert f"\n {row}" in text


def planner(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120.0, env=os.environ, check=False)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "no file to write"),
        (["--lp", "."], "exists and is not a file"),
        (["--mps", "nowhere/model.mps"], "cannot be used"),
    ],
)
def test_faults_of_the_command_line(words: list[str], fault: str, tmp_path: Path) -> None:
    run = planner("export", EXAMPLE, "--set", "horizon.sample_days_per_month=1", *words)
    assert run.returncode == 2, run.stderr
    assert fault in run.stderr


def test_a_write_that_fails_leaves_the_old_file(
    make_case: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.lp"
    target.write_text("mine", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("planner.solve.export.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="disk full"):
        export(make_case(), [("lp", target)])
    assert target.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model.lp"]
