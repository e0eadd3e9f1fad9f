"""Audit of the site limits: areas, height, noise at the fence and stored diesel, from the units that stand."""

from __future__ import annotations

import math

import numpy as np

from planner.audit.base import Array, Checks, Tables, says, says_when
from planner.audit.loads import Site
from planner.case.case import Case
from planner.case.item import Item
from planner.units import DIESEL_MMBTU_HHV_PER_M3, HHV_OVER_LHV_DIESEL

OUTDOORS = (
    "heat_rejection",
    "generation",
    "battery",
    "mv_lv_transformer",
    "main_transformer",
    "hv_substation",
    "mv_switchgear",
    "battery_transformer",
    "standby_generation",
)


def audit_limits(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every limit in every period, and the table that shows them."""
    wanted = _areas(case, site) | _noise(case, site) | _fuel(case, site) | _height(case, site)
    for name, (used, most, unit) in wanted.items():
        label = name if unit != "m2" else f"{name} area"
        checks.at_most(label, unit, used, most, 1e-6 * max(1.0, most), says_when(name, site.starts))
    frame = tables.details.get("site_limits")
    rows = {} if frame is None else {(row.period, str(row.limit)): row for row in frame.itertuples()}
    keys = {(start, name) for name in wanted for start in site.starts}
    shown = set(rows) == keys and (frame is None or len(frame) == len(keys))
    checks.true("site limits table", shown, "site_limits holds every limit of the case once in every period")
    for name, (used, most, unit) in wanted.items():
        for p, start in enumerate(site.starts):
            if (row := rows.get((start, name))) is not None:
                where = says(f"{name} {start}")
                for got, want in ((row.used, used[p]), (row.most, most)):
                    checks.equal("site limits table", unit, got, want, 1e-6 * max(1.0, abs(want)), where)
                checks.true("site limits table", str(row.unit) == unit, f"{name} is in {unit}")


Limits = dict[str, tuple[Array, float, str]]


def _areas(case: Case, site: Site) -> Limits:
    """Ground by kind; the parcel counts every unit once."""
    totals = {name: np.zeros(len(site.starts)) for name in ("yard", "land", "buildings", "solar", "parcel")}
    for item, parts, counts in site.standing():
        building = "white_space" in item.brings
        of = {
            "yard": _in_yard(item, parts),
            "land": item.family in ("renewable", "enclosure"),
            "buildings": building,
            "solar": item.family == "renewable",
        }
        of["parcel"] = of["yard"] or of["buildings"] or of["solar"]
        for name, counts_here in of.items():
            if counts_here:
                totals[name] = totals[name] + item.get("footprint_m2") * counts
    given, land = case.input.site, case.input.site.land
    most = {"yard": given.hall.yard_m2, "land": given.land_m2}
    if land is not None:
        most["yard"] = land.yard_m2 if given.hall.yard_m2 is None else given.hall.yard_m2
        most |= {"buildings": land.buildings_m2, "solar": land.solar_m2}
        most["parcel"] = None if land.parcel_m2 is None else land.parcel_m2 * land.parcel_coverage_fraction
    return {name: (totals[name], limit, "m2") for name, limit in most.items() if limit is not None}


def _in_yard(item: Item, parts: tuple[str, ...]) -> bool:
    outside = item.family in ("generation", "battery") or any(part.split(":")[0] in OUTDOORS for part in parts)
    return outside and item.family != "compute" and "white_space" not in parts and "ups" not in parts


def _noise(case: Case, site: Site) -> Limits:
    """Levels of all units at the fence, added as intensities: Lw - 20 lg d - 8 each, and the background."""
    noise = case.input.site.noise
    if noise is None:
        return {}
    heard = np.zeros(len(site.starts))
    for item, parts, counts in site.standing():
        if item.sound_power_dba is None or ("standby_generation" in parts and not noise.standby_sets):
            continue
        if _in_yard(item, parts) or "white_space" in item.brings or item.family == "renewable":
            at_fence = item.get("sound_power_dba") - 20.0 * math.log10(noise.distance_m) - 8.0
            heard = heard + counts * 10.0 ** (at_fence / 10.0)
    if noise.background_dba is not None:
        heard = heard + 10.0 ** (noise.background_dba / 10.0)
    level = 10.0 * np.log10(np.maximum(heard, 1.0))
    return {"noise": (level, noise.limit_dba, "dB(A)")}


def _fuel(case: Case, site: Site) -> Limits:
    """Diesel in the tanks of standby sets."""
    stored = case.input.site.on_site_fuel
    if stored is None or stored.diesel_m3 is None:
        return {}
    total = np.zeros(len(site.starts))
    for item, parts, counts in site.standing():
        if "standby_generation" in parts and item.fuel == "diesel":
            total = total + tank_mmbtu_hhv(item, stored.hours) / DIESEL_MMBTU_HHV_PER_M3 * counts
    return {"fuel_storage": (total, stored.diesel_m3, "m3")}


def tank_mmbtu_hhv(item: Item, hours: float) -> float:
    """Heat of the diesel that a set burns in so many hours at its rating."""
    if item.heat_rate_btu_per_kwh_hhv is not None:
        btu_per_kwh = item.get("heat_rate_btu_per_kwh_hhv")
    else:
        btu_per_kwh = item.get("heat_rate_btu_per_kwh_lhv") * HHV_OVER_LHV_DIESEL
    return btu_per_kwh * item.get("nameplate_power_mw") * hours / 1000.0


def _height(case: Case, site: Site) -> Limits:
    """The highest of what stands in the open."""
    limit = case.input.site.height_limit_m
    if limit is None:
        return {}
    highest = np.zeros(len(site.starts))
    for item, _, counts in site.standing():
        outside = item.family in ("generation", "battery", "renewable") or "white_space" in item.brings
        if outside or ("ups" not in item.brings and set(item.brings) & set(OUTDOORS)):
            height = math.inf if item.height_m is None else item.height_m.planning
            highest = np.maximum(highest, np.where(counts > 0, height, 0.0))
    return {"height": (highest, limit, "m")}
