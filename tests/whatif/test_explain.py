"""An explanation as people get it: on the terminal, as JSON and as CSV. Purpose: example."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.cli.main import app
from planner.whatif.explain import explain_feasible
from tests.whatif.made import Make, site, whatifs_of, worth_of_power_usd

YARD = {"site": {"hall": {"yard_m2": 1e4}}}


def test_rows_say_what_the_data_do(make_case: Make) -> None:
    found = explain_feasible(whatifs_of(site(make_case, YARD)), seconds=60.0)
    assert found.gain == "saves"
    assert [row[0] for row in found.limit_rows] == ["grid connection"]
    limit = found.data["binding_limits"][0]
    assert limit["set"] == ["site.grid.interconnection[0].mw=9"]
    assert limit["worth"]["found"] == pytest.approx(worth_of_power_usd(35.0), rel=0.05)
    assert limit["worth"]["text"] == found.limit_rows[0][3]
    engine = found.data["near_misses"][0]
    assert (engine["item"], engine["units"], engine["words"]) == ("own_engine", 1, "nothing can take its place")
    assert found.item_rows[0][4:6] == ("-", "-")


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_the_command(make_case: Make, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"why.{suffix}"
    case = site(make_case, YARD)
    told = CliRunner().invoke(app, ["explain", str(case.path), "--json", str(file), "--items", "0", "--threads", "1"])
    assert told.exit_code == 0, told.output
    assert "Binding limits: saves" in told.output
    text = file.read_text()
    if suffix == "json":
        data = json.loads(text)
        assert data["binding_limits"][0]["unit"] == "MW"
        assert data["least_usd"] <= data["cost_usd"]
    else:
        rows = list(csv.reader(text.splitlines()))
        assert rows[0][0] == "limit"
        assert rows[1][0] == "grid connection"


def test_a_case_without_a_plan_says_what_is_in_the_way(make_case: Make) -> None:
    case = site(make_case, {"candidates": {"generation": None}})
    told = CliRunner().invoke(app, ["explain", str(case.path)])
    assert told.exit_code == 3
    row = next(line for line in told.output.splitlines() if line.startswith("1  grid connection"))
    assert " 2 MW " in row
