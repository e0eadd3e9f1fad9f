"""What the utility charges for imported power: written in the case file, or read from a URDB (OpenEI) file.

  bill of a month = sum over hours of energy price x import        (by energy period, in rising tiers)
                  + D x max(peak, minimum take x contract)         (flat demand; any hour of the month)
                  + sum over windows of D_w x peak in the window   (time-of-use demand)
                  + fixed charge

Tiers count the MWh of their own energy period in the month and may not get cheaper, so the bill is convex.
Peaks are means over a step of the model (an hour); the meter's 15 or 30 minutes are not modelled. The clock
is local standard time all year (in summer a window starts an hour late), holidays count as the weekday they
fall on. Exports earn nothing.
Ratchets, coincident peaks, kVA and reactive charges, minimum bills and riders are refused, never dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from planner.case.base import Finite, Fraction, NonNegative, Positive, Rule, Strict
from planner.case.marks import show
from planner.errors import Fault, InputError
from planner.units import KW_PER_MW

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
Month = Annotated[int, Field(ge=1, le=12)]
Hour = Annotated[int, Field(ge=0, le=23)]

NO_PERIOD = -1
_ALL_MONTHS = list(range(1, 13))
_ALL_HOURS = list(range(24))
_KWH_PER_MWH = KW_PER_MW
_NO_LIMIT = 1e30  # URDB files write "no limit" as 1e38
_LARGEST = 1e300


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


def hourly_energy_period(
    tariff: Tariff, month: int | Integers, hour_of_day: Integers, is_weekend: Mask
) -> Integers:
    """Energy period of each hour, shape (T,); month 0..11 (one, or one an hour), hour_of_day 0..23."""
    return _by_hour(tariff.energy_weekday, tariff.energy_weekend, month, hour_of_day, is_weekend)


def hourly_demand_period(
    tariff: Tariff, month: int | Integers, hour_of_day: Integers, is_weekend: Mask
) -> Integers:
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
) -> dict[str, float]:
    """Bill of one month by line, USD; month 0..11, the arrays hold every step of the month, shape (T,).

    `demand` is the charge on the month's own peak, `minimum_take` what the contract adds to it.
    """
    period = hourly_energy_period(tariff, month, hour_of_day, is_weekend)
    window = hourly_demand_period(tariff, month, hour_of_day, is_weekend)
    peak = float(import_mw.max())
    per_mw = float(tariff.flat_demand_usd_per_kw[month]) * KW_PER_MW
    return {
        "energy": sum(
            tiered_cost(tiers, float(import_mw[period == p].sum()) * hours_per_step)
            for p, tiers in enumerate(tariff.energy_tiers)
        ),
        "demand": per_mw * peak,
        "tou_demand": sum(
            price * KW_PER_MW * float(import_mw[window == w].max(initial=0.0))
            for w, price in enumerate(tariff.tou_demand_usd_per_kw)
        ),
        "minimum_take": per_mw * max(0.0, tariff.minimum_take_fraction * contract_mw - peak),
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
    """Months and hours in which a price applies; hours are hour-beginning, local standard time."""

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


class TariffInput(Strict):
    """A tariff in a case file: one of four forms of energy price, and the other charges."""

    energy_usd_per_mwh: Finite | None = None  # one price in every hour
    energy_periods: list[EnergyPeriod] | None = Field(None, min_length=1)  # later ones override
    tiers: list[TierInput] | None = Field(None, min_length=1)
    demand_usd_per_kw_month: list[NonNegative] = Field(default=[0.0] * 12)  # one number, or one a month
    tou_demand: list[DemandPeriod] = Field(default=[])
    fixed_usd_per_month: NonNegative = 0.0
    minimum_take_fraction: Fraction = 0.0  # of the contracted grid MW
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
        forms = ("energy_usd_per_mwh", "energy_periods", "tiers", "urdb")
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
            raise Rule(
                rule, "leave out its months and hours, later entries override it", ("energy_periods", 0)
            )
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
    def _tiers_rise(self) -> Self:
        tiers = self.tiers or []
        for i, tier in enumerate(tiers):
            last = i == len(tiers) - 1
            if last != (tier.up_to_mwh_per_month is None):
                rule = (
                    "the last tier has no upper end" if last else "a tier before the last needs its upper end"
                )
                remedy = "remove up_to_mwh_per_month" if last else "write up_to_mwh_per_month"
                raise Rule(rule, remedy, ("tiers", i))
            if i and tier.usd_per_mwh < tiers[i - 1].usd_per_mwh:
                raise Rule(_FALLING, _FALLING_REMEDY, ("tiers", i, "usd_per_mwh"))
            before = tiers[i - 1].up_to_mwh_per_month if i else None
            if before and tier.up_to_mwh_per_month and tier.up_to_mwh_per_month <= before:
                raise Rule(
                    "must be above the tier before", "order the tiers", ("tiers", i, "up_to_mwh_per_month")
                )
        return self


_FALLING = "a tier may not be cheaper than the one before: the cost would not be convex"
_FALLING_REMEDY = "write the price that the site's consumption reaches"


def tariff_from_input(given: TariffInput, folder: Path, *, name: str = "tariff of the case file") -> Tariff:
    """Tariff of a validated input; a relative `urdb` path starts at `folder`, its faults raise InputError."""
    if given.urdb is not None:
        return tariff_from_urdb(folder / given.urdb)
    energy, demand = np.zeros((2, 12, 24), dtype=np.int64), np.full((2, 12, 24), NO_PERIOD, dtype=np.int64)
    for i, period in enumerate(given.energy_periods or []):
        period.paint(energy[0], energy[1], i)
    for i, window in enumerate(given.tou_demand):
        window.paint(demand[0], demand[1], i)
    tiers: tuple[tuple[Tier, ...], ...]
    if given.energy_periods:
        tiers = tuple((Tier(period.usd_per_mwh, math.inf),) for period in given.energy_periods)
    elif given.tiers:
        tiers = (tuple(Tier(tier.usd_per_mwh, tier.up_to_mwh_per_month or math.inf) for tier in given.tiers),)
    else:
        assert given.energy_usd_per_mwh is not None
        tiers = ((Tier(given.energy_usd_per_mwh, math.inf),),)
    return Tariff(
        name=name,
        energy_tiers=tiers,
        energy_weekday=_fixed(energy[0]),
        energy_weekend=_fixed(energy[1]),
        flat_demand_usd_per_kw=_fixed(np.array(given.demand_usd_per_kw_month, dtype=np.float64)),
        tou_demand_usd_per_kw=tuple(window.usd_per_kw_month for window in given.tou_demand),
        demand_weekday=_fixed(demand[0]),
        demand_weekend=_fixed(demand[1]),
        fixed_usd_per_month=given.fixed_usd_per_month,
        minimum_take_fraction=given.minimum_take_fraction,
    )


# --- URDB -----------------------------------------------------------------------------------------

# Charges a tariff may hold that nothing here can represent: refused when any number in them is not zero.
_REFUSED = {
    "demandratchetpercentage": "demand ratchets cannot be represented",
    "lookbackpercent": "demand ratchets cannot be represented",
    "coincidentratestructure": "coincident peak charges cannot be represented",
    "demandreactivepowercharge": "reactive power charges cannot be represented",
    "mincharge": "minimum bills cannot be represented",
    "minmonthlycharge": "minimum bills cannot be represented",
    "annualmincharge": "minimum bills cannot be represented",
    "fueladjustmentsmonthly": "monthly fuel adjustments cannot be represented",
}
_RIDERS = ("energyattrs", "demandattrs", "fixedattrs")
_BUNDLED = ("Bundled", "Delivery with Standard Offer")  # energy and delivery both on the bill


def tariff_from_urdb(path: Path) -> Tariff:
    """Tariff of a URDB file (OpenEI utility rates, version 3 to 8, detail full); one rate a file.

    Read: energyratestructure and its two schedules, flatdemandstructure with flatdemandmonths,
    demandratestructure and its two schedules, the fixed charge. Price is rate + adj; kWh becomes MWh. Charges
    that cannot be represented raise InputError, all of them at once, each with its key.
    """
    return _Urdb(path).tariff()


class _Block(NamedTuple):
    """A tier in the file's own units: price per kWh or kW, upper end in kWh or kW."""

    price: float
    most: float


