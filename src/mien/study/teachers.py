"""The models that a recipe's network learns from beside its targets: bundles, and runs that are finished."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from mien.bundle import SUFFIX, load_bundle, shipped_bundles
from mien.datasets.places import find_place
from mien.errors import DataError, MienError, StudyFileError
from mien.files import parse_json
from mien.labels import LabelSet, project
from mien.study.record import HISTORY_FILE, NETWORK_FILE, RUN_FILE, STORE_FILE, RunRecord


def find_teachers(names: Iterable[str], base: Path) -> tuple[str, ...]:
    """What a study means by its teachers: names of bundles that are shipped with mien, and absolute paths.

    Args:
        names: as a study file has them: such a name; or, relative to `base` or to the current folder, a .mien file, a
            bundle's folder, the folder of a run, or a store, which stands for all its finished runs.
        base: folder of the study file.
    """
    found: dict[str, None] = {}
    for name in names:
        path = find_place(name, base, Path())
        if name in shipped_bundles():
            found[name] = None
        elif (path / STORE_FILE).is_file():
            found |= dict.fromkeys(map(str, _finished_runs(path))) or {str(path): None}
        else:
            found[str(path)] = None
    return tuple(found)


def _finished_runs(store: Path) -> list[Path]:
    """The complete runs of a store whose weights were kept."""
    networks = sorted(store.glob(f"runs/*/{NETWORK_FILE}"))
    return [network.parent for network in networks if is_run(str(network.parent))]


def is_run(place: str) -> bool:
    """Whether a teacher is the folder of a run, and not a bundle."""
    return (Path(place) / RUN_FILE).is_file()


def why_no_teacher(place: str) -> str | None:
    """Why nothing can be learned from one that `find_teachers` found, in one sentence, or None."""
    path = Path(place)
    if place in shipped_bundles():
        return None
    if not path.exists():
        return (
            f"There is no teacher {path.name}: expected a bundle ({SUFFIX}), the folder of a finished run, or a store."
        )
    if (path / STORE_FILE).is_file():
        return f"The store {path.name} has no finished run to learn from: run its study first."
    if is_run(place) and not (path / NETWORK_FILE).is_file():
        return f"The teacher {path.name} has no weights any more: its run was finished with --discard-weights."
    try:
        teacher_identity(place)
    except MienError as error:
        return f"The teacher {path.name} cannot be used: {error}"
    return None


def why_unfit(place: str, label_set: LabelSet) -> str | None:
    """Why a teacher that is there cannot teach these labels, in one sentence, or None.

    Faces come to it in its own size and channels, so that these always fit.

    Args:
        place: as `find_teachers` gives it.
        label_set: what the network shall learn; of one with several heads, the first one's.
    """
    name = Path(place).name
    try:
        if is_run(place):
            record = RunRecord.read(Path(place), answers=False)
            known = record.label_set
            if record.recipe.get("activation") != "softmax":
                return f"The teacher {record.id} gives no probabilities: its activation is no softmax."
        else:
            known = load_bundle(place).label_set
    except MienError as error:
        return f"The teacher {name} cannot be used: {error}"
    try:
        project(np.zeros((0, len(known))), known, label_set)
    except DataError as error:
        return f"The teacher {name} does not know what is to be learned: {error}"
    return None


def teacher_identity(place: str) -> str:
    """What can change the answers of a teacher, and nothing else: a run's name, or a bundle's fingerprint.

    Raises:
        MienError: there is none, or it is damaged.
    """
    path = Path(place)
    changed = max((file.stat().st_mtime_ns for file in (path, path / RUN_FILE) if file.exists()), default=0)
    return _identity(place, changed)


@lru_cache(maxsize=64)
def _identity(place: str, changed: int) -> str:
    if not is_run(place):
        bundle = load_bundle(place)
        return f"bundle {bundle.fingerprint}"
    path = Path(place) / RUN_FILE
    try:
        return f"run {parse_json(path.read_bytes())['id']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyFileError(f"{path} is damaged ({error}).") from error


def teacher_title(place: str) -> str:
    """How a teacher is called where no path of this machine may stand, also when it is gone by then."""
    try:
        identity = teacher_identity(place)
    except MienError:
        return Path(place).name
    return identity if is_run(place) else f"{Path(place).name} ({identity})"


def teacher_files(place: str) -> dict[str, Path]:
    """The files that a teacher is made of, its own first, by where they lie relative to what holds it.

    Of a run these are its record, its network and what its store knows of the images that it has learned from; of a
    bundle, all; of one that is shipped with mien, none.
    """
    path = Path(place)
    if place in shipped_bundles():
        return {}
    if not is_run(place):
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        return {file.relative_to(path.parent).as_posix(): file for file in files}
    store = path.parent.parent
    own = [path / name for name in (RUN_FILE, HISTORY_FILE, NETWORK_FILE)]
    beside = [store / STORE_FILE, *sorted((store / "seen").glob("*.npz"))]
    return {file.relative_to(store).as_posix(): file for file in (*own, *beside) if file.is_file()}
