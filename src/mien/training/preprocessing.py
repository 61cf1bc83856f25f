"""Preprocessing inside the network: Keras layers whose state is fitted once and saved with the weights.

The layers follow one another: colours to gray where that is asked for, rescale, sample-wise, feature-wise, ZCA
whitening, resize, gray to three channels, and the scaling of the backbone's ImageNet weights. All compute in float32,
whatever the precision of the backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from mien.channels import Channels, channels_of, count_of
from mien.errors import NetworkError
from mien.picked import Picked
from mien.study.recipe import PreprocessingSpec

Shape = tuple[int | None, ...]

# factor and offset of the scalings that treat all channels alike, for pixels 0..255
_LINEAR: dict[str, tuple[float, float]] = {"none": (1.0, 0.0), "unit": (1 / 255, 0.0), "signed": (1 / 127.5, -1.0)}

# ImageNet's statistics per channel, as the authors of the pretrained weights used them
_TORCH_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_TORCH_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68], dtype=np.float32)

# What red, green and blue are of gray: ITU-R BT.601 luma
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

# Deviations below this share of the pixels' range count as this: a constant image or pixel becomes zeros, not noise.
_LEAST_STD = 1e-5

_BLOCK = 1024  # images that one step of the fit holds as float64: 19 MB at 48x48


@dataclass(frozen=True, eq=False)
class Statistics:
    """What feature-wise preprocessing and ZCA whitening know of the training role.

    Attributes:
        mean: shape (C,) or (H, W, C), float32, C the channels that are left: of pixels after rescaling and
            sample-wise normalisation.
        std: of the shape of `mean`, float32, positive; None when nothing is divided.
        whitening: shape (H * W * C, H * W * C), float32, symmetric; None without ZCA.
        count: images they were computed from.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32] | None
    whitening: NDArray[np.float32] | None
    count: int


def left_channels(channels: Channels, spec: PreprocessingSpec) -> int:
    """How many channels of images are left for what follows the turning gray."""
    return 1 if spec.channels == "gray" else count_of(channels)


def _linear(rescale: str) -> tuple[float, float]:
    if rescale not in _LINEAR:
        raise NetworkError(
            f"Expected a rescaling that is one of {', '.join(_LINEAR)}. Received: {rescale!r}. "
            "Use Recipe.resolved, which works 'auto' out."
        )
    return _LINEAR[rescale]


def _least_std(rescale: str) -> float:
    return _LEAST_STD * 255 * _linear(rescale)[0]


def fit_statistics(
    images: NDArray[np.uint8] | Picked[np.uint8],
    spec: PreprocessingSpec,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Statistics | None:
    """Compute what the preprocessing needs to know of the training role, in one pass.

    The images are read once, in blocks; sums are float64. ZCA whitening takes the eigenvectors U and eigenvalues v
    of the pixels' covariance and is U (v + epsilon)^-1/2 U^T (Bell & Sejnowski, 1997).

    Args:
        images: shape (N, H, W), or (N, H, W, 3) in colour, uint8, the training role alone.
        spec: the preprocessing of a resolved recipe.
        progress: called with the images read so far and their total.

    Returns:
        The statistics, or None when `spec` needs none.

    Raises:
        NetworkError: there are no images, or `spec` is not resolved.
    """
    if not spec.needs_fit:
        return None
    if images.ndim not in (3, 4) or len(images) == 0:
        raise NetworkError(
            f"Preprocessing is fitted on images of shape (N, H, W) or (N, H, W, 3), N > 0. Received: {images.shape}."
        )
    count, (height, width), channels = len(images), images.shape[1:3], left_channels(channels_of(images), spec)
    pixels = height * width * channels
    total, squares = np.zeros(pixels), np.zeros(pixels)
    products = np.zeros((pixels, pixels)) if spec.zca else None
    # Sums about the middle of the range rather than about zero keep their differences exact to the last digits.
    middle = 0.0 if spec.samplewise_center else float(np.dot(_linear(spec.rescale), (127.5, 1.0)))
    done = 0
    for block in _blocks(images, spec):
        block -= middle
        total += block.sum(axis=0)
        if products is None:
            squares += np.einsum("ij,ij->j", block, block)
        else:
            products += block.T @ block
        done += len(block)
        if progress is not None:
            progress(done, count)
    mean = total / count
    if products is not None:
        products /= count
        products -= np.outer(mean, mean)
        whitening = _whitening(products, spec.zca_epsilon)
        return Statistics((mean + middle).reshape(height, width, channels).astype(np.float32), None, whitening, count)
    variance = squares / count
    if spec.statistics == "scalar":
        by_channel = [np.ascontiguousarray(sums.reshape(-1, channels).T) for sums in (mean, variance)]
        mean, variance = (sums.mean(axis=1) for sums in by_channel)
    std = np.maximum(np.sqrt(np.maximum(variance - mean**2, 0)), _least_std(spec.rescale))
    shape = (channels,) if spec.statistics == "scalar" else (height, width, channels)
    return Statistics(
        (mean + middle).reshape(shape).astype(np.float32),
        std.reshape(shape).astype(np.float32) if spec.featurewise_std else None,
        None,
        count,
    )


def _blocks(images: NDArray[np.uint8] | Picked[np.uint8], spec: PreprocessingSpec) -> Iterator[NDArray[np.float64]]:
    """Flattened images after rescaling and sample-wise normalisation, as the layers do it, in float64."""
    factor, offset = _linear(spec.rescale)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK].astype(np.float64)
        if block.ndim == 4 and spec.channels == "gray":
            block = block @ _LUMA.astype(np.float64)
        block = block.reshape(len(block), -1)
        block *= factor
        block += offset
        if spec.samplewise_center:
            block -= block.mean(axis=1, keepdims=True)
        if spec.samplewise_std:
            block /= np.maximum(block.std(axis=1, keepdims=True), _least_std(spec.rescale))
        yield block


