"""The record of acts: its hash chain, and what it tells of a row that was tampered with."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from otsec.store import Store, open_store
from otsec.store.acts import Act, record, verified
from otsec.store.chain import START, Head
from otsec.store.migrations import MIGRATIONS, migrate


def said(text: str) -> Act:
    """A comment on a finding."""
    return Act(0, 17, "kim", "comment", "", "", "", text, "because", "kim", "here", "4b8d41b0")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with five acts in two transactions."""
    with open_store(tmp_path / "a.db") as made:
        record(made, [said("one"), said("two"), said("three")])
        record(made, [said("four"), said("five")])
        yield made


def tampered(store: Store, *statements: str) -> list[tuple[int, str]]:
    """What the chain tells after somebody worked on the file with a tool of their own."""
    triggers = store.all("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    own = sqlite3.connect(store.path)
    for name, _ in triggers:
        own.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        own.execute(statement)
    for _, sql in triggers:
        own.execute(sql)
    own.commit()
    own.close()
    return [(one.number, one.what[:12]) for one in verified(store).broken]


def test_an_untouched_record_holds(store: Store) -> None:
    """All acts are linked, from the start to the head that is told."""
    found = verified(store)

    assert (found.acts, found.head.number, found.broken) == (5, 5, ())
    assert verified(store, [found.head, Head(0, START)]).broken == ()


@pytest.mark.parametrize(
    "column",
    ["time", "who", "kind", "asset", "attribute", "before", "after", "reason", "login", "host"],
)
def test_a_changed_cell_names_its_row(store: Store, column: str) -> None:
    """Whatever cell of an act is changed: this row is named and no other."""
    value = "18" if column == "time" else "'other'"
    changed = f"UPDATE act SET {column} = {value} WHERE number = 3"  # noqa: S608 - of this file

    assert tampered(store, changed) == [(3, "differs from")]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM act WHERE number = 2", [(2, "was deleted;"), (3, "missing befo")]),
        ("DELETE FROM act WHERE number = 5", [(5, "was deleted;")]),
        ("DELETE FROM act_link WHERE number = 5", [(5, "has no link:")]),
        (
            """INSERT INTO act SELECT 6, time, who, kind, asset, attribute, before, 'new', reason,
               login, host, finding, seen_until FROM act WHERE number = 5""",
            [(6, "has no link:")],
        ),
    ],
)
def test_a_row_gone_or_slipped_in_is_named(
    store: Store, statement: str, told: list[tuple[int, str]]
) -> None:
    """A deleted act, an act without its link, and one added past otsec are named."""
    found = tampered(store, statement)

    assert [one for one in found if one in told] == told


def test_a_noted_head_finds_a_record_that_was_cut(store: Store) -> None:
    """The end cut off with its links leaves a chain that holds, but not the head noted before."""
    noted = verified(store).head
    cut = ("DELETE FROM act WHERE number > 3", "DELETE FROM act_link WHERE number > 3")
    assert tampered(store, *cut) == []

    (broken,) = verified(store, [noted]).broken

    assert broken.number == 5


def test_links_are_guarded(store: Store) -> None:
    """A link can be neither changed nor deleted, and a trigger that was removed is told."""
    for statement in ("UPDATE act_link SET link = ''", "DELETE FROM act_link"):
        with pytest.raises(sqlite3.IntegrityError):
            store.db.conn.execute(statement)
    store.db.conn.execute("DROP TRIGGER act_link_kept")

    assert [one.number for one in verified(store).broken] == [0]


def test_acts_of_an_older_store_are_linked_when_it_is_brought_up_to_date(tmp_path: Path) -> None:
    """What was recorded before there were links is linked by the migration."""
    before = [one.name for one in MIGRATIONS].index("acts are linked by hashes")
    own = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    migrate(own, MIGRATIONS[:before])
    own.execute("INSERT INTO act VALUES (1, 1, 'kim', 'set', '', '', '', 'x', '', '', '', '', 0)")
    own.close()

    with open_store(tmp_path / "a.db") as store:
        record(store, [said("new")])
        found = verified(store)

    assert (found.acts, found.head.number, found.broken) == (2, 2, ())
