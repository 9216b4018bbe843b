"""Rights of this process: what it may do, and giving it up for good.

Sources: capabilities(7), prctl(2), include/uapi/linux/{capability,prctl}.h.
"""

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

from otsec.errors import RightsError

CAP_NET_RAW = 13
CAP_VERSION_3 = 0x20080522
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 8, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAP_LAST = 63
NOBODY = 65534

NEEDED = (
    "listening needs the right CAP_NET_RAW: run it by the service unit of docs/live.md, or as root "
    "(sudo); everything but the opening of interfaces then runs without rights"
)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def effective() -> int:
    """The capabilities that this process has in effect, a bit each; 0 where nobody tells."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def may_listen() -> bool:
    """Whether this process may open packet sockets."""
    return bool(effective() >> CAP_NET_RAW & 1)


def become(user: int, group: int) -> None:
    """Go on as another user, for good; only root can. Capabilities stay permitted.

    In a container that does not know the user the process stays who it is.
    """
    if os.geteuid() or user == 0:
        return
    _libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    with suppress(OSError):
        os.setgroups([group])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)


def keep_only(capabilities: int) -> None:
    """Keep these capabilities and no others, and never get more; 0: none.

    Raises RightsError where the system refuses, so that nobody goes on with rights by mistake.
    """
    libc = _libc()
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(CAP_LAST + 1):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # refused without CAP_SETPCAP, then harmless
    low, high = capabilities & 0xFFFF_FFFF, capabilities >> 32
    header = ctypes.create_string_buffer(struct.pack("Ii", CAP_VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(struct.pack("6I", low, low, 0, high, high, 0), 24)
    if libc.capset(header, data) or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise RightsError(f"cannot give up rights: {os.strerror(ctypes.get_errno())}")
    if effective() & ~capabilities:
        raise RightsError("cannot give up rights: the system keeps them")


def owner_of(store: Path) -> tuple[int, int]:
    """User and group whose the store is, or its folder where there is none yet."""
    for path in (store, *store.absolute().parents):
        with suppress(OSError):
            told = path.stat()
            return told.st_uid, told.st_gid
    return 0, 0


def give_up(store: Path) -> None:
    """Give up every right, for good; root becomes the owner of the store."""
    become(*owner_of(store))
    keep_only(0)
