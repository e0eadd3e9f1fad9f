"""The tables of a benchmark as Markdown, for the terminal and the README.

python -m benchmarks.table out/bench/results.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# What was asked for: ratios to a peer (solve, whole process, memory), seconds, or ratios per what-if.
GOALS = {
    "year": "20 x solve, 10 x whole process against PyPSA",
    "decade": "80 x solve, a tenth of the memory of the monolithic MIP",
    "wide3": "100 x solve against the monolithic MIP",
    "wide6": "under 6 s",
    "sweep_sizes": "150 x a case, the last half 200 x",
    "sweep_prices": "20 x a case",
    "calendar": "0.1 % in under 20 s, a first plan in 5 s",
    "scale": "near linear",
}
PEERS = {"planner": "this planner", "pypsa": "PyPSA + HiGHS", "monolithic": "one Pyomo MIP + HiGHS"}


def markdown(told: dict[str, Any]) -> str:
    """Every table there are results for."""
    cases = told["cases"]
    parts = [
        _side_by_side({k: v for k, v in cases.items() if "medians" in v}),
        _sweeps({k: v for k, v in cases.items() if "per_case" in v}),
        _calendar(cases.get("calendar", {}).get("runs", {})),
        _scale({k: v for k, v in cases.get("scale", {}).items() if isinstance(v, dict)}),
    ]
    m = told["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in m["versions"].items())
    parts.append(
        f"Gap {told['gap']:.1%}; {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB; "
        f"Python {m['python']}; {versions}. "
        f"The planner uses {told['threads']} threads, HiGHS in the peers its defaults."
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _side_by_side(cases: dict[str, Any]) -> str:
    rows = []
    for name, case in cases.items():
        for solver, m in case["medians"].items():
            limited = m["status"] != "optimal"
            ratio = case["ratios"].get(solver)
            gap = "" if m["gap_fraction"] is None else f"{m['gap_fraction']:.2%}"
            cost = "no plan" if m["objective_usd"] is None else f"{m['objective_usd'] / 1e6:.3f}"
            more = "> " if limited else ""
            rows.append(
                [
                    name,
                    PEERS[solver],
                    f"{more}{m['solve_seconds']:.1f}",
                    f"{more}{m['wall_seconds']:.1f}",
                    f"{m['memory_mb']:.0f}",
                    cost,
                    gap or "no bound",
                    f"{more}{ratio['solve_seconds']:.1f} x" if ratio else "",
                    f"{more}{ratio['wall_seconds']:.1f} x" if ratio else "",
                    f"{ratio['memory_mb']:.1f} x" if ratio else f"goal {GOALS[name]}",
                ]
            )
    head = ["case", "solver", "solve s", "whole s", "MB", "cost M$", "gap", "solve", "whole", "memory"]
    return _table(head, rows)


def _sweeps(cases: dict[str, Any]) -> str:
    rows = []
    for name, case in cases.items():
        for label, part in (("all", case["per_case"]), ("last half", case["last_half"])):
            rows.append(
                [
                    name,
                    f"{label} ({part['cases']})",
                    f"{part['seconds']:.3f}",
                    f"{part['block_solves']:.1f}",
                    f"{part['worst_gap_fraction']:.2%}",
                    f"{case['pypsa']['solve_seconds']:.1f}",
                    f"{part['ratio_solve']:.1f} x",
                    f"{part['ratio_whole']:.1f} x",
                    GOALS[name],
                ]
            )
    head = ["sweep", "what-ifs", "s each", "LPs each", "worst gap", "PyPSA s", "solve", "whole", "goal"]
    return _table(head, rows)


def _calendar(runs: dict[str, Any]) -> str:
    rows = []
    for name, run in runs.items():
        _, mw, months, objective = name.split("_", 3)
        if "gap_fraction" not in run:
            rows.append([f"{mw} MW", months, objective, "", "", "", run.get("note", run["status"]), ""])
            continue
        first = run.get("first_plan_seconds")
        rows.append(
            [
                f"{mw} MW",
                months,
                objective,
                f"{run['wall_seconds']:.1f}",
                f"{run['solve_seconds']:.1f}",
                "" if first is None else f"{first:.1f}",
                f"{run['gap_fraction']:.3%}",
                f"{run['memory_mb']:.0f}",
            ]
        )
    return _table(["campus", "months", "objective", "whole s", "solve s", "first plan s", "gap", "MB"], rows)


def _scale(parts: dict[str, Any]) -> str:
    rows = []
    for what, part in parts.items():
        for value, run in part["runs"].items():
            if "solve_seconds" in run:
                rows.append([what, value, f"{run['solve_seconds']:.1f}", f"{run['memory_mb']:.0f}", ""])
            else:
                rows.append([what, value, "", "", run.get("note", run["status"])])
        exponents = {k: "" if v is None else f"{v:.2f}" for k, v in part["exponents"].items()}
        rows.append([what, "exponent", exponents["solve_seconds"], exponents["memory_mb"], GOALS["scale"]])
    return _table(["against", "value", "solve s", "MB", "note"], rows)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_text())), end="")
