"""Fields of the grid, its limits and flexible compute: what is refused, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case.case import Case
from planner.errors import InputError

Make = Callable[..., Case]
SERIES = {"file": "usd.csv", "column": "usd"}
ODD = np.where(np.arange(8760) == 3000, 10.0, 60.0)  # 10 $ in one hour: hour 0 of 6 May, 1:00 by the clock of summer


def grid(**fields: Any) -> dict[str, Any]:
    return {"site": {"grid": fields}}


ENGINES = {"candidates": {"generation": ["jenbacher_j620"]}}

# name -> changes of the case, field at fault, words of the rule and of the remedy
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "export of nothing": (grid(export={"mw": 0, "usd_per_mwh": 20}), "site.grid.export.mw", "more than 0"),
    "export without a price": (grid(export={"mw": 5}), "site.grid.export.usd_per_mwh", "exactly one of|write one"),
    "export with two prices": (
        grid(export={"mw": 5, "usd_per_mwh": 20, "series": SERIES}),
        "site.grid.export.usd_per_mwh",
        "exactly one of",
    ),
    "export as dear as import": (
        grid(export={"mw": 5, "usd_per_mwh": 50}),
        "site.grid.export.usd_per_mwh",
        "50 against 50 USD/MWh in hour|January at 0:00|series",
    ),
    "export dearer in one hour": (
        {
            "horizon": {"sample_days_per_month": None},
            **grid(tariff={"energy_usd_per_mwh": None, "energy_series": SERIES}, export={"mw": 5, "usd_per_mwh": 10}),
        },
        "site.grid.export.usd_per_mwh",
        "10 against 10 USD/MWh in hour 3000|May at 1:00 by the clock",
    ),
    "export without a grid": (grid(interconnection=[], export={"mw": 5, "usd_per_mwh": 5}), "site.grid.export", "conn"),
    "series of prices missing": (
        grid(tariff={"energy_usd_per_mwh": None, "energy_series": {"file": "none.csv", "column": "usd"}}),
        "site.grid.tariff.energy_series.file",
        "no such file",
    ),
    "two forms of energy price": (
        grid(tariff={"energy_series": SERIES}),
        "site.grid.tariff",
        "exactly one of|energy_usd_per_mwh, energy_series",
    ),
    "coincident peak that a leap day repeats": (
        {
            "horizon": {"sample_days_per_month": None, "calendar": "actual"},
            **grid(tariff={"coincident_peaks": {"hours": [1400], "usd_per_kw_year": 60}}),
        },
        "site.grid.tariff.coincident_peaks.hours",
        "hour 1400 of the year comes twice|calendar: reference",
    ),
    "ratchet of nothing": (
        grid(tariff={"ratchet": {"fraction": 0}}),
        "site.grid.tariff.ratchet.fraction",
        "more than 0",
    ),
    "ratchet in per cent": (
        grid(tariff={"ratchet": {"fraction": 80}}),
        "site.grid.tariff.ratchet.fraction",
        "at most 1|0.8",
    ),
    "ratchet without a demand charge": (
        grid(tariff={"demand_usd_per_kw_month": 0, "ratchet": {"fraction": 0.8}}),
        "site.grid.tariff.ratchet",
        "needs a demand charge",
    ),
    "ratchet of a month twice": (
        grid(tariff={"ratchet": {"fraction": 0.8, "months": [6, 6]}}),
        "site.grid.tariff.ratchet.months",
        "each month once",
    ),
    "coincident peak twice": (
        grid(tariff={"coincident_peaks": {"hours": [10, 10], "usd_per_kw_year": 5}}),
        "site.grid.tariff.coincident_peaks.hours",
        "repeat",
    ),
    "coincident peak in no sampled day": (
        grid(tariff={"coincident_peaks": {"hours": [10], "usd_per_kw_year": 5}}),
        "site.grid.tariff.coincident_peaks.hours",
        "hour 10 of the year|sample_days_per_month",
    ),
    "caps of nothing": ({"site": {"caps": {}}}, "site.caps", "limits nothing|co2_t_per_year"),
    "a cap below nothing": ({"site": {"caps": {"co2_t_per_year": -1}}}, "site.caps.co2_t_per_year", "at least 0"),
    "run-hours of no generator": (
        {"site": {"caps": {"run_hours_per_year": {"jenbacher_j62": 50}}}, **ENGINES},
        "site.caps.run_hours_per_year.jenbacher_j62",
        "names no generator|did you mean jenbacher_j620",
    ),
    "shift of nothing": ({"workload": {"shift": {"fraction": 0}}}, "workload.shift.fraction", "more than 0"),
    "shift and shed beyond the load": (
        {"workload": {"shed": {"fraction": 0.7, "usd_per_gpu_hour": 1}, "shift": {"fraction": 0.4}}},
        "workload.shift.fraction",
        "more than the load|at most 0.3",
    ),
    "paid for energy all month": (
        grid(tariff={"energy_usd_per_mwh": -1}),
        "site.grid.tariff",
        "whole of a month|January: -1 USD|losses are not modelled",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(make_case: Make, name: str) -> None:
    changes, field, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        make_case(changes, prices={"usd": ODD})
    (fault,) = caught.value.faults
    assert fault.field == field
    for word in words.split("|"):
        assert word in f"{fault.rule} | {fault.remedy}"


def test_export_prices_are_read(make_case: Make) -> None:
    """The price by hour is the file's, or the one number in every hour."""
    case = make_case(grid(export={"mw": 5, "series": SERIES}), prices={"usd": np.arange(8760) / 1e4 - 2.0})
    assert case.export_usd_per_mwh is not None
    assert case.export_usd_per_mwh[[0, 8759]] == pytest.approx([-2.0, -1.1241])
    assert any("usd.csv" in name for name in case.hashes)
    flat = make_case(grid(export={"mw": 5, "usd_per_mwh": 20})).export_usd_per_mwh
    assert flat is not None
    assert set(flat.tolist()) == {20.0}
