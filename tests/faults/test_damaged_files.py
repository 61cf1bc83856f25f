"""Whatever a file holds, it is read, or refused with an error of mien. The long part is benchmarks/faults_long.py."""

import random

import pytest

from mien.errors import MienError
from support.targets import targets

# Of each kind; what the long part has found has its own test beside what it was found in.
FILES = 12
KINDS = (
    *("image", "bundle", "record", "table", "table.gz", "manifest", "zip", "arrays", "study", "reference", "result"),
    "parquet",
)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory, bundle):
    folder = tmp_path_factory.mktemp("samples")
    return {target.name: target for target in targets(folder, bundle.source)}


def test_every_kind_is_tried(kinds):
    assert set(kinds) <= set(KINDS)
    assert {"image", "bundle", "record", "table", "study"} <= set(kinds)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused(kinds, kind, tmp_path):
    if kind not in kinds:
        pytest.skip("pyarrow is not installed")
    refused = 0
    for number in range(FILES):
        path = kinds[kind].write(tmp_path, random.Random(f"suite/{kind}/{number}"))
        try:
            kinds[kind].read(path)
        except MienError:
            refused += 1
    assert refused, "no damage was noticed: does it reach the reader?"