def _whitening(covariance: NDArray[np.float64], epsilon: float) -> NDArray[np.float32]:
    values, vectors = np.linalg.eigh(covariance)
    # U D U^T as (U D^1/2)(U D^1/2)^T: one product, and symmetric to the last bit. Rounding can leave an eigenvalue
    # of a rank-deficient covariance a little below zero.
    vectors /= (np.maximum(values, 0) + epsilon) ** 0.25
    whitening: NDArray[np.float32] = (vectors @ vectors.T).astype(np.float32)
    return whitening


def estimate_zca_cost(size: tuple[int, int], count: int, channels: int = 1) -> tuple[float, int]:
    """Predict what fitting ZCA whitening will take, before it is done.

    Args:
        size: height and width of the images, in pixels.
        count: images in the training role.
        channels: of the images that are whitened.

    Returns:
        Seconds (order of magnitude, two cores of about 2020) and peak extra memory in bytes. The products of
        pixels grow with the fourth power of the side, the eigenvectors with the sixth.
    """
    pixels = size[0] * size[1] * channels
    seconds = count * pixels**2 / _PRODUCTS_PER_SECOND + pixels**3 / _EIGEN_PER_SECOND
    # covariance, its copy, eigenvectors, LAPACK's work of two matrices, and two blocks of images
    return seconds, 8 * (5 * pixels**2 + 2 * min(count, _BLOCK) * pixels)


# Measured at 48x48 on two Zen 4 cores: pairs of pixels multiplied a second, and cubes of pixels decomposed a second.
_PRODUCTS_PER_SECOND = 2.5e10
_EIGEN_PER_SECOND = 3e9


class _ShapeKeeping(keras.layers.Layer):
    """A layer in float32 whose output has the shape of its input."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable(package="mien")
class SamplewiseNormalization(_ShapeKeeping):
    """Subtract each image's own mean and, when asked, divide by its own standard deviation.

    Args:
        divide: whether to divide by the standard deviation.
        least_std: deviations below this count as this, so that a constant image becomes zeros.
    """

    def __init__(self, divide: bool = False, least_std: float = _LEAST_STD, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.divide, self.least_std = divide, least_std

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, C) to images of the same shape, float32."""
        centred = inputs - keras.ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        if not self.divide:
            return centred
        std = keras.ops.sqrt(keras.ops.mean(keras.ops.square(centred), axis=(1, 2, 3), keepdims=True))
        return centred / keras.ops.maximum(std, self.least_std)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "divide": self.divide, "least_std": self.least_std}


