"""DHCP: who asks for an address, with what name, and which it gets from whom.

Sources: [2131] RFC 2131 (messages), [2132] RFC 2132 (options), [4702] RFC 4702 (names).

The key is all of a message but its transaction id and the seconds since it began. Requests go to
everybody and answers may too, so they stand alone. Facts of a client are told about its MAC
address; what option 54 names is told about that address.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from otsec.columns import I64, U64, Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text

PORTS = frozenset({67, 68})
HEADER = np.dtype(
    {
        "names": ["op", "hardware", "size", "hops", "xid", "cookie"],
        "formats": ["u1", "u1", "u1", "u1", ">u4", ">u4"],
        "offsets": [0, 1, 2, 3, 4, 236],
        "itemsize": 240,
    }
)
COOKIE = 0x63825363  # [2131] 3
KEPT_FROM = 10  # flags: behind transaction id and seconds
ASKS, ANSWERS = 1, 2
PAD, KIND, OVERLOAD, END = 0, 53, 52, 255  # options
KINDS: dict[int, tuple[str, OperationClass]] = {  # [2132] 9.6 and later ones
    0: ("bootp", "session"),
    1: ("discover", "session"),
    2: ("offer", "session"),
    3: ("request", "session"),
    4: ("decline", "session"),
    5: ("ack", "session"),
    6: ("nak", "session"),
    7: ("release", "session"),
    8: ("inform", "session"),
}
OPERATIONS = tuple(Operation(name, cls, code) for code, (name, cls) in KINDS.items())
MESSAGE = whole("dhcp", HEADER.itemsize, ((0, frozenset({ASKS, ANSWERS})),))


def _header(units: Units) -> tuple[Header, Mask]:
    """The fixed fields, and whether they are those of DHCP on hardware with short addresses."""
    header, fits = gather(units.buffer, units.start, units.end, HEADER)
    fits = fits & np.isin(header["op"], (ASKS, ANSWERS)) & (header["cookie"] == COOKIE)
    return header, np.asarray(fits & (header["size"] <= 16), np.bool_)


def claims(units: Units) -> Mask:
    """Nothing else has the cookie behind 236 bytes."""
    return _header(units)[1]


def sides(units: Units) -> Ints:
    """Who asks is the client."""
    header, fits = _header(units)
    side = np.where(header["op"] == ANSWERS, Side.RESPONSE, Side.REQUEST)
    return np.where(fits, side, Side.UNKNOWN).astype(np.uint8)


def split(units: Units) -> Split:
    """The key is the first four bytes, and all from the flags on."""
    header, fits = _header(units)
    front: U64 = header["op"].astype(np.uint64)
    for name in ("hardware", "size", "hops"):
        front = front << np.uint64(8) | header[name].astype(np.uint64)
    start: I64 = units.start + KEPT_FROM
    return keyed(
        units, start, units.end - start, ~fits, [front], tag=header["xid"].astype(np.uint64)
    )


# ------------------------------------------------------------------------------- decode


@dataclass(slots=True)
class _Said:
    """What a message says: of whom it speaks, and who speaks."""

    mac: str
    answers: bool
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wanted: str = ""

    def of_client(self, attribute: str, value: str) -> None:
        """Add a fact about the client, by its hardware address."""
        if value:
            self.facts.append(Fact(attribute, value, self.mac))


def decode(reader: Reader, _side: Side, _request: Message | None) -> Message:
    """Fixed fields, then options; [2131] 2."""
    op, hardware, size, hops = (reader.u8() for _ in range(4))
    reader.at(KEPT_FROM)
    flags = reader.u16()
    own, yours, _, relay = (reader.take(4) for _ in range(4))
    raw = reader.take(16)[:size]
    server_name, boot_file = reader.take(64), reader.take(128)
    if reader.u32() != COOKIE:
        raise Malformed("no cookie")
    said = _Said(address(raw) if raw else "client", op == ANSWERS)
    if hardware != 1:
        said.notes.append(f"hardware {hardware}")
    if flags & 0x7FFF:
        said.notes.append(f"flags {flags:#06x}")
    options = _options(reader)
    overload = options.pop(OVERLOAD, b"\0")[-1:]
    for bit, area in ((1, boot_file), (2, server_name)):
        if overload and overload[0] & bit:
            options |= _options(Reader(area))
    kind = options.pop(KIND, b"\0")
    if len(kind) != 1:
        raise Malformed(f"message type of {len(kind)} bytes")
    name, cls = KINDS.get(kind[0], (f"unknown_{kind[0]:#04x}", "session"))
    failed = name == "nak"
    if any(own) and not failed:
        said.of_client("ip_address", address(own))
    if any(yours) and name in ("ack", "bootp"):
        said.of_client("ip_address", address(yours))
    if any(relay):
        said.facts.append(Fact("role_hint", "dhcp_relay", address(relay)))
        said.notes.append(f"{hops} hops")
    for area, what in ((server_name, "server_name"), (boot_file, "boot_file")):
        if not overload[0] and any(area):
            said.of_client(what, text(area.split(b"\0")[0]))
    for option, content in sorted(options.items()):
        _OPTIONS.get(option, _other)(said, option, content)
    given = address(yours) if any(yours) else said.wanted
    return Message(
        name, cls, " ".join(filter(None, (said.mac, given))),
        outcome=("refused" if failed else "ok") if said.answers else "",
        facts=tuple(dict.fromkeys(said.facts)), note=", ".join(said.notes),
    )  # fmt: skip


def _options(reader: Reader) -> dict[int, bytes]:
    """Contents by option; the parts of one that comes several times are one; RFC 3396."""
    found: dict[int, bytes] = {}
    while reader.left():
        option = reader.u8()
        if option == END:
            return found
        if option != PAD:
            found[option] = found.get(option, b"") + reader.take(reader.u8())
    raise Malformed("options without end")


def _client_text(attribute: str) -> Callable[[_Said, int, bytes], None]:
    def tell(said: _Said, _option: int, content: bytes) -> None:
        said.of_client(attribute, text(content))

    return tell


def _addresses(attribute: str) -> Callable[[_Said, int, bytes], None]:
    def tell(said: _Said, _option: int, content: bytes) -> None:
        if not content or len(content) % 4:
            raise Malformed(f"addresses of {len(content)} bytes")
        for at in range(0, len(content), 4):
            said.of_client(attribute, address(content[at : at + 4]))

    return tell


def _fingerprint(said: _Said, _option: int, content: bytes) -> None:
    said.of_client("dhcp_fingerprint", ",".join(map(str, content)))


def _client_id(said: _Said, _option: int, content: bytes) -> None:
    if content[:1] == b"\1" and content[1:].hex(":") == said.mac:
        return  # says again what the header says
    said.of_client("client_id", content.hex())


def _wanted(said: _Said, _option: int, content: bytes) -> None:
    if len(content) != 4:
        raise Malformed(f"address of {len(content)} bytes")
    said.wanted = address(content)


def _server(said: _Said, _option: int, content: bytes) -> None:
    if len(content) != 4:
        raise Malformed(f"address of {len(content)} bytes")
    said.facts.append(Fact("role_hint", "dhcp_server", address(content)))


def _full_name(said: _Said, _option: int, content: bytes) -> None:
    """[4702] 2: flags, two codes that are not used, the name, in DNS's form if a flag says so."""
    if len(content) < 3:
        raise Malformed(f"full name of {len(content)} bytes")
    flags, name = content[0], content[3:]
    if flags & 0x04:
        labels, inner = [], Reader(name)
        while inner.left() and (size := inner.u8()):
            labels.append(text(inner.take(size)))
        said.of_client("fqdn", ".".join(labels))
    else:
        said.of_client("fqdn", text(name))
    said.notes.append(f"name flags {flags:#04x}")


