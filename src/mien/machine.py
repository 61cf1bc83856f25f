"""What this machine is, as far as it decides how long things take."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

# What tells processors of one name apart in /proc/cpuinfo: on x86, and on ARM.
_NUMBERS = ("cpu family", "model", "CPU implementer", "CPU part")


def processor_name() -> str:
    """The processor's name, as the operating system gives it, with its numbers where that name has none.

    A virtual machine may call each processor "AMD EPYC", and Linux on ARM names none at all.
    """
    path = Path("/proc/cpuinfo")
    if path.is_file():
        name = name_in_cpuinfo(path.read_text(encoding="utf-8", errors="replace"))
        if name:
            return name
    if sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return platform.processor() or platform.machine()


def name_in_cpuinfo(text: str) -> str:
    """The name of the first processor that Linux's /proc/cpuinfo tells of; empty where there is none."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            entries.setdefault(key.strip(), value.strip())
    name = entries.get("model name", platform.machine() if "CPU implementer" in entries else "")
    numbers = [f"{key.removeprefix('CPU ').removeprefix('cpu ')} {entries[key]}" for key in _NUMBERS if key in entries]
    if not name or any(letter.isdigit() for letter in name.removeprefix(platform.machine())) or not numbers:
        return name
    return f"{name} ({', '.join(numbers)})"


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
