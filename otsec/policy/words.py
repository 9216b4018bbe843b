"""Protocols and services as a policy names them, and what each has.

What a protocol can do is its own list (`Protocol.operations`); here stands only what decoders do
not know: names that people use, and protocols that are known but not decoded.
"""

from dataclasses import dataclass
from functools import cache

from otsec.policy.model import CLASSES
from otsec.protocols import PROTOCOLS


@dataclass(frozen=True, slots=True)
class Known:
    """A protocol that a policy may name."""

    name: str  # as decoders call it
    ports: frozenset[str]
    decoded: bool
    operations: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()  # operations that the name stands for; none: all


# Known but not decoded: where they are usually found (IANA, or their makers' manuals).
UNDECODED: dict[str, tuple[str, ...]] = {
    "mms": ("tcp/102",), "sv": ("0x88ba",), "s7comm_plus": ("tcp/102",), "fins": ("tcp/9600", "udp/9600"),
    "melsec": ("tcp/5006", "tcp/5007", "udp/5006"), "ads": ("tcp/48898", "udp/48899", "0x88a4"),
    "ethercat": ("0x88a4", "udp/34980"), "ge_srtp": ("tcp/18245", "tcp/18246"),
    "hartip": ("tcp/5094", "udp/5094"), "egd": ("udp/18246",), "pcom": ("tcp/20256",),
    "codesys": ("tcp/1217", "tcp/2455", "tcp/11740"), "tristation": ("udp/1502",),
    "c37118": ("tcp/4712", "udp/4713"), "knx": ("udp/3671", "tcp/3671"), "bsap": ("udp/1234",),
    "coap": ("udp/5683",), "fox": ("tcp/1911", "tcp/4911"), "opcda": ("tcp/135",),
    "ptp": ("udp/319", "udp/320", "0x88f7"), "powerlink": ("0x88ab",), "cclink": ("0x890f",),
    "doip": ("tcp/13400", "udp/13400"), "roc": ("tcp/4000",), "amqp": ("tcp/5671", "tcp/5672"),
}  # fmt: skip

# Names for a part of a decoded protocol: cyclic data and alarms of PROFINET, without DCP.
PARTS: dict[str, tuple[str, frozenset[str]]] = {
    "profinet_rt": (
        "profinet",
        frozenset(
            {
                *("cyclic_data", "frame_piece", "alarm", "alarm_acknowledge"),
                *("alarm_transport_reject", "alarm_transport_acknowledge", "alarm_transport_error"),
            }
        ),
    ),
}

# Services by the name that people use, where it is not that of a protocol.
SERVICES: dict[str, tuple[str, ...]] = {
    "https": ("tcp/443", "tcp/8443"), "smtp": ("tcp/25", "tcp/587"), "syslog": ("udp/514", "tcp/514", "tcp/6514"),
    "kerberos": ("tcp/88", "udp/88"), "rpc": ("tcp/135",), "winrm": ("tcp/5985", "tcp/5986"),
    "mssql": ("tcp/1433",), "postgresql": ("tcp/5432",), "mysql": ("tcp/3306",), "oracle": ("tcp/1521",),
    "pi": ("tcp/5450",), "nfs": ("tcp/2049", "udp/2049"), "rsync": ("tcp/873",), "ipp": ("tcp/631",),
    "wsus": ("tcp/8530", "tcp/8531"), "anydesk": ("tcp/7070",), "radmin": ("tcp/4899",),
    "icmp": ("icmp",), "icmpv6": ("icmp6",), "ptp": ("udp/319", "udp/320", "0x88f7"),
    "netflow": ("udp/2055",), "tacacs": ("tcp/49",), "iperf": ("tcp/5201",),
}  # fmt: skip

# Keys that narrow an entry, the protocols that have such a thing, and where it is looked for.
DETAILS: dict[str, tuple[str, ...]] = {
    "nodes": ("opcua",),
    "topics": ("mqtt",),
    "common_address": ("iec104",),
    "appid": ("goose",),
    "units": ("modbus",),
    "objects": (),  # any protocol
    "devices": (),
}
# Protocols by which people come in from afar.
REMOTE = frozenset({
    *("rdp", "vnc", "ssh", "telnet", "teamviewer", "openvpn", "wireguard", "ike", "anydesk"),
    *("radmin", "winrm"),
})  # fmt: skip


@cache
def protocols() -> dict[str, Known]:
    """Every protocol that a policy may name."""
    found: dict[str, Known] = {}
    for one in PROTOCOLS:
        found[one.name] = Known(
            one.name,
            frozenset(one.services),
            decoded=True,
            operations=frozenset(operation.name for operation in one.operations),
            classes=frozenset(operation.cls for operation in one.operations),
        )
    for name, ports in UNDECODED.items():
        found.setdefault(name, Known(name, frozenset(ports), decoded=False))
    for name, (whole, only) in PARTS.items():
        base = found[whole]
        classes = frozenset(
            operation.cls
            for one in PROTOCOLS
            if one.name == whole
            for operation in one.operations
            if operation.name in only
        )
        found[name] = Known(
            whole, base.ports, decoded=True, operations=only, classes=classes, only=only
        )
    return found


def service(name: str) -> Known | None:
    """A service by name (`rdp`, `https`) or number (`tcp/502`, `0x88b8`, `ip/50`, `icmp`)."""
    folded = name.casefold()
    if folded in SERVICES:
        return Known("", frozenset(SERVICES[folded]), decoded=False)
    if folded in protocols():
        return protocols()[folded]
    kind, slash, number = folded.partition("/")
    if slash and number.isascii() and number.isdecimal():
        most = 255 if kind == "ip" else 65_535
        if kind in {"tcp", "udp", "sctp", "ip"} and int(number) <= most:
            return Known("", frozenset({f"{kind}/{int(number)}"}), decoded=False)
    if folded.startswith("0x") and len(folded) == 6:
        try:
            return Known("", frozenset({f"{int(folded, 16):#06x}"}), decoded=False)
        except ValueError:
            return None
    return None


def service_names() -> tuple[str, ...]:
    """The services that have names."""
    return tuple(sorted({*SERVICES, *protocols()}))


def told_classes(known: Known) -> str:
    """What a protocol has, in the order of the design's list."""
    return ", ".join(cls for cls in CLASSES if cls in known.classes)


@cache
def every_operation() -> frozenset[str]:
    """The operations of all decoded protocols."""
    return frozenset().union(*(known.operations for known in protocols().values()))


@cache
def _classes(protocol: str) -> dict[str, str]:
    return {
        operation.name: operation.cls
        for one in PROTOCOLS
        if one.name == protocol
        for operation in one.operations
    }


def class_of(protocol: str, operation: str) -> str:
    """The class of an operation; empty: the protocol has no such."""
    return _classes(protocol).get(operation, "")


def operation_of(protocol: str, cls: str) -> str:
    """An operation of a class; the class itself where none is known."""
    return next((name for name, told in _classes(protocol).items() if told == cls), cls)
