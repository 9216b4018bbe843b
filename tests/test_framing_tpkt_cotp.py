"""TPKT packets and the COTP units in them, by hand and against tshark."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from wire_captures import cut, joined, payloads, tshark

from otsec.columns import gather
from otsec.protocols.api import NOT_MINE, Pieces
from otsec.protocols.framing.tpkt_cotp import CODES, DATA, TPKT_COTP

assert TPKT_COTP.pieces is not None


def pieces(data: list[bytes]) -> Pieces:
    """What whole packets carry."""
    assert TPKT_COTP.pieces is not None
    size = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(size)
    return TPKT_COTP.pieces(np.frombuffer(b"".join(data), np.uint8), end - size, end)


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


PACKETS = {
    # connection request and confirm of an S7 session, RFC 905 13.3 and 13.4
    "0300001611e00000000100c0010ac1020100c2020102": (
        "11e00000000100c0010ac1020100c2020102", 0xE0, True, True, False,
    ),
    "0300000b06d00001000200": ("06d00001000200", 0xD0, True, True, False),
    "0300000b06800001000280": ("06800001000280", 0x80, True, True, False),
    # DT of class 0: two bytes and the last of three
    "0300000902f000aabb": ("aabb", 0, False, False, False),
    "0300000902f080ccdd": ("ccdd", 0, False, True, False),
    "0300000702f080": ("", 0, False, True, False),
    # DT of class 2: destination reference and number in front, RFC 905 13.7
    "0300000a04f0000581ee": ("ee", 0, False, True, False),
    # credit stands in the low half of the code
    "0300000a0561000000ee": ("0561000000ee", 0x60, True, True, False),
    # a length indicator beyond the packet, none at all, and a code that nobody has
    "0300000920f000aabb": ("20f000aabb", 0, False, True, True),
    "0300000901f000aabb": ("01f000aabb", 0, False, False, True),
    "03000009023000aabb": ("023000aabb", 0x30, True, True, True),
}  # fmt: skip


def test_pieces() -> None:
    """Each packet carries what the standard says, alone and among others."""
    data = [bytes.fromhex(text) for text in PACKETS]
    assert rows(pieces(data)) == list(PACKETS.values())
    assert [rows(pieces([one]))[0] for one in data] == list(PACKETS.values())


def test_lengths() -> None:
    """Version, reserved byte and length decide."""
    heads = ["03000007", "0300ffff", "03000006", "03010007", "02000007", "47455420"]
    buffer = np.frombuffer(bytes.fromhex("".join(heads)), np.uint8)
    start = np.arange(len(heads), dtype=np.int64) * 4
    header, _ = gather(buffer, start, start + 4, TPKT_COTP.header)
    found = TPKT_COTP.lengths(buffer, start, start + 4, header)
    assert found.tolist() == [7, 65_535, NOT_MINE, NOT_MINE, NOT_MINE, NOT_MINE]


def test_random_packets() -> None:
    """No packet makes pieces that lie outside of it."""
    rng = np.random.default_rng(1)
    data = []
    for _ in range(2_000):
        body = rng.integers(0, 256, rng.integers(3, 30)).astype(np.uint8).tobytes()
        data.append(b"\x03\x00" + (len(body) + 4).to_bytes(2, "big") + body)
    found = pieces(data)
    size = np.array([len(one) for one in data])
    end = np.cumsum(size)
    assert (found.start >= end - size).all()
    assert (found.start <= found.end).all()
    assert (found.end <= end).all()


CAPTURES = [
    "s7comm/icsnpp-s7comm__snap7.pcap",
    "s7comm/icsnpp-s7comm__s7ident.pcap",
    "s7comm/iti__step7_s300_rwVarTab.pcap",
    "s7comm/iti__tia_s300_goOnline.pcap",
    "s7comm/iti__wincc_s400_production.pcap",
    "mms/iti__8d7c7db0-9804-012b-b2a6-0016cb8cea27.pcap",
    "mms/iti__iec61850_read.pcap",
    "mms/nDPI__iso9506-1-mms.pcap",
]


@pytest.mark.parametrize("name", CAPTURES)
def test_real_captures(captures: Path, name: str) -> None:
    """Packets, units by code and ends of messages are as many as tshark counts."""
    path = captures / name
    found = joined(payloads(path))
    _, start, end = cut(TPKT_COTP, found.buffer, found.start, found.end)
    assert TPKT_COTP.pieces is not None
    units = TPKT_COTP.pieces(found.buffer, start, end)
    mine = Counter(
        (CODES[kind or DATA], bool(last) and kind == 0)
        for kind, last in zip(units.kind.tolist(), units.last.tolist(), strict=True)
    )
    fields = tshark(path, "-Y", "cotp", "-e", "cotp.type", "-e", "cotp.eot")
    theirs: Counter[tuple[str, bool]] = Counter()
    for types, eots in fields:
        flags = iter(eots.split(","))
        for code in types.split(","):
            number = int(code, 16) << 4
            theirs[CODES[number], number == DATA and next(flags) in {"1", "True"}] += 1
    assert mine == theirs
    assert not units.bad.any()
    assert mine.total() > 0
