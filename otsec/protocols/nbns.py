"""NetBIOS name service: which names stations ask for, take and give up; node status.

Sources: [1001] RFC 1001 14.1 (names), [1002] RFC 1002 4.2 (messages); suffixes as Microsoft
publishes them ([MS-BRWS] 2.1.1, KB 163409).

The key is all of a message but its id. Questions go to everybody and are answered in another
conversation, so each message stands alone.
"""

from dataclasses import dataclass, field

import numpy as np

from otsec.columns import Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text

PORTS = frozenset({137})
NAME_SIZE = 32  # letters from A to P, two for each byte of a name
HEADER = np.dtype(
    [("id", ">u2"), ("flags", ">u2"), ("questions", ">u2"), ("answers", ">u2"),
     ("authorities", ">u2"), ("more", ">u2"), ("size", "u1"), ("letters", "u1", (NAME_SIZE,)),
     ("end", "u1")]
)  # fmt: skip
RESPONSE, BROADCAST = 0x8000, 0x0010
NB, STATUS = 0x20, 0x21  # types
GROUP = 0x8000  # of a name's flags
OPCODES: dict[int, tuple[str, OperationClass]] = {  # [1002] 4.2.1.1
    0: ("query", "browse"),
    5: ("registration", "session"),
    6: ("release", "session"),
    7: ("wait", "session"),
    8: ("refresh", "session"),
    9: ("refresh", "session"),  # as some send it
    15: ("multihomed_registration", "session"),
}
NODE_STATUS: tuple[str, OperationClass] = ("node_status", "browse")
OPERATIONS = (
    *(Operation(name, cls, code) for code, (name, cls) in OPCODES.items() if code != 9),
    Operation(*NODE_STATUS, STATUS << 8),
)
RCODES = {
    0: "ok", 1: "format_error", 2: "server_failure", 3: "no_such_name", 4: "not_implemented",
    5: "refused", 6: "active", 7: "conflict",
}  # fmt: skip
MESSAGE = whole("nbns", HEADER.itemsize)
# by suffix and whether it is a group's: what the name itself is, and what who has it does
_TOLD: dict[tuple[int, bool], tuple[str, str]] = {
    (0x00, False): ("hostname", ""),
    (0x00, True): ("domain", ""),
    (0x20, False): ("hostname", "file_server"),
    (0x1B, False): ("domain", "domain_master_browser"),
    (0x1C, True): ("domain", "domain_controller"),
    (0x1D, False): ("domain", "master_browser"),
}


def _read(units: Units) -> tuple[Header, Mask]:
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    flags, letters = header["flags"], header["letters"]
    coded = ((letters >= ord("A")) & (letters <= ord("P"))).all(axis=1)
    fits = fits & coded & (header["size"] == NAME_SIZE) & (header["end"] < 0x40)
    fits &= np.isin(flags >> 11 & 0xF, list(OPCODES)) & (flags & 0x60 == 0)
    entries = header["questions"] + header["answers"]
    fits &= (header["questions"] <= 1) & (header["answers"] <= 1) & (entries == 1)
    fits &= (header["authorities"] == 0) & (header["more"] <= 1)
    return header, np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """One question or answer about a name of letters from A to P, which is NetBIOS's alone."""
    return _read(units)[1]


