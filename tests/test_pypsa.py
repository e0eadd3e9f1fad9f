"""A year as a network of PyPSA: what the files say adds up without PyPSA, and PyPSA finds the planner's cost in them.

Purpose: second route. The files alone are checked against the plan's ledger and by hand; where PyPSA is installed it
solves them with a model of its own, to the same operating cost.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case.case import Case
from planner.plan.plan import Plan, write_plan
from planner.pypsa.export import Exported, operating_side
from planner.pypsa.extendable import not_simple
from planner.pypsa.year import years_of
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from tests.own import BATTERY

Make = Callable[..., Case]
ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "carolina"
HOUR = np.arange(8760)
NOW = [
    f"catalog.{item}.{name}_weeks=0"
    for item in ("tesla_megablock_4h", "jenbacher_j620", "solar_single_axis_1mw")
    for name in ("lead_time", "installation")
]
CHEAP = ["catalog.tesla_megablock_4h.price_usd=1e6", "catalog.solar_single_axis_1mw.price_usd=4e5"]
pypsa = pytest.mark.skipif(importlib.util.find_spec("pypsa") is None, reason="needs the extra bench")


def load_site(make: Make, tariff: dict[str, Any], *changes: dict[str, Any], days: int | None = 2, **more: Any) -> Case:
    """A load of 8 to 12 MW behind 20 MW of grid."""
    base = {
        "workload": None,
        "horizon": {"build_months": 0, "operating_years": 2, "sample_days_per_month": days},
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}],
                "tariff": {"energy_usd_per_mwh": None, "demand_usd_per_kw_month": None} | tariff,
            }
        },
        "candidates": {"compute": None, "heat_rejection": None},
    }
    series = more.pop("series", 10.0 + 2.0 * np.sin(2 * np.pi * (HOUR - 9) / 24))
    return make(base, *changes, series=series, set=[*NOW, *CHEAP, *more.pop("set", [])], **more)


def demand(make: Make) -> Case:
    """Grid alone, priced by time of use and demand, for racks with their cooling."""
    tariff = {
        "energy_usd_per_mwh": None,
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 40},
            {"name": "peak", "usd_per_mwh": 90, "weekday_hours": [14, 15, 16, 17], "weekend_hours": []},
        ],
        "demand_usd_per_kw_month": [8.0] * 6 + [0.0] + [11.0] * 5,
        "minimum_take_fraction": 0.02,
    }
    return make({"site": {"grid": {"tariff": tariff}}})


def sun_and_battery(make: Make) -> Case:
    """A whole year hour by hour."""
    tariff = {
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 30},
            {"name": "peak", "usd_per_mwh": 95, "weekday_hours": [17, 18, 19, 20], "weekend_hours": [18, 19]},
        ],
        "demand_usd_per_kw_month": 9,
    }
    owned = {"candidates": {"battery": ["tesla_megablock_4h"], "renewable": ["solar_single_axis_1mw"]}}
    return load_site(make, tariff, owned, days=None)


def engine(make: Make) -> Case:
    """A grid smaller than the load, energy in two tiers, and engines whose availability limits the month."""
    tariff = {
        "tiers": [{"usd_per_mwh": 45, "up_to_mwh_per_month": 2500}, {"usd_per_mwh": 70}],
        "demand_usd_per_kw_month": 6,
    }
    grid = {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}]}}
    return load_site(make, tariff, {"site": grid, "candidates": {"generation": ["jenbacher_j620"]}})


def windows_and_export(make: Make) -> Case:
    """Sampled days with weights: demand windows, minimum take, a battery, and sun that is sold."""
    tariff = {
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 35},
            {"name": "peak", "usd_per_mwh": 80, "weekday_hours": [16, 17, 18], "weekend_hours": []},
        ],
        "demand_usd_per_kw_month": 3,
        "tou_demand": [{"name": "evening", "usd_per_kw_month": 9, "weekday_hours": [16, 17, 18], "weekend_hours": []}],
        "minimum_take_fraction": 0.3,
    }
    grid = {"grid": {"export": {"mw": 6, "usd_per_mwh": 20}}}
    owned = {"battery": ["tesla_megablock_4h"], "renewable": ["solar_single_axis_1mw"]}
    return load_site(
        make, tariff, {"site": grid, "candidates": owned}, set=["catalog.solar_single_axis_1mw.price_usd=2e5"]
    )


def capped(make: Make) -> Case:
    """Engines with a least load, so that what is online matters, under a limit on carbon dioxide; dearer every year."""
    tariff = {"energy_usd_per_mwh": 75, "demand_usd_per_kw_month": 6}
    site = {
        "grid": {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}]},
        "caps": {"co2_t_per_year": 6000},
    }
    growth = {"finance": {"escalation_fraction_per_year": {"energy": 0.02, "natural_gas": 0.03, "demand": 0.01}}}
    changes = {"site": site, "candidates": {"generation": ["jenbacher_j620"]}, **growth}
    return load_site(make, tariff, changes, set=["catalog.jenbacher_j620.minimum_load_fraction=0.5"])


def ratchet(make: Make) -> Case:
    """A summer peak that is billed all year, and a battery against it."""
    tariff = {
        "energy_usd_per_mwh": 45,
        "demand_usd_per_kw_month": 14,
        "ratchet": {"fraction": 0.9, "months": [6, 7, 8]},
    }
    season = 10.0 + np.cos(2 * np.pi * (HOUR / 8760 - 0.55)) + 2.0 * np.sin(2 * np.pi * (HOUR - 9) / 24)
    return load_site(make, tariff, {"candidates": {"battery": ["tesla_megablock_4h"]}}, series=season)


CASES = {f.__name__: f for f in (demand, sun_and_battery, engine, windows_and_export, capped, ratchet)}


@pytest.fixture(scope="module", params=CASES)
def found(request: pytest.FixtureRequest, make_case: Make, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(name, case, plan, what is exported, its folder) of every kind of case."""
    case = CASES[request.param](make_case)
    gap = 1e-4 if request.param == "sun_and_battery" else 1e-6
    plan = plan_of(solve(case, gap=gap, threads=1, time_limit=300))
    exported, folder = exported_to(case, plan, tmp_path_factory.mktemp(request.param) / "network")
    return request.param, case, plan, exported, folder


