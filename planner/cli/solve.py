"""planner solve: a plan for a case, written as tables and a workbook."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.explain import tell, ways_out
from planner.cli.options import (
    CaseArgument,
    CatalogOption,
    ObjectiveOption,
    SetOption,
    Show,
    check_folder,
    load,
    refuse,
    settings,
)

if TYPE_CHECKING:
    from planner.solve.solution import Solution


_LEAST_S = 120.0  # for the ways out of a case without a plan, however little of the time limit is left


class Method(StrEnum):
    """How a case is solved."""

    decomposed = "decomposed"
    monolithic = "monolithic"


def solve(
    case: CaseArgument,
    out: Annotated[Path, typer.Option(help="Folder for the plan; replaced whole when it holds one.")] = Path("plan"),
    gap: Annotated[float, typer.Option(min=0.0, max=0.5, help="Proven gap to stop at, of the open cost.")] = 0.001,
    time_limit: Annotated[float, typer.Option(min=1.0, help="Seconds; the best plan so far is returned.")] = 600.0,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Operating blocks solved side by side.")] = 2,
    memory_limit: Annotated[
        float | None, typer.Option(min=0.0, help="GiB of memory; the best plan so far is returned.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="decomposed, or the whole case as one model: for small cases, as a check.")
    ] = Method.decomposed,
    pool: Annotated[
        Path | None, typer.Option(help="File of what earlier runs learnt: read where it exists, and kept up to date.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for the trace: the solver's own log, every solve.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the bounds of every round.")] = False,
    look_ahead: Annotated[
        str | None,
        typer.Option(
            "--look-ahead", help="Run the plan again seeing only so far ahead (24h, 7d): what batteries earn."
        ),
    ] = None,
    no_ways_out: Annotated[
        bool, typer.Option("--no-ways-out", help="Of a case without a plan, tell the limits in conflict alone.")
    ] = False,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Solve a case and write the plan: plan.json, CSV tables and plan.xlsx.

    The time limit, the memory limit and Ctrl-C all end with the best plan so far and its proven gap, status
    feasible; where there is none yet, with exit code 4. A second Ctrl-C aborts at once. A case that can have none
    ends with exit code 3, the limits in conflict and the ways out, as planner explain finds them.

    \b
    planner solve examples/carolina --out out/carolina
    planner solve site/case.yaml --objective max_gpus=2028-12-31
    planner solve site --set site.grid.interconnection[1].mw=80 --gap 0.01
    planner solve site --pool site.pool --set catalog.jenbacher_j620.price_usd=5e6
    planner solve site --look-ahead 24h
    """
    ahead_h = window_h(look_ahead)
    loaded = load(case, objective, overrides, catalog)
    check_folder(out)
    for option, file in (("--log", log), ("--pool", pool)):
        if file is not None and out.absolute() in file.absolute().parents:
            raise refuse(option, str(file), "lies in the folder of the plan, which is replaced", "choose another place")
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise refuse(option, str(file), "is no file in a folder that exists", "choose another place")
    from planner.audit.audit import require
    from planner.errors import InfeasibleError, PlannerError
    from planner.plan.plan import write_plan
    from planner.report.excel import workbook
    from planner.report.terminal import print_plan
    from planner.sizing.precheck import precheck
    from planner.solve.decomposition import solve as run
    from planner.solve.extract import plan_of
    from planner.solve.lookahead import refuse_look_ahead, with_look_ahead
    from planner.solve.monolithic import Monolithic
    from planner.solve.pool import Pool
    from planner.solve.stopping import Stop, interruptible, resident_gib
    from planner.solve.trace import Trace

    if memory_limit is not None and resident_gib() is None:
        raise refuse("--memory-limit", f"{memory_limit:g}", "this system tells no memory use", "leave it out")
    if ahead_h:
        refuse_look_ahead(loaded)
    show = Show(verbose)
    stop = Stop(time_limit, memory_limit if memory_limit is not None else float("inf"))
    known = Pool()
    if pool is not None and pool.exists() and not known.load(pool):
        typer.echo(f"{pool}: cannot be read as a pool; the run starts from nothing and replaces it", err=True)

    def work(trace: Trace) -> Solution:
        precheck(loaded)
        if method is Method.monolithic:
            return Monolithic(loaded, stop=stop, trace=trace).solution(gap=gap, report=show.progress)
        return run(
            loaded, gap=gap, threads=threads, report=show.progress, stop=stop, trace=trace, pool=known, reasons=False
        )

    with Trace(log) as trace:
        try:
            found = interruptible(lambda: work(trace), stop, show.say)
            plan = plan_of(found)
            if ahead_h:
                plan = with_look_ahead(plan, found, ahead_h, threads)
        except InfeasibleError as error:
            trace.line(f"no plan: {error}")
            show.end()
            found_out = ways_out(
                case,
                settings(objective, overrides),
                catalog or [],
                threads=threads,
                time_limit_s=max(stop.left_s, _LEAST_S),
                ways=not no_ways_out,
                pool=known,
            )
            if found_out is None:  # the whole model's word against that of the decomposition
                raise
            tell(found_out, to_stderr=True)
            raise typer.Exit(error.exit_code) from None
        except PlannerError as error:
            trace.line(f"no plan: {error}")
            raise
        finally:
            show.end()
        trace.line(f"{plan.status}: {plan.summary['objective_usd']:.2f} USD, gap {plan.summary['gap_fraction']:.3%}")
    if pool is not None and method is Method.decomposed:
        known.save(pool)
    checks = require(plan, loaded)
    write_plan(plan, out, {"plan.xlsx": workbook(plan, loaded)})
    print_plan(plan, out, sum(check.count for check in checks), len(checks))


def window_h(text: str | None) -> float:
    """Hours of a look-ahead such as 24h or 7d; 0 without one."""
    import re

    match = re.fullmatch(r"([0-9]{1,4})(h|d)", text or "0h")
    hours = int(match[1]) * (24.0 if match[2] == "d" else 1.0) if match else 0.0
    if text is not None and not 1.0 <= hours <= 8760.0:
        raise refuse("--look-ahead", text, "must be hours or days, from 1h to 365d", "write 24h")
    return hours
