"""PyPSA's answer to a network of `planner export --pypsa`: the cost of the dispatch it carries, and PyPSA's own.

Reads the folder alone; nothing of the planner is imported. HiGHS runs with its defaults.

    python -m benchmarks.pypsa_check FOLDER [RESULT.json]
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from typing import Any

import pypsa


def carried_usd(n: pypsa.Network) -> float:
    """Cost of the dispatch a network comes with, at its own prices; 0 where it comes without one."""
    total = 0.0
    for component, flow in ((n.generators, "p"), (n.links, "p0")):
        series = n.generators_t if component is n.generators else n.links_t
        mw = series[flow].reindex(columns=component.index, fill_value=0.0)
        price = n.get_switchable_as_dense("Generator" if component is n.generators else "Link", "marginal_cost")
        total += float((mw * price).sum(axis=1) @ n.snapshot_weightings["objective"])
        total += float((component["capital_cost"] * component["p_nom_opt"])[component["p_nom_extendable"]].sum())
    return total


def solved(folder: str) -> dict[str, Any]:
    """Both costs, sizes and seconds."""
    begin = time.perf_counter()
    n = pypsa.Network(folder)
    read = time.perf_counter() - begin
    carried = carried_usd(n)
    _, condition = n.optimize(solver_name="highs", include_objective_constant=False, log_to_console=False)
    whole = time.perf_counter() - begin - read
    sizes = {
        f"{kind} {name}": float(mw)
        for kind in ("generators", "storage_units")
        for name, mw in getattr(n, kind).query("p_nom_extendable")["p_nom_opt"].items()
    }
    return {
        "condition": condition,
        "carried_usd": carried,
        "objective_usd": float(n.objective),
        "difference_fraction": float(n.objective) / carried - 1.0 if carried else None,
        "sizes_mw": sizes,
        "read_seconds": read,
        "optimize_seconds": whole,
        "highs_seconds": n.model.solver_model.getRunTime(),
        "columns": n.model.solver_model.getNumCol(),
        "rows": n.model.solver_model.getNumRow(),
    }


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    text = json.dumps(solved(sys.argv[1]), indent=1)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as out:
            out.write(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
