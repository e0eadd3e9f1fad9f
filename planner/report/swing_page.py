"""The page of `planner swing`: the load before and after the batteries, drawn by hand in SVG, with every verdict."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from planner.swing.verdict import Run

Array = NDArray[np.float64]
WORDS = {
    "ramp_mw_per_min": "change in any minute [MW]",
    "step_mw_per_5s": "change in any 5 s [MW]",
    "oscillation_mw": "0.1-55 Hz, peak to peak in any 5 s [MW]",
}
_WIDE, _HIGH, _LEFT, _BELOW, _ABOVE = 960, 236, 64, 28, 28  # pixels of a chart and of its margins
_COLOURS = {"before": "#c9a27a", "after": "#14532d", "battery": "#1d4ed8", "charge": "#7c3aed"}
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #1f2937 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .25em .8em; border-bottom: 1px solid #e5e7eb }
td:nth-child(n+3), th:nth-child(n+3) { text-align: right }
.fail { color: #b91c1c; font-weight: 600 } .pass { color: #14532d }
svg { width: 100%; height: auto } text { font: 11px system-ui, sans-serif; fill: #4b5563 }
"""


def page(run: Run) -> str:
    """A self-contained HTML page."""
    step, hour = run.step_s, len(run.load_mw)
    first = round(min(120.0, 0.1 * hour * step) / step)
    short = slice(first, first + round(10.0 * run.job.period_s / step))
    load = {"before": run.load_mw, "after": run.smoothed.meter_mw}
    parts = [
        ("The whole stretch", slice(0, hour), load, "MW"),
        ("Ten periods of the wave", short, load, "MW"),
    ]
    if run.failures_s:
        begin = round(max(0.0, run.failures_s[0] - 30.0) / step)
        until = round((run.failures_s[0] + run.job.restart_s + run.window_s + 60.0) / step)
        parts.append(("The first failure", slice(begin, min(until, hour)), load, "MW"))
    parts += [
        ("Battery, given", slice(0, hour), {"battery": run.smoothed.battery_mw}, "MW"),
        ("Battery, energy of its reserve", slice(0, hour), {"charge": 1000.0 * run.smoothed.charge_mwh}, "kWh"),
    ]
    charts = "".join(
        f"<h2>{title}</h2>{chart({name: y[at] for name, y in lines.items()}, at.start * step, step, unit)}"
        for title, at, lines, unit in parts
    )
    title = escape(f"Swings of AI load: {run.name}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(summary(run))}</p>{_table(run)}{charts}</html>\n"
    )


def summary(run: Run) -> str:
    """What was simulated, in words."""
    job, storage = run.job, run.storage
    failures = f"{len(run.failures_s)} failure{'s' if len(run.failures_s) != 1 else ''}"
    shelf_kwh = 1000 * job.rack_storage_mwh(run.unsmoothed_mw, run.step_s) if job.rack_storage_fraction else 0.0
    shelves = f"Storage in the racks takes {job.rack_storage_fraction:.0%} of it and moves {shelf_kwh:,.2f} kWh. "
    shelves = shelves if job.rack_storage_fraction else ""
    moved_kwh = 1000 * float(np.ptp(run.smoothed.charge_mwh))
    return (
        f"A job of {job.design_mw:,.2f} MW swings by {job.swing_fraction:.0%} every {job.period_s:g} s "
        f"({job.duty_fraction:.0%} at the crest), with checkpoints every {job.checkpoint_every_s / 60:g} min and "
        f"{failures} in {len(run.load_mw) * run.step_s / 60:g} min, in steps of {1000 * run.step_s:g} ms. "
        f"{shelves}Battery {storage.power_mw:,.2f} MW and {storage.energy_mwh:,.3f} MWh; the meter follows the mean of "
        f"{run.window_s:,.0f} s. It gives {run.smoothed.given_mw:,.3f} MW on average and loses "
        f"{run.smoothed.lost_mw:,.3f} MW; it moves {moved_kwh:,.1f} kWh of its charge."
    )


def verdict_rows(run: Run) -> list[tuple[str, ...]]:
    """Rule, measure, without and with the batteries, limit, verdict."""
    found: list[tuple[str, ...]] = []
    for v in run.verdicts:
        word = ("pass" if v.passes else "FAIL") + ("" if v.asked else " (not asked)")
        found.append((v.rule, WORDS[v.field], f"{v.before:,.2f}", f"{v.after:,.2f}", f"{v.limit:,.2f}", word))
    for name, (before, after) in run.table.items():
        if name not in WORDS:
            found.append(("", f"{name} [MW]", f"{before:,.3f}", f"{after:,.3f}", "", ""))
    return found


HEADS = ("rule", "measure", "without battery", "with battery", "limit", "verdict")


def _table(run: Run) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    body = ""
    for row in verdict_rows(run):
        kind = "fail" if row[-1].startswith("FAIL") else "pass"
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[:-1])
        body += f'<tr>{cells}<td class="{kind}">{escape(row[-1])}</td></tr>'
    return f"<table><tr>{head}</tr>{body}</table>"


def chart(lines: dict[str, Array], start_s: float, step_s: float, unit: str) -> str:
    """One chart: the envelope of every line by pixel, axes and legend."""
    count = len(next(iter(lines.values())))
    low, high = (float(f(f(y) for y in lines.values())) for f in (min, max))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1], low + 1e-9)
    right, bottom = _WIDE - _LEFT, _HIGH - _BELOW

    def y_of(value: float) -> float:
        return bottom - (bottom - _ABOVE) * (value - low) / (high - low)

    drawn = [
        f'<line x1="{_LEFT}" x2="{_WIDE}" y1="{y_of(t):.1f}" y2="{y_of(t):.1f}" stroke="#e5e7eb"/>'
        f'<text x="{_LEFT - 6}" y="{y_of(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    for k in range(7):
        at = start_s + count * step_s * k / 6
        text = f"{at:.1f} s" if count * step_s < 120 else f"{at / 60:.1f} min"
        anchor = "end" if k == 6 else "middle" if k else "start"
        drawn.append(f'<text x="{_LEFT + right * k / 6:.0f}" y="{_HIGH - 8}" text-anchor="{anchor}">{text}</text>')
    for i, (name, values) in enumerate(lines.items()):
        points = " ".join(f"{_LEFT + right * x:.1f},{y_of(v):.1f}" for x, v in _envelope(values, 2 * right))
        colour = _COLOURS[name]
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        drawn.append(f'<text x="{_LEFT + 8 + 90 * i}" y="12" style="fill:{colour}">{name}</text>')
    drawn.append(f'<text x="{_LEFT - 6}" y="12" text-anchor="end">{unit}</text>')
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img">{"".join(drawn)}</svg>'


def _envelope(values: Array, most: int) -> Sequence[tuple[float, float]]:
    """(place from 0 to 1, value): every value, or of each stretch its lowest and highest in the order they come."""
    n = len(values)
    if n <= most:
        return [(k / max(n - 1, 1), float(v)) for k, v in enumerate(values)]
    found = []
    edges = np.linspace(0, n, most // 2 + 1).astype(int)
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        both = sorted((a + int(np.argmin(values[a:b])), a + int(np.argmax(values[a:b]))))
        found += [(k / (n - 1), float(values[k])) for k in both]
    return found


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers that reach over a range.

    >>> _ticks(0.0, 97.0)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    span = max(high - low, 1e-9)
    unit = 10.0 ** np.floor(np.log10(span / 5.0))
    step = unit * next(m for m in (1, 2, 5, 10) if span / (unit * m) <= 6.0)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [round(float(k * step), 12) for k in np.arange(first, last + 1)]
