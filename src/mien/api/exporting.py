"""From a run to a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.api.training import Run
from mien.arguments import checked
from mien.bundle import BARE_ENDINGS, SUFFIX, refuse_other_ending
from mien.datasets.dataset import Dataset
from mien.datasets.reading import read_dataset
from mien.errors import ExportError
from mien.files import refuse_unwritable, written_whole
from mien.study.record import RunRecord
from mien.study.store import Store, find_run
from mien.training.exported import Exported


@checked()
def export(
    run: Run | Path | str,
    output: Path | str = "model.mien",
    *,
    name: str | None = None,
    data: Dataset | Path | str | None = None,
    votes: Path | str | None = None,
    cleaning: Path | str | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> Exported:
    """Make a bundle from a run, and refuse where it does not answer as the trained network does.

    Args:
        run: what `mien.train` gave; or a run's folder, or a store that has no other run.
        output: the bundle: a single file when it ends in ".mien", otherwise a folder. Where it ends in ".onnx",
            ".keras" or ".tflite", the model alone in that form, under the same checks: without labels, threshold, and
            how faces are cut out.
        name: short name of the model; None for the output's name.
        data: the run's data set, to measure the exported model itself; or where it is, to be read as the run read it.
        votes: the table of votes, where the run had one and it does not lie beside `data`.
        cleaning: the run's cleaning list, where its store no longer has it.
        say: is told what is being done.
        **options: of `mien.training.export.ExportOptions`.

    Raises:
        BundleError: the output's name promises a model of another form.
        ExportError: the run cannot be exported, the output cannot be written, or the model does not answer as the
            network does.
        MissingExtraError: Keras is not installed.
    """
    from mien.training.backend import choose_backend

    output = Path(output)
    ending = output.suffix.lower()
    bare = ending in BARE_ENDINGS
    if not bare:
        refuse_other_ending(output)
    elif not output.parent.is_dir():
        raise ExportError(f"There is no folder {output.parent} to write {output.name} to.")
    try:
        refuse_unwritable(output)
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror}. Name another file.") from error
    folder = find_run(Path(run) if isinstance(run, (str, Path)) else run.folder)
    choose_backend()
    from mien.training.export import ExportOptions, convert_run, export_run

    dataset: Dataset | None = None
    if isinstance(data, Dataset):
        dataset = data
    elif data is not None:
        store, record = Store(folder.resolve().parents[1]), RunRecord.read(folder)
        spec = store.data_of(
            record,
            str(data),
            votes=None if votes is None else Path(votes),
            cleaning=None if cleaning is None else Path(cleaning),
        )
        dataset = read_dataset(spec)
    asked = ExportOptions(name=name or output.stem, **options)
    if not bare:
        return export_run(folder, output, asked, dataset=dataset, say=say)
    converted = None if ending == ".onnx" else convert_run(folder, ending, asked, dataset=dataset, say=say)
    with tempfile.TemporaryDirectory() as place:
        exported = export_run(folder, Path(place) / f"model{SUFFIX}", asked, dataset=dataset, say=say)
    content = exported.bundle.onnx
    if converted is not None:
        content, parity = converted
        exported = replace(exported, parity=parity, int8=None)
    try:
        with written_whole(output) as file:
            file.write(content)
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror or error}. Name another file.") from error
    return exported