def exported_to(case: Case, plan: Plan | None, folder: Path) -> tuple[Exported, Path]:
    exported = operating_side(case, plan, max(years_of(case)))
    exported.network.write(folder, exported.readme)
    return exported, folder


class Files:
    """The files of a network, read as anybody would."""

    def __init__(self, folder: Path) -> None:
        self.tables = {p.stem: pd.read_csv(p, index_col=0) for p in folder.glob("*.csv")}
        self.steps = len(self.tables["snapshots"])

    def in_the_year(self, days: Any) -> Any:
        """Whether each of some days is in a month of the snapshots."""
        months = set(self.tables["snapshots"]["snapshot"].str[:7])
        assert len(months) == 12
        return days.astype(str).str[:7].isin(months)

    def series(self, kind: str, attribute: str, name: str, otherwise: float = 0.0) -> Any:
        table = self.tables.get(f"{kind}-{attribute}")
        if table is not None and name in table:
            return table[name].to_numpy()
        value = self.tables[kind].get(attribute, pd.Series(dtype=float)).get(name, otherwise)
        return np.full(self.steps, otherwise if pd.isna(value) else value)

    def names(self, kind: str) -> list[str]:
        return [str(name) for name in self.tables[kind].index] if kind in self.tables else []

    def end(self, kind: str, name: str, attribute: str) -> Any:
        return self.tables[kind].loc[name, attribute]


