"""What the machine under a sensor says of itself."""

import ctypes
import sys

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def clock_state() -> str:
    """``synchronised``, ``free`` (nothing sets the clock), or ``unknown``."""
    if not sys.platform.startswith("linux"):
        return "unknown"
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # reads; sets nothing
    except (OSError, AttributeError):
        return "unknown"
    if state < 0:
        return "unknown"
    return "free" if state == TIME_ERROR else "synchronised"
