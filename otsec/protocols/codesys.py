"""CODESYS V3: discovery, channels, logins, and which component of the runtime is asked for what.

Sources: [KASPERSKY] Kaspersky ICS CERT, "Security research: CODESYS Runtime, a PLC control
framework" (2019), part 2; [MICROSOFT] Microsoft, ics-forensics-tools, codesysv3_protocol.

Of the services of the runtime those are named that these sources name: the login, and the transfer
of files. Of all others the component is told and the number of the service. The discovery of
NetManage (UDP 27127) has no public description: it is not decoded.
"""

from contextlib import suppress

import numpy as np

from otsec.columns import I64, U64, Header, Ints, Mask, gather, span_word
from otsec.errors import Malformed, Truncated
from otsec.model import OperationClass
from otsec.protocols.api import U8, Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.credentials import hidden
from otsec.protocols.framing.codesys import BLOCK_SIZE, DATAGRAM, ON_TCP, ON_UDP, SERVICES
from otsec.protocols.texts import text

TCP = 0  # position in Protocol.framings
HEADER = np.dtype(
    [("magic", "u1"), ("hops", "u1"), ("packet", "u1"), ("service", "u1"), ("message", "u1"),
     ("lengths", "u1")]
)  # fmt: skip
NOTIFY, NOTIFIED, ASKS, TELLS, CHANNEL = 1, 2, 3, 4, 64  # services of the datagram layer
NAMES = np.dtype([("subcommand", "<u2"), ("version", "<u2"), ("id", "<u4")])
DEVICE_INFO, NAME_RESOLVE, ADDRESS_RESOLVE = 0xC280, 0xC202, 0xC201
BLOCK, ACK, KEEP_ALIVE, GET_INFO, OPEN, CLOSE, OPENED = 1, 2, 3, 0xC2, 0xC3, 0xC4, 0x83
ON_CHANNEL = np.dtype(
    [("type", "u1"), ("flags", "u1"), ("channel", "<u2"), ("block", "<u4"), ("ack", "<u4"),
     ("left", "<u4"), ("check", "<u4")]
)  # fmt: skip
_THREE_WORDS = np.dtype(
    [*((name, ON_CHANNEL[name]) for name in ON_CHANNEL.names or ()), ("rest", "V4")]
)
FIRST, BY_CLIENT = 0x01, 0x80  # bits of a block's flags
SERVICE = np.dtype(
    [("protocol", "<u2"), ("head", "<u2"), ("group", "<u2"), ("command", "<u2"),
     ("session", "<u4"), ("size", "<u4")]
)  # fmt: skip
NORMAL, SECURE = 0xCD55, 0x7557
ANSWERS = 0x80  # bit of a group
BEHIND_BLOCK = ON_CHANNEL.itemsize
_SIZES = {ACK: 8, KEEP_ALIVE: 4, GET_INFO: 4, OPEN: 20, CLOSE: 12, OPENED: 24, BLOCK: 12}

