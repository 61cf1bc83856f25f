"""How does augmenting and whitening inside the network compare with doing it image by image while feeding?

    python benchmarks/feeding.py

Trains `mien_small` on the same drawn faces for one epoch, in turn: (a) with flip, shift, rotation, zoom and ZCA
whitening as layers of the network, as mien does; (b) with Keras' legacy `ImageDataGenerator` doing the same on the
host, as older studies did. The figure is the ratio of images a second, pair by pair. Time: about five minutes on two
cores.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from mien.datasets.synthetic import draw_faces
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe
from mien.training.backend import choose_backend

PAIRS = 3
IMAGES = 2048
BATCH = 64


def main() -> None:
    choose_backend()
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from mien.training import backend
    from mien.training.network import build_network, compile_network
    from mien.training.preprocessing import fit_statistics

    backend.configure()
    data = draw_faces(IMAGES, size=48)
    images = data.images[..., np.newaxis]
    targets = np.eye(len(data.label_set), dtype=np.float32)[data.labels]

    inside = Recipe(
        batch_size=BATCH,
        epochs=1,
        preprocessing=PreprocessingSpec(featurewise_center=True, zca=True),
        augmentation=AugmentationSpec(flip=True, shift=0.1, rotation=10, zoom=0.1),
    ).resolved(48)
    network = build_network(
        inside,
        image_size=(48, 48),
        classes=targets.shape[1],
        statistics=fit_statistics(data.images, inside.preprocessing),
    )
    compile_network(network, inside, steps_per_epoch=IMAGES // BATCH)

    outside = Recipe(batch_size=BATCH, epochs=1, preprocessing=PreprocessingSpec(rescale="none")).resolved(48)
    plain = build_network(outside, image_size=(48, 48), classes=targets.shape[1], statistics=None)
    compile_network(plain, outside, steps_per_epoch=IMAGES // BATCH)
    host = ImageDataGenerator(
        rescale=1 / 255,
        featurewise_center=True,
        zca_whitening=True,
        horizontal_flip=True,
        width_shift_range=0.1,
        height_shift_range=0.1,
        rotation_range=10,
        zoom_range=0.1,
    )
    host.fit(images.astype(np.float32) / 255)

    def in_network() -> float:
        started = time.perf_counter()
        network.fit(images, targets, batch_size=BATCH, verbose=0)
        return IMAGES / (time.perf_counter() - started)

    def on_host() -> float:
        started = time.perf_counter()
        plain.fit(host.flow(images.astype(np.float32), targets, batch_size=BATCH), verbose=0)
        return IMAGES / (time.perf_counter() - started)

    in_network(), on_host()
    pairs = [(in_network(), on_host()) for _ in range(PAIRS)]
    for mine, other in pairs:
        print(f"in the network {mine:7.1f} images/s   on the host {other:7.1f} images/s   ratio {mine / other:.2f}")
    print(f"ratio: median {statistics.median(mine / other for mine, other in pairs):.2f}")


if __name__ == "__main__":
    main()
