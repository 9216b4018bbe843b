"""Frames with pseudonyms in them: every address and name replaced, every check sum made right.

Nothing changes its length. First the headers of each frame are walked and their addresses
replaced; then the contents, those of a TCP connection joined where they lie one behind the other,
so that a name across two segments is found. Check sums follow by the difference (RFC 1624), so
one that was wrong before, as of packets captured where they were sent, is as wrong behind it.
"""

import re
from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from otsec.errors import UsageError
from otsec.evidence.captures import Frame
from otsec.evidence.pseudonyms import Pseudonyms, Sum, names_pattern, wide_pattern

DEEPEST = 16  # tags and tunnels in one another
ETHERNET, RAW, NULL, LOOP, SLL, SLL2, RAW_IP4, RAW_IP6 = 1, 101, 0, 108, 113, 276, 228, 229
IPV4, ARP, RARP, IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD  # ethertypes
TAGS = {0x8100: 4, 0x88A8: 4, 0x9100: 4, 0x892F: 6, 0x88FB: 6}  # bytes behind which the next stands
PPPOE, TRANSPARENT, ERSPAN2, ERSPAN3 = 0x8864, 0x6558, 0x88BE, 0x22EB
ICMP, IGMP, IP_IN_IP, TCP, UDP, IPV6_IN_IP, GRE = 1, 2, 4, 6, 17, 41, 47  # IP protocols
ICMP6, OSPF, PIM, VRRP, SCTP = 58, 89, 103, 112, 132
CHECKS = {ICMP: 2, IGMP: 2, TCP: 16, UDP: 6, ICMP6: 2, OSPF: 12, PIM: 2, VRRP: 6}  # offsets
WITH_ADDRESSES = {TCP, UDP, ICMP6}  # whose sum covers the addresses; VRRP 3 and PIM of IPv6 alike
EXTENSIONS = {0, 43, 60, 135}  # of IPv6, with a length; 44 is the fragment header
VXLAN = 4789
QUOTING = {ICMP: {3, 4, 5, 11, 12}, ICMP6: {1, 2, 3, 4}}  # types that quote a datagram
REDIRECT = 5
CDP = bytes.fromhex("aaaa0300000c2000")  # LLC and SNAP in front of it

SECRETS = (  # what proves who one is; the group becomes as many x
    ("password", re.compile(rb"(?i)\bPASS ([^\r\n]+)")),
    ("password", re.compile(rb"(?i)(?:proxy-)?authorization: *\w+ ([^\r\n]+)")),
    ("password", re.compile(rb"(?i)(?:set-)?cookie: *([^\r\n]+)")),
    ("password", re.compile(rb"(?i)[?&\n](?:password|passwd|pwd)=([^&\s]+)")),
    ("community", re.compile(rb"(?s)\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x04"
                             rb"(?=([\x01-\x7f]))")),
)  # fmt: skip
USERS = re.compile(rb"(?i)\bUSER ([^\r\n ]+)")
QUAD = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")
MAC_TEXT = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}"
                      rb"(?![0-9A-Fa-f])")  # fmt: skip
FIRST_LEVEL = re.compile(rb"(?:[A-P]{2}){16}")  # a NetBIOS name, RFC 1001 14.1
DNP3 = b"\x05\x64"
DNP3_HEAD, BLOCK = 10, 16


@dataclass(slots=True)
class _Content:
    """The bytes of a frame behind its last header, and the check sum that covers them."""

    frame: int
    start: int
    end: int
    lane: tuple[Any, ...] | None = None  # of TCP
    seq: int = 0
    check: int = -1  # offset of the check sum; -1: none, or in another fragment
    summed: Sum = field(default_factory=Sum)
    udp: bool = False
    owed: tuple[Any, ...] | None = None  # a later fragment: the datagram whose first one has it
    offset: int = 0  # where what is summed up begins
    low_end: bool = False  # an odd last byte counts as the lower half of its word, as CDP has it
    inside: bytes | None = None  # what stood there, where headers inside have sums of their own


