"""Writes a capture of spanning trees: STP, RSTP, MSTP and PVST+, and how they change.

    python generate.py

The bytes are set from IEEE 802.1D-2004, 9 and IEEE 802.1Q-2018, 14; PVST+ as Wireshark reads it.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
BRIDGES = bytes.fromhex("0180c2000000")
SHARED_TREE = bytes.fromhex("01000ccccccd")
CHANGE, PROPOSAL, LEARNING, FORWARDING, AGREEMENT, ACKNOWLEDGED = 1, 2, 16, 32, 64, 128
ROOT_PORT, DESIGNATED = 2 << 2, 3 << 2
SETTLED = DESIGNATED | LEARNING | FORWARDING


def bridge(name: str, hardware: str) -> Host:
    """A bridge, by its own address."""
    return Host(name, hardware, "192.168.50.3")


def port(of: Host, number: int) -> Host:
    """A port of it, with an address of its own."""
    last = of.hardware[:5] + bytes([of.hardware[5] + number])
    return Host(of.name, last.hex(":"), of.address)


CORE = bridge("core", "00:07:7c:20:00:10")
CELL = bridge("cell", "00:07:7c:20:00:40")
OFFICE = bridge("office", "00:1b:0d:20:00:80")
OLD = bridge("old", "00:80:63:20:00:20")


def identity(of: Host, priority: int = 32768, tree: int = 0) -> bytes:
    """A bridge's identity, [802.1D] 9.2.5."""
    return struct.pack(">H", priority + tree) + of.hardware


def bpdu(
    version: int, flags: int, root: bytes, cost: int, own: bytes, number: int, *, age: int = 0,
    priority: int = 128,
) -> bytes:  # fmt: skip
    """A configuration BPDU, [802.1D] 9.3.1 and 9.3.3."""
    kind = 2 if version else 0
    front = struct.pack(">HBBB", 0, version, kind, flags) + root + struct.pack(">I", cost) + own
    times = struct.pack(">HHHHH", priority << 8 | number, age * 256, 20 * 256, 2 * 256, 15 * 256)
    return front + times + (b"\0" if version else b"")


NOTIFICATION = struct.pack(">HBB", 0, 0, 0x80)  # [802.1D] 9.3.2


def instance(number: int, flags: int, root: Host, cost: int, hops: int) -> bytes:
    """What is said of one tree of a region, [802.1Q] 14.4.1."""
    return (
        struct.pack(">B", flags)
        + identity(root, 24576, number)
        + struct.pack(">IBBB", cost, 128, 128, hops)
    )


def region(name: str, revision: int, own: Host, trees: bytes) -> bytes:
    """The part of MST, [802.1Q] 14.4: lengths, the region, its digest, who speaks, the trees."""
    digest = bytes.fromhex("ac36177f50283cd4b83821d8ab26de62")  # all VLANs in the common tree
    said = struct.pack(">B32sH", 0, name.encode(), revision) + digest + struct.pack(">I", 2000)
    said += identity(own) + b"\x13" + trees
    return struct.pack(">H", len(said)) + said


def say(tape: Tape, time: int, source: Host, data: bytes) -> None:
    """Add a BPDU behind LLC."""
    tape.frame(time, source, BRIDGES, 3 + len(data), b"\x42\x42\x03" + data)


def of_vlan(tape: Tape, time: int, source: Host, data: bytes, vlan: int) -> None:
    """Add one of PVST+: behind SNAP, with the VLAN at its end."""
    body = b"\xaa\xaa\x03\0\0\x0c\x01\x0b" + data.ljust(36, b"\0") + struct.pack(">HHH", 0, 2, vlan)
    tape.frame(time, source, SHARED_TREE, len(body), body)


def rapid(tape: Tape) -> None:
    """A cell hangs on the core by two ports; one link breaks, and the other takes over."""
    root = identity(CORE, 4096)
    for at in range(12):
        time, changed = START + 2 * at * SECOND, CHANGE if at in {5, 6} else 0
        say(tape, time, port(CORE, 1), bpdu(2, SETTLED | changed, root, 0, root, 1))
        say(tape, time + 40, port(CORE, 2), bpdu(2, SETTLED | changed, root, 0, root, 2))
        if at == 5:  # the cell's second port was alternate, and is its way to the root now
            data = bpdu(
                2,
                ROOT_PORT | LEARNING | FORWARDING | AGREEMENT | CHANGE,
                root,
                20000,
                identity(CELL),
                2,
                age=1,
            )
            say(tape, time + 900, port(CELL, 2), data)
    time = START + 30 * SECOND  # a bridge that comes up takes itself for the root
    say(
        tape,
        time,
        port(CELL, 7),
        bpdu(2, DESIGNATED | PROPOSAL, identity(CELL), 0, identity(CELL), 7, priority=64),
    )


def plain(tape: Tape) -> None:
    """An old bridge, whose own port comes up, and the core that acknowledges it."""
    root, time = identity(CORE, 4096), START + 40 * SECOND
    say(tape, time, port(OLD, 3), bpdu(0, 0, root, 19, identity(OLD), 3, age=1))
    say(tape, time + 300_000, port(OLD, 1), NOTIFICATION)
    say(tape, time + 300_900, port(CORE, 4), bpdu(0, CHANGE | ACKNOWLEDGED, root, 0, root, 4))
    say(tape, time + 2 * SECOND, port(OLD, 3), bpdu(0, CHANGE, root, 19, identity(OLD), 3, age=1))
    say(tape, time + 4 * SECOND, port(OLD, 3), bpdu(0, 0, root, 19, identity(OLD), 3, age=2))


def multiple(tape: Tape) -> None:
    """A region of two trees beside the common one."""
    trees = instance(1, SETTLED, CELL, 0, 20) + instance(2, SETTLED | CHANGE, CORE, 2000, 19)
    for at in range(3):
        data = bpdu(3, SETTLED | AGREEMENT, identity(CORE, 4096), 0, identity(CORE, 4096), 5)
        data += region("PLANT1", 3, CELL, trees)
        say(tape, START + (50 + 2 * at) * SECOND, port(CELL, 5), data)
    data = bpdu(4, SETTLED, identity(CORE, 4096), 0, identity(CORE, 4096), 6)
    data += region("PLANT1", 3, CORE, b"") + struct.pack(">H", 0)  # nothing of the shortest path
    say(tape, START + 57 * SECOND, port(CORE, 6), data)


def by_vlan(tape: Tape) -> None:
    """Trees of their own for two VLANs, one of them as STP has it; in one the office is the root."""
    for at in range(4):
        time = START + (60 + 2 * at) * SECOND
        own = identity(OFFICE, 32768, 10)
        of_vlan(
            tape,
            time,
            port(OFFICE, 8),
            bpdu(2, SETTLED | (CHANGE if at == 2 else 0), own, 0, own, 8),
            10,
        )
        root, own = identity(CORE, 4096, 20), identity(OFFICE, 32768, 20)
        of_vlan(tape, time + 50, port(OFFICE, 8), bpdu(0, 0, root, 4, own, 8, age=1), 20)


def main() -> None:
    """Write the capture."""
    tape = Tape()
    for part in (rapid, plain, multiple, by_vlan):
        part(tape)
    tape.write(HERE / "trees.pcap")


if __name__ == "__main__":
    main()
