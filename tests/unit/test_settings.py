from dataclasses import dataclass, field
from typing import Literal

import pytest

from mien.errors import StudyFileError
from mien.study.settings import find_line, parse


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 1

    def __post_init__(self):
        if self.depth > 10:
            raise StudyFileError(f"depth must be at most 10. Received: {self.depth}.", ("depth",))


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    rate: float = 0.5
    count: int = 1
    switch: bool = False
    kind: Literal["plain", "fancy"] = "plain"
    freeze: Literal["none", "all"] | float = "none"
    size: int | None = None
    numbers: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)


def test_values_of_every_kind_are_kept_as_they_are():
    values = {
        "name": "a",
        "rate": 0.1,
        "count": 3,
        "switch": True,
        "kind": "fancy",
        "freeze": 0.5,
        "size": 48,
        "numbers": [1, 2],
        "inner": {"depth": 4},
    }
    assert parse(Outer, values) == Outer(**{**values, "numbers": (1, 2), "inner": Inner(depth=4)})


def test_a_whole_number_passes_for_a_number_and_becomes_one():
    rate = parse(Outer, {"name": "a", "rate": 1}).rate
    assert rate == 1.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("values", "message", "path"),
    [
        ({"name": 3}, r"name must be a text\. Received: 3", ("name",)),
        ({"name": "a", "rate": "fast"}, "rate must be a number. Received: 'fast'", ("rate",)),
        ({"name": "a", "rate": True}, "rate must be a number. Received: True", ("rate",)),
        ({"name": "a", "count": 1.5}, "count must be a whole number", ("count",)),
        ({"name": "a", "count": True}, "count must be a whole number", ("count",)),
        ({"name": "a", "switch": 1}, "switch must be true or false", ("switch",)),
        ({"name": "a", "size": "big"}, "size must be a whole number", ("size",)),
        ({"name": "a", "numbers": 3}, "numbers must be a list. Received: 3", ("numbers",)),
        ({"name": "a", "numbers": ["x"]}, "numbers must be a whole number. Received: 'x'", ("numbers",)),
        ({"name": "a", "numbers": {"x": 1}}, r"must be a list of tables: write \[\[numbers\]\]", ("numbers",)),
        ({"name": "a", "kind": "fncy"}, "kind cannot be 'fncy'. Did you mean 'fancy'?", ("kind",)),
        ({"name": "a", "freeze": "al"}, "freeze cannot be 'al'. Did you mean 'all'?", ("freeze",)),
        ({"name": "a", "inner": 3}, "inner must be a table. Received: 3", ("inner",)),
        ({"name": "a", "inner": {"deth": 3}}, r"\[inner\] has no key 'deth'. Did you mean 'depth'", ("inner", "deth")),
        ({"name": "a", "inner": {"depth": 11}}, "depth must be at most 10. Received: 11", ("inner", "depth")),
        ({}, "lacks the key 'name'", ()),
        ({"name": "a", "raet": 1.0}, "has no key 'raet'. Did you mean 'rate'?", ("raet",)),
        ([], "The study file must be a table", ()),
    ],
)
def test_an_error_names_the_key_what_was_received_and_where(values, message, path):
    with pytest.raises(StudyFileError, match=message) as caught:
        parse(Outer, values)
    assert caught.value.path == path


TEXT = '''\
schema = 1
text = """
rate = 3
[recipe]
"""
[recipe]  # with a remark
epochs = 2
preprocessing.zca = true
[recipe.augmentation]
"shift" = 0.1
[[tables]]
name = "first"
rows.backbone = ["a"]
columns = [
  { label = "one" },
  { label = "two", dropout = 0.5 },
]
[[tables]]
name = "second"
[[tables.rows]]
label = "one"
[[tables.rows]]
label = "two"
dropout = 0.5
[tables.fixed]
epochs = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("schema",), 1),
        (("rate",), None),
        (("recipe",), 6),
        (("recipe", "epochs"), 7),
        (("recipe", "unknown"), 6),
        (("recipe", "preprocessing", "zca"), 8),
        (("recipe", "augmentation", "shift"), 10),
        (("tables", "0"), 11),
        (("tables", "0", "rows", "backbone"), 13),
        (("tables", "0", "columns", "1", "dropout"), 16),
        (("tables", "1", "name"), 19),
        (("tables", "1", "rows", "1", "dropout"), 24),
        (("tables", "1", "fixed", "epochs"), 26),
        (("tables", "2"), None),
        ((), None),
    ],
)
def test_the_line_of_a_key_is_found(path, line):
    assert find_line(TEXT, path) == line


def test_an_element_on_the_line_of_its_list_is_counted():
    text = 'rows = [{ label = "one" }, { label = "two" },\n  { label = "three" }]\n'
    assert find_line(text, ("rows", "2", "label")) == 2
