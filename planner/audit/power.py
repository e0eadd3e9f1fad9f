"""Audit of operation: every hour of the dispatch, batteries over the year, and the bill of every month."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from planner.audit.base import Array, Checks, Tables, says
from planner.audit.bill import charge_bill
from planner.audit.fade import left_mwh
from planner.audit.generation import committed
from planner.audit.grid import ratchets_mw
from planner.audit.heat import audit_heat, rejection_mw
from planner.audit.loads import IN_THE_ROOM, Site
from planner.audit.money import Key
from planner.audit.months import Month
from planner.audit.shift import audit_shift, moved_mw, overstated_loss_mw
from planner.audit.sources import Sources, audit_battery
from planner.audit.stock import FLOW, LOOPS
from planner.case.case import Case

LOSS_TOLERANCE = 2e-4  # of the load: the model's losses lie on tangents of the square
# Of the full-load square loss, times the square of the hour's draw over its mean: tangents of the mean throughput, 0.05
# of the rating apart, lie at most (0.05 / 2)^2 of it below its square.
SQUARE_TOLERANCE = 6.25e-4
_MW = 1e-6
PLAIN_COLUMNS = {
    "period",
    "phase",
    "hour_of_year",
    "minute",
    "weight_h",
    "facility_load_mw",
    "it_mw",
    "room_losses_mw",
    "liquid_heat_mw",
    "air_heat_mw",
    "makeup_m3_per_h",
    "heat_rejection_mw",
    "losses_and_fans_mw",
    "site_load_mw",
    "grid_import_mw",
    "grid_export_mw",
}


def audit_power(
    checks: Checks, case: Case, tables: Tables, site: Site, months: list[Month], brought: dict[str, list[float]]
) -> dict[Key, float]:
    """Check the dispatch; returns the operating ledger lines it gives.

    brought: by battery and period, energy that new units arrive with. [MWh]
    """
    _columns(checks, case, tables, site)
    sources = Sources(case, site)
    bills: defaultdict[Key, float] = defaultdict(float)
    peaks = [(m.days, float(m.flow("grid_import_mw").max())) for m in months]
    for month, ratchet_mw in zip(months, ratchets_mw(case, peaks), strict=True):
        _balance(checks, case, site, month)
        sources.check(checks, month)
        audit_heat(checks, site, month, _room_losses_mw(site, month))
        _shed(checks, case, site, month)
        audit_shift(checks, case, site, month)
        charge_bill(case, site, month, ratchet_mw, bills)
    for battery in site.family_items("battery"):
        left = [left_mwh(case, tables, site, battery, m.p, max(m.days)) for m in months]
        audit_battery(checks, site, months, battery, brought[battery.id], left)
    return dict(bills)


def _columns(checks: Checks, case: Case, tables: Tables, site: Site) -> None:
    """Every column is a flow of an item of the case; none is negative."""
    known = set(PLAIN_COLUMNS)
    machines = site.family_items("generation")
    known |= {f"generation:{i.id}_mw" for i in machines}
    known |= {f"{kind}:{i.id}_units" for i in machines if committed(case, site, i) for kind in ("online", "started")}
    known |= {f"renewable:{i.id}_mw" for i in site.family_items("renewable")}
    for item in site.family_items("battery"):
        known |= {f"charge:{item.id}_mw", f"discharge:{item.id}_mw", f"soc:{item.id}_mwh"}
    for kind in ("shed", "shift_up", "shift_down"):
        known |= {f"compute_{kind}:{r.item.id}_mw" for r in site.racks}
    known |= {f"heat_rejected:{loop}:{r.item.id}_mw" for loop in LOOPS for r in site.rejectors[loop]}
    strange = sorted(set(tables.dispatch.columns) - known)
    checks.true("dispatch columns", not strange, f"no item of the case has the flows {strange[:3]}")
    for name in sorted(set(tables.dispatch.columns) - {"period", "phase", "losses_and_fans_mw"}):
        values = tables.dispatch[name].to_numpy(np.float64)
        low = float(np.nan_to_num(values).min(initial=0.0))
        checks.add("flows not negative", "MW, MWh or units", [low + _MW], says(f"{name} falls to {low:.6g}"))


# -- load and losses ---------------------------------------------------------------------------------------


def it_mean_mw(site: Site, p: int) -> float:
    """Mean draw of the racks that run."""
    return float(site.sum_racks({r.item.id: r.mean_mw for r in site.racks})[p])


def losses_mw(site: Site, p: int, shape: Array, month: Month | None = None, *, room: bool = False) -> Array:
    """Constant draws, and proportional and square losses of every stage as they are. [MW by hour]

    room: losses of the stages in the room alone, without what fans and pumps draw.
    """
    constant = sum(site.no_load_mw(s, p) for s in (IN_THE_ROOM if room else (*FLOW, "main_transformer")))
    constant += (
        0.0
        if room
        else sum(site.auxiliary_mw(s, p) for s in ("cdu", "air_unit", "heat_rejection:liquid", "heat_rejection:air"))
    )
    constant += 0.0 if room else site.kept.loss_mw(p)
    total = np.full(len(shape), float(constant))
    on_pdu = float(site.sum_racks({r.item.id: r.mean_mw for r in site.racks if r.uses("rack_pdu")})[p])
    for stage in site.losses:
        if room and stage.stage not in IN_THE_ROOM:
            continue
        pdu = stage.stage == "rack_pdu"
        drawn = shape * (on_pdu if pdu else it_mean_mw(site, p))
        if month is not None:
            drawn = drawn + moved_mw(site, month, pdu_only=pdu)
        through = stage.multiple * drawn
        rated = site.rated_mw(stage.stage, p, loaded=True)
        total += stage.proportional * through
        if rated > 0:
            total += stage.square * through**2 / rated
    return total


def _room_losses_mw(site: Site, month: Month) -> tuple[Array, Array]:
    """(least, most) losses of the stages in the room: as they are, less what tangents may miss, and as charged."""
    at = month.hours.step_of_year
    shape = site.case.load_shape[at]
    exact = losses_mw(site, month.p, shape, month, room=True)
    below = sum(s.square * site.rated_mw(s.stage, month.p) for s in site.losses if s.stage in IN_THE_ROOM)
    return exact - SQUARE_TOLERANCE * shape**2 * below, exact + overstated_loss_mw(site, month, IN_THE_ROOM)


def _balance(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """Sources less charging equal IT, losses and cooling in every hour; derived columns say the same."""
    at = month.hours.hour_of_year
    imported_loss = month.flow("grid_import_mw") * site.import_loss
    exported = month.flow("grid_export_mw")
    exported_loss = exported / (1.0 - site.import_loss) - exported
    supply = month.flow("grid_import_mw") - imported_loss - exported - exported_loss
    for name in month.rows.columns:
        kind = name.split(":")[0]
        if kind in ("generation", "renewable", "discharge", "compute_shed"):
            supply = supply + month.flow(name)
        elif kind == "charge":
            supply = supply - month.flow(name)
    load = np.zeros(len(at))
    if case.load_series_mw is not None:
        series = site.load_by_step(month.p)[month.hours.step_of_year]
        load = load + series
        checks.equal(
            "load by hour",
            "MW",
            month.flow("facility_load_mw"),
            series,
            _MW * (1.0 + series),
            month.where("facility_load_mw"),
        )
    if site.racks:
        shape = case.load_shape[month.hours.step_of_year]
        it = shape * it_mean_mw(site, month.p) + float(site.network_mw[month.p]) + moved_mw(site, month)
        cooling = rejection_mw(site, month)
        load = load + it + losses_mw(site, month.p, shape, month) + cooling
        checks.equal("load by hour", "MW", month.flow("it_mw"), it, _MW * (1.0 + it), month.where("it_mw"))
        checks.equal(
            "cooling power",
            "MW",
            month.flow("heat_rejection_mw"),
            cooling,
            _MW * (1.0 + cooling),
            month.where("heat_rejection_mw"),
        )
        rest = supply + imported_loss + exported_loss - it - cooling
        checks.equal(
            "load by hour",
            "MW",
            month.flow("losses_and_fans_mw"),
            rest,
            5e-6 * (1.0 + it),
            month.where("losses_and_fans_mw"),
        )
    # Equipment far above its load, as in a plan stopped before its cost was looked at, lies low on the square.
    shape = site.case.load_shape[month.hours.step_of_year]
    square = SQUARE_TOLERANCE * shape**2 * sum(s.square * site.rated_mw(s.stage, month.p) for s in site.losses)
    most, tolerance = load + overstated_loss_mw(site, month), LOSS_TOLERANCE * load + square + 1e-5
    checks.between("power balance", "MW", supply, load, most, tolerance, month.where("sources"))
    checks.equal(
        "load by hour",
        "MW",
        month.flow("site_load_mw"),
        supply + imported_loss + exported_loss,
        _MW * (1.0 + np.abs(supply)),
        month.where("site_load_mw"),
    )


def _shed(checks: Checks, case: Case, site: Site, month: Month) -> None:
    """Compute shed within the fraction the case allows, none where it allows none."""
    shed = case.input.workload.shed if case.input.workload is not None else None
    shape = case.load_shape[month.hours.step_of_year]
    for rack in site.racks:
        most = (shed.fraction if shed is not None else 0.0) * shape * rack.mean_mw * float(site.runs(rack)[month.p])
        checks.at_most(
            "compute shed",
            "MW",
            month.flow(f"compute_shed:{rack.item.id}_mw"),
            most,
            _MW * (1.0 + most),
            month.where(f"shed {rack.item.id}"),
        )
