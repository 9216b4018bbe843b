"""Writes the captures of this folder: one polled PLC as seen through good and bad mirrors.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

The frames are those of `../modbus/tape.py`; each capture then spoils them in one way.
"""

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND, MINUTE = 1_000_000, 60_000_000  # microseconds, as all times on a tape
HMI = Host("hmi", "d0:94:66:2b:00:11", "10.99.0.11")
PLC = Host("plc", "00:80:f4:0f:00:21", "10.99.0.21")
TWIN = Host("plc of another line", "00:80:f4:0f:00:99", "10.99.0.21")
CLERK = Host("office", "3c:52:82:9f:00:50", "10.99.0.50")
SERVER = Host("file server", "3c:52:82:9f:00:51", "10.99.0.51")
POLLS = 40
READ = bytes.fromhex("0000 0000 0006 01 03 0000 000a")
VALUES = bytes.fromhex("0000 0000 0017 01 03 14") + bytes(range(20))
BROADCAST = b"\xff" * 6
ETHERTYPE_VLAN = 0x8100
CAN = 227  # LINKTYPE_CAN_SOCKETCAN


@dataclass(frozen=True)
class Record:
    """A packet as it is written."""

    time: int  # microseconds
    data: bytes
    wire: int  # bytes that it had on the wire

    @property
    def sender(self) -> bytes:
        """The MAC address that sent it."""
        return self.data[6:12]


Records = list[Record]


def records_of(tape: Tape) -> Records:
    """The frames of a tape in order of time."""
    ordered = sorted(tape.records, key=lambda record: record[0])
    return [Record(time, data, len(data)) for time, data in ordered]


def polling(plc: Host = PLC, port: int = 50_100, begin: int = START) -> Records:
    """An HMI that reads ten registers every second, each answer acknowledged."""
    tape = Tape()
    connection = Connection(tape, HMI, plc, port)
    connection.open(begin)
    for turn in range(1, POLLS + 1):
        time, number = begin + turn * SECOND, struct.pack(">H", turn)
        connection.ask(time, number + READ[2:])
        connection.answer(time + 4_000, number + VALUES[2:])
        connection.acknowledge(time + 5_000)
    connection.close(begin + (POLLS + 1) * SECOND)
    return records_of(tape)


# --------------------------------------------------------------------------------- captures


def good() -> Records:
    """Nothing is wrong."""
    return polling()


def no_traffic() -> Records:
    """A mirror session that is not active."""
    return []


def only_broadcast() -> Records:
    """An ordinary switch port: questions for everybody, no answers."""
    tape = Tape()
    for turn in range(POLLS):
        head = bytes.fromhex("0001 0800 06 04 0001")
        asked = bytes([10, 99, 0, 21 + turn % 2])
        question = head + HMI.hardware + HMI.packed + bytes(6) + asked
        tape.frame(START + turn * SECOND, HMI, BROADCAST, 0x0806, question)
    return records_of(tape)


def one_direction() -> Records:
    """A mirror of received frames only: what the HMI sends."""
    return [record for record in polling() if record.sender == HMI.hardware]


def every_frame_twice() -> Records:
    """A mirror of both directions of both ports: each frame again 20 microseconds later."""
    return [replace(record, time=record.time + late) for record in polling() for late in (0, 20)]


def lost_answers() -> Records:
    """A mirror port that is too slow: every fourth answer is missing, and was acknowledged."""
    kept, answers = [], 0
    for record in polling():
        answer = record.sender == PLC.hardware and len(record.data) > 60
        answers += answer
        if not (answer and answers % 4 == 0):
            kept.append(record)
    return kept


def snap_length() -> Records:
    """A recorder that keeps 64 bytes of each packet."""
    return [replace(record, data=record.data[:64]) for record in polling()]


