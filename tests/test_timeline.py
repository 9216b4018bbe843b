"""`otsec asset NAME --timeline`: every action that changes a device."""

import json
from pathlib import Path

import pytest
from conftest import PlantStore
from inventory_stores import SECOND, Tap, new_store, seen, tap
from store_rows import array

from otsec.cli import main
from otsec.errors import Exit
from otsec.inventory.assembly import inventory
from otsec.inventory.selection import find
from otsec.sessions.timeline import Action, actions
from otsec.store import Store
from otsec.store.filters import Filter
from otsec.store.timeline import happenings

EWS, PLC = "10.0.0.2", "10.0.0.1"


def plant(store: Store) -> Tap:
    """A tap that heard a workstation and a controller."""
    net = tap(store)
    net.heard("00:1b:1b:00:00:02", EWS)
    net.heard("00:1b:1b:00:00:01", PLC)
    return net


def value(net: Tap, behaviour: int, first: int, last: int, low: int, high: int) -> None:
    """The value that a behaviour carried, of one element."""
    cells = {"first": first, "last": last, "minimum": low, "maximum": high}
    arrays = {name: array(number) for name, number in cells.items()}
    net._add("value", behaviour=behaviour, space="holding", value_type=1, count=1, **arrays)


def of_plc(store: Store, net: Tap, *filters: Filter) -> list[Action]:
    """The timeline of the controller."""
    net.write()
    found = inventory(store)
    return actions(store, found, find(found, PLC), filters)


