"""The shape of the house: who may import whom, where each outside library lives, how long a file may be.

Purpose: property. The rules are those of CONTRIBUTING.md, "Where things are".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "planner"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
LONGEST_FILE = 500  # lines; aim under 250

# What each part may import, lowest first. The audit shares nothing with the model: it sees the input and
# the plan's tables only; `report` sees the plan, the input and the ledger, never the solver.
BASE = {"errors", "units"}
INPUT = BASE | {"finance", "timeline", "case"}
MODEL = INPUT | {"algebra", "families", "ledger"}
MAY_IMPORT = {
    "errors": set(),
    "units": set(),
    "finance": BASE,
    "timeline": BASE,
    "algebra": BASE,
    "case": INPUT,
    "families": INPUT | {"algebra"},
    "ledger": INPUT | {"families"},
    "operation": MODEL | {"operation"},
    "sizing": MODEL | {"operation", "sizing"},
    "plan": INPUT | {"plan"},
    "audit": INPUT | {"plan", "audit"},
    "solve": MODEL | {"operation", "sizing", "plan", "solve"},
    "pypsa": MODEL | {"operation", "sizing", "plan", "solve", "pypsa"},
    "swing": INPUT | {"swing"},
    "report": INPUT | {"ledger", "plan", "report", "swing"},
    "whatif": MODEL | {"operation", "sizing", "plan", "audit", "solve", "whatif"},
    "cli": MODEL | {"cli", "whatif", "sizing", "plan", "audit", "solve", "report", "swing", "pypsa"},
    "__init__": INPUT | {"plan", "solve"},
}

# Where an outside library may be imported; libraries not listed are free.
LIVES_IN = {
    "highspy": ("sizing/", "operation/", "solve/"),
    "pyomo": ("sizing/", "operation/", "solve/"),
    "yaml": ("case/marks.py",),
    "typer": ("cli/",),
    "rich": ("report/terminal.py",),
    "xlsxwriter": ("report/excel.py",),
}


def imports(path: Path) -> Iterator[str]:
    """Dotted names a file imports anywhere, lazily or for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it out"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str:
    """Part of the house a file belongs to: its folder, or its own name at the top."""
    return name.split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("name", NAMES)
def test_imports_point_one_way(name: str) -> None:
    part = part_of(name)
    assert part in MAY_IMPORT, f"{name} is no known part of the house: give it a place in MAY_IMPORT"
    used = {dotted.split(".")[1] for dotted in imports(PACKAGE / name) if dotted.startswith("planner.")}
    assert used <= MAY_IMPORT[part], f"{part} may not import {sorted(used - MAY_IMPORT[part])}"


def reached(start: list[str]) -> dict[str, str]:
    """Files of the package that these need when they are imported, lazily too, each with one that imports it."""
    found, left = dict.fromkeys(start, ""), list(start)
    while left:
        name = left.pop()
        for dotted in imports(PACKAGE / name):
            parts = dotted.split(".")[1:] if dotted.startswith("planner.") else []
            for end in range(len(parts)):
                for used in ("/".join(parts[: end + 1]) + ".py", "/".join([*parts[: end + 1], "__init__.py"])):
                    if used in NAMES and used not in found:
                        found[used] = name
                        left.append(used)
    return found


def test_nothing_of_the_model_reaches_the_audit() -> None:
    """Not through what it imports either: an error of the model cannot hide in the input or the plan."""
    start = [name for name in NAMES if name.startswith("audit/")]
    assert len(start) > 20, "the audit is no package of its own any more"
    found = reached(start)
    assert {"case/case.py", "plan/plan.py", "timeline.py"} <= set(found), "the imports are not followed"
    wrong = {f"{name}, from {by}" for name, by in found.items() if part_of(name) not in MAY_IMPORT["audit"]}
    assert not wrong, f"the audit rests on {sorted(wrong)}"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("families/")])
def test_families_never_import_each_other(name: str) -> None:
    assert not [dotted for dotted in imports(PACKAGE / name) if dotted.startswith("planner.families")]


@pytest.mark.parametrize("library", LIVES_IN)
def test_outside_libraries_stay_in_their_place(library: str) -> None:
    users = {
        name for name, path in zip(NAMES, FILES, strict=True) if library in {d.split(".")[0] for d in imports(path)}
    }
    assert users, f"nothing imports {library}: remove the rule and the dependency"
    assert not {name for name in users if not name.startswith(LIVES_IN[library])}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_fits_in_one_sitting(name: str) -> None:
    lines = (PACKAGE / name).read_text(encoding="utf-8").count("\n")
    assert lines < LONGEST_FILE, f"{name} has {lines} lines: split it"


def texts() -> Iterator[tuple[str, str]]:
    """(path, text) of everything that is shipped or read by a newcomer."""
    folders = [ROOT / name for name in ("planner", "catalogs", "examples", "docs", "benchmarks", ".ci")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [path for path in ROOT.iterdir() if path.is_file()]
    for path in sorted(paths):
        if "__pycache__" not in path.parts:
            try:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:  # a data file in bytes
                continue


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"https?://\S*simple/", "names a package index: which one to use is the machine's business"),
        (r"(?<![\w./~-])/(tmp|root|home)/", "holds an absolute path of one machine"),
        (r"@ file:", "pins a package to a file of one machine"),
    ],
)
def test_nothing_is_tied_to_one_machine(pattern: str, why: str) -> None:
    found = [f"{name}: {m[0]}" for name, text in texts() for m in re.finditer(pattern, text)]
    assert not found, f"{why}: {found}"


def test_the_patterns_find_what_they_look_for() -> None:
    """Guards the test above against a pattern that can never match."""
    assert re.search(r"(?<![\w./~-])/(tmp|root|home)/", "cat /tmp/x")
    assert not re.search(r"(?<![\w./~-])/(tmp|root|home)/", "https://example.org/home/page")
