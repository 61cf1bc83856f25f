"""Several heads on one backbone: their outputs and targets stand side by side along one axis.

So a network with heads is a network like others: one input, one output (N, K + L + ...), one array of targets. What
knows of heads is the softmax at its end, the loss, the metrics, and whoever takes one head out of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras


def places_of(sizes: Sequence[int]) -> list[slice]:
    """The columns of each head.

    >>> places_of((8, 7))
    [slice(0, 8, None), slice(8, 15, None)]
    """
    ends = itertools.accumulate(sizes, initial=0)
    return [slice(start, end) for start, end in itertools.pairwise(ends)]


def sizes_of(network: keras.Model) -> tuple[int, ...]:
    """How many classes each head of a network has, whether it has one or several."""
    last = network.layers[-1]
    return last.sizes if isinstance(last, HeadSoftmax) else (int(network.output_shape[-1]),)


@keras.saving.register_keras_serializable(package="mien")
class HeadSoftmax(keras.layers.Layer):
    """A softmax over the columns of each head by itself.

    Args:
        sizes: how many columns each head has.
    """

    def __init__(self, sizes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = tuple(sizes)

    def call(self, logits: Any) -> Any:
        """Probabilities, (N, K + L + ...), of logits of that shape."""
        parts = [keras.ops.softmax(logits[:, place], axis=-1) for place in places_of(self.sizes)]
        return keras.ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape that goes in."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "sizes": self.sizes}


@keras.saving.register_keras_serializable(package="mien")
class HeadsLoss(keras.losses.Loss):
    """The mean of the losses of several heads.

    A head's loss counts as its target sums: wholly where an image has one, not at all where the target is zeros, and in
    part where an image with a target was blended with one without.

    Args:
        own: the loss of each head.
        sizes: how many columns each head has.
    """

    def __init__(self, own: Sequence[keras.losses.Loss], sizes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**{"name": "heads", **kwargs})
        self.own, self.sizes = list(own), tuple(sizes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample, shape (N,).

        Args:
            y_true: targets, shape (N, K + L + ...); behind them, where there are teachers, what they say of the first
                head, in K columns more.
            y_pred: shape (N, K + L + ...).
        """
        said = y_true[:, sum(self.sizes) :]
        total = 0.0
        for number, (loss, place) in enumerate(zip(self.own, places_of(self.sizes), strict=True)):
            targets = y_true[:, place]
            mass = keras.ops.sum(targets, axis=-1)
            whole = targets / keras.ops.maximum(mass, keras.config.epsilon())[:, None]
            if number == 0 and said.shape[-1]:
                whole = keras.ops.concatenate([whole, said], axis=-1)
            total = total + mass * loss.call(whole, y_pred[:, place])
        return total / len(self.sizes)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the loss."""
        own = [keras.saving.serialize_keras_object(loss) for loss in self.own]
        return {**super().get_config(), "own": own, "sizes": self.sizes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HeadsLoss:
        """The loss that `get_config` described."""
        return cls(**{**config, "own": [keras.saving.deserialize_keras_object(loss) for loss in config["own"]]})


@keras.saving.register_keras_serializable(package="mien")
class FirstHeadAccuracy(keras.metrics.Mean):
    """The accuracy of the first of several heads, over the samples that it has a target for.

    Args:
        classes: of the first head.
        name: in the logs.
    """

    def __init__(self, classes: int, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.classes = classes

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: targets and outputs of all heads, of shape (N, K + L + ...)."""
        targets = y_true[:, : self.classes]
        right = keras.metrics.categorical_accuracy(targets, y_pred[:, : self.classes])
        super().update_state(right, sample_weight=keras.ops.any(targets > 0, axis=-1))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the metric."""
        return {**super().get_config(), "classes": self.classes}
