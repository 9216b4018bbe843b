"""Rows as table, JSON, JSON lines and CSV; text of the network stays in its cell."""

import csv
import io
import json
from datetime import UTC
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otsec.cli.harmless import LRM, cell, cut, harmless, width
from otsec.cli.output import (
    Column,
    Style,
    bytes_text,
    duration_text,
    time_text,
    write,
)

COLUMNS = (
    Column("name", "name"),
    Column("count", "count", "number"),
    Column("size", "size", "bytes"),
    Column("wait_us", "wait", "duration"),
    Column("time", "time", "time"),
    Column("second", "second", "flag"),
    Column("seen", "seen by", "list"),
)
ROWS = [
    SimpleNamespace(
        name="pump", count=7, size=1_234_567, wait_us=12_345, time=1_700_000_000_123_456_789,
        second=True, seen=("a", "b"),
    ),
    SimpleNamespace(
        name="=1+1\x1b[31m", count=12345, size=5, wait_us=3, time=0, second=False, seen=(),
    ),
    SimpleNamespace(
        name=None, count=None, size=None, wait_us=None, time=None, second=None, seen=None,
    ),
]  # fmt: skip


def _written(style: Style, rows: list[SimpleNamespace] = ROWS) -> str:
    stream = io.StringIO()
    write("things", COLUMNS, rows, style, stream)
    return stream.getvalue()


def test_table() -> None:
    """A table is aligned, numbers to the right, nothing is told as `-`, escapes are shown."""
    assert _written(Style()).split("\n") == [
        "name          count    size     wait  time                           second  seen by",
        "pump              7  1.2 MB  12.3 ms  2023-11-14T22:13:20.123+00:00  yes     a, b",
        "=1+1\\x1b[31m  12345     5 B     3 us  1970-01-01T00:00:00.000+00:00  no",
        "-                 -       -        -  -                              -       -",
        "",
    ]


def test_json() -> None:
    """JSON is one object with its version; values are exact and raw; times carry the offset."""
    zone = ZoneInfo("Europe/Berlin")

    told = json.loads(_written(Style("json", zone)))

    assert told == {
        "schema_version": 1,
        "kind": "things",
        "rows": [
            {
                "name": "pump", "count": 7, "size": 1_234_567, "wait_us": 12_345,
                "time": "2023-11-14T23:13:20.123456789+01:00", "second": True, "seen": ["a", "b"],
            },
            {
                "name": "=1+1\x1b[31m", "count": 12345, "size": 5, "wait_us": 3,
                "time": "1970-01-01T01:00:00.000+01:00", "second": False, "seen": [],
            },
            dict.fromkeys(("name", "count", "size", "wait_us", "time", "second", "seen")),
        ],
    }  # fmt: skip
    assert json.loads(_written(Style("json"), []))["rows"] == []


def test_json_lines() -> None:
    """Each line of JSON lines stands for itself."""
    lines = _written(Style("jsonl")).splitlines()

    assert [json.loads(line)["count"] for line in lines] == [7, 12345, None]
    assert {json.loads(line)["schema_version"] for line in lines} == {1}


def test_csv() -> None:
    """CSV has a head, raw numbers, and no cell of text that a spreadsheet computes."""
    assert _written(Style("csv")).split("\n") == [
        "name,count,size,wait_us,time,second,seen",
        'pump,7,1234567,12345,2023-11-14T22:13:20.123456789+00:00,yes,"a, b"',
        "'=1+1\\x1b[31m,12345,5,3,1970-01-01T00:00:00.000+00:00,no,",
        ",,,,,,",
        "",
    ]


