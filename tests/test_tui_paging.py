"""Rows of long listings by their keys: the same as the listings of the command line."""

import time
from pathlib import Path

import pytest
from inventory_stores import SECOND, new_store, tap
from store_rows import row, write

from otsec.detect.cases import Word, cases, chosen, decided
from otsec.errors import StorageError, UsageError
from otsec.store import Store, open_store, paging, queries
from otsec.store.acts import record
from otsec.store.filters import Filter
from otsec.tui.rows import Paged


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two taps of one network that saw much the same, and one of another."""
    store = new_store(tmp_path)
    first, second, other = tap(store, point="a"), tap(store, point="b"), tap(store, group="far")
    for n in range(40):
        first.talks(f"10.0.0.{n + 1}", "10.0.1.1", "modbus" if n % 2 else "", packets_out=n + 1)
    for n in range(20):
        second.talks(f"10.0.0.{n + 1}", "10.0.1.1", "modbus" if n % 2 else "", packets_out=90 - n)
        other.talks(f"10.0.0.{n + 1}", "10.0.2.1", "s7comm", packets_out=n)
    for one in (first, second, other):
        one.write()
    return store


FILTERS = [
    [],
    [Filter("proto", "modbus")],
    [Filter("proto", "mod*", negated=True)],
    [Filter("host", "10.0.0.0/29")],
    [Filter("server", "10.0.2.1"), Filter("client", "10.0.0.3", negated=True)],
    [Filter("text", "s7")],
]


@pytest.mark.parametrize("filters", FILTERS)
def test_pages_hold_the_rows_of_the_listing(store: Store, filters: list[Filter]) -> None:
    """All pages together are the rows that `otsec conversations` lists, witnesses and all."""
    keys = paging.order_of(store, "conversations", filters)
    shown = [keyed.row for keyed in paging.page(store, "conversations", keys)]

    listed = queries.conversations(store, filters)
    assert sorted(shown, key=repr) == sorted(listed, key=repr)
    packets = [row.packets_out + row.packets_in for row in shown]
    assert packets == sorted(packets, reverse=True)


def test_the_first_rows_are_those_of_all(store: Store) -> None:
    """What is shown at once stands first among all, also in another order."""
    for sort, descending in (("", False), ("client", False), ("packets_out", True)):
        few, every = (
            paging.order_of(store, "conversations", (), sort, descending=descending, limit=limit)
            for limit in (7, paging.MOST)
        )
        assert few.tolist() == every[:7].tolist()


def test_addresses_are_in_order_of_their_numbers(store: Store) -> None:
    """10.0.0.9 stands before 10.0.0.10."""
    keys = paging.order_of(store, "conversations", [Filter("server", "10.0.1.1")], "client")
    clients = [keyed.row.client for keyed in paging.page(store, "conversations", keys)]

    assert clients == [f"10.0.0.{n + 1}" for n in range(40)]


def test_a_key_outlives_what_is_written(store: Store) -> None:
    """A row keeps its key when it is written again, and pages leave out what is gone."""
    keys = paging.order_of(store, "conversations", (), "client")
    rows = Paged(keys, lambda some: paging.page(store, "conversations", some))
    before = rows.at(3)
    cells = list(store.rows("conversation", 1)[3])
    write(store, conversation=[tuple(cells)])
    again = paging.order_of(store, "conversations", (), "client")

    assert before is not None
    assert rows.place(before.key) == 3
    assert again.tolist() == keys.tolist()
    assert paging.page(store, "conversations", [10**9]) == []


def test_a_question_can_be_taken_back(store: Store) -> None:
    """What is interrupted ends with a word, not with a traceback."""
    calls = 0

    def stop() -> int:
        nonlocal calls
        calls += 1
        paging.interrupt(store)
        return 0

    store.db.conn.set_progress_handler(stop, 10)
    with pytest.raises(StorageError, match="taken back"):
        paging.order_of(store, "conversations", (), "client")
    assert calls


def finding(number: int, level: str, **cells: object) -> tuple[object, ...]:
    """A row of the table `finding`."""
    lists = dict.fromkeys(
        ("witnesses", "operations", "objects", "outcomes", "techniques", "falsepositives"), "[]"
    )
    given = {"site": "site", "point_group": "net", "title": f"title {number}", **lists, **cells}
    return row("finding", id=f"{number:08x}", level=level, **given)


def test_findings_are_those_of_the_command(tmp_path: Path) -> None:
    """Order, states, owners and filters are as `otsec findings` has them."""
    levels = ("low", "critical", "high", "informational", "medium", "high")
    with open_store(tmp_path / "f.db") as store:
        rows = [
            finding(n, level, client=f"10.0.0.{n}", last_time=n * SECOND, count=n)
            for n, level in enumerate(levels)
        ]
        for cells in rows:
            store.db["finding"].insert(dict(zip(_names(), cells, strict=True)))
        word = Word("ann", "ann", "desk", 1, "seen")
        by_id = {case.finding.id: case for case in cases(store)}
        for number, kind, text in (
            (1, "ack", ""),
            (2, "resolve", ""),
            (3, "accept", ""),
            (4, "assign", "bob"),
        ):
            record(store, [decided(by_id[f"{number:08x}"], kind, word, text)])  # type: ignore[arg-type]
        for number, until in ((0, SECOND), (5, 2 * time.time_ns())):  # is over, and is not
            record(store, [decided(by_id[f"{number:08x}"], "accept", word, until=until)])
        store.db["finding"].update(f"{2:08x}", {"last_time": 99 * SECOND})  # it went on

        for filters in (
            [],
            [Filter("state", "open")],
            [Filter("state", "reopened")],
            [Filter("owner", "bob")],
            [Filter("client", "10.0.0.0/30")],
            [Filter("text", "TITLE 4")],
            [Filter("state", "accepted")],
        ):
            keys = paging.order_of(store, "findings", filters)
            shown = [keyed.row for keyed in paging.page(store, "findings", keys)]
            listed = chosen(cases(store), filters)
            assert [(one.finding, one.state, one.owner) for one in shown] == [
                (one.finding, one.state, one.owner) for one in listed
            ], filters
        keys = paging.order_of(store, "findings", [Filter("level", "high", sign=">=")])
        found = [keyed.row.finding.level for keyed in paging.page(store, "findings", keys)]
        assert found == ["critical", "high", "high"]
        with pytest.raises(UsageError, match="is no level"):
            paging.order_of(store, "findings", [Filter("level", "grave")])


def test_findings_are_in_order_of_any_column(tmp_path: Path) -> None:
    """Texts stand by their letters, numbers by size, addresses by their numbers, either way round."""
    with open_store(tmp_path / "f.db") as store:
        for n in range(40):
            cells = finding(n, "low", client=f"10.0.0.{n * 7 % 40}", last_time=n % 3 * SECOND,
                            count=n % 5, name="abcé"[n % 4])  # fmt: skip
            store.db["finding"].insert(dict(zip(_names(), cells, strict=True)))
        for column, key in (
            ("client", lambda row: int(row.finding.client.rpartition(".")[2])),
            ("name", lambda row: row.finding.name),
            ("count", lambda row: row.finding.times),
            ("state", lambda row: row.state),
        ):
            for descending in (False, True):
                keys = paging.order_of(store, "findings", [], column, descending=descending)
                rows = [keyed.row for keyed in paging.page(store, "findings", keys)]
                assert [key(row) for row in rows] == sorted(map(key, rows), reverse=descending)
                assert len({row.finding.id for row in rows}) == 40


def test_decisions_are_looked_up(tmp_path: Path) -> None:
    """Of a million findings none looks through all that was ever decided."""
    with open_store(tmp_path / "f.db") as store:
        select = paging.LISTINGS["findings"].select
        told = [plan[-1] for plan in store.all(f"EXPLAIN QUERY PLAN SELECT {select}")]
    assert [one for one in told if "LEFT-JOIN" in one and not one.startswith("SEARCH")] == []
    assert sum("LEFT-JOIN" in one for one in told) == 3


def _names() -> tuple[str, ...]:
    from otsec.store import TABLES

    return TABLES["finding"].names
