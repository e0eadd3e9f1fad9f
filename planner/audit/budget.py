"""Audit of the power budget: every stage from the chip to the meter derived again, and the sums of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from planner.audit.base import Array, Checks, Tables, says
from planner.audit.loads import Site
from planner.audit.shift import moved_mw
from planner.audit.stock import FLOW
from planner.case.case import Case
from planner.units import KW_PER_MW

if TYPE_CHECKING:
    from planner.audit.months import Month

NAME = "power_budget"
BUS, METER = "mv_bus", "meter"
TAPS = ("it_mw", "network_mw", "cooling_mw")
LOSSES = ("no_load_loss_mw", "proportional_loss_mw", "square_loss_mw")
_MW = 1e-6

Path = tuple[float, Site, Sequence["Month"]]  # its probability, what stands on it, its months


def audit_budget(checks: Checks, case: Case, tables: Tables, site: Site, paths: Sequence[Path]) -> None:
    """The detail against the site; it must be there for every period in which racks run."""
    frame = tables.details.get(NAME, pd.DataFrame({"period": [], "stage": []}))
    loaded = [p for p in site.periods if site.racks and site.design[p]["it"][0] > 0]
    wanted = {(site.starts[p], stage) for p in loaded for stage in _stages(site, p)}
    given = list(zip(frame.period, frame.stage, strict=True))
    checks.true("power budget", set(given) == wanted and len(given) == len(wanted), f"{NAME} lacks or repeats stages")
    if set(given) != wanted or len(given) != len(wanted):
        return
    for p in loaded:
        found: list[dict[str, Any]] = frame[frame.period == site.starts[p]].to_dict("records")  # type: ignore[assignment]
        rows = {str(row["stage"]): row for row in found}
        want = _design(site, rows, p)
        _averages(want, site, paths, p)
        for stage, columns in want.items():
            for column, (least, most) in columns.items():
                got, slack = float(rows[stage][column]), _MW * max(1.0, abs(most))
                where = says(f"{stage} {site.starts[p]} {column}")
                checks.between("power budget", "MW, MVA, units", got, least, most, slack, where)
        _sums(checks, rows, f"{site.starts[p]}")
        for stage, row in rows.items():
            name = _scheme(case, site, stage, p)
            built = stage in (BUS, METER) or bool(site.at(stage))
            checks.true("power budget", not built or str(row["redundancy"]) == name, f"{stage}: redundancy is {name}")


def _scheme(case: Case, site: Site, stage: str, p: int) -> str:
    """How a stage's spares are counted; pods and boxes have their own inside."""
    if stage in (BUS, METER):
        return ""
    there = {item.family for item, _, on in site.at(stage) if on[p] > 0}
    scheme = case.stage_redundancy(stage)
    if there and there <= {"compute", "enclosure"}:
        return "built in"
    return scheme.scheme if scheme is not None else "none"


def _stages(site: Site, p: int) -> list[str]:
    """Stages with a row: those that lose something or where something taps, and what is behind the bus."""
    built = {loss.stage for loss in site.losses}
    taps = {
        "rack_pdu": site.design[p]["rack_pdu"][0],
        "busway": site.design[p]["busway"][0],
        "ups": site.auxiliary_mw("cdu", p) + site.auxiliary_mw("air_unit", p),
        "mv_lv_transformer": sum(site.design[p][f"heat_rejection:{loop}"][0] for loop in ("liquid", "air")),
    }
    names = [s for s in FLOW if s in built or taps.get(s, 0.0) > 0] + [BUS]
    transformers = site.import_loss > 0 or any(on[p] > 0 for _, _, on in site.at("main_transformer"))
    bays = any(on[p] > 0 for _, _, on in site.at("hv_substation"))
    return [*names, *(["main_transformer"] if transformers else []), *(["hv_substation"] if bays else []), METER]


def _design(site: Site, rows: dict[str, dict[str, Any]], p: int) -> dict[str, dict[str, tuple[float, float]]]:
    """By stage and column, (least, most) of what a row must say. Heat rejection is as the table shares it out."""
    loss = {s.stage: s for s in site.losses}
    it, network = site.design[p]["it"][0], float(site.network_mw[p])
    on_pdu = site.design[p]["rack_pdu"][0]
    want: dict[str, dict[str, tuple[float, float]]] = {}
    taps: dict[str, dict[str, float]] = {
        "rack_pdu": {"it_mw": on_pdu},
        "busway": {"it_mw": it - on_pdu, "network_mw": network},
        "ups": {"cooling_mw": site.auxiliary_mw("cdu", p) + site.auxiliary_mw("air_unit", p)},
    }
    for stage in (s for s in FLOW if s in rows):
        row, own = rows[stage], taps.get(stage, {})
        delivered = float(row["delivered_mw"])
        want[stage] = {name: (own.get(name, 0.0),) * 2 for name in TAPS}
        want[stage] |= {"generation_mw": (0.0, 0.0), "delivered_mw": site.design[p][stage]}
        if stage == "mv_lv_transformer":
            del want[stage]["cooling_mw"]  # between least and most as what is delivered is
        each = loss.get(stage)
        linear, square = (each.proportional * delivered, each.square * delivered) if each else (0.0, 0.0)
        lost = (site.no_load_mw(stage, p) if each else 0.0, linear, square)
        want[stage] |= {name: (mw, mw) for name, mw in zip(LOSSES, lost, strict=True)}
        if each:
            want[stage] |= _ratings(site, stage, delivered, p)
    return want | _behind_the_bus(site, rows, p)


