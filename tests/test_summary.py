"""What `otsec analyze` ends with: right, short, for any number of captures, also for none."""

import json
from io import StringIO
from pathlib import Path

import pytest
from conftest import ROOT, Command, PlantStore
from engine_runs import analyse
from store_rows import array, row, store_with

from otsec.cli import summary
from otsec.cli.output import Column, Style
from otsec.cli.page import Page
from otsec.config import Config
from otsec.health import Severity
from otsec.store import open_store, queries
from otsec.store.overview import Share
from otsec.summary import SHOWN, DeviceLine, Doing, summarise

MODBUS = ROOT / "pcaps" / "modbus"
HEALTH = ROOT / "pcaps" / "health"


def conversation(number: int, **cells: object) -> tuple[object, ...]:
    """A row of the table `conversation` in source 1."""
    given = {"source": 1, "number": number, "kind": 4, "service": "tcp/502", **cells}
    return row("conversation", **given)


def test_one_plant(tmp_path: Path) -> None:
    """A capture in which a laptop writes: who is there, who does what, the second writer first."""
    analyse([MODBUS / "write_from_new_host.pcap"], tmp_path / "x.db")
    with open_store(tmp_path / "x.db", readonly=True) as store:
        found = summarise(store, "site")

    assert (found.total.captures, found.total.sources, found.total.silent) == (1, 1, 0)
    assert found.total.packets == 157
    assert found.devices[0].does.startswith("answers modbus (")
    assert found.devices[0].macs == ("00:80:f4:0e:21:22",)
    assert {talk.protocol for talk in found.conversations} >= {"modbus"}
    assert found.doings[1] == Doing(
        client="10.10.10.199", server="10.10.10.22", place="", protocol="modbus", units=0,
        reads=2, writes=3, others=0, failed=0, reasons=(),
        objects=("coil 0", "holding 100", "holding 101-102", "2 more"),
    )  # fmt: skip
    assert (found.undecoded, found.unread, found.problems) == (0, (), ())
    assert [report.sentence for report in found.reports] == ["good"]


def test_devices_and_what_they_say(tmp_path: Path) -> None:
    """Units behind an address as ranges, facts with the maker first, MACs of known IPs not twice."""
    units = [*range(1, 4), 11, 20, 22, 24]
    with store_with(
        tmp_path / "x.db",
        conversation=[
            conversation(0, client="10.0.0.1", server="10.0.0.2", protocol="modbus", packets_out=9)
        ],
        station=[
            row("station", source=1, number=0, mac="00:00:00:00:00:02", address="10.0.0.2", frames=7),
            row("station", source=1, number=1, mac="00:00:00:00:00:02", frames=2),
            row("station", source=1, number=2, mac="00:00:00:00:00:03", frames=1),
        ],
        behaviour=[
            row("behaviour", source=1, number=unit, protocol="modbus", device=f"unit {unit}",
                outcome="ok", count=1, **{"class": "read"})
            for unit in units
        ],
        fact=[
            row("fact", source=1, attribute=attribute, value=value, protocol="modbus", count=1)
            for attribute, value in (
                ("revision", "v2"), ("model_name", "X1"), ("vendor", "ACME"), ("product_name", "X1"),
            )
        ],
    ) as store:  # fmt: skip
        found = summarise(store, "plant")

    assert found.devices[0] == DeviceLine(
        address="10.0.0.2",
        place="",
        macs=("00:00:00:00:00:02",),
        does="answers modbus (1 client)",
        units=("unit 1-3", "unit 11", "unit 20", "unit 22", "1 more"),
        facts=("ACME", "X1", "v2"),
        packets=7,
    )
    assert (found.heard, found.by_mac, found.addressed) == (1, 1, 1)


def test_a_refused_connection_is_no_answer(tmp_path: Path) -> None:
    """Of ports that somebody tried, those are answered in which the server says something."""
    talks = [
        conversation(number, client="10.0.0.9", server="10.0.0.2", packets_out=1, packets_in=1,
                     service=service, protocol=protocol, payload_in=payload)
        for number, (service, protocol, payload) in enumerate(
            [("tcp/102", "", 0), ("tcp/502", "modbus", 12), ("tcp/44818", "", 0)]
        )
    ]  # fmt: skip
    station = row(
        "station", source=1, number=0, mac="00:00:00:00:00:02", address="10.0.0.2", frames=7
    )
    with store_with(tmp_path / "x.db", conversation=talks, station=[station]) as store:
        found = {one.address: one.does for one in summarise(store, "plant").devices}
        (device,) = (one for one in queries.devices(store) if one.address == "10.0.0.2")

    assert found["10.0.0.2"] == "answers modbus (1 client)"
    assert (device.answers, device.clients) == (("modbus",), 1)


