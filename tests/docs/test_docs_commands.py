"""The documentation does what it says: marked commands run, links lead somewhere, every command is mentioned.

Marks stand in a comment above a fenced block: `<!-- tested -->` runs a block of commands or of Python, and
`<!-- file: NAME -->` writes one. The blocks of a page run in its order, in one empty folder.
"""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from mien.cli.main import command_line
from support.loaded import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(r"^<!-- (tested|file: (?P<file>\S+)) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)

# Fewer faces and epochs than a reader would use, so that the tests stay fast; the rest is run as it stands.
SMALLER = (("drawn:count=2000", "drawn:count=150"), ("drawn:count=700", "drawn:count=150"), ("[2, 4]", "[1, 2]"))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[re.Match]:
    return list(BLOCK.finditer(text_of(page)))


def smaller(text: str) -> str:
    for usual, few in SMALLER:
        text = text.replace(usual, few)
    return text


def steps(page: Path) -> Iterator[tuple[str, str, object]]:
    """What a reader of a page does, in order: its kind, its name, and what it takes."""
    for block in blocks(page):
        text = smaller(block["text"])
        if block["file"]:
            yield "file", block["file"], text
        elif block["language"] == "python":
            yield "python", f"a block of Python in {page.name}", text
        else:
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    assert words[0] == "mien", f"only mien's own commands are tested: {line}"
                    yield "mien", line, words[1:]


def follow(todo: list[tuple[str, str, object]], in_one_process: bool) -> None:
    """Do steps where this process stands.

    One process does a whole page: most of a command's time goes into its start. Each step is named on stderr before it
    is done. On all pages but the first, runs are trained in that process too, where each would load Keras again, and
    with a mien_small that is quickly built.
    """
    from mien.cli.main import main

    if in_one_process:
        from support.in_process import train_here

        train_here()
    for kind, name, content in todo:
        print(">", name, file=sys.stderr, flush=True)  # noqa: T201
        if kind == "file":
            Path(name).write_text(content, encoding="utf-8")
        elif kind == "python":
            exec(compile(content, name, "exec"), {"__name__": "__main__"})
        else:
            sys.argv = ["mien", *content]
            try:
                main()
            except SystemExit as end:
                if end.code:
                    raise


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_what_a_page_tells_to_do_works(page, tmp_path):
    pytest.importorskip("keras")
    folder = tmp_path / "here"
    folder.mkdir()
    environment = {
        "COLUMNS": "120",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    in_one_process = page.name != "README.md"
    code, said = run(follow, list(steps(page)), in_one_process, folder=folder, environment=environment)
    assert code == 0, said[-6000:]


def test_the_readme_and_the_tutorial_are_among_the_tested_pages():
    assert {"README.md", "tutorial.md"} <= {page.name for page in PAGES if blocks(page)}


def test_the_readme_names_every_part_that_can_be_installed():
    text = text_of(ROOT / "README.md").partition("## What is installed")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.M)
    parts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert sorted(named) == sorted(set(parts) - {"all"})
    assert named[-2:] == ["docs", "dev"]  # which "all" leaves out


def test_every_mark_belongs_to_a_block():
    for page in PAGES:
        marks = re.findall(r"^<!-- (?:tested|file: \S+) -->$", text_of(page), re.M)
        assert len(marks) == len(blocks(page)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_toml_block_is_toml(page):
    for block in re.findall(r"^```toml\n(.*?)^```$", text_of(page), re.M | re.S):
        tomllib.loads(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", text_of(page)):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def command_names() -> list[str]:
    def walk(command: object, name: str) -> Iterator[str]:
        inner = getattr(command, "commands", {})
        for word, part in inner.items():
            yield from walk(part, f"{name} {word}")
        if not inner:
            yield name

    return list(walk(typer.main.get_command(command_line()), "mien"))


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_mentioned(name):
    pages = "\n".join(text_of(page) for page in PAGES if page.name != "CHANGELOG.md")
    assert re.search(rf"{name}\b", pages)
