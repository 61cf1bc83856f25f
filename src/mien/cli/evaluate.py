"""`mien evaluate`: how well any bundle does on any labelled data set."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated

import typer

import mien
from mien.cli.options import BUNDLE_HELP, CLASSES_HELP, LABELS_HELP, PRIOR_HELP
from mien.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

    from mien.api.evaluating import ModelEvaluation
    from mien.datasets.protocol import Opening
    from mien.evaluation.evaluate import Evaluation
    from mien.evaluation.metrics import Scores
    from mien.evaluation.votes import VoteScores


class RoleChoice(StrEnum):
    """The roles that can be asked for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help=BUNDLE_HELP)],
    data: Annotated[str, typer.Argument(metavar="DATA", help='A data set that mien reads, or "drawn".')],
    role: Annotated[
        RoleChoice | None, typer.Option(help="Which images; the test role, or all of data without one, if not given.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help=LABELS_HELP)] = None,
    roles: Annotated[str | None, typer.Option(help="Roles: auto, official, deck or split.")] = None,
    targets: Annotated[str | None, typer.Option(help="What is right: labels, votes, majority or multi_target.")] = None,
    votes: Annotated[Path | None, typer.Option(help="FER+'s votes (fer2013new.csv) for FER2013.")] = None,
    classes: Annotated[str | None, typer.Option(help=CLASSES_HELP)] = None,
    find_faces: Annotated[
        bool,
        typer.Option("--find-faces", help="Find the face in each image as predicting does; misses count as wrong."),
    ] = False,
    prior: Annotated[str, typer.Option(help=PRIOR_HELP)] = "training",
    csv: Annotated[Path | None, typer.Option(help="Write a row per image to this CSV file.")] = None,
    no_copies: Annotated[
        bool, typer.Option("--no-copies", help="Leave out the images that the model has seen.")
    ] = False,
    corruptions: Annotated[
        bool,
        typer.Option("--corruptions", help="Measure again with blur, noise and others, in five strengths each."),
    ] = False,
    corruptions_csv: Annotated[
        Path | None, typer.Option(help="Write the figures under corruptions to this CSV file; asks for them, too.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Write the model again to this .mien file, with these figures on its card.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure a bundle on a data set, with intervals, for each expression, with and without images that it has seen.

    The images are taken as faces that are cut out already, unless --find-faces is given. On the data of the bundle's
    card, what is not said is as in its protocol, so that they give the card's figures again. On other data the classes
    are those that both know, and all images are measured where the data have no test role.
    """
    from mien.api.evaluating import refuse_model_place, refuse_place
    from mien.cli.bar import Bar

    places = [path for path in (csv, corruptions_csv) if path is not None]
    for path in places:
        refuse_place(path)
    if len({path.absolute() for path in places}) < len(places):
        raise DataError(f"--csv and --corruptions-csv are both {csv}, and one would replace the other. Name two files.")
    if card is not None:
        refuse_model_place(card)
    model = mien.load_bundle(bundle)
    try:
        with Bar("images") as bar:
            found = mien.evaluate(
                model,
                data,
                role=None if role is None else role.value,
                labels=labels,
                roles=roles,
                targets=targets,
                unseen_only=no_copies,
                find_faces=find_faces,
                prior=prior,
                corruptions=corruptions or corruptions_csv is not None,
                log=_log,
                progress=bar.moved,
                votes=votes,
                classes=classes,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Nothing was written, and the same command measures from the first image.") from None
    # The figures first: they are there where a file cannot be written in the end, and the files where whoever read the
    # figures has gone.
    try:
        if as_json:
            typer.echo(json.dumps(found.to_json(), indent=1))
        else:
            _show(found)
    finally:
        if corruptions_csv is not None:
            found.write_csv(corruptions_csv, corrupted=True)
        if csv is not None:
            found.write_csv(csv)
        if card is not None:
            written = found.on_card(model, card)
            typer.echo(f"{card}: {written.identity}, with these figures on its card", err=True)


def _log(opening: Opening) -> None:
    typer.echo(f"test labels opened: {opening.when}, {opening.count:,} images, split {opening.split}", err=True)


def _show(found: ModelEvaluation) -> None:
    from rich.markup import escape

    from mien.cli.console import open_console

    console, data, evaluation = open_console(), found.data, found.evaluation
    what = "all images" if data["role"] == "all" else f"the {data['role']} role"
    split = f", split {data['split']}" if data["split"] else ""
    console.print(f"{escape(found.model)} on {what} of {escape(data['name'])}{split}")
    if found.same_data_as_card:
        console.print("These are the data and the protocol of the model's card.")
    if not found.prior.is_training:
        console.print(f"Answers as they are where the classes have the prior {found.prior}.", markup=False)
    console.print(_familiar_line(found))
    if found.unlike is not None:
        right = "" if found.accuracy_of_unlike is None else f"; right on {found.accuracy_of_unlike} of them"
        share = f"{found.unlike.sum():,} ({found.unlike.mean():.1%})"
        console.print(f"Unlike the faces that the model learned from: {share}{right}", markup=False)
    console.print(_figure_table(evaluation))
    for note in found.notes:
        console.print(note if note.startswith("warning: ") else f"note: {note}", markup=False, soft_wrap=True)
    if found.with_misses:
        misses = ", ".join(
            f"{outcome} {count:,}" for outcome, count in Counter(m.outcome for m in found.missed).items()
        )
        console.print(
            f"Accuracy with photos in which no face could be cut out ({misses}) counted as wrong: "
            f"{found.with_misses['accuracy']}",
            markup=False,
            soft_wrap=True,
        )
    if found.vote_scores is not None:
        console.print(_vote_table(found.vote_scores))
    console.print(_class_table("Expressions", evaluation.scores))
    if evaluation.leak_free is not None:
        console.print(_class_table("Expressions, without images seen", evaluation.leak_free))
    console.print(_reliability_table(evaluation.scores))
    if found.corrupted:
        console.print(_corruption_table(found))
    answers = evaluation.answers
    if answers is not None:
        risk = "" if answers.risk is None else f"; of those a wrong one: {answers.risk}"
        console.print(
            f"Surely labelled, from probability {answers.value:.3f} on: {answers.coverage}{risk}", markup=False
        )


def _familiar_line(found: ModelEvaluation) -> str:
    familiar, total = found.familiar, found.evaluation.scores.count
    if not familiar.known:
        return (
            "Which images the model has learned from is unknown: its bundle does not say (mien models seen adds it). "
            "Test images with a copy in these data's own training or validation role are taken for seen."
        )
    return (
        f"Of {total:,} images the model has learned from {familiar.learned:,}, and {familiar.chosen:,} more served to "
        "choose it (equal pixels; an image that was saved again with other pixels is not recognised)."
    )


def _figure_table(evaluation: Evaluation) -> Table:
    from rich.table import Table

    from mien.api.evaluating import figure_texts

    columns = [("all images", evaluation.scores)]
    if evaluation.leak_free is not None:
        columns.append((f"without the {evaluation.copies:,} that the model has seen", evaluation.leak_free))
    table = Table("figure", *(heading for heading, _ in columns))
    for rows in zip(*(figure_texts(scores) for _, scores in columns), strict=True):
        table.add_row(rows[0][0], *(text for _, text in rows))
    table.add_section()
    table.add_row(
        "Always the commonest", *(f"{scores.majority_share} ({scores.majority.value})" for _, scores in columns)
    )
    return table


def _vote_table(scores: VoteScores) -> Table:
    from rich.table import Table

    from mien.api.evaluating import vote_texts

    table = Table("figure", "images on which", "", title="Against the votes of the taggers")
    for row in vote_texts(scores):
        table.add_row(*row)
    return table


def _corruption_table(found: ModelEvaluation) -> Table:
    from rich.table import Table

    table = Table(
        "corruption",
        *(f"strength {strength}" for strength in dict.fromkeys(one.strength for one in found.corrupted)),
        title=f"Accuracy under corruptions; {found.evaluation.scores.accuracy.value:.1%} without",
    )
    cells: dict[str, list[str]] = {}
    for one in found.corrupted:
        share = one.accuracy
        cells.setdefault(one.corruption, []).append(f"{share.value:.1%}\n[{share.low:.1%}, {share.high:.1%}]")
    for name, row in cells.items():
        table.add_row(name, *row)
    accuracy, confidence = (
        mean(values) for values in zip(*((one.accuracy.value, one.confidence) for one in found.corrupted), strict=True)
    )
    table.caption = (
        f"Over all of these: right {accuracy:.1%}, where the model's probability for its answer is {confidence:.1%}"
    )
    if found.told_apart is not None:
        table.caption += (
            ". A corrupted image is further from the faces that the model learned from than one as it is, in "
            f"{found.told_apart:.1%} of all pairs (50 % is chance)"
        )
    return table


def _reliability_table(scores: Scores) -> Table:
    from rich.table import Table

    table = Table("probability of the answer", "images", "mean of it", "right", title="How sure, and how often right")
    for entry in scores.reliability:
        if entry.accuracy is not None:
            right = f"{entry.accuracy.value:.1%} [{entry.accuracy.low:.1%}, {entry.accuracy.high:.1%}]"
            share = f"{entry.low:.1%} to {entry.high:.1%}"
            table.add_row(share, f"{entry.count:,}", f"{entry.confidence:.1%}", right)
    return table


def _class_table(title: str, scores: Scores) -> Table:
    from rich.table import Table

    table = Table("expression", "images", "precision", "recall", "F1", title=title)
    for entry in scores.classes:
        estimates = (entry.precision, entry.recall, entry.f1)
        shown = ["" if e is None else f"{e.value:.1%} [{e.low:.1%}, {e.high:.1%}]" for e in estimates]
        table.add_row(entry.expression.value, f"{entry.support:,}", *shown)
    return table
