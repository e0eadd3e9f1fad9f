"""The log of a solve: what HiGHS says of the sizing model, one line for every block solve and every round."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import highspy


class Trace:
    """Lines with the seconds since the start, kept in a file as they come; without a file, nothing."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1) if path is not None else None
        self._lock, self._begin = threading.Lock(), time.perf_counter()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def kept(self) -> bool:
        """Whether lines go anywhere."""
        return self._file is not None

    def line(self, text: str) -> None:
        """Keep a line."""
        seconds = time.perf_counter() - self._begin
        with self._lock:
            if self._file is not None:
                self._file.writelines(f"{seconds:9.3f}  {part}\n" for part in text.splitlines() if part.strip())

    def keep(self, highs: highspy.Highs) -> None:
        """Keep what a solver logs; its lines go nowhere else."""
        if self._file is None:
            return
        highs.setOptionValue("output_flag", True)
        highs.setOptionValue("log_to_console", False)
        highs.cbLogging += lambda event: self.line(event.message)