def test_the_files_cost_what_the_ledger_pays(found: Any) -> None:
    """Dispatch times the files' prices, and capacity times demand charges: the ledger's year."""
    _, _, plan, _, folder = found
    files = Files(folder)
    weight = files.tables["snapshots"]["objective"].to_numpy()
    cost = 0.0
    for kind, flow in (("generators", "p"), ("links", "p0")):
        for component in files.names(kind):
            price = files.series(kind, "marginal_cost", component)
            cost += float(weight @ (price * files.series(kind, flow, component)))
    links = files.tables["links"]
    cost += float((links["capital_cost"] * links["p_nom_opt"]).sum()) if "capital_cost" in links else 0.0
    paid = plan.ledger[(plan.ledger["item"] == "operation") & files.in_the_year(plan.ledger["date"])]
    assert cost > 0
    assert cost == pytest.approx(paid["usd"].sum(), rel=1e-8)


def test_every_bus_is_balanced_and_nothing_is_over_its_limit(found: Any) -> None:
    """The plan's dispatch, as the files carry it, is a feasible one of the network."""
    files = Files(found[4])
    hours = files.tables["snapshots"]["stores"].to_numpy()
    balance = {bus: np.zeros(files.steps) for bus in files.names("buses")}
    for load in files.names("loads"):
        balance[files.end("loads", load, "bus")] -= files.series("loads", "p_set", load)
    for kind, flow in (("generators", "p"), ("links", "p0")):
        for name in files.names(kind):
            p, size = files.series(kind, flow, name), files.series(kind, "p_nom", name)
            if files.tables[kind].get("p_nom_extendable", pd.Series(dtype=object)).get(name) == 1.0:
                size = files.series(kind, "p_nom_opt", name)
                assert files.end(kind, name, "p_nom_min") <= size[0] <= files.end(kind, name, "p_nom_max") + 1e-6
            assert (p <= size * files.series(kind, "p_max_pu", name, 1.0) + 1e-6).all(), name
            assert (p >= size * files.series(kind, "p_min_pu", name) - 1e-6).all(), name
            if kind == "links":
                balance[files.end(kind, name, "bus0")] -= p
                balance[files.end(kind, name, "bus1")] += p * files.series(kind, "efficiency", name, 1.0)
            else:
                balance[files.end(kind, name, "bus")] += p * files.series(kind, "sign", name, 1.0)
                most = files.series(kind, "e_sum_max", name, np.inf)[0]
                assert p @ files.tables["snapshots"]["generators"].to_numpy() <= most + 1e-4, name
    for name in files.names("stores"):
        e, most = files.series("stores", "e", name), files.series("stores", "e_nom", name)
        assert (e <= most * files.series("stores", "e_max_pu", name, 1.0) + 1e-6).all()
        assert (e >= most * files.series("stores", "e_min_pu", name) - 1e-6).all()
        before = np.append(files.series("stores", "e_initial", name)[0], e[:-1])
        balance[files.end("stores", name, "bus")] += (before - e) / hours
    for bus, left in balance.items():
        assert np.abs(left).max() < 1e-6, bus


