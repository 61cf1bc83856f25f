"""What is run first when time is short."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from mien.study.order import order_runs, usual_cost
from support.fake_records import plan_of

HEAD = 'schema = 1\nname = "s"\n[data]\npath = "drawn"\n[recipe]\nepochs = 2\n'
BOTH = (
    HEAD
    + "[[tables]]\nname = 'rates'\nrows.backbone = ['mien_small', 'vgg16']\ncolumns.learning_rate = [0.001, 0.01]\n"
    + "[[tables]]\nname = 'optimizers'\nrows.backbone = ['mien_small', 'vgg16']\ncolumns.optimizer = ['adamw', 'sgd']\n"
)


def settings_of(runs) -> list[tuple[str, float, str]]:
    return [(run.recipe.backbone, run.recipe.learning_rate, run.recipe.optimizer) for run in runs]


def test_runs_that_several_tables_ask_for_come_first() -> None:
    first, *_ = order_runs(plan_of(BOTH), lambda run: 1.0)
    assert settings_of([first]) == [("mien_small", 0.001, "adamw")]


def test_a_comparison_is_completed_before_another_is_begun() -> None:
    text = (
        HEAD
        + "[[tables]]\nname = 't'\nrows.backbone = ['vgg16', 'vgg19', 'mien_small']\ncolumns.dropout = [0.0, 0.5]\n"
    )
    ordered = order_runs(plan_of(text), lambda run: 1.0)
    answered: list[tuple[str, float]] = []
    for run in ordered:
        place = (run.recipe.backbone, run.recipe.dropout)
        if answered:
            assert any((place[0] == row) != (place[1] == column) for row, column in answered)
        answered.append(place)


def test_cheap_runs_come_before_dear_ones_of_equal_worth() -> None:
    text = HEAD + "[[tables]]\nname = 't'\nrows.backbone = ['vgg16', 'mien_small']\n"
    assert [run.recipe.backbone for run in order_runs(plan_of(text))] == ["mien_small", "vgg16"]
    dear = {"mien_small": 9.0, "vgg16": 1.0}
    ordered = order_runs(plan_of(text), lambda run: dear[run.recipe.backbone])
    assert [run.recipe.backbone for run in ordered] == ["vgg16", "mien_small"]


def test_a_table_is_filled_once_before_it_is_repeated_with_another_seed() -> None:
    text = HEAD + "[[tables]]\nname = 't'\nrows.backbone = ['vgg16', 'vgg19']\nseeds = [0, 1, 2]\n"
    ordered = order_runs(plan_of(text), lambda run: 1.0)
    assert [(run.recipe.backbone, run.recipe.seed) for run in ordered[:2]] == [("vgg16", 0), ("vgg19", 0)]


def test_what_is_done_is_not_ordered_but_counts() -> None:
    plan = plan_of(BOTH)
    done = {run.id for run in plan.runs if run.recipe.backbone == "vgg16"}
    ordered = order_runs(plan, lambda run: 1.0, done=done)
    assert {run.recipe.backbone for run in ordered} == {"mien_small"}
    assert len(ordered) + len(done) == len(plan.runs)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 100.0), min_size=6, max_size=6), st.sets(st.integers(0, 5)))
def test_any_order_holds_every_waiting_run_once_and_goes_on_the_same_after_a_stop(costs, done_places) -> None:
    plan = plan_of(BOTH)
    price = {run.id: cost for run, cost in zip(plan.runs, costs, strict=True)}
    done = {plan.runs[i].id for i in done_places}
    ordered = order_runs(plan, lambda run: price[run.id], done=done)
    assert {run.id for run in ordered} | done == set(price)
    assert len(ordered) == len(price) - len(done)
    if ordered:
        rest = order_runs(plan, lambda run: price[run.id], done={*done, ordered[0].id})
        assert rest == ordered[1:]


def test_the_usual_cost_grows_with_epochs_and_parameters() -> None:
    text = HEAD + "[[tables]]\nname = 't'\nrows.backbone = ['mien_small', 'vgg16']\ncolumns.schedule = ['cosine']\n"
    small, large = plan_of(text).runs
    assert 0 < usual_cost(small) < usual_cost(large)
    longer = plan_of(text.replace("epochs = 2", "epochs = 4")).runs[0]
    assert usual_cost(longer) == 2 * usual_cost(small)


def worth_by_definition(places, answered) -> float:
    """How many questions a run answers, place by place, as the docstring of `order_runs` says."""
    worth, known = 0.0, set(answered)
    for table, row, column, seed in places:
        seeds = sum((table, row, column) == other[:3] for other in known)
        worth += 1 / (1 + seeds)
        for other_table, other_row, other_column, other_seed in known:
            if (other_table, other_seed) == (table, seed) and (other_row == row) != (other_column == column):
                worth += 1 / (1 + seeds)
        known.add((table, row, column, seed))
    return worth


def ordered_by_definition(plan, cost, done) -> list[str]:
    places = {run.id: [] for run in plan.runs}
    for cell in plan.cells:
        places[cell.run_id].append((cell.table, cell.row, cell.column, cell.seed))
    answered = {place for run_id in done for place in places[run_id]}
    waiting, ordered = [run for run in plan.runs if run.id not in done], []
    while waiting:
        best = max(waiting, key=lambda run: worth_by_definition(places[run.id], answered) / cost(run))
        waiting.remove(best)
        ordered.append(best.id)
        answered.update(places[best.id])
    return ordered


MANY = (
    BOTH.replace("'sgd']", "'sgd', 'adam']\nseeds = [0, 1]")
    + "[[tables]]\nname = 'again'\nrows.dropout = [0.0, 0.5]\ncolumns.backbone = ['mien_small', 'vgg16', 'vgg19']\n"
)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_order_is_that_of_the_definition(data) -> None:
    plan = plan_of(MANY)
    costs = {run.id: data.draw(st.sampled_from([1.0, 2.0, 3.0, 5.0])) for run in plan.runs}
    done = {run.id for run in plan.runs if data.draw(st.booleans())}
    found = [run.id for run in order_runs(plan, lambda run: costs[run.id], done=done)]
    assert found == ordered_by_definition(plan, lambda run: costs[run.id], done)


def test_a_thousand_runs_are_ordered_in_a_second() -> None:
    rates = [0.1 / 2**i for i in range(40)]
    plan = plan_of(
        HEAD
        + f"[[tables]]\nname = 't'\nrows.learning_rate = {rates}\ncolumns.dropout = {[i / 10 for i in range(5)]}\n"
        + "seeds = [0, 1, 2, 3, 4]\n"
    )
    assert len(plan.runs) == 1_000
    began = time.process_time()
    assert len(order_runs(plan)) == 1_000
    assert time.process_time() - began < 1.0
