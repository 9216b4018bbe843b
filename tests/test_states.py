"""What is normal in one state of the plant and was done in another is told; without states nothing is."""

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from baseline_stores import DAY, HMI, PLC, WORD, Plant
from engine_runs import CLIENT, SERVER, Tcp, Wire, analyse, cells, difference, records
from inventory_stores import SECOND
from store_rows import row, write

from otsec.baseline.deviations import judge
from otsec.baseline.learning import approve, baseline, learn
from otsec.baseline.states import OTHERWISE, states
from otsec.changes.records import Record, added
from otsec.config import Config, StateFrom, load
from otsec.errors import ConfigError
from otsec.inventory.assembly import inventory
from otsec.store.acts import record
from otsec.store.findings import Finding

HOUR = 3_600
DAYS, LEARNED = 9, 7
CALENDAR = {"production": ("06:00-22:00",), "cleaning": ("22:00-06:00",)}


def plant(folder: Path, *late: int, **other: Any) -> Plant:
    """A command given at ten each day of a week that is learned, then at the seconds of `late`."""
    made = Plant(folder)
    for address in (HMI, PLC):
        made.hears(address, 0, DAYS * DAY)
    times = [day * DAY + 10 * HOUR for day in range(LEARNED)] + [*late]
    made.does(
        HMI, PLC, "write", times[0], times[-1], count=len(times), object="holding 100", **other
    )
    made.does(HMI, PLC, "read", 0, DAYS * DAY)
    made.ends(DAYS * DAY)
    conversation = made.tap.talked["", HMI, PLC, "tcp/502", "modbus"]
    marks = {"source": made.tap.number, "conversation": conversation, "behaviour": 0}
    events = [
        row("event", packet=at, time=at * SECOND, kind="operation", count=1, **marks)
        for at in times
    ]
    write(made.store, event=events)
    learn(made.store, 1_000, LEARNED * DAY * SECOND)
    return made


def told(made: Plant, calendar: dict[str, tuple[str, ...]]) -> list[Finding]:
    """The findings of states."""
    found = judge(made.store, [], None, Config(site="plant", states=calendar))
    return [one for one in found if one.name == "other-state"]


def test_a_known_command_in_another_state_is_told(tmp_path: Path) -> None:
    """A command that is given in production alone and then while cleaning is one finding."""
    late = 7 * DAY + 23 * HOUR
    (one,) = told(plant(tmp_path, late), CALENDAR)

    assert (one.client, one.server, one.times, one.level) == (HMI, PLC, 1, "medium")
    assert (one.first_time, one.first_packet) == (late * SECOND, late)
    assert "in the state cleaning" in one.seen
    assert "It was done in production, and never in cleaning" in one.expected


def test_a_known_command_in_its_own_state_is_not(tmp_path: Path) -> None:
    """The same command at another hour of production is normal."""
    assert not told(plant(tmp_path, 7 * DAY + 15 * HOUR), CALENDAR)


def test_without_states_nothing_changes(tmp_path: Path) -> None:
    """A site that names no states is judged as ever."""
    assert not told(plant(tmp_path, 7 * DAY + 23 * HOUR), {})


def test_a_state_that_was_never_watched_says_nothing(tmp_path: Path) -> None:
    """What begins after learning has ended has no normal to compare with."""
    made = plant(tmp_path, 8 * DAY + 10 * HOUR)
    late = Record(
        *("M-1", "maintenance", "plant", (), "", (), (), (), ("read",)),
        *(8 * DAY * SECOND, 9 * DAY * SECOND, "Ann", "start"),
        state="start-up",
    )
    record(made.store, added([], [late], WORD, "change-add"))
    assert not told(made, {})
    known = states(Config(site="plant"), made.store)
    assert known is not None
    assert known.names == ("start-up", OTHERWISE)
    assert known.at(np.array([0, 8 * DAY * SECOND])).tolist() == [1, 0]


def test_what_a_person_approves_is_normal_in_that_state(tmp_path: Path) -> None:
    """After the operation was approved by name it is told no more."""
    made = plant(tmp_path, 7 * DAY + 23 * HOUR)
    assert told(made, CALENDAR)
    base = baseline(made.store)
    chosen = [one for one in base.shown.things if one.key.kind == "operation"]
    approve(made.store, base, chosen, WORD, 0, end=False)

    assert not told(made, CALENDAR)
    assert inventory(made.store).assets


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("states: {cleaning: always}", 'expected times such as "mon-fri 06:00-22:00"'),
        ("states: {cleaning: [25:00-26:00]}", "expected times"),
        ("states: cleaning", "expected `name: value` lines"),
    ],
)
def test_mistakes_in_states_are_told_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    """What is no time of the week is refused, where it stands."""
    path = tmp_path / "otsec.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"otsec\.yaml:1") as met:
        load(path, {})
    assert said in str(met.value)


def test_states_are_read(tmp_path: Path) -> None:
    """One span of time or several, by the days of the week."""
    path = tmp_path / "otsec.yaml"
    path.write_text(
        'states:\n  production: "mon-fri 06:00-22:00"\n  cleaning: [sat 06:00-14:00, 22:00-06:00]\n'
    )

    assert load(path, {}).states == {
        "production": ("mon-fri 06:00-22:00",),
        "cleaning": ("sat 06:00-14:00", "22:00-06:00"),
    }


