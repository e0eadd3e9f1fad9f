"""Unit suffixes of field names, and the only conversion factors in the project."""

from __future__ import annotations

HOURS_PER_YEAR = 8760
DAYS_PER_WEEK = 7
MINUTES_PER_HOUR = 60
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
KW_PER_MW = 1000.0
HHV_OVER_LHV_GAS = 1.108  # pipeline gas; gas is sold on HHV, heat rates are often LHV
BTU_PER_MMBTU = 1.0e6
GB_PER_TB = 1000.0
KG_PER_T = 1000.0
HHV_OVER_LHV_DIESEL = 1.07  # Argonne GREET: 138,490 over 129,488 Btu/gal, low-sulfur diesel
DIESEL_MMBTU_HHV_PER_M3 = 0.138 / 0.003785411784  # 0.138 MMBtu/US gal HHV: 40 CFR 98, table C-1
KG_PER_SHORT_TON = 907.18474  # of air permits in the United States: 2,000 lb
# Carbon dioxide of burning, by fuel: 40 CFR 98, table C-1 (pipeline gas; distillate fuel oil no. 2).
CO2_KG_PER_MMBTU_HHV = {"natural_gas": 53.06, "diesel": 73.96}

# A field name ends with one of these; the first that fits is the unit. Longest first.
SUFFIXES = (
    ("usd_per_mw_month", "USD/MW-month"),
    ("l_per_kwh", "L/kWh"),
    ("mw_per_min", "MW/min"),
    ("mw_per_5s", "MW/5 s"),
    ("usd_per_mwh", "USD/MWh"),
    ("usd_per_kwh", "USD/kWh"),
    ("usd_per_kw_month", "USD/kW-month"),
    ("usd_per_kw_year", "USD/kW-year"),
    ("usd_per_kw", "USD/kW"),
    ("usd_per_mw", "USD/MW"),
    ("usd_per_kva", "USD/kVA"),
    ("usd_per_mmbtu_hhv", "USD/MMBtu HHV"),
    ("usd_per_gpu_hour", "USD/GPU-h"),
    ("usd_per_month", "USD/month"),
    ("mmbtu_hhv_per_year", "MMBtu HHV/year"),
    ("mmbtu_hhv_per_day", "MMBtu HHV/day"),
    ("mmbtu_hhv", "MMBtu HHV"),
    ("_tons_per_year", "short tons/year"),
    ("_m3_per_year", "m3/year"),
    ("_t_per_year", "t/year"),
    ("hours_per_year", "h/year"),
    ("failures_per_year", "1/year"),
    ("time_hours", "h"),
    ("mean_hours", "h"),
    ("usd_per_year", "USD/year"),
    ("usd_per_m2", "USD/m2"),
    ("btu_per_kwh_lhv", "Btu/kWh LHV"),
    ("btu_per_kwh_hhv", "Btu/kWh HHV"),
    ("kg_per_mwh", "kg/MWh"),
    ("lpm", "L/min"),
    ("dba", "dB(A)"),
    ("kpa", "kPa"),
    ("_m3_per_day", "m3/day"),
    ("_m3_per_h", "m3/h"),
    ("usd_per_m3", "USD/m3"),
    ("fraction_per_year", "1/year"),
    ("fraction_per_minute", "1/min"),
    ("fraction_per_k", "1/K"),
    ("fraction_per_300m", "1/300 m"),
    ("fraction", "fraction"),
    ("minutes", "min"),
    ("weeks", "weeks"),
    ("months", "months"),
    ("minutes", "min"),
    ("years", "years"),
    ("hours", "h"),
    ("minutes", "min"),
    ("seconds", "s"),
    ("kva", "kVA"),
    ("mva", "MVA"),
    ("mwh", "MWh"),
    ("kwh", "kWh"),
    ("mw", "MW"),
    ("kw", "kW"),
    ("usd", "USD"),
    ("kg_per_m2", "kg/m2"),
    ("m2", "m2"),
    ("_m3", "m3"),
    ("_kg", "kg"),
    ("_gb", "GB"),
    ("_tb", "TB"),
    ("_gbps", "Gb/s"),
    ("_c", "degC"),
    ("_s", "s"),
    ("_k", "K"),
    ("_m", "m"),
    ("pflops", "PFLOPS"),
)


def unit_of(field_name: str) -> str:
    """Unit of a field by its name, or "" for a plain count.

    >>> unit_of("lead_time_weeks"), unit_of("price_usd"), unit_of("gpus")
    ('weeks', 'USD', '')
    """
    for suffix, unit in SUFFIXES:
        if field_name.endswith(suffix):
            return unit
    return "PFLOPS" if field_name.startswith("pflops_") else ""


def stem_of(field_name: str) -> str:
    """Field name without its unit, to see that two names differ in the unit alone.

    >>> stem_of("nameplate_power_mw") == stem_of("nameplate_power_kw")
    True
    """
    for suffix, _ in SUFFIXES:
        if field_name.endswith(suffix):
            return field_name[: -len(suffix)].rstrip("_")
    return field_name
