"""Networks in ONNX, ready to run. The one door to onnxruntime."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mien.errors import MienError

_ENDING = "ExecutionProvider"
_ON_THE_CPU = f"CPU{_ENDING}"
# What is taken of the system at a time, or more where one array needs more.
_PIECE_BYTES = 16 * 2**20


def start(model: bytes, *, threads: int | None = None, provider: str = "cpu") -> Any:
    """Load a network.

    Args:
        model: the bytes of an ONNX file.
        threads: threads that work on one call; None for as many as there are cores.
        provider: what computes, by onnxruntime's name with or without "ExecutionProvider", in any case ("cpu", "cuda",
            "CoreMLExecutionProvider"). What it cannot do the CPU does.

    Returns:
        An `onnxruntime.InferenceSession`; it may be run from several threads at once.

    Raises:
        MienError: this onnxruntime has no such provider.
        Exception: of onnxruntime, whose classes share no base below it, when the model does not load.
    """
    onnxruntime = _library()
    wanted = _provider(provider, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait for work in a loop take the cores from those that read photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan of memory for each size of input is kept for ever, and photos have all sizes.
    options.enable_mem_pattern = False
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return onnxruntime.InferenceSession(
        model, sess_options=options, providers=list(dict.fromkeys([wanted, _ON_THE_CPU]))
    )


def _library() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        # Ctrl-C while it loads comes out as "initialization failed".
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return onnxruntime


@cache
def _share_memory() -> None:
    """Let all networks of this process work in one room: what one leaves free the next one takes."""
    onnxruntime = _library()
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    doubling = 0  # each further piece is twice as large as the one before
    pieces = {"arena_extend_strategy": doubling, "initial_chunk_size_bytes": _PIECE_BYTES}
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(pieces))


def _provider(name: str, available: list[str]) -> str:
    for candidate in available:
        if name.lower() in (candidate.lower(), candidate.removesuffix(_ENDING).lower()):
            return candidate
    choice = ", ".join(candidate.removesuffix(_ENDING).lower() for candidate in available)
    raise MienError(
        f"The installed onnxruntime has no provider {name!r}. Available: {choice}. Others come with other builds of "
        "it, for instance 'cuda' with pip install onnxruntime-gpu."
    )


def first_line(error: Exception) -> str:
    """What an error of onnxruntime says, in one line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
