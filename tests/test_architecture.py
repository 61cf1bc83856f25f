"""Which part may import which, and which library is imported where. Read from the source; nothing is imported."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# For each part: what it may import of the others, a whole part or single modules. "public" is mien itself, which names
# what others are for; "root" are the modules directly under it. docs/decisions/0001-study-imports.md says why some
# single modules are allowed.
MAY_IMPORT = {
    "public": {"root", "api", "inference", "datasets", "evaluation", "study"},
    "api": {"root", "api", "inference", "datasets", "evaluation", "study", "training", "report", "web", "scale"},
    "root": {"root"},
    "inference": {"root", "inference"},
    # Faces are cut out as in predicting; a data file is read as a study file is.
    "datasets": {"root", "datasets", "inference.recognizer", "study.settings"},
    "evaluation": {"root", "evaluation"},
    "study": {
        "root",
        "study",
        "datasets.dataset",
        "datasets.places",
        "datasets.protocol",
        "datasets.reading",
        "datasets.spec",
        "evaluation.metrics",
    },
    "training": {
        "root",
        "training",
        "datasets",
        "evaluation",
        "study",
        "inference.classifier",  # an exported model must answer in the runtime as it did in training
        "inference.crops",  # golden crops of an exported model
        "inference.runtime",  # which values its layers have is measured where it will answer
    },
    "report": {
        "root",
        "report",
        "evaluation",
        "study",
        "datasets.dataset",
        "datasets.protocol",
        "datasets.audit.findings",  # the page of an audit shows what it found
        "datasets.audit.run",
    },
    "web": {"root", "web", "inference"},
    # What others do in a process, done on other machines; those import `training` in the worker alone.
    "scale": {"root", "scale", "inference", "study", "datasets", "training.worker"},
    # The command line translates: it names what others are for type checkers alone, and calls only what everybody can.
    "cli": {"public", "cli", "api", "errors", "wording"},
}

PIXELS = {
    "mien.channels",
    "mien.images",
    "mien.likeness",
    "mien.inference.crops",
    "mien.inference.detector",
    "mien.inference.drawing",
    "mien.inference.explanation",
    "mien.evaluation.corruptions",
    "mien.datasets._face_drawing",
    "mien.datasets.duplicates",
    "mien.datasets.pixels",
    "mien.datasets.reading",
    "mien.datasets.synthetic",
}

# For each library with one door, or few: the modules, or parts ending in ".", that import it.
DOORS = {
    "keras": {"mien.training."},
    "tensorflow": {"mien.training.backend"},
    "jax": {"mien.training.backend"},
    "torch": {"mien.training.backend"},
    "psutil": {"mien.training."},
    "onnx": {"mien.training.", "mien.api.wrapping"},
    "onnxruntime": {"mien.inference.runtime"},
    "cv2": PIXELS,
    "PIL": PIXELS | {"mien.decoding"},
    "pillow_heif": {"mien.images"},
    "matplotlib": {f"mien.report.{name}" for name in ("figures", "diagrams", "network_pictures")},
    "jinja2": {"mien.report.page"},
    "fastapi": {"mien.web."},
    "starlette": {"mien.web."},
    "uvicorn": {"mien.web.server"},
    "h11": {"mien.web.server"},
    "pydantic": {"mien.web.schema"},
    "prometheus_client": {"mien.web.metrics"},
    "python_multipart": {"mien.web.body"},
    "pyarrow": {"mien.datasets.parquet"},
    "h5py": {"mien.datasets.arrays"},
    "kagglehub": {"mien.datasets.getting"},
    "filelock": {"mien.study.store"},
    "typer": {"mien.cli."},
    "ray": {"mien.scale.cluster"},
    "fsspec": {"mien.addresses"},
    "pandas": {"mien.frame"},
}

# Libraries of the extras: importing the core must never touch them.
HEAVY = {
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "psutil",
    "onnx",
    "scipy",
    "sklearn",
    "matplotlib",
    "jinja2",
    "fastapi",
    "starlette",
    "uvicorn",
    "h11",
    "pydantic",
    "prometheus_client",
    "python_multipart",
    "kagglehub",
    "ray",
    "fsspec",
    "pyarrow",
    "h5py",
}

# Parts of the core may be imported without any extra. Those of `training` stand between the core and Keras: they are
# imported in a worker before the backend is chosen.
LIGHT_PARTS = {"public", "api", "root", "inference", "datasets", "evaluation", "study", "scale", "cli"}
# `mien notice` writes the service's notice without the service.
LIGHT_MODULES = {*(f"mien.training.{name}" for name in ("backend", "worker")), "mien.web.notice"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


def part_of(module: str) -> str:
    """The part that a module of mien belongs to: the name of its package, "root", or "public"."""
    names = module.split(".")
    if names == ["mien"]:
        return "public"
    if names == ["mien", "__main__"]:
        return "cli"
    return names[1] if names[1] in MAY_IMPORT else "root"


def imported(node: ast.AST) -> list[str]:
    """What one import statement imports, as full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in TREES else str(node.module) for name in inside]
    return []


