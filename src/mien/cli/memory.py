"""What a command asks of the system's memory, for the whole of its process."""

from __future__ import annotations

import os
import sys

# Settings of glibc's mallopt(3), by their numbers in malloc.h: one arena for all threads, arrays of up to 16 MiB from
# it, and up to 64 MiB at its end that are free and kept.
_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
_KEPT_MEMORY = {_ARENA_MAX: 1, _MMAP_THRESHOLD: 2**24, _TRIM_THRESHOLD: 2**26}


def keep_freed_memory() -> bool:
    """Have this process, until its end, use freed memory again that it would else give back to the system.

    Photos come and go as arrays of some MiB. Usually each is asked of the system anew, page by page, which takes a
    tenth of the computing that a photo takes; and each thread has a store of its own, which together are larger. What a
    user has set by glibc's variables stays.

    Returns:
        Whether it was done: it is on Linux with glibc alone.
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    import ctypes

    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        setting = ctypes.CDLL(None).mallopt
    except (ValueError, OSError, AttributeError):  # another library, such as musl
        return False
    return all([setting(number, value) for number, value in _KEPT_MEMORY.items()])
