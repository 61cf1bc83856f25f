"""The page as a folder that any web server can host: photos are read in the browser, and never leave it."""

from __future__ import annotations

import gzip
import json
import shutil
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from mien.bundle import bundle_archive
from mien.errors import MienError
from mien.files import write_json, write_text, written_whole
from mien.inference.recognizer import Recognizer
from mien.web import runtime
from mien.web.notice import notice, notice_page

MODEL_FILE = "model/default.mien"
DETECTOR_FILE = "model/yunet.onnx"
NOTICE_FILE = "notice.html"
_LIST = "files.json"


def static_folder() -> Path:
    """The page's own files: text, scripts, styles, and what `mien.web.runtime` brings."""
    return Path(str(resources.files("mien.web") / "static"))


def write_page(folder: Path, bundle: Path | str = "default") -> dict[str, int]:
    """Write the page, its networks and its runtime.

    Args:
        folder: where; made if it is not there. A page that is there is replaced, and what else lies beside it is left.
        bundle: the model, as `load_bundle` takes it. It answers its golden example first.

    Returns:
        For each file its path in the folder and how many bytes it is when a web server packs it (gzip).

    Raises:
        MienError: the folder holds other things, or onnxruntime-web has not been fetched.
        BundleError: the bundle is missing or damaged.
    """
    runtime.require()
    recognizer = Recognizer(bundle)
    if recognizer.bundle.crop_rule.framing is None:
        raise MienError(
            f"{recognizer.bundle.name} learned from faces whose framing is unknown, so the page would not know which "
            "square of a photo it wants to see. Expected: a bundle that says it (docs/bundle-format.md)."
        )
    if folder.exists() and not folder.is_dir():
        raise MienError(f"{folder} is a file. Expected: a folder to write the page to.")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / _LIST).is_file():
            raise MienError(f"{folder} holds other things than a page. Give a folder that is empty or new.")
        for file in json.loads((folder / _LIST).read_text(encoding="utf-8"))["files"]:
            (folder / file).unlink(missing_ok=True)
    source = static_folder()
    files = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, folder / file)
    for name, content in {MODEL_FILE: bundle_archive(bundle), DETECTOR_FILE: bytes(recognizer.detector.model)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        with written_whole(folder / name) as file_out:
            file_out.write(content)
    write_text(folder / NOTICE_FILE, notice_page(notice(recognizer.bundle)))
    (folder / "v1").mkdir(exist_ok=True)
    write_json(folder / "v1" / "config", {"server": False, "version": version("mien")})
    files = [*files, MODEL_FILE, DETECTOR_FILE, NOTICE_FILE, "v1/config"]
    write_json(folder / _LIST, {"files": [file for file in files if file != "sw.js"]})
    return {file: len(gzip.compress((folder / file).read_bytes())) for file in [*files, _LIST]}
