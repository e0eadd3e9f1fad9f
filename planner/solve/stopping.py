"""Stopping early: a time limit, a memory limit, or Ctrl-C, in every phase of a solve and inside HiGHS.

Whoever asks first gives the reason. Runs in progress are ended by setting their time limit to zero, which HiGHS
reads in presolve, in every simplex iteration and at every node. Its interrupt callbacks would do the same, but
one call per simplex iteration, through the interpreter lock, made whole solves 20 to 50 % slower.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

import highspy

from planner.errors import NoPlanError

T = TypeVar("T")
TIME, MEMORY, INTERRUPTED = "the time limit", "the memory limit", "Ctrl-C"
_REMEDY = {
    TIME: "raise --time-limit, or relax the case",
    MEMORY: "raise --memory-limit, or use fewer hours (horizon.sample_days_per_month)",
}
_ABORTED = 130  # what shells report for a command ended by Ctrl-C
_LOOK_S = 0.1


class Stop:
    """When a solve must end. `reason` is empty until then."""

    def __init__(self, time_limit_s: float = math.inf, memory_limit_gib: float = math.inf) -> None:
        self.deadline = time.perf_counter() + time_limit_s
        self.memory_limit_gib = memory_limit_gib
        self.reason = ""
        self._lock = threading.Lock()
        self._running: list[highspy.Highs] = []
        self._held = False

    @property
    def left_s(self) -> float:
        """Seconds until the time limit."""
        return self.deadline - time.perf_counter()

    def ask(self, reason: str) -> None:
        """End the solve at the next safe point, and every run in progress now."""
        with self._lock:
            self.reason = self.reason or reason
            for highs in () if self._held else self._running:
                highs.setOptionValue("time_limit", 0.0)

    def due(self) -> bool:
        """Look at the clock and the memory; whether the solve must end."""
        if not self.reason:
            if self.left_s <= 0:
                self.ask(TIME)
            elif self.memory_limit_gib < math.inf and (resident_gib() or 0.0) > self.memory_limit_gib:
                self.ask(MEMORY)
        return bool(self.reason)

    @contextmanager
    def held(self, hold: bool = True) -> Iterator[None]:
        """Let runs inside come to their end: a first plan is evaluated whole, or there is none to return."""
        self._held = hold
        try:
            yield
        finally:
            self._held = False

    def run(self, highs: highspy.Highs, limit_s: float = math.inf) -> highspy.HighsStatus:
        """Run HiGHS so that it can be stopped, for at most `limit_s` seconds."""
        with self._lock:
            left = math.inf if self._held else 0.0 if self.reason else max(0.0, self.left_s)
            highs.setOptionValue("time_limit", min(limit_s, left) + highs.getRunTime())
            self._running.append(highs)
        try:
            status = highs.run()
        finally:
            with self._lock:
                self._running.remove(highs)
        if highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit and left <= limit_s:
            self.ask(TIME)
        return status

    def no_plan(self) -> NoPlanError:
        """The error where nothing was found before the end."""
        if self.reason == INTERRUPTED:
            return NoPlanError("stopped by Ctrl-C before a plan was found")
        if not self.reason:
            return NoPlanError("no plan was found, and no further cut either: try --method monolithic")
        return NoPlanError(f"no plan was found within {self.reason}: {_REMEDY[self.reason]}")


def interruptible(work: Callable[[], T], stop: Stop, say: Callable[[str], None]) -> T:
    """Do the work in a thread of its own while this one waits for Ctrl-C, which Python gives to the main thread.

    The first Ctrl-C asks the work to stop and to return what it has; the second ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    presses, told = 0, False

    def press(*_: object) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:  # HiGHS cannot be unwound from here, and nothing is half-written while it runs
            os.write(2, b"aborted; no plan was written\n")
            os._exit(_ABORTED)

    result: Future[T] = Future()

    def body() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    before = signal.signal(signal.SIGINT, press)
    try:
        threading.Thread(target=body, name="solve", daemon=True).start()
        while not result.done():
            wait([result], timeout=_LOOK_S)
            if presses and not told:
                told = True
                stop.ask(INTERRUPTED)
                say("stopping: the best plan so far follows with its proven gap; Ctrl-C again to abort")
            stop.due()
    finally:
        signal.signal(signal.SIGINT, before)
    return result.result()


def resident_gib() -> float | None:
    """Memory of this process now, or its peak where the system tells no more; None where it tells nothing. [GiB]"""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # not a Unix
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0) / 2**30