def test_what_a_case_is_made_for_is_in_its_network(found: Any) -> None:
    """Energy of the year equals the plan's dispatch; every kind of case uses what it is there to test."""
    name, case, plan, exported, folder = found
    files = Files(folder)
    weight = files.tables["snapshots"]["generators"].to_numpy()
    assert weight.sum() == pytest.approx(8760.0)
    year = plan.dispatch[files.in_the_year(plan.dispatch["period"])]
    sold = [n for n in files.names("generators") if n.startswith("grid")]
    bought = sum(float(weight @ files.series("generators", "p", n)) for n in sold)
    assert bought == pytest.approx(float(year["weight_h"] @ year["grid_import_mw"]), rel=1e-9)
    units = plan.summary["units"]
    if name == "demand":
        assert len([n for n in files.names("links") if n.startswith("connection")]) == 12
        assert any("which unit rejects" in line for line in exported.lines) == ("heat_rejected" in str(year.columns))
    if name in ("sun_and_battery", "windows_and_export"):
        assert units["tesla_megablock_4h"] >= 1
        assert units["solar_single_axis_1mw"] > 0
        assert files.series("stores", "e", "tesla_megablock_4h").max() > 1.0
    if name == "engine":
        assert len(sold) == 24
        assert units["jenbacher_j620"] >= 1
        assert len([n for n in files.names("generators") if n.startswith("jenbacher")]) == 12
    if name == "capped":
        carrier, most = files.tables["carriers"]["co2_t"], files.tables["global_constraints"]["constant"]
        # 53.06 kg/MMBtu HHV (40 CFR 98, table C-1) at the engine's heat rate, kg/MWh / 1,000
        heat_rate = case.catalog["jenbacher_j620"].heat_rate_btu_per_kwh_lhv.planning * 1.108 / 1000.0
        assert carrier["jenbacher_j620"] == pytest.approx(53.06 * heat_rate / 1000.0, rel=1e-9)
        engines = sum(weight @ files.series("generators", "p", n) for n in files.names("generators") if "jenb" in n)
        assert most["limit co2_t"] == 6000.0
        assert engines * carrier["jenbacher_j620"] == pytest.approx(6000.0, rel=1e-6)  # it binds
        assert any(line.startswith("held as in the plan: what engines have online") for line in exported.lines)
    if name == "ratchet":
        least = files.tables["links"]["p_nom_min"]
        july = files.tables["links"].loc["connection 2027-07", "p_nom_opt"]
        peaks = [files.series("generators", "p", "grid")[m * 48 : (m + 1) * 48].max() for m in range(12)]
        assert least["connection 2027-01"] == pytest.approx(0.9 * max(peaks[5:8]), rel=1e-9)
        assert july == pytest.approx(max(peaks[6], 0.9 * max(peaks[5], peaks[7])), rel=1e-9)
    if name == "windows_and_export":
        assert files.series("generators", "p", "export").max() > 0.1
        windows = [n for n in files.names("links") if n.startswith("window")]
        assert len(windows) == 11  # the two days of May 2027, 15 and 16, are a weekend
        assert "window 0 2027-05" not in windows
    assert files.steps == len(year)


def test_a_flat_load_costs_what_a_bill_says(make_case: Make, tmp_path: Path) -> None:
    """By hand: 10 MW all year at 50 $/MWh, and 8 $/kW every month: 10 x 8,760 x 50 + 12 x 10,000 x 8 = 5.34 M$."""
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    case = load_site(make_case, tariff, series=10.0, days=1)
    exported, folder = exported_to(case, plan_of(solve(case, threads=1)), tmp_path / "network")
    assert exported.network.cost_usd() == pytest.approx(5.34e6, rel=1e-9)
    files = Files(folder)
    assert set(files.tables["links"]["capital_cost"]) == {8000.0}
    assert set(files.tables["generators-marginal_cost"]["grid"]) == {50.0}
    assert set(files.tables["loads-p_set"]["load"]) == {10.0}
    assert "5,340,000.00 USD" in (folder / "README.txt").read_text(encoding="utf-8")


def test_a_year_is_that_year(make_case: Make) -> None:
    """By hand: half the load in 2027 (5 MW) and all of it in 2028, at 50 $/MWh and 8 $/kW every month."""
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    growth = [{"from": "2027-01-01", "fraction": 0.5}, {"from": "2028-01-01", "fraction": 1.0}]
    changes = {"horizon": {"expansion_years": 1}, "target": {"load_scale": growth}}
    case = load_site(make_case, tariff, changes, series=10.0, days=1)
    plan = plan_of(solve(case, threads=1))
    assert sorted(years_of(case)) == [2027, 2028]
    for year, cost in ((2027, 2.67e6), (2028, 5.34e6)):
        network = operating_side(case, plan, year).network
        assert network.cost_usd() == pytest.approx(cost, rel=1e-9)
        assert set(network.snapshots.year) == {year}


