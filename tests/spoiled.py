"""What a mirror does to a capture: loss, repeats, disorder, one side only, outages, clock steps."""

import random
import struct
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

Records: TypeAlias = list[bytes]  # of a pcap, with their headers
LOOP = 100  # identical frames that go round in a loop


def time_of(record: bytes, unit: int) -> int:
    """The time stamp of a record."""
    seconds, rest = struct.unpack_from("<II", record)
    return int(seconds * unit + rest)


def retimed(record: bytes, time: int, unit: int) -> bytes:
    """The record with another time stamp."""
    return struct.pack("<II", *divmod(time, unit)) + record[8:]


def _loss(parts: Records, _unit: int) -> Records:
    dice = random.Random(5)
    return [part for part in parts if dice.random() > 0.01]


def _twice(parts: Records, _unit: int) -> Records:
    return [part for part in parts for _ in range(2)]


def _disorder(parts: Records, unit: int) -> Records:
    """Frames that are the same have no order among them: they stay as they are."""
    dice = random.Random(5)
    kinds = Counter(part[8:] for part in parts)
    late = [dice.randrange(unit // 200) if kinds[part[8:]] < LOOP else 0 for part in parts]
    order = sorted(range(len(parts)), key=lambda at: time_of(parts[at], unit) + late[at])
    return [parts[at] for at in order]


def _step(parts: Records, unit: int) -> Records:
    half = len(parts) // 2
    return parts[:half] + [
        retimed(one, time_of(one, unit) - 3600 * unit, unit) for one in parts[half:]
    ]


def _outage(parts: Records, unit: int) -> Records:
    begin, end = (time_of(parts[at], unit) for at in (0, -1))
    blind = range(begin + (end - begin) * 4 // 10, begin + (end - begin) * 6 // 10)
    return [part for part in parts if time_of(part, unit) not in blind]


def _one_side(parts: Records, _unit: int) -> Records:
    return [part for part in parts if part[16:22] < part[22:28]]


def _other_side(parts: Records, _unit: int) -> Records:
    return [part for part in parts if part[16:22] > part[22:28]]


KEEPS_ALL: dict[str, Callable[[Records, int], Records]] = {
    "every frame twice": _twice,
    "5 ms of disorder": _disorder,
    "a clock step": _step,
}
LOSES: dict[str, Callable[[Records, int], Records]] = {
    "1 % lost": _loss,
    "an outage": _outage,
    "one side only": _one_side,
    "the other side only": _other_side,
}
ONE_SIDED = {"one side only", "the other side only"}
SPOILED = KEEPS_ALL | LOSES


def unit_of(content: bytes) -> int:
    """How many units of time a second of a pcap has."""
    return 10**9 if content[:4] == b"\x4d\x3c\xb2\xa1" else 10**6


def later(parts: Records, unit: int) -> Records:
    """The same once more, a minute behind it."""
    begin, end = (time_of(parts[at], unit) for at in (0, -1))
    return [retimed(part, time_of(part, unit) + end - begin + 60 * unit, unit) for part in parts]
