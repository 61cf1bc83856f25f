"""A bundle's network, ready to answer."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bundle import FEATURES_OUTPUT, LOGITS_OUTPUT, MODEL_INPUT, Bundle
from mien.channels import count_of, with_channel_axis
from mien.errors import BundleError, DataError, MienError
from mien.inference import runtime

GOLDEN_TOLERANCE = 1e-4
_FACES_AT_ONCE = 16


class Classifier:
    """Gives the probabilities of a bundle's labels. May be used from several threads at once.

    Args:
        bundle: the model.
        threads: threads of the runtime; None for as many as there are cores.
        provider: what computes, see `mien.inference.runtime.start`.
        ask_golden: whether the golden example is asked first; an export compares a thousand images instead.

    Raises:
        BundleError: the model does not load, has other inputs or outputs than a bundle's model has, or does not
            answer the bundle's golden crops as it did when the bundle was made.
        MienError: onnxruntime has no such provider.
    """

    def __init__(
        self, bundle: Bundle, *, threads: int | None = None, provider: str = "cpu", ask_golden: bool = True
    ) -> None:
        self.bundle = bundle
        self._given: dict[str, Any] = {"threads": threads, "provider": provider}
        try:
            self._session: Any = runtime.start(bundle.onnx, threads=threads, provider=provider)
        except MienError:
            raise
        except Exception as error:  # the runtime's own exception classes share no base below Exception
            raise BundleError(f"The model of {bundle.source} does not load: {runtime.first_line(error)}") from error
        self._check_signature()
        if ask_golden:
            self._check_golden()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the network is loaded anew, and has to answer the golden example there."""
        return partial(Classifier, **self._given), (self.bundle,)

    @property
    def has_features(self) -> bool:
        """Whether a class activation map can be drawn: the model gives features and the bundle their weights."""
        return self.bundle.cam_weights is not None and FEATURES_OUTPUT in self._output_names()

    def predict(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities of the labels.

        Args:
            crops: shape (N, H, W, 1) or (N, H, W), gray, or (N, H, W, 3), RGB, as the bundle's crop rule says; uint8.

        Returns:
            Shape (N, classes), float64, each row summing to 1: softmax of the logits over the temperature.

        Raises:
            DataError: the crops have another shape or type.
        """
        (logits,) = self._run([LOGITS_OUTPUT], crops)
        return softmax(logits.astype(np.float64) / self.bundle.temperature)

    def features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The feature maps before the head's averaging.

        Args:
            crops: as for `predict`.

        Returns:
            Shape (N, h, w, channels), float32.

        Raises:
            BundleError: the model has no such output.
        """
        if FEATURES_OUTPUT not in self._output_names():
            raise BundleError(f"The model {self.bundle.name} has no output {FEATURES_OUTPUT!r}.")
        (features,) = self._run([FEATURES_OUTPUT], crops)
        return np.asarray(features, dtype=np.float32)

    def _run(self, outputs: list[str], crops: NDArray[np.uint8]) -> list[NDArray[Any]]:
        size = self.bundle.crop_rule.size
        expected = (size, size, count_of(self.bundle.channels))
        crops = with_channel_axis(crops)
        if crops.dtype != np.uint8 or crops.shape[1:] != expected:
            raise DataError(
                f"{self.bundle.name} takes crops of shape (N, {', '.join(map(str, expected))}), uint8. "
                f"Received: {crops.shape}, {crops.dtype}."
            )
        # In parts: more faces at once take more memory and are not faster.
        parts = [crops[start : start + _FACES_AT_ONCE] for start in range(0, max(1, len(crops)), _FACES_AT_ONCE)]
        answers = [self._session.run(outputs, {MODEL_INPUT: np.ascontiguousarray(part)}) for part in parts]
        return [np.concatenate(output) for output in zip(*answers, strict=True)]

    def _output_names(self) -> list[str]:
        return [output.name for output in self._session.get_outputs()]

    def _check_signature(self) -> None:
        inputs = [(entry.name, entry.type) for entry in self._session.get_inputs()]
        if inputs != [(MODEL_INPUT, "tensor(uint8)")] or LOGITS_OUTPUT not in self._output_names():
            raise BundleError(
                f"The model of {self.bundle.source} is not a bundle's model. Expected: one input {MODEL_INPUT!r} of "
                f"uint8 and an output {LOGITS_OUTPUT!r}. Received: inputs {inputs}, outputs {self._output_names()}."
            )

    def _check_golden(self) -> None:
        golden = self.bundle.golden
        try:
            received = self.predict(golden.crops)
        except DataError:
            raise
        except Exception as error:  # as above: a graph that loads can still refuse the input's shape
            raise BundleError(f"The model of {self.bundle.source} does not run: {runtime.first_line(error)}") from error
        if received.shape != golden.probabilities.shape:
            raise BundleError(
                f"The model of {self.bundle.source} gives {received.shape[1]} probabilities for "
                f"{len(self.bundle.label_set)} labels."
            )
        difference = float(np.abs(received - golden.probabilities).max())
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleError(
                f"The model of {self.bundle.source} does not answer as it did when the bundle was made: its golden "
                f"example differs by {difference:.2g}, allowed is {GOLDEN_TOLERANCE:g}."
            )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis, without overflow."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)
