"""Messages of EtherNet/IP and CIP, built byte by byte from the clauses of their standards.

[CIP1] and [CIP2] are Volumes 1 and 2 of the CIP Networks Library, [DATA] is 1756-PM020, [DF1] is
1770-6.5.16. Only the standard library is used.
"""

import struct
from dataclasses import dataclass

SESSION, CONTEXT = 0x0001_2345, b"otsec\0\0\0"
TO_TARGET, FROM_TARGET = 0x1000_0001, 0x2000_0001  # ids of the connection of class 3
REQUESTER = b"\x07\x4d\x00\x44\x33\x22\x11"  # vendor 77, serial 0x11223344
ROUTE = b"\x01\x00"  # backplane, slot 0


# ------------------------------------------------------------------------ around messages


def encapsulated(command: int, body: bytes = b"", *, session: int = 0, status: int = 0) -> bytes:
    """[CIP2] 2-3: command, length, session, status, the sender's context, options."""
    return struct.pack("<HHII8sI", command, len(body), session, status, CONTEXT, 0) + body


def packet(*items: tuple[int, bytes]) -> bytes:
    """[CIP2] 2-6: interface 0, a timeout of ten seconds, items."""
    listed = b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in items)
    return struct.pack("<IHH", 0, 10, len(items)) + listed


def unconnected(message: bytes, *more: tuple[int, bytes], session: int = SESSION) -> bytes:
    """SendRRData, [CIP2] 2-4.7."""
    return encapsulated(0x6F, packet((0, b""), (0xB2, message), *more), session=session)


def connected(connection: int, count: int, message: bytes, *, session: int = SESSION) -> bytes:
    """SendUnitData, [CIP2] 2-4.8."""
    body = struct.pack("<H", count) + message
    items = (0xA1, struct.pack("<I", connection)), (0xB1, body)
    return encapsulated(0x70, packet(*items), session=session)


def io_data(connection: int, sequence: int, count: int, data: bytes) -> bytes:
    """[CIP2] 3-2.3: connected data on UDP, with the sequence count of transport class 1."""
    body = struct.pack("<H", count & 0xFFFF) + data
    address = struct.pack("<HHHII", 2, 0x8002, 8, connection, sequence)
    return address + struct.pack("<HH", 0xB1, len(body)) + body


def identity_item(address: str, name: str, *numbers: int) -> bytes:
    """[CIP2] 2-4.2.3; numbers: vendor, device type, product code, major, minor, status, serial."""
    socket = struct.pack(">HH4s8x", 2, 44818, bytes(map(int, address.split("."))))
    item = struct.pack("<H", 1) + socket + identity(name, *numbers) + b"\x03"
    return struct.pack("<HHH", 1, 0x0C, len(item)) + item


def identity(name: str, *numbers: int) -> bytes:
    """[CIP1] 5-2.2: the attributes of an identity, in the order of their numbers."""
    return struct.pack("<HHHBBHI", *numbers) + bytes([len(name)]) + name.encode()


# ------------------------------------------------------------------------------ messages


def path(klass: int, instance: int | None = None, attribute: int | None = None) -> bytes:
    """[CIP1] C-1.4.2: class, instance, attribute."""
    parts = ((0x20, klass), (0x24, instance), (0x30, attribute))
    return b"".join(_logical(kind, number) for kind, number in parts if number is not None)


def _logical(kind: int, number: int) -> bytes:
    return bytes([kind, number]) if number < 256 else struct.pack("<BBH", kind | 1, 0, number)


def tag(*names: str | int) -> bytes:
    """[CIP1] C-1.4.5: names, and indices of arrays."""
    parts = []
    for name in names:
        if isinstance(name, int):
            parts.append(_logical(0x28, name))
        else:
            raw = name.encode()
            parts.append(bytes([0x91, len(raw)]) + raw + b"\0" * (len(raw) % 2))
    return b"".join(parts)


