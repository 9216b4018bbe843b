"""Writes the captures of this folder that are made by hand; those of `peers.py` are recordings.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

Units are built from [104] IEC 60870-5-104:2006 and [101] IEC 60870-5-101:2003; the frames are
those of `../modbus/tape.py`.
"""

import struct
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
PORT = 2404
CONTROL_CENTRE = Host("control centre", "d0:94:66:2a:14:11", "10.104.0.11")
SUBSTATION = Host("substation", "00:60:e9:14:00:21", "10.104.0.21")
LABORATORY = Host("laboratory station", "00:60:e9:14:00:31", "10.104.0.31")

# causes of transmission, [101] 7.2.3
PERIODIC, BACKGROUND, SPONTANEOUS, INITIALISED, REQUESTED = 1, 2, 3, 4, 5
ACT, ACTCON, DEACT, DEACTCON, ACTTERM = 6, 7, 8, 9, 10
FILE, STATION, COUNTERS = 13, 20, 37
UNKNOWN_TYPE, UNKNOWN_CAUSE, UNKNOWN_CA, UNKNOWN_IOA = 44, 45, 46, 47
NEGATIVE, TEST = 0x40, 0x80
SEQUENCE = 0x80
STARTDT, STOPDT, TESTFR = (0x07, 0x0B), (0x13, 0x23), (0x43, 0x83)  # act and con


def ioa(address: int) -> bytes:
    """An object address, [101] 7.2.5."""
    return address.to_bytes(3, "little")


def asdu(
    kind: int, cause: int, common: int, *objects: bytes, sq: int = 0, number: int = 0
) -> bytes:
    """A data unit, [101] 7.1; ``number``: of elements behind one address."""
    head = struct.pack("<BBBBH", kind, sq | (number or len(objects)), cause, 0, common)
    return head + b"".join(objects)


