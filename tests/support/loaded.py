"""Processes that have imported Keras before they begin.

They are forked from one that has done nothing else, where processes can be forked: to import Keras and TensorFlow takes
five seconds of computing, most of what a short run takes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from mien.training.backend import choose_backend


def begin(do: Callable[..., None], *given: Any) -> BaseProcess:
    """Start a process that calls a function of a module that it can import. End it with `kill` or wait with `join`."""
    choose_backend()
    context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(["support.preloaded"])
    process = context.Process(target=do, args=given, daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        # The server does not know our path.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        process.start()
    return process


def run(do: Callable[..., None], *given: Any, folder: Path, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """Call a function in a process of its own; returns its exit code and what it wrote.

    Args:
        do: of a module that can be imported.
        given: what it is given.
        folder: where it works.
        environment: variables that are changed.
    """
    said = folder.with_name(f"{folder.name}.said")
    process = begin(_there, do, given, folder, dict(environment), said)
    process.join()
    return process.exitcode, said.read_text(encoding="utf-8", errors="replace")


def _there(
    do: Callable[..., None], given: tuple[Any, ...], folder: Path, environment: dict[str, str], said: Path
) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    with said.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115 (it stays)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    try:
        do(*given)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
