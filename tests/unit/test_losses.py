"""Losses and metrics of training against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import balanced_accuracy_score

keras = pytest.importorskip("keras")

from mien.study.recipe import Recipe, TeacherSpec  # noqa: E402
from mien.training.heads import HeadsLoss, HeadSoftmax  # noqa: E402
from mien.training.losses import BalancedAccuracy, SmoothedLoss, TaughtLoss, logit_offsets, loss_of, metrics_of  # noqa: E402

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
TARGETS = RNG.dirichlet((1, 1, 1, 1), 20).astype(np.float32)
SHARES = np.array([0.7, 0.2, 0.1, 0.0])


def given_targets() -> np.ndarray:
    """Of a training role whose classes have these shares."""
    return np.eye(4)[np.repeat(np.arange(4), (700, 200, 100, 0))]


def values(loss, targets=TARGETS, logits=LOGITS) -> np.ndarray:
    return keras.ops.convert_to_numpy(loss.call(keras.ops.convert_to_tensor(targets), keras.ops.softmax(logits)))


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logit_adjustment_is_the_cross_entropy_of_shifted_logits(strength, smoothing):
    recipe = Recipe(logit_adjustment=strength, label_smoothing=smoothing)
    prior = np.array([700, 200, 100, 1]) / 1001  # a class without images counts as if it had one
    expected = -(TARGETS * (1 - smoothing) + smoothing / 4) * log_softmax(LOGITS + strength * np.log(prior), axis=1)
    found = values(loss_of(recipe, logit_offsets(recipe, given_targets())))
    np.testing.assert_allclose(found, expected.sum(axis=1), rtol=1e-4)


def test_a_network_that_knows_the_shares_alone_answers_evenly_under_adjustment():
    """Of equal logits the adjusted loss is that of the shares themselves, the least that can be had from them."""
    recipe = Recipe(logit_adjustment=1.0)
    offsets = logit_offsets(recipe, given_targets())
    targets = given_targets()[::10].astype(np.float32)
    found = values(loss_of(recipe, offsets), targets, np.zeros((100, 4), np.float32)).mean()
    known = SHARES[:3]
    assert found == pytest.approx(-(known * np.log(known)).sum(), abs=2e-3)


def test_a_hopeless_image_still_teaches_under_adjustment():
    logits = keras.Variable(np.array([[50.0, -20.0, 0.0, 0.0]], np.float32))
    loss = SmoothedLoss("categorical_crossentropy", 0.0, "softmax", (0.0, -1.0, -2.0, -3.0))
    target = np.array([[0.0, 1.0, 0.0, 0.0]], np.float32)
    step = 1.0
    moved = logits.value + keras.ops.convert_to_tensor([[0.0, step, 0.0, 0.0]])
    before, after = (float(loss.call(target, keras.ops.softmax(z))[0]) for z in (logits.value, moved))
    assert before - after == pytest.approx(step, rel=0.02)


def test_without_adjustment_nothing_is_added():
    recipe = Recipe()
    assert logit_offsets(recipe, given_targets()) == ()
    expected = -(TARGETS * log_softmax(LOGITS, axis=1)).sum(axis=1)
    np.testing.assert_allclose(values(loss_of(recipe)), expected, rtol=1e-4)


SIZES = (4, 3)
HEADS = Recipe(heads=("votes", "labels"), label_smoothing=0.1, logit_adjustment=0.5)
BOTH_LOGITS = RNG.normal(0, 3, (20, 7)).astype(np.float32)
# Targets for both heads in the first images, for one of them in some, and for neither in the last.
BOTH = np.concatenate([TARGETS, RNG.dirichlet((1, 1, 1), 20).astype(np.float32)], axis=1)
BOTH[8:12, 4:] = 0
BOTH[12:18, :4] = 0
BOTH[18:] = 0


def heads_loss(recipe: Recipe = HEADS) -> HeadsLoss:
    return loss_of(recipe, logit_offsets(recipe, BOTH), SIZES)


def head_losses(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The mean of both heads' losses by NumPy."""
    total = np.zeros(len(targets))
    for place in (slice(0, 4), slice(4, 7)):
        own, classes = targets[:, place], targets[:, place].shape[1]
        there = own.sum(axis=1) > 0
        mass = np.maximum(BOTH[:, place].sum(axis=0), 1)
        likely = log_softmax(logits[:, place] + 0.5 * np.log(mass / mass.sum()), axis=1)
        total -= there * ((0.9 * own + 0.1 / classes) * likely).sum(axis=1) / 2
    return total


def both_softmaxes(logits):
    return HeadSoftmax(SIZES)(keras.ops.convert_to_tensor(logits))


def test_the_loss_of_two_heads_is_the_mean_of_what_each_has_targets_for():
    found = keras.ops.convert_to_numpy(heads_loss().call(BOTH, both_softmaxes(BOTH_LOGITS)))
    np.testing.assert_allclose(found, head_losses(BOTH, BOTH_LOGITS), rtol=1e-4, atol=1e-6)
    assert (found[18:] == 0).all()


def test_teachers_teach_the_first_head_where_it_has_targets():
    spec = TeacherSpec(models=("a",), share=0.3, temperature=2.0)
    recipe = Recipe(heads=("votes", "labels"), teacher=spec)
    loss = loss_of(recipe, (), SIZES)
    said = softmax(RNG.normal(0, 2, (20, 4)), axis=1).astype(np.float32)
    found = keras.ops.convert_to_numpy(loss.call(np.concatenate([BOTH, said], axis=1), both_softmaxes(BOTH_LOGITS)))
    first, second = (
        -(BOTH[:, place] * log_softmax(BOTH_LOGITS[:, place], axis=1)).sum(axis=1)
        for place in (slice(0, 4), slice(4, 7))
    )
    softened = log_softmax(BOTH_LOGITS[:, :4] / 2.0, axis=1)
    apart = (said * (np.log(said) - softened)).sum(axis=1) * 4 * (BOTH[:, :4].sum(axis=1) > 0)
    np.testing.assert_allclose(found, (0.3 * apart + 0.7 * first + second) / 2, rtol=1e-4, atol=1e-6)
    # Of the validation role, of which no teacher is asked, the targets alone count.
    found = keras.ops.convert_to_numpy(loss.call(BOTH, both_softmaxes(BOTH_LOGITS)))
    np.testing.assert_allclose(found, (first + second) / 2, rtol=1e-4, atol=1e-6)


def test_a_blend_of_a_target_and_none_counts_as_much_as_there_is_of_it():
    half = BOTH.copy()
    half[:, :4] *= 0.5
    loss = loss_of(Recipe(heads=("votes", "labels"), label_smoothing=0.1), (), SIZES)
    whole, less = (keras.ops.convert_to_numpy(loss.call(y, both_softmaxes(BOTH_LOGITS))) for y in (BOTH, half))
    np.testing.assert_allclose(less[8:12], whole[8:12] / 2, rtol=1e-5)


@pytest.mark.parametrize("recipe", [HEADS, Recipe(heads=("votes", "labels"))], ids=["all", "plain"])
def test_a_head_is_moved_by_the_images_that_it_has_targets_for_and_by_no_other(recipe):
    layer = keras.layers.Dense(7, use_bias=False)
    model = keras.Sequential([keras.Input((20,)), layer, HeadSoftmax(SIZES, name="activation")])
    model.compile(keras.optimizers.SGD(1.0), loss=heads_loss(recipe))
    before = layer.get_weights()[0].copy()
    # Row i of the kernel meets image i alone.
    model.train_on_batch(np.eye(20, dtype=np.float32), BOTH)
    moved = np.abs(layer.get_weights()[0] - before) > 0
    for place in (slice(0, 4), slice(4, 7)):
        np.testing.assert_array_equal(moved[:, place].any(axis=1), BOTH[:, place].sum(axis=1) > 0)


def test_the_figures_of_a_history_are_of_the_first_head_where_it_has_targets():
    answers = keras.ops.convert_to_numpy(both_softmaxes(BOTH_LOGITS))
    there = BOTH[:, :4].sum(axis=1) > 0
    right, given = BOTH[there, :4].argmax(axis=1), answers[there, :4].argmax(axis=1)
    accuracy, balanced = metrics_of(Recipe(heads=("votes", "labels"), select="best_balanced_accuracy"), 4)
    for metric in (accuracy, balanced):
        for part in (slice(0, 7), slice(7, 20)):
            metric.update_state(BOTH[part], answers[part])
    assert float(accuracy.result()) == pytest.approx((right == given).mean())
    assert float(balanced.result()) == pytest.approx(balanced_accuracy_score(right, given))