def cp56(time: int) -> bytes:
    """A time on the tape as seven bytes, [101] 7.2.6.18."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    milliseconds = at.second * 1000 + at.microsecond // 1000
    day = at.isoweekday() << 5 | at.day
    return struct.pack("<HBBBBB", milliseconds, at.minute, at.hour, day, at.month, at.year - 2000)


@dataclass
class Link:
    """A connection of 104: its sequence numbers count what each side sent, client first."""

    connection: Connection
    time: int
    sent: list[int] = field(default_factory=lambda: [0, 0])

    def wait(self, milliseconds: float) -> int:
        """Let time pass; gives what time it is then."""
        self.time += int(milliseconds * MILLISECOND)
        return self.time

    def _send(self, data: bytes, *, by_server: bool) -> None:
        (self.connection.answer if by_server else self.connection.ask)(self.wait(12), data)

    def data(self, *units: bytes, by_server: bool) -> None:
        """I units in one segment, [104] 5.1."""
        segment = b""
        for unit in units:
            counts = struct.pack("<HH", self.sent[by_server] << 1, self.sent[not by_server] << 1)
            segment += bytes([0x68, 4 + len(unit)]) + counts + unit
            self.sent[by_server] += 1
        self._send(segment, by_server=by_server)

    def ask(self, *units: bytes) -> None:
        """I units of the controlling station."""
        self.data(*units, by_server=False)

    def tell(self, *units: bytes) -> None:
        """I units of the controlled station."""
        self.data(*units, by_server=True)

    def acknowledge(self, *, by_server: bool = False) -> None:
        """An S unit, [104] 5.3."""
        count = struct.pack("<HH", 1, self.sent[not by_server] << 1)
        self._send(b"\x68\x04" + count, by_server=by_server)

    def control(self, codes: tuple[int, int], *, by_server: bool = False) -> None:
        """A U unit and its confirmation, [104] 5.3."""
        for code, speaker in zip(codes, (by_server, not by_server), strict=True):
            self._send(bytes([0x68, 4, code, 0, 0, 0]), by_server=speaker)

    def command(self, kind: int, common: int, body: bytes, *causes: int) -> None:
        """A command, and what is answered to it by causes."""
        self.ask(asdu(kind, ACT, common, body))
        if causes:
            self.tell(*(asdu(kind, cause, common, body) for cause in causes))


def linked(tape: Tape, server: Host, port: int) -> Link:
    """A connection that has just been opened and started."""
    connection = Connection(tape, CONTROL_CENTRE, server, port, PORT)
    connection.open(START)
    link = Link(connection, START + 3 * MILLISECOND)
    link.control(STARTDT)
    return link


# -------------------------------------------------------------------------- a substation

FEEDER, TRANSFORMER = 11, 12  # common addresses
BREAKER, BREAKER_COMMAND, TAP, TAP_COMMAND = 100, 6_100, 140, 6_140
VOLTAGE, POWER, ENERGY, LIMIT = 700, 701, 800, 6_300


def substation(tape: Tape) -> None:
    """Ten minutes of a substation: interrogated, its measurements, a switching by the operator."""
    random = Random(104)
    link = linked(tape, SUBSTATION, 50_200)
    link.tell(asdu(70, INITIALISED, FEEDER, ioa(0) + b"\0"))
    for common in (FEEDER, TRANSFORMER):
        link.command(103, common, ioa(0) + cp56(link.time), ACTCON)
        link.command(100, common, ioa(0) + b"\x14", ACTCON)
        link.tell(
            asdu(1, STATION, common, ioa(1), bytes([0, 1, 0, 0, 1, 0, 0x80, 0]), sq=SEQUENCE, number=8),
            asdu(3, STATION, common, ioa(BREAKER) + b"\2", ioa(BREAKER + 1) + b"\1"),
            asdu(13, STATION, common, *(_measured(at, random) for at in (VOLTAGE, POWER))),
        )  # fmt: skip
        link.tell(asdu(100, ACTTERM, common, ioa(0) + b"\x14"))
    link.acknowledge()
    for turn in range(120):
        time = link.wait(5_000 - 24)
        common = (FEEDER, TRANSFORMER)[turn % 2]
        link.tell(asdu(36, SPONTANEOUS, common, _measured(VOLTAGE, random) + cp56(time)))
        link.tell(asdu(9, PERIODIC, common, ioa(710), _scaled(random, 4), sq=SEQUENCE, number=4))
        if turn % 8 == 7:
            link.acknowledge()
        if turn % 60 == 30:
            link.command(101, common, ioa(0) + b"\x45", ACTCON)
            energy = struct.pack("<iB", 40_000 + turn, turn & 0x1F)
            link.tell(asdu(37, COUNTERS, common, ioa(ENERGY) + energy + cp56(time)))
            link.tell(asdu(101, ACTTERM, common, ioa(0) + b"\x45"))
        if turn == 40:
            _switch(link)
        if turn == 70:
            _tap(link)
        if turn == 90:
            link.control(TESTFR)
            link.control(TESTFR, by_server=True)
    link.control(STOPDT)
    link.connection.close(link.wait(1_000))


def _measured(address: int, random: Random) -> bytes:
    value = 110.0 + random.randint(-8, 8) / 8 if address == VOLTAGE else random.randint(20, 60) / 4
    return ioa(address) + struct.pack("<fB", value, 0)


def _scaled(random: Random, count: int) -> bytes:
    return b"".join(struct.pack("<hB", random.randint(-400, 400), 0) for _ in range(count))


def _switch(link: Link) -> None:
    """Select and execute: the breaker opens, and says so itself."""
    select, execute = (ioa(BREAKER_COMMAND) + bytes([code]) for code in (0x81, 0x01))
    link.command(46, FEEDER, select, ACTCON)
    link.wait(2_000)
    link.command(46, FEEDER, execute, ACTCON)
    link.tell(asdu(31, 11, FEEDER, ioa(BREAKER) + b"\1" + cp56(link.time)))
    link.tell(asdu(46, ACTTERM, FEEDER, execute))
    link.command(46, FEEDER, ioa(BREAKER_COMMAND + 99) + b"\1", UNKNOWN_IOA | NEGATIVE)


def _tap(link: Link) -> None:
    """The transformer's tap is changed down over zero, then a limit is set."""
    for position in (1, 0, 0x7F):  # 1, 0, -1
        link.command(47, TRANSFORMER, ioa(TAP_COMMAND) + b"\1", ACTCON)
        link.tell(asdu(32, SPONTANEOUS, TRANSFORMER, ioa(TAP) + bytes([position | 0x80, 0]) + cp56(link.time)))  # fmt: skip
        link.wait(1_000)
        link.tell(asdu(32, SPONTANEOUS, TRANSFORMER, ioa(TAP) + bytes([position, 0]) + cp56(link.time)))  # fmt: skip
    limit = ioa(LIMIT) + struct.pack("<fB", 112.5, 0)
    link.command(50, TRANSFORMER, limit, ACTCON | NEGATIVE)
    link.command(50, TRANSFORMER, limit, ACTCON, ACTTERM)
    link.command(112, TRANSFORMER, ioa(VOLTAGE) + struct.pack("<fB", 1.5, 1), ACTCON)


