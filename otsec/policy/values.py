"""Single values of a policy: how each is written."""

import ipaddress
import re
from datetime import date, datetime

from otsec.policy.model import LEVELS, IpAddress, MacRange, Network

_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_MAC = re.compile(r"([0-9a-f]{2}(?:[:-][0-9a-f]{2}){5})(?:/(\d{1,2}))?", re.ASCII | re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_NUMBERS = re.compile(
    r"(0[xX][0-9a-fA-F]{1,8}|\d{1,9})(?:-(0[xX][0-9a-fA-F]{1,8}|\d{1,9}))?", re.ASCII
)
_VLAN = re.compile(r"(\d{1,4})(\.\d{1,4})?|vni \d{1,8}( \d{1,4}(\.\d{1,4})?)?", re.ASCII)
MINUTES = 1_440  # of a day
SMALLEST = 0xF  # what changes in a network of 16 addresses; in smaller ones many a host ends so
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

# Each gives the value, or raises ValueError with what is to be said behind `found "x"`.


def name(text: str) -> str:
    """A name or id."""
    if not _NAME.fullmatch(text):
        raise ValueError("; letters, digits, `-`, `_` and `.`, at most 64")
    return text


def level(text: str) -> float:
    """A Purdue level."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if number not in LEVELS:
        raise ValueError(f"; there are: {', '.join(f'{one:g}' for one in LEVELS)}, null")
    return number


def security_level(text: str) -> int:
    """A security level of IEC 62443."""
    if text not in {"0", "1", "2", "3", "4"}:
        raise ValueError("")
    return int(text)


def network(text: str) -> Network:
    """A network, or one address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        lax = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("; write 10.20.10.0/24 or 10.20.10.5") from None
    raise HostBitsError(
        f"; host bits are set: write {lax}, or {text.partition('/')[0]} for one host"
    )


class HostBitsError(ValueError):
    """An address where a network is meant."""


def mac_range(text: str) -> MacRange:
    """A MAC address, or those that begin alike."""
    found = _MAC.fullmatch(text)
    bits = int(found[2]) if found and found[2] else 48
    if found is None or not 1 <= bits <= 48:
        raise ValueError("; write 00:1b:1b:00:20:21 or 00:1b:1b:00:00:00/24")
    value = int(found[1].replace(":", "").replace("-", ""), 16)
    if value & ((1 << (48 - bits)) - 1):
        raise HostBitsError(f"; bits are set behind the first {bits}")
    return MacRange(value, bits)


def multicast(text: str) -> Network | MacRange:
    """A group of addresses, by MAC or IP address."""
    group: Network | MacRange
    if _MAC.fullmatch(text):
        group = mac_range(text)
        if group.value >> 40 & 1 == 0:  # the group bit, IEEE 802 8.2.2
            raise ValueError("; it is the address of one device")
        return group
    group = network(text)
    if not group.is_multicast and group.prefixlen < 32:
        raise ValueError("; it is no multicast address")
    return group


def ends_network(ip: IpAddress) -> bool:
    """Whether it can be the broadcast address of a network: of 16 addresses at least."""
    return ip.version == 4 and int(ip) & SMALLEST == SMALLEST


def vlan(text: str) -> str:
    """A VLAN as listings show it: `10`, `100.10`, `vni 5000`."""
    found = _VLAN.fullmatch(text)
    if found is None or (found[1] and int(found[1]) > 4_095):
        raise ValueError("; write 10, 100.10 or vni 5000")
    return text


def clock(text: str) -> int:
    """Minutes of the day."""
    found = _CLOCK.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minutes <= MINUTES:
        raise ValueError('; write "22:00"')
    return minutes


def day(text: str) -> date:
    """A date."""
    if not _DATE.fullmatch(text):
        raise ValueError("; write 2026-12-04")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("; there is no such day") from None


def moment(text: str) -> datetime:
    """A date and time; without an offset by the clocks of the site."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('; write "2026-12-01 23:00"') from None


def duration(text: str) -> int:
    """Seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("; write 30m, 4h or 1d")
    return int(found[1]) * UNITS[found[2]]


def numbers(text: str) -> str:
    """A number or range, in decimal digits: `12`, `1-64`."""
    found = _NUMBERS.fullmatch(text)
    if found is None:
        raise ValueError('; write 12, 0x0001 or "1-64"')
    first, last = (
        int(found[1], _base(found[1])),
        int(found[2] or found[1], _base(found[2] or found[1])),
    )
    if last < first:
        raise ValueError("; its end is below its beginning")
    return f"{first}-{last}"


def _base(text: str) -> int:
    return 16 if text[:2].lower() == "0x" else 10