def _time(said: _Said, option: int, content: bytes) -> None:
    if len(content) != 4:
        raise Malformed(f"time of {len(content)} bytes")
    said.notes.append(f"{_TIMES[option]} {int.from_bytes(content, 'big')} s")


def _reason(said: _Said, _option: int, content: bytes) -> None:
    said.notes.append(text(content))


def _other(said: _Said, option: int, content: bytes) -> None:
    said.notes.append(f"option {option} {content[:_SHOWN].hex()}")


_SHOWN = 32  # bytes of an option that is not decoded
_TIMES = {51: "lease", 58: "renewal", 59: "rebinding"}
_OPTIONS: dict[int, Callable[[_Said, int, bytes], None]] = {  # [2132] and later ones
    1: _addresses("network_mask"),
    3: _addresses("gateway"),
    6: _addresses("name_server"),
    12: _client_text("hostname"),
    15: _client_text("domain"),
    42: _addresses("time_server"),
    44: _addresses("netbios_name_server"),
    50: _wanted,
    51: _time,
    54: _server,
    55: _fingerprint,
    56: _reason,
    58: _time,
    59: _time,
    60: _client_text("vendor_class"),
    61: _client_id,
    66: _client_text("boot_server"),
    67: _client_text("boot_file"),
    77: _client_text("user_class"),
    81: _full_name,
}

PROTOCOL = Protocol(
    name="dhcp",
    title="DHCP",
    standard="RFC 2131, RFC 2132",
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
    identity=(
        "ip_address", "role_hint", "network_mask", "gateway", "name_server", "hostname", "domain",
        "time_server", "netbios_name_server", "dhcp_fingerprint", "vendor_class", "client_id",
        "boot_server", "boot_file", "server_name", "user_class", "fqdn",
    ),
)  # fmt: skip
