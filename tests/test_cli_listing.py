"""Listings: filters, span of time, columns, order and formats, over a small store."""

import csv
import io
import json
from argparse import Namespace
from datetime import UTC
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from conftest import Command
from store_rows import row, store_with, values, write

from otsec.cli import listing, main
from otsec.cli.listing import arranged, moment, natural, parse_filters
from otsec.cli.output import Column
from otsec.errors import UsageError
from otsec.store import queries, spoken
from otsec.store.queries import FIELDS, Filter

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND  # 2023-11-14T22:13:20Z
HMI, EWS, PLC = "10.0.0.5", "10.0.0.77", "10.0.0.10"
KEYS = {
    "conversations": listing.FOR_CONVERSATIONS,
    "behaviours": listing.FOR_BEHAVIOURS,
    "writers": listing.FOR_BEHAVIOURS,
    "values": listing.FOR_BEHAVIOURS,
    "protocols": listing.FOR_CONVERSATIONS,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which an HMI polls and writes a PLC, and an engineering station writes too."""
    path = tmp_path_factory.mktemp("store") / "site.db"
    peers = {"source": 1, "server": PLC, "service": "tcp/502", "protocol": "modbus", "kind": 4}

    def seen(first_s: int, last_s: int) -> dict[str, int]:
        return {
            "first_time": BEGIN + first_s * SECOND, "first_packet": first_s,
            "last_time": BEGIN + last_s * SECOND, "last_packet": last_s,
        }  # fmt: skip

    def does(number: int, conversation: int, operation: str, cls: str, count: int) -> tuple:  # type: ignore[type-arg]
        return row(
            "behaviour", source=1, number=number, conversation=conversation, protocol="modbus",
            device="unit 1", operation=operation, object="holding 100-101", outcome="ok",
            count=count, response_count=count, response_sum_us=count * 1500,
            response_min_us=1000, response_max_us=2000,
            **{"class": cls}, **seen(conversation, 10 * conversation),
        )  # fmt: skip

    with store_with(
        path,
        conversation=[
            row("conversation", **peers, number=1, client=HMI, packets_out=50, bytes_out=5000, **seen(1, 10)),
            row("conversation", **peers, number=2, client=EWS, packets_out=5, bytes_out=999, **seen(2, 600)),
            row("conversation", source=1, number=3, kind=4, client="=cmd\x1b[2J", server="10.0.0.2",
                service="udp/53", packets_out=1, **seen(3, 3)),
        ],
        behaviour=[
            does(1, 1, "read_holding_registers", "read", 40),
            does(2, 1, "write_multiple_registers", "write", 10),
            does(3, 2, "write_multiple_registers", "write", 2),
        ],
        value=[
            row("value", source=1, behaviour=number, space="holding", first_element=100, count=1,
                **values(low, 7), **seen(number, 10 * number))
            for number, low in ((1, 3), (2, 4), (3, 900))
        ],
    ) as store:  # fmt: skip
        last = BEGIN + 600 * SECOND
        write(store, clock=[row("clock", source=1, packets=1000, last_time=last)])
    return path


def _rows(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, object]]:
    assert main([*map(str, words), "--json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


def test_writers(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`otsec writers` shows who wrote what, how often, the range, when last, and who came second."""
    assert main(["writers", "--db", str(site)]) == 0
    out, err = capsys.readouterr()

    assert err == ""
    assert out == (
        "server     device  object           writer     second  operation                 outcome"
        "  count  min  max  last    last time                      packet\n"
        "10.0.0.10  unit 1  holding 100-101  10.0.0.77  yes     write_multiple_registers  ok     "
        "      2    7  900  900, 7  2023-11-14T22:13:40.000+00:00      20\n"
        "10.0.0.10  unit 1  holding 100-101  10.0.0.5   no      write_multiple_registers  ok     "
        "     10    4    7  4, 7    2023-11-14T22:13:30.000+00:00      10\n"
    )


@pytest.mark.parametrize(
    ("words", "clients"),
    [
        ([], [HMI, EWS, "=cmd\x1b[2J"]),
        (["proto:modbus"], [HMI, EWS]),
        (["protocol=modbus"], [HMI, EWS]),
        (["!proto:modbus"], ["=cmd\x1b[2J"]),
        (["proto!=modbus"], ["=cmd\x1b[2J"]),
        (["client:10.0.0.64/26"], [EWS]),
        (["fe80::1"], []),
        (["udp"], ["=cmd\x1b[2J"]),
        (["!udp", "!10.0.0.77"], [HMI]),
        (["text:10.0.0.5"], [HMI]),
        (["--since", "2023-11-14T22:20"], [EWS]),
        (["--since", "5m"], [EWS]),
        (["--until", "2023-11-14T22:13:21"], [HMI]),
        (["--until", "2023-11-14"], [HMI, EWS, "=cmd\x1b[2J"]),
        (["--until", "2023-11-13"], []),
        (["--since", "2023-11-14T23:20+01:00"], [EWS]),
        (["--site", "plant"], [HMI, EWS, "=cmd\x1b[2J"]),
        (["--site", "other"], []),
        (["--limit", "1"], [HMI]),
        (["--reverse"], ["=cmd\x1b[2J", EWS, HMI]),
        (["--sort", "client"], [HMI, EWS, "=cmd\x1b[2J"]),
        (["--sort", "last_time"], [EWS, HMI, "=cmd\x1b[2J"]),
        (["--sort", "bytes_out", "--reverse"], ["=cmd\x1b[2J", EWS, HMI]),
    ],
)
def test_filters_span_and_order(
    site: Path, capsys: pytest.CaptureFixture[str], words: list[str], clients: list[str]
) -> None:
    """Filters narrow, `!` turns them round, a span keeps what was seen in it, --sort orders."""
    rows = _rows(capsys, "conversations", "--db", site, *words)

    assert [told["client"] for told in rows] == clients


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prot:modbus"], "no filter 'prot'; did you mean proto? (write text:prot:modbus"),
        (["dead::1"], "(write text:dead::1 to look for it anywhere)"),
        (["client:10.0.0.300/8"], "client:10.0.0.300/8 is not a network"),
        (["--columns", "client,sever"], "--columns: no column 'sever'; did you mean server?"),
        (["--sort", "zzzzz"], "--sort: no column 'zzzzz'; there are: client, server"),
        (["--limit", "0"], "--limit 0: expected a number of at least 1"),
        (["--since", "yesterday"], "'yesterday' is no time; write 2026-01-31T08:00"),
        (["--csv", "--json"], "argument --json: not allowed with argument --csv"),
        (["--db", "none.db"], "none.db: there is no such store"),
    ],
)
def test_mistakes(
    site: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """A word that means nothing is one line on standard error, with the nearest that does."""
    code = main(["conversations", "--db", str(site), *words])
    out, err = capsys.readouterr()

    assert (code, out, err.count("\n")) == (5 if "--db" in words else 2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("behaviours class:wrte", "class:wrte matches nothing; did you mean write?"),
        ("behaviours !class=wrte", "class:wrte matches nothing; did you mean write?"),
        ("behaviours class:zz*", "class:zz* matches nothing; there are: read, write, control"),
        ("contents direction:to_sever", "did you mean to_server?"),
        ("contents kind:blok", "did you mean block?"),
        ("sessions kind:enginering", "did you mean engineering?"),
        ("sessions auth:clera", "did you mean clear?"),
        ("assets role:plx", "did you mean plc?"),
        ("assets reach:onlink", "did you mean on link?"),
        ("assets criticality:hihg", "did you mean high?"),
        ("protocols --known proto:modbsu", "did you mean modbus?"),
        ("wanted role:hm", "did you mean hmi?"),
        ("findings state:opne", "did you mean open?"),
        ("findings level:hihg", "did you mean high?"),
        ("outages kind:tap-outag", "did you mean tap-outage?"),
        ("baseline list kind:stp", "did you mean step?"),
        ("baseline list how:learnt", "did you mean learned?"),
        ("clocks standing:agree", "did you mean agrees?"),
        ("controls evaluate status:partail", "did you mean partial?"),
        ("attest list expired:maybe", "there are: yes, no"),
        ("change list is:opened", "did you mean open?"),
    ],
)
def test_a_value_that_no_row_can_have(
    site: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    """Where a filter takes one of few words, another one is refused with the nearest of them."""
    code = main([*words.split(), "--db", str(site)])
    out, err = capsys.readouterr()

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("behaviours proto:Modbsu", "; did you mean proto:modbus?"),
        ("conversations proto=dnp", "; did you mean proto:dnp3?"),  # known, though not seen
        ("assets proto:modbsu", "; did you mean proto:modbus?"),
        ("behaviours outcome:okk", "; did you mean outcome:ok?"),
        (
            "behaviours proto:modbus op:write_multpile*",
            "; did you mean op:write_multiple_registers?",
        ),
        ("conversations proto:dnp3", ""),
        ("conversations !proto:modbsu host:10.9.9.9", ""),
        ("findings category:operatoin", ""),  # of a store in which there is nothing like it
    ],
)
def test_a_value_that_no_row_has(
    site: Path, capsys: pytest.CaptureFixture[str], words: str, hint: str
) -> None:
    """Where nothing is found by a word that no row has, the nearest one that they have is told."""
    assert main([*words.split(), "--db", str(site)]) == 0
    assert capsys.readouterr().err == f"nothing in {site} matches{hint}\n"


