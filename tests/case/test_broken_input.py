"""Every broken input ends in exit code 2 with the place, the rule and the remedy; all faults come at once.

Purpose: each row changes one thing of a sound case. The line of its fault is found by the row's marker.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.case import case as case_module
from planner.case import hours
from planner.case.case import load_case
from planner.cli import main as cli
from planner.errors import Fault, InputError

ROOT = Path(__file__).parents[2]
GOOD = """\
name: broken on purpose
start: 2027-01-01
horizon: {build_months: 30, operating_years: 5}
site:
  location: {latitude: 36.10, longitude: -79.94, elevation_m: 273, time_zone: America/New_York}
  weather: {tmy3: "pvlib:723170TYA.CSV"}
  design_ambient: {dry_bulb_c: 33.6, wet_bulb_c: 25.4, extreme_dry_bulb_c: 39.5}
  grid:
    interconnection:
      - {from: 2027-09-01, mw: 20, via: existing_feeders}
      - {from: 2028-03-01, mw: 60, via: substation}
    power_factor: 0.95
    tariff:
      energy_usd_per_mwh: 52
  fuel: {natural_gas_usd_per_mmbtu_hhv: 5.0}
workload:
  kind: training
  average_load_fraction: 0.85
target:
  milestones:
    - {gpus: 4608, by: 2028-03-31}
    - {gpus: 9216, by: 2028-09-30}
objective: min_cost
candidates:
  compute: [nvidia_gb300_nvl72]
  heat_rejection: [chiller_air_cooled]
  generation: [jenbacher_j620]
  other_stages: class_defaults
supply:
  nvidia_gb300_nvl72: {2027Q4: 64, 2028Q1: 96}
committed:
  - {item: power_transformer_161kv_100mva, units: 2, on_site: 2027-10-01}
activities:
  - {name: permit, weeks: 20, gates: [generation]}
redundancy:
  ups: {scheme: N+1, group_mw: 10}
  standby_generation: none
budget:
  - {by: 2027-12-31, usd: 3.0e+8}
  - {by: 2028-12-31, usd: 1.2e+9}
finance: {base_year: 2026}
"""
OWN = """\
schema: catalog/1
sources: {maker: {name: maker}}
items:
  - id: my_battery
    family: battery
    class: battery
    vendor: me
    model: one
    status: available
    orderable_from: 2027-06-01
    brings: [battery]
    nameplate_power_mw: {value: 1, source: maker, date: "2026", confidence: estimate}
    nameplate_energy_mwh: {value: 4, source: maker, date: "2026", confidence: estimate}
    round_trip_efficiency_fraction: {value: 0.9, source: maker, date: "2026", confidence: estimate}
    price_usd: {low: 1, typical: 2, high: 3, source: maker, date: "2026", confidence: estimate}
