"""Memory of the process: keep what was used once, for the next batch wants as much again."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT = 256 << 20  # bytes at the end of the heap that are not given back
LARGE = 8 << 20  # blocks from this size on are mapped apart: tables that are mostly not touched


def keep_memory() -> None:
    """Tell the C library not to give memory back between batches.

    The columns of a batch are a few hundred kilobytes each; glibc would map and unmap every one of
    them, and the kernel would clear each page again, at a third of the time of dissecting.
    Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_MMAP_THRESHOLD, LARGE)
    mallopt(M_TRIM_THRESHOLD, KEPT)


@contextmanager
def no_cycles() -> Iterator[None]:
    """Nobody looks for cycles meanwhile: among millions of rows that takes as long as making them.

    For work that ends and makes next to none.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def give_back() -> None:
    """Give memory that is free back to the system, after something that took much of it.

    glibc keeps what threads freed in an arena of each. Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Memory of this process that lies in RAM; the most there ever was where nothing tells more."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of a file
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def peak_bytes() -> int:
    """The most that it ever was; 0 where the system does not tell."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
