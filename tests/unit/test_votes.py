"""Answers against votes: FER+'s own rule, strata of agreement, the divergence."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import typer
from scipy.stats import entropy, spearmanr
from typer.testing import CliRunner

from mien.api.evaluating import evaluate
from mien.datasets.dataset import Dataset
from mien.datasets.protocol import votes_of
from mien.datasets.synthetic import draw_faces
from mien.errors import DataError
from mien.evaluation.metrics import LEAST_PROBABILITY
from mien.evaluation.votes import VoteScores, score_votes
from mien.labels import EIGHT, SEVEN, LabelSet
from mien.votes import Votes, official_majority

RANDOM = np.random.default_rng(4)
# Ten taggers, eight expressions, "unknown" and "not a face".
TEN = RANDOM.multinomial(10, RANDOM.dirichlet(np.full(10, 0.4), size=400).round(6) / 1.000001).astype(float)


def reference(row: list[float], classes: int) -> int:
    """FER+'s rule for one image, word by word."""
    kept = [0 if count <= 1 else count for count in row]
    most = max(kept)
    if most > 0.5 * sum(kept) and kept.index(most) < classes:
        return kept.index(most)
    return -1


def voted(votes: np.ndarray, label_set: LabelSet = EIGHT) -> Dataset:
    """A data set of drawn faces with these votes."""
    faces = draw_faces(len(votes), size=48, seed=1, label_set=EIGHT)
    classes = len(label_set)
    return Dataset(
        name="voted",
        images=faces.images,
        labels=votes[:, :classes].argmax(axis=1),
        label_set=label_set,
        roles=np.full(len(votes), "", dtype="U10"),
        ids=np.array([f"face {number}" for number in range(len(votes))]),
        source="voted",
        licence="none",
        votes=votes[:, :classes],
        other_votes=votes[:, classes:],
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return voted(TEN[:120])


@pytest.mark.parametrize("classes", [8, 7])
def test_the_official_rule_is_that_of_the_paper(classes):
    columns = np.array([number if number < classes else -1 for number in range(10)])
    found = official_majority(TEN, columns, classes).tolist()
    assert found == [reference(row, classes) for row in TEN.tolist()]
    assert -1 in found
    assert len(set(found)) > 5


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([5, 5, 0], -1),  # half is no majority
        ([5, 4, 1], 0),  # the single vote does not count: five of nine
        ([4, 1, 1], 0),
        ([1, 1, 1], -1),  # nothing is left
        ([2, 3, 5], -1),  # most saw no expression, and no majority
    ],
)
def test_single_votes_do_not_count_and_half_is_not_enough(votes, expected):
    assert official_majority(np.array([votes], dtype=float), np.array([0, 1, -1]), 2).tolist() == [expected]


def test_a_plurality_need_not_be_a_majority_and_a_majority_is_a_plurality(data):
    votes = votes_of(data, SEVEN)
    official, plurality = votes.official >= 0, votes.plurality >= 0
    assert (plurality & ~official).any()
    assert not (official & ~plurality).any()
    assert (votes.official == votes.plurality)[official].all()
    np.testing.assert_allclose(votes.agreement, TEN[:120].max(axis=1) / 10)


def test_the_votes_for_members_of_a_group_are_added():
    votes = votes_of(voted(np.array([[4, 3, 0, 3, 0, 0, 0, 0, 0, 0.0]])), LabelSet.parse("happiness,bad=anger+disgust"))
    assert votes.agreement.tolist() == [0.7]
    assert votes.plurality.tolist() == votes.official.tolist() == [1]


def test_all_images_that_are_left_out_are_counted(bundle):
    votes = np.tile([5, 0, 0, 0, 0, 0, 4, 0, 0, 0.0], (40, 1))
    votes[20:] = votes[20:, [6, *range(1, 6), 0, *range(7, 10)]]
    votes[0] = 0
    votes[1:3] = [5, 0, 0, 0, 0, 0, 5, 0, 0, 0]
    votes[3:6] = [1, 0, 0, 0, 0, 0, 0, 0, 9, 0]
    cleaned = replace(voted(votes), left_out=np.arange(40) >= 36)
    found = evaluate(bundle, cleaned, targets="votes")
    left_out = [int(note.split()[0]) for note in found.notes if "left out" in note]
    assert sorted(left_out) == [1, 2, 3, 4]
    assert found.scores().count == 40 - sum(left_out)