"""
HOURS = "hour,fraction\n" + "".join(f"{i},0.5\n" for i in range(8760))
Files = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """The catalogs and the good weather file are read once; files of a test have their own path."""
    with pytest.MonkeyPatch.context() as patch:
        catalog, weather = case_module.read_catalog, hours.read_weather
        cached = functools.cache(lambda folders: catalog(*folders))
        patch.setattr(case_module, "read_catalog", lambda *folders: (cached(folders)[0], list(cached(folders)[1])))
        once = functools.cache(lambda path, kind, given: weather(path, kind, **dict(given)))
        patch.setattr(hours, "read_weather", lambda path, kind, **given: once(path, kind, tuple(given.items())))
        yield


def write(folder: Path, text: str | bytes, files: Files | None = None) -> Path:
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "case.yaml").write_bytes(data)
    return folder


def faults_of(path: Path, *overrides: str) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        load_case(path, overrides)
    for fault in caught.value.faults:
        assert str(fault).count("\n") == 0
        assert fault.rule
        assert fault.remedy
        assert fault.line >= 1
        assert len(str(fault)) < 1500
    assert list(caught.value.faults) == sorted(caught.value.faults)
    return caught.value.faults


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and error text of the command, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["planner", *arguments])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert isinstance(code, int)
    return code, captured.err if code else captured.out


# (what stands in GOOD, what is written instead, field of the fault, marker of its line, words of the fault).
Row = tuple[str, str, str, str, str]
SERIES = "kind: series\n  series: {file: load.csv, column: fraction}"
AVERAGE = "kind: training\n  average_load_fraction: 0.85"
ONE = "{gpus: 4608, by: 2028-03-31}"
AMBIENT = "  design_ambient: {dry_bulb_c: 33.6, wet_bulb_c: 25.4, extreme_dry_bulb_c: 39.5}\n"
TARIFF = "    tariff:\n      energy_usd_per_mwh: 52\n"
ROWS: dict[str, Row] = {
    "unknown key": (
        "power_factor",
        "powr_factor",
        "site.grid.powr_factor",
        "powr",
        "unknown key|did you mean power_factor",
    ),
    "unknown key at the top": ("budget:", "bugdet:", "bugdet", "bugdet", "unknown key|budget"),
    "unknown key, other unit": (
        "mw: 20",
        "kw: 20",
        "site.grid.interconnection[0].kw",
        "kw: 20",
        "MW|convert and write mw",
    ),
    "duplicate key": (
        "    power_factor: 0.95\n",
        "    power_factor: 0.95\n    power_factor: 0.9\n",
        "site.grid.power_factor",
        "power_factor: 0.9\n",
        "written twice|line 12|keep one",
    ),
    "two equal keys at the top": (
        "finance:",
        "name: again\nfinance:",
        "name",
        "name: again",
        "written twice",
    ),
    "number with its unit": (
        "mw: 20",
        'mw: "20 MW"',
        "site.grid.interconnection[0].mw",
        "20 MW",
        "number of MW|unit.*20",
    ),
    "number with its unit, bare": (
        "mw: 20",
        "mw: 20 MW",
        "site.grid.interconnection[0].mw",
        "20 MW",
        "number of MW",
    ),
    "impossible date": (
        "2028-03-31",
        "2027-02-30",
        "target.milestones[0].by",
        "02-30",
        "no such date|YYYY-MM-DD",
    ),
    "date as text": (
        "2028-03-31",
        '"2028-03-31"',
        "target.milestones[0].by",
        '"2028',
        "must be a date|without quotes",
    ),
    "date of another age": ("2028-03-31", "0028-03-31", "target.milestones[0].by", "0028", "between 1990"),
    "start in a month": (
        "start: 2027-01-01",
        "start: 2027-01-15",
        "start",
        "start",
        "first of a month|2027-01-01",
    ),
    "start after time": ("start: 2027-01-01", "start: 9999-12-01", "start", "start", "must lie between"),
    "milestone outside": (
        "2028-09-30",
        "2030-09-30",
        "target.milestones[1].by",
        "2030",
        "build calendar|build_months",
    ),
    "milestones out of order": (
        "2028-09-30",
        "2028-01-31",
        "target.milestones[1].by",
        "9216",
        "order of date|sort",
    ),
    "negative": ("mw: 20", "mw: -20", "site.grid.interconnection[0].mw", "-20", "at least 0|MW"),
    "infinite": ("mw: 20", "mw: .inf", "site.grid.interconnection[0].mw", ".inf", "finite"),
    "not a number": ("mw: 20", "mw: .nan", "site.grid.interconnection[0].mw", ".nan", "finite"),
    "overflow": ("mw: 20", "mw: 1e400", "site.grid.interconnection[0].mw", "1e400", "finite|exponent"),
    "endless digits": ("mw: 20", "mw: " + "9" * 6000, "site.grid.interconnection[0].mw", "9999", "digits"),
    "number as text": ("3.0e+8", '"1e6"', "budget[0].usd", '"1e6"', "must be a number of USD|quotes: 1e6"),
    "digit separators": (
        "3.0e+8",
        "300_000_000",
        "budget[0].usd",
        "300_",
        "must be a number of USD|: 300000000",
    ),
    "hexadecimal": (
        "mw: 20",
        "mw: 0x10",
        "site.grid.interconnection[0].mw",
        "0x10",
        "must be a number of MW",
    ),
    "boolean for a number": (
        "mw: 20",
        "mw: true",
        "site.grid.interconnection[0].mw",
        "true",
        "must be a number of MW",
    ),
    "boolean for a count": ("units: 2", "units: true", "committed[0].units", "units", "whole number"),
    "half a unit": ("units: 2", "units: 2.5", "committed[0].units", "units", "whole number"),
    "NO stays text": ("mw: 20", "mw: NO", "site.grid.interconnection[0].mw", "NO", "must be a number"),
    "yes stays text": ("units: 2", "units: yes", "committed[0].units", "yes", "whole number"),
    "on stays a name": (
        "weeks: 20,",
        "weeks: on,",
        "activities[0].weeks",
        "weeks: on",
        "must be a number of weeks",
    ),
    "clock time stays text": ("2028-03-31", "12:30", "target.milestones[0].by", "12:30", "must be a date"),
    "leading zero": ("mw: 20", "mw: 012", "site.grid.interconnection[0].mw", "012", "start with 0|write 12"),
    "null": ("mw: 20", "mw: null", "site.grid.interconnection[0].mw", "null", "must be a number"),
    "null mapping": (
        "horizon: {build_months: 30, operating_years: 5}",
        "horizon:",
        "horizon",
        "horizon",
        "must be a mapping",
    ),
    "list for a mapping": ("{base_year: 2026}", "[2026]", "finance", "finance", "must be a mapping"),
    "text for a list": (
        "gates: [generation]",
        "gates: generation",
        "activities[0].gates",
        "gates:",
        "must be a list",
    ),
    "number for text": ("name: broken on purpose", "name: 5", "name", "name: 5", "must be text|quote"),
    "missing field": ("  kind: training\n", "", "workload.kind", "workload", "is required|write kind"),
    "missing field of a row": ("units: 2, ", "", "committed[0].units", "transformer", "is required"),
    "tag": (
        "min_cost",
        "!!python/object/apply:os.getcwd []",
        "objective",
        "objective",
        "tags are not allowed|plain",
    ),
    "tag on a mapping": (
        "{base_year: 2026}",
        "!x {base_year: 2026}",
        "finance",
        "finance",
        "tags are not allowed",
    ),
    "merge key": (
        "  fuel:",
        "  <<: {land_m2: 1}\n  fuel:",
        "site.<<",
        "<<",
        "plain names|write the fields out",
    ),
    "alias to nothing": ("min_cost", "*other", "objective", "objective", "no anchor|write the value out"),
    "alias in itself": ("[nvidia_gb300_nvl72]", "&a [*a]", "candidates.compute[0]", "&a", "its own anchor"),
    "unknown item": (
        "[jenbacher_j620]",
        "[qqqqqqqqqqqq]",
        "candidates.generation[0]",
        "qqq",
        "unknown item|catalog list",
    ),
    "misspelt item": (
        "nvidia_gb300_nvl72]",
        "nvidia_gb30_nvl72]",
        "candidates.compute[0]",
        "gb30_",
        "unknown item|nvidia_gb300_nvl72",
    ),
    "item of another family": (
        "[jenbacher_j620]",
        "[ups_generic]",
        "candidates.generation[0]",
        "[ups_g",
        "family power|move it to candidates.power",
    ),
    "cooling that rejects no heat": (
        "[chiller_air_cooled]",
        "[cdu_generic]",
        "candidates.heat_rejection[0]",
        "cdu_g",
        "not a candidate for heat_rejection",
    ),
    "discontinued": (
        "[nvidia_gb300_nvl72]",
        "[nvidia_gb300_nvl72, nvidia_dgx_h100]",
        "candidates.compute[1]",
        "h100",
        "discontinued|available",
    ),
    "not sizeable, chip": (
        "[nvidia_gb300_nvl72]",
        "[tesla_ai5]",
        "candidates.compute[0]",
        "ai5",
        "not sizeable|rating|own",
    ),
    "not sizeable, block": (
        "  other_stages",
        "  battery: [tesla_megapod]\n  other_stages",
        "candidates.battery[0]",
        "megapod",
        "not sizeable",
    ),
    "rented": (
        "  other_stages",
        "  standby_generation: [mobile_turbine_rental]\n  other_stages",
        "candidates.standby_generation[0]",
        "rental",
        "rented only to stand by is not planned|bridge_power",
    ),
    "emergency engine as a bridge": (
        "  generation: [j",
        "  bridge_power: [diesel_genset_3mw]\n  generation: [j",
        "candidates.bridge_power[0]",
        "diesel",
        "emergency permit|standby_generation",
    ),
    "unknown redundancy stage": ("  ups: {", "  upps: {", "redundancy.upps", "upps", "unknown key|ups"),
    "unknown scheme": (
        "scheme: N+1",
        "scheme: N+N",
        "redundancy.ups.scheme",
        "N+N",
        "unknown redundancy scheme|2\\(N\\+1\\)",
    ),
    "two groups": (
        "group_mw: 10",
        "group_mw: 10, group_racks: 4",
        "redundancy.ups.group_racks",
        "group_racks",
        "more than one group|group_mw",
    ),
    "reserve of the wrong stage": (
        "group_mw: 10",
        "spinning_reserve: largest_unit",
        "redundancy.ups.spinning_reserve",
        "spinning",
        "belongs to onsite_generation",
    ),
    "scheme without a mapping": (
        "{scheme: N+1, group_mw: 10}",
        "N+1",
        "redundancy.ups",
        "ups",
        "mapping with a scheme",
    ),
    "load rules": (
        "    power_factor",
        "    load_rules: {ramp_mw_per_min: 0}\n    power_factor",
        "site.grid.load_rules[0].ramp_mw_per_min",
        "ramp_mw_per_min",
        "more than 0|MW/min",
    ),
    "curtailment": (
        "    power_factor",
        "    curtailment: {hours_per_year: 60, event_h: 4}\n    power_factor",
        "site.grid.curtailment.notice_min",
        "curtail",
        "is required",
    ),
    "gas": ("  fuel:", "  gas: {from: 2027-06-01}\n  fuel:", "site.gas.mmbtu_hhv_per_day", "gas: {from", "required"),
    "water": ("  fuel:", "  water: {m3_per_day: 0}\n  fuel:", "site.water.m3_per_day", "water", "more than 0"),
    "water of nothing": ("  fuel:", "  water: {}\n  fuel:", "site.water", "water", "limits nothing|m3_per_day"),
    "firm misspelt": (
        "  milestones:",
        "  firm: [gird]\n  milestones:",
        "target.firm[0]",
        "firm",
        "must be one of|did you mean grid",
    ),
    "bad quarter": (
        "2028Q1: 96",
        "2028Q5: 96",
        "supply.nvidia_gb300_nvl72.2028Q5",
        "Q5",
        "must be a quarter|2027Q3",
    ),
    "supply of an unknown item": (
        "  nvidia_gb300_nvl72: {",
        "  nvidia_gb300_nvl27: {",
        "supply.nvidia_gb300_nvl27",
        "nvl27",
        "unknown item|nvl72",
    ),
    "percent": (
        "average_load_fraction: 0.85",
        "average_load_fraction: 92",
        "workload.average_load_fraction",
        "92",
        "at most 1|write 0.92",
    ),
    "budget falls": ("1.2e+9", "1.2e+8", "budget[1].usd", "1.2e+8", "cumulative|300,000,000|total"),
    "budget out of order": (
        "by: 2028-12-31",
        "by: 2027-06-30",
        "budget[1].by",
        "2027-06",
        "order of date|sort",
    ),
    "budget before the start": (
        "by: 2027-12-31",
        "by: 2026-12-31",
        "budget[0].by",
        "2026-12",
        "not be before the start",
    ),
    "two weather files": (
        "weather: {",
        "weather: {epw: a.epw, ",
        "site.weather",
        "a.epw",
        "exactly one weather file",
    ),
    "no weather file": (
        '{tmy3: "pvlib:723170TYA.CSV"}',
        "{epw: none.epw}",
        "site.weather.epw",
        "none.epw",
        "no such file|path",
    ),
    "pflops without precision": (
        "gpus: 4608",
        "pflops: 900",
        "target.milestones[0].precision",
        "pflops",
        "go together|fp8",
    ),
    "two measures": (
        "gpus: 4608",
        "gpus: 4608, it_mw: 3",
        "target.milestones[0]",
        "it_mw",
        "exactly one of gpus",
    ),
    "milestones and a load": (
        "  milestones:",
        "  load_series: {file: load.csv, column: fraction}\n  milestones:",
        "target",
        "target",
        "both milestones and a load_series|keep one",
    ),
    "no design ambient": (AMBIENT, "", "site.design_ambient", "site:", "is required|ASHRAE"),
    "extreme too low": (
        "39.5",
        "33.7",
        "site.design_ambient.extreme_dry_bulb_c",
        "33.7",
        "hottest hour|20-year",
    ),
    "wet above dry": (
        "wet_bulb_c: 25.4",
        "wet_bulb_c: 34",
        "site.design_ambient.wet_bulb_c",
        "34,",
        "wet bulb must not exceed",
    ),
    "time zone": (
        "America/New_York",
        "America/Now_York",
        "site.location.time_zone",
        "Now_York",
        "unknown time zone|America/New_York",
    ),
    "activity after nothing": (
        "weeks: 20,",
        "weeks: 20, after: pormit,",
        "activities[0].after",
        "pormit",
        "no earlier activity",
    ),
    "activity twice": (
        "  - {name: permit,",
        "  - {name: permit, weeks: 1, gates: [grid]}\n  - {name: permit,",
        "activities[1].name",
        "weeks: 20",
        "used twice|rename",
    ),
    "activity for ever": ("weeks: 20", "weeks: 1e15", "activities[0].weeks", "1e15", "at most"),
    "gates nothing": (
        "[generation]",
        "[generattion]",
        "activities[0].gates[0]",
        "generatt",
        "names nothing|did you mean generation",
    ),
    "empty gates": ("gates: [generation]", "gates: []", "activities[0].gates", "gates", "not be empty"),
    "grid without tariff": (TARIFF, "", "site.grid.tariff", "grid:", "needs a tariff|write tariff"),
    "feeders after substation": (
        "via: substation}",
        "via: substation}\n      - {from: 2028-06-01, mw: 70, via: existing_feeders}",
        "site.grid.interconnection[2].via",
        "mw: 70",
        "may not follow|last",
    ),
    "grid out of order": (
        "from: 2028-03-01",
        "from: 2027-03-01",
        "site.grid.interconnection[1].from",
        "mw: 60",
        "order of date",
    ),
    "via": (
        "via: substation",
        "via: sub_station",
        "site.grid.interconnection[1].via",
        "sub_",
        "must be one of|did you mean substation",
    ),
    "inference above design": (
        "kind: training\n  average_load_fraction: 0.85",
        "kind: inference\n  average_load_fraction: 0.95",
        "workload.average_load_fraction",
        "0.95",
        "peaks at 1.14|at most 0.83",
    ),
    "objective": ("min_cost", "min_cots", "objective", "objective", "must be min_cost|did you mean min_cost"),
    "objective without a date": (
        "min_cost",
        "{max_gpus: soon}",
        "objective.max_gpus",
        "soon",
        "must be a date",
    ),
    "objective outside": (
        "min_cost",
        "{max_gpus: 2035-01-01}",
        "objective.max_gpus",
        "2035",
        "build calendar",
    ),
    "no catalog there": (
        "finance:",
        "catalogs: [nowhere]\nfinance:",
        "catalogs[0]",
        "nowhere",
        "holds no catalog|path",
    ),
    "no fuel price": (
        "  fuel: {natural_gas_usd_per_mmbtu_hhv: 5.0}\n",
        "",
        "site.fuel.natural_gas_usd_per_mmbtu_hhv",
        "site:",
        "is required: jenbacher_j620 burns natural_gas",
    ),
    "unknown family": (
        "base_year: 2026",
        "base_year: 2026, economic_life_years: {batery: 9}",
        "finance.economic_life_years.batery",
        "batery",
        "unknown family|battery",
    ),
    "far base year": ("base_year: 2026", "base_year: 2010", "finance.base_year", "2010", "within 10 years"),
    "no compute": (
        "  compute: [nvidia_gb300_nvl72]\n",
        "",
        "candidates.compute",
        "candidates",
        "need compute",
    ),
    "tariff file": (
        "energy_usd_per_mwh: 52",
        "urdb: none.json",
        "site.grid.tariff.urdb",
        "none.json",
        "no such file",
    ),
    "long path": ('"pvlib:723170TYA.CSV"', "a" * 5000, "site.weather.tmy3", "aaaa", "no such file"),
    "control character": ("broken on purpose", '"a\\0b"', "name", "name", "control characters"),
    "terminal escape": ("broken on purpose", '"a\\eb"', "name", "name", "control characters"),
    "key that looks like markup": (
        "  fuel:",
        '  "[bold]x[/]": 1\n  fuel:',
        "site.[bold]x[/]",
        "bold",
        "unknown key",
    ),
    "committed in another unit": (
        "units: 2",
        "units: 2, paid_kusd: 5",
        "committed[0].paid_kusd",
        "kusd",
        "unknown key|paid_usd",
    ),
    "series without file": (
        AVERAGE,
        "kind: series\n  series: {file: none.csv, column: fraction}",
        "workload.series.file",
        "none.csv",
        "no such file",
    ),
    "series column": (
        AVERAGE,
        SERIES.replace("column: fraction", "column: fracton"),
        "workload.series.column",
        "fracton",
        "no such column|did you mean fraction",
    ),
    "kind series alone": (AVERAGE, "kind: series", "workload.kind", "kind: series", "go together"),
    "series and average": (
        "kind: training",
        SERIES,
        "workload.average_load_fraction",
        "average",
        "own average|remove",
    ),
}
WITH_CLI = list(ROWS)[::5]


def changed(row: Row) -> tuple[str, int]:
    """(text of the broken case, line of the fault)."""
    old, new, _, marker, _ = row
    assert GOOD.count(old) >= 1, old
    text = GOOD.replace(old, new, 1)
    marked = text.find(new.strip() or "\0") if marker in new else text.find(marker)
    place = text.index(marker, max(0, marked))
    return text, text.count("\n", 0, place) + 1


@pytest.mark.parametrize("name", ROWS)
def test_one_broken_thing(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = ROWS[name]
    text, line = changed(row)
    folder = write(tmp_path, text, {"load.csv": HOURS} if "load.csv" in text else None)
    faults = faults_of(folder)
    assert len(faults) == 1, "\n".join(map(str, faults))
    fault = faults[0]
    assert (fault.file, fault.field, fault.line) == (str(folder / "case.yaml"), row[2], line), fault
    for words in row[4].split("|"):
        assert re.search(words, f"{fault.rule}: {fault.remedy}"), (words, str(fault))
    if name in WITH_CLI:
        code, error = run(capsys, "check", str(folder))
        assert (code, error.splitlines()) == (2, [str(fault), "1 fault in the input"])


def test_enough_rows_run_through_the_command() -> None:
    assert len(WITH_CLI) >= 15


def test_the_good_case_has_no_fault(tmp_path: Path) -> None:
    load_case(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3.0e+8", "1e6"),
        ("\n", "\r\n"),
        ("name: broken", "\ufeffname: broken"),
        ("broken on purpose", '"[red]=SUM(A1)[/red] +1 {x} \\u2028 é"'),
        ("broken on purpose", "NO"),
        ("broken on purpose", f"{'long ' * 20000}"),
        ("[nvidia_gb300_nvl72]", "nvidia_gb300_nvl72"),
        ("gpus: 4608", "gpus: +4608"),
        ("min_cost", "max_gpus"),
        ("{scheme: N+1, group_mw: 10}", "none"),
        ("finance: {", "finance: &f {"),
    ],
)
def test_odd_but_sound(old: str, new: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new) if old == "\n" else GOOD.replace(old, new, 1)
    load_case(write(tmp_path, text))


# --- whole files ----------------------------------------------------------------------------------


def bomb() -> str:
    rows = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"{y}: &{y} [{', '.join([f'*{x}'] * 10)}]" for x, y in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(rows)


FILES: dict[str, tuple[str | bytes, int, str]] = {
    "empty": ("", 1, "must hold a mapping"),
    "comments only": ("# nothing\n# here\n", 3, "must hold a mapping"),
    "a list": ("- 1\n- 2\n", 1, "must be a mapping of fields"),
    "a text": ("hello", 1, "must be a mapping of fields"),
    "tab": ("name: x\nsite:\n\tgrid: 1\n", 3, "valid YAML|spaces, not tabs"),
    "open bracket": ("name: x\nsite: [1, 2\nstart: 3\n", 3, "valid YAML|brackets"),
    "open quote": ('name: "x\n', 2, "valid YAML"),
    "bad indent": ("name: x\n  start: 3\n", 2, "valid YAML"),
    "two documents": (GOOD + "---\nname: x\n", GOOD.count("\n") + 1, "one document"),
    "not UTF-8": (b"name: x\nstart: \xff\xfe\n", 2, "UTF-8"),
    "UTF-16": ("name: x\n".encode("utf-16"), 1, "UTF-8"),
    "lone surrogate": (b"name: \xed\xa0\x80\n", 1, "UTF-8"),
    "escaped surrogate": ('name: "\\ud800"\n', 1, "valid YAML"),
    "NUL": ("name: x\nstart: a\0b\n", 2, "control characters"),
    "binary": (bytes(range(256)) * 100, 2, "UTF-8"),
    "deep brackets": ("name: " + "[" * 5000 + "]" * 5000, 1, "at most 50 levels"),
    "very deep brackets": ("name: " + "[" * 200_000, 1, "at most 50 levels"),
    "deep dashes": ("- " * 100_000 + "x", 1, "at most 50 levels"),
    "deep indents": ("\n".join(" " * i + "a:" for i in range(1000)), 52, "at most 50 levels"),
    "alias bomb": (bomb(), 6, "at most 500,000 values"),
    "20 MB": ("name: x\n" * 2_500_000, 1, "at most 10 MB"),
    "complex key": ("? [a, b]\n: 1\n", 1, "plain names"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, line, words = FILES[name]
    folder = write(tmp_path, text)
    fault = faults_of(folder)[0]
    assert fault.line == line
    for word in words.split("|"):
        assert word in f"{fault.rule}: {fault.remedy}"
    assert run(capsys, "check", str(folder))[0] == 2


@pytest.mark.parametrize("path", ["none.yaml", "none", ".", "a" * 300, "folder/case.yaml"])
def test_no_file(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder" / "case.yaml").mkdir(parents=True)
    (fault,) = faults_of(tmp_path / path)
    assert "cannot be read" in fault.rule
    code, error = run(capsys, "check", str(tmp_path / path))
    assert (code, error.splitlines()[0]) == (2, str(fault))


# --- files a case names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("hour,fraction\n0,0.5\n", 0, "must have 8760 rows"),
        ("", 0, "write a header row"),
        ("hour,share\n" + "0,0.5\n" * 8760, 0, "no such column"),
        (HOURS.replace("\n7,0.5", "\n7,nan"), 9, "1 rows are not"),
        (HOURS.replace("\n7,0.5", "\n7,-0.5"), 9, "at least 0"),
        (HOURS.replace("\n7,0.5", "\n\n7,1_0"), 10, "must be a number"),
        (HOURS.replace("\n7,0.5", "\n7"), 9, "must be a number"),
        (HOURS.replace("0.5", "50"), 0, "divide the series"),
        (HOURS.replace("\n7,", '\n"7,'), 0, "8760 rows|cannot be read"),
    ],
)
def test_a_broken_series(content: str, line: int, words: str, tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD.replace(AVERAGE, SERIES), {"load.csv": content})
    faults = faults_of(folder)
    fault = next(f for f in faults if re.search(words, f"{f.rule}: {f.remedy}"))
    assert (fault.file.endswith("load.csv"), fault.line) == (bool(line), line or fault.line)


@pytest.mark.parametrize("kind", ["epw", "tmy3", "psm3", "monthly_normals"])
@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\0", "LOCATION,x\n" * 9])
def test_a_broken_weather_file(kind: str, content: str, tmp_path: Path) -> None:
    text = GOOD.replace('tmy3: "pvlib:723170TYA.CSV"', f"{kind}: weather.csv")
    faults = faults_of(write(tmp_path, text, {"weather.csv": content}))
    assert {Path(f.file).name for f in faults} == {"weather.csv"}


def own_case(tmp_path: Path, catalog: str, text: str = GOOD) -> Path:
    text = text.replace("  other_stages", "  battery: [my_battery]\n  other_stages")
    return write(tmp_path, text + "catalogs: [own]\n", {"own/mine.yaml": catalog})


CATALOGS: dict[str, tuple[str, str, str, str]] = {
    "ordered after the build": (
        "2027-06-01",
        "2031-01-01",
        "candidates.battery[0]",
        "cannot be ordered before 2031|lengthen",
    ),
    "unknown stage": ("[battery]", "[batery]", "items[0].brings[0]", "unknown stage|battery"),
    "value and typical": ("{value: 1,", "{value: 1, typical: 1,", "items[0].nameplate_power_mw", "value"),
    "low above high": ("{low: 1", "{low: 9", "items[0].price_usd", "low <= typical <= high"),
    "unknown source": (
        "{value: 4, source: maker",
        "{value: 4, source: maket",
        "items[0].nameplate_energy_mwh.source",
        "unknown source|maker",
    ),
    "unknown field": ("price_usd:", "price_kusd:", "items[0].price_kusd", "unknown key|price_usd"),
    "no date": ('date: "2026"', 'date: "soon"', "items[0].nameplate_power_mw.date", "year"),
    "bad status": ("status: available", "status: avail", "items[0].status", "must be one of|available"),
    "bad id": ("id: my_battery", "id: My Battery", "items[0].id", "lower-case"),
    "unknown family": ("family: battery", "family: batery", "items[0].family", "must be one of|battery"),
    "schema": ("schema: catalog/1", "schema: catalog/9", "schema", "catalog/1"),
    "tag in an item": ("vendor: me", "vendor: !x me", "items[0].vendor", "tags"),
}


@pytest.mark.parametrize("name", CATALOGS)
def test_a_broken_catalog(name: str, tmp_path: Path) -> None:
    old, new, field, words = CATALOGS[name]
    catalog = OWN.replace(old, new, 1)
    faults = faults_of(own_case(tmp_path, catalog))
    assert any(f.field == field for f in faults), "\n".join(map(str, faults))
    fault = next(f for f in faults if f.field == field)
    assert all(word in f"{fault.rule}: {fault.remedy}" for word in words.split("|")), str(fault)
    expected = 2 if name == "bad id" else 1  # the case names an id that is then unknown
    assert len(faults) == expected, "\n".join(map(str, faults))


def test_committed_before_it_can_be_ordered(tmp_path: Path) -> None:
    row = "  - {item: my_battery, units: 1, on_site: 2027-05-01}\n"
    text = GOOD.replace("committed:\n", "committed:\n" + row) + "catalogs: [own]\n"
    (fault,) = faults_of(write(tmp_path, text, {"own/mine.yaml": OWN}))
    assert (fault.field, fault.line) == ("committed[0].on_site", text[: text.index(row)].count("\n") + 1)
    assert "cannot be ordered before 2027-06-01" in fault.rule


# --- more than one fault --------------------------------------------------------------------------


def test_everything_at_once(tmp_path: Path) -> None:
    """Faults of text, fields, rules over fields, names, weather and series: none hides another."""
    changes = {
        "start: 2027-01-01": "start: 2027-01-02",
        "mw: 20": "mw: 012",
        "power_factor: 0.95": "power_factor: high",
        "wet_bulb_c: 25.4": "wet_bulb_c: 34, extra: 1",
        "America/New_York": "America/Chicagoo",
        "[jenbacher_j620]": "[jenbacher_j62, jenbacher_j620, qqqqqqq]",
        "weeks: 20": "weeks: -1",
        "[generation]": "[generattion]",
        "scheme: N+1": "scheme: 5N",
        "723170TYA.CSV": "723170TYB.CSV",
        "usd: 1.2e+9": "usd: 1",
        "base_year: 2026": "base_yaer: 2026",
        "via: substation": "via: tunnel",
        "  fuel:": "  water: {m3_per_day: 0}\n  fuel:",
        "units: 2": "units: 2, paid_usd: many",
        "gpus: 9216": "gpus: 9216, it_mw: 1",
        "2028Q1: 96": "2028Q7: 96",
        AVERAGE: SERIES,
    }
    text = GOOD
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    faults = faults_of(write(tmp_path, text, {"load.csv": "fraction\n1\n"}))
    fields = [f.field for f in faults]
    assert fields == [
        "start",
        "site.location.time_zone",
        "site.weather.tmy3",
        "site.design_ambient.extra",
        "site.design_ambient.wet_bulb_c",
        "site.grid.interconnection[0].mw",
        "site.grid.interconnection[1].via",
        "site.grid.power_factor",
        "site.water.m3_per_day",
        "workload.series.file",
        "target.milestones[1]",
        "candidates.generation[0]",
        "candidates.generation[2]",
        "supply.nvidia_gb300_nvl72.2028Q7",
        "committed[0].paid_usd",
        "activities[0].gates[0]",
        "activities[0].weeks",
        "redundancy.ups.scheme",
        "budget[1].usd",
        "finance.base_yaer",
    ], "\n".join(map(str, faults))


def test_a_part_taken_out_shifts_no_line(tmp_path: Path) -> None:
    """Entries before a faulty one and after it keep their place in messages."""
    text = GOOD.replace("[jenbacher_j620]", "[jenbacher_j620, 5, jenbacher_j62]")
    text = text.replace("budget:\n", "budget:\n  - {by: soon, usd: 1}\n").replace("1.2e+9", "1.2e+7")
    faults = faults_of(write(tmp_path, text))
    fields = ["candidates.generation[1]", "candidates.generation[2]", "budget[0].by"]
    assert [f.field for f in faults][:3] == fields


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ("site.grid.powr_factor=0.9", "site.grid.powr_factor", "unknown key|power_factor"),
        ("site.grid.power_factor", "site.grid.power_factor", "must be path=value"),
        ("=3", '""', "cannot read the path"),
        ("site..grid=3", "site..grid", "cannot read the path"),
        (
            "site.grid.interconnection[7].mw=60",
            "site.grid.interconnection[7].mw",
            "2 entries|at most \\[1\\]",
        ),
        (
            "site.grid.interconnection.mw=60",
            "site.grid.interconnection.mw",
            "no mapping|interconnection\\[0\\].mw",
        ),
        ("name[0]=x", "name[0]", "no list"),
        ("site.grid.power_factor=high", "site.grid.power_factor", "must be a number"),
        ("site.grid.power_factor=.nan", "site.grid.power_factor", "finite"),
        ("start=2027-02-30", "start", "no such date"),
        ("start=2027-02-02", "start", "first of a month"),
        ("objective={max_gpus: [}", "objective", "valid YAML"),
        (
            "catalog.nvidia_gb300_nvl27.price_usd=5",
            "catalog.nvidia_gb300_nvl27.price_usd",
            "unknown item|nvl72",
        ),
        (
            "catalog.nvidia_gb300_nvl72.price_us=5",
            "catalog.nvidia_gb300_nvl72.price_us",
            "unknown field|price_usd",
        ),
        ("catalog.nvidia_gb300_nvl72.vendor=5", "catalog.nvidia_gb300_nvl72.vendor", "unknown field"),
        (
            "catalog.nvidia_gb300_nvl72.price_usd=cheap",
            "catalog.nvidia_gb300_nvl72.price_usd",
            "must be a number",
        ),
        ("catalog.nvidia_gb300_nvl72.price_usd=-5", "catalog.nvidia_gb300_nvl72.price_usd", "negative"),
        ("catalog.nvidia_gb300_nvl72=5", "catalog.nvidia_gb300_nvl72", "catalog.ITEM.field"),
        ("candidates.compute[0]=nvidia_gb300_nvl27", "candidates.compute[0]", "unknown item|nvl72"),
        ("name=\udcff", "name", "control characters"),
    ],
)
def test_a_broken_override(
    change: str, field: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, GOOD)
    (fault,) = faults_of(folder, "site.grid.power_factor=0.9", change)
    assert (fault.file, fault.line, fault.field) == ("--set", 2, field)
    assert all(re.search(word, f"{fault.rule}: {fault.remedy}") for word in words.split("|")), str(fault)
    assert run(capsys, "check", str(folder), "--set", change)[0] == 2


def test_an_override_mends_what_the_file_has_wrong(tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD.replace("mw: 20", "mw: 012"))
    assert faults_of(folder)
    assert [f.field for f in faults_of(folder, "site.grid.interconnection[0].mw=30")] == [
        "site.grid.interconnection[0].mw"
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("catalog", "show", "nvidia_gb300_nvl27"), "unknown item: did you mean nvidia_gb300_nvl72"),
        (("catalog", "show", "zzzzzzzz"), "unknown item: see planner catalog list"),
        (("catalog", "list", "--family", "batery"), "unknown family: did you mean battery"),
        (("catalog", "list", "--catalog", "nowhere"), "holds no catalog"),
        (("catalog", "check", "--catalog", "nowhere"), "holds no catalog"),
        (("catalog", "stale", "--older-than", "soon"), "must be a number and d, w, mo or y.*: write 12mo"),
        (("catalog", "stale", "--older-than", "99999999y"), "must be a number"),
        (("catalog", "stale", "--older-than", "²y"), "must be a number"),
        (("check", "CASE", "--objective", "min_cots"), "did you mean min_cost"),
        (("check", "CASE", "--objective", "max_gpus=2027-02-30"), "no such date"),
        (("check", "CASE", "--objective", "max_gpus=}"), "valid YAML"),
        (("check", "CASE", "--objective", "max_gpus="), "must be a date"),
        (("check", "CASE", "--catalog", "nowhere"), "holds no catalog"),
        (("check", "nowhere"), "cannot be read"),
        (("solve", "nowhere"), "cannot be read"),
        (("solve", "CASE", "--out", "FOLDER"), "not a plan"),
        (("solve", "CASE", "--gap", "2"), "gap"),
        (("swing", "CASE", "--battery-mw", "inf", "--battery-mwh", "1"), "battery-mw"),
        (("swing", "CASE", "--battery-mw", "1", "--battery-mwh", "1e300"), "battery-mwh"),
        (("swing", "CASE"), "has no workload.swing_fraction"),
        (("new", "FOLDER"), "exists already: choose another folder"),
        (("new", "FOLDER/case.yaml/x"), "Not a directory"),
        (("new", "a\nb"), "printable"),
        (("chekc", "CASE"), "chekc"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, GOOD)
    filled = [a.replace("CASE", str(folder)).replace("FOLDER", str(folder)) for a in arguments]
    code, error = run(capsys, *filled)
    assert code == 2
    assert re.search(words, error), error


def test_the_installed_command_ends_with_2(tmp_path: Path) -> None:
    folder = write(tmp_path, GOOD.replace("mw: 20", "kw: 20"))
    done = subprocess.run(
        [sys.executable, "-m", "planner.cli.main", "check", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    first, *_, last = done.stderr.splitlines()
    assert first.startswith(f"{folder}/case.yaml:10: site.grid.interconnection[0].kw: 20: unknown key: the unit")
    assert last == "1 fault in the input"


def test_stale_prints_the_text_of_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "catalog", "stale", "--older-than", "1d")
    assert code == 0
    assert "http" in out


def test_numbers_are_shown_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "catalog", "show", "nvidia_gb300_nvl72")
    assert code == 0
    assert not re.search(r"\d(\.\d+)?e[+-]\d", out)
    assert re.search(r"price_usd: \d,\d{3},000", out)


# --- sound input ----------------------------------------------------------------------------------

# The shape a person who builds such sites writes; the parts that are not modelled yet are refused by name.
SHAPE = """\
name: campus whose grid arrives late
start: 2027-01-01
horizon: {build_months: 36, operating_years: 5}
site:
  location: {latitude: 35.06, longitude: -90.16, elevation_m: 80, time_zone: America/Chicago}
  weather: {monthly_normals: weather_normals.csv}
  design_ambient: {dry_bulb_c: 36, wet_bulb_c: 27, extreme_dry_bulb_c: 41}
  hall: {existing_m2: 70000, ready: 2027-03-01, yard_m2: 120000}
  grid:
    interconnection:
      - {from: 2027-01-01, mw: 8, via: existing_feeders}
      - {from: 2028-06-01, mw: 150, via: substation}
    power_factor: 0.95
    curtailment: {hours_per_year: 60, event_h: 4, notice_min: 30, grid_fraction_left: 0, compute_may_shed: 0}
    load_rules: {ramp_mw_per_min: 20, step_mw_per_5s: 10}
    tariff: {energy_usd_per_mwh: 42, demand_usd_per_kw_month: 12, minimum_take_fraction: 0.60}
  gas: {from: 2027-06-01, mmbtu_hhv_per_day: 36000, usd_per_mmbtu_hhv: 4.8, firm: true}
  air_permit: {from: 2027-08-01, nox_tons_per_year: 87}
  water: {m3_per_day: 2000}
  fibre: {from: 2027-07-01}