COMPONENTS: dict[int, tuple[str, OperationClass]] = {  # [MICROSOFT] CmdGroup
    0x01: ("cmp_device", "session"), 0x02: ("cmp_app", "program"),
    0x04: ("cmp_visu_server", "read"), 0x05: ("cmp_log", "diagnose"),
    0x06: ("cmp_settings", "config"), 0x07: ("sys_ethernet", "config"),
    0x08: ("cmp_file_transfer", "file"), 0x09: ("cmp_iec_var_access", "read"),
    0x0B: ("cmp_io_mgr", "config"), 0x0C: ("cmp_user_mgr", "config"),
    0x0F: ("cmp_trace_mgr", "diagnose"), 0x11: ("plc_shell", "control"),
    0x12: ("cmp_app_bp", "control"), 0x13: ("cmp_app_force", "control"),
    0x18: ("cmp_alarm_manager", "read"), 0x1B: ("cmp_monitor", "read"),
    0x1D: ("cmp_code_meter", "config"), 0x1F: ("cmp_core_dump", "diagnose"),
    0x22: ("cmp_open_ssl", "config"),
}  # fmt: skip
LOGIN = (0x01, 2)
FILES, FILE_OPEN, FILE_READ, FILE_CLOSE, FOLDER = 0x08, 5, 7, 8, 12
KNOWN: dict[tuple[int, int], tuple[str, OperationClass]] = {
    LOGIN: ("login", "session"), (FILES, FILE_OPEN): ("file_open", "file"),
    (FILES, FILE_READ): ("file_read", "file"), (FILES, FILE_CLOSE): ("file_close", "file"),
    (FILES, FOLDER): ("folder_list", "file"),
}  # fmt: skip
ON_NAMES: dict[int, tuple[str, OperationClass]] = {
    DEVICE_INFO: ("device_info", "browse"), NAME_RESOLVE: ("name_resolve", "browse"),
    ADDRESS_RESOLVE: ("address_resolve", "browse"),
}  # fmt: skip
ON_CHANNELS: dict[int, str] = {
    ACK: "acknowledge", KEEP_ALIVE: "keep_alive", GET_INFO: "get_info", OPEN: "open_channel",
    OPENED: "open_channel", CLOSE: "close_channel",
}  # fmt: skip
MORE = "more_data"
SECURED = "secured"
NOTIFICATION = "address_notification"
OPERATIONS = (
    *(Operation(*row, code) for code, row in ON_NAMES.items()),
    *(Operation(name, "session", code) for code, name in ON_CHANNELS.items() if code != OPENED),
    *(Operation(*row, group << 8 | code) for (group, code), row in KNOWN.items()),
    Operation(NOTIFICATION, "session", NOTIFY), Operation(MORE, "report", BLOCK),
    Operation(SECURED, "session", SECURE),
)  # fmt: skip


class _Read:
    """What the layers of each unit say, in columns."""

    __slots__ = ("at", "block", "channel", "first", "fits", "header", "name", "service", "size")

    def __init__(self, units: Units) -> None:
        begin = units.start + np.where(units.framing == TCP, BLOCK_SIZE, 0)
        self.header: Header
        self.header, fits = gather(units.buffer, begin, units.end, HEADER)
        lengths = self.header["lengths"].astype(np.int64)
        behind = begin + HEADER.itemsize + 2 * ((lengths & 0xF) + (lengths >> 4))
        self.at: I64 = behind + (behind - units.start) % 4
        self.size: I64 = units.end - self.at
        fits &= (self.header["magic"] == DATAGRAM) & (self.header["hops"] & 7 == 3)
        fits &= np.isin(self.header["service"], list(SERVICES)) & (self.size >= 0)
        self.channel: Mask = self.header["service"] == CHANNEL
        of_names = np.isin(self.header["service"], (ASKS, TELLS))
        self.name: Header
        self.name, named = gather(units.buffer, self.at, units.end, NAMES)
        # the shorter ones end before the last of these
        words = [span_word(units.buffer, self.at, self.size, at) for at in (0, 8, 16)]
        self.block: Header = np.stack(words, axis=1).view(_THREE_WORDS).reshape(-1)
        kind = self.block["type"]
        least = np.zeros(256, np.int64)
        least[list(_SIZES)] = list(_SIZES.values())
        known = (least[kind] > 0) & (self.size >= least[kind])
        known &= ~np.isin(kind, (ACK, KEEP_ALIVE)) | (self.size == least[kind])
        self.first: Mask = self.channel & (kind == BLOCK) & (self.block["flags"] & FIRST != 0)
        self.service: Header
        self.service, whole = gather(units.buffer, self.at + BEHIND_BLOCK, units.end, SERVICE)
        protocol = self.service["protocol"]
        sound = whole & np.isin(protocol, (NORMAL, SECURE)) & (self.service["head"] >= 12)
        known &= ~self.first | sound
        fits &= np.where(of_names, named, np.where(self.channel, known, self.size <= 64))
        self.fits: Mask = np.asarray(fits, np.bool_)


