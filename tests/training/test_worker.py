"""The process of a run, as far as it is not a run."""

import os
import subprocess
import sys

import pytest

from mien.training.worker import _UNUSED_BY_A_RUN

KERAS = """
found = []
for name in {names}:
    try:
        __import__(name)
    except ImportError:
        continue
    found.append(name)
"""
CODE = """
import sys
from mien.training.worker import _UNUSED_BY_A_RUN, _import_keras
_import_keras()
import keras
assert keras.found == {found}, keras.found
for name in _UNUSED_BY_A_RUN:
    __import__(name)  # a user's own network has it
"""


@pytest.mark.parametrize(("backend", "found"), [("tensorflow", []), ("jax", ["jax"]), (None, ["jax"])])
def test_keras_is_loaded_without_what_no_run_uses_and_others_may_have(tmp_path, backend, found):
    (tmp_path / "keras.py").write_text(KERAS.format(names=_UNUSED_BY_A_RUN))
    for name in _UNUSED_BY_A_RUN:
        (tmp_path / f"{name}.py").write_text("")
    chosen = {} if backend is None else {"KERAS_BACKEND": backend}
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment = {**kept, **chosen, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(found=found)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_a_run_imports_is_not_searched_for_garbage_again(tmp_path):
    (tmp_path / "keras.py").write_text("import gc; enabled = gc.isenabled(); made = [[] for _ in range(1000)]")
    code = """
import gc
from mien.training.worker import _modules_stay
with _modules_stay():
    import keras
assert not keras.enabled and gc.isenabled()
assert gc.get_freeze_count() > 1000
before = gc.get_freeze_count()
with _modules_stay():  # Keras is there already, and what else is there may be garbage
    assert gc.isenabled()
assert gc.get_freeze_count() == before
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_loads_nothing_that_finds_faces():
    code = """
import sys
from mien.training.worker import _import_keras
_import_keras()
import mien.training.execute
print(sorted({"cv2", "onnxruntime"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
