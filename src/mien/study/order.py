"""In which order runs answer most questions first, for a study that is cut to a time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection
from itertools import chain

from mien.study.backbones import backbone
from mien.study.plan import Plan, PlannedRun

# Table, row, column, seed.
Place = tuple[str, str, str, int]
# Table, kind of line, and what its places have in common.
_Line = tuple[str | int, ...]


def order_runs(
    plan: Plan, cost: Callable[[PlannedRun], float] | None = None, *, done: Collection[str] = ()
) -> list[PlannedRun]:
    """The runs of a plan in the order that answers most questions for the time spent.

    A question is a comparison that a table asks for: two places of one row, or of one column, with the same seed.
    Each next run is the one that, for its cost, completes most of them with what is there already; a place by itself
    counts as one, a further seed of a place as a part of one, so that a table is filled once before it is repeated.

    Args:
        plan: cells and runs.
        cost: of a run, in any unit, above 0; by default `usual_cost`. With forecasts, minutes.
        done: ids of runs that have their record.

    Returns:
        The runs that are not done. Runs of equal worth keep the plan's order.
    """
    cost = cost or usual_cost
    places: dict[str, list[Place]] = {run.id: [] for run in plan.runs}
    for cell in plan.cells:
        if cell.run_id in places:
            places[cell.run_id].append((cell.table, cell.row, cell.column, cell.seed))
    # What another run's answers can change is the worth of the runs that have a place in one line with it.
    together: dict[_Line, set[str]] = {}
    for run_id, asked in places.items():
        for line in chain.from_iterable(map(_lines, asked)):
            together.setdefault(line, set()).add(run_id)
    answered = _Answered()
    for place in dict.fromkeys(place for run_id in done for place in places.get(run_id, ())):
        answered.add(place)
    waiting = [run for run in plan.runs if run.id not in done]
    rank = {run.id: position for position, run in enumerate(waiting)}
    costs = {run.id: cost(run) for run in waiting}
    worth = {run.id: answered.worth(places[run.id]) / costs[run.id] for run in waiting}
    # The first of equals comes first, and so keeps the plan's order. An entry whose worth has changed since is stale.
    queue = [(-worth[run.id], rank[run.id]) for run in waiting]
    heapq.heapify(queue)
    ordered: list[PlannedRun] = []
    while worth:
        negative, position = heapq.heappop(queue)
        run = waiting[position]
        if worth.get(run.id) != -negative:
            continue
        del worth[run.id]
        ordered.append(run)
        touched: set[str] = set()
        for place in places[run.id]:
            answered.add(place)
            for line in _lines(place):
                touched |= together[line]
        for other in touched & worth.keys():
            changed = answered.worth(places[other]) / costs[other]
            if changed != worth[other]:
                worth[other] = changed
                heapq.heappush(queue, (-changed, rank[other]))
    return ordered


def usual_cost(run: PlannedRun) -> float:
    """A guess at what a run costs, from what is known without measuring: epochs times parameters."""
    return run.recipe.epochs * (1e6 + (backbone(run.recipe.backbone).parameters or 1e6))


def _lines(place: Place) -> tuple[_Line, ...]:
    """Where a place lies, and with it those that it is compared with: its seeds, itself, its row and its column."""
    table, row, column, seed = place
    return (
        (table, "seeds", row, column),
        (table, "place", row, column, seed),
        (table, "row", row, seed),
        (table, "column", column, seed),
    )


class _Answered:
    """The places that have an answer, counted along the lines in which comparisons lie."""

    def __init__(self) -> None:
        self._known: set[Place] = set()
        self._counts: Counter[_Line] = Counter()

    def add(self, place: Place) -> None:
        """Count a place, once."""
        if place not in self._known:
            self._known.add(place)
            self._count(place, 1)

    def worth(self, places: list[Place]) -> float:
        """How many questions a run answers: its places, and the comparisons that they complete."""
        worth, own = 0.0, []
        for place in places:
            # A comparison is with a place of one row or one column; a place that is known already is in both.
            seeds, here, in_row, in_column = (self._counts[line] for line in _lines(place))
            along = in_row + in_column - 2 * here
            worth += (1 + along) / (1 + seeds)
            if not here:
                self._count(place, 1)
                own.append(place)
        for place in own:
            self._count(place, -1)
        return worth

    def _count(self, place: Place, step: int) -> None:
        for line in _lines(place):
            self._counts[line] += step
