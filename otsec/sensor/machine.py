"""What the machine under a sensor says of itself."""

import ctypes
import sys
from dataclasses import dataclass

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
STA_NANO = 0x2000  # adjtimex(2): the offset is in nanoseconds


class _Timex(ctypes.Structure):
    """The beginning of struct timex; the rest is only room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("largest_error", ctypes.c_long),
        ("error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """How the system's clock goes."""

    state: str  # `synchronised`, `free` (nothing sets the clock), or `unknown`
    offset_us: int = 0  # how far it is from its server, as the system estimates it


def clock() -> Clock:
    """Read the state of the system's clock; sets nothing."""
    if not sys.platform.startswith("linux"):
        return Clock("unknown")
    told = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    except (OSError, AttributeError):
        return Clock("unknown")
    if state < 0:
        return Clock("unknown")
    if state == TIME_ERROR:
        return Clock("free")
    return Clock("synchronised", told.offset // (1000 if told.status & STA_NANO else 1))
