"""The audit of what the grid, permits and flexible compute add: good plans pass, every edit is caught."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.ledger import operating_weights
from planner.plan.plan import TABLES, Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.ratchet import tightened

Make = Callable[..., Case]
Edit = Callable[[dict[str, pd.DataFrame]], None]
SUN, RACK, ENGINE = "solar_single_axis_1mw", "nvidia_gb300_nvl72", "jenbacher_j620"


def failed(plan: Plan, case: Case, edit: Edit) -> set[str]:
    """Names of the checks an edited plan fails."""
    tables: dict[str, Any] = {name: plan.table(name).copy() for name in TABLES}
    edit(tables)
    return {check.name for check in audit(Plan(copy.deepcopy(plan.summary), **tables), case) if not check.ok}


def change(column: str, by: float, pick: Callable[[pd.DataFrame], Any]) -> Edit:
    """An edit of the first row of the dispatch that is picked."""

    def edit(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables["dispatch"]
        row = frame.index[pick(frame)][0]
        frame.loc[row, column] += by

    return edit


def scale(line: str, by: float) -> Edit:
    """An edit of the first ledger row of a line."""

    def edit(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables["ledger"]
        frame.loc[frame.index[frame["line"] == line][0], "usd"] *= by

    return edit


def solved(case: Case) -> Plan:
    plan = plan_of(solve(case, threads=1, time_limit=120))
    require(plan, case)
    return plan


# --- export and hourly prices -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def export_case(make_case: Make) -> Case:
    hour = np.arange(8760)
    price = 45.0 + 25.0 * np.cos(2 * np.pi * (hour % 24 - 19) / 24)
    price[(hour // 24 % 2 == 0) & (hour % 24 == 12)] = -500.0
    price[(hour // 24 % 5 == 0) & (hour % 24 == 15)] = 10_000.0
    grid = {
        "tariff": {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}},
        "export": {"mw": 6, "series": {"file": "sell.csv", "column": "usd"}},
    }
    changes = {"site": {"grid": grid}, "candidates": {"renewable": [SUN]}}
    cheap = [f"catalog.{SUN}.price_usd=1e5"]
    return make_case(changes, prices={"buy": price, "sell": price - 4.0}, set=cheap)


@pytest.fixture(scope="module")
def export_plan(export_case: Case) -> Plan:
    return solved(export_case)


def test_a_plan_that_sells_passes_read_back_too(export_plan: Plan, export_case: Case, tmp_path: Any) -> None:
    assert export_plan.dispatch.grid_export_mw.max() == pytest.approx(6.0)
    assert export_plan.ledger.usd[export_plan.ledger.line == "export receipts"].max() < 0
    assert export_plan.dispatch.grid_import_mw.max() > 1.0
    write_plan(export_plan, tmp_path / "plan")
    require(read_plan(tmp_path / "plan"), export_case)


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("export limit", change("grid_export_mw", 3.0, lambda f: f.grid_export_mw > 5.0)),
        ("import or export", change("grid_import_mw", 1.0, lambda f: f.grid_export_mw > 5.0)),
        ("power balance", change("grid_export_mw", -0.5, lambda f: f.grid_export_mw > 5.0)),
        ("ledger operation", scale("export receipts", 1.001)),
        ("ledger operation", scale("energy", 0.999)),
    ],
)
def test_edits_of_export_are_caught(export_plan: Plan, export_case: Case, check: str, edit: Edit) -> None:
    assert check in failed(export_plan, export_case, edit)


# --- ratchet and coincident peaks -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ratchet_case(make_case: Make) -> Case:
    """10 MW, in July 15 MW: 0.8 x 15 = 12 MW are billed in the months after. Two hours of the system's peak."""
    hour = np.arange(8760)
    load = np.where((hour >= 181 * 24) & (hour < 212 * 24), 15.0, 10.0)
    tariff = {
        "demand_usd_per_kw_month": 10,
        "ratchet": {"fraction": 0.8, "months": [7, 8]},
        "coincident_peaks": {"hours": [15 * 24 + 7, 4720], "usd_per_kw_year": 40},
    }
    changes: dict[str, Any] = {
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {"interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}], "tariff": tariff}
        },
        "candidates": {"compute": None, "heat_rejection": None},
    }
    return make_case(changes, series=load)


