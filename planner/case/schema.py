"""The fields of a case file. Units end the names; every default that changes results is marked and printed."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from planner.case.base import (
    Count,
    Day,
    Finite,
    Fraction,
    NonNegative,
    Positive,
    PositiveCount,
    Rule,
    Series,
    Strict,
    Weeks,
    require,
    suggest,
    unknown_key_remedy,
)
from planner.case.event import EventInput, promised
from planner.case.existing import Existing
from planner.case.fabric_design import Network
from planner.case.goodput import Goodput
from planner.case.item import STAGES
from planner.case.money import BudgetStep, Finance
from planner.case.power_chain import PowerChain
from planner.case.site import Site
from planner.case.swing import Smoothing
from planner.case.uncertain import Risk, ScenarioInput

QUARTER = re.compile(r"(20[0-9]{2})Q([1-4])\Z")
SCHEME = re.compile(r"N|N\+([1-9])|2N|2\(N\+1\)|3N/2|4N/3|block_redundant")


class Horizon(Strict):
    """Build months, then expansion years that begin with additions, then operating years with the site as it is."""

    build_months: Annotated[int, Field(ge=0, le=120)]  # 0: what serves the first year is there at the start
    expansion_years: Annotated[int, Field(ge=0, le=40)] = 0
    operating_years: Annotated[int, Field(ge=1, le=40)]
    sample_days_per_month: Annotated[int, Field(ge=1, le=31)] | None = None  # fewer hours, labelled in the plan
    step_minutes: Literal[60, 30, 15, 5] = 60  # of operation, and of what demand is billed on
    calendar: Literal["reference", "actual"] = "reference"  # one year's weekdays and clock, or those of every year
    block: Literal["month", "week", "day"] = "month"  # solved at a time: the same plan, shorter where steps are many


class CoolingDesign(Strict):
    """Water temperatures that decide what rejects the heat. Defaults are engineering judgement."""

    coolant_supply_c: Annotated[Finite, Field(ge=15, le=50)] = 35.0  # to the cold plates
    chilled_water_supply_c: Annotated[Finite, Field(ge=5, le=40)] = 22.0  # to the air units
    # Coolant above facility water in the CDUs, whose ratings go with it; absent: the widest of the candidates, and
    # every CDU carries its rating.
    cdu_approach_k: Annotated[Finite, Field(ge=1, le=20)] | None = None
    # Salts of water in towers and on pads over those of the make-up, which is evaporation x n / (n - 1) [judgement]
    cycles_of_concentration: Annotated[Finite, Field(gt=1, le=50)] = 4.0
    supply_air_max_c: Annotated[Finite, Field(ge=15, le=45)] | None = None  # to the racks; absent: not looked at


class Shed(Strict):
    """Compute that may be shed, and what a lost GPU-hour is worth: valued in the cost, paid to nobody."""

    fraction: Fraction
    usd_per_gpu_hour: NonNegative


class Shift(Strict):
    """Compute that may run in another hour of the same day: share of each hour's load, up to design power."""

    fraction: Annotated[Finite, Field(gt=0, le=1)]


class Workload(Strict):
    kind: Literal["constant", "training", "inference", "series"]
    average_load_fraction: Annotated[Finite, Field(gt=0, le=1)] | None = None  # of design power
    series: Series | None = None  # fraction of design power, by hour or by step
    largest_job_fraction: Fraction = 1.0
    swing_fraction: Fraction | None = None  # between crest and trough, of the job's design power
    smoothing: Smoothing = Smoothing()
    shed: Shed | None = None
    shift: Shift | None = None
    goodput: Goodput | None = None

    @model_validator(mode="after")
    def _series(self) -> Workload:
        found = []
        if (self.kind == "series") != (self.series is not None):
            remedy = "write both or neither"
            found.append(Rule("kind series and the series field go together", remedy, ("kind",), ("kind", "series")))
        if self.series is not None and self.average_load_fraction is not None:
            found.append(Rule("a series has its own average", "remove it", ("average_load_fraction",)))
        if self.shed is not None and self.shift is not None and self.shed.fraction + self.shift.fraction > 1:
            rule = "shed and shift together are more than the load"
            remedy = f"write at most {1 - self.shed.fraction:g}"
            found.append(Rule(rule, remedy, ("shift", "fraction"), ("shed", "shift")))
        require(found)
        return self