def test_perfect_answers_are_right_and_do_not_diverge(data):
    votes = votes_of(data, EIGHT)
    scores = score_votes(votes.shares, votes)
    assert scores.plurality.value == scores.official.value == 1.0
    assert scores.divergence.value == pytest.approx(0.0, abs=1e-6)
    assert scores.plurality.count > scores.official.count


def test_strata_are_the_images_with_a_plurality_once(data):
    votes = votes_of(data, EIGHT)
    answers = RANDOM.dirichlet(np.ones(8), len(data))
    scores = score_votes(answers, votes)
    right = (answers.argmax(axis=1) == votes.plurality)[votes.plurality >= 0]
    for strata in (scores.halves, scores.tenths):
        assert sum(stratum.accuracy.count for stratum in strata) == scores.plurality.count
        hits = sum(stratum.accuracy.count * stratum.accuracy.value for stratum in strata)
        assert hits == pytest.approx(right.sum())
    most = TEN[:120].max(axis=1)[votes.plurality >= 0]
    assert {stratum.name: stratum.accuracy.count for stratum in scores.tenths} == {
        f"{n} of 10": int((most == n).sum()) for n in range(10, 0, -1) if (most == n).any()
    }
    assert scores.halves[0].accuracy.count == (most > 5).sum()
    assert VoteScores.from_json(json.loads(json.dumps(scores.to_json()))) == scores


def test_the_divergence_is_log_loss_less_its_floor(data):
    votes = votes_of(data, EIGHT)
    answers = RANDOM.dirichlet(np.ones(8), len(data))
    kept = votes.plurality >= 0
    shares, given = votes.shares[kept], np.maximum(answers[kept], LEAST_PROBABILITY)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    expected = (-(shares * np.log(given)).sum(axis=1) + (shares * logs).sum(axis=1)).mean()
    assert score_votes(answers, votes).divergence.value == pytest.approx(expected)


def test_doubt_is_ranked_as_scipy_ranks_it(data):
    votes = votes_of(data, EIGHT)
    kept = votes.plurality >= 0
    answers = 0.7 * votes.shares + 0.3 * RANDOM.dirichlet(np.ones(8), len(data))
    found = score_votes(answers, votes).entropy
    doubt = [entropy(rows[kept].T).round(9) for rows in (answers, votes.shares)]
    assert found.value == pytest.approx(spearmanr(*doubt).statistic)
    assert found.low < found.value < found.high
    assert found.count == kept.sum()
    assert score_votes(np.full((len(data), 8), 1 / 8), votes).entropy is None  # as unsure of each


def test_the_votes_themselves_doubt_as_people_do_in_any_order_of_the_classes_and_either_type(data):
    votes = votes_of(data, EIGHT)
    for shares in (votes.shares, votes.shares.astype(np.float32), RANDOM.permuted(votes.shares, axis=1)):
        assert score_votes(shares, votes).entropy.value == 1


def test_the_order_of_images_changes_nothing(data):
    votes, answers = votes_of(data, EIGHT), RANDOM.dirichlet(np.ones(8), len(data))
    order = RANDOM.permutation(len(data))
    assert score_votes(answers[order], votes.of(votes.ids[order])) == score_votes(answers, votes)


def test_other_shapes_are_refused_and_images_without_a_plurality_give_no_scores(data):
    with pytest.raises(DataError, match="probabilities of shape"):
        score_votes(np.ones((3, 8)) / 8, votes_of(data, EIGHT))
    tied = votes_of(voted(np.array([[5, 5, 0, 0, 0, 0, 0, 0, 0, 0.0]] * 2)), EIGHT)
    assert score_votes(np.full((2, 8), 1 / 8), tied) is None


