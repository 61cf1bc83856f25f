"""What the records say, in sentences. Every number is computed; nothing is claimed that a record does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mien.evaluation.intervals import Estimate
from mien.report.averages import averages_of
from mien.report.compared import Identity, TableComparison
from mien.report.results import Result, Results, State, copies_text
from mien.study.record import RunRecord
from mien.wording import count_text

# More names than this are counted instead of listed: a sentence shall stay one.
_MOST_NAMES = 6


@dataclass(frozen=True)
class Statement:
    """One sentence or two of the summary.

    Attributes:
        heading: what it is about, in a word or two.
        text: the sentences.
        caution: whether it speaks of figures that are missing, or that are not what they seem.
    """

    heading: str
    text: str
    caution: bool = False


def summarise(results: Results, comparisons: Sequence[TableComparison]) -> list[Statement]:
    """The statements that hold for these results: findings first, then what limits them.

    Args:
        results: all of a study.
        comparisons: of their accuracy, one a table.
    """
    everyone = results.everyone
    if not everyone:
        return [Statement("No figures yet", _nothing_scored(results), caution=True), *_incomplete(results)]
    return [
        *_best(everyone, comparisons),
        *_floor(everyone),
        *_collapsed(everyone),
        *_unsound(results.scored),
        *_incomplete(results),
        *(Statement("The same runs", text, caution=True) for text in results.plan.same),
        *_tables(results),
        *_share_of_training(results),
        *_seeds(results),
        *_copies(everyone),
    ]


def _nothing_scored(results: Results) -> str:
    return (
        f"None of the {count_text(len(results.entries), 'result')} that the study asks for has been computed, "
        "so there is nothing to compare."
    )


def _best(scored: Sequence[Result], comparisons: Sequence[TableComparison]) -> Iterator[Statement]:
    """The highest accuracy of all tables, of several seeds the highest mean, and what it can be told apart from."""
    entries = [entry for comparison in comparisons for entry in comparison.entries[:1]]
    best = max(entries, key=lambda entry: entry.estimate.value, default=None)
    if best is None:
        # Nothing takes part in a comparison: invalid pairs, or columns that are not chosen.
        figure = scored[0].measured
        if figure is not None:
            yield Statement("Highest accuracy", f"{scored[0].title}: {_accuracy_text(figure.scores.accuracy, 1)}")
        return
    images = next(iter(best.results.values())).scores
    count = images.count if images else best.estimate.count
    several = len(comparisons) > 1
    titles = [c.table.spec.title for c in comparisons if any(e.identity == best.identity for e in c.entries)]
    where = f" ({titles[0]})" if several else ""
    yield Statement(
        "Highest accuracy", f"{best.title}{where}: {_accuracy_text(replace(best.estimate, count=count), best.seeds)}"
    )
    close: dict[Identity, str] = {}
    compared, family, trained = 0, 0, False
    for comparison in comparisons:
        for entry in comparison.entries:
            if entry.identity == best.identity:
                close |= {other.identity: other.title for other in comparison.equals_of(entry)}
                compared += len(comparison.entries) - 1
                trained |= any(not result.is_foreign for e in comparison.entries for result in e.results.values())
                family = comparison.family
    corrected = f"corrected for {count_text(family, 'pair')}"
    if close:
        yield Statement(
            "Too close to rank",
            f"On the same images the highest cannot be told apart from {listed(list(close.values()))} (paired "
            f"comparison, {corrected}). That is no proof that they are equal.",
        )
    elif compared:
        limit = ", with this seed" if best.seeds == 1 else ", over seeds and images"
        if not trained:
            limit = ""
        others = "every other result of its table" if len(titles) == 1 else "every other result of its tables"
        yield Statement(
            "Set apart", f"It is better than {others} on the same images{limit} (paired comparison, {corrected})."
        )


def _accuracy_text(accuracy: Estimate, seeds: int) -> str:
    of, over = ("", "") if seeds == 1 else (f"the mean of {seeds} seeds, ", " over seeds")
    return (
        f"{of}{accuracy.value:.1%} of {count_text(accuracy.count, 'test image')}, 95% interval{over} "
        f"{accuracy.low:.1%} to {accuracy.high:.1%}."
    )


def _floor(scored: Sequence[Result]) -> Iterator[Statement]:
    first = scored[0].scores
    if first is None:
        return
    text = (
        f"Always answering '{first.majority.value}', without looking at the image, is right for "
        f"{first.majority_share.value:.1%} of the test images. That is the floor, not one in "
        f"{len(first.label_set)} ({1 / len(first.label_set):.1%}). "
    )
    below = [result for result in scored if not result.above_floor]
    if not below:
        number = "The only result lies" if len(scored) == 1 else f"All {len(scored)} results lie"
        yield Statement("Floor", f"{text}{number} above it, compared on the same images.")
        return
    if all(result.collapse for result in below):
        who = f"{count_text(len(below), 'result')} (collapsed, see below)"
    else:
        who = _names(below)
    verb = "is" if len(below) == 1 else "are"
    # Of collapsed results, the statements that follow warn.
    caution = not all(result.collapse for result in below)
    yield Statement("Floor", f"{text}{who} {verb} not shown to lie above it, compared on the same images.", caution)


def _collapsed(scored: Sequence[Result]) -> Iterator[Statement]:
    """One statement for each answer that networks collapsed to."""
    groups: dict[tuple[str, bool], list[Result]] = {}
    for result in scored:
        if result.collapse is not None:
            averages = averages_of(result)
            groups.setdefault((str(result.collapse), averages is not None and averages.stale), []).append(result)
    for (description, stale), results in groups.items():
        collapse = results[0].collapse
        if collapse is None:
            continue
        accuracies = [f"{r.scores.accuracy.value:.1%}" for r in results if r.scores]
        who = f"{_names(results)}: {'this network' if len(results) == 1 else 'each'} {description}."
        yield Statement(
            "Collapsed",
            f"{who} {collapse.support:.1%} of the test images are labelled '{collapse.answer.value}', which explains "
            f"{'an accuracy' if len(results) == 1 else 'accuracies'} of {listed(list(dict.fromkeys(accuracies)))}"
            + (_of_stale_averages(results) if stale else ": expressions are not told apart."),
            caution=True,
        )


def _of_stale_averages(results: Sequence[Result]) -> str:
    """What is said of networks whose one answer is their averages' (C19), each of which has settled ones."""
    settled = [f"{a.settled.accuracy.value:.1%}" for a in map(averages_of, results) if a is not None]
    return (
        ". The averages of batch normalisation had not settled (C19): under settled ones the same weights give "
        f"{listed(settled)}."
    )