def tag_one_way() -> Records:
    """What the PLC sends has its VLAN tag, what the HMI sends has lost it."""
    tag = struct.pack(">HH", ETHERTYPE_VLAN, 20)
    return [
        replace(record, data=record.data[:12] + tag + record.data[12:], wire=record.wire + 4)
        if record.sender == PLC.hardware
        else record
        for record in polling()
    ]


def shared_address() -> Records:
    """Two lines with equal addresses, whose VLAN tags the mirror took off."""
    both = polling() + polling(TWIN, 50_200, START + SECOND // 2)
    return sorted(both, key=lambda record: record.time)


def replaced() -> Records:
    """A controller breaks, and another one gets its address half a minute later."""
    later = polling(TWIN, 50_200, START + (POLLS + 30) * SECOND)
    return sorted(polling() + later, key=lambda record: record.time)


def no_industrial() -> Records:
    """The mirror of an office port."""
    tape = Tape()
    connection = Connection(tape, CLERK, SERVER, 50_300, 80)
    connection.open(START)
    for turn in range(1, POLLS + 1):
        connection.ask(START + turn * SECOND, b"GET / HTTP/1.1\r\nHost: files\r\n\r\n")
        connection.answer(START + turn * SECOND + 900, b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.acknowledge(START + turn * SECOND + 1_800)
    return records_of(tape)


def silent_addresses() -> Records:
    """A device that was removed and is still asked for."""
    tape = Tape()
    head = bytes.fromhex("0001 0800 06 04 0001")
    question = head + HMI.hardware + HMI.packed + bytes(6) + bytes([10, 99, 0, 77])
    for turn in range(POLLS):
        tape.frame(START + turn * SECOND + 7, HMI, BROADCAST, 0x0806, question)
    return sorted(polling() + records_of(tape), key=lambda record: record.time)


def clock_steps() -> Records:
    """A recorder whose clock was set back by an hour, then ahead by three days."""
    records = polling()
    third = len(records) // 3
    steps = [0] * third + [-60 * MINUTE] * third
    steps += [3 * 24 * 60 * MINUTE] * (len(records) - len(steps))
    return [
        replace(record, time=record.time + step)
        for record, step in zip(records, steps, strict=True)
    ]


def lost_fragments() -> Records:
    """Datagrams in two fragments (RFC 791 3.2), of which every second one lost its end."""
    tape = Tape()
    for turn in range(POLLS):
        time = START + turn * SECOND
        for at, more in ((0, 0x2000), (8, 0)):
            if turn % 2 and not more:
                continue
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + 64, turn, more | at, 64, 17, 0)
            body = struct.pack(">HHHH", 5_000, 5_001, 128, 0) if not at else bytes(8)
            body = body.ljust(64, b"\0")
            tape.frame(time + at, HMI, PLC.hardware, 0x0800, head + HMI.packed + PLC.packed + body)
    return polling() + records_of(tape)


def can_bus() -> Records:
    """A recording of a CAN bus, which has no Ethernet in it."""
    frame = bytes.fromhex("00000123 08 000000 1122334455667788")
    return [Record(START + turn * SECOND, frame, len(frame)) for turn in range(POLLS)]


CAPTURES: dict[str, Callable[[], Records]] = {
    make.__name__: make
    for make in (
        good,
        no_traffic,
        only_broadcast,
        one_direction,
        every_frame_twice,
        lost_answers,
        snap_length,
        tag_one_way,
        shared_address,
        replaced,
        no_industrial,
        silent_addresses,
        clock_steps,
        lost_fragments,
        can_bus,
    )
}


def write(path: Path, records: Records, link: int) -> None:
    """Classic pcap with microseconds; the order is that given."""
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link))
    for record in records:
        seconds, rest = divmod(record.time, SECOND)
        out += struct.pack("<IIII", seconds, rest, len(record.data), record.wire) + record.data
    path.write_bytes(out)


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or CAPTURES:
        records, path = CAPTURES[name](), HERE / f"{name}.pcap"
        write(path, records, CAN if name == "can_bus" else 1)
        print(f"{path.name}: {len(records)} packets, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
