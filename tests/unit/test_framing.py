"""The framing of faces: from the description of the data to the bundle and the crop."""

import pytest

from mien.bundle import load_bundle
from mien.datasets.reading import read_dataset
from mien.datasets.spec import DataSpec
from mien.errors import BundleError
from mien.framing import FRAMINGS, CropKind, CropRule, crop_rule_of
from mien.inference.recognizer import Recognizer


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_known_framing_survives_the_bundle(name, bundle_maker, tmp_path):
    bundle_maker(tmp_path / "b.mien", crop_rule=crop_rule_of(name, 48))
    assert load_bundle(tmp_path / "b.mien").crop_rule == crop_rule_of(name, 48)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("aligned:margin=1.3,shift=0.05", (CropKind.ALIGNED, 1.3, 0.05)),
        ("upright:margin=2", (CropKind.UPRIGHT, 2.0, 0.0)),
        ("margin=1.5, shift=-0.1", (CropKind.ALIGNED, 1.5, -0.1)),
    ],
)
def test_a_framing_can_be_said_in_numbers(text, rule):
    said = crop_rule_of(text, 40)
    assert (said.kind, said.margin, said.vertical_shift, said.size, said.framing) == (*rule, 40, text)


@pytest.mark.parametrize("text", ["fer2031", "margin=100", "aligned", "margin=1..2"])
def test_what_is_no_framing_is_refused(text):
    with pytest.raises(BundleError):
        crop_rule_of(text, 48)
    with pytest.raises(BundleError):
        DataSpec(path="drawn", framing=text)


def test_data_know_their_framing_or_say_that_they_do_not(tmp_path):
    import numpy as np

    assert read_dataset("drawn:count=20", cache=tmp_path).framing == "drawn"
    assert read_dataset("drawn:count=20", cache=tmp_path).framing == "drawn"  # from the cache too
    drawn = read_dataset("drawn:count=20", cache=None)
    names = np.array([e.value for e in drawn.label_set.expressions])[drawn.labels]
    np.savez(tmp_path / "mine.npz", images=drawn.images, labels=names)
    assert read_dataset(tmp_path / "mine.npz", cache=None).framing is None
    assert read_dataset(tmp_path / "mine.npz", framing="margin=1.2", cache=None).framing == "margin=1.2"


def test_a_said_framing_changes_the_crop(bundle, portrait):
    assert bundle.crop_rule == CropRule()
    close = Recognizer(bundle, framing="margin=0.8")
    assert close.bundle.crop_rule.margin == 0.8
    assert close.settings() != Recognizer(bundle).settings()
    here, there = (recognizer.recognize(portrait).faces[0] for recognizer in (close, Recognizer(bundle)))
    assert here.probabilities != there.probabilities
