"""mien reads facial expressions in still images, and compares the networks that do.

    import mien

    mien.Recognizer().recognize("photo.jpg")
    mien.evaluate("default", "fer2013.csv").frame()

Labels are what people would call a face, not what someone feels.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost more than all of this module
if TYPE_CHECKING:
    from typing import Any

    from mien.api.auditing import audit
    from mien.api.comparing import compare
    from mien.api.evaluating import evaluate
    from mien.api.explaining import explain
    from mien.api.exporting import export
    from mien.api.foreign import foreign_run
    from mien.api.studying import plan_study, run_study, write_report
    from mien.api.training import train
    from mien.api.wrapping import try_contracts, wrap
    from mien.bundle import Bundle, load_bundle
    from mien.datasets.dataset import Dataset
    from mien.datasets.reading import Reader
    from mien.datasets.reading import read_dataset as read
    from mien.datasets.spec import DataSpec
    from mien.errors import DataError, MienError, MissingExtraError
    from mien.evaluation.corruptions import CORRUPTIONS, corrupt
    from mien.inference.recognizer import Recognizer
    from mien.labels import Expression, LabelSet
    from mien.study.backbones import Backbone
    from mien.study.store import Store

# The public names, and where each comes from.
_NAMES = {
    "Backbone": "mien.study.backbones:Backbone",
    "CORRUPTIONS": "mien.evaluation.corruptions:CORRUPTIONS",
    "Bundle": "mien.bundle:Bundle",
    "DataError": "mien.errors:DataError",
    "DataSpec": "mien.datasets.spec:DataSpec",
    "Dataset": "mien.datasets.dataset:Dataset",
    "Expression": "mien.labels:Expression",
    "LabelSet": "mien.labels:LabelSet",
    "MienError": "mien.errors:MienError",
    "MissingExtraError": "mien.errors:MissingExtraError",
    "Reader": "mien.datasets.reading:Reader",
    "Recognizer": "mien.inference.recognizer:Recognizer",
    "Store": "mien.study.store:Store",
    "audit": "mien.api.auditing:audit",
    "compare": "mien.api.comparing:compare",
    "corrupt": "mien.evaluation.corruptions:corrupt",
    "evaluate": "mien.api.evaluating:evaluate",
    "explain": "mien.api.explaining:explain",
    "export": "mien.api.exporting:export",
    "foreign_run": "mien.api.foreign:foreign_run",
    "load_bundle": "mien.bundle:load_bundle",
    "plan_study": "mien.api.studying:plan_study",
    "read": "mien.datasets.reading:read_dataset",
    "run_study": "mien.api.studying:run_study",
    "train": "mien.api.training:train",
    "try_contracts": "mien.api.wrapping:try_contracts",
    "wrap": "mien.api.wrapping:wrap",
    "write_report": "mien.api.studying:write_report",
}

__all__ = [
    "Backbone",
    "CORRUPTIONS",
    "Bundle",
    "DataError",
    "DataSpec",
    "Dataset",
    "Expression",
    "LabelSet",
    "MienError",
    "MissingExtraError",
    "Reader",
    "Recognizer",
    "Store",
    "__version__",
    "audit",
    "compare",
    "corrupt",
    "evaluate",
    "explain",
    "export",
    "foreign_run",
    "load_bundle",
    "plan_study",
    "read",
    "run_study",
    "train",
    "try_contracts",
    "wrap",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Importing mien must cost nothing: what is heavy comes when it is asked for (PEP 562).
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    if name not in _NAMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _NAMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