def claims(units: Units) -> Mask:
    """Names that are asked for or told, channels that are opened, services in their first block."""
    read = _Read(units)
    version = read.name["version"]
    subcommand = np.isin(read.name["subcommand"], list(ON_NAMES))
    names = np.isin(read.header["service"], (ASKS, TELLS)) & subcommand
    names &= np.isin(version, (0x103, 0x400))
    kind = read.block["type"]
    # what is `channel` in other units is the version of these
    opens = read.channel & np.isin(kind, (OPEN, OPENED)) & (read.block["channel"] == 0x0101)
    return np.asarray(read.fits & (names | opens | read.first), np.bool_)


def sides(units: Units) -> Ints:
    """Names are told by servers; blocks have a bit; what both may send says nothing."""
    read = _Read(units)
    service, kind = read.header["service"], read.block["type"]
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    blocks = read.channel & (kind == BLOCK)
    asks = blocks & (read.block["flags"] & BY_CLIENT != 0)
    side[blocks] = Side.RESPONSE
    side[asks | (service == ASKS) | (service == NOTIFY) | (read.channel & (kind == OPEN))] = (
        Side.REQUEST
    )
    opened = read.channel & (kind == OPENED)
    side[(service == TELLS) | (service == NOTIFIED) | opened] = Side.RESPONSE
    return side


def split(units: Units) -> Split:
    """Key: layer, service, component and command; of what names something, all. Tag: channel."""
    read = _Read(units)
    service, block = read.header["service"].astype(np.uint64), read.block
    first = read.first & read.fits
    group, command = read.service["group"].astype(np.int64), read.service["command"]
    word = service | np.where(read.channel, block["type"], 0).astype(np.uint64) << np.uint64(8)
    flags = np.where(read.channel & (block["type"] == BLOCK), block["flags"], 0)
    word |= flags.astype(np.uint64) << np.uint64(16)
    what = np.where(first, group, 0).astype(np.uint64) | np.where(first, command, 0).astype(
        np.uint64
    ) << np.uint64(16)
    what |= np.where(first, read.service["protocol"], 0).astype(np.uint64) << np.uint64(32)
    logs = (group & 0x7F == LOGIN[0]) & (command == LOGIN[1])
    files = (group == FILES) & np.isin(command, (FILE_OPEN, FOLDER))
    told = first & (read.service["protocol"] == NORMAL) & (logs | files)
    of_names = np.isin(read.header["service"], (ASKS, TELLS))
    opens = read.channel & (block["type"] == OPENED)
    # the id of a question says nothing; nor do channel and numbers of a block
    start = np.where(of_names, read.at, read.at + np.where(told, BEHIND_BLOCK, 12))
    length = np.where(of_names, 4, np.where(opens, 2, np.where(told, read.size - BEHIND_BLOCK, 0)))
    tells = of_names & (read.header["service"] == TELLS)
    start = np.where(tells, read.at + 8, start)
    length = np.where(tells, read.size - 8, length)
    what = np.where(tells, read.name["subcommand"].astype(np.uint64), what)
    what |= np.where(tells, read.name["version"], 0).astype(np.uint64) << np.uint64(16)
    # how long what stands in front of the payload is, for that is where decoding finds it
    what |= (read.at - units.start).astype(np.uint64) << np.uint64(48)
    kind = block["type"]
    opening = read.channel & np.isin(kind, (OPEN, OPENED))
    tag = np.where(opening, block["ack"], block["channel"]).astype(np.uint64)
    tag |= opening.astype(np.uint64) << np.uint64(32)
    words: list[U64] = [word, np.asarray(what, np.uint64)]
    return Split(
        key_words=words,
        key_start=np.where(read.fits & (length > 0), start, units.start),
        key_length=np.where(read.fits, np.maximum(length, 0), 0),
        tag=tag,
        value_start=units.start,
        value_count=np.zeros(len(units), np.int64),
        value_type=np.full(len(units), U8, np.uint8),
        malformed=~read.fits,
        alone=~(first | opening),
    )


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """Datagram, then names or a channel; [KASPERSKY] datagram layer."""
    begin = BLOCK_SIZE if reader.framing == TCP else 0
    front = reader.at(begin).take(HEADER.itemsize)
    service, lengths = front[3], front[5]
    reader.take(2 * ((lengths & 0xF) + (lengths >> 4)))
    reader.take(reader.offset % 4)
    if service in (NOTIFY, NOTIFIED):
        return Message(NOTIFICATION, "session", outcome="ok" if service == NOTIFIED else "")
    if service in (ASKS, TELLS):
        return _names(reader, service)
    kind, flags = reader.u8(), reader.u8()
    if kind != BLOCK:
        if kind not in ON_CHANNELS:
            raise Malformed(f"type {kind:#04x}")
        return _channel(reader, kind)
    if not flags & FIRST:
        return Message(MORE, "report", note="opaque: what a block began")
    reader.take(BEHIND_BLOCK - 2)
    return _service(reader, side, request)


