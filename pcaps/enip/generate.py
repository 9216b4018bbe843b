"""Writes the captures of this folder: a mixing station whose devices speak EtherNet/IP.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

The frames are those of `../modbus/tape.py`, the messages those of `messages.py`.
"""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

import messages as cip  # noqa: E402 - it lies beside this file
import transfers  # noqa: E402 - it lies beside this file
from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
HMI = Host("hmi", "d0:94:66:2b:00:31", "10.99.1.11")
CONTROLLER = Host("controller", "00:00:bc:11:22:33", "10.99.1.21")
RACK = Host("remote rack", "00:00:bc:11:22:44", "10.99.1.22")
OLD = Host("older controller", "00:0f:73:11:22:55", "10.99.1.23")
EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "10.99.1.255")
PORT, IO_PORT = 44818, 2222
IDENTITIES = {  # vendor, device type, product code, major, minor, status, serial
    CONTROLLER: ("1756-EN2T/D", 1, 12, 166, 10, 7, 0x0030, 0x00A1_B2C3),
    RACK: ("1734-AENT/B", 1, 12, 108, 5, 12, 0x0030, 0x00D4_E5F6),
    OLD: ("1763-L16BWA B/7.00", 1, 14, 185, 2, 7, 0x0034, 0x4062_9A01),
}


class Session:
    """A session of a client with a server, whose exchanges follow one another."""

    def __init__(self, tape: Tape, client: Host, server: Host, port: int, time: int) -> None:
        self.line = Connection(tape, client, server, port, PORT)
        self.time, self.count = time, 0
        self.line.open(time)
        version = struct.pack("<HH", 1, 0)
        self.exchange(
            cip.encapsulated(0x65, version), cip.encapsulated(0x65, version, session=cip.SESSION)
        )

    def exchange(self, asked: bytes, told: bytes, took: int = 4 * MILLISECOND) -> None:
        """A request and its response, then a pause."""
        self.time += 20 * MILLISECOND
        self.line.ask(self.time, asked)
        self.line.answer(self.time + took, told)

    def unconnected(self, asked: bytes, told: bytes) -> None:
        """One by SendRRData."""
        self.exchange(cip.unconnected(asked), cip.unconnected(told))

    def connected(self, asked: bytes, told: bytes) -> None:
        """One by SendUnitData on the connection of class 3."""
        self.count += 1
        self.exchange(
            cip.connected(cip.TO_TARGET, self.count, asked),
            cip.connected(cip.FROM_TARGET, self.count, told),
        )

    def end(self) -> None:
        """UnRegisterSession, then the end of the TCP connection."""
        self.time += 20 * MILLISECOND
        self.line.ask(self.time, cip.encapsulated(0x66, session=cip.SESSION))
        self.line.acknowledge(self.time + MILLISECOND, by_server=True)
        self.line.close(self.time + 10 * MILLISECOND)


def all_services() -> Tape:
    """Every service once, with its reply: the test bench of a commissioning."""
    tape = Tape()
    session = Session(tape, HMI, CONTROLLER, 49_200, START)
    for _, asked, told in cip.cases():
        session.unconnected(asked, told)
    for command, body, answer in commands():
        session.exchange(cip.encapsulated(command, body), cip.encapsulated(command, answer))
    for asked, told in packets():
        session.connected(asked, told)
    wrong = cip.unconnected(cip.ask(0x01, cip.path(1, 1)), session=0xBAD)
    session.exchange(wrong, cip.encapsulated(0x6F, session=0xBAD, status=0x64))
    wrong = cip.connected(cip.TO_TARGET, 9, cip.ask(0x01, cip.path(1, 1)), session=0xBAD)
    session.exchange(wrong, cip.encapsulated(0x70, session=0xBAD, status=0x64))
    for command in (0x00, 0x72, 0x73):
        session.time += 20 * MILLISECOND
        session.line.ask(session.time, cip.encapsulated(command, b"\0\0\0\0" if command else b""))
        session.line.acknowledge(session.time + MILLISECOND, by_server=True)
    session.end()
    return tape


def packets() -> list[tuple[bytes, bytes]]:
    """Packets of services that fail, one of them or all."""
    level, valves = cip.tag("Program:Mixer", "Level"), cip.tag("Valves", 0)
    asked = cip.several([cip.ask(0x4C, level, b"\1\0"), cip.ask(0x4C, valves, b"\3\0")])
    answers = [cip.reply(0x4C, struct.pack("<Hf", 0xCA, 6.5)), cip.reply(0x4C, b"", 5, 0)]
    return [
        (asked, cip.several(answers, answers=True, status=0x1E)),
        (asked, cip.reply(0x0A, b"", 8)),
    ]


def commands() -> list[tuple[int, bytes, bytes]]:
    """Commands of the encapsulation that carry no message: body of request and of response."""
    services = struct.pack("<HHHHH16s", 1, 0x100, 20, 1, 0x120, b"Communications")
    item = cip.identity_item(CONTROLLER.address, *IDENTITIES[CONTROLLER])
    return [(0x04, b"", services), (0x63, b"", item), (0x64, b"", b"\0\0"), (0xC8, b"", b"")]


