"""A batch that was interrupted on a cluster goes on without one, and the other way round; nothing is left of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.api.predicting import ClusterBatch, predict
from mien.errors import MienError
from mien.inference.parts import Parts
from mien.inference.recognizer import Recognizer


class Interrupted(Exception):
    """Stands for Ctrl-C, which would end the tests."""


@pytest.fixture
def photos(tmp_path: Path, portrait: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number in range(7):
        shutil.copy(portrait, f"photos/{number}.jpg")
    Path("photos/3.jpg").write_bytes(b"no picture")
    return "photos"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The photos that are read, by name."""
    names: list[str] = []
    many = Recognizer.recognize_many

    def watched(self, photos):
        for photo in photos:
            names.append(Path(photo).name)
            yield from many(self, [photo])

    monkeypatch.setattr(Recognizer, "recognize_many", watched)
    return names


def on_nodes(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Parts are read here, those of these numbers before the batch is interrupted; all, where none is named."""

    def read(self: ClusterBatch, parts: Parts) -> Iterator[int]:
        for number in numbers or range(len(parts)):
            if not parts.has(number):
                paths = [photo.path for photo in parts.photos(number)]
                parts.write(number, [result.to_json() for result in self.recognizer.recognize_many(paths)])
                yield number
        if numbers:
            raise Interrupted

    monkeypatch.setattr(ClusterBatch, "_read_missing", read)


def stopped_after(count: int, batch) -> None:
    for number, _ in enumerate(batch, start=1):
        if number == count:
            return


def names_of(*numbers: int) -> list[str]:
    return [f"{number}.jpg" for number in numbers]


@pytest.fixture
def expected(photos, bundle) -> bytes:
    list(predict(photos, csv="expected.csv", bundle=bundle))
    return Path("expected.csv").read_bytes()


def written(expected: bytes) -> bool:
    """Whether the table is there, and nothing else of the batch."""
    return Path("faces.csv").read_bytes() == expected and not list(Path().glob("faces.csv.part*"))


def test_what_a_cluster_has_read_is_not_read_again_without_one(photos, bundle, expected, asked, monkeypatch):
    on_nodes(monkeypatch, 0, 2)
    with pytest.raises(Interrupted):
        list(predict(photos, csv="faces.csv", bundle=bundle, on="ray", part_photos=2))
    asked.clear()
    results = list(predict(photos, csv="faces.csv", bundle=bundle))
    assert [Path(result.photo).name for result in results] == names_of(*range(7))
    assert asked == names_of(2, 3, 4, 5, 6)  # the journal keeps the order: the first parts alone count
    assert written(expected)


def test_what_was_read_here_is_not_read_again_on_a_cluster(photos, bundle, expected, asked, monkeypatch):
    stopped_after(5, predict(photos, csv="faces.csv", bundle=bundle))
    assert Path("faces.csv.part").is_file()
    asked.clear()
    on_nodes(monkeypatch)
    results = list(predict(photos, csv="faces.csv", bundle=bundle, on="ray", part_photos=2))
    assert [Path(result.photo).name for result in results] == names_of(*range(7))
    assert asked == names_of(4, 5, 6)
    assert written(expected)


def test_a_batch_that_changes_places_twice_is_whole(photos, bundle, expected, asked, monkeypatch):
    on_nodes(monkeypatch, 0)
    with pytest.raises(Interrupted):
        list(predict(photos, csv="faces.csv", bundle=bundle, on="ray", part_photos=2))
    stopped_after(5, predict(photos, csv="faces.csv", bundle=bundle))
    on_nodes(monkeypatch)
    list(predict(photos, csv="faces.csv", bundle=bundle, on="ray", part_photos=2))
    assert written(expected)


@pytest.mark.parametrize("options", [{"unsure": 0.9}, {"draw": "drawn"}])
def test_another_batch_is_not_written_over_what_a_cluster_has_left(photos, bundle, monkeypatch, options):
    on_nodes(monkeypatch, 0)
    with pytest.raises(Interrupted):
        list(predict(photos, csv="faces.csv", bundle=bundle, on="ray", part_photos=2))
    (name,) = options
    with pytest.raises(MienError, match=f"unfinished batch of other settings or photos .*{name}: .*, now "):
        list(predict(photos, csv="faces.csv", bundle=bundle, **options))
    assert Path("faces.csv.parts/part-000000.jsonl").is_file()


def test_a_torn_manifest_is_of_nobody_knows_what_and_goes(photos, bundle, expected):
    Path("faces.csv.parts").mkdir()
    Path("faces.csv.parts/manifest.json").write_text('{"schema": 2, "sett')
    Path("faces.csv.parts/part-000000.jsonl").write_text("{}")
    list(predict(photos, csv="faces.csv", bundle=bundle))
    assert written(expected)
