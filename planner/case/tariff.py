"""What the utility charges for imported power: written in the case file, or read from a URDB (OpenEI) file.

  bill of a month = sum over hours of energy price x import        (by energy period in rising tiers, or by hour)
                  + D x max(peak, minimum take x contract, share x ratchet)     (flat demand; any hour of the month)
                  + sum over windows of D_w x peak in the window   (time-of-use demand)
                  + coincident price x import in the system's peak hours of the month / their number in a year
                  + fixed charge

The ratchet is the highest peak of the eleven months before, counted in its own months alone.
Tiers count the MWh of their own energy period in the month and may not get cheaper, so the bill is convex.
Peaks are means over a step of the model (`horizon.step_minutes`), the meter's interval where the two agree. The clock
is local time, daylight saving included: in summer a window starts an hour earlier by standard time, on which weather,
loads, and prices by the hour run. The month of a bill begins and ends at midnight of standard time. Holidays count as
the weekday they fall on. What exports earn is no part of the tariff (`site.grid.export`).
kVA and reactive charges, minimum bills and riders are refused, never dropped; so are ratchets and coincident peaks
in a URDB file, whose terms do not say enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from planner.case.base import Finite, Fraction, NonNegative, Positive, Rule, Series, Strict
from planner.timeline import Hours
from planner.units import HOURS_PER_YEAR, KW_PER_MW

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
Month = Annotated[int, Field(ge=1, le=12)]
Hour = Annotated[int, Field(ge=0, le=23)]

NO_PERIOD = -1
_ALL_MONTHS = list(range(1, 13))
_ALL_HOURS = list(range(24))


# --- what the model and the bill use --------------------------------------------------------------


@dataclass(frozen=True)
class Tier:
    """A block of monthly energy at one price; the last tier of a period ends at infinity."""

    usd_per_mwh: float
    up_to_mwh_per_month: float


@dataclass(frozen=True, eq=False)
class Tariff:
    """A tariff as arrays. Schedules have shape (12, 24): month, hour of day (hour-beginning)."""

    name: str
    energy_tiers: tuple[tuple[Tier, ...], ...]  # by energy period
    energy_weekday: Integers  # (12, 24), index into energy_tiers
    energy_weekend: Integers
    flat_demand_usd_per_kw: Floats  # (12,), USD/kW-month on the month's peak
    tou_demand_usd_per_kw: tuple[float, ...]  # by demand period, USD/kW-month on the peak within it
    demand_weekday: Integers  # (12, 24), index into tou_demand_usd_per_kw, -1 for none
    demand_weekend: Integers
    fixed_usd_per_month: float
    minimum_take_fraction: float  # of the contracted MW, the least demand billed at the flat rate
    energy_usd_per_mwh: Floats | None = None  # (8760,), in place of tiers and periods

    ratchet_fraction: float = 0.0  # of the highest peak of the months before, the least demand billed
    ratchet_months: tuple[int, ...] = ()  # 0..11, months whose peaks count
    coincident_hours: Integers | None = None  # hours of the year whose mean import is billed
    coincident_usd_per_kw_year: float = 0.0

    @property
    def lowest_energy_usd_per_mwh(self) -> float:
        """Lowest price of energy in any hour."""
        if self.energy_usd_per_mwh is not None:
            return float(self.energy_usd_per_mwh.min())
        return min(tier.usd_per_mwh for tiers in self.energy_tiers for tier in tiers)


def first_energy_price(tariff: Tariff, hours: Hours) -> Floats:
    """Price of the first MWh imported in each hour, shape (T,); tiers above it cost more. [USD/MWh]"""
    if tariff.energy_usd_per_mwh is not None:
        return tariff.energy_usd_per_mwh[hours.hour_of_year]
    first = np.array([tiers[0].usd_per_mwh for tiers in tariff.energy_tiers])
    price: Floats = first[hourly_energy_period(tariff, hours.month, hours.hour_of_day, hours.is_weekend)]
    return price


def hourly_energy_period(tariff: Tariff, month: int | Integers, hour_of_day: Integers, is_weekend: Mask) -> Integers:
    """Energy period of each hour, shape (T,); month 0..11 (one, or one an hour), hour_of_day 0..23."""
    return _by_hour(tariff.energy_weekday, tariff.energy_weekend, month, hour_of_day, is_weekend)


def hourly_demand_period(tariff: Tariff, month: int | Integers, hour_of_day: Integers, is_weekend: Mask) -> Integers:
    """Time-of-use demand period of each hour, shape (T,), -1 where none applies."""
    return _by_hour(tariff.demand_weekday, tariff.demand_weekend, month, hour_of_day, is_weekend)


def monthly_bill(
    tariff: Tariff,
    month: int,
    hour_of_day: Integers,
    is_weekend: Mask,
    import_mw: Floats,
    *,
    hours_per_step: float = 1.0,
    contract_mw: float = 0.0,
    hour_of_year: Integers | None = None,
    ratchet_mw: float = 0.0,
) -> dict[str, float]:
    """Bill of one month by line, USD; month 0..11, the arrays hold every step of the month, shape (T,).

    hour_of_year is needed where hours of the year have prices; ratchet_mw is the highest peak of the months before.
    `demand` is the charge on the month's own peak, `minimum_take` what the contract adds to it, `ratchet` what the
    months before add to both.
    """
    period = hourly_energy_period(tariff, month, hour_of_day, is_weekend)
    window = hourly_demand_period(tariff, month, hour_of_day, is_weekend)
    peak = float(import_mw.max())
    per_mw = float(tariff.flat_demand_usd_per_kw[month]) * KW_PER_MW
    if tariff.energy_usd_per_mwh is not None:
        energy = float(tariff.energy_usd_per_mwh[hour_of_year] @ import_mw) * hours_per_step
    else:
        energy = sum(
            tiered_cost(tiers, float(import_mw[period == p].sum()) * hours_per_step)
            for p, tiers in enumerate(tariff.energy_tiers)
        )
    taken = max(peak, tariff.minimum_take_fraction * contract_mw)
    coincident = 0.0
    if tariff.coincident_hours is not None:
        listed = np.isin(np.asarray(hour_of_year), tariff.coincident_hours)
        steps_per_hour = listed.sum() / max(1, len(np.unique(np.asarray(hour_of_year)[listed])))
        share = float(import_mw[listed].sum()) / max(1, steps_per_hour) / len(tariff.coincident_hours)
        coincident = tariff.coincident_usd_per_kw_year * KW_PER_MW * share
    return {
        "energy": energy,
        "demand": per_mw * peak,
        "tou_demand": sum(
            price * KW_PER_MW * float(import_mw[window == w].max(initial=0.0))
            for w, price in enumerate(tariff.tou_demand_usd_per_kw)
        ),
        "minimum_take": per_mw * (taken - peak),
        "ratchet": per_mw * max(0.0, tariff.ratchet_fraction * ratchet_mw - taken),
        "coincident": coincident,
        "fixed": tariff.fixed_usd_per_month,
    }


def tiered_cost(tiers: Sequence[Tier], mwh: float) -> float:
    """Cost of a month's energy in one period, USD.

    >>> tiered_cost((Tier(50.0, 100.0), Tier(80.0, math.inf)), 130.0)  # 100 x 50 + 30 x 80
    7400.0
    """
    cost, start = 0.0, 0.0
    for tier in tiers:
        cost += tier.usd_per_mwh * max(0.0, min(mwh, tier.up_to_mwh_per_month) - start)
        start = tier.up_to_mwh_per_month
    return cost


def _by_hour(
    weekday: Integers, weekend: Integers, month: int | Integers, hour_of_day: Integers, is_weekend: Mask
) -> Integers:
    period: Integers = np.where(is_weekend, weekend[month, hour_of_day], weekday[month, hour_of_day])
    return period


# --- the case file --------------------------------------------------------------------------------


class _Window(Strict):
    """Months and hours in which a price applies; hours are hour-beginning, local clock time."""

    name: str
    months: list[Month] = Field(default=_ALL_MONTHS, min_length=1)
    weekday_hours: list[Hour] = Field(default=_ALL_HOURS)
    weekend_hours: list[Hour] = Field(default=_ALL_HOURS)

    @model_validator(mode="after")
    def _hours_are_clear(self) -> Self:
        written = {"weekday_hours", "weekend_hours"} & self.model_fields_set
        if len(written) == 1:
            other = next(iter({"weekday_hours", "weekend_hours"} - written))
            raise Rule(f"{other} is required beside {written.pop()}", f"write {other}; [] for none")
        for name in ("months", "weekday_hours", "weekend_hours"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise Rule("must not repeat a value", "write each once", (name,))
        if not self.weekday_hours and not self.weekend_hours:
            raise Rule("covers no hour", "write hours or remove the entry")
        return self

    def paint(self, weekday: Integers, weekend: Integers, value: int) -> None:
        """Write `value` into the cells of the two (12, 24) schedules that this window covers."""
        months = [month - 1 for month in self.months]
        weekday[np.ix_(months, self.weekday_hours)] = value
        weekend[np.ix_(months, self.weekend_hours)] = value

    def covers_everything(self) -> bool:
        return (len(self.months), len(self.weekday_hours), len(self.weekend_hours)) == (12, 24, 24)


class EnergyPeriod(_Window):
    """One energy price and when it applies."""

    usd_per_mwh: Finite


class DemandPeriod(_Window):
    """One time-of-use demand price and the window in which the peak is taken."""

    usd_per_kw_month: NonNegative


class TierInput(Strict):
    """A block of monthly energy; the last one has no upper end."""

    usd_per_mwh: Finite
    up_to_mwh_per_month: Positive | None = None


class Ratchet(Strict):
    """A share of the highest peak of the eleven months before is billed at least."""

    fraction: Annotated[Finite, Field(gt=0, le=1)]
    months: Literal["all"] | list[Month] = "all"  # whose peaks count

    @model_validator(mode="after")
    def _months_are_clear(self) -> Self:
        if self.months != "all" and (not self.months or len(set(self.months)) != len(self.months)):
            raise Rule(
                "must name each month once, and one at least", "write all, or a list such as [6, 7, 8]", ("months",)
            )
        return self


class CoincidentPeaks(Strict):
    """A price on the mean import in given hours of the year, as where the system peaks are known beforehand."""

    hours: list[Annotated[int, Field(ge=0, lt=HOURS_PER_YEAR)]] = Field(min_length=1)
    usd_per_kw_year: NonNegative

    @model_validator(mode="after")
    def _hours_are_clear(self) -> Self:
        if len(set(self.hours)) != len(self.hours):
            raise Rule("must not repeat an hour", "write each once", ("hours",))
        return self


class TariffInput(Strict):
    """A tariff in a case file: one of five forms of energy price, and the other charges."""

    energy_usd_per_mwh: Finite | None = None  # one price in every hour
    energy_periods: list[EnergyPeriod] | None = Field(None, min_length=1)  # later ones override
    tiers: list[TierInput] | None = Field(None, min_length=1)
    energy_series: Series | None = None  # USD/MWh by hour, as of an index; may be negative
    demand_usd_per_kw_month: list[NonNegative] = Field(default=[0.0] * 12)  # one number, or one a month
    tou_demand: list[DemandPeriod] = Field(default=[])
    fixed_usd_per_month: NonNegative = 0.0
    minimum_take_fraction: Fraction = 0.0  # of the contracted grid MW
    ratchet: Ratchet | None = None
    coincident_peaks: CoincidentPeaks | None = None
    urdb: str | None = Field(None, min_length=1)  # path of a URDB JSON file, instead of all others

    @field_validator("demand_usd_per_kw_month", mode="before")
    @classmethod
    def _one_number_is_every_month(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not (value >= 0 and math.isfinite(value)):
                raise Rule("must be a finite number of at least 0", "correct the value (USD/kW-month)")
            return [float(value)] * 12
        if not isinstance(value, list) or len(value) != 12:
            raise Rule("must be a number or a list of 12 numbers", "write USD/kW-month once or by month")
        return value

    @model_validator(mode="after")
    def _one_energy_price(self) -> Self:
        forms = ("energy_usd_per_mwh", "energy_periods", "tiers", "energy_series", "urdb")
        written = [name for name in forms if getattr(self, name) is not None]
        if len(written) != 1:
            rule = "needs exactly one of " + ", ".join(forms)
            raise Rule(rule, "keep one of " + ", ".join(written) if written else "write energy_usd_per_mwh")
        others = sorted(self.model_fields_set - {"urdb"} - {n for n in forms if getattr(self, n) is None})
        if self.urdb is not None and others:
            raise Rule("cannot stand beside urdb, which holds the whole tariff", "remove it", (others[0],))
        return self

    @model_validator(mode="after")
    def _periods_are_clear(self) -> Self:
        for name, windows in (("energy_periods", self.energy_periods or []), ("tou_demand", self.tou_demand)):
            names = [window.name for window in windows]
            for i, own in enumerate(names):
                if own in names[:i]:
                    raise Rule("name is used twice", "give each entry its own name", (name, i, "name"))
        if self.energy_periods and not self.energy_periods[0].covers_everything():
            rule = "the first period is the base and must cover every month and hour"
            raise Rule(rule, "leave out its months and hours, later entries override it", ("energy_periods", 0))
        seen = np.zeros((2, 12, 24), dtype=np.int64)
        for i, window in enumerate(self.tou_demand):
            covered = np.zeros_like(seen)
            window.paint(covered[0], covered[1], 1)
            if (covered & seen).any():
                rule = "overlaps an earlier window; both would be charged in the same hour"
                raise Rule(rule, "cut the windows so that each hour is in one", ("tou_demand", i))
            seen |= covered
        return self

    @model_validator(mode="after")
    def _ratchet_has_a_price(self) -> Self:
        if self.ratchet is not None and not any(self.demand_usd_per_kw_month):
            rule = "needs a demand charge to hold up"
            raise Rule(rule, "write demand_usd_per_kw_month, or remove the ratchet", ("ratchet",))
        return self

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        tiers = self.tiers or []
        for i, tier in enumerate(tiers):
            last = i == len(tiers) - 1
            if last != (tier.up_to_mwh_per_month is None):
                rule = "the last tier has no upper end" if last else "a tier before the last needs its upper end"
                remedy = "remove up_to_mwh_per_month" if last else "write up_to_mwh_per_month"
                raise Rule(rule, remedy, ("tiers", i))
            if i and tier.usd_per_mwh < tiers[i - 1].usd_per_mwh:
                raise Rule(FALLING, FALLING_REMEDY, ("tiers", i, "usd_per_mwh"))
            before = tiers[i - 1].up_to_mwh_per_month if i else None
            if before and tier.up_to_mwh_per_month and tier.up_to_mwh_per_month <= before:
                raise Rule("must be above the tier before", "order the tiers", ("tiers", i, "up_to_mwh_per_month"))
        return self


FALLING = "a tier may not be cheaper than the one before: the cost would not be convex"
FALLING_REMEDY = "write the price that the site's consumption reaches"


def tariff_from_input(
    given: TariffInput, folder: Path, energy: Floats | None = None, *, name: str = "tariff of the case file"
) -> Tariff:
    """Tariff of a validated input; a relative `urdb` path starts at `folder`, its faults raise InputError.

    energy: the values of `energy_series`, where the input has one.
    """
    if given.urdb is not None:
        from planner.case.urdb import tariff_from_urdb

        return tariff_from_urdb(folder / given.urdb)
    periods, demand = np.zeros((2, 12, 24), dtype=np.int64), np.full((2, 12, 24), NO_PERIOD, dtype=np.int64)
    for i, period in enumerate(given.energy_periods or []):
        period.paint(periods[0], periods[1], i)
    for i, window in enumerate(given.tou_demand):
        window.paint(demand[0], demand[1], i)
    tiers: tuple[tuple[Tier, ...], ...]
    if given.energy_periods:
        tiers = tuple((Tier(period.usd_per_mwh, math.inf),) for period in given.energy_periods)
    elif given.tiers:
        tiers = (tuple(Tier(tier.usd_per_mwh, tier.up_to_mwh_per_month or math.inf) for tier in given.tiers),)
    elif energy is not None:
        tiers = ()
    else:
        assert given.energy_usd_per_mwh is not None
        tiers = ((Tier(given.energy_usd_per_mwh, math.inf),),)
    ratchet, peaks = given.ratchet, given.coincident_peaks
    months: list[int] = []
    if ratchet is not None:
        months = sorted(month - 1 for month in (_ALL_MONTHS if ratchet.months == "all" else ratchet.months))
    return Tariff(
        name=name,
        energy_tiers=tiers,
        energy_weekday=read_only(periods[0]),
        energy_weekend=read_only(periods[1]),
        flat_demand_usd_per_kw=read_only(np.array(given.demand_usd_per_kw_month, dtype=np.float64)),
        tou_demand_usd_per_kw=tuple(window.usd_per_kw_month for window in given.tou_demand),
        demand_weekday=read_only(demand[0]),
        demand_weekend=read_only(demand[1]),
        fixed_usd_per_month=given.fixed_usd_per_month,
        minimum_take_fraction=given.minimum_take_fraction,
        energy_usd_per_mwh=read_only(energy) if energy is not None else None,
        ratchet_fraction=ratchet.fraction if ratchet is not None else 0.0,
        ratchet_months=tuple(months),
        coincident_hours=read_only(np.array(sorted(peaks.hours))) if peaks is not None else None,
        coincident_usd_per_kw_year=peaks.usd_per_kw_year if peaks is not None else 0.0,
    )


def read_only(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """A read-only copy."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy
