"""What a network is trained on and judged by after each epoch: the loss of a recipe, and its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.study.recipe import Recipe
from mien.training.heads import FirstHeadAccuracy, HeadsLoss, places_of

# The activation whose logits give a loss the same value, more accurately.
_OF_LOGITS = {"categorical_crossentropy": "softmax", "binary_crossentropy": "sigmoid"}

# A softmax underflows, and a logarithm does not take zero; this is near the least number of float32.
_SMALLEST = 1e-37


@keras.saving.register_keras_serializable(package="mien")
class SmoothedLoss(keras.losses.Loss):
    """Any loss, with a share of each target spread evenly over the classes (Szegedy et al., 2016).

    One rule for all losses: Keras' own smoothing of binary cross-entropy pulls towards one half instead, and its mean
    squared error has none.

    Args:
        loss: name of a Keras loss of targets and outputs, each of shape (N, classes).
        share: in [0, 1); zero leaves the targets as they are.
        activation: what the outputs come from.
        offsets: what is added to the logits of a softmax first, one a class (see `logit_offsets`); empty for nothing.
    """

    def __init__(
        self, loss: str, share: float, activation: str = "softmax", offsets: Sequence[float] = (), **kwargs: Any
    ) -> None:
        super().__init__(**{"name": loss, **kwargs})
        self.loss, self.share, self.activation, self.offsets = loss, share, activation, tuple(offsets)
        self._function = keras.losses.get(loss)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample, shape (N,)."""
        smoothed = y_true * (1 - self.share) + self.share / y_pred.shape[-1]
        if self.offsets:
            logits = _log(y_pred) + keras.ops.convert_to_tensor(self.offsets, dtype=y_pred.dtype)
            return keras.losses.categorical_crossentropy(smoothed, logits, from_logits=True)
        if _OF_LOGITS.get(self.loss) != self.activation:
            # On TensorFlow, Keras leads a cross-entropy around softmax and sigmoid to the logits, for accuracy, and
            # whichever of the two it was: a sigmoid head would be trained as a softmax. A new tensor has no such way.
            y_pred = y_pred * 1.0
        return self._function(smoothed, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the loss."""
        return {
            **super().get_config(),
            "loss": self.loss,
            "share": self.share,
            "activation": self.activation,
            "offsets": self.offsets,
        }


@keras.saving.register_keras_serializable(package="mien")
class TaughtLoss(keras.losses.Loss):
    """A loss of the targets, and how far the network is from what teachers say (Hinton et al., 2015).

    The latter is the Kullback-Leibler divergence of the network's answers from the teachers', both at the temperature,
    times its square: so its gradients are as large as those of the targets, whatever the temperature.

    Args:
        own: of the targets.
        share: of the teachers' part, in (0, 1].
        temperature: above 0.
    """

    def __init__(self, own: keras.losses.Loss, share: float, temperature: float, **kwargs: Any) -> None:
        super().__init__(**{"name": f"taught_{own.name}", **kwargs})
        self.own, self.share, self.temperature = own, share, temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample, shape (N,).

        Args:
            y_true: shape (N, 2 * classes): targets, and the teachers' answers at the temperature; or (N, classes), as
                of the validation role, where the targets alone count.
            y_pred: shape (N, classes), of a softmax.
        """
        classes = y_pred.shape[-1]
        if y_true.shape[-1] == classes:
            return self.own.call(y_true, y_pred)
        taught = y_true[:, classes:]
        answered = keras.ops.log_softmax(_log(y_pred) / self.temperature, axis=-1)
        apart = keras.ops.sum(taught * (_log(taught) - answered), axis=-1) * self.temperature**2
        return self.share * apart + (1 - self.share) * self.own.call(y_true[:, :classes], y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the loss."""
        own = keras.saving.serialize_keras_object(self.own)
        return {**super().get_config(), "own": own, "share": self.share, "temperature": self.temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TaughtLoss:
        """The loss that `get_config` described."""
        return cls(**{**config, "own": keras.saving.deserialize_keras_object(config["own"])})


def logit_offsets(recipe: Recipe, targets: NDArray[np.floating]) -> tuple[float, ...]:
    """What logit adjustment (Menon et al., 2021) adds to the logits in the loss.

    Args:
        recipe: its `logit_adjustment` is the strength.
        targets: shape (N, classes), of the training role; of several heads side by side, where a number that is the
            same for all classes of a head changes nothing.

    Returns:
        One number a class: the strength times the logarithm of its share, where a class that no target names counts as
        if one image had it. Empty where there is no adjustment.
    """
    if not recipe.logit_adjustment:
        return ()
    mass = np.maximum(targets.sum(axis=0, dtype=np.float64), 1.0)
    return tuple(float(value) for value in recipe.logit_adjustment * np.log(mass / mass.sum()))


def loss_of(recipe: Recipe, offsets: Sequence[float] = (), sizes: Sequence[int] = ()) -> keras.losses.Loss:
    """The loss of a recipe.

    Args:
        recipe: what is trained.
        offsets: of the logits (see `logit_offsets`).
        sizes: how many classes each of its heads has, where it has several.
    """
    if recipe.heads:
        # Offsets in any case: with them a loss is taken of logits, which are exact where a probability underflows.
        offsets = tuple(offsets) or (0.0,) * sum(sizes)
        first, *others = (_own_loss(recipe, offsets[place]) for place in places_of(sizes))
        return HeadsLoss([_taught(first, recipe), *others], sizes)
    return _taught(_own_loss(recipe, offsets), recipe)


def _own_loss(recipe: Recipe, offsets: Sequence[float]) -> keras.losses.Loss:
    """Of the targets of one head."""
    return SmoothedLoss(recipe.loss, recipe.label_smoothing, recipe.activation, offsets)


def _taught(loss: keras.losses.Loss, recipe: Recipe) -> keras.losses.Loss:
    """The same with what teachers say, where the recipe has teachers."""
    if not recipe.teacher.models:
        return loss
    return TaughtLoss(loss, recipe.teacher.share, recipe.teacher.temperature)


def metrics_of(recipe: Recipe, classes: int) -> list[keras.metrics.Metric]:
    """What a recipe's epochs are judged by beside the loss: "accuracy", and "balanced_accuracy" where it chooses.

    Args:
        recipe: what is trained.
        classes: of its first head.
    """
    metrics: list[keras.metrics.Metric] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if recipe.heads:
        metrics = [FirstHeadAccuracy(classes)]
    elif recipe.teacher.models:
        metrics = [keras.metrics.MeanMetricWrapper(_accuracy, name="accuracy")]
    if recipe.select == "best_balanced_accuracy":
        metrics.append(BalancedAccuracy(classes))
    return metrics


@keras.saving.register_keras_serializable(package="mien")
class BalancedAccuracy(keras.metrics.Metric):
    """The mean of the classes' recalls, over the classes that the targets name. The largest target is the label.

    Args:
        classes: how many.
        name: in the logs.
    """

    def __init__(self, classes: int, name: str = "balanced_accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.hits = self.add_variable((classes,), initializer="zeros", name="hits")
        self.counts = self.add_variable((classes,), initializer="zeros", name="counts")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets and outputs, (N, classes) each; of more columns the first count."""
        targets = y_true[:, : self.classes]
        labels = keras.ops.argmax(targets, axis=-1)
        there = keras.ops.any(targets > 0, axis=-1)  # one of several heads can lack a target
        each = keras.ops.one_hot(labels, self.classes) * keras.ops.cast(there, "float32")[:, None]
        answers = keras.ops.argmax(y_pred[:, : self.classes], axis=-1)
        right = keras.ops.cast(keras.ops.equal(labels, answers), each.dtype)
        self.hits.assign_add(keras.ops.sum(each * right[:, None], axis=0))
        self.counts.assign_add(keras.ops.sum(each, axis=0))

    def result(self) -> Any:
        """The figure so far; 0 before the first batch."""
        recalls = self.hits / keras.ops.maximum(self.counts, 1.0)
        seen = keras.ops.sum(keras.ops.cast(keras.ops.greater(self.counts, 0.0), recalls.dtype))
        return keras.ops.sum(recalls) / keras.ops.maximum(seen, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the metric."""
        return {**super().get_config(), "classes": self.classes}


def _log(probabilities: Any) -> Any:
    return keras.ops.log(keras.ops.maximum(probabilities, _SMALLEST))


def _accuracy(y_true: Any, y_pred: Any) -> Any:
    """Whether the largest output is where the target is largest, (N,); what teachers say stands behind the targets."""
    return keras.metrics.categorical_accuracy(y_true[:, : y_pred.shape[-1]], y_pred)
