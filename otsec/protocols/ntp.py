"""NTP and SNTP: who asks whom for the time, how far that one is from a clock; control messages.

Sources: [5905] RFC 5905, 7.3 (header), [9327] RFC 9327 (control messages).

The key is leap, version, mode, stratum and reference; polling and precision, delays and time stamps
are not in it. The tag is the time stamp that an answer gives back. The values are the time that who
is no mere client says it is; what clients send may be drawn by lot.
"""

import re
from dataclasses import replace

import numpy as np

from otsec.columns import U64, Header, Ints, Mask, gather
from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import (
    U32_BE,
    Elements,
    Fact,
    Message,
    Operation,
    Protocol,
    Reader,
    Side,
    Split,
    Units,
)
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import keyed
from otsec.protocols.texts import address, text

PORTS = frozenset({123})
HEADER = np.dtype(
    [
        ("front", "u1"),  # leap in two bits, version in three, mode in three
        ("stratum", "u1"),
        ("poll", "i1"),  # powers of two in seconds
        ("precision", "i1"),
        ("delay", ">u4"),  # to the root, 16 bits of fraction
        ("dispersion", ">u4"),
        ("reference", ">u4"),
        ("set", ">u8"),
        ("origin", ">u8"),
        ("receive", ">u8"),
        ("transmit", ">u8"),
    ]
)
CONTROL_HEADER = np.dtype(
    [
        ("front", "u1"),
        ("operation", "u1"),  # response, error, more, and five bits of operation
        ("sequence", ">u2"),
        ("status", ">u2"),
        ("association", ">u2"),
        ("offset", ">u2"),
        ("count", ">u2"),
    ]
)
SHORTEST = CONTROL_HEADER.itemsize
ACTIVE, PASSIVE, CLIENT, SERVER, BROADCAST, CONTROL = 1, 2, 3, 4, 5, 6
TRAP = 7  # what a server tells unasked
ANSWER, FAILED, MORE, CODE = 0x80, 0x40, 0x20, 0x1F
UNSYNCHRONISED = 16  # stratum

TRANSMIT = 40  # where the time of sending stands
CLOCK = Elements("seconds since 1900, fraction", 0, 2)  # of 2**32; [5905] 6

TIME: OperationClass = "time"
MODES: dict[int, str] = {
    ACTIVE: "symmetric_active",
    PASSIVE: "symmetric_passive",
    CLIENT: "client",
    SERVER: "server",
    BROADCAST: "broadcast",
}
CONTROLS: dict[int, tuple[str, OperationClass]] = {  # [9327] 2
    1: ("control_read_status", "diagnose"),
    2: ("control_read_variables", "diagnose"),
    3: ("control_write_variables", "config"),
    4: ("control_read_clock", "diagnose"),
    5: ("control_write_clock", "config"),
    6: ("control_trap_address", "config"),
    7: ("control_trap", "report"),
    8: ("control_configure", "config"),
    10: ("control_read_peers", "diagnose"),
}
OPERATIONS = (
    *(Operation(name, TIME, code) for code, name in MODES.items()),
    *(Operation(name, cls, CONTROL << 8 | code) for code, (name, cls) in CONTROLS.items()),
)
_FRONTS = frozenset(  # leap, version and mode that there are
    leap << 6 | version << 3 | mode
    for leap in range(4)
    for version in range(1, 5)
    for mode in range(1, 7)
)
MESSAGE = whole("ntp", SHORTEST, ((0, _FRONTS),))
_SLOWEST = 16 << 16  # 16 s to the root and back: no server has more, [5905] 7.2
_LOOSEST = 1024 << 16  # dispersion grows by a second a day where a server is left alone
_AUTHENTICATED = (0, 20, 24)  # bytes behind a control message: key id and digest, MD5 or SHA-1
_SIXTEEN_YEARS = 1 << 29  # seconds