def test_what_was_not_decoded(tmp_path: Path) -> None:
    """Bytes by protocol, else by number, most first; ARP is read, so all of it is decoded."""
    with store_with(
        tmp_path / "x.db",
        conversation=[
            conversation(0, client="a", server="b", protocol="modbus", payload_out=100, undecoded_out=5, malformed=2, truncated=1),
            conversation(1, client="a", server="c", service="tcp/102", payload_in=70, undecoded_in=70, lost_in=4),
            conversation(2, client="a", server="d", service="tcp/102", payload_in=7, undecoded_in=7),
            conversation(3, client="a", server="e", service="0x0806", payload_in=46, undecoded_in=46),
        ],
    ) as store:  # fmt: skip
        found = summarise(store, "plant")

    assert (found.payload, found.undecoded) == (223, 82)
    assert found.unread == (
        Share("tcp/102", 2, 77, 77, 0, 0, 4),
        Share("modbus", 1, 100, 5, 2, 1, 0),
    )


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    """Of many rows the most important are shown, industrial ones first, and all are counted."""
    with store_with(
        tmp_path / "x.db",
        conversation=[
            conversation(number, client=f"10.0.1.{number}", server="10.0.0.2", service="tcp/80",
                         packets_out=1000 + number)
            for number in range(50)
        ]
        + [
            conversation(50, client="10.0.0.1", server="10.0.0.3", protocol="modbus", packets_out=1),
            conversation(51, client="10.0.0.1", server="10.0.0.4", service="tcp/102", packets_out=1),
        ],
    ) as store:  # fmt: skip
        found = summarise(store, "plant")

    assert found.conversation_count == 52
    assert len(found.conversations) == SHOWN
    assert [talk.service for talk in found.conversations[:3]] == ["tcp/502", "tcp/102", "tcp/80"]
    assert found.conversations[2].packets_out == 1049


def test_other_sites_stay_out(tmp_path: Path) -> None:
    """The summary is of one site."""
    with store_with(
        tmp_path / "x.db", conversation=[conversation(0, client="a", server="b")]
    ) as store:
        found = summarise(store, "elsewhere")

    assert (found.total.sources, found.total.packets, found.conversations) == (0, 0, ())


def test_troubles_of_many_sources(tmp_path: Path) -> None:
    """Many sources: each check once, with how many it concerns and the worst of them."""
    analyse(sorted(HEALTH.glob("*.pcap")), tmp_path / "x.db", point=None)
    with open_store(tmp_path / "x.db", readonly=True) as store:
        found = summarise(store, "site")
    told = {(one.severity, one.check): one.sources for one in found.troubles}

    assert set(told[Severity.BAD, "industrial"]) == {"only_broadcast", "no_industrial", "can_bus"}
    assert told[Severity.BAD, "directions"] == ("one_direction",)
    assert [one.severity for one in found.troubles] == sorted(
        one.severity for one in found.troubles
    )
    assert found.total.silent == 1


# -------------------------------------------------------------------------------- the screen