def test_a_battery_has_the_energy_that_is_left(make_case: Make) -> None:
    """By hand: a fifth is lost in ten years, so that at the end of the first .98 and of the second .96 are left."""
    curve = {"by_year": {0: 1.0, 10: 0.8}, "source": "made for a test", "date": "2026-01", "confidence": "estimate"}
    grid = {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 11, "via": "existing_feeders"}]}}
    changes = {"site": grid, "candidates": {"battery": ["own_battery"]}}
    load = 10.0 + np.where((HOUR % 24 >= 16) & (HOUR % 24 < 20), 4.0, 0.0)
    items = [BATTERY | {"energy_retention_fraction": curve}]
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 0}
    case = load_site(make_case, tariff, changes, series=load, days=1, items=items)
    plan = plan_of(solve(case, threads=1))
    units = plan.summary["units"]["own_battery"]
    assert units >= 2  # 3 MW are missing in four hours of every day
    for year, left in ((2027, 0.98), (2028, 0.96)):
        network = operating_side(case, plan, year).network
        assert network.static["stores"]["own_battery"]["e_nom"] == pytest.approx(8.0 * units * left, rel=1e-9)
        assert network.static["links"]["own_battery charge"]["p_nom"] == pytest.approx(2.0 * units)


def test_a_scenario_has_its_own_prices(make_case: Make) -> None:
    """By hand: 10 MW x 8,760 h x 50 $/MWh and, dear, twice that; 12 x 80,000 $ of demand in both."""
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    paths = [{"name": "as today", "probability": 0.6}, {"name": "dear", "probability": 0.4, "energy_price_factor": 2.0}]
    case = load_site(make_case, tariff, {"scenarios": paths}, series=10.0, days=1)
    plan = plan_of(solve(case, threads=1))
    for path, energy in ((0, 4.38e6), (1, 8.76e6)):
        exported = operating_side(case, plan, 2027, path)
        assert exported.network.cost_usd() == pytest.approx(energy + 0.96e6, rel=1e-9)
        assert any(f"scenario {paths[path]['name']}" in line for line in exported.lines)


def test_what_a_network_cannot_hold_is_named(make_case: Make) -> None:
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    changes = {
        "site": {"gas": {"from": "2026-01-01", "mmbtu_hhv_per_day": 5000, "take_or_pay_fraction": 0.1}},
        "candidates": {"generation": ["jenbacher_j620"], "battery": ["tesla_megablock_4h"]},
        "redundancy": {"onsite_generation": {"scheme": "N+1", "spinning_reserve": "largest_unit"}},
        "events": [{"kind": "grid_outage", "duration_h": 1}],
    }
    case = load_site(make_case, tariff, changes, days=1)
    exported = operating_side(case, plan_of(solve(case, threads=1)), max(years_of(case)))
    left_out = {line.removeprefix("left out: ") for line in exported.lines if line.startswith("left out")}
    assert left_out >= {
        "take-or-pay gas",
        "limits of the gas supply by hour and day",
        "spinning reserve for the largest unit, in hours",
    }
    assert any(text.startswith("event grid_outage") for text in left_out)
    assert "PyPSA's cost may therefore differ: what is left out can only make it lower." in exported.lines


def planner(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300.0, env=os.environ, check=False)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--plan", "out"], "goes with --pypsa"),
        (["--pypsa", "tests"], "exists and is no network"),
        (["--pypsa", "out/network"], "open sizes cannot hold target.milestones, horizon.build_months"),
        (["--pypsa", "out/network", "--year", "1999"], "write one of 2030"),
        (["--pypsa", "out/network", "--scenario", "dry"], "is no scenario of this case"),
    ],
)
def test_faults_of_the_command_line(words: list[str], fault: str) -> None:
    run = planner("export", EXAMPLE, "--set", "horizon.sample_days_per_month=1", *words)
    assert run.returncode == 2
    assert fault in run.stderr


def test_a_plan_of_another_case_is_refused(make_case: Make, tmp_path: Path) -> None:
    tariff = {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8}
    case = load_site(make_case, tariff, series=10.0, days=1)
    write_plan(plan_of(solve(case, threads=1)), tmp_path / "plan")
    sets = [word for change in (*NOW, *CHEAP) for word in ("--set", change)]
    words = ["export", case.path, "--plan", tmp_path / "plan", "--pypsa", tmp_path / "network", *sets]
    other = planner(*words, "--set", "site.grid.tariff.energy_usd_per_mwh=60")
    assert other.returncode == 2
    assert "is no plan of this case: its audit fails" in other.stderr
    same = planner(*words)
    assert same.returncode == 0, same.stderr
    assert "costs 5,340,000.00 USD" in same.stdout
    assert "network written: 288 snapshots of 2027" in same.stdout