class Milestone(Strict):
    """Compute commissioned by a date, net of spares, every stage at design load."""

    by: Day
    gpus: Annotated[int, Field(ge=1)] | None = None
    pflops: Positive | None = None
    precision: Literal["fp4", "fp8", "bf16"] | None = None
    it_mw: Positive | None = None

    @model_validator(mode="after")
    def _one(self) -> Milestone:
        found = []
        given = [n for n in ("gpus", "pflops", "it_mw") if getattr(self, n) is not None]
        if len(given) != 1:
            found.append(Rule("needs exactly one of gpus, pflops, it_mw", "keep one of them"))
        if (self.pflops is None) != (self.precision is None):
            remedy = "write precision: fp4, fp8 or bf16" if self.pflops else "remove precision"
            reads = ("pflops", "precision")
            found.append(Rule("pflops and precision go together", remedy, ("precision",), reads))
        require(found)
        return self


FIRM_NAMES = (
    *("grid", "milestones", "budget", "supply", "activities", "hall", "yard", "land", "commissioning"),
    *("buildings", "solar", "parcel", "noise", "fuel_storage"),  # the fields of site.land, site.noise, on_site_fuel
    *("gas", "air_permit", "curtailment", "load_rules", "water", "water_year", "caps"),
    # Of items what they take to come, and which are offered; what is already bought; standards of design.
    *("lead_times", "candidates", "committed", "redundancy", "events", "cooling"),
)
Firm = Literal[FIRM_NAMES]  # type: ignore[valid-type]


class LoadStep(Strict):
    """The load series times a fraction from a date on, until the next step."""

    from_: Day = Field(alias="from")
    fraction: NonNegative  # may be above 1


class Target(Strict):
    milestones: list[Milestone] = []
    load_series: Series | None = None  # facility MW by hour or by step, instead of racks
    load_scale: list[LoadStep] = []  # 1 before the first step
    firm: list[Firm] = []  # never offered as a way out

    @model_validator(mode="after")
    def _one(self) -> Target:
        found = []
        if bool(self.milestones) == (self.load_series is not None):
            reads = ("milestones", "load_series")
            rule = "has both milestones and a load_series" if self.milestones else "needs milestones or a load_series"
            remedy = "keep one of the two" if self.milestones else "write milestones: [{gpus: 9216, by: 2028-09-30}]"
            found.append(Rule(rule, remedy, reads=reads))
        for i, (a, b) in enumerate(pairwise(self.milestones), 1):
            if b.by <= a.by:
                rule = f"milestones must be in order of date (the one before is {a.by})"
                found.append(Rule(rule, "sort them", ("milestones", i, "by"), ("milestones",)))
        if self.load_scale and self.load_series is None:
            reads = ("load_series", "load_scale")
            found.append(Rule("scales a load_series, and there is none", "remove it", ("load_scale",), reads))
        for i, (x, y) in enumerate(pairwise(self.load_scale), 1):
            if y.from_ <= x.from_:
                rule = f"steps must be in order of date (the one before is {x.from_})"
                found.append(Rule(rule, "sort them", ("load_scale", i, "from"), ("load_scale",)))
        require(found)
        return self


class Objective(Strict):
    kind: Literal["min_cost", "earliest", "max_gpus"]
    by: Day | None = None


def _objective(value: Any) -> Any:
    kinds = ("min_cost", "earliest", "max_gpus")
    if isinstance(value, str):
        if value not in kinds:
            raise Rule("must be min_cost, earliest or max_gpus", suggest(value, kinds, "write one of the three"))
        return {"kind": value}
    if isinstance(value, dict) and set(value) == {"max_gpus"}:
        if not isinstance(value["max_gpus"], date):
            raise Rule("must be a date", "write it as YYYY-MM-DD without quotes", ("max_gpus",))
        return {"kind": "max_gpus", "by": value["max_gpus"]}
    if isinstance(value, Objective):
        return value
    raise Rule("must be min_cost, earliest or {max_gpus: date}", "write one of the three")