def _behind_the_bus(site: Site, rows: dict[str, dict[str, Any]], p: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Bus, main transformers, bays and meter: all the grid that is there before any generation."""
    share, standing = site.import_loss, site.no_load_mw("main_transformer", p)
    load, firm = float(rows[BUS]["below_mw"]), float(rows[METER]["firm_mw"])
    imported = min((load + standing) / (1.0 - share), firm)
    from_grid = imported * (1.0 - share) - standing
    nothing = dict.fromkeys((*TAPS, *LOSSES, "generation_mw"), (0.0, 0.0))
    least, most = site.design[p]["mv_bus"]
    made = load - from_grid
    want = {
        BUS: nothing
        | {"below_mw": (least, most), "generation_mw": (made, made), "delivered_mw": (from_grid, from_grid)},
        METER: nothing | {"delivered_mw": (imported, imported), "drawn_mw": (imported, imported)},
    }
    want[METER]["firm_mw"] = (min(least, imported), float(site.grid_mw[p]))
    for stage in ("main_transformer", "hv_substation"):
        if stage in rows:
            delivered = from_grid if stage == "main_transformer" else imported
            want[stage] = dict(nothing) | {"delivered_mw": (delivered, delivered), "drawn_mw": (imported, imported)}
            want[stage] |= _ratings(site, stage, delivered, p)
    if "main_transformer" in rows:
        del want["main_transformer"]["proportional_loss_mw"], want["main_transformer"]["square_loss_mw"]
        want["main_transformer"]["no_load_loss_mw"] = (standing, standing)
    return want


def _ratings(site: Site, stage: str, delivered: float, p: int) -> dict[str, tuple[float, float]]:
    units = mva = 0.0
    factor = site.power_factor(stage)
    for item, _, on in site.at(stage):
        units += float(on[p])
        kva = item.get("rating_kva") if item.rating_kva else site.power_rating_mw(item, stage) * KW_PER_MW / factor
        mva += kva / KW_PER_MW * float(on[p])
    firm, apparent = site.firm(stage, p), delivered / factor
    least = min(delivered, firm)
    return {
        "units": (units, units),
        "rated_mw": (site.rated_mw(stage, p),) * 2,
        "rated_mva": (mva, mva),
        "delivered_mva": (apparent, apparent),
        "firm_mw": (least, firm),
    }


def _sums(checks: Checks, rows: dict[str, dict[str, Any]], period: str) -> None:
    """Each row adds up, each begins where the one before ends, and the whole comes to the meter."""
    before, total = 0.0, 0.0
    for stage, row in rows.items():
        tapped = sum(float(row[name]) for name in TAPS) - float(row["generation_mw"])
        lost = sum(float(row[name]) for name in LOSSES)
        total += tapped + lost
        firm = float(row["firm_mw"])
        got = [float(row[name]) for name in ("below_mw", "delivered_mw", "drawn_mw")]
        want = [before, before + tapped, before + tapped + lost]
        got.append(float(row["loading_fraction"]))
        want.append(float(row["delivered_mw"]) / firm if firm > 0 else 0.0)
        checks.equal("power budget adds up", "MW", got, want, _MW * max(1.0, total), says(f"{stage} {period}"))
        before = float(row["drawn_mw"])
    checks.equal("power budget adds up", "MW", before, total, _MW * max(1.0, total), says(f"meter {period}"))


def _averages(want: dict[str, dict[str, tuple[float, float]]], site: Site, paths: Sequence[Path], p: int) -> None:
    """Mean throughput and loss of every stage over the dispatch of a period, paths by their probabilities."""
    through: dict[str, float] = dict.fromkeys(want, 0.0)
    lost: dict[str, float] = dict.fromkeys(want, 0.0)
    hours = sum(m.hours.weight * len(m.rows) for _, _, months in paths[:1] for m in months if m.p == p)
    for probability, there, months in paths:
        for month in (m for m in months if m.p == p):
            part = probability * month.hours.weight / hours
            for loss in there.losses:
                flow = loss.multiple * _drawn(there, month, pdu=loss.stage == "rack_pdu")
                rated = there.rated_mw(loss.stage, p, loaded=True)
                square = loss.square * flow**2 / rated if rated > 0 else 0.0 * flow
                each = there.no_load_mw(loss.stage, p) + loss.proportional * flow + square
                through[loss.stage] += part * float(flow.sum())
                lost[loss.stage] += part * float(each.sum())
            _import(through, lost, there, month, part)
    for stage, columns in want.items():
        columns["average_delivered_mw"] = (through[stage],) * 2
        columns["average_loss_mw"] = (lost[stage],) * 2


def _drawn(site: Site, month: Month, *, pdu: bool) -> Array:
    """IT draw by hour, of all racks or of those on rack PDUs. [MW]"""
    mean = site.sum_racks({r.item.id: r.mean_mw for r in site.racks if r.uses("rack_pdu") or not pdu})[month.p]
    return site.case.load_shape[month.hours.step_of_year] * float(mean) + moved_mw(site, month, pdu_only=pdu)


def _import(through: dict[str, float], lost: dict[str, float], site: Site, month: Month, part: float) -> None:
    """Adds what passed the meter and the main transformers."""
    taken, given = (float(np.sum(month.flow(f"grid_{way}_mw"))) for way in ("import", "export"))
    standing = site.no_load_mw("main_transformer", month.p) * len(month.rows)
    sent = given / (1.0 - site.import_loss)
    bus = taken * (1.0 - site.import_loss) - standing - sent
    for stage in (BUS, "main_transformer"):
        if stage in through:
            through[stage] += part * bus
    for stage in ("hv_substation", METER):
        if stage in through:
            through[stage] += part * (taken - given)
    if "main_transformer" in through:
        lost["main_transformer"] += part * (standing + site.import_loss * taken + sent - given)
