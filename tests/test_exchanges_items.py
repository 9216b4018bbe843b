"""Items, contexts, reports and values with gaps, by a toy protocol on UDP and on Ethernet."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_runs import MS, START, as_pcap, taken

from otsec.capture import open_capture
from otsec.columns import I64, Bytes, Header, Ints, Mask, gather, ranges
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.exchanges.contexts import Known
from otsec.protocols.api import (
    F32_BE,
    NOT_MINE,
    Contexts,
    Elements,
    Framing,
    Items,
    Message,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.values import from_cells
from otsec.state import pack, unpack
from otsec.streams.claim import Registry

HEAD = np.dtype([("magic", "u1"), ("operation", "u1"), ("tag", "u1"), ("count", "u1")])
ITEM = 10  # number, flag, a float, a flag, three bytes of nothing
ANSWER, REPORT, NAME = 0x80, ord("R"), ord("N")
ETHERTYPE = 0x88B5


def _lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    return np.where(header["magic"] == ord("L"), HEAD.itemsize, NOT_MINE)


WHOLE = Framing("list", HEAD, _lengths, 1_500, datagram=True)


def _head(units: Units) -> Header:
    header, _ = gather(units.buffer, units.start, units.end, HEAD)
    return header


def claims(units: Units) -> Mask:
    """Lists begin with an L."""
    return np.asarray(_head(units)["magic"] == ord("L"), np.bool_)


def sides(units: Units) -> Ints:
    """Answers have the highest bit of the operation set."""
    answers = _head(units)["operation"] & ANSWER != 0
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def _counts(units: Units) -> I64:
    header = _head(units)
    lists = header["operation"] != NAME
    return np.where(lists, header["count"], 0).astype(np.int64)


def _plain(count: int, words: list[Ints], tag: Ints, malformed: Mask, **more: Any) -> Split:
    none = np.zeros(count, np.int64)
    given: dict[str, Any] = {
        "value_start": none,
        "value_count": none,
        "value_type": np.full(count, F32_BE, np.uint8),
        **more,
    }
    return Split(
        [word.astype(np.uint64) for word in words], none, none,
        tag.astype(np.uint64), malformed=malformed, **given,
    )  # fmt: skip


def split(units: Units) -> Split:
    """Key: the operation, and what a name names."""
    header = _head(units)
    alone = (header["operation"] == REPORT) | (header["operation"] == NAME)
    short = units.start + HEAD.itemsize + ITEM * _counts(units) > units.end
    count = len(units)
    words = [header["operation"], np.where(header["operation"] == NAME, header["tag"], 0)]
    return _plain(count, words, header["tag"], np.asarray(short), alone=alone)


def items(units: Units) -> Items:
    """Ten bytes each; the number is the key."""
    count = _counts(units)
    owner = np.repeat(np.arange(len(units)), count)
    rank = ranges(np.zeros(len(units), np.int64), count)
    start = units.start[owner] + HEAD.itemsize + ITEM * rank
    valued = (_head(units)["operation"][owner] & ANSWER != 0) | (
        _head(units)["operation"][owner] == REPORT
    )
    return Items(
        owner, start, start + ITEM,
        _plain(
            len(owner), [units.buffer[start]], owner, np.zeros(len(owner), np.bool_),
            value_start=start + 2,
            value_count=np.where(valued, 2, 0),  # the float, and the four bytes behind its flag
            value_step=np.full(len(owner), 4),
        ),
    )  # fmt: skip


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A list, a point of one, or a name."""
    reader.take(1)
    operation = reader.u8()
    tag = reader.u8()
    if operation == NAME:
        return Message("name", "config", f"set {tag}")
    number = "none"
    elements = None
    if reader.item is not None:
        number = f"{reader.context or 'unknown'} {reader.at(reader.item[0]).u8()}"
        if side == Side.RESPONSE or operation == REPORT:
            elements = Elements("point", 0, 2)
    word = "report" if operation == REPORT else f"op_{operation & ~ANSWER}"
    what = request.object if request else number
    return Message(word, "read", what, outcome="ok" if side else "", elements=elements)


def learn(reader: Reader, _side: Side, memory: dict[str, Any]) -> list[tuple[int, str]]:
    """The text of a name, with how many were set before."""
    reader.take(2)
    tag = reader.u8()
    memory["set"] = memory.get("set", 0) + 1
    meaning = reader.at(HEAD.itemsize).rest().decode()
    return [(1, f"{meaning}{memory['set']}" if tag else "")]


CONTEXTS = Contexts(
    "hosts",
    sets=lambda units: np.asarray(_head(units)["operation"] == NAME),
    names=lambda units: np.where(_head(units)["operation"] == NAME, 0, 1).astype(np.uint64),
    learn=learn,
)
TOY = Protocol(
    "toy", "Toy", "none", frozenset({"udp", "ethernet"}), frozenset({7_000, ETHERTYPE}), (WHOLE,),
    claims, sides, split, decode, (), items=items, contexts=CONTEXTS,
)  # fmt: skip


def unit(operation: int, tag: int, *points: tuple[int, float]) -> bytes:
    """A list of points, each with a float that its answer says twice."""
    listed = b"".join(struct.pack(">BBff", number, 0, value, value) for number, value in points)
    return bytes([ord("L"), operation, tag, len(points)]) + listed


