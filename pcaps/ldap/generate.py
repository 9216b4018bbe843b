"""Writes the LDAP captures of this folder, with `python generate.py`; needs ldaptor.

In `peers.pcap` both sides are ldaptor; what it does not say is set by hand from RFC 4511 and MS-ADTS
in `by_hand.pcap`: NTLM, StartTLS, a domain controller that describes itself, also on UDP.
"""

import contextlib
import ssl
import struct
import sys
from pathlib import Path
from typing import Any

from ldaptor.inmemory import fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols import pureber, pureldap
from ldaptor.protocols.ldap.ldapclient import LDAPClient
from ldaptor.protocols.ldap.ldaperrors import LDAPException
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from ldaptor.protocols.ldap.ldapsyntax import LDAPEntry
from twisted.internet import defer, endpoints, protocol, reactor, task
from twisted.python.components import registerAdapter

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
SERVER = Host("dc-1", "00:15:5d:4a:30:06", "10.10.30.6")
TREE = b"""\
dn: dc=plant,dc=example
objectClass: dcObject
dc: plant

dn: ou=people,dc=plant,dc=example
objectClass: organizationalUnit
ou: people

dn: cn=admin,dc=plant,dc=example
objectClass: person
cn: admin
sn: admin
userPassword: admin

dn: cn=maint,ou=people,dc=plant,dc=example
objectClass: person
cn: maint
sn: maint
userPassword: x9-Not-A-Secret

"""
PEOPLE = "ou=people,dc=plant,dc=example"


class Directory(protocol.ServerFactory):  # type: ignore[misc]
    """One tree for all connections."""

    protocol = LDAPServer

    def __init__(self, root: Any) -> None:
        self.root = root


def element(tag: int, *parts: bytes) -> bytes:
    """BER, with a length in its short or long form."""
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
    return bytes([tag]) + size + body


def text(words: bytes) -> bytes:
    """An octet string."""
    return element(4, words)


def message(number: int, *op: bytes) -> bytes:
    """RFC 4511 4.1.1."""
    return element(0x30, element(2, bytes([number])), *op)


def result(tag: int, code: int, *more: bytes) -> bytes:
    """RFC 4511 4.1.9."""
    return element(tag, element(10, bytes([code])), text(b""), text(b""), *more)


def search(base: bytes, scope: int, *names: bytes) -> bytes:
    """RFC 4511 4.5.1, for whatever has a class."""
    limits = element(10, b"\0") + element(2, b"\0") * 2 + element(1, b"\0")
    kinds = element(0x87, b"objectClass") + element(0x30, *map(text, names))
    return element(0x63, text(base), element(10, bytes([scope])), limits, kinds)


def entry(**said: bytes) -> bytes:
    """The entry without a name."""
    lists = [element(0x30, text(k.encode()), element(0x31, text(v))) for k, v in said.items()]
    return element(0x64, text(b""), element(0x30, *lists))


DESCRIBED = entry(
    dnsHostName=b"DC-1.plant.example", defaultNamingContext=b"DC=plant,DC=example",
    domainControllerFunctionality=b"7", vendorName=b"Contoso", vendorVersion=b"10.0.17763",
)  # fmt: skip


def ntlm(kind: int) -> bytes:
    """MS-NLMP 2.2.1: a negotiation, a challenge, an answer."""
    wide = [word.encode("utf-16-le") for word in ("PLANT", "maint", "EWS-3")]
    if kind == 1:
        return b"NTLMSSP\0" + struct.pack("<II", 1, 0x0208_8207) + bytes(16)
    if kind == 2:
        pairs = struct.pack("<HH", 2, len(wide[0])) + wide[0] + struct.pack("<HH", 0, 0)
        fields = struct.pack("<HHI", 0, 0, 48) + struct.pack("<I", 0x0089_8201) + bytes(16)
        return b"NTLMSSP\0" + struct.pack("<I", 2) + fields + struct.pack(
            "<HHI", len(pairs), len(pairs), 48
        ) + pairs  # fmt: skip
    at, heads = 64, b""
    for word in (b"", b"", *wide, b""):
        heads += struct.pack("<HHI", len(word), len(word), at)
        at += len(word)
    return b"NTLMSSP\0" + struct.pack("<I", 3) + heads + struct.pack("<I", 1) + b"".join(wide)


