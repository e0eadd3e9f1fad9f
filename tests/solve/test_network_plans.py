"""Plans with a counted fabric, nodes in racks, mixed fleets, and what changes downstream with the rack model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from planner.audit.audit import audit
from planner.case.case import Case
from planner.plan.plan import Plan, read_plan, write_plan
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.monolithic import Monolithic
from planner.solve.solution import Solution
from planner.solve.stopping import Stop

Make = Callable[..., Case]
GAP = 1e-6
GB300, B300 = "nvidia_gb300_nvl72", "nvidia_dgx_b300"
FABRIC, TOP = "xdr_rail_optimised", "xdr_rail_optimised_top_layer"
# Two units of 576 GPUs first, then four.
GROWS: dict[str, Any] = {
    "network": {"fabric": FABRIC},
    "target": {"milestones": [{"gpus": 1152, "by": "2028-02-01"}, {"gpus": 2304, "by": "2028-05-01"}]},
    "workload": {"goodput": {"failures_per_1000_node_days": "llama3_405b", "checkpoint_s": 10, "restart_s": 300}},
}


def planned(case: Case) -> tuple[Solution, Plan]:
    solution = solve(case, gap=GAP, threads=1)
    plan = plan_of(solution)
    assert [check.message for check in audit(plan, case) if not check.ok] == []
    return solution, plan


def units(plan: Plan, item: str, period: str | None = None) -> float:
    """Units of an item in service, at the end where no period is given."""
    rows = plan.installed[plan.installed["item"] == item]
    at = plan.installed["period"].max() if period is None else pd.Timestamp(period).date()
    return float(rows.loc[rows["period"] == at, "units"].sum())


def agree(case: Case, solution: Solution) -> None:
    """The whole model proves the same optimum, and finds the same operating cost of the same design."""
    whole = Monolithic(case, stop=Stop(300.0), dates=solution.sizing.dates)
    other = whole.solve(gap=GAP)
    slack = (solution.upper_kusd - solution.lower_kusd) + (other.upper_kusd - other.lower_kusd)
    assert abs(solution.upper_kusd - other.upper_kusd) <= slack + 1e-6 * abs(other.upper_kusd)
    point, master = solution.point, solution.master
    decided = {
        var.name: round(point[j]) if master.integer[j] else float(point[j])
        for j, var in enumerate(master.columns)
        if not var.name.startswith("cost[")
    }
    fixed = whole.solve(fixed=decided, gap=0.0)
    blocks = sum(value.cost_usd / 1000.0 for value in solution.values.values())
    assert sum(fixed.operating_kusd.values()) == pytest.approx(blocks, rel=1e-7)


# --- a counted fabric -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(make_case: Make) -> tuple[Case, Solution, Plan]:
    case = make_case(GROWS)
    return case, *planned(case)


def test_the_top_layer_grows_in_the_published_steps(grown: tuple[Case, Solution, Plan]) -> None:
    """DGX SuperPOD B300 XDR: 16 leaf and 8 spine switches for two units, 32 and 18 for four."""
    _, _, plan = grown
    for day, count, spines in (("2028-02-01", 2, 8), ("2028-05-01", 4, 18)):
        assert (units(plan, FABRIC, day), units(plan, TOP, day)) == (count, spines)
        bill = plan.details["network"].set_index(["period", "item", "rule"])["count"]
        start = pd.Timestamp(day).date()
        assert bill[start, "nvidia_q3400_ra_switch", "leaf"] == 8 * count
        assert bill[start, "nvidia_q3400_ra_switch", "top layer"] == spines
        assert bill[start, "cable_fibre", "node to leaf"] == 576 * count
        assert bill[start, "cable_fibre", "leaf to spine"] == 576 * count


def test_the_fabric_and_its_whole_model_agree(grown: tuple[Case, Solution, Plan]) -> None:
    case, solution, _ = grown
    agree(case, solution)


def test_the_bill_is_what_is_ordered_paid_and_drawn(grown: tuple[Case, Solution, Plan]) -> None:
    case, _, plan = grown
    last = plan.details["network"][lambda frame: frame["period"] == frame["period"].max()]
    bill = float((last["count"] * last["unit_price_usd"]).sum())
    ledger = plan.ledger
    paid = ledger.loc[ledger["item"].isin([FABRIC, TOP]) & (ledger["line"] == "IT equipment"), "usd"].sum()
    assert bill == pytest.approx(float(paid), rel=1e-9)
    assert float(last["price_fraction"].sum()) == pytest.approx(1.0)
    # 32 racks of 142 kW, four units, 18 spines of 2.2 kW
    fit_out = plan.stages[(plan.stages["position"] == "fit_out")]["design_load"].max()
    assert fit_out == pytest.approx(32 * 0.142 + float(last["power_mw"].sum()), rel=1e-9)
    # 12 m2 a rack, and for each unit three network racks and four management racks of 3 m2
    floor = plan.stages[(plan.stages["position"] == "white_space")]["design_load"].max()
    assert floor == pytest.approx(32 * 12 + 4 * 7 * 3)
    assert case.catalog[FABRIC].get("gpu_ports") == 576


def test_goodput_stands_beside_the_gross_figure(grown: tuple[Case, Solution, Plan]) -> None:
    """2,304 GPUs are 288 nodes: M = 1 / (288 x .00379) d = 21.99 h, tau = 20.97 min, ETTR = .9803."""
    _, _, plan = grown
    said = plan.summary["goodput"]
    assert said["gpus_gross"] == 2304
    assert said["hours_between_failures"] == pytest.approx(24 / (288 * 0.00379))
    assert said["checkpoint_interval_minutes"] == pytest.approx(20.97, abs=0.01)
    assert said["effective_time_fraction"] == pytest.approx(0.9803, abs=1e-4)
    assert said["gpus_effective"] == pytest.approx(2304 * said["effective_time_fraction"])
    assert said["spare_nodes_by_quantile"] == 6  # mean 288 x .00379 x 2 = 2.18: P(X <= 5) = .977, P(X <= 6) = .993


def test_the_compute_detail_by_hand(grown: tuple[Case, Solution, Plan]) -> None:
    """32 GB300 racks: 72 GPUs, 36 CPUs, 1,080 / 360 / 180 PFLOPS, 20.7 TB, 142 kW, 155 kW at peak."""
    _, _, plan = grown
    row = plan.details["compute"].iloc[-1]
    want = {"units": 32, "gpus": 2304, "cpus": 1152, "pflops_fp4": 34_560, "pflops_fp8": 11_520, "pflops_bf16": 5_760}
    want |= {"hbm_tb": 662.4, "design_mw": 4.544, "average_mw": 4.544 * 0.85, "peak_mw": 4.96, "net_gpus": 2304}
    assert {name: row[name] for name in want} == pytest.approx(want)


@pytest.mark.parametrize("table", ["network", "compute", "orders", "summary"])
def test_the_audit_sees_what_was_changed(grown: tuple[Case, Solution, Plan], table: str) -> None:
    case, _, plan = grown
    details = {name: frame.copy() for name, frame in plan.details.items()}
    if table == "network":
        details["network"].loc[0, "count"] += 1
        false = replace(plan, details=details)
    elif table == "compute":
        details["compute"].loc[0, "hbm_tb"] *= 1.01
        false = replace(plan, details=details)
    elif table == "orders":  # one spine fewer, and nobody paid for it
        orders = plan.orders.copy()
        row = orders.index[orders["item"] == TOP][0]
        orders.loc[row, "units"] -= 1
        false = replace(plan, orders=orders)
    else:
        summary = {**plan.summary, "goodput": {**plan.summary["goodput"], "gpus_effective": 2304.0}}
        false = replace(plan, summary=summary)
    failed = {check.name for check in audit(false, case) if not check.ok}
    wanted = {
        "network": "network table",
        "compute": "compute table",
        "orders": "network bill paid",
        "summary": "goodput",
    }
    assert wanted[table] in failed


def test_less_network_costs_less(make_case: Make, grown: tuple[Case, Solution, Plan]) -> None:
    """Oversubscription and fewer networks take parts out of the bill and nothing else."""
    _, solution, _ = grown
    thin = solve(make_case(GROWS, {"network": {"oversubscription": 2.0}}), gap=GAP, threads=1)
    bare = solve(make_case(GROWS, {"network": {"storage": "none"}}), gap=GAP, threads=1)
    assert thin.upper_kusd < solution.lower_kusd
    assert bare.upper_kusd < solution.lower_kusd


def test_spares_by_quantile_are_bought(make_case: Make) -> None:
    """720 GPUs are 90 nodes, .68 in repair on average: P(X <= 3) = .995. 3 / 90 more is 744 GPUs, 11 racks for 10."""
    auto = {"workload": GROWS["workload"], "spares": {"racks_fraction": "auto"}}
    _, plan = planned(make_case(auto))
    assert units(plan, GB300) == 11
    assert plan.summary["goodput"]["gpus_net"] == pytest.approx(792 / (1 + 3 / 90))


# --- nodes in racks, mixed fleets -------------------------------------------------------------------------


def test_a_mixed_fleet_of_racks_and_nodes(make_case: Make) -> None:
    """Five racks are all the vendor has: 360 GPUs, and 45 nodes for the other 360. 4 nodes a rack: 12 racks."""
    case = make_case(
        {"candidates": {"compute": [GB300, B300]}, "supply": {GB300: {"2028Q1": 5}}},
        {"network": {"fabric": FABRIC}},
    )
    solution, plan = planned(case)
    assert (units(plan, GB300), units(plan, B300), units(plan, "server_rack_generic")) == (5, 45, 12)
    assert units(plan, FABRIC) == 2  # 720 ports
    rows = plan.details["compute"].set_index("item")
    assert rows.loc[GB300, "pflops_bf16"] == 5 * 180
    assert rows.loc[B300, "pflops_bf16"] == 45 * 18
    agree(case, solution)


def test_several_kinds_of_racks(make_case: Make) -> None:
    """A rack of 30 kW takes 1 node of 15.4 kW, a generic one 4. 45 nodes: 11 generic racks and 1 small, cheap one."""
    small = {
        "id": "small_rack",
        "family": "enclosure",
        "class": "own_rack",
        "vendor": "own",
        "model": "own",
        "status": "available",
        "brings": ["rack_space"],
        "consumes": ["white_space"],
        "price_usd": 2500,
        "it_power_kw": 30,
        "rack_units": 48,
        "rack_power_max_kw": 30,
        "footprint_m2": 0.7,
        "lead_time_weeks": 10,
        "installation_weeks": 1,
        "installation_fraction": 0.2,
        "economic_life_years": 15,
        "payment_order_fraction": 0.2,
        "payment_delivery_fraction": 0.8,
    }
    racks = {"candidates": {"compute": [B300], "enclosure": ["server_rack_generic", "small_rack"]}}
    case = make_case(racks, {"target": {"milestones": [{"gpus": 360, "by": "2028-05-01"}]}}, items=[small])
    solution, plan = planned(case)
    # 12 generic racks of 6,000 $ cost more than 11 and a small one; each generic rack fewer costs four small ones.
    assert (units(plan, "server_rack_generic"), units(plan, "small_rack")) == (11, 1)
    agree(case, solution)


# --- what changes downstream with the rack model ----------------------------------------------------------


def load(plan: Plan, position: str) -> float:
    rows = plan.stages[plan.stages["position"] == position]
    return float(rows["design_load"].max()) if len(rows) else 0.0


def test_another_rack_model_changes_everything_downstream(make_case: Make) -> None:
    """2,880 GPUs, five generic fabric units of 75 kW: 40 racks of 142 kW, .9 to liquid, or 360 nodes of 15.4 kW in air.

    Ratings: rack PDU 34.5 kW and busway 1 MW, both A + B; UPS 1.25, switchboard 2.5 MW; CDU 1 MW, N+1 in groups of
    16 racks; air unit .25 MW; losses .005 / .004 / .0232 (and .0075 of the rating without load) / .001.
    """
    asked = {"target": {"milestones": [{"gpus": 2880, "by": "2028-05-01"}]}}
    _, liquid = planned(make_case(asked))
    _, air = planned(make_case(asked, {"candidates": {"compute": [B300]}}))

    # IT and network: 40 x .142 = 5.68, 360 x .0154 = 5.544; 5 x .075
    assert (load(liquid, "fit_out"), load(air, "fit_out")) == pytest.approx((6.055, 5.919))
    # Nodes: min(48 / 10, 66 / 15.4) = 4 in a rack, 360 / 4 = 90; the NVL72 is a rack of its own
    assert (units(liquid, "server_rack_generic"), units(air, "server_rack_generic")) == (0, 90)
    # Rack PDUs: none, or 5,544 / 34.5 = 160.7 pairs
    assert (units(liquid, "rack_pdu_generic"), units(air, "rack_pdu_generic")) == (0, 2 * 161)
    # Busways: 6.055 MW are 7 pairs; 5.544 x 1.005 + .375 = 5.947 MW are 6
    assert (units(liquid, "busway_generic"), units(air, "busway_generic")) == (14, 12)
    # CDUs: 5.112 MW of liquid; 16 racks of 127.8 kW are 2.045 MW on 3 units, .682 each: 8 units, 3 groups, 3 spares
    assert load(liquid, "cdu") == pytest.approx(5.112)
    assert (units(liquid, "cdu_generic"), units(air, "cdu_generic")) == (11, 0)
    # UPS: busway x 1.004, pumps 11 x 10.1 kW, fans 5 or 25 x 14.3 kW
    ups = (6.055 * 1.004 + 0.1111 + 0.0715, 5.94672 * 1.004 + 25 * 0.0143)
    # Air: .568 + .375 of racks and network, or all of them, and every loss in the room: 1.169 and 6.174 MW
    lost = [
        0.004 * through + 0.0232 * at + 6 * 1.25 * 0.0075 for through, at in zip((6.055, 5.94672), ups, strict=True)
    ]
    in_air = (0.568 + 0.375 + lost[0], 5.544 * 1.005 + 0.375 + lost[1])
    assert (load(liquid, "air_unit"), load(air, "air_unit")) == pytest.approx(in_air)
    assert (units(liquid, "air_unit_generic"), units(air, "air_unit_generic")) == (5, 25)
    assert (load(liquid, "ups"), load(air, "ups")) == pytest.approx(ups)
    assert (units(liquid, "ups_generic"), units(air, "ups_generic")) == (6, 6)
    board = [at * 1.0232 + 6 * 1.25 * 0.0075 for at in ups]
    assert (load(liquid, "lv_switchboard"), load(air, "lv_switchboard")) == pytest.approx(board)
    # Heat: all of it goes out, by the loop it came in, with that of the pumps and fans that move it
    heat = [[load(plan, f"heat_rejection:{loop}") for loop in ("liquid", "air")] for plan in (liquid, air)]
    moved = [[5.112 + 0.1111, in_air[0] + 0.0715], [0.0, in_air[1] + 25 * 0.0143]]
    assert heat == [pytest.approx(loops) for loops in moved]
    # Transformers: switchboards x 1.001 and the chillers' power at design, of 2,500 kVA at the site's power factor
    for plan, at in zip((liquid, air), board, strict=True):
        chillers = load(plan, "mv_lv_transformer") - at * 1.001
        assert 0.1 * sum(heat[0]) < chillers < 0.5 * sum(heat[0])  # COP of 2 to 10 on the hottest day
        assert units(plan, "mv_padmount_transformer") == math.ceil(load(plan, "mv_lv_transformer") / (2.5 * 0.95))
    # The air loop runs at 22 C, the liquid one at 35 C: the same heat takes more power to reject, and more chillers.
    assert load(air, "mv_lv_transformer") > load(liquid, "mv_lv_transformer")


# --- other fabrics ----------------------------------------------------------------------------------------

DRAWN: dict[str, tuple[dict[str, Any], ...]] = {
    "ethernet, two planes, earliest": ({"network": {"fabric": "spectrum_x_rail_optimised"}, "objective": "earliest"},),
    "three tiers, most GPUs": (
        {"network": {"fabric": "ndr_rail_optimised", "gpus": 4096}, "objective": "{max_gpus: 2028-05-01}"},
        {"supply": {GB300: {"2028Q1": 9}}},
    ),
    "oversubscribed, PFLOPS of two kinds": (
        {"network": {"fabric": FABRIC, "oversubscription": 3.0, "front_end": "none"}},
        {"target": {"milestones": [{"pflops": 6000, "precision": "fp8", "by": "2028-05-01"}]}},
        {"candidates": {"compute": [GB300, "intel_gaudi3_platform"]}, "supply": {GB300: {"2028Q1": 16}}},
    ),
    "small fabrics side by side, MW": (
        {"network": {"fabric": "ndr_rail_optimised", "cluster_gpus": 512}},
        {"target": {"milestones": [{"it_mw": 1.0, "by": "2028-03-01"}, {"it_mw": 2.5, "by": "2028-05-01"}]}},
    ),
    "committed, counted units": (
        {"network": {"fabric": FABRIC}},
        {
            "committed": [
                {"item": FABRIC, "units": 1, "on_site": "2027-03-01"},
                {"item": TOP, "units": 4, "on_site": "2027-03-01"},
            ]
        },
    ),
    "committed generic units first": (
        {"network": {"fabric": FABRIC}},
        {"committed": [{"item": "fabric_unit_576", "units": 1, "on_site": "2027-03-01"}]},
    ),
}


@pytest.mark.parametrize("name", list(DRAWN))
def test_other_fabrics_agree_with_the_whole_model(make_case: Make, name: str) -> None:
    case = make_case(*DRAWN[name])
    solution, plan = planned(case)
    assert case.fabric is not None
    assert units(plan, case.fabric.top) >= case.fabric.top_switches(round(units(plan, case.fabric.unit)))
    agree(case, solution)
    if name == "committed, counted units":  # two units and eight spines, half of them bought before
        assert (units(plan, case.fabric.unit), units(plan, case.fabric.top)) == (2, 8)
        assert plan.orders.set_index("item").loc[[FABRIC, TOP], "units"].tolist() == [1, 4]
    if name.startswith("committed generic"):  # 720 GPUs: 576 ports stand, one unit and its four spines for the rest
        assert (units(plan, case.fabric.unit), units(plan, case.fabric.top)) == (1, 4)


def test_a_plan_read_back_is_audited_the_same(grown: tuple[Case, Solution, Plan], tmp_path: Path) -> None:
    case, _, plan = grown
    write_plan(plan, tmp_path / "plan")
    back = read_plan(tmp_path / "plan")
    assert set(back.details) >= {"compute", "network"}
    assert [check.message for check in audit(back, case) if not check.ok] == []
