"""Connections that last for days: Modbus, S7comm, EtherNet/IP, and what happens to them.

A request to a device without power stays without answer, and the client knocks until it is back.
The messages are those of the folders of their protocols.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from mirror import MILLISECOND, MINUTE, SECOND, Mirror
from scenes import Host, builder
from tape import ACK, SYN, Connection

words, cip = builder("s7comm", "messages"), builder("enip", "messages")
MODBUS, S7COMM, ENIP = 502, 102, 44_818
SPREAD = 0.12  # of response times, of their logarithm
FORGOTTEN = 30 * MINUTE  # until a host asks anew who has an address
AGAIN = 250 * MILLISECOND  # until a segment is sent again
Action = Callable[[int], object]  # what is done at a time


@dataclass
class Line:
    """A client at a server; the connection is opened when it is needed, and kept."""

    mirror: Mirror
    client: Host
    server: Host
    port: int
    usual: int = 0  # microseconds that the server takes
    wire: Connection | None = None
    count: int = 0
    relayed: int = 0  # more microseconds, of somebody in between
    busy: int = 0  # until when the last exchange took
    resolved: int = 0  # when the client last asked who has the server's address
    planned: list[tuple[int, int, Action]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Each server has its own speed."""
        self.usual = self.usual or self.mirror.random.randint(4, 22) * MILLISECOND

    def plan(self, time: int, action: Action) -> None:
        """Do something at a time; scenes may plan in any order."""
        self.planned.append((time, len(self.planned), action))

    def play(self) -> None:
        """Do what is planned, in order, for the numbers of a connection only go forward."""
        for time, _, action in sorted(self.planned, key=lambda one: one[:2]):
            action(max(time, self.busy))
        self.planned.clear()

    def moved(self, server: Host, time: int) -> None:
        """The server is another device from now on; the client asks who has its address."""
        self.server, self.wire, self.resolved = server, None, 0
        self.busy = max(self.busy, time)

    def open(self, time: int) -> int:
        """Open the connection; gives when it can be used."""
        self.wire = Connection(self.mirror, self.client, self.server, self.mirror.port(), self.port)
        self.wire.open(time)
        self.count = 0
        return self.greet(time + MILLISECOND)

    def greet(self, time: int) -> int:
        """What is said first."""
        return time

    def close(self, time: int) -> None:
        """End the connection."""
        if self.wire is not None:
            self.wire.close(time)
            self.wire = None

    def ask(self, time: int, asked: bytes, told: bytes) -> int:
        """A request and its answer; gives when it was over. Without power nobody answers."""
        troubles = self.mirror.troubles
        if troubles.is_off(self.client, time):
            self.wire = None
            return time
        if troubles.is_off(self.server, time):
            self.busy = self._unheard(time, asked)
        else:
            if time - self.resolved > FORGOTTEN:
                self.resolved = time
                self.mirror.known.discard((self.client.address, self.server.address))
            if self.wire is None:
                time = self.open(time)
            self.busy = self.say(time, asked, told)
        return self.busy

    def _unheard(self, time: int, asked: bytes) -> int:
        if self.wire is not None:
            for wait in (0, AGAIN, 3 * AGAIN):
                before = self.wire.sequence[0]
                self.wire.ask(time + wait, asked)
                self.wire.sequence[0] = before
            self.wire = None
        else:
            knock = Connection(self.mirror, self.client, self.server, self.mirror.port(), self.port)
            knock.segment(time, by_server=False, flags=SYN)
        return time + 4 * AGAIN

    def say(self, time: int, asked: bytes, told: bytes) -> int:
        """The two segments of an exchange, with what a bad cable does to the second."""
        wire, random, troubles = self.wire, self.mirror.random, self.mirror.troubles
        if wire is None:
            raise ValueError(self.server.name)
        wire.ask(time, asked)
        took = self.usual * random.lognormvariate(0, SPREAD) * troubles.slower(self.server, time)
        time += int(took) + self.relayed
        loss = troubles.loss(self.server, time)
        if loss and random.random() < loss:
            if random.random() < loss:  # also what was sent again
                wire.sequence[1] = (wire.sequence[1] + len(told)) & 0xFFFFFFFF
                return time + 4 * AGAIN
            time += AGAIN
        wire.answer(time, told)
        if random.random() < 0.02:
            wire.segment(time + 40 * MILLISECOND, by_server=False, flags=ACK)
        return time + 2 * MILLISECOND


