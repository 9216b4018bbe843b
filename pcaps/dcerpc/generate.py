"""Writes the DCE/RPC captures of this folder, with `python generate.py`; needs impacket.

`peers.pcap`: both sides are impacket; it maps an endpoint and makes a service as PsExec does.
`by_hand.pcap`: every operation that otsec knows by name, once, with sealed arguments; and what is
refused, in the order of bytes of either machine.
"""

import contextlib
import struct
import sys
from pathlib import Path
from uuid import UUID

from impacket import uuid
from impacket.dcerpc.v5 import epm, rpcrt, scmr, transport
from impacket.dcerpc.v5.rpcrt import DCERPCException, DCERPCServer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls"), str(HERE.parents[1])]
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

from otsec.protocols.words.dcerpc import INTERFACES  # noqa: E402 - what is to be shown

LAPTOP = Host("unknown laptop", "3c:52:82:9f:a1:99", "10.10.30.199")
HISTORIAN = Host("historian", "d0:94:66:2a:20:21", "10.10.30.21")
SERVICE_PORT = 49_671
NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)


# ---------------------------------------------------------------------------------- peers


def mapped(_: bytes) -> bytes:
    """Where the service manager is."""
    floors = [epm.EPMRPCInterface(), epm.EPMRPCDataRepresentation(), epm.EPMProtocolIdentifier()]
    floors[0]["InterfaceUUID"] = uuid.string_to_bin("367abb81-9844-35f1-ad32-98f038001003")
    floors[0]["MajorVersion"], floors[0]["MinorVersion"] = 2, 0
    floors[1]["DataRepUuid"] = uuid.string_to_bin("8a885d04-1ceb-11c9-9fe8-08002b104860")
    floors[1]["MajorVersion"], floors[1]["MinorVersion"] = 2, 0
    floors[2]["ProtIdentifier"] = 0x0B
    raw = b"".join(floor.getData() for floor in floors)
    raw += struct.pack("<HBH", 1, 7, 2) + struct.pack(">H", SERVICE_PORT)
    raw += struct.pack("<HBH", 1, 9, 4) + HISTORIAN.packed
    tower = struct.pack("<H", 5) + raw
    answer = (
        bytes(20) + struct.pack("<5I", 1, 4, 0, 1, 3) + struct.pack("<II", len(tower), len(tower))
    )
    return answer + tower + bytes(-len(tower) % 4) + bytes(4)


def opened(kind: type) -> bytes:
    """A handle."""
    answer = kind()
    for name, _ in answer.structure:
        if name.startswith("lp") and name.endswith("Handle"):
            answer[name] = b"\x07" * 20
    answer["ErrorCode"] = 0
    return bytes(answer.getData())


def no_such_service(_: bytes) -> bytes:
    """There is no such service."""
    return bytes(20) + struct.pack("<I", 1060)


def made(_: bytes) -> bytes:
    """A new service: no tag, a handle."""
    return struct.pack("<I", 0) + b"\x07" * 20 + struct.pack("<I", 0)


SERVICES = {
    15: lambda _: opened(scmr.ROpenSCManagerWResponse),
    16: no_such_service,
    12: made,
    19: lambda _: struct.pack("<I", 0),
    2: lambda _: struct.pack("<I", 0),
    0: lambda _: bytes(20) + struct.pack("<I", 0),
}


def peers() -> list[Said]:
    """The endpoint mapper is asked; then a service is made and started, as PsExec does."""
    servers = []
    for tuple_, callbacks in (
        (epm.MSRPC_UUID_PORTMAP, {3: mapped}),
        (scmr.MSRPC_UUID_SCMR, SERVICES),
    ):
        server = DCERPCServer()
        server.addCallbacks(uuid.bin_to_uuidtup(tuple_), "135", callbacks)
        server.daemon = True
        server.start()
        servers.append(server)
    settle()
    relays = [Relay(server.getListenPort()) for server in servers]
    for relay, work in zip(relays, (ask_where, make_service), strict=True):
        dce = transport.DCERPCTransportFactory(
            f"ncacn_ip_tcp:127.0.0.1[{relay.port}]"
        ).get_dce_rpc()
        dce.connect()
        work(dce)
        dce.disconnect()
        settle()
    return [relay.connections[0] for relay in relays]


def ask_where(dce: rpcrt.DCERPC_v5) -> None:
    """Bind, and map."""
    epm.hept_map("127.0.0.1", scmr.MSRPC_UUID_SCMR, protocol="ncacn_ip_tcp", dce=dce)


def make_service(dce: rpcrt.DCERPC_v5) -> None:
    """As PsExec does."""
    dce.bind(scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(dce)["lpScHandle"]
    with contextlib.suppress(DCERPCException):
        scmr.hROpenServiceW(dce, manager, "PSEXESVC\0")
    path = "%SystemRoot%\\PSEXESVC.exe\0"
    handle = scmr.hRCreateServiceW(dce, manager, "PSEXESVC\0", "PSEXESVC\0", lpBinaryPathName=path)
    scmr.hRStartServiceW(dce, handle["lpServiceHandle"])
    scmr.hRDeleteService(dce, handle["lpServiceHandle"])
    scmr.hRCloseServiceHandle(dce, handle["lpServiceHandle"])


# -------------------------------------------------------------------------------- by hand


def fragment(kind: int, call: int, body: bytes, auth: bytes = b"", *, flags: int = 3) -> bytes:
    """C706 12.6.3.1, least significant byte first."""
    size = 16 + len(body) + len(auth)
    head = struct.pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, size, max(len(auth) - 8, 0), call)
    return head + body + auth


