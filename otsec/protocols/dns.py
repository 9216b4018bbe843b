"""DNS, multicast DNS and LLMNR: which names are asked for, and who has which.

Sources: [1035] RFC 1035, 4.1 (message), [6762] RFC 6762 (mDNS), [4795] RFC 4795 (LLMNR), [2136]
RFC 2136 (update), [6763] RFC 6763 (services).

The key is all of a message but its id, and whether that is 0, as in mDNS. Who answers there tells
everybody of itself: it is the client of the group, as all publishers are. Questions to a group are
answered in another conversation, so they stand alone; so do LLMNR's answers.
Times to live are not told; of data that say nothing of who somebody is only the type is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, Bytes, Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    NOT_MINE,
    Fact,
    Framing,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.whole import LONGEST, whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text

PORTS = frozenset({53, 5353, 5355})
HEADER = np.dtype(
    [("id", ">u2"), ("flags", ">u2"), ("questions", ">u2"), ("answers", ">u2"),
     ("authorities", ">u2"), ("more", ">u2")]
)  # fmt: skip
SECTIONS = ("questions", "answers", "authorities", "more")
TCP_HEADER = np.dtype([("length", ">u2"), *((name, ">u2") for name in HEADER.names or ())])
PREFIX = 2  # bytes of the length in front of messages on TCP, [1035] 4.2.2
RESPONSE, AUTHORITY, CUT, WISHED, OFFERED, RESERVED = 0x8000, 0x0400, 0x0200, 0x0100, 0x80, 0x40
OPCODES: dict[int, tuple[str, OperationClass]] = {
    0: ("query", "browse"),
    1: ("inverse_query", "browse"),
    2: ("status", "browse"),
    4: ("notify", "report"),
    5: ("update", "config"),
}
ANNOUNCE: tuple[str, OperationClass] = ("announce", "report")
OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in OPCODES.items()),
    Operation(*ANNOUNCE, RESPONSE),
)
RCODES = {
    0: "ok", 1: "format_error", 2: "server_failure", 3: "no_such_name", 4: "not_implemented",
    5: "refused", 6: "name_exists", 7: "set_exists", 8: "no_such_set", 9: "not_authorized",
    10: "not_zone",
}  # fmt: skip
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
    28: "AAAA", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 50: "NSEC3", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 249: "TKEY", 250: "TSIG",
    251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip
OPT = 41
NETBIOS = (0x20, 0x21)  # types of NBNS, whose names are 32 letters from A to P
CLASSES = (1, 3, 4, 254, 255)
UNIQUE = 0x8000  # of a class: asks for a unicast answer, or says that no other has the name
MOST_LABELS, MOST_RECORDS = 128, 256


def _tcp_lengths(_buffer: Bytes, _start: I64, _end: I64, header: Header) -> I64:
    length = header["length"].astype(np.int64)
    known = (length >= HEADER.itemsize + 1) & np.isin(header["flags"] >> 11 & 0xF, list(OPCODES))
    known &= header["flags"] & RESERVED == 0
    return np.where(known, PREFIX + length, NOT_MINE)


DATAGRAM = whole("dns", HEADER.itemsize)
STREAM = Framing("dns_tcp", TCP_HEADER, _tcp_lengths, PREFIX + LONGEST)
ON_TCP = 1  # position in Protocol.framings


def _read(units: Units) -> tuple[I64, Header, Mask]:
    """Where each message begins, its header, and whether it is one as far as the header tells."""
    start = units.start + np.where(units.framing == ON_TCP, PREFIX, 0)
    header, fits = gather(units.buffer, start, units.end, HEADER)
    flags = header["flags"]
    fits = fits & (flags & RESERVED == 0) & np.isin(flags >> 11 & 0xF, list(OPCODES))
    least = 5 * header["questions"].astype(np.int64)
    least += sum(11 * header[name].astype(np.int64) for name in SECTIONS[1:])
    fits &= (least > 0) & (start + HEADER.itemsize + least <= units.end)
    return start, header, np.asarray(fits, np.bool_)


_ENTRIES = 3  # questions and records that claims look at
_OF_TYPE = np.dtype([("type", ">u2"), ("class", ">u2")])
_OF_RECORD = np.dtype([("type", ">u2"), ("class", ">u2"), ("ttl", ">u4"), ("length", ">u2")])
_OCTET = np.dtype("u1")


def _behind_names(buffer: Bytes, at: I64, end: I64) -> I64:
    """Where names end, label by label in rounds; -1 where they are none, [1035] 3.1 and 4.1.4."""
    behind = np.full(len(at), -1)
    at, rows = at.copy(), np.arange(len(at))
    for _ in range(MOST_LABELS):
        octet, fits = gather(buffer, at[rows], end[rows], _OCTET)
        size = octet.astype(np.int64)
        behind[rows[fits & (size == 0)]] = at[rows[fits & (size == 0)]] + 1
        behind[rows[fits & (size >= 0xC0)]] = at[rows[fits & (size >= 0xC0)]] + 2
        going = fits & (size > 0) & (size < 0x40)
        rows, size = rows[going], size[going]
        at[rows] += 1 + size
        if not len(rows):
            break
    return behind


def claims(units: Units) -> Mask:
    """The first questions and records are such, and where there are no more they fill the unit."""
    start, header, fits = _read(units)
    flags, ask = header["flags"], header["flags"] & RESPONSE == 0
    group = header["id"] == 0
    asked = header["questions"].astype(np.int64)
    total: I64 = sum((header[name].astype(np.int64) for name in SECTIONS), np.zeros_like(asked))
    fits &= ~ask | (flags & 0xF == 0)
    fits &= ~ask | group | (header["answers"] == 0) | (flags >> 11 & 0xF >= 4)
    fits &= (asked == 1) | group
    at = start + HEADER.itemsize
    for number in range(_ENTRIES):
        rows = np.flatnonzero(fits & (total > number))
        if not len(rows):
            break
        begin, end = at[rows], units.end[rows]
        behind = _behind_names(units.buffer, begin, end)
        question = number < asked[rows]
        good = behind >= 0
        two, short = gather(units.buffer, np.maximum(behind, 0), end, _OF_TYPE)
        record, long = gather(units.buffer, np.maximum(behind, 0), end, _OF_RECORD)
        good &= np.where(question, short, long)
        kind = two["type"]
        good &= (kind > 0) & ((kind < 262) | (kind >= 0x8000))
        good &= np.isin(two["class"] & ~np.uint16(UNIQUE), CLASSES) | (kind == OPT)
        good &= ~(np.isin(kind, NETBIOS) & _is_netbios(units.buffer, begin, end))
        size = np.where(question, 4, 10 + record["length"].astype(np.int64))
        good &= behind + size <= end
        at[rows] = np.where(good, behind + size, begin)
        fits[rows[~good]] = False
    fits &= (total > _ENTRIES) | (at == units.end)
    return np.asarray(fits, np.bool_)


def _is_netbios(buffer: Bytes, at: I64, end: I64) -> Mask:
    """Whether a label of 32 letters from A to P begins there."""
    label, fits = gather(buffer, at, end, np.dtype([("size", "u1"), ("letters", "u1", (32,))]))
    letters = label["letters"]
    coded = ((letters >= ord("A")) & (letters <= ord("P"))).all(axis=1)
    return np.asarray(fits & (label["size"] == 32) & coded, np.bool_)


def sides(units: Units) -> Ints:
    """The header tells; answers of mDNS are publications."""
    _, header, _ = _read(units)
    answers = (header["flags"] & RESPONSE != 0) & (header["id"] != 0)
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """The key is all behind the id, and whether that is 0."""
    start, header, fits = _read(units)
    group = header["id"] == 0
    flags, single = header["flags"], header["questions"] == 1
    rest: I64 = sum(
        (header[name].astype(np.int64) for name in SECTIONS[2:]), np.zeros(len(units), np.int64)
    )
    # who asks one server wishes recursion, or says what it can take ([6891]); LLMNR does neither
    local = single & (flags == 0) & (header["answers"] == 0) & (rest == 0)
    local |= single & (flags == RESPONSE) & (header["answers"] > 0)
    begin = start + PREFIX
    return keyed(
        units, begin, units.end - begin, ~fits, [group.astype(np.uint64)],
        tag=header["id"].astype(np.uint64), alone=np.asarray(group | local, np.bool_),
    )  # fmt: skip


# ------------------------------------------------------------------------------- decode


@dataclass(slots=True)
class _Names:
    """Reads names of one message; each place once, so that pointers cost nothing."""

    data: bytes
    known: dict[int, str] = field(default_factory=dict)

    def at(self, reader: Reader) -> str:
        """The name at the reader, which goes on behind it."""
        begin, labels, passed = reader.offset, list[tuple[int, str]](), 0
        tail = ""
        while (size := reader.u8()) != 0:
            if size >= 0xC0:
                place = (size & 0x3F) << 8 | reader.u8()
                if place >= begin:
                    raise Malformed(f"pointer forward to {place}")
                tail = self._elsewhere(place)
                break
            if size >= 0x40:
                raise Malformed(f"label of {size:#04x}")
            labels.append((reader.offset - 1, text_of_label(reader.take(size))))
            passed += 1 + size
            if passed > 255:
                raise Malformed("name longer than 255 bytes")
        for place, label in reversed(labels):
            tail = f"{label}.{tail}" if tail else label
            if len(tail) > 4 * 255:
                raise Malformed("name longer than 255 bytes")
            self.known[place] = tail
        return tail

    def _elsewhere(self, place: int) -> str:
        if place in self.known:
            return self.known[place]
        if place < HEADER.itemsize or len(self.known) > MOST_RECORDS * 8:
            raise Malformed(f"pointer to {place}")
        depth = self.known.setdefault(-1, "")  # pointers that follow each other
        if len(depth) > MOST_LABELS:
            raise Malformed("pointers without end")
        self.known[-1] = depth + "."
        found = self.at(Reader(self.data, place))
        self.known[-1] = depth
        self.known[place] = found
        return found


def text_of_label(raw: bytes) -> str:
    """A label as text, its own dots marked."""
    return text(raw).replace("\\", "\\\\").replace(".", "\\.")


@dataclass(slots=True)
class _Said:
    """What a message says; ``group``: to all, of the speaker itself."""

    group: bool
    answers: bool
    facts: list[Fact] = field(default_factory=list)

    def tell(self, attribute: str, value: str, about: str) -> None:
        if value:
            self.facts.append(Fact(attribute, value, about))


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """Questions and records, [1035] 4.1."""
    data = reader.data[PREFIX:] if reader.framing == ON_TCP else reader.data
    reader, names = Reader(data), _Names(data)
    group = reader.u16() == 0
    flags = reader.u16()
    counts = [reader.u16() for _ in SECTIONS]
    code = flags >> 11 & 0xF
    name, cls = OPCODES.get(code, (f"unknown_{code:#04x}", "browse"))
    answers = bool(flags & RESPONSE)
    if group and answers:
        name, cls = ANNOUNCE
    said = _Said(group, answers)
    notes = _flags_told(flags)
    asked = []
    for _ in range(min(counts[0], MOST_RECORDS)):
        who, kind, klass = names.at(reader), reader.u16(), reader.u16()
        asked.append(f"{who.lower()} {TYPES.get(kind, f'TYPE{kind}')}{_class(klass)}")
    told = [_record(reader, names, said) for _ in range(min(sum(counts[1:]), MOST_RECORDS))]
    if sum(counts) > MOST_RECORDS:
        notes.append(f"{sum(counts)} records; the first {MOST_RECORDS} are told")
    elif reader.left():
        notes.append(f"opaque: {reader.left()} bytes behind the records")
    if told:
        notes.append(f"{counts[1]} answers, {counts[2]} authorities: {_some(told, 8)}")
    if side == Side.RESPONSE and not group and flags & (OFFERED | AUTHORITY):
        said.tell("role_hint", "dns_server", "server")
    if side == Side.RESPONSE and request is not None:
        name, cls = request.operation, request.cls
    outcome = RCODES.get(flags & 0xF, f"error {flags & 0xF}") if side == Side.RESPONSE else ""
    return Message(
        name, cls, _some(asked or told, 3), outcome=outcome,
        facts=tuple(dict.fromkeys(said.facts)), note=", ".join(notes),
    )  # fmt: skip


def _class(number: int) -> str:
    """What is unusual of a class."""
    plain = number & ~UNIQUE
    said = "" if plain == 1 else f" class {plain}"
    return said + (" unicast" if number & UNIQUE else "")


def _some(what: list[str], most: int) -> str:
    """The first of some words, each once, and how many more there are."""
    once = list(dict.fromkeys(what))
    more = f", {len(once) - most} more" if len(once) > most else ""
    return ", ".join(once[:most]) + more


_FLAGS = {
    AUTHORITY: "authoritative", CUT: "cut", WISHED: "recursion wished", OFFERED: "recursion",
    0x20: "authentic", 0x10: "unchecked",
}  # fmt: skip


def _flags_told(flags: int) -> list[str]:
    return [word for bit, word in _FLAGS.items() if flags & bit]


def _record(reader: Reader, names: _Names, said: _Said) -> str:
    """One record: facts into ``said``, and its name and type."""
    who, kind, klass = names.at(reader), reader.u16(), reader.u16()
    alive = reader.u32() > 0
    size = reader.u16()
    begin = reader.offset
    content = reader.take(size)
    if kind == OPT:
        return f"OPT {klass} bytes"
    read = _READERS.get(kind)
    inner = Reader(reader.data[: begin + size], begin)
    if read is not None and alive and said.answers:
        read(inner, names, said, who)
    elif kind in (1, 28):  # what a client tells that it knows already, or updates
        return f"{who.lower()} {TYPES[kind]} {address(content)}"
    return f"{who.lower()} {TYPES.get(kind, f'TYPE{kind}')}{_class(klass & ~UNIQUE)}"


RecordReader = Callable[[Reader, _Names, _Said, str], None]


_LOOPBACK = bytes(15) + b"\1"


def _address(inner: Reader, _names: _Names, said: _Said, who: str) -> None:
    raw = inner.rest()
    if len(raw) not in (4, 16):
        raise Malformed(f"address of {len(raw)} bytes")
    if said.group:
        if "._" not in who:  # what is named like a service is no host
            said.tell("hostname", who, "client")
        if raw[:1] != b"\x7f" and raw != _LOOPBACK:
            said.tell("ip_address", address(raw), "client")
    else:
        said.tell("hostname", who, address(raw))


def _pointer(inner: Reader, names: _Names, said: _Said, who: str) -> None:
    """A name for an address, or an instance of a service, [6763] 4.1."""
    target = names.at(inner)
    about = _reversed(who.lower())
    if about:
        said.tell("hostname", target, about)
    elif said.group:
        said.tell("service", target, "client")


def _reversed(name: str) -> str:
    """The address that a name below arpa stands for, [1035] 3.5 and RFC 3596 2.5."""
    labels = name.split(".")
    if name.endswith(".in-addr.arpa") and len(labels) == 6:
        octets = labels[3::-1]
        plain = all(one.isascii() and one.isdecimal() and int(one) < 256 for one in octets)
        return ".".join(octets) if plain else ""
    if name.endswith(".ip6.arpa") and len(labels) == 34:
        digits = "".join(labels[31::-1])
        try:
            return address(bytes.fromhex(digits)) if len(digits) == 32 else ""
        except ValueError:
            return ""
    return ""


def _service(inner: Reader, names: _Names, said: _Said, who: str) -> None:
    inner.u32()  # priority and weight
    port, target = inner.u16(), names.at(inner)
    if said.group:
        said.tell("service", f"{who} port {port}", "client")
        said.tell("hostname", target, "client")


_WORDS = {  # keys of texts that tell who it is, in lower case
    "md": "model_name", "model": "model_name", "ty": "model_name", "usb_mdl": "model_name",
    "product": "product_name", "mf": "vendor", "manufacturer": "vendor", "vendor": "vendor",
    "usb_mfg": "vendor", "sn": "serial", "serial": "serial", "serialnumber": "serial",
    "fw": "revision", "fv": "revision", "firmware": "revision", "osxvers": "os_version",
    "mac": "mac", "note": "location",
}  # fmt: skip


def _texts(inner: Reader, _names: _Names, said: _Said, _who: str) -> None:
    """Pairs of key and value, [6763] 6."""
    while inner.left():
        word, _, value = text(inner.take(inner.u8())).partition("=")
        attribute = _WORDS.get(word.lower())
        if attribute and said.group:
            said.tell(attribute, value, "client")


def _machine(inner: Reader, _names: _Names, said: _Said, _who: str) -> None:
    """HINFO: processor and system, [1035] 3.3.2."""
    for attribute in ("hardware_platform", "os"):
        value = text(inner.take(inner.u8()))
        if said.group:
            said.tell(attribute, value, "client")


_READERS: dict[int, RecordReader] = {
    1: _address,
    12: _pointer,
    13: _machine,
    16: _texts,
    28: _address,
    33: _service,
}

PROTOCOL = Protocol(
    name="dns",
    title="DNS, mDNS and LLMNR",
    standard="RFC 1035, RFC 6762, RFC 4795",
    transports=frozenset({"udp", "tcp"}),
    ports=PORTS,
    framings=(DATAGRAM, STREAM),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    identity=(
        "role_hint", "hostname", "ip_address", "service", "hardware_platform", "os",
        *sorted(set(_WORDS.values())),
    ),
)  # fmt: skip
