from __future__ import annotations

import subprocess
import sys

import pytest

from mien.errors import NetworkError
from mien.study.backbones import BACKBONES, backbone


def test_a_row_is_found_by_its_name():
    assert backbone("densenet121") is BACKBONES["densenet121"]


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(NetworkError, match="Did you mean 'resnet50v2'"):
        backbone("resnet50_v2")


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_is_complete(name):
    row = BACKBONES[name]
    assert name == row.title.lower()
    assert row.minimum_size <= row.default_size
    assert row.parameters > 0
    assert row.depth > 0
    assert row.licence
    assert row.channels in (1, 3)
    assert row.scaling in ("none", "unit", "signed", "torch", "caffe")


def test_our_networks_are_as_small_as_they_are_said_to_be():
    assert BACKBONES["mien_small"].parameters <= 1_500_000
    # As float16 below 6 MB.
    assert 2_600_000 <= BACKBONES["mien_medium"].parameters <= 2_900_000


def test_the_table_is_read_without_keras():
    code = "import sys; sys.modules['keras'] = None; import mien.study.backbones"
    subprocess.run([sys.executable, "-c", code], check=True)
