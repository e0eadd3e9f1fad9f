"""Training time that is left when GPUs fail, and the spare nodes that keep a fleet whole.

A job over N nodes is interrupted every M = 1 / (N r) days, r failures a node-day. It stops C seconds for each
checkpoint, every tau seconds; an interruption costs half an interval of work, detection D and restart R. The effective
training-time ratio is the share of time that counts:

    ETTR = 1 - C / tau - (tau / 2 + R + D) / M,    best at tau = sqrt(2 C M)          (Young, CACM 17(9), 1974)

and where that is below 0.7, exactly for failures without memory:

    ETTR = tau / (M (exp((tau + C) / M) - 1) exp((R + D) / M))                         (Daly, FGCS 22, 2006)

Nodes in repair are Poisson with mean N r t_repair; the spares are its quantile. A node is 8 GPUs in every published
rate, and N is counted so for racks too. Switch and cable faults are in r. Not modelled: interruptions by the facility
(a few a year beside thousands), silent errors beyond those in r, jobs that go on with fewer nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from planner.case.base import Finite, NonNegative, Positive, Rule, Strict, suggest

GPUS_PER_NODE = 8
DAY_S = 86400.0
APPROXIMATE_FROM = 0.7
# Failures per 1000 node-days that interrupt a job.
RATES = {
    "meta_rsc1": 6.50,  # 16,000 A100: arXiv 2410.21680
    "meta_rsc2": 2.34,  # 8,000 A100: the same
    "llama3_405b": 3.79,  # 16,384 H100, 419 unexpected interruptions in 54 days: arXiv 2407.21783, section 3.3.2
}


def _rate(value: Any) -> Any:
    if isinstance(value, str):
        if value not in RATES:
            raise Rule("names no published rate", suggest(value, RATES, "write one of " + ", ".join(RATES)))
        return RATES[value]
    return value


class Goodput(Strict):
    """Failures of nodes, and how the job gets over them."""

    failures_per_1000_node_days: Annotated[Finite, Field(gt=0, le=1000), BeforeValidator(_rate)]
    checkpoint_s: Positive  # the job stands still
    restart_s: NonNegative
    detection_s: NonNegative = 0.0
    repair_days: Positive = 2.0
    spares_quantile: Annotated[Finite, Field(ge=0.5, lt=1)] = 0.99


@dataclass(frozen=True)
class Job:
    """The largest job of a fleet, at the best interval between checkpoints."""

    nodes: float
    between_failures_s: float
    checkpoint_interval_s: float
    effective_time_fraction: float


def job_of(given: Goodput, nodes: float) -> Job:
    """A job over so many nodes of 8 GPUs.

    >>> meta = Goodput(failures_per_1000_node_days="llama3_405b", checkpoint_s=10.0, restart_s=300.0)
    >>> job = job_of(meta, 2048.0)           # a failure every 3.09 h
    >>> round(job.between_failures_s / 3600, 2), round(job.checkpoint_interval_s / 60, 1)
    (3.09, 7.9)
    >>> round(job.effective_time_fraction, 3)
    0.931
    """
    between = DAY_S / (nodes * given.failures_per_1000_node_days / 1000.0)
    stall, lost = given.checkpoint_s, given.restart_s + given.detection_s
    interval = math.sqrt(2.0 * stall * between)
    fraction = 1.0 - stall / interval - (interval / 2.0 + lost) / between
    if fraction < APPROXIMATE_FROM:
        whole = (interval + stall) / between  # 1 / (exp(x) - 1) without overflow
        fraction = interval / between * math.exp(-whole - lost / between) / -math.expm1(-whole)
    return Job(nodes, between, interval, fraction)


def spares_fraction(given: Goodput, gpus: list[int]) -> float:
    """Spare racks over racks that must run, of the milestone that needs the largest share. [fraction]"""
    return max(spare_nodes(given, n / GPUS_PER_NODE) / (n / GPUS_PER_NODE) for n in gpus)


def spare_nodes(given: Goodput, nodes: float) -> int:
    """Nodes in repair that are exceeded no more often than the quantile says.

    >>> llama = Goodput(failures_per_1000_node_days="llama3_405b", checkpoint_s=10.0, restart_s=300.0)
    >>> spare_nodes(llama, 2048), spare_nodes(llama, 9000)
    (25, 88)
    """
    mean = nodes * given.failures_per_1000_node_days / 1000.0 * given.repair_days
    count, log_term, reached = 0, -mean, math.exp(-mean)
    while reached < given.spares_quantile:
        count += 1
        log_term += math.log(mean / count)
        reached += math.exp(log_term)
    return count
