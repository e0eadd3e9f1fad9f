"""Goodput and spare nodes against published figures."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from planner.audit import goodput as audit_goodput
from planner.case.case import Case
from planner.case.goodput import RATES, Goodput, job_of, spare_nodes

Make = Callable[..., Case]


def given(**fields: float | str) -> Goodput:
    base: dict[str, float | str] = {
        "failures_per_1000_node_days": "llama3_405b",
        "checkpoint_s": 10.0,
        "restart_s": 300.0,
    }
    return Goodput.model_validate(base | fields)


def test_the_llama_rate_is_its_interruptions_over_its_node_days() -> None:
    """419 unexpected interruptions in 54 days on 2,048 nodes (arXiv 2407.21783, section 3.3.2)."""
    assert RATES["llama3_405b"] == pytest.approx(419 / (54 * 2048) * 1000, abs=0.005)


def test_llama_3_by_hand() -> None:
    """M = 54 d x 24 / 419 = 3.09 h; tau = sqrt(2 x 10 x 11,130) = 472 s; 1 - .0212 - (236 + 300) / 11,130 = .931.

    The paper reports more than 90 % effective training time.
    """
    job = job_of(given(), 2048)
    assert job.between_failures_s / 3600 == pytest.approx(54 * 24 / 419, rel=1e-3)
    assert job.checkpoint_interval_s / 60 == pytest.approx(7.9, abs=0.05)
    assert job.effective_time_fraction == pytest.approx(0.931, abs=5e-4)


@pytest.mark.parametrize(
    ("gpus", "hours"),
    [(16_384, 1.8), (131_072, 0.23)],  # arXiv 2410.21680, at its rate for RSC-1
)
def test_time_between_failures_of_large_jobs(gpus: int, hours: float) -> None:
    job = job_of(given(failures_per_1000_node_days="meta_rsc1"), gpus / 8)
    assert job.between_failures_s / 3600 == pytest.approx(hours, rel=0.03)


def test_slow_checkpoints_on_a_large_job() -> None:
    """C = 60 s, R = 600 s at 1.8 h: 1 - 60/882 - (441 + 600)/6480 = .77."""
    nodes = 86400 / (1.8 * 3600 * 0.0065)
    job = job_of(given(failures_per_1000_node_days=6.5, checkpoint_s=60.0, restart_s=600.0), nodes)
    assert job.effective_time_fraction == pytest.approx(0.77, abs=0.005)


def test_below_seven_tenths_the_exact_form_is_used() -> None:
    """65,536 GPUs at 6.5: M = 1,623 s, tau = 441 s; the linear form gives .36, the exact one more: it stays above 0."""
    slow = given(failures_per_1000_node_days=6.5, checkpoint_s=60.0, restart_s=600.0)
    job = job_of(slow, 8192)
    mean, tau = job.between_failures_s, job.checkpoint_interval_s
    assert 1 - 60 / tau - (tau / 2 + 600) / mean == pytest.approx(0.36, abs=0.005)
    exact = tau / (mean * (math.exp((tau + 60) / mean) - 1) * math.exp(600 / mean))
    assert job.effective_time_fraction == pytest.approx(exact, rel=1e-9)
    assert 0.36 < exact < 0.7
    assert 0 <= job_of(slow, 1e7).effective_time_fraction < 1e-6  # without overflow


@pytest.mark.parametrize(
    ("nodes", "rate", "spares"), [(2048, 3.79, 25), (9000, 3.79, 88), (256, 6.5, 8), (256, 3.79, 6)]
)
def test_spare_nodes_are_the_poisson_quantile(nodes: int, rate: float, spares: int) -> None:
    """P99 of nodes in repair for 2 days. By hand for 256 at 6.5: mean 3.33, P(X <= 7) = .9828, P(X <= 8) = .9929."""
    assert spare_nodes(given(failures_per_1000_node_days=rate), nodes) == spares


@pytest.mark.parametrize("rate", [2.34, 6.5, 100.0])
@pytest.mark.parametrize("nodes", [3.0, 90.0, 1152.0, 60_000.0])
def test_the_audit_finds_the_same_in_its_own_way(rate: float, nodes: float) -> None:
    inputs = given(failures_per_1000_node_days=rate, checkpoint_s=30.0, detection_s=20.0)
    assert audit_goodput.quantile(inputs, nodes) == spare_nodes(inputs, nodes)
    job, again = job_of(inputs, nodes), audit_goodput.job(inputs, nodes)
    assert again["effective_time_fraction"] == pytest.approx(job.effective_time_fraction, rel=1e-9, abs=1e-12)
    assert again["checkpoint_interval_minutes"] == pytest.approx(job.checkpoint_interval_s / 60)


def test_spares_of_their_own_accord(make_case: Make) -> None:
    """16,384 GPUs are 2,048 nodes: 25 spares of them, 1.2 %. Of two milestones the smaller needs the larger share."""
    failing = {"workload": {"goodput": {"failures_per_1000_node_days": 3.79, "checkpoint_s": 10, "restart_s": 300}}}
    auto = {"spares": {"racks_fraction": "auto"}}
    one = make_case(failing, auto, {"target": {"milestones": [{"gpus": 16_384, "by": "2028-05-01"}]}})
    assert one.spares_fraction == 25 / 2048
    first = {"gpus": 2_048, "by": "2028-03-01"}
    two = make_case(failing, auto, {"target": {"milestones": [first, {"gpus": 16_384, "by": "2028-05-01"}]}})
    assert two.spares_fraction == 6 / 256
    assert audit_goodput.spares_fraction(two) == 6 / 256
