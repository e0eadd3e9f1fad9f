"""Cooling by temperature: formulas against published figures, and plans that buy chillers only where they must.

Published figures, as collected in the catalog's sources: lift model of air-cooled chillers (COP = 0.55 T_evap / lift,
20 and 30 degC water), dry cooler and CDU approaches (BAC; OCP), air share of a GB200 rack (GB200 design study).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.audit.audit import audit, require
from planner.case.case import Case
from planner.errors import InfeasibleError
from planner.families.cooling import chiller_cop, loop_supply_c, performance
from planner.plan.plan import Plan, read_plan, write_plan
from planner.sizing.precheck import precheck
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from planner.solve.stopping import Stop

Make = Callable[..., Case]


@pytest.mark.parametrize(
    ("ambient", "water", "cop"),
    [
        *((20, 20, 9.9), (25, 20, 7.6), (30, 20, 6.1), (35, 20, 5.1), (40, 20, 4.4), (45, 20, 3.9)),
        *((35, 30, 7.8), (40, 30, 6.3), (45, 30, 5.3)),
    ],
)
def test_chiller_cop_against_the_published_lift_model(ambient: float, water: float, cop: float) -> None:
    assert float(chiller_cop(water, ambient + 12.0, 0.55)) == pytest.approx(cop, abs=0.06)


@pytest.mark.parametrize(("coolant", "dry_bulb"), [(30, 16.5), (32, 18.5), (40, 26.5), (45, 31.5)])
def test_chiller_free_up_to_a_dry_bulb(make_case: Make, coolant: float, dry_bulb: float) -> None:
    """Facility water is 4.5 K below the coolant, and air 9 K below the water: 30 - 4.5 - 9 = 16.5, and so on."""
    case = make_case({"cooling": {"coolant_supply_c": coolant, "cdu_approach_k": 4.5}})
    supply = loop_supply_c(case, "liquid")
    assert supply == pytest.approx(coolant - 4.5)
    air = np.array([dry_bulb - 0.01, dry_bulb + 0.01])
    chiller = case.catalog["chiller_air_cooled_free_cooling"]  # 9 K
    _, power, _ = performance(chiller, supply, air, air)
    fans = chiller.get("fan_power_fraction")
    assert power[0] == pytest.approx(fans)  # no compressor
    assert power[1] > fans
    nine = make_case(set=["catalog.dry_cooler.approach_k=9"]).catalog["dry_cooler"]
    capacity, _, water = performance(nine, supply, air, air)
    assert capacity[0] == 1.0
    assert capacity[1] == pytest.approx(1.0 - 0.01 / 9.0)
    assert not water.any()


def test_dry_operation_of_a_warm_rack_holds_to_33_degc(make_case: Make) -> None:
    """45 degC at the rack, 4 K in the CDU, 8 K in the cooler: full to 33 degC, nothing at 41; pads reach further."""
    case = make_case(set=["catalog.dry_cooler.approach_k=8", "catalog.dry_cooler_adiabatic.approach_k=8"])
    air, wet = np.array([33.0, 37.0, 41.0]), np.full(3, 20.0)
    dry, _, _ = performance(case.catalog["dry_cooler"], 41.0, air, wet)
    assert dry == pytest.approx([1.0, 0.5, 0.0])
    pads, _, water = performance(case.catalog["dry_cooler_adiabatic"], 41.0, air, wet)  # 41 - 0.7 x 21 = 26.3
    assert pads == pytest.approx([1.0, 1.0, 1.0])
    assert water == pytest.approx([0.0, 1.0, 1.0])  # they run where dry air falls short


def test_a_tower_follows_the_wet_bulb_and_always_evaporates(make_case: Make) -> None:
    tower = make_case().catalog["cooling_tower"]
    capacity, _, water = performance(tower, 26.0, np.full(3, 40.0), np.array([21.6, 23.8, 26.0]))  # 4.4 K
    assert capacity == pytest.approx([1.0, 0.5, 0.0])
    assert (water == 1.48).all()


def planned(case: Case) -> Plan:
    plan = plan_of(solve(case, gap=1e-3, stop=Stop(time_limit_s=100)))
    require(plan, case)
    return plan


def bought(plan: Plan) -> dict[str, str]:
    return {row.position: row.item for row in plan.orders.itertuples() if row.position.startswith("heat_rejection")}


def mild(folder: Path) -> dict[str, Any]:
    """A site of 30 degC at most: a mild year, and the extreme the sizing is for."""
    source = Path(__file__).parents[2] / "examples/memphis/weather_normals.csv"
    head, *rows = [line for line in source.read_text().splitlines() if line and not line.startswith("#")]
    names = head.split(",")
    cooler = []
    for row in rows:
        values = dict(zip(names, row.split(","), strict=True))
        for name in names:
            if name.endswith("_c"):
                values[name] = f"{0.5 * float(values[name]) + 4:.1f}"
        cooler.append(",".join(values.values()))
    path = folder / "normals.csv"
    path.write_text("\n".join([head, *cooler]) + "\n")
    ambient = {"dry_bulb_c": 28, "wet_bulb_c": 17, "extreme_dry_bulb_c": 30}
    return {"site": {"weather": {"tmy3": None, "monthly_normals": str(path)}, "design_ambient": ambient}}


def test_warm_coolant_under_a_mild_maximum_buys_no_chiller(make_case: Make, tmp_path: Path) -> None:
    """45 degC less 4 K of CDU and 8.3 K of cooler is 32.7, above 30; at 30 degC it is 17.7, and chillers must help.

    The residual air heat at 22 degC goes to a tower: wet bulb 17 and 4.4 K.
    """
    site = mild(tmp_path)
    offered = {"candidates": {"heat_rejection": ["dry_cooler", "cooling_tower", "chiller_air_cooled"]}}
    plan = planned(make_case(site, offered, {"cooling": {"coolant_supply_c": 45}}))
    assert not [item for item in plan.summary["units"] if "chiller" in item]
    assert bought(plan)["heat_rejection:air"] == "cooling_tower"
    dry_only = {"candidates": {"heat_rejection": ["dry_cooler", "chiller_air_cooled"]}}
    warm = planned(make_case(site, dry_only, {"cooling": {"coolant_supply_c": 45}}))
    cold = planned(make_case(site, dry_only, {"cooling": {"coolant_supply_c": 30}}))
    assert bought(warm)["heat_rejection:liquid"] == "dry_cooler"
    assert bought(cold)["heat_rejection:liquid"] == "chiller_air_cooled"
    assert warm.summary["key_results"]["annual_pue"] < cold.summary["key_results"]["annual_pue"]


def test_air_units_are_bought_for_what_cold_plates_leave(make_case: Make) -> None:
    """GB200: 13 % of 132 kW is 17.16 kW a rack; and where cold plates take all, network and losses are left."""
    for rack, left in (("nvidia_gb200_nvl72", 0.01716), ("nvidia_vera_rubin_nvl72", 0.0)):
        case = make_case({"candidates": {"compute": [rack]}})
        plan = planned(case)
        stages = plan.stages[plan.stages.period == plan.stages.period.max()].set_index("position").design_load
        racks = plan.summary["units"][rack]
        assert stages["air_unit"] - racks * left > 0.05  # network and losses in the room
        assert stages["air_unit"] - racks * left < 0.2 * racks * case.catalog[rack].design_kw / 1000.0
        assert plan.summary["units"]["air_unit_generic"] >= 1


def test_fans_of_published_air_units(make_case: Make) -> None:
    catalog = make_case().catalog
    for item, share in (("vertiv_pw170", 13.5 / 233), ("vertiv_fa096hc", 19.5 / 351.7)):
        unit = catalog[item]
        assert unit.get("auxiliary_power_kw") / unit.get("cooling_capacity_kw") == pytest.approx(share)
        assert 0.04 <= share <= 0.07


@pytest.fixture(scope="module")
def towers(make_case: Make) -> tuple[Plan, Case]:
    case = make_case(
        {
            "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 32},
            "candidates": {"heat_rejection": ["cooling_tower"]},
        }
    )
    return planned(case), case


def test_wue_of_towers_and_of_a_closed_loop(towers: tuple[Plan, Case], make_case: Make) -> None:
    """All heat of the site at 1.97 L/kWh over the energy of IT: published 1.0 to 5.0, typical 1.8. Dry: none."""
    plan, _ = towers
    year = plan.dispatch[plan.dispatch.phase == "operating year"]
    heat = float((year.weight_h * (year.liquid_heat_mw + year.air_heat_mw)).sum())
    it = float((year.weight_h * year.it_mw).sum())
    key = plan.summary["key_results"]
    assert key["annual_wue_l_per_kwh"] == pytest.approx(1.48 * 4 / 3 * heat / it)
    assert 1.97 < key["annual_wue_l_per_kwh"] < 2.2
    assert key["water_m3_per_year"] == pytest.approx(1.48 * 4 / 3 * heat)
    assert "annual_wue_l_per_kwh" not in planned(make_case()).summary["key_results"]


def test_the_cooling_table_adds_up(towers: tuple[Plan, Case], tmp_path: Path) -> None:
    plan, case = towers
    table = plan.details["cooling"]
    last = table.iloc[-1]
    assert last.liquid_heat_to_cooling_tower_mwh == pytest.approx(last.liquid_heat_mwh)
    assert last.mean_pue == pytest.approx(plan.summary["key_results"]["annual_pue"])
    assert last.peak_pue == pytest.approx(plan.summary["key_results"]["peak_pue"])
    assert last.peak_day_m3 == pytest.approx(plan.summary["key_results"]["peak_day_m3"])
    # A group of 16 racks has 3 units and a spare; 10 of them take 2: 10 x 127.8 kW on 2 MW, 10 x 177 L/min on 3,000.
    racks = plan.summary["units"]["nvidia_gb300_nvl72"]
    assert last.cdu_heat_loading_fraction == pytest.approx(racks * 0.1278 / 2)
    assert last.cdu_flow_loading_fraction == pytest.approx(racks * 177 / 3000)
    write_plan(plan, tmp_path / "plan")
    back = read_plan(tmp_path / "plan")
    assert not [check for check in audit(back, case) if not check.ok]


@pytest.mark.parametrize("column", ["liquid_heat_mwh", "mean_pue", "makeup_m3", "wue_l_per_kwh"])
def test_the_audit_re_adds_the_cooling_table(towers: tuple[Plan, Case], column: str) -> None:
    plan, case = towers
    table = plan.details["cooling"].copy()
    table.loc[len(table) - 1, column] *= 1.001
    changed = Plan(plan.summary, *(plan.table(name) for name in TABLES_IN_ORDER), details={"cooling": table})
    assert "cooling table" in {check.name for check in audit(changed, case) if not check.ok}


TABLES_IN_ORDER = ("orders", "installed", "stages", "capacity", "dispatch", "ledger")


def test_water_no_candidate_delivers_is_named(make_case: Make) -> None:
    """30 degC coolant is 26 degC water; dry coolers of 8.3 K at 39.5 degC have 5 % of their rating at 39.5 + .415."""
    case = make_case(
        {"cooling": {"coolant_supply_c": 30}, "candidates": {"heat_rejection": ["dry_cooler"]}},
        set=["catalog.dry_cooler.approach_k=8.3"],
    )
    with pytest.raises(InfeasibleError) as caught:
        precheck(case)
    words = str(caught.value)
    assert "no candidate delivers 26 degC at 39.5 degC outside (coldest water: dry_cooler 40.0): short by 14 K" in words
    assert "inf" not in words
