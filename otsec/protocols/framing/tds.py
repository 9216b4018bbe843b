"""Packets of TDS, and requests that go on from one packet in the next.

Source: [TDS] MS-TDS 2.2.3.

A unit is a packet, header included; packets of one request are joined, headers included too. Each
packet of a result is a unit, for results are long and what tells of them stands in the first and
in the last. Once encrypted there are records of TLS instead of packets: units of their own kind.
"""

import numpy as np

from otsec.columns import I64, Bytes, Header, gather
from otsec.protocols.api import NOT_MINE, Framing, Pieces

HEADER = np.dtype(
    [("type", "u1"), ("status", "u1"), ("length", ">u2"), ("spid", ">u2"), ("id", "u1"),
     ("window", "u1")]
)  # fmt: skip
RECORD = np.dtype([("type", "u1"), ("major", "u1"), ("minor", "u1"), ("length", ">u2")])
FRONT = HEADER.itemsize
BATCH, LOGIN_OLD, RPC, RESULT, ATTENTION, BULK, TOKEN, MANAGER = 1, 2, 3, 4, 6, 7, 8, 14
QUERY, LOGIN7, SSPI, PRELOGIN = 15, 16, 17, 18
TYPES = frozenset(
    {BATCH, LOGIN_OLD, RPC, RESULT, ATTENTION, BULK, TOKEN, MANAGER, QUERY, LOGIN7, SSPI, PRELOGIN}
)
LAST = 0x01  # status: ends the message, [TDS] 2.2.3.1.2
LONGEST = 32_768  # bytes of a packet that can be agreed
RECORD_TYPES, RECORD_LONGEST = (20, 21, 22, 23), (1 << 14) + 2048
ENDLESS = 1 << 20
SEALED = 1  # Pieces.kind
_KNOWN = np.isin(np.arange(256), list(TYPES))
_WHOLE = np.isin(np.arange(256), [RESULT, BULK])  # types whose packets are not joined


def _sealed(buffer: Bytes, start: I64, end: I64) -> tuple[Header, Header]:
    record, _ = gather(buffer, start, end, RECORD)
    fits = np.isin(record["type"], RECORD_TYPES) & (record["major"] == 3) & (record["minor"] <= 4)
    return record, fits & (record["length"] > 0) & (record["length"] <= RECORD_LONGEST)


def _lengths(buffer: Bytes, start: I64, end: I64, header: Header) -> I64:
    length = header["length"].astype(np.int64)
    packet = _KNOWN[header["type"]] & (length >= FRONT) & (length <= LONGEST)
    packet &= (header["window"] == 0) & (header["status"] < 0x20)
    record, sealed = _sealed(buffer, start, end)
    behind = np.where(sealed, record["length"].astype(np.int64) + RECORD.itemsize, ENDLESS)
    behind = np.where(_KNOWN[header["type"]], NOT_MINE, np.maximum(behind, FRONT))
    return np.where(packet, length, behind)


def _pieces(buffer: Bytes, start: I64, end: I64) -> Pieces:
    header, _ = gather(buffer, start, end, HEADER)
    _, sealed = _sealed(buffer, start, end)
    none = np.zeros(len(start), np.bool_)
    return Pieces(
        buffer,
        start,
        end,
        first=none,
        last=sealed | _WHOLE[header["type"]] | ((header["status"] & LAST) != 0),
        lane=np.zeros(len(start), np.uint64),
        kind=np.where(sealed, SEALED, 0).astype(np.uint8),
        bad=none,
    )


TDS = Framing(
    "tds",
    HEADER,
    _lengths,
    longest=ENDLESS,
    pieces=_pieces,
    tells_first=False,
    longest_message=1 << 20,
    begins=((0, TYPES), (1, frozenset(range(0x20))), (7, frozenset({0}))),
)
