import pytest

from mien.files import parse_json, parse_toml, read_npz
from mien.shapes import check_shape

SHAPE = {"name": str, "size?": (int, None), "loss": float, "tags": [str], "counts": {"*": int}}
GOOD = {"name": "a", "size": 3, "loss": 1, "tags": ["x"], "counts": {"a": 1}, "more": object()}


def test_what_has_the_shape_passes():
    check_shape(GOOD, SHAPE)
    check_shape({key: value for key, value in GOOD.items() if key != "size"}, SHAPE)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": 1}, "name is 1, and a text was expected"),
        ({"size": "3"}, "size is '3', and a whole number or nothing was expected"),
        ({"size": True}, "size is True"),
        ({"loss": None}, "loss is None, and a number was expected"),
        ({"tags": "x"}, "tags is 'x', and a list was expected"),
        ({"tags": ["x", 2]}, r"tags\[1\] is 2"),
        ({"counts": {"a": 1.5}}, "counts.a is 1.5"),
        ({"counts": []}, r"counts is \[\], and a table was expected"),
    ],
)
def test_what_has_another_shape_is_refused_by_its_place(changed, says):
    with pytest.raises(ValueError, match=says):
        check_shape({**GOOD, **changed}, SHAPE)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": NaN}', "[Infinity]", "[1e999]", "[-1e400]", "{", "1" * 5000])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of them
        parse_json(text)


def test_toml_that_is_nested_too_deeply_is_no_toml():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml("a = " + "[" * 5000 + "]" * 5000)


def test_only_wanted_arrays_are_unpacked(tmp_path):
    import numpy as np

    path = tmp_path / "a.npz"
    np.savez_compressed(path, small=np.arange(3), large=np.zeros(3_000_000, dtype=np.uint8))
    with path.open("rb") as file:
        assert list(read_npz(file, largest_bytes=10_000, wanted={"small"})) == ["small"]
        with pytest.raises(ValueError, match="more than 0 MB"):
            read_npz(file, largest_bytes=10_000)
