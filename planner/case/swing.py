"""How the load may swing at the meter, what smooths it before the batteries, and the rules grid operators write.

Rules are absolute MW at the meter on three time scales: MW in a minute, MW in five seconds, and MW peak to peak of what
a filter of 0.1 to 55 Hz lets through. A rule holds from its date until a later one of the same name; rules of several
names hold together. Rules that are named here are data of 2026-10, most of them proposals: their `source` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from planner.case.base import Day, Finite, Fraction, NonNegative, Positive, Rule, Strict

DEFAULT_START_MINUTES = 10.0  # of a generator whose item says nothing: the slow end of turbines and engines
LIMIT_FIELDS = ("ramp_mw_per_min", "step_mw_per_5s", "oscillation_mw", "oscillation_fraction")


@dataclass(frozen=True)
class KnownRule:
    """A rule of a grid operator, as a curated list of grid requirements of 2026-10-07 quotes it."""

    source: str
    ramp_mw_per_min: float | None = None
    step_mw_per_5s: float | None = None
    oscillation_mw: float | None = None
    oscillation_fraction: float | None = None  # of the connection
    applies_above_mw: float = 0.0


KNOWN_RULES: dict[str, KnownRule] = {
    "ercot": KnownRule(
        "ERCOT, proposed 2026-06-19: 0.1-55 Hz filtered peak to peak over any rolling 5 s; loads of 75 MW and more",
        oscillation_mw=10.0,
        applies_above_mw=75.0,
    ),
    "caiso": KnownRule("CAISO large-load straw proposal, 2026-06-15: 20 MW/min, rolling", ramp_mw_per_min=20.0),
    "ieso": KnownRule(
        "IESO v3.0, 2026-09-03, above 10 MW: 20 MW/min, 5 MW in 15 s (in 5 s no more), oscillation 2.5 MW or 0.25 %",
        ramp_mw_per_min=20.0,
        step_mw_per_5s=5.0,
        oscillation_mw=2.5,
        oscillation_fraction=0.0025,
        applies_above_mw=10.0,
    ),
    "southern": KnownRule(
        "Southern Company, from 50 MW: 20 MW/min and less than 10 MW in 4-6 s",
        ramp_mw_per_min=20.0,
        step_mw_per_5s=10.0,
        applies_above_mw=50.0,
    ),
    "atc": KnownRule(
        "American Transmission Company: steps above 50 MW at 0.5 MW/s, less than 25 MW in 5 s",
        ramp_mw_per_min=30.0,
        step_mw_per_5s=25.0,
        applies_above_mw=50.0,
    ),
    "lipa": KnownRule(
        "LIPA: less than 10 MW in 0.1-5 Hz; its 3.5 MW in 5-55 Hz is not in the sizing", oscillation_mw=10.0
    ),
    "aeso": KnownRule("AESO: 10 MW/min", ramp_mw_per_min=10.0),
}


class LoadRule(Strict):
    """Limits of the load's swing at the meter, after the batteries."""

    from_: Day | None = Field(default=None, alias="from")  # always, where there is no date
    rule: Literal["ercot", "caiso", "ieso", "southern", "atc", "lipa", "aeso"] | None = None
    name: str | None = None
    source: str | None = None
    ramp_mw_per_min: Positive | None = None  # change over any minute
    step_mw_per_5s: NonNegative | None = None  # change within any five seconds
    oscillation_mw: NonNegative | None = None  # peak to peak of 0.1-55 Hz within any five seconds
    oscillation_fraction: Fraction | None = None  # the same, of the connection
    applies_above_mw: NonNegative | None = None  # to connections of this size and more

    @model_validator(mode="after")
    def _some(self) -> LoadRule:
        if self.rule is None and all(getattr(self, name) is None for name in LIMIT_FIELDS):
            remedy = "write ramp_mw_per_min, step_mw_per_5s or oscillation_mw, or rule: with a known name"
            raise Rule("limits nothing", remedy)
        return self

    @property
    def title(self) -> str:
        """What the rule is called."""
        return self.name or self.rule or "load rule"

    def limit(self, field: str) -> float | None:
        """A limit as written, else that of the known rule."""
        own: float | None = getattr(self, field)
        if own is None and self.rule is not None:
            known: float | None = getattr(KNOWN_RULES[self.rule], field)
            return known
        return own


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


