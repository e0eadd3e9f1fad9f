"""Generalised Benders decomposition: the sizing model with cuts from operating blocks, bounds on both sides.

Each round solves the sizing model (first its relaxation, then the integers), evaluates the operating blocks at
its point, and adds the cuts they give. The first cuts come from blocks on coarse steps, whose prices are repaired to
hold for the true ones. A block's cut holds in every period that runs it, and a block is solved only where what is
known of it from above and from below differ. The lower bound is the sizing model's own proven bound, the best over
all rounds; the upper bound is a whole integer plan evaluated on every hour, with nothing forbidden violated, every
budget kept at its true cost, and the integer check of its dispatch passed: where whole units of generators cost more
than the linear blocks know, the difference stays in the gap. The gap is taken on the cost open to decision: the proven
least cost of compute that every plan must buy is left out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from planner.case.case import Case
from planner.errors import InfeasibleError, NoPlanError
from planner.operation.evaluate import Value
from planner.operation.solver import Stopped
from planner.sizing.options import USD_PER_KUSD
from planner.solve.design import Design
from planner.solve.infeasible import explain
from planner.solve.plans import Best, Plans
from planner.solve.pool import Pool
from planner.solve.replays import failing_starts
from planner.solve.sharing import shared_out
from planner.solve.solution import Level, Progress, Solution
from planner.solve.states import State, event_states
from planner.solve.stopping import Stop
from planner.solve.trace import Trace

Array = NDArray[np.float64]
_COARSE_STEPS_H = (8, 2)
_RELAXED_ROUNDS = 40
_HOURLY_ROUNDS = 8
_SHARING_ROUNDS = 40  # where months share limits of a year: whole plans fail until their shares are right
_EVENT_ROUNDS = 60
_STALLED_ROUNDS = 2
_EDGE_ROUNDS = 30
_FIRST_LOOSER = 20.0  # gap of the first of many: what its plan costs to run is not known yet
_NEXT_SHARE = 0.1  # of the gap still open: what a sizing solve may leave, as the next plans teach more of events
_FEW_INTEGERS = 200  # whose sizing is solved faster than a round of blocks
_ROUNDS = 200


def solve(
    case: Case,
    *,
    gap: float = 1e-3,
    time_limit: float = 600.0,
    threads: int = 2,
    report: Callable[[Progress], None] | None = None,
    stop: Stop | None = None,
    trace: Trace | None = None,
    pool: Pool | None = None,
    dispatch: bool = True,
    reasons: bool = True,
    offered: Sequence[Design] = (),
) -> Solution:
    """Find a plan within `gap` of the best possible, on every hour.

    stop: replaces the time limit by limits of its own, and can be asked to stop from elsewhere.
    pool: what earlier solves have learnt, shared and added to. dispatch: run every state of the plan found, or
    leave those known well enough at the mix of stored dispatches that proves their cost. reasons: of a case without a
    plan, find the limits in the way; else the error names none. offered: designs of plans of other cases; where one is
    still possible, the plan found costs no more.
    Raises InfeasibleError with the limits in the way, or NoPlanError when it must stop before there is a plan.
    """
    stop, trace, pool = stop or Stop(time_limit), trace or Trace(), pool or Pool()
    return _Engine(case, gap, threads, report, stop, trace, pool, reasons).run(dispatch, offered)


class _Engine(Plans):
    """The rounds of a solve."""

    def run(self, dispatch: bool, offered: Sequence[Design]) -> Solution:
        self.warm = self.operation.warm
        self.coarse = self.operation.long and not self.warm
        self.pooled = self.operation.long and len(self.plant.batteries) > 1
        self.shares = bool(self.plant.caps) and not any(m.committed for m in self.plant.generators)
        self.tries = self.pooled and int(self.master.integer.sum()) <= _FEW_INTEGERS
        self.told = bool(offered) and self.operation.told
        levels: list[Level] = []
        kind = self.case.input.objective.kind
        if kind != "min_cost":
            levels.append(self._first_level("gpus" if kind == "max_gpus" else "date"))
        # A plan that reached the first goal is already a plan: it is what a time limit leaves.
        self.lower, reached = -np.inf, (self.sizing, self.master, self.coupling, self.best)
        if kind == "earliest":  # now that the date is known, fewer periods matter
            self._size(round(levels[0].value))
            self._hold("date", levels[0].value)
            self.best = Best(np.inf, None)
        self.master.minimise(self.coupling.gradient)
        with suppress(Stopped):
            if kind == "min_cost":
                self._relaxation()
            else:
                with self.stop.held():  # the plan at hand needs a bound, however little time is left
                    self.lower = self.size(relaxed=True).bound
            self._offer(offered)
            if not (offered and self._closed()):
                self._integers()
            if dispatch:
                self._dispatch()
        if self.best.point is None:
            self.sizing, self.master, self.coupling, self.best = reached
        best = self.best
        if best.point is None:
            raise self.stop.no_plan()
        cost = (best.cost + self.coupling.constant, self.lower + self.coupling.constant)
        levels.append(Level("cost", cost[0] * USD_PER_KUSD, cost[1] * USD_PER_KUSD))
        forced = self.sizing.forced_compute_kusd
        solution = Solution(
            self.sizing,
            self.master,
            self.operation.blocks,
            tuple(s for s in self.operation.states if not s.is_event),
            best.point,
            best.values,
            best.links,
            tuple(levels),
            cost[0],
            min(cost),
            forced,
            self.rounds,
            self.operation.solves,
            time.perf_counter() - self.begin,
            False,
        )
        solution.gap_reached = solution.gap_fraction <= self.gap
        solution.stopped = "" if solution.gap_reached else self.stop.reason
        return solution

    def _relaxation(self) -> None:
        """Continuous sizing: first with prices of coarse blocks, then with the blocks themselves.

        What other cases have taught makes the coarse blocks needless, and most of the others; where a plan of theirs is
        offered too, whole plans near it teach more than rounds of the relaxation.
        """
        if self.warm and not self.pooled:
            self._recall()
            self._live_through()
            return
        if self.told:
            self.coupling.settling = False
            self.lower = max(self.lower, self.size(relaxed=True).bound)
            self._live_through()
            return
        centre: Array | None = None
        if self.coarse:
            for step_h in (*_COARSE_STEPS_H, 1) if self.pooled else _COARSE_STEPS_H:
                centre = self._descend(partial(self.operation.coarse, step_h), _RELAXED_ROUNDS, "coarse", centre)
        self.coupling.settling = False
        if not self.pooled:
            rounds = _SHARING_ROUNDS if self.shares else _HOURLY_ROUNDS
            self._descend(self.operation.exact, rounds, "relaxation", centre)
        self._live_through()

    def _live_through(self, whole: Array | None = None) -> Array | None:
        """Rounds of the continuous sizing until it lives through every event from every start; its point then.

        Cuts of events hold whatever the counts are, so it is cheaper to learn them here than from whole plans, each
        of which shows no more than a few. whole: a plan of which the counts of batteries alone are chosen anew, in
        whole units; none where they cannot save it.
        """
        if not self.plant.events:
            return None
        counts = np.flatnonzero(self.master.integer & ~self.coupling.storage)
        if whole is not None:
            self.master.fix(counts, whole[counts].round())
        try:
            for number in range(_EVENT_ROUNDS):
                result = self.size(relaxed=whole is None, absolute_gap=self._absolute_gap())
                if result.point is None or self.stop.due():
                    return None
                stalled = result.bound <= self.lower + self._absolute_gap()
                if whole is None:
                    self.lower = max(self.lower, result.bound)
                    self._round("events", self.best.cost)
                links = self.coupling.links(result.point)
                values = self.operation.exact({s: x for s, x in links.items() if s.is_event})
                if not all(value.feasible for value in values.values()):
                    if not self.coupling.learn(values, links):
                        return None
                    continue
                failing = failing_starts(self.plant, links)
                self._add_states(event_states(self.plant, failing))
                if failing:
                    continue
                if whole is not None or stalled:
                    return result.point
                evaluate = partial(self.operation.coarse, 1) if self.pooled else self.operation.exact  # what it costs
                normal = {s: links[s] for s in self.operation.sample(number)}
                if not self.coupling.learn(evaluate(normal), links):
                    return result.point
            return None
        finally:
            if whole is not None:
                self.master.free(counts)

    def _recall(self) -> None:
        """Rounds of the continuous sizing in which only the blocks are solved whose cost is not known well enough."""
        self.coupling.settling = False
        for _ in range(_HOURLY_ROUNDS):
            result = self.size(relaxed=True)
            if result.point is None or self.stop.due():
                return
            stalled = result.bound <= self.lower + self._absolute_gap()
            self.lower = max(self.lower, result.bound)
            links = self.coupling.links(self.coupling.with_settled_charge(result.point))
            mixed = self.operation.above(links)
            doubtful = self.operation.doubtful(mixed, links, self.coupling.weights, self._absolute_gap())
            if not doubtful or stalled or all(value is None for value in mixed.values()):
                return  # where nothing reaches, a whole plan is what teaches most
            values = self.operation.exact({s: links[s] for s in doubtful})
            self._round("relaxation", np.inf)
            if not self.coupling.learn(values, self.coupling.links(result.point)):
                return

    def _descend(
        self,
        evaluate: Callable[[dict[State, Array]], dict[State, Value]],
        rounds: int,
        phase: str,
        centre: Array | None,
    ) -> Array | None:
        """Rounds of the continuous sizing, tried halfway between its point and the best so far, which is returned.

        A block is run for a few of its states a round: what one year teaches serves the years beside it.
        """
        best, stalled = np.inf, 0
        for number in range(rounds):
            result = self.size(relaxed=True)
            if result.point is None:
                break
            # A bound that has stopped moving is left to what comes next.
            stalled = stalled + 1 if result.bound <= self.lower + self._absolute_gap() else 0
            self.lower = max(self.lower, result.bound)
            if stalled >= _STALLED_ROUNDS or self.stop.due():
                break
            near = best == np.inf or best - result.bound <= 0.5 * abs(best)
            trial = self.coupling.with_settled_charge(
                0.5 * (result.point + centre) if near and centre is not None else result.point
            )
            links = self.coupling.links(trial)
            values = evaluate({s: links[s] for s in self.operation.sample(number)})
            self._round(phase, np.inf)
            at = self.coupling.links(result.point)
            added = self.coupling.learn(values, at)
            upper = self._estimate(trial, links, values)
            if upper < best:
                best, centre = upper, trial
            if not added and trial is not result.point:
                added = self.coupling.learn(evaluate(at), at)
            if not added or best - self.lower <= self._absolute_gap():
                break
        return centre

    def _estimate(self, point: Array, links: dict[State, Array], values: dict[State, Value]) -> float:
        """Cost of a point, from cuts where its states were not run; infinite where one falls short. [kUSD]"""
        if not all(value.feasible for value in values.values()):
            return np.inf
        return self.coupling.cost(point, self.operation.below(links) | {s: v.cost_usd for s, v in values.items()})

    def _integers(self) -> None:
        """Integer sizing until the gap closes, no cut is left, or the time is up.

        Where several battery types make blocks slower than the sizing, plans are first tried where they move as one.
        """
        tried: Array | None = None
        for number in range(_ROUNDS):
            if self.stop.due():
                return
            first = number == 0 and not self.told and int(self.master.integer.sum()) > _FEW_INTEGERS
            loose = _FIRST_LOOSER if first else 1.0
            asked = loose * self._absolute_gap()
            if self.plant.events and self.best.point is not None:
                asked = max(asked, _NEXT_SHARE * (self.best.cost - self.lower))
            result = self.size(relaxed=False, gap=0.0, absolute_gap=asked)
            if result.infeasible:
                self._infeasible()
            self.lower = max(self.lower, result.bound)
            if result.point is None:
                return
            plan = result.point[self.master.integer].round()
            if self.tries and (tried is None or not np.array_equal(tried, plan)):
                tried = plan
                self._round("pooled", self.best.cost)
                links = self.coupling.links(self.coupling.with_settled_charge(result.point))
                self.coupling.learn(self.operation.coarse(1, links), links)
                continue
            before, cuts = self.best.cost, self.coupling.cuts
            values, links = self._try_plan(result.point)
            self._round("integers", self.best.cost)
            if self._closed():
                return
            if self.best.point is not None and self.best.cost >= before and self._within_gap(self.linear):
                return  # what is left of the gap lies between the linear blocks and the check: no cut can close it
            added = self._learn(result.point, values, links, cuts)
            if not added and result.bound >= result.objective - self._absolute_gap():
                if self.coupling.settling:
                    self._settle_edges()
                    return
                self.coupling.settling = True  # the edges of months are what is left

    def _settle_edges(self) -> None:
        """Charge between months chosen anew for the counts of the best plan, where it is what the gap is made of.

        Halfway between what the sizing model asks for and the best so far: its own choice jumps from limit to limit.
        """
        if self.best.point is None or not self.plant.batteries:
            return
        counts = np.flatnonzero(self.master.integer)
        self.master.fix(counts, self.best.point[counts].round())
        try:
            for _ in range(_EDGE_ROUNDS):
                result, cuts = self.size(relaxed=True), self.coupling.cuts
                if result.point is None or self.stop.due() or self._within_gap(self.best.cost):
                    return
                if result.objective >= self.best.cost - self._absolute_gap():
                    return
                self.coupling.learn(*self._evaluate_plan(0.5 * (result.point + self.best.point), settled=False))
                self._round("edges", self.best.cost)
                if self.coupling.cuts == cuts:
                    self.coupling.learn(*self._evaluate_plan(result.point, settled=False))
                if self.coupling.cuts == cuts:
                    return
        finally:
            self.master.free(counts)

    def _dispatch(self) -> None:
        """Run the best plan's states that were known well enough without: what is written is least cost."""
        best = self.best
        if best.point is not None:
            exact = self.operation.checked(self.operation.exact(self.operation.unsolved(best.links)), best.links)
            better = {s: value for s, value in exact.items() if value.cost_usd < best.values[s].cost_usd}
            self.best = self._plan(best.point, best.values | better, best.links)

    def _first_level(self, name: str) -> Level:
        """The integer goal that comes before cost; only plans that can be run count."""
        gradient, constant = self.master.gradient(self.sizing.levels[name])
        sense = -1.0 if name == "gpus" else 1.0
        self.master.minimise(sense * gradient)
        self._live_through()
        for _ in range(_ROUNDS):
            if self.stop.due():
                raise self.stop.no_plan()
            result = self.size(relaxed=False, gap=0.0, absolute_gap=0.5)
            if result.infeasible:
                self._infeasible()
            if result.point is None:
                continue
            cuts, (values, links) = self.coupling.cuts, self._try_plan(result.point)
            self._round(name, self.best.cost)
            if self.best.point is not None:
                value = float(gradient @ self.best.point) + constant
                bound = sense * result.bound + constant
                bound = np.floor(bound + 1e-6) if name == "gpus" else np.ceil(bound - 1e-6)
                self._hold(name, value)
                return Level(name, round(value, 6), float(bound))
            if not self._learn(result.point, values, links, cuts) and self.best.point is None:
                raise NoPlanError(f"no plan that can be run was found for {name}")
        raise NoPlanError("no plan was found within the round limit")

    def _hold(self, name: str, value: float) -> None:
        """Keep what the first goal has reached."""
        gradient, constant = self.master.gradient(self.sizing.levels[name])
        columns, goal = np.flatnonzero(gradient), value - constant
        low, high = (goal - 1e-6, np.inf) if name == "gpus" else (-np.inf, goal + 1e-6)
        self.master.add_row(low, high, columns, gradient[columns])

    # -- steps ---------------------------------------------------------------------------------------------

    def _try_plan(self, point: Array) -> tuple[dict[State, Value], dict[State, Array]]:
        """Evaluate an integer plan; where it fails, once more with other batteries or other shares of a year."""
        values, links = self._evaluate_plan(point)
        failed = [s for s, value in values.items() if not value.feasible]
        by_event = any(s.is_event for s in failed)
        if not failed or not (by_event or self.shares):
            return values, links
        self.coupling.learn(values, links)
        parts = (self.master, self.coupling, self.operation, point, partial(self.size, relaxed=True))
        saved = self._live_through(point) if by_event else shared_out(*parts, self.best.cost)
        # Shares were settled with the charge that goes with them.
        return (values, links) if saved is None else self._evaluate_plan(saved, settled=by_event)

    def _learn(self, point: Array, values: dict[State, Value], links: dict[State, Array], before: int) -> bool:
        """Add the cuts of a plan that was evaluated; whether there are more than before it was.

        Where it fell short and there are not, settled charge asks for what nothing fills (a battery that
        stands before any source): the plan is evaluated once more with the charge of the sizing model.
        """
        self.coupling.learn(values, links)
        if self.coupling.cuts == before and not all(value.feasible for value in values.values()):
            values, links = self._evaluate_plan(point, settled=False)
            self.coupling.learn(values, links)
        return self.coupling.cuts > before

    def _infeasible(self) -> None:
        if not self.reasons:
            raise InfeasibleError()
        pools = self.operation.pool
        short = any(pool.forbidden for pool in pools.values())
        raise explain(self.plant, {key: pool.solver for key, pool in pools.items()} if short else None)
