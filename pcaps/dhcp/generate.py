"""Writes a capture of DHCP: an address given, refused, given back; BOOTP; a relay.

    python generate.py

The bytes are set from RFC 2131 and RFC 2132.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "255.255.255.255")
NOBODY = "0.0.0.0"  # noqa: S104 - the source of who has no address yet
PANEL = Host("panel", "00:1c:06:10:00:11", "192.168.50.111")
NEW = Host("panel", PANEL.mac, NOBODY)
OLD = Host("drive", "00:0e:8c:10:00:12", "192.168.50.112")
NEW_OLD = Host("drive", OLD.mac, NOBODY)
SERVER = Host("server", "00:15:5d:10:00:01", "192.168.50.1")
RELAY = Host("relay", "00:07:7c:10:00:01", "192.168.60.1")
FLIGHT = 300_000
XID = 0x3903F326


def option(kind: int, content: bytes) -> bytes:
    """One option, [2132] 2."""
    return bytes([kind, len(content)]) + content


def message(
    op: int,
    client: Host,
    options: bytes,
    *,
    own: str = NOBODY,
    yours: str = NOBODY,
    relay: str = NOBODY,
    hops: int = 0,
    flags: int = 0,
    seconds: int = 0,
    name: bytes = b"",
) -> bytes:
    """All of it, padded to the size that BOOTP had."""
    front = struct.pack(">BBBBIHH", op, 1, 6, hops, XID, seconds, flags)
    addresses = b"".join(Host("", "", one).packed for one in (own, yours, NOBODY, relay))
    names = client.hardware.ljust(16, b"\0") + name.ljust(64, b"\0") + bytes(128)
    cookie = b"\x63\x82\x53\x63"
    return (front + addresses + names + cookie + options + b"\xff").ljust(300, b"\0")


def asked(kind: int, *more: bytes) -> bytes:
    """Options of a client."""
    return b"".join((
        option(53, bytes([kind])), option(61, b"\1" + PANEL.hardware), *more,
        option(12, b"HMI-LINE4"), option(60, b"MSFT 5.0"),
        option(55, bytes((1, 15, 3, 6, 44, 46, 47, 31, 33, 121, 249, 43))),
    ))  # fmt: skip


def given(kind: int, *more: bytes) -> bytes:
    """Options of the server."""
    return option(53, bytes([kind])) + option(54, SERVER.packed) + b"".join(more)


LEASE = (
    option(51, struct.pack(">I", 86_400)), option(58, struct.pack(">I", 43_200)),
    option(59, struct.pack(">I", 75_600)), option(1, b"\xff\xff\xff\0"),
    option(3, SERVER.packed), option(6, SERVER.packed), option(15, b"plant.example"),
    option(42, SERVER.packed),
)  # fmt: skip


def main() -> None:
    """Write the capture."""
    tape = Tape()
    wanted = option(50, PANEL.packed)
    full = option(81, b"\0\0\0HMI-LINE4.plant.example")
    asks = [
        message(1, NEW, asked(1, wanted)),
        message(2, NEW, given(2, *LEASE), yours=PANEL.address),
        message(1, NEW, asked(3, wanted, option(54, SERVER.packed), full), seconds=1),
        message(2, NEW, given(5, *LEASE), yours=PANEL.address),
        message(1, NEW, asked(3, option(50, b"\xc0\xa8\x0a\x07"))),
        message(2, NEW, given(6, option(56, b"wrong network"))),
        message(1, NEW, option(53, b"\4") + wanted + option(54, SERVER.packed)),
    ]
    for host in (NEW, NEW_OLD, SERVER, RELAY):
        tape.known.add((host.address, EVERYBODY.address))
    time = START
    for one in asks:
        source, ports = (NEW, (68, 67)) if one[0] == 1 else (SERVER, (67, 68))
        tape.datagram(time, source, EVERYBODY, ports, one)
        time += FLIGHT
    inform = message(1, PANEL, asked(8), own=PANEL.address)
    tape.datagram(time, PANEL, SERVER, (68, 67), inform)
    release = option(53, b"\7") + option(54, SERVER.packed)
    tape.datagram(
        time + FLIGHT, PANEL, SERVER, (68, 67), message(1, PANEL, release, own=PANEL.address)
    )
    time += SECOND
    tape.datagram(time, NEW_OLD, EVERYBODY, (68, 67), message(1, NEW_OLD, b""))
    bootp = message(2, NEW_OLD, option(12, b"drive-7"), yours=OLD.address, name=b"boot-server")
    tape.datagram(time + FLIGHT, SERVER, EVERYBODY, (67, 68), bootp)
    relayed = message(1, NEW, asked(1), relay=RELAY.address, hops=1, flags=0x8000)
    tape.datagram(time + SECOND, RELAY, SERVER, (67, 67), relayed)
    tape.write(HERE / "leases.pcap")


if __name__ == "__main__":
    main()
