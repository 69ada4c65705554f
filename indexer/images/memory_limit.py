"""Whether a decoder has failed for want of memory. Each says that in its own way, and some call the picture damaged."""

from __future__ import annotations

import ctypes
import errno
import mmap
import re
from collections.abc import Callable
from functools import lru_cache

#: What libaom, dav1d, libheif, libtiff and the dynamic linker say of it.
_MEMORY_MESSAGES = re.compile(r"memory|alloc|failed to map", re.IGNORECASE)
#: A decoder's own planes and the picture that is made of them.
_BYTES_A_PIXEL = 8


def clear_errno() -> None:
    """What was short of memory before now is no longer known."""
    location = _errno_function()
    if location is not None:
        location().contents.value = 0


def is_out_of_memory(error: Exception, size: tuple[int, int] | None) -> bool:
    """Whether `error`, raised since `clear_errno`, came of too little memory; `size` is the picture's, where known.

    malloc leaves ENOMEM behind (POSIX) in the thread that asked. Decoders with threads of their own are believed to
    have been short where a picture of that size does not fit in now.
    """
    location = _errno_function()
    if isinstance(error, MemoryError) or (location is not None and location().contents.value == errno.ENOMEM):
        return True
    message = str(error)
    if "security limit" in message.lower():  # libheif's own, of what no sound file asks for
        return False
    return bool(_MEMORY_MESSAGES.search(message)) or (
        size is not None and not _has_room(size[0] * size[1] * _BYTES_A_PIXEL)
    )


def _has_room(size_bytes: int) -> bool:
    """Whether the address space can grow by so much: nothing of it is used."""
    try:
        mmap.mmap(-1, max(size_bytes, 1)).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


@lru_cache(maxsize=1)
def _errno_function() -> Callable[[], ctypes._Pointer[ctypes.c_int]] | None:
    """Where the C library keeps the calling thread's errno; None where it has another name."""
    library = ctypes.CDLL(None)
    for name in ("__errno_location", "__error"):  # glibc and musl; macOS and the BSDs
        function = getattr(library, name, None)
        if function is not None:
            function.restype = ctypes.POINTER(ctypes.c_int)
            found: Callable[[], ctypes._Pointer[ctypes.c_int]] = function
            return found
    return None