def test_operations_are_told_one_by_one(tmp_path: Path) -> None:
    """Each stop is a line of its own, in order, with who did it, result and packet."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, "s7comm", "mode", operation="plc_stop", object="", count=2)
        net.does(EWS, PLC, "s7comm", "mode", operation="plc_stop", object="", outcome="refused")
        for behaviour, at in ((1, 20), (0, 10), (0, 30)):
            net.event(behaviour, at)

        found = of_plc(store, net)

    assert [
        (one.time // SECOND, one.who, one.operation, one.result, one.packets) for one in found
    ] == [
        (10, EWS, "plc_stop", "ok", (10,)),
        (20, EWS, "plc_stop", "refused", (20,)),
        (30, EWS, "plc_stop", "ok", (30,)),
    ]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, [(5, 1, "7")]),
        (2, [(5, 1, "7"), (50, 1, "9")]),
        (40, [(5, 1, "7"), (50, 39, "9 (last of 40 writes, between 3 and 11)")]),
    ],
)
def test_writes_are_told_by_the_first_and_the_last(
    tmp_path: Path, count: int, told: list[tuple[int, int, str]]
) -> None:
    """Of writes, which are counted, first and last stand with their values and the rest between."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, "modbus", "write", count=count, **seen(5, 50 if count > 1 else 5))
        value(net, 0, 7, 9 if count > 1 else 7, 3 if count > 1 else 7, 11 if count > 1 else 7)

        found = of_plc(store, net)

    assert [(one.time // SECOND, one.times, one.value) for one in found] == told


def test_values_of_commands_between_are_not_invented(tmp_path: Path) -> None:
    """Of three commands the middle one is only said to lie between the least and the greatest."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, "iec104", "control", operation="c_se", count=3, **seen(10, 30))
        value(net, 0, 1, 5, 1, 9)
        for at in (10, 20, 30):
            net.event(0, at)

        found = of_plc(store, net)

    assert [one.value for one in found] == ["1", "between 1 and 9", "5"]


def test_what_changes_nothing_is_left_out(tmp_path: Path) -> None:
    """Reads, sessions, requests to be told, and what the device itself asks of others do not count."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, "s7comm", "read")
        net.does(EWS, PLC, "s7comm", "session")
        net.does(EWS, PLC, "opcua", "config", operation="create_subscription")
        net.does(PLC, EWS, "s7comm", "write")
        for behaviour in range(4):
            net.event(behaviour, 10 + behaviour)

        assert of_plc(store, net) == []


def test_a_new_firmware_is_told_of_by_the_device(tmp_path: Path) -> None:
    """A fact that took the place of another is an action without a name, with both values."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.says(PLC, "s7comm", revision="V3.2.6", at=10, until=20)
        net.says(PLC, "s7comm", revision="V3.2.7", at=40, until=50)

        (change,) = of_plc(store, net)

    assert (change.who, change.cls, change.object, change.value) == (
        "", "identity", "revision", "V3.2.6 -> V3.2.7",
    )  # fmt: skip


def test_an_action_names_its_session(tmp_path: Path) -> None:
    """What was done through another host tells who is at the beginning of the chain."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.heard("00:1b:1b:00:00:09", "10.9.0.9")
        net.talks("10.9.0.9", EWS, "rdp", connections=1, **seen(0, 90))
        net.talks(EWS, PLC, "s7comm", connections=1, **seen(10, 80))
        net.does(EWS, PLC, "s7comm", "program", operation="request_download")
        net.event(0, 20)

        (action,) = of_plc(store, net)

    assert (action.who, action.origin) == (EWS, "10.9.0.9")
    assert len(action.session) == 10


def test_events_beyond_the_cap_are_told_together(tmp_path: Path) -> None:
    """An event that stands for many is one line that says for how many."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, "s7comm", "mode", operation="plc_stop", count=501, **seen(10, 99))
        net.event(0, 10)
        net._add(
            "event",
            packet=20,
            time=20 * SECOND,
            kind="capped",
            count=500,
            behaviour=0,
            conversation=0,
        )

        found = of_plc(store, net)

    assert [(one.times, one.last_time // SECOND) for one in found] == [(1, 10), (500, 99)]


def test_happenings_of_two_points_are_not_summed(tmp_path: Path) -> None:
    """What two points of a group saw is told once, with the other as witness."""
    with new_store(tmp_path) as store:
        for point, count in (("a", 2), ("b", 1)):
            net = tap(store, point=point)
            net.does(EWS, PLC, "s7comm", "mode", operation="plc_stop", count=count)
            for at in range(count):
                net.event(0, 10 + at)
            net.write()

        found = happenings(store, ())

    assert [(one.point, one.witnesses) for one in found] == [("a", ("b",))] * 2


@pytest.mark.parametrize(
    ("words", "operations"),
    [
        ((), ["write_var", "plc_stop", "pi_p_program"]),
        (("--timeline", "class=mode"), ["plc_stop", "pi_p_program"]),
        (("--timeline", "!client=10.20.1.11"), ["plc_stop", "pi_p_program"]),
        (("--timeline", "client=10.20.1.8/29"), ["write_var", "pi_p_program"]),
        (("-S", "2026-01-05T08:08"), ["pi_p_program"]),
        (("-U", "2026-01-05T08:04"), ["write_var"]),
        (("--limit", "1"), ["pi_p_program"]),
        (("--reverse",), ["pi_p_program", "plc_stop", "write_var"]),
    ],
)
def test_timeline_of_the_demo_plant(
    plant_db: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    operations: list[str],
) -> None:
    """The newest stands last, and filters, times and limits choose."""
    words = words if "--timeline" in words else ("--timeline", *words)
    assert main(["asset", "INTAKE STATION", "--db", str(plant_db), "--json", *words]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [one["operation"] for one in rows] == operations


def test_timeline_names_value_and_packet(
    plant_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The setpoint that the laptop wrote stands with its value and the packet that carried it."""
    main(["asset", "plc-pumps.works.local", "--db", str(plant_db), "--timeline", "holding 101"])
    line = " ".join(capsys.readouterr().out.splitlines()[-1].split())

    assert line == (
        "2026-01-05T08:06:46.503+00:00 DESKTOP-7Q2K1 modbus write write_single_register "
        "holding 101 4400 ok 1 6869"
    )


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--timeline", "colour=red"), "no filter 'colour'"),
        (("--timeline", "--columns", "colour"), "no column 'colour'"),
        (("--timeline", "--limit", "0"), "--limit 0"),
        (("--timeline", "-S", "noon"), "'noon' is no time"),
    ],
)
def test_mistakes_are_told_in_a_line(
    plant_db: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], wrong: str
) -> None:
    """A wrong filter, column, number or time is named."""
    assert main(["asset", "INTAKE STATION", "--db", str(plant_db), *words]) == Exit.USAGE
    assert wrong in capsys.readouterr().err


@pytest.fixture(scope="module")
def plant_db(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the demo plant."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db")


def test_findings_are_named(
    plant_store: PlantStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stop in the timeline, its session and its device name the finding, until it is decided."""
    db = plant_store(tmp_path / "plant.db")

    def named(*words: str) -> list[dict[str, object]]:
        capsys.readouterr()
        assert main([*words, "--json", "--db", str(db)]) == Exit.FINE
        whole = json.loads(capsys.readouterr().out)
        return list(whole["findings"] if words[0] == "asset" and len(words) == 2 else whole["rows"])

    timeline = ("asset", "10.20.1.21", "--timeline", "op:plc_stop")
    worked = ("sessions", "client:10.20.1.199", "kind=engineering")
    assert [row["findings"] for row in named(*timeline)] == [["61bdad60d42424a"]]
    assert [row["findings"] for row in named(*worked)] == [["61bdad60d42424a"]]
    assert named("asset", "10.20.1.21")[0]["short"] == "61bdad60"
    assert {row["client"] for row in named("asset", "10.20.1.199")} == {"10.20.1.199"}

    words = ("--by", "ann", "--reason", "drill", "-q", "--db", str(db))
    assert main(["expect", "61bdad60", *words]) == Exit.FINE
    assert [row["findings"] for row in named(*timeline)] == [[]]
    assert [row["findings"] for row in named(*worked)] == [[]]
    assert named("asset", "10.20.1.21")[0]["state"] == "expected"