@keras.saving.register_keras_serializable(package="mien")
class FeaturewiseNormalization(_ShapeKeeping):
    """Subtract the training role's mean and, when asked, divide by its standard deviation.

    Args:
        statistics: "scalar" for one figure a channel for the data set, "pixel" for one per pixel and channel.
        divide: whether to divide by the standard deviation.
    """

    def __init__(self, statistics: Literal["scalar", "pixel"] = "scalar", divide: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.statistics, self.divide = statistics, divide

    def build(self, input_shape: Shape) -> None:
        """Create the mean (zeros) and standard deviation (ones), to be fitted or loaded."""
        shape = input_shape[-1:] if self.statistics == "scalar" else input_shape[1:]
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        if self.divide:
            self.std = self.add_weight(shape=shape, initializer="ones", trainable=False, name="std")

    def set_statistics(self, statistics: Statistics) -> None:
        """Take over fitted figures.

        Raises:
            NetworkError: they were fitted for other images or another preprocessing.
        """
        _assign(self.mean, statistics.mean, "a mean")
        if self.divide:
            _assign(self.std, statistics.std, "a standard deviation")

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, C) to images of the same shape, float32."""
        centred = inputs - self.mean
        return centred / self.std if self.divide else centred

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "statistics": self.statistics, "divide": self.divide}


@keras.saving.register_keras_serializable(package="mien")
class ZCAWhitening(_ShapeKeeping):
    """Make the pixels of the training role uncorrelated, with changes as small as possible (Bell & Sejnowski, 1997).

    Takes pixels whose mean has been subtracted. The whitening matrix is the layer's only weight.
    """

    def build(self, input_shape: Shape) -> None:
        """Create the whitening matrix (identity), to be fitted or loaded."""
        self.pixels = int(np.prod([side or 0 for side in input_shape[1:]]))
        self.image_shape = tuple(input_shape[1:])
        self.whitening = self.add_weight(
            shape=(self.pixels, self.pixels), initializer="identity", trainable=False, name="whitening"
        )

    def set_statistics(self, statistics: Statistics) -> None:
        """Take over a fitted whitening matrix.

        Raises:
            NetworkError: it was fitted for other images or another preprocessing.
        """
        _assign(self.whitening, statistics.whitening, "a whitening matrix")

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, C) to images of the same shape, float32."""
        flat = keras.ops.reshape(inputs, (-1, self.pixels))
        return keras.ops.reshape(keras.ops.matmul(flat, self.whitening), (-1, *self.image_shape))


def _assign(weight: Any, value: NDArray[np.float32] | None, what: str) -> None:
    if value is None or tuple(weight.shape) != value.shape:
        received = "none" if value is None else f"one of shape {value.shape}"
        raise NetworkError(
            f"The preprocessing expects {what} of shape {tuple(weight.shape)}. Received: {received}. "
            "Fit the statistics with the same preprocessing and images of the same size."
        )
    weight.assign(value)


@keras.saving.register_keras_serializable(package="mien")
class Resize(keras.layers.Layer):
    """Resize images to a square, bilinearly; with a low-pass filter when a side shrinks.

    It is a product with two constant matrices, which every backend and every exported format computes alike.

    Args:
        side: height and width of the result, in pixels.
    """

    def __init__(self, side: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.side = side

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, C) to (N, side, side, C), float32."""
        rows, columns = (_resizing_matrix(length, self.side) for length in inputs.shape[1:3])
        return keras.ops.einsum("tw,nswc->nstc", columns, keras.ops.einsum("sh,nhwc->nswc", rows, inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape (N, side, side, C)."""
        return (input_shape[0], self.side, self.side, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "side": self.side}