def test_a_narrow_terminal() -> None:
    """On a terminal the widest texts are cut with a mark; numbers and times never are."""
    columns = (Column("a", "a"), Column("n", "n", "number"), Column("b", "b"))
    rows = [SimpleNamespace(a="x" * 50, n=1234567890, b="y" * 12)]
    stream = io.StringIO()

    write("x", columns, rows, Style(columns=40, bold=True), stream)

    assert stream.getvalue().split("\n")[1] == f"{'x' * 13}~  1234567890  {'y' * 12}"
    assert stream.getvalue().startswith("\x1b[1ma ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Pumpe für Öl", "Pumpe für Öl"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\r\tc\0", "a\\nb\\r\\tc\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("a\u2028b\u00a0c", "a\\u2028b\\xa0c"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u0301a", "\\u0301a"),
        ("a\u0301\u0301\u0301", "a\u0301\u0301\\u0301"),
        ("שלום 1", f"{LRM}שלום 1{LRM}"),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    """What does not print is shown as its escape; letters of any script stay letters."""
    assert harmless(text) == shown


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_no_formula(sign: str) -> None:
    """A cell that a spreadsheet would compute begins with an apostrophe."""
    assert cell(f"{sign}cmd|' /C calc'!A0").startswith("'")


@given(st.text())
def test_any_text_stays_in_its_cell(text: str) -> None:
    """Whatever a device calls itself, every format keeps its rows, cells and width."""
    columns = (Column("a", "a"), Column("b", "b"))
    row = SimpleNamespace(a=text, b="end")
    got = {}
    for form in ("table", "json", "jsonl", "csv"):
        stream = io.StringIO()
        write("x", columns, [row], Style(form, UTC, 30), stream)  # type: ignore[arg-type]
        got[form] = stream.getvalue()

    head, line, rest = got["table"].split("\n")
    assert (line.endswith("  end"), rest) == (True, "")
    assert width(line) == width(head) - 1 + 3
    assert all(letter.isprintable() for letter in line.replace(LRM, ""))
    assert json.loads(got["json"])["rows"] == [{"a": text, "b": "end"}]
    assert json.loads(got["jsonl"])["a"] == text
    assert (got["json"] + got["jsonl"]).isascii()
    cells = list(csv.reader(io.StringIO(got["csv"])))
    assert len(cells) == 2
    assert cells[1][1:] == ["end"]
    assert cells[1][0][:1] not in set("=+-@\t\r")


@given(st.text(), st.integers(1, 40))
def test_cut_fits(text: str, columns: int) -> None:
    """A text that is cut takes no more room than it was given."""
    assert width(cut(harmless(text), columns, "~")) <= columns


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"),
        (999_499, "999 kB"), (999_500, "1.0 MB"), (5_000_000_000, "5.0 GB"),
        (10**16, "10000 TB"), (-2000, "-2.0 kB"),
    ],
)  # fmt: skip
def test_bytes(count: int, text: str) -> None:
    """A number of bytes is told with three digits and a decimal unit."""
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 us"), (999, "999 us"), (1000, "1.0 ms"), (999_499, "999 ms"), (999_500, "1.0 s"),
        (59_900_000, "59.9 s"), (60_000_000, "1 min 0 s"), (3_599_000_000, "59 min 59 s"),
        (3_600_000_000, "1 h 0 min"), (90_000_000_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_durations(us: int, text: str) -> None:
    """A duration is told in the two units that matter."""
    assert duration_text(us) == text


@pytest.mark.parametrize(
    ("ns", "exact", "text"),
    [
        (0, True, "1970-01-01T00:00:00.000+00:00"),
        (1, True, "1970-01-01T00:00:00.000000001+00:00"),
        (1_000, True, "1970-01-01T00:00:00.000001+00:00"),
        (1_999_999, False, "1970-01-01T00:00:00.001+00:00"),
        (-1, True, "1969-12-31T23:59:59.999999999+00:00"),
        (2**63 - 1, True, "2262-04-11T23:47:16.854775807+00:00"),
        (-(2**63), False, "1677-09-21T00:12:43.145+00:00"),
    ],
)
def test_times(ns: int, text: str, *, exact: bool) -> None:
    """A time is told to the millisecond, or exactly; any time that a capture can hold."""
    assert time_text(ns, UTC, exact=exact) == text
