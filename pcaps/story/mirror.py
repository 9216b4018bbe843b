"""The one mirror port of the plant: what it sees, with VLAN tags, and what it does not.

Frames come in any order of time, as each scene makes them; they are kept in one buffer and
written in order. All times are microseconds of the plant's clock until they are written.
"""

import struct
import sys
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "attacks"))

from scenes import Host, Tape

MILLISECOND, SECOND = 1_000, 1_000_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
DAY = 24 * HOUR
LINK_ETHERNET = 1
SHORTEST = 64  # bytes of a tagged frame, padded
TAGGED = 0x8100
RELAYED = 90  # microseconds that who is in between needs; less than an answer takes
Span = tuple[int, int]


def within(time: int, spans: list[Span]) -> bool:
    """Whether a time lies in one of some spans."""
    return any(begin <= time < end for begin, end in spans)


@dataclass
class Troubles:
    """What is wrong with devices, cables and the tap, and when."""

    tap: list[Span] = field(default_factory=list)  # the mirror shows nothing
    vlans: dict[int, list[Span]] = field(default_factory=dict)  # nothing of this VLAN
    off: dict[str, list[Span]] = field(default_factory=dict)  # by name: without power
    lossy: dict[str, list[tuple[Span, float]]] = field(
        default_factory=dict
    )  # share of answers lost
    slow: dict[str, list[tuple[Span, float]]] = field(default_factory=dict)  # factor at the end
    steps: list[tuple[int, int]] = field(default_factory=list)  # when, by how much, the tap's clock

    def is_off(self, host: Host, time: int) -> bool:
        """Whether a device has no power."""
        return within(time, self.off.get(host.name, []))

    def loss(self, host: Host, time: int) -> float:
        """The share of a device's answers that its cable loses; it grows to the end of a span."""
        for (begin, end), share in self.lossy.get(host.name, ()):
            if begin <= time < end:
                return share * (time - begin) / (end - begin)
        return 0.0

    def slower(self, host: Host, time: int) -> float:
        """By how much a device answers slower; it grows to the end of a span."""
        for (begin, end), factor in self.slow.get(host.name, ()):
            if begin <= time < end:
                return 1 + (factor - 1) * (time - begin) / (end - begin)
        return 1.0

    def shown(self, time: int) -> int:
        """A time as the tap's clock tells it."""
        return time + sum(shift for since, shift in self.steps if time >= since)


class Mirror(Tape):
    """A tape of many days, behind one mirror port."""

    def __init__(self, vlans: dict[str, int], troubles: Troubles, seed: int) -> None:
        """``vlans``: by MAC address; whoever is not named is in the first."""
        super().__init__()
        self.vlans, self.troubles, self.random = vlans, troubles, Random(seed)
        self.first = min(vlans.values())
        self.buffer = bytearray()
        self.times, self.ends = array("q"), array("q")
        self.ports = 49_152
        self.between: list[tuple[Span, frozenset[str], Host]] = []  # of two, and who is in between

    def port(self) -> int:
        """A port of a client that is not in use."""
        self.ports = self.ports + 1 if self.ports < 65_500 else 49_152
        return self.ports

    def frame(self, time: int, source: Host, target: bytes, ethertype: int, body: bytes) -> None:
        """Add one frame with the tag of its sender's VLAN, if the mirror shows it."""
        vlan = self.vlans.get(source.mac, self.first)
        troubles = self.troubles
        if within(time, troubles.tap) or within(time, troubles.vlans.get(vlan, [])):
            return
        tag = struct.pack(">HHH", TAGGED, vlan, ethertype)
        middle = self._middle(time, source, target) if self.between else None
        if middle is None:
            self._keep(time, target + source.hardware + tag + body)
            return
        self._keep(time, middle.hardware + source.hardware + tag + body)
        self._keep(time + RELAYED, target + middle.hardware + tag + body)

    def _middle(self, time: int, source: Host, target: bytes) -> Host | None:
        """Who is between two, so that frames go to him first."""
        for (begin, end), pair, middle in self.between:
            if begin <= time < end and source.mac in pair and target.hex(":") in pair:
                return middle
        return None

    def _keep(self, time: int, frame: bytes) -> None:
        self.buffer += frame.ljust(SHORTEST, b"\0")
        self.times.append(time)
        self.ends.append(len(self.buffer))

    def write(self, path: Path) -> None:
        """All frames in the order in which the tap saw them, by its own clock."""
        ends = np.frombuffer(self.ends, np.int64)
        begins = np.concatenate(([0], ends[:-1]))
        order = np.argsort(np.frombuffer(self.times, np.int64), kind="stable")
        with path.open("wb") as file:
            head = (0xA1B2C3D4, 2, 4, 0, 0, 262_144, LINK_ETHERNET)
            file.write(struct.pack("<IHHiIII", *head))
            data = memoryview(self.buffer)
            for at in order.tolist():
                frame = data[begins[at] : ends[at]]
                time = self.troubles.shown(self.times[at])
                size = len(frame)
                file.write(struct.pack("<IIII", *divmod(time, SECOND), size, size))
                file.write(frame)