LoadRules = Annotated[list[LoadRule], BeforeValidator(_listed)]


@dataclass(frozen=True)
class SwingLimits:
    """The strictest limits in force in a stretch of time; None where there is none."""

    names: tuple[str, ...] = ()
    ramp_mw_per_min: float | None = None
    step_mw_per_5s: float | None = None
    oscillation_mw: float | None = None

    @property
    def allowed_mw(self) -> float | None:
        """Change that may pass at once: as much as a minute, five seconds and the filter each allow. [MW]"""
        given = [v for v in (self.ramp_mw_per_min, self.step_mw_per_5s, self.oscillation_mw) if v is not None]
        return min(given, default=None)

    @property
    def pace_mw_per_min(self) -> float | None:
        """How fast the meter may follow a change that lasts: no more in a minute or in 5 s than allowed. [MW/min]"""
        within_5s = [12.0 * v for v in (self.step_mw_per_5s, self.oscillation_mw) if v]
        given = [v for v in (self.ramp_mw_per_min, *within_5s) if v is not None]
        return min(given, default=None)


def limits_in_force(rules: Sequence[LoadRule], before: date, start: date, connection_mw: float) -> SwingLimits:
    """What holds in a stretch from `start` to `before`: a rule that begins inside it holds in all of it.

    connection_mw: of the stretch; rules for larger ones do not apply.
    """
    found: dict[str, list[LoadRule]] = {}
    for rule in sorted(rules, key=lambda r: r.from_ or date.min):
        begins = rule.from_ or date.min
        if begins <= start:
            found[rule.title] = [rule]  # in place of the one before
        elif begins < before:
            found.setdefault(rule.title, []).append(rule)
    held = [r for same in found.values() for r in same if connection_mw >= (r.limit("applies_above_mw") or 0.0)]

    def least(field: str) -> float | None:
        return min((v for r in held if (v := r.limit(field)) is not None), default=None)

    share = least("oscillation_fraction")
    bands = [v for v in (least("oscillation_mw"), None if share is None else share * connection_mw) if v is not None]
    names = tuple(dict.fromkeys(r.title for r in held))
    return SwingLimits(names, least("ramp_mw_per_min"), least("step_mw_per_5s"), min(bands, default=None))


class Smoothing(Strict):
    """What GPUs and racks do to a job's swing before the batteries see it, and the shape of what is left.

    Defaults are engineering judgement, printed where load rules make them matter. A swing_fraction that was measured
    behind rack storage (0.3 for a GB300 with its shelves) has that storage in it already.
    """

    rack_storage_fraction: Fraction = 0.0  # of the swing that storage in racks takes
    power_floor_fraction: Fraction = 0.0  # of design power, below which the GPUs are not let fall
    period_s: Annotated[Finite, Field(gt=0, le=3600)] = 2.0  # of compute and communication in turn; 0.2-3 Hz is usual
    duty_fraction: Annotated[Finite, Field(gt=0, lt=1)] = 0.5  # of the period at the crest
    step_fraction: Fraction | None = None  # of design power, that goes at once when a job stops; absent: the swing
    shallow_cycle_fraction: Fraction = 0.3  # wear of a MWh in small cycles over that of one in full ones; 0.1-1

    def left_fraction(self, swing_fraction: float) -> float:
        """Swing that leaves the racks, of the job's design power: crest at design, trough not below the floor.

        >>> Smoothing(rack_storage_fraction=0.5, power_floor_fraction=0.8).left_fraction(0.4)
        0.1
        """
        return round(min(swing_fraction, 1.0 - self.power_floor_fraction) * (1.0 - self.rack_storage_fraction), 12)

    def step_left_fraction(self, swing_fraction: float) -> float:
        """The largest change at once that leaves the racks, of the job's design power: its swing, or its stop."""
        return max(self.left_fraction(swing_fraction), self.step_fraction or 0.0)

    def floor_waste_fraction(self, swing_fraction: float) -> float:
        """Mean power burnt to hold the floor, of the job's design power: (floor - trough) of the time in the trough.

        >>> round(Smoothing(power_floor_fraction=0.8).floor_waste_fraction(0.4), 9)
        0.1
        """
        return max(0.0, self.power_floor_fraction - (1.0 - swing_fraction)) * (1.0 - self.duty_fraction)