@dataclass
class Modbus(Line):
    """Modbus; registers move a little from read to read."""

    port: int = MODBUS
    unit: int = 255
    held: dict[int, list[int]] = field(default_factory=dict)

    def _pdu(self, time: int, asked: bytes, told: bytes) -> int:
        self.count += 1
        heads = (
            struct.pack(">HHHB", self.count & 0xFFFF, 0, len(one) + 1, self.unit)
            for one in (asked, told)
        )
        return self.ask(time, next(heads) + asked, next(heads) + told)

    def read(self, time: int, start: int, count: int, fixed: dict[int, int] | None = None) -> int:
        """Read holding registers; ``fixed``: those that hold a number, counted from the start."""
        values = self.held.get(start)
        if values is None:
            values = self.held[start] = [200 + 37 * (start + n) % 1_800 for n in range(count)]
        step = self.mirror.random.randrange
        now = [value + step(-2, 3) for value in values]
        for at, value in (fixed or {}).items():
            now[at] = value
        told = struct.pack(f">BB{count}H", 3, 2 * count, *now)
        return self._pdu(time, struct.pack(">BHH", 3, start, count), told)

    def write(self, time: int, address: int, *values: int) -> int:
        """Write one register, or several."""
        if len(values) == 1:
            pdu = struct.pack(">BHH", 6, address, values[0])
            return self._pdu(time, pdu, pdu)
        head = struct.pack(">BHH", 16, address, len(values))
        data = struct.pack(f">B{len(values)}H", 2 * len(values), *values)
        return self._pdu(time, head + data, head)

    def switch(self, time: int, coil: int, on: bool) -> int:  # noqa: FBT001 - there are two
        """Write one coil."""
        pdu = struct.pack(">BHH", 5, coil, 0xFF00 * on)
        return self._pdu(time, pdu, pdu)

    def refused(self, time: int, function: int, start: int, code: int) -> int:
        """A request that the device does not know."""
        asked = struct.pack(">BHH", function, start, 1)
        return self._pdu(time, asked, bytes([0x80 | function, code]))

    def identify(self, time: int, vendor: str, product: str, revision: str) -> int:
        """Read Device Identification, basic ([APP] 6.21)."""
        named = enumerate((vendor, product, revision))
        objects = b"".join(bytes([at, len(one)]) + one.encode() for at, one in named)
        told = bytes([0x2B, 14, 1, 1, 0, 0, 3]) + objects
        return self._pdu(time, bytes([0x2B, 14, 1, 0]), told)


P_PROGRAM = b"P_PROGRAM".hex()


@dataclass
class S7(Line):
    """S7comm; ``kind``: 1 a programming device, 2 a panel."""

    port: int = S7COMM
    kind: int = 2

    def greet(self, time: int) -> int:
        """The connection of COTP, and the sizes of both."""
        places = f"00 c0010a c1020100 c202{self.kind:02x}02"
        asked, told = f"11e0 0000 0007 {places}", f"11d0 0007 0003 {places}"
        time = self.say(time, _cotp(bytes.fromhex(asked)), _cotp(bytes.fromhex(told)))
        self.count = 1
        setup = "f0 00 0001 0001 01e0"
        return self.say(time, _unit(words.job(1, setup)), _unit(words.answer(1, setup)))

    def job(self, time: int, asked: str, told: str, data: str = "", answer: str = "") -> int:
        """A job and its acknowledgement, parameters and data each in hex."""
        self.count = self.count % 60_000 + 1
        return self.ask(
            time,
            _unit(words.job(self.count, asked, data)),
            _unit(words.answer(self.count, told, answer)),
        )

    def read(self, time: int, block: int, start: int, count: int) -> int:
        """Words of a data block."""
        step = self.mirror.random.randrange
        now = [300 + 41 * (start + n) % 900 + step(-2, 3) for n in range(count)]
        held = struct.pack(f">{count}H", *now).hex()
        return self.job(
            time, f"04 01 {_area(block, start, count)}", "04 01",
            answer=f"ff 04 {16 * count:04x} {held}",
        )  # fmt: skip

    def write(self, time: int, block: int, start: int, value: int) -> int:
        """One word of a data block."""
        data = f"00 04 0010 {value:04x}"
        return self.job(time, f"05 01 {_area(block, start, 1)}", "05 01", data, "ff")

    def stop(self, time: int) -> int:
        """PLC stop."""
        return self.job(time, f"29 0000000000 09 {P_PROGRAM}", "29")

    def start(self, time: int) -> int:
        """Warm restart."""
        return self.job(time, f"28 000000000000fd 0000 09 {P_PROGRAM}", "28")

    def identify(self, time: int, order: str, serial: str, firmware: tuple[int, int]) -> int:
        """The system state lists 0x11 and 0x1c."""
        version = f"56{firmware[0]:02x}{firmware[1]:02x}00"
        modules = (
            f"0001 {order.encode().ljust(20).hex()} 00c0 0004 0001",
            f"0007 {order.encode().ljust(20).hex()} 00c0 {version}",
        )
        names = (f"0001 {_wide(self.server.name)}", f"0005 {_wide(serial)}")
        for number, size, records in (("0011 0000", 28, modules), ("001c 0000", 34, names)):
            self.count = self.count % 60_000 + 1
            told = f"{number} {size:04x} {len(records):04x} {' '.join(records)}"
            one = words.service(self.count, "", words.CPU, 1, number, told, long=False)
            time = self.ask(time, _unit(one.asked), _unit(one.answered)) + 30 * MILLISECOND
        return time

    def load(self, time: int, kind: str, number: int, body: bytes) -> int:
        """A block is loaded: the client announces it, the controller fetches it."""
        front = f"0000000000000009 {f'_{kind}{number:05}P'.encode().hex()}"
        size = b"1000300000100".hex()
        time = self.job(time, f"1a {front} 0d {size}", "1a")
        wire = self.wire
        if wire is None:
            return time
        held = f"{len(body):04x} 00fb {body.hex()}"
        for code, data, more in ((0x1B, held, "00"), (0x1C, "", "")):
            self.count += 1
            wire.answer(time, _unit(words.job(self.count, f"{code:02x} {front}")))
            told = words.answer(self.count, f"{code:02x}{more}", data)
            time += 8 * MILLISECOND
            wire.ask(time, _unit(told))
            time += 8 * MILLISECOND
        return time

    def upload(self, time: int, kind: str, number: int, body: bytes) -> int:
        """A block is read: begun, given, ended."""
        name = f"_{kind}{number:05}A".encode().hex()
        given = "00 0000 00000007"
        size = b"0000100".hex()
        time = self.job(time, f"1d 00000000000000 09 {name}", f"1d 00 0100 00000007 07 {size}")
        held = f"{len(body):04x} 00fb {body.hex()}"
        time = self.job(time, f"1e {given}", "1e 00", answer=held)
        return self.job(time, f"1f {given}", "1f")


