"""Small cases for every test: one complete site, changed by the mapping a test gives."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from planner.case.case import Case, load_case

MakeCase = Callable[..., Case]

BASE: dict[str, Any] = {
    "name": "test",
    "start": "2027-01-01",
    "horizon": {"build_months": 16, "operating_years": 2, "sample_days_per_month": 1},
    "site": {
        "location": {
            "latitude": 36.10,
            "longitude": -79.94,
            "elevation_m": 273,
            "time_zone": "America/New_York",
        },
        "weather": {"tmy3": "pvlib:723170TYA.CSV"},
        "design_ambient": {"dry_bulb_c": 33.6, "wet_bulb_c": 25.4, "extreme_dry_bulb_c": 39.5},
        "hall": {"existing_m2": 20000, "ready": "2027-06-01"},
        "grid": {
            "interconnection": [{"from": "2027-06-01", "mw": 40, "via": "existing_feeders"}],
            "tariff": {"energy_usd_per_mwh": 50, "demand_usd_per_kw_month": 8},
        },
        "fuel": {"natural_gas_usd_per_mmbtu_hhv": 5.0},
    },
    "workload": {"kind": "training", "average_load_fraction": 0.85},
    "target": {"milestones": [{"gpus": 720, "by": "2028-05-01"}]},
    "candidates": {
        "compute": ["nvidia_gb300_nvl72"],
        "heat_rejection": ["chiller_air_cooled"],
        "other_stages": "class_defaults",
    },
    "commissioning": {"block_mw": 10, "weeks": 2, "blocks_in_parallel": 2, "rack_burn_in_weeks": 1},
    "finance": {
        "base_year": 2026,
        "discount_rate": 0.10,
        "indirects_fraction": 0.18,
        "contingency_fraction": 0.10,
    },
}

# Lead times made short so that a build of a year and a bit has something to decide.
QUICK = [
    f"catalog.{item}.lead_time_weeks={weeks}"
    for item, weeks in {
        "mv_padmount_transformer": 30,
        "lv_switchboard_generic": 26,
        "mv_switchgear_generic": 26,
        "jenbacher_j620": 26,
        "tesla_megapack_2xl_4h": 20,
        "tesla_megablock_4h": 20,
        "chiller_air_cooled": 20,
        "fit_out_generic": 4,
    }.items()
] + [
    "catalog.fit_out_generic.installation_weeks=12",
    "catalog.solar_single_axis_1mw.installation_weeks=10",
]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """base with changes: mappings are merged, a None removes the key, everything else replaces."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)
    return result


@pytest.fixture(scope="session")
def make_case(tmp_path_factory: pytest.TempPathFactory) -> MakeCase:
    """make_case({changes}, ..., series=MW by hour or step, prices={file: values by hour}, items=[own], set=[...])."""
    folder, number = tmp_path_factory.mktemp("cases"), itertools.count()

    def make(
        *changes: Mapping[str, Any],
        series: Any = None,
        prices: Mapping[str, Any] | None = None,
        items: list[dict[str, Any]] | None = None,
        set: Sequence[str] = (),
    ) -> Case:
        data: dict[str, Any] = BASE
        for change in changes:
            data = merged(data, change)
        here = folder / f"case{next(number)}"
        here.mkdir()
        if series is not None:
            rows = "\n".join(f"{v:.6f}" for v in np.broadcast_to(series, (max(8760, np.size(series)),)))
            (here / "load.csv").write_text(f"mw\n{rows}\n")
        for name, values in (prices or {}).items():
            rows = "\n".join(f"{v:.6f}" for v in np.broadcast_to(values, (8760,)))
            (here / f"{name}.csv").write_text(f"usd\n{rows}\n")
        if items is not None:
            (here / "own").mkdir()
            write_catalog(here / "own" / "items.yaml", items)
            data = merged(data, {"catalogs": ["own"]})
        text = yaml.safe_dump(data, sort_keys=False).replace("'", "")  # dates are written bare
        (here / "case.yaml").write_text(text)
        return load_case(here, [*QUICK, *set])

    return make


def write_catalog(path: Path, items: list[dict[str, Any]]) -> None:
    """A catalog file of items whose numbers are plain values."""

    def figure(value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number:
            return value
        return {"value": value, "source": "made for a test", "date": "2026-01", "confidence": "estimate"}

    text = {"schema": "catalog/1", "items": [{k: figure(v) for k, v in item.items()} for item in items]}
    path.write_text(yaml.safe_dump(text, sort_keys=False).replace("'", ""))
