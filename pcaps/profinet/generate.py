"""Writes the captures of this folder by hand: how a PROFINET line is set up, runs and fails.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

The bytes are set from IEC 61158-6-10, 4.3 (DCP), 4.4 (PTCP), 4.7 (cyclic data), 4.9 (alarms).
"""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

ETHERTYPE = 0x8892
MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
TOOL = Host("engineering", "3c:52:82:9f:00:70", "192.168.20.9")
PLC = Host("plc", "00:0e:8c:00:20:10", "192.168.20.10")
IO = Host("io station", "00:0e:cf:00:20:11", "192.168.20.11")
SWITCH = Host("switch", "08:00:06:00:20:12", "192.168.20.12")
EVERYONE = bytes.fromhex("010ecf000000")  # DCP identify
GREETED = bytes.fromhex("010ecf000001")  # DCP hello
CLOCKS = bytes.fromhex("010ecf000400")  # PTCP sync
NEIGHBOUR = bytes.fromhex("0180c200000e")
HELLO, GET_SET, IDENTIFY, IDENTIFIED = 0xFEFC, 0xFEFD, 0xFEFE, 0xFEFF
GET, SET, IDENT, GREET = 3, 4, 5, 6
DOMAIN = bytes.fromhex("6b0c8e5a4f4c4e1d9a3b00000e8c2010")

Records = list[tuple[int, Host, bytes, int, bytes]]

# ------------------------------------------------------------------------------------ DCP


def dcp(frame: int, service: int, kind: int, xid: int, blocks: bytes, delay: int = 0) -> bytes:
    """A message of DCP."""
    return struct.pack(">HBBIHH", frame, service, kind, xid, delay, len(blocks)) + blocks


def block(option: int, suboption: int, content: bytes, mark: int | None = None) -> bytes:
    """A block, padded; ``mark``: its info or qualifier."""
    content = (b"" if mark is None else struct.pack(">H", mark)) + content
    return struct.pack(">BBH", option, suboption, len(content)) + content + bytes(len(content) % 2)


def address(host: Host, gateway: Host | None = None) -> bytes:
    """The IP parameters of a host."""
    return host.packed + bytes([255, 255, 255, 0]) + (gateway or host).packed


def response(option: int, suboption: int, error: int = 0) -> bytes:
    """The block that answers one that was set."""
    return block(5, 4, bytes([option, suboption, error]))


WHO = dcp(IDENTIFY, IDENT, 0, 0x101, block(255, 255, b""), delay=1)
I_AM = dcp(
    IDENTIFIED, IDENT, 1, 0x101,
    block(2, 5, bytes.fromhex("0102 0202 0203"), 0) + block(2, 1, b"ET200SP", 0)
    + block(2, 2, b"io-station-1", 0) + block(2, 3, bytes.fromhex("002a0313"), 0)
    + block(2, 4, b"\x01\0", 0) + block(2, 7, b"\x00\x01", 0)
    + block(2, 8, bytes.fromhex("002a0001"), 0) + block(2, 6, b"port-001.plc-line-3", 0)
    + block(2, 10, b"\0\x05", 0) + block(6, 1, b"\0\1", 0) + block(1, 1, IO.hardware, 0)
    + block(1, 2, bytes(12), 0) + block(3, 61, b"\x3d\1\1", 0) + block(0x80, 1, b"own", 0),
)  # fmt: skip
NAMED = dcp(IDENTIFY, IDENT, 0, 0x102, block(2, 2, b"io-station-1"), delay=1)
DOUBLE = dcp(
    IDENTIFIED,
    IDENT,
    1,
    0x102,
    block(2, 2, b"io-station-1", 0) + block(1, 2, address(SWITCH), 0x81),
)
SET_NAME = dcp(GET_SET, SET, 0, 0x201, block(2, 2, b"io-station-1", 1) + block(5, 2, b"", 0))
NAME_SET = dcp(GET_SET, SET, 1, 0x201, response(2, 2) + response(5, 2))
SET_ADDRESS = dcp(GET_SET, SET, 0, 0x202, block(5, 1, b"", 0) + block(1, 2, address(IO, PLC), 0))
ADDRESS_SET = dcp(GET_SET, SET, 1, 0x202, response(5, 1) + response(1, 2))
SET_SUITE = dcp(GET_SET, SET, 0, 0x203, block(1, 3, address(IO, PLC) + TOOL.packed + bytes(12), 1))
SUITE_REFUSED = dcp(GET_SET, SET, 1, 0x203, response(1, 3, 2))
FLASH = dcp(GET_SET, SET, 0, 0x204, block(5, 3, b"\1\0", 0))
FLASHED = dcp(GET_SET, SET, 1, 0x204, response(5, 3))
FACTORY = dcp(GET_SET, SET, 0, 0x205, block(5, 5, b"", 0))
FACTORY_REFUSED = dcp(GET_SET, SET, 1, 0x205, response(5, 5, 6))
RESET = dcp(GET_SET, SET, 0, 0x206, block(5, 6, b"", 4))
RESET_DONE = dcp(GET_SET, SET, 1, 0x206, response(5, 6))
ASK = dcp(GET_SET, GET, 0, 0x301, bytes([2, 2, 1, 2]))
TOLD = dcp(GET_SET, GET, 1, 0x301, block(2, 2, b"switch-1", 0) + block(1, 2, address(SWITCH), 2))
ASK_MORE = dcp(GET_SET, GET, 0, 0x302, bytes([7, 1]))
NOT_SUPPORTED = dcp(GET_SET, GET, 5, 0x302, b"")
GREETING = dcp(
    HELLO, GREET, 0, 0x401,
    block(2, 2, b"io-station-1", 0) + block(2, 3, bytes.fromhex("002a0313"), 0)
    + block(1, 2, address(IO, PLC), 1),
)  # fmt: skip