class Masked:
    """Implements `package.Mask` by pseudonyms."""

    def __init__(self, names: Pseudonyms) -> None:
        self.names = names
        self.known = names.known
        ipv4 = {one[::-1]: names.ipv4(one)[::-1] for one in self.known.ipv4}
        ipv4 |= {one: names.ipv4(one) for one in self.known.ipv4}
        self._tables = (
            (16, {one: names.ipv6(one) for one in self.known.ipv6}, "IPv6 in content"),
            (6, {one: names.mac(one) for one in self.known.macs}, "MAC in content"),
            (4, ipv4, "IPv4 in content"),
        )

    def text(self, text: str) -> str:
        """Words about the packets."""
        return self.names.text(text)

    def told(self) -> dict[str, Any]:
        """How often what was replaced; not the key."""
        return {
            "replaced": dict(sorted(self.names.counts.items())),
            "kept": "vendors of MAC addresses, ranges and /24 networks of IP addresses, lengths",
            "not_searched": "what is encrypted, compressed, or coded otherwise than as plain text",
        }

    def frames(self, frames: Sequence[Frame]) -> list[bytes]:
        """The bytes of frames of one source, as many and as long as before."""
        data = [bytearray(frame.data) for frame in frames]
        walk = _Walk(self.names, data)
        for at, frame in enumerate(frames):
            walk.frame(at, frame.link)
        for run in _runs(walk.contents):
            self._run(run, data)
        _settle(walk.contents, data)
        return list(map(bytes, data))

    def _run(self, run: Sequence[_Content], data: list[bytearray]) -> None:
        """Replace in contents that lie one behind the other."""
        before = b"".join(bytes(data[one.frame][one.start : one.end]) for one in run)
        after = self.content(before)
        if after == before:
            return
        at = 0
        for one in run:
            size = one.end - one.start
            old, new = before[at : at + size], after[at : at + size]
            if (one.start - one.offset) % 2:
                old, new = b"\0" + old, b"\0" + new
            one.summed.change(old, new)
            if one.low_end and (one.end - one.offset) % 2:
                one.summed.delta -= 255 * (new[-1] - old[-1])
            data[one.frame][one.start : one.end] = after[at : at + size]
            at += size

    # ------------------------------------------------------------------ contents

    def content(self, data: bytes) -> bytes:
        """What a protocol sends, with pseudonyms; as long as before."""
        frames = _dnp3_frames(data)
        if not frames:
            new = self._replaced(data)
            return new[:-2] + _sbus_check(new[:-2]) if _is_sbus(data) else new
        out = bytearray(self._replaced(data))
        for start, end in frames:  # their check sums stand between the letters
            out[start:end] = self._dnp3(data[start:end])
        return bytes(out)

    def _dnp3(self, frame: bytes) -> bytes:
        """A DNP3 link frame: its user data without check sums, replaced, and summed up anew."""
        blocks = [frame[at : at + BLOCK + 2] for at in range(DNP3_HEAD, len(frame), BLOCK + 2)]
        user = self._replaced(b"".join(block[:-2] for block in blocks))
        out, at = frame[:DNP3_HEAD], 0
        for block in blocks:
            body = user[at : at + len(block) - 2]
            at += len(body)
            right = _dnp3_check(block[:-2]) == block[-2:]
            out += body + (_dnp3_check(body) if right else block[-2:])
        return out

    def _replaced(self, data: bytes) -> bytes:
        data = self._names(data)
        data = self._secrets(data)
        data = MAC_TEXT.sub(self._mac_text, data)
        data = QUAD.sub(self._quad, data)
        return self._binary(data)

    def _names(self, data: bytes) -> bytes:
        def one(found: re.Match[bytes]) -> bytes:
            self.names.count("name")
            return self.names.name(found[0].decode("latin-1")).encode("latin-1")

        def wide(found: re.Match[bytes]) -> bytes:
            self.names.count("name")
            return self.names.name(found[0].decode("utf-16-le")).encode("utf-16-le")

        def first_level(found: re.Match[bytes]) -> bytes:
            pairs = zip(found[0][::2], found[0][1::2], strict=True)
            plain = bytes((a - 65) << 4 | b - 65 for a, b in pairs)
            if pattern is None or (new := pattern.sub(one, plain)) == plain:
                return found[0]
            return bytes(half + 65 for byte in new for half in (byte >> 4, byte & 15))

        def user(found: re.Match[bytes]) -> bytes:
            self.names.count("user")
            cut = found.start(1) - found.start()
            name = self.names.name(found[1].decode("latin-1")).encode("latin-1")
            return found[0][:cut] + name

        pattern = names_pattern(self.known.names)
        data = USERS.sub(user, data)
        if pattern is None:
            return data
        data = FIRST_LEVEL.sub(first_level, pattern.sub(one, data))
        pattern_wide = wide_pattern(self.known.names)
        return data if pattern_wide is None else pattern_wide.sub(wide, data)

    def _secrets(self, data: bytes) -> bytes:
        out = bytearray(data)
        for what, pattern in SECRETS:
            for found in pattern.finditer(data):
                begin, end = found.span(1)
                if what == "community":  # the group is the octet that tells its length
                    begin, end = end, min(end + data[begin], len(data))
                out[begin:end] = b"x" * (end - begin)
                self.names.count(what)
        return bytes(out)

    def _mac_text(self, found: re.Match[bytes]) -> bytes:
        text = found[0].decode()
        new = self.names.mac(bytes.fromhex(re.sub("[:-]", "", text))).hex(text[2])
        self.names.count("address in text")
        return (new.upper() if text.upper() == text else new).encode()

    def _quad(self, found: re.Match[bytes]) -> bytes:
        """An address as text; of one that is not as long digits are replaced, one by one."""
        text, rest = found[0], b""
        told = found.string[found.start() - 1] if found.start() else 0
        if QUAD.fullmatch(text[:told]):  # its length stands in front: a digit behind is none of it
            text, rest = text[:told], text[told:]
        numbers = [int(part) for part in text.split(b".")]
        if max(numbers) > 255:
            return found[0]
        raw = bytes(numbers)
        if raw not in self.known.ipv4 and not _is_private(raw):
            return found[0]  # may be a version
        self.names.count("address in text")
        new = ".".join(map(str, self.names.ipv4(raw))).encode()
        if len(new) != len(text):
            new = self.names.name(text.decode()).encode()
        return new + rest

    def _binary(self, data: bytes) -> bytes:
        """Addresses as bytes, of those that this source has: IPv4 both ways round."""
        out, at = bytearray(data), 0
        while at < len(data) - 3:
            for size, table, name in self._tables:
                piece = data[at : at + size]
                new = table.get(piece)
                if new is not None:
                    out[at : at + size] = new
                    self.names.count(name)
                    at += size - 1
                    break
            at += 1
        return bytes(out)


