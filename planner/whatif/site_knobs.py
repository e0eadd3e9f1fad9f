"""What may be turned about targets, connection, money, supply, ground, permits and water."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

from planner.case.case import quarter_bounds
from planner.case.marks import Path_
from planner.sizing.precheck import too_late
from planner.sizing.targets import target_of
from planner.timeline import add_months
from planner.whatif.engine import Changes
from planner.whatif.knobs import Knob, Promise, View, more_of, once, sooner, worst_of
from planner.whatif.limits import Limit, areas_of, measure_of
from planner.whatif.offered import coolers, generators, offer
from planner.whatif.written import put

_USD_PER_MUSD = 1e6
_WEEKS_A_MONTH = 52 / 12


def milestones(view: View, limit: Limit) -> Iterator[Knob]:
    """Those that are short, later or smaller; all of them, where it is not known which."""
    case, timeline = view.case, view.case.timeline
    targets, slack = case.input.target.milestones, view.slack("milestones")
    places = [timeline.period_of(m.by) for m in targets]
    short: dict[int, float] = {}
    for i, p in enumerate(places):
        until = places[i + 1] if i + 1 < len(places) else timeline.last_period + 1
        worst = max((slack.get(q, 0.0) for q in range(p, until)), default=0.0)
        if worst > 0 or not slack:
            short[i] = worst / target_of(targets[i])
    first = min(short)
    final = timeline.starts[-1]

    def by(i: int, n: int) -> date:
        return add_months(targets[i].by, n)

    def later(n: int) -> Changes:
        texts, before = [], timeline.start
        for i, milestone in enumerate(targets):
            day = by(i, n) if i in short else milestone.by
            day = before = day if day > before else add_months(before, 1)  # one after another, as they were
            if day != milestone.by:
                texts.append(put(("target", "milestones", i, "by"), day))
        if before > final:  # the build calendar goes on until the last milestone
            months = (before.year - timeline.start.year) * 12 + before.month - timeline.start.month
            texts.append(put(("horizon", "build_months"), max(case.input.horizon.build_months, months)))
        return tuple(texts)

    def names(text: Callable[[int], str]) -> str:
        return " and ".join(text(i) for i in sorted(short))

    weeks = [gap.amount for gap in too_late(case) if gap.unit == "weeks" and math.isfinite(gap.amount)]
    yield Knob(
        "milestones",
        Promise.date,
        36,
        later,
        lambda n: (
            f"milestone of {names(lambda i: f'{targets[i].by}')} {n} month{'s' if n > 1 else ''} later"
            f" ({names(lambda i: f'{by(i, n)}')})"
        ),
        max(1, math.ceil(max(weeks, default=0.0) / _WEEKS_A_MONTH)),
        (*limit.path, "by"),
    )

    def less(i: int, n: int) -> float | int:
        amount = target_of(targets[i]) * (100 - n) / 100
        return math.floor(amount) if targets[i].gpus else float(f"{amount:.6g}")

    unit = {"gpus": "GPUs", "pflops": "PFLOPS", "it_mw": "MW of IT"}[measure_of(targets[first])]
    guess = max(1, math.ceil(100 * max(short.values()) - 1e-6)) if slack else None
    yield Knob(
        "milestones",
        Promise.target,
        99,
        lambda n: tuple(put((*limit.path, i, measure_of(targets[i])), less(i, n)) for i in sorted(short)),
        lambda n: (
            f"{n} % fewer {unit} by {names(lambda i: f'{targets[i].by}')} ({names(lambda i: f'{less(i, n):,.6g}')})"
        ),
        guess,
        (*limit.path, "amount"),
    )


def grid(view: View, limit: Limit) -> Iterator[Knob]:
    """More of the step in force when power is short, steps that come sooner, generators."""
    case, slack = view.case, view.slack("grid")
    steps, starts = case.input.site.grid.interconnection, case.timeline.starts
    due = [case.timeline.period_of(m.by) for m in case.input.target.milestones] or [case.timeline.last_period]
    path, start = limit.path, case.timeline.start
    used: dict[int, float] = {}  # step -> MW that are missing while it is in force
    for p in sorted(slack) or due:
        if p > case.timeline.last_period:
            continue
        begun = [i for i, s in enumerate(steps) if s.from_ <= starts[p]]
        for place in {*begun[-1:], *[i for i in begun if steps[i].via == "existing_feeders"][-1:]} or {-1}:
            used[place] = max(used.get(place, 0.0), slack.get(p, 0.0))
    for place, short in sorted(used.items()):
        if place < 0:
            yield from _new_step(view, limit, short)
            continue
        step = steps[place]
        base = math.floor(step.mw + 1e-9)

        def more(n: int, place: int = place, base: int = base) -> Changes:
            mw = base + n  # a later step may not take back what this one gives
            raised = [i for i, s in enumerate(steps) if i == place or (i > place and s.mw < mw)]
            return tuple(put((*path, i, "mw"), mw) for i in raised)

        def words(n: int, base: int = base, mw: float = step.mw, since: date = step.from_) -> str:
            return f"+{base + n - mw:g} MW of grid from {since:%Y-%m} on"

        guess = max(1, math.ceil(step.mw + short - 1e-6) - base) if short > 0 else None
        yield Knob(
            "grid", Promise.kept, max(20 * (guess or 0), 10 * base, 200), more, words, guess, (*path, place, "mw")
        )
    for i, step in enumerate(steps):
        first = add_months(steps[i - 1].from_, 1) if i else start
        months = (step.from_.year - first.year) * 12 + step.from_.month - first.month
        if step.from_ > start and months > 0:

            def day(n: int, step_from: date = step.from_) -> date:
                return add_months(step_from.replace(day=1), -n)

            def sooner(n: int, i: int = i, day: Callable[[int], date] = day) -> Changes:
                return (put((*path, i, "from"), day(n)),)

            def told(n: int, mw: float = step.mw, day: Callable[[int], date] = day) -> str:
                return f"the step to {mw:g} MW of grid {n} month{'s' if n > 1 else ''} sooner ({day(n):%Y-%m})"

            yield Knob("grid", Promise.kept, months, sooner, told, None, (*path, i, "from"))
    yield from generators(view, limit)


def _new_step(view: View, limit: Limit, short: float) -> Iterator[Knob]:
    """A connection where there is none yet when power is short."""
    case, steps = view.case, view.case.input.site.grid.interconnection
    periods = [p for p in view.slack("grid") if p <= case.timeline.last_period]
    if not periods or not short:
        return
    since = case.timeline.starts[min(periods)]
    rest = view.written.at(*limit.path) or []

    def with_step(n: int) -> Changes:
        step = {"from": since, "mw": n, "via": "existing_feeders"}
        return (put(limit.path, [step, *rest]),)

    if all(s.from_ > since for s in steps):
        guess = math.ceil(short - 1e-6)
        yield Knob(
            "grid",
            Promise.kept,
            20 * guess,
            with_step,
            lambda n: f"{n} MW of grid on existing feeders from {since:%Y-%m} on",
            guess,
            (*limit.path, "new"),
        )


def grid_instead(view: View) -> Iterator[Knob]:
    """More grid in the place of generators."""
    if view.case.input.site.grid.interconnection:
        path: Path_ = ("site", "grid", "interconnection")
        yield from grid(view, Limit("grid", "grid connection", path, "", ()))


def budget(view: View, limit: Limit) -> Iterator[Knob]:
    """More money by the first row that is short, and by all after it that would have less."""
    case, slack, rows = view.case, view.slack("budget"), view.case.input.budget
    last = case.timeline.last_period
    place = [min(max(case.timeline.period_of(row.by), 0), last) for row in rows]
    short = {i: slack.get(p, 0.0) for i, p in enumerate(place) if slack.get(p, 0.0) > 0} or {0: 0.0}
    first, worst = min(short), max(short.values())
    last_short = max(short)

    def more(n: int) -> Changes:
        texts, before = [], 0.0
        for i, row in enumerate(rows):
            usd = math.floor(row.usd / _USD_PER_MUSD + n) * _USD_PER_MUSD if first <= i <= last_short else row.usd
            usd = before = max(usd, before)
            if usd != row.usd:
                texts.append(put(("budget", i, "usd"), usd))
        return tuple(texts)

    guess = max(1, math.ceil(worst - 1e-6)) if worst > 0 else None
    most = max(20 * (guess or 0), math.ceil(rows[first].usd / _USD_PER_MUSD), 1000)
    yield Knob(
        "budget", Promise.kept, most, more, lambda n: f"+{n:,} M$ of budget by {rows[first].by}", guess, limit.path
    )  # fmt: skip


def supply(view: View, limit: Limit) -> Iterator[Knob]:
    """More units of an item, in the quarter that is short or, where it is not known, in each."""
    case, slack = view.case, view.slack("supply")
    item, starts = str(limit.path[1]), case.timeline.starts
    quarters, lot = case.input.supply[item], case.input.order_multiples.get(item, 1)
    for quarter, units in quarters.items():
        first, after = quarter_bounds(quarter)
        if after <= starts[0]:
            continue
        p = max(case.timeline.period_of(first), 0)
        if slack and p not in slack:
            continue
        short = slack.get(p, 0.0)
        guess = max(1, math.ceil(short / lot - 1e-6)) if short > 0 else None

        def more(n: int, quarter: str = quarter, units: int = units) -> Changes:
            return (put(("supply", item, quarter), units + n * lot),)

        def words(n: int, quarter: str = quarter) -> str:
            return f"+{n * lot:,} {item} from the vendor in {quarter}"

        yield Knob("supply", Promise.kept, max(20 * (guess or 0), 1000), more, words, guess, (*limit.path, quarter))


def area(view: View, limit: Limit) -> Iterator[Knob]:
    now = {path: most for _, path, most in areas_of(view.case)}[limit.path]
    yield more_of(limit, limit.path, now, "m2", worst_of(view, limit.name))


def hall(view: View, limit: Limit) -> Iterator[Knob]:
    site = view.case.input.site
    if limit.path[-1] == "ready":
        assert site.hall.ready is not None
        yield sooner(limit, limit.path, site.hall.ready, view.case.timeline.start, "hall ready")
    else:
        yield more_of(limit, limit.path, site.hall.existing_m2, "m2", worst_of(view, "hall"))
        if "hall_stick_built" in view.case.catalog and "white_space" not in view.case.candidates:
            yield offer(view, limit, "enclosure", "hall_stick_built", "a hall to be built (hall_stick_built)")


def noise(view: View, limit: Limit) -> Iterator[Knob]:
    noise, worst = view.case.input.site.noise, worst_of(view, "noise")
    assert noise is not None
    short = noise.level_dba(noise.allowed_mw + worst) - noise.limit_dba if worst else 0.0
    knob = more_of(limit, limit.path, noise.limit_dba, "dB(A)", short, notch=1.0, of="noise at the fence")
    yield replace(knob, most=max(1, math.floor(120 - noise.limit_dba)), promise=Promise.standard)


def fuel_storage(view: View, limit: Limit) -> Iterator[Knob]:
    fuel = view.case.input.site.on_site_fuel
    assert fuel is not None
    assert fuel.diesel_m3 is not None
    yield more_of(limit, limit.path, fuel.diesel_m3, "m3", worst_of(view, limit.name), notch=1.0)
    most = math.ceil(fuel.hours) - 1
    yield Knob(
        limit.name,
        Promise.standard,
        most,
        lambda n: (put(("site", "on_site_fuel", "hours"), math.ceil(fuel.hours) - n),),
        lambda n: f"fuel for {n} h less ({math.ceil(fuel.hours) - n} h)",
        None,
        ("site", "on_site_fuel", "hours"),
    )


def gas(view: View, limit: Limit) -> Iterator[Knob]:
    gas, start = view.case.input.site.gas, view.case.timeline.start
    assert gas is not None
    worst = worst_of(view, "gas")
    yield more_of(limit, (*limit.path, "mmbtu_hhv_per_day"), gas.mmbtu_hhv_per_day, "MMBtu HHV a day", worst)
    if gas.from_ > start:
        yield sooner(limit, (*limit.path, "from"), gas.from_, start, "gas")
    yield from grid_instead(view)


def air_permit(view: View, limit: Limit) -> Iterator[Knob]:
    permit, start = view.case.input.site.air_permit, view.case.timeline.start
    assert permit is not None
    for pollutant, tons in permit.limits.items():
        short = worst_of(view, "air_permit")
        words = f"{pollutant} in the air permit"
        path = (*limit.path, f"{pollutant}_tons_per_year")
        yield more_of(limit, path, tons, "short tons/year", short, notch=1.0, of=words)
    place: Path_ = ("site", "air_permit")
    if permit.from_ > start:
        yield sooner(limit, (*place, "from"), permit.from_, start, "air permit")
    if permit.limits and permit.enforceable_cap == "none":
        words = "an enforceable cap on what the permit counts"
        path = (*place, "enforceable_cap")
        yield once(limit, Promise.kept, words, put(path, "energy"), path=path)
    yield from grid_instead(view)


def water(view: View, limit: Limit) -> Iterator[Knob]:
    water, start = view.case.input.site.water, view.case.timeline.start
    assert water is not None
    if limit.path[-1] == "from":
        assert water.from_ is not None
        yield sooner(limit, limit.path, water.from_, start, "water")
    else:
        unit = "m3 a day" if limit.name == "water" else "m3 a year"
        now = getattr(water, str(limit.path[-1]))
        yield more_of(limit, limit.path, now, unit, worst_of(view, limit.name), of="water")
    yield from coolers(view, limit)


def caps(view: View, limit: Limit) -> Iterator[Knob]:
    now = float(view.written.at(*limit.path))
    yield more_of(limit, limit.path, now, "", 0.0, of=limit.words.split(":")[0])
