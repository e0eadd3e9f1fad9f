"""The command line: parse, call, print. Heavy imports stand inside the commands: --help answers at once."""

from __future__ import annotations

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from planner.case.catalog import Catalog
    from planner.errors import InputError
    from planner.solve.solution import Progress, Solution

app = typer.Typer(
    name="planner",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Plan AI data centres from the GPU to the grid connection: what to buy, how many, ordered when.",
)
catalog_app = typer.Typer(no_args_is_help=True, help="Look at the hardware catalogs.", rich_markup_mode=None)
app.add_typer(catalog_app, name="catalog")

CaseArgument = Annotated[Path, typer.Argument(help="A case file, or a folder that holds case.yaml.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any input: site.grid.interconnection[0].mw=60, catalog.ITEM.price_usd=1e6."),
]
CatalogOption = Annotated[
    list[Path] | None, typer.Option("--catalog", help="Catalog folder on top of the others, item by item.")
]
ObjectiveOption = Annotated[
    str | None, typer.Option("--objective", help="min_cost, earliest, max_gpus, or max_gpus=2028-12-31.")
]


class Method(StrEnum):
    """How a case is solved."""

    decomposed = "decomposed"
    monolithic = "monolithic"


def main() -> None:
    """Entry point of the `planner` command; turns errors into exit codes."""
    from planner.errors import InfeasibleError, InputError, PlannerError

    try:
        app()
    except InputError as error:
        count = len(error.faults)
        typer.echo(f"{error}\n{count} fault{'s' if count != 1 else ''} in the input", err=True)
        sys.exit(error.exit_code)
    except InfeasibleError as error:
        words = (
            "any one of these limits, freed by its shortfall, would allow one" if error.alternatives else "in the way"
        )
        typer.echo(f"no plan satisfies the case; {words}:", err=True)
        for shortfall in error.shortfalls:
            typer.echo(f"  {shortfall}", err=True)
        sys.exit(error.exit_code)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        place = error.filename or "command line"
        typer.echo(f"{place}:1: (file): {error.strerror or error}: cannot be used: check the path", err=True)
        sys.exit(2)


@app.command()
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
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Solve a case and write the plan: plan.json, CSV tables and plan.xlsx.

    The time limit, the memory limit and Ctrl-C all end with the best plan so far and its proven gap, status
    feasible; where there is none yet, with exit code 4. A second Ctrl-C aborts at once.

    \b
    planner solve examples/carolina --out out/carolina
    planner solve site/case.yaml --objective max_gpus=2028-12-31
    planner solve site --set site.grid.interconnection[1].mw=80 --gap 0.01
    planner solve site --pool site.pool --set catalog.jenbacher_j620.price_usd=5e6
    planner solve site --look-ahead 24h
    """
    window_h = _window_h(look_ahead)
    loaded = _load(case, objective, overrides, catalog)
    _check_folder(out)
    for option, file in (("--log", log), ("--pool", pool)):
        if file is not None and out.absolute() in file.absolute().parents:
            raise _refuse(
                option, str(file), "lies in the folder of the plan, which is replaced", "choose another place"
            )
        if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
            raise _refuse(option, str(file), "is no file in a folder that exists", "choose another place")
    from planner.audit.audit import require
    from planner.errors import PlannerError
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
        raise _refuse("--memory-limit", f"{memory_limit:g}", "this system tells no memory use", "leave it out")
    if window_h:
        refuse_look_ahead(loaded)
    precheck(loaded)
    show = _Show(verbose)
    stop = Stop(time_limit, memory_limit if memory_limit is not None else float("inf"))
    known = Pool()
    if pool is not None and pool.exists() and not known.load(pool):
        typer.echo(f"{pool}: cannot be read as a pool; the run starts from nothing and replaces it", err=True)

    def work(trace: Trace) -> Solution:
        if method is Method.monolithic:
            return Monolithic(loaded, stop=stop, trace=trace).solution(gap=gap, report=show.progress)
        return run(loaded, gap=gap, threads=threads, report=show.progress, stop=stop, trace=trace, pool=known)

    with Trace(log) as trace:
        try:
            found = interruptible(lambda: work(trace), stop, show.say)
            plan = plan_of(found)
            if window_h:
                plan = with_look_ahead(plan, found, window_h, threads)
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


@app.command()
def check(
    case: CaseArgument,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Read a case and its catalogs, report every fault, and see without solving what can never work.

    \b
    planner check examples/carolina
    """
    loaded = _load(case, objective, overrides, catalog)
    from planner.sizing.precheck import precheck

    precheck(loaded)
    typer.echo(f"{loaded.path}: no faults; nothing known without solving stands in the way")
    for label, lines in (("taken by default", loaded.defaults_used), ("warning", loaded.warnings)):
        for line in lines:
            typer.echo(f"  {label}: {line}")


