"""Stopping early: what a limit or Ctrl-C leaves is a plan with a proven gap, or a clear word that there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest

from planner.audit.audit import require
from planner.case.case import Case
from planner.errors import NoPlanError
from planner.operation.blocks import build_block, plant_of
from planner.operation.evaluate import BlockSolver
from planner.operation.solver import Stopped
from planner.sizing.dates import Dates
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic, solve_monolithic
from planner.solve.solution import Progress
from planner.solve.stopping import INTERRUPTED, MEMORY, TIME, Stop, resident_gib
from planner.solve.trace import Trace

Make = Callable[..., Case]
EXAMPLE = Path(__file__).parents[2] / "examples" / "carolina"
QUICK = ["--set", "horizon.sample_days_per_month=1"]
STORAGE: dict[str, Any] = {
    "candidates": {"battery": ["tesla_megapack_2xl_4h"], "generation": ["jenbacher_j620"]},
    "site": {"grid": {"tariff": {"demand_usd_per_kw_month": 20}}},
}
SERIES: dict[str, Any] = {
    "workload": None,
    "horizon": {"build_months": 2, "operating_years": 2, "sample_days_per_month": None},
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 6, "via": "existing_feeders"}]}},
    "candidates": {"compute": None, "heat_rejection": None, "renewable": ["solar_single_axis_1mw"]},
}
LIMITED = {"supply": {"nvidia_gb300_nvl72": {"2027Q3": 6, "2027Q4": 5}}}


# -- the object itself ---------------------------------------------------------------------------------------


def test_the_first_reason_stays() -> None:
    stop = Stop()
    assert not stop.due()
    stop.ask(INTERRUPTED)
    stop.ask(TIME)
    assert stop.due()
    assert stop.reason == INTERRUPTED


def test_clock_and_memory_are_looked_at() -> None:
    late = Stop(time_limit_s=0.0)
    assert late.due()
    assert late.reason == TIME
    full = Stop(memory_limit_gib=1e-3)  # a Python with numpy takes far more than 1 MiB
    assert full.due()
    assert full.reason == MEMORY
    assert not Stop(time_limit_s=60.0, memory_limit_gib=1e3).due()


def test_resident_memory_grows_by_what_is_filled() -> None:
    before = resident_gib()
    filled = np.ones(2**25)  # 0.25 GiB
    after = resident_gib()
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(filled.nbytes / 2**30, abs=0.05)


def hard_knapsack(rows: int = 12, columns: int = 60) -> highspy.Highs:
    """A market split, hopeless for branch and bound: equalities of random weights at half their sum."""
    rng = np.random.default_rng(5)
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("threads", 1)
    index = np.arange(columns, dtype=np.int32)
    h.addVars(columns, np.zeros(columns), np.ones(columns))
    h.changeColsIntegrality(columns, index, np.ones(columns, dtype=np.uint8))
    for i in range(rows):
        weights = rng.integers(1, 100, columns).astype(float)
        h.addVar(0.0, highspy.kHighsInf)
        h.addVar(0.0, highspy.kHighsInf)
        h.changeColsCost(2, np.array([columns + 2 * i, columns + 2 * i + 1], dtype=np.int32), np.ones(2))
        half = float(weights.sum() // 2)
        row = np.concatenate([index, [columns + 2 * i, columns + 2 * i + 1]]).astype(np.int32)
        h.addRow(half, half, len(row), row, np.concatenate([weights, [1.0, -1.0]]))
    return h


def test_a_request_ends_a_long_search_in_progress() -> None:
    stop, h = Stop(), hard_knapsack()
    threading.Timer(1.0, stop.ask, [INTERRUPTED]).start()
    begin = time.perf_counter()
    stop.run(h)
    assert 0.9 < time.perf_counter() - begin < 10.0
    assert h.getModelStatus() == highspy.HighsModelStatus.kTimeLimit
    assert h.getInfo().mip_dual_bound <= h.getInfo().objective_function_value
    assert stop.reason == INTERRUPTED


def test_the_time_limit_holds_inside_a_run() -> None:
    stop, h = Stop(time_limit_s=1.0), hard_knapsack()
    begin = time.perf_counter()
    stop.run(h)
    assert time.perf_counter() - begin < 10.0
    assert stop.reason == TIME


def test_a_run_inside_held_comes_to_its_end(make_case: Make) -> None:
    solver, x, stop = some_block(make_case)
    stop.ask(INTERRUPTED)
    with pytest.raises(Stopped):
        solver.solve(x)
    with stop.held():
        assert solver.solve(x).feasible


def some_block(make_case: Make) -> tuple[BlockSolver, Any, Stop]:
    """July of a load that peaks at 40 MW every day, on a 36 MW grid with a battery: some thousand iterations."""
    plant = plant_of(make_case(SERIES, STORAGE, series=30.0 + 10.0 * np.sin(np.arange(8760) * np.pi / 12)))
    block, stop = build_block(plant, "m07"), Stop()
    battery = plant.batteries[0]
    size = {"one": 1.0, "grid_mw": 36.0, "contract_mw": 36.0, "load_mw": 40.0, battery.key: 30.0}
    size |= {battery.soc_start: 40.0, battery.soc_end: 40.0}
    return BlockSolver(block, run=stop.run), np.array([size.get(name, 0.0) for name in block.links]), stop


# -- whole solves --------------------------------------------------------------------------------------------


def stop_at(stop: Stop, when: Callable[[Progress], bool]) -> Callable[[Progress], None]:
    """A listener that asks to stop at the first round where `when` holds."""
    return lambda progress: stop.ask(INTERRUPTED) if when(progress) else None


def test_stopped_after_the_first_plan_the_plan_comes_with_its_gap(make_case: Make) -> None:
    """The gap asked is zero, so the first plan never reaches it; the bounds hold against the whole model."""
    case, stop = make_case(STORAGE), Stop()
    solution = solve(case, gap=0.0, stop=stop, report=stop_at(stop, lambda p: p.upper_kusd < 1e15))
    best = solve_monolithic(case, gap=1e-6)
    assert solution.stopped == INTERRUPTED
    assert not solution.gap_reached
    assert solution.lower_kusd <= best.upper_kusd * (1 + 1e-9)
    assert solution.upper_kusd >= best.lower_kusd * (1 - 1e-9)
    plan = plan_of(solution)
    require(plan, case)
    assert (plan.summary["status"], plan.summary["stopped_by"]) == ("feasible", "Ctrl-C")
    assert plan.status == "feasible, stopped by Ctrl-C"


@pytest.mark.parametrize("objective", ["earliest", "max_gpus"])
def test_stopped_after_the_first_goal_the_goal_is_kept(objective: str, make_case: Make) -> None:
    goal: Any = "earliest" if objective == "earliest" else {"max_gpus": "2028-05-01"}
    case, stop = make_case(LIMITED, {"objective": goal}), Stop()
    solution = solve(case, gap=0.0, stop=stop, report=stop_at(stop, lambda p: p.upper_kusd < 1e15))
    whole = solve_monolithic(case, gap=1e-6)
    assert solution.levels[0].value == pytest.approx(whole.levels[0].value)
    assert np.isfinite(solution.lower_kusd)
    assert solution.lower_kusd <= whole.upper_kusd <= solution.upper_kusd * (1 + 1e-9)
    require(plan_of(solution), case)


def test_memory_that_runs_out_after_the_first_plan_leaves_the_plan(
    make_case: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, stop, used = make_case(STORAGE), Stop(memory_limit_gib=8.0), [1.0]
    monkeypatch.setattr("planner.solve.stopping.resident_gib", lambda: used[0])

    def fill(progress: Progress) -> None:
        used[0] = 9.0 if progress.upper_kusd < 1e15 else 1.0

    solution = solve(case, gap=0.0, stop=stop, report=fill)
    assert solution.stopped == MEMORY
    assert plan_of(solution).status == "feasible, stopped by the memory limit"


@pytest.mark.parametrize(
    ("stop", "words"),
    [(Stop(time_limit_s=0.0), "within the time limit"), (Stop(memory_limit_gib=1e-3), "within the memory limit")],
)
@pytest.mark.parametrize("objective", ["min_cost", "earliest"])
def test_stopped_before_any_plan_there_is_none(stop: Stop, words: str, objective: str, make_case: Make) -> None:
    with pytest.raises(NoPlanError, match=words):
        solve(make_case({"objective": objective}), stop=stop)
    with pytest.raises(NoPlanError, match=words):
        Monolithic(make_case({"objective": objective}), stop=stop)


def test_a_reached_gap_is_optimal_whatever_was_asked_later(make_case: Make) -> None:
    case, stop = make_case(), Stop()
    solution = solve(case, gap=0.01, stop=stop)
    stop.ask(INTERRUPTED)
    summary = plan_of(solution).summary
    assert (summary["status"], summary["stopped_by"]) == ("optimal", "")


# -- the whole model as a method -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [STORAGE, {**LIMITED, "objective": "earliest"}, {**LIMITED, "objective": {"max_gpus": "2028-05-01"}}]
)
def test_the_whole_model_gives_a_plan_that_passes_its_audit(changes: dict[str, Any], make_case: Make) -> None:
    case = make_case(changes, set=["catalog.tesla_megapack_2xl_4h.price_usd=5e4"])
    whole = Monolithic(case).solution(gap=1e-4)
    plan = plan_of(whole)
    require(plan, case)
    parts = solve(case, gap=1e-4)
    assert whole.gap_reached
    assert plan.summary["status"] == "optimal"
    assert whole.lower_kusd <= parts.upper_kusd * (1 + 1e-9)
    assert parts.lower_kusd <= whole.upper_kusd * (1 + 1e-9)
    assert [(lv.name, lv.value, lv.bound) for lv in whole.levels[:-1]] == [
        (lv.name, pytest.approx(lv.value), pytest.approx(lv.bound)) for lv in parts.levels[:-1]
    ]


def test_the_whole_model_of_a_load_series_passes_its_audit(make_case: Make) -> None:
    """No racks: 5 MW in every one of 8760 + 1416 hours; sun at a tenth of its price, which is worth buying."""
    cheap = [f"catalog.solar_single_axis_1mw.{name}" for name in ("price_usd=1e5", "lead_time_weeks=1")]
    case = make_case(SERIES, series=5.0, set=[*cheap, "catalog.solar_single_axis_1mw.installation_weeks=1"])
    whole, parts = Monolithic(case).solution(gap=1e-4), solve(case, gap=1e-4)
    plan = plan_of(whole)
    require(plan, case)
    assert len(plan.dispatch) == 8760 + 24 * (31 + 28)
    assert plan.summary["units"]["solar_single_axis_1mw"] >= 1
    assert whole.upper_kusd == pytest.approx(parts.upper_kusd, rel=2e-4)


def test_the_whole_model_stopped_in_its_second_goal_keeps_the_first(make_case: Make) -> None:
    case, stop = make_case(LIMITED, {"objective": {"max_gpus": "2028-05-01"}}), Stop()
    model = Monolithic(case, stop=stop, dates=Dates.all_of(case))  # with fewer it is done before it can be stopped
    hold = model._hold

    def hold_and_stop(name: str, value: float) -> None:
        hold(name, value)
        stop.ask(INTERRUPTED)

    model._hold = hold_and_stop  # type: ignore[method-assign]
    solution = model.solution(gap=1e-9)
    assert solution.levels[0].value == solution.levels[0].bound
    assert solution.stopped == INTERRUPTED
    assert np.isfinite(solution.lower_kusd)
    assert solution.lower_kusd <= solve_monolithic(case, gap=1e-6).upper_kusd
    require(plan_of(solution), case)


# -- the log -------------------------------------------------------------------------------------------------


def test_the_log_holds_the_solver_every_block_and_every_round(make_case: Make, tmp_path: Path) -> None:
    case = make_case()
    rounds: list[Progress] = []
    with Trace(tmp_path / "log.txt") as trace:
        solution = solve(case, trace=trace, report=rounds.append)
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    blocks = [line for line in lines if "  block m" in line]
    assert len(blocks) == solution.block_solves
    assert all(" iterations, " in line and line.endswith((" Optimal", " Infeasible")) for line in blocks)
    assert any("operating_07" in line for line in blocks)
    assert sum(" round " in line for line in lines) == len(rounds) == solution.rounds
    assert any("Running HiGHS" in line for line in lines)


# -- the command, with real signals --------------------------------------------------------------------------


def start(folder: Path, *words: str, example: Path = EXAMPLE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "planner.cli.main", "solve", str(example), "--out", str(folder / "plan"), *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def wait_for(run: subprocess.Popen[str], words: str) -> str:
    """Read stderr up to a line with these words."""
    assert run.stderr is not None
    seen = ""
    for line in run.stderr:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"ended without {words!r}: {seen}")


def test_ctrl_c_after_a_first_plan_writes_it_with_its_gap(tmp_path: Path) -> None:
    """No gap at all takes many more rounds of seconds on this site than the first plan does."""
    memphis = EXAMPLE.with_name("memphis")
    with start(tmp_path, "-v", "--gap", "0", "--method", "decomposed", example=memphis) as run:
        wait_for(run, "integers")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=120.0)
    assert run.returncode == 0, err
    assert "Ctrl-C again to abort" in err
    summary = json.loads((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["stopped_by"]) == ("feasible", "Ctrl-C")
    assert 0 < summary["lower_bound_usd"] <= summary["objective_usd"]
    assert "feasible, stopped by Ctrl-C" in out
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_ctrl_c_before_a_plan_exits_with_4_and_says_so(tmp_path: Path) -> None:
    with start(tmp_path, "-v") as run:
        wait_for(run, "coarse")
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60.0)
    assert run.returncode == 4, err
    assert "stopped by Ctrl-C before a plan was found" in err
    assert not list(tmp_path.iterdir())


def test_a_second_ctrl_c_aborts_at_once(tmp_path: Path) -> None:
    """The whole model over every hour solves one LP for a long time; nothing can be asked of it in between."""
    with start(tmp_path, "--method", "monolithic", "--log", str(tmp_path / "log.txt")) as run:
        log, begin = tmp_path / "log.txt", time.monotonic()
        while "Running HiGHS" not in (log.read_text(encoding="utf-8") if log.exists() else ""):
            assert time.monotonic() < begin + 60.0
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        wait_for(run, "Ctrl-C again")
        begin = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30.0)
    assert run.returncode == 130, err
    assert time.monotonic() - begin < 5.0
    assert "aborted; no plan was written" in err
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_a_memory_limit_below_what_is_needed_exits_with_4(tmp_path: Path) -> None:
    with start(tmp_path, *QUICK, "--memory-limit", "0.05") as run:
        _, err = run.communicate(timeout=60.0)
    assert run.returncode == 4, err
    assert "within the memory limit: raise --memory-limit" in err


def test_a_log_inside_the_plan_is_refused(tmp_path: Path) -> None:
    with start(tmp_path, *QUICK, "--log", str(tmp_path / "plan" / "log.txt")) as run:
        _, err = run.communicate(timeout=60.0)
    assert run.returncode == 2, err
    assert "--log" in err


@pytest.mark.parametrize(("flag", "lines"), [((), 2), (("-v",), 3)])
def test_off_a_terminal_only_phases_are_shown_unless_asked(flag: tuple[str, ...], lines: int, tmp_path: Path) -> None:
    with start(tmp_path, *QUICK, *flag) as run:
        _, err = run.communicate(timeout=60.0)
    assert run.returncode == 0, err
    shown = [line for line in err.splitlines() if "  round " in line]
    assert len(shown) == lines if not flag else len(shown) >= lines
    assert "\r" not in err
