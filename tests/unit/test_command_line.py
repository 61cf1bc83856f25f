"""`mien` itself: which command a start calls, and what it says where there is no such command."""

import pytest
from typer.testing import CliRunner

from mien.cli.main import command_line


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--version"], 0, "mien "),
        (["prdict", "photo.jpg"], 2, "Did you mean 'predict'?"),
        (["--verbose", "predict"], 2, "No such option: --verbose"),
        (["predict", "study", "--help"], 0, "Usage: mien predict"),
    ],
)
def test_every_start_is_answered_as_if_all_commands_were_there(words, code, message):
    results = [CliRunner().invoke(command_line(given), words, prog_name="mien") for given in (words, [])]
    assert [result.exit_code for result in results] == [code, code]
    assert message in results[0].output
    assert results[0].output == results[1].output