# ---------------------------------------------------------------------------- all types

LAB = 513  # common address
ELEMENTS = {  # of each type of data, [101] 7.3.1, without time
    1: "01", 3: "02", 5: "0500", 7: "a1b2c3d400", 9: "00e000", 11: "2efb00", 13: "0000484100",
    15: "3930000005", 17: "024101", 18: "03008e02", 19: "0500db03", 20: "21000080 00", 21: "00e0",
    41: "0200 3930000005",
}  # fmt: skip
TIMED = {  # types that are another with a time of three and of seven bytes, or that have one
    2: (1, 3), 4: (3, 3), 6: (5, 3), 8: (7, 3), 10: (9, 3), 12: (11, 3), 14: (13, 3), 16: (15, 3),
    17: (17, 3), 18: (18, 3), 19: (19, 3),
    30: (1, 7), 31: (3, 7), 32: (5, 7), 33: (7, 7), 34: (9, 7), 35: (11, 7), 36: (13, 7),
    37: (15, 7), 38: (17, 7), 39: (18, 7), 40: (19, 7), 41: (41, 7),
}  # fmt: skip
COMMANDS = {  # [101] 7.3.2, 7.3.4, 7.3.5: type, body behind the address
    45: "05", 46: "06", 47: "0a", 48: "004000", 49: "d4fe05", 50: "0000434200", 51: "0c0d0e0f",
    105: "01", 110: "001001", 111: "06ff02", 112: "0000f04003", 113: "01",
}  # fmt: skip


