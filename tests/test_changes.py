"""What is announced is expected, and nothing else: late, elsewhere, by others, of another class."""

import json
from pathlib import Path
from typing import Any

import pytest
from baseline_stores import DAY, HMI, LAPTOP, PLC, WORD, Plant, polled
from conftest import ROOT, Command, PlantStore
from inventory_stores import SECOND
from store_rows import row, write

from otsec.baseline.learning import approve, baseline, learn
from otsec.changes import linking
from otsec.changes.records import Record, added, closed, records
from otsec.detect.cases import cases, decided
from otsec.errors import UsageError
from otsec.inventory.model import Node
from otsec.store import paging
from otsec.store.acts import record
from otsec.store.findings import Finding, replace

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
HOUR = 3_600
WHO = ("--by", "Anna Example", "--reason", "ticket 4711")


def announced(**other: Any) -> Record:
    """A record of a download to the controller in the tenth hour."""
    cells: dict[str, Any] = {
        "id": "CHG-1",
        "sort": "change",
        "site": "plant",
        "assets": (PLC,),
        "zone": "",
        "nodes": (Node("plant", "net", "", PLC),),
        "nets": (),
        "hosts": (HMI,),
        "allowed": ("program",),
        "begin": 10 * HOUR * SECOND,
        "end": 11 * HOUR * SECOND,
        "who": "Ann",
        "reason": "new recipe",
    }
    return Record(**(cells | other))


