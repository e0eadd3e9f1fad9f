"""A network of PyPSA as plain tables, and the folder of CSV files that PyPSA reads. PyPSA itself is not needed.

Attributes are those of PyPSA 1.4: https://docs.pypsa.org/latest/user-guide/components. A component carries, beside
what it may do, what it does in the plan (`p` of generators, `p0` of links, `e` of stores, `p_nom_opt` of what is
extendable): PyPSA shows that as its result until it has solved the network itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.plan.folder import replaced_whole

Array = NDArray[np.float64]
PYPSA_VERSION = "1.4.0"  # whose attributes are written; a later one reads them too
README = "README.txt"
MARK = "snapshots.csv"  # what tells a network from another folder


class Network:
    """Components by kind (as PyPSA names the lists: generators, links, ...), static attributes and series apart."""

    def __init__(self, name: str, snapshots: pd.DatetimeIndex, weight_h: Array, stores_h: Array, factor: Array) -> None:
        """weight_h: real hours a snapshot stands for; stores_h: its own length; factor: on the cost of its energy."""
        self.name, self.snapshots = name, snapshots
        self.weights = {"objective": weight_h * factor, "stores": stores_h, "generators": weight_h}
        self.static: dict[str, dict[str, dict[str, Any]]] = {}
        self.series: dict[tuple[str, str], dict[str, Array]] = {}

    def add(self, kind: str, name: str, **attributes: Any) -> None:
        """A component. An array is a series over the snapshots; None is left out."""
        rows = self.static.setdefault(kind, {})
        assert name not in rows, f"{kind} {name} twice"
        rows[name] = {}
        for attribute, value in attributes.items():
            if isinstance(value, np.ndarray):
                assert value.shape == (len(self.snapshots),), f"{kind} {name}: {attribute}"
                self.series.setdefault((kind, attribute), {})[name] = np.asarray(value, float)
            elif value is not None:
                rows[name][attribute] = value

    def cost_usd(self) -> float:
        """What the dispatch it carries costs at its own prices. [USD]"""
        total = 0.0
        for kind, flow in (("generators", "p"), ("links", "p0")):
            prices = self.series.get((kind, "marginal_cost"), {})
            for name, mw in self.series.get((kind, flow), {}).items():
                row = self.static[kind][name]
                price = prices.get(name, row.get("marginal_cost", 0.0))
                total += float((self.weights["objective"] * price) @ mw)
                total += row.get("capital_cost", 0.0) * row.get("p_nom_opt", 0.0)
        return total

    def tables(self) -> dict[str, pd.DataFrame]:
        """File name without its ending -> table, as PyPSA reads it."""
        at = pd.Index(self.snapshots, name="snapshot")
        found = {
            "network": pd.DataFrame({"pypsa_version": [PYPSA_VERSION]}, index=pd.Index([self.name], name="name")),
            "snapshots": pd.DataFrame({"snapshot": at, **self.weights}),  # counted, so that PyPSA reads them as dates
        }
        for kind, rows in self.static.items():
            found[kind] = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
        for (kind, attribute), columns in self.series.items():
            found[f"{kind}-{attribute}"] = pd.DataFrame(columns, index=at)
        return found

    def write(self, folder: Path, readme: str) -> None:
        """Write the folder, all or nothing; an old network in it is replaced in one move."""
        with replaced_whole(folder, MARK) as fresh:
            for name, table in self.tables().items():
                table.to_csv(fresh / f"{name}.csv", lineterminator="\n")
            (fresh / README).write_text(readme, encoding="utf-8")
