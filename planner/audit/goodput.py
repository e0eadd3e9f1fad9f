"""The auditor's failures and spares: nodes of 8 GPUs, Poisson repairs, time left to the largest job."""

from __future__ import annotations

import math

from planner.case.case import Case
from planner.case.goodput import Goodput

NODE_GPUS = 8.0


def spares_fraction(case: Case) -> float:
    """Spare racks over racks that must run, as written or by the quantile of nodes in repair."""
    written = case.input.spares.racks_fraction
    if written != "auto":
        return float(written)
    given = case.input.workload.goodput if case.input.workload is not None else None
    assert given is not None
    nodes = [milestone.gpus / NODE_GPUS for milestone in case.input.target.milestones if milestone.gpus]
    return max(quantile(given, n) / n for n in nodes)


def quantile(given: Goodput, nodes: float) -> int:
    """Least count whose tail is no more than 1 - quantile: P(X > k) summed from the far end down."""
    mean = nodes * given.failures_per_1000_node_days * 1e-3 * given.repair_days
    far = math.ceil(mean + 40.0 * math.sqrt(mean) + 60.0)
    tail, k = 0.0, far
    while k >= 0:
        weight = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1.0))
        if tail + weight > 1.0 - given.spares_quantile:
            return k
        tail, k = tail + weight, k - 1
    return 0


def job(given: Goodput, nodes: float) -> dict[str, float]:
    """Hours between failures of a job, best minutes between checkpoints, share of time that counts."""
    per_second = nodes * given.failures_per_1000_node_days * 1e-3 / 86400.0
    stop, back = given.checkpoint_s, given.restart_s + given.detection_s
    tau = (2.0 * stop / per_second) ** 0.5
    share = 1.0 - (2.0 * stop * per_second) ** 0.5 - back * per_second  # both halves of the checkpoint cost are alike
    if share < 0.7:
        share = (
            tau * per_second * math.exp(-back * per_second) / (math.exp(min((tau + stop) * per_second, 700.0)) - 1.0)
        )
    return {
        "job_nodes": nodes,
        "hours_between_failures": 1.0 / per_second / 3600.0,
        "checkpoint_interval_minutes": tau / 60.0,
        "effective_time_fraction": share,
    }
