"""The process of a run, as far as it is not a run."""

import os
import subprocess
import sys

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
assert not keras.found, keras.found
for name in _UNUSED_BY_A_RUN:
    __import__(name)  # a user's own network has it
"""


def test_keras_is_loaded_without_what_no_run_uses_and_others_may_have(tmp_path):
    (tmp_path / "keras.py").write_text(KERAS.format(names=_UNUSED_BY_A_RUN))
    for name in _UNUSED_BY_A_RUN:
        (tmp_path / f"{name}.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