def _area(block: int, start: int, count: int) -> str:
    return f"12 0a 10 04 {count:04x} {block:04x} 84 {start * 8:06x}"


def _wide(text: str) -> str:
    return text.encode().ljust(32, b"\0").hex()


def _cotp(data: bytes) -> bytes:
    return bytes([3, 0]) + (len(data) + 4).to_bytes(2, "big") + data


def _unit(message: bytes) -> bytes:
    return _cotp(bytes([2, 0xF0, 0x80]) + message)


@dataclass
class Enip(Line):
    """EtherNet/IP; tags by unconnected messages."""

    port: int = ENIP

    def greet(self, time: int) -> int:
        """A session is registered."""
        version = struct.pack("<HH", 1, 0)
        told = cip.encapsulated(0x65, version, session=cip.SESSION)
        return self.say(time, cip.encapsulated(0x65, version), told)

    def read(self, time: int, *tags: str) -> int:
        """Tags in one packet."""
        asked = [cip.ask(0x4C, cip.tag(one), b"\1\0") for one in tags]
        random = self.mirror.random
        told = [
            cip.reply(0x4C, struct.pack("<Hf", 0xCA, 20.0 + at + random.random()))
            for at, _ in enumerate(tags)
        ]
        answer = cip.several(told, answers=True)
        return self.ask(time, cip.unconnected(cip.several(asked)), cip.unconnected(answer))

    def write(self, time: int, tag: str, value: float) -> int:
        """One tag."""
        asked = cip.ask(0x4D, cip.tag(tag), struct.pack("<HHf", 0xCA, 1, value))
        return self.ask(time, cip.unconnected(asked), cip.unconnected(cip.reply(0x4D)))


@dataclass
class Web(Line):
    """HTTP; each request on a connection of its own."""

    port: int = 8080

    def get(self, time: int, path: str, size: int) -> int:
        """A page of so many bytes."""
        asked = f"GET {path} HTTP/1.1\r\nHost: {self.server.name}\r\n\r\n".encode()
        if self.mirror.troubles.is_off(self.server, time):
            return time
        time = self.open(time)
        head = f"HTTP/1.1 200 OK\r\nServer: trend/2.1\r\nContent-Length: {size}\r\n\r\n".encode()
        time = self.say(time, asked, head + bytes(min(size, 1_200)))
        wire, left = self.wire, size - 1_200
        while wire is not None and left > 0:
            wire.answer(time, bytes(min(left, 1_400)))
            left -= 1_400
            time += 2 * MILLISECOND
            if left // 1_400 % 4 == 0:
                wire.acknowledge(time - MILLISECOND)
        self.close(time + 5 * MILLISECOND)
        return time + SECOND // 10
