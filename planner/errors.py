"""The exceptions a caller can act on, and the exit code each one becomes.

PlannerError                 anything the planner says on purpose
├── InputError               exit 2   faults in files the user wrote, all of them at once
├── InfeasibleError          exit 3   no plan can satisfy the case; names the limits and the shortfalls
├── NoPlanError              exit 4   no plan found before the solve had to stop (one may exist)
├── SolverError              exit 1   HiGHS has no answer for a model, by any means tried
└── AuditError               exit 1   a plan failed its independent audit: a bug, never written to disk
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


class PlannerError(Exception):
    """Base of every error the planner raises on purpose."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Fault:
    """One fault in one place of an input file."""

    file: str
    line: int
    field: str
    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.value}: {self.rule}: {self.remedy}"


class InputError(PlannerError):
    """One or more faults in the input; `faults` holds every one that was found."""

    exit_code = 2

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True)
class Shortfall:
    """A limit that cannot be met and by how much, in the limit's own unit."""

    limit: str
    amount: float
    unit: str
    when: str
    at_least: bool = False  # the amount is a bound: what is enough was not found in time

    def __str__(self) -> str:
        if not math.isfinite(self.amount):
            return f"{self.limit} ({self.when})"
        return f"{self.limit}: short by {self.missing} ({self.when})"

    @property
    def missing(self) -> str:
        """The amount with its unit, to four digits."""
        bound = "at least " if self.at_least else ""
        return f"{bound}{float(f'{self.amount:.4g}'):,.10g} {self.unit}"


class InfeasibleError(PlannerError):
    """No plan satisfies the case; `shortfalls` lists the limits that stand in the way.

    alternatives: freeing any one of them by its shortfall is enough; otherwise all of them must give.
    """

    exit_code = 3

    def __init__(self, shortfalls: Iterable[Shortfall] = (), *, alternatives: bool = False) -> None:
        self.shortfalls = tuple(shortfalls)
        self.alternatives = alternatives
        super().__init__("\n".join(str(shortfall) for shortfall in self.shortfalls))


class NoPlanError(PlannerError):
    """A time limit, a memory limit or Ctrl-C came before any plan was found; the case may still have one."""

    exit_code = 4


class SolverError(PlannerError):
    """HiGHS gave no answer to a model by any means tried; the message names the model and every status."""

    exit_code = 1


class AuditError(PlannerError):
    """A plan disagrees with the independent audit. `failures` holds one line per failed check."""

    exit_code = 1

    def __init__(self, failures: Iterable[str], heading: str = "the plan failed its audit and was not written") -> None:
        self.failures = tuple(failures)
        super().__init__(f"{heading}:\n" + "\n".join(self.failures))