def told(plant: Plant, **other: Any) -> Finding:
    """A finding of a download by the HMI at half past ten."""
    at = int(10.5 * HOUR) * SECOND
    cells: dict[str, Any] = dict.fromkeys(Finding._fields, "")
    cells |= dict.fromkeys(("witnesses", "objects", "outcomes", "techniques", "falsepositives"), ())
    cells |= {
        "id": "0123456789abcde",
        "site": "plant",
        "group": "net",
        "name": "download",
        "category": "operation",
        "level": "high",
        "client": HMI,
        "server": PLC,
        "service": "tcp/502",
        "protocol": "modbus",
        "times": 1,
        "source": plant.tap.number,
        "first_time": at,
        "last_time": at,
        "first_packet": 1,
        "last_packet": 1,
        "operations": ("download",),
        "short": "01234567",
    }
    return Finding(**(cells | other))


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A controller that was downloaded to by two hosts, at half past ten and on the next day."""
    made = Plant(tmp_path)
    for address in (HMI, PLC, LAPTOP):
        made.hears(address, 0, 2 * DAY)
    for client in (HMI, LAPTOP):
        made.does(client, PLC, "program", int(10.5 * HOUR), DAY, operation="download", object="")
    made.does(HMI, PLC, "mode", int(10.5 * HOUR), DAY, operation="stop", object="")
    return made.ends(2 * DAY)


def state(plant: Plant, finding: Finding, *known: Record) -> tuple[str, str]:
    """State and link of a finding, by the record and by the listing of the terminal alike."""
    record(plant.store, added(records(plant.store), known, WORD, "change-add"))
    replace(plant.store, [(finding, ())])
    linking.link(plant.store)
    (case,) = cases(plant.store)
    (keyed,) = paging.page(plant.store, "findings", paging.order_of(plant.store, "findings"))
    assert (keyed.row.state, keyed.row.change) == (case.state, case.change)
    return case.state, case.change


def test_what_is_announced_is_expected_and_linked(plant: Plant) -> None:
    """A download at the device, in the time, by the host and of the class of a record is expected."""
    assert state(plant, told(plant), announced()) == ("expected", "CHG-1")


@pytest.mark.parametrize(
    "other",
    [
        {"last_time": (11 * HOUR + 60) * SECOND},
        {"first_time": 10 * HOUR * SECOND - 1},
        {"client": LAPTOP},
        {"client": "several"},
        {"server": HMI},
        {"server": "several"},
        {"place": "20"},
        {"site": "elsewhere"},
        {"operations": ("download", "stop")},
        {"operations": ("unheard_of",)},
    ],
    ids=" ".join,
)
def test_what_is_not_announced_alerts_as_ever(plant: Plant, other: dict[str, Any]) -> None:
    """A minute late, too early, by or at another, and of a class that is not allowed: all are told."""
    assert state(plant, told(plant, **other), announced())[0] == "new"


def test_a_change_without_record_stays_unlinked(plant: Plant) -> None:
    """A download that nobody announced says so; a read that nobody announced needs no record."""
    assert state(plant, told(plant)) == ("new", "unlinked")
    reading = told(plant, name="new-conversation", category="baseline", operations=())
    assert state(plant, reading) == ("new", "")


@pytest.mark.parametrize(
    ("attribute", "allowed", "expected"),
    [
        ("revision", "firmware", True),
        ("program_hash", "program", True),
        ("serial", "identity", True),
        ("serial", "firmware", False),
        ("revision", "program", False),
    ],
)
def test_firmware_that_a_device_says_wants_a_record_of_firmware(
    plant: Plant, attribute: str, allowed: str, expected: bool
) -> None:
    """Another revision is explained by an update of firmware, another serial number is not."""
    says = told(
        plant,
        name="identity-changed",
        category="baseline",
        client="",
        operations=(attribute,),
        objects=("V2",),
        last_time=2 * DAY * SECOND,  # it goes on to say so
    )
    link = state(plant, says, announced(allowed=(allowed,), hosts=()))
    assert link == (("expected", "CHG-1") if expected else ("new", "unlinked"))


def test_a_new_conversation_is_explained_by_what_is_changed_in_it(plant: Plant) -> None:
    """Who was announced to load a program may open a conversation for it, and for nothing else."""
    talk = told(plant, name="new-conversation", category="baseline", operations=())

    assert state(plant, talk, announced(id="CHG-2"))[0] == "new"  # it was stopped as well
    both = announced(allowed=("program", "mode"))
    assert state(plant, talk, both) == ("expected", "CHG-1")
    assert state(plant, talk._replace(client=LAPTOP, service="tcp/80"))[0] == "new"


@pytest.mark.parametrize(
    ("servers", "allowed", "hours", "expected"),
    [
        ((PLC,), ("program", "mode"), 1, True),
        ((PLC,), ("program",), 1, False),  # it was stopped as well
        ((PLC, LAPTOP), ("program", "mode"), 1, False),  # not all is at the record's device
        ((PLC,), ("program", "mode"), 2, False),  # nobody knows when in that hour
    ],
)
def test_work_at_an_odd_hour_can_be_announced(
    plant: Plant, servers: tuple[str, ...], allowed: tuple[str, ...], hours: int, expected: bool
) -> None:
    """Who was announced to work at night is expected then, at these devices and in all he does."""
    begin = 10 * HOUR * SECOND
    night = told(
        plant, name="unusual-hour", category="baseline", server="", service="", operations=(),
        objects=servers, first_time=begin, last_time=begin + hours * HOUR * SECOND - 1,
    )  # fmt: skip

    link = state(plant, night, announced(allowed=allowed))
    assert link == (("expected", "CHG-1") if expected else ("new", "unlinked"))


@pytest.mark.parametrize(
    ("other", "allowed", "expected"),
    [
        ({}, "program", True),
        ({"client": PLC, "server": HMI}, "file", True),  # what the host has read from the device
        ({}, "write", False),
        ({"client": LAPTOP}, "program", False),
        ({"last_time": 12 * HOUR * SECOND - 1}, "program", False),
    ],
)
def test_much_that_is_sent_can_be_announced(
    plant: Plant, other: dict[str, Any], allowed: str, expected: bool
) -> None:
    """Who was announced to load programs or files sends much, if all of the hour is announced."""
    hour = {"first_time": 10 * HOUR * SECOND, "last_time": 11 * HOUR * SECOND - 1}
    load = told(plant, name="load-hour", category="baseline", operations=(), **hour)

    link = state(plant, load._replace(**other), announced(allowed=(allowed,)))
    assert link == (("expected", "CHG-1") if expected else ("new", ""))


def test_a_device_that_takes_the_place_of_another_wants_a_record_of_that(plant: Plant) -> None:
    """A new MAC address is announced if all addresses that it carries are those of the record."""
    card = told(
        plant,
        name="new-device",
        category="baseline",
        client="",
        server="00:0e:8c:00:00:21",  # carries the controller's address
        operations=(),
    )
    laptop = card._replace(server="00:0e:8c:00:00:99")

    assert state(plant, laptop, announced(allowed=("module",), hosts=())) == ("new", "unlinked")
    assert state(plant, card) == ("expected", "CHG-1")


@pytest.mark.parametrize(
    ("name", "other", "allowed", "expected"),
    [
        ("device-silent", {}, "silence", True),
        ("device-silent", {}, "firmware", True),
        ("device-silent", {}, "write", False),
        ("power-lost", {"server": "several", "objects": (PLC, HMI)}, "silence", False),
        ("power-lost", {"server": "several", "objects": (PLC,)}, "silence", True),
        ("vlan-lost", {}, "firmware", False),
        ("network-storm", {}, "silence", False),
        ("device-silent", {"last_time": (11 * HOUR + 60) * SECOND}, "silence", False),
        ("device-silent", {"last_time": int(10.5 * HOUR) * SECOND}, "silence", False),  # goes on
    ],
)
def test_outages_can_be_announced(
    plant: Plant, name: str, other: dict[str, Any], allowed: str, expected: bool
) -> None:
    """What is switched off as announced, and is back in time, is expected; nobody misses a record."""
    cells = {"objects": (PLC,), "last_time": int(10.6 * HOUR) * SECOND, **other}
    out = told(plant, name=name, category="outage", client="", operations=(), **cells)

    link = state(plant, out, announced(allowed=(allowed,), hosts=()))
    assert link == (("expected", "CHG-1") if expected else ("new", ""))


def test_two_downloads_in_two_records_are_expected_and_a_third_is_not(plant: Plant) -> None:
    """One finding stands for all downloads: each must lie in a record."""
    day = DAY * SECOND
    times = (int(10.5 * HOUR) * SECOND, day)
    events = [
        row(
            "event",
            source=plant.tap.number,
            packet=at,
            time=time,
            conversation=plant.tap.talked["", HMI, PLC, "tcp/502", "modbus"],
            behaviour=0,
            kind="operation",
            count=1,
        )
        for at, time in enumerate(times, 5)
    ]
    write(plant.store, event=events)
    later = announced(id="CHG-2", begin=day - SECOND, end=day + SECOND)
    both = told(plant, times=2, last_time=day)

    assert state(plant, both, announced()) == ("new", "unlinked")
    assert state(plant, both, later) == ("expected", "CHG-2")
    assert state(plant, both._replace(times=3)) == ("new", "unlinked")


def test_what_a_person_decides_counts_more_than_a_record(plant: Plant) -> None:
    """A finding that somebody reopened stays open although it was announced."""
    state(plant, told(plant), announced())
    record(plant.store, [decided(cases(plant.store)[0], "reopen", WORD)])

    assert state(plant, told(plant)) == ("reopened", "CHG-1")


def test_a_closed_record_covers_nothing_later(plant: Plant) -> None:
    """What happens after a record was closed is told, although its end was planned for later."""
    state(plant, told(plant), announced())
    record(plant.store, [closed(records(plant.store), "chg-1", int(10.4 * HOUR) * SECOND, WORD)])

    assert state(plant, told(plant)) == ("new", "unlinked")
    with pytest.raises(UsageError, match="closed already"):
        closed(records(plant.store), "CHG-1", 0, WORD)


@pytest.mark.parametrize(
    ("other", "stage", "seen"),
    [
        ({}, "over", "seen"),
        ({"allowed": ("firmware",)}, "over", "not seen"),
        ({"begin": 3 * DAY * SECOND, "end": 4 * DAY * SECOND}, "planned", "not yet"),
        ({"begin": DAY * SECOND + 1, "end": 4 * DAY * SECOND}, "open", "not yet"),
        ({"begin": -2 * SECOND, "end": -SECOND}, "over", "not captured"),
    ],
    ids=lambda one: " ".join(map(str, one)) if isinstance(one, dict) else one,
)
def test_what_was_announced_and_not_seen_is_told(
    plant: Plant, other: dict[str, Any], stage: str, seen: str
) -> None:
    """Of each record it is told whether anything of it was seen, or whether nobody listened."""
    state(plant, told(plant, times=1), announced(**other))
    (one,) = linking.standings(plant.store)

    assert (one.stage, one.seen) == (stage, seen)


def test_nothing_is_learned_from_maintenance_alone(tmp_path: Path) -> None:
    """What was seen before or after maintenance as well is learned, what was seen in it alone is not."""
    plant = polled(tmp_path).ends(5 * DAY)
    work = announced(
        id="M-1", sort="maintenance", allowed=("read",), begin=-SECOND, end=DAY * SECOND
    )
    record(plant.store, added([], [work], WORD, "change-add"))
    assert not [why for why in baseline(plant.store).barred.values() if "M-1" in why]
    assert learn(plant.store, budget=1).new

    whole = announced(id="M-2", sort="maintenance", begin=-SECOND, end=6 * DAY * SECOND)
    record(plant.store, added(records(plant.store), [whole], WORD, "change-add"))
    base = baseline(plant.store)
    assert {"it was only seen during M-2 (maintenance)"} == set(base.barred.values())
    assert approve(plant.store, base, [base.shown.things[0]], WORD, 0, end=False)


# --------------------------------------------------------------------------------- command


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the plant, in which a controller was stopped and restarted."""
    return plant_store(tmp_path_factory.mktemp("site") / "site.db")


