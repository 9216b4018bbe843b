"""A capture as it would be at a site: its addresses replaced, its VLAN that of the site, in time."""

from collections.abc import Sequence
from pathlib import Path
from re import Match

from otsec.capture import open_capture
from otsec.errors import InputError
from otsec.evidence import pcapng
from otsec.evidence.captures import Frame
from otsec.evidence.masking import ETHERNET, MAC_TEXT, QUAD, Masked
from otsec.evidence.pseudonyms import Known, Pseudonyms, _parsed

MOST_FRAMES = 100_000  # of a capture; they are held in memory, and walked through one by one
TAGS = frozenset({0x8100, 0x88A8, 0x9100})
TAG = 4  # bytes


class Others(Pseudonyms):
    """Addresses by a table instead of a key; names stay."""

    def __init__(self, addresses: dict[str, str]) -> None:
        pairs = [(_parsed(old), _parsed(new)) for old, new in addresses.items()]
        self.table = {old: new for old, new in pairs if old and new and old != new}
        of_size = {size: frozenset(o for o in self.table if len(o) == size) for size in (4, 16, 6)}
        super().__init__(b"", Known((), of_size[4], of_size[16], of_size[6]))

    def _mac(self, address: bytes) -> bytes:
        return self.table.get(address, address)

    _ipv4 = _ipv6 = _mac

    def name(self, name: str) -> str:
        """The name itself."""
        return name


class Readdressed(Masked):
    """Frames with other addresses, and all else as it was: passwords are what some rules look for."""

    def _replaced(self, data: bytes) -> bytes:
        data = MAC_TEXT.sub(self._mac_text, data)
        return self._binary(QUAD.sub(self._quad, data))

    def _quad(self, found: Match[bytes]) -> bytes:
        raw = _parsed(found[0].decode())
        return super()._quad(found) if raw in self.known.ipv4 else found[0]


def frames(path: Path) -> tuple[list[Frame], list[pcapng.Interface]]:
    """All frames of a capture, the source of each being its interface. Raises InputError."""
    found: list[Frame] = []
    reader = open_capture(path)
    try:
        for chunk in reader.chunks():
            for batch in chunk.batches:
                for row in range(len(batch)):
                    start, size = int(batch.offset[row]), int(batch.captured[row])
                    data = batch.buffer[start : start + size].tobytes()
                    time, wire = int(batch.time[row]), int(batch.wire[row])
                    one = (batch.interface, len(found), time, wire, data, batch.link, 0, None)
                    found.append(Frame(*one))
                if len(found) > MOST_FRAMES:
                    raise InputError(f"{path}: has more than {MOST_FRAMES:,} packets")
        interfaces = [pcapng.Interface(one.link, one.name, "") for one in reader.interfaces]
    finally:
        reader.close()
    return found, interfaces


def write(
    path: Path,
    found: Sequence[Frame],
    interfaces: Sequence[pcapng.Interface],
    addresses: dict[str, str],
    place: str | None,
    begin: int,
) -> None:
    """Write frames with other addresses; ``place``: their VLAN, None: as it was.

    ``begin``: the earliest that the first of them may be captured, ns. It is not put back in
    time, where what it carries may not have expired yet.
    """
    masked = Readdressed(Others(addresses)).frames(found)
    shift = max(begin - found[0].time, 0) if found else 0
    packets = []
    for one, data in zip(found, masked, strict=True):
        new = data if place is None else tagged(data, place)
        wire = one.wire + len(new) - len(data)
        packets.append(pcapng.Packet(one.source, one.time + shift, wire, new, ()))
    told = "Made by otsec selftest: an attack as it would be at this site. It did not happen."
    path.write_bytes(pcapng.capture("otsec selftest", [told], interfaces, packets))


def can_be_tagged(found: Sequence[Frame], place: str) -> bool:
    """Whether frames can be put into a VLAN: they are of Ethernet, and it is told by tags."""
    numbers = place.split(".") if place else []
    plain = len(numbers) <= 2 and all(one.isdecimal() and int(one) < 4096 for one in numbers)
    return plain and all(one.link == ETHERNET for one in found)


def tagged(data: bytes, place: str) -> bytes:
    """An Ethernet frame with the tags of a VLAN instead of those it has."""
    rest = data[12:]
    while int.from_bytes(rest[:2], "big") in TAGS and len(rest) > TAG:
        rest = rest[TAG:]
    numbers = [int(one) for one in place.split(".")] if place else []
    kinds = (0x88A8, 0x8100)[2 - len(numbers) :]
    tags = b"".join(
        kind.to_bytes(2, "big") + one.to_bytes(2, "big")
        for kind, one in zip(kinds, numbers, strict=True)
    )
    return data[:12] + tags + rest