def _read(units: Units) -> tuple[Header, Mask, Header, Mask]:
    """Time messages and control messages: header, and which they are, [5905] 7.3 and [9327] 2."""
    time, fits = gather(units.buffer, units.start, units.end, HEADER)
    control, whole_ = gather(units.buffer, units.start, units.end, CONTROL_HEADER)
    mode, version = control["front"] & 7, control["front"] >> 3 & 7
    size = units.end - units.start
    known = (version >= 1) & (version <= 4)
    fits = fits & known & (mode >= ACTIVE) & (mode <= BROADCAST) & (size % 4 == 0)
    fits &= time["stratum"] <= UNSYNCHRONISED
    data = control["count"].astype(np.int64)
    whole_ = whole_ & known & (mode == CONTROL)
    padded = SHORTEST + (data + 3) // 4 * 4
    whole_ &= np.isin(size - padded, _AUTHENTICATED)
    return time, np.asarray(fits, np.bool_), control, np.asarray(whole_, np.bool_)


def claims(units: Units) -> Mask:
    """Numbers that a clock can have, and time stamps that go together."""
    time, fits, control, whole_ = _read(units)
    fits &= (time["poll"] >= 0) & (time["poll"] <= 17)
    fits &= (time["precision"] >= -32) & (time["precision"] <= 0)
    fits &= (time["delay"] < _SLOWEST) & (time["dispersion"] < _LOOSEST)
    seconds = {name: time[name] >> np.uint64(32) for name in ("set", "receive", "transmit")}
    mode = time["front"] & 7
    answered = (seconds["transmit"] - seconds["receive"] <= 16) & (time["transmit"] > 0)
    behind = (seconds["set"] == 0) | (seconds["transmit"] - seconds["set"] < _SIXTEEN_YEARS)
    # a client that knows nothing yet sends zeros, or only the time
    blank = (time["origin"] == 0) & (time["receive"] == 0) & (time["reference"] == 0)
    blank &= time["set"] == 0
    asks = blank | (behind & (time["transmit"] > 0))
    told = np.where(mode == SERVER, answered & behind, np.where(mode == CLIENT, asks, behind))
    fits &= told & ((mode == CLIENT) | (time["transmit"] > 0))
    code = control["operation"] & CODE
    whole_ &= np.isin(code, list(CONTROLS)) & (control["offset"] == 0)
    empty = (control["operation"] & ~np.uint8(CODE)) == 0  # a question has no status
    whole_ &= ~empty | (control["status"] == 0)
    return np.asarray(fits | whole_, np.bool_)


def sides(units: Units) -> Ints:
    """The mode tells; who broadcasts is a client of its group, as all publishers are."""
    header, _ = gather(units.buffer, units.start, units.end, CONTROL_HEADER)
    mode = header["front"] & 7
    answers = (mode == SERVER) | (mode == PASSIVE)
    answers |= (mode == CONTROL) & ((header["operation"] & ANSWER) != 0)
    return np.where(answers, Side.RESPONSE, Side.REQUEST).astype(np.uint8)


def split(units: Units) -> Split:
    """Key: mode, stratum, reference; of control messages their data. Tag: what is given back."""
    time, fits, control, whole_ = _read(units)
    mode = control["front"] & 7
    reference = np.where(fits, time["reference"], control["association"]).astype(np.uint64)
    second = np.where(fits, time["stratum"], control["operation"]).astype(np.uint64)
    front: U64 = control["front"].astype(np.uint64) | second << np.uint64(8)
    front |= reference << np.uint64(32)
    status = np.where(fits, 0, control["status"]).astype(np.uint64)
    status |= np.where(fits, 0, control["count"]).astype(np.uint64) << np.uint64(16)
    asked = np.where(mode == CLIENT, time["transmit"], time["origin"])
    start = units.start + SHORTEST
    length = np.where(fits, 0, units.end - start)
    told = keyed(
        units, start, length, ~(fits | whole_), [front, status],
        tag=np.where(fits, asked, control["sequence"]).astype(np.uint64),
        alone=np.isin(mode, (ACTIVE, PASSIVE, BROADCAST))
        | (whole_ & (control["operation"] & CODE == TRAP)),
    )  # fmt: skip
    return replace(
        told,
        value_start=units.start + TRANSMIT,
        value_count=np.where(fits & (mode != CLIENT), CLOCK.count, 0),
        value_type=np.full(len(units), U32_BE, np.uint8),
    )