@app.command()
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
    loaded = _load(case, None, overrides, catalog)
    workload = loaded.input.workload
    if workload is None or workload.swing_fraction is None:
        raise _refuse("case", str(case), "has no workload.swing_fraction", "write one: 0.3 to 0.5 is usual")
    given = battery_mw is not None or battery_mwh is not None
    if given and (battery_mw is None or battery_mwh is None or plan is not None):
        remedy = "write --battery-mw and --battery-mwh, or --plan alone"
        raise _refuse("--battery-mw", f"{battery_mw}", "power and energy go together, without a plan", remedy)
    if html.is_dir() or not html.absolute().parent.is_dir():
        raise _refuse("--html", str(html), "is no file in a folder that exists", "choose another place")
    from planner.audit.audit import require
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
        found = read_plan(plan) if plan is not None else plan_of(run_solve(loaded, report=_Show(False).progress))
        require(found, loaded)
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


@app.command()
def export(
    case: CaseArgument,
    lp: Annotated[Path | None, typer.Option(help="File to write in LP format.")] = None,
    mps: Annotated[Path | None, typer.Option(help="File to write in MPS format.")] = None,
    objective: ObjectiveOption = None,
    overrides: SetOption = None,
    catalog: CatalogOption = None,
) -> None:
    """Write the whole case, sizing and every hour, as one model that any solver reads.

    The objective is what the case asks for: its cost in thousand USD or, for max_gpus and earliest, the first
    goal alone; the cost comes after it and is not in the file. The file says so at its top.

    \b
    planner export examples/carolina --set horizon.sample_days_per_month=1 --lp carolina.lp
    """
    files = [(kind, path) for kind, path in (("lp", lp), ("mps", mps)) if path is not None]
    if not files:
        raise _refuse("--lp, --mps", "", "no file to write", "name a file with --lp, --mps or both")
    for kind, path in files:
        if path.exists() and not path.is_file():
            raise _refuse(f"--{kind}", str(path), "exists and is not a file", "choose another name")
    loaded = _load(case, objective, overrides, catalog)
    from planner.solve.export import export as write

    columns, rows = write(loaded, files)
    for _, path in files:
        typer.echo(f"{path} written: {columns:,} columns, {rows:,} rows")