Names = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class Candidates(Strict):
    """Items a plan may choose from: ids, or `all` for every orderable item of the family."""

    compute: Names = []
    network: Names = []
    enclosure: Names = []
    power: Names = []
    cooling: Names = []
    heat_rejection: Names = []
    generation: Names = []
    bridge_power: Names = []
    standby_generation: Names = []
    renewable: Names = []
    battery: Names = []
    other_stages: Literal["class_defaults", "none"] = "none"


class Committed(Strict):
    """Already bought: given, not decided."""

    item: str
    units: PositiveCount
    on_site: Day
    paid_usd: NonNegative = 0.0  # before the start: sunk, in no budget and no objective
    due_usd: NonNegative = 0.0  # on the day it is on site


# What an activity may gate beside stages, families and items: racks running; grid steps via the substation, and those
# via existing feeders; all that burns a fuel (a gas lateral); all that evaporates water (its permit).
GATES = ("energisation", "grid", "existing_feeders", "natural_gas", "diesel", "water", "standby_generation")


class Activity(Strict):
    """Something that must be done first: a date, or a duration after the start or another activity."""

    name: str
    on: Day | None = None
    weeks: Weeks | None = None
    after: str | None = None
    gates: Annotated[list[str], Field(min_length=1)]

    @model_validator(mode="after")
    def _one(self) -> Activity:
        if (self.on is None) == (self.weeks is None):
            raise Rule("needs a date (on) or a duration (weeks)", "write one of the two", ("weeks",), ("on", "weeks"))
        if self.after is not None and self.weeks is None:
            raise Rule("after goes with weeks", "write weeks, or remove after", ("after",))
        return self


class Redundancy(Strict):
    """Spares are counted inside each group. group_mw and group_racks are the largest group."""

    scheme: str
    group_mw: Positive | None = None
    group_racks: PositiveCount | None = None
    group: Literal["substation", "site"] | None = None
    blocks_per_catcher: Annotated[int, Field(ge=1, le=20)] | None = (
        None  # block_redundant: blocks one spare steps in for
    )
    covers: Fraction = 1.0  # standby generation: share of the design load
    spinning_reserve: Literal["none", "largest_unit"] = "none"
    from_bridge: bool = False  # standby: non-emergency generators beyond what firm power needs count too
    ride_through_minutes: Positive | None = None  # they must start within it; None: power_chain.ride_through_minutes
    firm_gas: bool = False  # gas that does not fail with the grid; without it only oil counts

    @model_validator(mode="after")
    def _scheme(self) -> Redundancy:
        found = []
        if not SCHEME.fullmatch(self.scheme):
            remedy = "write N, N+1, N+2, 2N, 2(N+1), 3N/2, 4N/3 or block_redundant"
            found.append(Rule("unknown redundancy scheme", remedy, ("scheme",), ("scheme",)))
        if self.ride_through_minutes is not None and not self.from_bridge:
            reads = ("from_bridge", "ride_through_minutes")
            found.append(Rule("goes with from_bridge", "remove it", ("ride_through_minutes",), reads))
        if self.firm_gas and not self.from_bridge:
            found.append(Rule("goes with from_bridge", "remove it", ("firm_gas",), ("from_bridge", "firm_gas")))
        if (self.scheme == "block_redundant") != (self.blocks_per_catcher is not None):
            remedy = "write both, as in {scheme: block_redundant, blocks_per_catcher: 6}, or neither"
            rule = "block_redundant and blocks_per_catcher go together"
            found.append(Rule(rule, remedy, ("blocks_per_catcher",), ("scheme", "blocks_per_catcher")))
        groups = ("group_mw", "group_racks", "group", "blocks_per_catcher")
        written = [name for name in groups if getattr(self, name) is not None]
        if len(written) > 1:
            remedy = "keep one of " + ", ".join(written)
            found.append(Rule("has more than one group", remedy, (written[1],), groups))
        require(found)
        return self

    @property
    def spares(self) -> int:
        """k of N+k (0 for the schemes that are not N+k)."""
        return int(self.scheme[2:]) if self.scheme.startswith("N+") else 0


