"""The same work done by this planner and by its peers, side by side on one machine.

    python -m benchmarks.run [--case NAME ...] [--repeat 3] [--quick] [--full] [--out out/bench]

Every solver is a process of its own, started by this one in turn (planner, PyPSA, monolithic; again; again), so that
a slow moment of the machine meets all of them. Wall time and peak memory (resident) are those of the whole process,
interpreter and reading of files included. This file imports the standard library alone, so that no child starts
large. Solve time: for the planner everything from the case in memory to the proven plan, the building of its models
included; for a peer its solver alone, which is the harsher definition for us.

The gap is 0.1 % for all, on the same cost base: the cases hold no cost that is not open to decision (no fixed charge,
nothing that stands already, no compute that must be bought), so the planner's gap over the open cost and HiGHS' gap
over the objective are the same fraction of the same number. Answers agree when their proven intervals [lower bound,
objective] overlap; where they do not, the run ends with exit code 1.

The planner runs with 2 threads, its default; HiGHS inside the peers with its own defaults.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.table import markdown

ROOT = Path(__file__).parents[1]
GAP, THREADS = 0.001, 2
GRACE_S = 120.0  # beyond its own time limit, before a process is stopped
PLAN_FOUND = re.compile(r"found (-?[\d.,]+) M\$")
REFUSED = 2  # exit code of the planner for input it does not take
# Case -> peers, and the seconds each may take. A peer in LONG runs once unless --full.
SIDE_BY_SIDE = {
    "year": {"pypsa": 900, "monolithic": 900},
    "decade": {"monolithic": 900},
    "wide3": {"monolithic": 900},
    "wide6": {"monolithic": 600},
}
LONG = {"decade", "wide3", "wide6"}
SWEEPS = {"sweep_sizes": "sizes", "sweep_prices": "prices"}
WHAT_IFS, PEER_SAMPLE = 200, 5
CALENDAR = [
    f"campus_{mw}_{months}_{kind}"
    for mw in (50, 1000)
    for months in (48, 60)
    for kind in ("min_cost", "max_gpus", "earliest")
]
SCALE = {"years": (1, 2, 5, 10, 20), "periods": (12, 36, 60), "minutes": (60, 30, 15, 5)}
CASES = (*SIDE_BY_SIDE, *SWEEPS, "calendar", "scale")


class Bench:
    """Runs processes and keeps what they did."""

    def __init__(self, out: Path, repeat: int, quick: bool, full: bool) -> None:
        self.out, self.quick, self.full = out, quick, full
        self.repeat = 1 if quick else repeat
        self.folder = out / "work"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disagreements: list[str] = []

    # -- what is compared ----------------------------------------------------------------------------------

    def side_by_side(self, name: str) -> dict[str, Any]:
        """Planner and peers in turn on one case."""
        data = self._prepare(name)
        runs: dict[str, list[dict[str, Any]]] = {"planner": [], **{peer: [] for peer in SIDE_BY_SIDE[name]}}
        for turn in range(self.repeat):
            runs["planner"].append(self.planner(name))
            for peer, limit in SIDE_BY_SIDE[name].items():
                if turn == 0 or self.full or name not in LONG:
                    runs[peer].append(self.peer(peer, data, 60 if self.quick else limit))
        self._compare(name, [run for each in runs.values() for run in each])
        return {"runs": runs} | summary(runs)

    def sweep(self, name: str) -> dict[str, Any]:
        """All what-ifs by the planner in one process; a sample of them by PyPSA, a process each."""
        count, sample = (3, 2) if self.quick else (WHAT_IFS, PEER_SAMPLE)
        picked = sorted({round(k * (count - 1) / (sample - 1)) for k in range(sample)})
        self._prepare("year")
        result = self.folder / f"{name}.json"
        words = [SWEEPS[name], str(count), ",".join(map(str, picked)), str(self.folder / "year"), str(result)]
        process = self._process("benchmarks.sweep", words, 30.0 * count + 600.0)
        if process["status"] != "ended":
            return {"note": process["note"]}
        rows = json.loads(result.read_text())
        peers = []
        for k in picked:
            peers.append(self.peer("pypsa", self.folder / f"what_if_{SWEEPS[name]}_{k}.npz", 900))
            self._compare(f"{name} {k}", [rows[k], peers[-1]])
        solve, whole = (statistics.median(run[key] for run in peers) for key in ("solve_seconds", "wall_seconds"))
        last = rows[len(rows) // 2 :]
        return {
            "planner": {"count": count, "memory_mb": process["memory_mb"], "wall_seconds": process["wall_seconds"]},
            "per_case": _per_case(rows, solve, whole),
            "last_half": _per_case(last, solve, whole),
            "pypsa": {"runs": peers, "solve_seconds": solve, "wall_seconds": whole},
        }

    def calendar(self, _: str) -> dict[str, Any]:
        """The planner alone on campuses with many products and months."""
        names = CALENDAR[:1] if self.quick else CALENDAR
        runs = {}
        for name in names:
            self._prepare(name)
            runs[name] = self.planner(name, 60 if self.quick else 600)
        return {"runs": runs}

    def scale(self, _: str) -> dict[str, Any]:
        """The planner alone: how time and memory grow, as exponents of a power law."""
        result: dict[str, Any] = {}
        for what, values in SCALE.items():
            runs = {}
            for value in values[:2] if self.quick else values:
                name = f"scale_{what}_{value}"
                self._prepare(name)
                runs[value] = self.planner(name, 60 if self.quick else 900)
            solved = {60.0 / v if what == "minutes" else float(v): r for v, r in runs.items() if "wall_seconds" in r}
            exponents = {
                key: exponent(list(solved), [run[key] for run in solved.values()])
                for key in ("solve_seconds", "wall_seconds", "memory_mb")
            }
            result[what] = {"runs": runs, "exponents": exponents}
        return result

    # -- processes -----------------------------------------------------------------------------------------

    def planner(self, name: str, limit: float = 900.0) -> dict[str, Any]:
        """The command line, from a case folder to a plan on disk."""
        plan = self.folder / f"plan_{name}"
        words = ["solve", str(self.folder / name), "--out", str(plan), "--gap", str(GAP)]
        words += ["--threads", str(THREADS), "--time-limit", str(limit)]
        run = self._process("planner.cli.main", words, limit + GRACE_S)
        if run["status"] != "ended":
            return run
        told = json.loads((plan / "plan.json").read_text())
        run["status"] = "optimal" if told["gap_fraction"] <= GAP else "time limit"
        run |= {"solve_seconds": told["seconds"], "objective_usd": told["objective_usd"]}
        run |= {"lower_bound_usd": told["lower_bound_usd"], "gap_fraction": told["gap_fraction"]}
        return run | {"units": told["units"], "rounds": told["rounds"], "block_solves": told["block_solves"]}

    def peer(self, peer: str, data: Path, limit: float) -> dict[str, Any]:
        """PyPSA or the monolithic model on exported arrays."""
        module = {"pypsa": "benchmarks.pypsa_year", "monolithic": "benchmarks.monolithic"}[peer]
        result = data.with_suffix(f".{peer}.json")
        result.unlink(missing_ok=True)
        run = self._process(module, [str(data), str(result), str(GAP), str(limit)], limit + GRACE_S)
        if run["status"] != "ended":
            return run | {"solve_seconds": run["wall_seconds"]}
        run |= json.loads(result.read_text())
        if run["objective_usd"] is not None and run["lower_bound_usd"] is not None:
            run["gap_fraction"] = (run["objective_usd"] - run["lower_bound_usd"]) / abs(run["objective_usd"])
        return run

    def _prepare(self, name: str) -> Path:
        """Write a case, and for the sites the arrays of the peers."""
        data = self.folder / f"{name}.npz"
        module = "benchmarks.export" if name in SIDE_BY_SIDE else "benchmarks.cases"
        words = [name, str(self.folder / name), *([str(data)] if name in SIDE_BY_SIDE else [])]
        run = self._process(module, words, 300.0, quiet=True)
        if run["status"] != "ended":
            raise SystemExit(f"{name} could not be prepared: {run['note']}")
        return data

    def _process(self, module: str, words: Sequence[str], limit: float, *, quiet: bool = False) -> dict[str, Any]:
        """Run a module in a process of its own: seconds, peak memory, when it first spoke of a plan."""
        begin = time.perf_counter()
        command = [sys.executable, "-W", "ignore", "-m", module, *words]
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        assert child.stderr is not None
        stop = _stop_after(child, limit)
        lines, first = [], None
        for line in child.stderr:
            lines.append(line.rstrip())
            if first is None and PLAN_FOUND.search(line):
                first = time.perf_counter() - begin
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        stop()
        run: dict[str, Any] = {"wall_seconds": seconds, "memory_mb": usage.ru_maxrss / 1024.0}
        run |= {"cpu_seconds": usage.ru_utime + usage.ru_stime, "load_average": os.getloadavg()[0]}
        if first is not None:
            run["first_plan_seconds"] = first
        run["status"] = "ended"
        if child.returncode:
            note = next((line for line in reversed(lines) if line), "no message")
            note = next((line for line in lines if "case.yaml:" in line), note)
            kind = "refused" if child.returncode == REFUSED else "stopped" if child.returncode < 0 else "failed"
            run |= {"status": kind, "note": f"exit {child.returncode}: {_portable(note)}"}
            if kind == "refused":
                del run["wall_seconds"]
        if not quiet:
            told = f"{run['status']} after {seconds:.1f} s, {run['cpu_seconds']:.1f} s of processor"
            print(f"  {module} {Path(words[0] if module != 'planner.cli.main' else words[1]).name}: {told}", flush=True)
        return run

    def _compare(self, name: str, runs: list[dict[str, Any]]) -> None:
        """Proven intervals of one problem must overlap."""
        solved = [r for r in runs if r.get("objective_usd") is not None and r.get("lower_bound_usd") is not None]
        if len(solved) < 2:
            return
        least, most = min(r["objective_usd"] for r in solved), max(r["objective_usd"] for r in solved)
        bound = max(r["lower_bound_usd"] for r in solved)
        print(
            f"  {name}: objectives differ by {(most - least) / abs(least):.2e}, bounds leave {least - bound:,.0f} USD"
        )
        if bound > least + 1e-6 * abs(least):
            self.disagreements.append(f"{name}: a proven bound of {bound:,.0f} USD against a plan of {least:,.0f} USD")


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of every solver, and its ratios to the planner's."""
    medians: dict[str, dict[str, Any]] = {}
    for solver, each in runs.items():
        done = [run for run in each if "solve_seconds" in run and "wall_seconds" in run]
        if done:
            medians[solver] = {
                key: statistics.median(run[key] for run in done)
                for key in ("solve_seconds", "wall_seconds", "cpu_seconds", "memory_mb")
            }
            last = done[-1]
            medians[solver] |= {key: last.get(key) for key in ("status", "objective_usd", "gap_fraction")}
    ours = medians.get("planner")
    ratios = {
        peer: {key: theirs[key] / ours[key] for key in ("solve_seconds", "wall_seconds", "memory_mb")}
        for peer, theirs in medians.items()
        if ours and peer != "planner"
    }
    return {"medians": medians, "ratios": ratios}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Slope of log(value) over log(size) by least squares; None with fewer than two sizes."""
    if len(sizes) < 2:
        return None
    return statistics.linear_regression(list(map(math.log, sizes)), list(map(math.log, values))).slope


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    cpu = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _read("/proc/meminfo"))
    packages = ("site-planner", "highspy", "pyomo", "pypsa", "linopy", "numpy", "pandas", "scipy")
    return {
        "cpu": cpu[1] if cpu else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / 1024**2, 1) if memory else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--case", action="append", choices=CASES, help="one case; may be given again (default: all)")
    parser.add_argument("--repeat", type=int, default=3, help="turns of every solver")
    parser.add_argument("--quick", action="store_true", help="one turn, short limits and samples: does it work at all")
    parser.add_argument("--full", action="store_true", help="repeat the long peers too")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench", help="folder of results.json")
    given = parser.parse_args()
    bench = Bench(given.out.resolve(), given.repeat, given.quick, given.full)
    results = given.out / ("quick.json" if given.quick else "results.json")
    told = json.loads(results.read_text()) if results.exists() else {"cases": {}}
    told |= {"machine": machine(), "gap": GAP, "threads": THREADS}
    work: dict[str, Callable[[str], dict[str, Any]]] = {
        **dict.fromkeys(SIDE_BY_SIDE, bench.side_by_side),
        **dict.fromkeys(SWEEPS, bench.sweep),
        "calendar": bench.calendar,
        "scale": bench.scale,
    }
    for name in given.case or CASES:
        print(f"{name} (load average {os.getloadavg()[0]:.1f})", flush=True)
        told["cases"][name] = {"measured": time.strftime("%Y-%m-%d"), **work[name](name)}
        results.write_text(json.dumps(told, indent=1) + "\n")
    print(f"\n{markdown(told)}\n{results}")
    if bench.disagreements:
        sys.exit("answers that cannot both be right:\n" + "\n".join(bench.disagreements))


def _per_case(rows: list[dict[str, Any]], peer_solve: float, peer_whole: float) -> dict[str, float]:
    """Means over what-ifs, and the peer's seconds over them."""
    seconds = statistics.fmean(row["solve_seconds"] for row in rows)
    return {
        "cases": len(rows),
        "seconds": seconds,
        "block_solves": statistics.fmean(row["block_solves"] for row in rows),
        "worst_gap_fraction": max(row["gap_fraction"] for row in rows),
        "ratio_solve": peer_solve / seconds,
        "ratio_whole": peer_whole / seconds,
    }


def _stop_after(child: subprocess.Popen[str], seconds: float) -> Callable[[], None]:
    """Kill a child that outlives its time; call the result once it has ended."""
    timer = threading.Timer(seconds, child.kill)
    timer.daemon = True
    timer.start()
    return timer.cancel


def _portable(text: str) -> str:
    """Text without the folders of this machine."""
    return re.sub(r"(?<!\S)/\S*/", "", text)


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


if __name__ == "__main__":
    main()
