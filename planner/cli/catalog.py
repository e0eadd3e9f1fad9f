"""planner catalog: look at the hardware catalogs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.options import (
    CatalogOption,
    catalogs,
    refuse,
    unknown,
)

if TYPE_CHECKING:
    pass

catalog_app = typer.Typer(no_args_is_help=True, help="Look at the hardware catalogs.", rich_markup_mode=None)


@catalog_app.command("list")
def catalog_list(
    family: Annotated[str | None, typer.Option(help="One family, such as battery.")] = None,
    catalog: CatalogOption = None,
) -> None:
    """List the items: family, status, rating, price, lead time, and what keeps one from being sized.

    \b
    planner catalog list --family battery
    """
    from planner.report.terminal import print_catalog

    loaded = catalogs(catalog)
    items = [item for item in loaded.items if family in (None, item.family)]
    if not items:
        raise unknown(family or "", {item.family for item in loaded.items}, "family")
    print_catalog(items)


@catalog_app.command("show")
def catalog_show(item: str, catalog: CatalogOption = None) -> None:
    """Show one item: every number with its source, and what it brings and consumes.

    \b
    planner catalog show tesla_megablock_4h
    """
    from planner.report.terminal import print_item

    loaded = catalogs(catalog)
    if item not in loaded:
        raise unknown(item, loaded.entries, "item")
    print_item(loaded.entries[item])


@catalog_app.command("check")
def catalog_check(catalog: CatalogOption = None) -> None:
    """Check every catalog file and report all faults at once.

    \b
    planner catalog check --catalog my-catalogs
    """
    loaded = catalogs(catalog)
    sizeable = sum(item.sizeable for item in loaded.items)
    typer.echo(f"{len(loaded.items)} items in {len(loaded.files)} files, {sizeable} sizeable; no faults")
    for item in loaded.items:
        if item.missing:
            typer.echo(f"  not sizeable: {item.id} ({item.status}) has no {', '.join(item.missing)}")


@catalog_app.command("stale")
def catalog_stale(
    older_than: Annotated[str, typer.Option(help="Age such as 12mo, 90d or 2y.")] = "12mo",
    catalog: CatalogOption = None,
) -> None:
    """List figures older than an age, oldest first.

    \b
    planner catalog stale --older-than 12mo
    """
    from planner.case.offers import stale

    loaded = catalogs(catalog)
    rows = stale(loaded, before(older_than))
    for item, name, figure in rows:
        source = loaded.entries[item.id].sources.get(figure.source, figure.source)
        typer.echo(f"{figure.date:10}  {figure.confidence:9}  {item.id}.{name}  {source}")
    typer.echo(f"{len(rows)} figures older than {older_than}")


def before(age: str) -> date:
    """First day that is not older than an age such as 12mo."""
    import re
    from datetime import timedelta

    units = {"d": 1.0, "w": 7.0, "mo": 30.4375, "y": 365.25}
    match = re.fullmatch(r"([0-9]{1,6})(d|w|mo|y)", age)
    days = int(match[1]) * units[match[2]] if match else float("inf")
    if days > 200 * units["y"]:
        raise refuse("--older-than", age, "must be a number and d, w, mo or y, at most 200y", "write 12mo")
    return date.today() - timedelta(days=days)