# ------------------------------------------------------------------------------- by a value

PHASES = StateFrom("10.0.0.21", "holding 9", states={"production": ("1",), "cleaning": ("2..3",)})


def phased(folder: Path, *late: int, apart: int = 60, **other: Any) -> Plant:
    """A command given at ten each day; the controller says 1 by day, 2 by night, 7 at noon."""
    made = plant(folder, *late, **other)
    marks = {"source": made.tap.number, "behaviour": 0, "space": "holding", "element": 9}
    turns = [
        (day * DAY + hour * HOUR, value)
        for day in range(DAYS)
        for hour, value in ((0, 2), (6, 1), (12, 7), (13, 1), (22, 2))
    ]
    held = []
    for (begin, value), (end, _) in pairwise([*turns, (DAYS * DAY, 0)]):
        last = end - apart
        spans = {"first_time": begin * SECOND, "last_time": last * SECOND}
        cells = {"first_packet": begin, "last_packet": last, "value_type": 1, "value": value}
        held.append(row("held", **marks, **spans, **cells, count=9))
    write(made.store, held=held)
    return made


def told_by_value(made: Plant) -> list[Finding]:
    """The findings of states that the controller tells."""
    found = judge(made.store, [], None, Config(site="plant", state_from=PHASES))
    return [one for one in found if one.name == "other-state"]


def test_a_value_tells_the_state(tmp_path: Path) -> None:
    """A command that is given in production alone, and then while the value says cleaning."""
    late = 7 * DAY + 23 * HOUR
    (one,) = told_by_value(phased(tmp_path, late))

    assert (one.first_packet, one.level) == (late, "medium")
    assert "in the state cleaning" in one.seen
    assert "It was done in production, and never in cleaning" in one.expected


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(7 * DAY + 15 * HOUR, id="in its own state"),
        pytest.param(7 * DAY + 22 * HOUR - 30, id="while it changed"),
    ],
)
def test_nothing_is_told_of_its_own_state_nor_of_a_change(tmp_path: Path, late: int) -> None:
    """What was done in production, or between two sights of which the second is another."""
    assert not told_by_value(phased(tmp_path, late))


