"""In which order runs answer most questions first, for a study that is cut to a time."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mien.study.backbones import backbone
from mien.study.plan import Plan, PlannedRun


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
    places: dict[str, list[tuple[str, str, str, int]]] = {run.id: [] for run in plan.runs}
    for cell in plan.cells:
        if cell.run_id in places:
            places[cell.run_id].append((cell.table, cell.row, cell.column, cell.seed))
    answered: set[tuple[str, str, str, int]] = {place for run_id in done for place in places.get(run_id, ())}
    waiting = [run for run in plan.runs if run.id not in done]
    ordered: list[PlannedRun] = []
    while waiting:
        # The first of equals: `max` keeps the plan's order.
        best = max(waiting, key=lambda run: _worth(places[run.id], answered) / cost(run))
        waiting.remove(best)
        ordered.append(best)
        answered.update(places[best.id])
    return ordered


def usual_cost(run: PlannedRun) -> float:
    """A guess at what a run costs, from what is known without measuring: epochs times parameters."""
    return run.recipe.epochs * (1e6 + backbone(run.recipe.backbone).parameters)


def _worth(places: list[tuple[str, str, str, int]], answered: set[tuple[str, str, str, int]]) -> float:
    """How many questions a run answers: its places, and the comparisons that they complete."""
    worth, known = 0.0, set(answered)
    for table, row, column, seed in places:
        seeds = sum((table, row, column) == other[:3] for other in known)
        worth += 1 / (1 + seeds)
        for other_table, other_row, other_column, other_seed in known:
            if (other_table, other_seed) == (table, seed) and (other_row == row) != (other_column == column):
                worth += 1 / (1 + seeds)
        known.add((table, row, column, seed))
    return worth
