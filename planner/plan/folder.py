"""Folders written all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def holds_another_thing(folder: Path, mark: str) -> bool:
    """Whether a folder exists and is neither empty nor one of those that hold the file `mark`."""
    return folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / mark).exists()))


@contextmanager
def replaced_whole(folder: Path, mark: str) -> Iterator[Path]:
    """A fresh folder to fill, which takes the place of another in one move at the end, or leaves nothing.

    Raises OSError when it cannot be written, and FileExistsError when what stands there holds no file `mark`.
    """
    folder = folder.absolute()
    if holds_another_thing(folder, mark):
        raise FileExistsError(f"{folder} exists and holds no {mark}: choose another folder, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old / "before")
            os.replace(fresh, folder)
            shutil.rmtree(old)
        else:
            os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
