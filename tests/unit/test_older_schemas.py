"""Stores and bundles of schema 1, as an older version wrote them, are read in one step."""

from pathlib import Path

import pytest

from mien import Recognizer
from mien.bundle import load_bundle
from mien.datasets.dataset import Role
from mien.errors import BundleError
from mien.inference.classifier import Classifier
from mien.study.store import Store

OLD = Path(__file__).parents[1] / "fixtures" / "schema-1"


def test_a_store_of_schema_1_is_read():
    store = Store.open(OLD / "store")
    records = store.records(store.plan())
    assert len(records) == 2
    for record in records.values():
        assert record.outcome(Role.TEST).outputs.shape == (60, 6)
        assert record.data["read"] is None
        assert record.data["framing"] is None
        assert record.foreign is None
        assert store.seen(record) is None


def test_a_bundle_of_schema_1_is_read_and_what_it_does_not_say_is_unknown(portrait):
    bundle = load_bundle(OLD / "tiny.mien")
    Classifier(bundle)
    assert bundle.seen is None
    with pytest.raises(BundleError, match="framing is unknown.*--framing"):
        Recognizer(bundle).recognize(portrait)
    assert Recognizer(bundle, framing="fer2013").recognize(portrait).faces
