"""What is a session, and of which kind: tables by protocol and by what is done."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

SessionKind: TypeAlias = Literal[
    "interactive", "tunnel", "files", "login", "administration", "engineering", "operating"
]

# A person at a screen or a shell of another machine.
INTERACTIVE = frozenset(
    {"ssh", "telnet", "rdp", "vnc", "teamviewer", "anydesk", "winrm", "rlogin", "x11"}
)
TUNNEL = frozenset({"openvpn", "wireguard", "ike", "l2tp", "pptp"})
FILES = frozenset({"smb", "ftp", "tftp"})
LOGIN = frozenset({"http", "ldap", "tds"})  # sessions where somebody logs in, else mere requests
ADMINISTRATION = frozenset({"dcerpc", "snmp", "radius", "ntp", "ptp"})  # of hosts and network gear

# What is likely where nothing was recognised, as where the beginning was not captured. Only the
# number speaks for it (IANA), which is told.
BY_PORT = {
    "tcp/22": "ssh",
    "tcp/23": "telnet",
    "tcp/3389": "rdp",
    "udp/3389": "rdp",
    "tcp/5900": "vnc",
    "tcp/5901": "vnc",
    "tcp/5938": "teamviewer",
    "tcp/5985": "winrm",
    "tcp/5986": "winrm",
    "udp/1194": "openvpn",
    "udp/51820": "wireguard",
    "udp/4500": "ike",
}

CHANGING = ("write", "control", "program", "mode", "firmware", "config", "file", "time")
ENGINEERING = frozenset({"program", "mode", "firmware", "config", "file"})

# Protocols in which hosts keep house; nobody works in them.
HOUSEHOLD = frozenset({"arp", "cdp", "dhcp", "dns", "lldp", "nbns", "tls"})
# Of a changing class, and yet what stations do all day: they ask to be told of changes, or for the
# time.
ROUTINE = frozenset(
    {
        *("create_subscription", "modify_subscription", "delete_subscriptions"),  # OPC UA
        *("create_monitored_items", "modify_monitored_items", "delete_monitored_items"),
        *("set_monitoring_mode", "set_triggering", "set_publishing_mode"),
        "transfer_subscriptions",
        *("subscribe_cov", "subscribe_cov_property", "subscribe_cov_property_multiple"),  # BACnet
        *("enable_unsolicited", "disable_unsolicited", "assign_class"),  # DNP3
        *("change_driven_transfer", "change_driven_transfer_modify"),  # S7
        *("unsubscribe", "message_service"),
        *("client", "broadcast", "symmetric_active", "symmetric_passive"),  # NTP
        *("subscribe", "unsubscribe"),  # MQTT
    }
)

# A master of DNP3 takes note of a restart by clearing this bit, IEEE 1815 4.2.2.3.
ROUTINE_OBJECTS = frozenset({"internal_indication 7"})

CLOSES = frozenset(
    {"unregister_session", "close_session", "close_secure_channel", "logoff", "stopdt", "quit"}
)
ENGINEER = "PG"  # how an engineering station names its connection (S7: TSAP 01xx)


def changes(cls: str, operation: str) -> bool:
    """Whether an operation changes the state of a device."""
    return cls in CHANGING and operation not in ROUTINE


def _engineers(deed: tuple[str, str, str]) -> bool:
    """Whether a deed is one of somebody who sets a device up, not of an operator's station."""
    cls, operation, what = deed
    return cls in ENGINEERING and changes(cls, operation) and what not in ROUTINE_OBJECTS


def kind_of(
    protocol: str, deeds: Iterable[tuple[str, str, str]], *, logs_in: bool, engineer: bool
) -> SessionKind | None:
    """The kind of a session by its protocol, and class, name and object of what was done.

    None: it is no session.

    ``logs_in``: somebody says who he is; ``engineer``: the client names itself a programmer.
    """
    if protocol in INTERACTIVE:
        return "interactive"
    if protocol in TUNNEL:
        return "tunnel"
    if protocol in FILES:
        return "files"
    if protocol in HOUSEHOLD:
        return None
    if protocol in LOGIN:
        return "login" if logs_in else None
    told = list(deeds)
    if protocol in ADMINISTRATION:
        return "administration" if any(changes(*deed[:2]) for deed in told) else None
    if engineer or any(map(_engineers, told)):
        return "engineering"
    done = {cls for cls, operation, _ in told if changes(cls, operation)}
    return "operating" if done - {"time"} else None
