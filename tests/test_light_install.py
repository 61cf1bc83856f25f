"""The core works where no extra is installed: each test asks a fresh process in which those libraries are absent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.cli.main import COMMANDS, GROUPS
from mien.study.store import Store
from mien.web import runtime
from support.fake_records import plan_of, record_of

SOURCE = Path(__file__).parents[1] / "src"

TRAINING = ["keras", "tensorflow", "jax", "torch", "onnx", "psutil"]
ABSENT = [
    *TRAINING,
    "scipy",
    "sklearn",
    "matplotlib",
    "jinja2",
    "fastapi",
    "starlette",
    "uvicorn",
    "h11",
    "prometheus_client",
    "ray",
    "pyarrow",
]


def without(absent: list[str]) -> str:
    """Code after which libraries are as if never installed: the finder of installed packages does not know them."""
    return f"""
import importlib.machinery, sys
absent = {absent!r}
find = importlib.machinery.PathFinder.find_spec
def find_present(name, path=None, target=None):
    return None if name.split(".")[0] in absent else find(name, path, target)
importlib.machinery.PathFinder.find_spec = find_present
"""


CORE = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in sorted((SOURCE / "mien").rglob("*.py"))
    if path.name != "__init__.py" and path.relative_to(SOURCE / "mien").parts[0] not in ("training", "report", "web")
]


def python(
    code: str, *arguments: str, cwd: Path | None = None, absent: list[str] = ABSENT
) -> subprocess.CompletedProcess:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    if cwd is not None:
        environment["XDG_CACHE_HOME"] = environment["LOCALAPPDATA"] = str(cwd / "cache")
    command = [sys.executable, "-c", without(absent) + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, cwd=cwd)


def mien(*arguments: str, cwd: Path, absent: list[str] = ABSENT) -> subprocess.CompletedProcess:
    return python("from mien.cli.main import main\nmain()", *arguments, cwd=cwd, absent=absent)


def test_the_libraries_are_absent_as_far_as_mien_can_tell():
    done = python("import importlib.util\nprint([importlib.util.find_spec(name) for name in absent])")
    assert done.stdout.strip() == str([None] * len(ABSENT))


def test_every_core_module_is_imported_without_an_extra():
    done = python(f"import importlib\nfor name in {CORE!r}:\n    importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_importing_mien_imports_nothing_else():
    code = (
        "import json, sys; before = set(sys.modules); import mien; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = python(code)
    new = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert new <= {"mien"} | set(sys.stdlib_module_names)


def test_the_runtime_reports_nothing_to_its_maker(tmp_path):
    # With its reports on, onnxruntime leaves a file among the temporary ones as soon as it is imported.
    code = "import os; from mien import Recognizer; Recognizer(); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "1", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_wheel_is_made_with_needs_no_library():
    done = python("import mien.web.runtime; print(mien.web.runtime.VERSION)", absent=[*ABSENT, "numpy", "cv2", "PIL"])
    assert done.stdout.strip() == runtime.VERSION, done.stderr


def test_importing_the_command_line_imports_no_library_that_computes():
    code = "import json, sys; from mien.cli.main import command_line; command_line()"
    modules = set(json.loads(python(code + "; print(json.dumps(sorted(sys.modules)))").stdout))
    assert not modules & {*ABSENT, "numpy", "cv2", "PIL", "onnxruntime"}


@pytest.mark.parametrize("called", ["predict", "study"])
def test_a_start_imports_no_command_but_the_one_that_it_calls(called):
    code = f"import json, sys; from mien.cli.main import command_line; command_line(['{called}', '--help'])"
    modules = set(json.loads(python(code + "; print(json.dumps(sorted(sys.modules)))").stdout))
    commands = {f"mien.cli.{name}" for name in (*COMMANDS, *GROUPS)}
    assert modules & commands == {f"mien.cli.{called}"}


def test_one_photo_is_read_without_what_others_need():
    code = """
import atexit, sys
from mien.cli.main import main
asked = ["rich", "tomllib", "html", "concurrent.futures", "importlib.resources", "importlib.metadata"]
atexit.register(lambda: print([name for name in asked if name in sys.modules], file=sys.stderr))
main()
"""
    done = python(code, "predict", "--sample", "--json")
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["outcome"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Usage"),
        (["--version"], "mien 0."),
        (["models", "list"], "densenet121"),
        (["data", "describe", "drawn:count=60"], "60 gray images"),
        (["notice"], "Faces in pictures are read by a machine here."),
    ],
)
def test_a_command_of_the_core_works(tmp_path, arguments, expected):
    done = mien(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_training_without_its_extra_is_one_sentence(tmp_path):
    done = mien("train", "drawn", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "mien: Training needs the optional part 'train': pip install 'mien[train]'"
    ]
    assert not (tmp_path / "stores").exists()


def test_serving_without_its_extra_is_one_sentence(tmp_path):
    done = mien("serve", "--no-open", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == ["mien: Serving needs the optional part 'web': pip install 'mien[web]'"]


STUDY = """
schema = 1
name = "small"
[data]
path = "drawn:count=120,size=32"
[recipe]
epochs = 1
[[tables]]
name = "networks"
rows.backbone = ["mien_small", "nasnetmobile"]
"""


def test_a_study_is_planned_without_what_trains_and_running_it_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY, encoding="utf-8")
    done = mien("study", "plan", "small.toml", "--cells", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 runs for 2 cells" in done.stdout
    done = mien("study", "run", "small.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "mien: Training needs the optional part 'train': pip install 'mien[train]'"
    ]
    assert not (tmp_path / "stores").exists()


def test_a_store_tells_its_state_and_gives_its_report_without_what_trains(tmp_path):
    store, plan = Store.create(tmp_path / "made elsewhere"), plan_of(STUDY)
    store.keep_study(STUDY)
    store.keep_plan(plan)
    record_of(plan.runs[0]).write(store.run_folder(plan.runs[0].id))
    done = mien("study", "status", "made elsewhere", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    assert "waiting" in done.stdout
    # A report draws, which is an extra of its own; what trains stays away.
    pytest.importorskip("matplotlib")
    done = mien("study", "report", "made elsewhere", cwd=tmp_path, absent=TRAINING)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made elsewhere" / "report" / "report.html").is_file()


def test_a_command_starts_without_a_library_that_it_does_not_need(tmp_path):
    # typer imports what it checks words with when a command is called, not when it is imported.
    code = """
import atexit, sys
atexit.register(lambda: print(sorted({"pydantic", "importlib.metadata"} & set(sys.modules))))
from mien.cli.main import main
main()
"""
    done = python(code, "models", "known", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["data", "describe", "faces.parquet"], "Reading"),
        (["data", "convert", "drawn:count=60", "--output", "new.parquet"], "Writing"),
    ],
)
def test_parquet_without_its_extra_is_one_sentence(tmp_path, arguments, what):
    (tmp_path / "faces.parquet").write_bytes(b"PAR1")
    done = mien(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"mien: {what} Parquet needs the optional part 'parquet': pip install 'mien[parquet]'"
    ]
    assert not (tmp_path / "new.parquet").exists()
