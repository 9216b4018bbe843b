"""What a mirror spoils adds no finding, and loses none whose packets are still there."""

import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from conftest import ROOT
from engine_runs import records

from otsec.detect.judging import found_in
from otsec.detect.loading import built_in, load
from otsec.store import open_store
from otsec.trials import read

Records: TypeAlias = list[bytes]

CAPTURES = (
    *("plant/ten_minutes", "s7comm/engineer", "dnp3/bench", "enip/all_services"),
    *("bacnet/management", "profinet/commissioning", "iec104/c104", "modbus/all_functions"),
)
ATTACKS = sorted(f"attacks/{path.stem}" for path in (ROOT / "pcaps" / "attacks").glob("*.pcap"))
RULES = load([built_in()]).rules
IN_ORDER = {
    rule.name
    for rule in RULES
    if rule.correlation is not None and rule.correlation.kind == "temporal_ordered"
}


def _time(record: bytes, unit: int) -> int:
    seconds, rest = struct.unpack_from("<II", record)
    return int(seconds * unit + rest)


def _at(record: bytes, time: int, unit: int) -> bytes:
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
    order = sorted(range(len(parts)), key=lambda at: _time(parts[at], unit) + late[at])
    return [parts[at] for at in order]


def _step(parts: Records, unit: int) -> Records:
    half = len(parts) // 2
    return parts[:half] + [_at(one, _time(one, unit) - 3600 * unit, unit) for one in parts[half:]]


def _outage(parts: Records, unit: int) -> Records:
    begin, end = (_time(parts[at], unit) for at in (0, -1))
    blind = range(begin + (end - begin) * 4 // 10, begin + (end - begin) * 6 // 10)
    return [part for part in parts if _time(part, unit) not in blind]


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


Name: TypeAlias = tuple[str, ...]
Numbers: TypeAlias = frozenset[int]  # of packets; -1: one that the capture never had
LOOP = 100  # identical frames that go round in a loop
# needs more than the packets that show it: selections in front of it, and that none is missing
STATE_CHECKS = {"execute-without-select"}
ALONE = {  # rules that one request is enough for
    rule.name
    for rule in RULES
    if rule.correlation is None and rule.category in {"operation", "session"}
} - STATE_CHECKS
ASKED = {"", "ok", "open", "unanswered", "unknown"}  # other outcomes are told by the answer


def _found(path: Path) -> dict[Name, Numbers]:
    """What rules find in a capture, with the packets of each finding."""
    found: dict[Name, Numbers] = {}
    with open_store(path.with_suffix(".db")) as store:
        read(store, [path])
        for one, packets in found_in(store, RULES):
            name = (one.name, one.client, one.server, one.service, one.device)
            numbers = {packet.packet for packet in packets}
            if not ASKED.issuperset(one.outcomes):
                numbers.add(-1)
            found[name] = found.get(name, frozenset()) | numbers
    return found


@pytest.fixture(scope="module", params=[*CAPTURES, *ATTACKS])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, dict[Name, Numbers]]:
    """A capture and what rules find in it."""
    content = (ROOT / "pcaps" / f"{request.param}.pcap").read_bytes()
    path = tmp_path_factory.mktemp("whole") / "tap.pcap"
    path.write_bytes(content)
    return content, _found(path)


@pytest.mark.parametrize("way", [*KEEPS_ALL, *LOSES])
def test_a_spoiled_mirror(
    whole: tuple[bytes, dict[Name, Numbers]], way: str, tmp_path: Path
) -> None:
    """No finding is new, and none is lost whose packets are still there.

    What needs an order is not told across a clock step. What was counted or followed needs more
    than the packets that are kept with it, so it may be lost with any packet; a request that is
    there is told with or without its answer.
    """
    content, expected = whole
    unit = 10**9 if content[:4] == b"\x4d\x3c\xb2\xa1" else 10**6
    parts = records(content)
    spoiled = {**KEEPS_ALL, **LOSES}[way](parts, unit)
    other = tmp_path / "tap.pcap"
    other.write_bytes(content[:24] + b"".join(spoiled))
    found = _found(other)

    assert found.keys() - expected.keys() == set()
    left = {id(part) for part in spoiled}
    there = {number for number, part in enumerate(parts) if id(part) in left}
    if way in LOSES:
        kept = {one for one in expected if one[0] in ALONE and expected[one] <= there}
    elif way == "a clock step":
        kept = {one for one in expected if one[0] not in IN_ORDER}
    else:
        kept = set(expected)
    assert found.keys() >= kept