def by_hand() -> tuple[Said, Said]:
    """NTLM, what a domain controller says of itself, refusals, up to TLS; and on UDP."""
    bind = [element(0x60, element(2, b"\3"), text(b""), element(0xA3, text(b"GSS-SPNEGO"), text(n)))
            for n in (ntlm(1), ntlm(3))]  # fmt: skip
    sicily = element(0x60, element(2, b"\3"), text(b""), element(0x8A, ntlm(1)))
    change = element(
        0x30, element(10, b"\2"), element(0x30, text(b"member"), element(0x31, text(b"x")))
    )
    first = [
        (0, message(1, search(b"", 0, b"dnsHostName"))),
        (1, message(1, DESCRIBED) + message(1, result(0x65, 0))),
        (0, message(2, bind[0])),
        (1, message(2, result(0x61, 14, element(0x87, ntlm(2))))),
        (0, message(3, bind[1])),
        (1, message(3, result(0x61, 0))),
        (0, message(4, element(0x66, text(b"CN=Domain Admins,DC=plant,DC=example"), element(0x30, change)))),
        (1, message(4, result(0x67, 50))),
        (0, message(5, element(0x6E, text(b"cn=maint"), element(0x30, text(b"sn"), text(b"maint"))))),
        (1, message(5, result(0x6F, 6))),
        (0, message(6, search(b"DC=plant,DC=example", 2, b"cn"))),
        (1, message(6, element(0x73, text(b"ldap://other.plant.example/")))),
        (0, message(7, element(0x50, b"\6"))),
        (1, message(6, element(0x79, element(0x80, b"1.3.6.1.4.1.4203.1.9.1.4")))),
        (0, message(8, element(0x77, element(0x80, b"1.3.6.1.4.1.4203.1.11.3")))),
        (1, message(8, result(0x78, 0))),
        (0, message(9, element(0x77, element(0x80, b"1.2.840.113556.1.4.1781")))),
        (1, message(9, result(0x78, 2))),
        (0, message(10, element(0x77, element(0x80, b"1.3.6.1.4.1.4203.1.11.1")))),
        (1, message(10, result(0x78, 53))),
        (0, message(11, sicily)),
        (1, message(11, result(0x61, 7))),
        (0, message(12, element(0x42))),
    ]  # fmt: skip
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), hello, server_hostname="dc-1.plant.example"
        ).do_handshake()
    second = [
        (0, message(1, element(0x77, element(0x80, b"1.3.6.1.4.1.1466.20037")))),
        (1, message(1, result(0x78, 0))),
        (0, hello.read()),
        (1, b"\x15\x03\x03\x00\x02\x02\x28"),
    ]
    return first, second


@defer.inlineCallbacks  # type: ignore[untyped-decorator]
def session(port: int, dn: str, password: str, *, changes: bool = False) -> Any:
    """One connection: a bind, and what is done behind it."""
    where = endpoints.clientFromString(reactor, f"tcp:127.0.0.1:{port}")
    client = yield endpoints.connectProtocol(where, LDAPClient())
    bind = pureldap.LDAPBindRequest(version=3, dn=dn, auth=password)
    yield client.send(bind)

    @defer.inlineCallbacks  # type: ignore[untyped-decorator]
    def ask(request: Any) -> Any:
        with contextlib.suppress(LDAPException):
            yield client.send(request)

    yield LDAPEntry(client=client, dn=PEOPLE).search(scope=pureldap.LDAP_SCOPE_singleLevel)
    if changes:
        who = f"cn=new,{PEOPLE}"
        attributes = [
            (
                pureldap.LDAPAttributeDescription(name),
                pureber.BERSet([pureldap.LDAPAttributeValue(value)]),
            )
            for name, value in (("objectClass", "person"), ("cn", "new"), ("sn", "new"))
        ]
        yield ask(pureldap.LDAPAddRequest(entry=who, attributes=attributes))
        values = pureber.BERSet([pureldap.LDAPAttributeValue("not-a-secret")])
        change = pureber.BERSequence(
            [pureber.BEREnumerated(2),
             pureber.BERSequence([pureldap.LDAPAttributeDescription("userPassword"), values])]
        )  # fmt: skip
        yield ask(pureldap.LDAPModifyRequest(object=who, modification=[change]))
        yield ask(pureldap.LDAPModifyDNRequest(entry=who, newrdn="cn=newer", deleteoldrdn=1))
        yield ask(pureldap.LDAPDelRequest(entry=f"cn=newer,{PEOPLE}"))
        yield ask(pureldap.LDAPDelRequest(entry=f"cn=missing,{PEOPLE}"))
    client.unbind()
    yield task.deferLater(reactor, 0.3, lambda: None)


@defer.inlineCallbacks  # type: ignore[untyped-decorator]
def peers(relay: Relay) -> Any:
    """Binds without a name, refused, with a default and with a good password; a directory changed."""
    maint = f"cn=maint,{PEOPLE}"
    yield session(relay.port, "", "")
    yield session(relay.port, maint, "not-a-secret")
    yield session(relay.port, "cn=admin,dc=plant,dc=example", "admin")
    yield session(relay.port, maint, "x9-Not-A-Secret", changes=True)
    reactor.stop()


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    registerAdapter(lambda factory: factory.root, Directory, IConnectedLDAPEntry)
    import io  # noqa: PLC0415 - only here

    def listen(root: Any) -> None:
        port = reactor.listenTCP(0, Directory(root), interface="127.0.0.1")
        relays.append(Relay(port.getHost().port))
        peers(relays[0])

    relays: list[Relay] = []
    fromLDIFFile(io.BytesIO(TREE)).addCallback(listen)
    reactor.run()
    tape, now = Tape(), START
    for number, said in enumerate(relays[0].connections):
        now = put(tape, (STATION, SERVER), (57_000 + number, 389), said, now)
    tape.write(HERE / "peers.pcap")
    tape, now = Tape(), START
    for number, said in enumerate(by_hand()):
        now = put(tape, (STATION, SERVER), (57_100 + number, 389), said, now)
    tape.datagram(now, STATION, SERVER, (57_200, 389), message(1, search(b"", 0, b"netlogon")))
    answer = message(1, DESCRIBED) + message(1, result(0x65, 0))
    tape.datagram(now + 4_000, SERVER, STATION, (389, 57_200), answer)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
