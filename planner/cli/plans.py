"""What the commands that read a plan share: its case, found again from plan.json, and whether that is as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planner.case.case import Case
    from planner.errors import Fault
    from planner.plan.plan import Plan

PlanArgument = Annotated[Path, typer.Argument(help="Folder of a plan.")]
PlanCaseOption = Annotated[
    Path | None, typer.Option("--case", help="The plan's case, where it has moved since; else plan.json knows.")
]
PlanSetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Change an input, after the changes the plan was made with.")
]
PlanCatalogOption = Annotated[
    list[Path] | None, typer.Option("--catalog", help="Catalog folders in place of those the plan was made with.")
]


def case_of(
    plan: Plan, folder: Path, case: Path | None, overrides: list[str] | None, catalogs: list[Path] | None
) -> Case:
    """The case a plan was made of, with the changes it was made with. Raises InputError when it is not to be found."""
    from planner.case.case import load_case
    from planner.errors import InputError

    made = plan.summary.get("inputs", {})
    if case is None:
        named = [Path(made[key]) for key in ("case_absolute", "case") if key in made]
        case = next((path for path in named if path.exists()), None)
    if case is None:
        where = made.get("case_absolute", "nothing")
        raise InputError(
            [_fault(folder, "inputs.case", where, "the case is not there", "say where it is: --case PATH")]
        )
    given = made.get("catalogs", [])
    if catalogs is None:
        full = made.get("catalogs_absolute", [])
        catalogs = [Path(b) if Path(b).exists() else Path(a) for a, b in zip(given, full, strict=True)]
    return load_case(case, [*made.get("set", []), *(overrides or [])], catalogs)


def require_same_inputs(plan: Plan, folder: Path, case: Case, remedy: str) -> None:
    """Raises InputError with a line for every file that is not as it was when the plan was made."""
    from planner.audit.inputs import changed_files
    from planner.errors import InputError

    changed = changed_files(plan.summary, case)
    if changed:
        rule = "is not what the plan was made from"
        raise InputError([_fault(folder, "inputs_sha256", text, rule, remedy) for text in changed])


def require_plan_of(plan: Plan, folder: Path, case: Case) -> None:
    """Raises one kind error when a plan is of another case, or of other inputs than this one; else audits it."""
    from planner.audit.audit import audit
    from planner.audit.inputs import changed_files, other_changes
    from planner.errors import AuditError, InputError

    changed = changed_files(plan.summary, case)
    failures = [f"{check.name}: {check.message}" for check in audit(plan, case) if not check.ok] if not changed else []
    others = changed or (other_changes(plan.summary, case) if failures else [])
    if others:
        made = plan.summary.get("inputs", {}).get("case", "another case")
        rule = f"was made from other inputs: {_first(others)}"
        remedy = f"give it with the inputs it was made from ({made}), or solve this case"
        raise InputError([_fault(folder, "plan", str(plan.summary["name"]), rule, remedy)])
    if failures:
        raise AuditError(failures, f"the plan in {folder} fails its audit")


def _first(texts: Sequence[str], most: int = 3) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _fault(folder: Path, field: str, value: str, rule: str, remedy: str) -> Fault:
    from planner.case.marks import show
    from planner.errors import Fault

    return Fault(str(folder / "plan.json"), 1, field, show(value), rule, remedy)
