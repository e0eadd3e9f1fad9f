"""Ways out of a case without a plan: the least move of every limit in conflict, each verified by solving the case.

A knob moves one limit by whole notches. What the sizing model refuses is no way out, so the least notch is found with
it alone; then the changed case is solved, and its plan audited, before the way is told. Where that fails, the hours
ask for more, and the notch is raised until they are served. Where conflicts hold independently no move of one limit is
enough: the least move against each is found with the others taken away, and the moves are told together. Where two
single ways are large, half of one with the least of the other is tried as well, and so are two that are not enough
one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from planner.audit.audit import require
from planner.errors import AuditError
from planner.solve.extract import plan_of
from planner.whatif.conflict import Asked, Conflict, Filter, OutOfTimeError
from planner.whatif.engine import Answer, Changes
from planner.whatif.knobs import Knob, Promise, View
from planner.whatif.offers import knobs_of

_GAP = 0.01  # of a plan that verifies a way out
_DEARER_TRIES = 8  # notches that are solved where the hours ask for more than the sizing model
_MOST_SINGLE = 8  # ways that keep every promise: a table to choose from, not a list of all there is
_MOST_MIXES = 2
_MOST_PAIRS = 6  # that are tried for a mix
_MOST_CHECKED = 12  # pairs of moves, neither of them enough, that are looked at
_MOST_AT_ONCE = 3  # conflicts that moves are told together against: more take the date, or the target
_MOST_TOGETHER = 4  # ways against one of several conflicts that are tried with the best against the others


@dataclass(frozen=True)
class Way:
    """A way out that was verified: the case so changed has a plan that passes its audit."""

    words: str
    changes: Changes
    promise: Promise
    cost_usd: float  # present value of the plan found, within 1 % of the least
    moves: tuple[tuple[Knob, int], ...]

    @property
    def order(self) -> tuple[int, float, int]:
        """Promises kept come first, then by cost of the plan."""
        return self.promise, round(self.cost_usd, -4), sum(n for _, n in self.moves)


class Search:
    """The search for ways out of a case's conflicts."""

    def __init__(self, asked: Asked, search: Filter) -> None:
        self.asked, self.conflicts, self.filter = asked, search.conflicts, search
        self.ways: list[Way] = []
        self.left_out: list[str] = []
        self.complete = True
        self._trying = ""

    def run(self) -> None:
        """Find ways until there are no more, or the time is up."""
        try:
            if not self.conflicts:
                return
            if len(self.conflicts) == 1:
                failed = self._single(self._knobs(self.conflicts[0]))
                self._mixes()
                self._pairs(failed)
            else:
                self._single([k for k in self._knobs(self.conflicts[0]) if k.promise in (Promise.date, Promise.target)])
                if len(self.conflicts) <= _MOST_AT_ONCE:
                    self._together()
        except OutOfTimeError:
            self.complete = False
            self.left_out.append(f"not verified in time: {self._trying}")
        self.ways.sort(key=lambda way: way.order)

    def _knobs(self, conflict: Conflict) -> list[Knob]:
        view = View(self.filter.case, self.filter.written, conflict.least)
        return knobs_of(view, conflict.limits, self.filter.limits)

    def _single(self, knobs: list[Knob]) -> list[Knob]:
        """Ways that move one limit; returns the knobs of which not even the most is enough."""
        failed = []
        for i, knob in enumerate(knobs):
            if len(self.ways) >= _MOST_SINGLE and knob.promise is Promise.kept:
                continue
            if any(way.changes == knob.changes(1) for way in self.ways):
                continue
            self._trying = "; ".join(k.words(1) for k in knobs[i:])
            notch = self._least(knob, ())
            if notch is not None:
                self._verified(((knob, notch),))
            else:
                failed.append(knob)
        return failed

    # -- the least move --------------------------------------------------------------------------------------

    def _least(self, knob: Knob, beside: Changes, most: int | None = None) -> int | None:
        """Fewest notches that the sizing model allows with other changes made; None where not even the most."""
        most = knob.most if most is None else most

        def allows(n: int) -> bool:
            return self.asked.may_work((*beside, *knob.changes(n)))

        return least_notch(allows, most, knob.guess)

    def _verified(self, moves: tuple[tuple[Knob, int], ...], beside: Changes = ()) -> Way | None:
        """Solve a case with moves made; where the hours ask for more, the last of them goes further."""
        *rest, (knob, notch) = moves
        fixed = tuple(text for other, n in rest for text in other.changes(n))
        first, failed, step = notch, notch - 1, 1
        for _ in range(_DEARER_TRIES):
            answer = self._solve((*fixed, *knob.changes(notch)), (*rest, (knob, notch)))
            if answer is not None:
                break
            if notch >= knob.most or (failed < notch <= first and self._hopeless(fixed, rest, knob)):
                return None
            failed = notch
            notch, step = min(knob.most, notch + step), step * 2
        else:
            return None
        while notch - failed > 1:  # the last step was a wide one
            middle = (notch + failed) // 2
            better = self._solve((*fixed, *knob.changes(middle)), (*rest, (knob, middle)))
            notch, failed, answer = (middle, failed, better) if better is not None else (notch, middle, answer)
        return self._keep((*rest, (knob, notch)), answer)

    def _hopeless(self, fixed: Changes, rest: list[tuple[Knob, int]], knob: Knob) -> bool:
        """Whether, where hours are what is not served, not even the most of a move serves them."""
        if not any(conflict.by_hours for conflict in self.conflicts):
            return False
        return self._solve((*fixed, *knob.changes(knob.most)), (*rest, (knob, knob.most))) is None

    def _solve(self, changes: Changes, moves: tuple[tuple[Knob, int], ...]) -> Answer | None:
        words = told(moves)
        self._trying = words
        answer = self.asked.works(changes, _GAP)
        cost = f"plan {answer.cost_usd / 1e6:,.0f} M$" if answer is not None else "no plan"
        self.asked.say(f"{words}: {cost}")
        return answer

    def _keep(self, moves: tuple[tuple[Knob, int], ...], answer: Answer) -> Way | None:
        """Audit a plan that was found, and keep its way."""
        assert answer.solution is not None
        try:
            require(plan_of(answer.solution), answer.case)
        except AuditError as error:
            self.left_out.append(f"{told(moves)}: {' '.join(str(error).split())}")
            return None
        changes = tuple(text for knob, n in moves for text in knob.changes(n))
        promise = max(knob.promise for knob, _ in moves)
        way = Way(told(moves), changes, promise, answer.cost_usd, moves)
        self.ways.append(way)
        return way

    # -- two at once -----------------------------------------------------------------------------------------

    def _mixes(self) -> None:
        """Half of one way with the least of another, for the best that have halves."""
        ways = sorted((w for w in self.ways if w.moves[0][1] > 1), key=lambda way: way.order)
        pairs = [(a, b) for a, b in combinations(ways, 2) if a.moves[0][0].name != b.moves[0][0].name]
        single = len(self.ways)
        for a, b in pairs[:_MOST_PAIRS]:
            if len(self.ways) - single >= _MOST_MIXES:
                return
            (knob, whole), (other, most) = a.moves[0], b.moves[0]
            half = (knob, (whole + 1) // 2)
            self._trying = f"a mix of {a.words} and {b.words}"
            # From the share that is left to the other one, where both were to give in proportion.
            guessed = replace(other, guess=max(1, (most + 1) // 2), most=most - 1)
            if (notch := self._least(guessed, knob.changes(half[1]))) is not None:
                self._verified((half, (guessed, notch)))

    def _pairs(self, failed: list[Knob]) -> None:
        """The least of two moves of which neither is enough: more MW of a connection, and what they come through."""
        found = 0
        for a, b in [p for p in combinations(failed, 2) if p[0].name != p[1].name][:_MOST_CHECKED]:
            self._trying = f"{a.words(1)} and {b.words(1)}"
            if found < _MOST_MIXES and self.asked.may_work((*a.changes(a.most), *b.changes(b.most))):
                notch = self._least(b, a.changes(a.most))
                other = None if notch is None else self._least(a, b.changes(notch))
                if notch is not None and other is not None:
                    found += self._verified(((b, notch), (a, other))) is not None

    def _together(self) -> None:
        """The best against each of several conflicts, told together; and others in the place of each."""
        of_each: list[list[tuple[Knob, int]]] = []
        for conflict in self.conflicts:
            others = tuple(text for c in self.conflicts if c is not conflict for text in c.freed)
            found = []
            for knob in self._knobs(conflict):
                if knob.promise in (Promise.date, Promise.target):
                    continue
                self._trying = knob.words(1)
                if (notch := self._least(knob, others)) is not None:
                    found.append((knob, notch))
                if len(found) >= _MOST_TOGETHER:
                    break
            if not found:
                return
            of_each.append(found)
        for moves in _combined(of_each):
            texts = [text.partition("=")[0] for knob, n in moves for text in knob.changes(n)]
            if len(set(texts)) == len(texts):
                self._raised(moves)

    def _raised(self, moves: tuple[tuple[Knob, int], ...]) -> None:
        """Moves that were found one by one, made together; each a little further where they are not enough."""
        for more in (0, 1, 2, 5):
            raised = tuple((knob, min(knob.most, n + (more * n + 19) // 20)) for knob, n in moves)
            changes = tuple(text for knob, n in raised for text in knob.changes(n))
            if (answer := self._solve(changes, raised)) is not None:
                self._keep(raised, answer)
                return


def told(moves: tuple[tuple[Knob, int], ...]) -> str:
    """Moves in words."""
    return " and ".join(knob.words(n) for knob, n in moves)


def _combined(of_each: list[list[tuple[Knob, int]]]) -> Iterator[tuple[tuple[Knob, int], ...]]:
    """The first of each, then with each of the others in its place."""
    best = tuple(found[0] for found in of_each)
    yield best
    for i, found in enumerate(of_each):
        for other in found[1:]:
            yield (*best[:i], other, *best[i + 1 :])


def least_notch(allows: Callable[[int], bool], most: int, guess: int | None) -> int | None:
    """Fewest notches that are allowed, 1 to most; None where the most are not. More are never worse.

    guess: where to begin; the steps from it double.

    >>> [least_notch(lambda n: n >= 37, 100, guess) for guess in (None, 36, 37, 60)], least_notch(lambda n: False, 9, 3)
    ([37, 37, 37, 37], None)
    """
    if guess is None:
        if not allows(most):
            return None
        guess, high = 1, most
    else:
        guess, high = min(guess, most), most + 1
    low, step, n = 0, 1, guess
    while n < high and not allows(n):
        if n == most:
            return None
        low, n, step = n, min(high, most, n + step), step * 2
    high, step = n, 1
    while high - low > 1 and low < guess:  # down from a guess that was enough
        n = max(low + 1, high - step)
        if allows(n):
            high, step = n, step * 2
        else:
            low = n
            break
    while high - low > 1:
        n = (low + high) // 2
        low, high = (low, n) if allows(n) else (n, high)
    return high