def _resizing_matrix(source: int, target: int) -> NDArray[np.float32]:
    """Weights, shape (target, source), of the old pixels in each new one: a triangle about its centre.

    The triangle is two old pixels wide, or two new ones where those are larger, so that shrinking does not alias.
    """
    ratio = source / target
    centres = (np.arange(target) + 0.5) * ratio - 0.5
    distances = np.abs(np.arange(source) - centres[:, np.newaxis]) / max(ratio, 1.0)
    weights = np.maximum(1.0 - distances, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@keras.saving.register_keras_serializable(package="mien")
class GrayToRGB(keras.layers.Layer):
    """Repeat the gray channel three times."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, 1) to (N, H, W, 3), float32."""
        return keras.ops.concatenate([inputs, inputs, inputs], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape (N, H, W, 3)."""
        return (*input_shape[:-1], 3)


@keras.saving.register_keras_serializable(package="mien")
class RGBToGray(keras.layers.Layer):
    """Turn colours gray: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601 luma)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: Any) -> Any:
        """Images (N, H, W, 3) in RGB to (N, H, W, 1), float32."""
        return keras.ops.sum(inputs * _LUMA, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape (N, H, W, 1)."""
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="mien")
class ImageNetScaling(_ShapeKeeping):
    """Scale pixels 0..255 to what a backbone's pretrained weights were trained with.

    Args:
        kind: "unit" (0..1), "signed" (-1..1), "torch" (0..1, then ImageNet's mean and deviation per channel), "caffe"
            (BGR, ImageNet's mean per channel subtracted) or "none" (the backbone scales by itself).
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in (*_LINEAR, "torch", "caffe"):
            raise NetworkError(
                f"Expected a scaling that is one of {', '.join(_LINEAR)}, torch, caffe. Received: {kind!r}."
            )
        self.kind = kind

    def build(self, input_shape: Shape) -> None:
        """Check that there are three channels where they are scaled differently."""
        if self.kind in ("torch", "caffe") and input_shape[-1] != 3:
            raise NetworkError(f"The scaling {self.kind!r} needs three channels. Received: {input_shape[-1]}.")

    def call(self, inputs: Any) -> Any:
        """RGB images (N, H, W, 3), 0..255, to scaled images of the same shape, float32; BGR for "caffe"."""
        if self.kind == "torch":
            return (inputs - 255 * _TORCH_MEAN) / (255 * _TORCH_STD)
        if self.kind == "caffe":
            return keras.ops.flip(inputs, axis=-1) - _CAFFE_MEAN_BGR
        factor, offset = _LINEAR[self.kind]
        return inputs * factor + offset

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "kind": self.kind}


def preprocess(
    faces: keras.KerasTensor,
    spec: PreprocessingSpec,
    statistics: Statistics | None,
    *,
    scaling: str,
    channels: int,
) -> keras.KerasTensor:
    """Add the preprocessing layers to a graph.

    Args:
        faces: shape (N, H, W, 1), or (N, H, W, 3) in RGB, pixels 0..255.
        spec: the preprocessing of a resolved recipe.
        statistics: what `fit_statistics` returned for `spec`.
        scaling: what the backbone's ImageNet weights expect (see `Backbone.scaling`).
        channels: what the backbone takes: 3, which gray is repeated for; or 1, as many as there are.

    Returns:
        Images of shape (N, size, size, 1 or 3), float32.

    Raises:
        NetworkError: `spec` is not resolved, needs statistics that are not given, or got them for other images.
    """
    if spec.size is None:
        raise NetworkError("Expected a preprocessing whose size is worked out. Use Recipe.resolved.")
    if spec.needs_fit and statistics is None:
        raise NetworkError(
            "This preprocessing must be fitted before a network is built with it: featurewise_center is set. "
            "Give the result of fit_statistics on the training role."
        )
    x = faces
    if x.shape[-1] == 3 and spec.channels == "gray":
        x = RGBToGray(name="rgb_to_gray")(x)
    pretrained_scaling = spec.rescale == "imagenet"
    if not pretrained_scaling:
        factor, offset = _linear(spec.rescale)
        x = keras.layers.Rescaling(factor, offset, dtype="float32", name="rescale")(x)
    if spec.samplewise_center:
        x = SamplewiseNormalization(spec.samplewise_std, _least_std(spec.rescale), name="samplewise")(x)
    if statistics is not None and spec.featurewise_center:
        layer = FeaturewiseNormalization(spec.statistics, spec.featurewise_std, name="featurewise")
        x = layer(x)
        layer.set_statistics(statistics)
    if statistics is not None and spec.zca:
        whitening = ZCAWhitening(name="zca")
        x = whitening(x)
        whitening.set_statistics(statistics)
    if x.shape[1:3] != (spec.size, spec.size):
        x = Resize(spec.size, name="resize")(x)
    if channels == 3 and x.shape[-1] == 1:
        x = GrayToRGB(name="gray_to_rgb")(x)
    if pretrained_scaling:
        x = ImageNetScaling(scaling, name="imagenet_scaling")(x)
    return x
