"""docs/study-file.md lists every key of a study file as the code has it: name, type, default, meaning."""

import inspect
import json
import re
import types
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from mien.datasets.protocol import ProtocolSpec
from mien.datasets.spec import DataSpec
from mien.study import spec
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe, TeacherSpec

PAGE = Path(__file__).parents[2] / "docs" / "study-file.md"

SECTIONS = {
    "The top of the file": spec._StudyKeys,
    "[data]": DataSpec,
    "[protocol]": ProtocolSpec,
    "[recipe]": Recipe,
    "[recipe.preprocessing]": PreprocessingSpec,
    "[recipe.augmentation]": AugmentationSpec,
    "[recipe.teacher]": TeacherSpec,
    "[[tables]]": spec._TableKeys,
}


def meanings(owner: type) -> dict[str, str]:
    """What a docstring's Attributes section says of each field, on one line each."""
    lines = inspect.getdoc(owner).partition("Attributes:\n")[2].partition("\n\n")[0].splitlines()
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if match := re.match(r"    (\w+): (.*)", line):
            name, found[match[1]] = match[1], match[2]
        else:
            found[name] += " " + line.strip()
    return {name: for_users(text) for name, text in found.items()}


def for_users(text: str) -> str:
    """A sentence about code as a sentence about a file."""
    text = re.sub(r" \(?(see )?`mien\.[\w.]+`\)?", "", text)
    return re.sub(r"see `(\w+)Spec`", lambda match: f"see [recipe.{match[1].lower()}] below", text)


def kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in get_args(hint))
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if get_origin(inner) is Literal:
            return f"list of {kind(inner)}"
        return "list of tables" if inner is Any else f"list of {kind(inner).removeprefix('a ')}s"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(kind(option) for option in get_args(hint) if option is not types.NoneType)
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(hint, "table")


def default(item: Field) -> str:
    if item.default is MISSING:
        return "required" if item.default_factory is MISSING else ""
    if item.default is None:
        return "not set"
    value = list(item.default) if isinstance(item.default, tuple) else item.default
    return f"`{json.dumps(value)}`"


def table(owner: type) -> str:
    """The table of a section, as the page must have it."""
    hints, said = get_type_hints(owner), meanings(owner)
    rows = [
        f"| `{item.name}` | {kind(hints[item.name])} | {default(item)} | {said[item.name]} |" for item in fields(owner)
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_lists_the_keys_of_a_section_as_the_code_has_them(heading):
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    expected = table(SECTIONS[heading])
    assert expected in section, f"The table under {heading!r} must be:\n{expected}"
