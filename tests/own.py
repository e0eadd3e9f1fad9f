"""Items of a catalog of one's own for tests: they serve from the day they are ordered, and change in what is said."""

from __future__ import annotations

from typing import Any

PLAIN: dict[str, Any] = {
    "vendor": "own",
    "model": "own",
    "status": "available",
    "footprint_m2": 1,
    "economic_life_years": 20,
    "payment_order_fraction": 0.3,
    "payment_delivery_fraction": 0.5,
    "installation_fraction": 0.1,
    "lead_time_weeks": 0,
    "installation_weeks": 0,
}
# A battery of 2 MW and 8 MWh whose round trip of 0.81 is 0.9 one way.
BATTERY = PLAIN | {
    "id": "own_battery",
    "family": "battery",
    "class": "own_battery",
    "brings": ["battery"],
    "nameplate_power_mw": 2,
    "nameplate_energy_mwh": 8,
    "round_trip_efficiency_fraction": 0.81,
    "wear_cost_usd_per_mwh": 1,
    "price_usd": 1e6,
}
# An engine of 5 MW with 8 MMBtu a MWh and 5 $/MWh of O&M.
ENGINE = PLAIN | {
    "id": "own_engine",
    "family": "generation",
    "class": "own_engine",
    "fuel": "natural_gas",
    "permit_class": "non_emergency",
    "brings": ["generation"],
    "nameplate_power_mw": 5,
    "heat_rate_btu_per_kwh_hhv": 8000,
    "variable_om_usd_per_mwh": 5,
    "price_usd": 4e6,
}