workload: {kind: training, largest_job_fraction: 1.0, swing_fraction: 0.30, average_load_fraction: 0.85}
target:
  milestones:
    - {gpus: 27648, by: 2027-12-31}
    - {gpus: 110592, by: 2028-12-31}
  firm: [grid, air_permit]
objective: min_cost
candidates:
  compute: [nvidia_gb300_nvl72]
  bridge_power: [mobile_turbine_rental, jenbacher_j620, bloom_es65]
  battery: [tesla_megapack_2xl_2h, tesla_megapack_2xl_4h, tesla_megablock_4h]
  heat_rejection: [dry_cooler_adiabatic, chiller_air_cooled]
  other_stages: class_defaults
supply:
  nvidia_gb300_nvl72: {2027Q2: 96, 2027Q3: 192, 2028Q4: 320}
committed:
  - {item: power_transformer_161kv_100mva, units: 3, on_site: 2028-02-01, paid_usd: 4.0e+6, due_usd: 8.0e+6}
  - {item: power_lineup_3mva, units: 36, on_site: 2027-07-15, paid_usd: 2.0e+7, due_usd: 3.0e+7}
redundancy:
  main_transformer: {scheme: N+1, group: substation}
  power_lineup: {scheme: 4N/3, group_mw: 10}
  cdu: {scheme: N+1, group_racks: 16}
  heat_rejection: {scheme: N+1, group_mw: 25}
  onsite_generation: {scheme: N+1, spinning_reserve: largest_unit}
  standby_generation: none
