"""A bundle: one model with everything that is needed to use it rightly, as a folder or as a single file.

The format is described in docs/bundle-format.md. Nothing in it is code or pickle. Loading checks the schema and the
hash of every file; the classifier checks the golden example, because that needs the runtime.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.channels import Channels, shape_of
from mien.errors import BundleError, MienError
from mien.files import parse_json, read_file, read_npz, text_bytes, write_json, written_whole
from mien.framing import CropRule
from mien.labels import LabelSet, label_text, to_label
from mien.likeness import MEASURES, Likeness
from mien.seen import Seen
from mien.shapes import check_shape

# As a path: mien is installed as files, like the libraries that it needs.
DATA = Path(__file__).with_name("data")
SCHEMA = 4
# Those of bundles without a likeness: in colour, and in gray. What was read before there was one reads them.
_COLOUR_SCHEMA, _GRAY_SCHEMA = 3, 2
SUFFIX = ".mien"
MODEL_INPUT = "faces"
LOGITS_OUTPUT = "logits"
FEATURES_OUTPUT = "features"

_HEAD = "bundle.json"
_MODEL = "model.onnx"
# Models that `mien export` writes without a bundle.
BARE_ENDINGS = (".onnx", ".keras", ".tflite")
# Models without what a bundle says of them, by their files' endings.
_OTHER_MODELS = {
    ".onnx": "an ONNX model",
    ".ort": "an onnxruntime model",
    ".tflite": "a LiteRT model",
    ".keras": "a Keras model",
    ".h5": "a Keras model",
    ".hdf5": "a Keras model",
    ".pb": "a TensorFlow model",
    ".pt": "a PyTorch model",
    ".pth": "a PyTorch model",
    ".safetensors": "a file of weights",
}
_CARD = "card.json"
_CARD_TEXT = "card.md"
_GOLDEN = "golden.npz"
_CAM = "cam.npz"
_SEEN = "seen.npz"
_LIKENESS = "likeness.npz"
_REQUIRED = (_MODEL, _CARD, _CARD_TEXT, _GOLDEN)
_OPTIONAL = (_CAM, _SEEN, _LIKENESS)
_LARGEST_FILE = 1 << 30
# A few crops and a matrix; compressed in the file, so that a small one could unpack to gigabytes.
_LARGEST_ARRAYS_BYTES = 64 * 2**20

_HEAD_SHAPE = {
    "name": str,
    "labels": [str],
    "crop_rule": {"size": int},
    "temperature": float,
    "unsure": (None, {"threshold": float, "risk": float, "coverage": float, "measured_on": str}),
    "files": {"*": str},
}
_CARD_SHAPE = {"data?": {"*": object}, "protocol?": {"*": (str, bool, int, float, None)}}


@dataclass(frozen=True)
class UnsureRule:
    """Below which probability no label is given, and what that promises.

    Attributes:
        threshold: least probability of the most probable label, 0 to 1.
        risk: share of wrong labels among those that are given, 0 to 1, as measured when the threshold was chosen.
        coverage: share of faces that get a label, 0 to 1, on the same images.
        measured_on: the images on which the threshold was chosen.
    """

    threshold: float
    risk: float
    coverage: float
    measured_on: str

    def __post_init__(self) -> None:
        for what in ("threshold", "risk", "coverage"):
            if not 0 <= getattr(self, what) <= 1:
                raise BundleError(f"An unsure rule's {what} lies in 0..1. Received: {getattr(self, what)}.")


@dataclass(frozen=True, eq=False)
class Golden:
    """Crops with the probabilities that the model must give for them.

    Attributes:
        crops: shape (N, size, size), or (N, size, size, 3) in colour, uint8.
        probabilities: shape (N, classes), float64, after the temperature.
    """

    crops: NDArray[np.uint8]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A loaded bundle.

    Attributes:
        name: short name of the model.
        label_set: the expressions, in the order of the model's outputs.
        crop_rule: which square of a photo the model wants, and whether in colour; `crop_rule.size` is the side of its
            input.
        temperature: the logits are divided by it before the softmax; above 0.
        unsure: when no label is given, or None.
        onnx: the model file. Input "faces" uint8 (N, size, size, 1), or (N, size, size, 3) in RGB; output
            "logits" float32 (N, classes) and, where
            the head allows class activation maps, "features" float32 (N, h, w, channels).
        card: what the model is, what it was trained and measured on, and what it is not for; plain JSON values.
        golden: crops and expected probabilities.
        cam_weights: shape (channels, classes), float32: the head's weights on the averaged features, or None.
        fingerprint: hash of the bundle's content; the same for its folder and its file.
        source: where it was loaded from.
        seen: hashes of the images that it was made with; None when the bundle does not say.
        likeness: what the faces look like that it learned from; None when the bundle does not say.
    """

    name: str
    label_set: LabelSet
    crop_rule: CropRule
    temperature: float
    unsure: UnsureRule | None
    onnx: bytes
    card: Mapping[str, Any]
    golden: Golden
    cam_weights: NDArray[np.float32] | None
    fingerprint: str
    source: str
    seen: Seen | None = None
    likeness: Likeness | None = None

    def __repr__(self) -> str:
        size = self.crop_rule.size
        form = "" if self.channels == "gray" else " in colour"
        return (
            f"<bundle {self.identity}: {len(self.label_set)} expressions, {size}×{size} px{form}, from {self.source}>"
        )

    @property
    def channels(self) -> Channels:
        """What its crops have: "gray" or "rgb"."""
        return self.crop_rule.channels

    @property
    def identity(self) -> str:
        """Name and fingerprint: what a result says about the model it came from."""
        return f"{self.name}@{self.fingerprint}"

    def unsure_for(self, label_set: LabelSet) -> UnsureRule | None:
        """The rule for leaving a face unlabelled where it was proven: for all labels of the model, and no fewer."""
        return self.unsure if label_set.expressions == self.label_set.expressions else None