class _Urdb:
    """One URDB rate and its faults. A method that finds a fault notes it and returns a stand-in."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self.faults: list[Fault] = []
        try:
            self.text = path.read_text(encoding="utf-8-sig")
            data = json.loads(self.text)
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise self._error("(file)", self.file, f"cannot be read ({reason})", "check the path") from None
        except (ValueError, RecursionError) as error:
            raise self._error("(file)", str(error)[:80], "must be valid JSON", "download it again") from None
        if isinstance(data, dict) and "items" in data:
            data = data["items"]
            if not isinstance(data, list) or len(data) != 1:
                count = f"{len(data)} rates" if isinstance(data, list) else show(data)
                raise self._error("items", count, "must hold one rate", "keep the one that applies")
            data = data[0]
        if not isinstance(data, dict):
            raise self._error(
                "(file)", type(data).__name__, "must hold one rate", "download it with detail=full"
            )
        self.rate: dict[str, Any] = {str(key).lower(): value for key, value in data.items()}

    def tariff(self) -> Tariff:
        self._refuse_unrepresentable()
        tiers = self._energy_tiers()
        demand = [period[0].price if period else 0.0 for period in self._structure("demandratestructure")]
        flat = [period[0].price if period else 0.0 for period in self._structure("flatdemandstructure")]
        charged = [i for i, price in enumerate(demand) if price]
        renumbered = np.full(max(1, len(demand)), NO_PERIOD, dtype=np.int64)
        renumbered[charged] = np.arange(len(charged))
        schedules = {
            key: self._schedule(key, count)
            for key, count in (
                ("energyweekdayschedule", len(tiers)),
                ("energyweekendschedule", len(tiers)),
                ("demandweekdayschedule", len(demand)),
                ("demandweekendschedule", len(demand)),
            )
        }
        flat_demand = self._flat_demand(flat)
        fixed = self._fixed_charge()
        if self.faults:
            raise InputError(self.faults)
        return Tariff(
            name=" - ".join(str(self.rate[key]) for key in ("utility", "name") if self.rate.get(key))
            or self.file,
            energy_tiers=tiers,
            energy_weekday=_fixed(schedules["energyweekdayschedule"]),
            energy_weekend=_fixed(schedules["energyweekendschedule"]),
            flat_demand_usd_per_kw=_fixed(flat_demand),
            tou_demand_usd_per_kw=tuple(demand[i] for i in charged),
            demand_weekday=_fixed(renumbered[schedules["demandweekdayschedule"]]),
            demand_weekend=_fixed(renumbered[schedules["demandweekendschedule"]]),
            fixed_usd_per_month=fixed,
            minimum_take_fraction=0.0,
        )

    def _refuse_unrepresentable(self) -> None:
        for key, rule in _REFUSED.items():
            if not _is_zero(self.rate.get(key)):
                self._fault(
                    key, self.rate[key], rule, "remove it if it may be ignored, or write the tariff inline"
                )
        for key in _RIDERS:
            if self.rate.get(key):
                remedy = "add them to the rates (adj) and delete this key"
                self._fault(key, self.rate[key], "riders in words cannot be represented", remedy)
        for key in ("flatdemandunit", "demandrateunit", "demandunits"):
            if self.rate.get(key) not in (None, "", "kW"):
                self._fault(key, self.rate[key], "must be kW", "convert the rates to kW")
        service = self.rate.get("servicetype")
        if service not in (None, "", *_BUNDLED):
            self._fault(
                "servicetype", service, "is a part of the bill only", "add the other part to the rates"
            )

    def _energy_tiers(self) -> tuple[tuple[Tier, ...], ...]:
        """Tiers by period in USD/MWh; prices may not fall."""
        key = "energyratestructure"
        if not self.rate.get(key):
            self._fault(key, self.rate.get(key), "is required", "download the rate with detail=full")
            return ()
        result = []
        for p, period in enumerate(self._structure(key)):
            for before, after in pairwise(period):
                if after.price < before.price:
                    self._fault(f"{key}[{p}]", after.price, _FALLING, _FALLING_REMEDY)
                if after.most <= before.most:
                    self._fault(f"{key}[{p}]", after.most, "max must rise from tier to tier", "reorder")
            result.append(
                tuple(Tier(block.price * _KWH_PER_MWH, block.most / _KWH_PER_MWH) for block in period)
            )
        return tuple(result)

    def _structure(self, key: str) -> list[tuple[_Block, ...]]:
        """Blocks by period in the file's own units, per kWh or per kW."""
        periods = self.rate.get(key) or []
        if not isinstance(periods, list) or not all(
            isinstance(period, list) and period for period in periods
        ):
            self._fault(key, periods, "must be a list of periods, each a list of tiers", "download it again")
            return []
        return [
            tuple(
                self._tier(f"{key}[{p}][{t}]", tier, key, t == len(period) - 1)
                for t, tier in enumerate(period)
            )
            if self._one_tier(key, p, period)
            else ()
            for p, period in enumerate(periods)
        ]

    def _one_tier(self, key: str, p: int, period: list[Any]) -> bool:
        if key == "energyratestructure" or len(period) == 1:
            return True
        self._fault(
            f"{key}[{p}]", f"{len(period)} tiers", "demand tiers cannot be represented", "keep one tier"
        )
        return False

    def _tier(self, where: str, tier: Any, key: str, last: bool) -> _Block:
        if not isinstance(tier, dict):
            self._fault(where, tier, "must be a tier with a rate", "download it again")
            return _Block(0.0, math.inf)
        for name in tier:
            if name not in ("rate", "adj", "max", "unit", "sell"):
                self._fault(
                    f"{where}.{name}", tier[name], "unknown key of a tier", "remove it if it may be ignored"
                )
        if not _is_zero(tier.get("sell")):
            remedy = "set it to 0: the planner pays nothing for exports"
            self._fault(f"{where}.sell", tier["sell"], "sell rates cannot be represented", remedy)
        unit = "kWh" if key == "energyratestructure" else "kW"
        if tier.get("unit") not in (None, "", unit):
            rule = f"tiers must be counted in {unit} a month"
            self._fault(f"{where}.unit", tier["unit"], rule, "write the tariff inline")
        if tier.get("rate") is None and tier.get("adj") is None:
            self._fault(f"{where}.rate", None, "is required", "write 0 if the period is free")
        price = self._number(f"{where}.rate", tier.get("rate"))
        price += self._number(f"{where}.adj", tier.get("adj"))
        if key != "energyratestructure" and price < 0:
            self._fault(f"{where}.rate", price, "demand rates must be at least 0", "correct the value")
        most = self._number(f"{where}.max", tier.get("max"), math.inf)
        most = math.inf if most >= _NO_LIMIT else most
        if last != math.isinf(most) or most <= 0:
            rule = "must be absent in the last tier" if last else "must be more than 0 before the last tier"
            self._fault(f"{where}.max", tier.get("max"), rule, "remove max" if last else "write max")
            return _Block(price, math.inf if last else 0.0)
        return _Block(price, most)

    def _schedule(self, key: str, periods: int) -> Integers:
        """(12, 24) of period indices. A demand schedule may be absent when there are no demand periods."""
        empty = np.zeros((12, 24), dtype=np.int64)
        given = self.rate.get(key)
        if not periods:  # no structure: a schedule, if any, names nothing (its absence is a fault of its own)
            return empty
        shaped = (
            isinstance(given, list)
            and len(given) == 12
            and all(isinstance(row, list) and len(row) == 24 for row in given)
        )
        if not shaped:
            self._fault(key, given, "must be 12 lists of 24 period numbers", "download it with detail=full")
            return empty
        return self._indices(key, given, periods, empty)

    def _indices(self, key: str, given: Any, periods: int, stand_in: Integers) -> Integers:
        flat = [cell for row in given for cell in row] if isinstance(given[0], list) else given
        for cell in flat:
            if isinstance(cell, bool) or not isinstance(cell, int) or not 0 <= cell < periods:
                self._fault(
                    key, cell, f"must be a period number from 0 to {periods - 1}", "correct the schedule"
                )
                return stand_in
        return np.array(given, dtype=np.int64)

    def _flat_demand(self, prices: list[float]) -> Floats:
        key = "flatdemandmonths"
        if not prices:
            return np.zeros(12)
        months = self.rate.get(key)
        if not isinstance(months, list) or len(months) != 12 or any(isinstance(m, list) for m in months):
            self._fault(key, months, "must be 12 period numbers", "download it with detail=full")
            return np.zeros(12)
        return np.array(prices)[self._indices(key, months, len(prices), np.zeros(12, dtype=np.int64))]

    def _fixed_charge(self) -> float:
        first, monthly = "fixedchargefirstmeter", "fixedmonthlycharge"
        units = self.rate.get("fixedchargeunits")
        if not _is_zero(self.rate.get(first)):
            if units not in (None, "", "$/month"):
                self._fault("fixedchargeunits", units, "must be $/month", "convert fixedchargefirstmeter")
            if not _is_zero(self.rate.get(monthly)):
                self._fault(monthly, self.rate[monthly], f"stands beside {first}", "keep one of the two")
            return self._charge(first)
        return self._charge(monthly)

    def _charge(self, key: str) -> float:
        value = self._number(key, self.rate.get(key))
        if value < 0:
            self._fault(key, value, "must be at least 0", "correct the value")
        return value

    def _number(self, where: str, value: Any, absent: float = 0.0) -> float:
        if value is None or value == "":
            return absent
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not abs(value) <= _LARGEST:  # nan too
            self._fault(where, value, "must be a finite number", "correct the value")
            return absent
        return float(value)

    def _fault(self, where: str, value: Any, rule: str, remedy: str) -> None:
        self.faults.append(Fault(self.file, self._line(where), where, show(value), rule, remedy))

    def _line(self, where: str) -> int:
        """Line of the first mention of the key; JSON keeps no marks."""
        found = self.text.lower().find(f'"{where.split("[")[0].split(".")[0]}"')
        return self.text.count("\n", 0, max(found, 0)) + 1

    def _error(self, where: str, value: str, rule: str, remedy: str) -> InputError:
        return InputError([Fault(self.file, 1, where, value, rule, remedy)])


def _is_zero(value: Any) -> bool:
    """No charge in it: absent, empty, zero, or a structure whose every number is zero."""
    if isinstance(value, dict):
        return all(_is_zero(part) for name, part in value.items() if name not in ("max", "unit"))
    if isinstance(value, list):
        return all(_is_zero(part) for part in value)
    return value is None or value == "" or (isinstance(value, int | float) and value == 0)


def _fixed(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """A read-only copy."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy
