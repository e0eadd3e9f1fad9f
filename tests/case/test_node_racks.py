"""Whole nodes in a rack, by its height and by its power."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.audit.node_racks import whole_nodes
from planner.case.case import Case
from planner.case.catalog import Catalog, load_catalog
from planner.case.node_racks import nodes_per_rack
from planner.errors import InputError

Make = Callable[..., Case]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize(
    ("node", "nodes"),
    [  # rack of 48 U and 66 kW; a node counts with the high end of its design power
        ("nvidia_dgx_h200", 6),  # 48 / 8 = 6, 66 / 10.2 = 6.5
        ("nvidia_dgx_b200", 4),  # 48 / 10 = 4.8, 66 / 14.3 = 4.6
        ("nvidia_dgx_b300", 4),  # 4.8, 66 / 15.4 = 4.3: four systems, as NVIDIA racks them
        ("amd_mi355x_platform", 3),  # 48 / 5 = 9.6, 66 / 17 = 3.9
        ("intel_gaudi3_platform", 5),  # 48 / 8 = 6, 66 / 12 = 5.5
        ("nvidia_hgx_rubin_nvl8", 2),  # 48 / 2 = 24, 66 / 24 = 2.75
    ],
)
def test_whole_nodes_by_hand(catalog: Catalog, node: str, nodes: int) -> None:
    rack = catalog["server_rack_generic"]
    assert nodes_per_rack(catalog[node], rack) == nodes
    assert whole_nodes(catalog[node], rack) == nodes


def test_a_rack_that_is_exactly_full_holds_its_last_node(make_case: Make) -> None:
    """42.9 kW are three nodes of 14.3 kW, though 42.9 / 14.3 is a little less than 3 in binary."""
    assert 42.9 / 14.3 < 3
    case = make_case(
        {"candidates": {"compute": ["nvidia_dgx_b200"]}}, set=["catalog.server_rack_generic.rack_power_max_kw=42.9"]
    )
    rack, node = case.catalog["server_rack_generic"], case.catalog["nvidia_dgx_b200"]
    assert nodes_per_rack(node, rack) == whole_nodes(node, rack) == 3


def test_a_node_that_fits_no_rack_is_refused(make_case: Make) -> None:
    weak = ["catalog.server_rack_generic.rack_power_max_kw=15"]
    with pytest.raises(
        InputError, match=r"nvidia_dgx_b300.*fits in no rack_space.*takes no node of its height and 15 kW"
    ):
        make_case({"candidates": {"compute": ["nvidia_dgx_b300"]}}, set=weak)