def ask(service: int, where: bytes, data: bytes = b"") -> bytes:
    """[CIP1] 2-4.1: a request."""
    return bytes([service, len(where) // 2]) + where + data


def reply(service: int, data: bytes = b"", status: int = 0, *extended: int) -> bytes:
    """[CIP1] 2-4.2: the reply to it."""
    more = struct.pack(f"<{len(extended)}H", *extended)
    return bytes([service | 0x80, 0, status, len(extended)]) + more + data


def send(message: bytes, route: bytes = ROUTE) -> bytes:
    """[CIP1] 3-5.5.4: Unconnected_Send."""
    padded = message + b"\0" * (len(message) % 2)
    head = struct.pack("<BBH", 0x05, 0x9D, len(message))
    return ask(0x52, path(6, 1), head + padded + bytes([len(route) // 2, 0]) + route)


def several(messages: list[bytes], *, answers: bool = False, status: int = 0) -> bytes:
    """[CIP1] A-4.10: Multiple_Service_Packet, or the reply to one."""
    at, table = 2 + 2 * len(messages), [len(messages)]
    for message in messages:
        table.append(at)
        at += len(message)
    body = struct.pack(f"<{len(table)}H", *table) + b"".join(messages)
    return reply(0x0A, body, status) if answers else ask(0x0A, path(2, 1), body)


@dataclass(frozen=True)
class Opening:
    """A connection to be opened, [CIP1] 3-5.5.2."""

    serial: int
    ids: tuple[int, int]
    intervals: tuple[int, int]
    parameters: tuple[int, int]
    transport: int
    path: bytes
    large: bool = False

    @property
    def who(self) -> bytes:
        """Serial number of the connection, vendor and serial number of the originator."""
        return struct.pack("<HHI", self.serial, 0x4D, 0x1122_3344)

    def request(self) -> bytes:
        """Forward_Open, or Large_Forward_Open."""
        size = "I" if self.large else "H"
        rest = struct.pack(
            f"<B3xI{size}I{size}BB",
            2, self.intervals[0], self.parameters[0], self.intervals[1], self.parameters[1],
            self.transport, len(self.path) // 2,
        )  # fmt: skip
        front = struct.pack("<BBII", 0x0A, 0x0E, 0, self.ids[1])
        service = 0x5B if self.large else 0x54
        return ask(service, path(6, 1), front + self.who + rest + self.path)

    def accepted(self) -> bytes:
        """What the target says."""
        body = (
            struct.pack("<II", *self.ids) + self.who + struct.pack("<IIBB", *self.intervals, 0, 0)
        )
        return reply(0x5B if self.large else 0x54, body)

    def refused(self, status: int, *extended: int) -> bytes:
        """What it says otherwise."""
        return reply(0x54, self.who + b"\0\0", status, *extended)

    def close(self) -> bytes:
        """Forward_Close, [CIP1] 3-5.5.3."""
        body = b"\x0a\x0e" + self.who + bytes([len(self.path) // 2, 0]) + self.path
        return ask(0x4E, path(6, 1), body)

    def closed(self) -> bytes:
        """What the target says to that."""
        return reply(0x4E, self.who + b"\0\0")


def pccc(command: int, *rest: int | bytes, status: int = 0, transaction: int = 0x0101) -> bytes:
    """[DF1] 7 in [CIP1] 5-60: the body of a request or reply."""
    data = b"".join(bytes([one]) if isinstance(one, int) else one for one in rest)
    return REQUESTER + struct.pack("<BBH", command, status, transaction) + data


# --------------------------------------------------------------------------- every service

Case = tuple[str, bytes, bytes]  # name, request, reply; each a whole CIP message
ATTRIBUTES = struct.pack("<HHH", 2, 1, 2)
EXPLICIT = Opening(
    0x0101, (TO_TARGET, FROM_TARGET), (2_000_000, 2_000_000), (0x43F4, 0x43F4), 0xA3,
    ROUTE + path(2, 1),
)  # fmt: skip
KEYED = b"\x34\x04" + struct.pack("<HHHBB", 1, 7, 0x0041, 0x83, 1)  # any revision 3 or compatible
CYCLIC = Opening(
    0x0202, (0x3000_0001, 0x4000_0001), (10_000, 20_000), (0x4806, 0x480A), 0x01,
    b"\x01\x03" + KEYED + b"\x20\x04\x24\x66\x2c\x64\x2c\x65" + b"\x80\x01\x0a\x00",
)  # fmt: skip
LARGE = Opening(
    0x0303, (0x5000_0001, 0x6000_0001), (50_000, 50_000), (0x4200_0FA2, 0x2200_0FA2), 0xA3,
    path(2, 1), large=True,
)  # fmt: skip


def common() -> list[Case]:
    """[CIP1] A-4, on classes that have these services."""
    whole = identity("1756-L61/B LOGIX5561", 1, 14, 54, 16, 20, 0x3060, 0x0051_823F)
    listed = struct.pack("<HHHHHHHHH", 3, 1, 0, 1, 2, 0, 14, 3, 0) + struct.pack("<H", 54)
    return [
        ("get attributes all", ask(0x01, path(1, 1)), reply(0x01, whole)),
        ("set attributes all", ask(0x02, path(0x0F, 1), b"\x01\x02"), reply(0x02)),
        ("get attribute list", ask(0x03, path(1, 1), struct.pack("<HHHH", 3, 1, 2, 3)), reply(0x03, listed)),
        ("set attribute list", ask(0x04, path(0x8B, 1), struct.pack("<HHQ", 1, 6, 1_767_600_000_000_000)),
         reply(0x04, struct.pack("<HHH", 1, 6, 0))),
        ("reset", ask(0x05, path(1, 1), b"\x01"), reply(0x05)),
        ("start", ask(0x06, path(0x8E, 1)), reply(0x06)),
        ("stop", ask(0x07, path(0x8E, 1)), reply(0x07, b"", 0x10)),
        ("create", ask(0x08, path(0x0F, 0), ATTRIBUTES), reply(0x08, b"\x05\x00")),
        ("delete", ask(0x09, path(0x0F, 5)), reply(0x09, b"", 0x0E, 0x0102)),
        ("apply attributes", ask(0x0D, path(0x0F, 1)), reply(0x0D)),
        ("get attribute single", ask(0x0E, path(0x0F, 1, 1)), reply(0x0E, struct.pack("<H", 1500))),
        ("set attribute single", ask(0x10, path(0x0F, 1, 1), struct.pack("<H", 1450)), reply(0x10)),
        ("set the address", ask(0x10, path(0xF5, 1, 5), bytes(22)), reply(0x10, b"", 0x0F)),
        ("find next object instance", ask(0x11, path(0x0F, 0), b"\x04"), reply(0x11, b"\x01\x02\x00")),
        ("restore", ask(0x15, path(0x0F, 1)), reply(0x15)),
        ("save", ask(0x16, path(0x0F, 1)), reply(0x16)),
        ("no operation", ask(0x17, path(1, 1)), reply(0x17)),
        ("get member", ask(0x18, path(4, 100, 3) + b"\x28\x01"), reply(0x18, b"\x2a")),
        ("set member", ask(0x19, path(4, 100, 3) + b"\x28\x01", b"\x2b"), reply(0x19)),
        ("insert member", ask(0x1A, path(4, 100, 2) + b"\x28\x01", b"\x01"), reply(0x1A)),
        ("remove member", ask(0x1B, path(4, 100, 2) + b"\x28\x01"), reply(0x1B)),
        ("group sync", ask(0x1C, path(0x43, 1)), reply(0x1C, b"\x01")),
    ]  # fmt: skip


def told() -> list[Case]:
    """Attributes that say who a device is."""
    interface = struct.pack(
        "<IIIH4sIIIIIH6sH8s", 1, 0x20, 0, 2, path(0xF6, 1), 0x0A63_0015, 0xFFFF_FF00, 0x0A63_0001,
        0, 0, 5, b"plant\0", 8, b"mixer-01",
    )  # fmt: skip
    addresses = struct.pack("<IIIIIH", 0x0A63_0015, 0xFFFF_FF00, 0x0A63_0001, 0x0A63_0002, 0, 0)
    link = struct.pack("<II6s", 100, 0x0F, bytes.fromhex("0000bc112233")) + bytes(96)
    name = struct.pack("<H5sH4s", 5, b"Mixer", 4, b"Demo") + bytes(8)
    return [
        ("name of a product", ask(0x0E, path(1, 1, 7)), reply(0x0E, b"\x0b1756-ENBT/A")),
        ("status of an identity", ask(0x03, path(1, 1), b"\x01\x00\x05\x00"),
         reply(0x03, b"\x01\x00\x05\x00\x00\x00\x60\x30")),
        ("whole interface", ask(0x01, path(0xF5, 1)), reply(0x01, interface)),
        ("addresses", ask(0x0E, path(0xF5, 1, 5)), reply(0x0E, addresses)),
        ("host name", ask(0x0E, path(0xF5, 1, 6)), reply(0x0E, b"\x08\x00mixer-01")),
        ("link", ask(0x01, path(0xF6, 1)), reply(0x01, link)),
        ("controller name", ask(0x01, path(0x64, 1)), reply(0x01, name)),
    ]  # fmt: skip


def tags() -> list[Case]:
    """[DATA]: services of tags."""
    level, row = tag("Program:Main", "Level"), tag("Row", 3)
    dint, real = b"\xc4\x00", b"\xca\x00"
    return [
        ("read tag", ask(0x4C, level, b"\x01\x00"), reply(0x4C, real + struct.pack("<f", 12.5))),
        ("read elements", ask(0x4C, row, b"\x04\x00"), reply(0x4C, dint + struct.pack("<4i", 1, -2, 3, 4))),
        ("read a structure", ask(0x4C, tag("Motor"), b"\x01\x00"), reply(0x4C, b"\xa0\x02\xce\x0f" + bytes(range(8)))),
        ("write tag", ask(0x4D, level, real + b"\x01\x00" + struct.pack("<f", 13.25)), reply(0x4D)),
        ("modify tag", ask(0x4E, tag("Flags"), b"\x04\x00" + b"\x02\0\0\0" + b"\xff\xff\xff\x7f"), reply(0x4E)),
        ("read fragment", ask(0x52, tag("Recipe", 0), struct.pack("<HI", 200, 480)),
         reply(0x52, dint + struct.pack("<3i", 7, 8, 9), 6)),
        ("write fragment", ask(0x53, tag("Recipe"), dint + struct.pack("<HI", 200, 480) + struct.pack("<2i", 5, 6)), reply(0x53)),
        ("symbols", ask(0x55, path(0x6B, 0), ATTRIBUTES), reply(0x55, struct.pack("<IH5sH", 1, 5, b"Level", 0xCA), 6)),
        ("template", ask(0x4C, path(0x6C, 0x123), struct.pack("<IH", 0, 32)), reply(0x4C, bytes(32))),
        ("no such tag", ask(0x4C, tag("Nothing"), b"\x01\x00"), reply(0x4C, b"", 0x05, 0)),
    ]  # fmt: skip


def manager() -> list[Case]:
    """[CIP1] 3-5.5: services of the connection manager."""
    timed_out = reply(0x52, b"", 0x01, 0x0204)
    return [
        ("forward open", EXPLICIT.request(), EXPLICIT.accepted()),
        ("forward open with key", CYCLIC.request(), CYCLIC.accepted()),
        ("forward open refused", CYCLIC.request(), CYCLIC.refused(1, 0x0114)),
        ("large forward open", LARGE.request(), LARGE.accepted()),
        ("forward close", EXPLICIT.close(), EXPLICIT.closed()),
        ("unconnected send", send(ask(0x01, path(1, 1)), b"\x01\x02"), timed_out),
        ("unconnected send far", send(ask(0x0E, path(1, 1, 1)), b"\x01\x01\x12\x0a10.99.0.23\x01\x00"), reply(0x0E, b"\x01\x00")),
        ("get connection data", ask(0x56, path(6, 1), b"\x01\x00"), reply(0x56, bytes(16))),
        ("search connection data", ask(0x57, path(6, 1), EXPLICIT.who), reply(0x57, bytes(16))),
        ("get connection owner", ask(0x5A, path(6, 1), b"\x00\x02" + path(2, 1)), reply(0x5A, bytes(12))),
    ]  # fmt: skip


OWN_SERVICES = {  # services that only one class has: class, codes, an instance
    0x37: range(0x4B, 0x52),
    0x39: (0x4C, *range(0x4E, 0x5A)),
    0x3A: (0x4B,),
    0x44: range(0x4B, 0x52),
    0xF3: range(0x4B, 0x53),
}


def own() -> list[Case]:
    """Services of other classes."""
    return [
        (f"service {code:#04x} of class {klass:#04x}", ask(code, path(klass, 1)), reply(code))
        for klass, codes in OWN_SERVICES.items()
        for code in codes
    ]


FUNCTIONS = {  # of PCCC with a function: command, functions
    0x06: range(0x0B),
    0x07: (0, 1, 3, 4, 5, 6),
    0x0F: (
        *range(0x0B), 0x11, 0x12, 0x17, 0x18, 0x26, 0x29, 0x3A, 0x41, 0x50, 0x52, 0x53, 0x55, 0x57,
        0x5E, 0x67, 0x68, 0x79, 0x80, 0x81, 0x82, 0x88, 0x8F, 0xA1, 0xA2, 0xA7, 0xA9, 0xAA, 0xAB,
        0xAF,
    ),
}  # fmt: skip
BODIES = {  # of functions whose bodies are read: of the request, of the reply
    (0x06, 0x03): (b"", b"\x00\xee\x31\x5b\x61" + b"5/05       " + bytes(8)),
    (0x0F, 0x80): (b"\x06", b""),
    (0x0F, 0xA1): (b"\x04\x07\x89\x02", struct.pack("<hh", 11, -12)),
    (0x0F, 0xA2): (b"\x14\x07\x89\x00\x00", struct.pack("<10h", *range(-5, 5))),
    (0x0F, 0xA9): (b"\x02\x07\x89\x02" + b"\x39\x30", b""),
    (0x0F, 0xAA): (b"\x08\x08\x8a\x02\x00" + struct.pack("<ff", 1.5, -2.5), b""),
    (0x0F, 0xAB): (b"\x02\x03\x85\x01\x00" + b"\x01\x00\x01\x00", b""),
}
PLAIN = {0x00: b"\x10\x00\x2a\x00", 0x01: b"\x10\x00\x02", 0x02: b"\x10\x00\x01\x00",
         0x05: b"\x10\x00\x01\x00", 0x08: b"\x10\x00\x2b\x00"}  # fmt: skip


def controllers() -> list[Case]:
    """[DF1]: commands of older controllers."""
    where = path(0x67, 1)

    def case(name: str, command: int, body: bytes, answer: bytes, status: int = 0) -> Case:
        asked = ask(0x4B, where, pccc(command, body))
        return name, asked, reply(0x4B, pccc(command | 0x40, answer, status=status))

    cases = [
        case(f"pccc {command:#04x} {function:#04x}", command, bytes([function]) + asked, told_)
        for command, functions in FUNCTIONS.items()
        for function in functions
        for asked, told_ in (BODIES.get((command, function), (b"", b"")),)
    ]
    cases += [
        case(f"pccc {command:#04x}", command, body, b"\x2a\x00" if command == 1 else b"")
        for command, body in PLAIN.items()
    ]
    refused = BODIES[0x0F, 0xAA][0]
    return [
        *cases,
        case("pccc refused", 0x0F, b"\xaa" + refused, b"\x0b", 0xF0),
        case("pccc in program mode", 0x0F, b"\xaa" + refused, b"", 0x70),
    ]


def cases() -> list[Case]:
    """Every service, with its reply."""
    return [*common(), *told(), *tags(), *manager(), *own(), *controllers()]
