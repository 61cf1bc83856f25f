"""What the processes of `loaded` are forked from has imported."""

from mien.training.backend import choose_backend
from mien.training.worker import _import_keras, _modules_stay

choose_backend()
with _modules_stay():
    _import_keras()
    import mien.cli.main
    import mien.training.execute  # noqa: F401