def screen(otsec_command: Command, *words: str | Path) -> str:
    """What the command prints, without failing."""
    done = otsec_command("analyze", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_traffic(otsec_command: Command, tmp_path: Path) -> None:
    """A capture without packets is told as no traffic, with commands that help."""
    shown = screen(otsec_command, HEALTH / "no_traffic.pcap", "--db", tmp_path / "x.db")

    assert "1 capture of 1 source, 0 packets; 1 source without any packet.\n" in shown
    assert "No traffic: nothing can be told of devices" in shown
    assert "no_traffic is without traffic: nothing can be told." in shown
    assert "  otsec doctor --db " in shown
    assert "0 %" not in shown


def test_fits_two_screens(otsec_command: Command, tmp_path: Path) -> None:
    """The summary of the demo captures has at most 100 lines and names commands that run."""
    db = tmp_path / "x.db"
    shown = screen(otsec_command, MODBUS, "--db", db)
    assert len(shown.splitlines()) <= 100
    commands = [line.split() for line in shown.splitlines() if line.startswith("  otsec ")]

    assert 3 <= len(commands) <= 4
    for words in commands:
        done = otsec_command(*words[1:])
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_names_no_store_that_is_the_default(otsec_command: Command, tmp_path: Path) -> None:
    """Without --db the commands to type next need none."""
    done = otsec_command("analyze", MODBUS / "port_5020.pcap", cwd=tmp_path)

    assert "  otsec writers\n" in done.stdout
    assert "--db" not in done.stdout


def test_json(otsec_command: Command, tmp_path: Path) -> None:
    """--json gives one object with the same numbers, tables as the listings give them."""
    told = json.loads(
        screen(
            otsec_command, MODBUS / "write_from_new_host.pcap", "--db", tmp_path / "x.db", "--json"
        )
    )

    assert (told["kind"], told["schema_version"], told["packets"]) == ("summary", 1, 157)
    assert told["overall"] == "write_from_new_host is good."
    assert (told["counts"]["writers"], told["problems"], told["health"]) == (5, [], [])
    assert told["writers"][0]["second_writer"] is True
    assert told["conversations"][0]["packets_out"] > 0


def test_device_text_is_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, line ends and markup in what a device says stay in their cell."""
    from otsec.cli.summary import show
    from otsec.config import Config

    evil = "\x1b[2J\nACME\u202e=1+1"
    with store_with(
        tmp_path / "x.db",
        conversation=[conversation(0, client="10.0.0.1", server="10.0.0.2", protocol="modbus")],
        station=[row("station", source=1, address="10.0.0.2", mac="00:00:00:00:00:02", frames=1)],
        behaviour=[
            row("behaviour", source=1, protocol="modbus", object=evil, outcome="ok", count=1,
                **{"class": "write"})
        ],
        fact=[row("fact", source=1, attribute="vendor", value=evil, count=1)],
        value=[
            row("value", source=1, space="holding", minimum=array(1), maximum=array(1),
                first=array(1), last=array(1), count=1)
        ],
    ) as store:  # fmt: skip
        show(store, Config(site="plant"), Style())
    shown = capsys.readouterr().out

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("\\x1b[2J\\nACME\\u202e=1+1") >= 2


def test_page_leaves_out_what_does_not_fit() -> None:
    """On a narrow terminal the columns that matter least go, and the others are not cut."""
    columns = (Column("address", "address"), Column("mac", "mac"), Column("note", "note"))
    rows = [{"address": "10.10.10.199", "mac": "00:80:f4:0e:21:22", "note": "n" * 30}]
    told = tuple(
        column._replace(value=lambda row, name=column.name: row[name]) for column in columns
    )

    def table(width: int) -> str:
        stream = StringIO()
        Page(Style(columns=width), stream).table(told, rows, 1, spare=("note", "mac"))
        return stream.getvalue().splitlines()[0]

    assert [table(width).split() for width in (80, 40, 20)] == [
        ["address", "mac", "note"], ["address", "mac"], ["address"],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def plant_db(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the demo plant, judged."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db")


@pytest.mark.parametrize("columns", [80, 120])
def test_findings_are_told_apart_on_any_terminal(
    columns: int, plant_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three scans by three services are three lines that differ, worst first, and nothing wraps."""
    with open_store(plant_db, readonly=True) as store:
        summary.show(store, Config(store=plant_db), Style(columns=columns))
    lines = capsys.readouterr().out.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("What is wrong"))
    table = lines[begin + 1 : begin + 10]

    assert all(len(line) <= columns for line in table)
    assert {"tcp/44818", "tcp/502", "tcp/102"} <= {cell for line in table for cell in line.split()}
    levels = [line.split()[1] for line in table[1:]]
    assert levels == ["high", *["medium"] * 5, *["low"] * 2]
    assert lines[begin + 10].startswith("... and 8 more: otsec findings")
    assert lines[begin + 11].startswith("4 of them are one incident: otsec finding i")


def test_commands_that_a_page_names_can_be_copied() -> None:
    """What to type stands in one line as it must be typed, commas and all, however long it is."""
    stream = StringIO()
    page = Page(Style(columns=40), stream, f" --db '{'a,b ' * 20}.db'")
    page.more(2, 12345, "otsec findings --columns incident,short,title")

    assert stream.getvalue() == (
        f"... and 12 343 more: otsec findings --columns incident,short,title --db '{'a,b ' * 20}.db'\n"
    )