def _channel(reader: Reader, kind: int) -> Message:
    """[KASPERSKY] channel layer."""
    if kind != OPENED:
        return Message(ON_CHANNELS[kind], "session")
    reader.take(10)
    reason = reader.u16le()
    return Message(ON_CHANNELS[kind], "session", outcome=f"reason {reason}" if reason else "ok")


STRINGS = 48  # bytes from the beginning of names to their letters, where they begin at once


def _names(reader: Reader, service: int) -> Message:
    """Who is there, and what it is called; [MICROSOFT] NsClientDeviceInfo."""
    begin = reader.offset
    subcommand, version = reader.u16le(), reader.u16le()
    name, cls = ON_NAMES.get(subcommand, (f"unknown_{subcommand:#06x}", "browse"))
    note = f"version {version:#06x}"
    if service == ASKS:
        return Message(name, cls, note=note)
    if subcommand != DEVICE_INFO:
        return Message(name, cls, outcome="ok", note=note)
    reader.u32le()  # the id of the question
    reader.take(4)  # channels, order of bytes
    offset = reader.u16le()
    node, device, vendor = reader.u16le(), reader.u16le(), reader.u16le()
    kind, target = reader.u16le(), reader.u16le()
    reader.u32le()
    firmware = reader.take(4)
    reader.u32le()
    serial = reader.u8()
    reader.at(begin + STRINGS + offset)
    told = [_wide(reader, size) for size in (node, device, vendor)]
    number = text(reader.take(serial)).strip("\0") if serial else ""
    facts = [
        Fact(attribute, value)
        for attribute, value in zip(("name", "product_name", "vendor"), told, strict=True)
        if value
    ]
    facts.append(Fact("revision", ".".join(map(str, reversed(firmware)))))
    facts += [Fact("serial", _plain(number))] if number else []
    return Message(
        name, cls, outcome="ok", facts=tuple(facts), note=f"{note}, target {kind}.{target}"
    )


def _plain(name: str) -> str:
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in name)


def _wide(reader: Reader, size: int) -> str:
    """Letters of two bytes, and a zero behind them."""
    raw = reader.take(2 * size)
    reader.take(2)
    return _plain(raw.decode("utf-16-le", "replace").rstrip("\0"))


