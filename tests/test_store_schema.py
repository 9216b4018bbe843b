"""The tables as they are, as they are described, and as they are documented."""

import sqlite3
from pathlib import Path

import pytest

from otsec.store import TABLES, open_store
from otsec.store.schema import markdown

PAGE = Path(__file__).parents[1] / "docs" / "store.md"


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_as_described(name: str, tmp_path: Path) -> None:
    """A new store has the described columns in that order, with their types and key, never NULL."""
    open_store(tmp_path / "a.db").close()
    table = TABLES[name]
    connection = sqlite3.connect(tmp_path / "a.db")
    try:
        real = connection.execute(f"PRAGMA table_info({name})").fetchall()
        unique = connection.execute(
            "SELECT c.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c "
            "WHERE i.origin = 'u' ORDER BY c.seqno",
            (name,),
        ).fetchall()
    finally:
        connection.close()

    assert [(column[1], column[2], column[3]) for column in real] == [
        (column.name, column.type, 1) for column in table.columns
    ]
    primary = [column[1] for column in sorted(real, key=lambda c: c[5]) if column[5]]
    assert table.key in (tuple(primary), tuple(column for (column,) in unique))


def test_page_is_current() -> None:
    """docs/store.md is what the schema says."""
    assert PAGE.read_text(encoding="utf-8") == markdown()


def test_references_name_columns_that_exist() -> None:
    """What a column refers to is a column of the schema."""
    refers = {column.refers for table in TABLES.values() for column in table.columns}

    assert refers - {""} == {
        "site_source.id",
        "conversation.number",
        "connection.number",
        "behaviour.number",
    }
    assert all(name in TABLES[table].names for table, name in (r.split(".") for r in refers if r))


def test_every_column_has_its_sentence() -> None:
    """Each column and table is explained by a whole sentence."""
    texts = [t.about for t in TABLES.values()]
    texts += [column.about for table in TABLES.values() for column in table.columns]

    assert [text for text in texts if not text.endswith((".", "...")) or len(text) < 10] == []
