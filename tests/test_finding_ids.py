"""Ids of findings: short enough to type, long enough for a million, the old ones still valid."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ROOT

from otsec.cli import main
from otsec.detect.cases import cases, one_of
from otsec.detect.incidents import name_of
from otsec.errors import Exit, UsageError
from otsec.evidence.references import resolve
from otsec.store import open_store
from otsec.store.acts import every_act
from otsec.store.findings import findings, shortest
from otsec.store.migrations import MIGRATIONS
from otsec.store.paging import order_of, page

ENGINEER = ROOT / "pcaps" / "s7comm" / "engineer.pcap"
Say = Callable[..., str]
LONGER = next(one for one in MIGRATIONS if "longer ids" in one.name)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A store with findings."""
    path = tmp_path / "x.db"
    assert main(["analyze", "-q", str(ENGINEER), "--db", str(path)]) == Exit.FINE
    return path


def older(db: Path) -> list[str]:
    """Make the store as it is behind its migration: ids of eight letters; gives these."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("ALTER TABLE finding DROP COLUMN short")
        connection.execute("UPDATE finding SET id = substr(id, 1, 8)")
        connection.execute("UPDATE finding_packet SET finding = substr(finding, 1, 8)")
        for statement in LONGER.statements:
            connection.execute(statement)
        return [name for (name,) in connection.execute("SELECT id FROM finding ORDER BY id")]


def twin(db: Path, beginning: str, later_ns: int) -> str:
    """A finding that was seen later, whose id begins as another one's; gives its id."""
    name = beginning + "0" * (15 - len(beginning))
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            "CREATE TEMP TABLE one AS SELECT * FROM finding WHERE id LIKE ?", (f"{beginning}%",)
        )
        connection.execute(
            "UPDATE one SET id = ?, first_time = first_time + ?, last_time = last_time + ?",
            (name, later_ns, later_ns),
        )
        connection.execute("INSERT INTO finding SELECT * FROM one")
    return name


def test_short_ids_tell_all_apart() -> None:
    """A short id is the least of the id, but eight letters, that no other one begins with."""
    assert shortest(["aaaaaaaaa1", "aaaaaaaaab2", "aaaaaaaaab3", "c" * 15]) == {
        "aaaaaaaaa1": "aaaaaaaaa1",
        "aaaaaaaaab2": "aaaaaaaaab2",
        "aaaaaaaaab3": "aaaaaaaaab3",
        "c" * 15: "c" * 8,
    }
    assert shortest([]) == {}


def test_ids_hold_a_million(db: Path) -> None:
    """An id has 60 bits, and is kept whole; shown is what tells it apart."""
    with open_store(db, readonly=True) as store:
        found = findings(store)
    assert {len(one.id) for one in found} == {15}
    assert {one.short for one in found} == {one.id[:8] for one in found}


def test_ids_of_an_older_version_are_valid(db: Path) -> None:
    """What was decided by an id of eight letters holds behind the migration and judging anew."""
    with open_store(db, readonly=True) as store:
        whole = [one.id for one in findings(store)]
    assert older(db) == [name[:8] for name in whole]
    words = ("-q", "--db", str(db), "--by", "ann", "--reason", "drill")
    assert main(["accept", whole[0][:8], *words]) == Exit.FINE
    with open_store(db) as store:
        assert {act.finding for act in every_act(store)} == {whole[0][:8]}
    assert main(["rules", "run", "-q", "--db", str(db)]) == Exit.FINE
    with open_store(db, readonly=True) as store:
        state = {case.finding.id: case.state for case in cases(store)}
        rows = page(store, "findings", order_of(store, "findings"))
        by_rows = {keyed.row.finding.id: keyed.row.state for keyed in rows}
        named = [resolve(store, [name]) for name in (whole[0][:8], whole[0])]
    assert len({tuple(one.packet for one in each) for each in named}) == 1
    assert state == by_rows
    assert {name for name, one in state.items() if one == "accepted"} == {whole[0]}
    assert sorted(state) == whole


def test_a_decision_is_not_of_who_came_later(db: Path) -> None:
    """Where ids of two findings begin so, what was decided is of the one that was there then."""
    with open_store(db, readonly=True) as store:
        (first, *_) = findings(store)
    older(db)
    words = ("-q", "--db", str(db), "--by", "ann", "--reason", "drill")
    assert main(["accept", first.id[:8], *words]) == Exit.FINE
    assert main(["rules", "run", "-q", "--db", str(db)]) == Exit.FINE
    other = twin(db, first.id[:8], 3_600 * 10**9)
    with open_store(db, readonly=True) as store:
        state = {case.finding.id: case.state for case in cases(store)}
        keyed = page(store, "findings", order_of(store, "findings"))
    assert (state[first.id], state[other]) == ("accepted", "new")
    assert {one.row.finding.id: one.row.state for one in keyed} == state


def test_beginnings(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only one finding begins with names it; what several do is told with their ids."""
    with open_store(db, readonly=True) as store:
        (first, *_) = findings(store)
    other = twin(db, first.id[:9], 10**9)
    with open_store(db, readonly=True) as store:
        found = cases(store)
        assert [case.finding.id for case in one_of(found, first.id[:12].upper())] == [first.id]
        assert {one.id for one in resolve(store, [first.id[:12]])} == {first.id[:12]}
        with pytest.raises(UsageError, match=f"begins the ids of 2 findings: {other}, {first.id}"):
            one_of(found, first.id[:9])
        with pytest.raises(UsageError, match="begins the ids of 2 findings"):
            resolve(store, [first.id[:9]])
    for command in (("finding",), ("ack", "--by", "ann"), ("show",)):
        assert main([command[0], first.id[:9], *command[1:], "--db", str(db)]) == Exit.USAGE
        assert "begins the ids of 2 findings" in capsys.readouterr().err


def test_an_incident_is_named_as_before(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of incidents begin as those of older versions did, and every command takes them."""
    before = "i" + hashlib.sha256(b"61bdad60").hexdigest()[:7]
    assert name_of("61bdad60d42424a").startswith(before)
    assert name_of("61bdad60d42424a") != name_of("61bdad60d42424b")
    with open_store(db, readonly=True) as store:
        story = [one for one in findings(store) if one.incident]
        name = story[0].incident
        whole = {one.id for one in story if one.incident == name}
        shown = {one.why.partition(":")[0] for one in resolve(store, [name[:8]])}
        assert shown == {one.title for one in story if one.incident == name}
    assert main(["finding", name[:8], "--json", "--db", str(db)]) == Exit.FINE
    assert {row["id"] for row in json.loads(capsys.readouterr().out)["rows"]} == whole
