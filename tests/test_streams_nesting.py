"""Framings that nest and transform, through the whole engine, with a toy protocol on top."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_runs import CLIENT, SERVER, Tcp, Wire

from otsec.capture import open_capture
from otsec.columns import I64, Bytes, Header, Ints, Mask, gather
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.protocols.api import (
    NOT_MINE,
    U8,
    Framing,
    Message,
    Pieces,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.dnp3 import CHECK, DNP3
from otsec.protocols.framing.tpkt_cotp import TPKT_COTP
from otsec.streams.claim import Registry

HEAD = np.dtype([("magic", "u1"), ("operation", "u1"), ("tag", "u1")])
SIZED = np.dtype([("mark", "u1"), ("size", ">u2")])
ANSWER = 0x80
PREFIX = {"dnp3": 5}  # what a framing puts in front of its messages


def _head(units: Units, skip: int) -> tuple[Header, Mask]:
    return gather(units.buffer, units.start + skip, units.end, HEAD)


def toy(framing: Framing, skip: int = 0) -> Protocol:
    """A protocol whose messages are ``T``, operation, tag and a name."""

    def claims(units: Units) -> Mask:
        header, fits = _head(units, skip)
        return np.asarray(fits & (header["magic"] == ord("T")) & (units.kind == 0), np.bool_)

    def sides(units: Units) -> Ints:
        header, _ = _head(units, skip)
        answers = header["operation"] & ANSWER != 0
        return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)

    def split(units: Units) -> Split:
        header, fits = _head(units, skip)
        start = units.start + skip + HEAD.itemsize
        none = np.zeros(len(units), np.int64)
        return Split(
            [header["operation"].astype(np.uint64)],
            np.where(fits, start, 0),
            np.where(fits, units.end - start, 0),
            header["tag"].astype(np.uint64),
            none,
            none,
            np.full(len(units), U8, np.uint8),
            ~fits | (header["magic"] != ord("T")),
        )

    def decode(reader: Reader, side: Side, request: Message | None) -> Message:
        reader.take(skip + 1)
        operation = reader.u8() & ~ANSWER
        reader.u8()
        name = reader.rest().decode("ascii")
        what = request.object if request else f"{name[:4]} of {len(name)}"
        return Message(f"op_{operation}", "read", what, outcome="ok" if side else "")

    return Protocol(
        "toy", "Toy", "none", frozenset({"tcp"}), frozenset({102}), (framing,), claims, sides,
        split, decode, (),
    )  # fmt: skip


def _sized(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    size = header["size"].astype(np.int64)
    return np.where(header["mark"] == ord("L"), SIZED.itemsize + size, NOT_MINE)


def _unsized(buffer: Bytes, start: I64, end: I64) -> Pieces:
    all_, none = np.ones(len(start), np.bool_), np.zeros(len(start), np.bool_)
    return Pieces(
        buffer, start + SIZED.itemsize, end, all_, all_, np.zeros(len(start), np.uint64),
        np.zeros(len(start), np.uint8), none,
    )  # fmt: skip


INNER = Framing("sized", SIZED, _sized, 60_000, pieces=_unsized, over=TPKT_COTP)


def cotp(message: bytes, piece: int) -> bytes:
    """A message as DT units of at most ``piece`` bytes."""
    parts = [message[at : at + piece] for at in range(0, len(message), piece)]
    return b"".join(
        struct.pack(">BBHBBB", 3, 0, 7 + len(part), 2, 0xF0, 0x80 if last else 0) + part
        for part, last in zip(parts, [False] * (len(parts) - 1) + [True], strict=True)
    )


def dnp3(fragment: bytes, piece: int, addresses: tuple[int, int] = (1, 9)) -> bytes:
    """An application fragment as link frames with transport octets and check sums."""

    def checked(data: bytes) -> bytes:
        return data + struct.pack("<H", CHECK.of(data))

    parts = [fragment[at : at + piece] for at in range(0, len(fragment), piece)]
    frames = []
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        octet = 0x40 * first | 0x80 * last | number & 0x3F
        user = bytes([octet]) + part
        head = struct.pack("<BBBBHH", 5, 0x64, 5 + len(user), 0xC4, *addresses)
        blocks = [checked(user[at : at + 16]) for at in range(0, len(user), 16)]
        frames.append(checked(head) + b"".join(blocks))
    return b"".join(frames)


WRAPS = {
    "tpkt_cotp": (toy(TPKT_COTP), cotp),
    "sized over tpkt_cotp": (
        toy(INNER),
        lambda message, piece: cotp(b"L" + struct.pack(">H", len(message)) + message, piece),
    ),
    "dnp3": (toy(DNP3, PREFIX["dnp3"]), dnp3),
}
NAMES = [b"short", b"x" * 100, b"y" * 700, b"short", b"z" * 2_500]


def behaviours(
    protocol: Protocol, content: bytes, folder: Path, batch: int, *, plain: bool
) -> list[str]:
    """What the engine finds: each behaviour with its count."""
    path = folder / "nested.pcap"
    path.write_bytes(content)
    registry = Registry((protocol,))
    settings = Settings(seed=7, all_plain=plain)
    engine = Engine(registry, Caps(), settings)
    reader = open_capture(path, batch_packets=batch)
    for chunk in reader.chunks():
        for one in chunk.batches:
            engine.apply(one, columnar(one, registry, settings))
    reader.close()
    rows = engine.take_rows(1)
    left = [sum(row[22:24]) for row in rows["conversation"]]
    assert protocol.head or not any(left), left
    return sorted(f"{row[5]} {row[7]} {row[8]} {row[9]}" for row in rows["behaviour"])


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("piece", [4_000, 90, 7])
@pytest.mark.parametrize("segment", [1_400, 64])
def test_nested(wrap: str, piece: int, segment: int, tmp_path: Path) -> None:
    """Messages come out whole however they were cut into frames, segments and batches."""
    protocol, dress = WRAPS[wrap]
    if wrap == "dnp3":
        piece = min(piece, 240)
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 102)))
    tcp.open()
    first = dress(b"T\x01\x00first", 4_000 if wrap != "dnp3" else 240)
    tcp.say(CLIENT, first)  # the unit by which it is claimed comes in one segment
    tcp.say(SERVER, dress(b"T\x81\x00", 100))
    for tag, name in enumerate(NAMES, 1):
        for side, message in ((CLIENT, b"T\x01%c" % tag + name), (SERVER, b"T\x81%c" % tag)):
            data = dress(message, piece)
            for at in range(0, len(data), segment):
                tcp.say(side, data[at : at + segment])
    wanted = sorted(
        ["op_1 firs of 5 ok 1", "op_1 shor of 5 ok 2", "op_1 xxxx of 100 ok 1",
         "op_1 yyyy of 700 ok 1", "op_1 zzzz of 2500 ok 1"]
    )  # fmt: skip
    for batch in (1, 5, 65_536):
        for plain in (False, True):
            assert behaviours(protocol, wire.bytes(), tmp_path, batch, plain=plain) == wanted


def headed(protocol: Protocol, head: int) -> Protocol:
    """The same protocol, of which only the beginning of each side is read."""
    return replace(protocol, head=head)


@pytest.mark.parametrize("head", [1, 40, 700, 1_500])
@pytest.mark.parametrize("segment", [1_400, 64, 7])
def test_only_the_beginning_is_read(head: int, segment: int, tmp_path: Path) -> None:
    """What begins behind the head is passed over, whatever the path and the batch."""
    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 102)))
    tcp.open()
    for tag, name in enumerate(NAMES, 1):
        for side, message in ((CLIENT, b"T\x01%c" % tag + name), (SERVER, b"T\x81%c" % tag)):
            data = cotp(message, 90)
            for at in range(0, len(data), segment):
                tcp.say(side, data[at : at + segment])
    ways = [(batch, plain) for batch in (1, 5, 65_536) for plain in (False, True)]
    protocol = headed(toy(TPKT_COTP), head)
    found = [
        behaviours(protocol, wire.bytes(), tmp_path, batch, plain=plain) for batch, plain in ways
    ]
    assert all(one == found[0] for one in found)
    whole = behaviours(headed(protocol, 0), wire.bytes(), tmp_path, 5, plain=False)
    assert _answered(found[0]) < _answered(whole) == len(NAMES)
    assert head < 100 or _answered(found[0])


def _answered(lines: list[str]) -> int:
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines if " ok " in line)
