"""The cases of the benchmark, written as folders that `planner solve` reads: case.yaml, load.csv, own catalog.

One site near Greensboro with a load of the 100 MW class behind a grid limit of 70 MW, PV by the MW, batteries and
gas engines in whole units, one energy price and a demand charge every month. Prices are judgement, set so that demand
charges, engines, batteries and PV compete: none of them is the whole answer. Equipment serves from the day it is
ordered and the first year begins with the start, so there is no build to speak of. Everything is drawn from fixed
seeds: the same name gives the same bytes.

    python -m benchmarks.cases NAME FOLDER
"""

from __future__ import annotations

import copy
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml

HOURS = 8760
FIRST_DAY = date(2028, 1, 1)
LOAD_SEED, SWEEP_SEED = 20260101, 20260202
GRID_MW, PEAK_MW = 70.0, 100.0

# Unit MW and MWh, price in USD (about 170 $/kW and 115 $/kWh), round trip.
BATTERIES = {
    "battery_2h": (2.0, 4.0, 0.800e6, 0.88),
    "battery_4h": (1.9, 7.6, 1.180e6, 0.90),
    "battery_1h": (1.5, 1.5, 0.430e6, 0.87),
    "battery_3h": (2.4, 7.2, 1.230e6, 0.89),
    "battery_6h": (1.2, 7.2, 1.010e6, 0.89),
    "battery_8h": (1.0, 8.0, 1.070e6, 0.88),
}
# Unit MW, price in USD, heat rate in Btu/kWh LHV, variable O&M in $/MWh.
ENGINES = {
    "engine_4mw": (4.4, 4.7e6, 7850.0, 9.0),
    "engine_10mw": (10.4, 11.6e6, 7420.0, 7.5),
    "engine_2mw": (2.5, 2.5e6, 8350.0, 10.5),
}