def test_what_knows_of_heads_survives_its_configuration():
    loss, layer = heads_loss(), HeadSoftmax(SIZES)
    answers = layer(BOTH_LOGITS)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (answers, again(BOTH_LOGITS))))
    again = type(loss).from_config(loss.get_config())
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one.call(BOTH, answers)) for one in (loss, again)))


SMOOTHED = SmoothedLoss("categorical_crossentropy", 0.1, "softmax", (0.1, -0.2, 0.3, 0.0))


@pytest.mark.parametrize("loss", [SMOOTHED, TaughtLoss(SMOOTHED, 0.3, 2.0)], ids=lambda loss: loss.name)
def test_a_loss_survives_its_configuration(loss):
    again = type(loss).from_config(loss.get_config())
    targets = np.concatenate([TARGETS, TARGETS[::-1]], axis=1) if isinstance(loss, TaughtLoss) else TARGETS
    np.testing.assert_array_equal(values(again, targets), values(loss, targets))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_loss_with_teachers_is_the_divergence_at_the_temperature_and_that_of_the_targets(temperature, share):
    recipe = Recipe(label_smoothing=0.1, teacher=TeacherSpec(models=("a",), share=share, temperature=temperature))
    said = softmax(RNG.normal(0, 2, TARGETS.shape), axis=1).astype(np.float32)
    answered = softmax(LOGITS / temperature, axis=1)
    apart = (said * np.log(said / answered)).sum(axis=1) * temperature**2
    own = -((TARGETS * 0.9 + 0.1 / 4) * log_softmax(LOGITS, axis=1)).sum(axis=1)
    found = values(loss_of(recipe), np.concatenate([TARGETS, said], axis=1))
    np.testing.assert_allclose(found, share * apart + (1 - share) * own, rtol=2e-4, atol=1e-5)
    # Of the validation role, the targets alone count.
    np.testing.assert_allclose(values(loss_of(recipe)), own, rtol=1e-4)


def test_a_network_that_answers_as_its_teachers_do_loses_nothing_to_them():
    loss = TaughtLoss(SmoothedLoss("categorical_crossentropy", 0.0), 1.0, 2.0)
    same = np.concatenate([TARGETS, softmax(LOGITS / 2, axis=1)], axis=1).astype(np.float32)
    assert np.abs(values(loss, same)).max() < 1e-5


def test_accuracy_is_of_the_targets_whatever_the_teachers_say():
    recipe = Recipe(select="best_balanced_accuracy", teacher=TeacherSpec(models=("a",)))
    outputs = np.eye(4, dtype=np.float32)[[0, 1, 1, 3]]
    targets = np.eye(4, dtype=np.float32)[[0, 1, 2, 3]]
    for metric in metrics_of(recipe, 4):
        for given in (targets, np.concatenate([targets, targets[::-1]], axis=1)):
            metric.reset_state()
            metric.update_state(given, outputs)
            assert float(metric.result()) == pytest.approx(0.75)


def test_balanced_accuracy_over_batches_is_that_of_scikit_learn():
    labels = RNG.integers(0, 3, 90)  # of four classes one has no image
    outputs = softmax(RNG.normal(0, 1, (90, 4)) + 2 * np.eye(4)[labels], axis=1)
    metric = BalancedAccuracy(4)
    assert float(metric.result()) == 0
    for part in np.split(np.arange(90), 3):
        metric.update_state(np.eye(4, dtype=np.float32)[labels[part]], outputs[part].astype(np.float32))
    right = outputs.argmax(axis=1) == labels
    expected = np.mean([right[labels == c].mean() for c in range(3)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    among = outputs[:, :3].argmax(axis=1)
    metric.reset_state()
    metric.update_state(np.eye(4, dtype=np.float32)[labels], np.eye(4, dtype=np.float32)[among])
    assert float(metric.result()) == pytest.approx(balanced_accuracy_score(labels, among), abs=1e-6)
