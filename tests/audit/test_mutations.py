"""Faults put into the model itself: each makes a plan that its own numbers agree with, and the audit must refuse it.

Purpose: mutation. A family, the ledger, the sizing model or a row of a block is changed in this process, a tiny case is
solved, and the plan that comes out is audited. Edits of a good plan's tables are in the other files of this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyomo.environ as pyo
import pytest

from planner.algebra import BlockBuilder
from planner.audit.audit import audit
from planner.case.case import Case
from planner.case.schema import Redundancy
from planner.families import battery, compute, cooling, generation, power, renewable
from planner.ledger import Cash, operating_weights
from planner.operation import replay
from planner.plan.plan import Plan
from planner.sizing import limits, options, rent
from planner.sizing.held import Held
from planner.sizing.limits import Limits
from planner.sizing.linking import Linking
from planner.sizing.loads import Loads
from planner.sizing.money import Money
from planner.sizing.options import Option
from planner.sizing.permits import Permits
from planner.sizing.targets import contribution
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of
from tests.audit.sites import SITES

Make = Callable[..., Case]
SiteOf = Callable[[str], Case]
Patch = pytest.MonkeyPatch
Fault = Callable[[Patch], None]


@pytest.fixture(scope="module")
def site_of(make_case: Make) -> SiteOf:
    """The case of a site, read once."""

    @cache
    def made(name: str) -> Case:
        changes, more = SITES[name]
        return make_case(*changes, **more)

    return made


def planned(case: Case) -> Plan:
    """Of a fresh copy, so that nothing that was worked out before stays."""
    return plan_of(solve(replace(case), gap=0.02, threads=1, time_limit=60.0, reasons=False))


@pytest.mark.parametrize("site", SITES)
def test_the_sound_model_passes(site: str, site_of: SiteOf) -> None:
    """What the faults below are caught by is the fault alone."""
    case = site_of(site)
    assert [f"{c.name}: {c.message}" for c in audit(planned(case), case) if not c.ok] == []


# -- faults --------------------------------------------------------------------------------------------------


def without_rows(*starts: str) -> Fault:
    """Rows of the blocks whose names begin so are left out."""

    def fault(patch: Patch) -> None:
        for kind in ("rows", "total"):
            given = getattr(BlockBuilder, kind)

            def build(self: BlockBuilder, name: str, *a: Any, given: Any = given, **k: Any) -> None:
                if not name.startswith(starts):
                    given(self, name, *a, **k)

            patch.setattr(BlockBuilder, kind, build)

    return fault


def priced(line: str, factor: float, *, growth: float | None = None) -> Fault:
    """A line of the bill at other prices, or growing at another rate."""

    def fault(patch: Patch) -> None:
        given = BlockBuilder.price

        def price(self: BlockBuilder, name: str, columns: Any, usd: Any, rate: float = 0.0) -> None:
            mine = name == line
            given(self, name, columns, usd * factor if mine else usd, growth if mine and growth is not None else rate)

        patch.setattr(BlockBuilder, "price", price)

    return fault


def instead(place: Any, name: str, new: Any) -> Fault:
    """Something in the place of an attribute of a module or a class; a text names the module."""

    def fault(patch: Patch) -> None:
        if isinstance(place, str):
            patch.setattr(f"{place}.{name}", new)
        else:
            patch.setattr(place, name, new)

    return fault


def everywhere(name: str, new: Any, *modules: str) -> Fault:
    """A function in the place of another in every module that has taken it over."""

    def fault(patch: Patch) -> None:
        for module in modules:
            patch.setattr(f"planner.{module}.{name}", new)

    return fault


def after(place: Any, name: str, change: Callable[..., Any]) -> Fault:
    """What a function returns is changed: change(result, *arguments)."""

    def fault(patch: Patch) -> None:
        given = getattr(place, name)
        patch.setattr(place, name, lambda *a, **k: change(given(*a, **k), *a))

    return fault


def each(place: Any, name: str, **fields: Callable[[Any], Any]) -> Fault:
    """Fields of every object that a function returns are changed."""

    def change(found: tuple[Any, ...], *_: Any) -> tuple[Any, ...]:
        return tuple(replace(one, **{f: new(getattr(one, f)) for f, new in fields.items()}) for one in found)

    return after(place, name, change)


def paid(change: Callable[[Cash], Cash | None]) -> Fault:
    """Entries of one unit's cash are changed or lost."""

    def flows(found: list[Cash], *_: Any) -> list[Cash]:
        return [new for cash in found if (new := change(cash)) is not None]

    return after(options, "unit_flows", flows)


