"""Pseudonyms: equal for equal ones, as long as what they stand for, made with a secret key.

What is kept, because the reader needs it:

- of a MAC address the vendor (first three bytes), and all group addresses;
- of an IPv4 address in which range it is (private, link-local, public), and which addresses share
  a network: two that have their first n bits in common (n up to 24) have it still; in a /24 the
  hosts change places, 0 and 255 stay. Group, broadcast and loop-back addresses stay;
- of an IPv6 address the same for its first 64 bits; an interface identifier that is made of a MAC
  address stays made of that MAC's pseudonym;
- of a name its length, its signs, and which letters are capital or digits.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING

from otsec.errors import StorageError, UsageError
from otsec.model import ip_text
from otsec.store import Store, references

if TYPE_CHECKING:
    from otsec.evidence.gather import Gathered

KEY_BYTES = 32
LEAST_NAME = 3  # letters; shorter ones are in everything
LEAST_ANYWHERE = 6  # letters; a shorter name is replaced only where it is a word of its own
LEAST_TOLD = 3  # octets other than 0 of a MAC address; fewer are in many numbers, too
MOST_NAMES = 2_000
COMMON = frozenset(  # parts of names that name nobody
    {
        *("local", "localdomain", "localhost", "lan", "home", "arpa", "com", "net", "org", "www"),
        *("http", "https", "opc", "tcp", "udp", "urn", "server", "client", "none", "unknown"),
        *("default", "public", "private", "workgroup", "unconfigured", "ntlmssp"),
        *("site", "tap", "point", "capture"),
    }
)
_KEPT4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
_FIXED4 = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")
_KEPT6 = ("fe80::/10", "fe80::/64", "fc00::/7")
_FIXED6 = ("::/8", "ff00::/8")


def secret(path: Path) -> tuple[bytes, bool]:
    """The key in a file, made where there is none; whether it is new."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = token_bytes(KEY_BYTES)
        try:
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(key)
        except OSError as error:
            raise StorageError(f"{path}: the key cannot be written: {error.strerror}") from error
        return key, True
    except OSError as error:
        raise StorageError(f"{path}: the key cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise UsageError(f"{path}: is no key of pseudonyms; expected {KEY_BYTES} bytes")
    return key, False


def _bits(networks: Iterable[str]) -> tuple[str, ...]:
    """The leading bits that the addresses of each network share."""
    nets = map(ip_network, networks)
    return tuple(
        f"{int(net.network_address):0{net.max_prefixlen}b}"[: net.prefixlen] for net in nets
    )


_RANGES = {32: (_bits(_FIXED4), _bits(_KEPT4)), 128: (_bits(_FIXED6), _bits(_KEPT6))}


@dataclass(frozen=True, slots=True)
class Known:
    """What is to be hidden wherever it stands."""

    names: tuple[str, ...]
    ipv4: frozenset[bytes]
    ipv6: frozenset[bytes]
    macs: frozenset[bytes]


class Pseudonyms:
    """The mapping that a key gives."""

    def __init__(self, key: bytes, known: Known, labels: dict[str, str] | None = None) -> None:
        """``labels``: names of sites and points, which stand only in what is said of packets."""
        self._key = key
        self.known = known
        self.labels = labels or {}
        self.counts: dict[str, int] = {}
        self.mac = lru_cache(65_536)(self._mac)
        self.ipv4 = lru_cache(65_536)(self._ipv4)
        self.ipv6 = lru_cache(65_536)(self._ipv6)

    @classmethod
    def of(cls, key: bytes, store: Store, gathered: "Sequence[Gathered]") -> "Pseudonyms":
        """For what a store knows of the sources."""
        sources = [one.tap.id for one in gathered]
        addresses = [ip for text in references.addresses(store, sources) if (ip := _parsed(text))]
        taps = [one.tap for one in gathered]
        labels = {
            name: f"{word}-{number}"
            for word, names in (
                ("point", [tap.name for tap in taps]),
                ("site", [tap.site for tap in taps]),
            )
            for number, name in enumerate(dict.fromkeys(names), 1)
        }
        return cls(
            key,
            Known(
                words(references.names(store, sources)),
                *(
                    frozenset(one for one in addresses if len(one) == size and _is_told(one))
                    for size in (4, 16, 6)
                ),
            ),
            labels,
        )

    # ------------------------------------------------------------------ addresses

    def _draw(self, what: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{what} {text}".encode(), "sha256")

    def _number(self, what: str, text: str) -> int:
        return int.from_bytes(self._draw(what, text)[:8], "big")

    def _mac(self, address: bytes) -> bytes:
        """A MAC address."""
        if address[:3] == b"\x33\x33\xff":  # of solicited nodes, RFC 2464 7
            return address[:3] + self._last24(address[3:])
        if address[0] & 1 or not any(address) or address[:4] == b"\x00\x00\x5e\x00":
            return address
        return address[:3] + self._last24(address[3:])

    def _last24(self, low: bytes) -> bytes:
        """What stands for the last 24 bits of MAC addresses and IPv6 identifiers alike."""
        return self._permuted("low", int.from_bytes(low, "big"), 24).to_bytes(3, "big")

    def _permuted(self, what: str, number: int, bits: int) -> int:
        """A keyed permutation of numbers of so many bits (even): four rounds of Feistel."""
        half = bits // 2
        mask = (1 << half) - 1
        left, right = number >> half, number & mask
        for turn in range(4):
            left, right = right, left ^ self._number(what, f"{bits} {turn} {right}") & mask
        return left << half | right

    def _ipv4(self, address: bytes) -> bytes:
        """An IPv4 address."""
        bits = f"{int.from_bytes(address, 'big'):032b}"
        front = self._prefix(bits, 24, 32)
        if front is None:
            return address
        host = address[3]
        if host not in {0, 255}:
            order = sorted(range(1, 255), key=lambda one: self._draw("host", f"{bits[:24]} {one}"))
            host = order[host - 1]
        return int(front, 2).to_bytes(3, "big") + bytes([host])

    def _ipv6(self, address: bytes) -> bytes:
        """An IPv6 address."""
        if address[:13] == bytes.fromhex("ff0200000000000000000001ff"):  # solicited node
            return address[:13] + self._last24(address[13:])
        front = self._prefix(f"{int.from_bytes(address, 'big'):0128b}", 64, 128)
        if front is None:
            return address
        upper = address[8:13]
        if upper[3:5] != b"\xff\xfe" and any(upper):
            upper = self._permuted("identifier", int.from_bytes(upper, "big"), 40).to_bytes(
                5, "big"
            )
        low = self._last24(address[13:]) if any(address[8:]) else address[13:]
        return int(front, 2).to_bytes(8, "big") + upper + low

    def _prefix(self, bits: str, size: int, whole: int) -> str | None:
        """The first bits, each turned round or not by those before it; None: the address stays.

        Bits in which ranges of a meaning of their own part from others stay, so that each range
        is mapped onto itself.
        """
        fixed, kept = _RANGES[whole]
        if any(bits.startswith(one) for one in fixed):
            return None
        found = ""
        for at in range(size):
            before = bits[:at]
            parts = any(len(one) > at and one.startswith(before) for one in (*fixed, *kept))
            turn = 0 if parts else self._draw("prefix", f"{whole} {before}")[0] & 1
            found += str(int(bits[at]) ^ turn)
        return found

    # ------------------------------------------------------------------ names and text

    def name(self, name: str) -> str:
        """What stands for a name, letter by letter; capital letters stay capital."""
        stream = b""
        while len(stream) < len(name):
            stream += self._draw("name", f"{len(stream)} {name.lower()}")
        return "".join(_letter(one, byte) for one, byte in zip(name, stream, strict=False))

    def address(self, text: str) -> str:
        """What stands for an address written as text; the text itself where it is none."""
        raw = _parsed(text)
        if raw is None or (len(raw) == 16 and raw not in self.known.ipv6):
            return text  # much that has two colons parses as IPv6
        if len(raw) == 6:
            return self.mac(raw).hex(":")
        return ip_text(ip_address(self.ipv4(raw) if len(raw) == 4 else self.ipv6(raw)))

    def text(self, text: str) -> str:
        """Words about packets: addresses, names, and the names of sites and points."""
        for name in sorted(self.labels, key=len, reverse=True):
            if name.lower() not in COMMON:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self.labels[name], text)
        text = ADDRESS.sub(lambda found: self.address(found[0]), text)
        pattern = names_pattern(self.known.names)
        if pattern is None:
            return text
        data = pattern.sub(
            lambda found: self.name(found[0].decode("latin-1")).encode("latin-1"), text.encode()
        )
        return data.decode("utf-8", "replace")

    def count(self, what: str, many: int = 1) -> None:
        """Note that something was replaced, for the manifest."""
        self.counts[what] = self.counts.get(what, 0) + many


ADDRESS = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])"
    r"|(?<![0-9A-Fa-f]:)(?<!\w)(?:(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:])"
)


