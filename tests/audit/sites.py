"""Tiny sites for faults of the model: each holds a plan to what one part of it may get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.case.event import modelled_hours
from tests.own import BATTERY, ENGINE, PLAIN

HOUR = np.arange(8760)
SUN: dict[str, Any] = PLAIN | {
    "id": "own_sun",
    "family": "renewable",
    "class": "own_sun",
    "brings": ["renewable"],
    "nameplate_power_mw": 1,
    "dc_ac_ratio": 1.2,
    "price_usd": 2e5,
}
STORE = BATTERY | {"lead_time_weeks": 12, "installation_weeks": 4, "price_usd": 4e5, "fixed_om_fraction_per_year": 0.02}
GENSET = ENGINE | {
    "nameplate_power_mw": 1,
    "minimum_load_fraction": 0.6,
    "ramp_fraction_per_minute": 0.004,
    "start_cost_usd": 300,
    "derate_from_c": 15,
    "derate_fraction_per_k": 0.01,
    "price_usd": 3e5,
}
SERIES: dict[str, Any] = {
    "horizon": {"build_months": 1, "operating_years": 1, "sample_days_per_month": 1},
    "workload": None,
    "target": {"milestones": None, "load_series": {"file": "load.csv", "column": "mw"}},
    "candidates": {"compute": None, "heat_rejection": None},
    "redundancy": {"onsite_generation": {"scheme": "N"}},
}
EVENING: dict[str, Any] = {
    "energy_usd_per_mwh": None,
    "energy_periods": [
        {"name": "day", "usd_per_mwh": 40},
        {"name": "evening", "usd_per_mwh": 160, "weekday_hours": [15, 16, 17, 18, 19, 20], "weekend_hours": [18]},
        {"name": "peak", "usd_per_mwh": 300, "weekday_hours": [18], "weekend_hours": []},
    ],
}
# Batteries that come when they can, for the evening; there is ground for two.
STORES: dict[str, Any] = {
    "horizon": {"build_months": 7},
    "candidates": {"battery": ["own_battery"]},
    "site": {
        "hall": {"yard_m2": 2},
        "grid": {"interconnection": [{"from": "2026-01-01", "mw": 14, "via": "existing_feeders"}], "tariff": EVENING},
    },
    "activities": [{"name": "permit of the batteries", "on": "2027-06-10", "gates": ["own_battery"]}],
}
# A contract above the load, with all that a bill may hold; sun, some of it sold.
BILL: dict[str, Any] = {
    "candidates": {"battery": ["own_battery"], "renewable": ["own_sun"]},
    "site": {
        "land_m2": 20,
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 14, "via": "existing_feeders"}],
            "export": {"mw": 0.2, "usd_per_mwh": 35},
            "tariff": EVENING
            | {
                "demand_usd_per_kw_month": 8,
                "tou_demand": [{"name": "summer", "usd_per_kw_month": 3, "months": [6, 7, 8]}],
                "minimum_take_fraction": 0.7,
            },
        },
    },
    "finance": {"escalation_fraction_per_year": {"energy": 0.02}},
}
# Small engines beside a connection that is too small; fuel for a part of the year.
ENGINES: dict[str, Any] = {
    "candidates": {"generation": ["own_engine"]},
    "site": {
        "caps": {"fuel_mmbtu_hhv_per_year": 150000},
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}],
            "tariff": {
                "energy_usd_per_mwh": None,
                "energy_periods": [
                    {"name": "day", "usd_per_mwh": 40},
                    {"name": "evening", "usd_per_mwh": 160, "weekday_hours": [17, 18, 19], "weekend_hours": [18]},
                ],
            },
        },
    },
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
    "power_chain": {"ride_through_minutes": 8},
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
    "rental_usd_per_mw_month": 60000,
    "mobilisation_usd_per_mw": 40000,
    "demobilisation_usd_per_mw": 20000,
    "minimum_term_months": 6,
}
# A bridge of rented turbines until the grid comes, on gas that is tight and under a permit.
BRIDGE: dict[str, Any] = {
    "horizon": {"build_months": 6},
    "candidates": {"generation": ["own_turbine"], "battery": ["own_battery"]},
    "site": {
        "fuel": {"natural_gas_usd_per_mmbtu_hhv": None},
        "gas": {
            "from": "2026-06-01",
            "mmbtu_hhv_per_day": 1000,
            "usd_per_mmbtu_hhv": 5,
            "take_or_pay_fraction": 0.2,
            "hourly_swing_fraction": 0.1,
        },
        "air_permit": {"from": "2026-06-01", "nox_tons_per_year": 14, "enforceable_cap": "hours"},
        "grid": {
            "interconnection": [
                {"from": "2026-01-01", "mw": 5, "via": "existing_feeders"},
                {"from": "2027-04-01", "mw": 20, "via": "existing_feeders"},
            ],
            "tariff": {
                "energy_usd_per_mwh": None,
                "tiers": [{"usd_per_mwh": 70, "up_to_mwh_per_month": 1000}, {"usd_per_mwh": 80}],
            },
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
    "horizon": {"build_months": 2, "operating_years": 2},
    "candidates": {"battery": ["own_battery"]},
    "site": {"grid": {"interconnection": [{"from": "2026-01-01", "mw": 9, "via": "existing_feeders"}]}},
}
EVENINGS = np.flatnonzero(modelled_hours(1, actual=False) & (HOUR % 24 == 17)).tolist()  # of the sampled days
# Nothing to buy: a bill with a ratchet and coincident peaks, higher in summer; prices that may be half or double.
METER: dict[str, Any] = {
    "candidates": {"battery": ["own_battery"]},
    "site": {
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 20, "via": "existing_feeders"}],
            "tariff": {
                "ratchet": {"fraction": 0.9},
                "coincident_peaks": {"hours": EVENINGS, "usd_per_kw_year": 40},
            },
        }
    },
    "scenarios": [
        {"name": "half", "probability": 0.75, "energy_price_factor": 0.5},
        {"name": "double", "probability": 0.25, "energy_price_factor": 2.0},
    ],
    "risk": {"cvar_alpha": 0.75, "weight": 0.3},
}
# Racks on a grid that may fail: diesels for all of it.
BACKUP: dict[str, Any] = {
    "horizon": {"operating_years": 1},
    "candidates": {"standby_generation": ["own_diesel"]},
    "redundancy": {"standby_generation": {"scheme": "N+1"}},
    "site": {"fuel": {"diesel_usd_per_mmbtu_hhv": 20}, "standby_tests": {"hours_per_year": 12}},
}
DIESEL = ENGINE | {
    "id": "own_diesel",
    "class": "own_diesel",
    "fuel": "diesel",
    "permit_class": "emergency",
    "nameplate_power_mw": 1,
    "price_usd": 6e5,
}
# Racks on engines in N+1 before the grid comes, in a hall that is ready late; crews that take their time.
ISLAND: dict[str, Any] = {
    "horizon": {"operating_years": 1},
    "site": {
        "hall": {"existing_m2": 300, "ready": "2028-02-15"},
        "grid": {
            "interconnection": [
                {"from": "2027-06-01", "mw": 1, "via": "existing_feeders"},
                {"from": "2028-05-01", "mw": 3, "via": "existing_feeders"},
            ]
        },
    },
    "target": {"milestones": [{"gpus": 720, "by": "2028-04-01"}]},
    "candidates": {"generation": ["own_engine"]},
    "redundancy": {"onsite_generation": {"scheme": "N+1"}},
    "commissioning": {"block_mw": 0.5, "weeks": 4, "blocks_in_parallel": 1, "rack_burn_in_weeks": 1},
}
# A substation of two transformers, one to spare.
SUBSTATION: dict[str, Any] = {
    "horizon": {"operating_years": 1},
    "site": {"grid": {"interconnection": [{"from": "2027-06-01", "mw": 3, "via": "substation"}]}},
    "committed": [
        {"item": "power_transformer_161kv_100mva", "units": 2, "on_site": "2027-01-01", "due_usd": 6000000},
        {"item": "hv_substation_bay_161kv", "units": 2, "on_site": "2027-01-01", "due_usd": 16000000},
    ],
}
# Engines that are cheaper than the grid, under a permit that counts what stands; a load that grows.
PERMIT: dict[str, Any] = {
    "candidates": {"generation": ["own_engine"]},
    "target": {"load_scale": [{"from": "2027-01-01", "fraction": 0.9}, {"from": "2027-02-01", "fraction": 1.0}]},
    "site": {
        "air_permit": {"from": "2026-06-01", "nox_tons_per_year": 12, "enforceable_cap": "none"},
        "grid": {
            "interconnection": [{"from": "2026-01-01", "mw": 10, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 90, "demand_usd_per_kw_month": 0},
        },
    },
}
# A year of every hour, so that the months pass energy on.
WHOLE: dict[str, Any] = {
    "horizon": {"build_months": 0, "sample_days_per_month": None},
    "candidates": {"battery": ["own_battery"]},
    "site": {
        "grid": {"interconnection": [{"from": "2026-01-01", "mw": 14, "via": "existing_feeders"}], "tariff": EVENING}
    },
}
SMALL = ENGINE | {
    "nameplate_power_mw": 1,
    "availability_fraction": 0.9,
    "nox_kg_per_mwh": 0.3,
    "price_usd": 2e5,
}
SUMMER = np.where((HOUR > 4000) & (HOUR < 5500), 1.5, 1.0)
DAILY = 8.0 + 2.0 * np.sin(2 * np.pi * (HOUR % 24 - 12) / 24)
SITES: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "stores": ((SERIES, STORES), {"series": DAILY, "items": [STORE | {"warranty_cycles_per_year": 150}]}),
    "bill": ((SERIES, BILL), {"series": DAILY, "items": [BATTERY, SUN]}),
    "engines": ((SERIES, ENGINES), {"series": 1.25 * DAILY, "items": [GENSET]}),
    "racks": ((RACKS,), {}),
    "swings": ((SWINGS,), {"items": [FAST, ENGINE | {"nameplate_power_mw": 1, "price_usd": 4e6}]}),
    "bridge": ((SERIES, BRIDGE), {"series": DAILY, "items": [RENTED, BATTERY]}),
    "water": ((WATER,), {}),
    "meter": ((SERIES, METER), {"series": SUMMER * DAILY, "items": [BATTERY | {"price_usd": 9e6}]}),
    "backup": ((BACKUP,), {"items": [DIESEL]}),
    "island": ((ISLAND,), {"items": [ENGINE | {"nameplate_power_mw": 1, "price_usd": 6e5}]}),
    "substation": ((SUBSTATION,), {}),
    "permit": ((SERIES, PERMIT), {"series": DAILY, "items": [SMALL]}),
    "whole": ((SERIES, WHOLE), {"series": DAILY, "items": [BATTERY]}),
    "fades": ((SERIES, FADES), {"series": DAILY, "items": [FADING]}),
}