@pytest.fixture(scope="module")
def ratchet_plan(ratchet_case: Case) -> Plan:
    return solved(ratchet_case)


def test_the_bill_by_hand(ratchet_plan: Plan) -> None:
    """Built from January 2027 for 16 months, then two years.

    January to June 2027: 10 MW x 10,000 $ = 100,000. July: 150,000. From August on 0.8 x 15 = 12 MW: 120,000, but for
    150,000 in July. Coincident: 20 $/kW in January (10 MW, 200,000) and in July (15 MW, 300,000).
    """
    ledger = ratchet_plan.ledger.assign(month=[str(day)[:7] for day in ratchet_plan.ledger.date])
    demand = ledger[ledger.line == "demand charge"].set_index("month").usd
    months = [f"{2027 + k // 12}-{k % 12 + 1:02d}" for k in range(40)]
    assert demand.index.tolist() == months
    want = [100_000.0] * 6 + [150_000.0] + [120_000.0] * 33
    want[18] = want[30] = 150_000.0
    assert demand.tolist() == pytest.approx(want)
    peaks = ledger[ledger.line == "coincident peak charge"].set_index("month").usd.to_dict()
    july, january = {f"{y}-07": 300_000 for y in (2027, 2028, 2029)}, {f"{y}-01": 200_000 for y in range(2027, 2031)}
    assert peaks == pytest.approx(july | january)


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("ledger operation", scale("demand charge", 0.99)),
        ("ledger operation", scale("coincident peak charge", 0.99)),
        ("ledger operation", change("grid_import_mw", 1.0, lambda f: f.grid_import_mw > 14.0)),
    ],
)
def test_edits_of_bills_are_caught(ratchet_plan: Plan, ratchet_case: Case, check: str, edit: Edit) -> None:
    assert check in failed(ratchet_plan, ratchet_case, edit)


@pytest.mark.parametrize("years", [1, 2])
def test_the_bill_over_years_by_hand(make_case: Make, years: int) -> None:
    """Four build months from May 2027, one expansion year, then years of twice the load; July counts, 0.8 of it.

    10 MW, 12 from August 2027 to June 2028 (0.8 x 15), 15 in July, 12 in August. Then 20 MW, above 0.8 x 15, until
    July 2029 has 30 MW and August 24 (0.8 x 30). Where the year repeats, its other months stand for later ones too,
    which are billed 24.
    """
    hour = np.arange(8760)
    changes: dict[str, Any] = {
        "start": "2027-05-01",
        "horizon": {"build_months": 4, "expansion_years": 1, "operating_years": years},
        "workload": None,
        "target": {
            "milestones": None,
            "load_series": {"file": "load.csv", "column": "mw"},
            "load_scale": [{"from": "2027-05-01", "fraction": 1}, {"from": "2028-09-01", "fraction": 2}],
        },
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 40, "via": "existing_feeders"}],
                "tariff": {"demand_usd_per_kw_month": 10, "ratchet": {"fraction": 0.8, "months": [7]}},
            },
            "hall": {"ready": "2027-06-01"},
        },
        "candidates": {"compute": None, "heat_rejection": None},
    }
    case = make_case(changes, series=np.where((hour >= 181 * 24) & (hour < 212 * 24), 15.0, 10.0))
    ledger = solved(case).ledger
    want = [10.0, 10.0, 15.0, 12.0, *[12.0] * 10, 15.0, 12.0]
    want += [*[20.0] * 10, 30.0, 24.0] if years == 1 else [*[24.0] * 10, 30.0, 24.0] * years
    demand = ledger[ledger.line == "demand charge"].sort_values("date").usd
    assert demand.tolist() == pytest.approx([10_000.0 * mw for mw in want])