def _letter(letter: str, byte: int) -> str:
    if "a" <= letter <= "z":
        return chr(ord("a") + byte % 26)
    if "A" <= letter <= "Z":
        return chr(ord("A") + byte % 26)
    return chr(ord("0") + byte % 10) if "0" <= letter <= "9" else letter


def _parsed(text: str) -> bytes | None:
    """The bytes of a MAC or IP address; None where the text is neither."""
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        return bytes.fromhex(text.replace(":", ""))
    try:
        return ip_address(text).packed
    except ValueError:
        return None


def _is_told(address: bytes) -> bool:
    """Whether an address tells of whom it is; group addresses and the like do not."""
    if len(address) == 6:
        return not address[0] & 1 and sum(map(bool, address)) >= LEAST_TOLD
    ip = ip_address(address)
    return not (ip.is_multicast or ip.is_unspecified or ip.is_loopback or address[0] >= 240)


def words(names: Iterable[str], most: int | None = MOST_NAMES) -> tuple[str, ...]:
    """What is looked for of names: themselves, and the labels of dotted ones and of URIs.

    ``most``: of them, the longest; None: all.
    """
    found: set[str] = set()
    for name in names:
        parts = [name.strip()]
        if " " not in name.strip():
            parts += re.split(r"[^A-Za-z0-9_-]+", name)
        named = [part for part in parts if _is_name(part)]
        found.update(part.lower() for part in named)
        found.update(part for part in named if not part.isascii())  # bytes know no other capitals
    return tuple(sorted(found, key=lambda one: (-len(one), one))[:most])


