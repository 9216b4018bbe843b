"""`otsec db`: dump, info, check and backup as a user runs them."""

import json
from pathlib import Path

import pytest
from store_rows import row, store_with

from otsec.cli import main
from otsec.store import open_store
from otsec.store.dump import dump


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one conversation."""
    path = tmp_path / "site.db"
    seen = {"first_packet": 1, "last_packet": 2}
    talk = row("conversation", source=1, client="10.0.0.5", server="10.0.0.10", **seen)
    store_with(path, conversation=[talk]).close()
    return path


def test_dump(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`db dump` prints the canonical text, a line a row."""
    assert main(["db", "dump", "--db", str(store)]) == 0

    with open_store(store, readonly=True) as opened:
        assert capsys.readouterr().out.splitlines() == list(dump(opened))


def test_info(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`db info` tells versions, sizes and rows."""
    assert main(["db", "info", "--db", str(store), "--json"]) == 0
    told = {line["name"]: line["value"] for line in json.loads(capsys.readouterr().out)["rows"]}

    assert told["store"] == str(store)
    assert told["rows of conversation"] == "1"


def test_check(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`db check` says that a store is sound, or tells each problem and exits with 5."""
    assert main(["db", "check", "--db", str(store)]) == 0
    assert capsys.readouterr() == ("", f"{store}: sound\n")

    with open_store(store) as opened:
        lost = row("behaviour", source=1, conversation=9)
        opened.checkpoint({"behaviour": [lost]}, [], [], [])
    assert main(["db", "check", "--db", str(store)]) == 5
    assert "behaviour: 1 rows name a conversation that is not there" in capsys.readouterr().out


def test_backup(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`db backup FILE` copies the store and refuses to overwrite."""
    copy = tmp_path / "copy.db"

    assert main(["db", "backup", str(copy), "--db", str(store)]) == 0
    assert capsys.readouterr() == ("", f"{store} copied to {copy}\n")
    assert main(["db", "check", "--db", str(copy)]) == 0
    capsys.readouterr()
    assert main(["db", "backup", str(copy), "--db", str(store)]) == 5
    assert capsys.readouterr().err == f"otsec: {copy}: exists already; name another file\n"