def _is_private(raw: bytes) -> bool:
    return raw[0] == 10 or raw[:2] == b"\xc0\xa8" or (raw[0] == 172 and 16 <= raw[1] < 32)


# -------------------------------------------------------------------------------- headers


class _Walk:
    """Goes through the headers of frames, replaces their addresses, and tells where contents lie."""

    def __init__(self, names: Pseudonyms, data: list[bytearray]) -> None:
        self.names, self.data = names, data
        self.contents: list[_Content] = []

    def frame(self, at: int, link: int) -> None:
        """One frame."""
        reader = LINKS.get(link)
        if reader is None:
            raise UsageError(
                f"frames of link type {link} cannot be pseudonymised: otsec does not know where "
                "their addresses stand; write them without --pseudonymise"
            )
        reader(self, at, 0, 0)

    def _u16(self, at: int, offset: int) -> int:
        return int.from_bytes(self.data[at][offset : offset + 2], "big")

    def _rest(self, at: int, start: int) -> None:
        """What has no header that is known."""
        if start < len(self.data[at]):
            self.contents.append(_Content(at, start, len(self.data[at])))

    def _swap(self, at: int, offset: int, size: int) -> None:
        """Replace an address, if it is all there."""
        raw = bytes(self.data[at][offset : offset + size])
        if len(raw) == size:
            how = {4: self.names.ipv4, 6: self.names.mac, 16: self.names.ipv6}[size]
            self.data[at][offset : offset + size] = how(raw)
            self.names.count({4: "IPv4", 6: "MAC", 16: "IPv6"}[size])

    def ethernet(self, at: int, start: int, depth: int) -> None:
        """IEEE 802.3: two addresses, then an ethertype or a length."""
        self._swap(at, start, 6)
        self._swap(at, start + 6, 6)
        self._ethertype(at, start + 12, depth)

    def _ethertype(self, at: int, offset: int, depth: int) -> None:
        kind = self._u16(at, offset)
        if depth > DEEPEST or len(self.data[at]) < offset + 2:
            self._rest(at, min(offset + 2, len(self.data[at])))
        elif kind in TAGS:
            self._ethertype(at, offset + TAGS[kind], depth + 1)
        elif self.data[at][offset + 2 : offset + 10] == CDP:
            begin, end = offset + 10, min(offset + 2 + kind, len(self.data[at]))
            one = _Content(at, begin, end, check=begin + 2, offset=begin, low_end=True)
            self.contents.append(one)
        else:
            self._payload(at, offset + 2, kind, depth)

    def _payload(self, at: int, start: int, kind: int, depth: int) -> None:
        """What an ethertype says that follows."""
        if kind in {IPV4, IPV6}:
            self.ip(at, start, depth + 1)
        elif kind in {ARP, RARP}:
            self._arp(at, start)
        elif kind == PPPOE and self._u16(at, start + 6) in {0x0021, 0x0057}:
            self.ip(at, start + 8, depth + 1)
        else:
            self._rest(at, start)

    def _arp(self, at: int, start: int) -> None:
        """RFC 826: addresses of the lengths told."""
        hardware, protocol = (self.data[at][start + 4 : start + 6] + b"\0\0")[:2]
        offset = start + 8
        for size in (hardware, protocol) * 2:
            if size in {4, 6}:
                self._swap(at, offset, size)
            offset += size
        self._rest(at, offset)

    def sll(self, at: int, start: int, depth: int) -> None:
        """LINKTYPE_LINUX_SLL: an address of up to 8 bytes at 6, the ethertype at 14."""
        if self._u16(at, start + 4) == 6:
            self._swap(at, start + 6, 6)
        self._payload(at, start + 16, self._u16(at, start + 14), depth)

    def sll2(self, at: int, start: int, depth: int) -> None:
        """LINKTYPE_LINUX_SLL2: the ethertype at 0, an address at 12."""
        if self.data[at][start + 11 : start + 12] == b"\x06":
            self._swap(at, start + 12, 6)
        self._payload(at, start + 20, self._u16(at, start), depth)

    def null(self, at: int, start: int, depth: int) -> None:
        """LINKTYPE_NULL and LOOP: four bytes of address family."""
        self.ip(at, start + 4, depth)

    def ip(self, at: int, start: int, depth: int) -> None:
        """IPv4 or IPv6, by the version."""
        version = (self.data[at][start : start + 1] or b"\0")[0] >> 4
        if version == 4 and depth <= DEEPEST:
            self._ipv4(at, start, depth)
        elif version == 6 and depth <= DEEPEST:
            self._ipv6(at, start, depth)
        else:
            self._rest(at, start)

    def _ipv4(self, at: int, start: int, depth: int) -> None:
        data = self.data[at]
        if len(data) < start + 20:
            data[start:] = bytes(len(data) - start)  # cut inside: nothing of it can be told apart
            return
        size = max((data[start] & 15) * 4, 20)
        total = self._u16(at, start + 2)
        end = min(start + total if total > size else len(data), len(data))
        old = bytes(data[start + 12 : start + 20])
        mark = (old, data[start + 9], bytes(data[start + 4 : start + 6]))
        for offset in (12, 16):
            self._swap(at, start + offset, 4)
        head, pseudo = Sum(), Sum()
        for one in (head, pseudo):
            one.change(old, bytes(data[start + 12 : start + 20]))
        check = self._u16(at, start + 10)
        if check:  # where the sender's card fills it in, there is none
            data[start + 10 : start + 12] = head.apply(check).to_bytes(2, "big")
        where = self._u16(at, start + 6)
        fragment = (where & 0x1FFF, bool(where & 0x3FFF), mark)
        self._transport(at, start + size, end, int(data[start + 9]), old, pseudo, fragment, depth)
        self._rest(at, end)

    def _ipv6(self, at: int, start: int, depth: int) -> None:
        data = self.data[at]
        if len(data) < start + 40:
            data[start:] = bytes(len(data) - start)
            return
        end = min(start + 40 + (self._u16(at, start + 4) or len(data)), len(data))
        old = bytes(data[start + 8 : start + 40])
        for offset in (8, 24):
            self._swap(at, start + offset, 16)
        pseudo = Sum()
        pseudo.change(old, bytes(data[start + 8 : start + 40]))
        following, offset = int(data[start + 6]), start + 40
        fragment: tuple[int, bool, Any] = (0, False, None)
        for _ in range(DEEPEST):
            if offset + 8 > end:
                break
            if following == 44:
                where = self._u16(at, offset + 2)
                fragment = (
                    where >> 3,
                    bool(where & 0xFFF9),
                    (old, bytes(data[offset + 4 : offset + 8])),
                )
                following, offset = int(data[offset]), offset + 8
            elif following in EXTENSIONS:
                following, offset = int(data[offset]), offset + 8 * (data[offset + 1] + 1)
            else:
                break
        self._transport(at, min(offset, end), end, following, old, pseudo, fragment, depth)
        self._rest(at, end)

    def _transport(
        self, at: int, start: int, end: int, protocol: int, ends: bytes, pseudo: Sum,
        fragment: tuple[int, bool, Any], depth: int,
    ) -> None:  # fmt: skip
        data = self.data[at]
        offset, several, mark = fragment
        if protocol in {IP_IN_IP, IPV6_IN_IP} and not several:
            self.ip(at, start, depth + 1)
            return
        if protocol == GRE and not several:
            self._gre(at, start, depth)
            return
        content = _Content(at, start, end, offset=start, udp=protocol == UDP)
        self.contents.append(content)
        if not several or not offset:
            place = CHECKS.get(protocol)
            if place is not None and start + place + 2 <= end:
                content.check = start + place
                if protocol in WITH_ADDRESSES:
                    content.summed.delta += pseudo.delta
            content.start = min(start + _header(protocol, data, start), end)
        if several:
            content.owed = mark
        if protocol == TCP and not several and start + 20 <= end:
            ports = bytes(data[start : start + 4])
            content.lane = (ends, ports)
            content.seq = int.from_bytes(data[start + 4 : start + 8], "big")
        if several or start + 16 > end:
            return
        if protocol == UDP and self._u16(at, start + 2) == VXLAN:
            content.start = content.end = start + 16
            content.inside = bytes(data[start + 16 : end])
            self.ethernet(at, start + 16, depth + 1)
        elif data[start] in QUOTING.get(protocol, ()):
            content.start = content.end = start + 4
            content.inside = bytes(data[start + 4 : end])
            if (protocol, data[start]) == (ICMP, REDIRECT):
                self._swap(at, start + 4, 4)
            self.ip(at, start + 8, depth + 1)

    def _gre(self, at: int, start: int, depth: int) -> None:
        """RFC 2784, 2890; ERSPAN in it."""
        flags, kind = self._u16(at, start), self._u16(at, start + 2)
        size = 4 + sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
        if kind in {TRANSPARENT, ERSPAN2, ERSPAN3}:
            session = {TRANSPARENT: 0, ERSPAN2: 8 if flags & 0x1000 else 0, ERSPAN3: 12}[kind]
            self.ethernet(at, start + size + session, depth + 1)
        else:
            self._payload(at, start + size, kind, depth + 1)


