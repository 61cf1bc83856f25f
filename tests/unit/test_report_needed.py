"""Commands that end with a report say before they train that it cannot be written."""

import importlib.util

import pytest
from typer.testing import CliRunner

from mien.api import studying
from mien.cli.main import command_line
from mien.errors import MissingExtraError


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "scipy"])
@pytest.mark.parametrize("command", [["demo"], ["train", "drawn:count=60", "--backbone", "mien_small"]])
def test_a_missing_part_is_named_before_anything_is_trained(command, package, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(studying, "find_spec", lambda name: None if name == package else find(name))
    result = CliRunner().invoke(command_line(), [*command, "--output", str(tmp_path / "store")])
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'mien[report]'" in str(result.exception)
    assert not (tmp_path / "store").exists()


def test_nothing_is_said_where_all_parts_are_there():
    studying.check_training_and_report()
