"""`mien data audit`: what is wrong with a data set, before figures are made with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.bar import Bar
from mien.cli.options import CLASSES_HELP, OUTSIDE_HELP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from mien.datasets.audit.findings import LabelDoubt
    from mien.datasets.audit.run import Audit
    from mien.datasets.dataset import Dataset
    from mien.evaluation.agreement import Agreement

_PAGE, _JSON, _CLEANING, _COPIES, _DOUBTS = "audit.html", "audit.json", "cleaning.csv", "copies.csv", "label-noise.csv"


def audit(
    path: Annotated[
        str, typer.Argument(help='A folder, a .zip, .csv, .csv.gz, .parquet or .npz; or "drawn" for drawn faces.')
    ],
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    reader: Annotated[str | None, typer.Option(help="Name of the reader; chosen by the path if not given.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help=OUTSIDE_HELP)] = False,
    record: Annotated[
        Path | None, typer.Option(help="A run's folder in a store: its answers rank labels that are likely wrong.")
    ] = None,
    faces: Annotated[
        bool, typer.Option("--faces/--no-faces", help="Look with a face detector for images that show no face.")
    ] = True,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the page with pictures, the JSON, and the lists.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Look for what makes figures wrong: copies across roles, wrong labels, mixed-up roles and classes, empty images.

    With --output, a page shows it with pictures, and cleaning.csv lists the images to leave out, for a study's [data].
    """
    from mien.cli.console import open_console
    from mien.datasets.audit.run import audit_dataset
    from mien.datasets.reading import read_dataset
    from mien.files import json_text

    dataset = read_dataset(path, reader=reader, votes=votes, classes=classes, outside=allow_outside)
    doubts = () if record is None else _doubts(dataset, record)
    with Bar("looking for faces") as bar:
        certainty = _face_certainty(dataset, bar.moved) if faces else None
    with Bar("comparing images") as bar:
        found = audit_dataset(dataset, doubts=doubts, face_certainty=certainty, progress=bar.moved)
    agreement = _agreement(dataset)
    values = found.to_json(dataset.ids)
    values["agreement"] = {role: measured.to_json() for role, measured in agreement.items()}
    remark = None if output is None else _write(dataset, found, agreement, doubts, values, output)
    if as_json:
        typer.echo(json_text(values), nl=False)
    else:
        _show(found, agreement, open_console())
        if output is not None:
            typer.echo(f"Written to {output}: {', '.join(sorted(entry.name for entry in output.iterdir()))}")
    if remark:
        typer.echo(remark, err=True)


def _face_certainty(dataset: Dataset, progress: Callable[[int, int], None]) -> NDArray[np.float64]:
    import os
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from mien.inference.detector import Detector

    detector = Detector(threads=1)
    found = np.empty(len(dataset))
    # Threads gain little within an image of this size; one image for each core gains nearly all of it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(dataset), 500):
            block = np.asarray(dataset.images[start : start + 500])
            found[start : start + len(block)] = list(pool.map(detector.face_certainty, block))
            progress(start + len(block), len(dataset))
    return found


def _agreement(dataset: Dataset) -> dict[str, Agreement]:
    """How far the taggers agree, on all images and in each role; nothing without votes that are counts of people."""
    import numpy as np

    from mien.datasets.dataset import Role
    from mien.evaluation.agreement import measure_agreement

    if dataset.votes is None:
        return {}
    votes = dataset.votes if dataset.other_votes is None else np.hstack([dataset.votes, dataset.other_votes])
    if (votes != np.floor(votes)).any():
        return {}
    parts = {"all": np.ones(len(dataset), dtype=bool)}
    parts |= {role.value: dataset.roles == role.value for role in Role if role is not Role.NONE}
    return {
        name: measure_agreement(votes[inside])
        for name, inside in parts.items()
        if (votes[inside].sum(axis=1) >= 2).any()
    }