def _header(protocol: int, data: bytearray, start: int) -> int:
    """Bytes of a transport header in which no addresses stand."""
    if protocol == TCP:
        return max((data[start + 12] >> 4) * 4, 20) if len(data) > start + 12 else 20
    return {UDP: 8, ICMP: 4, ICMP6: 4, IGMP: 4, SCTP: 12}.get(protocol, 0)


LINKS = {
    ETHERNET: _Walk.ethernet,
    RAW: _Walk.ip,
    RAW_IP4: _Walk.ip,
    RAW_IP6: _Walk.ip,
    NULL: _Walk.null,
    LOOP: _Walk.null,
    SLL: _Walk.sll,
    SLL2: _Walk.sll2,
}


# ---------------------------------------------------------------------- runs and check sums


def _runs(contents: Sequence[_Content]) -> list[list[_Content]]:
    """Contents that are searched as one: segments that lie one behind the other, else each alone."""
    lanes: dict[Any, list[_Content]] = {}
    runs: list[list[_Content]] = []
    for one in contents:
        if one.end <= one.start:
            continue
        if one.lane is None:
            runs.append([one])
        else:
            lanes.setdefault(one.lane, []).append(one)
    for lane in lanes.values():
        expected = -1
        for one in sorted(lane, key=lambda content: content.seq):
            if one.seq == expected:
                runs[-1].append(one)
            else:
                runs.append([one])
            expected = (one.seq + one.end - one.start) % (1 << 32)
    return runs


