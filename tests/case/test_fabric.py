"""Counts of network fabrics against what is published, and what a case may say of its network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from planner.audit.network import recounted
from planner.case.case import Case
from planner.case.catalog import Catalog, load_catalog
from planner.case.fabric_design import Layers, SideNetwork, layers_of, side_counts
from planner.errors import InputError

Make = Callable[..., Case]
# (GPUs, leaf, spine, core, cables node-leaf, leaf-spine, spine-core) by scalable units:
# NVIDIA DGX SuperPOD Reference Architecture, DGX B200 (Quantum-2 NDR).
NDR = {
    2: (512, 16, 8, 0, 512, 512, 0),
    4: (1024, 32, 16, 0, 1024, 1024, 0),
    8: (2048, 64, 32, 0, 2048, 2048, 0),
    16: (4096, 128, 128, 64, 4096, 4096, 4096),
    64: (16384, 512, 512, 256, 16384, 16384, 16384),
}
# DGX B300 with Spectrum-X (SN5600).
SPECTRUM = {
    1: (512, 16, 8, 0, 512, 512, 0),
    2: (1024, 32, 16, 0, 1024, 1024, 0),
    4: (2048, 64, 32, 0, 2048, 2048, 0),
    8: (4096, 128, 64, 0, 4096, 4096, 0),
    16: (8192, 256, 128, 0, 8192, 8192, 0),
}
# DGX B300 with Quantum-X800 XDR (Q3400); 10,368 GPUs in 18 units, as its own cable count has it.
XDR = {
    1: (576, 8, 4, 0, 576, 576, 0),
    2: (1152, 16, 8, 0, 1152, 1152, 0),
    4: (2304, 32, 18, 0, 2304, 2304, 0),
    8: (4608, 64, 36, 0, 4608, 4608, 0),
    18: (10368, 144, 72, 0, 10368, 10368, 0),
}
PUBLISHED = {"ndr_rail_optimised": NDR, "spectrum_x_rail_optimised": SPECTRUM, "xdr_rail_optimised": XDR}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def layers(catalog: Catalog, name: str, oversubscription: float = 1.0) -> Layers:
    design = catalog[name].fabric
    assert design is not None
    return layers_of(design, round(catalog[design.switch].get("switch_ports")), oversubscription)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_counts_are_those_of_the_reference_architecture(catalog: Catalog, name: str) -> None:
    count = layers(catalog, name)
    for units, (gpus, leaf, spine, core, to_leaf, to_spine, to_core) in PUBLISHED[name].items():
        tiers = 3 if core else 2
        top = count.top_switches(units, tiers)
        spines = count.spines * units if core else top
        got = (count.gpus * units, count.leaves * units, spines, top if core else 0)
        assert got == (gpus, leaf, spine, core), units
        cables = (count.gpus * units, count.leaf_cables * units, count.core_cables * units if core else 0)
        assert cables == (to_leaf, to_spine, to_core), units


def test_tiers_reach_as_far_as_published(catalog: Catalog) -> None:
    """B200: three tiers from 16 units on, 64 units at most; B300: 16 and 18 units in two tiers."""
    reach = {name: [layers(catalog, name).most_units(tiers) for tiers in (2, 3)] for name in PUBLISHED}
    assert reach["ndr_rail_optimised"] == [8, 64]
    assert reach["spectrum_x_rail_optimised"][0] == 16
    assert reach["xdr_rail_optimised"][0] == 18


def test_oversubscription_thins_what_is_above_the_leaves(catalog: Catalog) -> None:
    """2:1: a leaf of 72 GPUs has 36 uplinks; 8 x 36 links fill two spines of 144 ports."""
    count = layers(catalog, "xdr_rail_optimised", 2.0)
    assert (count.leaves, count.uplinks, count.leaf_cables, count.top_switches(1, 2)) == (8, 36, 288, 2)
    tops = [layers(catalog, "xdr_rail_optimised", over).top_switches(8, 2) for over in (1.0, 1.5, 2.0, 4.0)]
    assert all(a is not None and b is not None and a >= b for a, b in pairwise(tops))


def test_leaves_of_a_rail_share_its_gpus_evenly(catalog: Catalog) -> None:
    """Eight NVL72 racks on four rails of 144 GPUs: a 64-port leaf takes at most 32, and 6 leaves take 24 each."""
    count = layers(catalog, "ndr_rack_scale")
    assert (count.leaves, count.uplinks) == (24, 24)
    assert count.top_switches(1, 2) == 12  # 576 links need 9 spines; 24 uplinks spread evenly over 12
    assert count.top_switches(3, 2) is None  # 27 spines, more than the uplinks of a leaf
    assert count.top_switches(16, 3) == 144  # 9,216 links into 64 ports, the most the architecture documents


def test_side_network_by_hand() -> None:
    """144 ports to nodes and 36 more; 128 ports of which 96 face down at 3:1: two leaves of 90, 30 uplinks each."""
    side = SideNetwork(
        switch="s",
        port_split=2,
        ports_per_gpu=0.25,
        other_ports_fraction=0.25,
        oversubscription=3.0,
        transceiver="t",
        ports_per_transceiver=2,
        cable="c",
    )
    counts = side_counts(side, 576, 64)
    assert (counts.ports, counts.switches, counts.uplinks) == (180, 3, 60)
    assert counts.transceivers == 150  # (180 + 2 x 60) / 2
    flat = side_counts(SideNetwork(switch="s", ports_per_gpu=0.375, least_switches=1, cable="c"), 576, 48)
    assert (flat.ports, flat.switches, flat.uplinks) == (216, 5, 0)


# --- cases ------------------------------------------------------------------------------------------------


GB200 = {"candidates": {"compute": ["nvidia_gb200_nvl72"]}}


def network(**fields: Any) -> dict[str, Any]:
    return {"network": {"fabric": "xdr_rail_optimised", **fields}}


def bill(case: Case) -> dict[tuple[str, str], int]:
    assert case.fabric is not None
    return {(line.item.id, line.rule): line.count for line in case.fabric.unit_bill}


def test_the_bill_of_a_unit_by_hand(make_case: Make) -> None:
    """XDR: 576 links down, 576 up; a twin-port transceiver for two of 576 + 2 x 576 switch ports."""
    case = make_case(network())
    got = bill(case)
    assert got["nvidia_q3400_ra_switch", "leaf"] == 8
    assert got["transceiver_1600g_twin_port", "switch ports"] == 864
    assert got["transceiver_800g", "node ports"] == 576
    assert got["cable_fibre", "node to leaf"] == got["cable_fibre", "leaf to spine"] == 576
    # Height: 8 leaves and, for 10 units, 7.2 spines a unit of 4 U; 8 switches of 2 U beside and 5 of 1 U: 85 U.
    # Power: 8 x 2.2 + 864 x .03 + 8 x .94 + (150 + 252) x .017 + 5 x .15 + 8 x 2.2 = 76.2 kW, racks of 30 kW.
    assert got["network_rack", "height and power of its switches"] == 3
    assert not any(rule in ("spine", "spine to core", "not in the rack or node") for _, rule in got)
    unit = case.catalog["xdr_rail_optimised"]
    compute_fabric = 8 * 130_000 + 864 * 1_800 + 576 * 800 + 1152 * 120
    front_end = 3 * 90_000 + 150 * 800 + 180 * 500 + 240 * 120
    storage = 5 * 90_000 + 252 * 800 + 216 * 500 + 360 * 120
    management = 5 * 6_000 + 238 * 10 + 4 * 100_000
    assert unit.get("price_usd") == pytest.approx(compute_fabric + front_end + storage + management + 3 * 6_000)
    assert unit.design_kw == pytest.approx(76.2 - 8 * 2.2 + 4 * 8, abs=0.05)  # with four management racks
    assert unit.get("planning_area_m2") == 7 * 3
    assert unit.get("lead_time_weeks") == 20  # of the longest, the fabric's switches


def test_power_and_price_lie_in_the_bands_of_planning_ratios(make_case: Make) -> None:
    """Switches and optics .055 to .11 kW/GPU, all networks .07 to .25; optics 1.2 to 2.4, switches .8 to 1.4 M$/MW.

    Planning ratios of NVIDIA switch data and a campus cost note; a unit of 576 GPUs is 1.2 MW.
    """
    case = make_case(network())
    assert case.fabric is not None
    top = case.catalog[case.fabric.top]
    unit = case.catalog["xdr_rail_optimised"]
    fabric_kw = sum(
        line.count * line.item.design_kw for line in case.fabric.unit_bill if line.rule in ("leaf", "switch ports")
    )
    assert 0.055 < (fabric_kw + 4 * top.design_kw) / 576 < 0.11
    assert 0.07 < (unit.design_kw + 4 * top.design_kw) / 576 < 0.25
    optics = sum(
        line.count * line.item.get("price_usd")
        for line in case.fabric.unit_bill
        if line.rule in ("switch ports", "node ports")
    )
    assert 1.2e6 < optics / 1.2 < 2.4e6
    assert 0.8e6 < 12 * 130_000 / 1.2 < 1.4e6


def test_a_gb200_unit_draws_the_published_power(make_case: Make) -> None:
    """DGX SuperPOD GB200: 8 racks, 576 GPUs, 1,200 kW a unit. 8 x 132 kW and the network come to within 5 % of it."""
    case = make_case(GB200, {"network": {"fabric": "ndr_rack_scale"}})
    assert case.fabric is not None
    rack = case.catalog["nvidia_gb200_nvl72"]
    assert case.fabric.layers.gpus == 8 * rack.get("gpus") == 576
    network_kw = case.catalog[case.fabric.unit].design_kw + 12 * case.catalog[case.fabric.top].design_kw
    assert 8 * rack.design_kw + network_kw == pytest.approx(1200, rel=0.05)


BARE: dict[str, Any] = {
    "id": "bare_rack",
    "family": "compute",
    "class": "rack_scale_compute",
    "vendor": "own",
    "model": "own",
    "status": "available",
    "consumes": ["white_space", "fit_out", "network", "busway", "cdu", "air_unit"],
    "price_usd": 3.5e6,
    "gpus": 72,
    "design_power_kw": 142,
    "average_power_kw": 120,
    "heat_to_liquid_fraction": 0.9,
    "footprint_m2": 0.64,
}


def test_nothing_in_a_racks_price_is_counted_twice(make_case: Make) -> None:
    """A rack sold without NICs and NVLink brings both into the bill: 576 x (1,130 + 5,556) $ more, no more watts."""
    whole = make_case(network())
    prices = {}
    for held in ([], ["nics"], ["scale_up", "nics"], ["scale_up", "nics", "transceivers"]):
        case = make_case(network(), {"candidates": {"compute": ["bare_rack"]}}, items=[BARE | {"includes": held}])
        unit = case.catalog["xdr_rail_optimised"]
        prices[len(held)] = unit.get("price_usd")
        assert unit.design_kw == pytest.approx(whole.catalog["xdr_rail_optimised"].design_kw)
    assert prices[2] == pytest.approx(whole.catalog["xdr_rail_optimised"].get("price_usd"))
    assert prices[0] - prices[2] == pytest.approx(576 * (1130 + 5556))
    assert prices[1] - prices[2] == pytest.approx(576 * 5556)
    assert prices[2] - prices[3] == pytest.approx(576 * 800)


def test_a_cheaper_or_leaner_part_shows_in_the_unit(make_case: Make) -> None:
    """864 twin-port transceivers: 300 $ less each, and 20 instead of 30 W."""
    better = [f"catalog.transceiver_1600g_twin_port.{text}" for text in ("price_usd=1500", "design_power_kw=0.02")]
    units = [make_case(network(), set=changes).catalog["xdr_rail_optimised"] for changes in ((), better)]
    assert units[0].get("price_usd") - units[1].get("price_usd") == pytest.approx(864 * 300)
    assert units[0].design_kw - units[1].design_kw == pytest.approx(864 * 0.01)


def test_three_tiers_where_two_do_not_reach(make_case: Make) -> None:
    """20,000 GPUs are 35 units: cores in 8 groups of 18, the least that divide 72 and take 35 x 72 links into 144."""
    case = make_case(network(gpus=20_000))
    assert case.fabric is not None
    assert case.fabric.tiers == 3
    assert bill(case)["nvidia_q3400_ra_switch", "spine"] == 8
    assert bill(case)["cable_fibre", "spine to core"] == 576
    assert bill(case)["transceiver_1600g_twin_port", "switch ports"] == (576 + 2 * 576 + 2 * 576) / 2
    assert case.fabric.top_switches(35) == 8 * 18
    assert case.fabric.steps(5) == [(2, 8), (4, 16), (5, 24)]


def test_fabrics_side_by_side(make_case: Make) -> None:
    """40 units in fabrics of 18: twice 72 spines, and 4 units with 18."""
    case = make_case(network(gpus=23_040, cluster_gpus=10_368))
    assert case.fabric is not None
    assert (case.fabric.tiers, case.fabric.cluster_units) == (2, 18)
    assert case.fabric.top_switches(40) == 2 * 72 + 18


@pytest.mark.parametrize(
    ("milestone", "units"),
    [
        ({"gpus": 10_368}, 18),
        ({"gpus": 10_369}, 19),
        ({"it_mw": 20.448}, 18),  # 144 racks of 142 kW
        ({"pflops": 51_840, "precision": "fp8"}, 18),  # 144 racks of 360
        ({"pflops": 52_200, "precision": "fp8"}, 19),
    ],
)
def test_a_fabric_is_laid_out_for_what_milestones_ask(make_case: Make, milestone: dict[str, Any], units: int) -> None:
    case = make_case(network(), {"target": {"milestones": [{"by": "2028-05-01", **milestone}]}})
    assert case.fabric is not None
    assert case.fabric.tiers == (2 if units <= 18 else 3)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gpus": 20_000},
        {"gpus": 90_000},
        {"gpus": 23_040, "cluster_gpus": 10_368, "oversubscription": 2.0},
        {"fabric": "spectrum_x_rail_optimised", "gpus": 9_000, "storage": "none"},
        {"fabric": "ndr_rail_optimised", "gpus": 4_096, "oversubscription": 1.5},
        {"fabric": "ndr_rack_scale", "gpus": 9_216, "front_end": "none", "management": "none"},
    ],
)
def test_the_audit_counts_the_same_in_its_own_way(make_case: Make, changes: dict[str, Any]) -> None:
    case = make_case(network(**changes))
    assert case.fabric is not None
    count = recounted(case)
    assert (count.tiers, count.together) == (case.fabric.tiers, case.fabric.cluster_units)
    assert count.bill() == bill(case)
    assert [count.top(n) for n in range(200)] == [case.fabric.top_switches(n) for n in range(200)]


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"network": {"fabric": "xdr_rail_optimized"}}, "network.fabric", "unknown item"),
        ({"network": {"fabric": "fabric_unit_576"}}, "network.fabric", "is no fabric"),
        (
            {"network": {"fabric": "xdr_rail_optimised", "storage": "cdu_generic"}},
            "network.storage",
            "is no side network",
        ),
        ({"candidates": {"network": ["xdr_rail_optimised"]}}, "candidates.network[0]", "is a fabric design"),
        ({**network(), "candidates": {"network": ["fabric_unit_576"]}}, "network", "names a network already"),
        ({**network(), "redundancy": {"network": "none"}}, "network", "no network is built"),
        (
            {**network(), "objective": "{max_gpus: 2028-05-01}", "budget": [{"by": "2028-05-01", "usd": 1e9}]},
            "network",
            "",
        ),
        ({"network": {"fabric": "xdr_rail_optimised", "oversubscription": 0.5}}, "network.oversubscription", ""),
        ({"spares": {"racks_fraction": "auto"}}, "spares.racks_fraction", "auto needs workload.goodput"),
    ],
)
def test_what_a_network_may_not_say(make_case: Make, changes: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(InputError) as caught:
        make_case(changes)
    assert any(fault.field == field and rule in fault.rule for fault in caught.value.faults), str(caught.value)


def test_a_fabric_slower_than_the_nics_is_said(make_case: Make) -> None:
    """GB300 has 800 Gb/s a GPU, GB200 400: on an NDR fabric of 400 the first is told, the second is not."""
    slow = make_case({"network": {"fabric": "ndr_rack_scale"}})
    assert any("NICs of 800 Gb/s" in text for text in slow.warnings)
    for case in (make_case(network()), make_case({"network": {"fabric": "ndr_rack_scale"}}, GB200)):
        assert not any("Gb/s" in text for text in case.warnings)


OWN_FABRIC: dict[str, Any] = {
    "id": "own_fabric",
    "family": "network",
    "class": "network_fabric",
    "vendor": "own",
    "model": "own",
    "status": "available",
    "brings": ["network"],
    "consumes": ["white_space", "fit_out", "busway", "air_unit"],
}
OWN_DESIGN: dict[str, Any] = {
    "gpus_per_unit": 576,
    "rails": 8,
    "port_gbps": 800.0,
    "switch": "nvidia_q3400_ra_switch",
    "transceiver": "transceiver_1600g_twin_port",
    "node_transceiver": "transceiver_800g",
    "cable": "cable_fibre",
    "nic": "nic_scale_out",
    "scale_up": "scale_up_per_gpu",
    "front_end": "front_end_400g",
    "storage": "storage_400g",
    "management": "management_1g",
    "network_rack": "network_rack",
    "management_rack": "management_rack",
    "management_racks_per_unit": 4,
}


@pytest.mark.parametrize(
    ("design", "item", "rule"),
    [
        ({"rails": 7}, {}, "has 576 GPUs a unit, no multiple of its 7 rails"),
        ({"switch": "network_rack"}, {}, "its switch has no switch_ports"),
        ({"switch": "management_switch_48_port", "rails": 16}, {}, "32 leaves a unit, more than 18 uplinks can reach"),
        ({"cable": "rope"}, {}, "its component rope lacks the item"),
        ({"nic": "nvidia_q3450_ld"}, {}, "its component nvidia_q3450_ld lacks"),
        ({"storage": "cable_fibre"}, {}, "is no side network"),
        ({}, {"price_usd": 1e6}, "follows from the fabric design"),
    ],
)
def test_designs_that_cannot_be_counted(
    make_case: Make, design: dict[str, Any], item: dict[str, Any], rule: str
) -> None:
    own = OWN_FABRIC | {"fabric": OWN_DESIGN | design} | item
    chosen: dict[str, Any] = {"network": {"fabric": "own_fabric"}}
    items = [own]
    if "nic" in design:  # a rack without NICs, so that they are counted
        items.append(BARE | {"includes": ["scale_up"]})
        chosen["candidates"] = {"compute": ["bare_rack"]}
    with pytest.raises(InputError) as caught:
        make_case(chosen, items=items)
    assert any(rule in fault.rule for fault in caught.value.faults), str(caught.value)


def test_a_design_of_ones_own_counts_like_the_catalogs(make_case: Make) -> None:
    own = make_case({"network": {"fabric": "own_fabric"}}, items=[OWN_FABRIC | {"fabric": OWN_DESIGN}])
    assert bill(own) == bill(make_case(network()))


def test_items_that_include_different_parts_are_refused(make_case: Make) -> None:
    odd = {
        "id": "odd_rack",
        "family": "compute",
        "class": "rack_scale_compute",
        "vendor": "own",
        "model": "own",
        "status": "available",
        "includes": ["scale_up"],
        "consumes": ["network", "busway", "cdu"],
        "price_usd": 3e6,
        "gpus": 72,
        "design_power_kw": 142,
        "average_power_kw": 120,
        "heat_to_liquid_fraction": 0.9,
        "footprint_m2": 0.64,
    }
    both = {"candidates": {"compute": ["nvidia_gb300_nvl72", "odd_rack"]}}
    with pytest.raises(InputError, match="include different parts"):
        make_case(network(), both, items=[odd])
    assert make_case(both, items=[odd]).fabric is None  # without a counted fabric nobody asks
