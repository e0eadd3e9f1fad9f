"""Faults put into the model itself: each makes a plan that its own numbers agree with, and the audit must refuse it.

Purpose: mutation. A family, the ledger, the sizing model or a row of a block is changed in this process, a tiny case is
solved, and the plan that comes out is audited. Edits of a good plan's tables are in the other files of this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pytest
from own import BATTERY, ENGINE, PLAIN

from planner.algebra import BlockBuilder
from planner.audit.audit import audit
from planner.case.case import Case
from planner.case.schema import Redundancy
from planner.families import battery, compute, cooling, generation, power, renewable
from planner.ledger import Cash
from planner.plan.plan import Plan
from planner.sizing import limits, options, rent
from planner.sizing.held import Held
from planner.sizing.limits import Limits
from planner.sizing.linking import Linking
from planner.sizing.loads import Loads
from planner.sizing.options import Option
from planner.sizing.targets import contribution
from planner.solve.decomposition import solve
from planner.solve.extract import plan_of

Make = Callable[..., Case]
Patch = pytest.MonkeyPatch
Fault = Callable[[Patch], None]
HOUR = np.arange(8760)

# -- sites ---------------------------------------------------------------------------------------------------

SUN: dict[str, Any] = PLAIN | {
    "id": "own_sun",
    "family": "renewable",
    "class": "own_sun",
    "brings": ["renewable"],
    "nameplate_power_mw": 1,
    "dc_ac_ratio": 1.2,
    "price_usd": 2e5,
}
STORE = BATTERY | {"lead_time_weeks": 12, "installation_weeks": 4, "price_usd": 4e5, "warranty_cycles_per_year": 150}
GENSET = ENGINE | {
    "nameplate_power_mw": 1,
    "minimum_load_fraction": 0.6,
    "ramp_fraction_per_minute": 0.004,
    "start_cost_usd": 300,
    "derate_from_c": 15,
    "derate_fraction_per_k": 0.01,
    "fixed_om_fraction_per_year": 0.02,
    "price_usd": 3e5,
}
# Ten megawatts on a connection of nine, dear in the evening: sun, batteries and small engines, a little of it sold.
LOAD: dict[str, Any] = {
    "horizon": {"build_months": 7, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {
        "compute": None,
        "heat_rejection": None,
        "battery": ["own_battery"],
        "generation": ["own_engine"],
        "renewable": ["own_sun"],
    },
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "site": {
        "land_m2": 25,
        "caps": {"fuel_mmbtu_hhv_per_year": 60000},
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}],
            "export": {"mw": 1, "usd_per_mwh": 15},
            "tariff": {
                "energy_usd_per_mwh": None,
                "energy_periods": [
                    {"name": "day", "tiers": [{"usd_per_mwh": 30, "up_to_mwh_per_month": 500}, {"usd_per_mwh": 45}]},
                    {"name": "evening", "usd_per_mwh": 160, "weekday_hours": [17, 18, 19], "weekend_hours": [18]},
                ],
                "demand_usd_per_kw_month": 8,
                "tou_demand": [{"name": "summer", "usd_per_kw_month": 3, "months": [6, 7, 8]}],
                "minimum_take_fraction": 0.95,
                "ratchet": {"fraction": 0.9},
            },
        },
    },
    "finance": {"escalation_fraction_per_year": {"energy": 0.02}},
    "activities": [{"name": "permit of the batteries", "on": "2027-06-10", "gates": ["own_battery"]}],
}
# Ten racks and a spare, the fabric of generic parts, chillers beside dry coolers.
RACKS: dict[str, Any] = {
    "horizon": {"build_months": 16, "operating_years": 1, "sample_days_per_month": 1},
    "site": {"hall": {"existing_m2": 0}, "fibre": {"from": "2027-09-01"}},
    "workload": {"shed": {"fraction": 0.1, "usd_per_gpu_hour": 0.02}, "shift": {"fraction": 0.05}},
    "cooling": {"coolant_supply_c": 40, "chilled_water_supply_c": 22},
    "spares": {"racks_fraction": 0.1},
    "order_multiples": {"nvidia_gb300_nvl72": 4},
    "supply": {"nvidia_gb300_nvl72": {"2027Q3": 40, "2027Q4": 40, "2028Q1": 4}},
    "power_chain": {"ride_through_minutes": 6},
    "redundancy": {"ups": {"scheme": "N+1", "group_mw": 2}},
}
FAST = BATTERY | {
    "id": "own_fast",
    "class": "own_fast",
    "response_s": 0.05,
    "grid_forming": True,
    "nameplate_power_mw": 0.4,
    "nameplate_energy_mwh": 0.8,
    "availability_fraction": 0.9,
    "price_usd": 1e5,
}
SWINGS: dict[str, Any] = {
    "horizon": {"operating_years": 1},
    "site": {
        "grid": {
            "interconnection": [{"from": "2027-06-01", "mw": 1.2, "via": "existing_feeders"}],
            "load_rules": [{"ramp_mw_per_min": 0.5, "step_mw_per_5s": 0.1}],
        }
    },
    "workload": {"swing_fraction": 0.5},
    "candidates": {"battery": ["own_fast"], "generation": ["own_engine"]},
    "events": [
        {"kind": "called_curtailment", "duration_h": 2, "grid_fraction_left": 0.1, "load_fraction": 0.75, "starts": 2}
    ],
    "redundancy": {"onsite_generation": {"scheme": "N", "spinning_reserve": "largest_unit"}},
}
RENTED: dict[str, Any] = {
    k: v
    for k, v in PLAIN.items()
    if k not in ("price_usd", "installation_fraction", "economic_life_years")
    and k not in ("payment_order_fraction", "payment_delivery_fraction")
} | {
    "id": "own_turbine",
    "family": "generation",
    "class": "own_turbine",
    "tenure": "rented",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 5,
    "heat_rate_btu_per_kwh_hhv": 10000,
    "variable_om_usd_per_mwh": 2,
    "nox_kg_per_mwh": 0.2,
    "rental_usd_per_mw_month": 40000,
    "mobilisation_usd_per_mw": 40000,
    "demobilisation_usd_per_mw": 20000,
    "minimum_term_months": 6,
}
# A bridge of rented turbines until the grid comes, on gas that is tight and under a permit.
BRIDGE: dict[str, Any] = {
    "horizon": {"build_months": 6, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "generation": ["own_turbine"], "battery": ["own_battery"]},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
    "site": {
        "fuel": {"natural_gas_usd_per_mmbtu_hhv": None},
        "gas": {
            "from": "2026-06-01",
            "mmbtu_hhv_per_day": 1960,
            "usd_per_mmbtu_hhv": 5,
            "take_or_pay_fraction": 0.6,
            "hourly_swing_fraction": 0.1,
        },
        "air_permit": {"from": "2026-06-01", "nox_tons_per_year": 14, "enforceable_cap": "hours"},
        "grid": {
            "interconnection": [
                {"from": "2026-01-01", "mw": 2, "via": "existing_feeders"},
                {"from": "2027-04-01", "mw": 20, "via": "existing_feeders"},
            ],
        },
    },
}
WATER: dict[str, Any] = {
    "horizon": {"operating_years": 1},
    "cooling": {"coolant_supply_c": 45, "chilled_water_supply_c": 32},
    "candidates": {"heat_rejection": ["cooling_tower"]},
    "site": {"water": {"usd_per_m3": 2}},
}
FADING = BATTERY | {
    "energy_retention_fraction": {
        "by_year": {0: 1.0, 5: 0.7},
        "source": "made for a test",
        "date": "2026-01",
        "confidence": "estimate",
    }
}
FADES: dict[str, Any] = {
    "horizon": {"build_months": 2, "operating_years": 2, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None, "battery": ["own_battery"]},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}]}},
}
DAILY = 8.0 + 2.0 * np.sin(2 * np.pi * (HOUR % 24 - 12) / 24)
SITES: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "load": ((LOAD,), {"series": 8.5 + 2.0 * np.sin(2 * np.pi * (HOUR % 24 - 11) / 24), "items": [STORE, GENSET, SUN]}),
    "racks": ((RACKS,), {}),
    "swings": ((SWINGS,), {"items": [FAST, ENGINE | {"nameplate_power_mw": 1, "price_usd": 4e6}]}),
    "bridge": ((BRIDGE,), {"series": DAILY, "items": [RENTED, BATTERY]}),
    "water": ((WATER,), {}),
    "fades": ((FADES,), {"series": DAILY, "items": [FADING]}),
}


@pytest.fixture(scope="module")
def sites(make_case: Make) -> dict[str, Case]:
    return {name: make_case(*changes, **more) for name, (changes, more) in SITES.items()}


def planned(case: Case) -> Plan:
    """Of a fresh copy, so that nothing that was worked out before stays."""
    return plan_of(solve(replace(case), gap=0.02, threads=1, time_limit=60.0, reasons=False))


@pytest.mark.parametrize("site", SITES)
def test_the_sound_model_passes(site: str, sites: dict[str, Case]) -> None:
    """What the faults below are caught by is the fault alone."""
    assert [f"{c.name}: {c.message}" for c in audit(planned(sites[site]), sites[site]) if not c.ok] == []


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


def no_losses(builder: BlockBuilder, *_: Any, **__: Any) -> None:
    builder.draw_link("standing_mw", 1.0)


def no_swing(self: Held, p: int) -> None:
    self.m.swing_mw[p].fix(0.0)
    self.m.swing_mwh[p].fix(0.0)


def no_spares(scheme: Redundancy | None, unit: float, block: float | None, given: Any = options.group_of) -> Any:
    return given(None, unit, block)


def gross(self: Limits, milestone: Any, p: int) -> Any:
    return sum(contribution(r, milestone) * self.m.energised[r.item.id, p] for r in self.plant.racks)


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


MUTATIONS = [
    # the connection and its bill
    Mutation("load", "no limit of the connection", "import limit", without_rows("grid_limit")),
    Mutation("load", "no limit of export", "export limit", without_rows("export_limit")),
    Mutation("load", "demand not billed", "ledger operation", without_rows("billed_demand", "ratchet", "minimum_take")),
    Mutation("load", "half the demand charge", "ledger operation", priced("demand charge", 0.5)),
    Mutation("load", "no minimum take", "ledger operation", without_rows("minimum_take", "ratchet")),
    Mutation("load", "no higher tier", "ledger operation", without_rows("energy_tier")),
    Mutation("load", "energy off by 1 %", "ledger operation", priced("energy", 0.99)),
    Mutation("load", "energy does not grow dearer", "ledger operation", priced("energy", 1.0, growth=0.0)),
    Mutation("load", "summer demand lost", "ledger operation", priced("time-of-use demand charge", 0.0)),
    Mutation("load", "export sold dearer", "ledger operation", priced("export receipts", 1.01)),
    # what makes and stores power
    Mutation("load", "batteries without power", "battery power", without_rows("battery_power")),
    Mutation("load", "batteries without a size", "battery energy", without_rows("battery_energy:")),
    Mutation(
        "load",
        "batteries without losses",
        "battery state of charge",
        each(battery, "batteries", efficiency=lambda _: 1.0),
    ),
    Mutation("load", "battery wear lost", "ledger operation", priced("battery wear", 0.0)),
    Mutation("load", "no warranty", "warranty cycles", without_rows("cap:cycled_mwh")),
    Mutation("load", "sun without weather", "renewable output", without_rows("renewable_output")),
    Mutation(
        "load", "a tenth more sun", "renewable output", each(renewable, "renewables", output_fraction=lambda f: 1.1 * f)
    ),
    Mutation("load", "engines without a rating", "units online", without_rows("generation_online")),
    Mutation(
        "load",
        "no derating in heat",
        "generation rating",
        instead(generation, "site_rating_fraction", lambda item, c, m: np.ones_like(np.asarray(c, float))),
    ),
    Mutation("load", "no least load", "minimum load", without_rows("generation_minimum_load")),
    Mutation("load", "no ramp", "ramps", without_rows("generation_ramp")),
    Mutation("load", "fuel off by 1 %", "ledger operation", priced("fuel", 0.99)),
    Mutation("load", "variable O&M lost", "ledger operation", priced("variable O&M", 0.0)),
    Mutation("load", "starts for nothing", "ledger operation", priced("starts", 0.0)),
    Mutation("load", "no limit of fuel a year", "fuel a year", without_rows("cap:fuel")),
    # dates, money, ground
    Mutation("load", "lead times a month short", "delivery date", dated(delivered=4, ready=4)),
    Mutation("load", "no installation", "ready date", dated(ready=4)),
    Mutation("load", "no gate", "ready date", instead(options, "gate_of", lambda *_: date.min)),
    Mutation("load", "indirects lost", "ledger purchases", no_line("indirects")),
    Mutation("load", "contingency lost", "ledger purchases", no_line("contingency")),
    Mutation("load", "installation not paid", "ledger purchases", no_line("installation")),
    Mutation("load", "fixed O&M lost", "ledger purchases", no_line("fixed O&M")),
    Mutation(
        "load",
        "residual value off by 1 %",
        "ledger purchases",
        paid(lambda c: replace(c, usd=c.usd * (1.01 if c.line == "residual value" else 1.0))),
    ),
    Mutation(
        "load",
        "all paid at the end",
        "ledger purchases",
        paid(lambda c: replace(c, on=date(2027, 12, 1)) if c.line == "equipment" else c),
    ),
    Mutation(
        "load",
        "discounted from the wrong day",
        "present value",
        instead(
            "planner.ledger",
            "discount_factor",
            lambda rate, at, base: (1.0 + rate) ** -((at - base).days / 365.0 - 0.5),
        ),
    ),
    Mutation("load", "no limit of the ground", "land area", instead(Limits, "site_limits", nothing)),
    # racks and their chain
    Mutation("racks", "no losses in operation", "power balance", instead(power, "operate", no_losses)),
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
    Mutation("racks", "no power of the network", "load by hour", component("standing_mw", 0.5)),
    Mutation("racks", "the network draws nothing", "stage table", instead(Loads, "network_mw", lambda *_: 0.0)),
    Mutation("racks", "no spare units", "stage capacity", instead(options, "group_of", no_spares)),
    Mutation(
        "racks", "a fifth more of every rating", "stage capacity", after(power, "capacity_mw", lambda mw, *_: 1.2 * mw)
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
    Mutation(
        "racks", "nineteen twentieths of a milestone", "milestones", after(limits, "target_of", lambda n, *_: 0.8 * n)
    ),
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
    Mutation("water", "water for nothing", "ledger operation", priced("water", 0.0)),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[f"{m.site}: {m.what}" for m in MUTATIONS])
def test_every_fault_of_the_model_is_caught(mutation: Mutation, sites: dict[str, Case], monkeypatch: Patch) -> None:
    case = sites[mutation.site]
    with monkeypatch.context() as patch:
        mutation.fault(patch)
        plan = planned(case)
    caught = {check.name for check in audit(plan, case) if not check.ok}
    assert mutation.check in caught, f"{mutation.what}: caught by {sorted(caught)}"
