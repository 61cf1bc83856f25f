"""Mixup and CutMix: what each gives, pixel by pixel, and that images and targets are blended alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.study.recipe import AugmentationSpec
from mien.training.blending import Blend, draw_blend, mix

SIZE = (8, 6)


def drawn(count: int, seed: int = 0, **spec: float) -> Blend:
    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng([seed, *name.encode()])

    how = draw_blend(AugmentationSpec(**spec), count, SIZE, stream)
    assert how is not None
    return how


def material(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of one gray each, and targets that are linear in it: so a target tells the mean of its blended image."""
    gray = np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 1), dtype=np.uint8)
    images = np.broadcast_to(gray, (count, *SIZE, 1)).copy()
    share = gray[:, 0, 0, 0] / 255
    return images, np.stack([share, 1 - share], axis=1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), alpha=st.floats(0.05, 4.0), both=st.sampled_from(["mixup", "cutmix", "both"]))
def test_images_and_targets_are_blended_alike(seed, alpha, both):
    spec = {name: alpha for name in ("mixup", "cutmix") if both in (name, "both")}
    images, targets = material(30, seed)
    mixed, blended = mix(images, targets, drawn(30, seed, **spec))
    assert mixed.dtype == np.uint8
    assert mixed.shape == images.shape
    assert blended.dtype == np.float32
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(mixed.mean(axis=(1, 2, 3)), blended[:, 0] * 255, atol=0.51)
    np.testing.assert_array_equal(mixed, mix(images, targets, drawn(30, seed, **spec))[0])


def test_cutmix_by_hand():
    """Row by row and pixel by pixel, against a reading of the paper in plain loops."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (40, *SIZE, 1), dtype=np.uint8)
    targets = np.eye(4)[rng.integers(0, 4, 40)]
    how = drawn(40, 5, cutmix=1.0)
    mixed, blended = mix(images, targets, how)
    pasted_shares = []
    for i in range(40):
        other, (top, bottom, left, right) = how.partners[i], how.boxes[i]
        pasted = 0
        for y in range(SIZE[0]):
            for x in range(SIZE[1]):
                inside = top <= y < bottom and left <= x < right
                pasted += inside
                assert mixed[i, y, x, 0] == images[other if inside else i, y, x, 0]
        share = pasted / (SIZE[0] * SIZE[1])
        pasted_shares.append(share)
        np.testing.assert_allclose(blended[i], (1 - share) * targets[i] + share * targets[other], atol=1e-6)
    assert len(set(pasted_shares)) > 5
    assert sorted(how.partners) == list(range(40))


def test_with_both_each_image_is_blended_by_one_of_them():
    images, targets = material(400)
    how = drawn(400, mixup=0.4, cutmix=1.0)
    mixed, _ = mix(images, targets, how)
    assert 150 < how.cut.sum() < 250
    grays = [len(np.unique(image)) for image in mixed]
    assert max(np.array(grays)[~how.cut]) == 1
    assert max(np.array(grays)[how.cut]) == 2
    # Turning CutMix on leaves the draws of mixup as they were.
    alone = drawn(400, mixup=0.4)
    np.testing.assert_array_equal(how.partners, alone.partners)
    np.testing.assert_array_equal(how.shares[~how.cut], alone.shares[~how.cut])


def test_mixup_is_drawn_as_it_always_was():
    """Partners by a permutation, then shares: runs under mixup keep their names, so they must keep their numbers."""
    rng = np.random.default_rng([7, *b"mixup"])
    how = drawn(50, 7, mixup=0.2)
    np.testing.assert_array_equal(how.partners, rng.permutation(50))
    np.testing.assert_array_equal(how.shares, rng.beta(0.2, 0.2, 50).astype(np.float32))


def test_nothing_is_blended_unless_asked():
    assert draw_blend(AugmentationSpec(flip=True), 3, SIZE, np.random.default_rng) is None


def test_the_originals_are_left_alone_and_there_is_more_than_one_block():
    images, targets = np.repeat(material(1)[0], 2500, axis=0), np.ones((2500, 1))
    before = images.copy()
    mixed, _ = mix(images, targets, drawn(2500, mixup=0.2, cutmix=0.2))
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(mixed, before)


def test_each_image_needs_a_target_and_a_partner():
    images, targets = material(3)
    with pytest.raises(DataError, match="one target"):
        mix(images, targets[:2], drawn(3, mixup=0.2))
    with pytest.raises(DataError, match="3 images, 3 targets and 2 partners"):
        mix(images, targets, drawn(2, mixup=0.2))
