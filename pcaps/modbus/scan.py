"""Writes the worst case for an observer: a scan in which no two units are alike.

    python scan.py scan.pcap --packets 1000000

Every packet is a request from a spoofed source: function, unit and address are swept, so neither
the unit nor its connection was ever seen before. Between them the HMI goes on polling the filter
PLC (one exchange in a hundred packets), which must not get lost. Not kept in the repository.
"""

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

from hosts import FILTER_PLC, HMI, unit
from tape import ACK, LINK_ETHERNET, PSH, SHORTEST_FRAME, START, TCP, WINDOW, Connection, Host, Tape

POLL_EVERY = 100
GAP = 50  # microseconds between packets: 20,000 packets a second
FUNCTIONS = (1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 24, 8, 43, 20)


def requests() -> Iterator[bytes]:
    """Functions and data without end, each once: 14 functions, then the next unit and address."""
    number = 0
    while True:
        function = FUNCTIONS[number % len(FUNCTIONS)]
        sweep = number // len(FUNCTIONS)
        address, count = sweep * 127 % 65_400, 1 + sweep % 100
        yield (
            struct.pack(">HHHB", number & 0xFFFF, 0, 0, 1 + sweep % 247)
            + struct.pack(">B", function)
            + _body(function, address, count)
        )
        number += 1


def _body(function: int, address: int, count: int) -> bytes:
    match function:
        case 1 | 2 | 3 | 4:
            return struct.pack(">HH", address, count)
        case 5:
            return struct.pack(">HH", address, 0xFF00)
        case 6:
            return struct.pack(">HH", address, count)
        case 15:
            return struct.pack(">HHB", address, count, (count + 7) // 8) + bytes((count + 7) // 8)
        case 16:
            return struct.pack(">HHB", address, count, 2 * count) + bytes(2 * count)
        case 22:
            return struct.pack(">HHH", address, 0xFFFF, count)
        case 23:
            return struct.pack(">HHHHBH", address, count, address + 1, 1, 2, count)
        case 24:
            return struct.pack(">H", address)
        case 8:
            return struct.pack(">HH", address, 0)
        case 43:
            return struct.pack(">BBB", 14, 1 + address % 4, count)
        case _:
            return struct.pack(">BBHHH", 7, 6, address, count, 1)


def _with_length(data: bytes) -> bytes:
    return data[:4] + struct.pack(">H", len(data) - 6) + data[6:]


def frames(packets: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """(microseconds, frame) of each packet."""
    random = Random(seed)
    scan = requests()
    polling = Tape()
    poll = Connection(polling, HMI, FILTER_PLC, 49_500)
    poll.open(START - 10_000)
    transaction = 0
    yielded = 0
    router = Host("router", "00:1b:21:aa:00:01", "10.10.10.1")
    while yielded < packets:
        time = START + yielded * GAP
        if yielded % POLL_EVERY == 0:
            transaction += 1
            number = transaction & 0xFFFF
            poll.ask(time, unit(number, 255, "04 0000 0004"))
            poll.answer(time + GAP, unit(number, 255, "04 08 0c30 034a 001f 01c9"))
            for record in polling.records:
                yield record
                yielded += 1
            polling.records.clear()
            continue
        source = struct.pack(">BBH", 10, random.randint(128, 254), random.getrandbits(16))
        port = random.randint(1024, 65_535)
        yield time, _segment(router, source, port, _with_length(next(scan)))
        yielded += 1


def _segment(router: Host, source: bytes, port: int, data: bytes) -> bytes:
    """A segment out of nowhere; its check sums are left to the sender's network card (zero)."""
    transport = struct.pack(">HHIIBBHHH", port, 502, 1, 1, 0x50, PSH | ACK, WINDOW, 0, 0)
    size = 20 + len(transport) + len(data)
    header = struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0x4000, 63, TCP, 0)
    ethernet = FILTER_PLC.hardware + router.hardware + b"\x08\x00"
    frame = ethernet + header + source + FILTER_PLC.packed + transport + data
    return frame.ljust(SHORTEST_FRAME, b"\0")


def main() -> None:
    """Write the scan to the path given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, LINK_ETHERNET)
    with arguments.path.open("wb") as out:
        out.write(head)
        for time, data in frames(arguments.packets, arguments.seed):
            out.write(struct.pack("<IIII", *divmod(time, 1_000_000), len(data), len(data)) + data)


if __name__ == "__main__":
    main()
