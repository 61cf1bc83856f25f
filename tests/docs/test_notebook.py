"""The notebook of the manual runs from its first cell to its last, and is committed without output.

Its code is run as a kernel does, cell after cell in one namespace, and the last expression of each cell is shown as a
notebook would: as HTML where it has that, else as text.
"""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = json.loads((Path(__file__).parents[2] / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def shown(cell, names):
    """Run a cell; what a notebook would show of its last expression."""
    body = ast.parse("".join(cell["source"])).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    html = getattr(value, "_repr_html_", None) or getattr(value, "_repr_svg_", None)
    return html() if html else repr(value)


def test_it_is_committed_without_output():
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in CELLS)


@pytest.mark.slow
def test_it_goes_from_data_to_a_comparison_with_a_foreign_run(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "notebook"}
    said = [shown(cell, names) for cell in CELLS]
    assert "data set drawn" in said[0]
    assert sum("<svg" in text for text in said) == 2
    assert any("another" in text and "mien_small" in text for text in said)
    assert "mine" in said[-1]
    assert names["other"].foreign["name"] == "another"
