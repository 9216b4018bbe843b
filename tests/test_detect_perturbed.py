"""What a mirror spoils adds no finding, and loses none whose packets are still there."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from conftest import ROOT
from engine_runs import records

from otsec.detect.loading import built_in, load
from otsec.trials import found_by

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
    dice = random.Random(5)
    return sorted(parts, key=lambda part: _time(part, unit) + dice.randrange(unit // 200))


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


def _found(path: Path) -> set[tuple[str, ...]]:
    return {
        (one.name, one.client, one.server, one.service, one.device)
        for made in found_by(path, RULES).values()
        for one in made
    }


@pytest.fixture(scope="module", params=[*CAPTURES, *ATTACKS])
def whole(request: pytest.FixtureRequest) -> tuple[Path, set[tuple[str, ...]]]:
    """A capture and what rules find in it."""
    path = ROOT / "pcaps" / f"{request.param}.pcap"
    return path, _found(path)


@pytest.mark.parametrize("way", [*KEEPS_ALL, *LOSES])
def test_a_spoiled_mirror(
    whole: tuple[Path, set[tuple[str, ...]]], way: str, tmp_path: Path
) -> None:
    """No finding is new; where every packet is still there, none is lost.

    What needs an order is not told across a clock step.
    """
    path, expected = whole
    content = path.read_bytes()
    unit = 10**9 if content[:4] == b"\x4d\x3c\xb2\xa1" else 10**6
    spoiled = {**KEEPS_ALL, **LOSES}[way](records(content), unit)
    other = tmp_path / path.name
    other.write_bytes(content[:24] + b"".join(spoiled))
    found = _found(other)

    assert found - expected == set()
    if way == "a clock step":
        expected = {one for one in expected if one[0] not in IN_ORDER}
    assert way in LOSES or found >= expected