def _unsound(scored: Sequence[Result]) -> Iterator[Statement]:
    """One statement for each pair of activation and loss that is none."""
    groups: dict[str, list[Result]] = {}
    for result in scored:
        if result.unsound:
            groups.setdefault(result.unsound, []).append(result)
    for reason, results in groups.items():
        yield Statement("Known-bad setting", f"{_names(results)}: {reason[0].lower()}{reason[1:]}", caution=True)


def _incomplete(results: Results) -> Iterator[Statement]:
    headings = {
        State.MISSING: "Not run yet",
        State.DIVERGED: "Diverged",
        State.FAILED: "Failed",
        State.SKIPPED: "Skipped",
    }
    for state, heading in headings.items():
        entries = [entry for entry in results.entries if entry.state is state]
        if entries:
            share = f"{len(entries)} of {count_text(len(results.entries), 'result')}"
            yield Statement(heading, f"{share}: {_names(entries)}.", caution=True)
    cells = [cell for cell in results.plan.cells if cell.run_id is None]
    if cells:
        places = list(dict.fromkeys(f"{cell.row} / {cell.column}" for cell in cells))
        verb = "is" if len(cells) == 1 else "are"
        yield Statement(
            "Left out by the plan",
            f"{count_text(len(cells), 'cell')} {verb} impossible as asked for ({listed(places)}); "
            "the tables give the reasons.",
        )


def _tables(results: Results) -> Iterator[Statement]:
    """How far each table is filled; nothing when all are."""
    scored = {(entry.run.id, entry.readout) for entry in results.scored_runs}
    counts = []
    for table in results.plan.study.tables:
        cells = [(c.run_id, c.readout) for c in results.plan.cells if c.table == table.name and c.run_id is not None]
        counts.append((table.title, sum(cell in scored for cell in cells), len(cells)))
    if any(filled < asked for _, filled, asked in counts):
        parts = [f"{title}: {filled} of {count_text(asked, 'cell')}" for title, filled, asked in counts]
        yield Statement("Tables", f"Cells with a figure, by table. {'; '.join(parts)}.", caution=True)


def _share_of_training(results: Results) -> Iterator[Statement]:
    fractions = sorted({float(record.protocol.get("train_fraction", 1.0)) for record in results.records})
    used = sorted({images for record in results.records if (images := training_images(record)) is not None})
    if not fractions or fractions == [1.0]:
        return
    counted = f" ({listed([f'{count:,}' for count in used])} images)" if used else ""
    yield Statement(
        "Part of the training role",
        f"Trained on {listed([f'{100 * fraction:.3g}%' for fraction in fractions])} of the training role"
        f"{counted}. More images would give other figures, and could give another order.",
    )


def training_images(record: RunRecord) -> int | None:
    """How many images a run was trained on; None when its record does not say."""
    counts = record.data.get("counts", {}).get("train")
    return sum(counts.values()) if isinstance(counts, dict) else counts


def _seeds(results: Results) -> Iterator[Statement]:
    seeds = sorted({run.recipe.seed for run in results.plan.runs})
    if not seeds:
        return
    if len(seeds) == 1:
        yield Statement(
            "One seed",
            f"Every run used seed {seeds[0]}. The intervals are about the choice of test images; how far another "
            "seed would move a figure is not measured here.",
        )
    else:
        yield Statement(
            "Seeds",
            f"The study uses the seeds {listed([str(seed) for seed in seeds])}. Where a cell has several, its mean "
            "and range tell how far the seed moves a figure; an interval is about the choice of test images alone.",
        )


def _copies(scored: Sequence[Result]) -> Iterator[Statement]:
    best = scored[0]
    if best.scores is None or best.record is None or not best.copies:
        return
    text = (
        f"{best.copies:,} of {best.scores.count:,} test images ({best.copies / best.scores.count:.1%}) have "
        f"{copies_text(best.record)} copy in the training or validation role. "
    )
    if best.without_copies is not None:
        text += f"Without them the highest accuracy is {best.without_copies.value:.1%}."
    yield Statement("Copies across roles", text)


def _names(results: Sequence[Result]) -> str:
    return listed([result.title for result in results])


def listed(names: Sequence[str]) -> str:
    """Names as they stand in a sentence; many are cut short with their number.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    >>> listed(["VGG16, sgd", "VGG19, sgd", "VGG19, adam"])
    'VGG16, sgd; VGG19, sgd; and VGG19, adam'
    """
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
    *first, last = names
    if not first:
        return last
    if any("," in name for name in names):
        return "; ".join([*first, f"and {last}"])
    return f"{', '.join(first)} and {last}"
