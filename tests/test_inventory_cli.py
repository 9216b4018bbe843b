"""`otsec assets`, `asset` and `wanted` as people use them."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from inventory_stores import new_store, tap

from otsec.cli import asset as asset_command
from otsec.cli import assets, main
from otsec.errors import Exit
from otsec.inventory.people import SETTABLE
from otsec.inventory.selection import KEYS
from otsec.store import open_store
from otsec.store.dump import dump

M = [f"00:1b:1b:00:00:{n:02x}" for n in range(16)]
HOSTILE = '=HYPERLINK("http://x")\x1b[31m\u202e\x00,"\n'


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Path]:
    """A store with a controller, a panel and a device that says evil things."""
    with new_store(tmp_path) as store:
        net = tap(store)
        for n in (1, 2, 3):
            net.heard(M[n], f"10.0.0.{n}")
        net.says("10.0.0.1", "s7comm", name="press", order_number="6ES7 315-2EH14-0AB0")
        net.does("10.0.0.2", "10.0.0.1", "s7comm", "write")
        net.says("10.0.0.3", "snmp", name=HOSTILE, vendor="@SUM(1)", location="-1+1", os="+x")
        net.write()
        return store.path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command prints; it must succeed."""
    assert main([str(word) for word in words]) == Exit.FINE
    return capsys.readouterr().out


def acts_of(db: Path) -> list[tuple[str, ...]]:
    """What was taken down."""
    connection = sqlite3.connect(db)
    try:
        return connection.execute(
            "SELECT who, kind, attribute, before, after, reason FROM act ORDER BY number"
        ).fetchall()
    finally:
        connection.close()


