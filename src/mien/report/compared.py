"""Which results of a table differ: paired tests on the same images, and the effect of each axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.errors import ContradictionError
from mien.evaluation.comparison import (
    Comparison,
    compare_means,
    groups,
    holm,
    mean_estimate,
    t_difference,
    welch_freedom,
)
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import METRICS, Metric
from mien.report.measured import SIGNIFICANCE, compare_values
from mien.report.results import Result
from mien.report.tables import CellData, Frame, TableData
from mien.study.spec import READOUT, Axis, Study, with_setting
from mien.wording import count_text

# From so many networks (or other places) on, they can stand for others like them.
LEAST_SAMPLE = 3

# What is said of an effect that compares networks which learned nothing.
AT_FLOOR = "no result lies above the floor"

Place = tuple[str, str]
# Which runs and readouts an entry is made of: what makes two places the same.
Identity = tuple[tuple[str, int], ...]

ACCURACY = METRICS["accuracy"]


@dataclass(frozen=True, eq=False)
class Entry:
    """A place of a table whose answers can be compared.

    Attributes:
        places: labels of row and column; several where places hold the same runs.
        title: of the first place, for people.
        results: by seed.
        estimate: the figure: with one seed and its interval over images, or the mean with its interval over seeds.
        letters: one for each group of results that cannot be told apart and that this one is in.
    """

    places: tuple[Place, ...]
    title: str
    results: Mapping[int, Result]
    estimate: Estimate
    letters: str = ""

    @property
    def seeds(self) -> int:
        """How many seeds it has."""
        return len(self.results)

    @property
    def identity(self) -> Identity:
        """The runs and readouts that it is made of."""
        return _identity(self.results)

    @property
    def accuracies(self) -> dict[int, float]:
        """The accuracy of each seed, 0 to 1."""
        return {seed: _accuracy(result) for seed, result in self.results.items()}


@dataclass(frozen=True, eq=False)
class TestedPair:
    """Two entries of a table, compared image by image.

    Attributes:
        first: the better one.
        second: the other one.
        comparison: of the seeds that both have, or of as many of each where they have none in common.
        adjusted: its p, corrected for all the pairs of the report (Holm).
    """

    first: Entry
    second: Entry
    comparison: Comparison
    adjusted: float

    @property
    def different(self) -> bool:
        """Whether the two can be told apart."""
        return self.adjusted < SIGNIFICANCE


@dataclass(frozen=True, eq=False)
class TableComparison:
    """The results of a table beside one another.

    Attributes:
        table: the table.
        metric: the figure that is compared.
        entries: those that can be compared, the best first.
        pairs: all pairs of them.
        left_out: title of each other place that has a number, with the reason why it is not compared.
        family: how many pairs their p values were corrected for: all of the report.
    """

    table: TableData
    metric: Metric
    entries: tuple[Entry, ...]
    pairs: tuple[TestedPair, ...]
    left_out: Mapping[str, str]
    family: int

    def equals_of(self, entry: Entry) -> list[Entry]:
        """The entries that cannot be told apart from this one."""
        others = []
        for pair in self.pairs:
            if not pair.different and (pair.first is entry or pair.second is entry):
                others.append(pair.second if pair.first is entry else pair.first)
        return others

    @property
    def leaders(self) -> set[Place]:
        """The places of the best result, and of all that cannot be told apart from it.

        Results that carry a mark (collapsed, invalid pair) are passed over: their numbers do not speak of the network.
        Where the best of the others is not shown to be better than the floor, there is none to lead.
        """
        sound = [entry for entry in self.entries if not self.table.cells[entry.places[0]].badges]
        if not sound or not all(result.beats_floor(self.metric) for result in sound[0].results.values()):
            return set()
        equals = {id(entry) for entry in self.equals_of(sound[0])}
        return {place for entry in sound if entry is sound[0] or id(entry) in equals for place in entry.places}


def compared_frame(comparisons: Sequence[TableComparison]) -> Frame:
    """One line a figure and pair of a table."""
    columns = "metric first second difference low high images seeds discordant p adjusted_p different".split()
    rows = []
    for comparison in comparisons:
        for pair in comparison.pairs:
            found = pair.comparison
            rows.append(
                (
                    comparison.metric.name,
                    pair.first.title,
                    pair.second.title,
                    found.difference.value,
                    found.difference.low,
                    found.difference.high,
                    found.difference.count,
                    found.seeds,
                    found.discordant,
                    found.p,
                    pair.adjusted,
                    pair.different,
                )
            )
    return Frame(tuple(columns), tuple(rows))


@dataclass(frozen=True)
class Choice:
    """The column that a row is judged by, chosen on the validation role.

    Attributes:
        row: the row's label.
        column: the chosen column's label.
        validation: mean accuracy on the validation role over seeds, of the chosen column, 0 to 1.
        tried: the same of every column that has records.
    """

    row: str
    column: str
    validation: float
    tried: Mapping[str, float]


@dataclass(frozen=True)
class Effect:
    """What a position on an axis does to the accuracy, set against another one: positive when it raises it.

    Attributes:
        difference: mean difference of accuracies, 0 to 1, with its 95 % interval.
        p: two-sided p of no effect, 0 to 1.
        adjusted: that p, corrected for all effects of a report (Holm); see `corrected`.
        over: what the interval was taken over: "9 backbones, 3 seeds".
        remark: what is to be known of the figures behind it; an empty text when nothing is.
        blind: whether no result behind it lies above the floor. Then it compares networks that learned nothing: which
            label they fell on, not what the settings do.
        family: how many effects its p is corrected for.
    """

    difference: Estimate
    p: float
    adjusted: float
    over: str
    remark: str = ""
    blind: bool = False
    family: int = 1

    @property
    def direction(self) -> int:
        """1 when it is shown to raise the accuracy, -1 when it is shown to lower it, else 0."""
        if self.blind or self.adjusted >= SIGNIFICANCE:
            return 0
        return 1 if self.difference.value > 0 else -1

    @property
    def correction(self) -> str:
        """Why an interval without 0 shows nothing here; an empty text where it is not so."""
        if self.blind or not self.p < SIGNIFICANCE <= self.adjusted:
            return ""
        return f"one of {self.family} effects may well be so by chance"

    @property
    def text(self) -> str:
        """The effect in points, with interval and what it was taken over."""
        difference = self.difference
        low, high = (written_points(end).removeprefix("+") for end in (difference.low, difference.high))
        return f"{written_points(difference.value)} points [{low}, {high}], {self.over}"

    @property
    def verdict(self) -> str:
        """What it says of the setting."""
        if self.blind:
            return f"nothing is told: {AT_FLOOR}"
        if self.correction:
            return f"no difference is shown: {self.correction}"
        return {1: "better", 0: "no difference is shown: it could be either way", -1: "worse"}[self.direction]


@dataclass(frozen=True)
class AxisEffect:
    """The main effect of one position of an axis against the axis' usual one.

    Attributes:
        table: name of the table.
        heading: the table's title.
        position: label on the axis, a bare number with what it is a number of.
        baseline: label of the usual position: the study's own recipe, or the first.
        effect: of the one instead of the other.
    """

    table: str
    heading: str
    position: str
    baseline: str
    effect: Effect

    def __str__(self) -> str:
        return f"{self.position} instead of {self.baseline}: {self.effect.text}"


def compare_tables(tables: Sequence[TableData], metric: Metric = ACCURACY) -> list[TableComparison]:
    """Compare all places of each table that have numbers, pair by pair, on the same images.

    This is a report's one notion of "different": shading, ranks and sentences go by it. The p values of all pairs of
    these tables are corrected together, each pair once, so that two results differ or not wherever they stand.

    Places whose head and loss are no valid pair are left out, since their numbers do not speak of the network; so are
    places that were tested on other images than most. Places that are the same run count once. Where a table chooses
    columns on the validation role, each row takes part with its chosen column.

    Args:
        tables: of one report. Their results have been measured for the metric.
        metric: the figure to compare.
    """
    compared: dict[tuple[Identity, Identity], Comparison] = {}
    drafts = []
    for table in tables:
        entries, left_out = _entries(table, metric)
        asked = []
        for second in range(len(entries)):
            for first in range(second):
                asked.append((first, second, *_compare_once(entries[first], entries[second], metric, compared)))
        drafts.append((table, entries, left_out, asked))
    # The values of a pair that has been met in the other order are those of its mirror image: it is tested once.
    keys = [key for key in compared if key <= key[::-1] or key[::-1] not in compared]
    adjusted = dict(zip(keys, holm([compared[key].p for key in keys]), strict=True))
    adjusted |= {key: adjusted[key[::-1]] for key in compared if key not in adjusted}
    return [
        _finished(
            table,
            metric,
            entries,
            left_out,
            [(a, b, compared[c, d], adjusted[c, d]) for a, b, c, d in asked],
            len(keys),
        )
        for table, entries, left_out, asked in drafts
    ]


def _compare_once(
    first: Entry,
    second: Entry,
    metric: Metric,
    compared: dict[tuple[Identity, Identity], Comparison],
) -> tuple[Identity, Identity]:
    """Compare two entries over their seeds, unless it has been done; returns their key."""
    sides = _sides(first, second)
    key = _identity(sides[0]), _identity(sides[1])
    if key not in compared:
        one, other = (np.stack([_values(result, metric) for result in side.values()]) for side in sides)
        compared[key] = compare_values(one, other, metric, _clusters(next(iter(sides[0].values()))))
    return key


def _sides(first: Entry, second: Entry) -> list[dict[int, Result]]:
    """What is compared of two entries: the seeds that both have; where they have none in common, as many of each.

    To set one seed against another is as fair. To leave such a pair untested would let it pass for one that differs.
    """
    common = [seed for seed in first.results if seed in second.results]
    if common:
        return [{seed: entry.results[seed] for seed in common} for entry in (first, second)]
    fewest = min(first.seeds, second.seeds)
    return [dict(list(entry.results.items())[:fewest]) for entry in (first, second)]


def _finished(
    table: TableData,
    metric: Metric,
    entries: Sequence[Entry],
    left_out: Mapping[str, str],
    found: Sequence[tuple[int, int, Comparison, float]],
    family: int,
) -> TableComparison:
    different = np.zeros((len(entries), len(entries)), dtype=bool)
    for first, second, _, p in found:
        different[first, second] = different[second, first] = p < SIGNIFICANCE
    lettered = list(entries)
    for letter, group in enumerate(groups(different)):
        for index in group:
            lettered[index] = replace(lettered[index], letters=lettered[index].letters + _letter(letter))
    pairs = tuple(
        TestedPair(lettered[first], lettered[second], comparison, p) for first, second, comparison, p in found
    )
    return TableComparison(table, metric, tuple(lettered), pairs, left_out, family)


def choices(table: TableData) -> list[Choice]:
    """The column of each row with the best mean accuracy on the validation role, where the table asks to choose.

    Only columns with the most seeds of their row take part: a missing seed shall not decide.
    """
    if table.spec.choose is None:
        return []
    found = []
    for row in table.rows:
        values = {column: _validation(table.cells[row, column]) for column in table.columns}
        most = max(map(len, values.values()))
        tried = {column: sum(seen) / len(seen) for column, seen in values.items() if seen and len(seen) == most}
        if tried:
            best = max(tried, key=tried.__getitem__)
            found.append(Choice(row, best, tried[best], tried))
    return found


def axis_effects(study: Study, table: TableData) -> list[AxisEffect]:
    """The effect of every position of a table's axes against the usual one of its axis.

    An axis of backbones has none: which network is better is what `compare_tables` says. Neither has an axis whose
    columns were chosen from on the validation role.
    """
    found = []
    for name, axis in (("columns", table.spec.columns), ("rows", table.spec.rows)):
        if len(axis.points) < 2 or _is_of_backbones(axis) or table.spec.choose == name:
            continue
        baseline = _usual(study, table, axis)
        for point in axis.points:
            if point.label != baseline:
                effect = contrast(table, name, [point.label], [baseline])
                if effect is not None:
                    position = axis.named(point.label)
                    found.append(AxisEffect(table.spec.name, table.spec.title, position, baseline, effect))
    return found


def contrast(
    table: TableData, axis: str, better: Sequence[str], than: Sequence[str], among: Sequence[str] = ()
) -> Effect | None:
    """The accuracy of some positions of an axis less that of others, with its 95 % interval.

    At each place of the other axis, positions are set against each other, of a group their mean. From three places on,
    the interval is Student's t over those places (each the mean over its seeds), so that it speaks of further networks
    like these; of fewer, nothing can be said of others, and the interval is that of a paired comparison of these, over
    images and seeds. Two groups of several positions are taken as samples of such positions: the interval is Welch's.

    Args:
        table: filled as far as the records go. Places without numbers are left out, and those where both sides are the
            same runs, which would tell of no difference whatever the settings do.
        axis: "rows" or "columns", where the positions are.
        better: labels of one group.
        than: labels of the other group.
        among: labels of the other axis to look at; empty for all.

    Returns:
        The effect; None where too little has been run to tell (see `why_untold`).
    """
    crossing = table.columns if axis == "rows" else table.rows
    others = [label for label in crossing if not among or label in among]
    noun = _noun(table.spec.columns if axis == "rows" else table.spec.rows)
    if len(better) > 1 and len(than) > 1:
        return _welch(table, axis, better, than, others)
    blocks: dict[tuple[str, ...], list[_Pair]] = {}
    seen: dict[str, dict[str, Result]] = {label: {} for label in (*better, *than)}
    for other in others:
        pairs = [pair for pair in _pairs(table, axis, better, than, other) if not _is_one_run(pair)]
        if pairs:
            # Places that are read out of the same runs tell the same: the last of them stays.
            blocks[tuple(result.run.id for pair in pairs for side in pair for result in side)] = pairs
            for label, result in zip((*better, *than), (*pairs[0][0], *pairs[0][1]), strict=True):
                seen[label][other] = result
    if not blocks:
        return None
    every = [result for pairs in blocks.values() for pair in pairs for side in pair for result in side]
    blind = not any(result.above_floor for result in every)
    fewest = min(map(len, blocks.values()))
    over = f"{count_text(len(blocks), noun)}, {count_text(fewest, 'seed')}"
    remark = _remark(seen, noun)
    if len(blocks) >= LEAST_SAMPLE:
        differences = np.array(
            [
                sum(_mean_accuracy(one) - _mean_accuracy(two) for one, two in pairs) / len(pairs)
                for pairs in blocks.values()
            ]
        )
        variance = float(differences.var(ddof=1)) / len(differences)
        difference, p = t_difference(float(differences.mean()), variance, len(differences) - 1, len(differences))
        return Effect(difference, p, p, over, remark, blind)
    found = _over_images([pairs[:fewest] for pairs in blocks.values()])
    if found is None:
        return None
    return Effect(found.difference, found.p, found.p, f"{over}, for these alone", remark, blind)


def why_untold(
    table: TableData, axis: str, better: Sequence[str], than: Sequence[str], among: Sequence[str] = ()
) -> str:
    """Why `contrast` gives None, in one sentence."""
    own, crossing = (table.rows, table.columns) if axis == "rows" else (table.columns, table.rows)
    for known, where, labels in ((own, axis, (*better, *than)), (crossing, _OTHER[axis], among)):
        strange = [label for label in labels if label not in known]
        if strange:
            return f"The {where} of this study's table {table.spec.name!r} do not have {strange[0]!r}."
    others = [label for label in crossing if not among or label in among]
    if any(_is_one_run(pair) for other in others for pair in _pairs(table, axis, better, than, other)):
        return "In this study both are the same runs: what sets them apart has no effect there."
    return "Too little of it has been run."


_OTHER = {"rows": "columns", "columns": "rows"}
# The results of one seed on each of two sides, one a position.
_Pair = tuple[list[Result], list[Result]]


def _pairs(table: TableData, axis: str, better: Sequence[str], than: Sequence[str], other: str) -> list[_Pair]:
    """What two groups of positions have at one place of the other axis, for each seed that all of them have."""
    cells = [[table.cells.get(_place(axis, label, other)) for label in labels] for labels in (better, than)]
    one, two = ([_scored(cell) if cell is not None else {} for cell in side] for side in cells)
    seeds = [seed for seed in one[0] if all(seed in scored for scored in (*one, *two))]
    return [([scored[seed] for scored in one], [scored[seed] for scored in two]) for seed in seeds]


def _is_one_run(pair: _Pair) -> bool:
    """Whether both sides are the same runs, read out after the same epochs."""
    one, two = ({(result.run.id, result.readout) for result in side} for side in pair)
    return one == two


def _mean_accuracy(results: Sequence[Result]) -> float:
    return sum(map(_accuracy, results)) / len(results)


def corrected(effects: Sequence[Effect]) -> dict[Effect, Effect]:
    """Each effect with its p corrected for all of them (Holm), those that say the same in two places counted once.

    Effects of which nothing is told, since nothing behind them lies above the floor, are no tests and do not count.

    Args:
        effects: all that a report tells of, in sentences, tables and claims.
    """
    tests = dict.fromkeys(_test_of(effect) for effect in effects if not effect.blind)
    adjusted = dict(zip(tests, holm([test[0] for test in tests]), strict=True))
    return {
        effect: effect if effect.blind else replace(effect, adjusted=adjusted[_test_of(effect)], family=len(tests))
        for effect in effects
    }


def _test_of(effect: Effect) -> tuple[float, float, str]:
    """What makes two effects one test: the same figures, whichever side is set against the other."""
    return effect.p, abs(effect.difference.value), effect.over


def _over_images(blocks: Sequence[Sequence[_Pair]]) -> Comparison | None:
    """The mean difference of pairs of results (by block and seed), over images and seeds; None if images differ."""
    if len({_images(r) for pairs in blocks for pair in pairs for side in pair for r in side}) > 1:
        return None
    sides = [np.array([[_mean_values(pair[side]) for pair in pairs] for pairs in blocks]) for side in (0, 1)]
    clusters = _clusters(blocks[0][0][0][0])
    if len(blocks) == 1:
        kind = np.bool_ if all(side.dtype == np.bool_ for side in sides) else np.float64
        return compare_values(sides[0][0].astype(kind), sides[1][0].astype(kind), ACCURACY, clusters)
    return compare_means(sides[0].mean(axis=0), sides[1].mean(axis=0), bound=1.0, clusters=clusters)


def _mean_values(results: Sequence[Result]) -> NDArray[np.generic]:
    """For each image whether it was answered rightly, of several results the share of them that did."""
    values = [_values(result, ACCURACY) for result in results]
    return values[0] if len(values) == 1 else np.stack(values).astype(np.float64).mean(axis=0)


def _remark(seen: Mapping[str, Mapping[str, Result]], noun: str) -> str:
    """What is odd about the figures behind a contrast: invalid pairs, and networks that collapsed."""
    parts = []
    for label, results in seen.items():
        if any(result.unsound for result in results.values()):
            parts.append(f"{label} is not a valid pair with the loss")
        collapsed = sum(result.collapse is not None for result in results.values())
        if collapsed:
            parts.append(f"{collapsed} of {count_text(len(results), noun)} collapsed under '{label}'")
    return "; ".join(parts)


def _welch(
    table: TableData, axis: str, better: Sequence[str], than: Sequence[str], others: Sequence[str]
) -> Effect | None:
    """Two groups of positions, each position the mean over the other axis and the seeds."""
    sides = []
    blind = True
    for labels in (better, than):
        means = []
        for label in labels:
            cells = [table.cells.get(_place(axis, label, other)) for other in others]
            results = [result for cell in cells if cell for result in _scored(cell).values()]
            blind = blind and not any(result.above_floor for result in results)
            if results:
                means.append(sum(map(_accuracy, results)) / len(results))
        sides.append(np.array(means))
    if min(map(len, sides)) < 2:
        return None
    value = float(sides[0].mean() - sides[1].mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in sides]
    over = (
        f"{len(sides[0])} against {len(sides[1])} {_noun(table.spec.rows if axis == 'rows' else table.spec.columns)}s"
    )
    freedom = welch_freedom(parts, [len(side) for side in sides])
    difference, p = t_difference(value, sum(parts), freedom, sum(map(len, sides)))
    return Effect(difference, p, p, over, blind=blind)


def written_points(difference: float) -> str:
    """A difference of shares in points, with its sign.

    >>> written_points(0.031), written_points(-0.0002)
    ('+3.1', '0.0')
    """
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def distinct(comparisons: Sequence[TableComparison]) -> list[TableComparison]:
    """The comparisons without those whose results have all been compared in one before them."""
    found: list[TableComparison] = []
    seen: list[set[tuple[str, int]]] = []
    for comparison in comparisons:
        results = {(result.run.id, result.readout) for e in comparison.entries for result in e.results.values()}
        if not any(results <= earlier for earlier in seen):
            found.append(comparison)
            seen.append(results)
    return found


def place_title(place: Place) -> str:
    """A place of a table for people.

    >>> place_title(("VGG16", "adam")), place_title(("VGG16", ""))
    ('VGG16 / adam', 'VGG16')
    """
    return " / ".join(filter(None, place))


def validation_accuracy(result: Result) -> float | None:
    """Accuracy on the validation role of the weights that were evaluated, 0 to 1; None where it is not known.

    Of folds the mean.
    """
    if result.folds:
        values = [validation_accuracy(fold) for fold in result.folds]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None
    if result.record is None or result.chosen_epoch is None:
        return None
    for epoch in result.record.history:
        if epoch.epoch == result.chosen_epoch and np.isfinite(epoch.validation_accuracy):
            return epoch.validation_accuracy
    return None


def _entries(table: TableData, metric: Metric) -> tuple[list[Entry], dict[str, str]]:
    chosen = {choice.row: choice.column for choice in choices(table)}
    found: dict[Identity, Entry] = {}
    left_out: dict[str, str] = {}
    for place, cell in table.cells.items():
        results = _scored(cell)
        identity = _identity(results)
        if not results or (table.spec.choose and chosen.get(place[0]) != place[1]):
            continue
        if cell.unsound:
            left_out[place_title(place)] = "Its activation and loss are not a valid pair."
        elif identity in found:
            found[identity] = replace(found[identity], places=(*found[identity].places, place))
        else:
            estimates = [metric.of(result.scores) for result in results.values() if result.scores]
            several = len(estimates) > 1
            estimate = mean_estimate([one.value for one in estimates]) if several else estimates[0]
            found[identity] = Entry((place,), place_title(place), results, estimate)
    entries = list(found.values())
    tested = [{_images(result) for result in entry.results.values()} for entry in entries]
    usual = max(tested, key=tested.count, default=set())
    for entry, images in zip(entries, tested, strict=True):
        if images != usual:
            left_out[entry.title] = "It was tested on other images."
    kept = [entry for entry, images in zip(entries, tested, strict=True) if images == usual]
    sign = -1.0 if metric.higher_is_better else 1.0
    return sorted(kept, key=lambda entry: sign * entry.estimate.value), left_out


def _identity(results: Mapping[int, Result]) -> Identity:
    return tuple((result.run.id, result.readout) for result in results.values())


def _values(result: Result, metric: Metric) -> NDArray[np.generic]:
    """What each image says of a figure of a result; the result has scores."""
    if result.measured is None:
        raise ValueError(f"Expected a result with scores. Received: {result.title}, {result.status}.")
    return result.measured.values[metric.name]


def _clusters(result: Result) -> NDArray[np.int64] | None:
    """The groups of the images that a result was tested on."""
    return result.measured.clusters if result.measured else None


def _images(result: Result) -> str:
    """Names the images that a result was tested on."""
    return result.measured.images if result.measured else ""


def _scored(cell: CellData) -> dict[int, Result]:
    return {e.cell.seed: e.result for e in cell.entries if e.result is not None and e.result.scores is not None}


def _accuracy(result: Result) -> float:
    return result.scores.accuracy.value if result.scores else float("nan")


def _validation(cell: CellData) -> list[float]:
    return [value for result in _scored(cell).values() if (value := validation_accuracy(result)) is not None]


def _usual(study: Study, table: TableData, axis: Axis) -> str:
    """The position of an axis that leaves the study's recipe as it is; else the first."""

    def settings(changes: Mapping[str, object]) -> object:
        recipe, protocol = with_setting(study, changes)
        return recipe, protocol, changes.get(READOUT, recipe.epochs)

    fixed = table.spec.fixed
    try:
        usual = settings(fixed)
    except ContradictionError:
        return axis.points[0].label
    for point in axis.points:
        try:
            if settings({**fixed, **point.changes}) == usual:
                return point.label
        except ContradictionError:
            continue
    return axis.points[0].label


def _is_of_backbones(axis: Axis) -> bool:
    return all("backbone" in point.changes for point in axis.points)


def _noun(axis: Axis) -> str:
    return "backbone" if _is_of_backbones(axis) else "setting"


def _place(axis: str, label: str, other: str) -> Place:
    return (label, other) if axis == "rows" else (other, label)


def _letter(number: int) -> str:
    """a, b, ... z, then aa, ab, ...: every group has its own."""
    word = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        word = chr(ord("a") + rest) + word
    return word