def udp(data: bytes, *, back: bool = False) -> bytes:
    """A datagram on Ethernet between a client on port 40000 and a server on port 7000."""
    ends = (b"\x0a\0\0\1", 40_000, 1), (b"\x0a\0\0\2", 7_000, 2)
    source, target = reversed(ends) if back else ends
    body = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0) + data
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0)
    macs = bytes([2, 0, 0, 0, 0, target[2]]) + bytes([2, 0, 0, 0, 0, source[2]])
    return macs + b"\x08\0" + head + source[0] + target[0] + body


def frame(data: bytes) -> bytes:
    """A frame to a group, padded as Ethernet pads."""
    macs = bytes.fromhex("0180c2000001") + bytes([2, 0, 0, 0, 0, 9])
    return (macs + struct.pack(">H", ETHERTYPE) + data).ljust(60, b"\0")


def run(
    frames: list[bytes], path: Path, batch: int, **how: Any
) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the engine; ``resume``: it is dumped and loaded behind each batch."""
    resume = how.pop("resume", False)
    path.write_bytes(as_pcap((START + at * 10 * MS, data) for at, data in enumerate(frames)))
    registry, settings = Registry((TOY,)), Settings(seed=5, **how)
    engine = Engine(registry, Caps(), settings)
    reader = open_capture(path, batch_packets=batch)
    for chunk in reader.chunks():
        for one in chunk.batches:
            engine.apply(one, columnar(one, registry, settings))
            if resume:
                for exchanges in engine.exchanges:
                    state = unpack(pack(exchanges.dump()))
                    exchanges.known = Known(CONTEXTS, 100)
                    exchanges.load(state)
    reader.close()
    return taken(engine)


def behaviours(rows: dict[str, list[tuple[Any, ...]]]) -> list[str]:
    """What was found: operation, object, outcome, count."""
    return sorted(f"{row[5]} {row[7]} {row[8]} {row[9]}" for row in rows["behaviour"])


WAYS: list[dict[str, Any]] = [
    {"batch": 1}, {"batch": 3}, {"batch": 99}, {"batch": 99, "all_plain": True},
    {"batch": 2, "cache_off": True}, {"batch": 99, "hash_bits": 8}, {"batch": 2, "resume": True},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_items_are_behaviours_of_their_own(way: dict[str, Any], tmp_path: Path) -> None:
    """Items pair by their place in the list; a list that is shorter is made up by the unit."""
    frames = [
        udp(unit(1, 1, (5, 0), (6, 0))), udp(unit(0x81, 1, (5, 1.5), (6, -2.5)), back=True),
        udp(unit(1, 2, (6, 0), (5, 0))), udp(unit(0x81, 2, (6, 0.25), (5, 8)), back=True),
        udp(unit(1, 3, (5, 0), (6, 0))), udp(unit(0x81, 3), back=True),
        udp(unit(1, 4)), udp(unit(0x81, 4, (9, 1)), back=True),
        udp(unit(1, 5, (7, 0))),
    ]  # fmt: skip
    rows = run(frames, tmp_path / "items.pcap", **way)
    assert behaviours(rows) == [
        "op_1 none ok 1", "op_1 unknown 5 ok 3", "op_1 unknown 6 ok 3", "op_1 unknown 7 open 1",
    ]  # fmt: skip
    names = {row[1]: row[7] for row in rows["behaviour"]}
    held = {
        names[row[1]]: [from_cells(np.frombuffer(row[at], "<i8"), row[4])[0] for at in (5, 6)]
        for row in rows["value"]
    }
    assert held["unknown 5"] == [1.5, 8]
    assert held["unknown 6"] == [-2.5, 0.25]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_context_holds_for_what_comes_behind(way: dict[str, Any], tmp_path: Path) -> None:
    """What stands in a context is named by it from the next unit on, until it ends."""
    report = unit(REPORT, 0, (5, 1.0))
    frames = [
        udp(report), udp(unit(NAME, 1) + b"tank"), udp(report), udp(report),
        udp(unit(NAME, 2) + b"pump"), udp(report), udp(unit(NAME, 0)), udp(report),
    ]  # fmt: skip
    rows = run(frames, tmp_path / "contexts.pcap", **way)
    assert behaviours(rows) == [
        "name set 0 ok 1", "name set 1 ok 1", "name set 2 ok 1",
        "report pump2 5 ok 1", "report tank1 5 ok 2", "report unknown 5 ok 2",
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_frames_on_ethernet(way: dict[str, Any], tmp_path: Path) -> None:
    """A publisher on Ethernet is asked for by its ethertype; padding is part of its frame."""
    other = frame(unit(REPORT, 0, (5, 2.0)))
    other = other[:12] + b"\x88\xb6" + other[14:]
    frames = [frame(unit(REPORT, 0, (5, 2.0))), other, frame(unit(REPORT, 1, (5, 4.0)))]
    rows = run(frames, tmp_path / "frames.pcap", **way)
    assert behaviours(rows) == ["report unknown 5 ok 2"]
    told = {row[6]: row[8:10] for row in rows["conversation"]}
    assert json.loads(json.dumps(told)) == {"0x88b5": ["toy", "content"], "0x88b6": ["", ""]}, told
