"""Money over time: pure functions, real or nominal but never mixed. Rates are fractions per year."""

from __future__ import annotations

from datetime import date

DAYS_PER_YEAR = 365.0


def discount_factor(discount_rate: float, at: date, base: date) -> float:
    """Present value at `base` of one dollar paid on `at`. [fraction]

    >>> round(discount_factor(0.10, date(2028, 1, 1), date(2027, 1, 1)), 6)
    0.909091
    """
    years = (at - base).days / DAYS_PER_YEAR
    return float((1.0 + discount_rate) ** -years)


def escalation_factor(rate_per_year: float, year: int, base_year: int) -> float:
    """Price in a calendar year over that of the base year, both in the base year's money. [fraction]

    >>> round(escalation_factor(0.02, 2031, 2026), 6)
    1.104081
    """
    return float((1.0 + rate_per_year) ** (year - base_year))


def capital_recovery_factor(discount_rate: float, economic_life_years: float) -> float:
    """Annual payment per unit of present cost. [1/year]  Zero rate gives 1/life.

    Source: Short, Packey, Holt, NREL/TP-462-5173 (1995), eq. 2-11.

    >>> round(capital_recovery_factor(0.10, 15), 4), capital_recovery_factor(0.0, 5)
    (0.1315, 0.2)
    """
    if economic_life_years <= 0:
        raise ValueError(f"economic_life_years must be positive (got {economic_life_years})")
    if discount_rate == 0:
        return 1.0 / economic_life_years
    growth: float = (1.0 + discount_rate) ** economic_life_years
    return discount_rate * growth / (growth - 1.0)


def residual_value_fraction(discount_rate: float, economic_life_years: float, age_years: float) -> float:
    """Share of the cost still in an asset of this age: present value then of the annuities left. [fraction]

    One at age zero, zero from the end of life on. With this line at the horizon, the present value of cost
    less residual equals that of the annuity paid while in service, so a short horizon does not favour
    short-lived assets.

    >>> residual_value_fraction(0.1, 10, 0), residual_value_fraction(0.1, 10, 10)
    (1.0, 0.0)
    """
    left = economic_life_years - age_years
    if left <= 0:
        return 0.0
    if age_years <= 0:
        return 1.0
    if discount_rate == 0:
        return left / economic_life_years
    annuity = capital_recovery_factor(discount_rate, economic_life_years)
    return float(annuity * (1.0 - (1.0 + discount_rate) ** -left) / discount_rate)
