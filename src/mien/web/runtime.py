"""The files of onnxruntime-web, with which the page reads photos in the browser.

They are taken from its npm package by `python -m mien.web.runtime`, with npm, and are not in the repository: the
WebAssembly file has 14 MB, 3.7 when it is packed, and packed it is kept: the page unpacks it, so that the load is small
whatever the web server does. The wheel carries the files.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from importlib import resources
from pathlib import Path

from mien.errors import MienError
from mien.files import written_whole

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
# sha256 of the files as the package has them. It is the build for WebAssembly alone, its JavaScript in one file: the
# usual import of the package brings WebGPU along, nearly twice as much to load.
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm.gz": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_PACKED = ".gz"
MISSING = (
    f"To read photos in the browser the page needs {PACKAGE}, which is not in this installation: "
    "`python -m mien.web.runtime` fetches it, with npm."
)
_NPM_SECONDS = 600


def vendor_folder() -> Path:
    """Where the files lie."""
    return Path(str(resources.files("mien.web") / "static" / "vendor"))


def is_there() -> bool:
    """Whether all files are."""
    return all((vendor_folder() / name).is_file() for name in FILES)


def require() -> None:
    """Check that all files are there.

    Raises:
        MienError: one is missing.
    """
    if not is_there():
        raise MienError(MISSING)


def fetch(folder: Path | None = None) -> list[Path]:
    """Take the files from the npm package, unless they are there already.

    Args:
        folder: where they shall be; None for `vendor_folder()`.

    Returns:
        The files.

    Raises:
        MienError: npm is missing or fails, or a file is not the one that mien was made with.
    """
    folder = folder or vendor_folder()
    paths = [folder / name for name in FILES]
    if all(path.is_file() and _is_expected(path.name, path.read_bytes()) for path in paths):
        return paths
    with tempfile.TemporaryDirectory() as temporary:
        contents = _contents(_package(Path(temporary)))
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        with written_whole(path) as file:
            file.write(contents[path.name])
    return paths


def _package(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise MienError(f"{PACKAGE} is fetched with npm, which is not installed here. It comes with Node.js.")
    words = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_NPM_SECONDS, cwd=folder, check=False)
    except subprocess.TimeoutExpired as error:
        raise MienError(f"npm did not bring {PACKAGE} within {_NPM_SECONDS // 60} minutes. Try again.") from error
    packages = list(folder.glob("*.tgz"))
    if done.returncode or len(packages) != 1:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise MienError(f"npm could not bring {PACKAGE} {VERSION}: {reason}")
    return packages[0]


def _contents(package: Path) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(package) as archive:
        for name, expected in FILES.items():
            try:
                file = archive.extractfile(f"package/dist/{name.removesuffix(_PACKED)}")
            except KeyError:
                file = None
            content = b"" if file is None else file.read()
            received = hashlib.sha256(content).hexdigest()
            if received != expected:
                raise MienError(
                    f"{name} of {PACKAGE} {VERSION} is not the file that mien was made with. Expected sha256 "
                    f"{expected[:12]}…, received {received[:12]}…. Nothing was kept."
                )
            contents[name] = gzip.compress(content, mtime=0) if name.endswith(_PACKED) else content
    return contents


def _is_expected(name: str, content: bytes) -> bool:
    try:
        unpacked = gzip.decompress(content) if name.endswith(_PACKED) else content
    except (OSError, EOFError, zlib.error):
        return False
    return hashlib.sha256(unpacked).hexdigest() == FILES[name]


def _main() -> int:
    try:
        for path in fetch():
            sys.stdout.write(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, as expected\n")
    except MienError as error:
        sys.stderr.write(f"mien: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