# ------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, request: Message | None) -> Message:
    """A time message by its mode, or a control message."""
    front = reader.u8()
    mode, version = front & 7, front >> 3 & 7
    if mode == CONTROL:
        return _control(reader, version)
    stratum = reader.u8()
    reference = reader.at(12).take(4)
    about = "server" if side == Side.RESPONSE else "client"
    if mode not in MODES:
        raise Malformed(f"mode {mode}")
    name, told = MODES[mode], [Fact("ntp_version", str(version), about)]
    notes = [] if front >> 6 in (0, 3) else [f"leap {front >> 6}"]
    synchronised = 0 < stratum < UNSYNCHRONISED and front >> 6 != 3
    if mode != CLIENT:
        if synchronised:
            told.append(Fact("role_hint", "time_server", about))
            told.append(Fact("stratum", str(stratum), about))
        told.append(Fact("time_source", _source(stratum, reference), about))
    elif stratum or any(reference):
        told.append(Fact("time_source", _source(stratum, reference), about))
        told.append(Fact("stratum", str(stratum), about))
    outcome = ""
    if side == Side.RESPONSE:
        outcome = "ok" if synchronised else _unsynchronised(stratum, reference)
    if mode == SERVER and request is not None:
        name = request.operation
    return Message(
        name, TIME, outcome=outcome,
        elements=CLOCK if mode != CLIENT else None,
        facts=tuple(one for one in told if one.value),
        note=", ".join(notes if front >> 6 != 3 else [*notes, "not synchronised"]),
    )  # fmt: skip


def _source(stratum: int, reference: bytes) -> str:
    """A name of a clock, or the address of the server above; [5905] 7.3."""
    if stratum <= 1:
        return text(reference)
    return address(reference)


def _unsynchronised(stratum: int, reference: bytes) -> str:
    """Not synchronised, or a word of refusal ([5905] 7.4)."""
    return f"refused {text(reference)}" if stratum == 0 and any(reference) else "not_synchronised"


def _control(reader: Reader, version: int) -> Message:
    code = reader.u8()
    status = reader.at(4).u16()
    association = reader.u16()
    count = reader.at(10).u16()
    data = reader.take(count)
    name, cls = CONTROLS.get(code & CODE, (f"unknown_{code & CODE:#04x}", "diagnose"))
    notes = [f"version {version}", f"status {status:#06x}"]
    notes += ["more follows"] if code & MORE else []
    notes += [f"opaque: {reader.left()} bytes of authentication"] if reader.left() > 3 else []
    said = text(data)
    facts = [
        Fact(attribute, found[1])
        for attribute, pattern in _VARIABLES
        if code & ANSWER and (found := re.search(pattern, said[:_LOOKED_AT]))
    ]
    return Message(
        name, cls, f"association {association}" if association else "",
        outcome=("error" if code & FAILED else "ok") if code & ANSWER else "",
        facts=tuple(facts), note=", ".join(notes if facts else [*notes, said[:200]]),
    )  # fmt: skip


_LOOKED_AT = 1_000
_VARIABLES = (
    ("application", r'version="(ntpd [^"@ ]+)'),
    ("hardware_platform", r'processor="([^"]+)"'),
    ("os", r'system="([^"]+)"'),
)

PROTOCOL = Protocol(
    name="ntp",
    title="NTP",
    standard="RFC 5905, RFC 9327",
    transports=frozenset({"udp"}),
    ports=PORTS,
    framings=(MESSAGE,),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    industrial=False,
    identity=(
        "ntp_version", "role_hint", "stratum", "time_source", "application",
        "hardware_platform", "os",
    ),
    routine=frozenset(MODES.values()),
)  # fmt: skip