def test_a_loose_ratchet_is_set_to_the_peaks(ratchet_case: Case) -> None:
    """A plan whose ratchet lies 1 MW too high pays 0.8 MW x 10,000 $ more wherever it binds, until it is tightened."""
    good = solve(ratchet_case, threads=1)
    values, links = dict(good.values), dict(good.links)
    for s, value in good.values.items():
        block = good.blocks[s.block]
        x, primal = links[s].copy(), value.primal.copy()
        x[block.links.index("ratchet_mw")] += 1.0
        billed = block.columns["billed_demand"].index[0]
        more = max(0.0, 0.8 * float(x[block.links.index("ratchet_mw")]) - float(primal[billed]))
        primal[billed] += more
        links[s], values[s] = x, replace(value, primal=primal, cost_usd=value.cost_usd + 10_000.0 * more)
    weights = operating_weights(ratchet_case)
    bound = [s for s in good.states if s.period >= 7 and not (s.block == "m07" and s.period == 16)]
    extra = 8.0 * sum(weights[s.period, s.place] for s in bound)
    loose = replace(good, values=values, links=links, upper_kusd=good.upper_kusd + extra)
    tight = tightened(loose)
    assert tight.upper_kusd == pytest.approx(good.upper_kusd, rel=1e-9)
    assert {s: v.cost_usd for s, v in tight.values.items()} == pytest.approx(
        {s: v.cost_usd for s, v in good.values.items()}
    )
    require(plan_of(loose), ratchet_case)