def test_assets_lists_devices(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row a device, with role, addresses and what is known; filters choose among them."""
    rows = json.loads(run(capsys, "assets", "--db", db, "--json", "role=plc"))["rows"]

    assert [(row["name"], row["role"], row["level"], row["model"]) for row in rows] == [
        ("press", "plc", 1, "6ES7 315-2EH14-0AB0")
    ]
    table = run(capsys, "assets", "--db", db, "--columns", "name,role,asks")
    assert "10.0.0.2 hmi s7comm" in " ".join(table.split())


def test_asset_tells_all(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page of an asset has every part, and JSON the same as data."""
    page = run(capsys, "asset", "press", "--db", db)
    for title in ("Addresses", "What is known", "Whom it talks to", "Who wrote to it", "14 known"):
        assert title in page

    whole = json.loads(run(capsys, "asset", M[1], "--db", db, "--json"))
    assert whole["asset"]["name"] == "press"
    assert [row["address"] for row in whole["peers"]] == ["10.0.0.2"]
    assert len(whole["attributes"]) == 14


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["10.0.0.9"], "no asset '10.0.0.9'"),
        (["pres"], "no asset 'pres'; did you mean 'press'?"),
        (["set", "press", "role=plx"], "role: 'plx' is none of plc,"),
        (["set", "press", "onwer=x"], "'onwer' cannot be set; did you mean owner?"),
        (["set", "press", "owner"], "'owner' is not KEY=VALUE"),
        (["set", "press", "owner=" + "x" * 501], "owner: 501 letters; at most 500 are kept"),
        (["merge", "press", "press"], "are one asset already"),
        (["split", "press", "10.0.0.2"], "has no address '10.0.0.2'; it has 10.0.0.1"),
        (["import", "no.csv"], "no.csv"),
    ],
)
def test_mistakes_change_nothing(
    db: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """A mistake is one line that says what to do, and nothing is taken down."""
    assert main(["asset", *words, "--db", str(db)]) != Exit.FINE
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert acts_of(db) == []


def test_acts_are_kept(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who said what, what held before and why is kept, and nothing changes or deletes it."""
    run(
        capsys,
        "asset",
        "set",
        "press",
        "criticality=High",
        "--by",
        "ann",
        "--reason",
        "r",
        "--db",
        db,
    )
    run(capsys, "asset", "merge", "press", "10.0.0.2", "--by", "bob", "--db", db)
    run(capsys, "asset", "split", "press", "10.0.0.2", "--by", "bob", "--db", db)
    run(capsys, "asset", "set", "press", "criticality=high", "--by", "ann", "--db", db)

    kept = acts_of(db)
    assert kept[0] == ("ann", "set", "criticality", "", "high", "r")
    assert [row[:2] for row in kept[1:]] == [("bob", "merge"), ("bob", "split")]
    connection = sqlite3.connect(db)
    for statement in ("DELETE FROM act", "UPDATE act SET who = 'eve'"):
        with pytest.raises(sqlite3.IntegrityError, match="acts of people are never"):
            connection.execute(statement)
    connection.close()
    assert acts_of(db) == kept


def test_acts_are_not_derived(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What people say is outside the canonical dump."""
    with open_store(db, readonly=True) as store:
        before = list(dump(store))
    run(capsys, "asset", "set", "press", "owner=Eve", "--by", "ann", "--db", db)
    run(capsys, "asset", "merge", "press", "10.0.0.2", "--by", "ann", "--db", db)

    with open_store(db, readonly=True) as store:
        assert list(dump(store)) == before


def test_what_was_exported_says_nothing_new(
    db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The export read back is no act, whatever the devices say; a changed cell is one."""
    run(capsys, "asset", "set", "press", "location==HALL 3", "tags=b, a", "--by", "ann", "--db", db)
    register = tmp_path / "register.csv"
    register.write_text(run(capsys, "assets", "--csv", "--db", db), "utf-8")
    run(capsys, "asset", "import", register, "--by", "bob", "--db", db)
    assert len(acts_of(db)) == 2

    rows = list(csv.DictReader(io.StringIO(register.read_text("utf-8"))))
    assert [row["location"] for row in rows] == ["'=HALL 3", "", "'-1+1"]
    rows[0]["owner"], rows[1]["criticality"] = "Eve", "low"
    with register.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    run(capsys, "asset", "import", register, "--by", "bob", "--db", db)

    assert [row[:5] for row in acts_of(db)[2:]] == [
        ("bob", "import", "owner", "", "Eve"),
        ("bob", "import", "criticality", "", "low"),
    ]


def test_a_register_of_people(db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A register finds assets by MAC or IP address, and says which rows name nothing heard."""
    register = tmp_path / "register.csv"
    register.write_text(
        f"mac,ip,asset_number,location\n{M[1].upper()},,A-1,Hall 1\n"
        ",10.0.0.2,A-2,Hall 2\n00:00:00:00:00:09,,A-3,\n",
        "utf-8-sig",
    )

    assert main(["asset", "import", str(register), "--by", "ann", "--db", str(db)]) == Exit.FINE

    assert "1 of 3 rows name nothing that was heard: line 4" in capsys.readouterr().err
    rows = json.loads(run(capsys, "assets", "--json", "--db", db))["rows"]
    assert [row["asset_number"] for row in rows] == ["A-1", "A-2", ""]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ip,onwer\n10.0.0.1,x\n", "register.csv:1: no column 'onwer'; did you mean owner?"),
        ("owner\nx\n", "register.csv:1: no column names the asset"),
        ("ip,role\n10.0.0.1,plx\n", "register.csv:2: role: 'plx' is none of"),
        ("ip,owner\n10.0.0.1,x,y\n", "register.csv:2: 3 cells, but 2 columns"),
        ('ip,owner\n10.0.0.1,"x\n', "is no CSV in UTF-8"),
        (b"ip,owner\n10.0.0.1,\xff\n", "is no CSV in UTF-8"),
    ],
)
def test_registers_that_are_wrong(
    db: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str | bytes,
    told: str,
) -> None:
    """A register with a mistake is refused as a whole, with the line."""
    register = tmp_path / "register.csv"
    register.write_bytes(text if isinstance(text, bytes) else text.encode())

    assert main(["asset", "import", str(register), "--by", "ann", "--db", str(db)]) != Exit.FINE

    assert told in capsys.readouterr().err
    assert acts_of(db) == []


@pytest.mark.parametrize("format", ["--json", "--jsonl", "--csv", "--utc"])
@pytest.mark.parametrize("words", [["assets"], ["asset", "10.0.0.3"], ["wanted"]])
def test_hostile_names_stay_in_their_cells(
    db: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    format: str,  # noqa: A002
) -> None:
    """Controls, bidi marks and formulas of devices change nothing but the cell that shows them."""
    text = run(capsys, *words, format, "--db", db)

    assert not any(mark in text for mark in ("\x1b", "\u202e", "\x00"))
    if format == "--csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in {"=", "@"} or cell[:2] in {"-1", "+x"}]


def test_wanted(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The wishes are told with the action, the facts and the assets."""
    rows = json.loads(run(capsys, "wanted", "--json", "--db", db, "role=plc"))["rows"]

    assert any("STEP 7" in row["action"] and row["assets"] == ["press"] for row in rows)


def test_no_store_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Saying something of an asset of a store that is not there makes none."""
    assert main(["asset", "set", "x", "owner=y", "--db", str(tmp_path / "no.db")]) == Exit.STORAGE

    assert "there is no such store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_is_of_the_inventory() -> None:
    """Keys and filters that the help names are those that the inventory takes."""
    assert asset_command.KEYS.keys() == SETTABLE.keys()
    assert assets.FILTERS.keys() == KEYS.keys()
    page = (ROOT / "docs" / "inventory.md").read_text("utf-8")
    assert [key for key in SETTABLE if f"`{key}`" not in page] == []
