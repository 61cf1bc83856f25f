"""The command `mien`: it translates words into calls, and errors into one sentence."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, NoReturn, TextIO

import typer

from mien.errors import MienError

# In the order of the help text. Each is in the module of its name; a group has its own commands there.
GROUPS = {
    "data": "Look at labelled data sets.",
    "models": "The networks that mien knows.",
    "study": "Plan, run and report studies.",
}
# What a user can mend: a name, a permission, a full disk.
_OF_THE_SYSTEM = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES),
        *(errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.EIO),
    }
)
# What is in memory at the end goes with the process. Looking through it for circles before takes as long as two photos.
atexit.register(gc.freeze)
# Loading modules makes many objects and leaves hardly one behind: looking each 700 takes a twentieth of the start.
_OBJECTS_PER_LOOK = 20_000
COMMANDS = ("predict", "explain", "serve", "page", "notice", "train", "export", "evaluate", "wrap", "import_", "demo")


def command_line(words: Sequence[str] = ()) -> typer.Typer:
    """The command `mien`.

    Args:
        words: the arguments of this start. Where they name a command, the others are left out: to load them all and
            look at their options takes a tenth of the time in which `mien predict` reads a photo.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Read facial expressions in still images; train and compare the networks that do. Labels are what people "
        "would call a face, not what someone feels: not for judging people at work or in school.",
    )
    app.callback()(_options)
    called = next((word for word in words if not word.startswith("-")), None)
    every = called not in {*GROUPS, *(name.rstrip("_") for name in COMMANDS)}
    for name, text in GROUPS.items():
        if every or name == called:
            app.add_typer(import_module(f"mien.cli.{name}").app, name=name, help=text)
    for name in COMMANDS:
        if every or name.rstrip("_") == called:
            # A command whose name is a word of Python's has an underscore behind it as a module.
            app.command(name.rstrip("_"))(getattr(import_module(f"mien.cli.{name}"), name))
    return app


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"mien {version('mien')}")
        raise typer.Exit


def _options(
    version: Annotated[  # noqa: ARG001 - typer calls it by its name
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[  # noqa: ARG001 - `main` takes it, wherever it stands
        bool, typer.Option("--debug", help="Show the traceback of an error. May stand behind the command too.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line.

    Exit codes: 0; 1 for a fault of mien, and where a study is not finished; 2 for input that cannot be used; 3 where
    some photos could not be read; 130 after Ctrl-C; 141 when whoever read the output has gone.
    """
    gc.set_threshold(_OBJECTS_PER_LOOK)
    words = sys.argv[1:]
    debug = "--debug" in words
    try:
        if sys.stdout is None:
            raise MienError("Standard output is closed. Expected a terminal, a file, a pipe or /dev/null.")
        if any(word == "" or (word.startswith("--") and word.endswith("=")) for word in words):
            raise MienError("One of the words is empty. Perhaps a variable that should stand there has no value.")
        write_any_letter(sys.stdout)
        words = expanded(words)
        command_line(words)([word for word in words if word != "--debug"], prog_name="mien")
    except SystemExit as end:
        # typer ends with one, whatever happened.
        _end(_flushed(end.code if isinstance(end.code, int) else int(end.code is not None), end), debug)
    except BaseException as error:
        _end(_stopped(error) or error, debug)


def expanded(words: Sequence[str]) -> list[str]:
    """The words of a command with the files that *.jpg stands for, where no shell has named them."""
    if sys.platform != "win32":
        return list(words)
    from glob import glob  # [a] is part of many names there, and is taken for that

    return [
        name
        for word in words
        for name in (
            (sorted(glob(word.replace("[", "[[]"), recursive=True)) or [word]) if _is_pattern(word) else [word]
        )
    ]


def _is_pattern(word: str) -> bool:
    return not word.startswith("-") and any(sign in word for sign in "*?")


def write_any_letter(stream: TextIO) -> None:
    """Have letters that an output cannot hold written by their numbers: pipes on Windows take one language's."""
    if getattr(stream, "errors", None) == "strict" and isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _flushed(code: int, end: SystemExit) -> int | BaseException:
    """The exit code of a command that ended, or what kept it from ending well."""
    for error in _causes(end):
        # typer takes an end of input for Ctrl-C, too: of a file that is cut off, it is none.
        if isinstance(error, (KeyboardInterrupt, BrokenPipeError, EOFError)):
            return error
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left cannot be written at the exit either, and Python would say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return code


def _stopped(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C that an error was made of, as libraries do that it meets while they load; None for other errors.

    What goes wrong while a command comes to its end after Ctrl-C is an error of its own: it is no explicit cause.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _end(ending: int | BaseException, debug: bool) -> NoReturn:
    """Leave the program: an exit code is that, an error is a sentence and the exit code of its kind."""
    if isinstance(ending, int):
        sys.exit(ending)
    if debug:
        import traceback

        traceback.print_exception(ending)
    code, text = _described(ending)
    if text:
        with suppress(OSError):
            typer.echo(f"mien: {text}", err=True)
    sys.exit(code)


def _described(error: BaseException) -> tuple[int, str]:
    """The exit code and the sentence for what ended a command."""
    if isinstance(error, MienError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped. " + (str(error) or "What was finished is kept, and the same command goes on from there.")
    if isinstance(error, BrokenPipeError):
        return 141, ""
    if isinstance(error, MemoryError):
        return 1, "there is not enough memory for this."
    if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
        what = f"{error.filename} cannot be used" if error.filename else "the output cannot be written"
        return 2, f"{what}: {error.strerror}."
    return 1, (
        f"this is a fault of mien, not of yours: {type(error).__name__}: {' '.join(str(error).split())[:300]}. "
        f"Please report it {_place()}, with what the same command says under --debug."
    )


def _place() -> str:
    """Where faults are reported: the address that the package names, if it names one."""
    from importlib.metadata import metadata

    for entry in metadata("mien").get_all("Project-URL") or []:
        label, _, address = entry.partition(",")
        if label.strip().lower() in ("issues", "tracker", "bug tracker"):
            return f"at {address.strip()}"
    return "where you have mien from (pip show mien)"
