"""A small plant that polls for hours, and what goes out in it; through the whole engine."""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from engine_runs import HOUR, SECOND, START, Bench, Wire, analyse, as_pcap

from otsec.baseline.outages import Outage, outages
from otsec.store import open_store

MINUTE = 60 * SECOND
PANEL, HISTORIAN, FAR = "10.0.0.1", "10.0.0.2", "10.0.1.1"
PLCS = tuple(f"10.0.0.{n}" for n in range(11, 17))
PUMPS = tuple(f"10.0.1.{n}" for n in range(11, 15))
VLANS = dict.fromkeys((FAR, *PUMPS), 20)
EVERY = 30 * SECOND
Seen = Callable[[int, str, str], bool]  # whether a packet of a time, from one to another is there


def frame(time: int, source: str, target: str, data: bytes) -> tuple[int, bytes]:
    """A datagram in the sender's VLAN."""
    wire = Wire()
    wire.time = time
    wire.udp((source, 5000), (target, 5000), data)
    return time, tagged(wire.frames[-1][1], source)


def tagged(content: bytes, source: str) -> bytes:
    """A frame with the tag of its sender's VLAN."""
    return content[:12] + struct.pack(">HH", 0x8100, VLANS.get(source, 10)) + content[12:]


def announced(time: int, address: str, by: str = "") -> tuple[int, bytes]:
    """A host says that an address is its own (RFC 5227 2.3); ``by``: whose MAC address it has."""
    packed = bytes(map(int, address.split(".")))
    mac = b"\2\0" + bytes(map(int, (by or address).split(".")))
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + packed + bytes(6) + packed
    return time, tagged(b"\xff" * 6 + mac + b"\x08\x06" + body, address)


def polls(hours: float, seen: Seen, step: int = EVERY) -> Iterable[tuple[int, bytes]]:
    """Each panel polls its devices; ``seen``: what of it the tap sees."""
    pairs = [*((PANEL, one) for one in PLCS), *((HISTORIAN, one) for one in PLCS)]
    pairs += [(FAR, one) for one in PUMPS]
    for number, (client, server) in enumerate(pairs):
        for time in range(START + number * SECOND, START + int(hours * HOUR), step):
            for at, source, target in (
                (time, client, server),
                (time + SECOND // 100, server, client),
            ):
                if seen(at, source, target):
                    yield frame(at, source, target, bytes(20))


def found(bench: Bench, frames: Iterable[tuple[int, bytes]]) -> list[Outage]:
    """The outages of a capture."""
    path = stored(bench, frames)
    with open_store(path, readonly=True) as store:
        return outages(store)


def stored(bench: Bench, frames: Iterable[tuple[int, bytes]]) -> Path:
    """The store of a capture."""
    db = bench.store()
    capture = db.with_suffix(".pcap")
    capture.write_bytes(as_pcap(sorted(frames)))
    analyse([capture], db)
    return db
