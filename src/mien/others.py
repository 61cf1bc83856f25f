"""Tables that others can add to: what another package registers, or a file of the user's defines.

A backbone or a reader is named by one of these texts:

* `name`: one of mien's own, or what an installed package registers as an entry point of the table's group;
* `file.py:name`: what a Python file defines at its top level;
* either with where it is from behind it, `file.py:name (sha256 0123456789abcdef)` or `name (package 1.2)`: that very
  one. Plans, runs and records have it so, and a file that has changed since is refused.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from mien.errors import MienError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_FORM = re.compile(r"(?:(?P<file>.+\.py):)?(?P<name>\w[\w.-]*)(?: \((?P<origin>[^()]+)\))?")
# The files that are being run now, to get what they define.
_RUNNING: list[Path] = []


@dataclass(frozen=True)
class _Said:
    """A text in its parts: the file, or None for a package; the name; where it is from, or None where that is open."""

    file: Path | None
    name: str
    origin: str | None

    @property
    def title(self) -> str:
        return self.name if self.file is None else f"{self.file.name}:{self.name}"

    @property
    def text(self) -> str:
        where = self.name if self.file is None else f"{self.file}:{self.name}"
        return f"{where} ({self.origin})" if self.origin else where


@dataclass(frozen=True)
class OpenTable:
    """One table that others can add to.

    Attributes:
        noun: what its rows are called in messages.
        group: the entry points of packages that add to it.
        own: mien's rows, by name.
        error: what is raised.
    """

    noun: str
    group: str
    own: Mapping[str, object]
    error: type[MienError]

    def others(self) -> dict[str, str]:
        """What installed packages add: by name, the package with its version. Nothing of them is loaded."""
        return {name: " and ".join(map(_package, points)) for name, points in sorted(_registered(self.group).items())}

    def refuse_namesake(self, name: str) -> None:
        """Raise where a package has registered a row under a name of mien's own: which is meant cannot be told."""
        if name in self.own and name in _registered(self.group):
            raise self.error(
                f"The package {self.others()[name]} brings a {self.noun} called {name!r}, which mien has already, so "
                "that it is not clear which is meant. It needs another name: uninstall the package, or tell its makers."
            )

    def pinned(self, text: str, base: Path | None = None) -> str:
        """A text with where the thing is from, so that it means the same later and in another process.

        Args:
            text: as at the top of this module.
            base: folder that files are relative to; None for the current one.

        Returns:
            The text with the file's absolute path, and the hash of its content or the package's version. A name of
            mien's own stays as it is.

        Raises:
            MienError: there is no such row, file, or name in the file; or a file is not Python.
        """
        if text in self.own:
            self.refuse_namesake(text)
            return text
        said = self._said(text)
        if said.file is not None:
            path = ((base or Path()) / said.file).resolve()
            if not path.is_file():
                raise self.error(
                    f"There is no file {path} to take the {self.noun} {said.name!r} from"
                    f"{f' ({said.origin})' if said.origin else ''}. A path in a study file is relative to that file."
                )
            origin = _origin_of(path.read_bytes())
            self._refuse_changed(said, origin)
            if said.name not in (names := self._names(path)):
                raise self.error(f"{path.name} defines no {said.name!r}. {did_you_mean(said.name, names)}")
            return _Said(path, said.name, origin).text
        point = self._point(said)
        self._refuse_changed(said, _package(point))
        return _Said(None, said.name, _package(point)).text

    def load(self, text: str) -> Any:
        """What a text names, a file's after running it.

        Raises:
            MienError: as `pinned`; or the file or package cannot be run, or is another than the text says.
        """
        said = self._said(self.pinned(text))
        if said.file is not None:
            return self._loaded(said.file, said.origin or "", said.name)
        point = self._point(said)
        try:
            return point.load()
        except (Exception, SystemExit) as error:
            raise self.error(
                f"The {self.noun} {said.name!r} of the package {_package(point)} cannot be loaded: {told(error)}"
            ) from error

    def row(self, text: str, kind: type[T]) -> T | None:
        """The row that a text names, of a class; None where it names a plain function, or what is not here any more.

        A file is run only where the name is not that of a function, so that planning need not import what it imports.

        Raises:
            MienError: as `load`; or what is named is neither.
        """
        said = self._said(text)
        if said.origin is not None and not self._is_here(said):
            return None
        said = self._said(self.pinned(text))
        if said.file is not None and self._names(said.file)[said.name]:
            return None
        found = self.load(text)
        if isinstance(found, kind):
            return found
        if callable(found) and not isinstance(found, type):
            return None
        raise self.error(
            f"{said.title} is no {self.noun}. Expected a function or a mien.{kind.__name__}. Received: {found!r:.80}."
        )

    def portable(self, text: str) -> str:
        """A pinned text that says the same on every machine: without the folder of its file."""
        if text in self.own or (said := self._said(text)).file is None:
            return text
        return _Said(Path(said.file.name), said.name, said.origin).text

    def identity(self, text: str) -> str:
        """What decides what a pinned text gives: of a file the name in it and its content, wherever it lies."""
        if text in self.own or (said := self._said(text)).file is None:
            return text
        return _Said(None, said.name, said.origin).text

    def file_of(self, text: str) -> Path | None:
        """The file that a text names; None for a name of mien's own, or of a package."""
        return None if text in self.own else self._said(text).file

    def title(self, text: str) -> str:
        """A text for people: without folder and origin."""
        match = _FORM.fullmatch(text)
        return text if text in self.own or match is None else self._said(text).title

    def text_of(self, function: Callable[..., Any]) -> str:
        """The text that names a function of the caller's in another process: its file and name.

        Raises:
            MienError: it is not defined at the top level of a file.
        """
        name = getattr(function, "__qualname__", repr(function))
        try:
            path = Path(inspect.getsourcefile(function) or "")
        except TypeError:
            path = Path()
        if not (path.suffix == ".py" and path.is_file() and name.isidentifier()):
            raise self.error(
                f"A run happens in a process of its own, which cannot see {name!r}: it is not defined at the top "
                f"level of a file. Write it into one, and name it: {self.noun} = 'my_file.py:my_function'."
            )
        return f"{path.resolve()}:{name}"

    def unknown(self, name: str) -> MienError:
        """What to say of a name that is nowhere."""
        others = self.others()
        brought = ", ".join(f"{other} ({where})" for other, where in others.items())
        return self.error(
            f"There is no {self.noun} {name!r}. {did_you_mean(name, [*self.own, *others])} Other packages bring "
            f"{brought or 'none'}, and one of your own is named by its file: 'file.py:function'."
        )

    def _said(self, text: str) -> _Said:
        match = _FORM.fullmatch(text)
        if match is None:
            raise self.unknown(text)
        return _Said(Path(match["file"]) if match["file"] else None, match["name"], match["origin"])

    def _is_here(self, said: _Said) -> bool:
        try:
            self.pinned(said.text)
        except self.error:
            return False
        return True

    def _refuse_changed(self, said: _Said, origin: str) -> None:
        if said.origin is not None and said.origin != origin:
            raise self.error(
                f"The {self.noun} {said.title} is not the one that was planned or recorded: it was of {said.origin}, "
                f"and what is here is of {origin}. Bring that one back, or plan and run again with what is here."
            )

    def _point(self, said: _Said) -> EntryPoint:
        points = _registered(self.group).get(said.name)
        if points is None:
            raise self.unknown(said.name)
        if len(points) > 1:
            raise self.error(
                f"Several packages bring a {self.noun} called {said.name!r}: {self.others()[said.name]}. Uninstall all "
                "but one."
            )
        return points[0]

    def _names(self, path: Path) -> dict[str, bool]:
        """What a file defines at its top level, and whether it is a function. The file is not run."""
        try:
            body = ast.parse(path.read_bytes()).body
        except (SyntaxError, ValueError) as error:
            raise self.error(f"{path.name} is not Python: {error}.") from error
        names: dict[str, bool] = {}
        for node in body:
            if isinstance(node, ast.FunctionDef):
                names[node.name] = True
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id: False for target in targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: False for alias in node.names}
        return names

    def _loaded(self, path: Path, origin: str, name: str) -> Any:
        try:
            return getattr(_module(path, origin), name)
        except MienError:
            raise
        except (Exception, SystemExit) as error:
            raise self.error(
                f"{path.name}, which shall give the {self.noun} {name!r}, cannot be run: {told(error)}"
            ) from error


