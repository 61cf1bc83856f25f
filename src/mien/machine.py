"""What this machine is, as far as it decides how long things take."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path


def processor_name() -> str:
    """The processor's name, as the operating system gives it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def core_count() -> int:
    """Logical cores."""
    return os.cpu_count() or 1


def has_wide_vectors() -> bool:
    """Whether the processor computes with vectors of 512 bits (AVX-512), as NumPy finds when it is loaded."""
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"]
    names = [*found["baseline"], *found["found"]]
    return any(name == "X86_V4" or name.startswith("AVX512") for name in names)  # the former from NumPy 2.4 on


def has_gpu() -> bool:
    """Whether there is a GPU that networks may be trained on, as far as that is known without asking a framework."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return bool(devices) or shutil.which("nvidia-smi") is not None


def user_folder() -> Path:
    """The folder in which mien keeps things for this user on this machine, by the custom of the operating system."""
    import platformdirs

    return platformdirs.user_cache_path("mien", appauthor=False)
