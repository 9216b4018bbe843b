"""Writes the captures of this folder by hand: bays of a substation that publish, and management.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

The bytes are set from IEC 61850-8-1 annex A and the basic encoding rules (ITU-T X.690).
`libiec61850.pcap` is of a real publisher, see `publish.py`.
"""

import struct
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

GOOSE, MANAGEMENT = 0x88B8, 0x88B9  # ethertypes
MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
BAY = Host("bay", "00:30:a7:00:01:01", "")
METER = Host("merging unit", "00:30:a7:00:01:02", "")
SPARE = Host("relay on the test bench", "00:30:a7:00:01:03", "")
TOOL = Host("engineering", "3c:52:82:9f:00:70", "")
EPOCH = 1_767_600_000  # seconds of the first event
RETRANSMITTED = (0, 2, 6, 14, 1_014, 2_014, 3_014)  # ms behind an event, [8-1] 18.1.2.5


def group(number: int) -> bytes:
    """A multicast address of GOOSE."""
    return bytes.fromhex("010ccd0100") + bytes([number])


def ber(tag: int, content: bytes) -> bytes:
    """One element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    raw = size.to_bytes(1 if size < 0x100 else 2, "big")
    return bytes([tag, 0x80 | len(raw)]) + raw + content


def number(value: int) -> bytes:
    """The content of an INTEGER, as short as can be."""
    return value.to_bytes(
        (8 + (value if value >= 0 else ~value).bit_length()) // 8, "big", signed=True
    )


def frame(appid: int, message: bytes, reserved: int = 0) -> bytes:
    """What follows the ethertype."""
    return struct.pack(">HHHH", appid, 8 + len(message), reserved, 0) + message


def published(
    name: str,
    dataset: str,
    data: list[bytes],
    *,
    state: int = 1,
    sequence: int = 0,
    live: int = 2_000,
    identity: str = "",
    revision: int = 1,
    test: bool | None = False,
    uncommissioned: bool | None = False,
    time: int = EPOCH,
) -> bytes:
    """One message; None leaves out what need not be there."""
    stamp = struct.pack(">IBBBB", time, 0x80, 0, 0, 0x0A)
    fields = [ber(0x80, name.encode()), ber(0x81, number(live)), ber(0x82, dataset.encode())]
    fields += [ber(0x83, identity.encode())] if identity else []
    fields += [ber(0x84, stamp), ber(0x85, number(state)), ber(0x86, number(sequence))]
    fields += [] if test is None else [ber(0x87, bytes([test]))]
    fields += [ber(0x88, number(revision))]
    fields += [] if uncommissioned is None else [ber(0x89, bytes([uncommissioned]))]
    fields += [ber(0x8A, number(len(data))), ber(0xAB, b"".join(data))]
    return ber(0x61, b"".join(fields))


def boolean(value: int) -> bytes:
    """A datum that is true or false."""
    return ber(0x83, bytes([value]))


def quality(bits: int = 0) -> bytes:
    """A quality of 13 bits."""
    return ber(0x84, b"\3" + struct.pack(">H", bits << 3))


def real(value: float) -> bytes:
    """A float of 32 bits."""
    return ber(0x87, b"\x08" + struct.pack(">f", value))


def double(value: float) -> bytes:
    """A float of 64 bits."""
    return ber(0x87, b"\x0b" + struct.pack(">d", value))


def measured(value: float, time: int) -> bytes:
    """A measured value: a structure of magnitude, quality and time."""
    stamp = ber(0x91, struct.pack(">II", time, 0x0A))
    return ber(0xA2, ber(0xA2, real(value)) + quality() + stamp)


EVERY_TYPE = [
    ber(0xA1, boolean(1) + boolean(0) + boolean(1)),
    *(ber(0x85, number(value)) for value in (-5, 1_000, 70_000, -2_000_000_000, 1 << 40)),
    ber(0x85, b"\0\xff\xfe"),
    ber(0x86, b"\x07"),
    ber(0x86, b"\0\xc0\0\0\0"),
    double(50.0125),
    ber(0x84, b"\6\x80"),
    ber(0x84, b"\0\xa5\x5a\x0f\xf0"),
    ber(0x8A, b"closed"),
    ber(0x8A, b""),
    ber(0x89, bytes.fromhex("0102030405")),
    ber(0x8C, struct.pack(">IH", 43_200_000, 15_000)),
    ber(0x91, struct.pack(">II", EPOCH + 7, 0x8000000A)),
    ber(0x90, "Störung".encode()),
]


def bay_trip() -> list[tuple[int, Host, bytes, int, bytes]]:
    """A bay publishes its breaker; it trips after five seconds and is closed again by hand."""
    records = []
    events = ((START, 1, False), (START + 5 * SECOND, 2, True), (START + 9 * SECOND, 3, False))
    for begin, state, tripped in events:
        data = [boolean(tripped), quality(), boolean(not tripped), quality()]
        data += [boolean(0)] * 4
        for turn, wait in enumerate(RETRANSMITTED):
            message = published(
                "BAY1LD0/LLN0$GO$gcb01", "BAY1LD0/LLN0$Trip", data, identity="BAY1_Trip",
                state=state, sequence=turn, revision=3, live=10 if wait < 1_000 else 4_000,
                time=EPOCH + (begin - START) // SECOND,
            )  # fmt: skip
            records.append((begin + wait * MILLISECOND, BAY, group(1), GOOSE, frame(1, message)))
    for turn in range(12):
        data = [measured(400 + turn / 4, EPOCH + turn), measured(230.5, EPOCH + turn)]
        message = published(
            "MU1LD0/LLN0$GO$gcb02", "MU1LD0/LLN0$Meas", data, state=turn + 1, identity="MU1"
        )
        records.append((START + turn * SECOND, METER, group(2), GOOSE, frame(2, message)))
    return records


def test_bench() -> list[tuple[int, Host, bytes, int, bytes]]:
    """A relay that is tested: simulated, in test, not commissioned; and data of every type."""
    name, dataset = "SPARE1LD0/LLN0$GO$gcb01", "SPARE1LD0/LLN0$All"
    some = [boolean(1), quality(0x0800)]
    messages = (
        frame(9, published(name, dataset, some, test=True), 0x8000),
        frame(9, published(name, dataset, some, test=True)),
        frame(9, published(name, dataset, some, uncommissioned=True)),
        frame(9, published(name, dataset, some, test=True, uncommissioned=True), 0x8000),
        frame(9, published(name, dataset, some, test=None, uncommissioned=None)),
        frame(9, published(name, dataset, [])),
        frame(9, published(name, dataset, EVERY_TYPE, state=70_000, sequence=0xC000_0000)),
    )
    return [
        (START + turn * SECOND, SPARE, group(9), GOOSE, message)
        for turn, message in enumerate(messages)
    ]


def asked(state: int, choice: int, ident: str, members: list[bytes]) -> bytes:
    """A request of management."""
    body = ber(0x80, ident.encode()) + ber(0xA1, b"".join(members))
    return frame(0x4000, ber(0x60, ber(0x80, number(state)) + ber(0xA1, ber(0xA0 | choice, body))))


def answered(state: int, choice: int, ident: str, rest: bytes) -> bytes:
    """A response of management."""
    body = ber(0x80, ident.encode()) + rest
    return frame(0x4000, ber(0x60, ber(0x80, number(state)) + ber(0xA2, ber(0xA0 | choice, body))))


def positive(results: list[bytes], dataset: str = "", revision: int = 3) -> bytes:
    """What a positive response brings."""
    body = (ber(0x80, dataset.encode()) if dataset else b"") + ber(0xA1, b"".join(results))
    return ber(0x81, number(revision)) + ber(0xA2, body)


MANAGED = (  # (request, response)
    (
        asked(1, 1, "BAY1LD0/LLN0$GO$gcb01", [ber(0x02, b"\1"), ber(0x02, b"\2")]),
        answered(
            1, 1, "BAY1LD0/LLN0$GO$gcb01",
            positive([ber(0x81, b"PTRC1$ST$Tr$general"), ber(0x81, b"PTRC1$ST$Tr$q")],
                     "BAY1LD0/LLN0$Trip"),
        ),
    ),
    (
        asked(2, 2, "BAY1LD0/LLN0$GO$gcb01", [ber(0x1A, b"PTRC1$ST$Tr$q"), ber(0x1A, b"none")]),
        answered(2, 2, "BAY1LD0/LLN0$GO$gcb01", positive([ber(0x80, b"\2"), ber(0x82, b"\1")])),
    ),
    (
        asked(3, 3, "BAY1LD0/LLN0$GS$gcb09", [ber(0x02, b"\1")]),
        answered(3, 3, "BAY1LD0/LLN0$GS$gcb09", ber(0x83, b"\1")),
    ),
    (
        asked(4, 4, "BAY1LD0/LLN0$GS$gcb09", [ber(0x1A, b"PTRC1$ST$Tr")]),
        frame(0x4000, ber(0x60, ber(0x80, number(4)) + ber(0xA2, ber(0x80, b"")))),
    ),
)  # fmt: skip


def management() -> list[tuple[int, Host, bytes, int, bytes]]:
    """An engineering tool asks a bay for the members of its data sets."""
    records = []
    for turn, (request, response) in enumerate(MANAGED):
        begin = START + turn * SECOND
        records.append((begin, TOOL, BAY.hardware, MANAGEMENT, request))
        records.append((begin + 3 * MILLISECOND, BAY, TOOL.hardware, MANAGEMENT, response))
    return records


CAPTURES: dict[str, Callable[[], list[tuple[int, Host, bytes, int, bytes]]]] = {
    make.__name__: make for make in (bay_trip, test_bench, management)
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
