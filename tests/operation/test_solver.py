"""Statuses of HiGHS: trouble is solved again by other means, and what has no answer is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highspy
import numpy as np
import pytest

from planner.errors import SolverError
from planner.operation.solver import run_checked

S = highspy.HighsModelStatus
OK, BAD = highspy.HighsStatus.kOk, highspy.HighsStatus.kError


class Scripted(highspy.Highs):
    """HiGHS that claims the statuses it is given, one a run, and remembers how it was set."""

    def __init__(self, claims: Sequence[Any], returned: Sequence[Any] = ()) -> None:
        super().__init__()
        self.setOptionValue("output_flag", False)
        self.claims, self.returned = list(claims), list(returned)
        self.how: list[tuple[str, str]] = []
        self.cleared = 0

    def run(self) -> Any:
        self.how.append((self.getOptionValue("presolve")[1], self.getOptionValue("solver")[1]))
        return self.returned[len(self.how) - 1] if self.returned else OK

    def getModelStatus(self) -> Any:  # noqa: N802
        return self.claims[len(self.how) - 1]

    def clearSolver(self) -> Any:  # noqa: N802
        self.cleared += 1
        return OK


def run_scripted(highs: Scripted, notes: list[str] | None = None) -> Any:
    note = None if notes is None else notes.append
    return run_checked(highs, "block month_07 2028_07", 744, run=lambda h: h.run(), note=note)


@pytest.mark.parametrize("status", [S.kOptimal, S.kInfeasible, S.kTimeLimit, S.kInterrupt])
def test_an_answer_is_taken_at_once(status: Any) -> None:
    highs = Scripted([status])
    assert run_scripted(highs) == status
    assert (len(highs.how), highs.cleared) == (1, 0)


@pytest.mark.parametrize(("warm", "other"), [("off", "on"), ("on", "off")])
def test_trouble_is_solved_from_scratch_with_presolve_the_other_way(warm: str, other: str) -> None:
    highs, notes = Scripted([S.kUnknown, S.kInfeasible]), []
    highs.setOptionValue("presolve", warm)
    assert run_scripted(highs, notes) == S.kInfeasible
    assert (highs.how, highs.cleared) == ([(warm, "choose"), (other, "choose")], 1)
    assert notes == ["block month_07 2028_07: no answer as prepared: Unknown"]


def test_then_by_interior_point_and_the_settings_come_back() -> None:
    highs = Scripted([S.kSolveError, S.kUnboundedOrInfeasible, S.kOptimal])
    highs.setOptionValue("presolve", "off")
    highs.setOptionValue("solver", "simplex")
    assert run_scripted(highs) == S.kOptimal
    assert highs.how[2] == ("on", "ipm")
    assert (highs.getOptionValue("presolve")[1], highs.getOptionValue("solver")[1]) == ("off", "simplex")


def test_no_answer_by_any_means_names_the_block_its_hours_and_every_status() -> None:
    highs = Scripted([S.kUnknown, S.kSolveError, S.kIterationLimit])
    with pytest.raises(SolverError, match=r"block month_07 2028_07, 744 hours") as caught:
        run_scripted(highs)
    for word in ("Unknown", "Solve error", "Iteration limit", "interior point"):
        assert word.lower() in str(caught.value).lower()
    assert caught.value.exit_code == 1


def test_a_status_is_not_believed_when_the_run_itself_failed() -> None:
    highs = Scripted([S.kOptimal, S.kOptimal], returned=[BAD, OK])
    assert run_scripted(highs) == S.kOptimal
    assert len(highs.how) == 2


def test_interior_point_solves_what_the_simplex_may_not() -> None:
    """A real model: 2 x + y >= 3, x, y >= 0, least x + y is 1.5; the simplex is given no iterations."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("simplex_iteration_limit", 0)
    highs.setOptionValue("presolve", "off")
    highs.setOptionValue("solver", "simplex")
    highs.addVars(2, np.zeros(2), np.full(2, highspy.kHighsInf))
    highs.changeColsCost(2, np.arange(2, dtype=np.int32), np.ones(2))
    highs.addRow(3.0, highspy.kHighsInf, 2, np.arange(2, dtype=np.int32), np.array([2.0, 1.0]))
    notes: list[str] = []
    assert run_checked(highs, "a small model", note=notes.append) == S.kOptimal
    assert highs.getInfo().objective_function_value == pytest.approx(1.5)
    assert notes[0] == "a small model: no answer as prepared: Iteration limit reached"