def test_an_evaluation_says_it_in_text_json_table_and_rows(bundle, data, tmp_path, monkeypatch):
    found = evaluate(bundle, data)
    on = list(found.frame()["on"])
    assert {"FER+'s own majority rule", "more than half of the taggers agree"} <= set(on)
    assert found.to_json()["votes"]["official_majority"]["count"] == found.vote_scores.official.count
    agreement = dict(zip(data.ids.tolist(), TEN[:120].max(axis=1) / 10, strict=True))
    assert all(row["agreement"] == pytest.approx(agreement[row["id"]]) for row in found.rows())

    from mien.cli import evaluate as module

    app = typer.Typer()
    app.command()(module.evaluate)
    monkeypatch.setattr("mien.api.evaluating.as_dataset", lambda *_, **__: data)
    shown = CliRunner().invoke(app, [bundle.source, "voted"], env={"COLUMNS": "150"}).stdout
    assert "Against the votes of the taggers" in shown
    assert f"{found.vote_scores.official}" in shown


def test_data_without_votes_have_none(bundle):
    found = evaluate(bundle, "drawn:count=20,size=48", cache=None)
    assert found.votes is None
    assert found.to_json()["votes"] is None
    assert "agreement" not in found.rows()[0]


def test_each_note_is_said_once(bundle, tmp_path):
    from mien.cli.evaluate import evaluate as command

    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [bundle.source, "drawn:count=20,size=48", "--labels", "six"])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("left out: their expression is disgust") == 1


def test_where_images_come_in_groups_the_intervals_speak_of_other_groups():
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(12), 20)
    labels = rng.integers(0, 3, len(persons))
    # Some persons are easy and others hard: their images say much the same.
    right = rng.random(len(persons)) < np.where(persons < 6, 0.95, 0.3)
    probabilities = 0.1 + 0.7 * np.eye(3)[np.where(right, labels, (labels + 1) % 3)]
    shares = np.eye(3)[labels]
    votes = Votes(
        ids=np.array([f"{number}" for number in range(len(persons))]),
        agreement=np.where(labels == 0, 0.4, 1.0),
        plurality=labels,
        official=labels,
        shares=shares,
    )
    alone, grouped = score_votes(probabilities, votes), score_votes(probabilities, votes, persons)
    pairs = [
        (alone.plurality, grouped.plurality),
        (alone.official, grouped.official),
        (alone.divergence, grouped.divergence),
        *((one.accuracy, other.accuracy) for one, other in zip(alone.tenths, grouped.tenths, strict=True)),
    ]
    for one, other in pairs:
        assert one.value == pytest.approx(other.value)
        assert other.high - other.low > 1.5 * (one.high - one.low)
    order = rng.permutation(len(persons))
    turned = replace(votes, **{field.name: getattr(votes, field.name)[order] for field in fields(votes)})
    assert score_votes(probabilities[order], turned, persons[order]) == grouped
    assert score_votes(probabilities, votes, np.arange(len(persons))) == alone
    assert score_votes(probabilities, votes, np.zeros(len(persons), dtype=np.int64)) == alone


def test_doubt_beside_that_of_the_taggers_speaks_of_other_persons():
    rng = np.random.default_rng(0)
    persons = np.repeat(np.arange(12), 20)
    hard = np.repeat(rng.random(12), 20)  # some persons' faces are hard to read, for people and for the model
    votes, sure = np.round(10 - 4 * hard), 0.95 - 0.3 * hard + rng.normal(0, 0.02, len(persons))
    shares = np.stack([votes, 10 - votes], axis=1) / 10
    known = Votes(
        ids=np.array([f"{number}" for number in range(len(persons))]),
        agreement=shares[:, 0],
        plurality=np.zeros(len(persons), dtype=np.int64),
        official=np.zeros(len(persons), dtype=np.int64),
        shares=shares,
    )
    probabilities = np.stack([sure, 1 - sure], axis=1)
    alone, grouped = (score_votes(probabilities, known, groups).entropy for groups in (None, persons))
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
