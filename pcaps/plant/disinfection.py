"""The disinfection by ultraviolet light, an OPC UA server, and who reads it.

Messages are put together from OPC 10000-6; structures are those of OPC 10000-4, clause beside them.
"""

import struct

from tape import START, Connection, Host, Tape
from works import DISINFECTION, DOSE_SET, END, HISTORIAN, HMI_2, MILLISECOND, SECOND, at

PORT, CHANNEL, TOKEN = 4840, 0x51, 1
ENDPOINT = "opc.tcp://uv-1:4840/"
NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
TRANSPORT = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
FROM_1601 = 11_644_473_600  # seconds from there to 1970
NOBODY = b"\0\0"
SESSION, SECRET = (struct.pack("<BHI", 2, 1, number) for number in (0x3001, 0x7F31))
BUILD = (  # node, what it holds; OPC 10000-5 12.4
    (2263, "Wedeco Example"), (2261, "LBX 400 Controller"), (2264, "3.1.7"), (2265, "4410"),
)  # fmt: skip
VALUES = ("UV.Intensity", "UV.Dose", "UV.Flow")
STRING, DOUBLE = 12, 11


def text(words: str | None) -> bytes:
    """String, 5.2.2.4."""
    raw = b"" if words is None else words.encode()
    return struct.pack("<i", -1 if words is None else len(raw)) + raw


def several(*parts: bytes) -> bytes:
    """An array, 5.2.5."""
    return struct.pack("<i", len(parts)) + b"".join(parts)


def moment(time: int) -> bytes:
    """A time of the tape as DateTime, 5.2.2.5."""
    return struct.pack("<q", 10 * time + FROM_1601 * 10_000_000)


def named(node: str | int) -> bytes:
    """NodeId, 5.2.2.9: one of the standard by number, or one of ours by name."""
    if isinstance(node, int):
        return struct.pack("<BBH", 1, 0, node)
    return struct.pack("<BH", 3, 2) + text(node)


def value(kind: int, held: bytes) -> bytes:
    """DataValue with a value only, 5.2.2.17."""
    return bytes([1, kind]) + held


def application(uri: str, product: str, name: str, kind: int, *urls: str) -> bytes:
    """ApplicationDescription, 7.2."""
    front = text(uri) + text(product) + b"\2" + text(name) + struct.pack("<I", kind)
    return front + text(None) + text(None) + several(*map(text, urls))


SERVER = application("urn:uv-1:disinfection", "urn:example.org:uv", "UV disinfection", 0, ENDPOINT)
ANONYMOUS = text("anonymous") + struct.pack("<I", 0) + text(None) * 3  # 7.41
OFFERED = (  # EndpointDescription, 7.14
    text(ENDPOINT) + SERVER + text(None) + struct.pack("<I", 1) + text(NONE) + several(ANONYMOUS)
    + text(TRANSPORT) + b"\0"
)  # fmt: skip


