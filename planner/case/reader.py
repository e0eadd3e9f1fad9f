"""What reading a case shares: the document, its folder, the faults found so far, the files read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from planner.case.base import suggest
from planner.case.marks import Path_, read_yaml
from planner.case.mend import Mended
from planner.case.schema import CaseInput
from planner.case.whole import NEUTRAL
from planner.errors import Fault


class Reader:
    """One case file being read. Faults are collected, never raised."""

    def __init__(self, path: Path) -> None:
        self.path = path / "case.yaml" if is_folder(path) else path
        self.folder = self.path.parent
        self.document = read_yaml(self.path)
        self.faults: list[Fault] = list(self.document.faults)
        self.files: list[Path] = [self.path]
        self.warnings: list[str] = []
        self.mended: Mended[CaseInput] | None = None

    def validate(self) -> CaseInput | None:
        """The case's fields; with faults, those that are sound, for finding more faults."""
        self.mended = Mended(CaseInput, self.document, NEUTRAL)
        self.faults += self.mended.faults
        return self.mended.built

    def fault(self, path: Path_, value: Any, rule: str, remedy: str) -> None:
        """Note a fault at a place of the validated case, unless an earlier fault there explains it."""
        if self.mended is not None:
            if not self.mended.sound(path):
                return
            path = self.mended.written(path)
        self.faults.append(self.document.fault(path, value, rule, remedy))

    def sound(self, *paths: Path_) -> bool:
        """Whether these places have had no fault, so that conclusions may be drawn from them."""
        return self.mended is None or self.mended.sound(*paths)

    def file(self, path: Path_, name: str, start: Path | None = None) -> Path | None:
        """A file the case names, or None and a fault when there is none."""
        file = (start or self.folder) / name
        if is_file(file):
            self.files.append(file)
            return file
        try:
            beside = os.listdir(file.parent)
        except (OSError, ValueError):
            beside = []
        self.fault(
            path,
            name,
            "no such file",
            suggest(file.name, beside, f"check the path (looked in {file.parent})"),
        )
        return None


def is_folder(path: Path) -> bool:
    """Path.is_dir that is False for a path no file can have, such as one too long."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Path.is_file that is False for a path no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
