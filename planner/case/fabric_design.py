"""Network fabrics as they are designed: what a catalog says of one, and the counts that follow from it.

A scalable unit is a stretch of racks or nodes with leaf switches of its own. Rails: each GPU of a node is on a rail,
and a rail has leaf switches of its own, alike, that share its GPUs evenly. Planes: every port is split over so many
separate fabrics, and a switch has so many times more, slower ports. Every link of a switch is spread evenly over the
switches above, so their number divides the links a switch has upwards.

    leaf     rails x planes x n a unit, n the smallest divisor of a rail's GPUs that leaves room for uplinks
    two tiers    spines: smallest divisor of a leaf's uplinks whose ports take all uplinks
    three tiers  spines a unit in the same way; a core group for each spine of a unit, its cores again in the same way

These rules give every count published for DGX SuperPOD B200 (NDR), B300 (Spectrum-X) and B300 (XDR).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from planner.case.base import Finite, NonNegative, Positive, PositiveCount, Rule, Strict

TOP = "_top_layer"  # ends the id of the top layer's item
Oversubscription = Annotated[Finite, Field(ge=1, le=64)]  # bandwidth to nodes over bandwidth upwards


class FabricDesign(Strict):
    """The scale-out fabric between GPUs, with the networks beside it. Names are those of catalog items."""

    gpus_per_unit: PositiveCount
    rails: PositiveCount
    planes: PositiveCount = 1
    port_gbps: Positive  # of a port, all planes together
    oversubscription: Oversubscription = 1.0
    switch: str  # leaf, spine and core alike
    transceiver: str  # at a switch
    ports_per_transceiver: PositiveCount = 2
    node_transceiver: str
    cable: str
    nic: str  # for racks or nodes that come without
    scale_up: str  # the fabric inside a rack or node, for one GPU of those that come without
    front_end: str
    storage: str
    management: str
    network_rack: str
    management_rack: str
    management_racks_per_unit: PositiveCount


class SideNetwork(Strict):
    """Front-end, storage or management network of a unit."""

    switch: str
    port_split: PositiveCount = 1  # ports of this network that one port of the switch makes
    ports_per_gpu: Positive  # to racks or nodes
    other_ports_fraction: NonNegative = 0.0  # of those: storage, services and management servers
    least_switches: PositiveCount = 2  # every node reaches two
    oversubscription: Oversubscription | None = None  # None: no tier above; uplinks go to the front end
    transceiver: str | None = None  # at a switch; None: copper with plugs of its own
    ports_per_transceiver: PositiveCount = 1
    node_transceiver: str | None = None  # at the far end of each port
    cable: str


class Network(Strict):
    """The fabric of a case, in place of the generic unit: a catalog item with a fabric design."""

    fabric: str
    gpus: PositiveCount | None = None  # laid out for, which decides on tiers; None: what the milestones ask for
    cluster_gpus: PositiveCount | None = None  # most on one fabric; None: as many as its tiers can join
    oversubscription: Oversubscription | None = None  # None: the design's
    front_end: str | None = None  # items; None: the design's, "none": not counted
    storage: str | None = None
    management: str | None = None


@dataclass(frozen=True)
class Layers:
    """Counts of one scalable unit, all planes together. A cable carries every plane of a port."""

    gpus: int
    planes: int
    radix: int  # ports of a switch in one plane
    leaves: int
    uplinks: int  # of a leaf
    spines: int  # of a unit in three tiers
    spine_uplinks: int

    @property
    def leaf_cables(self) -> int:
        """Leaf to spine."""
        return self.leaves * self.uplinks // self.planes

    @property
    def core_cables(self) -> int:
        """Spine to core, in three tiers."""
        return self.spines * self.spine_uplinks // self.planes

    def top_switches(self, units: int, tiers: int) -> int | None:
        """Spines of two tiers, or cores of three, that join so many units; None where they cannot."""
        if tiers == 2:
            return self._above(self.leaves * units, self.uplinks, 1)
        return self._above(self.spines * units, self.spine_uplinks, self.spines // self.planes)

    def _above(self, switches: int, uplinks: int, groups: int) -> int | None:
        ports = switches // self.planes * uplinks
        each = least_divisor(uplinks, ports / (groups * self.radix))
        return None if each is None else each * groups * self.planes

    def most_units(self, tiers: int) -> int:
        """Units that so many tiers can join."""
        units = 0
        while self.top_switches(units + 1, tiers) is not None:
            units += 1
        return units


def layers_of(design: FabricDesign, switch_ports: int, oversubscription: float) -> Layers:
    """Counts of a design with a switch of so many ports; a Rule is raised where it cannot be built."""
    if switch_ports < 2:
        raise Rule("its switch has no switch_ports", "complete the item in a catalog of your own", ("switch",))
    if design.gpus_per_unit % design.rails:
        rule = f"has {design.gpus_per_unit} GPUs a unit, no multiple of its {design.rails} rails"
        raise Rule(rule, "correct the two", ("gpus_per_unit",))
    radix, on_rail = switch_ports * design.planes, design.gpus_per_unit // design.rails
    room = math.floor(radix * oversubscription / (1.0 + oversubscription) + 1e-9)
    on_each = least_divisor(on_rail, on_rail / max(room, 1))
    assert on_each is not None  # a leaf for every GPU always does
    uplinks = math.ceil(on_rail // on_each / oversubscription - 1e-9)
    leaves = design.rails * on_each
    spines = least_divisor(uplinks, leaves * uplinks / (radix // 2))
    if spines is None:
        remedy = "choose a switch with more ports, or another number of rails"
        raise Rule(f"has {leaves} leaves a unit, more than {uplinks} uplinks can reach", remedy, ("rails",))
    return Layers(
        design.gpus_per_unit,
        design.planes,
        radix,
        leaves * design.planes,
        uplinks,
        spines * design.planes,
        leaves * uplinks // spines,
    )


def least_divisor(number: int, at_least: float) -> int | None:
    """Smallest divisor of a number that is no less than a value; None where there is none.

    >>> least_divisor(72, 16), least_divisor(32, 2), least_divisor(32, 33)
    (18, 2, None)
    """
    return next((d for d in range(1, number + 1) if number % d == 0 and d >= at_least - 1e-9), None)


@dataclass(frozen=True)
class SideCounts:
    """A side network of one unit."""

    ports: int  # to nodes and servers
    switches: int  # both tiers
    uplinks: int  # cables between its tiers
    transceivers: int  # at switches


def side_counts(side: SideNetwork, gpus: int, switch_ports: int) -> SideCounts:
    """Switches, cables and transceivers of a side network of a unit."""
    ports = math.ceil(gpus * side.ports_per_gpu * (1.0 + side.other_ports_fraction) - 1e-9)
    radix, over = switch_ports * side.port_split, side.oversubscription
    down = radix if over is None else math.floor(radix * over / (1.0 + over) + 1e-9)
    leaves = max(side.least_switches, math.ceil(ports / max(down, 1) - 1e-9))
    uplinks = 0 if over is None else leaves * math.ceil(ports / leaves / over - 1e-9)
    spines = math.ceil(uplinks / radix - 1e-9)
    return SideCounts(ports, leaves + spines, uplinks, math.ceil((ports + 2 * uplinks) / side.ports_per_transceiver))
