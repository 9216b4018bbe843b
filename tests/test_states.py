"""What is normal in one state of the plant and was done in another is told; without states nothing is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from baseline_stores import DAY, HMI, PLC, WORD, Plant
from inventory_stores import SECOND
from store_rows import row, write

from otsec.baseline.deviations import judge
from otsec.baseline.learning import approve, baseline, learn
from otsec.baseline.states import OTHERWISE, states
from otsec.changes.records import Record, added
from otsec.config import Config, load
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
