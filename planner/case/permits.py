"""Permits and promises of a site: gas supply, air permit, called curtailment, tests of emergency sets.

What they do to a plan is told in `sizing.permits` (counts), `operation.gas`, `operation.called` (hours) and
`operation.caps` (permitted energy).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from planner.case.base import Day, Finite, Fraction, NonNegative, PositiveCount, Rule, Strict, require

POLLUTANTS = ("nox", "co", "voc", "pm25")
# US EPA, J. Seitz, "Calculating Potential to Emit (PTE) for Emergency Generators", 6 September 1995: the default.
EMERGENCY_POTENTIAL_HOURS = 500.0
# 40 CFR 63.6640(f) and 60.4211(f): maintenance and readiness tests of an emergency engine, at most.
TEST_HOURS_MOST = 100.0


class GasSupply(Strict):
    """Natural gas at the fence: nothing fires on it before the date, nor beyond the quantity of a day or an hour."""

    from_: Day = Field(alias="from")
    mmbtu_hhv_per_day: NonNegative
    usd_per_mmbtu_hhv: NonNegative | None = None  # in place of site.fuel.natural_gas_usd_per_mmbtu_hhv
    firm: bool = True
    hourly_swing_fraction: NonNegative = 0.10  # an hour may take so much more than a 24th of the day; estimate
    take_or_pay_fraction: Fraction = 0.0  # of every day's quantity: paid for, burnt or not
    cut_days: Annotated[int, Field(ge=0, le=365)] | None = None  # not firm: coldest days without gas

    @model_validator(mode="after")
    def _cut(self) -> GasSupply:
        if self.firm and self.cut_days is not None:
            raise Rule("firm gas is not cut", "remove it, or write firm: false", ("cut_days",), ("firm", "cut_days"))
        if not self.firm and self.cut_days is None:
            remedy = "write cut_days: 10 (5 to 20 of the coldest days are usual estimates)"
            raise Rule("is required of gas that is not firm", remedy, ("cut_days",), ("firm", "cut_days"))
        return self


class AirPermit(Strict):
    """Air permit: nothing fires before the date, and what could be emitted in a year stays within short tons.

    Potential to emit is nameplate x 8,760 h x the item's rate, spares included. With an enforceable cap the plan
    takes a permitted energy or permitted hours instead, which operation keeps in every 12 months. An emergency set
    counts for its own hours.
    """

    from_: Day = Field(alias="from")
    nox_tons_per_year: NonNegative | None = None  # US short tons
    co_tons_per_year: NonNegative | None = None
    voc_tons_per_year: NonNegative | None = None
    pm25_tons_per_year: NonNegative | None = None
    enforceable_cap: Literal["none", "energy", "hours"] = "none"
    emergency_hours_per_year: Annotated[Finite, Field(ge=0, le=8760)] = EMERGENCY_POTENTIAL_HOURS

    @model_validator(mode="after")
    def _caps(self) -> AirPermit:
        if self.enforceable_cap != "none" and not self.limits:
            remedy = "write nox_tons_per_year, or remove enforceable_cap"
            raise Rule("caps nothing: no pollutant is limited", remedy, ("enforceable_cap",))
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Pollutant -> short tons a year, of those limited."""
        given = {q: getattr(self, f"{q}_tons_per_year") for q in POLLUTANTS}
        return {q: tons for q, tons in given.items() if tons is not None}


class StandbyTests(Strict):
    """Maintenance and readiness tests of emergency sets: at full load, paid for in fuel."""

    hours_per_year: Annotated[Finite, Field(ge=0, le=TEST_HOURS_MOST)] = TEST_HOURS_MOST  # of every set


class Curtailment(Strict):
    """Hours in which the utility may take back its megawatts, whenever it likes, on notice.

    What is called is the whole connection; where steps of the interconnection say firm: false, what they add to the
    firm megawatts of the date. Any hour may be called, so the plan lives through a call of event_h from every hour,
    with its own generation that starts within the notice, its batteries, and the compute that may be shed.
    """

    hours_per_year: Annotated[Finite, Field(ge=0, le=8760)]
    event_h: Annotated[int, Field(ge=1, le=168)]
    notice_min: NonNegative
    grid_fraction_left: Fraction = 0.0  # of what is called
    compute_may_shed: Fraction = 0.0  # of the IT draw, or of the load series
    usd_per_gpu_hour: NonNegative | None = None  # what a GPU-hour shed in a call is worth
    starts: PositiveCount = 12  # how many starts the solve begins with, as of any event

    @model_validator(mode="after")
    def _worth(self) -> Curtailment:
        found = []
        if self.usd_per_gpu_hour is not None and self.compute_may_shed == 0:
            remedy = "write compute_may_shed, or remove it"
            found.append(Rule("nothing may be shed", remedy, ("usd_per_gpu_hour",), ("compute_may_shed",)))
        if self.hours_per_year < self.event_h:
            rule = f"is less than one event of {self.event_h} h"
            found.append(Rule(rule, "write more hours, or a shorter event_h", ("hours_per_year",), ("event_h",)))
        require(found)
        return self