def sides(units: Units) -> Ints:
    """The header tells."""
    header, _ = _read(units)
    return np.where(header["flags"] & RESPONSE != 0, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """The key is all behind the id."""
    header, fits = _read(units)
    start = units.start + 2
    return keyed(units, start, units.end - start, ~fits, tag=header["id"].astype(np.uint64))


# ------------------------------------------------------------------------------- decode


@dataclass(slots=True)
class _Said:
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def name(self, name: str, suffix: int, about: str, *, group: bool) -> None:
        """What somebody's name says of it."""
        attribute, role = _TOLD.get((suffix, group), ("", ""))
        if attribute and name and "__MSBROWSE__" not in name:
            self.facts.append(Fact(attribute, name, about))
            self.facts += [Fact("role_hint", role, about)] if role else []


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """A question, an answer, or a question with the name that is taken; [1002] 4.2."""
    flags = reader.at(2).u16()
    _, answers, _, more = (reader.u16() for _ in range(4))
    code = flags >> 11 & 0xF
    operation, cls = OPCODES.get(code, (f"unknown_{code:#04x}", "session"))
    said = _Said()
    name, suffix = _name(reader)
    kind, klass = reader.u16(), reader.u16()
    if kind not in (NB, STATUS, NULL) or klass != 1:
        raise Malformed(f"type {kind:#06x} class {klass:#06x}")
    if kind == STATUS:
        operation, cls = NODE_STATUS
    if answers:
        _answer(reader, kind, (name, suffix), said)
    elif more:
        again = _name(reader, name, suffix)
        if again != (name, suffix) or reader.u16() != NB or reader.u16() != 1:
            raise Malformed("another name is taken than is asked for")
        _answer(reader, NB, (name, suffix), said)
    if reader.left():
        said.notes.append(f"opaque: {reader.left()} bytes behind the records")
    if flags & BROADCAST:
        said.notes.append("broadcast")
    told = [word for bit, word in _FLAGS.items() if flags & bit]
    rcode = RCODES.get(flags & 0xF, f"error {flags & 0xF}")
    if side == Side.REQUEST and flags & 0xF:
        raise Malformed("a question with an error")
    return Message(
        operation, cls, f"{name}<{suffix:02x}>", outcome=rcode if side == Side.RESPONSE else "",
        facts=tuple(dict.fromkeys(said.facts)), note=", ".join((*said.notes, *told)),
    )  # fmt: skip


NULL = 0x0A
_FLAGS = {0x0400: "authoritative", 0x0200: "cut", 0x0100: "recursion wished", 0x80: "recursion"}


def _name(reader: Reader, name: str = "", suffix: int = 0) -> tuple[str, int]:
    """A name and its suffix; a pointer stands for the one that is known, [1001] 14.1."""
    size = reader.u8()
    if size >= 0xC0:
        if (size & 0x3F) << 8 | reader.u8() != 12:
            raise Malformed("pointer to no name")
        return name, suffix
    letters = reader.take(size)
    if size != NAME_SIZE or not all(0x41 <= letter <= 0x50 for letter in letters):
        raise Malformed("no name of NetBIOS")
    nibbles = [letter - 0x41 for letter in letters]
    raw = bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))
    scope = []
    while (size := reader.u8()) != 0:
        if size >= 0x40:
            raise Malformed(f"label of {size:#04x}")
        scope.append(text(reader.take(size)))
    return ".".join((_shown(raw[:15]), *scope)), raw[15]


def _shown(raw: bytes) -> str:
    """A name without what fills it; bytes that are no letters as numbers."""
    raw = raw.rstrip(b" ").rstrip(b"\0")
    return "".join(chr(one) if 32 <= one < 127 else f"\\x{one:02x}" for one in raw)


def _answer(reader: Reader, kind: int, asked: tuple[str, int], said: _Said) -> None:
    """Time to live, and addresses ([1002] 4.2.13) or all names of a node (4.2.18)."""
    seconds, content = reader.u32(), reader.part(reader.u16())
    if kind == STATUS:
        _node(content, said)
        return
    if kind == NULL or content.left() == 2:
        said.notes.append(f"answer {content.rest().hex()}")
        return
    if content.left() % 6:
        raise Malformed(f"addresses of {content.left()} bytes")
    said.notes.append(f"holds {seconds} s")
    while content.left():
        flags, where = content.u16(), address(content.take(4))
        group = bool(flags & GROUP)
        if where != "255.255.255.255":
            said.name(*asked, where, group=group)
        said.notes.append(f"{'group' if group else 'unique'} {_NODES[flags >> 13 & 3]} {where}")


_NODES = ("b-node", "p-node", "m-node", "h-node")


def _node(content: Reader, said: _Said) -> None:
    for _ in range(content.u8()):
        raw = content.take(15)
        suffix, flags = content.u8(), content.u16()
        name = _shown(raw)
        said.name(name, suffix, "server", group=bool(flags & GROUP))
        said.notes.append(f"{name}<{suffix:02x}> {flags:#06x}")
    mac = content.take(6)
    if any(mac):
        said.facts.append(Fact("mac", address(mac), "server"))
    if content.left():
        said.notes.append(f"opaque: statistics of {content.left()} bytes")


PROTOCOL = Protocol(
    name="nbns",
    title="NetBIOS name service",
    standard="RFC 1001, RFC 1002",
    transports=frozenset({"udp"}),
    ports=PORTS,
    framings=(MESSAGE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    paired=False,
    identity=("hostname", "domain", "role_hint", "mac"),
)