def test_commands_announce_list_and_close(
    site: Path, tmp_path: Path, otsec_command: Command
) -> None:
    """The restart by the engineering station is expected, the stop by the laptop is not; all is kept."""
    table = tmp_path / "changes.csv"
    table.write_text(
        "id,assets,from,to,allow,hosts,by,reason\n"
        "CHG-7,10.20.1.21,2026-01-05T08:00,2026-01-05T09:00,mode program,10.20.1.15,Bea,update\n"
    )
    assert otsec_command("change", "import", table, *WHO, "--db", site).returncode == 0
    again = otsec_command("change", "import", table, *WHO, "--db", site)
    assert "1 of 1 were announced before" in again.stderr

    shown = json.loads(otsec_command("findings", "--all", "--db", site, "--json").stdout)["rows"]
    links = {one["title"]: (one["state"], one["change"]) for one in shown}
    assert links["S7 controller stopped"] == ("new", "unlinked")
    assert links["S7 controller restarted or its memory reset"] == ("expected", "CHG-7")
    (one,) = json.loads(otsec_command("change", "list", "--db", site, "--json").stdout)["rows"]
    assert (one["seen"], one["findings"], one["who"]) == ("seen", 1, "Bea")

    ended = otsec_command(
        "change", "close", "CHG-7", "--at", "2026-01-05T08:05", *WHO, "--db", site
    )
    assert ended.returncode == 0, ended.stderr
    unlinked = otsec_command("findings", "change:unlinked", "--db", site, "--json").stdout
    assert len(json.loads(unlinked)["rows"]) == 2
    acts = otsec_command("audit", "CHG-7", "--db", site).stdout
    assert "change-import" in acts
    assert "change-close" in acts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["change", "add", "A B", "--asset", "10.20.1.21", "--allow", "mode"], "no id of a record"),
        (["change", "add", "X", "--asset", "10.20.1.21", "--allow", "mod"], "nothing that can be"),
        (["change", "add", "X", "--asset", "nobody", "--allow", "mode"], "no asset"),
        (["change", "add", "X", "--zone", "cell", "--allow", "mode"], "names no policy"),
        (["change", "close", "X"], "no record"),
    ],
)
def test_mistakes_are_one_clear_line(
    site: Path, otsec_command: Command, words: list[str], said: str
) -> None:
    """What cannot be announced is refused with one line that says why."""
    span = ["--from", "2026-01-05T08:00", "--to", "2026-01-05"] if "add" in words else []
    done = otsec_command(*words, *span, *WHO, "--db", site)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
