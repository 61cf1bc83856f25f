"""Which backend would train, found without importing one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import MissingExtraError
from mien.study import backend
from mien.study.backend import find_backend


@pytest.fixture
def home(monkeypatch, tmp_path: Path) -> Path:
    """An empty home of Keras, on a machine with every backend."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(backend, "_installed", lambda module: True)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "tensorflow"),
        ('{"backend": "jax"}', "jax"),
        ('{"floatx": "float32", "backend": "tensorflow"}', "tensorflow"),
        # What Keras makes of these is its own affair.
        ('{"floatx": "float32"}', None),
        ('{"backend": 3}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_the_file_of_keras_decides_where_it_names_one(home: Path, content, found):
    if content is not None:
        (home / "keras.json").write_text(content, encoding="utf-8")
    assert find_backend() == found


def test_the_variable_comes_before_the_file(home: Path, monkeypatch):
    (home / "keras.json").write_text('{"backend": "jax"}', encoding="utf-8")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert find_backend() == "torch"


@pytest.mark.parametrize(("there", "found"), [({"keras", "jax"}, "jax"), ({"keras"}, None), ({"jax"}, None)])
def test_without_either_it_is_what_is_installed(home: Path, monkeypatch, there, found):
    monkeypatch.setattr(backend, "_installed", there.__contains__)
    if found:
        assert find_backend() == found
        return
    with pytest.raises(MissingExtraError):
        find_backend()