def bind(call: int, kind: int, interfaces: dict[int, str], auth: bytes = b"") -> bytes:
    """C706 12.6.4.3."""
    body = struct.pack("<HHIB3x", 4280, 4280, 0, len(interfaces))
    for context, interface in interfaces.items():
        version = 3 if interface.startswith("e1af8308") else 1
        body += struct.pack("<HBx", context, 1) + UUID(interface).bytes_le
        body += struct.pack("<I", version) + NDR
    return fragment(kind, call, body, auth)


def bound(call: int, kind: int, results: list[tuple[int, int]], auth: bytes = b"") -> bytes:
    """C706 12.6.4.4."""
    body = struct.pack("<HHIH4s", 4280, 4280, 0x1234, 4, b"135\0") + b"\0\0"
    body += struct.pack("<B3x", len(results))
    for result, reason in results:
        body += struct.pack("<HH", result, reason) + (bytes(20) if result else NDR)
    return fragment(kind, call, body, auth)


def sealed() -> bytes:
    """A trailer of NTLM at level privacy, [MS-RPCE] 2.2.2.11, whose signature says nothing."""
    return struct.pack("<BBBBI", 10, 6, 0, 0, 77) + b"\1\0\0\0" + b"\x5a" * 12


def ntlm(message: bytes) -> bytes:
    """The same trailer with a message of NTLM."""
    return struct.pack("<BBBBI", 10, 6, 0, 0, 77) + message


NEGOTIATE = (
    b"NTLMSSP\0"
    + struct.pack("<II", 1, 0xE2088297)
    + bytes(16)
    + bytes.fromhex("0a00634500 00000f")
)
CHALLENGE = (
    b"NTLMSSP\0" + struct.pack("<IHHII", 2, 10, 10, 56, 0xE28A8215) + b"\x11" * 8 + bytes(8)
    + struct.pack("<HHI", 36, 36, 66) + bytes.fromhex("0a0039380000000f")
    + "PLANT".encode("utf-16-le")
    + struct.pack("<HH", 2, 10) + "PLANT".encode("utf-16-le")
    + struct.pack("<HH", 1, 14) + "HISTORI".encode("utf-16-le") + struct.pack("<HH", 0, 0)
)  # fmt: skip


def authenticate() -> bytes:
    """[MS-NLMP] 2.2.1.3, with responses that say nothing."""
    fields = [b"\x22" * 24, b"\x33" * 24, *(
        word.encode("utf-16-le") for word in ("PLANT", "service", "LAPTOP-7")
    ), b"\x44" * 16]  # fmt: skip
    at, head, body = 88, b"", b""
    for field in fields:
        head += struct.pack("<HHI", len(field), len(field), at + len(body))
        body += field
    version = bytes.fromhex("0a0063450000000f")
    return (
        b"NTLMSSP\0"
        + struct.pack("<I", 3)
        + head
        + struct.pack("<I", 0xE2888215)
        + version
        + bytes(16)
        + body
    )


def every_operation() -> list[Said]:
    """A connection for each interface."""
    told = []
    for number, (interface, (_, table)) in enumerate(INTERFACES.items()):
        said: Said = [(0, bind(1, 11, {number: interface}, ntlm(NEGOTIATE)))]
        said.append((1, bound(1, 12, [(0, 0)], ntlm(CHALLENGE))))
        said.append((0, fragment(16, 1, bytes(4), ntlm(authenticate()))))
        for call, code in enumerate(table, 2):
            stub = bytes([0x5A ^ code]) * 32
            said.append(
                (0, fragment(0, call, struct.pack("<IHH", 32, number, code) + stub, sealed()))
            )
            said.append(
                (1, fragment(2, call, struct.pack("<IHBx", 32, number, 0) + stub, sealed()))
            )
        told.append(said)
    return told


def refused() -> Said:
    """What is refused, and what is rare."""
    unknown = "c0ffee00-0000-4000-8000-000000000001"
    service = "367abb81-9844-35f1-ad32-98f038001003"
    big = struct.pack(">BBBBIHHI", 5, 0, 3, 3, 0, 32, 0, 9) + struct.pack(
        ">IHBxII", 0, 2, 0, 0x1C010003, 0
    )
    return [
        (0, bind(1, 11, {0: unknown})),
        (1, bound(1, 12, [(2, 1)])),
        (0, bind(2, 14, {1: service})),
        (1, bound(2, 15, [(0, 0)])),
        (0, fragment(0, 3, struct.pack("<IHH", 32, 1, 12) + b"\x66" * 32, sealed())),
        (1, fragment(3, 3, struct.pack("<IHBxII", 0, 1, 0, 5, 0))),
        (0, fragment(0, 4, struct.pack("<IHH", 32, 1, 99) + b"\x66" * 32, sealed())),
        (1, fragment(3, 4, struct.pack("<IHBxII", 0, 1, 0, 0x1C010002, 0))),
        (0, fragment(18, 4, b"")),
        (0, fragment(0, 9, struct.pack("<IHH", 32, 2, 3) + b"\x66" * 32, sealed())),
        (1, big),
        (0, fragment(19, 9, b"")),
        (0, bind(10, 11, {0: unknown})),
        (1, fragment(13, 10, struct.pack("<HBBB", 4, 1, 5, 0) + bytes(3))),
        (1, fragment(17, 11, b"")),
    ]  # fmt: skip


def main() -> None:
    """Write both captures."""
    tape, now = Tape(), START
    for port, said in zip((135, SERVICE_PORT), peers(), strict=True):
        now = put(tape, (LAPTOP, HISTORIAN), (50_000 + port % 7, port), said, now)
    tape.write(HERE / "peers.pcap")
    tape, now = Tape(), START
    for number, said in enumerate([*every_operation(), refused()]):
        now = put(tape, (LAPTOP, HISTORIAN), (50_100 + number, 135), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
