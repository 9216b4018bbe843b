"""What the system says of a network interface, without opening it."""

import ctypes
import socket
import struct
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from otsec.errors import UsageError

# linux/sockios.h, linux/if.h, linux/ethtool.h
SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCETHTOOL = 0x8913, 0x8927, 0x8946
IFF_UP, IFF_RUNNING, IFF_NOARP = 0x1, 0x40, 0x80
ETHTOOL_GFLAGS, ETHTOOL_GGRO = 0x25, 0x2B
ETH_FLAG_LRO = 1 << 15
MAX_NAME = 15  # bytes, IFNAMSIZ without its end

LINKS = {1: 1, 772: 1, 65534: 101, 801: 105, 803: 127, 280: 227}  # ARPHRD_ to LINKTYPE_


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as it is now."""

    name: str
    up: bool
    running: bool  # has a link
    arp: bool  # may answer ARP
    hardware: int  # ARPHRD_ number
    gro: bool  # packets may be joined before they are seen
    lro: bool
    addresses: tuple[str, ...]  # IPv6 addresses of its own, with which the kernel speaks

    @property
    def speaks(self) -> bool:
        """Whether the kernel may send something of its own there."""
        return self.arp or bool(self.addresses)

    @property
    def link(self) -> int:
        """Its LINKTYPE_ number; raises UsageError where otsec does not know any."""
        if self.hardware not in LINKS:
            raise UsageError(f"{self.name}: is no interface that otsec reads ({self.hardware})")
        return LINKS[self.hardware]


def names() -> list[str]:
    """The interfaces of this machine."""
    return [name for _, name in socket.if_nameindex()]


def checked(name: str) -> str:
    """A name that the system can have; UsageError with the names there are for others."""
    if not name or len(name.encode()) > MAX_NAME or "/" in name or name in {".", ".."}:
        raise UsageError(f"-i: {name!a} is no name of an interface; there are {_listed()}")
    return name


def _listed() -> str:
    return ", ".join(names()) or "none"


def look(name: str) -> Interface | None:
    """What is known of an interface; None where there is none of that name."""
    checked(name)
    if not sys.platform.startswith("linux"):  # there nothing more is asked
        known = name in names()
        return Interface(name, True, True, False, 1, False, False, ()) if known else None  # noqa: FBT003
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        told = _ask(asking, name, SIOCGIFFLAGS)
        kind = _ask(asking, name, SIOCGIFHWADDR)
        if told is None or kind is None:
            return None
        (flags,) = struct.unpack_from("H", told)
        (hardware,) = struct.unpack_from("H", kind)
        offloads = _ethtool(asking, name, ETHTOOL_GFLAGS)
        return Interface(
            name,
            up=bool(flags & IFF_UP),
            running=bool(flags & IFF_RUNNING),
            arp=not flags & IFF_NOARP,
            hardware=hardware,
            gro=bool(_ethtool(asking, name, ETHTOOL_GGRO)),
            lro=bool(offloads & ETH_FLAG_LRO),
            addresses=_ipv6(name),
        )


def _ask(asking: socket.socket, name: str, what: int) -> bytes | None:
    """The answer behind the name in struct ifreq."""
    import fcntl  # noqa: PLC0415 - POSIX only

    try:
        told: bytes = fcntl.ioctl(asking.fileno(), what, struct.pack("16s24x", name.encode()))
    except OSError:
        return None
    return told[16:]


def _ethtool(asking: socket.socket, name: str, command: int) -> int:
    """One number of the driver; 0 where it does not tell."""
    import fcntl  # noqa: PLC0415

    value = ctypes.create_string_buffer(struct.pack("2I", command, 0), 8)
    asked = struct.pack("16sP16x", name.encode(), ctypes.addressof(value))
    try:
        fcntl.ioctl(asking.fileno(), SIOCETHTOOL, asked)
    except OSError:
        return 0
    return int(struct.unpack("2I", value.raw)[1])


def _ipv6(name: str) -> tuple[str, ...]:
    """IPv6 addresses of an interface; with one the kernel announces itself."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/net/if_inet6").read_text("ascii").splitlines():
            address, *_, device = line.split()
            if device == name:
                found.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address)))
    return tuple(found)
