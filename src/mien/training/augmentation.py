"""Random changes of the training images: layers that are active in training only.

The layers work on raw pixels 0..255, before the preprocessing, so that fitted statistics and whitening meet pixels
of the kind that they were fitted on. Each draws from a `keras.random.SeedGenerator` of its own, whose state is among
the network's variables: a checkpoint of the variables goes on with the same stream, and turning one change on leaves
the draws of the others as they were. All is computed by `keras.ops`: what NumPy computes of a tensor differs by
backend, and not every one lets it.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from mien.randomness import derived_seed
from mien.study.recipe import AugmentationSpec

Shape = tuple[int | None, ...]

# Share of the image that an erased rectangle covers, and its height over its width (Zhong et al., 2020).
_ERASED_SHARE = (0.02, 0.4)
_ERASED_ASPECT = (0.3, 1 / 0.3)


class RandomChange(keras.layers.Layer):
    """A layer that changes images in training and passes them through otherwise.

    Args:
        seed: of the layer's random stream.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Images (N, H, W, C), 0..255, to images of the same shape, float32, 0..255."""
        return self.change(inputs) if training else inputs

    def change(self, images: Any) -> Any:
        """Changed images, each at random."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def uniform(self, images: Any, low: float, high: float, rank: int = 1) -> Any:
        """One number in [low, high) for each image, of shape (N, 1, ...) with `rank` axes."""
        shape = (keras.ops.shape(images)[0], *(1,) * (rank - 1))
        return keras.random.uniform(shape, low, high, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="mien")
class RandomAffine(RandomChange):
    """Flip, shift, turn and zoom each image about its centre, in one bilinear resampling.

    One resampling for all four blurs once instead of four times. What lies outside of the image takes the value of the
    nearest pixel of its border.

    Args:
        flip: mirror left and right with probability one half.
        shift: largest shift along each axis, as a share of the side.
        rotation: largest rotation either way, in degrees.
        zoom: largest change of scale, as a share.
        seed: of the layer's random stream.
    """

    def __init__(
        self,
        flip: bool = False,
        shift: float = 0.0,
        rotation: float = 0.0,
        zoom: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.flip, self.shift, self.rotation, self.zoom = flip, shift, rotation, zoom

    def change(self, images: Any) -> Any:
        """Resampled images."""
        return keras.ops.image.affine_transform(
            images, self._transforms(images), interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )

    def _transforms(self, images: Any) -> Any:
        """Shape (N, 8): the maps from pixels of the result to pixels of the image, as `affine_transform` takes them."""
        height, width = images.shape[1:3]
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        # All are drawn always: the stream must not depend on which changes are on.
        mirrored = self.uniform(images, 0, 1) < 0.5
        shift_x = self.uniform(images, -self.shift, self.shift) * width
        shift_y = self.uniform(images, -self.shift, self.shift) * height
        angle = self.uniform(images, -self.rotation, self.rotation) * (math.pi / 180)
        scale = self.uniform(images, 1 - self.zoom, 1 + self.zoom)
        sign = keras.ops.where(mirrored, -1.0, 1.0) if self.flip else keras.ops.ones_like(angle)
        cosine, sine = keras.ops.cos(angle) / scale, keras.ops.sin(angle) / scale
        to_x, to_y = centre_x + shift_x, centre_y + shift_y
        zeros = keras.ops.zeros_like(angle)
        return keras.ops.stack(
            [
                sign * cosine,
                sign * sine,
                centre_x - sign * (cosine * to_x + sine * to_y),
                -sine,
                cosine,
                centre_y + sine * to_x - cosine * to_y,
                zeros,
                zeros,
            ],
            axis=1,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "flip": self.flip,
            "shift": self.shift,
            "rotation": self.rotation,
            "zoom": self.zoom,
        }


@keras.saving.register_keras_serializable(package="mien")
class RandomLight(RandomChange):
    """Change each image's contrast about its own mean, then its brightness.

    Args:
        brightness: largest change of brightness, as a share of the range 0..255.
        contrast: largest change of contrast, as a factor (0.2: 0.8 to 1.2).
        seed: of the layer's random stream.
    """

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.brightness, self.contrast = brightness, contrast

    def change(self, images: Any) -> Any:
        """Images with other light, cut off at 0 and 255."""
        offset = self.uniform(images, -self.brightness, self.brightness, rank=4) * 255
        factor = self.uniform(images, 1 - self.contrast, 1 + self.contrast, rank=4)
        mean = keras.ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return keras.ops.clip((images - mean) * factor + mean + offset, 0, 255)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "brightness": self.brightness, "contrast": self.contrast}


@keras.saving.register_keras_serializable(package="mien")
class RandomQuality(RandomChange):
    """Blur some images as a lens out of focus or a face of few pixels does, then add the noise of little light.

    Either is left out for half of the images, and for the others of any strength up to the largest.

    Args:
        blur: largest standard deviation of a Gaussian blur, as a share of the side.
        noise: largest standard deviation of Gaussian noise, as a share of the range 0..255.
        seed: of the layer's random stream.
    """

    def __init__(self, blur: float = 0.0, noise: float = 0.0, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.blur, self.noise = blur, noise

    def change(self, images: Any) -> Any:
        """Images of less quality, cut off at 0 and 255."""
        # Both are drawn always: the noise must not depend on whether images are blurred, too.
        blur = keras.ops.maximum(self.uniform(images, -self.blur, self.blur, rank=3), 0)
        noise = keras.ops.maximum(self.uniform(images, -self.noise, self.noise, rank=4), 0) * 255
        x = self._blurred(images, blur) if self.blur else images
        if self.noise:
            x = x + keras.random.normal(keras.ops.shape(images), seed=self.seed_generator) * noise
        return keras.ops.clip(x, 0, 255)

    def _blurred(self, images: Any, deviations: Any) -> Any:
        """Each image under a Gaussian of its own, of shape (N, 1, 1): a product with a matrix along each axis.

        Weights of pixels outside of the image go to those inside.
        """
        x = images
        for equation, side in (("nij,njwc->niwc", images.shape[1]), ("nij,nhjc->nhic", images.shape[2])):
            places = keras.ops.arange(side, dtype="float32")
            distances = keras.ops.subtract(keras.ops.expand_dims(places, 1), places)
            # A tenth of a pixel weighs the neighbours with e^-50: the image as it is.
            pixels = keras.ops.maximum(deviations * side, 0.1)
            weights = keras.ops.exp(-0.5 * keras.ops.square(keras.ops.divide(distances, pixels)))
            x = keras.ops.einsum(equation, weights / keras.ops.sum(weights, axis=2, keepdims=True), x)
        return x

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "blur": self.blur, "noise": self.noise}


@keras.saving.register_keras_serializable(package="mien")
class RandomErasing(RandomChange):
    """Put noise in place of a random rectangle of some images (Zhong et al., 2020).

    The rectangle covers 2 to 40 % of the image, with sides in a ratio of 0.3 to 3.3, and lies inside; a side that
    would be longer than the image is cut to it.

    Args:
        probability: of erasing, for each image.
        seed: of the layer's random stream.
    """

    def __init__(self, probability: float = 0.5, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.probability = probability

    def change(self, images: Any) -> Any:
        """Images of which some have a rectangle of noise."""
        height, width = images.shape[1:3]
        share = self.uniform(images, *_ERASED_SHARE, rank=4)
        aspect = keras.ops.exp(self.uniform(images, math.log(_ERASED_ASPECT[0]), math.log(_ERASED_ASPECT[1]), rank=4))
        erased = self.uniform(images, 0, 1, rank=4) < self.probability
        for axis, side, length in (
            (1, height, keras.ops.sqrt(share * aspect)),
            (2, width, keras.ops.sqrt(share / aspect)),
        ):
            pixels = keras.ops.minimum(length, 1) * side
            start = self.uniform(images, 0, 1, rank=4) * (side - pixels)
            shape = [-1 if a == axis else 1 for a in range(4)]
            middles = keras.ops.reshape(keras.ops.arange(side, dtype="float32") + 0.5, shape)
            inside = keras.ops.logical_and(
                keras.ops.greater_equal(middles, start), keras.ops.less(middles, start + pixels)
            )
            erased = keras.ops.logical_and(erased, inside)
        noise = keras.random.uniform(keras.ops.shape(images), 0, 255, seed=self.seed_generator)
        return keras.ops.where(erased, noise, images)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "probability": self.probability}


def augment(faces: keras.KerasTensor, spec: AugmentationSpec, seed: int) -> keras.KerasTensor:
    """Add the layers of an augmentation to a graph; images are blended elsewhere (see `blending`).

    Args:
        faces: shape (N, H, W, C), pixels 0..255. A change is the same for all channels; noise is of each its own.
        spec: what is to be changed.
        seed: the recipe's seed; each layer derives its own from it.

    Returns:
        Shape and range of `faces`.
    """

    def stream(name: str) -> int:
        return derived_seed(seed, "augmentation", name)

    x = faces
    if spec.flip or spec.shift or spec.rotation or spec.zoom:
        x = RandomAffine(spec.flip, spec.shift, spec.rotation, spec.zoom, stream("affine"), name="random_affine")(x)
    if spec.brightness or spec.contrast:
        x = RandomLight(spec.brightness, spec.contrast, stream("light"), name="random_light")(x)
    if spec.blur or spec.noise:
        x = RandomQuality(spec.blur, spec.noise, stream("quality"), name="random_quality")(x)
    if spec.erasing:
        x = RandomErasing(spec.erasing, stream("erasing"), name="random_erasing")(x)
    return x
