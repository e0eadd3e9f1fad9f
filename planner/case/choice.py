"""Which items a plan may choose from, and the redundancy of every stage; gaps are filled by defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.case.base import suggest
from planner.case.catalog import Catalog
from planner.case.fabric_design import TOP
from planner.case.item import STAGES, Item
from planner.case.marks import Path_
from planner.case.offers import is_orderable, refusal
from planner.case.reader import Reader
from planner.case.schema import CaseInput, Redundancy
from planner.case.site_limits import height_fault
from planner.case.standby import standby_policy
from planner.timeline import Timeline

FAMILIES = ("compute", "network", "enclosure", "power", "cooling", "generation", "renewable", "battery")
# The item a stage takes when the case names none and says other_stages: class_defaults.
CLASS_DEFAULTS: dict[str, str] = {
    "white_space": "hall_stick_built",
    "fit_out": "fit_out_generic",
    "rack_space": "server_rack_generic",
    "network": "fabric_unit_576",
    "rack_pdu": "rack_pdu_generic",
    "busway": "busway_generic",
    "ups": "ups_generic",
    "lv_switchboard": "lv_switchboard_generic",
    "mv_lv_transformer": "mv_padmount_transformer",
    "mv_switchgear": "mv_switchgear_generic",
    "main_transformer": "power_transformer_161kv_100mva",
    "hv_substation": "hv_substation_bay_161kv",
    "cdu": "cdu_generic",
    "air_unit": "air_unit_generic",
    "heat_rejection": "chiller_air_cooled",
    "standby_generation": "diesel_genset_3mw",
    "battery_transformer": "mv_padmount_transformer",
}

# Redundancy where the case is silent [engineering judgement]; printed in the plan.
DEFAULT_REDUNDANCY: dict[str, Redundancy | None] = {
    "busway": Redundancy(scheme="2N"),  # A + B feeds
    "rack_pdu": Redundancy(scheme="2N"),
    "main_transformer": Redundancy(scheme="N+1", group="substation"),
    "hv_substation": Redundancy(scheme="N+1", group="substation"),
    "cdu": Redundancy(scheme="N+1", group_racks=16),
    "heat_rejection": Redundancy(scheme="N+1", group_mw=25),
    "onsite_generation": Redundancy(scheme="N+1"),
    "standby_generation": None,
}
FOR_ALL_COMPUTE = ("busway", "ups", "lv_switchboard", "mv_lv_transformer", "mv_switchgear", "heat_rejection")
LINEUP_STAGES = ("ups", "lv_switchboard", "mv_lv_transformer")
# Roles of `candidates` and the families (or stages) their items must have.
ROLES: dict[str, tuple[str, ...]] = {
    "compute": ("compute",),
    "network": ("network",),
    "enclosure": ("enclosure",),
    "power": ("power",),
    "cooling": ("cooling",),
    "heat_rejection": ("cooling",),
    "generation": ("generation",),
    "bridge_power": ("generation",),
    "standby_generation": ("generation",),
    "renewable": ("renewable",),
    "battery": ("battery",),
}


class Chooser:
    """Candidates of one case; faults go to the reader."""

    def __init__(self, reader: Reader, given: CaseInput, catalog: Catalog, timeline: Timeline) -> None:
        self.reader, self.given, self.catalog, self.timeline = reader, given, catalog, timeline
        self.by_stage: dict[str, list[str]] = {}
        self.defaults: list[str] = []

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Stage or role -> items that may be bought."""
        for role in ROLES:
            for i, name in enumerate(getattr(self.given.candidates, role)):
                if name == "all":
                    for item in self._all_of(role):
                        self._add(role, item)
                elif (chosen := self._candidate(role, name, ("candidates", role, i))) is not None:
                    self._add(role, chosen)
        fabric = self.given.network.fabric if self.given.network is not None else ""
        if fabric in self.catalog and self.catalog[fabric].fabric is not None:
            self.by_stage |= {"network": [fabric], "network_top_layer": [fabric + TOP]}
        self._committed()
        self._existing()
        if self.reader.sound(("candidates",), ("redundancy",), ("committed",), ("existing",)):
            self._fill_defaults()
        self._lives()
        if self.given.target.milestones and not self.by_stage.get("compute"):
            names = self.given.candidates.compute
            if not names or names == ["all"]:
                path = ("candidates", "compute")
                self.reader.fault(path, None, "milestones need compute", "name at least one compute item")
        self._unused()
        return {stage: tuple(dict.fromkeys(names)) for stage, names in self.by_stage.items()}

    def redundancy(self) -> dict[str, Redundancy | None]:
        """Scheme of every stage the case or a default speaks of; None: the stage is not built."""
        given = self.given
        result = dict(DEFAULT_REDUNDANCY)
        for stage, scheme in DEFAULT_REDUNDANCY.items():
            stands = self.by_stage.get("generation" if stage == "onsite_generation" else stage)
            if stands and stage not in given.redundancy and scheme is not None:
                self.defaults.append(f"redundancy of {stage}: {scheme.scheme}")
        if "power_lineup" in given.redundancy:
            result |= dict.fromkeys(LINEUP_STAGES, given.redundancy["power_lineup"])
        result |= {k: v for k, v in given.redundancy.items() if k != "power_lineup"}
        if "standby_generation" in given.redundancy:
            result["standby_generation"] = standby_policy(given)
        self.defaults += self._idle(result)
        return result

    def _idle(self, redundancy: Mapping[str, Redundancy | None]) -> list[str]:
        """What stands or is bought for stages this case does not build."""
        known = [self.catalog[name] for name in self.given.owned if name in self.catalog]
        idle = [i.id for i in known if i.brings and all(redundancy.get(stage, "") is None for stage in i.brings)]
        return [f"{name}: stands idle, for redundancy says that none of its stages is built" for name in idle]

    def _item(self, item_id: str, path: Path_, *, bought: bool = False) -> Item | None:
        """An item that may be used; None and a fault otherwise. What is bought may be discontinued since."""
        chosen = self.given.network
        if chosen is not None and item_id in self.catalog and item_id in (chosen.fabric, chosen.fabric + TOP):
            return self.catalog[item_id]  # counted later
        if item_id not in self.catalog:
            if item_id not in self.catalog.broken:
                remedy = suggest(item_id, self.catalog.entries, "see planner catalog list")
                self.reader.fault(path, item_id, "unknown item", remedy)
            return None
        refused = refusal(self.catalog.entries[item_id])
        if refused and not (
            bought and self.catalog[item_id].status == "discontinued" and not self.catalog[item_id].missing
        ):
            self.reader.fault(path, item_id, *refused)
            return None
        return self.catalog[item_id]

    def _candidate(self, role: str, name: str, path: Path_) -> Item | None:
        item = self._item(name, path)
        if item is None:
            return None
        rule = remedy = ""
        last = self.timeline.starts[-1]
        if item.family not in ROLES[role] or (role == "heat_rejection" and role not in item.brings):
            right = "cooling" if item.family == "cooling" else item.family
            rule = f"is in family {item.family}, not a candidate for {role}"
            remedy = f"move it to candidates.{right}"
        elif item.tenure == "rented" and role == "standby_generation":
            rule = "is rented: what is rented only to stand by is not planned"
            remedy = "move it to bridge_power; redundancy.standby_generation.from_bridge lets it stand by"
        elif item.permit_class == "emergency" and role in ("generation", "bridge_power"):
            rule = "has an emergency permit: it may not bridge or shave peaks"
            remedy = "move it to standby_generation"
        elif item.orderable_from is not None and item.orderable_from > last:
            if self.reader.sound(("start",), ("horizon",)):
                rule = f"cannot be ordered before {item.orderable_from}, after the build ({last})"
                remedy = "remove it or lengthen the build"
        elif too_high := height_fault(item, self.given.site.height_limit_m):
            rule, remedy = too_high
        elif item.fuel is not None and item.permit_class != "emergency":
            self._fuel(item, path)
        if rule:
            self.reader.fault(path, name, rule, remedy)
            return None
        return item

    def _fuel(self, item: Item, path: Path_) -> None:
        """Fuel without a price would burn for nothing."""
        field = f"{item.fuel}_usd_per_mmbtu_hhv"
        fuel = ("site", "fuel", field)
        if getattr(self.given.site.fuel, field) is None and self.reader.sound(fuel):
            self.reader.fault(fuel, None, f"is required: {item.id} burns {item.fuel}", f"write {field} under site.fuel")

    def _all_of(self, role: str) -> list[Item]:
        last = self.timeline.starts[-1]
        return [
            item
            for item in self.catalog.items
            if item.family in ROLES[role]
            and is_orderable(item, last)
            and height_fault(item, self.given.site.height_limit_m) is None
            and (item.tenure == "owned" or role == "bridge_power")
            and (role != "heat_rejection" or "heat_rejection" in item.brings)
            and (role not in ("generation", "bridge_power") or item.permit_class != "emergency")
            and (role != "standby_generation" or item.permit_class == "emergency")
        ]

    def _add(self, role: str, item: Item) -> None:
        stages: Iterable[str] = item.brings
        if role in ("compute", "standby_generation", "battery", "renewable"):
            stages = [role, *(s for s in item.brings if s in STAGES and role == "compute")]
        elif role in ("generation", "bridge_power"):
            stages = ["generation"]
        for stage in stages:
            self.by_stage.setdefault(stage, []).append(item.id)

    def _committed(self) -> None:
        for i, row in enumerate(self.given.committed):
            item = self._item(row.item, ("committed", i, "item"), bought=True)
            if item is None:
                continue
            if item.orderable_from is not None and row.on_site < item.orderable_from:
                rule = f"{row.item} cannot be ordered before {item.orderable_from}"
                self.reader.fault(("committed", i, "on_site"), row.on_site, rule, "correct the date")
            if too_high := height_fault(item, self.given.site.height_limit_m):
                self.reader.fault(("committed", i, "item"), row.item, *too_high)
            if item.fuel is not None and item.permit_class != "emergency":
                self._fuel(item, ("committed", i, "item"))
            for stage in [item.family] if item.family == "compute" else item.brings:
                self.by_stage.setdefault(stage, [])

    def _existing(self) -> None:
        for i, row in enumerate(self.given.existing):
            item = self._item(row.item, ("existing", i, "item"), bought=True)
            if item is None:
                continue
            if item.fuel is not None and item.permit_class != "emergency":
                self._fuel(item, ("existing", i, "item"))
            for stage in [item.family] if item.family == "compute" else item.brings:
                self.by_stage.setdefault(stage, [])

    def _lives(self) -> None:
        for family in self.given.finance.economic_life_years:
            if family not in FAMILIES:
                remedy = suggest(family, FAMILIES, "write one of " + ", ".join(FAMILIES))
                path = ("finance", "economic_life_years", family)
                self.reader.fault(path, family, "unknown family", remedy)

    def _unused(self) -> None:
        """Supply and order multiples of items no stage may buy are faults: nothing is accepted and then ignored."""
        offered = {name for names in self.by_stage.values() for name in names}
        unclear = any(fault.field.startswith("candidates") for fault in self.reader.faults)
        for field in ("supply", "order_multiples"):
            for name in getattr(self.given, field):
                if name in offered:
                    continue
                item = self._item(name, (field, name))
                if item is not None and not unclear:
                    remedy = "add it to candidates, or remove the row"
                    self.reader.fault((field, name), name, "is no candidate, so the row would do nothing", remedy)

    def _fill_defaults(self) -> None:
        """Items for stages the case names none for; a fault when it wants no defaults."""
        given, catalog = self.given, self.catalog
        rows = [name for name in given.owned if name in catalog]
        committed_stages = {stage for item_id in rows for stage in catalog[item_id].brings}
        for stage in self._needed_stages():
            offered = [n for n in self.by_stage.get(stage, ()) if n not in catalog or catalog[n].family != "compute"]
            lineup = given.redundancy.get("power_lineup", "") if stage in LINEUP_STAGES else ""
            if offered or given.redundancy.get(stage, lineup) is None:  # what a box brings serves the box
                continue
            default = CLASS_DEFAULTS[stage]
            if given.candidates.other_stages == "class_defaults" and default in catalog:
                if too_high := height_fault(catalog[default], given.site.height_limit_m):
                    self.reader.fault(("site", "height_limit_m"), default, *too_high)
                self.by_stage.setdefault(stage, []).append(default)
                self.defaults.append(f"{stage}: {default}")
            elif stage not in committed_stages:
                remedy = f"name one, write other_stages: class_defaults, or redundancy: {{{stage}: none}}"
                self.reader.fault(("candidates",), None, f"stage {stage} has no candidate", remedy)

    def _stands_by(self) -> bool:
        """Whether something stands by that need not be bought for it, where the case wants no defaults."""
        if self.given.candidates.other_stages == "class_defaults":
            return False
        policy = self.given.redundancy["standby_generation"]
        stood = [row for row in self.given.existing if row.item in self.catalog]
        return (policy is not None and policy.from_bridge) or any(
            "standby_generation" in (row.stage, row.move.to if row.move is not None else None)
            or self.catalog[row.item].permit_class == "emergency"
            for row in stood
        )

    def _needed_stages(self) -> list[str]:
        needed: list[str] = []
        given, catalog = self.given, self.catalog
        via_substation = any(s.via == "substation" for s in given.site.grid.interconnection)
        for item_id in self.by_stage.get("compute", []):
            item = catalog[item_id]
            needed += [stage for stage in item.consumes if stage not in item.brings]
            needed += [stage for stage in FOR_ALL_COMPUTE if item.consumes and stage not in item.brings]
        if needed and given.network is not None:
            needed += ["white_space", "fit_out", "air_unit"]
        if "cdu" in needed:  # cold plates leave some heat to the air: of the rest of the racks, network and losses
            needed.append("air_unit")
        batteries = [*self.by_stage.get("battery", []), *[name for name in given.owned if name in catalog]]
        if any(catalog[b].family == "battery" and "mv_lv_transformer" in catalog[b].consumes for b in batteries):
            needed.append("battery_transformer")
        if via_substation and (given.target.milestones or given.candidates.other_stages == "class_defaults"):
            needed += ["main_transformer", "hv_substation"]
        if given.redundancy.get("standby_generation") is not None and not self._stands_by():
            needed.append("standby_generation")
        return list(dict.fromkeys(needed))
