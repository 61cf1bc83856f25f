"""Networks in ONNX, ready to run. The one door to onnxruntime."""

from __future__ import annotations

import os
from typing import Any

from mien.errors import MienError

_ENDING = "ExecutionProvider"
_ON_THE_CPU = f"CPU{_ENDING}"


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
    import onnxruntime

    wanted = _provider(provider, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan of memory for each size of input is kept for ever, and photos have all sizes.
    options.enable_mem_pattern = False
    # Threads that wait for work in a loop take the cores from those that read photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory is kept for one call of a size, not planned anew for each size and doubled each time it does not do.
    options.enable_mem_pattern = False
    on_the_cpu = (_ON_THE_CPU, {"arena_extend_strategy": "kSameAsRequested"})
    providers = [on_the_cpu] if wanted == _ON_THE_CPU else [wanted, on_the_cpu]
    return onnxruntime.InferenceSession(model, sess_options=options, providers=providers)


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