spares: {racks_fraction: 0.02}
commissioning: {block_mw: 10, weeks: 6, blocks_in_parallel: 4, rack_burn_in_weeks: 3}
budget: [{by: 2027-06-30, usd: 1.5e+9}, {by: 2028-12-31, usd: 1.15e+10}]
finance: {base_year: 2026, discount_rate: 0.10, indirects_fraction: 0.18, contingency_fraction: 0.10}
"""
NORMALS = (ROOT / "examples/memphis/weather_normals.csv").read_text()


def test_every_field_of_the_shape_is_understood(tmp_path: Path) -> None:
    case = load_case(write(tmp_path, SHAPE, {"weather_normals.csv": NORMALS}))
    assert case.input.site.water is not None
    assert case.input.site.water.m3_per_day == 2000
    assert "mobile_turbine_rental" in case.candidates["generation"]


@pytest.mark.parametrize("name", ["carolina", "memphis"])
def test_the_examples_are_sound(name: str) -> None:
    load_case(ROOT / "examples" / name)


@pytest.mark.parametrize("name", ["my-site", "a: b #c", "[x]", "=1+1", 'quo"te', "NAME", "été"])
def test_a_new_case_is_sound_whatever_its_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "new", str(tmp_path / name))
    assert code == 0, out
    assert load_case(tmp_path / name).input.name == name


@pytest.mark.parametrize("change", ["supply.nvidia_gb200_nvl72.2027Q4=8", "order_multiples.nvidia_gb200_nvl72=8"])
def test_rows_for_an_item_nobody_may_buy(tmp_path: Path, change: str) -> None:
    """Nothing is accepted and then ignored: the item exists, but is no candidate."""
    (fault,) = faults_of(write(tmp_path, GOOD), change)
    assert fault.field == change.rsplit(".2027Q4", 1)[0].split("=")[0]
    assert "is no candidate" in fault.rule
    assert "add it to candidates" in fault.remedy


def test_what_is_bought_may_be_discontinued_since(tmp_path: Path) -> None:
    """A DGX H100 is no longer sold; racks of it bought before are a fact, not an order."""
    row = "committed=[{item: nvidia_dgx_h100, units: 4, on_site: 2027-06-01}]"
    assert load_case(write(tmp_path, GOOD), [row]).input.committed[0].item == "nvidia_dgx_h100"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("site.grid.interconnection[1].from=2033-01-01", "site.grid.interconnection[1].from"),
        ("committed=[{item: ups_generic, units: 4, on_site: 2033-01-01}]", "committed[0].on_site"),
    ],
)
def test_what_comes_after_the_build_is_not_ignored(tmp_path: Path, change: str, field: str) -> None:
    """The operating years repeat one year, so nothing may be promised for them."""
    (fault,) = faults_of(write(tmp_path, GOOD), change)
    assert fault.field == field
    assert "comes after the build" in fault.rule
    assert "build_months" in fault.remedy


def test_a_ups_may_not_bring_heat_rejection(tmp_path: Path) -> None:
    """Coolers, pods and boxes reject heat; the claim of anything else would count for nothing."""
    folder = write(tmp_path, GOOD)
    (folder.parent if folder.is_file() else folder).joinpath("own").mkdir()
    own = (folder.parent if folder.is_file() else folder) / "own" / "pod.yaml"
    own.write_text(
        "schema: catalog/1\nitems:\n  - {id: my_ups, family: power, class: my_ups, vendor: own, model: ups,\n"
        "     status: hypothetical, brings: [ups, heat_rejection]}\n",
        encoding="utf-8",
    )
    (fault,) = faults_of(folder, "catalogs=[own]")
    assert "only cooling items" in fault.rule
    assert fault.field.endswith("brings[1]")


@pytest.mark.parametrize("name", ["infiniband_xdr", "jenbacher_j620", "no_such_thing"])
def test_a_network_that_is_no_fabric_beside_class_defaults(name: str, tmp_path: Path) -> None:
    text = GOOD + f"network:\n  fabric: {name}\n"
    assert [f.field for f in faults_of(write(tmp_path, text))] == ["network.fabric"]


@pytest.mark.parametrize(
    "command",
    [
        "solve",
        "check",
        "explain",
        "why",
        "agenda",
        "uptime",
        "audit",
        "diff",
        "swing",
        "export",
        "new",
        "catalog list",
        "catalog show",
        "catalog check",
    ],
)
def test_the_help_of_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"planner {command} " in out


def test_a_fault_inside_calls_is_told_alone(tmp_path: Path) -> None:
    """Calls stand in place of duration_h: with a fault in them nothing more is missing."""
    calls = "{kind: called_curtailment, calls: {longest_h: 4, least_gap_h: 1, horizon_h: 90}}"
    (fault,) = faults_of(write(tmp_path, GOOD), f"events=[{calls}]")
    assert fault.field == "events[0].calls.horizon_h"
