"""The process of a run, as far as it is not a run."""

import os
import subprocess
import sys

KERAS = """
try:
    import sklearn
except ImportError:
    found = False
else:
    found = True
"""
CODE = """
import sys
from mien.training.worker import _import_keras
_import_keras()
import keras
assert not keras.found
import sklearn  # a user's own network has it
"""


def test_keras_is_loaded_without_scikit_learn_which_others_may_have(tmp_path):
    (tmp_path / "keras.py").write_text(KERAS)
    (tmp_path / "sklearn.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