def all_imports(module: str) -> set[str]:
    return {name for node in ast.walk(TREES[module]) for name in imported(node)}


def imports_at_import(module: str) -> set[str]:
    """What a module imports when it is imported itself: not in functions, not for type checkers alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(TREES[module].body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        found.update(imported(node))
        waiting.extend(ast.iter_child_nodes(node))
    return found


def imports_that_run(module: str) -> set[str]:
    """What a module imports, in functions too, but not what is for type checkers alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(TREES[module].body)
    while waiting:
        node = waiting.pop()
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            found.update(imported(node))
            waiting.extend(ast.iter_child_nodes(node))
    return found


def allowed(module: str, doors: set[str]) -> bool:
    return any(module.startswith(door) if door.endswith(".") else module == door for door in doors)


def test_every_part_is_in_the_table():
    packages = {path.name for path in (SOURCE / "mien").iterdir() if (path / "__init__.py").is_file()}
    assert packages == set(MAY_IMPORT) - {"public", "root"}


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_only_what_its_part_may(module):
    may = MAY_IMPORT[part_of(module)]
    names = imports_that_run(module) if part_of(module) == "cli" else all_imports(module)
    for name in names:
        if name.split(".")[0] == "mien":
            assert part_of(name) in may or name.removeprefix("mien.") in may, f"{module} imports {name}"


@pytest.mark.parametrize("module", TREES)
def test_a_library_is_imported_through_its_door(module):
    for name in all_imports(module):
        library = name.split(".")[0]
        if library in DOORS:
            assert allowed(module, DOORS[library]), f"{module} imports {library}"


@pytest.mark.parametrize("module", TREES)
def test_nothing_is_imported_relatively(module):
    relative = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom) and node.level]
    assert not relative


def light_modules() -> list[str]:
    return [module for module in TREES if part_of(module) in LIGHT_PARTS or module in LIGHT_MODULES]


@pytest.mark.parametrize("module", light_modules())
def test_importing_a_light_module_leads_to_no_library_of_an_extra(module):
    seen: dict[str, str] = {module: module}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        for name in imports_at_import(current):
            assert name.split(".")[0] not in HEAVY, f"{seen[current]} -> {name}"
            if name in TREES and name not in seen:
                seen[name] = f"{seen[current]} -> {name}"
                waiting.append(name)


@pytest.mark.parametrize("module", [module for module in TREES if part_of(module) == "cli"])
def test_a_command_needs_no_library_but_those_that_show_it(module):
    libraries = {name.split(".")[0] for name in imports_that_run(module)} - {"mien"}
    assert libraries <= {"typer", "rich", *sys.stdlib_module_names}


def test_the_public_package_imports_nothing():
    assert {name.split(".")[0] for name in imports_at_import("mien")} <= sys.stdlib_module_names


@pytest.mark.parametrize("module", sorted(TREES))
def test_text_has_one_encoding_everywhere(module):
    """Without a name it is that of the place: cp1252 under Windows, where mien's own files then cannot be read."""
    for call in ast.walk(TREES[module]):
        if not isinstance(call, ast.Call) or any(word.arg in ("encoding", None) for word in call.keywords):
            continue
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        given = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
        modes = {value.value for value in given if isinstance(value, ast.Constant)} & {"r", "w", "a", "x", "r+", "w+"}
        opened = bool(modes) and "open" in (method, getattr(call.func, "id", ""))
        read = method == "read_text" and not call.args
        written = method == "write_text" and len(call.args) == 1
        assert not any((opened, read, written)), f"line {call.lineno}: name the encoding"