# ----------------------------------------------------------------- cyclic data and alarms


def cyclic(frame: int, data: bytes, counter: int, status: int = 0x35, transfer: int = 0) -> bytes:
    """Cyclic data; at least 40 bytes."""
    return struct.pack(">H", frame) + data.ljust(40, b"\0") + struct.pack(
        ">HBB", counter & 0xFFFF, status, transfer
    )  # fmt: skip


def alarm(
    frame: int, kind: int, content: bytes = b"", sent: int = 0, seen: int = 0xFFFF, flags: int = 1
) -> bytes:
    """A message of the alarm transport."""
    front = struct.pack(">HHHBBHHH", frame, 1, 2, 0x10 | kind, flags, sent, seen, len(content))
    return front + content


def notification(block_type: int, kind: int, slot: int, specifier: int, more: bytes) -> bytes:
    """An alarm of a module and submodule."""
    body = struct.pack(">BBHIHHIIH", 1, 0, kind, 0, slot, 1, 0x25, 0x10, specifier) + more
    return struct.pack(">HH", block_type, len(body)) + body


def notified(block_type: int, kind: int, slot: int, specifier: int, status: int = 0) -> bytes:
    """The acknowledgement of an alarm."""
    body = struct.pack(">BBHIHHHI", 1, 0, kind, 0, slot, 1, specifier, status)
    return struct.pack(">HH", block_type, len(body)) + body


BROKEN = struct.pack(">HHHH", 0x8000, 3, 0x0800, 6)  # channel 3, appears, wire break
LIMIT = struct.pack(">HHHHHI", 0x8002, 1, 0x0800, 7, 0x8001, 0x1234)
DIAGNOSIS = alarm(0xFE01, 1, notification(2, 1, 2, 0xA800, BROKEN), flags=0x11)
ACKNOWLEDGED = alarm(0xFE01, 3, seen=0)
ALARM_SEEN = alarm(0xFE01, 1, notified(0x8002, 1, 2, 0xA800), seen=0, flags=0x11)
PROCESS = alarm(0xFC01, 1, notification(1, 2, 4, 0x0801, LIMIT), flags=0x11)
PROCESS_SEEN = alarm(0xFC01, 1, notified(0x8001, 2, 4, 0x0801), flags=0x11)
PULL = alarm(0xFE01, 1, notification(2, 3, 3, 0x0002, struct.pack(">H4s", 0x1001, b"vend")), 1, 0)
REJECTED = alarm(0xFE01, 2, seen=7)
ABORTED = alarm(0xFE01, 4, bytes.fromhex("cf81fd05"))

# ----------------------------------------------------------------------------------- PTCP


def tlv(kind: int, content: bytes) -> bytes:
    """A block of PTCP."""
    return struct.pack(">H", kind << 9 | len(content)) + content


SUBDOMAIN = tlv(1, PLC.hardware + DOMAIN)
TIME = tlv(2, struct.pack(">HII", 0, 1_767_600_000, 500_000_000))
MASTER = tlv(4, bytes.fromhex("01ff00fe") + b"\0\0")
END = tlv(0, b"")


