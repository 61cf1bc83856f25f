"""Files that are written whole or not at all."""

import json

import pytest

from mien.files import canonical_json, write_json, write_text, written_whole


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "run.json"
    write_text(path, "old")

    def write_half():
        with written_whole(path) as file:
            file.write(b"half of the new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_keeps_its_line_ends_and_letters(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "é\nsecond\r\n")
    assert path.read_bytes() == "é\nsecond\r\n".encode()


def test_json_comes_back_and_refuses_nan(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"b": [1, 2.5, None], "a": "ü"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": [1, 2.5, None], "a": "ü"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == "ü"


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [True]}) == canonical_json({"a": [True], "b": 1}) == '{"a":[true],"b":1}'