def refuse_while_loading(what: str) -> None:
    """Raise where a file that is only asked for what it defines starts something: it would start itself for ever."""
    if _RUNNING:
        raise MienError(
            f"{_RUNNING[-1].name} starts {what} when it is imported. Put that under: if __name__ == '__main__':"
        )


def told(error: BaseException) -> str:
    """What code of others raised, with the last place that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent != Path(__file__).parent]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"


@lru_cache(maxsize=32)
def _module(path: Path, origin: str) -> ModuleType:
    """A file as a module, run once. The bytes that are run are those that were hashed; no folder is searched for it."""
    content = path.read_bytes()
    if _origin_of(content) != origin:
        raise OSError(f"{path} has changed just now")
    module = ModuleType(f"mien_file_{origin.split()[-1]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    _RUNNING.append(path)
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    finally:
        _RUNNING.pop()
    return module


def _origin_of(content: bytes) -> str:
    return f"sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def _package(point: EntryPoint) -> str:
    return "a package without a name" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _registered(group: str) -> Mapping[str, list[EntryPoint]]:
    return _found(group, tuple(sys.path))


@lru_cache(maxsize=8)
def _found(group: str, path: tuple[str, ...]) -> Mapping[str, list[EntryPoint]]:
    """The entry points of a group by name; looked for again when the path of modules has changed."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        if point not in found.setdefault(point.name, []):
            found[point.name].append(point)
    return found
