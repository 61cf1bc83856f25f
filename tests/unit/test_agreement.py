"""Agreement of taggers and doubted labels, against figures worked out by hand."""

import itertools

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation.agreement import entropy_bits, measure_agreement, one_against_rest, pairwise, strata_of
from mien.evaluation.label_noise import doubt_labels


def by_hand(votes):
    """Both figures of one image, tagger by tagger."""
    taggers = [answer for answer, number in enumerate(votes) for _ in range(int(number))]
    credit = 0.0
    for place, answer in enumerate(taggers):
        rest = np.bincount(taggers[:place] + taggers[place + 1 :], minlength=len(votes))
        best = np.flatnonzero(rest == rest.max())
        credit += (answer in best) / len(best)
    pairs = list(itertools.combinations(taggers, 2))
    return credit / len(taggers), sum(one == other for one, other in pairs) / len(pairs)


def test_agreement_is_what_counting_tagger_by_tagger_gives():
    votes = np.random.default_rng(0).multinomial(10, [0.4, 0.3, 0.2, 0.1], size=50).astype(float)
    votes = np.concatenate([votes, [[10, 0, 0, 0], [5, 5, 0, 0], [1, 1, 0, 0], [2, 2, 3, 3]]])
    expected = np.array([by_hand(row) for row in votes])
    np.testing.assert_allclose(one_against_rest(votes), expected[:, 0])
    np.testing.assert_allclose(pairwise(votes), expected[:, 1])


def test_ties_of_the_others_share_the_credit():
    # One of five against four and five: the rest prefers the other answer.
    assert one_against_rest(np.array([[5.0, 5.0]])).tolist() == [0.0]
    # The third tagger meets a tie of one and one and gave neither; each of the others meets a tie and gave neither.
    assert one_against_rest(np.array([[1.0, 1.0, 1.0]])).tolist() == [0.0]
    # Each of the two meets a rest of 2 and 1.
    assert one_against_rest(np.array([[2.0, 2.0, 0.0]]))[0] == 0.0
    # (3, 2): one of the three meets 2 and 2, half a credit each; one of the two meets 3 and 1.
    assert one_against_rest(np.array([[3.0, 2.0]]))[0] == pytest.approx(3 * 0.5 / 5)


def test_entropy_and_strata():
    votes = np.array([[10.0, 0, 0, 0], [9, 1, 0, 0], [6, 4, 0, 0], [5, 5, 0, 0]])
    assert entropy_bits(votes)[[0, 3]].tolist() == [0.0, 1.0]
    assert strata_of(votes).tolist() == ["unanimous", "unanimous", "clear", "ambiguous"]


def test_images_with_one_vote_say_nothing():
    measured = measure_agreement(np.array([[4.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert measured.pairwise.count == 1
    assert measured.one_against_rest.value == 1.0
    assert [stratum.share.value for stratum in measured.strata] == [1.0, 0.0, 0.0]
    assert measured.to_json()["strata"][1]["one_against_rest"] is None


def test_agreement_on_the_images_of_persons_speaks_of_other_persons():
    persons = np.repeat(np.arange(10), 20)
    votes = np.where((persons < 5)[:, None], [10.0, 0.0], [6.0, 4.0])
    alone, grouped = measure_agreement(votes), measure_agreement(votes, persons)
    shares = [(one.share, other.share) for one, other in zip(alone.strata[:2], grouped.strata[:2], strict=True)]
    pairs = [(alone.pairwise, grouped.pairwise), (alone.one_against_rest, grouped.one_against_rest), *shares]
    for one, other in pairs:
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low > 2 * (one.high - one.low)
        assert other.high <= 1


@pytest.mark.parametrize("votes", [[[1.0, 0.0]], [[1.5, 2.0]], [[-1.0, 3.0]]])
def test_votes_that_say_nothing_of_agreement_are_refused(votes):
    with pytest.raises(DataError):
        measure_agreement(np.array(votes))


def test_planted_wrong_labels_lead_the_ranking_of_doubts():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 60)
    logits = rng.normal(0, 0.3, (180, 3))
    logits[np.arange(180), truth] += 2.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    wrong = [5, 70, 130]
    labels[wrong] = (truth[wrong] + 1) % 3
    doubts = doubt_labels(shares, labels)
    assert set(doubts.index.tolist()) == set(wrong)
    assert dict(zip(doubts.index.tolist(), doubts.answers.tolist(), strict=True)) == {n: truth[n] for n in wrong}
    margins = doubts.other - doubts.own
    assert (np.diff(margins) <= 0).all()


def test_labels_that_the_network_agrees_with_are_not_doubted():
    shares = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert len(doubt_labels(shares, np.array([0, 1]))) == 0
    with pytest.raises(DataError, match="probabilities"):
        doubt_labels(shares, np.array([0]))