def discovery() -> Tape:
    """The HMI asks everybody for an identity, and each device that answers for what it is made of."""
    tape = Tape()
    asked = cip.encapsulated(0x63)
    tape.datagram(START, HMI, EVERYBODY, (49_300, PORT), asked)
    for number, device in enumerate(IDENTITIES, 1):
        item = cip.identity_item(device.address, *IDENTITIES[device])
        data = cip.encapsulated(0x63, item)
        tape.datagram(START + number * 3 * MILLISECOND, device, HMI, (PORT, 49_300), data)
    session = Session(tape, HMI, CONTROLLER, 49_301, START + SECOND)
    for slot, identity in enumerate(SLOTS):
        told = cip.reply(0x01, cip.identity(*identity))
        session.unconnected(cip.send(cip.ask(0x01, cip.path(1, 1)), bytes([1, slot])), told)
    timed_out = cip.reply(0x52, b"", 0x01, 0x0204)
    session.unconnected(cip.send(cip.ask(0x01, cip.path(1, 1)), bytes([1, len(SLOTS)])), timed_out)
    session.end()
    return tape


SLOTS: list[tuple[str, int, int, int, int, int, int, int]] = [
    ("1756-L73/B LOGIX5573", 1, 14, 94, 33, 11, 0x3060, 0x00C0_FFEE),
    ("1756-IB16/A", 1, 7, 17, 3, 5, 0x0060, 0x0051_0001),
    ("1756-EN2T/D", 1, 12, 166, 10, 7, 0x0030, 0x00A1_B2C3),
]


def tags() -> Tape:
    """The HMI reads tags in one packet for a while, then the operator writes a setpoint."""
    tape = Tape()
    session = Session(tape, HMI, CONTROLLER, 49_400, START)
    session.unconnected(cip.EXPLICIT.request(), cip.EXPLICIT.accepted())
    level, valves = cip.tag("Program:Mixer", "Level"), cip.tag("Valves", 0)
    asked = cip.several([cip.ask(0x4C, level, b"\1\0"), cip.ask(0x4C, valves, b"\3\0")])
    for number in range(30):
        height = struct.pack("<Hf", 0xCA, 4.0 + number / 8)
        states = struct.pack("<H3h", 0xC3, number % 2, 100 - number, -number)
        answers = [cip.reply(0x4C, height), cip.reply(0x4C, states)]
        session.connected(asked, cip.several(answers, answers=True))
        session.time += 180 * MILLISECOND
    setpoint = cip.tag("Program:Mixer", "Setpoint")
    session.connected(cip.ask(0x4D, setpoint, struct.pack("<HHf", 0xCA, 1, 6.5)), cip.reply(0x4D))
    session.connected(*packets()[0])
    session.unconnected(cip.EXPLICIT.close(), cip.EXPLICIT.closed())
    session.end()
    return tape


def cyclic_io() -> Tape:
    """The controller opens a connection to a module of the remote rack; data goes both ways."""
    tape = Tape()
    session = Session(tape, CONTROLLER, RACK, 49_500, START)
    session.unconnected(cip.CYCLIC.request(), cip.CYCLIC.accepted())
    begin = session.time + 50 * MILLISECOND
    for number in range(100):
        out = cip.io_data(cip.CYCLIC.ids[0], number + 1, number, struct.pack("<IB", 1, number % 2))
        back = cip.io_data(
            cip.CYCLIC.ids[1], number + 1, number, struct.pack("<hhHH", number, -number, 7, 9)
        )
        tape.datagram(begin + number * 20 * MILLISECOND, CONTROLLER, RACK, (IO_PORT,) * 2, out)
        tape.datagram(
            begin + number * 20 * MILLISECOND + 900, RACK, CONTROLLER, (IO_PORT,) * 2, back
        )
    session.time = begin + 2 * SECOND
    session.unconnected(cip.CYCLIC.close(), cip.CYCLIC.closed())
    session.end()
    return tape


def older_controller() -> Tape:
    """A MicroLogix is asked who it is, read, written, and put into program mode and back."""
    tape = Tape()
    session = Session(tape, HMI, OLD, 49_600, START)

    def command(code: int, body: bytes, answer: bytes) -> None:
        number = 0x0100 + session.count
        session.count += 1
        told = cip.pccc(code | 0x40, answer, transaction=number)
        asked = cip.ask(0x4B, cip.path(0x67, 1), cip.pccc(code, body, transaction=number))
        session.unconnected(asked, cip.reply(0x4B, told))

    command(0x06, b"\x03", b"\x00\xee\x49\x9c\x21" + b"1763-LEC   " + bytes(9))
    for number in range(20):
        values = struct.pack("<5h", *(100 * at + number for at in range(5)))
        command(0x0F, b"\xa2\x0a\x07\x89\x00\x00", values)
    command(0x0F, b"\xaa\x02\x07\x89\x03\x00" + struct.pack("<h", 250), b"")
    for mode in (0x01, 0x06):
        command(0x0F, bytes([0x80, mode]), b"")
    session.end()
    return tape


def files() -> Tape:
    """Data sheets and firmware of a remote rack, read and loaded."""
    tape = Tape()
    session = Session(tape, HMI, RACK, 49_400, START)
    for scene, how in transfers.SCENES:
        for asked, told in scene():
            if how == "connected":
                session.connected(asked, told)
            else:
                session.unconnected(cip.send(asked) if how == "routed" else asked, told)
    session.end()
    return tape


CAPTURES: dict[str, Callable[[], Tape]] = {
    one.__name__: one for one in (all_services, discovery, tags, cyclic_io, older_controller, files)
}


def main(names: list[str]) -> None:
    """Write the captures of these names, all without any."""
    for name in names or CAPTURES:
        path = HERE / f"{name}.pcap"
        CAPTURES[name]().write(path)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