class Channel:
    """A client's connection with the server: channel, session, and numbers of both sides."""

    def __init__(self, tape: Tape, client: Host, port: int, time: int) -> None:
        self.line = Connection(tape, client, DISINFECTION, port, PORT)
        self.time, self.number, self.secret = time, 0, NOBODY
        self.line.open(time)
        sizes = struct.pack("<IIIII", 0, 65_536, 65_536, 0, 0)
        self._say(_unit(b"HELF", sizes + text(ENDPOINT)), _unit(b"ACKF", sizes))
        asked = struct.pack("<III", 0, 0, 1) + text(None) + struct.pack("<I", 3_600_000)
        told = struct.pack("<III", 0, CHANNEL, TOKEN) + moment(time) + struct.pack("<I", 3_600_000)
        self.ask(446, asked, told + text(None))

    def ask(self, service: int, asked: bytes, told: bytes) -> None:
        """A request and its response, whose number is three higher (OPC 10000-6 A.1)."""
        self.number += 1
        request = _request(service, self.secret, self.time, self.number) + asked
        response = _response(service + 3, self.time + 4 * MILLISECOND, self.number) + told
        opens = service == 446
        self._say(self._chunk(request, opens=opens), self._chunk(response, opens=opens))

    def _chunk(self, body: bytes, *, opens: bool) -> bytes:
        """A message in one chunk, 6.7.2."""
        numbers = struct.pack("<II", self.number, self.number)
        if opens:
            policy = struct.pack("<I", CHANNEL) + text(NONE) + text(None) * 2
            return _unit(b"OPNF", policy + numbers + body)
        return _unit(b"MSGF", struct.pack("<II", CHANNEL, TOKEN) + numbers + body)

    def _say(self, asked: bytes, told: bytes) -> None:
        self.time += 8 * MILLISECOND
        self.line.ask(self.time, asked)
        self.time += 4 * MILLISECOND
        self.line.answer(self.time, told)

    def begin(self, uri: str, name: str) -> None:
        """A session of somebody without a name, OPC 10000-4 5.6.2, 5.6.3."""
        client = application(uri, "urn:example.org:client", name, 1)
        asked = client + text(None) + text(ENDPOINT) + text(name) + text(None) * 2
        told = SESSION + SECRET + struct.pack("<d", 600_000) + text(None) * 2 + several(OFFERED)
        told += several() + text(None) * 2 + struct.pack("<I", 0)
        self.ask(461, asked + struct.pack("<dI", 600_000, 0), told)
        self.secret = SECRET
        token = text("anonymous")
        identity = named(321) + b"\1" + struct.pack("<i", len(token)) + token
        nothing = text(None) * 2
        asked = nothing + several() + several(text("en")) + identity + nothing
        self.ask(467, asked, text(None) + several(struct.pack("<I", 0)) + several())

    def read(self, nodes: tuple[str | int, ...], *values: bytes) -> None:
        """Values, OPC 10000-4 5.10.2."""
        wanted = (
            named(node) + struct.pack("<I", 13) + text(None) + b"\0\0" + text(None)
            for node in nodes
        )
        asked = struct.pack("<dI", 0, 3) + several(*wanted)
        self.ask(631, asked, several(*values) + several())

    def write(self, node: str, held: bytes) -> None:
        """One value, OPC 10000-4 5.10.4."""
        where = named(node) + struct.pack("<I", 13) + text(None)
        self.ask(673, several(where + held), several(struct.pack("<I", 0)) + several())


def _unit(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", 8 + len(body)) + body


def _request(service: int, secret: bytes, time: int, handle: int) -> bytes:
    """Number of the type, and RequestHeader, OPC 10000-4 7.33."""
    rest = struct.pack("<II", handle, 0) + text(None) + struct.pack("<I", 10_000) + b"\0\0\0"
    return named(service) + secret + moment(time) + rest


def _response(service: int, time: int, handle: int) -> bytes:
    """Number of the type, and ResponseHeader, OPC 10000-4 7.34."""
    return named(service) + moment(time) + struct.pack("<IIBi", handle, 0, 0, -1) + b"\0\0\0"


def _measured(time: int) -> list[bytes]:
    now = at(time)
    return [value(DOUBLE, struct.pack("<d", one)) for one in (now.uv * 2, now.uv, now.raw_flow)]


def disinfection(tape: Tape) -> None:
    """The panel asks the UV plant who it is, reads it every five seconds and sets its dose once."""
    channel = Channel(tape, HMI_2, 49_480, START + 900 * MILLISECOND)
    channel.begin("urn:hmi-energy:panel", "hmi-energy")
    held = [value(STRING, text(words)) for _, words in BUILD]
    channel.read(tuple(node for node, _ in BUILD), *held)
    for time in range(START + 3 * SECOND, END, 5 * SECOND):
        channel.time = time
        channel.read(VALUES, *_measured(time))
        if 0 <= time - START - DOSE_SET < 5 * SECOND:
            channel.write("UV.DoseSetpoint", value(DOUBLE, struct.pack("<d", 40.0)))


def disinfection_trend(tape: Tape) -> None:
    """The historian reads the same every twenty seconds."""
    channel = Channel(tape, HISTORIAN, 51_480, START + 1_100 * MILLISECOND)
    channel.begin("urn:historian:collector", "collector")
    for time in range(START + 4 * SECOND, END, 20 * SECOND):
        channel.time = time
        channel.read(VALUES, *_measured(time))
