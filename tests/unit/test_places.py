"""A study names its data set; where that lies is this machine's affair."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli.main import command_line
from mien.datasets.getting import get_dataset
from mien.datasets.places import data_folders, find_place, why_missing
from mien.datasets.reading import read_dataset
from mien.datasets.sources import SOURCES
from mien.datasets.spec import DataSpec
from mien.errors import DataError
from support.field_samples import write_images

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "studies").glob("*.toml"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where we are, and no data folders but its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIEN_DATA", raising=False)
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"something")
    return path


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_no_study_leads_out_of_the_checkout(study):
    text = study.read_text(encoding="utf-8")
    assert "../shared" not in text
    values = tomllib.loads(text)
    if "data" not in values:
        pytest.skip("published figures, no study")
    known = {name for source in SOURCES.values() for name in (source.name, *source.names)}
    assert values["data"]["path"] in known or values["data"]["path"].startswith("drawn")
    assert values["data"].get("votes", "fer2013new.csv") in known
    weights = values.get("recipe", {}).get("weights", "none")
    assert (study.parent / weights).resolve().is_relative_to(ROOT)


@pytest.mark.parametrize("name", SOURCES)
def test_every_set_that_can_be_got_is_found_under_each_of_its_names(name, here):
    assert SOURCES[name].names
    for file in SOURCES[name].names:
        there = put(here / "data" / file)
        assert find_place(name, here / "studies") == there
        there.unlink()
    assert find_place(name, here / "studies") == here / "studies" / name


def test_what_was_got_is_found_by_its_name(here):
    faces = put(here / "Downloads" / "fer2013new.csv")
    assert get_dataset(SOURCES["fer2013-plus-votes"], Path("data"), file=faces) == Path("data/fer2013new.csv")
    shutil.make_archive("archive", "zip", here / "Downloads")
    assert get_dataset(SOURCES["fer2013-six"], Path("data"), file=Path("archive.zip")) == Path("data/fer2013-six.zip")
    for name in ("fer2013-plus-votes", "fer2013-six"):
        assert find_place(name, here / "studies").parent == here / "data"


def test_the_file_beside_the_study_comes_first_then_the_folders_of_the_variable_then_data(here, monkeypatch):
    monkeypatch.setenv("MIEN_DATA", os.pathsep.join(["one", "two", ""]))
    assert data_folders() == [Path("one"), Path("two"), Path("data")]
    places = [here / folder / "fer2013.csv" for folder in ("studies", "one", "two", "data")]
    for place in reversed(places):
        put(place)
        assert find_place("fer2013.csv", here / "studies") == place


def test_a_path_with_folders_is_looked_for_in_its_own_place_alone(here):
    put(here / "data" / "faces" / "fer2013.csv")
    assert find_place("faces/fer2013.csv", here / "studies") == here / "studies" / "faces" / "fer2013.csv"


def test_votes_are_found_beside_the_data_that_was_pointed_to(here):
    table, votes = put(here / "elsewhere" / "fer2013.csv"), put(here / "elsewhere" / "fer2013new.csv")
    spec = DataSpec(path=str(table), votes="fer2013-plus-votes").resolved(here / "studies")
    assert spec.votes == str(votes)


def test_a_set_that_is_not_there_is_said_with_every_way_to_it(here):
    with pytest.raises(DataError) as caught:
        read_dataset(DataSpec(path="fer2013-six").resolved(here / "studies"), cache=None)
    for word in (
        "'fer2013-six'",
        "mien data get fer2013-six",
        "--data PATH",
        "MIEN_DATA",
        "facial-recognition-dataset.zip",
    ):
        assert word in str(caught.value)
    assert why_missing(here / "faces.zip") == f"There is no data set at {here / 'faces.zip'}: no such file or folder."


def test_commands_and_studies_take_the_name(here, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    names = [f"{role}/{name}/{i}.png" for role in ("train", "test") for name in ("happy", "sad") for i in range(12)]
    write_images(here / "data" / "fer2013-six", names)
    done = CliRunner().invoke(command_line(), ["data", "describe", "fer2013-six"])
    assert done.exit_code == 0, done.exception
    study = here / "studies" / "s.toml"
    study.parent.mkdir()
    study.write_text(
        'schema = 1\nname = "s"\n[data]\npath = "fer2013-six"\n[[tables]]\nname = "t"\nrows.epochs = [1]\n',
        encoding="utf-8",
    )
    done = CliRunner().invoke(command_line(), ["study", "plan", str(study)])
    assert done.exit_code == 0, done.exception
    shutil.move(here / "data", here / "moved")
    done = CliRunner().invoke(command_line(), ["study", "plan", str(study)])
    assert isinstance(done.exception, DataError)
    done = CliRunner().invoke(command_line(), ["study", "plan", str(study), "--data", "moved/fer2013-six"])
    assert done.exit_code == 0, done.exception
