"""What `mien predict` asks of the system's memory, and where it asks for nothing."""

import subprocess
import sys

import pytest

from mien.cli.memory import keep_freed_memory

HELD = """
import numpy as np
from mien.cli.memory import keep_freed_memory
assert keep_freed_memory()
def faults():
    return int(open("/proc/self/stat").read().rpartition(")")[2].split()[7])
np.ones(12_000_000, np.uint8)
before = faults()
for _ in range(20):
    np.ones(12_000_000, np.uint8)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_an_array_uses_the_memory_of_the_one_before_it():
    asked = subprocess.run([sys.executable, "-c", HELD], check=True, capture_output=True, text=True).stdout
    assert int(asked) < 2000  # of 20 times 3,000 pages


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert not keep_freed_memory()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert not keep_freed_memory()


def test_another_library_than_glibc_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.confstr", unknown, raising=False)
    assert not keep_freed_memory()
