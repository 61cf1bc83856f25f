"""k-fold and leave one group out: no group on two sides, every image tested once, answers pooled."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mien.datasets.dataset import Dataset
from mien.datasets.protocol import ProtocolSpec, apply_protocol, count_folds
from mien.errors import MienError, ProtocolError
from mien.evaluation.comparison import compare
from mien.evaluation.intervals import clustered_share, t_quantile
from mien.evaluation.metrics import METRICS, score
from mien.labels import SIX
from mien.predictions import Predictions
from mien.report.compared import compare_tables
from mien.report.results import State, collect
from mien.report.tables import study_tables
from mien.study.plan import SplitFacts, make_plan
from mien.study.spec import parse_study
from support.fake_records import answers, record_of


def faces(persons: list[int], *, classes: int = 3, copies: int = 0) -> Dataset:
    """So many images of each person, of classes in turn; the first image of some persons is a copy of the last image.

    Args:
        persons: images of each person.
        classes: how many expressions.
        copies: of how many persons.
    """
    count = sum(persons)
    images = np.random.default_rng(0).integers(256, size=(count, 8, 8), dtype=np.uint8)
    groups = np.repeat([f"person {n:02d}" for n in range(len(persons))], persons)
    starts = np.cumsum([0, *persons[:-1]])
    images[starts[:copies]] = images[-1]
    names = np.array([label.value for label in SIX.expressions])
    return Dataset.from_arrays(
        images,
        names[np.arange(count) % classes],
        groups=groups,
        ids=[f"{n:04d}" for n in range(count)],
    )


def fold_of_each(dataset: Dataset, spec: ProtocolSpec) -> tuple[dict[str, int], list]:
    splits = [apply_protocol(dataset, replace(spec, fold=k + 1)) for k in range(count_folds(dataset, spec))]
    tested = [name for split in splits for name in split.test.ids.tolist()]
    assert Counter(tested) == Counter(dataset.ids.tolist())
    return {name: k for k, split in enumerate(splits) for name in split.test.ids.tolist()}, splits


@pytest.mark.parametrize("folds", [2, 5, 10, "group"])
@pytest.mark.parametrize("copies", [0, 3])
def test_no_group_and_no_copy_lies_on_two_sides_and_every_image_is_tested_once(folds, copies):
    dataset = faces([3, 9, 6, 12, 5, 7, 4, 30, 8, 6, 5, 4, 9, 3], copies=copies)
    _, splits = fold_of_each(dataset, ProtocolSpec(folds=folds))
    for split in splits:
        parts = [split.train, split.validation, split.test]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not set(parts[one].pictures.tolist()) & set(parts[other].pictures.tolist())
        persons = [set(dataset.groups[np.isin(dataset.ids, part.ids)].tolist()) for part in parts]
        assert sum(map(len, persons)) == len(set.union(*persons)) == 14
        assert sum(len(part) for part in parts) == len(dataset)
        assert len(split.validation)
    if folds == "group":
        assert len(splits) == (14 if not copies else 11)


def test_the_folds_are_those_of_scikit_learn_and_as_even():
    selection = pytest.importorskip("sklearn.model_selection")
    dataset = faces([3, 9, 6, 12, 5, 7, 4, 14, 8, 6, 5, 4, 9, 3])
    data = np.zeros(len(dataset)), dataset.labels, dataset.groups
    _, splits = fold_of_each(dataset, ProtocolSpec(folds="group"))
    ours = {frozenset(split.test.ids.tolist()) for split in splits}
    theirs = {frozenset(dataset.ids[test].tolist()) for _, test in selection.LeaveOneGroupOut().split(*data)}
    assert ours == theirs
    for folds in (2, 3, 5):
        sizes = [np.bincount(list(fold_of_each(dataset, ProtocolSpec(folds=folds))[0].values()))]
        sizes += [np.array([len(test) for _, test in selection.GroupKFold(folds).split(*data)])]
        assert np.ptp(sizes[0]) <= np.ptp(sizes[1]) + 3, sizes


def test_folds_without_groups_have_equal_shares_of_the_expressions():
    dataset = replace(faces([1] * 100, classes=4), groups=None)
    fold, _ = fold_of_each(dataset, ProtocolSpec(folds=5))
    table = np.zeros((5, 4), dtype=int)
    for name, label in zip(dataset.ids.tolist(), dataset.labels.tolist(), strict=True):
        table[fold[name], label] += 1
    assert (table == 5).all()


def test_folds_depend_on_the_images_and_the_seed_alone():
    dataset = faces([4] * 12)
    shuffled = dataset.take(np.random.default_rng(1).permutation(len(dataset)))
    first, _ = fold_of_each(dataset, ProtocolSpec(folds=4))
    assert first == fold_of_each(shuffled, ProtocolSpec(folds=4))[0]
    assert first != fold_of_each(dataset, ProtocolSpec(folds=4, seed=1))[0]


def test_the_data_sets_own_roles_do_not_count_and_that_is_said():
    dataset = faces([4] * 12)
    dataset = replace(dataset, roles=np.array(["train", "test"] * 24))
    split = apply_protocol(dataset, ProtocolSpec(folds=4, fold=2))
    assert len(split.test) == 12
    assert any("own roles do not count: every image is tested once, in one of 4 folds" in note for note in split.notes)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"folds": 1}, "folds is a number from 2, or 'group'"),
        ({"folds": "person"}, "folds is a number from 2, or 'group'"),
        ({"folds": 3, "fold": 4}, "fold is a number from 1 to 3"),
        ({"fold": 2}, "needs folds"),
        ({"folds": 3, "roles": "official"}, "Use roles = 'auto', or leave folds out"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(keys, says):
    with pytest.raises(ProtocolError, match=says):
        ProtocolSpec(**keys)


@pytest.mark.parametrize(
    ("dataset", "spec", "says"),
    [
        (faces([4] * 3), ProtocolSpec(folds=5, fold=1), "3 groups and copies that stay together.*Use folds = 3"),
        (replace(faces([4] * 3), groups=None), ProtocolSpec(folds="group", fold=1), "has no groups.*Use folds = 10"),
        (faces([4] * 5), ProtocolSpec(folds=5), "makes 5 splits.*from 1 to 5.*mien study run"),
        (faces([4] * 5), ProtocolSpec(folds="group", fold=6), "makes 5 splits.*Received: fold = 6"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_the_way_out(dataset, spec, says):
    with pytest.raises(ProtocolError, match=f"(?s){says}"):
        apply_protocol(dataset, spec)


STUDY = """
schema = 1
name = "folds"
[data]
path = "drawn"
[protocol]
folds = 3
[[tables]]
name = "rates"
rows.learning_rate = [0.001, 0.002]
metrics = ["accuracy", "macro_f1", "log_loss"]
"""


def plan_with_folds(folds: int = 3, text: str = STUDY):
    def facts(protocol: ProtocolSpec) -> SplitFacts:
        each = folds if protocol.each_fold else 0
        return SplitFacts("9f3a01bc77aa1122", f"fold-{protocol.fold}", 48, 6, 400, 60, 60, folds=each)

    return make_plan(parse_study(text), facts)


def part(fold: int, seed: int, skill: float) -> Predictions:
    found = answers(seed=seed, skill=skill)
    names = np.array([f"{fold}/{name}" for name in found.ids.tolist()])
    groups = np.array([f"{fold}-{n % 5}" for n in range(len(found))])
    return replace(found, ids=names, groups=groups)


def records_of(plan, *, without: int | None = None):
    records = {}
    for number, run in enumerate(plan.runs):
        if number != without:
            skill = 1.0 if run.recipe.learning_rate == 0.001 else 3.0
            records[run.id] = record_of(run, part(run.protocol.fold, number, skill))
    return records


def test_each_fold_is_a_run_and_a_cell_pools_their_answers(tmp_path):
    plan = plan_with_folds()
    assert [(cell.row, cell.fold) for cell in plan.cells] == [(r, f) for r in ("0.001", "0.002") for f in (1, 2, 3)]
    assert len(plan.runs) == 6
    records = records_of(plan)
    results = collect(plan, records)
    (table,) = study_tables(results)
    for row in table.rows:
        cell = table.cells[row, ""]
        (entry,) = cell.entries
        runs = [cell.run_id for cell in plan.cells if cell.row == row]
        pooled = Predictions.pooled([next(iter(records[run_id].predictions.values())) for run_id in runs])
        expected = score(pooled, SIX)
        assert expected.count == 180
        for metric in table.metrics:
            shown = cell.value(metric)
            assert shown.interval == metric.of(expected)
        assert entry.result.run_ids.split() == runs
        assert "3 folds pooled" in entry.result.title
    assert [len(results.scored), len(results.scored_runs), len(results.entries)] == [2, 6, 6]
    assert set(results.titles.values()) >= {"mien_small, learning rate 0.002, fold 2"}
    # 15 persons, and not 180 images, decide what can be told apart.
    (compared,) = compare_tables([table])
    assert compared.pairs[0].comparison.difference.count == 180
    one, other = (results.of(plan.cells[n]).measured for n in (3, 0))
    assert one.clusters is not None
    assert one.clusters.max() == 14
    assert compared.pairs[0].comparison == compare(
        one.values["accuracy"][None], other.values["accuracy"][None], one.clusters
    )


def test_a_figure_waits_for_all_its_folds():
    plan = plan_with_folds()
    results = collect(plan, records_of(plan, without=1))
    first = results.of(plan.cells[0])
    assert first.state is State.MISSING
    assert first.reason == "2 of 3 folds have figures."
    assert results.of(plan.cells[3]).state is State.COMPLETE


def test_the_report_names_the_folds(tmp_path):
    from mien.report.page import write_report
    from mien.study.store import Store

    plan = plan_with_folds()
    store = Store.create(tmp_path / "store")
    store.keep_study(STUDY)
    store.keep_plan(plan)
    for record in records_of(plan).values():
        record.write(store.run_folder(record.id))
    assert store.plan() == plan
    for _ in range(2):  # the second from the cache
        page = write_report(store.plan(), store.records(plan), tmp_path / "report", cache=store.cache)
    text = page.read_text()
    assert "3 folds pooled" in text
    assert "Each figure pools the answers of 3 folds" in text
    rows = (tmp_path / "report" / "tables" / "runs.csv").read_text().splitlines()
    assert len(rows) == 1 + 6 + 2


def persons(rng: np.random.Generator, spread: float) -> Predictions:
    """240 answers of 12 persons, of whom some are read more easily than others."""
    labels = np.tile(np.arange(3), 80)
    group = np.repeat(np.arange(12), 20)
    ease = rng.normal(0.9, spread, size=12)
    logits = rng.normal(size=(240, 3))
    logits[np.arange(240), labels] += ease[group]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(
        shares.astype(np.float32),
        np.eye(3, dtype=np.float32)[labels],
        labels,
        np.array([f"{n:03d}" for n in range(240)]),
        np.zeros(240, dtype=bool),
        np.array([f"{n}" for n in group]),
    )


@pytest.mark.parametrize("spread", [0.0, 1.2])
def test_intervals_hold_for_other_persons(spread):
    """Of 200 samples of persons, how often the interval holds the figure of all persons; over images: 70 % at 1.2."""
    from mien.labels import LabelSet

    label_set = LabelSet.parse("anger,fear,happiness")
    rng = np.random.default_rng(7)
    samples = [persons(rng, spread) for _ in range(200)]
    whole = score(Predictions.pooled([persons(rng, spread) for _ in range(300)]), label_set)
    scored = [score(sample, label_set) for sample in samples]
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "top2", "log_loss", "brier"):
        truth = METRICS[name].of(whole).value
        held = np.mean([METRICS[name].of(s).low <= truth <= METRICS[name].of(s).high for s in scored])
        assert held >= 0.9, (name, held)
    if spread:
        plain = [score(replace(sample, groups=None), label_set).accuracy for sample in samples[:40]]
        assert np.mean([e.low <= whole.accuracy.value <= e.high for e in plain]) < 0.85


def test_a_share_of_groups_of_one_image_is_nearly_wilsons():
    found = clustered_share(np.array([1, 0] * 200), np.ones(400, dtype=int))
    assert (found.low, found.high) == pytest.approx((0.4513, 0.4513 + 0.0974), abs=2e-3)
    certain = clustered_share(np.array([10] * 6), np.array([10] * 6))
    assert certain.value == certain.high == 1.0
    assert certain.low < 0.55  # six persons, and not sixty images


def test_quantiles_without_scipy(monkeypatch):
    import builtins

    exact = [t_quantile(0.975, n) for n in (1, 2, 5, 11, 200, 35_000)]
    load = builtins.__import__

    def missing(name, *args, **keys):
        if name.startswith("scipy"):
            raise ModuleNotFoundError(name)
        return load(name, *args, **keys)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert [t_quantile(0.975, n) for n in (1, 2, 5, 11, 200, 35_000)] == pytest.approx(exact, rel=1e-3)


def test_training_one_network_says_that_folds_are_several(tmp_path):
    import mien

    with pytest.raises(MienError, match="several runs.*study file"):
        mien.train(
            "drawn:count=60,size=32", settings={"protocol.folds": 2, "protocol.labels": "six"}, store=tmp_path / "store"
        )