# --- annual limits ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def capped_case(make_case: Make) -> Case:
    """Engines far cheaper than the grid, limited in every way; pads beside chillers, limited in water."""
    changes: dict[str, Any] = {
        "cooling": {"coolant_supply_c": 40},
        "candidates": {"generation": [ENGINE], "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
        "site": {
            "grid": {"tariff": {"energy_usd_per_mwh": 150}},
            "caps": {
                "co2_t_per_year": 2300,
                "nox_t_per_year": 40,
                "fuel_mmbtu_hhv_per_year": 60_000,
                "evaporation_m3_per_year": 400,
                "run_hours_per_year": {ENGINE: 2000},
            },
        },
    }
    return make_case(changes, set=[f"catalog.{ENGINE}.price_usd=2e5"])


@pytest.fixture(scope="module")
def capped_plan(capped_case: Case) -> Plan:
    return solved(capped_case)


def test_every_calendar_year_is_checked(capped_plan: Plan, capped_case: Case) -> None:
    """16 months from January 2027: 2027, 2028 with the first operating months, and the operating year."""
    checks = {check.name: check for check in require(capped_plan, capped_case)}
    for name in ("fuel a year", "CO2 a year", "NOx a year", "evaporation a year"):
        assert checks[name].count == 3
    assert checks["run-hours"].count == 12 + 12 + 12
    # The engines are worth more than they may run: some limit binds over the operating year.
    assert checks["CO2 a year"].worst_margin < 1.0 or checks["run-hours"].worst_margin < 1.0


def test_limits_that_are_broken_are_caught(capped_plan: Plan, capped_case: Case) -> None:
    """The same plan under a tenth of each limit fails that limit alone."""
    site = capped_case.input.site
    assert site.caps is not None
    names = {
        "co2_t_per_year": "CO2 a year",
        "nox_t_per_year": "NOx a year",
        "fuel_mmbtu_hhv_per_year": "fuel a year",
        "evaporation_m3_per_year": "evaporation a year",
        "run_hours_per_year": "run-hours",
    }
    for field, check in names.items():
        tight: Any = {ENGINE: 20.0} if field == "run_hours_per_year" else 1e-3 * getattr(site.caps, field)
        caps = site.caps.model_copy(update={field: tight})
        given = capped_case.input.model_copy(update={"site": site.model_copy(update={"caps": caps})})
        assert {c.name for c in audit(capped_plan, replace(capped_case, input=given)) if not c.ok} == {check}


def test_carbon_of_the_operating_year_by_hand(capped_plan: Plan, capped_case: Case) -> None:
    """MWh x Btu/kWh LHV x 1.108 x 53.06 kg/MMBtu, added up here, is what the limit lets through."""
    year = capped_plan.dispatch[capped_plan.dispatch.phase == "operating year"]
    mwh = float((year.weight_h * year[f"generation:{ENGINE}_mw"]).sum())
    item = capped_case.catalog[ENGINE]
    tons = mwh * item.get("heat_rate_btu_per_kwh_lhv") * 1.108 / 1000 * 53.06 / 1000
    assert 0 < tons <= 2300.001


@pytest.mark.parametrize("horizon", [{}, {"block": "week", "step_minutes": 30}, {"calendar": "actual"}], ids=str)
def test_a_limit_over_years_by_hand(make_case: Make, horizon: dict[str, Any]) -> None:
    """Two build months from May 2027, an expansion year from July, the operating year from July 2028.

    Two engines run for less than the grid asks and would burn more than the limit in half a year, so every year that
    has a limit burns all of it: 2027, 2028 (half expansion, half operation), and the operating year; on the actual
    calendar 2029 and the half of 2030 in its place.
    """
    limit = 60_000.0
    changes: dict[str, Any] = {
        "start": "2027-05-01",
        "horizon": {"build_months": 2, "expansion_years": 1, "operating_years": 2, **horizon},
        "workload": None,
        "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
        "site": {
            "grid": {
                "interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}],
                "tariff": {"energy_usd_per_mwh": 150},
            },
            "caps": {"fuel_mmbtu_hhv_per_year": limit},
        },
        "candidates": {"compute": None, "heat_rejection": None, "generation": [ENGINE]},
        "committed": [{"item": ENGINE, "units": 2, "on_site": "2026-06-01"}],
    }
    case = make_case(changes, series=10.0)
    plan = plan_of(solve(case, gap=1e-6, threads=1))
    checks = {check.name: check for check in require(plan, case)}
    years = ["2027", "2028", "2029", "2030"] if "calendar" in horizon else ["2027", "2028"]
    assert checks["fuel a year"].count == (4 if "calendar" in horizon else 3)
    frame, item = plan.dispatch, case.catalog[ENGINE]
    per_mwh = item.get("heat_rate_btu_per_kwh_lhv") * 1.108 / 1000
    burnt = frame.weight_h * frame[f"generation:{ENGINE}_mw"] * per_mwh
    year = np.array([str(day)[:4] for day in frame.period])
    for own in years:
        assert burnt[year == own].sum() == pytest.approx(limit, rel=1e-4)
    if "calendar" not in horizon:
        assert burnt[frame.phase == "operating year"].sum() == pytest.approx(limit, rel=1e-4)


# --- compute that may be shed or shifted ------------------------------------------------------------------


def flexible(make_case: Make, **changes: Any) -> Case:
    hour = np.arange(8760)
    price = 60.0 + 50.0 * np.cos(2 * np.pi * (hour % 24 - 18) / 24)
    price[(hour // 24 % 2 == 0) & (hour % 24 == 12)] = -200.0
    price[hour % 24 == 17] = 5_000.0
    compute = {"shed": {"fraction": 0.3, "usd_per_gpu_hour": 0.4}, "shift": {"fraction": 0.2}}
    tariff: dict[str, Any] = {"energy_usd_per_mwh": None, "energy_series": {"file": "buy.csv", "column": "usd"}}
    tariff |= {"demand_usd_per_kw_month": 0}
    workload = {"kind": "inference", "average_load_fraction": 0.7, **compute}
    return make_case({"workload": workload, "site": {"grid": {"tariff": tariff}}}, changes, prices={"buy": price})


@pytest.fixture(scope="module", params=["one cooler", "two coolers", "half hours of days"])
def flexible_case(make_case: Make, request: pytest.FixtureRequest) -> Case:
    if request.param == "one cooler":
        return flexible(make_case)
    if request.param == "half hours of days":
        return flexible(make_case, horizon={"step_minutes": 30, "block": "day", "calendar": "actual"})
    return flexible(
        make_case,
        cooling={"coolant_supply_c": 40},
        candidates={"heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"]},
        committed=[{"item": "chiller_air_cooled", "units": 2, "on_site": "2027-05-01"}],
    )


@pytest.fixture(scope="module")
def flexible_plan(flexible_case: Case) -> Plan:
    return solved(flexible_case)


def test_flexible_compute_by_hand(flexible_plan: Plan, flexible_case: Case) -> None:
    """At 17:00 all that may go is moved or shed: 20 % and 30 % of the load; at noon for -200 $ it comes back.

    Shedding is worth it: 0.4 $ x 72 GPUs / mean MW is below 5,000 $/MWh. It is a line of the ledger at that value.
    """
    frame = flexible_plan.dispatch
    year = frame[frame.phase == "operating year"]
    rack = flexible_case.catalog[RACK]
    mean = rack.design_kw / 1000 * 0.7
    assert 0.4 * rack.get("gpus") / mean < 1000
    shape = flexible_case.load_shape.reshape(8760, -1)[:, 0]  # inference holds an hour's load within it
    load = shape[year.hour_of_year] * 10 * mean  # 720 GPUs are ten racks
    dear = (year.hour_of_year % 24 == 17).to_numpy()
    assert year[f"compute_shift_down:{RACK}_mw"].to_numpy()[dear] == pytest.approx(0.2 * load[dear], rel=1e-6)
    assert year[f"compute_shed:{RACK}_mw"].to_numpy()[dear] == pytest.approx(0.3 * load[dear], rel=1e-6)
    paid = ((year.hour_of_year % 24 == 12) & (year.hour_of_year // 24 % 2 == 0)).to_numpy()
    up = year[f"compute_shift_up:{RACK}_mw"].to_numpy()
    assert paid.any()
    assert up[paid] == pytest.approx(np.minimum(0.2 * load, 10 * rack.design_kw / 1000 - load)[paid], rel=1e-6)
    shed = float((year.weight_h * year[f"compute_shed:{RACK}_mw"]).sum())
    ledger = flexible_plan.ledger
    # Of the two operating years, the second where one year of the dispatch stands for both.
    first = "2028-05-01" if flexible_case.input.horizon.calendar == "actual" else "2029-05-01"
    shown = np.array([str(day) >= first for day in ledger.date])
    lost = ledger[(ledger.line == "shed compute (value, not paid)") & shown].usd.sum()
    assert lost == pytest.approx(shed * 0.4 * rack.get("gpus") / mean, rel=1e-6)


def moved(frame: pd.DataFrame) -> Any:
    return frame[f"compute_shift_up:{RACK}_mw"] > 0.1


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("compute shifted", change(f"compute_shift_up:{RACK}_mw", 1.0, moved)),
        ("shift below design power", change(f"compute_shift_up:{RACK}_mw", 1.0, moved)),
        ("energy of the day", change(f"compute_shift_up:{RACK}_mw", -0.05, moved)),
        ("shift one way at a time", change(f"compute_shift_down:{RACK}_mw", 0.05, moved)),
        ("power balance", change(f"compute_shift_up:{RACK}_mw", 0.05, moved)),
        ("load by hour", change(f"compute_shift_up:{RACK}_mw", 0.05, moved)),
        ("compute shed", change(f"compute_shed:{RACK}_mw", 1.0, lambda f: f[f"compute_shed:{RACK}_mw"] > 0.1)),
        ("ledger operation", scale("shed compute (value, not paid)", 0.99)),
    ],
)
def test_edits_of_flexible_compute_are_caught(flexible_plan: Plan, flexible_case: Case, check: str, edit: Edit) -> None:
    assert check in failed(flexible_plan, flexible_case, edit)