def test_what_is_no_state_is_left_to_the_calendar(tmp_path: Path) -> None:
    """A value without meaning, and the time before the first sight, are as the calendar says."""
    made = phased(tmp_path)
    known = states(Config(site="plant", states=CALENDAR, state_from=PHASES), made.store)
    assert known is not None
    at = np.array([-HOUR, 2 * HOUR, 6 * HOUR - 30, 10 * HOUR, 12 * HOUR + 60, 40 * DAY]) * SECOND
    (network,) = known.told
    names = [known.names[number] if number >= 0 else "" for number in known.at(at, network)]

    assert names == ["cleaning", "cleaning", "", "production", "production", "cleaning"]
    assert known.at(at, ("plant", "other")).tolist() == known.at(at).tolist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{host: plc, object: holding 9, states: {a: 1}}", "expected an IP or MAC address"),
        ("{host: 10.0.0.1, object: holding, states: {a: 1}}", '"holding 9"'),
        ("{host: 10.0.0.1, object: holding 9, states: {a: x}}", "expected a value such as 3"),
        ("{host: 10.0.0.1, object: holding 9, states: {a: 9..1}}", "ends before it begins"),
        ("{host: 10.0.0.1, object: holding 9}", "needs states with their values"),
        ("{host: 10.0.0.1, states: {a: 1}}", "needs object as well"),
        ("{hosts: 10.0.0.1}", 'did you mean "host"'),
        ("holding 9", "expected `name: value` lines"),
    ],
)
def test_mistakes_in_state_from_are_told(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong with the value is said with the line on which it stands."""
    path = tmp_path / "otsec.yaml"
    path.write_text(f"state_from: {text}")
    with pytest.raises(ConfigError, match=r"otsec\.yaml:1") as met:
        load(path, {})
    assert said in str(met.value)


def test_state_from_is_read(tmp_path: Path) -> None:
    """A device, its element, and the values of each state."""
    path = tmp_path / "otsec.yaml"
    path.write_text(
        "state_from:\n  host: 10.0.0.21\n  object: holding 9\n"
        "  states: {production: 1, cleaning: 2..3}\n"
    )

    assert load(path, {}).state_from == PHASES


def test_runs_of_a_watched_value_are_those_of_the_packets(tmp_path: Path) -> None:
    """What a register held from when to when is the same for any batches and after any restart."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    for number, value in enumerate((1, 1, 2, 2, 2, 1)):
        tcp.say(CLIENT, struct.pack(">HHHBBHH", number, 0, 6, 1, 3, 8, 2))
        tcp.say(SERVER, struct.pack(">HHHBBBHH", number, 0, 7, 1, 3, 4, 900 + number, value))
    path = tmp_path / "capture.pcap"
    path.write_bytes(wire.bytes())
    watch = StateFrom("10.0.0.2", "holding 9", states={"on": ("1",)})
    found = analyse([path], tmp_path / "one.db", state_from=watch).dump
    runs = [(row["value"], row["count"], row["first_packet"]) for row in cells(found, "held")]

    assert sorted(runs, key=lambda one: one[2]) == [(1, 2, 3), (2, 3, 7), (1, 1, 13)]
    ways = {"batch": 1}, {"batch": 3, "checkpoint_s": 0.0}, {"batch": 4, "workers": 2}
    for number, options in enumerate(ways):
        other = analyse([path], tmp_path / f"{number}.db", state_from=watch, **options).dump
        assert not (text := difference(found, other)), text
    parts, grown = records(wire.bytes()), tmp_path / "grown.pcap"
    for upto in (5, 8, 11, len(parts)):
        grown.write_bytes(wire.bytes()[:24] + b"".join(parts[:upto]))
        other = analyse([grown], tmp_path / "grown.db", state_from=watch).dump
    assert not (text := difference(found, other)), text


# ------------------------------------------------------------------------------------ writes


def writing(folder: Path, *late: tuple[str, int, int]) -> list[Finding]:
    """Two setpoints, one written by day, one by night; then objects from and to some seconds."""
    made = Plant(folder)
    for address in (HMI, PLC):
        made.hears(address, 0, DAYS * DAY)
    bouts = []
    for number, (name, at) in enumerate((("holding 100", 10), ("holding 200", 23))):
        spans = [(day * DAY + at * HOUR, day * DAY + at * HOUR + 200) for day in range(LEARNED)]
        spans += [(begin, end) for one, begin, end in late if one == name]
        made.does(HMI, PLC, "write", spans[0][0], spans[-1][1], count=9 * len(spans), object=name)
        bouts += [
            row(
                "bout", source=made.tap.number, behaviour=number, count=9, first_time=begin * SECOND,
                first_packet=begin, last_time=end * SECOND, last_packet=end,
            )
            for begin, end in spans
        ]  # fmt: skip
    made.does(HMI, PLC, "read", 0, DAYS * DAY)
    made.ends(DAYS * DAY)
    write(made.store, bout=bouts)
    learn(made.store, 1_000, LEARNED * DAY * SECOND)
    return told(made, CALENDAR)


EVENING = 7 * DAY + 22 * HOUR  # when production ends and cleaning begins


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (("holding 200", EVENING + 60, EVENING + 200), None),
        (("holding 100", EVENING - 300, EVENING - 60), None),
        (("holding 100", EVENING + 60, EVENING + 200), (9, EVENING + 60, EVENING + 200)),
        (("holding 100", EVENING - 60, EVENING + 200), (1, EVENING + 200, EVENING + 200)),
    ],
)
def test_a_write_in_another_state_is_told(
    tmp_path: Path, late: tuple[str, int, int], expected: tuple[int, int, int] | None
) -> None:
    """An object that is written in production alone, and then while cleaning, is told by itself.

    Of a span in which the state changed only its ends are known.
    """
    found = writing(tmp_path, late)

    if expected is None:
        assert found == []
        return
    (one,) = found
    assert (one.times, one.first_packet, one.last_packet) == expected
    assert (one.first_time, one.level) == (expected[1] * SECOND, "medium")
    assert one.objects == ("holding 100",)
    assert "did write_single_register at 10.0.0.21 on holding 100 while" in one.seen


def test_bouts_of_writes_are_those_of_the_packets(tmp_path: Path) -> None:
    """When something was written is kept where states are named, the same for any batches."""
    wire = Wire()
    tcp = Tcp(wire)
    tcp.open()
    begin = wire.time
    for number, minute in enumerate((0, 1, 2, 7, 8, 90, 91)):
        wire.time = begin + minute * 60 * SECOND
        unit = struct.pack(">HHHBBHH", number, 0, 6, 1, 6, 8 + (number == 4), 2)
        for side in (CLIENT, SERVER):
            tcp.say(side, unit)
    path = tmp_path / "capture.pcap"
    path.write_bytes(wire.bytes())
    found = analyse([path], tmp_path / "one.db", states=CALENDAR).dump
    bouts = [
        (row["count"], row["first_packet"], row["last_packet"]) for row in cells(found, "bout")
    ]

    assert sorted(bouts, key=lambda one: one[1]) == [(3, 3, 7), (1, 9, 9), (1, 11, 11), (2, 13, 15)]
    ways = {"batch": 1}, {"batch": 3, "checkpoint_s": 0.0}, {"batch": 4, "workers": 2}
    for number, options in enumerate(ways):
        other = analyse([path], tmp_path / f"{number}.db", states=CALENDAR, **options).dump
        assert not (text := difference(found, other)), text
    parts, grown = records(wire.bytes()), tmp_path / "grown.pcap"
    for upto in (5, 8, 11, len(parts)):
        grown.write_bytes(wire.bytes()[:24] + b"".join(parts[:upto]))
        other = analyse([grown], tmp_path / "grown.db", states=CALENDAR).dump
    assert not (text := difference(found, other)), text
    assert not cells(analyse([path], tmp_path / "none.db").dump, "bout")