def all_types(tape: Tape) -> None:
    """Every type of data and command once and in a sequence, with good and bad quality."""
    link = linked(tape, LABORATORY, 50_300)
    for kind in (*range(1, 17), *range(20, 22), *range(30, 42)):
        base, size = TIMED.get(kind, (kind, 0))
        element = bytes.fromhex(ELEMENTS[base])
        time = cp56(link.time) if size == 7 else cp56(link.time)[:3][:size]
        link.tell(asdu(kind, SPONTANEOUS, LAB, ioa(1_000 + kind) + element + time))
        bad = bytearray(element)
        at = {1: 0, 3: 0, 17: 0, 18: 1, 19: 1, 21: 0}.get(base, len(bad) - 1)
        bad[at] |= 0xF0 if base not in (15, 21, 41) else 0xE0
        several = [ioa(2_000 + kind * 16 + at) + bytes(bad) + time for at in range(3)]
        link.tell(asdu(kind, BACKGROUND | TEST, LAB, *several))
        if not size:
            link.tell(asdu(kind, STATION, LAB, ioa(3_000 + kind * 16), element * 4, sq=SEQUENCE, number=4))  # fmt: skip
    link.acknowledge()
    for kind, body in COMMANDS.items():
        answers = (ACTCON, ACTTERM) if kind < 52 else (ACTCON,)
        for timed in (0, 13)[: len(answers)]:
            time = cp56(link.time) if timed else b""
            link.command(kind + timed, LAB, ioa(6_000 + kind) + bytes.fromhex(body) + time, *answers)  # fmt: skip
            refused = ioa(6_500 + kind) + bytes.fromhex(body) + time
            link.command(kind + timed, LAB, refused, UNKNOWN_IOA | NEGATIVE)
            if kind < 52:
                again = ioa(6_000 + kind) + bytes.fromhex(body) + time
                link.ask(asdu(kind + timed, DEACT, LAB, again))
                link.tell(asdu(kind + timed, DEACTCON, LAB, again))
    link.command(107, LAB, ioa(0) + b"\x07\0" + cp56(link.time), ACTCON)
    for qualifier in (20, 21, 36):
        link.command(100, LAB, ioa(0) + bytes([qualifier]), ACTCON, ACTTERM)
    for qualifier in (0x05, 0x45, 0x85, 0xC5, 0x01):
        link.command(101, LAB, ioa(0) + bytes([qualifier]), ACTCON, ACTTERM)
    link.ask(asdu(101, DEACT, LAB, ioa(0) + b"\x05"))
    link.tell(asdu(101, DEACTCON | NEGATIVE, LAB, ioa(0) + b"\x05"))
    link.ask(asdu(102, REQUESTED, LAB, ioa(1_013)))
    link.tell(asdu(13, REQUESTED, LAB, ioa(1_013) + bytes.fromhex(ELEMENTS[13])))
    link.ask(asdu(102, REQUESTED, LAB, ioa(9_999)))
    link.tell(asdu(102, UNKNOWN_IOA | NEGATIVE, LAB, ioa(9_999)))
    link.command(103, 0xFFFF, ioa(0) + cp56(link.time))
    link.command(45, LAB + 1, ioa(6_045) + b"\1", UNKNOWN_CA | NEGATIVE)
    for restart in (0, 1, 2, 0x81):
        link.tell(asdu(70, INITIALISED, LAB, ioa(0) + bytes([restart])))
    _files(link)
    link.control(STOPDT)
    link.connection.close(link.wait(1_000))


def _files(link: Link) -> None:
    """A directory, a file that is read, one that is refused, and a log of a span of time."""
    time = cp56(link.time)
    entries = b"".join(
        struct.pack("<H", name) + size.to_bytes(3, "little") + bytes([status]) + time
        for name, size, status in ((1, 1_234, 0), (2, 99, 0x80), (3, 0, 0x60))
    )
    link.ask(asdu(122, REQUESTED, LAB, ioa(0) + bytes.fromhex("0100 00 00")))
    link.tell(asdu(126, REQUESTED, LAB, ioa(5_001), entries, sq=SEQUENCE, number=3))
    for kind, by_server, body in (
        (122, False, "0100 00 01"), (120, True, "0100 180000 00"), (122, False, "0100 00 02"),
        (121, True, "0100 01 180000 00"), (122, False, "0100 01 06"),
        (125, True, "0100 01 18" + bytes(range(24)).hex()), (123, True, "0100 01 03 14"),
        (124, False, "0100 01 03"), (123, True, "0100 00 01 14"), (124, False, "0100 00 01"),
        (122, False, "0100 01 05"), (122, False, "0100 01 07"), (122, False, "0100 00 03"),
        (122, False, "0900 00 01"), (120, True, "0900 000000 80"), (124, False, "0100 01 24"),
    ):  # fmt: skip
        link.data(asdu(kind, FILE, LAB, ioa(5_001) + bytes.fromhex(body)), by_server=by_server)
    link.ask(asdu(127, FILE, LAB, ioa(5_001) + b"\2\0" + time + time))


CAPTURES = {"substation": substation, "all_types": all_types}


def main(names: list[str]) -> None:
    """Write all captures, or those that are named."""
    for name in names or CAPTURES:
        tape = Tape()
        CAPTURES[name](tape)
        tape.write(HERE / f"{name}.pcap")
        print(f"wrote {name}.pcap, {len(tape.records)} packets")


if __name__ == "__main__":
    main(sys.argv[1:])