@pytest.mark.parametrize("word", ["class:WRITE", "class:w*", "class:", "!class:read", "class=*i*"])
def test_a_value_that_rows_can_have(site: Path, word: str) -> None:
    """Case, patterns, negation and the empty value are taken, whether there is such a row or not."""
    assert main(["behaviours", word, "-q", "--db", str(site)]) == 0


def test_columns(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--columns chooses what is shown and in which order; `all` shows everything."""
    assert main(["conversations", "--db", str(site), "--columns", "bytes_out,client"]) == 0
    chosen = capsys.readouterr().out
    assert main(["conversations", "--db", str(site), "--columns", "all"]) == 0
    everything = capsys.readouterr().out

    assert chosen == (
        "bytes out  client\n   5.0 kB  10.0.0.5\n    999 B  10.0.0.77\n      0 B  =cmd\\x1b[2J\n"
    )
    assert "witnesses" in everything.split("\n")[0]


def test_csv_of_a_hostile_name(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A client that calls itself a formula is text in CSV."""
    assert main(["conversations", "--db", str(site), "--csv", "--columns", "client", "udp"]) == 0

    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["client"],
        ["'=cmd\\x1b[2J"],
    ]


def test_nothing_matches(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is said on standard error, unless quiet; it is no failure."""
    assert main(["values", "--db", str(site), "object:coil 1"]) == 0
    told = capsys.readouterr()
    assert main(["values", "--db", str(site), "object:coil 1", "--quiet"]) == 0
    silent = capsys.readouterr()

    assert (told.out, told.err) == ("", f"nothing in {site} matches\n")
    assert (silent.out, silent.err) == ("", "")


def test_times_in_the_zone_of_the_site(site: Path, tmp_path: Path, otsec_command: Command) -> None:
    """Times carry the offset of the configured zone; --utc shows UTC."""
    (tmp_path / "otsec.yaml").write_text(f"time_zone: America/New_York\nstore: {site}\n")
    words = ("conversations", "proto:modbus", "--columns", "last_time", "--limit", "1", "--jsonl")

    local = otsec_command(*words, cwd=tmp_path)
    utc = otsec_command("--quiet", *words, "--utc", cwd=tmp_path)

    assert json.loads(local.stdout)["last_time"] == "2023-11-14T17:13:30.000-05:00"
    assert json.loads(utc.stdout)["last_time"] == "2023-11-14T22:13:30.000+00:00"


@pytest.mark.parametrize("name", KEYS)
def test_columns_and_filters_are_those_of_the_query(
    name: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every column can be read from a row, has a name of its own, and every filter is known."""
    command: ModuleType = import_module(f"otsec.cli.{name}")
    names = [column.name for column in command.COLUMNS]

    rows = _rows(capsys, name, "--db", site)

    assert len(set(names)) == len(names)
    assert rows
    assert list(rows[0]) == names
    assert set(KEYS[name]) == FIELDS[name].keys() - {"since", "until", "text"}
    assert callable(getattr(spoken if name == "protocols" else queries, name))


def test_words_that_are_filters() -> None:
    """KEY:VALUE, KEY=VALUE, negation before or behind the key, or text without a key."""
    words = ["proto:a", "!proto:a", "proto!:a", "op=x:y", "!proto!=a", "!loose", "tcp/502", "op:"]

    assert parse_filters(words, ("proto", "op")) == [
        Filter("proto", "a"),
        Filter("proto", "a", negated=True),
        Filter("proto", "a", negated=True),
        Filter("op", "x:y"),
        Filter("proto", "a"),
        Filter("text", "loose", negated=True),
        Filter("text", "tcp/502"),
        Filter("op", ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20Z", BEGIN),
        ("2023-11-14T23:13:20+01:00", BEGIN),
        ("2023-11-14T23:13:20", BEGIN),
        ("2023-11-14 23:13:20", BEGIN),
        ("2023-11-14T23:13:20.123456789", BEGIN + 123_456_789),
        ("2023-11-14T22:13:20.5Z", BEGIN + 500_000_000),
        ("2023-11-15", BEGIN + (46 * 60 + 40) * SECOND),
        ("90s", 10**18 - 90 * SECOND),
        ("2h", 10**18 - 7200 * SECOND),
    ],
)
def test_moments(text: str, expected: int) -> None:
    """A time without offset is in the zone of the site; an age counts from the newest packet."""
    assert moment(text, ZoneInfo("Europe/Berlin"), lambda: 10**18) == expected


def test_the_end_of_a_day() -> None:
    """--until DATE includes the whole day, --since DATE begins with it."""
    begin = moment("2023-11-14", UTC, lambda: 0)

    assert moment("2023-11-14", UTC, lambda: 0, at_end=True) == begin + 86_400 * SECOND - 1


@pytest.mark.parametrize(
    "text",
    ["", "12", "2h30", "2023-13-01", "99999-01-01", "T", "2023-11-14T25", "2023-W46", "2023-W46-2"],
)
def test_no_moments(text: str) -> None:
    """What is no time is told with examples of what is."""
    with pytest.raises(UsageError, match="is no time; write 2026-01-31T08:00"):
        moment(text, UTC, lambda: 0)


@pytest.mark.parametrize("text", ["999999999d", "0001-01-01", "9999-12-30", "2263-01-01"])
def test_moments_out_of_range(text: str) -> None:
    """A time that no packet can have is told as it was written, not as a number of nanoseconds."""
    with pytest.raises(UsageError, match=f"^'{text}' is out of range: times are told from 1678"):
        moment(text, UTC, lambda: 0, at_end=True)


def test_natural_order() -> None:
    """Numbers within text count as numbers; rows without a value come last either way."""
    texts = ["unit 10", "Unit 2", "10.0.0.10", "10.0.0.9", ""]
    assert sorted(texts, key=natural) == ["", "10.0.0.9", "10.0.0.10", "Unit 2", "unit 10"]

    rows = [SimpleNamespace(n=None), SimpleNamespace(n=1), SimpleNamespace(n=2)]
    columns = (Column("n", "n", "number"),)
    for reverse, expected in ((False, [2, 1, None]), (True, [1, 2, None])):
        ordered = arranged(rows, Namespace(sort="n", reverse=reverse), columns)
        assert [told.n for told in ordered] == expected  # type: ignore[attr-defined]