def _service(reader: Reader, side: Side, request: Message | None) -> Message:
    """[KASPERSKY] services layer."""
    protocol = reader.u16le()
    if protocol == SECURE:
        return Message(SECURED, "session", outcome="ok" if side == Side.RESPONSE else "",
                       note="opaque: encrypted")  # fmt: skip
    head, group, command = reader.u16le(), reader.u16le(), reader.u16le()
    answers = bool(group & ANSWERS)
    component, cls = COMPONENTS.get(group & 0x7F, (f"group_{group & 0x7F:#04x}", "diagnose"))
    unnamed: tuple[str, OperationClass] = (f"{component}_0x{command:02x}", cls)
    name, cls = KNOWN.get((group & 0x7F, command), unnamed)
    if answers != (side == Side.RESPONSE):
        raise Malformed("an answer by a client")
    known = (group & 0x7F, command) == LOGIN or (group == FILES and command in (FILE_OPEN, FOLDER))
    note = "" if (group & 0x7F, command) in KNOWN else "service without public description"
    if not known:
        if answers and request is not None:
            name, cls = request.operation, request.cls
        return Message(name, cls, outcome="ok" if answers else "", note=note)
    reader.take(4)
    size = reader.u32le()
    reader.take(max(head - 12, 0))
    if reader.left() < size:  # it goes on in other blocks
        return Message(name, cls, outcome="ok" if answers else "", note="cut: in several blocks")
    tags = dict(_tags(reader.part(size)))
    if (group & 0x7F, command) != LOGIN:
        named = next((tags[tag] for tag in (0x01, 0x0B) if tag in tags), b"")
        return Message(name, cls, _plain(text(named)))
    if not answers:
        return Message(name, cls, facts=_account(tags))
    inner = dict(_tags(Reader(tags.get(0x82, b""))))
    error = int.from_bytes(inner.get(0x20, b""), "little")
    accepted = 0x21 in inner and not error
    return Message(name, cls, outcome="ok" if accepted else "refused",
                   note=f"error {error:#06x}" if error else "")  # fmt: skip


MOST_TAGS = 64


def _tags(reader: Reader) -> list[tuple[int, bytes]]:
    """Numbers, lengths and contents; [KASPERSKY] tags."""
    found: list[tuple[int, bytes]] = []
    while reader.left() and len(found) < MOST_TAGS:
        tag, size = _number(reader), _number(reader)
        found.append((tag, reader.take(size)))
    return found


def _number(reader: Reader) -> int:
    """Seven bits a byte, the lowest first."""
    number = shift = 0
    while True:
        byte = reader.u8()
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return number
        if shift > 28:
            raise Truncated("a number without end")


def _account(tags: dict[int, bytes]) -> tuple[Fact, ...]:
    """Who logs in; the hidden password is not kept, and is weak: it is turned by a known constant."""
    inner = dict(_tags(Reader(tags.get(0x81, b""))))
    user = _plain(text(inner.get(0x10, b"")))
    kind = "weak" if inner.get(0x11) else "anonymous" if not user else "none"
    facts = (Fact("account", user, "client"),) if user else ()
    return (*facts, Fact("credentials", kind, "client"))


def scrub(reader: Reader) -> bytes:
    """The hidden password of a login; that there is one is all that is told."""
    data, at = reader.data, 0
    while (at := data.find(b"\x81\x01", at)) >= 0:  # the tag of account and password
        at += 2
        outer = Reader(data, at)
        with suppress(Truncated):
            inner = dict(_tags(outer.part(_number(outer))))
            if inner.get(0x11):
                return hidden(data, inner[0x11])
    return data


PROTOCOL = Protocol(
    name="codesys",
    title="CODESYS V3",
    standard="Kaspersky ICS CERT: CODESYS Runtime; Microsoft ics-forensics-tools",
    transports=frozenset({"tcp", "udp"}),
    ports=frozenset({1740, 1741, 1742, 1743, 11740, 11741, 11742, 11743}),
    framings=(ON_TCP, ON_UDP),
    scrub=scrub,
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=(
        "vendor", "product_name", "name", "revision", "serial", "account", "credentials",
    ),
    full=False,
    session=True,
)  # fmt: skip