REDUNDANCY_KEYS = (
    *[
        s
        for s in STAGES
        if s not in ("white_space", "fit_out", "rack_space", "network_top_layer", "renewable", "battery", "generation")
    ],
    "power_lineup",
    "onsite_generation",
    "standby_generation",
)


CATCHERS = ("power_lineup", "ups", "lv_switchboard", "mv_lv_transformer")  # stages a spare block may step in for
# Fields that mean something for one stage alone.
ONLY_FOR = {
    "spinning_reserve": "onsite_generation",
    **dict.fromkeys(("covers", "from_bridge", "ride_through_minutes", "firm_gas"), "standby_generation"),
}


def _redundancy(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    found = []
    for key, fields in value.items():
        if key not in REDUNDANCY_KEYS:
            found.append(Rule("unknown key", unknown_key_remedy(key, REDUNDANCY_KEYS), (key,), (key,)))
        elif isinstance(fields, dict):
            if fields.get("scheme") == "block_redundant" and key not in CATCHERS:
                rule, remedy = "is for the power chain alone", "write N+1 with group_mw"
                found.append(Rule(rule, remedy, (key, "scheme"), (key,)))
            if "group_racks" in fields and key == "onsite_generation":
                found.append(
                    Rule("generators are not counted by racks", "write group_mw", (key, "group_racks"), (key,))
                )
            for name, stage in ONLY_FOR.items():
                if name in fields and key != stage:
                    found.append(Rule(f"belongs to {stage} alone", "remove it", (key, name), (key,)))
        elif fields is not None and fields != "none":
            rule = "must be none or a mapping with a scheme"
            found.append(Rule(rule, "write none, or {scheme: N+1}", (key,), (key,)))
    require(found)
    return {k: None if v == "none" else v for k, v in value.items()}


class Spares(Strict):
    racks_fraction: Fraction | Literal["auto"] = 0.0  # auto: the quantile of nodes in repair, by workload.goodput


class Commissioning(Strict):
    """Blocks are tested before racks land, so many in parallel; racks burn in afterwards."""

    block_mw: Positive = 10.0
    weeks: Weeks = 6.0
    blocks_in_parallel: PositiveCount = 4
    rack_burn_in_weeks: Weeks = 3.0


class CaseInput(Strict):
    """A whole case file."""

    name: str
    start: Day
    horizon: Horizon
    site: Site
    cooling: CoolingDesign = CoolingDesign()
    power_chain: PowerChain = PowerChain()
    workload: Workload | None = None
    target: Target
    objective: Annotated[Objective, BeforeValidator(_objective)] = Objective(kind="min_cost")
    candidates: Candidates
    network: Network | None = None  # the fabric, counted; None: what candidates or class defaults say
    supply: dict[str, dict[str, Count]] = {}  # item -> quarter -> units the vendor delivers
    order_multiples: dict[str, PositiveCount] = {}
    committed: list[Committed] = []
    existing: list[Existing] = []  # stands at the start
    activities: list[Activity] = []
    redundancy: Annotated[dict[str, Redundancy | None], BeforeValidator(_redundancy)] = {}
    spares: Spares = Spares()
    commissioning: Commissioning = Commissioning()
    budget: list[BudgetStep] = []
    events: list[EventInput] = []  # what the site must live through
    scenarios: list[ScenarioInput] = []  # none: what the rest of the case says, for certain
    risk: Risk | None = None
    finance: Finance
    catalogs: list[str] = []  # folders of your own, relative to the case

    @property
    def owned(self) -> tuple[str, ...]:
        """Items that stand already or are already bought."""
        return tuple(dict.fromkeys([*(row.item for row in self.committed), *(row.item for row in self.existing)]))

    @model_validator(mode="after")
    def _by(self) -> CaseInput:
        if self.objective.kind == "max_gpus" and self.objective.by is None and self.target.milestones:
            by = self.target.milestones[-1].by  # of the last milestone, unless a date is given
            object.__setattr__(self, "objective", Objective(kind="max_gpus", by=by))
        return self

    @model_validator(mode="after")
    def _called(self) -> CaseInput:
        """What the utility may take back is an event like any other."""
        called = self.site.grid.curtailment
        if called is not None and not any(event.of_curtailment for event in self.events):
            object.__setattr__(self, "events", [*self.events, promised(called)])
        return self
