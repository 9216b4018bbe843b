"""How senders open TCP connections: what their SYN tells of their TCP/IP stack.

Initial hop limit, window, and which options in which order (RFC 9293 3.2, RFC 7323, RFC 2018) are
choices of the implementation and change with no configuration, so they hint at the system.
"""

from dataclasses import dataclass

import numpy as np

from otsec.columns import I64, U64, Bytes, gather, walk
from otsec.model import ACK, SYN, TCP, Kind, Packets

_TCP_HEAD = np.dtype([("front", "u1", (14,)), ("window", ">u2"), ("sum", "u1", (4,))])
_BYTE, _SHORT = np.dtype("u1"), np.dtype(">u2")
IPV6_SIZE, IPV6_NEXT = 40, 6  # bytes; where the kind of what follows stands
MSS, SCALE = 2, 3  # kinds of options with a number
END, NOTHING = 0, 1  # kinds of options that are a single byte
NAMES = {END: "end", NOTHING: "nop", MSS: "mss", SCALE: "scale", 4: "sack", 8: "time"}
_CODES = (END, NOTHING, MSS, SCALE, 4, 8)
OTHER = len(_CODES)  # code of all other kinds
MOST = 15  # options told, of four bits each, the first in the lowest
HOPS = np.array([32, 64, 128, 255])  # with which stacks begin; each router takes one off

# Of the first word, from the lowest bit: MSS 16, window 16, scale 8, hops 8, answers 1, known 1.
_WINDOW, _SCALE, _HOPS, _ANSWERS, _KNOWN = (np.uint64(bit) for bit in (16, 32, 40, 48, 49))
NO_SCALE = 255


@dataclass(frozen=True, slots=True)
class Openings:
    """SYN packets: their rows, whether each answers another, and the stack as two words."""

    row: I64
    answers: I64
    words: U64  # shape (rows, 2)


def openings(buffer: Bytes, packets: Packets) -> Openings:
    """The SYN packets whose headers are whole."""
    opens = (packets.flags & SYN != 0) & (packets.protocol == TCP) & (packets.problem == 0)
    row = np.flatnonzero(opens)
    if not len(row):  # as in most batches of a few packets
        return Openings(row, row, np.empty((0, 2), np.uint64))
    start = _headers(buffer, packets, row)
    end = np.minimum(packets.payload[row], len(buffer))
    head, fits = gather(buffer, start, end, _TCP_HEAD)
    row, start, end, head = row[fits], start[fits], end[fits], head[fits]
    count = len(row)
    order = np.zeros(count, np.uint64)
    mss, scale = np.zeros(count, np.uint64), np.full(count, NO_SCALE, np.uint64)
    found = walk(start + _TCP_HEAD.itemsize, end, lambda _, at: _length(buffer, at))
    which = found.walker
    rank = np.arange(len(which)) - np.searchsorted(which, which)
    kind = buffer[found.offset].astype(np.int64)
    code = np.searchsorted(_CODES, kind).clip(0, OTHER)
    code[(code == OTHER) | (np.array([*_CODES, -1])[code] != kind)] = OTHER
    shown = rank < MOST
    shift = (4 * rank[shown]).astype(np.uint64)
    np.bitwise_or.at(order, which[shown], (code[shown] + 1).astype(np.uint64) << shift)
    for numbers, option, dtype in ((mss, MSS, _SHORT), (scale, SCALE, _BYTE)):
        mine = np.flatnonzero(kind == option)
        value, whole = gather(buffer, found.offset[mine] + 2, end[which[mine]], dtype)
        numbers[which[mine[whole]]] = value[whole]
    hops = HOPS[np.searchsorted(HOPS, packets.ttl[row].astype(np.int64))]
    answers = (packets.flags[row] & ACK != 0).astype(np.int64)
    window, hops, told = (one.astype(np.uint64) for one in (head["window"], hops, answers))
    first = mss | window << _WINDOW | scale << _SCALE | hops << _HOPS | told << _ANSWERS
    return Openings(row, answers, np.stack([first | np.uint64(1) << _KNOWN, order], axis=1))


def _headers(buffer: Bytes, packets: Packets, row: I64) -> I64:
    """Where the TCP header of each begins; -1 behind extension headers of IPv6."""
    network, kind = packets.network[row], packets.kind[row]
    end = packets.payload[row]
    first, _ = gather(buffer, network, end, _BYTE)
    follows, _ = gather(buffer, network + IPV6_NEXT, end, _BYTE)
    old = network + (first.astype(np.int64) & 0x0F) * 4
    new = np.where(follows == TCP, network + IPV6_SIZE, -1)
    return np.where(kind == Kind.IPV4, old, np.where(kind == Kind.IPV6, new, -1))


def _length(buffer: Bytes, at: I64) -> I64:
    """Bytes of the option at each offset; 0 behind the last."""
    kind = buffer[at].astype(np.int64)
    told = buffer[np.minimum(at + 1, len(buffer) - 1)].astype(np.int64)
    return np.where(kind == END, 1 << 16, np.where(kind == NOTHING, 1, np.where(told < 2, 0, told)))


def stack_text(first: int, order: int) -> str:
    """``SYN: hops 64, window 29200, mss 1460, scale 7, mss sack time nop scale``; "" unknown."""
    if not first >> int(_KNOWN):
        return ""
    mss, window = first & 0xFFFF, first >> int(_WINDOW) & 0xFFFF
    scale, hops = first >> int(_SCALE) & 0xFF, first >> int(_HOPS) & 0xFF
    parts = [f"hops {hops}", f"window {window}"]
    parts += [f"mss {mss}"] if mss else []
    parts += [f"scale {scale}"] if scale != NO_SCALE else []
    parts.append(" ".join(_option_names(order)) or "no options")
    return f"{'SYN-ACK' if first >> int(_ANSWERS) & 1 else 'SYN'}: {', '.join(parts)}"


def stack_words(text: str) -> tuple[int, int]:
    """The words of the stack that `stack_text` writes so."""
    if not text:
        return 0, 0
    what, _, told = text.partition(": ")
    *numbers, names = told.split(", ")
    of = {name: int(number) for name, number in (one.split(" ") for one in numbers)}
    shifts = (("window", _WINDOW), ("scale", _SCALE), ("hops", _HOPS))
    of.setdefault("scale", NO_SCALE)
    first = of.get("mss", 0) | 1 << int(_KNOWN) | (what == "SYN-ACK") << int(_ANSWERS)
    first |= sum(of[name] << int(shift) for name, shift in shifts)
    codes = {NAMES[code]: number for number, code in enumerate(_CODES)}
    order = 0
    for at, name in enumerate([] if names == "no options" else names.split(" ")):
        order |= codes.get(name, OTHER) + 1 << 4 * at
    return first, order


def _option_names(order: int) -> list[str]:
    names = []
    while order:
        code = (order & 0xF) - 1
        names.append(NAMES[_CODES[code]] if code < OTHER else "other")
        order >>= 4
    return names
