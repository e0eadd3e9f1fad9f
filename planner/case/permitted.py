"""What permits and promises ask of the items of a case: rates, starts and fuels; and the defaults they rest on."""

from __future__ import annotations

from planner.case.catalog import Catalog
from planner.case.event import in_time
from planner.case.item import Item
from planner.case.reader import Reader
from planner.case.schema import CaseInput


def machines_of(
    given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]
) -> tuple[list[Item], list[Item]]:
    """Generators that may run in normal hours, and standby sets."""
    bought = [catalog[name] for name in given.owned if name in catalog]
    fired = [item for item in bought if item.family == "generation"]
    run = [catalog[i] for i in candidates.get("generation", ())]
    run += [item for item in fired if item.permit_class != "emergency" and item not in run]
    standby = []
    if given.redundancy.get("standby_generation") is not None:
        standby = [catalog[i] for i in candidates.get("standby_generation", ())]
        standby += [item for item in fired if item.permit_class == "emergency"]
    return list(dict.fromkeys(run)), list(dict.fromkeys(standby))


def check_permits(
    reader: Reader, given: CaseInput, catalog: Catalog, candidates: dict[str, tuple[str, ...]]
) -> list[str]:
    """Faults of permits and promises go to the reader; returns the defaults that change results."""
    if not reader.sound(("site",), ("candidates",), ("committed",), ("existing",), ("redundancy",)):
        return []
    run, standby = machines_of(given, catalog, candidates)
    return [
        *_gas(reader, given, run, standby),
        *_air(reader, given, run, standby),
        *_tests(reader, given, standby),
        *_curtailment(reader, given, run),
    ]


def _gas(reader: Reader, given: CaseInput, run: list[Item], standby: list[Item]) -> list[str]:
    gas, path = given.site.gas, ("site", "gas")
    if gas is None:
        return []
    if not any(item.fuel == "natural_gas" for item in run):
        remedy = "name candidates.generation that burns it, or remove it"
        reader.fault(path, None, "no generator of this case burns natural gas", remedy)
    for item in standby:
        if item.fuel == "natural_gas":
            rule = f"standby generation on gas ({item.id}) is not modelled beside a gas supply"
            remedy = "use sets with fuel on site, or remove it"
            reader.fault(("candidates", "standby_generation"), item.id, rule, remedy)
    if "hourly_swing_fraction" in gas.model_fields_set:
        return []
    return [f"gas: an hour may take {1 + gas.hourly_swing_fraction:g} times a 24th of the day (estimate)"]


def _air(reader: Reader, given: CaseInput, run: list[Item], standby: list[Item]) -> list[str]:
    permit, path = given.site.air_permit, ("site", "air_permit")
    if permit is None:
        return []
    if not run and not standby:
        reader.fault(path, None, "nothing of this case is fired", "name candidates.generation, or remove it")
    for pollutant, tons in permit.limits.items():
        for item in dict.fromkeys([*run, *standby]):
            if getattr(item, f"{pollutant}_kg_per_mwh") is None:
                rule = f"{item.id} has no {pollutant}_kg_per_mwh"
                remedy = "give the item its figure in a catalog of your own, or remove the limit"
                reader.fault((*path, f"{pollutant}_tons_per_year"), tons, rule, remedy)
    tests = given.site.standby_tests
    if tests is not None and permit.emergency_hours_per_year < tests.hours_per_year:
        rule = f"is less than the {tests.hours_per_year:g} h of standby_tests"
        at = (*path, "emergency_hours_per_year")
        reader.fault(at, permit.emergency_hours_per_year, rule, "write the hours of tests and outages")
    said = "emergency_hours_per_year" in permit.model_fields_set
    if said or not any(item.permit_class == "emergency" for item in standby):
        return []
    return [f"air permit: an emergency set could run {permit.emergency_hours_per_year:g} h a year (EPA, 1995-09-06)"]


def _tests(reader: Reader, given: CaseInput, standby: list[Item]) -> list[str]:
    tests, path = given.site.standby_tests, ("site", "standby_tests")
    if tests is None:
        return []
    if not any(item.permit_class == "emergency" for item in standby):
        remedy = "write redundancy: {standby_generation: {scheme: N}}, or remove it"
        reader.fault(path, None, "no emergency set of this case could be tested", remedy)
    for item in standby:
        field = f"{item.fuel or 'natural_gas'}_usd_per_mmbtu_hhv"
        if getattr(given.site.fuel, field) is None:
            remedy = f"write {field} under site.fuel"
            reader.fault(("site", "fuel", field), None, f"is required: tests of {item.id} burn fuel", remedy)
    if "hours_per_year" in tests.model_fields_set:
        return []
    return [f"tests of standby sets: {tests.hours_per_year:g} h a year at full load"]


def _curtailment(reader: Reader, given: CaseInput, run: list[Item]) -> list[str]:
    called, path = given.site.grid.curtailment, ("site", "grid", "curtailment")
    if called is None:
        return []
    worth = called.usd_per_gpu_hour
    if given.target.load_series is not None and worth is not None:
        reader.fault((*path, "usd_per_gpu_hour"), worth, "a load_series has no GPUs", "remove it")
    if given.target.load_series is None and called.compute_may_shed > 0 and worth is None:
        remedy = "write what a GPU-hour not computed is worth"
        reader.fault((*path, "usd_per_gpu_hour"), None, "is required where compute may be shed", remedy)
    late = [item.id for item in run if not in_time(item, called.notice_min)]
    text = f"serve no call: no start within {called.notice_min:g} min is known of them"
    return [f"{', '.join(late)}: {text}"] if late else []