def write_bundle(
    path: Path,
    *,
    name: str,
    onnx: bytes,
    label_set: LabelSet,
    crop_rule: CropRule,
    temperature: float,
    unsure: UnsureRule | None,
    card: Mapping[str, Any],
    golden: Golden,
    cam_weights: NDArray[np.floating] | None = None,
    seen: Seen | None = None,
    likeness: Likeness | None = None,
) -> Bundle:
    """Write a bundle and load it again.

    Args:
        path: where it shall be: a single file when the name ends in ".mien", otherwise a folder.
        name: short name of the model.
        onnx: the model file, as described at `Bundle.onnx`.
        label_set: the expressions, in the order of the model's outputs.
        crop_rule: the crops that the model was trained for.
        temperature: divisor of the logits, above 0.
        unsure: when no label is given, or None.
        card: plain JSON values; a section each, see `card_markdown`.
        golden: crops and the probabilities that the model gives for them.
        cam_weights: shape (channels, classes), for models with a "features" output.
        seen: hashes of the images that the model was made with, where they are known.
        likeness: what the faces look like that the model learned from, where that is known.

    Raises:
        BundleError: the parts do not fit each other.
    """
    files = {
        _MODEL: onnx,
        _CARD: _json_bytes(card),
        _CARD_TEXT: text_bytes(card_markdown(name, card)),
        _GOLDEN: _npz(crops=golden.crops, probabilities=golden.probabilities),
    }
    if cam_weights is not None:
        files[_CAM] = _npz(weights=cam_weights.astype(np.float32))
    if seen is not None:
        files[_SEEN] = _npz(train=seen.train, validation=seen.validation)
    if likeness is not None:
        files[_LIKENESS] = _npz(mean=likeness.mean, axes=likeness.axes)
    refuse_other_ending(path)
    without = _GRAY_SCHEMA if crop_rule.channels == "gray" else _COLOUR_SCHEMA
    head = {
        "schema": without if likeness is None else SCHEMA,
        "name": name,
        "labels": [label_text(label) for label in label_set.expressions],
        "crop_rule": crop_rule.to_json(),
        "temperature": temperature,
        "unsure": None if unsure is None else asdict(unsure),
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }
    bundle = _parse(head, files, str(path))
    if path.suffix == SUFFIX:
        _write_zip(path, {_HEAD: _json_bytes(head), **files})
    else:
        path.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            with written_whole(path / file) as out:
                out.write(content)
        write_json(path / _HEAD, head)  # last: a bundle without it is not complete
    return bundle