def _doubts(dataset: Dataset, folder: Path) -> tuple[LabelDoubt, ...]:
    """The labels that a run's network doubts: of its validation and test images, which it did not learn from."""
    import numpy as np

    from mien.datasets.audit.findings import LabelDoubt
    from mien.datasets.dataset import Role
    from mien.errors import DataError
    from mien.evaluation.label_noise import doubt_labels
    from mien.study.record import RunRecord

    record = RunRecord.read(folder)
    parts = [record.predictions[key] for role in Role if (key := (record.readouts[-1], role)) in record.predictions]
    if not parts:
        raise DataError(
            f"The run in {folder} has no answers: it is {record.status.value}. Name a run that is complete."
        )
    ids = np.concatenate([part.ids for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    positions = {name: position for position, name in enumerate(dataset.ids.tolist())}
    strange = [name for name in ids.tolist() if name not in positions]
    if strange:
        raise DataError(
            f"The run in {folder} is about another data set ({record.data.get('name')}): {len(strange):,} of its "
            f"images are not in {dataset.name}, the first is {strange[0]!r}. Name a run on this data set."
        )
    found = doubt_labels(np.concatenate([part.probabilities for part in parts]), labels)
    expressions = record.label_set.expressions
    return tuple(
        LabelDoubt(positions[ids[row]], expressions[labels[row]].value, expressions[answer].value, own, other)
        for row, answer, own, other in zip(
            found.index.tolist(), found.answers.tolist(), found.own.tolist(), found.other.tolist(), strict=True
        )
    )


def _write(
    dataset: Dataset,
    found: Audit,
    agreement: dict[str, Agreement],
    doubts: tuple[LabelDoubt, ...],
    values: dict[str, Any],
    folder: Path,
) -> str | None:
    """Write everything into a folder. Returns why there is no page, where there is none."""
    from mien.datasets.cleaning import write_cleaning
    from mien.errors import MissingExtraError, ReportError
    from mien.files import write_json, write_text

    files = [_JSON, _CLEANING, _COPIES] + [_DOUBTS] * bool(doubts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _JSON, values)
        write_cleaning(folder / _CLEANING, found.cleaning)
        write_text(folder / _COPIES, _copies_text(dataset, found))
        if doubts:
            write_text(folder / _DOUBTS, _doubts_text(dataset, doubts))
    except OSError as error:
        raise ReportError(
            f"The audit cannot be written to {folder}: {error.strerror or error}. Name another folder, or make room."
        ) from error
    try:
        from mien.report.audit_page import write_audit_page

        write_audit_page(dataset, found, folder / _PAGE, agreement=agreement, files=files)
    except MissingExtraError as error:
        return f"mien: There is no page, but everything else was written. {error}"
    return None


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _copies_text(dataset: Dataset, found: Audit) -> str:
    names = [expression.value for expression in dataset.label_set.expressions]
    copies = found.duplicates
    columns = zip(
        copies.first.tolist(), copies.second.tolist(), copies.kinds, copies.scores, copies.shifts, strict=True
    )
    rows: list[tuple[object, ...]] = []
    for one, other, kind, score, (down, right) in columns:
        described = [
            value for p in (one, other) for value in (dataset.ids[p], dataset.roles[p], names[dataset.labels[p]])
        ]
        rows.append((*described, kind, f"{score:.3f}", down, right))
    header = ("id", "role", "label", "copy_id", "copy_role", "copy_label", "kind", "score", "down_px", "right_px")
    return _table(header, rows)


def _doubts_text(dataset: Dataset, doubts: tuple[LabelDoubt, ...]) -> str:
    """The ranking, beside the votes for label and answer where there are votes."""
    names = [expression.value for expression in dataset.label_set.expressions]
    rows: list[tuple[object, ...]] = []
    for doubt in doubts:
        votes = [
            "" if dataset.votes is None else f"{dataset.votes[doubt.position, names.index(name)]:g}"
            for name in (doubt.label, doubt.answer)
        ]
        place = (dataset.ids[doubt.position], dataset.roles[doubt.position])
        rows.append((*place, doubt.label, doubt.answer, f"{doubt.own:.4f}", f"{doubt.other:.4f}", *votes))
    header = ("id", "role", "label", "answer", "probability_label", "probability_answer", "votes_label", "votes_answer")
    return _table(header, rows)


def _show(found: Audit, agreement: dict[str, Agreement], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    described = found.description
    total = sum(sum(numbers.values()) for numbers in described.counts.values())
    console.print(f"[bold]{escape(described.name)}[/bold]: {total:,} images, fingerprint {described.fingerprint}")
    if found.known is not None and not found.known.differences:
        console.print(f"The counts are those of {found.known.known.name}.")
    if not found.findings:
        console.print("Nothing was found.")
    else:
        table = Table("", "finding")
        for finding in found.findings:
            table.add_row(finding.severity.value, escape(finding.title))
        console.print(table)
    copies = Table("copies", "groups", "images", "labels differ", *(f"{a} in {b}" for a, b in found.copies[0].across))
    for count in found.copies:
        numbers = (count.groups, count.images, count.conflicting, *count.across.values())
        copies.add_row(count.kind, *(f"{number:,}" for number in numbers))
    console.print(copies)
    if agreement:
        people = Table("people", "images", "one against the rest", "two agree")
        for role, measured in agreement.items():
            estimates = (measured.one_against_rest, measured.pairwise)
            people.add_row(
                role, f"{measured.pairwise.count:,}", *(f"{e.value:.1%} [{e.low:.1%}, {e.high:.1%}]" for e in estimates)
            )
        console.print(people)
    if found.cleaning:
        console.print(f"The cleaning list leaves out {len(found.cleaning):,} images.")
