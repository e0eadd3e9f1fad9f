"""A tariff read from a URDB file (OpenEI utility rates, JSON).

Charges that a Tariff cannot represent are refused, never dropped.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from planner.case.marks import show
from planner.case.tariff import FALLING, FALLING_REMEDY, NO_PERIOD, Floats, Integers, Tariff, Tier, read_only
from planner.errors import Fault, InputError
from planner.units import KW_PER_MW

_KWH_PER_MWH = KW_PER_MW
_NO_LIMIT = 1e30  # URDB files write "no limit" as 1e38
_LARGEST = 1e300

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
            raise self._error("(file)", type(data).__name__, "must hold one rate", "download it with detail=full")
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
            name=" - ".join(str(self.rate[key]) for key in ("utility", "name") if self.rate.get(key)) or self.file,
            energy_tiers=tiers,
            energy_weekday=read_only(schedules["energyweekdayschedule"]),
            energy_weekend=read_only(schedules["energyweekendschedule"]),
            flat_demand_usd_per_kw=read_only(flat_demand),
            tou_demand_usd_per_kw=tuple(demand[i] for i in charged),
            demand_weekday=read_only(renumbered[schedules["demandweekdayschedule"]]),
            demand_weekend=read_only(renumbered[schedules["demandweekendschedule"]]),
            fixed_usd_per_month=fixed,
            minimum_take_fraction=0.0,
        )

    def _refuse_unrepresentable(self) -> None:
        for key, rule in _REFUSED.items():
            if not _is_zero(self.rate.get(key)):
                self._fault(key, self.rate[key], rule, "remove it if it may be ignored, or write the tariff inline")
        for key in _RIDERS:
            if self.rate.get(key):
                remedy = "add them to the rates (adj) and delete this key"
                self._fault(key, self.rate[key], "riders in words cannot be represented", remedy)
        for key in ("flatdemandunit", "demandrateunit", "demandunits"):
            if self.rate.get(key) not in (None, "", "kW"):
                self._fault(key, self.rate[key], "must be kW", "convert the rates to kW")
        service = self.rate.get("servicetype")
        if service not in (None, "", *_BUNDLED):
            self._fault("servicetype", service, "is a part of the bill only", "add the other part to the rates")

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
                    self._fault(f"{key}[{p}]", after.price, FALLING, FALLING_REMEDY)
                if after.most <= before.most:
                    self._fault(f"{key}[{p}]", after.most, "max must rise from tier to tier", "reorder")
            result.append(tuple(Tier(block.price * _KWH_PER_MWH, block.most / _KWH_PER_MWH) for block in period))
        return tuple(result)

    def _structure(self, key: str) -> list[tuple[_Block, ...]]:
        """Blocks by period in the file's own units, per kWh or per kW."""
        periods = self.rate.get(key) or []
        if not isinstance(periods, list) or not all(isinstance(period, list) and period for period in periods):
            self._fault(key, periods, "must be a list of periods, each a list of tiers", "download it again")
            return []
        return [
            tuple(self._tier(f"{key}[{p}][{t}]", tier, key, t == len(period) - 1) for t, tier in enumerate(period))
            if self._one_tier(key, p, period)
            else ()
            for p, period in enumerate(periods)
        ]

    def _one_tier(self, key: str, p: int, period: list[Any]) -> bool:
        if key == "energyratestructure" or len(period) == 1:
            return True
        self._fault(f"{key}[{p}]", f"{len(period)} tiers", "demand tiers cannot be represented", "keep one tier")
        return False

    def _tier(self, where: str, tier: Any, key: str, last: bool) -> _Block:
        if not isinstance(tier, dict):
            self._fault(where, tier, "must be a tier with a rate", "download it again")
            return _Block(0.0, math.inf)
        for name in tier:
            if name not in ("rate", "adj", "max", "unit", "sell"):
                self._fault(f"{where}.{name}", tier[name], "unknown key of a tier", "remove it if it may be ignored")
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
                self._fault(key, cell, f"must be a period number from 0 to {periods - 1}", "correct the schedule")
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
