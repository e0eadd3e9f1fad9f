"""The catalogs that come with the planner: complete, consistent, and right where arithmetic can tell."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from planner.case.catalog import Catalog, default_catalog_folder, read_catalog
from planner.case.item import STAGES
from planner.case.offers import refusal

BTU_PER_KWH = 3412.14
# Classes whose generic item has no rating on purpose: nothing may inherit a GPU price.
PLANNING_ONLY = {"rack_scale_generic", "gpu_server_generic"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    read, faults = read_catalog(default_catalog_folder())
    assert not faults, "\n".join(str(f) for f in faults)
    return read


def test_there_are_enough_items(catalog: Catalog) -> None:
    assert len(catalog.items) >= 100
    assert sum(item.sizeable for item in catalog.items) >= 60


def test_every_stage_can_be_brought_and_every_consumed_stage_has_a_bringer(catalog: Catalog) -> None:
    brought = {stage for item in catalog.items if item.sizeable for stage in item.brings}
    # The top layer of a fabric is an item of the case, made when its fabric is counted.
    assert brought == set(STAGES) - {"network_top_layer"}


def test_every_class_has_one_generic_item_that_is_sizeable_itself(catalog: Catalog) -> None:
    generics = Counter(item.item_class for item in catalog.items if item.generic)
    assert set(generics.values()) == {1}
    assert {item.item_class for item in catalog.items if item.sizeable} <= set(generics)
    incomplete = {item.id for item in catalog.items if item.generic and not item.sizeable}
    assert incomplete == PLANNING_ONLY


def test_power_and_cooling_items_carry_what_their_physics_needs(catalog: Catalog) -> None:
    for item in catalog.items:
        if not item.sizeable:
            continue
        if item.family == "power":
            losses = (item.loss_no_load_fraction, item.loss_proportional_fraction, item.loss_square_fraction)
            assert any(losses), item.id
        if "heat_rejection" in item.brings:
            assert item.fan_power_fraction, item.id
            assert item.approach_k or item.condenser_approach_k, item.id
        if item.item_class.startswith("chiller"):
            assert item.carnot_efficiency_fraction, item.id
        if "cdu" in item.brings:
            assert item.approach_k, item.id
        if item.family == "generation":
            assert item.fuel, item.id
            assert item.permit_class, item.id
            assert item.availability_fraction, item.id
            assert item.nox_kg_per_mwh, f"{item.id}: an air permit needs it"


def test_the_parts_of_every_fabric_design_are_in_the_catalog(catalog: Catalog) -> None:
    designs = [item for item in catalog.items if item.fabric is not None]
    assert len(designs) >= 4
    for item in designs:
        design = item.fabric
        assert design is not None
        sides = [catalog[name].side_network for name in (design.front_end, design.storage, design.management)]
        assert all(sides), item.id
        names = [design.switch, design.transceiver, design.node_transceiver, design.cable, design.nic, design.scale_up]
        names += [design.network_rack, design.management_rack]
        for side in sides:
            assert side is not None
            names += [side.switch, side.cable, *filter(None, (side.transceiver, side.node_transceiver))]
        for name in names:
            assert catalog[name].price_usd is not None, name
            assert catalog[name].design_power_kw is not None, name
            assert catalog[name].lead_time_weeks is not None, name


def test_an_idle_item_draws_less_than_a_busy_one(catalog: Catalog) -> None:
    for item in catalog.items:
        if item.family == "compute" and item.sizeable:
            assert 0 < item.get("idle_power_kw") < item.get("average_power_kw"), item.id


def test_payments_do_not_exceed_the_price(catalog: Catalog) -> None:
    for item in catalog.items:
        assert item.get("payment_order_fraction", 0) + item.get("payment_delivery_fraction", 0) <= 1.0 + 1e-9, item.id


@pytest.mark.parametrize("item_id", ["tesla_dojo_d1_tile", "tesla_dojo_exapod", "tesla_megapack_1", "nvidia_dgx_h100"])
def test_discontinued_products_are_refused(catalog: Catalog, item_id: str) -> None:
    rule, _ = refusal(catalog.entries[item_id]) or ("", "")
    assert "discontinued" in rule


@pytest.mark.parametrize("item_id", ["tesla_ai5", "tesla_ai6", "tesla_megapod"])
def test_announced_names_without_a_specification_are_refused_for_their_rating(catalog: Catalog, item_id: str) -> None:
    rule, _ = refusal(catalog.entries[item_id]) or ("", "")
    assert "a rating" in rule
    assert not catalog[item_id].figures(), "nothing may be invented or inherited"


def test_an_inference_figure_is_not_taken_for_a_dense_one(catalog: Catalog) -> None:
    # 10 / 15 / 35 PFLOPS dense FP4 per package; the sparse or inference figures are 20 / 20 / 50.
    for item_id, per_gpu in (
        ("nvidia_gb200_nvl72", 10),
        ("nvidia_gb300_nvl72", 15),
        ("nvidia_vera_rubin_nvl72", 35),
    ):
        item = catalog[item_id]
        assert item.get("pflops_fp4") == pytest.approx(per_gpu * item.get("gpus"))


def test_every_build_of_a_rack_performs_as_the_original(catalog: Catalog) -> None:
    for kind in ("gb200", "gb300"):
        original = catalog[f"nvidia_{kind}_nvl72"]
        builds = [i for i in catalog.items if i.item_class == "rack_scale_compute" and kind in i.id]
        assert len(builds) >= 4
        for build in builds:
            for name in ("gpus", "pflops_fp4", "pflops_fp8", "pflops_bf16", "hbm_gb"):
                assert build.get(name) == original.get(name), (build.id, name)


def test_average_design_and_peak_power_are_in_order(catalog: Catalog) -> None:
    for item in catalog.items:
        if item.average_power_kw and item.design_power_kw:
            assert item.average_power_kw.planning <= item.design_power_kw.planning, item.id
        if item.peak_power_kw and item.design_power_kw:
            assert item.peak_power_kw.planning >= item.design_kw, item.id


def test_a_megablock_is_four_megapack_3(catalog: Catalog) -> None:
    for hours in (2, 4):
        block, pack = catalog[f"tesla_megablock_{hours}h"], catalog[f"tesla_megapack_3_{hours}h"]
        for name in ("nameplate_power_mw", "nameplate_energy_mwh"):
            assert block.get(name) == pytest.approx(4 * pack.get(name), rel=0.01)
        # A transformer stands between the pack's terminals and the block's.
        assert block.get("round_trip_efficiency_fraction") < pack.get("round_trip_efficiency_fraction")


def test_batteries_hold_the_hours_they_are_named_after(catalog: Catalog) -> None:
    for item in catalog.items:
        named = re.search(r"_(\d)h$", item.id)
        if item.family == "battery" and named:
            assert item.get("nameplate_energy_mwh") / item.get("nameplate_power_mw") == pytest.approx(
                int(named[1]), rel=0.005
            ), item.id


def test_heat_rates_agree_with_published_efficiencies(catalog: Catalog) -> None:
    published = {
        "jenbacher_j620": 0.447,
        "jenbacher_j920": 0.487,
        "wartsila_50sg": 0.5,
        "ge_lm2500xpress": 0.395,
        "solar_titan_130": 0.3543,
        "solar_titan_350": 0.402,
        "cat_c175_20": 0.42,
    }
    for item_id, efficiency in published.items():
        assert catalog[item_id].get("heat_rate_btu_per_kwh_lhv") == pytest.approx(BTU_PER_KWH / efficiency, rel=0.005)
    fuel_cell = catalog["bloom_es65"]
    assert fuel_cell.heat_rate_btu_per_kwh_lhv is None
    assert fuel_cell.get("heat_rate_btu_per_kwh_hhv") == pytest.approx(1.108 * BTU_PER_KWH / 0.59, rel=0.01)


def test_ups_losses_give_the_published_efficiency(catalog: Catalog) -> None:
    # The quoted double-conversion efficiency is the best one, at a = c x load^2.
    for item_id, efficiency in (
        ("schneider_galaxy_vx", 0.959),
        ("vertiv_exl_s1", 0.97),
        ("ups_generic", 0.975),
    ):
        item = catalog[item_id]
        a, c = item.get("loss_no_load_fraction"), item.get("loss_square_fraction")
        load = (a / c) ** 0.5
        assert load / (load + a + c * load**2) == pytest.approx(efficiency, abs=0.002)


def test_inheritance_shows_where_a_price_comes_from(catalog: Catalog) -> None:
    own = catalog["tesla_megapack_2xl_4h"].price_usd
    assert own is not None
    assert not own.inherited_from
    taken = catalog["huawei_ups5000_h"].price_usd
    generic = catalog["ups_generic"]
    assert taken is not None
    assert (taken.inherited_from, taken.basis) == ("ups_generic", "inherited")
    assert taken.planning == pytest.approx(generic.get("price_usd") * 1600 / generic.get("rating_kw"))


def test_a_lineup_costs_and_loses_the_sum_of_its_parts(catalog: Catalog) -> None:
    lineup, ups = catalog["power_lineup_3mva"], catalog["ups_generic"]
    transformer, board = catalog["mv_padmount_transformer_3mva"], catalog["lv_switchboard_generic"]
    parts = transformer.get("price_usd") + sum(i.get("price_usd") * 3000 / i.get("rating_kw") for i in (ups, board))
    assert lineup.get("price_usd") == pytest.approx(parts)
    for name in ("loss_no_load_fraction", "loss_square_fraction"):
        assert lineup.get(name) == pytest.approx(ups.get(name) + transformer.get(name))


def test_generic_equipment_adds_up_to_a_plausible_project_cost(catalog: Catalog) -> None:
    """100 MW of IT, 125 MW of facility, a 4-hour battery for a quarter of it: inside the market's 8-18 M$/MW."""

    def installed(item_id: str, capacity: float, spare: float = 1.0) -> float:
        item = catalog[item_id]
        assert item.rating is not None
        return item.get("price_usd") * (1 + item.get("installation_fraction")) * capacity / item.rating[0] * spare

    it, facility = 100_000, 125_000
    direct = (
        installed("hall_stick_built", it)
        + installed("fit_out_generic", it)
        + installed("busway_generic", it, 2.0)
        + installed("ups_generic", 1.1 * it, 1.25)
        + installed("lv_switchboard_generic", facility, 1.25)
        + installed("mv_padmount_transformer", facility / 0.95, 1.25)
        + installed("mv_switchgear_generic", facility, 1.25)
        + installed("power_transformer_161kv_100mva", 300_000)
        + installed("hv_substation_bay_161kv", 300_000)
        + installed("cdu_generic", it, 1.2)
        + installed("air_unit_generic", 0.17 * it, 1.25)
        + installed("dry_cooler_adiabatic", 1.05 * it, 1.2)
        + installed("diesel_genset_3mw", facility, 1.1)
        + installed("tesla_megapack_2xl_4h", 0.25 * facility)
    )
    per_mw = direct * (1 + 0.18 + 0.10) / 100 / 1e6
    assert 11 < per_mw < 16