# -- with PyPSA ----------------------------------------------------------------------------------------------


def solved_by_pypsa(folder: Path) -> dict[str, Any]:
    """What PyPSA makes of a folder, in a process of its own: its imports warn."""
    command = [sys.executable, "-m", "benchmarks.pypsa_check", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600.0, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    answer: dict[str, Any] = json.loads(run.stdout[run.stdout.index("{") :])
    assert answer["condition"] == "optimal"
    return answer


@pypsa
def test_pypsa_finds_the_planners_operating_cost(found: Any, tmp_path: Path) -> None:
    """With the batteries' charge at the ends of months as planned, to 1e-6; with PyPSA's own, within the proven gap."""
    name, case, plan, exported, folder = found
    answer = solved_by_pypsa(folder)
    cost = exported.network.cost_usd()
    assert answer["carried_usd"] == pytest.approx(cost, rel=1e-9)
    if name == "sun_and_battery":
        of_year = min(discounted(case))  # the gap is present value over all years
        assert cost * (1 + 1e-8) >= answer["objective_usd"]
        assert answer["objective_usd"] >= cost * (1 - 1e-8) - plan.summary["gap_usd"] / of_year
        year = exported.network.snapshots
        ends = np.append(year.month[1:] != year.month[:-1], True)
        stores, item = exported.network.series, "tesla_megablock_4h"
        charge = stores["stores", "e"][item] / exported.network.static["stores"][item]["e_nom"]
        for limit in ("e_min_pu", "e_max_pu"):
            stores["stores", limit][item][ends] = charge[ends]
        exported.network.write(tmp_path / "held", exported.readme)
        answer = solved_by_pypsa(tmp_path / "held")
    assert answer["objective_usd"] == pytest.approx(cost, rel=1e-6)


def discounted(case: Case) -> list[float]:
    """Present value of a dollar a year paid in each month of the operating years."""
    rate, years = case.input.finance.discount_rate, case.input.horizon.operating_years
    return [sum((1 + rate) ** -(y + (m + 0.5) / 12) for y in range(years)) for m in range(12)]


@pypsa
def test_pypsa_sizes_what_is_open_at_the_planners_cost(make_case: Make, tmp_path: Path) -> None:
    """The same whole units, and what all costs together: fixed charges there are none."""
    tariff = {
        "energy_periods": [
            {"name": "base", "usd_per_mwh": 35},
            {"name": "peak", "usd_per_mwh": 120, "weekday_hours": [16, 17, 18], "weekend_hours": [17]},
        ],
        "demand_usd_per_kw_month": 12,
    }
    owned = {"candidates": {"battery": ["tesla_megablock_4h"], "renewable": ["solar_single_axis_1mw"]}}
    case = load_site(make_case, tariff, owned)
    assert not not_simple(case)
    plan = plan_of(solve(case, gap=1e-6, threads=1, time_limit=300))
    _, folder = exported_to(case, None, tmp_path / "network")
    answer = solved_by_pypsa(folder)
    assert answer["objective_usd"] == pytest.approx(plan.summary["objective_usd"], rel=1e-4)  # HiGHS' gap of a MIP
    assert answer["objective_usd"] >= plan.summary["lower_bound_usd"] * (1 - 1e-9)


@pypsa
def test_pypsa_agrees_on_carolina(tmp_path: Path) -> None:
    """The example on one sampled day a month, through the command line."""
    words = ("--set", "horizon.sample_days_per_month=1")
    assert planner("solve", EXAMPLE, "--out", tmp_path / "plan", *words).returncode == 0
    run = planner("export", EXAMPLE, "--plan", tmp_path / "plan", "--pypsa", tmp_path / "network", *words)
    assert run.returncode == 0, run.stderr
    answer = solved_by_pypsa(tmp_path / "network")
    assert answer["objective_usd"] == pytest.approx(answer["carried_usd"], rel=1e-6)