def write_again(bundle: Bundle, path: Path) -> Bundle:
    """Write a model that was loaded or changed; see `write_bundle`.

    Args:
        bundle: the model.
        path: where it shall be; may be where it is.
    """
    said_anew = ("fingerprint", "source")
    parts = {part.name: getattr(bundle, part.name) for part in fields(bundle) if part.name not in said_anew}
    return write_bundle(path, **parts)


def shipped_bundles() -> dict[str, Path]:
    """The models that are shipped with mien: the file of each name. Without them in the installation, none."""
    return {path.stem: path for path in sorted(DATA.glob(f"*{SUFFIX}"))}


def load_bundle(bundle: Path | str) -> Bundle:
    """Load a bundle and check its schema and the hash of every file.

    Args:
        bundle: the name of one that is shipped with mien ("default"), a folder, or a ".mien" file. A `Path` is
            never taken for a name, nor is "./default".

    Raises:
        BundleError: there is none, it is damaged or incomplete, or it was made by a newer mien.
    """
    return _parse(*_contents(bundle))


def _contents(bundle: Path | str) -> tuple[Any, dict[str, bytes], str]:
    """Head, files and place of a bundle, not yet checked."""
    shipped = shipped_bundles()
    path = shipped.get(bundle, Path(bundle)) if isinstance(bundle, str) else bundle
    if not isinstance(path, Path):
        raise BundleError(
            f"A model is a name such as 'default', a path, or what mien.load_bundle gave. Received: "
            f"{type(bundle).__name__}."
        )
    if path.is_file() and path.suffix.lower() in _OTHER_MODELS:
        raise BundleError(
            f"{path} is {_OTHER_MODELS[path.suffix.lower()]} alone: it does not say which labels it gives and how it "
            f"wants its faces. {_way_to_bundle(path)}"
        )
    if not path.exists():
        raise BundleError(
            f"There is no bundle {bundle}. Expected: a folder with {_HEAD}, a {SUFFIX} file, or one that is shipped "
            f"with mien ({', '.join(shipped) or 'this installation has none'}). `mien export RUN` makes one from a run."
        )
    try:
        contents = _read_folder(path) if path.is_dir() else _read_zip(path)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, struct.error) as error:
        # RuntimeError: an encrypted or unknown entry; the others: a directory whose places and names are damaged.
        raise BundleError(f"The bundle {path} cannot be read: {str(error) or 'it is cut off'}.") from error
    if _HEAD not in contents:
        raise BundleError(f"{path} is not a bundle: it has no {_HEAD}.{_hint(path, contents)}")
    try:
        head = parse_json(contents.pop(_HEAD))
    except ValueError as error:
        raise BundleError(f"The bundle {path} is damaged: {_HEAD} is not JSON ({error}).") from error
    return head, contents, str(path)


def _way_to_bundle(path: Path) -> str:
    if path.suffix.lower() == ".onnx":
        return f"`mien wrap {path}` makes a bundle of it."
    return (
        "A run of mien becomes a bundle with `mien export RUN`; any other model is converted to ONNX first (tf2onnx, "
        "torch.onnx.export), and then `mien wrap MODEL.onnx` makes a bundle of it."
    )


def refuse_other_ending(path: Path) -> None:
    """Raise BundleError where a bundle is to be written under a name that promises a model of another form."""
    what = _OTHER_MODELS.get(path.suffix.lower())
    if what is not None:
        raise BundleError(
            f"{path.name} would be {what}, and mien writes bundles: one file that ends in {SUFFIX}, such as "
            f"{path.stem}{SUFFIX}, or a folder, such as {path.stem}, in which {_MODEL} is the bare model. `mien export "
            f"RUN --output {path.stem}.onnx` writes that model alone, and so do the endings .keras and .tflite."
        )


def _hint(path: Path, contents: Mapping[str, bytes]) -> str:
    """What a folder is that people take for a bundle, and how it becomes one."""
    what = {"store.json": "a store of runs", "run.json": "a run"}
    found = next((text for name, text in what.items() if (path / name).is_file()), None)
    return "" if found is None else f" It is {found}: mien export {path} --output model.mien makes a bundle of it."