def no_line(line: str) -> Fault:
    return paid(lambda cash: None if cash.line == line else cash)


def dated(**weeks: float) -> Fault:
    """Dates of an order that come sooner than they can."""

    def sooner(found: Any, *_: Any) -> Any:
        moved = {name: getattr(found, name) - timedelta(weeks=w) for name, w in weeks.items()} if found else {}
        return replace(found, **moved) if found else None

    return after(options, "unit_dates", sooner)


def design_load(position: str, factor: float) -> Fault:
    """A stage's design load counted in part."""

    def fault(patch: Patch) -> None:
        given = Loads._loads

        def loads(self: Loads, p: int, loops: Any) -> None:
            given(self, p, loops)
            self.design[position, p] = factor * self.design[position, p]

        patch.setattr(Loads, "_loads", loads)

    return fault


def component(name: str, factor: float) -> Fault:
    """A component of the load in the linking vector, in part."""
    return after(Linking, "_load_components", lambda values, *_: values | {name: factor * values[name]})


def flat_losses(
    builder: BlockBuilder, hours: Any, shape: Any, stages: Any, *rest: Any, given: Any = power.operate
) -> None:
    """Without the part that goes with the load."""
    given(builder, hours, shape, tuple(replace(stage, proportional=0.0) for stage in stages), *rest)


def no_swing(self: Held, p: int) -> None:
    self.m.swing_mw[p].fix(0.0)
    self.m.swing_mwh[p].fix(0.0)


def no_spares(scheme: Redundancy | None, unit: float, block: float | None, given: Any = options.group_of) -> Any:
    return given(None, unit, block)


def gross(self: Limits, milestone: Any, p: int) -> Any:
    return sum(contribution(r, milestone) * self.m.energised[r.item.id, p] for r in self.plant.racks)


def half_of_standby(_: None, self: Loads, p: int) -> None:
    self.design["standby_generation", p] = 0.5 * self.design["standby_generation", p]


def half(value: Any, *_: Any) -> Any:
    return 0.5 * value


def hall_at_once(self: Loads, p: int) -> float:
    return self.case.input.site.hall.existing_m2


def milder(found: tuple[Any, Any, Any], *_: Any) -> tuple[Any, Any, Any]:
    """As on a day on which coolers have all their capacity."""
    return np.maximum(found[0], 0.99), found[1], found[2]


def no_potential(self: Permits) -> None:
    self.m.permitted = pyo.Var(pyo.Any, within=pyo.NonNegativeReals, dense=False)
    self.m.potential_to_emit = pyo.ConstraintList()


def cheaper(case: Case, given: Any = operating_weights) -> Any:
    return {state: 0.99 * weight for state, weight in given(case).items()}


def nothing(*_: Any, **__: Any) -> None:
    return None


def any_units(o: Option, *_: Any) -> Option:
    return replace(o, multiple=1)


class Mutation(NamedTuple):
    """A fault of the model, where it shows, and the check meant for it."""

    site: str
    what: str
    check: str
    fault: Fault


