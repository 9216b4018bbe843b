"""DNP3 link frames and transport segments, by hand and against tshark."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_captures import cut, payloads, tshark

from otsec.columns import gather
from otsec.protocols.api import NOT_MINE, Pieces
from otsec.protocols.framing.dnp3 import CHECK, DNP3


def frame(control: int, target: int, source: int, data: bytes = b"") -> bytes:
    """A frame with its check sums, [1815] 9.2.4."""
    head = bytes([0x05, 0x64, 5 + len(data), control])
    head += target.to_bytes(2, "little") + source.to_bytes(2, "little")
    blocks = [data[at : at + 16] for at in range(0, len(data), 16)]
    return b"".join(part + CHECK.of(part).to_bytes(2, "little") for part in [head, *blocks])


def pieces(data: list[bytes]) -> Pieces:
    """What whole frames carry."""
    assert DNP3.pieces is not None
    size = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(size)
    return DNP3.pieces(np.frombuffer(b"".join(data), np.uint8), end - size, end)


def rows(found: Pieces) -> list[tuple[str, int, bool, bool, bool]]:
    """(bytes, kind, first, last, bad) of each piece."""
    return [
        (
            found.buffer[found.start[at] : found.end[at]].tobytes().hex(),
            int(found.kind[at]),
            bool(found.first[at]),
            bool(found.last[at]),
            bool(found.bad[at]),
        )
        for at in range(len(found.start))
    ]


def lengths(data: list[bytes]) -> list[int]:
    """The length given to each of these headers."""
    buffer = np.frombuffer(b"".join(one[:10] for one in data), np.uint8)
    start = np.arange(len(data), dtype=np.int64) * 10
    header, _ = gather(buffer, start, start + 10, DNP3.header)
    return DNP3.lengths(buffer, start, start + 10, header).tolist()


# reset of link states from 0 to 1: a frame in many public captures
RESET = bytes.fromhex("056405c001000000044b")[:8]


def test_header_check_sum() -> None:
    """The check sum is that of the catalogue of CRCs: 123456789 gives EA82."""
    assert CHECK.of(b"123456789") == 0xEA82
    assert frame(0xC0, 1, 0)[:8] == RESET


LONG = bytes(range(40))
FRAMES = {
    "whole": (frame(0xC4, 10, 1, b"\xc0" + LONG[:5]), ("c40a000100" + LONG[:5].hex(), 0, True, True)),
    "first": (frame(0xC4, 10, 1, b"\x40" + LONG[:15]), ("c40a000100" + LONG[:15].hex(), 0, True, False)),
    "middle": (frame(0xC4, 10, 1, b"\x01" + LONG[:16]), (LONG[:16].hex(), 0, False, False)),
    "last": (frame(0x44, 1, 10, b"\x82" + LONG), (LONG.hex(), 0, False, True)),
    "empty": (frame(0xC3, 1, 10, b"\xc0"), ("c301000a00", 0, True, True)),
    "reset": (frame(0xC0, 1, 0), ("c001000000", 0xC0, True, True)),
    "acknowledge": (frame(0x00, 0, 1), ("0000000100", 0x80, True, True)),
    "link status": (frame(0xC9, 1, 0), ("c901000000", 0xC9, True, True)),
    "no user data": (frame(0xC4, 10, 1), ("c40a000100", 0xC4, True, True)),
}  # fmt: skip


def test_pieces() -> None:
    """Frames give up their check sums, and tell which piece of what they are."""
    data = [one for one, _ in FRAMES.values()]
    expected = [(*row, name == "no user data") for name, (_, row) in FRAMES.items()]
    assert rows(pieces(data)) == expected
    assert [rows(pieces([one]))[0] for one in data] == expected
    assert lengths(data) == [len(one) for one in data]


def test_lanes() -> None:
    """Each pair of addresses and direction has a lane of its own."""
    data = [
        frame(0xC4, 10, 1, b"\x40a"),
        frame(0xC3, 10, 1, b"\x41b"),
        frame(0x44, 10, 1, b"\x40c"),
        frame(0xC4, 11, 1, b"\x40d"),
        frame(0xC4, 1, 10, b"\x40e"),
    ]
    lanes = pieces(data).lane.tolist()
    assert lanes[0] == lanes[1]
    assert len(set(lanes)) == 4


def test_wrong_check_sums() -> None:
    """A wrong bit in the header makes it no frame; in a block it makes a bad piece."""
    good = FRAMES["last"][0]
    for offset in range(8):
        other = bytearray(good)
        other[offset] ^= 4
        assert lengths([bytes(other)]) == [NOT_MINE]
    for offset in range(10, len(good)):
        other = bytearray(good)
        other[offset] ^= 4
        assert pieces([bytes(other), good]).bad.tolist() == [True, False]


def test_a_frame_that_is_not_whole() -> None:
    """A frame cut short, against the contract, is bad and nothing behind it is read."""
    good = FRAMES["last"][0]
    for size in range(10, len(good)):
        assert pieces([good[:size]]).bad.tolist() == [True]


@given(st.binary(max_size=250), st.integers(0, 255))
@settings(max_examples=100)
def test_round_trip(data: bytes, control: int) -> None:
    """What is put into a frame comes out of it, and no frame is bad that has data to carry."""
    one = frame(control, 4, 1024, data)
    found = pieces([one])
    assert lengths([one]) == [len(one)]
    carries = bool(control & 0x40) and control & 0x0F in (3, 4)
    assert found.bad.tolist() == [carries and not data]
    if carries and data:
        head = bytes([control, 4, 0, 0, 4]) if data[0] & 0x40 else b""
        assert rows(found)[0][0] == (head + data[1:]).hex()


CAPTURES = [
    ("dnp3/icsnpp-dnp3__dnp3_example.pcap", "tcp"),
    ("dnp3/zeek__dnp3.pcap", "tcp"),
    ("dnp3/zeek__dnp3_file_write.pcap", "tcp"),
    ("dnp3/zeek__dnp3_link_only.pcap", "tcp"),
    ("dnp3/zeek__dnp3_udp_read.pcap", "udp"),
    ("dnp3/iti__file_list_directory.pcap", "tcp"),
    ("dnp3/Quickdraw-Snort__dnp3_test_data_part1.pcap", "tcp"),
    ("dnp3/suricata-verify__dnp3-eve-input.pcap", "tcp"),
    ("dnp3/suricata-verify__dnp3-max-points-test.pcap", "tcp"),
]


@pytest.mark.parametrize(("name", "transport"), CAPTURES)
def test_real_captures(captures: Path, name: str, transport: str) -> None:
    """Frames, link functions, check sums, FIR and FIN are as many as tshark counts."""
    path = captures / name
    found = payloads(path, transport)
    _, start, end = cut(DNP3, found.buffer, found.start, found.end)
    assert DNP3.pieces is not None
    units = DNP3.pieces(found.buffer, start, end)
    fields = (
        "dnp3.len",
        "dnp.hdr.CRC.status",
        "dnp.data_chunk.CRC.status",
        "dnp3.tr.fir",
        "dnp3.tr.fin",
    )
    told = tshark(path, "-Y", "dnp3", *(word for field in fields for word in ("-e", field)))
    columns = [[value for row in told for value in row[at].split(",") if value] for at in range(5)]
    sizes, headers, blocks, first, last = columns
    carries = units.kind == 0
    assert Counter(sizes) == Counter(found.buffer[start + 2].astype(str).tolist())
    assert set(headers) == {"1"}  # what has no right header is no frame to us
    assert (units.bad.any()) is np.bool_("0" in blocks)
    true = {"1", "True"}
    assert sum(one in true for one in first) == int(units.first[carries].sum())
    assert sum(one in true for one in last) == int(units.last[carries].sum())
    assert len(first) == int(carries.sum())


def test_reassembled_sizes(captures: Path) -> None:
    """Fragments that tshark joins have the size of our pieces without the addresses in front."""
    path = captures / "dnp3/suricata-verify__dnp3-max-points-test.pcap"
    found = payloads(path)
    _, start, end = cut(DNP3, found.buffer, found.start, found.end)
    assert DNP3.pieces is not None
    units = DNP3.pieces(found.buffer, start, end)
    size, joined = 0, []
    for at in np.flatnonzero(units.kind == 0).tolist():
        whole = bool(units.first[at] and units.last[at])
        size = 0 if units.first[at] else size
        size += int(units.end[at] - units.start[at])
        if units.last[at] and not whole:
            joined.append(size - 5)
    told = tshark(
        path,
        "-Y",
        "dnp3.al.fragment.reassembled.length",
        "-e",
        "dnp3.al.fragment.reassembled.length",
    )
    assert joined == [int(value) for row in told for value in row[0].split(",")]
    assert len(joined) > 0
