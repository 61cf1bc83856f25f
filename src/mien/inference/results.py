"""What is said about a photo: faces, labels with probabilities, or the reason why there are none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mien.errors import DataError
from mien.files import parse_json
from mien.frame import frame
from mien.images import shown
from mien.inference.detector import LANDMARK_NAMES, Box, Face
from mien.labels import Expression, Group, Label, find_expression

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1
_EXPRESSIONS = frozenset(expression.value for expression in Expression)

CSV_COLUMNS = (
    "photo",
    "outcome",
    "reason",
    "face",
    "face_outcome",
    "label",
    "probability",
    "x",
    "y",
    "width",
    "height",
    "score",
    "area_rank",
    "distance",
    *(expression.value for expression in Expression),
)

_LONGEST_NAME = 1000


class Outcome(StrEnum):
    """How it went, for a face or for a photo."""

    OK = "ok"
    MIXED = "mixed"
    NO_FACE = "no_face"
    TOO_SMALL = "too_small"
    UNSURE = "unsure"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class FaceResult:
    """One face and the expression label that people would give it.

    Attributes:
        face: where it is.
        outcome: `OK`, `MIXED` (no label is probable enough, but two are together: see `mixture`), `UNSURE` (no label is
            probable enough) or `TOO_SMALL` (the model was not asked).
        probabilities: (expression, probability) in the label set's order, summing to 1; empty when too small.
        distance: from the faces that the model learned from, 0 or more; 1 where 99 % of such faces are nearer (see
            `mien.likeness`). None when too small, or where the model does not say.
    """

    face: Face
    outcome: Outcome
    probabilities: tuple[tuple[Label, float], ...]
    distance: float | None = None

    @property
    def box(self) -> Box:
        """Where the face is, in pixels of the upright photo."""
        return self.face.box

    def __getitem__(self, label: str) -> float:
        """The probability of a label, 0 to 1, by its name or any spelling that mien knows: `face["happiness"]`.

        Raises:
            KeyError: the model does not answer for that label, or the face is too small.
        """
        wanted = find_expression(label) or label
        for known, value in self.probabilities:
            if known == wanted:
                return value
        raise KeyError(f"{label!r}; this face has {', '.join(e.value for e, _ in self.probabilities) or 'none'}")

    def __repr__(self) -> str:
        box = self.face.box
        said = self.outcome.value if self.label is None else f"{self.label.value} {self.probability:.0%}"
        said += ", unlike the faces it learned from" if self.unlike else ""
        return f"<face {self.face.id}: {said}, {box.width:.0f} x {box.height:.0f} px at ({box.x:.0f}, {box.y:.0f})>"

    @property
    def most_probable(self) -> Label | None:
        """The most probable expression, however unsure; None when the face is too small."""
        return max(self.probabilities, key=lambda pair: pair[1])[0] if self.probabilities else None

    @property
    def label(self) -> Label | None:
        """The expression label; None unless the outcome is `OK`."""
        return self.most_probable if self.outcome is Outcome.OK else None

    @property
    def mixture(self) -> tuple[tuple[Label, float], ...]:
        """The two most probable expressions with their probabilities, the first one first, where it is `MIXED`."""
        leading = sorted(self.probabilities, key=lambda pair: -pair[1])
        return tuple(leading[:2]) if self.outcome is Outcome.MIXED else ()

    @property
    def probability(self) -> float | None:
        """The probability of `most_probable`, 0 to 1; None when the face is too small."""
        return max(value for _, value in self.probabilities) if self.probabilities else None

    @property
    def unlike(self) -> bool | None:
        """Whether the face is further from those that the model learned from than 99 % of such faces are.

        How often the model is right was measured on faces like those, so its probabilities say little here: the face
        may be covered, blurred, very dark, badly cut out, or none. None where the model does not say.
        """
        return None if self.distance is None else self.distance > 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; coordinates in pixels of the upright photo."""
        return {
            "id": self.face.id,
            "outcome": self.outcome.value,
            "label": None if self.label is None else self.label.value,
            "probability": self.probability,
            "mixture": {expression.value: value for expression, value in self.mixture},
            "probabilities": {expression.value: value for expression, value in self.probabilities},
            "box": self.face.box._asdict(),
            "landmarks": {name: list(point) for name, point in zip(LANDMARK_NAMES, self.face.landmarks, strict=False)},
            "score": self.face.score,
            "distance": self.distance,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FaceResult:
        """The face that `to_dict` gave."""
        landmarks = tuple((float(x), float(y)) for x, y in value["landmarks"].values())
        box = Box(**{name: float(number) for name, number in value["box"].items()})
        return cls(
            face=Face(int(value["id"]), box, landmarks, float(value["score"])),
            outcome=Outcome(value["outcome"]),
            probabilities=tuple((_named(name), float(p)) for name, p in value["probabilities"].items()),
            distance=None if value.get("distance") is None else float(value["distance"]),
        )


def _named(name: str) -> Label:
    """A label by its name alone: an expression, or a group whose members are not told."""
    return Expression(name) if name in _EXPRESSIONS else Group(name)


def columns_of(labels: Iterable[Label], choices: Iterable[str] = ()) -> tuple[str, ...]:
    """The columns of a table of faces read by these labels: `CSV_COLUMNS`, and one for each group and choice."""
    groups = (label.value for label in labels if isinstance(label, Group))
    return tuple(dict.fromkeys([*CSV_COLUMNS, *groups, *choices]))


@dataclass(frozen=True)
class PhotoResult:
    """What was found in one photo.

    Attributes:
        photo: the file's path, or what the photo was given as.
        outcome: `OK` when at least one face has a label, otherwise the nearest to it that a face reached
            (`MIXED`, `UNSURE`, `TOO_SMALL`), `NO_FACE`, or `UNREADABLE`.
        reason: one sentence for every outcome but `OK`; empty for that.
        faces: in reading order.
        width: of the upright photo, in pixels; 0 when unreadable.
        height: as width.
        notes: what was done to the photo while it was read.
        model: name and fingerprint of the bundle.
        choices: what was chosen that is not usual, by name and in words: "prior", "crops".
    """

    photo: str
    outcome: Outcome
    reason: str
    faces: tuple[FaceResult, ...]
    width: int
    height: int
    notes: tuple[str, ...]
    model: str
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def area_ranks(self) -> tuple[int, ...]:
        """For each face the place of its box by area in this photo: 1 for the largest; equal ones share a place."""
        areas = [face.face.box.area for face in self.faces]
        return tuple(1 + sum(other > area for other in areas) for area in areas)

    def __repr__(self) -> str:
        faces = ", ".join(map(repr, self.faces[:3])) + (", …" if len(self.faces) > 3 else "")
        return f"<{self.photo}: {self.outcome.value}{', ' + faces if faces else '. ' + self.reason}>"

    def frame(self) -> Any:
        """The faces as a table, a row each; see `mien.frame.frame`."""
        return frame_results([self])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": SCHEMA,
            "photo": self.photo,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "width": self.width,
            "height": self.height,
            "faces": [
                {**face.to_dict(), "area_rank": rank} for face, rank in zip(self.faces, self.area_ranks, strict=True)
            ],
            "notes": list(self.notes),
            "model": self.model,
            **({"choices": dict(self.choices)} if self.choices else {}),
        }

    def to_json(self) -> str:
        """One line of JSON. Characters outside ASCII are escaped, so that any terminal and pipe can carry it."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PhotoResult:
        """The result that `to_dict` gave.

        Raises:
            DataError: this is not a result, or it is one of a newer mien.
        """
        try:
            if value["schema"] > SCHEMA:
                raise DataError(
                    f"This result has schema {value['schema']}, and this mien reads up to {SCHEMA}: "
                    "pip install --upgrade mien"
                )
            return cls(
                photo=str(value["photo"]),
                outcome=Outcome(value["outcome"]),
                reason=str(value["reason"]),
                faces=tuple(FaceResult.from_dict(face) for face in value["faces"]),
                width=int(value["width"]),
                height=int(value["height"]),
                notes=tuple(str(note) for note in value["notes"]),
                model=str(value["model"]),
                choices={str(name): str(said) for name, said in value.get("choices", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"This is not a result of mien: {type(error).__name__} {error}.") from error

    @classmethod
    def from_json(cls, text: str) -> PhotoResult:
        """The result that `to_json` gave.

        Raises:
            DataError: this is not a result, or it is one of a newer mien.
        """
        try:
            value = parse_json(text)
        except ValueError as error:
            raise DataError(f"This is not a result of mien: it is not JSON ({error}).") from error
        return cls.from_dict(value)

    def to_rows(self) -> list[dict[str, Any]]:
        """A row per face, or one row for a photo without faces; missing values are "".

        Keys are `CSV_COLUMNS`, then the groups of labels that the faces were read by, then the choices that are not
        usual (see `columns_of`).
        """
        photo = {"photo": self.photo, "outcome": self.outcome.value, "reason": self.reason, **self.choices}
        rows = []
        for result, rank in zip(self.faces, self.area_ranks, strict=True):
            known = {
                "face": result.face.id,
                "face_outcome": result.outcome.value,
                "label": result.label.value if result.label else "",
                "probability": "" if result.probability is None else result.probability,
                **result.face.box._asdict(),
                "score": result.face.score,
                "area_rank": rank,
                "distance": "" if result.distance is None else result.distance,
                **{expression.value: value for expression, value in result.probabilities},
            }
            rows.append(photo | known)
        columns = columns_of((label for face in self.faces for label, _ in face.probabilities), self.choices)
        return [{column: row.get(column, "") for column in columns} for row in rows or [photo]]

    def summary(self) -> str:
        """One line for people."""
        photo = printable(self.photo)
        if not self.faces:
            return f"{photo}: {self.outcome.value}. {self.reason}"
        remark = _unlike_remark(self.faces)
        return f"{photo}: " + "; ".join(describe(face) for face in self.faces) + (f". {remark}" if remark else "")

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        import html

        said = " ".join(filter(None, (f"{self.outcome.value}.", self.reason, _unlike_remark(self.faces))))
        head = f"<p><b>{html.escape(printable(self.photo))}</b>: {html.escape(said)}</p>"
        if not self.faces:
            return head
        rows = "".join(
            f"<tr><td>{face.face.id}</td><td>{html.escape(describe(face))}</td><td>"
            + ", ".join(f"{expression.value} {value:.0%}" for expression, value in face.probabilities)
            + "</td></tr>"
            for face in self.faces
        )
        return f"{head}<table><tr><th>face</th><th>label</th><th>probabilities</th></tr>{rows}</table>"


def describe(result: FaceResult) -> str:
    """A face in a few words: "happiness 93%", "mixed (anger 44%, fear 38%)", "unsure (fear 31%)" or "too small".

    The words are the ones that a drawing on the photo and the table in the terminal use.
    """
    if result.most_probable is None or result.probability is None:
        return "too small"
    leading = result.mixture or ((result.most_probable, result.probability),)
    words = ", ".join(f"{label.value} {value:.0%}" for label, value in leading)
    return words if result.outcome is Outcome.OK else f"{result.outcome.value} ({words})"


def _unlike_remark(faces: Sequence[FaceResult]) -> str:
    """Which faces the model knows no such faces of, in one sentence; empty where there are none."""
    unlike = [str(face.face.id) for face in faces if face.unlike]
    if not unlike:
        return ""
    if len(faces) == 1:
        return "The face is unlike those that the model learned from."
    which = f"Face {unlike[0]} is" if len(unlike) == 1 else f"Faces {', '.join(unlike)} are"
    return f"{which} unlike those that the model learned from."


def results_table(results: Iterable[PhotoResult]) -> Table:
    """A table for the terminal, a row per face."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("photo", overflow="fold", ratio=3)
    table.add_column("face", justify="right")
    table.add_column("label", no_wrap=True)
    table.add_column("next", no_wrap=True)
    table.add_column("remarks", ratio=4)
    for result in results:
        # No file has so long a name: it is a photo that was given as text.
        name = result.photo if len(result.photo) <= _LONGEST_NAME else shown(result.photo)
        photo = escape(printable(name))
        said = (result.reason.removeprefix(f"{result.photo} "), _unlike_remark(result.faces), *result.notes)
        # A remark is a sentence or a part of one: between two stands one sign.
        remarks = escape("; ".join(filter(None, said)).replace(".; ", "; "))
        if not result.faces:
            table.add_row(photo, "", result.outcome.value, "", remarks)
        for face in result.faces:
            following = sorted(face.probabilities, key=lambda pair: -pair[1])[1:2]
            words = "".join(f"{expression.value} {value:.0%}" for expression, value in following)
            table.add_row(photo, str(face.face.id), describe(face), words, remarks)
            photo = remarks = ""
    return table


def printable(text: str) -> str:
    """Text that any UTF-8 terminal takes: bytes of a file name that are not valid text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def frame_results(results: Iterable[PhotoResult]) -> Any:
    """The faces of photos as one table: a row a face, or one for a photo without faces; see `mien.frame.frame`."""
    rows = [row for result in results for row in result.to_rows()]
    columns = tuple(dict.fromkeys([*CSV_COLUMNS, *(column for row in rows for column in row)]))
    return frame([{key: None if value == "" else value for key, value in row.items()} for row in rows], columns)


class PhotoResults(list[PhotoResult]):
    """The results of several photos."""

    def frame(self) -> Any:
        """The faces as one table, a row each; see `mien.frame.frame`."""
        return frame_results(self)
