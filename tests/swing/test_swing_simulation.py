"""The simulator against closed forms: steps, waves and sines through a battery, in MW and MWh worked out on paper.

Purpose: analytic. A causal mean over A / R turns a step A into a ramp R, with energy A^2 / (2 R); a scheduler that
knows the step halves the power and quarters the energy; a lag of tau takes A tau; a rectangular wave at its mean takes
d (1 - d) A T, and d (1 - d) A on average whatever its frequency.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from math import inf, pi
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from own import BATTERY
from typer.testing import CliRunner

from planner.case.case import Case
from planner.cli.main import app
from planner.report.swing_page import page, verdict_rows
from planner.swing.battery import Storage, smooth
from planner.swing.job import Job
from planner.swing.signal import band_rms_mw, filtered, lag, measures, moving_mean, range_within
from planner.swing.verdict import job_of, planned_it_mw, run, storage_of

STEP_S = 0.05
AMPLE = Storage(1000.0, 1000.0, 500.0, 1.0, 0.001)  # no loss, no delay, no end
HOUR = np.arange(round(1800 / STEP_S)) * STEP_S


def wave(mw: float, hz: float, duty: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    at = np.arange(len(HOUR)) % round(1 / hz / STEP_S)
    return np.where(at < round(duty / hz / STEP_S), mw, 0.0)


@pytest.mark.parametrize(("step_mw", "mwh"), [(100.0, 4.17), (200.0, 16.7)])  # twice the step, four times the energy
def test_one_step_at_twenty_mw_a_minute(step_mw: float, mwh: float) -> None:
    load = np.where(HOUR < 700, 0.0, step_mw)
    found = smooth(load, STEP_S, step_mw / 20.0 * 60.0, AMPLE, feedback_h=inf)
    assert found.battery_mw.max() == pytest.approx(step_mw, rel=1e-3)
    assert np.ptp(found.charge_mwh) == pytest.approx(step_mw**2 / (2 * 20 * 60), rel=2e-3)
    assert np.ptp(found.charge_mwh) == pytest.approx(mwh, rel=5e-3)
    assert measures(found.meter_mw, STEP_S)["ramp_mw_per_min"] == pytest.approx(20.0, rel=2e-3)


def test_a_step_known_before_takes_half_the_power_and_a_quarter_of_the_energy() -> None:
    load = np.where(HOUR < 900, 0.0, 100.0)
    found = smooth(load, STEP_S, 300.0, AMPLE, feedback_h=inf, lead_s=150.0)
    assert np.abs(found.battery_mw).max() == pytest.approx(50.0, rel=2e-3)
    assert np.ptp(found.charge_mwh) == pytest.approx(1.04, rel=5e-3)  # 100^2 / (8 x 20 x 60)


def test_a_first_order_filter_takes_twice_the_energy_of_a_ramp() -> None:
    """tau = A / R keeps the same steepest change, and A tau = A^2 / R is twice A^2 / (2 R)."""
    load = np.where(HOUR < 300, 0.0, 100.0)
    meter = lag(load, 300.0, STEP_S)
    assert np.diff(meter).max() / STEP_S == pytest.approx(20.0 / 60.0, rel=2e-3)
    long = np.concatenate([load, np.full(8 * len(load), 100.0)])
    assert (long - lag(long, 300.0, STEP_S)).sum() * STEP_S / 3600.0 == pytest.approx(2 * 4.167, rel=2e-3)


@pytest.mark.parametrize(("hz", "duty", "kwh"), [(0.5, 0.5, 13.9), (0.1, 0.5, 69.4), (0.1, 0.7, 58.3)])
def test_a_wave_held_at_its_mean(hz: float, duty: float, kwh: float) -> None:
    """(1 - d) A given and d A taken; d (1 - d) A T of energy; d (1 - d) A given on average, whatever f."""
    found = smooth(wave(100.0, hz, duty), STEP_S, 60.0, AMPLE, feedback_h=inf)
    assert found.battery_mw.max() == pytest.approx((1 - duty) * 100.0, rel=5e-3)
    assert found.battery_mw.min() == pytest.approx(-duty * 100.0, rel=5e-3)
    assert 1000 * np.ptp(found.charge_mwh) == pytest.approx(kwh, rel=0.01)
    assert found.given_mw == pytest.approx(duty * (1 - duty) * 100.0, rel=1e-3)  # .5: 25 MW, 600 MWh a day
    assert measures(found.meter_mw, STEP_S)["step_mw_per_5s"] < 0.5


@pytest.mark.parametrize("duty", [0.3, 0.5, 0.8])
def test_losses_of_smoothing_and_no_drift(duty: float) -> None:
    """At 91 %: (1 - r) d (1 - d) A / (d + r (1 - d)), 2.36 MW at d = .5; the charge stays where it was."""
    back = 0.91
    store = Storage(200.0, 20.0, 10.0, back**0.5, 0.001)
    found = smooth(wave(100.0, 0.5, duty), STEP_S, 60.0, store)
    half = len(HOUR) // 2
    want = (1 - back) * duty * (1 - duty) * 100.0 / (duty + back * (1 - duty))
    assert -found.battery_mw[half:].mean() == pytest.approx(want, rel=0.02)
    assert np.abs(found.charge_mwh - 10.0).max() < 0.15


def test_a_sine() -> None:
    """Peak to peak A: the battery moves A / 2 each way and A / (2 pi f); its RMS is A / (2 sqrt 2) in its band."""
    load = 50.0 * np.sin(2 * pi * 0.5 * HOUR)
    found = smooth(load, STEP_S, 60.0, AMPLE, feedback_h=inf)
    assert found.battery_mw.max() == pytest.approx(50.0, rel=1e-3)
    assert 3600 * np.ptp(found.charge_mwh) == pytest.approx(100.0 / (2 * pi * 0.5), rel=3e-3)
    assert band_rms_mw(load, 0.2, 3.0, STEP_S) == pytest.approx(100.0 / (2 * 2**0.5), rel=1e-6)
    assert band_rms_mw(load, 3.0, 5.0, STEP_S) == pytest.approx(0.0, abs=1e-6)
    # A first-order high pass at .1 Hz leaves .5 / sqrt(.26) of a sine at .5 Hz.
    assert np.abs(filtered(load, STEP_S)[len(load) // 2 :]).max() == pytest.approx(50.0 * 0.5 / 0.26**0.5, rel=0.02)


def test_what_is_measured() -> None:
    """A ramp of 12 MW in a minute; a step of 3 MW."""
    ramp = np.clip(HOUR - 100.0, 0.0, 60.0) * 0.2
    found = measures(ramp, STEP_S)
    assert found["ramp_mw_per_min"] == pytest.approx(12.0)
    assert found["step_mw_per_5s"] == pytest.approx(1.0)
    # Through the filter a ramp r settles at r tau = .2 / (2 pi .1).
    assert found["oscillation_mw"] == pytest.approx(0.2 / (2 * pi * 0.1), rel=0.06)
    step = np.where(HOUR < 300, 0.0, 3.0)
    assert set(np.unique(range_within(step, 5.0, STEP_S)).tolist()) == {0.0, 3.0}
    assert measures(step, STEP_S)["oscillation_mw"] == pytest.approx(3.0, rel=0.05)
    assert moving_mean(step, 10.0, STEP_S)[-1] == 3.0


def test_too_little_power_lets_the_rest_pass() -> None:
    """70 MW of battery and a step of 100: 30 pass at once, then the mean takes over."""
    load = np.where(HOUR < 300, 0.0, 100.0)
    found = smooth(load, STEP_S, 300.0, Storage(70.0, 1000.0, 500.0, 1.0, 0.001), feedback_h=inf)
    assert measures(found.meter_mw, STEP_S)["step_mw_per_5s"] == pytest.approx(30.0, rel=0.01)
    assert np.ptp(found.charge_mwh) == pytest.approx((100.0**2 - 30.0**2) / (2 * 20 * 60), rel=5e-3)


def test_an_empty_battery_gives_nothing_and_a_full_one_takes_nothing() -> None:
    load = np.where(HOUR < 300, 0.0, np.where(HOUR < 900, 100.0, 0.0))
    found = smooth(load, STEP_S, 300.0, Storage(1000.0, 2.0, 1.0, 1.0, 0.001), feedback_h=inf)
    assert found.charge_mwh.min() >= 0.0
    assert found.charge_mwh.max() <= 2.0
    assert measures(found.meter_mw, STEP_S)["step_mw_per_5s"] > 20.0


# -- the job -----------------------------------------------------------------------------------------------


def test_the_job_behind_floor_and_shelves() -> None:
    """Crest 10, trough 6; a floor of .8 leaves 2; half of that stays in the shelves. They hold d (1 - d) A T / 2."""
    job = Job(10.0, 0.4, power_floor_fraction=0.8, rack_storage_fraction=0.5, edge_s=0.001, checkpoint_s=0.0)
    asked, fails = job.unsmoothed_mw(20.0, STEP_S, 0, 1)
    load = job.behind_the_racks(asked, STEP_S)
    assert fails == []
    assert np.ptp(asked) == pytest.approx(4.0, rel=1e-3)
    assert np.ptp(load[1000:2000]) == pytest.approx(1.0, rel=0.05)
    assert load.mean() == pytest.approx(9.0, rel=1e-2)
    assert 3600 * job.rack_storage_mwh(asked, STEP_S) == pytest.approx(0.25 * 1.0 * 2.0, rel=0.06)


def test_failures_are_the_same_for_the_same_seed() -> None:
    job = Job(10.0, 0.4, step_fraction=0.9)
    one, at = job.unsmoothed_mw(60.0, 0.1, 2, 7)
    again, same = job.unsmoothed_mw(60.0, 0.1, 2, 7)
    assert at == same
    assert np.array_equal(one, again)
    assert job.unsmoothed_mw(60.0, 0.1, 2, 8)[1] != at
    assert one.min() == pytest.approx(1.0, rel=1e-3)  # nine tenths go with the job


# -- a case ------------------------------------------------------------------------------------------------

FAST: dict[str, Any] = BATTERY | {
    "id": "own_fast",
    "class": "own_fast",
    "response_s": 0.02,
    "nameplate_power_mw": 0.1,
    "nameplate_energy_mwh": 0.2,
    "price_usd": 1e5,
}
SITE: dict[str, Any] = {
    "site": {"grid": {"load_rules": {"ramp_mw_per_min": 0.5, "step_mw_per_5s": 0.1}}},
    "workload": {"swing_fraction": 0.5},
    "candidates": {"battery": ["own_fast"]},
}


@pytest.mark.parametrize("smoothing", [{}, {"duty_fraction": 0.7, "period_s": 4.0}, {"step_fraction": 0.8}])
def test_the_batteries_that_are_sized_pass_and_a_third_less_does_not(
    make_case: Callable[..., Case], smoothing: dict[str, float]
) -> None:
    """The sizing rows against the seconds: what a plan keeps back for a job of 1.42 MW, by hand."""
    case = make_case(SITE, {"workload": {"smoothing": smoothing}}, items=[FAST])
    step_mw = smoothing.get("step_fraction", 0.5) * 1.42
    power = step_mw - 0.1
    each_way = (step_mw**2 - 0.01) / (2 * 0.5 * 60) + 0.25 * power * smoothing.get("period_s", 2.0) / 3600
    store = Storage(power, each_way * (1 / 0.9 + 0.9), each_way / 0.9, 0.9, 0.02)
    assert planned_it_mw(case) == pytest.approx(1.42)

    def passes(storage: Storage, failures: int) -> list[bool]:
        day = case.timeline.starts[-1]
        found = run(case, job_of(case, 1.42), storage, minutes=40, step_s=STEP_S, failures=failures, seed=3, day=day)
        assert all(v.before > v.limit for v in found.verdicts)
        return [v.passes for v in found.verdicts]

    assert passes(store, 1) == [True, True]
    weak = Storage(power / 1.5, store.energy_mwh, store.stored_mwh, 0.9, 0.02)
    assert not all(passes(weak, 1))


def test_a_case_without_rules_is_compared_with_those_that_are_known(make_case: Callable[..., Case]) -> None:
    case = make_case({"workload": {"swing_fraction": 0.3}})
    found = run(
        case, job_of(case, 1.42), Storage(0, 0, 0), minutes=20, step_s=0.1, failures=0, seed=1, day=date(2028, 5, 1)
    )
    assert {v.rule for v in found.verdicts} >= {"caiso", "aeso", "lipa"}
    assert not any(v.asked for v in found.verdicts)
    assert all(v.before == pytest.approx(v.after) for v in found.verdicts)  # no battery
    assert storage_of(case, {}).power_mw == 0.0


def test_the_page_draws_every_line_inside_its_box(make_case: Callable[..., Case]) -> None:
    case = make_case(SITE, items=[FAST])
    store = Storage(0.7, 0.02, 0.01, 0.9, 0.05)
    found = run(case, job_of(case, 1.42), store, minutes=20, step_s=0.1, failures=1, seed=1, day=date(2028, 5, 1))
    text = page(found)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        for line in ElementTree.fromstring(drawing).iter("polyline"):
            points = np.array([[float(v) for v in p.split(",")] for p in line.attrib["points"].split()])
            assert points[:, 0].min() >= 64
            assert points.max(axis=0).tolist() <= [960.0, 220.0]
            assert points[:, 1].min() >= 0
    assert "http" not in text  # nothing is fetched
    for row in verdict_rows(found):
        assert all(cell.replace("%", "") in text for cell in row[2:4])


def test_the_command(make_case: Callable[..., Case], tmp_path: Path) -> None:
    case = make_case(SITE, items=[FAST])
    call = ["swing", str(case.path), "--minutes", "15", "--step-ms", "100", "--html", str(tmp_path / "s.html")]
    done = CliRunner().invoke(app, [*call, "--battery-mw", "0.7", "--battery-mwh", "0.05"])
    assert done.exit_code == 0, done.output
    assert "change in any 5 s [MW]" in done.output
    assert "load rule" in done.output
    assert (tmp_path / "s.html").read_text().startswith("<!doctype html>")
    alone = CliRunner().invoke(app, [*call, "--battery-mw", "0.7"])
    assert alone.exit_code != 0
    assert "power and energy go together" in str(alone.exception)
