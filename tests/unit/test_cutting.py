"""A network that is cut in two gives what it gives whole, and what cannot be cut is left alone."""

import numpy as np
import pytest

from mien.bundle import load_bundle
from mien.inference import runtime
from mien.inference.cutting import cut
from mien.inference.detector import _packaged_path
from mien.inference.yunet import _ANY_SIZE, _FIRST_LAYERS, _FIXED_SIZE, _OUTPUTS


@pytest.fixture(scope="module")
def model():
    return _packaged_path().read_bytes().replace(_FIXED_SIZE, _ANY_SIZE, 1)


@pytest.mark.parametrize("count", [1, 6, len(_FIRST_LAYERS)])
def test_both_parts_together_answer_as_the_whole(model, count):
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 96, 160)).astype(np.float32)
    expected = runtime.start(model, threads=1).run(_OUTPUTS, {"input": picture})
    first, second = (runtime.start(part, threads=1) for part in cut(model, _FIRST_LAYERS[:count]))
    (between,) = first.run(None, {"input": picture})
    received = second.run(_OUTPUTS, {second.get_inputs()[0].name: between})
    assert all(np.array_equal(*pair) for pair in zip(expected, received, strict=True))


@pytest.mark.parametrize("operators", [("Relu",), ("Conv", "Conv"), (*_FIRST_LAYERS, "Conv", "Abs")])
def test_a_network_that_begins_in_another_way_is_not_cut(model, operators):
    assert cut(model, operators) is None


def test_nor_is_one_whose_later_nodes_need_more_than_the_last_of_the_first(model):
    assert cut(load_bundle("default").onnx, _FIRST_LAYERS) is None
    # Up to the maps of stride 8 the network is a chain; what follows on them is added to them later.
    chain = (*_FIRST_LAYERS, *("Conv", "Conv", "Relu") * 2)
    assert cut(model, chain) is not None
    assert cut(model, (*chain, "MaxPool")) is None


@pytest.mark.parametrize("content", [b"", b"no network", b"\x3a\xff", b"\x3a\x05\x0a\x7f", b"\xff" * 40, bytes(64)])
def test_bytes_that_are_no_network_are_not_cut(content):
    assert cut(content, _FIRST_LAYERS) is None


def test_a_damaged_network_is_cut_or_not_and_ends_in_no_other_error(model):
    random = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(model[: random.integers(1, len(model))] if random.random() < 0.5 else model)
        for place in random.integers(0, min(len(damaged), 2000), 5):
            damaged[place] = random.integers(256)
        parts = cut(bytes(damaged), _FIRST_LAYERS)
        assert parts is None or len(parts) == 2