def _settle(contents: Sequence[_Content], data: list[bytearray]) -> None:
    """Write the check sums; what later fragments owe counts for the first of their datagram."""
    owed: dict[Any, int] = {}
    for one in contents:
        if one.owed is not None and one.check < 0:
            owed[one.owed] = owed.get(one.owed, 0) + one.summed.delta
    # What has sums inside comes behind them: the innermost was walked through last.
    plain = [one for one in contents if one.inside is None]
    for one in [*plain, *reversed([one for one in contents if one.inside is not None])]:
        if one.check < 0:
            continue
        if one.inside is not None:
            now = bytes(data[one.frame][one.start : one.start + len(one.inside)])
            one.summed.change(one.inside, now)
        if one.owed is not None:
            one.summed.delta += owed.pop(one.owed, 0)
        place = slice(one.check, one.check + 2)
        check = int.from_bytes(data[one.frame][place], "big")
        if one.udp and not check:
            continue  # none was made, RFC 768
        new = one.summed.apply(check)
        data[one.frame][place] = (new or (0xFFFF if one.udp else 0)).to_bytes(2, "big")


def _dnp3_frames(data: bytes) -> list[tuple[int, int]]:
    """Where whole DNP3 link frames lie (IEEE 1815 9.2), told by the check sum of their headers."""
    found, at = [], data.find(DNP3)
    while at >= 0 and at + DNP3_HEAD <= len(data):
        size = data[at + 2] - 5
        end = at + DNP3_HEAD + size + 2 * ((size + BLOCK - 1) // BLOCK)
        head = data[at : at + DNP3_HEAD]
        if size >= 0 and end <= len(data) and _dnp3_check(head[:8]) == head[8:]:
            found.append((at, end))
            at = data.find(DNP3, end)
        else:
            at = data.find(DNP3, at + 1)
    return found


def _is_sbus(data: bytes) -> bool:
    """Whether it is an Ether-S-Bus telegram: its length in front, its check sum behind."""
    told = int.from_bytes(data[:4], "big")
    return len(data) > 10 and told == len(data) and _sbus_check(data[:-2]) == data[-2:]


def _sbus_check(data: bytes) -> bytes:
    """CRC-16 with the polynomial of ITU-T V.41, of the whole telegram in front of it."""
    return crc_hqx(data, 0).to_bytes(2, "big")


def _dnp3_check(data: bytes) -> bytes:
    """The check sum of a block (IEEE 1815 9.2.4.1.8)."""
    check = 0
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = check >> 1 ^ (0xA6BC if check & 1 else 0)
    return (~check & 0xFFFF).to_bytes(2, "little")
