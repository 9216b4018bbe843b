"""Weaknesses that packets prove: clear and default credentials, old protocols, open doors.

Each rule looks at one attribute of what is known, or at what an asset answers; what it finds is
told with the packet that shows it. That a thing is not listed says only that it was not seen.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from otsec.inventory.assembly import Inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset, Sight
from otsec.store.queries import is_device
from otsec.store.sightings import Shown as Credentials

Severity: TypeAlias = Literal["high", "medium", "low", "informational"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "informational")


class Shown(NamedTuple):
    """An asset of which a weakness was seen, and what shows it."""

    asset: str  # its name
    by: str  # who showed it to the asset; empty: the asset itself says it
    seen: str  # as it was sent
    sight: Sight
    said_by: str


@dataclass(frozen=True, slots=True)
class Weakness:
    """One weakness, and where it was seen."""

    title: str
    severity: Severity
    why: str
    action: str
    shown: tuple[Shown, ...] = field(default=())


class Rule(NamedTuple):
    """What makes a value of an attribute a weakness."""

    weakness: Weakness
    attributes: tuple[str, ...]
    holds: Callable[[str, int], bool]  # of a value, and when it was last said (ns)


def _any_of(*words: str) -> Callable[[str, int], bool]:
    pattern = re.compile("|".join(words), re.IGNORECASE)
    return lambda value, _: pattern.search(value) is not None


def _expired(value: str, said: int) -> bool:
    """Whether the last day of a certificate was over when it was last shown."""
    try:
        until = datetime.strptime(value[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return until.timestamp() * 1e9 + 86_400e9 < said


# IANA TLS cipher suites: no encryption, export grade, RC4, DES and 3DES.
_WEAK_CIPHERS = frozenset(
    (
        *range(0x0001, 0x000C),
        *range(0x0014, 0x001C),
        *(0x000D, 0x0010, 0x0012, 0x0013, 0x0016),
        *(0x002C, 0x002D, 0x002E, 0x003B, 0x00B0, 0x00B1, 0x00B4, 0x00B5),
        *(0xC001, 0xC002, 0xC003, 0xC006, 0xC007, 0xC008, 0xC00B, 0xC00C, 0xC00D),
        *(0xC010, 0xC011, 0xC012, 0xC015, 0xC016, 0xC017),
    )
)


def _weak_cipher(value: str, _said: int) -> bool:
    try:
        return int(value, 16) in _WEAK_CIPHERS
    except ValueError:
        return False


RULES: tuple[Rule, ...] = (
    Rule(
        Weakness(
            "Default credentials",
            "high",
            "Names and passwords that the maker prints in the manual open the device to everybody.",
            "Set credentials of its own on each device, or switch the service off.",
        ),
        ("credentials", "snmp_community"),
        _any_of("^default"),
    ),
    Rule(
        Weakness(
            "Credentials in clear text",
            "high",
            "Whoever sees the traffic, as this capture does, can read and use them.",
            "Use the encrypted form of the protocol (HTTPS, SSH, SNMPv3, OPC UA with encryption), "
            "then change the passwords that went over the wire.",
        ),
        ("credentials", "user_identity", "snmp_community"),
        _any_of("^clear", "password in clear$"),
    ),
    Rule(
        Weakness(
            "Weak credentials",
            "high",
            "They are among the first that anybody tries.",
            "Replace them.",
        ),
        ("credentials", "snmp_community"),
        _any_of("^weak"),
    ),
    Rule(
        Weakness(
            "Anonymous access",
            "medium",
            "Nobody is asked who he is; what he does cannot be told from what others do.",
            "Require an account, and give it no more rights than it needs.",
        ),
        ("user_identity", "credentials", "vnc_security"),
        _any_of("^anonymous", "^none"),
    ),
    Rule(
        Weakness(
            "OPC UA endpoint without security",
            "medium",
            "The server offers to talk without signature and encryption, so it can be read and "
            "impersonated.",
            "Switch the endpoint `None` off once all clients have certificates.",
        ),
        ("endpoint",),
        _any_of(r", none(,|$)"),
    ),
    Rule(
        Weakness(
            "SNMP without encryption (versions 1 and 2c)",
            "medium",
            "The community string is the password and goes over the wire in clear text.",
            "Use SNMPv3 with authentication and privacy; else read-only, from named managers.",
        ),
        ("snmp_version",),
        _any_of("^1$", "^2c$"),
    ),
    Rule(
        Weakness(
            "SMB version 1",
            "high",
            "It has no integrity worth the name, and worms (EternalBlue, MS08-067) spread by it.",
            "Switch SMBv1 off; keep what cannot do without it in a segment of its own.",
        ),
        ("smb_dialect",),
        _any_of("^NT LM 0.12", "^LANMAN", "^PC NETWORK", "^SMB 1"),
    ),
    Rule(
        Weakness(
            "SMB signing not required",
            "low",
            "Sessions can be relayed to other machines.",
            "Require signing on servers and clients.",
        ),
        ("smb_signing",),
        _any_of("^enabled", "^disabled", "^not"),
    ),
    Rule(
        Weakness(
            "Old version of TLS",
            "medium",
            "SSL, TLS 1.0 and TLS 1.1 are withdrawn (RFC 8996).",
            "Update the device, or put a proxy that speaks TLS 1.2 or 1.3 before it.",
        ),
        ("tls_version",),
        _any_of(r"^SSL", r"^TLS 1\.[01]$"),
    ),
    Rule(
        Weakness(
            "Weak cipher of TLS",
            "medium",
            "RC4, DES, 3DES, export grade or no encryption at all was agreed on.",
            "Allow suites with AES-GCM or ChaCha20 alone.",
        ),
        ("tls_cipher",),
        _weak_cipher,
    ),
    Rule(
        Weakness(
            "Expired certificate",
            "low",
            "People learn to click warnings away, and so the attacker's too.",
            "Renew it, and write down who renews it next time.",
        ),
        ("certificate_until",),
        _expired,
    ),
    Rule(
        Weakness(
            "Remote desktop without network level authentication",
            "medium",
            "The screen of the login is open to everybody who reaches the port.",
            "Require network level authentication (CredSSP).",
        ),
        ("rdp_security",),
        _any_of("^rdp$"),
    ),
    Rule(
        Weakness(
            "SSH version 1",
            "high",
            "Its encryption is broken.",
            "Update the server, or switch version 1 off.",
        ),
        ("ssh_version",),
        _any_of(r"^1\."),
    ),
    Rule(
        Weakness(
            "Operating system without support",
            "medium",
            "Nobody mends what is found in it any more.",
            "Plan its replacement; until then keep it in a segment of its own.",
        ),
        ("os",),
        _any_of(
            r"Windows (NT|95|98|ME|2000|XP|Vista|7\b|8\b|8\.1)",
            r"Windows Server (2003|2008|2012)",
        ),
    ),
    Rule(
        Weakness(
            "Controller without protection of its program",
            "medium",
            "Everybody who reaches it can read, change and stop its program.",
            "Set a protection level with a password in the hardware configuration.",
        ),
        ("protection_level",),
        _any_of("^1$"),
    ),
    Rule(
        Weakness(
            "Key switch lets programs be changed",
            "medium",
            "In RUN-P or REMOTE a controller takes programs while it runs.",
            "Turn the key to RUN and take it out.",
        ),
        ("key_switch",),
        _any_of("^RUN_P", "^REM"),
    ),
)

CLEAR = {  # protocols that send all they say in clear text, passwords too
    "telnet": "Telnet",
    "ftp": "FTP",
    "tftp": "TFTP, which asks for no password at all",
}
CLEAR_SERVICE = Weakness(
    "Service that sends everything in clear text",
    "medium",
    "Passwords and files can be read and changed on the way.",
    "Use SSH or SFTP; switch the old service off.",
)


# What a client says and what tells of the door that the server keeps open.
OF_CLIENTS = ("credentials", "snmp_community", "user_identity")


def weaknesses(found: Inventory, site: str, shown: Sequence[Credentials]) -> list[Weakness]:
    """What was seen at a site, the worst first; ``shown``: by which credentials clients come in."""
    assets = [asset for asset in found.assets if asset.site == site]
    known = Directory(found)
    doors = [one for one in shown if one.site == site and is_device(one.server)]
    told = [
        replace(rule.weakness, shown=(*_of_doors(known, doors, rule), *_of_assets(assets, rule)))
        for rule in RULES
    ]
    told.append(replace(CLEAR_SERVICE, shown=tuple(_clear(assets))))
    return sorted(
        (one for one in told if one.shown),
        key=lambda one: (SEVERITIES.index(one.severity), -len(one.shown), one.title),
    )


def _of_doors(known: Directory, doors: Iterable[Credentials], rule: Rule) -> Iterator[Shown]:
    """Servers into which somebody came so, each with each client once, as last seen."""
    last: dict[tuple[str, str], Shown] = {}
    for one in doors:
        if one.attribute not in rule.attributes or not rule.holds(one.value, one.last_time):
            continue
        where = (one.site, one.group, one.place)
        server, client = known.at(*where, one.server), known.at(*where, one.client)
        names = (server.name if server else one.server, client.name if client else one.client)
        sight = Sight(one.last_time, one.source, one.last_packet)
        seen = Shown(*names, f"{one.attribute} {one.value}", sight, one.protocol)
        last[names] = max(last.get(names, seen), seen, key=lambda each: each.sight)
    yield from last.values()


def _of_assets(assets: Iterable[Asset], rule: Rule) -> Iterator[Shown]:
    attributes = {*rule.attributes} - {*OF_CLIENTS}
    for asset in assets:
        for one in asset.known:
            told = one.attribute in attributes and one.standing != "replaced"
            if told and one.last.source and rule.holds(one.value, one.last.time):
                yield Shown(asset.name, "", f"{one.attribute} {one.value}", one.last, one.said_by)
                break


def _clear(assets: Iterable[Asset]) -> Iterator[Shown]:
    for asset in assets:
        for word in asset.answers:
            if word in CLEAR:
                last = max(
                    (talk for talk in asset.talks if talk.protocol == word),
                    key=lambda talk: (talk.last_time, talk.last_packet),
                    default=None,
                )
                if last is not None:
                    sight = Sight(last.last_time, last.source, last.last_packet)
                    yield Shown(asset.name, "", f"answers {CLEAR[word]}", sight, word)