def _is_name(text: str) -> bool:
    if len(text) < LEAST_NAME or text.lower() in COMMON:
        return False
    if text.isdecimal():
        return len(text) >= LEAST_ANYWHERE  # a serial number; fewer digits are any number
    return any(letter.isalnum() for letter in text)


_Pattern = re.Pattern[bytes]


@lru_cache(maxsize=4)
def names_pattern(names: tuple[str, ...]) -> _Pattern | None:
    """Finds any of the names, longest first, in any case."""
    return _alternatives(names, lambda name: re.escape(name.encode()), b"", b"[A-Za-z0-9]")


@lru_cache(maxsize=4)
def wide_pattern(names: tuple[str, ...]) -> _Pattern | None:
    """Finds them in UTF-16, least significant byte first, as Windows writes them."""
    return _alternatives(
        names,
        lambda name: re.escape(name.encode("utf-16-le")),
        rb"\x00",
        b"[A-Za-z0-9]",
    )


def _alternatives(
    names: Sequence[str], written: Callable[[str], bytes], behind: bytes, letter: bytes
) -> _Pattern | None:
    each = [
        written(name)
        if len(name) >= LEAST_ANYWHERE
        else b"(?<!" + letter + behind + b")" + written(name) + b"(?!" + letter + behind + b")"
        for name in names
    ]
    return re.compile(b"|".join(each), re.IGNORECASE) if each else None


@dataclass(slots=True)
class Sum:
    """How a ones' complement sum changes (RFC 1624): words that went in less those that went out."""

    delta: int = 0

    def change(self, before: bytes, after: bytes) -> None:
        """Bytes that begin at an even offset of what is summed up are replaced."""
        self.delta += _words(after) - _words(before)

    def apply(self, check: int) -> int:
        """The check sum as it is now: right if it was, and as wrong as it was if not."""
        if self.delta % 0xFFFF == 0:
            return check
        total = (0xFFFF - check + self.delta) % 0xFFFF
        return 0xFFFF - (total or 0xFFFF)


def _words(data: bytes) -> int:
    padded = data + bytes(len(data) % 2)
    return sum(padded[0::2]) * 256 + sum(padded[1::2])
