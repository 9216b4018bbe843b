"""Commands without their selection: judged only where it surely was left out."""

import pytest

from otsec.detect.ordering import unselected
from otsec.store.judged import Break, Command

SECOND = 1_000_000_000
HOURS = 3_600 * SECOND
SELECT, EXECUTE = "c_dc_na_1_select", "c_dc_na_1"
HABIT = [(100, "a", SELECT), (101, "a", EXECUTE), (200, "a", SELECT), (201, "a", EXECUTE)]

Said = list[tuple[int, str, str]]  # second, who, what


def commands(said: Said, target: str = "ioa 6100") -> list[Command]:
    """Commands of one point; each client and operation is a behaviour."""
    kinds = sorted({(who, what) for _, who, what in said})
    return [
        Command(
            1, kinds.index((who, what)), at, HOURS + at * SECOND, capped=False,
            client=who, server="rtu", place="", protocol="iec104", device="ca 1", operation=what,
            object=target,
        )
        for at, who, what in sorted(said)
    ]  # fmt: skip


CASES: dict[str, tuple[Said, int]] = {
    "always selected": (HABIT, 0),
    "another client does not select": ([*HABIT, (300, "b", EXECUTE)], 1),
    "the same client leaves it out": ([*HABIT, (300, "a", EXECUTE), (301, "a", EXECUTE)], 2),
    "the selection of another does not count": (
        [*HABIT, (299, "a", SELECT), (300, "b", EXECUTE)], 1
    ),
    "no habit": ([*HABIT[:2], (300, "b", EXECUTE)], 0),
    "never selected": ([(300, "b", EXECUTE), (400, "b", EXECUTE)], 0),
    "selected just before the capture begins": ([*HABIT, (30, "b", EXECUTE)], 0),
    "deactivated": ([*HABIT, (300, "b", "c_dc_na_1_deactivate")], 0),
    "terminated": ([*HABIT, (300, "b", "c_dc_na_1_termination")], 0),
}  # fmt: skip


@pytest.mark.parametrize(("said", "number"), CASES.values(), ids=CASES)
def test_cases(said: Said, number: int) -> None:
    """What had no selection is counted, where there is a habit and nothing is missing."""
    assert sum(unselected(commands(said), [], {1: HOURS}).values()) == number


def test_a_break_forbids() -> None:
    """Where packets are missing in the minute before, nothing is told."""
    said = commands([*HABIT, (300, "b", EXECUTE)])
    near = Break(1, "drops", HOURS + 250 * SECOND, HOURS + 260 * SECOND, 299)
    far = near._replace(end_time=HOURS + 230 * SECOND)
    other = near._replace(source=2)

    assert sum(unselected(said, [near], {1: HOURS}).values()) == 0
    assert sum(unselected(said, [far], {1: HOURS}).values()) == 1
    assert sum(unselected(said, [other], {1: HOURS}).values()) == 1


def test_counted_events_forbid() -> None:
    """Where commands of a point were only counted, nothing is told of it."""
    said = commands([*HABIT, (300, "b", EXECUTE)])
    said.append(said[0]._replace(capped=True))

    assert unselected(said, [], {1: HOURS}) == {}


def test_the_point_not_its_value() -> None:
    """DNP3 names the value in the object; selections of any value make the habit of the point."""
    names = {SELECT: "select", EXECUTE: "operate"}
    said = [
        one._replace(protocol="dnp3", operation=names[one.operation], object=f"crob 5 {value}")
        for one, value in zip(
            commands([*HABIT, (300, "b", EXECUTE)]), ("on", "on", "off", "off", "on"), strict=True
        )
    ]

    assert sum(unselected(said, [], {1: HOURS}).values()) == 1
