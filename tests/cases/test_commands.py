"""What people type: every command that takes data takes their words for it, and an error names what was typed."""

import pytest
import typer
from typer.testing import CliRunner

from mien.cli.main import command_line
from mien.errors import MienError
from support.field_samples import pixels, png, write

TAKE_DATA = [
    ("data", "describe"),
    ("data", "audit"),
    ("data", "convert"),
    ("evaluate",),
    ("train",),
    ("import",),
    ("models", "seen"),
    ("models", "quantise"),
    ("wrap",),
]


@pytest.fixture(scope="module")
def commands():
    return typer.main.get_command(command_line())


@pytest.mark.parametrize("words", TAKE_DATA, ids=" ".join)
def test_every_command_that_takes_data_takes_classes(commands, words):
    command = commands
    for word in words:
        command = command.commands[word]
    assert "--classes" in {option for parameter in command.params for option in parameter.opts}


def refused(*words: str) -> str:
    result = CliRunner().invoke(command_line(), list(words))
    assert isinstance(result.exception, MienError), result.output
    return str(result.exception)


def numbered(tmp_path):
    for number in range(2):
        for place in range(12):
            write(tmp_path / "set" / str(number) / f"{place}.png", png(pixels(12 * number + place)))
    return tmp_path / "set"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--set", "lerning_rate=0.1"],
            "--set lerning_rate: There is no setting 'lerning_rate'. Did you mean 'learning",
        ),
        (["--set", "learning_rate=-1"], "--set learning_rate: "),
        (["--set", "augmentation.flip=3"], "--set augmentation.flip: "),
        (["--set", "protocol.folds=1"], "--set protocol.folds: folds is a number from 2"),
        (["--set", "epochs=1", "--epochs", "2"], "epochs is said by --epochs. Received: --set epochs."),
        (["--set", "backbone=vgg16"], "backbone is said by --backbone. Received: --set backbone."),
        (["--labels", "seven,eleven"], "--labels: labels cannot be"),
        (["--roles", "offical"], "--roles: roles cannot be 'offical'. Did you mean 'official'"),
        (["--backbone", "resnet"], "--backbone: "),
    ],
)
def test_an_error_of_train_speaks_of_the_option(tmp_path, words, says):
    message = refused("train", "drawn:count=40", "--output", str(tmp_path / "s"), *words)
    assert message.startswith(says)
    assert "line" not in message.split(":")[0]


def test_the_same_from_python(tmp_path):
    import mien

    with pytest.raises(MienError, match="^settings\\['lerning_rate'\\]: There is no setting"):
        mien.train("drawn:count=40", settings={"lerning_rate": 0.1}, store=tmp_path / "s")
    with pytest.raises(MienError, match="^epochs is said by epochs. Received: settings\\['epochs'\\]"):
        mien.train("drawn:count=40", settings={"epochs": 1}, store=tmp_path / "s")


def test_train_takes_classes_and_another_data_set_to_test_on(tmp_path, monkeypatch):
    from mien.api import training

    seen = {}

    def plan(study, text, *rest, **keys):
        seen.update(study=study, text=text)
        raise MienError("stop here")

    monkeypatch.setattr(training, "planned_of", plan)
    data = numbered(tmp_path)
    refused("train", str(data), "--classes", "happy,sad", "--test", "elsewhere", "--output", str(tmp_path / "s"))
    first, second = seen["study"].data.sources
    assert (first.path, first.classes, first.role) == (str(data), "happy,sad", None)
    assert (second.path, second.role) == ("elsewhere", "test")
    from mien.study.spec import parse_study

    assert parse_study(seen["text"]) == seen["study"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("https://example.org/a/photo.jpg", "is a web address, and mien loads nothing from the web. Save the photo"),
        ("data:image/jpeg;base64," + "QUJD" * 200, "is a photo's content written as text (base64), not a path"),
        ("QUJD+/aa" * 900, "is a photo's content written as text (base64), not a path"),
        ("holiday.jpg", "There is no file holiday.jpg."),
    ],
)
def test_what_is_no_path_is_named_as_what_it_is(name, says):
    from mien.inference.recognizer import Recognizer

    result = Recognizer().recognize(name)
    assert result.outcome.value == "unreadable"
    assert says in result.reason
    assert len(result.reason) < 250
    shown = CliRunner().invoke(command_line(), ["predict", name], env={"COLUMNS": "200"})
    assert len(shown.output) < 4000


@pytest.mark.parametrize("file", ["store.json", "run.json"])
def test_a_store_or_a_run_is_no_bundle_and_the_way_to_one_is_named(tmp_path, file):
    what = {"store.json": "a store of runs", "run.json": "a run"}[file]
    write(tmp_path / "place" / file, "{}")
    message = refused("predict", "--sample", "--bundle", str(tmp_path / "place"))
    assert f"It is {what}: mien export {tmp_path / 'place'} --output model.mien" in message


@pytest.mark.parametrize(
    ("setting", "called"),
    [
        ("EarlyStopping=3", "stop_patience"),
        ("color_mode=rgb", "preprocessing.channels"),
        ("early_stopping=3", "stop_patience"),
        ("lr=0.1", "learning_rate"),
        ("k_folds=5", "protocol.folds"),
    ],
)
def test_what_other_programs_call_a_setting_is_answered_with_its_name(tmp_path, setting, called):
    message = refused("train", "drawn:count=40", "--output", str(tmp_path / "s"), "--set", setting)
    assert f"It is called '{called}' here." in message
