"""What is of another kind than a public function takes is refused with mien's own error, before anything is done."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import mien
from mien.api.data import convert, get
from mien.api.networks import draw_network, show_network
from mien.api.predicting import predict
from mien.api.quantising import quantise
from mien.api.studying import study_state
from mien.api.training import parse_value, study_text
from mien.arguments import checked, fitting, kind_of
from mien.datasets.protocol import ProtocolSpec
from mien.datasets.spec import DataSpec
from mien.errors import ArgumentError, MienError
from mien.files import parse_toml, toml_key, toml_text
from mien.study.spec import parse_study

STUDY = """
schema = 1
name = "s"
[data]
path = "drawn:count=60,size=16"
[[tables]]
name = "t"
rows.epochs = [1]
"""
FACES = "drawn:count=60,size=16"
# A call of every public name that takes arguments, none of which needs more than a moment up to its door.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "audit": (mien.audit, {"data": FACES, "run": "nowhere"}),
    "compare": (mien.compare, {"results": {}}),
    "convert": (convert, {"data": "nowhere", "output": "converted"}),
    "draw_network": (draw_network, {"name": "nowhere"}),
    "evaluate": (mien.evaluate, {"bundle": "nowhere", "data": "nowhere"}),
    "explain": (mien.explain, {"photo": "nowhere.jpg", "bundle": "nowhere"}),
    "export": (mien.export, {"run": "nowhere"}),
    "get": (get, {"name": "nowhere"}),
    "foreign_run": (mien.foreign_run, {"name": "m", "answers": np.full((3, 7), 1 / 7), "data": "nowhere"}),
    "load_bundle": (mien.load_bundle, {"bundle": "nowhere"}),
    "plan_study": (mien.plan_study, {"study": "nowhere.toml"}),
    "predict": (predict, {"paths": "nowhere.jpg", "bundle": "nowhere"}),
    "quantise": (quantise, {"bundle": "nowhere", "data": "nowhere", "output": "m.mien"}),
    "read": (mien.read, {"data": "nowhere"}),
    "run_study": (mien.run_study, {"study": "nowhere.toml"}),
    "show_network": (show_network, {"source": "nowhere"}),
    "study_state": (study_state, {"study": "nowhere.toml"}),
    "train": (mien.train, {"data": "nowhere"}),
    "try_contracts": (mien.try_contracts, {"model": "nowhere.onnx", "data": "nowhere"}),
    "wrap": (mien.wrap, {"model": "nowhere.onnx"}),
    "write_report": (mien.write_report, {"study": "nowhere"}),
    "Recognizer": (mien.Recognizer, {"bundle": "nowhere"}),
    "Store": (mien.Store, {"folder": "nowhere"}),
    "Store.create": (mien.Store.create, {"folder": "nowhere"}),
    "Store.open": (mien.Store.open, {"folder": "nowhere"}),
    "LabelSet.named": (mien.LabelSet.named, {"name": "nine"}),
    "LabelSet.parse": (mien.LabelSet.parse, {"text": "nine"}),
    "DataSpec": (DataSpec, {"path": "nowhere"}),
    "DataSpec.of": (DataSpec.of, {"data": "nowhere"}),
    "ProtocolSpec": (ProtocolSpec, {}),
}
# What no argument is, and what some are: the latter may be taken, or be refused for what they say.
WRONG = [object(), b"x", {1: 2}, [1], 2.5, -1, float("nan"), np.zeros(3), True, "😀", None]
PLACES = [
    (name, argument)
    for name, (function, _) in CALLS.items()
    for argument, parameter in inspect.signature(function).parameters.items()
    if parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
]


def test_every_public_function_is_asked():
    functions = {name for name in mien.__all__ if inspect.isfunction(getattr(mien, name))}
    # What images and faces are said to be, those say themselves.
    assert functions - {"corrupt"} <= CALLS.keys()


@pytest.mark.parametrize(("name", "argument"), PLACES)
def test_what_is_of_another_kind_is_refused(name, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, given = CALLS[name]
    hints = typing.get_type_hints(function if inspect.isroutine(function) else function.__init__)
    for number, wrong in enumerate(WRONG):
        if number == 0 and hints.get(argument) not in (Any, None):
            with pytest.raises(MienError):
                function(**{**given, argument: wrong})
            continue
        try:
            function(**{**given, argument: wrong})
        except MienError as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize("wrong", [3, None, b"x", ["a"], object()])
@pytest.mark.parametrize("name", ["plan_study", "run_study", "write_report", "Store", "Store.open", "Store.create"])
def test_the_message_says_what_was_expected(name, wrong):
    function, given = CALLS[name]
    with pytest.raises(ArgumentError, match=r"is (a Store|a path|a StudyPlan).*Received: ") as caught:
        function(**dict.fromkeys(given, wrong))
    assert isinstance(caught.value, TypeError)


def test_a_store_takes_texts_and_paths(tmp_path):
    for given in (str(tmp_path / "a"), tmp_path / "b", np.str_(tmp_path / "c")):
        assert mien.Store.open(mien.Store.create(given).folder).folder == Path(given)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (np.int64(3), int, 3),
        (np.float32(0.5), float | None, 0.5),
        (3, float, 3),
        (np.bool_(True), bool, True),
        (np.str_("a"), str, "a"),
        ("a", Path, Path("a")),
        (None, int | None, None),
        (["a", "b"], Sequence[str], ["a", "b"]),
        ({"a": 1}, Mapping[str, Any], {"a": 1}),
        ("elsewhere", Literal["here", "there"], "elsewhere"),
        (len, Callable[[Any], int], len),
    ],
)
def test_what_fits_is_passed_on(value, hint, expected):
    fit = fitting(value, hint, "f: x")
    assert fit == expected
    assert not isinstance(fit, np.generic)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        (2.0, int),
        ("1", float),
        (1, bool),
        (b"a", str),
        (b"a", Path),
        ("abc", Sequence[str]),
        ([1], Sequence[str]),
        ({1: 2}, Mapping[str, Any]),
        (3, Literal["here", "there"]),
        (3, Callable[[Any], int]),
        (np.zeros((2, 2)), Sequence[str]),
    ],
)
def test_what_does_not_fit_is_named(value, hint):
    with pytest.raises(ArgumentError, match="^f: x is ") as caught:
        fitting(value, hint, "f: x")
    assert kind_of(hint) in str(caught.value)


def test_python_has_its_own_words_for_arguments_that_there_are_not():
    @checked()
    def double(number: int) -> int:
        return 2 * number

    assert double(np.int64(3)) == 6
    with pytest.raises(TypeError, match="unexpected keyword"):
        double(nummer=3)
    with pytest.raises(ArgumentError, match="double: number is a whole number"):
        double("3")
    with pytest.raises(ArgumentError, match="ProtocolSpec: seed is a whole number"):
        ProtocolSpec(seed="1")


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'a "quoted" \\ one',
        "line\nend\ttab\r\x7f\x00"[:-1],
        "😀 𠀀",
        True,
        False,
        3,
        -0.5,
        1e-7,
        1e22,
        [],
        ["a", 1],
    ],
)
def test_what_is_written_as_toml_is_read_as_it_was(value):
    assert parse_toml(f"value = {toml_text(value)}")["value"] == value
    assert parse_value(toml_text(value)) == value


@pytest.mark.parametrize("key", ["epochs", "augmentation.flip", "a b", "", "ü.x", 'with "quotes"', "a\n[data]\nb"])
def test_a_key_stays_what_it_is(key):
    found = parse_toml(f"{toml_key(key)} = 1")
    for part in key.split("."):
        found = found[part]
    assert found == 1


@pytest.mark.parametrize("path", ["😀/faces", "𠀀.csv", 'a"b', "back\\slash"])
def test_a_data_set_may_lie_in_a_folder_of_any_name(path):
    fixed = {"backbone": "mien_small", "learning_rate": np.float32(0.25), "augmentation.flip": np.bool_(True)}
    text = study_text(DataSpec(path=path, size=np.int64(48)), "six", "auto", fixed)
    study = parse_study(text)
    assert (study.data.path, study.data.size) == (path, 48)
    assert study.tables[0].fixed == {"learning_rate": 0.25, "augmentation.flip": True}


@pytest.mark.parametrize("value", [None, object(), b"x", {1, 2}, float("nan"), {"flip": None}])
def test_a_setting_that_is_no_value_is_refused(value, tmp_path):
    with pytest.raises(MienError):
        mien.train(FACES, store=tmp_path / "store", settings={"learning_rate": value})


@pytest.mark.parametrize("given", [{"minutes": float("nan")}, {"minutes": -1}, {"cpus": 0}, {"cpus": -2}])
def test_a_time_and_processors_that_there_are_not_are_refused(given, tmp_path):
    (name,) = given
    with pytest.raises(MienError, match=f"^{name} is a number from"):
        mien.run_study(tmp_path / "study.toml", **given)
