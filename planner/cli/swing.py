"""planner swing: a training job second by second behind its batteries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import (
    CaseArgument,
    CatalogOption,
    SetOption,
    Show,
    load,
    refuse,
)

if TYPE_CHECKING:
    pass


def swing(
    case: CaseArgument,
    plan: Annotated[
        Path | None, typer.Option(help="Folder of a plan: its batteries; without it they are given, or solved for.")
    ] = None,
    battery_mw: Annotated[
        float | None, typer.Option(min=0.0, max=1e5, help="Battery power instead of a plan's.")
    ] = None,
    battery_mwh: Annotated[float | None, typer.Option(min=0.0, max=1e5, help="Its energy, half of it stored.")] = None,
    minutes: Annotated[float, typer.Option(min=15.0, max=1440.0, help="Length of the simulation.")] = 60.0,
    step_ms: Annotated[float, typer.Option(min=5.0, max=100.0, help="Step of the simulation.")] = 50.0,
    failures: Annotated[int, typer.Option(min=0, max=100, help="Failures of the job, at random times.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the random times: the same seed, the same times.")] = 1,
    html: Annotated[Path, typer.Option(help="Page with the drawing.")] = Path("swing.html"),
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Simulate a training job second by second behind its batteries, and check every load rule before and after.

    The largest job of the last period: its wave, checkpoints and failures go through the GPUs' power floor, storage in
    racks, the UPS and the batteries, whose controller holds the meter at a moving mean. Where the case has no load
    rules, those of grid operators are tried for comparison.

    \b
    planner swing site/case.yaml --plan out/site --html swing.html
    planner swing site --battery-mw 60 --battery-mwh 10 --failures 3
    """
    loaded = load(case, None, overrides, catalog)
    workload = loaded.input.workload
    if workload is None or workload.swing_fraction is None:
        raise refuse("case", str(case), "has no workload.swing_fraction", "write one: 0.3 to 0.5 is usual")
    given = battery_mw is not None or battery_mwh is not None
    if given and (battery_mw is None or battery_mwh is None or plan is not None):
        remedy = "write --battery-mw and --battery-mwh, or --plan alone"
        raise refuse("--battery-mw", f"{battery_mw}", "power and energy go together, without a plan", remedy)
    if html.is_dir() or not html.absolute().parent.is_dir():
        raise refuse("--html", str(html), "is no file in a folder that exists", "choose another place")
    from planner.audit.audit import require
    from planner.cli.plans import require_plan_of
    from planner.plan.plan import read_plan
    from planner.report.swing_page import HEADS, page, summary, verdict_rows
    from planner.report.terminal import print_swing
    from planner.sizing.precheck import precheck
    from planner.solve.decomposition import solve as run_solve
    from planner.solve.extract import plan_of
    from planner.swing.battery import Storage
    from planner.swing.verdict import job_of, planned_it_mw, run, storage_of

    if given:
        it_mw = planned_it_mw(loaded)
        storage = Storage(battery_mw or 0.0, battery_mwh or 0.0, 0.5 * (battery_mwh or 0.0), 0.91**0.5)
    else:
        if plan is None:
            precheck(loaded)
            found = plan_of(run_solve(loaded, report=Show(False).progress))
            require(found, loaded)
        else:
            found = read_plan(plan)
            require_plan_of(found, plan, loaded)
        it_mw, storage = float(found.capacity["it_design_mw"].iloc[-1]), storage_of(loaded, found.details)
    result = run(
        loaded,
        job_of(loaded, it_mw),
        storage,
        minutes=minutes,
        step_s=step_ms / 1000.0,
        failures=failures,
        seed=seed,
        day=loaded.timeline.starts[-1],
    )
    html.write_text(page(result), encoding="utf-8")
    print_swing(result.name, summary(result), HEADS, verdict_rows(result), html)
