"""One HiGHS run with its status checked: trouble is tried again by other means, then named.

    as prepared -> from scratch, presolve the other way -> interior point -> SolverError

Every attempt that fails is noted, so that the log says how an answer came about.
"""

from __future__ import annotations

from collections.abc import Callable

import highspy

from planner.errors import SolverError

Run = Callable[[highspy.Highs], object]
Note = Callable[[str], None]

_S = highspy.HighsModelStatus
ANSWERS = frozenset({_S.kOptimal, _S.kInfeasible, _S.kSolutionLimit})  # the last where nodes are limited
CUT_SHORT = frozenset({_S.kTimeLimit, _S.kInterrupt})


class Stopped(Exception):  # noqa: N818 - a request that reached a solver, not an error
    """A run was cut short because the solve shall stop."""


def run_checked(
    highs: highspy.Highs, name: str, hours: int = 0, *, run: Run = highspy.Highs.run, note: Note | None = None
) -> highspy.HighsModelStatus:
    """Run HiGHS until it has an answer (ANSWERS) or is cut short (CUT_SHORT); the status says which.

    name, hours: what is solved, for the error. run: how HiGHS is run; a solve that may be stopped gives its own.
    """
    tried = []
    presolve = str(_option(highs, "presolve"))
    other = "on" if presolve == "off" else "off"
    solver = _option(highs, "solver")
    try:
        for means, settings in (
            ("as prepared", {}),
            ("from scratch", {"presolve": other}),
            ("interior point", {"presolve": "on", "solver": "ipm"}),
        ):
            if settings:
                highs.clearSolver()
            for option, value in settings.items():
                highs.setOptionValue(option, value)
            returned = run(highs)
            status = highs.getModelStatus()
            if returned != highspy.HighsStatus.kError and status in ANSWERS | CUT_SHORT:
                return status
            tried.append(f"{means}: {highs.modelStatusToString(status)}")
            if note is not None:
                note(f"{name}: no answer {tried[-1]}")
    finally:
        highs.setOptionValue("presolve", presolve)
        highs.setOptionValue("solver", solver)
    where = f"{name}, {hours} hours" if hours else name
    raise SolverError(f"HiGHS has no answer for {where}: {'; '.join(tried)}")


def _option(highs: highspy.Highs, name: str) -> bool | int | float | str:
    """Value of an option now."""
    return highs.getOptionValue(name)[1]
