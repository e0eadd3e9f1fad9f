"""The whole case as one LP or MPS file: sizing and every hour, for other solvers and for a second pair of eyes.

Variables and rows keep the names they have in the sizing model and in the operating blocks, in the characters
both formats allow: `bought[tesla_megapack_2xl_4h,3]` becomes `bought(tesla_megapack_2xl_4h,3)`, `heat:liquid`
becomes `heat.liquid`. A row with two limits is written as two rows, the second with `~2` at its end.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import highspy

from planner.case.case import Case
from planner.errors import PlannerError
from planner.solve.monolithic import Monolithic

_GOALS = {
    "gpus": "GPUs energised at the date asked for",
    "date": "months until the milestones are reached",
    "cost": "present value of all cost, in thousand USD",
}
_COMMENT = {"lp": "\\", "mps": "*"}


def export(case: Case, files: Iterable[tuple[str, Path]]) -> tuple[int, int]:
    """Write the case to each (format, path), format lp or mps; returns columns and rows.

    A file appears whole or not at all.
    """
    whole = Monolithic(case)
    goal = next(iter(sorted(whole.sizing.levels, key=lambda name: name == "cost")))
    constant = whole.sizing.constant_kusd if goal == "cost" else 0.0
    lp = whole.master.model(whole.sizing.levels[goal], constant, maximise=goal == "gpus")
    lp.model_name_ = "planner"
    lp.col_names_ = _names(var.name for var in whole.master.columns)
    lp.row_names_ = _names(row.constraint.name for row in whole.master.rows)
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    if h.passModel(lp) == highspy.HighsStatus.kError:
        raise PlannerError("the whole model could not be passed to HiGHS")
    for kind, path in files:
        _write(h, kind, path, _header(case, goal, len(whole.sizing.levels)))
    return lp.num_col_, lp.num_row_


def _header(case: Case, goal: str, goals: int) -> list[str]:
    """What stands above the model."""
    lines = [
        f"case: {' '.join(case.input.name.split())}",
        f"objective: {_GOALS[goal]}",
        "units: power MW, energy MWh, money thousand USD",
    ]
    if goals > 1:
        lines.append(f"first of {goals} goals: the cost is asked for once this one is held at its best value")
    return lines


def _write(h: highspy.Highs, kind: str, path: Path, header: list[str]) -> None:
    """Write beside the target, then put in its place."""
    path = path.absolute()
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        bare, fresh = folder / f"bare.{kind}", folder / "fresh"
        if h.writeModel(str(bare)) == highspy.HighsStatus.kError:
            raise PlannerError(f"{path}: HiGHS could not write the model")
        with fresh.open("wb") as target, bare.open("rb") as source:
            target.write("".join(f"{_COMMENT[kind]} {line}\n" for line in header).encode())
            shutil.copyfileobj(source, target)
        os.replace(fresh, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _names(pyomo: Iterable[str]) -> list[str]:
    """Names both formats can hold, each once."""
    seen: dict[str, int] = {}
    names = []
    for name in pyomo:
        plain = name.replace("[", "(").replace("]", ")").replace(":", ".").replace("'", "")
        plain = re.sub(r"[^A-Za-z0-9_.,()@#]", "_", plain)
        seen[plain] = seen.get(plain, 0) + 1
        names.append(plain if seen[plain] == 1 else f"{plain}~{seen[plain]}")
    return names