def load_mw(peak_mw: float = PEAK_MW, seed: int = LOAD_SEED) -> np.ndarray:
    """Facility load by hour: day and week, season, and slow noise; its highest hour is `peak_mw`. (8760,)"""
    hour = np.arange(HOURS)
    random = np.random.default_rng(seed).normal(size=HOURS)
    noise = np.zeros(HOURS)
    for t in range(1, HOURS):
        noise[t] = 0.95 * noise[t - 1] + random[t]
    day = np.cos(2 * np.pi * (hour % 24 - 15) / 24)
    season = np.cos(2 * np.pi * (hour / HOURS - 0.55))
    workday = (hour // 24 + FIRST_DAY.weekday()) % 7 < 5
    load = 70.0 + 7.0 * day + 4.0 * season + 4.0 * workday + 1.2 * noise
    return np.asarray(np.round(load * peak_mw / load.max(), 6))


def site(
    name: str,
    *,
    batteries: int = 1,
    engines: int = 1,
    build_months: int = 0,
    years: int = 1,
    step_minutes: int | None = None,
) -> dict[str, Any]:
    """case.yaml of the site with the first so many battery and engine types.

    years: each with additions at its start and a load of its own, growing from 40 % to 130 %.
    """
    horizon: dict[str, Any] = {"build_months": build_months, "expansion_years": years - 1, "operating_years": 1}
    if step_minutes is not None:
        horizon["step_minutes"] = step_minutes
    target: dict[str, Any] = {"load_series": {"file": "load.csv", "column": "mw"}}
    if years > 1:
        growth = np.round(np.linspace(0.4, 1.3, years), 6).tolist()
        starts = [FIRST_DAY.replace(year=FIRST_DAY.year + y) for y in range(years)]
        target["load_scale"] = [{"from": day, "fraction": f} for day, f in zip(starts, growth, strict=True)]
    return {
        "name": name,
        "start": FIRST_DAY,
        "horizon": horizon,
        "site": {
            **_place(),
            "grid": {
                "interconnection": [{"from": FIRST_DAY, "mw": GRID_MW, "via": "existing_feeders"}],
                "tariff": _tariff([7.5] * 5 + [11.0] * 4 + [7.5] * 3),
            },
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": 5.2},
        },
        "target": target,
        "candidates": {
            "battery": list(BATTERIES)[:batteries],
            "generation": list(ENGINES)[:engines],
            "renewable": ["pv_1mw"],
        },
        "finance": {"base_year": 2026, "discount_rate": 0.09, "indirects_fraction": 0.0, "contingency_fraction": 0.0},
        "catalogs": ["own"],
    }


def _place() -> dict[str, Any]:
    return {
        "location": {"latitude": 36.1, "longitude": -79.94, "elevation_m": 273, "time_zone": "America/New_York"},
        "weather": {"tmy3": "pvlib:723170TYA.CSV"},
        "design_ambient": {"dry_bulb_c": 33.6, "wet_bulb_c": 25.4, "extreme_dry_bulb_c": 39.5},
    }


def _tariff(demand_usd_per_kw_month: list[float]) -> dict[str, Any]:
    """Two windows at one price: the what-ifs of tariffs set them apart."""
    on_peak = {"name": "on_peak", "usd_per_mwh": 56.0, "weekday_hours": list(range(13, 21)), "weekend_hours": []}
    return {
        "energy_periods": [{"name": "off_peak", "usd_per_mwh": 56.0}, on_peak],
        "demand_usd_per_kw_month": demand_usd_per_kw_month,
    }


def campus(power_mw: float, build_months: int, objective: str) -> dict[str, Any]:
    """A campus of about so many MW with two or three products in most stages, redundancy in groups, ten years."""
    share = power_mw / 50.0

    def racks(at_50_mw: int) -> int:
        return 8 * max(1, round(at_50_mw * share / 8))

    gpus = [72 * racks(100), 72 * racks(280)]
    first, years = date(2027, 1, 1), build_months // 12
    by = [date(2028, 12, 31), date(2026 + years - 1, 12, 31)]
    quarters = [f"{year}Q{q}" for year in range(2028, 2027 + years) for q in (1, 2, 3, 4)]
    return {
        "name": f"campus of {power_mw:g} MW",
        "start": first,
        "horizon": {"build_months": build_months, "operating_years": 10},
        "site": {
            **_place(),
            "hall": {"existing_m2": 5000.0 * share, "ready": date(2027, 6, 1), "yard_m2": 60000.0 * share},
            "land_m2": 2.5e6 * share,
            "grid": {
                "interconnection": [
                    {"from": date(2028, 1, 1), "mw": 20.0 * share, "via": "existing_feeders"},
                    {"from": date(2029, 4, 1), "mw": 60.0 * share, "via": "existing_feeders"},
                ],
                "tariff": _tariff([8.0] * 12) | {"minimum_take_fraction": 0.6},
            },
            "fuel": {"natural_gas_usd_per_mmbtu_hhv": 5.2},
            "fibre": {"from": date(2027, 9, 1)},
        },
        "cooling": {"coolant_supply_c": 40.0, "chilled_water_supply_c": 22.0},
        "workload": {"kind": "training", "average_load_fraction": 0.85},
        "target": {"milestones": [{"gpus": g, "by": d} for g, d in zip(gpus, by, strict=True)]},
        "objective": objective,
        "candidates": {
            "compute": ["nvidia_gb200_nvl72", "nvidia_gb300_nvl72"],
            "network": ["fabric_unit_576"],
            "enclosure": ["hall_stick_built", "fit_out_generic"],
            "power": [
                "busway_generic",
                "ups_generic",
                "schneider_galaxy_vxl",
                "eaton_9395xc",
                "lv_switchboard_generic",
                "mv_padmount_transformer",
                "mv_padmount_transformer_3mva",
                "mv_switchgear_generic",
                "power_lineup_3mva",
            ],
            "cooling": ["cdu_generic", "vertiv_xdu1350", "vertiv_coolchip_2300", "air_unit_generic"],
            "heat_rejection": ["dry_cooler_adiabatic", "chiller_air_cooled"],
            "generation": ["jenbacher_j620", "jenbacher_j624"],
            "renewable": ["solar_single_axis_1mw"],
            "battery": ["tesla_megapack_2xl_4h", "tesla_megablock_4h"],
            "other_stages": "class_defaults",
        },
        "order_multiples": {"nvidia_gb300_nvl72": 8, "nvidia_gb200_nvl72": 8},
        "supply": {
            "nvidia_gb300_nvl72": dict.fromkeys(quarters, racks(48)),
            "nvidia_gb200_nvl72": dict.fromkeys(quarters, racks(16)),
        },
        "redundancy": {
            "ups": {"scheme": "4N/3", "group_mw": 10.0},
            "cdu": {"scheme": "N+1", "group_racks": 16},
            "heat_rejection": {"scheme": "N+1", "group_mw": 25.0},
            "onsite_generation": {"scheme": "N+1"},
        },
        "spares": {"racks_fraction": 0.02},
        "commissioning": {
            "block_mw": 10.0,
            "weeks": 6.0,
            "blocks_in_parallel": max(3, round(3 * share / 2)),
            "rack_burn_in_weeks": 3.0,
        },
        "finance": {"base_year": 2026, "discount_rate": 0.10, "indirects_fraction": 0.18, "contingency_fraction": 0.10},
    }


def case_of(name: str) -> dict[str, Any]:
    """case.yaml by name: year, decade, wide3, wide6, campus_50_48_min_cost, scale_years_5, scale_periods_12, ..."""
    if name == "year":
        return site(name)
    if name == "decade":
        return site(name, years=10)
    if name == "wide3":
        return site(name, batteries=3, engines=2)
    if name == "wide6":
        return site(name, batteries=6, engines=3)
    kind, what, value, *objective = name.split("_", 3)
    if kind == "campus":
        return campus(float(what), int(value), objective[0])
    if what == "years":
        return site(name, years=int(value))
    if what == "periods":
        return site(name, build_months=int(value))
    if what == "minutes":
        return site(name, step_minutes=int(value))
    raise ValueError(f"unknown case {name}")


def write_case(name: str, folder: Path) -> Path:
    """Write a case into its own folder; the same name gives the same bytes."""
    case = case_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    if "load_series" in case["target"]:
        rows = "\n".join(f"{mw:.6f}" for mw in load_mw())
        (folder / "load.csv").write_text(f"mw\n{rows}\n")
        (folder / "own").mkdir(exist_ok=True)
        (folder / "own" / "items.yaml").write_text(yaml.safe_dump(own_catalog(), sort_keys=False))
    text = yaml.safe_dump(copy.deepcopy(case), sort_keys=False, default_flow_style=None, width=120)
    (folder / "case.yaml").write_text(text)
    return folder


def own_catalog() -> dict[str, Any]:
    """Items of the sites: everything serves from the day it is ordered and is paid on it."""
    items = []
    for item_id, (power_mw, energy_mwh, usd, efficiency) in BATTERIES.items():
        figures = {
            "nameplate_power_mw": power_mw,
            "nameplate_energy_mwh": energy_mwh,
            "round_trip_efficiency_fraction": efficiency,
            "wear_cost_usd_per_mwh": 3.0,
        }
        items.append(_item(item_id, "battery", usd, 15.0, 0.015, figures))
    for item_id, (power_mw, usd, heat_rate, om) in ENGINES.items():
        figures = {
            "nameplate_power_mw": power_mw,
            "heat_rate_btu_per_kwh_lhv": heat_rate,
            "variable_om_usd_per_mwh": om,
            "derate_fraction_per_k": 0.006,
            "derate_from_c": 25.0,
            "availability_fraction": 0.96,
        }
        items.append(_item(item_id, "generation", usd, 20.0, 0.02, figures, fuel="natural_gas"))
    pv = {"nameplate_power_mw": 1.0, "dc_ac_ratio": 1.3}
    items.append(_item("pv_1mw", "renewable", 0.98e6, 30.0, 0.015, pv, divisible=True))
    return {"schema": "catalog/1", "sources": {"bench": {"name": "made for the benchmark"}}, "items": items}


def _item(
    item_id: str, family: str, usd: float, life_years: float, om: float, own: dict[str, float], **words: Any
) -> dict[str, Any]:
    figures = {
        "price_usd": usd,
        "lead_time_weeks": 0.0,
        "installation_weeks": 0.0,
        "installation_fraction": 0.0,
        "economic_life_years": life_years,
        "fixed_om_fraction_per_year": om,
        "payment_order_fraction": 1.0,
        "payment_delivery_fraction": 0.0,
        "footprint_m2": 20.0,
        **own,
    }
    start: dict[str, Any] = {
        "id": item_id,
        "family": family,
        "class": f"bench_{family}",
        "vendor": "benchmark",
        "model": item_id,
    }
    start |= {"status": "available", "brings": [family], **words}
    source = {"source": "bench", "date": "2026-11", "confidence": "estimate"}
    return start | {name: {"value": value, **source} for name, value in figures.items()}


def what_ifs(kind: str, count: int = 200) -> list[dict[str, float]]:
    """Seeded what-ifs of `year`, as factors: `sizes` of equipment prices, grid and load; `prices` of energy."""
    names = {
        "sizes": {"battery": 0.3, "generation": 0.3, "renewable": 0.3, "grid": 0.1, "load": 0.1},
        "prices": {"energy": 0.3, "on_peak": 0.3, "demand": 0.4, "gas": 0.3},
    }[kind]
    random = np.random.default_rng(SWEEP_SEED)
    draws = 1.0 + random.uniform(-1.0, 1.0, (count, len(names))) * list(names.values())
    return [dict(zip(names, row, strict=True)) for row in np.round(draws, 6).tolist()]


if __name__ == "__main__":
    write_case(sys.argv[1], Path(sys.argv[2]))
