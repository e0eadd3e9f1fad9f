"""The sizing model in HiGHS when HiGHS is in trouble: solved again, or named; never read as an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import highspy
import pytest

from planner.case.case import Case
from planner.errors import SolverError
from planner.operation.blocks import plant_of
from planner.sizing.model import build_sizing
from planner.solve.master import Master

Make = Callable[..., Case]
S = highspy.HighsModelStatus


class Liar(highspy.Highs):
    """HiGHS that reports trouble for its first runs, whatever they found."""

    lies = 0
    runs = 0

    def run(self) -> Any:
        self.runs += 1
        return super().run()

    def getModelStatus(self) -> Any:  # noqa: N802
        return S.kUnknown if self.runs <= self.lies else super().getModelStatus()


@pytest.mark.parametrize("relaxed", [True, False])
@pytest.mark.parametrize("lies", [0, 1, 2, 3])
def test_trouble_of_the_sizing_model(
    lies: int, relaxed: bool, make_case: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizing = build_sizing(plant_of(make_case()))
    honest = Master(sizing)
    cost, _ = honest.gradient(sizing.levels["cost"])
    honest.minimise(cost)
    monkeypatch.setattr(highspy, "Highs", type("Liar", (Liar,), {"lies": lies}))
    master = Master(sizing)
    master.minimise(cost)
    if lies == 3:
        with pytest.raises(SolverError, match=r"no answer for the sizing model .* columns and .* rows: as prepared"):
            master.solve(relaxed=relaxed, gap=1e-6)
        return
    result, truth = master.solve(relaxed=relaxed, gap=1e-6), honest.solve(relaxed=relaxed, gap=1e-6)
    assert result.objective == pytest.approx(truth.objective, rel=1e-5)
    assert result.bound <= result.objective * (1 + 1e-9)
    assert master._h.runs == lies + 1