def bundle_archive(bundle: Path | str) -> bytes:
    """A bundle as the bytes of its single file, also when it is a folder; checked as `load_bundle` checks it.

    Args:
        bundle: what `load_bundle` takes.

    Raises:
        BundleError: as `load_bundle`.
    """
    head, files, source = _contents(bundle)
    _parse(head, files, source)
    return _zip_bytes({_HEAD: _json_bytes(head), **{name: files[name] for name in head["files"]}})


def card_markdown(name: str, card: Mapping[str, Any]) -> str:
    """A card for people: each key a section; text as a paragraph, a list as bullets, a mapping as a table.

    >>> print(card_markdown("tiny", {"intended_use": "tests"}))
    # tiny
    <BLANKLINE>
    ## Intended use
    <BLANKLINE>
    tests
    <BLANKLINE>
    """
    lines = [f"# {name}", ""]
    for key, value in card.items():
        lines += [f"## {key.replace('_', ' ').capitalize()}", ""]
        if isinstance(value, Mapping):
            lines += ["| | |", "|---|---|", *(f"| {k} | {_inline(v)} |" for k, v in value.items())]
        elif isinstance(value, (list, tuple)):
            lines += [f"- {_inline(item)}" for item in value]
        else:
            lines.append(_inline(value))
        lines.append("")
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() == {"value", "low", "high", "count"}:  # a figure with its interval
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}], n={value['count']}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_inline(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_inline(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _parse(head: Any, files: Mapping[str, bytes], source: str) -> Bundle:
    where = f"The bundle {source}"
    if not isinstance(head, dict) or not isinstance(head.get("schema"), int):
        raise BundleError(f"{where} is damaged: {_HEAD} names no schema number.")
    if head["schema"] > SCHEMA:
        raise BundleError(
            f"{where} has schema {head['schema']}, and this mien reads up to {SCHEMA}: pip install --upgrade mien"
        )
    if head["schema"] < 1:
        raise BundleError(f"{where} has schema {head['schema']}. Expected: 1 to {SCHEMA}.")
    try:
        check_shape(head, _HEAD_SHAPE)
        hashes = dict(head["files"])
        _check_files(where, hashes, files)
        expressions = tuple(map(to_label, head["labels"]))
        card = _card(files[_CARD])
        upgraded = head if head["schema"] > 1 else _from_schema_1(head, card)
        crop_rule = CropRule.from_json(upgraded["crop_rule"])
        bundle = Bundle(
            name=str(head["name"]),
            label_set=LabelSet.of(expressions),
            crop_rule=crop_rule,
            temperature=float(head["temperature"]),
            unsure=None if head["unsure"] is None else UnsureRule(**head["unsure"]),
            onnx=files[_MODEL],
            card=card,
            golden=_golden(files[_GOLDEN]),
            cam_weights=_numbers(_arrays(files[_CAM])["weights"]).astype(np.float32) if _CAM in hashes else None,
            fingerprint=hashlib.sha256(_json_bytes(head)).hexdigest()[:12],
            source=source,
            seen=_seen(files[_SEEN]) if _SEEN in hashes else None,
            likeness=_likeness(files[_LIKENESS]) if _LIKENESS in hashes else None,
        )
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, OSError, MienError) as error:
        raise BundleError(f"{where} is damaged: {type(error).__name__} {error}.") from error
    if bundle.label_set.expressions != expressions:
        raise BundleError(
            f"{where} lists its labels as {', '.join(expressions)}. "
            f"Expected each once, in this order: {', '.join(bundle.label_set.expressions)}."
        )
    if not (bundle.temperature > 0 and math.isfinite(bundle.temperature)):
        raise BundleError(f"{where} needs a temperature above 0. Received: {bundle.temperature}.")
    _check_shapes(where, bundle)
    return bundle


def _from_schema_1(head: dict[str, Any], card: Mapping[str, Any]) -> dict[str, Any]:
    """A head of schema 1 as one of 2: every crop rule was that of FER2013, which is right for models of FER2013."""
    learned_fer2013 = "FER2013" in str(card.get("licence", {}).get("data", ""))
    return {**head, "crop_rule": {**head["crop_rule"], "framing": "fer2013" if learned_fer2013 else None}}


def _check_files(where: str, hashes: Mapping[str, str], files: Mapping[str, bytes]) -> None:
    for file in (*_REQUIRED, *hashes):
        if file not in hashes or file not in files:
            raise BundleError(f"{where} is incomplete: {file} is missing.")
        if hashlib.sha256(files[file]).hexdigest() != hashes[file]:
            raise BundleError(f"{where} is damaged: {file} is not the file it was made with (its hash differs).")


def _check_shapes(where: str, bundle: Bundle) -> None:
    size, classes = bundle.crop_rule.size, len(bundle.label_set)
    crops, probabilities = bundle.golden.crops, bundle.golden.probabilities
    expected = shape_of(bundle.channels, size, size)
    if crops.dtype != np.uint8 or crops.shape != (len(crops), *expected) or not len(crops):
        raise BundleError(
            f"{where}: expected golden crops of shape (N, {', '.join(map(str, expected))}), uint8. "
            f"Received: {crops.shape}, {crops.dtype}."
        )
    if probabilities.shape != (len(crops), classes):
        raise BundleError(
            f"{where}: expected golden probabilities of shape ({len(crops)}, {classes}). "
            f"Received: {probabilities.shape}."
        )
    weights = bundle.cam_weights
    if weights is not None and (weights.ndim != 2 or weights.shape[1] != classes):
        raise BundleError(f"{where}: expected cam weights of shape (channels, {classes}). Received: {weights.shape}.")


def _golden(content: bytes) -> Golden:
    arrays = _arrays(content)
    return Golden(arrays["crops"], _numbers(arrays["probabilities"]).astype(np.float64))


def _card(content: bytes) -> dict[str, Any]:
    card = parse_json(content)
    check_shape(card, _CARD_SHAPE, _CARD)
    return dict(card)


def _seen(content: bytes) -> Seen:
    arrays = _arrays(content)
    return Seen(arrays["train"].astype(np.uint64), arrays["validation"].astype(np.uint64))


def _likeness(content: bytes) -> Likeness:
    arrays = {name: _numbers(array).astype(np.float64) for name, array in _arrays(content).items()}
    mean, axes = arrays["mean"], arrays["axes"]
    if mean.shape != (MEASURES,) or axes.shape != (MEASURES, MEASURES):
        raise ValueError(f"expected a likeness of {MEASURES} measures, received shapes {mean.shape} and {axes.shape}")
    return Likeness(mean, axes)


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    return dict(read_npz(io.BytesIO(content), largest_bytes=_LARGEST_ARRAYS_BYTES))


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"an array of dtype {array.dtype} has something else than finite numbers")
    return array


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    # Rows first, which every reader of arrays knows.
    np.savez_compressed(buffer, allow_pickle=False, **{name: np.ascontiguousarray(a) for name, a in arrays.items()})
    return buffer.getvalue()


def _json_bytes(value: Any) -> bytes:
    return text_bytes(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _write_zip(path: Path, contents: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as out:
        out.write(_zip_bytes(contents))


def _zip_bytes(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # a fixed date: equal bundles are equal files
    return buffer.getvalue()


def _read_folder(path: Path) -> dict[str, bytes]:
    known = (_HEAD, *_REQUIRED, *_OPTIONAL)
    return {name: read_file(path / name, largest_bytes=_LARGEST_FILE) for name in known if os.path.lexists(path / name)}


def _read_zip(path: Path) -> dict[str, bytes]:
    # Entries are read by their known names into memory and never unpacked, so names that climb out do nothing.
    with zipfile.ZipFile(path) as archive:
        present = {entry.filename: entry for entry in archive.infolist()}
        contents = {}
        for name in (_HEAD, *_REQUIRED, *_OPTIONAL):
            entry = present.get(name)
            if entry is None:
                continue
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > _LARGEST_FILE:
                raise BundleError(f"The bundle {path}: {name} must be stored uncompressed and below 1 GiB.")
            contents[name] = archive.read(entry)
    return contents
