"""Where freed memory goes: back to the system, at once.

The C library keeps what is freed for later, a heap for each few threads. With a dozen threads and
frames of megabytes that come and go, that was 30 MB of a Pi's memory that nobody used. Here, and
not in the service's environment, so that it holds however the agent is started.

Source: mallopt(3), glibc.
"""

import contextlib
import ctypes
import gc
import logging

log = logging.getLogger(__name__)

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8
_LARGE_BYTES = 256 * 1024  # what is larger is the system's own, and never kept: frames, JPEGs
_ARENAS = 2


def give_back() -> None:
    """Give back what a start has left over, such as the tables that botocore read."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def tighten() -> None:
    """Have it so in this process. Call it before there are threads; elsewhere it does nothing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        log.debug("this C library has no mallopt")
        return
    mallopt(_M_ARENA_MAX, _ARENAS)
    # To set it keeps glibc from raising it with each large block that is freed.
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