@app.command()
def new(folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")]) -> None:
    """Write a commented case to start from.

    \b
    planner new my-site && planner check my-site
    """
    import json

    if folder.is_symlink() or folder.exists():
        raise _refuse("DIR", str(folder), "exists already", "choose another folder")
    if not folder.name.isprintable():
        raise _refuse("DIR", folder.name, "must be printable UTF-8 text", "choose another name")
    text = (Path(__file__).parent / "template.yaml").read_text(encoding="utf-8")
    text = text.replace("\nname: NAME\n", f"\nname: {json.dumps(folder.name, ensure_ascii=False)}\n")
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text(text, encoding="utf-8")
    typer.echo(f"{folder / 'case.yaml'} written; edit it, then: planner check {folder}")


@catalog_app.command("list")
def catalog_list(
    family: Annotated[str | None, typer.Option(help="One family, such as battery.")] = None,
    catalog: CatalogOption = None,
) -> None:
    """List the items: family, status, rating, price, lead time, and what keeps one from being sized.

    \b
    planner catalog list --family battery
    """
    from planner.report.terminal import print_catalog

    loaded = _catalog(catalog)
    items = [item for item in loaded.items if family in (None, item.family)]
    if not items:
        raise _unknown(family or "", {item.family for item in loaded.items}, "family")
    print_catalog(items)


@catalog_app.command("show")
def catalog_show(item: str, catalog: CatalogOption = None) -> None:
    """Show one item: every number with its source, and what it brings and consumes.

    \b
    planner catalog show tesla_megablock_4h
    """
    from planner.report.terminal import print_item

    loaded = _catalog(catalog)
    if item not in loaded:
        raise _unknown(item, loaded.entries, "item")
    print_item(loaded.entries[item])


@catalog_app.command("check")
def catalog_check(catalog: CatalogOption = None) -> None:
    """Check every catalog file and report all faults at once.

    \b
    planner catalog check --catalog my-catalogs
    """
    loaded = _catalog(catalog)
    sizeable = sum(item.sizeable for item in loaded.items)
    typer.echo(f"{len(loaded.items)} items in {len(loaded.files)} files, {sizeable} sizeable; no faults")
    for item in loaded.items:
        if item.missing:
            typer.echo(f"  not sizeable: {item.id} ({item.status}) has no {', '.join(item.missing)}")


@catalog_app.command("stale")
def catalog_stale(
    older_than: Annotated[str, typer.Option(help="Age such as 12mo, 90d or 2y.")] = "12mo",
    catalog: CatalogOption = None,
) -> None:
    """List figures older than an age, oldest first.

    \b
    planner catalog stale --older-than 12mo
    """
    from planner.case.offers import stale

    before, loaded = _before(older_than), _catalog(catalog)
    rows = stale(loaded, before)
    for item, name, figure in rows:
        source = loaded.entries[item.id].sources.get(figure.source, figure.source)
        typer.echo(f"{figure.date:10}  {figure.confidence:9}  {item.id}.{name}  {source}")
    typer.echo(f"{len(rows)} figures older than {older_than}")


def _load(case: Path, objective: str | None, overrides: list[str] | None, catalogs: list[Path] | None) -> Any:
    from planner.case.case import load_case

    changes = list(overrides or [])
    if objective is not None:
        name, separator, by = objective.partition("=")
        changes.append(f"objective={{{name}: {by or 'null'}}}" if separator else f"objective={name}")
    return load_case(case, changes, list(catalogs or []))


def _catalog(folders: list[Path] | None) -> Catalog:
    from planner.case.catalog import load_catalog

    return load_catalog(*(folders or []))


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds something else before the work, not after it."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "plan.json").exists())):
        raise _refuse("--out", str(out), "exists and is not a plan", "choose another folder, or remove it")


def _before(age: str) -> date:
    """First day that is not older than an age such as 12mo."""
    import re
    from datetime import timedelta

    units = {"d": 1.0, "w": 7.0, "mo": 30.4375, "y": 365.25}
    match = re.fullmatch(r"([0-9]{1,6})(d|w|mo|y)", age)
    days = int(match[1]) * units[match[2]] if match else float("inf")
    if days > 200 * units["y"]:
        raise _refuse("--older-than", age, "must be a number and d, w, mo or y, at most 200y", "write 12mo")
    return date.today() - timedelta(days=days)


def _window_h(text: str | None) -> float:
    """Hours of a look-ahead such as 24h or 7d; 0 without one."""
    import re

    match = re.fullmatch(r"([0-9]{1,4})(h|d)", text or "0h")
    hours = int(match[1]) * (24.0 if match[2] == "d" else 1.0) if match else 0.0
    if text is not None and not 1.0 <= hours <= 8760.0:
        raise _refuse("--look-ahead", text, "must be hours or days, from 1h to 365d", "write 24h")
    return hours


def _unknown(name: str, known: Any, what: str) -> InputError:
    from planner.case.base import suggest

    return _refuse(what, name, f"unknown {what}", suggest(name, known, "see planner catalog list"))


def _refuse(field: str, value: str, rule: str, remedy: str) -> InputError:
    """A fault of the command line itself."""
    from planner.case.marks import show
    from planner.errors import Fault, InputError

    return InputError([Fault("command line", 1, field, show(value), rule, remedy)])


class _Show:
    """Progress on stderr: with -v every round; else one line rewritten in place or, off a terminal, a line for
    every phase and one every 10 seconds."""

    def __init__(self, verbose: bool) -> None:
        self.verbose, self.live = verbose, sys.stderr.isatty() and not verbose
        self.phase, self.seconds, self.open = "", 0.0, False

    def progress(self, now: Progress) -> None:
        if self.live:
            typer.echo(f"\r{now}\x1b[K", err=True, nl=False)
            self.open = True
        elif self.verbose or now.phase != self.phase or now.seconds >= self.seconds + 10.0:
            typer.echo(str(now), err=True)
            self.phase, self.seconds = now.phase, now.seconds

    def say(self, text: str) -> None:
        self.end()
        typer.echo(text, err=True)

    def end(self) -> None:
        """Close the line that is being rewritten."""
        if self.open:
            typer.echo(err=True)
            self.open = False


if __name__ == "__main__":
    main()
