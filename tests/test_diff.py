"""`otsec diff`: what is new, gone, changed or bigger."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from inventory_stores import Tap, seen, tap
from store_rows import row, write

from otsec.cli import main
from otsec.differences import Difference, Period, differences, grown, side
from otsec.errors import Exit
from otsec.store import Store, open_store
from otsec.store.findings import LISTS, Finding, replace

HMI, PLC, NEW = "10.0.0.3", "10.0.0.1", "10.0.0.9"
HOURS = 3600
Fill = Callable[[Tap], None]


def made(path: Path, fill: Fill, *, hours: int = 1, site: str = "plant") -> Store:
    """A store of one tap that listened for some hours."""
    store = open_store(path)
    net = tap(store, site=site)
    for number, address in enumerate((HMI, PLC)):
        net.heard(f"00:1b:1b:00:00:{number:02x}", address)
    fill(net)
    net.write()
    heard = {"packets": 10_000, "last_time": hours * HOURS * 10**9}
    write(store, clock=[row("clock", source=net.number, **heard)])
    return store


def told(tmp_path: Path, before: Fill, after: Fill, **other: int) -> list[Difference]:
    """What differs between two stores."""
    with (
        made(tmp_path / "before.db", before) as old,
        made(tmp_path / "after.db", after, **other) as new,
    ):
        return differences(side(old), side(new))


def nothing(_: Tap) -> None:
    """Leave a tap as it is."""


def short(found: list[Difference]) -> list[tuple[str, ...]]:
    """What a difference is about."""
    return [(one.section, one.change, one.subject, one.what) for one in found]


def test_equal_stores_do_not_differ(tmp_path: Path) -> None:
    """A store differs in nothing from one of the same packets."""

    def fill(net: Tap) -> None:
        net.does(HMI, PLC, "modbus", "read")
        net.says(PLC, "s7comm", revision="V1")

    assert told(tmp_path, fill, fill) == []


def test_names_that_people_gave_do_not_matter(tmp_path: Path) -> None:
    """Two captures of a network are compared although their sites were named otherwise."""
    with (
        made(tmp_path / "a.db", nothing, site="monday") as old,
        made(tmp_path / "b.db", nothing, site="tuesday") as new,
    ):
        assert differences(side(old), side(new)) == []


def test_new_and_gone_are_told_with_what_shows_them(tmp_path: Path) -> None:
    """A host, its conversation and its operation are new one way, and gone the other."""

    def fill(net: Tap) -> None:
        net.heard("3c:52:82:00:00:09", NEW, at=120)
        net.talks(NEW, PLC, "modbus", **seen(130, 200))
        net.does(NEW, PLC, "modbus", "write", **seen(140, 150))

    found = told(tmp_path, nothing, fill)
    assert short(found) == [
        ("assets", "new", NEW, f"{NEW}, 3c:52:82:00:00:09"),
        ("conversations", "new", f"{NEW} -> {PLC}", "tcp/1 modbus"),
        ("operations", "new", f"{NEW} -> {PLC}", "modbus write holding 1"),
    ]
    assert [(one.time // 10**9, one.packet) for one in found] == [
        (120, 120),
        (130, 130),
        (140, 140),
    ]


def test_what_is_gone_is_told_with_its_last_packet(tmp_path: Path) -> None:
    """What is on the first side alone is gone, and its last packet is named."""

    def fill(net: Tap) -> None:
        net.does(HMI, PLC, "modbus", "write", **seen(140, 150))

    found = told(tmp_path, fill, nothing)

    assert [(one.section, one.change, one.before, one.packet) for one in found] == [
        ("conversations", "gone", "10 packets, 0 bytes, 0 connections", 60),
        ("operations", "gone", "3 times", 150),
    ]


def test_a_changed_fact_is_told_with_both_values(tmp_path: Path) -> None:
    """Another firmware is one change; a name more is new; neither makes another asset."""
    found = told(
        tmp_path,
        lambda net: net.says(PLC, "s7comm", revision="V1"),
        lambda net: net.says(PLC, "s7comm", revision="V2", serial="S 1"),
    )

    assert [(one.change, one.what, one.before, one.after) for one in found] == [
        ("new", "serial", "", "S 1"),
        ("changed", "revision", "V1", "V2"),
    ]


def test_the_stack_is_compared_by_kinds_of_packets(tmp_path: Path) -> None:
    """Who began connections before and answers now has not another stack; another SYN is a change."""
    syn, other, answer = "SYN: hops 64, no options", "SYN: hops 128", "SYN-ACK: hops 64, no options"
    found = told(
        tmp_path,
        lambda net: net.says(PLC, "tcp", tcp_stack=syn),
        lambda net: net.says(PLC, "tcp", tcp_stack=answer),
    )
    assert {(one.change, one.what) for one in found} == {
        ("new", "tcp_stack SYN-ACK"), ("gone", "tcp_stack SYN"),
    }  # fmt: skip
    (tmp_path / "2").mkdir()
    found = told(
        tmp_path / "2",
        lambda net: net.says(PLC, "tcp", tcp_stack=syn),
        lambda net: net.says(PLC, "tcp", tcp_stack=other),
    )
    assert [(one.change, one.what) for one in found] == [("changed", "tcp_stack SYN")]


def test_an_asset_is_the_same_with_another_address(tmp_path: Path) -> None:
    """A card that got another IP address is no new asset, but its address is new."""

    def moved(net: Tap) -> None:
        net.heard("3c:52:82:00:00:09", NEW)

    def there(net: Tap) -> None:
        net.heard("3c:52:82:00:00:09", "10.0.0.8")

    assert [one.section for one in told(tmp_path, there, moved)] == []


@pytest.mark.parametrize(
    ("before", "after", "hours", "told"),
    [
        (100, 250, (1, 1), "bigger"),
        (250, 100, (1, 1), "smaller"),
        (100, 199, (1, 1), None),  # less than the factor
        (100, 250, (1, 2), None),  # over twice the time
        (100, 1000, (1, 4), "bigger"),
        (2, 8, (1, 1), None),  # too few to tell from chance
        (12, 26, (1, 1), None),  # within chance
        (0, 0, (0, 0), None),
        (100, 250, (0, 0), "bigger"),  # no time that could be compared
    ],
)
def test_a_rate_differs_by_more_than_chance(
    before: int, after: int, hours: tuple[int, int], told: str | None
) -> None:
    """Both need the factor over the time captured, and more than counts vary."""
    assert grown(before, after, *hours) == told


def test_bigger_counts_over_the_time_captured(tmp_path: Path) -> None:
    """Three times the polls in three times the time is the same rate."""
    found = {
        hours: told(
            tmp_path / str(hours),
            lambda net: net.does(HMI, PLC, "modbus", "read", count=100),
            lambda net: net.does(HMI, PLC, "modbus", "read", count=300),
            hours=hours,
        )
        for hours in (1, 3)
        if (tmp_path / str(hours)).mkdir() is None
    }

    assert short(found[1]) == [("operations", "bigger", f"{HMI} -> {PLC}", "modbus read holding 1")]
    assert found[3] == []


def test_periods_of_one_store(tmp_path: Path) -> None:
    """What was first heard in the later period is new there, what ended before it is gone."""

    def fill(net: Tap) -> None:
        net.does(HMI, PLC, "modbus", "read", object="always", **seen(10, 190))
        net.does(HMI, PLC, "modbus", "read", object="early", **seen(10, 90))
        net.does(HMI, PLC, "modbus", "read", object="late", **seen(110, 190))

    with made(tmp_path / "one.db", fill) as store:
        early, late = Period(0, 100 * 10**9), Period(100 * 10**9 + 1, 200 * 10**9)
        found = differences(side(store, early), side(store, late))

    assert [(one.change, one.what) for one in found if one.section == "operations"] == [
        ("new", "modbus read late"),
        ("gone", "modbus read early"),
    ]


# ------------------------------------------------------------------------------- the command

PCAPS = ROOT / "pcaps" / "modbus"
POLLING, WRITING = PCAPS / "normal_polling.pcap", PCAPS / "write_from_new_host.pcap"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, output and talk of the command."""
    code = main(["diff", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_captures(capsys: pytest.CaptureFixture[str]) -> None:
    """A capture in which a laptop writes differs from one of polling; the exit code says so."""
    code, out, _ = run(capsys, POLLING, WRITING, "--json", "--only", "operations")
    rows = json.loads(out)["rows"]

    assert code == Exit.FINDINGS
    assert [one["what"] for one in rows if one["subject"] == "10.10.10.199 -> 10.10.10.22"][:3] == [
        "modbus write_multiple_registers holding 101-102",
        "modbus write_single_coil coil 0",
        "modbus write_single_register holding 100",
    ]  # what changes the device stands first


def test_a_capture_and_a_store_of_it_are_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stores and captures can be mixed; of the same packets nothing differs, with exit code 0."""
    db = tmp_path / "polling.db"
    main(["analyze", "-q", "--db", str(db), str(POLLING)])

    assert run(capsys, db, POLLING) == (
        Exit.FINE,
        "",
        f"nothing differs between {db} and {POLLING}\n",
    )


def test_the_page_shows_the_first_of_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    """A table of each section and change, cut at the limit, with how many there are."""
    code, out, _ = run(capsys, POLLING, WRITING, "--limit", "1")

    assert code == Exit.FINDINGS
    assert "Assets: 1 new\n" in out
    assert "Operations: 6 new\n" in out
    assert "... and 5 more: the same with --json\n" in out


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("a.db",), "name two stores"),
        (("missing.db", "b.db"), "missing.db: no such file"),
        (("--only", "asset", "a", "b"), "no section 'asset'; did you mean assets?"),
        (("--from", "noon", "--db", "DB"), "write two times with .. between them"),
        (("--from", "2026-01-05..2026-01-04", "--db", "DB"), "it ends before it begins"),
        (("--from", "..1h", "a", "b"), "periods are of the one store of --db"),
        (("--factor", "1", "a", "b"), "expected a number above 1"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], wrong: str
) -> None:
    """What does not go together is named, with exit code 2 or 3."""
    db = tmp_path / "polling.db"
    main(["analyze", "-q", "--db", str(db), str(POLLING)])
    code, _, err = run(capsys, *(str(db) if word == "DB" else word for word in words))

    assert code in {Exit.USAGE, Exit.INPUT}
    assert wrong in err


# ------------------------------------------------------------------------------- findings

ENGINEER, OPERATOR = (
    ROOT / "pcaps" / "s7comm" / f"{name}.pcap" for name in ("engineer", "operator")
)


def test_findings_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """What rules find in one capture alone is new, the worst first, and gone the other way."""
    code, out, _ = run(capsys, OPERATOR, ENGINEER, "--json", "--only", "findings")
    rows = json.loads(out)["rows"]

    assert code == Exit.FINDINGS
    assert {row["change"] for row in rows} == {"new"}
    assert [row["after"] for row in rows][:3] == ["high, 1 time", "high, 1 time", "medium, 2 times"]
    stop = next(row for row in rows if row["what"] == "S7 controller stopped, tcp/102")
    assert stop["subject"] == "10.10.30.15 -> 10.10.30.31"
    assert (stop["point"], stop["packet"] > 0) == ("engineer", True)

    code, out, _ = run(capsys, ENGINEER, OPERATOR, "--json", "--only", "findings")
    gone = json.loads(out)["rows"]
    assert [(row["change"], row["what"]) for row in gone] == [("gone", r["what"]) for r in rows]


def finding(id_: str, **cells: object) -> Finding:
    """A finding of a source."""
    plain = dict.fromkeys(Finding._fields, "")
    lists = dict.fromkeys(LISTS, ())
    numbers = {"times": 1, "source": 1, **seen(10, 20)}
    told = {"rule": "r", "title": "Stop", "level": "high", "client": NEW, "server": PLC}
    return Finding(**{**plain, **lists, **numbers, **told, "id": id_, "site": "plant", **cells})


def wrong(tmp_path: Path, before: list[Finding], after: list[Finding]) -> list[Difference]:
    """What differs between two stores with these findings."""
    with made(tmp_path / "a.db", nothing) as old, made(tmp_path / "b.db", nothing) as new:
        replace(old, [(one, ()) for one in before])
        replace(new, [(one, ()) for one in after])
        return differences(side(old), side(new))


def test_findings_that_grew_are_bigger(tmp_path: Path) -> None:
    """The same finding far more often is bigger; a few times more are chance."""
    found = wrong(tmp_path, [finding("a", times=20)], [finding("b", times=200)])
    assert [(one.change, one.before, one.after) for one in found] == [
        ("bigger", "high, 20 times", "high, 200 times")
    ]
    (tmp_path / "few").mkdir()
    assert wrong(tmp_path / "few", [finding("a", times=2)], [finding("b", times=9)]) == []


def test_findings_alike_are_counted_not_mixed(tmp_path: Path) -> None:
    """Of two findings that differ in what they group by, one that is gone is told once."""
    both = [finding("a"), finding("b", **seen(30, 40))]
    found = wrong(tmp_path, both, both[:1])
    assert [(one.section, one.change, one.time) for one in found] == [
        ("findings", "gone", 40 * 10**9)
    ]