# Modules that have taken a function over by its name.
GRID = ("sizing.limits", "sizing.linking", "sizing.held", "solve.extract", "solve.power_budget")
CASH = ("sizing.money", "solve.extract")
SCALE = ("sizing.counts", "solve.extract")
WEIGHTS = ("sizing.model", "solve.results", "solve.risk")
FIRST = ("sizing.money", "solve.extract")
SLOW = ("engines", "swings", "whole")  # whole units of engines, reserves, and every hour of a year take seconds
MUTATIONS = [
    # the connection and its bill
    Mutation("engines", "no limit of the connection", "import limit", without_rows("grid_limit")),
    Mutation("bill", "no limit of export", "export limit", without_rows("export_limit")),
    Mutation("bill", "demand not billed", "ledger operation", without_rows("billed_demand", "minimum_take")),
    Mutation("bill", "half the demand charge", "ledger operation", priced("demand charge", 0.5)),
    Mutation("bill", "no minimum take", "ledger operation", without_rows("minimum_take")),
    Mutation("bridge", "no higher tier", "ledger operation", without_rows("energy_tier")),
    Mutation("bill", "energy off by 1 %", "ledger operation", priced("energy", 0.99)),
    Mutation("bill", "energy does not grow dearer", "ledger operation", priced("energy", 1.0, growth=0.0)),
    Mutation("bill", "summer demand lost", "ledger operation", priced("time-of-use demand charge", 0.0)),
    Mutation("bill", "export sold dearer", "ledger operation", priced("export receipts", 1.01)),
    # what makes and stores power
    Mutation("stores", "batteries without power", "battery power", without_rows("battery_power", "cap:")),
    Mutation("stores", "batteries without a size", "battery energy", without_rows("battery_energy:", "cap:")),
    Mutation(
        "stores",
        "batteries without losses",
        "battery state of charge",
        each(battery, "batteries", efficiency=lambda _: 1.0),
    ),
    Mutation("stores", "battery wear lost", "ledger operation", priced("battery wear", 0.0)),
    Mutation("stores", "no warranty", "warranty cycles", without_rows("cap:cycled_mwh")),
    Mutation("bill", "sun without weather", "renewable output", without_rows("renewable_output")),
    Mutation(
        "bill", "a tenth more sun", "renewable output", each(renewable, "renewables", output_fraction=lambda f: 1.1 * f)
    ),
    Mutation(
        "engines", "more engines on than stand", "units online", without_rows("generation_online", "generation_idle")
    ),
    Mutation(
        "engines",
        "no derating in heat",
        "generation rating",
        instead(generation, "site_rating_fraction", lambda item, c, m: np.ones_like(np.asarray(c, float))),
    ),
    Mutation("engines", "no least load", "minimum load", without_rows("generation_minimum_load")),
    Mutation("engines", "no ramp", "ramps", without_rows("generation_ramp")),
    Mutation("engines", "fuel off by 1 %", "ledger operation", priced("fuel", 0.99)),
    Mutation("engines", "variable O&M lost", "ledger operation", priced("variable O&M", 0.0)),
    Mutation("engines", "starts for nothing", "ledger operation", priced("starts", 0.0)),
    Mutation("engines", "no limit of fuel a year", "fuel a year", without_rows("cap:fuel")),
    # dates, money, ground
    Mutation("stores", "lead times a month short", "delivery date", dated(delivered=4, ready=4)),
    Mutation("stores", "no installation", "ready date", dated(ready=4)),
    Mutation("stores", "no gate", "ready date", instead(options, "gate_of", lambda *_: date.min)),
    Mutation("stores", "indirects lost", "ledger purchases", no_line("indirects")),
    Mutation("stores", "contingency lost", "ledger purchases", no_line("contingency")),
    Mutation("stores", "installation not paid", "ledger purchases", no_line("installation")),
    Mutation("stores", "fixed O&M lost", "ledger purchases", no_line("fixed O&M")),
    Mutation(
        "stores",
        "residual value off by 1 %",
        "ledger purchases",
        paid(lambda c: replace(c, usd=c.usd * (1.01 if c.line == "residual value" else 1.0))),
    ),
    Mutation(
        "stores",
        "all paid at the end",
        "ledger purchases",
        paid(lambda c: replace(c, on=date(2027, 12, 1)) if c.line == "equipment" else c),
    ),
    Mutation(
        "stores",
        "discounted from the wrong day",
        "present value",
        instead(
            "planner.ledger",
            "discount_factor",
            lambda rate, at, base: (1.0 + rate) ** -((at - base).days / 365.0 - 0.5),
        ),
    ),
    Mutation("stores", "no limit of the ground", "yard area", instead(Limits, "site_limits", nothing)),
    # racks and their chain
    Mutation("racks", "no losses with the load", "power balance", instead(power, "operate", flat_losses)),
    Mutation(
        "racks",
        "no losses at design",
        "stage table",
        instead(
            power,
            "chain",
            lambda *a, given=power.chain: tuple(
                replace(s, proportional=0.0, square=0.0, throughput_per_it=1.0) for s in given(*a)
            ),
        ),
    ),
    Mutation("racks", "no losses without load", "power balance", instead(power, "no_load_fraction", lambda *_: 0.0)),
    Mutation("racks", "no fans and pumps", "power balance", instead(Loads, "auxiliaries", lambda *_: 0.0)),
    Mutation("racks", "half of what always draws", "power balance", component("standing_mw", 0.5)),
    Mutation("racks", "the network draws nothing", "stage table", instead(Loads, "network_mw", lambda *_: 0.0)),
    Mutation("racks", "no spare units", "stage capacity", instead(options, "group_of", no_spares)),
    Mutation(
        "racks", "a fifth more of every rating", "stage table", after(power, "capacity_mw", lambda mw, *_: 1.2 * mw)
    ),
    Mutation("racks", "the flow of CDUs lost", "stage table", design_load("cdu_flow", 0.0)),
    Mutation("racks", "the heat of CDUs lost", "stage table", design_load("cdu", 0.5)),
    Mutation("racks", "the floor lost", "stage table", design_load("white_space", 0.5)),
    Mutation("racks", "network ports lost", "stage table", design_load("network", 0.5)),
    Mutation("racks", "the firm source lost", "capacity table", design_load("mv_bus", 0.9)),
    Mutation("racks", "a tenth of the air's heat lost", "heat balance", component("heat:air", 0.9)),
    Mutation("racks", "liquid heat lost", "heat balance", component("heat:liquid", 0.9)),
    Mutation("racks", "better chillers", "cooling power", after(cooling, "chiller_cop", lambda cop, *_: 1.05 * cop)),
    Mutation(
        "racks",
        "mean power as design power",
        "capacity table",
        instead(
            compute,
            "computes",
            lambda case, given=compute.computes: tuple(replace(r, design_mw=r.average_mw) for r in given(case)),
        ),
    ),
    Mutation("racks", "four fifths of a milestone", "milestones", after(limits, "target_of", lambda n, *_: 0.8 * n)),
    Mutation("racks", "spare racks counted", "milestones", instead(Limits, "running", gross)),
    Mutation("racks", "no allocation", "supply", instead(Limits, "supply", nothing)),
    Mutation("racks", "no order multiples", "whole units and multiples", after(options, "_option", any_units)),
    Mutation("racks", "no commissioning", "ready date", instead(options, "wait_weeks", lambda *_: 0.0)),
    Mutation("racks", "no ride-through", "ride-through", instead(Loads, "_ride_through", nothing)),
    Mutation("racks", "shed without limit", "compute shed", without_rows("compute_shed")),
    Mutation("racks", "shifted and not made up", "energy of the day", without_rows("compute_shift_day")),
    # reserves
    Mutation("swings", "the row of swings lost", "load swing, minute", instead(Held, "_swing", no_swing)),
    Mutation("swings", "smoothing loses nothing", "power balance", instead(Held, "smoothing_loss_mw", lambda *_: 0.0)),
    Mutation("swings", "no spinning reserve", "spinning reserve", instead(Held, "uncovered_mw", lambda *_: 0.0)),
    Mutation("swings", "reserve used by hours", "reserves", without_rows("battery_reserve")),
    Mutation("fades", "no fade", "battery energy left", instead(battery.Battery, "left", lambda *_: 1.0)),
    # rent, permits, water
    Mutation(
        "bridge",
        "rent off by 1 %",
        "ledger purchases",
        after(rent, "rent_usd_per_month", lambda usd, *_: 0.99 * usd),
    ),
    Mutation(
        "bridge", "no minimum term", "ledger purchases", instead("planner.sizing.rent", "term_months", lambda *_: 0)
    ),
    Mutation(
        "bridge",
        "nothing for going",
        "ledger purchases",
        instead("planner.sizing.rent", "demobilisation_usd", lambda *_: 0.0),
    ),
    Mutation("bridge", "no daily gas", "gas of a day", without_rows("gas_day")),
    Mutation("bridge", "no hourly gas", "gas of an hour", without_rows("gas_hour")),
    Mutation("bridge", "gas not owed", "ledger operation", without_rows("gas_take")),
    Mutation(
        "water",
        "no blow-down",
        "make-up water",
        instead(cooling, "makeup_l_per_kwh", lambda item, litres, cycles: litres),
    ),
    # risk, what is billed in other months, standby
    Mutation("meter", "no ratchet", "present value", without_rows("ratchet")),
    Mutation(
        "meter",
        "ratchet of this month alone",
        "ledger operation",
        instead("planner.solve.ratchet", "RATCHET_MONTHS", 0),
    ),
    Mutation("meter", "no coincident peaks", "ledger operation", priced("coincident peak charge", 0.0)),
    Mutation("meter", "half the risk", "risk", after(Money, "risk", lambda usd, *_: 0.5 * usd)),
    Mutation("backup", "half the load on standby", "stage table", after(Loads, "_standby", half_of_standby)),
    Mutation("backup", "tests of standby sets for nothing", "ledger purchases", no_line("standby tests")),
    # dates of the site, crews, permits
    Mutation("island", "the hall before it is ready", "stage table", instead(Loads, "existing_hall", hall_at_once)),
    Mutation("island", "no crews", "commissioning", instead(Limits, "commissioning", nothing)),
    Mutation(
        "island", "the grid before its date", "firm source", everywhere("grid_steps", lambda *_: (3.0, 3.0), *GRID)
    ),
    Mutation("island", "half the power of heat rejection", "stage table", after(Loads, "_rejection_power", half)),
    Mutation("island", "coolers on a mild day", "stage table", after(cooling, "performance", milder)),
    Mutation("substation", "no spare transformer", "stage capacity", instead(options, "group_of", no_spares)),
    Mutation("substation", "dues not paid", "ledger purchases", everywhere("fixed_flows", lambda _: [], *CASH)),
    Mutation("permit", "no permit", "potential to emit", instead(Permits, "potential", no_potential)),
    Mutation("permit", "engines without outages", "generation availability", without_rows("generation_availability")),
    Mutation("permit", "the load does not grow", "load by hour", everywhere("load_scale", lambda *_: 0.9, *SCALE)),
    Mutation("whole", "energy out of nothing", "battery state of charge", without_rows("battery_edge")),
    Mutation("stores", "operation off by 1 %", "present value", everywhere("operating_weights", cheaper, *WEIGHTS)),
    Mutation("swings", "half an event", "event called_curtailment", after(replay, "need_mw", half)),
    Mutation(
        "swings",
        "first charge for nothing",
        "battery starts from what was charged",
        everywhere("first_charge_usd_per_mwh", lambda *_: 1e-3, *FIRST),
    ),
    Mutation(
        "fades",
        "a year younger",
        "battery energy left",
        after(battery.Battery, "left", lambda share, *_: min(1.0, share + 0.06)),
    ),
    Mutation("water", "water for nothing", "ledger operation", priced("water", 0.0)),
]


@pytest.mark.parametrize(
    "mutation",
    [pytest.param(m, id=f"{m.site}: {m.what}", marks=[pytest.mark.slow] if m.site in SLOW else []) for m in MUTATIONS],
)
def test_every_fault_of_the_model_is_caught(mutation: Mutation, site_of: SiteOf, monkeypatch: Patch) -> None:
    case = site_of(mutation.site)
    with monkeypatch.context() as patch:
        mutation.fault(patch)
        plan = planned(case)
    caught = {check.name for check in audit(plan, case) if not check.ok}
    assert mutation.check in caught, f"{mutation.what}: caught by {sorted(caught)}"