def sync(frame: int, sequence: int, delay: int, blocks: bytes) -> bytes:
    """A message of PTCP; the delay in nanoseconds."""
    if frame < 0x100:
        front = struct.pack(">HIIIHBxI", frame, 0, 0, delay // 10, sequence, delay % 10, 0)
    else:
        front = struct.pack(">H12xH2xI", frame, sequence, delay)
    return front + blocks


SYNC = sync(0x0080, 21, 3_333, SUBDOMAIN + TIME + END)
SYNC_TIME = sync(0x0021, 22, 0, SUBDOMAIN + TIME + END)
ANNOUNCE = sync(0xFF00, 5, 0, SUBDOMAIN + MASTER + END)
FOLLOW_UP = sync(0xFF21, 22, 120, SUBDOMAIN + TIME + END)
PORT = tlv(6, SWITCH.hardware)
DELAY_REQUEST = sync(0xFF40, 9, 0, PORT + END)
DELAY_RESPONSE = sync(0xFF41, 9, 0, PORT + END)
DELAY_FOLLOW_UP = sync(0xFF42, 9, 4_800, PORT + END)

# ------------------------------------------------------------------------------- captures


def commissioning() -> Records:
    """A station gets its name and address; another one already has that address."""
    asked: tuple[tuple[Host, Host | bytes, bytes], ...] = (
        (TOOL, EVERYONE, WHO), (IO, TOOL, I_AM), (TOOL, EVERYONE, NAMED), (SWITCH, TOOL, DOUBLE),
        (TOOL, IO, SET_NAME), (IO, TOOL, NAME_SET), (TOOL, IO, SET_ADDRESS),
        (IO, TOOL, ADDRESS_SET), (TOOL, IO, SET_SUITE), (IO, TOOL, SUITE_REFUSED),
        (TOOL, IO, FLASH), (IO, TOOL, FLASHED), (TOOL, IO, FACTORY), (IO, TOOL, FACTORY_REFUSED),
        (TOOL, IO, RESET), (IO, TOOL, RESET_DONE), (TOOL, SWITCH, ASK), (SWITCH, TOOL, TOLD),
        (TOOL, SWITCH, ASK_MORE), (SWITCH, TOOL, NOT_SUPPORTED), (IO, GREETED, GREETING),
    )  # fmt: skip
    return [
        (
            START + turn * 100 * MILLISECOND,
            source,
            target if isinstance(target, bytes) else target.hardware,
            ETHERTYPE,
            data,
        )
        for turn, (source, target, data) in enumerate(asked)
    ]


def production() -> Records:
    """Cyclic data both ways; a wire breaks, the station reports it, and at last goes away."""
    records: Records = []
    for turn in range(60):
        now = START + turn * 8 * MILLISECOND
        outputs = bytes([0x80, turn & 0x0F, 0x80])
        status = 0x35 if turn < 40 else 0x15  # a problem at the station
        inputs = struct.pack(">BHBhB", 0x80, 20_000 + turn, 0x80, -turn, 0x80)
        counter = turn * 256
        records.append((now, PLC, IO.hardware, ETHERTYPE, cyclic(0x8000, outputs, counter)))
        records.append(
            (now + 300, IO, PLC.hardware, ETHERTYPE, cyclic(0x8001, inputs, counter, status))
        )
    acts = (
        (IO, PLC, DIAGNOSIS), (PLC, IO, ACKNOWLEDGED), (PLC, IO, ALARM_SEEN), (IO, PLC, PROCESS),
        (PLC, IO, PROCESS_SEEN), (IO, PLC, PULL), (PLC, IO, REJECTED), (IO, PLC, ABORTED),
    )  # fmt: skip
    for turn, (source, target, data) in enumerate(acts):
        now = START + (330 + turn * 5) * MILLISECOND
        records.append((now, source, target.hardware, ETHERTYPE, data))
    stopped = cyclic(0x8000, b"", 60 * 256, 0x25)
    records.append((START + 500 * MILLISECOND, PLC, IO.hardware, ETHERTYPE, stopped))
    return records


def clocks() -> Records:
    """A controller leads the clocks of its line; neighbours measure their delay."""
    told = (
        (PLC, CLOCKS, ANNOUNCE), (PLC, CLOCKS, SYNC), (PLC, CLOCKS, SYNC_TIME),
        (PLC, CLOCKS, FOLLOW_UP), (SWITCH, NEIGHBOUR, DELAY_REQUEST),
        (SWITCH, NEIGHBOUR, DELAY_RESPONSE), (SWITCH, NEIGHBOUR, DELAY_FOLLOW_UP),
    )  # fmt: skip
    return [
        (START + turn * 30 * MILLISECOND, source, target, ETHERTYPE, data)
        for turn, (source, target, data) in enumerate(told)
    ]


CAPTURES: dict[str, Callable[[], Records]] = {
    make.__name__: make for make in (commissioning, production, clocks)
}


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or CAPTURES:
        tape = Tape()
        for record in CAPTURES[name]():
            tape.frame(*record)
        tape.write(HERE / f"{name}.pcap")
        print(f"{name}.pcap: {len(tape.records)} packets")


if __name__ == "__main__":
    main(sys.argv[1:])
