"""The difference of two answers, as far as it is proven.

Each answer is a plan found and a bound that no plan can beat, so the optimum z lies between them. What the second costs
more than the first lies in

    z2 - z1   in   [least2 - most1, most2 - least1]

which holds what was found, and is sharp where it is narrower than a fifth of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARP_SHARE = 0.20  # of the value: the widest interval that is told as one number with its ends


@dataclass(frozen=True)
class Span:
    """What was found, and between what the optimum is proven to lie."""

    found: float
    least: float
    most: float


@dataclass(frozen=True)
class Difference:
    """What a change adds: as found, and between what it is proven to lie. Infinite where one of the two has no plan."""

    found: float
    least: float
    most: float
    unit: str  # USD, GPUs or months

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.most - self.least if self.settled else 0.0

    @property
    def settled(self) -> bool:
        """Whether both cases have a plan."""
        return math.isfinite(self.least) and math.isfinite(self.most)

    @property
    def sharp(self) -> bool:
        """Whether the interval is narrow enough for one number."""
        return not self.settled or self.width <= max(SHARP_SHARE * abs(self.found), 1e-9)

    @property
    def below_resolution(self) -> bool:
        """Whether not even the sign is proven."""
        return self.settled and not self.sharp and self.least <= 0.0 <= self.most

    @property
    def missing_share(self) -> float:
        """What the width must come down to, as a share of what it is."""
        return 0.8 * SHARP_SHARE * abs(self.found) / self.width if self.width > 0 else 1.0

    def less(self) -> Difference:
        """The same as what a change saves."""
        return Difference(-self.found, -self.most, -self.least, self.unit)

    def per(self, amount: float) -> Difference:
        """The same for one unit of what was changed by an amount."""
        return Difference(self.found / amount, self.least / amount, self.most / amount, self.unit)

    def __str__(self) -> str:
        """One number with its ends, an interval, or that it cannot be told.

        >>> print(Difference(12.4e6, 11.9e6, 12.9e6, "USD"))
        12.4 M$ (11.9 to 12.9)
        >>> print(Difference(1.5e6, 1.0e6, 2.0e6, "USD"), Difference(0.05e6, -0.1e6, 0.2e6, "USD"), sep="; ")
        1.00 to 2.00 M$; below resolution (-0.100 to 0.200 M$)
        >>> print(Difference(144, 144, 144, "GPUs"), Difference(math.inf, math.inf, math.inf, "USD"), sep="; ")
        144 GPUs; no plan
        """
        if not self.settled:
            return "no plan"
        scale, unit = _scale(max(abs(self.least), abs(self.most)), self.unit)
        ends = [value / scale for value in (self.found, self.least, self.most)]
        digits = _digits(ends)
        found, least, most = (f"{value + 0.0:,.{digits}f}" for value in ends)
        if self.below_resolution:
            return f"below resolution ({least} to {most} {unit})"
        if not self.sharp:
            return f"{least} to {most} {unit}"
        return f"{found} {unit}" if least == most else f"{found} {unit} ({least} to {most})"


def difference(before: Span, after: Span, unit: str) -> Difference:
    """What the second adds to the first."""
    if math.isinf(before.found) and math.isinf(after.found):
        return Difference(0.0, 0.0, 0.0, unit)
    return Difference(after.found - before.found, after.least - before.most, after.most - before.least, unit)


def _scale(largest: float, unit: str) -> tuple[float, str]:
    if unit != "USD":
        return 1.0, unit
    for scale, name in ((1e6, "M$"), (1e3, "k$")):
        if largest >= 0.1 * scale:
            return scale, name
    return 1.0, "$"


def _digits(values: list[float]) -> int:
    """Decimals that leave three figures of the largest."""
    largest = max(abs(value) for value in values)
    if all(value == round(value) for value in values):
        return 0
    return max(0, min(3, 2 - math.floor(math.log10(largest)))) if largest >= 0.01 else 3
